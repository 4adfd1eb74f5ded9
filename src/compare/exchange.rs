//! Statuses, query parameters, media types and credentials: what an exchange has around its bodies.

use super::{Seen, counted, paths, place_of, posture, seen_together};
use crate::caller::AuthScheme;
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::privacy;
use crate::spec::{Credential, DocumentSet};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    statuses(one, documents, register);
    query(one, documents, register);
    response_media(one, documents, register);
    request_media(one, documents, register);
    credentials(one, documents, register);
    required(one, documents, register);
}

fn statuses(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    if !one.operations.iter().any(|(_, operation)| operation.names_responses()) {
        return;
    }
    for (status, count) in &facts.statuses {
        // 0 is no answer; 1xx and 304 belong to the protocol, not to the operation.
        if *status < 200 || *status == 304 {
            continue;
        }
        if one.operations.iter().any(|(_, operation)| operation.response_for(*status).is_some()) {
            continue;
        }
        let severity = if *status < 400 { Severity::Low } else { Severity::Info };
        let mut finding =
            one.finding(Kind::UndocumentedStatus, severity, &status.to_string(), (*count, facts.requests));
        finding.explanation = format!(
            "{count} of {} had status {status}, which the document does not name for this operation",
            counted(facts.requests, "answer")
        );
        finding.document = place_of(documents, one.operation());
        register.add(finding);
    }
}

fn query(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    // A name that every document knows only as deprecated is deprecated.
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    for (_, operation) in &one.operations {
        let (names, any) = documents.query_names(operation);
        if any {
            return;
        }
        for (name, deprecated) in names {
            known.entry(name).and_modify(|all| *all &= deprecated).or_insert(deprecated);
        }
    }
    for (name, count) in &facts.query {
        let shown = (*count, facts.requests);
        match known.get(name.as_str()).or_else(|| known.get(base_name(name))) {
            Some(false) => {}
            Some(true) => {
                let mut finding = one.finding(Kind::DeprecatedParameterInUse, Severity::Low, name, shown);
                finding.explanation = format!(
                    "{count} of {} had a query parameter that the document marks as deprecated",
                    counted(facts.requests, "request")
                );
                finding.document = one
                    .operation()
                    .and_then(|operation| {
                        paths::query_parameters(operation).find(|one| one.name == base_name(name))
                    })
                    .map(|parameter| documents.place_of_parameter(parameter));
                register.add(finding);
            }
            None => {
                let mut finding = one.finding(Kind::UndocumentedQueryParam, Severity::Low, name, shown);
                finding.explanation = format!(
                    "{count} of {} had a query parameter that the document does not name",
                    counted(facts.requests, "request")
                );
                finding.document = place_of(documents, one.operation());
                register.add(finding);
            }
        }
    }
}

/// The parameter that `filter[status]` or `ids[]` is a part of.
fn base_name(name: &str) -> &str {
    name.split_once('[').map_or(name, |(base, _)| base)
}

/// Query parameters that the documents require and that requests lacked which were answered with success.
fn required(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let Some(operation) = one.operation() else { return };
    // A name that is written another way, or not shown, may be any.
    if facts.query_overflow > 0 || facts.query.keys().any(|name| name.contains(['%', '{', '+'])) {
        return;
    }
    let success = facts.answered_with_success(false);
    let required: Vec<BTreeSet<&str>> = one
        .operations
        .iter()
        .map(|(_, operation)| {
            // Of an object that is spelt out the properties stand in the query, not its name.
            let (names, _) = documents.query_names(operation);
            let required = paths::query_parameters(operation).filter(|one| one.required);
            required.map(|one| one.name.as_str()).filter(|name| names.contains_key(name)).collect()
        })
        .collect();
    for parameter in paths::query_parameters(operation) {
        let name = parameter.name.as_str();
        if !required.iter().all(|names| names.contains(name)) {
            continue;
        }
        let shown = privacy::shown_name(name.as_bytes());
        let had: u64 = facts
            .query
            .iter()
            .filter(|(known, _)| **known == *shown || base_name(known) == name)
            .map(|(_, count)| count)
            .sum();
        // As many lacked it and succeeded, were all that had it among those that did.
        let lacking = success.saturating_sub(had);
        if lacking > 0 {
            let mut finding =
                one.finding(Kind::MissingRequiredParameter, Severity::Low, name, (lacking, success));
            finding.explanation = format!(
                "at least {lacking} of {} that were answered with success lacked a query parameter that the document requires",
                counted(success, "request")
            );
            finding.document = Some(documents.place_of_parameter(parameter));
            register.add(finding);
        }
    }
}

fn response_media(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let mut unnamed: BTreeMap<&str, u64> = BTreeMap::new();
    let mut with_body = 0;
    for ((status, media), count) in &facts.response_media {
        // Errors are often written by a gateway; their media types would be one finding for each operation.
        if !(200..300).contains(status) || media.is_empty() {
            continue;
        }
        with_body += count;
        let verdicts: Vec<bool> = one
            .operations
            .iter()
            .filter_map(|(_, operation)| {
                documents.response_media(operation, operation.response_for(*status)?, media)
            })
            .collect();
        if !verdicts.is_empty() && !verdicts.contains(&true) {
            *unnamed.entry(media).or_default() += count;
        }
    }
    for (media, count) in unnamed {
        let mut finding =
            one.finding(Kind::UndocumentedResponseMediaType, Severity::Low, media, (count, with_body));
        finding.explanation = format!(
            "{count} of {} with a body had a media type that the document does not name",
            counted(with_body, "answer")
        );
        finding.document = place_of(documents, one.operation());
        register.add(finding);
    }
}

fn request_media(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let with_body: u64 = facts.request_media.values().sum();
    for (media, count) in &facts.request_media {
        let verdicts: Vec<bool> = one
            .operations
            .iter()
            .filter_map(|(_, operation)| documents.request_media(operation, media))
            .collect();
        if media.is_empty() || verdicts.is_empty() || verdicts.contains(&true) {
            continue;
        }
        let mut finding =
            one.finding(Kind::UndocumentedRequestMediaType, Severity::Low, media, (*count, with_body));
        finding.explanation = format!(
            "{count} of {} with a body had a media type that the document does not name",
            counted(with_body, "request")
        );
        finding.document = place_of(documents, one.operation());
        register.add(finding);
    }
}

/// Credentials of a kind that no document asks for, with which requests were answered with success: one finding for each
/// host and kind where several operations are called so, as it is the host that takes them.
pub(super) fn other_credentials(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    let mut hosts: BTreeMap<(&str, Credential), Vec<(&Seen<'_>, u64)>> = BTreeMap::new();
    for one in seen.iter().filter(|one| !one.operations.is_empty()) {
        for (credential, least) in undocumented_credentials(one, documents) {
            hosts.entry((&one.endpoint.key.host, credential)).or_default().push((one, least));
        }
    }
    for ((host, credential), all) in hosts {
        let Some((first, _)) = all.first() else { continue };
        let detail = if credential == Credential::Basic { "basic" } else { "bearer" };
        let least: u64 = all.iter().map(|(_, least)| least).sum();
        let requests: u64 = all.iter().map(|(one, _)| one.endpoint.facts.requests).sum();
        let (kind, severity) = (Kind::SecuritySchemeMismatch, Severity::Medium);
        let mut finding = if all.len() == 1 {
            first.finding(kind, severity, detail, (least, requests))
        } else {
            let subject = Subject { host, method: "", path_template: "" };
            let mut finding = Finding::new(kind, severity, subject, detail);
            (finding.count, finding.of) = (least, requests);
            seen_together(&mut finding, all.iter().map(|(one, _)| &one.endpoint.facts));
            finding
        };
        let asked: BTreeSet<&str> =
            all.iter().flat_map(|(one, _)| asked(one, documents)).map(Credential::words).collect();
        let operations = match all.len() {
            1 => String::new(),
            several => format!(" to {}", counted(several as u64, "operation")),
        };
        finding.explanation = format!(
            "at least {least} of {}{operations} proved who they are by {} and were answered with success; the document \
             asks for {}",
            counted(requests, "request"),
            credential.words(),
            asked.into_iter().collect::<Vec<_>>().join(" or ")
        );
        finding.document = place_of(documents, first.operation());
        register.add(finding);
    }
}

/// What the documents of an operation ask for; nothing where one of them does not tell.
fn asked(one: &Seen<'_>, documents: &DocumentSet) -> BTreeSet<Credential> {
    let all: Option<Vec<_>> =
        one.operations.iter().map(|(_, operation)| documents.credentials(operation)).collect();
    all.into_iter().flatten().flatten().collect()
}

/// The credentials that are not asked for, and how many requests at least brought them and succeeded.
fn undocumented_credentials(one: &Seen<'_>, documents: &DocumentSet) -> Vec<(Credential, u64)> {
    let facts = &one.endpoint.facts;
    let asked = asked(one, documents);
    // A certificate may be asked for beside whatever else, and a key in `Authorization` may look like anything.
    let open =
        [Credential::KeyInAuthorization, Credential::MutualTls].iter().any(|known| asked.contains(known));
    if asked.is_empty() || open {
        return Vec::new();
    }
    let failed = facts.requests.saturating_sub(facts.answered_with_success(false));
    // Requests may bring several: only what none of the documented would explain counts.
    let explained: u64 = facts
        .auth
        .iter()
        .filter(|(scheme, _)| asked.iter().any(|known| is_of(**scheme, *known)))
        .map(|(_, count)| count)
        .sum();
    let count = |schemes: &[AuthScheme]| -> u64 {
        let all: u64 = schemes.iter().filter_map(|scheme| facts.auth.get(scheme)).sum();
        all.saturating_sub(explained).saturating_sub(failed)
    };
    let seen = [
        (Credential::Bearer, count(&[AuthScheme::Bearer, AuthScheme::Jwt])),
        (Credential::Basic, count(&[AuthScheme::Basic])),
    ];
    seen.into_iter().filter(|(credential, least)| *least > 0 && !asked.contains(credential)).collect()
}

/// Whether a credential that was seen may be one that is documented.
const fn is_of(seen: AuthScheme, documented: Credential) -> bool {
    match documented {
        Credential::Bearer => matches!(seen, AuthScheme::Bearer | AuthScheme::Jwt | AuthScheme::OtherScheme),
        Credential::Basic => matches!(seen, AuthScheme::Basic),
        Credential::OtherHttp => matches!(seen, AuthScheme::OtherScheme),
        Credential::Key => matches!(seen, AuthScheme::ApiKey | AuthScheme::Cookie),
        Credential::KeyInAuthorization => true,
        Credential::MutualTls => matches!(seen, AuthScheme::MutualTls),
    }
}

fn credentials(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let open = posture::answered_without_credential(facts);
    if open == 0 || !one.operations.iter().all(|(_, operation)| documents.demands_authorization(operation)) {
        return;
    }
    let severity = if one.sensitive.is_empty() { Severity::High } else { Severity::Critical };
    let mut finding = one.finding(Kind::SecurityNotEnforced, severity, "", (open, facts.requests));
    finding.explanation = format!(
        "the document demands a credential; at least {open} of {} had none and were answered with success",
        counted(facts.requests, "request")
    );
    finding.document = place_of(documents, one.operation());
    register.add(finding);
}
