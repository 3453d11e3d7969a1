//! /proc/loadavg: load averages and the number of processes.

use super::malformed;
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Samples, async_trait};

struct LoadAverage;

const PATH: &str = "proc/loadavg";

#[async_trait]
impl Collector for LoadAverage {
    /// `0.12 0.15 0.11 1/182 4242`: three averages, then running/all scheduling entities.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        let wrong = || malformed(PATH, "three averages and running/all");
        let mut fields = text.split_ascii_whitespace();
        let mut loads = [0.0; 3];
        for load in &mut loads {
            *load = fields.next().and_then(|f| f.parse().ok()).filter(|v: &f64| v.is_finite()).ok_or_else(wrong)?;
        }
        let (running, all) = fields.next().and_then(|field| field.split_once('/')).ok_or_else(wrong)?;
        let running = running.parse().map_err(|_| wrong())?;
        let all = all.parse().map_err(|_| wrong())?;
        for (name, load) in ["sys.load1", "sys.load5", "sys.load15"].into_iter().zip(loads) {
            out.float(name, load, 2);
        }
        out.integer("sys.procs_running", running);
        out.integer("sys.procs_total", all);
        Ok(())
    }
}

inventory::submit! {
    CollectorPlugin::new(
        "loadavg",
        "load averages, processes that run and that there are",
        &[],
        |_| Box::new(LoadAverage),
    )
}
