//! A batch of parsed samples, reusable without allocation.

use crate::model::{Number, Timestamp, ValueType};
use crate::plugin::SampleSink;

/// Samples on their way to the engine. Reuse one: it keeps its allocations and the names it has seen.
#[derive(Default)]
pub struct Batch {}

#[allow(missing_docs)]
impl Batch {
    /// How many rejections are kept with their text.
    pub const MAX_REPORTED: usize = 20;
    pub fn new() -> Self {
        todo!()
    }
    /// Samples in it (rejected lines not counted).
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    pub fn push(&mut self, database: &str, metric: &str, value: impl Into<Number>, timestamp: Option<Timestamp>) {
        todo!()
    }
    pub fn clear(&mut self) {
        todo!()
    }
}

impl SampleSink for Batch {
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        todo!()
    }
    fn reject(&mut self, line: u64, reason: String) {
        todo!()
    }
    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType) {
        todo!()
    }
}
