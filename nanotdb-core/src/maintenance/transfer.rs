//! Import and export of files, for programs that embed the engine.

use super::export::{self, ExportError, ExportReport, ExportRequest};
use super::import::{self, DEFAULT_FORMAT, ImportReport};
use crate::engine::Engine;
use crate::model::Timestamp;
use crate::plugin::IngestOptions;
use crate::plugin::registry::registry;
use crate::storage::vfs::{OpenMode, VfsFile};
use crate::{Error, Result};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes that are written at a time.
const WRITE_BUFFER: usize = 256 << 10;

impl Engine {
    /// Stores the samples of a file in the ingest format of that name; without a name, of line protocol. Samples
    /// of a format whose lines name no database go where the format says (Prometheus text to `prometheus`). The file is read as it is: decompress it first.
    ///
    /// A bad line never keeps the good ones out; the report counts both. After an error, samples before it are stored.
    pub fn import_file(&self, path: &Path, format: Option<&str>) -> Result<ImportReport> {
        let format = registry().ingest_format(format.unwrap_or(DEFAULT_FORMAT))?;
        let file = self.vfs().open(path, OpenMode::Read).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::NotFound(format!("no file {}", path.display())),
            _ => Error::io("open", path, e),
        })?;
        let options = IngestOptions {
            database: None,
            max_line_bytes: usize::try_from(self.config().limits.max_line_bytes).unwrap_or(usize::MAX),
            timestamp_unit: None,
            arrival: Some(self.clock().now()),
        };
        let mut report = ImportReport::default();
        let mut input = FileReader { file, at: 0 };
        import::import(self, format, &options, &mut input, &mut report, &mut |_| {})?;
        Ok(report)
    }

    /// Writes all samples of a database to a file as line protocol, in time order. A file of that name is replaced,
    /// and only by a whole export. Importing it into an empty root gives the same samples and types.
    pub fn export_file(&self, database: &str, path: &Path) -> Result<ExportReport> {
        let metrics = self.metrics(database)?;
        let request = ExportRequest { database, metrics: &metrics, from: Timestamp::MIN, to: Timestamp::MAX };
        let partial = partial_name(path)?;
        let written = self.write_export(request, &partial).and_then(|report| {
            self.vfs().rename(&partial, path).map_err(|e| Error::io("rename", path, e))?;
            let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            self.vfs().sync_dir(directory).map_err(|e| Error::io("fsync", directory, e))?;
            Ok(report)
        });
        if written.is_err() {
            let _ = self.vfs().remove_file(&partial);
        }
        written
    }

    fn write_export(&self, request: ExportRequest<'_>, path: &Path) -> Result<ExportReport> {
        let failed = |e| Error::io("write", path, e);
        let file = self.vfs().open(path, OpenMode::Truncate).map_err(|e| Error::io("create", path, e))?;
        let mut out = BufWriter::with_capacity(WRITE_BUFFER, FileWriter { file, at: 0 });
        let report = export::export(self, request, &mut out).map_err(|e| match e {
            ExportError::Engine(e) => e,
            ExportError::Output(e) => failed(e),
        })?;
        out.flush().and_then(|()| out.get_ref().file.sync()).map_err(failed)?;
        Ok(report)
    }
}

/// Beside the target, so that the rename stays within one file system.
fn partial_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::bad_input(format!("{} names no file", path.display())))?;
    let mut partial = name.to_os_string();
    partial.push(".partial");
    Ok(path.with_file_name(partial))
}

/// Reads a file from its beginning to its end.
struct FileReader {
    file: Box<dyn VfsFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

/// Writes a file from its beginning on.
struct FileWriter {
    file: Box<dyn VfsFile>,
    at: u64,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.at)?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
