//! Reads the evidence back, field by field.

use crate::classify::{ClassId, Classifier, FieldEvidence, Location, State};
use crate::inventory::facts::EndpointFacts;
use crate::inventory::standing::Change;
use crate::time::Timestamp;

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
pub(super) fn message_path(kind: &str, path: &str) -> String {
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
