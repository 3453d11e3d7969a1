//! Repeats one GET request on one connection.

use crate::http::{self, Connection};
use crate::stats::{millis, percentile};
use anyhow::{Result, bail};
use clap::Args;
use std::time::{Duration, Instant};

/// Flags of `query`.
#[derive(Args)]
pub(crate) struct Options {
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8428")]
    addr: String,
    /// Path with parameters, percent-encoded.
    #[arg(long)]
    path: String,
    /// Requests that count.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Requests before them that do not.
    #[arg(long, default_value_t = 5)]
    warmup: u32,
}

/// Runs the mode and prints its figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut connection = Connection::open(http::resolve(&options.addr)?)?;
    let request = http::get(&options.path);
    let mut bytes = 0;
    let mut latencies: Vec<Duration> = Vec::new();
    for round in 0..options.warmup + options.repeat {
        let start = Instant::now();
        let response = connection.exchange(&request)?;
        let elapsed = start.elapsed();
        if response.status != 200 {
            let answer = String::from_utf8_lossy(response.body);
            bail!("{}: status {}: {}", options.path, response.status, answer.chars().take(300).collect::<String>());
        }
        bytes = response.body.len();
        if round >= options.warmup {
            latencies.push(elapsed);
        }
    }
    println!(
        "{{\"requests\":{},\"p50_ms\":{:.4},\"p99_ms\":{:.4},\"bytes\":{bytes}}}",
        options.repeat,
        millis(percentile(&mut latencies, 50)),
        millis(percentile(&mut latencies, 99)),
    );
    Ok(())
}
