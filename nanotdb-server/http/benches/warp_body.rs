//! What the body of a request costs on its way to what answers: as an extension of warp's request, as the server does it, and as warp's own
//! body. Pieces are handed on as they are, so that what differs is the way (docs/ARCHITECTURE.md, "The body of a request").
//!
//! `cargo bench -p nanotdb-http --bench warp_body`

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use bytes::{Buf, Bytes};
use divan::{AllocProfiler, Bencher, black_box};
use futures_util::{Stream, StreamExt};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::runtime::Builder;
use tower::Service;
use warp::Filter;
use warp::reply::Response;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A body of so many pieces, as large as that of the server.
struct Pieces {
    left: usize,
    piece: Bytes,
    _state: [u64; 24],
}

impl Pieces {
    fn new(left: usize) -> Self {
        Self { left, piece: Bytes::from_static(b"demo/room.temp 21.5"), _state: [0; 24] }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}

/// What the server keeps of a request.
struct Exchange(Mutex<Option<Pieces>>);

/// An import knows that the last piece is the last one, and asks for no other.
#[divan::bench(args = [1, 64])]
fn as_extension(bencher: Bencher, pieces: usize) {
    let answer = |exchange: Arc<Exchange>| async move {
        let mut body = exchange.0.lock().unwrap().take().unwrap();
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.into_data().map_or(0, |data| data.len());
            if body.is_end_stream() {
                break;
            }
        }
        black_box(bytes);
        Response::default()
    };
    let filter = warp::ext::get::<Arc<Exchange>>().then(answer).boxed();
    let runtime = Builder::new_current_thread().build().unwrap();
    bencher.bench_local(|| {
        let mut request = http::Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(Arc::new(Exchange(Mutex::new(Some(Pieces::new(pieces))))));
        runtime.block_on(warp::service(filter.clone()).call(request)).unwrap()
    });
}

async fn count<B: Buf>(_: Arc<Exchange>, stream: impl Stream<Item = Result<B, warp::Error>>) -> Response {
    let mut stream = std::pin::pin!(stream);
    let mut bytes = 0;
    while let Some(Ok(mut data)) = stream.next().await {
        bytes += data.copy_to_bytes(data.remaining()).len();
    }
    black_box(bytes);
    Response::default()
}

/// The other way, with what else is kept of a request beside it.
#[divan::bench(args = [1, 64])]
fn as_warps_body(bencher: Bencher, pieces: usize) {
    let filter = warp::ext::get::<Arc<Exchange>>().and(warp::body::stream()).then(count).boxed();
    let runtime = Builder::new_current_thread().build().unwrap();
    bencher.bench_local(|| {
        let mut request = http::Request::new(Pieces::new(pieces));
        request.extensions_mut().insert(Arc::new(Exchange(Mutex::new(None))));
        runtime.block_on(warp::service(filter.clone()).call(request)).unwrap()
    });
}
