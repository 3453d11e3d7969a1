use crate::helpers::Bench;
use crate::samples::files::snapshot;

/// All four types, equal timestamps within and across metrics, late starters, several days, and values at the edges.
fn mixed_lines() -> String {
    let mut out = String::from("# type mix/wide.f float64\n# type mix/wide.i int64\n");
    let start: i64 = 1_779_580_800; // 2026-05-24 00:00:00 UTC
    for i in 0..2_000_i64 {
        let at = format!("{}{:09}", start + i * 97, i);
        out += &format!("mix/room.temp {}.5 {at}\n", i % 40 - 10);
        out += &format!("mix/counter {i}i {at}\n");
        if i % 3 == 0 {
            out += &format!("mix/wide.i {}i {at}\n", 9_000_000_000 + i);
            out += &format!("mix/wide.f {}.0625 {at}\n", i * 1_000_003);
        }
        if i > 1_000 {
            out += &format!("mix/late 48.0 {at}\nmix/late {}.0 {at}\n", i % 7);
        }
    }
    out += "mix/extremes -2147483648i 1779580800000000000\nmix/extremes 2147483647i 1779580800000000000\n";
    out += "mix/tiny 0.0000001 1779580800000000000\nmix/tiny -0.0 1779580800000000001\n";
    out
}

#[test]
fn export_import_export_is_byte_identical() {
    let bench = Bench::new();
    let lines = mixed_lines();
    bench.import("one", &lines);
    let first = bench.run(&["export", "--root", "one", "--db", "mix"]).ok();
    let samples = lines.lines().filter(|l| !l.starts_with('#')).count();
    assert_eq!(first.lines().filter(|l| !l.starts_with('#')).count(), samples);
    assert!(first.starts_with("# type mix/wide.f float64\n# type mix/wide.i int64\n"), "{}", &first[..200]);
    let imported = bench.run_with_input(&["import", "--root", "two", "--in", "-", "--json"], &first).json();
    assert_eq!(imported["accepted"], samples);
    assert_eq!(imported["rejected"], 0);
    let second = bench.run(&["export", "--root", "two", "--db", "mix"]).ok();
    assert!(first == second, "the second export differs");
}

/// Number 17 of the known ways to lose data.
#[test]
fn r17_exported_lines_keep_types_and_come_in_time_order() {
    let bench = Bench::new();
    bench.import("root", "d/b 48.0 1779624000000000000\nd/b 1.5 1779624001000000000\nd/a 256i 1779624000000000000\n");
    let expected = "\
d/a 256i 2026-05-24 12:00:00.000000000
d/b 48.0 2026-05-24 12:00:00.000000000
d/b 1.5 2026-05-24 12:00:01.000000000
";
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "d"]).ok(), expected);
    let one =
        bench.run(&["export", "--root", "root", "--db", "d", "--metric", "^b$", "--start", "2026-05-24 12:00:01"]);
    assert_eq!(one.ok(), "d/b 1.5 2026-05-24 12:00:01.000000000\n");
}

#[test]
fn a_metric_that_widened_stays_int64_through_the_round_trip() {
    let bench = Bench::new();
    bench.import("one", "d/bytes 5i 1000000000000000000\nd/bytes 5000000000i 1000000000000000001\n");
    let text = bench.run(&["export", "--root", "one", "--db", "d"]).ok();
    assert!(text.starts_with("# type d/bytes int64\n"), "{text}");
    bench.run_with_input(&["import", "--root", "two", "--in", "-"], &text).ok();
    assert_eq!(bench.run(&["export", "--root", "two", "--db", "d"]).ok(), text);
}

/// A name that became float64 has a second id, which is nothing that people count.
#[test]
fn a_metric_that_widened_is_one_metric() {
    let bench = Bench::new();
    // int32 and int64 go by one id, float64 has its own; another metric stays what it is.
    for lines in [
        "d/a 5i 1000000000000000000\nd/b 1i 1000000000000000000\n",
        "d/a 5000000000i 1000000000000000001\n",
        "d/a 0.5 1000000000000000002\n",
    ] {
        bench.import("one", lines);
    }
    for root in ["one", "two"] {
        let json = bench.run(&["inspect", "db", "--root", root, "--json"]).ok();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["databases"][0]["metrics"], &json["databases"][0]["ids"]), (&2.into(), &3.into()), "{json}");
        let text = bench.run(&["inspect", "db", "--root", root]).ok();
        assert!(text.lines().nth(1).unwrap().starts_with("d         2 (3 ids)"), "{text}");
        let text = bench.run(&["inspect", "catalog", "--root", root]).ok();
        assert!(text.starts_with("d: 2 metrics (3 ids)\n"), "{text}");
        let listed = bench.run(&["db", "list", "--root", root, "--json"]).ok();
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["databases"][0]["metrics"], 2, "{listed}");
        if root == "one" {
            let report = bench.run(&["recover", "--root", "one", "--out", "two", "--json"]).ok();
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["databases"][0]["metrics"], 2, "{report}");
        }
    }
}

#[test]
fn compressed_files_go_out_and_come_in() {
    let bench = Bench::new();
    bench.import("one", &mixed_lines());
    let plain = bench.run(&["export", "--root", "one", "--db", "mix"]).ok();
    for name in ["mix.lp.gz", "mix.lp.zst"] {
        bench.run(&["export", "--root", "one", "--db", "mix", "--out", name]).ok();
        assert!(std::fs::metadata(bench.path(name)).unwrap().len() < plain.len() as u64 / 2);
        bench.run(&["import", "--root", name.rsplit('.').next().unwrap(), "--in", name]).ok();
    }
    for root in ["gz", "zst"] {
        assert!(bench.run(&["export", "--root", root, "--db", "mix"]).ok() == plain, "{root} differs");
    }
}

#[test]
fn bad_lines_are_listed_and_the_good_ones_stored() {
    let bench = Bench::new();
    let input = bench.file("bad.lp", "d/a 1\nnonsense\nd/a x\nd/a 2\n");
    let run = bench.run(&["import", "--root", "root", "--in", &input]);
    assert!(run.stdout.contains("2 samples accepted, 2 lines rejected"), "{}", run.stdout);
    let errors = run.fails(1);
    assert!(errors.contains("bad.lp:2: ") && errors.contains("bad.lp:3: "), "{errors}");
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "d"]).ok().lines().count(), 2);

    let run = bench.run(&["import", "--root", "other", "--in", &input, "--json"]);
    assert_eq!(run.code, 1);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["accepted"], &json["rejected"]), (&2.into(), &2.into()));
    assert_eq!(json["errors"][0]["line"], 2);
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("directory")).unwrap();
    bench.file("fake.lp.zst", "d/a 1 1000\n");
    bench.file("fake.lp.gz", "d/a 1 1000\n");
    bench.file("fake.csv.gz", "time,a\n1,2\n");
    for (command, name) in [
        (&["import"][..], "directory"),
        (&["import"], "fake.lp.zst"),
        (&["import"], "fake.lp.gz"),
        (&["csv", "--db", "d"], "fake.csv.gz"),
    ] {
        let e = bench.run(&[command, &["--root", "root", "--in", name]].concat()).fails(2);
        assert!(e.contains(&format!("--in {name}: the input cannot be read: ")), "{e}");
    }
}

#[test]
fn what_the_system_says_is_said_once() {
    let bench = Bench::new();
    bench.file("root", "");
    let e = bench.run(&["csv", "--root", "root/below", "--db", "d", "--in", "-"]).fails(1);
    assert_eq!(e.matches("os error").count(), 1, "{e}");
}

#[test]
fn the_limit_on_a_line_has_its_name() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("root")).unwrap();
    std::fs::write(bench.path("root/engine.toml"), "[limits]\nmax_line_bytes = 50\n").unwrap();
    let line = format!("d/{} 1\n", "a".repeat(60));
    let run = bench.run_with_input(&["import", "--root", "root", "--in", "-"], &line);
    let e = run.fails(1);
    assert!(e.contains("line is longer than 50 bytes") && e.contains("limits.max_line_bytes"), "{e}");
}

#[test]
fn a_wrong_import_leaves_no_directory_behind() {
    let bench = Bench::new();
    bench.run(&["import", "--root", "new", "--in", "missing.lp"]).fails(3);
    let known = bench.run(&["import", "--root", "new", "--in", "-", "--format", "nope"]).fails(2);
    assert!(known.contains("line_protocol"), "{known}");
    assert!(!bench.path("new").exists());
}

#[test]
fn an_export_of_a_locked_root_works_and_an_import_does_not() {
    let bench = Bench::new();
    bench.import("root", "d/a 1 1000\n");
    let lock = std::fs::OpenOptions::new().create(true).append(true).open(bench.path("root/.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "d"]).ok().lines().count(), 1);
    let input = bench.file("more.lp", "d/a 2\n");
    bench.run(&["import", "--root", "root", "--in", &input]).fails(4);
}

#[test]
fn export_to_a_closed_pipe_is_quiet() {
    let bench = Bench::new();
    bench.import("root", &mixed_lines());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("nanocli"))
        .args(["export", "--root", bench.path("root").to_str().unwrap(), "--db", "mix"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn an_export_file_appears_whole_or_not_at_all() {
    let bench = Bench::new();
    bench.import("root", "d/a 1 1000\n");
    let before = snapshot(&bench.path("root"));
    bench.run(&["export", "--root", "root", "--db", "d", "--out", "no/such/dir/x.lp"]).fails(1);
    bench.run(&["export", "--root", "root", "--db", "d", "--out", "x.lp"]).ok();
    assert!(bench.path("x.lp").exists() && !bench.path("x.lp.partial").exists());
    assert_eq!(before, snapshot(&bench.path("root")));
}
