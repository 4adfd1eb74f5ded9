//! Captures replayed through the command: each wire case against the exchanges it was built from, the
//! recorded scenario against what its server logged and its documents promise.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, stderr, stdout};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// What a case and the command both tell of an exchange.
fn told(value: &Value) -> (String, String, String, u64, u64, u64, String) {
    let path = text(value, "path").split('?').next().unwrap_or_default().to_owned();
    (
        text(value, "method").to_owned(),
        text(value, "host").to_owned(),
        path,
        number(value, "status"),
        number(value, "request_body_len"),
        number(value, "response_body_len"),
        text(value, "completeness").to_owned(),
    )
}

#[test]
fn every_wire_case_gives_its_exchanges() {
    let state = tempfile::tempdir().unwrap();
    let mut cases = 0;
    let mut names: Vec<_> =
        std::fs::read_dir(fixture("wire")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for case in names.iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml")) {
        let expected: Value = serde_norway::from_slice(&std::fs::read(case).unwrap()).unwrap();
        let capture = fixture("wire").join(text(&expected, "capture"));
        let output =
            analyze(state.path(), &["--transactions", "-", "--unredacted", capture.to_str().unwrap()]);
        let rows = lines(&stdout(&output));
        let got: Vec<_> = rows.iter().map(told).collect();
        let exchanges: Vec<_> =
            expected.get("transactions").and_then(Value::as_array).into_iter().flatten().collect();
        let wanted: Vec<_> = exchanges.iter().copied().map(told).collect();
        assert_eq!(got, wanted, "{}: {}", case.display(), text(&expected, "story"));
        for (row, exchange) in rows.iter().zip(exchanges) {
            if exchange.get("protocol").is_some() {
                assert_eq!(text(row, "protocol"), text(exchange, "protocol"), "{}", case.display());
            }
            for (name, stated) in [
                ("status", "grpc_status"),
                ("request_messages", "request_messages"),
                ("response_messages", "response_messages"),
            ] {
                let call = row.get("grpc").and_then(|call| call.get(name));
                assert_eq!(call, exchange.get(stated), "{stated}: {}", case.display());
            }
        }
        cases += 1;
    }
    assert!(cases > 50, "only {cases} wire cases were found");
}

#[test]
fn every_tls_case_gives_what_its_server_logged() {
    let state = tempfile::tempdir().unwrap();
    let folder = fixture("tls");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut cases = 0;
    for case in names.iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml")) {
        let expected: Value = serde_norway::from_slice(&std::fs::read(case).unwrap()).unwrap();
        let capture = folder.join(text(&expected, "capture")).display().to_string();
        let keys = expected.get("keys").and_then(Value::as_str);
        let keys = keys.map(|keys| folder.join(keys).display().to_string());
        let mut args = vec!["--transactions", "-", "--unredacted", &capture];
        args.extend(keys.iter().flat_map(|keys| ["--keylog", keys]));
        let output = analyze(state.path(), &args);
        let names = ["/method", "/host", "/path", "/protocol", "/status", "/request_body_len"];
        let names = names.iter().chain(&["/response_body_len", "/completeness"]).copied().collect::<Vec<_>>();
        let wanted = expected.get("transactions").and_then(Value::as_array).unwrap();
        let got = lines(&stdout(&output));
        assert_eq!(
            counted(&got, &names),
            counted(wanted, &names),
            "{}: {}",
            case.display(),
            text(&expected, "story")
        );
        if let Some(told) = expected.get("summary").and_then(Value::as_array) {
            // Wherever lines are broken.
            let in_a_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let summary = stderr(&output);
            for words in told {
                let is_there = in_a_line(&summary).contains(&in_a_line(words.as_str().unwrap()));
                assert!(is_there, "{words} in the summary:\n{summary}");
            }
        }
        cases += 1;
    }
    assert!(cases > 25, "only {cases} cases of TLS were found");
}

#[test]
fn a_key_log_is_read_on_as_it_grows() {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("grows.keys");
    std::fs::write(&log, "# nothing yet\n").unwrap();
    let running = common::spanlight(state.path())
        .args(["analyze", "--follow", "2", "--transactions", "-", "--unredacted", "--keylog"])
        .arg(&log)
        .arg("--key")
        .arg(fixture("test.key"))
        .arg(fixture("tls/tls13_key_update.pcap"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // In two pieces, the first of which ends inside a line.
    let keys = std::fs::read(fixture("tls/tls13_key_update.keys")).unwrap();
    let mut written = 0;
    for length in [keys.len() / 2, keys.len()] {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, keys.get(written..length).unwrap()).unwrap();
        written = length;
    }
    let output = running.wait_with_output().unwrap();
    assert_eq!(lines(&stdout(&output)).len(), 3, "{}", stderr(&output));
}

/// How often each exchange is among `rows`, by the fields that `names` name.
fn counted(rows: &[Value], names: &[&str]) -> BTreeMap<String, u64> {
    rows.iter().fold(BTreeMap::new(), |mut counts, row| {
        let fields: Vec<String> =
            names.iter().map(|name| row.pointer(name).cloned().unwrap_or_default().to_string()).collect();
        *counts.entry(fields.join(" ")).or_default() += 1;
        counts
    })
}

fn replayed(capture: &str) -> Vec<Value> {
    let state = tempfile::tempdir().unwrap();
    let capture = fixture(capture);
    let output = analyze(state.path(), &["--transactions", "-", "--unredacted", capture.to_str().unwrap()]);
    lines(&stdout(&output))
}

#[test]
fn recorded_http2_is_what_its_server_logged() {
    let names = ["/method", "/host", "/path", "/status", "/response_body_len"];
    let got = replayed("http2/nginx.pcap.gz");
    let log = lines(&std::fs::read_to_string(fixture("http2/nginx.jsonl")).unwrap());
    assert!(log.len() > 100);
    assert_eq!(counted(&got, &names), counted(&log, &names));
    let whole = |row: &Value| text(row, "completeness") == "complete" && text(row, "protocol") == "HTTP/2";
    assert!(got.iter().all(whole));
    // A push, padding, CONTINUATION, trailers.
    let got = replayed("http2/nghttpd.pcap.gz");
    assert!(got.len() == 7 && got.iter().all(whole), "{got:#?}");
}

#[test]
fn recorded_grpc_calls_are_what_their_client_made() {
    let got = replayed("http2/grpc.pcap.gz");
    let log = lines(&std::fs::read_to_string(fixture("http2/grpc.jsonl")).unwrap());
    assert_eq!(
        counted(&got, &["/path", "/grpc/status", "/grpc/request_messages", "/grpc/response_messages"]),
        counted(&log, &["/path", "/grpc_status", "/request_messages", "/response_messages"])
    );
    assert!(got.iter().all(|row| text(row, "completeness") == "complete"));
}

fn scenario() -> (Vec<Value>, Vec<Value>, Value) {
    let state = tempfile::tempdir().unwrap();
    let findings = state.path().join("findings");
    let (capture, specs) = (fixture("openbanking/scenario.pcap.gz"), fixture("openbanking/specs"));
    let output = analyze(
        state.path(),
        &[
            capture.to_str().unwrap(),
            "--spec",
            specs.to_str().unwrap(),
            "--inventory",
            "-",
            "--findings",
            findings.to_str().unwrap(),
        ],
    );
    assert!(output.status.success());
    let truth = std::fs::read(fixture("openbanking/truth.json")).unwrap();
    (
        lines(&stdout(&output)),
        lines(&std::fs::read_to_string(findings).unwrap()),
        serde_json::from_slice(&truth).unwrap(),
    )
}

#[test]
fn the_scenario_has_the_endpoints_its_server_has() {
    let (inventory, _, truth) = scenario();
    let shape = |template: &str| {
        let mut inside = false;
        template.chars().fold(String::new(), |mut out, letter| {
            match letter {
                '{' => {
                    inside = true;
                    out.push_str("{}");
                }
                '}' => inside = false,
                _ if inside => {}
                _ => out.push(letter),
            }
            out
        })
    };
    let name = |row: &Value, template: &str| {
        format!("{} {}{}", text(row, "method"), text(row, "host"), shape(text(row, template)))
    };
    let got: BTreeSet<String> = inventory
        .iter()
        .filter(|row| text(row, "class") == "api")
        .map(|row| name(row, "path_template"))
        .collect();
    let wanted: BTreeSet<String> = truth["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| text(row, "class") == "api")
        .map(|row| name(row, "path_template"))
        .collect();
    let (missing, extra): (Vec<_>, Vec<_>) =
        (wanted.difference(&got).collect(), got.difference(&wanted).collect());
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
}

#[test]
fn the_scenario_has_the_findings_it_was_made_for() {
    let (_, findings, truth) = scenario();
    let name = |row: &Value| format!("{} {} {}", text(row, "kind"), text(row, "method"), text(row, "host"));
    let count = |rows: &[Value]| {
        rows.iter().fold(BTreeMap::new(), |mut counts: BTreeMap<String, u64>, row| {
            *counts.entry(name(row)).or_default() += 1;
            counts
        })
    };
    let wanted = truth["findings"].as_array().unwrap();
    let kinds: BTreeSet<&str> = wanted.iter().map(|row| text(row, "kind")).collect();
    let acceptable = |row: &Value| {
        truth["also_acceptable"].as_array().into_iter().flatten().any(|pattern| {
            pattern
                .as_object()
                .into_iter()
                .flatten()
                .all(|(field, value)| text(row, field) == value.as_str().unwrap_or_default())
        })
    };
    let judged: Vec<Value> = findings
        .iter()
        .filter(|row| kinds.contains(text(row, "kind")) && !acceptable(row))
        // A document that names no host cannot say which host an operation was not called on.
        .filter(|row| text(row, "kind") != "unused_operation")
        .cloned()
        .collect();
    let wanted: Vec<Value> =
        wanted.iter().filter(|row| text(row, "kind") != "unused_operation").cloned().collect();
    assert_eq!(count(&judged), count(&wanted));
}

#[test]
fn the_same_traffic_gives_the_same_answer_whatever_the_source() {
    let state = tempfile::tempdir().unwrap();
    let operations = |name: &str| -> BTreeMap<String, u64> {
        let file = fixture(name);
        let output = analyze(state.path(), &[file.to_str().unwrap(), "--transactions", "-", "--unredacted"]);
        lines(&stdout(&output)).iter().fold(BTreeMap::new(), |mut counts, row| {
            let key = format!("{} {} {}", text(row, "method"), text(row, "path"), number(row, "status"));
            *counts.entry(key).or_default() += 1;
            counts
        })
    };
    let (combined, json) =
        (operations("openbanking/access.log.gz"), operations("openbanking/access.jsonl.gz"));
    assert!(combined.values().sum::<u64>() > 3_000);
    let differing = combined.iter().filter(|(key, count)| json.get(*key) != Some(count)).count();
    assert!(differing < 15, "only what nginx refused may differ between its logs, not {differing} kinds");
}

#[test]
fn the_client_behind_a_proxy_is_told_when_the_proxy_is_trusted() {
    let state = tempfile::tempdir().unwrap();
    let capture = fixture("wire/proxy_line.pcap");
    let clients = |trusted: &[&str]| -> Vec<(String, String)> {
        let mut args = vec!["--transactions", "-", capture.to_str().unwrap()];
        for network in trusted {
            args.extend(["--trusted-proxy", network]);
        }
        let rows = lines(&stdout(&analyze(state.path(), &args)));
        let told = |row: &Value| (text(row, "client").to_owned(), row.get("anomalies").unwrap().to_string());
        rows.iter().map(told).collect()
    };
    let near = |port: u16, odd: &str| (format!("192.0.2.5:{port}"), odd.to_owned());
    let nobody: Vec<_> = [40001, 40001, 40002, 40003].map(|port| near(port, "[]")).to_vec();
    assert_eq!(clients(&[]), nobody);
    let behind = |client: &str, odd: &str| (client.to_owned(), odd.to_owned());
    let unproven = r#"["forwarded_unproven"]"#;
    assert_eq!(
        clients(&["10.0.0.0/8", "192.0.2.0/24"]),
        [
            behind("198.51.100.7:50001", "[]"),
            behind("198.51.100.7:50001", "[]"),
            behind("[2001:db8::7]:50001", unproven),
            near(40003, "[]"),
        ]
    );
    // A balancer that is not trusted is not believed, whatever it says.
    assert_eq!(
        clients(&["10.0.0.0/8"]),
        [near(40001, unproven), near(40001, unproven), near(40002, unproven), near(40003, "[]")]
    );
}
