//! The words of settings that are one of a few.

use super::{
    DurabilityProfile, FsyncPolicy, LogLevel, MetricFileFormat, Mixing, RawIngestAction, RetentionAction, ValueWidth,
};
use nanotdb_settings::Choice;

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
