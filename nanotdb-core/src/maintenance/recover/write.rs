//! Rows in time order as the data files of a new database.

use crate::format::{frame, page};
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::{Codec, Partition, Partitioner, part_name};
use crate::storage::vfs::{OpenMode, Vfs, VfsFile};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Time, metric and row bits.
pub(super) type Row = (Timestamp, MetricId, u64);

/// Writes one partition after the other, each from front to end.
pub(super) struct DataWriter<'a> {
    pub(super) vfs: &'a dyn Vfs,
    pub(super) directory: &'a Path,
    pub(super) partitioner: &'static dyn Partitioner,
    pub(super) codec: &'static dyn Codec,
    pub(super) types: &'a BTreeMap<MetricId, ValueType>,
    pub(super) page_rows: usize,
    pub(super) written: Written,
    pub(super) open: Option<OpenFile>,
    pub(super) buffers: Buffers,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) partitions: u64,
}

/// The partition that rows come for now.
pub(super) struct OpenFile {
    partition: Partition,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    len: u64,
}

/// The rows of the next page, and memory for encoding it.
#[derive(Default)]
pub(super) struct Buffers {
    ids: Vec<MetricId>,
    timestamps: Vec<Timestamp>,
    bits: Vec<u64>,
    columns: Vec<u8>,
    payload: Vec<u8>,
    frame: Vec<u8>,
}

impl DataWriter<'_> {
    /// Adds a row. None is older than the one before it.
    pub(super) fn push(&mut self, (timestamp, id, bits): Row) -> Result<()> {
        if self.open.as_ref().is_none_or(|open| !open.partition.contains(timestamp)) {
            self.close()?;
            let partition = self.partitioner.partition_of(timestamp);
            let path = self.directory.join(format!("data-{}.dat", part_name(self.partitioner, partition)));
            let file = self.vfs.open(&path, OpenMode::CreateNew).map_err(|e| Error::io("create", &path, e))?;
            self.open = Some(OpenFile { partition, path, file, len: 0 });
            self.written.partitions = self.written.partitions.saturating_add(1);
        }
        self.buffers.ids.push(id);
        self.buffers.timestamps.push(timestamp);
        self.buffers.bits.push(bits);
        if self.buffers.ids.len() >= self.page_rows { self.page() } else { Ok(()) }
    }

    fn page(&mut self) -> Result<()> {
        let Buffers { ids, timestamps, bits, columns, payload, frame } = &mut self.buffers;
        let (Some(open), Some(start), Some(end)) = (&mut self.open, timestamps.first(), timestamps.last()) else {
            return Ok(());
        };
        let refused = |reason: String| Error::bad_input(format!("{}: {reason}", open.path.display()));
        let count = u16::try_from(ids.len()).map_err(|_| refused(format!("a page of {} rows", ids.len())))?;
        let wide = ids.iter().any(|id| self.types.get(id).is_some_and(|t| t.is_wide()));
        let rows = page::Rows { ids, timestamps, bits };
        payload.clear();
        page::encode(rows, wide, self.codec, columns, payload).map_err(|e| refused(e.reason))?;
        frame.clear();
        frame::encode(*start, *end, count, payload, frame);
        open.file.write_all_at(frame, open.len).map_err(|e| Error::io("write", &open.path, e))?;
        open.len = open.len.saturating_add(frame.len() as u64);
        self.written.rows = self.written.rows.saturating_add(u64::from(count));
        self.written.bytes = self.written.bytes.saturating_add(frame.len() as u64);
        ids.clear();
        timestamps.clear();
        bits.clear();
        Ok(())
    }

    /// Ends the last page and makes its file durable, but for its name.
    pub(super) fn close(&mut self) -> Result<()> {
        self.page()?;
        match self.open.take() {
            Some(open) => open.file.sync().map_err(|e| Error::io("fsync", open.path, e)),
            None => Ok(()),
        }
    }
}
