//! Codecs that fail, panic, or lose what they were given: the trouble of one database, and none of its samples.

use crate::common::bench::{Bench, Line, SECOND, content_of, int, send, try_send};
use crate::common::oracle::START;
use crate::common::{assert_same, read, read_all};
use nanotdb_core::Error;
use nanotdb_core::config::FsyncPolicy;
use nanotdb_core::engine::Engine;
use nanotdb_core::format::{get_uvarint, put_uvarint};
use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin, conformance, inventory};
use std::sync::atomic::{AtomicBool, Ordering};

/// What [`Moody`] does.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Fails,
    Panics,
    /// Encodes what decodes to something else.
    Forgets,
    /// Encodes what cannot be decoded.
    Scrambles,
}

/// A codec that works until it is told not to. There is one per mood, since tests run at the same time.
struct Moody {
    id: u16,
    name: &'static str,
    mood: Mood,
    bad: AtomicBool,
}

impl Moody {
    const fn new(id: u16, name: &'static str, mood: Mood) -> Self {
        Self { id, name, mood, bad: AtomicBool::new(false) }
    }

    fn is_bad(&self) -> bool {
        self.bad.load(Ordering::SeqCst)
    }
}

impl Codec for Moody {
    fn id(&self) -> u16 {
        self.id
    }
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        "for tests"
    }
    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut input = input.to_vec();
        if self.is_bad() {
            match self.mood {
                Mood::Fails => return Err(CodecError::new("the accelerator is gone")),
                Mood::Panics => panic!("index out of bounds, on purpose"),
                // The last byte is of a value.
                Mood::Forgets => input.last_mut().into_iter().for_each(|byte| *byte ^= 1),
                Mood::Scrambles => input.push(0),
            }
        }
        out.extend(input.iter().map(|b| !b));
        Ok(())
    }
    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.is_bad() && self.mood == Mood::Panics {
            panic!("index out of bounds, on purpose");
        }
        if input.len() != decoded_len {
            return Err(CodecError::new("wrong length"));
        }
        out.extend(input.iter().map(|b| !b));
        Ok(())
    }
}

static FAILS: Moody = Moody::new(40_010, "fails", Mood::Fails);
static PANICS: Moody = Moody::new(40_011, "panics", Mood::Panics);
static FORGETS: Moody = Moody::new(40_012, "forgets", Mood::Forgets);
static SCRAMBLES: Moody = Moody::new(40_013, "scrambles", Mood::Scrambles);
static FILLS: Moody = Moody::new(40_014, "fills", Mood::Fails);
static DECODES: Moody = Moody::new(40_015, "decodes", Mood::Panics);
static LEAVES: Moody = Moody::new(40_016, "leaves", Mood::Panics);

inventory::submit! { CodecPlugin(&FAILS) }
inventory::submit! { CodecPlugin(&PANICS) }
inventory::submit! { CodecPlugin(&FORGETS) }
inventory::submit! { CodecPlugin(&SCRAMBLES) }
inventory::submit! { CodecPlugin(&FILLS) }
inventory::submit! { CodecPlugin(&DECODES) }
inventory::submit! { CodecPlugin(&LEAVES) }

/// Says that its blocks are S2: they begin as one does, and are none.
struct FakeS2;

impl Codec for FakeS2 {
    fn id(&self) -> u16 {
        40_002
    }
    fn name(&self) -> &'static str {
        "fake_s2"
    }
    fn about(&self) -> &'static str {
        "length, then every bit flipped"
    }
    fn is_s2_block(&self) -> bool {
        true
    }
    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        put_uvarint(out, input.len() as u64);
        out.extend(input.iter().map(|b| !b));
        Ok(())
    }
    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let Some((len, at)) = get_uvarint(input) else { return Err(CodecError::new("no length")) };
        if len != decoded_len as u64 || input.len() != decoded_len + at {
            return Err(CodecError::new("wrong length"));
        }
        out.extend(input[at..].iter().map(|b| !b));
        Ok(())
    }
}

inventory::submit! { CodecPlugin(&FakeS2) }

/// Databases that are made get this codec; those that are there keep theirs.
fn bench(codec: &str) -> Bench {
    let mut bench = Bench::new(FsyncPolicy::Always, 1_000);
    bench.config.manifest_defaults.page.codec = codec.into();
    bench
}

fn rows(database: &'static str, from: i32, count: i32) -> Vec<Line> {
    (from..from + count).map(|at| (database, "m", int(at), START + i64::from(at) * SECOND)).collect()
}

fn close(engine: Engine) {
    engine.close().unwrap();
    drop(engine);
}

#[test]
fn pages_of_a_codec_that_says_s2_and_is_not_are_read_again() {
    let error = conformance::codec(&FakeS2).unwrap_err();
    assert!(error.contains("is_s2_block, but codec s2 cannot read"), "{error}");
    let bench = bench("fake_s2");
    let engine = bench.open();
    let lines = rows("a", 0, 1_000);
    send(&engine, &lines);
    close(engine);
    assert_same(&read_all(&bench.open()), &content_of(&lines), "after a restart");
}

/// A database beside it, whose codec is one of ours.
fn with_neighbour(bench: &mut Bench, codec: &str) -> Vec<Line> {
    bench.config.manifest_defaults.page.codec = "s2".into();
    let engine = bench.open();
    let lines = rows("well", 0, 5);
    send(&engine, &lines);
    close(engine);
    bench.config.manifest_defaults.page.codec = codec.into();
    lines
}

/// Whatever a codec does at a flush: samples are acknowledged, read, and there after the next start; a warning says which codec of
/// which file; the neighbour is served; closing is no error; and when the codec works again, everything is as ever.
fn at_a_flush(codec: &'static Moody, reason: &str) {
    let mut bench = bench(codec.name);
    let mut lines = with_neighbour(&mut bench, codec.name);
    let engine = bench.open();
    let first = rows("bad", 0, 10);
    send(&engine, &first);
    lines.extend(first);
    engine.flush().unwrap();
    let before = bench.file("bad/data-2026-05-22.dat");
    codec.bad.store(true, Ordering::SeqCst);
    let more = rows("bad", 10, 10);
    send(&engine, &more);
    lines.extend(more);
    engine.flush().unwrap_err();
    let says = |engine: &Engine| {
        // It takes samples: something to know, and no failure.
        assert_eq!(engine.health(), []);
        let warnings = engine.warnings();
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert_eq!((warning.database.as_str(), warning.since), ("bad", None));
        for part in ["data-2026-05-22.dat", codec.name, reason] {
            assert!(warning.text.contains(part), "{part} in {}", warning.text);
        }
    };
    says(&engine);
    // Goes on, and none of the failed page is in the file.
    let more = rows("bad", 20, 10);
    send(&engine, &more);
    lines.extend(more);
    let neighbour = rows("well", 5, 5);
    send(&engine, &neighbour);
    lines.extend(neighbour);
    engine.flush().unwrap_err();
    assert_eq!(bench.file("bad/data-2026-05-22.dat"), before);
    let neighbours = |lines: &[Line]| lines.iter().filter(|line| line.0 == "well").copied().collect::<Vec<_>>();
    let expected = content_of(&neighbours(&lines));
    assert_eq!(read(&engine, "well", "m"), expected[&("well".to_owned(), "m".to_owned())]);
    close(engine);

    // The next start, while it is as bad.
    let engine = bench.try_open().unwrap();
    assert_eq!(read(&engine, "well", "m"), expected[&("well".to_owned(), "m".to_owned())]);
    if codec.mood != Mood::Panics {
        assert_same(&read_all(&engine), &content_of(&lines), "a start while the codec fails");
    }
    close(engine);

    codec.bad.store(false, Ordering::SeqCst);
    let engine = bench.open();
    assert_same(&read_all(&engine), &content_of(&lines), "the codec works again");
    engine.flush().unwrap();
    assert_eq!((engine.health(), engine.warnings()), (vec![], vec![]));
    close(engine);
    assert_same(&read_all(&bench.open()), &content_of(&lines), "after its pages were written");
}

#[test]
fn a_codec_that_fails_at_a_flush() {
    at_a_flush(&FAILS, "the accelerator is gone");
}

#[test]
fn a_codec_that_panics_at_a_flush() {
    at_a_flush(&PANICS, "it panicked: index out of bounds, on purpose");
}

#[test]
fn a_page_that_is_another_one_when_it_is_read_back_never_replaces_its_rows() {
    at_a_flush(&FORGETS, "is another one when it is read back");
}

#[test]
fn a_page_that_cannot_be_read_back_never_replaces_its_rows() {
    at_a_flush(&SCRAMBLES, "cannot be read back");
}

/// Rows that cannot be flushed are held to a bound. Nothing is wrong with the batch that meets it.
#[test]
fn batches_are_refused_before_rows_that_cannot_be_flushed_fill_the_memory() {
    const BOUND: usize = 262_144;
    let bench = bench("fills");
    let engine = bench.open();
    FILLS.bad.store(true, Ordering::SeqCst);
    let mut taken = 0;
    let refusal = loop {
        let lines: Vec<Line> = (0..20_000).map(|at| ("bad", "m", int(at), START + taken as i64)).collect();
        match crate::common::bench::try_send(&engine, &lines) {
            Ok(outcome) => taken += outcome.accepted as usize,
            Err(error) => break error,
        }
        assert!(taken <= 8 * BOUND, "{taken} rows are in memory");
    };
    assert!(matches!(&refusal, Error::ReadOnly { reason, .. } if reason.contains("codec fills")), "{refusal}");
    assert!(taken >= 4_000, "{taken}");
    // Now it is out.
    let health = engine.health();
    assert!(health.len() == 1 && health[0].0 == "bad" && health[0].1.contains("codec fills"), "{health:?}");
    assert_eq!(engine.warnings(), []);
    FILLS.bad.store(false, Ordering::SeqCst);
    engine.flush().unwrap();
    assert_eq!(engine.health(), []);
    send(&engine, &[("bad", "m", int(1), START + taken as i64 + 1)]);
    assert_eq!(read(&engine, "bad", "m").len(), taken + 1);
}

/// Killed between a page and the end of its flush, rows are in both; whether they are, only the codec can tell.
#[test]
fn r21_rows_of_a_page_that_no_codec_reads_are_not_written_twice() {
    let bench = bench("leaves");
    let engine = bench.open();
    let lines = rows("pi", 0, 10);
    send(&engine, &lines);
    let log = bench.file("pi/pi.wal");
    engine.flush().unwrap();
    bench.kill(engine);
    bench.vfs.put(&bench.path("pi/pi.wal"), &log).unwrap();
    let whole = bench.vfs.fork(1);
    // What a start does with it while the codec is away must not matter.
    LEAVES.bad.store(true, Ordering::SeqCst);
    let manifest = String::from_utf8(bench.file("pi/manifest.toml")).unwrap();
    let other = manifest.replace("codec = \"leaves\"", "codec = \"s2\"");
    assert_ne!(manifest, other);
    bench.vfs.put(&bench.path("pi/manifest.toml"), other.as_bytes()).unwrap();
    let engine = bench.try_open().unwrap();
    let mut found = Vec::new();
    let each = |sample| {
        found.push(sample);
        std::ops::ControlFlow::Continue(())
    };
    let warnings = engine.query_range("pi", "m", i64::MIN, i64::MAX, 1, each).unwrap().warnings;
    assert_eq!(found, content_of(&lines)[&("pi".to_owned(), "m".to_owned())], "by the log");
    assert!(warnings.iter().any(|text| text.contains("codec leaves")), "{warnings:?}");
    let health = engine.health();
    assert!(matches!(&health[..], [(name, why)] if name == "pi" && why.contains("leaves")), "{health:?}");
    assert!(try_send(&engine, &rows("pi", 10, 1)).is_err(), "nothing is guessed");
    let _ = engine.flush();
    let _ = engine.close();
    drop(engine);
    LEAVES.bad.store(false, Ordering::SeqCst);
    for disk in [bench.vfs.fork(2), whole] {
        let bench = bench.fork(disk);
        let engine = bench.open();
        assert_same(&read_all(&engine), &content_of(&lines), "once");
        send(&engine, &rows("pi", 10, 1));
        close(engine);
        assert_same(&read_all(&bench.open()), &content_of(&rows("pi", 0, 11)), "and it goes on");
    }
}

/// A panic while pages are read: a warning of that page, in a query, in a look-up, in a start.
#[test]
fn a_codec_that_panics_when_it_decodes_costs_its_own_pages_only() {
    let mut bench = bench("decodes");
    let neighbour = with_neighbour(&mut bench, "decodes");
    let engine = bench.open();
    let lines = rows("bad", 0, 10);
    send(&engine, &lines);
    close(engine);
    DECODES.bad.store(true, Ordering::SeqCst);
    let engine = bench.open();
    let mut found = 0;
    let report = engine.query_range("bad", "m", i64::MIN, i64::MAX, 1, |_| {
        found += 1;
        std::ops::ControlFlow::Continue(())
    });
    let warnings = report.unwrap().warnings;
    assert_eq!(found, 0);
    // It takes samples, and others are served: what cannot be read is said by the answers.
    assert_eq!(engine.health(), []);
    assert!(warnings.iter().any(|text| text.contains("codec decodes (40015): it panicked")), "{warnings:?}");
    let expected = content_of(&neighbour);
    assert_eq!(read(&engine, "well", "m"), expected[&("well".to_owned(), "m".to_owned())]);
    close(engine);
    DECODES.bad.store(false, Ordering::SeqCst);
    let lines: Vec<Line> = lines.into_iter().chain(neighbour).collect();
    assert_same(&read_all(&bench.open()), &content_of(&lines), "nothing was cut off");
}
