//! How many connections there may be, in all and from one client.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Bounds on the connections of one way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In all. Each may hold a few hundred KiB.
    pub total: usize,
    /// From one client: an IPv4 address or an IPv6 network of 64 bits.
    pub of_client: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self { total: 256, of_client: 64 }
    }
}

/// The places of one way in.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Connections,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    of_client: BTreeMap<IpAddr, usize>,
}

impl Places {
    pub(super) fn new(bounds: Connections) -> Arc<Self> {
        Arc::new(Self { bounds, taken: Mutex::default() })
    }

    /// A place for a connection of this peer, unless there is none.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let client = client(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let held = taken.of_client.get(&client).copied().unwrap_or_default();
        if taken.total >= self.bounds.total || held >= self.bounds.of_client {
            return None;
        }
        taken.total += 1;
        taken.of_client.insert(client, held + 1);
        Some(Place { places: Arc::clone(self), client })
    }
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        match taken.of_client.get_mut(&self.client) {
            Some(held) if *held > 1 => *held -= 1,
            Some(_) | None => _ = taken.of_client.remove(&self.client),
        }
    }
}

/// What counts as one client: whoever has an IPv6 address has 2^64 of them.
pub(super) fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let places = Places::new(Connections { total: 3, of_client: 2 });
        let take = |peer: &str| places.take(peer.parse().unwrap());
        let first = take("10.0.0.1").unwrap();
        let second = take("::ffff:10.0.0.1").unwrap();
        assert!(take("10.0.0.1").is_none(), "two for each");
        let third = take("2001:db8::1").unwrap();
        assert!(take("10.0.0.2").is_none(), "three in all");
        drop(first);
        let again = take("2001:db8::2").unwrap();
        assert!(take("10.0.0.1").is_none());
        drop(again);
        assert!(take("10.0.0.1").is_some());
        drop((second, third));
        assert!(places.taken.lock().unwrap().of_client.is_empty(), "nothing is kept of those that left");
    }
}
