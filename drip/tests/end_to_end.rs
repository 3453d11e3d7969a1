//! drip and the real server: what happens when one of them, or the line between them, goes away.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Drip, Server, signal, until};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Cycles came without a gap and none twice, from the first one on, and whole. More may come while one looks.
#[track_caller]
fn assert_whole(server: &Server) {
    let cycles = server.samples("metrics/drip.cycles");
    let numbers: Vec<f64> = cycles.iter().map(|(_, n)| *n).collect();
    assert!(numbers.iter().zip(1..).all(|(n, expected)| *n == f64::from(expected)), "{numbers:?}");
    // The last line of each.
    let ends = server.samples("metrics/drip.cycle_ms").into_iter().map(|(ms, _)| ms).take(cycles.len());
    assert_eq!(ends.collect::<Vec<_>>(), cycles.iter().map(|(ms, _)| *ms).collect::<Vec<_>>());
}

/// The same of a drip that has ended, with every sample: as many as it counted. (A collector that is late on a busy machine
/// has none in one cycle and brings them with the next.)
#[track_caller]
fn assert_all_there(server: &Server) {
    assert_whole(server);
    let counted: f64 = server.samples("metrics/drip.samples").iter().map(|(_, n)| n).sum();
    let names = server.metrics("metrics");
    let of_collectors = names.iter().filter(|name| !name.starts_with("drip."));
    let mut found = BTreeMap::new();
    for name in of_collectors {
        let times: Vec<i64> = server.samples(&format!("metrics/{name}")).iter().map(|(ms, _)| *ms).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{name} twice: {times:?}");
        found.insert(name, times.len());
    }
    let own = |name: &str| server.samples(&format!("metrics/drip.{name}"));
    let rejected = own("rejected");
    assert_eq!(found.values().sum::<usize>() as f64, counted, "{found:?} {:?} {rejected:?}", own("samples"));
}

#[test]
fn no_cycle_is_missing_after_the_server_was_stopped_for_a_while() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(3);
    assert!(drip.segments().is_empty(), "nothing is spooled while the server answers");
    for _ in 0..2 {
        server.stop();
        drip.wait_for_spooled(6);
        let before = drip.spooled();
        server.start();
        until("the spool is sent", || drip.segments().is_empty().then_some(()));
        let newest = *before.last().unwrap();
        until("newer cycles arrive", || (server.samples("metrics/drip.cycles").last()?.0 > newest).then_some(()));
        assert_whole(&server);
    }
    until("it says so twice", || (drip.log().matches("answers again after").count() > 1).then_some(()));
    let log = drip.log();
    assert!(drip.stop().success());
    assert_all_there(&server);
    // One line when it goes away and one when it is back, not one per cycle.
    assert_eq!(log.matches("does not answer").count(), 2, "{log}");
    assert_eq!(log.matches("answers again").count(), 2, "{log}");
    let timestamps: Vec<i64> = server.samples("metrics/cpu.user").iter().map(|(ms, _)| *ms).collect();
    assert!(timestamps.iter().all(|ms| ms % 250 == 0), "aligned to the interval: {timestamps:?}");
}

#[test]
fn no_cycle_is_missing_or_doubled_when_the_server_is_killed_again_and_again() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    for _ in 0..3 {
        let before = server.cycles().len();
        server.wait_for_cycles(before + 2);
        server.kill();
        drip.wait_for_spooled(2);
        server.start();
        until("the spool is sent", || drip.segments().is_empty().then_some(()));
    }
    assert!(drip.stop().success());
    assert_all_there(&server);
}

/// The page with the newest cycles is damaged while the server is away: it answers with an older one, and says so. Nobody waits for
/// damage to go away, and what drip still has is sent.
#[test]
fn a_marker_in_a_damaged_page_holds_nothing_up() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    let mut before = 0;
    for _ in 0..2 {
        before = server.cycles().len();
        server.wait_for_cycles(before + 2);
        server.stop();
        drip.wait_for_spooled(2);
        server.start();
        until("the spool is sent", || drip.segments().is_empty().then_some(()));
    }
    server.stop();
    let files = std::fs::read_dir(server.dir.path().join("metrics")).unwrap().map(|entry| entry.unwrap().path());
    let is_data = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("data-");
    let newest = files.filter(is_data).max().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    drip.wait_for_spooled(3);
    let spooled = drip.spooled();
    server.start();
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    drip.wait_for_log("the server has lost samples");
    assert!(drip.stop().success());
    let cycles = server.samples("metrics/drip.cycle_ms");
    let times: Vec<i64> = cycles.iter().map(|(ms, _)| *ms).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "none twice: {times:?}");
    assert!(spooled.iter().all(|ms| times.contains(ms)), "{spooled:?}: {times:?}");
    assert!(times.len() > before, "{times:?}");
}

/// A line between drip and the server that breaks in the middle of things.
struct Line {
    port: u16,
    /// Requests that are still to be broken.
    breaks: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Break {
    /// The server has the request; the answer is lost.
    Answer,
    /// The server gets the beginning of the request.
    Request,
}

impl Line {
    fn to(server: u16, how: Break) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let breaks = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&breaks);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let left = Arc::clone(&left);
                std::thread::spawn(move || carry(stream.unwrap(), server, how, &left));
            }
        });
        Self { port, breaks }
    }
}

/// Carries requests and answers until one is to be broken, or an end closes.
fn carry(mut drip: TcpStream, server: u16, how: Break, left: &AtomicUsize) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).ok()?;
    loop {
        let request = message(&mut drip)?;
        let breaks = request.starts_with(b"POST") && left.load(Ordering::SeqCst) > 0;
        if breaks && how == Break::Request {
            left.fetch_sub(1, Ordering::SeqCst);
            server.write_all(&request[..request.len() / 2]).ok()?;
            return None;
        }
        server.write_all(&request).ok()?;
        let answer = message(&mut server)?;
        if breaks {
            left.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        drip.write_all(&answer).ok()?;
    }
}

/// One HTTP message with a length.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= head.len() + 4 + length.unwrap_or(0) {
            return Some(bytes);
        }
    }
}

#[track_caller]
fn survives(how: Break) {
    let server = Server::new();
    let line = Line::to(server.port, how);
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), line.port, "");
    for round in 0..3 {
        server.wait_for_cycles(2 + 3 * round);
        line.breaks.store(1, Ordering::SeqCst);
        until("the line breaks", || (line.breaks.load(Ordering::SeqCst) == 0).then_some(()));
        until("it is mended", || (drip.log().matches("answers again").count() > round).then_some(()));
    }
    assert!(drip.stop().success());
    assert_all_there(&server);
}

#[test]
fn a_request_whose_answer_is_lost_is_not_stored_twice() {
    survives(Break::Answer);
}

#[test]
fn a_request_that_breaks_in_the_middle_is_sent_again() {
    survives(Break::Request);
}

#[test]
fn a_server_that_is_frozen_is_away_and_loses_nothing() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    // SIGSTOP: the kernel still takes connections, nobody answers.
    signal(server.pid(), "STOP");
    drip.wait_for_log("no answer within 2s");
    drip.wait_for_spooled(4);
    signal(server.pid(), "CONT");
    drip.wait_for_log("answers again");
    assert!(drip.stop().success());
    assert_all_there(&server);
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts_what_it_dropped() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "[spool]\nmax_bytes = 65536");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_log("there is no room for more cycles: the oldest are dropped");
    let size: u64 = drip.segments().iter().map(|path| path.metadata().map_or(0, |m| m.len())).sum();
    assert!(size <= 65_536, "{size}");
    server.start();
    drip.wait_for_log("were dropped because there was no room for them");
    let before = server.cycles().len();
    server.wait_for_cycles(before + 1);
    assert!(drip.stop().success());
    let cycles = server.cycles();
    assert!(cycles.is_sorted_by(|a, b| a < b), "in order, none twice: {cycles:?}");
    let lost = cycles.last().unwrap() - cycles.len() as u64;
    // All cycles of this tree have as many samples.
    let per_cycle = server.samples("metrics/drip.samples").last().unwrap().1 + OWN_METRICS;
    let dropped = server.samples("metrics/drip.dropped").last().unwrap().1;
    assert!(lost > 0);
    assert_eq!(dropped, lost as f64 * per_cycle);
}

/// Metrics of drip itself in each cycle: cycles, samples, errors, troubles, dropped, rejected, left_out, failed_sends,
/// spool_bytes, host, cycle_ms.
const OWN_METRICS: f64 = 11.0;

#[test]
fn cycles_that_were_spooled_arrive_after_drip_was_killed_too() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_spooled(5);
    drip.kill();
    let drip = Drip::start_again(dir.path());
    let first_run = drip.spooled();
    drip.wait_for_spooled(first_run.len() + 3);
    let spooled = drip.spooled();
    server.start();
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    drip.wait_for_log("answers again");
    assert!(drip.stop().success());
    let arrived: Vec<i64> = server.samples("metrics/drip.cycle_ms").iter().map(|(ms, _)| *ms).collect();
    assert!(arrived.is_sorted_by(|a, b| a < b), "in order, none twice: {arrived:?}");
    let missing: Vec<_> = spooled.iter().filter(|ms| !arrived.contains(ms)).collect();
    assert!(missing.is_empty(), "{missing:?} of {spooled:?}");
}

#[test]
fn a_cycle_that_is_not_sent_is_spooled_when_drip_is_told_to_end() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_spooled(1);
    assert!(drip.stop().success());
    server.start();
    let drip = Drip::start_again(dir.path());
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    drip.wait_for_log("of an earlier run");
    assert!(drip.stop().success());
    // The first run's cycles have no gap; the second run counts from one again.
    let cycles = server.cycles();
    let second = cycles.iter().skip(1).position(|n| *n == 1).map_or(cycles.len(), |at| at + 1);
    assert_eq!(cycles[..second], (1..=second as u64).collect::<Vec<_>>());
    assert_eq!(cycles[second..], (1..=(cycles.len() - second) as u64).collect::<Vec<_>>());
}

#[test]
fn a_segment_is_line_protocol_that_the_server_imports_as_it_is() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(1);
    server.stop();
    drip.wait_for_spooled(3);
    assert!(drip.stop().success());
    let copy = Server::new();
    let mut lines = 0;
    for segment in std::fs::read_dir(dir.path().join("state")).unwrap().map(|e| e.unwrap().path()) {
        let text = std::fs::read_to_string(&segment).unwrap();
        if !text.is_empty() {
            lines += text.lines().filter(|line| !line.starts_with('#')).count();
            let (status, body) = copy.post(&text);
            assert_eq!(status, 200, "{body}");
            assert!(body.contains(&format!("\"imported\":{lines}")), "{body}");
        }
    }
    assert!(lines > 240);
}

#[test]
fn lines_that_the_server_rejects_do_not_hold_up_the_others() {
    let mut server = Server::with_config("[values]\nmixing = \"reject\"\n");
    // From now on an integer metric: drip's floats are refused.
    assert_eq!(server.post("metrics/sys.load1 5 1000000000000000000\n").0, 200);
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_spooled(3);
    server.start();
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    drip.wait_for_log("answers again");
    let count = server.cycles().len();
    server.wait_for_cycles(count + 2);
    let log = drip.log();
    assert!(drip.stop().success());
    assert_whole(&server);
    assert_eq!(server.samples("metrics/sys.load1").len(), 1);
    assert_eq!(log.matches("the server rejects samples: 1 line rejected, ").count(), 1, "{log}");
    let cycles = server.cycles().len() as f64;
    let rejected = server.samples("metrics/drip.rejected").last().unwrap().1;
    // One of each cycle, as far as a cycle can know what became of those before it.
    assert!(rejected >= cycles - 3.0 && rejected < cycles, "{rejected} of {cycles}");
}

#[test]
fn requests_that_are_too_large_for_the_server_are_cut() {
    let mut server = Server::with_config("[limits]\nmax_body_bytes = 2000\n");
    let dir = tempfile::tempdir().unwrap();
    // Each cycle takes seven requests: they have their time on a busy machine, too.
    let drip = Drip::start_every(1_000, dir.path(), server.port, "");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_spooled(3);
    server.start();
    until("the spool is sent", || drip.segments().is_empty().then_some(()));
    assert!(drip.stop().success());
    assert_all_there(&server);
    assert_eq!(server.samples("metrics/drip.dropped").last().unwrap().1, 0.0);
}

#[test]
fn nothing_is_written_while_the_server_answers() {
    let server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{}/io", drip.pid())).unwrap();
        io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse::<u64>().ok()).unwrap()
    };
    let before = written();
    let count = server.cycles().len();
    server.wait_for_cycles(count + 4);
    assert_eq!(written(), before);
    let files: Vec<_> = std::fs::read_dir(dir.path().join("state")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["lock"]);
    assert!(drip.stop().success());
}

#[test]
fn without_a_directory_to_write_to_cycles_are_kept_in_memory() {
    let mut server = Server::new();
    let dir = tempfile::tempdir().unwrap();
    // A file where the directory would have to be.
    std::fs::write(dir.path().join("state"), "").unwrap();
    let drip = Drip::start(dir.path(), server.port, "");
    server.wait_for_cycles(2);
    server.stop();
    drip.wait_for_log("does not answer");
    std::thread::sleep(Duration::from_millis(600));
    server.start();
    drip.wait_for_log("answers again");
    let log = drip.log();
    assert!(drip.stop().success());
    assert_all_there(&server);
    assert!(log.contains("no spool ("), "{log}");
}
