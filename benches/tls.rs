//! Bytes a second of TLS 1.3 with AES-128-GCM: the cipher by itself, and a connection read from segments.

#![expect(clippy::unwrap_used, reason = "a bench on what it has made itself")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use spanlight::flow::{Chunk, Direction, FlowKey, Moment};
use spanlight::limits::Limits;
use spanlight::time::Timestamp;
use spanlight::tls::connection::{Connection, What, Workspace};
use spanlight::tls::keylog::{KeyLogReader, Keys};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Content of a full record, and of a segment.
const RECORD: usize = 1 << 14;
const SEGMENT: usize = 1_448;
const RECORDS: u64 = 256;

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
fn expand(secret: &[u8], label: &[u8], out: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let label = [b"tls13 ", label].concat();
    let info = [&[0, u8::try_from(out.len()).unwrap(), u8::try_from(label.len()).unwrap()][..], &label, &[0]];
    let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret);
    secret.expand(&info, Length(out.len())).unwrap().fill(out).unwrap();
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn nonce(iv: &[u8; 12], number: u64) -> Nonce {
    let mut nonce = *iv;
    nonce.iter_mut().rev().zip(number.to_be_bytes().iter().rev()).for_each(|(byte, over)| *byte ^= over);
    Nonce::assume_unique_for_key(nonce)
}

fn tls13(c: &mut Criterion) {
    let secret = [9; 32];
    let (mut key, mut iv) = ([0; 16], [0; 12]);
    expand(&secret, b"key", &mut key);
    expand(&secret, b"iv", &mut iv);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
    let sealed: Vec<Vec<u8>> = (0..RECORDS)
        .map(|number| {
            let mut body = vec![b'a'; RECORD - 1];
            body.push(23);
            let length = u16::try_from(body.len() + 16).unwrap().to_be_bytes();
            let aad = Aad::from([23, 3, 3, length[0], length[1]]);
            key.seal_in_place_append_tag(nonce(&iv, number), aad, &mut body).unwrap();
            body
        })
        .collect();
    let mut client = vec![1, 0, 0, 41, 3, 3];
    client.extend([7; 32]);
    client.extend([0, 0, 2, 0x13, 1, 1, 0]);
    let mut server = vec![2, 0, 0, 46, 3, 3];
    server.extend([8; 32]);
    server.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    let hellos = [record(22, &client), record(22, &server)];
    let stream: Vec<u8> = sealed.iter().flat_map(|body| record(23, body)).collect();
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
    let log = format!("SERVER_TRAFFIC_SECRET_0 {} {}\n", hex(&[7; 32]), hex(&secret));
    let keys = Arc::new(Keys::new(1));
    KeyLogReader::default().feed(log.as_bytes(), &keys);

    let mut group = c.benchmark_group("tls13_aes_128_gcm");
    group.throughput(Throughput::Bytes(RECORDS * RECORD as u64));
    group.bench_function("cipher", |b| {
        b.iter_batched_ref(
            || sealed.clone(),
            |sealed| {
                for (number, body) in (0..).zip(sealed) {
                    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
                    let aad = Aad::from([23, 3, 3, length[0], length[1]]);
                    black_box(key.open_in_place(nonce(&iv, number), aad, body).unwrap());
                }
            },
            BatchSize::LargeInput,
        );
    });
    let end = |last, port| (IpAddr::V4(Ipv4Addr::new(198, 18, 0, last)), port);
    let (flow, to_server) = FlowKey::new(end(2, 40_000), end(1, 443), 0);
    let at = Moment { ts: Timestamp::EPOCH, input: 0, frame: 0, ack: None };
    let mut work = Workspace::new(&Limits::default(), keys);
    group.bench_function("connection", |b| {
        b.iter(|| {
            let mut connection = Connection::new(flow);
            let mut read = 0;
            let mut feed = |direction: Direction, bytes: &[u8]| {
                connection.chunk(direction, Chunk::Data(bytes), &at, &mut work);
                let mut events = std::mem::take(&mut work.events);
                for event in events.drain(..) {
                    if let What::Data(plain) = event.what {
                        read += plain.content().len();
                        work.recycle(plain.buffer);
                    }
                }
                work.events = events;
            };
            feed(to_server, &hellos[0]);
            feed(to_server.reverse(), &hellos[1]);
            for segment in stream.chunks(SEGMENT) {
                feed(to_server.reverse(), segment);
            }
            assert_eq!(read as u64, RECORDS * (RECORD as u64 - 1));
        });
    });
    group.finish();
}

criterion_group!(benches, tls13);
criterion_main!(benches);
