//! Posture: what is wrong with an endpoint whatever the documents say.

use super::{Carrier, Seen, counted, paths};
use crate::caller::AuthScheme;
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::facts::EndpointFacts;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    for one in seen.iter().filter(|one| !one.sensitive.is_empty()) {
        if let Some(finding) = unauthenticated(one) {
            register.add(finding);
        }
        in_url(one, register);
    }
    over_http(seen, register);
    for finding in seen.iter().filter_map(reflection) {
        register.add(finding);
    }
}

/// Services of gRPC that tell what the server can do: `/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`.
const REFLECTION: &str = "/grpc.reflection.";

/// A server that tells its services, and is not only asked for them.
fn reflection(one: &Seen<'_>) -> Option<Finding> {
    let facts = &one.endpoint.facts;
    let answers = facts.calls.as_ref()?.responses.messages;
    let success = facts.answered_with_success(false);
    if !one.endpoint.key.template.starts_with(REFLECTION) || answers == 0 || success == 0 {
        return None;
    }
    let open = answered_without_credential(facts);
    let severity = if open > 0 { Severity::Medium } else { Severity::Low };
    let mut finding = one.finding(Kind::GrpcReflection, severity, "", (success, facts.requests));
    let credential = if open > 0 { "; a credential is not needed" } else { "" };
    finding.explanation = format!(
        "the server answered {} for its services, methods and messages{credential}: switch reflection off where \
         clients are not developed",
        counted(success, "request")
    );
    Some(finding)
}

/// At least how many requests without any credential were answered with success: those that are left when every
/// refusal and redirection went to one of them.
#[must_use]
pub fn answered_without_credential(facts: &EndpointFacts) -> u64 {
    let without = facts.auth.get(&AuthScheme::None).copied().unwrap_or_default();
    without.saturating_sub(facts.requests.saturating_sub(facts.answered_with_success(false)))
}

fn unauthenticated(one: &Seen<'_>) -> Option<Finding> {
    let facts = &one.endpoint.facts;
    let classes = one.sensitive_words(|carrier| carrier == Carrier::Response);
    let open = answered_without_credential(facts);
    // Where credentials are exchanged for tokens, the credential is in the body.
    let proven_in_body = one
        .sensitive
        .iter()
        .any(|carried| carried.carrier == Carrier::RequestBody && carried.class.starts_with("sec."));
    if classes.is_empty() || open == 0 || proven_in_body {
        return None;
    }
    let mut finding =
        one.finding(Kind::UnauthenticatedSensitiveData, Severity::Critical, "", (open, facts.requests));
    finding.explanation = format!(
        "at least {open} of {} had no credential and were answered with success; answers carry {classes}",
        counted(facts.requests, "request")
    );
    Some(finding)
}

fn in_url(one: &Seen<'_>, register: &mut Register) {
    for carried in one.sensitive.iter().filter(|carried| paths::in_url(carried.carrier)) {
        let place = if carried.carrier == Carrier::RequestPath { "path" } else { "query" };
        let detail = format!("{place}:{}", carried.class);
        let shown = (carried.exchanges, one.endpoint.facts.requests);
        let mut finding = one.finding(Kind::SensitiveDataInUrl, Severity::Medium, &detail, shown);
        finding.explanation = format!(
            "{} of {} had {} in the {place}, where logs, proxies and histories keep it",
            carried.many(),
            counted(one.endpoint.facts.requests, "request"),
            carried.class
        );
        register.add(finding);
    }
}

/// One for each host: behind the machine that ends TLS every endpoint would be one.
fn over_http(seen: &[Seen<'_>], register: &mut Register) {
    let mut hosts: BTreeMap<&str, (u64, u64, BTreeSet<&str>, Timestamp, Timestamp)> = BTreeMap::new();
    let mut with_tls: BTreeSet<&str> = BTreeSet::new();
    for one in seen {
        let facts = &one.endpoint.facts;
        if facts.tls > 0 {
            with_tls.insert(&one.endpoint.key.host);
        } else if !one.sensitive.is_empty() {
            let host = hosts.entry(&one.endpoint.key.host).or_insert((
                0,
                0,
                BTreeSet::new(),
                Timestamp::MAX,
                Timestamp::from_nanos(i64::MIN),
            ));
            host.0 += 1;
            host.1 += facts.requests;
            host.2.extend(one.sensitive.iter().map(|carried| carried.class.as_str()));
            host.3 = host.3.min(facts.first_seen);
            host.4 = host.4.max(facts.last_seen);
        }
    }
    for (name, (endpoints, requests, classes, first, last)) in hosts {
        if with_tls.contains(name) {
            continue;
        }
        let subject = Subject { host: name, method: "", path_template: "" };
        let mut finding = Finding::new(Kind::SensitiveDataOverHttp, Severity::Info, subject, "");
        (finding.count, finding.of) = (requests, requests);
        (finding.first_seen, finding.last_seen) = (Some(first), Some(last));
        let classes: Vec<_> = classes.into_iter().collect();
        finding.explanation = format!(
            "{} that carry {} were seen without TLS; expected where the sensor stands behind the end of TLS",
            counted(endpoints, "endpoint"),
            classes.join(", ")
        );
        register.add(finding);
    }
}
