//! OpenAPI documents, and descriptors of gRPC services, as routes and promises.
//!
//! [`DocumentSet::load`] is handed the files of a folder, reads what is an OpenAPI document (Swagger 2.0,
//! OpenAPI 3.0, 3.1 and 3.2, JSON or YAML), follows references within and across them and tells every problem
//! with its file, line and JSON pointer; the rest of a document is still used. Nothing is ever fetched.
//!
//! Catalogues of gateways among the files are read as routes alone (`gateway`).
//!
//! The set answers two questions. *Which documented path is this?* [`DocumentSet::route`] knows hosts, base
//! paths, literals before parameters and what documents say of parameters. *What is promised there?*
//! [`Operation`]s and, resolved as far as asked, [`Schema`]s.
//!
//! Bounds: a file's size, nesting and expansion; segments of a path; servers of a URL; parts of a schema level;
//! problems told of one file.

mod constraint;
mod credential;
mod descriptors;
mod gateway;
pub(crate) mod lines;
mod load;
mod methods;
pub(crate) mod node;
mod operation;
mod reference;
mod route;
mod schema;
mod server;
mod told;
pub(crate) mod tree;
pub(crate) mod wrong;

pub use credential::Credential;
pub use descriptors::Descriptors;
pub use gateway::{Catalogue, Fit, Gateways, Route};
pub use methods::{Method, Methods};
pub use operation::{Operation, Parameter, ParameterIn, StatusPattern};
pub use route::{HostMatch, PathSegment, RouteId, Routed};
pub use schema::{Schema, SchemaRef, TypeSet};

use operation::Media;
use reference::{Location, Sources};
use route::Router;
use schema::Subtypes;
use server::HostRule;
use std::collections::{BTreeMap, BTreeSet};

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct DocumentPlace {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1, where known.
    pub line: Option<u32>,
    /// The JSON pointer (RFC 6901).
    pub pointer: String,
}

/// One OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, as the user named it.
    pub file: String,
    /// The title it gives itself.
    pub title: String,
    /// The version it gives itself.
    pub version: String,
    /// The version of the format: `2.0`, `3.1.0`.
    pub format: String,
    /// How many operations it names.
    pub operations: usize,
    source: usize,
}

/// An operation's number within its document set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u32);

/// All documents, merged: routes and what is promised at each.
#[derive(Debug, Default)]
pub struct DocumentSet {
    sources: Sources,
    documents: Vec<Document>,
    operations: Vec<Operation>,
    router: Router,
    subtypes: Subtypes,
    /// Names that an API key may have in the query, by document.
    key_parameters: BTreeMap<usize, BTreeSet<String>>,
    /// Security schemes, by document and name.
    credentials: BTreeMap<(usize, String), Credential>,
    gateways: Gateways,
}

impl DocumentSet {
    /// Whether there is no document at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The documents, by file name.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// What catalogues of gateways route. They are no documents: whether there is a document does not tell of them.
    #[must_use]
    pub const fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// Which documented path this is, whatever the method. `host` in any case, with or without port.
    #[must_use]
    pub fn route(&self, host: &str, path: &[PathSegment<'_>]) -> Option<Routed> {
        let full: Vec<_> =
            path.iter().copied().filter(|segment| *segment != PathSegment::Literal("")).collect();
        self.router.find(&host_name(host), &full)
    }

    /// [`DocumentSet::route`] for a request with a method.
    ///
    /// `POST /configs/create` is not `/configs/{id}` when that has no `POST`: a plain word at the end of a path
    /// is then taken for what it says, not for an identifier, and the path for one that no document names.
    #[must_use]
    pub fn route_request(&self, host: &str, method: &str, path: &[PathSegment<'_>]) -> Option<Routed> {
        let routed = self.route(host, path)?;
        let last = path.iter().rev().find(|segment| **segment != PathSegment::Literal(""));
        let word = matches!(last, Some(PathSegment::Literal(text)) if constraint::is_word(text));
        let whole = self.template(routed.route).trim_end_matches('/').rsplit('/').next();
        let swallowed = word && whole.is_some_and(|last| last.starts_with('{') && last.ends_with('}'));
        if !swallowed || matches!(method, "HEAD" | "OPTIONS") {
            return Some(routed);
        }
        let operations = self.operations_at(routed.route, host);
        let mut named = operations.into_iter().filter_map(|id| self.operation(id));
        named.any(|operation| operation.method == method).then_some(routed)
    }

    /// [`DocumentSet::route_request`] for a path that several methods were used on: one that fits will do.
    #[must_use]
    pub fn route_requests(&self, host: &str, methods: &[&str], path: &[PathSegment<'_>]) -> Option<Routed> {
        methods.iter().find_map(|method| self.route_request(host, method, path))
    }

    /// [`DocumentSet::route`] for a path or template as text.
    #[must_use]
    pub fn route_path(&self, host: &str, path: &str) -> Option<Routed> {
        self.route(host, &path_segments(path))
    }

    /// [`DocumentSet::route_request`] for a path or template as text.
    #[must_use]
    pub fn route_request_path(&self, host: &str, method: &str, path: &str) -> Option<Routed> {
        self.route_request(host, method, &path_segments(path))
    }

    /// Whether the document of `operation` names this method for any path.
    #[must_use]
    pub fn document_uses(&self, operation: &Operation, method: &str) -> bool {
        self.operations.iter().any(|one| one.file == operation.file && one.method == method)
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = RouteId> {
        (0..u32::try_from(self.router.routes().len()).unwrap_or(u32::MAX)).map(RouteId)
    }

    /// The path template of a route as documented, with base path: `/v1/accounts/{accountId}`.
    #[must_use]
    pub fn template(&self, route: RouteId) -> &str {
        self.router.route(route).map_or("", |route| &route.template)
    }

    /// All operations of a route, whatever the method: those of documents whose servers fit `host` best.
    #[must_use]
    pub fn operations_at(&self, route: RouteId, host: &str) -> Vec<OperationId> {
        self.router
            .operations(route, &host_name(host))
            .into_iter()
            .filter_map(|n| u32::try_from(n).ok())
            .map(OperationId)
            .collect()
    }

    /// Every operation and the routes it has, one for each base path.
    pub fn operations(&self) -> impl Iterator<Item = (OperationId, &Operation)> {
        self.operations
            .iter()
            .enumerate()
            .filter_map(|(n, one)| Some((OperationId(u32::try_from(n).ok()?), one)))
    }

    /// One operation.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(id.0 as usize)
    }

    /// Where an operation lives as its document's first server has it: host, empty when none is named, and
    /// the path template with base path.
    #[must_use]
    pub fn home(&self, operation: &Operation) -> (String, String) {
        let (host, base) = operation.servers.first().map_or(("", ""), |server| {
            let host = match &server.host {
                HostRule::Exact(name) => name.as_str(),
                HostRule::Pattern(_) | HostRule::Any => "",
            };
            (host, &server.base)
        });
        (host.to_owned(), full_template(base, &operation.path))
    }

    /// The base path below which `document` serves `path` on `host`, the longest of its servers'; `None` when none of its
    /// servers does.
    #[must_use]
    pub fn base_of(&self, document: &Document, host: &str, path: &str) -> Option<String> {
        let root = self.sources.root(document.source)?;
        let servers = server::of_document(&root);
        let host = host_name(host);
        let below = |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        let fitting = servers.into_iter().filter(|one| one.host.matches(&host) && below(&one.base));
        fitting.map(|one| one.base).max_by_key(String::len)
    }

    /// How the documents name `host`; [`HostMatch::Shape`] when they do not.
    #[must_use]
    pub fn naming(&self, host: &str) -> HostMatch {
        self.router.naming(&host_name(host))
    }

    /// The document an operation stands in.
    #[must_use]
    pub fn document_of(&self, operation: &Operation) -> Option<&Document> {
        self.documents.iter().find(|document| document.source == operation.file)
    }

    /// One level of a schema.
    #[must_use]
    pub fn schema<'a>(&'a self, schema: &SchemaRef<'a>) -> Schema<'a> {
        schema.resolve(&self.subtypes)
    }

    /// What is said of a parameter's values.
    #[must_use]
    pub fn parameter_schema(&self, parameter: &Parameter) -> Option<Schema<'_>> {
        let place = self.sources.at(parameter.schema()?)?;
        Some(SchemaRef::one(place).resolve(&self.subtypes))
    }

    /// The names that `operation` lets a query have, whether each is marked for retirement, and whether any
    /// other may stand there too.
    #[must_use]
    pub fn query_names<'a>(&'a self, operation: &'a Operation) -> (BTreeMap<&'a str, bool>, bool) {
        let mut names = BTreeMap::new();
        let mut any = false;
        for parameter in &operation.parameters {
            if !matches!(parameter.location, ParameterIn::Query | ParameterIn::QueryString) {
                continue;
            }
            let schema = self.parameter_schema(parameter);
            let (more, open) = operation::query_names(parameter, schema.as_ref());
            any |= open;
            names.extend(more.into_iter().map(|name| (name, parameter.deprecated)));
        }
        let keys = self.key_parameters.get(&operation.file);
        for key in keys.into_iter().flatten() {
            names.entry(key).or_insert(false);
        }
        (names, any)
    }

    /// Whether every request must have a credential in `Authorization`: each alternative of the security
    /// requirements has a scheme that travels there.
    #[must_use]
    pub fn demands_authorization(&self, operation: &Operation) -> bool {
        operation.security.as_ref().is_some_and(|alternatives| {
            !alternatives.is_empty()
                && alternatives.iter().all(|schemes| {
                    let known = |name: &String| self.credentials.get(&(operation.file, name.clone()));
                    schemes.iter().filter_map(known).any(|one| one.is_in_authorization())
                })
        })
    }

    /// The credentials that any alternative of the security requirements asks for; `None` when nothing is said, when
    /// none is needed, or when a scheme is not known.
    #[must_use]
    pub fn credentials(&self, operation: &Operation) -> Option<BTreeSet<Credential>> {
        let alternatives = operation.security.as_ref().filter(|all| !all.is_empty())?;
        if alternatives.iter().any(Vec::is_empty) {
            return None;
        }
        let known = |name: &String| self.credentials.get(&(operation.file, name.clone())).copied();
        alternatives.iter().flatten().map(known).collect()
    }

    fn media_schema(&self, operation: &Operation, all: &[Media]) -> Option<SchemaRef<'_>> {
        let places = all
            .iter()
            .take(if operation.one_schema { 1 } else { all.len() })
            .filter(|media| operation.one_schema || operation::is_structured(&media.essence))
            .filter_map(|media| self.sources.at(media.schema.as_ref()?));
        operation::body_schema(places)
    }

    /// What `operation` promises of answers of this status.
    #[must_use]
    pub fn response_schema(&self, operation: &Operation, answer: StatusPattern) -> Option<SchemaRef<'_>> {
        let media = operation.responses.get(&answer)?;
        self.media_schema(operation, media)
    }

    /// What `operation` lets a request's body be.
    #[must_use]
    pub fn request_schema(&self, operation: &Operation) -> Option<SchemaRef<'_>> {
        self.media_schema(operation, &operation.request)
    }

    /// Whether an answer's media type is documented; `None` when the document names none for it.
    #[must_use]
    pub fn response_media(
        &self,
        operation: &Operation,
        answer: StatusPattern,
        essence: &str,
    ) -> Option<bool> {
        media_documented(operation.responses.get(&answer)?, essence)
    }

    /// Whether a request's media type is documented; `None` when the document names none.
    #[must_use]
    pub fn request_media(&self, operation: &Operation, essence: &str) -> Option<bool> {
        media_documented(&operation.request, essence)
    }

    /// Where an operation stands.
    #[must_use]
    pub fn place_of(&self, operation: &Operation) -> DocumentPlace {
        self.place(&Location { file: operation.file, pointer: operation.pointer.clone() })
    }

    /// Where a parameter stands.
    #[must_use]
    pub fn place_of_parameter(&self, parameter: &Parameter) -> DocumentPlace {
        self.place(parameter.place())
    }

    /// Where a schema, or its first part, stands.
    #[must_use]
    pub fn place_of_schema(&self, schema: &SchemaRef<'_>) -> Option<DocumentPlace> {
        schema.location().map(|location| self.place(&location))
    }

    fn place(&self, location: &Location) -> DocumentPlace {
        let symbols = self.sources.files().get(location.file).and_then(|source| source.symbols.as_ref());
        if let Some(symbol) = symbols.and_then(|all| descriptors::symbol(all, &location.pointer)) {
            return DocumentPlace {
                file: symbol.file.clone(),
                line: symbol.line,
                pointer: symbol.name.clone(),
            };
        }
        DocumentPlace {
            file: self.sources.name(location.file).to_owned(),
            line: None,
            pointer: location.pointer.clone(),
        }
    }

    /// Fills in the lines of `places`, each file scanned once.
    pub fn find_lines<'p>(&self, places: impl IntoIterator<Item = &'p mut DocumentPlace>) {
        let mut by_file: BTreeMap<String, Vec<&'p mut DocumentPlace>> = BTreeMap::new();
        for place in places {
            by_file.entry(place.file.clone()).or_default().push(place);
        }
        // Symbols of descriptors have their lines.
        for source in self.sources.files().iter().filter(|source| source.symbols.is_none()) {
            let Some(places) = by_file.remove(&source.name) else { continue };
            let lines = {
                let pointers = places.iter().map(|place| place.pointer.as_str());
                lines::lines_of(&source.text, source.format, pointers)
            };
            for place in places {
                place.line = lines.get(&place.pointer).copied();
            }
        }
    }
}

/// Base path and path as one.
fn full_template(base: &str, path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{path}")
}

/// The segments of a path or template: `{name}` is a value.
fn path_segments(path: &str) -> Vec<PathSegment<'_>> {
    path.split('/')
        .map(|text| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) if !name.contains(['{', '}']) => PathSegment::Value,
            Some(_) | None => PathSegment::Literal(text),
        })
        .collect()
}

fn media_documented(media: &[Media], essence: &str) -> Option<bool> {
    if media.is_empty() {
        return None;
    }
    let essence = operation::essence(essence);
    Some(media.iter().any(|one| operation::media_matches(&one.essence, &essence)))
}

/// A host in lower case, without port.
fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whatever the bytes, loading answers, and what was loaded routes.
pub fn fuzz(data: &[u8]) {
    let half = data.len() / 2;
    let (left, right) = data.split_at(half);
    let (set, _) = DocumentSet::load(vec![("a.yaml".to_owned(), data.to_vec())]);
    for route in set.routes() {
        assert!(set.route_path("", set.template(route)).is_some() || !set.template(route).is_empty());
    }
    let (set, problems) =
        DocumentSet::load(vec![("a.json".to_owned(), left.to_vec()), ("b.yaml".to_owned(), right.to_vec())]);
    assert!(set.documents().len() <= 2);
    assert!(problems.as_slice().len() <= 4 * (told::MAX_PROBLEMS + 2));
}

#[cfg(test)]
mod tests;
