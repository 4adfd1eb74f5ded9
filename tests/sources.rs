//! The same traffic through tap and through log: the same endpoints, and what each source cannot tell, as README.md has it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a column fails the test")]

mod common;

use common::{analyze, fixture, lines, stdout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const TAP: &str = "openbanking/scenario.pcap.gz";
const HAR: &str = "openbanking/partner.har";
const RECORDING_AID: &str = "openbanking/aid.jsonl.gz";
const JSON_LINES: &str = "openbanking/access.jsonl.gz";
const COMBINED: &str = "openbanking/access.log.gz";

fn output(input: &str, args: &[&str]) -> Vec<Value> {
    let (state, input) = (tempfile::tempdir().unwrap(), fixture(input));
    let args = [&[input.to_str().unwrap()], args].concat();
    lines(&stdout(&analyze(state.path(), &args)))
}

/// Method, host, template and class.
type Endpoint = (String, String, String, String);

/// The endpoints of an input with their requests, as learnt without documents.
fn endpoints(input: &str) -> BTreeMap<Endpoint, u64> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let key = |row: &Value| {
        (text(row, "method"), text(row, "host"), text(row, "path_template"), text(row, "class"))
    };
    output(input, &["--inventory", "-"])
        .iter()
        .map(|row| (key(row), row["count"].as_u64().unwrap()))
        .collect()
}

/// The endpoints with those joined that `host` gives the same host.
fn with_hosts(
    endpoints: &BTreeMap<Endpoint, u64>,
    host: impl Fn(&Endpoint) -> String,
) -> BTreeMap<Endpoint, u64> {
    endpoints.iter().fold(BTreeMap::new(), |mut all, (key, count)| {
        let (method, _, template, class) = key.clone();
        *all.entry((method, host(key), template, class)).or_default() += count;
        all
    })
}

#[test]
fn the_shipped_scenario_gives_the_same_endpoints_through_tap_and_through_log() {
    let tap = endpoints(TAP);
    assert_eq!((tap.len(), tap.values().sum::<u64>()), (164, 3_447));
    // nginx refuses a path that leads above its root before it reads the host.
    let refused = |(_, _, template, class): &Endpoint| {
        class == "scanner" && (template.ends_with("passwd") || template.ends_with("/etc/shadow"))
    };
    let without_refused = |all: &BTreeMap<Endpoint, u64>| {
        with_hosts(all, |key| if refused(key) { String::new() } else { key.1.clone() })
    };
    let wanted = without_refused(&tap);
    assert_eq!((tap.keys().filter(|key| refused(key)).count(), wanted.len()), (9, 158));
    for log in [JSON_LINES, RECORDING_AID] {
        assert_eq!(without_refused(&endpoints(log)), wanted, "{log}");
    }
    // The combined format holds no host.
    assert_eq!(endpoints(COMBINED), with_hosts(&tap, |_| String::new()));
}

/// What an input shows of the shipped scenario; what its calls cannot show is left out.
fn shown(input: &str) -> BTreeMap<&'static str, bool> {
    let specs = fixture("openbanking/specs");
    let specs = specs.to_str().unwrap();
    let inventory = output(input, &["--inventory", "-"]);
    let findings = output(input, &["--spec", specs, "--findings", "-"]);
    let calls = output(input, &["--transactions", "-"]);
    let list = |row: &Value, key: &str| row[key].as_array().unwrap().clone();
    let classes: Vec<String> = inventory
        .iter()
        .flat_map(|row| list(row, "data_classes"))
        .map(|class| class["location"].as_str().unwrap().to_owned())
        .collect();
    let schemes: Vec<String> = inventory
        .iter()
        .flat_map(|row| list(row, "auth"))
        .map(|scheme| scheme["name"].as_str().unwrap().to_owned())
        .collect();
    let any_call = |key: &str| calls.iter().any(|row| !row[key].is_null() && row[key] != 0 && row[key] != "");
    let found = |kind: &str| findings.iter().any(|row| row["kind"] == kind);
    let mut shown = BTreeMap::from([
        ("endpoints, methods, statuses", any_call("method") && any_call("status") && any_call("endpoint")),
        ("hosts", any_call("host")),
        ("schemes of credentials", schemes.iter().any(|name| name == "api_key")),
        ("data classes in bodies", classes.iter().any(|place| place == "response.body")),
        ("media types", any_call("response_content_type")),
        ("client's address", any_call("client")),
        ("server's address", any_call("server")),
        ("latency", any_call("latency_us")),
        ("size of requests", any_call("request_body_len")),
        ("size of responses", any_call("response_body_len")),
        ("version of HTTP", any_call("protocol")),
    ]);
    // The partners' calls have neither tokens, queries, drift nor an end.
    if input != HAR {
        shown.extend([
            ("names of query parameters", found("undocumented_query_param")),
            ("issuers of tokens", schemes.iter().any(|name| name == "jwt")),
            ("data classes in paths, queries", classes.iter().any(|place| place == "request.path")),
            ("shapes of bodies, drift", found("response_type_mismatch")),
            ("announced ends", inventory.iter().any(|row| row["lifecycle"] != "active")),
        ]);
    }
    shown
}

#[test]
fn the_readme_says_of_each_source_what_it_shows() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split_once("## What each source can tell").unwrap().1;
    let table: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let (head, rows) = table.split_first().unwrap();
    for (source, input) in
        [("capture", TAP), ("HAR", HAR), ("JSON lines", RECORDING_AID), ("combined", COMBINED)]
    {
        let column = head.iter().position(|name| name.starts_with(source)).unwrap();
        for (what, is_shown) in shown(input) {
            let row = rows.iter().find(|row| row.first() == Some(&what));
            let cell = row.unwrap_or_else(|| panic!("no row for {what}")).get(column).unwrap();
            let said = if is_shown { "yes" } else { "no" };
            assert!(cell.starts_with(said), "{what} from {source}: README says {cell:?}, shown is {said}");
        }
    }
}
