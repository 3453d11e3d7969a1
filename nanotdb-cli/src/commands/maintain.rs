//! `nanocli maintain`: what a server does by itself, once, without one.

use crate::inspect::table::Table;
use crate::options::DatabasesArgs;
use crate::{output, root, text};
use nanotdb_core::Error;
use nanotdb_core::engine::{DatabaseMaintenance, Engine, MaintenancePlan, MaintenanceReport, Removed, RetentionClock};
use nanotdb_core::rollup::SourceReport;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// Do what a server does by itself, once: flush, build metric files, remove or archive what has expired.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Believe that the clock of this machine is right, now
    #[arg(long)]
    trust_clock: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli maintain --root ./nanotdb-data --dry-run
  nanocli maintain --root ./nanotdb-data --db sensors
  nanocli maintain --root ./nanotdb-data --trust-clock

Metric files are built when engine.toml says [metrics] enabled = true. Partitions expire as the [retention] of each \
database's manifest.toml says, by a clock that has been right for 24 hours of a server's run: where no server has run \
for so long, nothing expires without --trust-clock.

Exit code 1 when something went wrong; the rest is done all the same.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let DatabasesArgs { root, db } = &args.databases;
    let root = &root.root;
    root::require_directory(root)?;
    if args.dry_run {
        let engine = root::open_for_reading(root)?;
        let names = names(&engine, root, db.as_deref())?;
        return plan(args, &engine, &names);
    }
    let engine = root::open_for_writing(root)?;
    let unusable = root::unusable(&engine, db.as_deref());
    let done = names(&engine, root, db.as_deref()).and_then(|wanted| {
        if args.trust_clock {
            engine.trust_clock()?;
        }
        let rolled_up = roll_up(&engine, db.as_deref())?;
        let names = if db.is_some() { wanted } else { names(&engine, root, None)? };
        rounds(&engine, &names, &rolled_up)
    });
    let clock = engine.retention_clock();
    let waiting = done.as_ref().map_or(0, |done| unbelieved(&engine, &done.databases));
    let closed = engine.close();
    let mut report = done?;
    closed?;
    for error in unusable {
        if !report.errors.contains(&error) {
            report.errors.push(error);
        }
    }
    for error in report.errors() {
        eprintln!("nanocli: {error}");
    }
    if args.json {
        output::print_json(&json(&report, clock))?;
    } else {
        output::print_text(&format!("{}{}", table(&report), note(clock, waiting)))?;
    }
    Ok(super::exit(report.errors().is_empty()))
}

fn names(engine: &Engine, root: &std::path::Path, db: Option<&str>) -> anyhow::Result<Vec<String>> {
    if let Some(name) = db {
        root::require_database(engine, root, name)?;
        return Ok(vec![name.to_owned()]);
    }
    Ok(engine.database_names(true))
}

/// Buckets that rollups wrote, by source. What feeds others comes first, and all of it is on disk when this returns, so that
/// retention need not wait for it.
fn roll_up(engine: &Engine, db: Option<&str>) -> anyhow::Result<BTreeMap<String, u64>> {
    if db.is_some() {
        return Ok(BTreeMap::new());
    }
    let report = engine.roll_up()?;
    match engine.flush() {
        // What retention removes makes room; the rows stay in the log until there is some.
        Err(error @ Error::Full { .. }) => eprintln!("nanocli: {error}"),
        flushed => flushed?,
    }
    // Now that they are flushed, their checkpoints are written.
    engine.roll_up()?;
    for source in &report.sources {
        for error in &source.errors {
            eprintln!("nanocli: {}: {error}", source.database);
        }
    }
    Ok(report.sources.into_iter().map(|source| (source.database, source.buckets)).collect())
}

/// Rounds until one removes nothing: a round removes some partitions of a database at most.
fn rounds(engine: &Engine, names: &[String], rolled_up: &BTreeMap<String, u64>) -> anyhow::Result<MaintenanceReport> {
    let mut all = MaintenanceReport::default();
    for (name, reason) in engine.health() {
        if names.contains(&name) {
            all.errors.push(format!("database {name:?}: {reason}"));
        }
    }
    for name in names {
        let mut sum: Option<DatabaseMaintenance> = None;
        loop {
            let MaintenanceReport { databases, errors } = engine.maintain(name)?;
            all.errors.extend(errors);
            let Some(round) = databases.into_iter().next() else { break };
            let is_last = round.removed.is_empty() || !round.errors.is_empty();
            match &mut sum {
                None => sum = Some(round),
                Some(sum) => {
                    sum.pages_flushed = sum.pages_flushed.saturating_add(round.pages_flushed);
                    sum.sealed.extend(round.sealed);
                    sum.built.extend(round.built);
                    sum.rolled_up = sum.rolled_up.take().or(round.rolled_up);
                    sum.removed.extend(round.removed);
                    sum.held = round.held;
                    sum.errors.extend(round.errors);
                }
            }
            if is_last {
                break;
            }
        }
        if let (Some(sum), Some(buckets)) = (&mut sum, rolled_up.get(name).filter(|buckets| **buckets > 0)) {
            let source = sum.rolled_up.get_or_insert_with(SourceReport::default);
            source.buckets = source.buckets.saturating_add(*buckets);
        }
        all.databases.extend(sum);
    }
    Ok(all)
}

/// Partitions that are expired by the wall clock alone.
fn unbelieved(engine: &Engine, databases: &[DatabaseMaintenance]) -> usize {
    let plans = databases.iter().filter_map(|d| engine.maintenance_plan(&d.database).ok());
    plans.map(|plan| plan.unbelieved.len()).sum()
}

fn note(clock: RetentionClock, waiting: usize) -> String {
    if waiting == 0 {
        return String::new();
    }
    let believed = match (clock.now, clock.ahead) {
        (Some(now), Some(ahead)) => {
            format!("believes {} ({} behind)", time_of(now), short(ahead))
        }
        _ => "has not seen this clock run for 24 hours of a server's run".to_owned(),
    };
    format!(
        "{} expired by the clock of this machine {}, but retention {believed}; if the clock is right: --trust-clock\n",
        text::counted(waiting as u64, "partition"),
        if waiting == 1 { "is left" } else { "are left" },
    )
}

fn time_of(now: i64) -> String {
    text::timestamp_short(now)
}

fn short(duration: Duration) -> String {
    nanotdb_core::model::duration::format_short(Duration::from_secs(duration.as_secs()))
}

fn freed(removed: &[Removed]) -> u64 {
    removed.iter().filter(|removed| removed.archive.is_none()).map(|removed| removed.bytes).sum()
}

fn archived(removed: &[Removed]) -> u64 {
    removed.iter().filter(|removed| removed.archive.is_some()).count() as u64
}

/// One or two names, or how many there are.
fn listed(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, .., last] => format!("{} ({first} to {last})", text::count(names.len() as u64)),
    }
}

fn parts(removed: &[Removed]) -> Vec<String> {
    removed.iter().map(|removed| removed.partition.clone()).collect()
}

/// Buckets of rollups with samples, once per job and metric.
fn buckets(done: &DatabaseMaintenance) -> u64 {
    done.rolled_up.as_ref().map_or(0, |source| source.buckets)
}

fn table(report: &MaintenanceReport) -> String {
    let mut table =
        Table::new(&["DATABASE", ">PAGES", ">ROLLED UP", "BUILT", "REMOVED", ">ARCHIVED", ">FREED", "HELD", ">ERRORS"]);
    for done in &report.databases {
        let built: Vec<String> = done.built.iter().map(|built| built.partition.clone()).collect();
        let held = held(&done.held);
        table.row(vec![
            done.database.clone(),
            text::count(done.pages_flushed),
            text::count(buckets(done)),
            listed(&built),
            listed(&parts(&done.removed)),
            text::count(archived(&done.removed)),
            text::bytes(freed(&done.removed)),
            listed(&held),
            text::count(done.errors.len() as u64),
        ]);
    }
    table.render()
}

/// Partitions that stay, with the reasons.
fn held(held: &[(String, String)]) -> Vec<String> {
    held.iter().map(|(partition, reason)| format!("{partition}: {reason}")).collect()
}

fn removed_json(removed: &[Removed]) -> Vec<serde_json::Value> {
    let one = |removed: &Removed| {
        serde_json::json!({
            "partition": removed.partition,
            "files": removed.files,
            "bytes": removed.bytes,
            "archive": removed.archive.as_ref().map(|path| path.display().to_string()),
        })
    };
    removed.iter().map(one).collect()
}

fn held_json(held: &[(String, String)]) -> Vec<serde_json::Value> {
    held.iter().map(|(partition, reason)| serde_json::json!({ "partition": partition, "reason": reason })).collect()
}

fn clock_json(clock: RetentionClock) -> serde_json::Value {
    serde_json::json!({
        "believed": clock.now.map(time_of),
        "ahead_seconds": clock.ahead.map(|ahead| ahead.as_secs()),
    })
}

fn json(report: &MaintenanceReport, clock: RetentionClock) -> serde_json::Value {
    let one = |done: &DatabaseMaintenance| {
        let built: Vec<_> = done.built.iter().map(|built| &built.partition).collect();
        serde_json::json!({
            "database": done.database,
            "pages_flushed": done.pages_flushed,
            "sealed": done.sealed,
            "rolled_up": buckets(done),
            "built": built,
            "removed": removed_json(&done.removed),
            "held": held_json(&done.held),
            "bytes_freed": freed(&done.removed),
            "errors": done.errors,
        })
    };
    let databases: Vec<_> = report.databases.iter().map(one).collect();
    serde_json::json!({ "databases": databases, "clock": clock_json(clock), "errors": report.errors })
}

fn plan(args: &Args, engine: &Engine, names: &[String]) -> anyhow::Result<ExitCode> {
    if args.trust_clock {
        engine.trust_clock()?;
    }
    let clock = engine.retention_clock();
    let mut plans: Vec<(&String, MaintenancePlan)> = Vec::new();
    for name in names {
        plans.push((name, engine.maintenance_plan(name)?));
    }
    let errors = root::unusable(engine, args.databases.db.as_deref());
    for error in &errors {
        eprintln!("nanocli: {error}");
    }
    if args.json {
        let one = |(name, plan): &(&String, MaintenancePlan)| {
            serde_json::json!({
                "database": name,
                "unflushed": plan.unflushed,
                "build": plan.build,
                "remove": removed_json(&plan.remove),
                "held": held_json(&plan.held),
                "unbelieved": plan.unbelieved,
            })
        };
        let databases: Vec<_> = plans.iter().map(one).collect();
        output::print_json(
            &serde_json::json!({ "dry_run": true, "databases": databases, "clock": clock_json(clock), "errors": errors }),
        )?;
        return Ok(super::exit(errors.is_empty()));
    }
    let mut table = Table::new(&["DATABASE", ">UNFLUSHED", "BUILD", "REMOVE", ">ARCHIVE", ">FREE", "HELD"]);
    for (name, plan) in &plans {
        table.row(vec![
            (*name).clone(),
            text::count(plan.unflushed),
            listed(&plan.build),
            listed(&parts(&plan.remove)),
            text::count(archived(&plan.remove)),
            text::bytes(freed(&plan.remove)),
            listed(&held(&plan.held)),
        ]);
    }
    let waiting = plans.iter().map(|(_, plan)| plan.unbelieved.len()).sum();
    output::print_text(&format!("{}{}nothing was done\n", table.render(), note(clock, waiting)))?;
    Ok(super::exit(errors.is_empty()))
}
