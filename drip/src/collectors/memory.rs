//! /proc/meminfo, in kB as the kernel gives it.

use super::malformed;
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Samples, async_trait};

struct Memory;

const PATH: &str = "proc/meminfo";

/// Fields of the file and the metrics they become.
const FIELDS: [(&str, &str); 8] = [
    ("MemTotal", "mem.total"),
    ("MemFree", "mem.free"),
    ("MemAvailable", "mem.available"),
    ("Buffers", "mem.buffers"),
    ("Cached", "mem.cached"),
    ("SwapCached", "mem.swapcached"),
    ("SwapTotal", "mem.swaptotal"),
    ("SwapFree", "mem.swapfree"),
];

#[async_trait]
impl Collector for Memory {
    /// A line is `MemTotal:        3884316 kB`. A field that this kernel does not have is left out.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        for line in text.lines() {
            let Some((key, rest)) = line.split_once(':') else { continue };
            let Some((_, name)) = FIELDS.iter().find(|(field, _)| *field == key) else { continue };
            match rest.split_ascii_whitespace().next().and_then(|value| value.parse().ok()) {
                Some(value) => out.integer(name, value),
                None => out.problem(name, format_args!("/{PATH}: {:?} is no number", rest.trim())),
            }
        }
        if out.count() == 0 && out.problems().is_empty() {
            return Err(malformed(PATH, "one of the known fields"));
        }
        Ok(())
    }
}

inventory::submit! {
    CollectorPlugin {
        name: "memory",
        about: "memory and swap, in kB",
        keys: "",
        timeout_ms: 2_000,
        build: |_| Box::new(Memory),
    }
}
