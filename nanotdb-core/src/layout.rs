//! Names of files in a data directory, and in the directories of its databases. Those of logs are in database/flush.rs, of events in format/events/.

/// Settings of the engine.
pub(crate) const ENGINE_TOML: &str = "engine.toml";
/// The saved dashboard.
pub(crate) const DASHBOARD: &str = "dashboard.json";
/// Who has the root.
pub(crate) const LOCK: &str = ".lock";
/// The latest time that is trusted.
pub(crate) const CLOCK: &str = ".clock";

/// How a database is kept.
pub(crate) const MANIFEST: &str = "manifest.toml";
/// Names, ids and types of its metrics.
pub(crate) const CATALOG: &str = "catalog.json";
/// What retention is removing.
pub(crate) const JOURNAL: &str = "retention.journal";
/// What was mended at a start and nobody has acknowledged.
pub(crate) const WARNINGS: &str = ".warnings";
/// Which files there are.
pub(crate) const FILES: &str = ".files";
/// Kept free for series.
pub(crate) const SERIES_LOG: &str = "series.log";

/// What is appended to while a partition is young.
pub(crate) const DATA: &str = "data-";
/// The same, sorted, of a partition that is over.
pub(crate) const RAW: &str = "raw-";
/// Samples by metric.
pub(crate) const METRIC: &str = "metric-";
/// What a metric file of an older version was built from.
pub(crate) const BUILT: &str = "built-";
/// Raw files that retention keeps.
pub(crate) const ARCHIVE: &str = "archive-";
/// Behind the part's name in data, raw and metric files.
pub(crate) const DAT: &str = ".dat";

/// Whether it is the name of a file of samples.
pub(crate) fn is_of_samples(name: &str) -> bool {
    name.ends_with(DAT) && part_of_samples(name).is_some()
}

/// What stands behind the kind in such a name, the ending included.
pub(crate) fn part_of_samples(name: &str) -> Option<&str> {
    [DATA, RAW, METRIC].iter().find_map(|kind| name.strip_prefix(kind))
}

/// Whether a database's own files have such names.
pub(crate) fn is_own(name: &str) -> bool {
    let prefixes = [".", DATA, RAW, METRIC, BUILT, ARCHIVE, "events-", "events."];
    let suffixes = [".tmp", ".partial", DAT, ".tar", ".sources", ".journal", ".events.log"];
    [MANIFEST, CATALOG, JOURNAL, SERIES_LOG].contains(&name)
        || prefixes.iter().any(|own| name.starts_with(own))
        || suffixes.iter().any(|own| name.ends_with(own))
        || [".wal", ".damaged-"].iter().any(|own| name.contains(own))
}
