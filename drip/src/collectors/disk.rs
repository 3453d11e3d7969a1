//! /proc/diskstats: counters and rates of whole block devices.

use super::{advance, integer, malformed};
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Part, Patterns, Samples, async_trait, seconds_between,
};
use std::time::Instant;

struct Disk {
    skip: Patterns,
    devices: Vec<Device>,
    lines: String,
}

/// A line of the file that was seen, of a device or of something that is left out.
struct Device {
    name: String,
    /// A whole device, and not skipped.
    wanted: bool,
    before: Option<(Instant, [u64; 11])>,
    seen: bool,
}

const PATH: &str = "proc/diskstats";

/// The first eleven counters of a line, in order.
const COUNTERS: [&str; 11] = [
    "reads",
    "reads_merged",
    "read_sectors",
    "read_ms",
    "writes",
    "writes_merged",
    "write_sectors",
    "write_ms",
    "io_in_progress",
    "io_ms",
    "io_weighted_ms",
];
const READS: usize = 0;
const READ_SECTORS: usize = 2;
const WRITES: usize = 4;
const WRITE_SECTORS: usize = 6;
const IN_PROGRESS: usize = 8;
const IO_MS: usize = 9;

/// The kernel counts in these, whatever the device has.
const SECTOR_BYTES: f64 = 512.0;

const SKIP: [&str; 8] = ["loop*", "ram*", "zram*", "sr*", "fd*", "nbd*", "mmcblk*boot*", "mmcblk*rpmb"];

#[async_trait]
impl Collector for Disk {
    /// A line is ` 179       0 mmcblk0 31022 9102 2210312 ...`.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        // Copied, because looking for a new device in /sys uses the buffer again.
        self.lines.clear();
        self.lines.push_str(text);
        let now = cycle.now();
        self.devices.iter_mut().for_each(|device| device.seen = false);
        let lines = std::mem::take(&mut self.lines);
        for line in lines.lines() {
            let mut fields = line.split_ascii_whitespace();
            let Some(name) = fields.nth(2) else { continue };
            let device = self.device(name, cycle);
            device.seen = true;
            if !device.wanted {
                continue;
            }
            let mut counters = [0; 11];
            if counters.iter_mut().all(|value| {
                integer(&mut fields).is_some_and(|v| {
                    *value = v;
                    true
                })
            }) {
                device.report(now, counters, out);
            } else {
                device.before = None;
                out.problem(name, format_args!("/{PATH}: its line does not have eleven counters"));
            }
        }
        self.lines = lines;
        // A device that comes back begins anew.
        self.devices.retain(|device| device.seen);
        if self.devices.is_empty() && !self.lines.trim().is_empty() {
            return Err(malformed(PATH, "a line of a device"));
        }
        Ok(())
    }
}

impl Disk {
    fn device(&mut self, name: &str, cycle: &mut Cycle) -> &mut Device {
        let at = self.devices.iter().position(|device| device.name == name).unwrap_or_else(|| {
            let wanted = !self.skip.matches(name) && is_whole(name, cycle);
            self.devices.push(Device { name: name.to_owned(), wanted, before: None, seen: true });
            self.devices.len() - 1
        });
        &mut self.devices[at]
    }
}

/// Partitions have no directory of their own in /sys/block. There, a slash in a name is an exclamation mark.
fn is_whole(name: &str, cycle: &mut Cycle) -> bool {
    !cycle.exists("sys/block") || cycle.exists(&format!("sys/block/{}", name.replace('/', "!")))
}

impl Device {
    fn report(&mut self, now: Instant, counters: [u64; 11], out: &mut Samples) {
        let part = Part(&self.name);
        for (counter, value) in COUNTERS.into_iter().zip(counters) {
            out.integer(format_args!("disk.{part}.{counter}"), value);
        }
        let before = self.before.replace((now, counters));
        let Some((then, before)) = before else { return };
        let Some(seconds) = seconds_between(then, now) else { return };
        // One counter that went back is a reset of them all: no rates until the next cycle.
        let mut advanced = [0_u64; 11];
        for (at, (advanced, (before, now))) in advanced.iter_mut().zip(before.into_iter().zip(counters)).enumerate() {
            match advance(before, now) {
                Some(n) => *advanced = n,
                None if at == IN_PROGRESS => {}
                None => return,
            }
        }
        let of = |at: usize| advanced.get(at).copied().unwrap_or_default() as f64;
        let kib_per_second = |sectors: f64| sectors * SECTOR_BYTES / 1_024.0 / seconds;
        // The kernel's milliseconds and our clock can differ by a tick.
        out.float(format_args!("disk.{part}.busy_pct"), (of(IO_MS) / seconds / 10.0).min(100.0), 2);
        out.float(format_args!("disk.{part}.iops"), (of(READS) + of(WRITES)) / seconds, 1);
        out.float(format_args!("disk.{part}.read_kbps"), kib_per_second(of(READ_SECTORS)), 1);
        out.float(format_args!("disk.{part}.write_kbps"), kib_per_second(of(WRITE_SECTORS)), 1);
    }
}

inventory::submit! {
    CollectorPlugin {
        name: "disk",
        about: "operations, sectors, times and rates of each block device",
        keys: "# Devices that are left out. Partitions always are.\n\
               skip = [\"loop*\", \"ram*\", \"zram*\", \"sr*\", \"fd*\", \"nbd*\", \"mmcblk*boot*\", \"mmcblk*rpmb\"]\n",
        timeout_ms: 2_000,
        build: |section| {
            let skip = section.patterns("skip", &SKIP);
            Box::new(Disk { skip, devices: Vec::new(), lines: String::new() })
        },
    }
}
