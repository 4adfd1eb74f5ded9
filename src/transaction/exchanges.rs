//! What the connections of a shard share, and how an exchange is finished.
//!
//! Whatever paired a request with its response hands it to [`Exchanges::hand_on`], which judges how much was
//! seen, undoes content codings and gives it to the [`Sink`]. Its buffers are used again.

use super::dialogue::{Dialogue, DialogueKind, Listener};
use super::inside::Parked;
use super::{Body, Call, Completeness, End, Part, Protocol, Request, Transaction};
use crate::anomaly::{Anomaly, AnomalyCounts, AnomalySet};
use crate::flow::{Direction, FlowKey, Moment, SeqNum};
use crate::http::content::{ContentDecoder, Decoded};
use crate::http::event_stream;
use crate::http::grpc::{self, CallProtocol, MessageReader, Told};
use crate::http::hpack::{HeaderList, ListLimits};
use crate::http::{h1, h2, websocket};
use crate::limits::Limits;
use crate::merge::Merge;
use crate::time::Timestamp;
use crate::tls::connection::Workspace;
use crate::tls::keylog::Keys;
use crate::tls::service::Services;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Whoever finished exchanges are handed to.
pub trait Sink {
    /// An exchange is over, or a part of one that lasts. It is borrowed: its buffers are used again.
    fn transaction(&mut self, transaction: &Transaction);
}

/// What the conversations of a shard counted.
#[derive(Clone, Debug, Default)]
pub struct HttpCounters {
    /// Exchanges handed on.
    pub transactions: u64,
    /// Those among them that were HTTP/2.
    pub http2_transactions: u64,
    /// Connections that spoke HTTP/1.
    pub http1_flows: u64,
    /// Connections that spoke HTTP/2, in the clear or read with keys.
    pub http2_flows: u64,
    /// TLS connections that were not read for want of keys, and their bytes.
    pub tls: Opaque,
    /// TLS connections that were read with keys, and their bytes.
    pub tls_read: Opaque,
    /// The services that TLS connections led to.
    pub services: Services,
    /// Connections that changed to another protocol by `Upgrade`, and their bytes from there on.
    pub upgraded: Opaque,
    /// Connections that spoke nothing known, and their bytes.
    pub other: Opaque,
    /// Connections that were joined midway and in which nothing was recognised, and bytes before anything was.
    pub midway: Opaque,
    /// Bytes of bodies whose content coding is not known, as they were sent.
    pub unknown_coding_bytes: u64,
    /// Bytes of TLS records that did not open on connections that are read with keys.
    pub unopened_bytes: u64,
    /// Bytes of streams of which it is known by now what became of them: understood, or one of the above.
    pub stream_bytes: u64,
    /// Bytes on HTTP connections that belong to no message that could be read.
    pub unread_bytes: u64,
    /// Interim responses.
    pub interim: u64,
    /// Oddities.
    pub anomalies: AnomalyCounts,
}

/// Connections of a kind.
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

impl HttpCounters {
    /// Bytes of streams that were not understood, by reason: those of TLS and HTTP stand for themselves, not for what is
    /// inside or around them, so that no byte has two.
    #[must_use]
    pub const fn not_understood(&self) -> [(&'static str, u64); 7] {
        [
            ("tls", self.tls.bytes),
            ("tls_unopened", self.unopened_bytes),
            ("upgraded", self.upgraded.bytes),
            ("other_protocol", self.other.bytes),
            ("joined_midway", self.midway.bytes),
            ("outside_messages", self.unread_bytes),
            ("unknown_coding", self.unknown_coding_bytes),
        ]
    }

    /// Bytes of streams that were understood.
    #[must_use]
    pub fn understood(&self) -> u64 {
        let not: u64 = self.not_understood().iter().map(|(_, bytes)| bytes).sum();
        self.stream_bytes.saturating_sub(not)
    }
}

impl Merge for HttpCounters {
    fn absorb(&mut self, other: Self) {
        self.transactions.absorb(other.transactions);
        self.http2_transactions.absorb(other.http2_transactions);
        self.http1_flows.absorb(other.http1_flows);
        self.http2_flows.absorb(other.http2_flows);
        self.tls.absorb(other.tls);
        self.tls_read.absorb(other.tls_read);
        self.services.absorb(other.services);
        self.upgraded.absorb(other.upgraded);
        self.other.absorb(other.other);
        self.midway.absorb(other.midway);
        self.unknown_coding_bytes.absorb(other.unknown_coding_bytes);
        self.unopened_bytes.absorb(other.unopened_bytes);
        self.stream_bytes.absorb(other.stream_bytes);
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
    pub(super) counters: HttpCounters,
    decoder: ContentDecoder,
    #[expect(clippy::vec_box, reason = "they move between here and the connections without being copied")]
    spare: Vec<Box<Transaction>>,
    pub(super) tls: Workspace,
    pub(super) parked: Parked<S>,
    pub(super) read: h1::ReadLimits,
    pub(super) read_h2: h2::ReadLimits,
    /// Fields of the block that is being read.
    pub(super) fields: HeaderList,
    pub(super) pipelined: usize,
    /// Open HTTP/2 streams of a connection.
    pub(super) streams: usize,
    /// Bytes of bodies that those keep together.
    pub(super) stream_bytes: usize,
    /// HTTP/2 requests reset before any answer, per second.
    pub(super) early_resets: u32,
    /// Bytes of a body that are kept; 0 when bodies are not inspected.
    pub(super) body_bytes: usize,
    /// How much of messages is read.
    pub(super) messages: websocket::ReadLimits,
    /// How many more directions of WebSocket connections may be decompressed.
    pub(super) inflaters: usize,
}

/// Finished exchanges whose buffers are kept for reuse.
const MAX_SPARE: usize = 256;
/// How long an answer has been coming before its exchange is told of while it lasts.
const LASTING: Duration = Duration::from_secs(1);
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
            tls: Workspace::new(limits, Arc::new(Keys::new(0))),
            parked: Parked::default(),
            read: h1::ReadLimits { head_bytes: limits.head_bytes, head_lines: limits.head_lines },
            read_h2: h2::ReadLimits {
                list: ListLimits { bytes: limits.head_bytes, lines: limits.head_lines },
                continuations: limits.continuations,
                idle_frames: limits.idle_frames,
                table: limits.header_table,
            },
            fields: HeaderList::default(),
            pipelined: limits.pipelined,
            streams: limits.streams,
            stream_bytes: limits.stream_bytes,
            early_resets: limits.early_resets,
            body_bytes: if inspect_bodies { limits.body_bytes } else { 0 },
            messages: websocket::ReadLimits {
                content: if inspect_bodies { limits.body_bytes } else { 0 },
                inflated: limits.inflated_bytes,
            },
            inflaters: limits.inflaters,
        }
    }

    /// The same, with TLS connections finding their secrets in `keys`.
    #[must_use]
    pub fn with_keys(self, limits: &Limits, keys: Arc<Keys>) -> Self {
        Self { tls: Workspace::new(limits, keys), ..self }
    }

    /// Exchanges handed on since counters were last taken.
    #[must_use]
    pub const fn transactions(&self) -> u64 {
        self.counters.transactions
    }

    /// TLS sessions that were read with keys and those that were not, since counters were last taken, and those that wait
    /// for keys now.
    #[must_use]
    pub const fn sessions(&self) -> (u64, u64, u64) {
        (self.counters.tls_read.flows, self.counters.tls.flows, self.tls.waiting())
    }

    /// What was counted since this was last asked.
    pub fn take_counters(&mut self) -> HttpCounters {
        std::mem::take(&mut self.counters)
    }

    fn take_spare(&mut self) -> Box<Transaction> {
        self.spare.pop().unwrap_or_default()
    }

    pub(super) fn hand_on(&mut self, mut pending: Pending) {
        self.stop_listening(&mut pending);
        let exchange = &mut *pending.exchange;
        let asked = !exchange.request.method.is_empty();
        if !asked && exchange.response.status == 0 {
            // Neither head could be read: nothing is known of it.
            return self.recycle(pending.exchange);
        }
        if !pending.request_over && asked && exchange.request.body.end == End::Complete {
            exchange.request.body.end = End::Closed;
        }
        exchange.completeness = match (asked, pending.answered) {
            (true, false) => Completeness::RequestOnly,
            (false, _) => Completeness::ResponseOnly,
            (true, true) => {
                let whole = [&exchange.request.body, &exchange.response.body]
                    .iter()
                    .all(|body| body.end == End::Complete);
                if whole && !pending.fields_missing { Completeness::Complete } else { Completeness::Partial }
            }
        };
        pending.time();
        pending.count_messages();
        let exchange = &mut *pending.exchange;
        if let Some([_, responses]) = pending.calls.as_deref() {
            let call = exchange.call.get_or_insert_default();
            call.end(responses.status, Told::Body);
            if let Some(end) = responses.compressed_end() {
                let field = exchange.response.fields.get(call.protocol.encoding_field());
                let mut end = end.to_vec();
                if let Some(encoding) = field
                    && self.decoder.decode(encoding.expose(), &mut end, MAX_END) == Decoded::Whole
                {
                    call.end(call.protocol.status_at_end(&end), Told::Body);
                }
            }
        }
        if std::mem::take(&mut pending.keep_request) {
            self.decode(&mut pending.exchange, true);
        }
        if pending.keep_response {
            self.decode(&mut pending.exchange, false);
        }
        if pending.answered {
            end_by_status(&mut pending.exchange);
        }
        if pending.coded_events {
            self.read_events(&mut pending);
        }
        pending.exchange.part = if pending.told { Part::Last } else { Part::Whole };
        self.count(&pending.exchange);
        self.sink.transaction(&pending.exchange);
        self.recycle(pending.exchange);
    }

    /// Tells of an exchange that goes on: what came of it since it was last told of.
    pub(super) fn tell(&mut self, pending: &mut Pending) {
        pending.exchange.part = if pending.told { Part::Further } else { Part::First };
        pending.time();
        pending.count_messages();
        // A request that is over is told as it is, from now on decoded; what is still coming is read when it is there.
        if pending.request_over && std::mem::take(&mut pending.keep_request) {
            self.decode(&mut pending.exchange, true);
        }
        let exchange = &mut *pending.exchange;
        let response = std::mem::take(exchange.response.body.bytes.expose_mut());
        let coming = pending.keep_request;
        let request =
            if coming { std::mem::take(exchange.request.body.bytes.expose_mut()) } else { Vec::new() };
        self.count(exchange);
        self.sink.transaction(exchange);
        *exchange.response.body.bytes.expose_mut() = response;
        if coming {
            *exchange.request.body.bytes.expose_mut() = request;
        }
        pending.told = true;
        exchange.grow();
    }

    /// Tells of an exchange whose answer has been coming for a while, if there is anything to tell.
    pub(super) fn report(&mut self, pending: &mut Pending, now: Timestamp) {
        let exchange = &*pending.exchange;
        let lasts = pending.answered && now.since(exchange.response.started) >= LASTING;
        let said = exchange.dialogue.as_deref().is_some_and(Dialogue::has_news);
        let grown = exchange.request.body.len > 0 || exchange.response.body.len > 0 || said;
        if lasts && !pending.response_over && (!pending.told || grown) {
            self.tell(pending);
        }
    }

    fn count(&mut self, exchange: &Transaction) {
        if exchange.part.begins() {
            self.counters.transactions += 1;
            self.counters.http2_transactions += u64::from(exchange.protocol == Protocol::Http2);
        }
    }

    fn recycle(&mut self, mut exchange: Box<Transaction>) {
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
        let (mut anomaly, sent) = (None, body.len);
        if let Some(encoding) = fields.get("content-encoding") {
            match self.decoder.decode(encoding.expose(), body.bytes.expose_mut(), self.body_bytes) {
                Decoded::Whole => {}
                Decoded::Front => body.whole = false,
                Decoded::Damaged => anomaly = Some(Anomaly::BadContentCoding),
                Decoded::Unknown => {
                    self.counters.unknown_coding_bytes += sent;
                    anomaly = Some(Anomaly::UnknownContentCoding);
                }
            }
            if anomaly.is_some() {
                body.whole = false;
                body.bytes.expose_mut().clear();
            }
        }
        if exchange.call.is_some()
            && let Some(content_type) = fields.get("content-type")
        {
            let protocol = CallProtocol::of(content_type.expose()).unwrap_or_default();
            let encoding = fields.get(protocol.encoding_field()).map(|encoding| *encoding.expose());
            let kept = body.bytes.expose_mut();
            match grpc::unframe(content_type.expose(), encoding, kept, &mut self.decoder, self.body_bytes) {
                Decoded::Whole => {}
                Decoded::Front => body.whole = false,
                Decoded::Damaged | Decoded::Unknown => {
                    body.whole = false;
                    anomaly = Some(Anomaly::BadMessage);
                }
            }
        }
        if let Some(anomaly) = anomaly {
            exchange.anomalies.insert(anomaly);
            self.counters.anomalies.count(anomaly);
        }
    }
}

/// Whether a request whose content type tells no call is one of Connect all the same: in JSON, it names the protocol's
/// version.
fn is_connect(request: &Request) -> bool {
    // Looking at the path first keeps this off every other exchange.
    let target = request.target.expose();
    let is_procedure = request.method == b"POST"
        && memchr::memchr_iter(b'/', target).count() == 2
        && memchr::memchr(b'.', target).is_some();
    is_procedure && request.fields.get("connect-protocol-version").is_some()
}

/// Bytes of what ends a body that are looked at, when it is compressed.
const MAX_END: usize = 65_536;

/// A call of Connect with one message each way ends by the HTTP status, and what went wrong is told in JSON.
fn end_by_status(exchange: &mut Transaction) {
    let Transaction { call: Some(call), response, .. } = exchange else { return };
    if call.protocol != CallProtocol::Connect {
        return;
    }
    if response.status != 200 {
        call.responses = grpc::Messages::default();
        call.end(grpc::status_of_error(response.body.bytes.expose()), Told::Body);
    }
    call.end(grpc::status_of_http(response.status), Told::HttpStatus);
}

/// An exchange whose response is awaited or being read.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) exchange: Box<Transaction>,
    /// The request's last byte was seen, or will never be.
    pub(super) request_over: bool,
    /// The response's last byte was seen, or will never be.
    pub(super) response_over: bool,
    /// A response's head was seen.
    pub(super) answered: bool,
    /// Fields of a head could not be read.
    pub(super) fields_missing: bool,
    /// What the client had received when it sent the request.
    pub(super) ack: Option<SeqNum>,
    pub(super) keep_request: bool,
    pub(super) keep_response: bool,
    /// The connection speaks something else if this request is accepted.
    pub(super) connect: bool,
    /// What the connection speaks behind the answer.
    pub(super) upgrades: Option<Upgrade>,
    /// Who reads what is said in it.
    pub(super) listener: Option<Listener>,
    /// The answer is a stream of events in a content coding.
    coded_events: bool,
    /// It was told of while it lasts.
    told: bool,
    /// The messages of a gRPC call, to the server and to the client.
    calls: Option<Box<[MessageReader; 2]>>,
}

/// What a connection of HTTP/1 goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// HTTP/2, and the first stream of that answers the request.
    Http2,
    /// A WebSocket, which is part of the exchange.
    WebSocket,
}

impl Pending {
    /// How long the answer took.
    fn time(&mut self) {
        let exchange = &mut *self.exchange;
        if self.answered && !self.told && !exchange.request.method.is_empty() {
            let latency = exchange.response.started.since(exchange.request.ended);
            exchange.latency_us = Some(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// Takes over the messages of a call since it was last told of.
    fn count_messages(&mut self) {
        let exchange = &mut *self.exchange;
        let earlier = exchange.earlier.as_deref().copied().unwrap_or_default();
        let (requests, responses) = match self.calls.as_deref() {
            Some([requests, responses]) => (requests.messages, responses.messages),
            None if exchange.call.is_some() || is_connect(&exchange.request) => {
                let message = |bytes: u64| grpc::Messages {
                    count: 1,
                    bytes,
                    largest: u32::try_from(bytes).unwrap_or(u32::MAX),
                };
                exchange.call.get_or_insert(Call { protocol: CallProtocol::Connect, ..Call::default() });
                let (request, response) = (exchange.request.body.len, exchange.response.body.len);
                (message(earlier.request_bytes + request), message(earlier.response_bytes + response))
            }
            None => return,
        };
        let call = exchange.call.get_or_insert_default();
        call.requests = since(requests, earlier.call.requests);
        call.responses = since(responses, earlier.call.responses);
    }

    /// The exchange goes on as a WebSocket, if the heads of its messages say so.
    pub(super) fn become_websocket<S>(&mut self, shared: &mut Exchanges<S>) {
        let exchange = &mut *self.exchange;
        let mut extensions = websocket::Extensions::default();
        for value in exchange.response.fields.all("sec-websocket-extensions") {
            extensions.add(value.expose());
        }
        let key = exchange.request.fields.get("sec-websocket-key");
        let accept = exchange.response.fields.get("sec-websocket-accept");
        // Over HTTP/2 there is neither (RFC 8441 section 5).
        let asked_over_http1 = exchange.protocol != Protocol::Http2 && !exchange.request.method.is_empty();
        let fits =
            key.zip(accept).is_some_and(|(key, accept)| websocket::accepts(key.expose(), accept.expose()));
        if asked_over_http1 && !fits {
            exchange.anomalies.insert(Anomaly::BadHandshake);
            shared.counters.anomalies.count(Anomaly::BadHandshake);
        }
        if exchange.request.method == b"CONNECT" {
            // What HTTP/1 asks for by GET: one endpoint under one name.
            exchange.request.method.clear();
            exchange.request.method.extend_from_slice(b"GET");
        }
        exchange.dialogue = Some(Box::new(Dialogue::new(DialogueKind::WebSocket)));
        self.listener = Some(Listener::websocket(extensions));
    }

    /// Takes the content type and coding of an answer, which may be a stream of events.
    pub(super) fn answer_media(&mut self, media: &[u8], coding: Option<&[u8]>, body_bytes: usize) {
        self.keep_response = self.media(media) && body_bytes > 0;
        if !event_stream::is_event_stream(media) {
            return;
        }
        self.exchange.dialogue = Some(Box::new(Dialogue::new(DialogueKind::EventStream)));
        let is_coded = coding.is_some_and(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
        self.coded_events = is_coded && self.keep_response;
        if !is_coded {
            self.listener = Some(Listener::Events(Box::default()));
            self.keep_response = false;
        }
    }

    /// Takes the content type of a message: whether its body is worth keeping, and whether this is gRPC.
    pub(super) fn media(&mut self, media: &[u8]) -> bool {
        if self.calls.is_none()
            && let Some(protocol) = CallProtocol::of(media)
        {
            self.calls = Some(Box::new([MessageReader::new(protocol), MessageReader::new(protocol)]));
            self.exchange.call = Some(Call { protocol, ..Call::default() });
        }
        worth_keeping(media)
    }

    /// Takes bytes of the request's body; at most `cap` of all of them are kept.
    pub(super) fn request_bytes(&mut self, bytes: &[u8], cap: usize) {
        let cap = if self.keep_request { cap } else { 0 };
        append(&mut self.exchange.request.body, bytes, cap);
        if let Some([requests, _]) = self.calls.as_deref_mut() {
            requests.feed(bytes);
        }
    }

    /// Takes bytes of the response's body; at most `cap` of all of them are kept.
    pub(super) fn response_bytes(&mut self, bytes: &[u8], cap: usize) {
        let cap = if self.keep_response { cap } else { 0 };
        append(&mut self.exchange.response.body, bytes, cap);
        if let Some([_, responses]) = self.calls.as_deref_mut() {
            responses.feed(bytes);
        }
    }

    /// Bytes of the request's body were never captured.
    pub(super) fn request_gap(&mut self, lost: u64) {
        lose(&mut self.exchange.request.body);
        self.exchange.anomalies.insert(Anomaly::Gap);
        if let Some([requests, _]) = self.calls.as_deref_mut() {
            requests.lose(lost);
        }
    }

    /// Bytes of the response's body were never captured.
    pub(super) fn response_gap(&mut self, lost: u64) {
        lose(&mut self.exchange.response.body);
        self.exchange.anomalies.insert(Anomaly::Gap);
        if let Some([_, responses]) = self.calls.as_deref_mut() {
            responses.lose(lost);
        }
    }
}

/// The connection that exchanges are on, as they tell of it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) key: FlowKey,
    pub(super) client: Direction,
    /// TLS is around it.
    tls: bool,
    /// Whom a balancer names as its client.
    proxied: Option<SocketAddr>,
    /// A frame in which exchanges began, and how many.
    last_start: Option<(u32, u64, u32)>,
    /// Oddities of the connection that concern the next exchange.
    pub(super) odd: AnomalySet,
}

impl Origin {
    pub(super) const fn new(
        key: FlowKey,
        client: Direction,
        tls: bool,
        proxied: Option<SocketAddr>,
        odd: AnomalySet,
    ) -> Self {
        Self { key, client, tls, proxied, last_start: None, odd }
    }

    /// An exchange that begins at `at`.
    pub(super) fn begin<S: Sink>(&mut self, shared: &mut Exchanges<S>, at: &Moment) -> Pending {
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
        exchange.proxied = self.proxied;
        exchange.tls = self.tls;
        exchange.anomalies = std::mem::take(&mut self.odd);
        exchange.request.body.whole = true;
        exchange.response.body.whole = true;
        Pending {
            exchange,
            request_over: false,
            response_over: false,
            answered: false,
            fields_missing: false,
            ack: at.ack,
            keep_request: false,
            keep_response: false,
            connect: false,
            upgrades: None,
            listener: None,
            coded_events: false,
            told: false,
            calls: None,
        }
    }
}

/// Messages that came since others were told.
const fn since(all: grpc::Messages, told: grpc::Messages) -> grpc::Messages {
    grpc::Messages {
        count: all.count.saturating_sub(told.count),
        bytes: all.bytes.saturating_sub(told.bytes),
        largest: all.largest,
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

fn append(body: &mut Body, bytes: &[u8], cap: usize) {
    body.len += bytes.len() as u64;
    if !body.whole {
        return;
    }
    let kept = body.bytes.expose_mut();
    let room = cap.saturating_sub(kept.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    body.whole = bytes.len() <= room;
}

fn lose(body: &mut Body) {
    body.end = End::Gap;
    body.whole = false;
}
