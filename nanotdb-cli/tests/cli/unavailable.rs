//! A database that cannot be opened: every command says why, once.

use super::helpers::Bench;

/// Two databases, of which one has a manifest that is no TOML.
fn bench() -> Bench {
    let bench = Bench::new();
    let lines = "bad/a 1 2024-05-06 12:00:00\ngood/a 1 2024-05-06 12:00:00\n";
    bench.run_with_input(&["import", "--root", "data", "--in", "-"], lines).ok();
    std::fs::write(bench.path("data/bad/manifest.toml"), "[page\n").unwrap();
    bench
}

#[test]
fn why_a_database_cannot_be_opened_is_said_once_by_every_command() {
    let bench = bench();
    const REASON: &str = "manifest.toml: line 1";
    for (arguments, code) in [
        (&["verify", "--root", "data"][..], 1),
        (&["verify", "--root", "data", "--db", "bad"], 1),
        (&["export", "--root", "data", "--db", "bad"], 1),
        (&["query", "--root", "data", "--db", "bad", "--metric", "a"], 1),
        (&["inspect", "db", "--root", "data"], 0),
        (&["db", "list", "--root", "data"], 0),
        (&["maintain", "--root", "data"], 1),
        (&["maintain", "--root", "data", "--dry-run"], 1),
        (&["rollup", "--root", "data"], 1),
        (&["archive", "list", "--root", "data"], 1),
        (&["acknowledge", "--root", "data"], 0),
        (&["acknowledge", "--root", "data", "--db", "bad"], 1),
        (&["compact", "--root", "data", "--db", "bad"], 1),
        (&["convert", "--root", "data", "--to", "original", "--out", "converted"], 1),
    ] {
        let run = bench.run(arguments);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(all.matches(REASON).count(), 1, "{arguments:?}: {all}");
        assert_eq!(run.code, code, "{arguments:?}: {all}");
    }
    // What is about another one says nothing of it.
    let run = bench.run(&["export", "--root", "data", "--db", "good"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    // Who wants the log has it there.
    let run = bench.run(&["export", "--root", "data", "--db", "good", "--log-level", "info"]);
    assert!(run.stderr.contains(REASON), "{}", run.stderr);
}

#[test]
fn a_bare_number_of_another_unit_is_refused_with_what_it_looks_like() {
    let bench = bench();
    for (start, looks) in [
        ("1714996800000", "Unix milliseconds (2024-05-06T12:00:00Z)"),
        ("1714996800000000", "Unix microseconds (2024-05-06T12:00:00Z)"),
        ("202405061200", "a date written YYYYMMDDHHMM (2024-05-06 12:00)"),
    ] {
        for flag in ["--start", "--end"] {
            let run = bench.run(&["query", "--root", "data", "--db", "good", "--metric", "a", flag, start]);
            let text = run.fails(2);
            assert!(text.contains(flag) && text.contains(looks), "{text}");
        }
    }
    for start in ["1714996800", "1714996800000000000"] {
        let run = bench.run(&["query", "--root", "data", "--db", "good", "--metric", "a", "--start", start, "--json"]);
        assert!(run.ok().contains("1714996800000000000"), "{start}");
    }
}
