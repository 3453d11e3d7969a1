//! `nanocli db`, `manifest check` and `compact`.

use crate::build::three_days;
use crate::helpers::Bench;
use crate::samples::files::snapshot;

#[test]
fn a_database_is_created_with_its_settings_renamed_and_dropped() {
    let bench = Bench::new();
    bench.import("root", "other/a 1 1000\n");
    let create = ["db", "create", "--root", "root", "house", "--partition", "month", "--codec", "zstd_fastest"];
    let more = ["--retention-days", "30", "--retention-action", "delete"];
    bench.run(&[&create[..], &more[..]].concat()).ok();
    let manifest = std::fs::read_to_string(bench.path("root/house/manifest.toml")).unwrap();
    for line in
        ["partition = \"month\"", "codec = \"zstd_fastest\"", "retention_days = 30", "retention_action = \"delete\""]
    {
        assert!(manifest.contains(line), "{line} in {manifest}");
    }
    assert!(bench.run(&["db", "create", "--root", "root", "house"]).fails(2).contains("exists already"));
    bench.import("root", "house/temp 21.5 2026-05-24 12:00:00\n");
    assert!(bench.path("root/house/data-2026-05.dat").exists());
    let before = bench.run(&["query", "--root", "root", "--db", "house", "--metric", "."]).ok();
    bench.run(&["db", "rename", "--root", "root", "house", "home"]).ok();
    assert!(!bench.path("root/house").exists());
    assert_eq!(bench.run(&["query", "--root", "root", "--db", "home", "--metric", "."]).ok(), before);
    let list = bench.run(&["db", "list", "--root", "root", "--json"]).json();
    let names: Vec<_> = list["databases"].as_array().unwrap().iter().map(|d| d["name"].clone()).collect();
    assert_eq!(names, ["home", "other"]);
    assert_eq!(list["databases"][0]["partitions"], serde_json::json!(["2026-05"]));
    let e = bench.run(&["db", "drop", "--root", "root", "home"]).fails(2);
    assert!(e.contains("--yes") && bench.path("root/home").exists(), "{e}");
    assert_eq!(bench.run(&["db", "drop", "--root", "root", "home", "--yes"]).ok(), "removed home\n");
    assert!(!bench.path("root/home").exists());
    bench.run(&["verify", "--root", "root"]).ok();
}

#[test]
fn of_a_database_that_is_a_link_the_link_is_dropped() {
    let bench = Bench::new();
    bench.import("root", "a/x 1 1000\nb/x 1 1000\n");
    std::fs::rename(bench.path("root/a"), bench.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", bench.path("root/a")).unwrap();
    // A link inside of one is not followed either, and one that leads nowhere is in nobody's way.
    std::fs::create_dir(bench.path("other")).unwrap();
    bench.file("other/kept", "");
    std::os::unix::fs::symlink("../../other", bench.path("root/b/link")).unwrap();
    std::os::unix::fs::symlink("nowhere", bench.path("root/b/broken")).unwrap();
    let before = snapshot(&bench.path("elsewhere"));
    for name in ["a", "b"] {
        assert_eq!(bench.run(&["db", "drop", "--root", "root", name, "--yes"]).ok(), format!("removed {name}\n"));
    }
    assert!(before == snapshot(&bench.path("elsewhere")) && bench.path("other/kept").exists());
    let left: Vec<_> = std::fs::read_dir(bench.path("root")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == ".lock" || name == "engine.toml"), "{left:?}");
}

#[test]
fn a_link_that_an_interrupted_command_left_is_in_nobodys_way() {
    let bench = Bench::new();
    bench.import("root", "a/x 1 1000\n");
    std::fs::create_dir(bench.path("elsewhere")).unwrap();
    bench.file("elsewhere/kept", "");
    std::os::unix::fs::symlink("../elsewhere", bench.path("root/.dropped-a")).unwrap();
    bench.run(&["db", "drop", "--root", "root", "a", "--yes"]).ok();
    assert!(!bench.path("root/a").exists() && !bench.path("root/.dropped-a").exists());
    assert!(bench.path("elsewhere/kept").exists());
}

#[test]
fn rename_takes_samples_that_are_in_the_log_alone_along() {
    let bench = Bench::new();
    let server = crate::helpers::Server::start(&bench, "root");
    crate::snapshot::post(&server, "house/temp 21.5 1715000000000000000\nhouse/temp 22.5 1715000001000000000\n", 2);
    drop(server);
    assert!(std::fs::metadata(bench.path("root/house/house.wal")).unwrap().len() > 0);
    bench.run(&["db", "rename", "--root", "root", "house", "home"]).ok();
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "home"]).ok().lines().count(), 2);
    bench.run(&["verify", "--root", "root"]).ok();
}

#[test]
fn wrong_names_locks_and_references_are_refused() {
    let bench = Bench::new();
    bench.import("root", "raw/a 1 1000\nhours/a.avg 1 1000\n");
    let path = bench.path("root/raw/manifest.toml");
    let toml = "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"h\"\nsource_metric = \"a\"\ninterval = \"1h\"\n\
                aggregates = [\"avg\"]\ndestination_db = \"hours\"\n";
    std::fs::write(&path, toml).unwrap();
    let before = snapshot(&bench.path("root"));
    for args in
        [&["db", "drop", "--root", "root", "hours", "--yes"][..], &["db", "rename", "--root", "root", "hours", "h"]]
    {
        let e = bench.run(args).fails(2);
        assert!(e.contains("raw/manifest.toml: rollups.jobs \"h\": destination_db") && e.contains("--force"), "{e}");
    }
    for name in ["../x", ".hidden", "a/b", ""] {
        bench.run(&["db", "create", "--root", "root", name]).fails(2);
    }
    bench.run(&["db", "create", "--root", "root", "x", "--partition", "week"]).fails(2);
    let e = bench.run(&["db", "create", "--root", "root", "x", "--retention-days", "-1"]).fails(2);
    assert!(e.contains("invalid value '-1' for '--retention-days <DAYS>'"), "{e}");
    bench
        .run(&["db", "create", "--root", "root", "x", "--retention-days", "0", "--retention-action", "delete"])
        .fails(2);
    assert!(bench.run(&["db", "drop", "--root", "root", "none", "--yes"]).fails(3).contains("hours, raw"));
    bench.run(&["db", "rename", "--root", "root", "raw", "hours"]).fails(2);
    let lock = std::fs::OpenOptions::new().append(true).open(bench.path("root/.lock")).unwrap();
    lock.lock().unwrap();
    bench.run(&["db", "create", "--root", "root", "x"]).fails(4);
    bench.run(&["db", "list", "--root", "root"]).ok();
    drop(lock);
    let after = snapshot(&bench.path("root"));
    let data = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        files.clone().into_iter().filter(|(path, _)| !path.ends_with(".lock")).collect::<Vec<_>>()
    };
    assert!(data(&before) == data(&after), "something was written");
    let run = bench.run(&["db", "drop", "--root", "root", "hours", "--yes", "--force"]);
    assert!(run.stderr.contains("still names it") && run.code == 0, "{}", run.stderr);
}

#[test]
fn every_mistake_in_every_file_is_told() {
    let bench = Bench::new();
    bench.import("root", "a/x 1 1000\nb/x 1 1000\nc/x 1 1000\n");
    assert_eq!(bench.run(&["manifest", "check", "--root", "root"]).ok(), "3 files: 0 errors, 0 warnings\n");
    let write = |path: &str, text: &str| std::fs::write(bench.path(path), text).unwrap();
    write(
        "root/engine.toml",
        "[engine]\nlisten = \"nowhere\"\n[wal]\nfsync_policy = \"often\"\nfsync_polcy = \"always\"\n",
    );
    let a = "[retention]\npartition = \"week\"\nretention_days = -1\n[page]\ncodec = \"zip\"\n[rollups]\nenabled = true\n\
             default_aggregates = [\"avg\", \"median_of_medians\"]\n\
             [[rollups.jobs]]\nid = \"one\"\ninterval = \"1h\"\ndestination_db = \"d\"\n\
             [[rollups.jobs]]\nid = \"two\"\nsource_metric = \"x\"\ninterval = \"soon\"\ndestination_db = \"../d\"\n";
    write("root/a/manifest.toml", a);
    write("root/b/manifest.toml", "[retention\n");
    write(
        "root/c/manifest.toml",
        "[rollups]\nenabled = true\n[retention]\nretention_days = 1\npartition = \"month\"\n",
    );
    let before = snapshot(&bench.path("root"));
    let run = bench.run(&["manifest", "check", "--root", "root", "--json"]);
    assert_eq!(run.code, 1);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let keys = |kind: &str, file: &str| -> Vec<String> {
        let all = report[kind].as_array().unwrap().iter().filter(|f| f["file"] == file);
        let mut keys: Vec<_> = all.map(|f| f["key"].as_str().unwrap_or("-").to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys("errors", "engine.toml"), ["engine.listen", "wal.fsync_policy"], "{report}");
    assert_eq!(
        keys("errors", "a/manifest.toml"),
        [
            "page.codec",
            "retention.partition",
            "retention.retention_days",
            "rollups.default_aggregates",
            "rollups.jobs[0].source_metric",
            "rollups.jobs[1].destination_db",
            "rollups.jobs[1].interval",
        ],
        "{report}"
    );
    assert_eq!(keys("errors", "b/manifest.toml"), ["-"], "{report}");
    assert_eq!(keys("errors", "c/manifest.toml"), Vec::<String>::new());
    assert_eq!(keys("warnings", "c/manifest.toml"), ["retention.partition", "rollups.enabled"], "{report}");
    assert!(report["warnings"].to_string().contains("did you mean wal.fsync_policy"), "{report}");
    assert!(before == snapshot(&bench.path("root")));
    let text = bench.run(&["manifest", "check", "--root", "root", "--db", "b"]);
    assert!(text.stdout.contains("b/manifest.toml: error: line 1"), "{}", text.stdout);
}

#[test]
fn a_job_without_aggregates_is_whole() {
    let bench = Bench::new();
    bench.import("root", "a/x 1 1000\n");
    let toml = "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"one\"\nsource_metric = \"x\"\ninterval = \"1h\"\n\
                destination_db = \"d\"\n";
    std::fs::write(bench.path("root/a/manifest.toml"), toml).unwrap();
    assert!(bench.run(&["manifest", "check", "--root", "root"]).ok().contains("0 errors, 0 warnings"));
    bench.run(&["rollup", "--root", "root"]).ok();
    let metrics = bench.run(&["inspect", "catalog", "--root", "root", "--db", "d"]).ok();
    assert!(["x.min", "x.max", "x.sum", "x.avg", "x.count"].iter().all(|name| metrics.contains(name)), "{metrics}");
}

#[test]
fn one_mistake_hides_no_other() {
    let bench = Bench::new();
    bench.import("root", "a/x 1 1000\n");
    let write = |path: &str, text: &str| std::fs::write(bench.path(path), text).unwrap();
    write(
        "root/engine.toml",
        "colour = \"red\"\n[engine]\nlisten = 8428\n[wal]\nfsync_interval = \"0s\"\n[stats]\ninterval = \"soon\"\n\
         [limits]\nmax_databases = 0\n[[logging.logger]]\noutput = \"console\"\nlevel = \"loud\"\n\
         [[logging.logger]]\nlevel = \"info\"\n[metrics]\nformat = \"v9\"\ncompression = \"zip\"\n\
         raw_ingest_action = \"burn\"\n[defaults]\ndatabases = [\"../x\"]\n",
    );
    let job = |id: &str, more: &str| format!("[[rollups.jobs]]\nid = \"{id}\"\ndestination_db = \"d\"\n{more}\n");
    let manifest = [
        "[rollups]\nenabled = true\ncheckpoint_file = \"catalog.json\"\n".to_owned(),
        job("one", "source_metric = \"x\"\ninterval = \"1h\"\naggregates = [\"foo\"]"),
        job("one", "source_metric = \"x\"\ninterval = \"1h\""),
        job("three", "source_pattern = \"a b\"\ninterval = 5"),
    ];
    write("root/a/manifest.toml", &manifest.concat());
    let run = bench.run(&["manifest", "check", "--root", "root", "--json"]);
    assert_eq!(run.code, 1);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let keys = |file: &str| -> Vec<String> {
        let all = report["errors"].as_array().unwrap().iter().filter(|f| f["file"] == file);
        all.map(|f| f["key"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(
        keys("engine.toml"),
        [
            "engine.listen",
            "wal.fsync_interval",
            "stats.interval",
            "limits.max_databases",
            "logging.logger[0].level",
            "logging.logger[1].output",
            "metrics.format",
            "metrics.raw_ingest_action",
            "defaults.databases",
            "metrics.compression",
        ],
        "{report}"
    );
    assert_eq!(
        keys("a/manifest.toml"),
        [
            "rollups.checkpoint_file",
            "rollups.jobs[1].id",
            "rollups.jobs[2].source_pattern",
            "rollups.jobs[2].interval",
            "rollups.jobs[0].aggregates",
        ],
        "{report}"
    );
    assert!(report["warnings"].to_string().contains("colour"), "{report}");
}

#[test]
fn small_frames_are_merged_and_told() {
    let bench = Bench::new();
    for at in 0..6 {
        bench.import("root", &format!("s/a {at}i 2024-05-20 0{at}:00:00\ns/b {at}.5 2024-05-20 0{at}:00:00\n"));
    }
    let before = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    let files = snapshot(&bench.path("root/s"));
    let plan = bench.run(&["compact", "--root", "root", "--db", "s", "--dry-run"]).ok();
    assert!(plan.contains("1 file would be written anew"), "{plan}");
    assert!(files == snapshot(&bench.path("root/s")));
    let done = bench.run(&["compact", "--root", "root", "--db", "s", "--json"]).json();
    let file = &done["files"][0];
    assert_eq!((&file["frames_before"], &file["frames_after"], &file["samples"]), (&6.into(), &1.into(), &12.into()));
    assert_eq!(file["bytes_after"], std::fs::metadata(bench.path("root/s/data-2024-05-20.dat")).unwrap().len());
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "s"]).ok(), before);
    assert_eq!(bench.run(&["compact", "--root", "root", "--db", "s"]).ok(), "nothing to merge\n");
    bench.run(&["verify", "--root", "root"]).ok();
    bench.run(&["compact", "--root", "root", "--db", "t"]).fails(3);
    bench.run(&["compact", "--root", "root", "--db", "s", "--part", "2024-05-21"]).fails(3);
}

#[test]
fn a_damaged_partition_is_not_compacted_and_the_others_are() {
    let bench = three_days();
    bench.import("root", "s/temp.out 1.5 2024-05-22 10:00:00\ns/temp.out 1.5 2024-05-22 11:00:00\n");
    let path = bench.path("root/s/data-2024-05-21.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    bytes.extend_from_slice(&bytes.clone());
    std::fs::write(&path, &bytes).unwrap();
    let run = bench.run(&["compact", "--root", "root", "--db", "s"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("s/data-2024-05-22.dat") && run.stdout.contains("1 file written anew"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("2024-05-21"), "{}", run.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
