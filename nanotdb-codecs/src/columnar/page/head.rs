//! One column of a page: what its words are, and what turns residuals into them.
//!
//! ```text
//! +------------------------+--------------+--------------+------------+
//! | [decimal head]         | base ivarint | [divisor]    | [second]   |
//! | kinds 1 and 4, see     |              | uvarint      | ivarint    |
//! | `decimal`              |              | form 0x200   | of order 2 |
//! +------------------------+--------------+--------------+------------+
//! form & 0x00f         group
//! (form >> 4) & 0x007  kind: 0 int32, 1 decimals of float32, 2 bits of float32, 3 int64, 4 decimals of float64,
//!                      5 bits of float64
//! (form >> 7) & 0x003  order
//! ```
//!
//! Kinds 0 to 2 have words of 32 bits, whose high halves are 0. Group 0 has no stream: its residuals are all 0. The types of
//! metrics are not known to the codec; the kind is the one that takes least.

use crate::columnar::bytes::{Reader, corrupt, put_ivarint, put_uvarint};
use crate::columnar::decimal::{self, Decimals, Float};
use crate::columnar::estimate::estimate;
use crate::columnar::numbers::Shape;
use nanotdb_core::plugin::CodecError;

/// Groups, with the one that has no stream.
pub(super) const GROUPS: usize = 16;

const INT32: u8 = 0;
const DECIMAL32: u8 = 1;
const BITS32: u8 = 2;
const INT64: u8 = 3;
const DECIMAL64: u8 = 4;
const BITS64: u8 = 5;

const KIND_SHIFT: u32 = 4;
const ORDER_SHIFT: u32 = 7;
const DIVISOR: u16 = 0x200;
const ALL: i64 = 0x3ff;

/// A column to encode.
pub(super) struct Column {
    kind: u8,
    group: usize,
    decimals: Vec<u8>,
    shape: Shape,
    residuals: Vec<i64>,
    bits: u64,
}

impl Column {
    /// The form of `words` that takes least.
    pub(super) fn of(words: &[u64]) -> Self {
        if words.iter().all(|word| Some(word) == words.first()) {
            let kind = if words.first().is_some_and(|word| *word >> 32 != 0) { INT64 } else { INT32 };
            return Self::with(kind, Vec::new(), &integers(words, kind), &[0]);
        }
        let narrow = words.iter().all(|word| *word >> 32 == 0);
        let (int, decimal, bits) = if narrow { (INT32, DECIMAL32, BITS32) } else { (INT64, DECIMAL64, BITS64) };
        let mut best = Self::with(int, Vec::new(), &integers(words, int), &[0, 1, 2]);
        if !may_be_floats(words, narrow) {
            return best;
        }
        let decimals = if narrow { decimals::<f32>(words) } else { decimals::<f64>(words) };
        let doubtful = match decimals.last() {
            Some((d, _)) if narrow => !d.are_certain::<f32>(),
            Some((d, _)) => !d.are_certain::<f64>(),
            None => true,
        };
        for (decimals, head) in decimals {
            best.offer(Self::with(decimal, head, &decimals.numbers, &[0, 1, 2]));
        }
        // Of positive floats the bits are the integers.
        let sign = if narrow { 1 << 31 } else { 1 << 63 };
        if doubtful && words.iter().any(|word| word & sign != 0) {
            best.offer(Self::with(bits, Vec::new(), &integers(words, bits), &[0, 1]));
        }
        best
    }

    fn with(kind: u8, decimals: Vec<u8>, numbers: &[i64], orders: &[u8]) -> Self {
        let mut best: Option<Self> = None;
        for order in orders {
            let mut residuals = Vec::new();
            let shape = Shape::take_out(numbers, *order, &mut residuals);
            let bits = estimate(&residuals) + 8 * decimals.len() as u64;
            if best.as_ref().is_some_and(|best| bits >= best.bits) {
                // Where an order does not help, the next hardly ever does.
                break;
            }
            best = Some(Self { kind, group: 0, decimals: Vec::new(), shape, residuals, bits });
        }
        let mut column = best.unwrap_or_else(|| Self {
            kind,
            group: 0,
            decimals: Vec::new(),
            shape: Shape { order: 0, base: 0, divisor: 1, second: 0 },
            residuals: Vec::new(),
            bits: 0,
        });
        column.decimals = decimals;
        column.group = group_of(&column.residuals);
        column
    }

    fn offer(&mut self, other: Self) {
        if other.bits < self.bits {
            *self = other;
        }
    }

    pub(super) fn group(&self) -> usize {
        self.group
    }

    pub(super) fn residuals(&self) -> &[i64] {
        &self.residuals
    }

    /// Group, kind, order and whether there is a divisor.
    pub(super) fn form(&self) -> i64 {
        let divisor = if self.shape.divisor != 1 { DIVISOR } else { 0 };
        let (kind, order) = (u16::from(self.kind) << KIND_SHIFT, u16::from(self.shape.order) << ORDER_SHIFT);
        i64::from(self.group as u16 | kind | order | divisor)
    }

    /// Appends the head.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let shape = self.shape;
        out.extend_from_slice(&self.decimals);
        put_ivarint(out, shape.base);
        if shape.divisor != 1 {
            put_uvarint(out, shape.divisor);
        }
        if shape.order == 2 {
            put_ivarint(out, shape.second);
        }
    }
}

/// Whether some word is, as a float, no less than 2^-31 and finite: integers short of some 800 million are not.
fn may_be_floats(words: &[u64], narrow: bool) -> bool {
    let (least, infinity) = match narrow {
        true => (u64::from((1.0f32 / (1u64 << 31) as f32).to_bits()), u64::from(f32::INFINITY.to_bits())),
        false => ((1.0f64 / (1u64 << 31) as f64).to_bits(), f64::INFINITY.to_bits()),
    };
    let magnitude = if narrow { u64::from(u32::MAX >> 1) } else { u64::MAX >> 1 };
    words.iter().any(|word| (least..infinity).contains(&(word & magnitude)))
}

/// Columns of about as many bits per residual share a group.
fn group_of(residuals: &[i64]) -> usize {
    if residuals.iter().all(|r| *r == 0) {
        return 0;
    }
    let sum: u128 = residuals.iter().map(|r| u128::from(r.unsigned_abs())).sum();
    let mean_of_16 = 16 * sum / residuals.len() as u128;
    // Means below 1/16, 1/4, 1, 4, ...
    let quarter_log = (128 - mean_of_16.leading_zeros()).div_ceil(2) as usize;
    (quarter_log + 1).min(GROUPS - 1)
}

fn integers(words: &[u64], kind: u8) -> Vec<i64> {
    match kind {
        INT32 => words.iter().map(|word| i64::from(*word as u32 as i32)).collect(),
        BITS32 => words.iter().map(|word| f32::of_bits(*word).ordered()).collect(),
        BITS64 => words.iter().map(|word| f64::of_bits(*word).ordered()).collect(),
        _ => words.iter().map(|word| *word as i64).collect(),
    }
}

fn decimals<F: Float>(words: &[u64]) -> Vec<(Decimals, Vec<u8>)> {
    let floats: Vec<F> = words.iter().map(|word| F::of_bits(*word)).collect();
    let head = |decimals: Decimals| {
        let mut head = Vec::new();
        decimals.put_head::<F>(&mut head);
        (decimals, head)
    };
    Decimals::of(&floats).into_iter().map(head).collect()
}

/// A column to decode.
pub(super) struct Head {
    pub(super) group: usize,
    kind: u8,
    power: f64,
    /// Position and word of each exception.
    exceptions: Vec<(usize, u64)>,
    shape: Shape,
    count: usize,
}

impl Head {
    /// Reads the head of a column of this form and `count` words.
    pub(super) fn get(form: i64, reader: &mut Reader<'_>, count: usize, wide: bool) -> Result<Self, CodecError> {
        let unknown = || corrupt("a column of an unknown form");
        let form = u16::try_from(form).ok().filter(|form| i64::from(*form) <= ALL).ok_or_else(unknown)?;
        let group = usize::from(form & 15);
        let (kind, order) = ((form >> KIND_SHIFT) as u8 & 7, (form >> ORDER_SHIFT) as u8 & 3);
        if order == 3 || kind > BITS64 || (kind >= INT64 && !wide) {
            return Err(unknown());
        }
        let (power, exceptions) = match kind {
            DECIMAL32 => exceptions::<f32>(reader, count)?,
            DECIMAL64 => exceptions::<f64>(reader, count)?,
            _ => (1.0, Vec::new()),
        };
        let base = reader.ivarint()?;
        let divisor = if form & DIVISOR != 0 { reader.uvarint()? } else { 1 };
        let second = if order == 2 { reader.ivarint()? } else { 0 };
        Ok(Self { group, kind, power, exceptions, shape: Shape { order, base, divisor, second }, count })
    }

    /// How many residuals it takes from its group.
    pub(super) fn residuals(&self) -> usize {
        self.shape.residuals(self.count)
    }

    /// Appends the words. The residuals of group 0 are not given.
    pub(super) fn words(&self, residuals: &[i64], out: &mut Vec<u64>) {
        let start = out.len();
        let zeros;
        let residuals = match self.group {
            0 => {
                zeros = vec![0; self.residuals()];
                &zeros[..]
            }
            _ => residuals,
        };
        let (shape, count, power) = (self.shape, self.count, self.power);
        match self.kind {
            INT32 => shape.put_back(residuals, count, out, |v| u64::from(v as u32)),
            DECIMAL32 => shape.put_back(residuals, count, out, |v| decimal::float::<f32>(v, power).bits()),
            BITS32 => shape.put_back(residuals, count, out, |v| f32::of_ordered(v).bits()),
            DECIMAL64 => shape.put_back(residuals, count, out, |v| decimal::float::<f64>(v, power).bits()),
            BITS64 => shape.put_back(residuals, count, out, |v| f64::of_ordered(v).bits()),
            _ => shape.put_back(residuals, count, out, |v| v as u64),
        }
        for (at, word) in &self.exceptions {
            if let Some(slot) = out.get_mut(start.saturating_add(*at)) {
                *slot = *word;
            }
        }
    }
}

fn exceptions<F: Float>(reader: &mut Reader<'_>, count: usize) -> Result<(f64, Vec<(usize, u64)>), CodecError> {
    let (power, exceptions) = decimal::get_head::<F>(reader, count)?;
    Ok((power, exceptions.into_iter().map(|(at, value)| (at, value.bits())).collect()))
}
