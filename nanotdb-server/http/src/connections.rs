//! Open connections, which of them give way when there is no room for others, and which requests lend their places while they wait for a client.
//!
//! A client that opens connections and says nothing, sends bodies byte by byte, or leaves answers unread must cost the others nothing. So what only
//! waits for its client counts for little: idle connections are closed for new ones, those first that never asked anything; and a request gives its place
//! to another while its body or its reader is waited for.

use crate::error::ApiError;
use crate::limits::{Place, RequestLimit};
use http::StatusCode;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Connections beyond the limit that may be open while the ones that give way are being closed.
const OVER: usize = 16;
/// Microseconds after which a connection that asked nothing is one that says nothing. A younger one may have its request under way: it
/// gives way to another that is there, not to one that might come.
const YOUNG: u64 = 250_000;
/// How far a client must be behind before its request is ended for a connection that finds no room.
const MOST_BEHIND: i64 = 1_000_000;

/// What a connection does, in the upper bits of its state; below it, since when, in microseconds since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing was asked yet.
    Nothing,
    /// It is kept for the next request.
    Idle,
    /// A request is worked on.
    Working,
    /// A request waits for its body.
    Receiving,
    /// An answer waits for its reader.
    Sending,
    /// A request was answered before all of it had come: what is still sent is read and dropped, then it ends.
    Over,
}

const ALL: [Doing; 6] = [Doing::Nothing, Doing::Idle, Doing::Working, Doing::Receiving, Doing::Sending, Doing::Over];
const TIME_BITS: u32 = 56;

/// One connection, and the request on it.
pub(crate) struct Connection {
    connections: Arc<Connections>,
    peer: Option<IpAddr>,
    /// Its index among all.
    at: AtomicUsize,
    state: AtomicU64,
    /// Microseconds that the request on it was behind when its present wait began; negative with bytes to its credit.
    behind: AtomicI64,
    place: Mutex<Option<Place>>,
    /// Whether the body of the request was left unread.
    is_unread: AtomicBool,
    /// Whether the request has to end because others need its place.
    is_out: AtomicBool,
    waker: Mutex<Option<Waker>>,
    closing: Notify,
}

/// All of them.
pub(crate) struct Connections {
    requests: RequestLimit,
    most: usize,
    most_per_address: u64,
    began: Instant,
    open: Mutex<Open>,
    /// How many were told to end and have not.
    ending: AtomicUsize,
    closed: Notify,
}

#[derive(Default)]
struct Open {
    all: Vec<Arc<Connection>>,
    by_address: HashMap<IpAddr, u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// At most `most` connections, `most_per_address` (unless it is zero) of a public address.
    pub(crate) fn new(requests: RequestLimit, most: usize, most_per_address: u64) -> Arc<Self> {
        let (open, ending, closed) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        Arc::new(Self { requests, most: most.max(1), most_per_address, began: Instant::now(), open, ending, closed })
    }

    /// Takes a connection in; `None` when its address has its share, and none of it is idle.
    pub(crate) fn open(self: &Arc<Self>, peer: IpAddr) -> Option<Arc<Connection>> {
        let peer = share_of(peer).filter(|_| self.most_per_address > 0);
        let now = self.micros(Instant::now());
        let mut open = lock(&self.open);
        if let Some(peer) = peer {
            let count = open.by_address.entry(peer).or_default();
            *count += 1;
            if *count > self.most_per_address && !give_way(&open.all, now, true, |other| other.peer == Some(peer)) {
                forget(&mut open.by_address, peer);
                return None;
            }
        }
        let connection = Arc::new(Connection {
            connections: Arc::clone(self),
            peer,
            at: AtomicUsize::new(open.all.len()),
            state: AtomicU64::new(packed(Doing::Nothing, now)),
            behind: AtomicI64::new(0),
            place: Mutex::default(),
            is_unread: AtomicBool::new(false),
            is_out: AtomicBool::new(false),
            waker: Mutex::default(),
            closing: Notify::new(),
        });
        if self.is_full(&open) {
            give_way(&open.all, now, true, |_| true);
        }
        open.all.push(Arc::clone(&connection));
        Some(connection)
    }

    /// Waits while there are so many connections that no other can be taken in.
    pub(crate) async fn room(&self) {
        const AGAIN: Duration = Duration::from_millis(20);
        while self.len() >= self.most + OVER {
            {
                let open = lock(&self.open);
                if self.is_full(&open) {
                    give_way(&open.all, self.micros(Instant::now()), false, |_| true);
                }
            }
            let _ = tokio::time::timeout(AGAIN, self.closed.notified()).await;
        }
    }

    /// Whether there are as many as there may be, without those that are about to end.
    fn is_full(&self, open: &Open) -> bool {
        open.all.len().saturating_sub(self.ending.load(Relaxed)) >= self.most
    }

    /// Lets one connection give way, when one can.
    pub(crate) fn make_room(&self) {
        give_way(&lock(&self.open).all, self.micros(Instant::now()), true, |_| true);
    }

    /// Open connections.
    pub(crate) fn len(&self) -> usize {
        lock(&self.open).all.len()
    }

    /// Waits until all are closed.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.len() == 0 {
                return;
            }
            closed.await;
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// A place for a request: a free one, or that of a request that waits for its client.
    fn find_place(&self, is_write: bool) -> Result<Place, ApiError> {
        if let Some(place) = self.requests.enter(is_write) {
            return Ok(place);
        }
        let now = self.micros(Instant::now());
        let open = lock(&self.open);
        let (mut lender, mut without) = (None::<(i64, &Arc<Connection>)>, None::<(i64, &Arc<Connection>)>);
        let mut lent = 0;
        for connection in &open.all {
            let Some(behind) = connection.behind(now) else { continue };
            let worst = match lock(&connection.place).is_some() {
                true => &mut lender,
                false => {
                    lent += 1;
                    &mut without
                }
            };
            if worst.is_none_or(|(most, _)| behind > most) {
                *worst = Some((behind, connection));
            }
        }
        // What waits without a place costs memory: as many of them as there are places.
        if let Some((_, slowest)) = without.filter(|_| lent >= self.requests.limit()) {
            slowest.end();
        }
        let place = lender.and_then(|(_, connection)| connection.lend());
        place.ok_or_else(|| self.requests.refusal(is_write))
    }
}

/// Lets the connection go that is missed least: one whose request is answered, one that never asked anything, then one that is idle, of these the
/// oldest; then the slowest, when it is slow enough. Where it is one that has only just come, it goes when `young_too`. Whether there was one.
fn give_way(all: &[Arc<Connection>], now: u64, young_too: bool, is_meant: impl Fn(&Connection) -> bool) -> bool {
    let mut best: Option<(u8, u64, &Arc<Connection>)> = None;
    for connection in all.iter().filter(|connection| is_meant(connection) && !connection.is_out.load(Relaxed)) {
        let (doing, since) = connection.state();
        let (rank, key) = match doing {
            Doing::Over => (0, since),
            Doing::Nothing => (1, since),
            Doing::Idle => (2, since),
            Doing::Working => continue,
            Doing::Receiving | Doing::Sending => match connection.behind(now) {
                Some(behind) if behind >= MOST_BEHIND => (3, u64::MAX.saturating_sub(behind.unsigned_abs())),
                _ => continue,
            },
        };
        if best.is_none_or(|(best_rank, best_key, _)| (rank, key) < (best_rank, best_key)) {
            best = Some((rank, key, connection));
        }
    }
    // The oldest of those that asked nothing: when it is young, they all are.
    let found = best.filter(|(rank, since, _)| young_too || *rank != 1 || now.saturating_sub(*since) >= YOUNG);
    found.is_some_and(|(_, _, connection)| {
        connection.end();
        true
    })
}

fn forget(by_address: &mut HashMap<IpAddr, u64>, peer: IpAddr) {
    if let Some(count) = by_address.get_mut(&peer) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            by_address.remove(&peer);
        }
    }
}

/// Whose share a connection counts to; `None` for loopback and private addresses, which may be proxies for many.
fn share_of(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let exempt = v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared;
            (!exempt).then_some(IpAddr::V4(v4))
        }
        IpAddr::V6(v6) => {
            let exempt = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            let [a, b, c, d, ..] = v6.segments();
            (!exempt).then_some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
    }
}

fn packed(doing: Doing, micros: u64) -> u64 {
    (doing as u64) << TIME_BITS | micros & ((1 << TIME_BITS) - 1)
}

impl Connection {
    fn state(&self) -> (Doing, u64) {
        let state = self.state.load(Relaxed);
        let doing = usize::try_from(state >> TIME_BITS).ok().and_then(|at| ALL.get(at)).copied();
        (doing.unwrap_or(Doing::Working), state & ((1 << TIME_BITS) - 1))
    }

    fn set(&self, doing: Doing, at: Instant) {
        self.state.store(packed(doing, self.connections.micros(at)), Relaxed);
    }

    /// How far the client of a request that waits for it is behind, in microseconds.
    fn behind(&self, now: u64) -> Option<i64> {
        let (doing, since) = self.state();
        let waited = i64::try_from(now.saturating_sub(since)).unwrap_or(i64::MAX);
        match doing {
            Doing::Receiving | Doing::Sending => Some(waited.saturating_add(self.behind.load(Relaxed))),
            _ => None,
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self, at: Instant) {
        self.is_unread.store(false, Relaxed);
        self.set(Doing::Working, at);
    }

    /// Gives the request a place, or refuses it.
    pub(crate) fn enter(&self, is_write: bool) -> Result<(), ApiError> {
        *lock(&self.place) = Some(self.connections.find_place(is_write)?);
        Ok(())
    }

    /// The request is not counted any more.
    pub(crate) fn leave(&self) {
        lock(&self.place).take();
    }

    /// The request is over.
    pub(crate) fn finish(&self, at: Instant) {
        self.leave();
        self.stay();
        let doing = if self.is_unread.swap(false, Relaxed) { Doing::Over } else { Doing::Idle };
        self.set(doing, at);
    }

    /// The body of its request will not be read.
    pub(crate) fn leave_unread(&self) {
        match self.state() {
            (Doing::Idle, since) => self.state.store(packed(Doing::Over, since), Relaxed),
            _ => self.is_unread.store(true, Relaxed),
        }
    }

    /// The request waits for its body, whose client is `behind` already.
    pub(crate) fn receive(&self, at: Instant, behind: i64) {
        self.behind.store(behind, Relaxed);
        self.set(Doing::Receiving, at);
    }

    /// The answer waits for its reader.
    pub(crate) fn send(&self, at: Instant) {
        self.behind.store(0, Relaxed);
        self.set(Doing::Sending, at);
    }

    /// The request goes on, after it waited; whether it still has its place.
    pub(crate) fn go_on(&self) -> bool {
        let place = lock(&self.place);
        self.set(Doing::Working, Instant::now());
        place.is_some()
    }

    /// Gives the request its place again.
    pub(crate) fn enter_again(&self, place: Place) {
        *lock(&self.place) = Some(place);
    }

    /// What a request waits with for a place.
    pub(crate) fn requests(&self) -> &RequestLimit {
        &self.connections.requests
    }

    fn lend(&self) -> Option<Place> {
        let mut place = lock(&self.place);
        match self.state().0 {
            Doing::Receiving | Doing::Sending => place.take(),
            // It went on meanwhile.
            _ => None,
        }
    }

    /// Takes back that it has to end.
    fn stay(&self) {
        if self.is_out.swap(false, Relaxed) {
            self.connections.ending.fetch_sub(1, Relaxed);
        }
    }

    /// Ends what is on it: a request whose body is slow is answered, everything else is closed.
    fn end(&self) {
        if self.is_out.swap(true, Relaxed) {
            return;
        }
        self.connections.ending.fetch_add(1, Relaxed);
        match self.state().0 {
            Doing::Receiving => {
                if let Some(waker) = lock(&self.waker).take() {
                    waker.wake();
                }
            }
            _ => self.closing.notify_one(),
        }
    }

    /// Ready when the connection has to be closed.
    pub(crate) async fn closing(&self) {
        self.closing.notified().await;
    }

    /// Whether it may be closed now; when not, it stays.
    pub(crate) fn may_close(&self) -> bool {
        let is_working = self.state().0 == Doing::Working;
        if is_working {
            self.stay();
        }
        !is_working
    }

    /// The refusal of a request that has to end; otherwise `waker` is woken when it must.
    pub(crate) fn out(&self, waker: &Waker) -> Option<ApiError> {
        *lock(&self.waker) = Some(waker.clone());
        self.is_out.load(Relaxed).then(|| {
            let message = "the request body comes too slowly while others wait; send it again";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
        })
    }

    /// The connection is closed.
    pub(crate) fn close(&self) {
        self.leave();
        let mut open = lock(&self.connections.open);
        let at = self.at.load(Relaxed);
        if open.all.get(at).is_some_and(|found| std::ptr::eq(Arc::as_ptr(found), self)) {
            open.all.swap_remove(at);
            self.stay();
            if let Some(moved) = open.all.get(at) {
                moved.at.store(at, Relaxed);
            }
            if let Some(peer) = self.peer {
                forget(&mut open.by_address, peer);
            }
        }
        drop(open);
        self.connections.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// They began some seconds ago, so that what was so then is old.
    fn connections(places: u64, most: usize, share: u64) -> Arc<Connections> {
        let mut connections = Connections::new(RequestLimit::new(places), most, share);
        Arc::get_mut(&mut connections).unwrap().began -= Duration::from_secs(5);
        connections
    }

    fn is_out(connection: &Connection) -> bool {
        connection.is_out.load(Relaxed)
    }

    /// Before its request was counted as over, or after it.
    #[test]
    fn who_was_answered_too_early_gives_way_before_who_is_new() {
        for is_early in [false, true] {
            let connections = connections(8, 3, 0);
            let at = |millis| connections.began + Duration::from_millis(millis);
            let open = || connections.open(HOME).unwrap();
            let (silent, refused, next) = (open(), open(), open());
            silent.set(Doing::Nothing, at(1));
            next.begin(at(3));
            refused.begin(at(2));
            if is_early {
                refused.leave_unread();
            }
            refused.finish(at(4));
            if !is_early {
                refused.leave_unread();
            }
            let _newest = open();
            assert!(is_out(&refused) && !is_out(&silent) && !is_out(&next), "{is_early}");
            // What comes next on a connection is another request.
            refused.begin(at(5));
            refused.finish(at(6));
            assert_eq!(refused.state().0, Doing::Idle);
        }
    }

    #[test]
    fn who_never_asked_gives_way_first_then_who_is_idle_longest() {
        let connections = connections(8, 4, 0);
        let began = connections.began;
        let at = |millis| began + Duration::from_millis(millis);
        let open = || connections.open(HOME).unwrap();
        let (idle_long, idle, working, silent) = (open(), open(), open(), open());
        idle_long.finish(at(1));
        idle.finish(at(2));
        working.begin(at(0));
        silent.set(Doing::Nothing, at(3));
        let newer = open();
        assert!(is_out(&silent) && !is_out(&idle_long) && !is_out(&newer));
        silent.close();
        newer.begin(at(4));
        let _next = open();
        assert!(is_out(&idle_long) && !is_out(&idle) && !is_out(&working) && !is_out(&newer));
    }

    #[test]
    fn who_has_only_just_come_gives_way_to_nobody_who_is_not_there() {
        let connections = connections(8, 2, 0);
        let now = Instant::now();
        let stalled: Vec<_> = (0..2 + OVER - 1).map(|_| connections.open(HOME).unwrap()).collect();
        for connection in &stalled {
            connection.stay();
            connection.begin(now);
            connection.receive(now, -60_000_000);
        }
        let young = connections.open(HOME).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let look =
            || runtime.block_on(async { tokio::time::timeout(Duration::from_millis(1), connections.room()).await });
        young.set(Doing::Nothing, Instant::now() + Duration::from_secs(3_600));
        assert!(look().is_err() && !is_out(&young));
        // It said nothing for seconds.
        young.set(Doing::Nothing, connections.began);
        assert!(look().is_err() && is_out(&young));
    }

    #[test]
    fn a_place_is_lent_by_who_is_furthest_behind_and_asked_back_for() {
        let connections = connections(2, 100, 0);
        let now = Instant::now();
        let request = || {
            let connection = connections.open(HOME).unwrap();
            connection.begin(now);
            connection.enter(true).map(|()| connection)
        };
        let (fast, slow) = (request().unwrap(), request().unwrap());
        assert_eq!(request().map(|_| ()).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        fast.receive(now, -60_000_000);
        slow.receive(now, 0);
        let third = request().unwrap();
        assert!(fast.go_on() && !slow.go_on() && third.go_on());
        slow.receive(now, 0);
        drop(third);
        assert_eq!(request().map(|_| ()).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn what_waits_without_a_place_is_bounded() {
        let connections = connections(2, 100, 0);
        let now = Instant::now();
        let wait = |behind| {
            let connection = connections.open(HOME).unwrap();
            connection.begin(now);
            connection.enter(true).unwrap();
            connection.receive(now, behind);
            connection
        };
        let all: Vec<_> = (0..4).map(wait).collect();
        assert!(all.iter().all(|connection| !is_out(connection)));
        let _fifth = wait(-1);
        let out: Vec<bool> = all.iter().map(|connection| is_out(connection)).collect();
        assert_eq!(out.iter().filter(|out| **out).count(), 1, "{out:?}");
    }

    #[test]
    fn a_public_address_has_a_share_and_a_private_one_has_none() {
        let connections = connections(8, 100, 2);
        let open = |peer: &str| connections.open(peer.parse().unwrap());
        for private in
            ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "100.64.0.1"]
        {
            for _ in 0..4 {
                assert!(open(private).is_some(), "{private}");
            }
        }
        let first = open("203.0.113.1").unwrap();
        let second = open("203.0.113.1").unwrap();
        second.begin(Instant::now());
        let third = open("203.0.113.1").unwrap();
        assert!(is_out(&first) && !is_out(&second), "its own idle one gives way");
        first.close();
        third.begin(Instant::now());
        assert!(open("203.0.113.1").is_none());
        assert!(open("203.0.113.2").is_some());
        third.close();
        assert!(open("203.0.113.1").is_some());
        // One customer has a whole /64.
        let _one = open("2001:db8::1").unwrap();
        let two = open("2001:db8::2").unwrap();
        two.begin(Instant::now());
        assert_eq!(share_of("2001:db8::1".parse().unwrap()), share_of("2001:db8::ffff".parse().unwrap()));
        assert_ne!(share_of("2001:db8::1".parse().unwrap()), share_of("2001:db8:0:1::1".parse().unwrap()));
    }

    #[test]
    fn closed_ones_are_forgotten_whatever_the_order() {
        let connections = connections(8, 100, 0);
        let all: Vec<_> = (0..5).map(|_| connections.open(HOME).unwrap()).collect();
        for at in [2, 0, 4, 1] {
            all[at].close();
            all[at].close();
        }
        assert_eq!(connections.len(), 1);
        all[3].close();
        assert_eq!(connections.len(), 0);
    }
}
