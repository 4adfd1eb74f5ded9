//! Memory and speed under paths that never repeat: ids below a thousand endpoints, and what a stranger makes up.
//!
//! `cargo bench --bench paths` reads four million; `PATHS=100000000 cargo bench --bench paths` as many as that. Half of them are
//! calls of the API, half are made up: of every kind, or with `MIX=answered|dead|plausible|deep|long` of one. It prints what
//! the process holds and which endpoints are missing as it goes on, and fails when that is more than 200 MiB beyond the start, or when an endpoint that
//! was there from the beginning is not found at the end.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a bench measures time and tells it"
)]

mod common;

use common::Random;
use common::api::{RESOURCES, api_path, resource, template, word};
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
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

/// Beyond what the process held before.
const MOST_MIB: u64 = 200;

fn main() {
    let paths: u64 = std::env::var("PATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000_000);
    let mix = Mix::named(&std::env::var("MIX").unwrap_or_default());
    let key = FingerprintKey::new([7; 32]);
    let mut collector = Collector::new(&Limits::default(), &key, &Classifier::built_in(), true);
    let mut sum = Delta::new(&key);
    let mut random = Random::new();
    let mut exchange = Transaction::default();
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
        exchange.response.fields.clear();
        exchange.response.fields.push(b"content-type", call.media.as_bytes());
        let bytes = exchange.response.body.bytes.expose_mut();
        bytes.clear();
        bytes.extend_from_slice(call.body.as_bytes());
        // Where no body is written, there was one all the same.
        exchange.response.body.len = if call.body.is_empty() { 100 } else { call.body.len() as u64 };
        exchange.client = Some(([192, 0, 2, u8::try_from(at % 200).unwrap_or_default()].into(), None));
        collector.observe(&exchange);
    };
    let before = resident("VmRSS:");
    let began = Instant::now();
    let mut most = 0;
    for at in 0..paths {
        call.make(mix, at, &mut random);
        observe(&mut collector, at, &call);
        // As a sensor does: shards hand over what they learnt, and the keeper adds it up.
        if (at + 1).is_multiple_of(1_000_000) || at + 1 == paths {
            sum.absorb(collector.take());
            sum.settle(None);
            let held = resident("VmRSS:").saturating_sub(before);
            most = most.max(held);
            if (at + 1).is_multiple_of(10_000_000) || at + 1 == paths {
                let rate = (at + 1) as f64 / began.elapsed().as_secs_f64();
                let lost = missing(&sum);
                println!(
                    "{:>11} paths  {:>4} MiB held  {rate:>9.0} a second  {} nodes  {} of {} endpoints missing",
                    at + 1,
                    held >> 20,
                    sum.learner_counters().nodes,
                    lost.len(),
                    4 * RESOURCES
                );
                lost.iter().take(4).for_each(|lost| println!("    {lost}"));
            }
        }
    }
    let lost = missing(&sum);
    println!("peak of the process {} MiB", resident("VmHWM:") >> 20);
    assert!(lost.is_empty(), "{} endpoints were lost", lost.len());
    assert!(most >> 20 < MOST_MIB, "{} MiB are more than {MOST_MIB}", most >> 20);
}

/// The true endpoints that are not found, each with what it is taken for.
fn missing(sum: &Delta) -> Vec<String> {
    let snapshot = sum.snapshot(&DocumentSet::default(), &Rulings::default());
    let mut found: BTreeMap<String, EndpointClass> = BTreeMap::new();
    for Endpoint { key, class, .. } in &snapshot.inventory.endpoints {
        let of_api = *class == EndpointClass::Api;
        let known = found.entry(nameless(&key.template)).or_insert(*class);
        if of_api {
            *known = *class;
        }
    }
    let mut lost = Vec::new();
    for number in 0..u64::from(4 * RESOURCES) {
        let mut path = String::new();
        template(&mut path, number);
        match found.get(&path) {
            Some(EndpointClass::Api) => {}
            Some(class) => lost.push(format!("{path} is taken for {class:?}")),
            None => lost.push(format!("{path} is not there")),
        }
    }
    lost
}

/// What is made up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mix {
    Everything,
    /// Answered with JSON, whatever it is.
    Answered,
    /// Not found.
    Dead,
    /// Answered with a page.
    Plausible,
    /// Paths of many segments.
    Deep,
    /// Long segments.
    Long,
}

impl Mix {
    fn named(name: &str) -> Self {
        match name {
            "answered" => Self::Answered,
            "dead" => Self::Dead,
            "plausible" => Self::Plausible,
            "deep" => Self::Deep,
            "long" => Self::Long,
            _ => {
                assert!(name.is_empty(), "no mix is called {name}");
                Self::Everything
            }
        }
    }
}

/// Some method.
fn method(random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => "GET",
        1 => "POST",
        2 => "PUT",
        _ => "DELETE",
    }
}

/// A call that is made up.
#[derive(Default)]
struct Call {
    method: &'static str,
    target: Vec<u8>,
    status: u16,
    media: &'static str,
    body: String,
}

impl Call {
    /// Half are calls of the API with ids of their own; half are made up.
    fn make(&mut self, mix: Mix, at: u64, random: &mut Random) {
        let mut path = String::new();
        self.body.clear();
        self.media = "application/json";
        self.method = if at % 8 == 3 { "DELETE" } else { "GET" };
        self.status = 404;
        if at % 8 < 4 {
            let number = (at / 8 * 4 + at % 4) % u64::from(4 * RESOURCES);
            api_path(&mut path, number, random);
            // Resources have their own properties, and answers of an API are not all of one length: what is, and answers
            // nonsense as well, is no sign of an API.
            let resource = number / 4;
            let value = "abcdefghijklmnopqrstuvwxyz".get(..1 + random.below(26) as usize).unwrap_or_default();
            _ = write!(
                self.body,
                r#"{{"name{resource}":"{value}","state{resource}":1,"kind":"b","links{resource}":[]}}"#
            );
            self.status = 200;
        } else {
            let words = match mix {
                Mix::Everything => return self.anything(at, random),
                Mix::Answered => {
                    self.method = method(random);
                    self.status = 200;
                    _ = write!(self.body, r#"{{"{}":1,"{}":2}}"#, word(random), word(random));
                    1 + random.below(4)
                }
                Mix::Dead => {
                    self.method = method(random);
                    1 + random.below(4)
                }
                Mix::Plausible => {
                    (self.status, self.media) = (200, "text/html");
                    1 + random.below(4)
                }
                Mix::Deep => 20 + random.below(300),
                Mix::Long => 1 + random.below(3),
            };
            for _ in 0..words {
                let repeats = if mix == Mix::Long { 1 + random.below(16) } else { 1 };
                path.push('/');
                (0..repeats).for_each(|_| path.push_str(&word(random)));
            }
        }
        self.target = path.into_bytes();
    }

    /// Something of every kind.
    fn anything(&mut self, at: u64, random: &mut Random) {
        let mut path = String::new();
        match at % 8 {
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
