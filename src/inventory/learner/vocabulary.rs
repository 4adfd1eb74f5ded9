//! What the bytes of a name say by themselves, remembered for names that come again.
//!
//! An API has a few hundred names and says them with every request. Identifiers are mostly new: they are worked out and
//! not kept, so that they do not drive out the names.

use super::noise::Hostility;
use super::rank::RankKey;
use crate::short;

/// Names kept; a name has one place and takes it from the one before. 64 bytes each.
const SLOTS: usize = 1_024;
/// The longest name that is kept.
const MAX_NAME: usize = 38;
/// What has more digits is no name.
const MAX_DIGITS: usize = 3;

/// A name, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its rank among names.
    pub(super) rank: u64,
    /// How surely it is an attacker's.
    pub(super) hostility: Hostility,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    word: Word,
    /// How many of `bytes` there are; more than there can be when the slot is empty.
    len: u8,
    bytes: [u8; MAX_NAME],
}

const EMPTY: Slot =
    Slot { word: Word { rank: 0, hostility: Hostility::None }, len: u8::MAX, bytes: [0; MAX_NAME] };

/// The names met lately. See the module's doc.
#[derive(Debug)]
pub(super) struct Vocabulary {
    key: RankKey,
    /// The rank of the empty name.
    nothing: u64,
    /// None before the first name.
    slots: Vec<Slot>,
}

/// What is remembered is no part of what was learnt.
impl Clone for Vocabulary {
    fn clone(&self) -> Self {
        Self::new(self.key)
    }
}

impl Vocabulary {
    pub(super) fn new(key: RankKey) -> Self {
        Self { key, nothing: key.rank(b""), slots: Vec::new() }
    }

    /// What a name says.
    pub(super) fn word(&mut self, name: &[u8]) -> Word {
        if name.is_empty() {
            return Word { rank: self.nothing, hostility: Hostility::None };
        }
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, EMPTY);
        }
        let place = place(name);
        if let Some(slot) = self.slots.get(place)
            && slot.bytes.get(..usize::from(slot.len)).is_some_and(|known| short::same(known, name))
        {
            return slot.word;
        }
        let word = Word { rank: self.key.rank(name), hostility: Hostility::of(name) };
        if let Ok(len) = u8::try_from(name.len())
            && let Some(slot) = self.slots.get_mut(place)
            && let Some(bytes) = slot.bytes.get_mut(..name.len())
            && name.iter().filter(|byte| byte.is_ascii_digit()).count() <= MAX_DIGITS
        {
            bytes.copy_from_slice(name);
            slot.len = len;
            slot.word = word;
        }
        word
    }
}

/// The place of a name, by its length and both its ends.
fn place(name: &[u8]) -> usize {
    (ends(name).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
}

/// The length and both ends of a name, in one word that is still to be mixed.
fn ends(name: &[u8]) -> u64 {
    joined(both_ends(name), name.len())
}

/// Both ends of a name, which are all of it when it has up to sixteen bytes.
pub(super) fn both_ends(name: &[u8]) -> [u64; 2] {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(front), Some(back)) => [u64::from_le_bytes(*front), u64::from_le_bytes(*back)],
        (Some(_) | None, _) => [name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0],
    }
}

/// Both ends of a name and its length in one word.
pub(super) const fn joined([front, back]: [u64; 2], len: usize) -> u64 {
    front ^ back.rotate_left(29) ^ len as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever names came before, a name says the same.
        #[test]
        fn what_is_remembered_is_what_is_said(
            names in proptest::collection::vec("[a-c.]{0,3}|(wp-login|\\.git|x.php|v)[0-9]{0,5}|[a-z]{30,45}", 1..200),
        ) {
            let key = RankKey::derive(b"test");
            let mut vocabulary = Vocabulary::new(key);
            for name in names.iter().chain(&names) {
                let name = name.as_bytes();
                let expected = Word { rank: key.rank(name), hostility: Hostility::of(name) };
                prop_assert_eq!(vocabulary.word(name), expected);
            }
        }
    }
}
