//! Encode and decode of raw pages, per codec, beside memcpy. Throughput is of decoded bytes.
//!
//! The page is the columnar payload of a host monitor: 83 metrics every 10 s, counters that step, gauges that
//! wander, constants and floats of two decimals; ids (u16), timestamps (i64), values (4 bytes). In S2 and
//! LZ4 it takes 5 to 10 % less than a page of the W1 workload does, in zstd 10 to 25 % less: sizes, printed before the
//! timings, are to be judged on real pages (`NANOTDB_BENCH_LP`).

#![allow(clippy::expect_used)] // a bench stops at the first surprise

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use nanotdb_codecs as _;
use nanotdb_core::plugin::Codec;
use nanotdb_core::plugin::registry::registry;

const METRICS: usize = 83;
/// Rows per page: about the original's usual page, and half of the largest.
const ROWS: [usize; 2] = [3_000, 30_000];
/// Rows per iteration: several pages, or the branch predictor learns the one by heart.
const TOTAL: usize = 90_000;
const CODECS: [&str; 9] =
    ["s2", "s2_better", "snappy", "lz4", "none", "zstd_fastest", "zstd_default", "zstd_max", "columnar"];

fn main() {
    for rows in [3_000, 9_000, 30_000] {
        let pages = pages(rows);
        for name in CODECS {
            let size: usize = pages.iter().map(|page| encoded(codec(name), rows, page).len()).sum();
            println!("{rows:>6} rows {name:<13} {:.3} bytes/point", size as f64 / TOTAL as f64);
        }
    }
    divan::main();
}

#[divan::bench(args = ROWS)]
fn memcpy(bencher: Bencher<'_, '_>, rows: usize) {
    let pages = pages(rows);
    let mut out = Vec::with_capacity(pages[0].len());
    bencher.counter(bytes(&pages)).bench_local(|| {
        for page in &pages {
            out.clear();
            out.extend_from_slice(black_box(page));
            black_box(&mut out);
        }
    });
}

#[divan::bench(args = CODECS, consts = ROWS, max_time = 2)]
fn encode<const ROWS: usize>(bencher: Bencher<'_, '_>, name: &str) {
    let pages = pages(ROWS);
    let mut out = Vec::with_capacity(2 * pages[0].len());
    bencher.counter(bytes(&pages)).bench_local(|| {
        for page in &pages {
            out.clear();
            codec(name).encode_page(ROWS, black_box(page), &mut out).expect("encodes");
            black_box(&mut out);
        }
    });
}

#[divan::bench(args = CODECS, consts = ROWS)]
fn decode<const ROWS: usize>(bencher: Bencher<'_, '_>, name: &str) {
    let pages = pages(ROWS);
    let blocks: Vec<_> = pages.iter().map(|page| encoded(codec(name), ROWS, page)).collect();
    let mut out = Vec::with_capacity(pages[0].len() + 64);
    bencher.counter(bytes(&pages)).bench_local(|| {
        for (block, page) in blocks.iter().zip(&pages) {
            out.clear();
            codec(name).decode_page(ROWS, black_box(block), page.len(), &mut out).expect("decodes");
            black_box(&mut out);
        }
    });
}

/// The decoder that ours is checked against.
#[divan::bench(args = ROWS)]
fn decode_s2_with_minlz(bencher: Bencher<'_, '_>, rows: usize) {
    let pages = pages(rows);
    let blocks: Vec<_> = pages.iter().map(|page| encoded(codec("s2"), rows, page)).collect();
    let mut out = vec![0; pages[0].len()];
    bencher.counter(bytes(&pages)).bench_local(|| {
        for block in &blocks {
            minlz::decode_into(&mut out, black_box(block)).expect("decodes");
            black_box(&mut out);
        }
    });
}

fn codec(name: &str) -> &'static dyn Codec {
    registry().codec(name).expect("registered")
}

fn encoded(codec: &dyn Codec, rows: usize, page: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode_page(rows, page, &mut out).expect("encodes");
    out
}

/// `TOTAL` rows of the host monitor in pages of `rows`. `NANOTDB_BENCH_LP` names a file of `db/metric value
/// timestamp` lines to take the rows from instead (metric ids by first appearance; a value with a point makes its
/// metric a float).
fn pages(rows: usize) -> Vec<Vec<u8>> {
    let samples = match std::env::var_os("NANOTDB_BENCH_LP") {
        Some(path) => from_lines(&std::fs::read_to_string(path).expect("readable file"), TOTAL),
        None => host_metrics(TOTAL),
    };
    assert_eq!(samples.len(), TOTAL, "too few samples");
    samples.chunks(rows).map(page).collect()
}

fn page(samples: &[(u16, i64, u32)]) -> Vec<u8> {
    let ids = samples.iter().flat_map(|(id, _, _)| id.to_le_bytes());
    let timestamps = samples.iter().flat_map(|(_, timestamp, _)| timestamp.to_le_bytes());
    let values = samples.iter().flat_map(|(_, _, value)| value.to_le_bytes());
    ids.chain(timestamps).chain(values).collect()
}

fn bytes(pages: &[Vec<u8>]) -> BytesCount {
    BytesCount::new(pages.iter().map(Vec::len).sum::<usize>())
}

fn from_lines(text: &str, rows: usize) -> Vec<(u16, i64, u32)> {
    // From the middle of the file: the first minutes are not typical.
    let lines: Vec<_> = text.lines().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
    let mut names = std::collections::HashMap::<&str, (u16, bool)>::new();
    for line in &lines {
        let id = names.len() as u16 + 1;
        let metric = names.entry(line[0]).or_insert((id, false));
        metric.1 |= line[1].contains('.') || line[1].parse::<i32>().is_err();
    }
    let start = (lines.len() / 2).min(lines.len().saturating_sub(rows));
    let bits = |value: &str, float: bool| match float {
        true => value.parse::<f32>().expect("a number").to_bits(),
        false => value.parse::<i32>().expect("an integer") as u32,
    };
    lines[start..]
        .iter()
        .take(rows)
        .map(|line| {
            let (id, float) = names[line[0]];
            (id, line[2].parse().expect("a timestamp"), bits(line[1], float))
        })
        .collect()
}

fn host_metrics(rows: usize) -> Vec<(u16, i64, u32)> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut values: Vec<i64> = (0..METRICS).map(|_| i64::from(random.below(2_000_000_000) as u32)).collect();
    let mut samples = Vec::with_capacity(rows + METRICS);
    let mut tick = 0i64;
    while samples.len() < rows {
        let timestamp = 1_777_593_603_532_000_000 + tick * 10_000_000_000 + random.below(3_000_000) as i64;
        for (metric, value) in values.iter_mut().enumerate() {
            let bits = match metric % 8 {
                // Counters: one that steps at most ticks, one now and then.
                0 => {
                    *value = (*value + (random.below(3) * random.below(250)) as i64) & 0x7fff_ffff;
                    *value as u32
                }
                1 => {
                    if random.below(8) == 0 {
                        *value = (*value + random.below(100) as i64) & 0x7fff_ffff;
                    }
                    *value as u32
                }
                // A gauge that moves now and then.
                2 => {
                    if random.below(5) < 2 {
                        *value = (*value + 4 * random.below(513) as i64 - 1_024) & 0x7fff_ffff;
                    }
                    *value as u32
                }
                // A percentage or a load, of two decimals.
                3 => {
                    if random.below(2) == 0 {
                        *value = random.below(4_000) as i64;
                    }
                    (*value as f32 / 100.0).to_bits()
                }
                4 => {
                    if random.below(6) == 0 {
                        *value = random.below(1_000) as i64;
                    }
                    (*value as f32 / 100.0).to_bits()
                }
                // Sizes, totals, error counts: what hardly ever changes.
                5 => 0,
                _ => *value as u32,
            };
            samples.push((metric as u16 + 1, timestamp, bits));
        }
        tick += 1;
    }
    samples.truncate(rows);
    samples
}

/// xorshift64*: the same page at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
