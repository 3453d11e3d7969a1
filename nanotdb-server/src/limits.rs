//! What keeps one client from taking the server down: timeouts, and who may be served at the same time.

use crate::respond::ApiError;
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
/// Most bytes hyper holds of one connection's input: also the largest piece of a body that is parsed at once.
pub(crate) const MAX_READ_BUFFER: usize = 512 << 10;

/// Marks an answer that is no longer counted by `limits.max_concurrent_requests` once it has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uncounted;

/// Counts the requests that are being answered.
#[derive(Debug, Clone)]
pub(crate) struct RequestLimit {
    slots: Arc<Semaphore>,
    limit: u64,
}

impl RequestLimit {
    /// Lets `limit` requests run at once.
    pub(crate) fn new(limit: u64) -> Self {
        Self { slots: Arc::new(Semaphore::new(permits(limit))), limit }
    }

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        permits(self.limit).saturating_sub(self.slots.available_permits()) as u64
    }

    /// Whether no more than one request is being answered: the caller's own.
    pub(crate) fn is_alone(&self) -> bool {
        self.in_flight() <= 1
    }

    /// A slot, held until the answer has been sent; 429 when there is none.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            ApiError::limit(
                StatusCode::TOO_MANY_REQUESTS,
                "limits.max_concurrent_requests",
                self.limit,
                "try again in a second",
            )
        })
    }
}

/// A configured count as semaphore permits.
pub(crate) fn permits(limit: u64) -> usize {
    // acquire_many takes a u32; more than a million of anything is no limit any more.
    usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_request_over_the_limit_is_told_which_limit() {
        let limit = RequestLimit::new(2);
        let _first = limit.enter().unwrap();
        assert!(limit.is_alone());
        let second = limit.enter().unwrap();
        assert!(!limit.is_alone());
        let error = limit.enter().unwrap_err();
        assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(error.message.contains("limits.max_concurrent_requests = 2"), "{}", error.message);
        drop(second);
        assert!(limit.enter().is_ok());
    }
}
