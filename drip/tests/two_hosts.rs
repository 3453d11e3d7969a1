//! Two hosts and one database: names of metrics do not say which host they are of, so that is refused, and nothing of either
//! host is lost for it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{DRIP, Drip, Server, tree, until};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A host with a machine id of its own; `configure` writes its drip.toml.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new(id: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        assert!(Command::new("cp").arg("-r").arg(tree("pi3", "b")).arg(&root).status().unwrap().success());
        std::fs::create_dir(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/machine-id"), format!("{id}\n")).unwrap();
        Self { dir }
    }

    fn configure(&self, port: u16, interval_ms: u32, database: &str) {
        let toml = format!(
            "server_url = \"http://127.0.0.1:{port}\"\ncollection_interval_ms = {interval_ms}\nroot = \"{}\"\n{database}\n\
             [collectors.sd_write_probe]\nenabled = false\n",
            self.dir.path().join("root").display()
        );
        std::fs::write(self.path().join("drip.toml"), toml).unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn start(&self) -> Drip {
        Drip::start_again(self.path())
    }

    /// A run that ends by itself: its exit code, and what it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(DRIP)
            .arg("--config")
            .arg(self.path().join("drip.toml"))
            .args(args)
            .env("STATE_DIRECTORY", self.path().join("state"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }

    fn spool_files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path().join("state")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
    }
}

fn cycles(server: &Server, database: &str) -> Vec<i64> {
    server.samples(&format!("{database}/drip.cycles")).iter().map(|(ms, _)| *ms).collect()
}

/// Long enough that a busy machine does not make one of them look as if it were gone.
const INTERVAL_MS: u32 = 4_000;

#[test]
fn a_second_host_with_the_same_settings_is_told_and_does_not_start() {
    let server = Server::new();
    let (a, b) = (Host::new("0a"), Host::new("0b"));
    a.configure(server.port, INTERVAL_MS, "");
    b.configure(server.port, INTERVAL_MS, "");
    let drip = a.start();
    until("its first cycle", || (!cycles(&server, "metrics").is_empty()).then_some(()));
    for (args, code, start) in
        [(&["--check"][..], 1, "server         FAILS: http://"), (&[], 2, "drip: database metrics")]
    {
        let (found, said) = b.run(args);
        assert_eq!(found, code, "{said}");
        assert!(said.lines().any(|line| line.starts_with(start)), "{said}");
        let mend = "database metrics is written by another host, and nobody could tell the samples of the two apart; set \
                    database = \"...\" in drip.toml";
        assert!(said.contains(mend), "{said}");
    }
    // The host itself is not another one, also after a restart.
    assert!(drip.stop().success());
    let drip = a.start();
    let before = cycles(&server, "metrics").len();
    until("it goes on", || (cycles(&server, "metrics").len() > before).then_some(()));
    assert!(drip.stop().success());
    let numbers = server.samples("metrics/drip.host");
    assert!(numbers.iter().all(|(_, number)| *number == numbers[0].1), "{numbers:?}");
    // Nothing of the second one arrived: as many cycles as the first one counted.
    assert_eq!(numbers.len(), cycles(&server, "metrics").len());
}

#[test]
fn what_waited_for_the_server_goes_to_the_hosts_own_database_when_that_is_named() {
    let mut server = Server::new();
    let (a, b) = (Host::new("0a"), Host::new("0b"));
    // The second host alone, until the server goes away.
    b.configure(server.port, 250, "");
    let drip = b.start();
    until("its first cycle", || (!cycles(&server, "metrics").is_empty()).then_some(()));
    server.stop();
    drip.wait_for_spooled(5);
    assert!(drip.stop().success());
    let first = cycles_of_spool(&b);
    // Then the first host is there before it, in the same database, which nobody has written to for some intervals.
    a.configure(server.port, 250, "");
    server.start();
    let newest = *cycles(&server, "metrics").last().unwrap();
    until("it is more than three intervals ago", || (now_ms() > newest + 1_000).then_some(()));
    let before = cycles(&server, "metrics").len();
    let other = a.start();
    until("the other host's first cycle", || (cycles(&server, "metrics").len() > before).then_some(()));
    b.configure(server.port, INTERVAL_MS, "");
    let (code, said) = b.run(&[]);
    assert!(code == 2 && said.contains("is written by another host"), "{code} {said}");
    // Nothing is thrown away.
    assert_eq!(cycles_of_spool(&b)[..first.len()], first);
    let metrics = cycles(&server, "metrics");
    // The mend that it named.
    b.configure(server.port, 250, "database = \"attic\"");
    let drip = b.start();
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    until("newer cycles arrive", || (cycles(&server, "attic").len() > first.len()).then_some(()));
    assert!(drip.stop().success());
    assert!(other.stop().success());
    let arrived = cycles(&server, "attic");
    let missing: Vec<_> = first.iter().filter(|ms| !arrived.contains(ms)).collect();
    assert!(missing.is_empty() && arrived.is_sorted_by(|a, b| a < b), "{missing:?} of {arrived:?}");
    assert_eq!(cycles(&server, "metrics")[..metrics.len()], metrics, "and nothing of it went to the other host's");
    assert!(first.iter().all(|ms| !cycles(&server, "metrics").contains(ms)));
    let numbers = server.samples("attic/drip.host");
    assert!(numbers.len() == arrived.len() && numbers.iter().all(|(_, n)| *n == numbers[0].1), "{numbers:?}");
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

fn cycles_of_spool(host: &Host) -> Vec<i64> {
    let mut files = host.spool_files("lp");
    files.sort();
    let text: String = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let times = text.lines().filter_map(|line| line.strip_prefix("#drip ")?.split(' ').next()?.parse::<i64>().ok());
    times.map(|ns| ns / 1_000_000).collect()
}

#[test]
fn what_the_server_cannot_take_because_of_a_host_that_is_gone_is_kept_and_counted() {
    let mut server = Server::new();
    let (a, b) = (Host::new("0a"), Host::new("0b"));
    b.configure(server.port, 250, "");
    let drip = b.start();
    until("its first cycle", || (!cycles(&server, "metrics").is_empty()).then_some(()));
    server.stop();
    drip.wait_for_spooled(3);
    assert!(drip.stop().success());
    let waiting = cycles_of_spool(&b);
    let samples: u64 = waiting.len() as u64;
    // Another host was there meanwhile, and is gone.
    server.start();
    a.configure(server.port, 250, "");
    let newest = *cycles(&server, "metrics").last().unwrap();
    until("it is more than three intervals ago", || (now_ms() > newest + 1_000).then_some(()));
    let before = cycles(&server, "metrics").len();
    let other = a.start();
    until("the other host's first cycle", || (cycles(&server, "metrics").len() > before).then_some(()));
    assert!(other.stop().success());
    let newest = *cycles(&server, "metrics").last().unwrap();
    until("it is more than three intervals ago", || (now_ms() > newest + 1_000).then_some(()));
    let drip = b.start();
    drip.wait_for_log("the server has newer samples of another host in this database");
    until("the spool is done with", || drip.segments().is_empty().then_some(()));
    until("it goes on", || (*cycles(&server, "metrics").last()? > newest).then_some(()));
    let kept: String =
        b.spool_files("lp-other-host").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept.lines().filter(|line| line.contains("/drip.cycles ")).count() as u64, samples);
    let per_cycle = server.samples("metrics/drip.samples").last().unwrap().1 + 11.0;
    until("it is counted", || {
        let dropped = server.samples("metrics/drip.dropped").last()?.1;
        (dropped == samples as f64 * per_cycle).then_some(())
    });
    assert!(drip.stop().success());
}
