//! What nobody owns, and of what nobody tells who may reach it or which rules it falls under.
//!
//! A service of which nothing is told is one finding, not one for each of its endpoints.

use super::paths::traffic;
use super::{Seen, counted, seen_together};
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::ownership::Claim;
use std::collections::BTreeMap;

/// Something that operators should tell of an endpoint.
struct Duty {
    kind: Kind,
    detail: &'static str,
    /// What is lacking, in words.
    lacking: &'static str,
    /// What would mend it.
    cure: &'static str,
    severity: Severity,
    /// How much it matters where sensitive data are carried.
    sensitive: Severity,
    /// Whether it is only lacking where sensitive data are carried.
    only_sensitive: bool,
    is_told: fn(&Claim) -> bool,
}

const DUTIES: [Duty; 3] = [
    Duty {
        kind: Kind::Unowned,
        detail: "",
        lacking: "nobody is told to own it",
        cure: "give it an `owner`",
        severity: Severity::Low,
        sensitive: Severity::Medium,
        only_sensitive: false,
        is_told: |claim| claim.owner.is_some(),
    },
    Duty {
        kind: Kind::Unclassified,
        detail: "exposure",
        lacking: "nobody tells who may reach it",
        cure: "give it an `exposure`",
        severity: Severity::Info,
        sensitive: Severity::Low,
        only_sensitive: false,
        is_told: |claim| claim.exposure.is_some(),
    },
    Duty {
        kind: Kind::Unclassified,
        detail: "compliance",
        lacking: "it carries sensitive data, and nobody tells which rules these fall under",
        cure: "give it tags of `compliance`",
        severity: Severity::Low,
        sensitive: Severity::Low,
        only_sensitive: true,
        is_told: |claim| !claim.tags().is_empty(),
    },
];

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    let mut services: BTreeMap<&str, Vec<&Seen<'_>>> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api()) {
        let service = Some(one.endpoint.service.name.as_str()).filter(|name| !name.is_empty());
        services.entry(service.unwrap_or(&one.endpoint.key.host)).or_default().push(one);
    }
    for (service, endpoints) in services {
        for duty in &DUTIES {
            let bound = |one: &&&Seen<'_>| !duty.only_sensitive || !one.sensitive.is_empty();
            let (told, untold): (Vec<&Seen<'_>>, Vec<&Seen<'_>>) =
                endpoints.iter().filter(bound).partition(|one| (duty.is_told)(&one.endpoint.claim));
            if told.is_empty() && untold.len() > 1 && !service.is_empty() {
                register.add(of_service(service, &untold, duty));
            } else {
                for one in untold {
                    register.add(of_endpoint(one, duty));
                }
            }
        }
    }
}

fn of_service(service: &str, endpoints: &[&Seen<'_>], duty: &Duty) -> Finding {
    let sensitive = endpoints.iter().any(|one| !one.sensitive.is_empty());
    let severity = if sensitive { duty.sensitive } else { duty.severity };
    let subject = Subject { host: service, method: "", path_template: "" };
    let mut finding = Finding::new(duty.kind, severity, subject, duty.detail);
    let facts = endpoints.iter().map(|one| &one.endpoint.facts);
    finding.count = facts.clone().map(|facts| facts.requests).sum();
    finding.of = finding.count;
    seen_together(&mut finding, facts);
    finding.explanation = format!(
        "{}; {} to {}; {}",
        duty.lacking,
        counted(finding.count, "request"),
        counted(endpoints.len() as u64, "endpoint"),
        duty.cure
    );
    finding
}

fn of_endpoint(one: &Seen<'_>, duty: &Duty) -> Finding {
    let severity = if one.sensitive.is_empty() { duty.severity } else { duty.sensitive };
    let requests = one.endpoint.facts.requests;
    let mut finding = one.finding(duty.kind, severity, duty.detail, (requests, requests));
    finding.explanation = format!("{}; {}; {}", duty.lacking, traffic(&one.endpoint.facts), duty.cure);
    finding
}
