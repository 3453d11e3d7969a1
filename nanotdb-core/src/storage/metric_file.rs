//! Metric files (`metric-<part>.dat`) as they are read: directory, time vectors and blocks, with a bounded cache.

use super::metric_cache::{Cached, MetricCache, Opened};
use super::vfs::{OpenMode, Vfs, VfsFile};
use crate::format::DecodeError;
use crate::format::metric::salvage::{Salvage, salvage};
use crate::format::metric::{
    Block, Extent, FOOTER_LEN, FileIdentity, HEADER_LEN, Layout, MAX_SOURCES_LEN, Part, Rows, Series, Tail,
    check_block_header, check_times_header, decode_block, decode_sources, decode_times, v3,
};
use crate::layout;
use crate::model::Timestamp;
use crate::plugin::registry::registry;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest directory that is read: 65,535 metrics with thousands of blocks each stay below.
const MAX_DIRECTORY: u64 = 1 << 30;
/// Bytes of a frame header of v1 and v2.
const FRAME_HEADER_LEN: usize = 48;

/// What tells a metric file from another, or from its own predecessor: header, length, and checksum of the directory.
pub type Identity = FileIdentity;

/// An open metric file. Its handle stays valid when the file is replaced or removed meanwhile.
pub struct MetricFile {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    identity: Identity,
    opened: Opened,
}

/// Reused memory for reading blocks.
#[derive(Debug)]
pub struct BlockReader {
    bytes: Vec<u8>,
    rows: Rows,
}

impl Default for BlockReader {
    fn default() -> Self {
        Self { bytes: Vec::new(), rows: Rows::new(crate::model::ValueType::Int32) }
    }
}

impl MetricFile {
    /// Opens and validates a file. [`Error::Io`] of kind `NotFound` when there is none, [`Error::Corrupt`] or
    /// [`Error::Incompatible`] when its directory cannot be used.
    pub fn open(vfs: &dyn Vfs, path: &Path, cache: &MetricCache) -> Result<Self> {
        let file = vfs.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
        let mut header = [0; HEADER_LEN];
        let read = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => corrupt(path, 0, &DecodeError::new(0, "the file is cut short")),
            _ => Error::io("read", path, e),
        };
        file.read_exact_at(&mut header, 0).map_err(read)?;
        let file_len = file.len().map_err(read)?;
        // A file that was built anew has another header: its checksum covers counts, times and offsets.
        let opened = match cache.opened(path, &header, file_len) {
            Some(opened) => opened,
            None => {
                let read = read_layout(vfs, &*file, path, &header, file_len)?;
                cache.put_opened(path, &header, file_len, read)
            }
        };
        Ok(Self { path: path.to_owned(), file, identity: (header, file_len, opened.crc), opened })
    }

    /// Opens a file whose directory cannot be used, with what whole frames are found in it.
    pub(crate) fn salvage(vfs: &dyn Vfs, path: &Path, cache: &MetricCache) -> Result<(Self, Salvage)> {
        let file = vfs.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
        let io = |e| Error::io("read", path, e);
        let len = file.len().map_err(io)?;
        let found = salvage(&mut |bytes, at| file.read_exact_at(bytes, at), len, registry()).map_err(io)?;
        let header = [0; HEADER_LEN];
        let opened = cache.put_opened(path, &header, len, (found.layout.clone(), 0));
        Ok((Self { path: path.to_owned(), file, identity: (header, len, 0), opened }, found))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells it from another file.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Number of samples in it.
    pub fn rows(&self) -> u64 {
        self.layout().series.iter().flat_map(|s| &s.blocks).map(|b| u64::from(b.count)).sum()
    }

    /// What it holds.
    pub fn layout(&self) -> &Layout {
        &self.opened.layout
    }

    /// One metric's blocks; `None` when it has no samples here.
    pub fn series(&self, id: crate::model::MetricId) -> Option<&Series> {
        let series = &self.opened.layout.series;
        let at = series.binary_search_by_key(&id, |s| s.id).ok()?;
        series.get(at)
    }

    /// A shared time vector.
    pub fn times(&self, cache: &MetricCache, at: u32) -> Result<Arc<Vec<Timestamp>>> {
        let key = (self.opened.instance, Cached::times_key(at));
        if let Some(Cached::Times(times)) = cache.get(key) {
            return Ok(times);
        }
        let layout = self.layout();
        let Some(time) = layout.times.get(at as usize) else {
            return Err(corrupt(&self.path, 0, &DecodeError::new(0, "a block names a time vector that is not there")));
        };
        let mut bytes = Vec::new();
        self.read(time.extent, &mut bytes)?;
        let mut times = Vec::new();
        decode_times(layout.version, &bytes, at, time, registry(), &mut times)
            .map_err(|e| corrupt(&self.path, time.extent.offset, &e))?;
        let times = Arc::new(times);
        cache.put(key, Cached::Times(Arc::clone(&times)));
        Ok(times)
    }

    /// Reads and checks one block. The values have the type they were written in.
    pub fn block<'r>(
        &self,
        cache: &MetricCache,
        series: &Series,
        block: &Block,
        reader: &'r mut BlockReader,
    ) -> Result<&'r Rows> {
        let times = block.time.map(|at| self.times(cache, at)).transpose()?;
        self.read(block.extent, &mut reader.bytes)?;
        let times = times.as_ref().map(|t| t.as_slice());
        decode_block(self.layout().version, &reader.bytes, series, block, times, registry(), &mut reader.rows)
            .map_err(|e| corrupt(&self.path, block.extent.offset, &e))?;
        Ok(&reader.rows)
    }

    /// Statistics of the parts of a block; none in versions and for blocks that have none.
    pub fn parts(&self, cache: &MetricCache, series: &Series, block: &Block) -> Result<Vec<Part>> {
        let Some(reference) = block.parts else { return Ok(Vec::new()) };
        let damaged = |e: DecodeError| corrupt(&self.path, reference.chunk.offset, &e);
        let key = (self.opened.instance, Cached::chunk_key(reference.chunk.offset));
        let chunk = match cache.get(key) {
            Some(Cached::Chunk(chunk)) => chunk,
            _ => {
                let mut bytes = Vec::new();
                self.read(reference.chunk, &mut bytes)?;
                let chunk = Arc::new(v3::Chunk::decode(&bytes, registry()).map_err(damaged)?);
                cache.put(key, Cached::Chunk(Arc::clone(&chunk)));
                chunk
            }
        };
        let time = block.time.and_then(|at| self.layout().times.get(at as usize));
        let Some(time) = time else { return Ok(Vec::new()) };
        chunk.parts(series.value_type, block, time).map_err(damaged)
    }

    /// Ids of the codecs of its time vectors and blocks.
    pub fn codecs(&self) -> Result<BTreeSet<u16>> {
        let layout = self.layout();
        let blocks = layout.series.iter().flat_map(|s| &s.blocks).map(|b| b.extent);
        layout.times.iter().map(|t| t.extent).chain(blocks).map(|extent| self.codec_at(extent)).collect()
    }

    /// Id of the codec of one time vector or block.
    pub fn codec_at(&self, extent: Extent) -> Result<u16> {
        // At this offset in the frames of every version.
        const CODEC_AT: u64 = 6;
        let mut id = [0; 2];
        let at = extent.offset.saturating_add(CODEC_AT);
        self.file.read_exact_at(&mut id, at).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(u16::from_le_bytes(id))
    }

    fn read(&self, extent: Extent, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        bytes.resize(extent.len as usize, 0);
        self.file.read_exact_at(bytes, extent.offset).map_err(|e| Error::io("read", &self.path, e))
    }
}

/// Where it is written what a metric file of version 1 or 2 was built from.
pub(crate) fn sources_path(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let part = name.strip_prefix(layout::METRIC).and_then(|name| name.strip_suffix(".dat")).unwrap_or(name);
    path.with_file_name(format!("built-{part}.sources"))
}

fn read_layout(
    vfs: &dyn Vfs,
    file: &dyn VfsFile,
    path: &Path,
    header: &[u8; HEADER_LEN],
    file_len: u64,
) -> Result<(Layout, u32)> {
    let footer_at = file_len.saturating_sub(FOOTER_LEN as u64);
    let mut footer = [0; FOOTER_LEN];
    let io = |e| Error::io("read", path, e);
    if file_len < (HEADER_LEN + FOOTER_LEN) as u64 {
        return Err(corrupt(path, file_len, &DecodeError::new(0, "the file is cut short")));
    }
    file.read_exact_at(&mut footer, footer_at).map_err(io)?;
    let tail = Tail::decode(header, &footer, file_len).map_err(|e| corrupt(path, 0, &e))?;
    let len = file_len.saturating_sub(tail.directory_at);
    if len > MAX_DIRECTORY {
        return Err(corrupt(path, tail.directory_at, &DecodeError::new(0, "the directory is larger than any can be")));
    }
    let mut directory = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut directory, tail.directory_at).map_err(io)?;
    let mut layout =
        Layout::decode(header, &directory, &tail, file_len).map_err(|e| corrupt(path, tail.directory_at, &e))?;
    let crc = crc32fast::hash(&directory);
    if layout.version < 3 {
        check_frame_headers(file, path, &layout)?;
        // Missing or damaged, it is done without.
        let record = vfs.read(&sources_path(path), MAX_SOURCES_LEN);
        layout.sources =
            record.ok().and_then(|bytes| decode_sources(&bytes, &(*header, file_len, crc)).ok()).unwrap_or_default();
    }
    Ok((layout, crc))
}

/// The directories of v1 and v2 have no checksum of their own, but each entry is repeated in the header of its frame.
fn check_frame_headers(file: &dyn VfsFile, path: &Path, layout: &Layout) -> Result<()> {
    let mut header = [0; FRAME_HEADER_LEN];
    let mut check = |extent: Extent, check: &dyn Fn(&[u8]) -> std::result::Result<(), DecodeError>| {
        file.read_exact_at(&mut header, extent.offset).map_err(|e| Error::io("read", path, e))?;
        check(&header).map_err(|e| corrupt(path, extent.offset, &e))
    };
    for time in &layout.times {
        check(time.extent, &|header| check_times_header(layout.version, header, time))?;
    }
    for series in &layout.series {
        for block in &series.blocks {
            check(block.extent, &|header| check_block_header(layout.version, header, series, block))?;
        }
    }
    Ok(())
}

fn corrupt(path: &Path, base: u64, error: &DecodeError) -> Error {
    if error.incompatible {
        return Error::Incompatible { file: path.to_owned(), reason: error.reason.clone() };
    }
    Error::Corrupt { file: path.to_owned(), offset: base.saturating_add(error.offset), reason: error.reason.clone() }
}
