//! Size and use of mounted file systems: /proc/self/mounts and statvfs.

use super::malformed;
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, MountUse, Part, Patterns, Samples, Section, async_trait,
};
use std::fmt::Write;

struct DiskFs {
    skip: Patterns,
    /// Mounts to report though no block device is behind them, such as a network share.
    also: Patterns,
    mounts: Vec<Mount>,
    /// What `mounts` was made of.
    text: String,
}

struct Mount {
    path: String,
    /// The part of the metrics' names.
    name: String,
}

const PATH: &str = "proc/self/mounts";

/// File systems that are always full, or not the machine's.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "erofs", "udf"];

const SKIP: [&str; 4] = ["/var/lib/docker/*", "/var/lib/containers/*", "/run/*", "/snap/*"];

#[async_trait]
impl Collector for DiskFs {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let text = cycle.read(PATH)?;
        if text.trim().is_empty() {
            return Err(malformed(PATH, "a mount"));
        }
        if text != self.text {
            self.text.clear();
            self.text.push_str(text);
            self.mounts = self.choose();
        }
        if self.mounts.is_empty() {
            return Err(CollectError::NotHere("no file system of a block device is mounted".into()));
        }
        for Mount { path, name } in &self.mounts {
            match cycle.mount_use(path) {
                Ok(found) => report(name, found, out),
                Err(e) => out.problem(path, e),
            }
        }
        Ok(())
    }
}

impl DiskFs {
    /// Mounts of block devices, each device once: what is mounted elsewhere again has the same numbers.
    fn choose(&self) -> Vec<Mount> {
        let mut devices = Vec::new();
        let mut mounts: Vec<Mount> = Vec::new();
        for line in self.text.lines() {
            let mut fields = line.split(' ');
            let (Some(device), Some(path), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let path = unescaped(path);
            let is_disk = device.starts_with("/dev/") && !IMAGES.contains(&kind) && !devices.contains(&device);
            if self.skip.matches(&path) || !(is_disk || self.also.matches(&path)) {
                continue;
            }
            // Something mounted over it hides what was there.
            mounts.retain(|mount| mount.path != path);
            devices.push(device);
            let name = name_of(&path, &mounts);
            mounts.push(Mount { path, name });
        }
        mounts
    }
}

/// `/` is `root`, `/boot/firmware` is `boot_firmware`; a name that is taken gets a number.
fn name_of(path: &str, taken: &[Mount]) -> String {
    let base = match path.trim_matches('/') {
        "" => "root".to_owned(),
        path => Part(path).to_string(),
    };
    let mut name = base.clone();
    let mut number = 1;
    while taken.iter().any(|mount| mount.name == name) {
        number += 1;
        name.clone_from(&base);
        let _ = write!(name, "_{number}");
    }
    name
}

/// The kernel writes space, tab, newline and backslash as `\040`.
fn unescaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.map_or('\\', char::from));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    out.push_str(rest);
    out
}

fn report(name: &str, found: MountUse, out: &mut Samples) {
    let bytes = |blocks: u64| blocks.saturating_mul(found.block);
    let used = found.blocks.saturating_sub(found.free);
    out.integer(format_args!("diskfs.{name}.bytes_total"), bytes(found.blocks));
    out.integer(format_args!("diskfs.{name}.bytes_used"), bytes(used));
    out.integer(format_args!("diskfs.{name}.bytes_free"), bytes(found.free));
    out.integer(format_args!("diskfs.{name}.bytes_avail"), bytes(found.available));
    if found.blocks > 0 {
        out.float(format_args!("diskfs.{name}.used_pct"), 100.0 * used as f64 / found.blocks as f64, 2);
    }
    // FAT and btrfs have no fixed number of inodes, and say zero.
    if found.inodes > 0 {
        let used = found.inodes.saturating_sub(found.inodes_free);
        out.integer(format_args!("diskfs.{name}.inodes_total"), found.inodes);
        out.integer(format_args!("diskfs.{name}.inodes_used"), used);
        out.integer(format_args!("diskfs.{name}.inodes_free"), found.inodes_free);
        out.float(format_args!("diskfs.{name}.inodes_used_pct"), 100.0 * used as f64 / found.inodes as f64, 2);
    }
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let skip = section.patterns("skip", &SKIP);
    let also = section.patterns("also", &[]);
    Box::new(DiskFs { skip, also, mounts: Vec::new(), text: String::new() })
}

inventory::submit! {
    CollectorPlugin {
        name: "diskfs",
        about: "size and use of each mounted file system",
        keys: "# Mounts that are left out.\n\
               skip = [\"/var/lib/docker/*\", \"/var/lib/containers/*\", \"/run/*\", \"/snap/*\"]\n\
               # Mounts that are not of a block device and are wanted, such as a network share: [\"/mnt/nas\"]\n\
               also = []\n",
        timeout_ms: 5_000,
        build,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mounts() {
        assert_eq!(name_of("/", &[]), "root");
        assert_eq!(name_of("/boot/firmware", &[]), "boot_firmware");
        let taken = [Mount { path: "/".into(), name: "root".into() }];
        assert_eq!(name_of("/root", &taken), "root_2");
        assert_eq!(unescaped(r"/mnt/my\040disk"), "/mnt/my disk");
        assert_eq!(unescaped(r"/mnt/a\134b\"), r"/mnt/a\b\");
    }
}
