//! All values of a window, for aggregates that need them: one copy, shared by all of a window.

use std::sync::Arc;

/// Whoever decides on the memory that values of windows may take, before they take it.
pub trait ValueMemory: Send + Sync {
    /// Whether there are so many bytes more. What is taken is given back with [`ValueMemory::give`].
    fn take(&self, bytes: usize) -> bool;

    /// Takes bytes back.
    fn give(&self, bytes: usize);

    /// The bytes that there are in all, for whoever is told that they are not enough.
    fn limit(&self) -> u64;
}

/// The values of one window, in no order: aggregates that look for a rank put them into another one.
#[derive(Default)]
pub struct WindowValues {
    /// As integers in the order of the values: those are compared much faster.
    keys: Vec<i64>,
    sorted: bool,
    memory: Option<Arc<dyn ValueMemory>>,
    taken: usize,
}

/// An integer for each float, in the order of [`f64::total_cmp`].
#[inline]
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The inverse of [`key`].
#[inline]
fn value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

impl WindowValues {
    /// No values; what they take is asked for at `memory`.
    #[must_use]
    pub fn within(memory: Option<Arc<dyn ValueMemory>>) -> Self {
        Self { keys: Vec::new(), sorted: false, memory, taken: 0 }
    }

    /// Adds values. `false` when there is no memory for them, and then they are not added.
    #[must_use]
    pub fn push(&mut self, values: &[f64]) -> bool {
        if self.keys.capacity() - self.keys.len() < values.len() && !self.grow(values.len()) {
            return false;
        }
        self.sorted = false;
        self.keys.extend(values.iter().map(|v| key(*v)));
        true
    }

    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        // By half: what is moved meanwhile is there twice.
        let wanted = (self.keys.len() + more).max(self.keys.capacity() / 2 * 3).max(512);
        let bytes = (wanted - self.keys.capacity()).saturating_mul(size_of::<i64>());
        if let Some(memory) = &self.memory {
            if !memory.take(bytes) {
                return false;
            }
            self.taken += bytes;
        }
        self.keys.reserve_exact(wanted - self.keys.len());
        true
    }

    /// Appends the values of another window.
    #[must_use]
    pub fn append(&mut self, other: &Self) -> bool {
        if self.keys.capacity() - self.keys.len() < other.keys.len() && !self.grow(other.keys.len()) {
            return false;
        }
        self.sorted = false;
        self.keys.extend_from_slice(&other.keys);
        true
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Forgets the values and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// The value at this rank (0 is the smallest) and the next larger one, itself at the last rank. `None` beyond that.
    pub fn at_rank(&mut self, rank: usize) -> Option<(f64, f64)> {
        if rank >= self.keys.len() {
            return None;
        }
        if self.sorted {
            let lower = *self.keys.get(rank)?;
            return Some((value(lower), value(*self.keys.get(rank + 1).unwrap_or(&lower))));
        }
        let (_, lower, above) = self.keys.select_nth_unstable(rank);
        let lower = *lower;
        let upper = above.iter().copied().min().unwrap_or(lower);
        Some((value(lower), value(upper)))
    }

    /// The values in order, without the `dropped` smallest and largest.
    pub fn in_order(&mut self, dropped: usize) -> impl Iterator<Item = f64> + '_ {
        if !self.sorted {
            self.keys.sort_unstable();
            self.sorted = true;
        }
        let end = self.keys.len().saturating_sub(dropped);
        self.keys.get(dropped..end).unwrap_or_default().iter().map(|key| value(*key))
    }
}

impl Drop for WindowValues {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.give(self.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Purse(AtomicUsize);

    impl ValueMemory for Purse {
        fn take(&self, bytes: usize) -> bool {
            let left = self.0.load(Ordering::SeqCst).checked_sub(bytes);
            left.inspect(|left| self.0.store(*left, Ordering::SeqCst)).is_some()
        }

        fn give(&self, bytes: usize) {
            self.0.fetch_add(bytes, Ordering::SeqCst);
        }

        fn limit(&self) -> u64 {
            100_000
        }
    }

    #[test]
    fn values_take_no_more_than_there_is_and_give_it_back() {
        let purse = Arc::new(Purse(AtomicUsize::new(100_000)));
        let mut values = WindowValues::within(Some(purse.clone()));
        let mut added = 0;
        while values.push(&[1.0; 100]) {
            added += 100;
        }
        assert_eq!(values.len(), added);
        assert!(added * 8 > 60_000 && values.keys.capacity() * 8 <= 100_000, "{added}");
        assert_eq!(purse.0.load(Ordering::SeqCst), 100_000 - values.keys.capacity() * 8);
        values.clear();
        assert!(values.push(&[2.0; 100]), "the memory was kept");
        drop(values);
        assert_eq!(purse.0.load(Ordering::SeqCst), 100_000);
    }

    #[test]
    fn ranks_are_the_same_sorted_or_not() {
        let mut values = WindowValues::default();
        assert!(values.at_rank(0).is_none());
        assert!(values.push(&[3.0, -0.0, 2.5, -7.0, f64::INFINITY]));
        for _ in 0..2 {
            assert_eq!(values.at_rank(0), Some((-7.0, -0.0)));
            assert_eq!(values.at_rank(3), Some((3.0, f64::INFINITY)));
            assert_eq!(values.at_rank(4), Some((f64::INFINITY, f64::INFINITY)));
            assert_eq!(values.at_rank(5), None);
            assert_eq!(values.in_order(1).collect::<Vec<_>>(), [-0.0, 2.5, 3.0]);
        }
    }
}
