//! `POST /api/v1/ui/batch` and the catalog, of a real server.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Answer, Server};
use serde_json::{Value, json};

/// 2026-05-01T00:00:00Z
const T0: i64 = 1_777_593_600_000;
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn batch(server: &Server, body: &Value) -> Answer {
    server.connect().send("POST", "/api/v1/ui/batch", &JSON, body.to_string().as_bytes())
}

/// Imports `value(i)` every `step_ms`, with a few more digits of time than milliseconds.
fn import(server: &Server, metric: &str, count: i64, step_ms: i64, value: impl Fn(i64) -> String) {
    let lines: String = (0..count)
        .map(|i| format!("pi0/{metric} {} {}\n", value(i), (T0 + i * step_ms) * 1_000_000 + 250_000))
        .collect();
    let answer = server.post("/api/v1/import", lines.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn few_samples_are_given_as_they_are_and_share_their_times() {
    let server = Server::start();
    for (metric, half) in [("cpu.a", ".5"), ("cpu.b", "")] {
        import(&server, metric, 5, 10_000, |i| format!("{i}{half}"));
    }
    let answer = batch(
        &server,
        &json!({"ranges": [{"start_ms": T0, "end_ms": T0 + 40_000, "buckets": 100}],
                "series": [{"db": "pi0", "metric": "cpu.a"}, {"db": "pi0", "metric": "cpu.b"},
                           {"db": "pi0", "metric": "cpu.b", "range": null}, {"db": "pi0", "metric": "no"},
                           {"db": "no", "metric": "no"}]}),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let document = answer.json();
    assert_eq!(document["times"], json!([[T0 as f64 + 0.25, 10_000, 10_000, 10_000]]));
    let series = &document["series"];
    assert_eq!(
        series[0],
        json!({"type": "float32", "interval_ms": 10_000, "last": [T0 as f64 + 40_000.25, 4.5], "kind": "raw",
               "times": 0, "v": [0.5, 1.5, 2.5, 3.5]})
    );
    assert_eq!((&series[1]["times"], &series[1]["v"]), (&json!(0), &json!([0, 1, 2, 3])));
    assert_eq!(series[2]["kind"], "last");
    assert_eq!(series[2]["last"][1], 4);
    assert_eq!(series[3]["error"]["type"], "not_found");
    assert!(series[3]["error"]["message"].as_str().unwrap().contains("\"no\""));
    assert_eq!(series[4]["error"]["type"], "not_found");
}

/// What a range begins and ends with does not depend on the width of its buckets.
#[test]
fn the_ends_of_a_range_are_the_same_at_every_width() {
    let server = Server::start();
    import(&server, "energy", 10_000, 1_000, |i| format!("{}", i * i));
    let (start, end) = (T0 + 1_234_567, T0 + 8_765_432);
    // A sample stands a quarter of a millisecond after each second.
    let (first, last) = (1_235, 8_765);
    let expected =
        json!([[(T0 + first * 1_000) as f64 + 0.25, first * first], [(T0 + last * 1_000) as f64 + 0.25, last * last]]);
    for buckets in [1, 7, 100, 400, 2_000, 4_096] {
        for more in [json!({}), json!({"aggregate": "avg"}), json!({"window_ms": 3_600_000})] {
            let mut series = json!({"db": "pi0", "metric": "energy", "ends": true});
            series.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let range = json!({"start_ms": start, "end_ms": end, "buckets": buckets});
            let answer = batch(&server, &json!({"ranges": [range], "series": [series]}));
            assert_eq!(answer.json()["series"][0]["ends"], expected, "{buckets} {more}: {}", answer.text());
        }
    }
    let one = |series: Value, (from, to): (i64, i64)| {
        let range = json!({"start_ms": from, "end_ms": to, "buckets": 9_000 / 3});
        batch(&server, &json!({"ranges": [range], "series": [series]}))
    };
    let asked = json!({"db": "pi0", "metric": "energy", "ends": true});
    let few = one(asked.clone(), (T0, T0 + 2_500)).json();
    assert_eq!((&few["series"][0]["kind"], &few["series"][0]["ends"][1][1]), (&json!("raw"), &json!(4)));
    // Where there are no samples there are no ends, and nobody gets them who did not ask.
    assert!(one(asked, (T0 - 9_000, T0 - 1_000)).json()["series"][0].get("ends").is_none());
    let plain = json!({"db": "pi0", "metric": "energy"});
    assert!(one(plain, (start, end)).json()["series"][0].get("ends").is_none());
    let rate = one(json!({"db": "pi0", "metric": "energy", "ends": true, "rate": true}), (start, end));
    assert_eq!(rate.status, 400);
    assert!(rate.text().contains("series[0].ends: a rate has none"), "{}", rate.text());
}

#[test]
fn a_spike_of_one_sample_in_a_month_is_visible_at_every_zoom() {
    let server = Server::start();
    let spike = 123_456;
    import(&server, "m", 259_200, 10_000, |i| if i == spike { "99.5".into() } else { "1.5".into() });
    let at = T0 + spike * 10_000;
    for hours in [24 * 30, 24 * 7, 24, 6, 2] {
        let span = hours * 3_600_000;
        let start = (at - span / 3).max(T0);
        let answer = batch(
            &server,
            &json!({"ranges": [{"start_ms": start, "end_ms": start + span, "buckets": 300}],
                    "series": [{"db": "pi0", "metric": "m"}]}),
        );
        let document = answer.json();
        let one = &document["series"][0];
        assert_eq!(one["kind"], "buckets", "{hours} h");
        let (t0, step) = (one["t0"].as_i64().unwrap(), one["step_ms"].as_i64().unwrap());
        assert!(t0 <= start && start - t0 < step && t0 % step == 0);
        assert!(step * 300 >= span);
        let column = |name: &str| one[name].as_array().unwrap().clone();
        let place = usize::try_from((at - t0) / step).unwrap();
        for (k, ((n, min), max)) in column("n").iter().zip(column("min")).zip(column("max")).enumerate() {
            if n != 0 {
                assert_eq!(min, 1.5);
                assert_eq!(max, if k == place { 99.5 } else { 1.5 }, "{hours} h, bucket {k}");
            }
        }
        let samples: i64 = column("n").iter().map(|n| n.as_i64().unwrap()).sum();
        assert_eq!(samples, hours * 360 - (start + span - (T0 + 259_200 * 10_000)).max(0) / 10_000);
    }
}

#[test]
fn rates_and_aggregates() {
    let server = Server::start();
    // A counter that grows by 50 in 10 s, and is reset once.
    import(&server, "count", 100, 10_000, |i| if i < 50 { (i * 50).to_string() } else { ((i - 50) * 50).to_string() });
    import(&server, "v", 100, 10_000, |i| i.to_string());
    let document = batch(
        &server,
        &json!({"ranges": [{"start_ms": T0, "end_ms": T0 + 1_000_000, "buckets": 200},
                           {"start_ms": T0, "end_ms": T0 + 1_000_000, "buckets": 20}],
                "series": [{"db": "pi0", "metric": "count", "rate": true},
                           {"db": "pi0", "metric": "count", "rate": true, "range": 1},
                           {"db": "pi0", "metric": "v", "range": 1, "aggregate": "max", "window_ms": 100_000},
                           {"db": "pi0", "metric": "count", "rate": true, "range": 1, "aggregate": "max", "window_ms": 600_000}]}),
    )
    .json();
    let series = &document["series"];
    assert_eq!(series[0]["kind"], "raw");
    let rates = series[0]["v"].as_array().unwrap();
    // Neither the first sample nor the reset has one.
    assert_eq!(rates.len(), 98);
    assert!(rates.iter().all(|rate| rate == 5), "{rates:?}");
    assert_eq!(series[1]["kind"], "buckets");
    assert_eq!(series[1]["max"][3], 5);
    assert_eq!(series[1]["n"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).sum::<i64>(), 98);
    assert_eq!(series[1]["last"][1], 49 * 50);
    assert_eq!((&series[2]["kind"], &series[2]["step_ms"]), (&json!("aggregate"), &json!(100_000)));
    assert_eq!(series[2]["t0"], json!(T0));
    assert_eq!(series[2]["v"], json!([9, 19, 29, 39, 49, 59, 69, 79, 89, 99]));
    assert_eq!(series[3]["v"], json!([5, 5]));
}

#[test]
fn requests_are_checked_and_limits_are_kept() {
    let server = Server::with_config("[limits]\nmax_points_per_query = 100\nmax_series_per_query = 3\n");
    import(&server, "m", 5_000, 1_000, |i| i.to_string());
    let good = json!({"ranges": [{"start_ms": T0, "end_ms": T0 + 5_000_000, "buckets": 600}],
                      "series": [{"db": "pi0", "metric": "m"}, {"db": "pi0", "metric": "m", "range": null}]});
    let document = batch(&server, &good).json();
    assert_eq!(document["series"][0]["error"]["type"], "limit");
    assert!(document["series"][0]["error"]["message"].as_str().unwrap().contains("limits.max_points_per_query = 100"));
    assert_eq!(document["series"][1]["kind"], "last");
    let send = |headers: &[(&str, &str)], body: &str| {
        server.connect().send("POST", "/api/v1/ui/batch", headers, body.as_bytes())
    };
    assert_eq!(send(&[("Content-Type", "text/plain")], &good.to_string()).status, 415);
    let answer = send(&JSON, r#"{"ranges":[],"series":[{"db":"a","metric":"m"}]}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("series[0].range"), "{}", answer.text());
    let four = vec![json!({"db": "pi0", "metric": "m", "range": null}); 4];
    let answer = batch(&server, &json!({"ranges": [], "series": four}));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("limits.max_series_per_query = 3"), "{}", answer.text());
    assert_eq!(server.get("/api/v1/ui/batch").status, 405);
    assert_eq!(server.get("/api/v1/ui/nothing").status, 404);
}

#[test]
fn the_catalog_has_newest_values_and_distances() {
    let server = Server::start();
    import(&server, "b", 30, 10_000, |i| format!("{i}.5"));
    import(&server, "a", 1, 10_000, |_| "7".into());
    let catalog = server.get("/api/v1/ui/catalog").json();
    assert_eq!(catalog["databases"].as_array().unwrap().len(), 1);
    let database = &catalog["databases"][0];
    assert_eq!((&database["name"], &database["state"]), (&json!("pi0"), &json!("ok")));
    assert_eq!(database["metrics"], json!(["a", "b"]));
    assert_eq!(database["types"], json!(["int32", "float32"]));
    assert_eq!(database["last"], json!([7, 29.5]));
    assert_eq!(database["last_ms"], json!([T0, T0 + 290_000]));
    assert_eq!(database["interval_ms"], json!([null, 10_000.0]));
    assert_eq!(catalog["status"]["samples_total"], 31);
    assert_eq!(catalog["status"]["metrics"], 2);
    let settings = server.get("/api/v1/ui/settings").json();
    assert_eq!(settings["base_path"], "/dashboard");
    assert_eq!(settings["default_db"], Value::Null);
}

#[test]
fn every_endpoint_of_the_table_is_there() {
    let server = Server::start();
    import(&server, "room.temp", 1, 1, |_| "1.5".into());
    let table = server.get("/api/v1/ui/endpoints").json();
    let endpoints = table["endpoints"].as_array().unwrap();
    assert!(endpoints.len() > 20);
    for endpoint in endpoints {
        let (method, path) = (endpoint["method"].as_str().unwrap(), endpoint["path"].as_str().unwrap());
        if path == "/api/v1/ui/stream" {
            continue; // it does not end; tested on its own
        }
        let path = path.replace("{db}", "pi0").replace("{id}", "999").replace("{name}", "none.json");
        let body = endpoint["body"]["example"].as_str().unwrap_or_default();
        let headers = [("Content-Type", endpoint["body"]["content_type"].as_str().unwrap_or("text/plain"))];
        let answer = server.connect().send(method, &path, &headers, body.as_bytes());
        let text = answer.text();
        assert!(
            answer.status != 405 && !text.contains("there is nothing at"),
            "{method} {path}: {} {text}",
            answer.status
        );
    }
}
