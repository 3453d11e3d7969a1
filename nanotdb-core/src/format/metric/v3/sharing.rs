//! Which series share a vector of timestamps.
//!
//! Series come with most rows first, so that the vector of a group is there before the series that miss some of its
//! timestamps. A series is compared with a handful of groups only: one whose vector had the same hash, those that have
//! some sampled timestamps of it, and the most popular ones. Sampling goes by a hash of the timestamp, not by position, so
//! that a vector and a part of it sample the same timestamps.

use crate::model::{MetricId, Timestamp};
use std::collections::{HashMap, VecDeque};

/// Timestamps that are kept: 24 MiB of them, or the longest vector if that is longer (the caller holds that one too).
const HELD_TICKS: usize = (24 << 20) / 8;
/// One in so many timestamps is indexed.
const SAMPLING: u64 = 64;
/// Look-ups in the index per series.
const LOOKUPS: usize = 8;
/// Groups remembered per indexed timestamp.
const GROUPS_PER_TICK: usize = 4;
/// Popular groups that every series is compared with.
const POPULAR: usize = 8;
/// Groups that a series is compared with timestamp by timestamp.
const COMPARED: usize = 4;
/// Spread over the series, to see at small cost whether a group may do, and how many of them must be there.
const PROBES: usize = 8;
const PROBES_NEEDED: usize = 6;
/// A vector takes up missing timestamps of a series when they are at most one in so many of its rows.
const EXTEND_DIVISOR: usize = 16;
/// And grows by at most one in so many of what it had at first, or series of random gaps would make it ever sparser.
const GROWTH_DIVISOR: usize = 4;
/// A series is not put on a vector of which it has less than one in so many: what it saves in timestamps it would pay in
/// blocks, one for each stretch of the vector, and in decoding.
const SPARSEST: usize = 16;

const NO_GROUP: u32 = u32::MAX;

struct Group {
    ticks: Vec<Timestamp>,
    /// Length before it was extended.
    original: usize,
    members: u32,
}

/// Series put into groups.
pub(super) struct Planner {
    /// By number; `None` is a group that was forgotten.
    groups: Vec<Option<Group>>,
    assigned: HashMap<MetricId, u32>,
    by_hash: HashMap<u64, u32>,
    by_tick: HashMap<Timestamp, [u32; GROUPS_PER_TICK]>,
    popular: Vec<u32>,
    /// Groups of one series, oldest first; some have more by now.
    singles: VecDeque<u32>,
    held: usize,
    limit: usize,
}

/// What planning came to.
pub(super) struct Plan {
    /// Vectors that are shared, and how many series have each.
    pub(super) shared: Vec<(Vec<Timestamp>, u32)>,
    /// Which of them a series has; one without brings its own.
    pub(super) assigned: HashMap<MetricId, Option<usize>>,
}

/// How a series lies in a vector.
struct Fit {
    group: u32,
    missing: usize,
}

impl Planner {
    pub(super) fn new() -> Self {
        Self {
            groups: Vec::new(),
            assigned: HashMap::new(),
            by_hash: HashMap::new(),
            by_tick: HashMap::new(),
            popular: Vec::new(),
            singles: VecDeque::new(),
            held: 0,
            limit: HELD_TICKS,
        }
    }

    /// Puts a series, whose timestamps are in order, into a group. Returns whether it was new.
    pub(super) fn add(&mut self, id: MetricId, timestamps: &[Timestamp]) -> bool {
        if self.assigned.contains_key(&id) {
            return false;
        }
        let hash = timestamps.iter().fold(timestamps.len() as u64, |hash, t| mix(hash ^ *t as u64));
        let group = match self.best(hash, timestamps) {
            Some(fit) => {
                self.join(&fit, timestamps);
                fit.group
            }
            None => self.found(timestamps),
        };
        if group != NO_GROUP {
            self.by_hash.insert(hash, group);
        }
        self.assigned.insert(id, group);
        true
    }

    /// The group that lacks fewest of these timestamps, if one is near enough.
    fn best(&self, hash: u64, timestamps: &[Timestamp]) -> Option<Fit> {
        let mut best: Option<Fit> = None;
        let mut compared = 0usize;
        for group in self.candidates(hash, timestamps) {
            let Some(Some(Group { ticks, original, .. })) = self.groups.get(group as usize) else { continue };
            if !probe(ticks, timestamps) {
                continue;
            }
            let room = original.saturating_add(original / GROWTH_DIVISOR).saturating_sub(ticks.len());
            let most = room.min(timestamps.len() / EXTEND_DIVISOR);
            let most = best.as_ref().map_or(Some(most), |b| b.missing.checked_sub(1).map(|m| m.min(most)));
            if let Some(missing) = most.and_then(|most| missing_of(ticks, timestamps, most)) {
                best = Some(Fit { group, missing });
                if missing == 0 {
                    break;
                }
            }
            compared = compared.saturating_add(1);
            if compared == COMPARED {
                break;
            }
        }
        best
    }

    /// Groups to compare with, likely ones first, each once.
    fn candidates(&self, hash: u64, timestamps: &[Timestamp]) -> Vec<u32> {
        let mut all: Vec<u32> = self.by_hash.get(&hash).copied().into_iter().collect();
        let sampled = timestamps.iter().filter(|t| is_sampled(**t)).take(LOOKUPS);
        for groups in sampled.filter_map(|t| self.by_tick.get(t)) {
            for group in groups.iter().filter(|g| **g != NO_GROUP) {
                if !all.contains(group) {
                    all.push(*group);
                }
            }
        }
        for group in &self.popular {
            if !all.contains(group) {
                all.push(*group);
            }
        }
        all
    }

    fn join(&mut self, fit: &Fit, timestamps: &[Timestamp]) {
        let Some(Some(group)) = self.groups.get_mut(fit.group as usize) else { return };
        group.members = group.members.saturating_add(1);
        let joined = group.members;
        if fit.missing > 0 {
            let before = group.ticks.len();
            group.ticks = union(&group.ticks, timestamps);
            self.held = self.held.saturating_add(group.ticks.len().saturating_sub(before));
            self.index(fit.group, timestamps);
        }
        if !self.popular.contains(&fit.group) {
            let least = self.popular.iter().copied().enumerate().min_by_key(|(_, g)| members(&self.groups, *g));
            match least {
                Some((at, least)) if self.popular.len() == POPULAR => {
                    if let (Some(slot), true) = (self.popular.get_mut(at), members(&self.groups, least) < joined) {
                        *slot = fit.group;
                    }
                }
                _ => self.popular.push(fit.group),
            }
        }
    }

    /// Makes a group of this vector, if there is room for it.
    fn found(&mut self, timestamps: &[Timestamp]) -> u32 {
        self.limit = self.limit.max(timestamps.len());
        while self.held.saturating_add(timestamps.len()) > self.limit {
            match self.singles.pop_front() {
                Some(oldest) => self.forget(oldest),
                None => return NO_GROUP,
            }
        }
        let number = u32::try_from(self.groups.len()).unwrap_or(NO_GROUP);
        let group = Group { ticks: timestamps.to_vec(), original: timestamps.len(), members: 1 };
        self.groups.push(Some(group));
        self.singles.push_back(number);
        self.held = self.held.saturating_add(timestamps.len());
        self.index(number, timestamps);
        number
    }

    /// Forgets a group of one series: that series will bring its timestamps along.
    fn forget(&mut self, number: u32) {
        let Some(slot) = self.groups.get_mut(number as usize) else { return };
        let Some(group) = slot.take_if(|g| g.members == 1) else { return };
        self.held = self.held.saturating_sub(group.ticks.len());
        for tick in group.ticks.iter().filter(|t| is_sampled(**t)) {
            if let Some(groups) = self.by_tick.get_mut(tick) {
                groups.iter_mut().filter(|g| **g == number).for_each(|g| *g = NO_GROUP);
                if *groups == [NO_GROUP; GROUPS_PER_TICK] {
                    self.by_tick.remove(tick);
                }
            }
        }
    }

    fn index(&mut self, number: u32, timestamps: &[Timestamp]) {
        for tick in timestamps.iter().filter(|t| is_sampled(**t)) {
            let groups = self.by_tick.entry(*tick).or_insert([NO_GROUP; GROUPS_PER_TICK]);
            if !groups.contains(&number)
                && let Some(free) = groups.iter_mut().find(|g| **g == NO_GROUP)
            {
                *free = number;
            }
        }
    }

    /// Ends planning.
    pub(super) fn settle(self) -> Plan {
        let mut shared = Vec::new();
        let numbers: Vec<Option<usize>> = self
            .groups
            .into_iter()
            .map(|group| {
                let group = group.filter(|g| g.members > 1)?;
                shared.push((group.ticks, group.members));
                shared.len().checked_sub(1)
            })
            .collect();
        let number = |group: u32| numbers.get(group as usize).copied().flatten();
        let assigned = self.assigned.into_iter().map(|(id, group)| (id, number(group))).collect();
        Plan { shared, assigned }
    }
}

fn members(groups: &[Option<Group>], group: u32) -> u32 {
    groups.get(group as usize).and_then(Option::as_ref).map_or(0, |g| g.members)
}

/// A fixed hash, since it decides about the bytes of the file.
fn mix(value: u64) -> u64 {
    let value = (value ^ value.wrapping_shr(32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let value = (value ^ value.wrapping_shr(32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value.wrapping_shr(32)
}

fn is_sampled(tick: Timestamp) -> bool {
    mix(tick as u64).is_multiple_of(SAMPLING)
}

/// Whether most of a few timestamps of the series are in the vector.
fn probe(ticks: &[Timestamp], timestamps: &[Timestamp]) -> bool {
    let probes = (0..PROBES).filter_map(|i| {
        let at = timestamps.len().saturating_mul(i).checked_div(PROBES)?;
        timestamps.get(at)
    });
    probes.filter(|t| ticks.binary_search(t).is_ok()).count() >= PROBES_NEEDED
}

/// First position from `from` on whose timestamp is not before `target`. Quick when that is near.
pub(super) fn seek(ticks: &[Timestamp], from: usize, target: Timestamp) -> usize {
    let rest = ticks.get(from..).unwrap_or_default();
    if rest.first().is_none_or(|t| *t >= target) {
        return from;
    }
    let mut high = 1usize;
    while rest.get(high).is_some_and(|t| *t < target) {
        high = high.saturating_mul(2);
    }
    let low = high / 2;
    let window = rest.get(low..high.min(rest.len())).unwrap_or_default();
    from.saturating_add(low).saturating_add(window.partition_point(|t| *t < target))
}

/// How many timestamps of a series the vector lacks; `None` when more than `most`, or when the series is too sparse in it.
fn missing_of(ticks: &[Timestamp], timestamps: &[Timestamp], most: usize) -> Option<usize> {
    let (mut at, mut missing, mut first) = (0usize, 0usize, None);
    for timestamp in timestamps {
        at = seek(ticks, at, *timestamp);
        if ticks.get(at) == Some(timestamp) {
            first.get_or_insert(at);
            at = at.saturating_add(1);
        } else {
            missing = missing.saturating_add(1);
            if missing > most {
                return None;
            }
        }
    }
    let span = at.saturating_sub(first?);
    (timestamps.len().saturating_mul(SPARSEST) >= span).then_some(missing)
}

/// Both, each timestamp as often as in that which has it more often.
fn union(a: &[Timestamp], b: &[Timestamp]) -> Vec<Timestamp> {
    let mut all = Vec::with_capacity(a.len().saturating_add(b.len() / EXTEND_DIVISOR));
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => {
                let next = **x.min(y);
                a.next_if(|t| **t == next);
                b.next_if(|t| **t == next);
                all.push(next);
            }
            (Some(_), None) => all.extend(a.by_ref()),
            (None, Some(_)) => all.extend(b.by_ref()),
            (None, None) => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(step: usize, range: std::ops::Range<i64>) -> Vec<i64> {
        range.step_by(step).map(|t| t * 1_000_000_007).collect()
    }

    /// Numbers of the vectors that series got, in the order given.
    fn groups(series: &[Vec<i64>]) -> Vec<Option<usize>> {
        let mut planner = Planner::new();
        for (id, timestamps) in series.iter().enumerate() {
            assert!(planner.add(id as u16 + 1, timestamps));
            assert!(!planner.add(id as u16 + 1, timestamps));
        }
        let Plan { shared, assigned } = planner.settle();
        for (id, timestamps) in series.iter().enumerate() {
            if let Some(group) = assigned[&(id as u16 + 1)] {
                assert_eq!(missing_of(&shared[group].0, timestamps, usize::MAX), Some(0));
            }
        }
        (1..=series.len() as u16).map(|id| assigned[&id]).collect()
    }

    #[test]
    fn subsets_and_near_subsets_share() {
        let all = every(1, 0..10_000);
        let mut gaps = all.clone();
        gaps.retain(|t| t % 7 != 0);
        let mut odd = all.clone();
        odd[500] += 1;
        odd[501] += 1;
        let late = every(1, 9_000..10_000);
        let series = [all.clone(), odd, all, gaps, every(10, 0..10_000), late, every(1, 5_000..5_003)];
        assert_eq!(groups(&series), vec![Some(0); 7]);
    }

    #[test]
    fn strangers_and_sparse_ones_do_not() {
        let all = every(1, 0..10_000);
        let shifted: Vec<i64> = all.iter().map(|t| t + 1).collect();
        let sparse = every(40, 0..10_000);
        assert_eq!(groups(&[all.clone(), shifted.clone(), sparse.clone()]), [None; 3]);
        let twice = [all.clone(), shifted.clone(), sparse.clone(), all, shifted, sparse];
        assert_eq!(groups(&twice), [0, 1, 2, 0, 1, 2].map(Some));
    }

    #[test]
    fn a_vector_does_not_grow_without_end() {
        let mut random = 1u64;
        let series: Vec<Vec<i64>> = (0..40)
            .map(|_| {
                let mut one = every(1, 0..3_000);
                for t in &mut one {
                    random = mix(random.wrapping_add(1));
                    *t += if random.is_multiple_of(50) { (random >> 40) as i64 } else { 0 };
                }
                one.sort_unstable();
                one
            })
            .collect();
        let mut planner = Planner::new();
        for (id, timestamps) in series.iter().enumerate() {
            planner.add(id as u16 + 1, timestamps);
        }
        assert!(planner.groups.iter().flatten().all(|g| g.ticks.len() <= 3_750));
        assert!(planner.groups.len() < 10);
    }

    #[test]
    fn memory_is_bounded_and_shared_vectors_are_kept() {
        let mut planner = Planner::new();
        let shared = every(1, 0..1_000_000);
        planner.add(1, &shared);
        planner.add(2, &shared);
        for id in 3..12u16 {
            let own: Vec<i64> = shared.iter().map(|t| t + i64::from(id)).collect();
            planner.add(id, &own);
            assert!(planner.held <= HELD_TICKS);
            assert!(planner.by_tick.len() < HELD_TICKS / 32);
        }
        planner.add(12, &shared);
        let Plan { shared: vectors, assigned } = planner.settle();
        assert_eq!(vectors.len(), 1);
        assert_eq!(vectors[0].1, 3);
        assert_eq!(assigned.values().flatten().count(), 3);
        // The longest vector is kept however long it is.
        let long = every(1, 0..(HELD_TICKS as i64 + 5));
        let mut planner = Planner::new();
        planner.add(1, &long);
        planner.add(2, &long);
        assert_eq!(planner.settle().shared.len(), 1);
    }

    #[test]
    fn seeking_finds_what_searching_finds() {
        let ticks = [1, 3, 3, 3, 7, 9, 9, 20, 21, 22, 30];
        for from in 0..=ticks.len() {
            for target in 0..32 {
                let plain = from + ticks[from..].partition_point(|t| *t < target);
                assert_eq!(seek(&ticks, from, target), plain);
            }
        }
    }
}
