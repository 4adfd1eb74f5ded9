//! Requests a second that find their place among a thousand endpoints that were learnt, and the time to fold these.

mod common;

use common::Random;
use common::api::{RESOURCES, api_path, word};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanlight::inventory::learner::{Facts, Learner, LearnerLimits, RankKey, Sighting, Undocumented};
use spanlight::merge::Merge;
use std::collections::BTreeSet;
use std::hint::black_box;

/// Requests that are seen again and again.
const REQUESTS: usize = 32_768;

#[derive(Clone, Debug, Default)]
struct Calls {
    calls: u64,
    /// Resources have their own properties.
    resource: u64,
}

impl Merge for Calls {
    fn absorb(&mut self, other: Self) {
        self.calls.absorb(other.calls);
        self.resource = self.resource.max(other.resource);
    }
}

impl Facts for Calls {
    fn response_keys(&self) -> Vec<u64> {
        (0..3).map(|at| self.resource ^ at).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The name of a resource as a number: `/api/<name>/...`.
fn resource(path: &str) -> u64 {
    let name = path.split('/').nth(2).unwrap_or_default();
    name.bytes().fold(7, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) << 2
}

fn observe(learner: &mut Learner<Calls>, path: &str, client: u64) {
    let sighting = Sighting {
        host: "api.bank.example",
        method: "GET",
        path: path.as_bytes(),
        status: Some(200),
        content_type: "application/json",
        response_bytes: 100,
        client,
        address: None,
    };
    let facts = learner.observe(&sighting);
    facts.calls += 1;
    if facts.calls == 1 {
        facts.resource = resource(path);
    }
}

fn learner(c: &mut Criterion) {
    let mut random = Random::new();
    let with_ids: Vec<String> = (0..REQUESTS)
        .map(|_| {
            let mut path = String::new();
            api_path(&mut path, random.below(4 * RESOURCES).into(), &mut random);
            path
        })
        .collect();
    // Words in the place of ids: each has to be judged, and there is no room for all.
    let with_words: Vec<String> =
        with_ids.iter().map(|path| format!("{path}/{}-{}", word(&mut random), word(&mut random))).collect();
    let mut learnt: Learner<Calls> = Learner::new(LearnerLimits::default(), RankKey::derive(b"bench"));
    for path in &with_ids {
        observe(&mut learnt, path, 1);
    }
    let endpoints = learnt.fold(&Undocumented).endpoints.len();
    assert_eq!(endpoints, 4 * RESOURCES as usize, "all endpoints are learnt");

    let mut group = c.benchmark_group("learner");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, paths) in [("ids", &with_ids), ("words", &with_words)] {
        let mut learner = learnt.clone();
        group.bench_function(name, |b| {
            b.iter(|| {
                for (client, path) in (0_u64..).zip(paths) {
                    observe(&mut learner, path, client % 512);
                }
            });
        });
    }
    group.bench_function("fold", |b| b.iter(|| black_box(learnt.fold(&Undocumented).endpoints.len())));
    group.finish();
}

criterion_group!(benches, learner);
criterion_main!(benches);
