use crate::helpers::Bench;

#[test]
fn help_texts_have_examples_and_fit() {
    let bench = Bench::new();
    let commands: [&[&str]; 7] =
        [&[], &["import"], &["export"], &["query"], &["inspect"], &["verify"], &["inspect", "wal"]];
    for command in commands {
        let help = bench.run(&[command, &["--help"]].concat()).ok();
        assert!(help.contains("Usage: nanocli"), "{help}");
        // clap wraps at 100 columns when nobody watches; a line that it had to break would look ragged.
        let examples = help.lines().skip_while(|l| !l.contains("Examples:"));
        assert!(examples.clone().all(|l| l.chars().count() <= 100), "{help}");
        assert!(!examples.map(str::trim).any(|l| l.starts_with("--end") || l.starts_with("--format")), "{help}");
        if command.len() < 2 {
            assert!(help.contains("Examples:"), "{command:?}: {help}");
        }
    }
}

#[test]
fn version_goes_to_standard_output() {
    let text = Bench::new().run(&["--version"]).ok();
    assert_eq!(text, format!("nanocli {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_errors_are_2_and_missing_things_3() {
    let bench = Bench::new();
    bench.import("root", "d/a 1 1000\n");
    assert!(bench.run(&["frobnicate"]).fails(2).contains("frobnicate"));
    assert!(bench.run(&["export", "--root", "root"]).fails(2).contains("--db"));
    let backwards = ["export", "--root", "root", "--db", "d", "--start", "2026-05-25", "--end", "2026-05-24"];
    assert!(bench.run(&backwards).fails(2).contains("--start"));
    assert!(bench.run(&["query", "--root", "root", "--db", "d", "--metric", "a["]).fails(2).contains("--metric"));

    let root = bench.run(&["export", "--root", "absent", "--db", "d"]).fails(3);
    assert!(root.contains("absent") && root.contains("--root"), "{root}");
    assert!(!bench.path("absent").exists());
    let default = bench.run(&["export", "--db", "d"]).fails(3);
    assert!(default.contains("nanotdb-data"), "{default}");
    let database = bench.run(&["export", "--root", "root", "--db", "nope"]).fails(3);
    assert!(database.contains("it holds d"), "{database}");
    let metric = bench.run(&["query", "--root", "root", "--db", "d", "--metric", "zzz"]).fails(3);
    assert!(metric.contains("zzz"), "{metric}");
}

/// Scripts that were written for the original's programs, whose options have one dash.
#[test]
fn options_with_one_dash_are_taken() {
    let bench = Bench::new();
    bench.import("root", "d/a 1 1715000000000000000\n");
    let two = bench.run(&["query", "--root", "root", "--db", "d", "--metric", "a", "--last"]).ok();
    let one = bench.run(&["query", "-root", "root", "-db=d", "-metric", "a", "-last"]).ok();
    assert!(two.contains("2024-05-06 12:53:20") && one == two, "{one}");
    // A time that begins with a dash is one.
    let ahead = bench.run(&["query", "-root", "root", "-db", "d", "-metric", "a", "-start", "-20s"]).ok();
    assert!(!ahead.contains("2024-05-06"), "{ahead}");
    assert!(bench.run(&["query", "-rot", "root"]).fails(2).contains("-r"));
}

#[test]
fn errors_leave_standard_output_empty() {
    let bench = Bench::new();
    for args in [&["export", "--root", "absent", "--db", "d"][..], &["query", "--db", "d", "--metric", "."], &["nope"]]
    {
        let run = bench.run(args);
        assert_ne!(run.code, 0);
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn plugins_are_listed_with_ids() {
    let bench = Bench::new();
    let json = bench.run(&["plugins", "--json"]).json();
    let plugins = json["plugins"].as_array().unwrap();
    let has = |kind: &str, name: &str| plugins.iter().any(|p| p["kind"] == kind && p["name"] == name);
    assert!(has("codec", "s2") && has("partition", "day"), "{json}");
    assert!(has("ingest format", "line_protocol") && has("aggregate", "p95"), "{json}");
    let s2 = plugins.iter().find(|p| p["name"] == "s2").unwrap();
    assert_eq!(s2["id"], 1);
    assert!(bench.run(&["plugins"]).ok().starts_with("KIND"));
}

#[test]
fn the_log_goes_to_its_file() {
    let bench = Bench::new();
    let input = bench.file("input.lp", "d/a 1\n");
    bench.run(&["import", "--root", "root", "--in", &input, "--log-file", "cli.log", "--log-level", "debug"]).ok();
    assert!(bench.path("cli.log").exists());
    assert!(bench.run(&["plugins", "--log-file", "no/such/dir/cli.log"]).fails(1).contains("--log-file"));
}
