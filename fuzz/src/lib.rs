//! Fuzz targets: each takes any bytes, and panics when a law of what reads them is broken.
//!
//! `scripts/fuzz TARGET` runs one with libFuzzer; the tests run all of them on golden files and on damaged copies of these.

#![deny(unsafe_code)]

use nanotdb_codecs as _;
use nanotdb_core::Error;
use nanotdb_core::format::frame::{self, FrameHeader};
use nanotdb_core::format::page::DecodedPage;
use nanotdb_core::format::{catalog as catalog_format, wal as wal_format};
use nanotdb_core::model::{Number, Timestamp, ValueType};
use nanotdb_core::plugin::{IngestFormat, IngestOptions, SampleSink, registry::registry};
use nanotdb_core::storage::metric_cache::MetricCache;
use nanotdb_core::storage::metric_file::{BlockReader, MetricFile};
use nanotdb_core::storage::vfs::sim::SimVfs;
use nanotdb_ingest as _;
use nanotdb_partitioners as _;
use std::path::Path;

/// A log: batches come in order from within the file, and nothing of one is given that is not whole.
pub fn wal(bytes: &[u8]) {
    let mut records = 0u64;
    let summary = wal_format::decode(bytes, &|id| ValueType::from_code((id % 5) as u8), &mut |_| records += 1);
    assert!(summary.whole_len <= bytes.len() as u64, "more is whole than there is: {summary:?}");
    for range in summary.lost() {
        assert!(
            range.from <= range.to && range.to <= bytes.len() as u64,
            "a damaged range outside of the file: {range:?}"
        );
    }
    assert_eq!(summary.records, records, "as many records as were given");
}

/// Frames of a raw file, one after another: a page has as many rows as its header says.
pub fn frame(bytes: &[u8]) {
    let mut rest = bytes;
    let mut page = DecodedPage::default();
    while let Ok(Some(header)) = FrameHeader::decode(rest) {
        let len = usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        let Some(body) = rest.get(usize::from(header.header_len)..len) else { return };
        assert!(u64::from(header.payload_len) <= frame::max_payload_len(header.rows));
        // The payload is looked at whatever its checksum says, or no fuzzer comes past it.
        let payload = body.get(..header.payload_len as usize).unwrap_or_default();
        let _ = frame::check_payload(body);
        if page.decode(payload, header.rows, registry()).is_ok() {
            assert_eq!(page.rows(), usize::from(header.rows));
            let _ = page.check_header(header.start, header.end);
            for at in 0..page.rows() {
                assert!(page.row(at, |_| ValueType::Int64).is_some(), "row {at}");
            }
        }
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// A metric file: every block has the rows that the directory says, in time order.
pub fn metric_file(bytes: &[u8]) {
    let vfs = SimVfs::new(1);
    let path = Path::new("/metric-2026-05-01.dat");
    if vfs.put(path, bytes).is_err() {
        return;
    }
    let cache = MetricCache::new(1 << 20);
    let file = match MetricFile::open(&vfs, path, &cache) {
        Ok(file) => file,
        Err(error) => {
            let is_about_bytes = matches!(error, Error::Corrupt { .. } | Error::Incompatible { .. });
            assert!(is_about_bytes, "bytes are corrupt or of a later version, not: {error}");
            return;
        }
    };
    let mut reader = BlockReader::default();
    let mut rows = 0;
    for series in &file.layout().series {
        for block in &series.blocks {
            let _ = file.parts(&cache, series, block);
            rows += u64::from(block.count);
            let Ok(read) = file.block(&cache, series, block, &mut reader) else { continue };
            assert_eq!(read.timestamps.len() as u64, u64::from(block.count), "metric {}", series.id);
            assert!(read.timestamps.is_sorted(), "metric {}", series.id);
        }
    }
    assert_eq!(file.rows(), rows);
    let _ = file.codecs();
}

/// A catalog: what can be read is written and read again.
pub fn catalog(bytes: &[u8]) {
    let Ok(entries) = catalog_format::decode(bytes) else { return };
    let again = catalog_format::encode_marked(entries.iter().map(|e| (e.name.as_str(), e.id, e.value_type, e.typed)));
    assert_eq!(catalog_format::decode(&again).ok().map(|e| e.len()), Some(entries.len()));
}

/// Text of a format, or of each: how it is cut never changes what is found.
pub fn ingest(bytes: &[u8], only: Option<&str>) {
    let Some((cut, text)) = bytes.split_first() else { return };
    let at = text.len() * usize::from(*cut) / 256;
    for format in registry().ingest_formats().iter().filter(|format| only.is_none_or(|name| format.name() == name)) {
        let whole = Found::of(*format, &[text]);
        let (first, second) = text.split_at(at);
        assert_eq!(whole, Found::of(*format, &[first, second]), "{} cut at {at}", format.name());
    }
}

/// What a parser found: line, and what was there.
#[derive(Debug, PartialEq)]
struct Found {
    lines: Vec<(u64, String)>,
    ended: bool,
}

impl Found {
    fn of(format: &dyn IngestFormat, pieces: &[&[u8]]) -> Self {
        let options = IngestOptions { database: Some("fuzz".to_owned()), ..IngestOptions::default() };
        let mut parser = format.parser(&options);
        let mut found = Self { lines: Vec::new(), ended: false };
        let mut waiting = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            waiting.extend_from_slice(piece);
            let end = at + 1 == pieces.len();
            match parser.parse(&waiting, end, &mut found) {
                Ok(used) => {
                    assert!(used <= waiting.len() && (!end || used == waiting.len()), "{used} of {}", waiting.len());
                    waiting.drain(..used);
                }
                Err(_) => {
                    found.ended = true;
                    break;
                }
            }
        }
        found
    }
}

impl SampleSink for Found {
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        self.lines.push((line, format!("{database:?} {metric:?} {value:?} {timestamp:?}")));
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.lines.push((line, reason));
    }

    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType) {
        self.lines.push((line, format!("{database:?} {metric:?} {value_type:?}")));
    }
}
