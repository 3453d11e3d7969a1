//! /proc/meminfo, in kB as the kernel gives it.

use super::malformed;
use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Samples, async_trait};

#[derive(Default)]
struct Memory {
    /// Whether /proc/meminfo is that of a container (lxcfs), to which the cache of the host's ZFS does not belong; `None`
    /// until it was looked at.
    is_of_container: Option<bool>,
}

const PATH: &str = "proc/meminfo";
const ARC: &str = "proc/spl/kstat/zfs/arcstats";

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
const TOTAL: usize = 0;
const AVAILABLE: usize = 2;
const SWAP_TOTAL: usize = 6;
const SWAP_FREE: usize = 7;

#[async_trait]
impl Collector for Memory {
    /// A line is `MemTotal:        3884316 kB`. A field that this kernel does not have is left out.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let mut found: [Option<u64>; 8] = [None; 8];
        for line in cycle.read(PATH)?.lines() {
            let Some((key, rest)) = line.split_once(':') else { continue };
            let Some(at) = FIELDS.iter().position(|(field, _)| *field == key) else { continue };
            match rest.split_ascii_whitespace().next().and_then(|value| value.parse().ok()) {
                Some(value) => found[at] = Some(value),
                None => out.problem(FIELDS[at].1, format_args!("/{PATH}: {:?} is no number", rest.trim())),
            }
        }
        if found.iter().all(Option::is_none) && out.problems().is_empty() {
            return Err(malformed(PATH, "one of the known fields"));
        }
        if let [Some(total), _, Some(available), ..] = found
            && let Some(arc) = self.arc(cycle)
        {
            out.integer("mem.zfs_arc", arc.size);
            // More than is in use is not this machine's.
            found[AVAILABLE] = Some(available + arc.reclaimable).filter(|sum| *sum <= total).or(Some(available));
        }
        for ((_, name), value) in FIELDS.into_iter().zip(found) {
            if let Some(value) = value {
                out.integer(name, value);
            }
        }
        report_used("mem.used_pct", found[TOTAL], found[AVAILABLE], out);
        report_used("swap.used_pct", found[SWAP_TOTAL], found[SWAP_FREE], out);
        Ok(())
    }
}

/// What ZFS keeps in memory, in kB: the kernel counts it as used, though most of it goes when it is needed.
struct Arc {
    size: u64,
    reclaimable: u64,
}

impl Memory {
    /// Lines are `size    4    7000000000`, in bytes.
    fn arc(&mut self, cycle: &mut Cycle) -> Option<Arc> {
        let text = cycle.read(ARC).ok()?;
        let field = |name: &str| {
            let mut fields = text
                .lines()
                .map(str::split_ascii_whitespace)
                .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
            fields.nth(1)?.parse::<u64>().ok()
        };
        let size = field("size")?;
        let reclaimable = size.saturating_sub(field("c_min").unwrap_or(0));
        if self.is_of_container.is_none() {
            let is_mounted_over = |line: &str| line.split(' ').nth(1) == Some("/proc/meminfo");
            self.is_of_container =
                Some(cycle.read("proc/self/mounts").is_ok_and(|text| text.lines().any(is_mounted_over)));
        }
        (self.is_of_container == Some(false)).then_some(Arc { size: size / 1_024, reclaimable: reclaimable / 1_024 })
    }
}

fn report_used(name: &str, total: Option<u64>, left: Option<u64>, out: &mut Samples) {
    if let (Some(total @ 1..), Some(left)) = (total, left) {
        out.float(name, 100.0 * total.saturating_sub(left) as f64 / total as f64, 2);
    }
}

inventory::submit! {
    CollectorPlugin::new("memory", "memory and swap, in kB and as shares in use", &[], |_| Box::new(Memory::default()))
}
