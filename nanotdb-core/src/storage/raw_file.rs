//! Raw page files (`data-*.dat`, `raw-*.dat`): an append-only sequence of frames with an index in memory.

use super::open_page::{OpenPage, SortedRows};
use super::vfs::{OpenMode, Vfs, VfsFile};
use crate::format::frame::{self, CRC_LEN, FIXED_HEADER_LEN, FrameHeader, MAX_HEADER_LEN};
use crate::format::page::{DecodedPage, Envelope, MAX_ROWS};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Where one frame is and what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameEntry {
    /// Offset of the header.
    pub offset: u64,
    /// Its fields.
    pub header: FrameHeader,
    /// Whether the payload's checksum and rows were seen to agree with the header. Until then the header's
    /// time bounds must not be trusted to skip the frame.
    pub verified: bool,
}

impl FrameEntry {
    /// First byte behind the frame.
    pub fn end_offset(&self) -> u64 {
        self.offset.saturating_add(self.header.frame_len())
    }

    /// Whether it may hold rows of `from..=to`.
    pub fn may_overlap(&self, from: Timestamp, to: Timestamp) -> bool {
        !self.verified || (self.header.start <= to && self.header.end >= from)
    }
}

/// A range of the file that holds no readable frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBytes {
    /// First byte.
    pub from: u64,
    /// First byte behind it.
    pub to: u64,
    /// What is wrong.
    pub reason: String,
    /// Whether it is the end of the file and looks like a write that was cut short.
    pub torn_tail: bool,
    /// Whether it is a frame whose checksum is good, and whose header has times that are not of this file: nothing is wrong with its rows.
    pub whole: bool,
}

impl DamagedBytes {
    /// What a reader is told.
    pub fn text(&self, path: &Path) -> String {
        let bytes = self.to.saturating_sub(self.from);
        let what = if self.whole { "bytes are kept and not read, from" } else { "damaged bytes at" };
        format!("{}: {bytes} {what} {}: {}", path.display(), self.from, self.reason)
    }

    /// Whether it is a frame of other times than its file's, as its rows say too: then the samples may be of any time.
    pub fn is_foreign(&self) -> bool {
        self.whole && self.reason == OUTSIDE
    }
}

/// Why a frame is not read as one of its file.
const OUTSIDE: &str = "frame lies outside its file's partition";

/// What to do about bytes at the end that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailPolicy {
    /// Nothing: the reader does not own the file.
    Leave,
    /// Cut a torn frame off and keep damaged bytes beside the file, before anything is appended.
    Repair,
}

/// The frames of one raw file.
#[derive(Debug, Clone, Default)]
pub struct RawFile {
    /// Path.
    pub path: PathBuf,
    /// Frames, by offset.
    pub frames: Vec<FrameEntry>,
    /// Where the next frame goes.
    pub len: u64,
    /// What could not be read.
    pub damaged: Vec<DamagedBytes>,
    /// A frame at the end of which a part is there, and whose rows are all in the WAL: it is being written, or a kill cut it off.
    pub unfinished: Option<DamagedBytes>,
    /// Damage that was found when it was opened to be appended to, and that nobody has told yet.
    pub mended: Vec<DamagedBytes>,
    /// Which file it was when it was indexed: another may have got its name since.
    pub id: u64,
    /// Whether its end was checked and mended, so that frames may be appended.
    pub appendable: bool,
}

impl RawFile {
    /// Walks the headers of the file of `partition`. A missing file has no frames.
    pub fn index(vfs: &dyn Vfs, path: &Path, partition: Partition) -> Result<Self> {
        Self::index_on(vfs, path, partition, None)
    }

    /// The same; what `known`, an earlier index, has of this very file is not read again.
    pub fn index_on(vfs: &dyn Vfs, path: &Path, partition: Partition, known: Option<&Self>) -> Result<Self> {
        let io = |e| Error::io("read", path, e);
        // Before it is opened: the id of a file that was replaced in between is found to be wrong later.
        let id = vfs.entry(path).map_err(io)?.map_or(0, |entry| entry.id);
        let file = match vfs.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), ..Self::default() });
            }
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let file_len = file.len().map_err(io)?;
        let mut this = Self { path: path.to_owned(), len: file_len, id, ..Self::default() };
        let is_same = |known: &&Self| known.id == id && known.len <= file_len && known.damaged.is_empty();
        let known_to = known.filter(is_same).map_or(0, |known| {
            this.frames.clone_from(&known.frames);
            known.len
        });
        this.walk(&*file, known_to, partition).map_err(io)?;
        Ok(this)
    }

    /// Indexes a file that is about to be appended to: the last frame is checked too, a torn end is cut off, and damage is kept beside it.
    pub fn open_for_append(vfs: &dyn Vfs, path: &Path, partition: Partition) -> Result<Self> {
        Self::open_for_append_of(vfs, path, partition, None)
    }

    /// The same. What is there of a frame that `page`, whose rows the log has, was becoming, is no damage.
    pub(crate) fn open_for_append_of(
        vfs: &dyn Vfs,
        path: &Path,
        partition: Partition,
        page: Option<&OpenPage>,
    ) -> Result<Self> {
        let mut this = Self::index(vfs, path, partition)?;
        let io = |e| Error::io("read", path, e);
        let mut reader = FrameReader::default();
        // A crash in the middle of the last write can leave a header whose payload never reached the device.
        while this.damaged.last().is_none_or(|d| !d.torn_tail)
            && let Some(last) = this.frames.last_mut()
        {
            let file = vfs.open(path, OpenMode::Read).map_err(io)?;
            let reason = match reader.read(&*file, path, last) {
                Ok(_) => {
                    last.verified = true;
                    break;
                }
                Err(Error::Incompatible { .. }) => break,
                // What was written is there: never a write that was cut short.
                Err(Error::Corrupt { .. }) if has_good_checksum(&*file, last).map_err(io)? => break,
                Err(Error::Corrupt { reason, .. }) => reason,
                Err(other) => return Err(other),
            };
            let from = last.offset;
            this.frames.pop();
            // Damage behind it is found again, from where it is now.
            this.damaged.retain(|d| d.to <= from);
            let next = this.damage_at(&*file, from, reason).map_err(io)?;
            this.walk(&*file, next, partition).map_err(io)?;
        }
        this.mended = this.damaged.clone();
        if let Some(page) = page.filter(|_| !this.damaged.is_empty()) {
            let file = vfs.open(path, OpenMode::Read).map_err(io)?;
            if this.ends_in_frame_of(&*file, page)? {
                this.mended.pop();
            }
        }
        this.repair(vfs)?;
        this.appendable = true;
        Ok(this)
    }

    /// Follows the headers from `at` to the end of the file.
    fn walk(&mut self, file: &dyn VfsFile, mut at: u64, partition: Partition) -> std::io::Result<()> {
        while at < self.len {
            match read_header(file, at, self.len)? {
                Ok(header) => {
                    let entry = FrameEntry { offset: at, header, verified: false };
                    let reason = OUTSIDE.to_owned();
                    if within(&header, partition) {
                        at = entry.end_offset();
                        self.frames.push(entry);
                    } else if has_good_checksum(file, &entry)? {
                        let to = entry.end_offset();
                        // The checksum is not of the header: a wrong one is damage like any other, but that nothing is to be cut off.
                        let reason = match FrameReader::default().read(file, &self.path, &entry) {
                            Err(Error::Corrupt { reason, .. }) => reason,
                            _ => reason,
                        };
                        self.damaged.push(DamagedBytes { from: at, to, reason, torn_tail: false, whole: true });
                        at = to;
                    } else {
                        at = self.damage_at(file, at, reason)?;
                    }
                }
                Err(reason) => at = self.damage_at(file, at, reason)?,
            }
        }
        Ok(())
    }

    /// Notes damage at `at` and returns where the next whole frame starts.
    ///
    /// Where the chain of headers breaks, the length in an earlier header may be what is wrong, and that frame may
    /// have swallowed whole ones behind it. So frames whose checksum does not agree are taken back first.
    fn damage_at(&mut self, file: &dyn VfsFile, mut at: u64, mut reason: String) -> std::io::Result<u64> {
        while let Some(last) = self.frames.last().copied().filter(|f| f.end_offset() == at) {
            if has_good_checksum(file, &last)? {
                break;
            }
            self.frames.pop();
            at = last.offset;
            reason = "checksum of the page does not match".to_owned();
        }
        let next = next_whole_frame(file, at, self.len)?;
        let to = next.unwrap_or(self.len);
        self.damaged.push(DamagedBytes { from: at, to, reason, torn_tail: next.is_none(), whole: false });
        Ok(to)
    }

    /// Whether the file ends inside a frame that `page` becomes, or its first rows if they are too many for one.
    pub(crate) fn ends_in_frame_of(&self, file: &dyn VfsFile, page: &OpenPage) -> Result<bool> {
        let Some(torn) = self.damaged.last().filter(|damage| damage.torn_tail) else { return Ok(false) };
        let mut sorted = SortedRows::default();
        let rows = sorted.sort(page.rows(), 0..page.len().min(MAX_ROWS));
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else { return Ok(false) };
        let count = u16::try_from(rows.timestamps.len()).unwrap_or(u16::MAX);
        let expected = frame::fixed_header(*start, *end, count);
        let mut found = [0; FIXED_HEADER_LEN];
        let len = file.read_at(&mut found, torn.from).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(len > 0 && found.get(..len) == expected.get(..len))
    }

    /// Gives the last frame the header that belongs to it when it is whole but for that, and has the first rows of `page`, which are
    /// still in the WAL: a power cut in the middle of its write can leave a part of the header that did not reach the device.
    pub(crate) fn mend_last_header(
        &mut self,
        vfs: &dyn Vfs,
        page: &OpenPage,
        type_of: &dyn Fn(MetricId) -> ValueType,
    ) -> Result<()> {
        let io = |e| Error::io("repair", &self.path, e);
        let outside = self.damaged.last().filter(|damage| damage.whole && damage.to == self.len).map(|d| d.from);
        let (offset, header) = match (outside, self.frames.last().filter(|last| !last.verified)) {
            (Some(offset), _) => {
                let file = vfs.open(&self.path, OpenMode::Read).map_err(io)?;
                let Ok(header) = read_header(&*file, offset, self.len).map_err(io)? else { return Ok(()) };
                (offset, header)
            }
            (None, Some(last)) => (last.offset, last.header),
            (None, None) => return Ok(()),
        };
        let count = usize::from(header.rows);
        if page.len() < count {
            return Ok(());
        }
        let file = vfs.open(&self.path, OpenMode::Write).map_err(io)?;
        let mut reader = FrameReader::default();
        // As if verified: the header is what may be wrong.
        let decoded = match reader.read(&*file, &self.path, &FrameEntry { offset, header, verified: true }) {
            Ok(decoded) => decoded,
            Err(Error::Corrupt { .. } | Error::Incompatible { .. }) => return Ok(()),
            Err(other) => return Err(other),
        };
        let mut sorted = SortedRows::default();
        let rows = sorted.sort(page.rows(), 0..count);
        let (Some(start), Some(end)) = (rows.timestamps.first(), rows.timestamps.last()) else { return Ok(()) };
        let expected = |at: usize| Some((*rows.ids.get(at)?, *rows.timestamps.get(at)?, *rows.bits.get(at)?));
        if !(0..count).all(|at| decoded.row(at, type_of) == expected(at)) {
            return Ok(());
        }
        file.write_all_at(&frame::fixed_header(*start, *end, header.rows), offset).map_err(io)?;
        file.sync().map_err(io)?;
        tracing::warn!(file = %self.path.display(), offset, "the header of a frame that a power cut tore is whole again");
        if outside.is_some() {
            self.damaged.pop();
        } else {
            self.frames.pop();
        }
        let header = FrameHeader { start: *start, end: *end, ..header };
        self.frames.push(FrameEntry { offset, header, verified: true });
        Ok(())
    }

    /// Notes that the frame at the end is being written, so that it is no damage.
    pub(crate) fn set_unfinished(&mut self) {
        self.unfinished = self.damaged.pop();
    }

    fn repair(&mut self, vfs: &dyn Vfs) -> Result<()> {
        let io = |e| Error::io("repair", &self.path, e);
        for damage in &self.damaged {
            if damage.whole {
                tracing::warn!(
                    file = %self.path.display(), offset = damage.from, reason = damage.reason,
                    "a frame of a data file is kept and not read"
                );
                continue;
            }
            let file = vfs.open(&self.path, OpenMode::Write).map_err(io)?;
            let bytes = damage.to.saturating_sub(damage.from);
            super::keep_damaged_part(vfs, (&*file, &self.path), damage.from..damage.to)?;
            if damage.torn_tail {
                tracing::warn!(
                    file = %self.path.display(), offset = damage.from, bytes, reason = damage.reason,
                    "cut off a torn frame at the end of a data file"
                );
                file.set_len(damage.from).map_err(io)?;
                file.sync().map_err(io)?;
                self.len = damage.from;
            } else {
                tracing::error!(
                    file = %self.path.display(), offset = damage.from, bytes, reason = damage.reason,
                    "damaged bytes in a data file; the frames around them stay readable"
                );
            }
        }
        self.damaged.retain(|d| !d.torn_tail);
        Ok(())
    }
}

/// Reads and decodes frames with reused buffers.
#[derive(Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    page: DecodedPage,
}

impl FrameReader {
    /// Reads one frame and checks everything about it.
    pub fn read(&mut self, file: &dyn VfsFile, path: &Path, entry: &FrameEntry) -> Result<&DecodedPage> {
        let header_len = u64::from(entry.header.header_len);
        let body_at = entry.offset.saturating_add(header_len);
        self.buffer.resize((entry.header.payload_len as usize).saturating_add(CRC_LEN), 0);
        file.read_exact_at(&mut self.buffer, body_at).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => corrupt(path, entry.offset, "frame is cut short".into()),
            _ => Error::io("read", path, e),
        })?;
        let decode_error = |e: crate::format::DecodeError| match e.incompatible {
            true => Error::Incompatible { file: path.to_owned(), reason: e.reason },
            false => corrupt(path, entry.offset, e.reason),
        };
        let payload = frame::check_payload(&self.buffer).map_err(decode_error)?;
        self.page.decode(payload, entry.header.rows, registry()).map_err(decode_error)?;
        if !entry.verified {
            self.page.check_header(entry.header.start, entry.header.end).map_err(decode_error)?;
        }
        Ok(&self.page)
    }
}

fn has_good_checksum(file: &dyn VfsFile, entry: &FrameEntry) -> std::io::Result<bool> {
    let mut payload = vec![0; (entry.header.payload_len as usize).saturating_add(CRC_LEN)];
    file.read_exact_at(&mut payload, entry.offset.saturating_add(u64::from(entry.header.header_len)))?;
    Ok(frame::check_payload(&payload).is_ok())
}

fn corrupt(path: &Path, offset: u64, reason: String) -> Error {
    Error::Corrupt { file: path.to_owned(), offset, reason }
}

/// Reads the header at `at`; the inner error says why there is no whole frame.
fn read_header(
    file: &dyn VfsFile,
    at: u64,
    file_len: u64,
) -> std::io::Result<std::result::Result<FrameHeader, String>> {
    let mut bytes = [0; MAX_HEADER_LEN];
    let available = usize::try_from(file_len.saturating_sub(at)).unwrap_or(usize::MAX).min(MAX_HEADER_LEN);
    let bytes = bytes.get_mut(..available).unwrap_or_default();
    file.read_exact_at(bytes, at)?;
    Ok(match FrameHeader::decode(bytes) {
        Ok(Some(header)) if at.saturating_add(header.frame_len()) <= file_len => Ok(header),
        Ok(_) => Err("frame is cut short".into()),
        Err(e) => Err(e.reason),
    })
}

fn within(header: &FrameHeader, partition: Partition) -> bool {
    partition.contains(header.start) && partition.contains(header.end)
}

/// Behind damage: the next offset at which a frame starts whose checksum agrees.
fn next_whole_frame(file: &dyn VfsFile, from: u64, file_len: u64) -> std::io::Result<Option<u64>> {
    const WINDOW: usize = 1 << 16;
    const HEAD: usize = MAX_HEADER_LEN + Envelope::MAX_LEN;
    let mut window = vec![0; WINDOW];
    let mut payload = Vec::new();
    let mut base = from.saturating_add(1);
    while base < file_len {
        let left = file_len.saturating_sub(base);
        let available = usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW);
        let window = window.get_mut(..available).unwrap_or_default();
        file.read_exact_at(window, base)?;
        // A head that runs over the window's end comes with the next window.
        let count = if available as u64 == left { available } else { available.saturating_sub(HEAD - 1) };
        for i in 0..count {
            let at = base.saturating_add(i as u64);
            let bytes = window.get(i..).unwrap_or_default();
            let Ok(Some(candidate)) = FrameHeader::decode(bytes) else { continue };
            if at.saturating_add(candidate.frame_len()) > file_len {
                continue;
            }
            // Many bytes look like a header, in a partition without ends nearly half of all. Few of them look like a
            // page: only what does is read as one.
            let beginning = bytes.get(usize::from(candidate.header_len)..).unwrap_or_default();
            let beginning = beginning.get(..candidate.payload_len as usize).unwrap_or(beginning);
            if !Envelope::may_begin(beginning, candidate.rows) {
                continue;
            }
            payload.resize((candidate.payload_len as usize).saturating_add(CRC_LEN), 0);
            file.read_exact_at(&mut payload, at.saturating_add(u64::from(candidate.header_len)))?;
            if frame::check_payload(&payload).is_ok() {
                return Ok(Some(at));
            }
        }
        base = base.saturating_add(count as u64);
    }
    Ok(None)
}
