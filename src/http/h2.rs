//! The frames of an HTTP/2 connection (RFC 9113), both directions.
//!
//! ```text
//!  client's preface ─▶ Head ─▶ Data ──────────────▶ Head       DATA: handed on as it comes, padding taken away
//!                       │ ▲ ─▶ Collect ─▶ whole ──▶ Head       what carries fields or settings: read as a whole
//!                       │ │ ─▶ Skip ──────────────▶ Head       what tells nothing of messages
//!                       │ └──────────── a frame is found
//!   unsound, or a gap   ▼                │
//!   that hides a head  Lost ─────────────┘
//! ```
//!
//! A [`Reader`] for each direction takes bytes however they were cut and calls a [`Receiver`]. Only frames that
//! span segments, and blocks that span frames, are copied. A hole costs what it hits:
//!
//! * inside DATA, bytes of that stream;
//! * inside a frame of no account, nothing;
//! * inside a header block, the fields behind it, and what [`hpack`] would need them for later on;
//! * elsewhere, all frames up to where one is found again: [`Receiver::lost`] says that any stream may lack
//!   something.
//!
//! A connection joined midway begins lost in both directions, and [`recognise`] tells who is who.

use super::h2_frame::{self, FrameHead, Kind, flag};
use super::hpack::{Decoder, HeaderList, ListLimits};
use crate::anomaly::Anomaly;
use crate::flow::Moment;
use crate::time::Timestamp;

/// A direction, by who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// What the client sends.
    Server,
    /// What the server sends.
    Client,
}

/// What a direction's frames come to. Streams are told apart by number.
pub trait Receiver {
    /// A block of fields that begins or ends a message, with the moments of its first and its last byte. It is
    /// not `whole` when only its front was captured or could be read.
    fn headers(&mut self, stream: u32, fields: &HeaderList, whole: bool, first: &Moment, last: &Moment);
    /// The fields of a request that the server asks itself, which `promised` will answer.
    fn promise(&mut self, promised: u32, fields: &HeaderList, whole: bool, first: &Moment, last: &Moment);
    /// The next bytes of content.
    fn data(&mut self, stream: u32, bytes: &[u8], at: &Moment);
    /// So many bytes of content were never captured.
    fn data_gap(&mut self, stream: u32, lost: u64);
    /// The message is over in this direction.
    fn end(&mut self, stream: u32, at: Option<&Moment>);
    /// The stream is over in both directions before its time.
    fn reset(&mut self, stream: u32, at: &Moment);
    /// The sender will not look at streams above this one.
    fn go_away(&mut self, last_stream: u32);
    /// Frames may have been lost, whatever they held.
    fn lost(&mut self);
    /// Something odd.
    fn anomaly(&mut self, anomaly: Anomaly);
    /// Bytes that belong to no message.
    fn unread(&mut self, bytes: u64);
}

/// The bounds of a reader.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes and fields of one block.
    pub list: ListLimits,
    /// CONTINUATION frames of one block.
    pub continuations: u32,
    /// Frames that move nothing, in a second of packet time.
    pub idle_frames: u32,
    /// Bytes of each direction's HPACK table.
    pub table: usize,
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Connection {
    to_server: Reader,
    to_client: Reader,
}

impl Connection {
    /// A connection whose client is about to send its preface.
    #[must_use]
    pub const fn new(limits: ReadLimits) -> Self {
        let start = Decoder::new(limits.table);
        let to_server = Reader::new(State::Preface(0), start);
        let to_client = Reader::new(State::Head, Decoder::new(limits.table));
        Self { to_server, to_client }
    }

    /// A connection joined midway.
    #[must_use]
    pub fn joined(limits: ReadLimits) -> Self {
        let reader = || {
            let mut reader = Reader::new(State::Lost, Decoder::joined(limits.table));
            reader.max_frame = ANY_FRAME;
            reader
        };
        Self { to_server: reader(), to_client: reader() }
    }

    /// Takes the next bytes of a direction. `fields` is scratch.
    pub fn feed(
        &mut self,
        toward: Toward,
        bytes: &[u8],
        at: &Moment,
        limits: ReadLimits,
        fields: &mut HeaderList,
        to: &mut impl Receiver,
    ) {
        let (reader, other) = self.readers(toward);
        Feed { reader, other, at, limits, fields, to }.bytes(bytes);
    }

    /// Takes a hole of `lost` bytes.
    pub fn gap(
        &mut self,
        toward: Toward,
        lost: u64,
        at: &Moment,
        limits: ReadLimits,
        fields: &mut HeaderList,
        to: &mut impl Receiver,
    ) {
        let (reader, other) = self.readers(toward);
        Feed { reader, other, at, limits, fields, to }.gap(lost);
    }

    /// Nothing more will come.
    pub fn close(&mut self, toward: Toward, to: &mut impl Receiver) {
        let (reader, _) = self.readers(toward);
        to.unread(reader.partial.len() as u64);
        reader.partial = Vec::new();
    }

    const fn readers(&mut self, toward: Toward) -> (&mut Reader, &mut Reader) {
        match toward {
            Toward::Server => (&mut self.to_server, &mut self.to_client),
            Toward::Client => (&mut self.to_client, &mut self.to_server),
        }
    }
}

/// The largest length that a frame's head can state.
const ANY_FRAME: u32 = 0x00ff_ffff;

/// The client's preface (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a block that are looked at to find out who sent it.
const PEEKED: usize = 512;

/// Who receives `bytes`, which start a segment of a connection joined midway; `None` when nothing says that they are
/// HTTP/2. That takes a block of fields whose first ones only a request or only a response has.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<Toward> {
    let start = h2_frame::find(bytes)?;
    let mut fields = HeaderList::default();
    h2_frame::frames(bytes.get(start..)?).take_while(|(head, _)| head.is_usual()).find_map(
        |(head, payload)| {
            if head.kind != Kind::Headers || !head.has(flag::END_HEADERS) {
                return None;
            }
            let (_, block) = front_fragment(head, payload)?;
            let limits = ListLimits { bytes: 4 * PEEKED, lines: 4 };
            // The rest of the block may be cut off or padding: only its front counts.
            let _cut =
                Decoder::joined(4_096).decode(block.get(..PEEKED).unwrap_or(block), limits, &mut fields);
            let mut fields = fields.iter();
            match fields.next()? {
                (b":status", [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) => Some(Toward::Client),
                first => {
                    let of_request =
                        |name: &[u8]| matches!(name, b":method" | b":scheme" | b":path" | b":authority");
                    let both = of_request(first.0) && of_request(fields.next()?.0);
                    both.then_some(Toward::Server)
                }
            }
        },
    )
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In the client's preface, of which so many bytes were read.
    Preface(usize),
    /// Before a frame, or in its head.
    Head,
    /// Before the byte of a DATA frame that says how much padding it has.
    Padding(FrameHead),
    /// In a DATA frame with so many bytes left, of which the last are padding.
    Data { head: FrameHead, left: u32, padding: u32 },
    /// In a frame that is read as a whole.
    Collect(FrameHead),
    /// In a frame that is passed over, with so many bytes left.
    Skip { left: u32 },
    /// Where frames begin is not known.
    Lost,
}

/// A block whose end has not come.
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: u32,
    /// The stream that will answer, when this is a promise.
    promised: Option<u32>,
    end_stream: bool,
    first: Moment,
    frames: u32,
    /// It is passed over: a part is missing, or it goes beyond a limit.
    given_up: bool,
}

/// One direction.
#[derive(Debug)]
struct Reader {
    state: State,
    decoder: Decoder,
    /// The largest frame that the other end takes.
    max_frame: u32,
    /// The front of a head or frame that spans segments.
    partial: Vec<u8>,
    /// When the first byte of the frame came.
    first: Option<Moment>,
    open: Option<Block>,
    /// The fragments of the open block.
    fragments: Vec<u8>,
    /// A second of packet time, and frames in it that moved nothing.
    idle: (i64, u32),
}

impl Reader {
    const fn new(state: State, decoder: Decoder) -> Self {
        Self {
            state,
            decoder,
            max_frame: h2_frame::DEFAULT_MAX,
            partial: Vec::new(),
            first: None,
            open: None,
            fragments: Vec::new(),
            idle: (0, 0),
        }
    }
}

/// A reader with all it needs for one step.
struct Feed<'a, R> {
    reader: &'a mut Reader,
    other: &'a mut Reader,
    at: &'a Moment,
    limits: ReadLimits,
    fields: &'a mut HeaderList,
    to: &'a mut R,
}

impl<R: Receiver> Feed<'_, R> {
    fn bytes(&mut self, mut bytes: &[u8]) {
        if matches!(self.reader.state, State::Lost) {
            let found = h2_frame::find(bytes);
            self.to.unread(found.unwrap_or(bytes.len()) as u64);
            let Some(rest) = found.and_then(|found| bytes.get(found..)) else { return };
            bytes = rest;
            self.reader.state = State::Head;
        }
        while !bytes.is_empty() {
            bytes = match self.reader.state {
                State::Preface(read) => self.preface(read, bytes),
                State::Head => self.head(bytes),
                State::Padding(head) => self.padding(head, bytes),
                State::Data { head, left, padding } => self.data(head, left, padding, bytes),
                State::Collect(head) => self.collect(head, bytes),
                State::Skip { left } => {
                    let (passed, rest) = bytes.split_at((left as usize).min(bytes.len()));
                    self.skip(left - length(passed));
                    rest
                }
                State::Lost => {
                    self.to.unread(bytes.len() as u64);
                    return;
                }
            };
        }
    }

    fn preface<'b>(&mut self, read: usize, bytes: &'b [u8]) -> &'b [u8] {
        let wanted = PREFACE.get(read..).unwrap_or_default();
        let (front, rest) = bytes.split_at(wanted.len().min(bytes.len()));
        if !wanted.starts_with(front) {
            return self.refuse(bytes);
        }
        let read = read + front.len();
        self.reader.state = if read == PREFACE.len() { State::Head } else { State::Preface(read) };
        rest
    }

    fn head<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let reader = &mut *self.reader;
        let first = *reader.first.get_or_insert(*self.at);
        if reader.partial.is_empty()
            && let Some((head, rest)) = bytes.split_first_chunk()
        {
            reader.first = None;
            return self.frame(FrameHead::read(*head), &first, rest);
        }
        let missing = h2_frame::HEAD.saturating_sub(reader.partial.len());
        let (front, rest) = bytes.split_at(missing.min(bytes.len()));
        reader.partial.extend_from_slice(front);
        let Some(head) = reader.partial.first_chunk() else { return rest };
        let head = FrameHead::read(*head);
        reader.partial.clear();
        reader.first = None;
        self.frame(head, &first, rest)
    }

    /// A frame begins; its payload is in front of `rest`, as far as it came.
    fn frame<'b>(&mut self, head: FrameHead, first: &Moment, rest: &'b [u8]) -> &'b [u8] {
        if !head.is_sound(self.reader.max_frame) {
            return self.refuse(rest);
        }
        if let Some(open) = self.reader.open
            && (head.kind != Kind::Continuation || head.stream != open.stream)
        {
            // Nothing may stand between the frames of a block (RFC 9113 section 6.10).
            self.to.anomaly(Anomaly::BadFrame);
            self.cut_block();
        }
        self.count_idle(head);
        match head.kind {
            Kind::Data if head.has(flag::PADDED) => {
                self.reader.state = State::Padding(head);
                if head.len == 0 {
                    self.to.anomaly(Anomaly::BadFrame);
                    self.data_over(head);
                }
                rest
            }
            Kind::Data => {
                self.reader.state = State::Data { head, left: head.len, padding: 0 };
                if head.len == 0 {
                    self.data_over(head);
                }
                rest
            }
            Kind::Headers | Kind::PushPromise | Kind::Continuation
                if head.len as usize > self.limits.list.bytes =>
            {
                self.to.anomaly(Anomaly::HeadTooLong);
                self.give_up(head, first, &[]);
                self.skip(head.len);
                rest
            }
            Kind::GoAway | Kind::Settings if head.len as usize > self.limits.list.bytes => {
                self.skip(head.len);
                rest
            }
            Kind::Headers
            | Kind::PushPromise
            | Kind::Continuation
            | Kind::Settings
            | Kind::ResetStream
            | Kind::GoAway => {
                if let Some((payload, rest)) = rest.split_at_checked(head.len as usize) {
                    self.reader.state = State::Head;
                    self.payload(head, first, payload);
                    return rest;
                }
                self.reader.partial.extend_from_slice(rest);
                self.reader.first = Some(*first);
                self.reader.state = State::Collect(head);
                &[]
            }
            Kind::Priority | Kind::Ping | Kind::WindowUpdate | Kind::Other(_) => {
                self.skip(head.len);
                rest
            }
        }
    }

    fn collect<'b>(&mut self, head: FrameHead, bytes: &'b [u8]) -> &'b [u8] {
        let missing = (head.len as usize).saturating_sub(self.reader.partial.len());
        let (front, rest) = bytes.split_at(missing.min(bytes.len()));
        self.reader.partial.extend_from_slice(front);
        if front.len() == missing {
            self.reader.state = State::Head;
            let first = self.reader.first.take().unwrap_or(*self.at);
            let mut partial = std::mem::take(&mut self.reader.partial);
            self.payload(head, &first, &partial);
            partial.clear();
            self.reader.partial = partial;
        }
        rest
    }

    const fn skip(&mut self, left: u32) {
        self.reader.state = if left == 0 { State::Head } else { State::Skip { left } };
    }

    fn padding<'b>(&mut self, head: FrameHead, bytes: &'b [u8]) -> &'b [u8] {
        let Some((&padding, rest)) = bytes.split_first() else { return bytes };
        let left = head.len.saturating_sub(1);
        let mut padding = u32::from(padding);
        if padding > left {
            self.to.anomaly(Anomaly::BadFrame);
            padding = left;
        }
        self.reader.state = State::Data { head, left, padding };
        if left == 0 {
            self.data_over(head);
        }
        rest
    }

    fn data<'b>(&mut self, head: FrameHead, left: u32, padding: u32, bytes: &'b [u8]) -> &'b [u8] {
        let (all, rest) = bytes.split_at((left as usize).min(bytes.len()));
        let content = left.saturating_sub(padding) as usize;
        let content = all.get(..content).unwrap_or(all);
        if !content.is_empty() {
            self.to.data(head.stream, content, self.at);
        }
        let left = left - length(all);
        self.reader.state = State::Data { head, left, padding };
        if left == 0 {
            self.data_over(head);
        }
        rest
    }

    fn data_over(&mut self, head: FrameHead) {
        self.reader.state = State::Head;
        if head.has(flag::END_STREAM) {
            self.to.end(head.stream, Some(self.at));
        }
    }

    /// A frame that was read as a whole.
    fn payload(&mut self, head: FrameHead, first: &Moment, payload: &[u8]) {
        match head.kind {
            Kind::Headers | Kind::PushPromise => {
                if let Some((promised, fragment)) = fragment(head, payload) {
                    self.fragment(head, promised, first, fragment);
                } else {
                    self.to.anomaly(Anomaly::BadFrame);
                    self.give_up(head, first, &[]);
                }
            }
            Kind::Continuation => self.continuation(head, payload),
            Kind::Settings => self.settings(head, payload),
            Kind::ResetStream => self.to.reset(head.stream, self.at),
            Kind::GoAway => {
                if let Some(last) = payload.first_chunk() {
                    self.to.go_away(u32::from_be_bytes(*last) & 0x7fff_ffff);
                }
            }
            Kind::Data | Kind::Priority | Kind::Ping | Kind::WindowUpdate | Kind::Other(_) => {}
        }
    }

    /// The first fragment of a block.
    fn fragment(&mut self, head: FrameHead, promised: Option<u32>, first: &Moment, fragment: &[u8]) {
        let block = block_of(head, promised, first);
        if head.has(flag::END_HEADERS) {
            self.block(block, fragment);
        } else {
            self.reader.fragments.clear();
            self.reader.fragments.extend_from_slice(fragment);
            self.reader.open = Some(block);
        }
    }

    fn continuation(&mut self, head: FrameHead, payload: &[u8]) {
        let Some(mut block) = self.reader.open.take() else {
            // Its beginning was lost, or there was none.
            self.reader.decoder.poison();
            return;
        };
        let over = head.has(flag::END_HEADERS);
        block.frames = block.frames.saturating_add(1);
        if !block.given_up {
            let flood = block.frames > self.limits.continuations;
            if flood || self.reader.fragments.len() + payload.len() > self.limits.list.bytes {
                self.to.anomaly(if flood { Anomaly::ContinuationFlood } else { Anomaly::HeadTooLong });
                self.reader.open = Some(block);
                self.cut_block();
                block.given_up = true;
            }
        }
        if block.given_up {
            self.reader.open = (!over).then_some(block);
            return;
        }
        self.reader.fragments.extend_from_slice(payload);
        if !over {
            self.reader.open = Some(block);
            return;
        }
        let mut fragments = std::mem::take(&mut self.reader.fragments);
        self.block(block, &fragments);
        fragments.clear();
        if fragments.capacity() <= MAX_KEPT {
            self.reader.fragments = fragments;
        }
    }

    /// A block that is whole.
    fn block(&mut self, block: Block, bytes: &[u8]) {
        let read = self.reader.decoder.decode(bytes, self.limits.list, self.fields);
        if read.is_err() {
            self.to.anomaly(Anomaly::BadHeaderBlock);
        }
        self.tell(block, read.is_ok());
    }

    /// The front of a block whose rest is missing.
    fn front(&mut self, block: Block, bytes: &[u8]) {
        // That it ends early is known; the fields before that are read.
        let _cut = self.reader.decoder.decode(bytes, self.limits.list, self.fields);
        self.reader.decoder.poison();
        self.tell(block, false);
    }

    fn tell(&mut self, block: Block, whole: bool) {
        if self.fields.table_too_large {
            self.to.anomaly(Anomaly::HeaderTableLimit);
        }
        match block.promised {
            Some(promised) => self.to.promise(promised, self.fields, whole, &block.first, self.at),
            None => self.to.headers(block.stream, self.fields, whole, &block.first, self.at),
        }
        if block.end_stream {
            self.to.end(block.stream, Some(self.at));
        }
    }

    /// Tells what is there of a block, or of one that begins in this frame with `payload`, and passes over the
    /// rest of it.
    fn give_up(&mut self, head: FrameHead, first: &Moment, payload: &[u8]) {
        if head.kind == Kind::Continuation {
            self.reader.fragments.extend_from_slice(payload);
            self.cut_block();
        } else {
            // Without the length of the padding, its end cannot be told: the front is enough.
            let (promised, fragment) = front_fragment(head, payload).unwrap_or((None, &[]));
            if head.kind == Kind::Headers || promised.is_some() {
                self.front(block_of(head, promised, first), fragment);
            }
            self.reader.decoder.poison();
            self.reader.open = Some(Block { given_up: true, ..block_of(head, promised, first) });
        }
        if head.has(flag::END_HEADERS) {
            self.reader.open = None;
        }
    }

    /// Ends the open block with what is there of it.
    fn cut_block(&mut self) {
        let fragments = std::mem::take(&mut self.reader.fragments);
        match self.reader.open.take() {
            Some(block) if !block.given_up => {
                self.front(block, &fragments);
                self.reader.open = Some(Block { given_up: true, ..block });
            }
            Some(_) | None => {}
        }
    }

    fn settings(&mut self, head: FrameHead, payload: &[u8]) {
        if head.has(flag::ACK) {
            self.reader.decoder.acknowledge();
            return;
        }
        for setting in payload.chunks_exact(6) {
            let &[i0, i1, v0, v1, v2, v3] = setting else { continue };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => self.other.decoder.announce(value),
                // A smaller one holds once it is acknowledged; until then larger frames may come.
                MAX_FRAME_SIZE => {
                    self.other.max_frame = self.other.max_frame.max(value.min(ANY_FRAME));
                }
                _ => {}
            }
        }
    }

    /// Frames that cost their receiver work and move nothing are counted by the second.
    fn count_idle(&mut self, head: FrameHead) {
        let idle = match head.kind {
            Kind::Data => head.len <= 1 && !head.has(flag::END_STREAM),
            Kind::Headers | Kind::Continuation => head.len == 0,
            Kind::Settings | Kind::Ping => !head.has(flag::ACK),
            Kind::Priority => true,
            Kind::ResetStream | Kind::PushPromise | Kind::GoAway | Kind::WindowUpdate | Kind::Other(_) => {
                false
            }
        };
        if !idle {
            return;
        }
        let second = second(self.at.ts);
        let (counted, frames) = &mut self.reader.idle;
        if *counted != second {
            (*counted, *frames) = (second, 0);
        }
        *frames = frames.saturating_add(1);
        if *frames == self.limits.idle_frames.saturating_add(1) {
            self.to.anomaly(Anomaly::FrameFlood);
        }
    }

    /// What should be a frame is none.
    fn refuse<'b>(&mut self, rest: &[u8]) -> &'b [u8] {
        self.to.anomaly(Anomaly::BadFrame);
        self.to.unread(rest.len() as u64);
        self.lose();
        &[]
    }

    /// Where frames begin is no longer known.
    fn lose(&mut self) {
        if let State::Collect(head) = self.reader.state
            && matches!(head.kind, Kind::Headers | Kind::PushPromise | Kind::Continuation)
        {
            self.cut_frame(head);
        }
        self.cut_block();
        self.reader.open = None;
        self.to.unread(self.reader.partial.len() as u64);
        self.reader.partial.clear();
        self.reader.first = None;
        self.reader.decoder.poison();
        self.reader.state = State::Lost;
        self.to.lost();
    }

    /// Reads the front of a frame with fields whose rest is missing.
    fn cut_frame(&mut self, head: FrameHead) {
        let first = self.reader.first.take().unwrap_or(*self.at);
        let mut partial = std::mem::take(&mut self.reader.partial);
        self.give_up(head, &first, &partial);
        partial.clear();
        self.reader.partial = partial;
    }

    fn gap(&mut self, lost: u64) {
        let within = |left: u32| u32::try_from(lost).ok().filter(|lost| *lost <= left);
        match self.reader.state {
            State::Data { head, left, padding } => {
                let Some(lost) = within(left) else {
                    self.to.data_gap(head.stream, u64::from(left.saturating_sub(padding)));
                    return self.lose();
                };
                self.data_lost(head, left, padding, lost);
            }
            State::Padding(head) => {
                let Some(lost) = within(head.len) else { return self.lose() };
                // How much of it is padding is lost too.
                self.data_lost(head, head.len, 0, lost);
            }
            State::Collect(head) => {
                let missing = head.len.saturating_sub(length(&self.reader.partial));
                let Some(lost) = within(missing) else { return self.lose() };
                if matches!(head.kind, Kind::Headers | Kind::PushPromise | Kind::Continuation) {
                    self.cut_frame(head);
                } else {
                    self.reader.partial.clear();
                    self.reader.first = None;
                }
                self.skip(missing - lost);
            }
            State::Skip { left } => {
                let Some(lost) = within(left) else { return self.lose() };
                self.skip(left - lost);
            }
            State::Preface(_) | State::Head => self.lose(),
            State::Lost => {}
        }
    }

    fn data_lost(&mut self, head: FrameHead, left: u32, padding: u32, lost: u32) {
        self.to.data_gap(head.stream, u64::from(lost.min(left.saturating_sub(padding))));
        let left = left - lost;
        self.reader.state = State::Data { head, left, padding: padding.min(left) };
        if left == 0 {
            self.data_over(head);
        }
    }
}

const HEADER_TABLE_SIZE: u16 = 1;
const MAX_FRAME_SIZE: u16 = 5;

/// A buffer of fragments larger than this is not kept.
const MAX_KEPT: usize = 16 << 10;

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

const fn block_of(head: FrameHead, promised: Option<u32>, first: &Moment) -> Block {
    let end_stream = matches!(head.kind, Kind::Headers) && head.has(flag::END_STREAM);
    Block { stream: head.stream, promised, end_stream, first: *first, frames: 0, given_up: false }
}

/// The promised stream, if any, and the fragment in a frame that begins a block.
fn fragment(head: FrameHead, payload: &[u8]) -> Option<(Option<u32>, &[u8])> {
    behind_prefix(head, h2_frame::unpadded(head, payload)?)
}

/// The same for the front of a payload, in which padding cannot be told apart.
fn front_fragment(head: FrameHead, payload: &[u8]) -> Option<(Option<u32>, &[u8])> {
    behind_prefix(head, if head.has(flag::PADDED) { payload.get(1..)? } else { payload })
}

fn behind_prefix(head: FrameHead, payload: &[u8]) -> Option<(Option<u32>, &[u8])> {
    if head.kind == Kind::PushPromise {
        let (promised, fragment) = payload.split_first_chunk()?;
        return Some((Some(u32::from_be_bytes(*promised) & 0x7fff_ffff), fragment));
    }
    let fragment = if head.has(flag::PRIORITY) { payload.get(5..)? } else { payload };
    Some((None, fragment))
}

/// The second of packet time that a moment is in.
#[must_use]
pub const fn second(ts: Timestamp) -> i64 {
    ts.as_nanos().div_euclid(1_000_000_000)
}

/// Takes any bytes as a connection in both directions, whole and byte by byte, and asserts that it reads the same.
pub fn fuzz(data: &[u8]) {
    /// A digest of what was told, and how often a direction was lost.
    #[derive(Default, PartialEq, Eq, Debug)]
    struct Told(Vec<(u32, u8)>, Vec<u8>);

    impl Receiver for Told {
        fn headers(&mut self, stream: u32, fields: &HeaderList, whole: bool, _: &Moment, _: &Moment) {
            self.0.push((stream, u8::from(whole)));
            self.1.extend_from_slice(fields.bytes());
        }
        fn promise(&mut self, promised: u32, fields: &HeaderList, _: bool, _: &Moment, _: &Moment) {
            self.0.push((promised, 2));
            self.1.extend_from_slice(fields.bytes());
        }
        fn data(&mut self, _: u32, bytes: &[u8], _: &Moment) {
            self.1.extend_from_slice(bytes);
        }
        fn data_gap(&mut self, stream: u32, _: u64) {
            self.0.push((stream, 3));
        }
        fn end(&mut self, stream: u32, _: Option<&Moment>) {
            self.0.push((stream, 4));
        }
        fn reset(&mut self, stream: u32, _: &Moment) {
            self.0.push((stream, 5));
        }
        fn go_away(&mut self, last_stream: u32) {
            self.0.push((last_stream, 6));
        }
        fn lost(&mut self) {
            self.0.push((0, 7));
        }
        fn anomaly(&mut self, _: Anomaly) {}
        fn unread(&mut self, _: u64) {}
    }

    const LIMITS: ReadLimits = ReadLimits {
        list: ListLimits { bytes: 1 << 12, lines: 100 },
        continuations: 4,
        idle_frames: 10,
        table: 1 << 12,
    };
    let at = Moment { ts: Timestamp::EPOCH, input: 0, frame: 0, ack: None };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut connection, mut told, mut fields) =
            (Connection::new(LIMITS), Told::default(), HeaderList::default());
        // From where a direction is lost, what is found depends on where segments begin.
        for piece in pieces {
            if told.0.contains(&(0, 7)) {
                break;
            }
            connection.feed(Toward::Client, piece, &at, LIMITS, &mut fields, &mut told);
        }
        let until = told.0.iter().position(|event| *event == (0, 7)).unwrap_or(told.0.len());
        told.0.truncate(until);
        told
    };
    assert_eq!(read(&mut std::iter::once(data)).0, read(&mut data.chunks(1)).0, "cutting does not matter");
    let mut joined = (Connection::joined(LIMITS), Told::default(), HeaderList::default());
    for (number, piece) in data.chunks(50).enumerate() {
        let toward = if number % 2 == 0 { Toward::Server } else { Toward::Client };
        joined.0.feed(toward, piece, &at, LIMITS, &mut joined.2, &mut joined.1);
        if let [0..=40, ..] = piece {
            joined.0.gap(toward, piece.len() as u64, &at, LIMITS, &mut joined.2, &mut joined.1);
        }
    }
    let _who = recognise(data);
}

#[cfg(test)]
mod tests {
    use super::super::hpack::tests::Encoder;
    use super::*;
    use proptest::prelude::*;

    const LIMITS: ReadLimits = ReadLimits {
        list: ListLimits { bytes: 1 << 14, lines: 100 },
        continuations: 4,
        idle_frames: 10,
        table: 1 << 16,
    };

    #[derive(Default)]
    struct Log {
        lines: Vec<String>,
        content: Vec<u8>,
    }

    impl Receiver for Log {
        fn headers(&mut self, stream: u32, fields: &HeaderList, whole: bool, _: &Moment, _: &Moment) {
            let pairs: Vec<String> = fields
                .iter()
                .map(|(name, value)| {
                    format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
                })
                .collect();
            let unknown = if fields.unknown > 0 { format!(" ?{}", fields.unknown) } else { String::new() };
            let cut = if whole { "" } else { " cut" };
            self.lines.push(format!("{stream} {}{unknown}{cut}", pairs.join(" ")));
        }
        fn promise(
            &mut self,
            promised: u32,
            fields: &HeaderList,
            whole: bool,
            first: &Moment,
            last: &Moment,
        ) {
            self.lines.push("promise".into());
            self.headers(promised, fields, whole, first, last);
        }
        fn data(&mut self, stream: u32, bytes: &[u8], _: &Moment) {
            self.content.extend_from_slice(bytes);
            // Pieces of one frame are one line.
            match self.lines.last_mut() {
                Some(line) if line.starts_with(&format!("{stream} +")) => {
                    let len: usize = line.split('+').nth(1).unwrap().parse().unwrap();
                    *line = format!("{stream} +{}", len + bytes.len());
                }
                _ => self.lines.push(format!("{stream} +{}", bytes.len())),
            }
        }
        fn data_gap(&mut self, stream: u32, lost: u64) {
            self.lines.push(format!("{stream} -{lost}"));
        }
        fn end(&mut self, stream: u32, _: Option<&Moment>) {
            self.lines.push(format!("{stream} end"));
        }
        fn reset(&mut self, stream: u32, _: &Moment) {
            self.lines.push(format!("{stream} reset"));
        }
        fn go_away(&mut self, last_stream: u32) {
            self.lines.push(format!("go away {last_stream}"));
        }
        fn lost(&mut self) {
            self.lines.push("lost".into());
        }
        fn anomaly(&mut self, anomaly: Anomaly) {
            self.lines.push(anomaly.name().into());
        }
        fn unread(&mut self, _: u64) {}
    }

    enum Piece<'a> {
        Bytes(&'a [u8]),
        Gap(u64),
    }

    fn moment() -> Moment {
        Moment { ts: Timestamp::from_secs(1_790_000_000, 0), input: 0, frame: 0, ack: None }
    }

    fn read(connection: &mut Connection, toward: Toward, pieces: &[Piece<'_>]) -> Vec<String> {
        let (mut log, mut fields, at) = (Log::default(), HeaderList::default(), moment());
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => connection.feed(toward, bytes, &at, LIMITS, &mut fields, &mut log),
                Piece::Gap(lost) => connection.gap(toward, *lost, &at, LIMITS, &mut fields, &mut log),
            }
        }
        log.lines
    }

    fn answers(pieces: &[Piece<'_>]) -> Vec<String> {
        read(&mut Connection::new(LIMITS), Toward::Client, pieces)
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn block(encoder: &mut Encoder, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            encoder.field(&mut block, name, value, true);
        }
        block
    }

    const OK: &[u8] = b"\x88";

    #[test]
    fn frames_become_messages() {
        let mut encoder = Encoder::default();
        let padded = [&[3][..], OK, &[0, 0, 0]].concat();
        let advised = [&[2, 0x80, 0, 0, 1, 200][..], &block(&mut encoder, &[("a", "b")]), &[0, 0]].concat();
        let promise = [&[0, 0, 0, 2][..], &[0x82, 0x86, 0x84]].concat();
        for (frames, told) in [
            (frame(1, 4, 1, OK), &["1 :status=200"][..]),
            (frame(1, 5, 1, OK), &["1 :status=200", "1 end"]),
            (frame(1, 0xc, 1, &padded), &["1 :status=200"]),
            (frame(1, 0x2c, 1, &advised), &["1 a=b"]),
            (
                [frame(1, 1, 1, OK), frame(9, 0, 1, b"\x40\x01a"), frame(9, 4, 1, b"\x01b")].concat(),
                &["1 :status=200 a=b", "1 end"],
            ),
            (frame(0, 0, 3, b"hello"), &["3 +5"]),
            (frame(0, 9, 3, b"\x02hello\0\0"), &["3 +5", "3 end"]),
            (frame(0, 1, 3, b""), &["3 end"]),
            (frame(0, 9, 3, b"\0"), &["3 end"]),
            (frame(5, 4, 1, &promise), &["promise", "2 :method=GET :scheme=http :path=/"]),
            (frame(3, 0, 5, &[0, 0, 0, 8]), &["5 reset"]),
            (frame(7, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 0]), &["go away 9"]),
            (
                [
                    frame(6, 0, 0, &[0; 8]),
                    frame(8, 0, 0, &[0, 0, 1, 0]),
                    frame(2, 0, 3, &[0; 5]),
                    frame(0x42, 7, 9, b"?"),
                ]
                .concat(),
                &[],
            ),
            // What must not be.
            (frame(1, 4, 0, OK), &["bad_frame", "lost"]),
            (frame(4, 0, 0, &[0; 5]), &["bad_frame", "lost"]),
            (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), &["bad_frame", "lost"]),
            (
                [frame(1, 0, 1, OK), frame(0, 0, 1, b"x")].concat(),
                &["bad_frame", "1 :status=200 cut", "1 +1"],
            ),
            (frame(1, 4, 1, b"\xbe"), &["bad_header_block", "1  cut"]),
            (frame(1, 0xc, 1, b"\x09\x88"), &["bad_frame", "1  cut"]),
        ] {
            assert_eq!(answers(&[Piece::Bytes(&frames)]), told, "{frames:x?}");
            let cut: Vec<Piece<'_>> = frames.chunks(1).map(Piece::Bytes).collect();
            assert_eq!(answers(&cut), told, "byte by byte: {frames:x?}");
        }
    }

    #[test]
    fn a_hole_costs_what_it_hits() {
        let mut encoder = Encoder::default();
        let first = frame(
            1,
            4,
            1,
            &block(&mut encoder, &[(":status", "200"), ("x-one", "value one"), ("x-two", "value two")]),
        );
        let again = frame(1, 5, 3, &block(&mut encoder, &[(":status", "200"), ("x-one", "value one")]));
        let data = frame(0, 1, 1, b"0123456789");
        let ping = frame(6, 0, 0, &[0; 8]);
        let whole = ["1 :status=200 x-one=value one x-two=value two"];
        let after = ["3 :status=200 x-one=value one", "3 end"];
        let unknown = ["3 :status=200 ?1", "3 end"];
        let stream = [first.clone(), data.clone(), ping, again].concat();
        let (d, p) = (first.len(), first.len() + data.len());
        for (from, lost, told) in [
            // In content: its bytes, up to its last.
            (d + 9, 4, [&whole[..], &["1 -4", "1 +6", "1 end"], &after].concat()),
            (d + 12, 7, [&whole[..], &["1 +3", "1 -7", "1 end"], &after].concat()),
            // In a frame of no account: nothing.
            (p + 10, 3, [&whole[..], &["1 +10", "1 end"], &after].concat()),
            // In a block: what stands behind, and what refers to it.
            (12, 5, [&["1 :status=200 cut", "1 +10", "1 end"][..], &unknown].concat()),
            (d - 3, 3, [&["1 :status=200 x-one=value one cut", "1 +10", "1 end"][..], &unknown].concat()),
            // Elsewhere: what cannot be told apart, and what refers to it.
            (d + 4, 2, [&whole[..], &["lost"], &unknown].concat()),
            (d + 15, 10, [&whole[..], &["1 +6", "1 -4", "lost"], &unknown].concat()),
            (d - 3, 5, [&["1 :status=200 x-one=value one cut", "lost"][..], &unknown].concat()),
        ] {
            let pieces = [
                Piece::Bytes(&stream[..from]),
                Piece::Gap(lost as u64),
                Piece::Bytes(&stream[from + lost..]),
            ];
            assert_eq!(answers(&pieces), told, "{lost} bytes at {from}");
        }
    }

    #[test]
    fn table_sizes_are_agreed_on_by_both_ends() {
        let raised = frame(4, 0, 0, &[0, 1, 0, 0, 0x20, 0]);
        let mut encoder = Encoder::default();
        let mut larger = Vec::new();
        encoder.resize(&mut larger, 8_192);
        let larger = frame(1, 4, 1, &[larger.as_slice(), OK].concat());
        let acknowledged = frame(4, 1, 0, b"");
        for (announced, told) in
            [(false, &["header_table_limit", "1 :status=200"][..]), (true, &["1 :status=200"])]
        {
            let mut connection = Connection::new(LIMITS);
            if announced {
                read(&mut connection, Toward::Server, &[Piece::Bytes(PREFACE), Piece::Bytes(&raised)]);
                read(&mut connection, Toward::Client, &[Piece::Bytes(&acknowledged)]);
            }
            assert_eq!(read(&mut connection, Toward::Client, &[Piece::Bytes(&larger)]), told);
        }
    }

    #[test]
    fn floods_are_named_and_cost_little() {
        let continuations: Vec<u8> = (0..6).flat_map(|_| frame(9, 0, 1, b"")).collect();
        let flood = [frame(1, 0, 1, OK), continuations, frame(9, 4, 1, b""), frame(1, 5, 3, OK)].concat();
        assert_eq!(
            answers(&[Piece::Bytes(&flood)]),
            ["continuation_flood", "1 :status=200 cut", "3 :status=200", "3 end"]
        );
        let long = [
            frame(1, 0, 1, &[OK, &[0, 3, b'a', b'b', b'c', 3, b'x', b'y', b'z'].repeat(1_000)].concat()),
            frame(9, 0, 1, &[0x88; 9_000]),
            frame(9, 4, 1, b"\x88"),
            frame(1, 5, 3, OK),
        ];
        let told = answers(&[Piece::Bytes(&long.concat())]);
        assert!(
            told[0] == "head_too_long" && told[1].ends_with(" cut") && told[2] == "3 :status=200",
            "{told:?}"
        );
        let empty: Vec<u8> = (0..30).flat_map(|_| frame(0, 0, 1, b"")).collect();
        assert_eq!(answers(&[Piece::Bytes(&empty)]), ["frame_flood"]);
    }

    #[test]
    fn who_is_who_is_told_by_the_first_fields() {
        let request = frame(1, 0x25, 7, &[0x80, 0, 0, 0, 9, 0x82, 0x86, 0x84, 0x41, 0x01, b'h']);
        for (bytes, told) in [
            (request.clone(), Some(Toward::Server)),
            (frame(1, 4, 7, OK), Some(Toward::Client)),
            ([frame(0, 0, 3, b"content"), frame(1, 4, 7, OK)].concat(), Some(Toward::Client)),
            (
                [&b"rest of content"[..], &request, &frame(8, 0, 0, &[0, 0, 1, 0])].concat(),
                Some(Toward::Server),
            ),
            (frame(0, 0, 3, b"content"), None),
            (frame(1, 4, 7, b"\xbe\xbf"), None),
            (frame(1, 4, 7, b"\x82"), None),
            (b"\x00\x00\x00\x2a some other protocol".to_vec(), None),
        ] {
            assert_eq!(recognise(&bytes), told, "{bytes:x?}");
        }
    }

    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let flags = prop_oneof![Just(0_u8), Just(1), Just(4), Just(5), Just(0xc), Just(0x24), any::<u8>()];
        let kind = prop_oneof![8 => 0_u8..10, 1 => any::<u8>()];
        let payload = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(vec![0x82, 0x86, 0x84]),
            Just(vec![0, 1, 0, 0, 0x10, 0]),
            Just(vec![0; 4]),
            Just(vec![0; 8]),
        ];
        let one = (kind, flags, 0_u32..6, payload)
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
        proptest::collection::vec(one, 0..12).prop_map(|frames| frames.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }

        #[test]
        fn any_frames_are_taken(data in frames()) {
            fuzz(&data);
        }

        /// A hole anywhere makes no field up, and what follows in order is read on.
        #[test]
        fn no_hole_makes_anything_up(from in 0_usize..400, lost in 1_usize..60, cut in 1_usize..80) {
            let mut encoder = Encoder::default();
            let mut stream = Vec::new();
            let mut truth = Vec::new();
            for number in 0..12_u32 {
                let (one, two) = (format!("one {}", number / 3), format!("two {}", number / 4));
                let fields = [(":status", "200"), ("x-one", one.as_str()), ("x-two", two.as_str())];
                stream.extend(frame(1, 4, number * 2 + 1, &block(&mut encoder, &fields)));
                stream.extend(frame(0, 1, number * 2 + 1, &[b'.'; 30]));
                truth.push(format!("{} :status=200 x-one={one} x-two={two}", number * 2 + 1));
            }
            prop_assume!(from + lost < stream.len());
            let mut pieces: Vec<Piece<'_>> = stream[..from].chunks(cut).map(Piece::Bytes).collect();
            pieces.push(Piece::Gap(lost as u64));
            pieces.extend(stream[from + lost..].chunks(cut).map(Piece::Bytes));
            for line in answers(&pieces).iter().filter(|line| line.contains(":status") || line.contains('=')) {
                let stream = line.split(' ').next().unwrap();
                let whole = truth.iter().find(|told| told.starts_with(&format!("{stream} "))).unwrap();
                for field in line.split('=').skip(1) {
                    let value = field.split(" x-").next().unwrap().split(" ?").next().unwrap();
                    let value = value.strip_suffix(" cut").unwrap_or(value);
                    prop_assert!(whole.contains(&format!("={value}")), "{} in {}", line, whole);
                }
            }
        }
    }
}
