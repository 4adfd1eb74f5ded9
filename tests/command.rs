//! The command as a user meets it: exit codes, bad input, streams.

mod common;

use common::{analyze, fixture, lines, spanlight, stderr, stdout};
use std::io::Write;
use std::process::Stdio;

fn scenario() -> String {
    fixture("openbanking/scenario.pcap.gz").display().to_string()
}

#[test]
fn bad_inputs_are_named_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let good = std::fs::read(fixture("wire/pipelining.pcap")).unwrap();
    let mut unknown_link = good.clone();
    unknown_link[20] = 147;
    let (empty, text) = (write("empty.pcap", b""), write("text.txt", b"hello\nworld\n"));
    let (cut, link) = (write("cut.pcap", &good[..good.len() - 7]), write("link.pcap", &unknown_link));
    let gzip = write("bad.pcap.gz", &[0x1f, 0x8b, 8, 0, 1, 2, 3]);
    let missing = folder.path().join("missing.pcap").display().to_string();
    let output = analyze(folder.path(), &[&empty, &text, &missing, &gzip, &link, &cut, "--inventory", "-"]);
    let complaints = stderr(&output);
    for expected in [
        "empty.pcap: empty",
        "text.txt: neither a capture (pcap, pcapng) nor a log",
        "missing.pcap: No such file",
        "bad.pcap.gz: ",
        "link.pcap: link type 147 is not understood",
        "cut.pcap: cut off at byte",
    ] {
        assert!(complaints.contains(expected), "{expected} is not in:\n{complaints}");
    }
    assert_eq!(output.status.code(), Some(0), "something could be read");
    assert!(!lines(&stdout(&output)).is_empty(), "the cut file's exchanges are there");
    let output = analyze(folder.path(), &[&empty, &text, &missing]);
    assert_eq!(output.status.code(), Some(2), "nothing could be read");
}

#[test]
fn findings_fail_the_run_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let specs = fixture("openbanking/specs").display().to_string();
    let run = |args: &[&str]| analyze(folder.path(), &[&[scenario().as_str()], args].concat()).status.code();
    assert_eq!(run(&["--spec", &specs]), Some(0));
    assert_eq!(run(&["--spec", &specs, "--fail-on", "high"]), Some(1));
    let quiet = fixture("wire/pipelining.pcap").display().to_string();
    let output = analyze(folder.path(), &[&quiet, "--fail-on", "info"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn an_unreadable_document_is_named_and_the_others_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let specs = folder.path().join("specs");
    std::fs::create_dir(&specs).unwrap();
    std::fs::copy(fixture("openbanking/specs/accounts-v4.yaml"), specs.join("accounts.yaml")).unwrap();
    std::fs::write(specs.join("broken.yaml"), "openapi: 3.0.0\npaths: [\n").unwrap();
    let output = analyze(folder.path(), &[&scenario(), "--spec", specs.to_str().unwrap(), "--findings", "-"]);
    assert!(stderr(&output).contains("broken.yaml"), "{}", stderr(&output));
    assert!(stdout(&output).contains("undocumented_method"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_run_without_the_documents_it_was_given_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let specs = folder.path().join("specs");
    std::fs::create_dir(&specs).unwrap();
    let run =
        || analyze(folder.path(), &[&scenario(), "--spec", specs.to_str().unwrap(), "--fail-on", "critical"]);
    std::fs::write(specs.join("readme.txt"), "nothing").unwrap();
    assert_eq!(run().status.code(), Some(2), "none is there");
    std::fs::write(specs.join("broken.yaml"), "openapi: 3.0.0\npaths: [\n").unwrap();
    let output = run();
    assert_eq!(output.status.code(), Some(2), "none can be read");
    assert!(stderr(&output).contains("nothing was compared"), "{}", stderr(&output));
    assert!(stdout(&output).contains("INVENTORY"), "the rest is done");
    std::fs::write(specs.join("routes.yaml"), "_format_version: '3.0'\nservices: []\n").unwrap();
    assert_ne!(run().status.code(), Some(2), "a catalogue is something to compare with");
}

#[test]
fn an_input_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = analyze(folder.path(), &["gone.pcap", folder.path().to_str().unwrap()]);
    let told = stderr(&output);
    assert!(told.contains("spanlight: gone.pcap: No such file"), "{told}");
    assert!(told.lines().all(|line| !line.contains("open gone.pcap")), "{told}");
    assert!(told.contains(": a folder; name the files in it"), "{told}");
}

#[test]
fn packets_captured_in_part_are_told_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("wire/pipelining.pcap")).unwrap();
    let (header, mut rest) = whole.split_at(24);
    let mut cut = header.to_vec();
    while let Some((record, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize;
        let kept = length.min(80);
        cut.extend_from_slice(&record[..8]);
        cut.extend_from_slice(&u32::try_from(kept).unwrap().to_le_bytes());
        cut.extend_from_slice(&record[12..16]);
        cut.extend_from_slice(&after[..kept]);
        rest = &after[length..];
    }
    let file = folder.path().join("cut.pcap");
    std::fs::write(&file, cut).unwrap();
    let told = stdout(&analyze(folder.path(), &[file.to_str().unwrap()]));
    assert!(told.contains("captured in part, by too short a snapshot length"), "{told}");
    assert!(!told.contains("0 holes"), "{told}");
}

#[test]
fn standard_input_is_read_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let whole = analyze(folder.path(), &[&scenario(), "--inventory", "-"]);
    let mut child = spanlight(folder.path())
        .args(["analyze", "-", "--inventory", "-", "--key"])
        .arg(fixture("test.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(scenario()).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Small pieces: a pipe gives what it has.
    for piece in bytes.chunks(1_000) {
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, whole.stdout);
}

#[test]
fn a_growing_file_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing.pcap");
    let bytes = std::fs::read(fixture("wire/pipelining.pcap")).unwrap();
    let (front, rest) = bytes.split_at(bytes.len() / 2);
    std::fs::write(&path, front).unwrap();
    let child = spanlight(folder.path())
        .args(["analyze", path.to_str().unwrap(), "--follow", "3", "--transactions", "-", "--key"])
        .arg(fixture("test.key"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(rest).unwrap();
    let followed = child.wait_with_output().unwrap();
    let whole =
        analyze(folder.path(), &[fixture("wire/pipelining.pcap").to_str().unwrap(), "--transactions", "-"]);
    assert_eq!(lines(&stdout(&followed)).len(), lines(&stdout(&whole)).len());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spanlight(folder.path())
        .args(["analyze", &scenario(), "--transactions", "-", "--key"])
        .arg(fixture("test.key"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn an_output_that_cannot_be_written_does_not_cost_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory").display().to_string();
    let output = analyze(
        folder.path(),
        &[&scenario(), "--findings", "/dev/full", "--transactions", "/dev/full", "--inventory", &inventory],
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).matches("write /dev/full: No space left on device").count(), 2);
    assert!(stdout(&output).contains("INVENTORY"), "the summary is shown");
    assert!(!lines(&std::fs::read_to_string(&inventory).unwrap()).is_empty());
}

#[test]
fn a_key_is_made_once_and_kept_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        spanlight(folder.path())
            .args(["analyze", fixture("wire/pipelining.pcap").to_str().unwrap(), "--transactions", "-"])
            .output()
            .unwrap()
    };
    let (first, second) = (run(), run());
    assert!(stderr(&first).contains("made the fingerprint key"));
    assert!(!stderr(&second).contains("made the fingerprint key"));
    assert_eq!(first.stdout, second.stdout, "callers are recognised again");
    let key = folder.path().join("spanlight/fingerprint.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let refused = spanlight(folder.path()).args(["key", "new", key.to_str().unwrap()]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "a key is never overwritten");
}

#[cfg(feature = "lake")]
#[test]
fn a_lake_that_cannot_be_written_is_named_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let output = analyze(folder.path(), &[&scenario(), "--lake", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("name another folder"), "{}", stderr(&output));
    assert!(!stdout(&output).contains("added to the lake"), "{}", stdout(&output));
}

#[cfg(feature = "lake")]
#[test]
fn a_sensors_name_that_cannot_be_a_folders_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["missing.pcap", "--lake", "lake", "--sensor", "../edge"];
    let output = analyze(folder.path(), &args);
    let complaints = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{complaints}");
    assert!(complaints.contains("must be 1 to 64 letters, digits"), "{complaints}");
    assert!(!complaints.contains("missing.pcap"), "{complaints}");
}

#[test]
fn what_the_lake_holds_is_what_the_analysis_told() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake").display().to_string();
    let specs = fixture("openbanking/specs").display().to_string();
    let findings = folder.path().join("findings").display().to_string();
    for _ in 0..2 {
        // The same analysis again adds nothing.
        let told = analyze(
            folder.path(),
            &[&scenario(), "--spec", &specs, "--lake", &lake, "--inventory", "-", "--findings", &findings],
        );
        assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
        let read = |what: &str| {
            let output = spanlight(folder.path()).args([what, "--lake", &lake, "--json"]).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            stdout(&output)
        };
        let sorted = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(read("inventory")), sorted(stdout(&told)));
        assert_eq!(sorted(read("findings")), sorted(std::fs::read_to_string(&findings).unwrap()));
    }
}

#[cfg(feature = "lake")]
#[test]
fn a_folder_that_is_no_lake_is_no_lake_without_findings() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    std::fs::create_dir(&lake).unwrap();
    let read = |what: &str| spanlight(folder.path()).args([what, "--lake"]).arg(&lake).output().unwrap();
    let new = read("inventory");
    assert_eq!(new.status.code(), Some(0), "a sensor has not written yet: {}", stderr(&new));
    std::fs::write(lake.join("notes.txt"), "no lake").unwrap();
    for what in ["inventory", "findings", "events", "services"] {
        let output = read(what);
        assert_eq!(output.status.code(), Some(2), "{what}");
        assert!(stderr(&output).contains("none of a lake's tables is in this folder"), "{what}");
    }
    let told = analyze(folder.path(), &[&scenario(), "--lake", lake.to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let services = read("services");
    assert_eq!(
        (services.status.code(), stdout(&services).as_str()),
        (Some(0), "no service behind TLS is told\n")
    );
    for (file, _) in common::files(&lake.join("findings")) {
        std::fs::write(lake.join("findings").join(file), "damaged").unwrap();
    }
    assert_eq!(read("findings").status.code(), Some(2), "nothing could be read");
}

#[cfg(feature = "lake")]
#[test]
fn what_a_lake_shows_can_be_decided_on() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake").display().to_string();
    assert!(analyze(folder.path(), &[&scenario(), "--lake", &lake]).status.success());
    let read = |more: &[&str]| {
        stdout(&spanlight(folder.path()).args(["findings", "--lake", &lake]).args(more).output().unwrap())
    };
    let shown = read(&[]);
    let ids = lines(&read(&["--json"]));
    assert!(!ids.is_empty());
    for one in ids {
        assert!(shown.contains(one["id"].as_str().unwrap()), "{one}");
    }
}

#[test]
fn a_sensors_file_is_checked_with_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spanlight.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        spanlight(folder.path()).arg("check").arg(&file).output().unwrap()
    };
    let specs = fixture("openbanking/specs");
    let key = fixture("test.key");
    let good = format!("interfaces: [eth0]\nspecs: [{}]\nkey: {}\n", specs.display(), key.display());
    let output = check(&good);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("6 with 44 operations"), "{}", stdout(&output));
    let output = check("lak: 1\ninterval_secs: soon\n");
    assert_eq!(output.status.code(), Some(2));
    for expected in
        ["line 1, lak: unknown key; did you mean `lake`?", "line 2, interval_secs: must be", "2 problems"]
    {
        assert!(stderr(&output).contains(expected), "{expected} is not in:\n{}", stderr(&output));
    }
    let output = check("specs: [gone, broken.yaml]\nkey: short.key\n");
    assert_eq!(output.status.code(), Some(2));
    for expected in ["gone: No such file", "broken.yaml: No such file", "short.key: No such file"] {
        assert!(stderr(&output).contains(expected), "{expected} is not in:\n{}", stderr(&output));
    }
}

#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn the_doctor_looks_at_the_host_and_its_interfaces() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        spanlight(folder.path()).args(["doctor", "-i", "lo", "-i", "nope", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "an interface that is not there is bad");
    let checks = lines(&stdout(&output));
    let verdict = |subject: &str, check: &str| {
        let found = checks.iter().find(|line| line["subject"] == subject && line["check"] == check);
        found.unwrap_or_else(|| panic!("{subject} {check} is in {checks:?}"))["verdict"].clone()
    };
    assert_eq!(verdict("interface nope", "there"), "bad");
    assert_eq!(verdict("interface lo", "link"), "ok");
    for check in ["privileges", "clock", "memory", "kernel", "Landlock"] {
        verdict("host", check);
    }
    std::fs::write(folder.path().join("bad.yaml"), "nonsense: 1\n").unwrap();
    let output = spanlight(folder.path()).arg("doctor").arg(folder.path().join("bad.yaml")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bad.yaml: line 1, nonsense: unknown key"), "{}", stderr(&output));
}
