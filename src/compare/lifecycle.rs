//! Ends: what is called though its end is announced or past, what came back, and ends that were announced too late.
//!
//! Where in its life an endpoint is was judged before ([`crate::inventory::lifecycle`]); none of this needs a document.

use super::paths::traffic;
use super::{Seen, counted, place_of};
use crate::finding::{Finding, Kind, Register, Severity};
use crate::inventory::lifecycle::{Announcer, Lifecycle, State, Trend};
use crate::spec::DocumentSet;

pub(super) fn judge(seen: &[Seen<'_>], documents: &DocumentSet, register: &mut Register) {
    for one in seen.iter().filter(|one| one.endpoint.facts.requests > 0) {
        let Some(life) = one.endpoint.lifecycle.as_deref() else { continue };
        let found = [
            deprecated(one, life, documents),
            after_sunset(one, life, documents),
            resurrected(one, life),
            short_notice(one, life),
        ];
        for finding in found.into_iter().flatten() {
            register.add(finding);
        }
    }
}

/// How calls have changed, as a part of a sentence; nothing where two weeks were not watched.
pub(super) fn trend(trend: Option<Trend>) -> String {
    trend.map_or_else(String::new, |Trend { last_week, week_before }| {
        format!("; {last_week} in the last 7 days, {week_before} in the 7 before")
    })
}

fn deprecated(one: &Seen<'_>, life: &Lifecycle, documents: &DocumentSet) -> Option<Finding> {
    let facts = &one.endpoint.facts;
    let marked = one.operations.iter().filter(|(_, operation)| operation.deprecated).count();
    let documented = marked > 0;
    let told = facts.retirement.deprecated_answers;
    let not_yet = facts.retirement.deprecated_since.is_some_and(|since| since > facts.last_seen);
    let by_answers = told > 0 && !not_yet || facts.retirement.sunset.is_some();
    let by_owner = one.endpoint.claim.retirement.is_some_and(|policy| policy.sunset.is_some());
    let announced = (by_answers || by_owner) && (one.is_api() || one.operation().is_some());
    if !(documented || announced) {
        return None;
    }
    // Documents, or paths that differ only in names, may contradict one another.
    let disputed = documented && marked < one.operations.len();
    let severity = if disputed { Severity::Low } else { Severity::Medium };
    let count = if documented || by_owner { facts.requests } else { told.max(1) };
    let mut finding = one.finding(Kind::DeprecatedInUse, severity, "", (count, facts.requests));
    let who: Vec<&str> = [(documented, "the document"), (by_answers, "the answers"), (by_owner, "the owner")]
        .into_iter()
        .filter_map(|(says, who)| says.then_some(who))
        .collect();
    let (last, others) = who.split_last()?;
    let who =
        if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
    let mark = if who == "the document" || who == "the owner" { "marks" } else { "mark" };
    finding.explanation = format!("{who} {mark} this operation as deprecated; {}", traffic(facts));
    finding.explanation.push_str(&trend(life.trend));
    if disputed {
        finding.explanation.push_str("; another description of the same path does not");
    }
    if let Some((sunset, _)) = life.sunset {
        let over = facts.last_seen > sunset;
        let tense = if over { "was" } else { "is" };
        let left = sunset.since(facts.last_seen).as_secs() / 86_400;
        let left =
            if over { String::new() } else { format!(", {} after the last call", counted(left, "day")) };
        let words = format!("; its sunset {tense} {}{left}", sunset.date());
        finding.explanation.push_str(&words);
    }
    if facts.retirement.successor_links > 0 {
        finding.explanation.push_str("; its answers link to its successor");
    }
    let marking =
        one.operations.iter().map(|(_, operation)| *operation).find(|operation| operation.deprecated);
    finding.document = place_of(documents, marking.or_else(|| one.operation()));
    Some(finding)
}

fn after_sunset(one: &Seen<'_>, life: &Lifecycle, documents: &DocumentSet) -> Option<Finding> {
    let (sunset, announcer) = life.sunset?;
    let facts = &one.endpoint.facts;
    let calls = life.calls_after_sunset;
    if calls == 0 || !(one.is_api() || one.operation().is_some()) {
        return None;
    }
    let (severity, word) = match life.state {
        State::Retired => (Severity::Info, "and is not called or not there any more"),
        // It answers as if nothing had been said.
        State::Sunset
        | State::New
        | State::Active
        | State::Deprecated
        | State::Dormant
        | State::Resurrected => (Severity::High, "and it answers still"),
    };
    let mut finding = one.finding(Kind::CalledAfterSunset, severity, "", (calls, facts.requests));
    finding.first_seen = Some(sunset.max(facts.first_seen));
    let told = announcer.words();
    finding.explanation = format!(
        "{told} that its sunset was {}, {word}; {} after it{}",
        sunset.date(),
        counted(calls, "request"),
        trend(life.trend)
    );
    if announcer == Announcer::Document {
        let ending = one.operations.iter().map(|(_, operation)| *operation);
        finding.document =
            place_of(documents, ending.into_iter().find(|operation| operation.sunset.is_some()));
    }
    Some(finding)
}

fn resurrected(one: &Seen<'_>, life: &Lifecycle) -> Option<Finding> {
    if life.state != State::Resurrected || !one.is_api() {
        return None;
    }
    let severity = if one.sensitive.is_empty() { Severity::Low } else { Severity::Medium };
    let facts = &one.endpoint.facts;
    let mut finding = one.finding(Kind::Resurrected, severity, "", (facts.requests, facts.requests));
    finding.explanation = format!(
        "called again since {} after {} of silence or of being gone; {}",
        life.since.date(),
        counted(life.silent_days.unsigned_abs(), "day"),
        traffic(facts)
    );
    Some(finding)
}

/// An end whose notice is shorter than the owner's policy wants.
fn short_notice(one: &Seen<'_>, life: &Lifecycle) -> Option<Finding> {
    let wanted = u64::from(one.endpoint.claim.retirement?.notice_days?);
    let ((sunset, _), since) = (life.sunset?, life.deprecated_since?);
    let given = sunset.since(since).as_secs() / 86_400;
    if given >= wanted || !one.is_api() {
        return None;
    }
    let facts = &one.endpoint.facts;
    let mut finding = one.finding(Kind::ShortNotice, Severity::Low, "", (facts.requests, facts.requests));
    finding.explanation = format!(
        "deprecated since {} with its sunset on {}: {} of notice, and its owner's policy wants {wanted}; {}",
        since.date(),
        sunset.date(),
        counted(given, "day"),
        traffic(facts)
    );
    Some(finding)
}
