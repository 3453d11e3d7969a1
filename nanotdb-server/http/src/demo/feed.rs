//! Writes the demo's samples: history as fast as the engine takes it, then each tick when its time comes.
//!
//! History goes from old to new: samples of a metric are taken in the order of their times.

use super::days::{Calendar, STEP};
use super::host::Host;
use super::names::{COUNT, NAMES};
use super::plan::{DATABASE, Plan};
use nanotdb_core::engine::{Batch, Engine};
use nanotdb_core::model::Timestamp;
use nanotdb_core::{Error, Result};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Samples that are written at a time while there is history to write.
const BATCH: usize = 400 * COUNT;
/// A collector does not look at its clock at the same nanosecond each time: the most it is late, in nanoseconds.
const MOST_LATE: i64 = 3_000_000;
/// How long the feed sleeps at most before it looks at the wall clock again, which may have been set.
const MOST_SLEEP: Duration = Duration::from_secs(1);

/// The thread that writes. Stopped when dropped.
pub(crate) struct Feed {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts to write into `engine`. What goes wrong is told on the terminal and in the log; the server goes on.
    pub(crate) fn start(engine: Engine, plan: Plan) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let run = move || {
            if let Err(error) = run(&engine, &plan, &stopped) {
                tracing::error!(%error, "the demo writes no more samples");
                eprintln!("nanotdb: the demo writes no more samples: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("nanotdb-demo".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until told to stop.
fn run(engine: &Engine, plan: &Plan, stopped: &Receiver<()>) -> Result<()> {
    let newest = newest(engine)?;
    let mut host = Host::new(plan.seed);
    let calendar = Calendar::new(plan.first, plan.span());
    let mut progress = Progress::new(plan, newest);
    let mut batch = Batch::new();
    for tick in 0.. {
        let at = plan.first.saturating_add(STEP.saturating_mul(tick));
        let late = lateness(plan.seed, tick);
        let mut now = engine.clock().now();
        if at.saturating_add(late) > now {
            write(engine, &mut batch, &mut progress)?;
            progress.done();
            while at.saturating_add(late) > now {
                let left = Duration::from_nanos(at.saturating_add(late).saturating_sub(now).max(0) as u64);
                if stopped.recv_timeout(left.min(MOST_SLEEP)) == Err(RecvTimeoutError::Disconnected) {
                    return Ok(());
                }
                now = engine.clock().now();
            }
        }
        let weather = calendar.at(at);
        let values = host.tick(&weather);
        let at = at.saturating_add(late);
        if weather.silent || newest.is_some_and(|newest| at <= newest) {
            continue;
        }
        for (name, value) in NAMES.iter().zip(values) {
            batch.push(DATABASE, name, value, Some(at));
        }
        if batch.len() >= BATCH {
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                return Ok(());
            }
            write(engine, &mut batch, &mut progress)?;
            progress.show(at);
        }
    }
    Ok(())
}

/// The newest sample of an earlier start.
fn newest(engine: &Engine) -> Result<Option<Timestamp>> {
    if !engine.has_database(DATABASE) {
        return Ok(None);
    }
    let mut newest = None;
    for name in NAMES.iter() {
        match engine.query_last(DATABASE, name) {
            Ok(sample) => newest = newest.max(sample.map(|sample| sample.timestamp)),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}

fn write(engine: &Engine, batch: &mut Batch, progress: &mut Progress) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let outcome = engine.write_batch(batch)?;
    progress.samples += outcome.accepted;
    if let Some(rejection) = outcome.rejections.first() {
        tracing::warn!(samples = outcome.rejected, reason = rejection.reason, "samples of the demo were refused");
    }
    Ok(())
}

/// How many nanoseconds after its time a tick is taken: looks random, and is the same at each start.
fn lateness(seed: u64, tick: i64) -> i64 {
    fastrand::Rng::with_seed(seed ^ (tick as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).i64(0..MOST_LATE)
}

/// What the terminal shows of the history.
struct Progress {
    first: Timestamp,
    days: i64,
    expected: u64,
    samples: u64,
    began: Instant,
    shown: i64,
    is_terminal: bool,
    is_done: bool,
}

impl Progress {
    fn new(plan: &Plan, newest: Option<Timestamp>) -> Self {
        Self {
            first: plan.first,
            days: plan.days,
            expected: if newest.is_none() { plan.history_samples() } else { 0 },
            samples: 0,
            began: Instant::now(),
            shown: 0,
            is_terminal: std::io::stderr().is_terminal(),
            is_done: false,
        }
    }

    /// On a terminal, one line that changes.
    fn show(&mut self, at: Timestamp) {
        let day = at.saturating_sub(self.first) / nanotdb_core::model::time::DAY;
        if self.is_terminal && day > self.shown && self.expected > 0 {
            self.shown = day;
            let _ = write!(std::io::stderr(), "\rHistory: day {} of {} ...", day.min(self.days), self.days);
        }
    }

    fn done(&mut self) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let start = if self.is_terminal { "\r" } else { "" };
        let (samples, took) = (self.samples, self.began.elapsed().as_secs_f64());
        let _ = writeln!(
            std::io::stderr(),
            "{start}History is complete: {:.1} million samples in {took:.1} s. From now on there are new ones every 10 s.",
            samples as f64 / 1e6
        );
    }
}
