//! The newest sample of a metric, which after a restart may be in a data file.

use super::unread::Passed;
use super::{Database, Last, MetricFiles, OpenPartition, OpenRaw, PartitionSnapshot, ScanReport, Snapshot};
use crate::format::metric::Rows;
use crate::model::{MetricId, Sample, Timestamp, Value, ValueType};
use crate::storage::BlockReader;
use crate::storage::raw_file::FrameReader;
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Newest rows that were found, each with how much damage had been passed by then.
type Found = HashMap<MetricId, (Timestamp, u64, usize)>;

impl Database {
    /// The newest sample.
    pub fn last(&self, name: &str) -> Result<Option<Sample>> {
        let found = {
            let state = self.read_state();
            state.names.get(name).copied().and_then(|id| Some((id, state.last_of(id)?)))
        };
        let Some((id, last)) = found else { return Ok(None) };
        let last = if last == Last::Unknown { self.look_up_last(id)? } else { last };
        let value_type = self.read_state().type_of(id);
        Ok(match last {
            Last::At(timestamp, bits) => Some(Sample { timestamp, value: Value::from_bits(value_type, bits) }),
            _ => None,
        })
    }

    /// Looks the newest sample up in the files: that of a widened metric may have a former id.
    pub(super) fn look_up_last(&self, wanted: MetricId) -> Result<Last> {
        let last = self.look_up_own_last(wanted)?;
        if last != Last::Never {
            return Ok(last);
        }
        let (former, value_type): (Vec<_>, _) = {
            let state = self.read_state();
            let ids = state.former.get(&wanted).into_iter().flatten().rev();
            let former = ids.filter_map(|id| state.metric(*id).map(|m| (*id, (m.value_type, m.typed), m.last)));
            (former.collect(), state.type_of(wanted))
        };
        for (id, former, last) in former {
            let last = if last == Last::Unknown { self.look_up_own_last(id)? } else { last };
            if let Last::At(timestamp, bits) = last {
                let last = Last::At(timestamp, Value::became_bits(former, value_type, bits));
                self.unread.join(wanted, id, timestamp);
                if let Some(metric) = self.write_state().metric_mut(wanted).filter(|m| m.last == Last::Never) {
                    metric.last = last;
                }
                return Ok(last);
            }
        }
        Ok(Last::Never)
    }

    /// Walks the files backwards until the metric is found. Other metrics met in raw pages on the way are remembered as
    /// well, so that a database is walked once, not once per metric.
    fn look_up_own_last(&self, wanted: MetricId) -> Result<Last> {
        // Before the files: a page that is flushed meanwhile is seen twice then, and not missed.
        let open = self.newest_unflushed();
        // Index everything first: the walk itself needs no lock.
        let Snapshot { partitions, .. } = self.snapshot(&[], Timestamp::MIN, Timestamp::MAX)?;
        let overlap = partitions.windows(2).any(|w| match w {
            [a, b] => b.partition.start < a.partition.end,
            _ => false,
        });
        // Files of a former partitioning are the older ones: of rows with the same time, theirs came first.
        let mut partitions = self.foreign_first(partitions);
        let mut walk = Walk {
            database: self,
            wanted,
            value_type: self.read_state().type_of(wanted),
            found: Found::new(),
            hidden: HashSet::new(),
            reader: FrameReader::default(),
            others: !overlap,
            passed: Passed::default(),
        };
        let mut stopped_early = false;
        while let Some(partition) = partitions.pop() {
            walk.partition(partition)?;
            if let Some((newest, ..)) = walk.found.get(&wanted)
                && partitions.iter().all(|p| p.partition.bounds().1 <= *newest)
            {
                stopped_early = true;
                break;
            }
        }
        if !walk.passed.is_empty() {
            self.note_unread(&walk, &open);
        }
        let Walk { mut found, hidden, others, .. } = walk;
        let mut state = self.write_state();
        // Rows of an open page came after the files of its partition, but not after those of younger ones.
        for (id, (timestamp, bits)) in open {
            let unknown = stopped_early || !others || hidden.contains(&id);
            if unknown && id != wanted && !found.contains_key(&id) {
                continue;
            }
            let newest = found.entry(id).or_insert((timestamp, bits, 0));
            if timestamp >= newest.0 {
                *newest = (timestamp, bits, 0);
            }
        }
        for (id, (timestamp, bits, _)) in &found {
            if let Some(metric) = state.metric_mut(*id).filter(|m| m.last == Last::Unknown) {
                metric.last = Last::At(*timestamp, *bits);
            }
        }
        if let Some(metric) = state.metric_mut(wanted).filter(|m| m.last == Last::Unknown) {
            metric.last = Last::Never;
        }
        Ok(state.metric(wanted).map_or(Last::Never, |m| m.last))
    }

    /// Notes of which metrics younger samples may be in what could not be read.
    fn note_unread(&self, walk: &Walk<'_>, open: &HashMap<MetricId, (Timestamp, u64)>) {
        let passed = &walk.passed;
        // Few pieces of damage, and many metrics behind each of them.
        let texts: Vec<_> = (0..=passed.count()).map(|count| passed.before(count, None)).collect();
        for (id, (timestamp, _, count)) in &walk.found {
            match (open.get(id).filter(|open| open.0 >= *timestamp), texts.get(*count)) {
                (Some((timestamp, _)), _) => self.unread.note(*id, Some(*timestamp), &passed.behind_open(*timestamp)),
                (None, _) if *id == walk.wanted => {
                    let texts = passed.of_wanted(*count, Some(*timestamp), !walk.others);
                    self.unread.note(*id, Some(*timestamp), &texts);
                }
                (None, texts) => texts.iter().for_each(|texts| self.unread.note(*id, Some(*timestamp), texts)),
            }
        }
        if !walk.found.contains_key(&walk.wanted) {
            match open.get(&walk.wanted) {
                Some((timestamp, _)) => {
                    self.unread.note(walk.wanted, Some(*timestamp), &passed.behind_open(*timestamp));
                }
                None => self.unread.note(walk.wanted, None, &passed.of_wanted(passed.count(), None, true)),
            }
        }
    }

    /// The newest row of each metric in the pages that are in no file yet.
    fn newest_unflushed(&self) -> HashMap<MetricId, (Timestamp, u64)> {
        let mut found: HashMap<MetricId, (Timestamp, u64)> = HashMap::new();
        let state = self.read_state();
        for page in state.frozen.values().map(|page| &**page).chain(state.pages.values()) {
            for ((id, timestamp), bits) in page.ids.iter().zip(&page.timestamps).zip(&page.bits) {
                let newest = found.entry(*id).or_insert((*timestamp, *bits));
                if *timestamp >= newest.0 {
                    *newest = (*timestamp, *bits);
                }
            }
        }
        found
    }
}

/// A walk through the partitions, youngest first.
struct Walk<'a> {
    database: &'a Database,
    wanted: MetricId,
    value_type: ValueType,
    found: Found,
    /// Metrics in metric files that were passed: what is met of them later is older, or not their newest.
    hidden: HashSet<MetricId>,
    reader: FrameReader,
    /// Whether other metrics may be remembered: what is met first is their newest.
    others: bool,
    /// Damage that was met.
    passed: Passed,
}

impl Walk<'_> {
    fn partition(&mut self, snapshot: PartitionSnapshot) -> Result<()> {
        let range = (Timestamp::MIN, Timestamp::MAX);
        let mut report = ScanReport::default();
        let open = self.database.open_partition(snapshot, &[], range, MetricFiles::Preferred, &mut report)?;
        if !self.raw(&open, |raw| open.covered.of(raw.kind)..u64::MAX)? {
            // A metric file that cannot be opened: what raw files have came later, or is what is in there.
            for warning in report.warnings {
                self.passed.any(warning, open.snapshot.partition.bounds());
            }
            self.blocks(&open)?;
        }
        let passed = open.metric.iter().flat_map(|file| &file.layout().series).map(|s| s.id);
        self.hidden.extend(passed.filter(|id| !self.found.contains_key(id)));
        Ok(())
    }

    fn keep(&mut self, id: MetricId, timestamp: Timestamp, bits: u64) {
        let row = (timestamp, bits, self.passed.count());
        let newest = self.found.entry(id).or_insert(row);
        // What was met before came later, where times are equal.
        if timestamp > newest.0 {
            *newest = row;
        }
    }

    /// Walks the frames that start within `offsets`, backwards. Returns whether the wanted metric is in one.
    fn raw(&mut self, open: &OpenPartition, offsets: impl Fn(&OpenRaw) -> Range<u64>) -> Result<bool> {
        for raw in open.raw.iter().rev() {
            let offsets = offsets(raw);
            let bounds = open.snapshot.partition.bounds();
            let mut damaged = raw.index.damaged.iter().rev().filter(|d| offsets.contains(&d.from)).peekable();
            for frame in raw.index.frames.iter().rev().filter(|f| offsets.contains(&f.offset)) {
                while let Some(damage) = damaged.next_if(|damage| damage.from > frame.offset) {
                    self.passed.bytes(damage, &raw.index.path, bounds);
                }
                let page = match self.reader.read(&*raw.handle, &raw.index.path, frame) {
                    Ok(page) => page,
                    Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                        let database = self.database.name();
                        tracing::warn!(database, %error, "skipped while looking for newest samples");
                        self.passed.any(error.to_string(), bounds);
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                let mut rows = Vec::new();
                let mut here = false;
                {
                    let state = self.database.read_state();
                    for at in (0..page.rows()).rev() {
                        let Some((id, timestamp, bits)) = page.row(at, |id| state.type_of(id)) else { continue };
                        let is_wanted = id == self.wanted;
                        if is_wanted && !here
                            || !is_wanted && self.others && !self.found.contains_key(&id) && !self.hidden.contains(&id)
                        {
                            here |= is_wanted;
                            rows.push((id, timestamp, bits));
                        }
                    }
                }
                for (id, timestamp, bits) in rows {
                    self.keep(id, timestamp, bits);
                }
                if here {
                    return Ok(true);
                }
            }
            damaged.for_each(|damage| self.passed.bytes(damage, &raw.index.path, bounds));
        }
        Ok(false)
    }

    /// The last row of the wanted metric in the metric file. Behind a block that is damaged, what raw pages have of it, or the
    /// block before: as a scan would.
    fn blocks(&mut self, open: &OpenPartition) -> Result<()> {
        let Some(file) = &open.metric else { return Ok(()) };
        let Some(series) = file.series(self.wanted) else { return Ok(()) };
        let mut looked_into_raw = false;
        let mut reader = BlockReader::default();
        for block in series.blocks.iter().rev() {
            if self.found.get(&self.wanted).is_some_and(|(newest, ..)| *newest >= block.end) {
                break;
            }
            match file.block(self.database.metric_cache(), series, block, &mut reader) {
                Ok(rows) => {
                    let mut widened = Rows::new(self.value_type);
                    widened.extend(&rows.timestamps, rows.values.values());
                    let last = widened.timestamps.len().checked_sub(1);
                    let last =
                        last.and_then(|at| Some((*widened.timestamps.get(at)?, widened.values.values().get(at)?)));
                    if let Some((timestamp, value)) = last {
                        self.keep(self.wanted, timestamp, value.to_bits());
                        break;
                    }
                }
                Err(error @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                    tracing::warn!(database = self.database.name(), %error, "skipped while looking for newest samples");
                    self.passed.own(error.to_string(), block.end);
                    if !std::mem::replace(&mut looked_into_raw, true) {
                        self.raw(open, |raw| 0..open.covered.of(raw.kind))?;
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
