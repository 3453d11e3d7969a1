//! Nanoseconds per line: the line protocol against a scan for newlines of the same text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench")]

use divan::counter::ItemsCount;
use nanotdb_core::model::{Number, Timestamp, ValueType};
use nanotdb_core::plugin::{IngestFormat, IngestOptions, SampleSink};
use nanotdb_ingest::LineProtocol;

fn main() {
    divan::main();
}

const LINES: usize = 10_000;

/// Lines like those of `bench/gen.py` W1: 83 host metrics per tick, mostly integers, some with two decimals.
fn host_metrics() -> Vec<u8> {
    let names = [
        "cpu.user",
        "cpu.busy_pct",
        "sys.uptime_sec",
        "mem.available",
        "proc.nanotdb.rss_bytes",
        "disk.mmcblk0.read_sectors",
        "disk.mmcblk0.write_kbps",
        "diskfs.boot_firmware.used_pct",
        "net.eth0.rx_bytes",
        "sys.load15",
        "temp.office_wet.mdeg",
    ];
    let mut text = String::new();
    let mut state = 1_u64;
    for i in 0..LINES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = state >> 33;
        let name = names[i % names.len()];
        let value = if name.ends_with("pct") || name.ends_with("kbps") || name.contains("load") {
            format!("{}.{:02}", random % 100, random / 100 % 100)
        } else {
            format!("{}", random % 10_u64.pow(3 + (i % 7) as u32))
        };
        let ts = 1_777_593_603_532_000_000_u64 + (i / 83) as u64 * 10_000_000_000;
        text.push_str(&format!("pi0/{name} {value} {ts}\n"));
    }
    text.into_bytes()
}

struct Sum(u64);

impl SampleSink for Sum {
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        let lengths = (database.len() + metric.len()) as u64;
        self.0 ^= line ^ lengths ^ value.as_f64().to_bits() ^ timestamp.unwrap_or(0) as u64;
    }

    fn reject(&mut self, _: u64, reason: String) {
        panic!("{reason}");
    }

    fn declare(&mut self, _: u64, _: &[u8], _: &[u8], _: ValueType) {}
}

#[divan::bench]
fn line_protocol(bencher: divan::Bencher<'_, '_>) {
    let text = host_metrics();
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let mut sink = Sum(0);
        let used = LineProtocol.parser(&IngestOptions::default()).parse(divan::black_box(&text), true, &mut sink);
        assert_eq!(used.ok(), Some(text.len()));
        sink.0
    });
}

#[divan::bench]
fn newlines_only(bencher: divan::Bencher<'_, '_>) {
    let text = host_metrics();
    bencher
        .counter(ItemsCount::new(LINES))
        .bench_local(|| memchr::memchr_iter(b'\n', divan::black_box(&text)).fold(0, |sum, at| sum ^ at));
}

/// What the parts would cost with the standard library alone.
#[divan::bench]
fn split_and_std(bencher: divan::Bencher<'_, '_>) {
    let text = String::from_utf8(host_metrics()).unwrap();
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let mut sum = 0_u64;
        for line in divan::black_box(&text).lines() {
            let mut fields = line.split_whitespace();
            let key = fields.next().and_then(|k| k.split_once('/')).unwrap();
            let value: f64 = fields.next().unwrap().parse().unwrap();
            let ts: i64 = fields.next().unwrap().parse().unwrap();
            sum ^= key.1.len() as u64 ^ value.to_bits() ^ ts as u64;
        }
        sum
    });
}
