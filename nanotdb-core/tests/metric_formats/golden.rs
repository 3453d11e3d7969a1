//! Files that the original wrote.

use super::common::files::golden;
use super::common::{Content, assert_same, expected};
use super::reader::metric::metric_file;
use super::support::{bits, codec, layout, read};
use nanotdb_core::format::metric::original_reads;
use nanotdb_core::model::{Sample, Value, ValueType};
use std::path::PathBuf;

const CASES: [&str; 6] = [
    "metric-v1-s2",
    "metric-v1-zstd_default",
    "metric-v2-s2",
    "metric-v2-s2_better",
    "metric-v2-zstd_default",
    "metric-v2-zstd_fastest",
];

fn files(case: &str) -> Vec<PathBuf> {
    let directory = golden().join(case).join("root/pi");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("metric-"));
    files.sort();
    assert_eq!(files.len(), 2, "{case}");
    files
}

#[test]
fn files_of_the_original_hold_exactly_what_was_sent() {
    for case in CASES {
        let catalog = std::fs::read(golden().join(case).join("root/pi/catalog.json")).unwrap();
        let names = super::reader::catalog(&catalog);
        let mut found = Content::new();
        for file in files(case) {
            for series in read(&std::fs::read(file).unwrap()).unwrap() {
                let (name, code) = &names[&series.id];
                let value_type = ValueType::from_code(*code).unwrap();
                let values = bits(&series.values, value_type);
                let rows = found.entry(("pi".to_owned(), name.clone())).or_default();
                rows.extend(series.timestamps.iter().zip(values).map(|(timestamp, bits)| Sample {
                    timestamp: *timestamp,
                    value: Value::from_bits(value_type, bits),
                }));
            }
        }
        assert_same(&found, &expected(case), case);
    }
}

#[test]
fn the_second_reader_agrees() {
    for case in CASES {
        let codec = codec(case.split_once('-').unwrap().1.split_once('-').unwrap().1);
        assert!(original_reads(codec.id()));
        for path in files(case) {
            let file = std::fs::read(path).unwrap();
            let read_by_us = read(&file).unwrap();
            let second = metric_file(&file, u64::from(codec.id()), &|_, payload, length| {
                let mut out = Vec::new();
                codec.decompress(payload, length, &mut out).unwrap();
                out
            });
            assert_eq!(second.partition_kind, 1, "a day");
            assert_eq!(second.metrics.len(), read_by_us.len());
            for (series, (id, metric)) in read_by_us.iter().zip(&second.metrics) {
                assert_eq!(u64::from(series.id), *id);
                assert_eq!(u64::from(series.values.value_type().code()), metric.code);
                assert_eq!(series.timestamps, metric.frames[0].timestamps);
                let found: Vec<_> =
                    bits(&series.values, series.values.value_type()).iter().map(|b| *b as u32).collect();
                assert_eq!(found, metric.frames[0].values.iter().map(|v| *v as u32).collect::<Vec<_>>());
            }
            let layout = layout(&file).unwrap();
            assert_eq!((layout.start, layout.end), second.bounds);
            assert_eq!(layout.times.len(), second.times.len());
        }
    }
}

/// A codec's output depends on its implementation, so files are compared without it: what their directories say.
#[test]
fn our_files_of_the_same_series_have_the_same_structure() {
    for case in CASES {
        let codec = codec(case.split_once('-').unwrap().1.split_once('-').unwrap().1);
        for path in files(case) {
            let theirs = std::fs::read(path).unwrap();
            let rows = read(&theirs).unwrap();
            let version = layout(&theirs).unwrap().version;
            let ours = super::support::write(version, codec, &rows);
            super::support::assert_same(&read(&ours).unwrap(), &rows);
            let (mut a, mut b) = (layout(&theirs).unwrap(), layout(&ours).unwrap());
            // Where frames are depends on how well they compress.
            for layout in [&mut a, &mut b] {
                layout.partition_kind = 0;
                layout.times.iter_mut().for_each(|time| time.extent.offset = 0);
                layout.times.iter_mut().for_each(|time| time.extent.len = 0);
                let blocks = layout.series.iter_mut().flat_map(|series| &mut series.blocks);
                blocks.for_each(|block| (block.extent.offset, block.extent.len) = (0, 0));
            }
            assert_eq!(a, b, "{case}: the same vectors are shared, in the same order");
        }
    }
}
