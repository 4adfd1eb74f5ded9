//! The rows of the lake's tables as plain values.
//!
//! Nothing here is a value from traffic: names of hosts, templates, fields and classes, counts and instants.

use crate::finding::{Disposition, DocumentPlace, Finding};
use crate::inventory::calls::{CallFacts, Outcome, outcome_name};
use crate::inventory::changes::Change;
use crate::inventory::dialogue::{DialogueFacts, SideFacts};
use crate::inventory::facts::{Latencies, Retirement};
use crate::inventory::learner::Liveness;
use crate::inventory::lifecycle::State;
use crate::inventory::lineage::Former;
use crate::inventory::operations::{OperationFacts, OperationKey};
use crate::inventory::policy::{Policy, PolicyFacts};
use crate::inventory::service::Evidence;
use crate::inventory::vantage::Hop;
use crate::inventory::{Endpoint, EndpointClass, EndpointId, Inventory, Parameter};
use crate::merge::Merge;
use crate::time::Timestamp;
use crate::tls::service::{Service, ServiceKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every row of one run rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The sensor's name: letters, digits, `.`, `_` and `-`.
    pub sensor: String,
    /// The run: a digest of inputs and settings, in hexadecimal digits.
    pub run: String,
    /// The id of the key under which callers were fingerprinted.
    pub key_id: String,
    /// The first instant that was observed.
    pub window_start: Timestamp,
    /// The last instant that was observed.
    pub window_end: Timestamp,
    /// The share, 0 to 1, of what passed in the window that was seen whole.
    pub coverage: f64,
}

/// A row with what it rests on, as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<R> {
    /// Of which sensor, run and window.
    pub origin: Origin,
    /// The row.
    pub row: R,
}

/// The evidence for one data class in one field of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct DataClassRow {
    /// `request.body`, `response.header`, `request.path` and so on.
    pub location: String,
    /// The field within: a path, a name or an index.
    pub field: String,
    /// The class: `fin.iban`.
    pub class: String,
    /// How sensitive the class is, 4 most.
    pub tier: u8,
    /// What became of the evidence: `confirmed`, `suspected` and the like.
    pub state: String,
    /// How sure, 0 to 1.
    pub confidence: f64,
    /// Values that were there.
    pub present: u64,
    /// Values that passed the class's checks.
    pub valid: u64,
    /// Values that were masked.
    pub masked: u64,
    /// Distinct values, as far as counted.
    pub distinct: u64,
    /// Why it was decided so.
    pub reason: String,
    /// The state before the last change; empty while there was none.
    pub former_state: String,
    /// When a value passed first, if any did.
    pub first_seen: Option<Timestamp>,
    /// When a value passed last.
    pub last_seen: Option<Timestamp>,
    /// When the state changed last: the latest exchange then. `None` while it is the first that was told.
    pub changed: Option<Timestamp>,
    /// One in how many values was checked and counted: 1 when all were.
    pub sampled_one_in: u64,
}

/// A parameter of an endpoint's template.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ParameterRow {
    /// Its name.
    pub name: String,
    /// The segment it stands in, from 1.
    pub segment: u64,
    /// The type of most values: `integer`, `uuid`, `iban` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// The data class that its values are confirmed to have; empty for none.
    pub class: String,
}

/// An earlier template of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FormerRow {
    /// The template; `{…}` stands for what turned out to be a value.
    pub path_template: String,
    /// Since when it was one.
    pub since: Timestamp,
    /// When it was last one.
    pub replaced: Timestamp,
}

/// A name and how often it was met.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Count {
    /// What was counted.
    pub name: String,
    /// How often.
    pub count: u64,
}

impl Count {
    /// Counts as rows, in the order given.
    pub fn list<N: Into<String>>(counts: impl IntoIterator<Item = (N, u64)>) -> Vec<Self> {
        counts.into_iter().map(|(name, count)| Self { name: name.into(), count }).collect()
    }
}

/// A version that an endpoint was called in.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct VersionRow {
    /// What told it: `path`, `header`, `query`, `media_type`.
    pub place: String,
    /// The header or parameter, in lower case; else empty.
    pub name: String,
    /// The version, without a leading `v`.
    pub version: String,
    /// Exchanges.
    pub count: u64,
    /// The first one.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
}

/// How many exchanges fell into a latency bucket, as [`Latencies`] numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketRow {
    /// The bucket. Its latencies are not below `bucket` microseconds when it is below 4, else not below
    /// `(4 + bucket % 4) << (bucket / 4 - 1)`.
    pub bucket: u16,
    /// Exchanges.
    pub count: u64,
}

impl BucketRow {
    /// The buckets that are not empty.
    #[must_use]
    pub fn list(latencies: &Latencies) -> Vec<Self> {
        latencies.buckets().map(|(bucket, count)| Self { bucket, count }).collect()
    }
}

/// What was counted of an endpoint's remote calls; empty for any other endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallRow {
    /// Calls by protocol: `grpc`, `grpc_web`, `connect` and the like.
    pub protocols: Vec<Count>,
    /// Calls by outcome: `ok`, `not_found` and the like; `none` when none was told.
    pub outcomes: Vec<Count>,
    /// Calls by where the outcome was told: `trailers`, `trailers_only`, `body` and the like.
    pub outcomes_told: Vec<Count>,
    /// Calls that failed though their HTTP status is a success.
    pub failed: u64,
    /// Whether streams were seen: `unary`, `client`, `server`, `bidi`.
    pub streaming: String,
    /// Messages to the server.
    pub request_messages: u64,
    /// Their bytes, compressed where they are.
    pub request_message_bytes: u64,
    /// Bytes of the largest.
    pub request_message_largest: u64,
    /// Messages to the client.
    pub response_messages: u64,
    /// Their bytes, compressed where they are.
    pub response_message_bytes: u64,
    /// Bytes of the largest.
    pub response_message_largest: u64,
    /// Calls by the compression that the client names.
    pub request_compressions: Vec<Count>,
    /// Calls by the compression that the server names.
    pub response_compressions: Vec<Count>,
}

impl CallRow {
    /// Whether there were calls.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.protocols.is_empty()
    }
}

impl From<&CallFacts> for CallRow {
    fn from(facts: &CallFacts) -> Self {
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, place), count) in &facts.outcomes {
            *told.entry(place.name()).or_default() += count;
        }
        Self {
            protocols: Count::list(facts.protocols.iter().map(|(protocol, count)| (protocol.name(), *count))),
            outcomes: Count::list(outcomes(&facts.by_outcome())),
            outcomes_told: Count::list(told),
            failed: facts.failed,
            streaming: facts.streaming().name().to_owned(),
            request_messages: facts.requests.messages,
            request_message_bytes: facts.requests.bytes,
            request_message_largest: facts.requests.largest.into(),
            response_messages: facts.responses.messages,
            response_message_bytes: facts.responses.bytes,
            response_message_largest: facts.responses.largest.into(),
            request_compressions: Count::list(facts.requests.compressions()),
            response_compressions: Count::list(facts.responses.compressions()),
        }
    }
}

fn outcomes(counts: &BTreeMap<Outcome, u64>) -> impl Iterator<Item = (&'static str, u64)> {
    counts.iter().map(|(outcome, count)| (outcome_name(*outcome), *count))
}

/// A row of `endpoints`: an endpoint as of the end of its window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointRow {
    /// The stable id.
    pub id: String,
    /// Lower case, without port.
    pub host: String,
    /// The method as sent.
    pub method: String,
    /// The path template.
    pub path_template: String,
    /// How sure the learner is of the template, 0 to 1.
    pub template_confidence: f64,
    /// `api`, `static`, `scanner`, `preflight`, `health`, `unknown`.
    pub class: String,
    /// How strongly its answers say that it exists: `strong`, `fair`, `weak`, `none`.
    pub liveness: String,
    /// Exchanges that show that it exists.
    pub live: u64,
    /// Exchanges.
    pub count: u64,
    /// The first one.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
    /// Distinct callers.
    pub callers: u64,
    /// The callers as a `DataSketches` sketch: `HLL_4`, `lg_k` 11.
    pub callers_sketch: Vec<u8>,
    /// Exchanges by authentication scheme.
    pub auth: Vec<Count>,
    /// Exchanges by dialect of open banking: `fapi`, `berlin_group`, `uk_obie`.
    pub dialects: Vec<Count>,
    /// Exchanges whose headers said: `psu_present`, `consent`, `signature`.
    pub banking_signs: Vec<Count>,
    /// Exchanges by roles of the caller's certificate: `psp_ai`.
    pub tpp_roles: Vec<Count>,
    /// Exchanges by the authority that the caller's certificate names: `PSDDE-BAFIN`.
    pub tpp_authorities: Vec<Count>,
    /// Distinct organisations of callers' certificates.
    pub tpps: u64,
    /// Remote calls (gRPC and its kin).
    pub calls: CallRow,
    /// Sightings by vantage and name there, `edge GET api.example/v3/accounts/{accountId}`; empty where vantages are not
    /// told apart.
    pub vantages: Vec<Count>,
    /// Exchanges that vantages tell differently, by what differs: `status edge 502 service 200`.
    pub vantage_differences: Vec<Count>,
    /// Sightings by vantage that none further out had, though one was watching.
    pub unseen_outside: Vec<Count>,
    /// Messages over WebSocket and events of streams by side and sort: `client text`, `server binary`, `server unread`.
    pub messages: Vec<Count>,
    /// Their bytes by side: `client`, `server`.
    pub message_bytes: Vec<Count>,
    /// Those whose content was read, by side and kind: `client type=subscribe`, `server event=price`; only the side where
    /// nothing names a kind.
    pub message_kinds: Vec<Count>,
    /// Exchanges over WebSocket by why they were closed: `1000`.
    pub close_codes: Vec<Count>,
    /// Exchanges by status; 0 for those without response.
    pub statuses: Vec<(u16, u64)>,
    /// Latencies.
    pub latencies: Vec<BucketRow>,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// Exchanges that came over TLS.
    pub tls: u64,
    /// Data classes by field.
    pub data_classes: Vec<DataClassRow>,
    /// The verdict of the documents: `documented`, `shadow` and the like; `None` without documents.
    pub spec: Option<String>,
    /// The document that names it.
    pub spec_document: Option<String>,
    /// The parameters of the template, from the front.
    pub parameters: Vec<ParameterRow>,
    /// Earlier templates, the oldest first.
    pub former_templates: Vec<FormerRow>,
    /// The business capability.
    pub capability: String,
    /// The service: of several hosts that are one the one called most, or `{tenant}.api.example` for tenants.
    pub service: String,
    /// What shows that its hosts are one service: `same_server_and_operations` and the like; empty for a single host.
    pub service_evidence: String,
    /// Other hosts of the service, with the operations they share with it.
    pub aliases: Vec<Count>,
    /// Hosts of the service that were tenants'.
    pub tenants: u64,
    /// What of the path is in front of the service's own: a stage, a gateway's prefix.
    pub base_path: String,
    /// Addresses of servers that answered.
    pub servers: Vec<String>,
    /// The id that all versions of this operation share.
    pub family: String,
    /// The versions it was called in.
    pub versions: Vec<VersionRow>,
    /// Who owns it, where known.
    pub owner: Option<String>,
    /// `new`, `active`, `deprecated`, `sunset`, `dormant`, `retired`, `resurrected`; `superseded`.
    pub lifecycle: String,
    /// Since when its answers say that it is deprecated.
    pub deprecated_since: Option<Timestamp>,
    /// When it will be gone, as its answers, the document or its owner says.
    pub sunset: Option<Timestamp>,
    /// How much harm its misuse could do, 4 most.
    pub tier: u8,
    /// What it is under its URL, where that stands for many; without a parent it is a URL itself.
    pub operation: OperationRow,
    /// The environment it runs in, where told.
    pub environment: Option<String>,
    /// Who can reach it by agreement, where told: `internal`, `partner`, `public`.
    pub exposure: Option<String>,
    /// The level of service that is agreed on, in words, where told.
    pub sla: Option<String>,
    /// The rules it falls under, as told: `psd2`.
    pub compliance: Vec<String>,
    /// Since when its lifecycle is what it is.
    pub lifecycle_since: Option<Timestamp>,
    /// Calls after its sunset, as far as remembered.
    pub calls_after_sunset: u64,
    /// Answers by the relation of their links: `successor-version`, `latest-version`, `deprecation`, `sunset`.
    pub version_links: Vec<Count>,
    /// Answers with success that stated a policy, by policy; `answers` are all whose headers were seen.
    pub policies: Vec<Count>,
}

/// What an operation is under its URL.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OperationRow {
    /// The stable id of the URL's endpoint; `None` when this is no operation.
    pub parent: Option<String>,
    /// `graphql`, `json_rpc`, `soap`, `xml_rpc`, `iso20022`, `odata`.
    pub kind: Option<String>,
    /// `query`, `mutation`, `subscription`; `None` where there are no types or none is known.
    #[serde(rename = "type")]
    pub operation_type: Option<String>,
    /// Its name as far as it may be shown.
    pub name: Option<String>,
    /// Calls by GraphQL's root fields, SOAP's actions, the root element of a message.
    pub fields: Vec<Count>,
    /// Calls that were answered with an error of the operation itself, whatever the status.
    pub errors: u64,
    /// Errors by code.
    pub error_codes: Vec<Count>,
}

impl OperationRow {
    /// What names it, without what was counted.
    #[must_use]
    pub fn name_alone(&self) -> Self {
        Self { fields: Vec::new(), errors: 0, error_codes: Vec::new(), ..self.clone() }
    }

    fn of(parent: EndpointId, key: &OperationKey, operation: &OperationFacts) -> Self {
        Self {
            parent: Some(parent.to_string()),
            kind: Some(key.kind.name().to_owned()),
            operation_type: key.operation_type.map(|kind| kind.name().to_owned()),
            name: Some(key.name.clone()),
            fields: Count::list(operation.fields.iter().map(|(name, count)| (name.as_str(), *count))),
            errors: operation.failed,
            error_codes: Count::list(operation.codes.iter().map(|(code, count)| (code.as_str(), *count))),
        }
    }
}

/// The operations of an endpoint, each as an endpoint with its stable id and what it is.
#[must_use]
pub fn operations(endpoint: &Endpoint) -> Vec<(EndpointId, OperationRow, Endpoint)> {
    let all = endpoint.facts.operations.iter().flat_map(|known| known.all());
    all.map(|(key, operation)| {
        let row = OperationRow::of(endpoint.id, key, &operation);
        let id = key.id(endpoint.id);
        let class = operation.class(endpoint.class);
        let success = operation.facts.statuses.range(200..300).map(|(_, count)| count).sum();
        let proven = if class == EndpointClass::Api { success } else { 0 };
        let child = Endpoint {
            id,
            class,
            liveness: Liveness { proven, json: success, success, ..Liveness::default() },
            service: Arc::clone(&endpoint.service),
            base_path: endpoint.base_path.clone(),
            family: id.to_string(),
            versions: Vec::new(),
            key: endpoint.key.clone(),
            capability: endpoint.capability.clone(),
            facts: operation.facts,
            hops: Vec::new(),
            parameters: Vec::new(),
            former: Vec::new(),
            claim: Arc::clone(&endpoint.claim),
            lifecycle: None,
            ..*endpoint
        };
        (id, row, child)
    })
    .collect()
}

impl EndpointRow {
    /// The lifecycle of an endpoint that is none any more, since the template it was known by was refined.
    pub const SUPERSEDED: &'static str = "superseded";
}

impl From<&Endpoint> for EndpointRow {
    /// What the inventory knows; data classes, the documents' verdict and tier are others' to fill.
    fn from(endpoint: &Endpoint) -> Self {
        let facts = &endpoint.facts;
        let banking = facts.banking.as_deref().cloned().unwrap_or_default();
        let dialogue = facts.dialogue.as_deref();
        let lifecycle = endpoint.lifecycle.as_deref();
        // An operation under its URL has its answers' word alone.
        let by_itself =
            if facts.retirement.deprecated_answers > 0 { State::Deprecated } else { State::Active };
        Self {
            messages: dialogue.map(messages).unwrap_or_default(),
            message_bytes: dialogue.map(message_bytes).unwrap_or_default(),
            message_kinds: dialogue.map(message_kinds).unwrap_or_default(),
            close_codes: Count::list(dialogue.iter().flat_map(|dialogue| {
                dialogue.close_codes.iter().map(|(code, count)| (code.to_string(), *count))
            })),
            dialects: Count::list(banking.dialects.iter().map(|(dialect, count)| (dialect.name(), *count))),
            banking_signs: Count::list(banking.signs.iter().map(|(sign, count)| (sign.name(), *count))),
            tpp_roles: Count::list(banking.roles.iter().map(|(role, count)| (role.name(), *count))),
            tpp_authorities: Count::list(banking.authorities),
            tpps: banking.organisations.estimate(),
            calls: facts.calls.as_deref().map(CallRow::from).unwrap_or_default(),
            vantages: Count::list(
                endpoint
                    .hops
                    .iter()
                    .map(|hop| (format!("{} {}", hop.vantage.label(), hop.key), hop.requests)),
            ),
            vantage_differences: differences(&endpoint.hops),
            unseen_outside: Count::list(alone(&endpoint.hops)),
            id: endpoint.id.to_string(),
            parameters: endpoint.parameters.iter().map(ParameterRow::from).collect(),
            former_templates: endpoint.former.iter().map(FormerRow::from).collect(),
            host: endpoint.key.host.clone(),
            method: endpoint.key.method.clone(),
            path_template: endpoint.key.template.clone(),
            template_confidence: endpoint.confidence.into(),
            class: endpoint.class.name().to_owned(),
            liveness: endpoint.liveness.strength().to_owned(),
            live: endpoint.liveness.proven,
            count: facts.requests,
            first_seen: facts.first_seen,
            last_seen: facts.last_seen,
            callers: facts.callers.estimate(),
            callers_sketch: facts.callers.to_bytes(),
            auth: Count::list(facts.auth.iter().map(|(scheme, count)| (scheme.name(), *count))),
            statuses: facts.statuses.iter().map(|(status, count)| (*status, *count)).collect(),
            latencies: BucketRow::list(&facts.latencies),
            request_bytes: facts.request_bytes,
            response_bytes: facts.response_bytes,
            tls: facts.tls,
            capability: endpoint.capability.clone(),
            service: endpoint.service.name.clone(),
            service_evidence: endpoint.service.evidence.map(Evidence::name).unwrap_or_default().to_owned(),
            aliases: Count::list(
                endpoint.service.aliases.iter().map(|(name, shared)| (name.as_str(), *shared)),
            ),
            tenants: endpoint.service.tenants,
            base_path: endpoint.base_path.clone(),
            servers: facts.servers.iter().map(|server| server.to_string()).collect(),
            family: endpoint.family.clone(),
            versions: endpoint
                .versions
                .iter()
                .map(|(key, used)| VersionRow {
                    place: key.place.name().to_owned(),
                    name: key.name.to_string(),
                    version: key.version.to_string(),
                    count: used.count,
                    first_seen: used.first_seen,
                    last_seen: used.last_seen,
                })
                .collect(),
            lifecycle: lifecycle.map_or_else(|| by_itself.name(), |known| known.state.name()).to_owned(),
            lifecycle_since: lifecycle.map(|known| known.since),
            deprecated_since: facts.retirement.deprecated_since,
            sunset: lifecycle.map_or(facts.retirement.sunset, |known| known.sunset.map(|(date, _)| date)),
            calls_after_sunset: lifecycle.map_or(0, |known| known.calls_after_sunset),
            version_links: Count::list(version_links(&facts.retirement)),
            policies: Count::list(facts.policies.iter().flat_map(|known| policies(known))),
            owner: endpoint.claim.owner.as_deref().map(str::to_owned),
            environment: endpoint.claim.environment.as_deref().map(str::to_owned),
            exposure: endpoint.claim.exposure.map(|exposure| exposure.name().to_owned()),
            sla: endpoint.claim.sla.map(|sla| sla.to_string()),
            compliance: endpoint.claim.tags().to_vec(),
            ..Self::default()
        }
    }
}

/// Answers by the relation of their links.
fn version_links(retirement: &Retirement) -> impl Iterator<Item = (&'static str, u64)> {
    let links = [
        ("successor-version", retirement.successor_links),
        ("latest-version", retirement.latest_links),
        ("deprecation", retirement.deprecation_links),
        ("sunset", retirement.sunset_links),
    ];
    links.into_iter().filter(|(_, count)| *count > 0)
}

/// Answers by the policy that they state, and all.
fn policies(known: &PolicyFacts) -> impl Iterator<Item = (&'static str, u64)> {
    let stated = Policy::ALL.into_iter().map(|policy| (policy.name(), known.stated(policy)));
    [("answers", known.answers)].into_iter().chain(stated).filter(|(_, count)| *count > 0)
}

impl From<&Parameter> for ParameterRow {
    /// Its data class is for others to fill.
    fn from(parameter: &Parameter) -> Self {
        Self {
            name: parameter.name.clone(),
            segment: parameter.segment as u64 + 1,
            kind: parameter.kind.to_owned(),
            class: String::new(),
        }
    }
}

impl From<&Former> for FormerRow {
    fn from(former: &Former) -> Self {
        Self { path_template: former.template.clone(), since: former.since, replaced: former.replaced }
    }
}

/// The sides of a dialogue by name.
fn sides(dialogue: &DialogueFacts) -> [(&'static str, &SideFacts); 2] {
    [("client", &dialogue.to_server), ("server", &dialogue.to_client)]
}

fn messages(dialogue: &DialogueFacts) -> Vec<Count> {
    let counts = sides(dialogue).into_iter().flat_map(|(side, facts)| {
        let tally = facts.tally;
        [("text", tally.text), ("binary", tally.binary), ("control", tally.control), ("unread", tally.unread)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(move |(sort, count)| (format!("{side} {sort}"), count))
    });
    Count::list(counts)
}

fn message_bytes(dialogue: &DialogueFacts) -> Vec<Count> {
    Count::list(sides(dialogue).map(|(side, facts)| (side, facts.tally.bytes)))
}

fn message_kinds(dialogue: &DialogueFacts) -> Vec<Count> {
    let counts = sides(dialogue).into_iter().flat_map(|(side, facts)| {
        facts.kinds().into_iter().map(move |(kind, facts)| {
            (if kind.is_empty() { side.to_owned() } else { format!("{side} {kind}") }, facts.messages)
        })
    });
    Count::list(counts)
}

/// A row of `noise`: what is no API, by kind and host, and who asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct NoiseRow {
    /// The class of its paths: `scanner`, `static`, `preflight`, `health`, `unknown`; `scanner_source` for a client that
    /// asks mostly for what is not there.
    pub kind: String,
    /// The host that was asked; empty for a source.
    pub host: String,
    /// The client; empty for a class of paths.
    pub source: String,
    /// Paths.
    pub paths: u64,
    /// Exchanges.
    pub count: u64,
    /// Of a source: those that got nothing, or what anything gets.
    pub refused: u64,
    /// Of a source: those for paths that no application serves.
    pub hostile: u64,
    /// Distinct callers of a class of paths on the host: at least those of the path that had most.
    pub callers: u64,
    /// The first one, of a class of paths.
    pub first_seen: Option<Timestamp>,
    /// The last one.
    pub last_seen: Option<Timestamp>,
}

impl NoiseRow {
    /// What is noise in an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory) -> Vec<Self> {
        let mut classes: BTreeMap<(&str, &str), Self> = BTreeMap::new();
        for endpoint in inventory.endpoints.iter().filter(|one| one.class != EndpointClass::Api) {
            let (kind, host) = (endpoint.class.name(), endpoint.key.host.as_str());
            let row = classes.entry((kind, host)).or_insert_with(|| Self {
                kind: kind.to_owned(),
                host: host.to_owned(),
                ..Self::default()
            });
            let facts = &endpoint.facts;
            row.paths += 1;
            row.count += facts.requests;
            row.callers = row.callers.max(facts.callers.estimate());
            row.first_seen = Some(row.first_seen.map_or(facts.first_seen, |at| at.min(facts.first_seen)));
            row.last_seen = row.last_seen.max(Some(facts.last_seen));
        }
        let sources = inventory.scanners.iter().map(|source| Self {
            kind: "scanner_source".to_owned(),
            source: source.address.to_string(),
            count: source.calls,
            refused: source.bad,
            hostile: source.hostile,
            ..Self::default()
        });
        classes.into_values().chain(sources).collect()
    }
}

fn differences(hops: &[Hop]) -> Vec<Count> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for hop in hops {
        for ((outer, difference), count) in &hop.differences {
            *counts.entry(difference.between(outer, &hop.vantage)).or_default() += count;
        }
    }
    Count::list(counts)
}

fn alone(hops: &[Hop]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for hop in hops.iter().filter(|hop| hop.alone > 0) {
        *counts.entry(hop.vantage.label().to_owned()).or_default() += hop.alone;
    }
    counts
}

/// A row of `observations`: an endpoint in one hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservationRow {
    /// The endpoint's stable id.
    pub endpoint: String,
    /// Lower case, without port.
    pub host: String,
    /// The method as sent.
    pub method: String,
    /// The path template.
    pub path_template: String,
    /// What kind of thing the endpoint is.
    pub class: String,
    /// The hour, since the epoch.
    pub hour: i64,
    /// Which callers: `all` when they are not told apart.
    pub caller_group: String,
    /// Exchanges by class of status: none, 1xx to 5xx.
    pub by_status_class: [u64; 6],
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// Latencies.
    pub latencies: Vec<BucketRow>,
    /// Distinct callers.
    pub callers: u64,
    /// The callers as a `DataSketches` sketch: `HLL_4`, `lg_k` 11.
    pub callers_sketch: Vec<u8>,
    /// Remote calls by outcome.
    pub call_outcomes: Vec<Count>,
    /// Exchanges that carried a class of data.
    pub data_classes: Vec<Count>,
    /// Of an operation the stable id of its URL's endpoint.
    pub parent: Option<String>,
    /// Of an operation its name.
    pub operation_name: Option<String>,
}

impl ObservationRow {
    /// The hours of an endpoint, and of each operation under it.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Vec<Self> {
        let mut rows: Vec<Self> = Self::hours(endpoint).collect();
        for (id, operation, child) in operations(endpoint) {
            rows.extend(Self::hours(&child).map(|row| Self {
                endpoint: id.to_string(),
                parent: operation.parent.clone(),
                operation_name: operation.name.clone(),
                ..row
            }));
        }
        rows
    }

    fn hours(endpoint: &Endpoint) -> impl Iterator<Item = Self> {
        endpoint.facts.hours.iter().map(|(hour, facts)| Self {
            endpoint: endpoint.id.to_string(),
            host: endpoint.key.host.clone(),
            method: endpoint.key.method.clone(),
            path_template: endpoint.key.template.clone(),
            class: endpoint.class.name().to_owned(),
            hour: *hour,
            caller_group: "all".to_owned(),
            by_status_class: facts.by_status_class,
            request_bytes: facts.request_bytes,
            response_bytes: facts.response_bytes,
            latencies: BucketRow::list(&facts.latencies),
            callers: facts.callers.estimate(),
            callers_sketch: facts.callers.to_bytes(),
            call_outcomes: Count::list(outcomes(&facts.calls)),
            data_classes: Count::list(facts.data_classes.iter().map(|(name, count)| (*name, *count))),
            parent: None,
            operation_name: None,
        })
    }
}

/// A server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CertificateRow {
    /// The host or organisation that it names; empty where it is neither.
    pub subject: String,
    /// Who issued it; empty where that has no name.
    pub issuer: String,
    /// When it ends.
    pub not_after: Timestamp,
    /// Handshakes that showed it.
    pub shown: u64,
    /// The last of them.
    pub last_shown: Timestamp,
}

/// A row of `services`: what is behind TLS at one socket under one name, as of the end of its window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRow {
    /// The stable id of name and socket.
    pub id: String,
    /// The name it is shown under: the host that clients ask for, else the socket.
    pub host: String,
    /// The host that clients ask for (SNI).
    pub sni: Option<String>,
    /// The server's address.
    pub address: String,
    /// Its port.
    pub port: u64,
    /// Connections.
    pub sessions: u64,
    /// Those among them that were read with keys.
    pub read: u64,
    /// Those that resumed a session.
    pub resumed: u64,
    /// Their bytes, as far as captured.
    pub bytes: u64,
    /// Packets that brought them.
    pub packets: u64,
    /// The first packet.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
    /// Connections by version.
    pub versions: Vec<Count>,
    /// Connections by cipher suite.
    pub ciphers: Vec<Count>,
    /// Connections by group of the key exchange.
    pub groups: Vec<Count>,
    /// Connections by protocol.
    pub alpn: Vec<Count>,
    /// Connections by JA4 fingerprint of the client, the most frequent first.
    pub ja4: Vec<Count>,
    /// Those whose client hid its real hello.
    pub encrypted_hellos: u64,
    /// Those whose client sent data before the server answered.
    pub early_data: u64,
    /// Those with a key exchange that withstands a quantum computer.
    pub post_quantum: u64,
    /// Those whose server asked for the client's certificate, where that shows.
    pub asks_certificate: u64,
    /// Those whose client showed one.
    pub with_certificate: u64,
    /// Who issued clients' certificates.
    pub client_issuers: Vec<String>,
    /// The server's certificates that are in use.
    pub certificates: Vec<CertificateRow>,
    /// What is wrong with it, and the connections that show it.
    pub problems: Vec<Count>,
}

impl From<(&ServiceKey, &Service)> for ServiceRow {
    fn from((key, service): (&ServiceKey, &Service)) -> Self {
        let (first_seen, last_seen) = service.span.unwrap_or_default();
        let mut ja4 = Count::list(service.clients.iter().map(|(print, count)| (print.as_str(), *count)));
        ja4.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let issuers = service.client_certificates.iter().filter_map(|known| known.issuer.clone());
        let mut client_issuers: Vec<String> = issuers.collect();
        client_issuers.dedup();
        Self {
            id: key.id(),
            host: key.name(),
            sni: key.host.clone(),
            address: key.server.ip().to_string(),
            port: key.server.port().into(),
            sessions: service.connections,
            read: service.read,
            resumed: service.resumed,
            bytes: service.bytes,
            packets: service.packets,
            first_seen,
            last_seen,
            versions: Count::list(service.versions.iter().map(|(version, count)| (version.name(), *count))),
            ciphers: Count::list(service.suites.iter().map(|(suite, count)| (suite.name(), *count))),
            groups: Count::list(service.groups.iter().map(|(group, count)| (group.name(), *count))),
            alpn: Count::list(service.alpn.iter().map(|(alpn, count)| (alpn.name(), *count))),
            ja4,
            encrypted_hellos: service.encrypted_hellos,
            early_data: service.early_data,
            post_quantum: service.post_quantum(),
            asks_certificate: service.asks_certificate,
            with_certificate: service.with_certificate,
            client_issuers,
            certificates: service
                .certificates_in_use()
                .map(|(certificate, shown)| CertificateRow {
                    subject: certificate.subject.clone().unwrap_or_default(),
                    issuer: certificate.issuer.clone().unwrap_or_default(),
                    not_after: certificate.not_after,
                    shown: shown.times,
                    last_shown: shown.last,
                })
                .collect(),
            problems: Count::list(service.problems().map(|(problem, count)| (problem.to_string(), count))),
        }
    }
}

/// A row of `findings`: a finding as of the end of its window.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FindingRow {
    /// The stable id.
    pub id: String,
    /// A snake-case word.
    pub kind: String,
    /// `info` to `critical`.
    pub severity: String,
    /// The endpoint's stable id, where it is about one.
    pub endpoint: Option<String>,
    /// The subject's host.
    pub host: String,
    /// The subject's method; empty when it is a host or path.
    pub method: String,
    /// The subject's path template.
    pub path_template: String,
    /// Which status, parameter or property.
    pub detail: String,
    /// In words.
    pub explanation: String,
    /// Exchanges that show it.
    pub count: u64,
    /// Exchanges that could have shown it.
    pub of: u64,
    /// Distinct callers of the endpoint.
    pub callers: u64,
    /// First seen; `None` for what was never seen.
    pub first_seen: Option<Timestamp>,
    /// Last seen.
    pub last_seen: Option<Timestamp>,
    /// `open` and the like.
    pub state: String,
    /// The standards it touches.
    pub references: Vec<String>,
    /// Where to mend it.
    pub document: Option<DocumentPlace>,
    /// What it weighs, 0 to 100.
    pub score: u64,
    /// The sum, part by part.
    pub reasons: Vec<String>,
    /// Who decided on it; empty when nobody has.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Until when it is accepted.
    pub until: Option<Timestamp>,
    /// `evidence`, or [`FindingRow::DECISION`] for a row that a command wrote: what was seen is as it was told before.
    pub record: String,
}

impl FindingRow {
    /// The record of a row that a decision made.
    pub const DECISION: &'static str = "decision";

    /// Gives the finding what was decided on it, as of an instant.
    pub fn decide(&mut self, decided: &Disposition, now: Timestamp) {
        decided.state_at(now).name().clone_into(&mut self.state);
        self.author.clone_from(&decided.author);
        self.reason.clone_from(&decided.reason);
        self.until = decided.until;
    }
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            kind: finding.kind.name().to_owned(),
            severity: finding.severity.name().to_owned(),
            endpoint: finding.endpoint.map(|id| id.to_string()),
            host: finding.host.clone(),
            method: finding.method.clone(),
            path_template: finding.path_template.clone(),
            detail: finding.detail.clone(),
            explanation: finding.explanation.clone(),
            count: finding.count,
            of: finding.of,
            callers: finding.callers,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            state: finding.state.name().to_owned(),
            references: finding.references.iter().map(|&name| name.to_owned()).collect(),
            document: finding.document.clone(),
            score: finding.score,
            reasons: finding.reasons.clone(),
            author: finding.disposition.as_ref().map(|one| one.author.clone()).unwrap_or_default(),
            reason: finding.disposition.as_ref().map(|one| one.reason.clone()).unwrap_or_default(),
            until: finding.disposition.as_ref().and_then(|one| one.until),
            record: "evidence".to_owned(),
        }
    }
}

/// A row of `events`: a change of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// The stable id of endpoint and change.
    pub id: String,
    /// When, by the traffic that showed it.
    pub at: Timestamp,
    /// A snake-case word: `endpoint_new`, `status_new` and the like.
    pub kind: String,
    /// What is new: a state, template, version, scheme, status, parameter, property, class of data.
    pub detail: String,
    /// What it was before; empty where it was nothing.
    pub before: String,
    /// The endpoint's stable id.
    pub endpoint: String,
    /// Lower case, without port.
    pub host: String,
    /// The method as sent.
    pub method: String,
    /// The path template.
    pub path_template: String,
    /// The service.
    pub service: String,
    /// Who owns it, where known.
    pub owner: Option<String>,
}

impl EventRow {
    /// What changes are listed by: the earliest first.
    #[must_use]
    pub fn order(&self) -> (Timestamp, [&str; 4]) {
        (self.at, [&self.host, &self.path_template, &self.method, &self.id])
    }
}

impl From<(&Endpoint, &Change)> for EventRow {
    fn from((endpoint, change): (&Endpoint, &Change)) -> Self {
        let digest = blake3::hash(format!("{} {:016x}", endpoint.id, change.digest()).as_bytes());
        let id = u64::from_be_bytes(*digest.as_bytes().first_chunk().expect("32 bytes hold eight"));
        Self {
            id: format!("{id:016x}"),
            at: change.at,
            kind: change.kind.name().to_owned(),
            detail: change.detail.clone(),
            before: change.before.clone(),
            endpoint: endpoint.id.to_string(),
            host: endpoint.key.host.clone(),
            method: endpoint.key.method.clone(),
            path_template: endpoint.key.template.clone(),
            service: endpoint.service.name.clone(),
            owner: endpoint.claim.owner.as_deref().map(str::to_owned),
        }
    }
}

/// A row of `capture`: what of one source was seen, and what was not understood, and why.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CaptureRow {
    /// The source as the user named it.
    pub source: String,
    /// Its format: `pcap`, `HAR` and the like.
    pub format: String,
    /// Frames, lines or entries.
    pub records: u64,
    /// Bytes of the source, decompressed.
    pub bytes: u64,
    /// Frames by what became of them: `tcp`, `not_ip`, `cut` and the like.
    pub fates: Vec<Count>,
    /// Connections.
    pub flows: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Bytes that are missing in them.
    pub missing_bytes: u64,
    /// Exchanges by protocol.
    pub exchanges: Vec<Count>,
    /// Frames that were lost before they could be read, by where: `ring_full`, `interface`, `kernel_backlog`,
    /// `handover`.
    pub dropped: Vec<Count>,
    /// Bytes of streams of which it is known what became of them.
    pub stream_bytes: u64,
    /// Those among them that were understood.
    pub understood_bytes: u64,
    /// The others, by reason: `tls` for want of keys, `tls_unopened`, `upgraded`, `other_protocol`, `joined_midway`,
    /// `outside_messages`, `unknown_coding`.
    pub unparsed_bytes: Vec<Count>,
    /// Anomalies by kind.
    pub anomalies: Vec<Count>,
    /// The first frame, line or entry.
    pub first_seen: Option<Timestamp>,
    /// The last one.
    pub last_seen: Option<Timestamp>,
    /// What was damaged; empty when nothing was.
    pub damage: String,
}

/// Rows of one source add up.
impl Merge for CaptureRow {
    fn absorb(&mut self, other: Self) {
        self.records.absorb(other.records);
        self.bytes.absorb(other.bytes);
        self.flows.absorb(other.flows);
        self.gaps.absorb(other.gaps);
        self.missing_bytes.absorb(other.missing_bytes);
        self.stream_bytes.absorb(other.stream_bytes);
        self.understood_bytes.absorb(other.understood_bytes);
        for (mine, theirs) in [
            (&mut self.fates, other.fates),
            (&mut self.dropped, other.dropped),
            (&mut self.exchanges, other.exchanges),
            (&mut self.unparsed_bytes, other.unparsed_bytes),
            (&mut self.anomalies, other.anomalies),
        ] {
            for count in theirs {
                match mine.iter_mut().find(|known| known.name == count.name) {
                    Some(known) => known.count.absorb(count.count),
                    None => mine.push(count),
                }
            }
        }
        let first = [self.first_seen, other.first_seen];
        self.first_seen = first.into_iter().flatten().min();
        self.last_seen = self.last_seen.max(other.last_seen);
        if !other.damage.is_empty() && !self.damage.contains(&other.damage) {
            let glue = if self.damage.is_empty() { "" } else { "; " };
            self.damage = format!("{}{glue}{}", self.damage, other.damage);
        }
    }
}
