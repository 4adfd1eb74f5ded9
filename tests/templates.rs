//! Path templates as users meet them: learnt from logs whatever their order, explained, decided on, and read again by a
//! sensor; and what is no API, apart from them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{analyze, lines, spanlight, stderr, stdout};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// A line of a log in the combined format.
fn line(out: &mut String, client: &str, request: &str, status: u16, bytes: u32) {
    writeln!(
        out,
        "{client} - - [15/Apr/2026:00:00:06 +0000] \"{request} HTTP/1.1\" {status} {bytes} \"-\" \"okhttp/4.12\""
    )
    .unwrap();
}

/// A day of a small API, its browsers, its orchestrator and its scanner.
fn log() -> String {
    let mut out = String::new();
    let verbs = ["GET", "PUT", "DELETE"];
    for at in 0_usize..240 {
        let client = format!("10.0.0.{}", at % 40);
        let account = 100_000 + at * 37;
        line(&mut out, &client, &format!("GET /v1/accounts/{account}/balances"), 200, 300);
        line(
            &mut out,
            &client,
            &format!("{} /v1/cards/tok_{:08x}Zq{at}Xk", verbs[at % 3], at * 7_919),
            200,
            80,
        );
        if at % 3 == 0 {
            line(&mut out, &client, &format!("POST /v1/transfers/DE{:020}", at * 982_451_653), 201, 100);
        }
        if at % 4 == 0 {
            let report = ["daily", "weekly", "monthly"][at / 4 % 3];
            line(&mut out, &client, &format!("GET /v1/reports/{report}"), 200, 900);
        }
        if at % 5 == 0 {
            line(&mut out, "10.0.0.9", &format!("OPTIONS /v1/accounts/{account}/balances"), 204, 0);
        }
        if at % 6 == 0 {
            let probe = ["/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/index.php"][at / 6 % 4];
            line(&mut out, "185.220.101.7", &format!("GET {probe}"), 404, 150);
        }
        if at % 7 == 0 {
            line(&mut out, "10.0.1.1", "GET /healthz", 200, 2);
        }
        if at % 9 == 0 {
            line(&mut out, &client, "GET /favicon.ico", 200, 90);
        }
    }
    out
}

/// The inventory of logs, as JSON lines.
fn inventory(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = analyze(folder, &[&["--quiet", "--inventory", "-"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    lines(&stdout(&output))
}

/// `api GET /v1/cards/{cardId} 80`, of each line.
fn told(inventory: &[Value]) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let one = |row: &Value| {
        let [class, method, path] = ["class", "method", "path_template"].map(|key| text(row, key));
        format!("{class} {method} {path} {}", row["count"])
    };
    let mut all: Vec<String> = inventory.iter().map(one).collect();
    all.sort();
    all
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_no_api_is_told_apart_with_counts_and_sources() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "access.log", &log());
    let noise = folder.path().join("noise.jsonl");
    let output = analyze(folder.path(), &["--quiet", &file, "--noise", noise.to_str().unwrap()]);
    let text = stdout(&output);
    for wanted in [
        "NOT APIS  files 27 in 1 path · health checks 35 in 1 path · preflights 48 in 1 path · scanners 40 in 4 paths",
        "scans: 185.220.101.7  40 requests, 40 for nothing, 40 for what no application serves",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    let inventory = told(&inventory(folder.path(), &[&file]));
    let wanted = [
        "api DELETE /v1/cards/{cardId} 80",
        "api GET /v1/accounts/{accountId}/balances 240",
        "api GET /v1/cards/{cardId} 80",
        "api GET /v1/reports/daily 20",
        "api GET /v1/reports/monthly 20",
        "api GET /v1/reports/weekly 20",
        "api POST /v1/transfers/{iban} 80",
        "api PUT /v1/cards/{cardId} 80",
        "health GET /healthz 35",
        "preflight OPTIONS /v1/accounts/{accountId}/balances 48",
        "scanner GET /.env 10",
        "scanner GET /.git/config 10",
        "scanner GET /phpmyadmin/index.php 10",
        "scanner GET /wp-login.php 10",
        "static GET /favicon.ico 27",
    ];
    assert_eq!(inventory, wanted);
}

#[test]
fn an_iban_in_a_path_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for iban in ["DE89370400440532013000", "GB82WEST12345698765432", "NL91ABNA0417164300"] {
        line(&mut text, "10.0.0.1", &format!("GET /v1/transfers/{iban}"), 200, 100);
    }
    let file = written(folder.path(), "access.log", &text);
    let output = analyze(folder.path(), &["--quiet", "--findings", "-", &file]);
    let findings = lines(&stdout(&output));
    let found = findings
        .iter()
        .find(|finding| finding["kind"] == "sensitive_data_in_url")
        .unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(found["path_template"], "/v1/transfers/{iban}");
    assert!(!stdout(&output).contains("370400440532"), "no value is told");
}

#[test]
fn the_order_and_the_cut_of_logs_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let text = log();
    let whole = written(folder.path(), "whole.log", &text);
    // Thin traffic: a seventh of it, so that much was called once.
    for every in [1, 7] {
        let some: Vec<&str> = text.lines().step_by(every).collect();
        let mut pieces = [const { String::new() }; 3];
        for (at, one) in some.iter().enumerate() {
            let piece = &mut pieces[at * at % 3];
            *piece = format!("{one}\n{piece}");
        }
        let files: Vec<String> = (0..)
            .zip(&pieces)
            .map(|(at, piece)| written(folder.path(), &format!("{every}-{at}.log"), piece))
            .collect();
        let thin = written(folder.path(), "thin.log", &format!("{}\n", some.join("\n")));
        let wanted = inventory(folder.path(), &[if every == 1 { &whole } else { &thin }]);
        assert!(wanted.len() > 5);
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let order = order.map(|at| files[at].as_str());
            assert_eq!(inventory(folder.path(), &order), wanted, "every {every}");
        }
    }
}

#[test]
fn decisions_go_before_what_is_learnt_and_are_told_when_wrong_or_idle() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "access.log", &log());
    let templates = written(
        folder.path(),
        "templates.yaml",
        "pin:\n  - /v1/cards/{cardToken}\nsplit:\n  - {template: '/v1/reports/{reportId}', keep: [monthly]}\n\
         merge:\n  - {below: /v1/reports}\nname:\n  - /v1/transfers/{debtor}\n  - /v1/nowhere/{id}\npinned: []\n",
    );
    let output = analyze(folder.path(), &["--quiet", "--templates", &templates, "--inventory", "-", &file]);
    let all = told(&lines(&stdout(&output)));
    for wanted in [
        "api GET /v1/cards/{cardToken} 80",
        "api GET /v1/reports/monthly 20",
        "api GET /v1/reports/{reportId} 40",
        "api POST /v1/transfers/{debtor} 80",
    ] {
        assert!(all.iter().any(|line| line == wanted), "{wanted} is not in {all:#?}");
    }
    let complaints = stderr(&output);
    assert!(complaints.contains("templates.yaml") && complaints.contains("pinned"), "{complaints}");
    let summary = stdout(&analyze(folder.path(), &["--quiet", "--templates", &templates, &file]));
    assert!(summary.contains("/v1/nowhere/{id}"), "a decision without effect is listed:\n{summary}");
}

#[test]
fn a_template_is_explained_without_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "access.log", &log());
    let explain = |what: &str, more: &[&str]| {
        let output = spanlight(folder.path())
            .args(["inventory", "--quiet", "--key"])
            .arg(common::fixture("test.key"))
            .args([&file, "--explain", what])
            .args(more)
            .output()
            .unwrap();
        (output.status.success(), stdout(&output))
    };
    let (found, text) = explain("GET /v1/reports/weekly", &[]);
    assert!(found && text.contains("weighed"), "{text}");
    for wanted in ["GET /v1/reports/weekly", "position", "below", "for a name", "answers 200 ×20"] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    // A path that was never seen falls into the template that it follows.
    let (found, text) = explain("GET /v1/accounts/55555555/balances", &[]);
    assert!(found && text.contains("GET /v1/accounts/{accountId}/balances"), "{text}");
    assert!(!text.contains("100037"), "no value is told:\n{text}");
    let (_, text) = explain("GET /v1/accounts/{accountId}/balances", &["--json"]);
    assert_eq!(lines(&text)[0]["path_template"], "/v1/accounts/{accountId}/balances", "{text}");
    assert!(!explain("GET /v1/nothing/of/the/kind", &[]).0);
}

#[cfg(all(target_os = "linux", feature = "lake", feature = "live"))]
#[expect(clippy::disallowed_methods, reason = "a sensor is waited for")]
mod sensor {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// How long anything may take.
    const PATIENCE: Duration = Duration::from_secs(90);

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    impl Running {
        fn signal(&self, name: &str) {
            let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
            assert!(sent.success());
        }
    }

    /// Waits until a sensor's state tells of a template.
    fn await_template(folder: &Path, wanted: &str) -> Vec<String> {
        let began = Instant::now();
        loop {
            let output = spanlight(folder)
                .args(["inventory", "--quiet", "--json", "--state"])
                .arg(folder.join("state"))
                .arg("--key")
                .arg(folder.join("key"))
                .arg("--templates")
                .arg(folder.join("templates.yaml"))
                .output()
                .unwrap();
            let all = if output.status.success() { told(&lines(&stdout(&output))) } else { Vec::new() };
            if all.iter().any(|line| line == wanted) {
                return all;
            }
            let log = fs::read_to_string(folder.join("told")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "{wanted} is not in {all:#?}\n{log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The templates that the lake tells, which the sensor's own decisions made.
    fn in_lake(folder: &Path) -> Vec<String> {
        let output = spanlight(folder)
            .args(["inventory", "--json", "--lake"])
            .arg(folder.join("lake"))
            .output()
            .unwrap();
        told(&lines(&stdout(&output)))
    }

    #[test]
    fn a_sensor_reads_templates_again_and_its_state_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // As root the sensor becomes another user, who must get here.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.join("logs")).unwrap();
        written(folder, "logs/access.log", &log());
        written(folder, "templates.yaml", "merge: [{below: /v1/reports, names: [daily, weekly, monthly]}]\n");
        let made = spanlight(folder).args(["key", "new"]).arg(folder.join("key")).output().unwrap();
        assert!(made.status.success());
        let mut command = spanlight(folder);
        command.args(["watch", "-a", "logs/access.log", "--quiet", "--interval", "1", "--roll", "1"]);
        command.args(["--lake", "lake", "--state", "state", "--key", "key", "--templates", "templates.yaml"]);
        let log = fs::File::create(folder.join("told")).unwrap();
        let sensor = command.current_dir(folder).stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let mut sensor = Running(sensor);
        let all = await_template(folder, "api GET /v1/reports/{reportId} 60");
        assert!(all.iter().any(|line| line == "api GET /v1/accounts/{accountId}/balances 240"), "{all:#?}");

        let explained = spanlight(folder)
            .args([
                "inventory",
                "--quiet",
                "--state",
                "state",
                "--key",
                "key",
                "--explain",
                "GET /v1/accounts/{accountId}/balances",
            ])
            .current_dir(folder)
            .output()
            .unwrap();
        let text = stdout(&explained);
        assert!(text.contains("240 calls") && text.contains("position"), "{text}{}", stderr(&explained));

        let until = |wanted: &str| {
            let began = Instant::now();
            loop {
                let all = in_lake(folder);
                if all.iter().any(|line| line == wanted) {
                    return;
                }
                let log = fs::read_to_string(folder.join("told")).unwrap_or_default();
                assert!(began.elapsed() < PATIENCE, "{wanted} is not in {all:#?}\n{log}");
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        until("api GET /v1/reports/{reportId} 60");
        // Another decision, told to the sensor that runs.
        written(folder, "templates.yaml", "merge: [{below: /v1/reports}]\nname: ['/v1/reports/{period}']\n");
        sensor.signal("-HUP");
        // It looks anew when something comes in.
        let mut more = self::log();
        line(&mut more, "10.0.0.1", "GET /v1/reports/daily", 200, 900);
        written(folder, "logs/access.log", &more);
        until("api GET /v1/reports/{period} 61");
        sensor.signal("-TERM");
        assert!(sensor.0.wait().unwrap().success());
    }
}
