//! What is counted for one endpoint: sums, sets and shapes, all of which merge.
//!
//! [`EndpointFacts`] hang on what the learner knows of a path before it has decided on a template; the
//! facts of all paths that turn out to be one endpoint are merged. No value is kept.

use super::calls::{CallFacts, Outcome};
use super::dialogue::{DialogueFacts, SideFacts};
use super::history::{Day, Days, Firsts};
use super::operations::Operations;
use super::policy::PolicyFacts;
use super::running::Running;
use super::sketch::{CallerSketch, Seat};
use super::vantage::VantageFacts;
use super::versions::Versions;
use crate::caller::{AuthScheme, Banking, Dialect, Provider, Sign, TppRole};
use crate::classify::{ClassId, FieldEvidence, FieldTable};
use crate::merge::Merge;
use crate::schema::Shape;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A body's inferred shape, with the data-class evidence of each field.
pub type BodyShape = Shape<FieldEvidence>;

/// Latencies in logarithmic buckets: four to the octave of microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latencies(BTreeMap<u16, u64>);

impl Latencies {
    /// Counts one latency.
    pub fn count(&mut self, micros: u64) {
        *self.0.entry(Self::bucket(micros)).or_default() += 1;
    }

    /// Counts several of one bucket.
    pub(super) fn count_in(&mut self, bucket: u16, times: u64) {
        *self.0.entry(bucket).or_default() += times;
    }

    /// The bucket of a latency: four times its octave plus its two next bits; the first four are exact.
    #[must_use]
    pub fn bucket(micros: u64) -> u16 {
        if micros < 4 {
            return u16::try_from(micros).unwrap_or_default();
        }
        let octave = micros.ilog2();
        let quarter = (micros >> (octave - 2)) & 3;
        u16::try_from((octave - 1) * 4).unwrap_or(u16::MAX) + u16::try_from(quarter).unwrap_or_default()
    }

    /// The smallest latency of a bucket, in microseconds.
    #[must_use]
    pub const fn lower_bound(bucket: u16) -> u64 {
        if bucket < 4 {
            return bucket as u64;
        }
        let octave = bucket / 4 + 1;
        ((bucket % 4) as u64 + 4) << (octave - 2)
    }

    /// The buckets that are not empty: `(bucket, count)`.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// The lower bound of the bucket in which `share` (0 to 1) of the latencies is reached.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let total: u64 = self.0.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a rank among counts needs no 53 bits")]
        let rank = share * total as f64;
        let mut seen = 0_u64;
        for (bucket, count) in &self.0 {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "a rank among counts needs no 53 bits")]
            if seen as f64 >= rank {
                return Some(Self::lower_bound(*bucket));
            }
        }
        None
    }
}

impl Latencies {
    /// Takes away latencies that were counted in here before.
    pub(super) fn take_away(&mut self, others: &Self) {
        for (bucket, count) in &others.0 {
            if let Some(mine) = self.0.get_mut(bucket) {
                *mine = mine.saturating_sub(*count);
            }
        }
        self.0.retain(|_, count| *count > 0);
    }
}

impl Merge for Latencies {
    fn absorb(&mut self, other: Self) {
        self.0.absorb(other.0);
    }
}

/// The classes a status falls into, and `none` for exchanges without response.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What happened in one hour of packet time.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HourFacts {
    /// Exchanges by status class, in the order of [`STATUS_CLASSES`].
    pub by_status_class: [u64; 6],
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// Latencies.
    pub latencies: Latencies,
    /// Who called.
    pub callers: CallerSketch,
    /// Remote calls by outcome.
    pub calls: BTreeMap<Outcome, u64>,
    /// Exchanges that carried a data class, by class name.
    #[serde(with = "class_names")]
    pub data_classes: BTreeMap<&'static str, u64>,
    /// Exchanges answered with 404.
    pub missing: u64,
    /// Exchanges answered with 410.
    pub gone: u64,
}

impl HourFacts {
    /// Counts exchanges of a status, 0 for no response.
    pub fn count_status(&mut self, status: u16, times: u64) {
        if let Some(slot) = self.by_status_class.get_mut(usize::from(status / 100).min(5)) {
            *slot += times;
        }
        match status {
            404 => self.missing += times,
            410 => self.gone += times,
            _ => {}
        }
    }

    /// What of a day happened in it.
    #[must_use]
    pub fn day(&self) -> Day {
        let all: u64 = self.by_status_class.iter().sum();
        let alive = all.saturating_sub(self.missing).saturating_sub(self.gone);
        Day { alive, missing: self.missing, gone: self.gone }
    }
}

impl Merge for HourFacts {
    fn absorb(&mut self, other: Self) {
        for (mine, theirs) in self.by_status_class.iter_mut().zip(other.by_status_class) {
            mine.absorb(theirs);
        }
        self.request_bytes.absorb(other.request_bytes);
        self.response_bytes.absorb(other.response_bytes);
        self.latencies.absorb(other.latencies);
        self.callers.absorb(other.callers);
        self.calls.absorb(other.calls);
        self.data_classes.absorb(other.data_classes);
        self.missing.absorb(other.missing);
        self.gone.absorb(other.gone);
    }
}

/// Counts by class name, whose names are read back as the process knows them.
mod class_names {
    use crate::classify::intern;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: serde::Serializer>(
        counts: &BTreeMap<&'static str, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        counts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<&'static str, u64>, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(counts.into_iter().map(|(name, count)| (intern(&name), count)).collect())
    }
}

/// What answers said of their own retirement, the latest word of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Retirement {
    /// Answers with a `Deprecation` field (RFC 9745 and its drafts).
    pub deprecated_answers: u64,
    /// The date it names, the latest seen.
    pub deprecated_since: Option<Timestamp>,
    /// The date of `Sunset` (RFC 8594), the latest seen.
    pub sunset: Option<Timestamp>,
    /// Answers that link to a successor version (RFC 5829).
    pub successor_links: u64,
    /// Answers that link to the latest version (RFC 5829).
    pub latest_links: u64,
    /// Answers that link to what is said of a deprecation (RFC 9745); that alone does not deprecate.
    pub deprecation_links: u64,
    /// Answers that link to what is said of ends (RFC 8594); that alone sets none.
    pub sunset_links: u64,
}

impl Merge for Retirement {
    fn absorb(&mut self, other: Self) {
        self.deprecated_answers.absorb(other.deprecated_answers);
        self.deprecated_since = self.deprecated_since.max(other.deprecated_since);
        self.sunset = self.sunset.max(other.sunset);
        self.successor_links.absorb(other.successor_links);
        self.latest_links.absorb(other.latest_links);
        self.deprecation_links.absorb(other.deprecation_links);
        self.sunset_links.absorb(other.sunset_links);
    }
}

/// What calls told of open banking.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct BankingFacts {
    /// Exchanges by dialect; one exchange may count for several.
    pub dialects: BTreeMap<Dialect, u64>,
    /// Exchanges by what their headers said of the call.
    pub signs: BTreeMap<Sign, u64>,
    /// Exchanges by the roles of the caller's certificate; one exchange may count for several.
    pub roles: BTreeMap<TppRole, u64>,
    /// Exchanges by the authority that the caller's certificate names: `PSDDE-BAFIN`.
    pub authorities: BTreeMap<String, u64>,
    /// The organisations of the callers' certificates.
    pub organisations: CallerSketch,
}

/// Authorities that are counted by name; Europe has some dozens. The first in their order stay.
const MAX_AUTHORITIES: usize = 128;

impl BankingFacts {
    /// Counts a call.
    pub fn count(&mut self, banking: Banking, provider: Option<&Provider>) {
        for dialect in banking.dialects() {
            *self.dialects.entry(dialect).or_default() += 1;
        }
        for sign in banking.signs() {
            *self.signs.entry(sign).or_default() += 1;
        }
        let Some(provider) = provider else { return };
        for role in provider.roles() {
            *self.roles.entry(role).or_default() += 1;
        }
        if let Some(authority) = &provider.authority {
            *self.authorities.entry(authority.to_string()).or_default() += 1;
            bounded(&mut self.authorities, MAX_AUTHORITIES);
        }
        if let Some(organisation) = provider.organisation {
            self.organisations.insert(Seat::of(organisation));
        }
    }
}

impl Merge for BankingFacts {
    fn absorb(&mut self, other: Self) {
        self.dialects.absorb(other.dialects);
        self.signs.absorb(other.signs);
        self.roles.absorb(other.roles);
        self.authorities.absorb(other.authorities);
        bounded(&mut self.authorities, MAX_AUTHORITIES);
        self.organisations.absorb(other.organisations);
    }
}

/// Servers that are kept of an endpoint; the first in their order stay.
const MAX_SERVERS: usize = 8;

/// Addresses of servers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Servers(Vec<SocketAddr>);

impl Servers {
    /// Takes note of a server.
    pub fn insert(&mut self, server: Option<SocketAddr>) {
        let Some(server) = server else { return };
        // Nearly always there is one.
        if self.0.first() == Some(&server) {
            return;
        }
        if let Err(at) = self.0.binary_search(&server)
            && at < MAX_SERVERS
        {
            self.0.insert(at, server);
            self.0.truncate(MAX_SERVERS);
        }
    }

    /// The servers.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().copied()
    }
}

impl Merge for Servers {
    fn absorb(&mut self, other: Self) {
        for server in other.0 {
            self.insert(Some(server));
        }
    }
}

/// Everything that is counted for one endpoint. A map has room for eleven entries with its first: large ones are boxed, as
/// most endpoints have one or two.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct EndpointFacts {
    /// Exchanges.
    pub requests: u64,
    /// The earliest exchange.
    pub first_seen: Timestamp,
    /// The latest exchange.
    pub last_seen: Timestamp,
    /// Exchanges by status; 0 for those without response.
    pub statuses: BTreeMap<u16, u64>,
    /// Query parameters by name: exchanges that had them.
    pub query: BTreeMap<String, u64>,
    /// Exchanges whose query parameters were too many to keep by name.
    pub query_overflow: u64,
    /// Media types of request bodies, essence in lower case.
    pub request_media: BTreeMap<String, u64>,
    /// Media types of response bodies, by status.
    pub response_media: BTreeMap<(u16, String), u64>,
    /// The shape of structured request bodies.
    pub request_shape: BodyShape,
    /// The shapes of structured response bodies, by status.
    pub response_shapes: BTreeMap<u16, Box<BodyShape>>,
    /// The shape of request bodies that no JSON schema describes: XML, CSV, text.
    pub request_other: BodyShape,
    /// The shapes of such response bodies, by status.
    pub response_other: BTreeMap<u16, Box<BodyShape>>,
    /// Data classes outside structured bodies.
    pub fields: FieldTable,
    /// Exchanges by authentication scheme; one exchange may count for several.
    pub auth: BTreeMap<AuthScheme, u64>,
    /// Exchanges that came over TLS, as far as known.
    pub tls: u64,
    /// Latencies.
    pub latencies: Latencies,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// Who called.
    pub callers: CallerSketch,
    /// What calls told of open banking, when any did.
    pub banking: Option<Box<BankingFacts>>,
    /// What was said over WebSocket and in streams of events, when anything was.
    pub dialogue: Option<Box<DialogueFacts>>,
    /// What was counted of remote calls (gRPC and its kin), when there were any.
    pub calls: Option<Box<CallFacts>>,
    /// What answers said of their retirement.
    pub retirement: Retirement,
    /// The servers that answered.
    pub servers: Servers,
    /// The versions that calls told other than by their path, when any did.
    pub versions: Option<Box<Versions>>,
    /// By hour since the epoch of packet time.
    pub hours: BTreeMap<i64, Box<HourFacts>>,
    /// What they have to do with other vantages, where vantages are told apart.
    pub vantage: Option<Box<VantageFacts>>,
    /// What is not in the sums above yet; nothing once the facts have left their collector.
    #[serde(skip)]
    pub(crate) running: Option<Box<Running>>,
    /// The operations that were asked for under the URL, where it stands for many.
    pub operations: Option<Box<Operations>>,
    /// What happened on days whose hours are forgotten.
    pub days: Days,
    /// Since when it does what it does.
    pub firsts: Firsts,
    /// Which policies answers stated, where their headers were seen.
    pub policies: Option<Box<PolicyFacts>>,
}

impl Default for EndpointFacts {
    fn default() -> Self {
        Self {
            requests: 0,
            first_seen: Timestamp::MAX,
            last_seen: Timestamp::from_nanos(i64::MIN),
            statuses: BTreeMap::new(),
            query: BTreeMap::new(),
            query_overflow: 0,
            request_media: BTreeMap::new(),
            response_media: BTreeMap::new(),
            request_shape: BodyShape::default(),
            response_shapes: BTreeMap::new(),
            request_other: BodyShape::default(),
            response_other: BTreeMap::new(),
            fields: FieldTable::default(),
            auth: BTreeMap::new(),
            tls: 0,
            latencies: Latencies::default(),
            request_bytes: 0,
            response_bytes: 0,
            callers: CallerSketch::default(),
            banking: None,
            dialogue: None,
            calls: None,
            retirement: Retirement::default(),
            servers: Servers::default(),
            versions: None,
            hours: BTreeMap::new(),
            vantage: None,
            running: None,
            operations: None,
            days: Days::default(),
            firsts: Firsts::default(),
            policies: None,
        }
    }
}

/// Names of one kind that are kept when facts of many sources or hours are merged; the first in their order stay.
const MAX_NAMES: usize = 1_024;

/// Takes away all but the first `most` and tells how often they were met.
fn bounded<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, most: usize) -> u64 {
    match counts.keys().nth(most).cloned() {
        Some(first) => counts.split_off(&first).values().sum(),
        None => 0,
    }
}

impl EndpointFacts {
    /// Exchanges that were answered with success: by their HTTP status, and where they are remote calls by that of the
    /// call too. `redirects` says whether redirections count.
    #[must_use]
    pub fn answered_with_success(&self, redirects: bool) -> u64 {
        let end = if redirects { 400 } else { 300 };
        let answered: u64 = self.statuses.range(200..end).map(|(_, count)| count).sum();
        answered.saturating_sub(self.calls.as_ref().map_or(0, |calls| calls.failed))
    }

    /// Forgets the hours before this one, and keeps what happened on their days.
    pub fn forget_hours_before(&mut self, hour: i64) {
        let kept = self.hours.split_off(&hour);
        self.days.take_in(&std::mem::replace(&mut self.hours, kept));
    }

    /// Gives each data class its number in another classifier.
    pub(crate) fn renumber(&mut self, numbers: &[Option<ClassId>]) {
        let shapes = self.response_shapes.values_mut().chain(self.response_other.values_mut());
        let sides =
            self.dialogue.iter_mut().flat_map(|dialogue| [&mut dialogue.to_server, &mut dialogue.to_client]);
        let messages = sides.flat_map(SideFacts::shapes_mut);
        let shapes = shapes.map(|shape| &mut **shape);
        for shape in shapes.chain([&mut self.request_shape, &mut self.request_other]).chain(messages) {
            shape.evidences_mut().for_each(|evidence| evidence.renumber(numbers));
        }
        self.fields.evidence_mut().for_each(|evidence| evidence.renumber(numbers));
        self.operations_mut().for_each(|facts| facts.renumber(numbers));
    }

    /// The facts of the operations under the URL.
    pub(super) fn operations_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.operations.iter_mut().flat_map(|operations| operations.facts_mut())
    }
}

fn absorb_some<F: Merge>(mine: &mut Option<Box<F>>, theirs: Option<Box<F>>) {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => mine.absorb(theirs),
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}

impl Merge for EndpointFacts {
    fn absorb(&mut self, mut other: Self) {
        other.close_hour();
        self.requests.absorb(other.requests);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.statuses.absorb(other.statuses);
        self.query.absorb(other.query);
        self.query_overflow.absorb(other.query_overflow);
        self.query_overflow += bounded(&mut self.query, MAX_NAMES);
        self.request_media.absorb(other.request_media);
        self.response_media.absorb(other.response_media);
        // Media types have no counter of their own: so many are a stranger's play.
        bounded(&mut self.request_media, MAX_NAMES);
        bounded(&mut self.response_media, MAX_NAMES);
        self.request_shape.absorb(other.request_shape);
        self.response_shapes.absorb(other.response_shapes);
        self.request_other.absorb(other.request_other);
        self.response_other.absorb(other.response_other);
        self.fields.absorb(other.fields);
        self.auth.absorb(other.auth);
        self.tls.absorb(other.tls);
        self.latencies.absorb(other.latencies);
        self.request_bytes.absorb(other.request_bytes);
        self.response_bytes.absorb(other.response_bytes);
        self.callers.absorb(other.callers);
        absorb_some(&mut self.banking, other.banking);
        absorb_some(&mut self.dialogue, other.dialogue);
        absorb_some(&mut self.calls, other.calls);
        self.retirement.absorb(other.retirement);
        self.servers.absorb(other.servers);
        absorb_some(&mut self.versions, other.versions);
        self.hours.absorb(other.hours);
        absorb_some(&mut self.vantage, other.vantage);
        absorb_some(&mut self.operations, other.operations);
        self.days.absorb(other.days);
        self.firsts.absorb(other.firsts);
        absorb_some(&mut self.policies, other.policies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A latency lies in its bucket: not below its bound, and below the next one's.
        #[test]
        fn a_latency_lies_in_its_bucket(micros in 0_u64..1 << 50) {
            let bucket = Latencies::bucket(micros);
            prop_assert!(Latencies::lower_bound(bucket) <= micros);
            prop_assert!(micros < Latencies::lower_bound(bucket + 1));
        }
    }
}
