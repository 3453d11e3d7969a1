//! The views as aligned tables: human start plus duration, sizes and ratios. Exact figures are in the JSON.

use super::table::Table;
use super::view::{
    DamageView, DataFileView, DatabaseView, MetricFileView, MetricView, ProblemView, Span, WalRecordView, WalView,
};
use crate::text;
use std::io::{self, Write};

/// What a cell shows where there is nothing.
const NOTHING: &str = "-";

/// `inspect db`: one line per database, then what is wrong with it.
pub fn databases(views: &[DatabaseView]) -> String {
    let mut table = Table::new(&[
        "DATABASE",
        ">METRICS",
        ">RAW FILES",
        ">METRIC FILES",
        ">SIZE",
        ">ROWS",
        ">WAL",
        ">RECORDS",
        "PARTITION",
        "CODEC",
        "START",
        "LENGTH",
        "STATE",
    ]);
    for db in views {
        let (start, length) = span(db.span.as_ref());
        table.row(vec![
            db.name.clone(),
            metrics(db.metrics, db.ids),
            text::count(db.raw_files),
            text::count(db.metric_files),
            text::bytes(db.file_bytes),
            text::count(db.rows),
            text::bytes(db.wal_bytes),
            text::count(db.wal_records),
            db.partition.clone(),
            db.codec.clone(),
            start,
            length,
            state(db.problems.len()),
        ]);
    }
    let mut out = table.render();
    for db in views {
        for problem in &db.problems {
            out.push_str(&format!("{}: {problem}\n", db.name));
        }
    }
    out
}

/// A count of metrics, with that of their ids where it is another.
fn metrics(names: u64, ids: u64) -> String {
    if ids == names { text::count(names) } else { format!("{} ({})", text::count(names), text::counted(ids, "id")) }
}

/// `inspect catalog`: one line per id of a metric.
pub fn catalog(metrics: &[MetricView]) -> String {
    let mut table = Table::new(&[">ID", "METRIC", "TYPE"]);
    for metric in metrics {
        table.row(vec![metric.id.to_string(), metric.name.clone(), metric.value_type.clone()]);
    }
    table.render()
}

/// `inspect dat`: one line per file.
pub fn data_files(files: &[DataFileView]) -> String {
    let headings = ["FILE", ">SIZE", ">FRAMES", ">ROWS", ">B/ROW", ">RATIO", "START", "LENGTH", "STATE"];
    let mut table = Table::new(&headings);
    for file in files {
        let covered = Span::hull(file.frames.iter().map(|f| (f.span.start_ns, f.span.end_ns)));
        let (start, length) = span(covered.as_ref());
        table.row(vec![
            file.file.clone(),
            text::bytes(file.bytes),
            text::count(file.frames.len() as u64),
            text::count(file.rows),
            ratio(file.bytes, file.rows),
            ratio(file.decoded_bytes, file.bytes),
            start,
            length,
            state(file.problems()),
        ]);
    }
    table.render()
}

/// `inspect dat --verbose`: one line per frame of a file, then its damage.
pub fn frames(file: &DataFileView) -> String {
    let headings = [
        ">OFFSET", "START", "LENGTH", ">ROWS", ">METRICS", ">PAYLOAD", ">DECODED", ">B/ROW", ">RATIO", "CODEC", "STATE",
    ];
    let mut table = Table::new(&headings);
    for frame in &file.frames {
        let (start, length) = span(Some(&frame.span));
        table.row(vec![
            frame.offset.to_string(),
            start,
            length,
            text::count(frame.rows),
            text::count(frame.metrics),
            text::bytes(frame.payload_bytes),
            text::bytes(frame.decoded_bytes),
            ratio(frame.payload_bytes, frame.rows),
            ratio(frame.decoded_bytes, frame.payload_bytes),
            frame.codec.clone(),
            frame.problem.clone().unwrap_or_else(|| "ok".into()),
        ]);
    }
    format!("{}\n{}{}", file.file, table.render(), damage(&file.damaged))
}

/// `inspect metric`: one line per file.
pub fn metric_files(files: &[MetricFileView]) -> String {
    let headings =
        ["FILE", "FORMAT", "CODEC", ">POINTS", ">SERIES", ">TIMES", ">SIZE", ">B/POINT", "START", "LENGTH", "STATE"];
    let mut table = Table::new(&headings);
    for file in files {
        let (start, length) = span(file.span.as_ref());
        table.row(vec![
            file.file.clone(),
            file.format.clone(),
            if file.codecs.is_empty() { NOTHING.into() } else { file.codecs.join(",") },
            text::count(file.points),
            text::count(file.series),
            text::count(file.time_vectors),
            text::bytes(file.bytes),
            per_point(file.bytes_per_point),
            start,
            length,
            match &file.problem {
                Some(problem) => problem.clone(),
                None if file.blocks_checked => "ok".into(),
                None => "directory ok".into(),
            },
        ]);
    }
    table.render()
}

/// `inspect metric --verbose`: one line per metric of a file, then one per time vector.
pub fn series(file: &MetricFileView) -> String {
    let headings = [
        ">ID", "METRIC", "TYPE", "CODEC", ">BLOCKS", ">POINTS", ">SIZE", ">B/POINT", ">MIN", ">MAX", "START", "LENGTH",
    ];
    let mut table = Table::new(&headings);
    let value = |v: Option<f64>| v.map_or_else(|| NOTHING.to_owned(), |v| v.to_string());
    for one in &file.metrics {
        let (start, length) = span(Some(&one.span));
        table.row(vec![
            one.id.to_string(),
            one.metric.clone().unwrap_or_else(|| "?".into()),
            one.value_type.clone(),
            one.codec.clone(),
            text::count(one.blocks),
            text::count(one.points),
            text::bytes(one.bytes),
            per_point(one.bytes_per_point),
            value(one.min),
            value(one.max),
            start,
            length,
        ]);
    }
    let mut out = format!("{}\n{}", file.file, table.render());
    if !file.times.is_empty() {
        let mut table = Table::new(&[">OFFSET", ">TIMESTAMPS", "CODEC", ">BLOCKS", ">SIZE", "START", "LENGTH"]);
        for time in &file.times {
            let (start, length) = span(Some(&time.span));
            table.row(vec![
                time.offset.to_string(),
                text::count(time.timestamps),
                time.codec.clone(),
                text::count(time.blocks),
                text::bytes(time.bytes),
                start,
                length,
            ]);
        }
        out.push('\n');
        out.push_str(&table.render());
    }
    out
}

fn per_point(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| NOTHING.to_owned(), |bytes| format!("{bytes:.3}"))
}

/// `inspect wal`: one line per log.
pub fn wals(wals: &[WalView]) -> String {
    let headings = ["FILE", ">SIZE", ">RECORDS", ">METRICS", ">BATCHES", "CHECKSUMS", "START", "LENGTH", "STATE"];
    let mut table = Table::new(&headings);
    for wal in wals {
        let (start, length) = span(wal.span.as_ref());
        table.row(vec![
            wal.file.clone(),
            text::bytes(wal.bytes),
            text::count(wal.records),
            text::count(wal.metrics),
            text::count(wal.batches),
            match (wal.records, wal.checksummed) {
                (0, _) => NOTHING.into(),
                (_, true) => "yes".into(),
                (_, false) => "no".into(),
            },
            start,
            length,
            match wal.damaged.as_slice() {
                [one] if one.torn => "torn tail".into(),
                damaged => state(damaged.len()),
            },
        ]);
    }
    table.render()
}

/// `inspect wal --verbose`: one line per record, then the damage. Flags: `b` new baseline, `m` new metric, `c` checksum.
/// Written line by line: a WAL can hold millions of records.
pub fn wal_records(wal: &WalView, out: &mut dyn Write) -> io::Result<()> {
    let width = |heading: &str, cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0).max(heading.len());
    let metric_width = width("METRIC", &mut wal.entries.iter().map(|e| name(e).chars().count()));
    let value_width = width("VALUE", &mut wal.entries.iter().map(|e| e.value.len()));
    writeln!(out, "{}", wal.file)?;
    if !wal.entries.is_empty() {
        writeln!(
            out,
            "{:>10}  {:>5}  {:<metric_width$}  {:<29}  {:>value_width$}  FLAGS",
            "OFFSET", "ID", "METRIC", "TIME", "VALUE"
        )?;
    }
    for entry in &wal.entries {
        let flags = [(entry.new_baseline, 'b'), (entry.new_metric, 'm'), (entry.checksummed, 'c')];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect();
        let line = format!(
            "{:>10}  {:>5}  {:<metric_width$}  {}  {:>value_width$}  {flags}",
            entry.offset,
            entry.id,
            name(entry),
            text::timestamp(entry.timestamp_ns),
            entry.value,
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    match wal.damaged.as_slice() {
        [] => writeln!(out, "tail: clean"),
        damaged => out.write_all(damage(damaged).as_bytes()),
    }
}

fn name(entry: &WalRecordView) -> &str {
    entry.metric.as_deref().unwrap_or("?")
}

fn damage(damaged: &[DamageView]) -> String {
    damaged
        .iter()
        .map(|d| {
            let kind = if d.torn { "torn tail" } else { "damaged" };
            format!("{kind}: {} at {}: {}\n", text::counted(d.bytes, "byte"), d.offset, d.reason)
        })
        .collect()
}

/// `verify`: one line per problem, as compilers print them.
pub fn problems(problems: &[ProblemView]) -> String {
    let mut out = String::new();
    for p in problems {
        match p.offset {
            Some(offset) => out.push_str(&format!("{}: byte {offset}: {}\n", p.file, p.problem)),
            None => out.push_str(&format!("{}: {}\n", p.file, p.problem)),
        }
    }
    out
}

fn span(span: Option<&Span>) -> (String, String) {
    match span {
        Some(s) => (text::timestamp_short(s.start_ns), text::duration_between(s.start_ns, s.end_ns)),
        None => (NOTHING.into(), NOTHING.into()),
    }
}

fn state(problems: usize) -> String {
    match problems {
        0 => "ok".into(),
        n => text::counted(n as u64, "problem"),
    }
}

fn ratio(numerator: u64, denominator: u64) -> String {
    if denominator == 0 { NOTHING.into() } else { format!("{:.2}", numerator as f64 / denominator as f64) }
}

#[cfg(test)]
mod tests {
    use super::super::view::FrameView;
    use super::*;

    // 2026-05-24 12:00:00 UTC is 1779624000 (date -u -d @1779624000).
    const NOON: i64 = 1_779_624_000_000_000_000;
    const MINUTE: i64 = 60_000_000_000;

    fn file() -> DataFileView {
        let frame = |offset, start, problem: Option<&str>| FrameView {
            offset,
            span: Span::new(start, start + MINUTE),
            rows: 1_000,
            metrics: 83,
            payload_bytes: 2_000,
            decoded_bytes: 14_000,
            codec: "s2".into(),
            problem: problem.map(Into::into),
        };
        DataFileView {
            file: "pi/data-2026-05-24.dat".into(),
            bytes: 4_060,
            rows: 2_000,
            decoded_bytes: 28_000,
            frames: vec![frame(0, NOON, None), frame(2_024, NOON + MINUTE, Some("checksum differs"))],
            damaged: vec![DamageView { offset: 4_048, bytes: 12, reason: "no frame header".into(), torn: true }],
        }
    }

    #[test]
    fn a_data_file_is_one_line() {
        let expected = "\
FILE                      SIZE  FRAMES   ROWS  B/ROW  RATIO  START                LENGTH  STATE
pi/data-2026-05-24.dat  4.1 KB       2  2,000   2.03   6.90  2026-05-24 12:00:00  2m0s    2 problems
";
        assert_eq!(data_files(&[file()]), expected);
    }

    #[test]
    fn frames_show_sizes_ratios_and_damage() {
        let expected = "\
pi/data-2026-05-24.dat
OFFSET  START                LENGTH   ROWS  METRICS  PAYLOAD  DECODED  B/ROW  RATIO  CODEC  STATE
     0  2026-05-24 12:00:00  1m0s    1,000       83   2.0 KB  14.0 KB   2.00   7.00  s2     ok
  2024  2026-05-24 12:01:00  1m0s    1,000       83   2.0 KB  14.0 KB   2.00   7.00  s2     checksum differs
torn tail: 12 bytes at 4048: no frame header
";
        assert_eq!(frames(&file()), expected);
    }

    fn wal() -> WalView {
        let record = |offset, metric: Option<&str>, value: &str, first| WalRecordView {
            offset,
            id: 3,
            metric: metric.map(Into::into),
            timestamp_ns: NOON,
            value: value.into(),
            new_baseline: first,
            new_metric: first,
            checksummed: !first,
        };
        WalView {
            file: "demo/demo.wal".into(),
            bytes: 60,
            checksummed: true,
            batches: 1,
            records: 2,
            metrics: 1,
            span: Some(Span::new(NOON, NOON)),
            damaged: vec![DamageView { offset: 56, bytes: 4, reason: "ends inside a record".into(), torn: true }],
            entries: vec![record(0, Some("room.temp"), "21.5", true), record(30, None, "-100.25", false)],
        }
    }

    #[test]
    fn a_wal_is_one_line_and_its_records_one_each() {
        let expected = "\
FILE           SIZE  RECORDS  METRICS  BATCHES  CHECKSUMS  START                LENGTH  STATE
demo/demo.wal  60 B        2        1        1  yes        2026-05-24 12:00:00  0s      torn tail
";
        assert_eq!(wals(&[wal()]), expected);
        let expected = "\
demo/demo.wal
    OFFSET     ID  METRIC     TIME                             VALUE  FLAGS
         0      3  room.temp  2026-05-24 12:00:00.000000000     21.5  bm
        30      3  ?          2026-05-24 12:00:00.000000000  -100.25  c
torn tail: 4 bytes at 56: ends inside a record
";
        let mut out = Vec::new();
        wal_records(&wal(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn problems_name_file_and_byte() {
        let found = [
            ProblemView { file: "demo/demo.wal".into(), offset: Some(56), problem: "torn".into() },
            ProblemView { file: "demo/catalog.json".into(), offset: None, problem: "missing".into() },
        ];
        assert_eq!(problems(&found), "demo/demo.wal: byte 56: torn\ndemo/catalog.json: missing\n");
    }

    #[test]
    fn an_empty_database_shows_dashes() {
        let view = DatabaseView {
            name: "demo".into(),
            metrics: 0,
            ids: 0,
            raw_files: 0,
            metric_files: 0,
            file_bytes: 0,
            rows: 0,
            metric_rows: 0,
            wal_bytes: 0,
            wal_records: 0,
            partition: "day".into(),
            codec: "s2".into(),
            span: None,
            problems: vec!["catalog.json is missing".into()],
        };
        let table = databases(&[view]);
        assert!(table.lines().nth(1).unwrap().ends_with("day        s2     -      -       1 problem"), "{table}");
        assert!(table.ends_with("\ndemo: catalog.json is missing\n"), "{table}");
    }
}
