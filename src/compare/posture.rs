//! Posture: what is wrong with an endpoint whatever the documents say.

use super::{Carried, Carrier, Seen, counted, paths};
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
    let were = if open == 1 { "was" } else { "were" };
    finding.explanation = format!(
        "at least {open} of {} had no credential and {were} answered with success; answers carry {classes}",
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

/// What was seen of a host's endpoints with sensitive data, without TLS.
struct InClear<'a> {
    endpoints: u64,
    /// Exchanges without TLS, of how many.
    count: u64,
    of: u64,
    classes: BTreeSet<&'a str>,
    first: Timestamp,
    last: Timestamp,
}

/// One for each host: behind the machine that ends TLS every endpoint would be one.
fn over_http(seen: &[Seen<'_>], register: &mut Register) {
    // Logs may be silent on TLS; who saw headers or bodies saw what carried them.
    let was_captured = |one: &Seen<'_>| {
        let in_body = |carried: &Carried| {
            matches!(carried.carrier, Carrier::RequestBody | Carrier::Response | Carrier::ErrorResponse)
        };
        one.endpoint.facts.policies.is_some() || one.sensitive.iter().any(in_body)
    };
    let hosts_where = |wanted: &dyn Fn(&Seen<'_>) -> bool| -> BTreeSet<&str> {
        seen.iter().filter(|one| wanted(one)).map(|one| one.endpoint.key.host.as_str()).collect()
    };
    let with_tls = hosts_where(&|one| one.endpoint.facts.tls > 0);
    let captured = hosts_where(&was_captured);
    let mut hosts: BTreeMap<&str, InClear<'_>> = BTreeMap::new();
    for one in seen {
        let (host, facts) = (one.endpoint.key.host.as_str(), &one.endpoint.facts);
        let count = facts.requests.saturating_sub(facts.tls);
        if count == 0 || one.sensitive.is_empty() || with_tls.contains(host) && !was_captured(one) {
            continue;
        }
        let sum = hosts.entry(host).or_insert(InClear {
            endpoints: 0,
            count: 0,
            of: 0,
            classes: BTreeSet::new(),
            first: Timestamp::MAX,
            last: Timestamp::from_nanos(i64::MIN),
        });
        sum.endpoints += 1;
        sum.count += count;
        sum.of += facts.requests;
        sum.classes.extend(one.sensitive.iter().map(|carried| carried.class.as_str()));
        sum.first = sum.first.min(facts.first_seen);
        sum.last = sum.last.max(facts.last_seen);
    }
    for (name, sum) in hosts {
        let both = with_tls.contains(name);
        let severity = if both { Severity::Low } else { Severity::Info };
        let subject = Subject { host: name, method: "", path_template: "" };
        let mut finding = Finding::new(Kind::SensitiveDataOverHttp, severity, subject, "");
        (finding.count, finding.of) = (sum.count, sum.of);
        (finding.first_seen, finding.last_seen) = (Some(sum.first), Some(sum.last));
        let classes: Vec<_> = sum.classes.into_iter().collect();
        let (carry, were) = if sum.endpoints == 1 { ("carries", "was") } else { ("carry", "were") };
        let those = format!("{} that {carry} {}", counted(sum.endpoints, "endpoint"), classes.join(", "));
        finding.explanation = if both {
            format!(
                "{those} {were} seen without TLS, in {} of {}, though others came with it; expected where the sensor \
                 stands on both sides of the end of TLS",
                sum.count,
                counted(sum.of, "request")
            )
        } else if captured.contains(name) {
            format!("{those} {were} seen without TLS; expected where the sensor stands behind the end of TLS")
        } else {
            format!(
                "no log tells that TLS protects {those}; expected where logs are silent on TLS, or are written behind \
                 its end"
            )
        };
        register.add(finding);
    }
}
