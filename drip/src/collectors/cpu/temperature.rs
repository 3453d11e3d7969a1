//! The processor's temperature: the hottest of its sensors, from the first kind of sensor that answers.

use crate::collector::{Cycle, Patterns, Samples};

/// Finds the sensors, and reads them.
pub(super) struct Thermometer {
    /// Sensors of one kind each, the best kind first.
    kinds: Vec<Vec<String>>,
    /// drip.toml names the file: there is no other.
    configured: bool,
    /// It was measured once: from then on, not to measure is a failure.
    worked: bool,
    until_search: u64,
}

const NAME: &str = "temp.cpu";
const ZONES: &str = "sys/class/thermal";
const MONITORS: &str = "sys/class/hwmon";

/// Types of thermal zones that are the processor's, in lower case, best first. Where several zones have the same one it is
/// a package or a cluster each.
const ZONE_TYPES: [&[&str]; 9] = [
    &["cpu-thermal", "cpu_thermal"],
    &["soc-thermal", "soc_thermal"],
    &["bcm2835_thermal"],
    // Allwinner and Qualcomm: one zone for each cluster or core.
    &["cpu?-thermal", "cpu??-thermal", "cpu-?-?-thermal", "cpu-?-??-thermal"],
    &["x86_pkg_temp"],
    // Rockchip RK3588
    &["package-thermal"],
    &["bigcore*-thermal", "littlecore*-thermal"],
    // Jetson, and others
    &["cpu-therm", "cpu_therm"],
    &["cpu", "cpu_thermal_zone", "soc"],
];
/// Names of hardware monitors that are the processor's, best first.
const MONITOR_NAMES: [&str; 5] = ["coretemp", "k10temp", "zenpower", "cpu_thermal", "fam15h_power"];

/// Thousandths of a degree that a processor can have while it computes.
const SANE_MDEG: std::ops::RangeInclusive<i64> = -40_000..=150_000;

/// Cycles until a sensor that was not there is looked for again.
const SEARCH_EVERY: u64 = 60;

impl Thermometer {
    /// `path` is what drip.toml says, empty for the sensors that are found.
    pub(super) fn new(path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let configured = !path.is_empty();
        let kinds = if configured { vec![vec![path.to_owned()]] } else { Vec::new() };
        Self { kinds, configured, worked: false, until_search: 0 }
    }

    pub(super) fn read(&mut self, cycle: &mut Cycle, out: &mut Samples) {
        self.search(cycle);
        let mut first = None;
        for kind in &self.kinds {
            match hottest(kind, cycle) {
                Ok(mdeg) => {
                    self.worked = true;
                    return out.signed(NAME, mdeg);
                }
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        match first {
            None => out.absent(NAME, format_args!("no thermometer of the processor in /{ZONES} and /{MONITORS}")),
            Some(reason) if self.worked || self.configured => out.problem(NAME, reason),
            // A zone whose driver never answers is something that this host does not have.
            Some(reason) => out.absent(NAME, reason),
        }
        // They may have come back under other numbers.
        if !self.configured && self.worked {
            self.until_search = 0;
        }
    }

    fn search(&mut self, cycle: &mut Cycle) {
        if self.configured || (self.worked && !self.kinds.is_empty() && self.until_search > 0) {
            return;
        }
        if self.until_search > 0 {
            self.until_search -= 1;
            return;
        }
        self.until_search = SEARCH_EVERY;
        let mut kinds: Vec<Vec<String>> = Vec::new();
        let zones = labelled(cycle, ZONES, "type");
        for wanted in ZONE_TYPES {
            let wanted = Patterns::new(wanted.iter().map(|label| (*label).to_owned()).collect());
            let is_wanted = |label: &str| wanted.matches(label);
            let found = zones.iter().filter(|(label, _)| is_wanted(label)).map(|(_, zone)| format!("{zone}/temp"));
            kinds.push(found.collect());
        }
        let monitors = labelled(cycle, MONITORS, "name");
        for wanted in MONITOR_NAMES {
            let found = monitors.iter().filter(|(name, _)| name == wanted);
            kinds.push(found.flat_map(|(_, monitor)| inputs(cycle, monitor)).collect());
        }
        kinds.retain(|kind| !kind.is_empty());
        // Those that were there and went away are what is told about.
        if !kinds.is_empty() || !self.worked {
            self.kinds = kinds;
        }
    }
}

/// Directories below `parent` with what their `label` file says, in lower case.
fn labelled(cycle: &mut Cycle, parent: &str, label: &str) -> Vec<(String, String)> {
    let mut directories = Vec::new();
    // One that cannot be listed has none.
    let _ = cycle.names(parent, |name| directories.push(format!("{parent}/{name}")));
    directories.sort();
    let said = |directory: String| {
        let label = cycle.read(&format!("{directory}/{label}")).ok()?.trim().to_ascii_lowercase();
        Some((label, directory))
    };
    directories.into_iter().filter_map(said).collect()
}

/// The first input of a monitor, which is that of the package; those of the cores where there is none.
fn inputs(cycle: &mut Cycle, monitor: &str) -> Vec<String> {
    let package = format!("{monitor}/temp1_input");
    if cycle.exists(&package) {
        return vec![package];
    }
    let mut cores = Vec::new();
    let _ = cycle.names(monitor, |name| {
        if name.starts_with("temp") && name.ends_with("_input") {
            cores.push(format!("{monitor}/{name}"));
        }
    });
    cores.sort();
    cores
}

/// The highest of what these sensors say. The error is why none of them says anything.
fn hottest(paths: &[String], cycle: &mut Cycle) -> Result<i64, String> {
    let mut found: Result<i64, String> = Err(String::new());
    for path in paths {
        let said = match cycle.read(path).map(|text| text.trim().parse::<i64>()) {
            // What a zone says whose sensor is off.
            Ok(Ok(0)) => Err(format!("/{path}: 0 mdeg cannot be")),
            Ok(Ok(mdeg)) if SANE_MDEG.contains(&mdeg) => Ok(mdeg),
            Ok(Ok(mdeg)) => Err(format!("/{path}: {mdeg} mdeg cannot be")),
            Ok(Err(_)) => Err(format!("/{path} is not a number")),
            Err(e) => Err(e.to_string()),
        };
        found = match (found, said) {
            (Ok(a), Ok(b)) => Ok(a.max(b)),
            (Ok(a), Err(_)) => Ok(a),
            (Err(_), Ok(b)) => Ok(b),
            (Err(a), Err(b)) => Err(if a.is_empty() { b } else { a }),
        };
    }
    found
}
