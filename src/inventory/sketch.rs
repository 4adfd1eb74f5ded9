//! How many distinct callers: exact while few, a HyperLogLog sketch beyond.
//!
//! Most endpoints have few callers in an hour, so up to 64 fingerprints are kept as a sorted list. Beyond,
//! 2,048 registers take over, each the maximum of what was hashed to it, so that the order and grouping of
//! callers cannot be seen. What leaves is the binary form of Apache DataSketches (`HLL_4`, `lg_k` 11),
//! hashed from the first eight bytes of each keyed fingerprint as every language of that library hashes raw
//! bytes. It is canonical: the same callers give the same bytes, whatever way they came.

use crate::merge::Merge;
use crate::secret::Fingerprint;
use datasketches::hash::value::raw_bytes;
use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};
use std::hash::{Hash, Hasher};

/// Callers counted exactly before registers take over; below the 192 at which DataSketches does so.
const EXACT: usize = 64;
/// The logarithm of the number of registers: a standard error of about 2 %.
const LG_K: u8 = 11;
const REGISTERS: usize = 1 << LG_K;

/// Counts distinct callers by their keyed fingerprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSketch(Kept);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// Ranks of fingerprints, sorted, each once, at most [`EXACT`].
    Few(Vec<u64>),
    /// The greatest register value of each slot.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for CallerSketch {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

/// Where a caller is counted in every sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    rank: u64,
    place: Place,
}

/// A register, and what a caller raises it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    slot: u16,
    value: u8,
}

impl Seat {
    /// That of a caller.
    #[must_use]
    pub fn of(caller: Fingerprint) -> Self {
        Self::of_rank(caller.rank())
    }

    fn of_rank(rank: u64) -> Self {
        /// Reads the number of a coupon, which the crate shows to hashers only.
        #[derive(Default)]
        struct Reader(u32);
        impl Hasher for Reader {
            fn write(&mut self, _: &[u8]) {}
            fn write_u32(&mut self, number: u32) {
                self.0 = number;
            }
            fn finish(&self) -> u64 {
                self.0.into()
            }
        }
        let mut reader = Reader::default();
        coupon(rank).hash(&mut reader);
        // Six bits of value above 26 bits of slot, of which a sketch uses the lowest.
        let value = (reader.0 >> 26).to_le_bytes()[0];
        let slot = u16::try_from(reader.0 as usize % REGISTERS).unwrap_or_default();
        Self { rank, place: Place { slot, value } }
    }
}

impl Place {
    fn raise(self, registers: &mut [u8; REGISTERS]) {
        if let Some(register) = registers.get_mut(usize::from(self.slot)) {
            *register = (*register).max(self.value);
        }
    }
}

/// The seats of callers met lately, which are costly to find.
#[derive(Debug, Default)]
pub struct Seats(Vec<Option<Seat>>);

/// Seats kept; a caller has one place and takes it from the one before.
const SEATS: usize = 4_096;

impl Seats {
    /// The seat of a caller.
    pub fn of(&mut self, caller: Fingerprint) -> Seat {
        if self.0.is_empty() {
            self.0.resize(SEATS, None);
        }
        let rank = caller.rank();
        let place = usize::try_from(rank % SEATS as u64).ok().and_then(|place| self.0.get_mut(place));
        match place {
            Some(Some(known)) if known.rank == rank => *known,
            Some(place) => *place.insert(Seat::of_rank(rank)),
            None => Seat::of_rank(rank),
        }
    }
}

impl CallerSketch {
    /// Counts the caller who has this seat.
    pub fn insert(&mut self, seat: Seat) {
        self.add(seat.rank, || seat);
    }

    pub(super) fn insert_rank(&mut self, rank: u64) {
        self.add(rank, || Seat::of_rank(rank));
    }

    fn add(&mut self, rank: u64, seat: impl FnOnce() -> Seat) {
        match &mut self.0 {
            Kept::Few(ranks) => {
                let Err(place) = ranks.binary_search(&rank) else { return };
                if ranks.len() < EXACT {
                    ranks.insert(place, rank);
                } else {
                    let mut registers = Box::new([0; REGISTERS]);
                    for known in ranks.drain(..) {
                        Seat::of_rank(known).place.raise(&mut registers);
                    }
                    seat().place.raise(&mut registers);
                    self.0 = Kept::Many(registers);
                }
            }
            Kept::Many(registers) => seat().place.raise(registers),
        }
    }

    /// How many distinct callers there were, exactly or as the sketch estimates.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            Kept::Few(ranks) => ranks.len() as u64,
            Kept::Many(registers) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "an estimate is finite, not negative and far below 2^53"
                )]
                let rounded = array_sketch(registers).composite_estimate().round() as u64;
                rounded
            }
        }
    }

    /// Whether [`CallerSketch::estimate`] is a count.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self.0, Kept::Few(_))
    }

    /// The sketch as DataSketches bytes: `HLL_4`, `lg_k` 11, canonical.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Kept::Few(ranks) => {
                let mut sketch = HllSketch::new(LG_K, HllType::Hll4).expect("11 is between 4 and 21");
                for rank in ranks {
                    sketch.update_with_coupon(coupon(*rank));
                }
                sketch.serialize()
            }
            Kept::Many(registers) => array_sketch(registers).serialize(),
        }
    }
}

/// Callers that wait to be counted together.
const WAITING: usize = 16;

/// A sketch that counts many callers together. Each has a register somewhere in its memory, for which one has to wait; those
/// that do not depend on each other are waited for at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    waiting: [Place; WAITING],
    waits: u8,
    sketch: CallerSketch,
}

impl Gathering {
    /// Counts the caller who has this seat.
    pub(super) fn insert(&mut self, seat: Seat) {
        if self.sketch.is_exact() {
            return self.sketch.insert(seat);
        }
        if let Some(place) = self.waiting.get_mut(usize::from(self.waits)) {
            *place = seat.place;
            self.waits += 1;
        }
        if usize::from(self.waits) == WAITING {
            self.settle();
        }
    }

    fn settle(&mut self) {
        if let Kept::Many(registers) = &mut self.sketch.0 {
            self.waiting.iter().take(self.waits.into()).for_each(|place| place.raise(registers));
        }
        self.waits = 0;
    }

    /// The sketch of all who were counted.
    pub(super) fn whole(mut self) -> CallerSketch {
        self.settle();
        self.sketch
    }
}

/// As ranks or registers, whichever is kept.
impl serde::Serialize for CallerSketch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ranks, registers): (&[u64], &[u8]) = match &self.0 {
            Kept::Few(ranks) => (ranks, &[]),
            Kept::Many(registers) => (&[], &registers[..]),
        };
        (ranks, registers).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for CallerSketch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ranks, registers) = <(Vec<u64>, Vec<u8>)>::deserialize(deserializer)?;
        if registers.is_empty() {
            let mut sketch = Self::default();
            for rank in ranks {
                sketch.insert_rank(rank);
            }
            return Ok(sketch);
        }
        match Box::<[u8; REGISTERS]>::try_from(registers.into_boxed_slice()) {
            Ok(registers) => Ok(Self(Kept::Many(registers))),
            Err(other) => Err(serde::de::Error::invalid_length(other.len(), &"2048 registers")),
        }
    }
}

impl Merge for CallerSketch {
    fn absorb(&mut self, mut other: Self) {
        if matches!((&self.0, &other.0), (Kept::Few(_), Kept::Many(_))) {
            std::mem::swap(self, &mut other);
        }
        match other.0 {
            Kept::Few(ranks) => {
                for rank in ranks {
                    self.insert_rank(rank);
                }
            }
            Kept::Many(theirs) => {
                if let Kept::Many(mine) = &mut self.0 {
                    for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                        *mine = (*mine).max(*theirs);
                    }
                }
            }
        }
    }
}

fn coupon(rank: u64) -> Coupon {
    Coupon::from_value(raw_bytes::from_slice(&rank.to_be_bytes()))
}

/// A sketch with these registers, read from the bytes of an `HLL_8` one that came out of a union.
fn array_sketch(registers: &[u8; REGISTERS]) -> HllSketch {
    /// Preamble length, serial version, family, `lg_k`, no auxiliary array, "out of order", least register 0,
    /// mode HLL with target `HLL_8`.
    const HEADER: [u8; 8] = [10, 1, 7, LG_K, 0, 1 << 4, 0, 2 | 2 << 2];
    let mut sums = [0.0_f64; 2];
    for register in registers {
        // As the library does: the small registers apart from those whose share would be lost beside them.
        if let Some(sum) = sums.get_mut(usize::from(*register >= 32)) {
            *sum += 2.0_f64.powi(-i32::from(*register));
        }
    }
    let zeros: u32 = registers.iter().map(|register| u32::from(*register == 0)).sum();
    let mut bytes = HEADER.to_vec();
    for number in [0.0, sums[0], sums[1]] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&zeros.to_le_bytes());
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(registers);
    let sketch = HllSketch::deserialize(&bytes).expect("the bytes are as the format has them");
    let mut union = HllUnion::new(LG_K).expect("11 is between 4 and 21");
    union.update(&sketch);
    union.to_sketch(HllType::Hll4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn of(ranks: impl IntoIterator<Item = u64>) -> CallerSketch {
        let mut sketch = CallerSketch::default();
        ranks.into_iter().for_each(|rank| sketch.insert(Seat::of_rank(rank)));
        sketch
    }

    /// Well mixed distinct numbers.
    fn ranks(count: u64) -> impl Iterator<Item = u64> {
        (1..=count).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[test]
    fn few_callers_are_counted_exactly() {
        for count in [0, 1, 7, 8, 63, 64] {
            let sketch = of(ranks(count).chain(ranks(count)));
            assert_eq!((sketch.estimate(), sketch.is_exact()), (count, true));
        }
    }

    #[test]
    fn many_callers_are_estimated_within_the_error_of_the_sketch() {
        for count in [65, 100, 1_000, 10_000, 200_000] {
            let estimate = of(ranks(count)).estimate();
            assert!(estimate.abs_diff(count) * 100 <= count * 7, "{estimate} for {count}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_library() {
        for count in [0, 1, 7, 8, 24, 25, 64] {
            let mut theirs = HllSketch::new(11, HllType::Hll4).unwrap();
            let mut sorted: Vec<u64> = ranks(count).collect();
            sorted.sort_unstable();
            for rank in sorted {
                theirs.update(raw_bytes::from_slice(&rank.to_be_bytes()));
            }
            assert_eq!(of(ranks(count)).to_bytes(), theirs.serialize(), "{count}");
        }
        for count in [200, 3_000, 100_000] {
            let mut theirs = HllSketch::new(11, HllType::Hll4).unwrap();
            ranks(count).for_each(|rank| theirs.update(raw_bytes::from_slice(&rank.to_be_bytes())));
            let ours = HllSketch::deserialize(&of(ranks(count)).to_bytes()).unwrap();
            let (ours, theirs) = (ours.composite_estimate(), theirs.composite_estimate());
            assert!((ours - theirs).abs() < 1e-6, "{count}: {ours} {theirs}");
        }
    }

    #[test]
    fn one_endpoint_and_hour_costs_little() {
        assert_eq!(size_of::<CallerSketch>(), 24);
    }

    proptest! {
        /// Order, grouping and repetition of callers cannot be seen, in the value or in the bytes.
        #[test]
        fn order_and_grouping_do_not_matter(
            parts in vec(vec(0_u64..300, 0..60), 1..6),
            whole_first in any::<bool>(),
        ) {
            let all = of(parts.iter().flatten().copied());
            let mut merged = if whole_first { all.clone() } else { CallerSketch::default() };
            for part in parts.iter().rev() {
                merged.absorb(of(part.iter().rev().copied()));
            }
            prop_assert_eq!(&merged, &all);
            prop_assert_eq!(merged.to_bytes(), all.to_bytes());
            prop_assert_eq!(merged.estimate(), all.estimate());
        }

        /// Counted together, callers are the same.
        #[test]
        fn together_they_are_the_same(ranks in vec(any::<u64>(), 0..200)) {
            let mut gathering = Gathering::default();
            for rank in &ranks {
                gathering.insert(Seat::of_rank(*rank));
            }
            prop_assert_eq!(gathering.whole(), of(ranks));
        }
    }
}
