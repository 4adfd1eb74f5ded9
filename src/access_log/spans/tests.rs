use super::super::wire::tests::{put, put_number};
use super::*;
use proptest::prelude::*;

/// `export` of one span with these attributes, in JSON.
fn in_json(kind: &str, attributes: &[(&str, &str)]) -> String {
    let attributes: Vec<String> =
        attributes.iter().map(|(key, value)| format!(r#"{{"key":"{key}","value":{value}}}"#)).collect();
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"spans","value":{{}}}}]}},"scopeSpans":[{{"scope":{{}},"spans":[{{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173","name":"a","kind":{kind},"startTimeUnixNano":"1776211206672000000","endTimeUnixNano":1776211206687000000,"attributes":[{}],"events":[{{"name":"e","attributes":[]}}]}}]}}]}}]}}"#,
        attributes.join(",")
    )
}

fn text(value: &str) -> String {
    format!(r#"{{"stringValue":"{value}"}}"#)
}

fn read(export: &str) -> (Vec<Transaction>, Batch) {
    let mut seen = Vec::new();
    let batch = SpanReader::new(0).json(export.as_bytes(), &mut |exchange| seen.push(exchange.clone()));
    (seen, batch)
}

fn header(exchange: &Transaction, name: &str) -> String {
    let value = exchange.request.fields.get(name).map(|value| value.expose().to_vec());
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

#[test]
fn conventions_new_and_old_tell_the_same_exchange() {
    let new = [
        ("http.request.method", text("_OTHER")),
        ("http.request.method_original", text("QUERY")),
        ("url.scheme", text("https")),
        ("url.path", text("/v1/a")),
        ("url.query", text("x=y")),
        ("http.route", text("/v1/{id}")),
        ("server.address", text("api.example")),
        ("client.address", text("198.51.100.1")),
        ("network.peer.address", text("10.1.2.3")),
        ("network.peer.port", r#"{"intValue":"5000"}"#.to_owned()),
        ("network.protocol.version", text("2")),
        ("http.response.status_code", r#"{"intValue":201}"#.to_owned()),
        ("http.response.body.size", r#"{"intValue":"56"}"#.to_owned()),
        ("user_agent.original", text("curl")),
        (
            "http.request.header.x-fapi-interaction-id",
            r#"{"arrayValue":{"values":[{"stringValue":"i"}]}}"#.to_owned(),
        ),
    ];
    let old = [
        ("http.method", text("QUERY")),
        ("http.scheme", text("https")),
        ("http.target", text("/v1/a?x=y")),
        ("net.host.name", text("api.example")),
        ("net.host.port", r#"{"intValue":"443"}"#.to_owned()),
        ("net.sock.peer.addr", text("10.1.2.3")),
        ("net.sock.peer.port", r#"{"intValue":"5000"}"#.to_owned()),
        ("http.client_ip", text("198.51.100.1")),
        ("http.flavor", text("2.0")),
        ("http.status_code", text("201")),
        ("http.response_content_length", r#"{"intValue":"56"}"#.to_owned()),
        ("http.user_agent", text("curl")),
        ("http.request.header.x_fapi_interaction_id", text("i")),
    ];
    let pairs = |list: &[(&'static str, String)]| -> Vec<(&'static str, String)> { list.to_vec() };
    for (kind, attributes) in [("2", pairs(&new)), ("\"SPAN_KIND_SERVER\"", pairs(&old))] {
        let borrowed: Vec<_> = attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let (seen, batch) = read(&in_json(kind, &borrowed));
        assert_eq!((batch.exchanges, batch.aside, batch.bad), (1, 0, 0), "{kind}: {batch:?}");
        let exchange = seen.first().unwrap();
        assert_eq!(exchange.method(), Some("QUERY"), "{kind}");
        assert_eq!(exchange.request.target.expose(), b"/v1/a?x=y", "{kind}");
        assert_eq!(exchange.host().as_deref(), Some("api.example"), "{kind}");
        assert_eq!((exchange.response.status, exchange.response.body.len), (201, 56), "{kind}");
        assert_eq!(exchange.client, Some(("10.1.2.3".parse().unwrap(), Some(5000))), "{kind}");
        assert_eq!((exchange.protocol, exchange.tls), (Protocol::Http2, true), "{kind}");
        assert_eq!(exchange.latency_us, Some(15_000), "{kind}");
        assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06.672Z");
        assert_eq!(exchange.completeness, crate::transaction::Completeness::Logged);
        for (name, value) in [
            ("x-forwarded-for", "198.51.100.1"),
            ("user-agent", "curl"),
            ("x-fapi-interaction-id", "i"),
            ("traceparent", "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b173-01"),
        ] {
            assert_eq!(header(exchange, name), value, "{kind}: {name}");
        }
    }
}

#[test]
fn only_server_spans_with_an_exchange_count() {
    let http = [("http.method", text("GET")), ("http.target", text("/a"))];
    let http: Vec<_> = http.iter().map(|(key, value)| (*key, value.as_str())).collect();
    for kind in ["0", "1", "3", "\"SPAN_KIND_CLIENT\"", "null"] {
        let (_, batch) = read(&in_json(kind, &http));
        assert_eq!((batch.exchanges, batch.aside, batch.bad), (0, 1, 0), "{kind}");
    }
    let (_, batch) = read(&in_json("2", &[("messaging.system", &text("kafka"))]));
    assert_eq!((batch.exchanges, batch.aside, batch.bad), (0, 1, 0));
    let (_, batch) = read(&in_json("2", &[("http.method", &text("GET"))]));
    assert_eq!((batch.bad, batch.reason), (1, Some(BadReason::NoRequest)));
}

#[test]
fn a_grpc_call_and_a_route_stand_for_a_path() {
    for (attributes, target, status) in [
        (
            vec![
                ("rpc.system", text("grpc")),
                ("rpc.service", text("bank.Accounts")),
                ("rpc.method", text("Get")),
                ("rpc.grpc.status_code", r#"{"intValue":"5"}"#.to_owned()),
            ],
            "/bank.Accounts/Get",
            Some(5),
        ),
        (
            vec![("rpc.system.name", text("grpc")), ("rpc.method", text("bank.Accounts/Get"))],
            "/bank.Accounts/Get",
            None,
        ),
        (
            vec![
                ("http.request.method", text("GET")),
                ("http.response.status_code", r#"{"intValue":200}"#.to_owned()),
                ("http.route", text("/accounts/{id}")),
            ],
            "/accounts/{id}",
            None,
        ),
    ] {
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let (seen, batch) = read(&in_json("2", &attributes));
        assert_eq!(batch.exchanges, 1, "{target}: {batch:?}");
        let exchange = seen.first().unwrap();
        assert_eq!(exchange.request.target.expose(), target.as_bytes());
        assert_eq!((exchange.response.status, exchange.call.and_then(|call| call.status)), (200, status));
    }
}

/// The same export in protobuf.
fn in_protobuf() -> Vec<u8> {
    let value = |number: u32, bytes: &[u8]| {
        let mut out = Vec::new();
        put(number, bytes, &mut out);
        out
    };
    let mut span = Vec::new();
    put(1, &[0x5b; 16], &mut span);
    put(2, &[0xee; 8], &mut span);
    put(4, &[0xef; 8], &mut span);
    for (key, told) in [("http.request.method", value(1, b"POST")), ("url.path", value(1, b"/v1/a"))] {
        let mut pair = Vec::new();
        put(1, key.as_bytes(), &mut pair);
        put(2, &told, &mut pair);
        put(9, &pair, &mut span);
    }
    let mut status = Vec::new();
    put_number(3, 201, &mut status);
    let mut pair = Vec::new();
    put(1, b"http.response.status_code", &mut pair);
    put(2, &status, &mut pair);
    put(9, &pair, &mut span);
    let array = value(5, &[value(1, &value(1, b"i")), value(1, &value(1, b"j"))].concat());
    let mut pair = Vec::new();
    put(1, b"http.request.header.x-a", &mut pair);
    put(2, &array, &mut pair);
    put(9, &pair, &mut span);
    for (number, nanos) in [(7_u8, 1_776_211_206_672_000_000_u64), (8, 1_776_211_206_687_000_000)] {
        span.push(number << 3 | 1);
        span.extend_from_slice(&nanos.to_le_bytes());
    }
    put_number(6, 2, &mut span);
    let mut scope = value(1, b"");
    put(2, &span, &mut scope);
    put(2, &value(5, b"no kind"), &mut scope);
    let mut resource = value(1, b"");
    put(2, &scope, &mut resource);
    value(1, &resource)
}

#[test]
fn protobuf_tells_what_json_tells() {
    let mut seen = Vec::new();
    let export = in_protobuf();
    let batch = SpanReader::new(0).protobuf(&export, &mut |exchange| seen.push(exchange.clone()));
    assert_eq!((batch.exchanges, batch.aside, batch.bad), (1, 1, 0), "{batch:?}");
    let exchange = seen.first().unwrap();
    assert_eq!((exchange.method(), exchange.response.status), (Some("POST"), 201));
    assert_eq!(exchange.latency_us, Some(15_000));
    let values: Vec<_> = exchange.request.fields.all("x-a").map(|value| value.expose().to_vec()).collect();
    assert_eq!(values, [b"i".to_vec(), b"j".to_vec()]);
    let parent = format!("00-{}-{}-01", "5b".repeat(16), "ef".repeat(8));
    assert_eq!(header(exchange, "traceparent"), parent);
}

#[test]
fn an_export_that_is_none_says_so_and_an_empty_one_is_one() {
    for (export, bad) in
        [("", 1), ("{}", 0), (r#"{"resourceSpans":[]}"#, 0), ("spans", 1), (r#"{"resourceSpans":["#, 1)]
    {
        assert_eq!(read(export).1.bad, bad, "{export}");
    }
    assert_eq!(SpanReader::new(0).protobuf(b"", &mut |_| {}).bad, 0);
    assert_eq!(SpanReader::new(0).protobuf(b"\x0a\x05", &mut |_| {}).bad, 1);
}

proptest! {
    /// Arbitrary and damaged exports never panic.
    #[test]
    fn damaged_exports_are_survived(at in 0_usize..900, with in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        fuzz(&bytes);
        let json = in_json("2", &[("http.method", &text("GET")), ("http.target", &text("/a"))]).into_bytes();
        for mut export in [json, in_protobuf()] {
            if let Some(byte) = export.get_mut(at) {
                *byte = with;
            }
            fuzz(&export);
        }
    }
}
