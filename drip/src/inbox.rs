//! Cycles on their way from the collectors to the server: in memory, and in the spool.

use crate::spool::{Amount, Batch, CycleText, Lost, Spool};
use crate::stats::Stats;
use crate::trouble::{counted, log};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::mpsc;

/// Bytes of cycles that are held in memory: while a request is under way, or when the spool cannot be used.
const MEMORY_BYTES: usize = 1 << 20;

/// What came and is not sent. What is pending is newer than what the spool has.
pub(crate) struct Inbox {
    pub(crate) cycles: mpsc::UnboundedReceiver<CycleText>,
    pending: VecDeque<CycleText>,
    /// `None` without a spool, and while a thread works on it.
    spool: Option<Spool>,
    /// There are no more cycles: drip is told to end.
    pub(crate) closing: bool,
    stats: Rc<Stats>,
    /// What was lost since the server went away.
    lost: Lost,
    told: Told,
}

/// What was said already since the server went away.
#[derive(Default)]
struct Told {
    no_room: bool,
    too_old: bool,
    cannot_spool: bool,
}

impl Inbox {
    pub(crate) fn new(cycles: mpsc::UnboundedReceiver<CycleText>, spool: Option<Spool>, stats: Rc<Stats>) -> Self {
        let inbox = Self {
            cycles,
            pending: VecDeque::new(),
            spool,
            closing: false,
            stats,
            lost: Lost::default(),
            told: Told::default(),
        };
        inbox.count_spool();
        inbox
    }

    /// Takes what the channel gave: a cycle, or its end. While older ones are in the spool, it goes there.
    pub(crate) async fn received(&mut self, cycle: Option<CycleText>, to_spool: bool) {
        let Some(cycle) = cycle else {
            self.closing = true;
            return;
        };
        self.pending.push_back(cycle);
        if to_spool || self.has_spooled() {
            self.spool_pending().await;
        }
        self.bound_memory();
    }

    fn bound_memory(&mut self) {
        let mut bytes: usize = self.pending.iter().map(|cycle| cycle.text.len()).sum();
        let mut lost = Lost::default();
        while bytes > MEMORY_BYTES && self.pending.len() > 1 {
            let Some(oldest) = self.pending.pop_front() else { break };
            bytes -= oldest.text.len();
            lost.no_room.add(oldest.lines);
        }
        self.count_lost(&lost);
    }

    pub(crate) fn has_spooled(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    pub(crate) fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Writes what is pending behind what the spool has. What cannot be written stays pending.
    pub(crate) async fn spool_pending(&mut self) {
        if self.pending.is_empty() || self.spool.is_none() {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        let written = self
            .with_spool(move |spool| {
                let mut lost = Lost::default();
                let mut result = Ok(());
                while let Some(cycle) = pending.front() {
                    result = spool.append(cycle, &mut lost);
                    if result.is_err() {
                        break;
                    }
                    pending.pop_front();
                }
                (pending, lost, result)
            })
            .await;
        let Some((left, lost, result)) = written else { return };
        self.pending = left;
        self.count_lost(&lost);
        if let Err(e) = result
            && !std::mem::replace(&mut self.told.cannot_spool, true)
        {
            log(format_args!(
                "cannot write to the spool: {e}; cycles are kept in memory, {MEMORY_BYTES} bytes at most"
            ));
        }
    }

    /// The oldest cycles of the spool.
    pub(crate) async fn next_batch(&mut self, now_ns: i64) -> Option<Batch> {
        if !self.has_spooled() {
            return None;
        }
        let found = self.with_spool(move |spool| {
            let mut lost = Lost::default();
            (spool.next_batch(now_ns, &mut lost), lost)
        });
        let (batch, lost) = found.await?;
        self.count_lost(&lost);
        batch
    }

    /// The batch is done with; it leaves the spool.
    pub(crate) async fn done(&mut self, number: u64) {
        self.with_spool(move |spool| spool.done(number)).await;
    }

    /// The server cannot take all of the batch, because it has newer samples of another host. Nothing of it is thrown away.
    pub(crate) async fn set_aside(&mut self, number: u64) {
        if let Some(path) = self.with_spool(move |spool| spool.set_aside(number)).await {
            log(format_args!(
                "the server has newer samples of another host in this database, and takes no older ones; {} keeps what it does \
                 not take, for an import into another database",
                path.display()
            ));
        }
    }

    /// The batch is to be sent again.
    pub(crate) fn keep(&mut self) {
        if let Some(spool) = &mut self.spool {
            spool.keep();
        }
    }

    /// The oldest pending cycles, of about `bytes` together.
    pub(crate) fn take_pending(&mut self, bytes: usize) -> Vec<CycleText> {
        let mut taken = Vec::new();
        let mut sum = 0;
        while let Some(cycle) = self.pending.front() {
            sum += cycle.text.len();
            if sum > bytes && !taken.is_empty() {
                break;
            }
            taken.extend(self.pending.pop_front());
        }
        taken
    }

    /// Puts cycles back that were taken and not sent.
    pub(crate) fn put_back(&mut self, cycles: Vec<CycleText>) {
        cycles.into_iter().rev().for_each(|cycle| self.pending.push_front(cycle));
        self.bound_memory();
    }

    /// What was lost since this was asked last, as a sentence; from here on, what is lost is told again.
    pub(crate) fn lost_meanwhile(&mut self) -> Option<String> {
        self.told = Told::default();
        let Lost { too_old, no_room, damaged_bytes } = std::mem::take(&mut self.lost);
        let mut parts = Vec::new();
        for (Amount { cycles, samples }, why) in
            [(no_room, "there was no room for them"), (too_old, "they were too old")]
        {
            if cycles > 0 {
                let (cycles, samples) = (counted(cycles, "cycle"), counted(samples, "sample"));
                parts.push(format!("{cycles} ({samples}) were dropped because {why}"));
            }
        }
        if damaged_bytes > 0 {
            parts.push(format!("{} skipped", counted(damaged_bytes, "damaged byte")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Writes what is left to the spool and forces it to the device. Returns samples that have no place to go.
    pub(crate) async fn close(&mut self) -> u64 {
        self.spool_pending().await;
        let closed = self.with_spool(Spool::close).await;
        if let Some(Err(e)) = closed {
            log(format_args!("the spool could not be forced to the device: {e}"));
        }
        self.pending.iter().map(|cycle| cycle.lines).sum()
    }

    fn count_lost(&mut self, lost: &Lost) {
        self.stats.dropped.add(lost.too_old.samples + lost.no_room.samples);
        for (total, more) in [(&mut self.lost.too_old, lost.too_old), (&mut self.lost.no_room, lost.no_room)] {
            total.cycles += more.cycles;
            total.samples += more.samples;
        }
        self.lost.damaged_bytes += lost.damaged_bytes;
        if lost.no_room.cycles > 0 && !std::mem::replace(&mut self.told.no_room, true) {
            log(format_args!("there is no room for more cycles: the oldest are dropped"));
        }
        if lost.too_old.cycles > 0 && !std::mem::replace(&mut self.told.too_old, true) {
            log(format_args!("spooled cycles are older than spool.max_age_hours: they are dropped"));
        }
        if lost.damaged_bytes > 0 {
            self.stats.errors.add(1);
            log(format_args!("the spool has {} damaged bytes, from a power loss perhaps: skipped", lost.damaged_bytes));
        }
    }

    fn count_spool(&self) {
        self.stats.spool_bytes.set(self.spool.as_ref().map_or(0, Spool::bytes));
    }

    /// Runs `work` on another thread, because a card can take seconds to write. `None` without a spool.
    async fn with_spool<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> R + Send + 'static,
    ) -> Option<R> {
        let mut spool = self.spool.take()?;
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        let (spool, result) = worked.await.ok()?;
        self.spool = Some(spool);
        self.count_spool();
        Some(result)
    }
}
