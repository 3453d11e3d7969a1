//! Work that waits for a disk or computes for long, on threads made for that.

use std::sync::{Arc, Mutex, PoisonError};

/// The work panicked, or the runtime is going away.
#[derive(Debug, thiserror::Error)]
#[error("a task ended without a result")]
pub(crate) struct Lost;

/// Runs `work` on a thread that may block. It is run to its end even when nobody waits for it any more.
///
/// The work is boxed so that all uses share one kind of task: tokio's code for each further kind is several kilobytes.
pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> tokio::task::JoinHandle<()> {
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    tokio::task::spawn_blocking(work)
}

/// Runs `work` on a thread that may block, and waits for what it returns.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
    let slot = Arc::new(Mutex::new(None));
    let result = Arc::clone(&slot);
    let ended = start(move || {
        let value = work();
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    });
    ended.await.map_err(|_| Lost)?;
    let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    value.ok_or(Lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_and_panics_are_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert_eq!(run(|| vec![1, 2]).await.unwrap(), [1, 2]);
            let panics = run(|| {
                if true {
                    panic!("on purpose")
                }
            })
            .await;
            assert_eq!(panics.unwrap_err().to_string(), "a task ended without a result");
        });
    }
}
