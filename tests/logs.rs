//! Access logs as a user meets them: formats of their own, mixed files, times, and lines that cannot be read.

mod common;

use common::{analyze, lines, spanlight, stderr, stdout};
use std::fmt::Write as _;
use std::process::Output;

const PRESET: &str = r#"
id: edge_json
title: our edge
kind: json
when: {kind: access}
fields:
  at: time %Y/%m/%d %H:%M:%S
  call.verb: method
  call.path: target
  call.headers.*: request_header
  answer: status
  peer: client
examples:
  - '{"kind":"access","at":"2026/04/15 02:00:06","call":{"verb":"GET","path":"/v1/a"},"answer":200,"peer":"192.0.2.7"}'
passed_over:
  - '{"kind":"startup","version":3}'
"#;

/// A log of the preset's lines, with others between them.
fn log() -> String {
    let mut log = "{\"kind\":\"startup\",\"version\":3}\n".to_owned();
    for call in 10..50 {
        let line = format!(
            r#"{{"kind":"access","at":"2026/04/15 02:00:{call}","call":{{"verb":"GET","path":"/v1/accounts/{}","headers":{{"Host":"api.example"}}}},"answer":200,"peer":"192.0.2.7"}}"#,
            call * 37,
        );
        log.push_str(&line);
        log.push('\n');
    }
    log.push_str(
        "192.0.2.9 - - [15/Apr/2026:00:00:30 +0000] \"GET /v1/cards HTTP/1.1\" 200 5 \"-\" \"curl\"\n",
    );
    log.push_str("card=4111111111111111 refused for jane\n");
    log
}

/// The endpoints of an inventory on standard output, with their calls and the first of them.
fn endpoints(output: &Output) -> Vec<String> {
    lines(&stdout(output))
        .iter()
        .map(|line| format!("{} {} {}", line["path_template"], line["count"], line["first_seen"]))
        .collect()
}

#[test]
fn a_format_of_ones_own_reads_its_lines_and_the_others_are_read_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (preset, log) = (file("edge.yaml", PRESET), file("edge.log", &log()));
    let tested = spanlight(folder.path()).args(["signatures", "test", &preset]).output().unwrap();
    assert_eq!(tested.status.code(), Some(0), "{}", stderr(&tested));

    let aside = folder.path().join("aside.jsonl").display().to_string();
    let args =
        [&log, "--log-preset", &preset, "--log-zone", "+02:00", "--quarantine", &aside, "--inventory", "-"];
    let output = analyze(folder.path(), &args);
    let endpoints = endpoints(&output);
    assert_eq!(
        endpoints,
        [
            r#""/v1/cards" 1 "2026-04-15T00:00:30Z""#,
            r#""/v1/accounts/{accountId}" 40 "2026-04-15T00:00:10Z""#
        ]
    );
    assert!(stderr(&output).contains("edge.log: line 43: "), "{}", stderr(&output));
    let kept = std::fs::read_to_string(&aside).unwrap();
    let line = lines(&kept).remove(0);
    assert_eq!((line["line"].as_u64(), line["reason"].as_str()), (Some(43), Some("json")));
    assert_eq!(line["shape"], "aaa…=999… aaa… aaa aaa…");

    // Only what was asked for, and a word on what else it may be.
    let output = analyze(folder.path(), &[&log, "--log-preset", &preset, "--log-format", "combined"]);
    let expected =
        "edge.log: 1 of 43 lines are `combined`; 40 look like `edge_json`: give that format, or none";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    assert!(stderr(&output).contains("all by reason: not_combined 42"), "{}", stderr(&output));
}

#[test]
fn a_preset_that_is_wrong_is_told_with_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let wrong =
        PRESET.replace("call.verb: method", "call.verb: methd").replace("kind: access", "kind: audit");
    std::fs::write(folder.path().join("wrong.yaml"), wrong).unwrap();
    let presets = folder.path().display().to_string();
    for output in [
        spanlight(folder.path()).args(["signatures", "test", &presets]).output().unwrap(),
        analyze(folder.path(), &["-", "--log-preset", &presets]),
    ] {
        assert_eq!(output.status.code(), Some(2));
        for expected in
            ["wrong.yaml: fields.call.verb: `methd` is none of", "wrong.yaml: fields: lacks the request"]
        {
            assert!(stderr(&output).contains(expected), "{expected} is not in {}", stderr(&output));
        }
    }
}

#[test]
fn times_without_a_year_follow_the_year_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.log");
    let log =
        "Dec 31 23:59:58 edge \"GET /v1/a HTTP/1.1\" 200\nJan  1 00:00:01 edge \"GET /v1/a HTTP/1.1\" 200\n";
    std::fs::write(&path, log).unwrap();
    let path = path.display().to_string();
    let format = r#"$time $_ "$request" $status"#;
    let output = analyze(
        folder.path(),
        &[&path, "--log-format", format, "--log-year", "2019", "--log-zone=-01:00", "--inventory", "-"],
    );
    let endpoint = lines(&stdout(&output)).remove(0);
    assert_eq!(endpoint["first_seen"], "2020-01-01T00:59:58Z");
    assert_eq!(endpoint["last_seen"], "2020-01-01T01:00:01Z");
}

#[test]
fn what_docker_keeps_of_a_container_is_read_as_what_the_container_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for call in 10..50 {
        let line = match call % 3 {
            0 => format!(
                "192.0.2.9 - - [15/Apr/2026:00:00:{call} +0000] \"GET /v1/cards HTTP/1.1\" 200 5 \"-\" \"a \\\\ b\"\n"
            ),
            1 => format!(
                "{{\"time\":\"2026-04-15T00:00:{call}Z\",\"method\":\"GET\",\"uri\":\"/v1/accounts\",\"status\":200}}\n"
            ),
            _ => "GET of jane refused\n".to_owned(),
        };
        let text = serde_json::Value::from(line);
        writeln!(log, "{{\"log\":{text},\"stream\":\"stdout\",\"time\":\"2026-04-15T00:01:00.1Z\"}}")
            .unwrap();
    }
    let path = folder.path().join("web-json.log");
    std::fs::write(&path, log).unwrap();
    let output = analyze(folder.path(), &[&path.display().to_string(), "--inventory", "-"]);
    let endpoints = endpoints(&output);
    assert_eq!(
        endpoints,
        [r#""/v1/accounts" 14 "2026-04-15T00:00:10Z""#, r#""/v1/cards" 13 "2026-04-15T00:00:12Z""#],
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains(": 27 of 40 lines are `"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("jane"), "{}", stderr(&output));
}
