//! The whole of what an analysis of the recorded scenario shows, held against what it showed before.
//!
//! A change that is meant is taken over with `SPANLIGHT_UPDATE_GOLDEN=1 cargo test --test golden`.

mod common;

use common::{analyze, assert_golden, fixture, spanlight, stdout};
use std::path::Path;

#[test]
fn the_scenario_shows_what_it_showed() {
    let folder = tempfile::tempdir().unwrap();
    let (inventory, findings) = (folder.path().join("inventory"), folder.path().join("findings"));
    // Paths as a user in the repository's folder gives them: documents' names are in the output.
    let args = [
        "fixtures/openbanking/scenario.pcap.gz",
        "--spec",
        "fixtures/openbanking/specs",
        "--inventory",
        inventory.to_str().unwrap(),
        "--findings",
        findings.to_str().unwrap(),
        "--all",
    ];
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let output = analyze(folder.path(), &args);
    assert!(output.status.success());
    assert_golden("openbanking/golden/summary.txt", &stdout(&output));
    assert_golden("openbanking/golden/inventory.jsonl", &std::fs::read_to_string(inventory).unwrap());
    assert_golden("openbanking/golden/findings.jsonl", &std::fs::read_to_string(findings).unwrap());
}

#[test]
fn a_service_of_the_scenario_is_documented_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = spanlight(folder.path());
    command.args(["export", "openapi", "--quiet", "--enums", "--service", "partner.bank.example", "--key"]);
    command.arg(fixture("test.key")).arg(fixture("openbanking/scenario.pcap.gz"));
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert_golden("openbanking/golden/partner.openapi.yaml", &stdout(&output));
}
