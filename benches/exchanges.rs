//! Bytes a second from capture to exchanges, to an inventory, and to an inventory with data classes.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanlight::classify::Classifier;
use spanlight::flow::{FlowLimits, FlowTable, OverlapPolicy};
use spanlight::inventory::collector::Collector;
use spanlight::limits::Limits;
use spanlight::packet::{Decoded, Options, Separate, decode};
use spanlight::pipeline::rows::RowsWanted;
use spanlight::pipeline::shard::{Shard, ShardSettings};
use spanlight::secret::FingerprintKey;
use spanlight::source::capture_file::CaptureReader;
use spanlight::tls::keylog::Keys;
use spanlight::transaction::Transaction;
use spanlight::transaction::pairing::{Conversation, Exchanges, Sink};
use std::sync::Arc;

const OPTIONS: Options = Options {
    tunnel_depth: 8,
    separate: Separate { vni: true, vlan: false, gre_key: false },
    verify_checksums: false,
};

struct Counter(u64);

impl Sink for Counter {
    fn transaction(&mut self, _: &Transaction) {
        self.0 += 1;
    }
}

fn exchanges(c: &mut Criterion) {
    bench(c, "exchanges", &common::keep_alive(50, 100));
    bench(c, "exchanges_http2", &common::http2(50, 100));
}

fn bench(c: &mut Criterion, name: &str, capture: &common::Capture) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(capture.file.len() as u64));
    for (name, bodies) in [("http_no_bodies", false), ("http_bodies_kept", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let limits = Limits::default();
                let mut table =
                    FlowTable::<Conversation<Counter>>::new(FlowLimits::new(&limits, OverlapPolicy::First));
                let mut shared = Exchanges::new(&limits, bodies, Counter(0));
                let mut reader = CaptureReader::new(capture.file.as_slice()).expect("a capture");
                while let Ok(Some(frame)) = reader.next_frame() {
                    if let Decoded::Tcp(segment) = decode(&frame, &OPTIONS) {
                        table.segment(&segment, 0, 0, &mut shared);
                    }
                }
                table.finish(&mut shared);
                assert_eq!(shared.sink.0, capture.exchanges);
            });
        });
    }
    let classifier = Classifier::built_in();
    let key = FingerprintKey::new([7; 32]);
    for (name, bodies) in [("inventory_no_bodies", false), ("everything", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let settings = ShardSettings {
                    limits: Limits::default(),
                    overlap: OverlapPolicy::First,
                    inspect_bodies: bodies,
                    rows: RowsWanted::None,
                    tags: false,
                    constants: false,
                    trusted: Arc::default(),
                    vantages: Arc::default(),
                    methods: Arc::default(),
                    keys: Arc::new(Keys::new(0)),
                };
                let collector = Collector::new(&settings.limits, &key, &classifier, bodies);
                let mut shard = Shard::new(&settings, collector);
                let mut reader = CaptureReader::new(capture.file.as_slice()).expect("a capture");
                while let Ok(Some(frame)) = reader.next_frame() {
                    if let Decoded::Tcp(segment) = decode(&frame, &OPTIONS) {
                        shard.segment(&segment, 0, 0);
                    }
                }
                let (_, (booked, rest)) = shard.finish();
                let told: u64 = booked.values().map(|counters| counters.http.transactions).sum();
                assert_eq!(told + rest.http.transactions, capture.exchanges);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
