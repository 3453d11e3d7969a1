//! The server's own numbers: requests, connections, and the process.

use crate::limits::RequestLimit;
use nanotdb_core::clock::Clock;
use nanotdb_core::stats::{Metric, Recorder, Source, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Statuses that the server answers with; the last slot takes any other.
const STATUSES: [(u16, &str); 17] = [
    (200, "200"),
    (202, "202"),
    (204, "204"),
    (304, "304"),
    (400, "400"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (429, "429"),
    (500, "500"),
    (503, "503"),
    (0, "other"),
];

static REQUESTS: Metric =
    Metric::counter("nanotdb.http.requests", Unit::Count, "Requests answered.").by(&["endpoint", "status"]);
static REQUEST_TIME: Metric =
    Metric::counter("nanotdb.http.request", Unit::Micros, "Time from request heads to the last bytes of the answers.")
        .by(&["endpoint"]);
static RECEIVED: Metric =
    Metric::counter("nanotdb.http.received_bytes", Unit::Bytes, "Bytes of request bodies, as they were sent.");
static SENT: Metric = Metric::counter("nanotdb.http.sent_bytes", Unit::Bytes, "Bytes of answer bodies.");
static IN_FLIGHT: Metric = Metric::gauge("nanotdb.http.in_flight", Unit::Count, "Requests that are being answered.");
static CONNECTIONS: Metric = Metric::gauge("nanotdb.http.open_connections", Unit::Count, "Open connections.");
static ACCEPTED: Metric = Metric::counter("nanotdb.http.connections", Unit::Count, "Connections accepted.");
static PANICS: Metric = Metric::counter("nanotdb.http.panics", Unit::Count, "Requests ended by a bug in the server.");

/// What [`Telemetry`] has to show.
#[cfg(test)]
pub(crate) static ABOUT_HTTP: [&Metric; 8] =
    [&REQUESTS, &REQUEST_TIME, &RECEIVED, &SENT, &IN_FLIGHT, &CONNECTIONS, &ACCEPTED, &PANICS];

#[derive(Debug, Default)]
struct EndpointMetrics {
    by_status: [AtomicU64; STATUSES.len()],
    micros: AtomicU64,
}

/// Counters since start. All relaxed: they are read for display only.
#[derive(Debug)]
pub(crate) struct Telemetry {
    names: &'static [&'static str],
    /// As many.
    endpoints: Vec<EndpointMetrics>,
    received: AtomicU64,
    sent: AtomicU64,
    connections: AtomicI64,
    accepted_connections: AtomicU64,
    panics: AtomicU64,
    requests: RequestLimit,
}

impl Telemetry {
    /// Starts counting under these names. `requests` knows how many there are at the moment.
    pub(crate) fn new(names: &'static [&'static str], requests: RequestLimit) -> Self {
        Self {
            names,
            endpoints: names.iter().map(|_| EndpointMetrics::default()).collect(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            accepted_connections: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            requests,
        }
    }

    /// One answered request, of the name at this place, with the bytes of both bodies.
    pub(crate) fn request(&self, endpoint: usize, status: u16, took: Duration, received: u64, sent: u64) {
        self.received.fetch_add(received, Relaxed);
        self.sent.fetch_add(sent, Relaxed);
        let slot = STATUSES.iter().position(|(s, _)| *s == status).unwrap_or(STATUSES.len() - 1);
        if let Some(metrics) = self.endpoints.get(endpoint) {
            if let Some(counter) = metrics.by_status.get(slot) {
                counter.fetch_add(1, Relaxed);
            }
            metrics.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// A connection came; it counts as open until the guard is dropped.
    pub(crate) fn connection(self: &Arc<Self>) -> ConnectionGuard {
        self.accepted_connections.fetch_add(1, Relaxed);
        self.connections.fetch_add(1, Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    /// A handler panicked.
    pub(crate) fn panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }
}

impl Source for Telemetry {
    fn collect(&self, out: &mut dyn Recorder) {
        for (endpoint, metrics) in self.names.iter().zip(&self.endpoints) {
            let mut total = 0;
            for ((_, status), counter) in STATUSES.iter().zip(&metrics.by_status) {
                let count = counter.load(Relaxed);
                if count > 0 {
                    out.record(&REQUESTS, &[endpoint, status], count);
                }
                total += count;
            }
            if total > 0 {
                out.record(&REQUEST_TIME, &[endpoint], metrics.micros.load(Relaxed));
            }
        }
        out.record(&RECEIVED, &[], self.received.load(Relaxed));
        out.record(&SENT, &[], self.sent.load(Relaxed));
        out.record(&IN_FLIGHT, &[], self.requests.in_flight());
        out.record(&CONNECTIONS, &[], u64::try_from(self.connections.load(Relaxed)).unwrap_or(0));
        out.record(&ACCEPTED, &[], self.accepted_connections.load(Relaxed));
        out.record(&PANICS, &[], self.panics.load(Relaxed));
    }
}

/// An open connection, for the gauge.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Arc<Telemetry>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

static BUILD: Metric =
    Metric::gauge("nanotdb.build_info", Unit::Count, "1, for the version of this binary.").by(&["version"]);
static UPTIME: Metric = Metric::gauge("nanotdb.process.uptime", Unit::Seconds, "Time since the server started.");
static RESIDENT: Metric =
    Metric::gauge("nanotdb.process.resident_memory_bytes", Unit::Bytes, "Memory that is not swapped out.");
static CPU: Metric = Metric::counter("nanotdb.process.cpu", Unit::Micros, "Processor time, of the kernel too.");
static THREADS: Metric = Metric::gauge("nanotdb.process.threads", Unit::Count, "Threads.");
static OPEN_FILES: Metric = Metric::gauge("nanotdb.process.open_files", Unit::Count, "Open files and sockets.");
static WRITTEN: Metric = Metric::counter(
    "nanotdb.process.written_bytes",
    Unit::Bytes,
    "Bytes that the process caused to be written to devices.",
);

/// What [`Process`] has to show.
#[cfg(test)]
pub(crate) static ABOUT_PROCESS: [&Metric; 7] = [&BUILD, &UPTIME, &RESIDENT, &CPU, &THREADS, &OPEN_FILES, &WRITTEN];

/// The process, as `/proc` shows it; where there is no `/proc`, its version and uptime.
pub(crate) struct Process {
    clock: Arc<dyn Clock>,
    started: Duration,
}

impl Process {
    /// Time counts from here.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { started: clock.monotonic(), clock }
    }
}

impl Source for Process {
    fn collect(&self, out: &mut dyn Recorder) {
        out.record(&BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        out.record(&UPTIME, &[], self.clock.monotonic().saturating_sub(self.started).as_secs());
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        if let Some(micros) = read("stat").and_then(|text| cpu_micros(&text)) {
            out.record(&CPU, &[], micros);
        }
        if let Some(status) = read("status") {
            if let Some(kib) = number_of(&status, "VmRSS:") {
                out.record(&RESIDENT, &[], kib.saturating_mul(1_024));
            }
            if let Some(threads) = number_of(&status, "Threads:") {
                out.record(&THREADS, &[], threads);
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // The listing itself is one of them.
            out.record(&OPEN_FILES, &[], (files.count() as u64).saturating_sub(1));
        }
        if let Some(written) = read("io").and_then(|text| number_of(&text, "write_bytes:")) {
            out.record(&WRITTEN, &[], written);
        }
    }
}

/// User and system time of `/proc/self/stat` (proc_pid_stat(5)).
fn cpu_micros(stat: &str) -> Option<u64> {
    // The kernel shows hundredths of seconds to programs, whatever its own tick is.
    const MICROS_PER_TICK: u64 = 10_000;
    // The name of the program, in parentheses, may hold anything. What follows it is field 3 of the manual page.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().skip(14 - 3);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    ticks()?.checked_add(ticks()?)?.checked_mul(MICROS_PER_TICK)
}

/// The number behind a key, in `/proc/self/status` or `/proc/self/io`.
fn number_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::clock::ManualClock;
    use nanotdb_core::stats::Exposition;

    fn text(source: &dyn Source) -> String {
        let mut exposition = Exposition::default();
        source.collect(&mut exposition);
        exposition.text()
    }

    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|l| l == *line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn requests_and_connections_are_counted() {
        let requests = RequestLimit::new(5);
        let telemetry = Arc::new(Telemetry::new(&["other", "import"], requests.clone()));
        let import = 1;
        telemetry.request(import, 200, Duration::from_millis(250), 17, 15);
        telemetry.request(import, 418, Duration::from_millis(250), 0, 3);
        let guard = telemetry.connection();
        let slot = requests.enter(true).unwrap();
        assert_lines(
            &text(&*telemetry),
            &[
                "nanotdb_http_requests_total{endpoint=\"import\",status=\"200\"} 1",
                "nanotdb_http_requests_total{endpoint=\"import\",status=\"other\"} 1",
                "nanotdb_http_request_seconds_total{endpoint=\"import\"} 0.5",
                "nanotdb_http_received_bytes_total 17",
                "nanotdb_http_sent_bytes_total 18",
                "nanotdb_http_in_flight 1",
                "nanotdb_http_open_connections 1",
                "nanotdb_http_connections_total 1",
                "# TYPE nanotdb_http_requests_total counter",
                "# HELP nanotdb_http_open_connections Open connections.",
            ],
        );
        drop((guard, slot));
        assert_lines(&text(&*telemetry), &["nanotdb_http_open_connections 0", "nanotdb_http_in_flight 0"]);
    }

    #[test]
    fn proc_files_are_read_as_the_manual_says() {
        let stat = "4242 (my (odd) name) S 1 4242 4242 0 -1 4194560 2741 0 3 0 150 70 0 0 20 0 9 0 8931 227897344 1355";
        assert_eq!(cpu_micros(stat), Some(2_200_000));
        assert_eq!(cpu_micros("4242 (cut"), None);
        assert_eq!(cpu_micros("4242 (cut) S 1"), None);
        let status = "Name:\tnanotdb\nVmHWM:\t    9000 kB\nVmRSS:\t    5420 kB\nThreads:\t9\n";
        assert_eq!((number_of(status, "VmRSS:"), number_of(status, "Threads:")), (Some(5_420), Some(9)));
        let io = "rchar: 1\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 12288\ncancelled_write_bytes: 7\n";
        assert_eq!(number_of(io, "write_bytes:"), Some(12_288));
        assert_eq!(number_of("rchar: 1\n", "write_bytes:"), None);
    }

    #[test]
    fn the_document_describes_every_number() {
        let counted = nanotdb_core::stats::COUNTED.iter();
        let databases = nanotdb_core::engine::ABOUT_DATABASES.into_iter();
        let all = counted.chain(databases).chain(ABOUT_HTTP).chain(ABOUT_PROCESS);
        let table = nanotdb_core::stats::document(all);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SELF_METRICS.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.contains(&table), "docs/SELF_METRICS.md must hold this table:\n\n{table}");
    }

    #[test]
    fn uptime_counts_from_the_start() {
        let clock = Arc::new(ManualClock::new(0));
        clock.advance(Duration::from_secs(5));
        let process = Process::new(clock.clone());
        clock.advance(Duration::from_secs(2));
        let version = env!("CARGO_PKG_VERSION");
        let info = format!("nanotdb_build_info{{version=\"{version}\"}} 1");
        assert_lines(&text(&process), &["nanotdb_process_uptime_seconds 2", &info]);
    }
}
