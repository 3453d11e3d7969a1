//! The threads of an engine: for maintenance, for metric files, and one that flushes pages.

use super::{Engine, Inner};
use crate::database::Database;
use crate::{Error, Result};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs one kind of work now and then, until it is dropped.
pub(super) struct Background {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(
        name: &'static str,
        engine: Weak<Inner>,
        interval: Duration,
        work: fn(&Engine) -> Result<()>,
    ) -> Result<Self> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(inner) = engine.upgrade() else { return };
                let engine = Engine { inner };
                let began = engine.clock().monotonic();
                let outcome = work(&engine);
                let counters = engine.counters();
                counters.maintenance_rounds.add(1);
                counters.maintenance_time.add_time(engine.clock().monotonic().saturating_sub(began));
                if let Err(error) = outcome {
                    counters.maintenance_failures.add(1);
                    tracing::error!(%error, thread = name, "maintenance");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(run)
            .map_err(|e| Error::io("start a thread in", "maintenance", e))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.take();
        let Some(thread) = self.thread.take() else { return };
        // The thread itself may hold the last reference to the engine.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// Flushes pages of the databases that ask for it. Dropped, it ends after what was asked for.
pub(super) struct Flusher {
    queue: Option<Sender<Arc<Database>>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start() -> Result<Self> {
        let (queue, databases) = channel::<Arc<Database>>();
        let run = move || databases.into_iter().for_each(|database| database.run_queued_flush());
        let thread = std::thread::Builder::new()
            .name("nanotdb-flush".into())
            .spawn(run)
            .map_err(|e| Error::io("start a thread in", "flusher", e))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Asks for flushes.
    pub(super) fn queue(&self) -> Option<FlushQueue> {
        self.queue.clone().map(FlushQueue)
    }
}

/// Wakes the [`Flusher`], which lives as long as one of these does.
pub(super) struct FlushQueue(Sender<Arc<Database>>);

impl FlushQueue {
    pub(super) fn wake(&self, database: &Arc<Database>) {
        if database.queue_flush() {
            // The thread cannot have ended.
            let _ = self.0.send(Arc::clone(database));
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
