//! Steps down the tree that were made before: from a node, by a name, to the node below; and whole paths of such steps.
//!
//! A request takes mostly steps that others took. To find one here costs a look at a line of memory or two, where the tree has
//! to hash the name, look it up, and see what kind of name it is. A step is forgotten when others take its place, and all
//! are when a node leaves the tree.

use super::parts::kinds_of;
use super::vocabulary::{both_ends, joined};
use crate::short;

/// Pairs of places for steps. A step has one pair, and takes the place of the one that came last but one.
const PAIRS: usize = 2_048;
/// The longest name of a step.
const MAX_NAME: usize = 46;

/// One line of memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Slot {
    from: u32,
    generation: u32,
    step: Step,
    len: u8,
    /// Both ends of the name: all of it, when it is short.
    ends: [u64; 2],
    /// What is not in its ends.
    middle: [u8; MAX_NAME - 16],
}

/// A step that was made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it leads.
    pub(super) to: u32,
    /// What its name is made of: bits of [`kind`](super::parts::kind).
    pub(super) kinds: u8,
}

/// Paths kept.
const PATHS: usize = 1_024;
/// The longest path that is kept.
const MAX_PATH: usize = 114;

/// A path without any value. Two lines of memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Whole {
    from: u32,
    to: u32,
    generation: u32,
    len: u8,
    /// Whether no segment need be looked at for what it carries.
    dull: bool,
    path: [u8; MAX_PATH],
}

/// See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Trodden {
    /// None before the first step.
    pairs: Vec<[Slot; 2]>,
    /// None before the first path.
    paths: Vec<Whole>,
    /// Of each path a part of its hash: what holds a value is mostly told by that, without a look at a path's memory.
    tags: Vec<u16>,
    /// Steps of others are forgotten; that of no slot at first.
    generation: u32,
}

/// What is remembered is no part of what was learnt.
impl Clone for Trodden {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Trodden {
    /// Where the step from `from` by `name` led.
    pub(super) fn find(&self, from: u32, name: &[u8]) -> Option<Step> {
        let ends = both_ends(name);
        let [first, second] = self.pairs.get(pair(from, name.len(), ends))?;
        let known = |slot: &Slot| {
            slot.ends == ends
                && slot.from == from
                && slot.generation == self.generation
                && usize::from(slot.len) == name.len()
                && (name.len() <= 16 || name.get(8..).is_some_and(|behind| behind.starts_with(slot.middle())))
        };
        if known(first) { Some(first.step) } else { known(second).then_some(second.step) }
    }

    /// Remembers a step by a name that is not empty, if it is short.
    pub(super) fn keep(&mut self, from: u32, name: &[u8], to: u32) {
        if self.pairs.is_empty() {
            let step = Step { to: 0, kinds: 0 };
            let none =
                Slot { from: 0, generation: 0, step, len: u8::MAX, ends: [0; 2], middle: [0; MAX_NAME - 16] };
            self.pairs.resize(PAIRS, [none; 2]);
        }
        if self.find(from, name).is_some_and(|step| step.to == to) {
            return;
        }
        let step = Step { to, kinds: kinds_of(name) };
        let (generation, ends) = (self.generation, both_ends(name));
        let mut middle = [0; MAX_NAME - 16];
        let inner = name.get(8..name.len().saturating_sub(8)).unwrap_or_default();
        if let Some(front) = middle.get_mut(..inner.len())
            && let Ok(len) = u8::try_from(name.len())
            && let Some([first, second]) = self.pairs.get_mut(pair(from, name.len(), ends))
        {
            front.copy_from_slice(inner);
            *second = *first;
            *first = Slot { from, generation, step, len, ends, middle };
        }
    }

    /// Where a path led from the node `from`, if no segment of it is a value; and whether it is dull.
    pub(super) fn find_path(&self, from: u32, path: &[u8]) -> Option<(u32, bool)> {
        let (at, tag) = place_of_path(from, path);
        if *self.tags.get(at)? != tag {
            return None;
        }
        let whole = self.paths.get(at)?;
        let known = whole.from == from
            && whole.generation == self.generation
            && whole.path.get(..usize::from(whole.len)).is_some_and(|known| short::same(known, path));
        known.then_some((whole.to, whole.dull))
    }

    /// Remembers a path without values, if it is short.
    pub(super) fn keep_path(&mut self, from: u32, path: &[u8], to: u32, dull: bool) {
        if self.paths.is_empty() {
            let none =
                Whole { from: 0, to: 0, generation: 0, len: u8::MAX, dull: false, path: [0; MAX_PATH] };
            self.paths.resize(PATHS, none);
            self.tags.resize(PATHS, 0);
        }
        let (at, tag) = place_of_path(from, path);
        let generation = self.generation;
        if let Ok(len) = u8::try_from(path.len())
            && let Some(whole) = self.paths.get_mut(at)
            && let Some(front) = whole.path.get_mut(..path.len())
            && let Some(known) = self.tags.get_mut(at)
        {
            *known = tag;
            front.copy_from_slice(path);
            (whole.from, whole.to, whole.generation) = (from, to, generation);
            (whole.len, whole.dull) = (len, dull);
        }
    }

    /// Forgets all steps: a node has gone, and its number may be given to another.
    pub(super) fn forget(&mut self) {
        match self.generation.checked_add(1) {
            Some(next) => self.generation = next,
            None => *self = Self::default(),
        }
    }
}

impl Slot {
    /// What of its name is not in its ends.
    fn middle(&self) -> &[u8] {
        self.middle.get(..usize::from(self.len).saturating_sub(16)).unwrap_or_default()
    }
}

/// A hash of a step, by where it begins, and by the length and both ends of its name: its upper bits are the mixed ones.
fn hash(from: u32, ends: u64) -> u64 {
    mix(ends ^ (u64::from(from) << 20))
}

const fn mix(word: u64) -> u64 {
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The pair of places of a step.
fn pair(from: u32, len: usize, both: [u64; 2]) -> usize {
    (hash(from, joined(both, len)) >> 53) as usize % PAIRS
}

/// The place of a path, and its tag. Those of an API begin and end alike: what is in their middle counts as well.
fn place_of_path(from: u32, path: &[u8]) -> (usize, u16) {
    let middle =
        path.get(path.len() / 2..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word));
    let [.., tag_low, tag_high, place_low, place_high] =
        (hash(from, joined(both_ends(path), path.len())) ^ mix(middle)).to_le_bytes();
    let place = u16::from_le_bytes([place_low, place_high]) >> 4;
    (usize::from(place) % PATHS, u16::from_le_bytes([tag_low, tag_high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(trodden: &Trodden, from: u32, name: &[u8]) -> Option<u32> {
        trodden.find(from, name).map(|step| step.to)
    }

    #[test]
    fn a_step_is_found_from_its_own_node_until_nodes_go() {
        let mut trodden = Trodden::default();
        assert_eq!(trodden.find(1, b"accounts"), None);
        trodden.keep(1, b"accounts", 7);
        trodden.keep(1, b"v1", 8);
        trodden.keep(1, b"a-name-that-is-too-long-to-be-kept-in-a-line-of-memory", 9);
        assert_eq!(to(&trodden, 1, b"accounts"), Some(7));
        assert_eq!(to(&trodden, 1, b"v1"), Some(8));
        for (from, name) in [
            (2, &b"accounts"[..]),
            (1, b"account"),
            (1, b"a-name-that-is-too-long-to-be-kept-in-a-line-of-memory"),
            (1, b""),
        ] {
            assert_eq!(to(&trodden, from, name), None, "{from}");
        }
        trodden.keep_path(1, b"/v1/accounts", 8, true);
        assert_eq!(trodden.find_path(1, b"/v1/accounts"), Some((8, true)));
        assert_eq!(trodden.find_path(2, b"/v1/accounts"), None);
        assert_eq!(trodden.find_path(1, b"/v1/account"), None);
        trodden.forget();
        assert_eq!(trodden.find(1, b"accounts"), None);
        assert_eq!(trodden.find_path(1, b"/v1/accounts"), None);
    }
}
