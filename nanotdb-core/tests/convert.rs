//! Roots converted for the original hold nothing that it cannot read: seen by the second reader, which knows the original's
//! formats from their description alone, and counts every byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;
#[allow(dead_code, reason = "logs of converted roots are empty")]
mod reader;

use common::files::{copy_directory, golden, golden_cases};
use nanotdb_core::config::{EngineConfig, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, Engine, EngineOptions, Selection};
use nanotdb_core::maintenance::convert::{ConvertReport, ConvertRequest, Target, convert};
use nanotdb_core::plugin::registry::registry;
use reader::{catalog, frames, metric::metric_file};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// 2024-05-20T00:00:00Z (date -u -d @1716163200).
const START: i64 = 1_716_163_200_000_000_000;
const MINUTE: i64 = 60_000_000_000;

fn options() -> EngineOptions {
    EngineOptions { background: false, ..EngineOptions::default() }
}

fn to_original(root: &Path, out: &Path) -> ConvertReport {
    let request = ConvertRequest { root, out, database: None, target: Target::Original, lossy: false };
    convert(request, EngineConfig::default(), &options(), &mut |_, _| {}).unwrap()
}

/// Samples of a root by metric as the second reader finds them: of a partition with a metric file those in there, of
/// another those in its pages. Bits of the value, and the type code.
type Samples = BTreeMap<String, Vec<(i64, u64)>>;

/// Reads a whole database of the original, checking that there is nothing else.
fn read(directory: &Path) -> (Samples, BTreeMap<u16, (String, u8)>) {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let types = catalog(&std::fs::read(directory.join("catalog.json")).unwrap());
    assert!(types.values().all(|(_, code)| [1, 2].contains(code)), "{types:?}");
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut samples = Samples::new();
    let known = ["catalog.json", "manifest.toml", "rollup.checkpoints.log", ".files"];
    for file in &names {
        let bytes = std::fs::read(directory.join(file)).unwrap();
        let part = file.split_once('-').and_then(|(_, rest)| rest.strip_suffix(".dat"));
        let built = part.is_some_and(|part| names.contains(&format!("metric-{part}.dat")));
        if file.starts_with("metric-") {
            let decompress = |id: u64, payload: &[u8], length: usize| {
                let mut out = Vec::new();
                let codec = registry().codec_by_id(u16::try_from(id).unwrap()).unwrap();
                codec.decompress(payload, length, &mut out).unwrap();
                out
            };
            // zstd_fastest.
            let file = metric_file(&bytes, 3, &decompress);
            assert_eq!(file.version, 2);
            for (id, metric) in file.metrics {
                let (name, code) = &types[&u16::try_from(id).unwrap()];
                assert_eq!(metric.code, u64::from(*code), "the original wants the catalog's type in every frame");
                let all = samples.entry(name.clone()).or_default();
                for frame in metric.frames {
                    all.extend(frame.timestamps.iter().copied().zip(frame.values));
                }
            }
        } else if file.starts_with("data-") || file.starts_with("raw-") {
            for row in frames(&bytes, &types).into_iter().flat_map(|frame| frame.rows) {
                assert_eq!(row.high, None, "4-byte values");
                if !built {
                    samples.entry(types[&row.id].0.clone()).or_default().push((row.timestamp, u64::from(row.low)));
                }
            }
        } else if *file == format!("{name}.wal") {
            assert!(bytes.is_empty());
        } else {
            assert!(known.contains(&file.as_str()), "{file}");
        }
    }
    // Partitions were read in the order of their file names: those with a metric file last.
    samples.values_mut().for_each(|all| all.sort_by_key(|(at, _)| *at));
    let manifest = std::fs::read_to_string(directory.join("manifest.toml")).unwrap();
    assert!(!manifest.lines().any(|line| line.starts_with("codec")), "the original may refuse page.codec");
    (samples, types)
}

#[test]
fn the_originals_own_roots_come_out_in_its_formats_with_every_sample() {
    for case in golden_cases() {
        let dir = tempfile::tempdir().unwrap();
        let (root, out) = (dir.path().join("root"), dir.path().join("out"));
        copy_directory(&golden().join(&case).join("root"), &root);
        let report = to_original(&root, &out);
        assert_eq!((&report.left_out, &report.warnings), (&Vec::new(), &Vec::new()), "{case}");
        let (found, types) = read(&out.join("pi"));
        let codes: BTreeMap<&str, u8> = types.values().map(|(name, code)| (name.as_str(), *code)).collect();
        let mut expected = Samples::new();
        for line in std::fs::read_to_string(golden().join(&case).join("expected.tsv")).unwrap().lines() {
            let fields: Vec<_> = line.split('\t').collect();
            if fields[0] != "pi" {
                continue;
            }
            let bits = match codes[fields[1]] {
                1 => fields[4].parse::<i32>().unwrap() as u32,
                _ => fields[4].parse::<f32>().unwrap().to_bits(),
            };
            expected.entry(fields[1].to_owned()).or_default().push((fields[3].parse().unwrap(), u64::from(bits)));
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{case}");
        for (metric, samples) in &expected {
            assert!(
                found[metric].iter().map(|(at, bits)| (*at, *bits & 0xffff_ffff)).eq(samples.iter().copied()),
                "{case}: {metric}"
            );
        }
    }
}

/// Wide metrics of which every value fits, one that does not, pages of another codec, a metric file v3.
#[test]
fn what_only_ours_has_is_gone_from_pages_metric_files_and_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("root"), dir.path().join("out"));
    std::fs::create_dir_all(root.join("d")).unwrap();
    std::fs::write(root.join("d/manifest.toml"), "[page]\nmax_records = 50\ncodec = \"columnar\"\n").unwrap();
    let mut config = EngineConfig::default();
    config.stats.enabled = false;
    config.values.width = nanotdb_core::config::ValueWidth::Bits64;
    let engine = Engine::open_with(&root, config, options()).unwrap();
    for minute in 0..3_000 {
        let at = START + minute * MINUTE;
        engine.add_line(&format!("d/count {minute}i {at}")).unwrap();
        engine.add_line(&format!("d/half {minute}.5 {at}")).unwrap();
        let big = if minute == 1_500 { i64::from(i32::MAX) + 1 } else { minute };
        engine.add_line(&format!("d/big {big}i {at}")).unwrap();
    }
    engine.flush().unwrap();
    let build = BuildOptions::new(MetricFileFormat::V3, "", RawIngestAction::Keep).unwrap();
    let first = Selection::Named("2024-05-20");
    engine.build_metric_files("d", first, build, &mut |_| ControlFlow::Continue(())).unwrap();
    engine.close().unwrap();

    let report = to_original(&root, &out);
    let [lost] = report.left_out.as_slice() else { panic!("{:?}", report.left_out) };
    assert_eq!((lost.metric.as_str(), lost.timestamp), ("big", START + 1_500 * MINUTE));
    assert_eq!((report.databases[0].narrowed, report.databases[0].metric_files), (2, 1));
    let (found, types) = read(&out.join("d"));
    let types: Vec<_> = types.into_values().collect();
    assert_eq!(types, [("count".to_owned(), 1), ("half".to_owned(), 2)]);
    for minute in 0..3_000_i64 {
        let at = START + minute * MINUTE;
        let index = usize::try_from(minute).unwrap();
        assert_eq!(found["count"][index], (at, minute as u64));
        assert_eq!(found["half"][index], (at, u64::from((minute as f32 + 0.5).to_bits())));
    }
    assert_eq!((found["count"].len(), found["half"].len()), (3_000, 3_000));
}
