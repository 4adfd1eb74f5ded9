//! Bodies: inferred shapes held against schemas.
//!
//! Both are walked together, so that only what was seen is resolved. What stands below a property that is not
//! documented, or below a value of the wrong type, is not looked at: the topmost difference is the finding.

use super::{Options, Seen, counted};
use crate::classify::FieldEvidence;
use crate::classify::evidence::{MAX_CHOICE, MAX_CHOICES};
use crate::classify::formats::Format;
use crate::finding::{Kind, Register, Severity};
use crate::inventory::facts::BodyShape;
use crate::schema::{Cursor, JsonType, Name, TypeCounts};
use crate::secret::HashKey;
use crate::spec::{DocumentPlace, DocumentSet, Operation, Schema, SchemaRef, StatusPattern};
use std::collections::BTreeSet;

/// Judges the bodies. Returns the properties of answers that the document does not name, by status, and the statuses of
/// whose bodies it says nothing.
pub(super) fn judge(
    one: &Seen<'_>,
    documents: &DocumentSet,
    options: &Options<'_>,
    register: &mut Register,
) -> (Vec<(u16, String)>, Vec<u16>) {
    let (mut undocumented, mut silent) = (Vec::new(), Vec::new());
    let facts = &one.endpoint.facts;
    for (status, shape) in &facts.response_shapes {
        let held = (200..300).contains(status) || (options.error_bodies && *status >= 400);
        if !held {
            continue;
        }
        let schemas: Vec<_> = one
            .operations
            .iter()
            .map(|(_, operation)| documents.response_schema(operation, promised_answer(operation, *status)?))
            .collect();
        if schemas.iter().all(Option::is_none) {
            silent.push(*status);
        }
        let unnamed =
            hold(one, (documents, options.values), shape, schemas, Direction::Response(*status), register);
        undocumented.extend(unnamed.into_iter().map(|path| (*status, path)));
    }
    let schemas: Vec<_> =
        one.operations.iter().map(|(_, operation)| documents.request_schema(operation)).collect();
    hold(one, (documents, None), &facts.request_shape, schemas, Direction::Request, register);
    form(one, documents, register);
    (undocumented, silent)
}

/// Swagger 2 names the fields of a form one by one.
fn form(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let fields: Option<Vec<_>> =
        one.operations.iter().map(|(_, operation)| operation.form_fields()).collect();
    let (Some(fields), Some(root)) = (fields, one.endpoint.facts.request_shape.root()) else { return };
    let forms = root.types().of(JsonType::Object);
    for child in root.children() {
        let Name::Property(name) = child.name() else { continue };
        let base = name.split_once('[').map_or(&**name, |(base, _)| base);
        if fields.iter().any(|known| known.contains(&**name) || known.contains(base)) {
            continue;
        }
        let count = child.types().total();
        let detail = format!("$.{name}");
        let shown = (count, forms);
        let mut finding = one.finding(Kind::UndocumentedRequestProperty, Severity::Low, &detail, shown);
        finding.explanation =
            format!("{count} of {} had a field that the document does not name", counted(forms, "form"));
        finding.document = super::place_of(documents, one.operation());
        register.add(finding);
    }
}

/// The documented answer whose schema a body of this status is held against. The default speaks of successes
/// only in a document that names none.
fn promised_answer(operation: &Operation, status: u16) -> Option<StatusPattern> {
    let found = operation.response_for(status)?;
    let error_only = found == StatusPattern::Default && status < 300 && operation.names_success();
    (!error_only).then_some(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response(u16),
}

/// Holds one shape against its schemas, and returns the properties that they do not name.
fn hold<'d>(
    one: &Seen<'_>,
    (documents, values): (&'d DocumentSet, Option<HashKey>),
    shape: &BodyShape,
    schemas: Vec<Option<SchemaRef<'d>>>,
    direction: Direction,
    register: &mut Register,
) -> Vec<String> {
    // A document that says nothing of the body lets it be anything.
    let Some(schemas) = schemas.into_iter().collect::<Option<Vec<_>>>() else { return Vec::new() };
    let (Some(schema), Some(root)) = (SchemaRef::either(schemas), shape.root()) else { return Vec::new() };
    let mut unnamed = Vec::new();
    let mut walk = Walk { documents, values, direction, full: shape.overflow() > 0, drifts: Vec::new() };
    walk.compare(root, &schema, &mut String::from("$"));
    let bodies = shape.bodies();
    for drift in walk.drifts {
        let severity = drift.severity();
        let mut finding = one.finding(drift.kind, severity, &drift.path, (drift.count, drift.of));
        let whose = match direction {
            Direction::Request => {
                format!("{} read", counted(bodies, "request body"))
            }
            Direction::Response(status) => {
                format!("{} of status {status} read", counted(bodies, "answer"))
            }
        };
        finding.explanation = format!("{}; {whose}", drift.words);
        finding.document = drift.place;
        register.add(finding);
        if matches!(drift.kind, Kind::UndocumentedResponseProperty | Kind::UndocumentedRequestProperty) {
            unnamed.push(drift.path);
        }
    }
    unnamed
}

/// One difference.
struct Drift {
    kind: Kind,
    path: String,
    count: u64,
    of: u64,
    words: String,
    place: Option<DocumentPlace>,
}

impl Drift {
    const fn severity(&self) -> Severity {
        match self.kind {
            Kind::ResponseTypeMismatch | Kind::MissingRequiredProperty => Severity::Medium,
            _ => Severity::Low,
        }
    }
}

/// Whether a format means the same to everybody: addresses and links are judged more strictly here than many do.
const fn is_asserted(format: Format) -> bool {
    match format {
        Format::Date
        | Format::DateTime
        | Format::Uuid
        | Format::Ipv4
        | Format::Ipv6
        | Format::Int32
        | Format::Int64 => true,
        Format::Time | Format::Email | Format::Uri => false,
    }
}

struct Walk<'d> {
    documents: &'d DocumentSet,
    values: Option<HashKey>,
    direction: Direction,
    /// Whether the shape could not hold everything: then what is absent may have been there.
    full: bool,
    drifts: Vec<Drift>,
}

impl<'d> Walk<'d> {
    fn compare(&mut self, seen: Cursor<'_, FieldEvidence>, promised: &SchemaRef<'d>, path: &mut String) {
        let schema = self.documents.schema(promised);
        let types = seen.types();
        if schema.deprecated && self.direction == Direction::Request && path != "$" {
            let count = types.total();
            let words = format!(
                "{} had a property that the document marks as deprecated",
                counted(count, "request object")
            );
            self.add(Kind::DeprecatedParameterInUse, path, (count, count), words, promised);
        }
        if self.direction != Direction::Request {
            let wrong: Vec<_> = types.met().filter(|(kind, _)| !schema.types.has(*kind)).collect();
            let count = wrong.iter().map(|(_, count)| count).sum();
            if count > 0 {
                let names: Vec<_> = wrong.iter().map(|(kind, _)| kind.name()).collect();
                let words = format!(
                    "{count} of {} had type {}; the document says {}",
                    counted(types.total(), "value"),
                    names.join(" or "),
                    schema.types.words()
                );
                self.add(Kind::ResponseTypeMismatch, path, (count, types.total()), words, promised);
            }
            if let Some(evidence) = seen.evidence() {
                self.format(types, evidence, &schema, promised, path);
                self.choice(types, evidence, &schema, promised, path);
            }
        }
        if schema.types.has(JsonType::Array)
            && let (Some(items), Some(promise)) = (seen.items(), &schema.items)
        {
            self.inside(items, promise, path, "[]");
        }
        if !schema.types.has(JsonType::Object) {
            return;
        }
        let objects = types.of(JsonType::Object);
        for child in seen.children() {
            let (suffix, known) = match child.name() {
                Name::Root | Name::Item => continue,
                Name::Property(name) => (format!(".{name}"), schema.properties.get(&**name)),
                Name::Wildcard(what) => (format!(".{{{what}}}"), None),
            };
            if let Some(promise) = known.or(schema.additional.as_ref()) {
                self.inside(child, promise, path, &suffix);
            } else if !schema.open {
                let count = child.types().total();
                let length = path.len();
                path.push_str(&suffix);
                let words = format!(
                    "{count} of {} had a property that the document does not name",
                    counted(objects, "object")
                );
                let kind = match self.direction {
                    Direction::Request => Kind::UndocumentedRequestProperty,
                    Direction::Response(_) => Kind::UndocumentedResponseProperty,
                };
                self.add(kind, path, (count, objects), words, promised);
                path.truncate(length);
            }
        }
        if self.direction != Direction::Request {
            for name in &schema.required {
                self.required(seen, name, objects, &schema, promised, path);
            }
        }
    }

    /// Whether all values have the format that is promised. How many do not is not counted.
    fn format(
        &mut self,
        types: TypeCounts,
        evidence: &FieldEvidence,
        schema: &Schema<'d>,
        promised: &SchemaRef<'d>,
        path: &str,
    ) {
        let Some(format) = schema.format.and_then(Format::named).filter(|format| is_asserted(*format)) else {
            return;
        };
        let kind = if format.is_of_numbers() { JsonType::Integer } else { JsonType::String };
        let values = types.of(kind);
        if values > 0 && schema.types.has(kind) && evidence.breaks(format) {
            let words =
                format!("not all of {} have the format `{}`", counted(values, "value"), format.name());
            self.add(Kind::ResponseFormatMismatch, path, (1, values), words, promised);
        }
    }

    /// Whether all values are among those that are enumerated.
    fn choice(
        &mut self,
        types: TypeCounts,
        evidence: &FieldEvidence,
        schema: &Schema<'d>,
        promised: &SchemaRef<'d>,
        path: &str,
    ) {
        let (Some(key), Some(words)) = (self.values, schema.words()) else { return };
        // What is of another type is told as that.
        if types.met().any(|(kind, _)| !schema.types.has(kind)) {
            return;
        }
        let known: BTreeSet<u64> = words.iter().map(|word| key.hash(word.as_bytes())).collect();
        let enumerated = counted(words.len() as u64, "word");
        if let Some(choices) = evidence.choices() {
            let strange = choices.iter().filter(|hash| !known.contains(hash)).count() as u64;
            if strange > 0 {
                let all = choices.len() as u64;
                let words = format!(
                    "{strange} of {} {} not among the {enumerated} that the document enumerates",
                    counted(all, "distinct value"),
                    if strange == 1 { "is" } else { "are" }
                );
                self.add(Kind::ResponseEnumMismatch, path, (strange, all), words, promised);
            }
        } else if evidence.has_many()
            && words.len() <= MAX_CHOICES
            && words.iter().all(|word| word.len() <= MAX_CHOICE)
        {
            let values = types.total();
            let words = format!(
                "not all of {} are among the {enumerated} that the document enumerates",
                counted(values, "value")
            );
            self.add(Kind::ResponseEnumMismatch, path, (1, values), words, promised);
        }
    }

    fn inside(
        &mut self,
        seen: Cursor<'_, FieldEvidence>,
        promise: &SchemaRef<'d>,
        path: &mut String,
        suffix: &str,
    ) {
        let length = path.len();
        path.push_str(suffix);
        self.compare(seen, promise, path);
        path.truncate(length);
    }

    fn required(
        &mut self,
        seen: Cursor<'_, FieldEvidence>,
        name: &str,
        objects: u64,
        schema: &crate::spec::Schema<'d>,
        promised: &SchemaRef<'d>,
        path: &mut String,
    ) {
        let found = seen.property(name).map(|child| child.types().total());
        let count = objects.saturating_sub(found.unwrap_or_default());
        if count == 0 || (self.full && found.is_none()) {
            return;
        }
        // What only requests have is not missed in answers.
        if schema.properties.get(name).is_some_and(|promise| self.documents.schema(promise).write_only) {
            return;
        }
        let length = path.len();
        path.push('.');
        path.push_str(name);
        let words =
            format!("{count} of {} lacked a property that the document requires", counted(objects, "object"));
        self.add(Kind::MissingRequiredProperty, path, (count, objects), words, promised);
        path.truncate(length);
    }

    fn add(
        &mut self,
        kind: Kind,
        path: &str,
        (count, of): (u64, u64),
        words: String,
        promised: &SchemaRef<'d>,
    ) {
        let place = self.documents.place_of_schema(promised);
        self.drifts.push(Drift { kind, path: path.to_owned(), count, of, words, place });
    }
}
