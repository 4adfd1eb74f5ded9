//! One operation: its parameters, bodies, answers and evidence.

use super::schema::{self, classes};
use super::security::Schemes;
use super::tree::Node;
use super::{Merged, Path, PathParameter};
use crate::caller::{is_key_header, is_key_parameter};
use crate::classify::Classifier;
use crate::classify::evidence::{FieldEvidence, Location, State};
use crate::inventory::facts::{BodyShape, EndpointFacts};
use crate::inventory::inspect::{data_fields, name_class};
use crate::lake::rows;
use std::collections::{BTreeMap, BTreeSet};

/// Requests that had a header, from which on it is a parameter: one client's own words are none.
const MIN_HEADERS: u64 = 5;
/// The share of requests that must have had it, as a divisor.
const HEADER_SHARE: u64 = 10;

/// Headers of proxies, browsers, traces and HTTP itself: no part of an API. Those of a prefix end with a hyphen.
const NO_PARAMETERS: [&str; 42] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "forwarded",
    "via",
    "expect",
    "referer",
    "from",
    "priority",
    "te",
    "if-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "proxy-connection",
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-uri",
    "x-original-url",
    "x-requested-with",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-http2-",
    "http2-settings",
    "x-b3-",
    "x-forwarded-",
    "x-envoy-",
    "x-datadog-",
    "x-ssl-",
    "ssl-",
    "cf-",
    "cdn-",
    "sec-",
    "uber-trace-",
    "x-newrelic-",
    "grpc-",
];

/// The operation, whose id is none of `ids` and whose security schemes are added to `schemes`.
pub(super) fn of(
    method: &str,
    path: &Path<'_>,
    merged: &Merged<'_>,
    (schemes, ids): (&mut Schemes, &mut BTreeSet<String>),
    classifier: &Classifier,
) -> Node {
    let facts = &*merged.facts;
    let mut operation = Node::map();
    let capability = merged.endpoints.iter().map(|one| one.capability.as_str()).find(|name| !name.is_empty());
    if let Some(capability) = capability {
        operation.set("tags", vec![Node::from(capability)]);
    }
    operation.set("summary", format!("{method} {}", path.template));
    operation.set("operationId", operation_id(method, &path.template, ids));
    let retirement = &facts.retirement;
    if retirement.deprecated_answers > 0 || retirement.sunset.is_some() {
        operation.set("deprecated", true);
    }
    if let Some(sunset) = retirement.sunset {
        operation.set("x-sunset", sunset.date());
    }
    let parameters = parameters(facts, classifier);
    if !parameters.is_empty() {
        operation.set("parameters", parameters);
    }
    if let Some(body) = request(facts, classifier) {
        operation.set("requestBody", body);
    }
    operation.set("responses", responses(facts, classifier));
    operation.set("security", schemes.requirement(merged));
    operation.set("x-spanlight", evidence(merged, classifier));
    operation
}

/// `getAccountsByAccountId`
fn operation_id(method: &str, template: &str, taken: &mut BTreeSet<String>) -> String {
    let mut stem = method.to_ascii_lowercase();
    for segment in template.split('/') {
        if segment.starts_with('{') {
            stem.push_str("By");
        }
        for word in segment.split(|letter: char| !letter.is_ascii_alphanumeric()) {
            let mut letters = word.chars();
            stem.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            stem.push_str(letters.as_str());
        }
    }
    let mut id = stem.clone();
    let mut number = 2;
    while !taken.insert(id.clone()) {
        id = format!("{stem}_{number}");
        number += 1;
    }
    id
}

fn parameters(facts: &EndpointFacts, classifier: &Classifier) -> Vec<Node> {
    let mut all = Vec::new();
    let callers = facts.callers.estimate();
    let parameter = |name: &str, place: &str, required: bool, seen: u64, known: Option<&FieldEvidence>| {
        let mut node = Node::map().with("name", name).with("in", place);
        if required {
            node.set("required", true);
        }
        let mut evidence = Node::map().with("seen", seen).with("of", facts.requests);
        let classes = known.map(|known| classes(known, classifier)).unwrap_or_default();
        if !classes.is_empty() {
            evidence.set("classes", classes);
        }
        node.with("schema", schema::of_text(name, known, callers, classifier)).with("x-spanlight", evidence)
    };
    let fields = facts.fields.sorted();
    let in_query = |wanted: &str| {
        let field = fields.iter().find(|(at, name, _)| *at == Location::RequestQuery && *name == wanted);
        field.map(|(_, _, evidence)| *evidence)
    };
    let mut hidden = facts.query_overflow;
    for (name, seen) in &facts.query {
        if name.contains(['{', '…']) {
            // A name that is a value, or may not be shown.
            hidden += seen;
        } else if !is_key_parameter(name.as_bytes()) {
            all.push(parameter(name, "query", false, *seen, in_query(name)));
        }
    }
    if hidden > 0 {
        let values = Node::map()
            .with("type", "object")
            .with("additionalProperties", Node::map().with("type", "string"));
        all.push(
            Node::map()
                .with("name", "others")
                .with("in", "query")
                .with("description", "Parameters whose names are values, or too many to list.")
                .with("style", "form")
                .with("explode", true)
                .with("schema", values)
                .with("x-spanlight", Node::map().with("seen", hidden)),
        );
    }
    for (place, name, evidence) in &fields {
        // Of a sample it is not known whether every request had the header.
        let one_in = evidence.sampled_one_in();
        let seen = evidence.values().saturating_mul(u64::from(one_in));
        let enough = seen >= MIN_HEADERS && seen >= facts.requests / HEADER_SHARE;
        if *place == Location::RequestHeader && enough && is_parameter(name) {
            let seen = seen.min(facts.requests);
            all.push(parameter(name, "header", one_in == 1 && seen == facts.requests, seen, Some(evidence)));
        }
    }
    all
}

/// Whether a header is a parameter of an API, and its name no value.
fn is_parameter(name: &str) -> bool {
    let known =
        NO_PARAMETERS.iter().any(|one| if one.ends_with('-') { name.starts_with(one) } else { name == *one });
    let plain = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.bytes().filter(u8::is_ascii_digit).count() <= 4;
    plain && !known && !is_key_header(name.as_bytes()) && name_class(name.as_bytes()).is_none()
}

/// The classes that a path's parameter is confirmed to be of, for any of its operations.
pub(super) fn path_classes(path: &Path<'_>, parameter: &PathParameter, classifier: &Classifier) -> Vec<Node> {
    let place = format!("[{}]", parameter.segment);
    let mut names = BTreeSet::new();
    for endpoint in path.methods.values().flatten() {
        for (location, name, evidence) in endpoint.facts.fields.sorted() {
            if location == Location::RequestPath && name == place {
                names.extend(classes(evidence, classifier).into_iter().filter_map(|node| match node {
                    Node::Text(text) => Some(text),
                    Node::Null
                    | Node::Flag(_)
                    | Node::Number(_)
                    | Node::Share(_)
                    | Node::List(_)
                    | Node::Map(_) => None,
                }));
            }
        }
    }
    names.into_iter().map(Node::from).collect()
}

/// Media types whose bodies become shapes of JSON: the others are told without a schema.
fn has_shape(media: &str) -> bool {
    media.contains("json") || matches!(media, "application/x-www-form-urlencoded" | "multipart/form-data")
}

/// Bodies by media type; all that have a shape share the one that was inferred.
fn content<'m>(
    media: impl Iterator<Item = (&'m str, u64)>,
    shape: Option<&BodyShape>,
    callers: u64,
    classifier: &Classifier,
) -> Node {
    let mut kinds: BTreeMap<&str, u64> = media.filter(|(name, _)| name.contains('/')).collect();
    let schema = shape.and_then(|shape| schema::of(shape, callers, classifier));
    if schema.is_some() && !kinds.keys().any(|name| has_shape(name)) {
        // Bodies that were understood without a word on what they are.
        kinds.insert("*/*", shape.map_or(0, BodyShape::bodies));
    }
    let mut content = Node::map();
    for (name, seen) in kinds {
        let mut one = Node::map();
        if let Some(schema) = schema.as_ref().filter(|_| has_shape(name) || name == "*/*") {
            one.set("schema", schema.clone());
        }
        content.set(name, one.with("x-spanlight", Node::map().with("seen", seen)));
    }
    content
}

fn request(facts: &EndpointFacts, classifier: &Classifier) -> Option<Node> {
    let media = facts.request_media.iter().map(|(name, seen)| (name.as_str(), *seen));
    let content = content(media, Some(&facts.request_shape), facts.callers.estimate(), classifier);
    if content.is_empty() {
        return None;
    }
    let with_body: u64 = facts.request_media.values().sum();
    let mut body = Node::map();
    if with_body >= facts.requests && facts.requests >= MIN_HEADERS {
        body.set("required", true);
    }
    Some(body.with("content", content))
}

fn responses(facts: &EndpointFacts, classifier: &Classifier) -> Node {
    let mut all = Node::map();
    for (status, count) in facts.statuses.iter().filter(|(status, _)| (100..600).contains(*status)) {
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let mut response = Node::map().with("description", format!("Seen {times}."));
        let from = (*status, String::new());
        let media = facts.response_media.range(from..).take_while(|((of, _), _)| of == status);
        let media = media.map(|((_, name), seen)| (name.as_str(), *seen));
        let shape = facts.response_shapes.get(status).map(|shape| &**shape);
        let content = content(media, shape, facts.callers.estimate(), classifier);
        if !content.is_empty() {
            response.set("content", content);
        }
        all.set(&status.to_string(), response.with("x-spanlight", Node::map().with("seen", *count)));
    }
    if all.is_empty() {
        all.set("default", Node::map().with("description", "No answer was seen."));
    }
    all
}

fn evidence(merged: &Merged<'_>, classifier: &Classifier) -> Node {
    let facts = &*merged.facts;
    let mut node = Node::map();
    let ids: Vec<Node> = merged.endpoints.iter().map(|one| Node::from(one.id.to_string())).collect();
    node.set("endpoints", ids);
    node.set("requests", facts.requests);
    node.set("answered_with_success", facts.answered_with_success(true));
    node.set("callers", facts.callers.estimate());
    if facts.requests > 0 {
        node.set("first_seen", facts.first_seen.to_string());
        node.set("last_seen", facts.last_seen.to_string());
    }
    let least = merged.endpoints.iter().map(|one| one.confidence).fold(1.0_f32, f32::min);
    node.set("template_confidence", Node::Share((f64::from(least) * 1_000.0).round() / 1_000.0));
    if !facts.auth.is_empty() {
        let auth = facts.auth.iter().map(|(scheme, count)| (scheme.name().to_owned(), Node::from(*count)));
        node.set("authentication", Node::Map(auth.collect()));
    }
    let mut fields: Vec<Node> = Vec::new();
    for field in data_fields(classifier, facts).into_iter().filter(|one| one.state == State::Confirmed) {
        let mut one = Node::map()
            .with("class", field.class)
            .with("tier", u64::from(field.tier))
            .with("in", field.location.name())
            .with("field", field.path);
        if field.status != 0 {
            one.set("status", u64::from(field.status));
        }
        fields.push(one.with("values", field.valid));
    }
    if !fields.is_empty() {
        node.set("data_classes", fields);
    }
    let mut asked: BTreeMap<String, u64> = BTreeMap::new();
    for (_, operation, child) in merged.endpoints.iter().flat_map(|one| rows::operations(one)) {
        if let Some(name) = operation.name {
            *asked.entry(name).or_default() += child.facts.requests;
        }
    }
    if !asked.is_empty() {
        let asked = asked.into_iter().map(|(name, count)| (name, Node::from(count)));
        node.set("operations", Node::Map(asked.collect()));
    }
    node
}
