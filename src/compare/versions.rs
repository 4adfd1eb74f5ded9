//! Versions of an operation: older ones that are called though a newer one answers.

use super::paths::traffic;
use super::{Seen, counted, lifecycle};
use crate::finding::{Finding, Kind, Register, Severity};
use crate::inventory::versions::{VersionKey, VersionPlace, VersionUse, order};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A version that one endpoint of a family was called in.
struct Called<'a> {
    one: &'a Seen<'a>,
    key: &'a VersionKey,
    used: &'a VersionUse,
}

pub(super) fn judge<'a>(seen: &'a [Seen<'a>], register: &mut Register) {
    // Versions are compared where they are told the same way.
    let mut families: BTreeMap<(&str, VersionPlace, &str), Vec<Called<'a>>> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api()) {
        for (key, used) in &one.endpoint.versions {
            let family = (one.endpoint.family.as_str(), key.place, &*key.name);
            families.entry(family).or_default().push(Called { one, key, used });
        }
    }
    for called in families.values().filter(|called| called.len() > 1) {
        let all = called.iter().map(|one| one.used.count).sum();
        for older in called {
            if let Some(finding) = old_version(older, called, all) {
                register.add(finding);
            }
        }
    }
}

/// What is to be told of one version among those of its family.
fn old_version(older: &Called<'_>, family: &[Called<'_>], all: u64) -> Option<Finding> {
    let facts = &older.one.endpoint.facts;
    let retiring = facts.retirement.deprecated_answers > 0
        || facts.retirement.sunset.is_some()
        || older.one.endpoint.lifecycle.as_ref().is_some_and(|life| life.sunset.is_some())
        || older.one.operations.iter().any(|(_, operation)| operation.deprecated);
    if retiring {
        // That it is to go is told by a finding of its own.
        return None;
    }
    let newest = family
        .iter()
        .filter(|newer| order(&older.key.version, &newer.key.version) == Some(Ordering::Less))
        .filter(|newer| answers(newer))
        .filter(|newer| older.used.last_seen >= newer.used.first_seen)
        .max_by(|a, b| order(&a.key.version, &b.key.version).unwrap_or(Ordering::Equal))?;
    let (version, name) = (&older.key.version, &older.key.name);
    let detail = if name.is_empty() { version.to_string() } else { format!("{name} {version}") };
    let mut finding =
        older.one.finding(Kind::OldVersionInUse, Severity::Low, &detail, (older.used.count, all));
    (finding.first_seen, finding.last_seen) = (Some(older.used.first_seen), Some(older.used.last_seen));
    let told = match older.key.place {
        VersionPlace::Path => {
            let life = older.one.endpoint.lifecycle.as_deref();
            traffic(facts) + &lifecycle::trend(life.and_then(|life| life.trend))
        }
        VersionPlace::Header | VersionPlace::Query | VersionPlace::Media => {
            counted(older.used.count, "request")
        }
    };
    finding.explanation = format!(
        "version {version} is called though version {} answers, seen since {}; {told}",
        newest.key.version,
        newest.used.first_seen.date()
    );
    Some(finding)
}

/// Whether calls of a version were answered with success, as far as it can be told.
fn answers(called: &Called<'_>) -> bool {
    called.one.endpoint.facts.statuses.range(200..300).any(|(_, count)| *count > 0)
}
