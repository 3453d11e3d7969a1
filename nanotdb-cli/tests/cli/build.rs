//! `nanocli build metric`: what is built, what is not, and what becomes of the raw files.

use crate::helpers::Bench;
use crate::samples::files::snapshot;
use crate::samples::{assert_same, exported};
use std::path::Path;

/// Three past days of two metrics, and the same metrics today.
pub(crate) fn three_days() -> Bench {
    let bench = Bench::new();
    let mut lines = String::new();
    for day in 20..23 {
        for minute in 0..300 {
            let at = format!("2024-05-{day} {:02}:{:02}:00", minute / 60, minute % 60);
            lines += &format!("s/temp.out {}.5 {at}\ns/count {minute}i {at}\n", minute % 40);
        }
    }
    bench.import("root", &lines);
    bench
}

fn build(more: &[&str]) -> Vec<String> {
    let args = ["build", "metric", "--root", "root", "--db", "s"];
    args.iter().chain(more).map(|a| (*a).to_owned()).collect()
}

fn run(bench: &Bench, more: &[&str]) -> crate::helpers::Run {
    bench.run(&build(more).iter().map(String::as_str).collect::<Vec<_>>())
}

fn files(root: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(root.join("s")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".dat"));
    names.sort();
    names
}

fn version(path: &Path) -> u16 {
    let bytes = std::fs::read(path).unwrap();
    u16::from_le_bytes([bytes[4], bytes[5]])
}

#[test]
fn sealed_partitions_are_built_once_and_say_what_they_became() {
    let bench = three_days();
    bench.import("root", "s/count 7i\n");
    let before = exported(&bench.run(&["export", "--root", "root", "--db", "s"]).ok());
    let done = run(&bench, &["--json"]).json();
    let partitions = done["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3, "today is not sealed: {done}");
    assert_eq!((&done["format"], &done["codec"]), (&"v3".into(), &"columnar".into()));
    assert_eq!(partitions[0]["partition"], "2024-05-20");
    assert_eq!(partitions[0]["file"], "s/metric-2024-05-20.dat");
    assert_eq!((&partitions[0]["points"], &partitions[0]["series"]), (&600.into(), &2.into()));
    let file = bench.path("root/s/metric-2024-05-20.dat");
    assert_eq!(partitions[0]["bytes_after"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(partitions[0]["raw_ingest_action"], "keep");
    assert_eq!(done["points"], 1_800);
    assert_eq!(version(&file), 3);
    assert_same(&exported(&bench.run(&["export", "--root", "root", "--db", "s"]).ok()), &before, "after the build");
    let text = run(&bench, &[]).ok();
    assert_eq!(text, "nothing to build: every sealed partition of s is up to date\n");
}

#[test]
fn a_given_format_or_codec_rebuilds_what_has_another() {
    let bench = three_days();
    run(&bench, &[]).ok();
    let path = bench.path("root/s/metric-2024-05-21.dat");
    let part = ["--part", "2024-05-21"];
    let text = run(&bench, &[&part[..], &["--format", "v2", "--verify"]].concat()).ok();
    assert!(text.contains("1 partition built as v2 with zstd_fastest: 600 points"), "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with("yes       kept"), "{text}");
    assert_eq!(version(&path), 2);
    let again = run(&bench, &[&part[..], &["--format", "v2", "--codec", "zstd_fastest"]].concat()).ok();
    assert_eq!(again, "nothing to build: partition 2024-05-21 of s is up to date\n");
    let other = run(&bench, &[&part[..], &["--format", "v2", "--codec", "s2", "--json"]].concat()).json();
    assert_eq!(other["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(version(&bench.path("root/s/metric-2024-05-20.dat")), 3, "the others stay");
}

#[test]
fn raw_files_are_renamed_or_removed() {
    let bench = three_days();
    let before = exported(&bench.run(&["export", "--root", "root", "--db", "s"]).ok());
    let text = run(&bench, &["--part", "2024-05-20", "--raw-ingest-action", "rename"]).ok();
    assert!(text.contains("renamed"), "{text}");
    let text = run(&bench, &["--part", "2024-05-21", "--raw-ingest-action", "delete"]).ok();
    assert!(text.contains("removed"), "{text}");
    let expected = ["data-2024-05-22.dat", "metric-2024-05-20.dat", "metric-2024-05-21.dat", "raw-2024-05-20.dat"];
    assert_eq!(files(&bench.path("root")), expected);
    assert_same(&exported(&bench.run(&["export", "--root", "root", "--db", "s"]).ok()), &before, "afterwards");
}

/// That older samples are in no raw file is no news for a build that removes those that are.
#[test]
fn removing_the_raw_file_of_a_late_sample_is_no_alarm() {
    let bench = three_days();
    let part = ["--part", "2024-05-20"];
    run(&bench, &[&part[..], &["--raw-ingest-action", "delete"]].concat()).ok();
    bench.import("root", "s/late 1i 2024-05-20 12:00:00\n");
    run(&bench, &[&part[..], &["--raw-ingest-action", "keep"]].concat()).ok();
    let before = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    let run = run(&bench, &[&part[..], &["--raw-ingest-action", "delete"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert!(!files(&bench.path("root")).contains(&"data-2024-05-20.dat".to_owned()));
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "s"]).ok(), before);
    // Whoever reads raw pages alone is told, once.
    let query = ["query", "--root", "root", "--db", "s", "--metric", "count", "--metric-files", "off"];
    let run = bench.run(&query);
    assert_eq!((run.code, run.stderr.matches("in no raw file").count()), (1, 1), "{}", run.stderr);
}

#[test]
fn engine_toml_says_what_is_built_unless_a_flag_does() {
    let bench = three_days();
    let toml = "[metrics]\nformat = \"v1\"\ncompression = \"s2\"\nraw_ingest_action = \"delete\"\n";
    std::fs::write(bench.path("root/engine.toml"), toml).unwrap();
    let done = run(&bench, &["--part", "2024-05-20", "--json"]).json();
    assert_eq!((&done["format"], &done["codec"]), (&"v1".into(), &"s2".into()));
    assert_eq!(done["partitions"][0]["raw_ingest_action"], "delete");
    let done = run(&bench, &["--part", "2024-05-21", "--format", "v3", "--raw-ingest-action", "keep", "--json"]).json();
    assert_eq!((&done["format"], &done["codec"]), (&"v3".into(), &"columnar".into()));
    assert_eq!(done["partitions"][0]["raw_ingest_action"], "keep");
}

#[test]
fn wrong_arguments_change_nothing() {
    let bench = three_days();
    let before = snapshot(&bench.path("root/s"));
    let e = run(&bench, &["--format", "v4"]).fails(2);
    assert!(e.contains("\"v1\", \"v2\", \"v3\""), "{e}");
    let e = run(&bench, &["--codec", "zip"]).fails(2);
    assert!(e.contains("--codec") && e.contains("columnar"), "{e}");
    let e = run(&bench, &["--raw-ingest-action", "burn"]).fails(2);
    assert!(e.contains("\"keep\", \"rename\", \"delete\""), "{e}");
    let e = run(&bench, &["--part", "2024-05-19"]).fails(3);
    assert!(e.contains("2024-05-20, 2024-05-21, 2024-05-22"), "{e}");
    let e = bench.run(&["build", "metric", "--root", "root", "--db", "t"]).fails(3);
    assert!(e.contains("it holds s"), "{e}");
    bench.run(&["build", "metric", "--root", "absent", "--db", "s"]).fails(3);
    assert!(!bench.path("absent").exists());
    assert!(before == snapshot(&bench.path("root/s")));
}

#[test]
fn a_damaged_partition_does_not_keep_the_others_from_their_turn() {
    let bench = three_days();
    let path = bench.path("root/s/data-2024-05-21.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let run = run(&bench, &["--json"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("data-2024-05-21.dat"), "{}", run.stderr);
    let done: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(done["partitions"].as_array().unwrap().len(), 2);
    assert_eq!(done["failed"][0]["partition"], "2024-05-21");
    assert!(!bench.path("root/s/metric-2024-05-21.dat").exists());
}
