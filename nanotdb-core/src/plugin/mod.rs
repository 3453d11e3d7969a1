//! What a third party can add: codecs, partitioners, ingest formats and aggregators.
//!
//! Each is a trait, an `inventory` registration by name, and a conformance kit that its author
//! calls from a test. The rest of the system knows plugins by name only.

pub mod aggregator;
pub mod codec;
pub mod conformance;
mod guard;
pub mod ingest;
pub mod listing;
pub mod partitioner;
pub mod registry;
pub mod window_values;

pub use aggregator::{AggregateState, Aggregator, AggregatorPlugin, BlockStatistics};
pub use codec::{Codec, CodecError, CodecPlugin, FIRST_FREE_CODEC, Values, ValuesMut};
pub use guard::caught;
pub use ingest::{
    CheckedParser, IngestError, IngestFailure, IngestFormat, IngestFormatPlugin, IngestOptions, IngestParser,
    SampleSink,
};
pub use partitioner::{FIRST_FREE_KIND, Partition, Partitioner, PartitionerPlugin, part_name};
pub use registry::Registry;
pub use window_values::{ValueMemory, WindowValues};

#[doc(hidden)]
pub use inventory;
