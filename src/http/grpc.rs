//! gRPC calls as HTTP carries them: messages behind a prefix of five bytes, and how the call ended.
//!
//! Over HTTP/2 the outcome is a trailer, `grpc-status`, or a field of the head when there is no message. gRPC-Web, which
//! browsers speak over either version, has the same prefix and puts the trailers into the body as a last message of its
//! own kind, and may write all of it in Base64. Connect does the same with JSON for trailers, and has calls of one message
//! each way as bodies without a prefix, whose outcome is the HTTP status. [`MessageReader`] counts messages as bytes pass;
//! [`unframe`] makes a kept body readable for scanners.

use super::content::{ContentDecoder, Decoded};
use crate::merge::Merge;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How the messages of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As they are, each behind its prefix.
    Binary,
    /// The same in Base64: `application/grpc-web-text`.
    Text,
}

/// How the messages of a body of this content type are written; `None` when it is not gRPC.
#[must_use]
pub fn coding(content_type: &[u8]) -> Option<Coding> {
    let start = content_type.get(..PREFIX.len())?;
    if !start.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let rest = content_type.get(PREFIX.len()..).unwrap_or_default();
    let is_text = rest.get(..TEXT.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(TEXT));
    match rest.first() {
        _ if is_text => Some(Coding::Text),
        None | Some(b'+' | b';' | b'-' | b' ') => Some(Coding::Binary),
        Some(_) => None,
    }
}

const PREFIX: &[u8] = b"application/grpc";
const TEXT: &[u8] = b"-web-text";

/// Which protocol of remote calls an exchange speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum CallProtocol {
    /// gRPC over HTTP/2.
    #[default]
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// gRPC-Web in Base64.
    GrpcWebText,
    /// Connect, one message each way.
    Connect,
    /// Connect, messages behind prefixes.
    ConnectStream,
}

impl CallProtocol {
    /// The protocol that a content type names; `None` when it is not that of a remote call.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        if let Some(coding) = coding(content_type) {
            let web = content_type.get(PREFIX.len()..PREFIX.len() + WEB.len());
            return Some(match coding {
                Coding::Text => Self::GrpcWebText,
                Coding::Binary if web.is_some_and(|web| web.eq_ignore_ascii_case(WEB)) => Self::GrpcWeb,
                Coding::Binary => Self::Grpc,
            });
        }
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/proto") {
            return Some(Self::Connect);
        }
        let start = essence.get(..CONNECT.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(CONNECT).then_some(Self::ConnectStream)
    }

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
            Self::GrpcWebText => "grpc_web_text",
            Self::Connect => "connect",
            Self::ConnectStream => "connect_stream",
        }
    }

    /// Whether messages stand behind prefixes.
    #[must_use]
    pub const fn is_framed(self) -> bool {
        match self {
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText | Self::ConnectStream => true,
            Self::Connect => false,
        }
    }

    /// The field that names how messages are compressed.
    #[must_use]
    pub const fn encoding_field(self) -> &'static str {
        match self {
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => "grpc-encoding",
            Self::ConnectStream => "connect-content-encoding",
            Self::Connect => "content-encoding",
        }
    }

    /// The outcome that stands behind the messages of a body.
    #[must_use]
    pub fn status_at_end(self, end: &[u8]) -> Option<u32> {
        match self {
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => status_in(end),
            Self::ConnectStream | Self::Connect => {
                let end: ConnectEnd = serde_json::from_slice(end).ok()?;
                end.error.map_or(Some(0), |error| error.number())
            }
        }
    }

    /// Set in the flags of what ends a body instead of a message.
    const fn end_flag(self) -> u8 {
        match self {
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => TRAILERS,
            Self::ConnectStream | Self::Connect => END_OF_STREAM,
        }
    }
}

const WEB: &[u8] = b"-web";
const CONNECT: &[u8] = b"application/connect+";

/// Where the outcome of a call was told.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Told {
    /// Nowhere: the call was cut, or only its HTTP was seen.
    #[default]
    Nowhere,
    /// In the response's head: there was no message.
    Head,
    /// In trailers behind the messages.
    Trailers,
    /// At the end of the body, as gRPC-Web and Connect do.
    Body,
    /// By the HTTP status, as Connect does.
    HttpStatus,
    /// In a log.
    Log,
}

impl Told {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "nowhere",
            Self::Head => "trailers_only",
            Self::Trailers => "trailers",
            Self::Body => "body",
            Self::HttpStatus => "http_status",
            Self::Log => "log",
        }
    }
}

/// The names of outcomes, by their numbers.
const STATUSES: [&str; 17] = [
    "ok",
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// The name of an outcome: snake case; `other` when no standard has its number.
#[must_use]
pub fn status_name(status: u32) -> &'static str {
    STATUSES.get(status as usize).copied().unwrap_or("other")
}

/// The outcome that an HTTP status stands for where a call told none (gRPC's and Connect's mappings agree).
#[must_use]
pub const fn status_of_http(status: u16) -> Option<u32> {
    Some(match status {
        200 => 0,
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        0 => return None,
        _ => 2,
    })
}

/// The outcome in the JSON of an error of Connect.
#[must_use]
pub fn status_of_error(json: &[u8]) -> Option<u32> {
    let error: ConnectError = serde_json::from_slice(json).ok()?;
    error.number()
}

#[derive(serde::Deserialize)]
struct ConnectEnd {
    error: Option<ConnectError>,
}

#[derive(serde::Deserialize)]
struct ConnectError {
    code: String,
}

impl ConnectError {
    fn number(&self) -> Option<u32> {
        let known = STATUSES.iter().position(|name| *name == self.code)?;
        u32::try_from(known).ok()
    }
}

/// The number that a `grpc-status` value states.
#[must_use]
pub fn status(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Messages of one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// How many began.
    pub count: u64,
    /// Their bytes as they state them, compressed where they are.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u32,
}

impl Merge for Messages {
    fn absorb(&mut self, other: Self) {
        self.count.absorb(other.count);
        self.bytes.absorb(other.bytes);
        self.largest = self.largest.max(other.largest);
    }
}

/// Set in the flags of a message that is compressed.
const COMPRESSED: u8 = 0x01;
/// Set in the flags of the trailers that gRPC-Web puts behind the messages.
const TRAILERS: u8 = 0x80;
/// Set in the flags of what ends a stream of Connect.
const END_OF_STREAM: u8 = 0x02;
/// Bytes of trailers in a body that are looked at.
const MAX_TRAILERS: usize = 4_096;

/// Counts messages while the bytes of a body pass.
#[derive(Clone, Debug, Default)]
pub struct MessageReader {
    protocol: CallProtocol,
    /// Where the body is in Base64: the group of characters that is not whole.
    text: Option<Group>,
    /// What was counted.
    pub messages: Messages,
    /// The outcome, when the body tells it.
    pub status: Option<u32>,
    prefix: [u8; 5],
    have: u8,
    left: u32,
    trailers: Vec<u8>,
    /// Bytes were missed: where messages begin is no longer known.
    lost: bool,
}

impl MessageReader {
    /// A reader at the start of a body.
    #[must_use]
    pub fn new(protocol: CallProtocol) -> Self {
        let text = (protocol == CallProtocol::GrpcWebText).then(Group::default);
        // A body without a prefix is one message, even when it is empty.
        let messages = Messages { count: u64::from(!protocol.is_framed()), ..Messages::default() };
        Self { protocol, text, messages, ..Self::default() }
    }

    /// Which protocol it reads.
    #[must_use]
    pub const fn protocol(&self) -> CallProtocol {
        self.protocol
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(mut group) = self.text.take() else { return self.binary(bytes) };
        for byte in bytes {
            match group.push(*byte) {
                Ok(None) => {}
                Ok(Some((three, length))) => self.binary(three.get(..length).unwrap_or_default()),
                Err(NotBase64) => self.lost = true,
            }
        }
        self.text = Some(group);
    }

    fn binary(&mut self, mut bytes: &[u8]) {
        if !self.protocol.is_framed() {
            self.messages.bytes += bytes.len() as u64;
            self.messages.largest = u32::try_from(self.messages.bytes).unwrap_or(u32::MAX);
            return;
        }
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let (content, rest) = bytes.split_at((self.left as usize).min(bytes.len()));
                self.left -= u32::try_from(content.len()).unwrap_or(self.left);
                bytes = rest;
                if self.in_trailers() {
                    let room = MAX_TRAILERS.saturating_sub(self.trailers.len());
                    self.trailers.extend_from_slice(content.get(..room).unwrap_or(content));
                    if self.left == 0 {
                        self.status = self.told();
                    }
                }
                continue;
            }
            let missing = self.prefix.len().saturating_sub(usize::from(self.have));
            let (front, rest) = bytes.split_at(missing.min(bytes.len()));
            for (slot, byte) in self.prefix.iter_mut().skip(usize::from(self.have)).zip(front) {
                *slot = *byte;
            }
            bytes = rest;
            self.have += u8::try_from(front.len()).unwrap_or(0);
            if front.len() < missing {
                return;
            }
            self.have = 0;
            let [_, a, b, c, d] = self.prefix;
            self.left = u32::from_be_bytes([a, b, c, d]);
            if self.in_trailers() {
                // Connect ends with what may well be empty JSON, but never nothing.
                self.trailers.clear();
            } else {
                self.messages.count += 1;
                self.messages.bytes += u64::from(self.left);
                self.messages.largest = self.messages.largest.max(self.left);
            }
        }
    }

    /// Bytes of the body were never captured.
    pub const fn lose(&mut self, lost: u64) {
        if !self.protocol.is_framed() {
            self.messages.bytes += lost;
            return;
        }
        // A hole within a message costs nothing: its length was told. In Base64 it costs what follows.
        if lost <= self.left as u64 && self.text.is_none() {
            #[expect(clippy::cast_possible_truncation, reason = "not above `left`")]
            let lost = lost as u32;
            self.left -= lost;
        } else {
            self.lost = true;
        }
    }

    const fn in_trailers(&self) -> bool {
        let [flags, ..] = self.prefix;
        flags & self.protocol.end_flag() != 0
    }

    /// The outcome that the end of the body tells, unless it is compressed.
    fn told(&self) -> Option<u32> {
        let [flags, ..] = self.prefix;
        if flags & COMPRESSED == 0 { self.protocol.status_at_end(&self.trailers) } else { None }
    }

    /// What the end of the body tells, when it is compressed and whole.
    #[must_use]
    pub fn compressed_end(&self) -> Option<&[u8]> {
        let [flags, ..] = self.prefix;
        let whole = self.left == 0 && !self.trailers.is_empty() && self.trailers.len() < MAX_TRAILERS;
        (whole && self.in_trailers() && flags & COMPRESSED != 0).then_some(&self.trailers)
    }
}

/// The outcome in trailers that stand in a body: lines as in HTTP/1.
fn status_in(trailers: &[u8]) -> Option<u32> {
    trailers.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let named = name.trim_ascii().eq_ignore_ascii_case(b"grpc-status");
        named.then(|| status(value.get(1..)?)).flatten()
    })
}

/// Makes a kept body readable: Base64 and compression undone, trailers taken away, a message that was cut made as
/// long as what is there of it. Messages keep their prefix, for a scanner to tell them apart; those in JSON lose it
/// and stand on lines of their own. At most `cap` bytes come out.
pub fn unframe(
    content_type: &[u8],
    encoding: Option<&[u8]>,
    body: &mut Vec<u8>,
    decoder: &mut ContentDecoder,
    cap: usize,
) -> Decoded {
    let Some(protocol) = CallProtocol::of(content_type).filter(|protocol| protocol.is_framed()) else {
        return Decoded::Whole;
    };
    if protocol == CallProtocol::GrpcWebText {
        *body = from_base64(body);
    }
    let is_json = memchr::memmem::find(content_type, b"+json").is_some();
    if !is_json && messages(body).all(|(flags, stated, message)| flags == 0 && stated == message.len()) {
        return Decoded::Whole;
    }
    let (mut out, mut message, mut outcome) = (Vec::new(), Vec::new(), Decoded::Whole);
    for (flags, _, content) in messages(body) {
        if flags & protocol.end_flag() != 0 {
            continue;
        }
        message.clear();
        message.extend_from_slice(content);
        if flags & COMPRESSED != 0 {
            let room = cap.saturating_sub(out.len());
            match decoder.decode(encoding.unwrap_or(b"unstated"), &mut message, room) {
                Decoded::Whole => {}
                told @ (Decoded::Front | Decoded::Damaged | Decoded::Unknown) => {
                    outcome = told;
                    if told != Decoded::Front {
                        continue;
                    }
                }
            }
        }
        if out.len() + message.len() + 5 > cap {
            outcome = Decoded::Front;
            break;
        }
        if is_json {
            // A line feed in JSON is nothing but space: without it each line is a message.
            out.extend(message.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            out.push(b'\n');
        } else {
            out.push(0);
            out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(&message);
        }
    }
    *body = out;
    outcome
}

/// The messages of a body: flags, the length they state, and what is there.
pub(crate) fn messages(body: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (&[flags, a, b, c, d], tail) = rest.split_first_chunk()?;
        let stated = u32::from_be_bytes([a, b, c, d]) as usize;
        let (message, behind) = tail.split_at(stated.min(tail.len()));
        rest = behind;
        Some((flags, stated, message))
    })
}

/// Up to four characters of Base64, which may be padded wherever a server flushed.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    four: [u8; 4],
    filled: usize,
}

struct NotBase64;

impl Group {
    /// Takes a character; returns the bytes of a group that is whole, and how many they are.
    fn push(&mut self, byte: u8) -> Result<Option<([u8; 3], usize)>, NotBase64> {
        if byte.is_ascii_whitespace() {
            return Ok(None);
        }
        if let Some(slot) = self.four.get_mut(self.filled) {
            *slot = byte;
        }
        self.filled += 1;
        if self.filled < self.four.len() {
            return Ok(None);
        }
        self.filled = 0;
        let mut three = [0; 3];
        let length = STANDARD.decode_slice(self.four, &mut three).map_err(|_| NotBase64)?;
        Ok(Some((three, length)))
    }
}

fn from_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = Group::default();
    for byte in text {
        match group.push(*byte) {
            Ok(None) => {}
            Ok(Some((three, length))) => out.extend(three.iter().take(length)),
            Err(NotBase64) => break,
        }
    }
    out
}

const PROTOCOLS: [CallProtocol; 5] = [
    CallProtocol::Grpc,
    CallProtocol::GrpcWeb,
    CallProtocol::GrpcWebText,
    CallProtocol::Connect,
    CallProtocol::ConnectStream,
];

/// Reads any bytes as messages and asserts that the cap holds and that cutting does not matter.
pub fn fuzz(data: &[u8]) {
    for protocol in PROTOCOLS {
        let (mut whole, mut cut) = (MessageReader::new(protocol), MessageReader::new(protocol));
        whole.feed(data);
        data.chunks(1).for_each(|byte| cut.feed(byte));
        assert_eq!((whole.messages, whole.status), (cut.messages, cut.status), "cutting does not matter");
    }
    for content_type in [
        &b"application/grpc"[..],
        b"application/grpc+json",
        b"application/grpc-web-text",
        b"application/connect+proto",
    ] {
        let mut body = data.to_vec();
        unframe(content_type, Some(b"gzip"), &mut body, &mut ContentDecoder::default(), 1_000);
        assert!(body.len() <= data.len().max(1_000), "the cap holds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn message(flags: u8, content: &[u8]) -> Vec<u8> {
        [&[flags][..], &u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_content_type_tells_grpc() {
        for (content_type, told) in [
            ("application/grpc", Some(Coding::Binary)),
            ("application/grpc+proto", Some(Coding::Binary)),
            ("Application/gRPC; charset=x", Some(Coding::Binary)),
            ("application/grpc-web+proto", Some(Coding::Binary)),
            ("application/grpc-web-text", Some(Coding::Text)),
            ("application/grpcurl", None),
            ("application/json", None),
        ] {
            assert_eq!(coding(content_type.as_bytes()), told, "{content_type}");
        }
        for (content_type, told) in [
            ("application/grpc+proto", Some(CallProtocol::Grpc)),
            ("application/grpc-web+proto", Some(CallProtocol::GrpcWeb)),
            ("application/GRPC-Web", Some(CallProtocol::GrpcWeb)),
            ("application/grpc-web-text+proto", Some(CallProtocol::GrpcWebText)),
            ("application/connect+proto", Some(CallProtocol::ConnectStream)),
            ("application/connect+json; charset=utf-8", Some(CallProtocol::ConnectStream)),
            ("application/proto", Some(CallProtocol::Connect)),
            ("application/protobuf", None),
            ("application/connection", None),
        ] {
            assert_eq!(CallProtocol::of(content_type.as_bytes()), told, "{content_type}");
        }
    }

    #[test]
    fn a_stream_of_connect_ends_with_json() {
        for (end, told) in [
            ("{}", Some(0)),
            (r#"{"metadata":{"a":["b"]}}"#, Some(0)),
            (r#"{"error":{"code":"not_found","message":"none"}}"#, Some(5)),
            (r#"{"error":{"code":"strange"}}"#, None),
            ("no json", None),
        ] {
            let body = [message(0, b"one"), message(END_OF_STREAM, end.as_bytes())].concat();
            let mut reader = MessageReader::new(CallProtocol::ConnectStream);
            reader.feed(&body);
            assert_eq!((reader.messages.count, reader.status), (1, told), "{end}");
            let body = [message(0, b"one"), message(END_OF_STREAM | COMPRESSED, b"packed")].concat();
            let mut reader = MessageReader::new(CallProtocol::ConnectStream);
            reader.feed(&body);
            assert_eq!((reader.status, reader.compressed_end()), (None, Some(&b"packed"[..])));
        }
    }

    #[test]
    fn a_body_without_a_prefix_is_one_message() {
        let mut reader = MessageReader::new(CallProtocol::Connect);
        assert_eq!(reader.messages, Messages { count: 1, bytes: 0, largest: 0 });
        reader.feed(b"\0\0\0\0\x01ab");
        assert_eq!(reader.messages, Messages { count: 1, bytes: 7, largest: 7 });
        assert_eq!(status_of_error(br#"{"code":"permission_denied","message":""}"#), Some(7));
    }

    #[test]
    fn messages_are_counted_as_they_pass() {
        let body =
            [message(0, b"one"), message(1, b"three"), message(TRAILERS, b"grpc-status: 7\r\nx:1\r\n")]
                .concat();
        for size in 1..body.len() {
            let mut reader = MessageReader::new(CallProtocol::GrpcWeb);
            body.chunks(size).for_each(|piece| reader.feed(piece));
            assert_eq!(reader.messages, Messages { count: 2, bytes: 8, largest: 5 });
            assert_eq!(reader.status, Some(7));
        }
    }

    #[test]
    fn a_hole_within_a_message_costs_nothing_else() {
        let mut reader = MessageReader::new(CallProtocol::GrpcWeb);
        reader.feed(&message(0, b"0123456789")[..8]);
        reader.lose(7);
        reader.feed(&message(0, b"next"));
        assert_eq!(reader.messages, Messages { count: 2, bytes: 14, largest: 10 });
        reader.lose(3);
        reader.feed(&message(0, b"next"));
        assert_eq!(reader.messages.count, 2);
    }

    #[test]
    fn bodies_are_made_readable() {
        let web = [message(0, b"plain"), message(TRAILERS, b"grpc-status:0\r\n")].concat();
        let text = format!(
            "{}{}",
            STANDARD.encode(message(0, b"plain")),
            STANDARD.encode(message(TRAILERS, b"x:y"))
        );
        for (content_type, body, readable, told) in [
            ("application/grpc", message(0, b"plain"), message(0, b"plain"), Decoded::Whole),
            ("application/grpc", message(1, &gzip(b"packed")), message(0, b"packed"), Decoded::Whole),
            ("application/grpc", message(1, b"damaged"), Vec::new(), Decoded::Damaged),
            ("application/grpc-web", web, message(0, b"plain"), Decoded::Whole),
            ("application/grpc-web-text", text.into_bytes(), message(0, b"plain"), Decoded::Whole),
            ("application/grpc", message(0, b"cut off")[..8].to_vec(), message(0, b"cut"), Decoded::Whole),
            (
                "application/grpc+json",
                [message(0, b"{\"a\":1}"), message(0, b"{}")].concat(),
                b"{\"a\":1}\n{}\n".to_vec(),
                Decoded::Whole,
            ),
        ] {
            let mut kept = body;
            let outcome = unframe(
                content_type.as_bytes(),
                Some(b"gzip"),
                &mut kept,
                &mut ContentDecoder::default(),
                1_000,
            );
            assert_eq!((kept, outcome), (readable, told), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }

        #[test]
        fn any_small_messages_are_taken(data in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x80), 0_u8..9], 0..200)) {
            fuzz(&data);
        }
    }
}
