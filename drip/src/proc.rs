//! What /proc tells, as samples. Pure functions over text, so that recorded files can be tested.

use std::fmt;
use std::path::Path;

/// A value in the text form of line protocol. Integers stay integers: that decides the metric's type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Integer(u64),
    Float(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(v) => write!(f, "{v}"),
            // `{:?}` keeps the fraction of a whole number (`0.0`), which `{}` drops.
            Value::Float(v) => write!(f, "{v:?}"),
        }
    }
}

/// A metric's name and its value.
pub(crate) type Sample = (&'static str, Value);

/// Fields of /proc/meminfo, in kB as the kernel gives them, and the metrics they become.
const MEMORY: [(&str, &str); 8] = [
    ("MemTotal", "mem.total"),
    ("MemFree", "mem.free"),
    ("MemAvailable", "mem.available"),
    ("Buffers", "mem.buffers"),
    ("Cached", "mem.cached"),
    ("SwapCached", "mem.swapcached"),
    ("SwapTotal", "mem.swaptotal"),
    ("SwapFree", "mem.swapfree"),
];

/// Reads every source under `proc`. What cannot be read is in the second list, and does not keep the rest out.
pub(crate) fn collect(proc: &Path) -> (Vec<Sample>, Vec<String>) {
    let sources: [(&str, fn(&str) -> Result<Vec<Sample>, String>); 3] =
        [("loadavg", load_average), ("meminfo", memory), ("uptime", uptime)];
    let mut samples = Vec::new();
    let mut problems = Vec::new();
    for (name, parse) in sources {
        let path = proc.join(name);
        let parsed = std::fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| parse(&text));
        match parsed {
            Ok(found) => samples.extend(found),
            Err(reason) => problems.push(format!("{}: {reason}", path.display())),
        }
    }
    (samples, problems)
}

/// `0.12 0.15 0.11 1/182 4242`: three averages, then running/total scheduling entities.
fn load_average(text: &str) -> Result<Vec<Sample>, String> {
    let mut fields = text.split_ascii_whitespace();
    let mut samples = Vec::with_capacity(5);
    for name in ["sys.load1", "sys.load5", "sys.load15"] {
        samples.push((name, Value::Float(float(fields.next(), name)?)));
    }
    let (running, total) =
        fields.next().and_then(|f| f.split_once('/')).ok_or("the fourth field is not running/total")?;
    samples.push(("sys.procs_running", Value::Integer(integer(Some(running), "sys.procs_running")?)));
    samples.push(("sys.procs_total", Value::Integer(integer(Some(total), "sys.procs_total")?)));
    Ok(samples)
}

/// `MemTotal:        3884316 kB` per line. Fields that this kernel does not have are left out.
fn memory(text: &str) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::with_capacity(MEMORY.len());
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        if let Some((_, name)) = MEMORY.iter().find(|(field, _)| *field == key) {
            samples.push((*name, Value::Integer(integer(rest.split_ascii_whitespace().next(), name)?)));
        }
    }
    if samples.is_empty() { Err("none of the known fields is there".into()) } else { Ok(samples) }
}

/// `361234.56 1401234.12`: seconds since boot (whole seconds are kept), then idle seconds.
fn uptime(text: &str) -> Result<Vec<Sample>, String> {
    const NAME: &str = "sys.uptime_sec";
    let whole = text.split_ascii_whitespace().next().and_then(|f| f.split('.').next());
    Ok(vec![(NAME, Value::Integer(integer(whole, NAME)?))])
}

fn integer(field: Option<&str>, name: &str) -> Result<u64, String> {
    let field = field.ok_or_else(|| format!("no value for {name}"))?;
    field.parse().map_err(|_| format!("{field:?} is no integer for {name}"))
}

fn float(field: Option<&str>, name: &str) -> Result<f64, String> {
    let field = field.ok_or_else(|| format!("no value for {name}"))?;
    match field.parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(format!("{field:?} is no number for {name}")),
    }
}

/// Line protocol, all samples with one timestamp.
pub(crate) fn line_protocol(database: &str, samples: &[Sample], timestamp_ns: i64) -> String {
    samples.iter().map(|(name, value)| format!("{database}/{name} {value} {timestamp_ns}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded on a Raspberry Pi class machine, shortened.
    const MEMINFO: &str = "\
MemTotal:        3884316 kB
MemFree:          812344 kB
MemAvailable:    2404416 kB
Buffers:          110232 kB
Cached:          1602112 kB
SwapCached:          312 kB
Active:          1402112 kB
SwapTotal:        102396 kB
SwapFree:          98812 kB
HugePages_Total:       0
";

    #[test]
    fn load_average_gives_floats_and_process_counts() {
        let samples = load_average("0.00 0.15 2.11 1/182 4242\n").unwrap();
        let text = line_protocol("pi", &samples, 7);
        let expected = "\
pi/sys.load1 0.0 7
pi/sys.load5 0.15 7
pi/sys.load15 2.11 7
pi/sys.procs_running 1 7
pi/sys.procs_total 182 7
";
        assert_eq!(text, expected);
    }

    #[test]
    fn memory_gives_the_known_fields_as_integers() {
        let samples = memory(MEMINFO).unwrap();
        assert_eq!(samples.len(), 8);
        assert!(samples.contains(&("mem.total", Value::Integer(3_884_316))));
        assert!(samples.contains(&("mem.swapcached", Value::Integer(312))));
        assert!(samples.contains(&("mem.cached", Value::Integer(1_602_112))));
    }

    #[test]
    fn uptime_is_whole_seconds() {
        assert_eq!(uptime("361234.56 1401234.12\n").unwrap(), [("sys.uptime_sec", Value::Integer(361_234))]);
    }

    #[test]
    fn damaged_text_is_an_error_that_names_the_metric() {
        assert!(load_average("0.12 nan 0.11 1/182").unwrap_err().contains("sys.load5"));
        assert!(load_average("0.12 0.15 0.11 182").unwrap_err().contains("running/total"));
        assert!(load_average("").unwrap_err().contains("sys.load1"));
        assert!(memory("MemTotal: lots kB").unwrap_err().contains("mem.total"));
        assert!(memory("").is_err());
        assert!(uptime("soon").unwrap_err().contains("sys.uptime_sec"));
    }

    #[test]
    fn one_missing_file_does_not_keep_the_others_out() {
        let dir = std::env::temp_dir().join(format!("drip-test-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("meminfo"), MEMINFO).unwrap();
        std::fs::write(dir.join("uptime"), "12.5 20.1\n").unwrap();
        let (samples, problems) = collect(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(samples.len(), 9);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("loadavg"), "{problems:?}");
    }
}
