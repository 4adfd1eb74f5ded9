//! Samples of bounded size that merge exactly: of too many keys, those with the smallest rank stay.
//!
//! A key among the smallest of the union was among the smallest of every part that ever saw it, so it
//! was never dropped anywhere and what is kept with it is complete. That makes the sample a function of
//! what was seen, whatever the order, the sharding and the grouping of merges.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::merge::Merge;

/// A large sample by rank. Keys are ranks already.
///
/// Up to twice the limit is held between two clearings, which makes an insertion cheap; [`Sample::sorted`]
/// shows the exact sample.
#[derive(Clone, Debug)]
pub(super) struct Sample<V> {
    kept: HashMap<u64, V, foldhash::fast::FixedState>,
    limit: usize,
    /// No key from here on is in the sample any more.
    bound: u64,
    /// Values turned away.
    pub(super) dropped: u64,
}

impl<V: Default + Merge> Sample<V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: HashMap::default(), limit: limit.max(1), bound: u64::MAX, dropped: 0 }
    }

    /// The value of `key`, unless the sample has no room for it.
    pub(super) fn entry(&mut self, key: u64) -> Option<&mut V> {
        if key >= self.bound {
            self.dropped += 1;
            return None;
        }
        if self.kept.len() >= self.limit.saturating_mul(2) && !self.kept.contains_key(&key) {
            self.clear_out();
            if key >= self.bound {
                self.dropped += 1;
                return None;
            }
        }
        Some(self.kept.entry(key).or_default())
    }

    /// From this key on nothing is kept.
    pub(super) const fn bound(&self) -> u64 {
        self.bound
    }

    /// Puts back what was written of a sample.
    pub(super) fn restore(&mut self, kept: Vec<(u64, V)>, bound: u64, dropped: u64) {
        self.kept = kept.into_iter().collect();
        self.bound = bound;
        self.dropped = dropped;
    }

    /// Drops what is not among the smallest.
    fn clear_out(&mut self) {
        let mut keys = self.keys();
        if keys.len() > self.limit {
            keys.sort_unstable();
            if let Some(bound) = keys.get(self.limit) {
                self.bound = self.bound.min(*bound);
            }
            let before = self.kept.len();
            let bound = self.bound;
            self.kept.retain(|key, _| *key < bound);
            self.dropped += u64::try_from(before - self.kept.len()).unwrap_or(u64::MAX);
        }
    }

    fn keys(&self) -> Vec<u64> {
        self.kept.keys().copied().collect()
    }

    /// The sample, by rank.
    pub(super) fn sorted(&self) -> Vec<(u64, &V)> {
        let mut keys = self.keys();
        keys.sort_unstable();
        keys.truncate(self.limit);
        keys.iter().filter_map(|key| Some((*key, self.kept.get(key)?))).collect()
    }

    pub(super) fn absorb(&mut self, mut other: Self) {
        self.bound = self.bound.min(other.bound);
        self.dropped += other.dropped;
        for key in other.keys() {
            let Some(value) = other.kept.remove(&key) else { continue };
            if key >= self.bound {
                self.dropped += 1;
                continue;
            }
            match self.kept.entry(key) {
                Entry::Occupied(mut slot) => slot.get_mut().absorb(value),
                Entry::Vacant(slot) => {
                    slot.insert(value);
                }
            }
        }
        let bound = self.bound;
        self.kept.retain(|key, _| *key < bound);
        if self.kept.len() >= self.limit.saturating_mul(2) {
            self.clear_out();
        }
    }
}

/// A handful of counters by rank, sorted; for what hangs on every operation.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Handful {
    kept: Vec<(u64, u64)>,
    overflowed: bool,
    /// The complement of the key beyond which none has room, once that is known: it follows from `kept`, and saves the
    /// look at it.
    #[serde(skip)]
    beyond: u64,
}

impl PartialEq for Handful {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept && self.overflowed == other.overflowed
    }
}

impl Eq for Handful {}

impl Handful {
    /// Adds `times` to the counter of `key`; keeps at most `limit` counters.
    pub(super) fn add(&mut self, key: u64, times: u64, limit: usize) {
        if key > !self.beyond {
            self.overflowed = true;
            return;
        }
        match self.kept.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                if let Some((_, count)) = self.kept.get_mut(at) {
                    *count = count.saturating_add(times);
                }
            }
            Err(at) if at >= limit => self.overflowed = true,
            Err(at) => {
                self.kept.insert(at, (key, times));
                if self.kept.len() > limit {
                    self.kept.pop();
                    self.overflowed = true;
                }
            }
        }
        self.beyond = self.kept.get(limit.saturating_sub(1)).map_or(0, |(key, _)| !key);
    }

    pub(super) fn absorb(&mut self, other: &Self, limit: usize) {
        for (key, times) in &other.kept {
            self.add(*key, *times, limit);
        }
        self.overflowed |= other.overflowed;
    }

    /// The counters, by rank.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.kept.iter().copied()
    }

    /// Whether there were more keys than are kept.
    pub(super) const fn overflowed(&self) -> bool {
        self.overflowed
    }
}

/// The smallest and the largest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Span {
    least: u64,
    most: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { least: u64::MAX, most: 0 }
    }
}

impl Span {
    pub(super) fn add(&mut self, number: u64) {
        self.least = self.least.min(number);
        self.most = self.most.max(number);
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// The number that all were.
    pub(super) fn single(self) -> Option<u64> {
        (self.least == self.most).then_some(self.least)
    }
}

/// The smallest ranks of a set: how many distinct names there were, exactly while they are few.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Distinct(Vec<u64>);

impl Distinct {
    pub(super) fn insert(&mut self, rank: u64, limit: usize) {
        // Of many values most have no room.
        if self.0.len() >= limit && self.0.last().is_some_and(|last| rank > *last) {
            return;
        }
        if let Err(at) = self.0.binary_search(&rank)
            && at < limit
        {
            self.0.insert(at, rank);
            self.0.truncate(limit);
        }
    }

    pub(super) fn absorb(&mut self, other: &Self, limit: usize) {
        for rank in &other.0 {
            self.insert(*rank, limit);
        }
    }

    /// How many there are; an estimate from `limit` on.
    pub(super) fn estimate(&self, limit: usize) -> f64 {
        let n = self.0.len();
        match self.0.last() {
            Some(last) if n >= limit && n > 1 => {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let share = *last as f64 / u64::MAX as f64;
                super::segment::real(n - 1) / share.max(f64::EPSILON)
            }
            _ => super::segment::real(n),
        }
    }
}
