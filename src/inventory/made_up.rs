//! Made-up APIs and strangers, and what the inventory must hold of them: tenants, stages, dated versions, hosts that
//! answer anything, scanners, floods of host names.
//!
//! Traffic is generated from a few operations and a seed, and dealt to several shards that merge in any order.

use super::collector::Collector;
use super::delta::Delta;
use super::rulings::Rulings;
use super::{Endpoint, EndpointClass, Inventory};
use crate::classify::Classifier;
use crate::limits::Limits;
use crate::merge::Merge as _;
use crate::secret::FingerprintKey;
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const KEY: [u8; 32] = [9; 32];

/// Numbers that only look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.next(of.len() as u64)).unwrap()]
    }

    fn word(&mut self) -> String {
        (0..5 + self.next(5)).map(|_| char::from(b'a' + u8::try_from(self.next(26)).unwrap())).collect()
    }

    /// A path of an operation: parameters become values of the kind that they are called.
    fn path(&mut self, template: &str) -> String {
        let mut path = String::new();
        for segment in template.split('/').filter(|segment| !segment.is_empty()) {
            path.push('/');
            match segment {
                "{}" | "{int}" => path.push_str(&(1_000 + self.next(90_000)).to_string()),
                "{hex}" => write!(path, "{:024x}", u128::from(self.next(1 << 50)) << 40).unwrap(),
                "{ref}" => write!(path, "INV-{:06}", self.next(1_000_000)).unwrap(),
                literal => path.push_str(literal),
            }
        }
        path
    }
}

/// What is sent and answered.
struct Call<'a> {
    host: &'a str,
    method: &'a str,
    target: String,
    headers: &'a [(&'a str, &'a str)],
    /// The last number of the client's address.
    client: u8,
    answer: (u16, &'a str, u64),
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";

struct Traffic {
    shards: Vec<Collector>,
    calls: usize,
}

impl Traffic {
    fn new() -> Self {
        let shard =
            || Collector::new(&Limits::default(), &FingerprintKey::new(KEY), &Classifier::built_in(), false);
        Self { shards: vec![shard(), shard(), shard()], calls: 0 }
    }

    fn send(&mut self, call: &Call<'_>) {
        let mut exchange = Transaction::default();
        exchange.request.method.extend_from_slice(call.method.as_bytes());
        exchange.request.target.expose_mut().extend_from_slice(call.target.as_bytes());
        exchange.request.fields.push(b"Host", call.host.as_bytes());
        for (name, value) in call.headers {
            exchange.request.fields.push(name.as_bytes(), value.as_bytes());
        }
        exchange.request.started =
            Timestamp::from_secs(1_780_000_000 + i64::try_from(self.calls).unwrap(), 0);
        let (status, kind, bytes) = call.answer;
        exchange.response.status = status;
        if !kind.is_empty() {
            exchange.response.fields.push(b"content-type", kind.as_bytes());
        }
        exchange.response.body.len = bytes;
        exchange.client = Some(([198, 51, 100, call.client].into(), None));
        let shard = self.calls % self.shards.len();
        self.shards[shard].observe(&exchange);
        self.calls += 1;
    }

    /// Users of an API: each operation `METHOD /template`, often or seldom.
    fn users(&mut self, numbers: &mut Numbers, host: &str, operations: &[&str]) {
        for operation in operations {
            let (method, template) = operation.split_once(' ').unwrap();
            for _ in 0..4 + numbers.next(20) {
                let call = Call {
                    host,
                    method,
                    target: numbers.path(template),
                    headers: &[],
                    client: u8::try_from(1 + numbers.next(40)).unwrap(),
                    answer: (if method == "POST" { 201 } else { 200 }, JSON, 80 + numbers.next(4_000)),
                };
                self.send(&call);
            }
        }
    }

    /// What was learnt, merged from the last shard to the first.
    fn learnt(mut self) -> Delta {
        let mut delta = Delta::new(&FingerprintKey::new(KEY));
        while let Some(mut shard) = self.shards.pop() {
            delta.absorb(shard.take());
        }
        delta
    }

    fn inventory(self) -> Inventory {
        self.learnt().snapshot(&DocumentSet::default(), &Rulings::default()).inventory
    }
}

/// `METHOD host/template` of all that is claimed to be an API, parameters without names.
fn claimed(inventory: &Inventory) -> BTreeSet<String> {
    let bare = |template: &str| -> String {
        let shown =
            |segment: &str| if segment.contains('{') { "/{}".to_owned() } else { format!("/{segment}") };
        template.split('/').skip(1).map(shown).collect()
    };
    apis(inventory)
        .map(|one| format!("{} {}{}", one.key.method, one.key.host, bare(&one.key.template)))
        .collect()
}

fn apis(inventory: &Inventory) -> impl Iterator<Item = &Endpoint> {
    inventory.endpoints.iter().filter(|endpoint| endpoint.class == EndpointClass::Api)
}

/// The same of operations as they are written here.
fn expected(host: &str, operations: &[&str]) -> BTreeSet<String> {
    operations
        .iter()
        .map(|operation| {
            let (method, template) = operation.split_once(' ').unwrap();
            let template: String = template
                .split('/')
                .skip(1)
                .map(
                    |segment| if segment.starts_with('{') { "/{}".to_owned() } else { format!("/{segment}") },
                )
                .collect();
            format!("{method} {host}{template}")
        })
        .collect()
}

const CRM: [&str; 11] = [
    "GET /v1/contacts",
    "GET /v1/contacts/{int}",
    "GET /v2/contacts",
    "GET /v2/contacts/{int}",
    "POST /v2/contacts",
    "GET /v2/contacts/{int}/notes",
    "POST /v2/contacts/{int}/notes",
    "GET /v2/deals/{hex}",
    "PUT /v2/deals/{hex}/stage",
    "GET /v2/invoices/{ref}",
    "GET /v2/me",
];

#[test]
fn tenants_share_one_service_and_their_names_stay_out() {
    let mut numbers = Numbers(41);
    let mut traffic = Traffic::new();
    let mut names = Vec::new();
    for at in 0..24 {
        let name = match at % 3 {
            0 => numbers.word(),
            1 => format!("org-{}", 1_000 + numbers.next(9_000)),
            _ => format!("{}-{}", numbers.word(), numbers.next(90)),
        };
        traffic.users(&mut numbers, &format!("{name}.CRM.example.:443"), &CRM);
        names.push(name);
    }
    traffic.users(&mut numbers, "auth.crm.example", &["POST /oauth2/token", "GET /userinfo"]);
    let delta = traffic.learnt();
    let check = |delta: &Delta| {
        let snapshot = delta.snapshot(&DocumentSet::default(), &Rulings::default());
        let mut wanted = expected("{tenant}.crm.example", &CRM);
        wanted.extend(expected("auth.crm.example", &["POST /oauth2/token", "GET /userinfo"]));
        assert_eq!(claimed(&snapshot.inventory), wanted);
        let tenants: BTreeSet<u64> = apis(&snapshot.inventory).map(|one| one.service.tenants).collect();
        assert_eq!(tenants, [0, 24].into());
        // A request of a tenant finds the endpoint of all.
        let found = snapshot.locate(
            &format!("{}.crm.example", names[0]),
            "GET",
            b"/v2/deals/00000000000000000000abcd",
        );
        assert_eq!(found.map(|one| one.key.host.as_str()), Some("{tenant}.crm.example"));
        snapshot.values().clone()
    };
    let values = check(&delta);
    let written = postcard::to_stdvec(&delta.save(&Classifier::built_in(), &values)).unwrap();
    let text = String::from_utf8_lossy(&written);
    for name in names.iter().filter(|name| name.contains('-')) {
        assert!(!text.contains(name.as_str()), "{name} was written");
    }
    // What was read back is the same, and goes on where it was left.
    let mut again = Delta::restore(
        postcard::from_bytes(&written).unwrap(),
        &FingerprintKey::new(KEY),
        &Classifier::built_in(),
    );
    let snapshot = again.snapshot(&DocumentSet::default(), &Rulings::default());
    let tenants: BTreeSet<u64> = apis(&snapshot.inventory).map(|one| one.service.tenants).collect();
    assert_eq!(tenants, [0, 24].into());
    drop(snapshot);
    let mut more = Traffic::new();
    for name in &names {
        more.users(&mut numbers, &format!("{name}.crm.example"), &CRM[..2]);
    }
    again.absorb(more.learnt());
    check(&again);
}

#[test]
fn stages_and_dated_versions_are_one_family_each() {
    let mut numbers = Numbers(7);
    let mut traffic = Traffic::new();
    let tree = [
        "GET {}/orders",
        "GET {}/orders/{hex}",
        "POST {}/orders",
        "GET {}/stock",
        "GET {}/stock/{ref}",
        "GET {}/customers/{int}",
        "GET {}/customers/{int}/orders",
        "GET {}/rates",
    ];
    let below =
        |prefix: &str| -> Vec<String> { tree.iter().map(|one| one.replacen("{}", prefix, 1)).collect() };
    let mut all = Vec::new();
    for prefix in ["/prod", "/dev", "/prod/2023-10-01", "/prod/2024-06-20"] {
        all.extend(below(prefix));
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let host = "k3x9.execute-api.eu-central-1.amazonaws.com";
    traffic.users(&mut numbers, host, &all);
    let inventory = traffic.inventory();
    assert_eq!(claimed(&inventory), expected(host, &all));
    let families: BTreeSet<&str> = apis(&inventory).map(|one| one.family.as_str()).collect();
    assert_eq!(families.len(), tree.len());
    let bases: BTreeSet<&str> = apis(&inventory).map(|one| one.base_path.as_str()).collect();
    assert_eq!(bases, ["/dev", "/prod"].into());
    let versions: BTreeSet<&str> =
        apis(&inventory).flat_map(|one| &one.versions).map(|(key, _)| &*key.version).collect();
    assert_eq!(versions, ["2023-10-01", "2024-06-20"].into());
}

const NONSENSE: [&str; 8] = [
    "/.env",
    "/wp-login.php",
    "/.git/config",
    "/../../etc/passwd",
    "/cgi-bin/test",
    "/phpmyadmin/index.php",
    "/backup.sql",
    "/solr/admin",
];

const SHOP: [&str; 6] = [
    "GET /api/carts/{hex}",
    "POST /api/carts",
    "GET /api/products",
    "GET /api/products/{int}",
    "GET /api/session",
    "DELETE /api/carts/{hex}",
];

/// How a host may answer what is not there: status, media type, length, and whether it echoes the path.
const YARDSTICKS: [(&str, u16, &str, u64, bool); 6] = [
    ("one page for all", 200, HTML, 4_211, false),
    ("one page that echoes the path", 200, HTML, 700, true),
    ("an error in JSON that is called a success", 200, JSON, 41, false),
    ("the same that echoes the path", 200, JSON, 58, true),
    ("the way to the login", 302, HTML, 154, false),
    ("a firewall's page", 403, HTML, 5_120, false),
];

#[test]
fn what_nonsense_gets_proves_nothing() {
    for (why, status, kind, bytes, echoes) in YARDSTICKS {
        let mut numbers = Numbers(97);
        let mut traffic = Traffic::new();
        traffic.users(&mut numbers, "shop.example", &SHOP);
        let answer = |path: &str| (status, kind, if echoes { bytes + path.len() as u64 } else { bytes });
        let mut ask = |path: String, client: u8| {
            let answer = answer(&path);
            traffic.send(&Call {
                host: "shop.example",
                method: "GET",
                target: path,
                headers: &[],
                client,
                answer,
            });
        };
        for _ in 0..3 {
            for path in NONSENSE {
                ask(path.to_owned(), 66);
            }
        }
        for _ in 0..40 {
            let word = format!("/{}", numbers.word());
            ask(word, 66);
            let deep = format!("/{}/{}", numbers.pick(&["admin", "old", "api", "console"]), numbers.word());
            ask(deep, 66);
        }
        // People open pages, too.
        for page in ["/", "/checkout", "/account/orders"] {
            ask(page.to_owned(), 7);
        }
        let inventory = traffic.inventory();
        assert_eq!(claimed(&inventory), expected("shop.example", &SHOP), "{why}");
        assert!(apis(&inventory).all(|one| one.liveness.strength() == "strong"), "{why}");
        let scanners: Vec<String> =
            inventory.scanners.iter().map(|source| source.address.to_string()).collect();
        if kind == HTML && status == 200 && !echoes {
            assert_eq!(scanners, ["198.51.100.66"], "{why}");
        }
    }
}

#[test]
fn a_flood_of_host_names_leaves_the_hosts_that_are_used() {
    let mut numbers = Numbers(1_234);
    let mut traffic = Traffic::new();
    for at in 0..20_000_u64 {
        let host = match at % 4 {
            0 => format!("{}.{}.test", numbers.word(), numbers.word()),
            1 => format!("{}.bank.example", numbers.word()),
            2 => format!("10.{}.{}.{}", numbers.next(256), numbers.next(256), numbers.next(256)),
            _ => format!("{}'\"<{}>", numbers.word(), numbers.next(1 << 40)),
        };
        // A server that cares for no host answers as ever.
        let answer = (200, JSON, 700 + numbers.next(9));
        let (target, client) = ("/v1/rates".to_owned(), 66);
        traffic.send(&Call { host: &host, method: "GET", target, headers: &[], client, answer });
        if at % 2_000 == 0 {
            traffic.users(&mut numbers, "api.bank.example", &SHOP);
            traffic.users(&mut numbers, "partner.bank.example", &SHOP[..3]);
        }
    }
    let delta = traffic.learnt();
    let inventory = delta.snapshot(&DocumentSet::default(), &Rulings::default()).inventory;
    let wanted: BTreeSet<String> = expected("api.bank.example", &SHOP)
        .union(&expected("partner.bank.example", &SHOP[..3]))
        .cloned()
        .collect();
    assert!(claimed(&inventory).is_superset(&wanted));
    let hosts: BTreeSet<&str> = inventory.endpoints.iter().map(|one| one.key.host.as_str()).collect();
    assert!(hosts.len() <= 1_024 + 64, "{} hosts", hosts.len());
    assert!(hosts.contains("{…}"), "what reads like no host is one");
    assert!(delta.learner_counters().hosts_evicted > 10_000);
    let calls: u64 = inventory.endpoints.iter().map(|one| one.facts.requests).sum();
    assert!(calls > 20_000, "what made room is still counted");
}
