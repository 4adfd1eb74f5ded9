//! What is said in an exchange that goes on: messages of a WebSocket, events of a stream.
//!
//! A [`Dialogue`] holds counts and contents since its exchange was last told of; it is told again whenever it has
//! become large, so that contents take little room however long the exchange lasts.

use super::exchanges::{Exchanges, Pending, Sink};
use crate::anomaly::Anomaly;
use crate::http::End;
use crate::http::event_stream;
use crate::http::h2::Toward;
use crate::http::websocket::{self, Content, Control, Kind, Sender};
use crate::merge::Merge;
use crate::secret::Sensitive;

/// How an exchange goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialogueKind {
    /// As a WebSocket (RFC 6455), over HTTP/1 or HTTP/2.
    #[default]
    WebSocket,
    /// The answer is a stream of events (`text/event-stream`).
    EventStream,
}

impl DialogueKind {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event_stream",
        }
    }
}

/// What one side said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Messages of text, and events.
    pub text: u64,
    /// Messages of bytes.
    pub binary: u64,
    /// Pings, pongs and closes; comments in streams of events.
    pub control: u64,
    /// Messages whose content could not be read, among those of text and bytes.
    pub unread: u64,
    /// Bytes of payload as sent, compressed where they are; of events their data.
    pub bytes: u64,
}

impl Tally {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Merge for Tally {
    fn absorb(&mut self, other: Self) {
        self.text.absorb(other.text);
        self.binary.absorb(other.binary);
        self.control.absorb(other.control);
        self.unread.absorb(other.unread);
        self.bytes.absorb(other.bytes);
    }
}

/// What was said since the exchange was last told of.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    /// How the exchange goes on.
    pub kind: DialogueKind,
    /// What the client said.
    pub to_server: Tally,
    /// What the server said.
    pub to_client: Tally,
    /// Why it was closed (RFC 6455 section 7.4): the first reason that was given; 1005 without reason, 1006 when the
    /// connection ended without a close.
    pub close: Option<u16>,
    bytes: Sensitive<Vec<u8>>,
    index: Vec<Place>,
}

/// A message in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    toward: Toward,
    /// Where the name of an event ends, which stands in front of its data.
    name: usize,
    end: usize,
}

/// One message with its content, or the front of it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who receives it.
    pub toward: Toward,
    /// The name of an event; empty for messages of a WebSocket.
    pub name: &'a [u8],
    /// The content.
    pub content: Sensitive<&'a [u8]>,
}

/// Bytes and messages after which what was said is told.
const MAX_BYTES: usize = 8 << 10;
const MAX_MESSAGES: usize = 64;

impl Dialogue {
    /// Nothing said yet.
    #[must_use]
    pub fn new(kind: DialogueKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The messages whose content was read, in the order in which they ended.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let mut start = 0;
        self.index.iter().map(move |place| {
            let bytes = self.bytes.expose();
            let name = bytes.get(start..place.name).unwrap_or_default();
            let content = bytes.get(place.name..place.end).unwrap_or_default();
            start = place.end;
            Message { toward: place.toward, name, content: Sensitive::new(content) }
        })
    }

    /// Adds a message.
    pub fn push(&mut self, toward: Toward, name: &[u8], content: &[u8]) {
        let bytes = self.bytes.expose_mut();
        bytes.extend_from_slice(name);
        let name = bytes.len();
        bytes.extend_from_slice(content);
        let end = bytes.len();
        self.index.push(Place { toward, name, end });
    }

    /// Whether it is time to tell of it.
    fn is_full(&self) -> bool {
        self.index.len() >= MAX_MESSAGES || self.bytes.expose().len() >= MAX_BYTES
    }

    /// Whether anything was said.
    pub(super) fn has_news(&self) -> bool {
        !self.to_server.is_empty() || !self.to_client.is_empty()
    }

    /// Forgets what was told.
    pub(super) fn clear(&mut self) {
        (self.to_server, self.to_client) = (Tally::default(), Tally::default());
        self.index.clear();
        let bytes = self.bytes.expose_mut();
        bytes.clear();
        if bytes.capacity() > 4 * MAX_BYTES {
            *bytes = Vec::new();
        }
    }

    fn tally(&mut self, toward: Toward) -> &mut Tally {
        match toward {
            Toward::Server => &mut self.to_server,
            Toward::Client => &mut self.to_client,
        }
    }
}

/// Who reads what is said in an exchange.
#[derive(Debug)]
pub(super) enum Listener {
    WebSocket(Box<[websocket::Reader; 2]>),
    Events(Box<event_stream::Reader>),
}

impl Listener {
    /// A listener behind the handshake of a WebSocket.
    pub(super) fn websocket(extensions: websocket::Extensions) -> Self {
        Self::WebSocket(Box::new([
            websocket::Reader::new(Sender::Client, extensions),
            websocket::Reader::new(Sender::Server, extensions),
        ]))
    }
}

/// What a listener is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
}

impl<S: Sink> Exchanges<S> {
    /// Gives what was heard to whoever listens to an exchange, if somebody does.
    pub(super) fn listen(&mut self, pending: &mut Pending, toward: Toward, heard: Heard<'_>) {
        if pending.listener.is_none() {
            return;
        }
        let Some(mut listener) = pending.listener.take() else { return };
        let (limits, mut inflaters) = (self.messages, self.inflaters);
        let mut ear = Ear { shared: self, pending, toward };
        match (&mut listener, heard) {
            (Listener::WebSocket(readers), heard) => {
                let [client, server] = &mut **readers;
                let reader = if toward == Toward::Server { client } else { server };
                match heard {
                    Heard::Bytes(bytes) => reader.feed(bytes, limits, &mut inflaters, &mut ear),
                    Heard::Gap(lost) => reader.gap(lost, limits, &mut ear),
                }
            }
            (Listener::Events(reader), Heard::Bytes(bytes)) if toward == Toward::Client => {
                reader.feed(bytes, limits.content, &mut ear);
            }
            (Listener::Events(reader), Heard::Gap(_)) if toward == Toward::Client => reader.lose(),
            (Listener::Events(_), Heard::Bytes(_) | Heard::Gap(_)) => {}
        }
        self.inflaters = inflaters;
        pending.listener = Some(listener);
    }

    /// Nothing more will be said in an exchange.
    pub(super) fn stop_listening(&mut self, pending: &mut Pending) {
        let Some(Listener::WebSocket(mut readers)) = pending.listener.take() else { return };
        for (reader, toward) in readers.iter_mut().zip([Toward::Server, Toward::Client]) {
            reader.finish(&mut Ear { shared: self, pending, toward });
            self.inflaters += usize::from(reader.inflates());
        }
        let Some(dialogue) = &mut pending.exchange.dialogue else { return };
        let body = &mut pending.exchange.response.body;
        if dialogue.close.is_some() {
            // Whoever said good-bye may drop the connection.
            body.end = if body.end == End::Gap { End::Gap } else { End::Complete };
        } else if matches!(body.end, End::Complete | End::Reset) {
            dialogue.close = Some(ABNORMAL);
        }
    }

    /// Reads the events of a body that could be decoded only when it was over.
    pub(super) fn read_events(&mut self, pending: &mut Pending) {
        let body = std::mem::take(pending.exchange.response.body.bytes.expose_mut());
        let mut reader = event_stream::Reader::default();
        let cap = self.messages.content;
        reader.feed(&body, cap, &mut Ear { shared: self, pending, toward: Toward::Client });
    }
}

/// The connection ended without a close (RFC 6455 section 7.1.5).
const ABNORMAL: u16 = 1006;
/// A close came without a reason.
const NO_REASON: u16 = 1005;

/// Takes down what one side says.
struct Ear<'a, S> {
    shared: &'a mut Exchanges<S>,
    pending: &'a mut Pending,
    toward: Toward,
}

impl<S: Sink> Ear<'_, S> {
    fn dialogue(&mut self) -> &mut Dialogue {
        self.pending.exchange.dialogue.get_or_insert_default()
    }

    fn said(&mut self, name: &[u8], content: &[u8]) {
        let toward = self.toward;
        if self.shared.messages.content == 0 {
            return;
        }
        let dialogue = self.dialogue();
        dialogue.push(toward, name, content);
        if dialogue.is_full() {
            self.shared.tell(self.pending);
        }
    }
}

impl<S: Sink> websocket::Receiver for Ear<'_, S> {
    fn payload(&mut self, bytes: u64) {
        let toward = self.toward;
        self.dialogue().tally(toward).bytes += bytes;
    }

    fn message(&mut self, kind: Kind, content: Content<'_>) {
        let (toward, wanted) = (self.toward, self.shared.messages.content > 0);
        let tally = self.dialogue().tally(toward);
        match kind {
            Kind::Text => tally.text += 1,
            Kind::Binary => tally.binary += 1,
        }
        match content {
            Content::Whole(content) => self.said(b"", content),
            Content::Front(content) => {
                self.anomaly(Anomaly::BodyOverLimit);
                self.said(b"", content);
            }
            Content::Unread => tally.unread += u64::from(wanted),
        }
    }

    fn control(&mut self, control: Control) {
        let toward = self.toward;
        let dialogue = self.dialogue();
        dialogue.tally(toward).control += 1;
        if let Control::Close(code) = control {
            dialogue.close.get_or_insert(code.unwrap_or(NO_REASON));
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.shared.counters.anomalies.count(anomaly);
        self.pending.exchange.anomalies.insert(anomaly);
    }

    fn unread(&mut self, bytes: u64) {
        self.shared.counters.unread_bytes += bytes;
    }
}

impl<S: Sink> event_stream::Receiver for Ear<'_, S> {
    fn event(&mut self, name: &[u8], data: &[u8], length: u64) {
        let tally = self.dialogue().tally(Toward::Client);
        tally.text += 1;
        tally.bytes += length;
        if length > data.len() as u64 && self.shared.messages.content > 0 {
            self.shared.counters.anomalies.count(Anomaly::BodyOverLimit);
            self.pending.exchange.anomalies.insert(Anomaly::BodyOverLimit);
        }
        self.said(name, data);
    }

    fn comment(&mut self) {
        self.dialogue().tally(Toward::Client).control += 1;
    }
}
