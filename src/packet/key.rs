//! What names a connection and a place in it.

use std::net::{IpAddr, SocketAddr};

/// A position in a TCP stream, modulo 2^32 (RFC 9293 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// How far `self` lies behind `earlier`; negative when before it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.wrapping_sub(earlier.0).cast_signed() as i64
    }

    /// The position `by` bytes further.
    #[must_use]
    pub const fn plus(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }
}

/// Which way bytes go between the two ends of a [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the key's lower end to its higher.
    LowToHigh,
    /// From the key's higher end to its lower.
    HighToLow,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::LowToHigh => Self::HighToLow,
            Self::HighToLow => Self::LowToHigh,
        }
    }
}

/// What names a connection: both ends in a fixed order, and the network they live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    low: (u128, u16),
    high: (u128, u16),
    /// Tunnels' network ids folded into one; the lowest bit of all says IPv6.
    network: u32,
    ipv6: bool,
}

impl std::hash::Hash for FlowKey {
    /// In three writes rather than one for each part.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u128(self.low.0);
        state.write_u128(self.high.0);
        let ports = u64::from(self.low.1) << 16 | u64::from(self.high.1);
        state.write_u64(u64::from(self.network) << 32 ^ ports ^ (u64::from(self.ipv6) << 63));
    }
}

impl FlowKey {
    /// The key of the connection between `source` and `destination`, and the direction of the former's bytes.
    #[must_use]
    pub fn new(source: (IpAddr, u16), destination: (IpAddr, u16), network: u32) -> (Self, Direction) {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let ipv6 = source.0.is_ipv6();
        let (source, destination) = ((bits(source.0), source.1), (bits(destination.0), destination.1));
        if source <= destination {
            (Self { low: source, high: destination, network, ipv6 }, Direction::LowToHigh)
        } else {
            (Self { low: destination, high: source, network, ipv6 }, Direction::HighToLow)
        }
    }

    /// The end that sends in `direction`.
    #[must_use]
    pub fn sender(&self, direction: Direction) -> SocketAddr {
        let (bits, port) = match direction {
            Direction::LowToHigh => self.low,
            Direction::HighToLow => self.high,
        };
        let address = if self.ipv6 {
            IpAddr::V6(bits.into())
        } else {
            IpAddr::V4(u32::try_from(bits).unwrap_or_default().into())
        };
        SocketAddr::new(address, port)
    }

    /// Which of `lanes` shards both directions belong to.
    ///
    /// A function of addresses, ports and network alone, simple enough for a classic BPF program to compute in the
    /// kernel (`source::fanout`). Not for tables that strangers can fill: it has no secret.
    #[must_use]
    pub fn lane(&self, lanes: u32) -> u32 {
        let fold = |bits: u128| {
            let [a, b, c, d] = [bits, bits >> 32, bits >> 64, bits >> 96];
            #[expect(clippy::cast_possible_truncation, reason = "all four words are folded in")]
            let word = a as u32 ^ b as u32 ^ c as u32 ^ d as u32;
            word
        };
        let addresses = fold(self.low.0) ^ fold(self.high.0);
        let ports = u32::from(self.low.1 ^ self.high.1);
        mix(addresses ^ ports ^ self.network.wrapping_mul(LANE_FACTOR)) % lanes.max(1)
    }
}

/// What spreads the bits of addresses and ports: 2^32 divided by the golden ratio, odd.
pub const LANE_FACTOR: u32 = 0x9e37_79b1;
/// How many of the lowest bits, which the factor mixes least, are left out.
pub const LANE_SHIFT: u32 = 12;

const fn mix(folded: u32) -> u32 {
    folded.wrapping_mul(LANE_FACTOR) >> LANE_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_a_lane_and_flows_spread() {
        let mut held = [0_u32; 4];
        for port in 0..4_000_u16 {
            let client = (IpAddr::from([10, 0, (port % 7) as u8, 9]), 32_768 + port * 2);
            let server = (IpAddr::from([10, 1, 0, 1]), 443);
            let (there, _) = FlowKey::new(client, server, 0);
            let (back, _) = FlowKey::new(server, client, 0);
            assert_eq!(there.lane(4), back.lane(4));
            held[there.lane(4) as usize] += 1;
        }
        assert!(held.iter().all(|flows| (800..1_200).contains(flows)), "{held:?}");
    }
}
