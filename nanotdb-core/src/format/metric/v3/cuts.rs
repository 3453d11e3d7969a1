//! Where statistics cut a vector of timestamps: at full hours, say, so that windows of hours and days need no rows.

use super::bytes::{Cursor, put_varint};
use super::{CELL_TICKS, len_u32};
use crate::format::metric::{Cuts, TimeBlock};
use crate::format::{DecodeError, put_uvarint};
use crate::model::Timestamp;

const SECOND: i64 = 1_000_000_000;
/// Widths of cells, each a multiple of the one before, so that the windows which people ask for are made of whole cells.
const WIDTHS: [i64; 11] = [
    SECOND,
    10 * SECOND,
    60 * SECOND,
    300 * SECOND,
    900 * SECOND,
    1_800 * SECOND,
    3_600 * SECOND,
    7_200 * SECOND,
    21_600 * SECOND,
    43_200 * SECOND,
    86_400 * SECOND,
];
/// Timestamps that a cell has on average, at least: statistics of fewer take more room than they save time.
const CELL_ROWS: usize = 200;

impl Cuts {
    /// The narrowest cells that are worth it.
    pub(super) fn of(ticks: &[Timestamp]) -> Self {
        let cells = |width: i64| 1usize.saturating_add(edges(ticks, width).count());
        let wide_enough = |width: &i64| cells(*width).saturating_mul(CELL_ROWS) <= ticks.len();
        match WIDTHS.into_iter().find(wide_enough) {
            None => Self::default(),
            Some(width) => Self { width, at: edges(ticks, width).collect() },
        }
    }

    pub(super) fn encode(&self, start: Timestamp, out: &mut Vec<u8>) {
        let width = if self.at.is_empty() { 0 } else { self.width };
        put_uvarint(out, width.unsigned_abs());
        if width == 0 {
            return;
        }
        put_uvarint(out, self.at.len() as u64);
        let (mut position, mut at, mut step) = (0u32, start, 0i64);
        for (next_position, next) in &self.at {
            put_uvarint(out, u64::from(next_position.saturating_sub(position)));
            let next_step = next.wrapping_sub(at);
            put_varint(out, next_step.wrapping_sub(step));
            (position, at, step) = (*next_position, *next, next_step);
        }
    }

    /// Reads the cuts of a vector of `count` timestamps from `start` to `end`.
    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        by_time: bool,
        (count, start, end): (u32, Timestamp, Timestamp),
    ) -> Result<Self, DecodeError> {
        let mut width = 0;
        let number = if by_time {
            width = i64::try_from(cursor.uvarint()?).map_err(|_| cursor.bad("cells of impossible width"))?;
            if width == 0 { 0 } else { cursor.count(2, "cells")? }
        } else {
            count.div_ceil(CELL_TICKS).saturating_sub(1) as usize
        };
        let mut cuts = Self { width, at: Vec::new() };
        let (mut position, mut at, mut step) = (0u32, start, 0i64);
        for _ in 0..number {
            let distance = if by_time { cursor.uvarint32()? } else { CELL_TICKS };
            step = step.wrapping_add(cursor.varint()?);
            let next = at.wrapping_add(step);
            let next_position = position.checked_add(distance).filter(|p| distance > 0 && *p < count);
            let apart = width == 0 || cell(at, width) < cell(next, width);
            let Some(next_position) = next_position.filter(|_| next >= at && next <= end && apart) else {
                return Err(cursor.bad("cells are not in order"));
            };
            (position, at) = (next_position, next);
            cuts.at.push((position, at));
        }
        Ok(cuts)
    }
}

fn cell(at: Timestamp, width: i64) -> i64 {
    at.div_euclid(width)
}

/// Position and timestamp of the first one in each cell but the first.
fn edges(ticks: &[Timestamp], width: i64) -> impl Iterator<Item = (u32, Timestamp)> {
    let mut before = ticks.first().map_or(0, |t| cell(*t, width));
    ticks.iter().enumerate().filter_map(move |(at, tick)| {
        let cell = cell(*tick, width);
        let new = cell != before;
        before = cell;
        new.then_some((len_u32(at), *tick))
    })
}

/// A part of a vector: which positions, and between which times they must lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// How many parts of 2^shift cells a vector has.
pub(super) fn parts(time: &TimeBlock, shift: u8) -> u32 {
    len_u32(time.cuts.at.len().saturating_add(1)).div_ceil(1u32.wrapping_shl(u32::from(shift)))
}

/// The `part`th of them.
pub(super) fn span(time: &TimeBlock, part: u32, shift: u8) -> Option<Span> {
    let cuts = &time.cuts.at;
    // Cell n begins with cut n - 1.
    let first = |cell: usize| match cell.checked_sub(1) {
        None => Some((0, time.start)),
        Some(cut) => cuts.get(cut).copied(),
    };
    let cell_at = (part as usize).checked_shl(u32::from(shift))?;
    let next = cell_at.saturating_add(1usize.wrapping_shl(u32::from(shift)));
    let (from, start) = first(cell_at)?;
    let (to, before) = first(next).unwrap_or((time.count, time.end));
    let (_, last) = first(next.min(cuts.len().saturating_add(1)).saturating_sub(1))?;
    let end = match time.cuts.width {
        0 => before,
        width => cell(last, width).saturating_add(1).saturating_mul(width).saturating_sub(1).min(before),
    };
    Some(Span { from, to, start, end: end.min(time.end) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::metric::Extent;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600 * SECOND;

    fn time(ticks: &[Timestamp]) -> TimeBlock {
        let (start, end) = (ticks[0], ticks[ticks.len() - 1]);
        let extent = Extent { offset: 64, len: 1 };
        TimeBlock { extent, id: 0, start, end, count: len_u32(ticks.len()), cuts: Cuts::of(ticks) }
    }

    #[test]
    fn ten_seconds_are_cut_at_full_hours() {
        let ticks: Vec<i64> = (0..8_640).map(|i| 3 * SECOND + i * 10 * SECOND).collect();
        let cuts = Cuts::of(&ticks);
        assert_eq!((cuts.width, cuts.at.len()), (HOUR, 23));
        assert!(cuts.at.iter().all(|(at, t)| ticks[*at as usize] == *t && t.rem_euclid(HOUR) < 10 * SECOND));
    }

    #[test]
    fn few_or_strewn_timestamps_are_not_cut() {
        assert_eq!(Cuts::of(&[1, 2, 3]), Cuts::default());
        let days: Vec<i64> = (0..1_000).map(|i| i * 24 * HOUR).collect();
        assert_eq!(Cuts::of(&days), Cuts::default());
    }

    proptest! {
        #[test]
        fn every_timestamp_lies_in_the_span_of_its_part(
            steps in prop::collection::vec(0i64..60, 1..3_000),
            start in -100_000i64..100_000,
            shift in 0u8..4,
        ) {
            let mut at = start * SECOND;
            let ticks: Vec<i64> = steps.iter().map(|s| { at += s * SECOND; at }).collect();
            let time = time(&ticks);
            let mut covered = 0;
            for part in 0..parts(&time, shift) {
                let span = span(&time, part, shift).unwrap();
                prop_assert_eq!(span.from, covered);
                prop_assert!(span.to > span.from);
                for tick in &ticks[span.from as usize..span.to as usize] {
                    prop_assert!(span.start <= *tick && *tick <= span.end);
                }
                if time.cuts.width > 0 && shift == 0 {
                    prop_assert_eq!(cell(span.start, time.cuts.width), cell(span.end, time.cuts.width));
                }
                covered = span.to;
            }
            prop_assert_eq!(covered, time.count);
            prop_assert!(span(&time, parts(&time, shift), shift).is_none());

            let mut bytes = Vec::new();
            time.cuts.encode(time.start, &mut bytes);
            let bounds = (time.count, time.start, time.end);
            let mut cursor = Cursor::new(&bytes, 0);
            let read = Cuts::decode(&mut cursor, true, bounds).unwrap();
            prop_assert_eq!(&read.at, &time.cuts.at);
            prop_assert!(cursor.rest().is_empty());
        }
    }
}
