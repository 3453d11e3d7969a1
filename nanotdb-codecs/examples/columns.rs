//! Sizes and speeds of column codecs over a file of `db/metric value timestamp` lines:
//! `cargo run --profile bench -p nanotdb-codecs --example columns -- FILE [--each]`.
//!
//! `ONLY=columnar` leaves out the others, `--each` lists the columns.
//!
//! For whole columns and blocks of 16,384, as native types and widened to 64 bits: bytes per value, and millions of values
//! encoded and decoded per second, of `columnar`, of pco level 8 alone, and of `zstd_fastest`. Then timestamps, and pages.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a measurement stops at the first surprise

use nanotdb_codecs as _;
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Codec, Values, ValuesMut};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const BLOCK: usize = 16_384;

enum Column {
    I32(Vec<i32>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl Column {
    fn values(&self, from: usize, to: usize) -> Values<'_> {
        match self {
            Column::I32(v) => Values::Int32(&v[from..to]),
            Column::F32(v) => Values::Float32(&v[from..to]),
            Column::I64(v) => Values::Int64(&v[from..to]),
            Column::F64(v) => Values::Float64(&v[from..to]),
        }
    }

    fn len(&self) -> usize {
        match self {
            Column::I32(v) => v.len(),
            Column::F32(v) => v.len(),
            Column::I64(v) => v.len(),
            Column::F64(v) => v.len(),
        }
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let text = std::fs::read_to_string(args.next().expect("a file")).expect("readable");
    let each = args.next().is_some();
    let mut series: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        let [name, value, ts] = *line.split(' ').collect::<Vec<_>>() else { continue };
        let value = value.strip_suffix('i').unwrap_or(value);
        let (Ok(ts), Ok(_)) = (ts.parse(), value.parse::<f64>()) else { continue };
        series.entry(name).or_default().push((value, ts));
        rows.push((name, value, ts));
    }
    let is_int = |v: &[(&str, i64)]| v.iter().all(|(v, _)| v.parse::<i32>().is_ok());
    let is_i64 = |v: &[(&str, i64)]| v.iter().all(|(v, _)| v.parse::<i64>().is_ok());
    let mut native: Vec<(&str, Column)> = Vec::new();
    let mut wide: Vec<(&str, Column)> = Vec::new();
    for (name, v) in &series {
        let f64s = || v.iter().map(|(v, _)| v.parse::<f64>().unwrap()).collect();
        let i64s = || v.iter().map(|(v, _)| v.parse::<i64>().unwrap()).collect();
        native.push((
            name,
            match (is_int(v), is_i64(v)) {
                (true, _) => Column::I32(v.iter().map(|(v, _)| v.parse().unwrap()).collect()),
                (_, true) => Column::I64(i64s()),
                _ => Column::F32(v.iter().map(|(v, _)| v.parse().unwrap()).collect()),
            },
        ));
        wide.push((name, if is_i64(v) { Column::I64(i64s()) } else { Column::F64(f64s()) }));
    }
    for (what, columns) in [("native", &native), ("64 bit", &wide)] {
        for (size, block) in [("whole", usize::MAX), ("16384", BLOCK), ("1024", 1024)] {
            for codec in ["columnar", "pco8", "zstd_fastest"] {
                if std::env::var_os("ONLY").is_some_and(|only| only != codec) {
                    continue;
                }
                let m = measure(codec, columns, block);
                println!(
                    "{what} {size:>6} {codec:<13} {:.4} B/value  encode {:6.1} M/s  decode {:6.1} M/s   {}",
                    m.bytes as f64 / m.values as f64,
                    m.values as f64 / m.encode / 1e6,
                    m.values as f64 / m.decode / 1e6,
                    m.by_type
                        .iter()
                        .map(|(t, (b, n))| format!("{t} {:.3}", *b as f64 / *n as f64))
                        .collect::<Vec<_>>()
                        .join("  ")
                );
            }
        }
    }
    if each {
        for (name, column) in &native {
            let values = column.values(0, column.len().min(BLOCK));
            let n = values.len() as f64;
            let mut a = Vec::new();
            registry().codec("columnar").unwrap().encode_values(values, &mut a).unwrap();
            let b = pco_encode(values);
            let head: Vec<String> = a.iter().take(14).map(|b| format!("{b:02x}")).collect();
            let mark = if a.len() as f64 > 1.01 * b.len() as f64 { "WORSE" } else { "" };
            println!(
                "{name:<50} {:8.4} pco {:8.4} {mark:<5} {}",
                a.len() as f64 / n,
                b.len() as f64 / n,
                head.join(" ")
            );
        }
    }
    timestamps(&series);
    if text.starts_with("pi0/") {
        pages(&rows);
    }
}

struct Measured {
    bytes: usize,
    values: usize,
    encode: f64,
    decode: f64,
    by_type: BTreeMap<&'static str, (usize, usize)>,
}

fn measure(codec: &str, columns: &[(&str, Column)], block: usize) -> Measured {
    let mut m = Measured { bytes: 0, values: 0, encode: 0.0, decode: 0.0, by_type: BTreeMap::new() };
    for (_, column) in columns {
        let mut at = 0;
        while at < column.len() {
            let end = at.saturating_add(block).min(column.len());
            let values = column.values(at, end);
            at = end;
            let mut bytes = Vec::new();
            // The best of three each: other work on the machine is not to be measured.
            m.encode += (0..3)
                .map(|_| {
                    let start = Instant::now();
                    bytes = encode(codec, values);
                    start.elapsed().as_secs_f64()
                })
                .fold(f64::MAX, f64::min);
            let decode = (0..3).map(|_| decode(codec, values, &bytes)).fold(f64::MAX, f64::min);
            m.decode += decode;
            m.bytes += bytes.len();
            m.values += values.len();
            let kind = match values {
                Values::Int32(_) => "i32",
                Values::Float32(_) => "f32",
                Values::Int64(_) => "i64",
                Values::Float64(_) => "f64",
            };
            let entry = m.by_type.entry(kind).or_default();
            entry.0 += bytes.len();
            entry.1 += values.len();
        }
    }
    m
}

fn encode(codec: &str, values: Values<'_>) -> Vec<u8> {
    if codec == "pco8" {
        return pco_encode(values);
    }
    let mut out = Vec::new();
    registry().codec(codec).unwrap().encode_values(values, &mut out).unwrap();
    out
}

fn pco_encode(values: Values<'_>) -> Vec<u8> {
    let config = pco::ChunkConfig::default();
    match values {
        Values::Int32(v) => pco::standalone::simple_compress(v, &config).unwrap(),
        Values::Float32(v) => pco::standalone::simple_compress(v, &config).unwrap(),
        Values::Int64(v) => pco::standalone::simple_compress(v, &config).unwrap(),
        Values::Float64(v) => pco::standalone::simple_compress(v, &config).unwrap(),
    }
}

fn decode(codec: &str, values: Values<'_>, bytes: &[u8]) -> f64 {
    macro_rules! run {
        ($kind:ident, $t:ty, $expected:expr, $same:expr) => {{
            let mut out: Vec<$t> = Vec::with_capacity($expected.len());
            out.resize($expected.len(), Default::default());
            out.clear();
            let start = Instant::now();
            if codec == "pco8" {
                out.resize($expected.len(), Default::default());
                pco::standalone::simple_decompress_into(bytes, &mut out).unwrap();
            } else {
                let codec = registry().codec(codec).unwrap();
                codec.decode_values(bytes, $expected.len(), ValuesMut::$kind(&mut out)).unwrap();
            }
            black_box(&mut out);
            let took = start.elapsed().as_secs_f64();
            assert!(out.iter().zip($expected).all($same));
            took
        }};
    }
    match values {
        Values::Int32(v) => run!(Int32, i32, v, |(a, b)| a == b),
        Values::Float32(v) => run!(Float32, f32, v, |(a, b)| a.to_bits() == b.to_bits()),
        Values::Int64(v) => run!(Int64, i64, v, |(a, b)| a == b),
        Values::Float64(v) => run!(Float64, f64, v, |(a, b)| a.to_bits() == b.to_bits()),
    }
}

fn timestamps(series: &BTreeMap<&str, Vec<(&str, i64)>>) {
    for codec in ["columnar", "zstd_fastest"] {
        let codec = registry().codec(codec).unwrap();
        let (mut bytes, mut ticks, mut took, mut seen) = (0, 0, 0.0, Vec::new());
        for v in series.values() {
            let ts: Vec<i64> = v.iter().map(|(_, ts)| *ts).collect();
            if seen.contains(&ts) {
                continue;
            }
            let mut out = Vec::new();
            codec.encode_timestamps(&ts, &mut out).unwrap();
            let start = Instant::now();
            let mut back = Vec::new();
            codec.decode_timestamps(&out, ts.len(), &mut back).unwrap();
            took += start.elapsed().as_secs_f64();
            assert_eq!(back, ts);
            bytes += out.len();
            ticks += ts.len();
            seen.push(ts);
        }
        println!(
            "timestamps {}: {:.3} B/tick of {ticks}, decode {:.1} M/s",
            codec.name(),
            bytes as f64 / ticks as f64,
            ticks as f64 / took / 1e6
        );
    }
}

fn pages(rows: &[(&str, &str, i64)]) {
    let mut ids: BTreeMap<&str, (u16, bool)> = BTreeMap::new();
    for (name, value, _) in rows {
        let id = ids.len() as u16 + 1;
        let entry = ids.entry(name).or_insert((id, false));
        entry.1 |= value.parse::<i32>().is_err();
    }
    for per_page in [1_000, 3_000, 9_000, 32_000] {
        for codec in ["columnar", "s2", "zstd_fastest", "zstd_max"] {
            if std::env::var_os("ONLY").is_some_and(|only| only != codec) {
                continue;
            }
            let codec: &dyn Codec = registry().codec(codec).unwrap();
            let (mut bytes, mut n, mut encode, mut decode) = (0, 0, 0.0, 0.0);
            // zstd_max is slow: a few pages are enough.
            for chunk in rows.chunks_exact(per_page).take(if codec.name() == "zstd_max" { 4 } else { 1_000 }) {
                let mut page: Vec<u8> = chunk.iter().flat_map(|r| ids[r.0].0.to_le_bytes()).collect();
                page.extend(chunk.iter().flat_map(|r| r.2.to_le_bytes()));
                page.extend(chunk.iter().flat_map(|r| match ids[r.0].1 {
                    true => r.1.parse::<f32>().unwrap().to_bits().to_le_bytes(),
                    false => r.1.parse::<i32>().unwrap().to_le_bytes(),
                }));
                let (mut out, mut back) = (Vec::new(), Vec::with_capacity(page.len()));
                let best_of_three = |run: &mut dyn FnMut()| {
                    let once = |_| {
                        let start = Instant::now();
                        run();
                        start.elapsed().as_secs_f64()
                    };
                    (0..3).map(once).fold(f64::MAX, f64::min)
                };
                encode += best_of_three(&mut || {
                    out.clear();
                    codec.encode_page(per_page, &page, &mut out).unwrap();
                });
                decode += best_of_three(&mut || {
                    back.clear();
                    codec.decode_page(per_page, &out, page.len(), &mut back).unwrap();
                });
                assert!(back == page);
                bytes += out.len();
                n += per_page;
            }
            println!(
                "pages of {per_page:>5} {:<13} {:.3} B/row  encode {:6.1} M rows/s  decode {:6.1} M rows/s",
                codec.name(),
                bytes as f64 / n as f64,
                n as f64 / encode / 1e6,
                n as f64 / decode / 1e6
            );
        }
    }
}
