//! TLS read with keys that come while it is watched: from a log that grows and is rotated, and over a socket.

use crate::lab::{Lab, PATIENCE, Process, Reach, must, script, wait_until};
use crate::lake;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Calls the API over TLS, some HTTP/1 and some HTTP/2, TLS 1.2 and 1.3, over several connections of 40 requests.
fn call(lab: &Lab, rounds: std::ops::Range<usize>, keys: Option<&Path>) {
    for round in rounds {
        let mut curl = lab.client.command("curl");
        curl.args(["-sS", "-k", "--fail-early", "--resolve", "api.shop.example:443:198.18.0.10"]);
        curl.arg(["--http1.1", "--http2"][round % 2]);
        if round % 3 == 0 {
            curl.args(["--tls-max", "1.2"]);
        }
        for number in 0..40 {
            let id = 100_000 + round * 1_000 + number;
            let path = ["accounts", "payments", "cards"][number % 3];
            curl.args(["-o", "/dev/null"]).arg(format!("https://api.shop.example/v1/{path}/{id}"));
        }
        match keys {
            Some(keys) => curl.env("SSLKEYLOGFILE", keys),
            None => curl.env_remove("SSLKEYLOGFILE"),
        };
        must(&mut curl);
    }
}

/// A key log that only root may read.
fn secret_file(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
}

/// Holds that no secret of a key log stands in a folder, or in what a sensor told.
fn assert_kept_secret(key_log: &Path, folder: &Path, told: &str) {
    let log = fs::read_to_string(key_log).unwrap();
    let secrets: Vec<&str> = log.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert!(secrets.len() > 10, "the key log holds secrets");
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "a secret in {}", path.display());
        }
    }
    assert!(!secrets.iter().any(|secret| told.contains(secret)), "a secret was told");
}

#[test]
fn a_key_log_that_grows_and_is_rotated_opens_what_passes() {
    let Some(mut lab) = Lab::new("keylog", Reach::Direct) else { return };
    lab.mirror();
    let folder = lab.path("keys");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let key_log = folder.join("tls.keys");
    secret_file(&key_log);
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 600 --sandbox require --keylog");
    sensor = sensor.with(&key_log.display().to_string());
    let config = lab.path("spanlight.yaml");
    fs::write(&config, "bodies: true\n").unwrap();
    sensor = sensor.with(&config.display().to_string());
    let watch = sensor.start(&lab);
    call(&lab, 0..6, Some(&key_log));
    // Signatures and documents anew; keys and what waits for them stay.
    watch.reload("reloaded");
    call(&lab, 6..12, Some(&key_log));
    let old = folder.join("tls.keys.1");
    fs::rename(&key_log, &old).unwrap();
    secret_file(&key_log);
    call(&lab, 12..18, Some(&key_log));
    // The client's keys stay its own: nothing of it is seen, and it is counted.
    call(&lab, 0..2, None);
    wait_until(PATIENCE, || lab.served().len() == 20 * 40).unwrap();
    let told = watch.process.told();
    let state = lab.path("state");
    watch.stop();
    lab.close();
    assert_kept_secret(&key_log, &state, &told);
    assert_kept_secret(&old, &state, &told);
    let seen = lake::by_endpoint(&lake::table("inventory", sensor.lake()));
    let served: std::collections::BTreeMap<_, _> =
        lab.served_by_endpoint().into_iter().map(|(endpoint, count)| (endpoint, count * 18 / 20)).collect();
    assert!(served.values().all(|count| count % 18 == 0), "each round calls the same: {served:?}");
    assert_eq!(seen, served, "the inventory, and access.log but for the calls without keys");
    // The service is known whether or not its sessions were read.
    let services = lake::table("services", sensor.lake());
    let [service] = services.as_slice() else { panic!("one service: {services:?}") };
    assert_eq!((service["host"].as_str(), service["port"].as_u64()), (Some("api.shop.example"), Some(443)));
    assert_eq!((service["sessions"].as_u64(), service["read"].as_u64()), (Some(20), Some(18)));
    assert_eq!(service["certificates"][0]["issuer"], "Shop Example");
    let problem = service["problems"][0]["name"].as_str().unwrap();
    assert!(problem.starts_with("certificate ends on "), "{problem}");
}

#[test]
fn agents_tell_keys_over_a_socket() {
    let Some(mut lab) = Lab::new("keysock", Reach::Direct) else { return };
    lab.mirror();
    let (key_log, socket) = (lab.path("tls.keys"), lab.path("keys.sock"));
    secret_file(&key_log);
    let config = lab.path("spanlight.yaml");
    fs::write(&config, format!("keylogs: [{{socket: {}, users: [daemon]}}]\n", socket.display())).unwrap();
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 600 --sandbox require");
    sensor = sensor.with(&config.display().to_string());
    let watch = sensor.start(&lab);
    let mut agent = Command::new("python3");
    agent.arg("-B").arg(script("key_agent.py")).arg(&key_log).arg(&socket);
    let agent = Process::spawn("key_agent.py", agent, &lab.path("agent"));
    agent.await_words("connected", PATIENCE);
    call(&lab, 0..6, Some(&key_log));
    wait_until(PATIENCE, || lab.served().len() == 6 * 40).unwrap();
    let told = watch.process.told();
    watch.stop();
    lab.close();
    assert_kept_secret(&key_log, &lab.path("state"), &told);
    lake::assert_true(sensor.lake(), &lab);
}
