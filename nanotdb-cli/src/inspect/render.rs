//! The views as aligned tables: human start plus duration, sizes and ratios. Exact figures are in the JSON.

use super::table::Table;
use super::view::{DataFileView, DatabaseView, MetricView, ProblemView, Span, WalView};
use crate::text;

/// What a cell shows where there is nothing.
const NOTHING: &str = "-";

/// `inspect db`: one line per database.
pub fn databases(views: &[DatabaseView]) -> String {
    let headings = [
        "DATABASE",
        ">METRICS",
        ">FILES",
        ">SIZE",
        ">ROWS",
        ">WAL",
        ">WAL ROWS",
        "PARTITION",
        "CODEC",
        "START",
        "LENGTH",
        "STATE",
    ];
    let mut table = Table::new(&headings);
    for db in views {
        let (start, length) = span(db.span.as_ref());
        table.row(vec![
            db.name.clone(),
            text::count(db.metrics),
            text::count(db.files),
            text::bytes(db.file_bytes),
            text::count(db.rows),
            text::bytes(db.wal_bytes),
            text::count(db.wal_rows),
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

/// `inspect catalog`: one line per metric.
pub fn catalog(metrics: &[MetricView]) -> String {
    let mut table = Table::new(&[">ID", "METRIC", "TYPE"]);
    for metric in metrics {
        table.row(vec![metric.id.to_string(), metric.name.clone(), metric.value_type.clone()]);
    }
    table.render()
}

/// `inspect dat`: one line per file.
pub fn data_files(files: &[DataFileView]) -> String {
    let headings = ["FILE", "KIND", ">SIZE", ">FRAMES", ">ROWS", ">B/ROW", ">RATIO", "START", "LENGTH", "STATE"];
    let mut table = Table::new(&headings);
    for file in files {
        let (start, length) = span(Span::hull(file.frames.iter().map(|f| &f.span)).as_ref());
        table.row(vec![
            file.file.clone(),
            file.kind.clone(),
            text::bytes(file.bytes),
            text::count(file.frames.len() as u64),
            text::count(file.rows()),
            ratio(file.bytes, file.rows()),
            ratio(file.decoded_bytes(), file.bytes),
            start,
            length,
            state(file.problems()),
        ]);
    }
    table.render()
}

/// `inspect dat --verbose`: one line per frame of a file, then what is wrong with it.
pub fn frames(file: &DataFileView) -> String {
    let headings = [">OFFSET", "START", "LENGTH", ">ROWS", ">PAYLOAD", ">DECODED", ">RATIO", "CODEC", "CRC", "PROBLEM"];
    let mut table = Table::new(&headings);
    for frame in &file.frames {
        let (start, length) = span(Some(&frame.span));
        table.row(vec![
            frame.offset.to_string(),
            start,
            length,
            text::count(frame.rows),
            text::bytes(frame.payload_bytes),
            text::bytes(frame.decoded_bytes),
            ratio(frame.decoded_bytes, frame.payload_bytes),
            frame.codec.clone(),
            if frame.crc_ok { "ok" } else { "BAD" }.into(),
            frame.problem.clone().unwrap_or_default(),
        ]);
    }
    let mut out = format!("{}\n{}", file.file, table.render());
    for damage in &file.damaged {
        out.push_str(&format!("damaged: {} bytes at {}: {}\n", damage.bytes, damage.offset, damage.reason));
    }
    if let Some(tail) = &file.tail {
        out.push_str(&format!("tail: {tail}\n"));
    }
    out
}

/// `inspect wal`: one line per log.
pub fn wals(wals: &[WalView]) -> String {
    let headings = ["FILE", ">SIZE", ">RECORDS", ">METRICS", ">BATCHES", "START", "LENGTH", ">TAIL", "STATE"];
    let mut table = Table::new(&headings);
    for wal in wals {
        let times = wal.records.iter().map(|r| r.timestamp_ns);
        let covered = times.clone().min().zip(times.max()).map(|(start, end)| Span::new(start, end));
        let (start, length) = span(covered.as_ref());
        let mut ids: Vec<u16> = wal.records.iter().map(|r| r.id).collect();
        ids.sort_unstable();
        ids.dedup();
        table.row(vec![
            wal.file.clone(),
            text::bytes(wal.bytes),
            text::count(wal.records.len() as u64),
            text::count(ids.len() as u64),
            text::count(wal.batches),
            start,
            length,
            text::bytes(wal.tail_bytes),
            if wal.tail.is_some() { "torn tail" } else { "ok" }.into(),
        ]);
    }
    table.render()
}

/// `inspect wal --verbose`: one line per record, then the tail. Flags: `b` new baseline, `m` new metric, `c` checksum.
pub fn wal_records(wal: &WalView) -> String {
    let mut table = Table::new(&[">OFFSET", ">ID", "METRIC", "TIME", ">VALUE", "FLAGS"]);
    for record in &wal.records {
        let flags = [(record.new_baseline, 'b'), (record.new_metric, 'm'), (record.checksummed, 'c')];
        table.row(vec![
            record.offset.to_string(),
            record.id.to_string(),
            record.metric.clone().unwrap_or_else(|| "?".into()),
            text::timestamp(record.timestamp_ns),
            record.value.clone().unwrap_or_else(|| "?".into()),
            flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect(),
        ]);
    }
    let tail = match &wal.tail {
        Some(tail) => format!("tail: {} bytes: {tail}\n", wal.tail_bytes),
        None => "tail: clean\n".into(),
    };
    format!("{}\n{}{tail}", wal.file, table.render())
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
        1 => "1 problem".into(),
        n => format!("{n} problems"),
    }
}

fn ratio(numerator: u64, denominator: u64) -> String {
    if denominator == 0 { NOTHING.into() } else { format!("{:.2}", numerator as f64 / denominator as f64) }
}

#[cfg(test)]
mod tests {
    use super::super::view::{DamageView, FrameView, WalRecordView};
    use super::*;

    // 2026-05-24 12:00:00 UTC is 1779624000 (date -u -d @1779624000).
    const NOON: i64 = 1_779_624_000_000_000_000;
    const MINUTE: i64 = 60_000_000_000;

    fn file() -> DataFileView {
        let frame = |offset, start, crc_ok, problem: Option<&str>| FrameView {
            offset,
            span: Span::new(start, start + MINUTE),
            rows: 1_000,
            payload_bytes: 2_000,
            decoded_bytes: 14_000,
            codec: "s2".into(),
            crc_ok,
            problem: problem.map(Into::into),
        };
        DataFileView {
            file: "data-2026-05-24.dat".into(),
            kind: "raw".into(),
            bytes: 4_060,
            frames: vec![frame(0, NOON, true, None), frame(2_024, NOON + MINUTE, false, Some("checksum differs"))],
            damaged: vec![DamageView { offset: 4_048, bytes: 12, reason: "no frame header".into() }],
            tail: None,
        }
    }

    #[test]
    fn a_data_file_is_one_line() {
        let expected = "\
FILE                 KIND    SIZE  FRAMES   ROWS  B/ROW  RATIO  START                LENGTH  STATE
data-2026-05-24.dat  raw   4.1 KB       2  2,000   2.03   6.90  2026-05-24 12:00:00  2m0s    2 problems
";
        assert_eq!(data_files(&[file()]), expected);
    }

    #[test]
    fn frames_show_sizes_ratios_and_damage() {
        let expected = "\
data-2026-05-24.dat
OFFSET  START                LENGTH   ROWS  PAYLOAD  DECODED  RATIO  CODEC  CRC  PROBLEM
     0  2026-05-24 12:00:00  1m0s    1,000   2.0 KB  14.0 KB   7.00  s2     ok
  2024  2026-05-24 12:01:00  1m0s    1,000   2.0 KB  14.0 KB   7.00  s2     BAD  checksum differs
damaged: 12 bytes at 4048: no frame header
";
        assert_eq!(frames(&file()), expected);
    }

    fn wal() -> WalView {
        let record = |offset, metric: Option<&str>, first| WalRecordView {
            offset,
            id: 3,
            metric: metric.map(Into::into),
            timestamp_ns: NOON,
            value: metric.map(|_| "21.5".into()),
            new_baseline: first,
            new_metric: first,
            checksummed: !first,
        };
        WalView {
            file: "demo.wal".into(),
            bytes: 60,
            batches: 1,
            records: vec![record(0, Some("room.temp"), true), record(30, None, false)],
            tail_bytes: 4,
            tail: Some("ends inside a record".into()),
        }
    }

    #[test]
    fn a_wal_is_one_line_and_its_records_one_each() {
        let expected = "\
FILE      SIZE  RECORDS  METRICS  BATCHES  START                LENGTH  TAIL  STATE
demo.wal  60 B        2        1        1  2026-05-24 12:00:00  0s       4 B  torn tail
";
        assert_eq!(wals(&[wal()]), expected);
        let expected = "\
demo.wal
OFFSET  ID  METRIC     TIME                           VALUE  FLAGS
     0   3  room.temp  2026-05-24 12:00:00.000000000   21.5  bm
    30   3  ?          2026-05-24 12:00:00.000000000      ?  c
tail: 4 bytes: ends inside a record
";
        assert_eq!(wal_records(&wal()), expected);
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
            files: 0,
            file_bytes: 0,
            wal_bytes: 0,
            rows: 0,
            wal_rows: 0,
            partition: "day".into(),
            codec: "s2".into(),
            span: None,
            problems: vec!["catalog.json is missing".into()],
        };
        let expected = "\
DATABASE  METRICS  FILES  SIZE  ROWS  WAL  WAL ROWS  PARTITION  CODEC  START  LENGTH  STATE
demo            0      0   0 B     0  0 B         0  day        s2     -      -       1 problem
demo: catalog.json is missing
";
        assert_eq!(databases(&[view]), expected);
    }
}
