//! The inventory as OpenAPI: valid for others, silent about values, and no news to the traffic it was made of.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, lines, spanlight, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const INPUTS: [&str; 4] = ["scenario.pcap.gz", "access.jsonl.gz", "access.log.gz", "partner.har"];

fn export(state: &Path, input: &str, args: &[&str]) -> Output {
    let mut command = spanlight(state);
    command.args(["export", "openapi", "--quiet", "--key"]).arg(fixture("test.key"));
    command.arg(fixture(&format!("openbanking/{input}"))).args(args).output().unwrap()
}

/// Writes the documents of an input and returns their folder.
fn documents(folder: &Path, input: &str, format: &str) -> PathBuf {
    let out = folder.join(format!("{input}.{format}"));
    let output = export(folder, input, &["--out", out.to_str().unwrap(), "--format", format]);
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
        let (input, out) = (fixture(&format!("openbanking/{input}")), out.to_str().unwrap());
        let output = analyze(folder.path(), &[input.to_str().unwrap(), "--spec", out, "--findings", "-"]);
        assert!(!stderr(&output).contains(out), "the documents are without fault: {}", stderr(&output));
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
