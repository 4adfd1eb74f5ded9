//! TCP connections: segments in, stream bytes in causal order out.
//!
//! ```text
//! Segment ─▶ FlowTable ─▶ Connection ─┬▶ HalfStream (low to high) ─┐
//!            (by FlowKey)             └▶ HalfStream (high to low) ─┴▶ Application: Chunk::{Data, Gap}
//! ```
//!
//! Two orders hold for what an [`Application`] is given. Within a direction, bytes come in sequence, and
//! what was never captured is a [`Chunk::Gap`] of known length. Between directions, bytes come only after
//! those that their sender had acknowledged: a response never overtakes its request, even when two taps
//! deliver late. Time is packet time, and a flow's time-outs use its own packets alone, so the outcome does
//! not depend on which other flows a shard has.

mod connection;
mod half;
mod table;

pub use half::OverlapPolicy;
pub use table::{FlowCounters, FlowLimits, FlowTable};

use crate::anomaly::Anomaly;
use crate::time::Timestamp;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    low: (u128, u16),
    high: (u128, u16),
    /// Tunnels' network ids folded into one; the lowest bit of all says IPv6.
    network: u32,
    ipv6: bool,
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

/// When and where something was captured.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Packet time.
    pub ts: Timestamp,
    /// Position of the input, from 0.
    pub input: u32,
    /// Number of the frame in its input, from 0.
    pub frame: u64,
    /// What the sender had acknowledged of the other direction.
    pub ack: Option<SeqNum>,
}

/// Bytes in stream order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes of one segment, or the part of it that is new.
    Data(&'a [u8]),
    /// So many bytes were never captured.
    Gap(u64),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Both directions were finished.
    Finished,
    /// One end reset it.
    Reset,
    /// It was still open: no packet for too long, no more packets at all, or no room.
    Open,
}

/// What a connection's bytes are given to.
pub trait Application: Sized {
    /// What all connections of a shard share.
    type Shared;

    /// A connection appears; `client` is the end that sent SYN, when that was seen.
    fn open(shared: &mut Self::Shared, key: FlowKey, client: Option<Direction>) -> Self;

    /// The next bytes of a direction.
    fn chunk(&mut self, shared: &mut Self::Shared, direction: Direction, chunk: Chunk<'_>, at: &Moment);

    /// A direction came to its end.
    fn end_of_stream(&mut self, shared: &mut Self::Shared, direction: Direction, at: &Moment);

    /// Something odd on this connection.
    fn anomaly(&mut self, shared: &mut Self::Shared, anomaly: Anomaly);

    /// Nothing more will come.
    fn close(self, shared: &mut Self::Shared, how: Close);
}
