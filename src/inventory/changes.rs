//! What changed of an endpoint, and when: the changelog of an API, from its traffic.
//!
//! [`changes`] holds an endpoint against what was told of it before ([`Known`]) and returns what is new, each with the time
//! of the traffic that showed it. Where the hour of a first sight is remembered, that is the time; else, as for properties of
//! bodies, that of the endpoint's last exchange. What an endpoint does within its first day belongs to its beginning and is no
//! change of it. Of what was never told before, only what is remembered with a time is told: the same traffic gives the same
//! changes, and a sensor that remembers [`Known`] tells each once.

use super::Endpoint;
use super::history::Trait;
use super::lifecycle::State;
use crate::classify::evidence;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Traits of one endpoint that are remembered as told; beyond, none is told.
const MAX_TRAITS: usize = 256;
/// Changes of one endpoint that are told at once; beyond, their number is.
const MAX_CHANGES: usize = 64;
/// What shows within this time from the first call on belongs to an endpoint's beginning.
const BEGINNING: Duration = Duration::from_secs(86_400);

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was called for the first time.
    EndpointNew,
    /// Its state of life is another.
    StateChanged,
    /// Its template was refined.
    TemplateRefined,
    /// It is called in another version.
    VersionNew,
    /// It is called with another scheme of authentication.
    AuthNew,
    /// It answers with another status.
    StatusNew,
    /// It is called with another query parameter.
    ParameterNew,
    /// Bodies have another property.
    PropertyNew,
    /// It may carry a class of data.
    DataClassSuspected,
    /// It carries a class of data.
    DataClassConfirmed,
    /// What was told of a class of data does not hold.
    DataClassCleared,
    /// More changed at once than is told one by one.
    MoreChanged,
}

impl ChangeKind {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndpointNew => "endpoint_new",
            Self::StateChanged => "state_changed",
            Self::TemplateRefined => "template_refined",
            Self::VersionNew => "version_new",
            Self::AuthNew => "auth_new",
            Self::StatusNew => "status_new",
            Self::ParameterNew => "parameter_new",
            Self::PropertyNew => "property_new",
            Self::DataClassSuspected => "data_class_suspected",
            Self::DataClassConfirmed => "data_class_confirmed",
            Self::DataClassCleared => "data_class_cleared",
            Self::MoreChanged => "more_changed",
        }
    }
}

/// One change of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: ChangeKind,
    /// What is new: a state, template, version, scheme, status, parameter, property, class.
    pub detail: String,
    /// What it was before, where it was something.
    pub before: String,
}

impl Change {
    /// What tells changes of one endpoint from one another. States come back, so their time counts.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let Self { at, kind, detail, before } = self;
        let day = if *kind == ChangeKind::StateChanged { at.day() } else { 0 };
        let text = format!("{}\0{detail}\0{before}\0{day}", kind.name());
        let digest = blake3::hash(text.as_bytes());
        u64::from_be_bytes(*digest.as_bytes().first_chunk().expect("32 bytes hold eight"))
    }
}

/// What was told of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Traits, by digest.
    traits: BTreeSet<u64>,
    /// Classes of data, and whether each was confirmed.
    classes: BTreeMap<String, bool>,
}

/// Something an endpoint does, as it may be told.
struct Seen {
    change: Change,
    digest: u64,
    /// Whether the time is that of its first sight.
    exact: bool,
    /// Whether it is told though it belongs to the beginning.
    always: bool,
}

/// The changes of an endpoint since `known` was told, the earliest first, and what is known once they are told. `classes` are
/// the classes of data that it carries, and how sure that is.
#[must_use]
pub fn changes(
    endpoint: &Endpoint,
    classes: &BTreeMap<&str, evidence::State>,
    known: Option<&Known>,
) -> (Vec<Change>, Known) {
    let facts = &endpoint.facts;
    let mut now = Known::default();
    let mut told = Vec::new();
    if known.is_none() {
        told.push(change(facts.first_seen, ChangeKind::EndpointNew, endpoint.class.name(), ""));
    }
    let begun = facts.first_seen.plus(BEGINNING);
    for seen in traits(endpoint) {
        if now.traits.len() >= MAX_TRAITS {
            break;
        }
        if !now.traits.insert(seen.digest) || known.is_some_and(|known| known.traits.contains(&seen.digest)) {
            continue;
        }
        let is_later = seen.change.at >= begun && (seen.exact || known.is_some());
        if is_later || seen.always {
            told.push(seen.change);
        }
    }
    // What was told once is not told again when it goes and comes back.
    for digest in known.iter().flat_map(|known| &known.traits) {
        if now.traits.len() < MAX_TRAITS {
            now.traits.insert(*digest);
        }
    }
    told.extend(of_classes(endpoint, classes, known, begun, &mut now));
    told.sort();
    if let Some(more) = told.len().checked_sub(MAX_CHANGES).filter(|more| *more > 0) {
        told.truncate(MAX_CHANGES);
        told.push(change(facts.last_seen, ChangeKind::MoreChanged, &more.to_string(), ""));
    }
    (told, now)
}

fn change(at: Timestamp, kind: ChangeKind, detail: &str, before: &str) -> Change {
    Change { at, kind, detail: detail.to_owned(), before: before.to_owned() }
}

/// All that an endpoint does but for the classes of data it carries; what there are few of first.
fn traits(endpoint: &Endpoint) -> Vec<Seen> {
    let facts = &endpoint.facts;
    let mut all = Vec::new();
    let states = endpoint.lifecycle.iter().flat_map(|life| &life.states);
    let mut before: Option<State> = None;
    for (at, state) in states {
        // The first is told by the endpoint's being new, unless it says more than that.
        let is_plain = matches!(state, State::New | State::Active);
        if before.is_some() || !is_plain {
            let change = change(
                *at,
                ChangeKind::StateChanged,
                state.name(),
                before.map(State::name).unwrap_or_default(),
            );
            all.push(Seen { digest: change.digest(), change, exact: true, always: true });
        }
        before = Some(*state);
    }
    for former in &endpoint.former {
        let change =
            change(former.replaced, ChangeKind::TemplateRefined, &endpoint.key.template, &former.template);
        // What its template is now may be refined again: that is another change.
        all.push(Seen { digest: change.digest(), change, exact: true, always: true });
    }
    for (key, used) in &endpoint.versions {
        let name = if key.name.is_empty() { String::new() } else { format!("{} ", key.name) };
        let detail = format!("{} {name}{}", key.place.name(), key.version);
        let digest = Trait::Version(&detail).digest();
        let change = change(used.first_seen, ChangeKind::VersionNew, &detail, "");
        all.push(Seen { digest, change, exact: true, always: false });
    }
    let mut note = |what: Trait<'_>, kind: ChangeKind, detail: &str| {
        let first = facts.firsts.of(what);
        let at = first.unwrap_or(facts.last_seen);
        let (exact, always) = (first.is_some(), false);
        all.push(Seen { change: change(at, kind, detail, ""), digest: what.digest(), exact, always });
    };
    for scheme in facts.auth.keys() {
        note(Trait::Auth(scheme.name()), ChangeKind::AuthNew, scheme.name());
    }
    for status in facts.statuses.keys().filter(|status| **status > 0) {
        note(Trait::Status(*status), ChangeKind::StatusNew, &status.to_string());
    }
    for name in facts.query.keys() {
        note(Trait::Parameter(name), ChangeKind::ParameterNew, name);
    }
    let answers = facts.response_shapes.iter().filter(|(status, _)| (200..300).contains(*status));
    let bodies = answers.map(|(_, shape)| ("response", &**shape)).chain([("request", &facts.request_shape)]);
    for (side, shape) in bodies {
        shape.walk(&mut |path, _| {
            // The body itself and items of arrays are no properties.
            if path != "$" && !path.ends_with(']') {
                let detail = format!("{side} {path}");
                note(Trait::Property(&detail), ChangeKind::PropertyNew, &detail);
            }
        });
    }
    all
}

/// What changed of the classes of data.
fn of_classes(
    endpoint: &Endpoint,
    classes: &BTreeMap<&str, evidence::State>,
    known: Option<&Known>,
    begun: Timestamp,
    now: &mut Known,
) -> Vec<Change> {
    let facts = &endpoint.facts;
    let mut told = Vec::new();
    for (class, state) in classes.iter().take(MAX_TRAITS) {
        let (kind, confirmed) = match state {
            evidence::State::Cleared => continue,
            evidence::State::Suspected => (ChangeKind::DataClassSuspected, false),
            evidence::State::Confirmed => (ChangeKind::DataClassConfirmed, true),
        };
        now.classes.insert((*class).to_owned(), confirmed);
        let first = facts.firsts.of(Trait::Class(class));
        let before = known.and_then(|known| known.classes.get(*class).copied());
        match before {
            Some(before) if before == confirmed => {}
            Some(before) => {
                let before = if before { "confirmed" } else { "suspected" };
                told.push(change(facts.last_seen, kind, class, before));
            }
            None => {
                let at = first.unwrap_or(facts.last_seen);
                if at >= begun && (first.is_some() || known.is_some()) {
                    told.push(change(at, kind, class, ""));
                }
            }
        }
    }
    for (class, confirmed) in known.iter().flat_map(|known| &known.classes) {
        if !now.classes.contains_key(class) {
            let before = if *confirmed { "confirmed" } else { "suspected" };
            told.push(change(facts.last_seen, ChangeKind::DataClassCleared, class, before));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::AuthScheme;
    use crate::inventory::facts::EndpointFacts;
    use crate::inventory::lifecycle::Lifecycle;
    use crate::inventory::lineage::Former;
    use crate::inventory::{EndpointId, EndpointKey};

    const fn hour(hours: i64) -> Timestamp {
        Timestamp::from_secs(hours * 3_600, 0)
    }

    fn endpoint() -> Endpoint {
        let mut facts = EndpointFacts { requests: 9, ..EndpointFacts::default() };
        (facts.first_seen, facts.last_seen) = (hour(0), hour(100));
        for (status, first) in [(200, 0), (404, 5), (500, 50)] {
            facts.statuses.insert(status, 3);
            facts.firsts.note(Trait::Status(status), first);
        }
        facts.auth.insert(AuthScheme::Bearer, 3);
        facts.firsts.note(Trait::Auth(AuthScheme::Bearer.name()), 0);
        facts.firsts.note(Trait::Class("fin.iban"), 30);
        facts.query.insert("limit".into(), 2);
        facts.firsts.note(Trait::Parameter("limit"), 60);
        let key = EndpointKey { host: "h".into(), template: "/a/{id}".into(), method: "GET".into() };
        let mut endpoint = Endpoint::new(key, facts);
        let states = vec![(hour(0), State::Active), (hour(70), State::Deprecated)];
        endpoint.lifecycle = Some(Box::new(Lifecycle { states, ..Lifecycle::default() }));
        endpoint
    }

    fn told(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| {
                let Change { at, kind, detail, before } = change;
                format!("{} {} {before}>{detail}", at.hour(), kind.name())
            })
            .collect()
    }

    #[test]
    fn what_shows_after_the_first_day_is_a_change_and_is_told_once() {
        let confirmed = BTreeMap::from([("fin.iban", evidence::State::Confirmed)]);
        let mut endpoint = endpoint();
        let (first, known) = changes(&endpoint, &confirmed, None);
        let expected = [
            "0 endpoint_new >api",
            "30 data_class_confirmed >fin.iban",
            "50 status_new >500",
            "60 parameter_new >limit",
            "70 state_changed active>deprecated",
        ];
        assert_eq!(told(&first), expected);
        assert_eq!(told(&changes(&endpoint, &confirmed, Some(&known)).0), [""; 0]);
        endpoint.facts.statuses.insert(201, 1);
        endpoint.facts.firsts.note(Trait::Status(201), 99);
        let former =
            Former { since: hour(0), id: EndpointId(7), template: "/a/{…}".into(), replaced: hour(98) };
        endpoint.former.push(former);
        let root = endpoint.facts.request_shape.begin();
        endpoint.facts.request_shape.property(root, "amount", 9).unwrap();
        let (more, known) = changes(&endpoint, &BTreeMap::new(), Some(&known));
        let expected = [
            "98 template_refined /a/{…}>/a/{id}",
            "99 status_new >201",
            "100 property_new >request $.amount",
            "100 data_class_cleared confirmed>fin.iban",
        ];
        assert_eq!(told(&more), expected);
        assert_eq!(told(&changes(&endpoint, &BTreeMap::new(), Some(&known)).0), [""; 0]);
        // A property has no time of its own: of what was never told it is no change.
        assert!(changes(&endpoint, &confirmed, None).0.iter().all(|one| one.kind != ChangeKind::PropertyNew));
    }

    #[test]
    fn more_than_can_be_told_is_told_as_a_number() {
        let mut endpoint = endpoint();
        let (_, known) = changes(&endpoint, &BTreeMap::new(), None);
        for number in 0..400 {
            let name = format!("p{number}");
            endpoint.facts.firsts.note(Trait::Parameter(&name), 80);
            endpoint.facts.query.insert(name, 1);
        }
        let (more, known) = changes(&endpoint, &BTreeMap::new(), Some(&known));
        assert_eq!(more.len(), MAX_CHANGES + 1);
        assert_eq!(more.last().map(|change| change.kind), Some(ChangeKind::MoreChanged));
        assert!(known.traits.len() <= MAX_TRAITS);
        assert!(changes(&endpoint, &BTreeMap::new(), Some(&known)).0.is_empty(), "told once");
    }
}
