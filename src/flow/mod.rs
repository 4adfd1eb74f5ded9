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
pub use table::{DUPLICATE_WINDOW, FlowCounters, FlowLimits, FlowTable};

pub use crate::packet::key::{Direction, FlowKey, SeqNum};

use crate::anomaly::Anomaly;
use crate::time::Timestamp;

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

    /// A good time, on a live sensor, to tell of what lasts.
    fn tell(&mut self, _: &mut Self::Shared, _: Timestamp) {}

    /// Nothing more will come.
    fn close(self, shared: &mut Self::Shared, how: Close);
}
