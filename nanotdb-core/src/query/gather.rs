//! Picking the rows of wanted metrics out of a decoded page.

use crate::format::page::DecodedPage;
use crate::model::{MetricId, Timestamp, Value, ValueType};
use std::ops::Range;

/// Rows of one metric, as columns.
#[derive(Debug, Default)]
pub struct Columns {
    /// Timestamps.
    pub timestamps: Vec<Timestamp>,
    /// Row bits.
    pub bits: Vec<u64>,
}

impl Columns {
    fn clear(&mut self) {
        self.timestamps.clear();
        self.bits.clear();
    }
}

/// Up to this many metrics, looking for each on its own is faster than a table look-up per row.
const FEW: usize = 4;
const UNWANTED: u16 = u16::MAX;

/// Collects rows of several metrics, with reused memory.
#[derive(Debug)]
pub struct Gatherer {
    metrics: Vec<(MetricId, ValueType)>,
    /// Index into `metrics` by id; empty when there are few.
    slots: Vec<u16>,
    columns: Vec<Columns>,
    positions: Vec<u32>,
}

impl Gatherer {
    /// For these metrics.
    pub fn new(metrics: &[(MetricId, ValueType)]) -> Self {
        let mut slots = Vec::new();
        if metrics.len() > FEW {
            slots.resize(usize::from(u16::MAX) + 1, UNWANTED);
            for (slot, (id, _)) in metrics.iter().enumerate() {
                if let (Some(entry), Ok(slot)) = (slots.get_mut(usize::from(*id)), u16::try_from(slot)) {
                    *entry = slot;
                }
            }
        }
        let columns = metrics.iter().map(|_| Columns::default()).collect();
        Self { metrics: metrics.to_vec(), slots, columns, positions: Vec::new() }
    }

    /// The rows of `page` in `from..=to`, one entry per metric, in page order.
    pub fn gather(&mut self, page: &DecodedPage, from: Timestamp, to: Timestamp) -> &[Columns] {
        let rows = rows_between(page, from, to);
        self.columns.iter_mut().for_each(Columns::clear);
        if self.slots.is_empty() {
            for ((id, value_type), columns) in self.metrics.iter().zip(&mut self.columns) {
                find(page.ids(), rows.clone(), *id, &mut self.positions);
                copy(page, &self.positions, *value_type, columns);
            }
        } else {
            self.gather_many(page, rows);
        }
        &self.columns
    }

    fn gather_many(&mut self, page: &DecodedPage, rows: Range<usize>) {
        let high = page.high().and_then(|h| h.get(rows.clone()));
        let (Some(ids), Some(timestamps), Some(low)) =
            (page.ids().get(rows.clone()), page.timestamps().get(rows.clone()), page.low().get(rows))
        else {
            return;
        };
        for (i, ((id, timestamp), low)) in ids.iter().zip(timestamps).zip(low).enumerate() {
            let slot = self.slots.get(usize::from(u16::from_le_bytes(*id))).copied().unwrap_or(UNWANTED);
            if slot == UNWANTED {
                continue;
            }
            let slot = usize::from(slot);
            let (Some((_, value_type)), Some(columns)) = (self.metrics.get(slot), self.columns.get_mut(slot)) else {
                continue;
            };
            columns.timestamps.push(i64::from_le_bytes(*timestamp));
            columns.bits.push(join(*value_type, *low, high.and_then(|h| h.get(i)).copied()));
        }
    }
}

#[inline]
fn join(value_type: ValueType, low: [u8; 4], high: Option<[u8; 4]>) -> u64 {
    let low = u32::from_le_bytes(low);
    match high {
        Some(high) => (u64::from(u32::from_le_bytes(high)) << 32) | u64::from(low),
        None => Value::widen_bits(value_type, low),
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

fn copy(page: &DecodedPage, positions: &[u32], value_type: ValueType, columns: &mut Columns) {
    let (timestamps, low, high) = (page.timestamps(), page.low(), page.high());
    columns
        .timestamps
        .extend(positions.iter().filter_map(|at| timestamps.get(*at as usize)).map(|t| i64::from_le_bytes(*t)));
    let low = positions.iter().filter_map(|at| low.get(*at as usize));
    match high {
        Some(high) => {
            let high = positions.iter().map(|at| high.get(*at as usize).copied());
            columns.bits.extend(low.zip(high).map(|(low, high)| join(value_type, *low, high)));
        }
        None => columns.bits.extend(low.map(|low| join(value_type, *low, None))),
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
