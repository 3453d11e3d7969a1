//! What a stream will about take, without making it.

use super::bytes::zigzag;

/// Integers below this are counted one by one.
const COUNTED: usize = 1_024;
/// What each distinct integer or width adds to a table of frequencies, in bits.
const ENTRY: u64 = 12;
const BIN: u64 = 40;

/// Values of which the median is taken for that of all.
const SAMPLE: usize = 63;

/// Of longer columns, as many values are looked at, in runs of `RUN` from all parts.
const ENOUGH: usize = 3_072;
const RUN: usize = 256;

/// Bits that an entropy coder needs for `values`: for the width of each (of its distance from the median) and what is
/// below its leading bit, or for each as a symbol if all are small. Neighbours are not taken into account.
pub(super) fn estimate(values: &[i64]) -> u64 {
    let centre = centre(values);
    let every = (values.len() / ENOUGH).max(1);
    let mut widths = [0u32; 65];
    let mut symbols = [0u32; COUNTED];
    let (mut seen, mut large, mut largest) = (0u64, 0u64, 0usize);
    for run in values.chunks(RUN).step_by(every) {
        seen += run.len() as u64;
        for v in run {
            let v = zigzag(v.wrapping_sub(centre));
            let width = 64 - v.leading_zeros();
            if let Some(count) = widths.get_mut(width as usize) {
                *count += 1;
            }
            match symbols.get_mut(v as usize) {
                Some(count) if v < COUNTED as u64 => {
                    *count += 1;
                    largest = largest.max(v as usize);
                }
                _ => large += 1,
            }
        }
    }
    let below: u64 = (0..).zip(&widths).map(|(width, count)| u64::from(*count) * u64::saturating_sub(width, 1)).sum();
    let (bits, table) = entropy(&widths, BIN);
    let scaled = |bits: u64| if every == 1 { bits } else { bits.saturating_mul(values.len() as u64) / seen.max(1) };
    let by_width = scaled(bits.saturating_add(below)).saturating_add(table);
    if large > 0 {
        return by_width;
    }
    let (bits, table) = entropy(symbols.get(..=largest).unwrap_or(&symbols), ENTRY);
    by_width.min(scaled(bits).saturating_add(table))
}

/// About the median.
fn centre(values: &[i64]) -> i64 {
    let mut sample: Vec<i64> = values.iter().step_by((values.len() / SAMPLE).max(1)).copied().collect();
    if sample.is_empty() {
        return 0;
    }
    let middle = sample.len() / 2;
    *sample.select_nth_unstable(middle).1
}

/// Bits of as many symbols as `counts` says, and of their table.
fn entropy(counts: &[u32], per_symbol: u64) -> (u64, u64) {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut bits = 0.0;
    let mut table = 0;
    for count in counts.iter().filter(|count| **count > 0) {
        let count = f64::from(*count);
        bits += count * (total as f64 / count).log2();
        table += per_symbol;
    }
    (bits as u64, table)
}
