//! The walk over one body: grows its shape, and counts the evidence for each of its fields.

use super::recording::VALUE;
use super::{Keys, MAX_KEY, MAX_KEYS, Tag, Work, name_class, shown, verdict_of};
use crate::classify::formats::Format as ValueFormat;
use crate::classify::{
    ClassId, Classifier, Fate, FieldEvidence, Hit, KeyVerdict, Location, Role, constants, tells_nothing,
};
use crate::inventory::facts::BodyShape;
use crate::inventory::privacy;
use crate::limits::Limits;
use crate::payload::{self, Coding, Text, Visitor, form};
use crate::schema::{JsonType, NodeId};
use crate::secret::HashKey;
use smallvec::SmallVec;
use std::sync::Arc;

/// One open container.
pub(super) struct Frame<'a> {
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
pub(super) struct Held<'a> {
    node: Option<NodeId>,
    name: Text<'a>,
    kind: JsonType,
    text: Text<'a>,
    said: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts of one walk")]
pub(super) struct Walker<'w, 'a> {
    pub(super) classifier: &'w Classifier,
    pub(super) limits: &'w Limits,
    pub(super) hash_key: HashKey,
    /// One in how many values is looked at where that is enough.
    pub(super) one_in: u32,
    pub(super) collect: bool,
    pub(super) constants: bool,
    pub(super) location: Location,
    pub(super) status: u16,
    pub(super) xml: bool,
    /// Whether the client chooses the names of properties, as GraphQL's aliases.
    pub(super) chosen_names: bool,
    /// Whether fields have only numbers, as nothing describes the message.
    pub(super) numbered: bool,
    pub(super) form: bool,
    pub(super) shape: &'w mut BodyShape,
    pub(super) frames: SmallVec<[Frame<'a>; 12]>,
    /// The node of the innermost container, and whether that is an array: of the last frame, kept at hand.
    pub(super) container: Option<NodeId>,
    pub(super) in_array: bool,
    /// The property of it that came last.
    pub(super) after: Option<NodeId>,
    /// Where the next value goes: of items it stays.
    pub(super) next: Option<NodeId>,
    /// What a key has named last, and how it is written there: apart, since a text that is stored byte by byte and
    /// read as a whole is waited for.
    pub(super) next_name: Option<&'a [u8]>,
    pub(super) next_coding: Coding,
    pub(super) held: Vec<Held<'a>>,
    pub(super) work: &'w mut Work,
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
        if !every {
            evidence.take_format(kind, value, hash_key);
        }
        let (spread, hash) = (|| hash_key.spread(value), || hash_key.hash(value));
        if !evidence.looks_at(self.one_in, false, spread, hash) {
            self.work.skipped(evidence);
            return;
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
