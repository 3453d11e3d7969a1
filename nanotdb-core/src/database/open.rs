//! Opening a database: for writing, with recovery; or for reading beside a running server, without writing a byte.

use super::commit::CommitLog;
use super::directory::{create_catalog, create_missing, list_files, remove_leftovers};
use super::events::EventsMemory;
use super::files::FileList;
use super::flush::{Generation, names, wal_name};
use super::journal::Journal;
use super::known_log::{lacks_at_start, lacks_now};
use super::logs::Logs;
use super::names::{check_empty_catalog, read_catalog};
use super::recovery::LogGap;
use super::replay::Replay;
use super::size::WalSize;
use super::state::{Last, RawKind, State};
use super::warnings::{Warning, Warnings};
use super::writer::{Writer, WriterMetric};
use super::{Database, Environment};
use crate::config::Manifest;
use crate::layout;
use crate::model::Timestamp;
use crate::order;
use crate::plugin::registry::registry;
use crate::plugin::{Partition, Partitioner, part_name};
use crate::storage::check_directory;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{MetricFile, OpenPage, RawFile, WalFile};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// Largest WAL that is read.
pub(super) const MAX_WAL: u64 = 8 << 30;
/// How often a reader starts over when the server flushes pages under it.
const READ_ATTEMPTS: usize = 200;

static INSTANCES: AtomicU64 = AtomicU64::new(1);

pub(super) struct Parts {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    pub(super) environment: Environment,
    pub(super) manifest: Manifest,
    pub(super) partitioner: &'static dyn Partitioner,
    pub(super) state: State,
    /// Whether catalog.json is there.
    has_catalog: bool,
    /// What the log that was replayed last may lack.
    pub(super) log_gap: LogGap,
    /// Why it is not known which rows of the log are in a file.
    pub(super) unclear: Option<Error>,
    /// What was mended, or will be.
    pub(super) mended: Vec<Warning>,
}

impl Database {
    /// Opens a database for writing, creating it when `directory` is missing or empty, and recovers what a crash left.
    /// The caller holds the root's lock.
    pub fn open(name: &str, directory: &Path, environment: Environment) -> Result<Self> {
        check_directory(&*environment.vfs, directory)?;
        create_missing(directory, &environment)?;
        Journal::recover(&*environment.vfs, directory)?;
        // Nothing of ours is in it, so that its trouble is not the database's.
        if let Err(error) = crate::storage::events::adopt_log(&*environment.vfs, directory, name) {
            tracing::warn!(database = name, %error, "the log of events keeps another database's name");
        }
        let entries = remove_leftovers(directory, &environment)?;
        let logs = Logs::among(&entries, directory, name);
        let mut parts = Parts::read(name, directory, environment)?;
        parts.manifest.check_plugins(&directory.join(layout::MANIFEST))?;
        let vfs = Arc::clone(&parts.environment.vfs);
        if parts.state.metrics.is_empty() {
            check_empty_catalog(&parts.environment, directory, &logs, &parts.state)?;
            if !parts.has_catalog {
                create_catalog(directory, &parts.environment)?;
            }
        }
        let logs = logs.adopt(&*vfs, directory, name)?;
        let files = FileList::load(&*vfs, directory);
        let survey = files.compare(&parts.state);
        // Told before it is accepted: a crash in between tells it again.
        let now = parts.environment.clock.now();
        let warnings = Warnings::load(&*vfs, directory, now);
        warnings.add(&*vfs, files.removed(&survey, now));
        let lack = lacks_at_start(&parts.environment, &logs, &parts.state, files.log())?;
        let is_lacking = lack.is_some();
        let lack = lack.map(|lack| (lack.lost, lack.text));
        for (lost, text) in files.damage().map(|text| (false, text)).into_iter().chain(lack) {
            tracing::error!(database = name, "{text}");
            warnings.add(&*vfs, [Warning { since: now, lost, text }]);
        }
        if is_lacking {
            files.note_log(&*vfs, 0, None);
        }
        files.accept_removed(&*vfs, name, &survey);
        parts.state.reserved = files.highest_id(&*vfs, &parts.state)?;
        parts.state.doubts.extend(logs.doubts());
        let wal_path = logs.wal;
        let wal = WalFile::open(&*vfs, &wal_path)?;
        let next = WalFile::open_existing(&*vfs, &logs.next)?;
        let mut replay = parts.replay(wal.path())?;
        parts.mend_unlogged()?;
        let mut durable_files = Vec::new();
        for (partition, dropped) in parts.drop_durable_rows()? {
            replay.rewrite |= dropped > 0;
            if dropped > 0 {
                durable_files.push(partition);
                tracing::info!(
                    database = name,
                    partition = part_name(parts.partitioner, partition),
                    rows = dropped,
                    "rows of the WAL are in the data file already"
                );
            }
        }
        if let Some(next) = &next {
            // The flush that began it goes on where it was interrupted: none of its rows are in a data file.
            parts.state.freeze();
            let later = parts.replay(next.path())?;
            replay = Replay { new_names: replay.new_names || later.new_names, ..later };
        }
        let disk_end = parts.index_newest()?;
        parts.forget_superseded(disk_end);
        parts.look_for_nameless();
        let metrics = parts.writer_metrics();
        let frozen: usize = parts.state.frozen.values().map(|page| page.len()).sum();
        let rows = frozen + parts.state.pages.values().map(OpenPage::len).sum::<usize>();
        if rows > 0 {
            tracing::info!(database = name, rows, "replayed the WAL");
        }
        let is_new = parts.state.metrics.is_empty() && parts.state.files.is_empty();
        // Told before it is mended, likewise.
        warnings.add(&*vfs, std::mem::take(&mut parts.mended));
        let durable = parts.make_durable(&wal, next.as_ref(), &durable_files);
        let generation = Generation {
            // Everything that was replayed is durable.
            wal: next.as_ref().map(|_| 0),
            has_name: false,
            partitions: None,
            names: replay.new_names.then(|| names(&parts.state)),
        };
        let wal = next.unwrap_or(wal);
        let commit = CommitLog::new(parts.environment.clone(), wal.handle(), wal_path);
        let writer = Writer::new(wal, metrics, disk_end);
        let unclear = parts.unclear.take();
        let this = parts.finish(Some(Mutex::new(writer)), Some(commit), warnings, files);
        if let Some(error) = unclear {
            // What is written now would be written twice, or not at all, once the codec is back.
            this.wal_size.set(this.lock_writer()?.wal.len());
            this.poison(&error);
            return Ok(this);
        }
        let mended =
            durable.and_then(|()| this.mend(generation, &replay)).and_then(|()| this.tell_missing_files(&survey));
        this.wal_size.set(this.lock_writer()?.wal.len());
        match mended {
            Ok(()) => Ok(this),
            // It is opened anew when there are descriptors again.
            Err(error) if is_new || error.is_out_of_files() => Err(error),
            // Nothing may be appended behind a WAL that could not be mended; reading works all the same.
            Err(error) => {
                this.poison(&error);
                Ok(this)
            }
        }
    }

    /// Makes the WAL what it would be without the crash, and catalog.json hold the names that were in the WAL alone.
    fn mend(&self, generation: Generation, replay: &Replay) -> Result<()> {
        let flush = &mut *self.lock_flush();
        let is_interrupted = generation.wal.is_some();
        flush.generation = Some(generation);
        if let Some(whole_len) = replay.cut_to.filter(|_| is_interrupted || !replay.rewrite) {
            self.lock_writer()?.wal.truncate(whole_len)?;
        }
        match self.finish(flush) {
            // Names and rows are in the WALs as before, and the next flush tries again.
            Err(Error::Full { .. } | Error::Incompatible { .. }) if is_interrupted || !replay.rewrite => return Ok(()),
            finished => finished?,
        }
        if replay.rewrite {
            self.reset_wal(&mut *self.lock_writer()?)?;
        }
        if !is_interrupted {
            return Ok(());
        }
        // What was told from the rows of the flushed pages by its file would not be so at the next start.
        let pages: Vec<_> = self.read_state().pages.keys().map(|partition| (*partition, 0)).collect();
        if self.find_repeated_pages(&pages) {
            self.freeze(flush, |_, _| true)?;
            self.finish(flush)?;
        }
        Ok(())
    }

    /// Opens a database for reading only. Sees what is on disk now, rows in the WAL included.
    pub fn open_read_only(name: &str, directory: &Path, environment: Environment) -> Result<Self> {
        check_directory(&*environment.vfs, directory)?;
        let mut gone = None;
        let mut known = KnownFiles::new();
        for attempt in 0..READ_ATTEMPTS {
            std::thread::sleep(wait_before(attempt));
            match Self::try_read_only(name, directory, &environment, &mut known, attempt) {
                // A server renamed or removed it between two steps of this.
                Err(error) if error.is_missing_file() => {
                    // All of it: whoever knows where it may be now looks there.
                    if matches!(environment.vfs.entry(directory), Ok(None)) {
                        return Err(error);
                    }
                    gone = Some(error);
                }
                Err(error) => return Err(error),
                Ok(Some(database)) => return Ok(database),
                Ok(None) => gone = None,
            }
        }
        Err(gone.unwrap_or_else(|| Error::Io {
            op: "read",
            path: directory.join(wal_name(name)),
            source: std::io::Error::other("the WAL changes faster than it can be read; try again"),
        }))
    }

    /// `None` when files changed meanwhile.
    fn try_read_only(
        name: &str,
        directory: &Path,
        environment: &Environment,
        known: &mut KnownFiles,
        attempt: usize,
    ) -> Result<Option<Self>> {
        // Before the files are listed: what comes later is in no list that is too old for it.
        let files = FileList::load(&*environment.vfs, directory);
        let mut parts = Parts::read(name, directory, environment.clone())?;
        parts.index_everything(known)?;
        let logs = Logs::of(&*environment.vfs, directory, name)?;
        let (wal_path, next_path) = (&logs.wal, &logs.next);
        let Some(wals) = read_wals(&*environment.vfs, wal_path, next_path)? else { return Ok(None) };
        // When no page was flushed meanwhile, each row is in the files just indexed, or in these WALs, or in both at
        // once as after a crash.
        if !parts.is_current()? || Logs::of(&*environment.vfs, directory, name)?.is_not(&logs) {
            return Ok(None);
        }
        if parts.state.metrics.is_empty()
            && let Err(error) = check_empty_catalog(environment, directory, &logs, &parts.state)
        {
            // A server that has just flushed its first page had saved the names before that.
            return if parts.is_current()? { Err(error) } else { Ok(None) };
        }
        parts.state.doubts.extend(logs.doubts());
        parts.state.log_damage.extend(logs.doubts());
        if let Some(lack) = lacks_now(&logs, &parts.state, files.log(), &wals) {
            parts.state.lacks.push(lack.text.clone());
            let told = if lack.lost { &mut parts.state.log_damage } else { &mut parts.state.log_notes };
            told.push(lack.text);
        }
        let Wals { wal, next } = wals;
        parts.replay_read_only(wal_path, wal.as_deref());
        parts.drop_durable_rows_read_only()?;
        parts.note_unfinished_frames()?;
        parts.replay_read_only(next_path, next.as_deref());
        // What looks like a write that was cut short may be one that is under way.
        if !parts.state.log_notes.is_empty() && attempt < STILL && !is_still(&*environment.vfs, &logs, &wal, &next)? {
            return Ok(None);
        }
        let disk_end = parts.index_newest()?;
        parts.forget_superseded(disk_end);
        let warnings = Warnings::load(&*environment.vfs, directory, environment.clock.now());
        Ok(Some(parts.finish(None, None, warnings, files)))
    }
}

/// What a reader indexed in an attempt before this one: starting over reads what came since, not everything.
type KnownFiles = HashMap<PathBuf, Arc<RawFile>>;

/// Attempts in which a reader that finds the end of a log cut short waits for whether it is being written.
const STILL: usize = 20;

/// Whether logs stay as they were read for some milliseconds: nobody is in the middle of writing them.
fn is_still(vfs: &dyn Vfs, logs: &Logs, wal: &Option<Vec<u8>>, next: &Option<Vec<u8>>) -> Result<bool> {
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(2));
        for (path, bytes) in [(&logs.wal, wal), (&logs.next, next)] {
            let now = vfs.entry(path).map_err(|e| Error::io("look up", path, e))?.map(|entry| entry.len);
            if now != bytes.as_ref().map(|bytes| bytes.len() as u64) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// At first a reader tries again at once, later it lets the server get on: ten seconds in all.
fn wait_before(attempt: usize) -> Duration {
    Duration::from_millis(attempt.saturating_sub(READ_ATTEMPTS / 10).min(60) as u64)
}

/// The WALs of a database as they were at one moment; `None` for a file that was not there.
pub(crate) struct Wals {
    pub(crate) wal: Option<Vec<u8>>,
    pub(crate) next: Option<Vec<u8>>,
}

/// Reads both WALs beside a server that writes them; `None` when a flush changed files meanwhile.
pub(crate) fn read_wals(vfs: &dyn Vfs, wal_path: &Path, next_path: &Path) -> Result<Option<Wals>> {
    // The younger file first: so that no row is missed which was written between two that are seen.
    let read_both = || -> Result<_> {
        let next = read_wal(vfs, next_path)?;
        Ok(read_wal(vfs, wal_path)?.zip(next))
    };
    let Some((wal, next)) = read_both()? else { return Ok(None) };
    // Read in the middle of a change of files, they may be partly the old ones, partly the new.
    let is_whole = read_both()?.is_some_and(|(wal_again, next_again)| {
        let has_next = next.is_none() || next_again.is_some();
        let (next, next_again) = (next.as_deref().unwrap_or_default(), next_again.unwrap_or_default());
        let wal_again = wal_again.unwrap_or_default();
        has_next && wal_again.starts_with(wal.as_deref().unwrap_or_default()) && next_again.starts_with(next)
    });
    Ok(is_whole.then_some(Wals { wal, next }))
}

/// `None` when it was cut between asking for its length and reading it; the inner `None` when there is no such file.
fn read_wal(vfs: &dyn Vfs, path: &Path) -> Result<Option<Option<Vec<u8>>>> {
    match vfs.read(path, MAX_WAL) {
        Ok(bytes) => Ok(Some(Some(bytes))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Some(None)),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

impl Parts {
    fn read(name: &str, directory: &Path, environment: Environment) -> Result<Self> {
        let vfs = &*environment.vfs;
        let path = directory.join(layout::MANIFEST);
        let defaults = &environment.config.manifest_defaults;
        let manifest = match vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))? {
            None => defaults.clone(),
            Some(_) => {
                let loaded = Manifest::load(vfs, &path, defaults)?;
                for warning in loaded.warnings {
                    tracing::warn!(database = name, "{warning}");
                }
                loaded.value
            }
        };
        let partitioner = registry().partitioner(&manifest.retention.partition);
        // The same refusal, naming the file and the key.
        let partitioner = partitioner.or_else(|e| manifest.check_plugins(&path).and(Err(e)))?;
        let mut state = State::default();
        let has_catalog = read_catalog(vfs, directory, &mut state)?;
        list_files(&environment, directory, partitioner, &mut state)?;
        Ok(Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            environment,
            manifest,
            partitioner,
            state,
            has_catalog,
            log_gap: LogGap::default(),
            unclear: None,
            mended: Vec::new(),
        })
    }

    fn index_everything(&mut self, known: &mut KnownFiles) -> Result<()> {
        let vfs = Arc::clone(&self.environment.vfs);
        let mut indexed = Vec::new();
        for (partition, files) in &mut self.state.files {
            for file in files.files.values_mut() {
                let before = known.get(&file.path).map(|index| &**index);
                let index = Arc::new(RawFile::index_on(&*vfs, &file.path, *partition, before)?);
                known.insert(file.path.clone(), Arc::clone(&index));
                indexed.push(Arc::clone(&index));
                file.index = Some(index);
            }
        }
        indexed.iter().for_each(|index| self.state.note_whole(index));
        Ok(())
    }

    /// What this process found may have been written by one that was killed, and be in no more than the page cache. Before
    /// anything is acknowledged or taken out of the WAL on the strength of it, it is forced to the device: names, the WAL,
    /// and the data files that hold rows of the WAL.
    fn make_durable(&self, wal: &WalFile, next: Option<&WalFile>, partitions: &[Partition]) -> Result<()> {
        let vfs = &*self.environment.vfs;
        let sync_dir = |path: &Path| vfs.sync_dir(path).map_err(|e| Error::io("fsync", path, e));
        sync_dir(self.directory.parent().unwrap_or(Path::new(".")))?;
        sync_dir(&self.directory)?;
        for partition in partitions {
            let file = self.state.files.get(partition).and_then(|f| f.files.get(&RawKind::Data));
            let Some(path) = file.map(|f| &f.path) else { continue };
            let sync = || vfs.open(path, OpenMode::Write)?.sync();
            sync().map_err(|e| Error::io("fsync", path, e))?;
        }
        for wal in [Some(wal), next].into_iter().flatten().filter(|wal| !wal.is_empty()) {
            wal.sync()?;
        }
        Ok(())
    }

    /// Whether names, files and their lengths are still what was read.
    fn is_current(&self) -> Result<bool> {
        let vfs = &*self.environment.vfs;
        // What it has to say was said when it was read first.
        let now = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
            Self::read(&self.name, &self.directory, self.environment.clone())
        })?;
        let metrics = |parts: &Self| -> Vec<_> {
            parts.state.iter_metrics().map(|(id, m)| (id, Arc::clone(&m.name), m.value_type)).collect()
        };
        if metrics(self) != metrics(&now)
            || !self.state.files.keys().eq(now.state.files.keys())
            || !self.state.metric_files.keys().eq(now.state.metric_files.keys())
        {
            return Ok(false);
        }
        for (mine, theirs) in self.state.files.values().zip(now.state.files.values()) {
            if !mine.files.keys().eq(theirs.files.keys()) {
                return Ok(false);
            }
            for file in mine.files.values() {
                let now = vfs.entry(&file.path).map_err(|e| Error::io("look up", &file.path, e))?;
                let (len, id) = now.map_or((0, 0), |e| (e.len, e.id));
                if file.index.as_ref().is_none_or(|index| (index.len, index.id) != (len, id)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Indexes as few files as it takes to know the newest timestamp on disk.
    fn index_newest(&mut self) -> Result<Option<Timestamp>> {
        let vfs = Arc::clone(&self.environment.vfs);
        let mut newest = None;
        let mut indexed = Vec::new();
        let mut by_end: Vec<_> = self.state.files.iter_mut().collect();
        order::sort_by_key(&mut by_end, |(partition, _)| std::cmp::Reverse(partition.end));
        for (partition, files) in by_end {
            if newest.is_some_and(|newest| newest >= partition.end) {
                break;
            }
            for file in files.files.values_mut() {
                let index = match &file.index {
                    Some(index) => Arc::clone(index),
                    None => Arc::new(RawFile::index(&*vfs, &file.path, *partition)?),
                };
                newest = newest.max(index.frames.iter().map(|f| f.header.end).max());
                indexed.push(Arc::clone(&index));
                file.index = Some(index);
            }
        }
        indexed.iter().for_each(|index| self.state.note_whole(index));
        for (partition, slot) in self.state.metric_files.iter().rev() {
            if newest.is_some_and(|newest| newest >= partition.end) {
                break;
            }
            // A file that cannot be read says nothing of what is in it: its partition's end is the safe answer.
            newest = newest.max(Some(match MetricFile::open(&*vfs, &slot.path, &self.environment.metric_cache) {
                Ok(file) => file.layout().end,
                Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => partition.bounds().1,
                Err(e) => return Err(e),
            }));
        }
        Ok(newest)
    }

    /// The newest row of a metric in the WAL is not its newest when a younger partition was flushed before the WAL's.
    fn forget_superseded(&mut self, disk_end: Option<Timestamp>) {
        for metric in self.state.metrics.iter_mut().flatten() {
            if let Last::At(last, _) = metric.last
                && disk_end.is_some_and(|end| end >= last)
            {
                metric.last = Last::Unknown;
            }
        }
    }

    fn writer_metrics(&self) -> Vec<Option<WriterMetric>> {
        let metrics = self.state.metrics.iter();
        let mut metrics: Vec<_> = metrics
            .map(|m| m.as_ref().map(|m| WriterMetric::new(m.value_type, m.typed, m.last, m.is_former)))
            .collect();
        // The next id lies behind all that any file has.
        metrics.resize(metrics.len().max(usize::from(self.state.reserved).saturating_add(1)), None);
        metrics
    }

    /// Ids that files have and nothing names: an older catalog.json took the place of a newer one, perhaps.
    fn look_for_nameless(&mut self) {
        let (known, reserved) = (self.state.metrics.len().saturating_sub(1), self.state.reserved);
        if known < usize::from(reserved) {
            let path = self.directory.join(layout::CATALOG);
            let text = format!(
                "{}: it knows metric ids up to {known}, but files hold samples of ids up to {reserved}: those are in no answer; \
                 new metrics get ids behind them",
                path.display()
            );
            tracing::error!(database = self.name, "{text}");
            let since = self.environment.clock.now();
            self.mended.push(Warning { since, lost: true, text });
        }
    }

    fn finish(
        self,
        writer: Option<Mutex<Writer>>,
        commit: Option<CommitLog>,
        warnings: Warnings,
        files: FileList,
    ) -> Database {
        let directory = self.environment.vfs.entry(&self.directory).ok().flatten();
        Database {
            directory_id: directory.map_or(0, |entry| entry.id),
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            name: self.name,
            directory: self.directory,
            environment: self.environment,
            partitioner: self.partitioner,
            manifest: self.manifest,
            writer,
            commit,
            flush: Mutex::default(),
            flush_queued: AtomicBool::new(false),
            building: Mutex::new(()),
            closed: AtomicBool::new(false),
            state: RwLock::new(self.state),
            wal_size: WalSize::default(),
            warnings,
            files,
            cutoff: AtomicI64::new(Timestamp::MIN),
            unread: Default::default(),
            events: EventsMemory::default(),
            poisoned: Mutex::new(None),
            full: Mutex::new(None),
            trouble: Mutex::new(None),
        }
    }
}
