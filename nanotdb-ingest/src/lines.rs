//! Cuts input that arrives in pieces into lines, and skips lines that are too long without buffering them.

use crate::excerpt::excerpt;
use memchr::memchr;
use nanotdb_core::plugin::{IngestOptions, SampleSink};

const DEFAULT_MAX_LINE_BYTES: usize = 65_536;
/// No line of the usual form is longer.
pub(crate) const USUAL_LINE_BYTES: usize = 512;

/// Where in the input a parser is.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Lines that have ended.
    finished: u64,
    /// Longest accepted line, without its newline.
    limit: usize,
    /// The current line is too long, was rejected, and is skipped up to its newline.
    skipping: bool,
}

impl Lines {
    pub(crate) fn new(options: &IngestOptions) -> Self {
        let limit = if options.max_line_bytes == 0 { DEFAULT_MAX_LINE_BYTES } else { options.max_line_bytes };
        Self { finished: 0, limit, skipping: false }
    }

    /// Calls `each` with every complete line (without `\n` or `\r\n`) and its number, and returns the bytes used:
    /// those of complete and of overlong lines, or with `end` all.
    ///
    /// `usual` is tried before the end of the line is looked for: it may take a line of the usual form off the front of
    /// its input, newline included, and returns how many bytes that were.
    #[inline]
    pub(crate) fn parse(
        &mut self,
        input: &[u8],
        end: bool,
        sink: &mut dyn SampleSink,
        usual: impl Fn(u64, &[u8], &mut dyn SampleSink) -> Option<usize>,
        mut each: impl FnMut(u64, &[u8], &mut dyn SampleSink),
    ) -> usize {
        let mut rest = input;
        loop {
            if !self.skipping
                && self.limit >= USUAL_LINE_BYTES
                && let Some(used) = usual(self.finished + 1, rest, sink)
                && let Some(tail) = rest.get(used..)
            {
                self.finished += 1;
                rest = tail;
                continue;
            }
            let Some(at) = memchr(b'\n', rest) else { break };
            let Some((line, tail)) = rest.split_at_checked(at) else { break };
            rest = tail.get(1..).unwrap_or_default();
            self.finished += 1;
            if self.skipping {
                self.skipping = false;
            } else if line.len() > self.limit {
                self.reject_overlong(self.finished, line, sink);
            } else {
                each(self.finished, line.strip_suffix(b"\r").unwrap_or(line), sink);
            }
        }
        if self.skipping {
            return input.len();
        }
        if rest.len() > self.limit {
            self.reject_overlong(self.finished + 1, rest, sink);
            self.skipping = true;
            return input.len();
        }
        if !end {
            return input.len() - rest.len();
        }
        if !rest.is_empty() {
            each(self.finished + 1, rest.strip_suffix(b"\r").unwrap_or(rest), sink);
        }
        input.len()
    }

    #[cold]
    fn reject_overlong(&self, number: u64, line: &[u8], sink: &mut dyn SampleSink) {
        // What is quoted must not depend on how much of the line has arrived.
        let head = line.get(..self.limit).unwrap_or(line);
        let reason = format!(
            "line is longer than {} bytes, which is the limit on one line (limits.max_line_bytes): {}; check that lines end with a newline",
            self.limit,
            excerpt(head)
        );
        sink.reject(number, reason);
    }
}
