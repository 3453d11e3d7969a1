//! The document that is shown while there is none: made for the metrics that are there.

use super::pretty;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Widgets for what drip sends; `{device}` stands for each disk, network interface or sensor that there is.
const TEMPLATE: &str = include_str!("default.json");
/// What stands for a device in the template.
const DEVICE: &str = "{device}";
/// Devices that one widget of the template is made for, when nothing is there yet.
const USUAL: [(&str, &str); 3] = [("disk.", "mmcblk0"), ("net.", "eth0"), ("temp.", "office")];
/// Devices that say nothing worth a widget.
const DULL: [&str; 2] = ["lo", "sd_write_probe_ms"];
/// Most widgets of one kind, and most charts made of names alone.
const MOST: usize = 12;
/// Most lines of a chart made of names alone.
const MOST_LINES: usize = 6;

/// A database with its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Names of its metrics.
    pub metrics: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    title: String,
    default_db: String,
    groups: Vec<Group>,
    widgets: BTreeMap<String, Widget>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Group {
    id: String,
    label: String,
    widgets: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Widget {
    r#type: String,
    title: String,
    refresh_sec: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    lookback: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<serde_json::Value>,
    series: Vec<Series>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Series {
    label: String,
    metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<serde_json::Value>,
}

/// The document for these databases: of the widgets for what drip sends those that have metrics, in the database that has most
/// of them; where there are none, a chart for each group of names; and with no metrics at all the whole of it, for what is
/// to come.
pub fn standard(databases: &[Database]) -> String {
    // The template is ours and tested; if it could not be read there would be a dashboard without widgets.
    let template = || serde_json::from_str::<Document>(TEMPLATE).ok();
    let known = |database: &Database| template().map(|document| document.fitted(database)).unwrap_or_else(empty);
    let fitted =
        databases.iter().map(known).max_by_key(|document| (document.lines(), document.default_db == "metrics"));
    let document = match fitted {
        Some(document) if document.lines() > 0 => document,
        _ => match databases.iter().filter(|one| !one.metrics.is_empty()).max_by_key(|one| one.metrics.len()) {
            Some(database) => by_names(database),
            None => template().map(Document::unfitted).unwrap_or_else(empty),
        },
    };
    pretty(&serde_json::to_string(&document).unwrap_or_else(|_| "{}".to_owned()))
}

fn empty() -> Document {
    let title = "NanoTDB Dashboard".to_owned();
    Document { title, default_db: String::new(), groups: Vec::new(), widgets: BTreeMap::new() }
}

impl Document {
    fn lines(&self) -> usize {
        self.widgets.values().map(|widget| widget.series.len()).sum()
    }

    /// Of the template, what this database has metrics for.
    fn fitted(mut self, database: &Database) -> Self {
        database.name.clone_into(&mut self.default_db);
        let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, widget) in std::mem::take(&mut self.widgets) {
            for (of, widget) in widget.for_each_device(&id, &database.metrics).into_iter().take(MOST) {
                made.entry(id.clone()).or_default().push(of.clone());
                self.widgets.insert(of, widget);
            }
        }
        self.put_into_groups(&made)
    }

    /// The template with the devices that are most usual.
    fn unfitted(mut self) -> Self {
        let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, widget) in std::mem::take(&mut self.widgets) {
            let prefix = widget.series.first().map(|series| series.metric.as_str()).unwrap_or_default();
            let device = USUAL.iter().find(|(start, _)| prefix.starts_with(start)).map_or("", |(_, device)| device);
            let of = id.replace(DEVICE, device);
            made.insert(id, vec![of.clone()]);
            self.widgets.insert(of, widget.with(device));
        }
        self.put_into_groups(&made)
    }

    /// Replaces the names of the template's widgets by those made of them; groups without any are left out.
    fn put_into_groups(mut self, made: &BTreeMap<String, Vec<String>>) -> Self {
        for group in &mut self.groups {
            // What is there for each device stands together.
            let (single, each): (Vec<_>, Vec<_>) = group.widgets.iter().partition(|id| !id.contains(DEVICE));
            let before = group.widgets.iter().position(|id| id.contains(DEVICE)).unwrap_or(group.widgets.len());
            let most = each.iter().filter_map(|id| made.get(*id)).map(Vec::len).max().unwrap_or_default();
            let rows = (0..most).flat_map(|row| each.iter().filter_map(move |id| made.get(*id)?.get(row)));
            let ready = |id: &&String| made.get(*id).and_then(|ids| ids.first());
            let mut ids: Vec<String> = single.iter().take(before).filter_map(ready).cloned().collect();
            ids.extend(rows.cloned());
            ids.extend(single.iter().skip(before).filter_map(ready).cloned());
            group.widgets = ids;
        }
        self.groups.retain(|group| !group.widgets.is_empty());
        self
    }
}

impl Widget {
    /// Itself once, or once for each device, with the lines that there are metrics for. A widget whose lines are the devices
    /// is one.
    fn for_each_device(&self, id: &str, metrics: &BTreeSet<String>) -> Vec<(String, Widget)> {
        let has = |series: &Series| metrics.contains(&series.metric);
        let mut found = Vec::new();
        if id.contains(DEVICE) {
            for device in self.devices(metrics) {
                let mut widget = self.clone().with(&device);
                widget.series.retain(has);
                found.push((id.replace(DEVICE, &device), widget));
            }
        } else {
            let lines = |series: &Series| match series.metric.contains(DEVICE) {
                true => devices_of(&series.metric, metrics).iter().map(|device| series.clone().with(device)).collect(),
                false => vec![series.clone()],
            };
            let mut widget = Widget { series: self.series.iter().flat_map(lines).collect(), ..self.clone() };
            widget.series.retain(has);
            found.push((id.to_owned(), widget));
        }
        found.retain(|(_, widget)| !widget.series.is_empty());
        found
    }

    fn devices(&self, metrics: &BTreeSet<String>) -> BTreeSet<String> {
        self.series.iter().flat_map(|series| devices_of(&series.metric, metrics)).collect()
    }

    fn with(self, device: &str) -> Self {
        let series = self.series.into_iter().map(|series| series.with(device)).collect();
        Self { title: self.title.replace(DEVICE, device), series, ..self }
    }
}

impl Series {
    fn with(self, device: &str) -> Self {
        let (label, metric) = (self.label.replace(DEVICE, device), self.metric.replace(DEVICE, device));
        Self { label, metric, ..self }
    }
}

/// What stands in metrics where a pattern has [`DEVICE`].
fn devices_of(pattern: &str, metrics: &BTreeSet<String>) -> BTreeSet<String> {
    let Some((before, after)) = pattern.split_once(DEVICE) else { return BTreeSet::new() };
    let device = |metric: &String| {
        let device = metric.strip_prefix(before)?.strip_suffix(after)?;
        (!device.is_empty() && !device.contains('.') && !DULL.contains(&device)).then(|| device.to_owned())
    };
    metrics.iter().filter_map(device).collect()
}

/// A chart for each group of names: those that differ in their last part alone.
fn by_names(database: &Database) -> Document {
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for metric in &database.metrics {
        let family = metric.rsplit_once(['.', '/']).map_or(metric.as_str(), |(family, _)| family);
        families.entry(family).or_default().push(metric);
    }
    let chart = |(family, metrics): (&str, Vec<&str>)| {
        let label = |metric: &str| match metric.strip_prefix(family).and_then(|rest| rest.get(1..)) {
            Some(rest) if !rest.is_empty() => rest.to_owned(),
            _ => metric.to_owned(),
        };
        let line = |metric: &&str| Series {
            label: label(metric),
            metric: (*metric).to_owned(),
            rate: metric.ends_with("_total").then_some(true),
            ..Series::default()
        };
        let title = if let [one] = metrics.as_slice() { (*one).to_owned() } else { family.to_owned() };
        Widget {
            r#type: "line_chart".to_owned(),
            title,
            refresh_sec: 10,
            lookback: Some("1h".to_owned()),
            series: metrics.iter().take(MOST_LINES).map(line).collect(),
            ..Widget::default()
        }
    };
    let mut document = empty();
    database.name.clone_into(&mut document.default_db);
    let widgets = families.into_iter().take(MOST).map(chart).enumerate();
    document.widgets = widgets.map(|(at, widget)| (format!("chart_{:02}", at + 1), widget)).collect();
    let ids = document.widgets.keys().cloned().collect();
    document.groups.push(Group { id: "overview".to_owned(), label: "Overview".to_owned(), widgets: ids });
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn made_for(databases: &[(&str, &[&str])]) -> Value {
        let databases: Vec<Database> = databases
            .iter()
            .map(|(name, metrics)| Database {
                name: (*name).to_owned(),
                metrics: metrics.iter().map(|metric| (*metric).to_owned()).collect(),
            })
            .collect();
        serde_json::from_str(&standard(&databases)).unwrap()
    }

    fn metrics(document: &Value) -> Vec<String> {
        let widgets = document["widgets"].as_object().unwrap().values();
        let mut found: Vec<String> = widgets
            .flat_map(|widget| widget["series"].as_array().unwrap())
            .map(|series| series["metric"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn it_is_for_the_database_and_the_devices_that_are_there() {
        let there =
            ["cpu.busy_pct", "disk.nvme0n1.read_kbps", "disk.sda.write_kbps", "net.enp3s0.rx_bytes", "net.lo.rx_bytes"];
        let document = made_for(&[("aaa", &["room.temp"]), ("host", &there)]);
        assert_eq!(document["default_db"], "host");
        assert_eq!(
            metrics(&document),
            ["cpu.busy_pct", "disk.nvme0n1.read_kbps", "disk.sda.write_kbps", "net.enp3s0.rx_bytes"]
        );
        assert_eq!(document["widgets"]["net_enp3s0"]["title"], "Network enp3s0");
        assert_eq!(document["groups"][0]["widgets"], serde_json::json!(["now", "cpu"]));
        assert_eq!(document["groups"][1]["widgets"], serde_json::json!(["disk_nvme0n1", "disk_sda"]));
        assert!(!document.to_string().contains(DEVICE));
    }

    /// A Pi Zero has 440 MB of memory and a small card: what is a warning on a server must not be one there.
    #[test]
    fn thresholds_are_shares_where_machines_differ() {
        let document = made_for(&[("pi", &["mem.available", "mem.used_pct", "diskfs.root.bytes_avail", "temp.cpu"])]);
        let widgets = document["widgets"].as_object().unwrap().values();
        let mut seen = 0;
        for series in widgets.flat_map(|widget| widget["series"].as_array().unwrap()) {
            let metric = series["metric"].as_str().unwrap();
            let is_absolute = metric.contains("bytes") || metric == "mem.available";
            assert!(!is_absolute || series["thresholds"].is_null(), "{series}");
            seen += usize::from(!series["thresholds"].is_null() && metric == "mem.used_pct");
        }
        assert_eq!(seen, 1);
    }

    #[test]
    fn sensors_are_lines_of_one_chart() {
        let document = made_for(&[("pi", &["temp.boiler.mdeg", "temp.fridge.mdeg"])]);
        let series = document["widgets"]["sensors"]["series"].as_array().unwrap();
        let labels: Vec<_> = series.iter().map(|one| one["label"].as_str().unwrap()).collect();
        assert_eq!(labels, ["boiler", "fridge"]);
    }

    #[test]
    fn metrics_of_no_known_kind_get_charts_by_their_names() {
        let document = made_for(&[("garden", &["pump.flow", "pump.pressure", "rain_total"])]);
        assert_eq!(document["default_db"], "garden");
        assert_eq!(metrics(&document), ["pump.flow", "pump.pressure", "rain_total"]);
        assert_eq!(document["widgets"]["chart_01"]["title"], "pump");
        assert_eq!(document["widgets"]["chart_01"]["series"][0]["label"], "flow");
        assert_eq!(document["widgets"]["chart_02"]["series"][0]["rate"], true);
    }

    #[test]
    fn without_metrics_it_is_for_what_drip_will_send() {
        for none in [made_for(&[]), made_for(&[("new", &[])])] {
            assert!(metrics(&none).contains(&"cpu.busy_pct".to_owned()));
            assert!(none["widgets"].as_object().unwrap().len() > 8);
            assert!(!none.to_string().contains(DEVICE));
        }
    }
}
