//! Levels of service that were agreed on, held against what was seen.
//!
//! A level is missed when the calls that fall short are more than the level allows, and more than chance gives where it
//! is just kept: beyond the expected number by three times its standard deviation. What is measured is what the
//! sensor or the log saw: a latency of a log is that of the proxy which wrote it.

use super::{Seen, counted, seen_together};
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::ownership::ServiceLevel;
use std::collections::BTreeMap;

/// Calls that fall short from which on a level can be missed.
const LEAST: u64 = 5;
/// Standard deviations beyond what is expected.
const DEVIATIONS: f64 = 3.0;
/// The share of calls that may be slower than the latency at which 95 of 100 are to be.
const SLOWER: f64 = 0.05;

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    let mut services: BTreeMap<(&str, String), (ServiceLevel, Vec<&Seen<'_>>)> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.is_api()) {
        let Some(level) = one.endpoint.claim.sla else { continue };
        let service = Some(one.endpoint.service.name.as_str()).filter(|name| !name.is_empty());
        let key = (service.unwrap_or(&one.endpoint.key.host), level.to_string());
        services.entry(key).or_insert_with(|| (level, Vec::new())).1.push(one);
    }
    for ((service, _), (level, endpoints)) in &services {
        let found = [availability(level, endpoints), latency(level, endpoints)];
        for (detail, missed) in ["availability", "latency"].into_iter().zip(found) {
            let Some(Missed { short, of, explanation }) = missed else { continue };
            let subject = Subject { host: service, method: "", path_template: "" };
            let mut finding = Finding::new(Kind::SlaMissed, Severity::Medium, subject, detail);
            (finding.count, finding.of) = (short, of);
            finding.explanation = explanation;
            seen_together(&mut finding, endpoints.iter().map(|one| &one.endpoint.facts));
            register.add(finding);
        }
    }
}

/// Calls that fall short of a level, and what is to be said of them.
struct Missed {
    short: u64,
    of: u64,
    explanation: String,
}

/// Whether so many that fall short are more than a share of all allows.
#[expect(clippy::cast_precision_loss, reason = "a count among counts needs no 53 bits")]
fn is_missed(short: u64, of: u64, share: f64) -> bool {
    let expected = of as f64 * share;
    short >= LEAST && short as f64 > expected + DEVIATIONS * expected.sqrt()
}

#[expect(clippy::cast_precision_loss, reason = "a count among counts needs no 53 bits")]
fn percent(part: u64, of: u64) -> f64 {
    part as f64 * 100.0 / of as f64
}

fn availability(level: &ServiceLevel, endpoints: &[&Seen<'_>]) -> Option<Missed> {
    let asked = level.availability?;
    // Without an answer it is not known whose fault it was, and how it would have ended.
    let statuses = || endpoints.iter().flat_map(|one| one.endpoint.facts.statuses.range(100..));
    let of: u64 = statuses().map(|(_, count)| count).sum();
    let short: u64 = statuses().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum();
    if !is_missed(short, of, 1.0 - asked / 100.0) {
        return None;
    }
    let worst = endpoints
        .iter()
        .map(|one| (one.endpoint.facts.statuses.range(500..).map(|(_, count)| count).sum(), *one))
        .collect();
    let explanation = format!(
        "{:.3} % available, {asked} % agreed on: {short} of {} were faults of the server; {}",
        percent(of - short, of),
        counted(of, "answer"),
        most(worst)
    );
    Some(Missed { short, of, explanation })
}

fn latency(level: &ServiceLevel, endpoints: &[&Seen<'_>]) -> Option<Missed> {
    use crate::inventory::facts::Latencies;
    let asked = level.p95_ms?;
    // Only what is slower whatever its place in its bucket.
    let slower = |one: &Seen<'_>| -> (u64, u64) {
        one.endpoint.facts.latencies.buckets().fold((0, 0), |(slow, all), (bucket, count)| {
            let is_slow = Latencies::lower_bound(bucket) > asked.saturating_mul(1_000);
            (slow + if is_slow { count } else { 0 }, all + count)
        })
    };
    let (mut of, mut worst) = (0, Vec::new());
    for one in endpoints {
        let (slow, all) = slower(one);
        of += all;
        worst.push((slow, *one));
    }
    let short: u64 = worst.iter().map(|(count, _)| count).sum();
    if !is_missed(short, of, SLOWER) {
        return None;
    }
    let explanation = format!(
        "{:.1} % of {} took more than the {asked} ms that 95 % may take; {}",
        percent(short, of),
        counted(of, "timed call"),
        most(worst)
    );
    Some(Missed { short, of, explanation })
}

/// Which endpoint has most of what falls short, of several the first by its id.
fn most(worst: Vec<(u64, &Seen<'_>)>) -> String {
    let most = worst.into_iter().min_by_key(|(count, one)| (std::cmp::Reverse(*count), one.endpoint.id));
    let Some((count, one)) = most else { return String::new() };
    format!("most at {} {} ({count})", one.endpoint.key.method, one.template)
}
