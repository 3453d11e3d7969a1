//! Queries against the real binary. Expected values are worked out by hand.

mod common;

use common::Server;
use std::io::Read;

/// 2024-05-06T12:53:20Z, which is 200 s after a multiple of ten minutes.
const T: i64 = 1_715_000_000;

/// Values 0, 1, 2, ... every ten seconds, as float32 and as int32.
fn filled() -> Server {
    let server = Server::start();
    let mut body = String::new();
    for i in 0..120 {
        let at = (T + i * 10) * 1_000_000_000;
        body.push_str(&format!("demo/f {i}.25 {at}\ndemo/i {i} {at}\n"));
    }
    assert_eq!(server.post("/api/v1/import", body.as_bytes()).json()["data"]["imported"], 240);
    server
}

#[test]
fn the_last_value_and_the_value_at_a_time() {
    let server = filled();
    assert_eq!(
        server.get("/api/v1/query?query=demo/f").text(),
        r#"{"status":"success","data":{"result":[{"metric":{"__name__":"f","db":"demo"},"value":[1715001190,"119.25"]}],"resultType":"vector"}}"#
    );
    let at = format!("/api/v1/query?db=demo&query=i&time={}&timestamp_unit=s", T + 25);
    assert_eq!(server.get(&at).json()["data"]["result"][0]["value"], serde_json::json!([T + 20, "2"]));
    let form = server.connect().send(
        "POST",
        "/api/v1/query",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        b"query=demo%2Fi",
    );
    assert_eq!(form.json()["data"]["result"][0]["value"][1], "119");
}

#[test]
fn unknown_series_are_empty_and_make_nothing_on_disk() {
    let server = filled();
    for path in ["/api/v1/query?query=demo/none", "/api/v1/query?query=nowhere/f", "/api/v1/query?db=nowhere&query=f"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.json()["data"]["result"].as_array().unwrap().len()), (200, 0), "{path}");
    }
    for query in ["demo/none", "nowhere/f"] {
        let answer = server.get(&format!("/api/v1/query_range?query={query}&start=-1h"));
        assert_eq!(answer.text(), r#"{"status":"success","data":{"result":[],"resultType":"matrix"}}"#);
    }
    assert_eq!(server.get("/api/v1/metrics?db=nowhere").status, 404);
    assert!(!server.dir.path().join("nowhere").exists());
}

#[test]
fn raw_ranges_hold_both_ends() {
    let server = filled();
    let path = format!("/api/v1/query_range?query=demo/f&start={}&end={}&timestamp_unit=s", T + 10, T + 30);
    assert_eq!(
        server.get(&path).text(),
        r#"{"status":"success","data":{"result":[{"metric":{"__name__":"f","db":"demo"},"values":[[1715000010,"1.25"],[1715000020,"2.25"],[1715000030,"3.25"]]}],"resultType":"matrix"}}"#
    );
    let empty = server.get("/api/v1/query_range?query=demo/f&start=2020-01-01&end=2020-01-02");
    assert_eq!(empty.text(), r#"{"status":"success","data":{"result":[],"resultType":"matrix"}}"#);
}

#[test]
fn times_keep_their_nanoseconds() {
    let server = filled();
    server.post("/api/v1/import", b"demo/n 1 1715000000123456789\n");
    let text = server.get("/api/v1/query?query=demo/n").text();
    assert!(text.contains(r#""value":[1715000000.123456789,"1"]"#), "{text}");
}

#[test]
fn windows_are_stamped_with_their_end_and_clipped() {
    let server = filled();
    // T is 200 s into a window of 600 s: the first holds 40 samples, the second 60, the last what is left up to the end.
    let range = format!("start={}&end={}&timestamp_unit=s", T, T + 1_050);
    let path = format!("/api/v1/query_range?query=demo/i&{range}&aggregate=count,avg,max&window=10m");
    let json = server.get(&path).json();
    let series = json["data"]["result"].as_array().unwrap();
    assert_eq!(series.len(), 3);
    assert_eq!(
        series[0]["metric"],
        serde_json::json!({"__name__":"i","aggregate":"count","db":"demo","window":"10m0s"})
    );
    let ends = [T + 400, T + 1_000, T + 1_050];
    // Samples 0..=39, 40..=99 and 100..=105.
    for (i, values) in [["40", "60", "6"], ["19.5", "69.5", "102.5"], ["39", "99", "105"]].iter().enumerate() {
        let expected: Vec<_> = ends.iter().zip(values).map(|(t, v)| serde_json::json!([t, v])).collect();
        assert_eq!(series[i]["values"], serde_json::json!(expected));
    }
    let step = server.get(&format!("/api/v1/query_range?query=demo/i&{range}&step=600s")).json();
    assert_eq!(step["data"]["result"][0]["metric"]["aggregate"], "avg");
    assert_eq!(step["data"]["result"][0]["values"], series[1]["values"]);
}

#[test]
fn wrong_parameters_are_named() {
    let server = filled();
    let base = "/api/v1/query_range?query=demo/f&start=-1h";
    for (more, named) in [
        ("&step=1m&aggregate=avg&window=1m", "step"),
        ("&aggregate=avg", "window"),
        ("&window=5m", "aggregate"),
        ("&aggregate=mean&window=5m", "trimmed_avg"),
        ("&step=0s", "step"),
        ("&step=-5m", "step"),
        ("&step=fast", "step"),
        ("&end=yesterday", "end"),
        ("&end=-2h", "start"),
        ("&timestamp_unit=h", "timestamp_unit"),
    ] {
        let answer = server.get(&format!("{base}{more}"));
        let json = answer.json();
        assert_eq!((answer.status, &json["errorType"]), (400, &serde_json::json!("bad_data")), "{more}");
        assert!(json["error"].as_str().unwrap().contains(named), "{more}: {json}");
    }
    for path in ["/api/v1/query", "/api/v1/query?query=f", "/api/v1/query_range?query=demo/f", "/api/v1/metrics"] {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
}

#[test]
fn large_answers_stream_whole_plain_and_compressed() {
    let server = Server::start();
    let body: String = (0..50_000).map(|i| format!("demo/big {i} {}\n", (T + i) * 1_000_000_000)).collect();
    server.post("/api/v1/import", body.as_bytes());
    let path = format!("/api/v1/query_range?query=demo/big&start={T}&end={}", T + 60_000);
    let plain = server.get(&path);
    assert_eq!(plain.header("transfer-encoding"), Some("chunked"));
    assert_eq!(plain.json()["data"]["result"][0]["values"].as_array().unwrap().len(), 50_000);
    let zipped = server.connect().send("GET", &path, &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.body.len() * 3 < plain.body.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
}

#[test]
fn the_point_limit_is_an_error_before_and_a_truncation_after_the_answer_began() {
    let server = Server::with_config("[limits]\nmax_points_per_query = 20000\nmax_series_per_query = 2\n");
    let body: String = (0..30_000).map(|i| format!("demo/big {i} {}\n", (T + i) * 1_000_000_000)).collect();
    server.post("/api/v1/import", body.as_bytes());
    let path = format!("/api/v1/query_range?query=demo/big&start={T}&end={}", T + 60_000);
    let answer = server.get(&path);
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["data"]["truncated"], true);
    assert_eq!(json["data"]["result"][0]["values"].as_array().unwrap().len(), 20_000);
    assert!(json["data"]["warnings"][0].as_str().unwrap().contains("limits.max_points_per_query = 20000"));
    let answer = server.get(&format!("{path}&aggregate=min,max,avg&window=1m"));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("limits.max_series_per_query = 2"), "{}", answer.text());

    let small = Server::with_config("[limits]\nmax_points_per_query = 10\n");
    small.post("/api/v1/import", body.as_bytes());
    let answer = small.get(&path);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("limits.max_points_per_query = 10"), "{}", answer.text());
}

#[test]
fn the_time_limit_holds_for_the_newest_value_at_a_time() {
    let server = Server::with_config("[limits]\nmax_query_time = \"1ns\"\n");
    let body: String = (0..100).map(|i| format!("demo/f {i} {}\n", (T + i) * 1_000_000_000)).collect();
    assert_eq!(server.post("/api/v1/import", body.as_bytes()).status, 200);
    let answer = server.get(&format!("/api/v1/query?query=demo/f&time={}", T + 50));
    assert_eq!((answer.status, answer.json()["errorType"].as_str()), (400, Some("bad_data")), "{}", answer.text());
    assert!(answer.text().contains("limits.max_query_time"), "{}", answer.text());
    // What is in memory takes no time.
    let newest = server.get(&format!("/api/v1/query?query=demo/f&time={}", T + 500));
    assert_eq!(newest.json()["data"]["result"][0]["value"][1], "99");
}

#[test]
fn the_time_limit_holds_for_ranges() {
    let toml = "[limits]\nmax_query_time = \"1ns\"\n[manifest_defaults.page]\nmax_records = 10\n";
    let server = Server::with_config(toml);
    let body: String = (0..100).map(|i| format!("demo/f {i} {}\n", (T + i) * 1_000_000_000)).collect();
    assert_eq!(server.post("/api/v1/import", body.as_bytes()).status, 200);
    // From pages, which a stop writes.
    server.signal("TERM");
    let (status, directory) = server.wait();
    assert!(status.success());
    let server = Server::start_in(directory, &[]);
    for more in ["", "&aggregate=avg&window=10s", "&aggregate=avg,min,max,p95&window=1m"] {
        let path = format!("/api/v1/query_range?query=demo/f&start={T}&end={}{more}", T + 100);
        let answer = server.get(&path);
        assert_eq!((answer.status, answer.json()["errorType"].as_str()), (400, Some("bad_data")), "{}", answer.text());
        assert!(answer.text().contains("limit limits.max_query_time = 0 reached: seconds"), "{}", answer.text());
    }
}

#[test]
fn catalogs_have_the_shapes_of_the_original() {
    let server = filled();
    assert_eq!(
        server.get("/api/v1/databases").text(),
        r#"{"status":"success","data":{"result":["demo"],"resultType":"databases"}}"#
    );
    assert_eq!(
        server.get("/api/v1/metrics?db=demo").text(),
        r#"{"status":"success","data":{"db":"demo","result":["f","i"],"resultType":"metrics"}}"#
    );
    assert_eq!(
        server.get("/api/v1/metrics?db=demo&details=true&lineage=rollups&max_hops=2").json()["data"]["result"][0],
        serde_json::json!({"name":"f","id":1,"type":"float32","rollups":{"downstream":[],"truncated":false,"max_hops":2}})
    );
    assert_eq!(server.get("/api/v1/metrics?db=demo&lineage=rollups&max_hops=9").status, 400);
    let aggregates = server.get("/api/v1/aggregates").json();
    assert_eq!(aggregates["data"]["default"], "avg");
    let expected = ["avg", "count", "max", "median", "min", "p50", "p95", "p99", "sum", "trimmed_avg"];
    assert_eq!(aggregates["data"]["result"], serde_json::json!(expected));
}

/// Which of the two was meant is not known.
#[test]
fn a_parameter_that_is_there_twice_is_refused() {
    let server = filled();
    for (path, name) in [
        ("/api/v1/query_range?query=demo/f&start=-1h&start=-2h", "start"),
        ("/api/v1/query_range?query=demo/f&start=-1h&st%61rt=-1h", "start"),
        ("/api/v1/query?query=demo/f&query=demo/i", "query"),
        ("/api/v1/metrics?db=demo&db=", "db"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 400, "{path}");
        let expected = format!("parameter {name} is there more than once: give one of them");
        assert_eq!(answer.json()["error"], expected.as_str(), "{path}");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (query, body) in [("", "query=demo/f&query=demo/i"), ("?query=demo/f", "query=demo/f")] {
        let answer = server.connect().send("POST", &format!("/api/v1/query{query}"), &form, body.as_bytes());
        assert!(answer.status == 400 && answer.text().contains("parameter query is there"), "{}", answer.text());
    }
    let both = server.connect().send("POST", "/api/v1/query?db=demo", &form, b"query=f");
    assert_eq!(both.status, 200, "{}", both.text());
    for path in ["/api/v1/import?db=a&db=b", "/api/v1/import/prometheus?db=a&db=b"] {
        assert_eq!(server.post(path, b"demo/x 1\n").status, 400, "{path}");
    }
    // What is not known there is nobody's trouble, and lists are lists.
    assert_eq!(server.get("/health?probe=1&probe=2&_=1&_=2").status, 200);
}

#[test]
fn unknown_parameters_are_refused_with_the_known_ones() {
    let server = filled();
    for (path, says) in [
        ("/api/v1/query_range?query=demo/f&start=-1h&setp=5m", "did you mean step?"),
        ("/api/v1/query?query=demo/f&limit=1", "known are query, db, time, timestamp_unit"),
        ("/api/v1/metrics?db=demo&limit=1", "known are db, details, lineage, max_hops"),
        ("/api/v1/aggregates?x", "there are none here"),
        ("/api/v1/ui/engine?db=demo", "there are none here"),
        ("/api/v1/ui/catalog?intern%61ls=true", "did you mean internal?"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(says), "{path}: {}", answer.text());
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let posted = server.connect().send("POST", "/api/v1/query", &form, b"query=demo/f&tim=1715000000");
    assert!(posted.status == 400 && posted.text().contains("did you mean time?"), "{}", posted.text());
    // What clients add to get past caches, encoded names, probes.
    for path in [
        "/api/v1/databases?_=17",
        "/api/v1/query?qu%65ry=demo/f",
        "/health?probe=1",
        "/metrics?probe=1",
        "/dashboard?range=1h",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn times_are_read_as_meant_or_refused() {
    let server = filled();
    let value = |time: &str| {
        server.get(&format!("/api/v1/query?query=demo/i&time={time}")).json()["data"]["result"][0]["value"][1].clone()
    };
    // T + 20 s, as Prometheus clients write it.
    assert_eq!(value("1.71500002e9"), "2");
    assert_eq!(value("1.71500002E%2B09"), "2");
    for (start, unit) in [("1715000000000", "ms"), ("1715000000000000", "us")] {
        let answer = server.get(&format!("/api/v1/query_range?query=demo/f&start={start}&end={}", T + 10));
        assert_eq!(answer.status, 400, "{start}");
        assert!(answer.text().contains(&format!("add timestamp_unit={unit}")), "{}", answer.text());
        let answer =
            server.get(&format!("/api/v1/query_range?query=demo/f&start={start}&end={start}&timestamp_unit={unit}"));
        assert_eq!(answer.json()["data"]["result"][0]["values"], serde_json::json!([[T, "0.25"]]));
    }
    let taken = server.get("/api/v1/query_range?query=demo/f&start=1715000000000&end=1715000001000&timestamp_unit=ns");
    assert_eq!((taken.status, &taken.json()["data"]["result"]), (200, &serde_json::json!([])));
}

#[test]
fn a_database_that_cannot_be_opened_is_listed_with_its_state() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["broken", "whole"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("broken/manifest.toml"), "[page]\ncodec = \"nonsense\"\n").unwrap();
    std::fs::write(dir.path().join("whole/manifest.toml"), "").unwrap();
    let server = Server::start_in(dir, &[]);
    assert_eq!(server.get("/api/v1/databases").json()["data"]["result"], serde_json::json!(["broken", "whole"]));
    let details = server.get("/api/v1/databases?details=true").json()["data"]["result"].clone();
    assert_eq!((&details[0]["name"], &details[0]["state"]), (&"broken".into(), &"failed".into()), "{details}");
    assert!(details[0]["reason"].as_str().unwrap().contains("nonsense"), "{details}");
    assert_eq!(details[1], serde_json::json!({"name": "whole", "state": "ok"}));
}

/// The page with the newest samples is damaged: older ones are answered as what they are, through every door that gives the newest.
#[test]
fn a_newest_value_before_a_damaged_page_says_so() {
    let mut server = Server::start();
    for lines in ["demo/m 1 {}\ndemo/old 1 {}\nother/m 1 {}\n", "demo/m 2 {}\n"] {
        assert_eq!(server.post("/api/v1/import", lines.replace("{}", "1715000000000000000").as_bytes()).status, 200);
        server.signal("TERM");
        server = Server::start_in(server.wait().1, &[]);
    }
    server.signal("TERM");
    let (_, dir) = server.wait();
    let path = dir.path().join("demo/data-2024-05-06.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let server = Server::start_in(dir, &[]);
    let last = |db: &str, metric: &str| {
        let data = server.get(&format!("/api/v1/query?query={db}/{metric}")).json()["data"].clone();
        let at = format!("/api/v1/query?query={db}/{metric}&time=2024-05-07");
        assert_eq!(server.get(&at).json()["data"], data);
        let body =
            serde_json::json!({"ranges": [], "series": [{"db": db, "metric": metric, "range": null}]}).to_string();
        let json = [("Content-Type", "application/json")];
        let batch =
            server.connect().send("POST", "/api/v1/ui/batch", &json, body.as_bytes()).json()["series"][0].clone();
        assert_eq!(batch["last"][1].to_string(), data["result"][0]["value"][1].as_str().unwrap());
        assert_eq!(batch.get("warning").is_some(), data.get("warnings").is_some(), "{batch}");
        data
    };
    for metric in ["m", "old"] {
        let data = last("demo", metric);
        assert_eq!((&data["result"][0]["value"][1], &data["damaged"]), (&"1".into(), &true.into()), "{data}");
        let warnings = data["warnings"].as_array().unwrap();
        assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("data-2024-05-06.dat"), "{data}");
    }
    let data = last("other", "m");
    assert!(data.get("warnings").is_none() && data.get("damaged").is_none(), "{data}");
    // What comes next is the newest.
    assert_eq!(server.post("/api/v1/import", b"demo/m 3 1715000001000000000\n").status, 200);
    assert!(last("demo", "m").get("warnings").is_none());
    assert_eq!(last("demo", "old")["damaged"], true);
}
