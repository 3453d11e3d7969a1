//! `nanocli csv`: columns to metrics.

use crate::helpers::{Bench, Run};

fn csv(bench: &Bench, input: &str, more: &[&str]) -> Run {
    let args = [&["csv", "--root", "root", "--db", "d", "--in", "-"][..], more].concat();
    bench.run_with_input(&args, input)
}

fn exported(bench: &Bench) -> String {
    bench.run(&["export", "--root", "root", "--db", "d"]).ok()
}

#[test]
fn each_column_is_a_metric_and_empty_cells_are_skipped() {
    let bench = Bench::new();
    let text = "\u{feff}time,room.temp,\"door\"\r\n2024-05-06T12:00:00Z,21.5,3\r\n\r\n2024-05-06 12:05:00,,4\n2024-05-06T14:10:00+02:00,22.0,\"5\"\n";
    let done = csv(&bench, text, &["--json"]).json();
    assert_eq!((&done["accepted"], &done["rejected"], &done["format"]), (&5.into(), &0.into(), &"csv".into()));
    assert_eq!(
        exported(&bench),
        "d/door 3i 2024-05-06 12:00:00.000000000\n\
         d/room.temp 21.5 2024-05-06 12:00:00.000000000\n\
         d/door 4i 2024-05-06 12:05:00.000000000\n\
         d/door 5i 2024-05-06 12:10:00.000000000\n\
         d/room.temp 22.0 2024-05-06 12:10:00.000000000\n"
    );
}

#[test]
fn columns_are_chosen_named_and_typed() {
    let bench = Bench::new();
    let text = "Date;Temp (C);Door;Note\n1715000000;21;3;hello\n1715000001;21.5;4;\"a;b\"\n";
    let columns = ["--delimiter", ";", "--columns", "Temp (C)=room.temp:float,Door:int", "--prefix", "h."];
    csv(&bench, text, &columns).ok();
    assert_eq!(
        exported(&bench),
        "d/h.Door 3i 2024-05-06 12:53:20.000000000\n\
         d/h.room.temp 21.0 2024-05-06 12:53:20.000000000\n\
         d/h.Door 4i 2024-05-06 12:53:21.000000000\n\
         d/h.room.temp 21.5 2024-05-06 12:53:21.000000000\n"
    );
}

#[test]
fn long_rows_name_their_metric() {
    let bench = Bench::new();
    let text = "sensor,reading,ts\na,1.5,1715000000000\nb,7,1715000000000\na,2.5,1715000001000\nc,,1715000001000\n";
    csv(&bench, text, &["--metric-column", "sensor", "--value-column", "reading", "--prefix", "x."]).ok();
    assert_eq!(
        exported(&bench),
        "d/x.a 1.5 2024-05-06 12:53:20.000000000\n\
         d/x.b 7i 2024-05-06 12:53:20.000000000\n\
         d/x.a 2.5 2024-05-06 12:53:21.000000000\n"
    );
}

#[test]
fn without_a_header_columns_are_numbers_and_times_have_a_unit() {
    for (format, first) in [
        ("s", "1715000000.5"),
        ("ms", "1715000000500"),
        ("us", "1715000000500000"),
        ("ns", "1715000000500000000"),
        ("auto", "1715000000500"),
    ] {
        let bench = Bench::new();
        let text = format!("{first}\t1.5\t2\n");
        let more = ["--delimiter", "tab", "--no-header", "--time-format", format, "--columns", "2=a,3=b:float"];
        csv(&bench, &text, &more).ok();
        let expected = "d/a 1.5 2024-05-06 12:53:20.500000000\nd/b 2.0 2024-05-06 12:53:20.500000000\n";
        assert_eq!(exported(&bench), expected, "{format}");
    }
}

#[test]
fn a_bad_cell_names_line_column_text_and_what_is_accepted() {
    let bench = Bench::new();
    let text = "time,a,b\n1715000000,1,2\n1715000001,x y,3\nyesterday,4,5\n1715000003,6,7\n";
    let e = csv(&bench, text, &[]).fails(1);
    assert!(e.contains("-: line 3, column \"a\": value \"x y\" is not a number; write an integer"), "{e}");
    let bench = Bench::new();
    let run = csv(&bench, text, &["--skip-bad", "--json"]);
    assert_eq!(run.code, 1);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["accepted"], &report["rejected"]), (&5.into(), &2.into()), "{report}");
    let errors = report["errors"].as_array().unwrap();
    assert_eq!((&errors[0]["line"], &errors[1]["line"]), (&3.into(), &4.into()));
    let time = errors[1]["error"].as_str().unwrap();
    assert!(time.starts_with("column \"time\": time \"yesterday\": accepted are RFC 3339"), "{time}");
}

/// As Excel and Windows end lines, with empty ones between.
#[test]
fn lines_are_counted_whatever_ends_them() {
    let text = "time,a\n1715000000,x\n\n\n1715000001,2\n1715000002,\"y\nz\"\n1715000003,v\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{}", text.replace('\n', "\r\n"))] {
        let report = csv(&Bench::new(), &text, &["--skip-bad", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
        let lines: Vec<_> = report["errors"].as_array().unwrap().iter().map(|error| &error["line"]).collect();
        assert_eq!(lines, [2, 6, 8], "{text:?}: {report}");
    }
}

#[test]
fn rows_that_go_back_in_time_are_rejected_with_their_lines() {
    let bench = Bench::new();
    let run = csv(&bench, "time,a\n1715000005,1\n1715000001,2\n1715000006,3\n", &[]);
    assert!(run.stdout.starts_with("2 samples accepted, 1 line rejected"), "{}", run.stdout);
    let e = run.fails(1);
    assert!(e.contains("-:3: timestamp 1715000001000000000 is older"), "{e}");
}

#[test]
fn wrong_columns_and_arguments_are_told() {
    let bench = Bench::new();
    let cases: [(&str, &[&str], &str); 6] = [
        ("when,a\n1,2\n", &[], "no column of times: name it with --time; there are when, a"),
        ("time,a\n1,2\n", &["--columns", "b"], "--columns: no column \"b\"; there are time, a"),
        ("time,a b\n1,2\n", &[], "give it a name with --columns"),
        ("time,a\n1,2,3\n", &[], "line 2, 3 fields where the header has 2"),
        ("1,2\n", &["--no-header", "--time", "3"], "accepted are 1 to 2"),
        ("time,a\n1715000000,1.5\n", &["--columns", "a:int"], "\"1.5\" is no integer; the column is :int"),
    ];
    for (text, more, expected) in cases {
        let e = csv(&bench, text, more).fails(1);
        assert!(e.contains(expected), "{e}");
    }
    csv(&bench, "", &["--delimiter", "ab"]).fails(2);
    csv(&bench, "", &["--metric-column", "a"]).fails(2);
    bench.run(&["csv", "--root", "new", "--db", "d", "--in", "missing.csv"]).fails(3);
    bench.run(&["csv", "--root", "new", "--db", ".d", "--in", "-"]).fails(2);
    assert!(!bench.path("new").exists());
}

#[test]
fn numbers_that_would_be_times_before_1980_are_refused_with_what_they_look_like() {
    for (first, unit, looks) in [
        ("202303110915", "ms", "a date written YYYYMMDDHHMM (2023-03-11 09:15)"),
        ("20230311", "s", "a date written YYYYMMDD (2023-03-11)"),
        ("45418.5", "s", "the days of a spreadsheet (2024-05-06T12:00:00Z)"),
        ("1", "s", "--time-format s, ms, us or ns"),
    ] {
        let bench = Bench::new();
        let text = format!("time,a\n{first},1.5\n");
        let e = csv(&bench, &text, &[]).fails(1);
        assert!(e.contains("line 2, column \"time\"") && e.contains(looks), "{e}");
        csv(&bench, &text, &["--time-format", unit]).ok();
        assert!(exported(&bench).starts_with("d/a 1.5 "), "{first}");
    }
}

#[test]
fn times_relative_to_now_are_refused() {
    for time in ["-5m", "+1h", "now", "now-5m", "-5"] {
        for format in ["auto", "s"] {
            let bench = Bench::new();
            let run = csv(&bench, &format!("time,a\n{time},1\n"), &["--time-format", format]);
            if time == "-5" && format == "auto" {
                let e = run.fails(1);
                assert!(e.contains("would be 1969-12-31T23:59:55Z") && e.contains("--time-format s"), "{e}");
                continue;
            }
            if time == "-5" {
                run.ok();
                assert_eq!(exported(&bench), "d/a 1i 1969-12-31 23:59:55.000000000\n");
                continue;
            }
            let e = run.fails(1);
            assert!(e.contains(&format!("line 2, column \"time\": time \"{time}\": accepted")), "{e}");
            assert!(!e.contains("relative"), "{e}");
        }
    }
    let e = csv(&Bench::new(), "time,a\n2024-13-01,1\n", &[]).fails(1);
    assert!(e.contains("accepted are RFC 3339") && !e.contains("-1h"), "{e}");
}

#[test]
fn two_columns_are_not_one_metric() {
    let text = "time,a,b,a\n1715000000,1,2,3\n";
    let cases: [(&[&str], &str); 3] = [
        (&[], "columns 2 and 4 would both be metric \"a\""),
        (&["--columns", "a"], "--columns: columns 2 and 4 are both called \"a\"; name one by its number"),
        (&["--columns", "a=x,b=x"], "columns 2 and 4"),
    ];
    for (more, expected) in cases {
        let e = csv(&Bench::new(), text, more).fails(1);
        assert!(e.contains(expected), "{e}");
    }
    let e = csv(&Bench::new(), text, &["--columns", "2=x,b=x"]).fails(1);
    assert!(e.contains("columns 2 and 3 would both be metric \"x\""), "{e}");
    let bench = Bench::new();
    csv(&bench, text, &["--columns", "2=a,4=c"]).ok();
    assert_eq!(exported(&bench).lines().count(), 2);
}

#[test]
fn a_quote_that_is_never_closed_is_told() {
    for text in ["time,a\n1715000000,1\n1715000001,\"2\n1715000002,3\n", "time,a\n1715000000,1\n1715000001,\""] {
        let e = csv(&Bench::new(), text, &[]).fails(1);
        assert!(e.contains("line 3: a quote is opened and never closed"), "{e}");
    }
    for text in ["time,a\n1715000000,\"1\"", "time,a\n1715000000,\"1\"\n", "time,\"a\"\n1715000000,1"] {
        csv(&Bench::new(), text, &[]).ok();
    }
}

/// Cut anywhere, by the size of the reader's pieces, and large enough for several batches.
#[test]
fn a_large_file_streams() {
    let bench = Bench::new();
    let mut text = String::from("time,a,b,\"c,\"\"d\"\n");
    for at in 0..40_000u64 {
        text += &format!("{},{at},\"{at}.5\",{}\n", 1_715_000_000 + at, at % 7);
    }
    let done = csv(&bench, &text, &["--columns", "a,b,4=c", "--json"]).json();
    assert_eq!((&done["accepted"], &done["bytes"]), (&120_000.into(), &text.len().into()));
    let rows = exported(&bench);
    assert!(rows.lines().last().unwrap().starts_with("d/c 1i "), "{:?}", rows.lines().last());
}
