//! One TLS connection: its hellos, its keys once they are known, and what is inside.
//!
//! ```text
//! TLS 1.3                         TLS 1.2
//! Early ─▶ Handshake ─▶ Application       clear, until ChangeCipherSpec ─▶ Application
//!   EndOfEarlyData   Finished    ↺ KeyUpdate
//! ```
//!
//! Each direction is in one of these stages and counts its records. A record is opened with the key of the stage and
//! the number it must have. After a loss the number is only bounded: a few numbers are tried, with the keys of
//! this stage and those that may have followed, and the record's authentication says which was right. That also tells
//! how many records, and so how many bytes inside, were lost.
//!
//! A record that cannot be opened *yet* (its key is not known, the server's answer is outstanding) is held, as many
//! bytes and for as long as the bounds allow, and so is all that follows it in its direction; once it can, everything
//! goes on in the order in which it came. What will never be opened is told as a gap.

use super::certificate::Certificate;
use super::decrypt::{Opened, Opener, Tls12};
use super::handshake::{self, Message, Messages};
use super::hello::{Alpn, ClientHello, EncryptedExtensions, ServerHello};
use super::keylog::{Keys, Label};
use super::record::{self, HEADER, Header, Item, Records};
use super::service::{Moved, Posture, ServiceKey, Services};
use super::suite::{Group, Protection, Version};
use crate::anomaly::Anomaly;
use crate::flow::{Chunk, Direction, FlowKey, Moment};
use crate::limits::Limits;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bounds on what connections keep and try. See [`Limits`].
#[derive(Clone, Copy, Debug)]
struct Bounds {
    waiting_bytes: usize,
    waiting_bytes_total: usize,
    waiting: Duration,
    handshake_bytes: usize,
    lost_records: u64,
    services: usize,
}

/// What the connections of a shard share.
#[derive(Debug)]
pub struct Workspace {
    keys: Arc<Keys>,
    bounds: Bounds,
    /// Bytes that all connections hold.
    held_bytes: usize,
    /// Connections that hold something for want of keys.
    waiting: u64,
    spare: Vec<Vec<u8>>,
    /// A copy of a record that is tried.
    trial: Vec<u8>,
    /// What came out and is yet to be handed on.
    pub events: Vec<Event>,
}

/// Buffers that are kept for reuse.
const MAX_SPARE: usize = 64;

impl Workspace {
    /// Connections find their secrets in `keys`.
    #[must_use]
    pub fn new(limits: &Limits, keys: Arc<Keys>) -> Self {
        let bounds = Bounds {
            waiting_bytes: limits.tls_waiting_bytes,
            waiting_bytes_total: limits.tls_waiting_bytes_total,
            waiting: limits.tls_waiting,
            handshake_bytes: limits.tls_handshake_bytes,
            lost_records: limits.tls_lost_records,
            services: limits.tls_services,
        };
        Self {
            keys,
            bounds,
            held_bytes: 0,
            waiting: 0,
            spare: Vec::new(),
            trial: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Connections that hold something for want of keys.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Secrets told so far: a connection that waits may go on when this has grown.
    #[must_use]
    pub fn secrets_told(&self) -> u64 {
        self.keys.told()
    }

    /// Whether secrets may still come to a connection that has waited since `since`.
    #[must_use]
    pub fn may_still_come(&self, since: Timestamp, now: Timestamp) -> bool {
        self.keys.are_expected() && now.since(since) <= self.bounds.waiting
    }

    /// Takes a buffer back for reuse.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.spare.len() < MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn tell(&mut self, direction: Direction, at: &Moment, what: What) {
        self.events.push(Event { direction, at: *at, what });
    }
}

/// Something that a connection brought.
#[derive(Debug)]
pub struct Event {
    /// Which way it went.
    pub direction: Direction,
    /// When the packet came that completed it.
    pub at: Moment,
    /// What it is.
    pub what: What,
}

/// What a connection brings.
#[derive(Debug)]
pub enum What {
    /// Bytes inside.
    Data(Plain),
    /// Bytes inside that will not come; [`UNKNOWN`] when how many is not known.
    Gap(u64),
    /// Bytes of records were lost. What that comes to inside is told as a gap once the next record is opened, unless it
    /// is nothing.
    Losing,
    /// What this direction brings has to wait while the other one is read on: it will come too late.
    Holding,
    /// The direction came to its end.
    End,
    /// Something odd.
    Odd(Anomaly),
}

/// The length of a gap of unknown length: longer than any message that could go on behind it.
pub const UNKNOWN: u64 = 1 << 40;

/// The content of a record, in the buffer that it came in.
pub struct Plain {
    /// The buffer, for [`Workspace::recycle`].
    pub buffer: Vec<u8>,
    content: Range<usize>,
}

impl Plain {
    /// The content.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.buffer.get(self.content.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plain({} bytes)", self.content.len())
    }
}

/// Whether the content of a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing protected came yet, or it waits for keys.
    Undecided,
    /// It is.
    Open,
    /// It never will be.
    Closed,
}

/// The stages of a direction's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Early,
    Handshake,
    Application,
}

const STAGES: [Stage; 3] = [Stage::Early, Stage::Handshake, Stage::Application];

/// What was lost since the last record that was opened.
#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    /// Bytes of records, headers and all.
    bytes: u64,
    /// Records that came and were not opened.
    records: u64,
}

/// One direction.
#[derive(Debug)]
struct Half {
    records: Records,
    messages: Messages,
    stage: Stage,
    openers: [Option<Opener>; 3],
    /// The number of the next record.
    number: u64,
    /// Set where the number is not known for sure.
    loss: Option<Loss>,
    /// TLS 1.2: records are protected from here on.
    protected: bool,
    /// Records in a row that were not opened.
    failed: u32,
    /// It will not be read any more.
    dead: bool,
    /// Things of this direction that are held.
    held: usize,
}

/// Records in a row that are tried in vain before a direction is given up.
const MAX_FAILED: u32 = 32;

impl Half {
    const fn new() -> Self {
        Self {
            records: Records::new(),
            messages: Messages::new(),
            stage: Stage::Handshake,
            openers: [None, None, None],
            number: 0,
            loss: None,
            protected: false,
            failed: 0,
            dead: false,
            held: 0,
        }
    }

    fn opener(&self, stage: Stage) -> Option<&Opener> {
        self.openers.get(stage as usize)?.as_ref()
    }

    fn set(&mut self, stage: Stage, opener: Option<Opener>) {
        if let Some(slot) = self.openers.get_mut(stage as usize)
            && slot.is_none()
        {
            *slot = opener;
        }
    }

    /// Whether a key of this stage or a later one is known.
    fn has_keys(&self) -> bool {
        STAGES.into_iter().any(|stage| stage >= self.stage && self.opener(stage).is_some())
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.number = 0;
        self.messages = Messages::new();
    }

    fn lose(&mut self, bytes: u64, records: u64) {
        let loss = self.loss.get_or_insert_default();
        loss.bytes = loss.bytes.saturating_add(bytes);
        loss.records += records;
        self.messages = Messages::new();
    }
}

/// Something that waits until what is before it can be read.
#[derive(Debug)]
struct Held {
    direction: Direction,
    at: Moment,
    what: HeldWhat,
}

#[derive(Debug)]
enum HeldWhat {
    Item(Item, Vec<u8>),
    Losing,
    End,
}

/// What became of the data that a client sent before the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    /// None was sent.
    None,
    /// The server's word is outstanding.
    Undecided,
    Accepted,
    Refused,
}

/// One connection. See the module's doc.
#[derive(Debug)]
pub struct Connection {
    key: FlowKey,
    /// The direction of the client's bytes, once a hello told it.
    client: Option<Direction>,
    hello: Option<Box<ClientHello>>,
    server: Option<ServerHello>,
    early: Early,
    alpn: Option<Alpn>,
    group: Option<Group>,
    certificates: [Option<Certificate>; 2],
    halves: [Half; 2],
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Since when something is held for want of keys.
    waits_since: Option<Timestamp>,
    /// Secrets that had been told when they were last looked through.
    looked_at: Option<u64>,
    reading: Reading,
    /// Something was read that may set free what is held.
    progress: bool,
    /// TLS 1.2: a new handshake was begun inside the connection.
    renegotiates: bool,
    /// Bytes of records that did not open, since they were last taken.
    unopened: u64,
    /// TLS 1.2, or read with keys: the server asked for the client's certificate.
    asks_certificate: bool,
    /// What its service was not told of yet.
    untold: Moved,
    /// The service, once it was told of the connection.
    listed: Option<ServiceKey>,
}

/// Bytes after which a connection's service is told of it.
const TOLD_AFTER: u64 = 1 << 16;

impl Connection {
    /// A connection that nothing is known of.
    #[must_use]
    pub const fn new(key: FlowKey) -> Self {
        Self {
            key,
            client: None,
            hello: None,
            server: None,
            early: Early::None,
            alpn: None,
            group: None,
            certificates: [None, None],
            halves: [Half::new(), Half::new()],
            held: VecDeque::new(),
            held_bytes: 0,
            waits_since: None,
            looked_at: None,
            reading: Reading::Undecided,
            progress: false,
            renegotiates: false,
            unopened: 0,
            asks_certificate: false,
            untold: Moved { bytes: 0, packets: 0, span: None },
            listed: None,
        }
    }

    /// Whether its content is read.
    #[must_use]
    pub const fn reading(&self) -> Reading {
        self.reading
    }

    /// Whether the start of what is inside was seen: the hellos were.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.server.is_some()
    }

    /// Bytes of records that did not open, since this was last asked.
    pub const fn take_unopened(&mut self) -> u64 {
        std::mem::replace(&mut self.unopened, 0)
    }

    /// Since when records wait for keys.
    #[must_use]
    pub const fn waits_since(&self) -> Option<Timestamp> {
        self.waits_since
    }

    /// Takes the next bytes of a direction. What comes of it is in [`Workspace::events`].
    pub fn chunk(&mut self, direction: Direction, chunk: Chunk<'_>, at: &Moment, work: &mut Workspace) {
        if let Chunk::Data(bytes) = chunk {
            self.untold.packet(bytes.len() as u64, at.ts);
        }
        if self.reading == Reading::Closed {
            return;
        }
        self.go_on(at.ts, work);
        match chunk {
            Chunk::Gap(lost) => {
                self.half_mut(direction).records.gap(lost);
                self.take(Held { direction, at: *at, what: HeldWhat::Losing }, work);
            }
            Chunk::Data(mut bytes) => {
                let records = &mut self.half_mut(direction).records;
                if records.body.capacity() == 0 {
                    records.body = work.spare.pop().unwrap_or_default();
                }
                while let Some(item) = self.half_mut(direction).records.next(&mut bytes) {
                    let fresh = work.spare.pop().unwrap_or_default();
                    let body = std::mem::replace(&mut self.half_mut(direction).records.body, fresh);
                    self.take(Held { direction, at: *at, what: HeldWhat::Item(item, body) }, work);
                }
                if let Some(spare) = self.half_mut(direction).records.spare() {
                    work.recycle(spare);
                }
            }
        }
        if self.reading == Reading::Closed {
            self.forget(work);
        }
    }

    /// A direction came to its end.
    pub fn end(&mut self, direction: Direction, at: &Moment, work: &mut Workspace) {
        self.take(Held { direction, at: *at, what: HeldWhat::End }, work);
    }

    /// Looks whether keys came for what is held, or will not come any more.
    pub fn go_on(&mut self, now: Timestamp, work: &mut Workspace) {
        if self.waits_since.is_none() {
            return;
        }
        if self.looked_at != Some(work.keys.told()) {
            self.look(work);
            self.drain(work);
        }
        if self.waits_since.is_some() && !self.may_wait(now, work) {
            self.give_up(work);
        }
    }

    /// Nothing more will come, and no keys either.
    pub fn close(&mut self, work: &mut Workspace) {
        if self.waits_since.is_some() {
            self.look(work);
            self.drain(work);
        }
        self.give_up(work);
    }

    /// Tells the service of the connection and its bytes, once what there is to know is known.
    pub fn tell_service(&mut self, services: &mut Services, over: bool, work: &Workspace) {
        let is_due = self.untold.bytes >= TOLD_AFTER && self.waits_since.is_none();
        if !is_due && !over {
            return;
        }
        let limit = work.bounds.services;
        let key = if let Some(key) = self.listed.take() {
            key
        } else {
            // Joined midway, neither end can be told from the other.
            let Some(client) = self.client else { return };
            let server = self.key.sender(client.reverse());
            let host = self.hello.as_ref().and_then(|hello| hello.server_name.clone());
            let key = ServiceKey { host, server };
            let began = self.untold.span.map_or(Timestamp::EPOCH, |(first, _)| first);
            services.connection(&key, self.posture(), began, limit);
            key
        };
        services.moved(&key, std::mem::take(&mut self.untold), limit);
        self.listed = Some(key);
    }

    fn posture(&mut self) -> Posture {
        let [of_server, of_client] = std::mem::take(&mut self.certificates);
        let hello = self.hello.as_deref();
        Posture {
            version: self.server.map(|server| server.version),
            suite: self.server.map(|server| server.suite),
            group: self.group,
            alpn: self.alpn.or_else(|| hello.and_then(|hello| hello.alpn.first().copied())),
            ja4: hello.map(|hello| hello.ja4.clone()),
            certificate: of_server,
            asks_certificate: self.asks_certificate,
            client_certificate: of_client,
            resumed: self.server.is_some_and(|server| server.resumed),
            encrypted_hello: hello.is_some_and(|hello| hello.encrypted_hello),
            early_data: hello.is_some_and(|hello| hello.early_data),
            read: self.reading == Reading::Open,
        }
    }

    const fn half(&self, direction: Direction) -> &Half {
        let [low, high] = &self.halves;
        match direction {
            Direction::LowToHigh => low,
            Direction::HighToLow => high,
        }
    }

    const fn half_mut(&mut self, direction: Direction) -> &mut Half {
        let [low, high] = &mut self.halves;
        match direction {
            Direction::LowToHigh => low,
            Direction::HighToLow => high,
        }
    }

    fn is_client(&self, direction: Direction) -> bool {
        self.client == Some(direction)
    }

    fn is_tls13(&self) -> bool {
        self.server.is_some_and(|server| server.version == Version::TLS13)
    }

    /// Takes the next thing of a direction: reads it, or holds it behind what is held.
    fn take(&mut self, next: Held, work: &mut Workspace) {
        let direction = next.direction;
        if self.half(direction).held > 0 {
            self.hold(next, work);
        } else if let Some(blocked) = self.read(next, work) {
            self.hold(blocked, work);
        }
        if std::mem::take(&mut self.progress) {
            self.drain(work);
        }
    }

    fn hold(&mut self, mut held: Held, work: &mut Workspace) {
        let mut bytes = size_of::<Held>();
        if let HeldWhat::Item(_, body) = &mut held.what {
            if body.capacity() > 2 * body.len() {
                let fitting = body.as_slice().into();
                work.recycle(std::mem::replace(body, fitting));
            }
            bytes += body.capacity();
        }
        let bounds = work.bounds;
        if self.held_bytes + bytes > bounds.waiting_bytes
            || work.held_bytes + bytes > bounds.waiting_bytes_total
        {
            // Where no key was ever told, nothing was lost by not waiting for one.
            if work.keys.told() > 0 {
                work.tell(held.direction, &held.at, What::Odd(Anomaly::TlsWaitingLimit));
            }
            return self.give_up(work);
        }
        if self.reading == Reading::Open && self.half(held.direction.reverse()).held == 0 {
            work.tell(held.direction, &held.at, What::Holding);
        }
        if self.waits_since.is_none() {
            self.waits_since = Some(held.at.ts);
            work.waiting += 1;
        }
        self.held_bytes += bytes;
        work.held_bytes += bytes;
        self.half_mut(held.direction).held += 1;
        self.held.push_back(held);
    }

    /// Reads what is held, in order, as far as it can be.
    fn drain(&mut self, work: &mut Workspace) {
        let mut again = !self.held.is_empty();
        while again {
            again = false;
            let mut blocked = [None; 2];
            let mut held = std::mem::take(&mut self.held);
            while let Some(next) = held.pop_front() {
                let direction = next.direction;
                let half = self.half_mut(direction);
                half.held = half.held.saturating_sub(1);
                let is_blocked = blocked.contains(&Some(direction));
                let back = if is_blocked { Some(next) } else { self.read(next, work) };
                if let Some(back) = back {
                    if let Some(slot) = blocked.get_mut(direction as usize) {
                        *slot = Some(direction);
                    }
                    self.half_mut(direction).held += 1;
                    self.held.push_back(back);
                }
                // What came before and was blocked may go first now.
                if std::mem::take(&mut self.progress) {
                    again = true;
                    break;
                }
            }
            self.held.append(&mut held);
        }
        let kept = self.held.iter().map(|held| {
            let body = if let HeldWhat::Item(_, body) = &held.what { body.capacity() } else { 0 };
            size_of::<Held>() + body
        });
        let kept: usize = kept.sum();
        work.held_bytes = (work.held_bytes + kept).saturating_sub(self.held_bytes);
        self.held_bytes = kept;
        if self.held.is_empty() {
            self.wait_no_more(work);
        }
    }

    const fn wait_no_more(&mut self, work: &mut Workspace) {
        if self.waits_since.take().is_some() {
            work.waiting -= 1;
        }
    }

    /// Gives up what is held, and whatever needs keys that are not known.
    fn give_up(&mut self, work: &mut Workspace) {
        self.refuse_early();
        for half in &mut self.halves {
            half.dead |= !half.has_keys();
        }
        self.drain(work);
        self.progress = false;
        if self.halves.iter().all(|half| half.dead) && self.reading == Reading::Undecided {
            self.reading = Reading::Closed;
        }
        self.forget(work);
    }

    /// Frees what a closed connection needs no more.
    fn forget(&mut self, work: &mut Workspace) {
        work.held_bytes = work.held_bytes.saturating_sub(self.held_bytes);
        self.held_bytes = 0;
        self.held = VecDeque::new();
        self.wait_no_more(work);
        for half in &mut self.halves {
            half.held = 0;
            if self.reading == Reading::Closed {
                *half = Half { dead: true, ..Half::new() };
            }
        }
    }

    /// Looks the connection's secrets up, and makes keys of those that were not known before.
    fn look(&mut self, work: &Workspace) {
        self.looked_at = Some(work.keys.told());
        let (Some(hello), Some(server), Some(client)) = (&self.hello, self.server, self.client) else {
            return;
        };
        let Some(secrets) = work.keys.find(&hello.random) else { return };
        let [mut of_client, mut of_server] = [[None, None, None], [None, None, None]];
        match server.suite.protection() {
            Some(Protection::Tls13(..)) if server.version == Version::TLS13 => {
                let opener = |label| Opener::tls13(server.suite, secrets.find(label)?);
                of_client = [
                    opener(Label::ClientEarly),
                    opener(Label::ClientHandshake),
                    opener(Label::ClientApplication),
                ];
                of_server = [None, opener(Label::ServerHandshake), opener(Label::ServerApplication)];
            }
            Some(Protection::Aead(..) | Protection::Cbc(..)) if server.version == Version::TLS12 => {
                let from = Tls12 {
                    suite: server.suite,
                    client: hello.random,
                    server: server.random,
                    encrypt_then_mac: server.encrypt_then_mac,
                };
                let opener = |of_client| Opener::tls12(&from, secrets.find(Label::Master)?, of_client);
                of_client = [None, None, opener(true)];
                of_server = [None, None, opener(false)];
            }
            Some(_) | None => {}
        }
        for (direction, openers) in [(client, of_client), (client.reverse(), of_server)] {
            let half = self.half_mut(direction);
            for (stage, opener) in STAGES.into_iter().zip(openers) {
                half.set(stage, opener);
            }
        }
    }

    /// What is to be done with a record of this kind that comes next.
    fn way(&mut self, direction: Direction, kind: u8, work: &Workspace) -> Way {
        let is_data = kind == record::APPLICATION_DATA;
        let is_protected = match self.server {
            Some(server) if server.version == Version::TLS13 => is_data,
            Some(_) => is_data || self.half(direction).protected,
            // Data before the server's answer, or the answer was lost.
            None if is_data => return Way::Blocked,
            None => false,
        };
        if !is_protected {
            return Way::Clear;
        }
        let is_early = self.half(direction).stage == Stage::Early && self.early == Early::Undecided;
        if self.looked_at != Some(work.keys.told()) && !self.half(direction).has_keys() {
            self.look(work);
        }
        if self.half(direction).has_keys() && !is_early { Way::Protected } else { Way::Blocked }
    }

    /// Reads the next thing of a direction. Gives it back when it has to wait.
    fn read(&mut self, held: Held, work: &mut Workspace) -> Option<Held> {
        let Held { direction, at, what } = held;
        let (item, body) = match what {
            HeldWhat::Item(item, body) => (item, body),
            HeldWhat::Losing => {
                work.tell(direction, &at, What::Losing);
                return None;
            }
            HeldWhat::End => {
                work.tell(direction, &at, What::End);
                return None;
            }
        };
        if self.half(direction).dead {
            if let Item::Record(header) = item {
                self.unopened += (HEADER + header.length) as u64;
            }
            work.recycle(body);
            return None;
        }
        let (header, is_damaged) = match item {
            Item::Record(header) => (header, false),
            Item::Damaged(header) => (header, true),
            Item::Missing(bytes) => {
                if bytes > 0 {
                    self.half_mut(direction).lose(bytes, 0);
                }
                work.recycle(body);
                return None;
            }
        };
        match self.way(direction, header.kind, work) {
            Way::Blocked if self.may_wait(at.ts, work) => {
                return Some(Held { direction, at, what: HeldWhat::Item(item, body) });
            }
            Way::Blocked => {
                work.recycle(body);
                self.abandon(direction, &at, work);
            }
            Way::Clear if is_damaged => {
                self.half_mut(direction).messages = Messages::new();
                work.recycle(body);
            }
            Way::Clear => {
                self.clear(direction, header, &body, &at, work);
                work.recycle(body);
            }
            Way::Protected if is_damaged => {
                self.damaged(direction, header, &at, work);
                work.recycle(body);
            }
            Way::Protected => self.protected(direction, header, body, &at, work),
        }
        None
    }

    /// Whether it is worth while to wait for keys, or for the server's answer when keys are there.
    fn may_wait(&mut self, now: Timestamp, work: &Workspace) -> bool {
        let Some(hello) = &self.hello else { return false };
        if self.server.is_some_and(|server| !is_readable(&server)) {
            return false;
        }
        let is_known = work.keys.knows(&hello.random);
        let since = self.waits_since.unwrap_or(now);
        (is_known || work.keys.are_expected()) && now.since(since) <= work.bounds.waiting
    }

    /// A direction cannot be read, and will never be.
    fn abandon(&mut self, direction: Direction, at: &Moment, work: &mut Workspace) {
        if self.early == Early::Undecided {
            self.refuse_early();
        }
        if self.half(direction).has_keys() {
            return;
        }
        self.half_mut(direction).dead = true;
        if self.halves.iter().all(|half| half.dead || !half.has_keys()) && self.reading == Reading::Undecided
        {
            self.reading = Reading::Closed;
        }
        if self.reading == Reading::Open {
            work.tell(direction, at, What::Gap(UNKNOWN));
        }
        self.progress = true;
    }

    /// Reads a record that is not protected.
    fn clear(
        &mut self,
        direction: Direction,
        header: Header,
        body: &[u8],
        at: &Moment,
        work: &mut Workspace,
    ) {
        match header.kind {
            record::HANDSHAKE => {
                let is_tls12 = self.server.is_some() && !self.is_tls13();
                if let Some(loss) = &mut self.half_mut(direction).loss
                    && is_tls12
                {
                    // Among what was lost may be the sign that this is protected.
                    loss.records += 1;
                }
                self.handshake(direction, body, false, at, work);
            }
            record::CHANGE_CIPHER_SPEC if !self.is_tls13() => self.half_mut(direction).protected = true,
            _ => {}
        }
    }

    /// A protected record lost bytes.
    fn damaged(&mut self, direction: Direction, header: Header, at: &Moment, work: &mut Workspace) {
        let half = self.half_mut(direction);
        // What is as short as this may have changed the keys.
        let is_data = half.stage == Stage::Application && header.length > MAX_CONTROL;
        let overhead = half.opener(half.stage).and_then(Opener::overhead);
        match overhead.and_then(|overhead| header.length.checked_sub(overhead)) {
            Some(lost) if is_data && half.loss.is_none() && half.number > 0 => {
                half.number += 1;
                work.tell(direction, at, What::Gap(lost as u64));
            }
            Some(_) | None => half.lose((HEADER + header.length) as u64, 1),
        }
    }

    /// Opens a record and reads what is in it.
    fn protected(
        &mut self,
        direction: Direction,
        header: Header,
        mut body: Vec<u8>,
        at: &Moment,
        work: &mut Workspace,
    ) {
        let skips_early = self.early == Early::Refused && self.is_client(direction);
        let limit = work.bounds.lost_records;
        let half = self.half_mut(direction);
        half.protected = true;
        let Some(found) = half.open(header, &mut body, &mut work.trial, limit) else {
            self.unopened += (HEADER + header.length) as u64;
            let half = self.half_mut(direction);
            work.recycle(body);
            if skips_early && half.stage == Stage::Handshake {
                return;
            }
            half.failed += 1;
            half.dead |= half.failed >= MAX_FAILED;
            work.tell(direction, at, What::Odd(Anomaly::TlsUnopened));
            work.tell(direction, at, What::Losing);
            if self.half(direction).dead {
                work.tell(direction, at, What::Gap(UNKNOWN));
            }
            return;
        };
        let stage = half.stage;
        self.reading = Reading::Open;
        if stage == Stage::Application && found.lost > 0 {
            work.tell(direction, at, What::Gap(found.lost));
        }
        let Opened { kind, content } = found.opened;
        match kind {
            record::APPLICATION_DATA if !content.is_empty() => {
                work.tell(direction, at, What::Data(Plain { buffer: body, content }));
                return;
            }
            record::HANDSHAKE => {
                let content = body.get(content).unwrap_or_default();
                self.handshake(direction, content, true, at, work);
            }
            // A new handshake inside comes to new keys here.
            record::CHANGE_CIPHER_SPEC => {
                self.half_mut(direction).dead = true;
                work.tell(direction, at, What::Gap(UNKNOWN));
            }
            _ => {}
        }
        work.recycle(body);
    }

    fn handshake(
        &mut self,
        direction: Direction,
        fragment: &[u8],
        is_protected: bool,
        at: &Moment,
        work: &mut Workspace,
    ) {
        self.half_mut(direction).messages.push(fragment);
        while let Some(message) = self.half_mut(direction).messages.next(work.bounds.handshake_bytes) {
            let Message { kind, body } = message;
            match body {
                Some(body) if is_protected => self.private_message(direction, kind, &body, at, work),
                Some(body) => self.clear_message(direction, kind, &body),
                None => work.tell(direction, at, What::Odd(Anomaly::HandshakeLimit)),
            }
        }
    }

    fn clear_message(&mut self, direction: Direction, kind: u8, body: &[u8]) {
        match kind {
            // The one after a HelloRetryRequest has the same random; what it lacks is the data before the answer.
            handshake::CLIENT_HELLO if self.hello.is_none() => {
                let Some(hello) = ClientHello::parse(body) else { return };
                self.client = Some(direction);
                if hello.early_data {
                    self.early = Early::Undecided;
                    self.half_mut(direction).stage = Stage::Early;
                }
                self.hello = Some(Box::new(hello));
            }
            handshake::SERVER_HELLO if self.server.is_none() => {
                let Some(server) = ServerHello::parse(body, self.hello.as_deref()) else { return };
                if server.retry {
                    self.group = server.group;
                    self.refuse_early();
                    return;
                }
                let client = *self.client.get_or_insert(direction.reverse());
                self.group = server.group.or(self.group);
                self.alpn = server.alpn;
                self.server = Some(server);
                if server.version < Version::TLS13 {
                    self.refuse_early();
                    self.half_mut(client).stage = Stage::Application;
                    self.half_mut(client.reverse()).stage = Stage::Application;
                }
                self.progress = true;
            }
            handshake::CERTIFICATE => self.certificate(direction, body),
            handshake::CERTIFICATE_REQUEST => self.asks_certificate = true,
            // A named curve (RFC 8422 section 5.4).
            handshake::SERVER_KEY_EXCHANGE => {
                if let [3, high, low, ..] = body {
                    self.group = Some(Group(u16::from_be_bytes([*high, *low])));
                }
            }
            _ => {}
        }
    }

    fn private_message(
        &mut self,
        direction: Direction,
        kind: u8,
        body: &[u8],
        at: &Moment,
        work: &mut Workspace,
    ) {
        let is_tls13 = self.is_tls13();
        let half = self.half_mut(direction);
        match kind {
            handshake::ENCRYPTED_EXTENSIONS if is_tls13 => {
                let Some(extensions) = EncryptedExtensions::parse(body) else { return };
                self.alpn = extensions.alpn;
                if self.early == Early::Undecided {
                    if extensions.early_data {
                        self.early = Early::Accepted;
                    } else {
                        self.refuse_early();
                    }
                    self.progress = true;
                }
            }
            handshake::CERTIFICATE => self.certificate(direction, body),
            handshake::CERTIFICATE_REQUEST => self.asks_certificate = true,
            handshake::END_OF_EARLY_DATA if half.stage == Stage::Early => half.enter(Stage::Handshake),
            handshake::FINISHED if is_tls13 && half.stage < Stage::Application => {
                half.enter(Stage::Application);
                // Whether the early data was taken was said before, unless that was lost.
                if !self.is_client(direction) && self.early == Early::Undecided {
                    self.early = Early::Accepted;
                    self.progress = true;
                }
            }
            handshake::KEY_UPDATE if is_tls13 && half.stage == Stage::Application => {
                let next = half.opener(Stage::Application).and_then(Opener::updated);
                half.dead |= next.is_none();
                half.replace(next);
            }
            // HelloRequest, ClientHello: TLS 1.2 begins a new handshake inside.
            handshake::CLIENT_HELLO if !is_tls13 && !self.renegotiates => {
                self.renegotiates = true;
                work.tell(direction, at, What::Odd(Anomaly::TlsRenegotiation));
            }
            _ => {}
        }
    }

    /// What the client sent before the answer is passed over: its records do not open with the handshake's key.
    fn refuse_early(&mut self) {
        if self.early != Early::Undecided {
            return;
        }
        self.early = Early::Refused;
        self.progress = true;
        if let Some(client) = self.client {
            let half = self.half_mut(client);
            if half.stage == Stage::Early {
                half.enter(Stage::Handshake);
                half.lose(0, 0);
            }
        }
    }

    fn certificate(&mut self, direction: Direction, body: &[u8]) {
        let of_client = self.is_client(direction);
        let read = Certificate::parse(body, self.is_tls13(), of_client);
        let [server, client] = &mut self.certificates;
        let slot = if of_client { client } else { server };
        if slot.is_none() {
            *slot = read;
        }
    }
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It is in the clear.
    Clear,
    /// It is protected, and can be opened.
    Protected,
    /// It is protected, and cannot be opened yet.
    Blocked,
}

/// Whether the content of a connection could be read if its keys were known.
fn is_readable(server: &ServerHello) -> bool {
    !server.compressed
        && match server.suite.protection() {
            Some(Protection::Tls13(..)) => server.version == Version::TLS13,
            Some(Protection::Aead(..) | Protection::Cbc(..)) => server.version == Version::TLS12,
            None => false,
        }
}

/// Records up to this long may hold what changes keys.
const MAX_CONTROL: usize = 64;

/// A record that was opened.
struct Found {
    opened: Opened,
    /// Bytes inside that were lost before it.
    lost: u64,
}

impl Half {
    /// Opens a record with the key and number that it must have, or after a loss may have.
    fn open(&mut self, header: Header, body: &mut Vec<u8>, trial: &mut Vec<u8>, limit: u64) -> Option<Found> {
        if self.opener(self.stage).is_none() {
            // The secret of this stage was not told, of a later one it was: when that begins is to be found out.
            let next =
                STAGES.into_iter().find(|stage| *stage > self.stage && self.opener(*stage).is_some())?;
            self.enter(next);
            self.lose(0, 0);
        }
        let size = (HEADER + header.length) as u64;
        let Some(loss) = self.loss else {
            let opened = self.opener(self.stage)?.open(self.number, header, body);
            match opened {
                Some(opened) => {
                    self.number += 1;
                    self.failed = 0;
                    return Some(Found { opened, lost: 0 });
                }
                None => self.lose(size, 1),
            }
            return None;
        };
        let span = limit.min(loss.bytes / SMALLEST + loss.records);
        let mut attempt = |opener: &Opener, from: u64| {
            (from..=from.saturating_add(span)).find_map(|number| {
                trial.clear();
                trial.extend_from_slice(body);
                let opened = opener.open(number, header, trial)?;
                std::mem::swap(body, trial);
                Some((opened, number))
            })
        };
        for stage in STAGES.into_iter().filter(|stage| *stage >= self.stage) {
            let Some(opener) = self.opener(stage) else { continue };
            let from = if stage == self.stage { self.number } else { 0 };
            if let Some((opened, number)) = attempt(opener, from) {
                let inside = if stage == self.stage {
                    opener.lost(loss.bytes, number - from)
                } else if number == 0 {
                    0
                } else {
                    UNKNOWN
                };
                self.found(stage, number);
                return Some(Found { opened, lost: inside });
            }
        }
        if self.stage == Stage::Application
            && let Some(updated) = self.opener(self.stage).and_then(Opener::updated)
            && let Some((opened, number)) = attempt(&updated, 0)
        {
            self.replace(Some(updated));
            self.found(Stage::Application, number);
            return Some(Found { opened, lost: UNKNOWN });
        }
        self.lose(size, 1);
        None
    }

    fn found(&mut self, stage: Stage, number: u64) {
        self.stage = stage;
        self.number = number + 1;
        self.loss = None;
        self.failed = 0;
    }

    /// New keys of the application's data.
    fn replace(&mut self, opener: Option<Opener>) {
        if let Some(slot) = self.openers.get_mut(Stage::Application as usize) {
            *slot = opener;
        }
        self.enter(Stage::Application);
    }
}

/// The shortest record that any suite makes: a header, a tag, and a byte.
const SMALLEST: u64 = (HEADER + 17) as u64;

impl Opener {
    /// Bytes inside of lost `records` that took `bytes` in all.
    fn lost(&self, bytes: u64, records: u64) -> u64 {
        if records == 0 {
            return 0;
        }
        let protection = self.overhead().map(|overhead| (HEADER + overhead) as u64 * records);
        protection.and_then(|protection| bytes.checked_sub(protection)).unwrap_or(UNKNOWN)
    }
}

/// Reads any bytes as a connection whose secrets are known; the invariants are that nothing panics, that bounds hold,
/// and that nothing opens that no key has sealed.
pub fn fuzz(data: &[u8]) {
    use super::keylog::KeyLogReader;
    use crate::flow::FlowKey;
    use std::net::{IpAddr, Ipv4Addr};
    let keys = Arc::new(Keys::new(4));
    for label in ["CLIENT_RANDOM", "CLIENT_EARLY_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"] {
        let line = format!("{label} {} {}\n", "07".repeat(32), "01".repeat(48));
        KeyLogReader::default().feed(line.as_bytes(), &keys);
    }
    keys.expect_more();
    let limits = Limits { tls_waiting_bytes: 4_096, ..Limits::default() };
    let mut work = Workspace::new(&limits, keys);
    let end = |port| (IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut connection = Connection::new(FlowKey::new(end(1), end(2), 0).0);
    let mut services = Services::default();
    let at = Moment { ts: Timestamp::EPOCH, input: 0, frame: 0, ack: None };
    let mut rest = data;
    while let Some((control, behind)) = rest.split_first() {
        let direction = if control & 1 == 0 { Direction::LowToHigh } else { Direction::HighToLow };
        let size = usize::from(control >> 2).min(behind.len());
        let (piece, behind) = behind.split_at(size);
        let chunk = if control & 2 == 0 { Chunk::Data(piece) } else { Chunk::Gap(size as u64) };
        connection.chunk(direction, chunk, &at, &mut work);
        connection.tell_service(&mut services, false, &work);
        assert!(work.held_bytes <= 4_096, "the limit holds");
        assert!(
            !work.events.drain(..).any(|event| matches!(event.what, What::Data(_))),
            "no key sealed this"
        );
        rest = behind;
    }
    connection.end(Direction::LowToHigh, &at, &mut work);
    connection.close(&mut work);
    connection.tell_service(&mut services, true, &work);
    assert_eq!((work.held_bytes, work.waiting), (0, 0), "what was held is forgotten");
}
