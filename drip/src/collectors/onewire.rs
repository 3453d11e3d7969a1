//! Temperature sensors on the one-wire bus (DS18B20 and its relatives), through the kernel's w1_therm.

use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Part, Samples, Section, async_trait,
};
use std::collections::BTreeMap;

struct OneWire {
    /// Friendly names by id.
    names: BTreeMap<String, String>,
    least: i64,
    most: i64,
    found: Vec<String>,
    path: String,
}

const BUS: &str = "sys/bus/w1/devices";

/// Families of thermometers: DS18S20, DS1822, DS18B20, DS1825, DS28EA00.
const FAMILIES: [&str; 5] = ["10-", "22-", "28-", "3b-", "42-"];

/// What a sensor answers that was just powered on and has not measured: its supply breaks down while it measures.
const POWER_ON: i64 = 85_000;

#[async_trait]
impl Collector for OneWire {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let Self { names, least, most, found, path } = self;
        found.clear();
        let listed = cycle.names(BUS, |name| {
            if FAMILIES.iter().any(|family| name.starts_with(family)) {
                found.push(name.to_owned());
            }
        });
        match listed {
            Err(e) if e.is_missing() && names.is_empty() => {
                return Err(CollectError::NotHere(format!("there is no /{BUS} (dtoverlay=w1-gpio on a Raspberry Pi)")));
            }
            // With names configured, a bus that is away is a failure.
            Err(e) => return Err(CollectError::Failed(e.to_string())),
            Ok(()) => found.sort(),
        }
        for id in found.iter() {
            path.clear();
            path.extend([BUS, "/", id, "/w1_slave"]);
            let name = names.get(id).unwrap_or(id);
            let value = match cycle.read(path) {
                Ok(text) => temperature(text).and_then(|value| sane(value, *least, *most)),
                Err(e) => Err(e.to_string()),
            };
            match value {
                Ok(value) => out.signed(format_args!("temp.{}.mdeg", Part(name)), value),
                Err(reason) => out.problem(name, reason),
            }
        }
        for (id, name) in names.iter().filter(|(id, _)| !found.contains(id)) {
            out.problem(name, format_args!("{id} is not on the bus"));
        }
        if found.is_empty() && names.is_empty() {
            return Err(CollectError::NotHere("there is no thermometer on the one-wire bus".into()));
        }
        Ok(())
    }
}

/// Two lines: nine bytes with `crc=5e YES`, and the same with `t=21562`, thousandths of a degree.
fn temperature(text: &str) -> Result<i64, String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    if !first.ends_with("YES") {
        return Err("wrong checksum: a bad contact, or too long a wire".into());
    }
    if first.split_ascii_whitespace().take(9).all(|byte| byte == "00") {
        // The checksum of zeros is zero: a line that is pulled down looks like 0 degrees.
        return Err("only zeros on the wire: a short circuit".into());
    }
    let value = lines.next().and_then(|line| line.split_once("t=")).and_then(|(_, value)| value.trim().parse().ok());
    value.ok_or_else(|| "no t= in what the kernel gives".into())
}

fn sane(value: i64, least: i64, most: i64) -> Result<i64, String> {
    match value {
        POWER_ON => Err(format!("{value} mdeg: the value after power-on, not a measurement")),
        _ if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("{value} mdeg is not within min_mdeg..max_mdeg ({least} to {most})")),
    }
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let names = section.names("names");
    let least = section.number("min_mdeg", -55_000, -273_150..=1_000_000);
    let most = section.number("max_mdeg", 125_000, -273_150..=1_000_000);
    let mut taken: Vec<String> = names.values().map(|name| Part(name).to_string()).collect();
    taken.sort();
    if let Some(twice) = taken.windows(2).find_map(|pair| pair.first().filter(|a| Some(*a) == pair.get(1))) {
        section.refuse("names", &format!("two sensors are named {twice:?}"), "a name of its own for each");
    }
    if let Some(empty) = names.iter().find_map(|(id, name)| name.is_empty().then_some(id)) {
        section.refuse("names", &format!("{empty:?} has an empty name"), "at least one character");
    }
    Box::new(OneWire { names, least, most, found: Vec::new(), path: String::new() })
}

const KEYS: [Key; 3] = [
    Key::new(
        "names",
        Kind::Table,
        "{}",
        r#"Names of the sensors; others go by their id: { "28-0316a2791aff" = "boiler" }"#,
    ),
    Key::new(
        "min_mdeg",
        Kind::Integer,
        "-55000",
        "What is outside is a fault of the sensor, and left out. So is 85000, what it says before it has measured.",
    ),
    Key::new("max_mdeg", Kind::Integer, "125000", ""),
];

inventory::submit! {
    CollectorPlugin::new(
        "onewire",
        "DS18B20 temperature sensors, in thousandths of a degree Celsius; each takes 0.75 s",
        &KEYS,
        build,
    )
    .timeout_ms(10_000)
}
