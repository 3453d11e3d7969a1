//! A run: cycles at their times, and the sender beside them, until a signal ends it.

use crate::config::Config;
use crate::gather::{Close, Gatherer};
use crate::identity;
use crate::inbox::Inbox;
use crate::schedule::{Schedule, Turn, now_ns};
use crate::sender::Sender;
use crate::spool::{CycleText, Spool};
use crate::stats::Stats;
use crate::systemd;
use crate::trouble::log;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// How long a cycle waits for collectors at most; what comes later goes with the next one.
const LONGEST_CLOSE: Duration = Duration::from_secs(1);

/// How long a cycle of this interval waits for its collectors.
fn close_after(interval: Duration) -> Close {
    Close::After((interval / 2).min(LONGEST_CLOSE))
}

/// A runtime on this thread. Collectors and the spool have threads of their own, which stay between cycles.
pub(crate) fn runtime(interval: Duration) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("drip-worker")
        .thread_stack_size(256 << 10)
        .max_blocking_threads(64)
        .thread_keep_alive(interval * 2)
        .build()
}

/// Why a run ended that nobody had ended.
pub(crate) enum End {
    /// Something failed.
    Failed(String),
    /// The configuration cannot be right.
    Refused(String),
}

impl From<String> for End {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// Collects and sends until SIGTERM or SIGINT. An error says why it could not begin, or must not go on.
pub(crate) async fn run(config: Config) -> Result<(), End> {
    let spool = match config.spool.enabled {
        // The write probe may want it all the same, and tells when it cannot be made.
        false => std::fs::create_dir_all(&config.spool.dir).map(|()| None).unwrap_or_default(),
        true => open_spool(&config)?,
    };
    let stats = Rc::new(Stats::default());
    stats.host.set(identity::marker(&config.root, &config.database));
    let (to_sender, cycles) = mpsc::unbounded_channel();
    let inbox = Inbox::new(cycles, spool, Rc::clone(&stats));
    let sender = Sender::new(&config, inbox, Rc::clone(&stats));
    log(format_args!(
        "{} collects every {:?} for database {} at {}",
        env!("CARGO_PKG_VERSION"),
        config.interval,
        config.database,
        config.server
    ));
    let gatherer = Gatherer::new(config.collectors, &config.root, &config.spool.dir);
    let cycles = Cycles { gatherer, database: config.database, interval: config.interval, stats, to_sender };
    let stop = Notify::new();
    let (result, sent) = tokio::join!(cycles.run(&stop), sender.run(|| stop.notify_one()));
    result.map_err(|e| format!("signals: {e}"))?;
    sent.map_err(End::Refused)
}

/// A directory that cannot be written is told, and no reason not to collect; one that another drip uses is.
fn open_spool(config: &Config) -> Result<Option<Spool>, String> {
    match Spool::open(&config.spool) {
        Ok(spool) => Ok(Some(spool)),
        Err(reason) if reason.contains("another drip") => Err(reason),
        Err(reason) => {
            log(format_args!("no spool ({reason}): cycles are lost while the server is away; set spool.dir"));
            Ok(None)
        }
    }
}

struct Cycles {
    gatherer: Gatherer,
    database: String,
    interval: Duration,
    stats: Rc<Stats>,
    to_sender: mpsc::UnboundedSender<CycleText>,
}

impl Cycles {
    /// Runs until a signal, or until it is told to stop. A second signal ends the process at once.
    async fn run(mut self, stop: &Notify) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let close = close_after(self.interval);
        self.gatherer.prime(close, &self.stats).await;
        systemd::ready(&format!("collecting every {:?}", self.interval));
        let mut watchdog = Watchdog::new();
        let mut schedule = Schedule::new(self.interval);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = stop.notified() => break,
                () = watchdog.wait() => continue,
                () = tokio::time::sleep(schedule.until_next(now_ns())) => {}
            }
            match schedule.turn(now_ns()) {
                Turn::Wait => {}
                Turn::Cycle(at) => self.cycle(at, close).await,
                Turn::WentBack(at, by) => {
                    log(format_args!(
                        "the clock went back by {by:?}: the server rejects samples older than those it has"
                    ));
                    self.cycle(at, close).await;
                }
            }
        }
        systemd::stopping();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            log(format_args!("ended by a second signal"));
            std::process::exit(1);
        });
        Ok(())
    }

    async fn cycle(&mut self, timestamp_ns: i64, close: Close) {
        let mut text = String::with_capacity(8 << 10);
        let lines = self.gatherer.cycle(&self.database, timestamp_ns, close, &mut text, &self.stats).await;
        // The sender lives as long as this does.
        let _ = self.to_sender.send(CycleText { timestamp_ns, lines, text });
    }
}

/// Says that drip is alive when systemd wants to hear it.
struct Watchdog(Option<tokio::time::Interval>);

impl Watchdog {
    fn new() -> Self {
        Self(systemd::watchdog().map(tokio::time::interval))
    }

    async fn wait(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
                systemd::alive();
            }
            None => std::future::pending().await,
        }
    }
}
