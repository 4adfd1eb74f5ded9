//! Access logs as a sensor reads them: `spanlight watch` beside a server that writes and rotates its log, killed at any
//! moment. What the lake then tells is what the log says, each line once.
//!
//! Needs no root. `SPANLIGHT` names another program to test.
#![cfg(all(target_os = "linux", feature = "lake", feature = "live"))]
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]
#![expect(clippy::print_stdout, reason = "what was counted is shown to whoever asks for it")]
#![expect(clippy::disallowed_methods, reason = "these tests are about what happens when")]

use serde_json::Value;
use spanlight::lake::reader;
use spanlight::lake::rows::ObservationRow;
use spanlight::time::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);

fn program() -> OsString {
    std::env::var_os("SPANLIGHT").unwrap_or_else(|| env!("CARGO_BIN_EXE_spanlight").into())
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A sensor that runs; killed when nobody holds it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A sensor with its folders.
struct Sensor {
    folder: tempfile::TempDir,
    arguments: Vec<OsString>,
}

impl Sensor {
    fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As root the sensor becomes another user, who must get here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let made =
            Command::new(program()).args(["key", "new"]).arg(folder.path().join("key")).output().unwrap();
        assert!(made.status.success());
        Self { folder, arguments: arguments.iter().map(OsString::from).collect() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the sensor. The first time that is over when it has saved since when it reads: what was rotated before is
    /// not asked of it.
    fn start(&self) -> Running {
        let mut command = Command::new(program());
        command.arg("watch").args(&self.arguments).arg("--quiet").args(["--interval", "1", "--roll", "1"]);
        command.arg("--lake").arg(self.at("lake")).arg("--state").arg(self.at("state"));
        command.arg("--key").arg(self.at("key")).current_dir(self.folder.path()).stdin(Stdio::null());
        let log = OpenOptions::new().create(true).append(true).open(self.at("told")).unwrap();
        let running = Running(command.stderr(log).spawn().unwrap());
        let began = Instant::now();
        while !self.at("state/inventory.state").exists() {
            assert!(began.elapsed() < PATIENCE, "{}", self.told());
            std::thread::sleep(Duration::from_millis(1));
        }
        running
    }

    fn told(&self) -> String {
        fs::read_to_string(self.at("told")).unwrap_or_default()
    }

    fn stop(&self, mut sensor: Running) {
        let pid = sensor.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = sensor.0.wait().unwrap();
        assert!(ended.success(), "{}", self.told());
    }

    /// Exchanges by method and template in the inventory, and in the sums of the hours: both count each once.
    fn counted(&self) -> (BTreeMap<String, u64>, u64) {
        let lake = self.at("lake");
        let output =
            Command::new(program()).args(["inventory", "--json", "--lake"]).arg(&lake).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let name = |line: &Value| {
            format!("{} {}", line["method"].as_str().unwrap(), line["path_template"].as_str().unwrap())
        };
        let by_endpoint = lines.iter().map(|line| (name(line), line["count"].as_u64().unwrap())).collect();
        let hours = reader::read::<ObservationRow>(&lake)
            .map(|rows| rows.rows.iter().map(|row| row.row.by_status_class.iter().sum::<u64>()).sum())
            .unwrap_or_default();
        (by_endpoint, hours)
    }

    /// Waits until the lake tells as many exchanges, and a little longer, in which it must not tell more.
    fn await_count(&self, wanted: &BTreeMap<String, u64>) {
        let all: u64 = wanted.values().sum();
        let began = Instant::now();
        let mut counted = self.counted();
        while began.elapsed() < PATIENCE && (counted.1 < all || counted.0.values().sum::<u64>() < all) {
            std::thread::sleep(Duration::from_millis(250));
            counted = self.counted();
        }
        std::thread::sleep(Duration::from_secs(3));
        counted = self.counted();
        assert_eq!(&counted.0, wanted, "the inventory, and the log; the sensor told:\n{}", self.told());
        assert_eq!(counted.1, all, "the sums of the hours, and the log");
    }
}

/// A server that writes its log and rotates it.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<BTreeMap<String, u64>>,
}

/// How a log is rotated.
#[derive(Clone, Copy)]
enum Rotation {
    Rename,
    CopyTruncate,
}

impl Writer {
    /// Writes some thousand lines a second into `access.log` of `folder`, rotates it every so often, and compresses what
    /// was rotated before that.
    fn start(folder: PathBuf, rotation: Rotation) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let log = folder.join("access.log");
            let mut dice = Dice(0x5eed);
            let mut written = BTreeMap::new();
            let open = || OpenOptions::new().create(true).append(true).open(&log).unwrap();
            let (mut file, mut rotated) = (open(), 0);
            while !stopped.load(Relaxed) {
                let mut text = String::new();
                for _ in 0..=dice.below(40) {
                    let (name, path) = match dice.below(3) {
                        0 => (
                            "GET /v1/accounts/{accountId}",
                            format!("/v1/accounts/{}", 100_000 + dice.below(9_999)),
                        ),
                        1 => ("GET /v1/accounts", "/v1/accounts".to_owned()),
                        _ => ("GET /v1/rates", "/v1/rates".to_owned()),
                    };
                    *written.entry(name.to_owned()).or_default() += 1;
                    writeln!(
                        text,
                        "10.0.0.{} - - [15/Apr/2026:00:00:06 +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"curl/8.5\"",
                        dice.below(200)
                    ).unwrap();
                }
                // A line may stand there without its end for a while.
                let (front, rest) =
                    text.as_bytes().split_at(usize::try_from(dice.below(text.len() as u64)).unwrap());
                file.write_all(front).unwrap();
                std::thread::sleep(Duration::from_millis(dice.below(12)));
                file.write_all(rest).unwrap();
                if dice.below(60) == 0 {
                    rotated += 1;
                    let older = folder.join(format!("access.log.{}", rotated - 1));
                    let name = folder.join(format!("access.log.{rotated}"));
                    match rotation {
                        Rotation::Rename => {
                            fs::rename(&log, &name).unwrap();
                            // The server goes on writing into the old file until it is told.
                            writeln!(file, "10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /v1/rates HTTP/1.1\" 200 5 \"-\" \"curl/8.5\"").unwrap();
                            *written.entry("GET /v1/rates".to_owned()).or_default() += 1;
                            file = open();
                        }
                        Rotation::CopyTruncate => {
                            fs::copy(&log, &name).unwrap();
                            file.set_len(0).unwrap();
                        }
                    }
                    if older.exists() {
                        let packed =
                            File::create(folder.join(format!("access.log.{}.gz", rotated - 1))).unwrap();
                        let gzip =
                            Command::new("gzip").arg("-c").arg(&older).stdout(packed).status().unwrap();
                        assert!(gzip.success());
                        fs::remove_file(&older).unwrap();
                    }
                }
            }
            written
        });
        Self { stop, thread }
    }

    fn stop(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}

/// Twenty kills, while a log is written and rotated.
fn survive(rotation: Rotation, arguments: &[&str]) {
    let sensor = Sensor::new(arguments);
    let writer = Writer::start(sensor.at("logs"), rotation);
    let mut dice = Dice(0xd1ce);
    for _ in 0..20 {
        let running = sensor.start();
        std::thread::sleep(Duration::from_millis(50 + dice.below(900)));
        drop(running);
    }
    let running = sensor.start();
    std::thread::sleep(Duration::from_secs(2));
    let written = writer.stop();
    sensor.await_count(&written);
    sensor.stop(running);
    let (by_endpoint, hours) = sensor.counted();
    assert_eq!(by_endpoint, written, "after the end");
    let all: u64 = written.values().sum();
    assert_eq!(hours, all);
    println!("20 kills: {all} lines written, {hours} counted; by endpoint {by_endpoint:?}");
}

#[test]
fn kills_and_rotation_by_rename_lose_no_line_and_count_none_twice() {
    survive(Rotation::Rename, &["-a", "logs/access.log"]);
}

#[test]
fn kills_and_rotation_by_copy_lose_no_line_and_count_none_twice() {
    survive(Rotation::CopyTruncate, &["-a", "logs"]);
}

/// Whether these are here, and we are root, whom logrotate's postrotate signals for; says so if not.
fn has(tools: &[&str]) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let found = |tool: &&str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths)
            .chain([PathBuf::from("/usr/sbin")])
            .any(|folder| folder.join(tool).exists())
    };
    let lacking: Vec<_> = tools.iter().filter(|tool| !found(tool)).collect();
    if !root || !lacking.is_empty() {
        println!("left out: needs root and {tools:?}, lacks {lacking:?}");
    }
    assert!(!root || lacking.is_empty(), "run tests/live/prerequisites.sh: {lacking:?} are missing");
    root
}

#[test]
fn a_log_of_nginx_under_load_that_logrotate_rotates_counts_line_by_line() {
    if !has(&["nginx", "wrk", "logrotate"]) {
        return;
    }
    let sensor = Sensor::new(&["-a", "logs/access.log"]);
    let folder = sensor.folder.path().display();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let temporary: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {folder}/{what};"))
        .into();
    let settings = format!(
        "daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{ }}
         http {{ {} log_format named '$remote_addr - - [$time_local] \"$request\" $status $body_bytes_sent \"-\" \"$request_id\"';
         access_log {folder}/logs/access.log named;
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{{}}'; }} }} }}",
        temporary.join(" ")
    );
    fs::write(sensor.at("nginx.conf"), settings).unwrap();
    let rotation = format!(
        "{folder}/logs/access.log {{ rotate 1000\nsize 1\ncompress\ndelaycompress\nnocreate\nmissingok\nsu root root\n\
         postrotate\nkill -USR1 $(cat {folder}/nginx.pid)\nendscript\n}}\n"
    );
    fs::write(sensor.at("logrotate.conf"), rotation).unwrap();
    let nginx = Command::new("nginx").arg("-c").arg(sensor.at("nginx.conf")).spawn().unwrap();
    let nginx = Running(nginx);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = format!("http://127.0.0.1:{port}/v1/rates");
    let load = Command::new("wrk").args(["-t1", "-c2", "-d12s", &url]).stdout(Stdio::null()).spawn().unwrap();
    let mut dice = Dice(0x10ad);
    for _ in 0..20 {
        let running = sensor.start();
        std::thread::sleep(Duration::from_millis(50 + dice.below(500)));
        drop(running);
        let mut rotated = Command::new("logrotate");
        rotated.arg("-f").arg("-s").arg(sensor.at("rotated")).arg(sensor.at("logrotate.conf"));
        assert!(rotated.status().unwrap().success());
    }
    let running = sensor.start();
    drop(Running(load));
    // What nginx has still in its buffers it writes when it ends.
    let pid = nginx.0.id().to_string();
    assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
    std::thread::sleep(Duration::from_secs(1));
    let script = format!("zcat -f {folder}/logs/* | wc -l");
    let counted = Command::new("sh").args(["-c", &script]).output().unwrap();
    let lines: u64 = String::from_utf8(counted.stdout).unwrap().trim().parse().unwrap();
    let files = fs::read_dir(sensor.at("logs")).unwrap().count();
    sensor.await_count(&BTreeMap::from([("GET /v1/rates".to_owned(), lines)]));
    sensor.stop(running);
    println!(
        "nginx under load, 20 rotations by logrotate, 20 kills: {lines} lines in {files} files, each counted once"
    );
}

#[test]
fn standard_input_is_read_to_its_end() {
    let sensor = Sensor::new(&["-a", "-"]);
    let line = "10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /v1/rates HTTP/1.1\" 200 5\n";
    let mut command = Command::new(program());
    command.args(["watch", "-a", "-", "--quiet", "--lake"]).arg(sensor.at("lake"));
    command.arg("--state").arg(sensor.at("state")).arg("--key").arg(sensor.at("key"));
    let mut running = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    input.write_all((line.repeat(500) + "nonsense\n").as_bytes()).unwrap();
    drop(input);
    assert!(running.wait().unwrap().success());
    assert_eq!(sensor.counted(), (BTreeMap::from([("GET /v1/rates".to_owned(), 500)]), 500));
}

#[test]
fn a_format_and_a_zone_of_ones_own_are_read_and_bad_lines_are_kept_by_their_shape() {
    let sensor = Sensor::new(&["sensor.yaml"]);
    let preset = r#"
id: edge_json
title: our edge
kind: json
fields: {at: "time %Y/%m/%d %H:%M:%S", verb: method, path: target, answer: status}
examples: ['{"at":"2026/04/15 02:00:06","verb":"GET","path":"/v1/a","answer":200}']
"#;
    fs::write(sensor.at("edge.yaml"), preset).unwrap();
    let settings =
        "access_logs:\n  - {name: edge, files: [logs], presets: [edge.yaml], zone: '+02:00'}\n".to_owned();
    fs::write(sensor.at("sensor.yaml"), settings).unwrap();
    let mut text = String::new();
    for n in 0..200 {
        writeln!(
            text,
            r#"{{"at":"2026/04/15 02:00:{:02}","verb":"GET","path":"/v1/rates","answer":200}}"#,
            n % 60
        )
        .unwrap();
    }
    text += "refused card 4111111111111111 of jane\n";
    fs::write(sensor.at("logs/edge.log"), text).unwrap();
    let running = sensor.start();
    let wanted = BTreeMap::from([("GET /v1/rates".to_owned(), 200)]);
    sensor.await_count(&wanted);
    sensor.stop(running);
    let aside = fs::read_to_string(sensor.at("state/bad_lines.jsonl")).unwrap();
    let kept: Value = serde_json::from_str(aside.trim()).unwrap();
    assert_eq!((&kept["source"], &kept["line"]), (&"edge".into(), &201.into()));
    assert!(!aside.contains("4111") && !aside.contains("jane"), "{aside}");
    let hours: Vec<i64> = reader::read::<ObservationRow>(&sensor.at("lake"))
        .unwrap()
        .rows
        .iter()
        .map(|row| row.row.hour)
        .collect();
    // 02:00 at two hours east of Greenwich.
    assert_eq!(hours, [1_776_211_200 / 3_600]);
}

#[test]
fn owners_and_decisions_are_read_again_while_it_runs() {
    let sensor =
        Sensor::new(&["-a", "logs", "--ownership", "owners.yaml", "--dispositions", "decisions.yaml"]);
    fs::write(sensor.at("owners.yaml"), "services:\n- {hosts: other.bank.example, owner: others}\n").unwrap();
    fs::write(sensor.at("decisions.yaml"), "findings: []\n").unwrap();
    let mut log = File::create(sensor.at("logs/access.log")).unwrap();
    // Findings of a sensor are resolved when nothing was seen for days, so these are calls of today.
    let mut second =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 60;
    let mut write = |times: u32| {
        for _ in 0..times {
            second += 1;
            let at = Timestamp::from_secs(i64::try_from(second).unwrap(), 0);
            writeln!(
                log,
                "{{\"time_iso8601\":\"{at}\",\"request_method\":\"GET\",\"request_uri\":\"/v1/rates\",\
                 \"status\":\"200\",\"host\":\"api.bank.example\",\"remote_addr\":\"10.0.0.1\"}}"
            )
            .unwrap();
        }
    };
    write(40);
    let running = sensor.start();
    let told = |what: &str| -> Vec<Value> {
        let output =
            Command::new(program()).args([what, "--json", "--lake"]).arg(sensor.at("lake")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // Waits for the state of the finding that nobody owns the service.
    let unowned = |state: &str| -> Value {
        let began = Instant::now();
        loop {
            let all = told("findings");
            match all.into_iter().find(|one| one["kind"] == "unowned") {
                Some(one) if one["state"] == state => return one,
                found => assert!(began.elapsed() < PATIENCE, "{state}: {found:?}\n{}", sensor.told()),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let again = || {
        let pid = running.0.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    let open = unowned("open");
    let id = open["id"].as_str().unwrap();
    let decided = format!("findings:\n- {{id: '{id}', state: acknowledged, author: anna, reason: asked}}\n");
    fs::write(sensor.at("decisions.yaml"), &decided).unwrap();
    again();
    write(1);
    assert_eq!(unowned("acknowledged")["disposition"]["author"], "anna");
    // Taken out of the file it holds no more, and put back it does.
    fs::write(sensor.at("decisions.yaml"), "findings: []\n").unwrap();
    again();
    assert!(unowned("open")["disposition"].is_null());
    fs::write(sensor.at("decisions.yaml"), &decided).unwrap();
    again();
    unowned("acknowledged");
    // What is wrong is told, and the old goes on.
    fs::write(sensor.at("owners.yaml"), "services: [").unwrap();
    again();
    let began = Instant::now();
    while !sensor.told().contains("owners.yaml") {
        assert!(began.elapsed() < PATIENCE, "{}", sensor.told());
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(sensor.at("owners.yaml"), "services:\n- {hosts: api.bank.example, owner: rates-team}\n")
        .unwrap();
    again();
    write(1);
    unowned("resolved");
    let rows = told("inventory");
    assert_eq!(rows.iter().map(|row| &row["owner"]).collect::<Vec<_>>(), ["rates-team"]);
    sensor.stop(running);
}
