//! What comparing says, kind by kind, from documents and inventories written out here.

use super::*;
use crate::caller::AuthScheme;
use crate::inventory::EndpointKey;
use crate::inventory::calls::CallFacts;
use crate::inventory::facts::{BodyShape, EndpointFacts};
use crate::inventory::history::Day;
use crate::inventory::lifecycle;
use crate::inventory::ownership::{Ownership, Spans};
use crate::inventory::policy::Policy;
use crate::inventory::versions;
use crate::merge::Merge;
use crate::schema::{JsonType, NodeId};
use crate::secret::HashKey;
use crate::time::Timestamp;
use serde_json::{Value, json};

const HOST: &str = "api.bank.example";

fn documents(files: &[(&str, Value)]) -> DocumentSet {
    let files = files
        .iter()
        .map(|(name, value)| ((*name).to_owned(), serde_json::to_vec_pretty(value).unwrap()))
        .collect();
    let (set, problems) = DocumentSet::load(files);
    assert!(problems.is_empty(), "{problems}");
    set
}

/// A document of HOST below `/v1` with these paths.
fn document(paths: &Value) -> DocumentSet {
    documents(&[(
        "bank.json",
        json!({"openapi": "3.1.0", "servers": [{"url": format!("https://{HOST}/v1")}], "paths": paths}),
    )])
}

fn value_key() -> HashKey {
    HashKey::new(1, 2)
}

fn grow(shape: &mut BodyShape, at: NodeId, value: &Value) {
    let kind = match value {
        Value::Null => JsonType::Null,
        Value::Bool(_) => JsonType::Boolean,
        Value::Number(number) if number.is_f64() => JsonType::Number,
        Value::Number(_) => JsonType::Integer,
        Value::String(_) => JsonType::String,
        Value::Array(_) => JsonType::Array,
        Value::Object(_) => JsonType::Object,
    };
    shape.count(at, kind);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let (JsonType::String | JsonType::Integer, Some(evidence)) = (kind, shape.evidence_mut(at)) {
        evidence.take_format(kind, text.as_bytes(), value_key());
        evidence.take_choice(text.as_bytes(), value_key());
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let child = match name.strip_prefix('{') {
            Some(what) => shape.wildcard(at, what.trim_end_matches('}'), 1_000),
            None => shape.property(at, name, 1_000),
        };
        grow(shape, child.unwrap(), inner);
    }
    for inner in value.as_array().into_iter().flatten() {
        let child = shape.item(at, 1_000).unwrap();
        grow(shape, child, inner);
    }
}

fn shape(bodies: &[Value]) -> BodyShape {
    let mut shape = BodyShape::default();
    for body in bodies {
        let root = shape.begin();
        grow(&mut shape, root, body);
    }
    shape
}

fn facts(statuses: &[(u16, u64)]) -> EndpointFacts {
    EndpointFacts {
        requests: statuses.iter().map(|(_, count)| count).sum(),
        statuses: statuses.iter().copied().collect(),
        first_seen: Timestamp::from_secs(1_780_000_000, 0),
        last_seen: Timestamp::from_secs(1_780_086_400, 0),
        ..EndpointFacts::default()
    }
}

fn endpoint(host: &str, method: &str, template: &str, facts: EndpointFacts) -> Endpoint {
    let key = EndpointKey { host: host.into(), template: template.into(), method: method.into() };
    let (family, versions) = (versions::family(&key, host, ""), versions::of_endpoint(&key, &facts));
    Endpoint { family, versions, ..Endpoint::new(key, facts) }
}

fn get(template: &str, facts: EndpointFacts) -> Endpoint {
    endpoint(HOST, "GET", template, facts)
}

/// An inventory of these, each told where in its life it is.
fn inventory_of(endpoints: Vec<Endpoint>, documents: &DocumentSet, spans: Spans) -> Inventory {
    let first = endpoints.iter().map(|endpoint| endpoint.facts.first_seen).min();
    let last = endpoints.iter().map(|endpoint| endpoint.facts.last_seen).max();
    let mut inventory = Inventory { endpoints, span: first.zip(last), ..Inventory::default() };
    lifecycle::assign(&mut inventory, documents, spans);
    inventory
}

fn found(endpoints: Vec<Endpoint>, documents: &DocumentSet) -> Vec<Finding> {
    let options = Options { values: Some(value_key()), ..Options::default() };
    compare(&inventory_of(endpoints, documents, Spans::default()), documents, &options)
}

/// Kind, method, path and detail of each finding in few letters, sorted.
fn brief(findings: &[Finding]) -> Vec<String> {
    let mut all: Vec<_> = findings
        .iter()
        .map(|one| {
            let parts = [one.kind.name(), &one.method, &one.path_template, &one.detail];
            parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
        })
        .collect();
    all.sort();
    all
}

fn ok() -> Value {
    json!({"responses": {"200": {"description": "ok"}}})
}

#[test]
fn paths_and_methods_that_no_document_names_are_told_once() {
    let set = document(&json!({"/a/{id}": {"get": ok()}, "/b": {"get": ok()}}));
    let mut probe = endpoint(HOST, "PUT", "/v1/a/{id}", facts(&[(405, 3)]));
    probe.class = EndpointClass::Unknown;
    let all = found(
        vec![
            get("/v1/a/{accountId}", facts(&[(200, 5)])),
            get("/v1/c", facts(&[(200, 4), (404, 1)])),
            endpoint(HOST, "POST", "/v1/a/{id}", facts(&[(200, 1)])),
            endpoint(HOST, "POST", "/v1/a/search", facts(&[(200, 1)])),
            endpoint(HOST, "OPTIONS", "/v1/a/{id}", facts(&[(204, 1)])),
            endpoint(HOST, "HEAD", "/v1/a/{id}", facts(&[(200, 1)])),
            probe,
        ],
        &set,
    );
    let expected = [
        "shadow_endpoint GET /v1/c",
        "shadow_endpoint POST /v1/a/search",
        "undocumented_method POST /v1/a/{id}",
        "unused_operation GET /v1/b",
    ];
    assert_eq!(brief(&all), expected);
    let shadow = all.iter().find(|one| one.path_template == "/v1/c").unwrap();
    assert_eq!((shadow.count, shadow.severity), (5, Severity::Medium));
    assert_eq!(shadow.explanation, "no document names this path; 5 requests, 4 answered with success");
}

#[test]
fn reflection_is_told_and_what_failed_is_no_success() {
    let of = |failed, messages| {
        let mut calls = CallFacts { failed, ..CallFacts::default() };
        calls.responses.messages = messages;
        let mut facts = facts(&[(200, 5)]);
        facts.calls = Some(Box::new(calls));
        facts
    };
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let refused = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
    let set = document(&json!({"/a": {"get": ok()}}));
    let all = found(
        vec![
            endpoint(HOST, "POST", reflection, of(1, 9)),
            endpoint(HOST, "POST", refused, of(5, 0)),
            endpoint(HOST, "POST", "/bank.Accounts/Get", of(2, 3)),
        ],
        &set,
    );
    let told = |kind: Kind| {
        let all = all.iter().filter(move |finding| finding.kind == kind);
        all.map(|finding| (finding.path_template.as_str(), finding.count)).collect::<Vec<_>>()
    };
    assert_eq!(told(Kind::GrpcReflection), [(reflection, 4)]);
    assert_eq!(told(Kind::ShadowEndpoint), [("/bank.Accounts/Get", 5), (reflection, 5), (refused, 5)]);
    let shadow = all.iter().find(|one| one.path_template == "/bank.Accounts/Get").unwrap();
    assert_eq!(shadow.explanation, "no document names this path; 5 requests, 3 answered with success");
}

#[test]
fn without_documents_nothing_is_undocumented() {
    let all = found(vec![get("/v1/c", facts(&[(200, 4)]))], &DocumentSet::default());
    assert!(all.is_empty(), "{all:?}");
}

#[test]
fn an_unknown_host_is_told_and_compared_by_shape() {
    let set = document(&json!({"/a": {"get": ok()}}));
    let all = found(vec![endpoint("eu.bank.example", "GET", "/v1/a", facts(&[(200, 5), (500, 1)]))], &set);
    assert_eq!(brief(&all), ["undocumented_host", "undocumented_status GET /v1/a 500"]);
    let host = all.iter().find(|one| one.kind == Kind::UndocumentedHost).unwrap();
    assert_eq!((host.host.as_str(), host.count, host.endpoint), ("eu.bank.example", 6, None));
    assert!(host.explanation.contains("1 of them match"), "{}", host.explanation);
}

#[test]
fn a_document_nobody_calls_is_one_finding() {
    let other = json!({"swagger": "2.0", "host": "other.example", "paths": {"/x": {"get": ok()}, "/y": {"get": ok()}}});
    let bank = json!({"openapi": "3.0.0", "paths": {"/a": {"get": ok()}}});
    let set = documents(&[("bank.json", bank), ("other.json", other)]);
    assert_eq!(brief(&found(vec![get("/a", facts(&[(200, 1)]))], &set)), ["unused_document other.json"]);
}

#[test]
fn statuses_match_exactly_by_class_or_by_default() {
    let set = document(&json!({
        "/exact": {"get": {"responses": {"200": {}}}},
        "/class": {"get": {"responses": {"2XX": {}, "4XX": {}}}},
        "/default": {"get": {"responses": {"200": {}, "default": {}}}},
        "/nothing": {"get": {}},
    }));
    let statuses = [(0, 1), (200, 5), (304, 1), (404, 1), (500, 2)];
    let endpoints =
        ["exact", "class", "default", "nothing"].map(|name| get(&format!("/v1/{name}"), facts(&statuses)));
    let all = found(endpoints.into(), &set);
    let expected = [
        "undocumented_status GET /v1/class 500",
        "undocumented_status GET /v1/exact 404",
        "undocumented_status GET /v1/exact 500",
    ];
    assert_eq!(brief(&all), expected);
    let one = all.iter().find(|one| one.detail == "500").unwrap();
    assert_eq!((one.count, one.of), (2, 10));
}

#[test]
fn query_parameters_are_known_by_name_part_or_style() {
    let set = document(&json!({
        "/a": {
            "parameters": [{"name": "page", "in": "query"}],
            "get": {"parameters": [
                {"name": "old", "in": "query", "deprecated": true},
                {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                {"name": "point", "in": "query", "schema": {"type": "object", "properties": {"lat": {}, "lon": {}}}},
            ], "responses": {"200": {}}},
        },
        "/any": {"get": {
            "parameters": [{"name": "all", "in": "query", "schema": {"type": "object", "additionalProperties": true}}],
            "responses": {"200": {}},
        }},
    }));
    let query = ["page", "old", "filter[state]", "lat", "page-size"];
    let with = |template: &str| {
        let query = query.iter().map(|name| ((*name).to_owned(), 2)).collect();
        get(template, EndpointFacts { query, ..facts(&[(200, 9)]) })
    };
    let expected =
        ["deprecated_parameter_in_use GET /v1/a old", "undocumented_query_param GET /v1/a page-size"];
    assert_eq!(brief(&found(vec![with("/v1/a"), with("/v1/any")], &set)), expected);
}

/// What is found when these bodies are answered (or, for POST, sent) under a schema.
fn body_findings(method: &str, schema: &Value, bodies: &[Value]) -> Vec<String> {
    let content = json!({"application/json": {"schema": schema}});
    let operation = if method == "POST" {
        json!({"requestBody": {"content": content}, "responses": {"200": {}}})
    } else {
        json!({"responses": {"200": {"content": content}}})
    };
    let set = document(&json!({"/a": {method.to_lowercase(): operation}}));
    let mut facts = facts(&[(200, bodies.len() as u64)]);
    if method == "POST" {
        facts.request_shape = shape(bodies);
    } else {
        facts.response_shapes.insert(200, Box::new(shape(bodies)));
    }
    let all = found(vec![endpoint(HOST, method, "/v1/a", facts)], &set);
    let mut all: Vec<_> = all
        .iter()
        .map(|one| format!("{} {} {}/{}", one.kind.name(), one.detail, one.count, one.of))
        .collect();
    all.sort();
    all
}

#[test]
fn answers_are_held_against_schemas_with_counts() {
    let item = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
    let schema = json!({
        "type": "object",
        "required": ["items", "secret"],
        "properties": {
            "items": {"type": "array", "items": item},
            "secret": {"type": "string", "writeOnly": true},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            "free": {"type": "object"},
            "note": {"type": "string", "nullable": true},
            "amount": {"type": "number"},
        },
    });
    let bodies = [
        json!({"items": [{"id": 1}, {"id": "x"}, {"iban": {"deep": 1}}], "map": {"a": 1, "b": "x"}, "amount": 3}),
        json!({"free": {"a": {"b": 1}}, "note": null, "amount": 3.5, "{uuid}": 1}),
    ];
    let expected = [
        "missing_required_property $.items 1/2",
        "missing_required_property $.items[].id 1/3",
        "response_type_mismatch $.items[].id 1/2",
        "response_type_mismatch $.map.b 1/1",
        "undocumented_response_property $.items[].iban 1/3",
        "undocumented_response_property $.{uuid} 1/2",
    ];
    assert_eq!(body_findings("GET", &schema, &bodies), expected);
}

#[test]
fn alternatives_allow_what_any_of_them_does() {
    let schema = json!({"oneOf": [
        {"type": "object", "required": ["kind", "a"], "properties": {"kind": {"type": "string"}, "a": {"type": "string"}}},
        {"type": "object", "required": ["kind", "b"], "properties": {"kind": {"type": "string"}, "b": {"type": "integer"}}},
    ]});
    let bodies = [json!({"kind": "x", "a": "1"}), json!({"b": 1, "c": true})];
    let expected = ["missing_required_property $.kind 1/2", "undocumented_response_property $.c 1/2"];
    assert_eq!(body_findings("GET", &schema, &bodies), expected);
    assert!(body_findings("GET", &json!({"type": "object"}), &bodies).is_empty());
    assert!(body_findings("GET", &json!({}), &bodies).is_empty());
    assert!(body_findings("GET", &json!({"type": "array"}), &[json!([1, {"x": 1}])]).is_empty());
}

#[test]
fn requests_are_asked_for_names_only() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
    let bodies = [json!({"a": "1", "admin": true}), json!({})];
    assert_eq!(body_findings("POST", &schema, &bodies), ["undocumented_request_property $.admin 1/2"]);
}

#[test]
fn bodies_of_errors_and_the_default_of_errors_are_left_alone() {
    let schema = json!({"type": "object", "required": ["code"], "properties": {"code": {}}});
    let content = json!({"content": {"application/json": {"schema": schema}}});
    let set =
        document(&json!({"/a": {"get": {"responses": {"200": {}, "404": content, "default": content}}}}));
    let mut seen = facts(&[(201, 1), (404, 1)]);
    seen.response_shapes.insert(201, Box::new(shape(&[json!({"x": 1})])));
    seen.response_shapes.insert(404, Box::new(shape(&[json!({"x": 1})])));
    let endpoints = vec![get("/v1/a", seen)];
    assert!(found(endpoints.clone(), &set).is_empty());
    let options = Options { error_bodies: true, ..Options::default() };
    let all = compare(&Inventory { endpoints, ..Inventory::default() }, &set, &options);
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn deprecation_comes_from_the_document_or_the_answers() {
    let set = document(&json!({
        "/a": {"get": {"deprecated": true, "x-sunset": "2026-01-31", "responses": {"200": {}}}},
        "/b": {"get": ok()},
        "/c": {"get": ok()},
    }));
    let mut told = facts(&[(200, 7)]);
    told.retirement.deprecated_answers = 4;
    let all = found(
        vec![get("/v1/a", facts(&[(200, 3)])), get("/v1/b", told), get("/v1/c", facts(&[(200, 1)]))],
        &set,
    );
    let shown: Vec<_> =
        all.iter().map(|one| (one.kind, one.path_template.as_str(), one.severity, one.count)).collect();
    let kind = Kind::DeprecatedInUse;
    let expected = [
        (Kind::CalledAfterSunset, "/v1/a", Severity::High, 1),
        (kind, "/v1/a", Severity::Medium, 3),
        (kind, "/v1/b", Severity::Medium, 4),
    ];
    assert_eq!(shown, expected);
    assert_eq!(
        all[0].explanation,
        "the document says that its sunset was 2026-01-31, and it answers still; 1 request after it"
    );
    assert_eq!(all[0].document.as_ref().map(|place| &*place.file), Some("bank.json"));
    assert!(all[1].explanation.ends_with("its sunset was 2026-01-31"));
}

#[test]
fn media_types_are_told_unless_a_range_allows_them() {
    let set = document(&json!({"/a": {"post": {
        "requestBody": {"content": {"application/json": {}}},
        "responses": {"200": {"content": {"application/json": {}, "text/*": {}}}, "204": {}},
    }}}));
    let mut seen = facts(&[(200, 5)]);
    for media in ["application/json", "text/csv", "application/xml"] {
        seen.response_media.insert((200, media.to_owned()), 2);
        seen.request_media.insert(media.to_owned(), 1);
    }
    seen.response_media.insert((204, "text/html".to_owned()), 1);
    seen.response_media.insert((404, "text/html".to_owned()), 1);
    let expected = [
        "undocumented_request_media_type POST /v1/a application/xml",
        "undocumented_request_media_type POST /v1/a text/csv",
        "undocumented_response_media_type POST /v1/a application/xml",
    ];
    assert_eq!(brief(&found(vec![endpoint(HOST, "POST", "/v1/a", seen)], &set)), expected);
}

fn carried(class: &str, tier: u8, carrier: Carrier, field: &str) -> Carried {
    let status = match carrier {
        Carrier::Response => 200,
        Carrier::ErrorResponse => 500,
        Carrier::RequestPath | Carrier::RequestQuery | Carrier::RequestHeader | Carrier::RequestBody => 0,
    };
    Carried {
        class: class.to_owned(),
        tier,
        carrier,
        authenticates: class == "cvv",
        exchanges: 6,
        sampled: false,
        first_seen: Timestamp::from_secs(1_780_000_000, 0),
        fields: vec![(status, field.to_owned())],
    }
}

#[test]
fn data_where_it_should_not_be_is_told_once() {
    let data = |endpoint: &Endpoint| match endpoint.key.template.as_str() {
        "/pay" => vec![carried("cvv", 4, Carrier::RequestBody, "$.card.cvv")],
        "/cards" => vec![
            carried("cvv", 4, Carrier::Response, "$.cvv"),
            Carried { sampled: true, exchanges: 8, ..carried("cvv", 4, Carrier::RequestQuery, "cvv") },
            carried("iban", 3, Carrier::ErrorResponse, "$.message"),
        ],
        _ => {
            let later = Timestamp::from_secs(1_780_086_400, 0);
            vec![
                Carried { first_seen: later, ..carried("iban", 3, Carrier::Response, "$.iban") },
                Carried { first_seen: later, ..carried("email", 2, Carrier::Response, "$.email") },
            ]
        }
    };
    let options = Options { data: &data, ..Options::default() };
    let mut seen = facts(&[(200, 6), (500, 3)]);
    seen.tls = 9;
    let endpoints =
        ["/pay", "/cards", "/known"].map(|template| get(template, seen.clone())).into_iter().collect();
    let all = compare(&Inventory { endpoints, ..Inventory::default() }, &DocumentSet::default(), &options);
    let expected = [
        "card_authentication_data GET /cards cvv",
        "card_authentication_data GET /pay cvv",
        "new_sensitive_data GET /known iban",
        "sensitive_data_in_error GET /cards",
        "sensitive_data_in_url GET /cards query:cvv",
    ];
    assert_eq!(brief(&all), expected);
    let told: Vec<_> = all
        .iter()
        .filter(|one| one.kind == Kind::CardAuthenticationData)
        .map(|one| (one.severity, one.explanation.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Severity::Critical, "about 8 of 9 exchanges carried cvv in answers and queries ($.cvv, cvv)"),
            (Severity::Medium, "6 of 9 exchanges carried cvv in request bodies ($.card.cvv)"),
        ]
    );
}

#[test]
fn what_no_document_tells_of_answers_is_told_with_the_data_in_it() {
    let list =
        json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}});
    let schema = json!({"type": "object", "properties": {"id": {"type": "string"}, "list": list}});
    let answer = json!({"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}});
    let set = document(&json!({"/a": {"get": {"responses": answer}}, "/b": {"get": ok()}}));
    let data = |endpoint: &Endpoint| {
        let mut all = vec![carried("iban", 3, Carrier::Response, "$.owner.accounts[*].iban")];
        if endpoint.key.template == "/v1/a" {
            all.push(carried("email", 3, Carrier::Response, "$.id"));
            all.push(carried("pan", 3, Carrier::Response, "$.list[*].pan"));
        }
        all
    };
    let options = Options { data: &data, ..Options::default() };
    let mut seen = facts(&[(200, 6)]);
    seen.tls = 6;
    let body = json!({"id": "x", "list": [{"pan": "z"}], "owner": {"accounts": [{"iban": "y"}]}});
    seen.response_shapes.insert(200, Box::new(shape(&[body])));
    let endpoints = vec![get("/v1/a", seen.clone()), get("/v1/b", seen)];
    let all = compare(&Inventory { endpoints, ..Inventory::default() }, &set, &options);
    let expected = [
        "undocumented_response_property GET /v1/a $.list[].pan",
        "undocumented_response_property GET /v1/a $.owner",
        "undocumented_sensitive_data GET /v1/a iban",
        "undocumented_sensitive_data GET /v1/a pan",
        "undocumented_sensitive_data GET /v1/b iban",
    ];
    assert_eq!(brief(&all), expected);
}

#[test]
fn far_more_personal_data_than_others_of_its_capability_is_too_much() {
    let classes = ["address", "dob", "email", "gender", "ip", "name", "phone"];
    let data = |endpoint: &Endpoint| {
        let many = if endpoint.key.template == "/users/export" { classes.len() } else { 2 };
        classes
            .iter()
            .take(many)
            .map(|class| carried(class, 2, Carrier::Response, &format!("$.{class}")))
            .collect()
    };
    let options = Options { data: &data, ..Options::default() };
    let endpoints = ["/users/a", "/users/b", "/users/c", "/users/d", "/users/export"]
        .map(|template| Endpoint { capability: "customers".into(), ..get(template, facts(&[(200, 4)])) });
    let told = |endpoints: Vec<Endpoint>| {
        brief(&compare(&Inventory { endpoints, ..Inventory::default() }, &DocumentSet::default(), &options))
    };
    assert_eq!(told(endpoints.to_vec()), ["excessive_data_exposure GET /users/export"]);
    // Too few tell nothing of what is usual.
    assert_eq!(told(endpoints[1..].to_vec()), Vec::<String>::new());
}

#[test]
fn posture_needs_no_document() {
    let data = |_: &Endpoint| {
        vec![carried("iban", 3, Carrier::Response, "$.a"), carried("pan", 3, Carrier::RequestQuery, "pan")]
    };
    let options = Options { data: &data, ..Options::default() };
    let mut open = facts(&[(200, 6), (401, 2)]);
    open.auth = [(AuthScheme::None, 5), (AuthScheme::Bearer, 3)].into();
    let mut refused = facts(&[(200, 6), (401, 2)]);
    refused.auth = [(AuthScheme::None, 2), (AuthScheme::Bearer, 6)].into();
    refused.tls = 8;
    let endpoints = vec![get("/a", open), endpoint("b.example", "GET", "/b", refused)];
    let all = compare(&Inventory { endpoints, ..Inventory::default() }, &DocumentSet::default(), &options);
    let expected = [
        "sensitive_data_in_url GET /a query:pan",
        "sensitive_data_in_url GET /b query:pan",
        "sensitive_data_over_http",
        "unauthenticated_sensitive_data GET /a",
    ];
    assert_eq!(brief(&all), expected);
    let open = all.first().unwrap();
    assert_eq!((open.severity, open.count, open.of), (Severity::Critical, 3, 8));
}

#[test]
fn what_is_said_of_clear_text_is_no_more_than_what_was_seen() {
    let data = |_: &Endpoint| vec![carried("iban", 3, Carrier::RequestQuery, "iban")];
    let options = Options { data: &data, ..Options::default() };
    let of = |requests: u32, tls: u64, captured: bool| {
        let mut facts = facts(&[(200, u64::from(requests))]);
        facts.auth = [(AuthScheme::Bearer, facts.requests)].into();
        facts.tls = tls;
        facts.policies = captured.then(Box::default);
        facts
    };
    let told = |endpoints: Vec<Endpoint>| {
        let all =
            compare(&Inventory { endpoints, ..Inventory::default() }, &DocumentSet::default(), &options);
        all.into_iter()
            .filter(|one| one.kind == Kind::SensitiveDataOverHttp)
            .map(|one| (one.severity, one.count, one.of, one.explanation))
            .collect::<Vec<_>>()
    };
    let all = told(vec![get("/a", of(4, 0, true))]);
    assert_eq!((all[0].0, all[0].1, all[0].2), (Severity::Info, 4, 4));
    assert!(all[0].3.starts_with("1 endpoint that carries iban was seen without TLS; expected"), "{all:?}");
    // A host that speaks TLS and does without it, too, even on one endpoint.
    let all = told(vec![get("/a", of(4, 3, true)), get("/b", of(5, 5, true)), get("/c", of(2, 0, true))]);
    assert_eq!((all[0].0, all[0].1, all[0].2), (Severity::Low, 3, 6));
    assert!(
        all[0].3.contains("2 endpoints that carry iban were seen without TLS, in 3 of 6 requests"),
        "{all:?}"
    );
    // A log that does not tell of TLS tells nothing against those that came with it.
    assert_eq!(told(vec![get("/a", of(4, 4, true)), get("/b", of(5, 0, false))]), []);
    let all = told(vec![get("/a", of(4, 0, false))]);
    assert!(all[0].3.starts_with("no log tells that TLS protects 1 endpoint that carries iban"), "{all:?}");
}

#[test]
fn findings_say_where_to_mend_the_document() {
    let set = document(&json!({"/a": {"get": ok()}}));
    let all = found(vec![get("/v1/a", facts(&[(200, 1), (418, 1)]))], &set);
    let place = all.first().unwrap().document.clone().unwrap();
    assert_eq!((place.file.as_str(), place.pointer.as_str()), ("bank.json", "/paths/~1a/get"));
    assert_eq!(place.line, Some(5));
}

#[test]
fn fields_of_forms_are_known_by_name() {
    let field = |name: &str| json!({"name": name, "in": "formData", "type": "string"});
    let operation = json!({"parameters": [field("a"), field("b")], "responses": {"200": {}}});
    let set = documents(&[("f.json", json!({"swagger": "2.0", "paths": {"/f": {"post": operation}}}))]);
    let mut seen = facts(&[(200, 2)]);
    seen.request_shape = shape(&[json!({"a": "1", "b[]": "2"}), json!({"role": "x"})]);
    let all = found(vec![endpoint(HOST, "POST", "/f", seen)], &set);
    assert_eq!(brief(&all), ["undocumented_request_property POST /f $.role"]);
}

#[test]
fn a_credential_that_is_demanded_must_be_asked_for() {
    let document = |security: Value| {
        documents(&[(
            "s.json",
            json!({
                "openapi": "3.0.0",
                "security": security,
                "components": {"securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                }},
                "paths": {"/a": {"get": ok()}},
            }),
        )])
    };
    let mut seen = facts(&[(200, 6), (401, 2)]);
    seen.auth = [(AuthScheme::None, 3), (AuthScheme::Jwt, 5)].into();
    for (security, expected) in [
        (json!([{"token": []}]), 1),
        (json!([{"token": []}, {}]), 0),
        (json!([{"token": []}, {"key": []}]), 0),
        (json!([{"token": [], "key": []}]), 1),
        (json!([]), 0),
    ] {
        let all = found(vec![get("/a", seen.clone())], &document(security.clone()));
        let told: Vec<_> = all.iter().filter(|one| one.kind == Kind::SecurityNotEnforced).collect();
        assert_eq!(told.len(), expected, "{security}");
        assert!(told.iter().all(|one| one.count == 1), "{told:?}");
    }
}

#[test]
fn an_older_version_that_is_still_called_is_told_unless_it_is_being_retired() {
    let at = |day: i64| Timestamp::from_secs(1_780_000_000 + day * 86_400, 0);
    let called = |template: &str, status: u16, (first, last): (i64, i64)| {
        get(template, EndpointFacts { first_seen: at(first), last_seen: at(last), ..facts(&[(status, 5)]) })
    };
    let none = DocumentSet::default();
    let told = |endpoints: Vec<Endpoint>| {
        let mut findings = found(endpoints, &none);
        findings.retain(|finding| finding.kind == Kind::OldVersionInUse);
        findings
    };
    let both = told(vec![called("/v1/a/{x}", 200, (0, 9)), called("/v2/a/{y}", 200, (3, 9))]);
    assert_eq!(brief(&both), ["old_version_in_use GET /v1/a/{x} 1"]);
    assert_eq!(both.iter().map(|one| (one.count, one.of)).collect::<Vec<_>>(), [(5, 10)]);
    assert!(
        both[0]
            .explanation
            .starts_with("version 1 is called though version 2 answers, seen since 2026-05-31")
    );
    for (why, newer) in [
        ("does not answer", called("/v2/a/{y}", 500, (3, 9))),
        ("came after the last call", called("/v2/a/{y}", 200, (10, 11))),
        ("is of another operation", called("/v2/b/{y}", 200, (3, 9))),
        ("is no version of the same kind", called("/2026-01-01/a/{y}", 200, (3, 9))),
    ] {
        let findings = told(vec![called("/v1/a/{x}", 200, (0, 9)), newer]);
        assert!(findings.is_empty(), "{why}: {findings:?}");
    }
    let mut retiring = called("/v1/a/{x}", 200, (0, 9));
    retiring.facts.retirement.deprecated_answers = 1;
    assert!(told(vec![retiring, called("/v2/a/{y}", 200, (3, 9))]).is_empty());
}

/// Findings without documents, where operators tell this; `sensitive` is a template that carries personal data.
fn governed(text: &str, mut endpoints: Vec<Endpoint>, sensitive: &str) -> Vec<Finding> {
    let (ownership, problems) = Ownership::read("o.yaml", text.as_bytes());
    assert!(problems.is_empty(), "{problems}");
    ownership.assign(&mut endpoints);
    let data = |endpoint: &Endpoint| -> Vec<Carried> {
        let carried = carried("fin.iban", 3, Carrier::Response, "$.iban");
        if endpoint.key.template == sensitive { vec![carried] } else { Vec::new() }
    };
    let inventory = inventory_of(endpoints, &DocumentSet::default(), ownership.spans());
    let options = Options { data: &data, governed: !ownership.is_empty(), ..Options::default() };
    compare(&inventory, &DocumentSet::default(), &options)
}

#[test]
fn what_nobody_owns_is_told_once_a_service() {
    let endpoints = || {
        vec![
            endpoint("a.example", "GET", "/a", facts(&[(200, 5)])),
            endpoint("a.example", "GET", "/b", facts(&[(200, 2)])),
            endpoint("b.example", "GET", "/c", facts(&[(200, 3)])),
            endpoint("b.example", "GET", "/d", facts(&[(200, 4)])),
        ]
    };
    let text = "services:\n- {hosts: b.example, paths: [{path: /c, owner: team, exposure: public, compliance: psd2}]}\n";
    let mut all = governed(text, endpoints(), "/b");
    all.retain(|one| matches!(one.kind, Kind::Unowned | Kind::Unclassified));
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.kind.name(), one.severity, &*one.host, &*one.path_template, &*one.detail, one.count))
        .collect();
    let expected = [
        ("unowned", Severity::Medium, "a.example", "", "", 7),
        ("unowned", Severity::Low, "b.example", "/d", "", 4),
        ("unclassified", Severity::Low, "a.example", "/b", "compliance", 2),
        ("unclassified", Severity::Low, "a.example", "", "exposure", 7),
        ("unclassified", Severity::Info, "b.example", "/d", "exposure", 4),
    ];
    let mut sorted = told.clone();
    sorted.sort_by(|a, b| (a.0, a.4, a.2).cmp(&(b.0, b.4, b.2)));
    let mut wanted = expected.to_vec();
    wanted.sort_by(|a, b| (a.0, a.4, a.2).cmp(&(b.0, b.4, b.2)));
    assert_eq!(sorted, wanted);
    assert_eq!(all[0].explanation, "nobody is told to own it; 7 requests to 2 endpoints; give it an `owner`");
    assert!(governed("", endpoints(), "").is_empty(), "without a file nobody is asked");
}

#[test]
fn ends_and_returns_need_no_document() {
    let at = |day: i64| Timestamp::from_secs(day * 86_400, 0);
    let called = |template: &str, days: &[i64]| {
        let mut facts = facts(&[(200, days.len() as u64)]);
        for day in days {
            facts.days.count(*day, Day { alive: 1, ..Day::default() });
        }
        (facts.first_seen, facts.last_seen) = (at(days[0]), at(days[days.len() - 1]));
        get(template, facts)
    };
    let mut ended = called("/a", &[0, 9, 12]);
    ended.facts.retirement.deprecated_answers = 3;
    ended.facts.retirement.deprecated_since = Some(at(4));
    ended.facts.retirement.sunset = Some(at(10));
    let text = "services: [{owner: a, exposure: public, retirement: {notice_days: 90, dormant_days: 20}}]";
    let mut all = governed(text, vec![ended, called("/b", &[0, 40]), called("/c", &[0, 15, 30, 40])], "");
    all.sort_by(|a, b| a.kind.name().cmp(b.kind.name()));
    let told: Vec<_> =
        all.iter().map(|one| (one.kind.name(), one.severity, &*one.path_template, one.count)).collect();
    let expected = [
        ("called_after_sunset", Severity::Info, "/a", 1),
        ("deprecated_in_use", Severity::Medium, "/a", 3),
        ("resurrected", Severity::Low, "/b", 2),
        ("short_notice", Severity::Low, "/a", 3),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        all.iter().map(|one| one.explanation.as_str()).collect::<Vec<_>>(),
        [
            "its answers say that its sunset was 1970-01-11, and is not called or not there any more; 1 request after it; 0 in the last 7 days, 0 in the 7 before",
            "the answers mark this operation as deprecated; 3 requests, 3 answered with success; 0 in the last 7 days, 0 in the 7 before; its sunset was 1970-01-11",
            "called again since 1970-02-10 after 40 days of silence or of being gone; 2 requests, 2 answered with success",
            "deprecated since 1970-01-05 with its sunset on 1970-01-11: 6 days of notice, and its owner's policy wants 90; 3 requests, 3 answered with success",
        ]
    );
}

#[test]
fn environments_are_compared_where_they_are_of_one_api() {
    let called = |host: &str, template: &str, scheme: AuthScheme, statuses: &[(u16, u64)]| {
        let mut facts = facts(statuses);
        facts.auth.insert(scheme, facts.requests);
        endpoint(host, "GET", template, facts)
    };
    let (live, trial, other) = ("api.example", "api.test.example", "mail.test.example");
    let ownership = "environments: {Production: api.example, test: '*.test.example'}";
    let ok = &[(200, 30)][..];
    let all = governed(
        ownership,
        vec![
            called(live, "/a/{id}", AuthScheme::Bearer, ok),
            called(live, "/b", AuthScheme::Bearer, ok),
            called(live, "/c", AuthScheme::Bearer, ok),
            called(trial, "/a/{x}", AuthScheme::None, ok),
            called(trial, "/b", AuthScheme::Bearer, &[(200, 20), (429, 10)]),
            called(trial, "/d", AuthScheme::Bearer, ok),
            called(other, "/b", AuthScheme::None, ok),
            called(other, "/x", AuthScheme::None, ok),
            called(other, "/y", AuthScheme::None, ok),
            called(other, "/z", AuthScheme::None, ok),
        ],
        "",
    );
    let told: Vec<_> = all
        .iter()
        .filter(|one| one.kind == Kind::EnvironmentDrift)
        .map(|one| (one.severity, &*one.host, &*one.detail, &*one.explanation, (one.count, one.of)))
        .collect();
    let expected = [
        (
            Severity::Medium,
            live,
            "test api.test.example: authentication",
            "1 of 2 shared operations are called with other credentials: GET /a/{} (Production bearer, test none)",
            (1, 2),
        ),
        (
            Severity::Low,
            live,
            "test api.test.example: endpoints",
            "1 only in Production: GET /c; 1 only in test: GET /d",
            (2, 4),
        ),
        (
            Severity::Info,
            live,
            "test api.test.example: statuses",
            "1 of 2 shared operations answer with other statuses: GET /b (Production not, test 429)",
            (1, 2),
        ),
    ];
    assert_eq!(told, expected);
}

#[test]
fn required_parameters_that_are_not_asked_for_are_found() {
    let parameter = |name: &str, required: bool| json!({"name": name, "in": "query", "required": required});
    let set = document(&json!({"/a": {"get": {
        "parameters": [parameter("from", true), parameter("ids", true), parameter("page", false), parameter("size", true)],
        "responses": {"200": {"description": ""}, "400": {"description": ""}}
    }}}));
    let called = |query: &[(&str, u64)]| {
        let mut facts = facts(&[(200, 10), (400, 5)]);
        facts.query = query.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        facts
    };
    let told = |facts: EndpointFacts| -> Vec<(String, u64, u64)> {
        let all = found(vec![get("/v1/a", facts)], &set).into_iter();
        let all = all.filter(|one| one.kind == Kind::MissingRequiredParameter);
        all.map(|one| (one.detail, one.count, one.of)).collect()
    };
    // Five were refused, so that twelve of fifteen may have been all that were answered.
    let calls = called(&[("from", 12), ("ids[]", 7), ("ids[0]", 5)]);
    assert_eq!(told(calls.clone()), [("size".to_owned(), 10, 10)]);
    assert_eq!(told(called(&[("from", 7), ("ids", 15), ("size", 15)])), [("from".to_owned(), 3, 10)]);
    // What was not kept, or is not shown, may be any.
    assert_eq!(told(EndpointFacts { query_overflow: 1, ..calls }), []);
    assert_eq!(told(called(&[("{name}", 1)])), []);
}

#[test]
fn credentials_of_another_kind_than_the_document_asks_for_are_found() {
    let told = |security: &Value, auth: &[(AuthScheme, u64)]| -> Vec<String> {
        let operation = json!({"security": security, "responses": {"200": {"description": ""}, "401": {"description": ""}}});
        let document = json!({
            "openapi": "3.1.0", "servers": [{"url": format!("https://{HOST}/v1")}],
            "components": {"securitySchemes": {
                "token": {"type": "http", "scheme": "Bearer"}, "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "any": {"type": "apiKey", "in": "header", "name": "authorization"}, "tls": {"type": "mutualTLS"},
                "odd": {"type": "odd"}
            }},
            "paths": {"/a": {"get": operation, "post": operation}}
        });
        let mut facts = facts(&[(200, 10), (401, 2)]);
        facts.auth = auth.iter().copied().collect();
        let again = endpoint(HOST, "POST", "/v1/a", facts.clone());
        let set = documents(&[("bank.json", document)]);
        let both = found(vec![get("/v1/a", facts.clone()), again], &set);
        let told: Vec<_> = both.iter().filter(|one| one.kind == Kind::SecuritySchemeMismatch).collect();
        let all = found(vec![get("/v1/a", facts)], &set).into_iter();
        let all: Vec<_> = all.filter(|one| one.kind == Kind::SecuritySchemeMismatch).collect();
        // Of a host that takes it at several operations it is told once.
        assert_eq!(told.len(), all.len());
        for (one, of_one) in told.iter().zip(&all) {
            assert_eq!((&*one.path_template, &*of_one.path_template), ("", "/v1/a"));
            assert_eq!((one.count, one.of), (2 * of_one.count, 2 * of_one.of));
            assert!(one.explanation.contains("requests to 2 operations"), "{}", one.explanation);
        }
        let all = all.into_iter();
        all.map(|one| format!("{} {} of {}: {}", one.detail, one.count, one.of, one.explanation)).collect()
    };
    let (token, key) = (json!([{"token": []}]), json!([{"key": []}]));
    assert_eq!(
        told(&token, &[(AuthScheme::Basic, 5), (AuthScheme::Bearer, 7)]),
        [""; 0],
        "each of the five may be one of the seven, or refused"
    );
    assert_eq!(
        told(&token, &[(AuthScheme::Basic, 12)]),
        [
            "basic 10 of 12: at least 10 of 12 requests proved who they are by Basic and were answered with success; the \
          document asks for a bearer token"
        ]
    );
    assert_eq!(
        told(&key, &[(AuthScheme::Jwt, 6), (AuthScheme::Bearer, 6)]),
        [
            "bearer 10 of 12: at least 10 of 12 requests proved who they are by a bearer token and were answered with success; \
          the document asks for a key"
        ]
    );
    for (security, scheme) in [
        (&token, AuthScheme::Jwt),
        (&key, AuthScheme::ApiKey),
        (&json!([{"any": []}]), AuthScheme::Basic),
        (&json!([{"tls": []}]), AuthScheme::Bearer),
        (&json!([{"odd": []}]), AuthScheme::Basic),
        (&json!([{"token": []}, {}]), AuthScheme::Basic),
        (&json!([]), AuthScheme::Basic),
        // Beside the documented one.
        (&json!([{"token": [], "key": []}]), AuthScheme::Bearer),
    ] {
        assert_eq!(told(security, &[(scheme, 12)]), [""; 0], "{security} {scheme:?}");
    }
}

#[test]
fn formats_and_enumerations_that_answers_do_not_keep_are_found() {
    let string = |more: Value| {
        let mut schema = json!({"type": "string"});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    let set = document(
        &json!({"/a": {"get": {"responses": {"200": {"description": "", "content": {"application/json": {
            "schema": {"type": "object", "properties": {
                "status": string(json!({"enum": ["OPEN", "CLOSED"]})),
                "kept": string(json!({"enum": ["OPEN", "CLOSED"]})),
                "many": string(json!({"enum": ["0", "1"]})),
                "either": {"anyOf": [string(json!({"enum": ["A"]})), string(json!({}))]},
                "level": {"type": ["integer", "null"], "enum": [1, 2, null]},
                "wrong": {"type": "integer", "enum": [1]},
                "day": string(json!({"format": "date"})),
                "at": string(json!({"format": "date-time"})),
                "small": {"type": "integer", "format": "int32"},
                "link": string(json!({"format": "uri"})),
                "other": string(json!({"format": "bank-account"})),
            }}
        }}}}}}}),
    );
    let bodies: Vec<Value> = (0..20)
        .map(|n| {
            json!({
                "status": if n == 7 { "PENDING" } else { "OPEN" }, "kept": "CLOSED", "many": n.to_string(), "either": "B",
                "level": if n == 3 { json!(null) } else { json!(1 + n % 3) }, "wrong": "x",
                "day": if n == 9 { "2026-02-30" } else { "2026-02-28" }, "at": "2026-02-28T10:00:00Z",
                "small": 3_000_000_000_u64, "link": "nowhere", "other": "7",
            })
        })
        .collect();
    let mut facts = facts(&[(200, 20)]);
    facts.response_shapes.insert(200, Box::new(shape(&bodies)));
    let all = found(vec![get("/v1/a", facts.clone())], &set);
    let told = |kind: Kind| -> Vec<String> {
        let all = all.iter().filter(|one| one.kind == kind);
        let mut all: Vec<String> = all
            .map(|one| format!("{} {} of {}: {}", one.detail, one.count, one.of, one.explanation))
            .collect();
        all.sort();
        all
    };
    assert_eq!(
        told(Kind::ResponseEnumMismatch),
        [
            "$.level 1 of 3: 1 of 3 distinct values is not among the 2 words that the document enumerates; 20 answers of status 200 read",
            "$.many 1 of 20: not all of 20 values are among the 2 words that the document enumerates; 20 answers of status 200 read",
            "$.status 1 of 2: 1 of 2 distinct values is not among the 2 words that the document enumerates; 20 answers of status 200 read",
        ]
    );
    assert_eq!(
        told(Kind::ResponseFormatMismatch),
        [
            "$.day 1 of 20: not all of 20 values have the format `date`; 20 answers of status 200 read",
            "$.small 1 of 20: not all of 20 values have the format `int32`; 20 answers of status 200 read",
        ]
    );
    assert_eq!(told(Kind::ResponseTypeMismatch).len(), 1, "{all:#?}");
    assert!(
        all.iter().all(|one| one.kind.name().ends_with("mismatch") && one.document.is_some()),
        "{all:#?}"
    );
    // Who has no key knows no values.
    let inventory = inventory_of(vec![get("/v1/a", facts)], &set, Spans::default());
    let blind = compare(&inventory, &set, &Options::default());
    assert!(blind.iter().all(|one| one.kind != Kind::ResponseEnumMismatch));
}

/// The facts of so many answers that state these policies.
fn stating(answers: u64, policies: &[Policy]) -> EndpointFacts {
    let mut facts = facts(&[(200, answers)]);
    let known = facts.policies.get_or_insert_default();
    (0..answers).for_each(|_| known.count(policies.iter().copied()));
    facts
}

#[test]
fn policies_are_held_against_those_of_the_host() {
    let standard = [Policy::Hsts, Policy::NoSniff, Policy::NoStore];
    let mut endpoints: Vec<Endpoint> = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|name| get(&format!("/{name}"), stating(40, &standard)))
        .into();
    endpoints.push(get("/bare", stating(40, &[Policy::NoStore])));
    let mut mixed = stating(30, &standard);
    mixed.absorb(stating(10, &[Policy::Hsts, Policy::AnyOrigin]));
    endpoints.push(get("/mixed", mixed));
    // Too few to tell, of another host, and what was never heard.
    endpoints.push(get("/seldom", stating(4, &[])));
    endpoints.push(endpoint("other.example", "GET", "/x", stating(40, &[])));
    endpoints.push(get("/log", facts(&[(200, 90)])));
    let set = DocumentSet::default();
    let told: Vec<_> = found(endpoints.clone(), &set)
        .into_iter()
        .filter(|one| one.kind == Kind::PolicyGap)
        .map(|one| (one.path_template, one.explanation, one.count, one.of))
        .collect();
    // Two of nine are no exceptions, so `nosniff` is no standard.
    let expected = [
        (
            "/bare",
            "of 40 answers with success 40 lack `Strict-Transport-Security` (8 of 9 state it); in brackets the endpoints of this host",
            40,
        ),
        (
            "/mixed",
            "of 40 answers with success 10 give leave for scripts of any origin (8 of 9 do not); in brackets the endpoints of this host",
            10,
        ),
    ];
    let expected = expected.map(|(path, words, count)| (path.to_owned(), words.to_owned(), count, 40));
    assert_eq!(told, expected);
    // Of few endpoints none is an exception.
    endpoints.truncate(7);
    endpoints.remove(0);
    endpoints.push(get("/bare", stating(40, &[])));
    assert_eq!(brief(&found(endpoints, &set)), [""; 0]);
}

#[test]
fn sensitive_data_that_shared_caches_may_keep_are_found() {
    let set = DocumentSet::default();
    let data = |endpoint: &Endpoint| match endpoint.key.template.as_str() {
        "/rates" => Vec::new(),
        _ => vec![carried("iban", 3, Carrier::Response, "$.iban")],
    };
    let endpoints = ["/rates", "/accounts"].map(|path| get(path, stating(3, &[Policy::SharedCache])));
    let kept = get("/cards", stating(3, &[Policy::NoStore]));
    let inventory = inventory_of([&endpoints[..], &[kept]].concat(), &set, Spans::default());
    let all = compare(&inventory, &set, &Options { data: &data, ..Options::default() });
    let told: Vec<_> = all.iter().filter(|one| one.kind == Kind::SensitiveDataCacheable).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&*told[0].path_template, told[0].severity, told[0].count),
        ("/accounts", Severity::Medium, 3)
    );
}

#[test]
fn environments_differ_in_policies() {
    let ownership = "environments: {production: api.example, test: api.test.example}";
    let hardened = [Policy::Hsts, Policy::NoStore];
    let on = |host: &str, path: &str, facts: EndpointFacts| endpoint(host, "GET", path, facts);
    let mut tls = stating(20, &hardened);
    tls.tls = 20;
    let all = governed(
        ownership,
        vec![
            on("api.example", "/a", stating(20, &hardened)),
            on("api.example", "/b", stating(20, &hardened)),
            on("api.example", "/c", tls),
            on("api.example", "/d", stating(20, &hardened)),
            on("api.test.example", "/a", stating(20, &[Policy::AnyOrigin, Policy::Hsts])),
            // Too few, without TLS, and one that does so now and then.
            on("api.test.example", "/b", stating(4, &[])),
            on("api.test.example", "/c", stating(20, &[Policy::NoStore])),
            on("api.test.example", "/d", {
                let mut facts = stating(10, &hardened);
                facts.absorb(stating(10, &[]));
                facts
            }),
        ],
        "",
    );
    let told: Vec<&str> = all
        .iter()
        .filter(|one| one.detail.ends_with("policies"))
        .map(|one| one.explanation.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "1 of 4 shared operations state other policies in their headers: GET /a (production no_store, test any_origin)"
        ]
    );
}

#[test]
fn a_level_of_service_is_missed_beyond_chance() {
    let ownership =
        "services: [{hosts: '*', owner: a, exposure: public, sla: {availability: 99.9, p95_ms: 300}}]";
    let missed = |faults: u64, slow: u64| -> Vec<String> {
        let mut one = facts(&[(0, 500), (200, 9_000 - faults), (503, faults)]);
        (0..950).for_each(|_| one.latencies.count(20_000));
        (0..slow).for_each(|_| one.latencies.count(2_000_000));
        let other = facts(&[(200, 1_000)]);
        let all = governed(ownership, vec![get("/a", one), get("/b", other)], "");
        let all = all.iter().filter(|one| one.kind == Kind::SlaMissed);
        all.map(|one| format!("{} {} of {}: {}", one.detail, one.count, one.of, one.explanation)).collect()
    };
    // Ten of ten thousand are what is agreed on, nineteen may be chance; the same for 5 % of the timed calls.
    assert_eq!(missed(10, 50), [""; 0]);
    assert_eq!(missed(19, 70), [""; 0]);
    assert_eq!(
        missed(20, 100),
        [
            "availability 20 of 10000: 99.800 % available, 99.9 % agreed on: 20 of 10000 answers were faults of the server; most at GET /a (20)",
            "latency 100 of 1050: 9.5 % of 1050 timed calls took more than the 300 ms that 95 % may take; most at GET /a (100)",
        ]
    );
}

/// A document of one path and Kong's catalogue of three routes, on one host.
fn routed() -> DocumentSet {
    documents(&[
        (
            "bank.json",
            json!({"openapi": "3.1.0", "servers": [{"url": format!("https://{HOST}")}], "paths": {"/cards": {"get": ok()}}}),
        ),
        (
            "kong.json",
            json!({"_format_version": "3.0", "services": [{"name": "a", "routes": [
                {"name": "accounts", "hosts": [HOST], "paths": ["/accounts", "/cards"]},
                {"name": "users", "hosts": [HOST], "paths": ["~/users/[0-9]+$"]},
            ]}]}),
        ),
    ])
}

#[test]
fn a_route_is_no_document_and_its_gateway_is_told() {
    let set = routed();
    let mut called = facts(&[(200, 3), (418, 2)]);
    called.query.insert("page".into(), 2);
    let all = found(
        vec![
            get("/cards", facts(&[(200, 1)])),
            get("/accounts/{accountId}", called.clone()),
            get("/users/{userId}", facts(&[(200, 1)])),
            get("/admin", called),
            get("/nothing", facts(&[(404, 4)])),
        ],
        &set,
    );
    assert_eq!(
        brief(&all),
        [
            "shadow_endpoint GET /accounts/{accountId}",
            "shadow_endpoint GET /admin",
            "shadow_endpoint GET /nothing",
            "shadow_endpoint GET /users/{userId}",
            "unrouted_endpoint GET /admin",
        ]
    );
    let told = |path: &str| {
        let one =
            all.iter().find(|one| one.path_template == path && one.kind == Kind::ShadowEndpoint).unwrap();
        (one.explanation.clone(), one.document.clone())
    };
    let (words, place) = told("/accounts/{accountId}");
    assert!(words.ends_with("; the gateway (Kong) routes it as `accounts`"), "{words}");
    let place = place.unwrap();
    assert_eq!(
        (place.file.as_str(), place.line, place.pointer.as_str()),
        ("kong.json", Some(7), "/services/0/routes/0")
    );
    assert!(told("/users/{userId}").0.ends_with("; the gateway (Kong) may route it as `users`"));
    assert_eq!(told("/admin").1, None);
    let unrouted = all.iter().find(|one| one.kind == Kind::UnroutedEndpoint).unwrap();
    assert_eq!((unrouted.severity, unrouted.count, unrouted.of), (Severity::Low, 3, 5));
}

#[test]
fn a_catalogue_alone_documents_nothing() {
    let route = |path: Value| json!({"matches": [{"path": path}]});
    let set = documents(&[(
        "route.json",
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": {
            "hostnames": [HOST],
            "rules": [
                route(json!({"type": "PathPrefix", "value": "/accounts"})),
                route(json!({"type": "Exact", "value": "/health"})),
                route(json!({"type": "Exact", "value": "/ready"})),
            ],
        }}),
    )]);
    let endpoints = vec![
        get("/accounts/{accountId}", facts(&[(200, 3)])),
        get("/health", facts(&[(200, 3)])),
        get("/other", facts(&[(200, 3)])),
        endpoint("elsewhere.example", "GET", "/other", facts(&[(200, 3)])),
    ];
    let all = found(endpoints, &set);
    assert_eq!(brief(&all), ["unrouted_endpoint GET /other", "unused_operation /ready"]);
    assert!(all.iter().all(|one| one.host == HOST));
    assert!(found(vec![endpoint("elsewhere.example", "GET", "/ready", facts(&[(200, 1)]))], &set).is_empty());
}
