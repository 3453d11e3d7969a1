//! The thread that flushes pages.

use crate::database::Database;
use crate::plugin::caught;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// Flushes pages of the databases that ask for it. Dropped, it ends after what was asked for.
pub(super) struct Flusher {
    queue: Option<Sender<Arc<Database>>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start() -> Result<Self> {
        let (queue, databases) = channel::<Arc<Database>>();
        let run = move || databases.into_iter().for_each(|database| flush(&database));
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

/// A plugin that panics is the trouble of its database; the thread goes on with the others.
fn flush(database: &Database) {
    if let Err(reason) = caught(|| database.run_queued_flush()) {
        database.note_flush(&Err(Error::Incompatible { file: database.directory().to_owned(), reason }));
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
