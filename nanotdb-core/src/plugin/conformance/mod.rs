//! Conformance kits: what every implementation of a plugin trait must hold. A plugin's author calls them from a test.

mod aggregator;
mod codec;
mod ingest_format;
mod partitioner;
mod random;

pub use aggregator::aggregator;
pub use codec::codec;
pub use ingest_format::{ingest_format, ingest_format_for, ingest_format_with};
pub use partitioner::partitioner;
