//! Sends a file of samples over keep-alive connections, one thread each.

use crate::http::{self, Connection, find};
use crate::process::cpu_time;
use crate::stats::{micros, percentile};
use crate::workload::{Requests, Target, count_by_metric, cut, influx_database};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Flags of `ingest`.
#[derive(Args)]
pub(crate) struct Options {
    /// What listens at the address.
    #[arg(long)]
    target: Target,
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8428")]
    addr: String,
    /// Samples in the target's own line format.
    #[arg(long)]
    file: PathBuf,
    /// Lines in one request body.
    #[arg(long, default_value_t = 83, value_parser = clap::value_parser!(u32).range(1..))]
    lines_per_request: u32,
    /// Connections; each replays the whole file under names of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: u32,
    /// Lines of the file that each client sends [default: all].
    #[arg(long)]
    limit: Option<usize>,
    /// Server process: adds the CPU time it spent per point.
    #[arg(long)]
    pid: Option<u32>,
    /// Afterwards, read the first client's metrics back and compare the number of their points (NanoTDB only).
    #[arg(long)]
    gap_check: bool,
}

/// Runs the mode and prints its figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let text = std::fs::read(&options.file).with_context(|| options.file.display().to_string())?;
    let address = http::resolve(&options.addr)?;
    let limit = options.limit.unwrap_or(usize::MAX);
    let per_request = options.lines_per_request as usize;
    let work: Vec<Requests> = (0..options.clients as usize)
        .map(|client| cut(&text, options.target, client, per_request, limit))
        .collect::<Result<_>>()?;
    if options.target == Target::Influx {
        create_databases(address, work.len())?;
    }
    let cpu_before = options.pid.map(cpu_time).transpose()?;
    let (elapsed, mut latencies) = send_all(address, options.target, &work)?;
    let cpu_after = options.pid.map(cpu_time).transpose()?;

    let points: usize = work.iter().map(Requests::lines).sum();
    let requests: usize = work.iter().map(Requests::count).sum();
    let cpu = match (cpu_before, cpu_after) {
        (Some(before), Some(after)) => format!("{:.4}", micros(after.saturating_sub(before)) / points as f64),
        _ => "null".into(),
    };
    if options.gap_check {
        check_gaps(address, options.target, &text, limit)?;
    }
    println!(
        "{{\"points\":{points},\"seconds\":{:.6},\"points_per_s\":{:.0},\"requests\":{requests},\"p50_us\":{:.1},\
         \"p99_us\":{:.1},\"server_cpu_us_per_point\":{cpu}}}",
        elapsed.as_secs_f64(),
        points as f64 / elapsed.as_secs_f64(),
        micros(percentile(&mut latencies, 50)),
        micros(percentile(&mut latencies, 99)),
    );
    Ok(())
}

/// Every client at once; the time until the last has finished, and each request's latency.
fn send_all(address: SocketAddr, target: Target, work: &[Requests]) -> Result<(Duration, Vec<Duration>)> {
    let connections: Vec<Connection> = work.iter().map(|_| Connection::open(address)).collect::<Result<_>>()?;
    let ready = Barrier::new(work.len() + 1);
    thread::scope(|scope| {
        let clients: Vec<_> = work
            .iter()
            .zip(connections)
            .map(|(requests, connection)| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    send(connection, target, requests)
                })
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        let mut latencies = Vec::new();
        for client in clients {
            match client.join() {
                Ok(result) => latencies.append(&mut result?),
                Err(_) => bail!("a client thread panicked"),
            }
        }
        Ok((start.elapsed(), latencies))
    })
}

fn send(mut connection: Connection, target: Target, requests: &Requests) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(requests.count());
    for (request, lines) in requests.iter() {
        let start = Instant::now();
        let response = connection.exchange(request)?;
        latencies.push(start.elapsed());
        let imported_all = target != Target::Nanotdb || imported(response.body) == Some(lines as u64);
        if !(200..300).contains(&response.status) || !imported_all {
            let answer = String::from_utf8_lossy(response.body);
            let shown: String = answer.chars().take(300).collect();
            bail!("a request of {lines} lines was answered with status {}: {shown}", response.status);
        }
    }
    Ok(latencies)
}

/// The number behind `"imported":` in NanoTDB's answer.
pub(crate) fn imported(body: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"imported\":";
    let rest = body.get(find(body, KEY)? + KEY.len()..)?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

fn create_databases(address: SocketAddr, clients: usize) -> Result<()> {
    for client in 0..clients {
        let mut request = Vec::new();
        let path = format!("/query?q=CREATE%20DATABASE%20{}", influx_database(client));
        http::post_into(&mut request, &path, b"");
        let (status, body) = http::once(address, &request)?;
        if status != 200 {
            bail!("CREATE DATABASE was answered with status {status}: {}", String::from_utf8_lossy(&body));
        }
    }
    Ok(())
}

/// Reads every metric of the file back and compares the number of points.
fn check_gaps(address: SocketAddr, target: Target, text: &[u8], limit: usize) -> Result<()> {
    if target != Target::Nanotdb {
        bail!("--gap-check reads back over NanoTDB's query_range; use it with --target nanotdb");
    }
    let mut connection = Connection::open(address)?;
    for (name, sent) in count_by_metric(text, limit) {
        let request = http::get(&format!("/api/v1/query_range?query={name}&start=1970-01-01&end=2200-01-01"));
        let response = connection.exchange(&request)?;
        let stored = crate::kill_loop::answer::samples(response.body).with_context(|| name.clone())?.len();
        if response.status != 200 || stored != sent {
            bail!("{name}: {sent} points were acknowledged, {stored} are there (status {})", response.status);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_imported_count() {
        assert_eq!(imported(br#"{"status":"success","data":{"imported": 83}}"#), Some(83));
        assert_eq!(imported(br#"{"status":"error"}"#), None);
        assert_eq!(imported(br#"{"imported":"x"}"#), None);
    }
}
