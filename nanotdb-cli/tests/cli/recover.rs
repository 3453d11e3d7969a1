//! `nanocli recover`: what is saved, what is told, and what is left alone.

use crate::build::three_days;
use crate::helpers::Bench;
use crate::samples::files::snapshot;

fn damage(bench: &Bench, file: &str, at: usize) {
    let path = bench.path(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_page_is_told_and_the_rest_is_saved() {
    let bench = three_days();
    damage(&bench, "root/s/data-2024-05-21.dat", 100);
    let before = snapshot(&bench.path("root"));
    let run = bench.run(&["recover", "--root", "root", "--out", "new", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let lost = &report["lost"][0];
    assert_eq!(
        (&lost["file"], &lost["samples"], &lost["from"]),
        (&"s/data-2024-05-21.dat".into(), &600.into(), &0.into())
    );
    assert_eq!(lost["first_ns"], 1_716_249_600_000_000_000_i64, "2024-05-21 00:00:00");
    assert_eq!((&report["databases"][0]["samples"], &report["problems"]), (&1_200.into(), &serde_json::json!([])));
    assert!(before == snapshot(&bench.path("root")), "the source was written");
    bench.run(&["verify", "--root", "new"]).ok();
    let text = bench.run(&["export", "--root", "new", "--db", "s"]).ok();
    assert_eq!(text.lines().count(), 1_200);
    assert!(!text.contains("2024-05-21"));
    let run = bench.run(&["recover", "--root", "root", "--out", "again"]);
    assert!(run.stdout.contains("LOST:\n") && run.stdout.contains("2024-05-21 00:00:00"), "{}", run.stdout);
}

#[test]
fn nothing_is_lost_where_the_samples_are_in_a_metric_file_too() {
    let bench = three_days();
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).ok();
    let before = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    damage(&bench, "root/s/data-2024-05-21.dat", 100);
    damage(&bench, "root/s/metric-2024-05-22.dat", 100);
    let text = bench.run(&["recover", "--root", "root", "--out", "new"]).ok();
    assert!(
        text.contains("DAMAGED BUT SAVED:\n") && text.ends_with("checked: no problems; nothing is lost\n"),
        "{text}"
    );
    assert_eq!(bench.run(&["export", "--root", "new", "--db", "s"]).ok(), before);
}

#[test]
fn a_root_without_catalog_and_with_a_bad_configuration_is_saved() {
    let bench = three_days();
    std::fs::remove_file(bench.path("root/s/catalog.json")).unwrap();
    std::fs::write(bench.path("root/engine.toml"), "[engine\n").unwrap();
    let run = bench.run(&["recover", "--root", "root", "--out", "new"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains("engine.toml") && run.stdout.contains("recovered.metric_1"), "{}", run.stdout);
    let text = bench.run(&["export", "--root", "new", "--db", "s"]).ok();
    assert_eq!(text.lines().filter(|line| line.starts_with("s/recovered.metric_")).count(), 1_800);
    assert!(text.contains(" 0i 2024-05-20") && text.contains(" 0.5 2024-05-20"), "types are told by the values");
}

#[test]
fn wrong_targets_are_refused() {
    let bench = three_days();
    let before = snapshot(&bench.path(""));
    assert!(bench.run(&["recover", "--root", "root", "--out", "root/x"]).fails(2).contains("lies within"));
    assert!(bench.run(&["recover", "--root", "root", "--out", "."]).fails(2).contains("is not empty"));
    bench.run(&["recover", "--root", "absent", "--out", "x"]).fails(3);
    assert!(bench.run(&["recover", "--root", "root", "--db", "t", "--out", "x"]).fails(3).contains("it holds s"));
    assert!(before == snapshot(&bench.path("")), "something was written");
}
