//! What the last values of a field came to, for those that come again.
//!
//! Currencies, names and accounts come again and again, and what a value comes to follows from its key, its type and its
//! bytes alone. So a field remembers it for a few, by a keyed hash of 64 bits. A field whose values never come again asks no more but
//! now and then. Nothing but speed depends on it.

use super::evidence::Hit;
use crate::payload::JsonType;

/// Values of a field from which on it remembers.
const FROM: u64 = 32;
/// Values that are remembered; a hash has one place.
const PLACES: usize = 8;
/// How many may come for the first time before it asks no more.
const CREDIT: u16 = 64;
/// What one that comes again adds: to ask costs a tenth of what it saves.
const EARNED: u16 = 8;
/// One in so many is asked for all the same.
const NOW_AND_THEN: u64 = 64;

/// See the module's doc. A copy remembers nothing.
#[derive(Debug, Default)]
pub(crate) struct Again(Option<Box<Known>>);

#[derive(Debug)]
struct Known {
    credit: u16,
    /// The marks of the values, 0 where there is none.
    marks: [u64; PLACES],
    outcomes: [Outcome; PLACES],
}

/// What a value came to: at most one hit, with the hash that values are told apart by.
pub(crate) type Outcome = Option<(Hit, u64)>;

impl Clone for Again {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Again {
    /// Whether to ask for a value, the last of `values`.
    #[inline]
    pub(super) fn asks(&self, values: u64) -> bool {
        match &self.0 {
            Some(known) => known.credit > 0 || values.is_multiple_of(NOW_AND_THEN),
            None => values >= FROM,
        }
    }

    /// What a value came to, if it is remembered.
    #[inline]
    pub(super) fn recall(&mut self, kind: JsonType, hash: u64) -> Option<Outcome> {
        let known = self.0.as_deref_mut()?;
        let (mark, place) = mark(kind, hash);
        if known.marks.get(place) != Some(&mark) {
            known.credit = known.credit.saturating_sub(1);
            return None;
        }
        known.credit = known.credit.saturating_add(EARNED);
        known.outcomes.get(place).copied()
    }

    /// Remembers what a value came to.
    pub(super) fn remember(&mut self, kind: JsonType, hash: u64, outcome: Outcome) {
        let known = self.0.get_or_insert_with(|| {
            Box::new(Known { credit: CREDIT, marks: [0; PLACES], outcomes: [None; PLACES] })
        });
        let (mark, place) = mark(kind, hash);
        if let (Some(slot), Some(known)) = (known.marks.get_mut(place), known.outcomes.get_mut(place)) {
            (*slot, *known) = (mark, outcome);
        }
    }

    /// Forgets all, as what values come to may be another from now on.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// By what a value is known, which is not 0, and its place. A number and a text of the same bytes are two.
#[inline]
fn mark(kind: JsonType, hash: u64) -> (u64, usize) {
    let mark = hash.wrapping_add((kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
    (mark, usize::try_from(mark % PLACES as u64).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{ClassId, Fate};

    fn hit(class: u8) -> Hit {
        Hit { class: ClassId(class), strength: 90, fate: Fate::Valid, embedded: false, chance_ppm: 1 }
    }

    #[test]
    fn what_came_again_is_remembered_with_its_type_and_what_never_does_is_asked_seldom() {
        let mut again = Again::default();
        assert!(!again.asks(FROM - 1) && again.asks(FROM));
        assert_eq!(again.recall(JsonType::String, 5), None);
        again.remember(JsonType::String, 5, Some((hit(1), 50)));
        assert_eq!(again.recall(JsonType::String, 5), Some(Some((hit(1), 50))));
        assert_eq!((again.recall(JsonType::Integer, 5), again.recall(JsonType::String, 9)), (None, None));
        again.remember(JsonType::String, 5 + PLACES as u64, None);
        assert_eq!(again.recall(JsonType::String, 5 + PLACES as u64), Some(None));
        assert_eq!(again.recall(JsonType::String, 5), None, "one place, and the last counts");
        let asked = (FROM..).zip(0..10_000).filter(|(values, hash)| {
            let asks = again.asks(*values);
            if asks {
                assert_eq!(again.recall(JsonType::String, 1_000 + hash), None);
                again.remember(JsonType::String, 1_000 + hash, None);
            }
            asks
        });
        assert!(asked.count() < 400);
        assert_eq!(again.clone().recall(JsonType::String, 10_999), None);
        again.forget();
        assert_eq!(again.recall(JsonType::String, 10_999), None);
    }
}
