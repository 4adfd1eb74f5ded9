//! Dialogues between real peers, held against what their clients counted.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stdout};
use serde_json::{Value, json};

fn counted(name: &str) -> Vec<Value> {
    lines(&std::fs::read_to_string(fixture("websocket").join(format!("{name}.jsonl"))).unwrap())
}

/// What `analyze` tells of a capture: its exchanges and its inventory.
fn told(name: &str) -> (Vec<Value>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory.jsonl");
    let capture = fixture("websocket").join(format!("{name}.pcap.gz"));
    let keys = fixture("websocket").join("tls.keys");
    let (capture, inventory_path, keys) =
        (capture.to_str().unwrap(), inventory.to_str().unwrap(), keys.to_str().unwrap());
    let args = ["--transactions", "-", "--inventory", inventory_path, "--keylog", keys, capture];
    let output = analyze(folder.path(), &args);
    assert!(output.status.success());
    (lines(&stdout(&output)), lines(&std::fs::read_to_string(&inventory).unwrap()))
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// Messages of text and bytes each way and why it was closed, as the client counted and as `--transactions` tells.
fn sums(dialogue: &Value) -> [u64; 5] {
    ["/sent", "/sent_binary", "/received", "/received_binary", "/close"].map(|name| number(dialogue, name))
}

fn heard(row: &Value) -> [u64; 5] {
    [
        "/dialogue/to_server/text",
        "/dialogue/to_server/binary",
        "/dialogue/to_client/text",
        "/dialogue/to_client/binary",
        "/dialogue/close_code",
    ]
    .map(|name| number(row, name))
}

#[test]
fn every_dialogue_holds_what_its_client_counted() {
    for (name, version, status) in
        [("nginx", "HTTP/1.1", 101), ("tls", "HTTP/1.1", 101), ("h2", "HTTP/2", 200)]
    {
        let (rows, _) = told(name);
        let sockets: Vec<&Value> =
            rows.iter().filter(|row| row.pointer("/dialogue/kind") == Some(&json!("websocket"))).collect();
        let wanted = counted(name);
        assert_eq!(
            sockets.iter().map(|row| heard(row)).collect::<Vec<_>>(),
            wanted.iter().map(sums).collect::<Vec<_>>(),
            "{name}"
        );
        for (row, dialogue) in sockets.iter().zip(&wanted) {
            assert_eq!((row["protocol"].as_str(), number(row, "/status")), (Some(version), status), "{name}");
            assert_eq!(row["method"], "GET", "{name}");
            // Its pings, and the close that each side sends unless it is dropped.
            let close = u64::from(dialogue["close"] != 1006);
            assert_eq!(
                number(row, "/dialogue/to_server/control"),
                number(dialogue, "/pings") + close,
                "{name}: {dialogue}"
            );
            assert_eq!(number(row, "/dialogue/to_client/unread"), 0, "{name}");
        }
    }
}

#[test]
fn streams_of_events_are_read_over_both_versions() {
    for (name, events, comments) in [("nginx", 30 + 10 + 6, 2), ("h2", 30 + 10 + 6, 2)] {
        let (rows, inventory) = told(name);
        let stream =
            rows.iter().find(|row| row.pointer("/dialogue/kind") == Some(&json!("event_stream"))).unwrap();
        assert_eq!(number(stream, "/dialogue/to_client/text"), events, "{name}");
        assert_eq!(number(stream, "/dialogue/to_client/control"), comments, "{name}");
        assert_eq!(stream["completeness"], "complete", "{name}");
        let endpoint = inventory.iter().find(|row| row["path_template"] == "/v1/events").unwrap();
        assert_eq!(
            endpoint["message_kinds"],
            json!([
                {"name": "server event=payment", "count": 10},
                {"name": "server event=price", "count": 30},
                {"name": "server type=note", "count": 6},
            ]),
            "{name}"
        );
        let fields: Vec<(&str, &str)> = classes(endpoint);
        assert!(fields.contains(&("event=payment $.debtor.iban", "fin.iban")), "{name}: {fields:?}");
        assert!(fields.contains(&("type=note $.email", "contact.email")), "{name}: {fields:?}");
    }
}

/// Fields of messages, and what they are confirmed to hold.
fn classes(endpoint: &Value) -> Vec<(&str, &str)> {
    let text = |class: &'_ Value, name| class[name].as_str().unwrap().to_owned().leak() as &str;
    endpoint["data_classes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|class| class["state"] == "confirmed" && text(class, "location").ends_with(".message"))
        .map(|class| (text(class, "field"), text(class, "class")))
        .collect()
}

#[test]
fn messages_are_classified_by_side_and_kind() {
    let (_, inventory) = told("nginx");
    let endpoint = inventory.iter().find(|row| row["path_template"] == "/v1/desk/deflate").unwrap();
    assert_eq!((number(endpoint, "/count"), endpoint["class"].as_str()), (3, Some("api")));
    assert_eq!(
        endpoint["message_kinds"],
        json!([
            {"name": "client", "count": 3},
            {"name": "client type=bye", "count": 1},
            {"name": "client type=history", "count": 3},
            {"name": "client type=pay", "count": 9},
            {"name": "client type=subscribe", "count": 9},
            {"name": "server", "count": 3},
            {"name": "server type=history", "count": 3},
            {"name": "server type=payment", "count": 9},
            {"name": "server type=price", "count": 54},
            {"name": "server type=welcome", "count": 3},
        ])
    );
    assert_eq!(endpoint["close_codes"], json!([{"name": "1000", "count": 2}, {"name": "4001", "count": 1}]));
    let fields = classes(endpoint);
    for wanted in [
        ("type=pay $.creditor.iban", "fin.iban"),
        ("type=pay $.creditor.email", "contact.email"),
        ("type=payment $.debtor.iban", "fin.iban"),
        ("type=history $.rows[*].iban", "fin.iban"),
    ] {
        assert!(fields.contains(&wanted), "{wanted:?}: {fields:?}");
    }
}
