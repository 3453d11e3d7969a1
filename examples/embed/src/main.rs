//! A tour of the engine inside another program: no server, no runtime, one directory of files.
//!
//!     cargo run -p example-embed [DIR]
//!
//! Without DIR it works in a temporary directory and removes it at the end. Every step prints what it does and what came
//! of it; a result that is not the expected one is an error that names both.

use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::{Batch, Engine};
use nanotdb_core::model::{Sample, Timestamp, Value};
use std::error::Error;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

// Naming a crate links the plugins that register themselves in it. The engine itself knows them by name only.
use nanotdb_codecs as _;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// 2026-05-24 12:00:00 UTC in nanoseconds.
const NOON: Timestamp = 1_779_624_000_000_000_000;
const SECOND: Timestamp = 1_000_000_000;

fn main() -> Result<()> {
    if let Some(dir) = std::env::args_os().nth(1) {
        return tour(&PathBuf::from(dir));
    }
    let dir = std::env::temp_dir().join(format!("nanotdb-embed-{}", std::process::id()));
    let result = tour(&dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

fn tour(dir: &Path) -> Result<()> {
    let root = dir.join("root");
    println!("open {}", root.display());
    let engine = Engine::open(&root, quiet_config())?;

    write(&engine)?;
    list(&engine)?;
    read(&engine)?;
    let file = dir.join("sensors.lp");
    println!("export to {}", file.display());
    let lines = export(&engine, "sensors", &file)?;

    let copy = dir.join("copy");
    println!("import into {}", copy.display());
    let other = Engine::open(&copy, quiet_config())?;
    import(&other, &file)?;
    expect("the copy exports the same lines", export(&other, "sensors", &dir.join("again.lp"))?, lines)?;

    println!("close both");
    other.close()?;
    engine.close()?;

    // What was written is there after the engine was closed. A reader takes no lock and writes nothing.
    println!("open {} again, for reading", root.display());
    let reader = Engine::open_read_only(&root, quiet_config())?;
    let last = reader.query_last("sensors", "room.temp")?.map(|s| s.value);
    expect("the last value survived", last, Some(Value::Float32(22.75)))
}

/// The defaults, without the engine's own metrics.
fn quiet_config() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.stats.enabled = false;
    config
}

fn write(engine: &Engine) -> Result<()> {
    // One line of line protocol; the database and the metric come into being. `21.5` makes room.temp a float32.
    engine.add_line(&format!("sensors/room.temp 21.5 {NOON}"))?;

    // Many samples at once. A batch is reused: it keeps its allocations.
    let mut batch = Batch::new();
    for i in 1..=5_i32 {
        let at = NOON + Timestamp::from(i) * 10 * SECOND;
        batch.push("sensors", "room.temp", Value::Float32(21.5 + 0.25 * i as f32), Some(at));
        batch.push("sensors", "door.count", Value::Int32(i), Some(at));
    }
    // Older than the newest of its metric: refused, and the rest is stored all the same.
    batch.push("sensors", "room.temp", Value::Float32(0.0), Some(NOON));
    let outcome = engine.write_batch(&mut batch)?;
    for rejection in &outcome.rejections {
        println!("  refused: {}", rejection.reason);
    }
    expect("accepted and refused", (outcome.accepted, outcome.rejected), (10, 1))
}

fn list(engine: &Engine) -> Result<()> {
    expect("databases", engine.database_names(false), vec!["sensors".to_owned()])?;
    for metric in engine.metrics("sensors")? {
        println!("  metric {} id {} type {}", metric.name, metric.id, metric.value_type);
    }
    let names: Vec<String> = engine.metrics("sensors")?.into_iter().map(|m| m.name).collect();
    expect("metrics", names, vec!["door.count".to_owned(), "room.temp".to_owned()])
}

fn read(engine: &Engine) -> Result<()> {
    // Every second sample of half a minute. The callback may end the query with `ControlFlow::Break(())`.
    let mut values = Vec::new();
    let report = engine.query_range("sensors", "room.temp", NOON, NOON + 30 * SECOND, 2, |sample: Sample| {
        values.push(sample.value);
        ControlFlow::Continue(())
    })?;
    expect("every second sample", values, vec![Value::Float32(21.5), Value::Float32(22.0)])?;
    expect("damage met on the way", report.warnings, Vec::new())?;

    let last = engine.query_last("sensors", "door.count")?;
    expect("last value", last, Some(Sample { timestamp: NOON + 50 * SECOND, value: Value::Int32(5) }))?;
    let earlier = engine.query_at("sensors", "door.count", NOON + 25 * SECOND)?.map(|s| s.value);
    expect("value at 12:00:25", earlier, Some(Value::Int32(2)))?;
    expect("value of an unknown metric", engine.query_last("sensors", "nope")?, None)
}

/// A database as a file of line protocol, in time order and with its types, in bounded memory.
fn export(engine: &Engine, database: &str, file: &Path) -> Result<String> {
    let report = engine.export_file(database, file)?;
    expect("samples that an import would refuse", report.non_finite, 0)?;
    let lines = std::fs::read_to_string(file)?;
    println!("  {} samples, the first line is {:?}", report.rows, lines.lines().next().unwrap_or_default());
    Ok(lines)
}

/// A file in any ingest format that is linked in; without a name it is line protocol.
fn import(engine: &Engine, file: &Path) -> Result<()> {
    let report = engine.import_file(file, None)?;
    for rejection in &report.rejections {
        println!("  line {} refused: {}", rejection.line, rejection.reason);
    }
    expect("imported and refused", (report.accepted, report.rejected), (11, 0))
}

/// Prints what came of a step; an error when it is not what should have.
fn expect<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Result<()> {
    let shown = format!("{got:?}");
    let shown = if shown.chars().count() > 100 { "as expected".to_owned() } else { shown };
    if got == wanted {
        println!("  {what}: {shown}");
        return Ok(());
    }
    Err(format!("{what}: got {got:?}, wanted {wanted:?}").into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tour_ends_well() {
        let dir = tempfile::tempdir().unwrap();
        super::tour(dir.path()).unwrap();
    }

    #[test]
    fn an_unexpected_result_is_an_error() {
        assert_eq!(super::expect("n", 1, 2).unwrap_err().to_string(), "n: got 1, wanted 2");
    }
}
