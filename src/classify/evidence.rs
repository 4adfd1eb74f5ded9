//! What has been found in a field, in sums and bounded sets that merge in any order.
//!
//! For each class that a field was a candidate for: how many values were tried and passed, how many were
//! masked, and the lowest keyed hashes of the distinct ones. [`judge`] turns that into log-odds: what the key
//! says is the prior, every distinct value that passes counts by how unlikely that is by accident, every one
//! that fails counts against. Values are not kept, nor anything from which they could be guessed without the
//! key.

use super::ClassId;
use super::again::{Again, Outcome};
use super::constants::Constants;
use super::formats::{self, Broken, Format, Spread};
use super::keys::KeyVerdict;
use crate::merge::Merge;
use crate::payload::JsonType;
use crate::secret::HashKey;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Hashes kept per field and class to count distinct values.
const HASHES: usize = 16;

/// What is known of the data classes of one field (one place in a shape, a header, a parameter).
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct FieldEvidence {
    /// What the key says: computed at first sight, the same on every shard.
    #[serde(skip)]
    pub(crate) verdict: Option<Arc<KeyVerdict>>,
    /// Scalars that are not null or empty.
    pub(crate) values: u64,
    /// By class, in the order of class numbers.
    pub(crate) found: Vec<ClassEvidence>,
    /// What few fields have: apart, since there is a field for each property of each body.
    aside: Option<Box<Aside>>,
    /// One in how many values counted; 0 and 1 while all did.
    sampled_one_in: u32,
    /// Whether the value that is being looked at is in the sample.
    #[serde(skip)]
    now_sampled: bool,
    /// The formats that some value did not have, in the sample or not.
    broken: Broken,
    /// Proof that values are distinct.
    spread: Spread,
    /// Whether its values are more, or longer, than are held as choices.
    many: bool,
    /// The values it had, while they are few.
    choices: Option<Box<Choices>>,
    /// What its last values came to.
    #[serde(skip)]
    again: Again,
}

/// Which values a field had, by keyed hash: enough to tell whether they are those that a document enumerates.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Choices(Vec<u64>);

impl fmt::Debug for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Choices({})", self.0.len())
    }
}

/// Distinct values that are held as choices.
pub const MAX_CHOICES: usize = 16;
/// The longest of them, in bytes.
pub const MAX_CHOICE: usize = 64;

/// What few fields have.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Aside {
    /// What the values in the sample came to, while all others count too. None when no sample was asked for: all values
    /// are the sample then.
    sample: Option<Sample>,
    /// The words it had, where they were asked for. They stay in memory: no state is written with them.
    #[serde(skip)]
    constants: Option<Constants>,
}

/// What the sample of a field's values came to. Which values are in it is told by their keyed hashes alone, and from
/// when on the sample is enough by the distinct ones in it: both are the same in any order and on any shard.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Sample {
    one_in: u32,
    values: u64,
    found: Vec<ClassEvidence>,
    /// Distinct values in the sample.
    hashes: Lowest,
}

/// Whether the value with this keyed hash is in a sample of one in `one_in`.
const fn in_sample(hash: u64, one_in: u32) -> bool {
    ((hash >> 32) * one_in as u64) >> 32 == 0
}

/// What speaks for and against one class in one field.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ClassEvidence {
    /// The class.
    pub class: ClassId,
    /// The key's support, up to 100; 0 when the value alone speaks.
    pub strength: u8,
    /// Whether values were found inside longer text.
    pub embedded: bool,
    /// The share of random values that would pass, in millionths: the largest of the signatures that passed.
    pub chance_ppm: u32,
    /// Values that the key made candidates.
    pub tried: u64,
    /// Values that passed.
    pub valid: u64,
    /// Values that were masked.
    pub masked: u64,
    /// When a value passed first, on packet time; the end of time while none has.
    pub first_seen: Timestamp,
    /// When a value passed last.
    pub last_seen: Timestamp,
    /// The lowest keyed hashes of distinct values that passed.
    pub(crate) hashes: Lowest,
}

/// The lowest of a set of hashes, at most [`HASHES`].
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lowest(Vec<u64>);

impl fmt::Debug for Lowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lowest({})", self.0.len())
    }
}

impl Lowest {
    fn insert(&mut self, hash: u64) {
        if self.0.len() == HASHES && self.0.last().is_some_and(|last| *last <= hash) {
            return;
        }
        if let Err(at) = self.0.binary_search(&hash) {
            self.0.insert(at, hash);
            self.0.truncate(HASHES);
        }
    }

    /// How many distinct ones there were: exact below the limit, from the spread of the hashes above.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    fn estimate(&self) -> u64 {
        match self.0.last() {
            Some(last) if self.0.len() == HASHES => {
                ((HASHES - 1) as f64 / (*last as f64 / u64::MAX as f64)).round().max(HASHES as f64) as u64
            }
            _ => self.0.len() as u64,
        }
    }
}

/// How a value fared as a candidate for a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passed.
    Valid,
    /// It did not.
    Failed,
    /// It was masked.
    Masked,
}

/// One value's outcome for one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The class.
    pub class: ClassId,
    /// The key's support, 0 for none.
    pub strength: u8,
    /// How it fared.
    pub fate: Fate,
    /// Whether it stood inside longer text.
    pub embedded: bool,
    /// The signature's chance, in millionths.
    pub chance_ppm: u32,
}

impl FieldEvidence {
    /// Counts a value, and tells whether it is to be looked at: once a sample of one in `one_in` is enough, only values in
    /// it are. The keyed hash that `spread` gives says which these are, the one of `hash` tells them apart. A value that another one names is `always` looked at.
    #[inline]
    pub(crate) fn looks_at(
        &mut self,
        one_in: u32,
        always: bool,
        spread: impl FnOnce() -> u64,
        hash: impl FnOnce() -> u64,
    ) -> bool {
        if one_in > 1 {
            let sampled = always || in_sample(spread(), one_in);
            if self.sampled_one_in > 1 {
                self.values += u64::from(sampled);
                return sampled;
            }
            self.now_sampled = sampled;
            let sample = self.sample_of(one_in);
            if sampled {
                sample.values += 1;
                if !always {
                    sample.hashes.insert(hash());
                }
            }
        }
        self.values += 1;
        true
    }

    /// Takes in the format of a value of a body, and tells it if the field may still have one. Every value counts, in the sample or not: one is enough to break a
    /// format. Most fields have none, which a bit tells.
    #[inline]
    pub(crate) fn take_format(&mut self, kind: JsonType, value: &[u8], key: HashKey) -> Option<Format> {
        if !self.broken.is_open(kind) {
            return None;
        }
        let format = self.broken.take(kind, value);
        if self.spread.wants() && self.broken.is_open(kind) {
            self.spread.take(key.spread(value));
        }
        format
    }

    /// Whether another value of this type, which is no class, would tell nothing but that it is one more.
    #[inline]
    pub(crate) const fn has_learnt(&self, kind: JsonType) -> bool {
        self.many && !self.broken.is_open(kind)
    }

    /// Counts a value that is looked at like all others.
    #[inline]
    pub(crate) const fn seen(&mut self) {
        self.values += 1;
    }

    /// The same of a value that has no type, as that of a parameter.
    pub(crate) fn take_format_of_text(&mut self, value: &[u8], key: HashKey) {
        if !self.broken.is_open_to_text() {
            return;
        }
        self.broken.take_text(value);
        if self.spread.wants() && self.broken.is_open_to_text() {
            self.spread.take(key.spread(value));
        }
    }

    /// The format that all values of a body had here, of which `values` were of type `kind` and none of another.
    #[must_use]
    pub fn format(&self, kind: JsonType, values: u64) -> Option<Format> {
        formats::told(self.broken, self.spread, kind, values)
    }

    /// The format that all values had which have no type, as those of a parameter.
    #[must_use]
    pub fn format_of_text(&self) -> Option<Format> {
        let values = self.values.saturating_mul(u64::from(self.sampled_one_in()));
        formats::told_of_text(self.broken, self.spread, values)
    }

    /// The words it had, where they were asked for and its key may name constants.
    #[must_use]
    pub fn constants(&self) -> Option<&Constants> {
        self.aside.as_ref()?.constants.as_ref()
    }

    /// The same, to gather them.
    pub(crate) fn constants_mut(&mut self) -> Option<&mut Constants> {
        self.aside.as_mut()?.constants.as_mut()
    }

    /// Begins to gather the words it has, unless that has begun.
    pub(crate) fn gather_constants(&mut self) {
        self.aside.get_or_insert_default().constants.get_or_insert_default();
    }

    /// Lets the sample stand for all values, once it holds enough distinct ones. To be called when all outcomes of a
    /// value are counted.
    pub(crate) fn settle(&mut self) {
        let enough = |sample: &Sample| sample.hashes.0.len() == HASHES;
        if self.aside.as_ref().and_then(|aside| aside.sample.as_ref()).is_some_and(enough) {
            self.only_sample();
        }
    }

    /// The sample of one in `one_in`. What was gathered at another rate or without a sample, as before a change of the
    /// settings, belongs to it as a whole: it must not be forgotten once the sample stands for all.
    fn sample_of(&mut self, one_in: u32) -> &mut Sample {
        let aside = self.aside.get_or_insert_default();
        if aside.sample.as_ref().is_some_and(|sample| sample.one_in != one_in) {
            aside.sample = None;
        }
        aside.sample.get_or_insert_with(|| {
            let (values, found) = (self.values, self.found.clone());
            Sample { one_in, values, found, hashes: Lowest::default() }
        })
    }

    /// Leaves of all values those in the sample, if they are not left already, and tells its rate.
    fn only_sample(&mut self) -> u32 {
        if let Some(sample) = self.aside.as_mut().and_then(|aside| aside.sample.take()) {
            self.aside.take_if(|aside| aside.constants.is_none());
            (self.values, self.found, self.sampled_one_in) = (sample.values, sample.found, sample.one_in);
        }
        self.sampled_one_in
    }

    /// One in how many values counted: 1 when all did.
    #[must_use]
    pub fn sampled_one_in(&self) -> u32 {
        self.sampled_one_in.max(1)
    }

    /// The classes that values had so far: what one that is not looked at is taken to have.
    pub(crate) fn known_classes(&self) -> impl Iterator<Item = ClassId> {
        self.found.iter().filter(|known| known.valid.saturating_mul(2) > self.values).map(|known| known.class)
    }

    /// Takes in one outcome of an exchange at `now`; `hash` is the keyed hash of a value that passed.
    pub(crate) fn count(&mut self, hit: Hit, hash: u64, now: Timestamp) {
        if self.now_sampled
            && let Some(sample) = self.aside.as_mut().and_then(|aside| aside.sample.as_mut())
        {
            count_in(&mut sample.found, hit, hash, now);
        }
        count_in(&mut self.found, hit, hash, now);
    }

    /// Gives each class its number in another classifier. What that one does not know is forgotten.
    pub(crate) fn renumber(&mut self, numbers: &[Option<ClassId>]) {
        let sampled = self.aside.iter_mut().filter_map(|aside| Some(&mut aside.sample.as_mut()?.found));
        for found in std::iter::once(&mut self.found).chain(sampled) {
            found.retain_mut(|known| match numbers.get(usize::from(known.class.0)).copied().flatten() {
                Some(number) => {
                    known.class = number;
                    true
                }
                None => false,
            });
            found.sort_by_key(|known| known.class);
        }
        self.verdict = None;
        self.again.forget();
    }

    /// Takes in a value as one of few.
    pub(crate) fn take_choice(&mut self, value: &[u8], key: HashKey) {
        if self.many {
            return;
        }
        if value.len() > MAX_CHOICE {
            self.choose_no_more();
        } else {
            self.choose(key.hash(value));
        }
    }

    fn choose(&mut self, hash: u64) {
        let Choices(all) = &mut **self.choices.get_or_insert_default();
        if let Err(at) = all.binary_search(&hash) {
            if all.len() < MAX_CHOICES {
                all.insert(at, hash);
            } else {
                self.choose_no_more();
            }
        }
    }

    fn choose_no_more(&mut self) {
        self.many = true;
        self.choices = None;
    }

    /// The values it had, by keyed hash, while they are at most [`MAX_CHOICES`] of at most [`MAX_CHOICE`] bytes.
    #[must_use]
    pub fn choices(&self) -> Option<&[u64]> {
        self.choices.as_deref().map(|choices| choices.0.as_slice())
    }

    /// Whether it had more values than that, or a longer one.
    #[must_use]
    pub const fn has_many(&self) -> bool {
        self.many
    }

    /// Whether some value of the type that a format is for did not have it.
    #[must_use]
    pub const fn breaks(&self, format: Format) -> bool {
        self.broken.has(format)
    }

    /// A keyed hash of a value, where it may be one whose outcome is remembered.
    #[inline]
    pub(crate) fn asks_again(&self, hash: impl FnOnce() -> u64) -> Option<u64> {
        self.again.asks(self.values).then(hash)
    }

    /// What a value came to, if it is remembered.
    #[inline]
    pub(crate) fn recall(&mut self, kind: JsonType, again: Option<u64>) -> Option<Outcome> {
        self.again.recall(kind, again?)
    }

    /// Remembers what a value came to, unless there are several outcomes.
    #[inline]
    pub(crate) fn remember(&mut self, kind: JsonType, again: Option<u64>, hits: &[Hit], hash: u64) {
        if let Some(again) = again
            && hits.len() < 2
        {
            self.again.remember(kind, again, hits.first().map(|hit| (*hit, hash)));
        }
    }

    /// What was found, by class.
    pub fn classes(&self) -> impl Iterator<Item = &ClassEvidence> {
        self.found.iter()
    }

    /// Values seen, nulls and empty ones left out.
    #[must_use]
    pub const fn values(&self) -> u64 {
        self.values
    }

    /// What the evidence says of `class`, if anything.
    #[must_use]
    pub fn judgement(&self, class: ClassId) -> Option<Judgement> {
        self.classes().find(|known| known.class == class).map(|known| judge(known, self.values))
    }
}

/// Counts one outcome among those of a field.
fn count_in(found: &mut Vec<ClassEvidence>, hit: Hit, hash: u64, now: Timestamp) {
    let at = match found.binary_search_by_key(&hit.class, |known| known.class) {
        Ok(at) => at,
        Err(at) => {
            found.insert(
                at,
                ClassEvidence {
                    class: hit.class,
                    strength: 0,
                    embedded: false,
                    chance_ppm: 0,
                    tried: 0,
                    valid: 0,
                    masked: 0,
                    first_seen: Timestamp::MAX,
                    last_seen: Timestamp::EPOCH,
                    hashes: Lowest::default(),
                },
            );
            at
        }
    };
    let Some(known) = found.get_mut(at) else { return };
    match hit.fate {
        Fate::Valid => {
            known.valid += 1;
            known.strength = known.strength.max(hit.strength);
            known.embedded |= hit.embedded;
            known.chance_ppm = known.chance_ppm.max(hit.chance_ppm);
            known.first_seen = known.first_seen.min(now);
            known.last_seen = known.last_seen.max(now);
            known.hashes.insert(hash);
        }
        Fate::Failed => {}
        Fate::Masked => known.masked += 1,
    }
    if hit.strength > 0 && hit.fate != Fate::Masked {
        known.tried += 1;
    }
}

impl Merge for FieldEvidence {
    fn absorb(&mut self, mut other: Self) {
        if self.verdict.is_none() {
            self.verdict = other.verdict.take();
        }
        self.broken.absorb(other.broken);
        self.spread.absorb(other.spread);
        if other.many {
            self.choose_no_more();
        }
        for hash in other.choices.take().into_iter().flat_map(|choices| choices.0) {
            if !self.many {
                self.choose(hash);
            }
        }
        if let Some(theirs) = other.aside.as_mut().and_then(|aside| aside.constants.take()) {
            self.aside.get_or_insert_default().constants.get_or_insert_default().absorb(theirs);
        }
        if self.sampled_one_in.max(other.sampled_one_in) > 1 {
            // Where the sample stands for all values on one side, it does on the other.
            self.sampled_one_in = self.only_sample().max(other.only_sample());
        } else {
            let rate = |one: &Self| {
                one.aside.as_ref().and_then(|aside| aside.sample.as_ref()).map_or(0, |sample| sample.one_in)
            };
            let one_in = rate(self).max(rate(&other));
            if one_in > 1 {
                let (mine, theirs) = (self.sample_of(one_in), std::mem::take(other.sample_of(one_in)));
                mine.values.absorb(theirs.values);
                absorb_classes(&mut mine.found, theirs.found);
                for hash in theirs.hashes.0 {
                    mine.hashes.insert(hash);
                }
            }
        }
        self.values.absorb(other.values);
        absorb_classes(&mut self.found, other.found);
        self.settle();
    }
}

/// Adds the evidence for classes to another's.
fn absorb_classes(mine: &mut Vec<ClassEvidence>, theirs: Vec<ClassEvidence>) {
    for class in theirs {
        match mine.binary_search_by_key(&class.class, |known| known.class) {
            Ok(at) => {
                if let Some(known) = mine.get_mut(at) {
                    known.absorb(class);
                }
            }
            Err(at) => mine.insert(at, class),
        }
    }
}

impl Merge for ClassEvidence {
    fn absorb(&mut self, other: Self) {
        self.strength = self.strength.max(other.strength);
        self.embedded |= other.embedded;
        self.chance_ppm = self.chance_ppm.max(other.chance_ppm);
        self.tried.absorb(other.tried);
        self.valid.absorb(other.valid);
        self.masked.absorb(other.masked);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        for hash in other.hashes.0 {
            self.hashes.insert(hash);
        }
    }
}

/// How sure a class is in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum State {
    /// The evidence speaks against it.
    Cleared,
    /// It may be.
    Suspected,
    /// It is.
    Confirmed,
}

impl State {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Suspected => "suspected",
            Self::Confirmed => "confirmed",
        }
    }
}

/// What the evidence for one class in one field comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Probability, 0 to 1.
    pub confidence: f32,
    /// Confirmed from [`CONFIRMED`] on, cleared below [`SUSPECTED`].
    pub state: State,
    /// Distinct values that passed, estimated.
    pub distinct: u64,
}

/// From this confidence on a class is confirmed.
pub const CONFIRMED: f32 = 0.85;
/// From this confidence on a class is suspected.
pub const SUSPECTED: f32 = 0.5;

/// Weighs what speaks for and against a class in a field with `values` values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are weighed, not shown")]
pub fn judge(known: &ClassEvidence, values: u64) -> Judgement {
    let distinct = known.hashes.estimate();
    let seen = distinct.min(8) as f32;
    let chance = (known.chance_ppm.max(1) as f32 / 1e6).clamp(1e-6, 0.95);
    let mut odds = match (known.strength, known.embedded) {
        (0, true) => -3.0,
        (0, false) => -4.5,
        (strength, _) => (f32::from(strength) - 52.0) / 20.0,
    };
    // Values that look alike are not independent: weak checks soon have said all they can.
    let step = (0.95 / chance).ln();
    odds += (step * seen).min(if chance >= 0.25 { 1.8 } else { 9.0 });
    if known.strength == 0 && !known.embedded {
        let failed = values.saturating_sub(known.valid + known.masked);
        let distinct_failed = if known.valid == 0 {
            failed
        } else {
            failed.saturating_mul(distinct.max(1)).div_ceil(known.valid)
        };
        odds -= 2.8 * distinct_failed.min(20) as f32;
    } else if known.strength > 0 {
        let share = known.valid as f32 / known.tried.max(1) as f32;
        if share < 0.5 {
            odds -= (0.5 - share) * if known.strength >= 80 { 2.0 } else { 5.0 };
        }
    }
    let confidence = if known.valid == 0 { 0.0 } else { 1.0 / (1.0 + (-odds).exp()) };
    let state = if confidence >= CONFIRMED {
        State::Confirmed
    } else if confidence >= SUSPECTED {
        State::Suspected
    } else {
        State::Cleared
    };
    Judgement { confidence, state, distinct }
}

/// Where outside a body a field stands, or which body it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Location {
    /// A segment of the path, by its index.
    RequestPath,
    /// A query parameter.
    RequestQuery,
    /// A header or cookie of the request.
    RequestHeader,
    /// The request's body.
    RequestBody,
    /// A header or cookie of the response.
    ResponseHeader,
    /// The response's body.
    ResponseBody,
    /// What a client says on a WebSocket.
    ClientMessage,
    /// What a server says on a WebSocket or in a stream of events.
    ServerMessage,
}

impl Location {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestPath => "request.path",
            Self::RequestQuery => "request.query",
            Self::RequestHeader => "request.header",
            Self::RequestBody => "request.body",
            Self::ResponseHeader => "response.header",
            Self::ResponseBody => "response.body",
            Self::ClientMessage => "client.message",
            Self::ServerMessage => "server.message",
        }
    }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Row {
    location: Location,
    name: Label,
    evidence: FieldEvidence,
}

/// A name whose front is at hand: most are no longer, and comparing them need not follow a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    front: [u8; FRONT],
    text: Box<str>,
}

/// Bytes at hand of a name.
const FRONT: usize = 16;

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self { front: front(text), text: text.into() }
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Box<str>>::deserialize(deserializer)?;
        Ok(Self { front: front(&text), text })
    }
}

/// The first bytes of a name, and noughts.
fn front(text: &str) -> [u8; FRONT] {
    let bytes = text.as_bytes();
    if let Some(front) = bytes.first_chunk() {
        return *front;
    }
    let mut front = [0; FRONT];
    if let Some(room) = front.get_mut(..bytes.len()) {
        room.copy_from_slice(bytes);
    }
    front
}

/// Fields of a table that was merged of many, as names that differ from exchange to exchange may come to over months.
const MAX_FIELDS: usize = 4_096;

/// The data classes of the fields outside JSON-like bodies of one endpoint: path, query, headers, cookies.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct FieldTable {
    rows: Vec<Row>,
    /// Behind the row that was found last: exchanges repeat their order.
    next: usize,
    overflow: u64,
}

impl FieldTable {
    /// The evidence of the field `name` at `location`, made when there is room for it below `max`.
    pub fn field(&mut self, location: Location, name: &str, max: usize) -> Option<&mut FieldEvidence> {
        let front = front(name);
        let same = |row: &Row| {
            row.location == location
                && row.name.front == front
                && row.name.text.len() == name.len()
                && (name.len() <= FRONT || *row.name.text == *name)
        };
        let at = match self.rows.get(self.next).filter(|row| same(row)) {
            Some(_) => self.next,
            None => match self.rows.iter().position(same) {
                Some(at) => at,
                None if self.rows.len() >= max => {
                    self.overflow += 1;
                    return None;
                }
                None => {
                    self.rows.push(Row { location, name: name.into(), evidence: FieldEvidence::default() });
                    self.rows.len() - 1
                }
            },
        };
        self.next = at + 1;
        self.rows.get_mut(at).map(|row| &mut row.evidence)
    }

    /// How many fields there are.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.rows.len()
    }

    /// All fields, by location and name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(Location, &str, &FieldEvidence)> {
        let mut rows: Vec<_> =
            self.rows.iter().map(|row| (row.location, &*row.name.text, &row.evidence)).collect();
        rows.sort_by_key(|(location, name, _)| (*location, *name));
        rows
    }

    /// Forgets the fields that `known` has, when it tells of the same exchanges. Segments of a path are numbered from its
    /// front: where paths differ, those of `known` are meant.
    pub(crate) fn leave_out(&mut self, known: &Self) {
        let path = known.rows.iter().any(|row| row.location == Location::RequestPath);
        let has =
            |mine: &Row| known.rows.iter().any(|row| row.location == mine.location && row.name == mine.name);
        self.rows.retain(|row| !(has(row) || path && row.location == Location::RequestPath));
        (self.next, self.overflow) = (0, 0);
    }

    /// Every field's evidence.
    pub(crate) fn evidence_mut(&mut self) -> impl Iterator<Item = &mut FieldEvidence> {
        self.rows.iter_mut().map(|row| &mut row.evidence)
    }

    /// How often a full table could not hold a field.
    #[must_use]
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }
}

impl Merge for FieldTable {
    fn absorb(&mut self, other: Self) {
        self.overflow.absorb(other.overflow);
        for row in other.rows {
            if let Some(mine) = self.field(row.location, &row.name.text, MAX_FIELDS) {
                mine.absorb(row.evidence);
            }
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(class: u8, strength: u8, fate: Fate) -> Hit {
        Hit { class: ClassId(class), strength, fate, embedded: false, chance_ppm: 50_000 }
    }

    fn of(hits: &[(u8, u8, u8, u64)]) -> FieldEvidence {
        let mut evidence = FieldEvidence::default();
        for (class, strength, fate, hash) in hits {
            let fate = [Fate::Valid, Fate::Failed, Fate::Masked][usize::from(*fate)];
            evidence.values += 1;
            evidence.count(hit(*class, *strength, fate), *hash, Timestamp::from_secs(i64::from(*class), 0));
        }
        evidence
    }

    fn state(evidence: &FieldEvidence) -> (u64, Vec<ClassEvidence>) {
        (evidence.values, evidence.classes().cloned().collect())
    }

    #[test]
    fn choices_are_held_while_they_are_few_and_short_in_any_order() {
        let key = HashKey::new(1, 2);
        let held = |values: &[String]| {
            let mut evidence = FieldEvidence::default();
            for value in values {
                evidence.take_choice(value.as_bytes(), key);
            }
            evidence
        };
        let told = |evidence: &FieldEvidence| (evidence.choices().map(<[u64]>::to_vec), evidence.has_many());
        let words: Vec<String> = (0..MAX_CHOICES).map(|n| n.to_string()).collect();
        let full = held(&words);
        assert_eq!((full.choices().unwrap().len(), full.has_many()), (MAX_CHOICES, false));
        for (front, back) in [(&words[..3], &words[2..]), (&words[9..], &words[..9])] {
            let (mut one, mut other) = (held(front), held(back));
            one.absorb(held(back));
            other.absorb(held(front));
            assert_eq!((told(&one), told(&other)), (told(&full), told(&full)));
        }
        for more in ["x".to_owned(), "y".repeat(MAX_CHOICE + 1)] {
            let (mut one, mut other) = (full.clone(), held(std::slice::from_ref(&more)));
            one.absorb(held(&[more]));
            other.absorb(full.clone());
            assert_eq!((told(&one), told(&other)), ((None, true), (None, true)));
        }
        assert_eq!(told(&FieldEvidence::default()), (None, false));
    }

    #[test]
    fn a_field_takes_little_room() {
        // There is one for each property of each body of each endpoint.
        assert_eq!(size_of::<FieldEvidence>(), 80);
    }

    #[test]
    fn ten_random_numbers_do_not_become_card_numbers() {
        let mut evidence = FieldEvidence { values: 10, ..FieldEvidence::default() };
        evidence.count(hit(1, 0, Fate::Valid), 7, Timestamp::EPOCH);
        assert_eq!(evidence.judgement(ClassId(1)).map(|judgement| judgement.state), Some(State::Cleared));
    }

    #[test]
    fn many_distinct_values_that_all_pass_are_proof() {
        let evidence = of(&[1, 2, 3, 4, 5].map(|hash| (1, 0, 0, hash)));
        assert_eq!(evidence.judgement(ClassId(1)).map(|judgement| judgement.state), Some(State::Confirmed));
    }

    /// The sample of values with these hashes, reversed, is those whose hashes can be divided by it.
    const ONE_IN: u32 = 4;

    /// The evidence of values with these hashes, of which every third fails, and how many were looked at.
    fn sampled(hashes: &[u64]) -> (FieldEvidence, usize) {
        let mut evidence = FieldEvidence::default();
        let mut looked = 0;
        for hash in hashes {
            if evidence.looks_at(ONE_IN, false, || hash.reverse_bits(), || *hash) {
                looked += 1;
                let fate = if hash.is_multiple_of(3) { Fate::Failed } else { Fate::Valid };
                evidence.count(hit(1, 90, fate), *hash, Timestamp::EPOCH);
            }
            evidence.settle();
        }
        (evidence, looked)
    }

    #[test]
    fn a_field_with_few_distinct_values_is_counted_whole() {
        let hashes: Vec<u64> = (0..600).map(|value| value % 60).collect();
        let (evidence, looked) = sampled(&hashes);
        assert_eq!((looked, evidence.values(), evidence.sampled_one_in()), (600, 600, 1));
    }

    #[test]
    fn once_the_sample_is_enough_only_its_values_are_looked_at() {
        let hashes: Vec<u64> = (0..4_000).collect();
        let (evidence, looked) = sampled(&hashes);
        assert_eq!((evidence.values(), evidence.sampled_one_in()), (1_000, 4));
        assert!(looked < 1_100, "{looked}");
        assert_eq!(evidence.judgement(ClassId(1)).map(|judgement| judgement.state), Some(State::Confirmed));
    }

    #[test]
    fn what_speaks_against_a_sampled_class_is_still_noticed() {
        let (mut evidence, _) = sampled(&(0..4_000).collect::<Vec<u64>>());
        for hash in 4_000..400_000_u64 {
            if evidence.looks_at(ONE_IN, false, || hash.reverse_bits(), || hash) {
                evidence.count(hit(1, 60, Fate::Failed), hash, Timestamp::EPOCH);
                evidence.count(hit(2, 90, Fate::Valid), hash, Timestamp::EPOCH);
            }
        }
        let known = evidence.classes().find(|known| known.class == ClassId(1)).unwrap();
        assert!(known.valid * 50 < known.tried);
        assert_eq!(evidence.judgement(ClassId(2)).map(|judgement| judgement.state), Some(State::Confirmed));
    }

    #[test]
    fn what_was_found_before_a_sample_was_asked_for_or_another_or_none_stays() {
        // Another class, so that it can be told from what comes later.
        let before = |one_in: u32, hashes: std::ops::Range<u64>| {
            let mut evidence = FieldEvidence::default();
            for hash in hashes {
                assert!(evidence.looks_at(one_in, false, || hash.reverse_bits(), || hash));
                evidence.count(hit(2, 90, Fate::Valid), hash, Timestamp::EPOCH);
                evidence.settle();
            }
            evidence
        };
        let valid = |evidence: &FieldEvidence, class: u8| {
            evidence.classes().find(|known| known.class == ClassId(class)).map_or(0, |known| known.valid)
        };
        let (sample, _) = sampled(&(0..4_000).collect::<Vec<u64>>());
        for known in [before(0, 0..30), before(1_000_000, 1..31)] {
            let (mut after, mut other) = (known.clone(), sample.clone());
            after.absorb(sample.clone());
            other.absorb(known.clone());
            assert_eq!(state(&after), state(&other));
            assert_eq!(after.sampled_one_in(), other.sampled_one_in());
        }
        // Sampling begins: in the same evidence, and in what is merged with it.
        let mut after = before(0, 0..30);
        after.absorb(sample.clone());
        assert_eq!((valid(&after, 2), after.sampled_one_in()), (30, ONE_IN));
        let mut after = before(0, 0..30);
        for hash in 0..4_000_u64 {
            if after.looks_at(ONE_IN, false, || hash.reverse_bits(), || hash) {
                after.count(hit(1, 90, Fate::Valid), hash, Timestamp::EPOCH);
            }
            after.settle();
        }
        assert_eq!((valid(&after, 1), valid(&after, 2), after.sampled_one_in()), (1_000, 30, ONE_IN));
        // Sampling ends: what comes then counts.
        let mut after = sample;
        after.absorb(before(0, 0..30));
        assert_eq!((valid(&after, 2), after.values()), (30, 1_030));
    }

    proptest! {
        /// With a sample too: what is kept is told by the values, not by when or where they came.
        #[test]
        fn a_sample_is_the_same_in_any_order_and_grouping(
            hashes in proptest::collection::vec(0_u64..200, 0..400),
            cuts in proptest::collection::vec(0_usize..400, 3),
        ) {
            let whole = sampled(&hashes).0;
            let mut backwards = hashes.clone();
            backwards.reverse();
            prop_assert_eq!(state(&sampled(&backwards).0), state(&whole));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(hashes.len())).collect();
            cuts.sort_unstable();
            let mut merged = FieldEvidence::default();
            let ends = cuts.iter().copied().chain([hashes.len()]);
            let mut from = 0;
            for end in ends {
                merged.absorb(sampled(&hashes[from..end]).0);
                from = end;
            }
            prop_assert_eq!(state(&merged), state(&whole));
            prop_assert_eq!(merged.sampled_one_in(), whole.sampled_one_in());
        }

        /// Any split and order of the same hits comes to the same evidence.
        #[test]
        fn order_and_grouping_cannot_be_seen(
            hits in proptest::collection::vec((0_u8..4, 0_u8..100, 0_u8..3, any::<u64>()), 0..60),
            cut in 0_usize..60,
        ) {
            let cut = cut.min(hits.len());
            let mut left = of(&hits[..cut]);
            let mut right = of(&hits[cut..]);
            let whole = of(&hits);
            let mut other = right.clone();
            other.absorb(left.clone());
            left.absorb(std::mem::take(&mut right));
            prop_assert_eq!(state(&left), state(&whole));
            prop_assert_eq!(state(&other), state(&whole));
        }
    }
}
