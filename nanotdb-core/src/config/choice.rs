//! Settings that are one of a few words.

use super::{
    DurabilityProfile, FsyncPolicy, LogLevel, MetricFileFormat, Mixing, RawIngestAction, RetentionAction, ValueWidth,
};
use crate::model::quoted;
use crate::{Error, Result};

/// A setting that is one of a few words, in files and on the command line.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// Every word and what it means.
    const CHOICES: &'static [(&'static str, Self)];

    /// The word for this choice.
    fn name(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }

    /// The words, as an error or a help text lists them.
    fn accepted() -> String {
        Self::CHOICES.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    }

    /// The choice with this name.
    fn parse(text: &str) -> Result<Self> {
        let found = Self::CHOICES.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        found.ok_or_else(|| {
            Error::bad_input(format!("unknown choice {}; accepted are {}", quoted(text), Self::accepted()))
        })
    }
}

impl Choice for FsyncPolicy {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("always", Self::Always), ("interval", Self::Interval), ("segment", Self::Segment)];
}

impl Choice for DurabilityProfile {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("balanced", Self::Balanced), ("throughput", Self::Throughput)];
}

impl Choice for ValueWidth {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("32", Self::Bits32), ("64", Self::Bits64)];
}

impl Choice for Mixing {
    const CHOICES: &'static [(&'static str, Self)] = &[("widen", Self::Widen), ("reject", Self::Reject)];
}

impl Choice for LogLevel {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("info", Self::Info), ("debug", Self::Debug), ("trace", Self::Trace)];
}

impl Choice for MetricFileFormat {
    const CHOICES: &'static [(&'static str, Self)] = &[("v1", Self::V1), ("v2", Self::V2), ("v3", Self::V3)];
}

impl Choice for RawIngestAction {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("keep", Self::Keep), ("rename", Self::Rename), ("delete", Self::Delete)];
}

impl Choice for RetentionAction {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("keep", Self::Keep), ("delete", Self::Delete), ("archive", Self::Archive)];
}
