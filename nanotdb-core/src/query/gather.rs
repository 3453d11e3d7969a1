//! Picking the rows of wanted metrics out of a decoded page.

use crate::format::metric::Rows;
use crate::format::page::DecodedPage;
use crate::model::{Column, MetricId, Timestamp, Value, ValueType};
use std::ops::Range;

/// Up to this many metrics, looking for each on its own is faster than a table look-up per row.
const FEW: usize = 4;
const UNWANTED: u16 = u16::MAX;

/// Collects rows of several metrics, with reused memory.
#[derive(Debug)]
pub struct Gatherer {
    metrics: Vec<MetricId>,
    /// Index into `positions` by id; empty when there are few.
    slots: Vec<u16>,
    rows: Vec<Rows>,
    /// One for each metric, however often it is asked for; the first alone is used when there are few.
    positions: Vec<Vec<u32>>,
}

impl Gatherer {
    /// For these metrics.
    pub fn new(metrics: &[(MetricId, ValueType)]) -> Self {
        let mut slots = Vec::new();
        let mut used = 0u16;
        if metrics.len() > FEW {
            slots.resize(usize::from(u16::MAX) + 1, UNWANTED);
            for (id, _) in metrics {
                if let Some(entry) = slots.get_mut(usize::from(*id)).filter(|entry| **entry == UNWANTED) {
                    *entry = used;
                    used = used.saturating_add(1);
                }
            }
        }
        let rows = metrics.iter().map(|(_, value_type)| Rows::new(*value_type)).collect();
        let positions = vec![Vec::new(); usize::from(used).max(1)];
        Self { metrics: metrics.iter().map(|(id, _)| *id).collect(), slots, rows, positions }
    }

    /// The rows of `page` in `from..=to`, one entry per metric, in page order.
    pub fn gather(&mut self, page: &DecodedPage, from: Timestamp, to: Timestamp) -> &[Rows] {
        let range = rows_between(page, from, to);
        self.rows.iter_mut().for_each(Rows::clear);
        if self.slots.is_empty() {
            let Some(positions) = self.positions.first_mut() else { return &self.rows };
            for (id, rows) in self.metrics.iter().zip(&mut self.rows) {
                find(page.ids(), range.clone(), *id, positions);
                copy(page, positions, rows);
            }
        } else {
            self.positions.iter_mut().for_each(Vec::clear);
            let ids = page.ids().get(range.clone()).unwrap_or_default();
            let slots = &self.slots;
            let slot_of = |id: MetricId| usize::from(slots.get(usize::from(id)).copied().unwrap_or(UNWANTED));
            for (at, id) in (range.start as u32..).zip(ids) {
                let slot = slot_of(u16::from_le_bytes(*id));
                if let Some(positions) = self.positions.get_mut(slot) {
                    positions.push(at);
                }
            }
            for (id, rows) in self.metrics.iter().zip(&mut self.rows) {
                if let Some(positions) = self.positions.get(slot_of(*id)) {
                    copy(page, positions, rows);
                }
            }
        }
        &self.rows
    }
}

fn rows_between(page: &DecodedPage, from: Timestamp, to: Timestamp) -> Range<usize> {
    let timestamps = page.timestamps();
    let start = timestamps.partition_point(|t| i64::from_le_bytes(*t) < from);
    let end = timestamps.partition_point(|t| i64::from_le_bytes(*t) <= to);
    start..end.max(start)
}

/// Positions of `id` in `ids[rows]`. Collectors send the same metrics in the same order, so matches are mostly evenly
/// spaced: they are counted (which vectorises), then visited at the last distance; only when that does not meet them all is every id looked at.
fn find(ids: &[[u8; 2]], rows: Range<usize>, id: MetricId, positions: &mut Vec<u32>) {
    positions.clear();
    let wanted = id.to_le_bytes();
    let Some(slice) = ids.get(rows.clone()) else { return };
    let total = count(slice, wanted);
    if total == 0 {
        return;
    }
    let mut at = slice.iter().position(|i| *i == wanted);
    let mut distance = 0usize;
    while let Some(found) = at {
        positions.push((rows.start + found) as u32);
        if positions.len() == total {
            return;
        }
        let guess = found + distance;
        at = if distance > 0 && slice.get(guess) == Some(&wanted) {
            Some(guess)
        } else {
            let rest = slice.get(found + 1..).unwrap_or_default();
            let next = rest.iter().position(|i| *i == wanted).map(|i| found + 1 + i);
            distance = next.map_or(0, |next| next - found);
            next
        };
    }
    // The guesses jumped over some.
    positions.clear();
    let all = slice.iter().enumerate().filter(|(_, i)| **i == wanted);
    positions.extend(all.map(|(i, _)| (rows.start + i) as u32));
}

fn count(ids: &[[u8; 2]], wanted: [u8; 2]) -> usize {
    let wanted = u16::from_le_bytes(wanted);
    // Chunks keep the counters in 16-bit lanes.
    ids.chunks(4_096)
        .map(|chunk| chunk.iter().map(|i| u16::from(u16::from_le_bytes(*i) == wanted)).sum::<u16>())
        .map(usize::from)
        .sum()
}

fn copy(page: &DecodedPage, positions: &[u32], rows: &mut Rows) {
    let timestamps = page.timestamps();
    rows.timestamps
        .extend(positions.iter().filter_map(|at| timestamps.get(*at as usize)).map(|t| i64::from_le_bytes(*t)));
    let low = page.low();
    let low = positions.iter().filter_map(|at| low.get(*at as usize)).map(|low| u32::from_le_bytes(*low));
    let high = page.high();
    let high = high.map(|high| positions.iter().filter_map(|at| high.get(*at as usize)));
    let high = high.map(|high| high.map(|high| u64::from(u32::from_le_bytes(*high)) << 32));
    match (&mut rows.values, high) {
        (Column::Int32(to), _) => to.extend(low.map(|low| low as i32)),
        (Column::Float32(to), _) => to.extend(low.map(f32::from_bits)),
        (Column::Int64(to), Some(high)) => to.extend(low.zip(high).map(|(low, high)| (high | u64::from(low)) as i64)),
        (Column::Float64(to), Some(high)) => {
            to.extend(low.zip(high).map(|(low, high)| f64::from_bits(high | u64::from(low))));
        }
        // Written while the metric was 32 bits wide.
        (Column::Int64(to), None) => to.extend(low.map(|low| Value::widen_bits(ValueType::Int64, low) as i64)),
        (Column::Float64(to), None) => {
            to.extend(low.map(|low| f64::from_bits(Value::widen_bits(ValueType::Float64, low))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_every_position(ids in prop::collection::vec(1u16..6, 0..300), wanted in 1u16..7, from in 0usize..50) {
            let bytes: Vec<_> = ids.iter().map(|i| i.to_le_bytes()).collect();
            let from = from.min(ids.len());
            let mut found = Vec::new();
            find(&bytes, from..ids.len(), wanted, &mut found);
            let expected: Vec<u32> =
                ids.iter().enumerate().skip(from).filter(|(_, i)| **i == wanted).map(|(i, _)| i as u32).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
