//! What proxies and test tools keep: the same exchanges give the same answer whichever tool kept them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stderr, stdout};
use serde_json::{Value, json};

/// The files of `fixtures/recordings` that hold the exchanges of `partner.har`.
const SAME: [&str; 7] = [
    "partner.mitm.gz",
    "partner.burp.xml.gz",
    "partner.postman_collection.json.gz",
    "partner.tap.json.gz",
    "partner.tap.pb.gz",
    "partner.tap_streamed.json.gz",
    "partner.tap_streamed.pb.gz",
];

fn output(file: &str, option: &str) -> Vec<Value> {
    let state = tempfile::tempdir().unwrap();
    let (file, specs) = (fixture(file), fixture("openbanking/specs"));
    let file = file.to_str().unwrap();
    let output = analyze(state.path(), &[file, "--spec", specs.to_str().unwrap(), option, "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    lines(&stdout(&output))
}

/// Each endpoint but for when it was called, how, and where: tools round times, and leave fields of a head and addresses out.
fn endpoints(file: &str) -> Vec<Value> {
    let mut rows = output(file, "--inventory");
    for row in &mut rows {
        for key in ["first_seen", "last_seen", "callers", "auth", "servers"] {
            assert!(row.as_object_mut().unwrap().remove(key).is_some(), "{key} in {row}");
        }
        // Without all fields of a head it is not known which policies were stated.
        row.as_object_mut().unwrap().remove("policies");
        for list in ["versions", "data_classes"] {
            for one in row[list].as_array_mut().unwrap() {
                for key in ["first_seen", "last_seen"] {
                    assert!(one.as_object_mut().unwrap().remove(key).is_some(), "{key} in {one}");
                }
            }
        }
    }
    rows
}

#[test]
fn the_same_exchanges_give_the_same_endpoints_whichever_tool_kept_them() {
    let wanted = endpoints("openbanking/partner.har");
    assert_eq!(wanted.len(), 4);
    assert!(wanted.iter().any(|row| !row["data_classes"].as_array().unwrap().is_empty()));
    for file in SAME {
        assert_eq!(endpoints(&format!("recordings/{file}")), wanted, "{file}");
    }
}

#[test]
fn flows_of_each_version_of_mitmproxy_hold_what_the_client_made() {
    for version in [9, 10, 11] {
        let made =
            std::fs::read_to_string(fixture(&format!("recordings/mitmproxy-{version}.jsonl"))).unwrap();
        let wanted: Vec<Value> = lines(&made)
            .iter()
            .map(|call| {
                let (_, rest) = call["url"].as_str().unwrap().split_once("://").unwrap();
                let (authority, _) = rest.split_once('/').unwrap();
                let protocol = if call["protocol"] == "2" { "HTTP/2" } else { "HTTP/1.1" };
                json!([
                    call["method"],
                    authority.strip_suffix(":18081").unwrap(),
                    call["status"],
                    call["request"],
                    call["response"],
                    protocol
                ])
            })
            .collect();
        let got: Vec<Value> = output(&format!("recordings/mitmproxy-{version}.mitm"), "--transactions")
            .iter()
            // The script asks until the proxy is up.
            .filter(|row| row["host"] != "127.0.0.1")
            .map(|row| {
                json!([
                    row["method"],
                    row["host"],
                    row["status"],
                    row["request_body_len"],
                    row["response_body_len"],
                    row["protocol"]
                ])
            })
            .collect();
        assert_eq!(got, wanted, "mitmproxy {version}");
    }
}

#[test]
fn what_a_collection_holds_that_no_server_answered_is_told_and_the_rest_is_marked() {
    let state = tempfile::tempdir().unwrap();
    let collection = fixture("recordings/partner.postman_collection.json.gz");
    let output = analyze(state.path(), &[collection.to_str().unwrap(), "--transactions", "-"]);
    let told = stderr(&output);
    assert!(told.contains("2 requests or examples of the collection are no exchange"), "{told}");
    let rows = lines(&stdout(&output));
    assert_eq!(rows.len(), 47);
    assert!(rows.iter().all(|row| row["anomalies"] == json!(["saved_example"])), "{:?}", rows[0]);
}
