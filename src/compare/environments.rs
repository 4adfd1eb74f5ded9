//! The same API in several environments: what differs between them.
//!
//! Operators tell which host is of which environment. Each host outside the reference (production, or the environment
//! called most) is held against the host there that shares most operations with it, method and template below the base path.
//! One finding tells all that differs in one respect, with counts.

use super::{Seen, policies, seen_together};
use crate::caller::AuthScheme;
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::facts::EndpointFacts;
use crate::inventory::nameless;
use crate::inventory::policy::{Policy, PolicyFacts};
use std::collections::{BTreeMap, BTreeSet};

/// Names of the environment that others are held against.
const REFERENCES: [&str; 4] = ["production", "prod", "prd", "live"];
/// Calls of an operation in each environment from which on its statuses tell something.
const ENOUGH: u64 = 20;
/// The share of calls, one of so many, from which on a status is usual.
const USUAL: u64 = 20;
/// Operations that are named in an explanation.
const NAMED: usize = 4;

/// An operation within an API: method, and template without names below the base path.
type Operation = (String, String);

/// What is known of a host.
#[derive(Default)]
struct Host<'a> {
    environment: &'a str,
    calls: u64,
    operations: BTreeMap<Operation, &'a Seen<'a>>,
}

pub(super) fn judge<'a>(seen: &'a [Seen<'a>], register: &mut Register) {
    let mut hosts: BTreeMap<&str, Host<'_>> = BTreeMap::new();
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api()) {
        let endpoint = one.endpoint;
        let Some(environment) = endpoint.claim.environment.as_deref() else { continue };
        let host = hosts.entry(&endpoint.key.host).or_default();
        host.environment = environment;
        host.calls += endpoint.facts.requests;
        *calls.entry(environment).or_default() += endpoint.facts.requests;
        let template = &endpoint.key.template;
        let path = template.strip_prefix(endpoint.base_path.as_str()).unwrap_or(template);
        host.operations.insert((endpoint.key.method.clone(), nameless(path)), one);
    }
    let named =
        calls.keys().copied().find(|name| REFERENCES.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let most = || {
        calls.iter().max_by_key(|(name, calls)| (**calls, std::cmp::Reverse(**name))).map(|(name, _)| *name)
    };
    let Some(reference) = named.or_else(most) else { return };
    let (references, others): (Vec<_>, Vec<_>) =
        hosts.iter().partition(|(_, host)| host.environment == reference);
    for (name, host) in others {
        let shared =
            |one: &Host<'_>| one.operations.keys().filter(|key| host.operations.contains_key(*key)).count();
        let best =
            references.iter().max_by_key(|(name, one)| (shared(one), one.calls, std::cmp::Reverse(**name)));
        let Some((same, twin)) = best else { continue };
        let all = twin.operations.len().min(host.operations.len());
        // Two APIs that happen to share a path or two are none.
        if shared(twin) * 2 < all || shared(twin) < all.min(2) || all == 0 {
            continue;
        }
        for difference in differences((same, twin), (name, host)) {
            register.add(difference);
        }
    }
}

/// In what respect two environments differ.
struct Respect {
    name: &'static str,
    words: &'static str,
    severity: Severity,
    /// What one of two differs in from the other, where both tell it.
    differ: fn(&EndpointFacts, &EndpointFacts) -> Option<(String, String)>,
}

const RESPECTS: [Respect; 5] = [
    Respect {
        name: "authentication",
        words: "are called with other credentials",
        severity: Severity::Medium,
        differ: |one, other| {
            let schemes = |facts: &EndpointFacts| -> BTreeSet<&str> {
                facts.auth.keys().copied().map(AuthScheme::name).collect()
            };
            sets(&schemes(one), &schemes(other))
        },
    },
    Respect {
        name: "transport",
        words: "are reached with TLS in one and without in the other",
        severity: Severity::Medium,
        differ: |one, other| {
            let word = |facts: &EndpointFacts| if facts.tls > 0 { "TLS" } else { "no TLS" };
            (word(one) != word(other)).then(|| (word(one).to_owned(), word(other).to_owned()))
        },
    },
    Respect {
        name: "policies",
        words: "state other policies in their headers",
        severity: Severity::Low,
        differ: |one, other| {
            let (mine, theirs) = (one.policies.as_deref()?, other.policies.as_deref()?);
            // Where there is no TLS nobody may ask for it, and that is told already.
            let told = |policy: Policy| policy != Policy::Hsts || (one.tls > 0) == (other.tls > 0);
            let alone = |mine: &PolicyFacts, theirs: &PolicyFacts| -> String {
                let only = Policy::ALL.into_iter().filter(|policy| {
                    told(*policy)
                        && policies::holds(mine, *policy) == Some(true)
                        && policies::holds(theirs, *policy) == Some(false)
                });
                only.map(Policy::name).collect::<Vec<_>>().join(" ")
            };
            let (mine, theirs) = (alone(mine, theirs), alone(theirs, mine));
            let word = |only: String| if only.is_empty() { "not".to_owned() } else { only };
            (!mine.is_empty() || !theirs.is_empty()).then(|| (word(mine), word(theirs)))
        },
    },
    Respect {
        name: "statuses",
        words: "answer with other statuses",
        severity: Severity::Info,
        differ: |one, other| {
            if one.requests < ENOUGH || other.requests < ENOUGH {
                return None;
            }
            let alone = |facts: &EndpointFacts, other: &EndpointFacts| -> Vec<String> {
                let usual = facts.statuses.iter().filter(|(_, count)| **count * USUAL >= facts.requests);
                usual
                    .filter(|(status, _)| !other.statuses.contains_key(status))
                    .map(|(status, _)| status.to_string())
                    .collect()
            };
            let (mine, theirs) = (alone(one, other), alone(other, one));
            let word = |statuses: Vec<String>| {
                if statuses.is_empty() { "not".to_owned() } else { statuses.join(" ") }
            };
            (!mine.is_empty() || !theirs.is_empty()).then(|| (word(mine), word(theirs)))
        },
    },
    Respect {
        name: "media types",
        words: "answer with other media types",
        severity: Severity::Low,
        differ: |one, other| {
            let media = |facts: &EndpointFacts| -> BTreeSet<String> {
                let answers = facts
                    .response_media
                    .keys()
                    .filter(|(status, media)| (200..300).contains(status) && !media.is_empty());
                answers.map(|(_, media)| media.clone()).collect()
            };
            let (mine, theirs) = (media(one), media(other));
            sets(&mine.iter().map(String::as_str).collect(), &theirs.iter().map(String::as_str).collect())
        },
    },
];

/// Two sets that both tell something, where they differ.
fn sets(one: &BTreeSet<&str>, other: &BTreeSet<&str>) -> Option<(String, String)> {
    let words = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(" ");
    (!one.is_empty() && !other.is_empty() && one != other).then(|| (words(one), words(other)))
}

fn differences((name, twin): (&str, &Host<'_>), (other_name, other): (&str, &Host<'_>)) -> Vec<Finding> {
    let mut all = Vec::new();
    let (here, there) = (twin.environment, other.environment);
    let both: Vec<(&Operation, &Seen<'_>, &Seen<'_>)> = twin
        .operations
        .iter()
        .filter_map(|(key, one)| Some((key, *one, *other.operations.get(key)?)))
        .collect();
    let finding = |severity, respect: &str, explanation: String, (count, of): (usize, usize)| {
        let subject = Subject { host: name, method: "", path_template: "" };
        let mut finding = Finding::new(
            Kind::EnvironmentDrift,
            severity,
            subject,
            &format!("{there} {other_name}: {respect}"),
        );
        (finding.count, finding.of) = (count as u64, of as u64);
        finding.explanation = explanation;
        let all = twin.operations.values().chain(other.operations.values());
        seen_together(&mut finding, all.map(|one| &one.endpoint.facts));
        finding
    };
    for respect in &RESPECTS {
        let differing: Vec<String> = both
            .iter()
            .filter_map(|((method, path), one, other)| {
                let (mine, theirs) = (respect.differ)(&one.endpoint.facts, &other.endpoint.facts)?;
                Some(format!("{method} {path} ({here} {mine}, {there} {theirs})"))
            })
            .collect();
        if !differing.is_empty() {
            let counts = (differing.len(), both.len());
            let words = format!("{} of {} shared operations {}: ", counts.0, counts.1, respect.words);
            all.push(finding(respect.severity, respect.name, words + &listed(&differing), counts));
        }
    }
    let alone = |one: &Host<'_>, other: &Host<'_>| -> Vec<String> {
        let keys = one.operations.keys().filter(|key| !other.operations.contains_key(*key));
        keys.map(|(method, path)| format!("{method} {path}")).collect()
    };
    let (mine, theirs) = (alone(twin, other), alone(other, twin));
    if !mine.is_empty() || !theirs.is_empty() {
        let told = |keys: &[String], environment: &str| {
            (!keys.is_empty()).then(|| format!("{} only in {environment}: {}", keys.len(), listed(keys)))
        };
        let words: Vec<String> = told(&mine, here).into_iter().chain(told(&theirs, there)).collect();
        // What runs for all without having been tried elsewhere matters more than what is not released yet.
        let severity = if mine.is_empty() { Severity::Info } else { Severity::Low };
        let counts = (mine.len() + theirs.len(), mine.len() + theirs.len() + both.len());
        all.push(finding(severity, "endpoints", words.join("; "), counts));
    }
    all
}

/// The first of them, and how many more.
fn listed(all: &[String]) -> String {
    let named = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!("{named} and {more} more"),
        None => named,
    }
}
