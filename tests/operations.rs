//! Operations under URLs that stand for many: what real servers carried out is what the inventory tells.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeMap;

fn capture() -> String {
    fixture("operations/operations.pcap.gz").display().to_string()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn inventory(args: &[&str]) -> Vec<Value> {
    let state = tempfile::tempdir().unwrap();
    let capture = capture();
    let mut all = vec!["--inventory", "-"];
    all.extend(args);
    all.push(&capture);
    lines(&stdout(&analyze(state.path(), &all)))
}

fn is_operation(row: &Value) -> bool {
    row.get("operation").is_some_and(|operation| !operation.is_null())
}

/// Calls and errors by kind, type and name.
type Counts = BTreeMap<(String, String, String), (u64, u64)>;

/// What the servers say that they carried out or refused.
fn truth() -> Counts {
    let text_of = |value: &Value, name: &str| text(value, name).to_owned();
    let mut counts = Counts::new();
    for line in lines(&std::fs::read_to_string(fixture("operations/operations.jsonl")).unwrap()) {
        let mut name = text_of(&line, "/name");
        // A client put a value into the name of its operation: it goes by its root fields.
        if name.starts_with("For_") {
            "{ me }".clone_into(&mut name);
        }
        let slot = counts.entry((text_of(&line, "/kind"), text_of(&line, "/type"), name)).or_default();
        slot.0 += 1;
        slot.1 += u64::from(line.get("failed").and_then(Value::as_bool).unwrap());
    }
    counts
}

#[test]
fn every_operation_is_told_as_its_server_tells_it() {
    let rows = inventory(&[]);
    let mut counts = Counts::new();
    for row in rows.iter().filter(|row| is_operation(row)) {
        let key =
            ["/operation/kind", "/operation/type", "/operation/name"].map(|name| text(row, name).to_owned());
        let slot = counts.entry(key.into()).or_default();
        slot.0 += number(row, "/count");
        slot.1 += number(row, "/operation/errors");
        let parent = rows.iter().find(|one| text(one, "/id") == text(row, "/operation/parent")).unwrap();
        assert_eq!(text(parent, "/path_template"), text(row, "/path_template"));
        assert!(!is_operation(parent));
    }
    assert_eq!(counts, truth());
    let ids: std::collections::BTreeSet<&str> = rows.iter().map(|row| text(row, "/id")).collect();
    assert_eq!(ids.len(), rows.len(), "every row has an id of its own");
}

#[test]
fn data_classes_stand_at_the_paths_of_each_operation() {
    let rows = inventory(&[]);
    let classes = |name: &str, method: &str| -> Vec<String> {
        let row = rows
            .iter()
            .find(|row| text(row, "/operation/name") == name && text(row, "/method") == method)
            .unwrap_or_else(|| panic!("{name} is in the inventory"));
        let all = row.get("data_classes").and_then(Value::as_array).unwrap();
        all.iter()
            .filter(|class| {
                text(class, "/class") == "fin.iban" && text(class, "/location") != "request.header"
            })
            .map(|class| format!("{} {}", text(class, "/location"), text(class, "/field")))
            .collect()
    };
    assert_eq!(
        classes("Balance", "POST"),
        ["request.body $.variables.iban", "response.body 200 $.data.account.iban"]
    );
    assert_eq!(classes("{ account }", "POST"), ["request.body $.arguments.account.iban"]);
    assert_eq!(classes("ByUrl", "GET"), ["request.query $.variables.iban"]);
    assert_eq!(classes("accounts.balance", "POST")[0], "request.body $.iban");
    assert_eq!(classes("GetBalance", "POST"), ["request.body /Envelope/Body/GetBalance/iban"]);
}

#[test]
fn no_output_about_operations_holds_a_planted_value() {
    let state = tempfile::tempdir().unwrap();
    let lake = state.path().join("lake").display().to_string();
    let capture = capture();
    let mut written = String::new();
    for args in [
        vec!["--inventory", "-", &capture],
        vec!["--findings", "-", &capture],
        vec!["--tags", "-", &capture],
        vec!["--transactions", "-", "--all", &capture],
        vec!["--lake", &lake, &capture],
    ] {
        let output = analyze(state.path(), &args);
        written.push_str(&stdout(&output));
        written.push_str(&stderr(&output));
    }
    let planted = std::fs::read_to_string(fixture("operations/planted.txt")).unwrap();
    let mut values = 0;
    for value in planted.lines() {
        assert!(!written.contains(value), "a planted value of {} bytes is shown", value.len());
        values += 1;
    }
    assert!(values > 4);
    assert!(written.contains("accounts.balance"));
}

#[test]
fn introspection_and_undocumented_urls_are_findings_and_operations_are_none() {
    let state = tempfile::tempdir().unwrap();
    let documents = state.path().join("specs");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(
        documents.join("graph.yaml"),
        "openapi: 3.0.3\ninfo: {title: Gate, version: '1'}\nservers: [{url: 'http://graph.ops.example'}]\n\
         paths:\n  /v1/gate:\n    post: {responses: {default: {description: any}}}\n    get: {responses: {default: {description: any}}}\n",
    )
    .unwrap();
    let capture = capture();
    let args = ["--spec", documents.to_str().unwrap(), "--findings", "-", &capture];
    let findings = lines(&stdout(&analyze(state.path(), &args)));
    let of =
        |kind: &str| -> Vec<&Value> { findings.iter().filter(|one| text(one, "/kind") == kind).collect() };
    let introspection = of("graphql_introspection");
    assert_eq!(introspection.len(), 1);
    assert_eq!(number(introspection[0], "/count"), 2);
    assert_eq!(text(introspection[0], "/severity"), "medium");
    let shadow = of("shadow_endpoint");
    let hosts: Vec<&str> = shadow.iter().map(|one| text(one, "/host")).collect();
    assert!(!hosts.contains(&"graph.ops.example"), "a documented URL documents its operations: {hosts:?}");
    let rpc = shadow.iter().find(|one| text(one, "/host") == "rpc.ops.example").unwrap();
    let words = text(rpc, "/explanation");
    assert!(words.contains("it stands for 3 operations: JSON-RPC accounts.balance"), "{words}");
    assert_eq!(shadow.iter().filter(|one| text(one, "/path_template") == "/rpc").count(), 1);
}

#[test]
fn shards_and_the_lake_tell_the_same() {
    let one = inventory(&["--shards", "1"]);
    assert_eq!(one, inventory(&["--shards", "3"]));
    if cfg!(feature = "lake") {
        let state = tempfile::tempdir().unwrap();
        let lake = state.path().join("lake").display().to_string();
        analyze(state.path(), &["--lake", &lake, &capture()]);
        let read = |args: &[&str]| {
            let output = common::spanlight(state.path())
                .args(["inventory", "--lake", &lake])
                .args(args)
                .output()
                .unwrap();
            stdout(&output)
        };
        let mut from_lake: Vec<String> = lines(&read(&["--json"])).iter().map(Value::to_string).collect();
        let mut direct: Vec<String> = one.iter().map(Value::to_string).collect();
        from_lake.sort();
        direct.sort();
        assert_eq!(from_lake, direct);
        let table = read(&[]);
        for words in ["operations under them", "query Balance", "mutation Pay", "2 errors", "GetBalance"] {
            assert!(table.contains(words), "{words} in the table:\n{table}");
        }
    }
}

#[test]
fn a_url_that_stands_for_many_is_explained_as_itself() {
    let capture = capture();
    for row in inventory(&[]).iter().filter(|row| !is_operation(row)) {
        let place = format!("{} {}{}", text(row, "/method"), text(row, "/host"), text(row, "/path_template"));
        let state = tempfile::tempdir().unwrap();
        let explained = common::spanlight(state.path())
            .args(["inventory", "--quiet", &capture, "--explain", &place])
            .output()
            .unwrap();
        let told = stdout(&explained);
        let first = told.lines().next().unwrap_or_default();
        assert!(first.ends_with(&place), "{place}: {told}{}", stderr(&explained));
    }
}
