//! /proc/vmstat: what went between memory and disks since boot.

use super::malformed;
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Samples, async_trait};

struct Paging;

const PATH: &str = "proc/vmstat";

/// Fields of the file and the metrics they become. `pgpgin` and `pgpgout` count KiB, the others pages.
const FIELDS: [(&str, &str); 4] =
    [("pgpgin", "io.pgpgin"), ("pgpgout", "io.pgpgout"), ("pswpin", "io.pswpin"), ("pswpout", "io.pswpout")];

#[async_trait]
impl Collector for Paging {
    /// A line is `pgpgin 1105156`.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            let Some((_, name)) = FIELDS.iter().find(|(field, _)| *field == key) else { continue };
            match value.trim().parse() {
                Ok(value) => out.integer(name, value),
                Err(_) => out.problem(name, format_args!("/{PATH}: {value:?} is no number")),
            }
        }
        if out.count() == 0 && out.problems().is_empty() {
            return Err(malformed(PATH, "one of the known fields"));
        }
        Ok(())
    }
}

inventory::submit! {
    CollectorPlugin::new("io", "what went between memory and disks or swap since boot", &[], |_| Box::new(Paging))
}
