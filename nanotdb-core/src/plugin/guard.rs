//! What a plugin does wrong is an error with its name, never a panic of the thread that called it.

use super::{Codec, CodecError, Values, ValuesMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a piece of a plugin; the error of one that panicked says so.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        format!("it panicked: {message}")
    })
}

/// A codec whose panics are errors: what has met one codec is the trouble of the database that uses it.
pub(super) struct Guarded(pub(super) &'static dyn Codec);

impl Guarded {
    /// What a call that failed has appended is taken back.
    fn appending<T>(
        &self,
        out: &mut Vec<T>,
        call: impl FnOnce(&mut Vec<T>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let before = out.len();
        let result = self.call(|| call(out));
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn call(&self, call: impl FnOnce() -> Result<(), CodecError>) -> Result<(), CodecError> {
        caught(call).unwrap_or_else(|panic| Err(CodecError(panic)))
    }
}

impl Codec for Guarded {
    fn id(&self) -> u16 {
        self.0.id()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn is_s2_block(&self) -> bool {
        self.0.is_s2_block()
    }

    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.compress(input, out))
    }

    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.decompress(input, decoded_len, out))
    }

    fn encode_page(&self, rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.encode_page(rows, payload, out))
    }

    fn decode_page(&self, rows: usize, body: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.decode_page(rows, body, decoded_len, out))
    }

    fn encode_ids(&self, ids: &[u16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.encode_ids(ids, out))
    }

    fn decode_ids(&self, input: &[u8], count: usize, out: &mut Vec<u16>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.decode_ids(input, count, out))
    }

    fn encode_timestamps(&self, timestamps: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.encode_timestamps(timestamps, out))
    }

    fn decode_timestamps(&self, input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.decode_timestamps(input, count, out))
    }

    fn encode_values(&self, values: Values<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.appending(out, |out| self.0.encode_values(values, out))
    }

    fn decode_values(&self, input: &[u8], count: usize, out: ValuesMut<'_>) -> Result<(), CodecError> {
        self.call(|| self.0.decode_values(input, count, out))
    }
}
