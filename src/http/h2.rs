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
    fn headers(&mut self, stream: u32, list: &HeaderList, whole: bool, first: &Moment, last: &Moment);
    /// The fields of a request that the server asks itself, which `promised` will answer.
    fn promise(&mut self, promised: u32, list: &HeaderList, whole: bool, first: &Moment, last: &Moment);
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

    /// Takes the next bytes of a direction. `list` is scratch.
    pub fn feed(
        &mut self,
        toward: Toward,
        bytes: &[u8],
        at: &Moment,
        limits: ReadLimits,
        list: &mut HeaderList,
        to: &mut impl Receiver,
    ) {
        let (reader, other) = self.readers(toward);
        Feed { reader, other, at, limits, list, to }.bytes(bytes);
    }

    /// Takes a hole of `lost` bytes.
    pub fn gap(
        &mut self,
        toward: Toward,
        lost: u64,
        at: &Moment,
        limits: ReadLimits,
        list: &mut HeaderList,
        to: &mut impl Receiver,
    ) {
        let (reader, other) = self.readers(toward);
        Feed { reader, other, at, limits, list, to }.gap(lost);
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
    let mut list = HeaderList::default();
    h2_frame::frames(bytes.get(start..)?).take_while(|(head, _)| head.is_usual()).find_map(
        |(head, payload)| {
            if head.kind != Kind::Headers || !head.has(flag::END_HEADERS) {
                return None;
            }
            let block = match head.has(flag::PADDED) {
                true => payload.get(1..)?,
                false => payload,
            };
            let block = if head.has(flag::PRIORITY) { block.get(5..)? } else { block };
            let limits = ListLimits { bytes: 4 * PEEKED, lines: 4 };
            // The rest of the block may be cut off or padding: only its front counts.
            let _cut = Decoder::joined(4_096).decode(block.get(..PEEKED).unwrap_or(block), limits, &mut list);
            let mut fields = list.iter();
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
    list: &'a mut HeaderList,
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
            Kind::Headers | Kind::PushPromise => match fragment(head, payload) {
                Some((promised, fragment)) => self.fragment(head, promised, first, fragment),
                None => {
                    self.to.anomaly(Anomaly::BadFrame);
                    self.give_up(head, first, &[]);
                }
            },
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
        let read = self.reader.decoder.decode(bytes, self.limits.list, self.list);
        if read.is_err() {
            self.to.anomaly(Anomaly::BadHeaderBlock);
        }
        self.tell(block, read.is_ok());
    }

    /// The front of a block whose rest is missing.
    fn front(&mut self, block: Block, bytes: &[u8]) {
        // That it ends early is known; the fields before that are read.
        let _cut = self.reader.decoder.decode(bytes, self.limits.list, self.list);
        self.reader.decoder.poison();
        self.tell(block, false);
    }

    fn tell(&mut self, block: Block, whole: bool) {
        if self.list.table_too_large {
            self.to.anomaly(Anomaly::HeaderTableLimit);
        }
        match block.promised {
            Some(promised) => self.to.promise(promised, self.list, whole, &block.first, self.at),
            None => self.to.headers(block.stream, self.list, whole, &block.first, self.at),
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
