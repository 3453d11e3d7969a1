//! Archives: what of them is whole goes along, entry by entry. The rest is in a copy of the damaged file that is kept beside it.

use super::events::{aside, keep_aside};
use super::{Damage, RecoverReport};
use crate::Result;
use crate::database::journal::Journal;
use crate::error::Error;
use crate::layout;
use crate::maintenance::archive::{archives, directory_of};
use crate::maintenance::verify::{Expected, VerifyReport, check_files};
use crate::storage::archive::{Archive, ArchivedFile, ArchivedFiles};
use crate::storage::copy::copy_between;
use crate::storage::vfs::Vfs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Copies the archives of a database from `source` into the new directory.
pub(super) fn copy(
    source: &dyn Vfs,
    from: &Path,
    (vfs, to): (&dyn Vfs, &Path),
    expected: Expected<'_>,
    report: &mut RecoverReport,
) -> Result<()> {
    let journal = Journal::read(source, from)?;
    for entry in source.read_dir(from).map_err(|e| Error::io("list", from, e))? {
        // Of an earlier damage.
        let is_kept = entry.name.starts_with(layout::ARCHIVE) && entry.name.contains(".tar.damaged-");
        if is_kept && !entry.is_dir {
            keep_aside(source, &from.join(&entry.name), (vfs, to), report)?;
        }
    }
    for path in archives(source, from)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let end = match &journal {
            Some(Journal::Append { archive, end }) if *archive == name => *end,
            _ => u64::MAX,
        };
        let (archive, damage) = match Archive::read_as_far(source, &path, end) {
            Err(Error::NotFound(_)) => continue,
            other => other?,
        };
        let (whole, lost) = sort_out(source, &archive, expected)?;
        if lost.is_empty() && damage.is_none() && end == u64::MAX {
            copy_between(source, &path, vfs, &to.join(&name))?;
            continue;
        }
        if !whole.is_empty() {
            archive.copy_of(source, &whole, (vfs, &to.join(&name)))?;
        }
        if lost.is_empty() && damage.is_none() {
            continue;
        }
        let kept = aside(vfs, to, &name)?;
        copy_between(source, &path, vfs, &to.join(&kept))?;
        let len = source.entry(&path).map_err(|e| Error::io("look up", &path, e))?.map_or(0, |entry| entry.len);
        if let Some(reason) = damage {
            let what = format!("{reason}: what follows is in {kept} alone");
            report.lost.push(Damage::of(&path, Some((archive.end, len)), what));
        }
        for (file, what) in lost {
            let range = (file.offset, file.offset.saturating_add(file.len));
            let what = format!("{}: {what}: it is in {kept} alone", file.entry);
            report.lost.push(Damage::of(&path, Some(range), what));
        }
    }
    Ok(())
}

/// Whole entries, and the others with what is wrong with them.
type Sorted<'a> = (Vec<&'a ArchivedFile>, Vec<(&'a ArchivedFile, String)>);

/// The entries that pass every check together, and the others with what is wrong with them. One that is gone may be what
/// another one leaned on, so it is looked again until nothing is wrong.
fn sort_out<'a>(source: &dyn Vfs, archive: &'a Archive, expected: Expected<'_>) -> Result<Sorted<'a>> {
    let mut lost: Vec<(&ArchivedFile, String)> = Vec::new();
    loop {
        let is_lost = |file: &ArchivedFile| lost.iter().any(|(other, _)| other.entry == file.entry);
        let whole: Vec<&ArchivedFile> = archive.files.iter().filter(|file| !is_lost(file)).collect();
        let wrong = problems(source, archive, &whole, expected)?;
        if wrong.is_empty() {
            return Ok((whole, lost));
        }
        let before = lost.len();
        for file in &whole {
            if let Some(what) = wrong.get(&file.entry) {
                lost.push((file, what.clone()));
            }
        }
        if lost.len() == before {
            // Nobody knows which entry it is of.
            let what = wrong.into_values().next().unwrap_or_default();
            lost.extend(whole.into_iter().map(|file| (file, what.clone())));
            return Ok((Vec::new(), lost));
        }
    }
}

/// What is wrong with these entries, by entry.
fn problems(
    source: &dyn Vfs,
    archive: &Archive,
    files: &[&ArchivedFile],
    expected: Expected<'_>,
) -> Result<BTreeMap<String, String>> {
    let part = Archive {
        path: archive.path.clone(),
        files: files.iter().map(|file| (*file).clone()).collect(),
        end: archive.end,
    };
    let view = ArchivedFiles::new(source, &part);
    let generations: BTreeSet<u32> = files.iter().map(|file| file.generation).collect();
    let mut report = VerifyReport::default();
    for generation in generations {
        check_files(&view, &directory_of(&part, generation), None, expected, &mut report)?;
    }
    let entry = |file: &Path| file.strip_prefix(&part.path).unwrap_or(file).to_string_lossy().into_owned();
    Ok(report.problems.into_iter().rev().map(|problem| (entry(&problem.file), problem.what)).collect())
}
