//! catalog.json: read, and whether it can be that of the files beside it.
//!
//! Samples are kept by the ids of their metrics, so that without names they are nobody's, and under another's name they are
//! a lie. A catalog without a metric beside files with samples is damage, unless the log knows the names: that is what the
//! original leaves when it is killed early.

use super::Environment;
use super::logs::Logs;
use super::open::MAX_WAL;
use super::state::{Last, State};
use crate::config::FsyncPolicy;
use crate::format::{catalog, wal};
use crate::layout;
use crate::model::{MetricId, ValueType};
use crate::plugin::Partition;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{MetricCache, MetricFile, RawFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Largest catalog.json that is read.
const MAX_CATALOG: u64 = 64 << 20;
/// Memory for the directory of a metric file.
const CACHE_BYTES: usize = 1 << 20;

/// Reads catalog.json into `state`. Returns whether it is there.
pub(super) fn read_catalog(vfs: &dyn Vfs, directory: &Path, state: &mut State) -> Result<bool> {
    let path = directory.join(layout::CATALOG);
    let bytes = match vfs.read(&path, MAX_CATALOG) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let damaged =
        |e: crate::format::DecodeError| Error::Corrupt { file: path.clone(), offset: e.offset, reason: e.reason };
    for entry in catalog::decode(&bytes).map_err(damaged)? {
        state.put_metric(entry.id, &entry.name, entry.value_type, Last::Unknown);
        state.set_typed(entry.id, entry.typed);
    }
    Ok(true)
}

/// Refuses a catalog without metrics where there are samples whose names nothing tells. The files of `state` are listed.
pub(super) fn check_empty_catalog(
    environment: &Environment,
    directory: &Path,
    logs: &Logs,
    state: &State,
) -> Result<()> {
    let vfs = &*environment.vfs;
    let has_bytes = |path: &Path| state.listed.get(path).is_some_and(|len| *len > 0);
    let raw =
        state.files.iter().flat_map(|(partition, files)| files.files.values().map(move |f| (&f.path, *partition)));
    let raw: Vec<_> = raw.filter(|(path, _)| has_bytes(path)).collect();
    let metric: Vec<_> = state.metric_files.values().map(|slot| &slot.path).filter(|path| has_bytes(path)).collect();
    if raw.is_empty() && metric.is_empty() && environment.config.wal.fsync_policy != FsyncPolicy::Always {
        // A loss of power can take names that were written first, and leave samples that were written after them: none was safe
        // yet. A catalog is durable before the first data file is.
        return Ok(());
    }
    let mut named: BTreeMap<MetricId, ValueType> = BTreeMap::new();
    let mut nameless_log = None;
    for log in [&logs.wal, &logs.next] {
        let bytes = match vfs.read(log, MAX_WAL) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("read", log, e)),
        };
        // The second log knows the names of the first.
        let before = named.clone();
        let type_of = |id: MetricId| before.get(&id).copied();
        let summary = wal::decode(&bytes, &type_of, &mut |record| {
            if record.announces.is_some() {
                named.insert(record.id, record.value_type);
            }
        });
        nameless_log = nameless_log.or_else(|| summary.unnamed.map(|_| log.as_path()));
    }
    let named: BTreeSet<MetricId> = named.into_keys().collect();
    let mut witness = nameless_log;
    for path in metric {
        let (ids, _) = ids_of_metric_file(vfs, path)?;
        witness = witness.or_else(|| (!ids.is_subset(&named)).then_some(path));
    }
    for (path, partition) in raw {
        if witness.is_none() {
            let (ids, _) = ids_of_raw_file(vfs, path, partition, 0)?;
            witness = (!ids.is_subset(&named)).then_some(path);
        }
    }
    let Some(witness) = witness else { return Ok(()) };
    let reason = format!(
        "it is missing or holds no metric, but {} has samples: their names are lost; put the file back, or see `nanocli recover`",
        witness.display()
    );
    Err(Error::Corrupt { file: directory.join(layout::CATALOG), offset: 0, reason })
}

/// Ids of the samples in frames of a raw file that begin at `from` or behind it, and the number of samples in all of its frames.
/// What cannot be read has no ids.
pub(super) fn ids_of_raw_file(
    vfs: &dyn Vfs,
    path: &Path,
    partition: Partition,
    from: u64,
) -> Result<(BTreeSet<MetricId>, u64)> {
    let index = RawFile::index(vfs, path, partition)?;
    let rows = index.frames.iter().map(|frame| u64::from(frame.header.rows)).sum();
    let mut ids = BTreeSet::new();
    let mut reader = FrameReader::default();
    let frames: Vec<_> = index.frames.iter().filter(|frame| frame.offset >= from).collect();
    if frames.is_empty() {
        return Ok((ids, rows));
    }
    let file = vfs.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
    for frame in frames {
        match reader.read(&*file, path, frame) {
            Ok(page) => {
                let mut before = None;
                for id in page.ids().iter().map(|id| u16::from_le_bytes(*id)) {
                    if before != Some(id) {
                        ids.insert(id);
                        before = Some(id);
                    }
                }
            }
            Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    ids.remove(&0);
    Ok((ids, rows))
}

/// Ids of the samples in a metric file, and their number. One that cannot be read has none.
pub(super) fn ids_of_metric_file(vfs: &dyn Vfs, path: &Path) -> Result<(BTreeSet<MetricId>, u64)> {
    match MetricFile::open(vfs, path, &MetricCache::new(CACHE_BYTES)) {
        Ok(file) => Ok((file.layout().series.iter().map(|series| series.id).collect(), file.rows())),
        Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => Ok((BTreeSet::new(), 0)),
        Err(e) => Err(e),
    }
}
