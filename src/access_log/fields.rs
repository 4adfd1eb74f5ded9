//! The exchange that the fields of a log line make together.
//!
//! Names are compared without case and punctuation, so that `request_method`, `requestMethod` and
//! `request.method` are one. Where a log tells the same thing twice, the word closest to the wire wins.

use super::instant::{Clock, Pattern};
use super::keys::{Keys, Told};
use super::names::{Meaning, Unit};
use super::{BadReason, har, instant};
use crate::anomaly::Anomaly;
use crate::short;
use crate::time::Timestamp;
use crate::transaction::{Completeness, Protocol, Transaction};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use wide::u8x16;

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Integer(u64),
    Float(f64),
    Bool(bool),
}

/// Whose head a field line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

/// What was told of one exchange so far; buffers are reused from line to line.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    keys: Keys,
    path: String,
    last_time: LastTime,
    request_line: Vec<u8>,
    target: Vec<u8>,
    query: Vec<u8>,
    host: Vec<u8>,
    /// What was a host when it was looked at last.
    last_host: Vec<u8>,
    time: Option<Timestamp>,
    clock: Clock,
    server_address: Option<IpAddr>,
    server_port: Option<u16>,
    user: Vec<u8>,
    /// A buffer for the exchange's host.
    spare: String,
    has: Ranks,
}

/// The first word of a line, which is mostly an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word<'a> {
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// Anything else.
    Text(&'a [u8]),
}

/// The instant that was read last, and how it was written: busy servers log many lines in a second.
#[derive(Debug, Default)]
struct LastTime {
    text: Vec<u8>,
    read: Option<Timestamp>,
}

/// The rank of a client that proxies name.
const FORWARDED: u8 = 1;
/// The longest text of an instant that is remembered.
const MAX_TIME: usize = 40;

impl LastTime {
    fn read(&mut self, text: &[u8], clock: &Clock) -> Option<Timestamp> {
        if short::same(&self.text, text) {
            return self.read;
        }
        let read = clock.read(text);
        // What begins with a name may lack a year, which follows from more than the text.
        if text.len() <= MAX_TIME && text.first().is_some_and(u8::is_ascii_digit) {
            replace(&mut self.text, text);
            self.read = read;
        }
        read
    }
}

/// The rank of what is held of each, 0 for nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Ranks {
    time: u8,
    target: u8,
    host: u8,
    status: u8,
    bytes: u8,
    latency: u8,
    client: u8,
}

impl Scratch {
    /// One that completes times by what is known of the writer's clock.
    pub(super) fn with_clock(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Tells the moment of the line that was read, for the next one's.
    pub(super) const fn went_by(&mut self, moment: Timestamp) {
        self.clock.last = Some(moment);
    }

    /// Forgets the last line, here and in `into`.
    pub(super) fn begin(&mut self, into: &mut Transaction) {
        if let Some(host) = into.logged_host.take() {
            self.spare = host;
        }
        into.clear();
        self.keys.begin();
        for buffer in
            [&mut self.request_line, &mut self.target, &mut self.query, &mut self.host, &mut self.user]
        {
            buffer.clear();
        }
        self.time = None;
        self.server_address = None;
        self.server_port = None;
        self.has = Ranks::default();
    }

    /// Takes the instant it began, from a source that tells it apart from its fields.
    pub(super) const fn at(&mut self, time: Timestamp) {
        self.time = Some(time);
        self.has.time = u8::MAX;
    }

    /// Takes the field called `path`, which has a point where the log nests. Unknown ones are passed over.
    pub(super) fn put(&mut self, path: &str, value: Value<'_>, into: &mut Transaction) {
        if let Value::Text(b"" | b"-") = value {
            return;
        }
        let key = self.keys.find(path);
        self.put_known(key, value, into);
    }

    /// As [`Scratch::put`], of the field whose key is known by number.
    pub(super) fn put_known(&mut self, key: usize, value: Value<'_>, into: &mut Transaction) {
        if let Value::Text(b"" | b"-") = value {
            return;
        }
        let (fields, name) = match self.keys.told(key) {
            Told::Fact(meaning) => {
                let meaning = *meaning;
                return self.take(meaning, value, into);
            }
            Told::RequestHead(name) => (&mut into.request.fields, name),
            Told::ResponseHead(name) => (&mut into.response.fields, name),
            Told::Nothing => return,
        };
        if let Value::Text(text) = value {
            push(fields, name, text);
        }
    }

    /// Takes what is known to mean this.
    pub(super) fn put_as(&mut self, meaning: Meaning, value: Value<'_>, into: &mut Transaction) {
        if !matches!(value, Value::Text(b"" | b"-")) {
            self.take(meaning, value, into);
        }
    }

    /// Takes a moment that is written as `pattern` says.
    pub(super) fn put_moment(&mut self, rank: u8, pattern: &Pattern, value: Value<'_>) {
        let time = match value {
            Value::Text(text) => pattern.read(text, &self.clock),
            Value::Integer(number) => pattern.read(number.to_string().as_bytes(), &self.clock),
            Value::Float(number) => pattern.read(format!("{number:.6}").as_bytes(), &self.clock),
            Value::Bool(_) => None,
        };
        if let Some(time) = time.filter(|_| better(rank, self.has.time)) {
            self.time = Some(time);
            self.has.time = rank;
        }
    }

    /// Takes a field line of a head.
    pub(super) fn put_header(side: Side, name: &str, value: Value<'_>, into: &mut Transaction) {
        let Value::Text(text) = value else { return };
        let fields = match side {
            Side::Request => &mut into.request.fields,
            Side::Response => &mut into.response.fields,
        };
        if text != b"-" && !name.starts_with(':') {
            push(fields, name, text);
        }
    }

    /// Takes the instant it began as the combined format writes it; says whether it is one.
    pub(super) fn moment(&mut self, text: &[u8]) -> bool {
        let plain = text.get(2) == Some(&b'/')
            && text.first().is_some_and(u8::is_ascii_digit)
            && text.last().is_some_and(u8::is_ascii_digit);
        self.time = if plain { self.last_time.read(text, &self.clock) } else { None };
        self.has.time = 2;
        self.time.is_some()
    }

    /// Lends an empty buffer for a key with what stands above it.
    pub(super) fn lend_path(&mut self) -> String {
        let mut path = std::mem::take(&mut self.path);
        path.clear();
        path
    }

    /// Takes the buffer back.
    pub(super) fn take_back(&mut self, path: String) {
        self.path = path;
    }

    /// The keys met so far.
    pub(super) const fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// As [`Scratch::put_known`], of a number with a fraction that is written as `text`, in up to 15 digits.
    pub(super) fn put_decimal(&mut self, key: usize, number: f64, text: &[u8], into: &mut Transaction) {
        // An instant needs no way by a double, which would give the same down to the microsecond.
        let is_time = matches!(self.keys.told(key), Told::Fact(Meaning::Time(_)));
        let whole = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
        if is_time && whole <= 10 && text.len() - whole <= 7 {
            self.put_known(key, Value::Text(text), into);
        } else {
            self.put_known(key, Value::Float(number), into);
        }
    }

    fn take(&mut self, meaning: Meaning, value: Value<'_>, into: &mut Transaction) {
        let text = if let Value::Text(text) = value { text } else { b"" };
        match meaning {
            Meaning::Time(rank) => {
                let time = match value {
                    Value::Text(text) => self.last_time.read(text, &self.clock),
                    Value::Integer(number) => instant::epoch(number.to_string().as_bytes()),
                    // A double holds today's instants to better than a microsecond.
                    Value::Float(number) => instant::epoch(format!("{number:.6}").as_bytes()),
                    Value::Bool(_) => None,
                };
                if let Some(time) = time.filter(|_| better(rank, self.has.time)) {
                    self.time = Some(time);
                    self.has.time = rank;
                }
            }
            Meaning::Method if into.request.method.is_empty() => into.request.method.extend_from_slice(text),
            Meaning::RequestLine => replace(&mut self.request_line, text),
            Meaning::Target(rank) if !text.is_empty() && better(rank, self.has.target) => {
                self.has.target = rank;
                replace(&mut self.target, text);
            }
            Meaning::Query => replace(&mut self.query, text),
            Meaning::Host(rank) if self.is_host(text) && better(rank, self.has.host) => {
                self.has.host = rank;
                replace(&mut self.host, text);
            }
            Meaning::Method | Meaning::Target(_) | Meaning::Host(_) => {}
            Meaning::Protocol => {
                if let Some(protocol) = protocol(text) {
                    into.protocol = protocol;
                }
            }
            Meaning::Scheme => {
                into.tls |= text.eq_ignore_ascii_case(b"https") || text.eq_ignore_ascii_case(b"wss");
            }
            Meaning::Tls => {
                into.tls |= match value {
                    Value::Text(text) => {
                        !matches!(text, b"off" | b"false" | b"no" | b"none" | b"0" | b"http")
                    }
                    Value::Bool(on) => on,
                    Value::Integer(number) => number > 0,
                    Value::Float(_) => true,
                };
            }
            Meaning::Status(rank) => {
                let status = integer(value).and_then(|status| u16::try_from(status).ok());
                if let Some(status) = status.filter(|_| better(rank, self.has.status)) {
                    into.response.status = status;
                    self.has.status = rank;
                }
            }
            Meaning::RequestBytes => into.request.body.len = integer(value).unwrap_or_default(),
            Meaning::ResponseBytes(rank) => {
                if let Some(bytes) = integer(value).filter(|_| better(rank, self.has.bytes)) {
                    into.response.body.len = bytes;
                    self.has.bytes = rank;
                }
            }
            Meaning::Latency(rank, unit) => {
                // API Gateway calls the moment of a request what others call its duration.
                if self.has.time == 0
                    && let Some(time) = instant::common_log(text)
                {
                    (self.time, self.has.time) = (Some(time), 1);
                }
                if better(rank, self.has.latency)
                    && let Some(micros) = micros(value, unit)
                {
                    into.latency_us = Some(micros);
                    self.has.latency = rank;
                }
            }
            Meaning::Client(rank) => self.client(text, rank, into),
            Meaning::Forwarded(name) => {
                push(&mut into.request.fields, name, text);
                self.client(text, FORWARDED, into);
            }
            Meaning::ServerAddress => {
                if let Some((address, port)) = address(text) {
                    self.server_address = Some(address);
                    self.server_port = port.or(self.server_port);
                }
            }
            Meaning::ServerPort => {
                self.server_port = integer(value).and_then(|port| u16::try_from(port).ok());
            }
            Meaning::Certificate(_)
            | Meaning::Id(_)
            | Meaning::Proxied
            | Meaning::AuthorizationScheme
            | Meaning::Present(_) => take_identity(meaning, value, text, into),
            Meaning::User => replace(&mut self.user, text),
            Meaning::RequestField(name) => push(&mut into.request.fields, name, text),
            Meaning::ResponseField(name) => push(&mut into.response.fields, name, text),
        }
    }

    /// Whether a text can be a host: it is mostly that of the line before.
    fn is_host(&mut self, text: &[u8]) -> bool {
        if !short::same(&self.last_host, text) {
            if !is_host(text) {
                return false;
            }
            replace(&mut self.last_host, text);
        }
        !text.is_empty()
    }

    /// Cuts a line at its first blank. `None` when it has none.
    pub(super) fn first_word(line: &[u8]) -> Option<(Word<'_>, &[u8])> {
        if let Some((address, len)) = line.first_chunk().and_then(dotted_front) {
            return Some((Word::Address(address), line.get(len + 1..)?));
        }
        let (text, rest) = split_at_byte(line, b' ')?;
        Some((Word::Text(text), rest))
    }

    /// Takes an address as the client, unless one of a higher rank is known.
    pub(super) const fn client_at(&mut self, address: Ipv4Addr, rank: u8, into: &mut Transaction) {
        if better(rank, self.has.client) {
            into.client = Some((IpAddr::V4(address), None));
            into.client_forwarded = rank == FORWARDED;
            self.has.client = rank;
        }
    }

    /// Takes the first address of `text` as the client, unless one of a higher rank is known.
    pub(super) fn client(&mut self, text: &[u8], rank: u8, into: &mut Transaction) {
        let first = text.split(|byte| *byte == b',').next().unwrap_or_default();
        if let Some(client) = address(first).filter(|_| better(rank, self.has.client)) {
            into.client = Some(client);
            into.client_forwarded = rank == FORWARDED;
            self.has.client = rank;
        }
    }

    /// Makes the exchange of what was told.
    pub(super) fn finish(&mut self, into: &mut Transaction) -> Result<(), BadReason> {
        self.request(into)?;
        self.rest(into)
    }

    /// Takes method, target and version of a plain request line in place; says whether it is one. With one, the exchange
    /// is made by [`Scratch::rest`].
    pub(super) fn plain_request(line: &[u8], into: &mut Transaction) -> bool {
        let Some((method, target, version)) =
            request_line(line).filter(|(_, target, _)| target.starts_with(b"/"))
        else {
            return false;
        };
        replace(&mut into.request.method, method);
        replace(into.request.target.expose_mut(), target);
        into.protocol = version.and_then(protocol).unwrap_or(into.protocol);
        true
    }

    /// Makes the exchange of what was told besides the request.
    pub(super) fn rest(&mut self, into: &mut Transaction) -> Result<(), BadReason> {
        let Some(started) = self.time else { return Err(BadReason::Time) };
        let took = Duration::from_micros(into.latency_us.unwrap_or_default());
        into.request.started = started;
        into.request.ended = started;
        into.response.started = started.plus(took);
        into.response.ended = into.response.started;
        into.server = self.server_address.map(|address| {
            SocketAddr::new(address, self.server_port.unwrap_or(if into.tls { 443 } else { 80 }))
        });
        if into.client.is_none()
            && let Some(proxied) = into.proxied.take()
        {
            // Without the balancer's own address, its word is all there is.
            into.client = Some((proxied.ip(), None));
            into.client_forwarded = true;
        }
        if !self.host.is_empty() {
            let mut host = std::mem::take(&mut self.spare);
            host.clear();
            match std::str::from_utf8(&self.host) {
                Ok(text) => host.push_str(text),
                Err(_) => host.push_str(&String::from_utf8_lossy(&self.host)),
            }
            into.logged_host = Some(host);
        }
        if !self.user.is_empty() && into.request.fields.get("authorization").is_none() {
            // The server authenticated a user by name: as far as a log tells, Basic (RFC 7617).
            self.user.push(b':');
            let value = format!("Basic {}", STANDARD.encode(&self.user));
            into.request.fields.push(b"Authorization", value.as_bytes());
        }
        into.request.body.whole = into.request.body.len == 0;
        into.response.body.whole = into.response.body.len == 0;
        if into.completeness == Completeness::Complete {
            into.completeness = Completeness::Logged;
        }
        Ok(())
    }

    /// Puts method and target together from wherever the line told them.
    fn request(&mut self, into: &mut Transaction) -> Result<(), BadReason> {
        if !self.request_line.is_empty() && (into.request.method.is_empty() || self.has.target == 0) {
            if let Some((method, target, version)) = request_line(&self.request_line) {
                replace(&mut into.request.method, method);
                replace(&mut self.target, target);
                into.protocol = version.and_then(protocol).unwrap_or(into.protocol);
            } else if into.response.status != 0 {
                // A server logs what it could not read as a request, too.
                into.completeness = Completeness::ResponseOnly;
                into.anomalies.insert(Anomaly::IncompleteEntry);
                into.request.method.clear();
                return Ok(());
            }
        }
        if !is_token(&into.request.method) || self.target.is_empty() {
            return Err(BadReason::NoRequest);
        }
        if into.response.status == 0 {
            into.completeness = Completeness::RequestOnly;
            into.anomalies.insert(Anomaly::IncompleteEntry);
        }
        let target = into.request.target.expose_mut();
        if let Some(url) = absolute(&self.target) {
            into.tls |= url.tls;
            if self.has.host < 2 {
                replace(&mut self.host, url.authority);
            }
            url.write_target(target);
        } else {
            target.extend_from_slice(&self.target);
        }
        if !self.query.is_empty() && !target.contains(&b'?') {
            target.push(b'?');
            target.extend_from_slice(self.query.strip_prefix(b"?").unwrap_or(&self.query));
        }
        Ok(())
    }
}

/// A target in absolute form. Nearly none is.
fn absolute(target: &[u8]) -> Option<har::Url<'_>> {
    if target.starts_with(b"/") { None } else { har::Url::parse(target) }
}

/// Method, target and version.
type RequestLine<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

/// Splits `METHOD target HTTP/1.1`; the target may hold blanks, and the version may be missing.
fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let (method, rest) = match line {
        [b'G', b'E', b'T', b' ', rest @ ..] => (&b"GET"[..], rest),
        [b'P', b'O', b'S', b'T', b' ', rest @ ..] => (&b"POST"[..], rest),
        _ => split_at_byte(line, b' ')?,
    };
    // Nearly all have it, and a blank before it is the last.
    if let [target @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'] = rest
        && let [b'/', .., b'!'..=b'~'] | [b'/'] = target
        && is_token(method)
    {
        return Some((method, target, Some(b"HTTP/1.1")));
    }
    let rest = rest.trim_ascii();
    let version = rest.iter().rposition(|byte| *byte == b' ').and_then(|at| rest.split_at_checked(at + 1));
    let (target, version) = match version.filter(|(_, version)| version.starts_with(b"HTTP/")) {
        Some((target, version)) => (target.trim_ascii_end(), Some(version)),
        None => (rest, None),
    };
    let plain = target.starts_with(b"/")
        || target == b"*"
        || method == b"CONNECT"
        || har::Url::parse(target).is_some();
    (is_token(method) && plain).then_some((method, target, version))
}

pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    let (front, back) = text.split_at_checked(at)?;
    Some((front, back.get(1..)?))
}

/// Whether it can be a method (RFC 9110 section 5.6.2, and not absurdly long).
pub(super) fn is_token(text: &[u8]) -> bool {
    matches!(text, b"GET" | b"POST")
        || (1..=32).contains(&text.len())
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether it can be a host; what stands for any host in a configuration is none.
fn is_host(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= 300
        && text != b"_"
        && text.iter().all(|byte| {
            matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b':' | b'[' | b']' | 128..)
        })
}

/// The protocol by any of its written names.
pub(super) fn protocol(name: &[u8]) -> Option<Protocol> {
    match name {
        b"HTTP/1.1" => return Some(Protocol::Http11),
        b"HTTP/2.0" => return Some(Protocol::Http2),
        _ => {}
    }
    let name = name.to_ascii_uppercase();
    let version = name.strip_prefix(b"HTTP/").or_else(|| name.strip_prefix(b"H")).unwrap_or(&name);
    Some(match version {
        b"1.0" => Protocol::Http10,
        b"1.1" => Protocol::Http11,
        b"2" | b"2.0" | b"2C" => Protocol::Http2,
        b"3" | b"3.0" => Protocol::Http3,
        _ => return None,
    })
}

/// An address with or without port and brackets.
pub(super) fn address(text: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let mut front = [b' '; 16];
    if let Some(place) = front.get_mut(..text.len())
        && text.len() < 16
    {
        place.copy_from_slice(text);
        if let Some((address, len)) = dotted_front(&front)
            && len == text.len()
        {
            return Some((address.into(), None));
        }
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some((address, None));
    }
    text.parse::<SocketAddr>().ok().map(|socket| (socket.ip(), Some(socket.port())))
}

/// The IPv4 address at the front of some bytes, and its length, if a blank follows. It is found
/// without a look at each byte by itself.
fn dotted_front(front: &[u8; 16]) -> Option<(Ipv4Addr, usize)> {
    let bytes = u8x16::new(*front);
    let are = |byte: u8| bytes.simd_eq(u8x16::splat(byte)).to_bitmask();
    let digits = bytes - u8x16::splat(b'0');
    let digits = digits.simd_eq(digits.min(u8x16::splat(9))).to_bitmask();
    let len = are(b' ').trailing_zeros();
    let text = !(u32::MAX.checked_shl(len)?);
    let dots = are(b'.') & text;
    if dots | digits & text != text {
        return None;
    }
    let but_the_first = |bits: u32| bits & bits.wrapping_sub(1);
    let [second, third] = [but_the_first(dots), but_the_first(but_the_first(dots))];
    if third == 0 || but_the_first(third) != 0 {
        return None;
    }
    // With room behind for as many bytes as an octet has at most.
    let mut bytes = [0; 20];
    bytes.first_chunk_mut().map(|place| *place = *front)?;
    let [first, second, third] = [dots, second, third].map(u32::trailing_zeros);
    let mut bits = 0;
    for (start, end) in [(0, first), (first + 1, second), (second + 1, third), (third + 1, len)] {
        // A leading nought may mean an octal number: no address.
        let (count, least) = match end - start {
            1 => (1, 0),
            2 => (2, 10),
            3 => (3, 100),
            _ => return None,
        };
        let written = u32::from_le_bytes(*bytes.get(start as usize..)?.first_chunk()?) & 0x000f_0f0f;
        // The last digit comes to stand where the ones are, and what is before the first is nought.
        let [hundreds, tens, ones, _] = (written << (8 * (3 - count))).to_le_bytes().map(u32::from);
        let octet = hundreds * 100 + tens * 10 + ones;
        if octet < least || octet > 255 {
            return None;
        }
        bits = bits << 8 | octet;
    }
    Some((Ipv4Addr::from_bits(bits), len as usize))
}

fn push(fields: &mut crate::transaction::Fields, name: &str, value: &[u8]) {
    if !name.is_empty() && !value.is_empty() {
        fields.push(name.as_bytes(), value);
    }
}

const fn better(rank: u8, held: u8) -> bool {
    rank > held
}

/// Takes what tells who calls, or names the call.
fn take_identity(meaning: Meaning, value: Value<'_>, text: &[u8], into: &mut Transaction) {
    match meaning {
        Meaning::Certificate(name) => {
            // Whoever knows of a certificate ended TLS.
            into.tls |= name != "ssl-client-verify";
            push(&mut into.told, name, text);
        }
        Meaning::Id(name) => push(&mut into.told, name, text),
        Meaning::Proxied => {
            let port = |port: Option<u16>| port.unwrap_or_default();
            into.proxied = address(text).map(|(address, known)| SocketAddr::new(address, port(known)));
        }
        Meaning::AuthorizationScheme => {
            let masked = if is_token(text) { [text, b" ***"].concat() } else { Vec::new() };
            push(&mut into.request.fields, "Authorization", &masked);
        }
        Meaning::Present(name) => {
            let masked: &[u8] = if name == "Cookie" { b"session=***" } else { b"***" };
            if is_true(value) {
                push(&mut into.request.fields, name, masked);
            }
        }
        // The others tell of the call itself.
        _ => {}
    }
}

fn replace(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(text);
}

fn integer(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Integer(number) => Some(number),
        Value::Text(text) => digits(text).or_else(|| std::str::from_utf8(text).ok()?.trim().parse().ok()),
        Value::Float(number) => to_integer(number),
        Value::Bool(_) => None,
    }
}

/// The number that up to 19 digits at the front make, and what follows them.
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let len = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(len)?;
    Some((digits(number)?, rest))
}

/// The number that up to 19 digits make.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    let plain = (1..=19).contains(&text.len());
    text.iter()
        .try_fold(0_u64, |sum, byte| {
            let digit = byte.wrapping_sub(b'0');
            (plain && digit < 10).then(|| sum * 10 + u64::from(digit))
        })
        .filter(|_| plain)
}

fn is_true(value: Value<'_>) -> bool {
    match value {
        Value::Text(text) => {
            [&b"true"[..], b"yes", b"present", b"1"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
        }
        Value::Bool(on) => on,
        Value::Integer(number) => number > 0,
        Value::Float(_) => false,
    }
}

/// A number that is not negative, rounded.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and `as` saturates")]
pub(super) fn to_integer(number: f64) -> Option<u64> {
    (number.is_finite() && number >= 0.0).then(|| number.round() as u64)
}

fn micros(value: Value<'_>, unit: Unit) -> Option<u64> {
    let (number, whole, unit) = match value {
        #[expect(clippy::cast_precision_loss, reason = "a duration of 2^53 units is none")]
        Value::Integer(number) => (number as f64, true, unit),
        Value::Float(number) => (number, false, unit),
        Value::Text(text) => {
            let text = std::str::from_utf8(text).ok()?;
            // Of several upstreams the last one answered.
            let text = text.rsplit([',', ':']).next()?.trim();
            let end =
                text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
            let (number, suffix) = text.split_at_checked(end)?;
            let unit = match suffix.trim() {
                "" => unit,
                "s" => Unit::Seconds,
                "ms" => Unit::Millis,
                "us" | "µs" | "μs" => Unit::Micros,
                "ns" => Unit::Nanos,
                _ => return None,
            };
            (number.parse().ok()?, !number.contains('.'), unit)
        }
        Value::Bool(_) => return None,
    };
    let factor = match unit {
        Unit::Millis => 1e3,
        Unit::AsWritten if whole => 1e3,
        Unit::Seconds | Unit::AsWritten => 1e6,
        Unit::Micros => 1.0,
        Unit::Nanos => 1e-3,
    };
    to_integer(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// An address at the front of a line is that of its first word.
        #[test]
        fn an_address_is_read_the_same_in_one_look(
            word in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9.]{0,15}|(0|1|25)[0-9]?\\.[0-9a.]{1,9}\\.[0-9]{1,3}",
            behind in "[0-9. ]{0,16}",
        ) {
            let line = format!("{word} {behind}");
            let expected = word.parse().ok().map(|address: Ipv4Addr| (address, word.len()));
            if let Some(front) = line.as_bytes().first_chunk() {
                prop_assert_eq!(dotted_front(front), expected);
            }
            prop_assert_eq!(address(word.as_bytes()), word.parse().ok().map(|address| (address, None)));
        }
    }

    #[test]
    fn a_request_line_may_be_odd() {
        for (line, expected) in [
            ("GET /a HTTP/1.1", Some(("GET", "/a", Some("HTTP/1.1")))),
            ("GET /a b HTTP/1.1", Some(("GET", "/a b", Some("HTTP/1.1")))),
            ("GET /", Some(("GET", "/", None))),
            ("OPTIONS * HTTP/1.1", Some(("OPTIONS", "*", Some("HTTP/1.1")))),
            ("CONNECT a.example:443 HTTP/1.1", Some(("CONNECT", "a.example:443", Some("HTTP/1.1")))),
            ("\u{16}\u{3}\u{1}\u{2} x", None),
            ("GET", None),
            ("hello world", None),
        ] {
            let expected = expected.map(|(method, target, version): (&str, &str, Option<&str>)| {
                (method.as_bytes(), target.as_bytes(), version.map(str::as_bytes))
            });
            assert_eq!(request_line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_credential_that_is_only_told_of_is_a_masked_one() {
        for (name, value, expected) in [
            ("authorization_scheme", Value::Text(b"Bearer"), Some(("authorization", "Bearer ***"))),
            ("authorization_scheme", Value::Text(b"a b"), None),
            ("api_key_present", Value::Text(b"true"), Some(("x-api-key", "***"))),
            ("api_key_present", Value::Bool(true), Some(("x-api-key", "***"))),
            ("api_key_present", Value::Text(b"false"), None),
            ("api_key_present", Value::Integer(0), None),
            ("session_cookie_present", Value::Integer(1), Some(("cookie", "session=***"))),
        ] {
            let (mut scratch, mut into) = (Scratch::default(), Transaction::default());
            scratch.put(name, value, &mut into);
            let got: Vec<_> = into
                .request
                .fields
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.expose().to_vec()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            assert_eq!(got, expected, "{name} {value:?}");
        }
    }

    #[test]
    fn durations_know_their_units() {
        for (text, unit, expected) in [
            ("0.015", Unit::Seconds, Some(15_000)),
            ("0.001, 0.020", Unit::Seconds, Some(20_000)),
            ("12ms", Unit::AsWritten, Some(12_000)),
            ("12", Unit::AsWritten, Some(12_000)),
            ("0.5", Unit::AsWritten, Some(500_000)),
            ("350µs", Unit::AsWritten, Some(350)),
            ("soon", Unit::Seconds, None),
            ("", Unit::Seconds, None),
        ] {
            assert_eq!(micros(Value::Text(text.as_bytes()), unit), expected, "{text}");
        }
    }

    #[test]
    fn addresses_come_with_or_without_port() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1:5000", Some("10.0.0.1")),
            ("[2001:db8::1]:5000", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("0.255.0.10", Some("0.255.0.10")),
            ("10.0.0", None),
            ("10.0.0.", None),
            ("10.0.0.1.2", None),
            ("10.0.0.256", None),
            ("10.0.0.01", None),
            ("10..0.1", None),
            ("unix:", None),
        ] {
            assert_eq!(
                address(text.as_bytes()).map(|(address, _)| address.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
