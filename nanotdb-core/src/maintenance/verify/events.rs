//! Files of events: the catalog, the log, and every frame.

use super::{Problem, VerifyReport};
use crate::format::events;
use crate::storage::events::{KnownEvents, partition_of, pieces, read_file};
use crate::storage::vfs::Vfs;
use crate::{Error, Result};
use std::path::Path;

/// Checks catalog and log of a database, and returns what they say, for the frames.
pub(super) fn check_names(
    vfs: &dyn Vfs,
    directory: &Path,
    database: &str,
    report: &mut VerifyReport,
) -> Result<KnownEvents> {
    let known = KnownEvents::read(vfs, directory, database)?;
    let path = directory.join(events::CATALOG_FILE);
    let mut problem = |file: &Path, offset: Option<u64>, what: String| {
        report.problems.push(Problem { file: file.to_owned(), offset, what });
    };
    if let Some((_, damage)) = &known.catalog {
        match (damage, events::missing_id(&known.names)) {
            (Some(damage), _) => problem(&path, None, format!("{}: events cannot be told apart", damage.reason)),
            (None, Some(id)) => {
                let what = format!("no event has id {id}: the original would give an id twice");
                problem(&path, None, what);
            }
            (None, None) => {}
        }
    }
    if let Some((bytes, log)) = &known.log
        && let Some(damage) = &log.damage
    {
        let what = format!("{} damaged bytes: {}", bytes.len().saturating_sub(log.end), damage.reason);
        problem(&directory.join(events::log_name(database)), Some(damage.offset), what);
    }
    for path in &known.foreign_logs {
        let own = events::log_name(database);
        problem(
            path,
            None,
            format!("the log of events of a database with another name: it is read when it is called {own}"),
        );
    }
    report.events = report.events.saturating_add(known.log.as_ref().map_or(0, |(_, log)| log.records.len()) as u64);
    Ok(known)
}

/// Checks the frames of a directory, or of an archive.
pub(super) fn check_files(
    vfs: &dyn Vfs,
    directory: &Path,
    known: &KnownEvents,
    hidden: &[String],
    report: &mut VerifyReport,
) -> Result<()> {
    for entry in vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))? {
        if entry.is_dir || events::part_of_file(&entry.name).is_none() || hidden.contains(&entry.name) {
            continue;
        }
        check_file(vfs, &directory.join(&entry.name), known, report)?;
    }
    Ok(())
}

fn check_file(vfs: &dyn Vfs, path: &Path, known: &KnownEvents, report: &mut VerifyReport) -> Result<()> {
    // It may have gone into an archive meanwhile.
    let Some(bytes) = read_file(vfs, path)? else { return Ok(()) };
    report.event_files = report.event_files.saturating_add(1);
    let partition = partition_of(path);
    if partition.is_none() {
        let what = "no partitioner knows this file name".to_owned();
        report.problems.push(Problem { file: path.to_owned(), offset: None, what });
    }
    for piece in pieces(&bytes, partition, known) {
        match piece.damage {
            None => report.events = report.events.saturating_add(u64::from(piece.rows.unwrap_or(0))),
            Some(_) if piece.is_unfinished => {}
            Some(what) => {
                let what = format!("{} damaged bytes: {what}", piece.to.saturating_sub(piece.from));
                report.problems.push(Problem { file: path.to_owned(), offset: Some(piece.from as u64), what });
            }
        }
    }
    Ok(())
}
