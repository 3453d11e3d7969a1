//! /proc/diskstats: counters and rates of whole block devices.

use super::{advance, malformed};
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Part, Patterns, Samples, async_trait, seconds_between,
};
use std::time::Instant;

struct Disk {
    skip: Patterns,
    /// Devices that are wanted though `skip` has them.
    also: Patterns,
    devices: Vec<Device>,
    lines: String,
}

/// A line of the file that was seen, of a device or of something that is left out.
struct Device {
    name: String,
    /// What it is called in metrics: a `dm-3` by the name of its mapping, because the number is another one after the next
    /// start. The kernel's name stands beside it for a release.
    part: String,
    old_part: Option<String>,
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

/// What stands for a counter that the kernel has wrong; too large to be sent.
const UNKNOWN: u64 = u64::MAX;

/// The last two are made for each guest or volume; the disks that are behind them are measured.
const SKIP: [&str; 10] = ["loop*", "ram*", "zram*", "sr*", "fd*", "nbd*", "mmcblk*boot*", "mmcblk*rpmb", "zd*", "dm-*"];

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
            if read(&mut fields, &mut counters) {
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
            let mapping = mapping(name, cycle);
            let is_named =
                |patterns: &Patterns| patterns.matches(name) || mapping.as_ref().is_some_and(|m| patterns.matches(m));
            let wanted = (!is_named(&self.skip) || is_named(&self.also)) && is_whole(name, cycle);
            let plain = Part(name).to_string();
            let part = mapping.map_or_else(|| plain.clone(), |mapping| Part(&mapping).to_string());
            let is_taken = |part: &String| self.devices.iter().any(|device| device.part == *part);
            // A mapping that is called as a disk is must not be that disk.
            let part = if is_taken(&part) || part.is_empty() { plain.clone() } else { part };
            let old_part = (part != plain).then_some(plain);
            self.devices.push(Device { name: name.to_owned(), part, old_part, wanted, before: None, seen: true });
            self.devices.len() - 1
        });
        &mut self.devices[at]
    }
}

/// The name of a device of the device mapper: `vg0-home`, `luks-1234`.
fn mapping(name: &str, cycle: &mut Cycle) -> Option<String> {
    name.starts_with("dm-").then(|| cycle.read(&format!("sys/block/{name}/dm/name")).ok())?.map(|t| t.trim().to_owned())
}

/// Takes the counters of a line. Operations under way are below zero on kernels that miscount them: that one is left out.
fn read<'a>(fields: &mut impl Iterator<Item = &'a str>, counters: &mut [u64; 11]) -> bool {
    counters.iter_mut().enumerate().all(|(at, value)| {
        let field = fields.next().unwrap_or_default();
        let found = match at == IN_PROGRESS && field.starts_with('-') {
            true => field.parse::<i64>().ok().map(|_| UNKNOWN),
            false => field.parse().ok(),
        };
        *value = found.unwrap_or_default();
        found.is_some()
    })
}

/// Partitions have no directory of their own in /sys/block. There, a slash in a name is an exclamation mark.
fn is_whole(name: &str, cycle: &mut Cycle) -> bool {
    !cycle.exists("sys/block") || cycle.exists(&format!("sys/block/{}", name.replace('/', "!")))
}

impl Device {
    fn report(&mut self, now: Instant, counters: [u64; 11], out: &mut Samples) {
        let before = self.before.replace((now, counters));
        for part in std::iter::once(&self.part).chain(&self.old_part) {
            for (counter, value) in COUNTERS.into_iter().zip(counters) {
                out.integer(format_args!("disk.{part}.{counter}"), value);
            }
            if let Some((then, before)) = before
                && let Some(seconds) = seconds_between(then, now)
            {
                report_rates(part, seconds, before, counters, out);
            }
        }
    }
}

fn report_rates(part: &str, seconds: f64, before: [u64; 11], now: [u64; 11], out: &mut Samples) {
    // One counter that went back is a reset of them all: no rates until the next cycle.
    let mut advanced = [0_u64; 11];
    for (at, (advanced, (before, now))) in advanced.iter_mut().zip(before.into_iter().zip(now)).enumerate() {
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

const KEYS: [Key; 2] = [
    Key::new(
        "skip",
        Kind::Texts,
        r#"["loop*", "ram*", "zram*", "sr*", "fd*", "nbd*", "mmcblk*boot*", "mmcblk*rpmb", "zd*", "dm-*"]"#,
        "Devices that are left out. Partitions always are.",
    ),
    Key::new(
        "also",
        Kind::Texts,
        "[]",
        r#"Devices that are wanted all the same; LVM and encrypted disks go by their names: ["vg0-home", "luks-*"]"#,
    ),
];

inventory::submit! {
    CollectorPlugin::new("disk", "operations, sectors, times and rates of each block device", &KEYS, |section| {
        let skip = section.patterns("skip", &SKIP);
        let also = section.patterns("also", &[]);
        Box::new(Disk { skip, also, devices: Vec::new(), lines: String::new() })
    })
}
