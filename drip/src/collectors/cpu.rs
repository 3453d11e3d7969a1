//! Processor: times of /proc/stat, clock, temperature, uptime.

use super::{advance, integer, note};
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, ReadError, Samples, Section, async_trait};

struct Cpu {
    before: Option<Times>,
    clocks: Vec<String>,
    /// Path of the thermometer; `None` until one was found.
    thermometer: Option<String>,
    /// As drip.toml names it.
    configured: bool,
    until_search: u64,
}

/// Ticks since boot: user, nice, system, idle, iowait, irq, softirq, steal.
#[derive(Clone, Copy)]
struct Times([u64; 8]);

const STAT: &str = "proc/stat";
const UPTIME: &str = "proc/uptime";
const POLICIES: &str = "sys/devices/system/cpu/cpufreq";
const ZONES: &str = "sys/class/thermal";
const MONITORS: &str = "sys/class/hwmon";

const NAMES: [&str; 7] = ["cpu.user", "cpu.nice", "cpu.system", "cpu.idle", "cpu.iowait", "cpu.irq", "cpu.softirq"];

/// Types of thermal zones, and names of hardware monitors, that are the processor's; the first that is there is taken.
const ZONE_TYPES: [&str; 8] = [
    "cpu-thermal",
    "cpu_thermal",
    "soc-thermal",
    "soc_thermal",
    "bcm2835_thermal",
    "cpu0-thermal",
    "x86_pkg_temp",
    "cpu-0-0-thermal",
];
const MONITOR_NAMES: [&str; 5] = ["coretemp", "k10temp", "zenpower", "cpu_thermal", "fam15h_power"];

/// Thousandths of a degree that a processor can have while it computes.
const SANE_MDEG: std::ops::RangeInclusive<i64> = -40_000..=150_000;

/// Cycles until a clock or thermometer that was not there is looked for again.
const SEARCH_EVERY: u64 = 60;

#[async_trait]
impl Collector for Cpu {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        self.search(cycle);
        let times = self.times(cycle, out);
        let none = times.as_ref().is_err_and(ReadError::is_missing);
        note(out, "cpu times", times);
        let read = uptime(cycle, out);
        note(out, "sys.uptime_sec", read);
        self.temperature(cycle, out);
        self.clock(cycle, out);
        match none && out.count() == 0 {
            true => Err(CollectError::NotHere(format!("there is no /{STAT}"))),
            false => Ok(()),
        }
    }
}

impl Cpu {
    /// Finds clocks and thermometer, at first and then now and then while one is missing.
    fn search(&mut self, cycle: &mut Cycle) {
        if (!self.clocks.is_empty() && self.thermometer.is_some()) || self.until_search > 0 {
            self.until_search = self.until_search.saturating_sub(1);
            return;
        }
        self.until_search = SEARCH_EVERY;
        if self.clocks.is_empty() {
            let clocks = &mut self.clocks;
            let listed = cycle.names(POLICIES, |name| {
                if name.starts_with("policy") {
                    clocks.push(format!("{POLICIES}/{name}/scaling_cur_freq"));
                }
            });
            if listed.is_err() {
                self.clocks.clear();
            }
        }
        if self.thermometer.is_none() {
            self.thermometer = find(cycle, ZONES, "type", &ZONE_TYPES, "temp")
                .or_else(|| find(cycle, MONITORS, "name", &MONITOR_NAMES, "temp1_input"));
        }
    }

    /// The first line, `cpu  1843021 1202 613442 ...`, is the sum of all processors.
    fn times(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), ReadError> {
        let before = self.before.take();
        let text = cycle.read_start(STAT, 512)?;
        let wrong = || ReadError::content(STAT, "does not begin with a line cpu and seven numbers");
        let mut fields = text.lines().next().unwrap_or_default().split_ascii_whitespace();
        if fields.next() != Some("cpu") {
            return Err(wrong());
        }
        let mut now = Times([0; 8]);
        for (at, value) in now.0.iter_mut().enumerate() {
            match integer(&mut fields) {
                Some(v) => *value = v,
                // Old kernels know no steal.
                None if at == 7 => {}
                None => return Err(wrong()),
            }
        }
        for (name, value) in NAMES.into_iter().zip(now.0) {
            out.integer(name, value);
        }
        if let Some(busy) = before.and_then(|before| busy_percent(before, now)) {
            out.float("cpu.busy_pct", busy, 2);
        }
        self.before = Some(now);
        Ok(())
    }

    fn temperature(&mut self, cycle: &mut Cycle, out: &mut Samples) {
        const NAME: &str = "temp.cpu";
        let Some(path) = &self.thermometer else {
            return out.absent(NAME, format_args!("no thermometer of the processor in /{ZONES} and /{MONITORS}"));
        };
        let read = cycle.read(path).map(|text| text.trim().parse::<i64>());
        match read {
            Ok(Ok(mdeg)) if SANE_MDEG.contains(&mdeg) => out.signed(NAME, mdeg),
            Ok(Ok(mdeg)) => out.problem(NAME, format_args!("/{path}: {mdeg} mdeg cannot be")),
            Ok(Err(_)) => out.problem(NAME, format_args!("/{path} is not a number")),
            Err(e) => {
                out.problem(NAME, &e);
                // It may have come back under another number.
                if e.is_missing() && !self.configured {
                    self.thermometer = None;
                    self.until_search = 0;
                }
            }
        }
    }

    /// The highest clock of all processors.
    fn clock(&mut self, cycle: &mut Cycle, out: &mut Samples) {
        const NAME: &str = "cpu.freq_khz";
        if self.clocks.is_empty() {
            return out.absent(NAME, format_args!("there is no /{POLICIES}/policy*"));
        }
        let mut highest = None;
        let mut failed = None;
        for path in &self.clocks {
            match cycle.read(path).map(|text| text.trim().parse::<u64>()) {
                Ok(Ok(khz)) => highest = highest.max(Some(khz)),
                Ok(Err(_)) => failed = Some(ReadError::content(path, "is not a number")),
                // A processor that was switched off.
                Err(e) => failed = Some(e),
            }
        }
        match (highest, failed) {
            (Some(khz), _) => out.integer(NAME, khz),
            (None, Some(e)) => {
                out.problem(NAME, e);
                self.clocks.clear();
                self.until_search = 0;
            }
            (None, None) => {}
        }
    }
}

/// Share of the time that was neither idle nor waiting for a disk.
fn busy_percent(before: Times, now: Times) -> Option<f64> {
    let mut total = 0;
    let mut idle = 0;
    for (at, (before, now)) in before.0.into_iter().zip(now.0).enumerate() {
        let ticks = advance(before, now)?;
        total += ticks;
        // idle and iowait
        if matches!(at, 3 | 4) {
            idle += ticks;
        }
    }
    (total > 0).then(|| 100.0 * (total - idle) as f64 / total as f64)
}

/// `361234.56 1401234.12`: seconds since boot, of which whole ones are kept, and idle seconds.
fn uptime(cycle: &mut Cycle, out: &mut Samples) -> Result<(), ReadError> {
    let text = cycle.read(UPTIME)?;
    let whole = text.split_ascii_whitespace().next().and_then(|field| field.split('.').next()?.parse().ok());
    out.integer("sys.uptime_sec", whole.ok_or_else(|| ReadError::content(UPTIME, "does not begin with a number"))?);
    Ok(())
}

/// The path of `file` in that directory below `parent` whose `label` file says the earliest of `wanted`.
fn find(cycle: &mut Cycle, parent: &str, label: &str, wanted: &[&str], file: &str) -> Option<String> {
    let mut directories = Vec::new();
    cycle.names(parent, |name| directories.push(format!("{parent}/{name}"))).ok()?;
    directories.sort();
    let rank = |directory: &String| {
        let label = cycle.read(&format!("{directory}/{label}")).ok()?.trim().to_owned();
        wanted.iter().position(|name| *name == label)
    };
    let ranked = directories.iter().map(rank).collect::<Vec<_>>();
    let best = directories.into_iter().zip(ranked).filter_map(|(d, rank)| Some((rank?, d)));
    best.min().map(|(_, directory)| format!("{directory}/{file}"))
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let path = section.text("temperature", "");
    let thermometer = (!path.is_empty()).then(|| path.trim_start_matches('/').to_owned());
    let configured = thermometer.is_some();
    Box::new(Cpu { before: None, clocks: Vec::new(), thermometer, configured, until_search: 0 })
}

inventory::submit! {
    CollectorPlugin {
        name: "cpu",
        about: "times, share busy, clock and temperature of the processor; uptime",
        keys: "# File with the temperature in thousandths of a degree; empty: the processor's own thermometer.\n\
               temperature = \"\"\n",
        timeout_ms: 2_000,
        build,
    }
}
