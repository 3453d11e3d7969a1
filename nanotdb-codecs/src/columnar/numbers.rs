//! Numbers: 64-bit integers of a column to streams. Divisor, repetitions and differences are taken out first.
//!
//! ```text
//! +----------+------------------+--------------------+--------------------+-----------------+---------+
//! | flags u8 | [dictionary]     | base               | [divisor]          | [runs]          | stream  |
//! |          | sized numbers    | ivarint            | uvarint, flag 0x08 | uvarint number, |         |
//! |          | flag 0x10        |                    |                    | sized stream    |         |
//! |          |                  |                    |                    | flag 0x04       |         |
//! +----------+------------------+--------------------+--------------------+-----------------+---------+
//! flags & 0x03  order: 0 none, 1 differences, 2 differences of differences
//! ```
//!
//! Read from the right: the stream holds the integers of `order` (order 1 all but the first, which is 0; order 2 all but
//! the first two, where an ivarint before the stream is the second). Summed, multiplied by the divisor and added to the
//! base they are the numbers, or with a dictionary the positions of the numbers in it. With runs they are the numbers
//! that differ from the one before, and the stream of runs says how many follow each that are the same. `sized` is a
//! uvarint length and as many bytes; a dictionary is numbers in ascending order behind its uvarint count.
//!
//! All sums and products wrap, so that any 64-bit integers can be differences.

use super::bytes::{Reader, corrupt, put_ivarint, put_sized, put_uvarint, reserve};
use super::estimate::estimate;
use super::stream;
use nanotdb_core::plugin::CodecError;
use std::cell::Cell;
use std::collections::HashMap;

const ORDER: u8 = 0x03;
const RUNS: u8 = 0x04;
const DIVISOR: u8 = 0x08;
const DICTIONARY: u8 = 0x10;

/// Most entries of a dictionary.
const MAX_DICTIONARY: usize = 1_024;
/// Columns of fewer numbers are tried in every form, larger ones in those that an estimate finds best.
const TRY_ALL: usize = 512;
/// A form is tried if its estimate is at most this many eighths of the best.
const CLOSE: u64 = 10;

/// Appends the numbers `values`.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let forms = forms(values);
    let least = forms.iter().map(|form| form.estimate).min().unwrap_or(0);
    let mut best: Option<Vec<u8>> = None;
    for form in forms {
        if values.len() > TRY_ALL && form.estimate.saturating_mul(8) > least.saturating_mul(CLOSE) {
            continue;
        }
        let mut block = Vec::new();
        form.encode(&mut block)?;
        if best.as_ref().is_none_or(|best| block.len() < best.len()) {
            best = Some(block);
        }
    }
    out.extend_from_slice(&best.unwrap_or_default());
    Ok(())
}

/// One way to write the numbers.
struct Form {
    dictionary: Vec<i64>,
    runs: Option<Vec<i64>>,
    shape: Shape,
    residuals: Vec<i64>,
    /// Bits that it may take.
    estimate: u64,
}

impl Form {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let shape = self.shape;
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        out.push(
            shape.order
                | flag(self.runs.is_some(), RUNS)
                | flag(shape.divisor != 1, DIVISOR)
                | flag(!self.dictionary.is_empty(), DICTIONARY),
        );
        if !self.dictionary.is_empty() {
            put_sized(out, |out| {
                put_uvarint(out, self.dictionary.len() as u64);
                direct(&self.dictionary, 1).encode(out)
            })?;
        }
        put_ivarint(out, shape.base);
        if shape.divisor != 1 {
            put_uvarint(out, shape.divisor);
        }
        if let Some(runs) = &self.runs {
            put_uvarint(out, runs.len() as u64);
            put_sized(out, |out| stream::encode(runs, out))?;
        }
        if shape.order == 2 {
            put_ivarint(out, shape.second);
        }
        stream::encode(&self.residuals, out)
    }
}

/// The forms that come into question.
fn forms(values: &[i64]) -> Vec<Form> {
    let mut forms = Vec::new();
    let changes = 1 + values.windows(2).filter(|pair| pair.first() != pair.last()).count();
    let (mut heads, mut runs) = (Vec::new(), Vec::new());
    if values.len() >= 8 && changes <= values.len() / 3 {
        (heads, runs) = run_lengths(values, changes);
    }
    let run_bits = estimate(&runs);
    for order in 0..=2 {
        forms.push(direct(values, order));
        if !runs.is_empty() && order < 2 {
            let mut form = direct(&heads, order);
            form.estimate += run_bits;
            form.runs = Some(runs.clone());
            forms.push(form);
        }
    }
    if let Some((dictionary, positions)) = dictionary(values) {
        let dictionary_bits = direct(&dictionary, 1).estimate;
        let mut form = direct(&positions, 0);
        form.estimate += dictionary_bits;
        form.dictionary = dictionary.clone();
        forms.push(form);
        if !runs.is_empty() {
            let (heads, _) = run_lengths(&positions, changes);
            let mut form = direct(&heads, 0);
            form.estimate += dictionary_bits + run_bits;
            form.dictionary = dictionary;
            form.runs = Some(runs);
            forms.push(form);
        }
    }
    forms
}

fn direct(values: &[i64], order: u8) -> Form {
    let mut residuals = Vec::new();
    let shape = Shape::take_out(values, order, &mut residuals);
    let estimate = estimate(&residuals);
    Form { dictionary: Vec::new(), runs: None, shape, residuals, estimate }
}

/// Each number that differs from the one before, and how many follow it that do not.
fn run_lengths(values: &[i64], changes: usize) -> (Vec<i64>, Vec<i64>) {
    let (mut heads, mut runs) = (Vec::with_capacity(changes), Vec::with_capacity(changes));
    for run in values.chunk_by(|a, b| a == b) {
        heads.extend(run.first());
        runs.push(run.len() as i64 - 1);
    }
    (heads, runs)
}

/// The distinct numbers in order, and the position of each number among them, if few enough to pay.
fn dictionary(values: &[i64]) -> Option<(Vec<i64>, Vec<i64>)> {
    let most = MAX_DICTIONARY.min(values.len() / 4);
    // Positions by number, in order of first sight; most columns have the number of before again.
    let mut seen = HashMap::with_capacity_and_hasher(64, foldhash::fast::FixedState::with_seed(0));
    let mut firsts = Vec::with_capacity(values.len());
    let mut before = None;
    for v in values {
        let at = match before {
            Some((number, at)) if number == *v => at,
            _ => {
                let next = seen.len();
                let at = *seen.entry(*v).or_insert(next);
                if seen.len() > most {
                    return None;
                }
                before = Some((*v, at));
                at
            }
        };
        firsts.push(at);
    }
    let mut sorted: Vec<(i64, usize)> = seen.into_iter().collect();
    sorted.sort_unstable();
    let mut rank = vec![0i64; sorted.len()];
    for (position, (_, first)) in sorted.iter().enumerate() {
        if let Some(rank) = rank.get_mut(*first) {
            *rank = position as i64;
        }
    }
    let positions = firsts.iter().map(|first| rank.get(*first).copied().unwrap_or(0)).collect();
    Some((sorted.into_iter().map(|(number, _)| number).collect(), positions))
}

/// What turns residuals into numbers: `base + divisor * sum`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) order: u8,
    pub(super) base: i64,
    pub(super) divisor: u64,
    /// The second integer of order 2.
    pub(super) second: i64,
}

impl Shape {
    /// Appends the residuals of `values` to `out`.
    pub(super) fn take_out(values: &[i64], order: u8, out: &mut Vec<i64>) -> Self {
        let first = values.first().copied().unwrap_or(0);
        let (min, max) = values.iter().fold((first, first), |(min, max), v| (min.min(*v), max.max(*v)));
        let base = if order == 0 { min } else { first };
        // Beyond this spread a difference does not fit, and wraps, which division does not survive.
        let divisor = match max.checked_sub(min) {
            Some(_) => divisor(values, base),
            None => 1,
        };
        let shape = Self { order, base, divisor, second: 0 };
        match divisor {
            1 => shape.differences(values, out, |d| d),
            _ => shape.differences(values, out, |d| d / divisor as i64),
        }
    }

    #[inline]
    fn differences(mut self, values: &[i64], out: &mut Vec<i64>, divide: impl Fn(i64) -> i64) -> Self {
        let differences = values.windows(2).map(|pair| match pair {
            [a, b] => divide(b.wrapping_sub(*a)),
            _ => 0,
        });
        match self.order {
            0 => out.extend(values.iter().map(|v| divide(v.wrapping_sub(self.base)))),
            1 => out.extend(differences),
            _ => {
                let mut differences = differences;
                if let Some(second) = differences.next() {
                    self.second = second;
                    let mut before = second;
                    out.extend(differences.map(|d| d.wrapping_sub(std::mem::replace(&mut before, d))));
                }
            }
        }
        self
    }

    /// How many residuals `count` numbers have.
    pub(super) fn residuals(self, count: usize) -> usize {
        count.saturating_sub(usize::from(self.order))
    }

    /// Appends the `count` numbers that the residuals stand for, each turned into a value by `value`.
    #[inline]
    pub(super) fn put_back<T>(self, residuals: &[i64], count: usize, out: &mut Vec<T>, value: impl Fn(i64) -> T) {
        let (base, divisor) = (self.base, self.divisor as i64);
        let value = |sum: i64| value(base.wrapping_add(sum.wrapping_mul(divisor)));
        match self.order {
            0 => out.extend(residuals.iter().map(|r| value(*r))),
            1 => {
                let mut sum = 0i64;
                out.extend((count > 0).then(|| value(0)));
                out.extend(residuals.iter().map(|r| {
                    sum = sum.wrapping_add(*r);
                    value(sum)
                }));
            }
            _ => {
                let (mut sum, mut step) = (self.second, self.second);
                out.extend((count > 0).then(|| value(0)));
                out.extend((count > 1).then(|| value(sum)));
                out.extend(residuals.iter().map(|r| {
                    step = step.wrapping_add(*r);
                    sum = sum.wrapping_add(step);
                    value(sum)
                }));
            }
        }
    }
}

/// The greatest common divisor of the distances from `base`, at least 1.
fn divisor(values: &[i64], base: i64) -> u64 {
    let mut divisor = 0u64;
    for v in values {
        let distance = v.wrapping_sub(base).unsigned_abs();
        if divisor == 0 || distance % divisor != 0 {
            divisor = gcd(divisor, distance);
            if divisor == 1 {
                break;
            }
        }
    }
    // As an i64 it divides signed distances.
    if divisor == 0 || divisor > i64::MAX as u64 { 1 } else { divisor }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Numbers read from a block, before each is made a value.
pub(super) struct Decoded {
    shape: Shape,
    dictionary: Vec<i64>,
    runs: Option<Vec<i64>>,
    residuals: Vec<i64>,
    count: usize,
}

/// Reads `count` numbers, to the end of `input`.
pub(super) fn decode(input: &[u8], count: usize) -> Result<Decoded, CodecError> {
    read(input, count, true)
}

fn read(input: &[u8], count: usize, dictionary_allowed: bool) -> Result<Decoded, CodecError> {
    let mut reader = Reader::new(input);
    let flags = reader.byte()?;
    let order = flags & ORDER;
    if order == 3 || flags > ORDER | RUNS | DIVISOR | DICTIONARY {
        return Err(corrupt("numbers with unknown flags"));
    }
    let mut entries = Vec::new();
    if flags & DICTIONARY != 0 {
        if !dictionary_allowed {
            return Err(corrupt("a dictionary in a dictionary"));
        }
        let mut part = Reader::new(reader.sized()?);
        let n = part.length(MAX_DICTIONARY)?;
        if n == 0 {
            return Err(corrupt("an empty dictionary"));
        }
        read(part.rest(), n, false)?.append(&mut entries, |v| v)?;
    }
    let base = reader.ivarint()?;
    let divisor = if flags & DIVISOR != 0 { reader.uvarint()? } else { 1 };
    let mut stored = count;
    let mut runs = None;
    if flags & RUNS != 0 {
        stored = reader.length(count)?;
        let mut lengths = Vec::new();
        stream::decode(reader.sized()?, stored, &mut lengths)?;
        runs = Some(lengths);
    }
    let second = if order == 2 { reader.ivarint()? } else { 0 };
    let shape = Shape { order, base, divisor, second };
    let mut residuals = Vec::new();
    stream::decode(reader.rest(), shape.residuals(stored), &mut residuals)?;
    let decoded = Decoded { shape, dictionary: entries, runs, residuals, count };
    decoded.check(stored)?;
    Ok(decoded)
}

impl Decoded {
    /// The runs add up to the count.
    fn check(&self, stored: usize) -> Result<(), CodecError> {
        let Some(runs) = &self.runs else { return Ok(()) };
        let mut total = stored as u64;
        for run in runs {
            let run = u64::try_from(*run).map_err(|_| corrupt("a run of negative length"))?;
            total = total.checked_add(run).ok_or_else(|| corrupt("runs are too long"))?;
        }
        if total == self.count as u64 { Ok(()) } else { Err(corrupt("runs of another length in all")) }
    }

    /// Appends the numbers, each turned into a value by `value`.
    #[inline]
    pub(super) fn append<T: Copy>(&self, out: &mut Vec<T>, value: impl Fn(i64) -> T) -> Result<(), CodecError> {
        reserve(out, self.count)?;
        let Some(other) = self.dictionary.first() else {
            self.expand(out, value);
            return Ok(());
        };
        let other = value(*other);
        let table: Vec<T> = self.dictionary.iter().map(|v| value(*v)).collect();
        let start = out.len();
        let unknown = Cell::new(false);
        self.expand(out, |at| match usize::try_from(at).ok().and_then(|at| table.get(at)) {
            Some(value) => *value,
            None => {
                unknown.set(true);
                other
            }
        });
        if unknown.get() {
            out.truncate(start);
            return Err(corrupt("a position is outside of its dictionary"));
        }
        Ok(())
    }

    #[inline]
    fn expand<T: Copy>(&self, out: &mut Vec<T>, value: impl Fn(i64) -> T) {
        let Some(runs) = &self.runs else {
            self.shape.put_back(&self.residuals, self.count, out, value);
            return;
        };
        let mut heads = Vec::with_capacity(runs.len());
        self.shape.put_back(&self.residuals, runs.len(), &mut heads, value);
        for (head, run) in heads.into_iter().zip(runs) {
            // `check` has added them up.
            out.resize(out.len().saturating_add(*run as usize).saturating_add(1), head);
        }
    }
}
