//! What was worked out for a client's address, while it is remembered.

use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Pairs of places. An address has one pair by a seeded hash, and takes the place of the one that came last but one.
const PAIRS: usize = 8_192;

/// Values by address.
#[derive(Debug)]
pub(super) struct ByAddress<T> {
    hasher: RandomState,
    /// None before the first address.
    pairs: Vec<[Place<T>; 2]>,
    /// Of what is in each place a part of its hash, which tells mostly where to look.
    tags: Vec<[u8; 2]>,
}

/// A place, in a line of the processor's cache of its own: a look at it is a wait for memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Place<T>(Option<(IpAddr, T)>);

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), pairs: Vec::new(), tags: Vec::new() }
    }
}

impl<T: Copy> ByAddress<T> {
    /// The value of an address, worked out by `find` if it is not remembered.
    pub(super) fn get(&mut self, address: IpAddr, find: impl FnOnce(IpAddr) -> T) -> T {
        if self.pairs.is_empty() {
            self.pairs.resize(PAIRS, [Place(None); 2]);
            self.tags.resize(PAIRS, [0; 2]);
        }
        let hash = match address {
            IpAddr::V4(address) => self.hasher.hash_one(address.to_bits()),
            IpAddr::V6(address) => self.hasher.hash_one(address.to_bits()),
        };
        let [.., tag] = hash.to_le_bytes();
        let at = usize::try_from(hash % PAIRS as u64).unwrap_or_default();
        let (Some(pair), Some(tags)) = (self.pairs.get_mut(at), self.tags.get_mut(at)) else {
            return find(address);
        };
        for (Place(place), _) in pair.iter().zip(*tags).filter(|(_, known)| *known == tag) {
            match place {
                Some((known, value)) if *known == address => return *value,
                Some(_) | None => {}
            }
        }
        let value = find(address);
        let [first, second] = pair;
        *second = *first;
        *first = Place(Some((address, value)));
        *tags = [tag, tags[0]];
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_value_whoever_else_comes() {
        let mut known = ByAddress::default();
        let value = |address: IpAddr| match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => 1 << 40 | u64::from(address.octets()[15]),
        };
        for number in (0..40_000_u32).chain(0..40_000) {
            let address = IpAddr::V4(number.into());
            assert_eq!(known.get(address, value), u64::from(number));
        }
        let six: IpAddr = "::9".parse().unwrap();
        assert_eq!((known.get(six, value), known.get([0, 0, 0, 9].into(), value)), (1 << 40 | 9, 9));
    }
}
