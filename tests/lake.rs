//! What the lake promises to others: DuckDB and pyarrow read it, with the columns that are documented.
//!
//! Needs a Python with `duckdb` and `pyarrow`: the one that `SPANLIGHT_PYTHON` names, else `target/venv`,
//! else `python3`. `SPANLIGHT_SKIP_PYTHON=1` leaves this test out.
#![cfg(feature = "lake")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that cannot go on is a failed test")]

use serde_json::{Value, json};
use spanlight::finding::DocumentPlace;
use spanlight::inventory::sketch::{CallerSketch, Seat};
use spanlight::lake::rows::{
    BucketRow, CaptureRow, CertificateRow, Count, DataClassRow, EndpointRow, FindingRow, ObservationRow,
    Origin, ServiceRow,
};
use spanlight::lake::writer::Writer;
use spanlight::secret::{FingerprintKey, Purpose};
use spanlight::time::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Command;

const START: i64 = 1_776_211_206;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(START + seconds, 672_000_000)
}

fn callers(count: u32) -> CallerSketch {
    let key = FingerprintKey::new([7; 32]);
    let mut sketch = CallerSketch::default();
    for caller in 0..count {
        sketch.insert(Seat::of(key.fingerprint(Purpose::Caller, &caller.to_be_bytes())));
    }
    sketch
}

fn endpoint(template: &str, caller_count: u32, classes: &[&str]) -> EndpointRow {
    let callers = callers(caller_count);
    EndpointRow {
        id: format!("id of {template}"),
        host: "api.example".into(),
        method: "GET".into(),
        path_template: template.into(),
        class: "api".into(),
        count: 9,
        first_seen: at(0),
        last_seen: at(9),
        callers: callers.estimate(),
        callers_sketch: callers.to_bytes(),
        latencies: vec![BucketRow { bucket: 40, count: 9 }],
        data_classes: classes
            .iter()
            .map(|class| DataClassRow { class: (*class).into(), valid: 9, ..Default::default() })
            .collect(),
        ..Default::default()
    }
}

fn observation(template: &str, hour: i64, buckets: &[(u16, u64)]) -> ObservationRow {
    ObservationRow {
        host: "api.example".into(),
        path_template: template.into(),
        hour: START / 3_600 + hour,
        caller_group: "all".into(),
        latencies: buckets.iter().map(|&(bucket, count)| BucketRow { bucket, count }).collect(),
        ..Default::default()
    }
}

fn write(lake: &Path) {
    let origin = Origin {
        sensor: "sensor-1".into(),
        run: "0123456789abcdef".into(),
        key_id: "cafe0123".into(),
        window_start: at(0),
        window_end: at(90_000),
        coverage: 0.75,
    };
    let writer = Writer::new(lake, origin).unwrap();
    writer
        .write(vec![
            endpoint("/b", 5_000, &[]),
            endpoint("/a/{id}", 3, &["fin.iban", "person.name"]),
            endpoint("/c", 64, &["fin.pan"]),
        ])
        .unwrap();
    writer
        .write(vec![
            observation("/b", 0, &[(40, 1), (41, 2)]),
            observation("/b", 1, &[(41, 3)]),
            observation("/a/{id}", 24, &[(40, 4)]),
        ])
        .unwrap();
    writer
        .write(vec![FindingRow {
            id: "f".into(),
            kind: "shadow_endpoint".into(),
            severity: "high".into(),
            host: "api.example".into(),
            references: vec!["OWASP-API9:2023".into()],
            document: Some(DocumentPlace { file: "a.yaml".into(), line: Some(3), pointer: "/paths".into() }),
            ..Default::default()
        }])
        .unwrap();
    writer
        .write(vec![ServiceRow {
            host: "api.example".into(),
            port: 443,
            versions: Count::list([("TLS 1.2", 5)]),
            certificates: vec![CertificateRow { issuer: "Example CA".into(), ..Default::default() }],
            ..Default::default()
        }])
        .unwrap();
    writer
        .write(vec![CaptureRow {
            source: "a.pcap".into(),
            fates: Count::list([("not_ip", 2), ("tcp", 7)]),
            ..Default::default()
        }])
        .unwrap();
}

/// What a Python process prints that reads the lake.
fn read_with_python(lake: &Path) -> Value {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = package.join("target/venv/bin/python3");
    let python = match std::env::var_os("SPANLIGHT_PYTHON") {
        Some(named) => PathBuf::from(named),
        None if venv.exists() => venv,
        None => "python3".into(),
    };
    let cure = "run `make test`, which makes target/venv, or name a Python that has duckdb and pyarrow in \
                SPANLIGHT_PYTHON, or set SPANLIGHT_SKIP_PYTHON=1";
    let output = Command::new(&python)
        .arg(package.join("tests/read_lake.py"))
        .arg(lake)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; {cure}", python.display()));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(3), "{message}; {cure}");
    assert!(output.status.success(), "{}: {message}", python.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn duckdb_and_pyarrow_read_what_was_written() {
    if std::env::var_os("SPANLIGHT_SKIP_PYTHON").is_some_and(|value| value == "1") {
        eprintln!("left out: SPANLIGHT_SKIP_PYTHON is 1");
        return;
    }
    let lake = tempfile::tempdir().unwrap();
    write(lake.path());
    let seen = read_with_python(lake.path());
    let rows = json!({"endpoints": 3, "observations": 3, "findings": 1, "services": 1, "capture": 1});
    let classes = json!([["/a/{id}", "fin.iban", 9], ["/a/{id}", "person.name", 9], ["/c", "fin.pan", 9]]);

    let duckdb = &seen["duckdb"];
    assert_eq!(duckdb["rows"], rows);
    assert_eq!(duckdb["classes"], classes);
    assert_eq!(duckdb["partitions"], json!([["2026-04-15", "sensor-1"], ["2026-04-16", "sensor-1"]]));
    assert_eq!(duckdb["latency"], json!([[40, 5], [41, 5]]), "histograms add up in plain SQL");
    assert_eq!(duckdb["first_seen"], at(0).as_micros());
    assert_eq!(duckdb["shadows"], json!([["shadow_endpoint", "high", "api.example", 3, "OWASP-API9:2023"]]));
    assert_eq!(duckdb["fates"], json!([["not_ip", 2], ["tcp", 7]]));
    assert_eq!(duckdb["services"], json!([["api.example", 443, "TLS 1.2", 5, "Example CA"]]));
    let window = [at(0).as_micros(), at(90_000).as_micros()];
    let origin = json!([["sensor-1", "0123456789abcdef", "cafe0123", 0.75, window[0], window[1]]]);
    assert_eq!(duckdb["origin"], origin);
    if seen["datasketches"] == true {
        for pair in duckdb["sketches"].as_array().unwrap() {
            assert_eq!(pair[0], pair[1], "another language's estimate of the same callers");
        }
    }

    let pyarrow = &seen["pyarrow"];
    assert_eq!(pyarrow["rows"], rows);
    assert_eq!(pyarrow["classes"], classes);
    assert_eq!(pyarrow["described"], true, "every column says what it means");
    assert_eq!(pyarrow["schemas"]["endpoints"], "endpoints/v1");
    assert_eq!(
        pyarrow["types"],
        json!({
            "first_seen": "timestamp[us, tz=UTC]",
            "latency": "list<element: struct<bucket: int32 not null, count: int64 not null> not null>",
            "callers_hll": "binary",
            "sunset": "timestamp[us, tz=UTC]",
        })
    );
}
