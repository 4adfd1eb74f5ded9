//! From an exchange to the data classes it carries: walks path, query, headers, cookies and bodies once,
//! grows the shapes of the bodies and counts the evidence for each field.
//!
//! An [`Inspector`] belongs to one shard. It borrows a transaction, adds to the [`EndpointFacts`] of its
//! path skeleton and keeps nothing of it: a value ends as a type, a class, a count and the keyed hash that
//! counts distinct ones. Every value is looked at unless a rate is set; then hashes of values alone tell which are, so
//! that the evidence does not depend on which shard saw which exchange. [`data_fields`] reads the evidence back, field
//! by field.

mod data_fields;
mod recording;
mod walker;

pub use data_fields::{DataField, data_fields, display_path, told_path};

use super::dialogue::{self, DialogueFacts};
use super::facts::{BodyShape, EndpointFacts};
use super::learner::parts::{Part, Parts, kind};
use crate::classify::{
    ClassId, ClassSet, Classifier, Fate, FieldEvidence, Hit, KeyVerdict, Location, constants, is_dull_number,
};
use crate::http::grpc;
use crate::http::h2::Toward;
use crate::limits::Limits;
use crate::operation::{self, Call, Content, graphql};
use crate::payload::protobuf::Typed;
use crate::payload::{self, Coding, Format, Text, Visitor, form};
use crate::schema::JsonType;
use crate::secret::{FingerprintKey, HashKey, Purpose, Sensitive};
use crate::spec::Methods;
use crate::time::Timestamp;
use crate::transaction::dialogue::Dialogue;
use crate::transaction::{Fields, Transaction};
use data_fields::message_path;
use hashbrown::HashMap;
use recording::{MAX_BODIES, MAX_STEPS, MIN_BODY, Recording};
use smallvec::SmallVec;
use std::sync::Arc;
use walker::Walker;

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

#[cfg(test)]
mod tests;
