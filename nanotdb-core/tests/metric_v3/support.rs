//! Writing and reading whole files, and data to do it with.

use crate::rng::Rng;
use nanotdb_core::format::DecodeError;
use nanotdb_core::format::metric::{
    Encoder, Extent, FOOTER_LEN, HEADER_LEN, Layout, Rows, SeriesRows, Source, Tail, v3,
};
use nanotdb_core::model::{Column, Value, ValueType, Values};
use nanotdb_core::plugin::registry::registry;
use nanotdb_core::plugin::{Codec, CodecError};
use std::collections::BTreeMap;

use nanotdb_codecs as _;

/// Rows by metric.
pub type Data = BTreeMap<u16, (Vec<i64>, Column)>;

pub const TYPES: [ValueType; 4] = [ValueType::Int32, ValueType::Float32, ValueType::Int64, ValueType::Float64];
/// 2026-05-23T00:00:00Z.
pub const DAY: i64 = 1_779_494_400_000_000_000;
pub const SECOND: i64 = 1_000_000_000;

pub fn codec(name: &str) -> &'static dyn Codec {
    registry().codec(name).unwrap()
}

pub fn try_write(data: &Data, codec_name: &str) -> Result<Vec<u8>, CodecError> {
    let mut writer = v3::Writer::new(1, codec(codec_name), vec![Source { len: 77, crc: 0x1234_5678 }]);
    let mut file = vec![0; HEADER_LEN];
    let mut order: Vec<_> = data.iter().collect();
    order.sort_by_key(|(id, (timestamps, _))| (std::cmp::Reverse(timestamps.len()), **id));
    // The caller takes the bytes away whenever it likes: here after every call.
    let mut out = Vec::new();
    for (id, (timestamps, _)) in order {
        writer.plan(*id, timestamps, &mut out)?;
        file.append(&mut out);
    }
    writer.begin(&mut out)?;
    file.append(&mut out);
    for (id, (timestamps, values)) in data {
        writer.series(SeriesRows { id: *id, timestamps, values: values.values(), decimals: true }, &mut out)?;
        file.append(&mut out);
    }
    let header = writer.finish(&mut out)?;
    file.append(&mut out);
    assert_eq!(file[..HEADER_LEN], [0; HEADER_LEN]);
    file[..HEADER_LEN].copy_from_slice(&header);
    Ok(file)
}

pub fn write(data: &Data, codec_name: &str) -> Vec<u8> {
    try_write(data, codec_name).unwrap()
}

pub fn layout(file: &[u8]) -> Result<Layout, DecodeError> {
    let (header, footer) = (&file[..file.len().min(HEADER_LEN)], &file[file.len().saturating_sub(FOOTER_LEN)..]);
    let tail: Tail = v3::decode_tail(header, footer, file.len() as u64)?;
    v3::decode_layout(header, &file[tail.directory_at as usize..])
}

pub fn bytes(file: &[u8], extent: Extent) -> &[u8] {
    &file[extent.offset as usize..][..extent.len as usize]
}

/// Everything in a file, and every block of statistics decoded.
pub fn read(file: &[u8]) -> Result<Data, DecodeError> {
    let layout = layout(file)?;
    let mut times = Vec::new();
    for (index, time) in layout.times.iter().enumerate() {
        let mut ticks = Vec::new();
        v3::decode_times(bytes(file, time.extent), index as u32, time, registry(), &mut ticks)?;
        times.push(ticks);
    }
    let mut data = Data::new();
    let mut rows = Rows { timestamps: Vec::new(), values: Column::new(ValueType::Int32) };
    for series in &layout.series {
        let (mut timestamps, mut values) = (Vec::new(), Column::new(series.value_type));
        for block in &series.blocks {
            let at = block.time.unwrap() as usize;
            let id = (series.id, series.value_type);
            v3::decode_block(bytes(file, block.extent), id, block, &times[at], registry(), &mut rows)?;
            timestamps.extend_from_slice(&rows.timestamps);
            assert!(values.extend(rows.values.values()));
            if let Some(parts) = &block.parts {
                let chunk = bytes(file, parts.chunk);
                v3::Chunk::decode(chunk, registry())
                    .and_then(|c| c.parts(series.value_type, block, &layout.times[at]))?;
            }
        }
        data.insert(series.id, (timestamps, values));
    }
    Ok(data)
}

pub fn bits(values: Values<'_>) -> Vec<u64> {
    (0..values.len()).map(|i| values.get(i).unwrap().to_bits()).collect()
}

pub fn assert_same(found: &Data, expected: &Data) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, (timestamps, values)) in expected {
        assert!(found[id].0 == *timestamps, "timestamps of metric {id}");
        assert_eq!(found[id].1.value_type(), values.value_type());
        assert!(bits(found[id].1.values()) == bits(values.values()), "values of metric {id}");
    }
}

/// Every 10 s, some milliseconds late.
pub fn ticks(rng: &mut Rng, count: usize) -> Vec<i64> {
    (0..count as i64).map(|i| DAY + i * 10 * SECOND + rng.below(5_000_000) as i64).collect()
}

/// A column of `count` values in one of six manners.
pub fn values(rng: &mut Rng, value_type: ValueType, manner: u64, count: usize) -> Column {
    let mut column = Column::new(value_type);
    let mut level = rng.below(1_000) as i64;
    for _ in 0..count {
        level += rng.below(7) as i64 - 3;
        let value = match (manner, value_type) {
            (0, ValueType::Int32 | ValueType::Int64) => level as u64,
            (0, ValueType::Float32) => Value::Float32(level as f32 / 8.0).to_bits(),
            (0, ValueType::Float64) => Value::Float64(level as f64 / 100.0).to_bits(),
            (1, _) => 7,
            // Any bits: NaNs with payloads, subnormal numbers, extremes.
            (2, ValueType::Int32) => i64::from(rng.next() as i32) as u64,
            (2, ValueType::Float32) => rng.next() & 0xffff_ffff,
            (2, _) => rng.next(),
            (3, ValueType::Int32) => i64::from([i32::MIN, i32::MAX, 0][rng.below(3) as usize]) as u64,
            (3, ValueType::Int64) => [i64::MIN, i64::MAX, -1][rng.below(3) as usize] as u64,
            (3, ValueType::Float32) => {
                let all = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, f32::MAX, f32::MIN_POSITIVE];
                Value::Float32(all[rng.below(7) as usize]).to_bits()
            }
            (3, ValueType::Float64) => {
                let all = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MAX, f64::MIN];
                Value::Float64(all[rng.below(7) as usize]).to_bits()
            }
            // Mostly plain, with something odd now and then.
            (_, ValueType::Int32 | ValueType::Int64) => level as u64 % 10,
            (_, ValueType::Float32) if rng.below(2_000) == 0 => Value::Float32(-0.0).to_bits(),
            (_, ValueType::Float32) => Value::Float32(level as f32).to_bits(),
            (_, ValueType::Float64) if rng.below(2_000) == 0 => Value::Float64(f64::NAN).to_bits(),
            (_, ValueType::Float64) => Value::Float64(level as f64 * 1e300).to_bits(),
        };
        column.push_bits(value);
    }
    column
}

/// Series that share their timestamps, nearly share them, or do not; of all types and manners.
pub fn arbitrary(rng: &mut Rng, series: u64, longest: u64) -> Data {
    let first = rng.below(longest) as usize + 1;
    let mut vectors: Vec<Vec<i64>> = vec![ticks(rng, first)];
    let mut data = Data::new();
    for _ in 0..series {
        let id = rng.below(65_535) as u16 + 1;
        let mut timestamps = vectors[rng.below(vectors.len() as u64) as usize].clone();
        let n = timestamps.len() as u64;
        match rng.below(9) {
            0 => {}
            1 => timestamps.retain(|_| rng.below(100) > 0),
            2 => timestamps.retain(|_| rng.below(3) > 0),
            3 => timestamps = timestamps.split_off(rng.below(n) as usize),
            4 => timestamps.truncate(rng.below(n) as usize + 1),
            5 => timestamps = vec![timestamps[rng.below(n) as usize]],
            6 => {
                timestamps = timestamps.iter().flat_map(|t| vec![*t; 1 + usize::from(rng.below(20) == 0)]).collect();
                vectors.push(timestamps.clone());
            }
            7 => {
                let extremes = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX];
                timestamps = (0..rng.below(50) + 1).map(|_| extremes[rng.below(6) as usize]).collect();
                timestamps.sort_unstable();
            }
            _ => {
                timestamps = (0..n).map(|_| DAY + rng.below(n * 3) as i64).collect();
                timestamps.sort_unstable();
                vectors.push(timestamps.clone());
            }
        }
        if timestamps.is_empty() {
            continue;
        }
        let value_type = TYPES[rng.below(4) as usize];
        let manner = rng.below(6);
        let column = values(rng, value_type, manner, timestamps.len());
        data.insert(id, (timestamps, column));
    }
    data
}
