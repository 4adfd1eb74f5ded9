//! The inventory held against the documents: one finding for each subject.
//!
//! [`compare`] looks at each endpoint of the inventory. One that a document names is held against what the
//! document promises, part by part (`exchange`, `body`); one that none names is a finding itself, and so is
//! what is named and was never called (`paths`). Some findings need no document (`posture`, `policies`, `data`, `vantage`,
//! `services`, `versions`, `lifecycle`, `ownership`, `environments`, `service_level`), and some only the routes of a gateway
//! (`gateway`). Bodies are compared by their inferred shapes, so each finding knows in how many exchanges it shows; no value is seen.
//!
//! Without any document nothing is undocumented: only the posture is judged.

mod body;
mod data;
mod environments;
mod exchange;
mod gateway;
mod lifecycle;
mod operations;
mod ownership;
mod paths;
mod policies;
mod posture;
mod service_level;
mod services;
mod unseen;
mod vantage;
mod versions;

pub use paths::is_implied;
pub use posture::answered_without_credential;
pub use unseen::{Part, Unseen, unseen};

use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::inventory::facts::EndpointFacts;
use crate::inventory::{Endpoint, EndpointClass, Inventory};
use crate::secret::HashKey;
use crate::spec::{DocumentPlace, DocumentSet, Operation, OperationId, RouteId, Routed};
use crate::time::Timestamp;
use crate::tls::service::Services;

/// Where in an exchange data of a class was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// A segment of the path.
    RequestPath,
    /// A query parameter.
    RequestQuery,
    /// A request header or cookie.
    RequestHeader,
    /// The request's body.
    RequestBody,
    /// The answer: its head or its body.
    Response,
    /// An answer of status 400 or above.
    ErrorResponse,
}

impl Carrier {
    /// In words.
    const fn words(self) -> &'static str {
        match self {
            Self::RequestPath => "paths",
            Self::RequestQuery => "queries",
            Self::RequestHeader => "request headers",
            Self::RequestBody => "request bodies",
            Self::Response => "answers",
            Self::ErrorResponse => "error answers",
        }
    }
}

/// Data of a class that an endpoint carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Carried {
    /// The class: `iban`.
    pub class: String,
    /// How sensitive it is, from 0 to 4; from 3 on it is sensitive personal or payment data.
    pub tier: u8,
    /// Where it was found.
    pub carrier: Carrier,
    /// Whether it proves that who sends it has the card: PCI DSS's sensitive authentication data.
    pub authenticates: bool,
    /// In how many exchanges.
    pub exchanges: u64,
    /// Whether that is estimated from samples of the values.
    pub sampled: bool,
    /// When it was first seen, on packet time.
    pub first_seen: Timestamp,
    /// The fields it was found in: the status of the answer whose body it is, or 0, and the name or path.
    pub fields: Vec<(u16, String)>,
}

impl Carried {
    /// In how many exchanges, in words: `6`, `about 600`.
    fn many(&self) -> String {
        format!("{}{}", if self.sampled { "about " } else { "" }, self.exchanges)
    }
}

/// Who knows which data an endpoint carries.
pub trait DataClasses {
    /// The confirmed classes of an endpoint.
    fn carried(&self, endpoint: &Endpoint) -> Vec<Carried>;
}

impl<F: Fn(&Endpoint) -> Vec<Carried>> DataClasses for F {
    fn carried(&self, endpoint: &Endpoint) -> Vec<Carried> {
        self(endpoint)
    }
}

/// Nobody knows which data an endpoint carries.
#[derive(Clone, Copy, Debug)]
pub struct NothingKnown;

impl DataClasses for NothingKnown {
    fn carried(&self, _endpoint: &Endpoint) -> Vec<Carried> {
        Vec::new()
    }
}

/// How to compare.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Who knows which data an endpoint carries.
    pub data: &'a dyn DataClasses,
    /// From which tier on data counts as sensitive.
    pub sensitive_tier: u8,
    /// The services behind TLS, as far as any are known.
    pub services: Option<&'a Services>,
    /// Whether bodies of error answers are held against the document too. They are often written by a gateway
    /// that never read it.
    pub error_bodies: bool,
    /// Whether operators tell who owns what: then what has no owner is a finding.
    pub governed: bool,
    /// The key of the hashes by which fields hold their values; without it none are held against enumerations.
    pub values: Option<HashKey>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("sensitive_tier", &self.sensitive_tier)
            .field("error_bodies", &self.error_bodies)
            .field("governed", &self.governed)
            .finish_non_exhaustive()
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            data: &NothingKnown,
            sensitive_tier: 3,
            services: None,
            error_bodies: false,
            governed: false,
            values: None,
        }
    }
}

/// All findings: the most severe first, then by kind and subject.
#[must_use]
pub fn compare(inventory: &Inventory, documents: &DocumentSet, options: &Options<'_>) -> Vec<Finding> {
    let seen: Vec<Seen<'_>> =
        inventory.endpoints.iter().map(|endpoint| Seen::of(endpoint, documents, options)).collect();
    let mut register = Register::default();
    posture::judge(&seen, &mut register);
    data::judge(&seen, &mut register);
    vantage::judge(&seen, &mut register);
    if let Some(known) = options.services {
        services::judge(known, &mut register);
    }
    operations::judge(&seen, &mut register);
    versions::judge(&seen, &mut register);
    lifecycle::judge(&seen, documents, &mut register);
    if options.governed {
        ownership::judge(&seen, &mut register);
        environments::judge(&seen, &mut register);
    }
    gateway::judge(&seen, documents, &mut register);
    policies::judge(&seen, &mut register);
    service_level::judge(&seen, &mut register);
    if !documents.is_empty() {
        paths::judge(&seen, documents, &mut register);
        exchange::other_credentials(&seen, documents, &mut register);
        for one in seen.iter().filter(|one| !one.operations.is_empty()) {
            exchange::judge(one, documents, &mut register);
            let (undocumented, silent) = body::judge(one, documents, options, &mut register);
            data::undocumented(one, documents, &undocumented, &silent, &mut register);
        }
    }
    let mut all = register.into_findings();
    documents.find_lines(all.iter_mut().filter_map(|finding| finding.document.as_mut()));
    all
}

/// An endpoint with what the documents and the classifier know of it.
struct Seen<'a> {
    endpoint: &'a Endpoint,
    routed: Option<Routed>,
    /// The template to show: the documented one where there is one.
    template: &'a str,
    /// The documented operations it is, one for each document that has it.
    operations: Vec<(OperationId, &'a Operation)>,
    /// The data it carries.
    carried: Vec<Carried>,
    /// What of it is sensitive.
    sensitive: Vec<Carried>,
}

impl<'a> Seen<'a> {
    fn of(endpoint: &'a Endpoint, documents: &'a DocumentSet, options: &Options<'_>) -> Self {
        let key = &endpoint.key;
        // What the learner matched, or what the template itself is: an inventory may be older than a document.
        let known =
            endpoint.route.map(RouteId).filter(|route| same_path(documents.template(*route), &key.template));
        let routed = known
            .map(|route| Routed { route, host: documents.naming(&key.host) })
            .or_else(|| documents.route_request_path(&key.host, &key.method, &key.template));
        let operations = routed
            .into_iter()
            .flat_map(|found| documents.operations_at(found.route, &key.host))
            .filter_map(|id| Some((id, documents.operation(id)?)))
            .filter(|(_, operation)| operation.method == key.method)
            .collect();
        let mut carried = options.data.carried(endpoint);
        carried.sort();
        let mut sensitive = carried.clone();
        sensitive.retain(|one| one.tier >= options.sensitive_tier);
        Self {
            endpoint,
            routed,
            template: routed.map_or(&key.template, |found| documents.template(found.route)),
            operations,
            carried,
            sensitive,
        }
    }

    fn is_api(&self) -> bool {
        self.endpoint.class == EndpointClass::Api
    }

    /// The first document that names the operation.
    fn operation(&self) -> Option<&'a Operation> {
        self.operations.first().map(|(_, operation)| *operation)
    }

    /// A finding about this endpoint with its evidence: shown by `count` of `of` exchanges.
    fn finding(&self, kind: Kind, severity: Severity, detail: &str, (count, of): (u64, u64)) -> Finding {
        let key = &self.endpoint.key;
        let subject = Subject { host: &key.host, method: &key.method, path_template: self.template };
        let facts = &self.endpoint.facts;
        let mut finding = Finding::new(kind, severity, subject, detail);
        (finding.count, finding.of) = (count, of);
        finding.callers = facts.callers.estimate();
        if facts.requests > 0 {
            finding.first_seen = Some(facts.first_seen);
            finding.last_seen = Some(facts.last_seen);
        }
        finding
    }

    /// The sensitive classes, in words.
    fn sensitive_words(&self, keep: impl Fn(Carrier) -> bool) -> String {
        let mut classes: Vec<&str> =
            self.sensitive.iter().filter(|one| keep(one.carrier)).map(|one| one.class.as_str()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.join(", ")
    }
}

/// Gives a finding about several endpoints their callers, and when they were first and last seen.
fn seen_together<'f>(finding: &mut Finding, all: impl Iterator<Item = &'f EndpointFacts> + Clone) {
    finding.callers = all.clone().map(|facts| facts.callers.estimate()).max().unwrap_or_default();
    finding.first_seen = all.clone().map(|facts| facts.first_seen).min();
    finding.last_seen = all.map(|facts| facts.last_seen).max();
}

/// Whether two templates differ in the names of their parameters at most.
fn same_path(left: &str, right: &str) -> bool {
    let mut parts =
        (left.split('/').filter(|part| !part.is_empty()), right.split('/').filter(|part| !part.is_empty()));
    loop {
        match (parts.0.next(), parts.1.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other || (one.contains('{') && other.contains('{')) => {}
            _ => return false,
        }
    }
}

/// `1 request`, `5 requests`, `2 bodies`, `3 days`.
fn counted(count: u64, what: &str) -> String {
    match (count, what.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o']))) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

fn place_of(documents: &DocumentSet, operation: Option<&Operation>) -> Option<DocumentPlace> {
    operation.map(|operation| documents.place_of(operation))
}

#[cfg(test)]
mod tests;
