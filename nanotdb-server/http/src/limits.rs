//! What keeps one client from taking the server down: timeouts, and how many requests are worked on at the same time.

use crate::error::ApiError;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for a request head, idle time of a kept connection included.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Longest wait for the next piece of a request body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that a client may leave an answer unread.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for running requests at shutdown.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait of a request whose body was slow for a place to go on.
const PLACE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes hyper holds of one connection's input: also the largest piece of a body that is parsed at once.
pub(crate) const MAX_READ_BUFFER: usize = 512 << 10;

/// Marks an answer that is no longer counted by `limits.max_concurrent_requests` once it has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uncounted;

/// A place among the requests that are worked on.
pub(crate) type Place = OwnedSemaphorePermit;

/// Counts the requests that are worked on.
#[derive(Debug, Clone)]
pub(crate) struct RequestLimit {
    places: Arc<Semaphore>,
    limit: u64,
}

impl RequestLimit {
    /// Lets `limit` requests run at once.
    pub(crate) fn new(limit: u64) -> Self {
        Self { places: Arc::new(Semaphore::new(permits(limit))), limit }
    }

    /// Requests that are worked on.
    pub(crate) fn in_flight(&self) -> u64 {
        permits(self.limit).saturating_sub(self.places.available_permits()) as u64
    }

    /// Whether no more than one request is worked on: the caller's own.
    pub(crate) fn is_alone(&self) -> bool {
        self.in_flight() <= 1
    }

    /// Places in all.
    pub(crate) fn limit(&self) -> usize {
        permits(self.limit)
    }

    /// A place, held until the answer has been sent. The last eighth is kept for writes, so that no queries keep samples out.
    pub(crate) fn enter(&self, is_write: bool) -> Option<Place> {
        let kept = if is_write { 0 } else { permits(self.limit) / 8 };
        if kept > 0 && self.places.available_permits() <= kept {
            return None;
        }
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place for a request that gave up its own while it waited.
    pub(crate) async fn enter_again(self) -> Result<Place, ApiError> {
        match tokio::time::timeout(PLACE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(self.refusal(true)),
        }
    }

    /// What a request is told that finds no place: 429, and 503 where something would be written, because senders drop what a 4xx refuses.
    pub(crate) fn refusal(&self, is_write: bool) -> ApiError {
        let status = if is_write { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::TOO_MANY_REQUESTS };
        ApiError::limit(status, "limits.max_concurrent_requests", self.limit, "try again in a second")
    }
}

/// A configured count as semaphore permits.
pub(crate) fn permits(limit: u64) -> usize {
    // More than a million of anything is no limit any more.
    usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_request_over_the_limit_is_told_which_limit() {
        let limit = RequestLimit::new(2);
        let _first = limit.enter(false).unwrap();
        assert!(limit.is_alone());
        let second = limit.enter(false).unwrap();
        assert!(!limit.is_alone());
        assert!(limit.enter(false).is_none() && limit.enter(true).is_none());
        for (is_write, status) in [(false, StatusCode::TOO_MANY_REQUESTS), (true, StatusCode::SERVICE_UNAVAILABLE)] {
            let error = limit.refusal(is_write);
            assert_eq!(error.status, status);
            assert!(error.message.contains("limits.max_concurrent_requests = 2"), "{}", error.message);
        }
        drop(second);
        assert!(limit.enter(false).is_some());
    }

    #[test]
    fn the_last_eighth_is_for_writes() {
        let limit = RequestLimit::new(16);
        let mut places: Vec<_> = (0..14).map(|_| limit.enter(false).unwrap()).collect();
        assert!(limit.enter(false).is_none());
        places.extend([limit.enter(true).unwrap(), limit.enter(true).unwrap()]);
        assert!(limit.enter(true).is_none());
    }
}
