//! Asks file systems on a thread of their own: one that does not answer, such as a share whose server is dead, holds up
//! that thread and nothing else.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the first file system of a cycle that does not answer is waited for, and each one after it: all of them together
/// stay below the collector's timeout.
const PATIENCE: Duration = Duration::from_secs(1);
const LESS_PATIENCE: Duration = Duration::from_millis(300);
/// Threads that may wait for file systems.
const MOST_STUCK: usize = 8;
/// A system call needs little.
const STACK_BYTES: usize = 64 << 10;

/// Threads that ask, and what they are asking.
pub(super) struct Asker<T> {
    ask: Arc<dyn Fn(&Path) -> T + Send + Sync>,
    /// The thread that answers; it is kept between cycles.
    free: Option<Worker<T>>,
    stuck: Vec<(Arc<Path>, Worker<T>)>,
    patience: Duration,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<T> {
    Answer(T),
    /// It has not come back, of this cycle or of an earlier one.
    Stuck,
    /// Too many others are stuck, or there is no thread to be had.
    Passed,
}

/// Told to end when it is dropped; what it is waiting for then ends first.
struct Worker<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// Paths, with their places in what was asked.
type Questions = VecDeque<(usize, Arc<Path>)>;

struct State<T> {
    todo: Questions,
    asking: Option<usize>,
    done: Vec<(usize, T)>,
    ended: bool,
}

impl<T: Send + 'static> Asker<T> {
    pub(super) fn new(ask: impl Fn(&Path) -> T + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), free: None, stuck: Vec::new(), patience: PATIENCE }
    }

    /// Asks about each of `paths` that is not still being asked from before; `answers` becomes as long as `paths`.
    pub(super) fn ask(&mut self, paths: &[Arc<Path>], answers: &mut Vec<Asked<T>>) {
        self.stuck.retain(|(_, worker)| worker.0.lock().asking.is_some());
        answers.clear();
        let mut todo = VecDeque::with_capacity(paths.len());
        for (at, path) in paths.iter().enumerate() {
            let is_stuck = self.stuck.iter().any(|(stuck, _)| stuck == path);
            answers.push(if is_stuck { Asked::Stuck } else { Asked::Passed });
            if !is_stuck {
                todo.push_back((at, Arc::clone(path)));
            }
        }
        let mut patience = self.patience;
        while !todo.is_empty() && self.stuck.len() < MOST_STUCK {
            let worker = match self.free.take().map_or_else(|| Worker::start(&self.ask), Ok) {
                Ok(worker) => worker,
                Err(_) => break,
            };
            worker.give(std::mem::take(&mut todo));
            let hangs_at = worker.wait(patience, |at, answer| {
                if let Some(place) = answers.get_mut(at) {
                    *place = Asked::Answer(answer);
                }
            });
            let Some((at, rest)) = hangs_at else {
                self.free = Some(worker);
                break;
            };
            todo = rest;
            patience = LESS_PATIENCE.min(self.patience);
            if let (Some(place), Some(path)) = (answers.get_mut(at), paths.get(at)) {
                *place = Asked::Stuck;
                self.stuck.push((Arc::clone(path), worker));
            }
        }
    }
}

impl<T: Send + 'static> Worker<T> {
    fn start(ask: &Arc<dyn Fn(&Path) -> T + Send + Sync>) -> io::Result<Self> {
        let state = State { todo: VecDeque::new(), asking: None, done: Vec::new(), ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let (ask, theirs) = (Arc::clone(ask), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("drip-statvfs".into()).stack_size(STACK_BYTES);
        thread.spawn(move || theirs.work(&*ask))?;
        Ok(Self(shared))
    }

    fn give(&self, todo: Questions) {
        let mut state = self.0.lock();
        state.done.clear();
        state.todo = todo;
        self.0.changed.notify_all();
    }

    /// Gives answers to `each` until all are there. When none comes for `patience`: which one hangs, and what is left to ask.
    fn wait(&self, patience: Duration, mut each: impl FnMut(usize, T)) -> Option<(usize, Questions)> {
        let mut state = self.0.lock();
        let mut since = Instant::now();
        loop {
            if !state.done.is_empty() {
                state.done.drain(..).for_each(|(at, answer)| each(at, answer));
                since = Instant::now();
            }
            if state.asking.is_none() && state.todo.is_empty() {
                return None;
            }
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                // Not begun at all is a machine that is busy, not a file system that hangs.
                if let Some(at) = state.asking {
                    return Some((at, std::mem::take(&mut state.todo)));
                }
                since = Instant::now();
                continue;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, ask: &dyn Fn(&Path) -> T) {
        let mut state = self.lock();
        while !state.ended {
            let Some((at, path)) = state.todo.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.asking = Some(at);
            drop(state);
            let answer = ask(&path);
            state = self.lock();
            state.asking = None;
            state.done.push((at, answer));
            // One waking for all, unless it is waited for.
            if state.todo.is_empty() {
                self.changed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn paths(names: &[&str]) -> Vec<Arc<Path>> {
        names.iter().map(|name| Arc::from(Path::new(name))).collect()
    }

    /// A system in which what is below /hung does not answer until `answer` is dropped.
    fn asker(answer: mpsc::Receiver<()>) -> Asker<usize> {
        let answer = Mutex::new(answer);
        let mut asker = Asker::new(move |path: &Path| {
            if path.starts_with("/hung") {
                // Ends with an error when nobody can send any more.
                let _ = answer.lock().unwrap().recv();
            }
            path.as_os_str().len()
        });
        asker.patience = Duration::from_millis(20);
        asker
    }

    #[test]
    fn one_that_hangs_costs_its_own_answer_only_until_it_is_back() {
        let (release, hung) = mpsc::channel();
        let mut asker = asker(hung);
        let mounts = paths(&["/a", "/hung", "/bc"]);
        let mut answers = Vec::new();
        for _ in 0..3 {
            asker.ask(&mounts, &mut answers);
            assert_eq!(answers, [Asked::Answer(2), Asked::Stuck, Asked::Answer(3)]);
        }
        assert_eq!(asker.stuck.len(), 1, "it is asked once, not in each cycle");
        drop(release);
        while asker.stuck.iter().any(|(_, worker)| worker.0.lock().asking.is_some()) {
            std::thread::yield_now();
        }
        asker.ask(&mounts, &mut answers);
        assert_eq!(answers, [Asked::Answer(2), Asked::Answer(5), Asked::Answer(3)]);
        assert!(asker.stuck.is_empty());
    }

    #[test]
    fn no_more_threads_than_a_few_wait() {
        let (_release, hung) = mpsc::channel();
        let mut asker = asker(hung);
        let names: Vec<String> = (0..12).map(|n| format!("/hung/{n}")).collect();
        let mut mounts = vec![Arc::from(Path::new("/a"))];
        mounts.extend(names.iter().map(|name| Arc::from(Path::new(name))));
        let mut answers = Vec::new();
        asker.ask(&mounts, &mut answers);
        let count = |wanted: &Asked<usize>, answers: &[Asked<usize>]| answers.iter().filter(|a| *a == wanted).count();
        assert_eq!(answers[0], Asked::Answer(2));
        assert_eq!((count(&Asked::Stuck, &answers), count(&Asked::Passed, &answers)), (MOST_STUCK, 4));
        asker.ask(&mounts, &mut answers);
        assert_eq!(asker.stuck.len(), MOST_STUCK);
    }
}
