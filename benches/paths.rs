//! Memory and speed under paths that never repeat: ids below a thousand endpoints, and what a stranger makes up.
//!
//! `cargo bench --bench paths` reads two million; `PATHS=100000000 cargo bench --bench paths` as many as that. It prints what
//! the process holds as it goes on, and fails when that is more than 200 MiB beyond the start, or when an endpoint that
//! was there from the beginning is not found at the end. What is made up is not answered, but for ids: where a server says
//! yes to more names than are kept below one node, names of its API give way to them as well.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a bench measures time and tells it"
)]

mod common;

use common::Random;
use spanlight::classify::Classifier;
use spanlight::inventory::collector::Collector;
use spanlight::inventory::delta::Delta;
use spanlight::inventory::rulings::Rulings;
use spanlight::inventory::{Endpoint, EndpointClass, nameless};
use spanlight::limits::Limits;
use spanlight::merge::Merge;
use spanlight::secret::FingerprintKey;
use spanlight::spec::DocumentSet;
use spanlight::time::Timestamp;
use spanlight::transaction::Transaction;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

/// Beyond what the process held before.
const MOST_MIB: u64 = 200;
/// Resources, each with four endpoints.
const RESOURCES: u32 = 250;

fn main() {
    let paths: u64 = std::env::var("PATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let key = FingerprintKey::new([7; 32]);
    let mut collector = Collector::new(&Limits::default(), &key, &Classifier::built_in(), true);
    let mut sum = Delta::new(&key);
    let mut random = Random::new();
    let mut exchange = Transaction::default();
    exchange.response.fields.push(b"content-type", b"application/json");
    exchange.request.fields.push(b"host", b"api.bank.example");
    let mut call = Call::default();
    let mut observe = |collector: &mut Collector, at: u64, call: &Call| {
        exchange.request.method.clear();
        exchange.request.method.extend_from_slice(call.method.as_bytes());
        let target = exchange.request.target.expose_mut();
        target.clear();
        target.extend_from_slice(&call.target);
        exchange.request.started =
            Timestamp::from_secs(1_776_211_206, 0).plus(std::time::Duration::from_micros(at));
        exchange.response.status = call.status;
        let bytes = exchange.response.body.bytes.expose_mut();
        bytes.clear();
        bytes.extend_from_slice(call.body.as_bytes());
        exchange.response.body.len = 100;
        exchange.client = Some(([192, 0, 2, u8::try_from(at % 200).unwrap_or_default()].into(), None));
        collector.observe(&exchange);
    };
    let before = resident("VmRSS:");
    let began = Instant::now();
    let mut most = 0;
    for at in 0..paths {
        call.make(at, &mut random);
        observe(&mut collector, at, &call);
        // As a sensor does: shards hand over what they learnt, and the keeper adds it up.
        if (at + 1).is_multiple_of(1_000_000) || at + 1 == paths {
            sum.absorb(collector.take());
            sum.settle(None);
            let held = resident("VmRSS:").saturating_sub(before);
            most = most.max(held);
            if (at + 1).is_multiple_of(10_000_000) || at + 1 == paths {
                let rate = (at + 1) as f64 / began.elapsed().as_secs_f64();
                let counters = sum.learner_counters();
                println!(
                    "{:>11} paths  {:>4} MiB held  {rate:>9.0} a second  {} nodes",
                    at + 1,
                    held >> 20,
                    counters.nodes
                );
            }
        }
    }
    check(&sum, most);
}

/// Whether all true endpoints are found, in so many bytes.
fn check(sum: &Delta, most: u64) {
    let mut path = String::new();
    let began = Instant::now();
    let snapshot = sum.snapshot(&DocumentSet::default(), &Rulings::default());
    let fold = began.elapsed();
    let is_ours = |endpoint: &&Endpoint| {
        endpoint.class == EndpointClass::Api && endpoint.key.template.starts_with("/api/")
    };
    let found: BTreeSet<String> = snapshot
        .inventory
        .endpoints
        .iter()
        .filter(is_ours)
        .map(|endpoint| nameless(&endpoint.key.template))
        .collect();
    let mut missing = 0;
    for number in 0..u64::from(4 * RESOURCES) {
        path.clear();
        template(&mut path, number);
        if !found.contains(&path) {
            missing += 1;
            if missing <= 3 {
                println!("missing: {path}");
            }
        }
    }
    println!(
        "peak of the process {} MiB; folded in {fold:.1?} to {} endpoints; of {} true ones {missing} are missing",
        resident("VmHWM:") >> 20,
        snapshot.inventory.endpoints.len(),
        4 * RESOURCES
    );
    assert_eq!(missing, 0, "an endpoint was lost");
    assert!(most >> 20 < MOST_MIB, "{} MiB are more than {MOST_MIB}", most >> 20);
}

/// A call that is made up.
#[derive(Default)]
struct Call {
    method: &'static str,
    target: Vec<u8>,
    status: u16,
    body: String,
}

impl Call {
    /// Half are calls of the API with ids of their own; half are made up.
    fn make(&mut self, at: u64, random: &mut Random) {
        let mut path = String::new();
        self.body.clear();
        self.method = if at % 8 == 3 { "DELETE" } else { "GET" };
        self.status = 404;
        match at % 8 {
            0..=3 => {
                let number = (at / 8 * 4 + at % 4) % u64::from(4 * RESOURCES);
                api_path(&mut path, number, random);
                // Resources have their own properties.
                let resource = number / 4;
                _ = write!(
                    self.body,
                    r#"{{"name{resource}":"a","state{resource}":1,"kind":"b","links{resource}":[]}}"#
                );
                self.status = 200;
            }
            4 => _ = write!(path, "/{}/{}", word(random), word(random)),
            5 => {
                for _ in 0..=random.below(6) {
                    _ = write!(path, "/{}", word(random));
                }
            }
            6 => {
                resource(&mut path, random.below(RESOURCES).into());
                _ = write!(path, "/{}", word(random));
                self.status = if random.below(3) == 0 { 200 } else { 404 };
            }
            _ => {
                self.target = strange(at, random);
                self.status = 400;
                return;
            }
        }
        self.target = path.into_bytes();
    }
}

/// What a bank has many of.
const NOUNS: [&str; 50] = [
    "accounts",
    "payments",
    "cards",
    "consents",
    "parties",
    "statements",
    "mandates",
    "beneficiaries",
    "standing-orders",
    "direct-debits",
    "transactions",
    "balances",
    "offers",
    "products",
    "branches",
    "customers",
    "loans",
    "mortgages",
    "deposits",
    "securities",
    "portfolios",
    "orders",
    "trades",
    "quotes",
    "limits",
    "alerts",
    "messages",
    "documents",
    "signatures",
    "devices",
    "sessions",
    "users",
    "roles",
    "permissions",
    "tokens",
    "merchants",
    "terminals",
    "refunds",
    "disputes",
    "invoices",
    "receipts",
    "budgets",
    "goals",
    "rewards",
    "vouchers",
    "campaigns",
    "leads",
    "cases",
    "tasks",
    "reports",
];
/// Whose.
const KINDS: [&str; 5] = ["retail", "corporate", "private", "joint", "trust"];

/// The name of a resource.
fn resource(out: &mut String, number: u64) {
    let pick = |from: &[&'static str], at: u64| {
        from.get(usize::try_from(at).unwrap_or_default() % from.len()).copied().unwrap_or_default()
    };
    // Writing to a string cannot fail.
    _ = write!(out, "/api/{}-{}", pick(&KINDS, number), pick(&NOUNS, number / 5));
}

/// The template of one of the true endpoints, parameters as `{}`.
fn template(out: &mut String, number: u64) {
    let noun = |at: u64| {
        NOUNS.get(usize::try_from(at).unwrap_or_default() % NOUNS.len()).copied().unwrap_or_default()
    };
    let mine = number / 4;
    let (first, second) = (noun(mine * 7 + 3), noun(mine * 11 + 5));
    resource(out, mine);
    _ = match number % 4 {
        0 => write!(out, "/{{}}"),
        1 => write!(out, "/{{}}/{first}/{{}}"),
        2 => write!(out, "/{{}}/{second}"),
        _ => write!(out, "/{{}}/{first}/{{}}/{second}"),
    };
}

/// A call of one of the true endpoints.
fn api_path(out: &mut String, number: u64, random: &mut Random) {
    let mut shape = String::new();
    template(&mut shape, number);
    for (at, part) in shape.split("{}").enumerate() {
        if at > 0 {
            let [a, b, c] = [(); 3].map(|()| random.below(u32::MAX));
            _ = if number.is_multiple_of(3) {
                write!(
                    out,
                    "{a:08x}-{:04x}-4{:03x}-a{:03x}-{c:08x}{:04x}",
                    b >> 16,
                    b & 0xfff,
                    c & 0xfff,
                    a & 0xffff
                )
            } else {
                write!(out, "{a}{b:09}")
            };
        }
        out.push_str(part);
    }
}

/// Letters that nobody calls anything.
fn word(random: &mut Random) -> String {
    (0..4 + random.below(8))
        .map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default()))
        .collect()
}

/// Depth of 500, segments of 8 KiB, every byte there is.
fn strange(at: u64, random: &mut Random) -> Vec<u8> {
    match at / 8 % 64 {
        0 => (0..500).flat_map(|_| format!("/{}", random.below(1_000_000)).into_bytes()).collect(),
        1 => {
            let long: String = std::iter::repeat_with(|| word(random)).take(1_000).collect();
            format!("/api/{}", long.get(..8_192.min(long.len())).unwrap_or_default()).into_bytes()
        }
        _ => {
            let bytes = (0..=random.below(24)).map(|_| u8::try_from(random.below(256)).unwrap_or_default());
            [b'/'].into_iter().chain(bytes).collect()
        }
    }
}

/// A figure of this process, in bytes.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
