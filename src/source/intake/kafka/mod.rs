//! Topics of Kafka: the values of their records are lines of logs, or exports of spans.
//!
//! ```text
//!                   ┌▶ fetcher of broker 1 ─┐ units
//!  member ── shares ┤                       ├──────▶ lanes ─▶ state ─▶ lake
//!    ▲  ▲           └▶ fetcher of broker 2 ─┘                              │
//!    │  └──────────────────────── receipts: offsets to commit ◀────────────┘
//!    └─ coordinator of the group
//! ```
//!
//! A source is one member of a consumer group. Each partition of its share is a stream: it goes on at the offset that the
//! state holds or that the group has committed, whichever is further, else where `from` says. Each unit moves that offset
//! in the state, in the write that also holds what the unit brought, so one sensor counts each record once, whenever it
//! was killed and however often a record is delivered. The group's offset is committed once the unit is in the lake
//! ([`Settled::InLake`]) or in the state ([`Settled::Saved`]).
//!
//! Several sensors in one group share the partitions. A partition that moves from one to the other goes on at the
//! committed offset: what the first has counted beyond it counts twice. With [`Settled::Saved`] a sensor first saves and
//! commits what it has taken, for up to `HAND_OVER`, so that nothing counts twice unless a sensor is killed between
//! its save and its commit. With [`Settled::InLake`] up to a roll of the lake may count twice.
//!
//! While a lane is full nothing more is fetched; the member stays in its group. What is lost is counted: records whose
//! retention ended before they were read, batches that cannot be read.
//!
//! The protocol is spoken here rather than by a crate: librdkafka needs OpenSSL for TLS, which is not linked into
//! Spanlight, and the clients in Rust have no groups.

mod batch;
mod connection;
mod fetch;
mod group;
mod records;
mod scram;
mod settings;
mod tls;
mod wire;

pub use connection::{Access, Login, Mechanism};
pub use settings::{Identity, KafkaError, KafkaSettings, Sasl, TlsSettings};
pub use tls::TlsError;

use super::{Content, Courier, Hand, LogSource, Position, Receipt, Refused, Settled, Tally, Unit, Way};
use connection::{ANSWER, Connection, Trouble, now};
use fetch::Fetcher;
use group::Share;
use records::Reading;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wire::{Api, Code, Joined, Metadata, Writer};

/// Topics that are read, and as whom: all that [`KafkaSettings`] name is read from its files.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Brokers to begin with, as host and port; they name the others.
    pub brokers: Vec<(String, u16)>,
    /// The topics.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// A name of this member that stays: who comes back under it within the session goes on at once.
    pub instance: Option<String>,
    /// Where a partition begins that neither the state nor the group knows.
    pub from: Begin,
    /// When an offset is committed.
    pub commit: Settled,
    /// How brokers are reached.
    pub access: Access,
}

/// Where a partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the first record that is kept.
    Start,
    /// Behind the last.
    End,
}

/// How long the group waits for a sign of life.
const SESSION: Duration = Duration::from_secs(10);
/// How often one is given.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long members may take to come together anew.
const REBALANCE: Duration = Duration::from_secs(60);
/// How long a share is kept back until what was taken of it is saved.
const HAND_OVER: Duration = Duration::from_secs(20);
/// How long the end of the sensor is put off for the last offsets.
const LAST: Duration = Duration::from_secs(10);
/// How often offsets are committed.
const COMMIT: Duration = Duration::from_secs(1);
/// How often the leaders of partitions are asked for.
const REFRESH: Duration = Duration::from_secs(30);
/// The same while a topic is missing.
const REFRESH_MISSING: Duration = Duration::from_secs(3);
/// How often what is to be done is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The first and the longest pause after something went wrong.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

impl Way for Kafka {
    fn run(self: Box<Self>, hand: Hand) {
        let known = hand.positions.into_iter().filter_map(|(name, position)| match position {
            Position::Offset(next) => Some((name, next)),
            Position::File(_) | Position::Object(_) | Position::Batch(_) | Position::Since(_) => None,
        });
        let known = known.collect();
        let shared = Arc::new(Shared {
            kafka: *self,
            source: hand.source,
            courier: hand.courier,
            tally: hand.tally,
            table: Mutex::default(),
            changed: Condvar::new(),
            ledger: Arc::default(),
        });
        let member = Member {
            shared,
            id: String::new(),
            generation: -1,
            is_leader: false,
            counts: BTreeMap::new(),
            known,
            fetchers: BTreeMap::new(),
            endings: Vec::new(),
            missing: BTreeSet::new(),
            trouble: false,
        };
        member.run();
    }
}

/// A partition: its topic and number.
type Place = (String, i32);

/// What the member and its fetchers share.
struct Shared {
    kafka: Kafka,
    source: Arc<LogSource>,
    courier: Courier,
    tally: Arc<Tally>,
    table: Mutex<Table>,
    /// The table has changed.
    changed: Condvar,
    ledger: Arc<Ledger>,
}

/// Who reads what.
#[derive(Default)]
struct Table {
    /// The share of this member.
    held: BTreeMap<Place, Held>,
    /// Nothing may be handed on: the share may no longer be ours.
    paused: bool,
    /// Someone met a broker that is not what the metadata say.
    stale: bool,
    /// Fetchers are to end.
    over: bool,
    /// Where brokers are reached.
    brokers: BTreeMap<i32, (String, u16)>,
}

/// A partition that is read.
struct Held {
    /// Its name in the state.
    name: Arc<str>,
    stream: u64,
    /// The offset to go on from; none until the broker was asked where to begin.
    next: Option<i64>,
    /// The offset that the group has; negative when it has none.
    committed: i64,
    /// The broker to ask.
    leader: i32,
    reading: Reading,
}

/// What receipts have told.
#[derive(Default)]
struct Ledger {
    settled: Mutex<BTreeMap<Place, i64>>,
    /// Units handed on whose receipts have not come.
    outstanding: AtomicUsize,
}

impl Ledger {
    fn settle(&self, place: Place, next: i64) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = settled.entry(place).or_insert(next);
        *known = next.max(*known);
    }
}

/// A receipt that has not come. It goes when it comes or never will.
struct Ticket(Arc<Ledger>);

impl Ticket {
    fn new(ledger: &Arc<Ledger>) -> Self {
        ledger.outstanding.fetch_add(1, Relaxed);
        Self(Arc::clone(ledger))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ending(&self) -> bool {
        self.courier.is_ending()
    }

    /// Hands records on and moves the partition's offset, unless it is no longer ours. Waits for room.
    fn hand_on(&self, place: &Place, stream: u64, content: Content, next: i64) -> bool {
        let mut content = content;
        loop {
            let mut table = self.table();
            if table.paused || self.is_ending() {
                return false;
            }
            let Some(held) = table.held.get_mut(place).filter(|held| held.stream == stream) else {
                return false;
            };
            let (ledger, settled) = (Arc::clone(&self.ledger), place.clone());
            let ticket = Ticket::new(&self.ledger);
            let tell = Box::new(move || {
                ledger.settle(settled, next);
                drop(ticket);
            });
            let unit = Unit {
                source: Arc::clone(&self.source),
                stream,
                content,
                moves: Some((Arc::clone(&held.name), Some(Position::Offset(next)))),
                receipt: Some(Receipt { when: self.kafka.commit, tell }),
            };
            match self.courier.offer(unit) {
                Ok(()) => {
                    held.next = Some(next);
                    return true;
                }
                Err(Refused::Ending) => return false,
                Err(Refused::Full(back)) => content = back.content,
            }
            drop(table);
            std::thread::sleep(LOOK);
        }
    }
}

/// This source as a member of its group.
struct Member {
    shared: Arc<Shared>,
    /// What the coordinator calls us.
    id: String,
    generation: i32,
    /// Whether it is us who deals shares out.
    is_leader: bool,
    /// How many partitions each topic had when they were dealt out.
    counts: BTreeMap<String, usize>,
    /// Offsets of partitions that are not held, from the state or from when they were.
    known: BTreeMap<String, i64>,
    fetchers: BTreeMap<i32, JoinHandle<()>>,
    /// Streams that have ended and whose readers do not know yet.
    endings: Vec<u64>,
    /// Topics that do not exist.
    missing: BTreeSet<String>,
    /// Whether trouble was told, and not yet that it is over.
    trouble: bool,
}

/// Why a member leaves a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Shares are dealt out anew.
    Rejoin,
    /// The sensor ends.
    Ending,
}

impl Member {
    fn run(mut self) {
        let mut pause = PAUSES.0;
        while !self.shared.is_ending() {
            match self.take_part(&mut pause) {
                Ok(()) | Err(Trouble::Ending) => break,
                Err(trouble) => self.tell(&trouble),
            }
            self.shared.table().paused = true;
            let until = now() + pause;
            while now() < until && !self.shared.is_ending() {
                std::thread::sleep(LOOK);
            }
            pause = PAUSES.1.min(pause * 2);
        }
        self.shared.table().over = true;
        self.shared.changed.notify_all();
        for fetcher in std::mem::take(&mut self.fetchers).into_values() {
            if fetcher.join().is_err() {
                tracing::error!(source = %self.shared.source.name, "a fetcher of topics has failed: this is a defect");
            }
        }
    }

    /// Tells what is wrong, once until it is over.
    fn tell(&mut self, trouble: &Trouble) {
        let source = &self.shared.source.name;
        if std::mem::replace(&mut self.trouble, true) {
            tracing::debug!(%source, error = %trouble, "still no topics are read");
        } else {
            tracing::warn!(%source, error = %trouble, "no topics are read until this is over");
        }
    }

    /// Takes part in the group until the sensor ends or something is wrong.
    fn take_part(&mut self, pause: &mut Duration) -> Result<(), Trouble> {
        let (host, port) = self.coordinator()?;
        let shared = Arc::clone(&self.shared);
        let ending = || shared.is_ending();
        let mut connection = Connection::open(&host, port, &self.shared.kafka.access, &ending)?;
        loop {
            let share = self.join(&mut connection)?;
            self.adopt(&mut connection, &share)?;
            *pause = PAUSES.0;
            if std::mem::take(&mut self.trouble) {
                tracing::info!(source = %self.shared.source.name, "topics are read again");
            }
            match self.stay(&mut connection)? {
                Leave::Rejoin => self.release(&mut connection)?,
                Leave::Ending => {
                    self.finish(&mut connection)?;
                    return Ok(());
                }
            }
        }
    }

    /// Asks the first broker that answers for the group's coordinator.
    fn coordinator(&self) -> Result<(String, u16), Trouble> {
        let shared = &self.shared;
        let ending = || shared.is_ending();
        let mut places = shared.kafka.brokers.clone();
        places.extend(shared.table().brokers.values().cloned());
        let mut last = Trouble::Ending;
        for (host, port) in places {
            let mut connection = match Connection::open(&host, port, &shared.kafka.access, &ending) {
                Ok(connection) => connection,
                Err(trouble) => {
                    last = trouble;
                    continue;
                }
            };
            let mut body = Writer::default();
            body.string(&shared.kafka.group).i8(0);
            let asked =
                ask(&mut connection, wire::FIND_COORDINATOR, &body.0, ANSWER, &ending, wire::coordinator);
            match asked.and_then(|answer| answer.map_err(refused(wire::FIND_COORDINATOR))) {
                Ok((_, host, port)) => return Ok((host, port)),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// Joins the group and learns our share.
    fn join(&mut self, connection: &mut Connection) -> Result<Share, Trouble> {
        let shared = Arc::clone(&self.shared);
        let ending = || shared.is_ending();
        let kafka = &shared.kafka;
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        loop {
            let mut body = Writer::default();
            body.string(&kafka.group).i32(millis(SESSION)).i32(millis(REBALANCE)).string(&self.id);
            body.nullable(kafka.instance.as_deref()).string(group::PROTOCOL);
            body.count(1).string(group::DEAL).bytes(&group::wanted(&kafka.topics));
            let joined =
                ask(connection, wire::JOIN_GROUP, &body.0, REBALANCE + ANSWER, &ending, Joined::parse)?;
            match joined.code {
                Code::NONE => {}
                Code::MEMBER_ID_REQUIRED => {
                    self.id = joined.member;
                    continue;
                }
                Code::UNKNOWN_MEMBER | Code::ILLEGAL_GENERATION if !self.id.is_empty() => {
                    self.id.clear();
                    continue;
                }
                code => return Err(refused(wire::JOIN_GROUP)(code)),
            }
            self.is_leader = joined.leader == joined.member;
            (self.id, self.generation) = (joined.member, joined.generation);
            let dealt = if self.is_leader { self.deal(connection, &joined.members)? } else { Vec::new() };
            let mut body = Writer::default();
            body.string(&kafka.group)
                .i32(self.generation)
                .string(&self.id)
                .nullable(kafka.instance.as_deref());
            body.count(dealt.len());
            for (member, share) in &dealt {
                body.string(member).bytes(&group::packed(share));
            }
            let synced = ask(connection, wire::SYNC_GROUP, &body.0, REBALANCE, &ending, wire::synced)?;
            match synced {
                Ok(share) => {
                    return group::unpacked(&share)
                        .map_err(|malformed| Trouble::Malformed(wire::SYNC_GROUP.name, malformed));
                }
                Err(Code::REBALANCE_IN_PROGRESS) => {}
                Err(Code::UNKNOWN_MEMBER | Code::ILLEGAL_GENERATION) => self.id.clear(),
                Err(code) => return Err(refused(wire::SYNC_GROUP)(code)),
            }
        }
    }

    /// Deals shares out among members. One that wants what nobody understands gets nothing.
    fn deal(
        &mut self,
        connection: &mut Connection,
        members: &[(String, Vec<u8>)],
    ) -> Result<Vec<(String, Share)>, Trouble> {
        let members: BTreeMap<_, _> = members
            .iter()
            .map(|(member, told)| (member.clone(), group::wants(told).unwrap_or_default()))
            .collect();
        let wanted: BTreeSet<&String> = members.values().flatten().collect();
        let topics: Vec<String> = wanted.into_iter().cloned().collect();
        let metadata = self.metadata(connection, &topics)?;
        let topics = metadata
            .topics
            .into_iter()
            .map(|(topic, _, partitions)| {
                (topic, partitions.into_iter().map(|(index, _)| index).collect::<Vec<_>>())
            })
            .collect();
        self.counts = counts(&topics);
        Ok(group::deal(&members, &topics).into_iter().collect())
    }

    fn metadata(&self, connection: &mut Connection, topics: &[String]) -> Result<Metadata, Trouble> {
        let ending = || self.shared.is_ending();
        ask(connection, wire::METADATA, &wire::metadata(topics), ANSWER, &ending, Metadata::parse)
    }

    /// Takes our share over: what is new goes on where it is known to stand, what is gone ends.
    fn adopt(&mut self, connection: &mut Connection, share: &Share) -> Result<(), Trouble> {
        let shared = Arc::clone(&self.shared);
        let ending = || shared.is_ending();
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, index) in share {
            topics.entry(topic).or_default().push(*index);
        }
        let topics: Vec<_> = topics.into_iter().collect();
        let mut body = Writer::default();
        body.string(&shared.kafka.group);
        body.topics(&topics, |body, index| {
            body.i32(*index);
        });
        let committed =
            ask(connection, wire::OFFSET_FETCH, &body.0, ANSWER, &ending, wire::committed_offsets)?
                .map_err(refused(wire::OFFSET_FETCH))?;
        let mut offsets = BTreeMap::new();
        for (topic, index, code, offset) in committed {
            code.check().map_err(refused(wire::OFFSET_FETCH))?;
            offsets.insert((topic, index), offset);
        }
        {
            let mut table = shared.table();
            let mut before = std::mem::take(&mut table.held);
            for place in share {
                let committed = offsets.get(place).copied().unwrap_or(-1);
                let name = format!("{}/{}", place.0, place.1);
                let known = self.known.remove(&name);
                let mut held = before.remove(place).unwrap_or_else(|| Held {
                    name: name.into(),
                    stream: shared.courier.stream(),
                    next: known,
                    committed,
                    leader: -1,
                    reading: Reading::of(shared.source.format.as_ref()),
                });
                held.committed = committed;
                held.next = held.next.max(Some(committed).filter(|offset| *offset >= 0));
                table.held.insert(place.clone(), held);
            }
            for held in before.into_values() {
                self.known.extend(held.next.map(|next| (held.name.to_string(), next)));
                self.endings.push(held.stream);
            }
        }
        self.refresh(connection)?;
        shared.table().paused = false;
        shared.changed.notify_all();
        tracing::info!(source = %shared.source.name, partitions = share.len(), "has its share of the topics");
        Ok(())
    }

    /// Learns who leads the partitions, and sees to it that each such broker has a fetcher. Returns whether a topic has
    /// other partitions than were dealt out.
    fn refresh(&mut self, connection: &mut Connection) -> Result<bool, Trouble> {
        let shared = Arc::clone(&self.shared);
        let metadata = self.metadata(connection, &shared.kafka.topics)?;
        let mut partitions: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        let mut leaders = BTreeSet::new();
        {
            let mut table = shared.table();
            table.stale = false;
            table.brokers = metadata.brokers.into_iter().map(|(id, host, port)| (id, (host, port))).collect();
            for (topic, code, all) in metadata.topics {
                let source = &shared.source.name;
                if code == Code::NONE {
                    if self.missing.remove(&topic) {
                        tracing::info!(%source, %topic, "the topic is there now");
                    }
                } else if self.missing.insert(topic.clone()) {
                    tracing::warn!(%source, %topic, "the topic is not read: {code}");
                }
                for (index, leader) in &all {
                    if let Some(held) = table.held.get_mut(&(topic.clone(), *index)) {
                        held.leader = *leader;
                        leaders.insert(*leader);
                    }
                }
                partitions.insert(topic, all.into_iter().map(|(index, _)| index).collect());
            }
            leaders.retain(|leader| table.brokers.contains_key(leader));
        }
        shared.changed.notify_all();
        self.fetchers.retain(|_, fetcher| !fetcher.is_finished());
        for broker in leaders {
            if let Entry::Vacant(place) = self.fetchers.entry(broker) {
                let fetcher = Fetcher::new(broker, Arc::clone(&shared));
                let name = format!("kafka-{broker}");
                place.insert(std::thread::Builder::new().name(name).spawn(move || fetcher.run())?);
            }
        }
        let now = counts(&partitions);
        let differs = |topic: &String| {
            self.counts.get(topic).copied().unwrap_or(0) != now.get(topic).copied().unwrap_or(0)
        };
        Ok(self.is_leader && shared.kafka.topics.iter().any(differs))
    }

    /// Keeps our place in the group.
    fn stay(&mut self, connection: &mut Connection) -> Result<Leave, Trouble> {
        let (mut beaten, mut committed, mut refreshed) = (now(), now(), now());
        let due = |last: &mut Instant, every: Duration| {
            let is_due = last.elapsed() >= every;
            if is_due {
                *last = now();
            }
            is_due
        };
        loop {
            if self.shared.is_ending() {
                return Ok(Leave::Ending);
            }
            if due(&mut beaten, HEARTBEAT) && !self.heartbeat(connection)? {
                return Ok(Leave::Rejoin);
            }
            if due(&mut committed, COMMIT) && !self.commit(connection)? {
                return Ok(Leave::Rejoin);
            }
            self.end_streams();
            let every = if self.shared.table().stale {
                COMMIT
            } else if self.missing.is_empty() {
                REFRESH
            } else {
                REFRESH_MISSING
            };
            if due(&mut refreshed, every) && self.refresh(connection)? {
                return Ok(Leave::Rejoin);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Gives a sign of life. Returns whether the generation goes on.
    fn heartbeat(&mut self, connection: &mut Connection) -> Result<bool, Trouble> {
        let kafka = &self.shared.kafka;
        let mut body = Writer::default();
        body.string(&kafka.group).i32(self.generation).string(&self.id).nullable(kafka.instance.as_deref());
        // Also while the sensor ends: offsets are still to be committed.
        match ask(connection, wire::HEARTBEAT, &body.0, ANSWER, &|| false, wire::plain_code)? {
            Code::NONE => Ok(true),
            code => self.goes_on(wire::HEARTBEAT, code),
        }
    }

    /// Whether a generation that answers so goes on.
    fn goes_on(&mut self, api: Api, code: Code) -> Result<bool, Trouble> {
        match code {
            Code::REBALANCE_IN_PROGRESS => Ok(false),
            Code::ILLEGAL_GENERATION | Code::UNKNOWN_MEMBER => {
                // We were given up: others may read our share already.
                self.shared.table().paused = true;
                self.id.clear();
                Ok(false)
            }
            code => Err(refused(api)(code)),
        }
    }

    /// Commits what is settled. Returns whether the generation goes on.
    fn commit(&mut self, connection: &mut Connection) -> Result<bool, Trouble> {
        let shared = Arc::clone(&self.shared);
        let settled =
            std::mem::take(&mut *shared.ledger.settled.lock().unwrap_or_else(PoisonError::into_inner));
        let settled: Vec<(Place, i64)> = {
            let table = shared.table();
            let is_news =
                |place: &Place, next: i64| table.held.get(place).is_some_and(|held| next > held.committed);
            settled.into_iter().filter(|(place, next)| is_news(place, *next)).collect()
        };
        if settled.is_empty() {
            return Ok(true);
        }
        let mut topics: BTreeMap<&str, Vec<(i32, i64)>> = BTreeMap::new();
        for ((topic, index), next) in &settled {
            topics.entry(topic).or_default().push((*index, *next));
        }
        let topics: Vec<_> = topics.into_iter().collect();
        let kafka = &shared.kafka;
        let mut body = Writer::default();
        body.string(&kafka.group).i32(self.generation).string(&self.id).nullable(kafka.instance.as_deref());
        body.topics(&topics, |body, (index, next)| {
            body.i32(*index).i64(*next).i32(-1).nullable(None);
        });
        match ask(connection, wire::OFFSET_COMMIT, &body.0, ANSWER, &|| false, wire::commit_refused) {
            Ok(Ok(())) => {
                let mut table = shared.table();
                for (place, next) in settled {
                    if let Some(held) = table.held.get_mut(&place) {
                        held.committed = next;
                    }
                }
                Ok(true)
            }
            outcome => {
                // They are still to be committed.
                for (place, next) in settled {
                    shared.ledger.settle(place, next);
                }
                match outcome? {
                    Ok(()) => Ok(true),
                    Err(code) => self.goes_on(wire::OFFSET_COMMIT, code),
                }
            }
        }
    }

    /// Tells readers of streams that have ended, as far as there is room.
    fn end_streams(&mut self) {
        let shared = &self.shared;
        self.endings.retain(|&stream| {
            let source = Arc::clone(&shared.source);
            let unit = Unit { source, stream, content: Content::End, moves: None, receipt: None };
            matches!(shared.courier.offer(unit), Err(Refused::Full(_)))
        });
    }

    /// Hands nothing on any more, and commits what was, so that whoever gets our share goes on behind it.
    fn release(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        self.shared.table().paused = true;
        if self.shared.kafka.commit == Settled::Saved {
            self.settle(connection, HAND_OVER)?;
        }
        self.commit(connection).map(drop)
    }

    /// Commits the last offsets and leaves. One with a name that stays comes back under it.
    fn finish(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        self.settle(connection, LAST)?;
        if self.shared.kafka.instance.is_none() {
            let mut body = Writer::default();
            body.string(&self.shared.kafka.group).string(&self.id);
            ask(connection, wire::LEAVE_GROUP, &body.0, ANSWER, &|| false, wire::plain_code)?;
        }
        Ok(())
    }

    /// Waits for receipts, for a while, and commits what they tell.
    fn settle(&mut self, connection: &mut Connection, patience: Duration) -> Result<(), Trouble> {
        let until = now() + patience;
        let mut beaten = now();
        while self.shared.ledger.outstanding.load(Relaxed) > 0 && now() < until {
            std::thread::sleep(LOOK);
            if beaten.elapsed() >= HEARTBEAT {
                beaten = now();
                self.heartbeat(connection)?;
            }
        }
        self.commit(connection).map(drop)
    }
}

fn counts(topics: &BTreeMap<String, Vec<i32>>) -> BTreeMap<String, usize> {
    topics.iter().map(|(topic, partitions)| (topic.clone(), partitions.len())).collect()
}

/// Asks, and reads the answer.
fn ask<T>(
    connection: &mut Connection,
    api: Api,
    body: &[u8],
    patience: Duration,
    ending: &dyn Fn() -> bool,
    parse: impl FnOnce(&[u8]) -> Result<T, wire::Malformed>,
) -> Result<T, Trouble> {
    let answer = connection.call(api, body, patience, ending)?;
    parse(&answer).map_err(|malformed| Trouble::Malformed(api.name, malformed))
}

fn refused(api: Api) -> impl FnOnce(Code) -> Trouble {
    move |code| Trouble::Refused(api.name, code)
}
