//! The connections of one shard, found by their key.
//!
//! A connection that ended is remembered for a while without its state, so that late repetitions of its
//! segments are not taken for a new one. When the table is full, ended connections make room first, then
//! the one that was idle longest, which is counted.

use super::connection::{After, Connection, Delivery};
use super::half::OverlapPolicy;
use super::{Application, Close, FlowKey, Moment};
use crate::anomaly::{Anomaly, AnomalyCounts};
use crate::limits::Limits;
use crate::merge::Merge;
use crate::packet::{Flags, Segment};
use crate::time::Timestamp;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::time::Duration;

/// The bounds and policies of a flow table.
#[derive(Clone, Debug)]
pub struct FlowLimits {
    /// Connections tracked.
    pub max_flows: usize,
    /// Packet time without a packet after which a connection counts as over.
    pub idle: Duration,
    /// Bytes per direction that wait for a missing segment.
    pub reorder_bytes: usize,
    /// Segments per direction that wait for a missing segment.
    pub reorder_segments: usize,
    /// Bytes that all connections of the table together keep waiting.
    pub reorder_bytes_total: usize,
    /// Packet time that later bytes wait for a missing segment which was acknowledged.
    pub reorder_wait: Duration,
    /// Which of differing copies is believed.
    pub overlap: OverlapPolicy,
}

impl FlowLimits {
    /// The flow bounds among a shard's limits.
    #[must_use]
    pub const fn new(limits: &Limits, overlap: OverlapPolicy) -> Self {
        Self {
            max_flows: limits.max_flows,
            idle: limits.flow_idle,
            reorder_bytes: limits.reorder_bytes,
            reorder_segments: limits.reorder_segments,
            reorder_bytes_total: limits.reorder_bytes_total,
            reorder_wait: limits.reorder_wait,
            overlap,
        }
    }
}

/// What a flow table counted.
#[derive(Clone, Debug, Default)]
pub struct FlowCounters {
    /// Connections seen.
    pub flows: u64,
    /// Connections joined after their start.
    pub mid_stream: u64,
    /// Connections of which only one direction was seen.
    pub one_sided: u64,
    /// Open connections that made room for new ones.
    pub evicted: u64,
    /// Segments without bytes for a connection that is not known.
    pub strays: u64,
    /// Segments that a mirror delivered twice: the same packet again within [`DUPLICATE_WINDOW`].
    pub duplicates: u64,
    /// Segments that repeated delivered bytes.
    pub repeated_segments: u64,
    /// Segments that had to wait.
    pub reordered_segments: u64,
    /// Holes that were given up.
    pub gaps: u64,
    /// Bytes of streams that were handed on, in order and once.
    pub stream_bytes: u64,
    /// Bytes in holes and behind cut packets.
    pub lost_bytes: u64,
    /// Oddities.
    pub anomalies: AnomalyCounts,
}

impl Merge for FlowCounters {
    fn absorb(&mut self, other: Self) {
        self.flows.absorb(other.flows);
        self.mid_stream.absorb(other.mid_stream);
        self.one_sided.absorb(other.one_sided);
        self.evicted.absorb(other.evicted);
        self.strays.absorb(other.strays);
        self.duplicates.absorb(other.duplicates);
        self.repeated_segments.absorb(other.repeated_segments);
        self.reordered_segments.absorb(other.reordered_segments);
        self.gaps.absorb(other.gaps);
        self.stream_bytes.absorb(other.stream_bytes);
        self.lost_bytes.absorb(other.lost_bytes);
        self.anomalies.absorb(other.anomalies);
    }
}

const NONE: u32 = u32::MAX;

struct Open<A> {
    connection: Connection,
    app: A,
}

struct Slot<A> {
    key: FlowKey,
    last: Timestamp,
    /// When it was moved to the end of its queue.
    queued: Timestamp,
    /// `None` once the connection has ended.
    open: Option<Box<Open<A>>>,
    older: u32,
    newer: u32,
}

/// The queue's order is this exact: moving a connection for each packet would cost more than it tells.
const QUEUE_EXACTNESS: Duration = Duration::from_millis(100);

/// A list of slots from the longest idle to the newest.
#[derive(Clone, Copy)]
struct Queue {
    oldest: u32,
    newest: u32,
    len: usize,
}

impl Queue {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE, len: 0 };
}

/// Within this packet time the same packet again is the mirror's doing: a sender repeats what was lost no sooner
/// than a round trip later, and then under another IP identification.
pub const DUPLICATE_WINDOW: Duration = Duration::from_millis(20);
/// Packets that are remembered to tell duplicates: 16 bytes each, a power of two.
const REMEMBERED_PACKETS: usize = 4_096;

/// The packets seen lately, each in the one place that its hash gives it.
struct Recent(Box<[(u64, Timestamp)]>);

impl Recent {
    fn new() -> Self {
        Self(vec![(0, Timestamp::from_nanos(i64::MIN)); REMEMBERED_PACKETS].into())
    }

    /// Whether the connection in slot `id` was given this very packet a moment ago; remembers it.
    fn has(&mut self, id: u32, segment: &Segment<'_>) -> bool {
        // Without IPv4 identification two acknowledgements that say the same are the same.
        let bare = segment.payload.is_empty() && segment.flags == Flags::default();
        if bare && segment.identity >> 16 == 0 {
            return false;
        }
        let mut tag = u64::from(id) << 32 | u64::from(segment.identity);
        for word in [
            u64::from(segment.seq.0) << 32 | u64::from(segment.ack.map_or(0, |ack| ack.0)),
            (segment.payload.len() as u64) << 3
                | u64::from(segment.flags.syn) << 2
                | u64::from(segment.flags.fin) << 1
                | u64::from(segment.flags.rst),
        ] {
            tag = (tag.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        tag ^= segment.direction as u64;
        let place = usize::try_from(tag >> 32).unwrap_or(0) % REMEMBERED_PACKETS;
        let Some(slot) = self.0.get_mut(place) else { return false };
        let apart = segment.ts.since(slot.1).max(slot.1.since(segment.ts));
        let known = slot.0 == tag && apart <= DUPLICATE_WINDOW;
        *slot = (tag, segment.ts);
        known
    }
}

/// The connections of one shard.
pub struct FlowTable<A> {
    limits: FlowLimits,
    recent: Recent,
    slots: Vec<Slot<A>>,
    free: Vec<u32>,
    by_key: HashMap<FlowKey, u32, RandomState>,
    open: Queue,
    ended: Queue,
    waiting_bytes: usize,
    counters: FlowCounters,
}

impl<A> std::fmt::Debug for FlowTable<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FlowTable({} open, {} ended)", self.open.len, self.ended.len)
    }
}

impl<A: Application> FlowTable<A> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: FlowLimits) -> Self {
        Self {
            limits,
            recent: Recent::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::with_hasher(RandomState::default()),
            open: Queue::EMPTY,
            ended: Queue::EMPTY,
            waiting_bytes: 0,
            counters: FlowCounters::default(),
        }
    }

    /// What was counted since this was last asked.
    pub fn take_counters(&mut self) -> FlowCounters {
        std::mem::take(&mut self.counters)
    }

    /// Takes in a segment, captured as frame `frame` of input `input`.
    pub fn segment(&mut self, segment: &Segment<'_>, input: u32, frame: u64, shared: &mut A::Shared) {
        let moment = Moment { ts: segment.ts, input, frame, ack: segment.ack };
        let mut found = self.by_key.get(&segment.key).copied();
        if let Some(id) = found
            && self.is_over(id, segment)
        {
            if self.slots.get(id as usize).is_some_and(|slot| slot.open.is_some()) {
                let reused = segment.flags.syn;
                self.end(id, Close::Open, reused.then_some(Anomaly::PortReuse), shared);
            }
            self.forget(id);
            found = None;
        }
        let id = match found {
            Some(id) => id,
            None if !segment.flags.syn && segment.payload.is_empty() && segment.cut == 0 => {
                self.counters.strays += 1;
                return;
            }
            None => self.insert(segment, shared),
        };
        if self.recent.has(id, segment) {
            self.counters.duplicates += 1;
            return;
        }
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        slot.last = segment.ts;
        let Some(open) = &mut slot.open else { return };
        let waited = open.connection.waiting_bytes();
        let mut to =
            Delivery { app: &mut open.app, shared, limits: &self.limits, counters: &mut self.counters };
        let after = open.connection.segment(segment, moment, &mut to);
        self.waiting_bytes = self.waiting_bytes + open.connection.waiting_bytes() - waited;
        match after {
            After::Open if self.waiting_bytes > self.limits.reorder_bytes_total => {
                to.counters.anomalies.count(Anomaly::ReorderLimit);
                let waited = open.connection.waiting_bytes();
                open.connection.flush(&mut to);
                self.waiting_bytes = self.waiting_bytes + open.connection.waiting_bytes() - waited;
                self.touch(id);
            }
            After::Open => self.touch(id),
            After::Closed(how) => self.end(id, how, None, shared),
        }
    }

    /// Gives up the holes that will not be filled any more as of `now`, for connections that fell silent.
    ///
    /// For live traffic, where nobody should wait for a connection's next packet to hear of its last exchange.
    /// A replay leaves time to the packets.
    pub fn lose_patience(&mut self, now: Timestamp, shared: &mut A::Shared) {
        let mut id = self.open.oldest;
        while self.waiting_bytes > 0
            && let Some(slot) = self.slots.get_mut(id as usize)
        {
            id = slot.newer;
            let Some(open) = &mut slot.open else { continue };
            let waited = open.connection.waiting_bytes();
            if waited > 0 {
                let mut to = Delivery {
                    app: &mut open.app,
                    shared,
                    limits: &self.limits,
                    counters: &mut self.counters,
                };
                open.connection.lose_patience(now, &mut to);
                self.waiting_bytes = self.waiting_bytes + open.connection.waiting_bytes() - waited;
            }
        }
    }

    /// Ends every connection without a packet for the idle time before `now`.
    pub fn expire(&mut self, now: Timestamp, shared: &mut A::Shared) {
        while let Some(slot) = self.slots.get(self.open.oldest as usize)
            && now.since(slot.queued) >= self.limits.idle
        {
            let id = self.open.oldest;
            if now.since(slot.last) >= self.limits.idle {
                self.end(id, Close::Open, None, shared);
            } else {
                self.touch(id);
            }
        }
    }

    /// Lets every open connection tell of what lasts, those first that were idle for longest.
    pub fn tell(&mut self, now: Timestamp, shared: &mut A::Shared) {
        let mut id = self.open.oldest;
        while let Some(slot) = self.slots.get_mut(id as usize) {
            id = slot.newer;
            if let Some(open) = &mut slot.open {
                open.app.tell(shared, now);
            }
        }
    }

    /// Ends all connections: nothing more will come. In the order in which they were last active.
    pub fn finish(&mut self, shared: &mut A::Shared) {
        while self.open.oldest != NONE {
            let id = self.open.oldest;
            self.end(id, Close::Open, None, shared);
            self.forget(id);
        }
    }

    /// Whether the connection in slot `id` had ended before `segment`, which then opens another.
    fn is_over(&self, id: u32, segment: &Segment<'_>) -> bool {
        let Some(slot) = self.slots.get(id as usize) else { return true };
        let apart = segment.ts.since(slot.last).max(slot.last.since(segment.ts));
        if apart >= self.limits.idle {
            return true;
        }
        match &slot.open {
            Some(open) if segment.flags.syn && segment.ack.is_some() => {
                !open.connection.repeats_answer(segment.direction, segment.seq)
            }
            Some(open) => segment.flags.syn && !open.connection.repeats_syn(segment.direction, segment.seq),
            None => segment.flags.syn && segment.ack.is_none(),
        }
    }

    fn insert(&mut self, segment: &Segment<'_>, shared: &mut A::Shared) -> u32 {
        if self.by_key.len() >= self.limits.max_flows {
            self.make_room(shared);
        }
        self.counters.flows += 1;
        let client = segment.flags.syn.then_some(match segment.ack {
            None => segment.direction,
            Some(_) => segment.direction.reverse(),
        });
        let mut app = A::open(shared, segment.key, client);
        if client.is_none() {
            self.counters.mid_stream += 1;
            self.counters.anomalies.count(Anomaly::MidStream);
            app.anomaly(shared, Anomaly::MidStream);
        }
        let slot = Slot {
            key: segment.key,
            last: segment.ts,
            queued: segment.ts,
            open: Some(Box::new(Open { connection: Connection::default(), app })),
            older: NONE,
            newer: NONE,
        };
        let id = if let Some(id) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(id as usize) {
                *place = slot;
            }
            id
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("max_flows is far below 2^32")
        };
        self.by_key.insert(segment.key, id);
        self.append(id);
        id
    }

    fn make_room(&mut self, shared: &mut A::Shared) {
        if self.ended.oldest != NONE {
            self.forget(self.ended.oldest);
        } else if self.open.oldest != NONE {
            let id = self.open.oldest;
            self.counters.evicted += 1;
            self.end(id, Close::Open, None, shared);
            self.forget(id);
        }
    }

    /// Ends the connection in slot `id` and keeps its key.
    fn end(&mut self, id: u32, how: Close, anomaly: Option<Anomaly>, shared: &mut A::Shared) {
        self.unlink(id);
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        let Some(mut open) = slot.open.take() else { return };
        self.waiting_bytes -= open.connection.waiting_bytes();
        let mut to =
            Delivery { app: &mut open.app, shared, limits: &self.limits, counters: &mut self.counters };
        open.connection.flush(&mut to);
        if !open.connection.two_sided() {
            self.counters.one_sided += 1;
            self.counters.anomalies.count(Anomaly::OneSided);
        }
        if let Some(anomaly) = anomaly {
            self.counters.anomalies.count(anomaly);
            open.app.anomaly(shared, anomaly);
        }
        open.app.close(shared, how);
        self.append(id);
    }

    fn forget(&mut self, id: u32) {
        self.unlink(id);
        if let Some(slot) = self.slots.get_mut(id as usize) {
            self.by_key.remove(&slot.key);
            slot.open = None;
            self.free.push(id);
        }
    }

    fn touch(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        if slot.last.since(slot.queued) < QUEUE_EXACTNESS {
            return;
        }
        slot.queued = slot.last;
        if self.open.newest != id {
            self.unlink(id);
            self.append(id);
        }
    }

    fn unlink(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        let (older, newer, is_open) = (slot.older, slot.newer, slot.open.is_some());
        (slot.older, slot.newer) = (NONE, NONE);
        let queue = if is_open { &mut self.open } else { &mut self.ended };
        if older == NONE && newer == NONE && queue.oldest != id {
            return;
        }
        queue.len -= 1;
        if queue.oldest == id {
            queue.oldest = newer;
        }
        if queue.newest == id {
            queue.newest = older;
        }
        if let Some(slot) = self.slots.get_mut(older as usize) {
            slot.newer = newer;
        }
        if let Some(slot) = self.slots.get_mut(newer as usize) {
            slot.older = older;
        }
    }

    fn append(&mut self, id: u32) {
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        let queue = if slot.open.is_some() { &mut self.open } else { &mut self.ended };
        slot.older = queue.newest;
        slot.newer = NONE;
        let before = queue.newest;
        queue.newest = id;
        queue.len += 1;
        if before == NONE {
            queue.oldest = id;
        } else if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.newer = id;
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
