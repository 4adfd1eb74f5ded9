//! The number of worker threads cannot be seen in any output.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{analyze, files, fixture, lines, stderr, stdout};
use std::io::Write;
use std::path::Path;

/// Everything that an analysis writes.
fn everything(captures: &[&Path], shards: &str) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let file = |name: &str| out.join(name).display().to_string();
    let specs = fixture("openbanking/specs");
    let mut args: Vec<&str> = captures.iter().map(|capture| capture.to_str().unwrap()).collect();
    let (lake, inventory, findings) = (file("lake"), file("inventory"), file("findings"));
    let (transactions, tags) = (file("transactions"), file("tags"));
    args.extend([
        "--spec",
        specs.to_str().unwrap(),
        "--shards",
        shards,
        "--all",
        "--lake",
        &lake,
        "--inventory",
        &inventory,
        "--findings",
        &findings,
        "--transactions",
        &transactions,
        "--tags",
        &tags,
    ]);
    let output = analyze(folder.path(), &args);
    assert!(output.status.success());
    let mut all = files(&out);
    // The summary names the folder of the lake, which differs from run to run.
    let summary = String::from_utf8_lossy(&output.stdout).replace(&file("lake"), "LAKE");
    all.push(("summary".to_owned(), summary.into_bytes()));
    all
}

fn assert_alike(captures: &[&Path]) {
    let one = everything(captures, "1");
    assert!(one.len() > 8, "lake files and lines are there");
    for shards in ["2", "8"] {
        let more = everything(captures, shards);
        let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&one), names(&more), "files with {shards} shards");
        for ((name, a), (_, b)) in one.iter().zip(&more) {
            assert!(a == b, "{name} differs with {shards} shards");
        }
    }
}

#[test]
fn the_scenario_is_the_same_with_any_number_of_shards() {
    assert_alike(&[&fixture("openbanking/scenario.pcap.gz")]);
}

/// A capture of many connections whose packets are mixed, with ids, words and bodies of many shapes.
fn generated() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let mut packets: Vec<(u64, Vec<u8>)> = Vec::new();
    for connection in 0..300_u32 {
        let client =
            [10, 0, u8::try_from(connection / 200).unwrap(), u8::try_from(connection % 200).unwrap()];
        let port = 20_000 + u16::try_from(connection).unwrap();
        let (mut client_seq, mut server_seq) = (random(u32::MAX), random(u32::MAX));
        let mut at = u64::from(random(5_000));
        for _ in 0..=random(12) {
            let word = ["alpha", "beta", "gamma", "delta", "orders", "items"][random(6) as usize];
            let id = random(4_000);
            let request = format!(
                "GET /v1/{word}/{id}/parts?page={} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer t{}\r\n\r\n",
                random(9),
                random(40)
            );
            let body = format!(
                "{{\"id\":{id},\"name\":\"n{}\",\"mail\":\"user{id}@mail.example\",\"list\":[{}],\"k{}\":null}}",
                random(100),
                random(9),
                random(30)
            );
            let response = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            packets.push((at, frame(client, port, true, client_seq, server_seq, request.as_bytes())));
            client_seq = client_seq.wrapping_add(u32::try_from(request.len()).unwrap());
            packets.push((at + 1, frame(client, port, false, server_seq, client_seq, response.as_bytes())));
            server_seq = server_seq.wrapping_add(u32::try_from(response.len()).unwrap());
            at += 2 + u64::from(random(300));
        }
    }
    packets.sort_by_key(|(at, _)| *at);
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.write_all(&word.to_le_bytes()).unwrap();
    }
    for (at, packet) in packets {
        let length = u32::try_from(packet.len()).unwrap();
        let seconds = u32::try_from(1_790_000_000 + at / 1_000).unwrap();
        let micros = u32::try_from(at % 1_000 * 1_000).unwrap();
        for word in [seconds, micros, length, length] {
            file.write_all(&word.to_le_bytes()).unwrap();
        }
        file.write_all(&packet).unwrap();
    }
    file
}

fn frame(client: [u8; 4], port: u16, to_server: bool, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let server = [192, 0, 2, 80];
    let total = u16::try_from(40 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    let (source, destination) = if to_server { (client, server) } else { (server, client) };
    packet.extend(source);
    packet.extend(destination);
    let (from, to) = if to_server { (port, 80) } else { (80, port) };
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(ack.to_be_bytes());
    packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}

#[test]
fn a_generated_capture_is_the_same_with_any_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("generated.pcap");
    std::fs::write(&capture, generated()).unwrap();
    // Two inputs: what each one's row in the lake tells must not depend on shards either.
    assert_alike(&[&capture, &fixture("wire/pipelining.pcap"), &fixture("wire/gap_in_body.pcap")]);
}

#[test]
fn sampled_counts_are_marked_and_the_same_with_any_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("generated.pcap");
    std::fs::write(&capture, generated()).unwrap();
    let inventory = |args: &[&str]| {
        let output =
            analyze(folder.path(), &[&["--inventory", "-", capture.to_str().unwrap()], args].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        lines(&stdout(&output))
    };
    let mails = |rows: &[serde_json::Value]| -> Vec<serde_json::Value> {
        let classes = rows.iter().flat_map(|row| row["data_classes"].as_array().unwrap());
        classes.filter(|one| one["class"] == "contact.email").cloned().collect()
    };
    let every = inventory(&["--shards", "2"]);
    let one = inventory(&["--sample-values", "4", "--shards", "1"]);
    for shards in ["2", "8"] {
        assert_eq!(inventory(&["--sample-values", "4", "--shards", shards]), one, "{shards} shards");
    }
    let (every, one) = (mails(&every), mails(&one));
    assert!(!one.is_empty());
    assert_eq!(every.len(), one.len());
    for (all, some) in every.iter().zip(&one) {
        assert_eq!((&all["field"], &all["state"]), (&some["field"], &some["state"]));
        assert_eq!((&all["sampled_one_in"], &some["sampled_one_in"]), (&1.into(), &4.into()));
        let present = |one: &serde_json::Value| one["present"].as_u64().unwrap();
        assert!((1..=present(all) / 2).contains(&present(some)), "{some}");
        assert!(some["reason"].as_str().unwrap().ends_with("; one in 4 values checked"), "{some}");
    }
}

/// A log large enough to be read in many parts, in which lines are bad here and there, and one is too long.
fn generated_log(line: impl Fn(u32, u32) -> String) -> Vec<u8> {
    let mut log = String::new();
    for number in 0..12_000_u32 {
        let mixed = number.wrapping_mul(0x9e37_79b9) >> 7;
        if number % 997 == 500 {
            log.push_str("not a line of this log\n\n");
        }
        log.push_str(&line(number, mixed));
        log.push('\n');
        if number == 6_000 {
            log.push_str(&"x".repeat(1_200_000));
            log.push('\n');
        }
    }
    log.push_str("cut off in the mid");
    log.into_bytes()
}

#[test]
fn logs_are_the_same_with_any_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let combined = folder.path().join("access.log");
    let path = |mixed: u32| {
        let word = ["alpha", "beta", "gamma", "delta"][mixed as usize % 4];
        format!("/v1/{word}/{}/parts?page={}", mixed % 4_000, mixed % 9)
    };
    let log = generated_log(|number, mixed| {
        format!(
            "10.0.{}.{} - - [15/Apr/2026:1{}:00:{:02} +0000] \"GET {} HTTP/1.1\" {} {} \"-\" \"agent {}\"",
            mixed % 3,
            mixed % 200,
            number / 6_000,
            number % 60,
            path(mixed),
            [200, 200, 200, 404, 500][mixed as usize % 5],
            mixed % 7_000,
            mixed % 40
        )
    });
    std::fs::write(&combined, log).unwrap();
    let json = folder.path().join("access.jsonl");
    let log = generated_log(|number, mixed| {
        format!(
            "{{\"time\":\"2026-04-15T10:00:{:02}Z\",\"remote_addr\":\"10.0.0.{}\",\"host\":\"b.example\",\"request_method\":\"GET\",\"request_uri\":\"{}\",\"status\":200,\"request_time\":0.{:03}}}",
            number % 60,
            mixed % 200,
            path(mixed),
            mixed % 1_000
        )
    });
    std::fs::write(&json, log).unwrap();
    assert_alike(&[&combined, &fixture("wire/pipelining.pcap"), &json]);
}
