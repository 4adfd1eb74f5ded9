//! Operations under a URL that stands for many. A document that names the URL names them all: none is a finding by itself.
//! Under a URL that no document names they are evidence.

use super::{Seen, counted, posture};
use crate::finding::{Finding, Kind, Register, Severity};
use crate::inventory::operations::OperationKey;
use crate::operation::Kind as Language;
use crate::time::Timestamp;
use std::collections::BTreeMap;

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    for one in seen {
        if let Some(finding) = introspection(one) {
            register.add(finding);
        }
    }
}

/// GraphQL that was asked for its schema: the whole API at one call, internal fields among it.
fn introspection(one: &Seen<'_>) -> Option<Finding> {
    let known = one.endpoint.facts.operations.as_ref()?;
    let (mut calls, mut asked, mut told, mut open, mut callers) = (0, 0, 0, 0, 0);
    let mut span: Option<(Timestamp, Timestamp)> = None;
    for (_, operation) in known.parts().filter(|(key, _)| key.kind == Language::Graphql) {
        let facts = &operation.facts;
        calls += facts.requests;
        if operation.introspection == 0 {
            continue;
        }
        asked += operation.introspection;
        told += operation.introspected;
        open += posture::answered_without_credential(facts).min(operation.introspected);
        callers = facts.callers.estimate().max(callers);
        let (first, last) = span.unwrap_or((facts.first_seen, facts.last_seen));
        span = Some((first.min(facts.first_seen), last.max(facts.last_seen)));
    }
    let (first, last) = span?;
    let severity = match (told, open) {
        (0, _) => Severity::Info,
        (_, 0) => Severity::Low,
        (_, _) => Severity::Medium,
    };
    let count = if told > 0 { told } else { asked };
    let mut finding = one.finding(Kind::GraphqlIntrospection, severity, "", (count, calls));
    finding.callers = callers;
    (finding.first_seen, finding.last_seen) = (Some(first), Some(last));
    finding.explanation = if told == 0 {
        format!("{} asked for the schema, and none was given", counted(asked, "call"))
    } else {
        let without =
            if open > 0 { format!(", {open} of them without any credential") } else { String::new() };
        format!(
            "{} got the schema{without}: it names every type and field, documented or not",
            counted(told, "call")
        )
    };
    Some(finding)
}

/// Operations that are named as evidence.
const MAX_NAMED: usize = 8;

/// `; it stands for 3 operations: GraphQL query A, query B, SOAP Pay`; empty where it does not.
pub(super) fn words(one: &Seen<'_>) -> String {
    let Some(known) = &one.endpoint.facts.operations else { return String::new() };
    let mut calls: BTreeMap<&OperationKey, (u64, u64)> = BTreeMap::new();
    for (key, operation) in known.parts() {
        let (requests, refused) = calls.entry(key).or_default();
        *requests += operation.facts.requests;
        *refused += operation.refused;
    }
    let mut all: Vec<(&OperationKey, u64)> = calls
        .into_iter()
        .filter(|(_, (requests, refused))| refused < requests)
        .map(|(key, (requests, _))| (key, requests))
        .collect();
    if all.is_empty() {
        return String::new();
    }
    all.sort_by_key(|(key, requests)| (std::cmp::Reverse(*requests), *key));
    let names: Vec<String> =
        all.iter().take(MAX_NAMED).map(|(key, _)| format!("{} {key}", key.kind.title())).collect();
    let more = if all.len() > MAX_NAMED { " and more" } else { "" };
    format!("; it stands for {}: {}{more}", counted(all.len() as u64, "operation"), names.join(", "))
}
