use super::super::*;
use super::*;
use std::path::Path;

const FILE: &str = "engine.toml";

/// The text with every commented key and head set.
fn uncommented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_file_parses_back_to_the_defaults() {
    let loaded = EngineConfig::parse(&EngineConfig::default_toml(), Path::new(FILE)).unwrap();
    assert_eq!(loaded.value, EngineConfig::of_new_root());
    let of_old = EngineConfig::parse(&EngineConfig::default().to_toml(), Path::new(FILE)).unwrap();
    assert_eq!(of_old.value, EngineConfig::default());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn every_known_key_occurs_in_the_default_file() {
    let text = uncommented(&EngineConfig::default_toml());
    let (loaded, known) = EngineConfig::read_keys(&text, Path::new(FILE)).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(known.len() > 70, "the reader notes its keys: {known:?}");
    let table: toml::Table = text.parse().unwrap();
    for key in known {
        let mut value = &Value::Table(table.clone());
        for part in key.split('.') {
            let name = part.trim_end_matches("[0]");
            value = value.get(name).unwrap_or_else(|| panic!("{key} is not in the default file"));
            value = if part.ends_with("[0]") { value.get(0).unwrap() } else { value };
        }
    }
}

#[test]
fn every_key_of_the_default_file_has_a_comment_or_stands_below_one_that_has() {
    let text = EngineConfig::default_toml();
    let mut commented = false;
    for line in text.lines() {
        match line.trim_start_matches('#') {
            "" => commented = false,
            _ if line.starts_with("# ") => commented = true,
            rest if rest.starts_with('[') => {}
            _ => assert!(commented, "{line}"),
        }
    }
}

fn full() -> Manifest {
    let mut manifest = Manifest::default();
    manifest.retention.grace = Duration::from_millis(1_500);
    manifest.retention.retention_action = RetentionAction::Archive;
    manifest.retention.partition = "fort\"night\n".into();
    manifest.wal.enabled = false;
    manifest.page.codec = "zstd_fastest".into();
    manifest.rollups = RollupsManifest {
        enabled: true,
        checkpoint_file: "rollup.log".into(),
        default_grace: Some(Duration::ZERO),
        default_interval: Some(Duration::from_secs(3_600)),
        default_destination_db: Some("pi_1h".into()),
        default_aggregates: vec!["min".into(), "max".into()],
        global_exclude_patterns: vec!["const.*".into()],
        jobs: vec![
            RollupJob { id: "a".into(), source_pattern: Some("*".into()), ..RollupJob::default() },
            RollupJob {
                id: "b".into(),
                source_metric: Some("temp\\out".into()),
                exclude_patterns: vec!["x*".into()],
                interval: Some(Duration::from_secs(60)),
                aggregates: vec!["p95".into()],
                destination_db: Some("pi_1m".into()),
                destination_metric_prefix: Some("t".into()),
                grace: Some(Duration::from_nanos(1)),
                ..RollupJob::default()
            },
        ],
    };
    manifest.events.table.insert("enabled".into(), Value::Boolean(true));
    manifest
}

#[test]
fn a_written_manifest_parses_back() {
    let mut without_events = Manifest::default();
    without_events.events.table.clear();
    for manifest in [Manifest::default(), full(), without_events] {
        // The other's defaults, so that a key which is not written shows.
        for defaults in [Manifest::default(), full()] {
            let text = manifest.to_toml();
            let mut loaded = Manifest::parse(&text, Path::new("manifest.toml"), &defaults).unwrap();
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            // What the layout leaves out for the original's sake.
            if manifest.page.codec == "s2" {
                loaded.value.page.codec = "s2".into();
            }
            let (wanted, found) = (&manifest.rollups, &mut loaded.value.rollups);
            if wanted.jobs.is_empty() {
                found.jobs.clear();
                found.default_aggregates.clear();
                found.global_exclude_patterns.clear();
            }
            assert_eq!(loaded.value, manifest, "{text}");
        }
    }
}

#[test]
fn a_written_manifest_has_the_keys_that_the_original_writes() {
    let golden = include_str!("../../../tests/fixtures/config/manifest-clean-day.toml");
    let golden: toml::Table = golden.parse().unwrap();
    let ours: toml::Table = Manifest::default().to_toml().parse().unwrap();
    assert_eq!(ours.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    for (section, table) in &golden {
        let keys = |t: &Value| t.as_table().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours[section]), keys(table), "[{section}]");
    }
    assert_eq!(ours["events"], golden["events"]);
}
