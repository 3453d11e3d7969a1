//! The threads that do what must happen without a request.

use super::Inner;
use crate::{Error, Result};
use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
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
        work: fn(&Inner) -> Result<()>,
    ) -> Result<Self> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                if let Err(error) = work(&engine) {
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
