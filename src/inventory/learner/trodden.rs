//! Steps down the tree that were made before: from a node, by a name, to the node below.
//!
//! A request takes mostly steps that others took. To find one here costs a look at one line of memory, where the tree has
//! to hash the name, look it up, and see what kind of name it is. A step is forgotten when another takes its place, and all
//! are when a node leaves the tree.

/// Steps kept.
const SLOTS: usize = 4_096;
/// The longest name of a step.
const MAX_NAME: usize = 19;

#[derive(Clone, Copy, Debug)]
struct Slot {
    from: u32,
    to: u32,
    generation: u32,
    len: u8,
    name: [u8; MAX_NAME],
}

/// See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Trodden {
    /// None before the first step.
    slots: Vec<Slot>,
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
    pub(super) fn find(&self, from: u32, name: &[u8]) -> Option<u32> {
        let slot = self.slots.get(place(from, name))?;
        let known = slot.from == from
            && slot.generation == self.generation
            && usize::from(slot.len) == name.len()
            && slot.name.get(..name.len()) == Some(name);
        known.then_some(slot.to)
    }

    /// Remembers a step by a name that is not empty, if it is short.
    pub(super) fn keep(&mut self, from: u32, name: &[u8], to: u32) {
        if self.slots.is_empty() {
            let none = Slot { from: 0, to: 0, generation: 0, len: u8::MAX, name: [0; MAX_NAME] };
            self.slots.resize(SLOTS, none);
        }
        let mut bytes = [0; MAX_NAME];
        if let Some(front) = bytes.get_mut(..name.len())
            && let Ok(len) = u8::try_from(name.len())
            && let Some(slot) = self.slots.get_mut(place(from, name))
        {
            front.copy_from_slice(name);
            *slot = Slot { from, to, generation: self.generation, len, name: bytes };
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

/// The place of a step, by where it begins, and by the length and both ends of its name.
fn place(from: u32, name: &[u8]) -> usize {
    let [front, back] = match (name.first_chunk(), name.last_chunk()) {
        (Some(front), Some(back)) => [u64::from_le_bytes(*front), u64::from_le_bytes(*back)],
        (Some(_) | None, _) => [name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0],
    };
    let mixed = front ^ back.rotate_left(29) ^ (u64::from(from) << 20) ^ name.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_from_its_own_node_until_nodes_go() {
        let mut trodden = Trodden::default();
        assert_eq!(trodden.find(1, b"accounts"), None);
        trodden.keep(1, b"accounts", 7);
        trodden.keep(1, b"v1", 8);
        trodden.keep(1, b"a-name-that-is-too-long-to-keep", 9);
        assert_eq!(trodden.find(1, b"accounts"), Some(7));
        assert_eq!(trodden.find(1, b"v1"), Some(8));
        for (from, name) in
            [(2, &b"accounts"[..]), (1, b"account"), (1, b"a-name-that-is-too-long-to-keep"), (1, b"")]
        {
            assert_eq!(trodden.find(from, name), None, "{from}");
        }
        trodden.forget();
        assert_eq!(trodden.find(1, b"accounts"), None);
    }
}
