//! What requests of each kind ask for, and how they were answered.

use super::*;
use proptest::prelude::*;

/// An exchange by the content type and body of both messages.
fn exchange(request: (&str, &str), response: (&str, &str)) -> Transaction {
    let mut exchange = Transaction::default();
    exchange.request.method.extend_from_slice(b"POST");
    exchange.request.target.expose_mut().extend_from_slice(b"/service/endpoint");
    exchange.request.fields.push(b"Content-Type", request.0.as_bytes());
    exchange.request.body.bytes.expose_mut().extend_from_slice(request.1.as_bytes());
    exchange.request.body.whole = true;
    exchange.response.status = 200;
    exchange.response.fields.push(b"Content-Type", response.0.as_bytes());
    exchange.response.body.bytes.expose_mut().extend_from_slice(response.1.as_bytes());
    exchange
}

/// Kind, type, name, fields, and how it ended.
fn told(exchange: &Transaction) -> Vec<String> {
    let query = exchange.query();
    let calls = read(exchange, query, &Limits::default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    calls
        .iter()
        .map(|call| {
            let mut words = vec![call.kind.name().to_owned()];
            words.extend(call.operation_type.map(|kind| kind.name().to_owned()));
            words.extend(call.name.as_ref().map(|name| text(name.expose())));
            words
                .extend(call.persisted.as_ref().map(|digest| format!("persisted:{}", text(digest.expose()))));
            let fields: Vec<String> = call.fields.expose().iter().map(|field| text(field)).collect();
            words.push(format!("[{}]", fields.join(",")));
            let outcome = &call.outcome;
            words.extend(call.introspection.then(|| "introspection".to_owned()));
            words.extend((!outcome.answered).then(|| "unanswered".to_owned()));
            words.extend(outcome.failed.then(|| "failed".to_owned()));
            words.extend(outcome.refused.then(|| "refused".to_owned()));
            words.extend(outcome.code.as_ref().map(|code| text(code.expose())));
            words.extend(outcome.status.map(|status| status.to_string()));
            words.join(" ")
        })
        .collect()
}

fn json(request: &str, response: &str) -> Vec<String> {
    told(&exchange(("application/json", request), ("application/json", response)))
}

#[test]
fn graphql_in_json() {
    for (request, response, expected) in [
        (
            r#"{"query":"query GetAccount($id: ID!) {\n account(id: $id) { iban } }","variables":{"id":"1"},"operationName":"GetAccount"}"#,
            r#"{"data":{"account":{"iban":"x"}}}"#,
            "graphql query GetAccount [account]",
        ),
        (
            r#"{"operationName":"B","query":"query A { a } mutation B { b }"}"#,
            r#"{"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}],"data":null}"#,
            "graphql mutation B [b] failed FORBIDDEN",
        ),
        (
            r#"{"query":"{ nothing }"}"#,
            r#"{"errors":[{"message":"Cannot query field","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#,
            "graphql query [nothing] failed refused GRAPHQL_VALIDATION_FAILED",
        ),
        (
            r#"{"operationName":"Ticker","variables":{},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}"#,
            r#"{"errors":[{"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}"#,
            "graphql Ticker persisted:abc [] failed PERSISTED_QUERY_NOT_FOUND",
        ),
        (
            r#"{"query":"{__schema{types{name}}}"}"#,
            r#"{"data":{"__schema":{}}}"#,
            "graphql query [__schema] introspection",
        ),
        (r#"{"query":"subscription S { s }"}"#, "", "graphql subscription S [s] unanswered"),
    ] {
        assert_eq!(json(request, response), [expected], "{request}");
    }
}

#[test]
fn a_batch_of_graphql_is_answered_by_place() {
    let request = r#"[{"query":"query A { a }"},{"query":"mutation B { b }"}]"#;
    let response = r#"[{"data":{"a":1}},{"errors":[{}],"data":{"b":null}}]"#;
    assert_eq!(json(request, response), ["graphql query A [a]", "graphql mutation B [b] failed"]);
}

#[test]
fn graphql_by_other_ways() {
    let mut get = Transaction::default();
    get.request.method.extend_from_slice(b"GET");
    get.request.target.expose_mut().extend_from_slice(
        b"/x?operationName=Q&query=query+Q%28%24i%3AInt%29%7Ba(i%3A%24i)%7D&variables=%7B%22i%22%3A1%7D",
    );
    get.response.body.bytes.expose_mut().extend_from_slice(br#"{"data":{}}"#);
    assert_eq!(told(&get), ["graphql query Q [a]"]);
    get.request.target.expose_mut().clear();
    get.request.target.expose_mut().extend_from_slice(
        b"/x?extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22ff%22%7D%7D&operationName=Saved",
    );
    assert_eq!(told(&get), ["graphql Saved persisted:ff []"]);
    let raw = exchange(
        ("application/graphql; charset=utf-8", "mutation M { m }"),
        (
            "text/event-stream",
            "event: next\ndata: {\"data\":{\"m\":1}}\n\nevent: next\ndata: {\"errors\":[{}],\"data\":null}\n\n",
        ),
    );
    assert_eq!(told(&raw), ["graphql mutation M [m] failed"]);
    let upload = "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"mutation Up($f: Upload!) { up(file: $f) }\",\"variables\":{\"f\":null}}\r\n\
        --b\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{\"0\":[\"variables.f\"]}\r\n--b--\r\n";
    let upload =
        exchange(("multipart/form-data; boundary=b", upload), ("application/json", r#"{"data":{"up":1}}"#));
    assert_eq!(told(&upload), ["graphql mutation Up [up]"]);
}

#[test]
fn json_rpc_is_answered_by_id() {
    for (request, response, expected) in [
        (
            r#"{"jsonrpc":"2.0","method":"accounts.get","params":{"id":1},"id":7}"#,
            r#"{"jsonrpc":"2.0","result":{},"id":7}"#,
            vec!["json_rpc accounts.get []"],
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"a","id":1},{"jsonrpc":"2.0","method":"note"},{"jsonrpc":"2.0","method":"b","id":"x"}]"#,
            r#"[{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"},"id":"x"},{"jsonrpc":"2.0","result":1,"id":1}]"#,
            vec!["json_rpc a []", "json_rpc note [] unanswered", "json_rpc b [] failed refused -32601"],
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1}\n{\"jsonrpc\":\"2.0\",\"method\":\"b\",\"id\":2}\n",
            "{\"result\":1,\"id\":1}\n{\"error\":{\"code\":5},\"id\":2}\n",
            vec!["json_rpc a []", "json_rpc b [] failed 5"],
        ),
        (
            r#"{"method":"old","params":[1],"id":1}"#,
            r#"{"result":1,"error":null,"id":1}"#,
            vec!["json_rpc old []"],
        ),
    ] {
        assert_eq!(json(request, response), expected, "{request}");
    }
}

const ENVELOPE_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENVELOPE_12: &str = "http://www.w3.org/2003/05/soap-envelope";

#[test]
fn soap_is_named_by_its_body() {
    let request = format!(
        "<?xml version=\"1.0\"?>\n<!-- x --><s:Envelope xmlns:s='{ENVELOPE_11}'><s:Header><a:Body xmlns:a='urn:b'/><b>Body</b></s:Header>\
         <s:Body><t:GetBalance xmlns:t=\"urn:bank\"><iban>X</iban></t:GetBalance></s:Body></s:Envelope>"
    );
    let fault = format!(
        "<e:Envelope xmlns:e='{ENVELOPE_11}'><e:Body><e:Fault><faultcode>e:Client</faultcode></e:Fault></e:Body></e:Envelope>"
    );
    let mut call = exchange(("text/xml; charset=utf-8", &request), ("text/xml", &fault));
    call.request.fields.push(b"SOAPAction", b"\"urn:bank/service#getBalance\"");
    assert_eq!(told(&call), ["soap GetBalance [getBalance] failed Client"]);
    let request = format!("<Envelope xmlns='{ENVELOPE_12}'><Body><Pay xmlns='urn:p'/></Body></Envelope>");
    let answer = format!("<Envelope xmlns='{ENVELOPE_12}'><Body><PayResponse/></Body></Envelope>");
    let media = "application/soap+xml; charset=utf-8; action=\"urn:p/Pay\"";
    assert_eq!(told(&exchange((media, &request), ("application/soap+xml", &answer))), ["soap Pay [Pay]"]);
    let fault = format!(
        "<Envelope xmlns='{ENVELOPE_12}'><Body><Fault><Code><Value>env:Sender</Value></Code></Fault></Body></Envelope>"
    );
    assert_eq!(
        told(&exchange((media, &request), ("application/soap+xml", &fault))),
        ["soap Pay [Pay] failed Sender"]
    );
    let encrypted = format!("<Envelope xmlns='{ENVELOPE_12}'><Body><EncryptedData/></Body></Envelope>");
    assert_eq!(told(&exchange((media, &encrypted), ("", ""))), ["soap Pay [Pay] unanswered"]);
    let attached =
        format!("--b\r\nContent-Type: application/xop+xml\r\n\r\n{request}\r\n--b\r\n\r\nfile\r\n--b--");
    assert_eq!(
        told(&exchange(("multipart/related; boundary=b", &attached), ("application/soap+xml", &answer))),
        ["soap Pay []"]
    );
}

#[test]
fn other_xml_is_named_where_a_standard_names_it() {
    let call = "<methodCall><methodName>bank.rates</methodName><params/></methodCall>";
    for (answer, expected) in [
        ("<methodResponse><params/></methodResponse>", "xml_rpc bank.rates []"),
        ("<methodResponse><fault><value/></fault></methodResponse>", "xml_rpc bank.rates [] failed"),
    ] {
        assert_eq!(told(&exchange(("text/xml", call), ("text/xml", answer))), [expected]);
    }
    let space = "urn:iso:std:iso:20022:tech:xsd:";
    let pain = format!(
        "<Document xmlns=\"{space}pain.001.001.09\"><CstmrCdtTrfInitn><GrpHdr/></CstmrCdtTrfInitn></Document>"
    );
    let status = format!(
        "<Document xmlns=\"{space}pain.002.001.10\"><CstmrPmtStsRpt><OrgnlGrpInfAndSts><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    );
    let expected = "iso20022 pain.001.001.09 [CstmrCdtTrfInitn]";
    assert_eq!(told(&exchange(("application/xml", &pain), ("", ""))), [format!("{expected} unanswered")]);
    assert_eq!(
        told(&exchange(("application/xml", &pain), ("application/xml", &status))),
        [format!("{expected} failed RJCT")]
    );
    let wrapped = format!(
        "<BizMsgEnvlp xmlns='urn:net'><h:AppHdr xmlns:h='{space}head.001.001.02'><h:Fr/></h:AppHdr>\
         <p:Document xmlns:p='{space}pacs.008.001.08'><p:FIToFICstmrCdtTrf/></p:Document></BizMsgEnvlp>"
    );
    assert_eq!(
        told(&exchange(("application/xml", &wrapped), ("", ""))),
        ["iso20022 pacs.008.001.08 [FIToFICstmrCdtTrf] unanswered"]
    );
}

#[test]
fn odata_batches_hold_requests() {
    let request = "--b\r\nContent-Type: application/http\r\n\r\nGET /service/Customers('O''Neil')/Orders?$top=1 HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n\
        --b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nPOST Orders HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"n\":1}\r\n\
        --c\r\nContent-Type: application/http\r\n\r\nPATCH http://h.example/service/Orders(7) HTTP/1.1\r\n\r\n{}\r\n--c--\r\n--b--\r\n";
    let answer = "--r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"value\":[]}\r\n\
        --r\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 409 Conflict\r\n\r\n\r\n--r--\r\n";
    let batch = exchange(("multipart/mixed;boundary=b", request), ("multipart/mixed; boundary=r", answer));
    assert_eq!(
        told(&batch),
        [
            "odata GET Customers({key})/Orders [] 200",
            "odata POST Orders [] failed 409",
            "odata PATCH Orders({key}) [] failed 409",
        ]
    );
    let request = r#"{"requests":[{"id":"0","method":"get","url":"/service/me"},{"id":"1","method":"POST","url":"Orders","body":{"a":1}}]}"#;
    let answer = r#"{"responses":[{"id":"1","status":404},{"id":"0","status":200,"body":{"mail":"x"}}]}"#;
    assert_eq!(json(request, answer), ["odata GET me [] 200", "odata POST Orders [] failed refused 404"]);
}

#[test]
fn a_body_that_was_cut_tells_what_it_can() {
    let mut cut = exchange(("application/json", r#"{"query":"query Long { a { b"#), ("", ""));
    assert!(told(&cut).is_empty(), "a whole body that ends so is no document");
    cut.request.body.whole = false;
    assert_eq!(told(&cut), ["graphql query Long [a] unanswered"]);
    let cut = format!("<e:Envelope xmlns:e='{ENVELOPE_11}'><e:Body><Pay><Amount>1");
    assert_eq!(told(&exchange(("text/xml", &cut), ("", ""))), ["soap Pay [] unanswered"]);
}

#[test]
fn what_only_looks_alike_is_none() {
    for (media, body) in [
        ("application/json", r#"{"query":"cheap flights","variables":{}}"#),
        ("application/json", r#"{"query":{"match":{"a":1}}}"#),
        ("application/json", r#"{"id":1,"method":"card","amount":5}"#),
        ("application/json", r#"{"method":"card","params":{"a":1},"id":1}"#),
        ("application/json", r#"{"iban":"x","query":"{ a }"}"#),
        ("application/json", r#"{"requests":[{"id":1}]}"#),
        ("application/json", r#"{"jsonrpc":"2.0","result":1,"id":1}"#),
        ("application/json", "[]"),
        ("application/json", "{"),
        ("application/xml", "<Envelope><Body><Pay/></Body></Envelope>"),
        ("application/xml", "<Document><CstmrCdtTrfInitn/></Document>"),
        ("application/xml", "<order><id>1</id></order>"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--",
        ),
        ("multipart/mixed; boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nhello there\r\n--b--"),
        ("text/plain", "query Q { a }"),
        ("application/json", ""),
    ] {
        assert_eq!(
            told(&exchange((media, body), ("application/json", "{}"))),
            Vec::<String>::new(),
            "{body}"
        );
    }
}

#[test]
fn a_batch_is_read_up_to_its_limit() {
    let one = r#"{"jsonrpc":"2.0","method":"a","id":1}"#;
    let body = format!("[{}]", vec![one; 300].join(","));
    let batch = exchange(("application/json", &body), ("", ""));
    let calls = read(&batch, None, &Limits::default());
    assert_eq!(calls.len(), Limits::default().operation_calls);
    assert!(calls.last().unwrap().limited);
}

proptest! {
    /// Any bytes are survived.
    #[test]
    fn any_bytes_are_read(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&data);
    }

    /// So is what looks like envelopes of each kind.
    #[test]
    fn any_pieces_are_read(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", "\"query\":", "\"{ a }\"", "\"jsonrpc\":\"2.0\"", ",", "\"method\":\"m\"", "\"id\":1", "\"requests\":[",
        "<", ">", "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>", "<e:Body>", "</", "/>", "<a", " b='c'", "<!--",
        "<methodCall>", "<methodName>x</methodName>", "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.001.001.09'>",
        "--b\r\n", "--b--", "Content-Type: application/http\r\n\r\n", "GET /a HTTP/1.1\r\n", "\r\n", "\n", "query=%7Ba%7D&", "&#", "'", "(",
        "Content-Disposition: form-data; name=\"operations\"\r\n\r\n",
    ]), 0..24)) {
        fuzz(pieces.concat().as_bytes());
    }

    /// A request that was cut names the same operation as the whole one, or none.
    #[test]
    fn a_cut_request_names_no_other_operation(which in 0_usize..4, share in 0.0_f64..1.0) {
        let bodies = [
            ("application/json", r#"{"query":"mutation Pay($to: String!) { transfer(to: $to) { id } }","variables":{"to":"x"}}"#.to_owned()),
            ("application/json", r#"{"jsonrpc":"2.0","method":"accounts.get","params":{"id":1},"id":7}"#.to_owned()),
            ("text/xml", format!("<e:Envelope xmlns:e='{ENVELOPE_11}'><e:Header/><e:Body><Pay a='b'><x/></Pay></e:Body></e:Envelope>")),
            ("text/xml", "<methodCall><methodName>rates</methodName></methodCall>".to_owned()),
        ];
        let (media, body) = &bodies[which];
        let name = |exchange: &Transaction| {
            read(exchange, None, &Limits::default()).first().and_then(|call| call.name.as_ref().map(|name| name.expose().to_vec()))
        };
        let whole = name(&exchange((media, body), ("", "")));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a short text")]
        let length = (share * body.len() as f64) as usize;
        let mut cut = exchange((media, &body[..length]), ("", ""));
        cut.request.body.whole = false;
        let cut = name(&cut);
        prop_assert!(cut.is_none() || cut == whole);
    }
}
