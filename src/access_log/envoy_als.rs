//! Envoy's access log service: what a proxy tells of each exchange over gRPC (`envoy.service.accesslog.v3`,
//! `envoy.data.accesslog.v3`).
//!
//! [`AlsReader`] takes one `StreamAccessLogsMessage` at a time, as the stream brings them, and hands out the exchange
//! of each HTTP entry. Entries written while an exchange still goes on are passed over, for its last one tells all;
//! entries of plain TCP connections tell of no exchange. Additional headers are there when the proxy is told to send
//! them (`additional_request_headers_to_log`).

use super::fields::{Scratch, Value};
use super::wire::{Field, Message, Nested, bytes_of, fields, number_of};
use super::{BadReason, Batch};
use crate::time::Timestamp;
use crate::transaction::{Protocol, Transaction};
use std::net::IpAddr;

/// From a `StreamAccessLogsMessage` through `http_logs` to its entries.
const PATH: &[&[u32]] = &[&[2], &[1]];

/// Reads messages of the access log service. See the module's doc.
#[derive(Debug)]
pub struct AlsReader {
    scratch: Scratch,
    transaction: Transaction,
    name: String,
    input: u32,
    record: u64,
}

impl AlsReader {
    /// A reader for the input numbered `input` among all inputs.
    #[must_use]
    pub fn new(input: u32) -> Self {
        Self {
            scratch: Scratch::default(),
            transaction: Transaction::default(),
            name: String::new(),
            input,
            record: 0,
        }
    }

    /// Reads one `StreamAccessLogsMessage` and hands the exchange of each HTTP entry to `sink`.
    ///
    /// The caller bounds `message`, as gRPC does.
    pub fn message(&mut self, message: &[u8], sink: &mut dyn FnMut(&Transaction)) -> Batch {
        let mut batch = Batch::default();
        let mut nested = Nested::new(PATH);
        nested.feed(message, &mut |entry| {
            let outcome = match entry {
                Message::Whole(entry) => self.entry(entry),
                Message::TooLong => Err(BadReason::TooLong { limit: super::wire::MAX_MESSAGE }),
            };
            batch.take(outcome, self.input, &mut self.record, &mut self.transaction, sink);
        });
        if let Some(reason) = nested.finish() {
            batch.take(Err(reason), self.input, &mut self.record, &mut self.transaction, sink);
        }
        batch
    }

    /// An `HTTPAccessLogEntry`; `Ok(false)` when a later one tells all.
    fn entry(&mut self, entry: &[u8]) -> Result<bool, BadReason> {
        self.scratch.begin(&mut self.transaction);
        let (mut common, mut request, mut response) = (&b""[..], &b""[..], &b""[..]);
        let mut version = 0;
        fields(entry, &mut |number, field| match number {
            1 => common = field.bytes(),
            2 => version = field.number(),
            3 => request = field.bytes(),
            4 => response = field.bytes(),
            _ => {}
        })?;
        // `intermediate_log_entry`.
        if number_of(common, 26) != 0 {
            return Ok(false);
        }
        self.transaction.protocol = match version {
            1 => Protocol::Http10,
            3 => Protocol::Http2,
            4 => Protocol::Http3,
            _ => Protocol::Http11,
        };
        self.request(request)?;
        self.response(response)?;
        self.common(common)?;
        self.scratch.finish(&mut self.transaction).map(|()| true)
    }

    /// `HTTPRequestProperties`.
    fn request(&mut self, request: &[u8]) -> Result<(), BadReason> {
        let mut original = &b""[..];
        fields(request, &mut |number, field| {
            let name = match number {
                1 => return self.put("method", Value::Text(method(field.number()))),
                2 => "scheme",
                3 => "authority",
                5 => "path",
                6 => "user_agent",
                7 => "referer",
                8 => "x_forwarded_for",
                9 => "request.headers.x-request-id",
                10 => {
                    original = field.bytes();
                    return;
                }
                12 => return self.put("request_body_size", Value::Integer(field.number())),
                13 => return self.header("request.headers.", field.bytes()),
                _ => return,
            };
            self.put(name, Value::Text(field.bytes()));
        })?;
        // The path as the client sent it, before a route rewrote it.
        self.put("request_uri", Value::Text(original));
        Ok(())
    }

    /// `HTTPResponseProperties`.
    fn response(&mut self, response: &[u8]) -> Result<(), BadReason> {
        fields(response, &mut |number, field| match number {
            1 => self.put("status", Value::Integer(number_of(field.bytes(), 1))),
            3 => self.put("response_body_size", Value::Integer(field.number())),
            4 => self.header("response.headers.", field.bytes()),
            5 => {
                let status = Some(field.bytes()).filter(|pair| bytes_of(pair, 1) == Some(b"grpc-status"));
                let status =
                    status.and_then(|pair| std::str::from_utf8(bytes_of(pair, 2)?).ok()?.parse().ok());
                if let Some(status) = status {
                    self.transaction.call.get_or_insert_default().status = Some(status);
                }
            }
            _ => {}
        })
    }

    /// `AccessLogCommon`.
    fn common(&mut self, common: &[u8]) -> Result<(), BadReason> {
        let (mut remote, mut direct, mut local) = (None, None, None);
        let (mut last_rx, mut first_tx, mut total) = (None, None, None);
        let mut tls = None;
        fields(common, &mut |number, field| match number {
            2 => remote = socket(field.bytes()),
            3 => local = socket(field.bytes()),
            4 => tls = Some(field.bytes()),
            5 => {
                if let Some(nanos) = nanos(field.bytes()) {
                    self.scratch.at(Timestamp::from_nanos(nanos));
                }
            }
            6 => last_rx = nanos(field.bytes()),
            11 => first_tx = nanos(field.bytes()),
            20 => direct = socket(field.bytes()),
            23 => total = nanos(field.bytes()),
            _ => {}
        })?;
        // The peer itself; what a proxy before it said stands in `x-forwarded-for`.
        self.transaction.client = direct.or(remote);
        if let Some((address, port)) = local {
            self.put("server_addr", Value::Text(address.to_string().as_bytes()));
            self.put("server_port", Value::Integer(u64::from(port.unwrap_or_default())));
        }
        let waited = first_tx.map(|first| first.saturating_sub(last_rx.unwrap_or_default()).max(0));
        self.transaction.latency_us = waited.or(total).and_then(|nanos| u64::try_from(nanos / 1_000).ok());
        if let Some(tls) = tls {
            self.transaction.tls = true;
            // `peer_certificate_properties.subject`.
            let subject =
                bytes_of(tls, 5).and_then(|certificate| bytes_of(certificate, 2)).unwrap_or_default();
            self.put("ssl_client_s_dn", Value::Text(subject));
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: Value<'_>) {
        self.scratch.put(name, value, &mut self.transaction);
    }

    /// An entry of a `map<string, string>` of headers.
    fn header(&mut self, front: &str, pair: &[u8]) {
        let name = bytes_of(pair, 1).and_then(|name| std::str::from_utf8(name).ok());
        if let (Some(name), Some(value)) = (name.filter(|name| !name.starts_with(':')), bytes_of(pair, 2)) {
            let mut path = std::mem::take(&mut self.name);
            path.clear();
            path.push_str(front);
            path.push_str(name);
            self.put(&path, Value::Text(value));
            self.name = path;
        }
    }
}

/// `envoy.config.core.v3.RequestMethod`.
const fn method(number: u64) -> &'static [u8] {
    match number {
        1 => b"GET",
        2 => b"HEAD",
        3 => b"POST",
        4 => b"PUT",
        5 => b"DELETE",
        6 => b"CONNECT",
        7 => b"OPTIONS",
        8 => b"TRACE",
        9 => b"PATCH",
        _ => b"",
    }
}

/// The socket of an `Address`; none when it is a pipe or internal.
fn socket(address: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let socket = bytes_of(address, 1)?;
    let (mut text, mut port) = (&b""[..], None);
    fields(socket, &mut |number, field| match (number, field) {
        (2, Field::Bytes(bytes)) => text = bytes,
        (3, Field::Number(number)) => port = u16::try_from(number).ok(),
        _ => {}
    })
    .ok()?;
    Some((std::str::from_utf8(text).ok()?.parse().ok()?, port))
}

/// A `Timestamp` or `Duration` in nanoseconds.
fn nanos(message: &[u8]) -> Option<i64> {
    let seconds = i64::try_from(number_of(message, 1)).ok()?;
    let nanos = i64::try_from(number_of(message, 2)).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Reads arbitrary bytes as a message, and asserts that counts hold.
pub(super) fn fuzz(data: &[u8]) {
    let mut handed = 0;
    let batch = AlsReader::new(0).message(data, &mut |_| handed += 1);
    assert_eq!(batch.exchanges, handed);
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::{put, put_number};
    use super::*;
    use proptest::prelude::*;

    fn message(parts: &[(u32, &[u8])], numbers: &[(u32, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, bytes) in parts {
            put(*number, bytes, &mut out);
        }
        for (number, value) in numbers {
            put_number(*number, *value, &mut out);
        }
        out
    }

    fn address(text: &[u8], port: u64) -> Vec<u8> {
        message(&[(1, &message(&[(2, text)], &[(3, port)]))], &[])
    }

    fn entry(intermediate: u64) -> Vec<u8> {
        let time = message(&[], &[(1, 1_776_211_206), (2, 672_000_000)]);
        let duration = |millis: u64| message(&[], &[(2, millis * 1_000_000)]);
        let certificate = message(&[(2, b"CN=tpp")], &[]);
        let common = message(
            &[
                (2, &address(b"198.51.100.1", 0)),
                (3, &address(b"10.0.0.1", 8443)),
                (4, &message(&[(5, &certificate)], &[(1, 4)])),
                (5, &time),
                (6, &duration(2)),
                (11, &duration(17)),
                (20, &address(b"2001:db8::1", 5000)),
                (23, &duration(40)),
            ],
            &[(26, intermediate)],
        );
        let request = message(
            &[
                (2, b"https"),
                (3, b"api.example"),
                (5, b"/inner?x=y"),
                (6, b"curl"),
                (8, b"198.51.100.1"),
                (9, b"7"),
                (10, b"/v1/a?x=y"),
                (13, &message(&[(1, b"x-fapi-interaction-id"), (2, b"i")], &[])),
            ],
            &[(1, 3), (12, 9)],
        );
        let response = message(
            &[
                (1, &message(&[], &[(1, 201)])),
                (4, &message(&[(1, b"content-type"), (2, b"application/json")], &[])),
            ],
            &[(3, 56)],
        );
        message(&[(1, &common), (3, &request), (4, &response)], &[(2, 3)])
    }

    #[test]
    fn an_entry_becomes_an_exchange() {
        let logs = message(&[(1, &entry(0)), (1, &entry(1)), (1, b"\xff")], &[]);
        let stream = message(&[(1, b"\x0a\x00"), (2, &logs)], &[]);
        let mut seen = Vec::new();
        let batch = AlsReader::new(3).message(&stream, &mut |exchange| seen.push(exchange.clone()));
        assert_eq!((batch.exchanges, batch.aside, batch.bad), (1, 1, 1));
        assert!(matches!(batch.reason, Some(BadReason::Protobuf { .. })));
        let exchange = seen.first().unwrap();
        assert_eq!((exchange.provenance.input, exchange.provenance.record), (3, 0));
        assert_eq!(exchange.method(), Some("POST"));
        assert_eq!(*exchange.path().expose(), b"/v1/a");
        assert_eq!(exchange.host().as_deref(), Some("api.example"));
        assert_eq!((exchange.request.body.len, exchange.response.body.len), (9, 56));
        assert_eq!((exchange.response.status, exchange.protocol, exchange.tls), (201, Protocol::Http2, true));
        assert_eq!(exchange.client, Some(("2001:db8::1".parse().unwrap(), Some(5000))));
        assert_eq!(exchange.server, Some("10.0.0.1:8443".parse().unwrap()));
        assert_eq!(exchange.latency_us, Some(15_000));
        assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06.672Z");
        for (name, value) in [
            ("x-forwarded-for", "198.51.100.1"),
            ("x-fapi-interaction-id", "i"),
            ("x-request-id", "7"),
            ("user-agent", "curl"),
        ] {
            let field = exchange.request.fields.get(name).map(|value| value.expose().to_vec());
            assert_eq!(field.as_deref(), Some(value.as_bytes()), "{name}");
        }
        let subject = exchange.told.get("ssl-client-s-dn").map(|value| value.expose().to_vec());
        assert_eq!(subject.as_deref(), Some(&b"CN=tpp"[..]));
        let media = exchange.response.fields.get("content-type").map(|value| value.expose().to_vec());
        assert_eq!(media.as_deref(), Some(&b"application/json"[..]));
    }

    proptest! {
        /// Arbitrary and damaged bytes never panic.
        #[test]
        fn damaged_messages_are_survived(at in 0_usize..400, with in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            fuzz(&bytes);
            let logs = message(&[(1, &entry(0))], &[]);
            let mut stream = message(&[(2, &logs)], &[]);
            if let Some(byte) = stream.get_mut(at) {
                *byte = with;
            }
            fuzz(&stream);
        }
    }
}
