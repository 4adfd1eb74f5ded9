//! Policies that answers state in their headers, where they are not enforced alike.
//!
//! An endpoint is held against the others of its host: what nearly all of them state, its answers should state too, and
//! what nearly none of them loosens it should not. A single header that nobody sends is no finding: what a host as a whole
//! does may be meant. Sensitive data that caches of many users may keep are a finding by themselves.

use super::{Carrier, Seen, counted};
use crate::finding::{Finding, Kind, Register, Severity};
use crate::inventory::policy::{Policy, PolicyFacts};
use std::collections::BTreeMap;

/// Answers of an endpoint from which on its policies tell something.
pub(super) const ENOUGH: u64 = 5;
/// Of so many answers at most one does otherwise than the rest where a policy holds, or where it does not.
const RARELY: u64 = 20;
/// Endpoints of a host from which on there is something that they do alike.
const ENDPOINTS: usize = 8;
/// Of so many endpoints at most one does otherwise, for the others to be a standard.
const EXCEPTION: usize = 5;

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    let mut hosts: BTreeMap<&str, Vec<(&Seen<'_>, &PolicyFacts)>> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api()) {
        let Some(known) = one.endpoint.facts.policies.as_deref().filter(|known| known.answers > 0) else {
            continue;
        };
        if let Some(finding) = cacheable(one, known) {
            register.add(finding);
        }
        if known.answers >= ENOUGH {
            hosts.entry(&one.endpoint.key.host).or_default().push((one, known));
        }
    }
    for endpoints in hosts.values() {
        let standards: Vec<Standard> =
            Policy::ALL.into_iter().filter_map(|policy| Standard::of(policy, endpoints)).collect();
        for (one, known) in endpoints {
            if let Some(finding) = gap(one, known, &standards) {
                register.add(finding);
            }
        }
    }
}

/// Whether answers state a policy, as far as enough of them were seen.
pub(super) fn holds(known: &PolicyFacts, policy: Policy) -> Option<bool> {
    let stated = known.stated(policy);
    if known.answers < ENOUGH {
        None
    } else if (known.answers - stated) * RARELY <= known.answers {
        Some(true)
    } else if stated * RARELY <= known.answers {
        Some(false)
    } else {
        None
    }
}

/// What the endpoints of a host do alike.
struct Standard {
    policy: Policy,
    /// How many of them do, of how many.
    alike: usize,
    of: usize,
}

impl Standard {
    fn of(policy: Policy, endpoints: &[(&Seen<'_>, &PolicyFacts)]) -> Option<Self> {
        let bound: Vec<&PolicyFacts> =
            endpoints.iter().filter(|(one, _)| binds(policy, one)).map(|(_, known)| *known).collect();
        let alike = bound.iter().filter(|known| holds(known, policy) == Some(policy.protects())).count();
        let of = bound.len();
        (of >= ENDPOINTS && (of - alike) * EXCEPTION <= of).then_some(Self { policy, alike, of })
    }
}

/// Whether a policy is for an endpoint: caches keep what is asked for by GET, and should not keep what is sensitive.
fn binds(policy: Policy, one: &Seen<'_>) -> bool {
    match policy {
        Policy::NoStore | Policy::SharedCache => {
            one.endpoint.key.method == "GET"
                && one.sensitive.iter().any(|carried| carried.carrier == Carrier::Response)
        }
        Policy::Hsts
        | Policy::ContentSecurity
        | Policy::NoSniff
        | Policy::FrameOptions
        | Policy::ReferrerPolicy
        | Policy::AnyOrigin
        | Policy::CredentialsAcross
        | Policy::RateLimit => true,
    }
}

fn gap(one: &Seen<'_>, known: &PolicyFacts, standards: &[Standard]) -> Option<Finding> {
    let mut words = Vec::new();
    let mut most = 0;
    for Standard { policy, alike, of } in standards.iter().filter(|standard| binds(standard.policy, one)) {
        if holds(known, *policy) == Some(policy.protects()) {
            continue;
        }
        let stated = known.stated(*policy);
        let (verb, count) =
            if policy.protects() { ("lack", known.answers - stated) } else { ("give", stated) };
        most = most.max(count);
        let others = if policy.protects() { "state it" } else { "do not" };
        words.push(format!("{count} {verb} {} ({alike} of {of} {others})", policy.words()));
    }
    if words.is_empty() {
        return None;
    }
    let severity = if one.sensitive.is_empty() { Severity::Info } else { Severity::Low };
    let mut finding = one.finding(Kind::PolicyGap, severity, "", (most, known.answers));
    finding.explanation = format!(
        "of {} with success {}; in brackets the endpoints of this host",
        counted(known.answers, "answer"),
        words.join(", ")
    );
    Some(finding)
}

fn cacheable(one: &Seen<'_>, known: &PolicyFacts) -> Option<Finding> {
    let kept = known.stated(Policy::SharedCache);
    let classes = one.sensitive_words(|carrier| carrier == Carrier::Response);
    if kept == 0 || classes.is_empty() {
        return None;
    }
    let mut finding = one.finding(Kind::SensitiveDataCacheable, Severity::Medium, "", (kept, known.answers));
    finding.explanation = format!(
        "{kept} of {} with success let caches of many users keep them (`public` or `s-maxage`), and answers carry \
         {classes}",
        counted(known.answers, "answer")
    );
    Some(finding)
}
