//! The laws of vantages, held against whole collectors.

use super::{Difference, Vantages};
use crate::classify::Classifier;
use crate::inventory::Endpoint;
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::inventory::rulings::Rulings;
use crate::limits::Limits;
use crate::merge::Merge;
use crate::secret::FingerprintKey;
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use crate::transaction::{Completeness, Transaction};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const KEY: [u8; 32] = [7; 32];
/// Edge, gateway, service, as inputs 0 to 2.
const LABELS: [&str; 3] = ["edge", "gateway", "service"];
const HOSTS: [&str; 3] = ["api.bank.example", "gateway.internal", "accounts.svc"];
const BASES: [&str; 3] = ["/open-banking/v3", "/ob", "/v3"];

/// A call as one vantage saw it.
#[derive(Clone, Debug)]
struct Seen {
    at: usize,
    /// Milliseconds.
    time: i64,
    path: String,
    id: Option<u64>,
    status: u16,
    token: bool,
    latency: Option<u64>,
    body: bool,
}

fn seen(at: usize, time: i64, path: &str, id: Option<u64>) -> Seen {
    Seen { at, time, path: path.to_owned(), id, status: 200, token: false, latency: None, body: false }
}

fn collector() -> Collector {
    let vantages = Vantages::new(LABELS.into_iter().map(Some)).unwrap();
    Collector::new(&Limits::default(), &FingerprintKey::new(KEY), &Classifier::built_in(), true)
        .with_vantages(&Arc::new(vantages))
}

fn observe(collector: &mut Collector, call: &Seen) {
    let mut exchange = Transaction::default();
    exchange.provenance.input = u32::try_from(call.at).unwrap();
    exchange.request.method.extend_from_slice(b"GET");
    let target = format!("{}{}", BASES[call.at], call.path);
    exchange.request.target.expose_mut().extend_from_slice(target.as_bytes());
    exchange.request.fields.push(b"host", HOSTS[call.at].as_bytes());
    if let Some(id) = call.id {
        exchange
            .request
            .fields
            .push(b"x-request-id", format!("{id:08x}-0000-4000-8000-aaaaaaaaaaaa").as_bytes());
    }
    if call.token {
        exchange.request.fields.push(b"authorization", b"Bearer s3cr3t-t0ken-of-somebody");
    }
    exchange.request.started = Timestamp::from_millis(1_776_211_200_000 + call.time);
    exchange.response.status = call.status;
    exchange.response.fields.push(b"content-type", b"application/json");
    let body: &[u8] = if call.body { br#"{"iban":"DE89370400440532013000"}"# } else { b"" };
    exchange.response.body.bytes.expose_mut().extend_from_slice(body);
    exchange.response.body.len = 33;
    exchange.response.body.whole = call.body;
    exchange.latency_us = call.latency;
    exchange.client = Some(([192, 0, 2, 9].into(), None));
    if !call.body {
        exchange.completeness = Completeness::Logged;
    }
    collector.observe(&exchange);
}

fn learnt(calls: &[Seen]) -> Delta {
    let mut collector = collector();
    for call in calls {
        observe(&mut collector, call);
    }
    collector.take()
}

fn endpoints(delta: &Delta) -> Vec<Endpoint> {
    delta.snapshot(&DocumentSet::default(), &Rulings::default()).inventory.endpoints
}

fn settled(calls: &[Seen]) -> Vec<Endpoint> {
    let mut delta = learnt(calls);
    delta.settle(None);
    endpoints(&delta)
}

/// All that shows of an endpoint.
fn shown(endpoint: &Endpoint) -> String {
    let facts = &endpoint.facts;
    let hours: Vec<_> = facts
        .hours
        .iter()
        .map(|(hour, facts)| (*hour, facts.by_status_class, facts.response_bytes, facts.latencies.clone()))
        .collect();
    format!(
        "{} {:?} {} {:?} {:?} {:?} {} {} {:?} {hours:?} {:?}",
        endpoint.key,
        endpoint.class,
        facts.requests,
        facts.statuses,
        facts.auth,
        facts.latencies,
        facts.response_bytes,
        facts.callers.estimate(),
        (facts.first_seen, facts.last_seen),
        endpoint.hops
    )
}

fn rows(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(shown).collect()
}

#[test]
fn what_the_outer_one_does_not_tell_is_taken_from_the_inner_one() {
    let mut calls = Vec::new();
    for n in 0_i64..30 {
        let path = format!("/accounts/{}", 40_000_000 + n * 37);
        let id = Some(n.unsigned_abs());
        calls.push(Seen { latency: Some(30_000), ..seen(0, n * 1_000, &path, id) });
        calls.push(Seen {
            latency: Some(10_000),
            token: true,
            body: true,
            ..seen(2, n * 1_000 + 9, &path, id)
        });
    }
    let all = settled(&calls);
    let [one] = all.as_slice() else { panic!("{:?}", rows(&all)) };
    assert_eq!(one.key.to_string(), "GET api.bank.example/open-banking/v3/accounts/{accountId}");
    assert_eq!(one.facts.requests, 30);
    assert_eq!(one.facts.statuses.values().sum::<u64>(), 30);
    assert_eq!(one.facts.latencies.buckets().map(|(_, count)| count).sum::<u64>(), 30, "the edge's");
    assert_eq!(one.facts.auth.values().sum::<u64>(), 30, "the service's: the edge's log has none");
    assert!(one.facts.response_shapes.contains_key(&200), "the service's bodies");
    assert_eq!(one.facts.hours.values().map(|hour| hour.by_status_class[2]).sum::<u64>(), 30);
    assert_eq!(
        one.hops.iter().map(|hop| (hop.requests, hop.echoes)).collect::<Vec<_>>(),
        [(30, 0), (30, 30)]
    );
}

#[test]
fn calls_of_the_same_trace_elsewhere_are_calls_of_their_own() {
    let mut calls = Vec::new();
    for n in 0_i64..10 {
        let id = Some(n.unsigned_abs());
        calls.push(seen(0, n * 1_000, &format!("/accounts/{}", 40_000_000 + n), id));
        calls.push(seen(2, n * 1_000 + 5, &format!("/accounts/{}", 40_000_000 + n), id));
        calls.push(seen(2, n * 1_000 + 6, &format!("/limits/{}", 70_000_000 + n), id));
    }
    let all = settled(&calls);
    let counts: Vec<_> =
        all.iter().map(|one| (one.key.host.as_str(), one.facts.requests, one.hops.len())).collect();
    assert_eq!(counts, [("accounts.svc", 10, 1), ("api.bank.example", 10, 2)]);
    assert!(all.iter().all(|one| one.hops.iter().all(|hop| hop.alone == 0)));
}

#[test]
fn a_call_that_is_tried_again_was_asked_for_once() {
    let path = "/accounts/40000001";
    let mut calls: Vec<Seen> = (0_i64..4).map(|n| seen(0, n * 1_000, path, Some(n.unsigned_abs()))).collect();
    calls.extend((0_i64..4).map(|n| seen(2, n * 1_000 + 5, path, Some(n.unsigned_abs()))));
    calls.push(Seen { status: 503, ..seen(2, 2, path, Some(0)) });
    let all = settled(&calls);
    let [one] = all.as_slice() else { panic!("{:?}", rows(&all)) };
    assert_eq!((one.facts.requests, one.hops[1].echoes), (4, 5));
    assert_eq!(one.facts.statuses.get(&503), None);
    let differences: Vec<_> =
        one.hops[1].differences.iter().map(|((_, what), count)| (*what, *count)).collect();
    assert_eq!(differences, [(Difference::Status(200, 503), 1)]);
}

#[test]
fn without_ids_only_what_cannot_be_meant_otherwise_is_one() {
    let path = |n: i64| format!("/accounts/{}", 40_000_000 + n * 37);
    let mut calls: Vec<Seen> = (0..6).map(|n| seen(0, n * 10_000, &path(n), None)).collect();
    calls.extend((0..6).map(|n| seen(2, n * 10_000 + 40, &path(n), None)));
    // Twice the same at the same time: which is which cannot be told.
    calls.extend([100_000, 100_500].map(|at| seen(0, at, &path(0), None)));
    calls.extend([100_100, 100_600].map(|at| seen(2, at, &path(0), None)));
    // Too late.
    calls.push(seen(2, 25_000, &path(2), None));
    let all = settled(&calls);
    let [one] = all.as_slice() else { panic!("{:?}", rows(&all)) };
    assert_eq!((one.hops[0].requests, one.hops[1].requests, one.hops[1].echoes), (8, 9, 6));
    assert_eq!(one.facts.requests, 8 + 3);
    assert_eq!(one.hops[1].alone, 0, "without ids nobody went past");
}

#[test]
fn an_id_of_everything_is_the_id_of_nothing() {
    let calls: Vec<Seen> = (0..100)
        .flat_map(|n| {
            let path = format!("/accounts/{}", 40_000_000 + n);
            [seen(0, n * 60_000, &path, Some(1)), seen(2, n * 60_000 + 5_000, &path, Some(1))]
        })
        .collect();
    assert_eq!(settled(&calls).iter().map(|one| one.facts.requests).sum::<u64>(), 200);
}

#[test]
fn what_waits_and_what_was_settled_is_written_and_read_back() {
    let calls: Vec<Seen> = (0_i64..20)
        .flat_map(|n| {
            let path = format!("/accounts/{}", 40_000_000 + n * 37);
            (0..3).map(move |at| seen(at, n * 1_000 + 5, &path, Some(n.unsigned_abs())))
        })
        .collect();
    let whole = rows(&settled(&calls));
    let again = |delta: &Delta| {
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let bytes = postcard::to_stdvec(&delta.save(&Classifier::built_in(), snapshot.values())).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("aaaaaaaaaaaa"), "ids are not written");
        Delta::restore(
            postcard::from_bytes(&bytes).unwrap(),
            &FingerprintKey::new(KEY),
            &Classifier::built_in(),
        )
    };
    let mut delta = again(&learnt(&calls));
    // Half of them are old enough.
    delta.settle(Some(Timestamp::from_millis(1_776_211_210_000)));
    let mut delta = again(&delta);
    delta.settle(None);
    assert_eq!(rows(&endpoints(&delta)), whole);
    assert_eq!(whole.len(), 1, "{whole:?}");
}

#[test]
fn hours_that_were_told_are_not_told_again() {
    let calls: Vec<Seen> = (0_i64..40)
        .flat_map(|n| {
            let path = format!("/accounts/{}", 40_000_000 + n * 37);
            (0..3).map(move |at| seen(at, n * 1_000 + 5, &path, Some(n.unsigned_abs())))
        })
        .chain((0..7).map(|n| seen(2, n * 1_000 + 500, "/accounts/50000000", None)))
        .collect();
    let mut delta = learnt(&calls);
    let mut told = 0;
    for patience in [Duration::from_secs(30), Duration::from_secs(10), Duration::ZERO] {
        delta.settle_old(patience);
        let all = endpoints(&delta);
        told += all
            .iter()
            .flat_map(|one| one.facts.hours.values())
            .flat_map(|hour| hour.by_status_class)
            .sum::<u64>();
        delta.forget_hours();
    }
    delta.settle(None);
    let all = endpoints(&delta);
    let [one] = all.as_slice() else { panic!("{:?}", rows(&all)) };
    told += one.facts.hours.values().flat_map(|hour| hour.by_status_class).sum::<u64>();
    assert_eq!((one.facts.requests, told), (47, 47));
    assert_eq!(one.hops.iter().map(|hop| hop.alone).sum::<u64>(), 7);
}

fn call() -> impl Strategy<Value = Vec<Seen>> {
    let hop = (any::<bool>(), any::<bool>(), prop_oneof![Just(200_u16), Just(404), Just(503)], any::<bool>());
    (0_i64..40, 0_i64..6, proptest::option::of(0_u64..30), [hop.clone(), hop.clone(), hop]).prop_map(
        |(time, account, id, hops)| {
            let seen = hops.into_iter().enumerate().filter(|(_, (seen, ..))| *seen);
            seen.map(|(at, (_, token, status, latency))| Seen {
                at,
                time: time * 700 + i64::try_from(at).unwrap() * 3,
                path: format!("/accounts/{}", 40_000_000 + account),
                id,
                status,
                token,
                latency: latency.then_some(5_000),
                body: false,
            })
            .collect()
        },
    )
}

proptest! {
    /// Neither the order of sightings nor how they are spread over shards can be seen; no exchange is lost or counted more
    /// often than it was seen.
    #[test]
    fn order_and_shards_do_not_show(
        calls in proptest::collection::vec(call(), 0..12),
        order in any::<u64>(),
        shards in 1_usize..4,
    ) {
        let calls: Vec<Seen> = calls.concat();
        let whole = settled(&calls);
        let mut mixed: Vec<(u64, &Seen)> = calls
            .iter()
            .enumerate()
            .map(|(n, call)| ((n as u64 + 1).wrapping_mul(order | 1).rotate_left(17), call))
            .collect();
        mixed.sort_by_key(|(rank, _)| *rank);
        let mut parts: Vec<Collector> = (0..shards).map(|_| collector()).collect();
        for (rank, call) in mixed {
            let shard = usize::try_from(rank % shards as u64).unwrap();
            observe(&mut parts[shard], call);
        }
        let mut sum = Delta::new(&FingerprintKey::new(KEY));
        for part in &mut parts {
            sum.absorb(part.take());
        }
        sum.settle(None);
        prop_assert_eq!(rows(&endpoints(&sum)), rows(&whole));
        let counted: u64 = whole.iter().map(|one| one.facts.requests).sum();
        // Calls under one id are one: what was tried again further in is an echo of it, too.
        let seen_at = |at: usize| {
            let here = || calls.iter().filter(move |call| call.at == at);
            let ids: std::collections::BTreeSet<u64> = here().filter_map(|call| call.id).collect();
            ids.len() + here().filter(|call| call.id.is_none()).count()
        };
        let most = (0..3).map(seen_at).max().unwrap_or(0);
        prop_assert!(counted <= calls.len() as u64);
        prop_assert!(counted >= most as u64);
        for one in &whole {
            prop_assert_eq!(one.facts.statuses.values().sum::<u64>(), one.facts.requests);
            let hours: u64 = one.facts.hours.values().flat_map(|hour| hour.by_status_class).sum();
            prop_assert_eq!(hours, one.facts.requests);
        }
    }
}
