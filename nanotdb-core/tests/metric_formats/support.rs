//! Writing and reading of whole files in memory.

use nanotdb_core::format::DecodeError;
use nanotdb_core::format::metric::{
    Encoder, FOOTER_LEN, HEADER_LEN, Layout, Rows, SeriesRows, Tail, check_block_header, check_times_header,
    decode_block, decode_times, v1, v2,
};
use nanotdb_core::model::{Column, MetricId, Timestamp, Value, ValueType};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Codec, CodecError};

/// Kind of the partition in files of these tests.
pub const KIND: u8 = 3;

/// One series, owned.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub id: MetricId,
    pub timestamps: Vec<Timestamp>,
    pub values: Column,
}

pub fn codec(name: &str) -> &'static dyn Codec {
    registry().codec(name).unwrap()
}

pub fn writer(version: u16, codec: &'static dyn Codec) -> Box<dyn Encoder> {
    match version {
        1 => Box::new(v1::Writer::new(KIND, codec)),
        2 => Box::new(v2::Writer::new(KIND, codec)),
        other => panic!("version {other}"),
    }
}

/// Writes as the trait says: those with most rows planned first, written by id. `all` is by id.
pub fn write(version: u16, codec: &'static dyn Codec, all: &[Written]) -> Vec<u8> {
    try_write(version, codec, all).unwrap()
}

pub fn try_write(version: u16, codec: &'static dyn Codec, all: &[Written]) -> Result<Vec<u8>, CodecError> {
    let mut writer = writer(version, codec);
    let mut file = vec![0; HEADER_LEN];
    let mut by_rows: Vec<_> = all.iter().collect();
    by_rows.sort_by_key(|series| std::cmp::Reverse(series.timestamps.len()));
    for series in by_rows {
        writer.plan(series.id, &series.timestamps, &mut file)?;
    }
    writer.begin(&mut file)?;
    // The caller may take away what is there already.
    let mut rest = Vec::new();
    for Written { id, timestamps, values } in all {
        writer.series(SeriesRows { id: *id, timestamps, values: values.values(), decimals: true }, &mut rest)?;
        file.append(&mut rest);
    }
    let header = writer.finish(&mut rest)?;
    file.append(&mut rest);
    file[..HEADER_LEN].copy_from_slice(&header);
    Ok(file)
}

pub fn layout(file: &[u8]) -> Result<Layout, DecodeError> {
    let header = &file[..HEADER_LEN.min(file.len())];
    let footer = &file[file.len().saturating_sub(FOOTER_LEN)..];
    let tail = Tail::decode(header, footer, file.len() as u64)?;
    let directory = &file[tail.directory_at as usize..];
    Layout::decode(header, directory, &tail, file.len() as u64)
}

/// All rows of a file, by metric id.
pub fn read(file: &[u8]) -> Result<Vec<Written>, DecodeError> {
    let layout = layout(file)?;
    let mut times = Vec::new();
    for time in &layout.times {
        let frame = &file[time.extent.offset as usize..][..time.extent.len as usize];
        check_times_header(layout.version, &frame[..48], time)?;
        let mut vector = vec![-1];
        decode_times(layout.version, frame, 0, time, registry(), &mut vector)?;
        times.push(vector);
    }
    let mut all = Vec::new();
    let mut rows = Rows { timestamps: vec![-1], values: Column::Int32(vec![-1]) };
    for series in &layout.series {
        let (id, mut timestamps, mut values) = (series.id, Vec::new(), Column::new(series.value_type));
        for block in &series.blocks {
            let frame = &file[block.extent.offset as usize..][..block.extent.len as usize];
            check_block_header(layout.version, &frame[..48], series, block)?;
            let times = block.time.map(|index| times[index as usize].as_slice());
            decode_block(layout.version, frame, series, block, times, registry(), &mut rows)?;
            assert_eq!(rows.timestamps.len(), rows.values.len());
            timestamps.extend_from_slice(&rows.timestamps);
            assert!(values.extend(rows.values.values()));
        }
        all.push(Written { id, timestamps, values });
    }
    Ok(all)
}

/// Row bits of a column, as a metric of type `read_as` has them.
pub fn bits(column: &Column, read_as: ValueType) -> Vec<u64> {
    let mut widened = Column::new(read_as);
    assert!(widened.extend(column.values()), "{:?} is read as {read_as:?}", column.value_type());
    (0..widened.len()).map(|at| widened.values().get(at).map(Value::to_bits).unwrap()).collect()
}

/// Equality bit for bit, for metrics of the types that were written.
pub fn assert_same(found: &[Written], written: &[Written]) {
    let written: Vec<_> = written.iter().filter(|series| !series.timestamps.is_empty()).collect();
    assert_eq!(found.iter().map(|s| s.id).collect::<Vec<_>>(), written.iter().map(|s| s.id).collect::<Vec<_>>());
    for (found, written) in found.iter().zip(written) {
        assert_eq!(found.timestamps, written.timestamps, "metric {}", found.id);
        let read_as = written.values.value_type();
        assert_eq!(bits(&found.values, read_as), bits(&written.values, read_as), "metric {}", found.id);
    }
}

/// Ticks with a little jitter.
pub fn ticks(count: usize) -> Vec<Timestamp> {
    (0..count as i64).map(|n| 1_779_577_200_000_000_000 + n * 10_000_000_000 + (n * 7_919) % 1_000_003).collect()
}

/// A few series of all types: the same ticks, a late starter, gaps, one row alone, and values that need 8 bytes.
pub fn sample() -> Vec<Written> {
    let all = ticks(12);
    let gaps: Vec<_> = all.iter().enumerate().filter(|(n, _)| n % 3 != 1).map(|(_, t)| *t).collect();
    let number = |n: usize| n as i64 * 1_000_003 - 7;
    let series = |id, timestamps: &[Timestamp], values: Column| Written { id, timestamps: timestamps.to_vec(), values };
    vec![
        series(1, &all, Column::Int32((0..12).map(|n| number(n) as i32).collect())),
        series(2, &all, Column::Float32((0..12).map(|n| n as f32 / 3.0).collect())),
        series(5, &all[7..], Column::Int64((7..12).map(number).collect())),
        series(300, &gaps, Column::Float64((0..gaps.len()).map(|n| n as f64 / 3.0).collect())),
        series(301, &[all[3], all[3], all[3]], Column::Int64(vec![i64::MAX, 0, i64::MIN])),
        series(65_535, &all[4..5], Column::Float64(vec![-0.0])),
    ]
}
