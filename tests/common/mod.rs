//! What the tests of the command share: running it as a user does, in a folder of its own.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fixture's path.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The command, with a state folder of its own, so that no test touches the user's key.
pub fn spanlight(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanlight"));
    command.env("XDG_STATE_HOME", state).env_remove("NO_COLOR").env("RUST_BACKTRACE", "0");
    command
}

/// Runs `analyze` with the fixtures' published key.
pub fn analyze(state: &Path, args: &[&str]) -> Output {
    spanlight(state).arg("analyze").arg("--key").arg(fixture("test.key")).args(args).output().unwrap()
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Holds a text line by line against the file `name` below fixtures, or with `SPANLIGHT_UPDATE_GOLDEN` writes it there.
pub fn assert_golden(name: &str, got: &str) {
    let file = fixture(name);
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

/// The JSON lines in a text.
pub fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every file below a folder, by name within it.
pub fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                all.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}
