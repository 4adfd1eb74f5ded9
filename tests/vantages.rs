//! The same calls seen at the edge, at the gateway and at the service: one API, each exchange counted once.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stderr, stdout};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Calls that came through the edge, of each of two operations.
const CALLS: usize = 40;
/// Calls of the service that did not come through the gateway.
const PAST: usize = 5;

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn id(n: usize) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", n * 7_919 + 5, n * 104_729 + 11)
}

fn instant(n: usize, millis: usize) -> String {
    format!("2026-04-15T10:{:02}:{:02}.{millis:03}Z", n / 60, n % 60)
}

/// The logs of edge, gateway and service. The service failed twice, which the gateway hid.
fn logs() -> [Vec<String>; 3] {
    let [mut edge, mut gateway, mut service] = [const { Vec::new() }; 3];
    for n in 0..CALLS {
        for (operation, tail) in [("accounts", ""), ("accounts", "/balances")] {
            let number = n * 2 + usize::from(!tail.is_empty());
            let path = format!("{operation}/{}{tail}", 40_000_000 + n * 37);
            let failed = number == 6 || number == 20;
            edge.push(line(&json!({
                "time_iso8601": instant(number, 0), "request_method": "GET", "http_host": "api.bank.example",
                "request_uri": format!("/open-banking/v3.1/aisp/{path}"), "status": 200, "request_time": 0.03,
                "remote_addr": format!("192.0.2.{}", n % 4 + 1), "request_id": id(number).replace('-', ""),
                "http_authorization": format!("Bearer token-{}", n % 4), "body_bytes_sent": 100,
                "sent_http_content_type": "application/json", "ssl_protocol": "TLSv1.3",
            })));
            gateway.push(line(&json!({
                "start_time": instant(number, 5), "method": "GET", "authority": "gateway.internal",
                "path": format!("/ob/{path}"), "response_code": 200, "duration": 20, "bytes_sent": 120,
                "request.headers.x-request-id": id(number), "downstream_remote_address": "10.0.0.1:5000",
                "response.headers.content-type": "application/json",
            })));
            service.push(line(&json!({
                "ts": instant(number, 9), "method": "GET", "host": "accounts.svc:8080",
                "uri": format!("/v3.1/{path}"), "status": if failed { 503 } else { 200 }, "size": 100,
                "headers.traceparent": format!("00-{}-00f067aa0ba902b7-01", id(number).replace('-', "")),
                "remote_ip": "10.0.0.2", "response.headers.content-type": "application/json",
            })));
        }
    }
    for n in 0..PAST {
        service.push(line(&json!({
            "ts": instant(n * 10 + 3, 500), "method": "GET", "host": "accounts.svc:8080",
            "uri": format!("/v3.1/accounts/{}", 50_000_000 + n), "status": 200, "size": 100,
            "remote_ip": "10.0.0.77", "response.headers.content-type": "application/json",
        })));
    }
    // What nobody outside can reach is no way past the gateway.
    service.push(line(&json!({
        "ts": instant(30, 0), "method": "POST", "host": "accounts.svc:8080", "uri": "/internal/reindex",
        "status": 200, "size": 10, "remote_ip": "10.0.0.9", "response.headers.content-type": "application/json",
    })));
    [edge, gateway, service]
}

fn write(folder: &Path, name: &str, lines: &[String]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, lines.concat()).unwrap();
    file
}

fn run(folder: &Path, vantages: &[(&str, PathBuf)], more: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let given: Vec<String> =
        vantages.iter().map(|(label, file)| format!("{label}:{}", file.display())).collect();
    let (inventory, findings) = (folder.join("inventory"), folder.join("findings"));
    let mut args: Vec<&str> = given.iter().flat_map(|one| ["--vantage", one]).collect();
    args.extend(["--inventory", inventory.to_str().unwrap(), "--findings", findings.to_str().unwrap()]);
    args.extend(more);
    let output = analyze(folder, &args);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let read = |file: &Path| lines(&std::fs::read_to_string(file).unwrap());
    (read(&inventory), read(&findings))
}

#[test]
fn three_logs_of_the_same_calls_are_one_api() {
    let folder = tempfile::tempdir().unwrap();
    let [edge, gateway, service] = logs();
    let files = [
        ("edge", write(folder.path(), "edge.log", &edge)),
        ("gateway", write(folder.path(), "gateway.log", &gateway)),
        ("service", write(folder.path(), "service.log", &service)),
    ];
    let (inventory, findings) = run(folder.path(), &files, &[]);
    let apis: Vec<_> = inventory
        .iter()
        .map(|row| {
            (
                row["host"].as_str().unwrap(),
                row["path_template"].as_str().unwrap(),
                row["count"].as_u64().unwrap(),
            )
        })
        .collect();
    let calls = CALLS as u64;
    assert_eq!(
        apis,
        [
            ("accounts.svc", "/internal/reindex", 1),
            ("api.bank.example", "/open-banking/v3.1/aisp/accounts/{accountId}", calls + PAST as u64),
            ("api.bank.example", "/open-banking/v3.1/aisp/accounts/{accountId}/balances", calls),
        ]
    );
    let accounts = &inventory[1];
    assert_eq!(
        accounts["vantages"],
        json!([
            {"name": "edge GET api.bank.example/open-banking/v3.1/aisp/accounts/{accountId}", "count": CALLS},
            {"name": "gateway GET gateway.internal/ob/accounts/{accountId}", "count": CALLS},
            {"name": "service GET accounts.svc/v3.1/accounts/{accountId}", "count": CALLS + PAST},
        ])
    );
    assert_eq!(accounts["unseen_outside"], json!([{"name": "service", "count": PAST}]));
    assert_eq!(
        accounts["vantage_differences"],
        json!([{"name": "status gateway 200 service 503", "count": 2}])
    );
    assert_eq!(accounts["auth"], json!([{"name": "bearer", "count": CALLS}]));
    assert_eq!(inventory[2]["unseen_outside"], json!([]));
    let told: Vec<_> = findings
        .iter()
        .filter(|finding| {
            ["gateway_bypass", "vantage_disagreement"].contains(&finding["kind"].as_str().unwrap())
        })
        .map(|finding| {
            (
                finding["kind"].as_str().unwrap(),
                finding["severity"].as_str().unwrap(),
                finding["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("gateway_bypass", "high", PAST as u64), ("vantage_disagreement", "low", 2)]);
}

#[test]
fn neither_the_order_nor_the_split_of_the_logs_shows() {
    let folder = tempfile::tempdir().unwrap();
    let whole = {
        let [edge, gateway, service] = logs();
        let files = [
            ("edge", write(folder.path(), "edge.log", &edge)),
            ("gateway", write(folder.path(), "gateway.log", &gateway)),
            ("service", write(folder.path(), "service.log", &service)),
        ];
        run(folder.path(), &files, &[])
    };
    let [mut edge, mut gateway, mut service] = logs();
    // Only the places keep their order: the first named is the outermost.
    let tail = edge.split_off(20);
    gateway.reverse();
    service.rotate_left(33);
    let files = [
        ("edge", write(folder.path(), "edge-2.log", &tail)),
        ("gateway", write(folder.path(), "gateway.log", &gateway)),
        ("service", write(folder.path(), "service-1.log", &service[..50])),
        ("edge", write(folder.path(), "edge-1.log", &edge)),
        ("service", write(folder.path(), "service-2.log", &service[50..])),
    ];
    assert_eq!(run(folder.path(), &files, &["--shards", "3"]), whole);
}

#[test]
fn one_place_alone_is_no_vantage() {
    let folder = tempfile::tempdir().unwrap();
    let [edge, ..] = logs();
    let file = write(folder.path(), "edge.log", &edge);
    let (labelled, _) = run(folder.path(), &[("edge", file.clone())], &[]);
    let inventory = folder.path().join("plain");
    let output =
        analyze(folder.path(), &[file.to_str().unwrap(), "--inventory", inventory.to_str().unwrap()]);
    assert!(output.status.success());
    assert_eq!(labelled, lines(&std::fs::read_to_string(inventory).unwrap()));
    assert!(labelled.iter().all(|row| row["vantages"] == json!([])));
}

#[test]
fn a_label_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for given in ["edge", "edge:", ":a.log", "a b:a.log"] {
        let output = analyze(folder.path(), &["--vantage", given]);
        assert_eq!(output.status.code(), Some(2), "{given}");
        assert!(stderr(&output).contains("--vantage"), "{given}: {}", stderr(&output));
    }
}

#[test]
fn a_log_and_a_capture_of_the_same_traffic_count_it_once_and_keep_what_bodies_told() {
    let folder = tempfile::tempdir().unwrap();
    let [log, wire] = ["openbanking/access.jsonl.gz", "openbanking/scenario.pcap.gz"].map(fixture);
    let alone = folder.path().join("alone");
    let output = analyze(folder.path(), &[wire.to_str().unwrap(), "--inventory", alone.to_str().unwrap()]);
    assert!(output.status.success());
    let alone = lines(&std::fs::read_to_string(alone).unwrap());
    let (both, findings) = run(folder.path(), &[("log", log), ("wire", wire)], &[]);
    let name = |row: &Value| ["method", "host", "path_template", "class"].map(|part| row[part].clone());
    assert_eq!(both.iter().map(name).collect::<Vec<_>>(), alone.iter().map(name).collect::<Vec<_>>());
    let calls = |rows: &[Value]| rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>();
    // The log names another host for six of the scanner's calls, and notes one call when its long body had ended.
    assert_eq!((calls(&alone), calls(&both)), (3_447, 3_447 + 7));
    for (both, alone) in both.iter().zip(&alone) {
        let classes = |row: &Value| -> Vec<_> {
            let all = row["data_classes"].as_array().unwrap().iter();
            all.map(|one| ["location", "field", "class"].map(|part| one[part].clone())).collect()
        };
        assert_eq!(classes(both), classes(alone), "{}", both["path_template"]);
        assert_eq!(both["vantage_differences"], json!([]));
    }
    assert!(findings.iter().all(|finding| finding["kind"] != "gateway_bypass"), "no id says so");
}
