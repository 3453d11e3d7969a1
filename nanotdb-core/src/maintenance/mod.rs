//! Work on whole roots: inspection, verification, conversion, and moving samples between an engine and text.

pub mod archive;
pub mod codecs;
pub mod convert;
pub mod databases;
pub mod export;
pub mod import;
pub mod inspect;
pub mod manifests;
pub mod metric_files;
pub mod recover;
pub mod snapshot;
mod target;
mod transfer;
pub mod verify;
mod window;
