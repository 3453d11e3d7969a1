//! Answers whose query fails midway, over real connections: no client may take the beginning for the whole.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::served::{Served, app_on, head_and_body, is_whole};
use nanotdb_codecs as _;
use nanotdb_core::config::EngineConfig;
use nanotdb_core::engine::Batch;
use nanotdb_core::model::Value;
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_partitioners as _;
use std::io::Read;

/// 2024-05-06T12:53:20Z; the samples reach into the next days.
const START: i64 = 1_715_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
const SAMPLES: i64 = 60_000;

/// A server of a metric whose values do not compress, so that a compressed answer has parts, too.
fn start() -> Served {
    let vfs = SimVfs::new(7);
    let engine = app_on(&vfs).engine.clone();
    let mut batch = Batch::default();
    let mut state = 1u64;
    for i in 0..SAMPLES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        batch.push("demo", "m", Value::Float64((state >> 12) as f64), Some(START + i * 12 * SECOND));
    }
    assert_eq!(engine.write_batch(&mut batch).unwrap().accepted, SAMPLES as u64);
    engine.close().unwrap();
    drop(engine);
    Served::start(vfs, EngineConfig::default())
}

fn range(more: &str) -> String {
    format!("/api/v1/query_range?query=demo/m&start=2024-05-01&end=2024-06-01{more}")
}

#[test]
fn a_query_that_fails_midway_is_never_a_whole_answer() {
    let served = start();
    let close = "Host: localhost\r\nConnection: close\r\n";
    let gzip = "Accept-Encoding: gzip\r\n";
    let requests = [
        format!("GET {} HTTP/1.1\r\n{close}\r\n", range("")),
        format!("GET {} HTTP/1.1\r\n{close}{gzip}\r\n", range("")),
        format!("GET {} HTTP/1.0\r\nHost: localhost\r\n\r\n", range("")),
        format!("GET {} HTTP/1.0\r\nHost: localhost\r\n{gzip}\r\n", range("")),
        format!("GET {} HTTP/1.1\r\n{close}\r\n", range("&aggregate=max&window=7s")),
        format!("GET {} HTTP/1.1\r\n{close}{gzip}\r\n", range("&aggregate=max,p95&window=7s")),
        format!("GET {} HTTP/1.0\r\nHost: localhost\r\n\r\n", range("&step=5s")),
    ];
    for request in &requests {
        // The first time files are opened, too; then only pages are read.
        for _ in 0..2 {
            let (good, broken) = served.ask(request);
            assert!(is_whole(&good, broken) && good.starts_with(b"HTTP/1.") && !broken, "{request}");
        }
        let before = served.vfs.read_count();
        let (good, _) = served.ask(request);
        let reads = served.vfs.read_count() - before;
        assert!(reads >= 8, "{request}: {reads} reads");
        let mut cut = 0;
        for n in [1, 2, reads / 2, reads - 1, reads] {
            served.vfs.fail_read_at(n);
            let (bytes, broken) = served.ask(request);
            // What was not on its way yet is lost with the connection; no client takes nothing for an answer.
            if bytes.is_empty() {
                cut += 1;
                continue;
            }
            let (head, body) = head_and_body(&bytes);
            if head.contains(" 200 ok") {
                assert!(!is_whole(&bytes, broken), "read {n} of {reads} failed, and the answer is whole: {request}");
                assert!(body.len() < good.len(), "read {n} of {reads}: {request}");
                cut += 1;
            } else {
                assert!(head.contains(" 500 ") && is_whole(&bytes, broken), "{request}: {head}");
            }
        }
        assert!(cut > 0, "no answer had begun when its query failed: {request}");
    }
}

#[test]
fn what_fails_before_its_answer_says_so() {
    let served = start();
    let close = "Host: localhost\r\nConnection: close\r\n";
    let at = format!("GET /api/v1/query?query=demo/m&time=2024-05-07 HTTP/1.1\r\n{close}\r\n");
    served.vfs.fail_read_at(1);
    let (bytes, _) = served.ask(&at);
    assert!(bytes.starts_with(b"HTTP/1.1 500 "), "{}", String::from_utf8_lossy(&bytes));
    // Many series are one answer, in which each says for itself what became of it.
    let body = r#"{"ranges":[{"start_ms":1714900000000,"end_ms":1715900000000,"buckets":2000}],"series":[{"db":"demo","metric":"m"},{"db":"demo","metric":"m","range":null}]}"#;
    for more in ["", "Accept-Encoding: gzip\r\n"] {
        let ask = || {
            let length = body.len();
            let head = format!(
                "POST /api/v1/ui/batch HTTP/1.0\r\nHost: localhost\r\n{more}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            let (bytes, broken) = served.ask(&(head + body));
            let (head, body) = head_and_body(&bytes);
            assert!(head.contains(" 200 ok") && is_whole(&bytes, broken), "{head}");
            let mut text = body.to_vec();
            if head.contains("content-encoding: gzip") {
                text.clear();
                flate2::read::GzDecoder::new(body).read_to_end(&mut text).unwrap();
            }
            serde_json::from_slice::<serde_json::Value>(&text).unwrap()
        };
        ask();
        let good = ask();
        assert_eq!(good["series"][0]["kind"], "buckets");
        served.vfs.fail_read_at(4);
        let failed = ask();
        assert_eq!(failed["series"][0]["error"]["type"], "damaged");
        assert_eq!(failed["series"][1], good["series"][1]);
    }
    // Last, because a query whose client wants no more goes on for a while. The head of an answer is that of the beginning, and there is nothing after it that could be taken for more.
    let request = format!("HEAD {} HTTP/1.1\r\n{close}\r\n", range(""));
    for n in [1, 2, 3, 8] {
        served.vfs.fail_read_at(n);
        let (bytes, _) = served.ask(&request);
        served.vfs.clear_faults();
        let (head, body) = head_and_body(&bytes);
        assert!(body.is_empty() && (n > 1 || head.contains(" 500 ")), "{head}");
    }
}
