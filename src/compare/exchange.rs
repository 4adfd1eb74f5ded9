//! Statuses, query parameters, media types and credentials: what an exchange has around its bodies.

use super::{Seen, counted, paths, place_of, posture};
use crate::caller::AuthScheme;
use crate::finding::{Kind, Register, Severity};
use crate::inventory::privacy;
use crate::spec::{Credential, DocumentSet, Operation};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    statuses(one, documents, register);
    query(one, documents, register);
    response_media(one, documents, register);
    request_media(one, documents, register);
    credentials(one, documents, register);
    other_credentials(one, documents, register);
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
    let requires = |operation: &Operation, name: &str| {
        let (names, _) = documents.query_names(operation);
        names.contains_key(name)
            && paths::query_parameters(operation).any(|one| one.required && one.name == name)
    };
    for parameter in paths::query_parameters(operation) {
        let name = parameter.name.as_str();
        if !one.operations.iter().all(|(_, operation)| requires(operation, name)) {
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

/// Credentials of a kind that no document asks for, with which requests were answered with success.
fn other_credentials(one: &Seen<'_>, documents: &DocumentSet, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let asked: Option<Vec<_>> =
        one.operations.iter().map(|(_, operation)| documents.credentials(operation)).collect();
    let asked: BTreeSet<Credential> = asked.into_iter().flatten().flatten().collect();
    // A certificate may be asked for beside whatever else, and a key in `Authorization` may look like anything.
    if asked.is_empty()
        || asked.contains(&Credential::KeyInAuthorization)
        || asked.contains(&Credential::MutualTls)
    {
        return;
    }
    let failed = facts.requests.saturating_sub(facts.answered_with_success(false));
    for (seen, schemes) in [
        (Credential::Bearer, &[AuthScheme::Bearer, AuthScheme::Jwt][..]),
        (Credential::Basic, &[AuthScheme::Basic]),
    ] {
        let count: u64 = schemes.iter().filter_map(|scheme| facts.auth.get(scheme)).sum();
        // Requests may bring several: only what none of the documented would explain counts.
        let explained: u64 = facts
            .auth
            .iter()
            .filter(|(scheme, _)| asked.iter().any(|known| is_of(**scheme, *known)))
            .map(|(_, count)| count)
            .sum();
        let least = count.saturating_sub(explained).saturating_sub(failed);
        if asked.contains(&seen) || least == 0 {
            continue;
        }
        let mut finding = one.finding(
            Kind::SecuritySchemeMismatch,
            Severity::Medium,
            schemes.first().map_or("", |scheme| scheme.name()),
            (least, facts.requests),
        );
        let documented: Vec<&str> = asked.iter().map(|known| known.words()).collect();
        finding.explanation = format!(
            "at least {least} of {} proved who they are by {} and were answered with success; the document asks for {}",
            counted(facts.requests, "request"),
            seen.words(),
            documented.join(" or ")
        );
        finding.document = place_of(documents, one.operation());
        register.add(finding);
    }
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
