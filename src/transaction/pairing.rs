//! Requests and responses of one connection, put together.
//!
//! A [`Conversation`] is the application of one flow. It finds out by content what the connection speaks and who
//! is the client, and has both directions read and paired: `in_order` for HTTP/1, `streams` for HTTP/2. What is
//! inside TLS is a conversation of its own: `inside`. A finished exchange is handed to [`Sink::transaction`] and its
//! buffers are used again.

pub use super::exchanges::{Exchanges, HttpCounters, Opaque, Sink};

use super::End;
use super::dialogue::Heard;
use super::exchanges::{Origin, Pending, Upgrade};
use super::in_order::{Pairing, Requests, Responses};
use super::inside::{Inside, MAX_DEPTH};
use super::streams::{Messages, Streams};
use crate::anomaly::{Anomaly, AnomalySet};
use crate::flow::{Application, Chunk, Close, Direction, FlowKey, Moment};
use crate::http::detect::{Looks, detect};
use crate::http::h1::Reader;
use crate::http::h2::{self, Toward};
use crate::http::proxy;
use crate::time::Timestamp;
use crate::tls::record;
use std::net::SocketAddr;

/// What a connection is found to speak.
#[derive(Debug)]
enum Talk<S> {
    /// Nothing was recognised yet; the first bytes of each direction that leave it open.
    Unknown { seen: [Vec<u8>; 2] },
    /// HTTP/1.
    Http1 { pairing: Pairing, requests: Reader, responses: Reader },
    /// HTTP/2.
    Http2 { streams: Streams, frames: Box<h2::Connection> },
    /// A WebSocket, which is the rest of an exchange, and who is its client.
    WebSocket { pending: Box<Pending>, client: Direction },
    /// TLS, and what is inside.
    Tls(Box<Inside<S>>),
    /// Something that is counted, not read.
    Opaque(Kind),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tls,
    Upgraded,
    Other,
}

impl Kind {
    const fn counter<S>(self, shared: &mut Exchanges<S>) -> &mut Opaque {
        match self {
            Self::Tls => &mut shared.counters.tls,
            Self::Upgraded => &mut shared.counters.upgraded,
            Self::Other => &mut shared.counters.other,
        }
    }
}

/// One connection and the exchanges on it.
#[derive(Debug)]
pub struct Conversation<S> {
    key: FlowKey,
    /// Whether the connection was seen from its start, so that its first bytes tell what it speaks.
    from_start: bool,
    odd: AnomalySet,
    /// How many TLS connections are around it.
    depth: u8,
    /// Whether a balancer's header was read: there is one at most.
    introduced: bool,
    /// Whom it names as its client.
    proxied: Option<SocketAddr>,
    talk: Talk<S>,
    sink: std::marker::PhantomData<fn(S)>,
}

/// Books stream bytes of which it is known now what becomes of them. Those inside TLS were booked with what is around them.
const fn account<S>(shared: &mut Exchanges<S>, depth: u8, bytes: usize) {
    if depth == 0 {
        shared.counters.stream_bytes += bytes as u64;
    }
}

/// First bytes of a direction that are kept while they leave the protocol open.
const MAX_SEEN: usize = 16 << 10;

impl<S: Sink> Conversation<S> {
    /// A conversation inside `depth` TLS connections, behind which a balancer says that `proxied` is.
    pub(super) fn inside(
        key: FlowKey,
        from_start: bool,
        depth: u8,
        odd: AnomalySet,
        proxied: Option<SocketAddr>,
    ) -> Self {
        Self {
            key,
            from_start,
            odd,
            depth,
            introduced: proxied.is_some(),
            proxied,
            talk: Talk::Unknown { seen: [Vec::new(), Vec::new()] },
            sink: std::marker::PhantomData,
        }
    }

    /// Something of a direction is missing, and will be told as a gap when more of it comes.
    pub(super) fn losing(&mut self, direction: Direction) {
        if let Talk::Http1 { pairing, .. } = &mut self.talk {
            pairing.losing(direction == pairing.origin.client);
        }
    }

    /// The directions do not come in causal order any more.
    pub(super) fn out_of_order(&mut self) {
        if let Talk::Http1 { pairing, .. } = &mut self.talk {
            pairing.doubtful = true;
        }
    }

    /// Looks at the next bytes of a connection that speaks nothing known yet.
    fn recognise(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Unknown { seen } = &mut self.talk else { return };
        let Some(before) = seen.get_mut(direction as usize) else { return };
        let mut held = std::mem::take(before);
        let bytes = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let may_be_introduced = self.from_start && !self.introduced;
        let header = if may_be_introduced { proxy::parse(bytes) } else { Err(proxy::NoHeader) };
        let (looks, bytes) = match header {
            Ok(Some((source, rest))) => {
                (self.introduced, self.proxied) = (true, source);
                account(shared, self.depth, bytes.len() - rest.len());
                (detect(rest), rest)
            }
            Ok(None) => (Looks::Unsure, bytes),
            Err(proxy::NoHeader) => (detect(bytes), bytes),
        };
        let client = match looks {
            Looks::Request => direction,
            Looks::Response => direction.reverse(),
            Looks::Unsure if bytes.len() < MAX_SEEN => {
                *before = if bytes.len() == held.len() { held } else { bytes.to_vec() };
                return;
            }
            Looks::Http2 => return self.begin_http2(shared, direction, direction, bytes, at),
            Looks::Http2Server if self.from_start => {
                return self.begin_http2(shared, direction.reverse(), direction, bytes, at);
            }
            Looks::Tls => return self.begin_tls(shared, direction, bytes, at),
            // Midway, a client's SETTINGS look the same.
            Looks::Http2Server | Looks::Unsure | Looks::Other => {
                // Midway, what comes first may be the rest of a body: the next segment may start a message.
                match h2::recognise(bytes) {
                    _ if self.from_start => self.give_up(shared, Kind::Other, bytes.len()),
                    Some(Toward::Server) => self.begin_http2(shared, direction, direction, bytes, at),
                    Some(Toward::Client) => {
                        self.begin_http2(shared, direction.reverse(), direction, bytes, at);
                    }
                    None if record::looks_protected(bytes) => self.begin_tls(shared, direction, bytes, at),
                    None => {
                        let passed = bytes.len();
                        shared.counters.midway.bytes += passed as u64;
                        account(shared, self.depth, passed);
                    }
                }
                return;
            }
        };
        shared.counters.http1_flows += 1;
        let other = seen.get_mut(direction.reverse() as usize).map(std::mem::take).unwrap_or_default();
        let origin = self.origin(client);
        self.talk = Talk::Http1 {
            pairing: Pairing::new(origin),
            requests: Reader::new(false),
            responses: Reader::new(true),
        };
        self.read(shared, direction, bytes, at);
        if !other.is_empty() {
            self.read(shared, direction.reverse(), &other, at);
        }
    }

    /// The connection as its exchanges tell of it. Oddities met so far concern the first one.
    fn origin(&mut self, client: Direction) -> Origin {
        let odd = std::mem::take(&mut self.odd);
        Origin::new(self.key, client, self.depth > 0, self.proxied, odd)
    }

    /// The connection speaks HTTP/2; `bytes` come from `direction`, and others may have waited.
    fn begin_http2(
        &mut self,
        shared: &mut Exchanges<S>,
        client: Direction,
        direction: Direction,
        bytes: &[u8],
        at: &Moment,
    ) {
        let Talk::Unknown { seen } = &mut self.talk else { return };
        let other = seen.get_mut(direction.reverse() as usize).map(std::mem::take).unwrap_or_default();
        // A preface is always the start; whatever else was recognised is one when the connection's was seen.
        let from_start = self.from_start || client == direction && detect(bytes) == Looks::Http2;
        shared.counters.http2_flows += 1;
        let origin = self.origin(client);
        let limits = shared.read_h2;
        let frames = if from_start { h2::Connection::new(limits) } else { h2::Connection::joined(limits) };
        self.talk = Talk::Http2 { streams: Streams::new(origin), frames: Box::new(frames) };
        self.read_http2(shared, direction, Chunk::Data(bytes), at);
        if !other.is_empty() {
            self.read_http2(shared, direction.reverse(), Chunk::Data(&other), at);
        }
    }

    /// The connection speaks TLS; `bytes` come from `direction`, and others may have waited.
    fn begin_tls(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Unknown { seen } = &mut self.talk else { return };
        if self.depth >= MAX_DEPTH {
            return self.give_up(shared, Kind::Tls, bytes.len());
        }
        let other = seen.get_mut(direction.reverse() as usize).map(std::mem::take).unwrap_or_default();
        let odd = std::mem::take(&mut self.odd);
        let mut inside = Inside::new(self.key, self.depth + 1, self.proxied, odd);
        inside.chunk(shared, direction, Chunk::Data(bytes), at);
        if !other.is_empty() {
            inside.chunk(shared, direction.reverse(), Chunk::Data(&other), at);
        }
        self.talk = Talk::Tls(Box::new(inside));
    }

    fn read_http2(&mut self, shared: &mut Exchanges<S>, direction: Direction, chunk: Chunk<'_>, at: &Moment) {
        if let Chunk::Data(bytes) = chunk {
            account(shared, self.depth, bytes.len());
        }
        let Talk::Http2 { streams, frames } = &mut self.talk else { return };
        let toward = if direction == streams.origin.client { Toward::Server } else { Toward::Client };
        let (limits, mut fields) = (shared.read_h2, std::mem::take(&mut shared.fields));
        let mut messages = Messages { streams, shared, toward };
        match chunk {
            Chunk::Data(bytes) => frames.feed(toward, bytes, at, limits, &mut fields, &mut messages),
            Chunk::Gap(lost) => frames.gap(toward, lost, at, limits, &mut fields, &mut messages),
        }
        shared.fields = fields;
    }

    fn give_up(&mut self, shared: &mut Exchanges<S>, kind: Kind, mut bytes: usize) {
        if let Talk::Unknown { seen } = &self.talk {
            bytes += seen.iter().map(Vec::len).sum::<usize>();
        }
        self.talk = Talk::Opaque(kind);
        account(shared, self.depth, bytes);
        let counter = kind.counter(shared);
        counter.flows += 1;
        counter.bytes += bytes as u64;
    }

    fn read(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        account(shared, self.depth, bytes.len());
        let Talk::Http1 { pairing, requests, responses } = &mut self.talk else { return };
        let limits = shared.read;
        let tunnelled = if direction == pairing.origin.client {
            pairing.goes_on(true, false);
            requests.feed(bytes, at, limits, &mut Requests { pairing, shared }).is_some()
        } else {
            pairing.goes_on(false, false);
            let connects = pairing.pending.front().is_some_and(|pending| pending.connect);
            let rest = responses.feed(bytes, at, limits, &mut Responses { pairing, shared });
            if let Some(rest) = rest {
                if self.depth == 0 {
                    // They are booked by whoever takes them.
                    shared.counters.stream_bytes -= rest.len() as u64;
                }
                self.change_protocol(shared, connects, direction, rest, at);
            } else if responses.is_lost() {
                pairing.goes_on(false, true);
            }
            return;
        };
        debug_assert!(!tunnelled, "only a response changes the protocol");
    }

    /// A response said that the connection speaks something else from here on.
    fn change_protocol(
        &mut self,
        shared: &mut Exchanges<S>,
        connects: bool,
        direction: Direction,
        rest: &[u8],
        at: &Moment,
    ) {
        if let Talk::Http1 { pairing, .. } = &mut self.talk
            && let Some(upgrade) = pairing.pending.front().and_then(|pending| pending.upgrades)
            && let Some(mut pending) = pairing.pending.pop_front()
        {
            let client = pairing.origin.client;
            self.close_messages(shared, Close::Finished);
            if upgrade == Upgrade::WebSocket {
                pending.become_websocket(shared);
                self.talk = Talk::WebSocket { pending: Box::new(pending), client };
                if !rest.is_empty() {
                    self.listen(shared, direction, Chunk::Data(rest), at);
                }
                return;
            }
            let mut streams = Streams::new(self.origin(client));
            streams.upgraded(shared, pending);
            shared.counters.http2_flows += 1;
            self.talk = Talk::Http2 { streams, frames: Box::new(h2::Connection::new(shared.read_h2)) };
            if !rest.is_empty() {
                self.read_http2(shared, direction, Chunk::Data(rest), at);
            }
            return;
        }
        self.close_messages(shared, Close::Finished);
        if connects {
            // Inside a tunnel anything may follow, HTTP too.
            self.from_start = true;
            self.talk = Talk::Unknown { seen: [Vec::new(), Vec::new()] };
            if !rest.is_empty() {
                self.recognise(shared, direction, rest, at);
            }
        } else {
            self.give_up(shared, Kind::Upgraded, rest.len());
        }
    }

    /// Reads what is said on a WebSocket.
    fn listen(&mut self, shared: &mut Exchanges<S>, direction: Direction, chunk: Chunk<'_>, at: &Moment) {
        if let Chunk::Data(bytes) = chunk {
            account(shared, self.depth, bytes.len());
        }
        let Talk::WebSocket { pending, client } = &mut self.talk else { return };
        let toward = if direction == *client { Toward::Server } else { Toward::Client };
        pending.exchange.response.ended = at.ts;
        match chunk {
            Chunk::Data(bytes) => shared.listen(pending, toward, Heard::Bytes(bytes)),
            Chunk::Gap(lost) => {
                pending.exchange.response.body.end = End::Gap;
                shared.listen(pending, toward, Heard::Gap(lost));
            }
        }
    }

    /// Tells of exchanges that have been going on for a while.
    pub(super) fn tell(&mut self, shared: &mut Exchanges<S>, now: Timestamp) {
        match &mut self.talk {
            Talk::Http1 { pairing, .. } => {
                if let Some(pending) = pairing.pending.front_mut() {
                    shared.report(pending, now);
                }
            }
            Talk::Http2 { streams, .. } => streams.tell(shared, now),
            Talk::WebSocket { pending, .. } => shared.report(pending, now),
            Talk::Tls(inside) => inside.tell(shared, now),
            Talk::Unknown { .. } | Talk::Opaque(_) => {}
        }
    }

    /// Ends what is being read and hands on every exchange.
    fn close_messages(&mut self, shared: &mut Exchanges<S>, how: Close) {
        if let Talk::WebSocket { .. } = &self.talk {
            let talk = std::mem::replace(&mut self.talk, Talk::Opaque(Kind::Upgraded));
            let Talk::WebSocket { mut pending, .. } = talk else { return };
            let body = &mut pending.exchange.response.body;
            if body.end == End::Complete {
                body.end = match how {
                    Close::Finished => End::Complete,
                    Close::Reset => End::Reset,
                    Close::Open => End::Closed,
                };
            }
            return shared.hand_on(*pending);
        }
        if let Talk::Http2 { streams, frames } = &mut self.talk {
            for toward in [Toward::Server, Toward::Client] {
                frames.close(toward, &mut Messages { streams, shared, toward });
            }
            streams.close(shared, if how == Close::Reset { End::Reset } else { End::Closed });
            return;
        }
        let Talk::Http1 { pairing, requests, responses } = &mut self.talk else { return };
        let (clean, end) = match how {
            Close::Finished => (true, End::Closed),
            Close::Reset => (false, End::Reset),
            Close::Open => (false, End::Closed),
        };
        requests.close(clean, end, None, &mut Requests { pairing, shared });
        responses.close(clean, end, None, &mut Responses { pairing, shared });
        for pending in std::mem::take(&mut pairing.pending) {
            shared.hand_on(pending);
        }
    }
}

impl<S: Sink> Application for Conversation<S> {
    type Shared = Exchanges<S>;

    fn open(_: &mut Exchanges<S>, key: FlowKey, client: Option<Direction>) -> Self {
        Self {
            key,
            from_start: client.is_some(),
            odd: AnomalySet::default(),
            depth: 0,
            introduced: false,
            proxied: None,
            talk: Talk::Unknown { seen: [Vec::new(), Vec::new()] },
            sink: std::marker::PhantomData,
        }
    }

    fn chunk(&mut self, shared: &mut Exchanges<S>, direction: Direction, chunk: Chunk<'_>, at: &Moment) {
        shared.look_at_parked(at.ts);
        match (&mut self.talk, chunk) {
            (Talk::Tls(inside), chunk) => inside.chunk(shared, direction, chunk, at),
            (Talk::Opaque(kind), Chunk::Data(bytes)) => {
                kind.counter(shared).bytes += bytes.len() as u64;
                account(shared, self.depth, bytes.len());
            }
            (Talk::Opaque(_), Chunk::Gap(_)) => {}
            (Talk::Unknown { .. }, Chunk::Data(bytes)) => self.recognise(shared, direction, bytes, at),
            (Talk::Unknown { seen }, Chunk::Gap(_)) => {
                self.from_start = false;
                if let Some(seen) = seen.get_mut(direction as usize) {
                    let passed = std::mem::take(seen).len();
                    shared.counters.midway.bytes += passed as u64;
                    account(shared, self.depth, passed);
                }
            }
            (Talk::Http2 { .. }, chunk) => self.read_http2(shared, direction, chunk, at),
            (Talk::WebSocket { .. }, chunk) => self.listen(shared, direction, chunk, at),
            (Talk::Http1 { .. }, Chunk::Data(bytes)) => self.read(shared, direction, bytes, at),
            (Talk::Http1 { pairing, requests, responses }, Chunk::Gap(lost)) => {
                if direction == pairing.origin.client {
                    requests.gap(lost, &mut Requests { pairing, shared });
                    pairing.goes_on(true, requests.is_lost());
                } else {
                    responses.gap(lost, &mut Responses { pairing, shared });
                    pairing.goes_on(false, responses.is_lost());
                }
            }
        }
    }

    fn end_of_stream(&mut self, shared: &mut Exchanges<S>, direction: Direction, at: &Moment) {
        if let Talk::Tls(inside) = &mut self.talk {
            return inside.end_of_stream(shared, direction, at);
        }
        if let Talk::Http1 { pairing, requests, responses } = &mut self.talk {
            if direction == pairing.origin.client {
                requests.close(true, End::Closed, Some(at), &mut Requests { pairing, shared });
            } else {
                responses.close(true, End::Closed, Some(at), &mut Responses { pairing, shared });
            }
        }
    }

    fn anomaly(&mut self, shared: &mut Exchanges<S>, anomaly: Anomaly) {
        match &mut self.talk {
            Talk::Http1 { pairing, .. } => match pairing.pending.back_mut() {
                Some(pending) => pending.exchange.anomalies.insert(anomaly),
                None => pairing.origin.odd.insert(anomaly),
            },
            // Which streams a hole hit is told when their frames are.
            Talk::Http2 { .. } if matches!(anomaly, Anomaly::Gap | Anomaly::CutPacket) => {}
            Talk::Http2 { streams, .. } => streams.note(anomaly),
            Talk::WebSocket { pending, .. } => pending.exchange.anomalies.insert(anomaly),
            Talk::Tls(inside) => inside.anomaly(shared, anomaly),
            Talk::Unknown { .. } | Talk::Opaque(_) => self.odd.insert(anomaly),
        }
    }

    fn tell(&mut self, shared: &mut Exchanges<S>, now: Timestamp) {
        Self::tell(self, shared, now);
    }

    fn close(mut self, shared: &mut Exchanges<S>, how: Close) {
        if let Talk::Tls(inside) = self.talk {
            if inside.is_waiting(shared, shared.now()) {
                return shared.park(inside, how);
            }
            return inside.close(shared, how);
        }
        if let Talk::Unknown { seen } = &self.talk {
            let bytes: usize = seen.iter().map(Vec::len).sum();
            account(shared, self.depth, bytes);
            let counters = &mut shared.counters;
            let counter = if self.from_start { &mut counters.other } else { &mut counters.midway };
            counter.flows += u64::from(bytes > 0 || !self.from_start);
            counter.bytes += bytes as u64;
        }
        self.close_messages(shared, how);
    }
}
