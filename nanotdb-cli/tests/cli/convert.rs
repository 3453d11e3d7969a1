//! `nanocli convert`: there and back, what does not fit, and what is refused. That the original's formats come out is held by
//! `nanotdb-core/tests/convert.rs`, with a second reader.

use crate::helpers::Bench;
use crate::samples::files::{golden_cases, snapshot};
use crate::samples::{assert_same, copy_golden, exported};
// An engine in this process has the binary's plugins.
use nanotdb_cli as _;

fn convert<'a>(from: &'a str, out: &'a str, to: &'a str) -> [&'a str; 7] {
    ["convert", "--root", from, "--out", out, "--to", to]
}

#[test]
fn there_and_back_every_sample_is_the_same() {
    for case in golden_cases() {
        let bench = Bench::new();
        let expected = copy_golden(&case, &bench.path("root"));
        let before = snapshot(&bench.path("root"));
        for (from, out, to) in
            [("root", "ours", "nanotdb"), ("ours", "theirs", "original"), ("root", "same", "original")]
        {
            let done = bench.run(&[&convert(from, out, to)[..], &["--json"]].concat()).json();
            assert_eq!(done["left_out"], serde_json::json!([]), "{case}");
            let lines = bench.run(&["export", "--root", out, "--db", "pi"]).ok();
            assert_same(&exported(&lines), &expected, &format!("{case}, {out}"));
            bench.run(&["verify", "--root", out]).ok();
        }
        assert!(snapshot(&bench.path("root")) == before, "{case}: the source changed");
        // Directly or by way of our formats: the same bytes, and no lock or temporary file is left.
        assert!(snapshot_names(&bench, "theirs") == snapshot_names(&bench, "same"), "{case}");
        let files = |root: &str| -> Vec<Vec<u8>> { snapshot(&bench.path(root)).into_values().collect() };
        assert!(files("theirs") == files("same"), "{case}: not the same bytes");
        assert!(!bench.path("theirs/.lock").exists());
    }
}

fn snapshot_names(bench: &Bench, root: &str) -> Vec<std::path::PathBuf> {
    let root = bench.path(root);
    snapshot(&root).into_keys().map(|path| path.strip_prefix(&root).unwrap().to_path_buf()).collect()
}

fn mixed() -> Bench {
    let bench = Bench::new();
    let mut lines = String::from("# type d/exact float64\n# type d/tenth float64\n# type d/huge float64\n");
    for (minute, exact, tenth, huge, big) in
        [(0, "0.5", "0.25", "1.5", "7"), (1, "-3.75", "0.1", "1e300", "3000000000"), (2, "2", "0.2", "1.5", "8")]
    {
        let at = format!("2024-05-20 00:{minute:02}:00");
        lines += &format!("d/exact {exact} {at}\nd/tenth {tenth} {at}\nd/huge {huge} {at}\n");
        lines += &format!("d/big {big}i {at}\nd/plain {minute}.5 {at}\nd/late {minute}i {at}\n");
    }
    bench.import("root", &lines);
    bench
}

fn metrics(bench: &Bench, root: &str) -> Vec<(String, String)> {
    let json = bench.run(&["inspect", "catalog", "--root", root, "--json"]).json();
    let metrics = json["databases"][0]["metrics"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    metrics.iter().map(|m| (text(&m["name"]), text(&m["type"]))).collect()
}

#[test]
fn what_the_original_cannot_hold_is_left_out_and_listed() {
    let bench = mixed();
    let types = metrics(&bench, "root");
    assert!(types.contains(&("tenth".into(), "float64".into())) && types.contains(&("big".into(), "int64".into())));
    let run = bench.run(&[&convert("root", "out", "original")[..], &["--json"]].concat());
    assert_eq!(run.code, 1, "{}", run.stderr);
    let done: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let left_out: Vec<_> = done["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["metric"].as_str().unwrap(), l["reason"].as_str().unwrap(), l["value"].as_str().unwrap()))
        .collect();
    assert_eq!(left_out[0], ("big", "does not fit int32", "3000000000"));
    assert_eq!((left_out[1].0, left_out[1].1), ("huge", "does not fit float32"));
    assert_eq!(left_out[2], ("tenth", "is no float32", "0.1"));
    // 2024-05-20 00:01:00 UTC (date -u -d @1716163260).
    assert_eq!(done["left_out"][2]["timestamp_ns"], 1_716_163_260_000_000_000_i64);
    assert_eq!(done["databases"][0]["narrowed"], 1);
    let kept = [("exact", "float32"), ("late", "int32"), ("plain", "float32")];
    assert_eq!(metrics(&bench, "out"), kept.map(|(name, t)| (name.to_owned(), t.to_owned())));
    let lines = bench.run(&["export", "--root", "out", "--db", "d"]).ok();
    assert_eq!(lines.lines().count(), 9, "{lines}");
    assert!(lines.contains("d/exact -3.75 2024-05-20 00:01:00.000000000\n"), "{lines}");
    bench.run(&["verify", "--root", "out"]).ok();
}

#[test]
fn lossy_rounds_floats_and_nothing_else() {
    let bench = mixed();
    let run = bench.run(&[&convert("root", "out", "original")[..], &["--lossy"]].concat());
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains("left out 2 metrics:") && run.stdout.contains("rounded 1 metric:"), "{}", run.stdout);
    assert!(run.stdout.contains("d/tenth") && run.stdout.contains("2024-05-20 00:01:00.000000000"), "{}", run.stdout);
    let lines = bench.run(&["export", "--root", "out", "--db", "d", "--metric", "tenth"]).ok();
    assert!(lines.contains("d/tenth 0.1 2024-05-20 00:01:00"), "{lines}");
    let types = metrics(&bench, "out");
    assert!(types.contains(&("tenth".into(), "float32".into())), "{types:?}");
    // To this version's form nothing is lost, and 64-bit metrics stay.
    bench.run(&convert("root", "ours", "nanotdb")).ok();
    assert_eq!(metrics(&bench, "ours"), metrics(&bench, "root"));
    let export = |root: &str| bench.run(&["export", "--root", root, "--db", "d"]).ok();
    assert_eq!(export("ours"), export("root"));
}

#[test]
fn metric_files_stay_metric_files_and_late_rows_come_along() {
    let bench = crate::build::three_days();
    let build = ["build", "metric", "--root", "root", "--db", "s", "--part"];
    bench.run(&[&build[..], &["2024-05-20", "--raw-ingest-action", "rename"]].concat()).ok();
    bench.run(&[&build[..], &["2024-05-21", "--raw-ingest-action", "delete"]].concat()).ok();
    bench.run(&[&build[..], &["2024-05-22"]].concat()).ok();
    // Rows behind the deleted raw file, and behind the kept one.
    bench.import("root", "s/a.late 1i 2024-05-21 12:00:00\ns/a.late 2i 2024-05-22 12:00:00\n");
    let export = |root: &str| bench.run(&["export", "--root", root, "--db", "s"]).ok();
    for (out, to, version) in [("theirs", "original", 2), ("ours", "nanotdb", 3)] {
        bench.run(&convert("root", out, to)).ok();
        assert_eq!(export(out), export("root"));
        let names: Vec<_> = snapshot_names(&bench, out).into_iter().map(|p| p.display().to_string()).collect();
        let data: Vec<_> = names.iter().filter(|n| n.ends_with(".dat")).map(String::as_str).collect();
        let expected = [
            "s/data-2024-05-22.dat",
            "s/metric-2024-05-20.dat",
            "s/metric-2024-05-21.dat",
            "s/metric-2024-05-22.dat",
            "s/raw-2024-05-20.dat",
        ];
        assert_eq!(data, expected, "{out}");
        let bytes = std::fs::read(bench.path(out).join("s/metric-2024-05-21.dat")).unwrap();
        assert_eq!(u16::from_le_bytes([bytes[4], bytes[5]]), version);
        bench.run(&["verify", "--root", out]).ok();
    }
    let again = ["convert", "--root", "root", "--out", "again", "--to", "original"];
    bench.run(&again).ok();
    let files = |root: &str| -> Vec<Vec<u8>> { snapshot(&bench.path(root)).into_values().collect() };
    assert!(files("again") == files("theirs"), "not deterministic");
}

#[test]
fn damage_is_reported_and_the_rest_converted() {
    let bench = crate::build::three_days();
    let path = bench.path("root/s/data-2024-05-21.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let run = bench.run(&convert("root", "out", "original"));
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("data-2024-05-21.dat"), "{}", run.stderr);
    let lines = bench.run(&["export", "--root", "out", "--db", "s"]).ok();
    assert_eq!(lines.lines().count(), 1_200);
}

#[test]
fn what_cannot_be_converted_is_refused_before_anything_is_written() {
    let bench = crate::build::three_days();
    let before = snapshot(&bench.path("root"));
    std::fs::create_dir(bench.path("full")).unwrap();
    std::fs::write(bench.path("full/x"), "").unwrap();
    let e = bench.run(&convert("root", "full", "original")).fails(2);
    assert!(e.contains("--out") && e.contains("full is not empty"), "{e}");
    let e = bench.run(&convert("root", "root/new", "original")).fails(2);
    assert!(e.contains("lies within"), "{e}");
    bench.run(&convert("root", "root", "original")).fails(2);
    bench.run(&convert("absent", "out", "original")).fails(3);
    bench.run(&convert("root", "out", "influx")).fails(2);
    assert!(!bench.path("out").exists());
    assert!(snapshot(&bench.path("root")) == before);
}

#[test]
fn a_running_directory_is_converted_with_what_is_in_its_log() {
    let bench = crate::build::three_days();
    let mut config = nanotdb_core::config::EngineConfig::default();
    config.stats.enabled = false;
    let engine = nanotdb_core::engine::Engine::open(&bench.path("root"), config).unwrap();
    engine.add_line("s/count 77i 1716600000000000000").unwrap();
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).fails(4);
    bench.run(&convert("root", "out", "original")).ok();
    bench.run(&["inspect", "metric", "--root", "root", "--verbose"]).ok();
    let last = bench.run(&["query", "--root", "out", "--db", "s", "--metric", "count", "--last", "--json"]).json();
    assert_eq!(last["series"][0]["rows"][0]["value"], 77);
    assert_eq!(std::fs::metadata(bench.path("out/s/s.wal")).unwrap().len(), 0);
    engine.close().unwrap();
}

#[test]
fn partitions_of_a_former_kind_are_converted_each_as_it_is() {
    let bench = crate::build::three_days();
    bench.run(&["build", "metric", "--root", "root", "--db", "s", "--part", "2024-05-21"]).ok();
    std::fs::write(bench.path("root/s/manifest.toml"), "[retention]\npartition = \"month\"\n").unwrap();
    bench.import("root", "s/count 1i 2024-05-25 00:00:00\ns/count 2i 2024-05-26 00:00:00\n");
    let before = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    for (out, to) in [("theirs", "original"), ("ours", "nanotdb")] {
        bench.run(&convert("root", out, to)).ok();
        assert_eq!(bench.run(&["export", "--root", out, "--db", "s"]).ok(), before, "{to}");
        assert!(bench.path(out).join("s/data-2024-05.dat").exists());
        assert!(bench.path(out).join("s/metric-2024-05-21.dat").exists());
    }
}

#[test]
fn a_manifest_for_the_original_has_nothing_that_it_does_not_know() {
    let bench = crate::build::three_days();
    let manifest = "[page]\nmax_records = 1234\ncodec = \"columnar\"\n[rollups]\nenabled = true\n\
        [[rollups.jobs]]\nid = \"some\"\nsource_pattern = \"*\"\ninterval = \"1h\"\n\
        aggregates = [\"avg\", \"p95\"]\ndestination_db = \"h\"\n\
        [[rollups.jobs]]\nid = \"none\"\nsource_pattern = \"*\"\ninterval = \"1h\"\n\
        aggregates = [\"median\"]\ndestination_db = \"h\"\n";
    std::fs::write(bench.path("root/s/manifest.toml"), manifest).unwrap();
    std::fs::write(bench.path("root/s/rollup.checkpoints.log"), "some::count,5\n").unwrap();
    std::fs::write(bench.path("root/s/archive-2024-01.tar"), "tar").unwrap();
    std::fs::write(bench.path("root/dashboard.json"), "{}").unwrap();
    let done = bench.run(&[&convert("root", "out", "original")[..], &["--json"]].concat()).json();
    let written = std::fs::read_to_string(bench.path("out/s/manifest.toml")).unwrap();
    let written: toml::Table = written.parse().unwrap();
    assert_eq!(written["page"].get("codec"), None);
    assert_eq!(written["page"]["max_records"].as_integer(), Some(1_234));
    let jobs = written["rollups"]["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["aggregates"], toml::Value::from(vec!["avg"]));
    let notes = done["notes"].to_string();
    assert!(notes.contains("median, p95") && notes.contains("archive-2024-01.tar"), "{notes}");
    assert_eq!(std::fs::read_to_string(bench.path("out/s/rollup.checkpoints.log")).unwrap(), "some::count,5\n");
    assert_eq!(std::fs::read_to_string(bench.path("out/dashboard.json")).unwrap(), "{}");
    assert!(!bench.path("out/s/archive-2024-01.tar").exists());
}
