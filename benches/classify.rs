//! Bytes of JSON bodies inspected per second: shapes grown, every value classified, evidence counted.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanlight::classify::Classifier;
use spanlight::inventory::facts::EndpointFacts;
use spanlight::inventory::inspect::Inspector;
use spanlight::limits::Limits;
use spanlight::payload::{self, Format, Text, Visitor};
use spanlight::schema::JsonType;
use spanlight::secret::FingerprintKey;
use spanlight::transaction::Transaction;
use std::fmt::Write;
use std::hint::black_box;

/// Responses of an account information service, about 2 KB each, values different in every one.
fn bodies() -> Vec<String> {
    (0..64_u64)
        .map(|n| {
            let mut rows = String::new();
            for row in 0..5_u64 {
                let id = n * 1_000_003 + row * 7_919;
                let comma = if row == 0 { "" } else { "," };
                write!(
                    rows,
                    "{comma}{{\"transactionId\":\"{id:016x}\",\"endToEndId\":\"E2E-{id:010}\",\"bookingDate\":\"2026-1{}-0{}\",\
                     \"valueDate\":\"2026-11-0{}\",\"transactionAmount\":{{\"currency\":\"EUR\",\"amount\":\"{}.{:02}\"}},\
                     \"creditorName\":\"Marta Kowalska\",\"creditorAccount\":{{\"iban\":\"DE89370400440532013000\"}},\
                     \"remittanceInformationUnstructured\":\"Invoice {id} for services in October, thank you\",\
                     \"bankTransactionCode\":\"PMNT-RCDT-ESCT\",\"balanceAfter\":{}.5,\"booked\":true,\"categoryId\":{}}}",
                    row % 3,
                    row + 1,
                    row + 2,
                    id % 9_999,
                    id % 100,
                    id % 100_000,
                    id % 50
                )
                .expect("a string takes all");
            }
            format!(
                "{{\"account\":{{\"iban\":\"GB82WEST12345698765432\",\"currency\":\"EUR\",\"ownerName\":\"Ana Melo\"}},\
                 \"transactions\":{{\"booked\":[{rows}],\"_links\":{{\"account\":{{\"href\":\"/v1/accounts/{n:032x}\"}}}}}}}}"
            )
        })
        .collect()
}

/// A visitor that only counts: what the scan alone costs.
struct Count(usize);

impl<'a> Visitor<'a> for Count {
    fn enter_object(&mut self) {}
    fn leave_object(&mut self) {}
    fn enter_array(&mut self) {}
    fn leave_array(&mut self) {}
    fn key(&mut self, name: Text<'a>) {
        self.0 += name.raw().len();
    }
    fn scalar(&mut self, _kind: JsonType, text: Text<'a>) {
        self.0 += text.raw().len();
    }
    fn labelled(&mut self, _label: Option<&'a [u8]>, _text: Text<'a>) {}
}

fn transaction(body: &str) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.request.method.extend_from_slice(b"GET");
    transaction.request.target.expose_mut().extend_from_slice(b"/v1/accounts/transactions");
    transaction.response.status = 200;
    transaction.response.fields.push(b"Content-Type", b"application/json");
    transaction.response.body.bytes.expose_mut().extend_from_slice(body.as_bytes());
    transaction
}

/// What stands behind the last value of a body.
const HREF_END: usize = "\"}}}}".len();

fn classify(c: &mut Criterion) {
    let bodies = bodies();
    let bytes: usize = bodies.iter().map(String::len).sum();
    let mut group = c.benchmark_group("classify");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("scan_only", |b| {
        b.iter(|| {
            let mut count = Count(0);
            for body in &bodies {
                payload::walk(Format::Json, None, body.as_bytes(), 64, &mut count);
            }
            black_box(count.0)
        });
    });
    let transactions: Vec<Transaction> = bodies.iter().map(|body| transaction(body)).collect();
    let mut inspector =
        Inspector::new(Classifier::built_in(), Limits::default(), &FingerprintKey::new([1; 32]));
    let mut facts = EndpointFacts::default();
    group.bench_function("known_bodies", |b| {
        b.iter(|| {
            for transaction in &transactions {
                black_box(inspector.inspect(transaction, &mut facts).classes);
            }
        });
    });
    // One value that is another each time: no body is known again.
    let mut changing = transactions.clone();
    let mut number = 0_u64;
    let mut every_value_anew = |inspector: &mut Inspector, facts: &mut EndpointFacts| {
        for transaction in &mut changing {
            let body = transaction.response.body.bytes.expose_mut();
            let end = body.len() - HREF_END;
            number += 1;
            body.splice(end - 16..end, format!("{number:016x}").into_bytes());
            black_box(inspector.inspect(transaction, facts).classes);
        }
    };
    group.bench_function("known_fields", |b| b.iter(|| every_value_anew(&mut inspector, &mut facts)));
    // Fields with few distinct values are looked at whole, those with many by one value in sixteen.
    let limits = Limits { sample_values: 16, ..Limits::default() };
    let mut sampling = Inspector::new(Classifier::built_in(), limits, &FingerprintKey::new([1; 32]));
    let mut sampled_facts = EndpointFacts::default();
    group.bench_function("sampled", |b| b.iter(|| every_value_anew(&mut sampling, &mut sampled_facts)));
    group.bench_function("fresh_endpoint", |b| {
        b.iter(|| {
            let mut facts = EndpointFacts::default();
            for transaction in &transactions {
                black_box(inspector.inspect(transaction, &mut facts).classes);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, classify);
criterion_main!(benches);
