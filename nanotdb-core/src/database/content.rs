//! Which frames of a damaged raw file are in the metric file beside it: told by their samples.
//!
//! Bytes that are lost, or come in between, move every frame behind them, so that neither its place nor the length of
//! what came before says what was built in. Its samples do: those of a frame that was built in are all in the metric file, and
//! some are older than their metric's newest there, which no sample that came later is.

use super::{Database, OpenRaw};
use crate::model::{Column, MetricId, Timestamp, Value};
use crate::storage::raw_file::FrameReader;
use crate::storage::{BlockReader, FrameEntry, MetricFile};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// What the samples of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All are in the metric file, and came before others that are.
    BuiltIn,
    /// All are in the metric file, each the newest of its metric: the last frame that was built in, or the same sent again.
    Either,
    /// Some are not.
    Later,
}

/// Samples of one metric, and which of them were found.
type Wanted = Vec<(Timestamp, Value, bool)>;

impl Database {
    /// Where the last frame at `from` or behind it ends that was built into `file`; `None` when none was. `likely` is up to where
    /// frames are taken to be built in whose samples leave both possible.
    pub(super) fn built_in_by_content(
        &self,
        file: &MetricFile,
        raw: &OpenRaw,
        from: u64,
        likely: u64,
    ) -> Result<Option<u64>> {
        let mut frames = FrameReader::default();
        let mut blocks = BlockReader::default();
        for frame in raw.index.frames.iter().rev().take_while(|frame| frame.offset >= from) {
            let verdict = match self.samples_of(raw, frame, &mut frames) {
                Ok(samples) => self.verdict(file, samples, &mut blocks)?,
                Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => continue,
                Err(e) => return Err(e),
            };
            if verdict == Verdict::BuiltIn || (verdict == Verdict::Either && frame.offset < likely) {
                return Ok(Some(frame.end_offset()));
            }
        }
        Ok(None)
    }

    fn samples_of(
        &self,
        raw: &OpenRaw,
        frame: &FrameEntry,
        reader: &mut FrameReader,
    ) -> Result<BTreeMap<MetricId, Wanted>> {
        let page = reader.read(&*raw.handle, &raw.index.path, frame)?;
        let state = self.read_state();
        let mut samples: BTreeMap<MetricId, Wanted> = BTreeMap::new();
        for at in 0..page.rows() {
            if let Some((id, timestamp, bits)) = page.row(at, |id| state.type_of(id)) {
                let value = Value::from_bits(state.type_of(id), bits);
                samples.entry(id).or_default().push((timestamp, value, false));
            }
        }
        Ok(samples)
    }

    fn verdict(
        &self,
        file: &MetricFile,
        samples: BTreeMap<MetricId, Wanted>,
        reader: &mut BlockReader,
    ) -> Result<Verdict> {
        let mut verdict = Verdict::Either;
        for (id, mut wanted) in samples {
            let Some(newest) = file.series(id).and_then(|s| s.blocks.iter().map(|b| b.end).max()) else {
                return Ok(Verdict::Later);
            };
            if !self.find(file, id, &mut wanted, reader)? {
                return Ok(Verdict::Later);
            }
            if wanted.iter().any(|(timestamp, ..)| *timestamp < newest) {
                verdict = Verdict::BuiltIn;
            }
        }
        Ok(verdict)
    }

    /// Whether all of these are in the metric file. What lies in a block that cannot be read may be.
    fn find(&self, file: &MetricFile, id: MetricId, wanted: &mut Wanted, reader: &mut BlockReader) -> Result<bool> {
        let Some(series) = file.series(id) else { return Ok(false) };
        let value_type = self.read_state().type_of(id);
        for block in &series.blocks {
            let within = |timestamp: Timestamp| (block.start..=block.end).contains(&timestamp);
            if !wanted.iter().any(|(timestamp, _, found)| !found && within(*timestamp)) {
                continue;
            }
            let mut values = Column::new(value_type);
            let timestamps = match file.block(self.metric_cache(), series, block, reader) {
                Ok(rows) if values.extend(rows.values.values()) => rows.timestamps.as_slice(),
                Ok(_) => continue,
                Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => {
                    wanted.iter_mut().filter(|(timestamp, ..)| within(*timestamp)).for_each(|sample| sample.2 = true);
                    continue;
                }
                Err(e) => return Err(e),
            };
            for (timestamp, value, found) in wanted.iter_mut().filter(|sample| !sample.2) {
                let first = timestamps.partition_point(|t| t < timestamp);
                let same = timestamps.iter().enumerate().skip(first).take_while(|(_, t)| *t == timestamp);
                *found = same
                    .map(|(at, _)| at)
                    .any(|at| values.values().get(at).is_some_and(|there| there.to_bits() == value.to_bits()));
            }
        }
        Ok(wanted.iter().all(|(_, _, found)| *found))
    }
}
