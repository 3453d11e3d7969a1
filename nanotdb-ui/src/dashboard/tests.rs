use super::*;
use serde_json::{Value, json};

fn is_duration(text: &str) -> bool {
    text.strip_suffix(['s', 'm', 'h', 'd']).is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 0))
}

const AGGREGATES: [&str; 3] = ["avg", "max", "p95"];
const RULES: Rules<'_> = Rules {
    aggregates: &AGGREGATES,
    is_aggregate: |name| AGGREGATES.contains(&name) || name == "mean_of",
    is_duration,
};

fn errors(document: &Value) -> Vec<(String, String)> {
    check(document, RULES).errors.iter().map(|p| (p.place.pointer(), p.to_string())).collect()
}

/// The document that the original shows when it has none.
fn original() -> Value {
    json!({
        "title": "NanoTDB Dashboard", "default_db": "metrics",
        "groups": [{"id": "overview", "label": "Overview", "widgets": ["cpu", "load"]},
                   {"id": "events", "label": "Events", "widgets": ["slow"]}],
        "widgets": {
            "cpu": {"type": "aggregate_band", "title": "CPU Busy", "refresh_sec": 15, "lookback": "24h", "interval": "10m",
                    "series": [{"metric": "cpu.busy_pct", "window": "10m", "transform": {"unit": "%", "decimals": 1}}]},
            "load": {"type": "line_chart", "lookback": "6h",
                     "series": [{"label": "Load", "metric": "sys.load1", "aggregate": "avg", "window": "1m",
                                 "thresholds": {"direction": "below", "warning": 1.0, "critical": 0.5}}],
                     "event_overlays": [{"label": "start", "event_name_pattern": "nanotdb.engine.started"}]},
            "slow": {"type": "event_log", "series": [{"event_name_pattern": "disk.*", "event_limit": 10, "db": "internal"}]}
        }
    })
}

#[test]
fn the_default_and_the_original_are_good() {
    let text = standard(&[]);
    let default: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(check(&default, RULES), Report::default());
    assert_eq!(text, pretty(&text));
    let report = check(&original(), RULES);
    assert_eq!(report.errors, []);
    // Events are accepted, and said to be missing.
    let places: Vec<String> = report.warnings.iter().map(|w| w.place.pointer()).collect();
    assert_eq!(places, ["/widgets/load/event_overlays", "/widgets/slow/type"]);
}

#[test]
fn unknown_members_and_nulls_are_nobodys_business() {
    let mut document = original();
    document["future"] = json!({"a": [1]});
    document["widgets"]["cpu"]["icon"] = json!(7);
    document["widgets"]["cpu"]["title"] = Value::Null;
    document["groups"][0]["note"] = json!(null);
    assert_eq!(errors(&document), []);
    document["widgets"]["load"]["series"][0]["aggregate"] = json!("mean_of");
    assert_eq!(errors(&document), []);
    assert_eq!(errors(&json!({"title": "T", "groups": [{"id": "a"}], "widgets": null})), []);
}

/// As the original does: what has neither is another document, or an answer with a dashboard inside.
#[test]
fn a_dashboard_has_a_title_and_a_group() {
    let title = ("/title".to_owned(), "title: must be given".to_owned());
    let groups = ("/groups".to_owned(), "groups: must have at least one group".to_owned());
    let answer = json!({"request": "GET /api/dashboard-config", "status": 200, "body": original()});
    for none in [json!({}), json!({"title": null, "groups": null}), json!({"title": " ", "groups": []}), answer] {
        assert_eq!(errors(&none), [title.clone(), groups.clone()], "{none}");
    }
    let mut document = original();
    document.as_object_mut().unwrap().remove("title");
    assert_eq!(errors(&document), [title]);
    let mut document = original();
    document["groups"] = json!([]);
    assert_eq!(errors(&document), [groups]);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let cases: &[(&str, Value, &str)] = &[
        ("/title", json!(1), "must be text"),
        ("/groups", json!({}), "must be a list"),
        ("/groups/0", json!(1), "must be an object"),
        ("/groups/0/id", json!(null), "must be given"),
        ("/groups/0/id", json!("edit"), "another page"),
        ("/groups/0/id", json!("a/b"), "letters"),
        ("/groups/1/id", json!("overview"), "another group"),
        ("/groups/0/widgets/0", json!("none"), "no widget \"none\""),
        ("/groups/0/widgets/0", json!(2), "must be the id"),
        ("/widgets/cpu/type", json!("gauge"), "one of number"),
        ("/widgets/cpu/type", json!(null), "must be given"),
        ("/widgets/cpu/refresh_sec", json!(0), "above zero"),
        ("/widgets/cpu/lookback", json!("day"), "6h or 7d"),
        ("/widgets/cpu/interval", json!(10), "must be text"),
        ("/widgets/cpu/series", json!([]), "at least one"),
        ("/widgets/cpu/series", json!("x"), "must be a list"),
        ("/widgets/cpu/series/0/metric", json!(null), "must be given"),
        ("/widgets/cpu/series/0/metric", json!(" "), "must be given"),
        ("/widgets/cpu/series/0/window", json!("0s"), "duration"),
        ("/widgets/load/series/0/aggregate", json!("mean"), "one of avg, max, p95"),
        ("/widgets/load/series/0/rate", json!("yes"), "true or false"),
        ("/widgets/cpu/series/0/transform", json!(1), "must be an object"),
        ("/widgets/cpu/series/0/transform/factor", json!("2"), "must be a number"),
        ("/widgets/cpu/series/0/transform/decimals", json!(1.5), "0 to 12"),
        ("/widgets/load/series/0/thresholds/direction", json!("up"), "above or below"),
        ("/widgets/load/series/0/thresholds/warning", json!("1"), "must be a number"),
        ("/widgets/slow/series/0/event_name_pattern", json!(""), "must be given"),
        ("/widgets/slow/series/0/event_limit", json!(0), "1 or more"),
        ("/widgets/cpu/layout/w", json!(40), "1 to 12"),
    ];
    for (pointer, value, says) in cases {
        let mut document = original();
        document["widgets"]["cpu"]["layout"] = json!({"w": 2, "h": 2});
        document["widgets"]["load"]["series"][0]["rate"] = json!(true);
        document["widgets"]["cpu"]["series"][0]["transform"]["factor"] = json!(2);
        *document.pointer_mut(pointer).unwrap() = value.clone();
        let found = errors(&document);
        assert!(found.iter().any(|(at, text)| at == pointer && text.contains(says)), "{pointer} = {value}: {found:?}");
    }
    assert_eq!(errors(&json!([])), [(String::new(), "must be an object".to_owned())]);
}

/// The original takes all three, and so its documents have them.
#[test]
fn series_of_events_queries_and_fields_are_accepted_and_what_is_not_shown_is_said() {
    let with = |series: Value| {
        let mut document = original();
        document["widgets"]["load"]["series"][0] = series;
        document
    };
    let warned = |document: &Value| -> Vec<String> {
        let report = check(document, RULES);
        assert_eq!(report.errors, []);
        report.warnings.iter().map(|w| w.place.pointer()).filter(|place| place.contains("/series/")).collect()
    };
    let at = "/widgets/load/series/0";
    let events = json!({"label": "starts", "event_name_pattern": "nanotdb.*", "event_limit": 100, "db": "internal",
                        "transform": {"factor": 2}});
    assert_eq!(warned(&with(events)), [format!("{at}/event_name_pattern")]);
    let document = with(json!({"query": "pi0/sys.load1"}));
    assert_eq!(warned(&document), [""; 0]);
    let found: Vec<_> = references(&document).into_iter().map(|r| (r.place.pointer(), r.database, r.metric)).collect();
    assert!(found.contains(&(format!("{at}/query"), Some("pi0".to_owned()), "sys.load1".to_owned())), "{found:?}");
    assert_eq!(warned(&with(json!({"measurement": "sys", "field": "load1"}))), [format!("{at}/measurement")]);
    // What the original refuses: both at once, half of a pair, an empty query, a pattern without text, neither.
    let wrong = [
        (json!({"event_name_pattern": "a", "metric": "m"}), "metric", "not both"),
        (json!({"measurement": "sys"}), "field", "must be given"),
        (json!({"field": "load1"}), "measurement", "must be given"),
        (json!({"query": " "}), "query", "must be given"),
        (json!({"event_name_pattern": ""}), "event_name_pattern", "must be given"),
        (json!({"event_name_pattern": "a", "event_limit": 0}), "event_limit", "1 or more"),
        (json!({"label": "nothing"}), "metric", "must be given"),
    ];
    for (series, key, says) in wrong {
        let found = errors(&with(series.clone()));
        assert!(
            found.iter().any(|(place, text)| *place == format!("{at}/{key}") && text.contains(says)),
            "{series}: {found:?}"
        );
    }
    let mut document = original();
    document["widgets"]["cpu"]["series"][0] = json!({"event_name_pattern": "a"});
    let found = errors(&document);
    assert!(
        found.iter().any(|(place, text)| place.ends_with("/event_name_pattern") && text.contains("event_log")),
        "{found:?}"
    );
}

#[test]
fn places_are_written_in_both_ways() {
    let place = Place::default().key("widgets").key("a/b~c").key("series").index(2).key("metric");
    assert_eq!(place.pointer(), "/widgets/a~1b~0c/series/2/metric");
    assert_eq!(place.to_string(), "widgets.a/b~c.series[2].metric");
}

#[test]
fn metrics_are_found_with_their_databases() {
    let mut document = original();
    document["widgets"]["load"]["series"][0]["db"] = json!("pi0");
    let found: Vec<_> = references(&document).into_iter().map(|r| (r.place.pointer(), r.database, r.metric)).collect();
    let database = |name: &str| Some(name.to_owned());
    assert_eq!(
        found,
        [
            ("/widgets/cpu/series/0/metric".to_owned(), database("metrics"), "cpu.busy_pct".to_owned()),
            ("/widgets/load/series/0/metric".to_owned(), database("pi0"), "sys.load1".to_owned()),
        ]
    );
}

#[test]
fn text_is_set_out_without_changing_anything() {
    let text = r#"{"b":1e-06,"a":[ ],"t":"x,{\"}\\","big":12345678901234567890123,"c":[1,{"d":null}],"e":{ } }"#;
    let expected = "{\n  \"b\": 1e-06,\n  \"a\": [],\n  \"t\": \"x,{\\\"}\\\\\",\n  \"big\": 12345678901234567890123,\n  \"c\": [\n    1,\n    \
                    {\n      \"d\": null\n    }\n  ],\n  \"e\": {}\n}\n";
    assert_eq!(pretty(text), expected);
    assert_eq!(pretty(expected), expected);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(json!("line_chart")),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            let key = prop_oneof![
                Just("widgets".to_owned()),
                Just("groups".to_owned()),
                Just("series".to_owned()),
                Just("type".to_owned()),
                Just("thresholds".to_owned()),
                ".{0,6}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever comes is judged: places are of what is there, or of what is missing in it.
        #[test]
        fn any_document_is_judged(document in value()) {
            let report = check(&document, RULES);
            for problem in report.errors.iter().chain(&report.warnings) {
                let pointer = problem.place.pointer();
                let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                prop_assert!(document.pointer(parent).is_some(), "{pointer}");
                prop_assert!(!problem.message.is_empty());
            }
        }

        #[test]
        fn setting_out_keeps_the_document(document in value()) {
            let text = document.to_string();
            let set_out = pretty(&text);
            prop_assert_eq!(serde_json::from_str::<Value>(&set_out).unwrap(), document);
            prop_assert_eq!(pretty(&set_out), set_out);
        }
    }
}
