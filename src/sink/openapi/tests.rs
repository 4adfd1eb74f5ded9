//! What documents say of endpoints that are written out here.

use super::*;
use crate::caller::AuthScheme;
use crate::inventory::EndpointKey;
use crate::inventory::facts::BodyShape;
use crate::schema::{JsonType, NodeId};
use crate::time::Timestamp;
use serde_json::{Value, json};

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
    let key = EndpointKey { host: host.into(), method: method.into(), template: template.into() };
    Endpoint::new(key, facts)
}

/// The only document of these endpoints.
fn written(endpoints: Vec<Endpoint>) -> Value {
    let inventory = Inventory { endpoints, ..Inventory::default() };
    let all = documents(&inventory, &Classifier::built_in());
    assert_eq!(all.len(), 1);
    serde_json::to_value(&all.first().unwrap().document).unwrap()
}

#[test]
fn one_path_is_written_once_whatever_its_parameters_are_called() {
    let document = written(vec![
        endpoint("h", "DELETE", "/a/{id}/{…}", facts(&[(204, 1)])),
        endpoint("h", "GET", "/a/{key}/{…}", facts(&[(200, 1)])),
        endpoint("h", "GET", "/b/{id}/{id}/{…}/{…}.json", facts(&[(200, 1)])),
        endpoint("h", "PROPFIND", "/c", facts(&[(207, 1)])),
    ]);
    let paths = document["paths"].as_object().unwrap();
    let shown: Vec<_> = paths.keys().collect();
    assert_eq!(shown, ["/a/{id}/{hidden}", "/b/{id}/{id2}/{hidden}/{hidden2}.json"]);
    let first = &paths["/a/{id}/{hidden}"];
    assert!(first["get"].is_object() && first["delete"].is_object());
    let names: Vec<_> = first["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["id", "hidden"]);
    assert_eq!(document["x-spanlight"]["operations_left_out"], 1);
}

#[test]
fn hosts_without_a_name_and_of_tenants_are_servers_too() {
    for (host, expected) in [
        ("", json!([{"url": "/"}])),
        (privacy::NO_HOST, json!([{"url": "/"}])),
        ("h.example", json!([{"url": "//h.example"}])),
        (
            "{tenant}.h.example",
            json!([{"url": "//{tenant}.h.example", "variables": {"tenant": {"default": "tenant"}}}]),
        ),
    ] {
        let document = written(vec![endpoint(host, "GET", "/a", facts(&[(200, 1)]))]);
        assert_eq!(document["servers"], expected, "{host}");
    }
    let tls = EndpointFacts { tls: 1, ..facts(&[(200, 1)]) };
    assert_eq!(written(vec![endpoint("h", "GET", "/a", tls)])["servers"], json!([{"url": "https://h"}]));
}

#[test]
fn what_every_proven_request_had_goes_together() {
    let mutual = AuthScheme::MutualTls;
    let (bearer, basic, none) = (AuthScheme::Bearer, AuthScheme::Basic, AuthScheme::None);
    for (auth, statuses, expected) in [
        (vec![(bearer, 4)], vec![(200, 4)], json!([{"bearer": []}])),
        (vec![(bearer, 4), (mutual, 4)], vec![(200, 4)], json!([{"bearer": [], "mutual_tls": []}])),
        (
            vec![(bearer, 3), (basic, 1), (mutual, 4)],
            vec![(200, 4)],
            json!([{"mutual_tls": [], "bearer": []}, {"mutual_tls": [], "basic": []}]),
        ),
        // Refused without a credential: it is needed. Answered: it is not.
        (vec![(bearer, 3), (none, 1)], vec![(200, 3), (401, 1)], json!([{"bearer": []}])),
        (vec![(bearer, 3), (none, 1)], vec![(200, 4)], json!([{"bearer": []}, {}])),
        (vec![(none, 4)], vec![(200, 4)], json!([])),
    ] {
        let mut seen = facts(&statuses);
        seen.auth = auth.into_iter().collect();
        let document = written(vec![endpoint("h", "GET", "/a", seen)]);
        assert_eq!(document["paths"]["/a"]["get"]["security"], expected);
    }
}

fn put(shape: &mut BodyShape, at: NodeId, value: &Value) {
    let (kind, inside): (JsonType, Vec<(Option<&str>, &Value)>) = match value {
        Value::Null => (JsonType::Null, Vec::new()),
        Value::Bool(_) => (JsonType::Boolean, Vec::new()),
        Value::Number(number) if number.is_f64() => (JsonType::Number, Vec::new()),
        Value::Number(_) => (JsonType::Integer, Vec::new()),
        Value::String(_) => (JsonType::String, Vec::new()),
        Value::Array(items) => (JsonType::Array, items.iter().map(|item| (None, item)).collect()),
        Value::Object(members) => {
            (JsonType::Object, members.iter().map(|(name, value)| (Some(name.as_str()), value)).collect())
        }
    };
    shape.count(at, kind);
    for (name, value) in inside {
        let child = match name {
            Some(name) if name.starts_with('{') => shape.wildcard(at, name.trim_matches(['{', '}']), 99),
            Some(name) => shape.property(at, name, 99),
            None => shape.item(at, 99),
        };
        put(shape, child.unwrap(), value);
    }
}

#[test]
fn bodies_become_schemas_of_what_was_met() {
    let mut shape = BodyShape::default();
    for body in 0..10_u64 {
        let root = shape.begin();
        let mut value = json!({"id": body, "rate": 1, "tags": ["a", null], "by": {"{iban}": {"n": 1}}});
        if body > 0 {
            value["rate"] = json!(1.5);
        } else {
            value["rare"] = json!(true);
        }
        put(&mut shape, root, &value);
    }
    let mut seen = facts(&[(200, 10)]);
    seen.response_media.insert((200, "application/json".to_owned()), 9);
    seen.response_media.insert((200, "text/csv".to_owned()), 1);
    seen.response_shapes.insert(200, Box::new(shape));
    let document = written(vec![endpoint("h", "GET", "/a", seen)]);
    let content = &document["paths"]["/a"]["get"]["responses"]["200"]["content"];
    let count = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "x-spanlight": {"keys": "iban"}});
    let expected = json!({
        "type": "object",
        "properties": {
            "by": {"type": "object", "additionalProperties": count},
            "id": {"type": "integer"},
            "rare": {"type": "boolean", "x-spanlight": {"seen": 1, "of": 10}},
            "rate": {"type": "number"},
            "tags": {"type": "array", "items": {"type": ["null", "string"]}},
        },
        "required": ["by", "id", "rate", "tags"],
    });
    assert_eq!(content["application/json"]["schema"], expected);
    assert_eq!(content["text/csv"], json!({"x-spanlight": {"seen": 1}}));
}

#[test]
fn names_that_are_values_and_retirement_are_told() {
    let mut seen = facts(&[(200, 3)]);
    seen.query = [("page".to_owned(), 2), ("{…}".to_owned(), 1), ("api_key".to_owned(), 3)].into();
    seen.auth = [(AuthScheme::ApiKey, 3)].into();
    seen.retirement.deprecated_answers = 3;
    seen.retirement.sunset = Timestamp::from_civil(2027, 1, 31);
    let document = written(vec![endpoint("h", "GET", "/a", seen)]);
    let operation = &document["paths"]["/a"]["get"];
    let names: Vec<_> = operation["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["page", "others"]);
    assert_eq!((&operation["deprecated"], &operation["x-sunset"]), (&json!(true), &json!("2027-01-31")));
    assert_eq!(operation["security"], json!([{"api_key.api_key": []}]));
    let scheme = &document["components"]["securitySchemes"]["api_key.api_key"];
    assert_eq!(scheme, &json!({"type": "apiKey", "name": "api_key", "in": "query"}));
}

#[test]
fn a_service_names_its_file() {
    let stem = |service: &str| {
        let one = Exported { service: service.to_owned(), document: Node::map(), operations: 0, left_out: 0 };
        one.file_stem()
    };
    for (service, expected) in [
        ("api.bank.example", "api.bank.example"),
        ("{tenant}.api.example", "tenant.api.example"),
        ("[::1]", "1"),
        ("", "no-host"),
        ("../x", "x"),
    ] {
        assert_eq!(stem(service), expected, "{service}");
    }
}
