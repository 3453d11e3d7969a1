//! The dashboard document over HTTP: saved, refused, kept, restored. And the pages themselves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Answer, Server};
use serde_json::{Value, json};

const PATH: &str = "/api/dashboard-config";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn put(server: &Server, document: &Value, more: &[(&str, &str)]) -> Answer {
    let headers = [&[JSON], more].concat();
    server.connect().send("PUT", PATH, &headers, document.to_string().as_bytes())
}

/// The least that is a dashboard.
fn titled(title: &str) -> Value {
    json!({"title": title, "groups": [{"id": "all", "widgets": []}]})
}

fn original() -> Value {
    let sample = include_str!("fixtures/dashboard.json");
    serde_json::from_str(sample).unwrap()
}

/// With five aggregates a destination has more metrics than its source, and its last hour is empty.
#[test]
fn the_automatic_dashboard_shows_what_is_live_and_no_results_of_rollups() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("garden")).unwrap();
    let job = "[rollups]\nenabled = true\n[[rollups.jobs]]\nid = \"h\"\nsource_pattern = \"*\"\ninterval = \"1h\"\ndestination_db = \"garden_1h\"\n";
    std::fs::write(dir.path().join("garden/manifest.toml"), job).unwrap();
    let server = Server::start_in(dir, &[]);
    let body = b"garden/soil.moisture 31.5\ngarden_1h/soil.moisture.avg 31.5\ngarden_1h/soil.moisture.max 32.5\n";
    assert_eq!(server.post("/api/v1/import", body).status, 200);
    let document = server.get(PATH).json();
    assert_eq!(document["default_db"], "garden", "{document}");
    assert!(!document.to_string().contains("soil.moisture.avg"), "{document}");
}

#[test]
fn the_originals_document_opens_and_unknown_members_survive() {
    let server = Server::start();
    let default = server.get(PATH);
    assert_eq!(default.status, 200);
    assert!(default.json()["widgets"].as_object().unwrap().len() > 5);
    // A file of the original, as it lies there.
    let text = include_str!("fixtures/dashboard.json");
    std::fs::write(server.dir.path().join("dashboard.json"), text).unwrap();
    let found = server.get(PATH);
    assert_eq!(found.text(), text);
    let etag = found.header("etag").unwrap().to_owned();
    assert_ne!(Some(etag.as_str()), default.header("etag"));
    assert_eq!(server.connect().send("GET", PATH, &[("If-None-Match", &etag)], b"").status, 304);

    let mut document = original();
    document["future"] = json!({"deep": [1, {"n": 12345678901234567890u64}]});
    document["widgets"]["system_snapshot"]["icon"] = json!("gauge");
    let saved = put(&server, &document, &[("If-Match", &etag)]);
    assert_eq!(saved.status, 200, "{}", saved.text());
    let answer = saved.json();
    assert_eq!((&answer["ok"], &answer["config"]), (&json!(true), &document));
    // The metrics are not there yet: that is said, and no error.
    assert!(
        answer["warnings"].as_array().unwrap().iter().any(|w| w["path"] == "/widgets/system_snapshot/series/0/metric")
    );
    assert_eq!(server.get(PATH).json(), document);
    assert_eq!(server.get(PATH).header("etag"), saved.header("etag"));
    let backup = answer["backup_path"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(server.dir.path().join(backup)).unwrap(), text);
}

#[test]
fn whoever_comes_second_is_told() {
    let server = Server::start();
    let etag = server.get(PATH).header("etag").unwrap().to_owned();
    let first = put(&server, &titled("first"), &[("If-Match", &etag)]);
    assert_eq!(first.status, 200);
    let second = put(&server, &titled("second"), &[("If-Match", &etag)]);
    assert_eq!(second.status, 412);
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(second.json()["errors"], json!(["the dashboard was changed by someone else"]));
    assert_eq!(server.get(PATH).json()["title"], "first");
    // Without If-Match it is meant to be replaced.
    assert_eq!(put(&server, &titled("third"), &[]).status, 200);
}

#[test]
fn the_document_that_stands_in_for_a_missing_one_follows_the_metrics() {
    let server = Server::start();
    let empty = server.get(PATH);
    let etag = empty.header("etag").unwrap().to_owned();
    let import = |lines: &str| assert_eq!(server.post("/api/v1/import", lines.as_bytes()).status, 200);
    import("host/cpu.busy_pct 5\nhost/disk.nvme0n1.read_kbps 1\nhost/net.enp3s0.rx_bytes 7\nother/x 1\n");
    let made = server.get(PATH);
    assert_ne!(made.header("etag"), Some(etag.as_str()));
    let document = made.json();
    assert_eq!(document["default_db"], "host");
    assert_eq!(document["widgets"]["disk_nvme0n1"]["series"][0]["metric"], "disk.nvme0n1.read_kbps");
    let mut ids: Vec<_> = document["widgets"].as_object().unwrap().keys().cloned().collect();
    ids.sort();
    assert_eq!(ids, ["cpu", "disk_nvme0n1", "net_enp3s0", "now"]);
    import("host/sys.load1 1\n");
    assert!(server.get(PATH).json()["widgets"]["load"].is_object());
    // Nobody changed it: who began to edit the one before can save, and only one of two.
    let saved = put(&server, &titled("mine"), &[("If-Match", &etag)]);
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(put(&server, &titled("theirs"), &[("If-Match", &etag)]).status, 412);
    import("host/sys.load5 1\n");
    assert_eq!(server.get(PATH).json(), titled("mine"));
}

#[test]
fn mistakes_are_told_with_their_places_and_change_nothing() {
    let server = Server::start();
    let before = server.get(PATH).text();
    let mut document = original();
    document["widgets"]["system_snapshot"]["series"][0]["metric"] = Value::Null;
    document["widgets"]["cpu_busy_aggregate"]["lookback"] = json!("a day");
    let validated =
        server.connect().send("POST", &format!("{PATH}/validate"), &[JSON], document.to_string().as_bytes());
    for answer in [put(&server, &document, &[]), validated] {
        assert_eq!(answer.status, 400);
        let answer = answer.json();
        assert_eq!(answer["ok"], false);
        let errors = answer["errors"].as_array().unwrap();
        assert!(errors.contains(&json!("widgets.system_snapshot.series[0].metric: must be given")), "{errors:?}");
        let place = json!({"path": "/widgets/system_snapshot/series/0/metric", "message": "must be given"});
        assert!(answer["details"].as_array().unwrap().contains(&place));
        assert_eq!(errors.len(), 2);
    }
    // For those who ask for errors they are an answer like any other.
    let asked = |status: &str| {
        let path = format!("{PATH}/validate?answer={status}");
        server.connect().send("POST", &path, &[JSON], document.to_string().as_bytes())
    };
    let told = asked("200");
    assert_eq!(
        (told.status, &told.json()["ok"], told.json()["details"].as_array().unwrap().len()),
        (200, &json!(false), 2)
    );
    assert_eq!(asked("400").status, 400);
    assert!(asked("500").text().contains("give 200 or 400"));
    let answer = server.connect().send("PUT", PATH, &[JSON], b"{\"title\": \n 7,}");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["errors"][0].as_str().unwrap().contains("line 2"), "{}", answer.text());
    assert_eq!(answer.json()["details"][0]["path"], "");
    assert_eq!(server.get(PATH).text(), before);
    assert!(!server.dir.path().join("dashboard.json").exists());
    let answer = server.connect().send("POST", &format!("{PATH}/validate"), &[JSON], original().to_string().as_bytes());
    assert_eq!((answer.status, &answer.json()["backup_path"]), (200, &Value::Null));
}

#[test]
fn what_is_no_dashboard_is_refused() {
    let server = Server::start();
    assert_eq!(put(&server, &titled("mine"), &[]).status, 200);
    // An answer of the API, pasted whole.
    let pasted = json!({"request": "GET /api/dashboard-config", "status": 200, "body": original()});
    for document in [pasted, json!({}), json!({"title": "x"}), json!({"groups": [{"id": "a"}]})] {
        let answer = put(&server, &document, &[]);
        assert_eq!((answer.status, &answer.json()["ok"]), (400, &json!(false)), "{document}");
    }
    assert_eq!(server.get(PATH).json(), titled("mine"));
}

#[test]
fn backups_are_listed_shown_and_restored() {
    let server = Server::start();
    for title in ["one", "two", "three"] {
        assert_eq!(put(&server, &titled(title), &[]).status, 200);
    }
    let list = server.get(&format!("{PATH}/backups")).json();
    let backups = list["backups"].as_array().unwrap();
    assert_eq!(backups.len(), 2);
    assert_eq!(backups[0]["widgets"], 0);
    assert!(backups[0]["time_ms"].as_i64().unwrap() >= backups[1]["time_ms"].as_i64().unwrap());
    let oldest = backups[1]["name"].as_str().unwrap();
    assert_eq!(server.get(&format!("{PATH}/backups/{oldest}")).json()["title"], "one");
    assert_eq!(server.get(&format!("{PATH}/backups/..%2fengine.toml")).status, 404);
    let body = json!({"name": oldest}).to_string();
    let stale = [JSON, ("If-Match", "\"0\"")];
    assert_eq!(server.connect().send("POST", &format!("{PATH}/restore"), &stale, body.as_bytes()).status, 412);
    let restored = server.connect().send("POST", &format!("{PATH}/restore"), &[JSON], body.as_bytes());
    assert_eq!(restored.status, 200, "{}", restored.text());
    assert_eq!(server.get(PATH).json()["title"], "one");
    let newest = server.get(&format!("{PATH}/backups")).json()["backups"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("{PATH}/backups/{newest}")).json()["title"], "three");
}

#[test]
fn other_sites_change_nothing() {
    let server = Server::start();
    let document = titled("x");
    let host = "localhost";
    for (headers, status) in [
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-site"), ("Origin", "http://localhost")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", "http://localhost")], 200),
        (vec![("Sec-Fetch-Site", "same-origin")], 200),
    ] {
        assert_eq!(put(&server, &document, &headers).status, status, "{headers:?} for {host}");
    }
    let form = [("Content-Type", "text/plain")];
    assert_eq!(server.connect().send("PUT", PATH, &form, b"{}").status, 415);
    let foreign = [("Origin", "http://evil.example")];
    for path in ["/api/v1/import", "/api/v1/import/prometheus", "/api/v1/rollup/backfill"] {
        assert_eq!(server.connect().send("POST", path, &foreign, b"demo/a 1").status, 403, "{path}");
    }
    assert_eq!(
        server.connect().send("POST", "/api/v1/import", &[("Origin", "http://localhost")], b"demo/a 1").status,
        200
    );
}

#[test]
fn a_read_only_interface_refuses_changes() {
    let server = Server::with_config("[web]\nread_only = true\ntitle = \"Wall\"\n");
    let answer = put(&server, &json!({}), &[]);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("web.read_only"), "{}", answer.text());
    assert_eq!(server.get("/api/v1/ui/settings").json()["read_only"], true);
}

#[test]
fn pages_have_their_settings_and_their_headers() {
    let server = Server::with_config("[web]\nbase_path = \"/panels\"\ntitle = \"A \\\"B\\\"\"\n");
    for path in ["/", "/panels", "/panels/overview", "/explore", "/engine", "/api-tester"] {
        let page = server.get(path);
        assert!(page.header("permissions-policy").unwrap().contains("camera=()"));
        assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        let first =
            if path.starts_with("/panels") { "/api/dashboard-config" } else { "/api/v1/ui/catalog?internal=true" };
        assert_eq!(page.header("link"), Some(format!("<{first}>; rel=preload; as=fetch; crossorigin").as_str()));
        assert_eq!(server.get(first).status, 200);
        let etag = page.header("etag").unwrap().to_owned();
        let again = server.connect().send("GET", path, &[("If-None-Match", &etag)], b"");
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
    assert_eq!(server.get("/dashboard").status, 404);
    assert_eq!(server.get("/../engine.toml").status, 404);
    // Browsers heed it over https and on this machine alone, and complain elsewhere.
    let mut client = server.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: box\r\n\r\n");
    assert_eq!(client.answer(false).header("cross-origin-opener-policy"), None);
}

#[test]
fn unknown_addresses_are_a_page_for_browsers_and_json_for_others() {
    let server = Server::start();
    let html = [("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    let page = server.get("/").text();
    for path in ["/nope", "/DASHBOARD", "/engine/../nope", "/assets/none.js"] {
        let shown = server.connect().send("GET", path, &html, b"");
        assert_eq!((shown.status, shown.header("content-type")), (404, Some("text/html; charset=utf-8")), "{path}");
        assert_eq!(shown.text(), page, "{path}");
        assert_eq!((shown.header("link"), shown.header("etag")), (None, None), "{path}");
        for accept in [&[][..], &[("Accept", "*/*")], &[("Accept", "application/json")]] {
            let told = server.connect().send("GET", path, accept, b"");
            assert_eq!((told.status, told.header("content-type")), (404, Some("application/json")), "{path}");
            assert!(told.text().contains("there is nothing at"), "{}", told.text());
        }
    }
    for (method, path) in [("GET", "/api/v1/nope"), ("GET", "/api"), ("POST", "/nope")] {
        let told = server.connect().send(method, path, &html, b"");
        assert_eq!((told.status, told.header("content-type")), (404, Some("application/json")), "{method} {path}");
    }
}

/// What is below web_root is served when it is a plain file there: no hidden one, and none that a link leads to.
#[test]
fn no_link_and_no_hidden_file_of_web_root_is_served() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret.css"), "not for others").unwrap();
    let pages = tempfile::tempdir().unwrap();
    std::fs::write(pages.path().join("plain.css"), "plain").unwrap();
    std::fs::write(pages.path().join(".hidden.css"), "not for others").unwrap();
    std::fs::create_dir(pages.path().join(".git")).unwrap();
    std::fs::write(pages.path().join(".git/config.css"), "not for others").unwrap();
    symlink(elsewhere.path().join("secret.css"), pages.path().join("file.css")).unwrap();
    symlink(elsewhere.path(), pages.path().join("dir")).unwrap();
    let server = Server::with_config(&format!("[web]\nweb_root = {:?}\n", pages.path()));
    assert_eq!(server.get("/plain.css").text(), "plain");
    for path in ["/file.css", "/dir/secret.css", "/.hidden.css", "/.git/config.css"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("not for others"), "{path}");
    }
}

#[test]
fn edited_pages_come_from_web_root() {
    let server = Server::with_config("[web]\nweb_root = \"pages\"\n");
    let pages = server.dir.path().join("pages");
    std::fs::create_dir_all(pages.join("assets")).unwrap();
    std::fs::write(pages.join("index.html"), "<p>mine <meta content=\"__NANOTDB_SETTINGS__\">").unwrap();
    std::fs::write(pages.join("assets/x.js"), "let a = '__NANOTDB_SETTINGS__';").unwrap();
    assert!(server.get("/explore").text().starts_with("<p>mine <meta content=\"{&quot;title&quot;"));
    let script = server.get("/assets/x.js");
    assert_eq!(script.text(), "let a = '__NANOTDB_SETTINGS__';");
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), Some("no-cache"));
    assert_eq!(server.get("/assets/../engine.toml").status, 404);
    assert_eq!(server.get("/assets").status, 404);
}

#[test]
fn pages_are_exported_once_and_served_from_there() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, _) = common::run(&["--export-web-assets", "pages"], directory.path());
    assert_eq!(code, 0);
    assert!(out.contains("web_root"), "{out}");
    let index = directory.path().join("pages/index.html");
    let page = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, page.replace("</title>", " mine</title>")).unwrap();
    let (code, _, said) = common::run(&["--export-web-assets", "pages"], directory.path());
    assert_eq!(code, 1);
    assert!(said.contains("exists already"), "{said}");
    let root = directory.path().join("pages");
    let server = Server::with_config(&format!("[web]\nweb_root = {root:?}\n"));
    assert!(server.get("/").text().contains(" mine</title>"));
}
