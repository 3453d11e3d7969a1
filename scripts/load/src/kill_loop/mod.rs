//! Kills a real server at random moments and checks after each restart that every acknowledged sample is there,
//! exactly once, in order, with its value; and that nothing else is but perhaps what was in flight.
//!
//! A life is one data directory with one durability policy and one page size; it sees several rounds of writing,
//! killing and recovering. Every policy promises the same for a killed process. A directory that failed is kept.

pub(crate) mod answer;
mod series;
mod server;
mod writer;

use crate::http::{Connection, get};
use crate::rng::Rng;
use anyhow::{Context, Result, bail};
use clap::Args;
use server::{Server, data_dir, log_file};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use writer::{DATABASES, Writer};

/// Flags of `kill-loop`.
#[derive(Args)]
pub(crate) struct Options {
    /// The server binary.
    #[arg(long, default_value = "target/release/nanotdb")]
    binary: PathBuf,
    /// Rounds of writing, killing, recovering and checking.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Makes the same requests and the same plan of kills again [default: from the clock].
    #[arg(long)]
    seed: Option<u64>,
    /// Only this fsync policy [default: each in turn].
    #[arg(long, value_parser = POLICIES)]
    policy: Option<String>,
    /// Threads that write.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    writers: u32,
    /// Where scratch directories are made [default: the system's].
    #[arg(long)]
    dir: Option<PathBuf>,
}

const POLICIES: [&str; 3] = ["segment", "interval", "always"];
const ROUNDS_PER_LIFE: u32 = 8;
/// A life ends early past this, so that reading everything back stays quick.
const MAX_SAMPLES_PER_LIFE: usize = 400_000;
/// Past this many failures more rounds tell nothing new.
const MAX_FAILURES: u32 = 3;

/// What the whole run did.
#[derive(Debug, Default)]
struct Totals {
    rounds: u32,
    acknowledged: usize,
    kills: u32,
    kills_in_recovery: u32,
    clean_stops: u32,
    failures: u32,
}

/// Runs the mode and prints its figures.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().with_context(|| format!("--binary {}", options.binary.display()))?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64 % 1_000_000_007,
    };
    let base = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut totals = Totals::default();
    let mut number = 0;
    while totals.rounds < options.rounds && totals.failures < MAX_FAILURES {
        let work = base.join(format!("nanotdb-kill-{}-{number}", std::process::id()));
        let policy = options.policy.as_deref().or(POLICIES.get(number % POLICIES.len()).copied()).unwrap_or("segment");
        let life_seed = seed.wrapping_add(number as u64 * 1_000_003);
        let rounds = ROUNDS_PER_LIFE.min(options.rounds - totals.rounds);
        let mut life = Life::prepare(&binary, work, policy, options.writers as usize, life_seed)?;
        match life.run(rounds, &mut totals) {
            Ok(()) => std::fs::remove_dir_all(&life.work).with_context(|| life.work.display().to_string())?,
            Err(error) => {
                totals.failures += 1;
                eprintln!(
                    "kill-loop: FAILED in round {}, seed {seed}, fsync_policy {policy}: {error:#}",
                    totals.rounds
                );
                eprintln!("kill-loop: kept {}; log: {}", life.work.display(), log_file(&life.work).display());
            }
        }
        totals.acknowledged += life.samples();
        number += 1;
    }
    println!(
        "{{\"rounds\":{},\"acknowledged\":{},\"kills\":{},\"kills_in_recovery\":{},\"clean_stops\":{},\
         \"failures\":{},\"seed\":{seed}}}",
        totals.rounds, totals.acknowledged, totals.kills, totals.kills_in_recovery, totals.clean_stops, totals.failures
    );
    if totals.failures > 0 {
        bail!("{} failures; again with --seed {seed}", totals.failures);
    }
    Ok(())
}

/// One data directory and those who write to it.
struct Life<'a> {
    binary: &'a Path,
    work: PathBuf,
    writers: Vec<Writer>,
    rng: Rng,
}

impl<'a> Life<'a> {
    /// Makes the directory with its configuration.
    fn prepare(binary: &'a Path, work: PathBuf, policy: &str, writers: usize, seed: u64) -> Result<Self> {
        let mut rng = Rng::new(seed);
        std::fs::create_dir_all(data_dir(&work)).with_context(|| work.display().to_string())?;
        // Small pages, so that a flush is as likely to be hit as an append.
        let max_records = 40 << rng.between(0, 6);
        let config = format!(
            "[wal]\nfsync_policy = \"{policy}\"\nfsync_interval = \"50ms\"\n\n[stats]\nenabled = false\n\n[limits]\nmax_future = \"0s\"\n\n\
             [manifest_defaults.page]\nmax_records = {max_records}\n"
        );
        std::fs::write(data_dir(&work).join("engine.toml"), config)?;
        let writers = (0..writers).map(|number| Writer::new(number, seed)).collect();
        Ok(Self { binary, work, writers, rng })
    }

    fn samples(&self) -> usize {
        self.writers.iter().flat_map(|writer| &writer.series).map(series::Series::len).sum()
    }

    fn start(&mut self) -> Result<Server> {
        let mut server = Server::spawn(self.binary, &self.work, &mut self.rng)?;
        server.wait_until_ready().context("starting")?;
        Ok(server)
    }

    fn run(&mut self, rounds: u32, totals: &mut Totals) -> Result<()> {
        let mut server = self.start()?;
        for _ in 0..rounds {
            totals.rounds += 1;
            server = self.round(server, totals)?;
            if self.samples() > MAX_SAMPLES_PER_LIFE {
                break;
            }
        }
        server.stop(&self.work).context("stopping at the end")?;
        let server = self.start()?;
        self.check(&server).context("after the last clean stop")?;
        server.stop(&self.work).context("stopping at the end, nothing written")
    }

    /// Writes, ends the server somehow, starts it again and checks; the new server.
    fn round(&mut self, server: Server, totals: &mut Totals) -> Result<Server> {
        let clean = self.rng.chance(15);
        self.write_and_end(server, clean)?;
        let how = if clean {
            totals.clean_stops += 1;
            "after SIGTERM"
        } else {
            totals.kills += 1;
            "after SIGKILL"
        };
        while !clean && self.rng.chance(25) {
            let recovering = Server::spawn(self.binary, &self.work, &mut self.rng)?;
            thread::sleep(Duration::from_micros(self.rng.between(200, 30_000)));
            recovering.kill().context("during recovery")?;
            totals.kills_in_recovery += 1;
        }
        let server = self.start().context(how)?;
        self.check(&server).context(how)?;
        if self.rng.chance(30) {
            for writer in &mut self.writers {
                writer.probe_order(server.address).context(how)?;
            }
        }
        Ok(server)
    }

    /// All writers at once until the server is killed or stopped at a random moment.
    fn write_and_end(&mut self, server: Server, clean: bool) -> Result<()> {
        let moment = Duration::from_micros(self.rng.between(1_000, 300_000));
        let stopping = AtomicBool::new(false);
        let (address, work) = (server.address, self.work.as_path());
        let ended = thread::scope(|scope| {
            let threads: Vec<_> = self
                .writers
                .iter_mut()
                .map(|writer| {
                    let stopping = &stopping;
                    scope.spawn(move || writer.run(address, stopping))
                })
                .collect();
            thread::sleep(moment);
            // Set before the signal for a clean stop, so that a refusal is not taken for a fault; a kill must hit
            // writers at work.
            stopping.store(clean, Ordering::Relaxed);
            let ended = if clean { server.stop(work) } else { server.kill() };
            stopping.store(true, Ordering::Relaxed);
            for thread in threads {
                match thread.join() {
                    Ok(result) => result?,
                    Err(_) => bail!("a writer thread panicked"),
                }
            }
            ended
        });
        ended.context("ending the server under load")
    }

    /// Compares what the server shows with what it promised.
    fn check(&mut self, server: &Server) -> Result<()> {
        let mut connection = Connection::open(server.address)?;
        for series in self.writers.iter_mut().flat_map(|writer| &mut writer.series) {
            let path = format!(
                "/api/v1/query_range?query={}&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z",
                series.name
            );
            let response = connection.exchange(&get(&path))?;
            let rows = answer::samples(response.body).with_context(|| path.clone())?;
            if let Err(violation) = series.settle(&rows) {
                bail!("{}: {violation} ({} rows shown, {} acknowledged)", series.name, rows.len(), series.len());
            }
            let response = connection.exchange(&get(&format!("/api/v1/query?query={}", series.name)))?;
            let shown = answer::last(response.body).with_context(|| format!("last value of {}", series.name))?;
            let shown = shown.map(|(time, value)| (time, value.to_owned()));
            if shown != series.newest() {
                bail!("{}: the last value is {shown:?}, expected {:?}", series.name, series.newest());
            }
        }
        self.check_names(&mut connection)
    }

    /// There are no databases and no metrics that nobody made.
    fn check_names(&self, connection: &mut Connection) -> Result<()> {
        let response = connection.exchange(&get("/api/v1/databases"))?;
        let databases: Vec<String> = answer::names(response.body)?.into_iter().map(str::to_owned).collect();
        for database in databases {
            if !DATABASES.contains(&database.as_str()) {
                bail!("database '{database}' was never written to");
            }
            let response = connection.exchange(&get(&format!("/api/v1/metrics?db={database}")))?;
            for metric in answer::names(response.body)? {
                let name = format!("{database}/{metric}");
                if !self.writers.iter().flat_map(|writer| &writer.series).any(|series| series.name == name) {
                    bail!("metric '{name}' was never written to");
                }
            }
        }
        Ok(())
    }
}
