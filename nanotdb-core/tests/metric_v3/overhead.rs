//! What a file costs beside its values.

use crate::rng::Rng;
use crate::support::{Data, TYPES, assert_same, layout, read, ticks, values, write};
use nanotdb_core::format::metric::v3::{self, Kind};
use nanotdb_core::model::ValueType;
use std::collections::BTreeSet;

/// One day of 83 metrics every 10 s, some of which miss ticks; values of a host: levels, counters, constants.
fn host_day() -> Data {
    let mut rng = Rng(83);
    let all = ticks(&mut rng, 8_640);
    let mut data = Data::new();
    for id in 1..=83u16 {
        let mut timestamps = all.clone();
        if id % 5 == 0 {
            timestamps.retain(|_| rng.below(1_000) > 0);
        }
        let value_type = match id % 8 {
            0..4 => ValueType::Float32,
            4..7 => ValueType::Int32,
            _ => TYPES[2 + usize::from(id % 16 == 15)],
        };
        let column = values(&mut rng, value_type, u64::from(id % 9 == 0), timestamps.len());
        data.insert(id, (timestamps, column));
    }
    data
}

/// Statistics of every hour of every metric are half of it: they let windows of hours and days go without a row.
#[test]
fn directory_statistics_and_framing_are_a_twenty_fifth_of_a_byte_per_point() {
    let data = host_day();
    let points: usize = data.values().map(|(t, _)| t.len()).sum();
    let mut measured = Vec::new();
    for codec in ["none", "zstd_default", "zstd_max"] {
        let file = write(&data, codec);
        assert_same(&read(&file).unwrap(), &data);
        let layout = layout(&file).unwrap();
        assert_eq!(layout.times.len(), 1);
        let directory_at = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        let directory = file.len() - directory_at - 16;
        let extents: BTreeSet<_> = layout
            .series
            .iter()
            .flat_map(|s| &s.blocks)
            .map(|b| (b.parts.unwrap().chunk.offset, b.parts.unwrap().chunk.len))
            .collect();
        let statistics: usize = extents.iter().map(|(_, len)| *len as usize).sum();
        // What value blocks have beside their values.
        let mut framing = 0;
        for found in v3::walk(&file) {
            if let Kind::Values(head) = found.kind {
                let mut encoded = Vec::new();
                crate::support::codec(codec).encode_values(data[&head.id].1.values(), &mut encoded).unwrap();
                framing += found.bytes.len() - encoded.len();
            }
        }
        let overhead = directory + statistics + framing + 80;
        let per_point = overhead as f64 / points as f64;
        println!(
            "{codec}: {points} points in {} bytes ({:.3} each): directory {directory} ({} a block), statistics \
             {statistics}, framing and presence {framing}, time {}; overhead {per_point:.4} a point",
            file.len(),
            file.len() as f64 / points as f64,
            directory / layout.series.len(),
            layout.times[0].extent.len,
        );
        assert!(directory / layout.series.len() <= 60);
        measured.push(per_point);
    }
    assert!(measured[1] <= 0.04 && measured[2] <= 0.04, "{measured:?}");
    assert!(measured[0] <= 0.095, "{measured:?}");
}
