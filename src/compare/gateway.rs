//! What catalogues of gateways say of the endpoints that were seen.
//!
//! A route describes nothing, so an endpoint that only a gateway names stays undocumented; its finding tells of the
//! route. What is answered on a host of a gateway and taken by none of its routes came another way, or the catalogue
//! is not the gateway's. A path that a route names in full and nobody asked for is unused.

use super::paths::traffic;
use super::{Seen, posture};
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::spec::{DocumentSet, Fit, Route};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    let gateways = documents.gateways();
    if gateways.is_empty() {
        return;
    }
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut answers_for: BTreeMap<&str, bool> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.endpoint.facts.requests > 0) {
        let key = &one.endpoint.key;
        let routing = gateways.routing(&key.host, &key.method, &key.template);
        if routing.is_empty() && one.is_api() {
            let named = answers_for.entry(&key.host).or_insert_with(|| gateways.answers_for(&key.host));
            if *named && let Some(finding) = unrouted(one) {
                register.add(finding);
            }
        }
        taken.extend(routing.into_iter().map(|(at, _)| at));
    }
    unused(&taken, documents, register);
}

/// What a gateway tells of an endpoint that no document names: `; the gateway routes it (accounts)`; with the route.
pub(super) fn words<'a>(one: &Seen<'_>, documents: &'a DocumentSet) -> Option<(String, &'a Route)> {
    let gateways = documents.gateways();
    let key = &one.endpoint.key;
    let routing = gateways.routing(&key.host, &key.method, &key.template);
    let (at, fit) = routing.into_iter().min_by_key(|(at, fit)| (std::cmp::Reverse(*fit), *at))?;
    let route = gateways.routes().get(at)?;
    let gateway = gateways.catalogues().get(route.catalogue)?.gateway;
    let verb = if fit == Fit::Yes { "routes it" } else { "may route it" };
    let name = if route.name.is_empty() { String::new() } else { format!(" as `{}`", route.name) };
    Some((format!("; the gateway ({gateway}) {verb}{name}"), route))
}

fn unrouted(one: &Seen<'_>) -> Option<Finding> {
    let facts = &one.endpoint.facts;
    let success = facts.answered_with_success(true);
    // A gateway answers what it does not route, and tells so.
    if success == 0 {
        return None;
    }
    let open = posture::answered_without_credential(facts) > 0;
    let severity = match (one.sensitive.is_empty(), open) {
        (false, true) => Severity::High,
        (false, false) | (true, true) => Severity::Medium,
        (true, false) => Severity::Low,
    };
    let mut finding = one.finding(Kind::UnroutedEndpoint, severity, "", (success, facts.requests));
    finding.explanation = format!(
        "no route of the gateway that names this host takes it, and it was answered; {}",
        traffic(facts)
    );
    Some(finding)
}

/// Paths that a route names in full and nobody asked for, of catalogues whose other routes were taken.
fn unused(taken: &BTreeSet<usize>, documents: &DocumentSet, register: &mut Register) {
    let routes = documents.gateways().routes();
    let heard: BTreeSet<usize> =
        taken.iter().filter_map(|at| routes.get(*at)).map(|route| route.catalogue).collect();
    for (at, route) in routes.iter().enumerate() {
        if taken.contains(&at) || !heard.contains(&route.catalogue) {
            continue;
        }
        let Some(path) = route.only_path() else { continue };
        let host = route.only_host().unwrap_or_default();
        let method = match route.methods.as_slice() {
            [method] => method.as_str(),
            _ => "",
        };
        // An operation that a document names is told of as such.
        if documents.route_path(host, &path).is_some() {
            continue;
        }
        let subject = Subject { host, method, path_template: &path };
        let mut finding = Finding::new(Kind::UnusedOperation, Severity::Info, subject, "");
        "the gateway routes this path, and nobody called it while other routes of its catalogue were taken"
            .clone_into(&mut finding.explanation);
        finding.document = Some(route.place.clone());
        register.add(finding);
    }
}
