//! One simulated file: what reads see, what is durable, and what lies between.

use super::content::{Content, SECTOR};
use super::rng::Rng;
use std::sync::Arc;

/// A change of a file since its last successful sync.
#[derive(Debug, Clone)]
enum Pending {
    Write {
        offset: u64,
        data: Arc<[u8]>,
        /// A sync failed and the kernel forgot that these pages are dirty: reads see them, no later sync writes them.
        lost: bool,
    },
    SetLen {
        from: u64,
        to: u64,
    },
}

/// Content of a file that is open or has a name.
#[derive(Debug, Clone, Default)]
pub(super) struct SimNode {
    visible: Content,
    durable: Content,
    pending: Vec<Pending>,
    /// Some pending write was lost, so the two contents may differ where nothing is pending.
    diverged: bool,
}

impl SimNode {
    pub(super) fn visible(&self) -> &Content {
        &self.visible
    }

    pub(super) fn durable(&self) -> &Content {
        &self.durable
    }

    pub(super) fn write(&mut self, data: &[u8], offset: u64) {
        if !data.is_empty() {
            self.visible.write(data, offset);
            self.pending.push(Pending::Write { offset, data: data.into(), lost: false });
        }
    }

    pub(super) fn set_len(&mut self, to: u64) {
        let from = self.visible.len();
        if from != to {
            self.visible.set_len(to);
            self.pending.push(Pending::SetLen { from, to });
        }
    }

    /// A sync that succeeded: dirty sectors, and the length, become durable.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            let (start, end) = match change {
                Pending::Write { lost: true, .. } => continue,
                Pending::Write { offset, data, .. } => (offset, offset + data.len() as u64),
                Pending::SetLen { from, to } => (from.min(to), from.max(to)),
            };
            if self.diverged {
                self.durable.adopt_sectors(&self.visible, start, end);
            } else {
                self.durable.adopt_pages(&self.visible, start, end);
            }
        }
        self.durable.set_len(self.visible.len());
    }

    /// A sync that failed: as Linux does, each dirty write may be dropped for ever while reads still show it.
    pub(super) fn fail_sync(&mut self, rng: &mut Rng) {
        for change in &mut self.pending {
            if let Pending::Write { lost, .. } = change
                && rng.coin()
            {
                *lost = true;
                self.diverged = true;
            }
        }
    }

    /// Forgets what was lost or pending: what is visible is durable. For test set-up.
    pub(super) fn settle(&mut self) {
        if self.diverged || !self.pending.is_empty() {
            self.durable = self.visible.clone();
            self.pending.clear();
            self.diverged = false;
        }
    }

    /// Changes both contents behind the engine's back.
    pub(super) fn damage(&mut self, change: impl Fn(&mut Content)) {
        change(&mut self.visible);
        change(&mut self.durable);
    }

    /// Power loss. Every subset of the pending sectors can come out; nothing, everything, and "all up to a point, then
    /// a torn write" are made likelier than they would be by chance, because engines meet them most.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        if self.pending.is_empty() && !self.diverged {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let (whole, torn) = match rng.below(8) {
            0 => (0, 0),
            1 => (pending.len(), 0),
            2 | 3 => (rng.below(pending.len() + 1), 1),
            _ => (0, pending.len()),
        };
        for (index, change) in pending.iter().take(whole.saturating_add(torn)).enumerate() {
            match change {
                Pending::Write { lost: true, .. } => {}
                Pending::Write { offset, data, .. } if index < whole => self.durable.write(data, *offset),
                Pending::Write { offset, data, .. } => self.tear(data, *offset, rng),
                Pending::SetLen { to, .. } => {
                    if index < whole || rng.coin() {
                        self.durable.set_len(*to);
                    }
                }
            }
        }
        self.visible = self.durable.clone();
        self.diverged = false;
    }

    /// Keeps each sector of a write or not. The grown length may survive without the data: zeros at the tail.
    fn tear(&mut self, data: &[u8], offset: u64, rng: &mut Rng) {
        let end = offset + data.len() as u64;
        let mut rest = data;
        let mut at = offset;
        while at < end {
            let next = (at - at % SECTOR + SECTOR).min(end);
            let (now, later) = rest.split_at((next - at) as usize);
            if rng.coin() {
                self.durable.write(now, at);
            }
            rest = later;
            at = next;
        }
        if end > self.durable.len() && rng.below(4) == 0 {
            self.durable.set_len(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SimNode;
    use crate::storage::vfs::sim::rng::Rng;
    use std::collections::BTreeSet;

    /// All contents that a crash can leave, by trying many seeds.
    fn outcomes(node: &SimNode) -> BTreeSet<Vec<u8>> {
        (0..2_000)
            .map(|seed| {
                let mut node = node.clone();
                node.crash(&mut Rng::new(seed));
                assert_eq!(node.visible().to_vec(), node.durable().to_vec());
                node.visible().to_vec()
            })
            .collect()
    }

    #[test]
    fn synced_bytes_survive_every_crash() {
        let mut node = SimNode::default();
        node.write(&[1; 700], 0);
        node.sync();
        assert_eq!(outcomes(&node), BTreeSet::from([vec![1; 700]]));
        node.write(&[2; 10], 700);
        for content in outcomes(&node) {
            assert_eq!(content[..700], [1; 700]);
        }
    }

    #[test]
    fn a_crash_leaves_every_subset_of_sectors() {
        let mut node = SimNode::default();
        node.set_len(1536);
        node.sync();
        node.write(&[9; 1536], 0);
        let seen: BTreeSet<Vec<u8>> =
            outcomes(&node).into_iter().map(|c| c.chunks(512).map(|sector| sector[0]).collect()).collect();
        // 2^3 subsets, each sector whole or untouched.
        assert_eq!(seen.len(), 8);
        for content in outcomes(&node) {
            assert_eq!(content.len(), 1536);
            assert!(content.chunks(512).all(|s| s.iter().all(|&b| b == s[0]) && (s[0] == 0 || s[0] == 9)));
        }
    }

    #[test]
    fn sector_borders_are_those_of_the_file_not_of_the_write() {
        let mut node = SimNode::default();
        node.set_len(1024);
        node.sync();
        node.write(&[9; 200], 412); // 100 bytes in each of two sectors
        let seen: BTreeSet<(u8, u8)> = outcomes(&node).iter().map(|c| (c[511], c[512])).collect();
        assert_eq!(seen, BTreeSet::from([(0, 0), (0, 9), (9, 0), (9, 9)]));
    }

    #[test]
    fn unsynced_growth_may_leave_zeros_or_nothing_or_a_hole() {
        let mut node = SimNode::default();
        node.write(b"head", 0);
        node.sync();
        node.write(&[7; 1020], 4);
        let seen = outcomes(&node);
        let with = |head: &[u8], zeros: usize, tail: &[u8]| [head, &vec![0; zeros], tail].concat();
        assert!(seen.contains(b"head".as_slice()), "nothing kept");
        assert!(seen.contains(&with(b"head", 1020, b"")), "length without data");
        assert!(seen.contains(&with(b"head", 508, &[7; 512])), "hole before the last sector");
        assert!(seen.contains(&with(b"head", 0, &[7; 1020])), "all kept");
    }

    #[test]
    fn a_pending_cut_is_kept_or_not() {
        let mut node = SimNode::default();
        node.write(b"old content", 0);
        node.sync();
        node.set_len(3);
        assert_eq!(outcomes(&node), BTreeSet::from([b"old".to_vec(), b"old content".to_vec()]));
        node.sync();
        assert_eq!(outcomes(&node), BTreeSet::from([b"old".to_vec()]));
    }

    #[test]
    fn a_cut_and_grown_file_has_zeros_after_sync() {
        let mut node = SimNode::default();
        node.write(&[5; 5000], 0);
        node.sync();
        node.set_len(100);
        node.set_len(5000);
        node.sync();
        assert_eq!(outcomes(&node), BTreeSet::from([[vec![5; 100], vec![0; 4900]].concat()]));
    }

    #[test]
    fn a_failed_sync_can_lose_writes_that_reads_still_see() {
        let mut lost = 0;
        for seed in 0..200 {
            let mut node = SimNode::default();
            node.write(&[1; 512], 0);
            node.sync();
            node.write(&[2; 512], 0);
            node.fail_sync(&mut Rng::new(seed));
            node.sync(); // "succeeds", as on Linux
            assert_eq!(node.visible().to_vec(), [2; 512], "reads come from the page cache");
            node.crash(&mut Rng::new(seed));
            match node.visible().to_vec() {
                c if c == [1; 512] => lost += 1,
                c => assert_eq!(c, [2; 512]),
            }
        }
        assert!((60..140).contains(&lost), "half of them: {lost}");
    }

    #[test]
    fn writing_a_lost_sector_again_makes_it_durable() {
        for seed in 0..50 {
            let mut node = SimNode::default();
            node.write(&[1; 1024], 0);
            node.fail_sync(&mut Rng::new(seed));
            node.write(&[2; 512], 0);
            node.sync();
            node.crash(&mut Rng::new(seed));
            let content = node.visible().to_vec();
            assert_eq!(content.len(), 1024);
            assert_eq!(content[..512], [2; 512]);
            assert!(content[512..] == [1; 512] || content[512..] == [0; 512]);
        }
    }
}
