//! Nothing that is written holds a value that was seen.
//!
//! The recorded scenario has planted values everywhere: card numbers, IBANs, e-mail addresses, names, tokens
//! in bodies, headers, cookies, paths and queries. Every byte that every output writes is searched for them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{analyze, files, fixture, stderr, stdout};

fn planted() -> Vec<String> {
    let text = std::fs::read_to_string(fixture("openbanking/planted.txt")).unwrap();
    let values: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert!(values.len() > 500, "the scenario plants values");
    values
}

/// Searches text, and the text inside Parquet files, which are compressed.
fn written(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    files(folder)
        .into_iter()
        .map(|(name, bytes)| {
            let bytes = if name.ends_with(".parquet") { parquet_text(bytes) } else { bytes };
            (name, bytes)
        })
        .collect()
}

#[cfg(feature = "lake")]
fn parquet_text(bytes: Vec<u8>) -> Vec<u8> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use std::fmt::Write;
    let raw = bytes.clone();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let mut text = format!("{:?}", reader.metadata());
    for row in reader.get_row_iter(None).unwrap() {
        write!(text, "{}", row.unwrap()).unwrap();
    }
    let mut all = text.into_bytes();
    all.extend(raw);
    all
}

#[cfg(not(feature = "lake"))]
fn parquet_text(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[test]
fn no_output_holds_a_planted_value() {
    let planted = planted();
    for with_documents in [true, false] {
        for input in [
            "scenario.pcap.gz",
            "access.log.gz",
            "access.jsonl.gz",
            "aid.jsonl.gz",
            "partner.har",
            "../recordings/partner.mitm.gz",
            "../recordings/partner.burp.xml.gz",
            "../recordings/partner.postman_collection.json.gz",
            "../recordings/partner.tap.json.gz",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out");
            std::fs::create_dir(&out).unwrap();
            let file = |name: &str| out.join(name).display().to_string();
            let (capture, specs) = (fixture("openbanking").join(input), fixture("openbanking/specs"));
            let names =
                [file("inventory"), file("findings"), file("transactions"), file("tags"), file("lake")];
            let mut args = vec![
                capture.to_str().unwrap(),
                "--all",
                "--inventory",
                &names[0],
                "--findings",
                &names[1],
                "--transactions",
                &names[2],
                "--tags",
                &names[3],
            ];
            if cfg!(feature = "lake") {
                args.extend(["--lake", &names[4]]);
            }
            if with_documents {
                args.extend(["--spec", specs.to_str().unwrap()]);
            }
            let output = analyze(folder.path(), &args);
            assert!(output.status.success(), "{}", stderr(&output));
            let mut all = written(&out);
            all.push(("summary".to_owned(), stdout(&output).into_bytes()));
            all.push(("messages".to_owned(), stderr(&output).into_bytes()));
            let mut leaks = Vec::new();
            for (name, bytes) in &all {
                let text = String::from_utf8_lossy(bytes).to_lowercase();
                leaks.extend(
                    planted
                        .iter()
                        .filter(|value| text.contains(&value.to_lowercase()))
                        .map(|value| format!("{name}: {value}")),
                );
            }
            assert!(leaks.is_empty(), "{input}, documents {with_documents}: {leaks:#?}");
        }
    }
}

#[test]
fn unredacted_lines_and_a_lake_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let capture = fixture("openbanking/scenario.pcap.gz");
    let lake = folder.path().join("lake");
    let output = analyze(
        folder.path(),
        &[capture.to_str().unwrap(), "--transactions", "-", "--unredacted", "--lake", lake.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot be used with"), "{}", stderr(&output));
    assert!(!lake.exists());
}
