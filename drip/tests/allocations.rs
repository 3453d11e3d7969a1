//! A cycle uses its buffers again: it allocates a few small things for the request, and nothing per metric.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use drip::trial::Trial;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[test]
fn a_cycle_allocates_next_to_nothing_in_its_collectors() {
    let profiler = dhat::Profiler::builder().testing().build();
    let tree = |snapshot| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees/x86").join(snapshot);
    let (a, b) = (tree("a"), tree("b"));
    let mut told = Vec::new();
    for name in ["cpu", "memory", "io", "loadavg", "network", "disk", "diskfs", "process", "pressure"] {
        let mut trial = Trial::new(name, "").unwrap();
        let mut at = 0;
        let mut cycles = |n: u64| {
            for _ in 0..n {
                at += 10_000;
                trial.run(if at % 20_000 == 0 { &a } else { &b }, at).unwrap();
            }
        };
        // Buffers grow in the first cycles.
        cycles(8);
        let before = dhat::HeapStats::get().total_blocks;
        cycles(60);
        let blocks = dhat::HeapStats::get().total_blocks - before;
        told.push((name, blocks as f64 / 60.0));
    }
    drop(profiler);
    // One of them is the future that async_trait boxes; the root of the tree is another, and statvfs of a tree.
    let many: Vec<_> = told.iter().filter(|(_, blocks)| *blocks > 4.0).collect();
    assert!(many.is_empty(), "blocks per cycle: {told:?}");
}
