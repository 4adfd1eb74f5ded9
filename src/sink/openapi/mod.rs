//! The inventory as OpenAPI 3.1: a document for each service, of what was seen and nothing else.
//!
//! ```text
//!  endpoints of a service ─▶ paths, each with its methods ─▶ parameters, bodies, answers, security ─▶ one document
//! ```
//!
//! Names and templates are those that the inventory shows; types and formats come from inferred shapes. No value is
//! written, so there are no examples; enumerations stand only where their words were gathered because somebody asked for
//! them. What was counted stands beside it as `x-spanlight`. Only operations of APIs are
//! told, not files, scanners, health checks and preflights. The same inventory gives the same bytes, and holding the
//! traffic against its own document finds nothing undocumented.

mod operation;
mod overlay;
mod schema;
mod security;
mod tree;

pub use overlay::{Addition, overlay};
pub use tree::Node;

use crate::classify::Classifier;
use crate::inventory::facts::EndpointFacts;
use crate::inventory::{Endpoint, EndpointClass, Inventory, nameless, privacy};
use crate::merge::Merge;
use crate::time::Timestamp;
use security::Schemes;
use std::collections::{BTreeMap, BTreeSet};

/// The methods that OpenAPI 3.1 knows, in the order it names them.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// What stands for a tenant in a host.
const TENANT: &str = "{tenant}";

/// The document of one service.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The service: its host, of several the one called most; empty where no exchange named one.
    pub service: String,
    /// The document.
    pub document: Node,
    /// Operations in it.
    pub operations: usize,
    /// Operations whose method OpenAPI has no word for, so that they are not in it.
    pub left_out: usize,
}

impl Exported {
    /// A name for its file, without ending.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        let stem: String = self
            .service
            .replace(TENANT, "tenant")
            .chars()
            .map(|letter| if plain(letter) { letter } else { '_' })
            .collect();
        let stem = stem.trim_matches(['.', '_']);
        if stem.is_empty() { "no-host".to_owned() } else { stem.to_owned() }
    }
}

/// The documents of all services that have operations of APIs, by the name of the service.
#[must_use]
pub fn documents(inventory: &Inventory, classifier: &Classifier) -> Vec<Exported> {
    let mut services: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in inventory.endpoints.iter().filter(|one| one.class == EndpointClass::Api) {
        services.entry(service_of(endpoint)).or_default().push(endpoint);
    }
    services.into_iter().map(|(service, endpoints)| document(service, &endpoints, classifier)).collect()
}

/// A service's name; an endpoint that belongs to none is of its host's.
fn service_of(endpoint: &Endpoint) -> &str {
    let name = endpoint.service.name.as_str();
    if name.is_empty() { &endpoint.key.host } else { name }
}

/// One path with all that was seen of it, whatever the host.
struct Path<'a> {
    /// As it is shown, with parameters that differ in name.
    template: String,
    parameters: Vec<PathParameter>,
    methods: BTreeMap<&'a str, Vec<&'a Endpoint>>,
}

/// A parameter of a path.
struct PathParameter {
    name: String,
    /// The segment it stands in, from 0.
    segment: usize,
    /// The type of most of its values, where all methods agree.
    kind: &'static str,
}

fn document(service: &str, endpoints: &[&Endpoint], classifier: &Classifier) -> Exported {
    let title = if service.is_empty() { "Requests without a host" } else { service };
    let mut paths: BTreeMap<String, Path<'_>> = BTreeMap::new();
    for endpoint in endpoints {
        let path = paths.entry(nameless(&endpoint.key.template)).or_insert_with(|| Path::of(endpoint));
        path.take(endpoint);
    }
    let mut schemes = Schemes::default();
    let mut ids = BTreeSet::new();
    let (mut operations, mut left_out) = (0, 0);
    let mut items = Node::map();
    let mut all: Vec<&Path<'_>> = paths.values().collect();
    all.sort_by_key(|path| &path.template);
    for path in all {
        let mut item = Node::map();
        let parameters = path.parameters(classifier);
        if !parameters.is_empty() {
            item.set("parameters", parameters);
        }
        let methods = path.operations((&mut schemes, &mut ids), classifier);
        left_out += path.methods.len() - methods.len();
        if !methods.is_empty() {
            operations += methods.len();
            for (method, operation) in methods {
                item.set(&method, operation);
            }
            items.set(&path.template, item);
        }
    }
    let first = endpoints.iter().map(|one| one.facts.first_seen).min();
    let last = endpoints.iter().map(|one| one.facts.last_seen).max();
    let mut evidence = Node::map()
        .with("generator", concat!("spanlight ", env!("CARGO_PKG_VERSION")))
        .with("requests", endpoints.iter().map(|one| one.facts.requests).sum::<u64>());
    if let (Some(first), Some(last)) = (first, last) {
        evidence.set("first_seen", first.to_string());
        evidence.set("last_seen", last.to_string());
    }
    if left_out > 0 {
        evidence.set("operations_left_out", left_out as u64);
    }
    let version = last.map_or_else(String::new, Timestamp::date);
    let info = Node::map().with("title", title).with("version", version).with(
        "description",
        "What was seen in traffic: learnt by Spanlight, not written by the API's owner.",
    );
    let mut document = Node::map().with("openapi", "3.1.0").with("info", info);
    document.set("servers", servers(endpoints));
    document.set("paths", items);
    let schemes = schemes.into_node();
    if !schemes.is_empty() {
        document.set("components", Node::map().with("securitySchemes", schemes));
    }
    document.set("x-spanlight", evidence);
    Exported { service: service.to_owned(), document, operations, left_out }
}

/// Where the service is. A scheme that was not seen is left open, as behind whoever ended TLS.
fn servers(endpoints: &[&Endpoint]) -> Vec<Node> {
    let mut hosts: BTreeMap<&str, bool> = BTreeMap::new();
    for endpoint in endpoints {
        *hosts.entry(&endpoint.key.host).or_default() |= endpoint.facts.tls > 0;
    }
    hosts.retain(|host, _| !host.is_empty() && *host != privacy::NO_HOST);
    if hosts.is_empty() {
        return vec![Node::map().with("url", "/")];
    }
    let server = |(host, tls): (&str, bool)| {
        let host_text = host.replace("{…}", TENANT);
        let scheme = if tls { "https:" } else { "" };
        let mut server = Node::map().with("url", format!("{scheme}//{host_text}"));
        if host_text.contains(TENANT) {
            let variable = Node::map().with("default", "tenant");
            server.set("variables", Node::map().with("tenant", variable));
        }
        server
    };
    hosts.into_iter().map(server).collect()
}

impl<'a> Path<'a> {
    fn of(endpoint: &Endpoint) -> Self {
        let mut template = String::new();
        let mut parameters: Vec<PathParameter> = Vec::new();
        let segments = endpoint.key.template.split('/').filter(|segment| !segment.is_empty());
        for (segment, text) in segments.enumerate() {
            template.push('/');
            let mut rest = text;
            while let Some((before, inner)) = rest.split_once('{') {
                let Some((name, after)) = inner.split_once('}') else { break };
                // What may not be shown is a parameter here.
                let stem = if name == "…" || name.is_empty() { "hidden" } else { name };
                let mut name = stem.to_owned();
                let mut number = 2;
                while parameters.iter().any(|known| known.name == name) {
                    name = format!("{stem}{number}");
                    number += 1;
                }
                template.push_str(before);
                template.push('{');
                template.push_str(&name);
                template.push('}');
                parameters.push(PathParameter { name, segment, kind: "" });
                rest = after;
            }
            template.push_str(rest);
        }
        if template.is_empty() {
            template.push('/');
        }
        Self { template, parameters, methods: BTreeMap::new() }
    }

    fn take(&mut self, endpoint: &'a Endpoint) {
        for parameter in &mut self.parameters {
            let own = endpoint.parameters.iter().find(|one| one.segment == parameter.segment);
            let kind = own.map_or("string", |own| own.kind);
            parameter.kind =
                if parameter.kind.is_empty() || parameter.kind == kind { kind } else { "string" };
        }
        self.methods.entry(&endpoint.key.method).or_default().push(endpoint);
    }

    /// The operations that OpenAPI has a word for, by method in lower case.
    fn operations(
        &self,
        (schemes, ids): (&mut Schemes, &mut BTreeSet<String>),
        classifier: &Classifier,
    ) -> Vec<(String, Node)> {
        let known = METHODS.into_iter().filter_map(|method| Some((method, self.methods.get(method)?)));
        known
            .map(|(method, found)| {
                let operation =
                    operation::of(method, self, &Merged::of(found), (&mut *schemes, &mut *ids), classifier);
                (method.to_ascii_lowercase(), operation)
            })
            .collect()
    }

    /// The parameters as the document has them, above its operations.
    fn parameters(&self, classifier: &Classifier) -> Vec<Node> {
        let one = |parameter: &PathParameter| {
            let schema = match parameter.kind {
                "integer" => Node::map().with("type", "integer"),
                "uuid" => Node::map().with("type", "string").with("format", "uuid"),
                "date" => Node::map().with("type", "string").with("format", "date"),
                _ => Node::map().with("type", "string"),
            };
            let mut node = Node::map()
                .with("name", parameter.name.as_str())
                .with("in", "path")
                .with("required", true)
                .with("schema", schema);
            let classes = operation::path_classes(self, parameter, classifier);
            if !classes.is_empty() {
                node.set("x-spanlight", Node::map().with("classes", classes));
            }
            node
        };
        self.parameters.iter().map(one).collect()
    }
}

/// The endpoints that are one operation, on all hosts of the service.
struct Merged<'a> {
    endpoints: &'a [&'a Endpoint],
    facts: std::borrow::Cow<'a, EndpointFacts>,
}

impl<'a> Merged<'a> {
    fn of(endpoints: &'a [&'a Endpoint]) -> Self {
        let facts = match endpoints {
            [only] => std::borrow::Cow::Borrowed(&only.facts),
            several => {
                let mut facts = EndpointFacts::default();
                for one in several {
                    facts.absorb(one.facts.clone());
                }
                std::borrow::Cow::Owned(facts)
            }
        };
        Self { endpoints, facts }
    }
}

#[cfg(test)]
mod tests;
