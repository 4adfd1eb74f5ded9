//! What the connections of a shard share, and how an exchange is finished.
//!
//! Whatever paired a request with its response hands it to [`Exchanges::hand_on`], which judges how much was
//! seen, undoes content codings and gives it to the [`Sink`]. Its buffers are used again.

use super::{Body, Completeness, End, Transaction};
use crate::anomaly::{Anomaly, AnomalyCounts, AnomalySet};
use crate::flow::{Direction, FlowKey, Moment, SeqNum};
use crate::http::content::{ContentDecoder, Decoded};
use crate::http::h1::ReadLimits;
use crate::limits::Limits;
use crate::merge::Merge;

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
    pub(super) counters: HttpCounters,
    decoder: ContentDecoder,
    #[expect(clippy::vec_box, reason = "they move between here and the connections without being copied")]
    spare: Vec<Box<Transaction>>,
    pub(super) read: ReadLimits,
    pub(super) pipelined: usize,
    /// Bytes of a body that are kept; 0 when bodies are not inspected.
    pub(super) body_bytes: usize,
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

    /// What was counted since this was last asked.
    pub fn take_counters(&mut self) -> HttpCounters {
        std::mem::take(&mut self.counters)
    }

    fn take_spare(&mut self) -> Box<Transaction> {
        self.spare.pop().unwrap_or_default()
    }

    pub(super) fn hand_on(&mut self, pending: Pending) {
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
pub(super) struct Pending {
    pub(super) exchange: Box<Transaction>,
    /// The request's last byte was seen, or will never be.
    pub(super) request_over: bool,
    /// The response's last byte was seen, or will never be.
    pub(super) response_over: bool,
    /// What the client had received when it sent the request.
    pub(super) ack: Option<SeqNum>,
    pub(super) keep_request: bool,
    pub(super) keep_response: bool,
    /// The connection speaks something else if this request is accepted.
    pub(super) connect: bool,
}

/// The connection that exchanges are on, as they tell of it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) key: FlowKey,
    pub(super) client: Direction,
    /// A frame in which exchanges began, and how many.
    last_start: Option<(u32, u64, u32)>,
    /// Oddities of the connection that concern the next exchange.
    pub(super) odd: AnomalySet,
}

impl Origin {
    pub(super) const fn new(key: FlowKey, client: Direction, odd: AnomalySet) -> Self {
        Self { key, client, last_start: None, odd }
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
}

/// Media types whose bodies hold nothing to classify: they are counted, not kept.
pub(super) fn worth_keeping(media: &[u8]) -> bool {
    let top = media.split(|byte| *byte == b'/').next().unwrap_or_default();
    let opaque =
        [&b"image"[..], b"video", b"audio", b"font"].iter().any(|kind| top.eq_ignore_ascii_case(kind));
    let svg = media.to_ascii_lowercase().starts_with(b"image/svg");
    !opaque || svg
}

pub(super) fn append(body: &mut Body, bytes: &[u8], cap: usize) {
    body.len += bytes.len() as u64;
    if !body.whole {
        return;
    }
    let kept = body.bytes.expose_mut();
    let room = cap.saturating_sub(kept.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    body.whole = bytes.len() <= room;
}

pub(super) fn lose(body: &mut Body) {
    body.end = End::Gap;
    body.whole = false;
}
