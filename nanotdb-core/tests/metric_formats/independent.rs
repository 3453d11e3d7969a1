//! Files of ours, read by the second reader.

use super::reader::metric::{MetricFile, metric_file};
use super::support::{KIND, Written, bits, sample, write};
use nanotdb_core::model::Column;
use nanotdb_core::plugin::Codec;
use nanotdb_core::plugin::registry::registry;

pub fn second(file: &[u8], codec: &'static dyn Codec) -> MetricFile {
    metric_file(file, u64::from(codec.id()), &|_, payload, length| {
        let mut out = Vec::new();
        codec.decompress(payload, length, &mut out).unwrap();
        out
    })
}

/// Whether the second reader finds these series.
pub fn assert_holds(file: &MetricFile, written: &[Written]) {
    let written: Vec<_> = written.iter().filter(|series| !series.timestamps.is_empty()).collect();
    assert_eq!(file.partition_kind, u64::from(KIND));
    assert_eq!(file.metrics.len(), written.len());
    for (series, (id, metric)) in written.iter().zip(&file.metrics) {
        assert_eq!(u64::from(series.id), *id);
        let timestamps: Vec<_> = metric.frames.iter().flat_map(|frame| frame.timestamps.iter().copied()).collect();
        assert_eq!(timestamps, series.timestamps);
        let values = metric.frames.iter().flat_map(|frame| frame.values.iter().copied());
        let column = match metric.code {
            1 => Column::Int32(values.map(|v| v as u32 as i32).collect()),
            2 => Column::Float32(values.map(|v| f32::from_bits(v as u32)).collect()),
            3 => Column::Int64(values.map(|v| v as i64).collect()),
            _ => Column::Float64(values.map(f64::from_bits).collect()),
        };
        let read_as = series.values.value_type();
        assert_eq!(bits(&column, read_as), bits(&series.values, read_as), "metric {id}");
    }
}

#[test]
fn our_files_are_what_the_description_says_with_every_codec() {
    let written = sample();
    assert!(registry().codecs().len() >= 7);
    for codec in registry().codecs() {
        for version in [1, 2] {
            let file = second(&write(version, *codec, &written), *codec);
            assert_eq!(file.version, u64::from(version));
            assert_holds(&file, &written);
            let codes: Vec<_> = file.metrics.values().map(|metric| metric.code).collect();
            // Of the four 64-bit series, two fit 4 bytes.
            assert_eq!(codes, [1, 2, 1, 4, 3, 2], "{}", codec.name());
        }
    }
}

#[test]
fn a_file_of_nothing_is_a_file() {
    for version in [1, 2] {
        let codec = super::support::codec("none");
        for written in [vec![], vec![Written { id: 7, timestamps: vec![], values: Column::Int32(vec![]) }]] {
            let file = write(version, codec, &written);
            assert_eq!(file.len(), 80);
            assert_eq!(super::support::read(&file).unwrap(), []);
            assert!(second(&file, codec).metrics.is_empty());
        }
    }
}

/// The bytes of a small file, written down: `python3 -c` with struct and zlib made them from the description.
#[test]
fn the_bytes_of_a_file() {
    let written = [Written { id: 2, timestamps: vec![-1, 5], values: Column::Int64(vec![3, -4]) }];
    let hex = |version| {
        let file = write(version, super::support::codec("none"), &written);
        file.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(hex(1), V1);
    assert_eq!(hex(2), V2);
}

const V1: &str = "\
    4e544d46010040000100000003000000ffffffffffffffff050000000000000001000000010000000000000000000000\
    00000000000000000000000056b962da4d5047313000120002000100ffffffffffffffff050000000000000002000000\
    180000001800000000000000888d6bc1ffffffffffffffff050000000000000003000000fcffffff75ce0d3702000100\
    4000000000000000ffffffffffffffff0500000000000000020000001800000018000000000000004e54465401000000\
    01000000410ceca2";
const V2: &str = "\
    4e544d46020040000100000003000000ffffffffffffffff05000000000000000100000001000000c000000000000000\
    e8000000000000000000000003184dec545047323000120001000100ffffffffffffffff050000000000000002000000\
    1000000010000000000000004f5d23fcffffffffffffffff05000000000000000bc835334d5047323000120002000100\
    ffffffffffffffff0500000000000000010000000000000008000000080000001e0cf1b803000000fcffffff8757a327\
    010000004000000000000000ffffffffffffffff05000000000000000200000010000000100000000200010084000000\
    00000000ffffffffffffffff0500000000000000010000000000000008000000080000004e5446540200000000000000\
    c76cdf94";
