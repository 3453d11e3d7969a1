//! What a service manager (systemd) is told: ready, stopping, and, when it asks for that, that the server is alive.
//!
//! Alive means: the engine's maintenance makes rounds, the locks that every request needs can be had, and each thread that serves connections
//! runs what it is given. Any of them hanging, for whatever reason, ends the messages, and the service manager restarts the server;
//! what was acknowledged is in the write-ahead log. Without a service manager none of this happens.

use crate::workers::Workers;
use nanotdb_core::engine::Engine;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maintenance makes a round each second; with a disk or processor that is very busy, a few seconds may pass.
const MOST_BETWEEN_ROUNDS: Duration = Duration::from_secs(10);

/// Longest wait for a service manager that does not read what it is told.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// Tells the service manager that requests are answered now. `status` is for a person who looks.
pub(crate) async fn ready(status: String) {
    tell(Box::new(move || sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]))).await;
}

/// Tells it that a stop has begun.
pub(crate) async fn stopping() {
    let status = NotifyState::Status("finishing requests and writing pages");
    tell(Box::new(move || sd_notify::notify(&[NotifyState::Stopping, status]))).await;
}

/// Does nothing without a NOTIFY_SOCKET. On a thread of its own: sending waits while the socket's queue is full.
async fn tell(notify: Box<dyn FnOnce() -> std::io::Result<()> + Send>) {
    match tokio::time::timeout(MOST_PATIENCE, crate::blocking::run(notify)).await {
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the service manager could not be told something"),
        Err(_) => tracing::warn!("the service manager does not read what it is told"),
        Ok(_) => {}
    }
}

/// Tells the service manager, at half of the interval that it asks for, that the server is alive, as long as it is. Never
/// ends when it asks for that; else at once. Run it on the thread that accepts connections, so that it is watched too.
pub(crate) async fn watch(engine: Engine, workers: Arc<Workers>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let beat = (limit / 2).max(Duration::from_millis(10));
    let mut rounds = Rounds::new(engine.counters().maintenance_rounds.get(), Instant::now());
    let mut is_well = true;
    let mut ticks = tokio::time::interval(beat);
    loop {
        ticks.tick().await;
        let health = examine(&engine, &workers, &mut rounds, beat).await;
        match health {
            Ok(()) => tell(Box::new(|| sd_notify::notify(&[NotifyState::Watchdog]))).await,
            Err(reason) if is_well => tracing::error!(reason, "not alive; the service manager will restart the server"),
            Err(_) => {}
        }
        is_well = health.is_ok();
    }
}

/// Why the server is not alive.
async fn examine(engine: &Engine, workers: &Workers, rounds: &mut Rounds, limit: Duration) -> Result<(), &'static str> {
    if !rounds.go_on(engine.counters().maintenance_rounds.get(), Instant::now(), MOST_BETWEEN_ROUNDS.max(limit)) {
        return Err("maintenance makes no rounds");
    }
    let serving = workers.handles().iter().map(|worker| worker.spawn(async {}));
    let serving: Vec<_> = serving.collect();
    let locks = engine.clone();
    // Sizes are behind the lock of each database's state, which queries and writes take.
    let engine = crate::blocking::start(move || drop(locks.sizes()));
    let all = async {
        for worker in serving {
            let _ = worker.await;
        }
    };
    if tokio::time::timeout(limit, all).await.is_err() {
        return Err("a thread that serves connections hangs");
    }
    match tokio::time::timeout(limit, engine).await {
        Ok(Ok(())) => Ok(()),
        _ => Err("a database is locked"),
    }
}

/// When the count of rounds last changed.
struct Rounds {
    count: u64,
    changed: Instant,
}

impl Rounds {
    fn new(count: u64, now: Instant) -> Self {
        Self { count, changed: now }
    }

    /// Whether the count has changed within `limit`.
    fn go_on(&mut self, count: u64, now: Instant, limit: Duration) -> bool {
        if count != self.count {
            *self = Self::new(count, now);
        }
        now.duration_since(self.changed) <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::config::EngineConfig;
    use nanotdb_core::engine::EngineOptions;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn engine(background: bool) -> (tempfile::TempDir, Engine) {
        let directory = tempfile::tempdir().unwrap();
        let options = EngineOptions { background, ..EngineOptions::default() };
        let engine = Engine::open_with(directory.path(), EngineConfig::default(), options).unwrap();
        (directory, engine)
    }

    #[test]
    fn rounds_that_stop_are_noticed_after_the_limit() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut rounds = Rounds::new(7, began);
        let limit = Duration::from_secs(10);
        assert!(rounds.go_on(7, after(9), limit));
        assert!(rounds.go_on(8, after(12), limit));
        assert!(rounds.go_on(8, after(22), limit));
        assert!(!rounds.go_on(8, after(23), limit));
        assert!(rounds.go_on(9, after(40), limit));
    }

    #[test]
    fn an_engine_whose_maintenance_stands_still_is_not_alive() {
        let (_directory, engine) = engine(false);
        let workers = Workers::start(2).unwrap();
        let past = Instant::now().checked_sub(Duration::from_secs(11)).unwrap();
        let limit = Duration::from_secs(1);
        let count = engine.counters().maintenance_rounds.get();
        let of = |since| wait(examine(&engine, &workers, &mut Rounds::new(count, since), limit));
        assert_eq!(of(Instant::now()), Ok(()));
        assert_eq!(of(past), Err("maintenance makes no rounds"));
        engine.tick();
        assert_eq!(of(past), Ok(()));
    }

    #[test]
    fn a_worker_that_hangs_is_not_alive() {
        let (_directory, engine) = engine(false);
        let workers = Workers::start(2).unwrap();
        let (release, hang) = std::sync::mpsc::channel::<()>();
        workers.next().spawn(async move {
            let _ = hang.recv();
        });
        let mut rounds = Rounds::new(engine.counters().maintenance_rounds.get(), Instant::now());
        let mut look = || wait(examine(&engine, &workers, &mut rounds, Duration::from_millis(300)));
        assert_eq!(look(), Err("a thread that serves connections hangs"));
        drop(release);
        assert_eq!(look(), Ok(()));
    }
}
