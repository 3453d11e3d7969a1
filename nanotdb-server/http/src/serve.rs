//! The accept loop, and what surrounds every request: limits, metrics, panics.

use crate::app::App;
use crate::connections::{Connection, Connections};
use crate::endpoint::table;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::files::most_connections;
use crate::guard::check_site;
use crate::hosts::Hosts;
use crate::limits::{DRAIN_TIMEOUT, HEAD_TIMEOUT, MAX_READ_BUFFER, Uncounted, WRITE_TIMEOUT};
use crate::request_body::RequestBody;
use crate::routes::{Routed, routes};
use crate::stall::{Ending, StallGuard};
use crate::workers::Workers;
use bytes::{Buf, Bytes};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nanotdb_server_settings::AccessSection;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tower::Service;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// Connections that wait to be accepted, as far as the system allows (`net.core.somaxconn`). One that finds no place is tried again
/// by its client after a second.
const BACKLOG: u32 = 1024;

/// Binds `address`. `:8428` means every interface, IPv6 and IPv4.
pub(crate) async fn bind(address: &str) -> io::Result<TcpListener> {
    let result = match address.strip_prefix(':') {
        Some(port) => match listen(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            // No IPv6 on this machine.
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(e),
            Err(_) => listen(format!("0.0.0.0:{port}")).await,
        },
        None => listen(address.to_owned()).await,
    };
    result.map_err(|e| {
        let accepted = "give host:port, or :port for every interface (--listen, or engine.listen in engine.toml)";
        io::Error::new(e.kind(), format!("cannot listen on {address:?}: {e}; {accepted}"))
    })
}

/// What `TcpListener::bind` does, with a longer queue.
async fn listen(address: String) -> io::Result<TcpListener> {
    let mut outcome = Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no address of this machine"));
    for address in lookup_host(address).await? {
        outcome = listen_at(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // On Windows it would let a second server in.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whom requests have to get past.
struct Door {
    app: Arc<App>,
    /// Names under which the server may be asked for.
    hosts: Hosts,
    /// Open connections.
    connections: Arc<Connections>,
}

impl Door {
    fn new(app: Arc<App>, listen: &str) -> Self {
        let most = most_connections(app.limits.max_connections);
        Self {
            hosts: Hosts::new(&AccessSection::of(app.engine.config()).hosts, listen),
            connections: Connections::new(app.requests.clone(), most, app.limits.max_connections_per_address),
            app,
        }
    }
}

/// Serves until `stop` is ready, then lets running requests finish. Returns whether all of them did.
///
/// `listen` is the address that was asked for, whose name the server answers under. Connections are dealt out to the workers in turn and stay with theirs: a request never changes threads, which would
/// cost more than answering it.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    listen: &str,
    workers: &Workers,
    stop: impl Future<Output = ()>,
) -> bool {
    let filter = routes(Arc::clone(&app));
    let door = Arc::new(Door::new(app, listen));
    let connections = &door.connections;
    let mut stop = pin!(stop);
    let mut trouble = Trouble::default();
    loop {
        let next = async {
            connections.room().await;
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = next => accepted,
        };
        // Taken from this thread's reactor, so that the worker's own watches it.
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The connection is gone already, or the process is out of files: others end meanwhile.
                trouble.note(&error);
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(connection) = connections.open(peer.ip()) else {
            trouble.note(&format_args!("{} has limits.max_connections_per_address connections already", peer.ip()));
            continue;
        };
        let open = OpenConnection(connection);
        let (door, filter) = (Arc::clone(&door), filter.clone());
        workers.next().spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => run(stream, open, door, filter).await,
                Err(error) => tracing::debug!(%error, "a connection was lost"),
            }
        });
    }
    drop(listener);
    door.app.stopping.send_replace(true);
    tokio::time::timeout(DRAIN_TIMEOUT, connections.all_closed()).await.is_ok()
}

/// Errors of accepting, which may come by the thousand, as one line a minute.
#[derive(Default)]
struct Trouble {
    told: Option<Instant>,
    untold: u64,
}

impl Trouble {
    fn note(&mut self, error: &dyn std::fmt::Display) {
        const AGAIN: Duration = Duration::from_secs(60);
        if self.told.is_some_and(|at| at.elapsed() < AGAIN) {
            self.untold += 1;
            return;
        }
        self.told = Some(Instant::now());
        let more = std::mem::take(&mut self.untold);
        tracing::error!(%error, more, "accepting a connection failed");
    }
}

/// Takes the connection off the list when its task ends, however that is.
struct OpenConnection(Arc<Connection>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn run(stream: TcpStream, open: OpenConnection, door: Arc<Door>, filter: BoxedFilter<(Response,)>) {
    let _open = door.app.telemetry.connection();
    let connection = Arc::clone(&open.0);
    let mut stopping = door.app.stopping.subscribe();
    // As long as nothing was sent there is nothing to keep but this: no buffers, no parser.
    let first_byte = tokio::select! {
        ready = tokio::time::timeout(HEAD_TIMEOUT, stream.readable()) => matches!(ready, Ok(Ok(()))),
        () = connection.closing() => false,
        _ = stopping.wait_for(|stop| *stop) => false,
    };
    if first_byte {
        Box::pin(requests(stream, connection, door, filter, stopping)).await;
    }
}

/// Answers the requests of a connection, one after the other.
async fn requests(
    stream: TcpStream,
    connection: Arc<Connection>,
    door: Arc<Door>,
    filter: BoxedFilter<(Response,)>,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are written whole: waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let ending = Ending::default();
    let io = TokioIo::new(StallGuard::new(stream, WRITE_TIMEOUT, ending.clone()));
    let on = OnConnection { connection: Arc::clone(&connection), ending };
    let service = service_fn(move |request| answer(Arc::clone(&door), filter.clone(), on.clone(), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_READ_BUFFER)
        .serve_connection(io, service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut stop = pin!(async { stopping.wait_for(|stop| *stop).await.is_ok() });
    let mut is_stopping = false;
    let result = loop {
        tokio::select! {
            result = served.as_mut() => break result,
            _ = stop.as_mut(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
            // It gives way to another connection, unless a request has come at the last moment.
            () = connection.closing() => if connection.may_close() { return },
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, "connection ended");
    }
}

/// What the requests of one connection share.
#[derive(Clone)]
struct OnConnection {
    connection: Arc<Connection>,
    ending: Ending,
}

async fn answer(
    door: Arc<Door>,
    filter: BoxedFilter<(Response,)>,
    on: OnConnection,
    request: http::Request<Incoming>,
) -> Result<http::Response<Measured<impl Body<Data = Bytes, Error = warp::Error>>>, Infallible> {
    let began = Instant::now();
    let OnConnection { connection, ending } = on;
    connection.begin(began);
    // A client of HTTP/1.1 misses the last chunk, and has the beginning.
    let broken = (request.version() < Version::HTTP_11).then(|| ending.clone());
    let (mut parts, body) = request.into_parts();
    let found = table().find(parts.uri.path(), parts.method.as_str());
    let about = found.about();
    let is_for_probes = about.is_some_and(|about| about.for_probes);
    let allowed = door.hosts.check(&parts, is_for_probes).and_then(|()| check_site(&parts, &found, &door.hosts));
    let entered = allowed.and_then(|()| match is_for_probes {
        true => Ok(()),
        false => connection.enter(about.is_some_and(|about| about.access.changes())),
    });
    let body = RequestBody::new(body, Arc::clone(&connection), door.app.pace(), ending);
    let exchange = Arc::new(Exchange::new(&mut parts, about, Some(body)));
    let response = match entered {
        Err(error) => error.into_response(),
        Ok(()) => {
            let mut request = http::Request::from_parts(parts, Empty::<Bytes>::new());
            request.extensions_mut().insert(Routed { exchange: Arc::clone(&exchange), found });
            let mut service = warp::service(filter);
            match (CatchPanic { inner: Box::pin(service.call(request)) }).await {
                Some(Ok(response)) => response,
                Some(Err(never)) => match never {},
                None => {
                    door.app.telemetry.panic();
                    tracing::error!(method = %exchange.method, uri = %exchange.uri, "a request handler panicked");
                    ApiError::internal().into_response()
                }
            }
        }
    };
    // A stream lasts as long as a page is looked at; it has a limit of its own.
    if response.extensions().get::<Uncounted>().is_some() {
        connection.leave();
    }
    let status = response.status().as_u16();
    let end = End { door, exchange, connection, status, began, sent: 0 };
    Ok(response.map(|inner| Measured { inner, broken, is_sending: false, end }))
}

/// A future whose panic is an answer (`None`) instead of a lost connection.
struct CatchPanic<F> {
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The future is dropped after a panic and never polled again, so that no broken state is seen.
        match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// A body that is counted, and holds its request's slot, until it is sent or given up.
struct Measured<B> {
    inner: B,
    broken: Option<Ending>,
    /// Whether the client is waited for.
    is_sending: bool,
    end: End,
}

struct End {
    door: Arc<Door>,
    exchange: Arc<Exchange>,
    connection: Arc<Connection>,
    status: u16,
    began: Instant,
    sent: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.began);
        self.connection.finish(now);
        let Self { door, exchange, status, sent, .. } = self;
        door.app.telemetry.request(exchange.slot(), *status, took, exchange.received(), *sent);
        tracing::trace!(
            method = %exchange.method,
            uri = %exchange.uri,
            status,
            received = exchange.received(),
            micros = took.as_micros() as u64,
            "request"
        );
    }
}

impl<B: Body + Unpin> Body for Measured<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.is_sending {
            // Whoever borrowed its place has it for as long as this goes on: an answer cannot wait in the middle.
            self.is_sending = false;
            self.end.connection.go_on();
        }
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                self.end.sent = self.end.sent.saturating_add(bytes);
                // Until it is asked for more, the client is what it waits for.
                if !self.inner.is_end_stream() {
                    self.is_sending = true;
                    self.end.connection.send(Instant::now());
                }
            }
            Poll::Ready(Some(Err(_))) => self.broken.iter().for_each(Ending::set_broken),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let panics = async {
                if true {
                    panic!("on purpose")
                }
            };
            assert!(CatchPanic { inner: Box::pin(panics) }.await.is_none());
            assert_eq!(CatchPanic { inner: Box::pin(async { 7 }) }.await, Some(7));
        });
    }

    /// The standard library's queue has 128 places.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_burst_of_connections_is_taken_at_once() {
        let most: usize = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connections: Vec<_> = (0..300.min(most))
                .map(|n| {
                    let connected = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(900));
                    connected.unwrap_or_else(|e| panic!("connection {n}: {e}"))
                })
                .collect();
            drop(connections);
        });
    }

    #[test]
    fn addresses_are_bound_or_refused_with_what_is_accepted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let all = bind(":0").await.unwrap();
            let port = all.local_addr().unwrap().port();
            assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
            let error = bind(&format!("127.0.0.1:{port}")).await.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("--listen"), "{error}");
            assert!(bind("nonsense").await.is_err());
        });
    }
}
