//! How long a server takes from its start until it answers.

use crate::http;
use crate::process::{memory_mib, terminate, wait_for_exit};
use crate::stats::{millis, percentile};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Flags of `start`.
#[derive(Args)]
pub(crate) struct Options {
    /// Address that the server will listen on.
    #[arg(long)]
    addr: String,
    /// Path that answers 2xx once the server is ready.
    #[arg(long, default_value = "/health")]
    path: String,
    /// Starts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Drop the page cache before each start (root only).
    #[arg(long)]
    cold: bool,
    /// End each run with SIGKILL, not SIGTERM: what was in the WAL stays there.
    #[arg(long)]
    kill: bool,
    /// Longest time to wait for an answer, seconds.
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// The server's command line.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the mode and prints its figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let address = http::resolve(&options.addr)?;
    let limit = Duration::from_secs(options.limit);
    let (program, arguments) = options.command.split_first().context("no command")?;
    let mut times = Vec::new();
    let mut peak: f64 = 0.0;
    for _ in 0..options.repeat {
        if options.cold {
            drop_caches()?;
        }
        let start = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| program.clone())?;
        let ready = wait_until_ready(&mut child, address, &options.path, limit);
        times.push(start.elapsed());
        peak = peak.max(memory_mib(child.id(), "VmHWM").unwrap_or_default());
        let stopped = if options.kill || ready.is_err() { child.kill().map_err(Into::into) } else { terminate(&child) };
        let ended = wait_for_exit(&mut child, limit);
        ready?;
        stopped?;
        ended?;
    }
    println!(
        "{{\"starts\":{},\"p50_ms\":{:.3},\"max_ms\":{:.3},\"peak_mib\":{peak:.2}}}",
        options.repeat,
        millis(percentile(&mut times, 50)),
        millis(percentile(&mut times, 100)),
    );
    Ok(())
}

/// Asks until the answer is 2xx.
///
/// # Errors
/// When the server ends, or is not ready within `limit`.
pub(crate) fn wait_until_ready(child: &mut Child, address: SocketAddr, path: &str, limit: Duration) -> Result<()> {
    let request = http::get(path);
    let start = Instant::now();
    loop {
        match http::once(address, &request) {
            Ok((200..300, _)) => return Ok(()),
            other => {
                if let Some(status) = child.try_wait()? {
                    bail!("the server ended with {status} before it answered {path}");
                }
                if start.elapsed() > limit {
                    let seen = other.map_or_else(|error| format!("{error:#}"), |(status, _)| status.to_string());
                    bail!("{path} is not answered with 2xx after {} s; last: {seen}", limit.as_secs());
                }
            }
        }
        thread::sleep(Duration::from_micros(100));
    }
}

fn drop_caches() -> Result<()> {
    let status = Command::new("sync").status().context("sync(1)")?;
    if !status.success() {
        bail!("sync(1) failed");
    }
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("--cold: /proc/sys/vm/drop_caches needs root")
}
