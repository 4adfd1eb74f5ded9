//! One request with its response, or what was seen of them.
//!
//! Packets and log lines both end here, and everything behind works on [`Transaction`]s alone. The buffers
//! inside are reused: whoever is handed a transaction borrows it and keeps nothing but verdicts, counts,
//! shapes and fingerprints. Values of a target, header or body come out as [`Sensitive`].

pub mod dialogue;
mod exchanges;
mod in_order;
mod inside;
pub mod pairing;
mod streams;

pub use crate::http::End;
pub use crate::http::grpc::{CallProtocol, Messages, Told};

use crate::anomaly::AnomalySet;
use crate::merge::Merge;
use crate::secret::Sensitive;
use crate::short;
use crate::time::Timestamp;
use dialogue::{Dialogue, Tally};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where an exchange was read: the input's position among all inputs, and the frame, line or entry in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provenance {
    /// Position of the input on the command line, from 0.
    pub input: u32,
    /// Number of the frame, line or entry that began the exchange, from 0.
    pub record: u64,
    /// Position among exchanges that began in the same frame, from 0.
    pub part: u32,
}

/// The protocol an exchange was spoken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3, as logs tell.
    Http3,
}

impl Protocol {
    /// The name and version as ALPN-less people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// How much of an exchange was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Completeness {
    /// Both messages from their first byte to their last.
    #[default]
    Complete,
    /// Both heads, but fields of a head or bytes of a body are missing: lost, cut, or the peers stopped.
    Partial,
    /// No response was seen.
    RequestOnly,
    /// No request was seen.
    ResponseOnly,
    /// From a log: what the log tells, bodies unknown.
    Logged,
}

impl Completeness {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::RequestOnly => "request_only",
            Self::ResponseOnly => "response_only",
            Self::Logged => "logged",
        }
    }
}

/// Which part of an exchange is told. One that lasts is told while it lives: its bodies and messages then count from the
/// part before, and what was told of its heads stays as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Its heads, and what came of it until now.
    First,
    /// What came since.
    Further,
    /// What came since, and that it is over.
    Last,
}

impl Part {
    /// Whether the exchange was not told of before: this is where it counts.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }

    /// Whether the exchange is over: now its bodies are there.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }
}

/// What the parts before told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// Messages of a call.
    pub call: Call,
    /// What the client said.
    pub to_server: Tally,
    /// What the server said.
    pub to_client: Tally,
}

/// The header fields of one message in one buffer, in order, names as sent.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    bytes: Sensitive<Vec<u8>>,
    /// Start of name, end of name, start of value, end of value.
    index: Vec<[u32; 4]>,
}

impl Fields {
    /// Forgets all fields and keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.expose_mut().clear();
        self.index.clear();
    }

    fn copy_from(&mut self, other: &Self) {
        self.bytes.expose_mut().clone_from(other.bytes.expose());
        self.index.clone_from(&other.index);
    }

    /// Adds a field line.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let bytes = self.bytes.expose_mut();
        let start = bytes.len();
        bytes.extend_from_slice(name);
        let middle = bytes.len();
        bytes.extend_from_slice(value);
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.index.push([place(start), place(middle), place(middle), place(bytes.len())]);
    }

    /// Takes the field lines of a head in one copy: names and values are slices of `head`. What is none, such
    /// as a line that was unfolded elsewhere, is copied by itself.
    pub fn copy_head<'a>(&mut self, head: &'a [u8], lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        self.clear();
        self.bytes.expose_mut().extend_from_slice(head);
        let start = head.as_ptr().addr();
        let place = |slice: &[u8]| {
            let from = slice.as_ptr().addr().checked_sub(start)?;
            let to = from.checked_add(slice.len())?;
            (to <= head.len()).then(|| Some([u32::try_from(from).ok()?, u32::try_from(to).ok()?])).flatten()
        };
        for (name, value) in lines {
            match (place(name), place(value)) {
                (Some([a, b]), Some([c, d])) => self.index.push([a, b, c, d]),
                (Some(_), None) | (None, _) => self.push(name, value),
            }
        }
    }

    /// All field lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Sensitive<&[u8]>)> {
        self.index.iter().map(|&[a, b, c, d]| (self.slice(a, b), Sensitive::new(self.slice(c, d))))
    }

    /// The first field called `name`, in any case of letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Sensitive<&[u8]>> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Every field called `name`, in any case of letters.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Sensitive<&'a [u8]>> {
        self.iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// How many field lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn slice(&self, start: u32, end: u32) -> &[u8] {
        self.bytes.expose().get(start as usize..end as usize).unwrap_or_default()
    }
}

/// A body: how long it was, and the front of it when bodies are inspected.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Content bytes, transfer coding and content coding removed, up to `limits.body_bytes`.
    pub bytes: Sensitive<Vec<u8>>,
    /// Length in bytes without transfer coding, content coding still on; what was lost is counted too
    /// where the framing tells.
    pub len: u64,
    /// How it ended.
    pub end: End,
    /// Whether `bytes` is all of the content.
    pub whole: bool,
}

impl Body {
    fn copy_from(&mut self, other: &Self) {
        self.bytes.expose_mut().clone_from(other.bytes.expose());
        (self.len, self.end, self.whole) = (other.len, other.end, other.whole);
    }

    fn clear(&mut self) {
        self.bytes.expose_mut().clear();
        self.len = 0;
        self.end = End::Complete;
        self.whole = true;
    }
}

/// The request's side of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method as sent; empty when no request was seen. A WebSocket over HTTP/2 is asked for by CONNECT (RFC 8441), and
    /// told as `GET`, as over HTTP/1.
    pub method: Vec<u8>,
    /// The target as sent: path and query, or absolute form, or authority for CONNECT.
    pub target: Sensitive<Vec<u8>>,
    /// Header fields.
    pub fields: Fields,
    /// The body.
    pub body: Body,
    /// First byte.
    pub started: Timestamp,
    /// Last byte.
    pub ended: Timestamp,
}

/// The response's side of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The final status; 0 when no response was seen.
    pub status: u16,
    /// Header fields.
    pub fields: Fields,
    /// The body.
    pub body: Body,
    /// First byte.
    pub started: Timestamp,
    /// Last byte.
    pub ended: Timestamp,
}

/// What a remote call (gRPC, gRPC-Web, Connect) told besides its HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The protocol it was spoken in.
    pub protocol: CallProtocol,
    /// `grpc-status`: 0 is success. `None` when none was seen.
    pub status: Option<u32>,
    /// Where that was told.
    pub told: Told,
    /// Messages to the server.
    pub requests: Messages,
    /// Messages to the client.
    pub responses: Messages,
}

/// One exchange. See the module's doc.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Where it was read.
    pub provenance: Provenance,
    /// The client's address, with port where known; from a log only the address.
    pub client: Option<(IpAddr, Option<u16>)>,
    /// Whether `client` is no socket's address but the first that an `X-Forwarded-For` names, for want of another.
    pub client_forwarded: bool,
    /// Whom the sender of a PROXY protocol header names as its client: the word of `client`, no more.
    pub proxied: Option<SocketAddr>,
    /// What the source itself tells, under names that headers have: the client's certificate, as whoever ended TLS knows
    /// it, and ids that the server gave the call. No client wrote it.
    pub told: Fields,
    /// The server's socket, where known.
    pub server: Option<SocketAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// Whether TLS carried it, as far as the source tells.
    pub tls: bool,
    /// The request.
    pub request: Request,
    /// The response.
    pub response: Response,
    /// How much was seen.
    pub completeness: Completeness,
    /// Time from the request's last byte to the response's first, where both were seen or the log tells.
    pub latency_us: Option<u64>,
    /// The call, when this is gRPC, gRPC-Web or Connect.
    pub call: Option<Call>,
    /// What is said, when this is a WebSocket or a stream of events.
    pub dialogue: Option<Box<Dialogue>>,
    /// Which part of the exchange this is.
    pub part: Part,
    /// What the parts before told.
    pub earlier: Option<Box<Earlier>>,
    /// A host that the source tells apart from `Host` and the target (a log's server name).
    pub logged_host: Option<String>,
    /// Oddities met while reading it.
    pub anomalies: AnomalySet,
}

impl Call {
    /// Takes note of an outcome; one that was told before stands.
    pub fn end(&mut self, status: Option<u32>, told: Told) {
        if self.status.is_none() && status.is_some() {
            (self.status, self.told) = (status, told);
        }
    }
}

impl Transaction {
    /// What was told is told: bodies and messages count from here on.
    fn grow(&mut self) {
        let earlier = self.earlier.get_or_insert_default();
        earlier.request_bytes += std::mem::take(&mut self.request.body.len);
        earlier.response_bytes += std::mem::take(&mut self.response.body.len);
        if let Some(call) = &mut self.call {
            earlier.call.requests.absorb(std::mem::take(&mut call.requests));
            earlier.call.responses.absorb(std::mem::take(&mut call.responses));
        }
        if let Some(dialogue) = &mut self.dialogue {
            earlier.to_server.absorb(dialogue.to_server);
            earlier.to_client.absorb(dialogue.to_client);
            dialogue.clear();
        }
    }

    /// Empties it for reuse and keeps the buffers.
    pub fn clear(&mut self) {
        self.provenance = Provenance::default();
        self.client = None;
        self.client_forwarded = false;
        self.proxied = None;
        self.told.clear();
        self.server = None;
        self.protocol = Protocol::default();
        self.tls = false;
        self.request.method.clear();
        self.request.target.expose_mut().clear();
        self.request.fields.clear();
        self.request.body.clear();
        self.request.started = Timestamp::EPOCH;
        self.request.ended = Timestamp::EPOCH;
        self.response.status = 0;
        self.response.fields.clear();
        self.response.body.clear();
        self.response.started = Timestamp::EPOCH;
        self.response.ended = Timestamp::EPOCH;
        self.completeness = Completeness::Complete;
        self.latency_us = None;
        self.call = None;
        self.dialogue = None;
        self.part = Part::Whole;
        self.earlier = None;
        self.logged_host = None;
        self.anomalies = AnomalySet::default();
    }

    /// Becomes what `other` is, in the buffers it has.
    pub fn copy_from(&mut self, other: &Self) {
        // By name, so that nothing is left behind.
        let Self {
            provenance,
            client,
            client_forwarded,
            proxied,
            told,
            server,
            protocol,
            tls,
            request,
            response,
            completeness,
            latency_us,
            call,
            dialogue,
            part,
            earlier,
            logged_host,
            anomalies,
        } = other;
        self.provenance = *provenance;
        self.client = *client;
        self.client_forwarded = *client_forwarded;
        self.proxied = *proxied;
        self.told.copy_from(told);
        self.server = *server;
        self.protocol = *protocol;
        self.tls = *tls;
        self.request.method.clone_from(&request.method);
        self.request.target.expose_mut().clone_from(request.target.expose());
        self.request.fields.copy_from(&request.fields);
        self.request.body.copy_from(&request.body);
        self.request.started = request.started;
        self.request.ended = request.ended;
        self.response.status = response.status;
        self.response.fields.copy_from(&response.fields);
        self.response.body.copy_from(&response.body);
        self.response.started = response.started;
        self.response.ended = response.ended;
        self.completeness = *completeness;
        self.latency_us = *latency_us;
        self.call = *call;
        self.dialogue.clone_from(dialogue);
        self.part = *part;
        self.earlier.clone_from(earlier);
        self.logged_host.clone_from(logged_host);
        self.anomalies = *anomalies;
    }

    /// The request's method as text; `None` when no request was seen or it is not text.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match self.request.method.as_slice() {
            b"" => None,
            b"GET" => Some("GET"),
            b"POST" => Some("POST"),
            b"PUT" => Some("PUT"),
            other => std::str::from_utf8(other).ok(),
        }
    }

    /// The authority of the request as sent: from an absolute target, else `Host`, else the log's word.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let (authority, _) = split_target(self.request.target.expose());
        let raw = match authority {
            Some(authority) => Some(authority),
            None => self.request.fields.get("host").map(|host| *host.expose()),
        };
        raw.and_then(|raw| std::str::from_utf8(raw).ok())
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .or(self.logged_host.as_deref())
    }

    /// The host of the request: lower case, without port and trailing dot. An IPv6 address is in brackets, in the form
    /// of RFC 5952, without its zone.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let mut host = String::new();
        self.host_into(&mut host);
        (!host.is_empty()).then_some(host)
    }

    /// Writes [`Transaction::host`] into a buffer that is used again; empty when there is none.
    pub fn host_into(&self, out: &mut String) {
        out.clear();
        let Some(authority) = self.authority() else { return };
        if let Some(address) = ipv6_of(authority) {
            out.push_str(&address);
        } else if let Some(host) = host_of(authority) {
            out.push_str(host);
            out.make_ascii_lowercase();
        }
    }

    /// The path as sent, without query and fragment; for CONNECT the authority.
    #[must_use]
    pub fn path(&self) -> Sensitive<&[u8]> {
        let (_, rest) = split_target(self.request.target.expose());
        let end = memchr::memchr2(b'?', b'#', rest).unwrap_or(rest.len());
        Sensitive::new(rest.get(..end).unwrap_or_default())
    }

    /// The query as sent, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<Sensitive<&[u8]>> {
        let (_, rest) = split_target(self.request.target.expose());
        let start = memchr::memchr(b'?', rest)?;
        let rest = rest.get(start + 1..)?;
        let end = memchr::memchr(b'#', rest).unwrap_or(rest.len());
        rest.get(..end).map(Sensitive::new)
    }

    /// [`Transaction::path`] and [`Transaction::query`], looked for once.
    #[must_use]
    pub fn path_and_query(&self) -> (Sensitive<&[u8]>, Option<Sensitive<&[u8]>>) {
        let (_, rest) = split_target(self.request.target.expose());
        match short::either(rest, b'?', b'#') {
            None => (Sensitive::new(rest), None),
            Some(end) if rest.get(end) == Some(&b'?') => {
                let (path, query) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                let query = query.get(1..).unwrap_or_default();
                let end = memchr::memchr(b'#', query).unwrap_or(query.len());
                (Sensitive::new(path), query.get(..end).map(Sensitive::new))
            }
            Some(_) => (self.path(), self.query()),
        }
    }

    /// Bytes of the request's body, with those that earlier parts told.
    #[must_use]
    pub fn request_bytes(&self) -> u64 {
        self.request.body.len + self.earlier.as_deref().map_or(0, |earlier| earlier.request_bytes)
    }

    /// Bytes of the response's body, with those that earlier parts told.
    #[must_use]
    pub fn response_bytes(&self) -> u64 {
        self.response.body.len + self.earlier.as_deref().map_or(0, |earlier| earlier.response_bytes)
    }

    /// The call with the messages that earlier parts told.
    #[must_use]
    pub fn whole_call(&self) -> Option<Call> {
        let mut call = self.call?;
        if let Some(earlier) = &self.earlier {
            call.requests.absorb(earlier.call.requests);
            call.responses.absorb(earlier.call.responses);
        }
        Some(call)
    }

    /// What the client said, and the server, with what earlier parts told.
    #[must_use]
    pub fn whole_dialogue(&self) -> Option<[Tally; 2]> {
        let dialogue = self.dialogue.as_deref()?;
        let (mut to_server, mut to_client) = (dialogue.to_server, dialogue.to_client);
        if let Some(earlier) = &self.earlier {
            to_server.absorb(earlier.to_server);
            to_client.absorb(earlier.to_client);
        }
        Some([to_server, to_client])
    }

    /// When it began: the first byte seen of it.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        if self.request.method.is_empty() { self.response.started } else { self.request.started }
    }
}

/// The IPv6 address that an authority is, in brackets with or without a port, or in a log without brackets.
fn ipv6_of(authority: &str) -> Option<String> {
    if !authority.contains(':') {
        return None;
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let inner = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host,
    };
    let address = inner.split_once('%').map_or(inner, |(address, _)| address);
    let address: Ipv6Addr = address.parse().ok()?;
    Some(format!("[{address}]"))
}

/// The host in an authority: user information, port and trailing dot taken away.
fn host_of(authority: &str) -> Option<&str> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.rfind(']') {
        Some(end) => authority.get(..=end)?,
        None => authority.rsplit_once(':').map_or(authority, |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
        }),
    };
    Some(host.trim_end_matches('.'))
}

/// Splits an absolute-form target (RFC 9112 section 3.2.2) into authority and the rest.
fn split_target(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if target.first() == Some(&b'/') {
        return (None, target);
    }
    let Some(scheme) = target.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))
    else {
        return (None, target);
    };
    let Some(rest) = target.get(scheme..).and_then(|rest| rest.strip_prefix(b"://")) else {
        return (None, target);
    };
    if scheme == 0 {
        return (None, target);
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    (Some(authority), if rest.is_empty() { b"/" } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(target: &str, host: Option<&str>) -> Transaction {
        let mut transaction = Transaction::default();
        transaction.request.method.extend_from_slice(b"GET");
        transaction.request.target.expose_mut().extend_from_slice(target.as_bytes());
        if let Some(host) = host {
            transaction.request.fields.push(b"HOST", host.as_bytes());
        }
        transaction
    }

    #[test]
    fn host_path_and_query_come_from_any_form_of_target() {
        for (target, host, expected_host, path, query) in [
            ("/a/b?c=1#d", Some("Api.Example:8080"), Some("api.example"), "/a/b", Some("c=1")),
            ("http://x.example/a?b", Some("y.example"), Some("x.example"), "/a", Some("b")),
            ("http://x.example", None, Some("x.example"), "/", None),
            ("/a?u=http://z/", Some("[::1]:80"), Some("[::1]"), "/a", Some("u=http://z/")),
            ("x.example:443", Some("x.example.:443"), Some("x.example"), "x.example:443", None),
            ("/", None, None, "/", None),
            ("/", Some("[2001:DB8:0:0::1%eth0]:8443"), Some("[2001:db8::1]"), "/", None),
            ("/", Some("2001:db8::1"), Some("[2001:db8::1]"), "/", None),
            ("/", Some("192.0.2.1:8080"), Some("192.0.2.1"), "/", None),
            ("/", Some("API.example..:"), Some("api.example"), "/", None),
            ("/", Some("[not:an:address]:80"), Some("[not:an:address]"), "/", None),
            ("/", Some("."), None, "/", None),
            ("/a#b?c=1", None, None, "/a", Some("c=1")),
            ("/a?", None, None, "/a", Some("")),
        ] {
            let transaction = with(target, host);
            assert_eq!(transaction.host().as_deref(), expected_host, "{target}");
            assert_eq!(*transaction.path().expose(), path.as_bytes(), "{target}");
            let (both, query_of_both) = transaction.path_and_query();
            assert_eq!(*both.expose(), path.as_bytes(), "{target}");
            assert_eq!(
                query_of_both.map(|query| *query.expose()),
                transaction.query().map(|query| *query.expose()),
                "{target}"
            );
            assert_eq!(
                transaction.query().map(|query| *query.expose()),
                query.map(str::as_bytes),
                "{target}"
            );
        }
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let transaction = with("/", Some("h"));
        assert_eq!(transaction.request.fields.get("host").map(|v| v.expose().to_vec()), Some(b"h".to_vec()));
        assert!(transaction.request.fields.get("hos").is_none());
    }
}
