//! The whole of what an analysis of the recorded scenario shows, held against what it showed before.
//!
//! A change that is meant is taken over with `SPANLIGHT_UPDATE_GOLDEN=1 cargo test --test golden`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, fixture, stdout};
use std::path::Path;

fn assert_golden(name: &str, got: &str) {
    let file = fixture("openbanking/golden").join(name);
    if std::env::var_os("SPANLIGHT_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, got).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&file).unwrap();
    for (number, (got, wanted)) in got.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(got, wanted, "{name}, line {}", number + 1);
    }
    assert_eq!(got.lines().count(), wanted.lines().count(), "lines of {name}");
}

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
    assert_golden("summary.txt", &stdout(&output));
    assert_golden("inventory.jsonl", &std::fs::read_to_string(inventory).unwrap());
    assert_golden("findings.jsonl", &std::fs::read_to_string(findings).unwrap());
}
