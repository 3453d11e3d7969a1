//! `nanocli maintain` and `nanocli archive`: what goes, what stays, what is said.

use crate::helpers::{Bench, Run};
use crate::samples::files::snapshot;

/// Three days of May 2024, kept or not as these lines say.
fn may(action: &str) -> Bench {
    let bench = Bench::new();
    let day =
        |day: u32| format!("s/temp 21.{day} 2024-05-{day:02} 12:00:00\ns/count {day}i 2024-05-{day:02} 12:00:00\n");
    bench.import("root", &(1..4).map(day).collect::<String>());
    set(&bench, "retention_action", &format!("\"{action}\""));
    set(&bench, "retention_days", "30");
    bench
}

fn set(bench: &Bench, key: &str, value: &str) {
    let path = bench.path("root/s/manifest.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = |line: &str| if line.starts_with(key) { format!("{key} = {value}\n") } else { format!("{line}\n") };
    let changed: String = text.lines().map(line).collect();
    assert!(text.contains(&format!("\n{key} = ")), "{text}");
    std::fs::write(path, changed).unwrap();
}

fn maintain(bench: &Bench, more: &[&str]) -> Run {
    bench.run(&[&["maintain", "--root", "root"], more].concat())
}

fn archive(bench: &Bench, what: &str, more: &[&str]) -> Run {
    bench.run(&[&["archive", what, "--root", "root"], more].concat())
}

fn data_files(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(bench.path("root/s")).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".dat") || name.ends_with(".tar") || name.contains("journal"));
    names.sort();
    names
}

fn times(bench: &Bench) -> usize {
    bench.run(&["export", "--root", "root", "--db", "s"]).ok().lines().filter(|l| !l.starts_with('#')).count()
}

#[test]
fn nothing_expires_by_a_clock_that_nobody_vouches_for() {
    let bench = may("delete");
    let before = data_files(&bench);
    let said = maintain(&bench, &[]).ok();
    assert!(said.contains("3 partitions expired by the clock of this machine are left"), "{said}");
    assert!(said.contains("--trust-clock"), "{said}");
    assert_eq!(data_files(&bench), before);
    let done = maintain(&bench, &["--json"]).json();
    assert_eq!(done["databases"][0]["removed"], serde_json::json!([]));
    assert_eq!(done["clock"]["believed"], serde_json::Value::Null);
}

#[test]
fn a_dry_run_says_what_goes_and_changes_nothing() {
    let bench = may("delete");
    let before = snapshot(&bench.path("root"));
    let plan = maintain(&bench, &["--dry-run", "--trust-clock", "--json"]).json();
    let remove = plan["databases"][0]["remove"].as_array().unwrap();
    let parts: Vec<_> = remove.iter().map(|r| r["partition"].as_str().unwrap()).collect();
    assert_eq!(parts, ["2024-05-01", "2024-05-02", "2024-05-03"]);
    assert_eq!(remove[0]["archive"], serde_json::Value::Null);
    let plan = maintain(&bench, &["--dry-run"]).ok();
    assert!(plan.contains("nothing was done") && plan.contains("--trust-clock"), "{plan}");
    assert!(snapshot(&bench.path("root")) == before);
    let done = maintain(&bench, &["--trust-clock", "--json"]).json();
    assert_eq!(done["databases"][0]["removed"], plan_of(remove));
    assert_eq!(data_files(&bench), Vec::<String>::new());
    assert_eq!(times(&bench), 0);
    let freed = done["databases"][0]["bytes_freed"].as_u64().unwrap();
    assert_eq!(
        freed,
        before
            .iter()
            .filter(|(p, _)| p.extension().is_some_and(|e| e == "dat"))
            .map(|(_, b)| b.len() as u64)
            .sum::<u64>()
    );
    bench.run(&["verify", "--root", "root"]).ok();
    // What was vouched for once is known from then on.
    assert!(bench.path("root/.clock").exists());
}

fn plan_of(remove: &[serde_json::Value]) -> serde_json::Value {
    serde_json::Value::Array(remove.to_vec())
}

#[test]
fn samples_of_expired_partitions_are_rejected_and_future_ones_imported() {
    let bench = may("delete");
    maintain(&bench, &["--trust-clock"]).ok();
    let path = bench.file("late.lp", "s/temp 5.5 2024-05-01 13:00:00\ns/temp 6.5\ns/far 1i 2099-01-01 00:00:00\n");
    let run = bench.run(&["import", "--root", "root", "--in", &path]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(run.code, 1, "{said}");
    assert!(said.contains("retention_days = 30") && said.contains("2024-05-01"), "{said}");
    assert_eq!(times(&bench), 2, "{said}");
}

#[test]
fn an_archive_is_listed_verified_and_restored() {
    let bench = may("archive");
    let before = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    let done = maintain(&bench, &["--trust-clock"]).ok();
    assert!(done.contains("3 (2024-05-01 to 2024-05-03)"), "{done}");
    assert_eq!(data_files(&bench), ["archive-2024-05.tar"]);
    let listed = archive(&bench, "list", &["--json"]).json();
    assert_eq!(listed["archives"][0]["archive"], "s/archive-2024-05.tar");
    assert_eq!(listed["archives"][0]["partitions"][1]["files"][0]["name"], "data-2024-05-02.dat");
    assert!(
        bench
            .run(&["verify", "--root", "root"])
            .ok()
            .contains("3 frames, 6 rows, 0 WAL records, 1 archive: no problems")
    );

    let refused = archive(&bench, "restore", &["--db", "s", "--part", "2024-05-02"]).fails(2);
    assert!(refused.contains("retention_days = 30") && refused.contains("root/s/manifest.toml"), "{refused}");
    set(&bench, "retention_action", "\"keep\"");
    let restored = archive(&bench, "restore", &["--db", "s", "--part", "2024-05-02", "--json"]).json();
    assert_eq!(restored["restored"][0]["partition"], "2024-05-02");
    assert_eq!(times(&bench), 2);
    let unknown = archive(&bench, "restore", &["--db", "s", "--part", "2024-05-02"]).fails(3);
    assert!(unknown.contains("archived is 2024-05-01, 2024-05-03"), "{unknown}");
    assert!(archive(&bench, "restore", &["--db", "s", "--bucket", "2024-05"]).ok().contains("2 partitions restored"));
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "s"]).ok(), before);
    assert_eq!(archive(&bench, "list", &[]).ok(), "no archives\n");
}

#[test]
fn a_damaged_archive_is_reported() {
    let bench = may("archive");
    maintain(&bench, &["--trust-clock"]).ok();
    let path = bench.path("root/s/archive-2024-05.tar");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..700]).unwrap();
    let run = archive(&bench, "list", &[]);
    let e = run.fails(1);
    assert!(e.contains("archive-2024-05.tar") && !e.contains("numeric"), "{e}");
    let problems = bench.run(&["verify", "--root", "root", "--json"]);
    assert_eq!(problems.code, 1, "{}", problems.stdout);
    set(&bench, "retention_action", "\"keep\"");
    assert!(archive(&bench, "restore", &["--db", "s", "--bucket", "2024-05"]).fails(1).contains("archive-2024-05.tar"));
}

#[test]
fn of_a_bucket_all_is_restored_that_can_be() {
    let bench = may("archive");
    maintain(&bench, &["--trust-clock"]).ok();
    set(&bench, "retention_action", "\"keep\"");
    // The first day has files again, the second is damaged in the archive.
    bench.import("root", "s/other 1 2024-05-01 12:00:00\n");
    let path = bench.path("root/s/archive-2024-05.tar");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(19).position(|name| name == b"data-2024-05-02.dat").unwrap();
    bytes[at + 512 + 40] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let run = archive(&bench, "restore", &["--db", "s", "--bucket", "2024-05"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains("2024-05-03") && !run.stdout.contains("2024-05-02"), "{}", run.stdout);
    assert!(run.stdout.contains("1 partition restored, 2 stay in the archive"), "{}", run.stdout);
    assert!(run.stderr.contains("2024-05-01") && run.stderr.contains("2024-05-02"), "{}", run.stderr);
    assert!(data_files(&bench).contains(&"data-2024-05-03.dat".to_owned()));
    let run = archive(&bench, "restore", &["--db", "s", "--bucket", "2024-05", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, report["restored"].as_array().unwrap().len()), (1, 0), "{report}");
    assert_eq!(report["refused"][1]["partition"], "2024-05-02", "{report}");
    archive(&bench, "restore", &["--db", "s", "--part", "2024-05-02"]).fails(1);
}

#[test]
fn a_database_that_cannot_be_opened_is_told() {
    let bench = may("delete");
    bench.import("root", "good/a 1 1000\n");
    set(&bench, "retention_days", "0");
    for args in [&["maintain"][..], &["maintain", "--dry-run"], &["rollup"]] {
        let run = bench.run(&[args, &["--root", "root"]].concat());
        assert_eq!(run.code, 1, "{args:?}: {}", run.stdout);
        let expected = "nanocli: database \"s\": root/s/manifest.toml: retention.retention_days = 0: accepted";
        assert_eq!(run.stderr.matches(expected).count(), 1, "{args:?}: {}", run.stderr);
        let run = bench.run(&[args, &["--root", "root", "--json"]].concat());
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(run.code == 1 && report["errors"][0].as_str().unwrap().contains("retention_days"), "{report}");
    }
    assert!(maintain(&bench, &[]).stdout.contains("good"), "the others have their turn");
    maintain(&bench, &["--db", "good"]).ok();
    let e = bench.run(&["query", "--root", "root", "--db", "s", "--metric", "."]).fails(1);
    assert!(e.contains("database \"s\" cannot be opened: root/s/manifest.toml") && !e.contains("read-only"), "{e}");
}

#[test]
fn metric_files_are_built_where_engine_toml_says_so() {
    let bench = may("keep");
    maintain(&bench, &[]).ok();
    assert_eq!(data_files(&bench).len(), 3);
    std::fs::write(bench.path("root/engine.toml"), "[metrics]\nenabled = true\nraw_ingest_action = \"delete\"\n")
        .unwrap();
    let plan = maintain(&bench, &["--dry-run", "--json"]).json();
    assert_eq!(plan["databases"][0]["build"], serde_json::json!(["2024-05-01", "2024-05-02", "2024-05-03"]));
    let done = maintain(&bench, &["--db", "s", "--json"]).json();
    assert_eq!(done["databases"][0]["built"].as_array().unwrap().len(), 3, "{done}");
    assert_eq!(data_files(&bench), ["metric-2024-05-01.dat", "metric-2024-05-02.dat", "metric-2024-05-03.dat"]);
    let plan = maintain(&bench, &["--dry-run", "--json"]).json();
    assert_eq!(plan["databases"][0]["build"], serde_json::json!([]));
}

#[test]
fn wrong_arguments_are_told() {
    let bench = may("delete");
    assert!(maintain(&bench, &["--db", "nope"]).fails(3).contains("it holds s"));
    assert!(bench.run(&["maintain", "--root", "nowhere"]).fails(3).contains("--root"));
    let e = archive(&bench, "restore", &["--db", "s"]).fails(2);
    assert!(e.contains("--part") && e.contains("--bucket"), "{e}");
    let e = archive(&bench, "restore", &["--db", "s", "--part", "x"]).fails(3);
    assert!(e.contains("it has none") && !e.contains("nothing"), "{e}");
    assert!(archive(&bench, "restore", &["--db", "s", "--part", "x", "--bucket", "y"]).fails(2).contains("--bucket"));
    assert!(archive(&bench, "restore", &["--db", "nope", "--part", "x"]).fails(3).contains("it holds s"));
    for command in [&["maintain", "--help"][..], &["archive", "restore", "--help"], &["archive", "list", "--help"]] {
        assert!(bench.run(command).ok().contains("Examples:"));
    }
}
