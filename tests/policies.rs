//! Policies that answers state, and levels of service, from a recording to the findings.

mod common;

use common::{analyze, lines, stderr, stdout};
use serde_json::{Value, json};

/// A call of a recording.
fn call(host: &str, path: &str, status: u16, millis: u32, headers: &[(&str, &str)]) -> Value {
    let headers = headers.iter().map(|(name, value)| json!({"name": name, "value": value}));
    json!({
        "startedDateTime": "2026-03-01T10:00:00.000Z",
        "time": millis,
        "timings": {"send": 0, "wait": millis, "receive": 0},
        "request": {
            "method": "GET", "url": format!("https://{host}{path}"), "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Host", "value": host}, {"name": "Authorization", "value": "Bearer a.b.c"}],
            "queryString": [], "headersSize": -1, "bodySize": 0
        },
        "response": {
            "status": status, "statusText": "", "httpVersion": "HTTP/1.1",
            "headers": headers.collect::<Vec<_>>(),
            "content": {"size": 11, "mimeType": "application/json", "text": "{\"a\": \"b\"}"},
            "redirectURL": "", "headersSize": -1, "bodySize": 11
        }
    })
}

#[test]
fn policies_and_levels_of_service_are_told_from_a_recording() {
    let hardened = [("Strict-Transport-Security", "max-age=31536000"), ("Cache-Control", "no-store")];
    let names = ["accounts", "cards", "loans", "payees", "rates", "branches", "limits", "orders", "quotes"];
    let mut entries = Vec::new();
    for name in names {
        let path = format!("/v1/{name}");
        for number in 0..20 {
            // One endpoint forgot, one is slow and fails.
            let headers = if name == "loans" { &hardened[1..] } else { &hardened[..] };
            let (status, millis) = if name == "quotes" && number % 2 == 0 { (503, 900) } else { (200, 20) };
            entries.push(call("api.bank.example", &path, status, millis, headers));
            if number < 10 && matches!(name, "accounts" | "cards") {
                let headers = if name == "cards" { &hardened[..1] } else { &hardened[..] };
                entries.push(call("api.test.bank.example", &path, 200, 20, headers));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (har, ownership) = (folder.path().join("calls.har"), folder.path().join("ownership.yaml"));
    let recording =
        json!({"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "entries": entries}});
    std::fs::write(&har, recording.to_string()).unwrap();
    std::fs::write(
        &ownership,
        "environments: {production: api.bank.example, test: api.test.bank.example}\n\
         services:\n- hosts: '*'\n  owner: core\n  exposure: partner\n  sla: {availability: 99.5, p95_ms: 250}\n",
    )
    .unwrap();
    let run = |what: &str| {
        let args = [har.to_str().unwrap(), "--ownership", ownership.to_str().unwrap(), "-q", what, "-"];
        let output = analyze(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        lines(&stdout(&output))
    };
    let inventory = run("--inventory");
    let stated = |path: &str| {
        let row = inventory
            .iter()
            .find(|row| row["path_template"] == path && row["host"] == "api.bank.example")
            .unwrap_or_else(|| panic!("{path}"));
        let counts = row["policies"].as_array().unwrap().iter();
        counts.map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["count"])).collect::<Vec<_>>()
    };
    assert_eq!(stated("/v1/cards"), ["answers 20", "hsts 20", "no_store 20"]);
    assert_eq!(stated("/v1/loans"), ["answers 20", "no_store 20"]);
    assert_eq!(stated("/v1/quotes"), ["answers 10", "hsts 10", "no_store 10"]);
    let findings: Vec<String> = run("--findings")
        .iter()
        .map(|one| {
            let [kind, path, detail, words] =
                ["kind", "path_template", "detail", "explanation"].map(|key| one[key].as_str().unwrap());
            format!("{kind} {path} {detail}: {words}")
        })
        .collect();
    let expected = [
        "sla_missed  availability: 94.444 % available, 99.5 % agreed on: 10 of 180 answers were faults of the server; \
         most at GET /v1/quotes (10)",
        "policy_gap /v1/loans : of 20 answers with success 20 lack `Strict-Transport-Security` (8 of 9 state it); in \
         brackets the endpoints of this host",
        "environment_drift  test api.test.bank.example: policies: 1 of 2 shared operations state other policies in \
         their headers: GET /v1/cards (production no_store, test not)",
    ];
    for expected in expected {
        assert!(findings.iter().any(|one| one == expected), "{expected}\nin {findings:#?}");
    }
    let kinds = |kind: &str| findings.iter().filter(|one| one.starts_with(kind)).count();
    assert_eq!((kinds("sla_missed"), kinds("policy_gap")), (1, 1), "{findings:#?}");
}
