//! The inventory as OpenAPI: valid for others, silent about values, and no news to the traffic it was made of.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, spanlight, stderr, stdout};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const INPUTS: [&str; 4] = ["scenario.pcap.gz", "access.jsonl.gz", "access.log.gz", "partner.har"];

fn export(state: &Path, input: &str, args: &[&str]) -> Output {
    export_of(state, &fixture(&format!("openbanking/{input}")), args)
}

fn export_of(state: &Path, input: &Path, args: &[&str]) -> Output {
    let mut command = spanlight(state);
    command.args(["export", "openapi", "--quiet", "--key"]).arg(fixture("test.key"));
    command.arg(input).args(args).output().unwrap()
}

/// Writes the documents of an input, enumerations and all, and returns their folder.
fn documents(folder: &Path, input: &str, format: &str) -> PathBuf {
    let out = folder.join(format!("{input}.{format}"));
    let output = export(folder, input, &["--out", out.to_str().unwrap(), "--format", format, "--enums"]);
    assert!(output.status.success(), "{}", stderr(&output));
    out
}

fn texts(folder: &Path) -> Vec<(String, String)> {
    let all = common::files(folder);
    all.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

#[test]
fn traffic_held_against_its_own_export_has_nothing_undocumented() {
    let folder = tempfile::tempdir().unwrap();
    for input in INPUTS {
        let out = documents(folder.path(), input, "yaml");
        assert_no_news(folder.path(), &fixture(&format!("openbanking/{input}")), &out);
    }
}

/// Holds an input against the documents that were made of it.
fn assert_no_news(folder: &Path, input: &Path, documents: &Path) {
    let documents = documents.to_str().unwrap();
    let output = analyze(folder, &[input.to_str().unwrap(), "--spec", documents, "--findings", "-"]);
    assert!(!stderr(&output).contains(documents), "the documents are without fault: {}", stderr(&output));
    // What stands whatever the documents say.
    let posture = [
        "unauthenticated_sensitive_data",
        "sensitive_data_in_url",
        "sensitive_data_over_http",
        "deprecated_in_use",
        "old_version_in_use",
        "called_after_sunset",
    ];
    let news: Vec<_> = lines(&stdout(&output))
        .into_iter()
        .filter(|finding| !posture.contains(&finding["kind"].as_str().unwrap()))
        .collect();
    assert!(news.is_empty(), "{}: {news:#?}", input.display());
}

#[test]
fn an_export_holds_no_value_and_is_the_same_each_time() {
    let planted = std::fs::read_to_string(fixture("openbanking/planted.txt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for input in INPUTS {
        let yaml = texts(&documents(folder.path(), input, "yaml"));
        assert!(!yaml.is_empty());
        for (name, text) in &yaml {
            let found = planted.lines().find(|value| !value.is_empty() && text.contains(value));
            assert_eq!(found, None, "{input}: {name}");
        }
        assert_eq!(yaml, texts(&documents(folder.path(), input, "yaml")), "{input}");
        let json = texts(&documents(folder.path(), input, "json"));
        for ((name, yaml), (_, json)) in yaml.iter().zip(&json) {
            let yaml: serde_json::Value = serde_norway::from_str(yaml).unwrap();
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(yaml, json, "{input}: {name}");
        }
    }
}

#[test]
fn what_keys_open_becomes_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, keys) = (fixture("tls/browser.pcap"), fixture("tls/browser.keys"));
    let closed = export_of(folder.path(), &capture, &[]);
    assert!(!stdout(&closed).contains("/accounts/"), "{}", stdout(&closed));
    let open = export_of(folder.path(), &capture, &["--keylog", keys.to_str().unwrap()]);
    assert!(open.status.success(), "{}", stderr(&open));
    assert!(stdout(&open).contains("/accounts/{accountId}.json"), "{}", stdout(&open));
}

#[test]
fn one_service_goes_to_standard_output_and_several_need_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = export(folder.path(), "scenario.pcap.gz", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--out"), "{}", stderr(&output));
    let one = export(folder.path(), "scenario.pcap.gz", &["--service", "partner.bank.example"]);
    assert!(one.status.success(), "{}", stderr(&one));
    let document: serde_json::Value = serde_norway::from_str(&stdout(&one)).unwrap();
    assert_eq!(document["info"]["title"], "partner.bank.example");
    assert_eq!(document["openapi"], "3.1.0");
    let unknown = export(folder.path(), "scenario.pcap.gz", &["--service", "else.example"]);
    assert_eq!(unknown.status.code(), Some(2));
    let lake = spanlight(folder.path()).args(["export", "openapi", "--lake", "x"]).output().unwrap();
    assert_eq!(lake.status.code(), Some(2));
    assert!(stderr(&lake).contains("no shapes of bodies"), "{}", stderr(&lake));
}

/// A body of an answer in the traffic that is made up here.
fn payment(n: usize) -> Value {
    let one_of = |words: &[&str]| words[n % words.len()].to_owned();
    let (day, name) = (n % 28 + 1, one_of(&["Anna", "Bob", "Chloe", "Dan", "Eve"]));
    json!({
        "id": format!("{n:08x}-0000-4000-8000-00000000{n:04x}"),
        "status": one_of(&["ACTIVE", "CLOSED", "IN_REVIEW"]),
        "paymentType": one_of(&["instant", "standing-order"]),
        "currency": one_of(&["EUR", "GBP"]),
        "reviewStatus": if n.is_multiple_of(4) { Value::Null } else { json!(one_of(&["Open", "Done"])) },
        "createdAt": format!("2026-01-{day:02}T10:{:02}:00.5+01:00", n % 60),
        "bookingDate": format!("2026-02-{day:02}"),
        "cutOff": format!("1{}:00:00Z", n % 10),
        "contact": format!("user{n}@mail.example"),
        "link": format!("https://bank.example/p/{n}?a=b%20c"),
        "ip": format!("10.0.0.{n}"),
        "ip6": format!("2001:db8::{n:x}"),
        "count": n,
        "big": 3_000_000_000_u64 + n as u64,
        "amount": format!("{n}.25").parse::<f64>().unwrap(),
        "localTime": format!("2026-01-{day:02}T10:00:00"),
        "almost": if n == 77 { "soon".to_owned() } else { format!("2026-03-{day:02}") },
        "emptyAtTimes": if n == 78 { "" } else { "ACTIVE" },
        "firstName": name,
        "login": name.to_lowercase(),
        "city": one_of(&["BERLIN", "PARIS"]),
        "address": {"state": one_of(&["CA", "NY", "TX"]), "country": one_of(&["US", "DE"])},
        "tags": [{"kind": one_of(&["a", "b"])}],
    })
}

/// A HAR of calls by some callers, and the bodies of its answers.
fn made_har(file: &Path, callers: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut bodies = Vec::new();
    for n in 0..120 {
        let body = payment(n);
        let id = body["id"].as_str().unwrap();
        let url = format!(
            "https://api.bank.example/v1/payments/{id}?page={n}&from=2026-01-{:02}&status={}&account=00{n}",
            n % 28 + 1,
            body["status"].as_str().unwrap()
        );
        let header = |name: &str, value: &str| json!({"name": name, "value": value});
        let headers = [
            header("Host", "api.bank.example"),
            header("Authorization", &format!("Bearer t0ken-of-caller-{}", n % callers)),
            header("X-Request-ID", id),
        ];
        let text = body.to_string();
        entries.push(json!({
            "startedDateTime": format!("2026-11-22T09:{:02}:{:02}.000Z", n / 60, n % 60), "time": 1,
            "request": {"method": "GET", "url": url, "httpVersion": "HTTP/1.1", "cookies": [], "headers": headers,
                "queryString": [], "headersSize": -1, "bodySize": 0},
            "response": {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [],
                "headers": [header("Content-Type", "application/json")],
                "content": {"size": text.len(), "mimeType": "application/json", "text": text},
                "redirectURL": "", "headersSize": -1, "bodySize": text.len()},
            "cache": {}, "timings": {"send": 0, "wait": 1, "receive": 0},
        }));
        bodies.push(body);
    }
    let log =
        json!({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}});
    fs::write(file, log.to_string()).unwrap();
    bodies
}

/// The only operation of a document.
fn operation(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).unwrap();
    let path = document["paths"].as_object().unwrap().values().next().unwrap();
    path["get"].clone()
}

fn answer_schema(operation: &Value) -> &Value {
    &operation["responses"]["200"]["content"]["application/json"]["schema"]
}

#[test]
fn formats_and_enumerations_are_those_of_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let har = folder.path().join("made.har");
    made_har(&har, 4);
    let told = |args: &[&str]| {
        let output = export_of(folder.path(), &har, &[&["--format", "json"], args].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        operation(&stdout(&output))
    };
    let (plain, full) = (told(&[]), told(&["--enums"]));
    let formats = json!({"id": "uuid", "createdAt": "date-time", "bookingDate": "date", "cutOff": "time",
        "contact": "email", "link": "uri", "ip": "ipv4", "ip6": "ipv6", "count": "int32", "big": "int64"});
    let enumerations = json!({"status": ["ACTIVE", "CLOSED", "IN_REVIEW"], "currency": ["EUR", "GBP"],
        "paymentType": ["instant", "standing-order"], "reviewStatus": ["Done", "Open", null]});
    for (operation, asked) in [(&plain, false), (&full, true)] {
        let schema = answer_schema(operation);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert_eq!(property["format"], formats[name], "{name}");
            let expected = if asked { &enumerations[name] } else { &Value::Null };
            assert_eq!(&property["enum"], expected, "{name}");
        }
        let address = &schema["properties"]["address"]["properties"];
        assert_eq!(address["state"], json!({"type": "string"}), "a place");
        let kind = &schema["properties"]["tags"]["items"]["properties"]["kind"];
        assert_eq!(kind["enum"], if asked { json!(["a", "b"]) } else { Value::Null });
        let parameter = |name: &str| {
            let mut all = operation["parameters"].as_array().unwrap().iter();
            all.find(|one| one["name"] == name).unwrap()["schema"].clone()
        };
        assert_eq!(parameter("page"), json!({"type": "integer", "format": "int32"}));
        assert_eq!(parameter("from"), json!({"type": "string", "format": "date"}));
        assert_eq!(parameter("account"), json!({"type": "string"}), "zeros stand in front");
        assert_eq!(parameter("x-request-id"), json!({"type": "string", "format": "uuid"}));
        let words = json!({"type": "string", "enum": ["ACTIVE", "CLOSED", "IN_REVIEW"]});
        assert_eq!(parameter("status"), if asked { words } else { json!({"type": "string"}) });
    }
    // What one or two callers always say is theirs.
    made_har(&har, 2);
    assert!(!told(&["--enums"]).to_string().contains("\"enum\""));
}

#[test]
fn made_traffic_has_no_news_for_its_own_document() {
    let folder = tempfile::tempdir().unwrap();
    let (har, out) = (folder.path().join("made.har"), folder.path().join("out"));
    let mut bodies = made_har(&har, 4);
    let output =
        export_of(folder.path(), &har, &["--enums", "--out", out.to_str().unwrap(), "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_no_news(folder.path(), &har, &out);
    let Some(python) = python() else {
        eprintln!("left out: no Python with openapi-spec-validator; `make test` makes one");
        return;
    };
    let document = out.join("api.bank.example.json");
    let valid = Command::new(&python).args(["-m", "openapi_spec_validator"]).arg(&document).output().unwrap();
    assert!(valid.status.success(), "{}", stdout(&valid));
    // Each body is valid by a public validator that asserts formats, and those that break one are not.
    let operation = operation(&fs::read_to_string(&document).unwrap());
    let faults = |bodies: &[Value]| {
        let told = json!({"schema": answer_schema(&operation), "bodies": bodies});
        let file = folder.path().join("told.json");
        fs::write(&file, told.to_string()).unwrap();
        let script = "import json, sys, jsonschema\n\
            told = json.load(open(sys.argv[1]))\n\
            kind = jsonschema.Draft202012Validator\n\
            held = kind(told['schema'], format_checker=kind.FORMAT_CHECKER)\n\
            print(sum(not held.is_valid(body) for body in told['bodies']))";
        let output = Command::new(&python).args(["-c", script]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().parse::<usize>().unwrap()
    };
    assert_eq!(faults(&bodies), 0);
    bodies[0]["status"] = json!("Anna");
    bodies[1]["bookingDate"] = json!("2026-02-30");
    bodies[2]["ip"] = json!("10.0.0.256");
    assert_eq!(faults(&bodies), 3);
}

#[cfg(all(target_os = "linux", feature = "lake", feature = "live"))]
#[test]
fn the_state_of_a_sensor_becomes_a_document() {
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    // As root the sensor becomes another user, who must get here.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(spanlight(folder.path()).args(["key", "new"]).arg(at("key")).output().unwrap().status.success());
    let mut log = String::new();
    for n in 0..200 {
        writeln!(
            log,
            "10.0.0.{} - - [15/Apr/2026:00:00:{:02} +0000] \"GET /v1/rates?day=2026-01-{:02}&page={n}&kind={} HTTP/1.1\" 200 5",
            n % 9, n % 60, n % 28 + 1, ["SPOT", "FORWARD"][n % 2],
        )
        .unwrap();
    }
    let mut command = spanlight(folder.path());
    command.args(["watch", "-a", "-", "--quiet", "--lake"]).arg(at("lake"));
    command.arg("--state").arg(at("state")).arg("--key").arg(at("key"));
    let mut running = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    assert!(running.wait().unwrap().success());

    let told = |args: &[&str]| {
        let mut command = spanlight(folder.path());
        command.args(["export", "openapi", "--format", "json", "--state"]).arg(at("state"));
        command.arg("--key").arg(at("key")).args(args).output().unwrap()
    };
    let of_state = told(&[]);
    assert!(of_state.status.success(), "{}", stderr(&of_state));
    let document = stdout(&of_state);
    let parameters = operation(&document)["parameters"].clone();
    let schemas: Vec<_> = parameters
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].clone(), one["schema"].clone()))
        .collect();
    let expected = [
        (json!("day"), json!({"type": "string", "format": "date"})),
        (json!("kind"), json!({"type": "string"})),
        (json!("page"), json!({"type": "integer", "format": "int32"})),
    ];
    assert_eq!(schemas, expected);
    // The same as of the log itself, but for the words, which no state has.
    fs::write(at("access.log"), &log).unwrap();
    let mut command = spanlight(folder.path());
    command.args(["export", "openapi", "--quiet", "--format", "json", "--key"]).arg(at("key"));
    assert_eq!(stdout(&command.arg(at("access.log")).output().unwrap()), document);
    for (name, bytes) in common::files(&at("state")) {
        assert!(!bytes.windows(7).any(|part| part == b"FORWARD"), "{name}");
    }
    let refused = told(&["--enums"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("a state holds no values"), "{}", stderr(&refused));
    if let Some(python) = python() {
        let file = at("document.json");
        fs::write(&file, document).unwrap();
        let valid = Command::new(python).args(["-m", "openapi_spec_validator"]).arg(file).output().unwrap();
        assert!(valid.status.success(), "{}", stdout(&valid));
    }
}

/// A Python that has the validator, or `None`.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python3");
    let python = match std::env::var_os("SPANLIGHT_PYTHON") {
        Some(named) => PathBuf::from(named),
        None if venv.exists() => venv,
        None => "python3".into(),
    };
    let has = Command::new(&python).args(["-c", "import openapi_spec_validator"]).output();
    has.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn a_public_validator_takes_the_export() {
    let Some(python) = python() else {
        eprintln!("left out: no Python with openapi-spec-validator; `make test` makes one");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for input in INPUTS {
        let out = documents(folder.path(), input, "yaml");
        let files = common::files(&out).into_iter().map(|(name, _)| out.join(name));
        let output =
            Command::new(&python).args(["-m", "openapi_spec_validator"]).args(files).output().unwrap();
        assert!(output.status.success(), "{input}: {}", stdout(&output));
    }
}
