//! The metrics of the demo's host: what a small box with a card, two networks and some thermometers has.

use std::sync::LazyLock;

/// How many there are.
pub(crate) const COUNT: usize = 83;

/// Parts of names, as `prefix` and its `ends`; in the order in which [`super::host::Host::tick`] gives the values.
const GROUPS: [(&str, &[&str]); 15] = [
    ("cpu.", &["user", "nice", "system", "idle", "iowait", "irq", "softirq", "busy_pct"]),
    ("", &["sys.uptime_sec", "temp.cpu", "cpu.freq_khz"]),
    ("mem.", &["total", "free", "available", "buffers", "cached", "swapcached", "swaptotal", "swapfree"]),
    ("proc.drip.", PROCESS),
    ("proc.nanotdb.", PROCESS),
    (
        "disk.mmcblk0.",
        &[
            "reads",
            "reads_merged",
            "read_sectors",
            "read_ms",
            "writes",
            "writes_merged",
            "write_sectors",
            "write_ms",
            "io_in_progress",
            "io_ms",
            "io_weighted_ms",
            "busy_pct",
            "iops",
            "read_kbps",
            "write_kbps",
        ],
    ),
    ("diskfs.root.", FILE_SYSTEM),
    ("diskfs.boot_firmware.", FILE_SYSTEM),
    ("io.", &["pgpgin", "pgpgout", "pswpin", "pswpout"]),
    ("disk.", &["sd_write_probe_ms"]),
    ("net.eth0.", NETWORK),
    ("net.wlan0.", NETWORK),
    ("sys.", &["load1", "load5", "load15"]),
    ("sys.", &["procs_running", "procs_total"]),
    ("temp.", &["office_wet.mdeg", "out_dry.mdeg", "office_dry.mdeg", "boiler.mdeg", "fridge.mdeg"]),
];
const PROCESS: &[&str] = &["count", "rss_bytes", "vsize_bytes", "cpu_pct"];
const FILE_SYSTEM: &[&str] = &["bytes_total", "bytes_used", "bytes_free", "bytes_avail", "used_pct"];
const NETWORK: &[&str] =
    &["rx_bytes", "rx_packets", "rx_errors", "rx_drop", "tx_bytes", "tx_packets", "tx_errors", "tx_drop"];

/// All names, in the order of the values.
pub(crate) static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    GROUPS.iter().flat_map(|(prefix, ends)| ends.iter().map(move |end| format!("{prefix}{end}"))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_as_many_names_as_values_and_each_once() {
        assert_eq!(NAMES.len(), COUNT);
        assert_eq!(NAMES.iter().collect::<BTreeSet<_>>().len(), COUNT);
    }
}
