//! Every flipped bit and every truncation of small files: found or harmless, contained, kept beside the file, no panic.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::bench::{Bench, Line, SECOND, content_of, float, int, send};
use common::files::golden;
use common::hooked::{HookedVfs, Hooks};
use common::oracle::{ROOT, START as T, config};
use common::rng::Rng;
use common::{Content, assert_same, expected};
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::{Engine, EngineOptions};
use nanotdb_core::maintenance::verify::verify;
use nanotdb_core::model::{Sample, Value};
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Bit(u64),
    Cut(u64),
}

/// Every bit and every length of a file.
fn every_damage(len: usize) -> impl Iterator<Item = Damage> {
    let len = len as u64;
    (0..len * 8).map(Damage::Bit).chain((0..len).map(Damage::Cut))
}

impl Damage {
    fn apply(self, vfs: &SimVfs, file: &Path) {
        match self {
            Damage::Bit(bit) => vfs.corrupt(file, bit / 8, 1 << (bit % 8)).unwrap(),
            Damage::Cut(len) => vfs.truncate(file, len).unwrap(),
        }
    }
}

/// Everything of one database, and the warnings.
fn read(engine: &Engine, database: &str) -> (Content, Vec<String>) {
    let mut content = Content::new();
    let mut warnings = Vec::new();
    for metric in engine.metrics(database).unwrap() {
        let mut samples = Vec::new();
        let report = engine
            .query_range(database, &metric.name, i64::MIN, i64::MAX, 1, |sample| {
                samples.push(sample);
                ControlFlow::Continue(())
            })
            .unwrap();
        warnings.extend(report.warnings);
        if !samples.is_empty() {
            content.insert((database.to_owned(), metric.name), samples);
        }
    }
    (content, warnings)
}

/// All contents that lack at most one of these groups of rows, with the number of the group.
fn without_one(groups: &[&[Line]]) -> Vec<Content> {
    (0..=groups.len())
        .map(|lost| {
            let rest = groups.iter().enumerate().filter(|(i, _)| *i != lost);
            content_of(&rest.flat_map(|(_, rows)| *rows).copied().collect::<Vec<_>>())
        })
        .collect()
}

/// Copies that were kept beside a file, by their offset.
fn kept(vfs: &SimVfs, file: &Path) -> BTreeMap<u64, Vec<u8>> {
    let prefix = format!("{}.damaged-", file.display());
    let files = vfs.snapshot().into_iter();
    files.filter_map(|(path, bytes)| Some((path.to_str()?.strip_prefix(&prefix)?.parse().ok()?, bytes))).collect()
}

/// The neighbour database that every root here has: whatever happens to the other, it is served.
const NEIGHBOUR: Line = ("well", "a", Value::Int32(5), T);

fn check_neighbour(engine: &Engine, context: &str) {
    assert_eq!(engine.query_last("well", "a").unwrap(), Some(Sample { timestamp: T, value: int(5) }), "{context}");
}

/// Every kept copy must be what the damaged file held there.
fn check_kept(vfs: &SimVfs, file: &Path, damaged: &[u8], context: &str) -> usize {
    let copies = kept(vfs, file);
    for (offset, bytes) in &copies {
        let at = usize::try_from(*offset).unwrap();
        assert_eq!(damaged.get(at..at + bytes.len()), Some(bytes.as_slice()), "{context}: copy of {offset}");
    }
    copies.len()
}

fn wal_groups() -> Vec<Vec<Line>> {
    let mut groups = vec![
        vec![("home", "a", int(1), T)],
        vec![("home", "b", float(1.5), T), ("home", "a", int(2), T + 1)],
        vec![("home", "a", int(3), T + SECOND), ("home", "b", float(2.5), T + SECOND)],
    ];
    groups.push(vec![("home", "b", float(3.5), T + 2 * SECOND), ("home", "a", int(4), T + 2 * SECOND)]);
    groups
}

/// Ours: a batch is lost, or none.
#[test]
fn every_damage_of_our_wal_loses_one_batch_at_most() {
    let bench = Bench::new(FsyncPolicy::Always, 1_000);
    let engine = bench.open();
    send(&engine, &[NEIGHBOUR]);
    let groups = wal_groups();
    // The first record of a file is a batch of its own: sent together with the second group.
    send(&engine, &groups[..2].concat());
    let mut ends = vec![bench.file("home/home.wal").len()];
    for group in &groups[2..] {
        send(&engine, group);
        ends.push(bench.file("home/home.wal").len());
    }
    bench.kill(engine);
    let file = bench.path("home/home.wal");
    let whole = bench.file("home/home.wal");
    let groups: Vec<&[Line]> = groups.iter().map(Vec::as_slice).collect();
    let allowed = without_one(&groups);
    for damage in every_damage(whole.len()) {
        let disk = bench.fork(bench.vfs.fork(1));
        damage.apply(&disk.vfs, &file);
        let damaged = disk.file("home/home.wal");
        let reader = disk.open_read_only();
        let (seen, warnings) = read(&reader, "home");
        let engine = disk.open();
        let (found, mended) = read(&engine, "home");
        let context = format!("{damage:?}");
        let names_it = |w: &String| w.contains("/home.wal: ");
        assert!(mended.iter().all(names_it), "{context}: {mended:?}");
        assert!(mended.is_empty() == warnings.is_empty(), "{context}: a start says other than a reader: {mended:?}");
        assert!(warnings.iter().all(|w| w.contains("/home.wal: ")), "{context}: {warnings:?}");
        assert_eq!(seen, found, "{context}: a reader and recovery disagree");
        match damage {
            Damage::Bit(bit) => {
                assert!(allowed[..groups.len()].contains(&found), "{context}: {found:?}");
                let copies = check_kept(&disk.vfs, &file, &damaged, &context);
                // Damage with whole batches behind it is never thrown away. (At the end it may look like a torn write.)
                if (bit / 8) < ends[ends.len() - 2] as u64 {
                    assert_eq!(copies, 1, "{context}");
                    assert!(!warnings.is_empty(), "{context}: a reader says nothing of it");
                }
            }
            // A prefix of whole batches: the first two groups were one write, but two batches.
            Damage::Cut(len) => {
                let full = ends.iter().filter(|end| **end as u64 <= len).count();
                let complete = if full == 0 { 0 } else { full + 1 };
                let prefix = content_of(&groups[..complete].concat());
                let with_first = content_of(groups[0]);
                assert!(found == prefix || (complete == 0 && found == with_first), "{context}: {found:?}");
                assert_eq!(warnings, Vec::<String>::new(), "{context}: a torn last write is no damage");
            }
        }
        check_neighbour(&engine, &context);
        // It works on, and what was found stays.
        let newest = found.get(&("home".into(), "a".into())).map_or(0, |rows| rows.len());
        engine.add_sample("home", "a", nanotdb_core::model::Number::integer(9), Some(T + 9 * SECOND)).unwrap();
        engine.close().unwrap();
        let (again, _) = read(&disk.open(), "home");
        assert_eq!(again[&("home".to_owned(), "a".to_owned())].len(), newest + 1, "{context}");
    }
}

/// The original's WAL has no checksums: what its structure shows is found, everything before the damage is returned exactly, and
/// nothing makes the engine panic or refuse the other databases.
#[test]
fn every_damage_of_the_originals_wal_keeps_what_lies_before_it() {
    let case = "wal-killed-mid-tick";
    let vfs = SimVfs::new(1);
    vfs.load_tree(&golden().join(case).join("root"), Path::new(ROOT)).unwrap();
    let bench = Bench::on(vfs, config(FsyncPolicy::Segment, 1_000));
    let file = bench.path("pi/pi.wal");
    let whole = bench.file("pi/pi.wal");
    let catalog = nanotdb_core::maintenance::inspect::read_catalog(&bench.vfs, &bench.path("pi")).unwrap();
    let records = nanotdb_core::maintenance::inspect::wal_file(&bench.vfs, &file, &catalog).unwrap().records;
    assert!(records.len() >= 3);
    let expected = expected(case);
    for damage in every_damage(whole.len()) {
        let disk = bench.fork(bench.vfs.fork(1));
        damage.apply(&disk.vfs, &file);
        let damaged = disk.file("pi/pi.wal");
        let engine = disk.open();
        let (found, _) = read(&engine, "pi");
        let context = format!("{damage:?}");
        check_kept(&disk.vfs, &file, &damaged, &context);
        let at = match damage {
            Damage::Bit(bit) => bit / 8,
            Damage::Cut(len) => len,
        };
        let mut before: Content = expected.clone();
        for record in records.iter().filter(|r| r.offset + u64::from(r.len) > at) {
            // The newest rows of their metric: they may be lost, or changed without a trace.
            let rows = before.get_mut(&("pi".to_owned(), record.name.clone().unwrap())).unwrap();
            assert_eq!(rows.pop().map(|s| s.value.value_type()), Some(record.value_type));
        }
        for (series, rows) in before.iter().filter(|(_, rows)| !rows.is_empty()) {
            let got = found.get(series).unwrap_or_else(|| panic!("{context}: {series:?} is gone"));
            // A flipped time or id can put a row of another metric anywhere between them.
            let mut got_rows = got.iter();
            let all = rows.iter().all(|row| got_rows.any(|g| g == row));
            assert!(
                all && got.len() <= rows.len() + records.len(),
                "{context}: {series:?}: {got:?} lacks some of {rows:?}"
            );
        }
        if let Damage::Cut(_) = damage {
            before.retain(|_, rows| !rows.is_empty());
            assert_same(&found, &before, &context);
        }
        engine.close().unwrap();
        assert_same(&read(&disk.open(), "pi").0, &found, &format!("{context}, after a clean restart"));
    }
}

/// Three pages of one partition.
fn pages(bench: &Bench) -> (Vec<Vec<Line>>, Vec<usize>) {
    let engine = bench.open();
    send(&engine, &[NEIGHBOUR]);
    let mut ends = Vec::new();
    let groups: Vec<Vec<Line>> = (0..3)
        .map(|page: i64| {
            (0..3).map(|i| ("home", "a", Value::Int64((1 << 40) + page * 3 + i), T + (page * 3 + i) * SECOND)).collect()
        })
        .collect();
    for group in &groups {
        send(&engine, group);
        engine.flush().unwrap();
        ends.push(bench.file("home/data-2026-05-22.dat").len());
    }
    engine.close().unwrap();
    (groups, ends)
}

#[test]
fn every_damage_of_a_data_file_loses_one_page_at_most() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let (groups, ends) = pages(&bench);
    let name = "home/data-2026-05-22.dat";
    let file = bench.path(name);
    let groups: Vec<&[Line]> = groups.iter().map(Vec::as_slice).collect();
    for damage in every_damage(bench.file(name).len()) {
        let disk = bench.fork(bench.vfs.fork(1));
        damage.apply(&disk.vfs, &file);
        let damaged = disk.file(name);
        let context = format!("{damage:?}");
        let (lost, rest): (Option<usize>, Content) = match damage {
            Damage::Bit(bit) => {
                let page = ends.iter().position(|end| bit / 8 < *end as u64).unwrap();
                (Some(page), without_one(&groups).swap_remove(page))
            }
            Damage::Cut(len) => {
                let pages = ends.iter().filter(|end| **end as u64 <= len).count();
                (None, content_of(&groups[..pages].concat()))
            }
        };
        let (seen, warnings) = read(&disk.open_read_only(), "home");
        assert_same(&seen, &rest, &format!("{context}, reading"));
        if let Some(page) = lost {
            let names_it = |w: &String| w.contains(file.to_str().unwrap());
            assert!(!warnings.is_empty() && warnings.iter().all(names_it), "{context}, page {page}: {warnings:?}");
            let report = verify(Path::new(ROOT), None, disk.config.clone(), disk.options()).unwrap();
            assert!(report.problems.iter().any(|p| p.file == file), "{context}: verify says nothing");
        }
        let engine = disk.open();
        check_neighbour(&engine, &context);
        let (seen, _) = read(&engine, "home");
        assert_same(&seen, &rest, &format!("{context}, open for writing"));
        // The next page goes behind what is whole; damaged bytes are kept beside the file, or still in it.
        let next: Line = ("home", "a", Value::Int64(7), T + 20 * SECOND);
        send(&engine, &[next]);
        engine.close().unwrap();
        let (found, _) = read(&disk.open(), "home");
        let mut more = rest;
        let series = ("home".to_owned(), "a".to_owned());
        more.entry(series).or_default().push(Sample { timestamp: next.3, value: next.2 });
        assert_same(&found, &more, &format!("{context}, written to"));
        check_kept(&disk.vfs, &file, &damaged, &context);
        if let Damage::Bit(bit) = damage {
            let at = usize::try_from(bit / 8).unwrap();
            let in_copy = kept(&disk.vfs, &file).iter().any(|(from, bytes)| {
                let from = usize::try_from(*from).unwrap();
                (from..from + bytes.len()).contains(&at)
            });
            assert!(in_copy || disk.file(name).get(at) == damaged.get(at), "{context}: the damaged bytes are gone");
        }
    }
}

/// What is read and written of data files, which may not be more than so much.
struct Counted {
    most: u64,
    read: AtomicU64,
    /// Bytes of the largest buffer.
    largest: AtomicUsize,
}

impl Counted {
    fn largest(&self, path: &Path, len: usize) -> bool {
        let is_data = path.file_name().unwrap().to_str().unwrap().starts_with("data-");
        if is_data {
            self.largest.fetch_max(len, Ordering::Relaxed);
        }
        is_data
    }
}

impl Hooks for Counted {
    fn read(&self, path: &Path, len: usize) {
        if self.largest(path, len) {
            let read = self.read.fetch_add(len as u64, Ordering::Relaxed);
            assert!(read <= self.most, "more than {} bytes are read", self.most);
        }
    }

    fn write(&self, path: &Path, len: usize) {
        self.largest(path, len);
    }
}

/// In a partition without ends nearly half of all random bytes look like the header of a page, of up to 2 MB.
#[test]
fn garbage_costs_a_few_times_its_length_and_little_memory() {
    const GARBAGE: usize = 10_000_000;
    let mut bench = Bench::new(FsyncPolicy::Segment, 1_000);
    bench.config.manifest_defaults.retention.partition = "forever".into();
    let name = "home/data-forever.dat";
    let engine = bench.open();
    let mut groups = Vec::new();
    let mut ends = Vec::new();
    for page in 0..3 {
        let group: Vec<Line> = (0..300).map(|at| ("home", "a", int(page), T + i64::from(page * 300 + at))).collect();
        send(&engine, &group);
        engine.flush().unwrap();
        ends.push(bench.file(name).len());
        groups.extend(group);
    }
    engine.close().unwrap();
    let whole = bench.file(name);
    let mut rng = Rng(11);
    let mut garbage = || (0..GARBAGE / 8).flat_map(|_| rng.next().to_le_bytes()).collect::<Vec<u8>>();
    let (first, last) = (garbage(), garbage());
    // Behind the first page, and at the end.
    let damaged = [&whole[..ends[0]], &first, &whole[ends[0]..], &last].concat();
    bench.vfs.put(&bench.path(name), &damaged).unwrap();

    // To look for pages, to read what may have been one, and to copy what was none.
    let most = 8 * damaged.len() as u64;
    let hooks = Arc::new(Counted { most, read: AtomicU64::new(0), largest: AtomicUsize::new(0) });
    let vfs = Arc::new(HookedVfs { inner: bench.vfs.process(), hooks: Arc::clone(&hooks) });
    let engine = Engine::open_with(Path::new(ROOT), bench.config.clone(), EngineOptions { vfs, ..bench.options() });
    let engine = engine.unwrap();
    assert_same(&read(&engine, "home").0, &content_of(&groups), "with garbage");
    groups.push(("home", "a", int(7), T + 20 * SECOND));
    send(&engine, &groups[groups.len() - 1..]);
    engine.flush().unwrap();
    assert_same(&read(&engine, "home").0, &content_of(&groups), "written to");
    engine.close().unwrap();
    let largest = hooks.largest.load(Ordering::Relaxed);
    assert!(largest <= 3 << 20, "{largest} bytes at once");
    let kept = kept(&bench.vfs, &bench.path(name));
    let at = ends[0];
    assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [at as u64, (damaged.len() - last.len()) as u64]);
    assert!(kept.values().eq([&first, &last]), "the copies are not what was there");
    assert_eq!(bench.file(name)[..at + first.len()], damaged[..at + first.len()], "damage in the middle stays there");
}

/// catalog.json and manifest.toml have no checksum: a database opens, or is reported with the file's name; the other is served, and
/// a second start says the same.
#[test]
fn every_damage_of_catalog_and_manifest_is_reported_or_harmless() {
    let bench = Bench::new(FsyncPolicy::Segment, 1_000);
    let engine = bench.open();
    send(&engine, &[NEIGHBOUR, ("home", "room.temp", float(1.5), T), ("home", "count", int(3), T)]);
    engine.close().unwrap();
    for name in ["home/catalog.json", "home/manifest.toml"] {
        let file: PathBuf = bench.path(name);
        let whole = bench.file(name);
        let mut reported = 0;
        // Manifests are long: every bit of the first part, then one bit of each byte.
        let damages = every_damage(whole.len()).filter(|damage| match damage {
            Damage::Bit(bit) => *bit < 2_400 || bit % 8 == (bit / 8) % 7,
            Damage::Cut(_) => true,
        });
        for damage in damages {
            let disk = bench.fork(bench.vfs.fork(1));
            damage.apply(&disk.vfs, &file);
            let damaged = disk.file(name);
            let context = format!("{name}: {damage:?}");
            let mut outcomes = Vec::new();
            for start in 0..3 {
                let engine = if start == 0 { disk.open_read_only() } else { disk.try_open().unwrap() };
                check_neighbour(&engine, &context);
                for (database, reason) in engine.health() {
                    assert_eq!(database, "home", "{context}");
                    assert!(reason.contains(file.file_name().unwrap().to_str().unwrap()), "{context}: {reason}");
                    assert!(engine.query_last("home", "count").is_err(), "{context}: it must not look empty");
                    assert!(engine.add_sample("home", "count", nanotdb_core::model::Number::integer(1), None).is_err());
                }
                outcomes.push(engine.health().is_empty());
                engine.close().unwrap();
            }
            // A reader needs no codec for new pages.
            assert!(outcomes[1] == outcomes[2] && (outcomes[0] || !outcomes[1]), "{context}: {outcomes:?}");
            if !outcomes[1] {
                reported += 1;
                assert!(disk.file(name) == damaged, "{context}: a file that could not be read was changed");
            }
        }
        assert!(reported > whole.len() / 2, "{name}: {reported}");
    }
}

/// Whole frames in the wrong order, which no checksum finds: within a file, and from `raw-` to `data-`.
#[test]
fn verify_finds_frames_that_go_back_in_time() {
    let problems = |bench: &Bench| {
        let report = verify(Path::new(ROOT), None, bench.config.clone(), bench.options()).unwrap();
        report.problems.into_iter().map(|p| p.what).collect::<Vec<_>>()
    };
    for split in [false, true] {
        let bench = Bench::new(FsyncPolicy::Always, 1_000);
        let engine = bench.open();
        send(&engine, &[("home", "a", int(1), T)]);
        engine.flush().unwrap();
        let first = bench.file("home/data-2026-05-22.dat");
        send(&engine, &[("home", "a", int(2), T + SECOND)]);
        engine.close().unwrap();
        let both = bench.file("home/data-2026-05-22.dat");
        assert_eq!(problems(&bench), Vec::<String>::new());
        let second = both.strip_prefix(first.as_slice()).unwrap();
        let data = bench.path("home/data-2026-05-22.dat");
        if split {
            bench.vfs.put(&bench.path("home/raw-2026-05-22.dat"), second).unwrap();
            bench.vfs.put(&data, &first).unwrap();
        } else {
            bench.vfs.put(&data, &[second, &first].concat()).unwrap();
        }
        let found = problems(&bench);
        assert!(matches!(found.as_slice(), [what] if what.contains("goes back in time")), "{split}: {found:?}");
    }
}
