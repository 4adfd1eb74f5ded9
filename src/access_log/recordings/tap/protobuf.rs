//! Traces in protobuf: one `TraceWrapper`, several one after the other, or many behind their lengths as varints
//! (`PROTO_BINARY_LENGTH_DELIMITED`).

use super::super::super::wire::{Field, MAX_MESSAGE, bytes_of, fields, number_of};
use super::super::super::{BadReason, fields as names};
use super::super::Each;
use super::super::message::Bodies;
use super::{Header, Message, Peer, Piece, Streams, Trace, take};
use crate::time::Timestamp;
use crate::transaction::Transaction;
use std::borrow::Cow;

/// The fields of a `TraceWrapper` that hold exchanges.
const BUFFERED: u32 = 1;
const STREAMED: u32 = 2;

/// Bytes of a varint.
const MAX_VARINT: usize = 10;

/// Finds the fields of wrappers as their bytes pass by. See the module's doc.
#[derive(Debug, Default)]
pub(in super::super) struct Wrappers {
    state: State,
    /// Wrappers stand behind their lengths.
    lengths: bool,
    found: bool,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing was seen.
    #[default]
    Unknown,
    /// `held` has the front of a length, behind the tag of a field when there is one.
    Length(Option<u8>),
    /// Between two.
    Between,
    /// So many bytes are to come, of a field with this tag or of a wrapper.
    Payload(Option<u8>, u64),
    /// So many bytes are passed over.
    Skipping(u64),
    /// What stood there is none.
    Lost,
}

/// The tag of a field of a wrapper, all of which are messages.
const fn is_tag(byte: u8) -> bool {
    matches!(byte, 0x0a | 0x12 | 0x1a | 0x22)
}

type EachField<'e> = dyn FnMut(Result<(u32, &[u8]), BadReason>) + 'e;

impl Wrappers {
    /// Hands out every field of a wrapper that ends in `bytes`, by its number.
    pub(in super::super) fn feed(&mut self, mut bytes: &[u8], each: &mut EachField<'_>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Lost => return,
                State::Unknown => {
                    self.lengths = !is_tag(byte);
                    self.state = State::Between;
                }
                State::Between if self.lengths => self.state = State::Length(None),
                State::Between => {
                    bytes = rest;
                    self.state = State::Length(Some(byte));
                    if !is_tag(byte) {
                        self.lose(each);
                    }
                }
                State::Length(tag) => {
                    bytes = rest;
                    self.held.push(byte);
                    if byte & 0x80 == 0 {
                        let length = varint(&self.held);
                        self.held.clear();
                        self.found = true;
                        self.state = match length {
                            0 => State::Between,
                            length if length > MAX_MESSAGE as u64 => State::Skipping(length),
                            length => State::Payload(tag, length),
                        };
                    } else if self.held.len() >= MAX_VARINT {
                        self.lose(each);
                    }
                }
                State::Payload(tag, left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, later) = bytes.split_at(take);
                    bytes = later;
                    self.held.extend_from_slice(now);
                    self.state = State::Payload(tag, left - take as u64);
                    if left == take as u64 {
                        self.hand_out(tag, each);
                    }
                }
                State::Skipping(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(take..).unwrap_or_default();
                    self.state = State::Skipping(left - take as u64);
                    if left == take as u64 {
                        each(Err(BadReason::TooLong { limit: MAX_MESSAGE }));
                        self.state = State::Between;
                    }
                }
            }
        }
    }

    fn hand_out(&mut self, tag: Option<u8>, each: &mut EachField<'_>) {
        if let Some(tag) = tag {
            each(Ok((u32::from(tag >> 3), &self.held)));
        } else {
            let read = fields(&self.held, &mut |number, field| {
                if let Field::Bytes(bytes) = field {
                    each(Ok((number, bytes)));
                }
            });
            if let Err(reason) = read {
                each(Err(reason));
            }
        }
        self.held.clear();
        self.held.shrink_to(4 << 20);
        self.state = State::Between;
    }

    fn lose(&mut self, each: &mut EachField<'_>) {
        each(Err(BadReason::Protobuf { offset: 0 }));
        self.state = State::Lost;
    }

    /// What the end of the input says is wrong.
    pub(in super::super) const fn finish(&self) -> Option<BadReason> {
        match self.state {
            State::Lost => None,
            State::Unknown | State::Between if self.found => None,
            State::Unknown | State::Between => Some(BadReason::NoEntries),
            State::Length(_) | State::Payload(..) | State::Skipping(_) => Some(BadReason::Cut),
        }
    }
}

/// A varint of at most nine bytes; of ten, what fits.
fn varint(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0_u64, |sum, byte| sum.wrapping_shl(7) | u64::from(byte & 0x7f))
}

/// Whether an input that starts so holds traces in protobuf: the first of its fields is one of HTTP/2's own.
pub(in super::super) fn looks_like_protobuf(start: &[u8]) -> bool {
    let [first, ..] = start else { return false };
    let wrapper = if is_tag(*first) { Some(start) } else { behind_varint(start) };
    let trace = |tag: u8| wrapper.and_then(|wrapper| behind_varint(wrapper.strip_prefix(&[tag])?));
    let head = |message: &[u8]| {
        let header = behind_varint(behind_varint(message)?.strip_prefix(&[0x0a])?)?;
        let key = behind_varint(header.strip_prefix(&[0x0a])?)?;
        key.starts_with(b":").then_some(())
    };
    let buffered = trace(0x0a).and_then(|trace| head(trace.strip_prefix(&[0x0a])?));
    let streamed = trace(0x12).and_then(|segment| {
        let behind_id = segment.strip_prefix(&[0x08]).map_or(Some(segment), behind_varint)?;
        head(behind_id.strip_prefix(&[0x12])?)
    });
    buffered.or(streamed).is_some()
}

fn behind_varint(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(MAX_VARINT).position(|byte| byte & 0x80 == 0)?;
    bytes.get(end + 1..)
}

/// Reads one field of a wrapper; those that hold no exchange are passed over.
pub(in super::super) fn read_protobuf(
    number: u32,
    trace: &[u8],
    bodies: &mut Bodies,
    into: &mut Transaction,
    streams: &mut Streams,
    each: &mut Each<'_>,
) {
    let read = match number {
        BUFFERED => buffered(trace).map(Some),
        STREAMED => segment(trace),
        _ => Ok(None),
    };
    match read {
        Ok(Some(trace)) => take(&trace, bodies, into, streams, each),
        Ok(None) => {}
        Err(reason) => {
            into.clear();
            each(Err(reason), into);
        }
    }
}

/// An `HttpBufferedTrace`.
fn buffered(trace: &[u8]) -> Result<Trace<'_>, BadReason> {
    let (mut request, mut response, mut connection) = (None, None, &b""[..]);
    fields(trace, &mut |number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => request = Some(bytes),
        (2, Field::Bytes(bytes)) => response = Some(bytes),
        (3, Field::Bytes(bytes)) => connection = bytes,
        _ => {}
    })?;
    Ok(Trace::Buffered {
        request: request.map(message).transpose()?,
        response: response.map(message).transpose()?,
        client: bytes_of(connection, 2).and_then(peer),
        server: bytes_of(connection, 1).and_then(peer),
    })
}

/// An `HttpStreamedTraceSegment`; none when it is of no kind that is known.
fn segment(segment: &[u8]) -> Result<Option<Trace<'_>>, BadReason> {
    let (mut id, mut found) = (0, None);
    fields(segment, &mut |number, field| match (number, field) {
        (1, Field::Number(number)) => id = number,
        (2..=7, Field::Bytes(bytes)) => found = Some((number, bytes)),
        _ => {}
    })?;
    let Some((number, bytes)) = found else { return Ok(None) };
    let piece = match number {
        2 | 5 => Piece::Head(headers(bytes, 1)?),
        3 | 6 => {
            let (bytes, truncated) = body(bytes)?;
            Piece::Body { bytes: Cow::Borrowed(bytes), truncated }
        }
        _ => Piece::Trailers,
    };
    Ok(Some(Trace::Segment { id, request: number <= 4, piece }))
}

fn message(message: &[u8]) -> Result<Message<'_>, BadReason> {
    let mut content = &b""[..];
    let mut received = None;
    fields(message, &mut |number, field| match number {
        2 => content = field.bytes(),
        4 => received = time(field.bytes()),
        _ => {}
    })?;
    let (bytes, truncated) = body(content)?;
    Ok(Message { headers: headers(message, 1)?, body: Cow::Borrowed(bytes), truncated, received })
}

/// The `HeaderValue`s under this number.
fn headers(holder: &[u8], wanted: u32) -> Result<Vec<Header<'_>>, BadReason> {
    let (mut list, mut outcome) = (Vec::new(), Ok(()));
    fields(holder, &mut |number, field| {
        if let (true, Field::Bytes(header)) = (number == wanted, field) {
            let (mut key, mut value) = (&b""[..], &b""[..]);
            outcome = outcome.and(fields(header, &mut |number, field| match number {
                1 => key = field.bytes(),
                // As text or as bytes.
                2 | 3 if !field.bytes().is_empty() => value = field.bytes(),
                _ => {}
            }));
            list.push((Cow::Borrowed(key), Cow::Borrowed(value)));
        }
    })?;
    outcome.map(|()| list)
}

/// A `Body`, and whether Envoy cut it.
fn body(body: &[u8]) -> Result<(&[u8], bool), BadReason> {
    let (mut content, mut truncated) = (&b""[..], false);
    fields(body, &mut |number, field| match number {
        1 | 2 => content = field.bytes(),
        3 => truncated = field.number() != 0,
        _ => {}
    })?;
    Ok((content, truncated))
}

/// The socket of an `Address`.
fn peer(address: &[u8]) -> Option<Peer> {
    let socket = bytes_of(address, 1)?;
    let (address, _) = names::address(bytes_of(socket, 2)?)?;
    Some((address, u16::try_from(number_of(socket, 3)).ok()))
}

/// A `Timestamp`.
fn time(message: &[u8]) -> Option<Timestamp> {
    let seconds = i64::try_from(number_of(message, 1)).ok()?;
    let nanos = i64::try_from(number_of(message, 2)).ok()?;
    Some(Timestamp::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::super::wire::tests::{put, put_number};
    use super::super::super::Recording;
    use super::super::tests::all;
    use super::*;

    fn of(parts: &[(u32, &[u8])], numbers: &[(u32, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in numbers {
            put_number(*number, *value, &mut out);
        }
        for (number, bytes) in parts {
            put(*number, bytes, &mut out);
        }
        out
    }

    fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
        let pairs: Vec<Vec<u8>> =
            pairs.iter().map(|(key, value)| of(&[(1, key.as_bytes()), (2, value.as_bytes())], &[])).collect();
        of(&pairs.iter().map(|pair| (1, &pair[..])).collect::<Vec<_>>(), &[])
    }

    fn trace() -> Vec<u8> {
        let time = |millis: u64| of(&[], &[(1, 1_776_211_206), (2, millis * 1_000_000)]);
        let address = |text: &[u8], port| of(&[(1, &of(&[(2, text)], &[(3, port)]))], &[]);
        let head = map(&[
            (":authority", "api.example"),
            (":path", "/v1/a"),
            (":method", "POST"),
            (":scheme", "https"),
        ]);
        let request = [head, of(&[(2, &of(&[(1, b"{\"a\":1}")], &[])), (4, &time(672))], &[])].concat();
        let answer = map(&[(":status", "201"), ("content-length", "999")]);
        let response = [answer, of(&[(2, &of(&[(2, b"{\"b")], &[(3, 1)])), (4, &time(687))], &[])].concat();
        let connection = of(&[(1, &address(b"10.0.0.1", 8443)), (2, &address(b"198.51.100.1", 5000))], &[]);
        of(&[(1, &request), (2, &response), (3, &connection)], &[])
    }

    fn segments() -> Vec<Vec<u8>> {
        let segment = |number, piece: &[u8]| of(&[(STREAMED, &of(&[(number, piece)], &[(1, 700)]))], &[]);
        vec![
            segment(2, &map(&[(":method", "GET"), (":path", "/b")])),
            segment(3, &of(&[(1, b"a")], &[])),
            segment(5, &map(&[(":status", "200"), ("date", "Wed, 15 Apr 2026 00:00:06 GMT")])),
            segment(6, &of(&[(1, b"hello ")], &[])),
            segment(6, &of(&[(1, b"you")], &[])),
            segment(7, &map(&[])),
        ]
    }

    pub(in super::super) fn sample() -> Vec<u8> {
        let wrapper = of(&[(BUFFERED, &trace())], &[]);
        let mut wrappers = segments();
        wrappers.push(wrapper);
        behind_lengths(&wrappers)
    }

    fn behind_lengths(wrappers: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for wrapper in wrappers {
            let mut field = Vec::new();
            put(1, wrapper, &mut field);
            out.extend_from_slice(&field[1..]);
        }
        out
    }

    #[test]
    fn traces_are_read_alone_together_and_behind_their_lengths() {
        let wrapper = of(&[(BUFFERED, &trace())], &[]);
        let one = "POST api.example /v1/a {\"a\":1} -> 201 {\"b 2026-04-15T00:00:06.672Z";
        let streamed = "GET  /b a -> 200 hello you 2026-04-15T00:00:06Z";
        let socket = of(&[(3, b"\x08\x01")], &[]);
        for (input, expected) in [
            (wrapper.clone(), vec![one]),
            (wrapper.repeat(2), vec![one, one]),
            (behind_lengths(&[wrapper.clone(), socket.clone(), wrapper.clone()]), vec![one, one]),
            ([wrapper.clone(), socket].concat(), vec![one]),
            (segments().concat(), vec![streamed]),
            (behind_lengths(&segments()), vec![streamed]),
        ] {
            assert!(looks_like_protobuf(&input));
            let expected: Vec<_> = expected.into_iter().map(|text| Ok(text.to_owned())).collect();
            for chunk in [1, 3, 10_000] {
                assert_eq!(all(Recording::TapProtobuf, &input, chunk), expected, "{chunk}");
            }
        }
    }

    #[test]
    fn what_is_cut_is_told_in_the_exchange() {
        let (mut bodies, mut into) = (Bodies::new(40), Transaction::default());
        let mut count = 0;
        read_protobuf(
            BUFFERED,
            &trace(),
            &mut bodies,
            &mut into,
            &mut Streams::default(),
            &mut |_, exchange| {
                count += 1;
                assert_eq!((exchange.response.body.len, exchange.response.body.whole), (999, false));
                assert_eq!(exchange.latency_us, Some(15_000));
                assert_eq!(exchange.client, Some(("198.51.100.1".parse().unwrap(), Some(5000))));
                assert_eq!(exchange.server, Some("10.0.0.1:8443".parse().unwrap()));
            },
        );
        assert_eq!(count, 1);
    }

    #[test]
    fn what_is_cut_or_broken_says_so() {
        let wrapper = of(&[(BUFFERED, &trace())], &[]);
        let cut = &wrapper[..wrapper.len() - 1];
        assert_eq!(all(Recording::TapProtobuf, cut, 7), [Err(BadReason::Cut)]);
        let broken = [wrapper, b"\x07\x07".to_vec()].concat();
        let seen = all(Recording::TapProtobuf, &broken, 7);
        assert!(matches!(seen[..], [Ok(_), Err(BadReason::Protobuf { .. })]), "{seen:?}");
        assert_eq!(all(Recording::TapProtobuf, b"", 7), [Err(BadReason::NoEntries)]);
        assert!(
            !looks_like_protobuf(b"\x0a\x05\x0a\x03\x0a\x01a") && !looks_like_protobuf(b"GET / HTTP/1.1")
        );
    }
}
