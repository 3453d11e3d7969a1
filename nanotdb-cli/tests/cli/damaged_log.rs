//! What reading commands say when a part of a log is damaged: its samples are missing from every answer.

use crate::helpers::{Bench, Server};
use crate::snapshot::post;

/// A root whose server was killed after `requests` requests of one sample each, and the path of its log.
fn killed(bench: &Bench, requests: usize) -> std::path::PathBuf {
    let server = Server::start(bench, "root");
    for n in 0..requests {
        post(&server, &format!("d/m {n}i {}\n", 1_715_000_000_000_000_000 + n as i64 * 1_000_000_000), 1);
    }
    drop(server);
    bench.path("root/d/d.wal")
}

#[test]
fn a_damaged_batch_is_told_by_every_reading_command() {
    let bench = Bench::new();
    let wal = killed(&bench, 60);
    let mut bytes = std::fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = !bytes[middle];
    std::fs::write(&wal, bytes).unwrap();
    let check = |warning: &str| {
        assert!(warning.contains("d/d.wal: ") && warning.contains(" damaged bytes at "), "{warning}");
    };
    let run = bench.run(&["export", "--root", "root", "--db", "d"]);
    assert_eq!((run.code, run.stdout.lines().count()), (1, 59), "{}", run.stderr);
    check(&run.stderr);
    for more in [&[][..], &["--last"], &["--start", "2024-05-06", "--aggregate", "count", "--window", "1d"]] {
        let run = bench.run(&[&["query", "--root", "root", "--db", "d", "--metric", "m", "--json"], more].concat());
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, json["warnings"].as_array().unwrap().len()), (1, 1), "{more:?}: {json}");
        check(json["warnings"][0].as_str().unwrap());
        check(&run.stderr);
    }
    for to in ["original", "nanotdb"] {
        let run = bench.run(&["convert", "--root", "root", "--out", to, "--to", to, "--json"]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["warnings"].as_array().unwrap().len(), 1, "{json}");
        check(json["warnings"][0].as_str().unwrap());
    }
    let run = bench.run(&["verify", "--root", "root"]);
    assert!(run.code == 1 && run.stdout.contains("d/d.wal: byte "), "{}", run.stdout);
}

/// A server that is writing now, or a kill, leaves it. It may also be damage, so that it is told, as by the next start.
#[test]
fn a_torn_last_write_is_told_and_is_no_damage() {
    let bench = Bench::new();
    let wal = killed(&bench, 3);
    let bytes = std::fs::read(&wal).unwrap();
    std::fs::write(&wal, &bytes[..bytes.len() - 3]).unwrap();
    let run = bench.run(&["export", "--root", "root", "--db", "d"]);
    assert_eq!((run.code, run.stdout.lines().count(), run.stderr.lines().count()), (0, 2, 1), "{}", run.stderr);
    assert!(run.stderr.contains("d/d.wal: ") && run.stderr.contains("no whole batch"), "{}", run.stderr);
    let verify = bench.run(&["verify", "--root", "root"]).ok();
    assert!(verify.contains("d/d.wal: ") && verify.contains("no whole batch"), "{verify}");
    assert_eq!(bench.run(&["verify", "--root", "root", "--json"]).json()["notes"].as_array().unwrap().len(), 1);
}

/// The newest sample of a metric, while the page behind it is damaged, is told to be older than what there was.
#[test]
fn the_last_sample_before_a_damaged_page_comes_with_a_warning() {
    let bench = Bench::new();
    let path = bench.path("root/d/data-2024-05-06.dat");
    let mut ends = Vec::new();
    for n in 0..2i64 {
        let server = Server::start(&bench, "root");
        let at = 1_715_000_000_000_000_000 + n * 1_000_000_000;
        // The second page lacks `old`, which nothing is known to have happened to when the first one is damaged.
        let lines = [format!("d/old 1i {at}\nd/m {n}i {at}\n"), format!("d/m {n}i {at}\nd/new 1i {at}\n")];
        post(&server, &lines[n as usize], 2);
        server.stop();
        ends.push(std::fs::metadata(&path).unwrap().len() as usize);
    }
    let whole = std::fs::read(&path).unwrap();
    for (page, warned, value) in [(0, ["old"].as_slice(), "1"), (1, &["m", "old", "new"], "0")] {
        let mut bytes = whole.clone();
        bytes[ends[page] - 6] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        for metric in ["m", "old", "new"] {
            let pattern = format!("^{metric}$");
            let run =
                bench.run(&["query", "--root", "root", "--db", "d", "--metric", &pattern, "--last", "--format", "csv"]);
            let is_warned = warned.contains(&metric);
            assert_eq!(run.code, i32::from(is_warned), "{metric} {page}: {}", run.stderr);
            assert_eq!(run.stderr.contains("data-2024-05-06.dat"), is_warned, "{metric} {page}: {}", run.stderr);
            if metric == "m" {
                assert!(run.stdout.trim_end().ends_with(&format!(",{value}")), "{page}: {}", run.stdout);
            }
        }
    }
}
