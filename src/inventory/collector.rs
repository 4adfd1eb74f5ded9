//! Exchanges in, inventory out: a shard's part of the inventory while it grows.
//!
//! [`Collector::observe`] asks the learner where an exchange belongs, and counts it there; what comes of it is a
//! [`Delta`], which merges, so that shards need not know of each other.

use super::by_address::ByAddress;
use super::calls;
use super::delta::{Delta, Layer, count_issuer, stretch};
use super::facts::{BodyShape, EndpointFacts};
use super::inspect::{Inspector, Tag};
use super::learner::parts::Parts;
use super::learner::{self, Learner, Sighting};
use super::operations::{By, Namer, is_there};
use super::policy;
use super::privacy;
use super::query_names::QueryNames;
use super::retirement;
use super::sketch::{Seat, Seats};
use super::vantage::{MAX_WAITING, Vantage, Vantages, sighting};
use super::versions;
use crate::anomaly::{Anomaly, AnomalySet};
use crate::caller::{AuthScheme, Caller, CallerReader, Client, Forwarding, SchemeSet, TrustedProxies};
use crate::classify::{ClassSet, Classifier, FieldTable};
use crate::limits::Limits;
use crate::merge::Merge as _;
use crate::operation;
use crate::schema::{Cursor, Name};
use crate::secret::{Fingerprint, FingerprintKey, Purpose, Sensitive};
use crate::short;
use crate::spec::Methods;
use crate::transaction::dialogue::DialogueKind;
use crate::transaction::{Call, Completeness, Part, Provenance, Transaction};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What observing an exchange found out about it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Whose credential it carried.
    pub caller: Option<Fingerprint>,
    /// The client, behind proxies that are trusted.
    pub client: Option<(IpAddr, Option<u16>)>,
    /// Oddities of what was said of the client.
    pub anomalies: AnomalySet,
    /// Which data classes it carried where; empty unless asked for.
    pub tags: Vec<Tag>,
}

/// What follows from a client's address.
#[derive(Clone, Copy, Debug)]
struct Address {
    /// For the learner.
    client: u64,
    /// Who calls, when nothing but the address tells.
    caller: Fingerprint,
    /// Where that caller is counted.
    seat: Seat,
}

/// A media type as it was sent.
#[derive(Clone, Debug)]
struct Media {
    /// Its essence.
    essence: Arc<str>,
    /// The version of an API that it tells.
    version: Option<Arc<str>>,
}

/// Media types that are remembered.
const MAX_MEDIA: usize = 1_024;

/// A shard's part of the inventory.
pub struct Collector {
    delta: Delta,
    callers: CallerReader,
    trusted: Arc<TrustedProxies>,
    vantages: Arc<Vantages>,
    inspector: Inspector,
    classifier: Arc<Classifier>,
    key: FingerprintKey,
    limits: Limits,
    inspect: bool,
    /// Names of fields that came up since they were last counted.
    grown: usize,
    addresses: ByAddress<Address>,
    seats: Seats,
    namer: Namer,
    media: HashMap<Box<[u8]>, Media, RandomState>,
    parts: Parts,
    names: QueryNames,
    host: String,
    /// The `Host` field that `host` was read from, or without one what a log tells; empty when it came from elsewhere.
    sent_host: Vec<u8>,
    /// Whether a log told it.
    host_logged: bool,
    open: Open,
}

/// Which data classes were counted of exchanges that go on.
#[derive(Debug, Default)]
struct Open(HashMap<Provenance, ClassSet, RandomState>);

/// Exchanges that go on whose data classes are remembered; beyond, one may count again.
const MAX_OPEN: usize = 65_536;

impl Open {
    /// The classes that an exchange was not known to carry before.
    fn fresh(&mut self, exchange: &Transaction, classes: ClassSet) -> ClassSet {
        if exchange.part == Part::Whole {
            return classes;
        }
        let place = exchange.provenance;
        match exchange.part {
            Part::Whole => classes,
            Part::Last => self.0.remove(&place).map_or(classes, |known| classes.without(known)),
            Part::First | Part::Further if self.0.len() >= MAX_OPEN && !self.0.contains_key(&place) => {
                classes
            }
            Part::First | Part::Further => {
                let known = self.0.entry(place).or_default();
                let fresh = classes.without(*known);
                known.insert_all(classes);
                fresh
            }
        }
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Collector")
    }
}

impl Collector {
    /// A collector that has seen nothing. Collectors merge when they were built alike.
    #[must_use]
    pub fn new(limits: &Limits, key: &FingerprintKey, classifier: &Arc<Classifier>, inspect: bool) -> Self {
        Self {
            delta: Delta::new(key),
            callers: CallerReader::new(key.clone()),
            trusted: Arc::default(),
            vantages: Arc::default(),
            inspector: Inspector::new(Arc::clone(classifier), limits.clone(), key),
            classifier: Arc::clone(classifier),
            key: key.clone(),
            limits: limits.clone(),
            inspect,
            grown: 0,
            addresses: ByAddress::default(),
            seats: Seats::default(),
            namer: Namer::new(classifier, key),
            media: HashMap::with_hasher(RandomState::default()),
            parts: Parts::default(),
            names: QueryNames::default(),
            host: String::new(),
            sent_host: Vec::new(),
            host_logged: false,
            open: Open::default(),
        }
    }

    /// The same, which believes these proxies.
    #[must_use]
    pub fn with_trusted(self, trusted: &Arc<TrustedProxies>) -> Self {
        Self { trusted: Arc::clone(trusted), ..self }
    }

    /// The same, which tells vantages apart.
    #[must_use]
    pub fn with_vantages(self, vantages: &Arc<Vantages>) -> Self {
        Self { vantages: Arc::clone(vantages), ..self }
    }

    /// The methods whose messages it knows.
    #[must_use]
    pub const fn methods(&self) -> &Arc<Methods> {
        self.inspector.methods()
    }

    /// The same, which knows the messages of these methods.
    #[must_use]
    pub fn with_methods(mut self, methods: &Arc<Methods>) -> Self {
        self.inspector.describe(methods);
        self
    }

    /// Whether the data classes of each exchange are told, for `--tags`.
    pub const fn collect_tags(&mut self, collect: bool) {
        self.inspector.collect_tags(collect);
    }

    /// Whether words that may be constants are gathered, for `--enums`.
    pub const fn gather_constants(&mut self, gather: bool) {
        self.inspector.gather_constants(gather);
    }

    /// Counts an exchange where it belongs.
    #[expect(clippy::too_many_lines, reason = "what is counted of an exchange, one thing after the other")]
    pub fn observe(&mut self, exchange: &Transaction) -> Observed {
        let client = self.trusted.client(exchange);
        let address_seen = client.address.map(|(address, _)| address);
        let (path, query) = exchange.path_and_query();
        self.parts.begin();
        self.names.read(query.map(|query| *query.expose()), self.limits.query_parameters);
        let bare = is_bare(exchange);
        let at = exchange.started();
        let status = exchange.response.status;
        let mut media = (None, None);
        let method = exchange.method().filter(|_| !is_lost(exchange, path));
        if method.is_some() {
            stretch(&mut self.delta.span, at);
            self.read_host(exchange, bare);
            if !bare {
                media = self.media(exchange);
            }
        }
        let (request_media, response_media) = media;
        let seen = method.map(|method| Sighting {
            host: &self.host,
            method,
            path: path.expose(),
            status: judged_status(exchange),
            content_type: response_media.as_ref().map_or("", |media| &media.essence),
            response_bytes: exchange.response.body.len,
            client: 0,
            address: address_seen,
        });
        let vantage = self.vantages.of(exchange.provenance.input);
        // Where it belongs comes from memory while the one who calls is looked for, who may have to come from there as well.
        let found = seen
            .filter(|_| vantage.is_none() && exchange.part.begins())
            .map(|seen| self.delta.learner.seek(&seen, &mut self.parts));
        let known = (&self.key, &self.callers, &self.delta.learner);
        let address = address_seen.map(|address| address_of(&mut self.addresses, address, known));
        let known_by = address.map(|address| address.caller);
        let caller = if bare && !self.names.may_identify() && !CallerReader::is_told(exchange) {
            CallerReader::read_bare(path, known_by)
        } else {
            let identifying = query.filter(|_| self.names.may_identify());
            self.callers.read(exchange, (path, identifying), &client, known_by)
        };
        let mut observed = Observed {
            caller: caller.fingerprint,
            client: client.address,
            anomalies: oddities(&client),
            tags: Vec::new(),
        };
        let Some(mut seen) = seen else {
            return observed;
        };
        seen.client = match address {
            Some(address) => address.client,
            // A source without addresses still tells one program from another.
            None => agent(exchange, &self.key, &self.delta.learner),
        };
        if !exchange.part.begins() {
            let facts = observed_at(&mut self.delta, vantage, &self.key).observed(&seen, &mut self.parts);
            growth(exchange, facts, vantage.is_none_or(Vantage::is_outermost));
            if self.inspect {
                let inspection = self.inspector.inspect_with(exchange, (path, &mut self.parts), query, facts);
                observed.tags.extend_from_slice(inspection.tags);
                let classes = self.open.fresh(exchange, inspection.classes);
                count_classes(facts, exchange.response.ended.hour(), classes, &self.classifier);
            }
            return observed;
        }
        let Delta { learner, issuers, all_callers, schemes, vantages, waiting, unwatched, .. } =
            &mut self.delta;
        // Sightings further in count in their hour once it is known that they are no echoes.
        let (facts, issuers, outermost, hourly) = match (vantage, found) {
            (None, Some(found)) => (learner.observe_found(&seen, found), issuers, true, true),
            (None, None) => (learner.observe_parts(&seen, &mut self.parts), issuers, true, true),
            (Some(vantage), _) => {
                let Layer { learner, issuers, span } =
                    vantages.entry(vantage.clone()).or_insert_with(|| Layer::new(&self.key));
                stretch(span, at);
                let (path, facts) = learner.observe_ranked(&seen, &mut self.parts);
                let room = *waiting < MAX_WAITING;
                *if room { &mut *waiting } else { unwatched } += 1;
                let sighting = room.then(|| sighting(exchange, &self.host, &caller, &self.key));
                facts.vantage.get_or_insert_default().sighted(vantage.place(path), sighting);
                (facts, issuers, vantage.is_outermost(), vantage.is_outermost() || !room)
            }
        };
        let embodied = is_embodied(exchange);
        let held = held(facts, embodied);
        if hourly {
            facts.running(at.hour(), status).count(exchange, at);
        } else {
            sums(exchange, facts);
        }
        messages(exchange, facts);
        count_media(
            exchange,
            facts,
            request_media.as_ref().map(|media| &*media.essence),
            response_media.as_ref().map(|media| &*media.essence),
        );
        let told = request_media.as_ref().and_then(|media| media.version.as_deref());
        let told = told.or_else(|| response_media.as_ref().and_then(|media| media.version.as_deref()));
        facts.servers.insert(exchange.server);
        if !bare || self.names.may_tell_version() {
            versions::read(exchange, query, told, &mut facts.versions);
        }
        // A log without headers cannot say that there was no credential.
        let blind = exchange.completeness == Completeness::Logged && caller.schemes.is_empty();
        let mut seen_seat = None;
        if let Some(fingerprint) = caller.fingerprint {
            let seat = *seen_seat.insert(seat_of(fingerprint, address, &mut self.seats));
            facts.call(seat, hourly);
            if outermost {
                all_callers.insert(seat);
            }
            if !blind {
                count_schemes(caller.schemes, facts, schemes, hourly);
            }
        }
        if let Some(issuer) = &caller.issuer {
            count_issuer(issuers, issuer, 1);
        }
        count_banking(facts, &caller);
        facts.count_names(&self.names, (at.hour(), hourly), self.limits.query_parameters);
        retirement::read(exchange, &mut facts.retirement);
        policy::read(exchange, &mut facts.policies);
        if self.inspect {
            let inspection = self.inspector.inspect_with(exchange, (path, &mut self.parts), query, facts);
            observed.tags.extend_from_slice(inspection.tags);
            let classes = self.open.fresh(exchange, inspection.classes);
            if !classes.is_empty() {
                facts.carry(classes, (at.hour(), hourly), &self.classifier);
            }
            let asking = query.filter(|_| self.names.may_call());
            if embodied || asking.is_some() {
                let by = By { seat: seen_seat, schemes: (!blind).then_some(caller.schemes) };
                operations(exchange, asking, facts, by, (&mut self.namer, &mut self.inspector), &self.limits);
            }
        }
        self.grown += self::held(facts, embodied).saturating_sub(held);
        self.delta.thin(&mut self.grown);
        observed
    }

    /// The media types of the request, when it has a body, and of the response.
    fn media(&mut self, exchange: &Transaction) -> (Option<Media>, Option<Media>) {
        let response =
            self.media_of(exchange.response.fields.get("content-type").map(|value| *value.expose()));
        if exchange.request.body.len == 0 {
            return (None, response);
        }
        let request = exchange.request.fields.get("content-type").map(|value| *value.expose());
        (self.media_of(request), response)
    }

    /// Reads the host of an exchange, which is mostly that of the one before.
    fn read_host(&mut self, exchange: &Transaction, bare: bool) {
        let plain = exchange.request.target.expose().first() == Some(&b'/');
        let sent = if bare { None } else { exchange.request.fields.get("host") };
        let sent = sent.map_or(&[][..], |host| *host.expose());
        let logged = sent.is_empty();
        let told = if logged { exchange.logged_host.as_deref().unwrap_or_default().as_bytes() } else { sent };
        let same = short::same(told, &self.sent_host);
        if plain && logged == self.host_logged && same {
            return;
        }
        exchange.host_into(&mut self.host);
        if !privacy::is_host(&self.host) {
            privacy::NO_HOST.clone_into(&mut self.host);
        }
        self.host_logged = plain && logged;
        self.sent_host.clear();
        if plain {
            self.sent_host.extend_from_slice(told);
        }
    }

    fn media_of(&mut self, value: Option<&[u8]>) -> Option<Media> {
        let value = value?;
        if let Some(known) = self.media.get(value) {
            return Some(known.clone());
        }
        let version = versions::of_media(value).map(Arc::from);
        let media = Media { essence: media_essence(value)?.into(), version };
        if self.media.len() >= MAX_MEDIA {
            self.media.clear();
        }
        self.media.insert(value.into(), media.clone());
        Some(media)
    }

    /// Gives away what was learnt since this was last asked. What is remembered to learn faster stays.
    #[must_use]
    pub fn take(&mut self) -> Delta {
        self.delta.facts_mut().for_each(EndpointFacts::close_hour);
        self.delta.take()
    }

    /// Adds what another collector has learnt with the same signatures.
    pub fn absorb(&mut self, delta: Delta) {
        self.delta.absorb(delta);
    }
}

/// Counts each operation that an exchange asks for.
fn operations(
    exchange: &Transaction,
    query: Option<Sensitive<&[u8]>>,
    facts: &mut EndpointFacts,
    by: By,
    (namer, inspector): (&mut Namer, &mut Inspector),
    limits: &Limits,
) {
    if !is_there(exchange.response.status) {
        return;
    }
    let calls = operation::read(exchange, query, limits);
    let alone = calls.len() == 1;
    for call in &calls {
        let known = facts.operations.get_or_insert_default();
        if let Some(facts) = namer.count(call, alone, exchange, by, known) {
            let status = call.outcome.status.unwrap_or(exchange.response.status);
            let classes = inspector.inspect_call(call, status, facts);
            super::operations::count_classes(exchange, facts, classes, inspector.classifier());
        }
    }
}

/// What follows from a client's address.
fn address_of(
    known: &mut ByAddress<Address>,
    address: IpAddr,
    (key, callers, learner): (&FingerprintKey, &CallerReader, &Learner<EndpointFacts>),
) -> Address {
    known.get(address, |address| {
        let client = match address {
            IpAddr::V4(address) => key.fingerprint(Purpose::Caller, &address.octets()),
            IpAddr::V6(address) => key.fingerprint(Purpose::Caller, &address.octets()),
        };
        let caller = callers.of_address(address);
        Address { client: learner.client(client.rank()), caller, seat: Seat::of(caller) }
    })
}

/// The rank of a client of whom no more is known than its program.
fn agent(exchange: &Transaction, key: &FingerprintKey, learner: &Learner<EndpointFacts>) -> u64 {
    let Some(agent) = exchange.request.fields.get("user-agent") else { return 0 };
    learner.client(key.fingerprint(Purpose::Caller, agent.expose()).rank())
}

/// Whether an exchange says nothing about an endpoint, as its path or host was lost. Nor does a response whose request was.
fn is_lost(exchange: &Transaction, path: Sensitive<&[u8]>) -> bool {
    exchange.anomalies.contains(Anomaly::UnknownFields)
        && (path.expose().is_empty() || exchange.authority().is_none())
}

/// Whether the heads tell nothing but the program that calls, as most lines of logs do.
fn is_bare(exchange: &Transaction) -> bool {
    exchange.response.fields.is_empty()
        && exchange.request.fields.iter().all(|(name, _)| name == b"User-Agent")
}

/// Whether anything of what an exchange carried besides its heads is at hand.
fn is_embodied(exchange: &Transaction) -> bool {
    let (request, response) = (&exchange.request.body.bytes, &exchange.response.body.bytes);
    !request.expose().is_empty() || !response.expose().is_empty() || exchange.dialogue.is_some()
}

/// How many names of fields are held, of those that such an exchange can add to.
fn held(facts: &EndpointFacts, embodied: bool) -> usize {
    if embodied { learner::Facts::held(facts) } else { facts.query.len() + facts.fields.size() }
}

/// What is odd in what was said of a client.
fn oddities(client: &Client) -> AnomalySet {
    let mut odd = AnomalySet::default();
    for found in client.forwarding.into_iter().flatten() {
        match found {
            Forwarding::Proxied => {}
            Forwarding::Hidden => odd.insert(Anomaly::ForwardedHidden),
            Forwarding::Unproven => odd.insert(Anomaly::ForwardedUnproven),
            Forwarding::Conflicting => odd.insert(Anomaly::ForwardedConflicting),
        }
    }
    odd
}

/// The status by which the learner judges whether there is such an endpoint. gRPC answers calls of methods that do not
/// exist with 200 and an outcome of its own.
const fn judged_status(exchange: &Transaction) -> Option<u16> {
    const UNIMPLEMENTED: u32 = 12;
    match (exchange.response.status, &exchange.call) {
        (0, _) => None,
        (200, Some(Call { status: Some(UNIMPLEMENTED), .. })) => Some(404),
        (status, _) => Some(status),
    }
}

/// Counts what every source tells of an exchange that belongs to no hour yet.
fn sums(exchange: &Transaction, facts: &mut EndpointFacts) {
    let (at, status) = (exchange.started(), exchange.response.status);
    facts.requests += 1;
    facts.first_seen = facts.first_seen.min(at);
    facts.last_seen = facts.last_seen.max(at);
    *facts.statuses.entry(status).or_default() += 1;
    facts.tls += u64::from(exchange.tls);
    facts.request_bytes += exchange.request.body.len;
    facts.response_bytes += exchange.response.body.len;
    if let Some(latency) = exchange.latency_us {
        facts.latencies.count(latency);
    }
}

/// Counts what came of an exchange since it was last observed.
fn growth(exchange: &Transaction, facts: &mut EndpointFacts, hourly: bool) {
    let (request, response) = (exchange.request.body.len, exchange.response.body.len);
    facts.request_bytes += request;
    facts.response_bytes += response;
    messages(exchange, facts);
    let outcome = exchange.call.as_ref().filter(|_| exchange.part.ends()).map(calls::outcome);
    if hourly && (request + response > 0 || outcome.is_some()) {
        let hour = facts.hours.entry(exchange.response.ended.hour()).or_default();
        hour.request_bytes += request;
        hour.response_bytes += response;
        if let Some(outcome) = outcome {
            *hour.calls.entry(outcome).or_default() += 1;
        }
    }
}

/// Counts the messages of an exchange that has many, but for what they hold.
fn messages(exchange: &Transaction, facts: &mut EndpointFacts) {
    if let Some(call) = &exchange.call {
        facts.calls.get_or_insert_default().count(call, exchange);
    }
    let Some(said) = &exchange.dialogue else { return };
    // An endpoint that is talking is in use.
    facts.last_seen = facts.last_seen.max(exchange.response.ended);
    let known = facts.dialogue.get_or_insert_default();
    known.to_server.tally.absorb(said.to_server);
    known.to_client.tally.absorb(said.to_client);
    if exchange.part.ends()
        && let Some(code) = said.close.filter(|_| said.kind == DialogueKind::WebSocket)
    {
        *known.close_codes.entry(code).or_default() += 1;
    }
}

/// Counts an exchange for each data class it carries.
fn count_classes(facts: &mut EndpointFacts, hour: i64, classes: ClassSet, classifier: &Classifier) {
    if classes.is_empty() {
        return;
    }
    let hour = facts.hours.entry(hour).or_default();
    for class in classes.iter() {
        *hour.data_classes.entry(classifier.name(class)).or_default() += 1;
    }
}

/// Where a caller is counted, who may be known by the address alone.
fn seat_of(caller: Fingerprint, address: Option<Address>, seats: &mut Seats) -> Seat {
    match address {
        Some(address) if address.caller == caller => address.seat,
        Some(_) | None => seats.of(caller),
    }
}

/// Counts how an exchange authenticates.
fn count_schemes(
    told: SchemeSet,
    facts: &mut EndpointFacts,
    all: &mut BTreeMap<AuthScheme, u64>,
    hourly: bool,
) {
    for scheme in told.iter() {
        facts.authenticate(scheme, hourly);
        *all.entry(scheme).or_default() += 1;
    }
}

fn count_banking(facts: &mut EndpointFacts, caller: &Caller) {
    if !caller.banking.is_empty() || caller.provider.is_some() {
        facts.banking.get_or_insert_default().count(caller.banking, caller.provider.as_deref());
    }
}

/// Where what is seen at a vantage is learnt.
fn observed_at<'a>(
    delta: &'a mut Delta,
    vantage: Option<&Vantage>,
    key: &FingerprintKey,
) -> &'a mut Learner<EndpointFacts> {
    match vantage {
        None => &mut delta.learner,
        Some(vantage) => {
            &mut delta.vantages.entry(vantage.clone()).or_insert_with(|| Layer::new(key)).learner
        }
    }
}

fn count_media(
    exchange: &Transaction,
    facts: &mut EndpointFacts,
    request: Option<&str>,
    response: Option<&str>,
) {
    // Of a dialogue nothing may have been said yet.
    let has_body = exchange.response.body.len > 0 || exchange.dialogue.is_some();
    if let Some(media) = response.filter(|_| has_body) {
        count_response_media(facts, exchange.response.status, media);
    }
    if let Some(media) = request {
        count(&mut facts.request_media, media);
    }
}

fn count_response_media(facts: &mut EndpointFacts, status: u16, media: &str) {
    // There are few: looking through them costs less than a key of its own.
    let known = facts.response_media.iter_mut().find(|((of, name), _)| *of == status && *name == media);
    if let Some((_, count)) = known {
        *count += 1;
    } else if facts.response_media.len() < MAX_MEDIA {
        facts.response_media.insert((status, media.to_owned()), 1);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(known) = counts.get_mut(name) {
        *known += 1;
    } else if counts.len() < MAX_MEDIA {
        counts.insert(name.to_owned(), 1);
    }
}

impl learner::Facts for EndpointFacts {
    fn response_keys(&self) -> Vec<u64> {
        let mut keys = Vec::new();
        for (_, shape) in self.response_shapes.range(200..300) {
            if let Some(root) = shape.root() {
                key_paths(root, 0, 2, &mut keys);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn held(&self) -> usize {
        let shapes = self.response_shapes.values().chain(self.response_other.values());
        let nodes: usize = shapes.map(|shape| shape.size()).sum();
        nodes + self.request_shape.size() + self.request_other.size() + self.query.len() + self.fields.size()
    }

    fn shed(&mut self) {
        self.forget_names();
        self.request_shape = BodyShape::default();
        self.request_other = BodyShape::default();
        self.response_shapes.clear();
        self.response_other.clear();
        self.fields = FieldTable::default();
    }

    fn look(&self) {
        std::hint::black_box(self.running.as_ref().map(|running| running.hour()));
        std::hint::black_box(self.fields.size());
    }

    fn is_procedure(&self) -> bool {
        self.calls.is_some() || self.request_media.keys().any(|media| media.starts_with("application/grpc"))
    }
}

/// Hashes the names of properties down to `levels` levels; arrays add none.
fn key_paths<E>(at: Cursor<'_, E>, above: u64, levels: u32, keys: &mut Vec<u64>) {
    for child in at.children() {
        match child.name() {
            Name::Property(name) => {
                use std::hash::BuildHasher;
                let key = foldhash::fast::FixedState::with_seed(above).hash_one(&**name);
                keys.push(key);
                if levels > 1 {
                    key_paths(child, key, levels - 1, keys);
                }
            }
            Name::Item => key_paths(child, above, levels, keys),
            Name::Root | Name::Wildcard(_) => {}
        }
    }
}

/// The essence of a media type: lower case, without parameters (RFC 9110 section 8.3.1). `None` when it is
/// not one.
#[must_use]
pub fn media_essence(value: &[u8]) -> Option<String> {
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let good = essence.len() <= 100
        && essence.contains(&b'/')
        && essence.iter().all(|byte| crate::http::detect::is_token(*byte) || *byte == b'/');
    good.then(|| String::from_utf8_lossy(essence).to_ascii_lowercase())
}
