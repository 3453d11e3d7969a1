//! Recorded trees of hosts that are not a Raspberry Pi with one disk: containers, hypervisors, NAS, boards with other sensors.
//!
//! A tree is one file, `tests/trees/hosts/NAME.tree`: `== path` and what stands in that file, `== path/` for a directory.
//! Expected values are worked out by hand from it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use drip::trial::Trial;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Writes a recorded tree.
fn tree(name: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees/hosts").join(name).with_extension("tree");
    let bytes = std::fs::read(path).unwrap();
    let mut file = None;
    let mut content = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n').chain([&b"== "[..]]) {
        let Some(next) = line.strip_prefix(b"== ") else {
            content.extend_from_slice(line);
            continue;
        };
        if let Some(path) = file.replace(String::from_utf8(next.trim_ascii().to_vec()).unwrap()) {
            write(root.path(), &path, &std::mem::take(&mut content));
        }
    }
    root
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path);
    match path.ends_with('/') {
        true => std::fs::create_dir_all(file).unwrap(),
        false => {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
    }
}

/// What a collector has on a tree after two readings.
fn values(collector: &str, section: &str, root: &Path) -> BTreeMap<String, String> {
    let mut trial = Trial::new(collector, section).unwrap();
    trial.cycle(root, 0).unwrap();
    let text = trial.cycle(root, 10_000).unwrap();
    assert!(trial.problems().is_empty(), "{:?}", trial.problems());
    let mut values = BTreeMap::new();
    for line in text.lines() {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.len() <= 255, "{name}");
        assert_eq!(values.insert(name.to_owned(), value.to_owned()), None, "{name} twice");
    }
    values
}

/// The mounts, interfaces or devices that a collector has metrics of.
fn parts(collector: &str, section: &str, root: &Path) -> BTreeSet<String> {
    let part = |name: &String| name.split('.').nth(1).unwrap().to_owned();
    values(collector, section, root).keys().map(part).collect()
}

#[track_caller]
fn has(found: &BTreeSet<String>, expected: &[&str]) {
    assert_eq!(found, &expected.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn file_systems_of_each_kind_of_host() {
    let cases: [(&str, &[&str]); 8] = [
        // ZFS: the root, in place of its pool
        ("lxc", &["root", "mnt_img"]),
        // The disk of the distribution at /, that of Windows, and none of the copies
        ("wsl2", &["root", "mnt_c"]),
        // The overlay that fills up, the card below it, and the boot partition
        ("overlayroot", &["root", "media_root-ro", "boot_firmware"]),
        // /etc/pve is a file system of configuration (fuse), the pool is one line
        ("pve", &["root", "boot_efi", "rpool"]),
        // One btrfs: at /var, and for one release at /sysroot as before
        ("ostree", &["root", "var", "sysroot"]),
        // What is mounted over it hides it
        ("stackmount", &["root"]),
        ("latin1", &["root", &format!("media_caf_-{:08x}", crc32(b"/media/caf\xe9"))]),
        (
            "mounts",
            &[
                "root",
                "boot",
                "srv",
                "srv2",
                "home",
                "secret",
                "dm3",
                "cache",
                "mnt_image",
                "tank_media",
                "mnt_cafe",
                // My_USB__1_ has it as it is written; the other one was called so before
                "media_pi_My_USB__1_",
                &format!("media_pi_My_USB__1_-{:08x}", crc32(b"/media/pi/My USB (1)")),
                "media_pi_My_USB__1__2",
            ],
        ),
    ];
    for (name, expected) in cases {
        let tree = tree(name);
        let found = parts("diskfs", "", tree.path());
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// CRC-32 (IEEE), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_container_measures_its_root_and_volumes_and_no_files() {
    let tree = tree("docker");
    // Of the host's disk, where all of it is mounted.
    has(&parts("diskfs", "", tree.path()), &["root", "mnt_whole_disk"]);
    let values = values("diskfs", "", tree.path());
    assert_eq!(values["diskfs.mnt_whole_disk.readonly"], "1");
    assert_eq!(values["diskfs.root.readonly"], "0");
    // Where the kernel does not tell what is mounted of it, at the shortest path.
    std::fs::remove_file(tree.path().join("proc/self/mountinfo")).unwrap();
    has(&parts("diskfs", "", tree.path()), &["root", "data"]);
}

#[test]
fn below_another_root_the_mounts_and_interfaces_are_those_of_the_first_process() {
    let tree = tree("lxc");
    write(tree.path(), "proc/1/mounts", b"/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /etc/hostname ext4 rw 0 0\n");
    has(&parts("diskfs", "", tree.path()), &["root"]);
    write(tree.path(), "proc/net/dev", b"a\nb\n eth0: 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n");
    write(tree.path(), "proc/1/net/dev", b"a\nb\n enp3s0: 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n");
    has(&parts("network", "", tree.path()), &["enp3s0"]);
    // A live /proc that hides the first process: what is drip's own is not taken for the host's.
    std::fs::remove_dir_all(tree.path().join("proc/1")).unwrap();
    std::fs::rename(tree.path().join("proc/self"), tree.path().join("proc/77")).unwrap();
    std::os::unix::fs::symlink("77", tree.path().join("proc/self")).unwrap();
    for collector in ["diskfs", "network"] {
        let told = Trial::new(collector, "").unwrap().cycle(tree.path(), 0).unwrap_err();
        assert!(told.starts_with("there is no /proc/1/"), "{collector}: {told}");
    }
}

/// As a container has it: the host's root at another place, and this machine's /proc below it.
#[test]
fn a_host_below_another_root_is_measured_by_its_own_paths() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/proc", root.path().join("proc")).unwrap();
    let mut trial = Trial::new("diskfs", "").unwrap();
    // Of this machine's mounts only / is there below the root; the others are directories of the host that nobody mounted.
    let Ok(text) = trial.cycle(root.path(), 0) else { return };
    assert!(text.lines().all(|line| line.starts_with("diskfs.root.")), "{text}");
    assert!(trial.problems().is_empty(), "{:?}", trial.problems());
}

#[test]
fn names_that_are_no_text_or_of_another_script_cost_nothing_and_are_stable() {
    let both = tree("uni");
    let mut names: Vec<(Vec<u8>, String)> = Vec::new();
    for name in ["фото", "кино"] {
        let path = format!("/media/pi/{name}").into_bytes();
        let part = format!("media_pi_____-{:08x}", crc32(&path));
        names.push((path, part));
    }
    let (photos, films) = (names[0].1.as_str(), names[1].1.as_str());
    has(&parts("diskfs", "", both.path()), &["root", photos, films, "media_pi_____", "media_pi______2"]);
    // The other one alone, first: the same name.
    write(
        both.path(),
        "proc/self/mounts",
        "/dev/sda1 / ext4 rw 0 0\n/dev/sdc1 /media/pi/кино ext4 rw 0 0\n".as_bytes(),
    );
    has(&parts("diskfs", "", both.path()), &["root", films, "media_pi_____"]);
    let latin = tree("latin1if");
    has(&parts("network", "", latin.path()), &["eth0", "wlan0", &format!("ap_-{:08x}", crc32(b"ap\xe9"))]);
    let long = values("diskfs", "", tree("longname").path());
    let longest = long.keys().map(String::len).max().unwrap();
    assert_eq!(longest, 255, "a path of 305 bytes is cut so that the longest name is one that the server takes");
    let interfaces = parts("network", "", tree("ifnames").path());
    let marked = |raw: &str, part: &str| format!("{part}-{:08x}", crc32(raw.as_bytes()));
    has(
        &interfaces,
        &[
            "eth0_1",
            &marked("eth0:1", "eth0_1"),
            "eth0_100",
            "enx00_11",
            "wlan_0",
            "a_b",
            "eth0-1",
            "ETH0",
            &marked("é", "_"),
            "_",
            "xxxxxxxxxxxxxxx",
        ],
    );
}

#[test]
fn what_guests_and_volumes_make_is_left_out_and_mappings_go_by_their_names() {
    let pve = tree("pve");
    has(&parts("network", "", pve.path()), &["eno1", "vmbr0"]);
    has(&parts("disk", "", pve.path()), &["sda"]);
    // The release before called it dm-1; that stays beside it for a release.
    has(&parts("disk", "also = [\"pve-root\"]", pve.path()), &["sda", "pve-root", "dm-1"]);
    has(
        &parts(
            "disk",
            "skip = [\"zd*\", \"sda\", \"pve-root\", \"dm-[2-9]\", \"dm-?\", \"dm-??\"]\nalso = [\"dm-0\"]",
            pve.path(),
        ),
        &["pve-swap", "dm-0"],
    );
    let big = tree("big64");
    has(
        &parts("network", "", big.path()),
        &["eno1np0", "eno2np1", "bond0", "bond0_100", "vmbr0", "ibs1", "tailscale0", "wg0", "zt0"],
    );
    assert_eq!(parts("disk", "", big.path()).len(), 8 + 12);
}

#[test]
fn operations_under_way_below_zero_cost_their_own_metric() {
    let values = values("disk", "", tree("negio").path());
    assert_eq!(values["disk.mmcblk0.reads"], "1000");
    assert_eq!(values["disk.mmcblk0.io_ms"], "700");
    assert_eq!(values["disk.mmcblk0.busy_pct"], "0.00");
    assert!(!values.contains_key("disk.mmcblk0.io_in_progress"));
}

#[test]
fn memory_that_zfs_gives_back_is_available() {
    let arc = tree("arc");
    let of_host = values("memory", "", arc.path());
    // 8,000,000 kB and (7,000,000,000 - 500,000,000) / 1024 = 6,347,656 kB, of 16,000,000
    assert_eq!(of_host["mem.available"], "14347656");
    assert_eq!(of_host["mem.zfs_arc"], "6835937");
    assert_eq!(of_host["mem.used_pct"], "10.33");
    assert_eq!(of_host["swap.used_pct"], "0.00");
    // In a container with its own meminfo it is somebody else's.
    write(arc.path(), "proc/self/mounts", b"lxcfs /proc/meminfo fuse.lxcfs rw 0 0\n");
    let of_container = values("memory", "", arc.path());
    assert_eq!((of_container["mem.available"].as_str(), of_container["mem.used_pct"].as_str()), ("8000000", "50.00"));
    assert!(!of_container.contains_key("mem.zfs_arc"));
    // More than there is cannot be this machine's.
    write(arc.path(), "proc/self/mounts", b"/dev/sda1 / ext4 rw 0 0\n");
    write(arc.path(), "proc/spl/kstat/zfs/arcstats", b"13 1 0x01 1 1\nname type data\nsize 4 70000000000\n");
    assert_eq!(values("memory", "", arc.path())["mem.available"], "8000000");
}

#[test]
fn the_hottest_sensor_of_the_first_kind_that_answers() {
    for (name, expected) in [
        // Two processors, 60 and 97 degrees
        ("dual", Some("97000")),
        // RK3588, and Jetson
        ("hw_label", Some("41000")),
        ("hw_jetson", Some("45500")),
        ("hw_cpu0", Some("45000")),
        // Its zone cannot be read: k10temp beside it can
        ("hw_k10_err", Some("55125")),
        // An old coretemp without a package has its cores
        ("hw_nopkg", Some("58000")),
        // Not the disk's, not the mainboard's
        ("hwmon", Some("55125")),
        // A zone that says 0 has measured nothing
        ("zonefail", None),
    ] {
        let values = values("cpu", "", tree(name).path());
        assert_eq!(values.get("temp.cpu").map(String::as_str), expected, "{name}");
    }
}

#[test]
fn a_sensor_that_fails_from_the_start_is_no_trouble_and_one_that_failed_later_is() {
    let tree = tree("zonefail");
    let mut trial = Trial::new("cpu", "").unwrap();
    trial.cycle(tree.path(), 0).unwrap();
    assert!(trial.problems().is_empty(), "{:?}", trial.problems());
    assert!(
        trial.absent().iter().any(|note| note.contains("temp.cpu") && note.contains("0 mdeg")),
        "{:?}",
        trial.absent()
    );
    write(tree.path(), "sys/class/thermal/thermal_zone0/temp", b"51000\n");
    assert!(trial.cycle(tree.path(), 10_000).unwrap().contains("temp.cpu 51000"));
    write(tree.path(), "sys/class/thermal/thermal_zone0/temp", b"0\n");
    assert!(!trial.cycle(tree.path(), 20_000).unwrap().contains("temp.cpu"));
    assert_eq!(trial.problems(), ["temp.cpu: /sys/class/thermal/thermal_zone0/temp: 0 mdeg cannot be"]);
}

#[test]
fn an_image_that_is_always_full_is_not_the_root() {
    let tree = tree("ostree");
    let text = std::fs::read_to_string(tree.path().join("statvfs")).unwrap();
    let full = text.replacen("/ 4096 1000000 300000 250000 60000 50000", "/ 4096 6000 0 0 60000 0", 1);
    assert_ne!(text, full);
    write(tree.path(), "statvfs", full.as_bytes());
    has(&parts("diskfs", "", tree.path()), &["var", "sysroot"]);
}

/// df of coreutils is what people compare with: used in per cent of what others than root can have, rounded up.
#[test]
fn the_share_of_the_root_is_what_df_shows() {
    let df = || {
        let said = std::process::Command::new("df").args(["-B1", "--output=used,avail,pcent", "/"]).output().unwrap();
        String::from_utf8(said.stdout).unwrap().lines().nth(1).unwrap().trim().to_owned()
    };
    // Where / is nothing that drip measures, there is nothing to compare; and somebody may write to it meanwhile.
    let measured = (0..1_000).find_map(|_| {
        let before = df();
        let Ok(text) = Trial::new("diskfs", "").unwrap().cycle(Path::new("/"), 0) else { return Some(None) };
        (before == df()).then_some(Some((before, text)))
    });
    let Some((df, text)) = measured.expect("the disk is written to all the time") else { return };
    let fields: Vec<u64> = df.split_ascii_whitespace().map(|n| n.trim_end_matches('%').parse().unwrap()).collect();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("diskfs.root.{name} ")));
    let Some(share) = value("used_pct") else { return };
    assert_eq!(value("bytes_used"), Some(fields[0].to_string().as_str()));
    assert_eq!(value("bytes_avail"), Some(fields[1].to_string().as_str()));
    assert_eq!(share.parse::<f64>().unwrap().ceil() as u64, fields[2], "{share} beside {df}");
}

/// A mount that does not answer: a FUSE file system whose daemon never says a word. Needs the right to mount.
#[test]
fn a_mount_that_hangs_is_named_and_costs_its_own_metrics_only() {
    let Some(hung) = Hung::mount() else {
        eprintln!("passed over: nothing can be mounted here");
        return;
    };
    let section = format!("also = [\"{}\"]", hung.path());
    let mut trial = Trial::new("diskfs", &section).unwrap();
    for cycle in 0..3 {
        let text = trial.cycle(Path::new("/"), cycle * 10_000).unwrap();
        let stuck: Vec<&str> = text.lines().filter(|line| line.contains(".stuck 1")).collect();
        assert_eq!(stuck.len(), 1, "{text}");
        assert!(!text.contains(&stuck[0].replace(".stuck 1", ".bytes_total")), "{text}");
        assert_eq!(
            trial.problems(),
            [format!("{}: the file system does not answer; it is left out until it does", hung.path())]
        );
    }
    // Whatever else is mounted here was measured.
    drop(hung);
    let began = std::time::Instant::now();
    while trial.cycle(Path::new("/"), 40_000).unwrap_or_default().contains(".stuck 1") {
        assert!(began.elapsed() < Duration::from_secs(60), "it is aborted, and still stuck");
        std::thread::yield_now();
    }
}

struct Hung {
    python: std::process::Child,
    dir: TempDir,
}

impl Hung {
    fn mount() -> Option<Self> {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let mut python = std::process::Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hung_mount.py"))
            .arg(dir.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .ok()?;
        let mut said = [0; 8];
        match python.stdout.as_mut()?.read(&mut said) {
            Ok(n) if n > 0 => Some(Self { python, dir }),
            _ => {
                let _ = python.wait();
                None
            }
        }
    }

    fn path(&self) -> String {
        self.dir.path().display().to_string()
    }
}

impl Drop for Hung {
    /// The end of its input ends it, and what it had mounted is aborted.
    fn drop(&mut self) {
        drop(self.python.stdin.take());
        let _ = self.python.wait();
    }
}
