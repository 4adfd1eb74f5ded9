//! A report as rows: what the lake, the JSON lines and the summary show.

use crate::classify::evidence::{Location, State as Judged};
use crate::classify::{Class, Classifier};
use crate::compare::{Carried, Carrier, is_implied};
use crate::inventory::changes::{self, Known};
use crate::inventory::inspect::{DataField, data_fields};
use crate::inventory::lifecycle::State;
use crate::inventory::standing::Standings;
use crate::inventory::{Endpoint, EndpointClass, EndpointId};
use crate::lake::rows::{
    self, CaptureRow, Count, DataClassRow, EndpointRow, EventRow, FindingRow, ServiceRow,
};
use crate::pipeline::analyze::{Report, Taken};
use crate::pipeline::read::InputStats;
use crate::pipeline::shard::ShardCounters;
use crate::spec::{DocumentSet, Operation, RouteId};
use crate::time::Timestamp;
use crate::tls::service::Services;
use std::collections::BTreeMap;

/// The data classes that an endpoint is confirmed to carry, by class and carrier.
#[must_use]
pub fn carried(classifier: &Classifier, standings: &Standings, endpoint: &Endpoint) -> Vec<Carried> {
    let mut by_place: BTreeMap<(&str, Carrier), Carried> = BTreeMap::new();
    for field in settled(classifier, standings, endpoint.id, endpoint) {
        if field.state != Judged::Confirmed {
            continue;
        }
        let carrier = match field.location {
            Location::RequestPath => Carrier::RequestPath,
            Location::RequestQuery => Carrier::RequestQuery,
            Location::RequestHeader => Carrier::RequestHeader,
            Location::RequestBody | Location::ClientMessage => Carrier::RequestBody,
            Location::ResponseBody if field.status >= 400 => Carrier::ErrorResponse,
            Location::ResponseHeader | Location::ResponseBody | Location::ServerMessage => Carrier::Response,
        };
        let first_seen = field.seen.map_or(Timestamp::MAX, |(first, _)| first);
        let slot = by_place.entry((field.class, carrier)).or_insert_with(|| Carried {
            class: field.class.to_owned(),
            tier: field.tier,
            carrier,
            authenticates: classifier.class(field.id).is_some_and(is_authentication_data),
            exchanges: 0,
            sampled: false,
            first_seen: Timestamp::MAX,
            fields: Vec::new(),
        });
        slot.first_seen = slot.first_seen.min(first_seen);
        // An array holds more values than there were exchanges.
        let valid = field.valid.saturating_mul(field.sampled_one_in);
        slot.exchanges = slot.exchanges.max(valid.min(endpoint.facts.requests));
        slot.sampled |= field.sampled_one_in > 1;
        slot.fields.push((field.status, field.path));
    }
    by_place.into_values().collect()
}

/// The classes in the fields of an endpoint, in the light of what was said of them before.
fn settled(
    classifier: &Classifier,
    standings: &Standings,
    id: EndpointId,
    endpoint: &Endpoint,
) -> Vec<DataField> {
    let mut fields = data_fields(classifier, &endpoint.facts);
    standings.settle(id, &mut fields, endpoint.facts.last_seen);
    fields
}

/// What is said of all classes in all fields now, for the next time.
#[must_use]
pub fn standings(report: &Report<'_>, classifier: &Classifier) -> Standings {
    let mut next = Standings::default();
    for endpoint in &report.snapshot.inventory.endpoints {
        next.learn(endpoint.id, &settled(classifier, report.standings, endpoint.id, endpoint));
        for (id, _, child) in rows::operations(endpoint) {
            next.learn(id, &settled(classifier, report.standings, id, &child));
        }
    }
    next
}

/// Whether a class proves that who sends it has the card: what PCI DSS 3.3.1 lets nobody keep.
fn is_authentication_data(class: &Class) -> bool {
    class.regulations.iter().any(|regulation| regulation == "PCI-DSS:SAD")
}

/// Rounds a share to what it is good for, so that rows are the same on every machine.
fn rounded(share: f32) -> f64 {
    (f64::from(share) * 1_000.0).round() / 1_000.0
}

fn data_class_row(field: DataField) -> DataClassRow {
    let path = if field.status == 0 { field.path } else { format!("{} {}", field.status, field.path) };
    let (first_seen, last_seen) = field.seen.unzip();
    DataClassRow {
        location: field.location.name().to_owned(),
        field: path,
        class: field.class.to_owned(),
        tier: field.tier,
        state: field.state.name().to_owned(),
        confidence: rounded(field.confidence),
        present: field.present,
        valid: field.valid,
        masked: field.masked,
        distinct: field.distinct,
        reason: field.reason,
        first_seen,
        last_seen,
        changed: field.change.map(|change| change.at),
        sampled_one_in: field.sampled_one_in,
        former_state: field.change.map_or_else(String::new, |change| change.former.name().to_owned()),
    }
}

/// What the documents say of an endpoint.
fn verdict(endpoint: &Endpoint, documents: &DocumentSet) -> (Option<String>, Option<String>) {
    if documents.is_empty() || endpoint.class != EndpointClass::Api && endpoint.route.is_none() {
        return (None, None);
    }
    let Some(routed) =
        documents.route_request_path(&endpoint.key.host, &endpoint.key.method, &endpoint.key.template)
    else {
        return (Some("shadow".to_owned()), None);
    };
    let method = &endpoint.key.method;
    let operations = documents.operations_at(RouteId(routed.route.0), &endpoint.key.host);
    let operations: Vec<&Operation> =
        operations.into_iter().filter_map(|id| documents.operation(id)).collect();
    let of = |method: &str| operations.iter().find(|operation| operation.method == method);
    // What HTTP implies is as documented as what it is implied by; preflights are no API of their own.
    let is_api = endpoint.class == EndpointClass::Api;
    let implied =
        || (is_api && is_implied(method, &operations, documents)).then(|| of("GET").or(operations.first()));
    match of(method).or_else(|| implied().flatten()) {
        Some(operation) => {
            let file = documents.document_of(operation).map(|document| document.file.clone());
            let word = if operation.deprecated { "deprecated" } else { "documented" };
            (Some(word.to_owned()), file)
        }
        None if is_api => (Some("undocumented_method".to_owned()), None),
        None => (None, None),
    }
}

/// A row for each endpoint, followed by those of the operations under it.
#[must_use]
pub fn endpoints(report: &Report<'_>, classifier: &Classifier, documents: &DocumentSet) -> Vec<EndpointRow> {
    let row = |id: EndpointId, endpoint: &Endpoint| {
        let mut row = EndpointRow::from(endpoint);
        row.template_confidence = rounded(endpoint.confidence);
        let fields: Vec<DataField> = settled(classifier, report.standings, id, endpoint)
            .into_iter()
            .filter(|field| field.state != Judged::Cleared || field.change.is_some())
            .collect();
        row.tier = fields
            .iter()
            .filter(|field| field.state == Judged::Confirmed)
            .map(|field| field.tier)
            .max()
            .unwrap_or(0);
        for (parameter, row) in endpoint.parameters.iter().zip(&mut row.parameters) {
            let place = format!("[{}]", parameter.segment);
            let own = |field: &&DataField| {
                field.location == Location::RequestPath
                    && field.path == place
                    && field.state == Judged::Confirmed
            };
            let class = fields.iter().filter(own).max_by_key(|field| (field.tier, field.valid));
            row.class = class.map_or_else(String::new, |field| field.class.to_owned());
        }
        row.data_classes = fields.into_iter().map(data_class_row).collect();
        (row.spec, row.spec_document) = verdict(endpoint, documents);
        if row.spec.as_deref() == Some("deprecated") && endpoint.lifecycle.is_none() {
            State::Deprecated.name().clone_into(&mut row.lifecycle);
        }
        row
    };
    let mut all = Vec::new();
    for endpoint in &report.snapshot.inventory.endpoints {
        all.push(row(endpoint.id, endpoint));
        for (id, operation, child) in rows::operations(endpoint) {
            let mut row = row(id, &child);
            row.id = id.to_string();
            row.operation = operation;
            if endpoint.key.method == "GET" {
                // What GraphQL has in a body elsewhere stands in the query.
                let asked = Location::RequestBody.name();
                for class in row.data_classes.iter_mut().filter(|class| class.location == asked) {
                    Location::RequestQuery.name().clone_into(&mut class.location);
                }
            }
            all.push(row);
        }
    }
    all
}

/// A row for each change of an API's endpoint since `known` was told of it, by endpoint, the earliest first; and what is
/// known once they are told.
#[must_use]
pub fn events<'k>(
    report: &Report<'_>,
    classifier: &Classifier,
    known: &dyn Fn(&str) -> Option<&'k Known>,
) -> (Vec<EventRow>, BTreeMap<String, Known>) {
    let mut rows = Vec::new();
    let mut now = BTreeMap::new();
    let apis = report.snapshot.inventory.endpoints.iter().filter(|one| one.class == EndpointClass::Api);
    for endpoint in apis {
        let mut classes: BTreeMap<&str, Judged> = BTreeMap::new();
        for field in settled(classifier, report.standings, endpoint.id, endpoint) {
            let state = classes.entry(field.class).or_insert(field.state);
            *state = (*state).max(field.state);
        }
        let id = endpoint.id.to_string();
        let (changes, told) = changes::changes(endpoint, &classes, known(&id));
        rows.extend(changes.iter().map(|change| EventRow::from((endpoint, change))));
        now.insert(id, told);
    }
    rows.sort_by(|one, other| one.order().cmp(&other.order()));
    (rows, now)
}

/// A row for each finding.
#[must_use]
pub fn findings(report: &Report<'_>) -> Vec<FindingRow> {
    report.findings.iter().map(FindingRow::from).collect()
}

/// A row for each service behind TLS.
#[must_use]
pub fn services(services: &Services) -> Vec<ServiceRow> {
    services.iter().map(ServiceRow::from).collect()
}

/// A row for each input. A connection that goes on in a later input is told of where it ended.
#[must_use]
pub fn captures(taken: &Taken) -> Vec<CaptureRow> {
    let row = |(position, stats): (u32, &InputStats)| {
        let mut row = capture(stats);
        if let Some(counters) = taken.by_input.get(&position).filter(|_| row.format == "capture") {
            add_counters(&mut row, counters);
        }
        row
    };
    (0..).zip(&taken.inputs).map(row).collect()
}

/// Adds to a source's row what was counted behind the decoding of its frames.
pub fn add_counters(row: &mut CaptureRow, counters: &ShardCounters) {
    let (flows, http) = (&counters.flows, &counters.http);
    if flows.duplicates > 0 {
        if let Some(tcp) = row.fates.iter_mut().find(|fate| fate.name == "tcp") {
            tcp.count = tcp.count.saturating_sub(flows.duplicates);
        }
        row.fates.push(Count { name: "duplicate".to_owned(), count: flows.duplicates });
    }
    row.flows = flows.flows;
    row.gaps = flows.gaps;
    row.missing_bytes = flows.lost_bytes;
    let http1 = http.transactions.saturating_sub(http.http2_transactions);
    row.exchanges = Count::list([("http1", http1), ("http2", http.http2_transactions)]);
    (row.stream_bytes, row.understood_bytes) = (http.stream_bytes, http.understood());
    row.unparsed_bytes = Count::list(http.not_understood().into_iter().filter(|(_, bytes)| *bytes > 0));
    let mut anomalies = flows.anomalies.clone();
    crate::merge::Merge::absorb(&mut anomalies, http.anomalies.clone());
    row.anomalies = Count::list(anomalies.met().map(|(anomaly, count)| (anomaly.name(), count)));
}

/// The row of a source as far as its frames or lines tell.
#[must_use]
pub fn capture(stats: &InputStats) -> CaptureRow {
    let mut fates = Vec::new();
    if stats.segments > 0 {
        fates.push(("tcp", stats.segments));
    }
    fates.extend(stats.fates.iter().map(|(fate, count)| (fate.name(), *count)));
    if stats.cut > 0 {
        fates.push(("cut", stats.cut));
    }
    let mut fates = Count::list(fates);
    // `bad_json`, `bad_time`: see `BadReason::name`.
    let bad = stats.bad_by_reason.iter().map(|(reason, count)| (format!("bad_{reason}"), *count));
    let times = [("clock_jump", stats.clock_jumps), ("time_replaced", stats.times_replaced)];
    let times =
        times.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count));
    fates.extend(bad.chain(times).map(|(name, count)| Count { name, count }));
    let exchanges = if stats.logged > 0 { Count::list([("logged", stats.logged)]) } else { Vec::new() };
    CaptureRow {
        source: stats.name.clone(),
        format: stats.format.clone(),
        records: stats.records,
        bytes: stats.bytes,
        fates,
        exchanges,
        first_seen: stats.span.map(|(first, _)| first),
        last_seen: stats.span.map(|(_, last)| last),
        damage: stats.damage.join("; "),
        ..CaptureRow::default()
    }
}

/// The window that all inputs together span.
#[must_use]
pub fn window(taken: &Taken) -> (Timestamp, Timestamp) {
    taken
        .inputs
        .iter()
        .filter_map(|stats| stats.span)
        .reduce(|(a, b), (first, last)| (a.min(first), b.max(last)))
        .unwrap_or((Timestamp::EPOCH, Timestamp::EPOCH))
}

/// The share of what passed that was seen whole: stream bytes not lost among all, 1 without captures.
#[must_use]
pub fn coverage(taken: &Taken) -> f64 {
    let seen: u64 = taken.inputs.iter().map(|stats| stats.bytes).sum();
    let lost = taken.counters.flows.lost_bytes;
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
    let share = if seen == 0 { 1.0 } else { seen as f64 / (seen + lost) as f64 };
    (share * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::EndpointKey;
    use crate::inventory::facts::EndpointFacts;

    #[test]
    fn what_http_implies_is_as_documented_as_what_implies_it() {
        let text = r#"{"openapi": "3.0.3", "servers": [{"url": "/v1"}], "paths": {
            "/a": {"get": {"responses": {"200": {"description": ""}}}},
            "/b": {"get": {"deprecated": true, "responses": {"200": {"description": ""}}}},
            "/c": {"post": {"responses": {"200": {"description": ""}}}}}}"#;
        let (documents, problems) = DocumentSet::load(vec![("d.json".into(), text.into())]);
        assert!(problems.is_empty(), "{problems:?}");
        let verdict = |method: &str, template: &str| {
            let key = EndpointKey { host: String::new(), template: template.into(), method: method.into() };
            let endpoint =
                Endpoint { class: EndpointClass::Api, ..Endpoint::new(key, EndpointFacts::default()) };
            super::verdict(&endpoint, &documents)
        };
        for (method, template, word) in [
            ("GET", "/v1/a", "documented"),
            ("HEAD", "/v1/a", "documented"),
            ("HEAD", "/v1/b", "deprecated"),
            ("HEAD", "/v1/c", "undocumented_method"),
            ("OPTIONS", "/v1/c", "documented"),
            ("PUT", "/v1/a", "undocumented_method"),
            ("GET", "/v1/d", "shadow"),
        ] {
            let (told, file) = verdict(method, template);
            assert_eq!(told.as_deref(), Some(word), "{method} {template}");
            assert_eq!(file.is_some(), matches!(word, "documented" | "deprecated"), "{method} {template}");
        }
    }
}
