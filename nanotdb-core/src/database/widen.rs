//! A metric that takes another type.
//!
//! int32 becomes int64 under its id: rows are sign-extended, so that they mean the same. Every other change gives the name a new id
//! with the new type, and what was written keeps the old one: rows say nothing of their type, so that an id has one for ever. The
//! rows of the former id all come before those of the new one, in time and in every log and file.

use super::writer::{Held, Refusal, Stage, Writer};
use super::{Batch, Last};
use crate::config::{Mixing, ValueWidth};
use crate::model::value::is_beyond_float64;
use crate::model::{MetricId, Value, ValueType};
use crate::{Error, Result};

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
        let database = self.database;
        let holds = staged.map(|row| row.bits as i64).any(is_beyond_float64)
            || (database.environment.has_large_integers)(database, id)?;
        if holds && let Some(metric) = writer.touch(id) {
            metric.held = Held::BeyondFloat64;
        }
        Ok(holds)
    }
}
