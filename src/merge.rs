//! One law for everything that is counted: shards merge into a sensor, sensors into an estate.
//!
//! Absorbing is associative and commutative and a `Default` value is its neutral element, so that neither
//! the order nor the grouping of the parts can be seen in the whole. While no limit is reached, that is
//! why `--shards 1` and `--shards 8` write the same bytes.

/// A value that absorbs another of its kind.
pub trait Merge {
    /// Takes in all that `other` knows. Order and grouping do not matter.
    fn absorb(&mut self, other: Self);
}

impl Merge for u64 {
    fn absorb(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl<V: Merge> Merge for Box<V> {
    fn absorb(&mut self, other: Self) {
        (**self).absorb(*other);
    }
}

impl<K: Ord, V: Merge> Merge for std::collections::BTreeMap<K, V> {
    fn absorb(&mut self, other: Self) {
        for (key, value) in other {
            match self.entry(key) {
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert(value);
                }
                std::collections::btree_map::Entry::Occupied(mut slot) => slot.get_mut().absorb(value),
            }
        }
    }
}

impl<K: Ord> Merge for std::collections::BTreeSet<K> {
    fn absorb(&mut self, mut other: Self) {
        self.append(&mut other);
    }
}
