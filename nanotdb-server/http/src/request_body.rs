//! The body of a request as it comes off the wire: whoever sends it slowly lends its place to others meanwhile, and must keep to a least rate.

use crate::connections::Connection;
use crate::error::ApiError;
use crate::limits::{BODY_TIMEOUT, Place};
use crate::stall::Ending;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Time that every body has, whatever its rate.
const TO_BEGIN_WITH: Duration = Duration::from_secs(30);

/// How fast a body has to come. Only the time that was spent waiting for it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// `limits.min_body_rate`, bytes a second; zero is none.
    pub(crate) rate: u64,
    /// `limits.max_body_time`
    pub(crate) longest: Duration,
}

impl Pace {
    /// How long a body of which `received` bytes came may be waited for, now that `waited` has passed in former waits, and which
    /// limit says so (`None`: the longest time without a byte).
    fn patience(self, received: u64, waited: Duration) -> (Duration, Option<&'static str>) {
        let by_rate = self.earned(received).map(|earned| earned.saturating_add(TO_BEGIN_WITH));
        let (allowed, key) = match by_rate.filter(|by_rate| *by_rate < self.longest) {
            Some(by_rate) => (by_rate, "limits.min_body_rate"),
            None => (self.longest, "limits.max_body_time"),
        };
        match allowed.saturating_sub(waited) {
            left if left < BODY_TIMEOUT => (left, Some(key)),
            _ => (BODY_TIMEOUT, None),
        }
    }

    /// The time that so many bytes are worth.
    fn earned(self, received: u64) -> Option<Duration> {
        let micros = (u128::from(received) * 1_000_000).checked_div(u128::from(self.rate))?;
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}

/// A request's body.
pub(crate) struct RequestBody {
    inner: Incoming,
    connection: Arc<Connection>,
    pace: Pace,
    received: u64,
    /// Time spent waiting, but for the present wait, and when that began.
    waited: Duration,
    wait: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// What has come while another request had the place, and the wait for one.
    held: Option<Polled>,
    place: Option<WaitForPlace>,
    /// Whether all of it has come, or none will.
    is_over: bool,
    ending: Ending,
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_over && !self.inner.is_end_stream() {
            self.ending.set_unread();
            self.connection.leave_unread();
        }
    }
}

type WaitForPlace = Pin<Box<dyn Future<Output = Result<Place, ApiError>> + Send>>;

type Polled = Option<Result<Frame<Bytes>, hyper::Error>>;

impl RequestBody {
    /// The body of a request on `connection`.
    pub(crate) fn new(inner: Incoming, connection: Arc<Connection>, pace: Pace, ending: Ending) -> Self {
        let (wait, timer, held, place, is_over) = (None, None, None, None, false);
        let (received, waited) = (0, Duration::ZERO);
        Self { inner, connection, pace, received, waited, wait, timer, held, place, is_over, ending }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        let now = Instant::now();
        let began = match self.wait {
            Some(began) => began,
            None => {
                let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
                let earned = self.pace.earned(self.received).unwrap_or_default();
                self.connection.receive(now, micros(self.waited).saturating_sub(micros(earned)));
                *self.wait.insert(now)
            }
        };
        if let Some(refusal) = self.connection.out(context.waker()) {
            return Poll::Ready(Some(Err(refusal)));
        }
        let (patience, key) = self.pace.patience(self.received, self.waited);
        let until = tokio::time::Instant::from_std(began + patience);
        // Set anew only when it rings: what comes meanwhile gives more time, never less.
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= until {
                return Poll::Ready(Some(Err(too_slow(self.received, self.waited.saturating_add(patience), key))));
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// Goes on after a wait, with a place.
    fn go_on(&mut self, polled: Polled, began: Instant) -> Result<Polled, Polled> {
        self.waited = self.waited.saturating_add(began.elapsed());
        self.wait = None;
        if self.connection.go_on() {
            return Ok(polled);
        }
        self.place = Some(Box::pin(self.connection.requests().clone().enter_again()));
        Err(polled)
    }
}

#[cold]
fn too_slow(received: u64, waited: Duration, key: Option<&'static str>) -> ApiError {
    let message = match key {
        Some(key) => format!("the request body came too slowly ({received} bytes in {waited:?}): {key}"),
        None => format!("no byte of the request body came for {} s", BODY_TIMEOUT.as_secs()),
    };
    ApiError::new(StatusCode::REQUEST_TIMEOUT, message)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        let this = &mut *self;
        if this.place.is_none() {
            let polled = match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Pending => return this.wait(context),
                Poll::Ready(polled) => polled,
            };
            this.is_over |= !matches!(polled, Some(Ok(_)));
            if let Some(Ok(frame)) = &polled {
                this.received = this.received.saturating_add(frame.data_ref().map_or(0, Bytes::len) as u64);
            }
            let polled = match this.wait {
                None => Ok(polled),
                Some(began) => this.go_on(polled, began),
            };
            match polled {
                Ok(polled) => return Poll::Ready(polled.map(|frame| frame.map_err(ApiError::from))),
                Err(polled) => this.held = Some(polled),
            }
        }
        let Some(place) = &mut this.place else { return Poll::Ready(None) };
        match std::task::ready!(place.as_mut().poll(context)) {
            Ok(place) => this.connection.enter_again(place),
            Err(refusal) => return Poll::Ready(Some(Err(refusal))),
        }
        this.place = None;
        let polled = this.held.take().flatten();
        Poll::Ready(polled.map(|frame| frame.map_err(ApiError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_time_to_begin_with_then_its_rate_and_an_end() {
        let pace = Pace { rate: 1_000, longest: Duration::from_secs(100) };
        let left = |pace: Pace, received, waited| pace.patience(received, Duration::from_secs(waited));
        let seconds = Duration::from_secs;
        assert_eq!(left(pace, 0, 0), (BODY_TIMEOUT, None));
        assert_eq!(left(pace, 0, 5), (seconds(25), Some("limits.min_body_rate")));
        assert_eq!(left(pace, 20_000, 5), (BODY_TIMEOUT, None));
        assert_eq!(left(pace, 20_000, 45), (seconds(5), Some("limits.min_body_rate")));
        assert_eq!(left(pace, 70_000, 90), (seconds(10), Some("limits.max_body_time")));
        assert_eq!(left(pace, u64::MAX, 101), (Duration::ZERO, Some("limits.max_body_time")));
        let none = Pace { rate: 0, ..pace };
        assert_eq!(left(none, 0, 60), (BODY_TIMEOUT, None));
        assert_eq!(left(none, 0, 99), (seconds(1), Some("limits.max_body_time")));
    }
}
