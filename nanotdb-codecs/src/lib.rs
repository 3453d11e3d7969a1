//! Codecs of NanoTDB, each registered by name: `s2`, `s2_better`, `snappy`, `zstd_fastest`, `zstd_default`,
//! `zstd_max`, `lz4`, `none` and `columnar`.
//!
//! What it is: block compressors behind [`nanotdb_core::plugin::Codec`]; nothing here is called by name. A binary
//! names the crate once (`use nanotdb_codecs as _;`) and finds them in [`nanotdb_core::plugin::registry::registry`].
//! What it is not: page or file formats; those are the engine's.

#![deny(unsafe_code)]

mod columnar;
mod lz4;
mod none;
mod s2;
mod zstd;

use nanotdb_core::plugin::inventory;
