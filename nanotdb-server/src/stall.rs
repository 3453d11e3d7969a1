//! A connection whose writes fail when the client reads nothing for too long, and that is reset when an answer breaks off.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Whether an answer on the connection broke off. To a client of HTTP/1.0 the end of the connection is the end of the answer, so
/// that only a reset tells it from a whole one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// The connection is to be reset.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What can end in another way than by closing.
pub(crate) trait Reset {
    /// Lets the close that follows tell the other side that something went wrong.
    fn reset(&self) {}
}

impl Reset for TcpStream {
    fn reset(&self) {
        let _ = self.set_zero_linger();
    }
}

/// Wraps a stream. hyper has timeouts for what it reads but none for what it writes.
pub(crate) struct StallGuard<S: Reset> {
    stream: S,
    longest: Duration,
    timer: Pin<Box<Sleep>>,
    stalled: bool,
    broken: Broken,
}

impl<S: Reset> Drop for StallGuard<S> {
    fn drop(&mut self) {
        if self.broken.0.load(Ordering::Relaxed) {
            self.stream.reset();
        }
    }
}

impl<S: Reset> StallGuard<S> {
    /// Writes that make no progress for `longest` fail with `TimedOut`; `broken` says how the stream ends.
    pub(crate) fn new(stream: S, longest: Duration, broken: Broken) -> Self {
        Self { stream, longest, timer: Box::pin(tokio::time::sleep(longest)), stalled: false, broken }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = false;
            return poll;
        }
        if !self.stalled {
            self.stalled = true;
            self.timer.as_mut().reset(Instant::now() + self.longest);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Reset + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Reset + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    impl Reset for DuplexStream {}

    #[test]
    fn a_client_that_reads_nothing_is_given_up_and_a_slow_one_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (near, _far) = tokio::io::duplex(16);
            let mut guarded = StallGuard::new(near, Duration::from_millis(30), Broken::default());
            let error = guarded.write_all(&[0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);

            let (near, mut far) = tokio::io::duplex(16);
            let mut guarded = StallGuard::new(near, Duration::from_millis(500), Broken::default());
            let reader = tokio::spawn(async move {
                let mut total = 0;
                while total < 64 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    total += far.read(&mut [0; 4]).await.unwrap();
                }
            });
            guarded.write_all(&[0; 64]).await.unwrap();
            reader.await.unwrap();
        });
    }
}
