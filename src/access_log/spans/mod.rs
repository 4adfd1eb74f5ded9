//! OpenTelemetry spans with HTTP conventions become transactions.
//!
//! A *server* span is an exchange: what the instrumented service itself saw of a request that came in. A *client* span
//! tells of the same exchange from its other end, or of one with a service that somebody else runs; counting it as well
//! would count calls between two instrumented services twice, so it is passed over and counted apart, as internal,
//! producer and consumer spans are. So is a server span that is neither HTTP nor gRPC.
//!
//! Read are the stable HTTP conventions, those before them (`http.method`, `net.peer.ip`), what Envoy and Istio write,
//! and gRPC by the RPC conventions: a call is `POST /service/method`. A span tells no body. Where a service tells no
//! target but its route (`/accounts/{id}`), the route stands for the path.
//!
//! [`SpanReader`] takes exports (`ExportTraceServiceRequest`, which is what `TracesData` is) one by one, as OTLP/HTTP
//! and OTLP/gRPC bring them; files of them are read by [`super::Reader`].

mod file;
mod json;
mod protobuf;

pub(super) use file::{ProtobufFile, looks_like_protobuf};

use super::elements::{Element, Elements, MAX_ELEMENT, Rule};
use super::fields::{Scratch, Value, address, protocol};
use super::wire::{MAX_MESSAGE, Message, Nested};
use super::{BadReason, Batch};
use crate::http::grpc::Told;
use crate::time::Timestamp;
use crate::transaction::{Call, Protocol, Transaction};

/// The levels from an export to its spans: resource spans, scope spans (1000 until 2022), spans.
pub(super) const PATH: &[&[u32]] = &[&[1], &[2, 1000], &[2]];

/// Reads exports of spans. See the module's doc.
///
/// ```
/// use spanlight::access_log::SpanReader;
///
/// let export = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
///     "kind":2,"startTimeUnixNano":"1776211206000000000","endTimeUnixNano":"1776211206015000000","attributes":[
///         {"key":"http.request.method","value":{"stringValue":"GET"}},
///         {"key":"url.path","value":{"stringValue":"/v1/accounts"}},
///         {"key":"http.response.status_code","value":{"intValue":"200"}}]}]}]}]}"#;
/// let mut paths = Vec::new();
/// let told = SpanReader::new(0).json(export, &mut |exchange| paths.push(exchange.path().expose().to_vec()));
/// assert_eq!((told.exchanges, told.aside, told.bad), (1, 0, 0));
/// assert_eq!(paths, [b"/v1/accounts"]);
/// ```
#[derive(Debug)]
pub struct SpanReader {
    reading: Reading,
    transaction: Transaction,
    input: u32,
    record: u64,
}

impl SpanReader {
    /// A reader for the input numbered `input` among all inputs.
    #[must_use]
    pub fn new(input: u32) -> Self {
        Self { reading: Reading::default(), transaction: Transaction::default(), input, record: 0 }
    }

    /// Reads one export in OTLP's JSON and hands the exchange of each HTTP server span to `sink`.
    ///
    /// The caller bounds `export`; of it one span is decoded at a time.
    pub fn json(&mut self, export: &[u8], sink: &mut dyn FnMut(&Transaction)) -> Batch {
        let mut batch = Batch::default();
        let mut elements = Elements::new(Rule::Spans, 0);
        elements.feed(export, &mut |element| {
            let outcome = self::element(element, &mut self.reading, &mut self.transaction);
            batch.take(outcome, self.input, &mut self.record, &mut self.transaction, sink);
        });
        // An export without spans is one: the collector sends them to see whether anybody is there.
        let empty = !elements.found() && serde_json::from_slice::<serde::de::IgnoredAny>(export).is_ok();
        // Where something else stands in its place, that was told.
        let told = empty || !elements.found() && batch.bad > 0;
        if let Some(reason) = elements.finish().filter(|_| !told) {
            batch.take(Err(reason), self.input, &mut self.record, &mut self.transaction, sink);
        }
        batch
    }

    /// Reads one export in OTLP's protobuf and hands the exchange of each HTTP server span to `sink`.
    pub fn protobuf(&mut self, export: &[u8], sink: &mut dyn FnMut(&Transaction)) -> Batch {
        let mut batch = Batch::default();
        let mut nested = Nested::new(PATH);
        nested.feed(export, &mut |message| {
            let outcome = self::message(message, &mut self.reading, &mut self.transaction);
            batch.take(outcome, self.input, &mut self.record, &mut self.transaction, sink);
        });
        if let Some(reason) = nested.finish() {
            batch.take(Err(reason), self.input, &mut self.record, &mut self.transaction, sink);
        }
        batch
    }
}

/// Whether a file that starts so holds exports in JSON.
pub(super) fn looks_like_json(start: &[u8]) -> bool {
    let mut elements = Elements::new(Rule::Spans, 0);
    if start.trim_ascii_start().starts_with(b"{") {
        elements.feed(start, &mut |_| {});
    }
    elements.found()
}

/// Reads a span's JSON; `Ok(false)` when it is none that counts.
pub(super) fn element(
    element: Element<'_>,
    reading: &mut Reading,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    match element {
        Element::Whole(span) => json::parse(span, reading, into),
        Element::TooLong => Err(BadReason::TooLong { limit: MAX_ELEMENT }),
        Element::Cut => Err(BadReason::Cut),
        Element::Stray => Err(BadReason::Json { column: 1 }),
    }
}

/// Reads a span's protobuf; `Ok(false)` when it is none that counts.
pub(super) fn message(
    message: Message<'_>,
    reading: &mut Reading,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    match message {
        Message::Whole(span) => protobuf::parse(span, reading, into),
        Message::TooLong => Err(BadReason::TooLong { limit: MAX_MESSAGE }),
    }
}

/// `SpanKind.SPAN_KIND_SERVER`.
const SERVER: u64 = 2;

/// What a span says besides its attributes.
#[derive(Clone, Copy, Debug, Default)]
struct Frame<'a> {
    start: u64,
    end: u64,
    /// In hexadecimal digits; empty when there is none.
    trace: &'a [u8],
    /// The same of the span that asked.
    parent: &'a [u8],
}

/// What was told of one span so far; buffers are reused from span to span.
#[derive(Debug, Default)]
pub(super) struct Reading {
    scratch: Scratch,
    route: Vec<u8>,
    client: Vec<u8>,
    peer_port: Option<u16>,
    is_http: bool,
    is_grpc: bool,
    service: Vec<u8>,
    method: Vec<u8>,
    grpc_status: Option<u32>,
    name: String,
}

impl Reading {
    fn begin(&mut self, into: &mut Transaction) {
        self.scratch.begin(into);
        for buffer in [&mut self.route, &mut self.client, &mut self.service, &mut self.method] {
            buffer.clear();
        }
        self.peer_port = None;
        self.grpc_status = None;
        self.is_http = false;
        self.is_grpc = false;
    }

    /// Takes an attribute. Of an array each item comes by itself.
    fn attribute(&mut self, key: &[u8], value: Value<'_>, into: &mut Transaction) {
        let keep = |buffer: &mut Vec<u8>| {
            if let Value::Text(text) = value {
                buffer.clear();
                buffer.extend_from_slice(text);
            }
        };
        let name = match key {
            b"http.request.method" | b"http.method" => {
                self.is_http = true;
                // A method that is not on the list of the conventions stands in an attribute of its own.
                if matches!(value, Value::Text(b"_OTHER")) {
                    return;
                }
                "method"
            }
            b"http.request.method_original" => {
                into.request.method.clear();
                "method"
            }
            b"url.full" | b"http.url" => "url",
            b"http.target" => "request_uri",
            b"url.path" => "path",
            b"url.query" => "query",
            b"http.route" => return keep(&mut self.route),
            b"url.scheme" | b"http.scheme" => "scheme",
            b"http.response.status_code" | b"http.status_code" => {
                self.is_http = true;
                "status"
            }
            b"http.host" => "http_host",
            b"server.address" | b"net.host.name" | b"http.server_name" => "host",
            b"server.port" | b"net.host.port" | b"network.local.port" => "server_port",
            b"network.local.address" | b"net.sock.host.addr" | b"net.host.ip" => "server_addr",
            b"network.peer.address" | b"net.sock.peer.addr" | b"net.peer.ip" | b"peer.address" => {
                "remote_addr"
            }
            b"network.peer.port" | b"net.sock.peer.port" | b"net.peer.port" => {
                self.peer_port = port(value);
                return;
            }
            b"client.address" | b"http.client_ip" => return keep(&mut self.client),
            b"http.request.body.size" | b"http.request_content_length" | b"request_size" => {
                "request_body_size"
            }
            b"http.response.body.size" | b"http.response_content_length" | b"response_size" => {
                "response_body_size"
            }
            b"user_agent.original" | b"http.user_agent" | b"user_agent" => "user_agent",
            b"network.protocol.version" | b"http.flavor" | b"http.protocol" => {
                if let Some(known) = protocol_of(value) {
                    into.protocol = known;
                }
                return;
            }
            b"tls.protocol.version" => "tls_version",
            b"tls.client.subject" => "request.headers.X-SSL-Client-S-DN",
            b"guid:x-request-id" => "request.headers.X-Request-Id",
            b"rpc.system" | b"rpc.system.name" => {
                self.is_grpc = matches!(value, Value::Text(b"grpc"));
                return;
            }
            b"rpc.service" => return keep(&mut self.service),
            b"rpc.method" => return keep(&mut self.method),
            b"rpc.grpc.status_code" | b"rpc.response.status_code" => {
                self.grpc_status = number(value).and_then(|code| u32::try_from(code).ok());
                return;
            }
            _ => return self.header(key, value, into),
        };
        self.scratch.put(name, value, into);
    }

    /// `http.request.header.x-request-id`, and with `_` for `-` in the older conventions.
    fn header(&mut self, key: &[u8], value: Value<'_>, into: &mut Transaction) {
        let of = |front: &[u8]| key.strip_prefix(front).and_then(|name| std::str::from_utf8(name).ok());
        let (front, name) = if let Some(name) = of(b"http.request.header.") {
            ("request.headers.", name)
        } else if let Some(name) = of(b"http.response.header.") {
            ("response.headers.", name)
        } else {
            return;
        };
        self.name.clear();
        self.name.push_str(front);
        self.name.push_str(name);
        self.scratch.put(&self.name, value, into);
    }

    /// Makes the exchange of what was told; `Ok(false)` when it is neither HTTP nor gRPC.
    fn finish(&mut self, frame: Frame<'_>, into: &mut Transaction) -> Result<bool, BadReason> {
        if !self.is_http && !self.is_grpc {
            return Ok(false);
        }
        if !self.is_http {
            // gRPC over HTTP/2 asks by POST and answers 200 whatever became of the call.
            self.scratch.put("method", Value::Text(b"POST"), into);
            self.scratch.put("status", Value::Integer(200), into);
            self.route.clear();
            if !self.method.contains(&b'/') {
                self.route.push(b'/');
                self.route.extend_from_slice(&self.service);
            }
            if !self.method.starts_with(b"/") {
                self.route.push(b'/');
            }
            self.route.extend_from_slice(&self.method);
            into.protocol = Protocol::Http2;
        }
        if self.is_grpc {
            let mut call = Call::default();
            call.end(self.grpc_status, Told::Log);
            into.call = Some(call);
        }
        self.scratch.put("path", Value::Text(&self.route), into);
        if into.client.is_none() {
            self.scratch.put("client", Value::Text(&self.client), into);
        } else if address(&self.client).is_some_and(|(told, _)| into.client.is_some_and(|(at, _)| at != told))
        {
            self.scratch.put("x_forwarded_for", Value::Text(&self.client), into);
        }
        if let (Some((_, port @ None)), Some(told)) = (&mut into.client, self.peer_port) {
            *port = Some(told);
        }
        // A span whose parent is elsewhere was asked with this (W3C Trace Context).
        if frame.trace.len() == 32
            && frame.parent.len() == 16
            && into.request.fields.get("traceparent").is_none()
        {
            let told = [b"00-", frame.trace, b"-", frame.parent, b"-01"].concat();
            into.request.fields.push(b"traceparent", &told);
        }
        if let Some(started) = i64::try_from(frame.start).ok().filter(|start| *start > 0) {
            self.scratch.at(Timestamp::from_nanos(started));
        }
        into.latency_us = frame.end.checked_sub(frame.start).map(|nanos| nanos / 1_000);
        self.scratch.finish(into).map(|()| true)
    }
}

fn number(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Integer(number) => Some(number),
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Float(_) | Value::Bool(_) => None,
    }
}

fn port(value: Value<'_>) -> Option<u16> {
    number(value).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

fn protocol_of(value: Value<'_>) -> Option<Protocol> {
    if let Value::Text(text) = value { protocol(text) } else { None }
}

/// Reads arbitrary bytes as exports, and asserts that counts hold.
pub(super) fn fuzz(data: &[u8]) {
    let mut handed = 0;
    let mut reader = SpanReader::new(0);
    let told = [reader.json(data, &mut |_| handed += 1), reader.protobuf(data, &mut |_| handed += 1)];
    assert_eq!(told.iter().map(|batch| batch.exchanges).sum::<u64>(), handed);
}

#[cfg(test)]
mod tests;
