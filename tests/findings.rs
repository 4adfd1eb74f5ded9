//! Findings have states: decided in a file or by a command, kept in the lake, over when their day is over.
#![cfg(feature = "lake")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, spanlight, stderr, stdout};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn scenario(folder: &Path, args: &[&str]) -> Output {
    let (input, specs) = (fixture("openbanking/scenario.pcap.gz"), fixture("openbanking/specs"));
    let all = [&[input.to_str().unwrap(), "--spec", specs.to_str().unwrap()], args].concat();
    analyze(folder, &all)
}

fn findings(folder: &Path, args: &[&str]) -> Output {
    let mut command = spanlight(folder);
    command.arg("findings").args(args).output().unwrap()
}

fn listed(folder: &Path, lake: &str, args: &[&str]) -> Vec<Value> {
    let output = findings(folder, &[&["--lake", lake, "--json"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    lines(&stdout(&output))
}

#[test]
fn a_decision_is_kept_in_the_lake_and_ends_with_its_day() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let lake = lake.to_str().unwrap();
    // What was recorded may be older than the days after which findings are resolved: it is held against its own end.
    assert!(scenario(folder.path(), &["--lake", lake]).status.success());
    let before = listed(folder.path(), lake, &[]);
    assert!(before.iter().all(|one| one["state"] == "open" && one["disposition"].is_null()));
    let ids: Vec<&str> = before.iter().take(4).map(|one| one["id"].as_str().unwrap()).collect();
    let by = ["--author", "anna", "--reason", "moves in spring", "--lake", lake];
    for (command, id, until) in [
        ("accept", ids[0], Some("2199-12-31")),
        ("accept", ids[1], Some("2001-01-01")),
        ("ack", ids[2], None),
        ("false-positive", ids[3], None),
    ] {
        let until: Vec<&str> = until.map(|day| ["--until", day]).into_iter().flatten().collect();
        let output = findings(folder.path(), &[&[command, id], until.as_slice(), &by].concat());
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    let state = |all: &[Value], id: &str| {
        let one = all.iter().find(|one| one["id"] == id).unwrap();
        one["state"].as_str().unwrap().to_owned()
    };
    let after = listed(folder.path(), lake, &[]);
    assert_eq!(after.len(), before.len(), "a decision is no finding");
    for (id, expected) in ids.iter().zip(["accepted", "reopened", "acknowledged", "false_positive"]) {
        assert_eq!(state(&after, id), expected, "{id}");
    }
    let accepted = listed(folder.path(), lake, &["--state", "accepted"]);
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0]["disposition"]["author"], "anna");
    assert_eq!(accepted[0]["disposition"]["reason"], "moves in spring");
    assert_eq!(accepted[0]["count"], before[0]["count"], "what was seen stays");
    assert!(findings(folder.path(), &[&["reopen", ids[0]], by.as_slice()].concat()).status.success());
    assert_eq!(state(&listed(folder.path(), lake, &[]), ids[0]), "reopened");
    // The same analysis again adds nothing, and takes no decision away.
    assert!(scenario(folder.path(), &["--lake", lake]).status.success());
    assert_eq!(state(&listed(folder.path(), lake, &[]), ids[3]), "false_positive");
    let text = stdout(&findings(folder.path(), &["--lake", lake]));
    assert!(text.contains("acknowledged by anna: moves in spring"), "{text}");
    for (args, told) in [
        (vec!["ack", "0000000000000000"], "no finding"),
        (vec!["accept", ids[0], "--until", "soon"], "2027-03-31"),
    ] {
        let refused = findings(folder.path(), &[args.as_slice(), &by].concat());
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
    }
    let nameless =
        findings(folder.path(), &["ack", ids[0], "--author", " ", "--reason", "x", "--lake", lake]);
    assert_eq!(nameless.status.code(), Some(2));
}

#[test]
fn a_file_of_decisions_settles_what_would_fail_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let fail = ["--fail-on", "critical", "--findings", "-"];
    let before = scenario(folder.path(), &fail);
    assert_eq!(before.status.code(), Some(1));
    let critical: Vec<String> = lines(&stdout(&before))
        .iter()
        .filter(|one| one["severity"] == "critical")
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(critical.len() > 1);
    let file = folder.path().join("dispositions.yaml");
    for (until, code) in [("2199-12-31", 0), ("2026-01-01", 1)] {
        let line = |id| format!("- {{id: '{id}', state: accepted, until: {until}, author: a, reason: r}}\n");
        let decided = critical.iter().map(line).collect::<Vec<_>>().concat();
        std::fs::write(&file, format!("findings:\n{decided}")).unwrap();
        let args = [fail.as_slice(), &["--dispositions", file.to_str().unwrap()]].concat();
        let after = scenario(folder.path(), &args);
        assert_eq!(after.status.code(), Some(code), "{until}: {}", stderr(&after));
    }
}

#[test]
fn each_finding_shows_what_its_severity_adds_up_to() {
    let folder = tempfile::tempdir().unwrap();
    let all = lines(&stdout(&scenario(folder.path(), &["--findings", "-"])));
    for one in &all {
        let reasons = one["severity_reasons"].as_array().unwrap();
        let points =
            |reason: &Value| -> i64 { reason.as_str().unwrap().split_once(' ').unwrap().0.parse().unwrap() };
        let (base, sum) = (points(&reasons[0]), reasons.iter().map(points).sum::<i64>());
        assert_eq!(one["severity_score"], sum.clamp(base, 100), "{one}");
    }
    assert!(all.iter().any(|one| one["severity_reasons"].as_array().unwrap().len() > 2));
}
