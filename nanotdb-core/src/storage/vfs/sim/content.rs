//! Bytes of one file, in shared pages, so that the durable and the visible version cost one copy.

use std::sync::Arc;

/// What a disk writes or does not write as a whole.
pub(super) const SECTOR: u64 = 512;
/// Unit of sharing. Small enough that copying one for an append is cheap.
const PAGE: usize = 4096;

type Page = [u8; PAGE];

/// Content and length. Bytes past the length are zero in every page, so that growing needs no work.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// `None` is a page of zeros; pages past the end of the vector are zeros too.
    pages: Vec<Option<Arc<Page>>>,
    len: u64,
}

/// Walks `start..end` as (page, range inside the page).
fn pieces(start: u64, end: u64) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let page = PAGE as u64;
    let mut at = start;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let index = at / page;
        let from = at % page;
        let to = (end - index * page).min(page);
        at = index * page + to;
        Some((index as usize, from as usize..to as usize))
    })
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn page(&self, index: usize) -> Option<&Arc<Page>> {
        self.pages.get(index).and_then(Option::as_ref)
    }

    /// The page for writing, unshared, made when missing.
    fn page_mut(&mut self, index: usize) -> &mut Page {
        if self.pages.len() <= index {
            self.pages.resize(index + 1, None);
        }
        Arc::make_mut(self.pages[index].get_or_insert_with(|| Arc::new([0; PAGE])))
    }

    /// Reads what there is at `offset`; returns how much.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let end = self.len.min(offset.saturating_add(buf.len() as u64));
        let mut rest = buf;
        let mut total = 0;
        for (index, range) in pieces(offset, end) {
            let (now, later) = rest.split_at_mut(range.len());
            total += now.len();
            match self.page(index) {
                Some(page) => now.copy_from_slice(&page[range]),
                None => now.fill(0),
            }
            rest = later;
        }
        total
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Writes all of `data`, growing the content with zeros up to `offset`.
    pub(super) fn write(&mut self, data: &[u8], offset: u64) {
        let end = offset + data.len() as u64;
        let mut rest = data;
        for (index, range) in pieces(offset, end) {
            let (now, later) = rest.split_at(range.len());
            self.page_mut(index)[range].copy_from_slice(now);
            rest = later;
        }
        self.len = self.len.max(end);
    }

    /// Cuts or extends with zeros.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let whole = len.div_ceil(PAGE as u64) as usize;
            self.pages.truncate(whole);
            let tail = (len % PAGE as u64) as usize;
            if tail != 0 && self.page(whole - 1).is_some() {
                self.page_mut(whole - 1)[tail..].fill(0);
            }
        }
        self.len = len;
    }

    /// Takes whole pages that overlap `start..end` from `other`, without copying bytes.
    pub(super) fn adopt_pages(&mut self, other: &Self, start: u64, end: u64) {
        let end = end.min((self.pages.len().max(other.pages.len()) * PAGE) as u64);
        for (index, _) in pieces(start, end) {
            match other.page(index) {
                Some(page) => {
                    if self.pages.len() <= index {
                        self.pages.resize(index + 1, None);
                    }
                    self.pages[index] = Some(Arc::clone(page));
                }
                None => {
                    if let Some(page) = self.pages.get_mut(index) {
                        *page = None;
                    }
                }
            }
        }
    }

    /// Takes the sectors that overlap `start..end` from `other`.
    pub(super) fn adopt_sectors(&mut self, other: &Self, start: u64, end: u64) {
        let end = end.min((self.pages.len().max(other.pages.len()) * PAGE) as u64);
        let start = start / SECTOR * SECTOR;
        for (index, range) in pieces(start, end.next_multiple_of(SECTOR)) {
            match other.page(index) {
                Some(page) => self.page_mut(index)[range.clone()].copy_from_slice(&page[range]),
                None if self.page(index).is_some() => self.page_mut(index)[range].fill(0),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, PAGE};
    use crate::storage::vfs::sim::rng::Rng;

    #[test]
    fn behaves_like_a_vector_of_bytes() {
        let mut rng = Rng::new(7);
        let mut content = Content::default();
        let mut model: Vec<u8> = Vec::new();
        for step in 0..4_000 {
            let offset = rng.below(3 * PAGE);
            if rng.below(4) == 0 {
                content.set_len(offset as u64);
                model.resize(offset, 0);
            } else {
                let data = vec![rng.next() as u8; rng.below(2 * PAGE)];
                content.write(&data, offset as u64);
                let end = offset + data.len();
                if model.len() < end {
                    model.resize(end, 0);
                }
                model[offset..end].copy_from_slice(&data);
            }
            assert_eq!(content.len(), model.len() as u64, "step {step}");
            assert!(content.to_vec() == model, "step {step}");
            let mut buf = vec![0xEE; rng.below(PAGE)];
            let at = rng.below(5 * PAGE);
            let n = content.read(&mut buf, at as u64);
            assert_eq!(n, model.len().saturating_sub(at).min(buf.len()), "step {step}");
            assert_eq!(buf[..n], model[at.min(model.len())..][..n], "step {step}");
        }
    }

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut content = Content::default();
        content.write(b"before", 0);
        let copy = content.clone();
        content.write(b"after!", 0);
        assert_eq!(copy.to_vec(), b"before");
        assert_eq!(content.to_vec(), b"after!");
    }

    #[test]
    fn a_large_hole_takes_no_memory() {
        let mut content = Content::default();
        content.set_len(1 << 35);
        assert!(content.pages.is_empty());
        let mut buf = [1; 8];
        assert_eq!(content.read(&mut buf, (1 << 35) - 4), 4);
        assert_eq!(buf, [0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn adopted_sectors_leave_their_neighbours() {
        let (mut to, mut from) = (Content::default(), Content::default());
        to.write(&[1; 2048], 0);
        from.write(&[2; 2048], 0);
        to.adopt_sectors(&from, 600, 601);
        let bytes = to.to_vec();
        assert!(bytes[..512].iter().all(|&b| b == 1));
        assert!(bytes[512..1024].iter().all(|&b| b == 2));
        assert!(bytes[1024..].iter().all(|&b| b == 1));
    }
}
