//! What every registered codec must hold: the kit, the registry's list, and round trips of arbitrary data.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use nanotdb_codecs as _;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Values, ValuesMut, conformance};
use proptest::prelude::*;

#[test]
fn the_registry_holds_these_names_and_ids() {
    let mut found: Vec<_> = registry().codecs().iter().map(|c| (c.id(), c.name(), c.is_s2_block())).collect();
    found.sort();
    let expected = [
        (1, "s2", true),
        (2, "s2_better", true),
        (3, "zstd_fastest", false),
        (4, "zstd_default", false),
        (16, "zstd_max", false),
        (17, "lz4", false),
        (18, "none", false),
        (19, "snappy", true),
        (20, "columnar", false),
    ];
    assert_eq!(found, expected);
    registry().check().unwrap();
}

fn conforms(name: &str) {
    conformance::codec(registry().codec(name).unwrap()).unwrap();
}

macro_rules! conformance_of {
    ($($name:ident)*) => {
        mod conformance_kit {
            $(#[test] fn $name() { super::conforms(stringify!($name)); })*
        }
    };
}
conformance_of! { s2 s2_better snappy zstd_fastest zstd_default zstd_max lz4 none columnar }

/// Bytes with the repetition that makes compressors do something: pieces, each repeated.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = (prop::collection::vec(any::<u8>(), 0..40), 1..30usize).prop_map(|(piece, n)| piece.repeat(n));
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_round_trip(input in bytes(), before in prop::collection::vec(any::<u8>(), 0..4)) {
        for codec in registry().codecs() {
            let mut block = before.clone();
            codec.compress(&input, &mut block).unwrap();
            prop_assert!(block.starts_with(&before));
            let mut decoded = before.clone();
            codec.decompress(&block[before.len()..], input.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded[before.len()..], &input[..], "{}", codec.name());
        }
    }

    #[test]
    fn ids_and_timestamps_round_trip(
        ids in prop::collection::vec(any::<u16>(), 0..300),
        timestamps in prop::collection::vec(any::<i64>(), 0..300),
    ) {
        for codec in registry().codecs() {
            let (mut bytes, mut decoded) = (Vec::new(), Vec::new());
            codec.encode_ids(&ids, &mut bytes).unwrap();
            codec.decode_ids(&bytes, ids.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded, &ids, "{}", codec.name());
            let (mut bytes, mut decoded) = (Vec::new(), Vec::new());
            codec.encode_timestamps(&timestamps, &mut bytes).unwrap();
            codec.decode_timestamps(&bytes, timestamps.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded, &timestamps, "{}", codec.name());
        }
    }

    /// Any bits: NaN payloads, signalling NaNs and -0.0 among them.
    #[test]
    fn values_round_trip_bit_for_bit(bits in prop::collection::vec(any_bits(), 0..200)) {
        let int32: Vec<i32> = bits.iter().map(|b| *b as i32).collect();
        let float32: Vec<f32> = bits.iter().map(|b| f32::from_bits((*b >> 32) as u32)).collect();
        let int64: Vec<i64> = bits.iter().map(|b| *b as i64).collect();
        let float64: Vec<f64> = bits.iter().map(|b| f64::from_bits(*b)).collect();
        for codec in registry().codecs() {
            let encode = |values| {
                let mut bytes = Vec::new();
                codec.encode_values(values, &mut bytes).map(|()| bytes)
            };
            let n = bits.len();
            let mut out = Vec::new();
            codec.decode_values(&encode(Values::Int32(&int32)).unwrap(), n, ValuesMut::Int32(&mut out)).unwrap();
            prop_assert_eq!(&out, &int32);
            let mut out = Vec::new();
            codec.decode_values(&encode(Values::Int64(&int64)).unwrap(), n, ValuesMut::Int64(&mut out)).unwrap();
            prop_assert_eq!(&out, &int64);
            let mut out = Vec::new();
            codec.decode_values(&encode(Values::Float32(&float32)).unwrap(), n, ValuesMut::Float32(&mut out)).unwrap();
            prop_assert!(out.iter().map(|v| v.to_bits()).eq(float32.iter().map(|v| v.to_bits())));
            let mut out = Vec::new();
            codec.decode_values(&encode(Values::Float64(&float64)).unwrap(), n, ValuesMut::Float64(&mut out)).unwrap();
            prop_assert!(out.iter().map(|v| v.to_bits()).eq(float64.iter().map(|v| v.to_bits())));
        }
    }

    #[test]
    fn arbitrary_blocks_give_an_error_or_the_expected_length(
        block in prop::collection::vec(any::<u8>(), 0..200),
        len in 0..5_000usize,
    ) {
        for codec in registry().codecs() {
            let mut out = vec![1, 2, 3];
            let result = codec.decompress(&block, len, &mut out);
            prop_assert_eq!(&out[..3], &[1, 2, 3]);
            prop_assert_eq!(out.len(), if result.is_ok() { 3 + len } else { 3 }, "{}", codec.name());
            prop_assert!(out.capacity() <= len + 256, "{} allocates {}", codec.name(), out.capacity());
        }
    }
}

fn any_bits() -> impl Strategy<Value = u64> {
    let odd = [
        0,
        1 << 63,
        1 << 31 | 1 << 63,
        0x7ff8_0000_dead_beef,
        0xfff0_0000_0000_0001,
        0x7fc0_1234_ff80_0001,
        0x7ff0_0000_7f80_0000,
        u64::MAX,
    ];
    prop_oneof![any::<u64>(), prop::sample::select(odd.to_vec())]
}

/// Blocks are longer than the encoders' windows and buffers when a year of one metric is one column.
#[test]
fn blocks_of_many_mib_round_trip() {
    let mut input: Vec<u8> =
        (0..5_000_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 12).to_le_bytes()).collect();
    input.extend_from_within(1_000..3_000_000);
    for codec in registry().codecs().iter().filter(|c| c.name() != "zstd_max") {
        let (mut block, mut decoded) = (Vec::new(), Vec::new());
        codec.compress(&input, &mut block).unwrap();
        codec.decompress(&block, input.len(), &mut decoded).unwrap();
        assert!(decoded == input, "{} does not give back 23 MB", codec.name());
    }
}
