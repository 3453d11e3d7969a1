use super::*;
use crate::body::BodyLimits;
use crate::served::app_on;
use http::HeaderValue;
use nanotdb_core::engine::Rejection;
use nanotdb_core::plugin::{IngestError, IngestParser, SampleSink};
use nanotdb_core::storage::vfs::sim::SimVfs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn totals_list_rejections_only_when_there_are_any() {
    let mut out = Vec::new();
    let mut totals = BatchOutcome { accepted: 83, ..BatchOutcome::default() };
    write_totals(&totals, false, &mut out);
    assert_eq!(out, br#"{"imported":83}"#);
    totals.rejected = 2;
    totals.rejections =
        vec![Rejection { line: 3, reason: "no \"value\"".into() }, Rejection { line: 9, reason: "late".into() }];
    out.clear();
    write_totals(&totals, false, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"imported":83,"rejected":2,"errors":[{"line":3,"error":"no \"value\""},{"line":9,"error":"late"}]}"#
    );
}

/// A format that can do nothing before it has all of its input, as those that no part of an engine has.
struct Whole;

static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);

impl IngestFormat for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }
    fn about(&self) -> &'static str {
        "needs all of its input"
    }
    fn content_types(&self) -> &'static [&'static str] {
        &[]
    }
    fn parser(&self, _: &IngestOptions) -> Box<dyn IngestParser> {
        Box::new(Self)
    }
}

impl IngestParser for Whole {
    fn parse(&mut self, input: &[u8], end: bool, _: &mut dyn SampleSink) -> Result<usize, IngestError> {
        LOOKED_AT.fetch_add(input.len(), Ordering::SeqCst);
        Ok(if end { input.len() } else { 0 })
    }
}

#[test]
fn a_format_that_needs_its_whole_input_does_not_look_at_it_once_for_each_piece() {
    let app = app_on(&SimVfs::new(3));
    let mut import = Import::new(&app, Format::Known(&Whole), IngestOptions::default());
    let (piece, pieces) = ([b'x'; 1_000], 1_000);
    for _ in 0..pieces {
        import.feed(&piece, false).unwrap();
    }
    import.feed(&[], true).unwrap();
    let looked_at = LOOKED_AT.load(Ordering::SeqCst);
    assert!(looked_at < 4 * piece.len() * pieces, "{looked_at} bytes of {}", piece.len() * pieces);
}

/// The bytes of a large body are a small part of what it is decoded to.
#[test]
fn a_large_import_lets_others_have_their_turn_and_holds_one_batch() {
    let app = app_on(&SimVfs::new(3));
    let lines = 600_000;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all("demo/m 1\n".repeat(lines).as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    assert!(body.len() < 100_000, "{}", body.len());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (turns, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
        let other = async {
            while !ended.load(Ordering::SeqCst) {
                turns.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        };
        let import = async {
            let limits = BodyLimits { sent: u64::MAX, decoded: u64::MAX };
            let mut decoder = Decoder::new(Some(&HeaderValue::from_static("gzip")), limits).unwrap();
            let format = registry().ingest_format("line_protocol").unwrap();
            let mut import = Import::new(&app, Format::Known(format), IngestOptions::default());
            import.take(&mut decoder, &body).await.unwrap();
            assert!(import.buffers.as_ref().unwrap().batch.len() < BATCH_SAMPLES);
            assert!(import.owed.is_empty());
            decoder.finish(&mut |bytes| import.feed(bytes, false)).unwrap();
            import.feed(&[], true).unwrap();
            import.store(true).await.unwrap();
            ended.store(true, Ordering::SeqCst);
            import.totals.accepted
        };
        let (accepted, ()) = tokio::join!(import, other);
        assert_eq!(accepted, lines as u64);
        let slices = lines * 9 / SLICE;
        assert!(turns.load(Ordering::SeqCst) > slices, "{turns:?} turns during {slices} slices");
    });
}

#[test]
fn what_waits_for_the_next_piece_is_stored_when_there_is_no_memory_for_it() {
    let app = app_on(&SimVfs::new(3));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let format = registry().ingest_format("line_protocol").unwrap();
        let mut import = Import::new(&app, Format::Known(format), IngestOptions::default());
        let lines = "demo/m 1\n".repeat(5_000);
        import.feed(lines.as_bytes(), false).unwrap();
        import.keep_within_memory().await.unwrap();
        assert!(import.waiting.is_some() && import.totals.accepted == 0);
        import.feed(lines.as_bytes(), false).unwrap();
        let all = (0..).map_while(|_| app.memory.share(64 << 10)).collect::<Vec<_>>();
        import.waiting = None;
        let rest = (0..).map_while(|_| app.memory.share(64 << 10)).collect::<Vec<_>>();
        import.keep_within_memory().await.unwrap();
        assert!(import.waiting.is_none() && import.totals.accepted == 10_000, "{:?}", import.totals);
        drop((all, rest));
    });
}

#[test]
fn slices_end_behind_lines() {
    assert_eq!(slice_end(b"a/b 1\na/b"), 9, "all of what is short");
    let mut long = vec![b'x'; SLICE + 10];
    assert_eq!(slice_end(&long), SLICE);
    long[1_000] = b'\n';
    assert_eq!(slice_end(&long), 1_001);
}

#[test]
fn buffers_of_a_large_request_are_not_kept_large() {
    let pool = BufferPool::of(u64::MAX);
    for _ in 0..POOLED + 5 {
        let mut buffers = Buffers::default();
        buffers.rest.resize(16 * POOLED_REST, 1);
        pool.put(buffers);
    }
    let kept = pool.kept.lock().unwrap();
    assert_eq!(kept.len(), POOLED, "and no more");
    for buffers in kept.iter() {
        assert!(buffers.rest.is_empty() && buffers.rest.capacity() <= 2 * POOLED_REST);
    }
    drop(kept);
    assert!(pool.take().rest.is_empty());
    assert_eq!(BufferPool::of(16 << 20).most, 1, "a small machine keeps one");
}
