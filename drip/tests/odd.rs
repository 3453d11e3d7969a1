//! Hosts that do not behave: counters that go back, files that are missing or damaged, sensors that lie, devices that
//! come and go. Nothing may be below zero or beyond reason; what is not known is left out.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use drip::trial::Trial;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// A tree of a few files, and one collector on it.
struct Host {
    tree: TempDir,
    trial: Trial,
    at_ms: u64,
}

impl Host {
    fn new(collector: &str, section: &str) -> Self {
        let tree = tempfile::tempdir().unwrap();
        Self { tree, trial: Trial::new(collector, section).unwrap(), at_ms: 0 }
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.tree.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.tree.path().join(path);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    /// One cycle, ten seconds after the last.
    fn cycle(&mut self) -> Result<BTreeMap<String, f64>, String> {
        self.at_ms += 10_000;
        let text = self.trial.cycle(self.tree.path(), self.at_ms)?;
        let values: BTreeMap<String, f64> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect();
        for (name, value) in values.iter().filter(|(name, _)| name.ends_with("_pct") && !name.contains("proc.")) {
            assert!((0.0..=100.0).contains(value), "{name} {value}");
        }
        Ok(values)
    }

    #[track_caller]
    fn has(&mut self, expected: &[(&str, f64)], missing: &[&str]) {
        let values = self.cycle().unwrap();
        for (name, value) in expected {
            assert_eq!(values.get(*name), Some(value), "{name} of {values:?}");
        }
        for name in missing {
            assert!(!values.contains_key(*name), "{name}: {:?}", values.get(*name));
        }
    }

    #[track_caller]
    fn problem(&self, part: &str) {
        let problems = self.trial.problems();
        assert!(problems.iter().any(|p| p.contains(part)), "{part:?} is not among {problems:?}");
    }
}

fn stat(user: u64, idle: u64) -> String {
    format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {user} 0 0 {idle} 0 0 0 0 0 0\nintr 1\n")
}

#[test]
fn processor_times_that_go_back_make_a_gap_and_no_percentage() {
    let mut host = Host::new("cpu", "");
    host.file("proc/stat", &stat(1_000, 9_000));
    host.has(&[("cpu.user", 1_000.0)], &["cpu.busy_pct"]);
    host.file("proc/stat", &stat(1_500, 9_500));
    host.has(&[("cpu.busy_pct", 50.0)], &[]);
    // Back to the start, as in a container that moved to another machine.
    host.file("proc/stat", &stat(100, 200));
    host.has(&[("cpu.user", 100.0)], &["cpu.busy_pct"]);
    host.file("proc/stat", &stat(200, 500));
    host.has(&[("cpu.busy_pct", 25.0)], &[]);
    // idle alone steps back now and then (proc(5)): it counts as standing still, and is not sent as less than it was.
    host.file("proc/stat", &stat(300, 499));
    host.has(&[("cpu.busy_pct", 100.0), ("cpu.idle", 500.0), ("cpu.user_pct", 100.0), ("cpu.idle_pct", 0.0)], &[]);
    // Nothing moved: no share of nothing.
    host.has(&[], &["cpu.busy_pct"]);
}

#[test]
fn damaged_and_missing_files_of_the_processor_cost_their_own_metrics_only() {
    let mut host = Host::new("cpu", "");
    host.file("proc/uptime", "12.5 20.1\n");
    host.has(&[("sys.uptime_sec", 12.0)], &["cpu.user"]);
    host.file("proc/stat", "cpu  12 lots\n");
    host.has(&[("sys.uptime_sec", 12.0)], &["cpu.user", "cpu.busy_pct"]);
    host.problem("/proc/stat: does not begin with a line cpu");
    host.file("proc/stat", &stat(1, 2));
    host.file("proc/uptime", "soon\n");
    host.has(&[("cpu.user", 1.0)], &["sys.uptime_sec"]);
    host.problem("/proc/uptime: does not begin with a number");
    host.remove("proc");
    assert_eq!(host.cycle().unwrap_err(), "there is no /proc/stat");
}

#[test]
fn a_thermometer_that_lies_vanishes_or_comes_late_makes_a_gap() {
    let mut host = Host::new("cpu", "");
    host.file("proc/stat", &stat(1, 2));
    host.has(&[], &["temp.cpu"]);
    assert!(host.trial.absent().iter().any(|note| note.starts_with("temp.cpu: no thermometer")));
    let zone = "sys/class/thermal/thermal_zone0";
    let mut host = Host::new("cpu", "");
    host.file("proc/stat", &stat(1, 2));
    host.file(&format!("{zone}/type"), "cpu-thermal\n");
    host.file(&format!("{zone}/temp"), "48686\n");
    host.has(&[("temp.cpu", 48_686.0)], &[]);
    for lie in ["2147483647\n", "-274000\n"] {
        host.file(&format!("{zone}/temp"), lie);
        host.has(&[], &["temp.cpu"]);
        host.problem("cannot be");
    }
    host.file(&format!("{zone}/temp"), "hot\n");
    host.has(&[], &["temp.cpu"]);
    host.problem("is not a number");
    host.remove(zone);
    host.has(&[], &["temp.cpu"]);
    host.problem("/sys/class/thermal/thermal_zone0/temp");
    // The driver was loaded again, and its zone has another number.
    host.file("sys/class/thermal/thermal_zone3/type", "cpu-thermal\n");
    host.file("sys/class/thermal/thermal_zone3/temp", "50123\n");
    host.has(&[("temp.cpu", 50_123.0)], &[]);
}

/// A line of /proc/diskstats with so many reads and writes of 8 sectors.
fn device(name: &str, reads: u64, writes: u64, io_ms: u64) -> String {
    format!("   8       0 {name} {reads} 0 {} 0 {writes} 0 {} 0 0 {io_ms} 0 0 0 0 0 0 0\n", reads * 8, writes * 8)
}

const RATES: [&str; 4] = ["disk.sda.busy_pct", "disk.sda.iops", "disk.sda.read_kbps", "disk.sda.write_kbps"];

#[test]
fn disk_counters_that_wrap_or_are_reset_make_a_gap() {
    let mut host = Host::new("disk", "");
    host.file("proc/diskstats", &device("sda", 1_000, 2_000, u64::from(u32::MAX) - 100));
    host.has(&[("disk.sda.reads", 1_000.0)], &RATES);
    // The milliseconds have 32 bits in the kernel and wrap after 50 busy days.
    host.file("proc/diskstats", &device("sda", 1_010, 2_030, 400));
    host.has(&[("disk.sda.reads", 1_010.0), ("disk.sda.io_ms", 400.0)], &RATES);
    // 10 + 30 operations of 4 KiB and 1 s of 10.
    host.file("proc/diskstats", &device("sda", 1_020, 2_060, 1_400));
    host.has(
        &[
            ("disk.sda.busy_pct", 10.0),
            ("disk.sda.iops", 4.0),
            ("disk.sda.read_kbps", 4.0),
            ("disk.sda.write_kbps", 12.0),
        ],
        &[],
    );
    host.file("proc/diskstats", &device("sda", 3, 4, 1_500));
    host.has(&[("disk.sda.writes", 4.0)], &RATES);
    // The kernel's milliseconds ran a little ahead of the clock.
    host.file("proc/diskstats", &device("sda", 3, 4, 11_600));
    host.has(&[("disk.sda.busy_pct", 100.0)], &[]);
}

#[test]
fn a_disk_that_is_pulled_and_plugged_again_begins_anew() {
    let mut host = Host::new("disk", "");
    let both = |n: u64| format!("{}{}", device("sda", n, n, n), device("sdb", 2 * n, n, n));
    host.file("proc/diskstats", &both(100));
    host.has(&[("disk.sdb.reads", 200.0)], &[]);
    host.file("proc/diskstats", &device("sda", 110, 110, 110));
    host.has(&[("disk.sda.iops", 2.0)], &["disk.sdb.reads", "disk.sdb.iops"]);
    // Back with more reads than before: a rate over the time it was away would be one of another disk.
    host.file("proc/diskstats", &both(900_000));
    host.has(&[("disk.sdb.reads", 1_800_000.0)], &["disk.sdb.iops", "disk.sdb.read_kbps"]);
    host.file("proc/diskstats", "   8       0 sda 1 2 x\n");
    host.has(&[], &["disk.sda.reads"]);
    host.problem("its line does not have eleven counters");
}

#[test]
fn two_readings_at_the_same_moment_make_no_rate() {
    let mut trial = Trial::new("disk", "").unwrap();
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("proc")).unwrap();
    for reads in [1, 1_000_000] {
        std::fs::write(tree.path().join("proc/diskstats"), device("sda", reads, 1, 1)).unwrap();
        let text = trial.cycle(tree.path(), 5).unwrap();
        assert!(text.contains("disk.sda.reads") && !text.contains("iops"), "{text}");
    }
}

fn interfaces(lines: &[&str]) -> String {
    format!("Inter-|   Receive |  Transmit\n face |bytes packets|bytes packets\n{}\n", lines.join("\n"))
}

#[test]
fn interfaces_come_and_go_and_their_counters_are_sent_as_they_are() {
    let mut host = Host::new("network", "skip = [\"lo\", \"wg*\"]");
    let lo = "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0";
    host.file("proc/net/dev", &interfaces(&[lo, "  eth0:4294967290 7 1 2 0 0 0 0 5 6 3 4 0 0 0 0"]));
    host.has(&[("net.eth0.rx_bytes", 4_294_967_290.0), ("net.eth0.tx_drop", 4.0)], &["net.lo.rx_bytes"]);
    let usb = "enx00e04c: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0";
    host.file("proc/net/dev", &interfaces(&[lo, usb, "   wg0: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0"]));
    host.has(&[("net.enx00e04c.rx_bytes", 1.0)], &["net.eth0.rx_bytes", "net.wg0.rx_bytes"]);
    host.file("proc/net/dev", &interfaces(&[lo, usb, "  eth0: 1 2 3"]));
    host.has(&[("net.enx00e04c.rx_bytes", 1.0)], &["net.eth0.rx_bytes"]);
    host.problem("eth0: /proc/net/dev");
    host.file("proc/net/dev", "");
    assert!(host.cycle().unwrap_err().contains("/proc/net/dev: does not have a line of an interface"));
}

/// Each has a first process, which everybody may read.
fn processes(section: &str) -> Host {
    let host = Host::new("process", section);
    host.file("proc/1/stat", &process(1, "systemd", 1, 1));
    host
}

fn process(pid: u32, name: &str, ticks: u64, start: u64) -> String {
    format!("{pid} ({name}) S 1 7 7 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {start} 1048576 100 1 1 1\n")
}

#[test]
fn a_program_that_is_restarted_stops_or_gets_an_old_id_has_no_wild_percentage() {
    let mut host = processes("programs = [\"nanotdb\"]");
    host.file("proc/7/stat", &process(7, "nanotdb", 5_000, 10));
    host.has(&[("proc.nanotdb.count", 1.0), ("proc.nanotdb.vsize_bytes", 1_048_576.0)], &["proc.nanotdb.cpu_pct"]);
    host.file("proc/7/stat", &process(7, "nanotdb", 5_250, 10));
    host.has(&[("proc.nanotdb.cpu_pct", 25.0)], &[]);
    // The same id, another process: fewer ticks, a later start.
    host.file("proc/7/stat", &process(7, "nanotdb", 9_000, 88));
    host.has(&[("proc.nanotdb.count", 1.0)], &["proc.nanotdb.cpu_pct"]);
    host.remove("proc/7");
    host.file("proc/8/stat", &process(8, "bash", 1, 99));
    host.has(&[("proc.nanotdb.count", 0.0)], &["proc.nanotdb.cpu_pct", "proc.nanotdb.rss_bytes"]);
    // The shell becomes the program: found when all processes are looked at again, within a minute.
    host.file("proc/8/stat", &process(8, "nanotdb", 2, 99));
    let found = (0..6).any(|_| host.cycle().unwrap()["proc.nanotdb.count"] == 1.0);
    assert!(found);
}

#[test]
fn a_program_that_is_not_there_is_counted_as_zero_and_a_broken_stat_file_is_passed_over() {
    let mut host = processes("programs = [\"a-very-long-program-name\"]");
    host.file("proc/9/stat", "9 (");
    host.has(&[("proc.a-very-long-program-name.count", 0.0)], &[]);
    // The kernel keeps 15 bytes of a name.
    host.file("proc/10/stat", &process(10, "a-very-long-pro", 1, 1));
    host.has(&[("proc.a-very-long-program-name.count", 1.0)], &[]);
}

#[test]
fn processes_that_are_hidden_are_not_counted_as_none() {
    let mut host = processes("programs = [\"nanotdb\"]");
    host.file("proc/9/stat", &process(9, "drip", 1, 1));
    host.has(&[("proc.nanotdb.count", 0.0)], &[]);
    // With hidepid, /proc has what is one's own.
    host.remove("proc/1");
    assert_eq!(host.cycle().unwrap_err(), "/proc hides the processes of others (hidepid)");
}

/// Sixty readings, 40 ticks a processor apart, in which iowait goes up by two and then back by one.
#[test]
fn iowait_that_steps_back_makes_no_gap() {
    let mut host = Host::new("cpu", "");
    let mut shares = Vec::new();
    for n in 0..60_u64 {
        let iowait = 100 + n / 2 + if n % 2 == 1 { 2 } else { 0 };
        host.file("proc/stat", &format!("cpu  {} 0 0 {} {iowait} 0 0 0 0 0\n", 1_000 + 10 * n, 9_000 + 30 * n));
        shares.extend(host.cycle().unwrap().get("cpu.busy_pct").copied());
    }
    assert_eq!(shares.len(), 59);
    // 10 of 40 to 42 ticks
    assert!(shares.iter().all(|share| (23.8..=25.0).contains(share)), "{shares:?}");
}

const GOOD: &str = "5a 01 4b 46 7f ff 06 10 2e : crc=2e YES\n5a 01 4b 46 7f ff 06 10 2e t=21625\n";

#[test]
fn sensors_that_are_unreadable_or_insane_make_a_gap_and_say_why() {
    let names = "names = { \"28-1\" = \"boiler\", \"28-9\" = \"attic\" }\nmin_mdeg = -30000\nmax_mdeg = 110000";
    let mut host = Host::new("onewire", names);
    let w1 = |id: &str| format!("sys/bus/w1/devices/{id}/w1_slave");
    host.file(&w1("28-1"), GOOD);
    host.file(&w1("28-2"), GOOD);
    host.has(&[("temp.boiler.mdeg", 21_625.0), ("temp.28-2.mdeg", 21_625.0)], &["temp.attic.mdeg"]);
    host.problem("attic: 28-9 is not on the bus");
    let cases = [
        (
            "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n",
            "85000 mdeg: the value after power-on",
        ),
        ("ff ff ff ff ff ff ff ff ff : crc=c9 NO\nff t=-62\n", "wrong checksum"),
        ("00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 t=0\n", "only zeros"),
        (
            "d0 07 4b 46 7f ff 06 10 2e : crc=2e YES\nd0 t=125000\n",
            "125000 mdeg is not within min_mdeg..max_mdeg (-30000 to 110000)",
        ),
        ("90 fc 4b 46 7f ff 06 10 2e : crc=2e YES\n90 t=-55000\n", "-55000 mdeg is not within"),
        ("5a : crc=2e YES\n", "no t="),
        ("", "wrong checksum"),
    ];
    for (text, reason) in cases {
        host.file(&w1("28-1"), text);
        host.has(&[("temp.28-2.mdeg", 21_625.0)], &["temp.boiler.mdeg"]);
        host.problem(reason);
    }
    host.remove("sys/bus/w1/devices/28-1/w1_slave");
    host.has(&[("temp.28-2.mdeg", 21_625.0)], &["temp.boiler.mdeg"]);
    host.problem("boiler: ");
    host.file(&w1("28-1"), GOOD);
    host.has(&[("temp.boiler.mdeg", 21_625.0)], &[]);
    // The bus itself goes away: with names configured that is an error, not a machine without sensors.
    host.remove("sys/bus/w1");
    assert!(host.cycle().unwrap_err().contains("/sys/bus/w1/devices"));
}

#[test]
fn a_host_without_a_bus_or_pressure_information_has_none_and_no_error() {
    let mut host = Host::new("onewire", "");
    assert!(host.cycle().unwrap_err().starts_with("there is no /sys/bus/w1/devices"));
    let mut host = Host::new("pressure", "");
    assert!(host.cycle().unwrap_err().contains("the kernel keeps no pressure stall information"));
    let mut host = Host::new("loadavg", "");
    assert_eq!(host.cycle().unwrap_err(), "there is no /proc/loadavg");
}

#[test]
fn texts_that_are_not_what_the_kernel_writes_are_errors_that_name_the_file() {
    for (collector, path, text) in [
        ("loadavg", "proc/loadavg", "0.12 nan 0.11 1/182 7\n"),
        ("loadavg", "proc/loadavg", "0.12 0.15 0.11 182\n"),
        ("loadavg", "proc/loadavg", ""),
        ("memory", "proc/meminfo", "MemTotal\n"),
        ("io", "proc/vmstat", "x y\n"),
        ("diskfs", "proc/self/mounts", ""),
        ("memory", "proc/meminfo", "\u{0}\u{0}"),
    ] {
        let mut host = Host::new(collector, "");
        host.file(path, text);
        let told = host.cycle().unwrap_err();
        assert!(told.contains(path), "{collector} {text:?}: {told}");
    }
    let mut host = Host::new("memory", "");
    host.file("proc/meminfo", "MemTotal: lots kB\nMemFree: 7 kB\n");
    host.has(&[("mem.free", 7.0)], &["mem.total"]);
    host.problem("mem.total: /proc/meminfo: \"lots kB\" is no number");
}

#[test]
fn a_file_system_that_does_not_answer_costs_its_own_metrics_only() {
    let mut host = Host::new("diskfs", "skip = [\"/skipped\"]\nalso = [\"/mnt/nas\"]");
    host.file(
        "proc/self/mounts",
        "/dev/a / ext4 rw 0 0\n/dev/b /gone ext4 rw 0 0\n/dev/c /skipped ext4 rw 0 0\nnas:/x /mnt/nas nfs rw 0 0\n",
    );
    host.file("statvfs", "/ 4096 100 40 30 10 5\n/mnt/nas 1024 1000 1000 1000 0 0\n/skipped 1 1 1 1 1 1\n");
    host.has(
        // 60 of the 90 blocks that others than root can have
        &[("diskfs.root.used_pct", 66.67), ("diskfs.root.inodes_used", 5.0), ("diskfs.mnt_nas.used_pct", 0.0)],
        &["diskfs.gone.used_pct", "diskfs.skipped.used_pct"],
    );
    host.problem("/gone: /statvfs: has no line for /gone");
    // Mounted and unmounted while drip runs.
    host.file("proc/self/mounts", "/dev/a / ext4 rw 0 0\n/dev/u /media/usb vfat rw 0 0\n");
    host.file("statvfs", "/ 4096 100 40 30 10 5\n/media/usb 512 8 2 2 0 0\n");
    host.has(&[("diskfs.media_usb.used_pct", 75.0)], &["diskfs.mnt_nas.used_pct", "diskfs.media_usb.inodes_total"]);
}

#[test]
fn the_probe_writes_in_every_nth_cycle_only_and_tells_when_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let mut trial = Trial::with_state_dir("sd_write_probe", "every = 3\nbytes = 512", dir.path()).unwrap();
    let root = Path::new("/");
    let measured: Vec<bool> =
        (0..7).map(|n| trial.cycle(root, n * 10_000).unwrap().starts_with("disk.sd_write_probe_ms ")).collect();
    assert_eq!(measured, [true, false, false, true, false, false, true]);
    assert_eq!(std::fs::metadata(dir.path().join("write-probe")).unwrap().len(), 512);
    let mut trial = Trial::with_state_dir("sd_write_probe", "", &dir.path().join("none")).unwrap();
    assert!(trial.cycle(root, 0).unwrap_err().starts_with("there is no "));
    std::fs::write(dir.path().join("file"), "").unwrap();
    let section = format!("every = 1\ndir = \"{}\"", dir.path().join("file").display());
    let mut trial = Trial::new("sd_write_probe", &section).unwrap();
    assert!(trial.cycle(root, 0).unwrap_err().contains("write-probe"));
}
