//! Conformance kit for [`IngestFormat`].

use super::random::{Random, check_name, no_panic};
use crate::model::{Number, NumberKind, Timestamp, ValueType};
use crate::plugin::{IngestFormat, IngestOptions, SampleSink};

/// Texts of common formats. A format need not take any of them, but must treat each the same however it is cut.
const EXAMPLES: [&[u8]; 9] = [
    b"prod/room.temp 21.5 1715000000000000000\nprod/room.hum 48\r\n\n# a comment\ninternal/batch.size 256i\nprod/x",
    b"# type prod/energy int64\nprod/energy 5 2026-05-22 13:14:15.5\nprod/energy x\n",
    b"{\"lines\":\"prod/room.temp 21.5\\nprod/room.hum 48\"}",
    b"{\"lines\":[\"prod/room.temp 21.5\",\"prod/room.hum\"]}",
    b"# HELP up Up.\n# TYPE up gauge\nup{job=\"a b\",instance=\"c\"} 1 1715000000000\nup NaN\nup{ 2\n# EOF\n",
    b"time,room.temp,room.hum\n1715000000,21.5,48\n1715000010,21.6,\n",
    b"weather,location=us temperature=82,humidity=71i 1465839830100400200\n",
    b"[{\"metric\":\"sys.cpu\",\"timestamp\":1346846400,\"value\":18,\"tags\":{\"host\":\"a\"}}]",
    b"put sys.cpu.user 1356998400 42.5 host=a cpu=0\n",
];
const RANDOM_INPUTS: usize = 60;
const CUTS_PER_INPUT: usize = 12;

/// Checks the laws of [`IngestFormat`]; the error says which one does not hold, and for what input.
///
/// It tries texts of common formats and random bytes. A format of another kind should be given samples of its own, with
/// [`ingest_format_with`].
pub fn ingest_format(plugin: &dyn IngestFormat) -> Result<(), String> {
    ingest_format_with(plugin, &[])
}

/// The same as [`ingest_format`], also with `examples` of this format; each of them must yield a sample.
///
/// They are parsed with a default database, as `?db=` gives one. Other options: [`ingest_format_for`].
pub fn ingest_format_with(plugin: &dyn IngestFormat, examples: &[&[u8]]) -> Result<(), String> {
    let options = IngestOptions { database: Some("conformance".to_owned()), ..IngestOptions::default() };
    ingest_format_for(plugin, &options, examples)
}

/// The same as [`ingest_format_with`], with options of yours for the examples.
pub fn ingest_format_for(plugin: &dyn IngestFormat, options: &IngestOptions, examples: &[&[u8]]) -> Result<(), String> {
    check_name(plugin.name(), plugin.about())?;
    for media in plugin.content_types() {
        let whole = media.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
        let clean = media.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b';');
        if !whole || !clean {
            return Err(format!("content type {media:?} is not a media type in lower case without parameters"));
        }
    }
    let mut random = Random::new(3);
    for example in examples {
        let outcome = parse(plugin, options, example, |rest| rest)?;
        if !outcome.events.iter().any(|e| matches!(e.what, What::Sample(..))) {
            return Err(format!("the example {} yields no sample: {outcome:?}", shown(example)));
        }
    }
    for example in EXAMPLES.iter().chain(examples) {
        check_input(plugin, example, &mut random)?;
        for at in (0..example.len()).step_by(7) {
            check_input(plugin, example.get(..at).unwrap_or_default(), &mut random)?;
        }
        check_bad_line(plugin, example)?;
        for _ in 0..CUTS_PER_INPUT {
            check_input(plugin, &mutated(example, &mut random), &mut random)?;
        }
    }
    for _ in 0..RANDOM_INPUTS {
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        check_input(plugin, &bytes, &mut random)?;
        let text: Vec<u8> =
            (0..length).map(|_| *b"a/=\"{},:[] \t\r\n\n1.i-\\#".get(random.below(22)).unwrap_or(&b'a')).collect();
        check_input(plugin, &text, &mut random)?;
    }
    Ok(())
}

/// What a parser told its sink.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    line: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Sample(Vec<u8>, Vec<u8>, NumberKind, u64, u32, Option<Timestamp>),
    Reject(String),
    Declare(Vec<u8>, Vec<u8>, ValueType),
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    error: Option<String>,
}

impl SampleSink for Outcome {
    fn sample(&mut self, line: u64, database: &[u8], metric: &[u8], value: Number, timestamp: Option<Timestamp>) {
        let bits = value.as_integer().map_or(value.as_f64().to_bits(), |v| v as u64);
        let single = value.as_f32().to_bits();
        let what = What::Sample(database.to_vec(), metric.to_vec(), value.kind, bits, single, timestamp);
        self.events.push(Event { line, what });
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.events.push(Event { line, what: What::Reject(reason) });
    }

    fn declare(&mut self, line: u64, database: &[u8], metric: &[u8], value_type: ValueType) {
        self.events.push(Event { line, what: What::Declare(database.to_vec(), metric.to_vec(), value_type) });
    }
}

/// Offers input as it arrives: `next` says how much of the input that has not arrived yet comes with the next piece.
fn parse(
    plugin: &dyn IngestFormat,
    options: &IngestOptions,
    input: &[u8],
    mut next: impl FnMut(usize) -> usize,
) -> Result<Outcome, String> {
    let feed = || {
        let mut outcome = Outcome::default();
        let mut parser = plugin.parser(options);
        let (mut start, mut arrived) = (0, 0);
        loop {
            arrived = (arrived + next(input.len() - arrived)).min(input.len());
            let end = arrived == input.len();
            let offered = input.get(start..arrived).unwrap_or_default();
            match parser.parse(offered, end, &mut outcome) {
                Ok(used) if used > offered.len() => {
                    return Err(format!("used {used} bytes of {}; the law: never more than was given", offered.len()));
                }
                Ok(used) if end && used != offered.len() => {
                    return Err(format!(
                        "used {used} of the last {} bytes; the law: with `end` everything is used (what is no line is \
                         rejected with `sink.reject`, and used)",
                        offered.len()
                    ));
                }
                Ok(used) => start += used,
                Err(error) => {
                    outcome.error = Some(error.0);
                    return Ok(outcome);
                }
            }
            if end {
                return Ok(outcome);
            }
        }
    };
    let about = |error| format!("{error} of {}", shown(input));
    let outcome = no_panic("the parser", feed).map_err(about)?.map_err(about)?;
    let reasons = outcome.events.iter().filter_map(|e| match &e.what {
        What::Reject(reason) => Some(reason),
        _ => None,
    });
    if reasons.chain(&outcome.error).any(|reason| reason.trim().is_empty()) {
        return Err(format!("an empty reason for {}", shown(input)));
    }
    let lines = outcome.events.iter().map(|e| e.line);
    if lines.clone().any(|line| line == 0) || !lines.is_sorted() {
        return Err(format!("line numbers start at 1 and grow, unlike here: {outcome:?}"));
    }
    Ok(outcome)
}

/// All ways to cut the input have one outcome.
fn check_input(plugin: &dyn IngestFormat, input: &[u8], random: &mut Random) -> Result<(), String> {
    for max_line_bytes in [0, 24] {
        let options =
            IngestOptions { max_line_bytes, database: Some("conformance".to_owned()), ..IngestOptions::default() };
        let whole = parse(plugin, &options, input, |rest| rest)?;
        let again = parse(plugin, &options, input, |rest| rest)?;
        if whole != again {
            return Err(format!("two parsers differ on {}: {whole:?}, then {again:?}", shown(input)));
        }
        let check = |pieces: Outcome| {
            // An error in the middle ends the input: what was told before it may differ.
            let same = if whole.error.is_some() { pieces.error.is_some() } else { whole == pieces };
            if same {
                Ok(())
            } else {
                Err(format!("cut into pieces, {} gives {pieces:?} instead of {whole:?}", shown(input)))
            }
        };
        check(parse(plugin, &options, input, |_| 1)?)?;
        for _ in 0..CUTS_PER_INPUT {
            let longest = 1 + random.below(40);
            check(parse(plugin, &options, input, |_| random.below(longest + 1))?)?;
        }
        let mut first = true;
        let then_nothing = |rest: usize| if std::mem::take(&mut first) { rest.saturating_sub(1) } else { rest };
        check(parse(plugin, &options, input, then_nothing)?)?;
    }
    Ok(())
}

/// A line of rubbish between the lines of an input: if it is rejected, all else is as without it.
fn check_bad_line(plugin: &dyn IngestFormat, input: &[u8]) -> Result<(), String> {
    let options = IngestOptions::default();
    let before = parse(plugin, &options, input, |rest| rest)?;
    let ends = input.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    for at in std::iter::once(0).chain(ends) {
        let Some((head, tail)) = input.split_at_checked(at) else { continue };
        let line = head.iter().filter(|b| **b == b'\n').count() as u64 + 1;
        let with = parse(plugin, &options, &[head, b"\x01 rubbish \xff\n", tail].concat(), |rest| rest)?;
        let (rubbish, others): (Vec<_>, Vec<_>) = with.events.into_iter().partition(|e| e.line == line);
        let rejected = matches!(rubbish[..], [Event { what: What::Reject(_), .. }]);
        if before.error.is_some() || with.error.is_some() || !rejected {
            continue;
        }
        let renumbered = others.into_iter().map(|e| Event { line: e.line - u64::from(e.line > line), ..e });
        if !renumbered.eq(before.events.iter().cloned()) {
            return Err(format!("a bad line {line} changes the outcome of the others in {}", shown(input)));
        }
    }
    Ok(())
}

/// The input with a few bytes changed, put in or left out.
fn mutated(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(3) {
            0 if at < bytes.len() => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.next() as u8),
            _ => bytes.insert(at, *b" \n/\"{}9.-e".get(random.below(10)).unwrap_or(&b'\\')),
        }
    }
    bytes
}

fn shown(input: &[u8]) -> String {
    let head = input.get(..200).unwrap_or(input);
    format!("{:?}{}", String::from_utf8_lossy(head), if head.len() < input.len() { " and more" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{IngestError, IngestParser};

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        None,
        CutsLines,
        LeavesTheEnd,
        Panics,
        Carries,
        LineZero,
        NoReason,
        Greedy,
        MediaType,
    }

    /// `metric=value` lines, with one law broken at a time.
    struct Pairs(Fault);
    struct PairsParser(Fault, u64, bool);

    impl IngestFormat for Pairs {
        fn name(&self) -> &'static str {
            "pairs"
        }
        fn about(&self) -> &'static str {
            "for tests"
        }
        fn content_types(&self) -> &'static [&'static str] {
            if self.0 == Fault::MediaType { &["text/pairs; charset=utf-8"] } else { &["text/pairs"] }
        }
        fn parser(&self, _: &IngestOptions) -> Box<dyn IngestParser> {
            Box::new(PairsParser(self.0, 0, false))
        }
    }

    impl IngestParser for PairsParser {
        fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
            let Self(fault, number, failed) = self;
            let mut used = 0;
            for line in input.split_inclusive(|b| *b == b'\n') {
                let whole = end || line.ends_with(b"\n") || *fault == Fault::CutsLines;
                if !whole || (*fault == Fault::LeavesTheEnd && !line.ends_with(b"\n")) {
                    break;
                }
                used += line.len();
                *number += 1;
                let text = String::from_utf8_lossy(line);
                assert!(*fault != Fault::Panics || !text.contains('#'), "no comments");
                let pair = text.trim().split_once('=').and_then(|(m, v)| Some((m, v.parse().ok()?)));
                let line = if *fault == Fault::LineZero { *number - 1 } else { *number };
                match pair {
                    Some((metric, value)) if !(*fault == Fault::Carries && *failed) => {
                        sink.sample(line, b"pairs", metric.as_bytes(), Number::integer(value), None);
                    }
                    _ => {
                        *failed = true;
                        let reason = if *fault == Fault::NoReason { "" } else { "not metric=integer" };
                        sink.reject(line, reason.to_owned());
                    }
                }
            }
            Ok(if *fault == Fault::Greedy { used + 1 } else { used })
        }
    }

    #[test]
    fn a_right_one_passes_and_each_broken_law_is_found() {
        let examples: [&[u8]; 1] = [b"a=1\nb=2\n"];
        ingest_format_with(&Pairs(Fault::None), &examples).unwrap();
        for (fault, law) in [
            (Fault::CutsLines, "cut into pieces"),
            (Fault::LeavesTheEnd, "of the last"),
            (Fault::Panics, "panics: no comments"),
            (Fault::Carries, "a bad line 1 changes"),
            (Fault::LineZero, "start at 1"),
            (Fault::NoReason, "empty reason"),
            (Fault::Greedy, "used 9 bytes of 8"),
            (Fault::MediaType, "without parameters"),
        ] {
            let error = ingest_format_with(&Pairs(fault), &examples).unwrap_err();
            assert!(error.contains(law), "{error}");
        }
        let error = ingest_format_with(&Pairs(Fault::None), &[b"a:1"]).unwrap_err();
        assert!(error.contains("yields no sample"), "{error}");
    }
}
