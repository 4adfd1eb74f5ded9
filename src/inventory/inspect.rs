//! From an exchange to the data classes it carries: walks path, query, headers, cookies and bodies once,
//! grows the shapes of the bodies and counts the evidence for each field.
//!
//! An [`Inspector`] belongs to one shard. It borrows a transaction, adds to the [`EndpointFacts`] of its
//! path skeleton and keeps nothing of it: a value ends as a type, a class, a count and the keyed hash that
//! counts distinct ones. Every value is looked at unless a rate is set; then hashes of values alone tell which are, so
//! that the evidence does not depend on which shard saw which exchange. [`data_fields`] reads the evidence back, field
//! by field.

use super::dialogue::{self, DialogueFacts};
use super::facts::{BodyShape, EndpointFacts};
use super::learner::parts::{Part, Parts, kind};
use super::privacy;
use super::standing::Change;
use crate::classify::formats::Format as ValueFormat;
use crate::classify::{
    ClassId, ClassSet, Classifier, Fate, FieldEvidence, Hit, KeyVerdict, Location, Role, State, constants,
    is_dull_number, tells_nothing,
};
use crate::http::grpc;
use crate::http::h2::Toward;
use crate::limits::Limits;
use crate::operation::{self, Call, Content, graphql};
use crate::payload::protobuf::Typed;
use crate::payload::{self, Coding, Format, Text, Visitor, form};
use crate::schema::{JsonType, NodeId};
use crate::secret::{FingerprintKey, HashKey, Purpose, Sensitive};
use crate::spec::Methods;
use crate::time::Timestamp;
use crate::transaction::dialogue::Dialogue;
use crate::transaction::{Fields, Transaction};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// One shard's inspector. See the module's doc.
#[derive(Debug)]
pub struct Inspector {
    classifier: Arc<Classifier>,
    limits: Limits,
    hash_key: HashKey,
    collect: bool,
    /// Whether words that may be constants are gathered.
    constants: bool,
    /// What is known of the messages of remote calls.
    methods: Arc<Methods>,
    work: Work,
}

/// What inspecting one exchange came to.
#[derive(Clone, Copy, Debug)]
pub struct Inspection<'a> {
    /// Classes that at least one value passed for, with or without the evidence of others.
    pub classes: ClassSet,
    /// Where they were found, sorted and without repetition; empty unless asked for.
    pub tags: &'a [Tag],
}

/// A class at a place of one exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Where.
    pub location: Location,
    /// The field's path there: `$.data[*].iban`, `/Document/Id`, `[2]`, a header's name.
    pub path: String,
    /// The status of the response whose body it is; 0 elsewhere.
    pub status: u16,
    /// The class.
    pub class: ClassId,
    /// Whether the fields of its message have only numbers, as nothing describes it.
    pub numbered: bool,
}

/// The parts that are reused from exchange to exchange.
#[derive(Debug, Default)]
struct Work {
    hits: Vec<Hit>,
    classes: ClassSet,
    tags: Vec<Tag>,
    /// When the exchange began.
    now: Timestamp,
    value: Vec<u8>,
    name: Vec<u8>,
    inner: Vec<u8>,
    /// How many keys of this exchange may still be looked at for the first time.
    fresh: usize,
    /// Verdicts on keys that no node of a shape keeps: labels, names in pairs, keys in embedded documents.
    keys: Keys,
    /// Verdicts on keys with what stands above them, by a seeded hash: shapes come and go as what was learnt is handed
    /// over, their keys do not change.
    paths: HashMap<u64, Arc<KeyVerdict>, foldhash::fast::RandomState>,
    /// What long header values were found to be.
    remembered: HashMap<u64, (Box<[Hit]>, u64), foldhash::fast::RandomState>,
    /// What the names of query parameters say, as sent.
    parameters: HashMap<Box<[u8]>, Arc<Parameter>, foldhash::fast::RandomState>,
    /// What is to be done with headers, by their names as sent.
    headers: HashMap<Box<[u8]>, Header, foldhash::fast::RandomState>,
    /// Bodies that came before, by the shape they belong to and a seeded hash.
    bodies: HashMap<(u64, u64), Option<Box<Recording>>, foldhash::fast::RandomState>,
    /// Steps of all recordings kept.
    steps: usize,
    /// What the body being walked does, while that is recorded.
    recording: Option<Box<Recording>>,
    /// The last number given to a shape.
    shapes: u64,
}

/// What inspecting a body did to its shape. Clients poll: when the very same body comes again, the same is done
/// again without reading it. The outcome is that of reading it, so nothing but time depends on what is kept.
#[derive(Debug, Default)]
struct Recording {
    /// A node's number and, in the lowest three bits, the type its value had or [`VALUE`].
    steps: Vec<u32>,
    hits: Vec<(NodeId, Hit, u64)>,
    classes: ClassSet,
}

/// A step that counts a value as seen.
const VALUE: u32 = 7;
/// Bodies shorter than this are read: that costs no more.
const MIN_BODY: usize = 96;
/// Bodies remembered per shard; beyond, all are forgotten.
const MAX_BODIES: usize = 16_384;
/// Steps of all bodies remembered per shard: four bytes each.
const MAX_STEPS: usize = 1 << 20;

impl Recording {
    fn step(&mut self, node: NodeId, what: u32) {
        self.steps.push(node.number() << 3 | what);
    }

    /// Does to `shape` what the body did.
    fn replay(&self, shape: &mut BodyShape, now: Timestamp) {
        shape.begin();
        for step in &self.steps {
            let node = NodeId::new(step >> 3);
            match JsonType::ALL.get((step & 7) as usize) {
                Some(kind) => {
                    shape.count(node, *kind);
                }
                None => {
                    if let Some(evidence) = shape.evidence_mut(node) {
                        evidence.values += 1;
                    }
                }
            }
        }
        for (node, hit, hash) in &self.hits {
            if let Some(evidence) = shape.evidence_mut(*node) {
                evidence.count(*hit, *hash, now);
            }
        }
    }
}

impl Work {
    /// A value was not looked at: it is taken to be what those in its field were.
    fn skipped(&mut self, evidence: &FieldEvidence) {
        evidence.known_classes().for_each(|class| self.classes.insert(class));
    }
}

/// What the name of a query parameter says.
#[derive(Debug)]
struct Parameter {
    /// The name as it may be shown.
    label: Box<str>,
    verdict: Arc<KeyVerdict>,
}

/// What is to be done with a header.
#[derive(Clone, Debug)]
enum Header {
    /// Nothing: it says nothing of anybody.
    Dull,
    /// Its pairs are looked at.
    Cookie,
    /// Its first pair is looked at.
    SetCookie,
    /// What stands behind the scheme is looked at.
    Credential(Arc<str>, Arc<KeyVerdict>),
    /// The parameters of the link are looked at.
    Link(Arc<str>),
    /// Its value is looked at.
    Other(Arc<str>, Arc<KeyVerdict>),
}

/// Header values at least this long are judged once while they are remembered.
const MIN_REMEMBERED: usize = 48;
/// Header values remembered per shard, by a seeded hash.
const MAX_REMEMBERED: usize = 4_096;
/// Verdicts remembered per shard; beyond, they are computed again.
const MAX_KEYS: usize = 8_192;
/// The longest text that is taken for a key.
const MAX_KEY: usize = 96;

/// The key of the hashes that tell values of a field apart.
#[must_use]
pub fn value_key(key: &FingerprintKey) -> HashKey {
    let derived = *key.fingerprint(Purpose::Value, b"distinct values").bytes();
    let [a, b] = [derived.first_chunk(), derived.last_chunk()]
        .map(|half| half.map_or(0, |half: &[u8; 8]| u64::from_le_bytes(*half)));
    HashKey::new(a, b)
}

impl Inspector {
    /// An inspector whose hashes are made with `key`.
    #[must_use]
    pub fn new(classifier: Arc<Classifier>, limits: Limits, key: &FingerprintKey) -> Self {
        Self {
            classifier,
            limits,
            hash_key: value_key(key),
            collect: false,
            constants: false,
            methods: Arc::default(),
            work: Work::default(),
        }
    }

    /// What is known of the messages of remote calls.
    #[must_use]
    pub const fn methods(&self) -> &Arc<Methods> {
        &self.methods
    }

    /// Tells what is known of the messages of remote calls.
    pub fn describe(&mut self, methods: &Arc<Methods>) {
        self.methods = Arc::clone(methods);
    }

    /// Whether each exchange's tags are collected, for `--tags`. Off, they cost nothing.
    pub const fn collect_tags(&mut self, collect: bool) {
        self.collect = collect;
    }

    /// Whether words that may be constants are gathered, for `--enums`: see [`constants`]. Off, they cost nothing.
    pub const fn gather_constants(&mut self, gather: bool) {
        self.constants = gather;
    }

    /// One in how many values is looked at where that is enough. Tags tell of every value.
    fn one_in(&self) -> u32 {
        if self.collect { 1 } else { u32::try_from(self.limits.sample_values).unwrap_or(u32::MAX) }
    }

    /// The classifier in use.
    #[must_use]
    pub const fn classifier(&self) -> &Arc<Classifier> {
        &self.classifier
    }

    /// Adds what `transaction` carries to `facts`, which hang on its path skeleton, so that the position of a
    /// segment is the same in all exchanges that share them.
    pub fn inspect(&mut self, transaction: &Transaction, facts: &mut EndpointFacts) -> Inspection<'_> {
        let (path, query) = transaction.path_and_query();
        let mut parts = Parts::default();
        self.inspect_with(transaction, (path, &mut parts), query, facts)
    }

    /// The same, of a transaction whose path and query were looked for, and the path cut.
    pub(super) fn inspect_with(
        &mut self,
        transaction: &Transaction,
        path: (Sensitive<&[u8]>, &mut Parts),
        query: Option<Sensitive<&[u8]>>,
        facts: &mut EndpointFacts,
    ) -> Inspection<'_> {
        self.work.classes = ClassSet::default();
        self.work.tags.clear();
        self.work.now = transaction.started();
        self.work.fresh = self.limits.fresh_keys;
        let whole = path.0;
        if transaction.part.begins() {
            self.path(path, facts);
            self.query(query, facts);
            self.headers(&transaction.request.fields, Location::RequestHeader, facts);
            self.headers(&transaction.response.fields, Location::ResponseHeader, facts);
        }
        if let Some(dialogue) = &transaction.dialogue {
            self.dialogue(dialogue, facts.dialogue.get_or_insert_default());
        }
        if transaction.part.ends() {
            self.bodies(transaction, whole, facts);
        }
        self.work.tags.sort_unstable();
        self.work.tags.dedup();
        Inspection { classes: self.work.classes, tags: &self.work.tags }
    }

    fn bodies(&mut self, transaction: &Transaction, path: Sensitive<&[u8]>, facts: &mut EndpointFacts) {
        let (request, response) = (&transaction.request, &transaction.response);
        // Only remote calls have types: all others are spared the look.
        let methods = transaction.call.is_some().then(|| Arc::clone(&self.methods));
        let method = methods.as_ref().and_then(|methods| methods.of(path.expose()));
        let framed = transaction.call.is_some_and(|call| call.protocol.is_framed());
        let (body, format) =
            (request.body.bytes.expose(), format_of(&request.fields, request.body.bytes.expose()));
        if format != Format::Opaque {
            let typed = method.map(|method| method.request()).filter(|_| format == Format::Protobuf);
            let schematic = is_schematic(format) || typed.is_some();
            let shape = if schematic { &mut facts.request_shape } else { &mut facts.request_other };
            let part = Encoded { content_type: content_type(&request.fields), body, format, typed, framed };
            self.messages(part, (Location::RequestBody, 0), shape);
        }
        let (body, format) =
            (response.body.bytes.expose(), format_of(&response.fields, response.body.bytes.expose()));
        if format != Format::Opaque {
            let typed = method.map(|method| method.response()).filter(|_| format == Format::Protobuf);
            let schematic = is_schematic(format) || typed.is_some();
            let shapes = if schematic { &mut facts.response_shapes } else { &mut facts.response_other };
            let shape = shapes.entry(response.status).or_default();
            let part = Encoded { content_type: content_type(&response.fields), body, format, typed, framed };
            self.messages(part, (Location::ResponseBody, response.status), shape);
        }
    }

    /// Messages, each under its kind.
    fn dialogue(&mut self, dialogue: &Dialogue, facts: &mut DialogueFacts) {
        let unlabelled = Fields::default();
        for message in dialogue.messages() {
            let (side, location) = match message.toward {
                Toward::Server => (&mut facts.to_server, Location::ClientMessage),
                Toward::Client => (&mut facts.to_client, Location::ServerMessage),
            };
            let kind = dialogue::kind(message.name, message.content.expose());
            let known = side.kind(&kind);
            known.messages += 1;
            let format = format_of(&unlabelled, kind.content);
            if format != Format::Opaque {
                let shape = if is_schematic(format) { &mut known.shape } else { &mut known.other };
                let before = self.work.tags.len();
                self.body(Encoded::plain(None, kind.content, format), (location, 0), shape);
                for tag in self.work.tags.iter_mut().skip(before) {
                    tag.path = message_path(&kind.label(), &tag.path);
                }
            }
        }
    }

    /// Adds what one call of an exchange carries to the facts of its operation. No tags: the exchange has them.
    pub(super) fn inspect_call(
        &mut self,
        call: &Call<'_>,
        status: u16,
        facts: &mut EndpointFacts,
    ) -> ClassSet {
        let collect = std::mem::replace(&mut self.collect, false);
        self.work.classes = ClassSet::default();
        self.work.fresh = self.limits.fresh_keys;
        if let Some(content) = &call.request {
            let place = (Location::RequestBody, 0);
            let (one, other) = (&mut facts.request_shape, &mut facts.request_other);
            self.content(call, content, place, one, other);
        }
        for content in &call.responses {
            let place = (Location::ResponseBody, status);
            let one = facts.response_shapes.entry(status).or_default();
            let other = facts.response_other.entry(status).or_default();
            self.content(call, content, place, one, other);
        }
        // An entry that nothing was counted in tells nothing.
        facts.response_shapes.retain(|_, shape| shape.root().is_some());
        facts.response_other.retain(|_, shape| shape.root().is_some());
        self.collect = collect;
        self.work.classes
    }

    fn content(
        &mut self,
        call: &Call<'_>,
        content: &Content<'_>,
        place: (Location, u16),
        schematic: &mut BodyShape,
        other: &mut BodyShape,
    ) {
        let depth = self.limits.body_depth;
        match content {
            Content::Json(value) => {
                let value = *value.expose();
                let chosen = call.kind == operation::Kind::Graphql;
                self.walked(Some(value), Format::Json, place, schematic, |walker| {
                    walker.chosen_names = chosen;
                    payload::json::walk(value, depth, walker);
                });
            }
            Content::Body(media, body) => {
                let body = *body.expose();
                let format = if body.is_empty() { Format::Opaque } else { payload::detect(*media, body) };
                if format != Format::Opaque {
                    let shape = if is_schematic(format) { schematic } else { other };
                    self.body(Encoded::plain(*media, body, format), place, shape);
                }
            }
            Content::Graphql(text, variables) => {
                let bounds = graphql::Bounds { tokens: self.limits.graphql_tokens, depth };
                self.walked(None, Format::Json, place, schematic, |walker| {
                    walker.chosen_names = true;
                    walker.enter_object();
                    if let Some(variables) = variables {
                        walker.key(Text::plain(b"variables"));
                        payload::json::walk(variables.expose(), depth, walker);
                    }
                    if memchr::memchr(b'(', text.expose()).is_some() {
                        walker.key(Text::plain(b"arguments"));
                        graphql::walk_literals(text.expose(), bounds, walker);
                    }
                    walker.leave_object();
                });
            }
        }
    }

    fn path(&mut self, (path, parts): (Sensitive<&[u8]>, &mut Parts), facts: &mut EndpointFacts) {
        if parts.known_dull() {
            return;
        }
        parts.cut(path.expose());
        let nothing = KeyVerdict::default();
        let mut digits = [0; 20];
        let mut label = String::new();
        for (at, part) in parts.of(path.expose()).enumerate().take(self.limits.path_segments) {
            if part.is_dull() {
                continue;
            }
            let Part { bytes: raw, kinds } = part;
            let mut buffer = std::mem::take(&mut self.work.value);
            let value = if kinds & kind::MARK == 0 || !raw.contains(&b'%') {
                raw
            } else {
                buffer.clear();
                form::percent(raw, false, &mut buffer);
                buffer.as_slice()
            };
            if value.len() > 20
                || kinds & kind::DIGIT != 0
                || value.iter().any(|byte| matches!(byte, b'0'..=b'9' | b'@'))
            {
                let label = if let Some(label) = PLACES_IN_PATH.get(at) {
                    label
                } else {
                    label.clear();
                    label.push('[');
                    label.push_str(itoa(at, &mut digits));
                    label.push(']');
                    label.as_str()
                };
                // Most are numbers that say nothing.
                if kinds == kind::DIGIT && is_dull_number(raw.len()) {
                    let (one_in, hash_key) = (self.one_in(), self.hash_key);
                    if let Some(evidence) =
                        facts.fields.field(Location::RequestPath, label, self.limits.loose_fields)
                    {
                        evidence.looks_at(one_in, false, || hash_key.spread(value), || hash_key.hash(value));
                        evidence.settle();
                    }
                    self.work.value = buffer;
                    continue;
                }
                // The word before a segment names a collection, not the segment: values speak alone.
                self.loose(Location::RequestPath, label, &nothing, value, facts);
            }
            self.work.value = buffer;
        }
    }

    fn query(&mut self, query: Option<Sensitive<&[u8]>>, facts: &mut EndpointFacts) {
        let Some(query) = query else { return };
        for (name, value) in form::pairs(query.expose()).take(self.limits.query_parameters) {
            let parameter = self.parameter(name);
            let mut scratch = std::mem::take(&mut self.work.value);
            let decoded = value.decode(&mut scratch);
            self.loose(Location::RequestQuery, &parameter.label, &parameter.verdict, decoded, facts);
            self.work.value = scratch;
        }
    }

    /// What the name of a query parameter says, worked out once while it is remembered.
    fn parameter(&mut self, name: Text<'_>) -> Arc<Parameter> {
        if let Some(known) = self.work.parameters.get(name.raw()) {
            return Arc::clone(known);
        }
        let had_room = self.work.fresh > 0;
        let mut key = std::mem::take(&mut self.work.name);
        let bytes = name.decode(&mut key);
        let verdict = self.verdict(bytes, 2);
        let parameter = Arc::new(Parameter { label: shown(&String::from_utf8_lossy(bytes)).into(), verdict });
        self.work.name = key;
        // Verdicts that were not worked out for want of room must not stay.
        if had_room && name.raw().len() <= MAX_KEY {
            if self.work.parameters.len() >= MAX_REMEMBERED {
                self.work.parameters.clear();
            }
            self.work.parameters.insert(name.raw().into(), Arc::clone(&parameter));
        }
        parameter
    }

    fn headers(&mut self, fields: &Fields, location: Location, facts: &mut EndpointFacts) {
        // Nearly every request has it, and it says nothing of anybody.
        for (raw, value) in fields.iter().filter(|(raw, _)| *raw != b"User-Agent") {
            let header = self.header(raw);
            let value = *value.expose();
            match header {
                Header::Dull => {}
                Header::Cookie => {
                    for pair in value.split(|byte| *byte == b';').take(self.limits.query_parameters) {
                        self.cookie("cookie", pair.trim_ascii(), location, facts);
                    }
                }
                Header::SetCookie => {
                    let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
                    self.cookie("set-cookie", pair.trim_ascii(), location, facts);
                }
                Header::Credential(label, verdict) => {
                    let space = memchr::memchr(b' ', value).unwrap_or(value.len());
                    let (scheme, rest) = value.split_at(space);
                    let bare = ["bearer", "dpop", "token"]
                        .iter()
                        .any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
                    let value = if bare { rest.trim_ascii() } else { value };
                    self.loose(location, &label, &verdict, value, facts);
                }
                Header::Link(label) => {
                    let start =
                        value.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(value.len());
                    for (name, value) in form::pairs(value.get(start + 1..).unwrap_or_default()).take(32) {
                        let verdict = self.verdict(name.raw(), 2);
                        let mut scratch = std::mem::take(&mut self.work.value);
                        self.loose(location, &label, &verdict, value.decode(&mut scratch), facts);
                        self.work.value = scratch;
                    }
                }
                Header::Other(label, verdict) => self.loose(location, &label, &verdict, value, facts),
            }
        }
    }

    /// What is to be done with a header of this name, worked out once while it is remembered.
    fn header(&mut self, raw: &[u8]) -> Header {
        if let Some(known) = self.work.headers.get(raw) {
            return known.clone();
        }
        let label = String::from_utf8_lossy(raw).to_ascii_lowercase();
        if is_dull(&label) || label.len() > MAX_KEY {
            self.remember_header(raw, Header::Dull);
            return Header::Dull;
        }
        // Verdicts that were not worked out for want of room must not stay.
        let had_room = self.work.fresh > 0;
        let header = match label.as_str() {
            "cookie" => Header::Cookie,
            "set-cookie" => Header::SetCookie,
            "authorization" | "proxy-authorization" => {
                Header::Credential(label.as_str().into(), self.verdict(raw, 3))
            }
            "location" | "content-location" | "referer" | "link" => Header::Link(label.as_str().into()),
            name => Header::Other(name.into(), self.verdict(raw, 3)),
        };
        if had_room {
            self.remember_header(raw, header.clone());
        }
        header
    }

    fn remember_header(&mut self, raw: &[u8], header: Header) {
        if self.work.headers.len() >= MAX_REMEMBERED {
            self.work.headers.clear();
        }
        self.work.headers.insert(raw.into(), header);
    }

    fn cookie(&mut self, header: &str, pair: &[u8], location: Location, facts: &mut EndpointFacts) {
        let Some(middle) = memchr::memchr(b'=', pair).filter(|middle| (1..=MAX_KEY).contains(middle)) else {
            return;
        };
        let (name, value) = pair.split_at(middle);
        let verdict = self.verdict(name, 4);
        let name = String::from_utf8_lossy(name);
        let label = format!("{header}[{}]", shown(&name));
        let mut scratch = std::mem::take(&mut self.work.value);
        let value = value.get(1..).unwrap_or_default();
        let value = if value.contains(&b'%') { form::coded(value).decode(&mut scratch) } else { value };
        self.loose(location, &label, &verdict, value, facts);
        self.work.value = scratch;
    }

    /// A value outside a body.
    fn loose(
        &mut self,
        location: Location,
        label: &str,
        verdict: &KeyVerdict,
        value: &[u8],
        facts: &mut EndpointFacts,
    ) {
        let parameter = matches!(location, Location::RequestQuery | Location::RequestHeader);
        if value.is_empty() && !parameter {
            return;
        }
        let (one_in, hash_key) = (self.one_in(), self.hash_key);
        let mut evidence = facts.fields.field(location, label, self.limits.loose_fields);
        if let Some(evidence) = evidence.as_deref_mut().filter(|_| parameter) {
            evidence.take_format_of_text(value, hash_key);
            if self.constants && evidence.values() == 0 && constants::may_have(label, verdict) {
                evidence.gather_constants();
            }
            if let Some(constants) = evidence.constants_mut() {
                constants.take(value);
            }
        }
        // An empty value is of no format and no class.
        if value.is_empty() {
            return;
        }
        if let Some(evidence) = &mut evidence
            && !evidence.looks_at(one_in, false, || hash_key.spread(value), || hash_key.hash(value))
        {
            self.work.skipped(evidence);
            return;
        }
        let mut hits = std::mem::take(&mut self.work.hits);
        hits.clear();
        // Tokens and certificates are long, and the same one comes with every request of a caller.
        let long = value.len() >= MIN_REMEMBERED
            && matches!(location, Location::RequestHeader | Location::ResponseHeader);
        let remembered = long.then(|| {
            use std::hash::BuildHasher;
            self.work.remembered.hasher().hash_one((label, value))
        });
        let hash = if let Some((known, hash)) = remembered.and_then(|key| self.work.remembered.get(&key)) {
            hits.extend_from_slice(known);
            *hash
        } else {
            self.classifier.classify(verdict, JsonType::String, value, &mut hits);
            if location == Location::RequestPath && hits.is_empty() {
                self.classifier.international_phone(value, &mut hits);
            }
            let hash = if hits.is_empty() { 0 } else { self.hash_key.hash(value) };
            if let Some(key) = remembered {
                if self.work.remembered.len() >= MAX_REMEMBERED {
                    self.work.remembered.clear();
                }
                self.work.remembered.insert(key, (hits.as_slice().into(), hash));
            }
            hash
        };
        if let Some(evidence) = evidence {
            for hit in &hits {
                evidence.count(*hit, hash, self.work.now);
            }
            evidence.settle();
        }
        for hit in hits.iter().filter(|hit| hit.fate == Fate::Valid) {
            self.work.classes.insert(hit.class);
            if self.collect {
                self.work.tags.push(Tag {
                    location,
                    path: label.to_owned(),
                    status: 0,
                    class: hit.class,
                    numbered: false,
                });
            }
        }
        self.work.hits = hits;
    }

    fn verdict(&mut self, name: &[u8], place: u8) -> Arc<KeyVerdict> {
        verdict_of(&self.classifier, &mut self.work.keys, &mut self.work.fresh, name, place)
    }

    /// Walks a body, or one by one the messages that it is made of.
    fn messages(&mut self, part: Encoded<'_>, place: (Location, u16), shape: &mut BodyShape) {
        let Encoded { body, format, framed, .. } = part;
        match format {
            Format::Protobuf if framed => {
                let each = grpc::messages(body).filter(|(_, _, message)| !message.is_empty());
                for (_, _, message) in each {
                    self.body(Encoded { body: message, ..part }, place, shape);
                }
            }
            Format::JsonLines if framed => {
                let each = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                for line in each {
                    self.body(Encoded { body: line, format: Format::Json, ..part }, place, shape);
                }
            }
            Format::Protobuf
            | Format::Json
            | Format::JsonLines
            | Format::Form
            | Format::Multipart
            | Format::Xml
            | Format::Csv
            | Format::Text
            | Format::Opaque => self.body(part, place, shape),
        }
    }

    fn body(&mut self, part: Encoded<'_>, place: (Location, u16), shape: &mut BodyShape) {
        let depth = self.limits.body_depth;
        let Encoded { content_type, body, format, typed, framed } = part;
        self.walked(Some(body), format, place, shape, |walker| {
            walker.numbered = format == Format::Protobuf && typed.is_none();
            if format == Format::Protobuf && (framed || typed.is_some()) {
                payload::protobuf::message(body, typed, depth, walker);
            } else {
                payload::walk(format, content_type, body, depth, walker);
            }
        });
    }

    /// Walks a body, unless it is `known` that the very same bytes came before.
    fn walked<'b>(
        &mut self,
        known: Option<&[u8]>,
        format: Format,
        (location, status): (Location, u16),
        shape: &mut BodyShape,
        walk: impl FnOnce(&mut Walker<'_, 'b>),
    ) {
        let one_in = self.one_in();
        // What a body did is done again only where every value counts.
        let repeats = !self.collect && !self.constants && one_in == 1;
        let known = known.filter(|body| repeats && body.len() >= MIN_BODY).map(|body| {
            use std::hash::BuildHasher;
            let hash = self.work.bodies.hasher().hash_one((format as u8, body));
            (shape.number(&mut self.work.shapes), hash)
        });
        if let Some(key) = known {
            match self.work.bodies.get(&key) {
                Some(Some(recording)) => {
                    recording.replay(shape, self.work.now);
                    self.work.classes.insert_all(recording.classes);
                    return;
                }
                // It came once before: it may come often.
                Some(None) => self.work.recording = Some(Box::default()),
                None => {
                    if self.work.bodies.len() >= MAX_BODIES {
                        self.work.bodies.clear();
                        self.work.steps = 0;
                    }
                    self.work.bodies.insert(key, None);
                }
            }
        }
        let (overflow, others) = (shape.overflow(), std::mem::take(&mut self.work.classes));
        let root = shape.begin();
        let mut walker = Walker {
            classifier: &self.classifier,
            limits: &self.limits,
            hash_key: self.hash_key,
            one_in,
            collect: self.collect,
            constants: self.constants,
            location,
            status,
            xml: format == Format::Xml,
            chosen_names: false,
            numbered: false,
            form: matches!(format, Format::Form | Format::Multipart),
            shape,
            frames: SmallVec::new(),
            container: None,
            in_array: false,
            after: None,
            next: Some(root),
            next_name: None,
            next_coding: Coding::Plain,
            held: Vec::new(),
            work: &mut self.work,
        };
        walk(&mut walker);
        let whole = walker.shape.overflow() == overflow && self.work.fresh > 0;
        let classes = std::mem::take(&mut self.work.classes);
        self.work.classes = others;
        self.work.classes.insert_all(classes);
        if let (Some(mut recording), Some(key)) = (self.work.recording.take(), known)
            && whole
        {
            recording.classes = classes;
            if self.work.steps + recording.steps.len() > MAX_STEPS {
                self.work.bodies.clear();
                self.work.steps = 0;
            }
            self.work.steps += recording.steps.len();
            self.work.bodies.insert(key, Some(recording));
        }
    }
}

fn content_type(fields: &Fields) -> Option<&[u8]> {
    fields.get("content-type").map(|value| *value.expose())
}

/// A body, or a message of one, and how to read it.
#[derive(Clone, Copy)]
struct Encoded<'a> {
    content_type: Option<&'a [u8]>,
    body: &'a [u8],
    format: Format,
    /// What is known of its fields.
    typed: Option<Typed<'a>>,
    /// Whether it is one of the messages of a call.
    framed: bool,
}

impl<'a> Encoded<'a> {
    /// What is no message of a call.
    const fn plain(content_type: Option<&'a [u8]>, body: &'a [u8], format: Format) -> Self {
        Self { content_type, body, format, typed: None, framed: false }
    }
}

/// How a body is written; [`Format::Opaque`] when there is none.
fn format_of(fields: &Fields, body: &[u8]) -> Format {
    if body.is_empty() {
        return Format::Opaque;
    }
    payload::detect(content_type(fields), body)
}

/// Whether documents describe bodies of this format by a JSON schema.
const fn is_schematic(format: Format) -> bool {
    match format {
        Format::Json | Format::JsonLines | Format::Form | Format::Multipart => true,
        Format::Xml | Format::Csv | Format::Text | Format::Protobuf | Format::Opaque => false,
    }
}

/// Headers that say nothing of anybody.
fn is_dull(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "user-agent"
            | "accept"
            | "accept-encoding"
            | "accept-language"
            | "accept-charset"
            | "accept-ranges"
            | "content-type"
            | "content-length"
            | "content-encoding"
            | "content-language"
            | "transfer-encoding"
            | "connection"
            | "keep-alive"
            | "cache-control"
            | "pragma"
            | "expires"
            | "date"
            | "server"
            | "vary"
            | "etag"
            | "last-modified"
            | "if-none-match"
            | "if-modified-since"
            | "te"
            | "trailer"
            | "upgrade"
            | "upgrade-insecure-requests"
            | "origin"
            | "dnt"
            | "age"
            | "via"
            | "strict-transport-security"
            | "x-frame-options"
            | "x-content-type-options"
            | "x-xss-protection"
            | "content-security-policy"
            | "referrer-policy"
            | "permissions-policy"
            | "access-control-allow-origin"
            | "access-control-allow-methods"
            | "access-control-allow-headers"
            | "access-control-expose-headers"
            | "access-control-max-age"
            | "access-control-allow-credentials"
            | "x-powered-by"
            | "range"
            | "content-range"
            | "allow"
            | "digest"
    )
}

/// What the first segments of a path are called.
const PLACES_IN_PATH: [&str; 10] = ["[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]", "[8]", "[9]"];

/// Where a key stands, as a word that signatures can name as its ancestor.
const PLACES: [&str; 6] = ["", "path", "query", "header", "cookie", "form"];

type Keys = HashMap<(u8, Box<[u8]>), Arc<KeyVerdict>, foldhash::fast::RandomState>;

/// What a key says that no node of a shape keeps. When an exchange has named too many new ones, the rest
/// say nothing.
fn verdict_of(
    classifier: &Classifier,
    keys: &mut Keys,
    fresh: &mut usize,
    name: &[u8],
    place: u8,
) -> Arc<KeyVerdict> {
    let name = if name.len() > MAX_KEY { b"" } else { name };
    if let Some(known) = keys.raw_entry_find(place, name) {
        return known;
    }
    if *fresh == 0 {
        return Arc::default();
    }
    *fresh -= 1;
    let text = String::from_utf8_lossy(name);
    let verdict =
        Arc::new(classifier.key(&text, &[PLACES.get(usize::from(place)).copied().unwrap_or_default()]));
    if keys.len() < MAX_KEYS {
        keys.insert((place, name.into()), Arc::clone(&verdict));
    }
    verdict
}

/// Looking up without building a key.
trait FindRaw {
    fn raw_entry_find(&self, place: u8, name: &[u8]) -> Option<Arc<KeyVerdict>>;
}

impl FindRaw for Keys {
    fn raw_entry_find(&self, place: u8, name: &[u8]) -> Option<Arc<KeyVerdict>> {
        struct Borrowed<'a>(u8, &'a [u8]);
        impl std::hash::Hash for Borrowed<'_> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
                self.1.hash(state);
            }
        }
        impl hashbrown::Equivalent<(u8, Box<[u8]>)> for Borrowed<'_> {
            fn equivalent(&self, key: &(u8, Box<[u8]>)) -> bool {
                self.0 == key.0 && *self.1 == *key.1
            }
        }
        self.get(&Borrowed(place, name)).map(Arc::clone)
    }
}

/// A field name as it may be shown: as it is, unless it is itself a value.
fn shown(name: &str) -> &str {
    match name_class(name.as_bytes()) {
        Some(what) => what,
        None if name.len() > MAX_KEY => "{long}",
        None => name,
    }
}

/// What a property name is when it is itself a value: the key of a map.
#[must_use]
pub fn name_class(name: &[u8]) -> Option<&'static str> {
    use crate::classify::checks::Check;
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    if name.contains(&b'@') {
        return Check::Email.passes(name).then_some("{email}");
    }
    if digits < 4 {
        return (digits > 0 && digits == name.len()).then_some("{number}");
    }
    if digits == name.len() {
        return Some("{number}");
    }
    if name.len() == 36 && [8, 13, 18, 23].iter().all(|at| name.get(*at) == Some(&b'-')) {
        return Some("{uuid}");
    }
    if Check::Iban.passes(name) {
        return Some("{iban}");
    }
    let hex = name.iter().all(u8::is_ascii_hexdigit);
    if hex && name.len() >= 16 {
        return Some("{hex}");
    }
    if name.iter().all(|byte| byte.is_ascii_digit() || b"-/:.+ T".contains(byte)) {
        return Some("{number}");
    }
    // Long and mixed: an identifier, not a word. Words that are joined may have digits, but no number this long.
    let long_run = || name.split(|byte| !byte.is_ascii_digit()).any(|run| run.len() >= 9);
    (digits >= 6 && name.len() >= 12 && (!name.contains(&b'_') || long_run())).then_some("{id}")
}

/// One open container.
struct Frame<'a> {
    node: Option<NodeId>,
    array: bool,
    /// The property it is the value of; items of arrays have the array's.
    name: Option<Text<'a>>,
    /// What came before it in the container around it.
    after: Option<NodeId>,
    /// How many values of the walker's `held` belong to containers around it.
    held: usize,
    /// What a property says of its siblings, and how strongly.
    says: Option<(u8, Text<'a>)>,
}

/// A value that waits for what its siblings say.
struct Held<'a> {
    node: Option<NodeId>,
    name: Text<'a>,
    kind: JsonType,
    text: Text<'a>,
    said: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts of one walk")]
struct Walker<'w, 'a> {
    classifier: &'w Classifier,
    limits: &'w Limits,
    hash_key: HashKey,
    /// One in how many values is looked at where that is enough.
    one_in: u32,
    collect: bool,
    constants: bool,
    location: Location,
    status: u16,
    xml: bool,
    /// Whether the client chooses the names of properties, as GraphQL's aliases.
    chosen_names: bool,
    /// Whether fields have only numbers, as nothing describes the message.
    numbered: bool,
    form: bool,
    shape: &'w mut BodyShape,
    frames: SmallVec<[Frame<'a>; 12]>,
    /// The node of the innermost container, and whether that is an array: of the last frame, kept at hand.
    container: Option<NodeId>,
    in_array: bool,
    /// The property of it that came last.
    after: Option<NodeId>,
    /// Where the next value goes: of items it stays.
    next: Option<NodeId>,
    /// What a key has named last, and how it is written there: apart, since a text that is stored byte by byte and
    /// read as a whole is waited for.
    next_name: Option<&'a [u8]>,
    next_coding: Coding,
    held: Vec<Held<'a>>,
    work: &'w mut Work,
}

impl<'a> Walker<'_, 'a> {
    /// The node of the next value: what a key has named, or the items of the innermost array.
    #[inline]
    fn place(&mut self) -> Option<NodeId> {
        if !self.in_array {
            return self.next.take();
        }
        if self.next.is_none() {
            self.next = self.container.and_then(|node| self.shape.item(node, self.limits.shape_nodes));
        }
        self.next
    }

    /// The name of the value that [`Walker::place`] found a node for.
    #[inline]
    fn name(&self) -> Option<Text<'a>> {
        match self.frames.last() {
            Some(frame) if self.in_array => frame.name,
            Some(_) => self.next_name.map(|raw| Text::coded(raw, self.next_coding)),
            None => None,
        }
    }

    #[inline]
    fn step(&mut self, node: NodeId, what: u32) {
        if let Some(recording) = &mut self.work.recording {
            recording.step(node, what);
        }
    }

    fn enter(&mut self, array: bool) {
        let (node, name) = (self.place(), self.name());
        if let Some(node) = node {
            let kind = if array { JsonType::Array } else { JsonType::Object };
            self.shape.count(node, kind);
            self.step(node, kind as u32);
        }
        let after = self.after.take();
        self.frames.push(Frame { node, array, name, after, held: self.held.len(), says: None });
        (self.container, self.in_array) = (node, array);
        self.next = None;
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let frame_node = frame.node;
        self.after = frame.after;
        if self.held.len() > frame.held {
            let mut says = None;
            let chosen = frame.says.map(|(_, text)| text);
            if let Some((_, text)) = frame.says {
                let any_said = self.held.iter().skip(frame.held).any(|held| held.said);
                if any_said {
                    let mut buffer = std::mem::take(&mut self.work.name);
                    let verdict = verdict_of(
                        self.classifier,
                        &mut self.work.keys,
                        &mut self.work.fresh,
                        text.decode(&mut buffer),
                        0,
                    );
                    self.work.name = buffer;
                    if !verdict.candidates.is_empty() || verdict.other {
                        says = Some(verdict);
                    }
                }
            }
            let waiting: Vec<Held<'a>> = self.held.drain(frame.held..).collect();
            self.frames.push(frame);
            for held in waiting {
                match &says {
                    // What a pair calls its value stands for the value's key.
                    Some(verdict) if held.said => {
                        self.judge(held.node, held.name, held.kind, held.text, Some(verdict));
                    }
                    // The name of a pair is no value of its own.
                    Some(_) if chosen.is_some_and(|text| std::ptr::eq(text.raw(), held.text.raw())) => {}
                    Some(_) | None => self.judge(held.node, held.name, held.kind, held.text, None),
                }
            }
            self.frames.pop();
        }
        (self.container, self.in_array) =
            self.frames.last().map_or((None, false), |frame| (frame.node, frame.array));
        self.next = frame_node.filter(|_| self.in_array);
        self.next_name = None;
    }

    /// What the key of a node says, computed at first sight of the node.
    fn ensure_verdict(&mut self, node: NodeId, name: Text<'a>) -> Arc<KeyVerdict> {
        if let Some(known) = self.shape.evidence_mut(node).and_then(|evidence| evidence.verdict.clone()) {
            return known;
        }
        let mut buffer = Vec::new();
        let own = String::from_utf8_lossy(name.decode(&mut buffer)).into_owned();
        let mut above: Vec<String> = Vec::new();
        let mut last: Option<Text<'a>> = None;
        for frame in self.frames.iter().rev() {
            let Some(name) = frame.name else { continue };
            // An array and its items share one name.
            let same = |other: Text<'a>| std::ptr::eq(other.raw(), name.raw());
            if last.is_some_and(same) || (frame.array && same_text(self.frames.last(), name, &own)) {
                continue;
            }
            last = Some(name);
            let mut buffer = Vec::new();
            above.push(String::from_utf8_lossy(name.decode(&mut buffer)).into_owned());
            if above.len() == 4 {
                break;
            }
        }
        if self.form && above.is_empty() {
            above.push("form".to_owned());
        }
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        let own = if own.len() > MAX_KEY { "" } else { own.as_str() };
        let path = {
            use std::hash::BuildHasher;
            self.work.paths.hasher().hash_one((own, above.as_slice()))
        };
        let verdict = if let Some(known) = self.work.paths.get(&path) {
            Arc::clone(known)
        } else {
            if self.work.fresh == 0 {
                return Arc::default();
            }
            self.work.fresh -= 1;
            let verdict = Arc::new(self.classifier.key(own, &above));
            if self.work.paths.len() >= MAX_KEYS {
                self.work.paths.clear();
            }
            self.work.paths.insert(path, Arc::clone(&verdict));
            verdict
        };
        if let Some(evidence) = self.shape.evidence_mut(node) {
            evidence.verdict = Some(Arc::clone(&verdict));
            if self.constants && constants::may_have(own, &verdict) {
                evidence.gather_constants();
            }
        }
        verdict
    }

    /// The node of a property that is not where it was, or is written otherwise than it is called.
    fn other_key(&mut self, parent: NodeId, name: Text<'a>) -> Option<NodeId> {
        let max = self.limits.shape_nodes;
        let place = (parent, self.after);
        let mut buffer = std::mem::take(&mut self.work.name);
        let node = if self.xml {
            buffer.clear();
            buffer.extend_from_slice(if name.is_attribute() { b"/@" } else { b"/" });
            buffer.extend_from_slice(name.raw());
            self.shape.property_bytes(place, &buffer, max, name_class_after_slash)
        } else {
            let bytes = name.decode(&mut buffer);
            let classifier = self.classifier;
            if self.chosen_names {
                self.shape.property_bytes(place, bytes, max, |name| chosen_name_class(name, classifier))
            } else if name.is_number_of_field() {
                // The number of a field is a name, not a value.
                self.shape.property_bytes(place, bytes, max, |_| None)
            } else {
                self.shape.property_bytes(place, bytes, max, name_class)
            }
        };
        self.work.name = buffer;
        node
    }

    /// A value that holds no other. Its text comes in two, which fits registers.
    fn leaf(&mut self, kind: JsonType, raw: &'a [u8], coding: Coding) {
        let Some(node) = self.place() else { return };
        self.step(node, kind as u32);
        let Some(evidence) = self.shape.count(node, kind) else { return };
        match (&evidence.verdict, raw.first()) {
            // By far the most values: of a known field that neither names nor is named, holding no document.
            (Some(verdict), Some(first))
                if verdict.role == Role::Plain
                    && !matches!(kind, JsonType::Null | JsonType::Boolean)
                    && !matches!(first, b'{' | b'[' | b'h' | b'/') =>
            {
                self.plain(node, kind, raw, coding);
            }
            _ => self.special(node, kind, raw, coding),
        }
    }

    /// Looks at a value of a known field by itself.
    #[inline]
    fn plain(&mut self, node: NodeId, kind: JsonType, raw: &'a [u8], coding: Coding) {
        if self.constants && kind == JsonType::String {
            self.constant(node, raw, coding);
        }
        self.step(node, VALUE);
        let Some(evidence) = self.shape.evidence_mut(node) else { return };
        let Some(verdict) = &evidence.verdict else { return };
        let (every, hash_key) = (self.one_in == 1, self.hash_key);
        let learnt = evidence.has_learnt(kind);
        // Whatever it is, it is one more of them.
        if every && learnt && tells_nothing(verdict, kind, raw.len()) {
            evidence.seen();
            return;
        }
        let value =
            if coding == Coding::Plain { raw } else { Text::coded(raw, coding).decode(&mut self.work.value) };
        if every {
            evidence.seen();
        } else {
            evidence.take_format(kind, value, hash_key);
            let (spread, hash) = (|| hash_key.spread(value), || hash_key.hash(value));
            if !evidence.looks_at(self.one_in, false, spread, hash) {
                for class in evidence.known_classes() {
                    self.work.classes.insert(class);
                }
                return;
            }
        }
        let again = evidence.asks_again(|| hash_key.spread(value));
        if let Some(outcome) = evidence.recall(kind, again) {
            if let Some((hit, hash)) = outcome {
                self.count(node, hit, hash);
            }
            return;
        }
        // What is remembered was taken in before.
        let mut format = None;
        if every && !learnt {
            evidence.take_choice(value, hash_key);
            format = evidence.take_format(kind, value, hash_key);
        }
        let Some(verdict) = &evidence.verdict else { return };
        if verdict.candidates.is_empty() && format.is_some_and(ValueFormat::is_no_class) {
            evidence.remember(kind, again, &[], 0);
            return;
        }
        self.work.hits.clear();
        self.classifier.classify(verdict, kind, value, &mut self.work.hits);
        let hash = if self.work.hits.is_empty() { 0 } else { hash_key.hash(value) };
        evidence.remember(kind, again, &self.work.hits, hash);
        let mut at = 0;
        while let Some(hit) = self.work.hits.get(at).copied() {
            self.count(node, hit, hash);
            at += 1;
        }
        if !every && let Some(evidence) = self.shape.evidence_mut(node) {
            evidence.settle();
        }
    }

    /// Looks at a value that is the first of its field, empty or none, that may hold a document, or that has to do with its
    /// siblings.
    fn special(&mut self, node: NodeId, kind: JsonType, raw: &'a [u8], coding: Coding) {
        let value = Text::coded(raw, coding).decode(&mut self.work.value);
        let Some(evidence) = self.shape.evidence_mut(node) else { return };
        evidence.take_format(kind, value, self.hash_key);
        if matches!(kind, JsonType::Null | JsonType::Boolean) || raw.is_empty() {
            return;
        }
        if self.constants && kind == JsonType::String {
            self.constant(node, raw, coding);
        }
        let (name, text) = (self.name().unwrap_or(EMPTY), Text::coded(raw, coding));
        let known = self.shape.evidence_mut(node).and_then(|evidence| evidence.verdict.as_ref());
        let role = match known {
            Some(verdict) => verdict.role,
            None => self.ensure_verdict(node, name).role,
        };
        if role == Role::Plain || self.in_array || self.frames.is_empty() {
            self.judge(Some(node), name, kind, text, None);
            return;
        }
        if let (Role::Says(rank), JsonType::String, Some(frame)) = (role, kind, self.frames.last_mut())
            && frame.says.is_none_or(|(known, _)| known < rank)
            && raw.len() <= MAX_KEY
        {
            frame.says = Some((rank, text));
        }
        self.held.push(Held { node: Some(node), name, kind, text, said: role == Role::Said });
    }

    /// Counts what a value of the field that is being looked at came to.
    #[inline]
    fn count(&mut self, node: NodeId, hit: Hit, hash: u64) {
        let Some(evidence) = self.shape.evidence_mut(node) else { return };
        evidence.count(hit, hash, self.work.now);
        if let Some(recording) = &mut self.work.recording {
            recording.hits.push((node, hit, hash));
        }
        if hit.fate == Fate::Valid {
            self.found(hit.class, self.name());
        }
    }

    /// Takes in a word that may be a constant of a program.
    fn constant(&mut self, node: NodeId, raw: &'a [u8], coding: Coding) {
        let name = self.name().unwrap_or(EMPTY);
        // Whether it may have constants is worked out with what its key says.
        self.ensure_verdict(node, name);
        if let Some(constants) = self.shape.evidence_mut(node).and_then(FieldEvidence::constants_mut) {
            constants.take(Text::coded(raw, coding).decode(&mut self.work.value));
        }
    }

    /// Classifies one value and counts what comes of it at `node`.
    fn judge(
        &mut self,
        node: Option<NodeId>,
        name: Text<'a>,
        kind: JsonType,
        text: Text<'a>,
        instead: Option<&Arc<KeyVerdict>>,
    ) {
        let Some(node) = node else { return };
        if matches!(kind, JsonType::Null | JsonType::Boolean) || text.raw().is_empty() {
            return;
        }
        let has = self.shape.evidence_mut(node).is_some_and(|evidence| evidence.verdict.is_some());
        if !has {
            self.ensure_verdict(node, name);
        }
        let mut buffer = std::mem::take(&mut self.work.value);
        let value = text.decode(&mut buffer);
        let (one_in, hash_key) = (self.one_in, self.hash_key);
        // What a pair is called may be said once in thousands: its value is always looked at.
        if let Some(evidence) = self.shape.evidence_mut(node)
            && !evidence.looks_at(
                one_in,
                instead.is_some(),
                || hash_key.spread(value),
                || hash_key.hash(value),
            )
        {
            self.work.skipped(evidence);
            self.work.value = buffer;
            return;
        }
        if kind == JsonType::String && value.len() > 8 && !self.xml && self.embedded(node, name, value) {
            if let Some(evidence) = self.shape.evidence_mut(node).filter(|_| one_in == 1) {
                evidence.take_choice(value, hash_key);
            }
            self.work.value = buffer;
            return;
        }
        let mut hits = std::mem::take(&mut self.work.hits);
        hits.clear();
        self.step(node, VALUE);
        if let Some(evidence) = self.shape.evidence_mut(node) {
            // What is said of a value is not always the same.
            let again = if instead.is_none() { evidence.asks_again(|| hash_key.spread(value)) } else { None };
            let hash = if let Some(outcome) = evidence.recall(kind, again) {
                hits.extend(outcome.map(|(hit, _)| hit));
                outcome.map_or(0, |(_, hash)| hash)
            } else {
                if one_in == 1 {
                    evidence.take_choice(value, hash_key);
                }
                if let Some(verdict) = instead.or(evidence.verdict.as_ref()) {
                    self.classifier.classify(verdict, kind, value, &mut hits);
                }
                let hash = if hits.is_empty() { 0 } else { hash_key.hash(value) };
                evidence.remember(kind, again, &hits, hash);
                hash
            };
            for hit in &hits {
                // What running text and pairs hold beside it does not speak against a value.
                let loose = instead.is_some() && hit.strength == 0;
                let hit = Hit { embedded: hit.embedded || loose, ..*hit };
                evidence.count(hit, hash, self.work.now);
                if let Some(recording) = &mut self.work.recording {
                    recording.hits.push((node, hit, hash));
                }
            }
            evidence.settle();
        }
        for hit in hits.iter().filter(|hit| hit.fate == Fate::Valid) {
            self.found(hit.class, Some(name));
        }
        self.work.hits = hits;
        self.work.value = buffer;
    }

    fn found(&mut self, class: ClassId, name: Option<Text<'a>>) {
        self.work.classes.insert(class);
        if self.collect {
            let path = self.path(name);
            self.work.tags.push(Tag {
                location: self.location,
                path,
                status: self.status,
                class,
                numbered: self.numbered,
            });
        }
    }

    /// A document inside a string, or the parameters of a link: its leaves count for the string. Returns
    /// whether there was one.
    fn embedded(&mut self, node: NodeId, name: Text<'a>, value: &[u8]) -> bool {
        let first = value.trim_ascii_start().first().copied();
        let is_json = matches!(first, Some(b'{')) || (first == Some(b'[') && value.contains(&b'"'));
        let is_url = !is_json
            && matches!(first, Some(b'h' | b'/'))
            && (value.starts_with(b"http") || value.starts_with(b"/"))
            && value.contains(&b'?');
        if !is_json && !is_url {
            return false;
        }
        self.step(node, VALUE);
        let mut inner = Inner {
            classifier: self.classifier,
            keys: std::mem::take(&mut self.work.keys),
            fresh: self.work.fresh,
            key: None,
            names: Vec::new(),
            found: Vec::new(),
            hash_key: self.hash_key,
            buffer: Vec::new(),
            scratch: std::mem::take(&mut self.work.inner),
        };
        if is_json {
            payload::json::walk(value, self.limits.body_depth.min(16), &mut inner);
        } else {
            let start = value.iter().position(|byte| *byte == b'?').unwrap_or(value.len());
            for (name, value) in form::pairs(value.get(start + 1..).unwrap_or_default()).take(32) {
                inner.key(name);
                inner.scalar(JsonType::String, value);
            }
        }
        self.work.keys = inner.keys;
        self.work.fresh = inner.fresh;
        self.work.inner = inner.scratch;
        for (hit, hash) in inner.found {
            if let Some(evidence) = self.shape.evidence_mut(node) {
                let hit = Hit { embedded: hit.embedded || hit.strength == 0, ..hit };
                evidence.count(hit, hash, self.work.now);
                if let Some(recording) = &mut self.work.recording {
                    recording.hits.push((node, hit, hash));
                }
            }
            if hit.fate == Fate::Valid {
                self.found(hit.class, Some(name));
            }
        }
        if let Some(evidence) = self.shape.evidence_mut(node) {
            evidence.settle();
        }
        true
    }

    /// The path of a value called `name` in the innermost container.
    fn path(&self, name: Option<Text<'a>>) -> String {
        let mut path = if self.xml { String::new() } else { String::from("$") };
        let mut buffer = Vec::new();
        let mut push = |path: &mut String, name: Text<'a>| {
            if self.xml {
                path.push('/');
                if name.is_attribute() {
                    path.push('@');
                }
            } else {
                path.push('.');
            }
            let text = String::from_utf8_lossy(name.decode(&mut buffer)).into_owned();
            path.push_str(if name.is_number_of_field() { &text } else { shown(&text) });
        };
        for (at, frame) in self.frames.iter().enumerate() {
            let inside_array =
                at.checked_sub(1).and_then(|at| self.frames.get(at)).is_some_and(|around| around.array);
            match frame.name {
                Some(name) if !inside_array => push(&mut path, name),
                _ => {}
            }
            if frame.array {
                path.push_str("[*]");
            }
        }
        if let Some(name) = name.filter(|_| self.frames.last().is_some_and(|frame| !frame.array)) {
            push(&mut path, name);
        }
        path
    }
}

/// Whether the innermost array is what `own` names.
fn same_text(innermost: Option<&Frame<'_>>, name: Text<'_>, own: &str) -> bool {
    innermost.is_some_and(|frame| {
        frame.array && frame.name.is_some_and(|known| std::ptr::eq(known.raw(), name.raw()))
    }) && name.raw() == own.as_bytes()
}

const EMPTY: Text<'static> = Text::plain(b"");

impl<'a> Visitor<'a> for Walker<'_, 'a> {
    fn enter_object(&mut self) {
        self.enter(false);
    }

    fn leave_object(&mut self) {
        self.leave();
    }

    fn enter_array(&mut self) {
        self.enter(true);
    }

    fn leave_array(&mut self) {
        self.leave();
    }

    // Inlined with what nearly every key needs: what is handed over in memory is waited for.
    #[inline]
    fn key(&mut self, name: Text<'a>) {
        (self.next_name, self.next_coding) = (Some(name.raw()), name.coding());
        self.next = match self.container {
            Some(parent) if name.is_plain() && !self.xml => {
                let known = self.shape.guess(parent, self.after, name.raw());
                if known.is_some() { known } else { self.other_key(parent, name) }
            }
            Some(parent) => self.other_key(parent, name),
            None => None,
        };
        if self.next.is_some() {
            self.after = self.next;
        }
    }

    #[inline]
    fn expected(&mut self, rest: &'a [u8]) -> usize {
        let Some(parent) = self.container else { return 0 };
        let Some((node, len)) = self.shape.expected(parent, self.after, rest) else { return 0 };
        (self.next_name, self.next_coding) = (rest.get(1..len - 1), Coding::Plain);
        (self.next, self.after) = (Some(node), Some(node));
        len
    }

    #[inline]
    fn scalar(&mut self, kind: JsonType, text: Text<'a>) {
        self.leaf(kind, text.raw(), text.coding());
    }

    fn labelled(&mut self, label: Option<&'a [u8]>, text: Text<'a>) {
        let verdict = verdict_of(
            self.classifier,
            &mut self.work.keys,
            &mut self.work.fresh,
            label.unwrap_or_default(),
            0,
        );
        if self.next.take().is_some() {
            self.shape.count(NodeId::ROOT, JsonType::String);
            self.step(NodeId::ROOT, JsonType::String as u32);
        }
        self.judge(Some(NodeId::ROOT), EMPTY, JsonType::String, text, Some(&verdict));
    }
}

/// The same of a name that the client chooses.
fn chosen_name_class(name: &[u8], classifier: &Classifier) -> Option<&'static str> {
    name_class(name)
        .or_else(|| privacy::shown_operation(name, classifier).is_none().then_some(privacy::MASKED))
}

fn name_class_after_slash(name: &[u8]) -> Option<&'static str> {
    name.strip_prefix(b"/").and_then(name_class)
}

/// The visitor of a document inside a string: it has no shape, only hits.
struct Inner<'w> {
    classifier: &'w Classifier,
    keys: Keys,
    fresh: usize,
    key: Option<Arc<KeyVerdict>>,
    names: Vec<Option<Arc<KeyVerdict>>>,
    found: Vec<(Hit, u64)>,
    hash_key: HashKey,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

/// Hits that one embedded document may have.
const MAX_INNER: usize = 4_096;

impl<'a> Visitor<'a> for Inner<'_> {
    fn enter_object(&mut self) {
        self.names.push(self.key.take());
    }

    fn leave_object(&mut self) {
        self.names.pop();
    }

    fn enter_array(&mut self) {
        let key = self.key.clone();
        self.names.push(key);
    }

    fn leave_array(&mut self) {
        self.names.pop();
        self.key = None;
    }

    fn key(&mut self, name: Text<'a>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.key =
            Some(verdict_of(self.classifier, &mut self.keys, &mut self.fresh, name.decode(&mut buffer), 0));
        self.buffer = buffer;
    }

    fn scalar(&mut self, kind: JsonType, text: Text<'a>) {
        let Some(key) = self.key.clone() else { return };
        if self.found.len() >= MAX_INNER || text.raw().is_empty() {
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let value = text.decode(&mut scratch);
        let mut hits = Vec::new();
        self.classifier.classify(&key, kind, value, &mut hits);
        let hash = self.hash_key.hash(value);
        self.found.extend(hits.into_iter().map(|hit| (hit, hash)));
        self.scratch = scratch;
    }

    fn labelled(&mut self, _label: Option<&'a [u8]>, _text: Text<'a>) {}
}

fn itoa(mut number: usize, buffer: &mut [u8; 20]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        if let Some(slot) = buffer.get_mut(at) {
            *slot = b'0' + u8::try_from(number % 10).unwrap_or_default();
        }
        number /= 10;
        if number == 0 || at == 0 {
            break;
        }
    }
    buffer.get(at..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
}

/// A data class in a field of an endpoint, for the inventory and the lake.
#[derive(Clone, Debug, PartialEq)]
pub struct DataField {
    /// Where.
    pub location: Location,
    /// The field's path there.
    pub path: String,
    /// Whether the fields of its message have only numbers, as nothing describes it.
    pub numbered: bool,
    /// The status of the response whose body it is; 0 elsewhere.
    pub status: u16,
    /// The class's number.
    pub id: ClassId,
    /// The class's name.
    pub class: &'static str,
    /// How sensitive: 4 most, 1 least.
    pub tier: u8,
    /// Values seen in the field.
    pub present: u64,
    /// Values that passed.
    pub valid: u64,
    /// Values that were masked.
    pub masked: u64,
    /// Distinct values that passed, estimated.
    pub distinct: u64,
    /// One in how many values was looked at and counted: 1 when all were.
    pub sampled_one_in: u64,
    /// When a value passed first and last, if any did.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// Probability that the field is of the class, 0 to 1.
    pub confidence: f32,
    /// What that comes to.
    pub state: State,
    /// When that changed last, as far as is remembered.
    pub change: Option<Change>,
    /// Why, in words, without a value.
    pub reason: String,
}

/// Every class that any field of an endpoint was a candidate for with at least one value that passed or was
/// masked, sorted by location, path, status and class.
#[must_use]
pub fn data_fields(classifier: &Classifier, facts: &EndpointFacts) -> Vec<DataField> {
    let mut all = Vec::new();
    let mut add = |location, (path, numbered): (&str, bool), status, evidence: &FieldEvidence| {
        for known in evidence.classes().filter(|known| known.valid + known.masked > 0) {
            let judgement = crate::classify::evidence::judge(known, evidence.values());
            let one_in = evidence.sampled_one_in();
            let mut reason = classifier.reason(known, evidence.values(), path);
            if one_in > 1 {
                use std::fmt::Write;
                let _infallible = write!(reason, "; one in {one_in} values checked");
            }
            all.push(DataField {
                location,
                path: path.to_owned(),
                numbered,
                status,
                id: known.class,
                class: classifier.name(known.class),
                tier: classifier.class(known.class).map_or(1, |class| class.tier),
                present: evidence.values(),
                valid: known.valid,
                masked: known.masked,
                distinct: judgement.distinct,
                sampled_one_in: u64::from(one_in),
                seen: (known.valid > 0).then_some((known.first_seen, known.last_seen)),
                confidence: judgement.confidence,
                state: judgement.state,
                change: None,
                reason,
            });
        }
    };
    for (location, name, evidence) in facts.fields.sorted() {
        add(location, (name, false), 0, evidence);
    }
    let requests = [(&facts.request_shape, false), (&facts.request_other, true)]
        .map(|(shape, other)| (Location::RequestBody, 0, shape, other));
    let responses = [(&facts.response_shapes, false), (&facts.response_other, true)];
    let responses = responses.into_iter().flat_map(|(shapes, other)| {
        shapes.iter().map(move |(status, shape)| (Location::ResponseBody, *status, &**shape, other))
    });
    for (location, status, shape, other) in requests.into_iter().chain(responses) {
        shape.walk(&mut |path, node| {
            if let Some(evidence) = node.evidence() {
                let numbered = other && has_only_numbers(path);
                add(location, (&display_path(path), numbered), status, evidence);
            }
        });
    }
    let sides = facts.dialogue.iter().flat_map(|dialogue| {
        [(Location::ClientMessage, &dialogue.to_server), (Location::ServerMessage, &dialogue.to_client)]
    });
    for (location, side) in sides {
        for (name, kind) in side.kinds() {
            for (shape, other) in [(&kind.shape, false), (&kind.other, true)] {
                shape.walk(&mut |path, node| {
                    if let Some(evidence) = node.evidence() {
                        let numbered = other && has_only_numbers(path);
                        add(location, (&message_path(&name, &display_path(path)), numbered), 0, evidence);
                    }
                });
            }
        }
    }
    all.sort_by(|a, b| {
        (a.location, &a.path, a.status, a.class).cmp(&(b.location, &b.path, b.status, b.class))
    });
    all
}

/// The path of a field in messages of a kind: `type=price $.iban`.
fn message_path(kind: &str, path: &str) -> String {
    if kind.is_empty() { path.to_owned() } else { format!("{kind} {path}") }
}

/// Whether a field of what has no JSON schema stands in a message of protobuf: all others begin otherwise.
fn has_only_numbers(path: &str) -> bool {
    path.strip_prefix("$.").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The path that tags tell: that of the message where fields have only numbers, which name nothing.
#[must_use]
pub fn told_path(path: &str, numbered: bool) -> &str {
    match path.rfind("$.").filter(|_| numbered) {
        Some(at) => path.get(..=at).unwrap_or(path),
        None => path,
    }
}

/// The path of a node as it is shown: XML's without `$.` and dots.
#[must_use]
pub fn display_path(path: &str) -> String {
    match path.strip_prefix("$./") {
        Some(xml) => format!("/{}", xml.replace("./", "/")),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Merge;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn inspector() -> Inspector {
        let mut inspector =
            Inspector::new(Classifier::built_in(), Limits::default(), &FingerprintKey::new([3; 32]));
        inspector.collect_tags(true);
        inspector
    }

    fn exchange(target: &str, headers: &[(&str, &str)], content_type: &str, body: &str) -> Transaction {
        let mut transaction = Transaction::default();
        transaction.request.method.extend_from_slice(b"POST");
        transaction.request.target.expose_mut().extend_from_slice(target.as_bytes());
        for (name, value) in headers {
            transaction.request.fields.push(name.as_bytes(), value.as_bytes());
        }
        transaction.response.status = 200;
        transaction.response.fields.push(b"Content-Type", content_type.as_bytes());
        transaction.response.body.bytes.expose_mut().extend_from_slice(body.as_bytes());
        transaction
    }

    fn tags(transaction: &Transaction) -> Vec<String> {
        let mut inspector = inspector();
        let mut facts = EndpointFacts::default();
        let classifier = Classifier::built_in();
        let inspection = inspector.inspect(transaction, &mut facts);
        inspection
            .tags
            .iter()
            .map(|tag| format!("{} {} {}", tag.location.name(), tag.path, classifier.name(tag.class)))
            .collect()
    }

    /// What is said of the fields of many responses, by as many inspectors as `shards`, and how many values counted.
    fn sampled(shards: usize, one_in: usize) -> Vec<DataField> {
        let limits = Limits { sample_values: one_in, ..Limits::default() };
        let mut inspectors: Vec<(Inspector, EndpointFacts)> = (0..shards)
            .map(|_| {
                let key = FingerprintKey::new([3; 32]);
                let inspector = Inspector::new(Classifier::built_in(), limits.clone(), &key);
                (inspector, EndpointFacts::default())
            })
            .collect();
        for number in 0..600_usize {
            let body = format!(
                r#"{{"email":"user{number}@bank.example","note":"mail to a{number}@bank.example","list":["x{number}@bank.example"],
                "raw":"{{\"email\":\"r{number}@bank.example\"}}","few":"f{}@bank.example",
                "attributes":[{{"name":"email","value":"v{number}@bank.example"}}]}}"#,
                number % 7
            );
            let target = format!("/a/u{number}@bank.example?email=q{number}@bank.example");
            let transaction = exchange(&target, &[("X-Mail", "h@bank.example")], "application/json", &body);
            // Uneven shares: one shard is done with its sample long before the other.
            let shard = (number % 10).min(shards - 1);
            let (inspector, facts) = &mut inspectors[shard];
            let classes: Vec<_> = inspector.inspect(&transaction, facts).classes.iter().collect();
            assert!(!classes.is_empty());
        }
        let mut merged = EndpointFacts::default();
        for (_, facts) in inspectors {
            merged.absorb(facts);
        }
        data_fields(&Classifier::built_in(), &merged)
    }

    #[test]
    fn samples_do_not_tell_how_many_inspectors_took_them() {
        let (whole, one) = (sampled(1, 1), sampled(1, 4));
        assert_eq!(sampled(2, 4), one);
        assert_eq!(sampled(3, 4), one);
        let said = |fields: &[DataField]| -> Vec<_> {
            fields.iter().map(|field| (field.path.clone(), field.class, field.state)).collect()
        };
        assert_eq!(said(&one), said(&whole));
        let field = |path: &str| one.iter().find(|field| field.path == path).unwrap();
        let email = field("$.email");
        assert_eq!((email.sampled_one_in, email.present), (4, email.valid));
        assert!((100..200).contains(&email.present), "{}", email.present);
        assert!(email.reason.ends_with("; one in 4 values checked"), "{}", email.reason);
        // Few distinct values are no sample, and values that others name are all looked at.
        assert_eq!((field("$.few").sampled_one_in, field("$.few").present), (1, 600));
        assert_eq!(field("$.attributes[*].value").valid, 600);
        assert!(whole.iter().all(|field| field.sampled_one_in == 1 && field.present == 600));
    }

    #[test]
    fn every_part_of_an_exchange_is_inspected() {
        let body = r#"{"data":[{"iban":"DE89370400440532013000"}],"raw":"{\"cvv\":\"123\"}",
            "params":[{"name":"otp","value":"482913"}],"emails":["a@bank.example"],
            "acct":{"Identification":"GB82WEST12345698765432","SchemeName":"UK.OBIE.IBAN","Name":"Jane Roe"}}"#;
        let headers = [
            ("Authorization", "Bearer 9ccb0c3b37524443b6c78290e23ffbbc"),
            ("Cookie", "theme=dark; PHPSESSID=8rdt6thdhywl1ii98dcuvtiinl"),
            ("X-Forwarded-For", "192.0.2.7"),
        ];
        let transaction = exchange(
            "/users/jane.roe%40bank.example?client_ip=192.0.2.9",
            &headers,
            "application/json",
            body,
        );
        assert_eq!(
            tags(&transaction),
            [
                "request.path [1] contact.email",
                "request.query client_ip net.ip",
                "request.header authorization sec.bearer",
                "request.header cookie[PHPSESSID] sec.session_cookie",
                "request.header x-forwarded-for net.ip",
                "response.body $.acct.Identification fin.iban",
                "response.body $.acct.Name person.name",
                "response.body $.data[*].iban fin.iban",
                "response.body $.emails[*] contact.email",
                "response.body $.params[*].value sec.otp",
                "response.body $.raw fin.cvv",
            ]
        );
    }

    #[test]
    fn other_formats_have_their_own_paths() {
        for (content_type, body, expected) in [
            ("text/csv", "id,iban\n1,DE89370400440532013000\n", "$[*].iban fin.iban"),
            ("application/x-www-form-urlencoded", "iban=DE89+3704+0044+0532+0130+00", "$.iban fin.iban"),
            (
                "application/xml",
                "<Doc><Acct Ccy=\"EUR\"><IBAN>DE89370400440532013000</IBAN></Acct></Doc>",
                "/Doc/Acct/IBAN fin.iban",
            ),
            ("application/x-ndjson", "{\"iban\":\"DE89370400440532013000\"}\n", "$[*].iban fin.iban"),
            ("text/plain", "card number: 4539578763621486", "$ fin.pan"),
        ] {
            let found = tags(&exchange("/x", &[], content_type, body));
            assert_eq!(found, [format!("response.body {expected}")], "{content_type}");
        }
    }

    #[test]
    fn data_is_found_however_its_document_is_built() {
        for (body, expected) in [
            // JSON:API.
            (
                r#"{"data":[{"type":"customers","id":"7","attributes":{"firstName":"Jane","iban":"DE89370400440532013000"}}]}"#,
                &["$.data[*].attributes.firstName person.name", "$.data[*].attributes.iban fin.iban"][..],
            ),
            // HAL.
            (
                r#"{"_links":{"self":{"href":"/a?email=jane%40bank.example"}},"_embedded":{"owners":[{"dateOfBirth":"1990-06-09"}]}}"#,
                &["$._embedded.owners[*].dateOfBirth person.dob", "$._links.self.href contact.email"],
            ),
            // GraphQL.
            (
                r#"{"data":{"viewer":{"node":{"edges":[{"node":{"phoneNumber":"+44 7400 833924"}}]}}}}"#,
                &["$.data.viewer.node.edges[*].node.phoneNumber contact.phone"],
            ),
            // Names and values, in a list and in pairs of scheme and identification.
            (
                r#"{"attributes":[{"name":"geburtsdatum","value":"09.06.1990"},{"key":"cvv","val":"994"}],"acct":{"SchemeName":"UK.OBIE.SortCodeAccountNumber","Identification":"11280001234567"}}"#,
                &[
                    "$.acct.Identification fin.account_number",
                    "$.attributes[*].val fin.cvv",
                    "$.attributes[*].value person.dob",
                ],
            ),
            // A document in a string, and text.
            (
                r#"{"payload":"{\"user\":{\"password\":\"Dragon738#\"}}","log":"login of jane.roe@bank.example from 192.0.2.7"}"#,
                &["$.log contact.email", "$.payload sec.password"],
            ),
        ] {
            let expected: Vec<String> = expected.iter().map(|tag| format!("response.body {tag}")).collect();
            assert_eq!(tags(&exchange("/x", &[], "application/json", body)), expected, "{body}");
        }
        let log = "2026-01-02 10:00:01 INFO login user=jane.roe@bank.example\n2026-01-02 10:00:02 INFO paid card=4539578763621486\n";
        let found = tags(&exchange("/logs", &[], "text/plain", log));
        assert_eq!(found, ["response.body $ contact.email", "response.body $ fin.pan"]);
    }

    #[test]
    fn masked_values_are_counted_and_not_reported() {
        let mut inspector = inspector();
        let mut facts = EndpointFacts::default();
        let body = r#"{"iban":"NL61 **** **** 0377","cardNumber":"****1234","email":"[REDACTED]","password":"********"}"#;
        for _ in 0..5 {
            let inspection = inspector.inspect(&exchange("/x", &[], "application/json", body), &mut facts);
            assert!(inspection.tags.is_empty() && inspection.classes.is_empty());
        }
        for field in data_fields(&Classifier::built_in(), &facts) {
            assert_eq!((field.state, field.masked, field.valid), (State::Cleared, 5, 0), "{}", field.path);
        }
    }

    #[test]
    fn a_map_keyed_by_values_becomes_one_field() {
        let mut facts = EndpointFacts::default();
        let body = r#"{"balances":{"DE89370400440532013000":1,"GB82WEST12345698765432":2,"jane@bank.example":3,"12345678":4}}"#;
        inspector().inspect(&exchange("/x", &[], "application/json", body), &mut facts);
        let mut paths = Vec::new();
        facts.response_shapes.get(&200).unwrap().walk(&mut |path, _| paths.push(path.to_owned()));
        assert_eq!(
            paths,
            ["$", "$.balances", "$.balances.{email}", "$.balances.{iban}", "$.balances.{number}"]
        );
    }

    #[test]
    fn no_value_is_kept() {
        let planted = [
            "4539578763621486",
            "DE89370400440532013000",
            "jane.roe@bank.example",
            "Zebulon",
            "s3cr3tPassw0rdX",
            "192.0.2.77",
        ];
        let body = format!(
            r#"{{"pan":"{0}","iban":"{1}","mail":"{2}","firstName":"{3}","password":"{4}","ip":"{5}","{1}":{{"x":1}},"{2}":2,"note":"call {3} at {2}"}}"#,
            planted[0], planted[1], planted[2], planted[3], planted[4], planted[5]
        );
        let target = format!("/u/{}/{}?ip={}&iban={}", planted[0], planted[2], planted[5], planted[1]);
        let cookie = format!("session={}", planted[4]);
        let transaction =
            exchange(&target, &[("Cookie", &cookie), ("X-Mail", planted[2])], "application/json", &body);
        let mut inspector = inspector();
        let mut facts = EndpointFacts::default();
        inspector.inspect(&transaction, &mut facts);
        let fields = data_fields(&Classifier::built_in(), &facts);
        assert!(fields.len() >= 6);
        let written = format!("{facts:?}{fields:?}{transaction:?}");
        for value in planted {
            assert!(!written.contains(value), "{value} is kept");
        }
    }

    fn counted(facts: &EndpointFacts) -> String {
        let mut all = format!("{:?}", data_fields(&Classifier::built_in(), facts));
        for (status, shape) in &facts.response_shapes {
            shape.walk(&mut |path, node| {
                let line = format!(
                    "{status} {path} {:?} {:?}\n",
                    node.types(),
                    node.evidence().map(FieldEvidence::values)
                );
                all.push_str(&line);
            });
        }
        all
    }

    #[test]
    fn a_body_that_comes_again_counts_as_if_it_was_read_again() {
        let long = |n: u32| {
            format!(
                r#"{{"iban":"DE89370400440532013000","list":[{{"mail":"a{n}@mail.example","pan":"4539578763621486"}},null],"note":"call +49 30 1234567{n} now, please","inner":"{{\"email\":\"b{n}@mail.example\"}}","rows":[{{"name":"type","value":"x"}},{{"name":"iban","value":"GB29NWBK60161331926819"}}]}}"#
            )
        };
        let bodies = [long(1), long(2), long(1), long(1), long(2), long(1), long(3), long(2)];
        let (mut one, mut apart) = (EndpointFacts::default(), EndpointFacts::default());
        let mut inspector_of_all = inspector();
        inspector_of_all.collect_tags(false);
        for body in &bodies {
            let again = exchange("/a", &[], "application/json", body);
            let classes = inspector_of_all.inspect(&again, &mut one).classes;
            let mut facts = EndpointFacts::default();
            let fresh = inspector().inspect(&again, &mut facts).classes;
            assert_eq!(classes.iter().collect::<Vec<_>>(), fresh.iter().collect::<Vec<_>>());
            apart.absorb(facts);
        }
        assert!(inspector_of_all.work.bodies.values().flatten().count() == 2, "two bodies came a third time");
        assert_eq!(counted(&one), counted(&apart));
    }

    #[test]
    fn formats_are_those_of_every_value_however_it_is_written() {
        let mut inspector = inspector();
        let mut facts = EndpointFacts::default();
        for n in 0..9 {
            let late = if n == 8 { "soon" } else { "2026-01-02" };
            let (maybe, empty) = if n % 2 == 0 { ("null", "") } else { ("\"::1\"", "2026-01-02") };
            let body = format!(
                r#"{{"at":"2026-01-0{d}T10:00:00Z","link":"https:\/\/bank.example\/{n}","n":{n},"late":"{late}",
                "maybe":{maybe},"empty":"{empty}","same":"2026-01-02","list":["2026-01-0{d}","2026-02-0{d}"],"word":"x{n}",
                "attributes":[{{"name":"day","value":"2026-01-0{d}"}}]}}"#,
                d = n + 1,
            );
            let target = format!("/a?page={n}&from=2026-01-0{}&q=x{n}&size=", n + 1);
            let id = format!("00000000-0000-0000-0000-00000000000{n}");
            inspector
                .inspect(&exchange(&target, &[("X-Request-ID", &id)], "application/json", &body), &mut facts);
        }
        let mut told = BTreeMap::new();
        let shape = facts.response_shapes.values().next().unwrap();
        shape.walk(&mut |path, at| {
            let (kind, count) = at.types().met().find(|(kind, _)| *kind != JsonType::Null).unwrap();
            if let Some(format) = at.evidence().unwrap().format(kind, count) {
                told.insert(path.to_owned(), format.name());
            }
        });
        // Of `maybe` there are too few, of `same` there is one, and one of `late` and some of `empty` are none.
        let expected = [
            ("$.at", "date-time"),
            ("$.attributes[*].value", "date"),
            ("$.link", "uri"),
            ("$.list[*]", "date"),
            ("$.n", "int32"),
        ];
        assert_eq!(told, expected.map(|(path, name)| (path.to_owned(), name)).into());
        let fields = facts.fields.sorted();
        let text =
            fields.iter().filter_map(|(_, name, evidence)| Some((*name, evidence.format_of_text()?.name())));
        assert_eq!(text.collect::<Vec<_>>(), [("from", "date"), ("page", "int32"), ("x-request-id", "uuid")]);
    }

    #[test]
    fn words_are_gathered_when_they_are_asked_for_and_never_saved() {
        for asked in [false, true] {
            let mut inspector = inspector();
            inspector.gather_constants(asked);
            let mut facts = EndpointFacts::default();
            for n in 0..60 {
                let (status, name) = [("OPEN", "Anna"), ("CLOSED", "Bob")][n % 2];
                let body = format!(
                    r#"{{"firstName":"{name}","items":[{{"status":"{status}"}}],"status":"{status}"}}"#
                );
                let target = format!("/a?status={status}&login={name}");
                inspector.inspect(&exchange(&target, &[], "application/json", &body), &mut facts);
            }
            let mut told = Vec::new();
            let shape = facts.response_shapes.values().next().unwrap();
            shape.walk(&mut |path, at| {
                let words = at.evidence().unwrap().constants();
                told.extend(
                    words.map(|words| (path.to_owned(), words.told("status", 60).unwrap().join("|"))),
                );
            });
            let words = |path: &str| (path.to_owned(), "CLOSED|OPEN".to_owned());
            let expected = [words("$.items[*].status"), words("$.status")];
            assert_eq!(told, if asked { expected.as_slice() } else { &[] });
            let fields = facts.fields.sorted();
            let gathered = fields.iter().filter(|(_, _, evidence)| evidence.constants().is_some());
            assert_eq!(
                gathered.map(|(_, name, _)| *name).collect::<Vec<_>>(),
                if asked { &["status"][..] } else { &[] }
            );
            let saved = serde_json::to_string(&(&facts.fields, shape)).unwrap();
            assert!(!saved.contains("OPEN") && !saved.contains("CLOSED"));
        }
    }

    proptest! {
        /// Which shard saw which exchange, and in which order, cannot be told from what they found together.
        #[test]
        fn shards_come_to_the_same(order in proptest::collection::vec((0_usize..6, any::<bool>()), 1..24)) {
            let bodies = [
                r#"{"iban":"DE89370400440532013000","n":1}"#,
                r#"{"iban":"GB82WEST12345698765432","n":2.5,"email":"a@bank.example"}"#,
                r#"{"n":null,"name":"Jane Roe","x":[{"key":"otp","value":"1234"}]}"#,
                r#"{"iban":"****","x":[{"key":"cvv","value":"123"},{"value":"9"}]}"#,
                r#"{"email":"none","blob":"{\"pin\":\"1234\"}"}"#,
                r#"[{"phone":"+44 7400 833924"}]"#,
            ];
            let (mut one, mut two) = (inspector(), inspector());
            let (mut whole, mut left, mut right) = (EndpointFacts::default(), EndpointFacts::default(), EndpointFacts::default());
            let mut single = inspector();
            for (body, first) in &order {
                let transaction = exchange("/x", &[], "application/json", bodies[*body]);
                single.inspect(&transaction, &mut whole);
                if *first {
                    one.inspect(&transaction, &mut left);
                } else {
                    two.inspect(&transaction, &mut right);
                }
            }
            right.absorb(left);
            prop_assert_eq!(counted(&right), counted(&whole));
        }

        /// Whatever a body holds, inspecting it neither panics nor loses the count of bodies.
        #[test]
        fn any_body_is_inspected(body in proptest::collection::vec(any::<u8>(), 0..400), kind in 0_usize..8) {
            let types = ["application/json", "application/x-ndjson", "text/csv", "application/xml", "text/plain",
                "application/x-www-form-urlencoded", "application/x-protobuf", "multipart/form-data"];
            let mut transaction = exchange("/x", &[], types[kind], "");
            transaction.response.body.bytes.expose_mut().extend_from_slice(&body);
            inspector().inspect(&transaction, &mut EndpointFacts::default());
        }
    }
}
