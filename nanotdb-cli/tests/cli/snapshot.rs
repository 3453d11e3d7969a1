//! `nanocli snapshot` on a real server under load, and what it refuses.

use crate::helpers::{Bench, Server};
use crate::samples::files::snapshot;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SERIES: usize = 4;

/// Sends ticks `from..to` of every series in one request; fails unless all are taken.
fn send(server: &Server, from: u64, to: u64) {
    let mut body = String::new();
    for n in from..to {
        for series in 0..SERIES {
            body += &format!("load/s{series} {n}i {}\n", 1_715_000_000_000_000_000 + n as i64 * 1_000_000_000);
        }
    }
    post(server, &body, (to - from) as usize * SERIES);
}

/// Sends lines, all of which must be taken.
pub(crate) fn post(server: &Server, body: &str, count: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = "POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length:";
    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(&format!("\"imported\":{count}")), "{answer}");
}

/// Every series of a copy must be 0, 1, 2 and so on, `least` to `most` of them.
fn check(bench: &Bench, root: &str, least: u64, most: u64) {
    let text = bench.run(&["export", "--root", root, "--db", "load"]).ok();
    for series in 0..SERIES {
        let prefix = format!("load/s{series} ");
        let values = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split(' ').next());
        let values: Vec<u64> = values.map(|value| value.trim_end_matches('i').parse().unwrap()).collect();
        assert!(values.iter().copied().eq(0..values.len() as u64), "{root}: s{series}: one is missing or there twice");
        let found = values.len() as u64;
        assert!(least <= found && found <= most, "{root}: s{series}: {found} samples, not {least} to {most}");
    }
}

#[test]
fn a_snapshot_of_a_server_under_load_has_every_acknowledged_sample_once() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("live")).unwrap();
    // Small pages: many flushes, some of them while the snapshot is taken.
    let toml =
        "[manifest_defaults.page]\nmax_records = 200\n[metrics]\nenabled = true\nraw_ingest_action = \"delete\"\n";
    std::fs::write(bench.path("live/engine.toml"), toml).unwrap();
    let server = Server::start(&bench, "live");
    send(&server, 0, 10);
    let (acknowledged, sent, done) = (AtomicU64::new(10), AtomicU64::new(10), AtomicBool::new(false));
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let from = acknowledged.load(Ordering::SeqCst);
                let to = from + 1 + from % 50;
                sent.store(to, Ordering::SeqCst);
                send(&server, from, to);
                acknowledged.store(to, Ordering::SeqCst);
            }
        });
        let _done = Done(&done);
        for at in 0..6 {
            let out = format!("copy{at}");
            let least = acknowledged.load(Ordering::SeqCst);
            let report = bench.run(&["snapshot", "--root", "live", "--out", &out, "--json"]).json();
            let most = sent.load(Ordering::SeqCst);
            assert_eq!(report["problems"], serde_json::json!([]), "{report}");
            let samples = report["databases"][0]["samples"].as_u64().unwrap();
            assert!(samples >= least * SERIES as u64 && samples <= most * SERIES as u64, "{report}");
            check(&bench, &out, least, most);
            // As a server finds it: it replays, and what it leaves is whole.
            Server::start(&bench, &out).stop();
            check(&bench, &out, least, most);
            bench.run(&["verify", "--root", &out]).ok();
        }
    });
    let all = acknowledged.load(Ordering::SeqCst);
    assert!(all > 100, "{all}");
    server.stop();
    check(&bench, "live", all, all);
}

#[test]
fn a_snapshot_is_restored_by_copying_it() {
    let bench = crate::build::three_days();
    bench.run(&["build", "metric", "--root", "root", "--db", "s", "--raw-ingest-action", "rename"]).ok();
    let before = snapshot(&bench.path("root"));
    let text = bench.run(&["snapshot", "--root", "root", "--out", "backup/monday"]).ok();
    assert!(text.ends_with("wrote backup/monday, checked: no problems\n"), "{text}");
    assert!(text.contains(" 1,800 "), "{text}");
    assert!(before == snapshot(&bench.path("root")), "the source was written");
    let expected = bench.run(&["export", "--root", "root", "--db", "s"]).ok();
    crate::samples::files::copy_directory(&bench.path("backup/monday"), &bench.path("restored"));
    std::fs::remove_dir_all(bench.path("root")).unwrap();
    bench.run(&["verify", "--root", "restored"]).ok();
    bench.import("restored", "s/count 7i\n");
    assert!(bench.run(&["export", "--root", "restored", "--db", "s"]).ok().starts_with(&expected));
    assert_eq!(bench.run(&["export", "--root", "backup/monday", "--db", "s"]).ok(), expected, "the backup itself");
}

#[test]
fn copy_makes_no_links() {
    let bench = crate::build::three_days();
    bench.run(&["build", "metric", "--root", "root", "--db", "s"]).ok();
    let linked = bench.run(&["snapshot", "--root", "root", "--out", "linked", "--json"]).json();
    assert_eq!(linked["databases"][0]["linked_files"], 3);
    let copied = bench.run(&["snapshot", "--root", "root", "--out", "copied", "--copy", "--json"]).json();
    assert_eq!(copied["databases"][0]["linked_files"], 0);
    let names = |root: &str| -> Vec<_> {
        let path = bench.path(root);
        let files = snapshot(&path).into_iter();
        files.map(|(file, bytes)| (file.strip_prefix(&path).unwrap().to_owned(), bytes)).collect()
    };
    assert!(names("linked") == names("copied"));
}

#[test]
fn wrong_targets_are_refused_and_damage_is_told() {
    let bench = crate::build::three_days();
    let before = snapshot(bench.path("root").parent().unwrap());
    let e = bench.run(&["snapshot", "--root", "root", "--out", "root/backup"]).fails(2);
    assert!(e.contains("lies within"), "{e}");
    let e = bench.run(&["snapshot", "--root", "root", "--out", "."]).fails(2);
    assert!(e.contains("is not empty"), "{e}");
    bench.run(&["snapshot", "--root", "absent", "--out", "copy"]).fails(3);
    let e = bench.run(&["snapshot", "--root", "root", "--db", "t", "--out", "copy"]).fails(3);
    assert!(e.contains("it holds s"), "{e}");
    assert!(before == snapshot(bench.path("root").parent().unwrap()), "something was written");
    let path = bench.path("root/s/data-2024-05-21.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let run = bench.run(&["snapshot", "--root", "root", "--out", "copy"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("s/data-2024-05-21.dat: byte 0:"), "{}", run.stdout);
    assert!(bench.path("copy/s/data-2024-05-21.dat").exists());
}

/// Without a log, what the server has not written to a file is in its memory alone: whoever reads the files is told so.
#[test]
fn beside_a_server_a_database_without_a_log_is_said_to_have_more() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("root/home_1h")).unwrap();
    bench.file("root/home_1h/manifest.toml", "[page]\nmax_age = \"24h\"\n[wal]\nenabled = false\n");
    bench.import("root", "home_1h/room.temp.avg 20.25 1714990000000000000\n");
    let server = Server::start(&bench, "root");
    let lines = "home_1h/room.temp.avg 21.5 1715000000000000000\nlogged/room.temp 21.5 1715000000000000000\n";
    post(&server, lines, 2);
    let query = |db: &str| bench.run(&["query", "--root", "root", "--db", db, "--metric", ".", "--format", "csv"]);
    let export = |db: &str| bench.run(&["export", "--root", "root", "--db", db]);
    for run in [query("home_1h"), export("home_1h")] {
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(
            run.stdout.contains("20.25") && !run.stdout.contains("21.5"),
            "what has no log and no file cannot be seen: {}",
            run.stdout
        );
        assert!(
            run.stderr.contains("home_1h has no write-ahead log") && run.stderr.contains("page.max_age"),
            "{}",
            run.stderr
        );
    }
    for run in [query("logged"), export("logged")] {
        assert!(run.stdout.contains("21.5") && run.stderr.is_empty(), "{} {}", run.stdout, run.stderr);
    }
    server.stop();
    for run in [query("home_1h"), export("home_1h")] {
        assert!(run.stdout.contains("21.5") && run.stderr.is_empty(), "{} {}", run.stdout, run.stderr);
    }
}
