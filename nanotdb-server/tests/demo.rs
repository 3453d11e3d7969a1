//! `nanotdb demo`: what a new user sees, from the first request to Ctrl-C.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{BINARY, run};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;
const LONG: Duration = Duration::from_secs(120);

/// A running demo. What it says on the terminal is read line by line.
struct Demo {
    child: Child,
    terminal: BufReader<ChildStderr>,
    port: u16,
    said: String,
    _place: tempfile::TempDir,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let port_file = place.path().join("port");
        let mut child = Command::new(BINARY)
            .args(["demo", "--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .args(args)
            .env("TMPDIR", place.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let terminal = BufReader::new(child.stderr.take().unwrap());
        let mut demo = Self { child, terminal, port: 0, said: String::new(), _place: place };
        demo.read_until("days of a made-up host");
        demo.port = std::fs::read_to_string(port_file).unwrap().parse().unwrap();
        demo
    }

    fn with_history(args: &[&str]) -> Self {
        let mut demo = Self::start(args);
        demo.read_until("History is complete");
        demo
    }

    fn read_until(&mut self, text: &str) {
        let began = Instant::now();
        while !self.said.contains(text) {
            let mut line = String::new();
            let read = self.terminal.read_line(&mut line).unwrap();
            assert!(read > 0 && began.elapsed() < LONG, "no {text:?} in {:?}", self.said);
            self.said.push_str(&line);
        }
    }

    fn get(&self, path: &str) -> serde_json::Value {
        let address = format!("127.0.0.1:{}", self.port);
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        let answer = common::Client { reader: BufReader::new(stream) }.answer(false);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Seconds since 1970 and value of the newest sample.
    fn newest(&self, metric: &str) -> (f64, f64) {
        let answer = self.get(&format!("/api/v1/query?query=metrics/{metric}"));
        let value = &answer["data"]["result"][0]["value"];
        (value[0].as_f64().unwrap(), value[1].as_str().unwrap().parse().unwrap())
    }

    /// Samples of a metric, as (seconds, value).
    fn samples(&self, metric: &str) -> Vec<(f64, f64)> {
        let answer = self.get(&format!("/api/v1/query_range?query=metrics/{metric}&start=-400d"));
        let values = answer["data"]["result"][0]["values"].as_array().unwrap();
        values.iter().map(|v| (v[0].as_f64().unwrap(), v[1].as_str().unwrap().parse().unwrap())).collect()
    }

    /// The directory that it named on the terminal.
    fn directory(&self) -> PathBuf {
        let rest = self.said.split("data and log in ").nth(1).unwrap();
        PathBuf::from(rest.split(", ").next().unwrap())
    }

    /// Ctrl-C; all that it said.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.terminal.read_to_string(&mut self.said).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn a_month_of_83_metrics_is_there_and_goes_on_and_nothing_stays() {
    let began = now();
    let demo = Demo::with_history(&[]);
    let ready = now();
    let catalog = demo.get("/api/v1/metrics?db=metrics");
    assert_eq!(catalog["data"]["result"].as_array().map(Vec::len), Some(83), "{catalog}");

    let samples = demo.samples("sys.uptime_sec");
    let (first, last) = (samples[0].0, samples[samples.len() - 1].0);
    let month = (30 * DAY) as f64;
    // At some moment in between it looked at the clock.
    let (earliest, latest) = (began - month - 30.0, ready - month + 30.0);
    assert!((earliest..latest).contains(&first), "the history begins {} s before now", now() - first);
    assert!((began - 30.0..now()).contains(&last), "the newest sample is {} s old", now() - last);
    // Each 10 seconds, but for a power cut of 55 minutes and an outage of 12.
    let gaps: Vec<f64> = samples.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 15.0).collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!((3_290.0..3_330.0).contains(&gaps[0]) && (710.0..750.0).contains(&gaps[1]), "{gaps:?}");
    assert!((samples.len() as f64 + 330.0 + 72.0 - month / 10.0).abs() < 10.0, "{} samples", samples.len());

    // New samples come, and continue the series.
    let (mut newest, began) = (demo.newest("sys.uptime_sec"), Instant::now());
    let before = newest;
    while newest.0 <= before.0 {
        assert!(began.elapsed() < LONG, "no new sample came");
        std::thread::sleep(Duration::from_millis(200));
        newest = demo.newest("sys.uptime_sec");
    }
    assert!((newest.1 - before.1 - 10.0).abs() < 0.5, "uptime went from {} to {}", before.1, newest.1);

    let directory = demo.directory();
    assert!(directory.join("metrics").is_dir(), "{}", directory.display());
    let said = demo.stop();
    assert!(said.contains("is removed"), "{said}");
    assert!(!directory.exists(), "{} is still there", directory.display());
}

#[test]
fn hours_are_rolled_up_and_past_days_get_metric_files() {
    // Of the days that are over, the last one has its file only an hour after midnight: three do at any time.
    let demo = Demo::with_history(&["--days", "4"]);
    let directory = demo.directory().join("metrics");
    let files = |start: &str| {
        let names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(start)).count()
    };
    let began = Instant::now();
    // The first hours are there before the last ones.
    let hours = || {
        let answer = demo.get("/api/v1/query_range?query=metrics_1h/cpu.busy_pct.max&start=-10d");
        answer["data"]["result"][0]["values"].as_array().map_or(0, Vec::len)
    };
    // An hour at the power cut may have no samples, and the last ones are not over.
    while files("metric-") < 3 || hours() < 92 {
        assert!(began.elapsed() < LONG, "{} metric files, {} hours", files("metric-"), hours());
        std::thread::sleep(Duration::from_millis(200));
    }
    let hours = hours();
    assert!((92..=97).contains(&hours), "{hours} hours");
    demo.stop();
}

#[test]
fn a_kept_demo_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("kept");
    let args = ["--root", root.to_str().unwrap()];
    let demo = Demo::with_history(&[&args[..], &["--days", "2", "--seed", "7"]].concat());
    let before = demo.samples("net.eth0.rx_bytes");
    let said = demo.stop();
    let again = format!("nanotdb demo --root {} --listen 127.0.0.1:", root.display());
    assert!(said.contains("goes on with: ") && said.contains(&again), "{said}");
    // The time between the two starts is made up as well: let there be some.
    std::thread::sleep(Duration::from_secs(11));
    let demo = Demo::with_history(&args);
    let after = demo.samples("net.eth0.rx_bytes");
    assert!(after.len() > before.len(), "{} and then {} samples", before.len(), after.len());
    assert_eq!(after[..before.len()], before[..], "what was there has changed");
    let (last, next) = (before[before.len() - 1], after[before.len()]);
    assert!((9.9..10.1).contains(&(next.0 - last.0)), "{last:?} and then {next:?}");
    assert!(next.1 >= last.1 && next.1 - last.1 < 5e6, "{last:?} and then {next:?}");
    assert_eq!(after.windows(2).filter(|pair| pair[1].0 <= pair[0].0).count(), 0);
    demo.stop();
    assert!(root.join("metrics").is_dir());
}

#[test]
fn other_data_and_wrong_arguments_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("nanotdb-data");
    std::fs::create_dir_all(data.join("pi")).unwrap();
    let (code, _, error) = run(&["demo", "--root", "nanotdb-data", "--listen", "127.0.0.1:0"], place.path());
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("nanotdb-data") && error.contains("it holds pi") && error.contains("--root"), "{error}");
    assert!(Path::new(&data).read_dir().unwrap().count() == 1, "something was written");
    for args in [["demo", "--days", "0"], ["demo", "--days", "many"], ["demo", "--seed", "-"]] {
        let (code, _, error) = run(&args, place.path());
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(args[1]), "{error}");
    }
}
