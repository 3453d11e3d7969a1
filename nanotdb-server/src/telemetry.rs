//! The server's own metrics, as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Endpoints by index, as they are labelled. Index 0 takes what no route took.
pub(crate) const ENDPOINTS: [&str; 12] = [
    "other",
    "/api/v1/import",
    "/api/v1/import/prometheus",
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/aggregates",
    "/api/v1/databases",
    "/api/v1/metrics",
    "/api/v1/rollup/backfill",
    "/health",
    "/metrics",
    "/",
];

/// Statuses that the server answers with; the last slot takes any other.
const STATUSES: [u16; 13] = [200, 204, 304, 400, 404, 405, 408, 409, 413, 429, 500, 503, 0];

#[derive(Debug, Default)]
struct EndpointMetrics {
    by_status: [AtomicU64; STATUSES.len()],
    nanos: AtomicU64,
    count: AtomicU64,
}

/// Counters since start. All relaxed: they are read for display only.
#[derive(Debug)]
pub(crate) struct Telemetry {
    started: Duration,
    endpoints: [EndpointMetrics; ENDPOINTS.len()],
    imported: AtomicU64,
    rejected: AtomicU64,
    received: AtomicU64,
    connections: AtomicI64,
    accepted_connections: AtomicU64,
    panics: AtomicU64,
}

impl Telemetry {
    /// Starts counting; `started` is the monotonic clock.
    pub(crate) fn new(started: Duration) -> Self {
        Self {
            started,
            endpoints: Default::default(),
            imported: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            received: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            accepted_connections: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    /// One answered request.
    pub(crate) fn request(&self, endpoint: usize, status: u16, took: Duration, received: u64) {
        self.received.fetch_add(received, Relaxed);
        let slot = STATUSES.iter().position(|s| *s == status).unwrap_or(STATUSES.len() - 1);
        if let Some(metrics) = self.endpoints.get(endpoint) {
            if let Some(counter) = metrics.by_status.get(slot) {
                counter.fetch_add(1, Relaxed);
            }
            metrics.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
            metrics.count.fetch_add(1, Relaxed);
        }
    }

    /// Samples of one import.
    pub(crate) fn samples(&self, imported: u64, rejected: u64) {
        self.imported.fetch_add(imported, Relaxed);
        self.rejected.fetch_add(rejected, Relaxed);
    }

    /// A connection came; it counts as open until the guard is dropped.
    pub(crate) fn connection(self: &std::sync::Arc<Self>) -> ConnectionGuard {
        self.accepted_connections.fetch_add(1, Relaxed);
        self.connections.fetch_add(1, Relaxed);
        ConnectionGuard(std::sync::Arc::clone(self))
    }

    /// A handler panicked.
    pub(crate) fn panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// The exposition. `now` is the monotonic clock.
    pub(crate) fn exposition(&self, now: Duration) -> String {
        let mut out = String::with_capacity(4_096);
        let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, f64)]| {
            let _ = writeln!(out, "# HELP nanotdb_{name} {help}\n# TYPE nanotdb_{name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(out, "nanotdb_{name}{labels} {value}");
            }
        };
        let one = |value: f64| vec![(String::new(), value)];
        let uptime = now.saturating_sub(self.started).as_secs_f64();
        family("process_uptime_seconds", "gauge", "Time since the server started.", &one(uptime));
        if let Some(resident) = resident_bytes() {
            family("process_resident_memory_bytes", "gauge", "Resident set size.", &one(resident as f64));
        }
        let info = vec![(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0)];
        family("build_info", "gauge", "Version of this binary.", &info);

        let mut requests = Vec::new();
        let mut durations = Vec::new();
        let mut counts = Vec::new();
        for (name, metrics) in ENDPOINTS.iter().zip(&self.endpoints) {
            let count = metrics.count.load(Relaxed);
            if count == 0 {
                continue;
            }
            for (status, counter) in STATUSES.iter().zip(&metrics.by_status) {
                let value = counter.load(Relaxed);
                if value > 0 {
                    let code = if *status == 0 { "other".to_owned() } else { status.to_string() };
                    requests.push((format!("{{route=\"{name}\",status=\"{code}\"}}"), value as f64));
                }
            }
            let seconds = Duration::from_nanos(metrics.nanos.load(Relaxed)).as_secs_f64();
            durations.push((format!("_sum{{route=\"{name}\"}}"), seconds));
            counts.push((format!("_count{{route=\"{name}\"}}"), count as f64));
        }
        family("http_requests_total", "counter", "Requests answered, by route and status.", &requests);
        durations.append(&mut counts);
        let help = "Time from request head to last byte of the answer, by route.";
        family("http_request_duration_seconds", "summary", help, &durations);
        let load = |counter: &AtomicU64| one(counter.load(Relaxed) as f64);
        family("imported_samples_total", "counter", "Samples stored by HTTP imports.", &load(&self.imported));
        family("rejected_samples_total", "counter", "Lines refused by HTTP imports.", &load(&self.rejected));
        family("http_received_bytes_total", "counter", "Request body bytes as sent.", &load(&self.received));
        let open = one(self.connections.load(Relaxed) as f64);
        family("http_connections", "gauge", "Open connections.", &open);
        let accepted = load(&self.accepted_connections);
        family("http_connections_total", "counter", "Connections accepted.", &accepted);
        family("http_panics_total", "counter", "Requests ended by a bug in the server.", &load(&self.panics));
        out
    }
}

/// An open connection, for the gauge.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(std::sync::Arc<Telemetry>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Resident memory from `/proc/self/statm`; `None` where there is none.
fn resident_bytes() -> Option<u64> {
    // Pages are 4 KiB on every platform that is released; asking for the size takes unsafe code.
    const PAGE: u64 = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_appear_with_help_and_type() {
        let telemetry = std::sync::Arc::new(Telemetry::new(Duration::from_secs(5)));
        telemetry.request(1, 200, Duration::from_millis(250), 17);
        telemetry.request(1, 418, Duration::from_millis(250), 0);
        telemetry.samples(3, 1);
        let guard = telemetry.connection();
        let text = telemetry.exposition(Duration::from_secs(7));
        for line in [
            "nanotdb_process_uptime_seconds 2",
            "nanotdb_http_requests_total{route=\"/api/v1/import\",status=\"200\"} 1",
            "nanotdb_http_requests_total{route=\"/api/v1/import\",status=\"other\"} 1",
            "nanotdb_http_request_duration_seconds_sum{route=\"/api/v1/import\"} 0.5",
            "nanotdb_http_request_duration_seconds_count{route=\"/api/v1/import\"} 2",
            "nanotdb_imported_samples_total 3",
            "nanotdb_rejected_samples_total 1",
            "nanotdb_http_received_bytes_total 17",
            "nanotdb_http_connections 1",
            "# TYPE nanotdb_http_requests_total counter",
            "# HELP nanotdb_http_connections Open connections.",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        drop(guard);
        assert!(telemetry.exposition(Duration::ZERO).contains("nanotdb_http_connections 0\n"));
    }
}
