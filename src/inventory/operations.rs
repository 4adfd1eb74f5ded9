//! The operations of a URL that stands for many: GraphQL, SOAP, JSON-RPC and their like.
//!
//! Each operation is an endpoint of its own with facts of its own; its URL stays an endpoint and is its parent. An exchange
//! counts once for its URL and once for each call inside it. What is kept of an operation's name is what may be shown of it
//! (see [`privacy::shown_operation`]), so that no word of a client is held that may be a value.
//!
//! Under one URL at most [`limits::OPERATIONS`] are told apart of those that were answered well, and as many of those that
//! never were, so that made-up names do not push out what is there. The first in their order stay: merging is blind to order.

use super::facts::EndpointFacts;
use super::privacy;
use super::sketch::Seat;
use super::{EndpointClass, EndpointId};
use crate::caller::SchemeSet;
use crate::classify::{ClassSet, Classifier};
use crate::limits;
use crate::merge::Merge;
use crate::operation::{Call, Content, Kind, OperationType};
use crate::secret::{FingerprintKey, Purpose, Sensitive};
use crate::transaction::Transaction;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What names an operation under its URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct OperationKey {
    /// In which language it is asked for.
    pub kind: Kind,
    /// The type of a GraphQL operation, where the document was seen.
    pub operation_type: Option<OperationType>,
    /// Its name as far as it may be shown; of a GraphQL operation without one its root fields: `{ account, me }`.
    pub name: String,
}

impl OperationKey {
    /// The stable id: that of the URL, of kind, type and name.
    #[must_use]
    pub fn id(&self, parent: EndpointId) -> EndpointId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&parent.0.to_be_bytes());
        for part in [self.kind.name(), self.operation_type.map_or("", OperationType::name), &self.name] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        EndpointId(u64::from_be_bytes(
            *hasher.finalize().as_bytes().first_chunk().expect("32 bytes hold eight"),
        ))
    }
}

/// `query GetAccount`, `getBalance`
impl fmt::Display for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.operation_type {
            write!(f, "{} ", kind.name())?;
        }
        f.write_str(&self.name)
    }
}

/// What is known of one operation.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct OperationFacts {
    /// What is known of every endpoint.
    pub facts: EndpointFacts,
    /// Calls by GraphQL's root fields, SOAP's actions, the root element of a message.
    pub fields: BTreeMap<String, u64>,
    /// Calls that were answered with an error of the operation itself: `errors`, `error`, a fault, whatever the status.
    pub failed: u64,
    /// Those of them that say that there is no such operation.
    pub refused: u64,
    /// Errors by code.
    pub codes: BTreeMap<String, u64>,
    /// Calls that ask for the schema.
    pub introspection: u64,
    /// Those of them that got it.
    pub introspected: u64,
}

/// Fields and codes that are kept of one operation; the first in their order stay.
const MAX_WORDS: usize = 64;

fn bounded(counts: &mut BTreeMap<String, u64>) {
    while counts.len() > MAX_WORDS {
        counts.pop_last();
    }
}

impl OperationFacts {
    /// What kind of thing it is under a URL of this class.
    #[must_use]
    pub const fn class(&self, parent: EndpointClass) -> EndpointClass {
        if self.refused == self.facts.requests { EndpointClass::Unknown } else { parent }
    }
}

impl Merge for OperationFacts {
    fn absorb(&mut self, other: Self) {
        self.facts.absorb(other.facts);
        self.fields.absorb(other.fields);
        bounded(&mut self.fields);
        self.failed.absorb(other.failed);
        self.refused.absorb(other.refused);
        self.codes.absorb(other.codes);
        bounded(&mut self.codes);
        self.introspection.absorb(other.introspection);
        self.introspected.absorb(other.introspected);
    }
}

/// The operations of one URL.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Operations {
    /// Calls that were answered well.
    proven: BTreeMap<OperationKey, OperationFacts>,
    /// Other calls.
    others: BTreeMap<OperationKey, OperationFacts>,
    /// Calls of operations that found no room.
    pub overflow: u64,
    /// Requests of which a bound kept something from being read.
    pub limited: u64,
}

impl Operations {
    /// All operations. One that is known by its document and by its kept digest alone, under one name, is one.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&OperationKey, OperationFacts> {
        let mut all: BTreeMap<&OperationKey, OperationFacts> = BTreeMap::new();
        for (key, facts) in self.parts() {
            all.entry(self.typed(key).unwrap_or(key)).or_default().absorb(facts.clone());
        }
        all
    }

    /// The key of the same name with a type, of one without.
    fn typed(&self, key: &OperationKey) -> Option<&OperationKey> {
        if key.kind != Kind::Graphql || key.operation_type.is_some() {
            return None;
        }
        let types = [OperationType::Query, OperationType::Mutation, OperationType::Subscription];
        types.into_iter().find_map(|kind| {
            let wanted = OperationKey { operation_type: Some(kind), ..key.clone() };
            let found = self.proven.get_key_value(&wanted).or_else(|| self.others.get_key_value(&wanted));
            found.map(|(known, _)| known)
        })
    }

    /// The parts that [`Operations::all`] adds up; an operation may have two.
    pub fn parts(&self) -> impl Iterator<Item = (&OperationKey, &OperationFacts)> {
        self.proven.iter().chain(&self.others)
    }

    /// The facts of each operation.
    pub(super) fn facts_mut(&mut self) -> impl Iterator<Item = &mut EndpointFacts> {
        self.proven.values_mut().chain(self.others.values_mut()).map(|operation| &mut operation.facts)
    }

    /// The same, to be read.
    pub(super) fn facts(&self) -> impl Iterator<Item = &EndpointFacts> {
        self.parts().map(|(_, operation)| &operation.facts)
    }

    /// Where a call is counted; `None` when there is no room.
    fn slot(&mut self, key: OperationKey, proven: bool) -> Option<&mut OperationFacts> {
        let map = if proven { &mut self.proven } else { &mut self.others };
        if map.len() >= limits::OPERATIONS && !map.contains_key(&key) {
            if map.last_key_value().is_some_and(|(last, _)| *last < key) {
                self.overflow += 1;
                return None;
            }
            if let Some((_, dropped)) = map.pop_last() {
                self.overflow += dropped.facts.requests;
            }
        }
        Some(map.entry(key).or_default())
    }
}

impl Merge for Operations {
    fn absorb(&mut self, other: Self) {
        self.overflow.absorb(other.overflow);
        self.limited.absorb(other.limited);
        for (mine, theirs) in [(&mut self.proven, other.proven), (&mut self.others, other.others)] {
            mine.absorb(theirs);
            while mine.len() > limits::OPERATIONS {
                if let Some((_, dropped)) = mine.pop_last() {
                    self.overflow += dropped.facts.requests;
                }
            }
        }
    }
}

/// Whether a status leaves room for an operation: where nothing answers under a path, there is none.
pub(super) const fn is_there(status: u16) -> bool {
    !matches!(status, 404 | 405 | 410 | 501)
}

/// Who makes the calls of an exchange, as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct By {
    pub(super) seat: Option<Seat>,
    /// How it authenticates; `None` when its source cannot tell.
    pub(super) schemes: Option<SchemeSet>,
}

/// Names that are remembered with what may be shown of them.
const MAX_REMEMBERED: usize = 4_096;

/// What may be shown of words.
type Words = HashMap<Sensitive<Box<[u8]>>, Option<Box<str>>, foldhash::fast::RandomState>;

/// Makes operations of calls. Belongs to one shard.
#[derive(Debug)]
pub(super) struct Namer {
    classifier: Arc<Classifier>,
    key: FingerprintKey,
    /// What may be shown of a word, worked out once while it is remembered.
    words: Words,
}

impl Namer {
    pub(super) fn new(classifier: &Arc<Classifier>, key: &FingerprintKey) -> Self {
        Self { classifier: Arc::clone(classifier), key: key.clone(), words: HashMap::default() }
    }

    /// A word as it may be shown.
    fn word(&mut self, word: &[u8]) -> Option<String> {
        let kept = Sensitive::new(Box::from(word));
        if let Some(known) = self.words.get(&kept) {
            return known.as_deref().map(str::to_owned);
        }
        let shown = privacy::shown_operation(word, &self.classifier);
        if self.words.len() >= MAX_REMEMBERED {
            self.words.clear();
        }
        self.words.insert(kept, shown.map(Into::into));
        shown.map(str::to_owned)
    }

    /// The key of a call.
    fn key(&mut self, call: &Call<'_>) -> OperationKey {
        let sent = call.name.as_ref().map(|name| name.expose().as_ref());
        let name = match call.kind {
            // The sensor checked it letter by letter.
            Kind::Iso20022 => sent.map(|name| String::from_utf8_lossy(name).into_owned()),
            Kind::Odata => sent.map(|name| self.resource(name)),
            Kind::Graphql => sent.and_then(|name| self.word(name)).or_else(|| self.anonymous(call)),
            Kind::JsonRpc | Kind::Soap | Kind::XmlRpc => sent.and_then(|name| self.word(name)),
        };
        let name = name.unwrap_or_else(|| privacy::MASKED.to_owned());
        OperationKey { kind: call.kind, operation_type: call.operation_type, name }
    }

    /// What stands for the name of a GraphQL operation that has none to show: its root fields, else its kept digest.
    fn anonymous(&mut self, call: &Call<'_>) -> Option<String> {
        let fields = call.fields.expose();
        if fields.is_empty() {
            let digest = call.persisted.as_ref()?;
            let print = self.key.fingerprint(Purpose::Segment, digest.expose()).to_string();
            return Some(format!("{{persisted {}}}", print.get(..8).unwrap_or_default()));
        }
        let shown: Vec<String> = fields
            .iter()
            .take(MAX_SHOWN)
            .map(|field| self.word(field).unwrap_or_else(|| "…".to_owned()))
            .collect();
        let more = if fields.len() > MAX_SHOWN { ", …" } else { "" };
        Some(format!("{{ {}{more} }}", shown.join(", ")))
    }

    /// `GET Customers({key})/Orders`, each segment as it may be shown.
    fn resource(&mut self, name: &[u8]) -> String {
        let space = memchr::memchr(b' ', name).unwrap_or(name.len());
        let (method, path) = name.split_at(space);
        let method = privacy::shown_method(&String::from_utf8_lossy(method));
        let segments: Vec<String> = path
            .trim_ascii()
            .split(|byte| *byte == b'/')
            .map(|segment| {
                let (word, key) = match segment.strip_suffix(b"({key})") {
                    Some(word) => (word, "({key})"),
                    None => (segment, ""),
                };
                let shown = if word.is_empty() { Some(String::new()) } else { self.word(word) };
                format!("{}{key}", shown.unwrap_or_else(|| privacy::MASKED.to_owned()))
            })
            .collect();
        format!("{method} {}", segments.join("/"))
    }

    /// Counts a call where it belongs. Returns its facts, whose data classes are another's to find.
    pub(super) fn count<'f>(
        &mut self,
        call: &Call<'_>,
        alone: bool,
        exchange: &Transaction,
        by: By,
        operations: &'f mut Operations,
    ) -> Option<&'f mut EndpointFacts> {
        let status = call.outcome.status.unwrap_or(exchange.response.status);
        let key = self.key(call);
        let good = call.outcome.answered && !call.outcome.failed && (200..400).contains(&status);
        operations.limited += u64::from(call.limited);
        let codes = call.outcome.code.as_ref().map(|code| self.code(code.expose()));
        let fields: Vec<String> =
            call.fields.expose().iter().filter_map(|field| self.word(field)).take(MAX_WORDS).collect();
        let operation = operations.slot(key, good)?;
        for (counts, words) in
            [(&mut operation.fields, fields), (&mut operation.codes, codes.into_iter().collect())]
        {
            for word in words {
                *counts.entry(word).or_default() += 1;
            }
            bounded(counts);
        }
        operation.failed += u64::from(call.outcome.failed);
        operation.refused += u64::from(call.outcome.refused);
        if call.introspection {
            operation.introspection += 1;
            operation.introspected += u64::from(good);
        }
        sums(call, alone, status, exchange, by, &mut operation.facts);
        Some(&mut operation.facts)
    }

    /// An error's code as it may be shown: a small number or a word.
    fn code(&mut self, code: &[u8]) -> String {
        let digits = code.strip_prefix(b"-").unwrap_or(code);
        if (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
            return String::from_utf8_lossy(code).into_owned();
        }
        self.word(code).unwrap_or_else(|| "other".to_owned())
    }
}

/// Root fields that are shown where they stand for a name.
const MAX_SHOWN: usize = 8;

/// Counts what is known of every call.
fn sums(
    call: &Call<'_>,
    alone: bool,
    status: u16,
    exchange: &Transaction,
    by: By,
    facts: &mut EndpointFacts,
) {
    let at = exchange.started();
    let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let (request_bytes, response_bytes) = if alone {
        (exchange.request.body.len, exchange.response.body.len)
    } else {
        (length(call.bytes), call.responses.iter().map(|content| length(content.bytes())).sum())
    };
    facts.requests += 1;
    facts.first_seen = facts.first_seen.min(at);
    facts.last_seen = facts.last_seen.max(at);
    *facts.statuses.entry(status).or_default() += 1;
    facts.tls += u64::from(exchange.tls);
    facts.request_bytes += request_bytes;
    facts.response_bytes += response_bytes;
    let hour = facts.hours.entry(at.hour()).or_default();
    hour.count_status(status, 1);
    hour.request_bytes += request_bytes;
    hour.response_bytes += response_bytes;
    if let Some(latency) = exchange.latency_us {
        facts.latencies.count(latency);
        hour.latencies.count(latency);
    }
    if let Some(seat) = by.seat {
        facts.callers.insert(seat);
        hour.callers.insert(seat);
    }
    for scheme in by.schemes.into_iter().flat_map(SchemeSet::iter) {
        *facts.auth.entry(scheme).or_default() += 1;
    }
}

impl Content<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Json(value) | Self::Body(_, value) => value.expose().len(),
            Self::Graphql(text, _) => text.expose().len(),
        }
    }
}

/// Counts the data classes of a call in its hour.
pub(super) fn count_classes(
    exchange: &Transaction,
    facts: &mut EndpointFacts,
    classes: ClassSet,
    classifier: &Classifier,
) {
    let hour = facts.hours.entry(exchange.started().hour()).or_default();
    for class in classes.iter() {
        *hour.data_classes.entry(classifier.name(class)).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Endpoint;
    use crate::inventory::collector::Collector;
    use crate::inventory::delta::Delta;
    use crate::inventory::inspect::data_fields;
    use crate::inventory::rulings::Rulings;
    use crate::limits::Limits;
    use crate::spec::DocumentSet;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    fn collector() -> Collector {
        Collector::new(&Limits::default(), &FingerprintKey::new(KEY), &Classifier::built_in(), true)
    }

    fn exchange(target: &str, media: &str, request: &str, status: u16, response: &str) -> Transaction {
        let mut exchange = Transaction::default();
        let method: &[u8] = if request.is_empty() { b"GET" } else { b"POST" };
        exchange.request.method.extend_from_slice(method);
        exchange.request.target.expose_mut().extend_from_slice(target.as_bytes());
        exchange.request.fields.push(b"host", b"api.bank.example");
        exchange.request.fields.push(b"content-type", media.as_bytes());
        exchange.request.started = Timestamp::from_secs(1_776_211_206, 0);
        exchange.response.status = status;
        exchange.response.fields.push(b"content-type", media.as_bytes());
        for (body, text) in [(&mut exchange.request.body, request), (&mut exchange.response.body, response)] {
            body.bytes.expose_mut().extend_from_slice(text.as_bytes());
            body.len = text.len() as u64;
            body.whole = true;
        }
        exchange.client = Some(([192, 0, 2, 9].into(), None));
        exchange
    }

    fn json(request: &str, response: &str) -> Transaction {
        exchange("/v1/gate", "application/json", request, 200, response)
    }

    fn learnt(exchanges: &[Transaction]) -> Delta {
        let mut shard = collector();
        for exchange in exchanges {
            shard.observe(exchange);
        }
        shard.take()
    }

    fn endpoints(delta: &Delta) -> Vec<Endpoint> {
        delta.snapshot(&DocumentSet::default(), &Rulings::default()).inventory.endpoints
    }

    /// Each operation with its calls, errors, fields and data classes.
    fn told(delta: &Delta) -> Vec<String> {
        let mut rows = Vec::new();
        for endpoint in endpoints(delta) {
            for (key, operation) in endpoint.facts.operations.iter().flat_map(|known| known.all()) {
                let classes: Vec<String> = data_fields(&Classifier::built_in(), &operation.facts)
                    .iter()
                    .filter(|field| field.valid > 0)
                    .map(|field| format!(" {}:{}", field.path, field.class))
                    .collect();
                let fields: Vec<String> =
                    operation.fields.iter().map(|(name, count)| format!("{name}={count}")).collect();
                rows.push(format!(
                    "{} {key} {}/{}/{} [{}]{}",
                    key.kind.name(),
                    operation.facts.requests,
                    operation.failed,
                    operation.refused,
                    fields.join(" "),
                    classes.concat()
                ));
            }
        }
        rows
    }

    const IBAN: &str = "DE89370400440532013000";

    #[test]
    fn each_operation_is_an_endpoint_with_its_classes_by_path() {
        let answer = format!(r#"{{"data":{{"account":{{"iban":"{IBAN}","balance":1}}}}}}"#);
        let by_variable = format!(
            r#"{{"query":"query Get($iban: String!) {{ account(iban: $iban) {{ iban }} }}","variables":{{"iban":"{IBAN}"}}}}"#
        );
        let by_literal = format!(r#"{{"query":"{{ mine: account(iban: \"{IBAN}\") {{ iban }} }}"}}"#);
        let delta = learnt(&[
            json(&by_variable, &answer),
            json(&by_literal, r#"{"errors":[{"message":"no"}],"data":null}"#),
            json(
                r#"{"jsonrpc":"2.0","method":"card.show","params":{"n":1},"id":1}"#,
                r#"{"jsonrpc":"2.0","result":{"pan":"4539578763621486"},"id":1}"#,
            ),
        ]);
        assert_eq!(
            told(&delta),
            [
                "graphql query Get 1/0/0 [account=1] $.variables.iban:fin.iban $.data.account.iban:fin.iban",
                "graphql query { account } 1/1/0 [account=1] $.arguments.account.iban:fin.iban",
                "json_rpc card.show 1/0/0 [] $.result.pan:fin.pan",
            ]
        );
        let url = endpoints(&delta).into_iter().next().unwrap();
        assert_eq!((url.facts.requests, url.facts.operations.as_ref().unwrap().all().len()), (3, 3));
        let ids: Vec<EndpointId> =
            url.facts.operations.unwrap().all().keys().map(|key| key.id(url.id)).chain([url.id]).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn a_batch_is_one_exchange_and_a_call_of_each() {
        let delta = learnt(&[json(
            r#"[{"jsonrpc":"2.0","method":"a.b","id":1},{"jsonrpc":"2.0","method":"a.b","id":2},{"jsonrpc":"2.0","method":"c.d","id":3}]"#,
            r#"[{"result":1,"id":1},{"error":{"code":-32000},"id":2},{"result":1,"id":3}]"#,
        )]);
        assert_eq!(told(&delta), ["json_rpc a.b 2/1/0 []", "json_rpc c.d 1/0/0 []"]);
        assert_eq!(endpoints(&delta)[0].facts.requests, 1);
    }

    #[test]
    fn a_query_is_classified_as_such() {
        let target = format!("/v1/gate?query=query+Q{{account(iban:%22{IBAN}%22){{iban}}}}");
        let delta = learnt(&[exchange(&target, "application/json", "", 200, r#"{"data":{"account":{}}}"#)]);
        assert_eq!(told(&delta), ["graphql query Q 1/0/0 [account=1] $.arguments.account.iban:fin.iban"]);
    }

    #[test]
    fn only_what_is_asked_makes_an_operation() {
        let query = r#"{"query":"query Get { a }"}"#;
        let delta = learnt(&[
            exchange("/graphql", "application/json", r#"{"iban":"x"}"#, 200, "{}"),
            exchange("/graphql", "application/json", query, 404, "{}"),
            exchange("/graphql", "application/json", "", 200, r#"{"data":{}}"#),
        ]);
        assert!(told(&delta).is_empty());
        assert!(endpoints(&delta).iter().all(|endpoint| endpoint.facts.operations.is_none()));
    }

    #[test]
    fn an_operation_that_is_refused_is_none() {
        let refused = r#"{"errors":[{"message":"Cannot query field"}]}"#;
        let delta = learnt(&[
            json(r#"{"query":"query Get { a }"}"#, r#"{"data":{"a":1}}"#),
            json(r#"{"query":"query Get { a }"}"#, refused),
            json(r#"{"query":"query Guess { b }"}"#, refused),
        ]);
        assert_eq!(told(&delta), ["graphql query Get 2/1/1 [a=2]", "graphql query Guess 1/1/1 [b=1]"]);
        let known = endpoints(&delta).remove(0).facts.operations.unwrap();
        let classes: Vec<&str> =
            known.all().values().map(|operation| operation.class(EndpointClass::Api).name()).collect();
        assert_eq!(classes, ["api", "unknown"]);
    }

    #[test]
    fn one_known_by_document_and_by_digest_is_one() {
        let by_digest = |name: &str, digest: &str| {
            json(
                &format!(
                    r#"{{"operationName":"{name}","extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{digest}"}}}}}}"#
                ),
                r#"{"data":{"a":1}}"#,
            )
        };
        let mut nameless = by_digest("", "abcdef");
        let body = r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"0123456789abcdef"}}}"#;
        nameless.request.body.bytes = Sensitive::new(body.as_bytes().to_vec());
        let delta = learnt(&[
            by_digest("Get", "aa"),
            json(r#"{"operationName":"Get","query":"query Get { a }"}"#, r#"{"data":{"a":1}}"#),
            by_digest("Other", "bb"),
            nameless,
        ]);
        let rows = told(&delta);
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert!(rows.contains(&"graphql query Get 2/0/0 [a=1]".to_owned()), "{rows:?}");
        assert!(rows.contains(&"graphql Other 1/0/0 []".to_owned()), "{rows:?}");
        assert!(rows.iter().any(|row| row.starts_with("graphql {persisted ")), "{rows:?}");
        assert!(rows.iter().all(|row| !row.contains("01234567")), "{rows:?}");
    }

    #[test]
    fn no_word_of_a_client_is_kept_that_may_be_a_value() {
        let values = [
            IBAN,
            "4539578763621486",
            "a8f3k2m9x4",
            "deadbeefcafe0001",
            "jane.roe@bank.example",
            "AKIAIOSFODNN7EXAMPLE",
            "20250131T101112",
        ];
        let mut exchanges = Vec::new();
        for value in values {
            let name: String = value
                .chars()
                .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
                .collect();
            for request in [
                format!(r#"{{"query":"query Q_{name} {{ a_{name}(x: \"{value}\") }}"}}"#),
                format!(r#"{{"jsonrpc":"2.0","method":"get.{value}","params":["{value}"],"id":"{value}"}}"#),
                format!(
                    r#"{{"requests":[{{"id":"1","method":"GET","url":"/v1/Accounts/{value}/Lines('{value}')"}}]}}"#
                ),
                format!(
                    r#"{{"operationName":"{name}","extensions":{{"persistedQuery":{{"sha256Hash":"{value}"}}}}}}"#
                ),
            ] {
                let response = format!(
                    r#"{{"errors":[{{"extensions":{{"code":"{value}"}}}}],"error":{{"code":"{value}"}},"id":"{value}"}}"#
                );
                exchanges.push(json(&request, &response));
            }
            exchanges.push(exchange(
                "/v1/xml",
                "text/xml",
                &format!("<methodCall><methodName>{value}</methodName></methodCall>"),
                200,
                "<methodResponse/>",
            ));
        }
        let delta = learnt(&exchanges);
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let saved = postcard::to_stdvec(&delta.save(&Classifier::built_in(), snapshot.values())).unwrap();
        let written = format!("{:?} {}", endpoints(&delta), String::from_utf8_lossy(&saved));
        for value in values {
            assert!(!written.contains(value), "{value} is kept");
        }
        let rows = told(&delta);
        assert!(rows.iter().any(|row| row.contains("odata GET Accounts/{…}/Lines({key})")), "{rows:?}");
        assert!(rows.iter().any(|row| row.contains("graphql query { … }")), "{rows:?}");
    }

    #[test]
    fn names_of_operations_are_shown() {
        let classifier = Classifier::built_in();
        for name in [
            "GetAccountsV31",
            "getBalance",
            "accounts.get",
            "tools/call",
            "MT103Status",
            "eth_getBlockByNumber",
            "get_oauth2_token",
            "pay",
            "Customers",
            "$count",
            "OB3",
            "Base64Decode",
        ] {
            assert_eq!(privacy::shown_operation(name.as_bytes(), &classifier), Some(name));
        }
        for name in ["", "123", "x\u{e9}", "a b", "a'b", "Q8f3k2m9x4z1", "20250131", "x-4539578763621486"] {
            assert_eq!(privacy::shown_operation(name.as_bytes(), &classifier), None, "{name}");
        }
    }

    /// Calls under made-up names: letters alone, so that they are shown.
    fn made_up(count: usize, answer: &str) -> Vec<Transaction> {
        let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap());
        (0..count)
            .map(|at| {
                let name: String = [at / 676, at / 26, at].map(letter).iter().collect();
                json(&format!(r#"{{"query":"query {name} {{ a }}"}}"#), answer)
            })
            .collect()
    }

    #[test]
    fn what_is_too_much_is_counted_and_the_first_stay() {
        let mut exchanges = made_up(limits::OPERATIONS + 40, r#"{"data":{"a":1}}"#);
        let whole = learnt(&exchanges);
        let known = endpoints(&whole).remove(0).facts.operations.unwrap();
        assert_eq!((known.all().len(), known.overflow), (limits::OPERATIONS, 40));
        assert_eq!(whole.operations_reached(), (40, 0));
        exchanges.reverse();
        let (left, right) = exchanges.split_at(200);
        let mut parts = learnt(right);
        parts.absorb(learnt(left));
        assert_eq!(told(&parts), told(&whole));
        assert_eq!(parts.operations_reached(), (40, 0));
        // Made-up names that are refused push out nothing that is there.
        let mut real = json(r#"{"query":"query zzz { a }"}"#, r#"{"data":{"a":1}}"#);
        real.request.started = Timestamp::from_secs(1_776_211_207, 0);
        let mut flooded = made_up(limits::OPERATIONS + 40, r#"{"errors":[{}]}"#);
        flooded.insert(0, real);
        assert!(told(&learnt(&flooded)).contains(&"graphql query zzz 1/0/0 [a=1]".to_owned()));
    }

    #[test]
    fn what_was_written_is_read_and_told_in_the_numbers_of_the_classifier() {
        let delta = learnt(&[json(
            &format!(
                r#"{{"query":"query Get($i: ID) {{ account(i: $i) {{ iban }} }}","variables":{{"iban":"{IBAN}"}}}}"#
            ),
            r#"{"data":{"account":{"iban":"GB82WEST12345698765432"}}}"#,
        )]);
        let classifier = Classifier::built_in();
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let bytes = postcard::to_stdvec(&delta.save(&classifier, snapshot.values())).unwrap();
        let mut read =
            Delta::restore(postcard::from_bytes(&bytes).unwrap(), &FingerprintKey::new(KEY), &classifier);
        assert_eq!(told(&read), told(&delta));
        assert_eq!(read.held_hours(), 2);
        read.forget_hours();
        assert_eq!(read.held_hours(), 0);
    }

    proptest! {
        /// Which shard saw which exchange cannot be told from what they learnt together.
        #[test]
        fn shards_come_to_the_same(order in proptest::collection::vec((0_usize..7, any::<bool>()), 1..24)) {
            let exchanges = [
                json(r#"{"query":"query A { a(iban: \"DE89370400440532013000\") }"}"#, r#"{"data":{"a":1}}"#),
                json(r#"{"query":"query A { a }"}"#, r#"{"errors":[{"extensions":{"code":"NO"}}],"data":null}"#),
                json(r#"{"query":"mutation B { b c }"}"#, ""),
                json(r#"{"operationName":"A","extensions":{"persistedQuery":{"sha256Hash":"aa"}}}"#, r#"{"data":{}}"#),
                json(r#"[{"jsonrpc":"2.0","method":"a","id":1},{"jsonrpc":"2.0","method":"b","id":2}]"#, r#"[{"result":"x","id":2}]"#),
                exchange("/v1/other", "text/xml", "<methodCall><methodName>rates</methodName></methodCall>", 200, "<methodResponse/>"),
                json(r#"{"amount":1}"#, "{}"),
            ];
            let (mut whole, mut left, mut right) = (collector(), collector(), collector());
            for (at, first) in &order {
                whole.observe(&exchanges[*at]);
                if *first { left.observe(&exchanges[*at]) } else { right.observe(&exchanges[*at]) };
            }
            let mut parts = right.take();
            parts.absorb(left.take());
            prop_assert_eq!(told(&parts), told(&whole.take()));
        }
    }
}
