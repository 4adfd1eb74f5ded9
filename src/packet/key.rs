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

    /// A number that is the same for both directions, to choose a shard by. Not for tables that strangers
    /// can fill: it has no secret.
    #[must_use]
    pub fn spread(&self) -> u64 {
        let fold = |(bits, port): (u128, u16)| {
            #[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
            let halves = (bits as u64) ^ ((bits >> 64) as u64);
            halves ^ (u64::from(port) << 40)
        };
        let mixed = (fold(self.low).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(29)
            ^ fold(self.high).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let mixed = mixed ^ u64::from(self.network);
        (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}
