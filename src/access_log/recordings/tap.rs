//! Traces of Envoy's tap filter (`envoy.data.tap.v3.TraceWrapper`), in JSON and in protobuf.
//!
//! A buffered trace is an exchange. Of a streamed one each message is a segment: its head, a piece of its body, its
//! trailers. [`Streams`] puts the segments of a trace together; nothing says that a trace is over, so each waits until
//! the input ends, until its number comes again, or until more wait than are held. Traces of sockets hold no messages
//! and are passed over. A trace without a time (`record_headers_received_time`) has that of its response's `Date`.

mod json;
mod protobuf;

pub(super) use json::{looks_like_json, read_json};
pub(super) use protobuf::{Wrappers, looks_like_protobuf, read_protobuf};

use super::super::BadReason;
use super::Each;
use super::dates;
use super::message::Bodies;
use crate::time::Timestamp;
use crate::transaction::{Completeness, Transaction};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Streamed traces that are open at a time.
const MAX_STREAMS: usize = 256;

/// Bytes of bodies that all open traces keep together.
const MAX_STREAM_BYTES: usize = 32 << 20;

/// Field lines of one head.
const MAX_FIELDS: usize = 4_096;

type Header<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A request or response.
#[derive(Debug, Default)]
struct Message<'a> {
    headers: Vec<Header<'a>>,
    body: Cow<'a, [u8]>,
    truncated: bool,
    received: Option<Timestamp>,
}

/// An address with its port.
type Peer = (IpAddr, Option<u16>);

/// One message of the tap.
#[derive(Debug)]
enum Trace<'a> {
    Buffered {
        request: Option<Message<'a>>,
        response: Option<Message<'a>>,
        client: Option<Peer>,
        /// The address that took the connection.
        server: Option<Peer>,
    },
    Segment {
        id: u64,
        /// Of the request, not of the response.
        request: bool,
        piece: Piece<'a>,
    },
}

#[derive(Debug)]
enum Piece<'a> {
    Head(Vec<Header<'a>>),
    Body { bytes: Cow<'a, [u8]>, truncated: bool },
    Trailers,
}

/// Takes a message of the tap and hands out what came of it.
fn take(
    trace: &Trace<'_>,
    bodies: &mut Bodies,
    into: &mut Transaction,
    streams: &mut Streams,
    each: &mut Each<'_>,
) {
    match trace {
        Trace::Buffered { request, response, client, server } => {
            into.clear();
            let outcome = buffered(request.as_ref(), response.as_ref(), bodies, into);
            into.client = *client;
            into.server = server.and_then(|(address, port)| Some(SocketAddr::new(address, port?)));
            each(outcome, into);
        }
        Trace::Segment { id, request, piece } => streams.take(*id, *request, piece, bodies, each),
    }
}

fn buffered(
    request: Option<&Message<'_>>,
    response: Option<&Message<'_>>,
    bodies: &mut Bodies,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    for (is_request, message) in [(true, request), (false, response)] {
        let Some(message) = message else { continue };
        put_head(&message.headers, is_request, into);
        put_body(&message.body, message.truncated, is_request, bodies, into);
    }
    let (started, answered) =
        (request.and_then(|message| message.received), response.and_then(|message| message.received));
    finish(started, answered, into)
}

/// Puts the fields of a head where they belong; those with a colon make its start line.
fn put_head(headers: &[Header<'_>], request: bool, into: &mut Transaction) {
    for (name, value) in headers.iter().take(MAX_FIELDS) {
        match (&**name, request) {
            (b":method", true) => into.request.method = value.to_vec(),
            (b":path", true) => *into.request.target.expose_mut() = value.to_vec(),
            (b":authority", true) => {
                into.logged_host =
                    Some(String::from_utf8_lossy(value).into_owned()).filter(|host| !host.is_empty());
            }
            (b":scheme", true) => into.tls = value.eq_ignore_ascii_case(b"https"),
            (b":status", false) => {
                let status = std::str::from_utf8(value).ok().and_then(|status| status.parse().ok());
                into.response.status = status.unwrap_or_default();
            }
            ([b':', ..], _) => {}
            (name, true) => into.request.fields.push(name, value),
            (name, false) => into.response.fields.push(name, value),
        }
    }
}

/// Puts a body in; of one that Envoy cut, the length is what the head says, or what is there.
fn put_body(content: &[u8], truncated: bool, request: bool, bodies: &mut Bodies, into: &mut Transaction) {
    let fields = if request { &into.request.fields } else { &into.response.fields };
    let stated = fields.get("content-length").filter(|_| truncated);
    let stated: Option<u64> =
        stated.and_then(|length| std::str::from_utf8(length.expose()).ok()?.parse().ok());
    let len = stated.unwrap_or_default().max(content.len() as u64);
    bodies.put(request, content, len, into);
    let body = if request { &mut into.request.body } else { &mut into.response.body };
    body.whole &= !truncated;
}

/// Makes the exchange whole, or says what it lacks.
fn finish(
    started: Option<Timestamp>,
    answered: Option<Timestamp>,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    if into.request.method.is_empty() || into.request.target.expose().is_empty() {
        return Err(BadReason::NoRequest);
    }
    if into.response.status == 0 {
        into.completeness = Completeness::RequestOnly;
    }
    let date = into.response.fields.get("date").and_then(|date| dates::http(date.expose()));
    let start = started.or(answered).or(date).ok_or(BadReason::Time)?;
    into.request.started = start;
    into.request.ended = start;
    into.response.started = answered.unwrap_or(start);
    into.response.ended = into.response.started;
    into.latency_us = started.zip(answered).and_then(|(started, answered)| {
        u64::try_from(answered.as_nanos().saturating_sub(started.as_nanos()) / 1_000).ok()
    });
    Ok(true)
}

/// Traces whose segments are still coming. See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: VecDeque<Stream>,
    bytes: usize,
}

#[derive(Debug)]
struct Stream {
    id: u64,
    exchange: Box<Transaction>,
    request: Content,
    response: Content,
}

/// What came of a body.
#[derive(Debug, Default)]
struct Content {
    kept: Vec<u8>,
    len: u64,
    truncated: bool,
}

impl Streams {
    fn take(&mut self, id: u64, request: bool, piece: &Piece<'_>, bodies: &mut Bodies, each: &mut Each<'_>) {
        let begins = request && matches!(piece, Piece::Head(_));
        let known = self.open.iter().position(|stream| stream.id == id);
        if let Some(at) = known.filter(|_| begins)
            && let Some(old) = self.open.remove(at)
        {
            self.close(old, bodies, each);
        }
        if known.is_none() || begins {
            if self.open.len() >= MAX_STREAMS
                && let Some(oldest) = self.open.pop_front()
            {
                self.close(oldest, bodies, each);
            }
            self.open.push_back(Stream {
                id,
                exchange: Box::default(),
                request: Content::default(),
                response: Content::default(),
            });
        }
        let Some(stream) = self.open.iter_mut().find(|stream| stream.id == id) else { return };
        match piece {
            Piece::Head(headers) => put_head(headers, request, &mut stream.exchange),
            Piece::Body { bytes, truncated } => {
                let content = if request { &mut stream.request } else { &mut stream.response };
                let room = bodies.limit.saturating_sub(content.kept.len()).min(bytes.len());
                content.kept.extend(bytes.iter().take(room));
                content.len += bytes.len() as u64;
                content.truncated |= truncated;
                self.bytes += room;
            }
            Piece::Trailers => {}
        }
        while self.bytes > MAX_STREAM_BYTES
            && let Some(oldest) = self.open.pop_front()
        {
            self.close(oldest, bodies, each);
        }
    }

    /// Hands out all that is open.
    pub(super) fn finish(&mut self, bodies: &mut Bodies, each: &mut Each<'_>) {
        while let Some(stream) = self.open.pop_front() {
            self.close(stream, bodies, each);
        }
    }

    fn close(&mut self, mut stream: Stream, bodies: &mut Bodies, each: &mut Each<'_>) {
        for (request, content) in [(true, &stream.request), (false, &stream.response)] {
            self.bytes = self.bytes.saturating_sub(content.kept.len());
            bodies.put(request, &content.kept, content.len, &mut stream.exchange);
            let exchange = &mut stream.exchange;
            let body = if request { &mut exchange.request.body } else { &mut exchange.response.body };
            body.whole &= !content.truncated;
        }
        let outcome = finish(None, None, &mut stream.exchange);
        each(outcome, &mut stream.exchange);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Items, Recording};
    use super::*;
    use proptest::prelude::*;

    /// What comes of an input: the target, both bodies and the completeness of each exchange, or why there is none.
    pub(super) fn all(recording: Recording, input: &[u8], chunk: usize) -> Vec<Result<String, BadReason>> {
        let mut items = Items::new(recording, 40);
        let mut seen = Vec::new();
        let mut each = |outcome: Result<bool, BadReason>, exchange: &mut Transaction| {
            seen.push(outcome.map(|_| {
                format!(
                    "{} {} {} {} -> {} {} {}",
                    exchange.method().unwrap_or_default(),
                    exchange.host().unwrap_or_default(),
                    String::from_utf8_lossy(exchange.request.target.expose()),
                    String::from_utf8_lossy(exchange.request.body.bytes.expose()),
                    exchange.response.status,
                    String::from_utf8_lossy(exchange.response.body.bytes.expose()),
                    exchange.started(),
                )
            }));
        };
        for chunk in input.chunks(chunk) {
            items.feed(chunk, &mut each);
        }
        items.finish(&mut each);
        seen
    }

    /// A buffered and a streamed trace in protobuf.
    pub(in super::super) fn sample() -> Vec<u8> {
        super::protobuf::tests::sample()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<Header<'static>> {
        let own = |text: &str| Cow::Owned(text.as_bytes().to_vec());
        pairs.iter().map(|(name, value)| (own(name), own(value))).collect()
    }

    fn run(segments: Vec<(u64, bool, Piece<'_>)>) -> Vec<Result<(String, u64), BadReason>> {
        let (mut streams, mut bodies, mut seen) = (Streams::default(), Bodies::new(4), Vec::new());
        let mut each = |outcome: Result<bool, BadReason>, exchange: &mut Transaction| {
            let target = String::from_utf8_lossy(exchange.request.target.expose()).into_owned();
            seen.push(outcome.map(|_| (target, exchange.response.body.len)));
        };
        for (id, request, piece) in segments {
            streams.take(id, request, &piece, &mut bodies, &mut each);
        }
        streams.finish(&mut bodies, &mut each);
        assert_eq!(streams.bytes, 0);
        seen
    }

    fn head(path: &str) -> Piece<'static> {
        Piece::Head(pairs(&[(":method", "GET"), (":path", path), (":authority", "a.example")]))
    }

    fn answer() -> Piece<'static> {
        Piece::Head(pairs(&[(":status", "200"), ("date", "Wed, 15 Apr 2026 00:00:06 GMT")]))
    }

    fn body(text: &'static str) -> Piece<'static> {
        Piece::Body { bytes: Cow::Borrowed(text.as_bytes()), truncated: false }
    }

    #[test]
    fn segments_of_interleaved_traces_are_put_together() {
        let seen = run(vec![
            (1, true, head("/a")),
            (2, true, head("/b")),
            (2, false, answer()),
            (1, true, Piece::Trailers),
            (1, false, answer()),
            (2, false, body("abc")),
            (1, false, body("d")),
            (2, false, body("efg")),
            (1, true, head("/c")),
            (1, false, answer()),
            (9, false, answer()),
        ]);
        assert_eq!(
            seen,
            [Ok(("/a".into(), 1)), Ok(("/b".into(), 6)), Ok(("/c".into(), 0)), Err(BadReason::NoRequest)]
        );
    }

    #[test]
    fn more_traces_than_are_held_push_out_the_oldest() {
        let count = MAX_STREAMS as u64 + 3;
        let seen = run((0..count).flat_map(|id| [(id, true, head("/a")), (id, false, answer())]).collect());
        assert_eq!(seen.len() as u64, count);
        assert!(seen.iter().all(Result::is_ok));
    }

    proptest! {
        /// Whatever segments come, each trace that began is handed out once.
        #[test]
        fn every_trace_is_handed_out_once(order in proptest::collection::vec((0_u64..4, any::<bool>(), 0_u8..3), 0..60)) {
            let segments: Vec<_> = order
                .iter()
                .map(|&(id, request, kind)| {
                    let piece = match (kind, request) {
                        (0, true) => head("/a"),
                        (0, false) => answer(),
                        (1, _) => body("abc"),
                        _ => Piece::Trailers,
                    };
                    (id, request, piece)
                })
                .collect();
            let begun = order.iter().filter(|(_, request, kind)| *request && *kind == 0).count();
            let seen = run(segments);
            let named = seen.iter().filter(|outcome| !matches!(outcome, Err(BadReason::NoRequest))).count();
            prop_assert_eq!(named, begun);
        }
    }
}
