//! Schemas, resolved as far as a comparison asks.
//!
//! A [`SchemaRef`] is one place in a document, or several that hold together or in the alternative; nothing is
//! resolved until [`SchemaRef::resolve`] gives the [`Schema`] of one level. Whoever compares walks a body's
//! inferred shape, which is finite, and resolves alongside: cycles between schemas therefore cost nothing.
//! One level is bounded by itself, since `allOf` may lead back to where it came from.
//!
//! `allOf` adds up; `oneOf` and `anyOf` give the union of properties and the intersection of what is required,
//! so that nothing any alternative allows is called a drift. `not` and conditions are not promises we hold
//! answers against; the properties they name count as known.

use super::node::Node;
use super::reference::{Location, Place};
use crate::schema::JsonType;
use std::collections::{BTreeMap, BTreeSet};

/// How many parts one level may have.
const MAX_PARTS: u32 = 512;
/// How deep `allOf`, `oneOf` and `anyOf` of one level may nest.
const MAX_NESTING: u32 = 16;

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeSet(u8);

impl TypeSet {
    /// Every type.
    pub const ANY: Self = Self(0x7f);
    /// No type.
    pub const NONE: Self = Self(0);

    const fn of(kind: JsonType) -> Self {
        // A JSON Schema `number` may be written without fraction.
        let bits = 1 << kind as u8;
        Self(if matches!(kind, JsonType::Number) { bits | 1 << JsonType::Integer as u8 } else { bits })
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Self::ANY),
            "file" => Some(Self::of(JsonType::String)),
            _ => JsonType::ALL.into_iter().find(|kind| kind.name() == name).map(Self::of),
        }
    }

    /// Whether `kind` is one of them.
    #[must_use]
    pub const fn has(self, kind: JsonType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The types in words: `string or null`.
    #[must_use]
    pub fn words(self) -> String {
        let names: Vec<_> = JsonType::ALL
            .into_iter()
            .filter(|kind| self.has(*kind) && !(*kind == JsonType::Integer && self.has(JsonType::Number)))
            .map(JsonType::name)
            .collect();
        names.join(" or ")
    }
}

/// One schema, or several together or in the alternative; not yet resolved.
#[derive(Clone, Debug)]
pub struct SchemaRef<'a>(Expression<'a>);

#[derive(Clone, Debug)]
enum Expression<'a> {
    One(Place<'a>),
    All(Vec<Expression<'a>>),
    Either(Vec<Expression<'a>>),
}

/// One level of a schema.
#[expect(clippy::struct_excessive_bools, reason = "four independent keywords of the format")]
#[derive(Clone, Debug)]
pub struct Schema<'a> {
    /// The types a value may have.
    pub types: TypeSet,
    /// The properties an object may have, by name.
    pub properties: BTreeMap<&'a str, SchemaRef<'a>>,
    /// The properties an object must have.
    pub required: BTreeSet<&'a str>,
    /// What properties without name must be: `additionalProperties` with a schema, `patternProperties`.
    pub additional: Option<SchemaRef<'a>>,
    /// What the items of an array must be.
    pub items: Option<SchemaRef<'a>>,
    /// Whether an object may have any property, as one does of which nothing is said.
    pub open: bool,
    /// The `format`.
    pub format: Option<&'a str>,
    /// The `pattern`.
    pub pattern: Option<&'a str>,
    /// The words a value may be, where they are enumerated.
    pub(super) words: Option<Vec<&'a Node>>,
    /// The fewest and most characters of a string.
    pub length: (Option<u64>, Option<u64>),
    /// Only in answers.
    pub read_only: bool,
    /// Only in requests.
    pub write_only: bool,
    /// Marked for retirement.
    pub deprecated: bool,
}

impl Schema<'_> {
    /// The words that a value may be, as they are written, where they are enumerated and all are scalars. Null is a type.
    #[must_use]
    pub fn words(&self) -> Option<Vec<String>> {
        let words = self.words.as_ref()?.iter().filter(|word| !word.is_null());
        words.map(|word| word.word()).collect()
    }

    /// A schema of which nothing is said.
    const fn anything() -> Self {
        Self {
            types: TypeSet::ANY,
            properties: BTreeMap::new(),
            required: BTreeSet::new(),
            additional: None,
            items: None,
            open: true,
            format: None,
            pattern: None,
            words: None,
            length: (None, None),
            read_only: false,
            write_only: false,
            deprecated: false,
        }
    }
}

/// What bounds one resolution.
struct Work<'s> {
    parts: u32,
    subtypes: &'s Subtypes,
    /// Whether subtypes are looked at: not while inside one, since it leads back to its base.
    inherit: bool,
    /// The addresses of the schema objects we are inside of: who comes back says nothing new.
    inside: Vec<usize>,
}

impl<'a> SchemaRef<'a> {
    pub(super) const fn one(place: Place<'a>) -> Self {
        Self(Expression::One(place))
    }

    /// Any of these; `None` when there are none.
    #[must_use]
    pub fn either(all: Vec<Self>) -> Option<Self> {
        let mut all: Vec<_> = all.into_iter().map(|one| one.0).collect();
        if all.len() > 1 { Some(Self(Expression::Either(all))) } else { all.pop().map(Self) }
    }

    /// Where the first of its parts stands.
    pub(super) fn location(&self) -> Option<Location> {
        fn first(expression: &Expression<'_>) -> Option<Location> {
            match expression {
                Expression::One(place) => Some(place.location()),
                Expression::All(parts) | Expression::Either(parts) => parts.iter().find_map(first),
            }
        }
        first(&self.0)
    }

    /// The schema of this level.
    pub(super) fn resolve(&self, subtypes: &Subtypes) -> Schema<'a> {
        let mut work = Work { parts: 0, subtypes, inherit: true, inside: Vec::new() };
        resolve(&self.0, 0, &mut work)
    }
}

fn resolve<'a>(expression: &Expression<'a>, depth: u32, work: &mut Work<'_>) -> Schema<'a> {
    work.parts += 1;
    if depth > MAX_NESTING || work.parts > MAX_PARTS {
        return Schema::anything();
    }
    match expression {
        Expression::One(place) => {
            let address = std::ptr::from_ref(place.value).addr();
            if work.inside.contains(&address) {
                return Schema::anything();
            }
            work.inside.push(address);
            let schema = one(place, depth, work);
            work.inside.pop();
            schema
        }
        Expression::All(parts) => parts
            .iter()
            .map(|part| resolve(part, depth + 1, work))
            .reduce(both)
            .unwrap_or_else(Schema::anything),
        Expression::Either(parts) => parts
            .iter()
            .map(|part| resolve(part, depth + 1, work))
            .reduce(either)
            .unwrap_or_else(Schema::anything),
    }
}

fn one<'a>(place: &Place<'a>, depth: u32, work: &mut Work<'_>) -> Schema<'a> {
    let Some(members) = place.object() else { return Schema::anything() };
    let mut whole = keywords(place);
    if members.has("$ref") {
        let target = match place.step() {
            Some(Ok(target)) => resolve(&Expression::One(target), depth + 1, work),
            Some(Err(_)) | None => Schema::anything(),
        };
        whole = both(target, whole);
    }
    let list = |key: &str| -> Vec<Expression<'a>> {
        place.raw(key).map(|all| all.items().map(Expression::One).collect()).unwrap_or_default()
    };
    for part in list("allOf") {
        whole = both(whole, resolve(&part, depth + 1, work));
    }
    for key in ["oneOf", "anyOf"] {
        let parts = list(key);
        if !parts.is_empty() {
            whole = both(whole, resolve(&Expression::Either(parts), depth + 1, work));
        }
    }
    for key in ["then", "else", "dependentSchemas"] {
        let Some(part) = place.raw(key) else { continue };
        let parts: Vec<_> =
            if key == "dependentSchemas" { part.members().map(|(_, one)| one).collect() } else { vec![part] };
        for part in parts {
            let known = resolve(&Expression::One(part), depth + 1, work);
            also_known(&mut whole, known);
        }
    }
    if work.inherit && members.has("discriminator") {
        work.inherit = false;
        for subtype in work.subtypes.of(place) {
            let known = resolve(&Expression::One(subtype), depth + 1, work);
            also_known(&mut whole, known);
        }
        work.inherit = true;
    }
    let null = TypeSet::of(JsonType::Null);
    if place.flag("nullable") || place.flag("x-nullable") {
        whole.types = whole.types.or(null);
    }
    whole
}

/// What the keywords of one schema object say, without the schemas it is made of.
fn keywords<'a>(place: &Place<'a>) -> Schema<'a> {
    let value = place.value;
    let properties: BTreeMap<&str, SchemaRef<'a>> = place
        .raw("properties")
        .map(|all| all.members().map(|(name, one)| (name, SchemaRef::one(one))).collect())
        .unwrap_or_default();
    let additional: Vec<_> = ["additionalProperties", "unevaluatedProperties"]
        .into_iter()
        .filter_map(|key| place.raw(key))
        .filter(|one| one.object().is_some_and(|members| !members.is_empty()))
        .chain(place.raw("patternProperties").iter().flat_map(|all| all.members().map(|(_, one)| one)))
        .map(SchemaRef::one)
        .collect();
    let additional = SchemaRef::either(additional);
    let closed = ["additionalProperties", "unevaluatedProperties"]
        .into_iter()
        .any(|key| value.get(key) == Some(&Node::Bool(false)));
    let mut items: Vec<_> =
        place.raw("prefixItems").map(|all| all.items().map(SchemaRef::one).collect()).unwrap_or_default();
    // A list of schemas was a tuple once; no OpenAPI version has it, so it promises nothing.
    if let Some(one) = place.raw("items").filter(|one| one.value.is_object()) {
        items.push(SchemaRef::one(one));
    }
    let words = value
        .get("enum")
        .and_then(Node::as_array)
        .map(|words| words.iter().collect::<Vec<_>>())
        .or_else(|| value.get("const").map(|word| vec![word]));
    let null = TypeSet::of(JsonType::Null);
    let mut types = match value.get("type") {
        Some(Node::String(name)) => TypeSet::named(name).unwrap_or(TypeSet::ANY),
        Some(Node::Array(names)) => names
            .iter()
            .map(|name| name.as_str().and_then(TypeSet::named).unwrap_or(TypeSet::ANY))
            .reduce(TypeSet::or)
            .unwrap_or(TypeSet::ANY),
        _ if !properties.is_empty() || additional.is_some() => TypeSet::of(JsonType::Object).or(null),
        _ if !items.is_empty() => TypeSet::of(JsonType::Array).or(null),
        _ => TypeSet::ANY,
    };
    if words.iter().flatten().any(|word| word.is_null()) {
        types = types.or(null);
    }
    Schema {
        types,
        open: properties.is_empty() && additional.is_none() && !closed,
        properties,
        required: value
            .get("required")
            .and_then(Node::as_array)
            .into_iter()
            .flatten()
            .filter_map(Node::as_str)
            .collect(),
        additional,
        items: SchemaRef::either(items),
        format: place.text("format"),
        pattern: place.text("pattern"),
        words,
        length: (
            value.get("minLength").and_then(Node::as_u64),
            value.get("maxLength").and_then(Node::as_u64),
        ),
        read_only: place.flag("readOnly"),
        write_only: place.flag("writeOnly"),
        deprecated: place.flag("deprecated"),
    }
}

/// Counts the properties of `other` as known.
fn also_known<'a>(whole: &mut Schema<'a>, other: Schema<'a>) {
    for (name, schema) in other.properties {
        whole.properties.entry(name).or_insert(schema);
    }
    if whole.additional.is_none() {
        whole.additional = other.additional;
    }
}

fn all<'a>(left: SchemaRef<'a>, right: SchemaRef<'a>) -> SchemaRef<'a> {
    SchemaRef(Expression::All(vec![left.0, right.0]))
}

fn any<'a>(left: SchemaRef<'a>, right: SchemaRef<'a>) -> SchemaRef<'a> {
    match left.0 {
        Expression::Either(mut parts) => {
            parts.push(right.0);
            SchemaRef(Expression::Either(parts))
        }
        other => SchemaRef(Expression::Either(vec![other, right.0])),
    }
}

type Combine<'a> = fn(SchemaRef<'a>, SchemaRef<'a>) -> SchemaRef<'a>;

fn merged<'a>(
    mut left: BTreeMap<&'a str, SchemaRef<'a>>,
    right: BTreeMap<&'a str, SchemaRef<'a>>,
    combine: Combine<'a>,
) -> BTreeMap<&'a str, SchemaRef<'a>> {
    for (name, schema) in right {
        let schema = match left.remove(name) {
            Some(mine) => combine(mine, schema),
            None => schema,
        };
        left.insert(name, schema);
    }
    left
}

/// Both hold.
fn both<'a>(left: Schema<'a>, mut right: Schema<'a>) -> Schema<'a> {
    let mut required = left.required;
    required.append(&mut right.required);
    Schema {
        types: left.types.and(right.types),
        properties: merged(left.properties, right.properties, all),
        required,
        additional: match (left.additional, right.additional) {
            (Some(left), Some(right)) => Some(all(left, right)),
            (left, right) => left.or(right),
        },
        items: match (left.items, right.items) {
            (Some(left), Some(right)) => Some(all(left, right)),
            (left, right) => left.or(right),
        },
        open: left.open && right.open,
        format: left.format.or(right.format),
        pattern: left.pattern.or(right.pattern),
        words: match (left.words, right.words) {
            (Some(mut left), Some(right)) => {
                left.retain(|word| right.contains(word));
                Some(left)
            }
            (left, right) => left.or(right),
        },
        length: (left.length.0.max(right.length.0), left.length.1.or(right.length.1)),
        read_only: left.read_only || right.read_only,
        write_only: left.write_only || right.write_only,
        deprecated: left.deprecated || right.deprecated,
    }
}

/// One of the two holds. What only an object promises is weighed among those that may be objects.
fn either<'a>(left: Schema<'a>, right: Schema<'a>) -> Schema<'a> {
    let object = (left.types.has(JsonType::Object), right.types.has(JsonType::Object));
    let array = (left.types.has(JsonType::Array), right.types.has(JsonType::Array));
    Schema {
        types: left.types.or(right.types),
        properties: merged(left.properties, right.properties, any),
        required: match object {
            (true, true) => left.required.intersection(&right.required).copied().collect(),
            (true, false) => left.required,
            (false, _) => right.required,
        },
        additional: match (left.additional, right.additional) {
            (Some(left), Some(right)) => Some(any(left, right)),
            (left, right) => left.or(right),
        },
        items: match (array, left.items, right.items) {
            ((true, true), Some(left), Some(right)) => Some(any(left, right)),
            ((true, true), ..) => None,
            ((true, false), items, _) | ((false, _), _, items) => items,
        },
        open: (object.0 && left.open) || (object.1 && right.open),
        format: left.format.filter(|format| right.format == Some(*format)),
        pattern: left.pattern.filter(|pattern| right.pattern == Some(*pattern)),
        words: left.words.zip(right.words).map(|(mut left, right)| {
            left.extend(right);
            left
        }),
        length: (
            left.length.0.zip(right.length.0).map(|(one, other)| one.min(other)),
            left.length.1.zip(right.length.1).map(|(one, other)| one.max(other)),
        ),
        read_only: left.read_only && right.read_only,
        write_only: left.write_only && right.write_only,
        deprecated: left.deprecated && right.deprecated,
    }
}

/// Which schemas build on which by `allOf`: what a `discriminator` may stand for.
#[derive(Debug, Default)]
pub(super) struct Subtypes(BTreeMap<Location, Vec<Location>>);

impl Subtypes {
    /// Takes in the named schemas below `holder`: `components/schemas` or `definitions`.
    pub(super) fn read(&mut self, holder: &Place<'_>) {
        for (_, schema) in holder.members() {
            for part in schema.raw("allOf").iter().flat_map(Place::items) {
                if let Some(reference) = part.text("$ref")
                    && let Ok(base) = part.sources.target(part.file, reference)
                {
                    self.0.entry(base).or_default().push(schema.location());
                }
            }
        }
    }

    /// The subtypes of `base`, by inheritance and by its discriminator's mapping.
    fn of<'a>(&self, base: &Place<'a>) -> Vec<Place<'a>> {
        let mut all: Vec<Location> = self.0.get(&base.location()).cloned().unwrap_or_default();
        let mapping = base.raw("discriminator").and_then(|one| one.raw("mapping"));
        for (_, target) in mapping.iter().flat_map(Place::members) {
            if let Some(reference) = target.value.as_str()
                && let Ok(location) = base.sources.target(base.file, reference)
            {
                all.push(location);
            }
        }
        all.sort();
        all.dedup();
        all.retain(|location| *location != base.location());
        all.iter().filter_map(|location| base.sources.at(location)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Source, Sources};
    use super::super::tree::Format;
    use super::*;
    use serde_json::json;

    /// What is said of `/s` in `document`: types, properties, required, open.
    fn said(document: serde_json::Value) -> (String, Vec<String>, Vec<String>, bool) {
        let mut sources = Sources::default();
        sources.add(Source {
            name: "a".into(),
            text: Vec::new(),
            format: Format::Json,
            value: document.into(),
            symbols: None,
            lines_before: 0,
        });
        let root = sources.root(0).unwrap();
        let mut subtypes = Subtypes::default();
        subtypes.read(&root);
        let schema = SchemaRef::one(root.raw("s").unwrap()).resolve(&subtypes);
        (
            schema.types.words(),
            schema.properties.keys().map(|name| (*name).to_owned()).collect(),
            schema.required.iter().map(|name| (*name).to_owned()).collect(),
            schema.open,
        )
    }

    fn names(all: &str) -> Vec<String> {
        all.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn schemas_add_up() {
        let a = json!({"type": "object", "properties": {"x": {}}, "required": ["x"]});
        let b = json!({"properties": {"y": {}}, "required": ["y"]});
        for (schema, types, properties, required, open) in [
            (json!({"allOf": [a, b]}), "object", "x y", "x y", false),
            (json!({"oneOf": [a, b]}), "null or object", "x y", "", false),
            (json!({"anyOf": [a, {"type": "null"}]}), "null or object", "x", "x", false),
            (json!({"oneOf": [a, {"type": "object"}]}), "object", "x", "", true),
            (json!({"type": ["string", "null"]}), "null or string", "", "", true),
            (json!({"type": "string", "nullable": true}), "null or string", "", "", true),
            (json!({"type": "number"}), "number", "", "", true),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), "object", "", "", false),
            (json!({}), "null or boolean or number or string or object or array", "", "", true),
            (json!({"allOf": [a], "description": "d", "nullable": true}), "null or object", "x", "x", false),
        ] {
            let said = said(json!({ "s": schema }));
            assert_eq!(said, (types.to_owned(), names(properties), names(required), open), "{schema}");
        }
    }

    #[test]
    fn cycles_end() {
        let cycle = json!({"s": {"allOf": [{"$ref": "#/s"}, {"$ref": "#/s"}], "properties": {"x": {}}}});
        assert_eq!(said(cycle).1, ["x"]);
        let reference = json!({"s": {"$ref": "#/t"}, "t": {"$ref": "#/s"}});
        assert!(said(reference).3);
    }

    #[test]
    fn a_discriminator_makes_the_subtypes_properties_known() {
        let document = json!({
            "s": {"type": "object", "discriminator": "kind", "properties": {"kind": {}}, "required": ["kind"]},
            "cat": {"allOf": [{"$ref": "#/s"}, {"properties": {"lives": {}}, "required": ["lives"]}]},
        });
        assert_eq!(said(document), ("object".to_owned(), names("kind lives"), names("kind"), false));
    }
}
