//! Learns endpoints from traffic: which segments of a path are names of the API, which are values.
//!
//! ```text
//! Sighting ─▶ path, segment ─▶ store (skeletons × methods, with the caller's facts)   observe: per request
//!          ─▶ noise (clients, answers)                                                merge: per tick
//!                 │
//!                 ▼
//!          fold: noise out ─▶ documented routes ─▶ evidence per position ─▶ formats, enums ─▶ Folded
//! ```
//!
//! Nothing is decided while traffic is seen. [`Learner::observe`] only adds to sums and samples;
//! [`Learner::fold`] computes the templates from them on demand. So the outcome is a function of what
//! was seen: order, sharding and the grouping of merges cannot be told from it. Everything kept is
//! bounded by [`LearnerLimits`]. Names of paths stay in memory as they were seen: what may be written
//! of them is for the inventory to decide, with [`Learnt::low_literals`] and the shapes as a help.

mod bigram;
mod bottom;
mod enums;
mod evidence;
mod explain;
mod fold;
mod folded;
mod formats;
mod growth;
pub(super) mod hosts;
mod method;
mod noise;
pub(super) mod parts;
mod path;
mod rank;
mod saved;
mod segment;
mod sheet;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod trodden;
mod vocabulary;

pub use explain::{SegmentAccount, Settled};
pub use folded::{EndpointClass, Folded, Learnt, Liveness, Reason};
pub use noise::ScannerSource;
pub use rank::RankKey;
pub use saved::{Saved, ValuePaths};
pub use segment::Shape;
pub(super) use segment::split_suffix;
pub use template::{Template, TemplateSegment};

use crate::merge::Merge;
use method::Method;
use noise::{Answer, Hostility, Tier};
use parts::Parts;
use std::net::IpAddr;
use store::{Bounds, Place, Step, Store};
use vocabulary::Vocabulary;

/// What the owner of the learner keeps for each skeleton and method.
pub trait Facts: Default + Merge {
    /// Hashes of the JSON key paths (two levels) of successful responses, sorted; empty when unknown.
    fn response_keys(&self) -> Vec<u64>;

    /// How many names of fields it holds: traffic can make many of them.
    fn held(&self) -> usize {
        0
    }

    /// Forgets the names of fields, and what was counted by them.
    fn shed(&mut self) {}

    /// Looks at what is counted first, so that it comes from memory while there is other work.
    fn look(&self) {}

    /// Whether the path names a remote procedure, as in gRPC: none of its segments is a value then.
    fn is_procedure(&self) -> bool {
        false
    }
}

/// One request with what is known of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The host in lower case without port; empty when unknown.
    pub host: &'a str,
    /// The request method as sent.
    pub method: &'a str,
    /// The request target as sent; a query is ignored.
    pub path: &'a [u8],
    /// The status of the answer, if one was seen.
    pub status: Option<u16>,
    /// The media type of the answer in lower case without parameters; empty when unknown.
    pub content_type: &'a str,
    /// The length of the answer's body.
    pub response_bytes: u64,
    /// The rank of the client ([`Learner::client`]); 0 when unknown.
    pub client: u64,
    /// The client's address, where it may be told of one that scans.
    pub address: Option<IpAddr>,
}

/// Where a request belongs, until the next is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    method: Method,
    answer: Answer,
    tier: Tier,
    place: Place,
    asset: bool,
}

/// Bounds on what traffic can make the learner keep. Each merges exactly by itself; only
/// when `nodes` or `operations` is reached and `names` as well may the outcome depend on order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerLimits {
    /// Hosts. Beyond it those called least make room, an eighth at once, and share one host without a name, or one for
    /// their domain; which these are may depend on order.
    pub hosts: usize,
    /// Names below one node (`K2`); it must exceed the operations of an RPC-like API. A name costs
    /// about 200 bytes and its facts.
    pub names: usize,
    /// Integers and codes kept as they are below one node near the root, as they may be constants.
    pub constants: usize,
    /// Down to this depth (1 is the first segment) such constants are looked for.
    pub constant_depth: usize,
    /// Distinct values counted exactly at one marker; beyond it the number is an estimate.
    pub distinct: usize,
    /// Segments of a path; what follows is counted where it was cut.
    pub depth: usize,
    /// Bytes of a segment; a longer one is a value.
    pub name_bytes: usize,
    /// Nodes in the store of what surely answers; the stores of what strangers can make up (plausible, dead) have room
    /// for an eighth as many each. A node costs about 400 bytes.
    pub nodes: usize,
    /// Methods at nodes, likewise. Each costs about 2 kilobytes with its facts, names of fields apart.
    pub operations: usize,
    /// Names of fields (of bodies, queries, headers) in all of the proven store; in each of the others an eighth as many. Beyond,
    /// operations forget theirs, those with the largest rank first. A name costs about 200 bytes.
    pub fields: usize,
    /// Clients whose success is scored to find scanners.
    pub clients: usize,
    /// Signatures of answers to hostile requests.
    pub answers: usize,
    /// Clients kept of one operation without a proven answer.
    pub operation_clients: usize,
    /// Signatures kept of one operation without JSON.
    pub operation_answers: usize,
    /// Response keys compared of one operation.
    pub response_keys: usize,
    /// Calls from which a name keeps its room among too many siblings, whatever its rank. Up to then what stays does not
    /// depend on order.
    pub settled: u64,
}

impl Default for LearnerLimits {
    fn default() -> Self {
        Self {
            hosts: 1024,
            names: 512,
            constants: 4,
            constant_depth: 3,
            distinct: 32,
            depth: 24,
            name_bytes: 96,
            nodes: 65_536,
            operations: 24_576,
            fields: 1 << 20,
            clients: 32_768,
            answers: 4096,
            operation_clients: 8,
            operation_answers: 4,
            response_keys: 256,
            settled: 64,
        }
    }
}

/// What did not find room, by the limit that was reached; and what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnerCounters {
    /// Nodes held in all three stores.
    pub nodes: u64,
    /// Times a name found no room below its node ([`LearnerLimits::names`]).
    pub names_overflowed: u64,
    /// Hosts that made room for others ([`LearnerLimits::hosts`]).
    pub hosts_evicted: u64,
    /// Times a constant found no room ([`LearnerLimits::constants`]); usual where ids stand near the root.
    pub constants_overflowed: u64,
    /// Times a node found no room ([`LearnerLimits::nodes`], [`LearnerLimits::operations`]).
    pub nodes_overflowed: u64,
    /// Operations that forgot the names of their fields ([`LearnerLimits::fields`]).
    pub fields_forgotten: u64,
    /// Paths that were cut ([`LearnerLimits::depth`]).
    pub paths_cut: u64,
    /// Segments longer than any name ([`LearnerLimits::name_bytes`]).
    pub long_segments: u64,
    /// Clients that found no room ([`LearnerLimits::clients`]).
    pub clients_overflowed: u64,
    /// Signatures that found no room ([`LearnerLimits::answers`]).
    pub answers_overflowed: u64,
}

impl Merge for LearnerCounters {
    fn absorb(&mut self, other: Self) {
        self.nodes.absorb(other.nodes);
        self.names_overflowed.absorb(other.names_overflowed);
        self.hosts_evicted.absorb(other.hosts_evicted);
        self.constants_overflowed.absorb(other.constants_overflowed);
        self.nodes_overflowed.absorb(other.nodes_overflowed);
        self.fields_forgotten.absorb(other.fields_forgotten);
        self.paths_cut.absorb(other.paths_cut);
        self.long_segments.absorb(other.long_segments);
        self.clients_overflowed.absorb(other.clients_overflowed);
        self.answers_overflowed.absorb(other.answers_overflowed);
    }
}

/// A segment of a skeleton, as documents are asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A name, as it was seen.
    Name(&'a str),
    /// Some value of a shape that no name has.
    Value {
        /// The shape.
        shape: Shape,
        /// A constant behind the value: `.json`, `:verb`, or nothing.
        suffix: &'a str,
    },
}

/// A route of a document that matches a skeleton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentedRoute {
    /// The owner's number of the route.
    pub id: u32,
    /// Bit `i` is set when segment `i` of the route holds a parameter.
    pub parameters: u64,
}

/// A segment of a template that an operator has decided on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuledSegment {
    /// A name of the API.
    Name(String),
    /// A value, with what is constant before it or behind it.
    Parameter {
        /// Before the value.
        before: String,
        /// What the operator calls it.
        name: String,
        /// Behind the value.
        after: String,
    },
}

/// What operators have decided on a path.
#[derive(Clone, Debug, Default)]
pub struct Ruling<'a> {
    /// Bit `i` is set when segment `i` is a name.
    pub names: u64,
    /// Bit `i` is set when segment `i` is a value.
    pub values: u64,
    /// Bit `i` is set when segment `i` is told by its name: no secret, and needed to decide the same again.
    pub told: u64,
    /// The template of the path, when the whole of it was decided.
    pub pinned: Option<&'a [RuledSegment]>,
    /// The numbers of the decisions that it comes from.
    pub used: Vec<usize>,
}

/// Whether a name below so many others, from 1, is kept as it is, rather than as a value of its shape.
pub(super) fn can_be_kept(name: &str, depth: usize) -> bool {
    let limits = LearnerLimits::default();
    let judged = segment::judge(name);
    let constant = judged.shape.may_be_constant() && depth <= limits.constant_depth;
    let digits = name.bytes().all(|byte| byte.is_ascii_digit()) && depth > limits.constant_depth;
    name.len() <= limits.name_bytes
        && !digits
        && !name.starts_with(|first: char| first.is_ascii_control())
        && (!judged.hard() || constant && segment::split_suffix(name).1.is_empty())
}

/// Spec first: what documents know is not learnt, nor is what operators have decided.
pub trait Documented {
    /// The route that a path of `host` follows, if there is one. `methods` were used on the very path: a word
    /// where a document has a parameter may be a name of its own, and the method may tell.
    fn route(&self, host: &str, methods: &[&str], segments: &[Segment<'_>]) -> Option<DocumentedRoute>;

    /// What operators have decided on a path of `host`.
    fn ruling(&self, _host: &str, _segments: &[Segment<'_>]) -> Ruling<'_> {
        Ruling::default()
    }

    /// Which decisions are for this host and not for every one: hosts of which that differs are folded apart.
    fn scope(&self, _host: &str) -> Vec<usize> {
        Vec::new()
    }
}

/// No document at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undocumented;

impl Documented for Undocumented {
    fn route(&self, _host: &str, _methods: &[&str], _segments: &[Segment<'_>]) -> Option<DocumentedRoute> {
        None
    }
}

/// The learner; `F` is what its owner keeps of each skeleton and method.
#[derive(Clone, Debug)]
pub struct Learner<F> {
    limits: LearnerLimits,
    proven: Store<F>,
    plausible: Store<F>,
    dead: Store<F>,
    tables: noise::Tables,
    vocabulary: Vocabulary,
    /// The path being walked: a buffer.
    steps: Vec<Step>,
}

impl<F: Facts> Learner<F> {
    /// A learner that has seen nothing. Learners merge only when limits and key are the same.
    #[must_use]
    pub fn new(limits: LearnerLimits, rank: RankKey) -> Self {
        let bounds = Bounds::of(&limits);
        Self {
            limits,
            proven: Store::new(rank, bounds),
            plausible: Store::new(rank, bounds.for_strangers()),
            dead: Store::new(rank, bounds.for_strangers()),
            tables: noise::Tables::new(rank, &limits),
            vocabulary: Vocabulary::new(rank),
            steps: Vec::new(),
        }
    }

    /// The rank of a client, of whom `hash` is a hash.
    #[must_use]
    pub fn client(&self, hash: u64) -> u64 {
        self.proven.key().rank(&hash.to_le_bytes())
    }

    /// Counts a request; returns the facts of the skeleton and method it belongs to.
    pub fn observe(&mut self, sighting: &Sighting<'_>) -> &mut F {
        let mut parts = Parts::default();
        self.count(sighting, &mut parts, true, |_, _, _| ()).1
    }

    /// The same, with a buffer for the segments of its path. How clients fare is counted some requests later: at the latest
    /// when what was learnt is taken, or absorbed, without which it must not be looked at.
    pub(super) fn observe_parts(&mut self, sighting: &Sighting<'_>, parts: &mut Parts) -> &mut F {
        self.count(sighting, parts, false, |_, _, _| ()).1
    }

    /// As [`Learner::observe`], with such a buffer, and a keyed hash of the skeleton and method.
    pub(super) fn observe_ranked(&mut self, sighting: &Sighting<'_>, parts: &mut Parts) -> (u64, &mut F) {
        self.count(sighting, parts, true, Store::rank_of)
    }

    /// The facts where an exchange was observed, which goes on: it is not counted again.
    pub(super) fn observed(&mut self, sighting: &Sighting<'_>, parts: &mut Parts) -> &mut F {
        let (method, answer) = (Method::of(sighting.method), Answer::of(sighting));
        let (tier, mut place, _) = self.find(sighting, answer, method, parts);
        while !self.store(tier).has_room(place, method) {
            self.store(tier).shrink();
            (_, place, _) = self.find(sighting, answer, method, parts);
        }
        &mut self.store(tier).operation(place, method).facts
    }

    /// Finds where a request belongs, of which the client need not be known yet.
    pub(super) fn seek(&mut self, sighting: &Sighting<'_>, parts: &mut Parts) -> Found {
        let method = Method::of(sighting.method);
        let answer = Answer::of(sighting);
        let (tier, mut place, mut asset) = self.find(sighting, answer, method, parts);
        while !self.store(tier).has_room(place, method) {
            self.store(tier).shrink();
            (_, place, asset) = self.find(sighting, answer, method, parts);
        }
        if let Some(operation) = self.store(tier).guessed(place, method) {
            std::hint::black_box(operation.seen.calls);
            operation.facts.look();
        }
        Found { method, answer, tier, place, asset }
    }

    /// As [`Learner::observe_parts`], of a request that belongs where the latest one belonged that was sought.
    pub(super) fn observe_found(&mut self, sighting: &Sighting<'_>, found: Found) -> &mut F {
        self.count_found(sighting, found, false, |_, _, _| ()).1
    }

    fn count<T>(
        &mut self,
        sighting: &Sighting<'_>,
        parts: &mut Parts,
        at_once: bool,
        tell: impl FnOnce(&Store<F>, Place, Method) -> T,
    ) -> (T, &mut F) {
        let found = self.seek(sighting, parts);
        self.count_found(sighting, found, at_once, tell)
    }

    fn count_found<T>(
        &mut self,
        sighting: &Sighting<'_>,
        Found { method, answer, tier, place, asset }: Found,
        at_once: bool,
        tell: impl FnOnce(&Store<F>, Place, Method) -> T,
    ) -> (T, &mut F) {
        let store = match tier {
            Tier::Proven => &mut self.proven,
            Tier::Plausible => &mut self.plausible,
            Tier::Dead => &mut self.dead,
        };
        let told = tell(store, place, method);
        let operation = store.operation(place, method);
        self.tables.observe(sighting, answer, place.hostility, asset, &mut operation.seen);
        if at_once {
            self.tables.settle();
        }
        (told, &mut operation.facts)
    }

    const fn store(&mut self, tier: Tier) -> &mut Store<F> {
        match tier {
            Tier::Proven => &mut self.proven,
            Tier::Plausible => &mut self.plausible,
            Tier::Dead => &mut self.dead,
        }
    }

    /// Finds the skeleton of a path; says in which store, and whether its name is that of a page's file.
    fn find(
        &mut self,
        sighting: &Sighting<'_>,
        answer: Answer,
        method: Method,
        parts: &mut Parts,
    ) -> (Tier, Place, bool) {
        let tier = answer.tier(method, false);
        match self.store(tier).walk_again(sighting.host, sighting.path, parts) {
            // Such a path has neither a hostile name nor that of a file.
            Some(place) => (tier, place, false),
            None => self.walk(sighting, answer, method),
        }
    }

    /// Walks to the skeleton of a path; says in which store, and whether its name is that of a page's file.
    fn walk(&mut self, sighting: &Sighting<'_>, answer: Answer, method: Method) -> (Tier, Place, bool) {
        let path = path::normalise(sighting.path);
        let host = self.vocabulary.word(sighting.host.as_bytes()).rank;
        let mut steps = std::mem::take(&mut self.steps);
        steps.clear();
        let mut hostility = Hostility::None;
        for segment in path::segments(&path) {
            let word = self.vocabulary.word(segment);
            hostility = hostility.max(word.hostility);
            steps.push(Step::of(&path, segment, word));
        }
        let asset = !answer.json && path::segments(&path).last().is_some_and(noise::is_asset_name);
        let hostile =
            !answer.json && !answer.dead && hostility != Hostility::None && path::may_be_hostile(&path);
        let tier = answer.tier(method, hostile);
        let place = self.store(tier).walk((sighting.host, host), &path, &steps);
        self.steps = steps;
        (tier, place, asset)
    }

    /// Takes in all that `other` has seen. Order and grouping do not matter.
    pub fn absorb(&mut self, other: Self) {
        self.proven.absorb(other.proven);
        self.plausible.absorb(other.plausible);
        self.dead.absorb(other.dead);
        self.tables.absorb(other.tables);
        self.thin();
    }

    /// Makes operations forget the names of their fields while there are too many in all.
    pub fn thin(&mut self) {
        let most = self.limits.fields;
        self.proven.thin(most);
        self.plausible.thin(most / 8);
        self.dead.thin(most / 8);
    }

    /// The bound on names of fields in all.
    #[must_use]
    pub const fn fields_limit(&self) -> usize {
        self.limits.fields
    }

    /// The endpoints, as far as they can be told by now. What documents know is not learnt.
    pub fn fold<'a>(&'a self, documented: &dyn Documented) -> Folded<'a, F> {
        folded::fold(self, documented)
    }

    /// What the segments of a template were judged by, with how many paths it stands for; `asked` is a path that was asked
    /// about. The template is one that [`Learner::fold`] gave with the same documents.
    pub fn explain(
        &self,
        documented: &dyn Documented,
        learnt: &Learnt<'_, F>,
        asked: Option<&[u8]>,
    ) -> Option<(usize, Vec<SegmentAccount>)> {
        folded::explain(self, documented, learnt, asked)
    }

    /// What is written of it. Names of hosts and paths are, where `told` says so and the latest fold did not hold them
    /// for `values`; `told` is given a name, whether it is a host's, and whether something surely answers there.
    pub fn save<'a>(&'a self, values: &ValuePaths, told: &dyn Fn(&str, bool, bool) -> bool) -> Saved<&'a F> {
        let judge = |proven: bool| {
            move |rank: u64, name: &str, host: bool| !values.contains(rank) && told(name, host, proven)
        };
        let (clients, pages) = self.tables.save();
        Saved {
            proven: self.proven.save(&judge(true)),
            plausible: self.plausible.save(&judge(false)),
            dead: self.dead.save(&judge(false)),
            clients,
            pages,
        }
    }

    /// Takes note that a host's name is a value.
    pub fn hide_host(&self, host: &str, values: &mut ValuePaths) {
        let key = self.proven.key();
        values.insert(key.rank_pair(0, key.rank(host.as_bytes())));
    }

    /// What was written, under the same limits and key.
    #[must_use]
    pub fn restore(limits: LearnerLimits, rank: RankKey, saved: Saved<F>) -> Self {
        let mut learner = Self::new(limits, rank);
        learner.proven.restore(saved.proven);
        learner.plausible.restore(saved.plausible);
        learner.dead.restore(saved.dead);
        learner.tables.restore(saved.clients, saved.pages);
        learner
    }

    /// Gives away what was learnt and starts anew.
    #[must_use]
    pub fn take(&mut self) -> Self {
        self.tables.settle();
        let rank = self.proven.key();
        let mut fresh = Self::new(self.limits, rank);
        std::mem::swap(&mut fresh.vocabulary, &mut self.vocabulary);
        std::mem::replace(self, fresh)
    }

    /// The facts of every skeleton and method.
    pub fn facts(&self) -> impl Iterator<Item = &F> {
        [&self.proven, &self.plausible, &self.dead].into_iter().flat_map(Store::facts)
    }

    /// The same, to be changed.
    pub fn facts_mut(&mut self) -> impl Iterator<Item = &mut F> {
        [&mut self.proven, &mut self.plausible, &mut self.dead].into_iter().flat_map(Store::facts_mut)
    }

    /// What did not find room.
    #[must_use]
    pub fn counters(&self) -> LearnerCounters {
        let (clients_overflowed, answers_overflowed) = self.tables.dropped();
        let mut counters = LearnerCounters { clients_overflowed, answers_overflowed, ..Default::default() };
        for store in [&self.proven, &self.plausible, &self.dead] {
            let reached = store.reached();
            counters.nodes += u64::try_from(store.len()).unwrap_or(u64::MAX);
            counters.names_overflowed += reached.names;
            counters.hosts_evicted += reached.hosts;
            counters.constants_overflowed += reached.constants;
            counters.nodes_overflowed += reached.nodes;
            counters.fields_forgotten += reached.fields;
            counters.paths_cut += reached.depth;
            counters.long_segments += reached.name_bytes;
        }
        counters
    }
}
