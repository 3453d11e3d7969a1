//! `columnar`: exact for every column, a clean error for every damaged block, and blocks of today readable for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, outside of #[test] functions

use nanotdb_codecs as _;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Codec, CodecError, Values, ValuesMut};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn columnar() -> &'static dyn Codec {
    registry().codec("columnar").unwrap()
}

/// A column or page of any kind. Floats are their bits, so that they compare.
#[derive(Debug, Clone, PartialEq)]
enum Input {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<u32>),
    Float64(Vec<u64>),
    Timestamps(Vec<i64>),
    Ids(Vec<u16>),
    /// Rows, and the payload.
    Page(usize, Vec<u8>),
    Bytes(Vec<u8>),
}

impl Input {
    fn encode(&self) -> Vec<u8> {
        let (codec, mut out) = (columnar(), Vec::new());
        match self {
            Input::Int32(v) => codec.encode_values(Values::Int32(v), &mut out),
            Input::Int64(v) => codec.encode_values(Values::Int64(v), &mut out),
            Input::Float32(v) => {
                let v: Vec<f32> = v.iter().map(|b| f32::from_bits(*b)).collect();
                codec.encode_values(Values::Float32(&v), &mut out)
            }
            Input::Float64(v) => {
                let v: Vec<f64> = v.iter().map(|b| f64::from_bits(*b)).collect();
                codec.encode_values(Values::Float64(&v), &mut out)
            }
            Input::Timestamps(v) => codec.encode_timestamps(v, &mut out),
            Input::Ids(v) => codec.encode_ids(v, &mut out),
            Input::Page(rows, v) => codec.encode_page(*rows, v, &mut out),
            Input::Bytes(v) => codec.compress(v, &mut out),
        }
        .unwrap();
        out
    }

    /// Decodes `block` as a block of this kind and length. It may fail, but not make another length.
    fn decode(&self, block: &[u8]) -> Result<Self, CodecError> {
        fn run<T>(n: usize, decode: impl FnOnce(&mut Vec<T>) -> Result<(), CodecError>) -> Result<Vec<T>, CodecError> {
            let mut out = Vec::new();
            decode(&mut out)?;
            assert_eq!(out.len(), n, "a decoder that succeeds makes what was announced");
            Ok(out)
        }
        let codec = columnar();
        Ok(match self {
            Input::Int32(v) => {
                Input::Int32(run(v.len(), |out| codec.decode_values(block, v.len(), ValuesMut::Int32(out)))?)
            }
            Input::Int64(v) => {
                Input::Int64(run(v.len(), |out| codec.decode_values(block, v.len(), ValuesMut::Int64(out)))?)
            }
            Input::Float32(v) => {
                let out = run(v.len(), |out| codec.decode_values(block, v.len(), ValuesMut::Float32(out)))?;
                Input::Float32(out.into_iter().map(f32::to_bits).collect())
            }
            Input::Float64(v) => {
                let out = run(v.len(), |out| codec.decode_values(block, v.len(), ValuesMut::Float64(out)))?;
                Input::Float64(out.into_iter().map(f64::to_bits).collect())
            }
            Input::Timestamps(v) => {
                Input::Timestamps(run(v.len(), |out| codec.decode_timestamps(block, v.len(), out))?)
            }
            Input::Ids(v) => Input::Ids(run(v.len(), |out| codec.decode_ids(block, v.len(), out))?),
            Input::Page(rows, v) => {
                Input::Page(*rows, run(v.len(), |out| codec.decode_page(*rows, block, v.len(), out))?)
            }
            Input::Bytes(v) => Input::Bytes(run(v.len(), |out| codec.decompress(block, v.len(), out))?),
        })
    }

    fn round_trips(&self) {
        let block = self.encode();
        assert_eq!(block, self.encode(), "the same input gives the same block");
        assert!(self.decode(&block).unwrap() == *self, "{self:?}");
    }
}

/// splitmix64, to make inputs that are the same for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A page of `metrics` metrics: counters, decimals, constants, in turn; every `missing`th row is left out.
fn page(ticks: usize, metrics: u16, wide: bool, missing: usize) -> Input {
    let mut random = Random(ticks as u64);
    let mut values = vec![0u64; usize::from(metrics)];
    let mut rows = Vec::new();
    for tick in 0..ticks {
        let time = 1_777_593_603_532_182_665 + tick as i64 * 10_000_000_000 + random.below(3_000_000) as i64;
        for (metric, value) in values.iter_mut().enumerate() {
            *value += random.below(metric as u64 * 3 + 1);
            let bits = match metric % 4 {
                0 => *value,
                1 => u64::from((random.below(1_000) as f32 / 10.0).to_bits()),
                2 if wide => (random.below(100_000) as f64 / 100.0).to_bits(),
                2 => u64::from((*value as u32).wrapping_neg()),
                _ => 0x4234_5678,
            };
            if missing == 0 || rows.len() % missing != 0 || rows.is_empty() {
                rows.push((metric as u16 * 7 + 1, time, bits));
            } else {
                rows.push((40_000, time, bits));
            }
        }
    }
    let mut bytes: Vec<u8> = rows.iter().flat_map(|row| row.0.to_le_bytes()).collect();
    bytes.extend(rows.iter().flat_map(|row| row.1.to_le_bytes()));
    bytes.extend(rows.iter().flat_map(|row| (row.2 as u32).to_le_bytes()));
    if wide {
        bytes.extend(rows.iter().flat_map(|row| ((row.2 >> 32) as u32).to_le_bytes()));
    }
    Input::Page(rows.len(), bytes)
}

/// Inputs that between them take every encoding and every kind of stream.
fn examples() -> Vec<(&'static str, Input)> {
    let mut random = Random(20);
    let mut some = |n: usize, value: &mut dyn FnMut(usize, &mut Random) -> i64| -> Vec<i64> {
        (0..n).map(|i| value(i, &mut random)).collect()
    };
    let f32s = |v: Vec<i64>, by: f32| Input::Float32(v.into_iter().map(|v| (v as f32 / by).to_bits()).collect());
    let f64s = |v: Vec<i64>, by: f64| Input::Float64(v.into_iter().map(|v| (v as f64 / by).to_bits()).collect());
    let i32s = |v: Vec<i64>| Input::Int32(v.into_iter().map(|v| v as i32).collect());
    let mut counter = 0;
    let mut count = move |_: usize, r: &mut Random| {
        counter += (r.below(200) * r.below(50)) as i64;
        counter
    };
    let mut odd = some(300, &mut |i, _| i as i64 * 25);
    odd.truncate(300);
    let mut exceptions: Vec<u64> = odd.iter().map(|v| (*v as f64 / 100.0).to_bits()).collect();
    for (at, bits) in [(0, 1u64 << 63), (7, 0x7ff8_dead_beef_0001), (8, 0x7ff0_0000_0000_0000), (299, u64::MAX)] {
        exceptions[at] = bits;
    }
    vec![
        ("empty_int32", Input::Int32(vec![])),
        ("empty_float64", Input::Float64(vec![])),
        ("one_int64", Input::Int64(vec![i64::MIN])),
        ("constant_int32", Input::Int32(vec![-7; 40])),
        ("constant_float32", Input::Float32(vec![1.25f32.to_bits(); 300])),
        ("constant_float64", Input::Float64(vec![0x7ff8_dead_beef_0001; 3])),
        ("steps_int64", Input::Int64((0..100).map(|i| 5_000_000_000 + i * 15).collect())),
        ("varints_int32", i32s(some(9, &mut |_, r| r.below(60) as i64 - 30))),
        ("packed_int32", i32s(some(150, &mut |_, r| r.below(1 << 16) as i64))),
        ("packed_few_int64", Input::Int64(some(12, &mut |_, r| r.next() as i64))),
        ("planes_int64", Input::Int64(some(200, &mut |_, r| r.below(1 << 22) as i64).repeat(3))),
        ("pco_int32", i32s(some(900, &mut count))),
        ("pco_int64", Input::Int64(some(900, &mut |_, r| (r.next() >> (19 + r.below(40))) as i64))),
        ("runs_int32", i32s((0..600).map(|i| (i / 37) * (i / 37) * 11 % 1_000).collect())),
        (
            "dictionary_int64",
            Input::Int64(some(800, &mut |_, r| [-9_000_000_000, 17, 4_000_000, 99][r.below(4) as usize])),
        ),
        ("order_2_int64", Input::Int64((0..300).map(|i| i * i * 3 + 17).collect())),
        ("extremes_int64", Input::Int64(vec![i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MAX])),
        ("decimals_float32", f32s(some(500, &mut |_, r| r.below(10_000) as i64), 100.0)),
        ("decimals_float64", f64s(some(500, &mut |_, r| r.below(1 << 40) as i64), 1e9)),
        ("exceptions_float64", Input::Float64(exceptions)),
        ("bits_float32", Input::Float32((0..12).map(|i| 0x3f80_0001 + i * 3).collect())),
        ("pco_float32", f32s(some(600, &mut |_, r| r.below(1 << 40) as i64), 7e9)),
        ("pco_float64", f64s(some(600, &mut |_, r| r.below(1 << 50) as i64), 7e9)),
        ("raw_float64", Input::Float64(some(5, &mut |_, r| r.next() as i64).into_iter().map(|v| v as u64).collect())),
        ("empty_timestamps", Input::Timestamps(vec![])),
        (
            "steady_timestamps",
            Input::Timestamps((0..1_000).map(|i| 1_777_593_603_532_182_665 + i * 10_000_000_000).collect()),
        ),
        (
            "late_timestamps",
            Input::Timestamps(some(400, &mut |i, r| {
                1_777_593_603_532_182_665 + i as i64 * 10_000_000_000 + r.below(3_000_000) as i64
            })),
        ),
        (
            "counted_timestamps",
            Input::Timestamps(some(90, &mut |i, r| i as i64 * 60_000_000_000 + r.below(9) as i64 * 1_000_000)),
        ),
        ("period_ids", Input::Ids((0..500).map(|i| i % 83 + 1).collect())),
        ("numbers_ids", Input::Ids((0..100).map(|i| i * 3).collect())),
        ("ragged_ids", Input::Ids((0..600u16).filter(|i| i % 101 != 7).map(|i| i % 83 * 11 % 59).collect())),
        ("narrow_page", page(30, 11, false, 0)),
        ("wide_page", page(30, 9, true, 0)),
        ("ragged_page", page(20, 9, false, 13)),
        ("opaque_page", Input::Page(7, vec![3; 100])),
        ("stored_bytes", Input::Bytes(vec![1, 2, 3])),
        ("zstd_bytes", Input::Bytes(b"again and ".repeat(30))),
    ]
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/columnar").join(format!("{name}.bin"))
}

/// `NANOTDB_WRITE_GOLDEN=1` writes the files that are missing. Those that are there are never to change.
#[test]
fn golden_blocks_decode_to_their_inputs() {
    for (name, input) in examples() {
        let path = golden(name);
        if std::env::var_os("NANOTDB_WRITE_GOLDEN").is_some() && !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, input.encode()).unwrap();
        }
        let block = std::fs::read(&path).unwrap();
        assert_eq!(input.decode(&block).unwrap(), input, "{name}");
    }
}

/// Encoding of a values block, and the kind of its stream if nothing is between (see docs/FORMATS.md).
fn kinds(block: &[u8]) -> (u8, Option<u8>) {
    let mut at = 1;
    let skip = |at: &mut usize| {
        while block[*at] & 0x80 != 0 {
            *at += 1;
        }
        *at += 1;
    };
    skip(&mut at);
    if block[0] != 2 || block.len() == at {
        return (block[0], None);
    }
    let flags = block[at];
    at += 1;
    skip(&mut at);
    if flags & 8 != 0 {
        skip(&mut at);
    }
    (block[0], (flags & 0x16 == 0).then(|| block.get(at).copied()).flatten())
}

#[test]
fn golden_blocks_cover_every_encoding_and_kind_of_stream() {
    let (mut encodings, mut streams, mut forms) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, input) in examples() {
        let block = std::fs::read(golden(name)).unwrap();
        match input {
            Input::Timestamps(_) => drop(forms.insert(("timestamps", block[0]))),
            Input::Ids(_) => drop(forms.insert(("ids", block[0]))),
            Input::Page(..) => drop(forms.insert(("page", block[0]))),
            Input::Bytes(_) => drop(forms.insert(("bytes", block[0]))),
            _ => {
                let (encoding, stream) = kinds(&block);
                encodings.insert(encoding);
                streams.extend(stream);
            }
        }
    }
    assert_eq!(encodings, (0..=5).collect());
    assert_eq!(streams, (0..=5).collect());
    let count = |what: &str| forms.iter().filter(|(name, _)| *name == what).count();
    assert_eq!((count("timestamps"), count("ids"), count("page"), count("bytes")), (2, 2, 2, 2));
}

#[test]
fn examples_round_trip() {
    for (_, input) in examples() {
        input.round_trips();
    }
}

/// Every flip of one bit, and every truncation: an error, or as many values as announced.
#[test]
fn damaged_blocks_are_errors_or_of_the_announced_length() {
    for (_, input) in examples() {
        let block = input.encode();
        for len in 0..block.len() {
            let _ = input.decode(&block[..len]);
        }
        let mut damaged = block.clone();
        for at in 0..block.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                let _ = input.decode(&damaged);
                damaged[at] ^= 1 << bit;
            }
        }
        damaged.push(0);
        assert!(input.decode(&damaged).is_err(), "a byte more: {input:?}");
    }
}

/// Random changes of several bytes, and random bytes behind every first byte. `NANOTDB_FUZZ_ROUNDS` makes it look longer.
#[test]
fn corrupt_blocks_are_errors_or_of_the_announced_length() {
    let rounds = std::env::var("NANOTDB_FUZZ_ROUNDS").map_or(300, |rounds| rounds.parse().unwrap());
    let mut random = Random(rounds);
    for (_, input) in examples() {
        let block = input.encode();
        for _ in 0..rounds {
            let mut corrupt = block.clone();
            for _ in 0..=random.below(6) {
                let at = random.below(corrupt.len().max(1) as u64) as usize;
                if let Some(byte) = corrupt.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            let _ = input.decode(&corrupt);
        }
        for first in 0..=8u8 {
            for _ in 0..40 {
                let mut bytes = vec![first];
                // Most often with the right count, so that what is behind it is read.
                let mut count = match &input {
                    Input::Int32(v) => v.len(),
                    Input::Int64(v) | Input::Timestamps(v) => v.len(),
                    Input::Float32(v) => v.len(),
                    Input::Float64(v) => v.len(),
                    Input::Ids(v) => v.len(),
                    Input::Page(..) | Input::Bytes(_) => random.next() as usize,
                };
                while count >= 0x80 {
                    bytes.push(count as u8 | 0x80);
                    count >>= 7;
                }
                bytes.push(count as u8);
                let n = random.below(120);
                bytes.extend((0..n).map(|_| (random.next() >> random.below(8)) as u8));
                let _ = input.decode(&bytes);
            }
        }
    }
}

/// What is announced is not allocated before the block has proved to hold it.
#[test]
fn small_blocks_that_announce_much_are_refused() {
    for (_, input) in examples() {
        let block = input.encode();
        let n = usize::MAX >> 1;
        let codec = columnar();
        assert!(codec.decode_values(&block, n, ValuesMut::Int64(&mut Vec::new())).is_err());
        assert!(codec.decode_timestamps(&block, n, &mut Vec::new()).is_err());
        assert!(codec.decode_ids(&block, n, &mut Vec::new()).is_err());
        assert!(codec.decode_page(n, &block, n, &mut Vec::new()).is_err());
        assert!(codec.decompress(&block, n, &mut Vec::new()).is_err());
    }
}

#[test]
fn regular_and_constant_columns_take_a_few_bytes() {
    let steady: Vec<i64> = (0..16_384).map(|i| 1_777_593_603_532_182_665 + i * 10_000_000_000).collect();
    assert!(Input::Timestamps(steady).encode().len() <= 24);
    assert!(Input::Ids((0..32_000).map(|i| i % 83).collect()).encode().len() <= 12);
    assert!(Input::Int32(vec![5; 16_384]).encode().len() <= 5);
    assert!(Input::Float32(vec![1.5f32.to_bits(); 16_384]).encode().len() <= 7);
    assert!(Input::Int32(vec![42]).encode().len() <= 3);
    assert!(Input::Int32(vec![1, 2, 3, 4, 5]).encode().len() <= 6);
    assert!(Input::Float32([1.5f32, 1.25, 1.75].map(f32::to_bits).to_vec()).encode().len() <= 12);
}

/// Columns as they come, and as nobody would send them; 64 bits of each value are taken from.
fn column() -> impl Strategy<Value = Vec<u64>> {
    let n = 0..700usize;
    prop_oneof![
        // Any bits, and few distinct ones.
        prop::collection::vec(any::<u64>(), n.clone()),
        (prop::collection::vec(any::<u64>(), 1..6), prop::collection::vec(any::<prop::sample::Index>(), n.clone()))
            .prop_map(|(few, at)| at.iter().map(|at| *at.get(&few)).collect()),
        // Counters that start over.
        prop::collection::vec((0..9_000u64, 0..60u8), n.clone()).prop_map(|steps| {
            let mut sum = 0;
            steps.iter().map(|(step, reset)| (sum = if *reset == 0 { 0 } else { sum + step * 4 }, sum).1).collect()
        }),
        // Gauges that hold.
        prop::collection::vec((any::<i16>(), 1..40usize), 0..40)
            .prop_map(|runs| runs.iter().flat_map(|(v, n)| std::iter::repeat_n(i64::from(*v) as u64, *n)).collect()),
        // Decimals of both widths.
        (prop::collection::vec(-100_000..100_000i32, n.clone()), 0..6i32)
            .prop_map(|(v, e)| v.iter().map(|v| (f64::from(*v) / 10f64.powi(e)).to_bits()).collect()),
        (prop::collection::vec(-100_000..100_000i32, n.clone()), 0..6i32).prop_map(|(v, e)| {
            v.iter().map(|v| u64::from(((f64::from(*v) / 10f64.powi(e)) as f32).to_bits())).collect()
        }),
        // Decimals among what is none.
        prop::collection::vec((0..1_000u32, 0..40u8), n).prop_map(|v| {
            let odd = [-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 2.0, 1e300, f64::MAX];
            let float = |(v, k): &(u32, u8)| match odd.get(usize::from(*k)) {
                Some(odd) => odd.to_bits() | (u64::from(*v) % 3),
                None => (f64::from(*v) / 100.0).to_bits(),
            };
            v.iter().map(float).collect()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn columns_round_trip(bits in column()) {
        Input::Int32(bits.iter().map(|b| *b as i32).collect()).round_trips();
        Input::Int64(bits.iter().map(|b| *b as i64).collect()).round_trips();
        Input::Float32(bits.iter().map(|b| *b as u32).collect()).round_trips();
        Input::Float32(bits.iter().map(|b| (f64::from_bits(*b) as f32).to_bits()).collect()).round_trips();
        Input::Float64(bits.clone()).round_trips();
        Input::Timestamps(bits.iter().map(|b| *b as i64).collect()).round_trips();
        Input::Ids(bits.iter().map(|b| *b as u16).collect()).round_trips();
    }

    #[test]
    fn pages_of_any_rows_round_trip(
        rows in prop::collection::vec((0..5u16, any::<bool>(), prop::sample::select(vec![0u64, 1, 500, 1 << 31, u64::MAX])), 0..300),
        bits in column(),
        wide: bool,
    ) {
        let mut time = 0i64;
        let mut page = Vec::new();
        let bits = || bits.iter().copied().chain(std::iter::repeat(9));
        page.extend(rows.iter().flat_map(|row| row.0.wrapping_mul(13_107).to_le_bytes()));
        for row in &rows {
            time = time.wrapping_add(if row.1 { 0 } else { row.2 as i64 });
            page.extend(time.to_le_bytes());
        }
        page.extend(rows.iter().zip(bits()).flat_map(|(_, b)| (b as u32).to_le_bytes()));
        if wide {
            page.extend(rows.iter().zip(bits()).flat_map(|(_, b)| ((b >> 32) as u32).to_le_bytes()));
        }
        Input::Page(rows.len(), page).round_trips();
    }
}
