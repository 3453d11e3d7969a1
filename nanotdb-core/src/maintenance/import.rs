//! A stream of bytes in any ingest format, into an engine.

use crate::engine::{Batch, BatchOutcome, Engine, Rejection};
use crate::plugin::{CheckedParser, IngestFailure, IngestFormat, IngestOptions};
use crate::{Error, Result};
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

/// The format when none is named.
pub const DEFAULT_FORMAT: &str = "line_protocol";

/// How the error begins when the input fails.
pub const UNREADABLE: &str = "the input cannot be read";

/// Samples that are written at a time.
const BATCH_SAMPLES: usize = 32_768;
/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Samples stored.
    pub accepted: u64,
    /// Lines refused.
    pub rejected: u64,
    /// The first [`Batch::MAX_REPORTED`] of them, with line numbers.
    pub rejections: Vec<Rejection>,
    /// Bytes parsed, after decompression.
    pub bytes: u64,
}

impl ImportReport {
    fn add(&mut self, outcome: BatchOutcome) {
        self.accepted += outcome.accepted;
        self.rejected += outcome.rejected;
        let room = Batch::MAX_REPORTED.saturating_sub(self.rejections.len());
        self.rejections.extend(outcome.rejections.into_iter().take(room));
    }
}

/// Reads `input` to its end and stores its samples. A bad line never keeps the good ones out. `progress` is called
/// with the report so far. One batch is parsed while the one before it is stored, on another thread.
///
/// When it fails, the samples counted in `report` are stored all the same.
pub fn import(
    engine: &Engine,
    format: &dyn IngestFormat,
    options: &IngestOptions,
    input: &mut dyn Read,
    report: &mut ImportReport,
    progress: &mut dyn FnMut(&ImportReport),
) -> Result<()> {
    std::thread::scope(|scope| {
        let (to_store, batches) = sync_channel::<Batch>(1);
        let (to_parse, stored) = channel();
        scope.spawn(move || store(engine, &batches, &to_parse));
        let mut parser = CheckedParser::new(format, options);
        let mut pending = Pending::new(engine.config().limits.max_decoded_body_bytes);
        let mut batch = Batch::from_outside();
        let mut spare = Some(Batch::from_outside());
        let mut parse = || -> Result<()> {
            loop {
                let end = pending.fill(input)?;
                let parser = parser.as_mut().map_err(|failure| failed(format, failure.clone()))?;
                let parsed = parser.parse(pending.bytes(), end, &mut batch);
                let used = parsed.map_err(|failure| failed(format, failure))?;
                report.bytes += used as u64;
                pending.consume(used);
                if end || batch.len() >= BATCH_SAMPLES {
                    let next = match spare.take() {
                        Some(empty) => empty,
                        None => {
                            let Ok((empty, outcome)) = stored.recv() else { return Ok(()) };
                            report.add(outcome?);
                            progress(report);
                            empty
                        }
                    };
                    // It takes no more after an error, which is what is received then.
                    let _ = to_store.send(std::mem::replace(&mut batch, next));
                }
                if end {
                    return Ok(());
                }
            }
        };
        let parsed = parse();
        drop(to_store);
        let mut outcome = parsed;
        for (_, stored) in stored {
            match stored {
                Ok(stored) => {
                    report.add(stored);
                    progress(report);
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    })
}

fn failed(format: &dyn IngestFormat, failure: IngestFailure) -> Error {
    match failure {
        IngestFailure::Input(error) => Error::bad_input(format!("not {}: {error}", format.name())),
        IngestFailure::Contract(reason) => Error::BadInput(reason),
    }
}

/// Stores batches as they come, and hands them back empty, until one fails.
fn store(engine: &Engine, batches: &Receiver<Batch>, done: &Sender<(Batch, Result<BatchOutcome>)>) {
    for mut batch in batches {
        let outcome = engine.write_batch(&mut batch);
        let failed = outcome.is_err();
        batch.clear();
        if done.send((batch, outcome)).is_err() || failed {
            return;
        }
    }
}

/// Bytes that were read and not parsed yet: less than a line as a rule, but a format may ask for more before it starts.
struct Pending {
    buffer: Vec<u8>,
    limit: usize,
}

impl Pending {
    fn new(limit: u64) -> Self {
        Self { buffer: Vec::with_capacity(CHUNK), limit: usize::try_from(limit).unwrap_or(usize::MAX) }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads another chunk behind what is there. True at the end of the input.
    fn fill(&mut self, input: &mut dyn Read) -> Result<bool> {
        if self.buffer.len() >= self.limit {
            return Err(Error::Limit {
                key: "limits.max_decoded_body_bytes",
                limit: self.limit as u64,
                detail: "so many bytes without a complete record".into(),
            });
        }
        let got = input
            .take(CHUNK as u64)
            .read_to_end(&mut self.buffer)
            .map_err(|e| Error::bad_input(format!("{UNREADABLE}: {e}")))?;
        Ok(got < CHUNK)
    }

    fn consume(&mut self, used: usize) {
        self.buffer.drain(..used.min(self.buffer.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_bytes_come_in_order_and_the_end_is_seen() {
        let data: Vec<u8> = (0..CHUNK + 10).map(|i| i as u8).collect();
        let mut input = data.as_slice();
        let mut pending = Pending::new(1 << 20);
        assert!(!pending.fill(&mut input).unwrap());
        pending.consume(CHUNK - 3);
        assert!(pending.fill(&mut input).unwrap());
        assert_eq!(pending.bytes(), &data[CHUNK - 3..]);
    }

    #[test]
    fn a_record_that_never_ends_meets_the_limit() {
        let mut input = std::io::repeat(b'x');
        let mut pending = Pending::new(CHUNK as u64);
        assert!(!pending.fill(&mut input).unwrap());
        let e = pending.fill(&mut input).unwrap_err();
        assert!(e.to_string().contains("max_decoded_body_bytes"), "{e}");
    }

    #[test]
    fn only_the_first_rejections_are_kept_but_all_are_counted() {
        let mut report = ImportReport::default();
        for line in 0..30 {
            let rejections = vec![Rejection { line, reason: "bad".into() }];
            report.add(BatchOutcome { accepted: 2, rejected: 1, rejections, ..BatchOutcome::default() });
        }
        assert_eq!((report.accepted, report.rejected, report.rejections.len()), (60, 30, Batch::MAX_REPORTED));
        assert_eq!(report.rejections.last().map(|r| r.line), Some(19));
    }
}
