//! What values of a metric mean.

use super::ValueType;

/// What an aggregate was computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operands {
    /// Type of the metric.
    pub value_type: ValueType,
    /// Its float32 values are a program's, and mean themselves instead of their shortest decimals.
    pub typed: bool,
}

impl Operands {
    /// Of a metric of text.
    #[must_use]
    pub fn text(value_type: ValueType) -> Self {
        Self { value_type, typed: false }
    }

    /// Whether they are decimals that float32 stores.
    #[must_use]
    pub fn is_short_decimal(self) -> bool {
        self.value_type == ValueType::Float32 && !self.typed
    }
}
