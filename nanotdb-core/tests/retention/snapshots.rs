//! Snapshots of a root in which partitions are archived meanwhile: each is in the copy once, in the archive or outside of it.

use crate::common::bench::{Bench, Line, content_of};
use crate::common::changing::Changing;
use crate::common::rng::Rng;
use crate::common::{assert_same, read_all};
use crate::support::{DAY, MAY_20, keeping, live, machine, sweep_now};
use nanotdb_core::config::RetentionAction;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::archive::list;
use nanotdb_core::maintenance::snapshot::{SnapshotReport, SnapshotRequest, snapshot};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const OUT: &str = "/copies/copy";

fn take(bench: &Bench, disk: &Changing) -> nanotdb_core::Result<SnapshotReport> {
    let request = SnapshotRequest { root: &bench.path(""), out: Path::new(OUT), database: None, copy_all: false };
    let options = EngineOptions { vfs: Arc::new(disk.clone()), ..bench.options() };
    snapshot(request, bench.config.clone(), &options, &mut |_, _| {})
}

/// Every day is in the copy once: rows that can be read, or a partition of an archive that is whole.
fn check_copy(bench: &Bench, disk: &Changing, lines: &[Line], context: &str) {
    let options = EngineOptions { vfs: Arc::new(disk.copy.clone()), ..bench.options() };
    let engine = Engine::open_with(Path::new(OUT), bench.config.clone(), options.clone()).unwrap();
    assert_eq!(engine.health(), [], "{context}");
    let mut archived = BTreeSet::new();
    for archive in list(&engine, "pi").unwrap() {
        assert_eq!(archive.problem, None, "{context}");
        for partition in archive.partitions {
            assert_eq!(partition.generation, 1, "{context}");
            archived.insert(partition.range.unwrap().start);
        }
    }
    let outside: Vec<Line> =
        lines.iter().filter(|line| !archived.contains(&(line.3.div_euclid(DAY) * DAY))).copied().collect();
    assert_same(&read_all(&engine), &content_of(&outside), &format!("{context}: archived {archived:?}"));
    engine.close().unwrap();
    let report = verify(Path::new(OUT), None, bench.config.clone(), options).unwrap();
    assert_eq!(report.problems, [], "{context}");
}

/// The disk before every operation of a sweep that archives three more days, and after it.
fn archiving() -> (Bench, Vec<Line>, Vec<SimVfs>) {
    let bench = machine(keeping(3, RetentionAction::Archive, "day"), MAY_20);
    let engine = bench.open();
    let mut lines = live(&bench, &engine, 5);
    assert_eq!(sweep_now(&engine).len(), 2);
    lines.extend(live(&bench, &engine, 3));
    bench.vfs.record_forks(true);
    assert_eq!(sweep_now(&engine).len(), 3);
    let mut moments = bench.vfs.take_forks();
    moments.push(bench.vfs.fork(1));
    (bench, lines, moments)
}

#[test]
fn a_partition_that_is_archived_meanwhile_is_in_the_copy_once() {
    let (bench, lines, moments) = archiving();
    assert!(moments.len() > 30, "{}", moments.len());
    // A root that nobody changes, as a crash may have left it.
    let mut most = 0;
    for (at, moment) in moments.iter().enumerate() {
        let context = format!("at rest, operation {at}");
        let disk = Changing::new(vec![(0, moment.clone())]);
        let report = take(&bench, &disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(report.problems, [], "{context}");
        check_copy(&bench, &disk, &lines, &context);
        most = most.max(disk.calls.load(Ordering::SeqCst));
    }
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let mut of = |count: usize| -> [usize; 2] {
            let mut two = [0; 2].map(|_| rng.below(count as u64) as usize);
            two.sort_unstable();
            two
        };
        let (at, calls) = (of(moments.len()), of(most));
        let first = of(at[0] + 1)[0];
        let source =
            vec![(0, moments[first].clone()), (calls[0], moments[at[0]].clone()), (calls[1], moments[at[1]].clone())];
        let context = format!("seed {seed}: {first}, after {calls:?} calls {at:?}");
        let disk = Changing::new(source);
        let report = take(&bench, &disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(report.problems, [], "{context}");
        check_copy(&bench, &disk, &lines, &context);
    }
}
