//! Support of tests: a server of this process on a simulated disk, over real connections.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

use crate::app::App;
use crate::endpoint::table;
use crate::serve;
use crate::workers::Workers;
use nanotdb_core::clock::{Clock, SystemClock};
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What requests share, on a disk of a test.
pub(crate) fn app_on(vfs: &SimVfs) -> Arc<App> {
    app_with(vfs, EngineConfig::default())
}

fn app_with(vfs: &SimVfs, config: EngineConfig) -> Arc<App> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let options = EngineOptions { vfs: Arc::new(vfs.process()), clock: clock.clone(), background: false };
    Arc::new(App::new(Engine::open_with(Path::new("/root"), config, options).unwrap(), clock, table().names()))
}

/// A server on a disk that can fail.
pub(crate) struct Served {
    pub(crate) vfs: SimVfs,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    /// Serves what is on the disk.
    pub(crate) fn start(vfs: SimVfs, config: EngineConfig) -> Self {
        let app = app_with(&vfs, config);
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = serve::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let workers = Workers::start(1).unwrap();
                serve::serve(listener, app, "127.0.0.1:0", &workers, async {
                    let _ = stopped.await;
                })
                .await;
            });
        });
        Self { vfs, address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// A connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// What comes back, and whether the connection ended in an error.
    pub(crate) fn ask(&self, request: &str) -> (Vec<u8>, bool) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        rest_of(&mut stream)
    }

    /// A request with a body of JSON, or of lines, on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> (u16, String, serde_json::Value) {
        let media = if body.starts_with('{') { "application/json" } else { "text/plain" };
        let (bytes, broken) = self.ask(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let (head, body) = head_and_body(&bytes);
        assert!(is_whole(&bytes, broken), "{head}");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, head, serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {body:?}")))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// What is still to come on a connection, and whether it ended in an error.
pub(crate) fn rest_of(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let broken = match stream.read_to_end(&mut bytes) {
        Ok(_) => false,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
        Err(error) => panic!("{error} after {} bytes", bytes.len()),
    };
    (bytes, broken)
}

/// The two halves of an answer; the head in lower case.
pub(crate) fn head_and_body(bytes: &[u8]) -> (String, &[u8]) {
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {bytes:?}"));
    (String::from_utf8(bytes[..at].to_vec()).unwrap().to_ascii_lowercase(), &bytes[at + 4..])
}

/// Whether a client that follows the protocol takes an answer for complete.
pub(crate) fn is_whole(bytes: &[u8], broken: bool) -> bool {
    let (head, body) = head_and_body(bytes);
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => body.len() == length.parse::<usize>().unwrap(),
        None => !broken,
    }
}
