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

    /// A host of this name, with so much memory that its samples are told from those of others.
    fn named(id: &str, name: &str, memory_kb: u64) -> Self {
        let host = Self::new(id);
        std::fs::write(host.root().join("etc/hostname"), format!("{name}\n")).unwrap();
        std::fs::write(host.root().join("proc/meminfo"), format!("MemTotal: {memory_kb} kB\nMemFree: 1000 kB\n"))
            .unwrap();
        host
    }

    fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    fn configure(&self, port: u16, interval_ms: u32, database: &str) {
        self.configure_for(&format!("http://127.0.0.1:{port}"), interval_ms, database);
    }

    fn configure_for(&self, server: &str, interval_ms: u32, database: &str) {
        let toml = format!(
            "server_url = \"{server}\"\ncollection_interval_ms = {interval_ms}\nroot = \"{}\"\n{database}\n\
             [collectors.sd_write_probe]\nenabled = false\n",
            self.root().display()
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

/// What nobody has written to for three intervals of 250 ms was left.
fn wait_until_left(newest_ms: i64) {
    until("it is more than three intervals ago", || (now_ms() > newest_ms + 1_000).then_some(()));
}

/// Lets a host send to the database `metrics` until the server goes away, and then collect `count` cycles or more into its
/// spool. Returns the times of these.
fn collect_without_a_server(host: &Host, server: &mut Server, count: usize) -> Vec<i64> {
    host.configure(server.port, 250, "");
    let drip = host.start();
    until("its first cycle", || (!cycles(server, "metrics").is_empty()).then_some(()));
    server.stop();
    drip.wait_for_spooled(count);
    assert!(drip.stop().success());
    cycles_of_spool(host)
}

/// Starts the server again and, once the other one counts as gone, a host in its database.
fn take_over(host: &Host, server: &mut Server) -> Drip {
    host.configure(server.port, 250, "");
    server.start();
    wait_until_left(*cycles(server, "metrics").last().unwrap());
    let before = cycles(server, "metrics").len();
    let drip = host.start();
    until("its first cycle", || (cycles(server, "metrics").len() > before).then_some(()));
    drip
}

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
    // The second host alone; then the first one is there before it, in the same database.
    let first = collect_without_a_server(&b, &mut server, 5);
    let other = take_over(&a, &mut server);
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
    let samples = collect_without_a_server(&b, &mut server, 3).len() as u64;
    // Another host was there meanwhile, and is gone.
    assert!(take_over(&a, &mut server).stop().success());
    let newest = *cycles(&server, "metrics").last().unwrap();
    wait_until_left(newest);
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

/// The server as other machines see it: not by an address of this one.
fn elsewhere(server: &Server) -> String {
    // On Linux that leads to this machine, and nothing in it says so.
    format!("http://0.0.0.0:{}", server.port)
}

#[test]
fn two_hosts_that_start_at_the_same_moment_with_default_settings_have_a_database_each() {
    let server = Server::new();
    let hosts = [("attic", 1_000_000), ("cellar", 2_000_000)];
    let running: Vec<(Host, Drip)> = hosts
        .iter()
        .map(|(name, memory)| {
            let host = Host::named(name, name, *memory);
            host.configure_for(&elsewhere(&server), 250, "");
            let drip = host.start();
            (host, drip)
        })
        .collect();
    for (name, _) in hosts {
        until("cycles of each", || (cycles(&server, name).len() >= 8).then_some(()));
    }
    for (_, drip) in running {
        assert!(drip.stop().success());
    }
    let mut numbers = Vec::new();
    for (name, memory) in hosts {
        let total = server.samples(&format!("{name}/mem.total"));
        assert!(total.len() >= 8 && total.iter().all(|(_, kb)| *kb == memory as f64), "{name}: {total:?}");
        let counted: Vec<f64> = server.samples(&format!("{name}/drip.cycles")).into_iter().map(|(_, n)| n).collect();
        assert!(counted.iter().zip(1..).all(|(n, expected)| *n == f64::from(expected)), "{name}: {counted:?}");
        let of: Vec<f64> = server.samples(&format!("{name}/drip.host")).into_iter().map(|(_, n)| n).collect();
        assert!(of.len() == counted.len() && of.iter().all(|n| *n == of[0]), "{name}: {of:?}");
        numbers.push(of[0]);
    }
    assert_ne!(numbers[0], numbers[1]);
    assert!(cycles(&server, "metrics").is_empty());
}

/// Two boards as they come out of the box, called the same: neither sees the other before both have sent something.
#[test]
fn of_two_hosts_of_one_name_that_start_at_the_same_moment_one_goes_on_alone() {
    let server = Server::new();
    let mut running: Vec<(Host, Drip)> = [("0a", 1_000_000), ("0b", 2_000_000)]
        .into_iter()
        .map(|(id, memory)| {
            let host = Host::named(id, "raspberrypi", memory);
            host.configure_for(&elsewhere(&server), 1_000, "");
            let drip = host.start();
            (host, drip)
        })
        .collect();
    let ended = until("one of them ends", || running.iter_mut().position(|(_, drip)| drip.ended().is_some()));
    let (_refused_host, mut refused) = running.remove(ended);
    assert_eq!(refused.ended().and_then(|status| status.code()), Some(2), "{}", refused.log());
    assert!(refused.log().contains("database raspberrypi is written by another host"), "{}", refused.log());
    // What comes from now on is of the other one, and nothing of it is missing.
    let before = cycles(&server, "raspberrypi").len();
    until("it goes on", || (cycles(&server, "raspberrypi").len() >= before + 3).then_some(()));
    let (_host, other) = running.remove(0);
    assert!(other.stop().success());
    let memory = if ended == 0 { 2_000_000.0 } else { 1_000_000.0 };
    let total = server.samples("raspberrypi/mem.total");
    assert!(total[before..].iter().all(|(_, kb)| *kb == memory), "{total:?}");
    let number = server.samples("raspberrypi/drip.host").last().unwrap().1;
    let of = server.samples("raspberrypi/drip.host");
    let counted = server.samples("raspberrypi/drip.cycles");
    let own = of.iter().zip(&counted).filter(|((_, of), _)| *of == number).map(|(_, (_, n))| *n);
    assert!(own.zip(1..).all(|(n, expected)| n == f64::from(expected)), "{of:?} {counted:?}");
}
