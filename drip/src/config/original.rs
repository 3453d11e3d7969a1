//! drip.toml of the original program: what it says in other words is taken, and what does nothing here is named.

use toml::{Table, Value};

/// Keys of the original and what they are called here, by collector.
const RENAMED: [(&str, &str, &str); 6] = [
    ("cpu", "temp_path", "temperature"),
    ("onewire", "devices", "names"),
    ("onewire", "max_valid_mdeg", "max_mdeg"),
    ("process", "exe_names", "programs"),
    ("sd_write_probe", "directory", "dir"),
    ("sd_write_probe", "every_n_cycles", "every"),
];
/// Names of metrics that could be chosen, and what they are here.
const METRICS: [(&str, &str, &str); 2] =
    [("cpu", "temp_metric", "temp.cpu"), ("sd_write_probe", "metric", "disk.sd_write_probe_ms")];
/// Keys whose value is what happens here anyway.
const AS_IT_IS: [(&str, &str, &str); 2] =
    [("onewire", "auto_discover", "true"), ("onewire", "base_path", "\"/sys/bus/w1/devices\"")];

/// Whether it was written for the original: that has its general keys in a table, `[drip]`.
pub(super) fn is_one(table: &Table) -> bool {
    table.get("drip").is_some_and(Value::is_table)
}

/// The same in our words, and a note for each thing that is not done, or not so.
pub(super) fn translated(mut table: Table, file: &str) -> (Table, Vec<String>) {
    let mut notes = vec![format!(
        "{file}: written for the original NanoTDB, and taken as it is; `drip --init` writes one of today's form"
    )];
    let mut note = |what: String| notes.push(format!("{file}: {what}"));
    let mut ours = Table::new();
    if let Some(Value::Table(general)) = table.remove("drip") {
        for (key, value) in general {
            match key.as_str() {
                "server_url" | "database" | "collection_interval_ms" | "timeout_ms" => {
                    ours.insert(key, value);
                }
                _ => note(format!("drip.{key}: does nothing here")),
            }
        }
    }
    if let Some(Value::Table(collectors)) = table.remove("collectors") {
        let translated = collectors.into_iter().map(|(name, own)| match own {
            Value::Table(own) => {
                let own = collector(&name, own, &mut note);
                (name, Value::Table(own))
            }
            other => (name, other),
        });
        ours.insert("collectors".to_owned(), Value::Table(translated.collect()));
    }
    for section in table.keys() {
        note(format!("[{section}]: does nothing here"));
    }
    (ours, notes)
}

fn collector(name: &str, own: Table, note: &mut impl FnMut(String)) -> Table {
    let mut ours = Table::new();
    for (key, value) in own {
        let of = |list: &[(&str, &str, &'static str)]| {
            list.iter().find(|(collector, known, _)| *collector == name && *known == key).map(|(_, _, here)| *here)
        };
        let shown = value.to_string();
        if let Some(renamed) = of(&RENAMED) {
            ours.insert(renamed.to_owned(), value);
        } else if let Some(metric) = of(&METRICS) {
            if value.as_str() != Some(metric) {
                note(format!("collectors.{name}.{key}: {shown}: the metric is {metric:?} here"));
            }
        } else if let Some(always) = of(&AS_IT_IS) {
            if shown != always {
                note(format!("collectors.{name}.{key}: {shown}: here it is always {always}"));
            }
        } else if is_known(name, &key) {
            ours.insert(key, value);
        } else {
            note(format!("collectors.{name}.{key}: does nothing here"));
        }
    }
    ours
}

/// Keys that both have. `skip` of the network and of disks is the same.
fn is_known(collector: &str, key: &str) -> bool {
    matches!(
        (collector, key),
        (_, "enabled" | "timeout_ms") | ("network" | "disk", "skip") | ("sd_write_probe", "bytes")
    )
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    /// Keys as the original's own file and its source have them.
    const FILE: &str = r#"
[drip]
server_url = "http://localhost:8448"
database = "shed"
collection_interval_ms = 5000
timeout_ms = 5500
debug = true

[admin]
listen = ":9000"

[internal_events]
enabled = true

[collectors.cpu]
enabled = true
temp_path = "/sys/class/thermal/thermal_zone0/temp"
temp_metric = "cpu.temp_mdeg"

[collectors.network]
skip = ["lo", "enx*"]

[collectors.process]
exe_names = ["nanotdb", "nginx"]

[collectors.sd_write_probe]
enabled = false
directory = "/tmp"
bytes = 32000
every_n_cycles = 6
metric = "disk.sd_write_probe_ms"

[collectors.onewire]
auto_discover = false
base_path = "/sys/bus/w1/devices"
max_valid_mdeg = 84999

[collectors.onewire.devices]
"28-0120481ddd35" = "office_wet"
"#;

    #[test]
    fn a_file_of_the_original_is_taken_and_what_does_nothing_is_named() {
        let config = Config::parse(FILE, "drip.toml", Overrides::default()).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((config.database.as_str(), config.server.port), ("shed", 8448));
        assert_eq!((config.interval.as_secs(), config.timeout.as_millis()), (5, 5_500));
        let enabled = |name: &str| config.collectors.iter().find(|c| c.name == name).unwrap().enabled;
        assert!(enabled("cpu") && enabled("disk") && !enabled("sd_write_probe"));
        let mut expected = vec![
            "drip.toml: written for the original NanoTDB, and taken as it is; `drip --init` writes one of today's form",
            "drip.toml: drip.debug: does nothing here",
            "drip.toml: collectors.cpu.temp_metric: \"cpu.temp_mdeg\": the metric is \"temp.cpu\" here",
            "drip.toml: collectors.onewire.auto_discover: false: here it is always true",
            "drip.toml: [admin]: does nothing here",
            "drip.toml: [internal_events]: does nothing here",
        ];
        let mut notes = config.notes.clone();
        expected.sort();
        notes.sort();
        assert_eq!(notes, expected);
    }

    #[test]
    fn a_mistake_in_one_is_told_in_our_words() {
        let told = match Config::parse("[drip]\n[collectors.process]\nexe_names = 3", "d", Overrides::default()) {
            Ok(_) => panic!("taken"),
            Err(errors) => errors,
        };
        assert!(told[0].contains("collectors.process.programs: 3 is not usable"), "{told:?}");
    }
}
