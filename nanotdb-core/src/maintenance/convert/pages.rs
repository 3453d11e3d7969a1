//! Raw pages of one partition, written anew.

use super::narrow::{Types, convert_bits};
use crate::database::{Database, OpenPartition, RawKind};
use crate::format::{frame, page};
use crate::model::{MetricId, Timestamp, Value, ValueType, counted};
use crate::plugin::Codec;
use crate::query::scan::{ScanReport, ScanSink, ScanSlice, scan_open};
use crate::storage::raw_file::FrameReader;
use crate::storage::vfs::{OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Bytes that are written at once.
const WRITE_CHUNK: usize = 1 << 20;

/// Writes pages of one database.
pub(super) struct PageWriter<'a> {
    pub(super) vfs: &'a dyn Vfs,
    pub(super) codec: &'static dyn Codec,
    pub(super) types: &'a Types,
    /// Most rows of a page that is not there already.
    pub(super) page_rows: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl PageWriter<'_> {
    /// Page for page what the raw files hold, and then what is in the write-ahead log alone. `path` gives the new files
    /// their names.
    pub(super) fn copy(
        &self,
        open: &OpenPartition,
        ids: &[(MetricId, ValueType)],
        path: &dyn Fn(RawKind) -> PathBuf,
        warnings: &mut Vec<String>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let mut logged = self.logged(open, ids);
        for raw in &open.raw {
            let mut out = Out::new(self, path(raw.kind));
            for damage in &raw.index.damaged {
                warnings.push(format!(
                    "{}: {} bytes at byte {} are left out: {}",
                    raw.index.path.display(),
                    damage.to.saturating_sub(damage.from),
                    damage.from,
                    damage.reason
                ));
            }
            let mut reader = FrameReader::default();
            for entry in &raw.index.frames {
                match reader.read(&*raw.handle, &raw.index.path, entry) {
                    Ok(page) => {
                        let rows = (0..page.rows()).filter_map(|at| page.row(at, |id| self.types.source_type(id)));
                        out.page(&rows.collect::<Vec<_>>())?;
                    }
                    Err(e @ (Error::Corrupt { .. } | Error::Incompatible { .. })) => {
                        warnings.push(format!("{e}; left out: {}", counted(u64::from(entry.header.rows), "row")));
                    }
                    Err(e) => return Err(e),
                }
            }
            if raw.kind == RawKind::Data {
                out.pages(&std::mem::take(&mut logged))?;
            }
            written.add(out.finish()?);
        }
        let mut out = Out::new(self, path(RawKind::Data));
        out.pages(&logged)?;
        written.add(out.finish()?);
        Ok(written)
    }

    /// Every row of the partition, wherever it is, in pages of one metric each: for files that a metric file is built from
    /// and that go then.
    pub(super) fn rewrite(
        &self,
        database: &Database,
        open: &OpenPartition,
        ids: &[(MetricId, ValueType)],
        path: PathBuf,
        warnings: &mut Vec<String>,
    ) -> Result<Written> {
        let mut sink = Rewrite { out: Out::new(self, path), ids };
        let mut report = ScanReport::default();
        let range = (Timestamp::MIN, Timestamp::MAX);
        let _ = scan_open(database, ids, range, open, &mut report, &mut sink)?;
        warnings.extend(report.warnings);
        sink.out.finish()
    }

    /// Rows of the open page, in time order.
    fn logged(&self, open: &OpenPartition, ids: &[(MetricId, ValueType)]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for ((id, _), (timestamps, bits)) in ids.iter().zip(&open.snapshot.open) {
            rows.extend(timestamps.iter().zip(bits).map(|(timestamp, bits)| (*id, *timestamp, *bits)));
        }
        rows.sort_by_key(|(_, timestamp, _)| *timestamp);
        rows
    }
}

impl Written {
    fn add(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Id, timestamp and row bits in the type that the metric has in the source.
pub(super) type Row = (MetricId, Timestamp, u64);

struct Rewrite<'a, 'w> {
    out: Out<'a, 'w>,
    ids: &'a [(MetricId, ValueType)],
}

impl ScanSink for Rewrite<'_, '_> {
    fn slice(&mut self, slice: ScanSlice<'_>) -> Result<ControlFlow<()>> {
        let Some((id, _)) = self.ids.get(slice.metric) else { return Ok(ControlFlow::Continue(())) };
        let bits = (0..slice.len()).map(|at| slice.values.get(at).map_or(0, Value::to_bits));
        let rows: Vec<Row> = slice.timestamps.iter().zip(bits).map(|(at, bits)| (*id, *at, bits)).collect();
        self.out.pages(&rows)?;
        Ok(ControlFlow::Continue(()))
    }
}

/// A raw file that is written from front to end; made when there is something to write.
pub(super) struct Out<'a, 'w> {
    writer: &'a PageWriter<'w>,
    path: PathBuf,
    file: Option<Box<dyn VfsFile>>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    payload: Vec<u8>,
    written: Written,
}

impl<'a, 'w> Out<'a, 'w> {
    pub(super) fn new(writer: &'a PageWriter<'w>, path: PathBuf) -> Self {
        let (buffer, scratch, payload) = (Vec::new(), Vec::new(), Vec::new());
        Self { writer, path, file: None, buffer, scratch, payload, written: Written::default() }
    }

    pub(super) fn pages(&mut self, rows: &[Row]) -> Result<()> {
        rows.chunks(self.writer.page_rows).try_for_each(|rows| self.page(rows))
    }

    /// Writes one page of rows in time order; of metrics that are left out nothing.
    fn page(&mut self, rows: &[Row]) -> Result<()> {
        let (mut ids, mut timestamps, mut bits) = (Vec::new(), Vec::new(), Vec::new());
        let mut wide = false;
        for (id, timestamp, value) in rows {
            let Some((from, to)) = self.writer.types.types.get(id).copied() else { continue };
            let (id, from, value) = match self.writer.types.renamed.get(id) {
                Some((now_id, now)) => {
                    let from = (from, self.writer.types.typed.contains(id));
                    (now_id, *now, &Value::became_bits(from, *now, *value))
                }
                None => (id, from, value),
            };
            if to == ValueType::Int32 && i32::try_from(*value as i64).is_err() {
                // It was looked at before; a server that runs on the source may have written it since.
                let text = "the source changed while it was converted; try again";
                return Err(Error::Cancelled(format!(
                    "metric id {id} has a value beyond 32 bits at {timestamp}: {text}"
                )));
            }
            ids.push(*id);
            timestamps.push(*timestamp);
            bits.push(convert_bits(from, to, *value));
            wide |= to.is_wide();
        }
        let (Some(start), Some(end)) = (timestamps.first(), timestamps.last()) else { return Ok(()) };
        let count = u16::try_from(ids.len())
            .map_err(|_| Error::bad_input(format!("{}: a page of {} rows", self.path.display(), ids.len())))?;
        let rows = page::Rows { ids: &ids, timestamps: &timestamps, bits: &bits };
        self.payload.clear();
        page::encode(rows, wide, self.writer.codec, &mut self.scratch, &mut self.payload)
            .map_err(|e| Error::bad_input(format!("{}: {}", self.path.display(), e.reason)))?;
        frame::encode(*start, *end, count, &self.payload, &mut self.buffer);
        self.written.rows = self.written.rows.saturating_add(u64::from(count));
        if self.buffer.len() >= WRITE_CHUNK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let path: &Path = &self.path;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                none.insert(self.writer.vfs.open(path, OpenMode::CreateNew).map_err(|e| Error::io("create", path, e))?)
            }
        };
        file.write_all_at(&self.buffer, self.written.bytes).map_err(|e| Error::io("write", path, e))?;
        self.written.bytes = self.written.bytes.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Written> {
        self.write()?;
        if let Some(file) = &self.file {
            file.sync().map_err(|e| Error::io("fsync", &self.path, e))?;
        }
        Ok(self.written)
    }
}
