//! One shard: its connections, its parsers, and what it has learnt. Nobody else touches them.

use crate::caller::TrustedProxies;
use crate::flow::{FlowCounters, FlowKey, FlowLimits, FlowTable, OverlapPolicy};
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::inventory::inspect::Tag;
use crate::inventory::vantage::Vantages;
use crate::limits::Limits;
use crate::merge::Merge;
use crate::packet::{Flags, Segment};
use crate::pipeline::rows::{Row, Rows, RowsWanted};
use crate::spec::Methods;
use crate::time::Timestamp;
use crate::tls::keylog::Keys;
use crate::transaction::pairing::{self, Conversation, HttpCounters, Sink};
use crate::transaction::{Provenance, Transaction};
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
    /// Whether words that may be constants are gathered, for `--enums`.
    pub constants: bool,
    /// The proxies whose word on their clients is believed.
    pub trusted: Arc<TrustedProxies>,
    /// Which input is seen at which vantage.
    pub vantages: Arc<Vantages>,
    /// The methods whose messages are known by descriptors.
    pub methods: Arc<Methods>,
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
    /// What exchanges that go on were found to carry.
    tags: BTreeMap<Provenance, Vec<Tag>>,
}

impl Intake {
    /// An intake that has taken nothing.
    #[must_use]
    pub const fn new(collector: Collector, rows: Rows) -> Self {
        Self { collector, rows, tags: BTreeMap::new() }
    }
}

impl Sink for Intake {
    fn transaction(&mut self, transaction: &Transaction) {
        let mut observed = self.collector.observe(transaction);
        if !self.rows.wanted() {
            return;
        }
        // An exchange is one line, when it is over; what its parts carried is told there.
        let place = transaction.provenance;
        if !transaction.part.ends() {
            if !observed.tags.is_empty() {
                let tags = self.tags.entry(place).or_default();
                tags.append(&mut observed.tags);
                tags.sort_unstable();
                tags.dedup();
            }
            return;
        }
        if let Some(mut earlier) = self.tags.remove(&place) {
            observed.tags.append(&mut earlier);
            observed.tags.sort_unstable();
            observed.tags.dedup();
        }
        self.rows.push(Row::new(transaction, &observed));
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
        let intake = Intake::new(collector, Rows::new(settings.rows, settings.limits.transaction_rows));
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
        self.flows.tell(now, &mut self.exchanges);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Classifier;
    use crate::flow::{Direction, SeqNum};
    use crate::inventory::inspect::data_fields;
    use crate::inventory::rulings::Rulings;
    use crate::secret::FingerprintKey;
    use crate::spec::DocumentSet;
    use proptest::prelude::*;

    /// A connection as two peers write to it, one line a second.
    struct Wire {
        shard: Shard,
        delta: Delta,
        key: FlowKey,
        client: Direction,
        next: [u32; 2],
        second: i64,
        frame: u64,
        exchanges: u64,
    }

    const KEY: [u8; 32] = [9; 32];

    fn settings() -> ShardSettings {
        ShardSettings {
            limits: Limits::default(),
            overlap: OverlapPolicy::default(),
            inspect_bodies: true,
            rows: RowsWanted::Unredacted,
            tags: false,
            constants: false,
            trusted: Arc::default(),
            vantages: Arc::default(),
            methods: Arc::default(),
            keys: Arc::new(Keys::new(0)),
        }
    }

    impl Wire {
        fn new() -> Self {
            let key = FingerprintKey::new(KEY);
            let collector = Collector::new(&Limits::default(), &key, &Classifier::built_in(), true);
            let end = |text: &str, port| (text.parse().unwrap(), port);
            let (flow, client) = FlowKey::new(end("198.18.0.1", 40_000), end("198.18.0.2", 80), 0);
            let mut wire = Self {
                shard: Shard::new(&settings(), collector).of_live_inputs(),
                delta: Delta::new(&key),
                key: flow,
                client,
                next: [1_000, 5_000],
                second: 1_776_211_200,
                frame: 0,
                exchanges: 0,
            };
            wire.segment(true, Flags { syn: true, ..Flags::default() }, b"");
            wire.segment(false, Flags { syn: true, ..Flags::default() }, b"");
            wire
        }

        fn segment(&mut self, of_client: bool, flags: Flags, payload: &[u8]) {
            let [client, server] = self.next;
            let (seq, ack) = if of_client { (client, server) } else { (server, client) };
            let segment = Segment {
                ts: Timestamp::from_secs(self.second, 0),
                key: self.key,
                direction: if of_client { self.client } else { self.client.reverse() },
                seq: SeqNum(seq),
                ack: Some(SeqNum(ack)),
                flags,
                payload,
                cut: 0,
                identity: 0,
            };
            self.shard.segment(&segment, 0, self.frame);
            self.frame += 1;
            let moved = u32::try_from(payload.len()).unwrap() + u32::from(flags.syn || flags.fin);
            self.next[usize::from(!of_client)] += moved;
        }

        fn send(&mut self, of_client: bool, payload: &[u8]) {
            self.second += 1;
            self.segment(of_client, Flags::default(), payload);
        }

        fn tick(&mut self) {
            let (delta, counters) = self.shard.tick(Timestamp::from_secs(self.second, 0));
            self.delta.absorb(delta);
            self.exchanges += counters.http.transactions;
        }

        fn end(&mut self) {
            self.segment(true, Flags { fin: true, ..Flags::default() }, b"");
            self.segment(false, Flags { fin: true, ..Flags::default() }, b"");
            self.shard.end_flows();
            self.tick();
        }

        /// What the inventory tells, hours apart: each counts what came in it.
        fn told(&self) -> Vec<String> {
            let snapshot = self.delta.snapshot(&DocumentSet::default(), &Rulings::default());
            let endpoints = snapshot.inventory.endpoints.iter().map(|endpoint| {
                let row = crate::lake::rows::EndpointRow::from(endpoint);
                let facts = &endpoint.facts;
                let fields: Vec<String> = data_fields(&Classifier::built_in(), facts)
                    .into_iter()
                    .map(|field| {
                        format!("{} {} {} {}", field.location.name(), field.path, field.class, field.valid)
                    })
                    .collect();
                let hours: Vec<u64> = (0..6)
                    .map(|class| facts.hours.values().map(|hour| hour.by_status_class[class]).sum())
                    .collect();
                let classes: u64 = facts.hours.values().flat_map(|hour| hour.data_classes.values()).sum();
                format!("{} {row:?} {fields:?} {hours:?} {classes}", endpoint.key)
            });
            endpoints.collect()
        }
    }

    const UPGRADE: &[u8] =
        b"GET /v1/quotes HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const SWITCHED: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn frame(of_client: bool, first: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        if of_client {
            [&[first, 0x80 | length, 0, 0, 0, 0], content].concat()
        } else {
            [&[first, length], content].concat()
        }
    }

    fn message(of_client: bool, number: usize) -> Vec<u8> {
        let kind = if of_client { "pay" } else { "paid" };
        let text = format!(r#"{{"type":"{kind}","iban":"DE8937040044053201300{}"}}"#, number % 10);
        frame(of_client, 0x81, text.as_bytes())
    }

    fn chunk(content: &str) -> Vec<u8> {
        format!("{:x}\r\n{content}\r\n", content.len()).into_bytes()
    }

    /// A WebSocket, a stream of events, the same in a content coding, a long download, a slow call of Connect, and a stream of
    /// gRPC-Web that fails, in turns of one second.
    fn exchange(what: usize) -> Vec<(bool, Vec<u8>)> {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: ws.example\r\n\r\n").into_bytes();
        let answer = |media: &str| {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .into_bytes()
        };
        let mut turns = Vec::new();
        match what {
            0 => {
                turns.extend([(true, UPGRADE.to_vec()), (false, SWITCHED.to_vec())]);
                turns.extend((0..20).map(|number| (number % 3 == 0, message(number % 3 == 0, number))));
                turns
                    .extend([(true, frame(true, 0x88, &[3, 0xe8])), (false, frame(false, 0x88, &[3, 0xe8]))]);
            }
            1 => {
                turns.extend([(true, get("/v1/events")), (false, answer("text/event-stream"))]);
                turns.extend((0..9).map(|number| {
                    (
                        false,
                        chunk(&format!("event: tick\ndata: {{\"email\":\"anna{number}@mail.example\"}}\n\n")),
                    )
                }));
                turns.push((false, b"0\r\n\r\n".to_vec()));
            }
            2 => {
                use std::io::Write;
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                for number in 0..9 {
                    write!(packed, "event: tick\ndata: {{\"email\":\"anna{number}@mail.example\"}}\n\n")
                        .unwrap();
                }
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
                turns.extend([(true, get("/v1/packed")), (false, head.as_bytes().to_vec())]);
                turns.extend(packed.finish().unwrap().chunks(9).map(|piece| {
                    (false, [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())
                }));
                turns.push((false, b"0\r\n\r\n".to_vec()));
            }
            4 => {
                let call = "POST /bank.Accounts/Get HTTP/1.1\r\nHost: ws.example\r\nContent-Type: application/json\r\n\
                    Connect-Protocol-Version: 1\r\nContent-Length: 12\r\n\r\n{\"id\":\"a-1\"}";
                turns.extend([(true, call.as_bytes().to_vec()), (false, answer("application/json"))]);
                turns.extend((0..4).map(|_| (false, chunk("       "))));
                turns.extend([(false, chunk("{\"open\":true}")), (false, b"0\r\n\r\n".to_vec())]);
            }
            5 => {
                let call = "POST /bank.Accounts/Watch HTTP/1.1\r\nHost: ws.example\r\n\
                    Content-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0";
                turns.extend([
                    (true, call.as_bytes().to_vec()),
                    (false, answer("application/grpc-web+proto")),
                ]);
                turns.extend((0..4).map(|_| (false, chunk("\0\0\0\0\x02\x08\x01"))));
                let end = [&b"15\r\n\x80\0\0\0\x10"[..], b"grpc-status: 5\r\n", b"\r\n"].concat();
                turns.extend([(false, end), (false, b"0\r\n\r\n".to_vec())]);
            }
            _ => {
                turns.extend([(true, get("/v1/export")), (false, answer("application/json"))]);
                turns.extend((0..9).map(|number| {
                    let front = if number == 0 { "[" } else { "," };
                    (false, chunk(&format!("{front}{{\"iban\":\"DE89370400440532013000\"}}")))
                }));
                turns.extend([(false, chunk("]")), (false, b"0\r\n\r\n".to_vec())]);
            }
        }
        turns
    }

    fn run(what: usize, ticks: impl Fn(usize) -> bool) -> Wire {
        let mut wire = Wire::new();
        for (at, (of_client, bytes)) in exchange(what).iter().enumerate() {
            wire.send(*of_client, bytes);
            if ticks(at) {
                wire.tick();
            }
        }
        wire.end();
        wire
    }

    #[test]
    fn what_lasts_is_told_while_it_lives_and_counts_once() {
        let paths = [
            "/v1/quotes",
            "/v1/events",
            "/v1/packed",
            "/v1/export",
            "/bank.Accounts/Get",
            "/bank.Accounts/Watch",
        ];
        for (what, path) in paths.into_iter().enumerate() {
            let mut wire = Wire::new();
            for (at, (of_client, bytes)) in exchange(what).iter().enumerate() {
                wire.send(*of_client, bytes);
                wire.tick();
                let snapshot = wire.delta.snapshot(&DocumentSet::default(), &Rulings::default());
                let known = snapshot.inventory.endpoints.first();
                // The answer's head came a second before.
                let wanted = (at >= 2).then(|| (path.to_owned(), 1));
                let got = known.map(|endpoint| (endpoint.key.template.clone(), endpoint.facts.requests));
                assert_eq!(got, wanted, "{path} after {at}");
            }
            wire.end();
            assert_eq!(wire.exchanges, 1, "{path}");
            let (intake, _) = wire.shard.finish();
            let rows = intake.rows.into_sorted();
            assert_eq!(rows.len(), 1, "{path}");
            assert_eq!(rows[0].completeness, crate::transaction::Completeness::Complete, "{path}");
        }
    }

    #[test]
    fn a_call_that_lasts_is_one_call_with_its_outcome() {
        for (what, protocol, outcome, messages) in
            [(4, "connect", "ok", [1, 1]), (5, "grpc_web", "not_found", [1, 4])]
        {
            let wire = run(what, |_| true);
            let snapshot = wire.delta.snapshot(&DocumentSet::default(), &Rulings::default());
            let endpoint = &snapshot.inventory.endpoints[0];
            let calls = crate::lake::rows::EndpointRow::from(endpoint).calls;
            let count = |name: &str| vec![crate::lake::rows::Count { name: name.into(), count: 1 }];
            assert_eq!((calls.protocols, calls.outcomes), (count(protocol), count(outcome)));
            assert_eq!([calls.request_messages, calls.response_messages], messages, "{protocol}");
            let ended: u64 = endpoint.facts.hours.values().flat_map(|hour| hour.calls.values()).sum();
            assert_eq!(ended, 1, "{protocol}");
        }
    }

    #[test]
    fn events_in_a_content_coding_are_read_when_they_are_all_there() {
        for what in [1, 2] {
            let wire = run(what, |_| true);
            let snapshot = wire.delta.snapshot(&DocumentSet::default(), &Rulings::default());
            let row = crate::lake::rows::EndpointRow::from(&snapshot.inventory.endpoints[0]);
            let count = |name: &str, count| crate::lake::rows::Count { name: name.into(), count };
            assert_eq!(row.message_kinds, [count("server event=tick", 9)], "{what}");
        }
    }

    #[test]
    fn messages_are_counted_by_side_and_kind_and_classified() {
        let wire = run(0, |at| at % 4 == 0);
        let snapshot = wire.delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let endpoint = &snapshot.inventory.endpoints[0];
        let row = crate::lake::rows::EndpointRow::from(endpoint);
        let count = |name: &str, count| crate::lake::rows::Count { name: name.into(), count };
        assert_eq!(endpoint.key.to_string(), "GET ws.example/v1/quotes");
        assert_eq!(row.statuses, [(101, 1)]);
        assert_eq!(row.class, "api");
        assert_eq!(
            row.messages,
            [
                count("client text", 7),
                count("client control", 1),
                count("server text", 13),
                count("server control", 1)
            ]
        );
        assert_eq!(row.message_kinds, [count("client type=pay", 7), count("server type=paid", 13)]);
        assert_eq!(row.close_codes, [count("1000", 1)]);
        let ibans = data_fields(&Classifier::built_in(), &endpoint.facts);
        let found: Vec<_> = ibans
            .iter()
            .filter(|field| field.class == "fin.iban")
            .map(|field| (field.location.name(), field.path.as_str(), field.present))
            .collect();
        assert_eq!(
            found,
            [("client.message", "type=pay $.iban", 7), ("server.message", "type=paid $.iban", 13)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// However often what lasts is told, the sums are those of telling it once.
        #[test]
        fn when_it_is_told_does_not_matter(what in 0_usize..6, ticks in proptest::collection::vec(any::<bool>(), 32)) {
            let (often, once) = (run(what, |at| ticks[at]), run(what, |_| false));
            prop_assert_eq!(often.told(), once.told());
            prop_assert_eq!((often.exchanges, once.exchanges), (1, 1));
        }
    }
}
