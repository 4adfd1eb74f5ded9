//! Lines a second from an access log to exchanges, and to an inventory with data classes.
#![expect(
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "made once, before anything is measured"
)]

mod common;

use common::Random;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanlight::access_log::{LogFormat, Reader};
use spanlight::classify::Classifier;
use spanlight::inventory::collector::Collector;
use spanlight::limits::Limits;
use spanlight::secret::FingerprintKey;
use spanlight::source::log_file::read_log;

/// Lines of each log: enough that ids are mostly new and clients mostly known, as in a real one.
const LINES: u32 = 50_000;

/// Paths of a bank's API; `#` stands for a number, `@` for a UUID.
const PATHS: [&str; 16] = [
    "/v1/accounts",
    "/v1/accounts/#",
    "/v1/accounts/#/balances",
    "/v1/accounts/#/transactions?page=2&limit=50",
    "/v1/accounts/#/transactions/@",
    "/v1/accounts/#/statements?fromBookingDate=2026-01-12",
    "/v2/accounts/#/standing-orders",
    "/v2/payments/@",
    "/v2/payments/@/status",
    "/v2/payments/domestic/@",
    "/v2/cards/@/limits",
    "/v2/customers/#/profile",
    "/v2/customers/me",
    "/v1/auth/token",
    "/v1/rates/fx/USD",
    "/v1/search/branches?lat=50.11&lon=8.68&radius=5",
];
const AGENTS: [&str; 3] = [
    "MobileBank/6.2 (iPhone; iOS 17.2; Scale/3.00)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/113.0.0.0 Safari/537.36",
    "okhttp/4.9.0",
];

/// One of some values.
fn one_of<T: Copy>(values: &[T], random: &mut Random) -> T {
    let limit = u32::try_from(values.len()).expect("a few");
    values[random.below(limit) as usize]
}

/// A path with its places filled.
fn filled(path: &str, random: &mut Random) -> String {
    let (mut front, mut target) = (path, String::new());
    while let Some(at) = front.find(['#', '@']) {
        target.push_str(&front[..at]);
        let numbers = [(); 4].map(|()| random.below(u32::MAX));
        target.push_str(&if front[at..].starts_with('#') {
            format!("{:012}", numbers[0])
        } else {
            let [first, second, third, fourth] = numbers;
            format!(
                "{first:08x}-{:04x}-4{:03x}-a{:03x}-{third:08x}{:04x}",
                second >> 16,
                second & 0xfff,
                fourth & 0xfff,
                fourth >> 16
            )
        });
        front = &front[at + 1..];
    }
    target + front
}

/// The same requests as nginx's combined format and as its JSON.
fn logs() -> [(&'static str, LogFormat, String); 2] {
    let mut random = Random::new();
    let (mut combined, mut json) = (String::new(), String::new());
    for number in 0..LINES {
        let (minute, second) = (number / 30_000, number / 500 % 60);
        let client = random.below(5_000);
        let client = format!("10.{}.{}.7", client / 250, client % 250);
        let path = one_of(&PATHS, &mut random);
        let target = filled(path, &mut random);
        let method = if random.below(4) == 0 { "POST" } else { "GET" };
        let status = one_of(&[200, 200, 200, 200, 201, 401, 404], &mut random);
        let (size, took) = (random.below(9_000), random.below(400));
        let agent = one_of(&AGENTS, &mut random);
        combined += &format!(
            "{client} - - [15/Apr/2026:10:{minute:02}:{second:02} +0000] \"{method} {target} HTTP/1.1\" {status} {size} \"-\" \"{agent}\"\n"
        );
        json += &format!(
            "{{\"time\":\"2026-04-15T10:{minute:02}:{second:02}+00:00\",\"remote_addr\":\"{client}\",\"host\":\"api.bank.example\",\"request_method\":\"{method}\",\"request_uri\":\"{target}\",\"server_protocol\":\"HTTP/1.1\",\"status\":{status},\"body_bytes_sent\":{size},\"request_time\":0.{took:03},\"http_referer\":\"\",\"http_user_agent\":\"{agent}\",\"request_id\":\"{number:032x}\"}}\n"
        );
    }
    [("combined", LogFormat::Combined, combined), ("json", LogFormat::JsonLines, json)]
}

fn bench(c: &mut Criterion) {
    let classifier = Classifier::built_in();
    let key = FingerprintKey::new([7; 32]);
    let limits = Limits::default();
    for (name, format, log) in logs() {
        let mut group = c.benchmark_group(format!("logs_{name}"));
        group.throughput(Throughput::Elements(u64::from(LINES)));
        group.bench_function("exchanges", |b| {
            b.iter(|| {
                let mut reader = Reader::new(format.clone(), 0, &limits);
                read_log(log.as_bytes(), &mut reader, &mut |exchange| {
                    std::hint::black_box(exchange);
                });
                assert_eq!(reader.report().exchanges, u64::from(LINES));
            });
        });
        group.bench_function("everything", |b| {
            b.iter(|| {
                let mut collector = Collector::new(&limits, &key, &classifier, true);
                let mut reader = Reader::new(format.clone(), 0, &limits);
                read_log(log.as_bytes(), &mut reader, &mut |exchange| {
                    std::hint::black_box(collector.observe(exchange));
                });
                assert_eq!(reader.report().exchanges, u64::from(LINES));
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
