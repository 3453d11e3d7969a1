//! The server with plugins that break what they promise: a codec that works until the environment says otherwise, and formats
//! whose parsers break their contract.

use nanotdb_core::model::Number;
use nanotdb_core::plugin::{
    Codec, CodecError, CodecPlugin, IngestError, IngestFormat, IngestFormatPlugin, IngestOptions, IngestParser,
    SampleSink, inventory,
};

fn main() -> std::process::ExitCode {
    nanotdb_server::run()
}

/// Flips every bit, unless `NANOTDB_MOODY` says how to fail.
struct Moody;

impl Codec for Moody {
    fn id(&self) -> u16 {
        40_961
    }
    fn name(&self) -> &'static str {
        "moody"
    }
    fn about(&self) -> &'static str {
        "fails when it is told to"
    }
    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match std::env::var("NANOTDB_MOODY").as_deref() {
            Ok("fails") => return Err(CodecError::new("the accelerator is gone")),
            Ok("panics") => out.push(input[input.len()]),
            _ => {}
        }
        out.extend(input.iter().map(|b| !b));
        Ok(())
    }
    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if input.len() != decoded_len {
            return Err(CodecError::new("wrong length"));
        }
        out.extend(input.iter().map(|b| !b));
        Ok(())
    }
}

inventory::submit! { CodecPlugin(&Moody) }

/// Every line is a sample of `broken/n`. At the end of the input, this is said to be used of it.
struct Lines {
    name: &'static str,
    used: fn(usize) -> Result<usize, IngestError>,
}

impl IngestFormat for Lines {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        "breaks its contract"
    }
    fn content_types(&self) -> &'static [&'static str] {
        &[]
    }
    fn parser(&self, _: &IngestOptions) -> Box<dyn IngestParser> {
        Box::new(Parser(self.used))
    }
}

struct Parser(fn(usize) -> Result<usize, IngestError>);

impl IngestParser for Parser {
    fn parse(&mut self, input: &[u8], end: bool, sink: &mut dyn SampleSink) -> Result<usize, IngestError> {
        if !end {
            return Ok(0);
        }
        for at in 0..input.iter().filter(|b| **b == b'\n').count() {
            sink.sample(at as u64 + 1, b"broken", b"n", Number::integer(at as i64), None);
        }
        (self.0)(input.len())
    }
}

inventory::submit! { IngestFormatPlugin(&Lines { name: "leaves_all", used: |_| Ok(0) }) }
inventory::submit! { IngestFormatPlugin(&Lines { name: "takes_more", used: |len| Ok(len + 5) }) }
inventory::submit! { IngestFormatPlugin(&Lines { name: "gives_up", used: |_| Err(IngestError("no footer".to_owned())) }) }
inventory::submit! { IngestFormatPlugin(&Lines { name: "panics", used: |len| [len][..len].first().copied().ok_or_else(|| IngestError(String::new())) }) }
