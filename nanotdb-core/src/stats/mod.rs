//! Numbers that the engine keeps about itself: what they are called, and how they are counted.
//!
//! Everything may count here, so nothing of the engine is known here. Counting is one relaxed atomic addition, without lock
//! or allocation; what happens per row is summed up first and added once per batch, page, block or query.
//!
//! A [`Metric`] says what a number is. From the same words come its name in the database `internal`, its family at
//! `/metrics`, and docs/SELF_METRICS.md.

mod counters;
mod document;
mod exposition;
mod times;

pub use counters::{COUNTED, Counter, Counters, Peak};
pub use document::document;
pub use exposition::Exposition;
pub use times::{Times, TimesSummary};

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A total since the process started.
    Counter,
    /// What is so now.
    Gauge,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things; the name says which.
    Count,
    /// Bytes.
    Bytes,
    /// Microseconds; `/metrics` shows seconds, as is the custom there.
    Micros,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Micros => "microseconds",
            Unit::Seconds => "seconds",
        }
    }
}

/// What a number is.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// `nanotdb.<group>.<name>`, without the unit of a time.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// Names of the labels by which there are several such numbers.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// A total.
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit, labels: &[], help }
    }

    /// Something that goes up and down.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, labels: &[], help }
    }

    /// One for each value of these labels.
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// The metric in the database `internal`: the name, the unit of a time, and each label's value, with dots between.
    pub fn push_internal_name(&self, labels: &[&str], out: &mut String) {
        out.push_str(self.name);
        out.push_str(match self.unit {
            Unit::Micros => "_us",
            Unit::Seconds => "_s",
            Unit::Count | Unit::Bytes => "",
        });
        for label in labels {
            out.push('.');
            out.push_str(label);
        }
    }

    /// The family at `/metrics`, by the conventions of Prometheus: base units, `_total` for what only grows.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if matches!(self.unit, Unit::Micros | Unit::Seconds) {
            name.push_str("_seconds");
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// Receives numbers.
pub trait Recorder {
    /// Takes one number. `labels` are the values of [`Metric::labels`], as many.
    fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64);
}

/// Something that has numbers to show, beside the engine: the server, the process.
pub trait Source: Send + Sync {
    /// Gives all of them as they are now.
    fn collect(&self, out: &mut dyn Recorder);
}
