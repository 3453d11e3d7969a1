//! A value of each type that is asked for: what endpoints keep from request to request, without anybody having a list of it.

use std::any::Any;
use std::sync::OnceLock;
use std::time::Duration;

/// A kept value.
pub(crate) trait Kept: Any + Send + Sync {
    /// Ends what it runs.
    fn stop(&self, most: Duration);
}

/// The values, in the order in which they were asked for first. There are few, so that going along them takes a few nanoseconds; and no lock
/// is taken, so that values can be lent.
#[derive(Default)]
pub(crate) struct States {
    first: Link,
}

#[derive(Default)]
struct Link(OnceLock<Box<Entry>>);

struct Entry {
    slot: Box<dyn Kept>,
    next: Link,
}

/// Where the value of a type is, or will be.
struct Slot<T>(OnceLock<T>);

impl<T: Kept> Kept for Slot<T> {
    fn stop(&self, most: Duration) {
        if let Some(value) = self.0.get() {
            value.stop(most);
        }
    }
}

impl States {
    /// The value of this type. It is made by the first who asks, while others who ask for it wait.
    pub(crate) fn get<T: Kept>(&self, make: impl FnOnce() -> T) -> &T {
        let mut link = &self.first;
        loop {
            let new = || Box::new(Entry { slot: Box::new(Slot::<T>(OnceLock::new())), next: Link::default() });
            let entry = link.0.get_or_init(new);
            let slot: &dyn Any = &*entry.slot;
            if let Some(Slot(value)) = slot.downcast_ref::<Slot<T>>() {
                return value.get_or_init(make);
            }
            link = &entry.next;
        }
    }

    /// Ends what they run, one after the other.
    pub(crate) fn stop(&self, most: Duration) {
        let mut next = self.first.0.get();
        while let Some(entry) = next {
            entry.slot.stop(most);
            next = entry.next.0.get();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Of<const N: usize>(usize, AtomicUsize);

    impl<const N: usize> Kept for Of<N> {
        fn stop(&self, _: Duration) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn there_is_one_value_of_each_type_whoever_asks_first() {
        let states = States::default();
        let made = AtomicUsize::new(0);
        let make = || made.fetch_add(1, Ordering::Relaxed);
        let addresses = std::thread::scope(|scope| {
            let ask = || {
                let first: *const _ = states.get(|| Of::<1>(make(), AtomicUsize::new(0)));
                // One that needs another.
                let second: *const _ =
                    states.get(|| Of::<2>(states.get(|| Of::<3>(make(), AtomicUsize::new(0))).0, AtomicUsize::new(0)));
                (first as usize, second as usize)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert!(addresses.windows(2).all(|pair| pair[0] == pair[1]));
        states.stop(Duration::ZERO);
        let stopped = |value: &AtomicUsize| value.load(Ordering::Relaxed);
        assert_eq!(stopped(&states.get(|| Of::<1>(9, AtomicUsize::new(9))).1), 1);
        assert_eq!(stopped(&states.get(|| Of::<2>(9, AtomicUsize::new(9))).1), 1);
        let other = States::default();
        assert_eq!(other.get(|| Of::<1>(7, AtomicUsize::new(0))).0, 7);
    }
}
