//! Where in its life an endpoint is: new, active, deprecated, past its sunset, dormant, retired, back again.
//!
//! The state follows from evidence alone: the days on which it was called and how it answered ([`super::history`]), what
//! documents, answers and operators announce, and the time of the last exchange of all, which stands for now. No clock is
//! asked, so the same traffic gives the same states whenever it is analysed. The earlier states are told as well: the same
//! question, asked of each moment at which the answer may have changed.

use super::facts::EndpointFacts;
use super::history::{Day, Days};
use super::ownership::Spans;
use super::{Endpoint, Inventory};
use crate::merge::Merge;
use crate::spec::{DocumentSet, RouteId};
use crate::time::Timestamp;
use std::time::Duration;

/// A state of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// First called a short while ago, on a network that was watched before.
    New,
    /// Called.
    #[default]
    Active,
    /// Its end is announced.
    Deprecated,
    /// Its end has passed, and it was called since, or it passed a short while ago.
    Sunset,
    /// Not called for long.
    Dormant,
    /// Its end has passed and it is not called any more, or it answers that it is gone.
    Retired,
    /// Called again, a short while ago, after it was dormant or retired.
    Resurrected,
}

impl State {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Sunset => "sunset",
            Self::Dormant => "dormant",
            Self::Retired => "retired",
            Self::Resurrected => "resurrected",
        }
    }
}

/// Who announces an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Announcer {
    /// Its answers.
    Answers,
    /// A document.
    Document,
    /// Its owner.
    Owner,
}

impl Announcer {
    /// In words, as the beginning of a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Answers => "its answers say",
            Self::Document => "the document says",
            Self::Owner => "its owner says",
        }
    }
}

/// How calls have changed over two weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trend {
    /// Calls of the last seven days.
    pub last_week: u64,
    /// Calls of the seven days before.
    pub week_before: u64,
}

/// Where in its life an endpoint is. See the module's doc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// The state as of the last exchange of all.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Its states from the first on, each with when it began; as far back as days are remembered.
    pub states: Vec<(Timestamp, State)>,
    /// Since when it is deprecated, where a date is told.
    pub deprecated_since: Option<Timestamp>,
    /// When it will be gone, or should be, and who says so.
    pub sunset: Option<(Timestamp, Announcer)>,
    /// Calls since then, as far as days are remembered.
    pub calls_after_sunset: u64,
    /// The longest it was not called before the state [`State::Resurrected`], in days.
    pub silent_days: i64,
    /// How calls have changed, where two weeks were watched.
    pub trend: Option<Trend>,
}

/// What documents announce of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Announced {
    deprecated: bool,
    sunset: Option<Timestamp>,
}

fn announced(endpoint: &Endpoint, documents: &DocumentSet) -> Announced {
    let key = &endpoint.key;
    let Some(routed) = documents.route_request_path(&key.host, &key.method, &key.template) else {
        return Announced::default();
    };
    let operations = documents.operations_at(RouteId(routed.route.0), &key.host);
    let operations = operations.into_iter().filter_map(|id| documents.operation(id));
    let mut told = Announced::default();
    for operation in operations.filter(|operation| operation.method == key.method) {
        told.deprecated |= operation.deprecated;
        told.sunset = told.sunset.max(operation.sunset.as_deref().and_then(Timestamp::parse_date));
    }
    told
}

/// Tells all endpoints of an inventory where in their lives they are.
pub fn assign(inventory: &mut Inventory, documents: &DocumentSet, spans: Spans) {
    let Some((watched_since, now)) = inventory.span else { return };
    for endpoint in &mut inventory.endpoints {
        let told = announced(endpoint, documents);
        endpoint.lifecycle =
            Some(Box::new(Evidence::of(endpoint, told, spans, (watched_since, now)).judge()));
    }
}

/// All that decides.
struct Evidence {
    days: Days,
    first_seen: Timestamp,
    watched_since: Timestamp,
    now: Timestamp,
    new_days: i64,
    dormant_days: i64,
    /// From when on it counts as deprecated.
    deprecated: Option<Timestamp>,
    deprecated_since: Option<Timestamp>,
    sunset: Option<(Timestamp, Announcer)>,
    calls_after_sunset: u64,
}

/// Days on which it must have answered 404 alone to count as retired: an object that is not there says so, too.
const MISSING_DAYS: usize = 3;

const fn start(day: i64) -> Timestamp {
    Timestamp::from_secs(day.saturating_mul(86_400), 0)
}

fn days_after(at: Timestamp, days: i64) -> Timestamp {
    at.plus(Duration::from_secs(days.unsigned_abs().saturating_mul(86_400)))
}

impl Evidence {
    fn of(
        endpoint: &Endpoint,
        told: Announced,
        spans: Spans,
        (watched_since, now): (Timestamp, Timestamp),
    ) -> Self {
        let facts = &endpoint.facts;
        let policy = endpoint.claim.retirement.unwrap_or_default();
        let retirement = &facts.retirement;
        let sunsets = [
            (retirement.sunset, Announcer::Answers),
            (told.sunset, Announcer::Document),
            (policy.sunset, Announcer::Owner),
        ];
        let sunset = sunsets.into_iter().find_map(|(date, by)| Some((date?, by)));
        let is_told = told.deprecated || retirement.deprecated_answers > 0 || sunset.is_some();
        let from = retirement.deprecated_since.map_or(facts.first_seen, |since| since.max(facts.first_seen));
        let calls_after_sunset = sunset.map_or(0, |(date, _)| after(facts, date));
        Self {
            days: days(facts),
            first_seen: facts.first_seen,
            watched_since,
            now,
            new_days: spans.new_days.into(),
            dormant_days: policy.dormant_days.unwrap_or(spans.dormant_days).into(),
            deprecated: is_told.then_some(from),
            deprecated_since: retirement.deprecated_since,
            sunset,
            calls_after_sunset,
        }
    }

    fn judge(self) -> Lifecycle {
        let mut states: Vec<(Timestamp, State)> = Vec::new();
        for at in self.moments() {
            let state = self.state_at(at);
            if states.last().is_none_or(|(_, before)| *before != state) {
                states.push((at, state));
            }
        }
        let (since, state) = states.last().copied().unwrap_or((self.first_seen, State::Active));
        Lifecycle {
            state,
            since,
            states,
            deprecated_since: self.deprecated_since,
            sunset: self.sunset,
            calls_after_sunset: self.calls_after_sunset,
            silent_days: self.return_before(self.now.day()).map_or(0, |(_, silent)| silent),
            trend: self.trend(),
        }
    }

    /// The moments at which the state may have changed, the earliest first.
    fn moments(&self) -> Vec<Timestamp> {
        let mut all = vec![self.first_seen, days_after(self.first_seen, self.new_days)];
        all.extend(self.deprecated);
        if let Some((date, _)) = self.sunset {
            all.extend([date, start(date.day() + self.new_days + 1)]);
        }
        let (mut alive, mut missing): (Option<i64>, Vec<i64>) = (None, Vec::new());
        for (day, calls) in self.days.iter() {
            if calls.alive > 0 {
                let silent = alive.is_some_and(|alive| day - alive > self.dormant_days);
                if silent || !missing.is_empty() {
                    all.extend([start(day), days_after(start(day), self.new_days)]);
                }
                missing.clear();
                alive = Some(day);
                all.push(start(day + self.dormant_days + 1));
                if self.sunset.is_some() {
                    all.extend([start(day), start(day + self.new_days + 1)]);
                }
            } else {
                missing.push(day);
                if calls.gone > 0 || missing.len() == MISSING_DAYS {
                    all.push(start(day));
                }
            }
        }
        // What begins with a day begins, on its first, with the first call.
        let mut all: Vec<Timestamp> =
            all.into_iter().map(|at| at.max(self.first_seen)).filter(|at| *at <= self.now).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The state as it was at a moment, by what was known then.
    fn state_at(&self, at: Timestamp) -> State {
        let day = at.day();
        let last_alive = self.days.until(day).rev().find(|(_, calls)| calls.alive > 0).map(|(day, _)| day);
        let Some(last_alive) = last_alive else { return State::Active };
        if self.is_gone(last_alive, day) {
            return State::Retired;
        }
        if let Some((date, _)) = self.sunset.filter(|(date, _)| *date <= at) {
            // That nobody has called since last night says little.
            let is_over = day - last_alive.max(date.day()) > self.new_days;
            return if is_over { State::Retired } else { State::Sunset };
        }
        if day - last_alive > self.dormant_days {
            return State::Dormant;
        }
        if self.return_before(day).is_some_and(|(back, _)| day - back < self.new_days) {
            return State::Resurrected;
        }
        if self.deprecated.is_some_and(|from| from <= at) {
            return State::Deprecated;
        }
        let comes_late = self.first_seen >= days_after(self.watched_since, self.new_days);
        if comes_late && at < days_after(self.first_seen, self.new_days) { State::New } else { State::Active }
    }

    /// Whether, after the last day on which it was there, it answered that it is gone.
    fn is_gone(&self, last_alive: i64, until: i64) -> bool {
        let since = || self.days.until(until).rev().take_while(|(day, _)| *day > last_alive);
        since().any(|(_, calls)| calls.gone > 0)
            || since().filter(|(_, calls)| calls.missing > 0).count() >= MISSING_DAYS
    }

    /// The latest day on which it was back after it was dormant or gone, and how many days it was away.
    fn return_before(&self, until: i64) -> Option<(i64, i64)> {
        let mut after: Option<i64> = None;
        for (day, _) in self.days.until(until).rev().filter(|(_, calls)| calls.alive > 0) {
            if let Some(next) = after
                && (next - day > self.dormant_days || self.is_gone(day, next - 1))
            {
                return Some((next, next - day));
            }
            after = Some(day);
        }
        None
    }

    fn trend(&self) -> Option<Trend> {
        let today = self.now.day();
        if self.watched_since.day() > today - 13 {
            return None;
        }
        let calls = |from: i64, to: i64| {
            let days = self.days.until(to).rev().take_while(|(day, _)| *day >= from);
            days.map(|(_, calls)| calls.alive + calls.missing + calls.gone).sum()
        };
        Some(Trend { last_week: calls(today - 6, today), week_before: calls(today - 13, today - 7) })
    }
}

/// The days of an endpoint, those of its hours among them.
fn days(facts: &EndpointFacts) -> Days {
    let mut days = facts.days.clone();
    days.take_in(&facts.hours);
    if days.iter().next().is_none() && facts.requests > 0 {
        // Nothing is known by hour: where vantages are told apart, inner ones count sums alone.
        let once = Day { alive: 1, ..Day::default() };
        days.count(facts.first_seen.day(), once);
        days.count(facts.last_seen.day(), once);
    }
    days
}

/// How many calls came after a date: by the hour where hours are known, else by the day, of which a part is not counted.
fn after(facts: &EndpointFacts, date: Timestamp) -> u64 {
    let hours = facts
        .hours
        .iter()
        .map(|(hour, known)| (Timestamp::from_secs(hour.saturating_mul(3_600), 0), known.day()));
    let days = facts.days.iter().map(|(day, calls)| (start(day), calls));
    let mut all = Day::default();
    for (_, calls) in hours.chain(days).filter(|(at, _)| *at >= date) {
        all.absorb(calls);
    }
    let counted = all.alive + all.missing + all.gone;
    // The last call is known to the instant.
    counted.max(u64::from(facts.requests > 0 && facts.last_seen > date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::EndpointKey;
    use crate::inventory::facts::Retirement;
    use crate::inventory::ownership::Ownership;
    use std::sync::Arc;

    /// An endpoint with so many answered, missing and gone calls on these days.
    fn endpoint(calls: &[(i64, [u64; 3])]) -> Endpoint {
        let mut facts = EndpointFacts::default();
        for (day, [alive, missing, gone]) in calls {
            facts.days.count(*day, Day { alive: *alive, missing: *missing, gone: *gone });
            facts.requests += alive + missing + gone;
            *facts.statuses.entry(200).or_default() += alive;
            facts.first_seen = facts.first_seen.min(start(*day));
            facts.last_seen = facts.last_seen.max(start(*day));
        }
        let key = EndpointKey { host: "h".into(), template: "/v1/a".into(), method: "GET".into() };
        Endpoint::new(key, facts)
    }

    fn judged(endpoint: Endpoint, (since, now): (i64, i64)) -> Lifecycle {
        let span = Some((start(since), start(now)));
        let mut inventory = Inventory { endpoints: vec![endpoint], span, ..Inventory::default() };
        assign(&mut inventory, &DocumentSet::default(), Spans { new_days: 7, dormant_days: 30 });
        *inventory.endpoints.remove(0).lifecycle.unwrap()
    }

    /// Each state with the day on which it began.
    fn told(life: &Lifecycle) -> String {
        let told: Vec<String> =
            life.states.iter().map(|(at, state)| format!("{} {}", at.day(), state.name())).collect();
        told.join(", ")
    }

    fn alive(days: &[i64]) -> Vec<(i64, [u64; 3])> {
        days.iter().map(|day| (*day, [2, 0, 0])).collect()
    }

    #[test]
    fn silence_makes_dormant_and_a_call_brings_back() {
        for (days, watched, expected) in [
            (vec![0, 1, 2], (0, 2), "0 active"),
            (vec![0, 1, 30], (0, 31), "0 active"),
            (vec![0, 1], (0, 32), "0 active, 32 dormant"),
            (vec![0, 1, 40], (0, 41), "0 active, 32 dormant, 40 resurrected"),
            (vec![0, 1, 40, 41], (0, 47), "0 active, 32 dormant, 40 resurrected, 47 active"),
            (vec![20, 22], (0, 23), "20 new"),
            (vec![20, 22], (0, 27), "20 new, 27 active"),
            (vec![3], (0, 4), "3 active"),
        ] {
            assert_eq!(told(&judged(endpoint(&alive(&days)), watched)), expected, "{days:?} {watched:?}");
        }
        let back = judged(endpoint(&alive(&[0, 1, 40])), (0, 41));
        assert_eq!((back.state, back.since, back.silent_days), (State::Resurrected, start(40), 39));
    }

    #[test]
    fn what_answers_that_it_is_gone_is_retired() {
        let gone = [(0, [5, 0, 0]), (3, [0, 0, 1]), (4, [0, 1, 0])];
        assert_eq!(told(&judged(endpoint(&gone), (0, 5))), "0 active, 3 retired");
        let missing = |days: &[i64]| {
            let mut calls = vec![(0, [5, 1, 0])];
            calls.extend(days.iter().map(|day| (*day, [0, 3, 0])));
            endpoint(&calls)
        };
        assert_eq!(told(&judged(missing(&[1, 2]), (0, 3))), "0 active", "objects may be missing");
        assert_eq!(told(&judged(missing(&[1, 2, 4]), (0, 4))), "0 active, 4 retired");
        let back = [(0, [5, 0, 0]), (3, [0, 0, 1]), (9, [1, 0, 0])];
        assert_eq!(told(&judged(endpoint(&back), (0, 9))), "0 active, 3 retired, 9 resurrected");
    }

    #[test]
    fn announced_ends_come_as_announced() {
        let ending = |retirement: Retirement, days: &[i64], now| {
            let mut endpoint = endpoint(&alive(days));
            endpoint.facts.retirement = retirement;
            judged(endpoint, (0, now))
        };
        let marked = Retirement { deprecated_answers: 1, ..Retirement::default() };
        assert_eq!(told(&ending(marked.clone(), &[0, 1], 2)), "0 deprecated");
        let dated = Retirement { deprecated_since: Some(start(5)), ..marked.clone() };
        assert_eq!(told(&ending(dated.clone(), &[0, 1], 2)), "0 active");
        assert_eq!(told(&ending(dated.clone(), &[0, 6], 7)), "0 active, 5 deprecated");
        let sunset = Retirement { sunset: Some(start(10)), ..dated };
        assert_eq!(told(&ending(sunset.clone(), &[0, 8], 9)), "0 active, 5 deprecated");
        assert_eq!(told(&ending(sunset.clone(), &[0, 8], 11)), "0 active, 5 deprecated, 10 sunset");
        assert_eq!(
            told(&ending(sunset.clone(), &[0, 8], 18)),
            "0 active, 5 deprecated, 10 sunset, 18 retired"
        );
        let outlived = ending(sunset.clone(), &[0, 10, 12], 12);
        assert_eq!(told(&outlived), "0 active, 5 deprecated, 10 sunset");
        assert_eq!(
            (outlived.calls_after_sunset, outlived.sunset),
            (4, Some((start(10), Announcer::Answers)))
        );
        let late = ending(sunset, &[0, 14, 25], 33);
        assert_eq!(told(&late), "0 active, 5 deprecated, 10 sunset, 22 retired, 25 sunset, 33 retired");
    }

    #[test]
    fn documents_and_owners_announce_ends_too() {
        let text = "services: [{retirement: {sunset: 1970-01-06, dormant_days: 2}}]";
        let (ownership, problems) = Ownership::read("o.yaml", text.as_bytes());
        assert!(problems.is_empty(), "{problems}");
        let mut endpoints = vec![endpoint(&alive(&[0, 4, 6]))];
        ownership.assign(&mut endpoints);
        let life = judged(endpoints.remove(0), (0, 6));
        assert_eq!(told(&life), "0 deprecated, 3 dormant, 4 resurrected, 5 sunset");
        assert_eq!(life.sunset, Some((start(5), Announcer::Owner)));
        let document = r#"{"openapi": "3.0.0", "servers": [{"url": "https://h/v1"}],
            "paths": {"/a": {"get": {"deprecated": true, "x-sunset": "1970-01-09", "responses": {}}}}}"#;
        let (documents, problems) = DocumentSet::load(vec![("d.json".into(), document.into())]);
        assert!(problems.is_empty(), "{problems}");
        let span = Some((start(0), start(6)));
        let endpoints = vec![endpoint(&alive(&[0, 6]))];
        let mut inventory = Inventory { endpoints, span, ..Inventory::default() };
        assign(&mut inventory, &documents, Spans::default());
        let life = inventory.endpoints.remove(0).lifecycle.unwrap();
        assert_eq!((life.state, life.sunset), (State::Deprecated, Some((start(8), Announcer::Document))));
    }

    #[test]
    fn a_trend_needs_two_weeks() {
        let calls: Vec<i64> = (0..20).collect();
        assert_eq!(judged(endpoint(&alive(&calls)), (8, 19)).trend, None);
        let trend = judged(endpoint(&alive(&calls[..15])), (0, 19)).trend.unwrap();
        assert_eq!((trend.last_week, trend.week_before), (4, 14));
    }

    #[test]
    fn hours_that_are_forgotten_change_no_state() {
        let mut endpoint = endpoint(&[]);
        for hour in [0, 5, 30, 24 * 40, 24 * 40 + 2] {
            endpoint.facts.hours.entry(hour).or_default().count_status(200, 3);
        }
        endpoint.facts.hours.entry(24 * 50).or_default().count_status(410, 1);
        endpoint.facts.retirement.sunset = Some(start(45));
        endpoint.facts.requests = 16;
        (endpoint.facts.first_seen, endpoint.facts.last_seen) = (start(0), start(50));
        endpoint.claim = Arc::default();
        let before = judged(endpoint.clone(), (0, 51));
        assert_eq!(told(&before), "0 deprecated, 32 dormant, 40 resurrected, 45 sunset, 50 retired");
        endpoint.facts.forget_hours_before(24 * 40 + 1);
        assert_eq!(judged(endpoint.clone(), (0, 51)), before);
        endpoint.facts.forget_hours_before(i64::MAX);
        assert!(endpoint.facts.hours.is_empty());
        assert_eq!(judged(endpoint, (0, 51)), before);
    }
}
