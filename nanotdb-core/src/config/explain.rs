//! Settings with what they do, for people: in the words of the files that `--init` and new databases get.

use super::{EngineConfig, Manifest};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted name.
    pub key: String,
    /// Its value, as in TOML without quotes.
    pub value: String,
    /// What it is when nothing is set.
    pub default: String,
    /// What it does and what is accepted.
    pub explain: String,
}

impl EngineConfig {
    /// All settings of engine.toml, but log outputs, in the order of the file.
    pub fn explained(&self) -> Vec<Setting> {
        explained(&self.to_toml(), &Self::default().to_toml())
    }
}

impl Manifest {
    /// All settings of manifest.toml, in the order of the file. `defaults` are those that stand in for missing keys.
    pub fn explained(&self, defaults: &Manifest) -> Vec<Setting> {
        explained(&self.to_toml(), &defaults.to_toml())
    }
}

fn explained(text: &str, defaults: &str) -> Vec<Setting> {
    let defaults = keys(defaults);
    let default = |key: &str| defaults.iter().find(|(name, ..)| name == key).map(|(_, value, _)| value.clone());
    keys(text)
        .into_iter()
        .map(|(key, value, explain)| Setting { default: default(&key).unwrap_or_default(), key, value, explain })
        .collect()
}

/// Keys, values and comments of a file that `template` wrote. A key without a comment shares the one above it.
fn keys(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (mut section, mut note, mut finished) = (Some(String::new()), String::new(), true);
    for line in text.lines() {
        // A key that is not set: the `#` stands directly before it. The value shown there is the default.
        let bare = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty()).unwrap_or(line);
        if let Some(comment) = line.strip_prefix("# ") {
            if finished {
                note.clear();
                finished = false;
            } else {
                note.push(' ');
            }
            note.push_str(comment);
        } else if let Some(head) = bare.strip_prefix('[') {
            // Lists of tables are no settings with one value; events have no effect.
            let head = head.strip_suffix(']').filter(|head| !head.starts_with('[') && !head.contains("events"));
            section = head.map(str::to_owned);
        } else if let Some((key, value)) = bare.split_once(" = ")
            && let Some(section) = &section
        {
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            found.push((format!("{section}.{key}"), value.to_owned(), note.clone()));
            finished = true;
        } else {
            finished = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_values_defaults_and_words() {
        let mut config = EngineConfig::default();
        config.wal.fsync_policy = super::super::FsyncPolicy::Always;
        let all = config.explained();
        let of = |key: &str| all.iter().find(|s| s.key == key).unwrap_or_else(|| panic!("{key} is missing"));
        let policy = of("wal.fsync_policy");
        assert_eq!((policy.value.as_str(), policy.default.as_str()), ("always", "segment"));
        assert!(policy.explain.starts_with("When the log is forced to the device"), "{}", policy.explain);
        assert!(policy.explain.ends_with("when pages are flushed."), "{}", policy.explain);
        assert_eq!(of("limits.max_databases").value, "256");
        assert_eq!(of("manifest_defaults.page.codec").value, "s2");
        for setting in &all {
            assert!(setting.explain.len() > 10 && setting.key.contains('.'), "{setting:?}");
        }
        assert!(all.len() >= 50, "{}", all.len());
    }

    #[test]
    fn manifests_are_explained_against_their_defaults() {
        let mut manifest = Manifest::default();
        manifest.retention.partition = "month".into();
        let all = manifest.explained(&Manifest::default());
        let partition = all.iter().find(|s| s.key == "retention.partition").unwrap();
        assert_eq!((partition.value.as_str(), partition.default.as_str()), ("month", "day"));
        let codec = all.iter().find(|s| s.key == "page.codec").unwrap();
        assert_eq!(codec.value, "s2");
        assert!(all.iter().all(|s| !s.key.contains("events")), "{all:?}");
    }
}
