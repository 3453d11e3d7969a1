//! A second reader of metric files of version 3, written from docs/FORMATS.md alone, for columns of the codec `none`. It panics
//! at the first thing that is not as described, and at the first byte that is not accounted for.

use std::collections::BTreeMap;

/// Statistics: minimum, maximum, first and last value as row bits of the type, and the sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    pub values: [u64; 4],
    pub sum: f64,
}

/// Rows of a part, and their statistics.
pub struct Part {
    pub earliest: i64,
    pub latest: i64,
    pub rows: usize,
    pub statistics: Option<Statistics>,
}

/// A value block: timestamps, and values as bits (4-byte values in the low half, int32 sign-extended).
pub struct Block {
    pub rows: Vec<(i64, u64)>,
    pub statistics: Option<Statistics>,
    pub parts: Vec<Part>,
}

/// Type and blocks by metric id.
pub type File = BTreeMap<u16, (u8, Vec<Block>)>;

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self, width: usize) -> u64 {
        self.bytes(width).iter().rev().fold(0, |n, b| (n << 8) | u64::from(*b))
    }

    fn uvarint(&mut self) -> u64 {
        let byte = self.number(1);
        if byte < 0x80 { byte } else { (byte & 0x7f) | (self.uvarint() << 7) }
    }

    fn size(&mut self) -> usize {
        self.uvarint() as usize
    }

    fn varint(&mut self) -> i64 {
        let n = self.uvarint();
        if n.is_multiple_of(2) { (n / 2) as i64 } else { -((n / 2) as i64) - 1 }
    }

    /// A value of a type, as bits.
    fn value(&mut self, code: u8) -> u64 {
        match code {
            1 => i64::from(self.number(4) as u32 as i32) as u64,
            2 => self.number(4),
            3 | 4 => self.number(8),
            other => panic!("type {other}"),
        }
    }

    fn end(&self) {
        assert!(self.0.is_empty(), "{} bytes are not accounted for", self.0.len());
    }
}

/// CRC-32/IEEE, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// The bytes before the four of a checksum over them.
fn checked(bytes: &[u8]) -> &[u8] {
    let (before, crc) = bytes.split_at(bytes.len() - 4);
    assert_eq!(Cursor(crc).number(4) as u32, crc32(before), "checksum");
    before
}

/// Finds blocks by gap and length, and notes which bytes of the file were used.
struct Blocks<'a> {
    file: &'a [u8],
    end: usize,
    used: &'a mut Vec<(usize, usize)>,
}

impl<'a> Blocks<'a> {
    /// The body of the block whose gap and length come next, behind its codec.
    fn next(&mut self, directory: &mut Cursor<'_>, kind: u8) -> Cursor<'a> {
        let start = self.end + directory.size();
        let len = directory.size();
        self.end = start + len;
        self.used.push((start, self.end));
        let mut block = Cursor(checked(&self.file[start..self.end]));
        assert_eq!(block.number(1), 0xb3);
        assert_eq!(block.number(1), u64::from(kind));
        assert_eq!(block.number(4) as usize, len);
        assert_eq!(block.number(2), 18, "this reader knows the codec none");
        block
    }
}

struct Times {
    ticks: Vec<i64>,
    /// Nanoseconds that a cell is wide; 0 when cells are 1,024 timestamps.
    width: i64,
    /// Position and timestamp of the first one of each cell.
    cells: Vec<(usize, i64)>,
}

struct Chunk {
    code: u8,
    missing: Vec<usize>,
    statistics: Vec<Option<Statistics>>,
}

/// Reads a whole file.
pub fn read(file: &[u8]) -> File {
    let mut header = Cursor(checked(&file[..64]));
    assert_eq!(header.bytes(4), b"NTMF");
    assert_eq!((header.number(2), header.number(2)), (3, 64));
    let flags = header.number(4);
    assert!(flags == 1 || flags == 3);
    assert!((1..=4).contains(&header.number(1)));
    assert_eq!(header.bytes(3), [0; 3]);
    let (min_ts, max_ts) = (header.number(8) as i64, header.number(8) as i64);
    let (series, times) = (header.number(4), header.number(4));
    let (directory_at, rows) = (header.number(8) as usize, header.number(8));
    assert_eq!(header.bytes(4), [0; 4]);
    header.end();

    let (directory, footer) = file[directory_at..].split_at(file.len() - directory_at - 16);
    let mut footer = Cursor(checked(footer));
    assert_eq!(footer.bytes(4), b"NTFT");
    assert_eq!((footer.number(4), footer.number(4) as u32), (3, crc32(directory)));

    let mut used = Vec::new();
    let directory = &mut Cursor(directory);
    for _ in 0..directory.uvarint() {
        assert!(directory.uvarint() > 0, "a source has bytes");
        directory.bytes(4);
    }
    let times = read_times(file, directory, (times, min_ts, flags == 3), &mut used);
    let chunks = read_chunks(file, directory, &mut used);
    let mut found = File::new();
    let mut blocks = Blocks { file, end: 64, used: &mut used };
    let mut id = 0;
    for _ in 0..series {
        id += directory.uvarint();
        let code = directory.number(1) as u8;
        let number = directory.uvarint();
        let mut next_time = 0;
        let mut all = Vec::new();
        for _ in 0..number {
            let body = blocks.next(directory, 2);
            let time = next_time + directory.varint();
            next_time = time + 1;
            let time = (time as usize, &times[time as usize]);
            all.push(read_block(body, directory, (id as u16, code), time, &chunks));
        }
        found.insert(id as u16, (code, all));
    }
    directory.end();

    // The blocks are all that lies between header and directory.
    used.sort_unstable();
    let end = used.iter().fold(64, |end, (start, next)| {
        assert_eq!(*start, end, "blocks follow each other");
        *next
    });
    assert_eq!(end, directory_at);
    let all = || found.values().flat_map(|(_, blocks)| blocks).flat_map(|block| &block.rows);
    assert_eq!(all().count() as u64, rows);
    assert_eq!(all().map(|row| row.0).min().unwrap_or(0), min_ts);
    assert_eq!(all().map(|row| row.0).max().unwrap_or(0), max_ts);
    found
}

fn read_times(
    file: &[u8],
    directory: &mut Cursor<'_>,
    (number, min_ts, by_time): (u64, i64, bool),
    used: &mut Vec<(usize, usize)>,
) -> Vec<Times> {
    let mut blocks = Blocks { file, end: 64, used };
    let mut last_end = min_ts;
    let mut all = Vec::new();
    for index in 0..number {
        let mut body = blocks.next(directory, 1);
        let count = directory.size();
        let start = last_end.wrapping_add(directory.varint());
        let end = start.wrapping_add(directory.uvarint() as i64);
        last_end = end;
        let width = if by_time { directory.uvarint() as i64 } else { 0 };
        let cuts = match (by_time, width) {
            (false, _) => count.div_ceil(1_024) - 1,
            (true, 0) => 0,
            (true, _) => directory.size(),
        };
        let (mut cells, mut step) = (vec![(0, start)], 0i64);
        for _ in 0..cuts {
            let (position, first) = cells[cells.len() - 1];
            let distance = if by_time { directory.size() } else { 1_024 };
            step = step.wrapping_add(directory.varint());
            cells.push((position + distance, first.wrapping_add(step)));
        }
        assert_eq!((body.uvarint(), body.size()), (index, count));
        let ticks: Vec<i64> = (0..count).map(|_| body.number(8) as i64).collect();
        body.end();
        assert!(ticks.is_sorted());
        assert_eq!((ticks[0], ticks[count - 1]), (start, end));
        assert!(cells.iter().all(|(position, first)| ticks[*position] == *first));
        if width > 0 {
            let hours: std::collections::BTreeSet<i64> = ticks.iter().map(|t| t.div_euclid(width)).collect();
            assert_eq!(hours, cells.iter().map(|(_, first)| first.div_euclid(width)).collect());
            assert_eq!(hours.len(), cells.len());
        }
        all.push(Times { ticks, width, cells });
    }
    all
}

fn read_chunks(file: &[u8], directory: &mut Cursor<'_>, used: &mut Vec<(usize, usize)>) -> Vec<Chunk> {
    let mut blocks = Blocks { file, end: 64, used };
    let number = directory.uvarint();
    let mut all = Vec::new();
    for _ in 0..number {
        let mut body = blocks.next(directory, 3);
        let (code, parts) = (directory.number(1) as u8, directory.size());
        assert_eq!(body.number(1) as u8, code);
        let flags = body.number(1);
        assert!(flags <= 3);
        assert_eq!(body.size(), parts);
        let validity = if flags & 2 != 0 { body.bytes(parts.div_ceil(8)).to_vec() } else { vec![0xff; parts] };
        let mut column = |code: u8| -> Vec<u64> {
            let len = body.size();
            let mut column = Cursor(body.bytes(len));
            let values = (0..parts).map(|_| column.value(code)).collect();
            column.end();
            values
        };
        let missing = if flags & 1 != 0 { column(1) } else { vec![0; parts] };
        let [min, max, first, last] = [(); 4].map(|()| column(code));
        let sum = column(4);
        body.end();
        let statistics =
            |i: usize| Statistics { values: [min[i], max[i], first[i], last[i]], sum: f64::from_bits(sum[i]) };
        let valid = |i: usize| validity[i / 8] >> (i % 8) & 1 == 1;
        all.push(Chunk {
            code,
            missing: missing.iter().map(|m| *m as usize).collect(),
            statistics: (0..parts).map(|i| valid(i).then(|| statistics(i))).collect(),
        });
    }
    all
}

fn read_block(
    mut body: Cursor<'_>,
    directory: &mut Cursor<'_>,
    (id, code): (u16, u8),
    (time_index, time): (usize, &Times),
    chunks: &[Chunk],
) -> Block {
    let ticks = &time.ticks;
    let count = ticks.len() - directory.size();
    let start = ticks[0].wrapping_add(directory.uvarint() as i64);
    let end = ticks[ticks.len() - 1].wrapping_sub(directory.uvarint() as i64);
    let flags = directory.number(1);
    assert_eq!(flags & 0x08, 0);
    // Sums of decimals: of a float32, and where there are sums.
    assert!(flags & 4 == 0 || code == 2 && flags & 3 != 0);
    let statistics = (flags & 1 != 0).then(|| read_statistics(directory, code));

    assert_eq!((body.number(2) as u16, body.number(1) as u8), (id, code));
    let presence = body.number(1);
    assert_eq!((body.size(), body.size()), (time_index, count));
    let positions = read_positions(&mut body, presence, count, ticks.len());
    let rows: Vec<(i64, u64)> = positions.iter().map(|p| (ticks[*p], body.value(code))).collect();
    body.end();
    assert_eq!((rows.len(), rows[0].0, rows[count - 1].0), (count, start, end));

    let mut parts = Vec::new();
    let span = 1 << (flags >> 4);
    if flags & 2 != 0 {
        let chunk = &chunks[directory.size()];
        assert_eq!(chunk.code, code);
        let (first, skip, number) = (directory.size(), directory.size(), directory.size());
        for i in 0..number {
            let cell = (skip + i) * span;
            let (from, earliest) = time.cells[cell];
            let last = time.cells[(cell + span).min(time.cells.len()) - 1].1;
            let (to, next) = time.cells.get(cell + span).copied().unwrap_or((ticks.len(), ticks[ticks.len() - 1]));
            let edge = if time.width > 0 { (last.div_euclid(time.width) + 1) * time.width - 1 } else { next };
            parts.push(Part {
                earliest,
                latest: edge.min(next).min(ticks[ticks.len() - 1]),
                rows: to - from - chunk.missing[first + i],
                statistics: chunk.statistics[first + i],
            });
            assert_eq!(positions.iter().filter(|p| (from..to).contains(*p)).count(), parts[i].rows);
        }
    } else {
        assert_eq!(flags >> 4, 0);
    }
    Block { rows, statistics, parts }
}

fn read_statistics(directory: &mut Cursor<'_>, code: u8) -> Statistics {
    let mut values = [0; 4];
    if code % 2 == 1 {
        values[0] = directory.varint() as u64;
        for i in 1..4 {
            values[i] = values[0].wrapping_add(directory.uvarint());
        }
    } else {
        values = [(); 4].map(|()| directory.value(code));
    }
    Statistics { values, sum: f64::from_bits(directory.number(8)) }
}

fn read_positions(body: &mut Cursor<'_>, presence: u64, count: usize, ticks: usize) -> Vec<usize> {
    match presence {
        0 => {
            assert_eq!(count, ticks);
            (0..count).collect()
        }
        1 => (body.size()..).take(count).collect(),
        2 => {
            let (mut positions, mut at) = (Vec::new(), 0);
            for _ in 0..body.size() {
                at += body.size();
                let len = body.size() + 1;
                positions.extend(at..at + len);
                at += len;
            }
            positions
        }
        // `none` compresses bytes to themselves, which is never smaller: 4 is not met here.
        3 => {
            let (first, span) = (body.size(), body.size());
            let bits = body.bytes(span.div_ceil(8));
            assert!((span..bits.len() * 8).all(|i| bits[i / 8] >> (i % 8) & 1 == 0));
            (0..span).filter(|i| bits[i / 8] >> (i % 8) & 1 == 1).map(|i| first + i).collect()
        }
        other => panic!("presence {other}"),
    }
}
