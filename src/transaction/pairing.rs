//! Requests and responses of one connection, put together.
//!
//! A [`Conversation`] is the application of one flow. It finds out by content what the connection speaks and who
//! is the client, and has both directions read and paired: [`super::in_order`] for HTTP/1. A finished exchange is
//! handed to [`Sink::transaction`] and its buffers are used again.

pub use super::exchanges::{Exchanges, HttpCounters, Opaque, Sink};

use super::End;
use super::exchanges::Origin;
use super::in_order::{Pairing, Requests, Responses};
use crate::anomaly::{Anomaly, AnomalySet};
use crate::flow::{Application, Chunk, Close, Direction, FlowKey, Moment};
use crate::http::detect::{Looks, detect};
use crate::http::h1::Reader;

/// What a connection is found to speak.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a connection is boxed as a whole")]
enum Talk {
    /// Nothing was recognised yet; the first bytes of each direction that leave it open.
    Unknown { seen: [Vec<u8>; 2] },
    /// HTTP/1.
    Http1 { pairing: Pairing, requests: Reader, responses: Reader },
    /// Something that is counted, not read.
    Opaque(Kind),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Http2,
    Tls,
    Upgraded,
    Other,
}

impl Kind {
    const fn counter<S>(self, shared: &mut Exchanges<S>) -> &mut Opaque {
        match self {
            Self::Http2 => &mut shared.counters.http2,
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
    talk: Talk,
    sink: std::marker::PhantomData<fn(S)>,
}

/// First bytes of a direction that are kept while they leave the protocol open.
const MAX_SEEN: usize = 16 << 10;

impl<S: Sink> Conversation<S> {
    /// Looks at the next bytes of a connection that speaks nothing known yet.
    fn recognise(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Unknown { seen } = &mut self.talk else { return };
        let Some(before) = seen.get_mut(direction as usize) else { return };
        let joined;
        let bytes = if before.is_empty() {
            bytes
        } else {
            before.extend_from_slice(bytes);
            joined = std::mem::take(before);
            &joined
        };
        let client = match detect(bytes) {
            Looks::Request => direction,
            Looks::Response => direction.reverse(),
            Looks::Unsure if bytes.len() < MAX_SEEN => {
                *before = bytes.to_vec();
                return;
            }
            Looks::Http2 => return self.give_up(shared, Kind::Http2, bytes.len()),
            Looks::Tls => return self.give_up(shared, Kind::Tls, bytes.len()),
            Looks::Unsure | Looks::Other => {
                // Midway, what comes first may be the rest of a body: the next segment may start a message.
                if self.from_start {
                    self.give_up(shared, Kind::Other, bytes.len());
                } else {
                    shared.counters.unread_bytes += bytes.len() as u64;
                }
                return;
            }
        };
        shared.counters.http1_flows += 1;
        let other = seen.get_mut(direction.reverse() as usize).map(std::mem::take).unwrap_or_default();
        self.talk = Talk::Http1 {
            pairing: Pairing::new(Origin::new(self.key, client, std::mem::take(&mut self.odd))),
            requests: Reader::new(false),
            responses: Reader::new(true),
        };
        self.read(shared, direction, bytes, at);
        if !other.is_empty() {
            self.read(shared, direction.reverse(), &other, at);
        }
    }

    fn give_up(&mut self, shared: &mut Exchanges<S>, kind: Kind, bytes: usize) {
        self.talk = Talk::Opaque(kind);
        let counter = kind.counter(shared);
        counter.flows += 1;
        counter.bytes += bytes as u64;
    }

    fn read(&mut self, shared: &mut Exchanges<S>, direction: Direction, bytes: &[u8], at: &Moment) {
        let Talk::Http1 { pairing, requests, responses } = &mut self.talk else { return };
        let limits = shared.read;
        let tunnelled = if direction == pairing.origin.client {
            requests.feed(bytes, at, limits, &mut Requests { pairing, shared }).is_some()
        } else {
            let connects = pairing.pending.front().is_some_and(|pending| pending.connect);
            let rest = responses.feed(bytes, at, limits, &mut Responses { pairing, shared });
            if let Some(rest) = rest {
                self.change_protocol(shared, connects, direction, rest, at);
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

    /// Ends what is being read and hands on every exchange.
    fn close_messages(&mut self, shared: &mut Exchanges<S>, how: Close) {
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
            talk: Talk::Unknown { seen: [Vec::new(), Vec::new()] },
            sink: std::marker::PhantomData,
        }
    }

    fn chunk(&mut self, shared: &mut Exchanges<S>, direction: Direction, chunk: Chunk<'_>, at: &Moment) {
        match (&mut self.talk, chunk) {
            (Talk::Opaque(kind), Chunk::Data(bytes)) => kind.counter(shared).bytes += bytes.len() as u64,
            (Talk::Opaque(_), Chunk::Gap(_)) => {}
            (Talk::Unknown { .. }, Chunk::Data(bytes)) => self.recognise(shared, direction, bytes, at),
            (Talk::Unknown { seen }, Chunk::Gap(_)) => {
                self.from_start = false;
                if let Some(seen) = seen.get_mut(direction as usize) {
                    seen.clear();
                }
            }
            (Talk::Http1 { .. }, Chunk::Data(bytes)) => self.read(shared, direction, bytes, at),
            (Talk::Http1 { pairing, requests, responses }, Chunk::Gap(lost)) => {
                if direction == pairing.origin.client {
                    requests.gap(lost, &mut Requests { pairing, shared });
                } else {
                    responses.gap(lost, &mut Responses { pairing, shared });
                    pairing.answers_lost |= responses.is_lost();
                }
            }
        }
    }

    fn end_of_stream(&mut self, shared: &mut Exchanges<S>, direction: Direction, at: &Moment) {
        if let Talk::Http1 { pairing, requests, responses } = &mut self.talk {
            if direction == pairing.origin.client {
                requests.close(true, End::Closed, Some(at), &mut Requests { pairing, shared });
            } else {
                responses.close(true, End::Closed, Some(at), &mut Responses { pairing, shared });
            }
        }
    }

    fn anomaly(&mut self, _: &mut Exchanges<S>, anomaly: Anomaly) {
        match &mut self.talk {
            Talk::Http1 { pairing, .. } => match pairing.pending.back_mut() {
                Some(pending) => pending.exchange.anomalies.insert(anomaly),
                None => pairing.origin.odd.insert(anomaly),
            },
            Talk::Unknown { .. } | Talk::Opaque(_) => self.odd.insert(anomaly),
        }
    }

    fn close(mut self, shared: &mut Exchanges<S>, how: Close) {
        if let Talk::Unknown { seen } = &self.talk {
            let bytes: usize = seen.iter().map(Vec::len).sum();
            if bytes > 0 || !self.from_start {
                shared.counters.other.flows += 1;
                shared.counters.other.bytes += bytes as u64;
            }
        }
        self.close_messages(shared, how);
    }
}
