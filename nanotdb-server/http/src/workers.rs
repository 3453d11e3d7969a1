//! One single-threaded runtime per core.
//!
//! Tasks of a multi-threaded runtime wake each other across threads; measured with small import requests, that was
//! most of the server's system calls. Here a connection lives on one thread, and only what waits for the disk leaves it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that serve connections, until dropped.
pub(crate) struct Workers {
    handles: Vec<Handle>,
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    turn: AtomicUsize,
}

impl Workers {
    /// Starts `count` of them.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let mut workers = Self { handles: Vec::new(), threads: Vec::new(), turn: AtomicUsize::new(0) };
        for _ in 0..count.max(1) {
            let runtime = Builder::new_current_thread().thread_name("nanotdb-disk").enable_all().build()?;
            workers.handles.push(runtime.handle().clone());
            let (stop, stopped) = oneshot::channel::<()>();
            let run = move || {
                let _ = runtime.block_on(stopped);
                runtime.shutdown_timeout(Duration::from_secs(1));
            };
            let thread = std::thread::Builder::new().name("nanotdb-http".into()).spawn(run)?;
            workers.threads.push((stop, thread));
        }
        Ok(workers)
    }

    /// All of them.
    pub(crate) fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// The one whose turn it is.
    pub(crate) fn next(&self) -> &Handle {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.handles[turn % self.handles.len()]
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (stop, thread) in self.threads.drain(..) {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}
