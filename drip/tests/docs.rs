//! docs/DRIP.md describes every key of drip.toml and every metric. That its commands run is tested in nanotdb-cli.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{DRIP, tree};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What stands between backticks.
fn spans() -> BTreeSet<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/DRIP.md")).unwrap();
    let mut fenced = false;
    let mut spans = BTreeSet::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

#[test]
fn every_key_is_described() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new(DRIP).arg("--init").current_dir(dir.path()).status().unwrap().success());
    let text = std::fs::read_to_string(dir.path().join("drip.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let mut keys = BTreeSet::new();
    for (key, value) in &file {
        match value.as_table() {
            None => {
                keys.insert(key.clone());
            }
            Some(table) if key == "spool" => keys.extend(table.keys().map(|k| format!("spool.{k}"))),
            Some(collectors) => {
                for (name, table) in collectors {
                    let own = table
                        .as_table()
                        .unwrap()
                        .keys()
                        .filter(|k| !["enabled", "timeout_ms", "max_series"].contains(&k.as_str()));
                    let own: Vec<_> = own.map(|k| format!("collectors.{name}.{k}")).collect();
                    if own.is_empty() {
                        keys.insert(format!("collectors.{name}"));
                    }
                    keys.extend(own);
                }
            }
        }
    }
    assert!(keys.len() > 20, "{keys:?}");
    let described = spans();
    let missing: Vec<_> = keys.difference(&described).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_metric_is_described() {
    let described: Vec<Vec<String>> = spans().iter().map(|span| span.split('.').map(str::to_owned).collect()).collect();
    let is_described = |name: &str| {
        let parts: Vec<&str> = name.split('.').collect();
        described
            .iter()
            .any(|span| span.len() == parts.len() && span.iter().zip(&parts).all(|(s, p)| s == p || s.starts_with('<')))
    };
    let mut names = of_trees();
    // A tree does not move, so these have nothing to be a share of.
    names.extend(["cpu.busy_pct".to_owned()]);
    assert!(names.len() > 250, "{}", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !is_described(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Names that the recorded machines have.
fn of_trees() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for machine in ["pi3", "pi5", "x86"] {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(DRIP)
            .args(["--once", "--interval", "100ms", "--root-fs"])
            .arg(tree(machine, "b"))
            .env("STATE_DIRECTORY", dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        names.extend(text.lines().map(|line| line.split([' ', '/']).nth(1).unwrap().to_owned()));
    }
    names
}

/// The other way round: no row is about a metric that nothing sends.
#[test]
fn every_row_is_about_a_metric_that_there_is() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/DRIP.md")).unwrap();
    let (_, tables) = page.split_once("\n## Metrics\n").unwrap();
    let tables = tables.split("\n## ").next().unwrap();
    let cells = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split(['`', ',', ' '])).filter(|name| name.contains('.')).collect();
    assert!(names.len() > 90, "{names:?}");
    let mut source = String::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    // Every part of a name that is no placeholder is written somewhere: as a text of its own, or as a piece of one.
    let is_word = |byte: Option<char>| byte.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let stands = |part: &str| {
        source.match_indices(part).any(|(at, _)| {
            !is_word(source[..at].chars().next_back()) && !is_word(source[at + part.len()..].chars().next())
        })
    };
    let sent: Vec<Vec<String>> = of_trees().iter().map(|name| name.split('.').map(str::to_owned).collect()).collect();
    let is_sent = |name: &str| {
        let parts: Vec<&str> = name.split('.').collect();
        let fits = |own: &Vec<String>| own.iter().zip(&parts).all(|(own, part)| own == part || part.starts_with('<'));
        sent.iter().any(|own| own.len() == parts.len() && fits(own))
    };
    // A tree does not move: the shares of ticks are made of the names of these.
    let ticks = |name: &str| name.strip_suffix("_pct").is_some_and(|ticks| ticks.starts_with("cpu.") && is_sent(ticks));
    let is_written = |name: &str| name.split('.').filter(|part| !part.starts_with('<')).all(stands);
    let missing: Vec<_> = names.iter().filter(|name| !is_sent(name) && !ticks(name) && !is_written(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!stands("some_avg11") && !stands("nonsense_pct"));
}

fn read_sources(directory: &Path, out: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            out.push_str(text.split("#[cfg(test)]").next().unwrap());
        }
    }
}
