//! What each codec makes of a database's own samples: bytes per value, and how fast.

use super::window::{self, Window};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::format::metric::{Rows, v3};
use crate::format::page::{MAX_ROWS, NARROW_ROW, WIDE_ROW};
use crate::model::{Column, MetricId, Timestamp, ValueType};
use crate::plugin::registry::registry;
use crate::plugin::{Codec, CodecError};
use crate::{Error, Result};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Duration;

/// One pass over little data takes too short a time to measure: passes are repeated for as long as this.
const LEAST_TIME: Duration = Duration::from_millis(20);
/// Most passes.
const MAX_PASSES: u32 = 100;

/// What a benchmark is made of.
#[derive(Debug, Clone, Copy)]
pub struct BenchRequest<'a> {
    /// Database.
    pub database: &'a str,
    /// Only this partition, as in its file names; without one the newest samples of all.
    pub partition: Option<&'a str>,
    /// Most samples that are taken, except that those of one second stay together.
    pub rows: u64,
}

/// What was measured, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchReport {
    /// Samples taken.
    pub rows: u64,
    /// Metrics that they are of.
    pub series: u64,
    /// Oldest and newest of them; `None` without any.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Whether there were more samples than were taken.
    pub is_part: bool,
    /// Results for raw pages, columns of each type, and timestamps.
    pub kinds: Vec<KindReport>,
    /// What could not be read, and so is not in the sample.
    pub warnings: Vec<String>,
}

/// Results for one kind of block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindReport {
    /// `page`, `int32`, `float32`, `int64`, `float64` or `timestamps`.
    pub kind: &'static str,
    /// Blocks.
    pub blocks: u64,
    /// Samples, values or timestamps in them.
    pub values: u64,
    /// Bytes of them before encoding.
    pub decoded_bytes: u64,
    /// By codec, in the order of the registry.
    pub codecs: Vec<CodecReport>,
}

/// What one codec does with one kind of block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecReport {
    /// Codec name.
    pub codec: &'static str,
    /// Bytes after encoding.
    pub bytes: u64,
    /// Time to encode all blocks once.
    pub encode: Duration,
    /// Time to decode all blocks once.
    pub decode: Duration,
    /// Why its figures mean nothing.
    pub problem: Option<String>,
}

/// Measures every registered codec on a sample. `progress` is called before each codec and kind, with their names.
pub fn bench(engine: &Engine, request: BenchRequest<'_>, progress: &mut dyn FnMut(&str, &str)) -> Result<BenchReport> {
    let sample = Sample::take(engine, request)?;
    let records = engine.known_database(request.database)?.manifest().page.max_records as usize;
    let times = sample.metrics.iter().flat_map(|(_, rows)| [rows.timestamps.first(), rows.timestamps.last()]);
    let times: Vec<Timestamp> = times.flatten().copied().collect();
    let mut report = BenchReport {
        rows: sample.metrics.iter().map(|(_, rows)| rows.timestamps.len() as u64).sum(),
        series: sample.metrics.len() as u64,
        span: times.iter().min().copied().zip(times.iter().max().copied()),
        is_part: sample.is_part,
        kinds: Vec::new(),
        warnings: sample.warnings.clone(),
    };
    for (kind, blocks) in sample.blocks(records.clamp(1, MAX_ROWS)) {
        if blocks.is_empty() {
            continue;
        }
        let codecs = registry().codecs().iter().map(|codec| {
            progress(kind, codec.name());
            measure(engine.clock(), *codec, &blocks)
        });
        report.kinds.push(KindReport {
            kind,
            blocks: blocks.len() as u64,
            values: blocks.iter().map(|b| b.values() as u64).sum(),
            decoded_bytes: blocks.iter().map(Block::decoded_bytes).sum(),
            codecs: codecs.collect(),
        });
    }
    Ok(report)
}

/// Samples in memory, by metric.
struct Sample {
    metrics: Vec<(MetricId, Rows)>,
    is_part: bool,
    warnings: Vec<String>,
}

impl Sample {
    fn take(engine: &Engine, request: BenchRequest<'_>) -> Result<Self> {
        let database = engine.known_database(request.database)?;
        let infos = engine.metrics(request.database)?;
        let names: Vec<&str> = infos.iter().map(|m| m.name.as_str()).collect();
        let mut partitions = database.partitions();
        if let Some(wanted) = request.partition {
            let known: Vec<String> = partitions.iter().map(|(_, name)| name.clone()).collect();
            partitions.retain(|(_, name)| name == wanted);
            if partitions.is_empty() {
                return Err(Error::NotFound(format!(
                    "database {:?} has no partition {wanted:?}; it has {}",
                    request.database,
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                )));
            }
        }
        let (windows, is_part) = newest_windows(engine, request, &names, partitions.iter().map(|(p, _)| *p))?;
        let mut metrics: Vec<(MetricId, Rows)> = infos.iter().map(|m| (m.id, Rows::new(m.value_type))).collect();
        let mut warnings: Vec<String> = Vec::new();
        for window in windows {
            let report = engine.scan(request.database, &names, window.from, window.to, &mut |slice| {
                if let Some((_, rows)) = metrics.get_mut(slice.metric) {
                    rows.extend(slice.timestamps, slice.values);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            warnings.extend(report.warnings);
        }
        metrics.retain(|(_, rows)| !rows.timestamps.is_empty());
        warnings.dedup();
        Ok(Self { metrics, is_part, warnings })
    }

    /// Blocks of each kind, as the engine would cut them.
    fn blocks(&self, page_rows: usize) -> Vec<(&'static str, Vec<Block>)> {
        let types = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];
        let mut kinds = vec![("page", self.pages(page_rows))];
        for value_type in types {
            let of_type = self.metrics.iter().filter(|(_, rows)| rows.values.value_type() == value_type);
            let columns = of_type.flat_map(|(_, rows)| {
                let values = rows.values.values();
                segments(rows.timestamps.len()).map(move |(from, to)| {
                    let mut column = Column::new(value_type);
                    column.extend(values.slice(from..to));
                    Block::Values(column)
                })
            });
            kinds.push((value_type.name(), columns.collect()));
        }
        // Metrics share vectors of timestamps, so each is measured once.
        let (mut vectors, mut known) = (Vec::new(), HashSet::new());
        for (_, rows) in &self.metrics {
            for (from, to) in segments(rows.timestamps.len()) {
                let vector = rows.timestamps.get(from..to).unwrap_or_default();
                if known.insert(vector) {
                    vectors.push(Block::Timestamps(vector.to_vec()));
                }
            }
        }
        kinds.push(("timestamps", vectors));
        kinds
    }

    /// The rows in time order, as raw pages.
    fn pages(&self, page_rows: usize) -> Vec<Block> {
        let mut all: Vec<(Timestamp, MetricId, u64, bool)> = Vec::new();
        for (id, rows) in &self.metrics {
            let values = rows.values.values();
            let wide = values.value_type().is_wide();
            let bits = (0..values.len()).map(|at| values.get(at).map_or(0, crate::model::Value::to_bits));
            all.extend(rows.timestamps.iter().zip(bits).map(|(timestamp, bits)| (*timestamp, *id, bits, wide)));
        }
        all.sort_by_key(|(timestamp, ..)| *timestamp);
        let pages = all.chunks(page_rows).map(|rows| {
            let wide = rows.iter().any(|(.., wide)| *wide);
            let mut payload = Vec::with_capacity(rows.len().saturating_mul(if wide { WIDE_ROW } else { NARROW_ROW }));
            rows.iter().for_each(|(_, id, ..)| payload.extend_from_slice(&id.to_le_bytes()));
            rows.iter().for_each(|(timestamp, ..)| payload.extend_from_slice(&timestamp.to_le_bytes()));
            rows.iter().for_each(|(_, _, bits, _)| payload.extend_from_slice(&(*bits as u32).to_le_bytes()));
            if wide {
                rows.iter().for_each(|(_, _, bits, _)| payload.extend_from_slice(&((bits >> 32) as u32).to_le_bytes()));
            }
            Block::Page { rows: rows.len(), payload }
        });
        pages.collect()
    }
}

/// The newest windows that together hold at most so many rows, oldest first, and whether there are rows besides.
fn newest_windows(
    engine: &Engine,
    request: BenchRequest<'_>,
    names: &[&str],
    partitions: impl DoubleEndedIterator<Item = crate::plugin::Partition>,
) -> Result<(Vec<Window>, bool)> {
    let mut taken: Vec<Window> = Vec::new();
    let mut rows = 0u64;
    // Small enough that several windows together come near the number that is asked for.
    let budget = (request.rows / 4).max(1);
    for partition in partitions.rev() {
        let (_, end) = partition.bounds();
        let (windows, _) = window::plan(engine, request.database, names, partition.start, end, budget)?;
        for window in windows.into_iter().rev().filter(|w| w.rows > 0) {
            if !taken.is_empty() && rows.saturating_add(window.rows) > request.rows {
                taken.reverse();
                return Ok((taken, true));
            }
            rows = rows.saturating_add(window.rows);
            taken.push(window);
        }
    }
    taken.reverse();
    Ok((taken, false))
}

/// Ranges of a column as it is cut in a metric file.
fn segments(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(v3::SEGMENT_TICKS).map(move |from| (from, from.saturating_add(v3::SEGMENT_TICKS).min(len)))
}

/// What is encoded at once.
enum Block {
    Page { rows: usize, payload: Vec<u8> },
    Values(Column),
    Timestamps(Vec<Timestamp>),
}

/// Reused memory for decoding.
struct Decoded {
    bytes: Vec<u8>,
    column: Column,
    timestamps: Vec<Timestamp>,
}

impl Block {
    fn values(&self) -> usize {
        match self {
            Block::Page { rows, .. } => *rows,
            Block::Values(column) => column.len(),
            Block::Timestamps(timestamps) => timestamps.len(),
        }
    }

    fn decoded_bytes(&self) -> u64 {
        match self {
            Block::Page { payload, .. } => payload.len() as u64,
            Block::Values(column) => column.len().saturating_mul(column.value_type().width()) as u64,
            Block::Timestamps(timestamps) => timestamps.len().saturating_mul(8) as u64,
        }
    }

    fn encode(&self, codec: &dyn Codec, out: &mut Vec<u8>) -> std::result::Result<(), CodecError> {
        match self {
            Block::Page { rows, payload } => codec.encode_page(*rows, payload, out),
            Block::Values(column) => codec.encode_values(column.values(), out),
            Block::Timestamps(timestamps) => codec.encode_timestamps(timestamps, out),
        }
    }

    fn decode(&self, codec: &dyn Codec, bytes: &[u8], out: &mut Decoded) -> std::result::Result<(), CodecError> {
        match self {
            Block::Page { rows, payload } => {
                out.bytes.clear();
                codec.decode_page(*rows, bytes, payload.len(), &mut out.bytes)
            }
            Block::Values(column) => {
                out.column.reset(column.value_type());
                codec.decode_values(bytes, column.len(), out.column.values_mut())
            }
            Block::Timestamps(timestamps) => {
                out.timestamps.clear();
                codec.decode_timestamps(bytes, timestamps.len(), &mut out.timestamps)
            }
        }
    }

    fn is(&self, decoded: &Decoded) -> bool {
        match self {
            Block::Page { payload, .. } => *payload == decoded.bytes,
            Block::Values(column) => column.values().same_bits(decoded.column.values()),
            Block::Timestamps(timestamps) => *timestamps == decoded.timestamps,
        }
    }
}

fn measure(clock: &dyn Clock, codec: &'static dyn Codec, blocks: &[Block]) -> CodecReport {
    let mut report =
        CodecReport { codec: codec.name(), bytes: 0, encode: Duration::ZERO, decode: Duration::ZERO, problem: None };
    if let Err(e) = try_measure(clock, codec, blocks, &mut report) {
        report.problem = Some(e.to_string());
    }
    report
}

fn try_measure(
    clock: &dyn Clock,
    codec: &'static dyn Codec,
    blocks: &[Block],
    report: &mut CodecReport,
) -> std::result::Result<(), CodecError> {
    let mut encoded = vec![Vec::new(); blocks.len()];
    report.encode = passes(clock, &mut || {
        for (block, out) in blocks.iter().zip(&mut encoded) {
            out.clear();
            block.encode(codec, out)?;
        }
        Ok(())
    })?;
    report.bytes = encoded.iter().map(|e| e.len() as u64).sum();
    let mut decoded = Decoded { bytes: Vec::new(), column: Column::new(ValueType::Int32), timestamps: Vec::new() };
    for (block, bytes) in blocks.iter().zip(&encoded) {
        block.decode(codec, bytes, &mut decoded)?;
        if !block.is(&decoded) {
            return Err(CodecError::new("decoded to something else than was encoded"));
        }
    }
    report.decode = passes(clock, &mut || {
        blocks.iter().zip(&encoded).try_for_each(|(block, bytes)| block.decode(codec, bytes, &mut decoded))
    })?;
    Ok(())
}

/// The time of one pass, on average.
fn passes(
    clock: &dyn Clock,
    pass: &mut dyn FnMut() -> std::result::Result<(), CodecError>,
) -> std::result::Result<Duration, CodecError> {
    let started = clock.monotonic();
    let mut count = 0u32;
    loop {
        pass()?;
        count = count.saturating_add(1);
        let elapsed = clock.monotonic().saturating_sub(started);
        if elapsed >= LEAST_TIME || count >= MAX_PASSES {
            return Ok(elapsed.checked_div(count).unwrap_or(elapsed));
        }
    }
}
