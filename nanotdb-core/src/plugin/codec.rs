//! Compression of pages and of metric file columns.

pub use crate::model::{Values, ValuesMut};

/// Why a block could not be encoded or decoded. Never a panic: blocks come from disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);

impl CodecError {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A block compressor, and optionally an encoder of typed columns.
///
/// Laws, checked by [`super::conformance::codec`]: decode(encode(x)) == x bit for bit; decoding
/// arbitrary bytes returns an error or exactly the announced length, never panics, and never
/// allocates more than the announced length plus a constant; methods append to `out` and leave what
/// was in it alone; the same input gives the same output.
///
/// ```
/// use nanotdb_core::plugin::{Codec, CodecError, CodecPlugin, inventory};
///
/// struct Inverted;
/// impl Codec for Inverted {
///     fn id(&self) -> u16 { 40_001 }
///     fn name(&self) -> &'static str { "inverted" }
///     fn about(&self) -> &'static str { "flips every bit (an example)" }
///     fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.extend(input.iter().map(|b| !b));
///         Ok(())
///     }
///     fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         if input.len() != decoded_len {
///             return Err(CodecError::new("wrong length"));
///         }
///         out.extend(input.iter().map(|b| !b));
///         Ok(())
///     }
/// }
/// inventory::submit! { CodecPlugin(&Inverted) }
/// # nanotdb_core::plugin::conformance::codec(&Inverted).unwrap();
/// ```
pub trait Codec: Send + Sync + 'static {
    /// Id on disk. 1..=15 are the original's, 16..=32767 are ours, third parties take one from 32768 on.
    fn id(&self) -> u16;

    /// Name in configuration and tools: lower case, digits, `_`.
    fn name(&self) -> &'static str;

    /// One line for `--plugins`.
    fn about(&self) -> &'static str;

    /// Whether [`Codec::compress`] makes S2 blocks (a Snappy block is one): whatever reads S2 reads them. Pages of such codecs
    /// of the engine's own are written bare, as the original does, so that the original can read them. Those of third
    /// parties always say their codec.
    fn is_s2_block(&self) -> bool {
        false
    }

    /// Appends the compressed form of `input` to `out`.
    fn compress(&self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Appends exactly `decoded_len` bytes to `out`, or fails.
    fn decompress(&self, input: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Encodes the decoded payload of a raw page of `rows` rows: ids (u16), timestamps (i64), values
    /// (4 bytes), and when any metric is 64 bits wide the high halves of the values (4 bytes), all little-endian columns.
    fn encode_page(&self, rows: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let _ = rows;
        self.compress(payload, out)
    }

    /// The inverse of [`Codec::encode_page`]; appends exactly `decoded_len` bytes.
    fn decode_page(&self, rows: usize, body: &[u8], decoded_len: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let _ = rows;
        self.decompress(body, decoded_len, out)
    }

    /// Encodes a column of metric ids.
    fn encode_ids(&self, ids: &[u16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.compress(&to_bytes(ids, |v| v.to_le_bytes()), out)
    }

    /// Appends exactly `count` ids.
    fn decode_ids(&self, input: &[u8], count: usize, out: &mut Vec<u16>) -> Result<(), CodecError> {
        decode_column(self, input, count, out, u16::from_le_bytes)
    }

    /// Encodes a column of timestamps, non-decreasing in practice but not by contract.
    fn encode_timestamps(&self, timestamps: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.compress(&to_bytes(timestamps, |v| v.to_le_bytes()), out)
    }

    /// Appends exactly `count` timestamps.
    fn decode_timestamps(&self, input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
        decode_column(self, input, count, out, i64::from_le_bytes)
    }

    /// Encodes a column of values, exact for every bit pattern.
    fn encode_values(&self, values: Values<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let bytes = match values {
            Values::Int32(v) => to_bytes(v, |v| v.to_le_bytes()),
            Values::Float32(v) => to_bytes(v, |v| v.to_le_bytes()),
            Values::Int64(v) => to_bytes(v, |v| v.to_le_bytes()),
            Values::Float64(v) => to_bytes(v, |v| v.to_le_bytes()),
        };
        self.compress(&bytes, out)
    }

    /// Appends exactly `count` values.
    fn decode_values(&self, input: &[u8], count: usize, out: ValuesMut<'_>) -> Result<(), CodecError> {
        match out {
            ValuesMut::Int32(out) => decode_column(self, input, count, out, i32::from_le_bytes),
            ValuesMut::Float32(out) => decode_column(self, input, count, out, f32::from_le_bytes),
            ValuesMut::Int64(out) => decode_column(self, input, count, out, i64::from_le_bytes),
            ValuesMut::Float64(out) => decode_column(self, input, count, out, f64::from_le_bytes),
        }
    }
}

fn to_bytes<T: Copy, const N: usize>(column: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut out = Vec::with_capacity(column.len().saturating_mul(N));
    for v in column {
        out.extend_from_slice(&bytes(*v));
    }
    out
}

fn decode_column<C: Codec + ?Sized, T, const N: usize>(
    codec: &C,
    input: &[u8],
    count: usize,
    out: &mut Vec<T>,
    from: impl Fn([u8; N]) -> T,
) -> Result<(), CodecError> {
    let decoded_len = count.checked_mul(N).ok_or_else(|| CodecError::new("column too long"))?;
    let mut bytes = Vec::new();
    codec.decompress(input, decoded_len, &mut bytes)?;
    let (chunks, _) = bytes.as_chunks::<N>();
    out.extend(chunks.iter().map(|c| from(*c)));
    Ok(())
}

/// Codec of a page that is a bare block: it is marked by nothing.
pub const S2_CODEC_ID: u16 = 1;
/// Ids from here on are third parties'.
pub const FIRST_FREE_CODEC: u16 = 32_768;

/// Registers a codec: `inventory::submit! { CodecPlugin(&MyCodec) }`.
pub struct CodecPlugin(pub &'static dyn Codec);
inventory::collect!(CodecPlugin);
