//! The behaviour of the learner as a whole, as sentences.

use proptest::collection::vec;
use proptest::prelude::*;

use super::store::Reader;
use super::*;

/// Facts that only remember the response keys and count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keys {
    names: std::collections::BTreeSet<u64>,
    calls: u64,
    procedure: bool,
}

impl Merge for Keys {
    fn absorb(&mut self, other: Self) {
        self.names.extend(other.names);
        self.calls += other.calls;
        self.procedure |= other.procedure;
    }
}

impl Facts for Keys {
    fn response_keys(&self) -> Vec<u64> {
        self.names.iter().copied().collect()
    }

    fn is_procedure(&self) -> bool {
        self.procedure
    }

    fn held(&self) -> usize {
        self.names.len()
    }

    fn shed(&mut self) {
        self.names.clear();
    }
}

fn learner() -> Learner<Keys> {
    Learner::new(LearnerLimits::default(), RankKey::derive(b"test"))
}

fn ok(path: &str) -> Sighting<'_> {
    Sighting {
        address: None,
        host: "api.bank.example",
        method: "GET",
        path: path.as_bytes(),
        status: Some(200),
        content_type: "application/json",
        response_bytes: 100,
        client: 1,
    }
}

/// Sees a successful JSON answer with these keys.
fn see(learner: &mut Learner<Keys>, path: &str, keys: &[u64]) {
    let facts = learner.observe(&ok(path));
    facts.names.extend(keys);
    facts.calls += 1;
}

/// The claimed templates, `METHOD /path`.
fn api(learner: &Learner<Keys>) -> Vec<String> {
    of_class(learner, EndpointClass::Api)
}

fn of_class(learner: &Learner<Keys>, class: EndpointClass) -> Vec<String> {
    let folded = learner.fold(&Undocumented);
    let rows = folded.endpoints.iter().filter(|learnt| learnt.class == class);
    rows.map(|learnt| format!("{} {}", learnt.method, learnt.template)).collect()
}

const NAMES: [&str; 24] = [
    "ada",
    "grace",
    "edsger",
    "barbara",
    "donald",
    "margaret",
    "alan",
    "katherine",
    "tim",
    "radia",
    "linus",
    "frances",
    "dennis",
    "hedy",
    "brian",
    "karen",
    "niklaus",
    "adele",
    "john",
    "jean",
    "claude",
    "joan",
    "edgar",
    "shafi",
];

#[test]
fn hard_values_become_parameters() {
    let mut learner = learner();
    for (path, _) in [
        ("/v1/accounts/5f0c2a4e-6a2b-4a53-9f1e-0a9e6d0f7c11/balances", 0),
        ("/v1/accounts/6f0c2a4e-6a2b-4a53-9f1e-0a9e6d0f7c12/balances", 0),
        ("/v1/payments/DE89370400440532013000", 0),
        ("/v1/orders/17", 0),
        ("/v1/orders/18", 0),
    ] {
        see(&mut learner, path, &[]);
    }
    assert_eq!(
        api(&learner),
        ["GET /v1/accounts/{accountId}/balances", "GET /v1/orders/{orderId}", "GET /v1/payments/{iban}"]
    );
}

/// gRPC names every method in the path, and services may have many: none is an id.
#[test]
fn methods_of_grpc_services_stay_apart() {
    let mut learner = learner();
    let services =
        ["bank.accounts.v1.AccountService", "helloworld.Greeter", "Ledger", "grpc.health.v1.Health"];
    let verbs = ["Get", "List", "Create", "Update", "Delete", "Watch", "BatchGet", "Check"];
    let nouns =
        ["Account", "Balance", "Iban", "Payee2", "CardLimits", "KycStatus", "StandingOrder", "LedgerV2"];
    let mut wanted = Vec::new();
    for service in services {
        for verb in verbs {
            for noun in nouns {
                let path = format!("/{service}/{verb}{noun}");
                for client in 0..3 {
                    let kind = "application/grpc";
                    let call = Sighting { method: "POST", content_type: kind, client, ..ok(&path) };
                    learner.observe(&call).procedure = true;
                }
                wanted.push(format!("POST {path}"));
            }
        }
    }
    wanted.sort();
    assert_eq!(api(&learner), wanted);
}

#[test]
fn a_word_among_ids_stays_when_it_answers_differently() {
    let mut learner = learner();
    for (at, name) in NAMES.iter().enumerate() {
        for _ in 0..=(at % 3) {
            see(&mut learner, &format!("/v1/users/{name}"), &[1, 2, 3]);
            see(&mut learner, &format!("/v1/users/{name}/posts"), &[4, 5]);
        }
    }
    for _ in 0..40 {
        see(&mut learner, "/v1/users/me", &[1, 2, 3, 7, 8, 9, 10]);
        see(&mut learner, "/v1/users/me/settings", &[11, 12]);
    }
    let found = api(&learner);
    assert!(found.contains(&"GET /v1/users/{userId}".to_owned()), "{found:?}");
    assert!(found.contains(&"GET /v1/users/{userId}/posts".to_owned()), "{found:?}");
    assert!(found.contains(&"GET /v1/users/me/settings".to_owned()), "{found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn versions_and_dates_before_the_api_are_kept() {
    for base in ["/v1", "/api/2.0", "/2010-04-01", "/api/1", "/2", "/zx81kq"] {
        let mut learner = learner();
        for resource in ["invoices", "customers", "reports", "cards"] {
            for id in 0..6 {
                see(&mut learner, &format!("{base}/{resource}"), &[1]);
                see(&mut learner, &format!("{base}/{resource}/{}", 1000 + id), &[2]);
            }
        }
        let found = api(&learner);
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.iter().all(|row| row.starts_with(&format!("GET {base}/"))), "{found:?}");
    }
}

#[test]
fn a_lone_word_with_a_number_is_a_name_when_the_word_is_one() {
    let mut learner = learner();
    for id in 0..5 {
        for path in ["/v1/users/verify", "/v1/claims/verify-2", "/v1/claims/summary-7", "/v1/orders/order-5"]
        {
            see(&mut learner, path, &[]);
        }
        see(&mut learner, &format!("/v1/users/{}", 4_000 + id), &[]);
        see(&mut learner, &format!("/v1/orders/{}", 7_000 + id), &[]);
        see(&mut learner, &format!("/v1/notes/verify-{}", 10 + id), &[]);
    }
    let found = api(&learner);
    for (row, expected) in [
        ("GET /v1/claims/verify-2", true),
        ("GET /v1/orders/order-5", false),
        ("GET /v1/orders/{orderId}", true),
        ("GET /v1/notes/{noteId}", true),
    ] {
        assert_eq!(found.iter().any(|known| known == row), expected, "{row}: {found:?}");
    }
}

#[test]
fn extensions_verbs_and_parameters_of_the_path_are_understood() {
    let mut learner = learner();
    for id in 0..6 {
        see(&mut learner, &format!("/v1/calls/{}.json", 1_000 + id), &[1]);
        see(&mut learner, "/v1/messages:batchGet", &[2]);
        see(&mut learner, &format!("/v1/operations/{}:cancel", 5_000 + id), &[3]);
        see(&mut learner, &format!("/v1/carts;session={id}/items"), &[4]);
        see(&mut learner, &format!("//v1/carts/./items/?page={id}"), &[4]);
    }
    assert_eq!(
        api(&learner),
        [
            "GET /v1/calls/{callId}.json",
            "GET /v1/carts/items",
            "GET /v1/messages:batchGet",
            "GET /v1/operations/{operationId}:cancel"
        ]
    );
}

#[test]
fn two_hundred_sibling_collections_stay_apart() {
    let mut learner = learner();
    let (first, second) =
        (&NAMES[..], ["Report", "Ledger", "Limit", "Mandate", "Quote", "Batch", "Rule", "Alert", "Feed"]);
    let mut count = 0;
    for (i, a) in first.iter().enumerate() {
        for (j, b) in second.iter().enumerate() {
            let keys: Vec<u64> = (0..4).map(|k| (i * 100 + j * 10 + k) as u64).collect();
            for _ in 0..(5 + (i * j) % 30) {
                see(&mut learner, &format!("/api/{a}{b}s"), &keys);
            }
            see(&mut learner, &format!("/api/{a}{b}s/{}", 100 + i), &keys);
            see(&mut learner, &format!("/api/{a}{b}s/{}", 200 + i), &keys);
            count += 2;
        }
    }
    assert_eq!(api(&learner).len(), count);
}

#[test]
fn operations_called_once_are_kept_as_they_are() {
    let mut learner = learner();
    for path in
        ["/v1/accounts", "/v1/consents/create", "/v1/rates/latest", "/v1/branches", "/v1/products/search"]
    {
        see(&mut learner, path, &[]);
    }
    assert_eq!(api(&learner).len(), 5);
    assert!(api(&learner).iter().all(|row| !row.contains('{')));
}

#[test]
fn scanners_are_kept_apart_from_the_api() {
    let mut learner = learner();
    for id in 0..10 {
        see(&mut learner, &format!("/v1/orders/{id}"), &[1]);
    }
    for path in ["/.env", "/wp-login.php", "/admin", "/old/backup", "/console", "/v1/debug"] {
        let status = if path == "/console" { Some(302) } else { Some(404) };
        learner.observe(&Sighting {
            status,
            content_type: "text/html",
            response_bytes: 9,
            client: 66,
            ..ok(path)
        });
    }
    assert_eq!(api(&learner), ["GET /v1/orders/{orderId}"]);
    assert!(of_class(&learner, EndpointClass::Scanner).contains(&"GET /console".to_owned()));
    assert!(of_class(&learner, EndpointClass::Probe).contains(&"GET /admin".to_owned()));
}

#[test]
fn a_page_that_answers_everything_is_no_api() {
    let mut learner = learner();
    for id in 0..10 {
        see(&mut learner, &format!("/v1/orders/{id}"), &[1]);
    }
    for (client, path) in
        [(7, "/shell"), (8, "/logs/help"), (9, "/.git/config"), (10, "/beta"), (11, "/keys/x")]
    {
        learner.observe(&Sighting { content_type: "text/html", response_bytes: 93, client, ..ok(path) });
    }
    assert_eq!(api(&learner), ["GET /v1/orders/{orderId}"]);
}

#[test]
fn an_answer_that_echoes_its_path_is_no_api_but_a_short_one_echoes_nothing() {
    let answered = |learner: &mut Learner<Keys>, path: &str, response_bytes: u64| {
        learner.observe(&Sighting { response_bytes, ..ok(path) });
    };
    for echoes in [true, false] {
        let mut learner = learner();
        for path in ["/.env", "/.git/config", "/wp-login.php", "/passwd"] {
            answered(&mut learner, path, if echoes { path.len() as u64 + 24 } else { 2 });
        }
        for (bytes, id) in (12..30).zip(100_000_000_000_u64..) {
            let path = format!("/v1/accounts/{id}/balances/closing-booked");
            answered(&mut learner, &path, if echoes { path.len() as u64 + 24 } else { bytes });
        }
        let expected =
            if echoes { &[][..] } else { &["GET /v1/accounts/{accountId}/balances/closing-booked"] };
        assert_eq!(api(&learner), expected);
    }
}

#[test]
fn json_of_one_length_answers_everything_only_where_it_comes_below_several_names() {
    for (hostile, expected) in [
        // A framework's own, and an operation that takes any name.
        (["/actuator/health", "/actuator/health/liveness", "/actuator/info"], 1),
        (["/files/.env", "/files/.git", "/files/passwd"], 1),
        (["/.env", "/wp-login.php", "/files/passwd"], 0),
    ] {
        let mut learner = learner();
        for path in hostile.iter().cycle().take(9) {
            learner.observe(&Sighting { response_bytes: 15, ..ok(path) });
        }
        for id in 1..20 {
            let path = format!("/orders/{id}/cancel");
            learner.observe(&Sighting { method: "POST", response_bytes: 15, ..ok(&path) });
        }
        let found = api(&learner);
        let cancels = found.iter().filter(|one| *one == "POST /orders/{orderId}/cancel").count();
        assert_eq!(cancels, expected, "{hostile:?}: {found:?}");
    }
}

#[test]
fn preflights_files_health_checks_and_probes_are_not_claimed() {
    let mut learner = learner();
    for id in 0..10 {
        see(&mut learner, &format!("/v1/orders/{id}"), &[1]);
    }
    learner.observe(&Sighting {
        method: "OPTIONS",
        status: Some(204),
        content_type: "",
        ..ok("/v1/orders/3")
    });
    learner.observe(&Sighting {
        method: "PUT",
        status: Some(405),
        content_type: "",
        response_bytes: 0,
        ..ok("/v1/orders/3")
    });
    learner.observe(&Sighting { content_type: "text/plain", response_bytes: 2, ..ok("/healthz") });
    learner.observe(&Sighting {
        method: "POST",
        content_type: "application/grpc",
        ..ok("/grpc.health.v1.Health/Check")
    });
    for file in ["app.js", "site.css"] {
        learner.observe(&Sighting { content_type: "text/css", ..ok(&format!("/assets/{file}")) });
    }
    let missing = Sighting { method: "DELETE", status: Some(404), ..ok("/v1/orders/99") };
    learner.observe(&missing);
    assert_eq!(api(&learner), ["GET /v1/orders/{orderId}", "DELETE /v1/orders/{orderId}"]);
    assert_eq!(of_class(&learner, EndpointClass::Preflight), ["OPTIONS /v1/orders/{orderId}"]);
    assert_eq!(of_class(&learner, EndpointClass::Probe), ["PUT /v1/orders/{orderId}"]);
    assert_eq!(
        of_class(&learner, EndpointClass::Health),
        ["POST /grpc.health.v1.Health/Check", "GET /healthz"]
    );
    assert_eq!(of_class(&learner, EndpointClass::Static), ["GET /assets/{assetId}"]);
}

#[test]
fn documents_come_first() {
    struct Spec;
    impl Documented for Spec {
        fn route(&self, _host: &str, _methods: &[&str], segments: &[Segment<'_>]) -> Option<DocumentedRoute> {
            match segments {
                [Segment::Name("v1"), Segment::Name("sort"), _] => {
                    Some(DocumentedRoute { id: 7, parameters: 0b100 })
                }
                _ => None,
            }
        }
    }
    let mut learner = learner();
    for order in ["ascending", "descending"] {
        see(&mut learner, &format!("/v1/sort/{order}"), &[]);
        see(&mut learner, &format!("/v1/sort/{order}/shadow"), &[]);
    }
    let folded = learner.fold(&Spec);
    let rows: Vec<String> =
        folded.endpoints.iter().map(|row| format!("{} {:?}", row.template, row.route)).collect();
    assert_eq!(rows, ["/v1/sort/{id} Some(7)", "/v1/sort/{id}/shadow None"]);
    assert_eq!(folded.endpoints[0].facts.iter().map(|facts| facts.calls).sum::<u64>(), 2);
}

#[test]
fn any_path_finds_its_endpoint() {
    let mut learner = learner();
    for id in 0..10 {
        see(&mut learner, &format!("/v1/orders/{id}"), &[1]);
        see(&mut learner, "/v1/orders/search", &[2]);
    }
    let folded = learner.fold(&Undocumented);
    let at = |method, path: &str| {
        let found = folded.locate("api.bank.example", method, path.as_bytes())?;
        Some(folded.endpoints[found].template.to_string())
    };
    assert_eq!(at("GET", "/v1/orders/424242?x=1").as_deref(), Some("/v1/orders/{orderId}"));
    assert_eq!(at("GET", "//v1/orders/search").as_deref(), Some("/v1/orders/search"));
    assert_eq!(at("POST", "/v1/orders/3"), None);
    assert_eq!(folded.locate("other.example", "GET", b"/v1/orders/3"), None);
}

/// What a fold says, as text; two learners that know the same say the same.
fn said(learner: &Learner<Keys>) -> Vec<String> {
    let folded = learner.fold(&Undocumented);
    let mut said: Vec<String> = folded
        .endpoints
        .iter()
        .map(|row| {
            let calls: u64 = row.facts.iter().map(|facts| facts.calls).sum();
            let names: std::collections::BTreeSet<u64> =
                row.facts.iter().flat_map(|facts| facts.names.iter().copied()).collect();
            format!(
                "{} {} {} {} {calls} {names:?} {} {:.4} {:?} {:?}",
                row.host,
                row.method,
                row.template,
                row.count,
                row.class.as_str(),
                row.confidence,
                row.liveness,
                row.low_literals
            )
        })
        .collect();
    said.sort();
    said
}

#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: String,
    status: u16,
    kind: &'static str,
    bytes: u64,
    client: u64,
    keys: Vec<u64>,
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&NAMES[..8]).prop_map(str::to_owned),
        2 => (0..40_u32).prop_map(|id| id.to_string()),
        1 => (0..9_u32).prop_map(|id| format!("5f0c2a4e-6a2b-4a53-9f1e-0a9e6d0f7c1{id}")),
        1 => prop::sample::select(&["orders.json", "x:cancel", ".env", "a%2Fb", "v1", "2024-05-01"][..]).prop_map(str::to_owned),
        1 => "[a-z]{3,5}",
    ]
}

fn call() -> impl Strategy<Value = Call> {
    (
        prop::sample::select(&["GET", "GET", "POST", "DELETE", "OPTIONS"][..]),
        vec(segment(), 0..5),
        prop::sample::select(&[200_u16, 200, 201, 302, 401, 404, 405, 500][..]),
        prop::sample::select(&["application/json", "text/html", "", "text/css"][..]),
        0..3_u64,
        0..6_u64,
        vec(0..9_u64, 0..4),
    )
        .prop_map(|(method, segments, status, kind, bytes, client, keys)| Call {
            method,
            path: format!("/{}", segments.join("/")),
            status,
            kind,
            bytes,
            client,
            keys,
        })
}

fn feed(learner: &mut Learner<Keys>, call: &Call) {
    let facts = learner.observe(&Sighting {
        method: call.method,
        status: Some(call.status),
        content_type: call.kind,
        response_bytes: call.bytes,
        client: call.client,
        ..ok(&call.path)
    });
    facts.calls += 1;
    facts.names.extend(&call.keys);
}

/// Limits so small that every sample overflows; nodes are left alone, see `store`.
const TIGHT: LearnerLimits = LearnerLimits {
    hosts: 1,
    names: 3,
    constants: 1,
    constant_depth: 3,
    distinct: 4,
    depth: 3,
    name_bytes: 20,
    nodes: 65_536,
    operations: 65_536,
    fields: 1 << 20,
    clients: 2,
    answers: 2,
    operation_clients: 1,
    operation_answers: 1,
    response_keys: 4,
    settled: u64::MAX,
};

/// Room for the names of few fields.
const FEW_FIELDS: LearnerLimits = LearnerLimits {
    fields: 16,
    hosts: 1024,
    names: 512,
    constants: 4,
    distinct: 32,
    depth: 24,
    name_bytes: 96,
    clients: 32_768,
    answers: 4096,
    operation_clients: 8,
    operation_answers: 4,
    response_keys: 256,
    ..TIGHT
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any order, any sharding and any grouping of merges give the same fold, also beyond the limits.
    #[test]
    fn order_and_grouping_do_not_matter(
        calls in vec(call(), 1..150),
        shards in vec(0..4_usize, 150),
        order in Just(()).prop_perturb(|(), mut random| random.random::<u64>()),
        limits in prop::sample::select(vec![LearnerLimits::default(), TIGHT, FEW_FIELDS]),
    ) {
        let make = || Learner::<Keys>::new(limits, RankKey::derive(b"test"));
        let mut whole = make();
        for call in &calls {
            feed(&mut whole, call);
        }
        let mut parts = [make(), make(), make(), make()];
        let key = RankKey::derive(&order.to_le_bytes());
        let mut shuffled: Vec<(u64, &Call, usize)> = calls
            .iter()
            .zip(shards)
            .enumerate()
            .map(|(at, (call, shard))| (key.rank(&at.to_le_bytes()), call, shard))
            .collect();
        shuffled.sort_by_key(|(rank, _, _)| *rank);
        for (_, call, shard) in shuffled {
            feed(&mut parts[shard], call);
        }
        let [a, mut b, mut c, d] = parts;
        c.absorb(d);
        b.absorb(c);
        let mut merged = make();
        merged.absorb(b);
        merged.absorb(a);
        whole.thin();
        prop_assert_eq!(said(&whole), said(&merged));
    }
}

/// A segment of few, so that steps are made again: names, constants that are too many, values told at a glance.
fn well_known_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&["v1", "accounts", "domestic-payment-consents", "me", "a-name-that-is-longer-than-the-forty-seven-bytes-of-a-step"][..])
            .prop_map(str::to_owned),
        2 => (0..40_u32).prop_map(|number| (number * 7_919).to_string()),
        1 => (0..20_u64).prop_map(|number| (number * 1_234_567_891).to_string()),
        1 => (0..20_u64).prop_map(|number| format!("DE{:020}", number * 982_451_653)),
        1 => (0..20_u64).prop_map(|number| format!("{:032x}", number * 982_451_653_999)),
        1 => Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Steps that were made before lead where they led: one learner of all calls says what learners of one call each say
    /// together, who have made no step twice.
    #[test]
    fn a_path_that_was_walked_leads_where_it_led(
        paths in vec(vec(well_known_segment(), 0..5), 1..120),
        tight in any::<bool>(),
    ) {
        let limits = if tight { TIGHT } else { LearnerLimits::default() };
        let make = || Learner::<Keys>::new(limits, RankKey::derive(b"test"));
        let (mut whole, mut merged) = (make(), make());
        for segments in &paths {
            let path = format!("/{}", segments.join("/"));
            let mut one = make();
            for learner in [&mut whole, &mut one] {
                learner.observe(&Sighting { client: 1, ..ok(&path) }).calls += 1;
            }
            merged.absorb(one);
        }
        prop_assert_eq!(said(&whole), said(&merged));
    }
}

#[test]
fn names_of_fields_are_bounded_in_all_and_strangers_cost_the_api_none() {
    let limits = LearnerLimits { fields: 800, ..LearnerLimits::default() };
    let mut sum: Learner<Keys> = Learner::new(limits, RankKey::derive(b"test"));
    for part in 0..20_u64 {
        let mut shard: Learner<Keys> = Learner::new(limits, RankKey::derive(b"test"));
        for resource in ["accounts", "payments", "cards"] {
            see(&mut shard, &format!("/v1/{resource}"), &[1, 2, 3, 4, 5]);
        }
        // A stranger sends what nobody answers, with fields of its own at paths of its own.
        for at in 0..50_u64 {
            let path = format!("/guess{}x{at}", part * 7919);
            let dead = Sighting { status: Some(404), content_type: "text/html", client: 9, ..ok(&path) };
            shard.observe(&dead).names.extend(0..20);
        }
        sum.absorb(shard);
        let held: usize = sum.facts().map(Facts::held).sum();
        assert!(held <= 800 + 2 * 100, "{held}");
    }
    let held: Vec<usize> = sum
        .fold(&Undocumented)
        .endpoints
        .iter()
        .flat_map(|row| row.facts.iter().map(|facts| facts.held()))
        .collect();
    assert_eq!(held.iter().filter(|held| **held == 5).count(), 3, "the API keeps its fields");
    assert!(sum.counters().fields_forgotten > 0);
}

#[test]
fn what_is_called_again_and_again_forgets_its_fields_last() {
    let limits = LearnerLimits { fields: 600, names: 4_096, ..LearnerLimits::default() };
    let mut learner: Learner<Keys> = Learner::new(limits, RankKey::derive(b"test"));
    let letters = |number: u64| -> String {
        [number / 676, number / 26, number]
            .iter()
            .map(|digit| char::from(b'a' + u8::try_from(digit % 26).unwrap()))
            .collect()
    };
    for at in 0..100_u64 {
        for resource in 0..40_u64 {
            let keys: Vec<u64> = (resource * 10..resource * 10 + 5).collect();
            see(&mut learner, &format!("/v1/kind-{}", letters(resource)), &keys);
        }
        for made_up in 0..20_u64 {
            see(&mut learner, &format!("/v1/made-{}", letters(at * 20 + made_up)), &[at, made_up + 1_000]);
        }
        learner.thin();
    }
    assert!(learner.facts().map(Facts::held).sum::<usize>() <= 600);
    let kept = learner.facts().filter(|facts| facts.calls >= 100 && facts.held() == 5).count();
    assert_eq!(kept, 40);
}

#[test]
fn random_paths_do_not_grow_the_learner() {
    let limits = LearnerLimits { nodes: 2_000, ..LearnerLimits::default() };
    let mut learner: Learner<Keys> = Learner::new(limits, RankKey::derive(b"test"));
    let random = RankKey::derive(b"paths");
    let letters = |seed: u64| -> String {
        (0..7).map(|at| char::from(b'a' + u8::try_from(random.rank_pair(seed, at) % 26).unwrap())).collect()
    };
    for at in 0..100_000_u64 {
        let path = format!("/{}/{}/{at}", letters(at), letters(at ^ 0xffff));
        let status = if at % 3 == 0 { 404 } else { 200 };
        learner.observe(&Sighting { status: Some(status), client: at, ..ok(&path) });
        assert!(learner.counters().nodes <= 2_000 + 2 * 250 + 3);
    }
    assert!(learner.counters().names_overflowed > 0);
    assert!(learner.counters().nodes_overflowed > 0);
    assert!(learner.counters().clients_overflowed > 0);
    let calls: u64 = learner.fold(&Undocumented).endpoints.iter().map(|row| row.count).sum();
    assert_eq!(calls, 100_000);
}

#[test]
fn a_scanner_cannot_crowd_out_the_api() {
    let limits = LearnerLimits { names: 64, ..LearnerLimits::default() };
    let mut learner: Learner<Keys> = Learner::new(limits, RankKey::derive(b"test"));
    let resources = ["accounts", "payments", "cards", "consents", "parties", "statements"];
    for resource in resources {
        for _ in 0..5 {
            see(&mut learner, &format!("/{resource}"), &[]);
        }
    }
    for at in 0..5_000_u64 {
        let sighting = Sighting { status: Some(404), content_type: "text/html", client: 9, ..ok("/") };
        let path = format!("/guess{}x", at * 7919 % 100_003);
        learner.observe(&Sighting { path: path.as_bytes(), ..sighting });
    }
    assert_eq!(api(&learner).len(), resources.len());
}

#[test]
fn names_that_are_made_up_and_answered_do_not_crowd_out_the_api() {
    let limits = LearnerLimits { names: 64, nodes: 2_000, operations: 1_000, ..LearnerLimits::default() };
    let make = || Learner::<Keys>::new(limits, RankKey::derive(b"test"));
    let random = RankKey::derive(b"paths");
    let word = |seed: u64| -> String {
        (0..8).map(|at| char::from(b'a' + u8::try_from(random.rank_pair(seed, at) % 26).unwrap())).collect()
    };
    let resources = ["accounts", "payments", "cards", "consents", "parties", "statements"];
    let (mut whole, mut sum) = (make(), make());
    for part in 0..5_u64 {
        let mut shard = make();
        for at in 0..6_000_u64 {
            let seed = (part * 6_000 + at) * 4;
            let resource = resources[usize::try_from(at).unwrap() % resources.len()];
            let made_up = match at % 3 {
                0 => format!("/{}", word(seed)),
                1 => format!("/{}/{}", word(seed), word(seed + 1)),
                _ => format!("/v1/{resource}/{}/{}", word(seed), word(seed + 1)),
            };
            for learner in [&mut whole, &mut shard] {
                see(learner, &made_up, &[]);
                see(learner, &format!("/v1/{resource}"), &[1]);
                see(learner, &format!("/v1/{resource}/{}/items", 100_000 + at), &[2]);
                assert!(learner.counters().nodes <= 2_000 + 2 * 250 + 3);
            }
        }
        sum.absorb(shard);
    }
    for learner in [&whole, &sum] {
        let found = api(learner);
        for resource in resources {
            let collection = format!("GET /v1/{resource}");
            assert!(found.contains(&collection), "{collection}: {found:?}");
            let below =
                |row: &&String| row.starts_with(&format!("{collection}/{{")) && row.ends_with("}/items");
            assert_eq!(found.iter().filter(below).count(), 1, "{collection}");
        }
    }
}

#[test]
fn a_constant_that_has_settled_is_found_by_its_name() {
    let limits = LearnerLimits { constants: 2, settled: 8, ..LearnerLimits::default() };
    let mut learner = Learner::<Keys>::new(limits, RankKey::derive(b"test"));
    for at in 0..400_u64 {
        // One number is called again and again, and later another each time.
        for number in [7, 10_000 + at].into_iter().take(if at < 10 { 1 } else { 2 }) {
            see(&mut learner, &format!("/v1/{number}/items"), &[1]);
        }
    }
    let hosts = learner.proven.hosts();
    let versions: Vec<_> = hosts.iter().flat_map(Reader::children).collect();
    let numbers: Vec<_> = versions.iter().flat_map(Reader::children).collect();
    let calls = |number: &Reader<'_, Keys>| -> u64 {
        let below = number.children();
        below.iter().flat_map(Reader::operations).map(|operation| operation.seen.calls).sum()
    };
    let saved: Vec<(&str, u64)> = numbers.iter().map(|number| (number.name(), calls(number))).collect();
    assert!(saved.contains(&("7", 400)), "{saved:?}");
}
