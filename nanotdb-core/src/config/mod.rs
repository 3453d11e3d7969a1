//! engine.toml and manifest.toml: typed, with defaults, and warnings for unknown keys.

mod engine;
mod manifest;

pub use engine::{
    DurabilityProfile, EngineConfig, EngineSection, FsyncPolicy, InternalEventsSection, LimitsSection, LogLevel,
    LoggerConfig, LoggingSection, MetricFileFormat, MetricsSection, RawIngestAction, StatsSection, ValueWidth,
    ValuesSection, WalSection,
};
pub use manifest::{
    EventsManifest, Manifest, PageManifest, RetentionAction, RetentionManifest, RollupJob, RollupsManifest, WalManifest,
};
