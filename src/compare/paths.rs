//! Hosts, paths and methods: what no document names, what is to be retired, what nobody calls.

use super::{Carrier, Seen, counted, gateway, place_of};
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::facts::EndpointFacts;
use crate::spec::{DocumentSet, HostMatch, Operation, OperationId, ParameterIn};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    for one in seen {
        if one.operations.is_empty() {
            match one.routed {
                None if one.is_api() => register.add(shadow(one, documents)),
                Some(_) if one.is_api() => {
                    if let Some(finding) = undocumented_method(one, documents) {
                        register.add(finding);
                    }
                }
                None | Some(_) => {}
            }
        }
    }
    hosts(seen, documents, register);
    unused(seen, documents, register);
}

/// How the answers were: `12 requests, 9 answered with success, from 3 callers`.
pub(super) fn traffic(facts: &EndpointFacts) -> String {
    let success = facts.answered_with_success(true);
    let mut words = format!("{}, {success} answered with success", counted(facts.requests, "request"));
    let callers = facts.callers.estimate();
    if callers > 0 {
        words.push_str(", from ");
        words.push_str(&counted(callers, "caller"));
    }
    words
}

fn shadow(one: &Seen<'_>, documents: &DocumentSet) -> Finding {
    let facts = &one.endpoint.facts;
    let open = super::posture::answered_without_credential(facts) > 0;
    let severity = match (one.sensitive.is_empty(), open) {
        (false, true) => Severity::Critical,
        (false, false) => Severity::High,
        (true, _) => Severity::Medium,
    };
    let mut finding = one.finding(Kind::ShadowEndpoint, severity, "", (facts.requests, facts.requests));
    finding.explanation =
        format!("no document names this path; {}{}", traffic(facts), super::operations::words(one));
    let classes = one.sensitive_words(|_| true);
    if !classes.is_empty() {
        finding.explanation.push_str("; it carries sensitive data: ");
        finding.explanation.push_str(&classes);
    }
    if let Some((words, route)) = gateway::words(one, documents) {
        finding.explanation.push_str(&words);
        finding.document = Some(route.place.clone());
    }
    finding
}

/// Whether a resource with these documented operations has a method without a word: HTTP itself gives every resource
/// OPTIONS, and HEAD beside GET (RFC 9110, 9.3.2 and 9.3.7); but a document that names HEAD somewhere means it where it
/// does not.
#[must_use]
pub fn is_implied(method: &str, documented: &[&Operation], documents: &DocumentSet) -> bool {
    match method {
        "OPTIONS" => true,
        "HEAD" => {
            documented.iter().any(|one| one.method == "GET")
                && !documented.iter().any(|one| documents.document_uses(one, "HEAD"))
        }
        _ => false,
    }
}

fn undocumented_method(one: &Seen<'_>, documents: &DocumentSet) -> Option<Finding> {
    let key = &one.endpoint.key;
    let documented: Vec<&Operation> = documents
        .operations_at(one.routed?.route, &key.host)
        .into_iter()
        .filter_map(|id| documents.operation(id))
        .collect();
    let methods: BTreeSet<&str> = documented.iter().map(|operation| operation.method.as_str()).collect();
    if is_implied(&key.method, &documented, documents) {
        return None;
    }
    let facts = &one.endpoint.facts;
    let safe = matches!(key.method.as_str(), "GET" | "HEAD" | "QUERY");
    let severity = match (one.sensitive.is_empty(), safe) {
        (false, _) => Severity::High,
        (true, false) => Severity::Medium,
        (true, true) => Severity::Low,
    };
    let mut finding = one.finding(Kind::UndocumentedMethod, severity, "", (facts.requests, facts.requests));
    let methods: Vec<_> = methods.into_iter().collect();
    finding.explanation = format!(
        "the document names {} for this path, not {}; {}",
        methods.join(", "),
        key.method,
        traffic(facts)
    );
    if let Some((words, _)) = gateway::words(one, documents) {
        finding.explanation.push_str(&words);
    }
    finding.document = place_of(documents, documented.first().copied());
    Some(finding)
}

/// What one host was asked.
#[derive(Default)]
struct HostTraffic {
    endpoints: u64,
    requests: u64,
    /// Endpoints that a document names for any host.
    named_anywhere: u64,
    /// Endpoints that match a document by base path and shape.
    by_shape: u64,
    callers: u64,
    sensitive: bool,
    span: Option<(Timestamp, Timestamp)>,
}

fn hosts(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    let mut hosts: BTreeMap<&str, HostTraffic> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api() && !one.endpoint.key.host.is_empty()) {
        let facts = &one.endpoint.facts;
        let host = hosts.entry(&one.endpoint.key.host).or_default();
        host.endpoints += 1;
        host.requests += facts.requests;
        host.callers = host.callers.max(facts.callers.estimate());
        host.sensitive |= !one.sensitive.is_empty();
        host.span = match host.span {
            Some((first, last)) => Some((first.min(facts.first_seen), last.max(facts.last_seen))),
            None => Some((facts.first_seen, facts.last_seen)),
        };
        let anywhere = documents.route_path(&one.endpoint.key.host, one.template).map(|routed| routed.host);
        match anywhere {
            Some(HostMatch::Any) => host.named_anywhere += 1,
            Some(HostMatch::Shape) => host.by_shape += 1,
            Some(HostMatch::Exact | HostMatch::Pattern) | None => {}
        }
    }
    for (name, host) in hosts {
        if documents.naming(name) != HostMatch::Shape || host.named_anywhere > 0 {
            continue;
        }
        let severity = if host.sensitive { Severity::High } else { Severity::Medium };
        let subject = Subject { host: name, method: "", path_template: "" };
        let mut finding = Finding::new(Kind::UndocumentedHost, severity, subject, "");
        (finding.count, finding.of) = (host.requests, host.requests);
        finding.callers = host.callers;
        (finding.first_seen, finding.last_seen) = host.span.unzip();
        finding.explanation = format!(
            "no document names this host; {} to {}",
            counted(host.requests, "request"),
            counted(host.endpoints, "endpoint"),
        );
        if documents.gateways().answers_for(name) {
            finding.explanation.push_str("; a gateway routes it");
        }
        if host.by_shape > 0 {
            let words = format!(
                "; {} of them match a document of other hosts by base path and shape and were compared with it",
                host.by_shape
            );
            finding.explanation.push_str(&words);
        }
        register.add(finding);
    }
}

fn unused(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    let mut called: BTreeSet<OperationId> = BTreeSet::new();
    let mut paths: BTreeSet<(&str, &str)> = BTreeSet::new();
    for one in seen.iter().filter(|one| one.endpoint.facts.requests > 0) {
        called.extend(one.operations.iter().map(|(id, _)| *id));
        if one.routed.is_some() {
            paths.insert((&one.endpoint.key.method, one.template));
        }
    }
    let mut silent: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let mut heard: BTreeSet<&str> = BTreeSet::new();
    for (id, operation) in documents.operations() {
        let Some(document) = documents.document_of(operation) else { continue };
        let (host, template) = documents.home(operation);
        // Another document whose host fits better may have been compared instead.
        let elsewhere = host.is_empty() && paths.contains(&(operation.method.as_str(), template.as_str()));
        if called.contains(&id) || elsewhere {
            heard.insert(&document.file);
        } else {
            silent.entry(&document.file).or_default().push(operation);
        }
    }
    for (file, operations) in silent {
        if heard.contains(file) {
            for operation in operations {
                register.add(unused_operation(operation, documents));
            }
        } else if let Some(first) = operations.first() {
            let (host, _) = documents.home(first);
            let subject = Subject { host: &host, method: "", path_template: "" };
            let mut finding = Finding::new(Kind::UnusedDocument, Severity::Info, subject, file);
            finding.explanation = format!(
                "none of the {} this document names was called: its service is not watched or not used",
                counted(operations.len() as u64, "operation")
            );
            let mut place = documents.place_of(first);
            // Descriptors have names, not pointers.
            let whole = if place.pointer.starts_with('/') { "/paths" } else { "" };
            whole.clone_into(&mut place.pointer);
            place.line = None;
            finding.document = Some(place);
            register.add(finding);
        }
    }
}

fn unused_operation(operation: &Operation, documents: &DocumentSet) -> Finding {
    let (host, template) = documents.home(operation);
    let subject = Subject { host: &host, method: &operation.method, path_template: &template };
    let mut finding = Finding::new(Kind::UnusedOperation, Severity::Info, subject, "");
    finding.explanation = if operation.deprecated {
        "documented as deprecated and not called: it can be retired".to_owned()
    } else {
        "documented and not called while other operations of the document were".to_owned()
    };
    finding.document = Some(documents.place_of(operation));
    finding
}

/// Whether data of this carrier stands in the URL.
pub(super) const fn in_url(carrier: Carrier) -> bool {
    matches!(carrier, Carrier::RequestPath | Carrier::RequestQuery)
}

/// The query parameters of `operation`.
pub(super) fn query_parameters(operation: &Operation) -> impl Iterator<Item = &crate::spec::Parameter> {
    operation.parameters.iter().filter(|one| one.location == ParameterIn::Query)
}
