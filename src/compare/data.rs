//! Data classes where they should not be: authentication data of cards, sensitive data in errors, data that no document
//! tells of, that came to an endpoint long known, and more of it than others of its kind answer with.

use super::{Carried, Carrier, Seen, counted, place_of};
use crate::finding::{Kind, Register, Severity};
use crate::inventory::EndpointClass;
use crate::inventory::facts::EndpointFacts;
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An endpoint that was seen for so long before a class came is known without it.
const KNOWN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Endpoints of a capability on a host from which on they tell what is usual among them, the one that is judged among them.
const MIN_PEERS: usize = 5;
/// Classes of personal data in answers from which on they may be too many.
const MIN_CLASSES: usize = 6;
/// The tier from which on data is personal.
const PERSONAL_TIER: u8 = 2;
/// Fields that an explanation names.
const MAX_NAMED: usize = 3;

/// Endpoints, each with the personal data that it answers with.
type Peers<'s, 'a> = Vec<(&'s Seen<'a>, Vec<&'s Carried>)>;

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    for one in seen {
        authentication_data(one, register);
        in_error(one, register);
        newly(one, register);
    }
    excessive(seen, register);
}

/// The fields of all of them, in words; where paths and headers have no field names, their places.
fn fields(all: &[&Carried]) -> String {
    let names: BTreeSet<&str> =
        all.iter().flat_map(|one| &one.fields).map(|(_, field)| field.as_str()).collect();
    named(&names.into_iter().collect::<Vec<_>>(), MAX_NAMED)
}

/// `$.a, $.b and 2 other fields`: at most so many by name.
fn named(fields: &[&str], most: usize) -> String {
    let shown: Vec<&str> = fields.iter().take(most).copied().collect();
    let more = match fields.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {}", counted(more as u64, "other field")),
    };
    format!("{}{more}", shown.join(", "))
}

/// In how many exchanges that was which came most often, as a number and in words.
fn most(all: &[&Carried]) -> (u64, String) {
    let most = all.iter().max_by_key(|carried| (carried.exchanges, carried.sampled));
    most.map_or_else(|| (0, "0".to_owned()), |carried| (carried.exchanges, carried.many()))
}

/// What proves that a caller has the card: never to be kept, and never to be answered with (PCI DSS 3.3.1).
fn authentication_data(one: &Seen<'_>, register: &mut Register) {
    let mut classes: BTreeMap<&str, Vec<&Carried>> = BTreeMap::new();
    for carried in one.carried.iter().filter(|carried| carried.authenticates) {
        classes.entry(&carried.class).or_default().push(carried);
    }
    for (class, all) in classes {
        let severity = all.iter().map(|carried| match carried.carrier {
            Carrier::Response | Carrier::ErrorResponse => Severity::Critical,
            Carrier::RequestPath | Carrier::RequestQuery => Severity::High,
            Carrier::RequestHeader | Carrier::RequestBody => Severity::Medium,
        });
        let severity = severity.max().unwrap_or(Severity::Medium);
        let places: BTreeSet<&str> = all.iter().map(|carried| carried.carrier.words()).collect();
        let places: Vec<&str> = places.into_iter().collect();
        let (count, many) = most(&all);
        let shown = (count, one.endpoint.facts.requests);
        let mut finding = one.finding(Kind::CardAuthenticationData, severity, class, shown);
        finding.explanation = format!(
            "{many} of {} carried {class} in {} ({})",
            counted(one.endpoint.facts.requests, "exchange"),
            places.join(" and "),
            fields(&all)
        );
        register.add(finding);
    }
}

/// Errors are logged, shown and reported where answers are not.
fn in_error(one: &Seen<'_>, register: &mut Register) {
    let all: Vec<&Carried> =
        one.sensitive.iter().filter(|carried| carried.carrier == Carrier::ErrorResponse).collect();
    if all.is_empty() {
        return;
    }
    let (count, many) = most(&all);
    let errors = errors(&one.endpoint.facts);
    let mut finding = one.finding(Kind::SensitiveDataInError, Severity::Medium, "", (count, errors));
    finding.explanation = format!(
        "{many} of {} carried {} ({}), which goes on into logs and reports of errors",
        counted(errors, "error answer"),
        one.sensitive_words(|carrier| carrier == Carrier::ErrorResponse),
        fields(&all)
    );
    register.add(finding);
}

fn errors(facts: &EndpointFacts) -> u64 {
    facts.statuses.range(400..).map(|(_, count)| *count).sum()
}

/// Sensitive data that an endpoint did not carry when it was long known.
fn newly(one: &Seen<'_>, register: &mut Register) {
    let facts = &one.endpoint.facts;
    let mut classes: BTreeMap<&str, (Timestamp, Vec<&Carried>)> = BTreeMap::new();
    for carried in &one.sensitive {
        let known = classes.entry(&carried.class).or_insert((Timestamp::MAX, Vec::new()));
        known.0 = known.0.min(carried.first_seen);
        known.1.push(carried);
    }
    for (class, (first, all)) in classes {
        let after = first.since(facts.first_seen);
        if facts.requests == 0 || first == Timestamp::MAX || after < KNOWN_AFTER {
            continue;
        }
        let (count, many) = most(&all);
        let mut finding =
            one.finding(Kind::NewSensitiveData, Severity::Medium, class, (count, facts.requests));
        finding.first_seen = Some(first);
        finding.explanation = format!(
            "{class} came {} after the endpoint was first seen, in {}; {many} of {} carry it",
            counted(after.as_secs() / 86_400, "day"),
            fields(&all),
            counted(facts.requests, "exchange")
        );
        register.add(finding);
    }
}

/// Endpoints that answer with far more classes of personal data than others that serve the same capability.
fn excessive(seen: &[Seen<'_>], register: &mut Register) {
    let answering = |one: &&Seen<'_>| {
        one.endpoint.class == EndpointClass::Api && one.endpoint.facts.answered_with_success(false) > 0
    };
    let mut groups: BTreeMap<(&str, &str), Peers<'_, '_>> = BTreeMap::new();
    for one in seen.iter().filter(answering) {
        let mut personal: Vec<&Carried> = one
            .carried
            .iter()
            .filter(|carried| carried.carrier == Carrier::Response && carried.tier >= PERSONAL_TIER)
            .collect();
        personal.sort_by_key(|carried| &carried.class);
        personal.dedup_by_key(|carried| &carried.class);
        groups.entry((&one.endpoint.key.host, &one.endpoint.capability)).or_default().push((one, personal));
    }
    for ((_, capability), group) in groups.into_iter().filter(|(_, group)| group.len() >= MIN_PEERS) {
        let mut sizes: Vec<usize> = group.iter().map(|(_, classes)| classes.len()).collect();
        sizes.sort_unstable();
        let usual = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
        for (one, classes) in group {
            if classes.len() < MIN_CLASSES || classes.len() < usual * 3 {
                continue;
            }
            let success = one.endpoint.facts.answered_with_success(false);
            let mut finding =
                one.finding(Kind::ExcessiveDataExposure, Severity::Medium, "", (success, success));
            let names: Vec<&str> = classes.iter().map(|carried| carried.class.as_str()).collect();
            finding.explanation = format!(
                "answers carry {} of personal data ({}); half of the {} for {capability} on this host carry {usual} or \
                 fewer",
                counted(classes.len() as u64, "kind"),
                names.join(", "),
                counted(sizes.len() as u64, "endpoint"),
            );
            register.add(finding);
        }
    }
}

/// Sensitive data in answers whose document does not tell of it: `undocumented` are the properties that it does not name,
/// `silent` the statuses whose bodies it says nothing of.
pub(super) fn undocumented(
    one: &Seen<'_>,
    documents: &DocumentSet,
    undocumented: &[(u16, String)],
    silent: &[u16],
    register: &mut Register,
) {
    let untold = |(status, field): &&(u16, String)| {
        // Schemas and shapes each write the items of an array in their way.
        let field = field.replace("[*]", "[]");
        silent.contains(status)
            || undocumented.iter().any(|(of, path)| {
                of == status
                    && field
                        .strip_prefix(path.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
            })
    };
    for carried in one.sensitive.iter().filter(|carried| carried.carrier == Carrier::Response) {
        let mut untold: Vec<&(u16, String)> = carried.fields.iter().filter(untold).collect();
        untold.dedup();
        if untold.is_empty() {
            continue;
        }
        let fields = named(&untold.iter().map(|(_, field)| field.as_str()).collect::<Vec<_>>(), 1);
        let severity = if carried.tier >= 4 { Severity::High } else { Severity::Medium };
        let shown = (carried.exchanges, one.endpoint.facts.requests);
        let mut finding = one.finding(Kind::UndocumentedSensitiveData, severity, &carried.class, shown);
        finding.explanation = format!(
            "answers carry {} in {fields}, which the document does not tell of; seen in {} of {}",
            carried.class,
            carried.many(),
            counted(one.endpoint.facts.requests, "exchange")
        );
        finding.document = place_of(documents, one.operation());
        register.add(finding);
    }
}
