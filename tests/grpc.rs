//! Calls that were recorded between real clients and servers of gRPC, gRPC-Web and Connect, with descriptors and without.
//!
//! A change of golden output that is meant is taken over with `SPANLIGHT_UPDATE_GOLDEN=1 cargo test --test grpc`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, assert_golden, fixture, lines, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const CAPTURES: [&str; 3] = ["grpc", "web", "connect"];

/// What an analysis writes: summary, inventory, findings. Names are relative, as a user in the repository gives them.
fn analyzed(captures: &[&str], more: &[&str]) -> (String, String, String) {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (inventory, findings) = (folder.path().join("inventory"), folder.path().join("findings"));
    let captures: Vec<String> = captures.iter().map(|name| format!("fixtures/grpc/{name}.pcap.gz")).collect();
    let mut args: Vec<&str> = captures.iter().map(String::as_str).collect();
    args.extend([
        "--inventory",
        inventory.to_str().unwrap(),
        "--findings",
        findings.to_str().unwrap(),
        "--all",
    ]);
    args.extend(more);
    let output = analyze(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let read = |file| std::fs::read_to_string(file).unwrap();
    (stdout(&output), read(inventory), read(findings))
}

#[test]
fn with_sources_fields_have_names_and_methods_are_known() {
    let (summary, inventory, findings) = analyzed(&CAPTURES, &["--descriptors", "fixtures/grpc/protos"]);
    assert_golden("grpc/golden/summary.txt", &summary);
    assert_golden("grpc/golden/inventory.jsonl", &inventory);
    assert_golden("grpc/golden/findings.jsonl", &findings);
}

/// Findings without where they are to be mended.
fn bare(findings: &str) -> Vec<Value> {
    let mut all = lines(findings);
    for finding in &mut all {
        drop(finding.as_object_mut().unwrap().remove("document"));
    }
    all.sort_by_key(ToString::to_string);
    all
}

#[test]
fn a_descriptor_set_tells_what_its_sources_do() {
    let (_, by_sources, of_sources) = analyzed(&CAPTURES, &["--descriptors", "fixtures/grpc/protos"]);
    let (_, by_set, of_set) = analyzed(&CAPTURES, &["--descriptors", "fixtures/grpc/bank.binpb"]);
    let unused = |finding: &Value| finding["kind"] != "unused_document";
    let kept = |findings: &str| bare(findings).into_iter().filter(unused).collect::<Vec<_>>();
    assert_eq!(kept(&of_sources), kept(&of_set));
    let classes = |inventory: &str| {
        lines(inventory)
            .iter()
            .map(|row| (row["id"].clone(), row["data_classes"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(classes(&by_sources), classes(&by_set));
}

/// Confirmed classes by field of an endpoint.
fn confirmed(inventory: &str, template: &str) -> BTreeMap<String, String> {
    let rows = lines(inventory);
    let row = rows.iter().find(|row| row["path_template"] == template).unwrap();
    let classes = row["data_classes"].as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    classes
        .iter()
        .filter(|one| one["state"] == "confirmed")
        .map(|one| (format!("{} {}", text(one, "location"), text(one, "field")), text(one, "class")))
        .collect()
}

#[test]
fn without_descriptors_fields_have_numbers() {
    let (_, inventory, _) = analyzed(&["grpc"], &[]);
    let found = confirmed(&inventory, "/bank.v1.Accounts/GetAccount");
    assert_eq!(found.get("response.body 200 $.2").map(String::as_str), Some("fin.iban"), "{found:#?}");
    assert_eq!(found.get("response.body 200 $.5.2").map(String::as_str), Some("contact.email"), "{found:#?}");
    let found = confirmed(&inventory, "/bank.v1.Accounts/PayCard");
    assert_eq!(found.get("request.body $.1").map(String::as_str), Some("fin.pan"), "{found:#?}");
}

#[test]
fn tags_name_fields_and_never_number_them() {
    let state = tempfile::tempdir().unwrap();
    let capture = fixture("grpc/grpc.pcap.gz").display().to_string();
    let protos = fixture("grpc/protos").display().to_string();
    let of_pay_card = |more: &[&str]| {
        let mut args = vec!["--tags", "-", &capture];
        args.extend(more);
        let all = lines(&stdout(&analyze(state.path(), &args)));
        let mut places: Vec<String> = all
            .iter()
            .filter(|line| line["endpoint"].as_str().is_none_or(|name| name.ends_with("/PayCard")))
            .flat_map(|line| line["tags"].as_array().unwrap())
            .filter(|tag| tag[0] == "request.body" && tag[2] == "fin.pan")
            .map(|tag| tag[1].as_str().unwrap().to_owned())
            .collect();
        let count = places.len();
        places.dedup();
        (count > 1, places)
    };
    // Of exchanges and of the endpoint.
    assert_eq!(of_pay_card(&[]), (true, vec!["$".to_owned()]));
    assert_eq!(of_pay_card(&["--descriptors", &protos]), (true, vec!["$.card_number".to_owned()]));
}

#[test]
fn calls_are_what_their_clients_made() {
    for name in CAPTURES {
        let state = tempfile::tempdir().unwrap();
        let capture = fixture(&format!("grpc/{name}.pcap.gz"));
        let output =
            analyze(state.path(), &["--transactions", "-", "--unredacted", capture.to_str().unwrap()]);
        let told = |rows: &[Value], keys: [&str; 4]| {
            let mut all: Vec<[Value; 4]> = rows
                .iter()
                .map(|row| keys.map(|key| row.pointer(key).cloned().unwrap_or_default()))
                // A deadline that passed and a call that was given up: the server told no outcome.
                .filter(|row| ![Value::from(1), Value::from(4), Value::Null].contains(&row[1]))
                .collect();
            all.sort_by_key(|row| format!("{row:?}"));
            all
        };
        let got = lines(&stdout(&output));
        let log = lines(&std::fs::read_to_string(fixture(&format!("grpc/{name}.jsonl"))).unwrap());
        assert_eq!(got.len(), log.len(), "{name}");
        assert_eq!(
            told(&got, ["/path", "/grpc/status", "/grpc/request_messages", "/grpc/response_messages"]),
            told(&log, ["/path", "/grpc_status", "/request_messages", "/response_messages"]),
            "{name}"
        );
    }
}
