//! Operations: what a document promises of one method of one path.

use super::node::Node;
use super::reference::{Location, Place};
use super::route::MAX_SEGMENTS;
use super::schema::SchemaRef;
use super::server::{self, Server};
use std::collections::{BTreeMap, BTreeSet};

/// The methods a path item may have as members, in OpenAPI's order; `query` is new in 3.2.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Whether a key of a path item is a method.
pub(super) fn is_method(key: &str) -> bool {
    METHODS.contains(&key)
}

/// Which generation of the format a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    Swagger2,
    OpenApi3,
}

/// Where a parameter travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParameterIn {
    /// A segment of the path, or a part of one.
    Path,
    /// The query.
    Query,
    /// The whole query as one value (OpenAPI 3.2).
    QueryString,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// A field of a form (Swagger 2).
    Form,
    /// The body (Swagger 2).
    Body,
}

/// One documented parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Where it travels.
    pub location: ParameterIn,
    /// Its name, as written.
    pub name: String,
    /// Whether a request must have it.
    pub required: bool,
    /// Whether it is marked for retirement.
    pub deprecated: bool,
    /// Whether its properties stand in the query on their own (`style: form` and `explode`).
    exploded: bool,
    place: Location,
    schema: Option<Location>,
}

impl Parameter {
    pub(super) fn schema(&self) -> Option<&Location> {
        self.schema.as_ref()
    }

    pub(super) const fn place(&self) -> &Location {
        &self.place
    }

    pub(super) const fn exploded(&self) -> bool {
        self.exploded
    }
}

/// The statuses a documented answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusPattern {
    /// This one.
    Exact(u16),
    /// A hundred of them: `4XX`.
    Class(u16),
    /// All that are not named.
    Default,
}

impl StatusPattern {
    fn read(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        if let Some(class) = text.strip_suffix("XX").or_else(|| text.strip_suffix("xx")) {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|status| (100..1000).contains(status)).map(Self::Exact)
    }
}

/// One media type of a documented body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    /// In lower case, without parameters; empty when the document names none.
    pub(super) essence: String,
    pub(super) schema: Option<Location>,
}

/// One documented operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The document, by its position among the files that were given.
    pub(super) file: usize,
    /// The method in upper case.
    pub method: String,
    /// The path as written, without base path.
    pub path: String,
    /// The name a document gives it.
    pub operation_id: Option<String>,
    /// Whether it is marked for retirement.
    pub deprecated: bool,
    /// The day it will be gone, as `x-sunset` has it.
    pub sunset: Option<String>,
    /// Its parameters, those of its path included.
    pub parameters: Vec<Parameter>,
    /// Its security requirements: alternatives of schemes that hold together; `None` when nothing is said.
    pub security: Option<Vec<Vec<String>>>,
    pub(super) pointer: String,
    pub(super) servers: Vec<Server>,
    pub(super) request: Vec<Media>,
    pub(super) responses: BTreeMap<StatusPattern, Vec<Media>>,
    /// Whether a schema holds whatever the media type, as Swagger 2 has it.
    pub(super) one_schema: bool,
}

impl Operation {
    /// The statuses it names, with the media types of each.
    pub fn answers(&self) -> impl Iterator<Item = (StatusPattern, impl Iterator<Item = &str>)> {
        self.responses.iter().map(|(status, media)| (*status, media.iter().map(|one| one.essence.as_str())))
    }

    /// The media types of its requests.
    pub fn request_media(&self) -> impl Iterator<Item = &str> {
        self.request.iter().map(|one| one.essence.as_str())
    }

    /// Which documented answer is for `status`: itself, its class, the default.
    #[must_use]
    pub fn response_for(&self, status: u16) -> Option<StatusPattern> {
        [StatusPattern::Exact(status), StatusPattern::Class(status / 100), StatusPattern::Default]
            .into_iter()
            .find(|pattern| self.responses.contains_key(pattern))
    }

    /// Whether the document names any answer at all.
    #[must_use]
    pub fn names_responses(&self) -> bool {
        !self.responses.is_empty()
    }

    /// The fields a form may have, where the document names them one by one (Swagger 2).
    #[must_use]
    pub fn form_fields(&self) -> Option<BTreeSet<&str>> {
        let names: BTreeSet<&str> = self
            .parameters
            .iter()
            .filter(|one| one.location == ParameterIn::Form)
            .map(|one| one.name.as_str())
            .collect();
        (!names.is_empty()).then_some(names)
    }

    /// Whether an answer of the 200s is documented.
    #[must_use]
    pub fn names_success(&self) -> bool {
        self.responses.keys().any(|pattern| match pattern {
            StatusPattern::Exact(status) => status / 100 == 2,
            StatusPattern::Class(class) => *class == 2,
            StatusPattern::Default => false,
        })
    }
}

/// One document on its way to operations.
pub(super) struct Reader<'a, 'p> {
    pub(super) generation: Generation,
    pub(super) root: Place<'a>,
    /// Told of everything that makes no sense: the place and what is wrong.
    pub(super) odd: &'p mut dyn FnMut(&Place<'_>, &str),
}

impl<'a> Reader<'a, '_> {
    /// All operations of the document.
    pub(super) fn operations(&mut self) -> Vec<Operation> {
        let servers = match self.generation {
            Generation::Swagger2 => server::swagger(&self.root),
            Generation::OpenApi3 => {
                server::named(&self.root, self.odd).unwrap_or_else(|| vec![Server::anywhere()])
            }
        };
        let mut all = Vec::new();
        let Some(paths) = self.root.get("paths") else {
            if !["webhooks", "components"].into_iter().any(|key| self.root.value.get(key).is_some()) {
                (self.odd)(&self.root, "no `paths`: this document names no operations");
            }
            return all;
        };
        if paths.object().is_none() {
            (self.odd)(&paths, "`paths` must be an object");
        }
        for (path, item) in paths.members() {
            if path.starts_with("x-") {
                continue;
            }
            // What stands beside a `$ref` comes first.
            let items: Vec<_> = [Some(item.clone()), item.clone().followed().ok()]
                .into_iter()
                .flatten()
                .filter(|one| one.object().is_some())
                .collect();
            if items.is_empty() {
                (self.odd)(&item, "a path item must be an object");
                continue;
            }
            if !path.starts_with('/') {
                (self.odd)(&item, "a path must begin with `/`; it is read as if it did");
            }
            if path.contains(['?', '#']) {
                (self.odd)(
                    &item,
                    "a path has neither query nor fragment; what follows `?` or `#` is left out",
                );
            }
            if path.split('/').count() > MAX_SEGMENTS {
                (self.odd)(&item, "a path of more segments than are read");
                continue;
            }
            let from = all.len();
            for (n, item) in items.iter().enumerate() {
                if n > 0 && item.pointer == items.first().map_or("", |first| &first.pointer) {
                    continue;
                }
                self.path_item(path, item, &servers, &mut all, from);
            }
        }
        all
    }

    fn path_item(
        &mut self,
        path: &str,
        item: &Place<'a>,
        servers: &[Server],
        all: &mut Vec<Operation>,
        from: usize,
    ) {
        let own = server::named(item, self.odd);
        let servers = own.as_deref().unwrap_or(servers);
        let mut found: Vec<(String, Place<'a>)> = METHODS
            .into_iter()
            .filter_map(|method| Some((method.to_ascii_uppercase(), item.raw(method)?)))
            .collect();
        if let Some(more) = item.raw("additionalOperations") {
            found.extend(more.members().map(|(method, one)| (method.to_owned(), one)));
        }
        for (method, operation) in found {
            let Ok(operation) = operation.followed() else { continue };
            if operation.object().is_none() {
                (self.odd)(&operation, "an operation must be an object");
                continue;
            }
            if all.iter().skip(from).any(|known| known.method == method) {
                continue;
            }
            let operation = self.operation(path, method, item, &operation, servers);
            all.push(operation);
        }
    }

    fn operation(
        &mut self,
        path: &str,
        method: String,
        item: &Place<'a>,
        place: &Place<'a>,
        servers: &[Server],
    ) -> Operation {
        let mut parameters: Vec<Parameter> = Vec::new();
        for holder in [item, place] {
            for one in holder.get("parameters").iter().flat_map(Place::items) {
                let Some(one) = self.parameter(one) else { continue };
                parameters.retain(|known| (known.location, &known.name) != (one.location, &one.name));
                parameters.push(one);
            }
        }
        let servers = server::named(place, self.odd).unwrap_or_else(|| servers.to_vec());
        Operation {
            file: self.root.file,
            method,
            path: path.to_owned(),
            operation_id: place.text("operationId").map(str::to_owned),
            deprecated: place.flag("deprecated"),
            sunset: place.text("x-sunset").map(str::to_owned),
            security: security(place).or_else(|| security(&self.root)),
            pointer: place.pointer.clone(),
            servers,
            request: self.request(place, &parameters),
            responses: self.responses(place),
            one_schema: self.generation == Generation::Swagger2,
            parameters,
        }
    }

    fn parameter(&mut self, place: Place<'a>) -> Option<Parameter> {
        let place = place.followed().ok()?;
        let location = match place.text("in") {
            Some("path") => ParameterIn::Path,
            Some("query") => ParameterIn::Query,
            Some("querystring") => ParameterIn::QueryString,
            Some("header") => ParameterIn::Header,
            Some("cookie") => ParameterIn::Cookie,
            Some("formData") => ParameterIn::Form,
            Some("body") => ParameterIn::Body,
            Some(_) | None => {
                (self.odd)(&place, "a parameter needs `in`: path, query, header or cookie");
                return None;
            }
        };
        let Some(name) = place.text("name").or((location == ParameterIn::QueryString).then_some("")) else {
            (self.odd)(&place, "a parameter needs a `name`");
            return None;
        };
        let schema = place.raw("schema").or_else(|| {
            let content = place.get("content")?;
            let first = content.members().next()?.1.followed().ok()?;
            first.raw("schema")
        });
        let schema = match (schema, self.generation) {
            (Some(schema), _) => Some(schema.location()),
            // Swagger 2 writes the schema of a simple parameter into the parameter itself.
            (None, Generation::Swagger2) => Some(place.location()),
            (None, Generation::OpenApi3) => None,
        };
        let form = place.text("style").is_none_or(|style| style == "form");
        Some(Parameter {
            location,
            name: name.to_owned(),
            required: place.flag("required"),
            deprecated: place.flag("deprecated"),
            exploded: self.generation == Generation::OpenApi3
                && form
                && place.value.get("content").is_none()
                && place.value.get("explode").and_then(Node::as_bool).unwrap_or(true),
            place: place.location(),
            schema,
        })
    }

    fn request(&mut self, place: &Place<'a>, parameters: &[Parameter]) -> Vec<Media> {
        match self.generation {
            Generation::OpenApi3 => place.get("requestBody").map(|body| content(&body)).unwrap_or_default(),
            Generation::Swagger2 => {
                let body = parameters.iter().find(|one| one.location == ParameterIn::Body);
                let form = parameters.iter().any(|one| one.location == ParameterIn::Form);
                if body.is_none() && !form {
                    return Vec::new();
                }
                let schema = body.and_then(|one| one.schema.clone());
                self.media_list(place, "consumes", schema.as_ref())
            }
        }
    }

    fn responses(&mut self, place: &Place<'a>) -> BTreeMap<StatusPattern, Vec<Media>> {
        let mut all = BTreeMap::new();
        let Some(responses) = place.get("responses") else { return all };
        for (key, response) in responses.members() {
            if key.starts_with("x-") {
                continue;
            }
            let Some(pattern) = StatusPattern::read(key) else {
                (self.odd)(&response, "not a status: write 200, 2XX or default");
                continue;
            };
            // A response whose reference leads nowhere is still documented.
            let media = match (response.followed(), self.generation) {
                (Err(_), _) => Vec::new(),
                (Ok(response), Generation::OpenApi3) => content(&response),
                (Ok(response), Generation::Swagger2) => match response.raw("schema") {
                    Some(schema) => self.media_list(place, "produces", Some(&schema.location())),
                    None => Vec::new(),
                },
            };
            all.insert(pattern, media);
        }
        all
    }

    /// Swagger 2: the media types of an operation or, when it names none, of the document, all of one schema.
    fn media_list(&self, operation: &Place<'a>, key: &str, schema: Option<&Location>) -> Vec<Media> {
        let list = operation.get(key).or_else(|| self.root.get(key));
        let mut all: Vec<Media> = list
            .iter()
            .flat_map(Place::items)
            .filter_map(|one| one.value.as_str())
            .map(|text| Media { essence: essence(text), schema: schema.cloned() })
            .collect();
        if all.is_empty() {
            all.push(Media { essence: String::new(), schema: schema.cloned() });
        }
        all
    }
}

/// OpenAPI 3: the `content` of a request body or response.
fn content(holder: &Place<'_>) -> Vec<Media> {
    holder
        .get("content")
        .iter()
        .flat_map(Place::members)
        .map(|(name, media)| {
            let media = media.followed().ok();
            let schema = media.and_then(|media| media.raw("schema").or_else(|| media.raw("itemSchema")));
            Media { essence: essence(name), schema: schema.map(|schema| schema.location()) }
        })
        .collect()
}

fn security(holder: &Place<'_>) -> Option<Vec<Vec<String>>> {
    let list = holder.get("security")?;
    list.value
        .is_array()
        .then(|| list.items().map(|one| one.members().map(|(name, _)| name.to_owned()).collect()).collect())
}

/// A media type in lower case, without parameters.
pub(super) fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a body of type `seen` is what `documented` says; both are essences, either may be `*/*` or `text/*`.
pub(super) fn media_matches(documented: &str, seen: &str) -> bool {
    let Some((kind, subtype)) = documented.split_once('/') else { return documented.is_empty() };
    let Some((seen_kind, seen_subtype)) = seen.split_once('/') else { return false };
    (kind == "*" || kind == seen_kind) && (subtype == "*" || subtype == seen_subtype)
}

/// Whether bodies of this type have a shape: JSON in its many names, forms, and whatever is not said.
pub(super) fn is_structured(essence: &str) -> bool {
    essence.is_empty()
        || essence.contains("json")
        || essence == "application/x-www-form-urlencoded"
        || essence == "multipart/form-data"
        || essence.ends_with("/*")
}

/// The names that may stand in a query because of `parameter`, and whether any may.
pub(super) fn query_names<'a>(
    parameter: &'a Parameter,
    schema: Option<&super::Schema<'a>>,
) -> (BTreeSet<&'a str>, bool) {
    let mut names = BTreeSet::from([parameter.name.as_str()]);
    let mut any = parameter.location == ParameterIn::QueryString;
    if parameter.exploded()
        && let Some(schema) = schema
        && schema.types.has(crate::schema::JsonType::Object)
        && schema.types != super::TypeSet::ANY
    {
        names.extend(schema.properties.keys());
        any |= schema.open || schema.additional.is_some();
    }
    (names, any)
}

/// The schema of a body: what any of the structured media types says.
pub(super) fn body_schema<'a>(places: impl Iterator<Item = Place<'a>>) -> Option<SchemaRef<'a>> {
    SchemaRef::either(places.map(SchemaRef::one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_exact_a_class_or_the_default() {
        for (text, expected) in [
            ("200", Some(StatusPattern::Exact(200))),
            ("4XX", Some(StatusPattern::Class(4))),
            ("5xx", Some(StatusPattern::Class(5))),
            ("default", Some(StatusPattern::Default)),
            ("20", None),
            ("ok", None),
            ("9XX", None),
        ] {
            assert_eq!(StatusPattern::read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_media_type_may_be_a_range() {
        for (documented, seen, expected) in [
            ("application/json", "application/json", true),
            ("application/*", "application/json", true),
            ("*/*", "text/html", true),
            ("", "text/html", true),
            ("application/json", "application/problem+json", false),
        ] {
            assert_eq!(media_matches(documented, seen), expected, "{documented} {seen}");
        }
    }
}
