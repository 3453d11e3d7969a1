//! /proc/pressure: how much time tasks lost waiting for processor, memory and disks (pressure stall information).

use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, ReadError, Samples, async_trait};

struct Pressure;

const RESOURCES: [(&str, &str); 3] =
    [("cpu", "proc/pressure/cpu"), ("memory", "proc/pressure/memory"), ("io", "proc/pressure/io")];

#[async_trait]
impl Collector for Pressure {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let mut missing = None;
        for (resource, path) in RESOURCES {
            match cycle.read(path) {
                Ok(text) => text.lines().for_each(|line| stall(resource, line, out)),
                // With psi=0 the files may be there and refuse to be read.
                Err(e) if e.is_missing() || is_unsupported(&e) => missing = Some(e),
                Err(e) => out.problem(resource, e),
            }
        }
        match missing {
            Some(e) if out.count() == 0 => Err(CollectError::NotHere(format!(
                "{}: the kernel keeps no pressure stall information (boot with psi=1)",
                e.path
            ))),
            _ => Ok(()),
        }
    }
}

fn is_unsupported(e: &ReadError) -> bool {
    e.error.kind() == std::io::ErrorKind::Unsupported
}

/// `some avg10=0.12 avg60=0.05 avg300=0.01 total=180566612`: shares in percent, and microseconds since boot.
fn stall(resource: &str, line: &str, out: &mut Samples) {
    let mut fields = line.split_ascii_whitespace();
    let Some(kind @ ("some" | "full")) = fields.next() else { return };
    for (key, value) in fields.filter_map(|field| field.split_once('=')) {
        match key {
            "avg10" | "avg60" => {
                if let Ok(value) = value.parse() {
                    out.float(format_args!("psi.{resource}.{kind}_{key}"), value, 2);
                }
            }
            "total" => {
                if let Ok(value) = value.parse() {
                    out.integer(format_args!("psi.{resource}.{kind}_total_us"), value);
                }
            }
            _ => {}
        }
    }
}

inventory::submit! {
    CollectorPlugin::new(
        "pressure",
        "pressure stall information: time lost waiting for processor, memory, disks",
        &[],
        |_| Box::new(Pressure),
    )
}
