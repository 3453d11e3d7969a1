//! `drip`: a small host metrics collector for NanoTDB.

mod proc;
mod push;

use clap::Parser;
use push::ServerUrl;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Collects metrics of this host and sends them to a NanoTDB server, or prints them.
///
/// What it collects today, from /proc: load averages and process counts (sys.load1, sys.load5, sys.load15,
/// sys.procs_running, sys.procs_total), memory in kB (mem.total, mem.free, mem.available, mem.buffers, mem.cached,
/// mem.swapcached, mem.swaptotal, mem.swapfree) and sys.uptime_sec. CPU, disk, network and temperature are not collected.
///
/// A cycle that cannot be sent is reported on standard error and dropped: nothing is kept for later.
#[derive(Debug, Parser)]
#[command(name = "drip", version, after_help = AFTER_HELP)]
struct Args {
    /// Print one cycle as line protocol and exit
    #[arg(long, conflicts_with_all = ["server_url", "interval"], required_unless_present = "server_url")]
    once: bool,

    /// Server to send to, without TLS: http://host[:port][/prefix]
    #[arg(long, value_name = "URL")]
    server_url: Option<ServerUrl>,

    /// Time between cycles, for example 500ms, 10s, 1m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_interval)]
    interval: Duration,

    /// Longest wait for the server: to connect, and for each read and write
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_interval)]
    timeout: Duration,

    /// Database the samples go to
    #[arg(long, value_name = "NAME", default_value = "metrics", value_parser = parse_database)]
    database: String,

    /// Where the proc file system is mounted
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    proc: PathBuf,
}

const AFTER_HELP: &str = "\
Examples:
  drip --once
  drip --once --database pi | nanocli import --root ./nanotdb-data --in -
  drip --server-url http://127.0.0.1:8428 --interval 10s";

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.server_url {
        None => once(&args),
        Some(server) => run(&args, server),
    }
}

fn once(args: &Args) -> ExitCode {
    let (text, complete) = cycle(args);
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("drip: standard output: {e}");
            ExitCode::FAILURE
        }
        _ if complete => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Sends a cycle every interval until it is killed.
fn run(args: &Args, server: &ServerUrl) -> ExitCode {
    let mut next = Instant::now();
    loop {
        let (text, _) = cycle(args);
        if !text.is_empty()
            && let Err(reason) = push::push(server, &text, args.timeout)
        {
            eprintln!("drip: cycle dropped: {reason}");
        }
        next = next_cycle(next, Instant::now(), args.interval);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Line protocol of one cycle, and whether every source could be read.
fn cycle(args: &Args) -> (String, bool) {
    let (samples, problems) = proc::collect(&args.proc);
    for problem in &problems {
        eprintln!("drip: {problem}");
    }
    (proc::line_protocol(&args.database, &samples, now_ns()), problems.is_empty())
}

/// The next moment on the grid of `interval` that is not over: a slow server makes cycles fall out, not pile up.
fn next_cycle(last: Instant, now: Instant, interval: Duration) -> Instant {
    let mut next = last + interval;
    if next < now {
        let missed = now.duration_since(next).as_nanos() / interval.as_nanos().max(1);
        next += interval.saturating_mul(u32::try_from(missed + 1).unwrap_or(u32::MAX));
    }
    next
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// A whole number and one of ms, s, m, h; from 1 ms to 1 day.
fn parse_interval(text: &str) -> Result<Duration, String> {
    const ACCEPTED: &str = "accepted is a whole number with ms, s, m or h, from 1ms to 24h";
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(ACCEPTED.into()),
    };
    let millis = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or(ACCEPTED)?;
    if (1..=86_400_000).contains(&millis) { Ok(Duration::from_millis(millis)) } else { Err(ACCEPTED.into()) }
}

/// The server checks names too; a bad one here would make every line of every cycle a rejected one.
fn parse_database(text: &str) -> Result<String, String> {
    let usable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(usable) && !text.starts_with(['.', '-']) {
        return Ok(text.to_owned());
    }
    Err("accepted are 1 to 64 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent_and_needs_a_mode() {
        Args::command().debug_assert();
        assert!(Args::try_parse_from(["drip"]).is_err());
        assert!(Args::try_parse_from(["drip", "--once"]).is_ok());
        let args = Args::try_parse_from(["drip", "--server-url", "http://h:1", "--interval", "250ms"]).unwrap();
        assert_eq!(args.interval, Duration::from_millis(250));
    }

    #[test]
    fn intervals_have_a_unit_and_bounds() {
        assert_eq!(parse_interval("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(parse_interval("2h").unwrap(), Duration::from_secs(7_200));
        for bad in ["", "10", "s", "0s", "25h", "1.5s", "-1s", "99999999999999999999s"] {
            assert!(parse_interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn database_names_are_those_the_server_takes() {
        assert!(parse_database("pi-0.a_b").is_ok());
        for bad in ["", ".a", "-a", "a/b", "a b"] {
            assert!(parse_database(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn missed_cycles_fall_out_and_the_grid_stays() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(next_cycle(start, start, second), start + second);
        assert_eq!(next_cycle(start, start + Duration::from_millis(3_500), second), start + 4 * second);
    }
}
