//! What is kept of the paths that were seen: a bounded tree of names that merges exactly.
//!
//! A path becomes its *skeleton*: names stay as they are, segments that nobody would write into a program
//! become a marker of their shape, with a small sketch of how many distinct ones there were. Near the
//! root a few integers and codes are kept as they are, for they may be constants (`/api/1/users`). Facts
//! hang on skeleton and method.
//!
//! Of too many names below one node those with the smallest rank stay; the others share one node
//! that keeps the same structure below it. Of too many nodes, or methods at nodes, those with the smallest rank
//! stay, and a node's rank is never below its parent's, so that what stays is a tree; the others are counted at
//! their last kept ancestor. Both choices are functions of the set of paths: order and grouping do not matter.
//!
//! But a flood of made-up names that a server answers must not push out the API, which is called again and again.
//! Operations that were called often last whatever their rank, with the names above them, while they take no more than a
//! third of the room ([`LASTING_FROM`]); and names with many calls below them stay among too many siblings
//! ([`LearnerLimits::settled`]). Calls before a name had room do not count for it, so that beyond these bounds order can matter.

use std::collections::HashMap;

use hashbrown::HashTable;

use super::bottom::{Distinct, Handful, Span};
use super::hosts;
use super::method::{METHOD_SLOTS, Method};
use super::noise::{Hostility, same};
use super::parts::{Part, Parts, kind, kinds_of};
use super::rank::RankKey;
use super::saved::{self, PSEUDONYM, SavedName, SavedNode, SavedOperation, SavedStore};
use super::segment::{self, Shape};
use super::trodden::Trodden;
use super::vocabulary::Word;
use super::{Facts, LearnerLimits};
use crate::merge::Merge;
use crate::short;

/// Begins the name of a node that stands for all values of a shape; no name of traffic begins so.
pub(super) const MARKER: char = '\u{1}';
const MARKER_BYTE: u8 = 1;
/// The name of the node that stands for all paths that found no room.
pub(super) const REST: &str = "\u{2}";

/// Hosts of one domain from which on those without room share a node of the domain.
const DOMAIN_HOSTS: usize = 16;
/// Domains that have such a node.
const MAX_DOMAINS: usize = 64;

/// There is room for so many nodes, and operations: more than there are methods, as those of the rest always stay.
const LEAST_NODES: usize = 64;

/// The bounds of one store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) hosts: usize,
    pub(super) names: usize,
    pub(super) constants: usize,
    pub(super) constant_depth: usize,
    pub(super) distinct: usize,
    pub(super) depth: usize,
    pub(super) name_bytes: usize,
    pub(super) nodes: usize,
    pub(super) operations: usize,
    pub(super) operation_clients: usize,
    pub(super) operation_answers: usize,
    pub(super) settled: u64,
}

impl Bounds {
    /// The bounds as the limits ask for them, kept sensible.
    pub(super) fn of(limits: &LearnerLimits) -> Self {
        Self {
            hosts: limits.hosts.max(1),
            names: limits.names.max(1),
            constants: limits.constants,
            constant_depth: limits.constant_depth,
            distinct: limits.distinct.max(2),
            depth: limits.depth.clamp(1, 64),
            name_bytes: limits.name_bytes,
            nodes: limits.nodes.clamp(LEAST_NODES, 1 << 28),
            operations: limits.operations.clamp(LEAST_NODES, 1 << 28),
            operation_clients: limits.operation_clients.max(1),
            operation_answers: limits.operation_answers.max(1),
            settled: limits.settled,
        }
    }

    /// The same for a store that strangers fill: it has an eighth of the room.
    pub(super) fn for_strangers(self) -> Self {
        let least = |most: usize| (most / 8).max(LEAST_NODES);
        Self { nodes: least(self.nodes), operations: least(self.operations), ..self }
    }
}

/// What happened at one skeleton with one method.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Seen {
    /// Calls.
    pub(super) calls: u64,
    /// 2xx with JSON.
    pub(super) json: u64,
    /// 2xx with anything else.
    pub(super) plain: u64,
    /// Answers that show that the operation exists, other than 2xx.
    pub(super) other: u64,
    /// 404, 405, 410, 501, or a refusal without a body.
    pub(super) dead: u64,
    /// 404 or 410 with JSON.
    pub(super) missing: u64,
    /// Files of a web page.
    pub(super) assets: u64,
    /// Paths that only an attacker asks for, and paths of servers that scanners look for.
    pub(super) hostile: u64,
    /// As `hostile`, for paths that a legacy application may have as well.
    pub(super) suspicious: u64,
    /// Who got the answers in `plain` and `other`.
    pub(super) clients: Handful,
    /// The signatures of the answers in `plain`.
    pub(super) answers: Handful,
    /// The signatures of redirects and refusals in `other`.
    pub(super) barred: Handful,
    /// The lengths of answers in `json`, by themselves and less that of the path, which a page may echo.
    pub(super) json_bytes: [Span; 2],
    /// The same of pages in `plain`.
    pub(super) page_bytes: [Span; 2],
}

impl Seen {
    pub(super) fn absorb(&mut self, other: &Self, bounds: &Bounds) {
        self.calls += other.calls;
        self.json += other.json;
        self.plain += other.plain;
        self.other += other.other;
        self.dead += other.dead;
        self.missing += other.missing;
        self.assets += other.assets;
        self.hostile += other.hostile;
        self.suspicious += other.suspicious;
        self.clients.absorb(&other.clients, bounds.operation_clients);
        self.answers.absorb(&other.answers, bounds.operation_answers);
        self.barred.absorb(&other.barred, bounds.operation_answers);
        for (mine, theirs) in self.json_bytes.iter_mut().zip(other.json_bytes) {
            mine.absorb(theirs);
        }
        for (mine, theirs) in self.page_bytes.iter_mut().zip(other.page_bytes) {
            mine.absorb(theirs);
        }
    }
}

/// An operation: a method at a skeleton.
#[derive(Clone, Debug)]
pub(super) struct Operation<F> {
    pub(super) method: Method,
    pub(super) seen: Seen,
    pub(super) facts: F,
}

/// Why a node is kept, hence by which bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Kind {
    /// A name, or a marker with a custom verb.
    Name,
    /// A hard value near the root, as it is.
    Constant,
    /// All values of a shape.
    Marker,
    /// All paths below that found no room.
    Rest,
}

/// A node of the tree.
#[derive(Clone, Debug)]
struct Node<F> {
    parent: u32,
    name: Box<str>,
    /// Whether the name is a pseudonym.
    hidden: bool,
    kind: Kind,
    name_rank: u64,
    path_rank: u64,
    /// The largest `path_rank` from the root to here.
    rank: u64,
    depth: usize,
    hostility: Hostility,
    children: Vec<u32>,
    names: usize,
    constants: usize,
    /// The largest rank among its constants, once they are so many that one with a larger rank has no room.
    constants_below: Option<u64>,
    distinct: Distinct,
    operations: Vec<Operation<F>>,
    /// Where among its operations each method was last.
    places: [u8; METHOD_SLOTS],
    /// Whether one operation here or below was called so often that the node is kept whatever its rank.
    lasting: bool,
    /// Whether it was found to have so many calls that it keeps its room among its siblings.
    settled: bool,
}

/// A node that was taken out of its tree with all below it.
struct Subtree<F> {
    name: Box<str>,
    kind: Kind,
    name_rank: u64,
    hostility: Hostility,
    distinct: Distinct,
    operations: Vec<Operation<F>>,
    lasting: bool,
    children: Vec<Subtree<F>>,
}

impl<F> Subtree<F> {
    fn calls(&self) -> u64 {
        let own: u64 = self.operations.iter().map(|operation| operation.seen.calls).sum();
        own + self.children.iter().map(Self::calls).sum::<u64>()
    }
}

/// What is known of a node before it is placed.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Whether it lasts, whatever its rank.
    lasting: bool,
    /// Whether it has settled among its siblings.
    settled: bool,
}

/// How often a bound was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Reached {
    pub(super) names: u64,
    pub(super) hosts: u64,
    pub(super) constants: u64,
    pub(super) nodes: u64,
    pub(super) fields: u64,
    pub(super) depth: u64,
    pub(super) name_bytes: u64,
}

/// Where a walk down the tree has led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    node: u32,
    pub(super) hostility: Hostility,
}

/// A segment of the path that is walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    start: usize,
    end: usize,
    word: Word,
}

impl Step {
    /// `segment`, which is a slice of `path`.
    pub(super) fn of(path: &[u8], segment: &[u8], word: Word) -> Self {
        let start = segment.as_ptr().addr().saturating_sub(path.as_ptr().addr());
        Self { start, end: start + segment.len(), word }
    }
}

/// The tree.
#[derive(Clone, Debug)]
pub(super) struct Store<F> {
    nodes: Vec<Node<F>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    key: RankKey,
    bounds: Bounds,
    /// Nodes other than the root.
    kept: usize,
    /// Methods at nodes.
    operations: usize,
    /// Nodes whose rank exceeds `u64::MAX >> level` are not kept, but for those that last.
    level: u32,
    /// Calls from which an operation lasts.
    lasting_from: u64,
    /// Operations whose rank exceeds `u64::MAX >> thinned` hold no names of fields.
    thinned: u32,
    reached: Reached,
    trodden: Trodden,
    /// The host of the last walk, and its node while no node has gone.
    host: (String, Option<u32>),
}

const ROOT: u32 = 0;

/// Calls from which an operation and the names above it are kept, whatever their ranks, when there are too many nodes: a
/// stranger may make up any number of paths, but seldom calls one again. It doubles while too many last.
const LASTING_FROM: u64 = 2;
/// How often the range of ranks that remember fields is halved: first for what is called seldom, then for all.
const MAX_THINNED: u32 = 60;
/// The highest level of ranks.
const MAX_LEVEL: u32 = 63;

/// Values that are told at a glance and begin with no digit have so many bytes at least: an IBAN has.
const SHORTEST: usize = 14;
/// Kinds of segments that are told at a glance.
const DIGIT_OR_HEX: u8 = kind::DIGIT | kind::HEX;
const HEX_AND_DASH: u8 = kind::HEX | kind::DASH;
const UUID: u8 = kind::DIGIT | kind::HEX | kind::DASH;
const UPPER_AND_DIGIT: u8 = kind::UPPER | kind::DIGIT;

impl<F: Default + Merge> Store<F> {
    pub(super) fn new(key: RankKey, bounds: Bounds) -> Self {
        let root = Node {
            parent: ROOT,
            name: "".into(),
            hidden: false,
            kind: Kind::Name,
            name_rank: 0,
            path_rank: 0,
            rank: 0,
            depth: 0,
            hostility: Hostility::None,
            children: Vec::new(),
            names: 0,
            constants: 0,
            constants_below: None,
            distinct: Distinct::default(),
            operations: Vec::new(),
            places: [0; METHOD_SLOTS],
            lasting: false,
            settled: false,
        };
        Self {
            nodes: vec![root],
            free: Vec::new(),
            table: HashTable::new(),
            key,
            bounds,
            kept: 0,
            operations: 0,
            level: 0,
            lasting_from: LASTING_FROM,
            thinned: 0,
            reached: Reached::default(),
            trodden: Trodden::default(),
            host: (String::new(), None),
        }
    }

    /// Walks by steps that were made before, and by values that are told at a glance: numbers, UUIDs, IBANs and
    /// hexadecimal digits. What comes of it is what comes of [`Store::walk`]; `None` when that has to be asked. No name on
    /// the way is an attacker's.
    pub(super) fn walk_again(&mut self, host: &str, path: &[u8], parts: &mut Parts) -> Option<Place> {
        let start = self.host.1.filter(|_| same(&self.host.0, host) && path.first() == Some(&b'/'))?;
        if let Some((node, dull)) = self.trodden.find_path(start, path) {
            parts.know(dull);
            return Some(Place { node, hostility: Hostility::None });
        }
        let mut slashes = short::places(path.get(1..)?, b'/');
        parts.begin_cut();
        let mut node = start;
        let mut values = false;
        let mut depth = 1;
        let mut without_room = 0;
        let mut next = Some(1);
        while let Some(from) = next {
            let slash = slashes.next().map(|at| at + 1);
            let to = slash.unwrap_or(path.len());
            next = slash.map(|slash| slash + 1);
            let segment = path.get(from..to)?;
            let end = segment.len();
            if end == 0 {
                parts.take(from, to, 0)?;
                continue;
            }
            // No value is so short and begins so.
            let named = end < SHORTEST && !segment.first().is_some_and(u8::is_ascii_digit);
            let step = if named { Some(self.trodden.find(node, segment)?) } else { None };
            let kinds = step.map_or_else(|| kinds_of(segment), |step| step.kinds);
            if kinds & (kind::ODD | kind::ENDS) != 0
                || end > self.bounds.name_bytes
                || depth > self.bounds.depth
            {
                return None;
            }
            parts.take(from, to, kinds)?;
            let shape = match kinds {
                _ if named => None,
                kind::DIGIT if end >= 9 => Some(Shape::BigInt),
                kind::DIGIT if depth > self.bounds.constant_depth => Some(Shape::Int),
                kind::DIGIT => {
                    let full =
                        self.node(node).constants_below.is_some_and(|bound| self.key.rank(segment) > bound);
                    without_room += u64::from(full);
                    full.then_some(Shape::Int)
                }
                DIGIT_OR_HEX if end >= 16 => Some(Shape::Hex),
                HEX_AND_DASH | UUID if segment::has_dashes_of_uuid(segment) => Some(Shape::Uuid),
                UPPER_AND_DIGIT if segment::is_iban(segment) => Some(Shape::Iban),
                _ => None,
            };
            node = match (step, shape) {
                (Some(step), _) => step.to,
                (None, None) => self.trodden.find(node, segment)?.to,
                (None, Some(shape)) => {
                    values = true;
                    let marker = self.trodden.find(node, &[MARKER_BYTE, shape.code()])?.to;
                    let (rank, limit) = (self.key.rank(segment), self.bounds.distinct);
                    self.node_mut(marker).distinct.insert(rank, limit);
                    marker
                }
            };
            depth += 1;
        }
        parts.end_cut();
        self.reached.constants += without_room;
        if !values {
            self.trodden.keep_path(start, path, node, parts.of(path).all(Part::is_dull));
        }
        Some(Place { node, hostility: Hostility::None })
    }

    /// Walks to the node of a host, with its rank, and the segments of a path, making it if there is room.
    pub(super) fn walk(&mut self, host: (&str, u64), path: &[u8], segments: &[Step]) -> Place {
        let mut place = self.walk_once(host, path, segments);
        while self.is_full() {
            self.shrink();
            place = self.walk_once(host, path, segments);
        }
        place
    }

    /// Whether a method at a place would be one too many.
    pub(super) fn has_room(&self, place: Place, method: Method) -> bool {
        self.operations < self.bounds.operations
            || self.node(place.node).operations.iter().any(|operation| operation.method == method)
    }

    fn is_full(&self) -> bool {
        self.kept > self.bounds.nodes || self.operations > self.bounds.operations
    }

    fn walk_once(&mut self, (host, rank): (&str, u64), path: &[u8], segments: &[Step]) -> Place {
        let node = match self.find(ROOT, rank) {
            Some(node) => node,
            None => self.place(ROOT, Kind::Name, rank, host, Hostility::None),
        };
        if self.node(node).kind == Kind::Name && self.node(node).depth == 1 {
            host.clone_into(&mut self.host.0);
            self.host.1 = Some(node);
        }
        let mut place = Place { node, hostility: Hostility::None };
        for segment in segments {
            let bytes = path.get(segment.start..segment.end).unwrap_or_default();
            place = self.step(place, bytes, segment.word);
        }
        place
    }

    /// Goes one segment down.
    fn step(&mut self, place: Place, segment: &[u8], word: Word) -> Place {
        let Place { node: parent, hostility } = place;
        let (kind, depth) = {
            let node = self.node(parent);
            (node.kind, node.depth)
        };
        if kind == Kind::Rest {
            return Place { node: parent, hostility: hostility.max(word.hostility) };
        }
        if depth > self.bounds.depth {
            self.reached.depth += 1;
            return Place { node: self.rest(parent), hostility };
        }
        let rank = word.rank;
        let digits = segment.iter().all(u8::is_ascii_digit);
        if digits && depth > self.bounds.constant_depth {
            let shape = if segment.len() < 9 { Shape::Int } else { Shape::BigInt };
            return Place { node: self.marker(parent, shape, "", rank), hostility };
        }
        if segment.len() > self.bounds.name_bytes {
            self.reached.name_bytes += 1;
            let hostility = hostility.max(word.hostility);
            return Place { node: self.marker(parent, Shape::Long, "", rank), hostility };
        }
        let text = match std::str::from_utf8(segment) {
            Ok(text) if !text.starts_with([MARKER, '\u{2}', PSEUDONYM]) => text,
            _ => return Place { node: self.marker(parent, Shape::Encoded, "", rank), hostility },
        };
        if let Some(found) = self.find(parent, rank) {
            self.name_again(found, text);
            let own = self.node(found).hostility;
            if own == Hostility::None {
                self.trodden.keep(parent, segment, found);
            }
            return Place { node: found, hostility: hostility.max(own) };
        }
        let own = word.hostility;
        let judged = segment::judge(text);
        let (_, suffix) = segment::split_suffix(text);
        let node = if !judged.hard() {
            self.place(parent, Kind::Name, rank, text, own)
        } else if suffix.is_empty() && judged.shape.may_be_constant() && depth <= self.bounds.constant_depth {
            self.place(parent, Kind::Constant, rank, text, own)
        } else {
            self.marker(parent, judged.shape, suffix, rank)
        };
        Place { node, hostility: hostility.max(own) }
    }

    /// The operation of `method` at a node, or another, where it was last.
    pub(super) fn guessed(&self, place: Place, method: Method) -> Option<&Operation<F>> {
        let node = self.node(place.node);
        node.operations.get(usize::from(*node.places.get(method.slot())?))
    }

    /// The operation of `method` at a node.
    pub(super) fn operation(&mut self, place: Place, method: Method) -> &mut Operation<F> {
        let node = self.node_mut(place.node);
        let operations = &mut node.operations;
        // Each is large, so that a look at one that is not meant costs a wait for memory.
        let guess = node.places.get_mut(method.slot());
        let is_meant = |operation: &Operation<F>| operation.method == method;
        let known = match guess {
            Some(guess) if operations.get(usize::from(*guess)).is_some_and(is_meant) => {
                Some(usize::from(*guess))
            }
            Some(guess) => {
                let found = operations.iter().position(is_meant);
                *guess = found.and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
                found
            }
            None => operations.iter().position(is_meant),
        };
        let at = known.unwrap_or_else(|| {
            // Most skeletons have one method or two, and facts are large.
            operations.reserve_exact(1);
            operations.push(Operation { method, seen: Seen::default(), facts: F::default() });
            operations.len() - 1
        });
        self.operations += usize::from(known.is_none());
        let lasting_from = self.lasting_from;
        let node = self.node(place.node);
        if !node.lasting
            && node.operations.get(at).is_some_and(|operation| operation.seen.calls >= lasting_from)
        {
            self.last(place.node);
        }
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.node_mut(place.node).operations[at]
    }

    /// Takes note that a node lasts, and with it those above; what stands for others without room does not.
    fn last(&mut self, id: u32) {
        let mut at = id;
        while at != ROOT && !self.node(at).lasting && self.node(at).kind != Kind::Rest {
            self.node_mut(at).lasting = true;
            at = self.node(at).parent;
        }
    }

    /// A keyed hash of the path of a node, and the method.
    pub(super) fn rank_of(&self, place: Place, method: Method) -> u64 {
        self.key.rank_pair(self.node(place.node).path_rank, method.number())
    }

    /// Takes in all that `other` holds.
    pub(super) fn absorb(&mut self, mut other: Self) {
        if other.level > self.level {
            self.level = other.level;
            self.forget_bounds();
        }
        self.lasting_from = self.lasting_from.max(other.lasting_from);
        self.reached.names += other.reached.names;
        self.thinned = self.thinned.max(other.thinned);
        self.reached.fields += other.reached.fields;
        self.reached.hosts += other.reached.hosts;
        self.reached.constants += other.reached.constants;
        self.reached.nodes += other.reached.nodes;
        self.reached.depth += other.reached.depth;
        self.reached.name_bytes += other.reached.name_bytes;
        self.enforce_level();
        for child in std::mem::take(&mut other.node_mut(ROOT).children) {
            let subtree = other.extract(child);
            self.graft(ROOT, subtree);
        }
        while self.is_full() {
            self.shrink();
        }
    }

    /// The facts of every operation.
    pub(super) fn facts(&self) -> impl Iterator<Item = &F> {
        self.nodes.iter().flat_map(|node| &node.operations).map(|operation| &operation.facts)
    }

    /// The same, to be changed.
    pub(super) fn facts_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.nodes.iter_mut().flat_map(|node| &mut node.operations).map(|operation| &mut operation.facts)
    }

    /// How often each bound was reached.
    pub(super) const fn reached(&self) -> Reached {
        self.reached
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    fn find(&self, parent: u32, rank: u64) -> Option<u32> {
        self.table
            .find(slot(parent, rank), |id| {
                let node = self.node(*id);
                // A rank is a keyed hash: names that share one are the same but for one in 2^64 pairs, and a name that was
                // read back under a pseudonym has nothing else to be known by.
                node.parent == parent && node.name_rank == rank
            })
            .copied()
    }

    /// Gives a node that was read back under a pseudonym its name, now that it was seen again.
    fn name_again(&mut self, id: u32, name: &str) {
        let node = self.node_mut(id);
        if node.hidden && !name.starts_with(PSEUDONYM) {
            node.name = name.into();
            node.hidden = false;
        }
    }

    /// The node that stands for the values of `shape` below `parent`.
    fn marker(&mut self, parent: u32, shape: Shape, suffix: &str, value: u64) -> u32 {
        let bare = [MARKER_BYTE, shape.code()];
        let mut long = String::new();
        let name = if suffix.is_empty() {
            std::str::from_utf8(&bare).expect("both bytes are ASCII")
        } else {
            long.push(MARKER);
            long.push(shape.letter());
            long.push_str(suffix);
            if suffix.starts_with('.') {
                long.make_ascii_lowercase();
            }
            &long
        };
        let rank = self.key.rank(name.as_bytes());
        let kind = if suffix.starts_with(':') { Kind::Name } else { Kind::Marker };
        let node = match self.find(parent, rank) {
            Some(node) => {
                self.trodden.keep(parent, name.as_bytes(), node);
                node
            }
            None => self.place(parent, kind, rank, name, Hostility::None),
        };
        let limit = self.bounds.distinct;
        self.node_mut(node).distinct.insert(value, limit);
        node
    }

    /// The node that stands for what found no room below `parent`.
    fn rest(&mut self, parent: u32) -> u32 {
        let rank = self.key.rank(REST.as_bytes());
        match self.find(parent, rank) {
            Some(node) => node,
            None => self.create(parent, Kind::Rest, rank, REST, Hostility::None),
        }
    }

    /// Makes a child that does not exist, or says which node stands for it.
    fn place(&mut self, parent: u32, kind: Kind, rank: u64, name: &str, hostility: Hostility) -> u32 {
        self.place_known((parent, kind), rank, name, hostility, Known::default())
    }

    /// The same of a child that is known from elsewhere.
    fn place_known(
        &mut self,
        (parent, kind): (u32, Kind),
        rank: u64,
        name: &str,
        hostility: Hostility,
        known: Known,
    ) -> u32 {
        let path_rank = self.key.rank_pair(self.node(parent).path_rank, rank);
        if !known.lasting && path_rank > u64::MAX >> self.level {
            self.reached.nodes += 1;
            return self.rest(parent);
        }
        let limit = match kind {
            Kind::Name if parent == ROOT => self.bounds.hosts,
            Kind::Name => self.bounds.names,
            Kind::Constant => self.bounds.constants,
            Kind::Marker | Kind::Rest => usize::MAX,
        };
        let held = match kind {
            Kind::Name => self.node(parent).names,
            Kind::Constant => self.node(parent).constants,
            Kind::Marker | Kind::Rest => 0,
        };
        if held >= limit && parent == ROOT && kind == Kind::Name {
            self.evict_hosts();
        } else if held >= limit {
            return self.place_among((parent, kind), rank, name, hostility, known);
        }
        self.create(parent, kind, rank, name, hostility)
    }

    /// Makes a child where there is no room for it: in place of one that ranks behind it and is called seldom, or not at all.
    fn place_among(
        &mut self,
        (parent, kind): (u32, Kind),
        rank: u64,
        name: &str,
        hostility: Hostility,
        known: Known,
    ) -> u32 {
        match kind {
            Kind::Constant => self.reached.constants += 1,
            Kind::Name | Kind::Marker | Kind::Rest => self.reached.names += 1,
        }
        let largest = self.last_in_rank(parent, kind);
        match largest {
            Some((largest, evicted)) if known.settled || rank < largest => {
                self.unlink(evicted);
                let subtree = self.extract(evicted);
                let node = self.create(parent, kind, rank, name, hostility);
                let stand_in = self.stand_in(parent, kind, &subtree.name, subtree.name_rank);
                self.pour(stand_in, subtree);
                node
            }
            Some(_) | None => {
                if kind == Kind::Constant && self.level == 0 {
                    // Those that have settled count too: they are found by their names whatever their rank.
                    let above = self.node(parent);
                    let constants = above.children.iter().map(|id| self.node(*id));
                    let largest = constants.filter(|node| node.kind == kind).map(|node| node.name_rank).max();
                    self.node_mut(parent).constants_below = largest;
                }
                self.stand_in(parent, kind, name, rank)
            }
        }
    }

    /// The child of a kind that ranks last among those that have not settled.
    fn last_in_rank(&mut self, parent: u32, kind: Kind) -> Option<(u64, u32)> {
        loop {
            let children = self.node(parent).children.iter().map(|id| (self.node(*id), *id));
            let (rank, last) = children
                .filter(|(node, _)| node.kind == kind && !node.settled)
                .map(|(node, id)| (node.name_rank, id))
                .max()?;
            if self.calls_below(last) < self.bounds.settled {
                return Some((rank, last));
            }
            self.node_mut(last).settled = true;
        }
    }

    /// Makes room for hosts: those called least go. A stranger may call any number of hosts, but seldom one of them as
    /// often as its users do.
    fn evict_hosts(&mut self) {
        let mut hosts: Vec<(u64, std::cmp::Reverse<u64>, u32)> = self
            .node(ROOT)
            .children
            .iter()
            .filter(|id| self.node(**id).kind == Kind::Name)
            .map(|id| (self.calls_below(*id), std::cmp::Reverse(self.node(*id).name_rank), *id))
            .collect();
        hosts.sort_unstable();
        let mut domains: HashMap<String, usize> = HashMap::new();
        for domain in hosts.iter().filter_map(|(_, _, id)| hosts::domain(&self.node(*id).name)) {
            *domains.entry(domain.to_owned()).or_default() += 1;
        }
        for (_, _, host) in hosts.iter().take((self.bounds.hosts / 8).max(1)) {
            self.reached.hosts += 1;
            self.unlink(*host);
            let subtree = self.extract(*host);
            let domain = hosts::domain(&subtree.name)
                .filter(|domain| domains.get(*domain).is_some_and(|hosts| *hosts >= DOMAIN_HOSTS))
                .unwrap_or_default();
            let stand_in = self.host_stand_in(domain, subtree.name_rank);
            self.pour(stand_in, subtree);
        }
    }

    fn calls_below(&self, id: u32) -> u64 {
        let node = self.node(id);
        let own: u64 = node.operations.iter().map(|operation| operation.seen.calls).sum();
        own + node.children.iter().map(|child| self.calls_below(*child)).sum::<u64>()
    }

    /// The node that stands for the hosts of a domain without room of their own.
    fn host_stand_in(&mut self, domain: &str, rank: u64) -> u32 {
        let markers = || {
            self.node(ROOT).children.iter().map(|id| self.node(*id)).filter(|node| node.kind == Kind::Marker)
        };
        let known = markers().any(|node| hosts::hidden_domain(&node.name) == domain);
        let domain = if known || markers().count() < MAX_DOMAINS { domain } else { "" };
        self.marker(ROOT, Shape::Other, domain, rank)
    }

    /// The node that stands for a name or a constant without room of its own.
    fn stand_in(&mut self, parent: u32, kind: Kind, name: &str, rank: u64) -> u32 {
        match kind {
            Kind::Constant => self.marker(parent, segment::judge(name).shape, "", rank),
            Kind::Name | Kind::Marker | Kind::Rest => self.marker(parent, Shape::Other, "", rank),
        }
    }

    fn create(&mut self, parent: u32, kind: Kind, rank: u64, name: &str, hostility: Hostility) -> u32 {
        let above = self.node(parent);
        let path_rank = self.key.rank_pair(above.path_rank, rank);
        let node = Node {
            parent,
            name: name.into(),
            hidden: name.starts_with(PSEUDONYM),
            kind,
            name_rank: rank,
            path_rank,
            rank: if kind == Kind::Rest { above.rank } else { above.rank.max(path_rank) },
            depth: above.depth + 1,
            hostility,
            children: Vec::new(),
            names: 0,
            constants: 0,
            constants_below: None,
            distinct: Distinct::default(),
            operations: Vec::new(),
            places: [0; METHOD_SLOTS],
            lasting: false,
            settled: false,
        };
        let id = if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            id
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("the bound on nodes is far below 2^32")
        };
        let above = self.node_mut(parent);
        above.children.push(id);
        match kind {
            Kind::Name => above.names += 1,
            Kind::Constant => {
                above.constants += 1;
                above.constants_below = None;
            }
            Kind::Marker | Kind::Rest => {}
        }
        self.kept += 1;
        let nodes = &self.nodes;
        self.table.insert_unique(slot(parent, rank), id, |id| {
            nodes.get(*id as usize).map_or(0, |node| slot(node.parent, node.name_rank))
        });
        id
    }

    /// Forgets a node among its parent's children.
    fn unlink(&mut self, id: u32) {
        let (parent, kind) = (self.node(id).parent, self.node(id).kind);
        let above = self.node_mut(parent);
        above.children.retain(|child| *child != id);
        match kind {
            Kind::Name => above.names -= 1,
            Kind::Constant => {
                above.constants -= 1;
                above.constants_below = None;
            }
            Kind::Marker | Kind::Rest => {}
        }
    }

    /// Takes an unlinked node and all below it out of the tree.
    fn extract(&mut self, id: u32) -> Subtree<F> {
        self.trodden.forget();
        self.host.1 = None;
        let hash = slot(self.node(id).parent, self.node(id).name_rank);
        if let Ok(found) = self.table.find_entry(hash, |other| *other == id) {
            found.remove();
        }
        let node = self.node_mut(id);
        let children = std::mem::take(&mut node.children);
        let mut subtree = Subtree {
            name: std::mem::take(&mut node.name),
            kind: node.kind,
            name_rank: node.name_rank,
            hostility: node.hostility,
            distinct: std::mem::take(&mut node.distinct),
            operations: std::mem::take(&mut node.operations),
            lasting: std::mem::take(&mut node.lasting),
            children: Vec::with_capacity(children.len()),
        };
        self.kept -= 1;
        self.operations -= subtree.operations.len();
        self.free.push(id);
        for child in children {
            let below = self.extract(child);
            subtree.children.push(below);
        }
        subtree
    }

    /// Puts a subtree below `parent`.
    fn graft(&mut self, parent: u32, subtree: Subtree<F>) {
        let node = match self.find(parent, subtree.name_rank) {
            Some(node) => {
                self.name_again(node, &subtree.name);
                node
            }
            None if self.node(parent).kind == Kind::Rest => parent,
            None if subtree.kind == Kind::Rest => self.rest(parent),
            None => {
                let known =
                    Known { lasting: subtree.lasting, settled: subtree.calls() >= self.bounds.settled };
                let place = (parent, subtree.kind);
                self.place_known(place, subtree.name_rank, &subtree.name, subtree.hostility, known)
            }
        };
        self.pour(node, subtree);
    }

    /// Adds what a subtree holds to a node and below it.
    fn pour(&mut self, node: u32, subtree: Subtree<F>) {
        let bounds = self.bounds;
        self.node_mut(node).distinct.absorb(&subtree.distinct, bounds.distinct);
        for operation in subtree.operations {
            let into = self.operation(Place { node, hostility: Hostility::None }, operation.method);
            into.seen.absorb(&operation.seen, &bounds);
            into.facts.absorb(operation.facts);
            if into.seen.calls >= self.lasting_from {
                self.last(node);
            }
        }
        for below in subtree.children {
            self.graft(node, below);
        }
    }

    /// Forgets what is known of full nodes: with fewer ranks kept, it need not hold.
    fn forget_bounds(&mut self) {
        for node in &mut self.nodes {
            node.constants_below = None;
        }
    }

    /// Halves the range of ranks that are kept.
    pub(super) fn shrink(&mut self) {
        self.level = (self.level + 1).min(MAX_LEVEL);
        while self.lasting_crowd() {
            self.lasting_from = self.lasting_from.saturating_mul(2);
            self.tell_lasting();
        }
        self.forget_bounds();
        self.enforce_level();
    }

    /// Whether what lasts, with what stands for others beside it, takes more than a third of the room.
    fn lasting_crowd(&self) -> bool {
        let (mut nodes, mut operations) = (0, 0);
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            for child in &self.node(id).children {
                let node = self.node(*child);
                if node.lasting || node.kind == Kind::Rest && id != ROOT {
                    nodes += 1;
                    operations += node.operations.len();
                }
                if node.lasting {
                    waiting.push(*child);
                }
            }
        }
        nodes > self.bounds.nodes / 3 || operations > self.bounds.operations / 3
    }

    /// Tells anew what lasts.
    fn tell_lasting(&mut self) {
        let from = self.lasting_from;
        for node in &mut self.nodes {
            node.lasting = false;
        }
        let lasts = |node: &Node<F>| node.operations.iter().any(|operation| operation.seen.calls >= from);
        let lasting: Vec<u32> =
            (0..).zip(&self.nodes).filter(|(_, node)| lasts(node)).map(|(id, _)| id).collect();
        for id in lasting {
            self.last(id);
        }
    }

    fn enforce_level(&mut self) {
        let bound = u64::MAX >> self.level;
        let mut waiting = vec![ROOT];
        while let Some(id) = waiting.pop() {
            let children = self.node(id).children.clone();
            for child in children {
                let node = self.node(child);
                if node.rank > bound && !node.lasting && node.kind != Kind::Rest {
                    self.reached.nodes += 1;
                    self.unlink(child);
                    let subtree = self.extract(child);
                    let rest = self.rest(id);
                    self.pour_flat(rest, subtree);
                } else {
                    waiting.push(child);
                }
            }
        }
    }

    /// Adds all operations of a subtree to one node.
    fn pour_flat(&mut self, node: u32, subtree: Subtree<F>) {
        let children = subtree.children;
        self.pour(node, Subtree { children: Vec::new(), distinct: Distinct::default(), ..subtree });
        for below in children {
            self.pour_flat(node, below);
        }
    }

    #[expect(clippy::indexing_slicing, reason = "ids are only made by this store")]
    fn node(&self, id: u32) -> &Node<F> {
        &self.nodes[id as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "ids are only made by this store")]
    fn node_mut(&mut self, id: u32) -> &mut Node<F> {
        &mut self.nodes[id as usize]
    }
}

/// Writing and reading back.
impl<F: Default + Merge> Store<F> {
    /// The key of ranks.
    pub(super) const fn key(&self) -> RankKey {
        self.key
    }

    /// What is written. `told` says whether a name may be: given the rank of the path that it ends, the name, and
    /// whether it is a host's.
    pub(super) fn save(&self, told: &impl Fn(u64, &str, bool) -> bool) -> SavedStore<&F> {
        SavedStore {
            level: self.level,
            thinned: self.thinned,
            reached: self.reached,
            root: self.save_node(ROOT, told),
        }
    }

    fn save_node(&self, id: u32, told: &impl Fn(u64, &str, bool) -> bool) -> SavedNode<&F> {
        let node = self.node(id);
        let host = node.parent == ROOT;
        let may_tell = |name: &str| name.is_empty() || told(node.path_rank, name, host);
        let mut children: Vec<u32> = node.children.clone();
        children.sort_by_key(|child| self.node(*child).name_rank);
        SavedNode {
            name: if host {
                let domain = hosts::domain(&node.name).unwrap_or_default();
                SavedName::of_host(&node.name, node.name_rank, may_tell(&node.name), domain)
            } else {
                SavedName::of(&node.name, node.name_rank, may_tell(&node.name), |suffix| {
                    may_tell(suffix.trim_start_matches(['.', ':']))
                })
            },
            kind: node.kind,
            hostility: node.hostility,
            distinct: node.distinct.clone(),
            operations: node
                .operations
                .iter()
                .map(|operation| SavedOperation {
                    method: operation.method,
                    seen: operation.seen.clone(),
                    facts: &operation.facts,
                })
                .collect(),
            children: children.into_iter().map(|child| self.save_node(child, told)).collect(),
        }
    }

    /// Takes the place of an empty store.
    pub(super) fn restore(&mut self, saved: SavedStore<F>) {
        self.level = saved.level;
        self.thinned = saved.thinned;
        self.reached = saved.reached;
        self.restore_below(ROOT, saved.root);
        self.tell_lasting();
    }

    fn restore_below(&mut self, id: u32, saved: SavedNode<F>) {
        self.operations += saved.operations.len();
        let node = self.node_mut(id);
        node.distinct = saved.distinct;
        node.operations = saved
            .operations
            .into_iter()
            .map(|operation| Operation {
                method: operation.method,
                seen: operation.seen,
                facts: operation.facts,
            })
            .collect();
        for below in saved.children {
            let rank = match &below.name {
                SavedName::Told(name) => self.key.rank(name.as_bytes()),
                SavedName::Hidden { rank, .. } => *rank,
            };
            let (kind, hostility) = (below.kind, below.hostility);
            let mut below = below;
            let name = std::mem::replace(&mut below.name, SavedName::Told("".into())).into_name();
            let child = self.create(id, kind, rank, &name, hostility);
            self.restore_below(child, below);
        }
    }
}

/// The bound on names of fields.
impl<F: Facts> Store<F> {
    /// Makes operations forget the names of their fields until all together hold at most so many: half of those that
    /// remember, then half of the rest, by rank. What is forgotten follows from what all hold in the end, as that only
    /// grows; but where names found no room ([`Bounds::names`]) it may depend on order.
    pub(super) fn thin(&mut self, most: usize) {
        loop {
            let bound = u64::MAX >> self.thinned;
            // Those that are called again and again forget last: by what they answer they are told apart.
            let lasting = u64::MAX >> self.thinned.saturating_sub(MAX_THINNED / 2);
            let settled = self.bounds.settled;
            let mut held = 0;
            let mut waiting = vec![(ROOT, 0)];
            while let Some((id, rank)) = waiting.pop() {
                let key = self.key;
                let mut forgotten = 0;
                for Operation { method, facts, seen } in &mut self.node_mut(id).operations {
                    let own = facts.held();
                    let bound = if seen.calls < settled { bound } else { lasting };
                    if own > 0 && key.rank_pair(rank, method.number()) > bound {
                        facts.shed();
                        forgotten += 1;
                    } else {
                        held += own;
                    }
                }
                self.reached.fields += forgotten;
                let below = self.node(id).children.iter();
                waiting.extend(below.map(|child| (*child, key.rank_pair(rank, self.lasting_rank(*child)))));
            }
            if held <= most || self.thinned >= MAX_THINNED {
                return;
            }
            self.thinned += 1;
        }
    }

    /// The rank of a node's name; of a constant, which may yet lose its room, that of the marker it would go to.
    fn lasting_rank(&self, id: u32) -> u64 {
        let node = self.node(id);
        if node.kind != Kind::Constant {
            return node.name_rank;
        }
        let judged = saved::read(&node.name).map_or_else(|| segment::judge(&node.name), |(judged, _)| judged);
        self.key.rank(&[MARKER_BYTE, judged.shape.code()])
    }
}

/// Reading, for the fold.
impl<F: Default + Merge> Store<F> {
    /// The hosts, by name.
    pub(super) fn hosts(&self) -> Vec<Reader<'_, F>> {
        Reader { store: self, id: ROOT }.children()
    }
}

/// A node as the fold reads it.
pub(super) struct Reader<'a, F> {
    store: &'a Store<F>,
    id: u32,
}

impl<'a, F: Default + Merge> Reader<'a, F> {
    fn node(&self) -> &'a Node<F> {
        self.store.node(self.id)
    }

    pub(super) fn name(&self) -> &'a str {
        &self.node().name
    }

    pub(super) fn distinct(&self) -> &'a Distinct {
        &self.node().distinct
    }

    pub(super) fn operations(&self) -> &'a [Operation<F>] {
        &self.node().operations
    }

    /// The nodes below, by name.
    pub(super) fn children(&self) -> Vec<Self> {
        let mut below: Vec<_> =
            self.node().children.iter().map(|id| Reader { store: self.store, id: *id }).collect();
        below.sort_by(|a, b| a.name().cmp(b.name()));
        below
    }
}

/// The hash of a child's place in the table.
fn slot(parent: u32, rank: u64) -> u64 {
    rank ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
