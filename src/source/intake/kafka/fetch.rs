//! Fetches the partitions that one broker leads.

use super::batch;
use super::connection::{ANSWER, Connection, Trouble};
use super::records::{Batcher, Reading};
use super::wire::{self, Code, EARLIEST, Fetched, LATEST};
use super::{Begin, LOOK, PAUSES, Place, Shared, ask, refused};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long a broker waits for records when there are none.
const WAIT: Duration = Duration::from_millis(500);
/// Bytes that are fetched at a time, of all partitions and of each; a batch that is larger comes whole.
const FETCH: i32 = 8 << 20;
const FETCH_EACH: i32 = 1 << 20;

/// Asks one broker, again and again.
pub(super) struct Fetcher {
    broker: i32,
    shared: Arc<Shared>,
    most_each: i32,
}

/// What is asked for: partitions with their streams and offsets.
type Wanted = BTreeMap<Place, (u64, i64, Reading)>;

impl Fetcher {
    pub(super) const fn new(broker: i32, shared: Arc<Shared>) -> Self {
        Self { broker, shared, most_each: FETCH_EACH }
    }

    /// Fetches until there is no such broker any more or the sensor ends.
    pub(super) fn run(mut self) {
        let mut connection = None;
        let mut pause = PAUSES.0;
        let mut told = false;
        while let Some(place) = self.place() {
            let source = Arc::clone(&self.shared.source);
            match self.round(&mut connection, &place) {
                Ok(false) => self.rest(LOOK),
                Ok(true) => {
                    pause = PAUSES.0;
                    if std::mem::take(&mut told) {
                        tracing::info!(source = %source.name, broker = self.broker, "the broker is read again");
                    }
                }
                Err(Trouble::Ending) => return,
                Err(trouble) => {
                    connection = None;
                    if std::mem::replace(&mut told, true) {
                        tracing::debug!(source = %source.name, broker = self.broker, error = %trouble, "still not read");
                    } else {
                        tracing::warn!(source = %source.name, broker = self.broker, error = %trouble, "a broker is not read");
                    }
                    self.shared.table().stale = true;
                    self.rest(pause);
                    pause = PAUSES.1.min(pause * 2);
                }
            }
        }
    }

    /// Where the broker is reached; `None` when there is nothing more to do.
    fn place(&self) -> Option<(String, u16)> {
        let table = self.shared.table();
        if table.over || self.shared.is_ending() {
            return None;
        }
        table.brokers.get(&self.broker).cloned()
    }

    /// Waits until the table changes, or so long.
    fn rest(&self, most: Duration) {
        let table = self.shared.table();
        if !table.over {
            drop(self.shared.changed.wait_timeout(table, most).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Asks once for what there is. Returns whether anything was asked for.
    fn round(&mut self, connection: &mut Option<Connection>, place: &(String, u16)) -> Result<bool, Trouble> {
        let (wanted, new) = self.wanted();
        if wanted.is_empty() && new.is_empty() {
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        let ending = || shared.is_ending();
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(&place.0, place.1, &shared.kafka.access, &ending)?),
        };
        if !new.is_empty() {
            self.begin(connection, &new)?;
        }
        if wanted.is_empty() {
            return Ok(true);
        }
        let asked: Vec<_> = wanted.iter().map(|(place, (_, next, _))| (place, *next)).collect();
        let topics = by_topic(asked.iter().map(|(place, next)| (*place, *next)));
        let body = wire::fetch(&topics, millis(WAIT), FETCH, self.most_each);
        let answer = connection.call(wire::FETCH, &body, WAIT + ANSWER, &ending)?;
        let fetched =
            wire::fetched(&answer).map_err(|malformed| Trouble::Malformed(wire::FETCH.name, malformed))?;
        let mut lost = Vec::new();
        let mut trouble = None;
        for part in fetched {
            let place = (part.topic.to_owned(), part.partition);
            let Some((stream, next, reading)) = wanted.get(&place) else { continue };
            match part.code {
                Code::NONE => self.read(&place, *stream, *next, reading.clone(), &part),
                Code::OFFSET_OUT_OF_RANGE => lost.push((place, *stream, *next)),
                code => trouble = Some(code),
            }
        }
        for (place, stream, next) in lost {
            self.find_again(connection, &place, stream, next)?;
        }
        trouble.map_or(Ok(true), |code| Err(refused(wire::FETCH)(code)))
    }

    /// What to ask for, and partitions whose begin must be asked for first.
    fn wanted(&self) -> (Wanted, Vec<(Place, u64)>) {
        let table = self.shared.table();
        let (mut wanted, mut new) = (Wanted::new(), Vec::new());
        let ours = table.held.iter().filter(|(_, held)| held.leader == self.broker && !table.paused);
        for (place, held) in ours {
            match held.next {
                Some(next) => {
                    wanted.insert(place.clone(), (held.stream, next, held.reading.clone()));
                }
                None => new.push((place.clone(), held.stream)),
            }
        }
        (wanted, new)
    }

    /// Asks where partitions begin.
    fn begin(&self, connection: &mut Connection, new: &[(Place, u64)]) -> Result<(), Trouble> {
        let which = match self.shared.kafka.from {
            Begin::Start => EARLIEST,
            Begin::End => LATEST,
        };
        let places = new.iter().map(|(place, _)| place);
        let offsets = self.offsets(connection, places, which)?;
        for (place, stream) in new {
            let Some(next) = offsets.get(place) else { continue };
            self.go_on(place, *stream, *next, false);
            // Kept by the group, so that a sensor killed before the first record goes on from here.
            self.shared.ledger.settle(place.clone(), *next);
        }
        Ok(())
    }

    fn offsets<'a>(
        &self,
        connection: &mut Connection,
        places: impl Iterator<Item = &'a Place>,
        which: i64,
    ) -> Result<BTreeMap<Place, i64>, Trouble> {
        let ending = || self.shared.is_ending();
        let topics: Vec<(&str, Vec<i32>)> = by_topic(places.map(|place| (place, ())))
            .into_iter()
            .map(|(topic, indices)| (topic, indices.into_iter().map(|(index, ())| index).collect()))
            .collect();
        let body = wire::list_offsets(&topics, which);
        let listed = ask(connection, wire::LIST_OFFSETS, &body, ANSWER, &ending, wire::listed_offsets)?;
        let mut offsets = BTreeMap::new();
        for (topic, index, code, offset) in listed {
            code.check().map_err(refused(wire::LIST_OFFSETS))?;
            offsets.insert((topic, index), offset);
        }
        Ok(offsets)
    }

    /// Has a partition go on at an offset. With `anew` the group's offset may become smaller.
    fn go_on(&self, place: &Place, stream: u64, next: i64, anew: bool) {
        let mut table = self.shared.table();
        if let Some(held) = table.held.get_mut(place).filter(|held| held.stream == stream) {
            held.next = Some(next);
            if anew {
                held.committed = -1;
            }
        }
    }

    /// The offset we are at is not there: its records are gone, or the topic is another one.
    fn find_again(
        &self,
        connection: &mut Connection,
        place: &Place,
        stream: u64,
        next: i64,
    ) -> Result<(), Trouble> {
        let one = || std::iter::once(place);
        let earliest = self.offsets(connection, one(), EARLIEST)?.get(place).copied();
        let latest = self.offsets(connection, one(), LATEST)?.get(place).copied();
        let (Some(earliest), Some(latest)) = (earliest, latest) else { return Ok(()) };
        let source = &self.shared.source.name;
        let (topic, partition) = place;
        if next < earliest {
            let lost = earliest.abs_diff(next);
            self.shared.tally.count("records_lost_to_retention", lost);
            tracing::error!(%source, %topic, partition, records = lost, "records were deleted before they were read");
            self.go_on(place, stream, earliest, false);
        } else if next > latest {
            let begin = match self.shared.kafka.from {
                Begin::Start => earliest,
                Begin::End => latest,
            };
            tracing::warn!(%source, %topic, partition, "the partition is shorter than what was read of it: it was made anew, and is read as new");
            self.go_on(place, stream, begin, true);
        }
        Ok(())
    }

    /// Hands on what came of a partition.
    fn read(&mut self, place: &Place, stream: u64, from: i64, reading: Reading, part: &Fetched<'_>) {
        let shared = Arc::clone(&self.shared);
        let mut batcher = Batcher::new(reading);
        let mut is_ours = true;
        let walked = batch::walk(part.batches, from, &part.aborted, &mut |offset, value| {
            if let Some(content) = batcher.take(value) {
                is_ours = shared.hand_on(place, stream, content, offset.saturating_add(1));
            }
            is_ours
        });
        if !is_ours {
            // What was not handed on is fetched again, by whoever reads it then.
            return;
        }
        if let Some(content) = batcher.rest() {
            if !shared.hand_on(place, stream, content, walked.next) {
                return;
            }
        } else {
            self.go_on(place, stream, walked.next, false);
        }
        if let Some(held) = shared.table().held.get_mut(place).filter(|held| held.stream == stream) {
            held.reading = batcher.reading;
        }
        let source = &shared.source.name;
        if walked.tombstones > 0 {
            shared.tally.count("records_without_value", walked.tombstones);
        }
        for (count, name) in
            [(walked.unreadable, "batches_lost_unreadable"), (walked.outdated, "batches_lost_of_old_layout")]
        {
            if count > 0 {
                shared.tally.count(name, count);
                let (topic, partition) = (part.topic, part.partition);
                tracing::error!(%source, topic, partition, count, "batches of records cannot be read: {name}");
            }
        }
        if walked.next > from {
            self.most_each = FETCH_EACH;
        } else if !part.batches.is_empty() {
            // Not even one batch fits into what we take.
            self.most_each = self.most_each.saturating_mul(2);
        }
    }
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Partitions by their topics.
fn by_topic<'a, T>(places: impl Iterator<Item = (&'a Place, T)>) -> Vec<(&'a str, Vec<(i32, T)>)> {
    let mut topics: BTreeMap<&str, Vec<(i32, T)>> = BTreeMap::new();
    for ((topic, index), value) in places {
        topics.entry(topic).or_default().push((*index, value));
    }
    topics.into_iter().collect()
}
