//! Which sightings are of one exchange, and what that says of each endpoint.

use super::{Difference, Echo, Link, Sighting, VantageFacts};
use crate::caller::AuthScheme;
use crate::inventory::facts::{EndpointFacts, HourFacts};
use crate::merge::Merge;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Sightings under one id. An id with more is no id of a call.
const MAX_GROUP: usize = 64;
/// How far apart, by their clocks, two sightings of one exchange without an id may be.
const WINDOW: Duration = Duration::from_secs(2);

/// A sighting on its way to those it belongs to.
#[derive(Debug)]
struct Held {
    layer: usize,
    /// The number of the facts within the layer.
    facts: usize,
    place: u64,
    sighting: Sighting,
}

/// The one further out that a sighting is an echo of.
#[derive(Clone, Copy, Debug)]
struct Above {
    held: usize,
    by_id: bool,
}

/// What settling found for one set of facts.
#[derive(Debug, Default)]
struct Found {
    back: Vec<Sighting>,
    echo: Echo,
    links: BTreeMap<u64, Link>,
    differences: BTreeMap<(u8, Difference), u64>,
    alone: u64,
    hours: BTreeMap<i64, Box<HourFacts>>,
}

/// What settling says of the whole.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Settled {
    /// Sightings that still wait.
    pub(in crate::inventory) waiting: u64,
    /// Requests of echoes by authentication scheme, as far as the one further out told its own.
    pub(in crate::inventory) schemes: BTreeMap<AuthScheme, u64>,
}

/// A vantage's facts, one at a time.
pub(in crate::inventory) type EachFacts<'a> = dyn FnMut(&mut dyn FnMut(&mut EndpointFacts)) + 'a;

/// One vantage, to be settled.
pub(in crate::inventory) struct Layer<'a> {
    /// How far in it is.
    pub(in crate::inventory) rank: u8,
    /// Its earliest and latest exchange.
    pub(in crate::inventory) span: Option<(Timestamp, Timestamp)>,
    /// Hands out its facts, always in the same order.
    pub(in crate::inventory) facts: Box<EachFacts<'a>>,
}

/// Finds out which sightings are of one exchange. Those of groups that are not all older than `before` go on waiting.
/// Layers come with the outermost first.
pub(in crate::inventory) fn settle(layers: &mut [Layer<'_>], before: Option<Timestamp>) -> Settled {
    let mut all = gathered(layers);
    // By what was seen, not by when it came in.
    all.sort_by(|a, b| {
        (&a.sighting, a.layer, a.place).cmp(&(&b.sighting, b.layer, b.place)).then(a.facts.cmp(&b.facts))
    });
    let groups = groups(&all);
    let young = |group: &[usize]| {
        let newest = group.iter().filter_map(|at| all.get(*at)).map(|held| held.sighting.at).max();
        before.is_some_and(|before| newest.is_some_and(|newest| newest >= before))
    };
    let mut above: Vec<Option<Above>> = vec![None; all.len()];
    let mut waits = vec![false; all.len()];
    for group in &groups {
        if young(group) {
            for at in group {
                if let Some(slot) = waits.get_mut(*at) {
                    *slot = true;
                }
            }
        } else {
            by_id(&all, group, &mut above);
        }
    }
    by_shape(&all, &waits, &mut above, layers.len());
    let mut settled = Settled::default();
    let mut found: BTreeMap<(usize, usize), Found> = BTreeMap::new();
    let told = told(&all, &above, layers.len());
    for (at, held) in all.iter().enumerate() {
        let slot = found.entry((held.layer, held.facts)).or_default();
        if waits.get(at).copied().unwrap_or_default() {
            settled.waiting += 1;
            slot.back.push(held.sighting.clone());
            continue;
        }
        let outer = above.get(at).copied().flatten().and_then(|above| Some((above, all.get(above.held)?)));
        let Some((link, outer)) = outer else {
            let watched = layers.iter().take(held.layer).any(|layer| {
                layer.span.is_some_and(|(first, last)| (first..=last).contains(&held.sighting.at))
            });
            slot.alone += u64::from(watched);
            if layers.get(held.layer).is_some_and(|layer| layer.rank > 0) {
                count(&mut slot.hours, &held.sighting);
            }
            continue;
        };
        let outer_told = told.get(link.held).copied().unwrap_or_default();
        slot.note(&held.sighting, outer, outer_told, link.by_id, layers);
        if let Some(schemes) = held.sighting.schemes.filter(|_| outer_told.schemes) {
            for scheme in schemes.iter() {
                *settled.schemes.entry(scheme).or_default() += 1;
            }
        }
    }
    for (at, layer) in layers.iter_mut().enumerate() {
        let mut number = 0;
        (layer.facts)(&mut |facts| {
            if let (Some(found), Some(known)) = (found.remove(&(at, number)), &mut facts.vantage) {
                let Found { back: waiting, echo, links, differences, alone, hours } = found;
                facts.hours.absorb(hours);
                let places = BTreeSet::new();
                known.absorb(Box::new(VantageFacts { places, waiting, echo, links, differences, alone }));
            }
            number += 1;
        });
    }
    settled
}

fn gathered(layers: &mut [Layer<'_>]) -> Vec<Held> {
    let mut all = Vec::new();
    for (layer, one) in layers.iter_mut().enumerate() {
        let mut number = 0;
        (one.facts)(&mut |facts| {
            if let Some(known) = &mut facts.vantage {
                let place = known.places.first().copied().unwrap_or_default();
                let waiting = std::mem::take(&mut known.waiting);
                all.extend(waiting.into_iter().map(|sighting| Held {
                    layer,
                    facts: number,
                    place,
                    sighting,
                }));
            }
            number += 1;
        });
    }
    all
}

/// Which sightings share an id with which, directly or through others.
fn groups(all: &[Held]) -> Vec<Vec<usize>> {
    let mut by_id: Vec<(u64, usize)> = all
        .iter()
        .enumerate()
        .flat_map(|(at, held)| held.sighting.ids.iter().filter(|id| **id != 0).map(move |id| (*id, at)))
        .collect();
    by_id.sort_unstable();
    let mut parents: Vec<usize> = (0..all.len()).collect();
    for run in by_id.chunk_by(|a, b| a.0 == b.0).filter(|run| (2..=MAX_GROUP).contains(&run.len())) {
        let mut roots = run.iter().map(|(_, at)| *at);
        let Some(first) = roots.next() else { continue };
        for other in roots {
            let (a, b) = (root(&mut parents, first), root(&mut parents, other));
            if let Some(slot) = parents.get_mut(a.max(b)) {
                *slot = a.min(b);
            }
        }
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..all.len() {
        members.entry(root(&mut parents, at)).or_default().push(at);
    }
    members.into_values().collect()
}

/// The first of the group that `at` is in; the way there is made shorter.
fn root(parents: &mut [usize], mut at: usize) -> usize {
    while let Some(parent) = parents.get(at).copied().filter(|parent| *parent != at) {
        let above = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(at) {
            *slot = above;
        }
        at = parent;
    }
    at
}

/// Pairs the sightings of one group.
fn by_id(all: &[Held], group: &[usize], above: &mut [Option<Above>]) {
    if !(2..=MAX_GROUP).contains(&group.len()) {
        return;
    }
    let mut at_layer: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in group {
        if let Some(held) = all.get(*at) {
            at_layer.entry(held.layer).or_default().push(*at);
        }
    }
    let asks = |at: usize| all.get(at).map(|held| (held.sighting.method, held.sighting.tail));
    for (layer, inner) in &at_layer {
        for (_, outer) in at_layer.range(..layer).rev() {
            if let ([outer], [inner]) = (outer.as_slice(), inner.as_slice()) {
                pair(above, *outer, *inner, true);
                continue;
            }
            // Sightings are in the order of time. A call that was tried again is one that was asked for once.
            let mut used: BTreeMap<Option<(u64, u64)>, usize> = BTreeMap::new();
            for one in inner {
                let same: Vec<usize> = outer.iter().copied().filter(|at| asks(*at) == asks(*one)).collect();
                let turn = used.entry(asks(*one)).or_default();
                if let Some(found) = same.get(*turn).or(same.last()) {
                    pair(above, *found, *one, true);
                }
                *turn += 1;
            }
        }
    }
}

fn pair(above: &mut [Option<Above>], outer: usize, inner: usize, by_id: bool) {
    if let Some(slot @ None) = above.get_mut(inner) {
        *slot = Some(Above { held: outer, by_id });
    }
}

/// What sightings without a shared id are alike in, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alike {
    /// Host, path and size.
    NameAndSize,
    /// Host and path.
    Name,
    /// The end of the path, and size.
    TailAndSize,
    /// The end of the path.
    Tail,
}

impl Alike {
    const ALL: [Self; 4] = [Self::NameAndSize, Self::Name, Self::TailAndSize, Self::Tail];

    /// What must be the same; `None` when there is nothing to tell by.
    fn key(self, one: &Sighting) -> Option<[u64; 4]> {
        let (path, size) = match self {
            Self::NameAndSize => (one.name, one.response_bytes),
            Self::Name => (one.name, 0),
            Self::TailAndSize => (one.tail, one.response_bytes),
            Self::Tail => (one.tail, 0),
        };
        let sized = matches!(self, Self::Name | Self::Tail) || size > 0;
        (path != 0 && sized).then_some([one.method, path, one.status.into(), size])
    }

    /// Whether calls that are alike and near each other may stand for each other: they are of one endpoint.
    const fn in_turn(self) -> bool {
        matches!(self, Self::NameAndSize | Self::Name)
    }
}

/// Pairs sightings that share no id: those of the same name in the order of time, others where nothing else can be meant.
fn by_shape(all: &[Held], waits: &[bool], above: &mut [Option<Above>], layers: usize) {
    // An exchange, known by its outermost sighting, that was found at a vantage is not there once more. Where ids link two
    // vantages, two that differ are two calls.
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut linked: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (at, inner) in all.iter().enumerate() {
        taken.insert((outermost(above, at), inner.layer));
        let Some(found) = above.get(at).copied().flatten() else { continue };
        if let Some(outer) = all.get(found.held) {
            linked.insert((outer.layer, inner.layer));
        }
    }
    for alike in Alike::ALL {
        let mut groups: BTreeMap<[u64; 4], Vec<usize>> = BTreeMap::new();
        for (at, held) in all.iter().enumerate() {
            if let Some(key) =
                alike.key(&held.sighting).filter(|_| !waits.get(at).copied().unwrap_or_default())
            {
                groups.entry(key).or_default().push(at);
            }
        }
        for group in groups.values().filter(|group| group.len() > 1) {
            let of = |layer: usize| -> Vec<usize> {
                group
                    .iter()
                    .copied()
                    .filter(|at| all.get(*at).is_some_and(|held| held.layer == layer))
                    .collect()
            };
            let at_layer: Vec<Vec<usize>> = (0..layers).map(of).collect();
            for (layer, inner) in at_layer.iter().enumerate().skip(1) {
                for (outer_layer, outer) in at_layer.iter().enumerate().take(layer).rev() {
                    let without_id = |at: usize| {
                        !linked.contains(&(outer_layer, layer))
                            || all.get(at).is_some_and(|held| !held.sighting.has_id())
                    };
                    let free: Vec<usize> = inner
                        .iter()
                        .copied()
                        .filter(|at| above.get(*at).is_some_and(Option::is_none))
                        .collect();
                    let open: Vec<usize> = outer
                        .iter()
                        .copied()
                        .filter(|at| !taken.contains(&(outermost(above, *at), layer)))
                        .collect();
                    let pairs = if alike.in_turn() {
                        in_turn(all, &open, &free)
                    } else {
                        only_pairs(all, &open, &free)
                    };
                    for (one, other) in pairs.into_iter().filter(|(a, b)| without_id(*a) || without_id(*b)) {
                        let exchange = outermost(above, one);
                        let found: Vec<usize> =
                            taken.range((other, 0)..=(other, usize::MAX)).map(|(_, layer)| *layer).collect();
                        if found.iter().all(|layer| !taken.contains(&(exchange, *layer))) {
                            pair(above, one, other, false);
                            taken.extend(found.into_iter().map(|layer| (exchange, layer)));
                        }
                    }
                }
            }
        }
    }
}

/// The outermost sighting of the exchange that one belongs to. Each step leads further out, so that there are few.
fn outermost(above: &[Option<Above>], mut at: usize) -> usize {
    while let Some(found) = above.get(at).copied().flatten() {
        at = found.held;
    }
    at
}

fn time_of(all: &[Held], number: usize) -> Timestamp {
    all.get(number).map_or(Timestamp::EPOCH, |held| held.sighting.at)
}

/// As many pairs as there can be, each near each other. Both lists are in the order of time.
fn in_turn(all: &[Held], outer: &[usize], inner: &[usize]) -> Vec<(usize, usize)> {
    let mut left = outer.iter().copied().peekable();
    let mut pairs = Vec::new();
    for one in inner {
        let at = time_of(all, *one);
        while left.next_if(|other| time_of(all, *other).plus(WINDOW) < at).is_some() {}
        if let Some(found) = left.next_if(|other| time_of(all, *other) <= at.plus(WINDOW)) {
            pairs.push((found, *one));
        }
    }
    pairs
}

/// Pairs of which neither has another partner near. Both lists are in the order of time.
fn only_pairs(all: &[Held], outer: &[usize], inner: &[usize]) -> Vec<(usize, usize)> {
    let near = |of: Timestamp, list: &[usize]| -> Option<usize> {
        let first = list.partition_point(|other| time_of(all, *other).plus(WINDOW) < of);
        let mut those = list.iter().skip(first).take_while(|other| time_of(all, **other) <= of.plus(WINDOW));
        let found = those.next().copied();
        found.filter(|_| those.next().is_none())
    };
    let pairs = inner.iter().filter_map(|one| {
        let found = near(time_of(all, *one), outer)?;
        (near(time_of(all, found), inner)? == *one).then_some((found, *one))
    });
    pairs.collect()
}

/// What a sighting, or one further out of the same exchange, tells.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    schemes: bool,
    latency: bool,
    request_bytes: bool,
    response_bytes: bool,
}

fn told(all: &[Held], above: &[Option<Above>], layers: usize) -> Vec<Told> {
    let mut told = vec![Told::default(); all.len()];
    // From the outside in: what is above is known.
    for layer in 0..layers {
        for (at, held) in all.iter().enumerate().filter(|(_, held)| held.layer == layer) {
            let outer = above.get(at).copied().flatten().and_then(|above| told.get(above.held).copied());
            let outer = outer.unwrap_or_default();
            if let Some(slot) = told.get_mut(at) {
                *slot = Told {
                    schemes: outer.schemes || held.sighting.schemes.is_some(),
                    latency: outer.latency || held.sighting.latency_us.is_some(),
                    request_bytes: outer.request_bytes || held.sighting.request_bytes > 0,
                    response_bytes: outer.response_bytes || held.sighting.response_bytes > 0,
                };
            }
        }
    }
    told
}

/// Counts a sighting in its hour.
fn count(hours: &mut BTreeMap<i64, Box<HourFacts>>, one: &Sighting) {
    let hour = hours.entry(one.at.hour()).or_default();
    hour.count_status(one.status, 1);
    if let Some(outcome) = one.call {
        *hour.calls.entry(outcome).or_default() += 1;
    }
    hour.request_bytes += one.request_bytes;
    hour.response_bytes += one.response_bytes;
    if let Some(latency) = one.latency_us {
        hour.latencies.count(latency);
    }
    if let Some(caller) = one.caller {
        hour.callers.insert_rank(caller);
    }
}

impl Found {
    /// Notes that `one` is an echo of `outer`.
    fn note(&mut self, one: &Sighting, outer: &Held, told: Told, by_id: bool, layers: &[Layer<'_>]) {
        let link = self.links.entry(outer.place).or_default();
        link.by_id += u64::from(by_id);
        link.by_shape += u64::from(!by_id);
        let echo = &mut self.echo;
        echo.requests += 1;
        *echo.statuses.entry(one.status).or_default() += 1;
        echo.tls += u64::from(one.tls);
        if told.schemes {
            for scheme in one.schemes.iter().flat_map(|schemes| schemes.iter()) {
                *echo.auth.entry(scheme).or_default() += 1;
            }
        }
        if let Some(latency) = one.latency_us.filter(|_| told.latency) {
            echo.latencies.count(latency);
        }
        echo.request_bytes += if told.request_bytes { one.request_bytes } else { 0 };
        echo.response_bytes += if told.response_bytes { one.response_bytes } else { 0 };
        count(&mut echo.hours, one);
        let mut untold = HourFacts {
            request_bytes: if told.request_bytes { 0 } else { one.request_bytes },
            response_bytes: if told.response_bytes { 0 } else { one.response_bytes },
            ..HourFacts::default()
        };
        if let Some(latency) = one.latency_us.filter(|_| !told.latency) {
            untold.latencies.count(latency);
        }
        if untold != HourFacts::default() {
            echo.untold.entry(one.at.hour()).or_default().absorb(Box::new(untold));
        }
        let credential = |of: &Sighting| of.schemes.map(|schemes| !schemes.is_empty());
        let differs = [
            (outer.sighting.status != one.status)
                .then_some(Difference::Status(outer.sighting.status, one.status)),
            (outer.sighting.method != one.method).then_some(Difference::Method),
            match (credential(&outer.sighting), credential(one)) {
                (Some(true), Some(false)) => Some(Difference::CredentialOutside),
                (Some(false), Some(true)) => Some(Difference::CredentialInside),
                (Some(_), Some(_)) | (None, _) | (_, None) => None,
            },
        ];
        let rank = layers.get(outer.layer).map_or(0, |layer| layer.rank);
        for difference in differs.into_iter().flatten() {
            *self.differences.entry((rank, difference)).or_default() += 1;
        }
    }
}
