//! Endpoints that echo each other become one.

use super::{Difference, Echo, Link, Vantage, VantageFacts};
use crate::inventory::facts::{BodyShape, EndpointFacts, Retirement};
use crate::inventory::sketch::CallerSketch;
use crate::inventory::{Endpoint, EndpointClass, EndpointKey};
use crate::merge::Merge;
use std::collections::BTreeMap;

/// What an endpoint is called, and how often it was seen, at one vantage.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Where.
    pub vantage: Vantage,
    /// Its name there.
    pub key: EndpointKey,
    /// Calls seen there.
    pub requests: u64,
    /// Those that a vantage further out has counted.
    pub echoes: u64,
    /// Those that none further out has seen, though one was watching, and calls of this endpoint carry ids from there.
    pub alone: u64,
    /// In what calls differ from what was seen further out, and where that was.
    pub differences: BTreeMap<(Vantage, Difference), u64>,
}

/// The endpoints of all vantages as one, and where each went.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Joined {
    pub(in crate::inventory) endpoints: BTreeMap<EndpointKey, Endpoint>,
    /// Of places, the endpoint.
    places: BTreeMap<u64, EndpointKey>,
    vantages: Vec<Vantage>,
}

impl Joined {
    /// Begins with endpoints that were seen at no vantage in particular.
    pub(in crate::inventory) fn new(endpoints: BTreeMap<EndpointKey, Endpoint>) -> Self {
        Self { endpoints, ..Self::default() }
    }

    /// Takes in the endpoints of the next vantage further in; returns what each is called now.
    pub(in crate::inventory) fn take_in(
        &mut self,
        vantage: &Vantage,
        endpoints: BTreeMap<EndpointKey, Endpoint>,
    ) -> BTreeMap<EndpointKey, EndpointKey> {
        self.vantages.push(vantage.clone());
        let mut names = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (key, mut endpoint) in endpoints {
            let known = endpoint.facts.vantage.take().map(|known| *known).unwrap_or_default();
            let (target, sure) = self.target(&known);
            let same_name = || self.endpoints.contains_key(&key).then(|| key.clone());
            let name = target.or_else(same_name).unwrap_or_else(|| key.clone());
            for place in &known.places {
                places.entry(*place).or_insert_with(|| name.clone());
            }
            let hop = Hop {
                vantage: vantage.clone(),
                key: key.clone(),
                requests: endpoint.facts.requests,
                echoes: known.echo.requests,
                alone: if sure { known.alone } else { 0 },
                differences: known
                    .differences
                    .iter()
                    .filter_map(|((rank, difference), count)| {
                        let outer = self.vantages.iter().find(|vantage| vantage.rank == *rank)?;
                        Some(((outer.clone(), *difference), *count))
                    })
                    .collect(),
            };
            if let Some(outer) = self.endpoints.get_mut(&name) {
                if endpoint.class == EndpointClass::Api && sure {
                    outer.class = EndpointClass::Api;
                }
                add(&mut outer.facts, endpoint.facts, known.echo);
                outer.liveness = outer.liveness.most(endpoint.liveness);
                outer.hops.push(hop);
            } else {
                endpoint.facts.hours.absorb(known.echo.hours);
                endpoint.hops.push(hop);
                self.endpoints.insert(name.clone(), endpoint);
            }
            names.insert(key, name);
        }
        for (place, name) in places {
            self.places.entry(place).or_insert(name);
        }
        names
    }

    /// The endpoint that this one echoes, when nearly all that it echoes is one; and whether ids say so.
    fn target(&self, known: &VantageFacts) -> (Option<EndpointKey>, bool) {
        let mut targets: BTreeMap<&EndpointKey, Link> = BTreeMap::new();
        for (place, link) in &known.links {
            if let Some(key) = self.places.get(place) {
                targets.entry(key).or_default().absorb(*link);
            }
        }
        let all: u64 = targets.values().map(|link| link.by_id + link.by_shape).sum();
        let most = targets.into_iter().max_by_key(|(_, link)| link.by_id + link.by_shape);
        let Some((key, link)) = most else { return (None, false) };
        let clear = (link.by_id + link.by_shape) * 5 >= all * 4;
        let enough = link.by_id > 0 || link.by_shape >= 3;
        ((clear && enough).then(|| key.clone()), clear && link.by_id > link.by_shape)
    }
}

/// Adds to the facts of an endpoint what was seen of it further in: what was no echo, and what was not told before.
fn add(outer: &mut EndpointFacts, mut inner: EndpointFacts, echo: Echo) {
    let more = inner.requests > echo.requests;
    inner.requests = inner.requests.saturating_sub(echo.requests);
    less(&mut inner.statuses, &echo.statuses);
    less(&mut inner.auth, &echo.auth);
    inner.tls = inner.tls.saturating_sub(echo.tls);
    inner.latencies.take_away(&echo.latencies);
    inner.request_bytes = inner.request_bytes.saturating_sub(echo.request_bytes);
    inner.response_bytes = inner.response_bytes.saturating_sub(echo.response_bytes);
    inner.hours.absorb(echo.untold);
    // Calls inside an exchange are not told apart by vantage: what was an echo would count twice.
    if echo.requests > 0 && outer.operations.is_some() {
        inner.operations = None;
    }
    for (hour, facts) in &mut inner.hours {
        let known = outer.hours.get(hour).is_some_and(|outer| !outer.data_classes.is_empty());
        if known && facts.by_status_class.iter().all(|count| *count == 0) {
            facts.data_classes.clear();
        }
    }
    if !more {
        (inner.first_seen, inner.last_seen) = (outer.first_seen, outer.last_seen);
        inner.callers = CallerSketch::default();
        // What the outer one knows of itself it knows of the same calls.
        if !outer.query.is_empty() {
            inner.query.clear();
        }
        if !outer.request_media.is_empty() {
            inner.request_media.clear();
        }
        if !outer.response_media.is_empty() {
            inner.response_media.clear();
        }
        if outer.request_shape.root().is_some() {
            inner.request_shape = BodyShape::default();
        }
        if !outer.response_shapes.is_empty() {
            inner.response_shapes.clear();
        }
        if outer.request_other.root().is_some() {
            inner.request_other = BodyShape::default();
        }
        if !outer.response_other.is_empty() {
            inner.response_other.clear();
        }
        inner.fields.leave_out(&outer.fields);
        if outer.calls.is_some() {
            inner.calls = None;
        }
        if outer.banking.is_some() {
            inner.banking = None;
        }
        inner.query_overflow = 0;
        inner.retirement = Retirement::default();
        if outer.versions.is_some() {
            inner.versions = None;
        }
    }
    outer.absorb(inner);
}

fn less<K: Ord>(counts: &mut BTreeMap<K, u64>, by: &BTreeMap<K, u64>) {
    for (key, count) in by {
        if let Some(mine) = counts.get_mut(key) {
            *mine = mine.saturating_sub(*count);
        }
    }
    counts.retain(|_, count| *count > 0);
}
