//! dashboard.json on disk, with its backups: replaced as a whole, so that a crash leaves the old one or the new one.

use super::numbers::millis;
use crate::app::{App, State};
use crate::caching::etag_of;
use nanotdb_core::engine::Engine;
use nanotdb_core::model::Timestamp;
use nanotdb_core::model::time::{format_rfc3339, parse_time};
use nanotdb_core::storage::vfs::Vfs;
use nanotdb_server_settings::WebSection;
use nanotdb_ui::dashboard::{Database, standard};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Largest document.
pub(super) const MAX_DOCUMENT: usize = 1 << 20;
/// Backups that are kept.
const KEPT_BACKUPS: usize = 20;
/// Directory of the backups, beside the document: no database can have such a name.
pub(super) const BACKUPS: &str = ".dashboard-backups";
/// Where they were before, in the place of a database of that name.
const FORMER_BACKUPS: &str = "backups";
/// How ETags of documents begin that stand in for a missing one.
const STANDARD: &str = "\"standard-";

/// The document on disk.
pub(crate) struct DashboardStore {
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    /// What stands in for a missing document, as long as it fits.
    standard: Mutex<Option<Standard>>,
    /// One change at a time.
    changing: Mutex<()>,
    /// ETag of the document as last seen.
    etag: watch::Sender<String>,
}

/// A document that was made, for that many databases and metrics.
struct Standard {
    there: (usize, u64),
    text: Arc<str>,
}

/// Why the document was not replaced.
pub(super) enum Refusal {
    /// Somebody else changed it; the ETag of what is there.
    Changed(String),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What became of a document that was saved.
pub(super) struct Saved {
    pub(super) etag: String,
    pub(super) backup: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Backup {
    name: String,
    time_ms: i64,
    bytes: u64,
    widgets: usize,
}

impl State for DashboardStore {
    fn new(app: &App) -> Self {
        let engine = &app.engine;
        Self::at(engine.file_system(), engine.root().join(&app.state::<WebSection>().dashboard_config))
    }
}

impl DashboardStore {
    /// Of the file at `path`, which need not be there.
    fn at(vfs: Arc<dyn Vfs>, path: PathBuf) -> Self {
        let store = Self::on(vfs, path);
        if let Err(error) = store.adopt() {
            tracing::warn!(%error, from = %store.beside(FORMER_BACKUPS).display(), "backups of the dashboard stay where they were");
        }
        store
    }

    /// Moves backups from where they were before.
    fn adopt(&self) -> io::Result<()> {
        let (former, directory) = (self.beside(FORMER_BACKUPS), self.directory());
        let names = self.names_in(&former)?;
        if names.is_empty() {
            return Ok(());
        }
        self.vfs.create_dir_all(&directory)?;
        for name in &names {
            self.vfs.rename(&former.join(name), &directory.join(name))?;
        }
        self.vfs.sync_dir(&directory)?;
        // A database that has the name is not empty.
        let _ = self.vfs.remove_dir(&former);
        Ok(())
    }

    fn on(vfs: Arc<dyn Vfs>, path: PathBuf) -> Self {
        let etag = watch::Sender::new(String::new());
        Self { path, vfs, standard: Mutex::default(), changing: Mutex::new(()), etag }
    }

    /// Where the document is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The document as it is stored, byte for byte.
    fn stored(&self) -> io::Result<Option<Vec<u8>>> {
        match self.vfs.read(&self.path, MAX_DOCUMENT as u64 * 4) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// The document and its ETag; one made for the metrics that are there when none is stored.
    pub(super) fn read(&self, engine: &Engine) -> io::Result<(Vec<u8>, String)> {
        Ok(match self.stored()? {
            Some(bytes) => {
                let etag = etag_of(&bytes);
                (bytes, etag)
            }
            None => {
                let text = self.standard(engine);
                let etag = format!("{STANDARD}{}", etag_of(text.as_bytes()).trim_start_matches('"'));
                (text.as_bytes().to_vec(), etag)
            }
        })
    }

    fn standard(&self, engine: &Engine) -> Arc<str> {
        let sizes = engine.sizes();
        let there = (sizes.len(), sizes.iter().map(|(_, size)| size.metrics).sum());
        let mut known = self.standard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.there == there) {
            return Arc::clone(&known.text);
        }
        let database = |name: String| Database {
            metrics: engine.metrics(&name).into_iter().flatten().map(|metric| metric.name).collect(),
            name,
        };
        let mut names = engine.database_names(false);
        // Results of rollups come once an interval: what is live is to be seen, where there is something.
        let rolled_up = engine.rollup_destinations();
        if names.iter().any(|name| !rolled_up.contains(name)) {
            names.retain(|name| !rolled_up.contains(name));
        }
        let databases: Vec<Database> = names.into_iter().map(database).collect();
        let text: Arc<str> = standard(&databases).into();
        *known = Some(Standard { there, text: Arc::clone(&text) });
        text
    }

    /// Tells when there is another document.
    pub(super) fn subscribe(&self) -> watch::Receiver<String> {
        self.etag.subscribe()
    }

    /// Looks whether there is another document: one that somebody edited, or one for new metrics.
    pub(super) fn look(&self, engine: &Engine) {
        if let Ok((_, etag)) = self.read(engine) {
            self.note(&etag);
        }
    }

    fn note(&self, etag: &str) {
        self.etag.send_if_modified(|known| {
            let changed = known != etag;
            etag.clone_into(known);
            changed
        });
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.beside(BACKUPS)
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }

    /// How names of backups begin.
    fn prefix(&self) -> String {
        format!("{}-", self.path.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// Replaces the document when it is the one with `expected`, keeping the one before. A crash leaves the old one or the new one.
    pub(super) fn replace(&self, content: &str, expected: Option<&str>, now: Timestamp) -> Result<Saved, Refusal> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.stored()?;
        let etag = etag_of(content.as_bytes());
        if let Some(expected) = expected {
            match stored.as_deref().map(etag_of) {
                Some(present) if !is_listed(expected, |one| one == present) => return Err(Refusal::Changed(present)),
                // What stands in for a missing document follows the metrics: nobody changed it.
                None if !is_listed(expected, |one| one.starts_with(STANDARD)) => {
                    return Err(Refusal::Changed(self.etag.borrow().clone()));
                }
                _ => {}
            }
        }
        let backup = match stored {
            Some(present) if present == content.as_bytes() => return Ok(Saved { etag, backup: None }),
            Some(present) => Some(self.back_up(&present, now)?),
            None => None,
        };
        if let Some(parent) = self.path.parent() {
            self.vfs.create_dir_all(parent)?;
        }
        self.vfs.replace(&self.path, content.as_bytes())?;
        self.note(&etag);
        Ok(Saved { etag, backup })
    }

    /// Writes a backup and removes the oldest beyond those that are kept.
    fn back_up(&self, present: &[u8], now: Timestamp) -> io::Result<String> {
        let directory = self.directory();
        self.vfs.create_dir_all(&directory)?;
        let names = self.backup_names()?;
        let mut at = now;
        let name = loop {
            let name = format!("{}{}.json", self.prefix(), stamp(at));
            // Two in one millisecond, or a clock that stepped back: the order of the names is that of the saves.
            match names.first() {
                Some(newest) if *newest >= name && at.saturating_sub(now) < 60_000_000_000 => {
                    at = at.saturating_add(1_000_000);
                }
                _ => break name,
            }
        };
        self.vfs.replace(&directory.join(&name), present)?;
        for old in names.iter().skip(KEPT_BACKUPS - 1) {
            if let Err(error) = self.vfs.remove_file(&directory.join(old)) {
                tracing::warn!(%error, file = %directory.join(old).display(), "an old backup stays");
            }
        }
        Ok(name)
    }

    /// Newest first.
    fn backup_names(&self) -> io::Result<Vec<String>> {
        self.names_in(&self.directory())
    }

    fn names_in(&self, directory: &Path) -> io::Result<Vec<String>> {
        let entries = match self.vfs.read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        let ours = entries.into_iter().filter(|entry| !entry.is_dir && self.is_backup(&entry.name));
        let mut names: Vec<String> = ours.map(|entry| entry.name).collect();
        names.sort_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn is_backup(&self, name: &str) -> bool {
        let stamp = name.strip_prefix(&self.prefix()).and_then(|rest| rest.strip_suffix(".json"));
        stamp.is_some_and(|stamp| time_of(stamp).is_some())
    }

    /// A backup's bytes; `None` when there is none of this name.
    pub(super) fn backup(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        if !self.is_backup(name) {
            return Ok(None);
        }
        match self.vfs.read(&self.directory().join(name), MAX_DOCUMENT as u64 * 4) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) fn backups(&self) -> io::Result<Vec<Backup>> {
        let mut found = Vec::new();
        for name in self.backup_names()? {
            // One that went meanwhile is left out.
            let Some(bytes) = self.backup(&name)? else { continue };
            let widgets = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
            let widgets = widgets.and_then(|document| Some(document.get("widgets")?.as_object()?.len()));
            let stamp = name.strip_prefix(&self.prefix()).and_then(|rest| rest.strip_suffix(".json"));
            let time_ms = stamp.and_then(time_of).map(millis).unwrap_or_default();
            found.push(Backup { time_ms, bytes: bytes.len() as u64, widgets: widgets.unwrap_or_default(), name });
        }
        Ok(found)
    }
}

/// `20261121T072050.123Z`
fn stamp(at: Timestamp) -> String {
    // To the millisecond, always with three digits.
    let text = format_rfc3339(at.div_euclid(1_000_000_000).saturating_mul(1_000_000_000));
    let seconds: String = text.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{seconds}.{:03}Z", at.rem_euclid(1_000_000_000) / 1_000_000)
}

/// The time of [`stamp`].
fn time_of(stamp: &str) -> Option<Timestamp> {
    let part = |range: std::ops::Range<usize>| stamp.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        stamp.get(13..)?
    );
    let is_plain = stamp.len() == 20 && stamp.is_ascii() && stamp.as_bytes().get(8) == Some(&b'T');
    is_plain.then(|| parse_time(&text, None, 0).ok()).flatten()
}

/// Whether an If-Match list has the ETag.
fn is_listed(list: &str, is_it: impl Fn(&str) -> bool) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || is_it(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanotdb_core::storage::vfs::RealVfs;
    use nanotdb_core::storage::vfs::sim::{CrashModel, SimVfs};
    use std::collections::BTreeSet;

    #[test]
    fn stamps_sort_as_times_and_are_read_back() {
        let at = 1_795_245_650_123_000_000;
        assert_eq!(stamp(at), "20261121T072050.123Z");
        assert_eq!(time_of("20261121T072050.123Z"), Some(at));
        for wrong in ["", "20261121", "20261121T072050.123", "20261321T072050.123Z", "../../../../../../x"] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn as_many_backups_are_kept_as_promised_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let store = DashboardStore::at(Arc::new(RealVfs), directory.path().join("dashboard.json"));
        let mut etag = store.subscribe();
        etag.mark_unchanged();
        // All in the same millisecond.
        for i in 0..25 {
            let saved = store.replace(&format!("{{\"title\":\"{i}\"}}\n"), None, 5).unwrap_or_else(|_| panic!("{i}"));
            assert_eq!(saved.backup.is_some(), i > 0);
        }
        assert!(etag.has_changed().unwrap());
        let backups = store.backups().unwrap();
        assert_eq!(backups.len(), KEPT_BACKUPS);
        let newest = store.backup(&backups[0].name).unwrap().unwrap();
        assert_eq!(newest, b"{\"title\":\"23\"}\n");
        let oldest = store.backup(&backups[KEPT_BACKUPS - 1].name).unwrap().unwrap();
        assert_eq!(oldest, b"{\"title\":\"4\"}\n");
        assert_eq!(store.backup("../dashboard.json").unwrap(), None);
    }

    #[test]
    fn backups_are_where_no_database_can_be_and_those_of_before_are_moved_there() {
        assert!(nanotdb_core::model::name::check_database_name(BACKUPS.as_bytes()).is_err());
        let directory = tempfile::tempdir().unwrap();
        let former = directory.path().join(FORMER_BACKUPS);
        std::fs::create_dir(&former).unwrap();
        let name = "dashboard-20261121T072050.123Z.json";
        std::fs::write(former.join(name), "{}\n").unwrap();
        // A database of that name.
        std::fs::write(former.join("manifest.toml"), "").unwrap();
        let path = directory.path().join("dashboard.json");
        let store = DashboardStore::at(Arc::new(RealVfs), path.clone());
        assert_eq!(store.backup(name).unwrap().as_deref(), Some(&b"{}\n"[..]));
        assert!(!former.join(name).exists() && former.join("manifest.toml").exists());
        std::fs::remove_dir_all(&former).unwrap();
        assert_eq!(DashboardStore::at(Arc::new(RealVfs), path).backups().unwrap().len(), 1);
    }

    /// A save, interrupted at every operation on the disk, by a kill and by a power cut that loses what was not forced.
    #[test]
    fn a_crash_leaves_the_old_document_or_the_new_one_and_never_loses_a_backup() {
        let (path, old, new) = (Path::new("/data/dashboard.json"), "{\"title\":\"old\"}\n", "{\"title\":\"new\"}\n");
        let mut seen = BTreeSet::new();
        for seed in 0..8 {
            let disk = SimVfs::new(seed);
            let store = |disk: &SimVfs| DashboardStore::on(Arc::new(disk.clone()), path.to_owned());
            disk.create_dir_all(Path::new("/data")).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            assert!(store(&disk).replace("{}\n", None, 1).is_ok());
            assert!(store(&disk).replace(old, None, 2_000_000).is_ok());
            disk.record_forks(true);
            assert!(store(&disk).replace(new, None, 3_000_000_000).is_ok());
            let forks = disk.take_forks();
            assert!(forks.len() > 5, "{}", forks.len());
            for (at, fork) in forks.into_iter().enumerate() {
                for (is_power_cut, model) in
                    [(false, CrashModel::Ordered), (true, CrashModel::Ordered), (true, CrashModel::Arbitrary)]
                {
                    let disk = fork.fork(seed ^ at as u64);
                    disk.set_crash_model(model);
                    if is_power_cut {
                        disk.crash()
                    } else {
                        disk.kill()
                    }
                    let store = store(&disk);
                    let context = format!("seed {seed}, operation {at}, power cut: {is_power_cut}, {model:?}");
                    let present = store.stored().unwrap().unwrap_or_else(|| panic!("lost: {context}"));
                    let present = String::from_utf8(present).unwrap();
                    assert!([old, new].contains(&present.as_str()), "torn: {present:?}, {context}");
                    let kept: Vec<String> = store
                        .backups()
                        .unwrap()
                        .into_iter()
                        .map(|one| String::from_utf8(store.backup(&one.name).unwrap().unwrap()).unwrap())
                        .collect();
                    assert!(kept.contains(&"{}\n".to_owned()), "{kept:?}, {context}");
                    assert!(present == old || kept.contains(&old.to_owned()), "the one before is lost: {context}");
                    assert!(
                        kept.iter().all(|one| ["{}\n", old].contains(&one.as_str())),
                        "torn backup: {kept:?}, {context}"
                    );
                    // It goes on from there.
                    assert!(store.replace("{\"title\":\"later\"}\n", None, 9_000_000_000).is_ok(), "{context}");
                    seen.insert(present);
                }
            }
        }
        assert_eq!(seen.len(), 2, "deaths before and after the document was replaced");
    }
}
