//! Flows that mitmproxy saved (`-w FILE`, *Save flows*): one netstring each, bodies as they were on the wire.
//!
//! The formats of mitmproxy 9 to 11 (versions 18 to 21) are read, and of others what is the same in them. Flows of TCP, UDP
//! and DNS are set aside. Of a body that was streamed through, only the length is known.

use super::super::{BadReason, fields, har};
use super::message::Bodies;
use super::netstrings::Value;
use crate::time::Timestamp;
use crate::transaction::{Completeness, Fields, Transaction};
use std::net::{IpAddr, SocketAddr};

/// The keys of a flow, one of which comes first.
const KEYS: [&[u8]; 18] = [
    b"websocket",
    b"response",
    b"request",
    b"messages",
    b"backup",
    b"timestamp_created",
    b"comment",
    b"metadata",
    b"marked",
    b"is_replay",
    b"mode",
    b"intercepted",
    b"server_conn",
    b"client_conn",
    b"error",
    b"id",
    b"type",
    b"version",
];

/// Whether an input that starts so holds flows.
pub(super) fn looks_like(start: &[u8]) -> bool {
    let digits = start.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = start.get(digits..).and_then(|rest| rest.strip_prefix(b":"));
    let key = behind.filter(|_| digits > 0).and_then(Value::read).map(|(key, _)| key);
    key.is_some_and(|key| KEYS.contains(&key.bytes()))
}

/// A message of a flow, its bytes borrowed.
#[derive(Clone, Copy, Debug, Default)]
struct Message<'a> {
    host: &'a [u8],
    port: Option<f64>,
    method: &'a [u8],
    scheme: &'a [u8],
    authority: &'a [u8],
    path: &'a [u8],
    version: &'a [u8],
    status: Option<f64>,
    headers: Option<Value<'a>>,
    content: Option<&'a [u8]>,
    start: Option<f64>,
    end: Option<f64>,
}

/// Reads a flow; `Ok(false)` when it is of another kind.
pub(super) fn read(flow: Value<'_>, bodies: &mut Bodies, into: &mut Transaction) -> Result<bool, BadReason> {
    into.clear();
    if !matches!(flow, Value::Dict(_)) {
        return Err(BadReason::Netstring);
    }
    let mut kind = &b""[..];
    let (mut request, mut response) = (Value::Null, Value::Null);
    let (mut client, mut server) = (Value::Null, Value::Null);
    flow.entries(&mut |key, value| match key {
        b"type" => kind = value.bytes(),
        b"request" => request = value,
        b"response" => response = value,
        b"client_conn" => client = value,
        b"server_conn" => server = value,
        _ => {}
    })?;
    if kind != b"http" {
        return Ok(false);
    }
    let message = message(request)?;
    if !fields::is_token(message.method) {
        return Err(BadReason::NoRequest);
    }
    request_into(&message, bodies, into)?;
    let started = message.start.and_then(instant).ok_or(BadReason::Time)?;
    into.request.started = started;
    into.request.ended = message.end.and_then(instant).unwrap_or(started);
    let told = message.content.is_some();
    if matches!(response, Value::Dict(_)) {
        response_into(response, told, bodies, into)?;
    } else {
        into.completeness = Completeness::RequestOnly;
    }
    // A reverse proxy that ends TLS goes on without it, and the flow's scheme is that of the other side.
    client.entries(&mut |key, value| {
        into.tls |= key == b"timestamp_tls_setup" && value.number().is_some();
    })?;
    into.client = peer(client, &[b"peername", b"address"])?;
    into.server = peer(server, &[b"peername", b"ip_address"])?
        .and_then(|(address, port)| Some(SocketAddr::new(address, port?)));
    Ok(true)
}

fn request_into(message: &Message<'_>, bodies: &mut Bodies, into: &mut Transaction) -> Result<(), BadReason> {
    into.request.method.extend_from_slice(message.method);
    let target = into.request.target.expose_mut();
    if message.method == b"CONNECT" {
        target.extend_from_slice(message.authority);
    } else if let Some(url) = har::Url::parse(message.path) {
        url.write_target(target);
    } else {
        target.extend_from_slice(message.path);
    }
    if target.is_empty() {
        return Err(BadReason::NoRequest);
    }
    into.tls = matches!(message.scheme, b"https" | b"wss");
    into.protocol = fields::protocol(message.version).unwrap_or(into.protocol);
    headers(message.headers, &mut into.request.fields);
    if into.request.fields.get("host").is_none() {
        let authority = if message.authority.is_empty() { message.host } else { message.authority };
        let mut authority = String::from_utf8_lossy(authority).into_owned();
        if message.authority.is_empty() {
            if authority.contains(':') {
                authority = format!("[{authority}]");
            }
            if let Some(port) = message.port {
                authority = format!("{authority}:{port}");
            }
        }
        into.logged_host = Some(authority).filter(|authority| !authority.is_empty());
    }
    body(true, message.content, bodies, into);
    Ok(())
}

fn response_into(
    response: Value<'_>,
    request_told: bool,
    bodies: &mut Bodies,
    into: &mut Transaction,
) -> Result<(), BadReason> {
    let message = message(response)?;
    let status = message.status.and_then(fields::to_integer).and_then(|status| u16::try_from(status).ok());
    into.response.status = status.unwrap_or_default();
    headers(message.headers, &mut into.response.fields);
    body(false, message.content, bodies, into);
    into.response.started = message.start.and_then(instant).unwrap_or(into.request.ended);
    into.response.ended = message.end.and_then(instant).unwrap_or(into.response.started);
    let waited = into.response.started.as_nanos().saturating_sub(into.request.ended.as_nanos()).max(0);
    into.latency_us = message.start.and_then(|_| u64::try_from(waited / 1_000).ok());
    if !(request_told && message.content.is_some()) {
        into.completeness = Completeness::Logged;
    }
    Ok(())
}

fn message(value: Value<'_>) -> Result<Message<'_>, BadReason> {
    let mut message = Message::default();
    value.entries(&mut |key, value| match key {
        b"host" => message.host = value.bytes(),
        b"port" => message.port = value.number(),
        b"method" => message.method = value.bytes(),
        b"scheme" => message.scheme = value.bytes(),
        b"authority" => message.authority = value.bytes(),
        b"path" => message.path = value.bytes(),
        b"http_version" => message.version = value.bytes(),
        b"status_code" => message.status = value.number(),
        b"headers" => message.headers = Some(value),
        b"content" => {
            if let Value::Bytes(content) = value {
                message.content = Some(content);
            }
        }
        b"timestamp_start" => message.start = value.number(),
        b"timestamp_end" => message.end = value.number(),
        _ => {}
    })?;
    Ok(message)
}

fn headers(list: Option<Value<'_>>, into: &mut Fields) {
    for pair in list.into_iter().flat_map(Value::items) {
        let mut parts = pair.items();
        if let (Some(Value::Bytes(name)), Some(Value::Bytes(value))) = (parts.next(), parts.next())
            && !name.starts_with(b":")
        {
            into.push(name, value);
        }
    }
}

fn body(request: bool, content: Option<&[u8]>, bodies: &mut Bodies, into: &mut Transaction) {
    let stated = if request { &into.request.fields } else { &into.response.fields };
    let stated = stated
        .get("content-length")
        .and_then(|length| std::str::from_utf8(length.expose()).ok()?.parse().ok());
    let len = content.map_or(stated.unwrap_or_default(), |content| content.len() as u64);
    bodies.put(request, content.unwrap_or_default(), len, into);
    let body = if request { &mut into.request.body } else { &mut into.response.body };
    body.whole &= content.is_some();
}

/// The address and port that a connection has under one of `names`.
fn peer(connection: Value<'_>, names: &[&[u8]]) -> Result<Option<(IpAddr, Option<u16>)>, BadReason> {
    let mut found = None;
    connection.entries(&mut |key, value| {
        let mut parts = value.items();
        if names.contains(&key)
            && let (Some(address), port) = (parts.next(), parts.next())
            && let Some((address, _)) = fields::address(address.bytes())
        {
            let port = port.and_then(Value::number).and_then(fields::to_integer);
            found = found.or(Some((address, port.and_then(|port| u16::try_from(port).ok()))));
        }
    })?;
    Ok(found)
}

/// Seconds since the epoch, to the microsecond.
fn instant(seconds: f64) -> Option<Timestamp> {
    let micros = i64::try_from(fields::to_integer(seconds * 1e6)?).ok()?;
    Some(Timestamp::from_nanos(micros.checked_mul(1_000)?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::netstrings::Netstrings;
    use super::*;
    use crate::transaction::Protocol;

    fn put(kind: char, payload: &[u8]) -> Vec<u8> {
        [format!("{}:", payload.len()).as_bytes(), payload, kind.to_string().as_bytes()].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        put(';', text.as_bytes())
    }

    fn bytes(bytes: &[u8]) -> Vec<u8> {
        put(',', bytes)
    }

    fn number(number: f64) -> Vec<u8> {
        put(if number.fract() == 0.0 { '#' } else { '^' }, number.to_string().as_bytes())
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        put(']', &items.concat())
    }

    fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let entries: Vec<_> =
            entries.iter().map(|(key, value)| [text(key), value.clone()].concat()).collect();
        put('}', &entries.concat())
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<u8> {
        let pair = |(name, value): &(&str, &str)| list(&[bytes(name.as_bytes()), bytes(value.as_bytes())]);
        list(&pairs.iter().map(pair).collect::<Vec<_>>())
    }

    /// A flow as version 21 writes it, in HTTP/2 as `content` says the response's body.
    pub(in super::super) fn flow(content: Option<&[u8]>) -> Vec<u8> {
        let request = dict(&[
            ("path", bytes(b"/v1/a?x=1")),
            ("authority", bytes(b"api.example:8443")),
            ("scheme", bytes(b"https")),
            ("method", bytes(b"POST")),
            ("port", number(8443.0)),
            ("host", text("198.51.100.7")),
            ("timestamp_end", number(1_776_211_206.675)),
            ("timestamp_start", number(1_776_211_206.672)),
            ("trailers", put('~', b"")),
            ("content", bytes(b"{\"a\":1}")),
            ("headers", headers(&[(":path", "/v1/a?x=1"), ("authorization", "Bearer t")])),
            ("http_version", bytes(b"HTTP/2.0")),
        ]);
        let response = dict(&[
            ("status_code", number(201.0)),
            ("timestamp_end", number(1_776_211_207.0)),
            ("timestamp_start", number(1_776_211_206.69)),
            ("content", content.map_or_else(|| put('~', b""), bytes)),
            ("headers", headers(&[("content-encoding", "gzip"), ("content-length", "99")])),
            ("http_version", bytes(b"HTTP/2.0")),
        ]);
        dict(&[
            ("websocket", put('~', b"")),
            ("response", response),
            ("request", request),
            ("server_conn", dict(&[("peername", list(&[text("198.51.100.7"), number(8443.0)]))])),
            ("client_conn", dict(&[("peername", list(&[text("::ffff:10.0.0.1"), number(5000.0)]))])),
            ("type", text("http")),
            ("version", number(21.0)),
        ])
    }

    fn read_one(flow: &[u8]) -> (Result<bool, BadReason>, Transaction) {
        let (mut into, mut outcome) = (Transaction::default(), None);
        Netstrings::default().feed(flow, &mut |value| {
            outcome = Some(value.and_then(|value| read(value, &mut Bodies::new(40), &mut into)));
        });
        (outcome.unwrap(), into)
    }

    #[test]
    fn a_flow_becomes_an_exchange() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"b\":2}").unwrap();
        let packed = encoder.finish().unwrap();
        let (outcome, exchange) = read_one(&flow(Some(&packed)));
        assert_eq!(outcome, Ok(true));
        assert_eq!(exchange.method(), Some("POST"));
        assert_eq!(exchange.request.target.expose(), b"/v1/a?x=1");
        assert_eq!(exchange.host().as_deref(), Some("api.example"));
        assert_eq!((exchange.response.status, exchange.tls, exchange.protocol), (201, true, Protocol::Http2));
        assert_eq!(exchange.request.body.bytes.expose(), b"{\"a\":1}");
        assert_eq!(exchange.response.body.bytes.expose(), b"{\"b\":2}");
        assert_eq!(exchange.response.body.len, packed.len() as u64);
        assert!(exchange.response.body.whole && exchange.anomalies.is_empty());
        assert_eq!(exchange.completeness, Completeness::Complete);
        assert_eq!(exchange.latency_us, Some(15_000));
        assert_eq!(
            exchange.client.map(|(address, port)| (address.to_string(), port)),
            Some(("::ffff:10.0.0.1".into(), Some(5000)))
        );
        assert_eq!(exchange.server, Some("198.51.100.7:8443".parse().unwrap()));
        assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06.672Z");
        assert_eq!(exchange.request.fields.iter().count(), 1, "what begins with a colon is no field");
        assert!(
            looks_like(&flow(None))
                && !looks_like(b"17:x")
                && !looks_like(b"10.0.0.1 - -")
                && !looks_like(b"3:2:x,")
        );
    }

    #[test]
    fn tls_is_what_the_client_spoke() {
        for (setup, expected) in [(put('~', b""), false), (number(1.5), true)] {
            let request = [
                ("method", bytes(b"GET")),
                ("scheme", bytes(b"http")),
                ("path", bytes(b"/")),
                ("timestamp_start", number(1.5)),
            ];
            let client = dict(&[("timestamp_tls_setup", setup)]);
            let (outcome, exchange) = read_one(&dict(&[
                ("type", text("http")),
                ("request", dict(&request)),
                ("client_conn", client),
            ]));
            assert_eq!((outcome, exchange.tls), (Ok(true), expected));
        }
    }

    #[test]
    fn what_was_streamed_or_is_no_http_is_told() {
        let (outcome, exchange) = read_one(&flow(None));
        assert_eq!((outcome, exchange.completeness), (Ok(true), Completeness::Logged));
        assert_eq!((exchange.response.body.len, exchange.response.body.whole), (99, false));
        let request =
            |entries: &[(&str, Vec<u8>)]| dict(&[("type", text("http")), ("request", dict(entries))]);
        let method = || ("method", bytes(b"GET"));
        for (flow, expected) in [
            (dict(&[("type", text("tcp"))]), Ok(false)),
            (request(&[]), Err(BadReason::NoRequest)),
            (request(&[method()]), Err(BadReason::NoRequest)),
            (request(&[method(), ("path", bytes(b"/"))]), Err(BadReason::Time)),
            (request(&[method(), ("path", bytes(b"/")), ("timestamp_start", number(1.5))]), Ok(true)),
            (dict(&[("type", text("http")), ("client_conn", put('}', b"x"))]), Err(BadReason::NoRequest)),
            (put('}', b"4:type;"), Err(BadReason::Netstring)),
            (list(&[]), Err(BadReason::Netstring)),
        ] {
            assert_eq!(read_one(&flow).0, expected, "{}", String::from_utf8_lossy(&flow));
        }
    }
}
