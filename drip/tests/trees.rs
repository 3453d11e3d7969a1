//! Values on recorded trees of a Raspberry Pi 3, a Pi 5 and an x86 server, against those of an independent reader in
//! Python, and against numbers worked out by hand.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use drip::trial::Trial;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const COLLECTORS: [&str; 10] =
    ["cpu", "memory", "io", "loadavg", "network", "disk", "diskfs", "process", "pressure", "onewire"];

const SENSORS: &str = "names = { \"28-0316a2791aff\" = \"office_wet\", \"28-0316a2792b01\" = \"out_dry\" }";

fn tree(machine: &str, snapshot: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(machine).join(snapshot)
}

/// Metrics of the second snapshot, ten seconds after the first, by collector.
fn drip(machine: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for collector in COLLECTORS {
        let mut trial = Trial::new(collector, if collector == "onewire" { SENSORS } else { "" }).unwrap();
        // A host need not have everything; that shows in the comparison.
        let _ = trial.cycle(&tree(machine, "a"), 0);
        let text = trial.cycle(&tree(machine, "b"), 10_000).unwrap_or_default();
        lines.extend(text.lines().map(|line| format!("{collector} {line}")));
    }
    lines
}

fn python(machine: &str) -> BTreeSet<String> {
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_tree.py"))
        .args([tree(machine, "a"), tree(machine, "b")])
        .args(["10", "28-0316a2791aff=office_wet", "28-0316a2792b01=out_dry"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn same(machine: &str, least: usize) {
    let (ours, theirs) = (drip(machine), python(machine));
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty() && extra.is_empty(), "only the Python reader: {missing:#?}\nonly drip: {extra:#?}");
    assert!(ours.len() >= least, "only {} metrics", ours.len());
}

#[test]
fn a_pi_3_reads_as_an_independent_reader_reads_it() {
    same("pi3", 80);
}

#[test]
fn a_pi_5_reads_as_an_independent_reader_reads_it() {
    same("pi5", 110);
}

#[test]
fn an_x86_server_reads_as_an_independent_reader_reads_it() {
    same("x86", 200);
}

/// The names of bench/gen.py, which the default dashboard and the benchmarks use, without those of its own sensors.
#[test]
fn a_pi_3_has_the_metrics_of_the_benchmark() {
    let names: BTreeSet<String> = drip("pi3").iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    let of = |prefix: &str, parts: &str| parts.split(' ').map(|p| format!("{prefix}{p}")).collect::<Vec<_>>();
    let mut expected = of("cpu.", "user nice system idle iowait irq softirq busy_pct freq_khz");
    expected.extend(of("", "sys.uptime_sec temp.cpu sys.load1 sys.load5 sys.load15 sys.procs_running sys.procs_total"));
    expected.extend(of("mem.", "total free available buffers cached swapcached swaptotal swapfree"));
    for program in ["drip", "nanotdb"] {
        expected.extend(of(&format!("proc.{program}."), "count rss_bytes vsize_bytes cpu_pct"));
    }
    expected.extend(of(
        "disk.mmcblk0.",
        "reads reads_merged read_sectors read_ms writes writes_merged write_sectors write_ms io_in_progress io_ms \
         io_weighted_ms busy_pct iops read_kbps write_kbps",
    ));
    for mount in ["root", "boot_firmware"] {
        expected.extend(of(&format!("diskfs.{mount}."), "bytes_total bytes_used bytes_free bytes_avail used_pct"));
    }
    expected.extend(of("io.", "pgpgin pgpgout pswpin pswpout"));
    for interface in ["eth0", "wlan0"] {
        let counters = "rx_bytes rx_packets rx_errors rx_drop tx_bytes tx_packets tx_errors tx_drop";
        expected.extend(of(&format!("net.{interface}."), counters));
    }
    expected.extend(of("temp.", "office_wet.mdeg out_dry.mdeg"));
    let missing: Vec<_> = expected.iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // And what the benchmark does not have: shares, the inodes of the root, and whether file systems are well.
    let extra: BTreeSet<String> = names.iter().filter(|name| !expected.contains(name)).cloned().collect();
    let mut more = of("diskfs.root.", "inodes_free inodes_total inodes_used inodes_used_pct readonly stuck");
    more.extend(of("diskfs.boot_firmware.", "readonly stuck"));
    more.extend(of("cpu.", "steal user_pct nice_pct system_pct idle_pct iowait_pct irq_pct softirq_pct steal_pct"));
    more.extend(of("", "mem.used_pct swap.used_pct"));
    assert_eq!(extra, more.into_iter().collect());
}

fn values(machine: &str) -> BTreeMap<String, String> {
    drip(machine)
        .iter()
        .map(|line| {
            let mut fields = line.split(' ').skip(1).map(str::to_owned);
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect()
}

/// Worked out by hand from the files, so that a mistake that both readers share shows.
#[test]
fn rates_are_what_the_files_say() {
    let pi3 = values("pi3");
    let expect = |values: &BTreeMap<String, String>, expected: &[(&str, &str)]| {
        for (name, value) in expected {
            assert_eq!(values.get(*name).map(String::as_str), Some(*value), "{name}");
        }
    };
    expect(
        &pi3,
        &[
            // /proc/stat: 28 + 15 + 1 ticks of user, system, softirq; 3943 idle, 7 iowait. 44 / 3994 = 1.1017 %
            ("cpu.busy_pct", "1.10"),
            // /proc/diskstats, 10 s: io_ms 1102468 - 1102331 = 137 ms, 1.37 %
            ("disk.mmcblk0.busy_pct", "1.37"),
            // (31026 - 31022) + (402135 - 402113) = 26 operations
            ("disk.mmcblk0.iops", "2.6"),
            // 2210376 - 2210312 = 64 sectors of 512 bytes = 32 KiB
            ("disk.mmcblk0.read_kbps", "3.2"),
            // 12220672 - 12220344 = 328 sectors = 164 KiB
            ("disk.mmcblk0.write_kbps", "16.4"),
            // 52 + 19 ticks of 1/100 s in 10 s = 7.1 %
            ("proc.nanotdb.cpu_pct", "7.10"),
            // 5453 pages of 4096 bytes
            ("proc.nanotdb.rss_bytes", "22335488"),
            // statvfs: 7576671 - 5837563 = 1739108 blocks of 4096 bytes; 5447003 are left for others than root:
            // 1739108 / 7186111 = 24.2010 %, rounded up as df does
            ("diskfs.root.bytes_used", "7123386368"),
            ("diskfs.root.used_pct", "24.21"),
            // 1044464 - 911488 = 132976 blocks of 512 bytes, 12.7315 %
            ("diskfs.boot_firmware.bytes_used", "68083712"),
            ("diskfs.boot_firmware.used_pct", "12.74"),
            // 28 of 3994 ticks
            ("cpu.user_pct", "0.70"),
            // 944264 kB, 523296 available
            ("mem.used_pct", "44.58"),
            // 102396 kB, 98812 free
            ("swap.used_pct", "3.50"),
            ("temp.office_wet.mdeg", "21625"),
            ("temp.out_dry.mdeg", "-1187"),
        ],
    );
    // FAT has no inodes.
    assert!(!pi3.contains_key("diskfs.boot_firmware.inodes_total"));
    let pi5 = values("pi5");
    expect(
        &pi5,
        &[
            // 1022 + 622 pages of 16384 bytes: a Pi 5 has other pages than most machines that read this tree.
            ("proc.nanotdb.rss_bytes", "26935296"),
            // (210 + 88) + (5 + 2) ticks in 10 s
            ("proc.nanotdb.cpu_pct", "30.50"),
            ("proc.nanotdb.count", "2"),
            // 199 pages of 16384 bytes
            ("proc.drip.rss_bytes", "3260416"),
            ("diskfs.media_pi_My_Card.bytes_total", "31792529408"),
            ("psi.io.some_avg10", "0.62"),
        ],
    );
    // drip was restarted between the snapshots: what the new process used before is not known.
    assert!(!pi5.contains_key("proc.drip.cpu_pct"));
    let x86 = values("x86");
    expect(
        &x86,
        &[
            // 2400 + 800 + 20 + 20 ticks of user, system, softirq, steal of 8040: 40.2985 %
            ("cpu.busy_pct", "40.30"),
            // Highest of 3400000, 3398969, ...
            ("cpu.freq_khz", "3400000"),
            ("temp.cpu", "63000"),
            // io_ms 5000 in 10 s
            ("disk.nvme0n1.busy_pct", "50.00"),
            // 250 + 2000 operations
            ("disk.nvme0n1.iops", "225.0"),
            // 4023126200 - 4022102200 = 1024000 sectors = 512000 KiB
            ("disk.nvme0n1.write_kbps", "51200.0"),
            ("net.bond0_100.rx_bytes", "88021123"),
            ("io.pgpgout", "33396622172"),
        ],
    );
    for name in
        ["disk.nvme0n1p1.reads", "disk.loop0.reads", "disk.dm-0.reads", "net.lo.rx_bytes", "diskfs.mnt_nas.bytes_total"]
    {
        assert!(!x86.contains_key(name), "{name}");
    }
}
