//! Endpoints keep their id while their templates are refined.
//!
//! An endpoint's own id is a hash of method, host and template ([`super::EndpointKey::id`]). When the learner finds out that
//! `/accounts/7` is `/accounts/{accountId}`, that hash would change; so every template an inventory had is remembered with
//! when it first and last was one. A template that is none any more has an *heir*: the endpoint whose template its paths
//! follow now. An endpoint's id is that of the oldest of its own template and those it is the heir of, which makes it a
//! function of what is remembered: in which order it was merged cannot be told. What became a parameter is not
//! remembered by name.

use super::{Endpoint, EndpointClass, EndpointId, EndpointKey};
use crate::merge::Merge;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Templates that are remembered; beyond, the oldest.
const MAX_TEMPLATES: usize = 65_536;
/// Earlier templates of one endpoint that are told; the oldest.
const MAX_FORMER: usize = 16;
/// What stands for a segment that turned out to be a value.
const MASKED: &str = "{…}";

/// An earlier template of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Former {
    /// Since when it was one.
    pub since: Timestamp,
    /// The id that it alone would have.
    pub id: EndpointId,
    /// The template, without what turned out to be a value.
    pub template: String,
    /// When it was last one.
    pub replaced: Timestamp,
}

/// The templates that an inventory had. See the module's doc.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lineage(BTreeMap<u64, Known>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    host: String,
    method: String,
    template: String,
    since: Timestamp,
    until: Timestamp,
}

impl Known {
    fn absorb(&mut self, other: &Self) {
        // What one sensor knows to be a value is none's name any more; what parameters are called, the latest says.
        let mut mine = segments(&self.template);
        let mut theirs = segments(&other.template);
        for (mine, theirs) in mine.iter_mut().zip(&mut theirs).filter(|(a, b)| **a == MASKED || **b == MASKED)
        {
            (*mine, *theirs) = (MASKED, MASKED);
        }
        let latest = (self.until, &mine).max((other.until, &theirs)).1;
        let template: String = latest.iter().flat_map(|segment| ["/", segment]).collect();
        self.template = template;
        self.since = self.since.min(other.since);
        self.until = self.until.max(other.until);
    }
}

/// Endpoints by what no heir may differ in: host, method, segments.
type Places<'a> = BTreeMap<(&'a str, &'a str, usize), Vec<(usize, Vec<&'a str>)>>;

/// The templates of an inventory, to be taken note of.
#[derive(Clone, Debug, Default)]
pub struct Templates(Vec<(EndpointKey, bool)>);

impl Templates {
    /// Those of these endpoints.
    #[must_use]
    pub fn of(endpoints: &[Endpoint]) -> Self {
        let is_api = |endpoint: &Endpoint| endpoint.class == EndpointClass::Api;
        Self(endpoints.iter().map(|endpoint| (endpoint.key.clone(), is_api(endpoint))).collect())
    }
}

/// An endpoint as far as its lineage is concerned.
struct Named<'a> {
    key: &'a EndpointKey,
    /// Its own.
    id: u64,
    is_api: bool,
}

impl<'a> Named<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        Self { key: &endpoint.key, id: endpoint.key.id().0, is_api: endpoint.class == EndpointClass::Api }
    }
}

fn segments(template: &str) -> Vec<&str> {
    template.split('/').skip(1).collect()
}

impl Lineage {
    /// Gives endpoints their ids and earlier templates.
    pub(super) fn identify(&self, endpoints: &mut [Endpoint]) {
        let named: Vec<Named<'_>> = endpoints.iter().map(Named::of).collect();
        let heirs = self.heirs(&named);
        let mut of_heir: BTreeMap<usize, Vec<Former>> = BTreeMap::new();
        for (id, heir) in heirs {
            let Some(known) = self.0.get(&id) else { continue };
            let Some(endpoint) = endpoints.get(heir) else { continue };
            of_heir.entry(heir).or_default().push(Former {
                since: known.since,
                id: EndpointId(id),
                template: masked(&known.template, &endpoint.key.template),
                replaced: known.until,
            });
        }
        for (heir, mut former) in of_heir {
            let Some(endpoint) = endpoints.get_mut(heir) else { continue };
            former.sort();
            let own = endpoint.key.id();
            let since = self.0.get(&own.0).map_or(Timestamp::MAX, |known| known.since);
            let oldest = former.first().filter(|oldest| (oldest.since, oldest.id) < (since, own));
            endpoint.id = oldest.map_or(own, |oldest| oldest.id);
            // What reads the same is told once.
            let mut told: BTreeSet<String> = BTreeSet::new();
            former.retain(|one| told.insert(one.template.clone()));
            former.truncate(MAX_FORMER);
            endpoint.former = former;
        }
    }

    /// The heir of each template that is none any more.
    fn heirs(&self, endpoints: &[Named<'_>]) -> Vec<(u64, usize)> {
        let alive: BTreeSet<u64> = endpoints.iter().map(|endpoint| endpoint.id).collect();
        if self.0.keys().all(|id| alive.contains(id)) {
            return Vec::new();
        }
        let mut places: Places<'_> = BTreeMap::new();
        for (at, endpoint) in endpoints.iter().enumerate() {
            if endpoint.is_api {
                let EndpointKey { host, method, template } = endpoint.key;
                let names = segments(template);
                places.entry((host, method, names.len())).or_default().push((at, names));
            }
        }
        let gone = self.0.iter().filter(|(id, _)| !alive.contains(*id));
        gone.filter_map(|(id, known)| {
            let names = segments(&known.template);
            let candidates = places.get(&(known.host.as_str(), known.method.as_str(), names.len()))?;
            let covering = candidates.iter().filter(|(_, template)| covers(template, &names));
            // The most names, from the front, as a path is led to its template.
            let (heir, _) = covering.max_by_key(|(at, template)| {
                let fixed: Vec<bool> = template.iter().map(|segment| !segment.contains('{')).collect();
                (fixed, Reverse(*at))
            })?;
            Some((*id, *heir))
        })
        .collect()
    }

    /// Takes note of an inventory's templates as of `at`.
    pub(super) fn note(&mut self, templates: &Templates, at: Timestamp) {
        let named: Vec<Named<'_>> =
            templates.0.iter().map(|(key, is_api)| Named { key, id: key.id().0, is_api: *is_api }).collect();
        let heirs = self.heirs(&named);
        // Of those that read the same now the oldest says all.
        let mut seen: BTreeMap<(usize, String), (Timestamp, u64)> = BTreeMap::new();
        let mut spare: Vec<u64> = Vec::new();
        for (id, heir) in heirs {
            let (Some(known), Some(endpoint)) = (self.0.get_mut(&id), named.get(heir)) else { continue };
            known.template = masked(&known.template, &endpoint.key.template);
            let mine = (known.since, id);
            let slot = seen.entry((heir, known.template.clone())).or_insert(mine);
            if *slot != mine {
                spare.push(mine.max(*slot).1);
                *slot = mine.min(*slot);
            }
        }
        for id in spare {
            self.0.remove(&id);
        }
        for Named { key, id, .. } in named.into_iter().filter(|endpoint| endpoint.is_api) {
            let EndpointKey { host, method, template } = key.clone();
            let fresh = Known { host, method, template, since: at, until: at };
            if let Some(known) = self.0.get_mut(&id) {
                known.template.clone_from(&key.template);
            }
            self.take(id, fresh);
        }
        self.bound();
    }

    fn take(&mut self, id: u64, known: Known) {
        match self.0.entry(id) {
            std::collections::btree_map::Entry::Occupied(mut slot) => slot.get_mut().absorb(&known),
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(known);
            }
        }
    }

    /// Keeps the oldest.
    fn bound(&mut self) {
        if self.0.len() <= MAX_TEMPLATES {
            return;
        }
        let mut ages: Vec<(Timestamp, u64)> = self.0.iter().map(|(id, known)| (known.since, *id)).collect();
        ages.sort_unstable();
        for (_, id) in ages.split_off(MAX_TEMPLATES) {
            self.0.remove(&id);
        }
    }
}

impl Merge for Lineage {
    fn absorb(&mut self, other: Self) {
        for (id, known) in other.0 {
            self.take(id, known);
        }
        self.bound();
    }
}

/// Whether what followed `former` follows `template` now.
fn covers(template: &[&str], former: &[&str]) -> bool {
    template.iter().zip(former).all(|(now, before)| match now.split_once('{') {
        None => now == before,
        Some((front, rest)) => {
            let end = rest.split_once('}').map_or("", |(_, end)| end);
            *before == MASKED
                || before.len() > front.len() + end.len()
                    && before.starts_with(front)
                    && before.ends_with(end)
        }
    })
}

/// An earlier template without the names that are values by now.
fn masked(former: &str, template: &str) -> String {
    let pairs = segments(former).into_iter().zip(segments(template));
    let mut out = String::with_capacity(former.len());
    for (before, now) in pairs {
        out.push('/');
        out.push_str(if now.contains('{') && !before.contains('{') { MASKED } else { before });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::facts::EndpointFacts;
    use proptest::prelude::*;

    fn endpoint(template: &str) -> Endpoint {
        let key = EndpointKey { host: "h".into(), template: template.into(), method: "GET".into() };
        Endpoint::new(key, EndpointFacts::default())
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs, 0)
    }

    fn identified(lineage: &Lineage, templates: &[&str]) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = templates.iter().map(|template| endpoint(template)).collect();
        lineage.identify(&mut all);
        all
    }

    fn noted(notes: &[(i64, &[&str])]) -> Lineage {
        let mut lineage = Lineage::default();
        for (secs, templates) in notes {
            let all: Vec<Endpoint> = templates.iter().map(|template| endpoint(template)).collect();
            lineage.note(&Templates::of(&all), at(*secs));
        }
        lineage
    }

    #[test]
    fn an_id_outlives_the_templates_it_was_given_for() {
        let lineage = noted(&[
            (1, &["/accounts/7", "/accounts/7/rates"]),
            (2, &["/accounts/7", "/accounts/9", "/accounts/7/rates"]),
            (3, &["/accounts/{id}", "/accounts/{id}/rates"]),
            (4, &["/accounts/{accountId}", "/accounts/{accountId}/{kind}"]),
        ]);
        let all = identified(&lineage, &["/accounts/{accountId}", "/accounts/{accountId}/{kind}", "/new"]);
        assert_eq!(all[0].id, endpoint("/accounts/7").id);
        assert_eq!(all[1].id, endpoint("/accounts/7/rates").id);
        assert_eq!(all[2].id, endpoint("/new").id);
        let told: Vec<(&str, i64, i64)> = all[1]
            .former
            .iter()
            .map(|one| {
                (
                    one.template.as_str(),
                    one.since.as_micros() / 1_000_000,
                    one.replaced.as_micros() / 1_000_000,
                )
            })
            .collect();
        assert_eq!(told, [("/accounts/{…}/{…}", 1, 2), ("/accounts/{id}/{…}", 3, 3)]);
        let kept = format!("{lineage:?}");
        assert!(
            !kept.contains("/accounts/7") && !kept.contains("/accounts/9"),
            "values are not remembered: {kept}"
        );
    }

    #[test]
    fn what_is_still_an_endpoint_has_no_heir() {
        let lineage = noted(&[(1, &["/users/me"]), (2, &["/users/me", "/users/{userId}"])]);
        let all = identified(&lineage, &["/users/me", "/users/{userId}"]);
        assert_eq!(all[0].id, endpoint("/users/me").id);
        assert_eq!(all[1].id, endpoint("/users/{userId}").id);
        assert!(all.iter().all(|one| one.former.is_empty()));
    }

    #[test]
    fn the_heir_is_where_a_path_would_go() {
        let lineage = noted(&[(1, &["/a/b/c"])]);
        let all = identified(&lineage, &["/a/{x}/c", "/{y}/b/{z}", "/a/b/{z}.json"]);
        let heirs: Vec<bool> = all.iter().map(|one| one.id == endpoint("/a/b/c").id).collect();
        assert_eq!(heirs, [true, false, false]);
    }

    proptest! {
        /// In whatever order and grouping lineages are merged, every endpoint gets the same id and history.
        #[test]
        fn order_does_not_matter(
            notes in proptest::collection::vec((0_i64..5, proptest::collection::vec("/[ab1]/([ab1]|\\{x\\})", 1..4)), 1..8),
            cut in 0_usize..8,
        ) {
            let parts: Vec<Lineage> = notes
                .iter()
                .map(|(secs, templates)| {
                    let templates: Vec<&str> = templates.iter().map(String::as_str).collect();
                    noted(&[(*secs, &templates)])
                })
                .collect();
            let now = ["/a/{x}", "/{y}/b", "/1/1"];
            let mut forward = Lineage::default();
            for part in &parts {
                forward.absorb(part.clone());
            }
            let (left, right) = parts.split_at(cut.min(parts.len()));
            let (mut first, mut second) = (Lineage::default(), Lineage::default());
            for part in right.iter().rev() {
                first.absorb(part.clone());
            }
            for part in left.iter().rev() {
                second.absorb(part.clone());
            }
            first.absorb(second);
            let told = |lineage: &Lineage| -> Vec<(EndpointId, Vec<Former>)> {
                identified(lineage, &now).into_iter().map(|one| (one.id, one.former)).collect()
            };
            prop_assert_eq!(told(&forward), told(&first));
            // Taking note of what is there now changes no id.
            let ids = |lineage: &Lineage| -> Vec<EndpointId> { identified(lineage, &now).into_iter().map(|one| one.id).collect() };
            let mut later = forward.clone();
            later.note(&Templates::of(&identified(&forward, &now)), at(9));
            prop_assert_eq!(ids(&forward), ids(&later));
        }
    }
}
