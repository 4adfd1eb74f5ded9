//! Decisions by themselves, and what becomes of an inventory with them.

use super::*;
use crate::classify::Classifier;
use crate::inventory::Endpoint;
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::inventory::learner::Shape;
use crate::limits::Limits;
use crate::secret::FingerprintKey;
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use crate::transaction::Transaction;

fn rulings(text: &str) -> Rulings {
    let (rulings, problems) = Rulings::read("t.yaml", text.as_bytes());
    assert!(problems.is_empty(), "{problems}");
    rulings
}

fn segments(path: &str) -> Vec<Segment<'_>> {
    path.split('/')
        .skip(1)
        .map(|text| match text.strip_prefix('#') {
            Some(suffix) => Segment::Value { shape: Shape::Uuid, suffix },
            None => Segment::Name(text),
        })
        .collect()
}

/// `v1 accounts {…}` with `=` before what is ruled a name, `*` before a value, and `!` for a pinned whole.
fn told(rulings: &Rulings, host: &str, path: &str) -> String {
    let segments = segments(path);
    let ruling = rulings.ruling(host, &segments);
    let mut out = String::from(if ruling.pinned.is_some() { "!" } else { "" });
    for (at, _) in segments.iter().enumerate() {
        out.push(match (ruling.names >> at & 1, ruling.values >> at & 1) {
            (0, 0) => '.',
            (1, 0) => '=',
            (0, 1) => '*',
            _ => panic!("both"),
        });
    }
    out
}

#[test]
fn hosts_follow_patterns() {
    for (pattern, host, expected) in [
        ("api.bank.example", "api.bank.example", true),
        ("api.bank.example", "xapi.bank.example", false),
        ("*.bank.example", "a.b.bank.example", true),
        ("*.bank.example", "bank.example", false),
        ("api-*.bank.*", "api-7.bank.example", true),
        ("api-*.bank.*", "api.bank.example", false),
        ("*", "", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
    }
}

#[test]
fn decisions_say_of_each_segment_what_it_is() {
    let rulings = rulings(
        "pin:\n  - /v1/accounts/{accountId}\n  - /v1/accounts/search\n  - /v1/files/{name}.json\n  \
         - /v1/jobs/{id}:cancel\nsplit:\n  - template: /v1/users/{x}\n    keep: [me, search]\nmerge:\n  \
         - below: /v1/reports\n  - below: /v1/tags\n    names: [red, green]\n",
    );
    for (path, expected) in [
        ("/v1/accounts/mine", "!==*"),
        ("/v1/accounts/#", "!==*"),
        ("/v1/accounts/search", "!==="),
        ("/v1/accounts/mine/balances", "==*."),
        ("/v1/accounts", "=="),
        ("/v1/accounts/#:cancel", "==."),
        ("/v1/files/a.json", "!==*"),
        ("/v1/files/#.json", "!==*"),
        ("/v1/files/a.xml", "==."),
        ("/v1/jobs/#:cancel", "!==*"),
        ("/v1/jobs/#", "==."),
        ("/v1/users/me/cards", "=.=."),
        ("/v1/users/ada", "=.."),
        ("/v1/reports/daily/all", "=.*."),
        ("/v1/tags/red", "=.*"),
        ("/v1/tags/blue", "=.."),
        ("/v2/tags/red", "..."),
    ] {
        assert_eq!(told(&rulings, "", path), expected, "{path}");
    }
}

#[test]
fn a_name_goes_before_a_parameter() {
    let rulings = rulings(
        "pin: [\"/v1/{x}\", \"/v1/accounts/{id}\"]\nmerge:\n  - below: /v1/a\nsplit:\n  - template: /v1/a/{y}\n    keep: [b]\n",
    );
    assert_eq!(told(&rulings, "", "/v1/accounts"), "==");
    assert_eq!(told(&rulings, "", "/v1/cards"), "!=*");
    assert_eq!(told(&rulings, "", "/v1/a/b"), "=*=");
    assert_eq!(told(&rulings, "", "/v1/a/c"), "=**");
}

#[test]
fn a_decision_may_be_for_some_hosts() {
    let rulings = rulings("pin:\n  - {template: '/a/{b}', hosts: ['*.bank.example']}\n");
    assert_eq!(told(&rulings, "x.bank.example", "/a/b"), "!=*");
    assert_eq!(told(&rulings, "other.example", "/a/b"), "..");
    assert_eq!(rulings.scope("x.bank.example"), [0]);
    assert!(rulings.scope("other.example").is_empty());
}

const KEY: [u8; 32] = [9; 32];

fn learnt(calls: &[(&str, &str)]) -> Delta {
    let mut collector =
        Collector::new(&Limits::default(), &FingerprintKey::new(KEY), &Classifier::built_in(), true);
    for (host, call) in calls {
        let (method, path) = call.split_once(' ').unwrap();
        let mut exchange = Transaction::default();
        exchange.request.method.extend_from_slice(method.as_bytes());
        exchange.request.target.expose_mut().extend_from_slice(path.as_bytes());
        exchange.request.fields.push(b"host", host.as_bytes());
        exchange.request.started = Timestamp::from_secs(1_776_211_206, 0);
        exchange.response.status = 200;
        exchange.response.fields.push(b"content-type", b"application/json");
        exchange.response.body.bytes.expose_mut().extend_from_slice(b"{}");
        exchange.response.body.len = 2;
        exchange.client = Some(([192, 0, 2, 9].into(), None));
        collector.observe(&exchange);
    }
    collector.take()
}

fn keys(delta: &Delta, documents: &DocumentSet, rulings: &Rulings) -> Vec<String> {
    let snapshot = delta.snapshot(documents, rulings);
    let row = |endpoint: &Endpoint| format!("{} {}", endpoint.key, endpoint.facts.requests);
    snapshot.inventory.endpoints.iter().map(row).collect()
}

const HOST: &str = "api.bank.example";

/// Words that the evidence alone takes for names: each is called often, and nothing tells them from others.
fn words(below: &str) -> Vec<(&'static str, String)> {
    let words = ["daily", "weekly", "search"];
    words.iter().flat_map(|word| vec![(HOST, format!("GET {below}/{word}")); 6]).collect()
}

fn calls(all: &[(&'static str, String)]) -> Delta {
    let calls: Vec<(&str, &str)> = all.iter().map(|(host, call)| (*host, call.as_str())).collect();
    learnt(&calls)
}

#[test]
fn a_pin_and_a_merge_make_one_of_what_evidence_keeps_apart() {
    let mut all = words("/v1/report");
    all.extend(words("/v1/digest"));
    all.extend(words("/v1/digest").into_iter().map(|(host, call)| (host, format!("{call}/lines"))));
    let delta = calls(&all);
    let apart = keys(&delta, &DocumentSet::default(), &Rulings::default());
    assert_eq!(apart.len(), 9, "{apart:?}");
    let decided = rulings(
        "pin: [\"/v1/report/{period}\"]\nmerge:\n  - {below: /v1/digest, names: [daily, weekly]}\nname: [\"/v1/digest/{span}\"]\n",
    );
    assert_eq!(
        keys(&delta, &DocumentSet::default(), &decided),
        [
            "GET api.bank.example/v1/digest/search 6",
            "GET api.bank.example/v1/digest/search/lines 6",
            "GET api.bank.example/v1/digest/{span} 12",
            "GET api.bank.example/v1/digest/{span}/lines 12",
            "GET api.bank.example/v1/report/{period} 18",
        ]
    );
    let snapshot = delta.snapshot(&DocumentSet::default(), &decided);
    let uses: Vec<(&str, u64)> =
        snapshot.rulings().iter().map(|used| (used.text.as_str(), used.paths)).collect();
    assert_eq!(
        uses,
        [
            ("merge daily, weekly below /v1/digest", 4),
            ("name /v1/digest/{span}", 2),
            ("pin /v1/report/{period}", 3)
        ]
    );
    assert!(
        snapshot
            .inventory
            .endpoints
            .iter()
            .filter(|row| row.key.template.contains("report"))
            .all(|row| row.confidence > 0.99)
    );
    assert!(snapshot.locate(HOST, "GET", b"/v1/report/yearly").is_some(), "also what was never seen");
}

#[test]
fn a_split_keeps_apart_what_evidence_makes_one() {
    let people =
        ["anna-becker", "olu.adeyemi", "mschmidt", "jdoe", "kvnguyen", "rpatel", "zfarkas", "lrossi"];
    let mut all: Vec<(&str, String)> = Vec::new();
    for person in people {
        all.push((HOST, format!("GET /v1/customers/{person}")));
        all.push((HOST, format!("PUT /v1/customers/{person}")));
    }
    let delta = calls(&all);
    let folded = keys(&delta, &DocumentSet::default(), &Rulings::default());
    assert_eq!(folded.len(), 2, "{folded:?}");
    let decided = rulings("split:\n  - {template: '/v1/customers/{customerId}', keep: [jdoe]}\n");
    let kept = keys(&delta, &DocumentSet::default(), &decided);
    assert!(kept.contains(&"GET api.bank.example/v1/customers/jdoe 1".to_owned()), "{kept:?}");
    assert!(kept.contains(&"GET api.bank.example/v1/customers/{customerId} 7".to_owned()), "{kept:?}");
    // It holds after a restart, too.
    let snapshot = delta.snapshot(&DocumentSet::default(), &decided);
    let bytes = postcard::to_stdvec(&delta.save(&Classifier::built_in(), snapshot.values())).unwrap();
    let again = Delta::restore(
        postcard::from_bytes(&bytes).unwrap(),
        &FingerprintKey::new(KEY),
        &Classifier::built_in(),
    );
    assert_eq!(keys(&again, &DocumentSet::default(), &decided), kept);
}

#[test]
fn a_document_goes_before_a_decision() {
    let document = b"openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /v1/report/{kind}:\n    get: {responses: {'200': {description: ok}}}\n";
    let (documents, problems) = DocumentSet::load(vec![("a.yaml".to_owned(), document.to_vec())]);
    assert!(problems.is_empty(), "{problems}");
    let delta = calls(&words("/v1/report"));
    let decided =
        rulings("pin: [\"/v1/report/{period}\"]\nsplit: [{template: \"/v1/report/{x}\", keep: [daily]}]\n");
    assert_eq!(keys(&delta, &documents, &decided), ["GET api.bank.example/v1/report/{kind} 18"]);
    let snapshot = delta.snapshot(&documents, &decided);
    assert!(
        snapshot.rulings().iter().all(|used| used.paths > 0 && used.paths == used.overruled),
        "{:?}",
        snapshot.rulings()
    );
}

#[test]
fn a_decision_for_one_host_changes_no_other_of_its_domain() {
    let mut all = words("/v1/report");
    let other: Vec<_> = all.iter().map(|(_, call)| ("old.bank.example", call.clone())).collect();
    all.extend(other);
    let delta = calls(&all);
    let decided = rulings("pin: [{template: \"/v1/report/{period}\", hosts: api.*}]\n");
    assert_eq!(
        keys(&delta, &DocumentSet::default(), &decided),
        [
            "GET api.bank.example/v1/report/{period} 18",
            "GET old.bank.example/v1/report/daily 6",
            "GET old.bank.example/v1/report/search 6",
            "GET old.bank.example/v1/report/weekly 6",
        ]
    );
}
