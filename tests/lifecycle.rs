//! The life of endpoints from a log of two months: states, findings and the changelog, from files and in a sensor.
#![cfg(feature = "lake")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, files, lines, spanlight, stderr, stdout};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The days of a call from 1 March 2026 on.
fn date(day: usize) -> String {
    let (month, day) = if day < 31 { (3, day + 1) } else { (4, day - 30) };
    format!("2026-{month:02}-{day:02}")
}

/// Lines of a log, each with its day.
fn calls() -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut call = |day: usize, host: &str, uri: &str, status: u16, more: &[(&str, &str)]| {
        for minute in 0..3 {
            let mut line = json!({
                "time_iso8601": format!("{}T09:{minute:02}:00Z", date(day)), "request_method": "GET",
                "http_host": host, "request_uri": uri, "status": status, "body_bytes_sent": 100,
                "remote_addr": "192.0.2.7", "sent_http_content_type": "application/json",
            });
            if let Some(line) = line.as_object_mut() {
                line.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
            }
            all.push((day, format!("{line}\n")));
        }
    };
    let api = "api.bank.example";
    for day in 0..60 {
        let ending: &[(&str, &str)] = &[
            ("http_authorization", "Bearer a"),
            ("sent_http_deprecation", "@1775865600"),
            ("sent_http_sunset", "Mon, 20 Apr 2026 00:00:00 GMT"),
        ];
        let (plain, ending) = ending.split_at(1);
        let told = if day >= 38 { [plain, ending].concat() } else { plain.to_vec() };
        call(day, api, "/v1/accounts", 200, &told);
        if day >= 30 {
            call(day, api, "/v2/accounts", 200, plain);
        }
        if day < 11 {
            call(day, api, "/v1/legacy", 200, plain);
        }
    }
    call(33, api, "/v1/accounts", 500, &[]);
    call(35, api, "/v1/accounts?limit=5", 200, &[]);
    for day in [0, 1, 45] {
        call(day, api, "/v1/rates", 200, &[("http_authorization", "Bearer a")]);
    }
    call(20, api, "/v1/legacy", 410, &[]);
    for day in [2, 40] {
        call(day, "api.staging.bank.example", "/v1/accounts", 200, &[("http_authorization", "Basic YTpi")]);
        call(day, "api.staging.bank.example", "/v1/rates", 200, &[("http_authorization", "Bearer a")]);
    }
    all.sort();
    all
}

fn text(calls: &[(usize, String)]) -> String {
    calls.iter().fold(String::new(), |mut text, (_, line)| {
        _ = write!(text, "{line}");
        text
    })
}

const OWNERSHIP: &str = "environments: {production: api.bank.example, staging: '*.staging.bank.example'}\n\
                         services:\n- hosts: api.bank.example\n  owner: accounts-team\n  exposure: partner\n";

/// A folder with the log and the ownership.
fn prepared() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (log, ownership) = (folder.path().join("calls.jsonl"), folder.path().join("ownership.yaml"));
    std::fs::write(&log, text(&calls())).unwrap();
    std::fs::write(&ownership, OWNERSHIP).unwrap();
    (folder, log, ownership)
}

/// Events in few words.
fn brief(events: &[Value]) -> Vec<String> {
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events
        .iter()
        .map(|event| {
            let day = word(event, "at").get(5..10).unwrap().to_owned();
            let host = word(event, "host");
            let place = if host == "api.bank.example" { "" } else { "staging" };
            let path = word(event, "path_template");
            format!(
                "{day} {} {}>{} {place}{path}",
                word(event, "kind"),
                word(event, "before"),
                word(event, "detail")
            )
        })
        .collect()
}

#[test]
fn a_log_of_two_months_tells_the_lives_of_its_endpoints() {
    let (folder, log, ownership) = prepared();
    let run = |more: &[&str]| {
        let mut args = vec![log.to_str().unwrap(), "--ownership", ownership.to_str().unwrap(), "-q"];
        args.extend(more);
        let output = analyze(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        output
    };
    let inventory = lines(&stdout(&run(&["--inventory", "-"])));
    let mut lives: Vec<String> = inventory
        .iter()
        .map(|row| {
            let [host, path, state] =
                ["host", "path_template", "lifecycle"].map(|key| row[key].as_str().unwrap().to_owned());
            let since =
                row["lifecycle_since"].as_str().and_then(|at| at.get(5..10)).unwrap_or("-").to_owned();
            format!("{host}{path} {state} {since} {}", row["owner"].as_str().unwrap_or("-"))
        })
        .collect();
    lives.sort();
    let expected = [
        "api.bank.example/v1/accounts sunset 04-20 accounts-team",
        "api.bank.example/v1/legacy retired 03-21 accounts-team",
        "api.bank.example/v1/rates active - accounts-team",
        "api.bank.example/v2/accounts active - accounts-team",
        "api.staging.bank.example/v1/accounts active - -",
        "api.staging.bank.example/v1/rates active - -",
    ];
    assert_eq!(lives, expected);
    let findings = lines(&stdout(&run(&["--findings", "-"])));
    let mut kinds: Vec<String> = findings
        .iter()
        .map(|one| {
            let [kind, host, path, detail] =
                ["kind", "host", "path_template", "detail"].map(|key| one[key].as_str().unwrap().to_owned());
            format!("{kind} {host}{path} {detail} {}", one["count"])
        })
        .collect();
    kinds.sort();
    let expected = [
        "called_after_sunset api.bank.example/v1/accounts  30",
        "deprecated_in_use api.bank.example/v1/accounts  66",
        "environment_drift api.bank.example staging api.staging.bank.example: authentication 1",
        "environment_drift api.bank.example staging api.staging.bank.example: endpoints 2",
        "sensitive_data_over_http api.staging.bank.example  6",
        "unclassified api.staging.bank.example exposure 12",
        "unclassified api.staging.bank.example/v1/accounts compliance 6",
        "unowned api.staging.bank.example  12",
    ];
    assert_eq!(kinds, expected);
    let events = lines(&stdout(&run(&["--events", "-"])));
    let expected = [
        "03-01 endpoint_new >api /v1/accounts",
        "03-01 endpoint_new >api /v1/legacy",
        "03-01 endpoint_new >api /v1/rates",
        "03-03 endpoint_new >api staging/v1/accounts",
        "03-03 endpoint_new >api staging/v1/rates",
        "03-21 state_changed active>retired /v1/legacy",
        "03-21 status_new >410 /v1/legacy",
        "03-31 endpoint_new >api /v2/accounts",
        "04-02 state_changed active>dormant /v1/rates",
        "04-03 status_new >500 /v1/accounts",
        "04-05 parameter_new >limit /v1/accounts",
        "04-07 state_changed new>active /v2/accounts",
        "04-11 state_changed active>deprecated /v1/accounts",
        "04-15 state_changed dormant>resurrected /v1/rates",
        "04-20 state_changed deprecated>sunset /v1/accounts",
        "04-22 state_changed resurrected>active /v1/rates",
    ];
    let mut told = brief(&events);
    let mut wanted: Vec<String> = expected.map(str::to_owned).to_vec();
    for all in [&mut told, &mut wanted] {
        // Those of one day stand in the order of their hours.
        all.sort();
    }
    told.retain(|line| !line.contains("staging") || line.contains("endpoint_new"));
    assert_eq!(told, wanted);

    let lake = folder.path().join("lake");
    run(&["--lake", lake.to_str().unwrap()]);
    let before = files(&lake);
    run(&["--lake", lake.to_str().unwrap(), "--shards", "4"]);
    assert_eq!(files(&lake), before, "the same again adds nothing");
    let shown = spanlight(folder.path()).args(["events", "--json", "--lake"]).arg(&lake).output().unwrap();
    assert_eq!(lines(&stdout(&shown)), events);
    let shown = spanlight(folder.path()).args(["events", "--lake"]).arg(&lake).output().unwrap();
    let text = stdout(&shown);
    assert!(text.starts_with("2026-03-01\n  09:00:00  endpoint new"), "{text}");
    assert!(text.contains(
        "state changed         retired, before active  GET api.bank.example/v1/legacy  accounts-team"
    ));
}

#[test]
fn mistakes_in_the_ownership_are_told_and_the_rest_is_used() {
    let (folder, log, ownership) = prepared();
    std::fs::write(&ownership, format!("{OWNERSHIP}  ownr: x\n")).unwrap();
    let args = [log.to_str().unwrap(), "--ownership", ownership.to_str().unwrap(), "-q"];
    let output = analyze(folder.path(), &args);
    assert!(output.status.success());
    let told = stderr(&output);
    assert!(
        told.contains("ownership.yaml: line 6, services[0].ownr: is unknown here; there are `hosts`"),
        "{told}"
    );
    assert!(stdout(&output).contains("OWNERS  1 owner, 2 endpoints without one"), "{}", stdout(&output));
}

/// A sensor tells each change once, whenever it is stopped and started, and the same ones that an analysis tells.
#[cfg(all(target_os = "linux", feature = "live"))]
#[test]
fn a_sensor_tells_each_change_once_over_restarts() {
    use spanlight::lake::reader;
    use spanlight::lake::rows::EventRow;
    use std::process::Command;
    use std::time::Duration;

    let (folder, log, ownership) = prepared();
    let args = [log.to_str().unwrap(), "--ownership", ownership.to_str().unwrap(), "-q", "--events", "-"];
    let wanted = brief(&lines(&stdout(&analyze(folder.path(), &args))));
    let all = calls();
    let (front, back): (Vec<_>, Vec<_>) = all.into_iter().partition(|(day, _)| *day < 36);
    std::fs::write(&log, text(&front)).unwrap();
    let lake = folder.path().join("lake");
    let told = |at: &Path| -> Vec<EventRow> {
        if !at.exists() {
            return Vec::new();
        }
        reader::read::<EventRow>(at).unwrap().rows.into_iter().map(|stored| stored.row).collect()
    };
    let run = |until: usize| {
        let mut sensor = spanlight(folder.path());
        sensor.arg("watch").arg("-a").arg(&log).arg("--ownership").arg(&ownership).arg("--lake").arg(&lake);
        sensor.arg("--state").arg(folder.path().join("state"));
        sensor.args(["--quiet", "--interval", "1", "--roll", "1", "--sandbox", "off"]);
        let key = folder.path().join("key");
        if !key.exists() {
            assert!(
                Command::new(env!("CARGO_BIN_EXE_spanlight"))
                    .args(["key", "new"])
                    .arg(&key)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        sensor.arg("--key").arg(&key);
        let mut running = sensor.spawn().unwrap();
        for _ in 0..300 {
            if told(&lake).len() >= until {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        // A little longer, in which nothing may be told again.
        std::thread::sleep(Duration::from_secs(3));
        let pid = running.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(running.wait().unwrap().success());
    };
    let early = wanted.iter().filter(|line| line.as_str() < "04-06").count();
    run(early);
    let first = told(&lake);
    run(first.len());
    assert_eq!(told(&lake).len(), first.len(), "a restart tells nothing again");
    let mut rest = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    std::io::Write::write_all(&mut rest, text(&back).as_bytes()).unwrap();
    run(wanted.len());
    let ids: Vec<String> = told(&lake).into_iter().map(|row| row.id).collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "each stands once");
    let shown = spanlight(folder.path()).args(["events", "--json", "--lake"]).arg(&lake).output().unwrap();
    assert_eq!(brief(&lines(&stdout(&shown))), wanted);
}
