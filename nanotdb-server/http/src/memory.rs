//! One budget of bytes for all requests in flight: what a request takes is decided before it takes it.

use crate::error::ApiError;
use http::StatusCode;
use nanotdb_core::plugin::ValueMemory;
use nanotdb_core::query::aggregate::MAX_REQUEST_MEMORY;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Bytes of one permit.
const UNIT: u64 = 1 << 10;
/// What there is at least, and at most where nothing is configured.
const LEAST: u64 = 4 << 20;
const MOST: u64 = 1 << 30;
/// Longest wait for a share.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The budget.
#[derive(Debug)]
pub(crate) struct Memory {
    left: Arc<Semaphore>,
    limit: u64,
    patience: Duration,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Memory {
    /// `configured` bytes (`limits.max_request_memory`); zero is a quarter of what the process may use.
    pub(crate) fn new(configured: u64) -> Arc<Self> {
        let limit = match configured {
            0 => (available() / 4).clamp(LEAST, MOST),
            bytes => bytes.max(LEAST),
        };
        let permits = usize::try_from(limit / UNIT).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { left: Arc::new(Semaphore::new(permits)), limit, patience: LONGEST_WAIT })
    }

    /// All there is.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// A share for as long as somebody's future lives; waits for it. 503 when others do not give theirs back. What is more than all
    /// there is counts as all there is.
    pub(crate) async fn admit(&self, bytes: u64) -> Result<SemaphorePermit<'_>, ApiError> {
        let units = units(bytes.min(self.limit));
        if let Ok(permit) = self.left.try_acquire_many(units) {
            return Ok(permit);
        }
        let waited = tokio::time::timeout(self.patience, self.left.acquire_many(units)).await;
        waited.map_err(|_| self.refusal())?.map_err(|_| ApiError::internal())
    }

    /// The same for work on another thread.
    pub(crate) async fn admit_work(&self, bytes: u64) -> Result<Share, ApiError> {
        let units = units(bytes.min(self.limit));
        let acquire = Arc::clone(&self.left).acquire_many_owned(units);
        let waited = tokio::time::timeout(self.patience, acquire).await;
        let _permit = waited.map_err(|_| self.refusal())?.map_err(|_| ApiError::internal())?;
        Ok(Share { _permit })
    }

    /// A share, when there is one now.
    pub(crate) fn share(&self, bytes: u64) -> Option<Share> {
        let permit = Arc::clone(&self.left).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Share { _permit: permit })
    }

    /// 503 in the name of the limit.
    #[cold]
    pub(crate) fn refusal(&self) -> ApiError {
        let detail = "bytes, which other requests hold; try again in a few seconds";
        ApiError::limit(StatusCode::SERVICE_UNAVAILABLE, MAX_REQUEST_MEMORY, self.limit, detail)
    }
}

impl ValueMemory for Memory {
    fn take(&self, bytes: usize) -> bool {
        match self.left.try_acquire_many(units(bytes as u64)) {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    fn give(&self, bytes: usize) {
        self.left.add_permits(bytes.div_ceil(UNIT as usize));
    }

    fn limit(&self) -> u64 {
        self.limit
    }
}

/// Bytes that the process may use: those of its control group, or the machine's. Asked of the system once.
pub(crate) fn available() -> u64 {
    static AVAILABLE: OnceLock<u64> = OnceLock::new();
    *AVAILABLE.get_or_init(|| group_limit().map_or(machine(), |group| group.min(machine())))
}

#[cfg(target_os = "linux")]
fn machine() -> u64 {
    let info = rustix::system::sysinfo();
    (info.totalram as u64).saturating_mul(u64::from(info.mem_unit))
}

/// Where the system cannot be asked.
#[cfg(not(target_os = "linux"))]
fn machine() -> u64 {
    MOST * 4
}

/// The smallest limit of the process's control group and those around it, of either version.
fn group_limit() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut smallest = None;
    for line in text.lines() {
        let (root, file, path) = match line.splitn(3, ':').collect::<Vec<_>>().as_slice() {
            ["0", "", path] => ("/sys/fs/cgroup", "memory.max", (*path).to_owned()),
            [_, controllers, path] if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", (*path).to_owned())
            }
            _ => continue,
        };
        let mut group = path.trim_end_matches('/');
        loop {
            let limit = std::fs::read_to_string(format!("{root}{group}/{file}")).ok();
            // Without a limit it is "max", or a number near 2^63.
            if let Some(limit) = limit.and_then(|text| text.trim().parse::<u64>().ok()) {
                smallest = Some(smallest.map_or(limit, |smallest: u64| smallest.min(limit)));
            }
            match group.rfind('/') {
                Some(at) => group = group.get(..at).unwrap_or_default(),
                None => break,
            }
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_given_out_and_come_back() {
        let mut memory = Memory::new(4 << 20);
        Arc::get_mut(&mut memory).unwrap().patience = Duration::from_millis(20);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let first = memory.share(3 << 20).unwrap();
            assert!(memory.share(2 << 20).is_none());
            assert!(!memory.take(2 << 20) && memory.take(1 << 20));
            let error = memory.admit(1).await.unwrap_err();
            assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(error.message.contains("limits.max_request_memory = 4194304"), "{}", error.message);
            drop(first);
            memory.give(1 << 20);
            // More than all there is waits until nobody else has any.
            drop(memory.admit(u64::MAX).await.unwrap());
            drop(memory.admit_work(u64::MAX).await.unwrap());
            assert_eq!(memory.left.available_permits(), 4 << 10);
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machines_memory_is_what_the_kernel_lists() {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
        let total: u64 = total.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
        assert_eq!(machine() >> 10, total);
        let memory = Memory::new(0);
        assert!((LEAST..=MOST).contains(&memory.limit()));
    }
}
