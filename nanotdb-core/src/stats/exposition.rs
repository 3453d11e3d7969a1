//! Numbers as Prometheus text, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use super::{Kind, Metric, Recorder, Unit};
use std::fmt::Write;

/// Collects numbers by family.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<(&'static Metric, String)>,
}

impl Recorder for Exposition {
    fn record(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        let at = match self.families.iter().rposition(|(family, _)| family.name == metric.name) {
            Some(at) => at,
            None => {
                self.families.push((metric, head(metric)));
                self.families.len().saturating_sub(1)
            }
        };
        let Some((_, text)) = self.families.get_mut(at) else { return };
        text.push_str(&metric.prometheus_name());
        for (at, (name, label)) in metric.labels.iter().zip(labels).enumerate() {
            text.push(if at == 0 { '{' } else { ',' });
            let _ = write!(text, "{name}=\"{}\"", escaped(label));
        }
        if !metric.labels.is_empty() {
            text.push('}');
        }
        let _ = match metric.unit {
            Unit::Micros => writeln!(text, " {}", seconds(value)),
            Unit::Count | Unit::Bytes | Unit::Seconds => writeln!(text, " {value}"),
        };
    }
}

impl Exposition {
    /// The text: each family with its HELP and TYPE, in the order in which they came first.
    pub fn text(&self) -> String {
        self.families.iter().map(|(_, text)| text.as_str()).collect()
    }
}

fn head(metric: &Metric) -> String {
    let name = metric.prometheus_name();
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Microseconds as seconds, to the digit.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    static SYNC: Metric = Metric::counter("nanotdb.wal.sync", Unit::Micros, "Time.\nA back\\slash.");
    static ROWS: Metric = Metric::gauge("nanotdb.database.rows", Unit::Count, "Rows.").by(&["database", "kind"]);

    #[test]
    fn families_stay_together_and_labels_are_escaped() {
        let mut exposition = Exposition::default();
        exposition.record(&ROWS, &["a\"b\\c\nd", "x"], 3);
        exposition.record(&SYNC, &[], 1_500_000);
        exposition.record(&ROWS, &["home", ""], u64::MAX);
        let expected = r#"# HELP nanotdb_database_rows Rows.
# TYPE nanotdb_database_rows gauge
nanotdb_database_rows{database="a\"b\\c\nd",kind="x"} 3
nanotdb_database_rows{database="home",kind=""} 18446744073709551615
# HELP nanotdb_wal_sync_seconds_total Time.\nA back\\slash.
# TYPE nanotdb_wal_sync_seconds_total counter
nanotdb_wal_sync_seconds_total 1.5
"#;
        assert_eq!(exposition.text(), expected);
    }

    #[test]
    fn seconds_are_exact() {
        for (micros, text) in [(0, "0"), (1, "0.000001"), (10, "0.00001"), (1_000_000, "1"), (100_000_000, "100")] {
            assert_eq!(seconds(micros), text);
        }
    }
}
