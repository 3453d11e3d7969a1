//! The rules of dashboard.json.

use super::place::{Place, Problem};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Types of widgets that show metrics.
const METRIC_WIDGETS: [&str; 4] = ["number", "numbers", "line_chart", "aggregate_band"];
/// The type of widget that shows events.
const EVENT_WIDGET: &str = "event_log";
/// The type that shows metrics, and events as points.
const EVENT_LINES: &str = "line_chart";
/// Members of a series that say which metric it shows.
const METRIC_SOURCES: [&str; 4] = ["metric", "query", "measurement", "field"];
/// Names of groups that would hide a page.
const RESERVED_GROUPS: [&str; 1] = ["edit"];
/// Most problems that are told at once.
const MOST_PROBLEMS: usize = 200;

/// What a document is checked against beside its own rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Names of the aggregates, for the message.
    pub aggregates: &'a [&'a str],
    /// Whether a text is one of them, or another name of one.
    pub is_aggregate: fn(&str) -> bool,
    /// Whether a text is a duration above zero.
    pub is_duration: fn(&str) -> bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What keeps the document from being saved.
    pub errors: Vec<Problem>,
    /// What does not.
    pub warnings: Vec<Problem>,
}

/// A metric that a document shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it is named.
    pub place: Place,
    /// Database; `None` when neither the series nor the document names one.
    pub database: Option<String>,
    /// Metric.
    pub metric: String,
}

/// Checks a document. A member that is `null` counts as left out; unknown members are not looked at.
pub fn check(document: &Value, rules: Rules<'_>) -> Report {
    let mut checker = Checker { rules, report: Report::default() };
    let root = Place::default();
    match document {
        Value::Object(members) => checker.document(members, &root),
        _ => checker.error(&root, "must be an object"),
    }
    checker.report.errors.truncate(MOST_PROBLEMS);
    checker.report.warnings.truncate(MOST_PROBLEMS);
    checker.report
}

/// The metrics that a document shows, as far as they are named.
pub fn references(document: &Value) -> Vec<Reference> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let default = text(document.get("default_db"));
    let mut found = Vec::new();
    for (id, widget) in document.get("widgets").and_then(Value::as_object).into_iter().flatten() {
        let series = widget.get("series").and_then(Value::as_array).into_iter().flatten();
        for (at, series) in series.enumerate() {
            let place = Place::default().key("widgets").key(id).key("series").index(at);
            let named = text(series.get("db")).or_else(|| default.clone());
            if let Some(metric) = text(series.get("metric")) {
                found.push(Reference { place: place.key("metric"), database: named, metric });
            } else if let Some(query) = text(series.get("query")) {
                let (database, metric) = match query.split_once('/') {
                    Some((database, metric)) if !database.is_empty() => (Some(database.to_owned()), metric.to_owned()),
                    _ => (named, query),
                };
                found.push(Reference { place: place.key("query"), database, metric });
            }
        }
    }
    found
}

type Members = Map<String, Value>;

/// A member, unless it is null.
fn member<'v>(members: &'v Members, key: &str) -> Option<&'v Value> {
    members.get(key).filter(|value| !value.is_null())
}

struct Checker<'r> {
    rules: Rules<'r>,
    report: Report,
}

impl Checker<'_> {
    fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.report.errors.push(Problem { place: place.clone(), message: message.into() });
    }

    fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.report.warnings.push(Problem { place: place.clone(), message: message.into() });
    }

    fn document(&mut self, members: &Members, place: &Place) {
        self.required_text(members, place, "title");
        self.text(members, place, "default_db");
        let none = Members::new();
        let widgets = match member(members, "widgets") {
            None => &none,
            Some(Value::Object(widgets)) => widgets,
            Some(_) => {
                self.error(&place.key("widgets"), "must be an object of widgets by id");
                &none
            }
        };
        for (id, widget) in widgets {
            let place = place.key("widgets").key(id);
            match widget {
                _ if id.is_empty() => self.error(&place, "the id of a widget must not be empty"),
                Value::Object(members) => self.widget(members, &place),
                _ => self.error(&place, "must be an object"),
            }
        }
        self.groups(members, widgets, place);
    }

    fn groups(&mut self, members: &Members, widgets: &Members, place: &Place) {
        let mut ids = BTreeSet::new();
        let mut shown = BTreeSet::new();
        // What has none is most likely no dashboard, and would show nothing.
        if member(members, "groups").is_none_or(|groups| groups.as_array().is_some_and(Vec::is_empty)) {
            self.error(&place.key("groups"), "must have at least one group");
        }
        for (group, place) in self.objects(members, place, "groups") {
            match self.text(group, &place, "id") {
                None if member(group, "id").is_none() => self.error(&place.key("id"), "must be given"),
                None => {}
                Some(id) if !is_group_id(id) => {
                    let message = "must be made of letters, digits, '.', '_' and '-' (it is part of an address)";
                    self.error(&place.key("id"), message);
                }
                Some(id) if RESERVED_GROUPS.contains(&id) => {
                    self.error(&place.key("id"), format!("{id:?} is the address of another page; take another id"));
                }
                Some(id) if !ids.insert(id) => {
                    self.error(&place.key("id"), format!("{id:?} is the id of another group, too"));
                }
                Some(_) => {}
            }
            self.text(group, &place, "label");
            for (at, widget) in self.list(group, &place, "widgets").iter().enumerate() {
                let place = place.key("widgets").index(at);
                match widget.as_str() {
                    None => self.error(&place, "must be the id of a widget"),
                    Some(id) if !widgets.contains_key(id) => self.error(&place, format!("there is no widget {id:?}")),
                    Some(id) => {
                        shown.insert(id);
                    }
                }
            }
        }
        for id in widgets.keys().filter(|id| !shown.contains(id.as_str())) {
            self.warn(&place.key("widgets").key(id), "no group shows it");
        }
    }

    fn widget(&mut self, members: &Members, place: &Place) {
        let kind = self.text(members, place, "type");
        let known = || format!("one of {}, {EVENT_WIDGET}", METRIC_WIDGETS.join(", "));
        let shows_events = match kind {
            None if member(members, "type").is_none() => {
                self.error(&place.key("type"), format!("must be given: {}", known()));
                return;
            }
            None => return,
            Some(EVENT_WIDGET) => {
                self.warn(&place.key("type"), "there are no events yet; the widget is kept and shows nothing");
                true
            }
            Some(kind) if METRIC_WIDGETS.contains(&kind) => false,
            Some(kind) => {
                self.error(&place.key("type"), format!("{kind:?} must be {}", known()));
                return;
            }
        };
        self.text(members, place, "title");
        self.number(members, place, "refresh_sec", |n| n > 0.0, "above zero");
        self.duration(members, place, "lookback");
        self.duration(members, place, "interval");
        self.looks(members, place);
        if let Some(layout) = self.object(members, place, "layout") {
            for side in ["w", "h"] {
                self.number(layout, &place.key("layout"), side, |n| (1.0..=12.0).contains(&n), "1 to 12");
            }
        }
        if !self.list(members, place, "event_overlays").is_empty() {
            self.warn(&place.key("event_overlays"), "there are no events yet; overlays are kept and show nothing");
        }
        let series = self.objects(members, place, "series");
        if series.is_empty() && !matches!(member(members, "series"), Some(value) if !value.is_array()) {
            self.error(&place.key("series"), "must have at least one series");
        }
        for (series, place) in series {
            match (shows_events, member(series, "event_name_pattern")) {
                (true, _) => self.event_series(series, &place),
                (false, None) => self.metric_series(series, &place),
                (false, Some(_)) if kind == Some(EVENT_LINES) => self.event_lines(series, &place),
                (false, Some(_)) => {
                    let message = format!("events are shown by {EVENT_WIDGET} and {EVENT_LINES} alone");
                    self.error(&place.key("event_name_pattern"), message);
                }
            }
        }
    }

    fn metric_series(&mut self, series: &Members, place: &Place) {
        self.source(series, place);
        self.text(series, place, "label");
        self.text(series, place, "db");
        if let Some(name) = self.text(series, place, "aggregate").filter(|name| !name.is_empty())
            && !(self.rules.is_aggregate)(name)
        {
            let known = self.rules.aggregates.join(", ");
            self.error(&place.key("aggregate"), format!("{name:?} must be one of {known}"));
        }
        self.duration(series, place, "window");
        if let Some(rate) = member(series, "rate")
            && !rate.is_boolean()
        {
            self.error(&place.key("rate"), "must be true or false");
        }
        self.looks(series, place);
    }

    /// Which metric it is: `metric`, or what the original takes as well.
    fn source(&mut self, series: &Members, place: &Place) {
        let is_given = |key: &str| member(series, key).is_some();
        if is_given("metric") || !METRIC_SOURCES.iter().any(|key| is_given(key)) {
            return self.required_text(series, place, "metric");
        }
        if is_given("query") {
            return self.required_text(series, place, "query");
        }
        self.required_text(series, place, "measurement");
        self.required_text(series, place, "field");
        self.warn(
            &place.key("measurement"),
            "measurement and field are kept, and not shown yet; name the metric as metric",
        );
    }

    /// Events as points of a chart.
    fn event_lines(&mut self, series: &Members, place: &Place) {
        self.text(series, place, "label");
        if let Some(key) = METRIC_SOURCES.iter().find(|key| member(series, key).is_some()) {
            self.error(&place.key(key), "a series shows events (event_name_pattern) or a metric, not both");
        }
        self.event_series(series, place);
        self.warn(&place.key("event_name_pattern"), "there are no events yet; the series is kept and shows nothing");
        self.looks(series, place);
    }

    fn event_series(&mut self, series: &Members, place: &Place) {
        self.required_text(series, place, "event_name_pattern");
        self.text(series, place, "db");
        self.number(series, place, "event_limit", |n| n >= 1.0, "1 or more");
    }

    /// Transform and thresholds, of a widget or a series.
    fn looks(&mut self, members: &Members, place: &Place) {
        if let Some(transform) = self.object(members, place, "transform") {
            let place = place.key("transform");
            self.number(transform, &place, "factor", |_| true, "");
            self.number(transform, &place, "offset", |_| true, "");
            self.text(transform, &place, "unit");
            let is_count = |n: f64| (0.0..=12.0).contains(&n) && n.fract() == 0.0;
            self.number(transform, &place, "decimals", is_count, "a whole number from 0 to 12");
        }
        let Some(thresholds) = self.object(members, place, "thresholds") else { return };
        let place = place.key("thresholds");
        let direction = self.text(thresholds, &place, "direction").unwrap_or("above");
        if !matches!(direction, "above" | "below" | "") {
            self.error(&place.key("direction"), format!("{direction:?} must be above or below"));
        }
        let warning = self.number(thresholds, &place, "warning", |_| true, "");
        let critical = self.number(thresholds, &place, "critical", |_| true, "");
        if let (Some(warning), Some(critical)) = (warning, critical) {
            let reversed = if direction == "below" { critical > warning } else { critical < warning };
            if reversed {
                let order = if direction == "below" { "above" } else { "below" };
                let message =
                    format!("{critical} is {order} the warning at {warning}, so that nothing is a warning only");
                self.warn(&place.key("critical"), message);
            }
        }
    }

    fn text<'v>(&mut self, members: &'v Members, place: &Place, key: &str) -> Option<&'v str> {
        let value = member(members, key)?;
        if !value.is_string() {
            self.error(&place.key(key), "must be text");
        }
        value.as_str()
    }

    fn required_text(&mut self, members: &Members, place: &Place, key: &str) {
        match member(members, key) {
            None => self.error(&place.key(key), "must be given"),
            Some(Value::String(text)) if text.trim().is_empty() => self.error(&place.key(key), "must be given"),
            Some(Value::String(_)) => {}
            Some(_) => self.error(&place.key(key), "must be text"),
        }
    }

    fn number(
        &mut self,
        members: &Members,
        place: &Place,
        key: &str,
        accepts: impl Fn(f64) -> bool,
        accepted: &str,
    ) -> Option<f64> {
        let value = member(members, key)?;
        let found = value.as_f64();
        match found {
            None => self.error(&place.key(key), "must be a number"),
            Some(n) if !accepts(n) => self.error(&place.key(key), format!("{n} must be {accepted}")),
            Some(_) => {}
        }
        found
    }

    fn duration(&mut self, members: &Members, place: &Place, key: &str) {
        if let Some(text) = self.text(members, place, key)
            && !text.is_empty()
            && !(self.rules.is_duration)(text)
        {
            self.error(&place.key(key), format!("{text:?} must be a duration above zero, such as 30s, 10m, 6h or 7d"));
        }
    }

    fn object<'v>(&mut self, members: &'v Members, place: &Place, key: &str) -> Option<&'v Members> {
        let value = member(members, key)?;
        if !value.is_object() {
            self.error(&place.key(key), "must be an object");
        }
        value.as_object()
    }

    fn list<'v>(&mut self, members: &'v Members, place: &Place, key: &str) -> &'v [Value] {
        match member(members, key) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.error(&place.key(key), "must be a list");
                &[]
            }
        }
    }

    /// The elements of a list with their places; those that are no objects are told and left out.
    fn objects<'v>(&mut self, members: &'v Members, place: &Place, key: &str) -> Vec<(&'v Members, Place)> {
        let mut found = Vec::new();
        for (at, item) in self.list(members, place, key).iter().enumerate() {
            let place = place.key(key).index(at);
            match item.as_object() {
                Some(object) => found.push((object, place)),
                None => self.error(&place, "must be an object"),
            }
        }
        found
    }
}

fn is_group_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && id.chars().any(|c| c != '.')
}
