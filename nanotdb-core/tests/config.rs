//! engine.toml and manifest.toml as operators write them: the original's files, mistakes, and noise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use nanotdb_core::Error;
use nanotdb_core::config::{
    DurabilityProfile, EngineConfig, FsyncPolicy, LogLevel, Manifest, MetricFileFormat, Mixing, RawIngestAction,
    RetentionAction, ValueWidth,
};
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin, Partition, Partitioner, PartitionerPlugin, inventory};
use nanotdb_core::storage::vfs::RealVfs;
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const ENGINE: &str = "conf/engine.toml";
const MANIFEST: &str = "pi/manifest.toml";

struct Plain;

impl Codec for Plain {
    fn id(&self) -> u16 {
        40_100
    }
    fn name(&self) -> &'static str {
        "plain_for_config_tests"
    }
    fn about(&self) -> &'static str {
        "copies"
    }
    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(input);
        Ok(())
    }
    fn decompress(&self, input: &[u8], _: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(input);
        Ok(())
    }
}
inventory::submit! { CodecPlugin(&Plain) }

struct Whole;

impl Partitioner for Whole {
    fn name(&self) -> &'static str {
        "whole_for_config_tests"
    }
    fn about(&self) -> &'static str {
        "all time"
    }
    fn kind_id(&self) -> u8 {
        200
    }
    fn partition_of(&self, _: i64) -> Partition {
        Partition { start: i64::MIN, end: i64::MAX }
    }
    fn file_part(&self, _: Partition) -> String {
        "whole".into()
    }
    fn parse_part(&self, _: &str) -> Option<Partition> {
        None
    }
    fn archive_bucket(&self, _: Partition) -> String {
        "whole".into()
    }
}
inventory::submit! { PartitionerPlugin(&Whole) }

fn engine(text: &str) -> Result<EngineConfig, Error> {
    EngineConfig::parse(text, Path::new(ENGINE)).map(|loaded| loaded.value)
}

fn manifest(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(text, Path::new(MANIFEST), &Manifest::default()).map(|loaded| loaded.value)
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(name)
}

#[test]
fn files_of_the_original_load_without_warnings() {
    for (name, partition, records) in
        [("engine-clean-day.toml", "day", 3_000), ("engine-partition-forever.toml", "forever", 500)]
    {
        let loaded = EngineConfig::load(&RealVfs, &fixture(name)).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let config = loaded.value;
        assert_eq!(config.engine.listen, "127.0.0.1:8428");
        assert!(!config.stats.enabled);
        assert_eq!(config.values.mixing, Mixing::Reject, "as the original");
        assert_eq!(config.manifest_defaults.retention.partition, partition);
        assert_eq!(config.manifest_defaults.page.max_records, records);
        assert_eq!(config.manifest_defaults.page.max_bytes, 127_000);
        assert_eq!(config.wal, EngineConfig::default().wal);
    }
    let load = |name| {
        let loaded = Manifest::load(&RealVfs, &fixture(name), &Manifest::default()).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        loaded.value
    };
    let plain = load("manifest-clean-day.toml");
    assert_eq!(plain.retention.grace, Duration::from_secs(300));
    assert_eq!((plain.rollups.default_grace, plain.rollups.default_interval), (None, None));
    assert_eq!(plain.rollups.default_destination_db, None);
    assert_eq!(plain.wal.skip_before, Duration::from_secs(876_000 * 3_600));
    assert_eq!(plain.events.table["page"]["max_age"].as_str(), Some("1h0m0s"));
    let rollup = load("manifest-rollup.toml").rollups;
    assert_eq!(rollup.default_interval, Some(Duration::from_secs(3_600)));
    assert_eq!(rollup.default_aggregates, ["min", "max", "sum", "avg", "count"]);
    assert_eq!(rollup.jobs.len(), 1);
    assert_eq!(rollup.jobs[0].source_pattern.as_deref(), Some("*"));
    assert_eq!(rollup.jobs[0].exclude_patterns, ["bigint.*"]);
}

#[test]
fn every_kind_of_value_is_read() {
    let config = engine(
        r#"
        engine.listen = "[::1]:80"
        wal = { max_segment_size = "16MiB", fsync_policy = "interval", fsync_interval = "250ms" }
        durability.profile = "balanced"
        values.width = "64"
        limits = { max_body_bytes = 1000, max_query_time = "1.5h", max_metrics_per_database = 7, max_future = "1d" }
        internal_events = { enabled = true, anything = 1 }
        metrics = { enabled = true, format = "v3", compression = "x", time_cache_slots = 9, raw_ingest_action = "delete" }
        web = { title = "Home" }
        defaults.databases = ["pi", "lab"]
        manifest_defaults.retention.retention_action = "archive"
        [[logging.logger]]
        output = "/var/log/nanotdb.log"
        level = "trace"
        max_size = "1MB"
        max_files = 9
        [[logging.logger]]
        output = "console"
        "#,
    )
    .unwrap();
    assert_eq!(config.engine.listen, "[::1]:80");
    assert_eq!((config.wal.max_segment_size, config.wal.fsync_policy), (16 << 20, FsyncPolicy::Interval));
    assert_eq!(config.wal.fsync_interval, Duration::from_millis(250));
    assert_eq!((config.durability, config.values.width), (DurabilityProfile::Balanced, ValueWidth::Bits64));
    assert_eq!((config.limits.max_body_bytes, config.limits.max_metrics_per_database), (1_000, 7));
    assert_eq!(config.limits.max_query_time, Duration::from_secs(5_400));
    assert_eq!(config.limits.max_future, Duration::from_secs(86_400));
    assert!(config.internal_events.enabled && config.metrics.enabled);
    assert_eq!(config.metrics.format, MetricFileFormat::V3);
    assert_eq!(config.metrics.raw_ingest_action, RawIngestAction::Delete);
    assert_eq!((config.metrics.compression.as_str(), config.metrics.time_cache_slots), ("x", 9));
    assert_eq!(config.default_databases, ["pi", "lab"]);
    assert_eq!(config.manifest_defaults.retention.retention_action, RetentionAction::Archive);
    let loggers = &config.logging.loggers;
    assert_eq!((loggers[0].level, loggers[0].max_size, loggers[0].max_files), (LogLevel::Trace, 1_000_000, 9));
    assert_eq!((loggers[1].output.as_str(), loggers[1].level), ("console", LogLevel::Info));
}

#[test]
fn new_roots_widen_and_files_without_the_key_reject() {
    assert_eq!(EngineConfig::default().values.mixing, Mixing::Widen, "without a file");
    let of_new_root = EngineConfig::of_new_root().to_toml();
    assert!(of_new_root.contains("mixing = \"widen\""), "{of_new_root}");
    assert_eq!(engine(&of_new_root).unwrap().values.mixing, Mixing::Widen);
    assert_eq!(engine("[values]\nwidth = \"auto\"\n").unwrap().values.mixing, Mixing::Reject);
    assert_eq!(engine("values.mixing = \"widen\"").unwrap().values.mixing, Mixing::Widen);
}

#[test]
fn missing_keys_of_a_manifest_come_from_the_defaults_it_is_given() {
    let mut defaults = Manifest::default();
    defaults.page.max_records = 77;
    defaults.page.codec = "other".into();
    defaults.rollups.default_grace = Some(Duration::from_secs(1));
    let text = "page.max_bytes = 14\npage.max_age = \"\"\nrollups.default_grace = \"\"";
    let manifest = Manifest::parse(text, Path::new(MANIFEST), &defaults).unwrap().value;
    assert_eq!((manifest.page.max_records, manifest.page.codec.as_str(), manifest.page.max_bytes), (77, "other", 14));
    assert_eq!(manifest.page.max_age, defaults.page.max_age);
    assert_eq!(manifest.rollups.default_grace, None);
}

#[test]
fn an_unknown_key_is_a_warning_that_helps() {
    let cases = [
        ("wal.max_segment_sise = 1", "wal.max_segment_sise is ignored; did you mean wal.max_segment_size?"),
        ("lisen = 1", "unknown key lisen is ignored; known here are engine, wal,"),
        ("[enigne]", "unknown key enigne is ignored; did you mean engine?"),
        ("engine.colour = 1", "engine.colour is ignored; known here are listen"),
        ("engine.\"a b\\n\" = 1", "engine.\"a b\\n\" is ignored"),
        ("manifest_defaults.page.max_record = 1", "did you mean manifest_defaults.page.max_records?"),
        ("[[logging.logger]]\noutput = \"x\"\nlevle = \"info\"", "did you mean logging.logger[0].level?"),
    ];
    for (text, expected) in cases {
        let warnings = EngineConfig::parse(text, Path::new(ENGINE)).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings[0].starts_with(ENGINE) && warnings[0].contains(expected), "{}", warnings[0]);
    }
}

/// Asserts that the message names the file, the key, the value and what is accepted.
fn assert_refused(error: Error, file: &str, key: &str, value: &str, accepted: &str) {
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with(&format!("{file}: {key} = {value}: ")), "{message}");
    assert!(message.contains(accepted), "{message}");
}

#[test]
fn bad_values_of_the_engine_are_refused() {
    let cases = [
        ("engine = 3", "engine", "3", "[engine]"),
        ("engine.listen = 8428", "engine.listen", "8428", "text in quotes"),
        ("engine.listen = \"8428\"", "engine.listen", "\"8428\"", "host:port"),
        ("engine.listen = \":99999\"", "engine.listen", "\":99999\"", "host:port"),
        ("wal.max_segment_size = 0", "wal.max_segment_size", "0", "at least 1"),
        ("wal.max_segment_size = \"64M\"", "wal.max_segment_size", "\"64M\"", "64MiB"),
        ("wal.fsync_policy = \"never\"", "wal.fsync_policy", "\"never\"", "\"always\", \"interval\", \"segment\""),
        ("wal.fsync_interval = 5", "wal.fsync_interval", "5", "1h30m"),
        ("wal.fsync_interval = \"0s\"", "wal.fsync_interval", "\"0s\"", "more than zero"),
        ("wal.fsync_interval = \"5 s\"", "wal.fsync_interval", "\"5 s\"", "1h30m"),
        ("durability.profile = true", "durability.profile", "true", "\"strict\", \"balanced\", \"throughput\""),
        ("stats.enabled = \"yes\"", "stats.enabled", "\"yes\"", "true or false"),
        ("values.width = 32", "values.width", "32", "\"auto\", \"32\", \"64\""),
        ("limits.max_body_time = \"0s\"", "limits.max_body_time", "\"0s\"", "more than zero"),
        ("limits.max_databases = 0", "limits.max_databases", "0", "at least 1"),
        ("limits.max_databases = -1", "limits.max_databases", "-1", "at least 1"),
        ("limits.max_metrics_per_database = 65536", "limits.max_metrics_per_database", "65536", "1 to 65535"),
        ("limits.max_future = \"-1s\"", "limits.max_future", "\"-1s\"", "zero or more"),
        ("logging.logger = 1", "logging.logger", "1", "[[logging.logger]]"),
        ("[[logging.logger]]", "logging.logger[0].output", "(missing)", "console"),
        ("logging.logger = [{output = \"x\", level = \"warn\"}]", "logging.logger[0].level", "\"warn\"", "\"debug\""),
        ("metrics.format = \"v4\"", "metrics.format", "\"v4\"", "\"v1\", \"v2\", \"v3\""),
        ("metrics.raw_ingest_action = \"\"", "metrics.raw_ingest_action", "\"\"", "\"rename\""),
        ("defaults.databases = \"pi\"", "defaults.databases", "\"pi\"", "a list of texts"),
        ("defaults.databases = [\"../x\"]", "defaults.databases", "\"../x\"", "A-Z a-z 0-9"),
        ("manifest_defaults.page.max_records = 0", "manifest_defaults.page.max_records", "0", "1 to 65535"),
    ];
    for (text, key, value, accepted) in cases {
        assert_refused(engine(text).unwrap_err(), ENGINE, key, value, accepted);
    }
}

#[test]
fn bad_values_of_a_manifest_are_refused() {
    let job = |keys: &str| format!("rollups.enabled = true\n[[rollups.jobs]]\n{keys}\n");
    let cases = [
        ("retention.grace = \"-1s\"".to_owned(), "retention.grace", "\"-1s\"", "zero or more"),
        ("retention.retention_days = 106752".into(), "retention.retention_days", "106752", "0 to 106751"),
        (
            "retention = {retention_days = 0, retention_action = \"delete\"}".into(),
            "retention.retention_days",
            "0",
            "1 to 106751",
        ),
        ("retention.retention_action = \"drop\"".into(), "retention.retention_action", "\"drop\"", "\"archive\""),
        ("retention.max_active_days = 0".into(), "retention.max_active_days", "0", "1 to 65535"),
        ("retention.partition = \"\"".into(), "retention.partition", "\"\"", "day"),
        ("wal.skip_before = \"0s\"".into(), "wal.skip_before", "\"0s\"", "more than zero"),
        ("page.max_records = 65536".into(), "page.max_records", "65536", "1 to 65535"),
        ("page.max_bytes = 13".into(), "page.max_bytes", "13", "at least 14"),
        ("page.max_age = \"1y\"".into(), "page.max_age", "\"1y\"", "1h30m"),
        ("page.codec = 1".into(), "page.codec", "1", "text in quotes"),
        ("rollups.checkpoint_file = \"../x\"".into(), "rollups.checkpoint_file", "\"../x\"", "without directories"),
        ("rollups.checkpoint_file = \"/x\"".into(), "rollups.checkpoint_file", "\"/x\"", "without directories"),
        ("rollups.checkpoint_file = \"\"".into(), "rollups.checkpoint_file", "\"\"", "without directories"),
        ("rollups.checkpoint_file = \".\"".into(), "rollups.checkpoint_file", "\".\"", "without directories"),
        ("rollups.checkpoint_file = \"sub/x\"".into(), "rollups.checkpoint_file", "\"sub/x\"", "without directories"),
        ("rollups.default_interval = \"0s\"".into(), "rollups.default_interval", "\"0s\"", "more than zero"),
        ("rollups.default_destination_db = \"a/b\"".into(), "rollups.default_destination_db", "\"a/b\"", "A-Z"),
        ("rollups.default_aggregates = [1]".into(), "rollups.default_aggregates", "[1]", "list of texts"),
        ("rollups.global_exclude_patterns = [\"\"]".into(), "rollups.global_exclude_patterns", "\"\"", "disk.*"),
        ("rollups.jobs = [1]".into(), "rollups.jobs", "[1]", "[[rollups.jobs]]"),
        (job(""), "rollups.jobs[0].id", "(missing)", "unique"),
        (job("id = \"a\""), "rollups.jobs[0].source_metric", "(missing)", "exactly one"),
        (
            job("id = \"a\"\nsource_metric = \"m\"\nsource_pattern = \"*\""),
            "rollups.jobs[0].source_pattern",
            "\"*\"",
            "both are set",
        ),
        (job("id = \"a\"\nsource_metric = \"a b\""), "rollups.jobs[0].source_metric", "\"a b\"", "white space"),
        (job("id = \"a\"\nsource_pattern = \"*\""), "rollups.jobs[0].interval", "(missing)", "default_interval"),
        (
            job("id = \"a\"\nsource_pattern = \"*\"\ninterval = \"1h\""),
            "rollups.jobs[0].destination_db",
            "(missing)",
            "default_destination_db",
        ),
        (
            "[[rollups.jobs]]\nid = \"a\"\nsource_metric = \"m\"\n[[rollups.jobs]]\nid = \"a\"\nsource_metric = \"n\""
                .into(),
            "rollups.jobs[1].id",
            "\"a\"",
            "no other job",
        ),
        ("events = 1".into(), "events", "1", "[events]"),
    ];
    for (text, key, value, accepted) in cases {
        assert_refused(manifest(&text).unwrap_err(), MANIFEST, key, value, accepted);
    }
}

#[test]
fn rollups_do_not_write_over_the_files_of_their_database() {
    let own = [
        "catalog.json",
        "manifest.toml",
        "Manifest.TOML",
        "retention.journal",
        "data-2024-05-06.dat",
        "raw-2024-05-06.dat",
        "metric-2024-05-06.dat",
        "built-2024-05-06.sources",
        "archive-2024.tar",
        "events-2024-05-06.dat",
        "s.wal",
        "s.wal.next",
        "x.tmp",
        "s.wal.damaged-12",
        ".lock",
    ];
    for name in own {
        let text = format!("rollups.checkpoint_file = \"{name}\"");
        let shown = format!("\"{name}\"");
        assert_refused(manifest(&text).unwrap_err(), MANIFEST, "rollups.checkpoint_file", &shown, "own files");
    }
    for name in ["rollup.checkpoints.log", "checkpoints", "datalog", "wal.log"] {
        assert_eq!(manifest(&format!("rollups.checkpoint_file = \"{name}\"")).unwrap().rollups.checkpoint_file, name);
    }
}

#[test]
fn jobs_that_do_not_run_may_be_incomplete() {
    let manifest = manifest("[[rollups.jobs]]\nid = \"a\"\nsource_pattern = \"*\"\nsource_metric = \"\"").unwrap();
    assert_eq!((manifest.rollups.enabled, manifest.rollups.jobs.len()), (false, 1));
}

#[test]
fn plugin_names_are_checked_against_the_registry() {
    let file = Path::new(MANIFEST);
    let known = manifest("page.codec = \"plain_for_config_tests\"\nretention.partition = \"whole_for_config_tests\"");
    let known = known.unwrap();
    known.check_plugins(file).unwrap();

    let mut wrong = known.clone();
    wrong.page.codec = "zip".into();
    assert_refused(wrong.check_plugins(file).unwrap_err(), MANIFEST, "page.codec", "\"zip\"", "plain_for_config_tests");

    let mut wrong = known.clone();
    wrong.retention.partition = "decade".into();
    let error = wrong.check_plugins(file).unwrap_err();
    assert_refused(error, MANIFEST, "retention.partition", "\"decade\"", "whole_for_config_tests");

    let mut wrong = known.clone();
    wrong.rollups.default_aggregates = vec!["mode".into()];
    let error = wrong.check_plugins(file).unwrap_err();
    assert_refused(error, MANIFEST, "rollups.default_aggregates", "\"mode\"", "unknown aggregate");

    let mut config = EngineConfig { manifest_defaults: known, ..EngineConfig::default() };
    config.check_plugins(Path::new(ENGINE)).unwrap();
    config.metrics.compression = "zip".into();
    let error = config.check_plugins(Path::new(ENGINE)).unwrap_err();
    assert_refused(error, ENGINE, "metrics.compression", "\"zip\"", "plain_for_config_tests");
    config.metrics.compression.clear();
    config.manifest_defaults.page.codec = "zip".into();
    let error = config.check_plugins(Path::new(ENGINE)).unwrap_err();
    assert_refused(error, ENGINE, "manifest_defaults.page.codec", "\"zip\"", "plain_for_config_tests");
}

#[test]
fn broken_files_are_refused_with_the_place() {
    let cases = [
        ("[engine]\nlisten = ", "conf/engine.toml: line 2, column"),
        ("[engine\n", "conf/engine.toml: line 1, column 8"),
        ("# \u{e9}\n\u{e9} = 1", "conf/engine.toml: line 2, column 1"),
        ("a = 1\na = 2", "conf/engine.toml: line 2, column 1"),
    ];
    for (text, place) in cases {
        let message = engine(text).unwrap_err().to_string();
        assert!(message.starts_with(place), "{message}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.toml");
    let message = EngineConfig::load(&RealVfs, &path).unwrap_err().to_string();
    assert!(message.contains("engine.toml"), "{message}");
    std::fs::write(&path, b"# ok\n# \xff\n").unwrap();
    let message = EngineConfig::load(&RealVfs, &path).unwrap_err().to_string();
    assert!(message.contains("engine.toml: line 2: not UTF-8"), "{message}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*", close in "([a-z]{1,3}|[\\[\\].=\"\n ,{}0-9-]){0,60}") {
        let _ = engine(&text);
        let _ = engine(&close);
        let _ = manifest(&close);
    }

    #[test]
    fn any_value_under_any_key_is_taken_or_refused(
        key in prop::sample::select(vec![
            "wal.max_segment_size", "wal.fsync_interval", "limits.max_future", "logging.logger", "defaults.databases",
            "manifest_defaults.retention.retention_days", "manifest_defaults.rollups.jobs", "metrics", "web",
        ]),
        value in prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<String>().prop_map(|text| toml::Value::String(text).to_string()),
            Just("[{}]".to_owned()), Just("{a = 1}".to_owned()), Just("1979-05-27".to_owned()), Just("nan".to_owned()),
        ],
    ) {
        match engine(&format!("{key} = {value}")) {
            Ok(_) => {}
            Err(Error::Config { key: refused, .. }) => prop_assert!(refused.starts_with(key)),
            Err(other) => return Err(TestCaseError::fail(format!("{key} = {value}: {other}"))),
        }
    }
}
