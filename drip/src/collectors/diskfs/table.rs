//! The table of mounts, and which of them are worth a measurement.

use crate::collector::Patterns;
use std::collections::BTreeSet;

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    device: String,
    /// The kernel's bytes: a path need not be text.
    pub(super) path: Vec<u8>,
    kind: String,
    /// All of its file system is mounted there, not a directory of it.
    is_whole: bool,
    pub(super) readonly: bool,
}

/// A file system to measure.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) row: Row,
    /// Other places of the same file system, for when the first one is not a directory: a container has files of the host's disk
    /// mounted, /etc/resolv.conf for one.
    pub(super) others: Vec<Row>,
}

/// File systems that are always full, or not the machine's.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "erofs", "udf"];

/// Files that a container engine mounts into each container, from wherever it keeps them.
const FILES_OF_CONTAINERS: [&[u8]; 3] = [b"/etc/resolv.conf", b"/etc/hostname", b"/etc/hosts"];

/// What belongs together and is measured once.
#[derive(PartialEq, Eq)]
enum Group<'a> {
    Device(&'a str),
    /// A pool of ZFS: all its datasets have the same space.
    Pool(&'a str),
    /// Stands for itself.
    Mount(&'a [u8]),
}

impl Row {
    /// A line of /proc/self/mounts, `/dev/sda1 /boot vfat ro,noatime 0 0`, or of mountinfo,
    /// `36 35 8:1 / /boot ro,noatime shared:1 - vfat /dev/sda1 rw`.
    fn parse(line: &[u8], is_mountinfo: bool) -> Option<Self> {
        Self::read(line, is_mountinfo).filter(|row| row.path.starts_with(b"/"))
    }

    fn read(line: &[u8], is_mountinfo: bool) -> Option<Self> {
        let mut fields = line.split(|b| *b == b' ');
        let text = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
        let is_readonly = |options: &[u8]| options.split(|b| *b == b',').any(|option| option == b"ro");
        if !is_mountinfo {
            let (device, path, kind) = (text(fields.next()?), unescaped(fields.next()?), text(fields.next()?));
            let readonly = is_readonly(fields.next().unwrap_or_default());
            return Some(Self { device, path, kind, is_whole: true, readonly });
        }
        let root = fields.nth(3)?;
        let (path, options) = (unescaped(fields.next()?), fields.next()?);
        fields.find(|field| *field == b"-")?;
        let (kind, device) = (text(fields.next()?), text(fields.next()?));
        let readonly = is_readonly(options) || is_readonly(fields.next().unwrap_or_default());
        Some(Self { device, path, kind, is_whole: root == b"/", readonly })
    }

    fn is_at_root(&self) -> bool {
        self.path == b"/"
    }

    fn pool(&self) -> &str {
        self.device.split('/').next().unwrap_or_default()
    }

    /// What it is measured as; `None` when it is no storage of this machine. `nodev` are the kinds of file systems that the
    /// kernel has no device for.
    fn group(&self, nodev: &BTreeSet<String>) -> Option<Group<'_>> {
        match self.kind.as_str() {
            "zfs" => Some(Group::Pool(self.pool())),
            // The root of a container or of a read-only system, and the disks of Windows below WSL; those of other containers
            // are the same storage again.
            "overlay" | "9p" | "drvfs" if self.is_at_root() || self.path.starts_with(b"/mnt/") => {
                Some(Group::Mount(&self.path))
            }
            kind if IMAGES.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.") => None,
            kind if nodev.contains(kind) => None,
            _ if self.device.starts_with("/dev/") && self.device != "/dev/fuse" => Some(Group::Device(&self.device)),
            _ => None,
        }
    }

    /// An overlay that nobody can write to is the image of a system when it has no room either: always full.
    pub(super) fn may_be_image(&self) -> bool {
        self.kind == "overlay" && self.readonly
    }
}

/// What can be seen of a table: what is mounted over something hides it.
pub(super) fn rows(table: &[u8], is_mountinfo: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for row in table.split(|b| *b == b'\n').filter_map(|line| Row::parse(line, is_mountinfo)) {
        rows.retain(|before| before.path != row.path);
        rows.push(row);
    }
    // To ask about an autofs is to mount it.
    rows.retain(|row| row.kind != "autofs" && !FILES_OF_CONTAINERS.contains(&row.path.as_slice()));
    rows
}

/// The kinds of /proc/filesystems that stand on no device, but for those that are storage all the same.
pub(super) fn kinds_without_device(filesystems: &str) -> BTreeSet<String> {
    const STORAGE: [&str; 5] = ["zfs", "bcachefs", "overlay", "9p", "btrfs"];
    let kinds = filesystems.lines().filter_map(|line| line.strip_prefix("nodev")).map(str::trim);
    kinds.filter(|kind| !STORAGE.contains(kind)).map(str::to_owned).collect()
}

/// What of a table is measured: each device once, where all of it is mounted or else at the shortest path; each pool of ZFS
/// once; and what `also` names.
pub(super) fn choose(rows: &[Row], skip: &Patterns, also: &Patterns, nodev: &BTreeSet<String>) -> Vec<Choice> {
    let matches = |patterns: &Patterns, row: &Row| patterns.matches(&String::from_utf8_lossy(&row.path));
    let rows: Vec<&Row> = rows.iter().filter(|row| !matches(skip, row)).collect();
    let mut groups: Vec<(Group<'_>, Vec<&Row>)> = Vec::new();
    for row in &rows {
        let Some(group) = row.group(nodev) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, members)) => members.push(row),
            None => groups.push((group, vec![row])),
        }
    }
    let mut chosen: Vec<Choice> = Vec::new();
    let mut add = |row: &Row, others: &[&Row]| {
        if chosen.iter().all(|choice| choice.row.path != row.path) {
            let others = others.iter().map(|row| (*row).clone()).collect();
            chosen.push(Choice { row: row.clone(), others });
        }
    };
    for (group, members) in &groups {
        let mut sorted = members.clone();
        let is_pool = matches!(group, Group::Pool(_));
        sorted.sort_by_key(|row| {
            let is_best = if is_pool { row.device == row.pool() } else { row.is_whole };
            (!is_best, row.path.len())
        });
        // The root is looked for, whatever it is the same as.
        if let (true, Some(root)) = (is_pool, members.iter().find(|row| row.is_at_root())) {
            add(root, &[]);
            sorted.retain(|row| row.device == row.pool());
        }
        if let Some((first, others)) = sorted.split_first() {
            add(first, others);
        }
        // The release before took the first of the table. Its names stay for a release.
        if let (Group::Device(_), Some(first)) = (group, members.first()) {
            add(first, &[]);
        }
    }
    rows.iter().filter(|row| matches(also, row)).for_each(|row| add(row, &[]));
    chosen
}

/// The kernel writes space, tab, newline and backslash as `\040`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_line() {
        let old = Row::parse(br"/dev/sdb1 /mnt/my\040disk ext4 ro,relatime 0 0", false).unwrap();
        let new = Row::parse(br"36 35 8:17 / /mnt/my\040disk rw,relatime shared:9 master:1 - ext4 /dev/sdb1 ro", true);
        assert_eq!(Some(&old), new.as_ref());
        assert_eq!((old.path.as_slice(), old.readonly, old.is_whole), (&b"/mnt/my disk"[..], true, true));
        let bound = Row::parse(b"9 1 8:1 /lib/docker/x/hosts /etc/hosts rw - ext4 /dev/sda1 rw", true).unwrap();
        assert!(!bound.is_whole && !bound.readonly);
        assert_eq!(Row::parse(b"9 1 8:1 / /etc/hosts rw", true), None);
        assert_eq!(unescaped(br"/mnt/a\134b\"), br"/mnt/a\b\");
    }

    #[test]
    fn kinds_that_are_storage_without_a_device_of_the_kernel_stay() {
        let kinds = kinds_without_device("nodev\tsysfs\nnodev\tzfs\n\text4\nnodev\toverlay\nnodev\tfuse\n");
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["fuse", "sysfs"]);
    }
}
