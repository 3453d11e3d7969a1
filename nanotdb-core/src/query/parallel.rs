//! Work in pieces on several threads, with the results in order.

use crate::Result;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// Most threads that one query has besides its own.
const MOST_HELPERS: usize = 3;
/// Pieces that each thread may be ahead of what was taken: bounds the memory of results that wait.
const AHEAD: usize = 2;

/// Threads that help queries now, in the whole process.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Asks whether to go on.
pub(super) type Proceed<'p> = dyn FnMut() -> ControlFlow<()> + 'p;

/// Takes results, on the thread that asked for them.
pub(super) trait Consumer<T> {
    /// Asked between reads: where a deadline is looked at.
    fn proceed(&mut self) -> ControlFlow<()>;

    /// Takes the next result. `Break` ends the work.
    fn take(&mut self, result: T) -> Result<ControlFlow<()>>;
}

/// Processors that a query may use besides the one it runs on.
pub(super) fn most_helpers() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| thread::available_parallelism().map_or(0, |n| n.get() - 1).min(MOST_HELPERS))
}

/// Permission to run helpers, given back when dropped. Queries that come at the same time share the processors.
struct Helpers(usize);

impl Helpers {
    fn take(wanted: usize) -> Self {
        let most = most_helpers();
        let mut got = 0;
        let _ = BUSY.fetch_update(Ordering::AcqRel, Ordering::Acquire, |busy| {
            got = most.saturating_sub(busy).min(wanted);
            (got > 0).then_some(busy + got)
        });
        Self(got)
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        BUSY.fetch_sub(self.0, Ordering::AcqRel);
    }
}

struct Progress<T> {
    /// The piece that nobody has begun.
    next: usize,
    /// The piece that is taken next.
    wanted: usize,
    done: BTreeMap<usize, T>,
    stopped: bool,
}

struct Shared<T> {
    pieces: usize,
    ahead: usize,
    progress: Mutex<Progress<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Progress<T>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Progress<T>>) -> MutexGuard<'a, Progress<T>> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn put(&self, at: usize, result: T) {
        self.lock().done.insert(at, result);
        self.changed.notify_all();
    }

    /// What a helper does.
    fn help(&self, work: &(dyn Fn(usize, &mut Proceed<'_>) -> T + Sync)) {
        // Whoever waits for this thread must not wait for ever, whatever ends it.
        let _stop = StopOnPanic(self);
        loop {
            let at = {
                let mut progress = self.lock();
                loop {
                    if progress.stopped || progress.next >= self.pieces {
                        return;
                    }
                    if progress.next < progress.wanted.saturating_add(self.ahead) {
                        break;
                    }
                    progress = self.wait(progress);
                }
                let at = progress.next;
                progress.next += 1;
                at
            };
            let mut proceed = || if self.lock().stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let result = work(at, &mut proceed);
            self.put(at, result);
        }
    }

    /// What the thread that asked does: takes what is next, and works while that is not there.
    fn lead(
        &self,
        work: &(dyn Fn(usize, &mut Proceed<'_>) -> T + Sync),
        consumer: &mut dyn Consumer<T>,
    ) -> Result<ControlFlow<()>> {
        // The scope waits for helpers, and they wait for this thread.
        let _stop = StopOnPanic(self);
        for wanted in 0..self.pieces {
            let result = loop {
                let mut progress = self.lock();
                progress.wanted = wanted;
                if let Some(result) = progress.done.remove(&wanted) {
                    break result;
                }
                if progress.stopped {
                    return Ok(ControlFlow::Break(()));
                }
                if progress.next < self.pieces.min(wanted.saturating_add(self.ahead)) {
                    let at = progress.next;
                    progress.next += 1;
                    drop(progress);
                    let mut ended = false;
                    let result = work(at, &mut || {
                        let flow = consumer.proceed();
                        ended |= flow.is_break();
                        flow
                    });
                    if ended {
                        return Ok(ControlFlow::Break(()));
                    }
                    if at == wanted {
                        break result;
                    }
                    self.put(at, result);
                } else {
                    drop(self.wait(progress));
                }
            };
            self.lock().wanted = wanted.saturating_add(1);
            self.changed.notify_all();
            if consumer.take(result)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct StopOnPanic<'s, T>(&'s Shared<T>);

impl<T> Drop for StopOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// Does `pieces` pieces of work and gives their results to the consumer in order. Works on the calling thread and on as
/// many others as are free and of use.
///
/// `work` gets the number of the piece, and what it has to ask between reads; once that breaks, its result is not used.
pub(super) fn in_order<T: Send>(
    pieces: usize,
    work: &(dyn Fn(usize, &mut Proceed<'_>) -> T + Sync),
    consumer: &mut dyn Consumer<T>,
) -> Result<ControlFlow<()>> {
    in_order_with(Helpers::take(pieces.saturating_sub(1)), pieces, work, consumer)
}

fn in_order_with<T: Send>(
    helpers: Helpers,
    pieces: usize,
    work: &(dyn Fn(usize, &mut Proceed<'_>) -> T + Sync),
    consumer: &mut dyn Consumer<T>,
) -> Result<ControlFlow<()>> {
    let shared = Shared {
        pieces,
        ahead: AHEAD.saturating_mul(helpers.0.saturating_add(1)),
        progress: Mutex::new(Progress { next: 0, wanted: 0, done: BTreeMap::new(), stopped: false }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..helpers.0 {
            let help = || shared.help(work);
            // A thread that cannot be had is done without.
            if thread::Builder::new().name("nanotdb-query".into()).spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        let outcome = shared.lead(work, consumer);
        shared.stop();
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[derive(Default)]
    struct Seen {
        results: Vec<usize>,
        most: usize,
        questions: usize,
    }

    impl Consumer<usize> for Seen {
        fn proceed(&mut self) -> ControlFlow<()> {
            self.questions += 1;
            ControlFlow::Continue(())
        }

        fn take(&mut self, result: usize) -> Result<ControlFlow<()>> {
            self.results.push(result);
            if result == 77 {
                return Err(Error::bad_input("77"));
            }
            Ok(if self.results.len() == self.most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        }
    }

    fn slow_square(at: usize, proceed: &mut Proceed<'_>) -> usize {
        let _ = proceed();
        // Later pieces are often done first.
        thread::sleep(std::time::Duration::from_micros(((at * 7919) % 13) as u64 * 30));
        at * at
    }

    #[test]
    fn results_come_in_order() {
        let mut seen = Seen::default();
        assert!(in_order(100, &slow_square, &mut seen).unwrap().is_continue());
        assert_eq!(seen.results, (0..100).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn the_consumer_can_stop() {
        let mut seen = Seen { most: 5, ..Seen::default() };
        assert!(in_order(100, &slow_square, &mut seen).unwrap().is_break());
        assert_eq!(seen.results, [0, 1, 4, 9, 16]);
    }

    #[test]
    fn an_error_ends_the_work() {
        let mut seen = Seen::default();
        assert!(in_order(100, &|at, _| at + 70, &mut seen).is_err());
        assert_eq!(seen.results.last(), Some(&77));
    }

    #[test]
    fn no_thread_is_more_than_a_few_pieces_ahead() {
        struct Slow(usize, std::sync::Arc<AtomicUsize>);
        impl Consumer<usize> for Slow {
            fn proceed(&mut self) -> ControlFlow<()> {
                ControlFlow::Continue(())
            }
            fn take(&mut self, result: usize) -> Result<ControlFlow<()>> {
                thread::sleep(std::time::Duration::from_millis(1));
                let begun = self.1.load(Ordering::SeqCst);
                self.0 = self.0.max(begun.saturating_sub(result));
                Ok(ControlFlow::Continue(()))
            }
        }
        let begun = std::sync::Arc::new(AtomicUsize::new(0));
        let mut slow = Slow(0, std::sync::Arc::clone(&begun));
        let work = |at: usize, _: &mut Proceed<'_>| {
            begun.fetch_max(at + 1, Ordering::SeqCst);
            at
        };
        assert!(in_order(60, &work, &mut slow).unwrap().is_continue());
        assert!(slow.0 <= AHEAD * (MOST_HELPERS + 1) + 1, "{} ahead", slow.0);
    }

    /// What a panic leaves behind: it comes out, and the helpers are free again. Elsewhere, so that a test that would
    /// hang fails.
    fn panics(work: fn(usize, &mut Proceed<'_>) -> usize, consumer: impl Consumer<usize> + Send + 'static) {
        BUSY.fetch_add(2, Ordering::AcqRel);
        let (send, done) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut consumer = consumer;
            let run = || in_order_with(Helpers(2), 100, &work, &mut consumer);
            let _ = send.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        });
        assert_eq!(done.recv_timeout(std::time::Duration::from_secs(20)), Ok(true), "it hangs, or there was no panic");
        // Other tests of this process have helpers, too, for a while.
        let free = (0..2_000).any(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            BUSY.load(Ordering::Acquire) == 0
        });
        assert!(free, "{} helpers are never free again", BUSY.load(Ordering::Acquire));
    }

    #[test]
    fn a_panic_of_whoever_takes_results_ends_the_work() {
        struct Panics;
        impl Consumer<usize> for Panics {
            fn proceed(&mut self) -> ControlFlow<()> {
                ControlFlow::Continue(())
            }
            fn take(&mut self, result: usize) -> Result<ControlFlow<()>> {
                // Until then the helpers are as far ahead as they may be, and wait.
                thread::sleep(std::time::Duration::from_millis(20));
                assert_ne!(result, 3, "as the test wants it");
                Ok(ControlFlow::Continue(()))
            }
        }
        panics(|at, _| at, Panics);
    }

    #[test]
    fn a_panic_of_the_work_ends_the_work() {
        let on_this_thread = |at: usize, _: &mut Proceed<'_>| {
            let is_helper = thread::current().name() == Some("nanotdb-query");
            thread::sleep(std::time::Duration::from_millis(5));
            assert!(is_helper, "as the test wants it");
            at
        };
        panics(on_this_thread, Seen::default());
        let on_another = |at: usize, _: &mut Proceed<'_>| {
            let is_helper = thread::current().name() == Some("nanotdb-query");
            thread::sleep(std::time::Duration::from_millis(5));
            assert!(!is_helper, "as the test wants it");
            at
        };
        panics(on_another, Seen::default());
    }

    #[test]
    fn a_consumer_that_does_not_want_to_go_on_ends_the_work() {
        struct Late;
        impl Consumer<usize> for Late {
            fn proceed(&mut self) -> ControlFlow<()> {
                ControlFlow::Break(())
            }
            fn take(&mut self, _: usize) -> Result<ControlFlow<()>> {
                Ok(ControlFlow::Continue(()))
            }
        }
        let work = |at: usize, proceed: &mut Proceed<'_>| {
            while proceed().is_continue() {
                thread::sleep(std::time::Duration::from_micros(50));
            }
            at
        };
        assert!(in_order(10, &work, &mut Late).unwrap().is_break());
    }
}
