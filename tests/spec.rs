//! A document held against traffic, and mended by an overlay.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, spanlight, stderr, stdout};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;

const SCENARIO: &str = "openbanking/scenario.pcap.gz";

fn spec(state: &Path, command: &str, document: &Path, args: &[&str]) -> Output {
    let mut run = spanlight(state);
    run.args(["spec", command]).arg(document).arg(fixture(SCENARIO)).arg("--quiet");
    run.arg("--key").arg(fixture("test.key")).args(args).output().unwrap()
}

/// The kinds and subjects of findings, when the scenario is compared with a document.
fn findings(state: &Path, document: &Path) -> Vec<Value> {
    let input = fixture(SCENARIO);
    let args = [input.to_str().unwrap(), "--spec", document.to_str().unwrap(), "--findings", "-"];
    let output = analyze(state, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    lines(&stdout(&output))
}

fn of_kinds<'a>(findings: &'a [Value], kinds: &'a [&str]) -> impl Iterator<Item = &'a Value> {
    findings.iter().filter(|finding| kinds.contains(&finding["kind"].as_str().unwrap()))
}

/// What an update of an overlay does (OpenAPI Overlay 1.0, 4.4.3.3): objects are merged, lists appended.
fn merge(target: &mut Value, update: &Value) {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (key, value) in update {
                match target.get_mut(key) {
                    Some(known) => merge(known, value),
                    None => {
                        target.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(update)) => target.extend(update.iter().cloned()),
        (target, update) => *target = update.clone(),
    }
}

fn apply(document: &Path, overlay: &str, to: PathBuf) -> PathBuf {
    let mut value: Value = serde_norway::from_str(&std::fs::read_to_string(document).unwrap()).unwrap();
    let overlay: Value = serde_norway::from_str(overlay).unwrap();
    assert_eq!(overlay["overlay"], "1.0.0");
    for action in overlay["actions"].as_array().unwrap() {
        let target = match action["target"].as_str().unwrap() {
            "$" => &mut value,
            "$.paths" => &mut value["paths"],
            other => panic!("an unknown target {other}"),
        };
        merge(target, &action["update"]);
    }
    std::fs::write(&to, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    to
}

#[test]
fn an_overlay_documents_what_was_undocumented() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["accounts-v4.yaml", "payments.json", "webapp.yaml"] {
        let document = fixture(&format!("openbanking/specs/{name}"));
        let missing = ["shadow_endpoint", "undocumented_method", "undocumented_host"];
        let before = findings(folder.path(), &document);
        assert!(of_kinds(&before, &missing).count() > 3, "{name}");
        let patch = spec(folder.path(), "patch", &document, &[]);
        assert!(patch.status.success(), "{}", stderr(&patch));
        let mended = apply(&document, &stdout(&patch), folder.path().join(format!("{name}.mended.json")));
        let after = findings(folder.path(), &mended);
        let left: Vec<_> = of_kinds(&after, &missing).collect();
        assert!(left.is_empty(), "{name}: {left:#?}");
        // What it added is as it was seen; what the document had before is told as before.
        assert!(after.len() <= before.len(), "{name}");
    }
}

#[test]
fn one_endpoint_is_documented_alone() {
    let folder = tempfile::tempdir().unwrap();
    let document = fixture("openbanking/specs/accounts-v4.yaml");
    let before = findings(folder.path(), &document);
    let host = |one: &&Value| one["host"] == "api.bank.example";
    let shadow = of_kinds(&before, &["shadow_endpoint"]).find(host).unwrap();
    let (method, template) = (shadow["method"].as_str().unwrap(), shadow["path_template"].as_str().unwrap());
    for wanted in [shadow["id"].as_str().unwrap(), &format!("{} {template}", method.to_lowercase())] {
        let overlay = folder.path().join("overlay.yaml");
        let args = ["--endpoint", wanted, "--out", overlay.to_str().unwrap()];
        let patch = spec(folder.path(), "patch", &document, &args);
        assert!(patch.status.success(), "{}", stderr(&patch));
        let text = std::fs::read_to_string(&overlay).unwrap();
        let mended = apply(&document, &text, folder.path().join("mended.json"));
        let after = findings(folder.path(), &mended);
        let gone: Vec<_> =
            before.iter().filter(|one| !after.iter().any(|two| one["id"] == two["id"])).collect();
        assert!(gone.iter().any(|one| one["id"] == shadow["id"]), "{wanted}");
        assert!(
            gone.iter().all(|one| one["path_template"] == template || one["path_template"] == ""),
            "{gone:#?}"
        );
    }
    let unknown = spec(folder.path(), "patch", &document, &["--endpoint", "GET /nothing"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("no endpoint that was seen"), "{}", stderr(&unknown));
    let several = spec(folder.path(), "patch", &fixture("openbanking/specs"), &[]);
    assert_eq!(several.status.code(), Some(2));
}

#[test]
fn a_difference_has_a_side() {
    let folder = tempfile::tempdir().unwrap();
    let document = fixture("openbanking/specs/accounts-v4.yaml");
    let json = spec(folder.path(), "diff", &document, &["--json"]);
    assert!(json.status.success(), "{}", stderr(&json));
    let all = lines(&stdout(&json));
    let sides = |side: &str| all.iter().filter(|one| one["side"] == side).count();
    assert!(sides("document") > 0 && sides("traffic") > 0 && sides("both") > 0, "{all:#?}");
    let kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
    assert!(kinds.contains(&"unseen_status") && kinds.contains(&"shadow_endpoint"), "{kinds:?}");
    let unseen = all.iter().find(|one| one["kind"] == "unseen_status").unwrap();
    assert!(unseen["document"]["line"].is_number());
    assert_eq!(unseen["count"], json!(0));
    let table = stdout(&spec(folder.path(), "diff", &document, &[]));
    for heading in
        ["operations documented", "Only in the document", "Only in traffic", "In both, and different"]
    {
        assert!(table.contains(heading), "{table}");
    }
}

#[test]
fn every_way_to_differ_from_a_document_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (document, traffic) = (folder.path().join("api.json"), folder.path().join("traffic.har"));
    let parameter = json!({"name": "since", "in": "query", "required": true, "schema": {"type": "string"}});
    let schema = json!({"type": "object", "properties": {
        "day": {"type": "string", "format": "date"},
        "state": {"enum": ["on", "off"]},
    }});
    let answer = json!({"200": {"description": "", "content": {"application/json": {"schema": schema}}}});
    let text = json!({
        "openapi": "3.0.3",
        "servers": [{"url": "https://api.example"}],
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
        "paths": {"/a": {"get": {"parameters": [parameter], "responses": answer}}},
    });
    std::fs::write(&document, text.to_string()).unwrap();
    let entries: Vec<Value> = (0..8)
        .map(|second| {
            json!({
                "startedDateTime": format!("2026-11-20T10:00:0{second}Z"),
                "request": {
                    "method": "GET",
                    "url": "https://api.example/a",
                    "headers": [{"name": "Authorization", "value": "Basic dTpw"}],
                },
                "response": {
                    "status": 200,
                    "headers": [{"name": "Content-Type", "value": "application/json"}],
                    "content": {"mimeType": "application/json", "text": r#"{"day": "soon", "state": "odd"}"#},
                },
            })
        })
        .collect();
    let log = json!({"log": {"version": "1.2", "creator": {"name": "", "version": ""}, "entries": entries}});
    std::fs::write(&traffic, log.to_string()).unwrap();
    let diff = |args: &[&str]| {
        let mut command = spanlight(folder.path());
        let output = command.args(["spec", "diff"]).args([&document, &traffic]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let all = lines(&diff(&["--json"]));
    let mut kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
    kinds.sort_unstable();
    let expected = [
        "missing_required_parameter",
        "response_enum_mismatch",
        "response_format_mismatch",
        "security_scheme_mismatch",
    ];
    assert_eq!(kinds.iter().filter(|kind| expected.contains(kind)).count(), 4, "{kinds:?}");
    let table = diff(&[]);
    assert!(table.contains("1 operation called, 0 of them as documented"), "{table}");
    assert!(table.contains("missing required parameter since"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 140), "{table}");
}
