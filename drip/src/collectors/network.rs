//! /proc/net/dev: counters of each network interface since it came up.

use super::malformed;
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Part, Patterns, Samples, async_trait};

struct Network {
    skip: Patterns,
}

const PATH: &str = "proc/net/dev";

/// Columns of the file, counted from zero behind the colon, and what they are called.
const COLUMNS: [(usize, &str); 8] = [
    (0, "rx_bytes"),
    (1, "rx_packets"),
    (2, "rx_errors"),
    (3, "rx_drop"),
    (8, "tx_bytes"),
    (9, "tx_packets"),
    (10, "tx_errors"),
    (11, "tx_drop"),
];

const SKIP: [&str; 8] = ["lo", "veth*", "docker*", "br-*", "virbr*", "vnet*", "tap*", "ifb*"];

#[async_trait]
impl Collector for Network {
    /// Two lines of headings, then `  eth0: 902112345 2201144 0 3 0 0 0 0 402331234 ...`. The first number may follow the
    /// colon directly.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        let mut interfaces = 0;
        for line in text.lines().skip(2) {
            let Some((name, counters)) = line.rsplit_once(':') else { continue };
            interfaces += 1;
            let name = name.trim();
            if self.skip.matches(name) {
                continue;
            }
            let mut values = [0_u64; 12];
            let mut fields = counters.split_ascii_whitespace().map(str::parse);
            if !values.iter_mut().all(|value| matches!(fields.next(), Some(Ok(v)) if { *value = v; true })) {
                out.problem(name, format_args!("/{PATH}: its line does not have the known counters"));
                continue;
            }
            for (column, counter) in COLUMNS {
                let value = values.get(column).copied().unwrap_or_default();
                out.integer(format_args!("net.{}.{counter}", Part(name)), value);
            }
        }
        if interfaces == 0 {
            return Err(malformed(PATH, "a line of an interface"));
        }
        Ok(())
    }
}

inventory::submit! {
    CollectorPlugin {
        name: "network",
        about: "bytes, packets, errors and drops of each network interface",
        keys: "# Interfaces that are left out.\n\
               skip = [\"lo\", \"veth*\", \"docker*\", \"br-*\", \"virbr*\", \"vnet*\", \"tap*\", \"ifb*\"]\n",
        timeout_ms: 2_000,
        build: |section| Box::new(Network { skip: section.patterns("skip", &SKIP) }),
    }
}
