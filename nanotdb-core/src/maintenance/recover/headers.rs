//! Headers of raw frames, which have no checksum, made right from the pages behind them, which have.

use super::overlay::Overlay;
use super::{Damage, RecoverReport, survey};
use crate::format::frame::{self, CRC_LEN, FIXED_HEADER_LEN, MAX_HEADER_LEN};
use crate::format::get_uvarint;
use crate::format::page::{DecodedPage, NARROW_ROW, WIDE_ROW};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::RawFile;
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::path::Path;

/// Shows every raw file of a database with the headers that its pages should have.
pub(super) fn mend(overlay: &Overlay, directory: &Path, report: &mut RecoverReport) -> Result<()> {
    for (path, partition) in survey::raw_files(overlay, directory)? {
        // Behind a mended frame there may be another one.
        while let Some(mended) = mend_one(overlay, &path, partition)? {
            report.harmless.push(mended);
        }
    }
    Ok(())
}

fn mend_one(overlay: &Overlay, path: &Path, partition: Partition) -> Result<Option<Damage>> {
    let index = RawFile::index(overlay, path, partition)?;
    let file = overlay.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
    let mut reader = FrameReader::default();
    let mut suspects: Vec<(u64, u64)> = index.damaged.iter().map(|d| (d.from, d.to)).collect();
    for frame in &index.frames {
        match reader.read(&*file, path, frame) {
            Ok(_) | Err(Error::Incompatible { .. }) => {}
            Err(Error::Corrupt { .. }) => suspects.push((frame.offset, frame.end_offset())),
            Err(e) => return Err(e),
        }
    }
    for (offset, end) in suspects {
        if let Some((header, rows)) = header_of(&*file, offset, end, partition) {
            let [start, last] = [0, 8].map(|at| header.get(at..).and_then(|h| h.first_chunk::<8>()).copied());
            overlay.patch(path, offset, header.to_vec());
            let bytes = Some((offset, offset.saturating_add(header.len() as u64)));
            let mut damage = Damage::of(path, bytes, "the header is not that of the page behind it, which is whole");
            damage.rows = Some(u64::from(rows));
            damage.span = start.zip(last).map(|(start, last)| (i64::from_le_bytes(start), i64::from_le_bytes(last)));
            return Ok(Some(damage));
        }
    }
    Ok(None)
}

/// The header that belongs before the page at this frame's place, and its number of rows: when the page is whole and of this
/// partition, and the header is another. Of the header that is there only the length of the page is taken.
fn header_of(file: &dyn VfsFile, offset: u64, end: u64, partition: Partition) -> Option<([u8; FIXED_HEADER_LEN], u16)> {
    let mut head = [0; MAX_HEADER_LEN];
    let count = file.read_at(&mut head, offset).ok()?;
    let head = head.get(..count)?;
    let (payload_len, len_len) = get_uvarint(head.get(FIXED_HEADER_LEN..)?)?;
    let body_at = offset.checked_add(FIXED_HEADER_LEN as u64)?.checked_add(len_len as u64)?;
    let body_len = payload_len.checked_add(CRC_LEN as u64)?;
    if body_at.checked_add(body_len)? > end {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(body_len).ok()?];
    file.read_exact_at(&mut bytes, body_at).ok()?;
    let payload = frame::check_payload(&bytes).ok()?;
    let decoded_len = match payload.split_first()? {
        (0, envelope) => get_uvarint(envelope.get(3..)?)?.0,
        _ => get_uvarint(payload)?.0,
    };
    // Pages of 64-bit values have wider rows.
    [NARROW_ROW as u64, WIDE_ROW as u64].into_iter().find_map(|width| {
        let rows = decoded_len.checked_div(width).filter(|rows| rows.checked_mul(width) == Some(decoded_len))?;
        let rows = u16::try_from(rows).ok()?;
        let mut page = DecodedPage::default();
        page.decode(payload, rows, registry()).ok()?;
        let timestamps: Vec<i64> = page.timestamps().iter().map(|t| i64::from_le_bytes(*t)).collect();
        let (start, end) = (timestamps.first()?, timestamps.last()?);
        let is_sound = timestamps.is_sorted() && partition.contains(*start) && partition.contains(*end);
        let mut header = [0; FIXED_HEADER_LEN];
        let fields = start.to_le_bytes().into_iter().chain(end.to_le_bytes()).chain(rows.to_le_bytes());
        header.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        (is_sound && !head.starts_with(&header)).then_some((header, rows))
    })
}
