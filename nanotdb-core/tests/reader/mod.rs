//! A second reader of raw pages, metric files, the write-ahead log and catalog.json. It panics at the first thing that is not as the
//! description of the formats says.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a module of a test")]

pub mod metric;
mod s2;

use std::collections::BTreeMap;

/// One row of a page or record of the log. `high` is there where values have 8 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub id: u16,
    pub timestamp: i64,
    pub low: u32,
    pub high: Option<u32>,
}

/// One raw page.
pub struct Frame {
    pub start: i64,
    pub end: i64,
    pub rows: Vec<Row>,
}

/// Takes numbers off the front of bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        assert!(self.0.len() >= count, "{count} bytes wanted, {} left", self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Little-endian, of `width` bytes.
    fn number(&mut self, width: usize) -> u64 {
        self.bytes(width).iter().rev().fold(0, |n, b| (n << 8) | u64::from(*b))
    }

    fn uvarint(&mut self) -> usize {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.number(1);
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return usize::try_from(value).unwrap();
            }
        }
    }
}

/// CRC-32/IEEE, bit by bit: reflected polynomial 0xEDB88320, all ones at the start and at the end.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// All frames of a data file.
pub fn frames(file: &[u8], types: &BTreeMap<u16, (String, u8)>) -> Vec<Frame> {
    let mut cursor = Cursor(file);
    let mut frames = Vec::new();
    while !cursor.0.is_empty() {
        let (start, end) = (cursor.number(8) as i64, cursor.number(8) as i64);
        let count = cursor.number(2) as usize;
        let length = cursor.uvarint();
        let payload = cursor.bytes(length);
        assert_eq!(cursor.number(4) as u32, crc32(payload), "checksum of a frame");
        let rows = page(payload, count);
        assert_eq!((rows[0].timestamp, rows[count - 1].timestamp), (start, end), "the header says what the rows are");
        assert!(rows.is_sorted_by_key(|row| row.timestamp));
        let wide = rows.iter().any(|row| types[&row.id].1 > 2);
        assert!(rows[0].high.is_none() || wide, "4-byte values where no metric is wider");
        frames.push(Frame { start, end, rows });
    }
    frames
}

/// Columns: ids, timestamps, values, and in a page of 8-byte values their high halves.
fn page(payload: &[u8], count: usize) -> Vec<Row> {
    let decoded = match payload[0] {
        0 => {
            let mut envelope = Cursor(payload);
            assert_eq!(envelope.number(2), 0x0100, "mark 0, version 1");
            assert_eq!(envelope.number(2), 1, "the default codec is s2");
            let length = envelope.uvarint();
            let decoded = s2::decode(envelope.0);
            assert_eq!(decoded.len(), length);
            decoded
        }
        _ => s2::decode(payload),
    };
    let wide = decoded.len() == count * 18;
    assert!(wide || decoded.len() == count * 14, "{} bytes for {count} rows", decoded.len());
    assert_eq!(wide, payload[0] == 0);
    let (ids, rest) = decoded.split_at(count * 2);
    let (timestamps, rest) = rest.split_at(count * 8);
    let (low, high) = rest.split_at(count * 4);
    let at = |column: &[u8], row: usize, width: usize| Cursor(&column[row * width..]).number(width);
    (0..count)
        .map(|row| Row {
            id: at(ids, row, 2) as u16,
            timestamp: at(timestamps, row, 8) as i64,
            low: at(low, row, 4) as u32,
            high: wide.then(|| at(high, row, 4) as u32),
        })
        .collect()
}

/// Ids with names and types; checks order and layout byte for byte.
pub fn catalog(file: &[u8]) -> BTreeMap<u16, (String, u8)> {
    let mut types = BTreeMap::new();
    if file.is_empty() {
        return types;
    }
    let document: serde_json::Value = serde_json::from_slice(file).unwrap();
    let mut layout = String::from("{\n  \"metrics\": [");
    let mut names = Vec::new();
    for (at, metric) in document["metrics"].as_array().into_iter().flatten().enumerate() {
        let (name, id) = (metric["name"].as_str().unwrap(), metric["id"].as_u64().unwrap());
        let code = metric["type"].as_u64().unwrap();
        let comma = if at == 0 { "" } else { "," };
        // The mark of a float32 of a program's is there or not, and never false.
        let typed = metric.get("typed").map_or("", |mark| {
            assert_eq!((mark.as_bool(), code), (Some(true), 2));
            ",\n      \"typed\": true"
        });
        layout.push_str(&format!(
            "{comma}\n    {{\n      \"name\": \"{name}\",\n      \"id\": {id},\n      \"type\": {code}{typed}\n    }}"
        ));
        names.push(name.to_owned());
        assert!(types.insert(id as u16, (name.to_owned(), code as u8)).is_none(), "id {id} is used twice");
    }
    if !names.is_empty() {
        layout.push_str("\n  ]\n}\n");
        assert_eq!(std::str::from_utf8(file).unwrap(), layout);
    }
    assert!(names.is_sorted());
    types
}

/// Records of a log of ours: every batch ends with its checksum, and nothing follows the last one. Adds the names.
pub fn wal(log: &[u8], types: &mut BTreeMap<u16, (String, u8)>) -> Vec<Row> {
    let (rows, unchecked) = records(log, types);
    assert_eq!(unchecked, 0, "bytes behind the last checksum");
    rows
}

/// Records of a log of the original, which has no checksums.
pub fn wal_of_the_original(log: &[u8], types: &mut BTreeMap<u16, (String, u8)>) -> Vec<Row> {
    let (rows, unchecked) = records(log, types);
    assert_eq!(unchecked, log.len());
    rows
}

/// Records, and how many bytes stand behind the last checksum.
fn records(log: &[u8], types: &mut BTreeMap<u16, (String, u8)>) -> (Vec<Row>, usize) {
    let mut cursor = Cursor(log);
    let (mut rows, mut baseline, mut batch) = (Vec::new(), None, 0);
    while !cursor.0.is_empty() {
        let length = cursor.uvarint();
        let mut record = Cursor(cursor.bytes(length));
        let id = record.number(2) as u16;
        let delta = record.number(3) as i64;
        let flags = record.number(1);
        assert_eq!(flags & 0x3f, 0, "flags that are not described");
        if flags & 0x80 != 0 {
            assert_eq!(delta, 0, "a baseline is the record's own timestamp");
            baseline = Some(record.number(8) as i64);
        }
        if flags & 0x40 != 0 {
            let length = record.number(1) as usize;
            let name = String::from_utf8(record.bytes(length).to_vec()).unwrap();
            let code = record.number(1) as u8;
            // A float32 of a program's has a code of its own.
            types.insert(id, (name, if code == 0x82 { 2 } else { code }));
        }
        let timestamp = baseline.expect("the first record has a baseline") + delta;
        let wide = types[&id].1 > 2;
        let low = record.number(4) as u32;
        let high = wide.then(|| record.number(4) as u32);
        rows.push(Row { id, timestamp, low, high });
        let end = log.len() - cursor.0.len();
        match record.0.len() {
            0 => {}
            4 => {
                assert_eq!(record.number(4) as u32, crc32(&log[batch..end - 4]), "checksum of the batch at {batch}");
                batch = end;
            }
            more => panic!("{more} bytes behind the value of a record"),
        }
    }
    (rows, log.len() - batch)
}

#[test]
fn the_checksum_is_the_one_of_the_catalogues() {
    // The check value of CRC-32/ISO-HDLC.
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
