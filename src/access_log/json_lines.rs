//! Access logs with a JSON object a line, flat or nested: by the names of their fields, or by a map of them.

mod plain;

use super::BadReason;
use super::fields::{Scratch, Value};
use crate::transaction::Transaction;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Objects and arrays nested deeper are passed over.
const DEPTH: u8 = 6;

/// Reads a line without its end.
pub(super) fn parse(line: &[u8], scratch: &mut Scratch, into: &mut Transaction) -> Result<(), BadReason> {
    walk(line, &mut ByName, scratch, into)?;
    scratch.finish(into)
}

/// Takes the leaves of a line's object.
pub(super) trait Leaves {
    /// Whether the path of a known key is looked at, rather than its number.
    const PATHS: bool = true;

    /// Takes the leaf at `path`, which has a point where the object nests; items of a list are at the list's path.
    fn leaf(&mut self, path: &str, value: Value<'_>, scratch: &mut Scratch, into: &mut Transaction);

    /// The same, of a path that has this number among the keys of `scratch`.
    fn known(
        &mut self,
        (path, _): (&str, usize),
        value: Value<'_>,
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) {
        self.leaf(path, value, scratch, into);
    }

    /// The same, of a number with a fraction that is written as `text`, in up to 15 digits.
    fn decimal(
        &mut self,
        (path, _): (&str, usize),
        (number, _text): (f64, &[u8]),
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) {
        self.leaf(path, Value::Float(number), scratch, into);
    }

    /// Forgets the leaves of the line: it is read once more.
    fn again(&mut self);
}

/// Knows fields by their names.
struct ByName;

impl Leaves for ByName {
    const PATHS: bool = false;

    fn leaf(&mut self, path: &str, value: Value<'_>, scratch: &mut Scratch, into: &mut Transaction) {
        scratch.put(path, value, into);
    }

    fn known(
        &mut self,
        (_, key): (&str, usize),
        value: Value<'_>,
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) {
        scratch.put_known(key, value, into);
    }

    fn decimal(
        &mut self,
        (_, key): (&str, usize),
        (number, text): (f64, &[u8]),
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) {
        scratch.put_decimal(key, number, text, into);
    }

    fn again(&mut self) {}
}

/// Begins an exchange and hands every leaf of a line's object to `leaves`.
pub(super) fn walk(
    line: &[u8],
    leaves: &mut impl Leaves,
    scratch: &mut Scratch,
    into: &mut Transaction,
) -> Result<(), BadReason> {
    if plain::walk(line, leaves, scratch, into).is_some() {
        return Ok(());
    }
    leaves.again();
    walk_any(line, leaves, scratch, into)
}

/// The same for a line of any JSON.
fn walk_any(
    line: &[u8],
    leaves: &mut impl Leaves,
    scratch: &mut Scratch,
    into: &mut Transaction,
) -> Result<(), BadReason> {
    if !line.starts_with(b"{") {
        return Err(BadReason::Json { column: 1 });
    }
    scratch.begin(into);
    let mut path = String::new();
    let mut json = serde_json::Deserializer::from_slice(line);
    let walk = Walk { path: &mut path, depth: 0, leaves, scratch, into };
    let read = walk.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| BadReason::Json { column: error.column() })
}

/// Puts every leaf of a value below `path`.
struct Walk<'w, L> {
    path: &'w mut String,
    depth: u8,
    leaves: &'w mut L,
    scratch: &'w mut Scratch,
    into: &'w mut Transaction,
}

impl<L: Leaves> Walk<'_, L> {
    fn put(self, value: Value<'_>) {
        self.leaves.leaf(self.path, value, self.scratch, self.into);
    }
}

impl<'de, L: Leaves> DeserializeSeed<'de> for Walk<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.depth > DEPTH {
            json.deserialize_ignored_any(serde::de::IgnoredAny).map(|_| ())
        } else {
            json.deserialize_any(self)
        }
    }
}

impl<'de, L: Leaves> Visitor<'de> for Walk<'_, L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log line's object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Value::Bool(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(Value::Integer(value));
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        // No field that matters is negative.
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(Value::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.put(Value::Text(value.as_bytes()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        loop {
            let walk = Walk {
                path: self.path,
                depth: self.depth + 1,
                leaves: self.leaves,
                scratch: self.scratch,
                into: self.into,
            };
            if items.next_element_seed(walk)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let length = self.path.len();
        loop {
            if length > 0 {
                self.path.push('.');
            }
            if fields.next_key_seed(Append(self.path))?.is_none() {
                self.path.truncate(length);
                return Ok(());
            }
            fields.next_value_seed(Walk {
                path: self.path,
                depth: self.depth + 1,
                leaves: self.leaves,
                scratch: self.scratch,
                into: self.into,
            })?;
            self.path.truncate(length);
        }
    }
}

/// Appends a key.
struct Append<'w>(&'w mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.push_str(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{Completeness, Protocol};
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Transaction, BadReason> {
        let mut transaction = Transaction::default();
        parse(line.as_bytes(), &mut Scratch::default(), &mut transaction).map(|()| transaction)
    }

    #[test]
    fn the_dialects_of_known_servers_tell_the_same_exchange() {
        for (server, line) in [
            (
                "nginx",
                r#"{"time_iso8601":"2026-04-15T00:00:06+00:00","remote_addr":"10.1.2.3","http_host":"api.example","request_method":"GET","request_uri":"/a/1?x=y","server_protocol":"HTTP/1.1","status":"200","body_bytes_sent":"56","bytes_sent":"300","request_time":"0.015","http_user_agent":"curl","ssl_protocol":"TLSv1.3","sent_http_content_type":"application/json","http_x_request_id":"7"}"#,
            ),
            (
                "nginx with a request line",
                r#"{"msec":1776211206.000,"client":"10.1.2.3","host":"api.example","request":"GET /a/1?x=y HTTP/1.1","status":200,"bytes":56,"rt":0.015,"ua":"curl","scheme":"https","ct":"application/json","server_name":"_"}"#,
            ),
            (
                "Caddy",
                r#"{"level":"info","ts":1776211206.0,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.1.2.3","remote_port":"5","proto":"HTTP/1.1","method":"GET","host":"api.example","uri":"/a/1?x=y","headers":{"User-Agent":["curl"]},"tls":{"version":772}},"duration":0.015,"size":56,"status":200,"resp_headers":{"Content-Type":["application/json"]}}"#,
            ),
            (
                "Envoy",
                r#"{"start_time":"2026-04-15T00:00:06.000Z","method":"GET","path":"/a/1?x=y","protocol":"HTTP/1.1","response_code":200,"bytes_received":0,"bytes_sent":56,"duration":15,"user_agent":"curl","authority":"api.example","downstream_remote_address":"10.1.2.3:5000","x_forwarded_proto":"https","response_content_type":"application/json"}"#,
            ),
            (
                "Elastic",
                r#"{"@timestamp":"2026-04-15T00:00:06Z","source":{"ip":"10.1.2.3"},"url":{"domain":"api.example","path":"/a/1","query":"x=y","scheme":"https"},"http":{"version":"1.1","request":{"method":"GET"},"response":{"status_code":200,"body":{"bytes":56}}},"event":{"duration":15000000},"user_agent":{"original":"curl"},"response":{"content_type":"application/json"}}"#,
            ),
            (
                "a cloud load balancer",
                r#"{"timestamp":"2026-04-15T00:00:06Z","httpRequest":{"requestMethod":"GET","requestUrl":"https://api.example/a/1?x=y","status":200,"responseSize":"56","userAgent":"curl","remoteIp":"10.1.2.3","latency":"0.015s","protocol":"HTTP/1.1"},"mimeType":"application/json"}"#,
            ),
        ] {
            let exchange = read(line).unwrap_or_else(|error| panic!("{server}: {error}"));
            assert_eq!(exchange.method(), Some("GET"), "{server}");
            assert_eq!(*exchange.path().expose(), b"/a/1", "{server}");
            assert_eq!(
                exchange.query().map(|query| query.expose().to_vec()),
                Some(b"x=y".to_vec()),
                "{server}"
            );
            assert_eq!(exchange.host().as_deref(), Some("api.example"), "{server}");
            assert_eq!((exchange.response.status, exchange.response.body.len), (200, 56), "{server}");
            assert_eq!(exchange.latency_us, Some(15_000), "{server}");
            assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06Z", "{server}");
            assert_eq!(exchange.protocol, Protocol::Http11, "{server}");
            assert!(exchange.tls, "{server}");
            assert_eq!(exchange.client.map(|(address, _)| address.to_string()).as_deref(), Some("10.1.2.3"));
            assert_eq!(exchange.completeness, Completeness::Logged);
            let agent = exchange.request.fields.get("user-agent").map(|value| value.expose().to_vec());
            assert_eq!(agent.as_deref(), Some(&b"curl"[..]), "{server}");
            let media = exchange.response.fields.get("content-type").map(|value| value.expose().to_vec());
            assert_eq!(media.as_deref(), Some(&b"application/json"[..]), "{server}");
        }
    }

    #[test]
    fn lines_that_are_no_exchange_say_why() {
        for (line, reason) in [
            (r#"{"level":"info","ts":1776211206.0,"msg":"started"}"#, BadReason::NoRequest),
            (r#"{"method":"GET","uri":"/a","status":200}"#, BadReason::Time),
            (r#"{"method":"GET","#, BadReason::Json { column: 16 }),
            ("[1]", BadReason::Json { column: 1 }),
        ] {
            assert_eq!(read(line).err(), Some(reason), "{line}");
        }
    }

    /// Everything that a line came to.
    fn outcome(
        read: impl Fn(&[u8], &mut Scratch, &mut Transaction) -> Result<(), BadReason>,
        line: &str,
        scratch: &mut Scratch,
    ) -> (Result<(), BadReason>, Option<u64>) {
        let mut transaction = Transaction::default();
        let result = read(line.as_bytes(), scratch, &mut transaction);
        (result, result.is_ok().then(|| super::super::fingerprint(&transaction)))
    }

    /// JSON with the keys of logs and values that look like theirs, well formed or nearly so.
    fn object(depth: u32) -> BoxedStrategy<String> {
        let key = prop_oneof![
            4 => prop::sample::select(vec!["time", "method", "uri", "status", "host", "remote_addr", "request_time", "bytes", "request", "msec"]),
            1 => prop::sample::select(vec!["", "headers", "X-A", "a\\\"b", "é", "http_x_a", "log", "real_ip"]),
        ];
        let scalar = prop_oneof![
            prop::sample::select(vec![
                "\"2026-04-15T00:00:06Z\"",
                "1776211206.672",
                "1776211206",
                "1776211206672.25",
                "\"GET\"",
                "\"/a?b=c\"",
                "\"\\/a\"",
                "200",
                "\"404\"",
                "0.015",
                "0.1234567890123456789",
                "1e3",
                "-5",
                "-0.5",
                "00",
                "1.",
                "true",
                "false",
                "null",
                "\"-\"",
                "\"\"",
                "\"10.0.0.1\"",
                "\"é\"",
                "\"a\tb\"",
                "99999999999999999999",
                "nul",
                "\"",
                "\"GET /x HTTP/1.1\"",
                "9007199254740993.5",
                "18446744073709551615",
            ])
            .prop_map(str::to_owned),
            "[0-9]{1,20}(\\.[0-9]{1,20})?",
        ]
        .boxed();
        let value = if depth == 0 {
            scalar
        } else {
            prop_oneof![
                6 => scalar,
                1 => object(depth - 1),
                1 => prop::collection::vec(object(depth - 1), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            ].boxed()
        };
        let field = (key, prop::sample::select(vec![":", " : ", ":\t", ""]), value).prop_map(
            |(key, colon, value)| format!("\"{key}\"{}{value}", if colon.is_empty() { ":" } else { colon }),
        );
        (
            prop::collection::vec(field, 0..8),
            prop::sample::select(vec![",", ", ", ",,"]),
            prop::sample::select(vec!["}", " }", "", "}}", "} x"]),
        )
            .prop_map(|(fields, comma, end)| {
                format!("{{{}{end}", fields.join(if comma == ",," { "," } else { comma }))
            })
            .boxed()
    }

    proptest! {
        /// A line comes to the same whether it is read in one pass or as any JSON, whatever lines came before.
        #[test]
        fn one_pass_comes_to_the_same(lines in prop::collection::vec(object(2), 1..6)) {
            let mut scratch = Scratch::default();
            for line in &lines {
                let any = |line: &[u8], scratch: &mut Scratch, into: &mut Transaction| {
                    walk_any(line, &mut ByName, scratch, into)?;
                    scratch.finish(into)
                };
                let known = outcome(any, line, &mut Scratch::default());
                prop_assert_eq!(outcome(parse, line, &mut scratch), known, "{}", line);
            }
        }
    }

    #[test]
    fn a_deep_line_is_read_without_deep_recursion() {
        let line = format!(
            r#"{{"ts":1776211206,"method":"GET","uri":"/a","status":200,"x":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(read(&line).is_ok());
    }
}
