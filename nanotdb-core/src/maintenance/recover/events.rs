//! Files of events: what of them is whole goes into the new root as it is, and what is not is kept beside it and told.

use super::{Damage, RecoverReport};
use crate::Result;
use crate::error::Error;
use crate::format::events::{self, CATALOG_FILE, EventName, EventNames, EventType, encode_catalog};
use crate::maintenance::target::put;
use crate::model::counted;
use crate::storage::copy::copy_between;
use crate::storage::events::{KnownEvents, Piece, partition_of, pieces, read_file};
use crate::storage::keep_damaged;
use crate::storage::vfs::Vfs;
use std::path::Path;

/// Copies the files of a database's events from `source` into the new directory.
pub(super) fn copy(
    source: &dyn Vfs,
    from: &Path,
    database: &str,
    (vfs, to): (&dyn Vfs, &Path),
    report: &mut RecoverReport,
) -> Result<()> {
    let entries = source.read_dir(from).map_err(|e| Error::io("list", from, e))?;
    let files: Vec<&str> =
        entries.iter().filter(|e| !e.is_dir && events::is_events_file(&e.name)).map(|e| e.name.as_str()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let mut known = KnownEvents::read(source, from, database)?;
    let mut copied = Copied { from, vfs, to, report };
    copied.catalog(&mut known)?;
    copied.log(&known, database)?;
    for name in files {
        let path = from.join(name);
        if name == CATALOG_FILE || name == events::log_name(database) {
            continue;
        }
        match events::part_of_file(name) {
            Some(_) if partition_of(&path).is_some() => {
                if let Some(bytes) = read_file(source, &path)? {
                    copied.frames(name, &bytes, &known)?;
                }
            }
            // Kept bytes of an earlier damage, and logs of databases with other names.
            _ => keep_aside(source, &path, (vfs, to), copied.report)?,
        }
    }
    Ok(())
}

/// Copies a file that nobody reads, under a name that says so.
pub(super) fn keep_aside(
    source: &dyn Vfs,
    path: &Path,
    (vfs, to): (&dyn Vfs, &Path),
    report: &mut RecoverReport,
) -> Result<()> {
    let kept = aside(vfs, to, &path.file_name().unwrap_or_default().to_string_lossy())?;
    copy_between(source, path, vfs, &to.join(&kept))?;
    report.harmless.push(Damage::of(path, None, format!("not read, and kept as {kept}")));
    Ok(())
}

/// A name under which something is kept that is not whole, and that nothing has yet.
pub(super) fn aside(vfs: &dyn Vfs, directory: &Path, name: &str) -> Result<String> {
    let first = if name.contains(".damaged-") { name.to_owned() } else { format!("{name}.damaged-0") };
    let mut place = first.clone();
    for number in 2..u32::MAX {
        let path = directory.join(&place);
        if vfs.entry(&path).map_err(|e| Error::io("look up", &path, e))?.is_none() {
            break;
        }
        place = format!("{first}-{number}");
    }
    Ok(place)
}

struct Copied<'a> {
    from: &'a Path,
    vfs: &'a dyn Vfs,
    to: &'a Path,
    report: &'a mut RecoverReport,
}

impl Copied<'_> {
    /// The catalog as it is; when that cannot be read, the names that the log has.
    fn catalog(&mut self, known: &mut KnownEvents) -> Result<()> {
        let Some((bytes, damage)) = &known.catalog else { return Ok(()) };
        let path = self.from.join(CATALOG_FILE);
        let missing = events::missing_id(&known.names);
        let what = match (damage, missing) {
            (None, None) => return put(self.vfs, &self.to.join(CATALOG_FILE), bytes),
            (Some(damage), _) => damage.reason.clone(),
            (None, Some(id)) => format!("no event has id {id}"),
        };
        let kept = aside(self.vfs, self.to, CATALOG_FILE)?;
        put(self.vfs, &self.to.join(&kept), bytes)?;
        let of_log = known.names.len();
        fill(&mut known.names);
        put(self.vfs, &self.to.join(CATALOG_FILE), &encode_catalog(&known.names))?;
        let what = format!("{what}: kept as {kept}; {} could be read", counted(of_log as u64, "name"));
        self.report.lost.push(Damage::of(&path, None, what));
        Ok(())
    }

    fn log(&mut self, known: &KnownEvents, database: &str) -> Result<()> {
        let Some((bytes, log)) = &known.log else { return Ok(()) };
        let name = events::log_name(database);
        put(self.vfs, &self.to.join(&name), bytes.get(..log.end).unwrap_or_default())?;
        let rest = bytes.get(log.end..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        keep_damaged(self.vfs, &self.to.join(&name), log.end as u64, rest)?;
        let what = match &log.damage {
            Some(damage) => damage.reason.clone(),
            None => "a record is cut off: not acknowledged yet, if it was being written".to_owned(),
        };
        let range = (log.end as u64, bytes.len() as u64);
        self.report.lost.push(Damage::of(&self.from.join(name), Some(range), what));
        Ok(())
    }

    /// Whole frames, byte for byte.
    fn frames(&mut self, name: &str, bytes: &[u8], known: &KnownEvents) -> Result<()> {
        let path = self.from.join(name);
        let mut whole: Vec<u8> = Vec::new();
        for piece in pieces(bytes, partition_of(&path), known) {
            let part = bytes.get(piece.from..piece.to).unwrap_or_default();
            let Piece { damage: Some(what), .. } = &piece else {
                whole.extend_from_slice(part);
                continue;
            };
            let range = (piece.from as u64, piece.to as u64);
            let mut damage = Damage::of(&path, Some(range), what.clone());
            damage.rows = piece.rows.map(u64::from);
            damage.span = piece.span;
            if piece.is_unfinished {
                damage.what = format!("{what}: its events are in the log, or in another frame");
                self.report.harmless.push(damage);
            } else {
                keep_damaged(self.vfs, &self.to.join(name), piece.from as u64, part)?;
                self.report.lost.push(damage);
            }
        }
        if whole.is_empty() && !bytes.is_empty() {
            return Ok(());
        }
        put(self.vfs, &self.to.join(name), &whole)
    }
}

/// Gives ids between others a name, since the original counts names to find the next id.
fn fill(names: &mut EventNames) {
    while let Some(id) = events::missing_id(names) {
        let name = format!("recovered.event_{id}");
        names.insert(id, EventName { name, value_type: EventType::None });
    }
}
