//! A second reader of metric files of versions 1 and 2. Every byte of the file is accounted for.
#![allow(dead_code, reason = "not every test that has a reader reads metric files")]

use super::{Cursor, crc32, s2};
use std::collections::BTreeMap;

/// A metric file: time vectors by number (none in version 1) and metrics by id.
pub struct MetricFile {
    pub version: u64,
    pub partition_kind: u64,
    pub bounds: (i64, i64),
    pub times: BTreeMap<u64, Vec<i64>>,
    pub metrics: BTreeMap<u64, Metric>,
}

/// One metric: type code, and its frames.
pub struct Metric {
    pub code: u64,
    pub frames: Vec<MetricFrame>,
}

/// Rows of a frame: timestamps, and the bytes of the values.
pub struct MetricFrame {
    pub timestamps: Vec<i64>,
    pub values: Vec<u64>,
    /// Number of the time vector, and where the rows start in it; version 2.
    pub time: Option<(u64, u64)>,
}

/// Decompresses a payload: codec id, payload, decoded length. Codec 1 is read without it.
pub type Decompress<'a> = &'a dyn Fn(u64, &[u8], usize) -> Vec<u8>;

/// Reads a whole file; all its frames have to be of this codec.
pub fn metric_file(file: &[u8], codec: u64, decompress: Decompress<'_>) -> MetricFile {
    let mut header = Cursor(&file[..64]);
    assert_eq!(header.bytes(4), b"NTMF");
    let version = header.number(2);
    assert_eq!((header.number(2), header.number(4)), (64, 1), "header length, sealed");
    let partition_kind = header.number(1);
    assert_eq!(header.number(3), 0);
    let bounds = (header.number(8) as i64, header.number(8) as i64);
    assert_eq!(u32::from_le_bytes(file[60..64].try_into().unwrap()), crc32(&file[..60]), "checksum of the header");

    let (body, footer) = file.split_at(file.len() - 16);
    assert_eq!(&footer[..4], b"NTFT");
    assert_eq!(Cursor(&footer[4..]).number(4), version);
    assert_eq!(Cursor(&footer[12..]).number(4) as u32, crc32(&footer[..12]), "checksum of the footer");
    let entries_in_footer = Cursor(&footer[8..]).number(4);

    let mut parts = Parts { file: body, at: 64, codec, decompress };
    let (times, metrics) = match version {
        1 => {
            // The original writes the number of frames twice, and wants it so.
            let (metric_count, frame_count) = (header.number(4), header.number(4));
            assert_eq!(metric_count, frame_count);
            assert!(header.bytes(20).iter().all(|b| *b == 0));
            assert_eq!(entries_in_footer, frame_count);
            (BTreeMap::new(), parts.version_1(frame_count as usize))
        }
        2 => {
            let (times, frames) = (header.number(4) as usize, header.number(4) as usize);
            let index = (header.number(8) as usize, header.number(8) as usize);
            assert_eq!((header.number(4), entries_in_footer), (0, 0));
            assert_eq!((index.0 + times * 40, index.1 + frames * 44), (index.1, body.len()));
            parts.version_2(times, frames, index)
        }
        other => panic!("version {other}"),
    };
    let stamps = || metrics.values().flat_map(|metric| &metric.frames).flat_map(|frame| &frame.timestamps);
    let spans = (stamps().min().copied().unwrap_or(0), stamps().max().copied().unwrap_or(0));
    assert_eq!(bounds, spans, "the header says what the rows span");
    MetricFile { version, partition_kind, bounds, times, metrics }
}

struct Parts<'a> {
    /// The file up to its footer.
    file: &'a [u8],
    /// Where the next frame is: they follow each other without gaps.
    at: usize,
    codec: u64,
    decompress: Decompress<'a>,
}

/// What an index entry says about a frame.
struct Listed {
    id: u64,
    kind: u64,
    start: i64,
    end: i64,
    decoded_len: u64,
    payload_len: u64,
}

impl<'a> Parts<'a> {
    /// Reads the next frame: what is left of its header after the timestamps (20 bytes before the checksum are 16 of words),
    /// and its decoded payload.
    fn frame(&mut self, magic: &[u8; 4], listed: &Listed) -> (Cursor<'a>, Vec<u8>) {
        let file = &self.file[self.at..];
        let mut header = Cursor(&file[..48]);
        assert_eq!(header.bytes(4), magic);
        assert_eq!(header.number(2), 48);
        assert_eq!((header.number(2), header.number(2)), (self.codec, listed.id));
        assert_eq!((header.number(1), header.number(1)), (listed.kind, 0));
        assert_eq!((header.number(8) as i64, header.number(8) as i64), (listed.start, listed.end));
        let words = Cursor(header.bytes(16));
        assert_eq!(header.number(4) as u32, crc32(&file[..44]), "checksum of a frame header");
        let mut rest = Cursor(&file[48..]);
        let payload = rest.bytes(listed.payload_len as usize);
        assert_eq!(rest.number(4) as u32, crc32(payload), "checksum of a frame");
        self.at += 48 + payload.len() + 4;
        let length = listed.decoded_len as usize;
        let decoded =
            if self.codec == 1 { s2::decode(payload) } else { (self.decompress)(self.codec, payload, length) };
        assert_eq!(decoded.len(), length);
        (words, decoded)
    }

    fn version_1(&mut self, count: usize) -> BTreeMap<u64, Metric> {
        let index = self.file.len() - count * 44;
        let mut entries = Cursor(&self.file[index..]);
        let mut metrics = BTreeMap::new();
        for _ in 0..count {
            let (id, kind) = (entries.number(2), entries.number(1));
            assert_eq!((entries.number(1), entries.number(8) as usize), (0, self.at));
            let (start, end) = (entries.number(8) as i64, entries.number(8) as i64);
            let (points, decoded_len) = (entries.number(4), entries.number(4));
            let payload_len = entries.number(4);
            assert_eq!(entries.number(4), 0);
            let listed = Listed { id, kind, start, end, decoded_len, payload_len };
            let (mut words, decoded) = self.frame(b"MPG1", &listed);
            assert_eq!((words.number(4), words.number(4)), (points, payload_len));
            assert_eq!((words.number(4), words.number(4)), (decoded_len, 0));
            let (timestamps, values) = decoded.split_at(points as usize * 8);
            add(&mut metrics, &listed, column(timestamps, 8).map(|t| t as i64).collect(), values, None);
        }
        assert_eq!(self.at, index, "nothing between the frames and the index");
        metrics
    }

    fn version_2(
        &mut self,
        times: usize,
        frames: usize,
        index: (usize, usize),
    ) -> (BTreeMap<u64, Vec<i64>>, BTreeMap<u64, Metric>) {
        let mut vectors = BTreeMap::new();
        let mut entries = Cursor(&self.file[index.0..index.1]);
        for number in 1..=times as u64 {
            assert_eq!((entries.number(2), entries.number(2)), (number, 0));
            assert_eq!(entries.number(8) as usize, self.at);
            let (start, end) = (entries.number(8) as i64, entries.number(8) as i64);
            let (points, decoded_len) = (entries.number(4), entries.number(4));
            let payload_len = entries.number(4);
            // Encoding 1: timestamps as they are.
            let listed = Listed { id: number, kind: 1, start, end, decoded_len, payload_len };
            let (mut words, decoded) = self.frame(b"TPG2", &listed);
            assert_eq!((words.number(4), words.number(4)), (points, payload_len));
            assert_eq!((words.number(4), words.number(4)), (decoded_len, 0));
            let vector: Vec<_> = column(&decoded, 8).map(|t| t as i64).collect();
            assert_eq!(vector.len() as u64, points);
            assert_eq!((vector[0], *vector.last().unwrap()), (start, end));
            vectors.insert(number, vector);
        }
        let mut metrics = BTreeMap::new();
        let mut entries = Cursor(&self.file[index.1..]);
        for _ in 0..frames {
            let (id, kind) = (entries.number(2), entries.number(1));
            assert_eq!((entries.number(1), entries.number(8) as usize), (0, self.at));
            let (start, end) = (entries.number(8) as i64, entries.number(8) as i64);
            let time = entries.number(2);
            assert_eq!(entries.number(2), 0);
            let (offset, decoded_len) = (entries.number(4), entries.number(4));
            let payload_len = entries.number(4);
            let listed = Listed { id, kind, start, end, decoded_len, payload_len };
            let (mut words, values) = self.frame(b"MPG2", &listed);
            assert_eq!((words.number(2), words.number(2), words.number(4)), (time, 0, offset));
            assert_eq!((words.number(4), words.number(4)), (payload_len, decoded_len));
            let (from, count) = (offset as usize, values.len() / width(kind));
            let timestamps = vectors[&time][from..from + count].to_vec();
            add(&mut metrics, &listed, timestamps, &values, Some((time, offset)));
        }
        assert_eq!(self.at, index.0, "nothing between the frames and the index");
        (vectors, metrics)
    }
}

fn width(kind: u64) -> usize {
    match kind {
        1 | 2 => 4,
        3 | 4 => 8,
        other => panic!("value type {other}"),
    }
}

fn column(bytes: &[u8], width: usize) -> impl Iterator<Item = u64> {
    assert_eq!(bytes.len() % width, 0);
    bytes.chunks(width).map(move |number| Cursor(number).number(width))
}

fn add(
    metrics: &mut BTreeMap<u64, Metric>,
    listed: &Listed,
    timestamps: Vec<i64>,
    values: &[u8],
    time: Option<(u64, u64)>,
) {
    assert!(metrics.last_key_value().is_none_or(|(before, _)| *before <= listed.id), "frames are by metric id");
    assert!(timestamps.is_sorted());
    assert_eq!((timestamps[0], *timestamps.last().unwrap()), (listed.start, listed.end));
    let values: Vec<_> = column(values, width(listed.kind)).collect();
    assert_eq!(values.len(), timestamps.len());
    let metric = metrics.entry(listed.id).or_insert(Metric { code: listed.kind, frames: Vec::new() });
    assert_eq!(metric.code, listed.kind);
    metric.frames.push(MetricFrame { timestamps, values, time });
}
