//! A third party's collector: batteries and UPS hats, from /sys/class/power_supply.
//!
//! drip knows collectors by name only, so adding one takes no change to drip itself:
//!
//! 1. implement [`Collector`] (this file, with `drip` as the only dependency),
//! 2. register it with `inventory::submit!` (below),
//! 3. name the crate in a binary of your own, `src/main.rs` here, which is the whole drip plus this collector,
//! 4. try it on a recorded tree with [`drip::trial::Trial`] (`tests/battery.rs`).
//!
//! ```text
//! cargo run -p example-collector -- --check
//! cargo run -p example-collector -- --once | grep battery
//! ```
//!
//! `--init`, `--check` and `[collectors.battery]` in drip.toml know it then as they know the others.

#![deny(unsafe_code)]

use drip::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Part, Patterns, Samples, async_trait, inventory,
};

struct Battery {
    skip: Patterns,
    /// Kept from cycle to cycle, so that a cycle allocates nothing.
    found: Vec<String>,
    path: String,
}

const SUPPLIES: &str = "sys/class/power_supply";

/// Files of a supply and the metrics they become: percent, microvolts, microamperes.
const FILES: [(&str, &str); 3] = [("capacity", "pct"), ("voltage_now", "uv"), ("current_now", "ua")];

#[async_trait]
impl Collector for Battery {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let Self { skip, found, path } = self;
        found.clear();
        // A directory that is missing becomes `CollectError::NotHere` by itself: no error on a machine without one.
        cycle.names(SUPPLIES, |name| found.push(name.to_owned()))?;
        found.retain(|name| !skip.matches(name));
        found.sort();
        for supply in found.iter() {
            for (file, metric) in FILES {
                path.clear();
                path.extend([SUPPLIES, "/", supply, "/", file]);
                match cycle.read(path).map(|text| text.trim().parse()) {
                    Ok(Ok(value)) => out.signed(format_args!("battery.{}.{metric}", Part(supply)), value),
                    Ok(Err(_)) => out.problem(format_args!("{supply}/{file}"), "is not a number"),
                    // A mains adapter has no capacity.
                    Err(e) if e.is_missing() => out.absent(format_args!("{supply}/{file}"), e),
                    Err(e) => out.problem(format_args!("{supply}/{file}"), e),
                }
            }
        }
        Ok(())
    }
}

const KEYS: [Key; 1] = [Key::new("skip", Kind::Texts, r#"["AC*"]"#, "Supplies that are left out.")];

inventory::submit! {
    CollectorPlugin::new("battery", "charge, voltage and current of batteries (an example)", &KEYS, |section| {
        let skip = section.patterns("skip", &["AC*"]);
        Box::new(Battery { skip, found: Vec::new(), path: String::new() })
    })
}
