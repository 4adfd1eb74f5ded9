//! Catalogues of gateways beside documents, as a user meets them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const KONG: &str = "\
_format_version: '3.0'
services:
  - name: open-banking
    routes:
      - name: read
        hosts: [api.bank.example]
        methods: [GET]
        paths: [/open-banking]
        strip_path: false
      - name: odd
        hosts: [odd.bank.example]
        paths: [7]
";

const ROUTES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: x}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: payments}
spec:
  hostnames: [api.bank.example]
  rules:
    - matches:
        - path: {type: PathPrefix, value: /open-banking}
          method: POST
        - path: {type: Exact, value: /never/called}
";

fn findings(folder: &Path, specs: &Path) -> (Vec<Value>, String) {
    let input = fixture("openbanking/scenario.pcap.gz");
    let args = [input.to_str().unwrap(), "--spec", specs.to_str().unwrap(), "--findings", "-"];
    let output = analyze(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    (lines(&stdout(&output)), stderr(&output))
}

/// What a finding is, whatever its words and place.
fn subject(finding: &Value) -> (String, String, String) {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (text("kind"), format!("{} {}{}", text("method"), text("host"), text("path_template")), text("detail"))
}

#[test]
fn a_catalogue_tells_routes_and_takes_nothing_from_what_documents_say() {
    let folder = tempfile::tempdir().unwrap();
    let specs = folder.path().join("specs");
    fs::create_dir(&specs).unwrap();
    fs::copy(fixture("openbanking/specs/accounts-v4.yaml"), specs.join("accounts.yaml")).unwrap();
    let (before, _) = findings(folder.path(), &specs);
    fs::write(specs.join("kong.yaml"), KONG).unwrap();
    fs::write(specs.join("routes.yaml"), ROUTES).unwrap();
    let (after, complaints) = findings(folder.path(), &specs);
    assert!(
        complaints.contains("kong.yaml: line 12, /services/0/routes/1/paths/0: must be a text"),
        "{complaints}"
    );

    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (before.iter().map(subject).collect(), after.iter().map(subject).collect());
    assert!(old.is_subset(&new), "{:?}", old.difference(&new).collect::<Vec<_>>());
    let added: BTreeSet<&str> = new.difference(&old).map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(added, BTreeSet::from(["unrouted_endpoint", "unused_operation"]));

    let of = |kind: &'static str| after.iter().filter(move |one| one["kind"] == kind);
    let words = |one: &Value| one["explanation"].as_str().unwrap().to_owned();
    let routed: Vec<_> = of("shadow_endpoint").filter(|one| words(one).contains("routes it as `")).collect();
    assert!(!routed.is_empty());
    for one in &routed {
        let (name, line) = if one["method"] == "GET" {
            ("Kong) routes it as `read`", 5)
        } else {
            ("Kubernetes Gateway API) routes it as `payments`", 12)
        };
        assert!(words(one).contains(name), "{one}");
        assert_eq!(one["document"]["line"], line, "{one}");
        assert!(one["path_template"].as_str().unwrap().starts_with("/open-banking"));
    }
    for one in of("unrouted_endpoint") {
        assert_eq!(one["host"], "api.bank.example");
        assert!(words(one).starts_with("no route of the gateway"), "{one}");
    }
    let unused = of("unused_operation").find(|one| one["path_template"] == "/never/called").unwrap();
    assert_eq!((&unused["document"]["line"], &unused["host"]), (&14.into(), &"api.bank.example".into()));

    // Alone they document nothing.
    fs::remove_file(specs.join("accounts.yaml")).unwrap();
    let (alone, _) = findings(folder.path(), &specs);
    assert!(alone.iter().all(|one| !one["kind"].as_str().unwrap().starts_with("undocumented")), "{alone:#?}");
    assert!(alone.iter().all(|one| one["kind"] != "shadow_endpoint"));
    assert!(alone.iter().any(|one| one["kind"] == "unrouted_endpoint"));
}
