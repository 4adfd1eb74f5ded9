//! Bytes a second of walking a capture, decoding its packets, and putting its streams in order.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanlight::anomaly::Anomaly;
use spanlight::flow::{
    Application, Chunk, Close, Direction, FlowKey, FlowLimits, FlowTable, Moment, OverlapPolicy,
};
use spanlight::limits::Limits;
use spanlight::packet::{Decoded, Options, Separate, decode};
use spanlight::source::capture_file::CaptureReader;
use std::hint::black_box;

const OPTIONS: Options = Options {
    tunnel_depth: 8,
    separate: Separate { vni: true, vlan: false, gre_key: false },
    verify_checksums: false,
};

/// Counts the bytes it is given.
struct Counter;

impl Application for Counter {
    type Shared = u64;
    fn open(_: &mut u64, _: FlowKey, _: Option<Direction>) -> Self {
        Self
    }
    fn chunk(&mut self, bytes: &mut u64, _: Direction, chunk: Chunk<'_>, _: &Moment) {
        if let Chunk::Data(data) = chunk {
            *bytes += data.len() as u64;
        }
    }
    fn end_of_stream(&mut self, _: &mut u64, _: Direction, _: &Moment) {}
    fn anomaly(&mut self, _: &mut u64, _: Anomaly) {}
    fn close(self, _: &mut u64, _: Close) {}
}

fn frames(file: &[u8], mut each: impl FnMut(Decoded<'_>)) {
    let mut reader = CaptureReader::new(file).expect("a capture");
    while let Ok(Some(frame)) = reader.next_frame() {
        each(decode(&frame, &OPTIONS));
    }
}

fn packets(c: &mut Criterion) {
    let capture = common::keep_alive(50, 100);
    let mut group = c.benchmark_group("packets");
    group.throughput(Throughput::Bytes(capture.file.len() as u64));
    group.bench_function("walk", |b| {
        b.iter(|| {
            let mut reader = CaptureReader::new(capture.file.as_slice()).expect("a capture");
            while let Ok(Some(frame)) = reader.next_frame() {
                black_box(frame.bytes.len());
            }
            reader.frames()
        });
    });
    group.bench_function("walk_and_decode", |b| {
        b.iter(|| {
            let mut segments = 0_u64;
            frames(&capture.file, |decoded| segments += u64::from(matches!(decoded, Decoded::Tcp(_))));
            assert_eq!(segments, capture.packets);
        });
    });
    group.bench_function("walk_decode_and_reassemble", |b| {
        b.iter(|| {
            let limits = FlowLimits::new(&Limits::default(), OverlapPolicy::First);
            let (mut table, mut bytes) = (FlowTable::<Counter>::new(limits), 0);
            frames(&capture.file, |decoded| {
                if let Decoded::Tcp(segment) = decoded {
                    table.segment(&segment, 0, 0, &mut bytes);
                }
            });
            table.finish(&mut bytes);
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
