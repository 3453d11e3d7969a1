//! How long the storage takes to write a little and have it safe: what a worn SD card shows first.

use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Samples, Section, async_trait};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

struct WriteProbe {
    /// The directory; empty is the one that drip may write to.
    dir: PathBuf,
    every: u64,
    content: Vec<u8>,
    /// Whether a disk that could sleep is written to as well.
    spinning_disks: bool,
    /// Whether it is on one; `None` until it was looked at.
    spins: Option<bool>,
}

const FILE: &str = "write-probe";

#[async_trait]
impl Collector for WriteProbe {
    /// In cycle 1 and every n-th after it; in the others there is no sample.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        if cycle.number() % self.every != 1 % self.every {
            return Ok(());
        }
        let dir = if self.dir.as_os_str().is_empty() { cycle.state_dir() } else { &self.dir };
        if !dir.exists() {
            return Err(CollectError::NotHere(format!("there is no {} yet; a service makes it", dir.display())));
        }
        if !self.spinning_disks && *self.spins.get_or_insert_with(|| is_on_spinning_disk(dir)) {
            return Err(CollectError::NotHere(format!(
                "{} is on a spinning disk, which a write each minute would keep awake (spinning_disks = true measures it)",
                dir.display()
            )));
        }
        let failed = |e: std::io::Error| CollectError::Failed(format!("{}: {e}", dir.join(FILE).display()));
        let file = open(dir).map_err(failed)?;
        // Not the same bytes each time: a card that notices would have nothing to do.
        let mark = cycle.number().to_le_bytes();
        self.content.chunks_exact_mut(mark.len()).for_each(|chunk| chunk.copy_from_slice(&mark));
        let began = Instant::now();
        file.write_all_at(&self.content, 0).and_then(|()| file.sync_all()).map_err(failed)?;
        out.float("disk.sd_write_probe_ms", began.elapsed().as_secs_f64() * 1e3, 2);
        Ok(())
    }
}

/// The same blocks are written again and again: the file is not made anew, unless it is somebody else's, such as root's
/// after `sudo drip --once`.
fn open(dir: &Path) -> std::io::Result<File> {
    let path = dir.join(FILE);
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    match open() {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => std::fs::remove_file(&path).and_then(|()| open()),
        opened => opened,
    }
}

/// Whether the directory is on a disk that turns, or on volumes of one. Of virtual disks it does not matter what they say.
fn is_on_spinning_disk(dir: &Path) -> bool {
    let Ok(found) = std::fs::metadata(dir) else { return false };
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let Ok(device) = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) else { return false };
    spins(&device, 4)
}

/// `device` is a directory of /sys: of a disk, of a partition below its disk, or of a volume with what it is made of in `slaves`.
fn spins(device: &Path, depth: u32) -> bool {
    let slaves = std::fs::read_dir(device.join("slaves"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().canonicalize().ok());
    let slaves: Vec<PathBuf> = slaves.collect();
    if !slaves.is_empty() {
        return depth > 0 && slaves.iter().any(|slave| spins(slave, depth - 1));
    }
    let disk = if device.join("partition").exists() { device.parent().unwrap_or(device) } else { device };
    let is_sata = disk.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("sd"));
    is_sata && std::fs::read_to_string(disk.join("queue/rotational")).is_ok_and(|text| text.trim() == "1")
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let dir = PathBuf::from(section.text("dir", ""));
    let every = section.number("every", 6, 1..=1_000_000);
    let bytes = section.number("bytes", 4_096, 512..=1 << 20);
    let spinning_disks = section.bool("spinning_disks", false);
    let content = vec![0; usize::try_from(bytes).unwrap_or(4_096)];
    Box::new(WriteProbe { dir, every, content, spinning_disks, spins: None })
}

const KEYS: [Key; 4] = [
    Key::new(
        "dir",
        Kind::Text,
        r#""""#,
        "A directory on the card or disk that is meant; empty: the same as spool.dir.",
    ),
    Key::new("every", Kind::Integer, "6", "In every n-th cycle: each probe wears the card a little.").unit("cycles"),
    Key::new("bytes", Kind::Integer, "4096", "Bytes that are written, 512 to 1048576.").unit("bytes"),
    Key::new("spinning_disks", Kind::Bool, "false", "Also on a disk that turns, which then never sleeps."),
];

inventory::submit! {
    CollectorPlugin::new(
        "sd_write_probe",
        "time to write and fsync a few bytes, in ms",
        &KEYS,
        build,
    )
    .timeout_ms(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_turns_is_known_below_partitions_and_volumes() {
        let sys = tempfile::tempdir().unwrap();
        let disk = |name: &str, rotational: &str| {
            let disk = sys.path().join(name);
            std::fs::create_dir_all(disk.join("queue")).unwrap();
            std::fs::write(disk.join("queue/rotational"), rotational).unwrap();
            std::fs::create_dir(disk.join(format!("{name}1"))).unwrap();
            std::fs::write(disk.join(format!("{name}1/partition")), "1\n").unwrap();
            disk
        };
        let (turning, flash, virtual_disk) = (disk("sda", "1\n"), disk("sdb", "0\n"), disk("vda", "1\n"));
        assert!(spins(&turning, 4) && spins(&turning.join("sda1"), 4));
        assert!(!spins(&flash, 4) && !spins(&flash.join("sdb1"), 4) && !spins(&virtual_disk.join("vda1"), 4));
        for (name, below, expected) in [("dm-0", &turning, true), ("dm-1", &flash, false)] {
            let volume = sys.path().join(name);
            std::fs::create_dir_all(volume.join("slaves")).unwrap();
            std::os::unix::fs::symlink(below, volume.join("slaves/part")).unwrap();
            assert_eq!(spins(&volume, 4), expected, "{name}");
        }
    }
}
