//! Processor: times of /proc/stat, clock, temperature, uptime.

mod temperature;

use super::{integer, note};
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, ReadError, Samples, Section, async_trait,
};
use temperature::Thermometer;

struct Cpu {
    before: Option<Times>,
    clocks: Vec<String>,
    until_search: u64,
    thermometer: Thermometer,
}

/// Ticks since boot: user, nice, system, idle, iowait, irq, softirq, steal.
#[derive(Clone, Copy)]
struct Times([u64; 8]);

const STAT: &str = "proc/stat";
const UPTIME: &str = "proc/uptime";
const POLICIES: &str = "sys/devices/system/cpu/cpufreq";

/// What the kernel counts, in its order.
const KINDS: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const USER: usize = 0;
const SYSTEM: usize = 2;
const IDLE: usize = 3;
const IOWAIT: usize = 4;
const STEAL: usize = 7;

/// The kernel lets idle and iowait step back by a little now and then. What goes back by more than three seconds began anew.
const RESET_TICKS: u64 = 300;

/// Cycles until a clock that was not there is looked for again.
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
        self.thermometer.read(cycle, out);
        self.clock(cycle, out);
        match none && out.count() == 0 {
            true => Err(CollectError::NotHere(format!("there is no /{STAT}"))),
            false => Ok(()),
        }
    }
}

impl Cpu {
    /// Finds the clocks, at first and then now and then while there is none.
    fn search(&mut self, cycle: &mut Cycle) {
        if !self.clocks.is_empty() || self.until_search > 0 {
            self.until_search = self.until_search.saturating_sub(1);
            return;
        }
        self.until_search = SEARCH_EVERY;
        let clocks = &mut self.clocks;
        // A host without that directory has none.
        let _ = cycle.names(POLICIES, |name| {
            if name.starts_with("policy") {
                clocks.push(format!("{POLICIES}/{name}/scaling_cur_freq"));
            }
        });
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
                None if at == STEAL => {}
                None => return Err(wrong()),
            }
        }
        if let Some(before) = before
            && !now.began_anew(before)
        {
            let passed = now.advance(before);
            report_shares(passed, out);
        }
        for (kind, value) in KINDS.into_iter().zip(now.0) {
            out.integer(format_args!("cpu.{kind}"), value);
        }
        self.before = Some(now);
        Ok(())
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

impl Times {
    /// Whether the counters were reset since `before`, as in a container that moved to another machine.
    fn began_anew(self, before: Times) -> bool {
        let sum = |times: Times| [USER, SYSTEM, IDLE].iter().filter_map(|at| times.0.get(*at)).sum::<u64>();
        sum(before).saturating_sub(sum(self)) > RESET_TICKS
    }

    /// How far each went since `before`. One that stepped back is held where it was: its rate is never below zero.
    fn advance(&mut self, before: Times) -> [u64; 8] {
        let mut passed = [0; 8];
        for ((now, before), passed) in self.0.iter_mut().zip(before.0).zip(&mut passed) {
            *now = before.max(*now);
            *passed = *now - before;
        }
        passed
    }
}

/// Shares of the time that passed; busy is what was neither idle nor waiting for a disk.
fn report_shares(passed: [u64; 8], out: &mut Samples) {
    let total: u64 = passed.iter().sum();
    if total == 0 {
        return;
    }
    let percent = |ticks: u64| 100.0 * ticks as f64 / total as f64;
    let resting: u64 = [IDLE, IOWAIT].iter().filter_map(|at| passed.get(*at)).sum();
    out.float("cpu.busy_pct", percent(total - resting), 2);
    for (kind, ticks) in KINDS.into_iter().zip(passed) {
        out.float(format_args!("cpu.{kind}_pct"), percent(ticks), 2);
    }
}

/// `361234.56 1401234.12`: seconds since boot, of which whole ones are kept, and idle seconds.
fn uptime(cycle: &mut Cycle, out: &mut Samples) -> Result<(), ReadError> {
    let text = cycle.read(UPTIME)?;
    let whole = text.split_ascii_whitespace().next().and_then(|field| field.split('.').next()?.parse().ok());
    out.integer("sys.uptime_sec", whole.ok_or_else(|| ReadError::content(UPTIME, "does not begin with a number"))?);
    Ok(())
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let thermometer = Thermometer::new(&section.text("temperature", ""));
    Box::new(Cpu { before: None, clocks: Vec::new(), until_search: 0, thermometer })
}

const KEYS: [Key; 1] = [Key::new(
    "temperature",
    Kind::Text,
    r#""""#,
    "File with the temperature in thousandths of a degree; empty: the processor's own thermometer.",
)];

inventory::submit! {
    CollectorPlugin::new("cpu", "times, shares, clock and temperature of the processor; uptime", &KEYS, build)
}
