//! The tables of docs/SELF_METRICS.md.

use super::{Kind, Metric};
use std::fmt::Write;

/// One table row per metric: names in `internal` and at `/metrics`, kind, unit, and what it says.
pub fn document<'m>(metrics: impl Iterator<Item = &'m Metric>) -> String {
    let mut text = String::from("| in `internal` | at `/metrics` | kind | unit | what |\n|---|---|---|---|---|\n");
    for metric in metrics {
        let placeholders: Vec<String> = metric.labels.iter().map(|label| format!("<{label}>")).collect();
        let labels: Vec<&str> = placeholders.iter().map(String::as_str).collect();
        let mut name = String::new();
        metric.push_internal_name(&labels, &mut name);
        let family = metric.prometheus_name();
        let label_names = if labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels.join(", ")) };
        let kind = match metric.kind {
            Kind::Counter => "total",
            Kind::Gauge => "now",
        };
        let _ = writeln!(
            text,
            "| `{name}` | `{family}{label_names}` | {kind} | {} | {} |",
            metric.unit.name(),
            metric.help
        );
    }
    text
}
