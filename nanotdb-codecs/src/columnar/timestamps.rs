//! A column of timestamps.
//!
//! ```text
//! +---------+---------------+------------------------------------------+
//! | form u8 | uvarint count | body, to the block's end                 |
//! +---------+---------------+------------------------------------------+
//! form 0 numbers  the timestamps (see `numbers`)
//!      1 linear   ivarint start, ivarint step, numbers: what timestamp k is from start + k * step
//! ```
//!
//! Regular timestamps are numbers of order 1 whose differences are constant. A clock that wakes up late now and then has
//! differences that are late and then early: from the line through its timestamps it is only late.

use super::bytes::{Reader, corrupt, put_ivarint, put_uvarint};
use super::estimate::estimate;
use super::numbers;
use nanotdb_core::plugin::CodecError;

const NUMBERS: u8 = 0;
const LINEAR: u8 = 1;

/// Appends the block of `timestamps`.
pub(super) fn encode(timestamps: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let differences: Vec<i64> = timestamps.windows(2).map(difference).collect();
    let mut best = (estimate(&differences), None);
    for step in steps(timestamps, &differences) {
        let bits = estimate(&residuals(timestamps, step).collect::<Vec<_>>());
        if bits < best.0 {
            best = (bits, Some(step));
        }
    }
    match best.1 {
        None => {
            out.push(NUMBERS);
            put_uvarint(out, timestamps.len() as u64);
            numbers::encode(timestamps, out)
        }
        Some(step) => {
            out.push(LINEAR);
            put_uvarint(out, timestamps.len() as u64);
            put_ivarint(out, timestamps.first().copied().unwrap_or(0));
            put_ivarint(out, step);
            numbers::encode(&residuals(timestamps, step).collect::<Vec<_>>(), out)
        }
    }
}

/// Appends the `count` timestamps of a block.
pub(super) fn decode(input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
    let mut reader = Reader::new(input);
    let form = reader.byte()?;
    if reader.uvarint()? != count as u64 {
        return Err(corrupt("it has another number of timestamps"));
    }
    match form {
        NUMBERS => numbers::decode(reader.rest(), count)?.append(out, |t| t),
        LINEAR => {
            let mut expected = reader.ivarint()?;
            let step = reader.ivarint()?;
            let start = out.len();
            numbers::decode(reader.rest(), count)?.append(out, |t| t)?;
            for t in out.get_mut(start..).unwrap_or_default() {
                *t = expected.wrapping_add(*t);
                expected = expected.wrapping_add(step);
            }
            Ok(())
        }
        _ => Err(corrupt("timestamps of an unknown form")),
    }
}

fn difference(pair: &[i64]) -> i64 {
    match pair {
        [a, b] => b.wrapping_sub(*a),
        _ => 0,
    }
}

fn residuals(timestamps: &[i64], step: i64) -> impl Iterator<Item = i64> {
    let mut expected = timestamps.first().copied().unwrap_or(0);
    timestamps.iter().map(move |t| {
        let residual = t.wrapping_sub(expected);
        expected = expected.wrapping_add(step);
        residual
    })
}

/// Steps to try: the mean and the median of the differences, and these rounded to round times.
fn steps(timestamps: &[i64], differences: &[i64]) -> Vec<i64> {
    let (Some(first), Some(last)) = (timestamps.first(), timestamps.last()) else { return Vec::new() };
    let (Some(span), false) = (last.checked_sub(*first), differences.is_empty()) else { return Vec::new() };
    let mean = span / differences.len() as i64;
    let mut sorted = differences.to_vec();
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable(middle).1;
    let mut steps = Vec::new();
    for step in [mean, median] {
        for unit in [1_000_000_000, 1_000_000, 1_000, 1] {
            let rounded = step.saturating_add(unit / 2).div_euclid(unit).saturating_mul(unit);
            // Rounding that bends the line is not to be tried.
            if rounded.abs_diff(step) <= step.unsigned_abs() / 1_000 && !steps.contains(&rounded) {
                steps.push(rounded);
            }
        }
    }
    steps
}
