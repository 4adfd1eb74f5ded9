//! Objects of a bucket.

use super::lab::{Lane, S3 as Server, Saved, is_reached, left_out, output, package, python, until};
use base64::Engine;
use serde_json::json;
use spanlight::source::intake::s3::{Bucket, Keys, REMEMBERED, S3Settings};
use spanlight::source::intake::{ObjectPosition, Position, Positions};
use spanlight::time::Timestamp;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

fn client(server: &Server, command: &str, input: &str) {
    let script = package().join("tests/pull/bucket.py");
    let mut command = python(&[script.to_str().unwrap(), command, "logs"]);
    command.envs(server.environment());
    output(command, input);
}

pub(super) fn put(server: &Server, objects: &[(&str, Vec<u8>)]) {
    let mut lines = String::new();
    for (key, bytes) in objects {
        let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
        writeln!(lines, "{}", json!({"key": key, "base64": bytes})).unwrap();
    }
    client(server, "put", &lines);
}

pub(super) fn server() -> Server {
    let server = Server::start();
    client(&server, "make", "");
    server
}

fn settings(server: &Server) -> S3Settings {
    S3Settings {
        bucket: "logs".to_owned(),
        prefix: "edge/access".to_owned(),
        region: None,
        endpoint: Some(server.endpoint()),
        allow_http: true,
        ca: None,
        keys: Keys::Pair { id: "test".to_owned(), secret_file: package().join("fixtures/test.key") },
        from: Some(Timestamp::EPOCH),
        poll: Duration::from_millis(200),
    }
}

fn start(s3: &S3Settings, known: &Positions) -> Lane {
    Lane::start(Box::new(Bucket::open(s3).unwrap()), known)
}

pub(super) fn lines(what: &str, count: usize) -> Vec<String> {
    let line = |n| format!("10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /{what}/{n:06} HTTP/1.1\" 200 5");
    (0..count).map(line).collect()
}

pub(super) fn text(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

#[test]
fn each_object_below_the_prefix_is_read_once() {
    if left_out() {
        return;
    }
    let server = server();
    let (plain, packed, other) = (lines("plain", 50), lines("packed", 50), lines("other", 50));
    put(
        &server,
        &[
            ("edge/access-1.log", text(&plain)),
            ("edge/access/a folder/2.log.gz", gzip(&text(&packed))),
            ("edge/access//odd/key.log", text(&lines("odd", 5))),
            ("edge/access.log.zst", zstd(&text(&other))),
            ("edge/access-empty", Vec::new()),
            ("edge/access-no.log", b"nothing that\nanybody knows\n".to_vec()),
            ("edge/error.log", text(&lines("error", 5))),
        ],
    );
    let lane = start(&settings(&server), &Positions::new());
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 150);
    assert!(lane.is_quiet(&mut saved));
    let mut expected = [plain, packed, other].concat();
    expected.sort();
    assert_eq!(saved.sorted(), expected);

    // Later ones, and one that is replaced, which is another one then.
    let (later, again) = (lines("later", 10), lines("again", 10));
    put(&server, &[("edge/access-0.log", text(&later)), ("edge/access-1.log", text(&again))]);
    lane.take_lines(&mut saved, 170);
    assert!(lane.is_quiet(&mut saved));
    lane.end();
    expected.extend([later, again].concat());
    expected.sort();
    assert_eq!(saved.sorted(), expected);
    let done = |position: &Position| matches!(position, Position::Object(object) if object.done);
    assert_eq!(
        saved.positions.values().filter(|position| done(position)).count(),
        6,
        "{:?}",
        saved.positions
    );

    // Another time, all is known.
    let lane = start(&settings(&server), &saved.positions);
    assert!(lane.is_quiet(&mut saved));
    lane.end();
}

#[test]
fn a_reader_that_is_cut_off_again_and_again_counts_each_line_once() {
    if left_out() {
        return;
    }
    let server = server();
    let all = lines("all", 60_000);
    let (front, back) = all.split_at(30_000);
    put(&server, &[("edge/access-1.gz", gzip(&text(front))), ("edge/access-2.zst", zstd(&text(back)))]);
    let mut saved = Saved::default();
    let mut cuts = 0;
    while saved.lines.len() < all.len() {
        let lane = start(&settings(&server), &saved.positions);
        // Of one the state holds nothing, of the next a unit more.
        let units = cuts % 3;
        let mut taken = 0;
        until("units come", || {
            let before = saved.lines.len();
            if taken < units {
                drop(lane.take(&mut saved, Duration::from_millis(500)));
                taken += usize::from(saved.lines.len() > before || saved.lines.len() == all.len());
            }
            taken >= units
        });
        lane.end();
        cuts += 1;
    }
    assert!(cuts > 10, "{cuts}");
    assert_eq!(saved.sorted(), all);
}

#[test]
fn lines_that_name_columns_come_again_when_an_object_is_gone_on_with() {
    if left_out() {
        return;
    }
    let server = server();
    let head = "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status\n";
    let each = |n: u32| format!("2026-04-15 00:00:06 10.0.0.1 GET /a/{n:07} 200\n");
    let log: String = std::iter::once(head.to_owned()).chain((0..30_000).map(each)).collect();
    put(&server, &[("edge/access.log", log.clone().into_bytes())]);
    let mut saved = Saved::default();
    let lane = start(&settings(&server), &Positions::new());
    until("the first unit", || {
        drop(lane.take(&mut saved, Duration::from_millis(100)));
        !saved.lines.is_empty()
    });
    lane.end();
    assert_eq!(saved.preambles, "");
    let lane = start(&settings(&server), &saved.positions);
    lane.take_lines(&mut saved, log.lines().count());
    lane.end();
    assert_eq!(saved.preambles, head);
    assert_eq!(saved.lines.join("\n") + "\n", log);
}

#[test]
fn a_server_may_go_and_come_back() {
    if left_out() {
        return;
    }
    let mut server = server();
    let first = lines("first", 10);
    put(&server, &[("edge/access-1", text(&first))]);
    let lane = start(&settings(&server), &Positions::new());
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 10);
    server.stop();
    assert!(!is_reached(server.port));
    assert!(lane.is_quiet(&mut saved));
    server.restart();
    // This one keeps nothing: the same object is there again, as a server that keeps it would have it.
    client(&server, "make", "");
    let second = lines("second", 10);
    put(&server, &[("edge/access-1", text(&first)), ("edge/access-2", text(&second))]);
    lane.take_lines(&mut saved, 20);
    assert!(lane.is_quiet(&mut saved));
    assert_eq!(saved.lines, [first, second].concat());
    lane.end();
}

#[test]
fn what_is_damaged_counts_as_far_as_it_goes_and_holds_nothing_up() {
    if left_out() {
        return;
    }
    let server = server();
    let (cut, whole) = (lines("cut", 20_000), lines("whole", 10));
    let mut packed = gzip(&text(&cut));
    packed.truncate(packed.len() / 2);
    put(&server, &[("edge/access-1.gz", packed)]);
    let lane = start(&settings(&server), &Positions::new());
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 5_000);
    put(&server, &[("edge/access-2", text(&whole))]);
    until("the next object comes", || {
        lane.save(&mut saved);
        saved.lines.ends_with(&whole)
    });
    assert!(lane.is_quiet(&mut saved));
    let count = saved.lines.len() - whole.len();
    assert_eq!(saved.lines[..count], cut[..count], "whole lines alone");
    lane.end();
}

#[test]
fn objects_from_before_the_first_start_may_be_left_out() {
    if left_out() {
        return;
    }
    let server = server();
    put(&server, &[("edge/access-1", text(&lines("old", 10)))]);
    // Times of objects are whole seconds.
    std::thread::sleep(Duration::from_secs(2));
    let from_now = || S3Settings { from: None, ..settings(&server) };
    let lane = start(&from_now(), &Positions::new());
    let mut saved = Saved::default();
    assert!(lane.is_quiet(&mut saved));
    lane.end();
    // It stays so, and what came while nobody read does count.
    let new = lines("new", 10);
    put(&server, &[("edge/access-0", text(&new))]);
    std::thread::sleep(Duration::from_secs(2));
    let lane = start(&from_now(), &saved.positions);
    lane.take_lines(&mut saved, 10);
    assert!(lane.is_quiet(&mut saved));
    assert_eq!(saved.lines, new);
    lane.end();
}

#[test]
fn what_is_forgotten_is_not_read_again() {
    if left_out() {
        return;
    }
    let server = server();
    put(&server, &[("edge/access-old", text(&lines("old", 10)))]);
    std::thread::sleep(Duration::from_secs(2));
    let lane = start(&settings(&server), &Positions::new());
    let mut saved = Saved::default();
    lane.take_lines(&mut saved, 10);
    assert!(lane.is_quiet(&mut saved));
    lane.end();
    // As after very many others, all of them younger.
    let Some(Position::Object(old)) = saved.positions.get("edge/access-old").cloned() else { panic!() };
    for n in 0..u64::try_from(REMEMBERED).unwrap() {
        let modified = old.modified.plus(Duration::from_nanos(n));
        let known = Position::Object(ObjectPosition { modified, ..old });
        saved.positions.insert(format!("gone/{n}"), known);
    }
    let new = lines("new", 10);
    put(&server, &[("edge/access-new", text(&new))]);
    let lane = start(&settings(&server), &saved.positions);
    lane.take_lines(&mut saved, 20);
    assert!(lane.is_quiet(&mut saved));
    lane.end();
    assert_eq!(saved.lines[10..], new);
    assert!(!saved.positions.contains_key("edge/access-old"));
    assert!(saved.positions.len() < REMEMBERED, "{}", saved.positions.len());
    let lane = start(&settings(&server), &saved.positions);
    assert!(lane.is_quiet(&mut saved));
    lane.end();
}
