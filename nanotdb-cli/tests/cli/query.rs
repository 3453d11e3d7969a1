use crate::helpers::Bench;

/// 2026-05-24 12:00:00 UTC (date -u -d @1779624000).
const NOON: i64 = 1_779_624_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// `temp.out` every 10 s for ten minutes: 0.5, 1.5, 2.5, ... and `count` at the first two moments.
fn bench() -> Bench {
    let bench = Bench::new();
    let mut lines = String::new();
    for i in 0..60 {
        lines += &format!("s/temp.out {i}.5 {}\n", NOON + i * 10 * SECOND);
    }
    lines += &format!("s/count 1 {NOON}\ns/count 2 {}\n", NOON + SECOND);
    bench.import("root", &lines);
    bench
}

fn query(bench: &Bench, more: &[&str]) -> crate::helpers::Run {
    bench.run(&[&["query", "--root", "root", "--db", "s"], more].concat())
}

#[test]
fn rows_of_several_metrics_in_every_format() {
    let bench = bench();
    let range = ["--metric", ".", "--start", "2026-05-24 12:00", "--end", "2026-05-24 12:00:10"];
    let expected = "\
TIME                           METRIC           VALUE
2026-05-24 12:00:00.000000000  count                1
2026-05-24 12:00:01.000000000  count                2
2026-05-24 12:00:00.000000000  temp.out           0.5
2026-05-24 12:00:10.000000000  temp.out           1.5
";
    assert_eq!(query(&bench, &range).ok(), expected);
    let csv = query(&bench, &[&range[..], &["--format", "csv"]].concat()).ok();
    assert_eq!(csv.lines().nth(4), Some("temp.out,2026-05-24 12:00:10.000000000,1779624010000000000,1.5"));
    let json = query(&bench, &[&range[..], &["--json"]].concat()).json();
    assert_eq!(json["database"], "s");
    assert_eq!(json["series"][0]["metric"], "count");
    assert_eq!(json["series"][0]["type"], "int32");
    assert_eq!(json["series"][1]["rows"][1]["timestamp_ns"], NOON + 10 * SECOND);
    assert_eq!(json["series"][1]["rows"][1]["value"], 1.5);
}

#[test]
fn last_and_stride() {
    let bench = bench();
    let json = query(&bench, &["--metric", "^temp", "--last", "--json"]).json();
    assert_eq!(json["series"][0]["rows"].as_array().unwrap().len(), 1);
    assert_eq!(json["series"][0]["rows"][0]["value"], 59.5);
    let json = query(&bench, &["--metric", "^temp", "--last", "--end", "2026-05-24T12:00:25Z", "--json"]).json();
    assert_eq!(json["series"][0]["rows"][0]["value"], 2.5);
    let json = query(&bench, &["--metric", "^temp", "--stride", "25", "--json"]).json();
    let values: Vec<_> = json["series"][0]["rows"].as_array().unwrap().iter().map(|r| r["value"].clone()).collect();
    assert_eq!(values, [0.5, 25.5, 50.5]);
}

#[test]
fn aggregate_rows_carry_the_end_of_their_window_and_are_clipped() {
    let bench = bench();
    let args = ["--metric", r"^temp\.out$", "--start", "2026-05-24T12:01:00Z", "--end", "2026-05-24T12:07:30Z"];
    let more = ["--aggregate", "min,max,sum,avg,count", "--window", "5m", "--json"];
    let json = query(&bench, &[&args[..], &more[..]].concat()).json();
    let rows = json["series"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    // 12:01:00 to 12:04:50 are the samples 6.5 to 29.5; 12:05:00 to 12:07:30 are 30.5 to 45.5.
    assert_eq!(rows[0]["time"], "2026-05-24T12:05:00Z");
    assert_eq!((&rows[0]["min"], &rows[0]["max"], &rows[0]["count"]), (&6.5.into(), &29.5.into(), &24.into()));
    assert_eq!((&rows[0]["sum"], &rows[0]["avg"]), (&432.into(), &18.into()));
    assert_eq!(rows[1]["time"], "2026-05-24T12:07:30Z");
    assert_eq!((&rows[1]["min"], &rows[1]["max"], &rows[1]["count"]), (&30.5.into(), &45.5.into(), &16.into()));
    assert_eq!(json["window"], "5m0s");
}

#[test]
fn wrong_aggregate_queries_say_what_is_missing() {
    let bench = bench();
    let no_start = query(&bench, &["--metric", "temp", "--aggregate", "avg", "--window", "5m"]).fails(2);
    assert!(no_start.contains("--start"), "{no_start}");
    let no_window = query(&bench, &["--metric", "temp", "--aggregate", "avg", "--start", "-1h"]).fails(2);
    assert!(no_window.contains("--window"), "{no_window}");
    let two = query(&bench, &["--metric", ".", "--aggregate", "avg", "--window", "5m", "--start", "0"]).fails(2);
    assert!(two.contains("count, temp.out"), "{two}");
    // Nothing of an answer that cannot be finished.
    for format in ["json", "csv", "table"] {
        let more = ["--metric", ".", "--aggregate", "avg", "--window", "5m", "--start", "0", "--format", format];
        let run = query(&bench, &more);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{format}");
    }
    let unknown =
        query(&bench, &["--metric", "temp", "--aggregate", "mode", "--window", "5m", "--start", "0"]).fails(2);
    assert!(unknown.contains("avg"), "{unknown}");
}

#[test]
fn without_metric_files_raw_pages_alone_answer_and_what_is_missing_is_said() {
    let bench = bench();
    let args = ["--metric", "temp", "--format", "csv"];
    let whole = query(&bench, &args).ok();
    let build = ["build", "metric", "--root", "root", "--db", "s", "--part", "2026-05-24"];
    bench.run(&build).ok();
    for mode in ["config", "on", "off"] {
        let answer = query(&bench, &[&args[..], &["--metric-files", mode]].concat()).ok();
        assert_eq!(answer, whole, "{mode}, with raw pages and a metric file");
    }
    bench.run(&[&build[..], &["--raw-ingest-action", "delete"]].concat()).ok();
    assert_eq!(query(&bench, &[&args[..], &["--metric-files", "on"]].concat()).ok(), whole);
    let off = query(&bench, &[&args[..], &["--metric-files", "off"]].concat());
    assert_eq!((off.code, off.stdout.lines().count()), (1, 1), "{}", off.stdout);
    assert!(off.stderr.contains("metric-2026-05-24.dat") && off.stderr.contains("left out"), "{}", off.stderr);
}

#[test]
fn aggregates_have_the_digits_that_they_have_over_http() {
    let bench = Bench::new();
    let mut lines = String::new();
    for (second, float, integer) in [(0, "10.1", 1), (1, "10.2", 2), (2, "10.4", 2)] {
        let wide = 5_000_000_000_i64 + i64::from(second > 0);
        let at = format!("2026-05-24 12:00:0{second}");
        lines.push_str(&format!("db/float {float} {at}\ndb/int {integer} {at}\ndb/wide {wide} {at}\n"));
    }
    bench.import("root", &lines);
    // Worked out with Python: fourteen digits of 30.7 / 3; repr of the others.
    for (metric, avg) in [("float", "10.233333333333"), ("int", "1.6666666666666667"), ("wide", "5000000000.666667")] {
        let pattern = format!("^{metric}$");
        let range = ["--start", "2026-05-24", "--end", "2026-05-25", "--aggregate", "avg,count", "--window", "1h"];
        let query = ["query", "--root", "root", "--db", "db", "--format", "csv", "--metric", &pattern];
        let csv = bench.run(&[&query[..], &range].concat()).ok();
        let last = csv.lines().last().unwrap();
        assert!(last.ends_with(&format!(",{avg},3")), "{last}");
    }
}

/// A pipe with the name of a data file is none: nothing waits for somebody to write into it.
#[test]
fn a_pipe_among_the_files_is_passed_over() {
    let bench = Bench::new();
    bench.import("root", "d/m 1i 2024-05-20 12:00:00\n");
    let pipe = bench.path("root/d/data-2024-05-21.dat");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(bench.run(&["export", "--root", "root", "--db", "d"]).ok().lines().count(), 1);
    bench.run(&["db", "list", "--root", "root"]).ok();
    bench.run(&["verify", "--root", "root"]).ok();
}

#[test]
fn what_is_left_out_is_told_once() {
    let bench = Bench::new();
    bench.import("root", "s/a 1.5 2026-05-24 12:00:00\ns/a 2.5 2026-05-24 12:00:10\n");
    let path = bench.path("root/s/data-2026-05-24.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 6;
    bytes[last] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    for args in [&["query", "--metric", "."][..], &["export"]] {
        let run = bench.run(&[args, &["--root", "root", "--db", "s"]].concat());
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.starts_with("nanocli: warning: "), "{}", run.stderr);
        // Who asks for the log has it.
        let run = bench.run(&[args, &["--root", "root", "--db", "s", "--log-level", "info"]].concat());
        assert!(run.stderr.contains("WARN"), "{}", run.stderr);
    }
}

#[test]
fn a_file_that_nobody_can_name_is_told_once() {
    let bench = bench();
    std::fs::write(bench.path("root/s/data-sometime.dat"), "").unwrap();
    let run = query(&bench, &["--metric", "count"]);
    assert_eq!(run.stderr.matches("no partitioner knows").count(), 1, "{}", run.stderr);
}
