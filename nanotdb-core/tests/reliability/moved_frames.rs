//! Raw files beside a metric file that lost bytes, or got some: frames are not where they were, and each sample still comes once.

use crate::common::Content;
use crate::common::bench::{Bench, Line, SECOND, content_of, float, int, send};
use crate::common::oracle::{ROOT, START as T};
use crate::common::rng::Rng;
use nanotdb_core::config::{FsyncPolicy, MetricFileFormat, RawIngestAction};
use nanotdb_core::engine::{BuildOptions, Engine, Selection};
use nanotdb_core::maintenance::inspect;
use nanotdb_core::maintenance::recover::{RecoverRequest, recover};
use std::ops::ControlFlow;
use std::path::Path;

const PART: &str = "2026-05-22";

/// Six pages of two metrics, of which the last two came after the metric file was built.
fn built(format: MetricFileFormat, action: RawIngestAction, with_records: bool) -> (Bench, Vec<Vec<Line>>, String) {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    let page = |page: i64| -> Vec<Line> {
        let row = |at: i64| {
            let time = T + (page * 9 + at) * SECOND / 2;
            [
                ("home", "a", int((page * 100 + at) as i32), time),
                ("home", "b", float(page as f32 + at as f32 / 16.0), time),
            ]
        };
        (0..9).flat_map(row).collect()
    };
    let pages: Vec<_> = (0..6).map(page).collect();
    for (at, page) in pages.iter().enumerate() {
        if at == 4 {
            let options = BuildOptions::new(format, "", action).unwrap();
            engine
                .build_metric_files("home", Selection::Named(PART), options, &mut |_| ControlFlow::Continue(()))
                .unwrap();
        }
        send(&engine, page);
        engine.flush().unwrap();
    }
    engine.close().unwrap();
    let raw = if action == RawIngestAction::Rename { "raw" } else { "data" };
    if !with_records {
        // As the original leaves it.
        bench.vfs.remove_file_for_test(&bench.path(&format!("home/built-{PART}.sources")));
    }
    (bench, pages, format!("home/{raw}-{PART}.dat"))
}

trait RemoveFile {
    fn remove_file_for_test(&self, path: &Path);
}

impl RemoveFile for nanotdb_core::storage::vfs::sim::SimVfs {
    fn remove_file_for_test(&self, path: &Path) {
        use nanotdb_core::storage::vfs::Vfs;
        self.remove_file(path).unwrap();
    }
}

fn look(engine: &Engine) -> Content {
    let mut content = Content::new();
    for metric in ["a", "b"] {
        let mut samples = Vec::new();
        let read = engine.query_range("home", metric, i64::MIN, i64::MAX, 1, |sample| {
            samples.push(sample);
            ControlFlow::Continue(())
        });
        read.unwrap();
        content.insert(("home".into(), metric.into()), samples);
    }
    content
}

#[test]
fn r21_bytes_lost_or_inserted_beside_a_metric_file_double_nothing() {
    let cases = [
        (MetricFileFormat::V3, RawIngestAction::Keep, true),
        (MetricFileFormat::V3, RawIngestAction::Rename, true),
        (MetricFileFormat::V2, RawIngestAction::Keep, true),
        (MetricFileFormat::V2, RawIngestAction::Keep, false),
        (MetricFileFormat::V1, RawIngestAction::Rename, false),
    ];
    for (format, action, with_records) in cases {
        let (bench, pages, name) = built(format, action, with_records);
        let file = bench.path(&name);
        let whole = bench.file(&name);
        let frames = inspect::data_file(&bench.vfs, &file).unwrap().frames;
        let all = content_of(&pages.concat());
        assert_eq!(look(&bench.open_read_only()), all, "{format:?}, {action:?}: undamaged");
        let mut rng = Rng(5);
        for round in 0..60 {
            let at = rng.below(whole.len() as u64) as usize;
            let (what, damaged) = match round % 3 {
                0 => ("one byte is lost", [&whole[..at], &whole[at + 1..]].concat()),
                1 => {
                    let to = (at + 40).min(whole.len());
                    ("forty bytes are lost", [&whole[..at], &whole[to..]].concat())
                }
                _ => {
                    let from = at.saturating_sub(30);
                    ("thirty bytes are there twice", [&whole[..at], &whole[from..at], &whole[at..]].concat())
                }
            };
            let context = format!("{format:?}, {action:?}, records: {with_records}, byte {at}: {what}");
            let disk = bench.fork(bench.vfs.fork(1));
            disk.vfs.put(&file, &damaged).unwrap();
            // Frames that are damaged, with forty bytes two of them. Those of the metric file are whole there.
            let to = if round % 3 == 1 { at + 39 } else { at } as u64;
            let hurt = |page: usize| {
                let end = frames.get(page + 1).map_or(whole.len() as u64, |next| next.offset);
                let begins = match round % 3 {
                    // Of a page that begins among the bytes that are there twice, the second beginning is whole.
                    2 => frames[page].offset < at.saturating_sub(30) as u64,
                    _ => frames[page].offset <= to,
                };
                begins && (at as u64) < end
            };
            // In a data file, late pages are behind those that were built in; a renamed file has none.
            let late_here = action != RawIngestAction::Rename;
            let lost: Vec<usize> = (4..6).filter(|page| late_here && hurt(*page)).collect();
            let rest: Vec<Line> = pages
                .iter()
                .enumerate()
                .filter(|(page, _)| !lost.contains(page))
                .flat_map(|(_, p)| p)
                .copied()
                .collect();
            for writes in [false, true] {
                let engine = if writes { disk.try_open().unwrap() } else { disk.open_read_only() };
                assert_eq!(look(&engine), content_of(&rest), "{context}, writes: {writes}");
                engine.close().unwrap();
            }
            if round < 9 {
                let request = RecoverRequest { root: Path::new(ROOT), out: Path::new("/recovered"), database: None };
                recover(request, disk.config.clone(), &disk.options(), &mut |_, _| {}).unwrap();
                let fresh = Engine::open_with(Path::new("/recovered"), disk.config.clone(), disk.options()).unwrap();
                assert_eq!(look(&fresh), content_of(&rest), "{context}, recovered");
            }
        }
    }
}
