//! The second reader finds in our files exactly the rows and statistics that the first finds, and that were written.

use crate::reader::{self, Statistics};
use crate::rng::Rng;
use crate::support::{Data, arbitrary, bits, bytes, layout, write};
use nanotdb_core::format::metric::v3;
use nanotdb_core::model::{Value, ValueType};
use nanotdb_core::plugin::BlockStatistics;
use nanotdb_core::plugin::registry::registry;

fn same(value_type: ValueType, ours: Option<BlockStatistics>, theirs: Option<Statistics>) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => {
            let theirs_as = theirs.values.map(|bits| Value::from_bits(value_type, bits).as_f64());
            theirs_as == [ours.min, ours.max, ours.first, ours.last] && theirs.sum == ours.sum
        }
        _ => false,
    }
}

fn check(data: &Data) -> (usize, usize) {
    let file = write(data, "none");
    let theirs = reader::read(&file);
    assert_eq!(theirs.keys().collect::<Vec<_>>(), data.keys().collect::<Vec<_>>());
    let layout = layout(&file).unwrap();
    let (mut blocks, mut parts) = (0, 0);
    for series in &layout.series {
        let (timestamps, column) = &data[&series.id];
        let (code, their_blocks) = &theirs[&series.id];
        assert_eq!(*code, column.value_type().code());
        let rows: Vec<(i64, u64)> = their_blocks.iter().flat_map(|b| b.rows.iter().copied()).collect();
        let expected: Vec<(i64, u64)> = timestamps.iter().copied().zip(bits(column.values())).collect();
        assert!(rows == expected, "rows of metric {}", series.id);
        assert_eq!(series.blocks.len(), their_blocks.len());
        for (ours, theirs) in series.blocks.iter().zip(their_blocks) {
            assert!(same(series.value_type, ours.statistics, theirs.statistics));
            blocks += 1;
            let Some(of) = &ours.parts else {
                assert!(theirs.parts.is_empty());
                continue;
            };
            let time = &layout.times[ours.time.unwrap() as usize];
            let our_parts = v3::Chunk::decode(bytes(&file, of.chunk), registry())
                .and_then(|c| c.parts(series.value_type, ours, time))
                .unwrap();
            assert_eq!(our_parts.len(), theirs.parts.len());
            for (ours, theirs) in our_parts.iter().zip(&theirs.parts) {
                assert_eq!(ours.count as usize, theirs.rows);
                assert!(same(series.value_type, ours.statistics, theirs.statistics));
                assert!(theirs.earliest <= ours.start && ours.end <= theirs.latest);
                parts += 1;
            }
        }
    }
    (blocks, parts)
}

#[test]
fn a_second_reader_finds_the_same() {
    let (mut blocks, mut parts) = (0, 0);
    for seed in 100..130 {
        let longest = if seed % 3 == 0 { 40_000 } else { 3_000 };
        let (b, p) = check(&arbitrary(&mut Rng(seed), 10, longest));
        blocks += b;
        parts += p;
    }
    assert!(blocks > 200 && parts > 300, "{blocks} blocks, {parts} parts");
    check(&Data::new());
}
