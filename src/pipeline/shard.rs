//! One shard: its connections, its parsers, and what it has learnt. Nobody else touches them.

use crate::caller::TrustedProxies;
use crate::flow::{FlowCounters, FlowKey, FlowLimits, FlowTable, OverlapPolicy};
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::inventory::vantage::Vantages;
use crate::limits::Limits;
use crate::merge::Merge;
use crate::packet::{Flags, Segment};
use crate::pipeline::rows::{Row, Rows, RowsWanted};
use crate::time::Timestamp;
use crate::tls::keylog::Keys;
use crate::transaction::Transaction;
use crate::transaction::pairing::{self, Conversation, HttpCounters, Sink};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a shard is built from.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    /// Bounds.
    pub limits: Limits,
    /// Which of differing copies of stream bytes is believed.
    pub overlap: OverlapPolicy,
    /// Whether bodies are read.
    pub inspect_bodies: bool,
    /// Which lines of `--transactions` are kept.
    pub rows: RowsWanted,
    /// Whether the data classes of each exchange are kept, for `--tags`.
    pub tags: bool,
    /// The proxies whose word on their clients is believed.
    pub trusted: Arc<TrustedProxies>,
    /// Which input is seen at which vantage.
    pub vantages: Arc<Vantages>,
    /// Where TLS connections find their secrets: all shards share it, and secrets may come at any time.
    pub keys: Arc<Keys>,
}

/// What becomes of a shard's exchanges.
#[derive(Debug)]
pub struct Intake {
    /// What was learnt.
    pub collector: Collector,
    /// Lines of `--transactions`.
    pub rows: Rows,
}

impl Sink for Intake {
    fn transaction(&mut self, transaction: &Transaction) {
        let observed = self.collector.observe(transaction);
        if self.rows.wanted() {
            self.rows.push(Row::new(transaction, &observed));
        }
    }
}

/// Counters of the stages of a shard.
#[derive(Clone, Debug, Default)]
pub struct ShardCounters {
    /// Connections.
    pub flows: FlowCounters,
    /// Messages.
    pub http: HttpCounters,
}

impl Merge for ShardCounters {
    fn absorb(&mut self, other: Self) {
        self.flows.absorb(other.flows);
        self.http.absorb(other.http);
    }
}

/// Counters of a shard by input, and what was counted when it ended, which belongs to the last input of all.
pub type CountersByInput = (BTreeMap<u32, ShardCounters>, ShardCounters);

/// A worker's whole state.
#[derive(Debug)]
pub struct Shard {
    flows: FlowTable<Conversation<Intake>>,
    exchanges: pairing::Exchanges<Intake>,
    /// The input of the last segment.
    input: u32,
    /// Whether what is counted is booked by input: inputs follow each other.
    by_input_booked: bool,
    by_input: BTreeMap<u32, ShardCounters>,
    /// Exchanges that ticks have told of.
    told: u64,
    /// TLS sessions that ticks have told of.
    sessions_told: Sessions,
}

/// TLS sessions by what became of their content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Read with keys.
    pub read: u64,
    /// Not read for want of keys.
    pub closed: u64,
    /// Waiting for keys now.
    pub waiting: u64,
}

impl Shard {
    /// A shard that has seen nothing.
    #[must_use]
    pub fn new(settings: &ShardSettings, collector: Collector) -> Self {
        let intake = Intake { collector, rows: Rows::new(settings.rows, settings.limits.transaction_rows) };
        Self {
            flows: FlowTable::new(FlowLimits::new(&settings.limits, settings.overlap)),
            exchanges: pairing::Exchanges::new(&settings.limits, settings.inspect_bodies, intake)
                .with_keys(&settings.limits, Arc::clone(&settings.keys)),
            input: 0,
            by_input_booked: true,
            by_input: BTreeMap::new(),
            told: 0,
            sessions_told: Sessions::default(),
        }
    }

    /// The same for inputs that come at once: what is counted is told by [`Shard::tick`] alone.
    #[must_use]
    pub fn of_live_inputs(self) -> Self {
        Self { by_input_booked: false, ..self }
    }

    /// Takes a segment.
    pub fn segment(&mut self, segment: &Segment<'_>, input: u32, frame: u64) {
        if input != self.input && self.by_input_booked {
            self.close_input();
            self.input = input;
        }
        self.flows.segment(segment, input, frame, &mut self.exchanges);
    }

    /// Takes an exchange that was put together already.
    pub fn exchange(&mut self, exchange: &Transaction) {
        self.exchanges.sink.transaction(exchange);
    }

    /// Books what was counted since the input began.
    fn close_input(&mut self) {
        let counters = self.take_counters();
        self.by_input.entry(self.input).or_default().absorb(counters);
    }

    fn take_counters(&mut self) -> ShardCounters {
        ShardCounters { flows: self.flows.take_counters(), http: self.exchanges.take_counters() }
    }

    /// Gives away what was learnt and counted since the last time. `now` is the clock by which packets are captured: who
    /// was silent for too long has nothing more to say.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp) -> (Delta, ShardCounters) {
        self.flows.lose_patience(now, &mut self.exchanges);
        self.flows.expire(now, &mut self.exchanges);
        self.exchanges.look_at_parked(now);
        let mut counters = self.take_counters();
        self.told += counters.http.transactions;
        self.sessions_told.read += counters.http.tls_read.flows;
        self.sessions_told.closed += counters.http.tls.flows;
        let mut delta = self.exchanges.sink.collector.take();
        delta.take_in_services(std::mem::take(&mut counters.http.services));
        (delta, counters)
    }

    /// Exchanges since the start.
    #[must_use]
    pub const fn exchanges(&self) -> u64 {
        self.told + self.exchanges.transactions()
    }

    /// TLS sessions since the start.
    #[must_use]
    pub const fn sessions(&self) -> Sessions {
        let (read, closed, waiting) = self.exchanges.sessions();
        Sessions { read: self.sessions_told.read + read, closed: self.sessions_told.closed + closed, waiting }
    }

    /// Ends every connection: nothing more will come.
    pub fn end_flows(&mut self) {
        self.flows.finish(&mut self.exchanges);
        self.exchanges.finish();
    }

    /// Goes on with another collector. What the old one has learnt must have been taken.
    pub fn collect_with(&mut self, collector: Collector) {
        self.exchanges.sink.collector = collector;
    }

    /// Ends every connection and returns what was learnt and counted.
    #[must_use]
    pub fn finish(mut self) -> (Intake, CountersByInput) {
        self.close_input();
        self.flows.finish(&mut self.exchanges);
        self.exchanges.finish();
        let rest = self.take_counters();
        (self.exchanges.sink, (self.by_input, rest))
    }
}

/// Segments on their way to another thread.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    segments: Vec<Stored>,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    ts: Timestamp,
    key: FlowKey,
    direction: crate::flow::Direction,
    seq: crate::flow::SeqNum,
    ack: Option<crate::flow::SeqNum>,
    flags: Flags,
    start: usize,
    len: usize,
    cut: u32,
    identity: u32,
    input: u32,
    frame: u64,
}

/// Segments of a full batch: the cost of handing over is spread over as many.
pub const BATCH_SEGMENTS: usize = 256;

impl Batch {
    /// Adds a segment; its bytes are copied.
    pub fn push(&mut self, segment: &Segment<'_>, input: u32, frame: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(segment.payload);
        self.segments.push(Stored {
            ts: segment.ts,
            key: segment.key,
            direction: segment.direction,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            start,
            len: segment.payload.len(),
            cut: segment.cut,
            identity: segment.identity,
            input,
            frame,
        });
    }

    /// Whether it should be handed over.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.segments.len() >= BATCH_SEGMENTS
    }

    /// How many segments are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.segments.len()
    }

    /// When its last segment was captured.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.segments.last().map(|segment| segment.ts)
    }

    /// Forgets all segments and keeps the buffers.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.bytes.clear();
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Gives every segment to `shard` and empties the batch.
    pub fn deliver(&mut self, shard: &mut Shard) {
        for stored in &self.segments {
            let segment = Segment {
                ts: stored.ts,
                key: stored.key,
                direction: stored.direction,
                seq: stored.seq,
                ack: stored.ack,
                flags: stored.flags,
                payload: self.bytes.get(stored.start..stored.start + stored.len).unwrap_or_default(),
                cut: stored.cut,
                identity: stored.identity,
            };
            shard.segment(&segment, stored.input, stored.frame);
        }
        self.clear();
    }
}

/// Exchanges of logs on their way to another thread.
#[derive(Debug, Default)]
pub struct Exchanges {
    /// Of which the first `used` wait; the buffers of the others are used again.
    kept: Vec<Transaction>,
    used: usize,
}

/// Exchanges of a full batch: the cost of handing over is spread over as many.
const BATCH_EXCHANGES: usize = 128;

impl Exchanges {
    /// Adds an exchange; it is copied.
    pub fn push(&mut self, exchange: &Transaction) {
        match self.kept.get_mut(self.used) {
            Some(slot) => slot.copy_from(exchange),
            None => self.kept.push(exchange.clone()),
        }
        self.used += 1;
    }

    /// Whether it should be handed over.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.used >= BATCH_EXCHANGES
    }

    /// Gives every exchange to `shard` and empties the batch.
    pub fn deliver(&mut self, shard: &mut Shard) {
        for exchange in self.kept.iter().take(self.used) {
            shard.exchange(exchange);
        }
        self.used = 0;
    }
}
