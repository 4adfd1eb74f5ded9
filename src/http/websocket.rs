//! WebSocket (RFC 6455) from the bytes behind a handshake: messages of one direction, in frames, with masks,
//! fragments and permessage-deflate (RFC 7692).
//!
//! [`Reader`] takes the bytes of one direction in any cut and tells a [`Receiver`] of payload as it passes, of control
//! frames, and of messages when they are over. Contents are kept up to a limit; what is beyond is counted. A frame that
//! breaks the rules ends the reading of its direction, and so does a hole that may hide the start of a frame: nothing
//! behind tells for sure where the next one begins. A hole within one frame costs that message, and with a shared
//! compression context the contents of those behind it.

use super::content::{Inflated, Inflater};
use crate::anomaly::Anomaly;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Who sends what a reader reads: clients mask their frames, servers do not (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What a message holds, as its sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// A control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The sender closes, with its reason (RFC 6455 section 7.4), if it gave one that could be read.
    Close(Option<u16>),
    /// A ping.
    Ping,
    /// A pong.
    Pong,
}

/// What was read of a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The front of it, as much as is kept.
    Front(&'a [u8]),
    /// Nothing: it was lost in part, or could not be decompressed, or is not wanted.
    Unread,
}

/// Who is told what was read.
pub trait Receiver {
    /// Bytes of payload passed, as sent: compressed where they are.
    fn payload(&mut self, bytes: u64);
    /// A message is over.
    fn message(&mut self, kind: Kind, content: Content<'_>);
    /// A control frame.
    fn control(&mut self, control: Control);
    /// Something odd.
    fn anomaly(&mut self, anomaly: Anomaly);
    /// Bytes that belong to no frame that could be read.
    fn unread(&mut self, bytes: u64);
}

/// What the handshake agreed on (RFC 6455 section 9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// permessage-deflate, and who keeps its context from message to message.
    pub deflate: Option<Deflate>,
    /// Others, which may change what frames hold.
    pub unknown: bool,
}

/// The parameters of permessage-deflate. Window sizes need not be known to decompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Each message of the client is compressed by itself.
    pub client_no_takeover: bool,
    /// Each message of the server is compressed by itself.
    pub server_no_takeover: bool,
}

impl Extensions {
    /// Adds what a `Sec-WebSocket-Extensions` value of the answer names.
    pub fn add(&mut self, value: &[u8]) {
        for extension in value.split(|byte| *byte == b',') {
            let mut parts = extension.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            if !name.eq_ignore_ascii_case(b"permessage-deflate") || self.deflate.is_some() {
                self.unknown = true;
                continue;
            }
            let mut deflate = Deflate { client_no_takeover: false, server_no_takeover: false };
            for parameter in parts {
                deflate.client_no_takeover |= parameter.eq_ignore_ascii_case(b"client_no_context_takeover");
                deflate.server_no_takeover |= parameter.eq_ignore_ascii_case(b"server_no_context_takeover");
            }
            self.deflate = Some(deflate);
        }
    }
}

/// Whether a `Sec-WebSocket-Accept` value answers a `Sec-WebSocket-Key` value (RFC 6455 section 4.2.2).
#[must_use]
pub fn accepts(key: &[u8], accept: &[u8]) -> bool {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.trim_ascii());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut wanted = [0; 28];
    let length = STANDARD.encode_slice(hash.finish(), &mut wanted).unwrap_or_default();
    wanted.get(..length) == Some(accept.trim_ascii())
}

/// How much of messages is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes of one message's content that are kept; 0 when contents are not wanted.
    pub content: usize,
    /// Bytes that one message may decompress to.
    pub inflated: u64,
}

/// One direction of a WebSocket. See the module's doc.
#[derive(Debug)]
pub struct Reader {
    sender: Sender,
    compression: Compression,
    /// Frames may hold what only an unknown extension can read.
    opaque: bool,
    state: State,
    /// The message whose frames are being read.
    message: Option<Message>,
    content: Vec<u8>,
    /// A frame's head that is not whole.
    head: [u8; MAX_HEAD],
    have: usize,
    /// The first bytes of a control frame, and how many of them there are.
    close: [u8; 2],
    closed: usize,
}

/// Bytes of the longest head of a frame: two, a length of eight, a mask of four.
const MAX_HEAD: usize = 14;
/// Bytes of the longest payload of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL: u64 = 125;
/// A buffer of contents larger than this is not kept for the next message.
const MAX_SPARE: usize = 16 << 10;

#[derive(Clone, Copy, Debug)]
enum State {
    /// At or within a frame's head.
    Head,
    /// Within a frame's payload.
    Payload { frame: Frame, left: u64 },
    /// The sender closed: nothing may follow.
    Closed,
    /// It is not known where the next frame begins.
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    last: bool,
    opcode: Opcode,
    compressed: bool,
    /// As it applies to the next byte; zeros where there is none.
    mask: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    kind: Kind,
    compressed: bool,
    /// Its content cannot be told any more.
    unread: bool,
    /// More came than is kept.
    cut: bool,
    /// Bytes it was decompressed to.
    inflated: u64,
}

/// How messages of a direction are decompressed.
#[derive(Debug)]
enum Compression {
    /// It was not agreed on.
    None,
    /// No compressed message came yet.
    Idle { takeover: bool },
    /// The context of messages before.
    Active { inflater: Inflater, takeover: bool },
    /// The context is not known any more.
    OutOfStep,
}

/// What follows the compressed bytes of a message (RFC 7692 section 7.2.2).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

impl Reader {
    /// A reader behind the handshake.
    #[must_use]
    pub const fn new(sender: Sender, extensions: Extensions) -> Self {
        let compression = match extensions.deflate {
            None => Compression::None,
            Some(deflate) => Compression::Idle {
                takeover: !match sender {
                    Sender::Client => deflate.client_no_takeover,
                    Sender::Server => deflate.server_no_takeover,
                },
            },
        };
        Self {
            sender,
            compression,
            opaque: extensions.unknown,
            state: State::Head,
            message: None,
            content: Vec::new(),
            head: [0; MAX_HEAD],
            have: 0,
            close: [0; 2],
            closed: 0,
        }
    }

    /// Whether it keeps a decompressor, which takes some 50 kilobytes.
    #[must_use]
    pub const fn inflates(&self) -> bool {
        matches!(self.compression, Compression::Active { .. })
    }

    /// Whether it is not known any more where frames begin.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Takes the next bytes. `inflaters` is how many decompressors there may be yet, of all connections.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        limits: ReadLimits,
        inflaters: &mut usize,
        receiver: &mut impl Receiver,
    ) {
        while !bytes.is_empty() {
            match self.state {
                State::Closed | State::Lost => return receiver.unread(bytes.len() as u64),
                State::Head => {
                    let Some(free) = self.head.get_mut(self.have) else { return };
                    let Some((byte, rest)) = bytes.split_first() else { return };
                    *free = *byte;
                    self.have += 1;
                    bytes = rest;
                    match self.parse() {
                        Ok(None) => {}
                        Ok(Some((frame, length))) => {
                            self.have = 0;
                            self.begin(frame, limits, inflaters, receiver);
                            self.state = State::Payload { frame, left: length };
                            if length == 0 {
                                self.end_frame(frame, limits, receiver);
                            }
                        }
                        Err(BadFrame) => {
                            receiver.anomaly(Anomaly::BadFrame);
                            receiver.unread(self.have as u64);
                            self.lose(receiver);
                        }
                    }
                }
                State::Payload { mut frame, left } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (payload, rest) = bytes.split_at(length);
                    bytes = rest;
                    receiver.payload(payload.len() as u64);
                    self.payload(&mut frame, payload, limits, receiver);
                    let left = left - payload.len() as u64;
                    self.state = State::Payload { frame, left };
                    if left == 0 {
                        self.end_frame(frame, limits, receiver);
                    }
                }
            }
        }
    }

    /// Bytes were never captured.
    pub fn gap(&mut self, lost: u64, limits: ReadLimits, receiver: &mut impl Receiver) {
        match self.state {
            State::Payload { mut frame, left } if lost <= left => {
                if !frame.opcode.is_control() {
                    self.spoil();
                }
                frame.rotate(lost);
                self.state = State::Payload { frame, left: left - lost };
                if lost == left {
                    self.end_frame(frame, limits, receiver);
                }
            }
            State::Head | State::Payload { .. } => self.lose(receiver),
            State::Closed | State::Lost => {}
        }
    }

    /// Nothing more will come: a message that is not over is told as one that was not read.
    pub fn finish(&mut self, receiver: &mut impl Receiver) {
        self.lose(receiver);
    }

    /// Where frames begin is not known from here on.
    fn lose(&mut self, receiver: &mut impl Receiver) {
        self.state = State::Lost;
        self.content = Vec::new();
        if let Some(message) = self.message.take() {
            receiver.message(message.kind, Content::Unread);
        }
    }

    /// The content of the message that is being read cannot be told any more, nor what was compressed with its help.
    fn spoil(&mut self) {
        let Some(message) = &mut self.message else { return };
        message.unread = true;
        if let Compression::Active { takeover: true, .. } = &self.compression
            && message.compressed
        {
            self.compression = Compression::OutOfStep;
        }
    }

    /// Reads the head as far as it came; `None` asks for more.
    fn parse(&self) -> Result<Option<(Frame, u64)>, BadFrame> {
        let head = self.head.get(..self.have).unwrap_or_default();
        let &[first, ref rest @ ..] = head else { return Ok(None) };
        let opcode = Opcode::of(first & 0x0f).ok_or(BadFrame)?;
        let (last, compressed, reserved) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x30 != 0);
        let begins = matches!(opcode, Opcode::Text | Opcode::Binary);
        let may_be_compressed = begins && !matches!(self.compression, Compression::None);
        let odd = !self.opaque && (reserved || compressed && !may_be_compressed)
            || opcode.is_control() && !last
            || begins && self.message.is_some()
            || opcode == Opcode::Continuation && self.message.is_none();
        if odd {
            return Err(BadFrame);
        }
        let &[second, ref rest @ ..] = rest else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if masked != (self.sender == Sender::Client) {
            return Err(BadFrame);
        }
        let (length, rest) = match second & 0x7f {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        // The shortest form must be used (RFC 6455 section 5.2).
        let shortest = match second & 0x7f {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < shortest
            || length > i64::MAX.unsigned_abs()
            || opcode.is_control() && length > MAX_CONTROL
        {
            return Err(BadFrame);
        }
        let mask = match (masked, rest.first_chunk()) {
            (true, None) => return Ok(None),
            (true, Some(mask)) => *mask,
            (false, _) => [0; 4],
        };
        Ok(Some((Frame { last, opcode, compressed, mask }, length)))
    }

    /// A frame begins.
    fn begin(
        &mut self,
        frame: Frame,
        limits: ReadLimits,
        inflaters: &mut usize,
        receiver: &mut impl Receiver,
    ) {
        let kind = match frame.opcode {
            Opcode::Continuation => return,
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.closed = 0;
                return;
            }
        };
        let mut unread = self.opaque || limits.content == 0;
        if frame.compressed && !unread {
            match &mut self.compression {
                Compression::Idle { takeover } if *inflaters > 0 => {
                    *inflaters -= 1;
                    self.compression =
                        Compression::Active { inflater: Inflater::default(), takeover: *takeover };
                }
                Compression::Idle { .. } => {
                    receiver.anomaly(Anomaly::InflateLimit);
                    self.compression = Compression::OutOfStep;
                    unread = true;
                }
                Compression::Active { inflater, takeover } => {
                    if !*takeover {
                        inflater.reset();
                    }
                }
                Compression::OutOfStep | Compression::None => unread = true,
            }
        }
        self.message = Some(Message { kind, compressed: frame.compressed, unread, cut: false, inflated: 0 });
    }

    /// Takes payload of a frame, which may be masked.
    fn payload(
        &mut self,
        frame: &mut Frame,
        payload: &[u8],
        limits: ReadLimits,
        receiver: &mut impl Receiver,
    ) {
        if frame.opcode.is_control() {
            for byte in payload {
                if let Some(slot) = self.close.get_mut(self.closed) {
                    *slot = byte ^ frame.mask.first().copied().unwrap_or_default();
                    self.closed += 1;
                }
                frame.rotate(1);
            }
            return;
        }
        let Some(message) = &mut self.message else { return };
        if message.unread {
            frame.rotate(payload.len() as u64);
            return;
        }
        if !message.compressed {
            let room = limits.content.saturating_sub(self.content.len());
            let kept = payload.get(..room).unwrap_or(payload);
            message.cut |= kept.len() < payload.len();
            let start = self.content.len();
            self.content.extend_from_slice(kept);
            unmask(self.content.get_mut(start..).unwrap_or_default(), frame.mask);
            frame.rotate(payload.len() as u64);
            return;
        }
        let mut plain = [0; 4_096];
        for piece in payload.chunks(plain.len()) {
            let Some(plain) = plain.get_mut(..piece.len()) else { return };
            plain.copy_from_slice(piece);
            unmask(plain, frame.mask);
            frame.rotate(piece.len() as u64);
            self.inflate(plain, limits, receiver);
        }
    }

    /// Decompresses the next bytes of a message.
    fn inflate(&mut self, bytes: &[u8], limits: ReadLimits, receiver: &mut impl Receiver) {
        let Some(message) = &mut self.message else { return };
        let Compression::Active { inflater, .. } = &mut self.compression else { return };
        if message.unread {
            return;
        }
        let left = limits.inflated.saturating_sub(message.inflated);
        let (outcome, produced) = inflater.feed(bytes, &mut self.content, limits.content, left);
        message.inflated += produced;
        message.cut |= message.inflated > self.content.len() as u64;
        match outcome {
            Inflated::Going => {}
            Inflated::Damaged | Inflated::TooMuch => {
                let why =
                    if outcome == Inflated::TooMuch { Anomaly::InflateLimit } else { Anomaly::BadMessage };
                receiver.anomaly(why);
                self.spoil();
            }
        }
    }

    /// A frame is over, and with it perhaps a message.
    fn end_frame(&mut self, frame: Frame, limits: ReadLimits, receiver: &mut impl Receiver) {
        self.state = State::Head;
        let control = match frame.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                if frame.last {
                    self.end_message(limits, receiver);
                }
                return;
            }
            Opcode::Close => {
                self.state = State::Closed;
                Control::Close((self.closed == 2).then(|| u16::from_be_bytes(self.close)))
            }
            Opcode::Ping => Control::Ping,
            Opcode::Pong => Control::Pong,
        };
        receiver.control(control);
        if frame.opcode == Opcode::Close
            && let Some(message) = self.message.take()
        {
            receiver.message(message.kind, Content::Unread);
        }
    }

    fn end_message(&mut self, limits: ReadLimits, receiver: &mut impl Receiver) {
        if self.message.is_some_and(|message| message.compressed) {
            self.inflate(&TAIL, limits, receiver);
        }
        let Some(message) = self.message.take() else { return };
        let content = match message {
            Message { unread: true, .. } => Content::Unread,
            Message { cut: true, .. } => Content::Front(&self.content),
            Message { .. } => Content::Whole(&self.content),
        };
        receiver.message(message.kind, content);
        if self.content.capacity() > MAX_SPARE {
            self.content = Vec::new();
        } else {
            self.content.clear();
        }
    }
}

impl Frame {
    /// Moves the mask on by so many bytes.
    fn rotate(&mut self, bytes: u64) {
        self.mask.rotate_left(usize::try_from(bytes % 4).unwrap_or_default());
    }
}

struct BadFrame;

/// Takes a mask off; its first byte belongs to the first byte.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    if mask == [0; 4] {
        return;
    }
    let [a, b, c, d] = mask;
    let eight = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut pieces = bytes.chunks_exact_mut(8);
    for piece in pieces.by_ref() {
        if let Some(piece) = piece.first_chunk_mut::<8>() {
            *piece = (u64::from_ne_bytes(*piece) ^ eight).to_ne_bytes();
        }
    }
    for (byte, key) in pieces.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Reads any bytes as either direction and asserts that cutting does not matter and that no bound is passed.
pub fn fuzz(data: &[u8]) {
    const LIMITS: ReadLimits = ReadLimits { content: 100, inflated: 1_000 };
    let deflate = Some(Deflate { client_no_takeover: false, server_no_takeover: true });
    for (sender, deflate) in [(Sender::Client, None), (Sender::Server, deflate), (Sender::Client, deflate)] {
        let extensions = Extensions { deflate, unknown: false };
        let mut told = [Told::default(), Told::default()];
        for (told, size) in told.iter_mut().zip([data.len().max(1), 1]) {
            let mut reader = Reader::new(sender, extensions);
            data.chunks(size).for_each(|piece| reader.feed(piece, LIMITS, &mut 1, told));
            reader.finish(told);
        }
        let [whole, cut] = told;
        assert_eq!(whole, cut, "cutting does not matter");
        assert!(whole.largest <= LIMITS.content, "the limit holds");
    }
}

/// What a fuzzed reader told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    payload: u64,
    messages: Vec<(Kind, Option<Vec<u8>>)>,
    controls: Vec<Control>,
    anomalies: Vec<Anomaly>,
    unread: u64,
    largest: usize,
}

impl Receiver for Told {
    fn payload(&mut self, bytes: u64) {
        self.payload += bytes;
    }

    fn message(&mut self, kind: Kind, content: Content<'_>) {
        let content = match content {
            Content::Whole(content) | Content::Front(content) => Some(content.to_vec()),
            Content::Unread => None,
        };
        self.largest = self.largest.max(content.as_ref().map_or(0, Vec::len));
        self.messages.push((kind, content));
    }

    fn control(&mut self, control: Control) {
        self.controls.push(control);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.unread += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression as Level, FlushCompress};
    use proptest::prelude::*;
    use tungstenite::Message as Sent;
    use tungstenite::protocol::Role;

    const LIMITS: ReadLimits = ReadLimits { content: 1 << 16, inflated: 1 << 20 };
    const TAKEOVER: Deflate = Deflate { client_no_takeover: false, server_no_takeover: false };
    const NO_TAKEOVER: Deflate = Deflate { client_no_takeover: true, server_no_takeover: true };

    fn reader(sender: Sender, deflate: Option<Deflate>) -> Reader {
        Reader::new(sender, Extensions { deflate, unknown: false })
    }

    fn read(reader: &mut Reader, bytes: &[u8]) -> Told {
        let mut told = Told::default();
        reader.feed(bytes, LIMITS, &mut 1, &mut told);
        told
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        match u8::try_from(payload.len()).ok().filter(|length| *length < 126) {
            Some(length) => [&[first, length], payload].concat(),
            None => {
                [&[first, 126][..], &u16::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
            }
        }
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut out = frame(first, payload);
        let start = out.len() - payload.len();
        out[1] |= 0x80;
        let coded: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        out.truncate(start);
        [out, mask.to_vec(), coded].concat()
    }

    /// Compresses messages as RFC 7692 says.
    struct Deflater(Compress);

    impl Deflater {
        fn new() -> Self {
            Self(Compress::new(Level::default(), false))
        }

        fn message(&mut self, content: &[u8]) -> Vec<u8> {
            let mut out = Vec::with_capacity(content.len() * 2 + 100);
            self.0.compress_vec(content, &mut out, FlushCompress::Sync).unwrap();
            assert!(out.ends_with(&TAIL));
            out.truncate(out.len() - TAIL.len());
            out
        }
    }

    fn text(content: &str) -> (Kind, Option<Vec<u8>>) {
        (Kind::Text, Some(content.as_bytes().to_vec()))
    }

    #[test]
    fn the_examples_of_the_rfcs_are_read() {
        // RFC 6455 section 5.7.
        let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(read(&mut reader(Sender::Server, None), &hello).messages, [text("Hello")]);
        let coded = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(&mut reader(Sender::Client, None), &coded).messages, [text("Hello")]);
        let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
        assert_eq!(read(&mut reader(Sender::Server, None), &fragments).messages, [text("Hello")]);
        // RFC 7692 section 7.2.3: one block, a shared window, no compression, BFINAL set, two blocks.
        let examples: [&[u8]; 6] = [
            &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            &[0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00],
        ];
        let mut reader = reader(Sender::Server, Some(TAKEOVER));
        for example in examples {
            let told = read(&mut reader, example);
            assert_eq!((told.messages, told.anomalies), (vec![text("Hello")], Vec::new()), "{example:x?}");
        }
    }

    #[test]
    fn handshakes_are_checked_and_extensions_found() {
        assert!(accepts(b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!accepts(b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xO0="));
        for (value, deflate, unknown) in [
            ("", None, false),
            ("permessage-deflate", Some(TAKEOVER), false),
            (
                "permessage-deflate; server_no_context_takeover;client_no_context_takeover",
                Some(NO_TAKEOVER),
                false,
            ),
            ("permessage-deflate; client_max_window_bits=10", Some(TAKEOVER), false),
            ("x-webkit-deflate-frame", None, true),
        ] {
            let mut extensions = Extensions::default();
            extensions.add(value.as_bytes());
            assert_eq!(extensions, Extensions { deflate, unknown }, "{value}");
        }
    }

    #[test]
    fn control_frames_stand_between_fragments() {
        let bytes = [
            masked(0x01, b"one "),
            masked(0x89, b"ping"),
            masked(0x00, b"two "),
            masked(0x8a, b""),
            masked(0x80, b"three"),
            masked(0x88, &[0x03, 0xe9, b'b', b'y', b'e']),
            vec![1, 2, 3],
        ]
        .concat();
        let told = read(&mut reader(Sender::Client, None), &bytes);
        assert_eq!(told.messages, [text("one two three")]);
        assert_eq!(told.controls, [Control::Ping, Control::Pong, Control::Close(Some(1001))]);
        assert_eq!((told.payload, told.unread), (4 + 4 + 4 + 5 + 5, 3));
    }

    #[test]
    fn a_frame_that_breaks_the_rules_ends_the_reading() {
        for (what, sender, bytes) in [
            ("a client's without mask", Sender::Client, frame(0x81, b"hello")),
            ("a server's with one", Sender::Server, masked(0x81, b"hello")),
            ("an unknown opcode", Sender::Server, frame(0x83, b"hello")),
            ("a reserved bit", Sender::Server, frame(0xa1, b"hello")),
            ("compression that was not agreed on", Sender::Server, frame(0xc1, b"hello")),
            ("a fragment of nothing", Sender::Server, frame(0x80, b"hello")),
            (
                "a message within a message",
                Sender::Server,
                [frame(0x01, b"a"), frame(0x81, b"hello")].concat(),
            ),
            ("a fragmented ping", Sender::Server, frame(0x09, b"hello")),
            ("a long ping", Sender::Server, frame(0x89, &[0; 126])),
            ("a length written too long", Sender::Server, vec![0x82, 126, 0, 5, 1, 2, 3, 4, 5]),
        ] {
            let mut reader = reader(sender, None);
            let told = read(&mut reader, &[bytes, frame(0x81, b"more")].concat());
            assert_eq!(told.anomalies, [Anomaly::BadFrame], "{what}");
            assert!(told.messages.iter().all(|(_, content)| content.is_none()), "{what}");
            assert!(reader.is_lost() && told.unread > 0, "{what}");
        }
    }

    #[test]
    fn a_hole_costs_what_it_must() {
        let gap = |reader: &mut Reader, lost| {
            let mut told = Told::default();
            reader.gap(lost, LIMITS, &mut told);
            told
        };
        // Within a payload: that message alone. The mask goes on where it would be.
        let mut plain = reader(Sender::Client, None);
        read(&mut plain, &masked(0x01, b"0123456789")[..10]);
        assert_eq!(gap(&mut plain, 3).messages, []);
        let told = read(&mut plain, &[masked(0x80, b"")[..0].to_vec(), vec![0; 3]].concat());
        assert_eq!(told.messages, []);
        let told = read(&mut plain, &[masked(0x80, b"rest"), masked(0x81, b"next")].concat());
        assert_eq!(told.messages, [(Kind::Text, None), text("next")]);
        // The end of a payload: the next frame begins behind the hole.
        read(&mut plain, &masked(0x81, b"0123456789")[..10]);
        assert_eq!(gap(&mut plain, 6).messages, [(Kind::Text, None)]);
        assert_eq!(read(&mut plain, &masked(0x81, b"next")).messages, [text("next")]);
        // Beyond, nothing is sure.
        read(&mut plain, &masked(0x81, b"0123456789")[..10]);
        assert_eq!(gap(&mut plain, 7).messages, [(Kind::Text, None)]);
        assert_eq!(read(&mut plain, &masked(0x81, b"next")).unread, 10);
        // A shared context is spoilt, one of each message's own is not.
        for (agreed, then) in [(TAKEOVER, (Kind::Text, None)), (NO_TAKEOVER, text("again"))] {
            let mut reader = reader(Sender::Server, Some(agreed));
            read(&mut reader, &frame(0xc1, &Deflater::new().message(b"first")));
            read(&mut reader, &frame(0xc1, &Deflater::new().message(b"a longer message"))[..4]);
            gap(&mut reader, 5);
            read(&mut reader, &frame(0xc1, &Deflater::new().message(b"a longer message"))[9..]);
            let told = read(&mut reader, &frame(0xc1, &Deflater::new().message(b"again")));
            assert_eq!(told.messages, [then], "{agreed:?}");
            assert_eq!(read(&mut reader, &frame(0x81, b"plain")).messages, [text("plain")]);
        }
    }

    #[test]
    fn limits_hold() {
        let bomb = Deflater::new().message(&vec![b'a'; 60_000]);
        let limits = ReadLimits { content: 100, inflated: 50_000 };
        let mut reader = reader(Sender::Server, Some(TAKEOVER));
        let mut told = Told::default();
        reader.feed(&frame(0xc1, &bomb), limits, &mut 1, &mut told);
        reader.feed(&frame(0xc1, &Deflater::new().message(b"next")), limits, &mut 1, &mut told);
        assert_eq!(told.anomalies, [Anomaly::InflateLimit]);
        assert_eq!(told.messages, [(Kind::Text, None), (Kind::Text, None)]);
        // Long contents are kept in front, and what follows is read.
        let limits = ReadLimits { content: 100, inflated: 1 << 20 };
        for bytes in [frame(0xc1, &bomb), frame(0x81, &vec![b'a'; 60_000])] {
            let mut reader = super::tests::reader(Sender::Server, Some(NO_TAKEOVER));
            let mut told = Told::default();
            reader.feed(&[bytes, frame(0x81, b"next")].concat(), limits, &mut 1, &mut told);
            assert_eq!(told.messages, [(Kind::Text, Some(vec![b'a'; 100])), text("next")]);
        }
        // No more decompressors than there may be.
        let mut told = Told::default();
        let mut reader = super::tests::reader(Sender::Server, Some(TAKEOVER));
        reader.feed(&frame(0xc1, &Deflater::new().message(b"x")), LIMITS, &mut 0, &mut told);
        assert_eq!((told.anomalies, reader.inflates()), (vec![Anomaly::InflateLimit], false));
    }

    /// Messages as tungstenite sends them.
    fn sent(role: Role, messages: &[Sent]) -> Vec<u8> {
        #[derive(Default)]
        struct Wire(Vec<u8>);
        impl std::io::Read for Wire {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::WouldBlock.into())
            }
        }
        impl std::io::Write for Wire {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut socket = tungstenite::WebSocket::from_raw_socket(Wire::default(), role, None);
        for message in messages {
            socket.send(message.clone()).unwrap();
        }
        std::mem::take(&mut socket.get_mut().0)
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }

        #[test]
        fn any_small_frames_are_taken(frames in proptest::collection::vec((prop_oneof![Just(0x81_u8), Just(0x01), Just(0x80), Just(0xc1), Just(0x41), Just(0x89), Just(0x88)], proptest::collection::vec(any::<u8>(), 0..20)), 0..20)) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
            fuzz(&bytes);
            let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| masked(*first, payload)).collect();
            fuzz(&bytes);
        }

        /// What a real library sends is read, however it is cut.
        #[test]
        fn what_was_sent_is_read(texts in proptest::collection::vec(".{0,300}", 0..8), client in any::<bool>(), size in 1_usize..200) {
            let (role, sender) = if client { (Role::Client, Sender::Client) } else { (Role::Server, Sender::Server) };
            let messages: Vec<Sent> = texts.iter().map(|text| Sent::text(text.clone())).collect();
            let mut reader = reader(sender, None);
            let mut told = Told::default();
            sent(role, &messages).chunks(size).for_each(|piece| reader.feed(piece, LIMITS, &mut 0, &mut told));
            let wanted: Vec<_> = texts.iter().map(|content| text(content)).collect();
            prop_assert_eq!(told.messages, wanted);
            prop_assert_eq!(told.anomalies, vec![]);
        }

        /// What a real compressor makes is read, in fragments, with a context and without.
        #[test]
        fn what_was_compressed_is_read(texts in proptest::collection::vec("[a-f]{1,400}", 0..8), takeover in any::<bool>(), size in 1_usize..100) {
            let mut reader = reader(Sender::Client, Some(if takeover { TAKEOVER } else { NO_TAKEOVER }));
            let mut told = Told::default();
            let mut deflater = Deflater::new();
            for content in &texts {
                if !takeover {
                    deflater = Deflater::new();
                }
                let bytes = deflater.message(content.as_bytes());
                let last = bytes.chunks(size).count().saturating_sub(1);
                for (at, piece) in bytes.chunks(size).enumerate() {
                    let first = if at == 0 { 0x41 } else { 0 } | if at == last { 0x80 } else { 0 };
                    let frame = masked(first, piece);
                    let (front, back) = frame.split_at(frame.len() / 2);
                    reader.feed(front, LIMITS, &mut 1, &mut told);
                    reader.feed(back, LIMITS, &mut 1, &mut told);
                }
            }
            let wanted: Vec<_> = texts.iter().map(|content| text(content)).collect();
            prop_assert_eq!(told.messages, wanted);
        }
    }
}
