//! What was learnt: the part of a shard's inventory that merges, folds, and is written to disk.
//!
//! A [`Delta`] is what a [`super::collector::Collector`] has learnt since it was last asked. Deltas of shards,
//! intervals and sensors add up by [`Merge`], in any order; their sum is the inventory. Nothing is decided until
//! [`Delta::snapshot`] folds paths into templates, documents first. On disk a delta is a [`Saved`], in which names
//! of paths stand only as far as they may be told (see [`learner::Saved`]).

use super::capability::capability;
use super::facts::EndpointFacts;
use super::inspect;
use super::learner::{
    self, Documented, DocumentedRoute, Folded, Learner, LearnerCounters, Learnt, Ruling, ScannerSource,
    Segment, SegmentAccount, ValuePaths,
};
use super::lineage::{Lineage, Templates};
use super::parameter::parameters;
use super::privacy;
use super::rulings::{Rulings, Use};
use super::service;
use super::sketch::CallerSketch;
use super::vantage::{self, Joined, Vantage};
use super::{Endpoint, EndpointClass, EndpointId, EndpointKey, Inventory};
use crate::caller::AuthScheme;
use crate::classify::{ClassId, Classifier};
use crate::merge::Merge;
use crate::secret::{FingerprintKey, HashKey, Purpose};
use crate::spec::{DocumentSet, HostMatch, PathSegment, RouteId};
use crate::time::Timestamp;
use crate::tls::service::Services;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What was learnt. See the module's doc.
#[derive(Clone, Debug)]
pub struct Delta {
    value_key: HashKey,
    pub(super) learner: Learner<EndpointFacts>,
    pub(super) issuers: BTreeMap<Arc<str>, u64>,
    pub(super) all_callers: CallerSketch,
    pub(super) schemes: BTreeMap<AuthScheme, u64>,
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// What was learnt at each vantage, the outermost first.
    pub(super) vantages: BTreeMap<Vantage, Layer>,
    /// Sightings that wait to be known again elsewhere.
    pub(super) waiting: u64,
    /// Sightings that found no room to wait.
    pub(super) unwatched: u64,
    /// The services behind TLS.
    pub(super) services: Services,
    /// The templates that inventories of it had.
    pub(super) lineage: Lineage,
}

/// What was learnt at one vantage.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) learner: Learner<EndpointFacts>,
    /// Requests by the host names of their tokens' issuers.
    pub(super) issuers: BTreeMap<Arc<str>, u64>,
    pub(super) span: Option<(Timestamp, Timestamp)>,
}

impl Layer {
    pub(super) fn new(key: &FingerprintKey) -> Self {
        let learner = Learner::new(learner::LearnerLimits::default(), rank_key(key));
        Self { learner, issuers: BTreeMap::new(), span: None }
    }
}

impl Merge for Layer {
    fn absorb(&mut self, other: Self) {
        self.learner.absorb(other.learner);
        for (issuer, requests) in other.issuers {
            count_issuer(&mut self.issuers, &issuer, requests);
        }
        self.span = widest(self.span, other.span);
    }
}

/// The span of both.
fn widest(
    one: Option<(Timestamp, Timestamp)>,
    other: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    match (one, other) {
        (Some((first, last)), Some((a, b))) => Some((first.min(a), last.max(b))),
        (known, None) | (None, known) => known,
    }
}

/// Takes note of a moment.
pub(super) fn stretch(span: &mut Option<(Timestamp, Timestamp)>, at: Timestamp) {
    *span = widest(*span, Some((at, at)));
}

/// A delta as it is written; `F` is what is known of each operation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved<F> {
    /// Names of the data classes, by the numbers that the facts give them.
    classes: Vec<String>,
    learner: learner::Saved<F>,
    issuers: BTreeMap<Arc<str>, u64>,
    all_callers: CallerSketch,
    schemes: BTreeMap<AuthScheme, u64>,
    span: Option<(Timestamp, Timestamp)>,
    vantages: Vec<(Vantage, SavedLayer<F>)>,
    waiting: u64,
    unwatched: u64,
    services: Services,
    lineage: Lineage,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedLayer<F> {
    learner: learner::Saved<F>,
    issuers: BTreeMap<Arc<str>, u64>,
    span: Option<(Timestamp, Timestamp)>,
}

/// The learner's rank key, which follows from that of fingerprints.
fn rank_key(key: &FingerprintKey) -> learner::RankKey {
    learner::RankKey::derive(key.fingerprint(Purpose::Segment, b"learner").bytes())
}

impl Delta {
    /// Nothing learnt. Deltas merge when they were made under the same key.
    #[must_use]
    pub fn new(key: &FingerprintKey) -> Self {
        Self {
            value_key: inspect::value_key(key),
            learner: Learner::new(learner::LearnerLimits::default(), rank_key(key)),
            issuers: BTreeMap::new(),
            all_callers: CallerSketch::default(),
            schemes: BTreeMap::new(),
            span: None,
            vantages: BTreeMap::new(),
            waiting: 0,
            unwatched: 0,
            services: Services::default(),
            lineage: Lineage::default(),
        }
    }

    /// Gives away what was learnt and starts anew.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self {
            value_key: self.value_key,
            learner: self.learner.take(),
            issuers: std::mem::take(&mut self.issuers),
            all_callers: std::mem::take(&mut self.all_callers),
            schemes: std::mem::take(&mut self.schemes),
            span: self.span.take(),
            vantages: std::mem::take(&mut self.vantages),
            waiting: std::mem::take(&mut self.waiting),
            unwatched: std::mem::take(&mut self.unwatched),
            services: std::mem::take(&mut self.services),
            lineage: std::mem::take(&mut self.lineage),
        }
    }

    /// Takes in what connections told of services behind TLS.
    pub fn take_in_services(&mut self, services: Services) {
        self.services.absorb(services);
    }

    /// The key of the hashes that tell values of a field apart.
    #[must_use]
    pub const fn value_key(&self) -> HashKey {
        self.value_key
    }

    /// The services behind TLS.
    #[must_use]
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// Finds out which sightings at several vantages are of one exchange: those that are older than `before`, or all.
    pub fn settle(&mut self, before: Option<Timestamp>) {
        if self.waiting == 0 {
            return;
        }
        let mut layers: Vec<vantage::Layer<'_>> = self
            .vantages
            .iter_mut()
            .map(|(vantage, Layer { learner, span, .. })| vantage::Layer {
                rank: vantage.rank(),
                span: *span,
                facts: Box::new(|visit| learner.facts_mut().for_each(visit)),
            })
            .collect();
        let settled = vantage::settle(&mut layers, before);
        self.waiting = settled.waiting;
        for (scheme, count) in settled.schemes {
            if let Some(known) = self.schemes.get_mut(&scheme) {
                *known = known.saturating_sub(count);
            }
        }
        self.schemes.retain(|_, count| *count > 0);
    }

    /// The same for sightings that are older, by `patience`, than what the vantage that is behind the others has told; for
    /// all when too many wait.
    pub fn settle_old(&mut self, patience: Duration) {
        let behind = self.vantages.values().filter_map(|layer| Some(layer.span?.1)).min();
        let before = behind.map(|behind| behind.minus(patience));
        self.settle(before.filter(|_| self.waiting < vantage::MAX_WAITING));
    }

    /// Sightings at vantages that found no room to wait for others, and count by themselves.
    #[must_use]
    pub const fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Calls of operations that found no room under their URLs, and requests that were read in part.
    #[must_use]
    pub fn operations_reached(&self) -> (u64, u64) {
        self.facts()
            .filter_map(|facts| facts.operations.as_ref())
            .fold((0, 0), |(overflow, limited), known| (overflow + known.overflow, limited + known.limited))
    }

    pub(super) fn facts_mut(&mut self) -> impl Iterator<Item = &mut EndpointFacts> {
        let below = self.vantages.values_mut().flat_map(|layer| layer.learner.facts_mut());
        self.learner.facts_mut().chain(below)
    }

    fn facts(&self) -> impl Iterator<Item = &EndpointFacts> {
        self.learner.facts().chain(self.vantages.values().flat_map(|layer| layer.learner.facts()))
    }

    /// Whether no exchange has come in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.span.is_none()
    }

    /// The earliest and latest exchange.
    #[must_use]
    pub const fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span
    }

    /// Requests by the host names of their tokens' issuers; of several vantages, at the one that saw most.
    #[must_use]
    pub fn issuers(&self) -> BTreeMap<Arc<str>, u64> {
        let mut most: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for (issuer, requests) in self.vantages.values().flat_map(|layer| &layer.issuers) {
            let slot = most.entry(Arc::clone(issuer)).or_default();
            *slot = (*slot).max(*requests);
        }
        most.absorb(self.issuers.clone());
        most
    }

    /// Distinct callers of all hosts together, as the outermost vantage knows them.
    #[must_use]
    pub fn callers(&self) -> u64 {
        self.all_callers.estimate()
    }

    /// Requests by authentication scheme; one request may count for several.
    #[must_use]
    pub const fn schemes(&self) -> &BTreeMap<AuthScheme, u64> {
        &self.schemes
    }

    /// What the learner could not keep.
    #[must_use]
    pub fn learner_counters(&self) -> LearnerCounters {
        let mut counters = self.learner.counters();
        for layer in self.vantages.values() {
            counters.absorb(layer.learner.counters());
        }
        counters
    }

    /// Forgets what happened in which hour, once that is written elsewhere.
    pub fn forget_hours(&mut self) {
        for facts in self.facts_mut() {
            facts.forget_hours_before(i64::MAX);
            facts.operations_mut().for_each(|operation| operation.forget_hours_before(i64::MAX));
            if let Some(known) = &mut facts.vantage {
                known.forget_hours();
            }
        }
    }

    /// Bounds the names of fields, once so many have come up that it may be time.
    pub(super) fn thin(&mut self, grown: &mut usize) {
        if *grown <= self.learner.fields_limit() / 4 {
            return;
        }
        *grown = 0;
        self.learner.thin();
        for layer in self.vantages.values_mut() {
            layer.learner.thin();
        }
    }

    /// How many hours of operations are held.
    #[must_use]
    pub fn held_hours(&self) -> usize {
        let operations = |facts: &EndpointFacts| -> usize {
            facts.operations.iter().flat_map(|known| known.facts()).map(|facts| facts.hours.len()).sum()
        };
        self.facts().map(|facts| facts.hours.len() + operations(facts)).sum()
    }

    /// Forgets all hours but the latest `most` when there are more, and tells how many exchanges fell into them.
    pub fn keep_hours(&mut self, most: i64) -> u64 {
        let hours = |facts: &EndpointFacts| facts.hours.last_key_value().map(|(hour, _)| *hour);
        let Some(latest) = self.facts_mut().filter_map(|facts| hours(facts)).max() else { return 0 };
        let mut forgotten = 0;
        for facts in self.facts_mut() {
            if let Some(known) = &mut facts.vantage {
                known.forget_before(latest - most + 1);
            }
            for operation in facts.operations_mut() {
                operation.forget_hours_before(latest - most + 1);
            }
            if facts.hours.first_key_value().is_some_and(|(hour, _)| *hour <= latest - most) {
                let old = facts.hours.range(..=latest - most);
                forgotten += old.flat_map(|(_, hour)| hour.by_status_class).sum::<u64>();
                facts.forget_hours_before(latest - most + 1);
            }
        }
        forgotten
    }

    /// Takes note of the templates of a snapshot, as of `at`: what was told of them goes on to what they become.
    pub fn note(&mut self, templates: &Templates, at: Timestamp) {
        self.lineage.note(templates, at);
    }

    /// What is written of it. Names that a recent snapshot held for `values` are not told.
    #[must_use]
    pub fn save<'a>(&'a self, classifier: &Classifier, values: &ValuePaths) -> Saved<&'a EndpointFacts> {
        Saved {
            classes: classifier.classes().iter().map(|class| class.name.to_owned()).collect(),
            learner: self.learner.save(values, &privacy::may_store),
            issuers: self.issuers.clone(),
            all_callers: self.all_callers.clone(),
            schemes: self.schemes.clone(),
            span: self.span,
            vantages: self
                .vantages
                .iter()
                .map(|(vantage, layer)| {
                    let learner = layer.learner.save(values, &privacy::may_store);
                    let saved = SavedLayer { learner, issuers: layer.issuers.clone(), span: layer.span };
                    (vantage.clone(), saved)
                })
                .collect(),
            waiting: self.waiting,
            unwatched: self.unwatched,
            services: self.services.clone(),
            lineage: self.lineage.clone(),
        }
    }

    /// What was written under the same key, in the numbers of `classifier`. What is known of a data class that it does
    /// not have is forgotten.
    #[must_use]
    pub fn restore(saved: Saved<EndpointFacts>, key: &FingerprintKey, classifier: &Classifier) -> Self {
        let limits = learner::LearnerLimits::default();
        let mut delta = Self {
            value_key: inspect::value_key(key),
            learner: Learner::restore(limits, rank_key(key), saved.learner),
            issuers: saved.issuers,
            all_callers: saved.all_callers,
            schemes: saved.schemes,
            span: saved.span,
            vantages: saved
                .vantages
                .into_iter()
                .map(|(vantage, saved)| {
                    let learner = Learner::restore(limits, rank_key(key), saved.learner);
                    (vantage, Layer { learner, issuers: saved.issuers, span: saved.span })
                })
                .collect(),
            waiting: saved.waiting,
            unwatched: saved.unwatched,
            services: saved.services,
            lineage: saved.lineage,
        };
        let numbers: Vec<Option<ClassId>> = saved.classes.iter().map(|name| classifier.find(name)).collect();
        delta.facts_mut().for_each(|facts| facts.renumber(&numbers));
        delta
    }

    /// Gives every data class its number in another classifier.
    pub fn reclassify(&mut self, from: &Classifier, to: &Classifier) {
        let numbers: Vec<Option<ClassId>> = from.classes().iter().map(|class| to.find(class.name)).collect();
        self.facts_mut().for_each(|facts| facts.renumber(&numbers));
    }

    /// The inventory as of now: paths folded into templates, documented ones first, then those operators decided on; endpoints that are one at several
    /// vantages made one.
    #[must_use]
    pub fn snapshot<'a>(&'a self, documents: &DocumentSet, rulings: &Rulings) -> Snapshot<'a> {
        let routes = Routes { documents, rulings };
        let (mut folded, keys, endpoints) = endpoints_of(&self.learner, &routes);
        let mut used = std::mem::take(&mut folded.rulings);
        let mut values = std::mem::take(&mut folded.values);
        let mut joined = Joined::new(endpoints);
        let mut layers = vec![(folded, keys)];
        for (vantage, layer) in &self.vantages {
            let (folded, mut keys, endpoints) = endpoints_of(&layer.learner, &routes);
            values.absorb(&folded.values);
            for (number, (paths, overruled)) in &folded.rulings {
                let known = used.entry(*number).or_default();
                *known = (known.0 + paths, known.1 + overruled);
            }
            let names = joined.take_in(vantage, endpoints);
            for key in &mut keys {
                if let Some(name) = names.get(key) {
                    key.clone_from(name);
                }
            }
            layers.push((folded, keys));
        }
        let services = service::join(joined.endpoints, &|host| documents.naming(host) == HostMatch::Exact);
        for host in &services.tenants {
            self.learner.hide_host(host, &mut values);
        }
        let merged = services.endpoints;
        let order: BTreeMap<EndpointKey, usize> =
            merged.keys().enumerate().map(|(place, key)| (key.clone(), place)).collect();
        let places = |keys: Vec<EndpointKey>| {
            let now = |key| services.names.get(key).unwrap_or(key);
            keys.iter().map(|key| order.get(now(key)).copied().unwrap_or_default()).collect()
        };
        let scanners = scanners(layers.iter().flat_map(|(folded, _)| &folded.scanners));
        let layers = layers.into_iter().map(|(folded, keys)| (folded, places(keys))).collect();
        let mut endpoints: Vec<Endpoint> = merged.into_values().collect();
        self.lineage.identify(&mut endpoints);
        let inventory = Inventory { endpoints, span: self.span, scanners };
        Snapshot { inventory, values, rulings: rulings.uses(&used), layers }
    }
}

/// Why an endpoint's template was formed.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Paths that it stands for, ids in them counted once.
    pub paths: usize,
    /// What each segment was judged by.
    pub segments: Vec<SegmentAccount>,
    /// Where vantages are told apart, the one whose sightings these are.
    pub vantage: Option<String>,
}

impl Delta {
    /// Why an endpoint of a snapshot with the same documents and decisions was formed, as told by the vantage that saw most
    /// of it; `asked` is a path that was asked about. `None` for what is no API: nothing was weighed for that.
    #[must_use]
    pub fn explain(
        &self,
        snapshot: &Snapshot<'_>,
        place: usize,
        (documents, rulings): (&DocumentSet, &Rulings),
        asked: Option<&[u8]>,
    ) -> Option<Explanation> {
        let learners = std::iter::once((None, &self.learner))
            .chain(self.vantages.iter().map(|(vantage, layer)| (Some(vantage), &layer.learner)));
        let learnt = learners.zip(&snapshot.layers).flat_map(|((vantage, learner), (folded, places))| {
            let mine = folded.endpoints.iter().zip(places).filter(move |(_, at)| **at == place);
            mine.map(move |(learnt, _)| (vantage, learner, learnt))
        });
        let api = learnt.filter(|(_, _, learnt)| learnt.class == learner::EndpointClass::Api);
        let (vantage, learner, learnt) = api.max_by_key(|(_, _, learnt)| learnt.count)?;
        let (paths, segments) = learner.explain(&Routes { documents, rulings }, learnt, asked)?;
        Some(Explanation { paths, segments, vantage: vantage.map(|vantage| vantage.label().to_owned()) })
    }
}

/// Scanners of all vantages: a call that was seen at several counts once.
fn scanners<'a>(found: impl Iterator<Item = &'a ScannerSource>) -> Vec<ScannerSource> {
    let mut by_address: BTreeMap<IpAddr, ScannerSource> = BTreeMap::new();
    for source in found {
        let known = by_address.entry(source.address).or_insert(*source);
        *known = (*known).max(*source);
    }
    by_address.into_values().collect()
}

/// What a learner folds into: the key of each folded endpoint, and endpoints by key.
fn endpoints_of<'a>(
    learner: &'a Learner<EndpointFacts>,
    routes: &Routes<'_>,
) -> (Folded<'a, EndpointFacts>, Vec<EndpointKey>, BTreeMap<EndpointKey, Endpoint>) {
    let mut folded = learner.fold(routes);
    let mut merged: BTreeMap<EndpointKey, Endpoint> = BTreeMap::new();
    let mut keys = Vec::with_capacity(folded.endpoints.len());
    for learnt in &mut folded.endpoints {
        if learnt.route.is_none() {
            for used in routes.rulings.name(learnt.host, &mut learnt.template) {
                folded.rulings.entry(used).or_default().0 += 1;
            }
        }
        let template = match learnt.route {
            Some(route) => routes.documents.template(RouteId(route)).to_owned(),
            None => privacy::shown(learnt),
        };
        let method = privacy::shown_method(learnt.method);
        let host = if learner::hosts::is_hidden(learnt.host) {
            learnt.host.to_owned()
        } else {
            privacy::shown_host(learnt.host)
        };
        keys.push(EndpointKey { host, template, method });
    }
    name_as_documented(&folded.endpoints, &mut keys);
    for (learnt, key) in folded.endpoints.iter().zip(&keys) {
        let mut facts = EndpointFacts::default();
        for part in &learnt.facts {
            facts.absorb((*part).clone());
        }
        match merged.entry(key.clone()) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.facts.absorb(facts);
                known.liveness.absorb(learnt.liveness);
                if known.route.is_none() && learnt.route.is_some() {
                    known.route = learnt.route;
                    known.confidence = 1.0;
                    known.class = class_of(learnt.class);
                }
            }
            std::collections::btree_map::Entry::Vacant(slot) => {
                let endpoint = Endpoint {
                    parameters: parameters(&slot.key().template, &learnt.template),
                    class: class_of(learnt.class),
                    route: learnt.route,
                    liveness: learnt.liveness,
                    confidence: if learnt.route.is_some() { 1.0 } else { learnt.confidence },
                    capability: capability(&slot.key().template),
                    ..Endpoint::new(slot.key().clone(), facts)
                };
                slot.insert(endpoint);
            }
        }
    }
    (folded, keys, merged)
}

/// Values that a document refuses, beside values that it takes, are learnt as the same parameter under a name of its own:
/// the endpoint is the documented one.
fn name_as_documented(learnt: &[Learnt<'_, EndpointFacts>], keys: &mut [EndpointKey]) {
    let routed = |one: &Learnt<'_, EndpointFacts>| one.route.is_some();
    let documented: BTreeMap<EndpointId, EndpointKey> = learnt
        .iter()
        .zip(&*keys)
        .filter(|(one, key)| routed(one) && key.template.contains('{'))
        .map(|(_, key)| (key.id(), key.clone()))
        .collect();
    for (one, key) in learnt.iter().zip(keys) {
        if !routed(one)
            && key.template.contains('{')
            && let Some(name) = documented.get(&key.id())
        {
            key.clone_from(name);
        }
    }
}

impl Merge for Delta {
    fn absorb(&mut self, other: Self) {
        self.learner.absorb(other.learner);
        self.all_callers.absorb(other.all_callers);
        self.schemes.absorb(other.schemes);
        for (issuer, requests) in other.issuers {
            count_issuer(&mut self.issuers, &issuer, requests);
        }
        self.span = widest(self.span, other.span);
        self.vantages.absorb(other.vantages);
        self.waiting.absorb(other.waiting);
        self.unwatched.absorb(other.unwatched);
        self.services.absorb(other.services);
        self.lineage.absorb(other.lineage);
    }
}

/// Issuers of tokens whose requests are counted.
const MAX_ISSUERS: usize = 1_024;

/// Counts requests whose tokens this host issued.
pub(super) fn count_issuer(issuers: &mut BTreeMap<Arc<str>, u64>, issuer: &Arc<str>, requests: u64) {
    if let Some(known) = issuers.get_mut(issuer) {
        *known += requests;
    } else if issuers.len() < MAX_ISSUERS {
        issuers.insert(Arc::clone(issuer), requests);
    }
}

/// The inventory at a moment, and the way from a request to its endpoint.
pub struct Snapshot<'a> {
    /// The inventory.
    pub inventory: Inventory,
    values: ValuePaths,
    rulings: Vec<Use>,
    /// What each vantage folded into, and for each folded endpoint its position in the inventory.
    layers: Vec<(Folded<'a, EndpointFacts>, Vec<usize>)>,
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} endpoints)", self.inventory.endpoints.len())
    }
}

impl Snapshot<'_> {
    /// Where names of paths are held for values.
    #[must_use]
    pub const fn values(&self) -> &ValuePaths {
        &self.values
    }

    /// What each decision of operators was used for.
    #[must_use]
    pub fn rulings(&self) -> &[Use] {
        &self.rulings
    }

    /// The endpoint that a request belongs to.
    #[must_use]
    pub fn locate(&self, host: &str, method: &str, path: &[u8]) -> Option<&Endpoint> {
        let host = if privacy::is_host(host) { host } else { privacy::NO_HOST };
        self.layers.iter().find_map(|(folded, places)| {
            let found = folded.locate(host, method, path)?;
            self.inventory.endpoints.get(*places.get(found)?)
        })
    }
}

/// Documents and decisions as the learner asks for them.
struct Routes<'a> {
    documents: &'a DocumentSet,
    rulings: &'a Rulings,
}

impl Documented for Routes<'_> {
    fn route(&self, host: &str, methods: &[&str], segments: &[Segment<'_>]) -> Option<DocumentedRoute> {
        if self.documents.is_empty() {
            return None;
        }
        let path: Vec<PathSegment<'_>> = segments
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => PathSegment::Literal(name),
                Segment::Value { suffix: "", .. } => PathSegment::Value,
                Segment::Value { suffix, .. } => PathSegment::ValueBefore(suffix),
            })
            .collect();
        let routed = self.documents.route_requests(host, methods, &path)?;
        let template = self.documents.template(routed.route);
        let parameters = template
            .split('/')
            .filter(|segment| !segment.is_empty())
            .enumerate()
            .filter(|(at, segment)| *at < 64 && segment.contains('{'))
            .fold(0, |bits, (at, _)| bits | 1_u64 << at);
        Some(DocumentedRoute { id: routed.route.0, parameters })
    }

    fn ruling(&self, host: &str, segments: &[Segment<'_>]) -> Ruling<'_> {
        self.rulings.ruling(host, segments)
    }

    fn scope(&self, host: &str) -> Vec<usize> {
        self.rulings.scope(host)
    }
}

const fn class_of(class: learner::EndpointClass) -> EndpointClass {
    match class {
        learner::EndpointClass::Api => EndpointClass::Api,
        learner::EndpointClass::Static => EndpointClass::Static,
        learner::EndpointClass::Scanner => EndpointClass::Scanner,
        learner::EndpointClass::Preflight => EndpointClass::Preflight,
        learner::EndpointClass::Health => EndpointClass::Health,
        // Asked for and never there: nobody can say what it would be.
        learner::EndpointClass::Probe | learner::EndpointClass::Unknown => EndpointClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::collector::Collector;
    use crate::limits::Limits;
    use crate::transaction::Transaction;

    const KEY: [u8; 32] = [7; 32];

    fn collector() -> Collector {
        Collector::new(&Limits::default(), &FingerprintKey::new(KEY), &Classifier::built_in(), true)
    }

    fn call(collector: &mut Collector, method: &str, path: &str, status: u16, body: &str) {
        let mut exchange = Transaction::default();
        exchange.request.method.extend_from_slice(method.as_bytes());
        exchange.request.target.expose_mut().extend_from_slice(path.as_bytes());
        exchange.request.fields.push(b"host", b"api.bank.example");
        exchange.request.fields.push(b"authorization", b"Bearer s3cr3t-t0ken-of-somebody");
        exchange.request.started = Timestamp::from_secs(1_776_211_206, 0);
        exchange.response.status = status;
        exchange.response.fields.push(b"content-type", b"application/json");
        exchange.response.body.bytes.expose_mut().extend_from_slice(body.as_bytes());
        exchange.response.body.len = body.len() as u64;
        exchange.client = Some(([192, 0, 2, 9].into(), None));
        collector.observe(&exchange);
    }

    const NAMES: [&str; 8] =
        ["anna-becker", "olu.adeyemi", "mschmidt", "jdoe", "kvnguyen", "rpatel", "zfarkas", "lrossi"];

    fn traffic(collector: &mut Collector) {
        for (at, name) in NAMES.iter().enumerate() {
            let body = format!(r#"{{"name":"{name}","iban":"DE8937040044053201300{at}","balance":{at}}}"#);
            call(collector, "GET", &format!("/v1/customers/{name}/profile"), 200, &body);
            call(collector, "PUT", &format!("/v1/customers/{name}"), 200, r#"{"ok":true}"#);
            call(collector, "GET", &format!("/v1/accounts/{}", 20_000 + at * 7_919), 200, &body);
        }
        for _ in 0..40 {
            call(collector, "GET", "/v1/rates", 200, r#"{"rates":[{"currency":"EUR","rate":1.5}]}"#);
        }
    }

    fn write(delta: &Delta) -> Vec<u8> {
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        postcard::to_stdvec(&delta.save(&Classifier::built_in(), snapshot.values())).unwrap()
    }

    fn read(bytes: &[u8]) -> Delta {
        Delta::restore(
            postcard::from_bytes(bytes).unwrap(),
            &FingerprintKey::new(KEY),
            &Classifier::built_in(),
        )
    }

    fn rows(delta: &Delta) -> Vec<String> {
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let row = |endpoint: &Endpoint| {
            let facts = &endpoint.facts;
            let fields = crate::inventory::inspect::data_fields(&Classifier::built_in(), facts);
            let classes: Vec<_> =
                fields.iter().map(|field| (field.path.clone(), field.class, field.valid)).collect();
            format!("{} {:?} {} {:?} {classes:?}", endpoint.key, endpoint.class, facts.requests, facts.auth)
        };
        snapshot.inventory.endpoints.iter().map(row).collect()
    }

    #[test]
    fn what_was_written_is_what_was_known_and_holds_no_value() {
        let mut shard = collector();
        traffic(&mut shard);
        let delta = shard.take();
        assert!(shard.take().is_empty());
        let bytes = write(&delta);
        assert!(rows(&delta).iter().any(|row| row.contains("/v1/customers/{customerId}/profile")));
        assert_eq!(rows(&read(&bytes)), rows(&delta));
        assert_eq!(write(&read(&bytes)), bytes, "written again, it is the same");
        let text = String::from_utf8_lossy(&bytes);
        for planted in NAMES.iter().chain(&["DE8937", "s3cr3t", "192.0.2.9"]) {
            assert!(!text.contains(planted), "{planted} was written");
        }
        assert!(text.contains("accounts"));
    }

    #[test]
    fn learning_goes_on_where_it_was_left() {
        let (mut whole, mut first, mut second) = (collector(), collector(), collector());
        for shard in [&mut whole, &mut first] {
            traffic(shard);
        }
        for shard in [&mut whole, &mut second] {
            traffic(shard);
            call(shard, "GET", "/v1/customers/gwhite/profile", 200, r#"{"name":"G White"}"#);
        }
        let mut resumed = read(&write(&first.take()));
        resumed.absorb(second.take());
        assert_eq!(rows(&resumed), rows(&whole.take()));
    }

    fn versioned(collector: &mut Collector, target: &str, headers: &[(&str, &str)], at: i64) {
        let mut exchange = Transaction::default();
        exchange.request.method.extend_from_slice(b"GET");
        exchange.request.target.expose_mut().extend_from_slice(target.as_bytes());
        exchange.request.fields.push(b"host", b"api.bank.example");
        for (name, value) in headers {
            exchange.request.fields.push(name.as_bytes(), value.as_bytes());
        }
        exchange.request.started = Timestamp::from_secs(1_776_211_206 + at, 0);
        exchange.response.status = 200;
        exchange.response.fields.push(b"content-type", b"application/json");
        collector.observe(&exchange);
    }

    #[test]
    fn versions_are_known_however_they_are_told_and_whatever_is_merged_first() {
        let calls: &[(&str, &[(&str, &str)])] = &[
            ("/v1/rates", &[]),
            ("/v2/rates", &[]),
            ("/v2/rates?api-version=2024-06-01", &[]),
            ("/accounts", &[("Api-Version", "v1"), ("Accept", "application/vnd.bank.v3+json")]),
            ("/accounts", &[("api-version", "2")]),
            ("/accounts", &[("X-App-Version", "2.7.1"), ("Accept", "*/*")]),
        ];
        let parts = || {
            let mut shards = [collector(), collector(), collector()];
            for (at, (target, headers)) in (0..).zip(calls) {
                versioned(&mut shards[at % 3], target, headers, at.try_into().unwrap());
            }
            shards.map(|mut shard| shard.take())
        };
        let told = |delta: &Delta| -> Vec<String> {
            let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
            let row = |endpoint: &Endpoint| {
                let versions: Vec<String> = endpoint
                    .versions
                    .iter()
                    .map(|(key, used)| {
                        let at = used.first_seen.as_nanos() / 1_000_000_000 - 1_776_211_206;
                        format!("{} {}={} {}x@{at}", key.place.name(), key.name, key.version, used.count)
                    })
                    .collect();
                format!("{} {}", endpoint.key.template, versions.join(", "))
            };
            snapshot.inventory.endpoints.iter().map(row).collect()
        };
        let mut whole = Delta::new(&FingerprintKey::new(KEY));
        for part in parts() {
            whole.absorb(part);
        }
        assert_eq!(
            told(&whole),
            [
                "/accounts header api-version=1 1x@3, header api-version=2 1x@4, media_type =3 1x@3",
                "/v1/rates path =1 1x@0",
                "/v2/rates path =2 2x@1, query api-version=2024-06-01 1x@2",
            ]
        );
        let mut backwards = Delta::new(&FingerprintKey::new(KEY));
        for part in parts().into_iter().rev() {
            backwards.absorb(part);
        }
        assert_eq!(told(&backwards), told(&whole));
        assert_eq!(told(&read(&write(&whole))), told(&whole), "written and read back");
        let snapshot = whole.snapshot(&DocumentSet::default(), &Rulings::default());
        let families: Vec<&str> =
            snapshot.inventory.endpoints.iter().map(|endpoint| endpoint.family.as_str()).collect();
        assert!(families[1] == families[2] && families[0] != families[1], "{families:?}");
    }

    #[test]
    fn a_name_that_was_not_written_is_known_again_when_it_comes_back() {
        let (mut first, mut second) = (collector(), collector());
        // One call says too little: it is a name, and reads like a person's.
        call(&mut first, "GET", "/v1/portal/Anna-Becker", 200, "{}");
        let mut delta = read(&write(&first.take()));
        assert!(rows(&delta).iter().all(|row| row.contains("/v1/portal/{…}")), "{:?}", rows(&delta));
        call(&mut second, "GET", "/v1/portal/Anna-Becker", 200, "{}");
        delta.absorb(second.take());
        let nodes = delta.learner_counters().nodes;
        let mut both = collector();
        for _ in 0..2 {
            call(&mut both, "GET", "/v1/portal/Anna-Becker", 200, "{}");
        }
        assert_eq!(nodes, both.take().learner_counters().nodes, "one node, not two");
    }

    #[test]
    fn an_endpoint_keeps_its_id_while_its_template_is_refined() {
        let at = |secs| Timestamp::from_secs(secs, 0);
        let none = (DocumentSet::default(), Rulings::default());
        let mut shard = collector();
        for word in ["daily", "weekly", "monthly"] {
            (0..6).for_each(|_| call(&mut shard, "GET", &format!("/v1/report/{word}"), 200, "{}"));
        }
        let mut delta = shard.take();
        let before = delta.snapshot(&none.0, &none.1).inventory.endpoints;
        assert_eq!(before.len(), 3);
        assert!(before.iter().all(|endpoint| endpoint.id == endpoint.key.id() && endpoint.former.is_empty()));
        delta.note(&Templates::of(&before), at(1));
        let (pinned, _) = Rulings::read("t.yaml", b"pin: ['/v1/report/{period}']");
        let after = delta.snapshot(&none.0, &pinned).inventory.endpoints;
        let [one] = after.as_slice() else { panic!("{after:?}") };
        let oldest = before.iter().map(|endpoint| endpoint.id).min().unwrap();
        assert_eq!((one.id, one.key.template.as_str()), (oldest, "/v1/report/{period}"));
        let told: Vec<&str> = one.former.iter().map(|former| former.template.as_str()).collect();
        assert_eq!(told, ["/v1/report/{…}"]);
        delta.note(&Templates::of(&after), at(2));
        let restored = read(&write(&delta));
        assert_eq!(restored.snapshot(&none.0, &pinned).inventory.endpoints[0].id, oldest, "after a restart");
        // What another shard has learnt changes nothing.
        let mut both = Delta::new(&FingerprintKey::new(KEY));
        let mut other = collector();
        traffic(&mut other);
        both.absorb(other.take());
        both.absorb(restored);
        let all = both.snapshot(&none.0, &pinned).inventory.endpoints;
        assert!(all.iter().any(|endpoint| endpoint.id == oldest && endpoint.key == one.key));
    }

    #[test]
    fn values_that_a_document_refuses_are_of_the_documented_endpoint() {
        let mut shard = collector();
        for number in 0..8 {
            call(&mut shard, "GET", "/v1/colours/red", 200, "{}");
            call(&mut shard, "GET", &format!("/v1/colours/{number}purple"), 200, "{}");
        }
        let document = r#"{"openapi": "3.0.3", "servers": [{"url": "/v1"}], "paths": {"/colours/{colour}": {"get": {
            "parameters": [{"name": "colour", "in": "path", "schema": {"type": "string", "enum": ["red", "blue"]}}],
            "responses": {"200": {"description": ""}}}}}}"#;
        let (documents, problems) = DocumentSet::load(vec![("d.json".into(), document.into())]);
        assert!(problems.is_empty(), "{problems:?}");
        let endpoints = shard.take().snapshot(&documents, &Rulings::default()).inventory.endpoints.clone();
        let told: Vec<_> = endpoints
            .iter()
            .map(|one| (one.key.template.as_str(), one.facts.requests, one.route.is_some(), one.confidence))
            .collect();
        assert_eq!(told, [("/v1/colours/{colour}", 16, true, 1.0)]);
    }

    #[test]
    fn a_template_is_explained_without_a_value() {
        let mut shard = collector();
        traffic(&mut shard);
        let delta = shard.take();
        let (documents, rulings) = (DocumentSet::default(), Rulings::default());
        let snapshot = delta.snapshot(&documents, &rulings);
        let place = |template: &str| {
            let endpoints = &snapshot.inventory.endpoints;
            endpoints.iter().position(|endpoint| endpoint.key.template == template).unwrap()
        };
        let why = |template: &str, asked: Option<&[u8]>| {
            delta.explain(&snapshot, place(template), (&documents, &rulings), asked).unwrap()
        };
        let profile = why("/v1/customers/{customerId}/profile", None);
        assert_eq!(profile.paths, NAMES.len());
        let values: Vec<bool> = profile.segments.iter().map(|segment| segment.is_value).collect();
        assert_eq!(values, [false, false, true, false]);
        let customer = &profile.segments[2];
        assert!(
            customer.odds > 0.0 && customer.evidence.iter().any(|(_, weight)| *weight > 0.0),
            "{customer:?}"
        );
        assert_eq!((customer.names, customer.values.round(), customer.calls), (0, 8.0, 16));
        assert_eq!(customer.below, (1, 1), "one operation, shared");
        let text = format!("{profile:?}");
        assert!(NAMES.iter().all(|name| !text.contains(name)), "{text}");
        let account = why("/v1/accounts/{accountId}", Some(b"/v1/accounts/20000"));
        assert_eq!(account.segments[2].settled, learner::Settled::Shape);
        let rates = why("/v1/rates", None);
        assert!(!rates.segments[1].is_value && rates.segments[1].odds < 0.0, "{:?}", rates.segments[1]);
        assert!(rates.segments[1].names >= 3);
    }
}
