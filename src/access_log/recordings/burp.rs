//! Items that Burp Suite exported as XML (*Save items*): request and response in text or Base64, as they were on the wire
//! or with their compression undone, heads of HTTP/2 in the words of HTTP/1.

use super::super::{BadReason, base64, fields, har};
use super::message::{self, Bodies};
use super::{dates, xml};
use crate::transaction::{Completeness, Protocol, Transaction};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// Bytes of a head that are decoded at most.
const MAX_HEAD: usize = 256 << 10;

/// Whether an input that starts so holds items of Burp.
pub(super) fn looks_like(start: &[u8]) -> bool {
    let root = memchr::memmem::find(start, b"<items ").and_then(|at| start.get(at..));
    let root = root.and_then(|root| root.get(..memchr::memchr(b'>', root)?));
    start.trim_ascii_start().starts_with(b"<")
        && root.is_some_and(|root| memchr::memmem::find(root, b"burpVersion").is_some())
}

/// The request or the response of an item.
#[derive(Debug, Default)]
struct Message<'a> {
    /// Its front, or all of it.
    bytes: Cow<'a, [u8]>,
    len: usize,
}

/// What an item says besides its messages.
#[derive(Debug, Default)]
struct Item<'a> {
    request: Message<'a>,
    response: Message<'a>,
    time: Cow<'a, [u8]>,
    url: Cow<'a, [u8]>,
    method: Cow<'a, [u8]>,
    host: Cow<'a, [u8]>,
    address: Option<IpAddr>,
    port: Option<u16>,
    tls: bool,
    status: Option<u16>,
}

/// Reads an item.
pub(super) fn read(item: &[u8], bodies: &mut Bodies, into: &mut Transaction) -> Result<bool, BadReason> {
    into.clear();
    let item = parts(item, bodies.limit)?;
    into.tls = item.tls;
    let mut told = true;
    if item.request.bytes.is_empty() {
        let url = har::Url::parse(&item.url).ok_or(BadReason::Url)?;
        if !fields::is_token(&item.method) {
            return Err(BadReason::NoRequest);
        }
        into.request.method.extend_from_slice(&item.method);
        url.write_target(into.request.target.expose_mut());
        told = false;
    } else {
        message_into(&item.request, true, bodies, into)?;
    }
    if item.response.bytes.is_empty() {
        into.response.status = item.status.unwrap_or_default();
        told = false;
    } else {
        message_into(&item.response, false, bodies, into)?;
    }
    into.completeness = match (into.response.status, told) {
        (0, _) => Completeness::RequestOnly,
        (_, true) => Completeness::Complete,
        (_, false) => Completeness::Logged,
    };
    if into.request.fields.get("host").is_none() {
        let mut authority = String::from_utf8_lossy(&item.host).into_owned();
        if let Some(port) = item.port.filter(|_| !authority.is_empty()) {
            authority = format!("{authority}:{port}");
        }
        into.logged_host = Some(authority).filter(|authority| !authority.is_empty());
    }
    into.server = item.address.zip(item.port).map(|(address, port)| SocketAddr::new(address, port));
    let started = dates::java(&item.time).ok_or(BadReason::Time)?;
    into.request.started = started;
    into.request.ended = started;
    into.response.started = started;
    into.response.ended = started;
    Ok(true)
}

fn parts(item: &[u8], body_bytes: usize) -> Result<Item<'_>, BadReason> {
    let mut parts = Item::default();
    let mut damaged = false;
    xml::children(item, &mut |child| {
        let text = || child.text.clone();
        let number = || std::str::from_utf8(&child.text).ok()?.trim().parse().ok();
        match child.name {
            b"time" => parts.time = text(),
            b"url" => parts.url = text(),
            b"method" => parts.method = text(),
            b"protocol" => parts.tls = child.text.eq_ignore_ascii_case(b"https"),
            b"port" => parts.port = number(),
            b"status" => parts.status = number(),
            b"host" => {
                parts.host = text();
                let address = child.attribute(b"ip").and_then(fields::address);
                parts.address = address.map(|(address, _)| address);
            }
            b"request" | b"response" => {
                let message = decoded(child, body_bytes);
                damaged |= message.is_none();
                let message = message.unwrap_or_default();
                if child.name == b"request" {
                    parts.request = message;
                } else {
                    parts.response = message;
                }
            }
            _ => {}
        }
    })?;
    if damaged { Err(BadReason::Message) } else { Ok(parts) }
}

/// The bytes of a message, as far as they are looked at; `None` when it is no Base64 and should be.
fn decoded<'a>(child: &xml::Child<'a>, body_bytes: usize) -> Option<Message<'a>> {
    if child.attribute(b"base64") != Some(b"true") {
        return Some(Message { bytes: child.text.clone(), len: child.text.len() });
    }
    let limit = MAX_HEAD.saturating_add(body_bytes);
    let mut bytes = Vec::new();
    let len = base64::decoded_len(&child.text);
    let whole = base64::decode(&child.text, limit, &mut bytes);
    (whole || bytes.len() == limit).then_some(Message { bytes: Cow::Owned(bytes), len })
}

fn message_into(
    message: &Message<'_>,
    request: bool,
    bodies: &mut Bodies,
    into: &mut Transaction,
) -> Result<(), BadReason> {
    let text = message::read_text(&message.bytes, request, into).ok_or(BadReason::Message)?;
    if text.version_2 {
        into.protocol = Protocol::Http2;
    }
    let unchunked = text.chunked.then(|| message::without_chunks(text.body)).flatten();
    let untold = message.len - message.bytes.len();
    let body = unchunked.as_deref().unwrap_or(text.body);
    bodies.put_maybe_decoded(request, body, (body.len() + untold) as u64, into);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;

    /// An export with one item for each pair of messages; an empty response is none.
    pub(in super::super) fn export(items: &[(&str, &[u8], bool)]) -> String {
        let mut out = "<?xml version=\"1.0\"?>\n<!DOCTYPE items [\n<!ELEMENT items (item*)>\n<!ATTLIST items burpVersion CDATA \"\">\n]>\n<items burpVersion=\"2026.3\" exportTime=\"Wed Apr 15 02:01:00 CEST 2026\">\n".to_owned();
        for (request, response, base64) in items {
            let message = |name: &str, bytes: &[u8]| {
                let text = if *base64 {
                    STANDARD.encode(bytes)
                } else {
                    String::from_utf8_lossy(bytes).into_owned()
                };
                format!("    <{name} base64=\"{base64}\"><![CDATA[{text}]]></{name}>\n")
            };
            out += "  <item>\n    <time>Wed Apr 15 02:00:06 CEST 2026</time>\n    <url><![CDATA[https://api.example:8443/v1/a?x=1]]></url>\n    <host ip=\"198.51.100.7\">api.example</host>\n    <port>8443</port>\n    <protocol>https</protocol>\n    <method><![CDATA[POST]]></method>\n    <path><![CDATA[/v1/a?x=1]]></path>\n    <extension>null</extension>\n";
            out += &message("request", request.as_bytes());
            out +=
                "    <status></status>\n    <responselength></responselength>\n    <mimetype></mimetype>\n";
            out += &if response.is_empty() {
                "    <response></response>\n".to_owned()
            } else {
                message("response", response)
            };
            out += "    <comment></comment>\n  </item>\n";
        }
        out + "</items>\n"
    }

    fn read_all(export: &str) -> Vec<Result<Transaction, BadReason>> {
        let (mut items, mut seen) = (xml::Items::default(), Vec::new());
        items.feed(export.as_bytes(), &mut |item| {
            let mut into = Transaction::default();
            let outcome = item.and_then(|item| read(item, &mut Bodies::new(40), &mut into));
            seen.push(outcome.map(|_| into));
        });
        assert_eq!(items.finish(), None);
        seen
    }

    #[test]
    fn an_item_becomes_an_exchange() {
        let request = "POST /v1/a?x=1 HTTP/1.1\r\nHost: api.example:8443\r\nAuthorization: Bearer t\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        let response = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"b\":2}\r\n0\r\n\r\n";
        for base64 in [true, false] {
            let seen = read_all(&export(&[(request, response, base64)]));
            let exchange = seen[0].as_ref().unwrap();
            assert_eq!(exchange.method(), Some("POST"));
            assert_eq!(exchange.request.target.expose(), b"/v1/a?x=1");
            assert_eq!(exchange.host().as_deref(), Some("api.example"));
            assert_eq!((exchange.response.status, exchange.tls), (201, true));
            assert_eq!(exchange.request.body.bytes.expose(), b"{\"a\":1}");
            assert_eq!(exchange.response.body.bytes.expose(), b"{\"b\":2}");
            assert!(exchange.request.body.whole && exchange.response.body.whole);
            assert_eq!(exchange.completeness, Completeness::Complete);
            assert_eq!(exchange.server, Some("198.51.100.7:8443".parse().unwrap()));
            assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06Z");
        }
    }

    #[test]
    fn bodies_are_read_whether_the_recorder_undid_their_coding_or_not() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"b\":2}").unwrap();
        let packed = encoder.finish().unwrap();
        for body in [&packed[..], b"{\"b\":2}"] {
            let response = [b"HTTP/2 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body].concat();
            let seen = read_all(&export(&[("GET / HTTP/2\r\nHost: a.example\r\n\r\n", &response, true)]));
            let exchange = seen[0].as_ref().unwrap();
            assert_eq!(exchange.response.body.bytes.expose(), b"{\"b\":2}");
            assert_eq!(exchange.response.body.len, body.len() as u64);
            assert!(exchange.response.body.whole && exchange.anomalies.is_empty());
            assert_eq!(exchange.protocol, Protocol::Http2);
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_told() {
        let long = "x".repeat(41);
        let long = format!("HTTP/1.1 200 OK\r\n\r\n{long}");
        let good = export(&[
            ("", b"", true),
            ("GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", b"", true),
            ("", long.as_bytes(), true),
            ("hello", b"", true),
        ]);
        let seen = read_all(&good);
        let [nothing, unanswered, headless, broken] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(nothing.as_ref().unwrap().completeness, Completeness::RequestOnly);
        assert_eq!(nothing.as_ref().unwrap().host().as_deref(), Some("api.example"));
        assert_eq!(unanswered.as_ref().unwrap().completeness, Completeness::RequestOnly);
        let headless = headless.as_ref().unwrap();
        assert_eq!((headless.completeness, headless.response.body.len), (Completeness::Logged, 41));
        assert!(!headless.response.body.whole && headless.response.body.bytes.expose().len() == 40);
        assert_eq!(broken.as_ref().err(), Some(&BadReason::Message));
        let timeless = export(&[("GET /a HTTP/1.1\r\n\r\n", b"", true)]).replace("<time>Wed ", "<time>");
        assert_eq!(read_all(&timeless)[0].as_ref().err(), Some(&BadReason::Time));
    }

    #[test]
    fn only_an_export_of_burp_looks_like_one() {
        for (start, expected) in [
            (export(&[]), true),
            ("<items><item/></items>".to_owned(), false),
            ("<html><items burpVersion=\"x\"".to_owned(), false),
            ("{\"a\":\"<items burpVersion=''>\"}".to_owned(), false),
        ] {
            assert_eq!(looks_like(start.as_bytes()), expected, "{start}");
        }
    }
}
