//! What exchanges carry, as an inspector tells it.

use super::*;
use crate::classify::State;
use crate::merge::Merge;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn inspector() -> Inspector {
    let mut inspector =
        Inspector::new(Classifier::built_in(), Limits::default(), &FingerprintKey::new([3; 32]));
    inspector.collect_tags(true);
    inspector
}

fn exchange(target: &str, headers: &[(&str, &str)], content_type: &str, body: &str) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.request.method.extend_from_slice(b"POST");
    transaction.request.target.expose_mut().extend_from_slice(target.as_bytes());
    for (name, value) in headers {
        transaction.request.fields.push(name.as_bytes(), value.as_bytes());
    }
    transaction.response.status = 200;
    transaction.response.fields.push(b"Content-Type", content_type.as_bytes());
    transaction.response.body.bytes.expose_mut().extend_from_slice(body.as_bytes());
    transaction
}

fn tags(transaction: &Transaction) -> Vec<String> {
    let mut inspector = inspector();
    let mut facts = EndpointFacts::default();
    let classifier = Classifier::built_in();
    let inspection = inspector.inspect(transaction, &mut facts);
    inspection
        .tags
        .iter()
        .map(|tag| format!("{} {} {}", tag.location.name(), tag.path, classifier.name(tag.class)))
        .collect()
}

/// What is said of the fields of many responses, by as many inspectors as `shards`, and how many values counted.
fn sampled(shards: usize, one_in: usize) -> Vec<DataField> {
    let limits = Limits { sample_values: one_in, ..Limits::default() };
    let mut inspectors: Vec<(Inspector, EndpointFacts)> = (0..shards)
        .map(|_| {
            let key = FingerprintKey::new([3; 32]);
            let inspector = Inspector::new(Classifier::built_in(), limits.clone(), &key);
            (inspector, EndpointFacts::default())
        })
        .collect();
    for number in 0..600_usize {
        let body = format!(
            r#"{{"email":"user{number}@bank.example","note":"mail to a{number}@bank.example","list":["x{number}@bank.example"],
            "raw":"{{\"email\":\"r{number}@bank.example\"}}","few":"f{}@bank.example",
            "attributes":[{{"name":"email","value":"v{number}@bank.example"}}]}}"#,
            number % 7
        );
        let target = format!("/a/u{number}@bank.example?email=q{number}@bank.example");
        let transaction = exchange(&target, &[("X-Mail", "h@bank.example")], "application/json", &body);
        // Uneven shares: one shard is done with its sample long before the other.
        let shard = (number % 10).min(shards - 1);
        let (inspector, facts) = &mut inspectors[shard];
        let classes: Vec<_> = inspector.inspect(&transaction, facts).classes.iter().collect();
        assert!(!classes.is_empty());
    }
    let mut merged = EndpointFacts::default();
    for (_, facts) in inspectors {
        merged.absorb(facts);
    }
    data_fields(&Classifier::built_in(), &merged)
}

#[test]
fn samples_do_not_tell_how_many_inspectors_took_them() {
    let (whole, one) = (sampled(1, 1), sampled(1, 4));
    assert_eq!(sampled(2, 4), one);
    assert_eq!(sampled(3, 4), one);
    let said = |fields: &[DataField]| -> Vec<_> {
        fields.iter().map(|field| (field.path.clone(), field.class, field.state)).collect()
    };
    assert_eq!(said(&one), said(&whole));
    let field = |path: &str| one.iter().find(|field| field.path == path).unwrap();
    let email = field("$.email");
    assert_eq!((email.sampled_one_in, email.present), (4, email.valid));
    assert!((100..200).contains(&email.present), "{}", email.present);
    assert!(email.reason.ends_with("; one in 4 values checked"), "{}", email.reason);
    // Few distinct values are no sample, and values that others name are all looked at.
    assert_eq!((field("$.few").sampled_one_in, field("$.few").present), (1, 600));
    assert_eq!(field("$.attributes[*].value").valid, 600);
    assert!(whole.iter().all(|field| field.sampled_one_in == 1 && field.present == 600));
}

#[test]
fn every_part_of_an_exchange_is_inspected() {
    let body = r#"{"data":[{"iban":"DE89370400440532013000"}],"raw":"{\"cvv\":\"123\"}",
        "params":[{"name":"otp","value":"482913"}],"emails":["a@bank.example"],
        "acct":{"Identification":"GB82WEST12345698765432","SchemeName":"UK.OBIE.IBAN","Name":"Jane Roe"}}"#;
    let headers = [
        ("Authorization", "Bearer 9ccb0c3b37524443b6c78290e23ffbbc"),
        ("Cookie", "theme=dark; PHPSESSID=8rdt6thdhywl1ii98dcuvtiinl"),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    let transaction =
        exchange("/users/jane.roe%40bank.example?client_ip=192.0.2.9", &headers, "application/json", body);
    assert_eq!(
        tags(&transaction),
        [
            "request.path [1] contact.email",
            "request.query client_ip net.ip",
            "request.header authorization sec.bearer",
            "request.header cookie[PHPSESSID] sec.session_cookie",
            "request.header x-forwarded-for net.ip",
            "response.body $.acct.Identification fin.iban",
            "response.body $.acct.Name person.name",
            "response.body $.data[*].iban fin.iban",
            "response.body $.emails[*] contact.email",
            "response.body $.params[*].value sec.otp",
            "response.body $.raw fin.cvv",
        ]
    );
}

#[test]
fn other_formats_have_their_own_paths() {
    for (content_type, body, expected) in [
        ("text/csv", "id,iban\n1,DE89370400440532013000\n", "$[*].iban fin.iban"),
        ("application/x-www-form-urlencoded", "iban=DE89+3704+0044+0532+0130+00", "$.iban fin.iban"),
        (
            "application/xml",
            "<Doc><Acct Ccy=\"EUR\"><IBAN>DE89370400440532013000</IBAN></Acct></Doc>",
            "/Doc/Acct/IBAN fin.iban",
        ),
        ("application/x-ndjson", "{\"iban\":\"DE89370400440532013000\"}\n", "$[*].iban fin.iban"),
        ("text/plain", "card number: 4539578763621486", "$ fin.pan"),
    ] {
        let found = tags(&exchange("/x", &[], content_type, body));
        assert_eq!(found, [format!("response.body {expected}")], "{content_type}");
    }
}

#[test]
fn data_is_found_however_its_document_is_built() {
    for (body, expected) in [
        // JSON:API.
        (
            r#"{"data":[{"type":"customers","id":"7","attributes":{"firstName":"Jane","iban":"DE89370400440532013000"}}]}"#,
            &["$.data[*].attributes.firstName person.name", "$.data[*].attributes.iban fin.iban"][..],
        ),
        // HAL.
        (
            r#"{"_links":{"self":{"href":"/a?email=jane%40bank.example"}},"_embedded":{"owners":[{"dateOfBirth":"1990-06-09"}]}}"#,
            &["$._embedded.owners[*].dateOfBirth person.dob", "$._links.self.href contact.email"],
        ),
        // GraphQL.
        (
            r#"{"data":{"viewer":{"node":{"edges":[{"node":{"phoneNumber":"+44 7400 833924"}}]}}}}"#,
            &["$.data.viewer.node.edges[*].node.phoneNumber contact.phone"],
        ),
        // Names and values, in a list and in pairs of scheme and identification.
        (
            r#"{"attributes":[{"name":"geburtsdatum","value":"09.06.1990"},{"key":"cvv","val":"994"}],"acct":{"SchemeName":"UK.OBIE.SortCodeAccountNumber","Identification":"11280001234567"}}"#,
            &[
                "$.acct.Identification fin.account_number",
                "$.attributes[*].val fin.cvv",
                "$.attributes[*].value person.dob",
            ],
        ),
        // A document in a string, and text.
        (
            r#"{"payload":"{\"user\":{\"password\":\"Dragon738#\"}}","log":"login of jane.roe@bank.example from 192.0.2.7"}"#,
            &["$.log contact.email", "$.payload sec.password"],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|tag| format!("response.body {tag}")).collect();
        assert_eq!(tags(&exchange("/x", &[], "application/json", body)), expected, "{body}");
    }
    let log = "2026-01-02 10:00:01 INFO login user=jane.roe@bank.example\n2026-01-02 10:00:02 INFO paid card=4539578763621486\n";
    let found = tags(&exchange("/logs", &[], "text/plain", log));
    assert_eq!(found, ["response.body $ contact.email", "response.body $ fin.pan"]);
}

#[test]
fn masked_values_are_counted_and_not_reported() {
    let mut inspector = inspector();
    let mut facts = EndpointFacts::default();
    let body = r#"{"iban":"NL61 **** **** 0377","cardNumber":"****1234","email":"[REDACTED]","password":"********"}"#;
    for _ in 0..5 {
        let inspection = inspector.inspect(&exchange("/x", &[], "application/json", body), &mut facts);
        assert!(inspection.tags.is_empty() && inspection.classes.is_empty());
    }
    for field in data_fields(&Classifier::built_in(), &facts) {
        assert_eq!((field.state, field.masked, field.valid), (State::Cleared, 5, 0), "{}", field.path);
    }
}

#[test]
fn a_map_keyed_by_values_becomes_one_field() {
    let mut facts = EndpointFacts::default();
    let body = r#"{"balances":{"DE89370400440532013000":1,"GB82WEST12345698765432":2,"jane@bank.example":3,"12345678":4}}"#;
    inspector().inspect(&exchange("/x", &[], "application/json", body), &mut facts);
    let mut paths = Vec::new();
    facts.response_shapes.get(&200).unwrap().walk(&mut |path, _| paths.push(path.to_owned()));
    assert_eq!(paths, ["$", "$.balances", "$.balances.{email}", "$.balances.{iban}", "$.balances.{number}"]);
}

#[test]
fn no_value_is_kept() {
    let planted = [
        "4539578763621486",
        "DE89370400440532013000",
        "jane.roe@bank.example",
        "Zebulon",
        "s3cr3tPassw0rdX",
        "192.0.2.77",
    ];
    let body = format!(
        r#"{{"pan":"{0}","iban":"{1}","mail":"{2}","firstName":"{3}","password":"{4}","ip":"{5}","{1}":{{"x":1}},"{2}":2,"note":"call {3} at {2}"}}"#,
        planted[0], planted[1], planted[2], planted[3], planted[4], planted[5]
    );
    let target = format!("/u/{}/{}?ip={}&iban={}", planted[0], planted[2], planted[5], planted[1]);
    let cookie = format!("session={}", planted[4]);
    let transaction =
        exchange(&target, &[("Cookie", &cookie), ("X-Mail", planted[2])], "application/json", &body);
    let mut inspector = inspector();
    let mut facts = EndpointFacts::default();
    inspector.inspect(&transaction, &mut facts);
    let fields = data_fields(&Classifier::built_in(), &facts);
    assert!(fields.len() >= 6);
    let written = format!("{facts:?}{fields:?}{transaction:?}");
    for value in planted {
        assert!(!written.contains(value), "{value} is kept");
    }
}

fn counted(facts: &EndpointFacts) -> String {
    let mut all = format!("{:?}", data_fields(&Classifier::built_in(), facts));
    for (status, shape) in &facts.response_shapes {
        shape.walk(&mut |path, node| {
            let line = format!(
                "{status} {path} {:?} {:?}\n",
                node.types(),
                node.evidence().map(FieldEvidence::values)
            );
            all.push_str(&line);
        });
    }
    all
}

#[test]
fn a_body_that_comes_again_counts_as_if_it_was_read_again() {
    let long = |n: u32| {
        format!(
            r#"{{"iban":"DE89370400440532013000","list":[{{"mail":"a{n}@mail.example","pan":"4539578763621486"}},null],"note":"call +49 30 1234567{n} now, please","inner":"{{\"email\":\"b{n}@mail.example\"}}","rows":[{{"name":"type","value":"x"}},{{"name":"iban","value":"GB29NWBK60161331926819"}}]}}"#
        )
    };
    let bodies = [long(1), long(2), long(1), long(1), long(2), long(1), long(3), long(2)];
    let (mut one, mut apart) = (EndpointFacts::default(), EndpointFacts::default());
    let mut inspector_of_all = inspector();
    inspector_of_all.collect_tags(false);
    for body in &bodies {
        let again = exchange("/a", &[], "application/json", body);
        let classes = inspector_of_all.inspect(&again, &mut one).classes;
        let mut facts = EndpointFacts::default();
        let fresh = inspector().inspect(&again, &mut facts).classes;
        assert_eq!(classes.iter().collect::<Vec<_>>(), fresh.iter().collect::<Vec<_>>());
        apart.absorb(facts);
    }
    assert!(inspector_of_all.work.bodies.values().flatten().count() == 2, "two bodies came a third time");
    assert_eq!(counted(&one), counted(&apart));
}

#[test]
fn formats_are_those_of_every_value_however_it_is_written() {
    let mut inspector = inspector();
    let mut facts = EndpointFacts::default();
    for n in 0..9 {
        let late = if n == 8 { "soon" } else { "2026-01-02" };
        let (maybe, empty) = if n % 2 == 0 { ("null", "") } else { ("\"::1\"", "2026-01-02") };
        let body = format!(
            r#"{{"at":"2026-01-0{d}T10:00:00Z","link":"https:\/\/bank.example\/{n}","n":{n},"late":"{late}",
            "maybe":{maybe},"empty":"{empty}","same":"2026-01-02","list":["2026-01-0{d}","2026-02-0{d}"],"word":"x{n}",
            "attributes":[{{"name":"day","value":"2026-01-0{d}"}}]}}"#,
            d = n + 1,
        );
        let target = format!("/a?page={n}&from=2026-01-0{}&q=x{n}&size=", n + 1);
        let id = format!("00000000-0000-0000-0000-00000000000{n}");
        inspector
            .inspect(&exchange(&target, &[("X-Request-ID", &id)], "application/json", &body), &mut facts);
    }
    let mut told = BTreeMap::new();
    let shape = facts.response_shapes.values().next().unwrap();
    shape.walk(&mut |path, at| {
        let (kind, count) = at.types().met().find(|(kind, _)| *kind != JsonType::Null).unwrap();
        if let Some(format) = at.evidence().unwrap().format(kind, count) {
            told.insert(path.to_owned(), format.name());
        }
    });
    // Of `maybe` there are too few, of `same` there is one, and one of `late` and some of `empty` are none.
    let expected = [
        ("$.at", "date-time"),
        ("$.attributes[*].value", "date"),
        ("$.link", "uri"),
        ("$.list[*]", "date"),
        ("$.n", "int32"),
    ];
    assert_eq!(told, expected.map(|(path, name)| (path.to_owned(), name)).into());
    let fields = facts.fields.sorted();
    let text =
        fields.iter().filter_map(|(_, name, evidence)| Some((*name, evidence.format_of_text()?.name())));
    assert_eq!(text.collect::<Vec<_>>(), [("from", "date"), ("page", "int32"), ("x-request-id", "uuid")]);
}

#[test]
fn words_are_gathered_when_they_are_asked_for_and_never_saved() {
    for asked in [false, true] {
        let mut inspector = inspector();
        inspector.gather_constants(asked);
        let mut facts = EndpointFacts::default();
        for n in 0..60 {
            let (status, name) = [("OPEN", "Anna"), ("CLOSED", "Bob")][n % 2];
            let body =
                format!(r#"{{"firstName":"{name}","items":[{{"status":"{status}"}}],"status":"{status}"}}"#);
            let target = format!("/a?status={status}&login={name}");
            inspector.inspect(&exchange(&target, &[], "application/json", &body), &mut facts);
        }
        let mut told = Vec::new();
        let shape = facts.response_shapes.values().next().unwrap();
        shape.walk(&mut |path, at| {
            let words = at.evidence().unwrap().constants();
            told.extend(words.map(|words| (path.to_owned(), words.told("status", 60).unwrap().join("|"))));
        });
        let words = |path: &str| (path.to_owned(), "CLOSED|OPEN".to_owned());
        let expected = [words("$.items[*].status"), words("$.status")];
        assert_eq!(told, if asked { expected.as_slice() } else { &[] });
        let fields = facts.fields.sorted();
        let gathered = fields.iter().filter(|(_, _, evidence)| evidence.constants().is_some());
        assert_eq!(
            gathered.map(|(_, name, _)| *name).collect::<Vec<_>>(),
            if asked { &["status"][..] } else { &[] }
        );
        let saved = serde_json::to_string(&(&facts.fields, shape)).unwrap();
        assert!(!saved.contains("OPEN") && !saved.contains("CLOSED"));
    }
}

proptest! {
    /// Which shard saw which exchange, and in which order, cannot be told from what they found together.
    #[test]
    fn shards_come_to_the_same(order in proptest::collection::vec((0_usize..6, any::<bool>()), 1..24)) {
        let bodies = [
            r#"{"iban":"DE89370400440532013000","n":1}"#,
            r#"{"iban":"GB82WEST12345698765432","n":2.5,"email":"a@bank.example"}"#,
            r#"{"n":null,"name":"Jane Roe","x":[{"key":"otp","value":"1234"}]}"#,
            r#"{"iban":"****","x":[{"key":"cvv","value":"123"},{"value":"9"}]}"#,
            r#"{"email":"none","blob":"{\"pin\":\"1234\"}"}"#,
            r#"[{"phone":"+44 7400 833924"}]"#,
        ];
        let (mut one, mut two) = (inspector(), inspector());
        let (mut whole, mut left, mut right) = (EndpointFacts::default(), EndpointFacts::default(), EndpointFacts::default());
        let mut single = inspector();
        for (body, first) in &order {
            let transaction = exchange("/x", &[], "application/json", bodies[*body]);
            single.inspect(&transaction, &mut whole);
            if *first {
                one.inspect(&transaction, &mut left);
            } else {
                two.inspect(&transaction, &mut right);
            }
        }
        right.absorb(left);
        prop_assert_eq!(counted(&right), counted(&whole));
    }

    /// Whatever a body holds, inspecting it neither panics nor loses the count of bodies.
    #[test]
    fn any_body_is_inspected(body in proptest::collection::vec(any::<u8>(), 0..400), kind in 0_usize..8) {
        let types = ["application/json", "application/x-ndjson", "text/csv", "application/xml", "text/plain",
            "application/x-www-form-urlencoded", "application/x-protobuf", "multipart/form-data"];
        let mut transaction = exchange("/x", &[], types[kind], "");
        transaction.response.body.bytes.expose_mut().extend_from_slice(&body);
        inspector().inspect(&transaction, &mut EndpointFacts::default());
    }
}
