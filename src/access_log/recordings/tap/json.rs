//! Traces in protobuf's JSON, names in snake or camel case, bodies in Base64 or as text.

use super::super::super::elements::{Elements, Rule};
use super::super::super::{BadReason, base64, fields, har, instant};
use super::super::Each;
use super::super::message::Bodies;
use super::{Header, Message, Peer, Piece, Streams, Trace, take};
use crate::transaction::Transaction;
use har::{Number, Text};
use serde::Deserialize;
use std::borrow::Cow;

/// Whether an input that starts so holds traces in JSON.
pub(in super::super) fn looks_like_json(start: &[u8]) -> bool {
    let mut traces = Elements::new(Rule::Tap, 0);
    if start.trim_ascii_start().starts_with(b"{") {
        traces.feed(start, &mut |_| {});
    }
    traces.found()
}

/// Reads what stands under the name of a buffered or a streamed trace.
pub(in super::super) fn read_json(
    json: &[u8],
    bodies: &mut Bodies,
    into: &mut Transaction,
    streams: &mut Streams,
    each: &mut Each<'_>,
) {
    let read = serde_json::from_slice::<JsonTrace<'_>>(json)
        .map_err(|error| BadReason::Json { column: error.column() })
        .and_then(JsonTrace::open);
    match read {
        Ok(trace) => take(&trace, bodies, into, streams, each),
        Err(reason) => {
            into.clear();
            each(Err(reason), into);
        }
    }
}

/// Both kinds: their names do not meet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonTrace<'a> {
    #[serde(borrow, default)]
    request: Option<JsonMessage<'a>>,
    #[serde(borrow, default)]
    response: Option<JsonMessage<'a>>,
    #[serde(borrow, default, alias = "downstream_connection")]
    downstream_connection: Option<Connection<'a>>,
    #[serde(default, alias = "trace_id")]
    trace_id: Number,
    #[serde(borrow, default, alias = "request_headers")]
    request_headers: Option<HeaderMap<'a>>,
    #[serde(borrow, default, alias = "request_body_chunk")]
    request_body_chunk: Option<JsonBody<'a>>,
    #[serde(borrow, default, alias = "request_trailers")]
    request_trailers: Option<HeaderMap<'a>>,
    #[serde(borrow, default, alias = "response_headers")]
    response_headers: Option<HeaderMap<'a>>,
    #[serde(borrow, default, alias = "response_body_chunk")]
    response_body_chunk: Option<JsonBody<'a>>,
    #[serde(borrow, default, alias = "response_trailers")]
    response_trailers: Option<HeaderMap<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMessage<'a> {
    #[serde(borrow, default)]
    headers: Vec<JsonHeader<'a>>,
    #[serde(borrow, default)]
    body: Option<JsonBody<'a>>,
    #[serde(borrow, default, alias = "headers_received_time")]
    headers_received_time: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct HeaderMap<'a> {
    #[serde(borrow, default)]
    headers: Vec<JsonHeader<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonHeader<'a> {
    #[serde(borrow, default)]
    key: Text<'a>,
    #[serde(borrow, default)]
    value: Text<'a>,
    #[serde(borrow, default, alias = "raw_value")]
    raw_value: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBody<'a> {
    #[serde(borrow, default, alias = "as_bytes")]
    as_bytes: Option<Text<'a>>,
    #[serde(borrow, default, alias = "as_string")]
    as_string: Option<Text<'a>>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'a> {
    #[serde(borrow, default, alias = "local_address")]
    local_address: Option<Address<'a>>,
    #[serde(borrow, default, alias = "remote_address")]
    remote_address: Option<Address<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(borrow, default, alias = "socket_address")]
    socket_address: Option<SocketAddress<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SocketAddress<'a> {
    #[serde(borrow, default)]
    address: Text<'a>,
    #[serde(default, alias = "port_value")]
    port_value: Number,
}

impl<'a> JsonTrace<'a> {
    fn open(self) -> Result<Trace<'a>, BadReason> {
        let id = self.trace_id.size().unwrap_or_default();
        let segment = |request, piece| Ok(Trace::Segment { id, request, piece });
        if let Some(map) = self.request_headers {
            segment(true, Piece::Head(headers(map.headers)?))
        } else if let Some(map) = self.response_headers {
            segment(false, Piece::Head(headers(map.headers)?))
        } else if let Some(body) = self.request_body_chunk {
            let truncated = body.truncated;
            segment(true, Piece::Body { bytes: content(body)?, truncated })
        } else if let Some(body) = self.response_body_chunk {
            let truncated = body.truncated;
            segment(false, Piece::Body { bytes: content(body)?, truncated })
        } else if self.request_trailers.is_some() || self.response_trailers.is_some() {
            segment(self.request_trailers.is_some(), Piece::Trailers)
        } else {
            let side = |address: Option<&Address<'_>>| peer(address?.socket_address.as_ref()?);
            let connection = self.downstream_connection.as_ref();
            let client = connection.and_then(|connection| side(connection.remote_address.as_ref()));
            let server = connection.and_then(|connection| side(connection.local_address.as_ref()));
            Ok(Trace::Buffered {
                client,
                server,
                request: self.request.map(message).transpose()?,
                response: self.response.map(message).transpose()?,
            })
        }
    }
}

fn message(message: JsonMessage<'_>) -> Result<Message<'_>, BadReason> {
    let truncated = message.body.as_ref().is_some_and(|body| body.truncated);
    Ok(Message {
        headers: headers(message.headers)?,
        body: message.body.map(content).transpose()?.unwrap_or_default(),
        truncated,
        received: message.headers_received_time.and_then(|text| instant::any(&text.0)),
    })
}

fn headers(list: Vec<JsonHeader<'_>>) -> Result<Vec<Header<'_>>, BadReason> {
    list.into_iter()
        .map(|header| {
            let value = match header.raw_value {
                Some(raw) if header.value.0.is_empty() => decoded(&raw.0)?,
                Some(_) | None => header.value.0,
            };
            Ok((header.key.0, value))
        })
        .collect()
}

fn content(body: JsonBody<'_>) -> Result<Cow<'_, [u8]>, BadReason> {
    match (body.as_string, body.as_bytes) {
        (Some(text), _) => Ok(text.0),
        (None, Some(text)) => decoded(&text.0),
        (None, None) => Ok(Cow::Borrowed(b"")),
    }
}

/// Base64 undone. What a splitter cut at the tail decodes as far as it goes.
fn decoded<'a>(text: &[u8]) -> Result<Cow<'a, [u8]>, BadReason> {
    let mut bytes = Vec::new();
    if base64::decode(text, usize::MAX, &mut bytes) { Ok(Cow::Owned(bytes)) } else { Err(BadReason::Message) }
}

fn peer(socket: &SocketAddress<'_>) -> Option<Peer> {
    let (address, _) = fields::address(&socket.address.0)?;
    Some((address, socket.port_value.size().and_then(|port| u16::try_from(port).ok())))
}

#[cfg(test)]
mod tests {
    use super::super::super::Recording;
    use super::super::tests::all;
    use super::*;

    const BUFFERED: &str = r#"{"http_buffered_trace":{"request":{"headers":[{"key":":authority","value":"api.example:8443"},{"key":":path","value":"/v1/a?x=1"},{"key":":method","value":"POST"},{"key":":scheme","value":"https"},{"key":"x-b","raw_value":"Yg=="}],"body":{"as_bytes":"eyJhIjoxfQ==","truncated":false},"trailers":[],"headers_received_time":"2026-04-15T00:00:06.672Z"},"response":{"headers":[{"key":":status","value":"201"}],"body":{"as_string":"{\"b\":2}"},"headersReceivedTime":"2026-04-15T00:00:06.687Z"},"downstream_connection":{"local_address":{"socket_address":{"address":"10.0.0.1","port_value":8443}},"remote_address":{"socket_address":{"address":"198.51.100.1","port_value":5000}}}}}"#;
    const SEGMENTS: &str = r#"{
 "http_streamed_trace_segment": {
  "trace_id": "7",
  "request_headers": {
   "headers": [{"key": ":method", "value": "GET"}, {"key": ":path", "value": "/b"}]
  }
 }
}
{"httpStreamedTraceSegment": {"traceId": "7", "requestBodyChunk": {"asBytes": "YQ=="}}}
{"socket_streamed_trace_segment": {"trace_id": "8"}}
{"http_streamed_trace_segment": {"trace_id": "7", "response_headers": {"headers": [{"key": ":status", "value": "200"}, {"key": "date", "value": "Wed, 15 Apr 2026 00:00:06 GMT"}]}}}
{"http_streamed_trace_segment": {"trace_id": "7", "response_body_chunk": {"as_string": "hello "}}}
{"http_streamed_trace_segment": {"trace_id": "7", "response_body_chunk": {"as_string": "you"}}}
{"http_streamed_trace_segment": {"trace_id": "7", "response_trailers": {"headers": []}}}
"#;

    #[test]
    fn buffered_traces_and_segments_become_exchanges() {
        let lines = format!("{BUFFERED}\n{BUFFERED}\n{{\"http_buffered_trace\":{{\"request\":{{}}}}}}\n");
        let exchange = "POST api.example /v1/a?x=1 {\"a\":1} -> 201 {\"b\":2} 2026-04-15T00:00:06.672Z";
        let streamed = "GET  /b a -> 200 hello you 2026-04-15T00:00:06Z";
        for chunk in [1, 3, 10_000] {
            let seen = all(Recording::TapJson, lines.as_bytes(), chunk);
            let twice = [Ok(exchange.to_owned()), Ok(exchange.to_owned()), Err(BadReason::NoRequest)];
            assert_eq!(seen, twice, "{chunk}");
            assert_eq!(
                all(Recording::TapJson, SEGMENTS.as_bytes(), chunk),
                [Ok(streamed.to_owned())],
                "{chunk}"
            );
        }
    }

    #[test]
    fn the_rest_of_a_trace_is_read_too() {
        let (mut bodies, mut into, mut streams) =
            (Bodies::new(40), Transaction::default(), Streams::default());
        let inner = BUFFERED.strip_prefix(r#"{"http_buffered_trace":"#).unwrap();
        let inner = &inner[..inner.len() - 1];
        read_json(inner.as_bytes(), &mut bodies, &mut into, &mut streams, &mut |outcome, exchange| {
            assert_eq!(outcome, Ok(true));
            assert!(exchange.tls);
            assert_eq!(exchange.latency_us, Some(15_000));
            assert_eq!(exchange.client, Some(("198.51.100.1".parse().unwrap(), Some(5000))));
            assert_eq!(exchange.server, Some("10.0.0.1:8443".parse().unwrap()));
            assert_eq!(
                exchange.request.fields.get("x-b").map(|value| value.expose().to_vec()),
                Some(b"b".to_vec())
            );
        });
        for (json, reason) in [
            ("{\"request\":7}", BadReason::Json { column: 12 }),
            ("{\"request\":{\"body\":{\"as_bytes\":\"*\"}}}", BadReason::Message),
            (
                "{\"request\":{\"headers\":[{\"key\":\":method\",\"value\":\"GET\"},{\"key\":\":path\",\"value\":\"/\"}]}}",
                BadReason::Time,
            ),
        ] {
            read_json(json.as_bytes(), &mut bodies, &mut into, &mut streams, &mut |outcome, _| {
                assert_eq!(outcome, Err(reason), "{json}");
            });
        }
    }

    #[test]
    fn only_traces_look_like_them() {
        for (start, expected) in [
            (BUFFERED, true),
            (SEGMENTS, true),
            ("{\"a\":{\"http_buffered_trace\":{}}}", false),
            ("{\"msg\":\"http_buffered_trace\"}", false),
            ("", false),
        ] {
            assert_eq!(looks_like_json(start.as_bytes()), expected, "{start}");
        }
    }
}
