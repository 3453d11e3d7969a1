//! The command line.

use crate::config::{Config, Overrides, ServerUrl, database, template};
use crate::flags::with_two_dashes;
use crate::gather::{Close, Gatherer};
use crate::identity;
use crate::runner::End;
use crate::stats::Stats;
use crate::{check, runner, schedule};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Collects metrics of this host and sends them to a NanoTDB server.
///
/// Without --config it reads /etc/nanotdb/drip.toml or /etc/drip.toml, or takes the defaults. While the server is away,
/// cycles are kept in a spool on disk and sent when it is back.
#[derive(Debug, Parser)]
#[command(name = "drip", version, after_help = AFTER_HELP)]
struct Args {
    /// Read this drip.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Write a commented drip.toml (./drip.toml, or where --config says), never over an existing one, and exit
    #[arg(long, conflicts_with_all = ["once", "check"])]
    init: bool,

    /// Print one cycle as line protocol and exit; it takes a second, because rates need two readings
    #[arg(long, conflicts_with = "check")]
    once: bool,

    /// Check the file, try every collector, ask the server, and exit
    #[arg(long)]
    check: bool,

    /// Server to send to, without TLS: http://host[:port][/prefix]
    #[arg(long, alias = "server", value_name = "URL")]
    server_url: Option<ServerUrl>,

    /// Database the samples go to
    #[arg(long, value_name = "NAME", value_parser = database)]
    database: Option<String>,

    /// Time between cycles, for example 500ms, 10s, 1m
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,

    /// Longest wait for an answer of the server
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    timeout: Option<Duration>,

    /// What /proc and /sys are below
    #[arg(long, value_name = "DIR")]
    root_fs: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  drip --init                                  a drip.toml to edit
  drip --check --config drip.toml              what works here, what does not
  drip --config drip.toml                      collect and send
  drip --once                                  what would be sent
  drip --server-url http://pi.local:8428 --database laptop --interval 1m

The options go before what the file says. SIGTERM and Ctrl-C end it; a cycle that was not sent is kept.";

/// Wrong arguments or configuration, as `nanocli` and `nanotdb` have it.
const BAD_INPUT: u8 = 2;

/// The program: reads the command line, and does what it says.
pub fn run() -> ExitCode {
    let args = Args::parse_from(with_two_dashes(&Args::command(), std::env::args_os()));
    let overrides = Overrides {
        server: args.server_url,
        database: args.database,
        interval: args.interval,
        timeout: args.timeout,
        root: args.root_fs,
    };
    if args.init {
        return init(args.config.as_deref().unwrap_or(Path::new("drip.toml")), &overrides);
    }
    let (config, file) = match Config::load(args.config.as_deref(), overrides) {
        Ok(loaded) => loaded,
        Err(errors) => {
            errors.iter().for_each(|e| eprintln!("drip: {e}"));
            return ExitCode::from(BAD_INPUT);
        }
    };
    config.notes.iter().for_each(|note| eprintln!("drip: {note}"));
    let runtime = match runner::runtime(config.interval) {
        Ok(runtime) => runtime,
        Err(e) => return failed(&e.to_string()),
    };
    let code = if args.check {
        runtime.block_on(check::check(config, file.as_deref()))
    } else if args.once {
        runtime.block_on(once(config))
    } else {
        match runtime.block_on(runner::run(config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(End::Failed(e)) => failed(&e),
            Err(End::Refused(e)) => {
                eprintln!("drip: {e}");
                ExitCode::from(BAD_INPUT)
            }
        }
    };
    // A collector that hangs must not hold up the end.
    runtime.shutdown_background();
    code
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("drip: {reason}");
    ExitCode::FAILURE
}

fn init(path: &Path, overrides: &Overrides) -> ExitCode {
    let shown = path.display();
    let text = match template(overrides) {
        Ok(text) => text,
        Err(e) => return failed(&e),
    };
    let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            println!("wrote {shown}; try it with: drip --check --config {shown}");
            ExitCode::SUCCESS
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            failed(&format!("{shown} is there already, and is left as it is"))
        }
        Err(e) => failed(&format!("{shown}: {e}")),
    }
}

/// Two readings, a second apart; the second one is printed.
async fn once(config: Config) -> ExitCode {
    let stats = Stats::default();
    stats.host.set(identity::marker(&config.root, &config.database));
    let mut gatherer = Gatherer::new(config.collectors, &config.root, &config.spool.dir);
    let close = Close::AtTimeouts;
    gatherer.prime(close, &stats).await;
    tokio::time::sleep(Duration::from_secs(1).min(config.interval)).await;
    let interval = i64::try_from(config.interval.as_nanos()).unwrap_or(i64::MAX);
    let now = schedule::now_ns();
    let mut text = String::new();
    gatherer.cycle(&config.database, now - now.rem_euclid(interval), close, &mut text, &stats).await;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => failed(&format!("standard output: {e}")),
        _ if stats.errors.get() > 0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// The interval that drip.toml takes as ms.
fn interval(text: &str) -> Result<Duration, String> {
    duration(text, 100, "100ms")
}

fn timeout(text: &str) -> Result<Duration, String> {
    duration(text, 10, "10ms")
}

/// A whole number and one of ms, s, m, h; up to 1 day.
fn duration(text: &str, least: u64, shown: &str) -> Result<Duration, String> {
    let accepted = || format!("accepted: a whole number with ms, s, m or h, {shown} to 24h");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(accepted()),
    };
    let millis = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or_else(accepted)?;
    if (least..=86_400_000).contains(&millis) { Ok(Duration::from_millis(millis)) } else { Err(accepted()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
        for good in [
            vec!["drip"],
            vec!["drip", "--once", "--database", "pi"],
            vec!["drip", "--check", "--config", "x"],
            // The one that the waiting page of the web interface shows.
            vec!["drip", "--server", "http://h:1", "--database", "host"],
        ] {
            assert!(Args::try_parse_from(&good).is_ok(), "{good:?}");
        }
        for bad in [vec!["drip", "--once", "--check"], vec!["drip", "--init", "--once"], vec!["drip", "x"]] {
            assert!(Args::try_parse_from(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_dash_does_where_it_was_one_in_the_original() {
        let two = |args: &[&str]| with_two_dashes(&Args::command(), args.iter().map(std::ffi::OsString::from));
        assert_eq!(two(&["drip", "-once", "-config", "x"]), ["drip", "--once", "--config", "x"]);
        assert_eq!(two(&["drip", "-config=x", "-server", "y"]), ["drip", "--config=x", "--server", "y"]);
        assert_eq!(two(&["drip", "-h", "-20s", "-x", "--", "-once"]), ["drip", "-h", "-20s", "-x", "--", "-once"]);
    }

    #[test]
    fn intervals_have_a_unit_and_bounds() {
        assert_eq!(interval("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(interval("2h").unwrap(), Duration::from_secs(7_200));
        for bad in ["", "10", "s", "0s", "99ms", "25h", "1.5s", "-1s", "99999999999999999999s"] {
            assert!(interval(bad).unwrap_err().contains("100ms to 24h"), "{bad}");
        }
    }
}
