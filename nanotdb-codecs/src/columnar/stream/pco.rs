//! `pco`: integers in bins of about equal cost, coded with tANS. The smallest for what is noise of some shape.
//!
//! ```text
//! +-------------------+-------------------+
//! | pco chunk meta    | pco page          |   of wrapped pco, format version 4.1
//! +-------------------+-------------------+
//! ```
//!
//! The version is not stored: the stream kind stands for it. Only chunks without a dictionary and without lookback are
//! made and read: those two alone allocate by numbers in the block rather than by a bound (a few hundred KiB). For the
//! same reason integers come here after delta coding (`DeltaSpec::NoOp`).

use crate::columnar::bytes::{corrupt, reserve};
use nanotdb_core::plugin::CodecError;
use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::metadata::Mode;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

/// Format version of the chunks.
const VERSION: [u8; 2] = [4, 1];
const LEVEL: usize = 8;
/// Most integers of a chunk.
const MAX: usize = 1 << 24;
/// Streams of fewer are not worth the bins.
const MIN: usize = 24;
/// Variant number of a mode whose size the block announces; it is in the low bits of the first byte.
const DICTIONARY_MODE: u8 = 4;

/// The chunk of `values`, and whether it is of i64 rather than i32. `None` where pco has nothing to offer.
pub(super) fn encode(values: &[i64]) -> Result<Option<(bool, Vec<u8>)>, CodecError> {
    if values.len() < MIN || values.len() > MAX {
        return Ok(None);
    }
    let narrow: Option<Vec<i32>> = values.iter().map(|v| i32::try_from(*v).ok()).collect();
    let chunk = match &narrow {
        Some(narrow) => chunk_allowed(narrow, DeltaSpec::NoOp)?,
        None => chunk_allowed(values, DeltaSpec::NoOp)?,
    };
    Ok(chunk.map(|chunk| (narrow.is_none(), chunk)))
}

/// Appends the integers of a chunk.
pub(super) fn decode<T: Number + Into<i64>>(input: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), CodecError> {
    let mut numbers = Vec::new();
    decode_native::<T>(input, count, &mut numbers)?;
    out.extend(numbers.into_iter().map(Into::into));
    Ok(())
}

/// Number types that pco takes as they are.
pub(crate) trait Native: Number {}
impl Native for f32 {}
impl Native for f64 {}

/// The chunk of floats as they are, or `None` where pco has nothing to offer.
pub(crate) fn encode_native<T: Native>(values: &[T]) -> Result<Option<Vec<u8>>, CodecError> {
    if values.len() < MIN || values.len() > MAX {
        return Ok(None);
    }
    chunk_allowed(values, DeltaSpec::Auto)
}

/// Appends `count` numbers of a chunk.
pub(crate) fn decode_native<T: Number>(input: &[u8], count: usize, out: &mut Vec<T>) -> Result<(), CodecError> {
    if input.first().is_some_and(|first| first & 15 == DICTIONARY_MODE) || count > MAX {
        return Err(corrupt("a pco chunk of a form that is not used"));
    }
    let (file, _) = FileDecompressor::new(&VERSION[..]).map_err(failed)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(input).map_err(failed)?;
    if !allowed(chunk.meta()) {
        return Err(corrupt("a pco chunk of a form that is not used"));
    }
    let mut page = chunk.page_decompressor(rest, count).map_err(failed)?;
    let start = out.len();
    reserve(out, count)?;
    out.resize(start.saturating_add(count), T::default());
    let progress = page.read(out.get_mut(start..).unwrap_or_default()).map_err(failed);
    let whole = progress.and_then(|p| match p.finished && p.n_processed == count && page.into_src().is_empty() {
        true => Ok(()),
        false => Err(corrupt("a pco chunk of another length")),
    });
    if whole.is_err() {
        out.truncate(start);
    }
    whole
}

/// A chunk of the mode that pco finds best, or if that is a dictionary or needs lookback, of the plain one.
fn chunk_allowed<T: Number>(values: &[T], delta: DeltaSpec) -> Result<Option<Vec<u8>>, CodecError> {
    match chunk(values, ChunkConfig::default().with_delta_spec(delta))? {
        Some(chunk) => Ok(Some(chunk)),
        None => {
            let plain = ChunkConfig::default().with_mode_spec(ModeSpec::Classic).with_delta_spec(DeltaSpec::NoOp);
            chunk(values, plain)
        }
    }
}

fn chunk<T: Number>(values: &[T], config: ChunkConfig) -> Result<Option<Vec<u8>>, CodecError> {
    let config = config.with_compression_level(LEVEL).with_paging_spec(PagingSpec::Exact(vec![values.len()]));
    let file = FileCompressor::default();
    let mut chunk = file.chunk_compressor(values, &config).map_err(failed)?;
    if !allowed(chunk.meta()) || file.write_header(Vec::new()).map_err(failed)? != VERSION {
        return Ok(None);
    }
    let out = chunk.write_meta(Vec::new()).map_err(failed)?;
    chunk.write_page(0, out).map(Some).map_err(failed)
}

fn allowed(meta: &pco::metadata::ChunkMeta) -> bool {
    matches!(meta.delta_encoding, DeltaEncoding::NoOp | DeltaEncoding::Consecutive { .. })
        && !matches!(meta.mode, Mode::Dict(_))
}

fn failed(error: pco::errors::PcoError) -> CodecError {
    CodecError::new(format!("pco: {error}"))
}
