//! 64-bit metrics as the original's 32 bits: which fit, and which do not.

use super::Loss;
use crate::Result;
use crate::engine::Engine;
use crate::model::{MetricId, Timestamp, Value, ValueType};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What becomes of the metrics of a database: the types that they are written with, and what is lost.
#[derive(Default)]
pub(super) struct Types {
    /// Types before and after; without an entry a metric is left out.
    pub(super) types: BTreeMap<MetricId, (ValueType, ValueType)>,
    /// Ids that widened metrics had before: their rows get the id and the type that the metric has now, and are narrowed from there.
    pub(super) renamed: BTreeMap<MetricId, (MetricId, ValueType)>,
    /// Metrics whose float32 values mean themselves, and no decimals.
    pub(super) typed: BTreeSet<MetricId>,
    /// Metrics that got 32 bits without any loss.
    pub(super) narrowed: u64,
    /// Metrics whose values are rounded.
    pub(super) rounded: Vec<Loss>,
    /// Metrics that are left out.
    pub(super) left_out: Vec<Loss>,
}

impl Types {
    /// All metrics with the types that they have.
    pub(super) fn unchanged(engine: &Engine, database: &str) -> Result<Self> {
        let database = engine.known_database(database)?;
        let ids = database.ids();
        let typed = ids.iter().map(|m| m.id).filter(|id| database.is_typed(*id)).collect();
        let types = ids.into_iter().map(|m| (m.id, (m.value_type, m.value_type))).collect();
        Ok(Self { types, typed, ..Self::default() })
    }

    /// All metrics with 32 bits. Those with a value that does not fit are left out; with `lossy` floats are rounded.
    /// What cannot be read is in `warnings`.
    pub(super) fn narrow(engine: &Engine, database: &str, lossy: bool, warnings: &mut Vec<String>) -> Result<Self> {
        let mut this = Self::unchanged(engine, database)?;
        let wide: Vec<_> = engine.metrics(database)?.into_iter().filter(|m| m.value_type.is_wide()).collect();
        if wide.is_empty() {
            return Ok(this);
        }
        let names: Vec<&str> = wide.iter().map(|m| m.name.as_str()).collect();
        let mut findings: Vec<Findings> = wide.iter().map(|_| Findings::default()).collect();
        let report = engine.scan(database, &names, Timestamp::MIN, Timestamp::MAX, &mut |slice| {
            if let Some(findings) = findings.get_mut(slice.metric) {
                for sample in (0..slice.len()).filter_map(|at| slice.sample(at)) {
                    findings.add(sample.timestamp, sample.value);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        warnings.extend(report.warnings);
        for (metric, findings) in wide.into_iter().zip(findings) {
            let former = engine.known_database(database)?.with_former(&[metric.id]).into_iter().flatten().flatten();
            let former: Vec<_> = former.filter(|(id, _)| *id != metric.id).collect();
            for (id, _) in &former {
                this.types.remove(id);
            }
            let narrow = if metric.value_type.is_integer() { ValueType::Int32 } else { ValueType::Float32 };
            let loss = |(timestamp, value): (Timestamp, Value), reason| Loss {
                database: database.to_owned(),
                metric: metric.name.clone(),
                value_type: metric.value_type,
                reason,
                timestamp,
                value,
            };
            let out_of_range = || format!("does not fit {narrow}");
            match (findings.inexact, findings.too_large) {
                (None, None) => this.narrowed = this.narrowed.saturating_add(1),
                (Some(first), None) if lossy => {
                    this.rounded.push(loss(first, format!("is rounded to {narrow}")));
                }
                (Some(first), too_large) if !lossy || too_large.is_none() => {
                    let reason = if Some(first) == too_large { out_of_range() } else { format!("is no {narrow}") };
                    this.left_out.push(loss(first, reason));
                    this.types.remove(&metric.id);
                    continue;
                }
                (_, Some(first)) | (Some(first), None) => {
                    this.left_out.push(loss(first, out_of_range()));
                    this.types.remove(&metric.id);
                    continue;
                }
            }
            this.types.insert(metric.id, (metric.value_type, narrow));
            for (id, value_type) in former {
                this.types.insert(id, (value_type, narrow));
                this.renamed.insert(id, (metric.id, metric.value_type));
            }
        }
        Ok(this)
    }

    /// The type that a metric has in the source; int32 for those that no catalog has.
    pub(super) fn source_type(&self, id: MetricId) -> ValueType {
        self.types.get(&id).map_or(ValueType::Int32, |(from, _)| *from)
    }
}

/// The first values of one metric that 32 bits do not hold.
#[derive(Default)]
struct Findings {
    /// Exactly, or at all.
    inexact: Option<(Timestamp, Value)>,
    /// At all.
    too_large: Option<(Timestamp, Value)>,
}

impl Findings {
    fn add(&mut self, timestamp: Timestamp, value: Value) {
        let (exact, in_range) = match value {
            Value::Int32(_) | Value::Float32(_) => (true, true),
            Value::Int64(v) => {
                let fits = i32::try_from(v).is_ok();
                (fits, fits)
            }
            Value::Float64(v) => {
                let (bits, exact) = narrow_float(v);
                (exact, f32::from_bits(bits).is_finite() || !v.is_finite())
            }
        };
        if !exact {
            self.inexact.get_or_insert((timestamp, value));
        }
        if !in_range {
            self.too_large.get_or_insert((timestamp, value));
        }
    }
}

/// The bits of the nearest float32, and whether it is the same number. Of a NaN the upper bits of what it carries: a
/// conversion by the processor may change them.
fn narrow_float(value: f64) -> (u32, bool) {
    if !value.is_nan() {
        let near = value as f32;
        return (near.to_bits(), f64::from(near).to_bits() == value.to_bits());
    }
    const INFINITY: u32 = 0x7f80_0000;
    const QUIET: u32 = 0x0040_0000;
    const LOST_BITS: u32 = 29;
    let bits = value.to_bits();
    let sign = ((bits >> 32) as u32) & 0x8000_0000;
    let carried = ((bits & 0x000f_ffff_ffff_ffff) >> LOST_BITS) as u32;
    let exact = bits.trailing_zeros() >= LOST_BITS && carried != 0;
    (sign | INFINITY | if carried == 0 { QUIET } else { carried }, exact)
}

/// Row bits of a value of type `from` as those of type `to`.
pub(super) fn convert_bits(from: ValueType, to: ValueType, bits: u64) -> u64 {
    match (from, to) {
        (ValueType::Float64, ValueType::Float32) => u64::from(narrow_float(f64::from_bits(bits)).0),
        // An integer is sign-extended in both.
        _ => bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_exact_or_nearest() {
        assert_eq!(narrow_float(0.5), (0.5f32.to_bits(), true));
        assert_eq!(narrow_float(-0.0), ((-0.0f32).to_bits(), true));
        assert_eq!(narrow_float(0.1), (0.1f32.to_bits(), false));
        assert_eq!(narrow_float(f64::INFINITY), (f32::INFINITY.to_bits(), true));
        assert_eq!(narrow_float(1e300), (f32::INFINITY.to_bits(), false));
        assert_eq!(narrow_float(f64::from_bits(0x7ff8_0000_0000_0000)), (0x7fc0_0000, true));
        assert_eq!(narrow_float(f64::from_bits(0xfff8_0000_0000_0001)), (0xffc0_0000, false));
        assert!(f32::from_bits(narrow_float(f64::from_bits(0x7ff0_0000_0000_0001)).0).is_nan());
    }

    #[test]
    fn the_first_value_that_does_not_fit_is_named() {
        let mut findings = Findings::default();
        for (at, v) in [(1, 0.5), (2, 0.1), (3, f64::NEG_INFINITY), (4, 1e300)] {
            findings.add(at, Value::Float64(v));
        }
        assert_eq!(findings.inexact, Some((2, Value::Float64(0.1))));
        assert_eq!(findings.too_large, Some((4, Value::Float64(1e300))));
        let mut findings = Findings::default();
        findings.add(5, Value::Int64(-1));
        findings.add(6, Value::Int64(1 << 31));
        assert_eq!(findings.too_large, Some((6, Value::Int64(1 << 31))));
    }
}
