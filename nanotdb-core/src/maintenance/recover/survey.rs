//! What a damaged database is made of, file by file: which metrics its samples are of, and what cannot be read.

use super::evidence::Evidence;
use crate::database::{Logs, owner_of};
use crate::format::catalog::CatalogEntry;
use crate::format::wal;
use crate::layout;
use crate::maintenance::archive::{archives, directory_of};
use crate::maintenance::inspect;
use crate::maintenance::metric_files;
use crate::model::{MetricId, ValueType, name};
use crate::plugin::Partition;
use crate::storage::archive::{Archive, ArchivedFiles};
use crate::storage::metric_file::MetricFile;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs};
use crate::storage::{MetricCache, RawFile};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Memory for one metric file while it is looked at.
const CACHE_BYTES: usize = 4 << 20;
/// Largest catalog.
const MAX_CATALOG: u64 = 64 << 20;
/// Largest log.
const MAX_WAL: u64 = 8 << 30;

/// A catalog as far as it could be made whole.
pub(super) struct Catalog {
    pub(super) entries: Vec<CatalogEntry>,
    /// Metrics whose name is lost, by the name that they got.
    pub(super) unnamed: Vec<String>,
    /// What was wrong with the file.
    pub(super) damage: Option<String>,
}

/// Reads catalog.json, or what there is of it, and adds what the logs and the samples know.
pub(super) fn catalog(vfs: &dyn Vfs, directory: &Path, database: &str) -> Result<Catalog> {
    let path = directory.join(layout::CATALOG);
    let mut damage = None;
    let mut entries = match vfs.read(&path, MAX_CATALOG) {
        Ok(bytes) => crate::format::catalog::decode(&bytes).unwrap_or_else(|e| {
            let entries = fragments(&String::from_utf8_lossy(&bytes));
            damage = Some(format!("{e}; {} of its metrics could be read", entries.len()));
            entries
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            damage = Some("there is none".to_owned());
            Vec::new()
        }
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let mut seen: BTreeMap<MetricId, Evidence> = BTreeMap::new();
    samples(vfs, directory, &mut seen)?;
    // What is archived alone keeps its metric, too.
    for path in archives(vfs, directory)? {
        let archive = match Archive::read_as_far(vfs, &path, u64::MAX) {
            Err(Error::NotFound(_)) => continue,
            other => other?.0,
        };
        let generations: BTreeSet<u32> = archive.files.iter().map(|file| file.generation).collect();
        for generation in generations {
            samples(&ArchivedFiles::new(vfs, &archive), &directory_of(&archive, generation), &mut seen)?;
        }
    }
    // No metric has it.
    seen.remove(&0);
    // Later records know better: a metric that is named again has widened.
    let logs = Logs::of(vfs, directory, database)?;
    for path in [logs.wal, logs.next] {
        let bytes = match vfs.read(&path, MAX_WAL) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let known: BTreeMap<MetricId, ValueType> = entries.iter().map(|e| (e.id, e.value_type)).collect();
        let type_of = |id: MetricId| known.get(&id).copied().or_else(|| seen.get(&id).map(Evidence::value_type));
        let mut announced = Vec::new();
        let mut recorded = BTreeSet::new();
        wal::decode(&bytes, &type_of, &mut |record| {
            recorded.insert((record.id, record.value_type.code()));
            if let Some(name) = record.announces {
                let (id, value_type, typed) = (record.id, record.value_type, record.typed);
                announced.push(CatalogEntry { name: name.to_owned(), id, value_type, typed });
            }
        });
        for entry in announced {
            // With a higher id and a type that it may become: it has widened.
            let goes_on = |known: &CatalogEntry| known.id < entry.id && known.value_type.may_become(entry.value_type);
            let is_named = entries.iter().any(|known| known.name == entry.name && !goes_on(known));
            match entries.iter_mut().find(|known| known.id == entry.id) {
                Some(known) if known.value_type == ValueType::Int32 => known.value_type = entry.value_type,
                Some(_) => {}
                None if is_named => {}
                None => entries.push(entry),
            }
        }
        for (id, code) in recorded {
            if let Some(value_type) = ValueType::from_code(code) {
                seen.entry(id).or_default().add_type(value_type);
            }
        }
    }
    let known: BTreeSet<MetricId> = entries.iter().map(|e| e.id).collect();
    let mut unnamed = Vec::new();
    for (id, evidence) in seen.iter().filter(|(id, _)| !known.contains(id)) {
        let mut name = format!("recovered.metric_{id}");
        while entries.iter().any(|entry| entry.name == name) {
            name.push('_');
        }
        unnamed.push(name.clone());
        entries.push(CatalogEntry { name, id: *id, value_type: evidence.value_type(), typed: false });
    }
    // A catalog that is not there is no loss where nothing misses it.
    if entries.is_empty() || (unnamed.is_empty() && damage.as_deref() == Some("there is none")) {
        damage = None;
    }
    Ok(Catalog { entries, unnamed, damage })
}

/// The entries that can be read of a damaged catalog: those that are whole by themselves and contradict none before them.
fn fragments(text: &str) -> Vec<CatalogEntry> {
    #[derive(serde::Deserialize)]
    struct Entry {
        name: String,
        id: u16,
        #[serde(rename = "type")]
        value_type: u8,
        then: Option<u16>,
        #[serde(default)]
        typed: bool,
    }
    let mut thens: BTreeMap<MetricId, MetricId> = BTreeMap::new();
    let mut entries: Vec<CatalogEntry> = Vec::new();
    for part in text.split('{').skip(1) {
        let Some((inside, _)) = part.split_once('}') else { continue };
        let Ok(entry) = serde_json::from_str::<Entry>(&format!("{{{inside}}}")) else { continue };
        let Some(value_type) = ValueType::from_code(entry.value_type) else { continue };
        // A metric that has widened has several, each of which names the next.
        let is_new = entries.iter().all(|known| {
            let goes_on = thens.get(&known.id) == Some(&entry.id) && known.value_type.may_become(value_type);
            known.id != entry.id
                && (known.name != entry.name || goes_on || thens.get(&known.id).is_some_and(|then| *then < entry.id))
        });
        if entry.id != 0 && is_new && name::check_metric_name(entry.name.as_bytes()).is_ok() {
            thens.extend(entry.then.map(|then| (entry.id, then)));
            let typed = entry.typed && value_type == ValueType::Float32;
            entries.push(CatalogEntry { name: entry.name, id: entry.id, value_type, typed });
        }
    }
    entries
}

/// Ids of the samples in data files, with what their values say of the type.
fn samples(vfs: &dyn Vfs, directory: &Path, seen: &mut BTreeMap<MetricId, Evidence>) -> Result<()> {
    for path in metric_files::metric_files(vfs, directory)? {
        let cache = MetricCache::new(CACHE_BYTES);
        let file = match MetricFile::open(vfs, &path, &cache) {
            Err(Error::Corrupt { .. }) => MetricFile::salvage(vfs, &path, &cache).map(|(file, _)| file),
            opened => opened,
        };
        match file {
            Ok(file) => {
                for series in &file.layout().series {
                    seen.entry(series.id).or_default().add_type(series.value_type);
                }
            }
            Err(Error::Incompatible { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    for (path, partition) in raw_files(vfs, directory)? {
        let index = RawFile::index(vfs, &path, partition)?;
        let file = vfs.open(&path, OpenMode::Read).map_err(|e| Error::io("open", &path, e))?;
        let mut reader = FrameReader::default();
        for frame in &index.frames {
            let page = match reader.read(&*file, &path, frame) {
                Ok(page) => page,
                Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => continue,
                Err(e) => return Err(e),
            };
            for (at, (id, low)) in page.ids().iter().zip(page.low()).enumerate() {
                let high = page.high().and_then(|high| high.get(at)).map(|high| u32::from_le_bytes(*high));
                let evidence = seen.entry(u16::from_le_bytes(*id)).or_default();
                evidence.add_value(u32::from_le_bytes(*low), high);
            }
        }
    }
    Ok(())
}

/// Raw files, with their partitions.
pub(super) fn raw_files(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<(PathBuf, Partition)>> {
    let files = inspect::data_files(vfs, directory)?.into_iter();
    files.map(|path| Ok((path.clone(), owner_of(vfs, &path)?.1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_entries_of_a_torn_catalog_are_read() {
        let text = r#"{"metrics":[{"name":"a","id":1,"type":2},{"name":"b","id":2,"type":9},{"na"#;
        let names = |text: &str| fragments(text).into_iter().map(|e| (e.name, e.id)).collect::<Vec<_>>();
        assert_eq!(names(text), [("a".to_owned(), 1)]);
        let twice = r#"{"metrics":[{"name":"a","id":1,"type":2},{"name":"a","id":3,"type":1},{"name":"c","id":1,"type":1},
            {"name":"d e","id":4,"type":1},{"name":"f","id":0,"type":1},{"name":"g","id":5,"type":1}"#;
        assert_eq!(names(twice), [("a".to_owned(), 1), ("g".to_owned(), 5)]);
        assert_eq!(names("\0\0\0"), []);
    }
}
