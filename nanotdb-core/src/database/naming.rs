//! Whose partition a file is of. Its name says so, where a partitioner of this program knows the name and what is in the file
//! agrees. Otherwise the file itself says: frames and metric files carry their times, and rows are read whoever named their
//! file. Such a file is kept as it is; nothing is written to it.

use super::Database;
use super::state::{MetricSlot, PartitionFile, PartitionFiles, RawKind, State};
use crate::layout;
use crate::model::Timestamp;
use crate::plugin::registry::registry;
use crate::plugin::{Partition, Partitioner, part_name};
use crate::storage::vfs::Vfs;
use crate::storage::{MetricCache, MetricFile, RawFile};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files without a partitioner, of the very same times, that are told apart.
const MOST_ALIKE: i64 = 100;
/// All time.
const EVERYTHING: Partition = Partition { start: Timestamp::MIN, end: Timestamp::MAX };

/// What the files of a partition are called, and by whom.
#[derive(Clone)]
pub struct Named {
    /// The part of their names: `2026-05-22` of `data-2026-05-22.dat`.
    pub part: Arc<str>,
    /// `None` when no partitioner of this program gives such names, or not for these times.
    pub partitioner: Option<&'static dyn Partitioner>,
}

impl Named {
    /// As files of a new partition are called.
    pub(super) fn by(partitioner: &'static dyn Partitioner, partition: Partition) -> Self {
        Self { part: part_name(partitioner, partition).into(), partitioner: Some(partitioner) }
    }
}

/// A file of a partition, from its name.
struct Listed {
    /// `None`: a metric file.
    kind: Option<RawKind>,
    path: PathBuf,
}

/// Files of one part, before it is known which partition that is.
#[derive(Default)]
pub(super) struct Strays(BTreeMap<String, Vec<Listed>>);

/// Kind and part of a data file's name.
pub(super) fn parse_file_name(name: &str) -> Option<(Option<RawKind>, &str)> {
    [Some(RawKind::Raw), Some(RawKind::Data), None].into_iter().find_map(|kind| {
        let prefix = kind.map_or(layout::METRIC, RawKind::prefix);
        Some((kind, name.strip_prefix(prefix)?.strip_suffix(".dat")?))
    })
}

impl Strays {
    /// Puts a file where its name says, or remembers it for [`Strays::place`].
    pub(super) fn take(&mut self, kind: Option<RawKind>, part: &str, path: PathBuf, state: &mut State) {
        match registry().named_by(part).as_slice() {
            [(owner, partition)] if !is_taken(state, *partition, part) => {
                let named = Named { part: part.into(), partitioner: Some(*owner) };
                put(state, *partition, &named, Listed { kind, path });
            }
            _ => self.0.entry(part.to_owned()).or_default().push(Listed { kind, path }),
        }
    }

    /// Looks into those that are left, and puts them where their rows are. One that has none that can be read is named in
    /// every answer.
    pub(super) fn place(
        self,
        vfs: &dyn Vfs,
        cache: &MetricCache,
        partitioner: &'static dyn Partitioner,
        state: &mut State,
    ) -> Result<()> {
        for (part, files) in self.0 {
            let mut range = RangeOf::default();
            for file in &files {
                range.add(vfs, cache, file.kind.is_some(), &file.path)?;
            }
            let candidates = registry().named_by(&part);
            let fits = |partition: &Partition| range.lies_in(*partition) && !is_taken(state, *partition, &part);
            let owner = candidates.into_iter().find(|(_, partition)| fits(partition));
            let by_rows = |(start, end): (Timestamp, Timestamp)| {
                // Never one that rows are written to, and none that another file has.
                let is_free = |partition: &Partition| {
                    !is_taken(state, *partition, &part) && partitioner.partition_of(partition.start) != *partition
                };
                let wider = |by| Partition { start: start.saturating_sub(by), end: end.saturating_add(by + 1) };
                (0..MOST_ALIKE).map(wider).find(is_free)
            };
            let placed = match owner {
                Some((owner, partition)) => Some((Some(owner), partition)),
                None => range.0.and_then(by_rows).map(|partition| (None, partition)),
            };
            let (named, partition) = match placed {
                Some((partitioner, partition)) => (Named { part: part.as_str().into(), partitioner }, partition),
                None => {
                    for file in files {
                        let path = file.path.display();
                        let text = "no partitioner knows this file name, and no row in it can be read";
                        tracing::warn!(file = %path, "{text}");
                        state.log_damage.push(format!("{path}: {text}"));
                    }
                    continue;
                }
            };
            if named.partitioner.is_none() {
                tracing::warn!(
                    part,
                    files = files.len(),
                    "no partitioner of this program gives files this name; their rows are read by their times, and the files are kept as they are"
                );
            }
            for file in files {
                put(state, partition, &named, file);
            }
        }
        Ok(())
    }
}

/// Whether files of another name have the partition.
fn is_taken(state: &State, partition: Partition, part: &str) -> bool {
    let raw = state.files.get(&partition).is_some_and(|files| &*files.named.part != part);
    raw || state.metric_files.get(&partition).is_some_and(|slot| &*slot.named.part != part)
}

fn put(state: &mut State, partition: Partition, named: &Named, Listed { kind, path }: Listed) {
    match kind {
        Some(kind) => {
            let new = || PartitionFiles { named: named.clone(), files: BTreeMap::new() };
            let files = state.files.entry(partition).or_insert_with(new);
            files.files.insert(kind, PartitionFile { path, index: None });
        }
        None => {
            state.metric_files.insert(partition, MetricSlot { path, named: named.clone(), covered: None });
        }
    }
}

/// First and last time of the rows of some files; `None` without any.
#[derive(Debug, Clone, Copy, Default)]
struct RangeOf(Option<(Timestamp, Timestamp)>);

impl RangeOf {
    /// Looks at the headers of a file. What cannot be read of it has no part in the range.
    fn add(&mut self, vfs: &dyn Vfs, cache: &MetricCache, is_raw: bool, path: &Path) -> Result<()> {
        if is_raw {
            let index = RawFile::index(vfs, path, EVERYTHING)?;
            index.frames.iter().for_each(|frame| self.extend(frame.header.start, frame.header.end));
            return Ok(());
        }
        match MetricFile::open(vfs, path, cache) {
            Ok(file) if !file.layout().series.is_empty() => self.extend(file.layout().start, file.layout().end),
            Ok(_) | Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => {}
            Err(error) if error.is_missing_file() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn extend(&mut self, start: Timestamp, end: Timestamp) {
        let (first, last) = self.0.unwrap_or((start, end));
        self.0 = Some((first.min(start), last.max(end)));
    }

    fn lies_in(self, partition: Partition) -> bool {
        self.0.is_none_or(|(start, end)| partition.contains(start) && partition.contains(end))
    }
}

/// Whose partition a file is of, for tools that look at files one by one. Where no partitioner of this program says, it is
/// `None`, and the range is that of the rows in all files of its part.
pub(crate) fn owner_of(vfs: &dyn Vfs, path: &Path) -> Result<(Option<&'static dyn Partitioner>, Partition)> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((_, part)) = parse_file_name(name) else { return Ok((None, EVERYTHING)) };
    let candidates = registry().named_by(part);
    if let [(owner, partition)] = candidates.as_slice() {
        return Ok((Some(*owner), *partition));
    }
    let mut range = RangeOf::default();
    for kind in [Some(RawKind::Raw), Some(RawKind::Data), None] {
        let file = format!("{}{part}.dat", kind.map_or(layout::METRIC, RawKind::prefix));
        range.add(vfs, &MetricCache::new(0), kind.is_some(), &path.with_file_name(file))?;
    }
    let owner = candidates.into_iter().find(|(_, partition)| range.lies_in(*partition));
    let by_rows = || range.0.map_or(EVERYTHING, |(start, end)| Partition { start, end: end.saturating_add(1) });
    Ok(owner.map_or_else(|| (None, by_rows()), |(owner, partition)| (Some(owner), partition)))
}

impl State {
    /// What the files of a partition are called, if there are some.
    pub(super) fn named(&self, partition: Partition) -> Option<Named> {
        let of_raw = self.files.get(&partition).map(|files| &files.named);
        of_raw.or_else(|| Some(&self.metric_files.get(&partition)?.named)).cloned()
    }
}

impl Database {
    /// What the files of a partition are called: as they are, or as they would be.
    pub(crate) fn named(&self, partition: Partition) -> Named {
        let there = self.read_state().named(partition);
        there.unwrap_or_else(|| Named::by(self.partitioner, partition))
    }

    /// The part of the names of a partition's files.
    pub(crate) fn part_name(&self, partition: Partition) -> String {
        self.named(partition).part.to_string()
    }

    /// Whether no partitioner of this program made the partition: its files are read and left as they are.
    pub(crate) fn is_stray(&self, partition: Partition) -> bool {
        self.named(partition).partitioner.is_none()
    }
}
