//! A metric that takes another type.
//!
//! int32 becomes int64 under its id: rows are sign-extended, so that they mean the same. Every other change gives the name a new id
//! with the new type, and what was written keeps the old one: rows say nothing of their type, so that an id has one for ever. The
//! rows of the former id all come before those of the new one, in time and in every log and file.

use super::writer::{Held, Refusal, Stage, Writer};
use super::{Batch, Database, Last};
use crate::config::{Mixing, ValueWidth};
use crate::model::{MetricId, Timestamp, Value, ValueType, Values};
use crate::query::scan::{MetricFiles, ScanBlock, ScanSink, ScanSlice, scan};
use crate::{Error, Result};
use std::ops::ControlFlow;

/// Up to here a float64 holds every integer.
const EXACT: u64 = 1 << 53;

impl Stage<'_> {
    /// Whether metrics of the one type become of the other as they are set up.
    pub(super) fn may_become(&self, former: ValueType, later: ValueType) -> bool {
        let mixes = former.is_integer() != later.is_integer();
        former.may_become(later)
            && self.values.width != ValueWidth::Bits32
            && (!mixes || self.values.mixing == Mixing::Widen)
    }

    /// Widens the metric of a row that does not fit it. Returns its id from now on, and the row bits.
    #[cold]
    pub(super) fn widen_for(
        &mut self,
        writer: &mut Writer,
        batch: &Batch,
        row: &super::batch::Row,
        id: MetricId,
        wider: ValueType,
    ) -> Result<std::result::Result<(MetricId, u64), Refusal>> {
        let Some(series) = batch.series.get(row.series as usize) else {
            return Ok(Err(Refusal::Name("no such series".into())));
        };
        let bits = match row.number.as_integer() {
            Some(v) if wider == ValueType::Int64 => v as u64,
            _ => row.number.as_f64().to_bits(),
        };
        let widened = self.widen(writer, batch.metric_name(series), id, wider, batch.is_computed)?;
        Ok(widened.map(|id| (id, bits)))
    }

    /// Gives a metric another type: returns the id that its name has from now on. Integers that float64 has not stay what they are
    /// in files; `may_round` says whether they may be read as the floats next to them.
    #[cold]
    pub(super) fn widen(
        &self,
        writer: &mut Writer,
        name: &str,
        id: MetricId,
        wider: ValueType,
        may_round: bool,
    ) -> Result<std::result::Result<MetricId, Refusal>> {
        let Some(metric) = writer.touch(id) else { return Ok(Ok(id)) };
        let (former, typed, last) = (metric.value_type, metric.typed, metric.last);
        if (former, wider) == (ValueType::Int32, ValueType::Int64) {
            metric.widen_in_place();
            writer.catalog_dirty = true;
            return Ok(Ok(id));
        }
        if former == ValueType::Int64 && !may_round && self.holds_beyond(writer, id)? {
            let why = format!(
                "the metric is int64 and holds an integer beyond 2^53, or samples that cannot be read: as {wider} it might not be \
                 the same; send integers, or give the floats another name"
            );
            return Ok(Err(Refusal::Type(why)));
        }
        let last = match last {
            Last::At(timestamp, bits) => Last::At(timestamp, Value::became_bits((former, typed), wider, bits)),
            last => last,
        };
        let new = match self.create(writer, name, wider, last) {
            Ok(new) => new,
            Err(e @ Error::Limit { .. }) => return Ok(Err(Refusal::Limit(e.to_string()))),
            Err(e) => return Err(e),
        };
        if let Some(metric) = writer.touch(id) {
            metric.retire();
        }
        tracing::debug!(database = self.database.name(), metric = name, %former, %wider, "the metric widened");
        Ok(Ok(new))
    }

    /// Whether a metric holds an integer that float64 does not, or may: what cannot be read may be anything.
    fn holds_beyond(&self, writer: &mut Writer, id: MetricId) -> Result<bool> {
        if writer.metric(id).is_some_and(|metric| metric.held == Held::BeyondFloat64) {
            return Ok(true);
        }
        let staged = writer.staged.iter().filter(|row| row.id == id);
        let mut largest = Largest { is_beyond: staged.map(|row| row.bits as i64).any(is_beyond) };
        if !largest.is_beyond {
            largest.is_beyond = self.database.scan_integers(id, &mut largest)?;
        }
        if largest.is_beyond
            && let Some(metric) = writer.touch(id)
        {
            metric.held = Held::BeyondFloat64;
        }
        Ok(largest.is_beyond)
    }
}

impl Database {
    fn scan_integers(&self, id: MetricId, largest: &mut Largest) -> Result<bool> {
        let report = scan(self, &[id], Timestamp::MIN, Timestamp::MAX, MetricFiles::Preferred, largest)?;
        Ok(largest.is_beyond || !report.warnings.is_empty())
    }
}

fn is_beyond(value: i64) -> bool {
    value.unsigned_abs() > EXACT
}

/// Looks for an integer beyond 2^53, by statistics where there are some.
struct Largest {
    is_beyond: bool,
}

impl Largest {
    fn flow(&self) -> Result<ControlFlow<()>> {
        Ok(if self.is_beyond { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl ScanSink for Largest {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        self.is_beyond |= match slice.values {
            Values::Int64(values) => values.iter().any(|v| is_beyond(*v)),
            _ => false,
        };
        self.flow()
    }

    fn takes_block(&self, _: usize, _: Timestamp, _: Timestamp) -> bool {
        true
    }

    fn block(&mut self, block: ScanBlock<'_>) -> Result<ControlFlow<()>> {
        // They are rounded to float64 themselves: at 2^53 it is not known.
        self.is_beyond |= block.statistics.min.abs().max(block.statistics.max.abs()) >= EXACT as f64;
        self.flow()
    }
}
