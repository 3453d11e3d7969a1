//! The same trees as Prometheus's node_exporter reads them. Passed over, with a word, where it is not installed (Debian:
//! prometheus-node-exporter).

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{tree, until};
use drip::trial::Trial;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(common::PATIENCE)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.0 200").then_some(text)
}

/// Its samples of a tree by `name{labels}`; `None` where it is not installed.
fn theirs(root: &Path) -> Option<BTreeMap<String, f64>> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Command::new("prometheus-node-exporter")
        .arg(format!("--path.procfs={}", root.join("proc").display()))
        .arg(format!("--path.sysfs={}", root.join("sys").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        // From the file, not from the kernel of this machine.
        .arg("--no-collector.netdev.netlink")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _exporter = Exporter(started.ok()?);
    let text = until("node_exporter answers", || get(port));
    let lines = text.lines().filter(|line| line.starts_with("node_"));
    Some(
        lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, v)| (name.to_owned(), v.parse().unwrap())).collect(),
    )
}

fn ours(root: &Path) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for collector in ["cpu", "memory", "io", "loadavg", "network", "disk", "pressure"] {
        let text = Trial::new(collector, "").unwrap().cycle(root, 0).unwrap_or_default();
        values.extend(text.lines().map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), value.parse::<f64>().unwrap())
        }));
    }
    values
}

/// What node_exporter calls a metric of ours, and how many of its units one of ours is. `None` for what it does not read,
/// or has as something else.
fn as_theirs(name: &str) -> Option<(String, f64)> {
    let parts: Vec<&str> = name.split('.').collect();
    let named = |name: &str, device: &str| format!("node_{name}{{device=\"{device}\"}}");
    let found = match parts.as_slice() {
        ["mem", field] => {
            let theirs = match *field {
                "total" => "MemTotal",
                "free" => "MemFree",
                "available" => "MemAvailable",
                "buffers" => "Buffers",
                "cached" => "Cached",
                "swapcached" => "SwapCached",
                "swaptotal" => "SwapTotal",
                "swapfree" => "SwapFree",
                _ => return None,
            };
            (format!("node_memory_{theirs}_bytes"), 1_024.0)
        }
        ["net", device, counter] => {
            let (way, what) = counter.split_once('_')?;
            let way = if way == "rx" { "receive" } else { "transmit" };
            let what = if what == "errors" { "errs" } else { what };
            (named(&format!("network_{way}_{what}_total"), device), 1.0)
        }
        ["disk", device, counter] => {
            let (theirs, scale) = match *counter {
                "reads" => ("reads_completed_total", 1.0),
                "writes" => ("writes_completed_total", 1.0),
                "reads_merged" => ("reads_merged_total", 1.0),
                "writes_merged" => ("writes_merged_total", 1.0),
                "read_sectors" => ("read_bytes_total", 512.0),
                "write_sectors" => ("written_bytes_total", 512.0),
                "read_ms" => ("read_time_seconds_total", 1e-3),
                "write_ms" => ("write_time_seconds_total", 1e-3),
                "io_ms" => ("io_time_seconds_total", 1e-3),
                "io_weighted_ms" => ("io_time_weighted_seconds_total", 1e-3),
                "io_in_progress" => ("io_now", 1.0),
                _ => return None,
            };
            (named(&format!("disk_{theirs}"), device), scale)
        }
        ["io", field] => (format!("node_vmstat_{field}"), 1.0),
        ["sys", load @ ("load1" | "load5" | "load15")] => (format!("node_{load}"), 1.0),
        ["psi", resource, counter] => {
            let kind = match (*resource, *counter) {
                ("cpu", "some_total_us") => "cpu_waiting",
                ("memory", "some_total_us") => "memory_waiting",
                ("memory", "full_total_us") => "memory_stalled",
                ("io", "some_total_us") => "io_waiting",
                ("io", "full_total_us") => "io_stalled",
                _ => return None,
            };
            (format!("node_pressure_{kind}_seconds_total"), 1e-6)
        }
        _ => return None,
    };
    Some(found)
}

#[test]
fn values_are_those_of_node_exporter() {
    // 8 of memory, 4 of vmstat, 3 loads; 8 for each interface, 11 for each disk; 5 of pressure, which the Pi 3 does not have.
    for (machine, all) in [("pi3", 15 + 16 + 11), ("pi5", 15 + 16 + 22 + 5), ("x86", 15 + 32 + 44 + 5)] {
        let root = tree(machine, "b");
        let Some(theirs) = theirs(&root) else {
            eprintln!("passed over: there is no prometheus-node-exporter");
            return;
        };
        let ours = ours(&root);
        let mut compared = 0;
        for (name, value) in &ours {
            let Some((named, scale)) = as_theirs(name) else { continue };
            // It sends names with all their signs.
            let dotted = named.replace("bond0_100", "bond0.100");
            let Some(found) = theirs.get(&dotted) else { continue };
            let expected = value * scale;
            assert!(
                (found - expected).abs() <= expected.abs() * 1e-12,
                "{machine} {name}: {expected}, {dotted} {found}"
            );
            compared += 1;
        }
        eprintln!("{machine}: {compared} values are the same");
        assert_eq!(compared, all, "{machine}");
        // Of zones it wants files that the trees do not have; the Pis have the same sensor as a hardware monitor.
        if machine != "x86" {
            let mdeg = (theirs["node_hwmon_temp_celsius{chip=\"cpu_thermal\",sensor=\"temp1\"}"] * 1e3).round();
            assert_eq!(mdeg, ours["temp.cpu"], "{machine}");
        }
    }
}
