//! Finds timestamps that were written before: the same vector, or a part of one.
//!
//! A vector is looked up by its fingerprint, and by its first and last timestamp and one in between: series that start
//! later than others have their last timestamp, series that end earlier their first, and of the others one timestamp in 64
//! is known by its position. What is found is compared in full. A lookup compares a bounded number of vectors, so planning
//! takes time in proportion to the rows, not to the square of the series.

use crate::model::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;

/// Most timestamps that are kept, besides one vector that is longer: 24 MiB.
const KEPT: usize = 3 << 20;
/// Most vectors of one fingerprint or timestamp that a lookup looks at.
const CANDIDATES: usize = 64;
/// Most vectors that a lookup compares in full.
const COMPARISONS: usize = 16;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Where in the kept vectors.
type Found = (u16, u32);

/// A vector that was written.
struct Kept {
    timestamps: Vec<Timestamp>,
    fingerprint: u64,
    shared: bool,
    used: u64,
}

/// The vectors that were written lately.
pub(super) struct Planner {
    limit: usize,
    kept: Map<u16, Kept>,
    /// Ids by fingerprint.
    whole: Map<u64, Vec<u16>>,
    /// Some timestamps, with the vectors they are in and where.
    points: BTreeSet<(Timestamp, u16, u32)>,
    /// What is forgotten first comes first: what was never shared, then what was not used for longest.
    order: BTreeSet<(bool, u64, u16)>,
    /// Timestamps of the vectors that count towards the limit.
    held: usize,
    /// The vector that is larger than the limit.
    large: Option<u16>,
    clock: u64,
    #[cfg(test)]
    work: u64,
}

impl Default for Planner {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

/// A number that vectors which differ hardly ever share.
pub(super) fn fingerprint(timestamps: &[Timestamp]) -> u64 {
    foldhash::quality::FixedState::default().hash_one(timestamps)
}

/// The timestamps whose positions are known, the same ones in every vector: one in 64, and of equal ones the first.
fn sampled(timestamps: &[Timestamp]) -> impl Iterator<Item = usize> {
    let known = |pair: &[Timestamp]| match pair {
        [before, t] => before != t && (*t as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 == 0,
        _ => false,
    };
    (1..).zip(timestamps.windows(2)).filter(move |(_, pair)| known(pair)).map(|(at, _)| at)
}

impl Planner {
    /// Keeps so many timestamps.
    fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Map::default(),
            whole: Map::default(),
            points: BTreeSet::new(),
            order: BTreeSet::new(),
            held: 0,
            large: None,
            clock: 0,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Id and offset of kept timestamps that are these.
    pub(super) fn find(&mut self, timestamps: &[Timestamp], fingerprint: u64) -> Option<Found> {
        let found = self.find_whole(timestamps, fingerprint).or_else(|| self.find_part(timestamps))?;
        let kept = self.kept.get_mut(&found.0)?;
        self.order.remove(&(kept.shared, kept.used, found.0));
        self.clock = self.clock.saturating_add(1);
        (kept.shared, kept.used) = (true, self.clock);
        self.order.insert((true, self.clock, found.0));
        Some(found)
    }

    fn find_whole(&mut self, timestamps: &[Timestamp], fingerprint: u64) -> Option<Found> {
        let ids = self.whole.get(&fingerprint)?;
        let same = |id: &&u16| self.kept.get(id).is_some_and(|kept| kept.timestamps == timestamps);
        let found = ids.iter().take(COMPARISONS).find(same).copied();
        #[cfg(test)]
        self.count(ids.len().min(COMPARISONS) * timestamps.len());
        found.map(|id| (id, 0))
    }

    fn find_part(&mut self, timestamps: &[Timestamp]) -> Option<Found> {
        let last = timestamps.len().checked_sub(1)?;
        let mut comparisons = 0_usize;
        let mut found = None;
        'search: for at in [Some(0), Some(last), sampled(timestamps).next()].into_iter().flatten() {
            let Some(timestamp) = timestamps.get(at) else { continue };
            let points = self.points.range((*timestamp, 0, 0)..=(*timestamp, u16::MAX, u32::MAX));
            for (_, id, position) in points.take(CANDIDATES) {
                let Some(from) = (*position as usize).checked_sub(at) else { continue };
                let rest = self.kept.get(id).and_then(|kept| kept.timestamps.get(from..));
                let Some(part) = rest.and_then(|rest| rest.get(..timestamps.len())) else { continue };
                if part.first() != timestamps.first() || part.last() != timestamps.last() {
                    continue;
                }
                comparisons = comparisons.saturating_add(1);
                if part == timestamps {
                    found = u32::try_from(from).ok().map(|from| (*id, from));
                    break 'search;
                }
                if comparisons == COMPARISONS {
                    break 'search;
                }
            }
        }
        #[cfg(test)]
        self.count(comparisons * timestamps.len());
        found
    }

    /// Keeps a vector that was written under this id, and forgets others when there are too many.
    pub(super) fn keep(&mut self, id: u16, timestamps: &[Timestamp], fingerprint: u64) {
        if timestamps.len() > self.limit {
            if let Some(before) = self.large.replace(id) {
                self.forget(before);
            }
        } else {
            while self.held.saturating_add(timestamps.len()) > self.limit {
                let large = self.large;
                let Some((_, _, oldest)) = self.order.iter().find(|(_, _, id)| Some(*id) != large) else { break };
                self.forget(*oldest);
            }
            self.held = self.held.saturating_add(timestamps.len());
        }
        self.clock = self.clock.saturating_add(1);
        self.points.extend(points(id, timestamps));
        self.whole.entry(fingerprint).or_default().push(id);
        self.order.insert((false, self.clock, id));
        let kept = Kept { timestamps: timestamps.to_vec(), fingerprint, shared: false, used: self.clock };
        self.kept.insert(id, kept);
    }

    fn forget(&mut self, id: u16) {
        let Some(kept) = self.kept.remove(&id) else { return };
        if kept.timestamps.len() <= self.limit {
            self.held = self.held.saturating_sub(kept.timestamps.len());
        }
        self.order.remove(&(kept.shared, kept.used, id));
        if let Some(ids) = self.whole.get_mut(&kept.fingerprint) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.whole.remove(&kept.fingerprint);
            }
        }
        for point in points(id, &kept.timestamps) {
            self.points.remove(&point);
        }
    }

    #[cfg(test)]
    fn count(&mut self, work: usize) {
        self.work += work as u64;
    }
}

/// The places of a vector by which parts of it are found: its ends, and samples.
fn points(id: u16, timestamps: &[Timestamp]) -> impl Iterator<Item = (Timestamp, u16, u32)> {
    let last = timestamps.len().checked_sub(1);
    let places = [Some(0), last].into_iter().flatten().chain(sampled(timestamps));
    places.filter_map(move |at| Some((*timestamps.get(at)?, id, u32::try_from(at).ok()?)))
}

#[cfg(test)]
mod tests;
