//! The types of engine.toml.

use super::Manifest;
use std::time::Duration;

/// When appended WAL bytes are forced to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FsyncPolicy {
    /// Before every acknowledgement; concurrent requests share one fsync.
    Always,
    /// At least every `wal.fsync_interval`.
    Interval,
    /// When pages are flushed.
    #[default]
    Segment,
}

/// What is forced to the device when a page is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DurabilityProfile {
    /// Pages and catalog.
    #[default]
    Strict,
    /// Pages; the catalog only when the WAL no longer holds its names.
    Balanced,
    /// Neither (except under `fsync_policy = "always"`).
    Throughput,
}

/// Width of the values of new metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueWidth {
    /// 32 bits; a metric widens to int64 or float64 when they do not hold a value as it was sent.
    #[default]
    Auto,
    /// 32 bits; an integer that does not fit is rejected, a decimal is rounded.
    Bits32,
    /// 64 bits.
    Bits64,
}

/// What becomes of a float that is sent to a metric of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mixing {
    /// The metric becomes float64.
    #[default]
    Widen,
    /// It is rejected.
    Reject,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSection {
    /// HTTP address; `:8428` means every interface.
    pub listen: String,
}

/// `[wal]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalSection {
    /// Bytes after which open pages are flushed so that the WAL can be reset.
    pub max_segment_size: u64,
    /// When the WAL is forced to the device.
    pub fsync_policy: FsyncPolicy,
    /// Longest time that `interval` leaves acknowledged samples unforced.
    pub fsync_interval: Duration,
}

/// `[stats]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsSection {
    /// Whether the engine's own metrics go to the `internal` database.
    pub enabled: bool,
    /// How often.
    pub interval: Duration,
}

/// `[values]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValuesSection {
    /// Width of new metrics.
    pub width: ValueWidth,
    /// Floats for metrics of integers. A file that lacks the key means [`Mixing::Reject`], as directories of the original have it.
    pub mixing: Mixing,
}

/// `[maintenance]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceSection {
    /// How often metric files to build and partitions that expired are looked for; zero means never.
    pub interval: Duration,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsSection {
    /// Largest request body as sent.
    pub max_body_bytes: u64,
    /// Largest request body after decompression.
    pub max_decoded_body_bytes: u64,
    /// Longest line of a request body or an imported file.
    pub max_line_bytes: u64,
    /// Most points that one query may return.
    pub max_points_per_query: u64,
    /// Most series that one query may return.
    pub max_series_per_query: u64,
    /// Most bytes that all requests in flight may take together; zero means a quarter of the memory that the server may use.
    pub max_request_memory: u64,
    /// Longest run time of one query.
    pub max_query_time: Duration,
    /// Most requests worked on at once; more are refused (429, writes 503).
    pub max_concurrent_requests: u64,
    /// Most open connections; beyond it idle ones are closed for new ones.
    pub max_connections: u64,
    /// Most open connections of one public address; zero means any number.
    pub max_connections_per_address: u64,
    /// Least bytes a second of a request body, on average over the time spent waiting for it; zero means none.
    pub min_body_rate: u64,
    /// Longest time that may be spent waiting for one request body.
    pub max_body_time: Duration,
    /// Most databases.
    pub max_databases: u64,
    /// Most metrics in one database (65,535 at most: ids have 16 bits).
    pub max_metrics_per_database: u64,
    /// How far ahead of the wall clock a live sample may be; zero means any distance.
    pub max_future: Duration,
}

/// Level of a log output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Start, stop, recovery, errors.
    #[default]
    Info,
    /// Page flushes, WAL resets, file life cycle.
    Debug,
    /// Requests, new metrics, rejected samples.
    Trace,
}

/// `[[logging.logger]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggerConfig {
    /// `console` (standard error) or a file path.
    pub output: String,
    /// Least important level that is written.
    pub level: LogLevel,
    /// Bytes after which a file is rotated; zero means never.
    pub max_size: u64,
    /// Rotated files that are kept.
    pub max_files: u32,
}

/// `[logging]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoggingSection {
    /// Outputs; empty means the console at info.
    pub loggers: Vec<LoggerConfig>,
}

/// `[internal_events]`: accepted for the original's files; the events layer does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InternalEventsSection {
    /// As written.
    pub enabled: bool,
}

/// Version of newly built metric files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricFileFormat {
    /// One frame per metric.
    V1,
    /// Shared time frames: what the original reads.
    V2,
    /// Columnar, ours.
    #[default]
    V3,
}

/// What happens to a raw file once its metric file is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawIngestAction {
    /// It stays.
    #[default]
    Keep,
    /// It is renamed from data- to raw-.
    Rename,
    /// It is removed.
    Delete,
}

/// `[metrics]`: metric files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSection {
    /// Build when a partition is sealed.
    pub enabled: bool,
    /// Version to build.
    pub format: MetricFileFormat,
    /// Codec name; empty means the format's default.
    pub compression: String,
    /// Bytes of directories and decoded time vectors that are kept in memory.
    pub cache_bytes: u64,
    /// Accepted for the original's files; [`MetricsSection::cache_bytes`] bounds the cache.
    pub time_cache_slots: u32,
    /// What happens to the raw file.
    pub raw_ingest_action: RawIngestAction,
}

impl Default for MetricsSection {
    fn default() -> Self {
        Self {
            enabled: false,
            format: MetricFileFormat::default(),
            compression: String::new(),
            cache_bytes: 8 << 20,
            time_cache_slots: 0,
            raw_ingest_action: RawIngestAction::default(),
        }
    }
}

/// engine.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// `[engine]`
    pub engine: EngineSection,
    /// `[wal]`
    pub wal: WalSection,
    /// `[durability] profile`
    pub durability: DurabilityProfile,
    /// `[stats]`
    pub stats: StatsSection,
    /// `[values]`
    pub values: ValuesSection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[logging]`
    pub logging: LoggingSection,
    /// `[internal_events]`
    pub internal_events: InternalEventsSection,
    /// `[metrics]`
    pub metrics: MetricsSection,
    /// `[maintenance]`
    pub maintenance: MaintenanceSection,
    /// `[defaults] databases`: created at start when missing.
    pub default_databases: Vec<String>,
    /// `[manifest_defaults]`: manifests of new databases.
    pub manifest_defaults: Manifest,
    /// What stands in sections that others have registered ([`ConfigSection`](super::ConfigSection)), as written.
    pub sections: toml::Table,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            engine: EngineSection { listen: ":8428".into() },
            wal: WalSection {
                max_segment_size: 64 << 20,
                fsync_policy: FsyncPolicy::default(),
                fsync_interval: Duration::from_secs(1),
            },
            durability: DurabilityProfile::default(),
            stats: StatsSection { enabled: true, interval: Duration::from_secs(30) },
            values: ValuesSection::default(),
            limits: LimitsSection {
                max_body_bytes: 64 << 20,
                max_decoded_body_bytes: 512 << 20,
                max_line_bytes: 65_536,
                max_points_per_query: 20_000_000,
                max_series_per_query: 1_000,
                max_request_memory: 0,
                max_query_time: Duration::from_secs(60),
                max_concurrent_requests: 256,
                max_connections: 1_024,
                max_connections_per_address: 256,
                min_body_rate: 1_024,
                max_body_time: Duration::from_secs(900),
                max_databases: 256,
                max_metrics_per_database: 65_535,
                max_future: Duration::from_secs(600),
            },
            logging: LoggingSection::default(),
            internal_events: InternalEventsSection::default(),
            metrics: MetricsSection::default(),
            maintenance: MaintenanceSection { interval: Duration::from_secs(10) },
            default_databases: Vec::new(),
            manifest_defaults: Manifest::default(),
            sections: toml::Table::new(),
        }
    }
}
