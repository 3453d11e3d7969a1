//! Metric files from outside: `inspect metric` shows them, `verify` finds every damage in them.

use crate::build::three_days;
use crate::helpers::Bench;
use crate::samples::copy_golden;
use crate::samples::files::{golden_cases, snapshot};

fn built() -> Bench {
    let bench = three_days();
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).ok();
    bench
}

#[test]
fn metric_files_are_listed_with_their_metrics_and_time_vectors() {
    let bench = built();
    let before = snapshot(&bench.path("root"));
    let all = bench.run(&["inspect", "metric", "--root", "root", "--json"]).json();
    assert_eq!(all["files"].as_array().unwrap().len(), 3);
    assert!(all["files"][0].get("metrics").is_none(), "{all}");
    let args = ["inspect", "metric", "--root", "root", "--db", "s", "--part", "2024-05-21", "--verbose"];
    let json = bench.run(&[&args[..], &["--json"]].concat()).json();
    let [file] = json["files"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&file["file"], &file["format"]), (&"s/metric-2024-05-21.dat".into(), &"v3".into()));
    assert_eq!(file["codecs"], serde_json::json!(["columnar"]));
    assert_eq!((&file["points"], &file["series"], &file["time_vectors"]), (&600.into(), &2.into(), &1.into()));
    let bytes = std::fs::metadata(bench.path("root/s/metric-2024-05-21.dat")).unwrap().len();
    assert_eq!(file["bytes"], bytes);
    assert_eq!(file["bytes_per_point"], bytes as f64 / 600.0);
    assert_eq!(file["start"], "2024-05-21T00:00:00Z");
    let temp = &file["metrics"][0];
    assert_eq!((&temp["metric"], &temp["type"]), (&"temp.out".into(), &"float32".into()));
    assert_eq!((&temp["points"], &temp["min"], &temp["max"]), (&300.into(), &0.5.into(), &39.5.into()));
    assert_eq!(file["times"][0]["timestamps"], 300);
    assert_eq!(file["times"][0]["blocks"], 2);
    let text = bench.run(&args).ok();
    assert!(text.contains("temp.out  float32  columnar"), "{text}");
    let db = bench.run(&["inspect", "db", "--root", "root", "--verbose"]).ok();
    assert!(db.contains("metric-2024-05-22.dat  v3      columnar     600       2"), "{db}");
    let e = bench.run(&["inspect", "metric", "--root", "root", "--part", "2024-05-25"]).fails(3);
    assert!(e.contains("2024-05-20, 2024-05-21, 2024-05-22"), "{e}");
    assert!(snapshot(&bench.path("root")) == before);
}

/// A file whose directory is whole is not called sound for that.
#[test]
fn a_damaged_block_is_not_called_ok() {
    let bench = built();
    let state = |verbose: &[&str]| -> (String, serde_json::Value) {
        let args = [&["inspect", "metric", "--root", "root", "--part", "2024-05-21"][..], verbose].concat();
        let text = bench.run(&args).ok();
        let json = bench.run(&[&args[..], &["--json"]].concat()).json();
        (text.lines().nth(1).unwrap().rsplit("  ").next().unwrap().trim().to_owned(), json["files"][0].clone())
    };
    assert_eq!(state(&[]).0, "directory ok");
    let (text, json) = state(&["--verbose"]);
    assert_eq!((text.as_str(), &json["blocks_checked"], &json["problem"]), ("ok", &true.into(), &().into()));
    let path = bench.path("root/s/metric-2024-05-21.dat");
    let whole = std::fs::read(&path).unwrap();
    let offset = json["times"][0]["offset"].as_u64().unwrap() as usize;
    // In the time vector, which both metrics have, and in a block of values behind it.
    let len = json["times"][0]["bytes"].as_u64().unwrap() as usize;
    for (at, blocks) in [(offset + len / 2, 2), (offset + len + 26, 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (text, json) = state(&[]);
        assert_eq!((text.as_str(), &json["blocks_checked"]), ("directory ok", &false.into()), "byte {at}");
        let (text, json) = state(&["--verbose"]);
        assert!(text.starts_with("damaged at byte "), "byte {at}: {text}");
        assert_eq!(text.ends_with("; 2 blocks cannot be read"), blocks == 2, "byte {at}: {text}");
        assert_eq!(json["problem"], text.as_str());
    }
}

#[test]
fn the_originals_metric_files_are_shown_and_sound() {
    for case in golden_cases().iter().filter(|case| case.starts_with("metric-")) {
        let bench = Bench::new();
        let expected = copy_golden(case, &bench.path("root"));
        let before = snapshot(&bench.path("root"));
        let shown = bench.run(&["inspect", "metric", "--root", "root", "--db", "pi", "--verbose", "--json"]).json();
        let files = shown["files"].as_array().unwrap();
        let (version, codec) = case.strip_prefix("metric-").unwrap().split_once('-').unwrap();
        for file in files {
            assert_eq!((&file["format"], &file["codecs"]), (&version.into(), &serde_json::json!([codec])), "{case}");
            assert_eq!(file["series"], expected.len(), "{case}");
        }
        let found = bench.run(&["verify", "--root", "root", "--json"]).json();
        assert_eq!(found["metric_files"], files.len(), "{case}");
        let points: u64 = files.iter().map(|f| f["points"].as_u64().unwrap()).sum();
        assert_eq!(found["metric_rows"], points, "{case}");
        assert!(snapshot(&bench.path("root")) == before, "{case}");
    }
}

/// Every byte of a version 3 file is under a checksum, so a flipped bit anywhere is a problem.
#[test]
fn verify_finds_a_flipped_bit_wherever_it_is() {
    let bench = built();
    let sound = bench.run(&["verify", "--root", "root", "--json"]).json();
    assert_eq!((&sound["metric_files"], &sound["metric_rows"]), (&3.into(), &1_800.into()));
    assert_eq!(sound["metric_blocks"], 9, "a time vector and two blocks of values in each");
    let text = bench.run(&["verify", "--root", "root"]).ok();
    assert!(text.ends_with("3 metric files, 9 blocks, 1,800 points: no problems\n"), "{text}");
    let path = bench.path("root/s/metric-2024-05-21.dat");
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(23).chain([0, whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, bytes).unwrap();
        let run = bench.run(&["verify", "--root", "root"]);
        assert_eq!(run.code, 1, "byte {at} of {}: {}", whole.len(), run.stdout);
        assert!(run.stdout.contains("s/metric-2024-05-21.dat: "), "byte {at}: {}", run.stdout);
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(bench.run(&["verify", "--root", "root"]).stdout.contains("s/metric-2024-05-21.dat: byte "));
}

#[test]
fn verify_compares_a_metric_file_with_catalog_partition_and_raw_file() {
    let bench = built();
    let problems = || -> Vec<String> {
        let run = bench.run(&["verify", "--root", "root"]);
        run.stdout.lines().filter(|l| !l.contains("WAL record")).map(str::to_owned).collect()
    };
    assert_eq!(problems(), Vec::<String>::new());
    let (of_20, of_21) = (bench.path("root/s/metric-2024-05-20.dat"), bench.path("root/s/metric-2024-05-21.dat"));
    let whole = std::fs::read(&of_21).unwrap();
    std::fs::copy(&of_20, &of_21).unwrap();
    let found = problems();
    assert!(found.iter().any(|p| p.contains("outside of the file's partition")), "{found:?}");
    std::fs::write(&of_21, whole).unwrap();

    let catalog = bench.path("root/s/catalog.json");
    let text = std::fs::read_to_string(&catalog).unwrap();
    std::fs::write(&catalog, text.replace("\"type\": 2", "\"type\": 1")).unwrap();
    let found = problems();
    assert!(found.iter().any(|p| p.contains("metric id 1 is int32, and float32 in this file")), "{found:?}");
    std::fs::write(&catalog, text).unwrap();
    assert_eq!(problems(), Vec::<String>::new());
}

/// CRC-32/IEEE, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A directory whose checksum is right and whose sum is not: only the values themselves can tell.
#[test]
fn verify_computes_statistics_anew() {
    let bench = built();
    let path = bench.path("root/s/metric-2024-05-21.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    // count is 0, 1, ... 299 over the day.
    let sum = f64::from(299 * 300 / 2).to_le_bytes();
    let at = bytes.windows(8).rposition(|window| window == sum).unwrap();
    bytes[at..at + 8].copy_from_slice(&44_851.0f64.to_le_bytes());
    let directory = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    let footer = bytes.len() - 16;
    assert!(at > directory);
    let crc = crc32(&bytes[directory..footer]).to_le_bytes();
    bytes[footer + 8..footer + 12].copy_from_slice(&crc);
    let crc = crc32(&bytes[footer..footer + 12]).to_le_bytes();
    bytes[footer + 12..].copy_from_slice(&crc);
    std::fs::write(&path, bytes).unwrap();
    let run = bench.run(&["verify", "--root", "root"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("statistics of metric id 2 are not those of its values"), "{}", run.stdout);
    assert!(run.stdout.contains(": 1 problem\n"), "{}", run.stdout);
}

/// The raw file still ends with the frame that the metric file remembers, but an earlier one is another.
#[test]
fn verify_compares_samples_with_the_raw_file_that_they_were_built_from() {
    let bench = Bench::new();
    for (root, first) in [("root", 1), ("other", 2)] {
        bench.import(root, &format!("s/a {first}i 2024-05-20 00:00:00\n"));
        bench.import(root, "s/a 5i 2024-05-20 00:01:00\n");
    }
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).ok();
    bench.run(&["verify", "--root", "root"]).ok();
    std::fs::copy(bench.path("other/s/data-2024-05-20.dat"), bench.path("root/s/data-2024-05-20.dat")).unwrap();
    let run = bench.run(&["verify", "--root", "root"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let expected = "s/metric-2024-05-20.dat: samples of metric id 1 differ from those in the raw file";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

/// Late rows, the order of a build, and what it does with raw files are all sound to `verify`.
#[test]
fn verify_finds_nothing_wrong_with_late_rows() {
    let bench = built();
    bench.import("root", "s/count 999i 2024-05-22 12:00:00\n");
    bench.run(&["verify", "--root", "root"]).ok();
    let build = ["build", "metric", "--root", "root", "--db", "s", "--raw-ingest-action", "delete"];
    bench.run(&build).ok();
    bench.import("root", "s/count 1000i 2024-05-22 13:00:00\n");
    bench.run(&["verify", "--root", "root"]).ok();
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).ok();
    bench.run(&["verify", "--root", "root"]).ok();
    let last = bench.run(&["query", "--root", "root", "--db", "s", "--metric", "count", "--last", "--json"]).json();
    assert_eq!(last["series"][0]["rows"][0]["value"], 1_000);
}
