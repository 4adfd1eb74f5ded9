//! The real sensor, killed again and again.

#[cfg(feature = "kafka")]
use super::kafka;
use super::lab::{Running, left_out, until};
#[cfg(feature = "s3")]
use super::s3 as bucket;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often each is killed.
const KILLS: u32 = 20;

/// A folder that the user whom a sensor becomes can reach.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn write_settings(folder: &Path, log: &str) {
    let here = folder.display();
    let text = format!(
        "sensor: pull\nstate: {here}/state\ninterval_secs: 1\nlake: {{path: {here}/lake, roll_secs: 2}}\naccess_logs:\n{log}\n"
    );
    fs::write(folder.join("spanlight.yaml"), text).unwrap();
}

fn start(folder: &Path) -> Running {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanlight"));
    command.arg("watch").arg(folder.join("spanlight.yaml"));
    Running(command.stdin(Stdio::null()).stderr(log).spawn().unwrap())
}

/// Exchanges that the lake knows.
fn counted(folder: &Path) -> u64 {
    let lake = folder.join("lake");
    let output = Command::new(env!("CARGO_BIN_EXE_spanlight"))
        .args(["inventory", "--json", "--all", "--lake"])
        .arg(&lake)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["count"].as_u64().unwrap()).sum()
}

/// Kills the sensor at moments that are not foreseen, while `more` brings lines, then lets it come to the end.
fn kill(folder: &Path, pause: Duration, expected: u64, more: &mut dyn FnMut(u32)) {
    for round in 0..KILLS {
        more(round);
        let sensor = start(folder);
        // Spread over the second between two saves.
        std::thread::sleep(pause + Duration::from_millis(u64::from(round * 619 % 1_000)));
        drop(sensor);
    }
    let mut sensor = start(folder);
    let told = |folder: &Path| fs::read_to_string(folder.join("log")).unwrap();
    until("all is counted", || counted(folder) >= expected);
    // What counts twice comes late.
    std::thread::sleep(Duration::from_secs(3));
    let ended = Command::new("kill").arg(sensor.0.id().to_string()).status().unwrap();
    assert!(ended.success());
    assert!(sensor.0.wait().unwrap().success(), "{}", told(folder));
    assert_eq!(counted(folder), expected, "after {KILLS} kills\n{}", told(folder));
    eprintln!("{KILLS} kills: {expected} of {expected} are counted");
}

#[cfg(feature = "s3")]
#[test]
fn objects_count_once_however_often_the_sensor_is_killed() {
    if left_out() {
        return;
    }
    let server = bucket::server();
    let folder = folder();
    let secret = folder.path().join("secret");
    fs::write(&secret, "test\n").unwrap();
    let log = format!(
        "- s3: {{bucket: logs, prefix: edge/, endpoint: 'http://localhost:{}', poll_secs: 1, access_key_id: test, \
         secret_access_key_file: {}}}",
        server.port,
        secret.display()
    );
    write_settings(folder.path(), &log);
    let each = 12_000;
    kill(folder.path(), Duration::from_millis(600), u64::from(KILLS) * each, &mut |round| {
        let lines = bucket::lines("a", usize::try_from(each).unwrap());
        let text = bucket::text(&lines);
        let (key, bytes) = match round % 3 {
            0 => (format!("edge/{round}.log"), text),
            1 => (format!("edge/{round}.log.gz"), bucket::gzip(&text)),
            _ => (format!("edge/{round}.log.zst"), bucket::zstd(&text)),
        };
        bucket::put(&server, &[(&key, bytes)]);
    });
}

#[cfg(feature = "kafka")]
#[test]
fn records_count_once_however_often_the_sensor_is_killed() {
    if left_out() {
        return;
    }
    let broker = kafka::Broker::start();
    let place = broker.place();
    kafka::peer(&["create", &place, "logs", "3"], "");
    let folder = folder();
    let each = 6_000;
    // Until the group has come together nothing is read.
    let pause = Duration::from_millis(4_800);
    kill(folder.path(), pause, u64::from(KILLS) * each, &mut |round| {
        // Another group each time: one waits for ten seconds before it gives up a dead member.
        let log = format!("- kafka: {{brokers: ['{place}'], topics: [logs], group: 'group-{round}'}}");
        write_settings(folder.path(), &log);
        kafka::produce(&place, "logs", &kafka::lines("a", usize::try_from(each).unwrap(), 3), &[]);
    });
}
