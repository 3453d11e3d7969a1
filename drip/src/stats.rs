//! What drip counts about itself. Everything runs on one thread, so plain cells do.

use crate::collector::Samples;
use std::cell::Cell;

/// The last metric of each cycle: when the server has it, it has the whole cycle.
pub(crate) const MARKER: &str = "drip.cycle_ms";

/// The metric before it: a number that tells hosts apart.
pub(crate) const HOST: &str = "drip.host";

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Things that should have worked in a cycle and did not.
    pub(crate) errors: Count,
    /// Samples that never reached the server: spool full or too old, damaged, or a request that was refused as a whole.
    pub(crate) dropped: Count,
    /// Samples that the server refused one by one.
    pub(crate) rejected: Count,
    /// Samples that a collector had and that were left out, because their names are more than `max_series`.
    pub(crate) left_out: Count,
    /// Things that do not work now.
    pub(crate) troubles: Count,
    /// The number of this host and database.
    pub(crate) host: Count,
    /// Attempts to send that failed.
    pub(crate) failed_sends: Count,
    /// Bytes in the spool now.
    pub(crate) spool_bytes: Count,
}

/// A number that is counted up, or set.
#[derive(Debug, Default)]
pub(crate) struct Count(Cell<u64>);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get() + n);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.set(n);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Stats {
    /// Adds drip's own metrics to a cycle: its number, the samples it has besides, how many ms it took.
    pub(crate) fn report(&self, cycle: u64, samples: u64, cycle_ms: f64, out: &mut Samples) {
        out.integer("drip.cycles", cycle);
        out.integer("drip.samples", samples);
        out.integer("drip.errors", self.errors.get());
        out.integer("drip.troubles", self.troubles.get());
        out.integer("drip.dropped", self.dropped.get());
        out.integer("drip.rejected", self.rejected.get());
        out.integer("drip.left_out", self.left_out.get());
        out.integer("drip.failed_sends", self.failed_sends.get());
        out.integer("drip.spool_bytes", self.spool_bytes.get());
        out.integer(HOST, self.host.get());
        out.float(MARKER, cycle_ms, 2);
    }
}
