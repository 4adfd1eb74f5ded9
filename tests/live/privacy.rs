//! Nothing that a running sensor writes holds a value that it saw: not its lake, not its state, not its log.

use crate::lab::{Lab, Reach, must, script};
use crate::lake;
use crate::sensor::Watch;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openbanking").join(name)
}

/// Sends the recorded scenario past the tap.
fn replay(lab: &Lab) {
    let (host, _) = lab.mirrored();
    let mut send = host.command("python3");
    must(send.arg("-B").arg(script("replay.py")).arg(fixture("scenario.pcap.gz")).arg("m0"));
}

#[test]
fn the_scenario_leaves_no_planted_value_in_lake_state_or_log() {
    let Some(lab) = Lab::new("privacy", Reach::Direct) else { return };
    lab.join_tap("m0", "t0");
    let specs = fixture("specs");
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 2");
    // Undocumented first: documents would earn names their place.
    let watch = sensor.start(&lab);
    replay(&lab);
    std::thread::sleep(Duration::from_millis(2_500));
    let told = watch.process.told();
    watch.kill();
    assert_no_value(&lab, &told);
    let log = told;
    // Resumed from the state, with documents, it knows twice what `analyze` makes of the scenario.
    sensor = sensor.with(&format!("--spec {}", specs.display()));
    let watch = sensor.start(&lab);
    replay(&lab);
    let told = stop(watch);
    assert_no_value(&lab, &format!("{log}{told}"));
    let analyzed = sensor.analyze(&lab, &[fixture("scenario.pcap.gz")], &["--spec", specs.to_str().unwrap()]);
    let (live, analyzed) = (lake::table("inventory", sensor.lake()), lake::table("inventory", &analyzed));
    let mut twice = lake::by_endpoint(&analyzed);
    for count in twice.values_mut() {
        *count *= 2;
    }
    assert_eq!(lake::by_endpoint(&live), twice);
}

fn stop(watch: Watch) -> String {
    let told = watch.process.told();
    watch.stop();
    told
}

/// Holds that no file of lake and state, unpacked, and no line of the log has a planted value.
fn assert_no_value(lab: &Lab, log: &str) {
    let planted = fs::read_to_string(fixture("planted.txt")).unwrap();
    let mut written = vec![("the log".to_owned(), log.as_bytes().to_vec())];
    for folder in ["lake", "state"] {
        read_all(&lab.path(folder), &mut written);
    }
    assert!(written.iter().any(|(name, _)| name.ends_with("inventory.state")), "a state was saved");
    assert!(written.iter().any(|(name, _)| name.ends_with(".parquet")), "a lake was filled");
    for (name, bytes) in &written {
        for value in planted.lines().filter(|value| !value.is_empty()) {
            assert!(memchr::memmem::find(bytes, value.as_bytes()).is_none(), "{name} holds {value}");
        }
    }
}

fn read_all(folder: &Path, written: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            read_all(&path, written);
        } else if name.ends_with(".parquet") {
            written.push((name, parquet_text(&path)));
        } else if name.contains("inventory.state") {
            // A head of 56 bytes, then what was learnt, packed.
            let bytes = fs::read(&path).unwrap();
            let plain = zstd::stream::decode_all(&bytes[56..]).unwrap();
            assert!(plain.len() > 10_000, "{name} holds what was learnt");
            written.push((name, plain));
        } else {
            written.push((name, fs::read(&path).unwrap()));
        }
    }
}

/// All text in a Parquet file, which is packed too.
fn parquet_text(path: &Path) -> Vec<u8> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut text = format!("{:?}", reader.metadata());
    for row in reader.get_row_iter(None).unwrap() {
        text.push_str(&row.unwrap().to_string());
    }
    text.into_bytes()
}
