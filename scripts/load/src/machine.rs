//! What the machine can do at best: the limits that the other figures are read against.

use crate::rng::Rng;
use crate::stats::{millis, percentile};
use anyhow::{Context, Result};
use clap::Args;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags of `machine`.
#[derive(Args)]
pub(crate) struct Options {
    /// Directory on the disk to measure.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

const MIB: usize = 1 << 20;

/// Runs the mode and prints its figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let path = options.dir.join(format!(".nanotdb-load-machine-{}", std::process::id()));
    let disk = disk(&path);
    // Whatever happened, the scratch file goes.
    let removed = std::fs::remove_file(&path);
    let (append_fsync_ms, write_mb_s) = disk.with_context(|| path.display().to_string())?;
    removed?;
    println!(
        "{{\"memcpy_gb_s\":{:.2},\"append_1k_fsync_ms\":{append_fsync_ms:.4},\"sequential_write_mb_s\":{write_mb_s:.0},\
         \"zstd1_mb_s\":{:.0}}}",
        memcpy_gb_s(),
        zstd_mb_s()?,
    );
    Ok(())
}

/// Bytes copied per second between two buffers beyond any cache; the best of several passes.
fn memcpy_gb_s() -> f64 {
    let from = vec![1_u8; 256 * MIB];
    let mut to = vec![2_u8; 256 * MIB];
    let mut best = Duration::MAX;
    for _ in 0..6 {
        let start = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        best = best.min(start.elapsed());
    }
    from.len() as f64 / best.as_secs_f64() / 1e9
}

/// Median milliseconds of a 1 KiB append with fdatasync, and MB/s of a long write with one at its end.
fn disk(path: &Path) -> Result<(f64, f64)> {
    let mut file: File = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
    let block = [7_u8; 1024];
    let mut times = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    file.seek(SeekFrom::Start(0))?;
    file.set_len(0)?;
    let chunk = vec![7_u8; 4 * MIB];
    let chunks = 128;
    let start = Instant::now();
    for _ in 0..chunks {
        file.write_all(&chunk)?;
    }
    file.sync_data()?;
    let seconds = start.elapsed().as_secs_f64();
    Ok((millis(percentile(&mut times, 50)), (chunks * chunk.len()) as f64 / seconds / 1e6))
}

/// Input MB/s of zstd level 1 over sample lines.
fn zstd_mb_s() -> Result<f64> {
    let mut rng = Rng::new(1);
    let mut text = String::new();
    let mut counter = 0;
    while text.len() < 32 * MIB {
        counter += rng.between(0, 4000);
        let metric = rng.between(0, 82);
        writeln!(text, "pi0/host.metric{metric} {counter} {}", 1_777_593_600_000_000_000 + counter * 1000)?;
    }
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        black_box(zstd::bulk::compress(black_box(text.as_bytes()), 1)?);
        best = best.min(start.elapsed());
    }
    Ok(text.len() as f64 / best.as_secs_f64() / 1e6)
}
