//! What is inside TLS, read as if it were the stream.
//!
//! [`Inside`] is the application of a connection that speaks TLS. What its keys open goes on to a [`Conversation`] of its
//! own, which finds out by content what it is; without keys the connection is counted, and its service listed. A
//! connection that ends while it waits for keys is kept in [`Parked`] until they come or will not come any more.

use super::exchanges::{Exchanges, Sink};
use super::pairing::Conversation;
use crate::anomaly::{Anomaly, AnomalySet};
use crate::flow::{Application, Chunk, Close, Direction, FlowKey, Moment};
use crate::time::Timestamp;
use crate::tls::connection::{Connection, Event, Reading, What};
use std::net::SocketAddr;
use std::time::Duration;

/// A TLS connection and what is inside.
#[derive(Debug)]
pub(super) struct Inside<S> {
    key: FlowKey,
    tls: Connection,
    content: Option<Box<Conversation<S>>>,
    /// How many TLS connections are around this one, itself among them.
    depth: u8,
    /// Whom a balancer in front of it names as its client.
    proxied: Option<SocketAddr>,
    /// Oddities for the first exchange inside.
    odd: AnomalySet,
    /// Bytes that are not counted yet, for it is not known as what.
    uncounted: u64,
    /// The connection itself was counted.
    counted: bool,
}

/// TLS connections inside each other that are looked into: a proxy's, and what is tunnelled through it.
pub(super) const MAX_DEPTH: u8 = 2;

impl<S: Sink> Inside<S> {
    pub(super) const fn new(key: FlowKey, depth: u8, proxied: Option<SocketAddr>, odd: AnomalySet) -> Self {
        let tls = Connection::new(key);
        Self { key, tls, content: None, depth, proxied, odd, uncounted: 0, counted: false }
    }

    pub(super) fn chunk(
        &mut self,
        shared: &mut Exchanges<S>,
        direction: Direction,
        chunk: Chunk<'_>,
        at: &Moment,
    ) {
        self.tls.chunk(direction, chunk, at, &mut shared.tls);
        if let Chunk::Data(bytes) = chunk {
            self.uncounted += bytes.len() as u64;
        }
        self.hand_on(shared);
        self.count(shared, false);
    }

    pub(super) fn end_of_stream(&mut self, shared: &mut Exchanges<S>, direction: Direction, at: &Moment) {
        self.tls.end(direction, at, &mut shared.tls);
        self.hand_on(shared);
    }

    /// Takes note of an oddity of the connection. Which exchanges a hole hits is told when records are missed.
    pub(super) fn anomaly(&mut self, shared: &mut Exchanges<S>, anomaly: Anomaly) {
        match &mut self.content {
            _ if matches!(anomaly, Anomaly::Gap | Anomaly::CutPacket) => {}
            Some(content) => content.anomaly(shared, anomaly),
            None => self.odd.insert(anomaly),
        }
    }

    /// Tells of exchanges inside that have been going on for a while.
    pub(super) fn tell(&mut self, shared: &mut Exchanges<S>, now: Timestamp) {
        if let Some(content) = &mut self.content {
            content.tell(shared, now);
        }
    }

    /// Whether it may yet be read, when its keys come.
    pub(super) fn is_waiting(&self, shared: &Exchanges<S>, now: Timestamp) -> bool {
        self.tls.waits_since().is_some_and(|since| shared.tls.may_still_come(since, now))
    }

    /// Looks for keys again.
    fn go_on(&mut self, shared: &mut Exchanges<S>, now: Timestamp) {
        self.tls.go_on(now, &mut shared.tls);
        self.hand_on(shared);
        self.count(shared, false);
    }

    pub(super) fn close(mut self, shared: &mut Exchanges<S>, how: Close) {
        self.tls.close(&mut shared.tls);
        self.hand_on(shared);
        self.count(shared, true);
        if let Some(content) = self.content {
            content.close(shared, how);
        }
    }

    /// Gives what came out to the conversation inside.
    fn hand_on(&mut self, shared: &mut Exchanges<S>) {
        if shared.tls.events.is_empty() {
            return;
        }
        let mut events = std::mem::take(&mut shared.tls.events);
        for Event { direction, at, what } in events.drain(..) {
            match what {
                What::Data(plain) => {
                    self.content(shared).chunk(shared, direction, Chunk::Data(plain.content()), &at);
                    shared.tls.recycle(plain.buffer);
                }
                What::Gap(lost) => {
                    let content = self.content(shared);
                    content.anomaly(shared, Anomaly::Gap);
                    content.chunk(shared, direction, Chunk::Gap(lost), &at);
                }
                What::Losing => {
                    if let Some(content) = &mut self.content {
                        content.losing(direction);
                    }
                }
                What::Holding => {
                    if let Some(content) = &mut self.content {
                        content.out_of_order();
                    }
                }
                What::End => {
                    if let Some(content) = &mut self.content {
                        content.end_of_stream(shared, direction, &at);
                    }
                }
                What::Odd(anomaly) => {
                    shared.counters.anomalies.count(anomaly);
                    self.anomaly(shared, anomaly);
                }
            }
        }
        // The vector is kept for its room; TLS inside TLS has used another meanwhile.
        shared.tls.events = events;
    }

    fn content(&mut self, shared: &mut Exchanges<S>) -> &mut Conversation<S> {
        let (key, depth, proxied, odd) = (self.key, self.depth, self.proxied, &mut self.odd);
        let is_whole = self.tls.is_whole();
        self.content.get_or_insert_with(|| {
            shared.counters.tls_read.flows += 1;
            Box::new(Conversation::inside(key, is_whole, depth, std::mem::take(odd), proxied))
        })
    }

    /// Counts bytes as what they are known to be, and tells the service of them.
    fn count(&mut self, shared: &mut Exchanges<S>, is_over: bool) {
        let counter = match self.tls.reading() {
            Reading::Open => &mut shared.counters.tls_read,
            Reading::Undecided if !is_over => return,
            Reading::Undecided | Reading::Closed => {
                shared.counters.tls.flows += u64::from(!std::mem::replace(&mut self.counted, true));
                &mut shared.counters.tls
            }
        };
        let bytes = std::mem::take(&mut self.uncounted);
        counter.bytes += bytes;
        if self.tls.reading() == Reading::Open {
            shared.counters.unopened_bytes += self.tls.take_unopened();
        }
        // What is inside TLS is told of the service of that.
        if self.depth == 1 {
            shared.counters.stream_bytes += bytes;
            self.tls.tell_service(&mut shared.counters.services, is_over, &shared.tls);
        }
    }
}

/// A connection that has ended and waits for its keys.
#[derive(Debug)]
struct Waiting<S> {
    inside: Box<Inside<S>>,
    how: Close,
}

/// The connections that have ended and wait for their keys.
#[derive(Debug)]
pub(super) struct Parked<S> {
    waiting: Vec<Waiting<S>>,
    /// Secrets that had been told, and packet time, when keys were last looked for.
    told: u64,
    looked: Timestamp,
    /// The latest packet time.
    now: Timestamp,
}

impl<S> Default for Parked<S> {
    fn default() -> Self {
        Self { waiting: Vec::new(), told: 0, looked: Timestamp::EPOCH, now: Timestamp::EPOCH }
    }
}

/// Packet time between two looks at whether connections have waited for too long.
const LOOK: Duration = Duration::from_secs(1);

impl<S: Sink> Exchanges<S> {
    /// Keeps a connection that has ended until its keys come.
    pub(super) fn park(&mut self, inside: Box<Inside<S>>, how: Close) {
        self.parked.waiting.push(Waiting { inside, how });
    }

    /// Reads parked connections whose keys have come, and closes those that have waited for long enough.
    pub fn look_at_parked(&mut self, now: Timestamp) {
        self.parked.now = now;
        if self.parked.waiting.is_empty() {
            return;
        }
        let told = self.tls.secrets_told();
        if told == self.parked.told && now.since(self.parked.looked) < LOOK {
            return;
        }
        (self.parked.told, self.parked.looked) = (told, now);
        for Waiting { mut inside, how } in std::mem::take(&mut self.parked.waiting) {
            inside.go_on(self, now);
            if inside.is_waiting(self, now) {
                self.parked.waiting.push(Waiting { inside, how });
            } else {
                inside.close(self, how);
            }
        }
    }

    /// The latest packet time, for connections that end.
    pub(super) const fn now(&self) -> Timestamp {
        self.parked.now
    }

    /// Closes all that still waits: no more keys will come.
    pub fn finish(&mut self) {
        for Waiting { inside, how } in std::mem::take(&mut self.parked.waiting) {
            inside.close(self, how);
        }
    }
}
