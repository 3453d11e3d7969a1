//! Runs the collectors of a cycle so that one that hangs holds up none of the others.
//!
//! Collectors may block, so they run on a thread beside the main one. They stand in a queue that one worker goes through;
//! when it gets nowhere for some milliseconds, another worker goes on with the rest. A cycle is closed after a while;
//! what comes in later goes out with the next one, with the time of its own.

use crate::collector::{CollectError, Collector, Cycle, Samples};
use crate::config::Configured;
use crate::stats::Stats;
use crate::trouble::{Troubles, counted};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A worker that has finished nothing for so long gets help.
const HELP_AFTER: Duration = Duration::from_millis(20);

/// Time between the two readings of a check.
const BETWEEN_CHECKS: Duration = Duration::from_millis(200);

/// Told once while it lasts.
const TOO_MANY_SERIES: &str = "more metrics than its max_series: those that came first stay, the others are left out and \
                               counted in drip.left_out";

/// When a cycle ends that a collector has not come back in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Close {
    /// After so long; what comes later goes with the next cycle.
    After(Duration),
    /// When each has come back or is over its timeout: for a single cycle.
    AtTimeouts,
}

/// All collectors and what they are doing.
pub(crate) struct Gatherer {
    slots: Vec<Slot>,
    queue: Arc<Queue>,
    finished: mpsc::UnboundedReceiver<Job>,
    /// Buffer for what drip says about itself.
    own: Samples,
    troubles: Troubles,
    number: u64,
}

struct Slot {
    name: &'static str,
    timeout: Duration,
    /// `None` while it runs.
    job: Option<Job>,
    /// The cycle it was last begun in.
    cycle: u64,
    began: Instant,
    /// It had samples at least once.
    worked: bool,
}

/// A collector with its buffers, on its way from queue to worker and back.
struct Job {
    slot: usize,
    collector: Box<dyn Collector>,
    cycle: Cycle,
    samples: Samples,
    timeout: Duration,
    outcome: Outcome,
    took: Duration,
}

/// How a collector ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Result<(), CollectError>),
    /// After its time.
    TooLate,
}

struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    finished: mpsc::UnboundedSender<Job>,
}

/// What `--check` tells about a collector.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) samples: u64,
    pub(crate) error: Option<CollectError>,
    /// As `about: reason`.
    pub(crate) problems: Vec<String>,
    pub(crate) absent: Vec<String>,
    /// It has not come back.
    pub(crate) hangs: bool,
}

impl Gatherer {
    /// `state_dir` is where collectors may write.
    pub(crate) fn new(collectors: Vec<Configured>, root: &Path, state_dir: &Path) -> Self {
        let (sender, finished) = mpsc::unbounded_channel();
        let enabled = collectors.into_iter().filter(|configured| configured.enabled);
        let slots = enabled.enumerate().map(|(slot, Configured { name, timeout, max_series, collector, .. })| {
            let mut samples = Samples::default();
            samples.bound_series(max_series);
            let job = Job {
                slot,
                collector,
                cycle: Cycle::new(root, state_dir),
                samples,
                timeout,
                outcome: Outcome::Done(Ok(())),
                took: Duration::ZERO,
            };
            Slot { name, timeout, job: Some(job), cycle: 0, began: Instant::now(), worked: false }
        });
        Self {
            slots: slots.collect(),
            queue: Arc::new(Queue { jobs: Mutex::default(), finished: sender }),
            finished,
            own: Samples::default(),
            troubles: Troubles::default(),
            number: 0,
        }
    }

    /// The first reading: its samples are thrown away, rates begin with it.
    pub(crate) async fn prime(&mut self, close: Close, stats: &Stats) {
        let mut nowhere = String::new();
        self.gather("", 0, close, &mut nowhere, stats).await;
    }

    /// One cycle: appends its lines to `out`, drip's own metrics last. Returns how many samples came.
    pub(crate) async fn cycle(
        &mut self,
        database: &str,
        timestamp_ns: i64,
        close: Close,
        out: &mut String,
        stats: &Stats,
    ) -> u64 {
        let began = Instant::now();
        self.number += 1;
        let samples = self.gather(database, timestamp_ns, close, out, stats).await;
        self.own.begin(database, timestamp_ns);
        stats.report(self.number, samples, began.elapsed().as_secs_f64() * 1e3, &mut self.own);
        out.push_str(self.own.text());
        samples + self.own.count()
    }

    async fn gather(
        &mut self,
        database: &str,
        timestamp_ns: i64,
        close: Close,
        out: &mut String,
        stats: &Stats,
    ) -> u64 {
        let mut samples = 0;
        // What came after its own cycle was closed.
        while let Ok(job) = self.finished.try_recv() {
            samples += self.take(job, out, stats);
        }
        self.launch(database, timestamp_ns, stats);
        self.wait_for_jobs(close, |this, job| samples += this.take(job, out, stats)).await;
        self.troubles.end_round();
        stats.troubles.set(self.troubles.count());
        samples
    }

    /// Gives every collector that comes back to `each`, until all of this cycle are back or the cycle is closed.
    async fn wait_for_jobs(&mut self, close: Close, mut each: impl FnMut(&mut Self, Job)) {
        let began = Instant::now();
        loop {
            let running = self.slots.iter().filter(|slot| slot.job.is_none() && slot.cycle == self.number);
            let end = match close {
                Close::After(duration) => running.map(|_| began + duration).max(),
                Close::AtTimeouts => running.map(|slot| slot.began + slot.timeout + HELP_AFTER).max(),
            };
            let (Some(end), now) = (end, Instant::now()) else { break };
            if now >= end {
                break;
            }
            match tokio::time::timeout_at(end.min(now + HELP_AFTER), self.finished.recv()).await {
                // One of an earlier cycle may come in between.
                Ok(Some(job)) => each(self, job),
                Ok(None) => break,
                Err(_) => self.queue.work_if_needed(),
            }
        }
    }

    /// Queues all that are back from the last cycle.
    fn launch(&mut self, database: &str, timestamp_ns: i64, stats: &Stats) {
        let now = Instant::now();
        for slot in &mut self.slots {
            match slot.job.take() {
                Some(mut job) => {
                    job.cycle.begin(self.number);
                    job.samples.begin(database, timestamp_ns);
                    slot.began = now;
                    slot.cycle = self.number;
                    self.queue.push(job);
                }
                None if now - slot.began > slot.timeout => {
                    stats.errors.add(1);
                    let reason =
                        format!("no answer within {:?}; its metrics are left out until it answers", slot.timeout);
                    self.troubles.report(slot.name, &reason);
                }
                None => {}
            }
        }
        self.queue.work_if_needed();
    }

    /// Takes a collector back. Returns how many samples it brought.
    fn take(&mut self, job: Job, out: &mut String, stats: &Stats) -> u64 {
        let Some(slot) = self.slots.get_mut(job.slot) else { return 0 };
        let mut brought = 0;
        match &job.outcome {
            Outcome::Done(result) => {
                slot.worked |= job.samples.count() > 0;
                // What the first reading has is of no cycle, also when it comes late.
                if slot.cycle > 0 {
                    out.push_str(job.samples.text());
                    brought = job.samples.count();
                }
                match result {
                    Err(CollectError::NotHere(_)) if !slot.worked => {}
                    Err(e) => {
                        stats.errors.add(1);
                        self.troubles.report(slot.name, &e.to_string());
                    }
                    Ok(()) => {}
                }
                for problem in job.samples.problems() {
                    stats.errors.add(1);
                    self.troubles.report(&format!("{}: {}", slot.name, problem.about), &problem.reason);
                }
                if job.samples.left_out() > 0 {
                    stats.left_out.add(job.samples.left_out());
                    self.troubles.report(&format!("{}: series", slot.name), TOO_MANY_SERIES);
                }
            }
            Outcome::TooLate => {
                stats.errors.add(1);
                let reason = format!("answered after {:?} only, its timeout is {:?}", job.took, slot.timeout);
                self.troubles.report(slot.name, &reason);
            }
        }
        slot.job = Some(job);
        brought
    }

    /// Tries all collectors twice, because rates need two readings, and tells about each, in order.
    pub(crate) async fn check(&mut self) -> Vec<Finding> {
        for job in self.slots.iter_mut().filter_map(|slot| slot.job.as_mut()) {
            job.samples.keep_absent();
        }
        let unused = Stats::default();
        for _ in 0..2 {
            self.launch("check", 0, &unused);
            self.wait_for_jobs(Close::AtTimeouts, |this, job| {
                if let Some(slot) = this.slots.get_mut(job.slot) {
                    slot.job = Some(job);
                }
            })
            .await;
            self.number += 1;
            tokio::time::sleep(BETWEEN_CHECKS).await;
        }
        self.slots.iter_mut().map(Slot::finding).collect()
    }
}

impl Slot {
    fn finding(&mut self) -> Finding {
        let Some(job) = &mut self.job else {
            return Finding {
                name: self.name,
                samples: 0,
                error: None,
                problems: Vec::new(),
                absent: Vec::new(),
                hangs: true,
            };
        };
        let hangs = matches!(job.outcome, Outcome::TooLate);
        let error = match std::mem::replace(&mut job.outcome, Outcome::TooLate) {
            Outcome::Done(result) => result.err(),
            Outcome::TooLate => None,
        };
        let problems = job.samples.problems().iter().map(|p| format!("{}: {}", p.about, p.reason)).collect();
        let notes = job.samples.absent_notes().iter().map(|(about, reason)| format!("{about}: {reason}"));
        let more = Some(job.samples.left_out())
            .filter(|n| *n > 0)
            .map(|n| format!("{}: {TOO_MANY_SERIES}", counted(n, "metric")));
        let absent = notes.chain(more).collect();
        Finding { name: self.name, samples: job.samples.count(), error, problems, absent, hangs }
    }
}

impl Queue {
    fn push(&self, job: Job) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
    }

    fn pop(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn is_empty(&self) -> bool {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Another worker, if there is work that nobody has taken.
    fn work_if_needed(self: &Arc<Self>) {
        if self.is_empty() {
            return;
        }
        let (queue, runtime) = (Arc::clone(self), Handle::current());
        tokio::task::spawn_blocking(move || {
            while let Some(job) = queue.pop() {
                let job = runtime.block_on(job.run());
                if queue.finished.send(job).is_err() {
                    break;
                }
            }
        });
    }
}

impl Job {
    async fn run(mut self) -> Self {
        let began = Instant::now();
        let collected = self.collector.collect(&mut self.cycle, &mut self.samples);
        let result = tokio::time::timeout(self.timeout, collected).await;
        self.took = began.elapsed();
        self.outcome = match result {
            // It may have blocked longer than the timer could tell.
            Ok(_) if self.took > self.timeout => Outcome::TooLate,
            Ok(result) => Outcome::Done(result),
            Err(_) => Outcome::TooLate,
        };
        self
    }
}
