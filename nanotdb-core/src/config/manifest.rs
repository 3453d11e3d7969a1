//! The types of manifest.toml.

use std::time::Duration;

/// What happens to an expired partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetentionAction {
    /// Nothing.
    #[default]
    Keep,
    /// Its files are removed.
    Delete,
    /// Its files move into a tar archive.
    Archive,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionManifest {
    /// How long after its end a partition stays open for late samples.
    pub grace: Duration,
    /// Days after the end of a partition at which it expires.
    pub retention_days: u32,
    /// What happens then.
    pub retention_action: RetentionAction,
    /// Most partitions with an open page; with one more all of them are flushed.
    pub max_active_days: u32,
    /// Partitioner name.
    pub partition: String,
}

/// `[wal]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalManifest {
    /// Whether samples go through the WAL.
    pub enabled: bool,
    /// Samples older than this do not.
    pub skip_before: Duration,
}

/// `[page]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageManifest {
    /// Rows after which a page is flushed, 1..=65535.
    pub max_records: u32,
    /// Bytes (14 a row) after which it is.
    pub max_bytes: u64,
    /// Age of its first row after which it is.
    pub max_age: Duration,
    /// Codec name of new pages.
    pub codec: String,
}

/// `[[rollups.jobs]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollupJob {
    /// Unique per source database.
    pub id: String,
    /// Exact metric; exactly one of this and `source_pattern` is set.
    pub source_metric: Option<String>,
    /// Pattern with `*`.
    pub source_pattern: Option<String>,
    /// Metrics that the pattern does not take.
    pub exclude_patterns: Vec<String>,
    /// Bucket width; else `default_interval`.
    pub interval: Option<Duration>,
    /// Aggregator names; else `default_aggregates`.
    pub aggregates: Vec<String>,
    /// Destination; else `default_destination_db`.
    pub destination_db: Option<String>,
    /// Output names are `<prefix>.<agg>`; else the metric's name.
    pub destination_metric_prefix: Option<String>,
    /// Wait after a bucket's end; else `default_grace`.
    pub grace: Option<Duration>,
}

/// `[rollups]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupsManifest {
    /// Whether jobs run.
    pub enabled: bool,
    /// Checkpoint log, relative to the database's directory.
    pub checkpoint_file: String,
    /// Used when a job has no grace.
    pub default_grace: Option<Duration>,
    /// Used when a job has no interval.
    pub default_interval: Option<Duration>,
    /// Used when a job has no destination.
    pub default_destination_db: Option<String>,
    /// Used when a job has no aggregates.
    pub default_aggregates: Vec<String>,
    /// Metrics that no pattern takes.
    pub global_exclude_patterns: Vec<String>,
    /// The jobs.
    pub jobs: Vec<RollupJob>,
}

/// `[events]`: accepted for the original's files and kept as written; the events layer does not exist yet.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsManifest {
    /// As written.
    pub table: toml::Table,
}

impl Default for EventsManifest {
    /// What the original writes into every manifest, so that it finds in ours what it expects.
    fn default() -> Self {
        let page = [
            ("max_records", toml::Value::from(1_000)),
            ("max_bytes", toml::Value::from(65_536)),
            ("max_age", toml::Value::from("1h0m0s")),
        ];
        let wal = [("max_segment_size", toml::Value::from(16_777_216)), ("fsync_policy", toml::Value::from("segment"))];
        let table = |keys: &[(&str, toml::Value)]| -> toml::Table {
            keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
        };
        let events = [
            ("enabled", toml::Value::from(false)),
            ("max_payload_bytes", toml::Value::from(4_096)),
            ("max_in_memory_bytes", toml::Value::from(1_048_576)),
            ("page", toml::Value::Table(table(&page))),
            ("wal", toml::Value::Table(table(&wal))),
        ];
        Self { table: table(&events) }
    }
}

/// manifest.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// `[retention]`
    pub retention: RetentionManifest,
    /// `[wal]`
    pub wal: WalManifest,
    /// `[page]`
    pub page: PageManifest,
    /// `[rollups]`
    pub rollups: RollupsManifest,
    /// `[events]`
    pub events: EventsManifest,
}

impl Default for Manifest {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            retention: RetentionManifest {
                grace: Duration::from_secs(300),
                retention_days: 36_500,
                retention_action: RetentionAction::default(),
                max_active_days: 2,
                partition: "day".into(),
            },
            wal: WalManifest { enabled: true, skip_before: Duration::from_secs(36_500 * DAY) },
            page: PageManifest {
                max_records: 32_000,
                max_bytes: 576_000,
                max_age: Duration::from_secs(3_600),
                codec: "s2".into(),
            },
            rollups: RollupsManifest {
                enabled: false,
                checkpoint_file: "rollup.checkpoints.log".into(),
                default_grace: None,
                default_interval: None,
                default_destination_db: None,
                default_aggregates: Vec::new(),
                global_exclude_patterns: Vec::new(),
                jobs: Vec::new(),
            },
            events: EventsManifest::default(),
        }
    }
}
