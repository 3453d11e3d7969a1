//! What files hold, read from their bytes, beside a running server and without writing.

use crate::database::{Logs, owner_of};
use crate::format::page::Envelope;
use crate::format::{catalog, wal};
use crate::layout;
use crate::model::{MetricId, Timestamp, ValueType};
use crate::plugin::Partition;
use crate::plugin::registry::registry;
use crate::storage::RawFile;
use crate::storage::raw_file::{DamagedBytes, FrameReader};
use crate::storage::vfs::{OpenMode, Vfs};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// One frame of a raw file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameReport {
    /// Offset of its header.
    pub offset: u64,
    /// First timestamp, by the header.
    pub start: Timestamp,
    /// Last timestamp, by the header.
    pub end: Timestamp,
    /// Rows, by the header.
    pub rows: u16,
    /// Bytes of the payload on disk.
    pub payload_len: u32,
    /// Bytes after decoding.
    pub decoded_len: u64,
    /// Codec name, or `codec <id>` when it is not here.
    pub codec: String,
    /// Distinct metrics in it; 0 when it cannot be decoded.
    pub metrics: u64,
    /// Largest metric id in it.
    pub max_id: MetricId,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A raw file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFileReport {
    /// Path.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// Its partition, when a partitioner knows the name.
    pub partition: Option<Partition>,
    /// Frames, by offset.
    pub frames: Vec<FrameReport>,
    /// Bytes that are no frame.
    pub damaged: Vec<DamagedBytes>,
}

/// A WAL.
#[derive(Debug, Clone, PartialEq)]
pub struct WalReport {
    /// Path.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// What was found.
    pub summary: wal::WalSummary,
    /// Records of whole batches, in order.
    pub records: Vec<WalRecordReport>,
}

/// One WAL record.
#[derive(Debug, Clone, PartialEq)]
pub struct WalRecordReport {
    /// Offset of its length prefix.
    pub offset: u64,
    /// Bytes, length prefix included.
    pub len: u32,
    /// Metric.
    pub id: MetricId,
    /// Its name, from the catalog or an earlier record.
    pub name: Option<String>,
    /// When.
    pub timestamp: Timestamp,
    /// Value type as written.
    pub value_type: ValueType,
    /// Row bits.
    pub bits: u64,
    /// It sets a new baseline.
    pub new_baseline: bool,
    /// It carries name and type.
    pub new_metric: bool,
    /// It ends a checksummed batch.
    pub checksummed: bool,
}

/// Raw files of a database, by name.
pub fn data_files(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = vfs.read_dir(directory).map_err(|e| Error::io("list", directory, e))?;
    let is_raw =
        |name: &str| (name.starts_with(layout::DATA) || name.starts_with(layout::RAW)) && name.ends_with(".dat");
    Ok(entries.into_iter().filter(|e| !e.is_dir && is_raw(&e.name)).map(|e| directory.join(e.name)).collect())
}

/// The catalog of a database; empty when there is none.
pub fn read_catalog(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<catalog::CatalogEntry>> {
    const LIMIT: u64 = 64 << 20;
    let path = directory.join(layout::CATALOG);
    match vfs.read(&path, LIMIT) {
        Ok(bytes) => {
            catalog::decode(&bytes).map_err(|e| Error::Corrupt { file: path, offset: e.offset, reason: e.reason })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Reads and decodes every frame of a raw file.
pub fn data_file(vfs: &dyn Vfs, path: &Path) -> Result<DataFileReport> {
    let (owner, partition) = owner_of(vfs, path)?;
    let index = RawFile::index(vfs, path, partition)?;
    let partition = owner.map(|_| partition);
    let file = vfs.open(path, OpenMode::Read).map_err(|e| Error::io("open", path, e))?;
    let mut reader = FrameReader::default();
    let mut frames = Vec::with_capacity(index.frames.len());
    for entry in &index.frames {
        let header = entry.header;
        let mut prefix = vec![0; (header.payload_len as usize).min(16)];
        let body_at = entry.offset.saturating_add(u64::from(header.header_len));
        file.read_exact_at(&mut prefix, body_at).map_err(|e| Error::io("read", path, e))?;
        let envelope = Envelope::decode(&prefix, header.rows);
        let mut report = FrameReport {
            offset: entry.offset,
            start: header.start,
            end: header.end,
            rows: header.rows,
            payload_len: header.payload_len,
            decoded_len: envelope.as_ref().map_or(0, |e| e.decoded_len as u64),
            codec: match &envelope {
                Ok(e) => {
                    registry().codec_by_id(e.codec_id).map_or(format!("codec {}", e.codec_id), |c| c.name().into())
                }
                Err(_) => "?".into(),
            },
            metrics: 0,
            max_id: 0,
            problem: None,
        };
        match reader.read(&*file, path, entry) {
            Ok(page) => {
                let mut ids: Vec<MetricId> = page.ids().iter().map(|i| u16::from_le_bytes(*i)).collect();
                ids.sort_unstable();
                ids.dedup();
                report.metrics = ids.len() as u64;
                report.max_id = ids.last().copied().unwrap_or(0);
            }
            Err(Error::Corrupt { reason, .. } | Error::Incompatible { reason, .. }) => report.problem = Some(reason),
            Err(e) => return Err(e),
        }
        frames.push(report);
    }
    Ok(DataFileReport { path: path.to_owned(), len: index.len, partition, frames, damaged: index.damaged })
}

/// Reads the WALs of a database: one, and while pages are being flushed another, whose rows came after all of the first.
pub fn wal_files(vfs: &dyn Vfs, directory: &Path, catalog: &[catalog::CatalogEntry]) -> Result<Vec<WalReport>> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let Logs { wal, next, .. } = Logs::of(vfs, directory, &name)?;
    let first = wal_file(vfs, &wal, catalog)?;
    if vfs.entry(&next).map_err(|e| Error::io("look up", &next, e))?.is_none() {
        return Ok(vec![first]);
    }
    // The second knows the names of the first. A later record wins: a metric that is named again has widened.
    let mut known = catalog.to_vec();
    for record in first.records.iter().filter(|record| record.new_metric) {
        if let Some(name) = record.name.clone() {
            known.push(catalog::CatalogEntry { name, id: record.id, value_type: record.value_type, typed: false });
        }
    }
    let next = wal_file(vfs, &next, &known)?;
    Ok(vec![first, next])
}

/// Reads a WAL. `catalog` gives names and types of metrics that it does not announce itself.
pub fn wal_file(vfs: &dyn Vfs, path: &Path, catalog: &[catalog::CatalogEntry]) -> Result<WalReport> {
    const LIMIT: u64 = 8 << 30;
    let bytes = match vfs.read(path, LIMIT) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let mut names: std::collections::HashMap<MetricId, String> =
        catalog.iter().map(|e| (e.id, e.name.clone())).collect();
    let types: std::collections::HashMap<MetricId, ValueType> = catalog.iter().map(|e| (e.id, e.value_type)).collect();
    let mut records = Vec::new();
    let summary = wal::decode(&bytes, &|id| types.get(&id).copied(), &mut |record| {
        if let Some(name) = record.announces {
            names.insert(record.id, name.to_owned());
        }
        records.push(WalRecordReport {
            offset: record.offset,
            len: record.len,
            id: record.id,
            name: names.get(&record.id).cloned(),
            timestamp: record.timestamp,
            value_type: record.value_type,
            bits: record.bits,
            new_baseline: record.baseline,
            new_metric: record.announces.is_some(),
            checksummed: record.checksummed,
        });
    });
    Ok(WalReport { path: path.to_owned(), len: bytes.len() as u64, summary, records })
}
