//! What a lake tells, and what two lakes of the same traffic must agree on.

use crate::lab::{Lab, must, template};
use crate::sensor::program;
use serde_json::Value;
use spanlight::lake::reader;
use spanlight::lake::rows::{CaptureRow, Count, ObservationRow, Stored};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// `spanlight inventory` or `findings` of a lake: its JSON lines. No file of it may be unreadable.
pub fn table(what: &str, lake: &Path) -> Vec<Value> {
    let output = must(Command::new(program()).args([what, "--json", "--lake"]).arg(lake));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "{what} of {}: {complaints}", lake.display());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exchanges by method and template, as the inventory counts them.
pub fn by_endpoint(inventory: &[Value]) -> BTreeMap<String, u64> {
    let name = |line: &Value| {
        format!("{} {}", line["method"].as_str().unwrap(), template(line["path_template"].as_str().unwrap()))
    };
    inventory.iter().map(|line| (name(line), line["count"].as_u64().unwrap())).collect()
}

/// Exchanges in a lake's inventory.
pub fn total(lake: &Path) -> u64 {
    by_endpoint(&table("inventory", lake)).values().sum()
}

/// Holds that the live lake says of the traffic what `analyze` says of a capture of it.
///
/// Equal are all columns of the inventory: id, host, method, template, class, count, data classes with their
/// evidence, callers, authentication, capability, lifecycle, tier. Both saw the same packets under the same
/// key, and no result depends on how the input was split. Instants are left out here and bounded instead: each
/// listener stamps a packet itself, some microseconds apart.
pub fn assert_same(live: &Path, analyzed: &Path) {
    let (live, analyzed) = (table("inventory", live), table("inventory", analyzed));
    let named = |lines: &[Value]| {
        let key =
            |line: &Value| ["host", "method", "path_template"].map(|name| line[name].to_string()).join(" ");
        lines.iter().map(|line| (key(line), line.clone())).collect::<BTreeMap<String, Value>>()
    };
    let (mut live, mut analyzed) = (named(&live), named(&analyzed));
    for (name, line) in &mut live {
        let Some(other) = analyzed.get_mut(name) else { continue };
        for line in [&mut *line, &mut *other] {
            // Those of the endpoint are bounded below.
            for version in line["versions"].as_array_mut().unwrap() {
                let version = version.as_object_mut().unwrap();
                version.retain(|name, _| !matches!(name.as_str(), "first_seen" | "last_seen"));
            }
            // A sensor looks more than once, and remembers what it said.
            for class in line["data_classes"].as_array_mut().unwrap() {
                let class = class.as_object_mut().unwrap();
                class.retain(|name, _| {
                    !matches!(name.as_str(), "first_seen" | "last_seen" | "changed" | "former_state")
                });
            }
        }
        for instant in ["first_seen", "last_seen"] {
            let apart =
                micros(line[instant].as_str().unwrap()).abs_diff(micros(other[instant].as_str().unwrap()));
            assert!(apart < 100_000, "{instant} of {name}: {} and {}", line[instant], other[instant]);
            for line in [&mut *line, &mut *other] {
                line.as_object_mut().unwrap().remove(instant);
            }
        }
    }
    assert!(!live.is_empty(), "the live inventory is empty");
    for (name, line) in &live {
        assert_eq!(Some(line), analyzed.get(name), "{name}: live, and as analyze tells it");
    }
    assert_eq!(live.len(), analyzed.len(), "endpoints");
}

/// Holds that a lake counts what the server's own log says, endpoint by endpoint.
pub fn assert_true(lake: &Path, lab: &Lab) {
    assert_eq!(
        by_endpoint(&table("inventory", lake)),
        lab.served_by_endpoint(),
        "the inventory, and access.log"
    );
}

/// An instant in microseconds within its day: enough to tell how far two are apart.
pub fn micros(instant: &str) -> u64 {
    let time =
        instant.split('T').nth(1).unwrap_or_else(|| panic!("no instant: {instant}")).trim_end_matches('Z');
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let seconds = clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds * 1_000_000 + micros.parse::<u64>().unwrap()
}

/// The rows of `capture`.
pub fn captures(lake: &Path) -> Vec<CaptureRow> {
    stored_captures(lake).into_iter().map(|stored| stored.row).collect()
}

/// The rows of `capture` with what they rest on.
pub fn stored_captures(lake: &Path) -> Vec<Stored<CaptureRow>> {
    let read = reader::read::<CaptureRow>(lake).unwrap();
    assert!(read.problems.is_empty(), "{}: {}", lake.display(), read.problems);
    read.rows
}

/// The rows of `observations`.
pub fn observations(lake: &Path) -> Vec<Stored<ObservationRow>> {
    let read = reader::read::<ObservationRow>(lake).unwrap();
    assert!(read.problems.is_empty(), "{}: {}", lake.display(), read.problems);
    read.rows
}

/// The sum of a count by this name.
pub fn sum(counts: &[Count], name: &str) -> u64 {
    counts.iter().filter(|count| count.name == name).map(|count| count.count).sum()
}
