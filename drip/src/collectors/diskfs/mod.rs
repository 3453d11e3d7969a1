//! Size and use of mounted file systems: the table of mounts and statvfs.

mod ask;
mod table;

use super::malformed;
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, MountUse, Part, Patterns, Samples, Section, async_trait,
};
use crate::names::{Named, Names};
use ask::{Asked, Asker};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use table::{Choice, Row};

struct DiskFs {
    skip: Patterns,
    /// Mounts to report though they are no storage of this machine, such as a network share.
    also: Patterns,
    mounts: Vec<Mount>,
    names: Names,
    /// What `mounts` was made of, and the file it is from.
    table: Vec<u8>,
    path: Option<&'static str>,
    asker: Asker<Answer>,
    /// Of the cycle: what is asked, and what came.
    asked: Vec<Arc<Path>>,
    answers: Vec<Asked<Answer>>,
}

struct Mount {
    choice: Choice,
    /// Where it is below the root.
    directory: Arc<Path>,
}

/// What the system says about a directory; `None` when it is none.
type Answer = io::Result<Option<MountUse>>;

/// Tables of mounts, the best first: of this machine or of a recorded tree; and where the host's /proc is below the root,
/// where `self` is drip's own.
const TABLES: [&str; 2] = ["proc/self/mountinfo", "proc/self/mounts"];
const TABLES_OF_HOST: [&str; 2] = ["proc/1/mountinfo", "proc/1/mounts"];
const KINDS: &str = "proc/filesystems";

const SKIP: [&str; 6] =
    ["/var/lib/docker/*", "/var/lib/containers/*", "/var/lib/kubelet/*", "/run/*", "/snap/*", "/mnt/wslg/*"];

#[async_trait]
impl Collector for DiskFs {
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        self.look(cycle)?;
        let is_recorded = cycle.records_mounts();
        self.ask(cycle, is_recorded);
        if self.mounts.is_empty() {
            return Err(CollectError::NotHere("no file system of a block device is mounted".into()));
        }
        for (mount, asked) in self.mounts.iter().zip(&self.answers) {
            let row = &mount.choice.row;
            let shown = String::from_utf8_lossy(&row.path);
            let Some(Named { name, old }) = self.names.get(&row.path) else { continue };
            match asked {
                Asked::Answer(Ok(Some(found))) if row.may_be_image() && found.free == 0 => {
                    out.absent(&shown, "an image of the system, which is always full");
                    continue;
                }
                Asked::Answer(Ok(Some(found))) => {
                    std::iter::once(name).chain(old).for_each(|name| report(name, *found, out));
                    out.integer(format_args!("diskfs.{name}.readonly"), row.readonly.into());
                }
                Asked::Answer(Ok(None)) => {}
                Asked::Answer(Err(e)) => out.problem(&shown, e),
                Asked::Stuck => out.problem(&shown, "the file system does not answer; it is left out until it does"),
                Asked::Passed => out.problem(&shown, "not asked, because too many others do not answer"),
            }
            out.integer(format_args!("diskfs.{name}.stuck"), matches!(asked, Asked::Stuck).into());
        }
        Ok(())
    }
}

impl DiskFs {
    /// Reads the table of mounts, and chooses anew when it changed.
    fn look(&mut self, cycle: &mut Cycle) -> Result<(), CollectError> {
        let path = match self.path {
            Some(path) => path,
            None => find_table(cycle),
        };
        self.path = None;
        let table = cycle.read_bytes(path)?;
        if table.trim_ascii().is_empty() {
            return Err(malformed(path, "a mount"));
        }
        self.path = Some(path);
        if table == self.table {
            return Ok(());
        }
        self.table.clear();
        self.table.extend_from_slice(table);
        let nodev = table::kinds_without_device(cycle.read(KINDS).unwrap_or_default());
        let rows = table::rows(&self.table, path.ends_with("mountinfo"));
        let chosen = table::choose(&rows, &self.skip, &self.also, &nodev);
        let root = cycle.root().to_owned();
        self.mounts =
            chosen.into_iter().map(|choice| Mount { directory: directory(&root, &choice.row), choice }).collect();
        self.name();
        Ok(())
    }

    fn name(&mut self) {
        self.names.assign(self.mounts.iter().map(|mount| mount.choice.row.path.as_slice()), base_name);
    }

    /// Fills `answers`, one for each of `mounts`. A mount that is no directory is replaced by another of the same file system.
    fn ask(&mut self, cycle: &mut Cycle, is_recorded: bool) {
        loop {
            match is_recorded {
                true => {
                    let answers = self.mounts.iter().map(|mount| Asked::Answer(recorded(mount, cycle)));
                    self.answers.clear();
                    self.answers.extend(answers);
                }
                false => {
                    self.asked.clear();
                    self.asked.extend(self.mounts.iter().map(|mount| Arc::clone(&mount.directory)));
                    self.asker.ask(&self.asked, &mut self.answers);
                }
            }
            if !self.answers.iter().any(|answer| matches!(answer, Asked::Answer(Ok(None)))) {
                return;
            }
            let mut answers = self.answers.iter();
            let taken: Vec<Vec<u8>> = self.mounts.iter().map(|mount| mount.choice.row.path.clone()).collect();
            self.mounts.retain_mut(|mount| {
                let is_directory = !matches!(answers.next(), Some(Asked::Answer(Ok(None))));
                is_directory || mount.go_on(cycle.root(), &taken)
            });
            self.name();
        }
    }
}

impl Mount {
    /// Goes on to another place of the same file system, if there is one.
    fn go_on(&mut self, root: &Path, taken: &[Vec<u8>]) -> bool {
        self.choice.others.retain(|row| !taken.contains(&row.path));
        if self.choice.others.is_empty() {
            return false;
        }
        self.choice.row = self.choice.others.remove(0);
        self.directory = directory(root, &self.choice.row);
        true
    }
}

fn find_table(cycle: &mut Cycle) -> &'static str {
    let is_root = cycle.root() == Path::new("/");
    let found = (!is_root).then(|| TABLES_OF_HOST.into_iter().find(|path| cycle.exists(path))).flatten();
    match found {
        Some(path) => path,
        // What is drip's own would be taken for the host's.
        None if cycle.is_host_elsewhere() => TABLES_OF_HOST[1],
        None => TABLES.into_iter().find(|path| cycle.exists(path)).unwrap_or(TABLES[1]),
    }
}

fn directory(root: &Path, row: &Row) -> Arc<Path> {
    let path = Path::new(OsStr::from_bytes(&row.path));
    Arc::from(root.join(path.strip_prefix("/").unwrap_or(path)))
}

/// What the system says.
fn ask(directory: &Path) -> Answer {
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => MountUse::of(directory).map(Some),
        Ok(_) => Ok(None),
        // Mounted since, or before something else was mounted over it; in a container, mounted on the host alone.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// What a recorded tree says. In one, a file is there as a file.
fn recorded(mount: &Mount, cycle: &mut Cycle) -> Answer {
    if mount.directory.is_file() {
        return Ok(None);
    }
    cycle
        .mount_use(&String::from_utf8_lossy(&mount.choice.row.path))
        .map(Some)
        .map_err(|e| io::Error::other(e.to_string()))
}

/// `/` is `root`, `/boot/firmware` is `boot_firmware`.
fn base_name(path: &str) -> String {
    match path.trim_matches('/') {
        "" => "root".to_owned(),
        path => Part(path).to_string(),
    }
}

fn report(name: &str, found: MountUse, out: &mut Samples) {
    let bytes = |blocks: u64| blocks.saturating_mul(found.block);
    let used = found.blocks.saturating_sub(found.free);
    out.integer(format_args!("diskfs.{name}.bytes_total"), bytes(found.blocks));
    out.integer(format_args!("diskfs.{name}.bytes_used"), bytes(used));
    out.integer(format_args!("diskfs.{name}.bytes_free"), bytes(found.free));
    out.integer(format_args!("diskfs.{name}.bytes_avail"), bytes(found.available));
    if let Some(percent) = percent_used(used, found.available) {
        out.float(format_args!("diskfs.{name}.used_pct"), percent, 2);
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

/// As df has it: of what others than root can have, rounded up, so that it is 100 only when nothing is left and never less
/// when nothing is.
fn percent_used(used: u64, available: u64) -> Option<f64> {
    let (used, all) = (u128::from(used), u128::from(used) + u128::from(available));
    let hundredths = (used * 10_000).checked_add(all.checked_sub(1)?)? / all;
    let hundredths = if available > 0 { hundredths.min(9_999) } else { hundredths };
    Some(hundredths as f64 / 100.0)
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    Box::new(DiskFs {
        skip: section.patterns("skip", &SKIP),
        also: section.patterns("also", &[]),
        mounts: Vec::new(),
        names: Names::new(true),
        table: Vec::new(),
        path: None,
        asker: Asker::new(ask),
        asked: Vec::new(),
        answers: Vec::new(),
    })
}

const KEYS: [Key; 2] = [
    Key::new(
        "skip",
        Kind::Texts,
        r#"["/var/lib/docker/*", "/var/lib/containers/*", "/var/lib/kubelet/*", "/run/*", "/snap/*", "/mnt/wslg/*"]"#,
        "Mounts that are left out.",
    ),
    Key::new(
        "also",
        Kind::Texts,
        "[]",
        r#"Mounts that are no storage of this machine and are wanted, such as a network share: ["/mnt/nas"]"#,
    ),
];

inventory::submit! {
    CollectorPlugin::new("diskfs", "size and use of each mounted file system", &KEYS, build).timeout_ms(5_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mounts() {
        assert_eq!(base_name("/"), "root");
        assert_eq!(base_name("/boot/firmware"), "boot_firmware");
        let mut names = Names::new(true);
        names.assign([&b"/root"[..], b"/"].into_iter(), base_name);
        assert_eq!(names.get(b"/").unwrap().name, "root");
        let named = names.get(b"/root").unwrap();
        assert_eq!((named.name.starts_with("root-"), named.old.as_deref()), (true, Some("root_2")));
    }

    #[test]
    fn shares_are_those_of_df() {
        // used and available blocks, and what they are by hand; df shows them without decimals, rounded up
        assert_eq!(percent_used(0, 100), Some(0.0));
        assert_eq!(percent_used(1, 2), Some(33.34));
        assert_eq!(percent_used(700_000, 250_000), Some(73.69));
        assert_eq!(percent_used(1, 0), Some(100.0));
        assert_eq!(percent_used(u64::MAX, 1), Some(99.99));
        assert_eq!(percent_used(0, 0), None);
    }
}
