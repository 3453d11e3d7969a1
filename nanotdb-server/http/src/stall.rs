//! How a connection ends: its writes fail when the client reads nothing for too long, it is reset when an answer breaks off, and it
//! is read for a moment longer when a request was answered before all of it had come.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Longest time that is read on, and most bytes, once all is answered.
const LINGER: Duration = Duration::from_secs(5);
const MOST_UNREAD: usize = 256 << 20;
/// Reads at a time: others have their turn on this thread.
const READS: usize = 16;

/// What there is to know of a connection when it ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<AtomicU8>);

impl Ending {
    const BROKEN: u8 = 1;
    const UNREAD: u8 = 2;

    /// An answer broke off: the connection is to be reset. To a client of HTTP/1.0 the end of the connection is the end of the
    /// answer, so that only a reset tells it from a whole one.
    pub(crate) fn set_broken(&self) {
        self.0.fetch_or(Self::BROKEN, Ordering::Relaxed);
    }

    /// A request was answered while its body was still to come. To close then is to reset the connection, and a client that is
    /// still sending loses the answer.
    pub(crate) fn set_unread(&self) {
        self.0.fetch_or(Self::UNREAD, Ordering::Relaxed);
    }

    fn has(&self, what: u8) -> bool {
        self.0.load(Ordering::Relaxed) & what != 0
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
    ending: Ending,
    /// How much may still be read since all is answered; `None` before.
    lingering: Option<usize>,
}

impl<S: Reset> Drop for StallGuard<S> {
    fn drop(&mut self) {
        if self.ending.has(Ending::BROKEN) {
            self.stream.reset();
        }
    }
}

impl<S: Reset> StallGuard<S> {
    /// Writes that make no progress for `longest` fail with `TimedOut`; `ending` says how the stream ends.
    pub(crate) fn new(stream: S, longest: Duration, ending: Ending) -> Self {
        let timer = Box::pin(tokio::time::sleep(longest));
        Self { stream, longest, timer, stalled: false, ending, lingering: None }
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

impl<S: AsyncRead + AsyncWrite + Reset + Unpin> AsyncWrite for StallGuard<S> {
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

    /// Nothing more is sent; what the client is still sending is read and dropped, for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut left = match this.lingering {
            Some(left) => left,
            None => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
                if !this.ending.has(Ending::UNREAD) {
                    return Poll::Ready(Ok(()));
                }
                this.timer.as_mut().reset(Instant::now() + LINGER);
                MOST_UNREAD
            }
        };
        let mut bytes = [0; 8 << 10];
        for _ in 0..READS {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && left > 0 => {
                    left = left.saturating_sub(buffer.filled().len());
                    this.lingering = Some(left);
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    this.lingering = Some(left);
                    return this.timer.as_mut().poll(context).map(Ok);
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    impl Reset for DuplexStream {}

    #[test]
    fn what_a_client_still_sends_is_read_once_it_was_answered_too_early() {
        const SENT: usize = 1 << 20;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for unread in [false, true] {
                let (near, mut far) = tokio::io::duplex(64);
                let ending = Ending::default();
                let mut guarded = StallGuard::new(near, Duration::from_secs(60), ending.clone());
                if unread {
                    ending.set_unread();
                }
                let client = tokio::spawn(async move {
                    let sent = far.write_all(&[0; SENT]).await;
                    let mut answer = Vec::new();
                    far.read_to_end(&mut answer).await.unwrap();
                    (sent.is_ok(), answer)
                });
                guarded.write_all(b"413").await.unwrap();
                guarded.shutdown().await.unwrap();
                drop(guarded);
                // Without, the rest of what it sends finds nobody.
                assert_eq!(client.await.unwrap(), (unread, b"413".to_vec()));
            }
        });
    }

    #[test]
    fn a_client_that_reads_nothing_is_given_up_and_a_slow_one_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (near, _far) = tokio::io::duplex(16);
            let mut guarded = StallGuard::new(near, Duration::from_millis(30), Ending::default());
            let error = guarded.write_all(&[0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);

            let (near, mut far) = tokio::io::duplex(16);
            let mut guarded = StallGuard::new(near, Duration::from_millis(500), Ending::default());
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
