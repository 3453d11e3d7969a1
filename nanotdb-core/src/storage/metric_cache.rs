//! What was decoded of metric files, kept within a number of bytes: directories, time vectors, statistics.

use crate::format::metric::v3::Chunk;
use crate::format::metric::{HEADER_LEN, Layout};
use crate::model::Timestamp;
use crate::order;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which file, and what of it.
pub(super) type Key = (u64, u64);

/// A file's directory, and a number that no other content of any file gets.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) instance: u64,
    /// Of the directory.
    pub(super) crc: u32,
    pub(super) layout: Arc<Layout>,
}

/// One thing that is kept.
#[derive(Clone)]
pub(super) enum Cached {
    Times(Arc<Vec<Timestamp>>),
    Chunk(Arc<Chunk>),
}

impl Cached {
    pub(super) fn times_key(at: u32) -> u64 {
        u64::from(at)
    }

    /// Offsets of blocks lie far beyond 2^32 only in files that are far larger than a time vector's number.
    pub(super) fn chunk_key(offset: u64) -> u64 {
        offset | 1 << 63
    }

    fn bytes(&self) -> usize {
        match self {
            Cached::Times(times) => times.len().saturating_mul(8),
            Cached::Chunk(chunk) => chunk.bytes_in_memory(),
        }
    }
}

struct File {
    header: [u8; HEADER_LEN],
    len: u64,
    opened: Opened,
    bytes: usize,
    used: u64,
}

struct Entry {
    value: Cached,
    used: u64,
}

/// Bytes that an entry costs besides its content.
const OVERHEAD: usize = 128;

#[derive(Default)]
struct Inner {
    files: HashMap<PathBuf, File>,
    entries: HashMap<Key, Entry>,
    bytes: usize,
    /// Counts uses, so that what was not used for longest can be told.
    now: u64,
    instances: u64,
    hits: u64,
    misses: u64,
}

/// The cache that all databases of an engine share.
pub struct MetricCache {
    limit: usize,
    inner: Mutex<Inner>,
}

impl MetricCache {
    /// Keeps about `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::new(Inner::default()) }
    }

    /// Bytes that are kept now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// How often something was asked for that was kept, and how often it was not.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.hits, inner.misses)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, path: &Path, header: &[u8; HEADER_LEN], len: u64) -> Option<Opened> {
        let mut inner = self.lock();
        inner.now = inner.now.saturating_add(1);
        let now = inner.now;
        let found = inner.files.get_mut(path).filter(|f| f.header == *header && f.len == len).map(|file| {
            file.used = now;
            file.opened.clone()
        });
        inner.count(found.is_some());
        found
    }

    pub(super) fn put_opened(&self, path: &Path, header: &[u8; HEADER_LEN], len: u64, read: (Layout, u32)) -> Opened {
        let (layout, crc) = read;
        let bytes = layout.bytes_in_memory().saturating_add(OVERHEAD);
        let mut inner = self.lock();
        inner.now = inner.now.saturating_add(1);
        inner.instances = inner.instances.saturating_add(1);
        let opened = Opened { instance: inner.instances, crc, layout: Arc::new(layout) };
        if bytes <= self.limit {
            let file = File { header: *header, len, opened: opened.clone(), bytes, used: inner.now };
            if let Some(old) = inner.files.insert(path.to_owned(), file) {
                inner.bytes = inner.bytes.saturating_sub(old.bytes);
            }
            inner.bytes = inner.bytes.saturating_add(bytes);
            inner.shrink(self.limit);
        }
        opened
    }

    /// Forgets a file whose name another one has got, which may be as long and have the same header.
    pub(crate) fn forget(&self, path: &Path) {
        let mut inner = self.lock();
        if let Some(old) = inner.files.remove(path) {
            inner.bytes = inner.bytes.saturating_sub(old.bytes);
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<Cached> {
        let mut inner = self.lock();
        inner.now = inner.now.saturating_add(1);
        let now = inner.now;
        let found = inner.entries.get_mut(&key).map(|entry| {
            entry.used = now;
            entry.value.clone()
        });
        inner.count(found.is_some());
        found
    }

    pub(super) fn put(&self, key: Key, value: Cached) {
        let bytes = value.bytes().saturating_add(OVERHEAD);
        if bytes > self.limit {
            return;
        }
        let mut inner = self.lock();
        inner.now = inner.now.saturating_add(1);
        let entry = Entry { value, used: inner.now };
        if let Some(old) = inner.entries.insert(key, entry) {
            inner.bytes = inner.bytes.saturating_sub(old.value.bytes().saturating_add(OVERHEAD));
        }
        inner.bytes = inner.bytes.saturating_add(bytes);
        inner.shrink(self.limit);
    }
}

impl Inner {
    fn count(&mut self, hit: bool) {
        let count = if hit { &mut self.hits } else { &mut self.misses };
        *count = count.saturating_add(1);
    }

    /// Lets go of what was not used for longest, down to seven eighths of the limit, so that not every insertion has to look for it.
    fn shrink(&mut self, limit: usize) {
        if self.bytes <= limit {
            return;
        }
        let target = limit - limit / 8;
        let files = self.files.iter().map(|(path, f)| (f.used, f.bytes, Some(path.clone()), (0, 0)));
        let entries = self.entries.iter().map(|(key, e)| (e.used, e.value.bytes() + OVERHEAD, None, *key));
        let mut all: Vec<_> = files.chain(entries).collect();
        order::sort_by_key(&mut all, |(used, ..)| *used);
        for (_, bytes, path, key) in all {
            if self.bytes <= target {
                break;
            }
            match path {
                Some(path) => drop(self.files.remove(&path)),
                None => drop(self.entries.remove(&key)),
            }
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = MetricCache::new(10_000);
        let times = || Cached::Times(Arc::new(vec![0; 300]));
        for at in 0..3 {
            cache.put((1, at), times());
        }
        assert!(cache.get((1, 0)).is_some());
        cache.put((1, 3), times());
        assert!(cache.bytes() <= 10_000);
        assert!(cache.get((1, 1)).is_none());
        assert!(cache.get((1, 0)).is_some());
        assert!(cache.get((1, 3)).is_some());
        assert_eq!(cache.hits_and_misses(), (3, 1));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = MetricCache::new(1_000);
        let times = |n| Cached::Times(Arc::new(vec![0; n]));
        cache.put((1, 0), times(250));
        assert!(cache.get((1, 0)).is_none());
        assert_eq!(cache.bytes(), 0);
        cache.put((1, 0), times(10));
        cache.put((1, 0), times(20));
        assert_eq!(cache.bytes(), 160 + OVERHEAD);
    }

    #[test]
    fn a_file_that_is_forgotten_is_read_again_though_it_looks_the_same() {
        let layout = |start| Layout {
            version: 3,
            partition_kind: 1,
            start,
            end: start + 1,
            sources: Vec::new(),
            times: Vec::new(),
            series: Vec::new(),
        };
        let cache = MetricCache::new(100_000);
        let (path, header) = (Path::new("/d/metric-2026-05-22.dat"), [7; HEADER_LEN]);
        let first = cache.put_opened(path, &header, 99, (layout(1), 1));
        let again = cache.opened(path, &header, 99).unwrap();
        assert_eq!((again.instance, again.layout.start), (first.instance, 1));
        // Another file gets its name, as long and with the same header.
        cache.forget(path);
        assert_eq!(cache.bytes(), 0);
        assert!(cache.opened(path, &header, 99).is_none());
        let second = cache.put_opened(path, &header, 99, (layout(2), 2));
        assert_ne!(second.instance, first.instance, "what was decoded of the first is not taken for the second's");
        assert_eq!(cache.opened(path, &header, 99).unwrap().layout.start, 2);
    }
}
