//! The documents hold what they promise: commands run and answer as shown, named tests exist, every configuration key is
//! described, links lead somewhere.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod blocks;
mod commands;
mod server;

use nanotdb_core::config::{EngineConfig, Manifest};
use nanotdb_server_settings as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// README.md, CHANGELOG.md and every page in docs/.
fn documents() -> Vec<PathBuf> {
    let root = repository();
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    found.extend(pages.filter(|path| path.extension().is_some_and(|e| e == "md")));
    found.sort();
    found
}

/// What stands between backticks, outside of fenced blocks.
fn code_spans(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

/// `to come: ` before a code span marks a test that is not in the tree yet.
const TO_COME: &str = "to come: `";

#[test]
fn every_test_that_the_laws_name_exists() {
    let root = repository();
    let text = read(&root.join("docs/LAWS.md")).replace(TO_COME, "to come: ");
    let mut checked = 0;
    let mut missing = Vec::new();
    for span in code_spans(&text) {
        let Some((file, test)) = span.split_once(".rs::") else { continue };
        checked += 1;
        let path = root.join(format!("{file}.rs"));
        let found = std::fs::read_to_string(&path).is_ok_and(|source| source.contains(&format!("fn {test}(")));
        if !found {
            missing.push(span);
        }
    }
    assert!(missing.is_empty(), "docs/LAWS.md names tests that do not exist: {missing:#?}");
    assert!(checked >= 30, "only {checked} tests found in docs/LAWS.md: did its notation change?");
}

/// Dotted names of all keys of a table, down to arrays of tables.
fn keys(prefix: &str, value: &toml::Value, out: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                keys(&name, value, out);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().for_each(|item| keys(prefix, item, out));
        }
        _ => {
            out.insert(prefix.to_owned());
        }
    }
}

/// The file with the keys that stand in it as comments set as well.
fn with_commented_keys(text: &str) -> toml::Value {
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        })
        .collect();
    toml::from_str(&uncommented.join("\n")).unwrap()
}

#[test]
fn every_configuration_key_is_described() {
    let page = read(&repository().join("docs/CONFIGURATION.md"));
    let described: BTreeSet<String> = code_spans(&page).into_iter().collect();
    let mut known = BTreeSet::new();
    keys("", &with_commented_keys(&EngineConfig::default_toml()), &mut known);
    keys("", &with_commented_keys(&Manifest::default().to_toml()), &mut known);
    assert!(known.contains("wal.fsync_policy") && known.contains("logging.logger.output"), "{known:?}");
    let missing: Vec<_> = known
        .iter()
        .map(|key| key.strip_prefix("manifest_defaults.").unwrap_or(key))
        .filter(|key| !key.starts_with("events."))
        .filter(|key| !described.contains(*key))
        .collect();
    assert!(missing.is_empty(), "docs/CONFIGURATION.md does not describe {missing:#?}");
}

/// The first two cells of a table's row that starts with a key: the key, and the default when it is shown as code.
fn key_and_default(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| `")?.split(" | ");
    let key = cells.next()?.strip_suffix('`')?;
    let default = cells.next()?.strip_prefix('`')?.split('`').next()?;
    Some((key, default))
}

#[test]
fn the_defaults_of_the_configuration_page_are_those_of_the_program() {
    let page = read(&repository().join("docs/CONFIGURATION.md"));
    let defaults: toml::Value = toml::from_str(&EngineConfig::default_toml()).unwrap();
    let mut checked = 0;
    for (key, shown) in page.lines().filter_map(key_and_default) {
        let value = |root: &toml::Value| key.split('.').try_fold(root.clone(), |at, part| at.get(part).cloned());
        let manifest = defaults.get("manifest_defaults").and_then(value);
        let Some(value) = value(&defaults).or(manifest) else { continue };
        assert_eq!(shown, value.to_string(), "default of {key} in docs/CONFIGURATION.md");
        checked += 1;
    }
    assert!(checked >= 44, "only {checked} defaults found in docs/CONFIGURATION.md: did its tables change?");
}

#[test]
fn links_lead_to_files_that_exist() {
    let mut broken = Vec::new();
    for path in documents() {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !path.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
