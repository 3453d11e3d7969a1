//! What a stream will about take, without making it.

use super::bytes::zigzag;

/// Integers below this are counted one by one.
const COUNTED: usize = 1_024;
/// What each distinct integer or width adds to a table of frequencies, in bits.
const ENTRY: u64 = 12;
const BIN: u64 = 40;

/// Bits that an entropy coder needs for `values`: for the width of each and what is below its leading bit, or for each
/// as a symbol if all are small. Neighbours are not taken into account.
pub(super) fn estimate(values: &[i64]) -> u64 {
    let mut widths = [0u32; 65];
    let mut symbols = [0u32; COUNTED];
    let mut large = 0u64;
    for v in values {
        let v = zigzag(*v);
        let width = 64 - v.leading_zeros();
        if let Some(count) = widths.get_mut(width as usize) {
            *count += 1;
        }
        match symbols.get_mut(v as usize) {
            Some(count) if v < COUNTED as u64 => *count += 1,
            _ => large += 1,
        }
    }
    let below: u64 = (0..).zip(&widths).map(|(width, count)| u64::from(*count) * u64::saturating_sub(width, 1)).sum();
    let by_width = entropy(&widths, BIN).saturating_add(below);
    if large > 0 { by_width } else { by_width.min(entropy(&symbols, ENTRY)) }
}

/// Bits of as many symbols as `counts` says, and of their table.
fn entropy(counts: &[u32], per_symbol: u64) -> u64 {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut bits = 0.0;
    let mut used = 0;
    for count in counts.iter().filter(|count| **count > 0) {
        let count = f64::from(*count);
        bits += count * (total as f64 / count).log2();
        used += per_symbol;
    }
    bits as u64 + used
}
