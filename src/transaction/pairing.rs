//! Requests and responses of one connection, put together.
//!
//! A [`Conversation`] is the application of one flow. It finds out who is the client by content, reads both
//! directions and pairs responses with requests in order. Causal delivery below means that a response
//! comes after what its server had received; so a response that finds no request waiting lost its request,
//! and a request sent after the client had received more than its predecessor knew of proves that the
//! predecessor was answered. A finished exchange is handed to [`Sink::transaction`] and its buffers are
//! used again.

use super::{Completeness, End, Protocol, Transaction};
use crate::anomaly::{Anomaly, AnomalyCounts, AnomalySet};
use crate::flow::{Application, Chunk, Close, Direction, FlowKey, Moment, SeqNum};
use crate::http::content::{ContentDecoder, Decoded};
use crate::http::detect::{Looks, detect};
use crate::http::h1::{BodyRule, ReadLimits, Reader, Receiver};
use crate::http::head::{Head, Start};
use crate::limits::Limits;
use crate::merge::Merge;
use std::collections::VecDeque;

/// Whoever finished exchanges are handed to.
pub trait Sink {
    /// An exchange is over. It is borrowed: its buffers are used again.
    fn transaction(&mut self, transaction: &Transaction);
}

/// What the conversations of a shard counted.
#[derive(Clone, Debug, Default)]
pub struct HttpCounters {
    /// Exchanges handed on.
    pub transactions: u64,
    /// Connections that spoke HTTP/1.
    pub http1_flows: u64,
    /// Connections that spoke HTTP/2 in the clear, which is not read yet, and their bytes.
    pub http2: Opaque,
    /// TLS connections, which need keys, and their bytes.
    pub tls: Opaque,
    /// Connections that changed to another protocol by `Upgrade`, and their bytes from there on.
    pub upgraded: Opaque,
    /// Connections that spoke nothing known, and their bytes.
    pub other: Opaque,
    /// Bytes on HTTP/1 connections that belong to no message that could be read.
    pub unread_bytes: u64,
    /// Interim responses.
    pub interim: u64,
    /// Oddities.
    pub anomalies: AnomalyCounts,
}

/// Connections whose content is not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opaque {
    /// How many.
    pub flows: u64,
    /// Their bytes, as far as captured.
    pub bytes: u64,
}

impl Merge for Opaque {
    fn absorb(&mut self, other: Self) {
        self.flows.absorb(other.flows);
        self.bytes.absorb(other.bytes);
    }
}

impl Merge for HttpCounters {
    fn absorb(&mut self, other: Self) {
        self.transactions.absorb(other.transactions);
        self.http1_flows.absorb(other.http1_flows);
        self.http2.absorb(other.http2);
        self.tls.absorb(other.tls);
        self.upgraded.absorb(other.upgraded);
        self.other.absorb(other.other);
        self.unread_bytes.absorb(other.unread_bytes);
        self.interim.absorb(other.interim);
        self.anomalies.absorb(other.anomalies);
    }
}

/// What all conversations of a shard share.
#[derive(Debug)]
pub struct Exchanges<S> {
    /// Where finished exchanges go.
    pub sink: S,
    counters: HttpCounters,
    decoder: ContentDecoder,
    #[expect(clippy::vec_box, reason = "they move between here and the connections without being copied")]
    spare: Vec<Box<Transaction>>,
    read: ReadLimits,
    pipelined: usize,
    /// Bytes of a body that are kept; 0 when bodies are not inspected.
    body_bytes: usize,
}

/// Finished exchanges whose buffers are kept for reuse.
const MAX_SPARE: usize = 256;
/// A body buffer larger than this is not kept for reuse.
const MAX_SPARE_BYTES: usize = 64 << 10;

impl<S: Sink> Exchanges<S> {
    /// Shared state for a shard; `inspect_bodies` says whether bodies are kept for inspection.
    pub fn new(limits: &Limits, inspect_bodies: bool, sink: S) -> Self {
        Self {
            sink,
            counters: HttpCounters::default(),
            decoder: ContentDecoder::default(),
            spare: Vec::new(),
            read: ReadLimits { head_bytes: limits.head_bytes, head_lines: limits.head_lines },
            pipelined: limits.pipelined,
            body_bytes: if inspect_bodies { limits.body_bytes } else { 0 },
        }
    }

    /// Exchanges handed on since counters were last taken.
    #[must_use]
    pub const fn transactions(&self) -> u64 {
        self.counters.transactions
    }

    /// What was counted since this was last asked.
    pub fn take_counters(&mut self) -> HttpCounters {
        std::mem::take(&mut self.counters)
    }

    fn take_spare(&mut self) -> Box<Transaction> {
        self.spare.pop().unwrap_or_default()
    }

    fn hand_on(&mut self, pending: Pending) {
        let Pending { mut exchange, request_over, keep_request, keep_response, .. } = pending;
        let (asked, answered) = (!exchange.request.method.is_empty(), exchange.response.status != 0);
        if !request_over && asked && exchange.request.body.end == End::Complete {
            exchange.request.body.end = End::Closed;
        }
        exchange.completeness = match (asked, answered) {
            (true, false) => Completeness::RequestOnly,
            (false, _) => Completeness::ResponseOnly,
            (true, true) => {
                let whole = [&exchange.request.body, &exchange.response.body]
                    .iter()
                    .all(|body| body.end == End::Complete);
                if whole { Completeness::Complete } else { Completeness::Partial }
            }
        };
        if asked && answered {
            let latency = exchange.response.started.since(exchange.request.ended);
            exchange.latency_us = Some(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
        if keep_request {
            self.decode(&mut exchange, true);
        }
        if keep_response {
            self.decode(&mut exchange, false);
        }
        self.counters.transactions += 1;
        self.sink.transaction(&exchange);
        if self.spare.len() < MAX_SPARE {
            exchange.clear();
            for body in [&mut exchange.request.body, &mut exchange.response.body] {
                if body.bytes.expose().capacity() > MAX_SPARE_BYTES {
                    *body.bytes.expose_mut() = Vec::new();
                }
            }
            self.spare.push(exchange);
        }
    }

    /// Undoes the content coding of a message's body.
    fn decode(&mut self, exchange: &mut Transaction, request: bool) {
        let (fields, body) = if request {
            (&exchange.request.fields, &mut exchange.request.body)
        } else {
            (&exchange.response.fields, &mut exchange.response.body)
        };
        if body.bytes.expose().is_empty() {
            return;
        }
        let Some(encoding) = fields.get("content-encoding") else { return };
        let anomaly = match self.decoder.decode(encoding.expose(), body.bytes.expose_mut(), self.body_bytes) {
            Decoded::Whole => return,
            Decoded::Front => {
                body.whole = false;
                return;
            }
            Decoded::Damaged => Anomaly::BadContentCoding,
            Decoded::Unknown => Anomaly::UnknownContentCoding,
        };
        body.whole = false;
        body.bytes.expose_mut().clear();
        exchange.anomalies.insert(anomaly);
        self.counters.anomalies.count(anomaly);
    }
}

/// An exchange whose response is awaited or being read.
#[derive(Debug)]
struct Pending {
    exchange: Box<Transaction>,
    /// The request's last byte was seen, or will never be.
    request_over: bool,
    /// The response's last byte was seen, or will never be.
    response_over: bool,
    /// What the client had received when it sent the request.
    ack: Option<SeqNum>,
    keep_request: bool,
    keep_response: bool,
    /// The connection speaks something else if this request is accepted.
    connect: bool,
}

/// The exchanges of one connection that are not over.
#[derive(Debug)]
struct Pairing {
    key: FlowKey,
    client: Direction,
    pending: VecDeque<Pending>,
    /// A frame in which exchanges began, and how many.
    last_start: Option<(u32, u64, u32)>,
    /// Oddities of the connection that concern the next exchange.
    odd: AnomalySet,
    /// The response direction lost bytes that no message could be charged with.
    answers_lost: bool,
}

impl Pairing {
    fn begin<S: Sink>(&mut self, shared: &mut Exchanges<S>, at: &Moment) -> Pending {
        let mut exchange = shared.take_spare();
        let part = match self.last_start {
            Some((input, frame, part)) if (input, frame) == (at.input, at.frame) => part + 1,
            Some(_) | None => 0,
        };
        self.last_start = Some((at.input, at.frame, part));
        exchange.provenance = super::Provenance { input: at.input, record: at.frame, part };
        let client = self.key.sender(self.client);
        exchange.client = Some((client.ip(), Some(client.port())));
        exchange.server = Some(self.key.sender(self.client.reverse()));
        exchange.anomalies = std::mem::take(&mut self.odd);
        exchange.request.body.whole = true;
        exchange.response.body.whole = true;
        Pending {
            exchange,
            request_over: false,
            response_over: false,
            ack: at.ack,
            keep_request: false,
            keep_response: false,
            connect: false,
        }
    }

    /// Hands on the exchanges at the front that are over.
    fn settle<S: Sink>(&mut self, shared: &mut Exchanges<S>) {
        while self.pending.front().is_some_and(|pending| pending.request_over && pending.response_over) {
            if let Some(pending) = self.pending.pop_front() {
                shared.hand_on(pending);
            }
        }
    }

    fn odd<S: Sink>(&mut self, shared: &mut Exchanges<S>, anomaly: Anomaly) {
        shared.counters.anomalies.count(anomaly);
        match self.pending.back_mut() {
            Some(pending) => pending.exchange.anomalies.insert(anomaly),
            None => self.odd.insert(anomaly),
        }
    }
}

/// Media types whose bodies hold nothing to classify: they are counted, not kept.
fn worth_keeping(media: &[u8]) -> bool {
    let top = media.split(|byte| *byte == b'/').next().unwrap_or_default();
    let opaque =
        [&b"image"[..], b"video", b"audio", b"font"].iter().any(|kind| top.eq_ignore_ascii_case(kind));
    let svg = media.to_ascii_lowercase().starts_with(b"image/svg");
    !opaque || svg
}

struct Requests<'a, S> {
    pairing: &'a mut Pairing,
    shared: &'a mut Exchanges<S>,
}

impl<S: Sink> Receiver for Requests<'_, S> {
    fn head(&mut self, head: &Head<'_>, first: &Moment, last: &Moment) -> BodyRule {
        let Start::Request { method, target } = head.start else { return BodyRule::AsFramed };
        // The client sent this after it had received more than its predecessor knew of: that one was answered,
        // and the answer was lost.
        while self.pairing.answers_lost
            && let Some(front) = self.pairing.pending.front()
            && let (Some(then), Some(now)) = (front.ack, first.ack)
            && now.since(then) > 0
            && let Some(pending) = self.pairing.pending.pop_front()
        {
            self.shared.hand_on(pending);
        }
        if self.pairing.pending.len() >= self.shared.pipelined
            && let Some(pending) = self.pairing.pending.pop_front()
        {
            self.pairing.odd(self.shared, Anomaly::PipelineLimit);
            self.shared.hand_on(pending);
        }
        let mut pending = self.pairing.begin(self.shared, first);
        let exchange = &mut *pending.exchange;
        exchange.protocol = if head.minor == 0 { Protocol::Http10 } else { Protocol::Http11 };
        let request = &mut exchange.request;
        request.method.extend_from_slice(method);
        request.target.expose_mut().extend_from_slice(target);
        let mut hosts = 0;
        let mut media = None;
        request.fields.copy_head(head.bytes, head.fields.iter().map(|field| (field.name, field.value)));
        for field in head.fields {
            hosts += usize::from(field.name.eq_ignore_ascii_case(b"host"));
            if field.name.eq_ignore_ascii_case(b"content-type") {
                media = Some(field.value);
            }
        }
        request.started = first.ts;
        request.ended = last.ts;
        exchange.anomalies = exchange.anomalies.union(head.anomalies);
        pending.keep_request = self.shared.body_bytes > 0 && worth_keeping(media.unwrap_or_default());
        pending.connect = method == b"CONNECT";
        for anomaly in head.anomalies.iter() {
            self.shared.counters.anomalies.count(anomaly);
        }
        self.pairing.pending.push_back(pending);
        match hosts {
            0 if head.minor > 0 => self.pairing.odd(self.shared, Anomaly::MissingHost),
            0 | 1 => {}
            _ => self.pairing.odd(self.shared, Anomaly::SeveralHosts),
        }
        BodyRule::AsFramed
    }

    fn body(&mut self, bytes: &[u8], at: &Moment) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            pending.exchange.request.ended = at.ts;
            let cap = if pending.keep_request { self.shared.body_bytes } else { 0 };
            append(&mut pending.exchange.request.body, bytes, cap);
        }
    }

    fn body_gap(&mut self, _: u64) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            lose(&mut pending.exchange.request.body);
            pending.exchange.anomalies.insert(Anomaly::Gap);
        }
    }

    fn end(&mut self, end: End, at: Option<&Moment>) {
        if let Some(pending) = self.pairing.pending.back_mut() {
            if let Some(at) = at {
                pending.exchange.request.ended = at.ts;
            }
            let body = &mut pending.exchange.request.body;
            if body.end == End::Complete {
                body.end = end;
            }
            pending.request_over = true;
        }
        self.pairing.settle(self.shared);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.pairing.odd(self.shared, anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}

struct Responses<'a, S> {
    pairing: &'a mut Pairing,
    shared: &'a mut Exchanges<S>,
}

impl<S: Sink> Receiver for Responses<'_, S> {
    fn head(&mut self, head: &Head<'_>, first: &Moment, last: &Moment) -> BodyRule {
        let Start::Response { status } = head.start else { return BodyRule::AsFramed };
        if matches!(status, 100 | 102..=199) {
            self.shared.counters.interim += 1;
            return BodyRule::None;
        }
        // A server may answer before the request is over; the answer to the next one ends that.
        while self.pairing.pending.front().is_some_and(|pending| pending.response_over) {
            if let Some(pending) = self.pairing.pending.pop_front() {
                self.shared.hand_on(pending);
            }
        }
        self.pairing.answers_lost = false;
        if self.pairing.pending.is_empty() {
            let mut pending = self.pairing.begin(self.shared, first);
            pending.request_over = true;
            pending.exchange.protocol = if head.minor == 0 { Protocol::Http10 } else { Protocol::Http11 };
            self.pairing.pending.push_back(pending);
            self.pairing.odd(self.shared, Anomaly::UnexpectedResponse);
        }
        let Some(pending) = self.pairing.pending.front_mut() else { return BodyRule::AsFramed };
        let exchange = &mut *pending.exchange;
        exchange.response.status = status;
        let mut media = None;
        let lines = head.fields.iter().map(|field| (field.name, field.value));
        exchange.response.fields.copy_head(head.bytes, lines);
        for field in head.fields {
            if field.name.eq_ignore_ascii_case(b"content-type") {
                media = Some(field.value);
            }
        }
        exchange.response.started = first.ts;
        exchange.response.ended = last.ts;
        exchange.anomalies = exchange.anomalies.union(head.anomalies);
        for anomaly in head.anomalies.iter() {
            self.shared.counters.anomalies.count(anomaly);
        }
        pending.keep_response = self.shared.body_bytes > 0 && worth_keeping(media.unwrap_or_default());
        let accepted = (200..300).contains(&status);
        match status {
            101 => BodyRule::Tunnel,
            204 | 304 => BodyRule::None,
            _ if pending.connect && accepted => BodyRule::Tunnel,
            _ if exchange.request.method == b"HEAD" => BodyRule::None,
            _ => BodyRule::AsFramed,
        }
    }

    fn body(&mut self, bytes: &[u8], at: &Moment) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            pending.exchange.response.ended = at.ts;
            let cap = if pending.keep_response { self.shared.body_bytes } else { 0 };
            append(&mut pending.exchange.response.body, bytes, cap);
        }
    }

    fn body_gap(&mut self, _: u64) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            lose(&mut pending.exchange.response.body);
            pending.exchange.anomalies.insert(Anomaly::Gap);
        }
    }

    fn end(&mut self, end: End, at: Option<&Moment>) {
        if let Some(pending) = self.pairing.pending.front_mut() {
            if let Some(at) = at {
                pending.exchange.response.ended = at.ts;
            }
            let body = &mut pending.exchange.response.body;
            if body.end == End::Complete {
                body.end = end;
            }
            pending.response_over = true;
        }
        self.pairing.settle(self.shared);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.pairing.odd(self.shared, anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}

fn append(body: &mut super::Body, bytes: &[u8], cap: usize) {
    body.len += bytes.len() as u64;
    if !body.whole {
        return;
    }
    let kept = body.bytes.expose_mut();
    let room = cap.saturating_sub(kept.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    body.whole = bytes.len() <= room;
}

fn lose(body: &mut super::Body) {
    body.end = End::Gap;
    body.whole = false;
}

/// What a connection is found to speak.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a connection is boxed as a whole")]
enum Talk {
    /// Nothing was recognised yet; the first bytes of each direction that leave it open.
    Unknown { seen: [Vec<u8>; 2] },
    /// HTTP/1.
    Http1 { pairing: Pairing, requests: Reader, responses: Reader },
    /// Something that is counted, not read.
    Opaque(Kind),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Http2,
    Tls,
    Upgraded,
    Other,
}

impl Kind {
    const fn counter<S>(self, shared: &mut Exchanges<S>) -> &mut Opaque {
        match self {
            Self::Http2 => &mut shared.counters.http2,
            Self::Tls => &mut shared.counters.tls,
            Self::Upgraded => &mut shared.counters.upgraded,
            Self::Other => &mut shared.counters.other,
        }
    }
}

/// One connection and the exchanges on it.
#[derive(Debug)]
pub struct Conversation<S> {
    key: FlowKey,
    /// Whether the connection was seen from its start, so that its first bytes tell what it speaks.
    from_start: bool,
    odd: AnomalySet,
    talk: Talk,
    sink: std::marker::PhantomData<fn(S)>,
}

/// First bytes of a direction that are kept while they leave the protocol open.
const MAX_SEEN: usize = 16 << 10;

impl<S: Sink> Conversation<S> {
    /// Looks at the next bytes of a connection that speaks nothing known yet.
    fn recognise(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Unknown { seen } = &mut self.talk else { return };
        let Some(before) = seen.get_mut(direction as usize) else { return };
        let joined;
        let bytes = if before.is_empty() {
            bytes
        } else {
            before.extend_from_slice(bytes);
            joined = std::mem::take(before);
            &joined
        };
        let client = match detect(bytes) {
            Looks::Request => direction,
            Looks::Response => direction.reverse(),
            Looks::Unsure if bytes.len() < MAX_SEEN => {
                *before = bytes.to_vec();
                return;
            }
            Looks::Http2 => return self.give_up(shared, Kind::Http2, bytes.len()),
            Looks::Tls => return self.give_up(shared, Kind::Tls, bytes.len()),
            Looks::Unsure | Looks::Other => {
                // Midway, what comes first may be the rest of a body: the next segment may start a message.
                if self.from_start {
                    self.give_up(shared, Kind::Other, bytes.len());
                } else {
                    shared.counters.unread_bytes += bytes.len() as u64;
                }
                return;
            }
        };
        shared.counters.http1_flows += 1;
        let other = seen.get_mut(direction.reverse() as usize).map(std::mem::take).unwrap_or_default();
        self.talk = Talk::Http1 {
            pairing: Pairing {
                key: self.key,
                client,
                pending: VecDeque::new(),
                last_start: None,
                odd: std::mem::take(&mut self.odd),
                answers_lost: false,
            },
            requests: Reader::new(false),
            responses: Reader::new(true),
        };
        self.read(shared, direction, bytes, at);
        if !other.is_empty() {
            self.read(shared, direction.reverse(), &other, at);
        }
    }

    fn give_up(&mut self, shared: &mut Exchanges<S>, kind: Kind, bytes: usize) {
        self.talk = Talk::Opaque(kind);
        let counter = kind.counter(shared);
        counter.flows += 1;
        counter.bytes += bytes as u64;
    }

    fn read(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Http1 { pairing, requests, responses } = &mut self.talk else { return };
        let limits = shared.read;
        let tunnelled = if direction == pairing.client {
            requests.feed(bytes, at, limits, &mut Requests { pairing, shared }).is_some()
        } else {
            let connects = pairing.pending.front().is_some_and(|pending| pending.connect);
            let rest = responses.feed(bytes, at, limits, &mut Responses { pairing, shared });
            if let Some(rest) = rest {
                self.change_protocol(shared, connects, direction, rest, at);
            }
            return;
        };
        debug_assert!(!tunnelled, "only a response changes the protocol");
    }

    /// A response said that the connection speaks something else from here on.
    fn change_protocol(
        &mut self,
        shared: &mut Exchanges<S>,
        connects: bool,
        direction: Direction,
        rest: &[u8],
        at: &Moment,
    ) {
        self.close_messages(shared, Close::Finished);
        if connects {
            // Inside a tunnel anything may follow, HTTP too.
            self.from_start = true;
            self.talk = Talk::Unknown { seen: [Vec::new(), Vec::new()] };
            if !rest.is_empty() {
                self.recognise(shared, direction, rest, at);
            }
        } else {
            self.give_up(shared, Kind::Upgraded, rest.len());
        }
    }

    /// Ends what is being read and hands on every exchange.
    fn close_messages(&mut self, shared: &mut Exchanges<S>, how: Close) {
        let Talk::Http1 { pairing, requests, responses } = &mut self.talk else { return };
        let (clean, end) = match how {
            Close::Finished => (true, End::Closed),
            Close::Reset => (false, End::Reset),
            Close::Open => (false, End::Closed),
        };
        requests.close(clean, end, None, &mut Requests { pairing, shared });
        responses.close(clean, end, None, &mut Responses { pairing, shared });
        for pending in std::mem::take(&mut pairing.pending) {
            shared.hand_on(pending);
        }
    }
}

impl<S: Sink> Application for Conversation<S> {
    type Shared = Exchanges<S>;

    fn open(_: &mut Exchanges<S>, key: FlowKey, client: Option<Direction>) -> Self {
        Self {
            key,
            from_start: client.is_some(),
            odd: AnomalySet::default(),
            talk: Talk::Unknown { seen: [Vec::new(), Vec::new()] },
            sink: std::marker::PhantomData,
        }
    }

    fn chunk(&mut self, shared: &mut Exchanges<S>, direction: Direction, chunk: Chunk<'_>, at: &Moment) {
        match (&mut self.talk, chunk) {
            (Talk::Opaque(kind), Chunk::Data(bytes)) => kind.counter(shared).bytes += bytes.len() as u64,
            (Talk::Opaque(_), Chunk::Gap(_)) => {}
            (Talk::Unknown { .. }, Chunk::Data(bytes)) => self.recognise(shared, direction, bytes, at),
            (Talk::Unknown { seen }, Chunk::Gap(_)) => {
                self.from_start = false;
                if let Some(seen) = seen.get_mut(direction as usize) {
                    seen.clear();
                }
            }
            (Talk::Http1 { .. }, Chunk::Data(bytes)) => self.read(shared, direction, bytes, at),
            (Talk::Http1 { pairing, requests, responses }, Chunk::Gap(lost)) => {
                if direction == pairing.client {
                    requests.gap(lost, &mut Requests { pairing, shared });
                } else {
                    responses.gap(lost, &mut Responses { pairing, shared });
                    pairing.answers_lost |= responses.is_lost();
                }
            }
        }
    }

    fn end_of_stream(&mut self, shared: &mut Exchanges<S>, direction: Direction, at: &Moment) {
        if let Talk::Http1 { pairing, requests, responses } = &mut self.talk {
            if direction == pairing.client {
                requests.close(true, End::Closed, Some(at), &mut Requests { pairing, shared });
            } else {
                responses.close(true, End::Closed, Some(at), &mut Responses { pairing, shared });
            }
        }
    }

    fn anomaly(&mut self, _: &mut Exchanges<S>, anomaly: Anomaly) {
        match &mut self.talk {
            Talk::Http1 { pairing, .. } => match pairing.pending.back_mut() {
                Some(pending) => pending.exchange.anomalies.insert(anomaly),
                None => pairing.odd.insert(anomaly),
            },
            Talk::Unknown { .. } | Talk::Opaque(_) => self.odd.insert(anomaly),
        }
    }

    fn close(mut self, shared: &mut Exchanges<S>, how: Close) {
        if let Talk::Unknown { seen } = &self.talk {
            let bytes: usize = seen.iter().map(Vec::len).sum();
            if bytes > 0 || !self.from_start {
                shared.counters.other.flows += 1;
                shared.counters.other.bytes += bytes as u64;
            }
        }
        self.close_messages(shared, how);
    }
}
