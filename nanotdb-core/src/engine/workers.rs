//! Threads that are there only while there is work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// One piece of work.
pub(super) type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Threads that have not ended.
    alive: usize,
    /// Those of them that wait for work.
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    stopping: bool,
}

struct Shared {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

/// A few threads, made when there is work and no other one is free, that end when there is none.
pub(super) struct Workers(Arc<Shared>);

impl Workers {
    /// At most so many threads of this name.
    pub(super) fn new(name: &'static str, most: usize) -> Self {
        Self(Arc::new(Shared { name, most, state: Mutex::default(), work: Condvar::new() }))
    }

    /// Has it done by the next thread that is free.
    pub(super) fn run(&self, job: Job) {
        let mut state = self.0.lock();
        if state.stopping {
            return;
        }
        state.queue.push_back(job);
        if state.idle < state.queue.len() && state.alive < self.0.most {
            let shared = Arc::clone(&self.0);
            let thread = std::thread::Builder::new().name(self.0.name.into());
            match thread.spawn(move || shared.work()) {
                Ok(thread) => {
                    state.alive = state.alive.saturating_add(1);
                    state.threads.retain(|thread| !thread.is_finished());
                    state.threads.push(thread);
                }
                Err(error) => {
                    tracing::error!(%error, name = self.0.name, "no thread could be started");
                    if state.alive == 0 {
                        // Nobody would do it. It is found to be due again.
                        state.queue.clear();
                    }
                }
            }
        }
        drop(state);
        self.0.work.notify_one();
    }

    /// Forgets what has not begun and waits for what has.
    pub(super) fn stop(&self) {
        let threads = {
            let mut state = self.0.lock();
            state.stopping = true;
            state.queue.clear();
            std::mem::take(&mut state.threads)
        };
        self.0.work.notify_all();
        for thread in threads {
            // The thread itself may be what stops them: it held the last reference to the engine.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Counts a thread as ended even when its work panicked.
struct Alive<'a>(&'a Shared);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.alive = state.alive.saturating_sub(1);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let _alive = Alive(self);
        while let Some(job) = self.next() {
            job();
        }
    }

    /// `None` when there has been no work for a while.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let mut timed_out = false;
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if timed_out {
                return None;
            }
            state.idle = state.idle.saturating_add(1);
            let (woken, timeout) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle = state.idle.saturating_sub(1);
            timed_out = timeout.timed_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_job_that_hangs_keeps_no_other_from_its_turn_until_all_threads_hang() {
        let workers = Workers::new("test", 2);
        let (release, hang) = channel::<()>();
        workers.run(Box::new(move || {
            let _ = hang.recv();
        }));
        let (done, finished) = channel();
        for at in 0..5 {
            let done = done.clone();
            workers.run(Box::new(move || {
                let _ = done.send(at);
            }));
        }
        let order: Vec<i32> = (0..5).map(|_| finished.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        assert_eq!(order, [0, 1, 2, 3, 4], "one thread does them in order");
        assert!(workers.0.lock().alive <= 2);
        drop(release);
        workers.stop();
        assert_eq!(workers.0.lock().alive, 0);
    }

    #[test]
    fn a_job_that_panics_takes_no_place_for_ever() {
        let workers = Workers::new("test", 1);
        std::panic::set_hook(Box::new(|_| {}));
        workers.run(Box::new(|| panic!("on purpose")));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while workers.0.lock().alive > 0 {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        let (done, finished) = channel();
        workers.run(Box::new(move || {
            let _ = done.send(());
        }));
        finished.recv_timeout(Duration::from_secs(20)).unwrap();
        workers.stop();
    }
}
