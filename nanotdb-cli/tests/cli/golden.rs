//! Data directories of the original: `nanocli query` and `nanocli export` print exactly what was sent to it, and leave
//! every byte as it was.

use crate::helpers::Bench;
use crate::samples::files::{golden_cases, snapshot};
use crate::samples::{Content, add, assert_same, copy_golden, exported, type_named, value_of};
use nanotdb_core::model::ValueType;
use std::collections::BTreeMap;

/// Types by `database/metric`.
type Types = BTreeMap<String, ValueType>;

/// What `nanocli query --format csv` printed, with types taken from elsewhere.
pub(crate) fn from_csv(database: &str, text: &str, types: &Types) -> Content {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("metric,time,timestamp_ns,value"));
    let mut content = Content::new();
    for line in lines {
        let mut fields = line.splitn(4, ',');
        let [metric, _, at, value] = [(); 4].map(|()| fields.next().unwrap_or_else(|| panic!("{line}")));
        let key = format!("{database}/{metric}");
        add(&mut content, &key, (at.parse().unwrap(), value_of(types[&key], value)));
    }
    content
}

/// What `nanocli query --format json` printed, and the types it names.
fn from_json(document: &serde_json::Value) -> (Content, Types) {
    assert_eq!(document["warnings"], serde_json::json!([]));
    let (mut content, mut types) = (Content::new(), Types::new());
    for series in document["series"].as_array().unwrap() {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let key = format!("{}/{}", text(&document["database"]), text(&series["metric"]));
        let value_type = type_named(&text(&series["type"]));
        for sample in series["rows"].as_array().unwrap() {
            let at = sample["timestamp_ns"].as_i64().unwrap();
            add(&mut content, &key, (at, value_of(value_type, &sample["value"].to_string())));
        }
        types.insert(key, value_type);
    }
    (content, types)
}

#[test]
fn query_and_export_return_every_sample_and_change_nothing() {
    for case in golden_cases() {
        let bench = Bench::new();
        let expected = copy_golden(&case, &bench.path("root"));
        let before = snapshot(&bench.path("root"));
        let query = ["query", "--root", "root", "--db", "pi", "--metric", ".", "--format"];
        let document = bench.run(&[&query[..], &["json"]].concat()).json();
        let (found, types) = from_json(&document);
        assert_same(&found, &expected, &format!("{case}, query as JSON"));
        let csv = bench.run(&[&query[..], &["csv"]].concat()).ok();
        assert_same(&from_csv("pi", &csv, &types), &expected, &format!("{case}, query as CSV"));
        let lines = bench.run(&["export", "--root", "root", "--db", "pi"]).ok();
        assert_same(&exported(&lines), &expected, &format!("{case}, export"));
        assert!(snapshot(&bench.path("root")) == before, "{case}: a reading command wrote");
    }
}
