//! One direction of an HTTP/1 connection, message by message.
//!
//! ```text
//!            ┌────────────────────────────────────────────┐
//!            ▼                                            │
//! bytes ─▶ Head ─▶ Length │ Chunked │ UntilClose ─▶ end ──┘
//!            │ not HTTP, or a gap         │ Tunnel: bytes of another protocol from here on
//!            ▼                            │
//!          Lost ◀── a gap that hides where the message ends
//! ```
//!
//! [`Reader::feed`] takes bytes however they were cut and calls a [`Receiver`]; [`Reader::gap`] takes a
//! hole and costs only the message it hits. A lost reader looks for the next head at the start of each
//! segment. Only a head that spans segments is copied.

use super::End;
use super::detect::{Looks, detect};
use super::head::{self, Framing, Head, Start};
use crate::anomaly::Anomaly;
use crate::flow::Moment;

/// How the body of a message is really delimited, once it is known what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// As its own head says.
    AsFramed,
    /// It has none: HEAD, 1xx, 204, 304.
    None,
    /// The connection speaks something else from here on: CONNECT, Upgrade.
    Tunnel,
}

/// What a direction's messages are given to.
pub trait Receiver {
    /// A head, with the moment of its first and of its last byte.
    fn head(&mut self, head: &Head<'_>, first: &Moment, last: &Moment) -> BodyRule;
    /// The next bytes of the body.
    fn body(&mut self, bytes: &[u8], at: &Moment);
    /// So many bytes of the body were never captured.
    fn body_gap(&mut self, lost: u64);
    /// The message is over.
    fn end(&mut self, end: End, at: Option<&Moment>);
    /// Something odd.
    fn anomaly(&mut self, anomaly: Anomaly);
    /// Bytes that belong to no message.
    fn unread(&mut self, bytes: u64);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Tunnel,
    Lost,
}

/// Where in a chunked body the reader stands (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunked {
    /// In the digits of a chunk's size.
    Size { size: u64, digits: u8 },
    /// Behind the digits, before the line's end.
    Extension { size: u64 },
    /// In a chunk's bytes.
    Data(u64),
    /// Before the line end that follows a chunk.
    DataEnd,
    /// In a trailer line that has this many bytes so far.
    Trailer { len: u32 },
}

/// The bounds of a reader.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes of one head.
    pub head_bytes: usize,
    /// Field lines of one head.
    pub head_lines: usize,
}

/// Reads one direction.
#[derive(Debug)]
pub struct Reader {
    response: bool,
    state: State,
    /// The front of a head that spans segments.
    partial: Vec<u8>,
    /// How far `partial` was searched.
    searched: usize,
    /// When the first byte of the head came.
    first: Option<Moment>,
    /// Whether a message was begun and has not ended.
    in_message: bool,
}

impl Reader {
    /// A reader at the start of a message.
    #[must_use]
    pub const fn new(response: bool) -> Self {
        Self {
            response,
            state: State::Head,
            partial: Vec::new(),
            searched: 0,
            first: None,
            in_message: false,
        }
    }

    /// Whether it has lost track and waits for a head.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// Takes the next bytes. Returns bytes behind a head after which the connection speaks something else.
    pub fn feed<'a>(
        &mut self,
        mut bytes: &'a [u8],
        at: &Moment,
        limits: ReadLimits,
        to: &mut impl Receiver,
    ) -> Option<&'a [u8]> {
        if self.state == State::Lost {
            if !self.may_start(bytes) {
                to.unread(bytes.len() as u64);
                return None;
            }
            self.state = State::Head;
        }
        loop {
            match self.state {
                State::Head => {
                    if self.partial.is_empty() {
                        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                        bytes = bytes.get(blank..).unwrap_or_default();
                    }
                    if bytes.is_empty() {
                        return None;
                    }
                    bytes = self.head(bytes, at, limits, to)?;
                    if self.state == State::Tunnel {
                        return Some(bytes);
                    }
                }
                State::Length(left) => {
                    if left == 0 {
                        self.end(End::Complete, Some(at), to);
                        continue;
                    }
                    if bytes.is_empty() {
                        return None;
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (body, rest) = bytes.split_at(take);
                    to.body(body, at);
                    bytes = rest;
                    self.state = State::Length(left - body.len() as u64);
                }
                State::Chunked(chunked) => {
                    if bytes.is_empty() {
                        return None;
                    }
                    bytes = self.chunked(chunked, bytes, at, to);
                }
                State::UntilClose => {
                    if !bytes.is_empty() {
                        to.body(bytes, at);
                    }
                    return None;
                }
                State::Tunnel => return Some(bytes),
                State::Lost => {
                    to.unread(bytes.len() as u64);
                    return None;
                }
            }
        }
    }

    /// Whether a lost reader may take these bytes, which start a segment, for the start of a head.
    fn may_start(&self, bytes: &[u8]) -> bool {
        match detect(bytes) {
            Looks::Request => !self.response,
            Looks::Response => self.response,
            Looks::Http2 | Looks::Http2Server | Looks::Tls | Looks::Unsure | Looks::Other => false,
        }
    }

    /// Reads a head, or keeps what there is of it. Returns the bytes behind it.
    fn head<'a>(
        &mut self,
        bytes: &'a [u8],
        at: &Moment,
        limits: ReadLimits,
        to: &mut impl Receiver,
    ) -> Option<&'a [u8]> {
        let first = *self.first.get_or_insert(*at);
        let before = self.partial.len();
        if before == 0 {
            if let Some(end) = head::end_of_head(bytes, 0)
                && end <= limits.head_bytes
            {
                let (head, rest) = bytes.split_at(end);
                self.first = None;
                return self.message(head, &first, at, limits, to).then_some(rest);
            }
            if detect(bytes) == Looks::Other {
                return self.refuse(Anomaly::BadHead, bytes.len(), to);
            }
            self.searched = 0;
        }
        self.partial.extend_from_slice(bytes);
        // The blank line may begin in what was searched already.
        let from = self.searched.saturating_sub(3);
        if let Some(end) = head::end_of_head(&self.partial, from)
            && end <= limits.head_bytes
        {
            let partial = std::mem::take(&mut self.partial);
            let rest = bytes.get(end.saturating_sub(before)..).unwrap_or_default();
            self.first = None;
            let read = self.message(partial.get(..end).unwrap_or_default(), &first, at, limits, to);
            self.partial = partial;
            self.partial.clear();
            return read.then_some(rest);
        }
        self.searched = self.partial.len();
        if self.partial.len() > limits.head_bytes {
            let len = self.partial.len();
            return self.refuse(Anomaly::HeadTooLong, len, to);
        }
        if before < 64 && detect(&self.partial) == Looks::Other {
            let len = self.partial.len();
            return self.refuse(Anomaly::BadHead, len, to);
        }
        None
    }

    fn refuse<'a>(&mut self, why: Anomaly, bytes: usize, to: &mut impl Receiver) -> Option<&'a [u8]> {
        to.anomaly(why);
        to.unread(bytes as u64);
        self.partial = Vec::new();
        self.first = None;
        self.state = State::Lost;
        None
    }

    fn message(
        &mut self,
        bytes: &[u8],
        first: &Moment,
        last: &Moment,
        limits: ReadLimits,
        to: &mut impl Receiver,
    ) -> bool {
        let response = self.response;
        let outcome = head::parse(bytes, response, limits.head_lines, |head| {
            // An interim response is not the answer: the real head follows (RFC 9110 section 15.2).
            let is_interim = matches!(head.start, Start::Response { status: 100 | 102..=199 });
            let rule = to.head(head, first, last);
            (if is_interim { BodyRule::None } else { rule }, head.framing, is_interim)
        });
        let Some((rule, framing, is_interim)) = outcome else {
            to.anomaly(Anomaly::BadHead);
            to.unread(bytes.len() as u64);
            self.state = State::Lost;
            return false;
        };
        self.in_message = !is_interim;
        match (rule, framing) {
            (BodyRule::Tunnel, _) => {
                self.state = State::Tunnel;
                self.in_message = false;
                to.end(End::Complete, Some(last));
            }
            (BodyRule::None, _) if is_interim => self.state = State::Head,
            (BodyRule::None, _) => self.end(End::Complete, Some(last), to),
            (BodyRule::AsFramed, Framing::Length(0)) => self.end(End::Complete, Some(last), to),
            (BodyRule::AsFramed, Framing::Length(length)) => self.state = State::Length(length),
            (BodyRule::AsFramed, Framing::Chunked) => {
                self.state = State::Chunked(Chunked::Size { size: 0, digits: 0 });
            }
            (BodyRule::AsFramed, Framing::Unstated) if response => self.state = State::UntilClose,
            (BodyRule::AsFramed, Framing::Unstated) => self.end(End::Complete, Some(last), to),
        }
        true
    }

    fn chunked<'a>(
        &mut self,
        chunked: Chunked,
        bytes: &'a [u8],
        at: &Moment,
        to: &mut impl Receiver,
    ) -> &'a [u8] {
        if let Chunked::Data(left) = chunked {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (body, rest) = bytes.split_at(take);
            to.body(body, at);
            let left = left - body.len() as u64;
            self.state = State::Chunked(if left == 0 { Chunked::DataEnd } else { Chunked::Data(left) });
            return rest;
        }
        let Some((&byte, rest)) = bytes.split_first() else { return bytes };
        let next = match (chunked, byte) {
            (Chunked::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Some(Chunked::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
            }
            (Chunked::Size { digits: 0, .. }, b' ' | b'\t') => Some(chunked),
            (Chunked::Size { digits: 0, .. }, _) => None,
            (Chunked::Size { size, .. } | Chunked::Extension { size }, b'\n') => Some(match size {
                0 => Chunked::Trailer { len: 0 },
                _ => Chunked::Data(size),
            }),
            (Chunked::Size { size, .. }, b';' | b' ' | b'\t' | b'\r') | (Chunked::Extension { size }, _) => {
                Some(Chunked::Extension { size })
            }
            (Chunked::Size { .. }, _) => None,
            (Chunked::DataEnd, b'\r') => Some(Chunked::DataEnd),
            (Chunked::DataEnd, b'\n') => Some(Chunked::Size { size: 0, digits: 0 }),
            (Chunked::DataEnd, _) => None,
            (Chunked::Trailer { len: 0 }, b'\n') => {
                self.end(End::Complete, Some(at), to);
                return rest;
            }
            (Chunked::Trailer { len }, b'\r') => Some(Chunked::Trailer { len }),
            (Chunked::Trailer { .. }, b'\n') => Some(Chunked::Trailer { len: 0 }),
            (Chunked::Trailer { len }, _) if len < MAX_TRAILER_LINE => {
                Some(Chunked::Trailer { len: len + 1 })
            }
            (Chunked::Trailer { .. }, _) => None,
            (Chunked::Data(_), _) => Some(chunked),
        };
        if let Some(next) = next {
            self.state = State::Chunked(next);
            rest
        } else {
            to.anomaly(Anomaly::BadChunk);
            self.end(End::Closed, Some(at), to);
            self.state = State::Lost;
            bytes
        }
    }

    fn end(&mut self, end: End, at: Option<&Moment>, to: &mut impl Receiver) {
        self.state = State::Head;
        self.in_message = false;
        to.end(end, at);
    }

    /// Takes a hole of `lost` bytes.
    pub fn gap(&mut self, lost: u64, to: &mut impl Receiver) {
        match self.state {
            State::Length(left) if lost <= left => {
                to.body_gap(lost);
                self.state = State::Length(left - lost);
                if lost == left {
                    self.end(End::Gap, None, to);
                }
            }
            State::Chunked(Chunked::Data(left)) if lost < left => {
                to.body_gap(lost);
                self.state = State::Chunked(Chunked::Data(left - lost));
            }
            State::UntilClose => to.body_gap(lost),
            State::Tunnel => {}
            State::Length(_) | State::Chunked(_) => {
                self.end(End::Gap, None, to);
                self.state = State::Lost;
            }
            State::Head | State::Lost => {
                to.unread(self.partial.len() as u64);
                self.partial.clear();
                self.first = None;
                self.state = State::Lost;
            }
        }
    }

    /// Nothing more will come in this direction. `clean` says that its sender finished it.
    pub fn close(&mut self, clean: bool, how: End, at: Option<&Moment>, to: &mut impl Receiver) {
        if !self.partial.is_empty() {
            to.unread(self.partial.len() as u64);
            self.partial.clear();
            self.first = None;
        }
        if !self.in_message {
            return;
        }
        let end = match self.state {
            State::UntilClose if clean => End::Complete,
            State::Length(0) => End::Complete,
            State::UntilClose
            | State::Length(_)
            | State::Chunked(_)
            | State::Head
            | State::Tunnel
            | State::Lost => how,
        };
        self.end(end, at, to);
        self.state = State::Lost;
    }
}

/// Bytes of one trailer line.
const MAX_TRAILER_LINE: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Log(Vec<String>, Vec<u8>);

    impl Receiver for Log {
        fn head(&mut self, head: &Head<'_>, _: &Moment, _: &Moment) -> BodyRule {
            self.0.push(match head.start {
                Start::Request { method, target } => {
                    format!("{} {}", String::from_utf8_lossy(method), String::from_utf8_lossy(target))
                }
                Start::Response { status } => status.to_string(),
            });
            match head.start {
                Start::Response { status: 204 | 304 } => BodyRule::None,
                Start::Response { status: 101 } => BodyRule::Tunnel,
                Start::Response { .. } | Start::Request { .. } => BodyRule::AsFramed,
            }
        }
        fn body(&mut self, bytes: &[u8], _: &Moment) {
            self.1.extend_from_slice(bytes);
        }
        fn body_gap(&mut self, lost: u64) {
            self.0.push(format!("gap {lost}"));
        }
        fn end(&mut self, end: End, _: Option<&Moment>) {
            let body = std::mem::take(&mut self.1);
            self.0.push(format!("{} {end:?}", String::from_utf8_lossy(&body)));
        }
        fn anomaly(&mut self, anomaly: Anomaly) {
            self.0.push(anomaly.name().to_owned());
        }
        fn unread(&mut self, _: u64) {}
    }

    const AT: Moment = Moment { ts: Timestamp::EPOCH, input: 0, frame: 0, ack: None };
    const LIMITS: ReadLimits = ReadLimits { head_bytes: 1_000, head_lines: 100 };

    fn read(response: bool, pieces: &[&[u8]], clean: bool) -> Vec<String> {
        let (mut reader, mut log) = (Reader::new(response), Log::default());
        for piece in pieces {
            if piece.is_empty() {
                reader.gap(5, &mut log);
            } else if let Some(rest) = reader.feed(piece, &AT, LIMITS, &mut log) {
                log.0.push(format!("tunnel {}", rest.len()));
            }
        }
        reader.close(clean, End::Closed, None, &mut log);
        log.0
    }

    #[test]
    fn messages_follow_each_other() {
        let requests = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(read(false, &[requests], true), ["POST /a", "abc Complete", "GET /b", " Complete"]);
        let responses = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
            HTTP/1.0 200 OK\r\n\r\nrest";
        assert_eq!(
            read(true, &[responses], true),
            ["100", "204", " Complete", "200", "abc0123456789 Complete", "200", "rest Complete"]
        );
    }

    #[test]
    fn a_gap_costs_only_what_it_must() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
        let next = b"deHTTP/1.1 204 No\r\n\r\n";
        assert_eq!(
            read(true, &[head, b"", next], true),
            ["200", "gap 5", "abcde Complete", "204", " Complete"]
        );
        let next = b"HTTP/1.1 204 No\r\n\r\n";
        assert_eq!(
            read(true, &[head, b"", b"", next], true),
            ["200", "gap 5", "abc Gap", "204", " Complete"]
        );
        assert_eq!(read(true, &[b"HTTP/1.1 20", b"", b"0 OK\r\n\r\n", next], true), ["204", " Complete"]);
    }

    #[test]
    fn what_is_no_http_is_left_alone() {
        assert_eq!(
            read(false, &[b"\x00\x01\x02", b"GET / HTTP/1.1\r\n\r\n"], true),
            ["bad_head", "GET /", " Complete"]
        );
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 2_000]].concat();
        assert_eq!(read(false, &[&long], true), ["head_too_long"]);
        assert_eq!(read(true, &[b"HTTP/1.1 101 Up\r\n\r\n\x81\x00"], true), ["101", " Complete", "tunnel 2"]);
    }

    #[test]
    fn a_body_that_was_cut_off_says_so() {
        assert_eq!(
            read(true, &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"], true),
            ["200", "ab Closed"]
        );
        assert_eq!(read(true, &[b"HTTP/1.1 200 OK\r\n\r\nab"], false), ["200", "ab Closed"]);
    }

    proptest! {
        /// However the bytes are cut, the messages are the same.
        #[test]
        fn cutting_does_not_matter(cuts in proptest::collection::vec(1_usize..40, 1..60), response in any::<bool>()) {
            let stream: &[u8] = if response {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\n\nabcd\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
            } else {
                b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\nPUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
            };
            let whole = read(response, &[stream], true);
            let (mut at, mut pieces) = (0, Vec::new());
            for cut in cuts.iter().cycle() {
                if at >= stream.len() {
                    break;
                }
                let end = (at + cut).min(stream.len());
                pieces.push(&stream[at..end]);
                at = end;
            }
            prop_assert_eq!(read(response, &pieces, true), whole);
        }

        #[test]
        fn any_bytes_are_taken(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            read(true, &pieces, true);
            read(false, &pieces, false);
        }
    }
}
