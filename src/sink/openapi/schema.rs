//! Inferred shapes as JSON Schema (2020-12, which OpenAPI 3.1 speaks).
//!
//! A shape knows types, formats and how often each was met. What was met in every object is required once enough objects
//! were seen, a format stands where every value had it; data classes that are confirmed stand beside, as `x-spanlight`.
//! There are no examples, and no enumerations unless their words were asked for ([`crate::classify::constants`]): those
//! stand where nothing hints at a data class.

use super::tree::Node;
use crate::classify::Classifier;
use crate::classify::evidence::{FieldEvidence, State, judge};
use crate::classify::formats::Format;
use crate::inventory::facts::BodyShape;
use crate::inventory::privacy;
use crate::schema::{Cursor, JsonType, Name, TypeCounts};

/// Objects from which on a property that all of them had is required.
const MIN_OBJECTS: u64 = 10;
/// How deep schemas nest: readers of JSON refuse documents of 128 levels, and each level here makes two.
const MAX_DEPTH: usize = 48;

/// The schema of the bodies that a shape was inferred from; `None` before the first.
pub(super) fn of(shape: &BodyShape, callers: u64, classifier: &Classifier) -> Option<Node> {
    let root = shape.root()?;
    let writer = Writer { classifier, callers, full: shape.overflow() > 0 };
    // A body of which nothing was understood says nothing.
    (root.types().total() > 0).then(|| writer.schema(root, "", Node::map(), 0))
}

/// The schema of a parameter: what its text stands for, where every value seen does.
pub(super) fn of_text(
    name: &str,
    evidence: Option<&FieldEvidence>,
    callers: u64,
    classifier: &Classifier,
) -> Node {
    let format = evidence.and_then(FieldEvidence::format_of_text);
    let kind = if format.is_some_and(Format::is_of_numbers) { "integer" } else { "string" };
    let mut schema = Node::map().with("type", kind);
    if let Some(format) = format {
        schema.set("format", format.name());
    } else if let Some(evidence) = evidence.filter(|evidence| evidence.sampled_one_in() == 1)
        && let Some(words) = enumeration(name, evidence, evidence.values(), callers, classifier)
    {
        schema.set("enum", words.into_iter().map(Node::from).collect::<Vec<_>>());
    }
    schema
}

/// Callers of an operation from whom enumerations are told, where callers are known: what one of them always says is
/// that one's.
const MIN_CALLERS: u64 = 3;

/// The words that a field called `name` had, when they are an enumeration that may be told: all look like constants,
/// and no data class is hinted at by any of them, by its key or by what was found in it.
fn enumeration<'e>(
    name: &str,
    evidence: &'e FieldEvidence,
    values: u64,
    callers: u64,
    classifier: &Classifier,
) -> Option<Vec<&'e str>> {
    let words = evidence.constants()?.told(name, values)?;
    let unclassed = evidence.classes().all(|known| judge(known, evidence.values()).state == State::Cleared);
    let names = words.iter().all(|word| privacy::shown_operation(word.as_bytes(), classifier).is_some());
    let several = callers == 0 || callers >= MIN_CALLERS;
    (unclassed && names && several).then_some(words)
}

struct Writer<'a> {
    classifier: &'a Classifier,
    /// Callers of the operation; 0 where none is known.
    callers: u64,
    /// Whether the shape could not hold everything.
    full: bool,
}

impl Writer<'_> {
    /// The schema of the value here, which is called `name`, with its data classes behind what is known of it already.
    fn schema(&self, at: Cursor<'_, FieldEvidence>, name: &str, mut known: Node, depth: usize) -> Node {
        let types = at.types();
        let mut schema = Node::map();
        let mut names = names(types);
        if names.len() > 1 {
            schema.set("type", names.into_iter().map(Node::from).collect::<Vec<_>>());
        } else if let Some(only) = names.pop() {
            schema.set("type", only);
        }
        if let Some(evidence) = at.evidence() {
            self.values(types, name, evidence, &mut schema);
        }
        if depth < MAX_DEPTH {
            self.properties(at, types.of(JsonType::Object), &mut schema, depth);
            if let Some(items) = at.items() {
                schema.set("items", self.schema(items, name, Node::map(), depth + 1));
            }
        }
        let classes = at.evidence().map(|evidence| classes(evidence, self.classifier)).unwrap_or_default();
        if !classes.is_empty() {
            known.set("classes", classes);
        }
        if !known.is_empty() {
            schema.set("x-spanlight", known);
        }
        schema
    }

    /// What all values here had in common, where they are of one type or null.
    fn values(&self, types: TypeCounts, name: &str, evidence: &FieldEvidence, schema: &mut Node) {
        let mut met = types.met().filter(|(kind, _)| *kind != JsonType::Null);
        let (Some((kind, values)), None) = (met.next(), met.next()) else { return };
        if let Some(format) = evidence.format(kind, values) {
            schema.set("format", format.name());
        } else if kind == JsonType::String
            && let Some(words) = enumeration(name, evidence, values, self.callers, self.classifier)
        {
            let null = (types.of(JsonType::Null) > 0).then_some(Node::Null);
            schema.set("enum", words.into_iter().map(Node::from).chain(null).collect::<Vec<_>>());
        }
    }

    fn properties(&self, at: Cursor<'_, FieldEvidence>, objects: u64, schema: &mut Node, depth: usize) {
        let mut named: Vec<(&str, Cursor<'_, FieldEvidence>)> = Vec::new();
        let mut others: Vec<(&str, Cursor<'_, FieldEvidence>)> = Vec::new();
        for child in at.children() {
            match child.name() {
                Name::Root | Name::Item => {}
                Name::Property(name) => named.push((name, child)),
                Name::Wildcard(what) => others.push((what, child)),
            }
        }
        named.sort_by_key(|(name, _)| *name);
        others.sort_by_key(|(what, _)| *what);
        if !named.is_empty() {
            let mut properties = Node::map();
            for (name, child) in &named {
                let had = child.types().total();
                let rare = Node::map().with("seen", had).with("of", objects);
                let known = if had < objects { rare } else { Node::map() };
                properties.set(name, self.schema(*child, name, known, depth + 1));
            }
            schema.set("properties", properties);
            let always =
                |child: Cursor<'_, FieldEvidence>| objects >= MIN_OBJECTS && child.types().total() >= objects;
            let required: Vec<Node> = named
                .iter()
                .filter(|(_, child)| !self.full && always(*child))
                .map(|(name, _)| Node::from(*name))
                .collect();
            if !required.is_empty() {
                schema.set("required", required);
            }
        }
        let values = |(what, child)| self.schema(child, "", Node::map().with("keys", what), depth + 1);
        let mut others: Vec<Node> = others.into_iter().map(values).collect();
        if others.len() > 1 {
            schema.set("additionalProperties", Node::map().with("anyOf", others));
        } else if let Some(only) = others.pop() {
            schema.set("additionalProperties", only);
        }
    }
}

/// The classes that the values of a field are confirmed to be of.
pub(super) fn classes(evidence: &FieldEvidence, classifier: &Classifier) -> Vec<Node> {
    let mut names: Vec<&str> = evidence
        .classes()
        .filter(|known| judge(known, evidence.values()).state == State::Confirmed)
        .map(|known| classifier.name(known.class))
        .collect();
    names.sort_unstable();
    names.into_iter().map(Node::from).collect()
}

/// The types that were met. A number may be written without fraction.
fn names(types: TypeCounts) -> Vec<&'static str> {
    let fractions = types.of(JsonType::Number) > 0;
    types
        .met()
        .map(|(kind, _)| kind)
        .filter(|kind| !(*kind == JsonType::Integer && fractions))
        .map(JsonType::name)
        .collect()
}
