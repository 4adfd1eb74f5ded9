//! Which hosts are one service, and below which base paths it is reached.
//!
//! ```text
//!  endpoints ─▶ tenants: sibling subdomains that share a tree ─▶ one host, `{tenant}.api.bank.example`
//!                 ├──▶ aliases: names of one server that share a tree; each keeps its endpoints
//!                 └──▶ base paths: a tree that stands below several prefixes, or all of it below one
//! ```
//!
//! All of it follows from the endpoints, so it does not depend on the order of what was seen. It is decided with care:
//! hosts of different environments (`dev`, `sandbox`) are kept apart, and so are servers with different trees. A tenant's
//! name is a value: it is shown nowhere.

use super::learner::hosts;
use super::versions;
use super::{Endpoint, EndpointClass, EndpointKey, nameless, privacy};
use crate::merge::Merge;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The service that an endpoint belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The host; of several the one called most.
    pub name: String,
    /// Its other hosts, with the operations that they share with it.
    pub aliases: Vec<(String, u64)>,
    /// What shows that its hosts are one service, when there are several.
    pub evidence: Option<Evidence>,
    /// How many hosts were tenants' of it.
    pub tenants: u64,
}

/// What shows that several hosts are one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Sibling subdomains have the same operations.
    Tenants,
    /// They have the same operations and one server's address.
    Server,
    /// One is the address of the other's server.
    Address,
    /// They have the same operations, and no server is known of either.
    Operations,
}

impl Evidence {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants_share_operations",
            Self::Server => "same_server_and_operations",
            Self::Address => "address_of_server",
            Self::Operations => "same_operations",
        }
    }
}

/// Stands for a tenant in a host.
const TENANT: &str = "{tenant}";
/// Sibling subdomains from which on they may be tenants.
const MIN_TENANTS: usize = 4;
/// Hosts of one server or domain beyond which none is held against another.
const MAX_NEIGHBOURS: usize = 64;
/// Segments of a base path that sets one tree apart from another.
const MAX_BASE: usize = 3;
/// Prefixes below one parent beyond which only names of stages are looked at.
const MAX_PREFIXES: usize = 16;

/// Names of stages and environments.
const STAGES: [&str; 24] = [
    "dev",
    "develop",
    "development",
    "test",
    "testing",
    "qa",
    "uat",
    "sit",
    "int",
    "integration",
    "stage",
    "staging",
    "stg",
    "preprod",
    "preview",
    "prod",
    "production",
    "prd",
    "live",
    "sandbox",
    "demo",
    "beta",
    "canary",
    "local",
];
/// Labels that name what a host is for, not whose it is.
const ROLES: [&str; 20] = [
    "api", "apis", "app", "apps", "www", "web", "gateway", "gw", "edge", "proxy", "auth", "login", "sso",
    "id", "admin", "internal", "external", "public", "partner", "mobile",
];

/// An operation of a host: method and template without names of parameters.
type Operation = (String, String);

/// What is known of a host.
#[derive(Debug, Default)]
struct Host {
    operations: BTreeSet<Operation>,
    calls: u64,
    servers: BTreeSet<SocketAddr>,
}

/// The endpoints of services, and what each is called now whose host was a tenant's.
pub(super) struct Services {
    pub(super) endpoints: BTreeMap<EndpointKey, Endpoint>,
    pub(super) names: BTreeMap<EndpointKey, EndpointKey>,
    /// Hosts whose names are values.
    pub(super) tenants: Vec<String>,
}

/// Finds the services of all endpoints. A host that a document names (`documented`) is no tenant's.
pub(super) fn join(
    endpoints: BTreeMap<EndpointKey, Endpoint>,
    documented: &dyn Fn(&str) -> bool,
) -> Services {
    let mut hosts = hosts_of(&endpoints);
    hosts.retain(|host, _| !documented(host));
    let tenants = tenants(&hosts);
    let mut services = Services { endpoints: BTreeMap::new(), names: BTreeMap::new(), tenants: Vec::new() };
    let mut hosts_of_domain: BTreeMap<&str, u64> = BTreeMap::new();
    for (host, domain) in &tenants {
        *hosts_of_domain.entry(domain).or_default() += 1;
        let label = host.split('.').next().unwrap_or_default();
        if !hosts::is_hidden(host) && !privacy::is_word(label) {
            services.tenants.push(host.clone());
        }
    }
    for (key, endpoint) in endpoints {
        let host = match tenants.get(&key.host) {
            Some(domain) => format!("{TENANT}{domain}"),
            None if hosts::is_hidden(&key.host) => match hosts::hidden_domain(&key.host) {
                domain if hosts_of_domain.contains_key(domain) => format!("{TENANT}{domain}"),
                "" => String::new(),
                domain => format!("{}{domain}", privacy::NO_HOST),
            },
            None => key.host.clone(),
        };
        if host == key.host {
            take(&mut services.endpoints, key, endpoint);
        } else {
            let name = EndpointKey { host, ..key.clone() };
            take(&mut services.endpoints, name.clone(), endpoint);
            services.names.insert(key, name);
        }
    }
    let of_host = aliases(&hosts_of(&services.endpoints), &hosts_of_domain);
    name_services(&mut services.endpoints, &of_host);
    services
}

/// Adds an endpoint under a name; one that has it takes in its facts.
fn take(endpoints: &mut BTreeMap<EndpointKey, Endpoint>, key: EndpointKey, mut endpoint: Endpoint) {
    match endpoints.entry(key) {
        Entry::Vacant(slot) => {
            endpoint.key = slot.key().clone();
            slot.insert(endpoint);
        }
        Entry::Occupied(mut slot) => {
            let known = slot.get_mut();
            known.facts.absorb(endpoint.facts);
            known.confidence = known.confidence.max(endpoint.confidence);
            known.liveness.absorb(endpoint.liveness);
            known.route = known.route.or(endpoint.route);
            if endpoint.class == EndpointClass::Api {
                known.class = EndpointClass::Api;
            }
            known.hops.extend(endpoint.hops);
        }
    }
}

fn hosts_of(endpoints: &BTreeMap<EndpointKey, Endpoint>) -> BTreeMap<String, Host> {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for (key, endpoint) in endpoints {
        let named = !key.host.is_empty() && key.host != privacy::NO_HOST;
        if named && endpoint.class == EndpointClass::Api {
            let host = hosts.entry(key.host.clone()).or_default();
            host.operations.insert((key.method.clone(), nameless(&key.template)));
            host.calls += endpoint.facts.requests;
            host.servers.extend(endpoint.facts.servers.iter());
        }
    }
    hosts
}

/// Whether a label names a stage or a role, by itself or as a part: `dev`, `api-eu`.
fn is_known_label(label: &str) -> bool {
    label.split(['-', '_']).any(|part| {
        let word = part.trim_end_matches(|letter: char| letter.is_ascii_digit());
        STAGES.contains(&word) || ROLES.contains(&word)
    })
}

/// Hosts of tenants, and the domain of each, with a dot in front.
fn tenants(hosts: &BTreeMap<String, Host>) -> BTreeMap<String, String> {
    let mut siblings: BTreeMap<&str, Vec<(&str, &Host)>> = BTreeMap::new();
    for (name, host) in hosts {
        let domain = if hosts::is_hidden(name) {
            Some(hosts::hidden_domain(name)).filter(|domain| !domain.is_empty())
        } else {
            let label = name.split('.').next().unwrap_or_default();
            hosts::domain(name).filter(|_| !is_known_label(label))
        };
        if let Some(domain) = domain {
            siblings.entry(domain).or_default().push((name, host));
        }
    }
    let mut found = BTreeMap::new();
    for (domain, mut members) in siblings {
        let mut core = BTreeSet::new();
        // What some have of their own alone must not decide what all share: those that share little leave first.
        for _ in 0..2 {
            let mut having: BTreeMap<&Operation, usize> = BTreeMap::new();
            for operation in members.iter().flat_map(|(_, host)| &host.operations) {
                *having.entry(operation).or_default() += 1;
            }
            let enough = (members.len() / 4).max(2);
            core = having.into_iter().filter(|(_, count)| *count >= enough).map(|(one, _)| one).collect();
            members.retain(|(_, host)| {
                let shared = host.operations.iter().filter(|one| core.contains(one)).count();
                shared * 10 >= host.operations.len() * 7
            });
        }
        if members.len() >= MIN_TENANTS && core.len() >= 2 {
            found.extend(members.iter().map(|(name, _)| ((*name).to_owned(), domain.to_owned())));
        }
    }
    found
}

/// The stages that the labels of a host name: hosts of different stages are different services.
fn stages_of(host: &str) -> BTreeSet<&str> {
    host.split(['.', '-', '_']).filter(|part| STAGES.contains(part)).collect()
}

/// The address that a host is.
fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// The service of each host.
fn aliases(hosts: &BTreeMap<String, Host>, tenants: &BTreeMap<&str, u64>) -> BTreeMap<String, Arc<Service>> {
    // Main names first: those called most, an address only where there is nothing else.
    let mut order: Vec<&String> = hosts.keys().collect();
    order.sort_by_key(|name| {
        let calls = hosts.get(*name).map_or(0, |host| host.calls);
        (address_of(name).is_some(), std::cmp::Reverse(calls), *name)
    });
    let mut services: Vec<Service> = Vec::new();
    let mut near: BTreeMap<Neighbourhood<'_>, Vec<usize>> = BTreeMap::new();
    for name in order {
        let Some(host) = hosts.get(name) else { continue };
        let places = neighbourhoods(name, host);
        let mut found: Vec<(usize, Evidence, u64)> = Vec::new();
        let candidates: BTreeSet<usize> = places
            .iter()
            .filter_map(|place| near.get(place))
            .filter(|at| at.len() <= MAX_NEIGHBOURS)
            .flatten()
            .copied()
            .collect();
        for at in candidates {
            let Some(service) = services.get(at) else { continue };
            let Some(main) = hosts.get(&service.name) else { continue };
            if let Some((evidence, shared)) = same_service((&service.name, main), (name, host)) {
                found.push((at, evidence, shared));
            }
        }
        // Where it might be one of several, it is none of them.
        if let [(at, evidence, shared)] = found.as_slice()
            && let Some(service) = services.get_mut(*at)
        {
            service.aliases.push((name.clone(), *shared));
            service.evidence = service.evidence.or(Some(*evidence));
            continue;
        }
        let tenants = name.strip_prefix(TENANT).and_then(|domain| tenants.get(domain)).copied().unwrap_or(0);
        let evidence = (tenants > 0).then_some(Evidence::Tenants);
        for place in places {
            near.entry(place).or_default().push(services.len());
        }
        services.push(Service { name: name.clone(), aliases: Vec::new(), evidence, tenants });
    }
    let mut of_host = BTreeMap::new();
    for mut service in services {
        service.aliases.sort();
        let service = Arc::new(service);
        for name in service.aliases.iter().map(|(name, _)| name).chain([&service.name]) {
            of_host.insert(name.clone(), Arc::clone(&service));
        }
    }
    of_host
}

/// Where hosts of one service are looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Neighbourhood<'a> {
    Server(SocketAddr),
    Address(IpAddr),
    /// Hosts of a domain, none of which tells of a server.
    Domain(&'a str),
}

fn neighbourhoods<'a>(name: &'a str, host: &Host) -> Vec<Neighbourhood<'a>> {
    let mut places: Vec<Neighbourhood<'a>> =
        host.servers.iter().copied().map(Neighbourhood::Server).collect();
    let addresses: BTreeSet<IpAddr> =
        host.servers.iter().map(SocketAddr::ip).chain(address_of(name)).collect();
    places.extend(addresses.into_iter().map(Neighbourhood::Address));
    if host.servers.is_empty() && address_of(name).is_none() {
        places.push(Neighbourhood::Domain(hosts::family(name)));
    }
    places
}

/// Whether a second host is another name of the first one's service, by what, and how many operations they share.
fn same_service((main, first): (&str, &Host), (name, second): (&str, &Host)) -> Option<(Evidence, u64)> {
    if stages_of(main) != stages_of(name) {
        return None;
    }
    let shared = first.operations.intersection(&second.operations).count();
    let (fewer, more) = {
        let (a, b) = (first.operations.len(), second.operations.len());
        (a.min(b), a.max(b))
    };
    let told = |evidence| Some((evidence, shared as u64));
    let one_server = first.servers.intersection(&second.servers).next().is_some();
    if let Some(address) = address_of(name) {
        let serves = first.servers.iter().any(|server| server.ip() == address);
        return if (serves || one_server) && shared == second.operations.len() {
            told(Evidence::Address)
        } else {
            None
        };
    }
    if one_server {
        return if shared >= 2 && shared * 5 >= fewer * 4 { told(Evidence::Server) } else { None };
    }
    let untold = first.servers.is_empty() && second.servers.is_empty();
    let alike = shared >= 4 && shared * 10 >= fewer * 9 && shared * 2 >= more;
    if untold && alike { told(Evidence::Operations) } else { None }
}

/// Tells each endpoint of its service, base path, family and versions.
fn name_services(endpoints: &mut BTreeMap<EndpointKey, Endpoint>, of_host: &BTreeMap<String, Arc<Service>>) {
    let mut operations: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (key, endpoint) in endpoints.iter() {
        if let Some(service) = of_host.get(&key.host).filter(|_| endpoint.class == EndpointClass::Api) {
            operations.entry(&service.name).or_default().insert((&key.method, &key.template));
        }
    }
    let bases: BTreeMap<String, Bases> = operations
        .into_iter()
        .map(|(service, operations)| (service.to_owned(), Bases::of(&operations)))
        .collect();
    let mut alone: BTreeMap<String, Arc<Service>> = BTreeMap::new();
    for (key, endpoint) in endpoints.iter_mut() {
        let service = of_host.get(&key.host).unwrap_or_else(|| {
            alone
                .entry(key.host.clone())
                .or_insert_with(|| Arc::new(Service { name: key.host.clone(), ..Service::default() }))
        });
        let stage = bases.get(&service.name).map_or("", |bases| bases.stage(&key.template));
        endpoint.family = versions::family(key, &service.name, stage);
        endpoint.versions = versions::of_endpoint(key, &endpoint.facts);
        endpoint.base_path =
            bases.get(&service.name).map_or_else(String::new, |bases| bases.base(&key.template));
        endpoint.service = Arc::clone(service);
    }
}

/// The base paths of a service.
#[derive(Debug, Default)]
struct Bases {
    /// Prefixes below which the same tree stands.
    stages: BTreeSet<String>,
    /// What all of it stands below, behind its stage.
    common: String,
}

/// Whether a segment names a part of the tree, not a value.
fn is_literal(segment: &str) -> bool {
    !segment.contains('{')
}

fn is_version(segment: &str) -> bool {
    versions::of_path(segment).is_some()
}

/// What stands below a prefix: method and the rest of the path behind its version.
type Tree<'a> = BTreeSet<(&'a str, Vec<&'a str>)>;

impl Bases {
    fn of(operations: &BTreeSet<(&str, &str)>) -> Self {
        let split: Vec<(&str, Vec<&str>)> = operations
            .iter()
            .map(|(method, template)| {
                (*method, template.split('/').filter(|segment| !segment.is_empty()).collect())
            })
            .collect();
        let mut bases = Self::default();
        for length in 1..=MAX_BASE {
            let mut trees: BTreeMap<&[&str], BTreeMap<&str, Tree<'_>>> = BTreeMap::new();
            for (method, segments) in &split {
                let Some((prefix, rest)) = segments.split_at_checked(length) else { continue };
                let Some((last, parent)) = prefix.split_last() else { continue };
                let fits = prefix.iter().all(|segment| is_literal(segment) && !is_version(segment));
                if fits && !rest.is_empty() && !bases.is_below(prefix) {
                    let rest: Vec<&str> =
                        rest.iter().skip_while(|segment| is_version(segment)).copied().collect();
                    trees.entry(parent).or_default().entry(last).or_default().insert((method, rest));
                }
            }
            for (parent, mut below) in trees {
                if below.len() > MAX_PREFIXES {
                    below.retain(|name, _| STAGES.contains(name));
                }
                let twins = twins(&below);
                bases.stages.extend(twins.into_iter().map(|name| {
                    parent.iter().chain([&name]).fold(String::new(), |path, segment| path + "/" + segment)
                }));
            }
        }
        bases.common = common(split.iter().map(|(_, segments)| bases.behind(segments)));
        bases
    }

    fn is_below(&self, prefix: &[&str]) -> bool {
        (1..prefix.len()).any(|end| {
            let above: String =
                prefix.iter().take(end).fold(String::new(), |path, segment| path + "/" + segment);
            self.stages.contains(&above)
        })
    }

    /// The stage that a template stands below; empty when there is none.
    fn stage(&self, template: &str) -> &str {
        let below =
            |stage: &&String| template.strip_prefix(stage.as_str()).is_some_and(|rest| rest.starts_with('/'));
        self.stages.iter().filter(below).max_by_key(|stage| stage.len()).map_or("", String::as_str)
    }

    /// The segments behind the stage.
    fn behind<'a>(&self, segments: &'a [&'a str]) -> &'a [&'a str] {
        let template = segments.iter().fold(String::new(), |path, segment| path + "/" + segment);
        let stage = self.stage(&template).split('/').filter(|segment| !segment.is_empty()).count();
        segments.get(stage..).unwrap_or_default()
    }

    /// The base path of a template: its stage, and what all stand below.
    fn base(&self, template: &str) -> String {
        let stage = self.stage(template);
        let behind = template.strip_prefix(stage).unwrap_or(template);
        let common = if behind.starts_with(&self.common) { self.common.as_str() } else { "" };
        format!("{stage}{common}")
    }
}

/// Names of prefixes below which the same tree stands.
fn twins<'a>(below: &BTreeMap<&'a str, Tree<'_>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for (at, (name, tree)) in below.iter().enumerate() {
        for (other, others) in below.iter().skip(at + 1) {
            let stages = STAGES.contains(name) && STAGES.contains(other);
            let shared: Vec<&(&str, Vec<&str>)> = tree.intersection(others).collect();
            // What stands right below must be names, else these are collections: `/cards/{}/limits`, `/loans/{}/limits`.
            let heads: BTreeSet<&str> = shared
                .iter()
                .filter_map(|(_, rest)| rest.first().copied())
                .filter(|segment| is_literal(segment))
                .collect();
            let (fewer, more) = (tree.len().min(others.len()), tree.len().max(others.len()));
            let same = if stages {
                heads.len() >= 2 && shared.len() * 5 >= fewer * 3
            } else {
                heads.len() >= 3
                    && shared.len() >= 6
                    && shared.len() * 10 >= fewer * 9
                    && shared.len() * 2 >= more
            };
            if same {
                found.extend([*name, *other]);
            }
        }
    }
    found
}

/// What all paths stand below: names that lead to several more, up to a version.
fn common<'a>(paths: impl Iterator<Item = &'a [&'a str]>) -> String {
    let paths: Vec<&[&str]> = paths.collect();
    let Some(first) = paths.first().filter(|_| paths.len() >= 3) else { return String::new() };
    let mut length = first.len().min(MAX_BASE);
    for path in &paths {
        let same =
            path.iter().zip(*first).take_while(|(a, b)| a == b && is_literal(a) && !is_version(a)).count();
        // The last name is an operation's own.
        length = length.min(same).min(path.len().saturating_sub(1));
    }
    while length > 0 {
        let mut heads = BTreeSet::new();
        let named = paths.iter().all(|path| {
            let head = path.iter().skip(length).find(|segment| !is_version(segment));
            heads.extend(head.copied());
            head.is_some_and(|segment| is_literal(segment))
        });
        if named && heads.len() >= 2 {
            break;
        }
        length -= 1;
    }
    first.iter().take(length).fold(String::new(), |path, segment| path + "/" + segment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::facts::EndpointFacts;

    fn endpoint(host: &str, operation: &str, calls: u64, server: Option<&str>) -> (EndpointKey, Endpoint) {
        let (method, template) = operation.split_once(' ').unwrap();
        let key = EndpointKey { host: host.into(), template: template.into(), method: method.into() };
        let mut facts = EndpointFacts { requests: calls, ..EndpointFacts::default() };
        facts.servers.insert(server.map(|server| server.parse().unwrap()));
        (key.clone(), Endpoint::new(key, facts))
    }

    const BANK: [&str; 5] = [
        "GET /v1/accounts",
        "GET /v1/accounts/{accountId}",
        "POST /v1/payments",
        "GET /v1/cards",
        "GET /v1/rates",
    ];

    /// Hosts that have operations, and their server.
    fn services<'a>(hosts: impl IntoIterator<Item = (&'a str, &'a [&'a str], Option<&'a str>)>) -> Services {
        let mut calls = 100;
        let mut endpoints = BTreeMap::new();
        for (host, operations, server) in hosts {
            calls -= 1;
            endpoints.extend(operations.iter().map(|operation| endpoint(host, operation, calls, server)));
        }
        join(endpoints, &|host| host == "documented.api.bank.example")
    }

    fn names(services: &Services) -> Vec<String> {
        let mut names: Vec<String> = services
            .endpoints
            .values()
            .map(|endpoint| {
                let service = &endpoint.service;
                let aliases: Vec<&str> = service.aliases.iter().map(|(name, _)| name.as_str()).collect();
                let evidence = service.evidence.map_or("", Evidence::name);
                format!("{} [{}] {evidence} {}", service.name, aliases.join(" "), service.tenants)
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn siblings_with_one_tree_are_tenants_of_one_service() {
        let labels = ["acme", "globex", "t-4711", "initech", "bank42"];
        let hosts: Vec<String> = labels.iter().map(|label| format!("{label}.api.bank.example")).collect();
        let one_more = ("documented.api.bank.example", &BANK[..1], None);
        let of_tenants = hosts.iter().map(|host| (host.as_str(), &BANK[..], None));
        let mut found = services(of_tenants.chain([one_more]));
        assert_eq!(
            names(&found),
            ["documented.api.bank.example []  0", "{tenant}.api.bank.example [] tenants_share_operations 5"]
        );
        found.endpoints.retain(|key, _| key.host.starts_with('{'));
        assert_eq!(found.endpoints.len(), BANK.len());
        assert_eq!(
            found.endpoints.values().map(|endpoint| endpoint.facts.requests).sum::<u64>(),
            5 * (99 + 98 + 97 + 96 + 95)
        );
        assert_eq!(found.names.len(), 25);
        assert_eq!(
            found.tenants,
            ["bank42.api.bank.example", "t-4711.api.bank.example"],
            "what is no plain word"
        );
    }

    #[test]
    fn roles_stages_and_services_of_a_domain_are_no_tenants() {
        let stages = ["api", "dev", "sandbox", "staging", "test-2", "api-eu"];
        let hosts: Vec<String> = stages.iter().map(|label| format!("{label}.bank.example")).collect();
        let found = services(hosts.iter().map(|host| (host.as_str(), &BANK[..], None)));
        assert!(found.names.is_empty());
        // Of these the logs tell nothing but that they have the same operations: those without a stage may be one.
        assert_eq!(names(&found)[0], "api.bank.example [api-eu.bank.example] same_operations 0");
        assert_eq!(names(&found).len(), 5);
        let own: Vec<[String; 3]> = ["loans", "quotes", "cards", "claims", "funds"]
            .iter()
            .map(|name| [format!("GET /{name}"), format!("GET /{name}/{{id}}"), "GET /status".into()])
            .collect();
        let own: Vec<Vec<&str>> = own.iter().map(|all| all.iter().map(String::as_str).collect()).collect();
        let hosts: Vec<String> = ["loans", "quotes", "cards", "claims", "funds"]
            .iter()
            .map(|name| format!("{name}.bank.example"))
            .collect();
        let found = services(hosts.iter().zip(&own).map(|(host, own)| (host.as_str(), own.as_slice(), None)));
        assert!(found.names.is_empty());
        assert_eq!(names(&found).len(), 5);
    }

    #[test]
    fn names_of_one_server_with_one_tree_are_one_service() {
        let (here, there) = (Some("192.0.2.7:443"), Some("192.0.2.8:443"));
        for (why, second, operations, server, expected) in [
            (
                "one server",
                "open.bank.example",
                &BANK[..4],
                here,
                "api.bank.example [open.bank.example] same_server_and_operations 0",
            ),
            (
                "its address",
                "192.0.2.7",
                &BANK[..1],
                here,
                "api.bank.example [192.0.2.7] address_of_server 0",
            ),
            ("another server", "open.bank.example", &BANK[..], there, "api.bank.example []  0"),
            (
                "another tree",
                "open.bank.example",
                &["GET /a", "GET /b", "GET /c"][..],
                here,
                "api.bank.example []  0",
            ),
            ("another stage", "sandbox.bank.example", &BANK[..], here, "api.bank.example []  0"),
            (
                "an address that has more",
                "192.0.2.7",
                &["GET /v1/rates", "GET /x"][..],
                here,
                "api.bank.example []  0",
            ),
        ] {
            let found = services([("api.bank.example", &BANK[..], here), (second, operations, server)]);
            assert!(names(&found).iter().any(|name| name == expected), "{why}: {:?}", names(&found));
        }
    }

    #[test]
    fn a_tree_below_two_prefixes_is_one_api_with_two_base_paths() {
        let both: Vec<String> = ["/prod", "/dev"]
            .iter()
            .flat_map(|stage| BANK.iter().map(move |one| one.replacen(" /", &format!(" {stage}/"), 1)))
            .collect();
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        let found = services([("x1.execute-api.eu-west-1.amazonaws.com", &both[..], None)]);
        let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for endpoint in found.endpoints.values() {
            families.entry(&endpoint.family).or_default().push(&endpoint.base_path);
        }
        assert_eq!(families.len(), BANK.len());
        assert!(families.values().all(|bases| *bases == ["/dev", "/prod"]), "{families:?}");
    }

    #[test]
    fn collections_that_look_alike_are_no_base_paths() {
        let alike: Vec<String> = ["cards", "loans", "funds"]
            .iter()
            .flat_map(|name| {
                ["", "/{id}", "/{id}/limits", "/{id}/holders", "/{id}/notes", "/{id}/history"]
                    .map(|rest| format!("GET /{name}{rest}"))
            })
            .collect();
        let alike: Vec<&str> = alike.iter().map(String::as_str).collect();
        let found = services([("api.bank.example", &alike[..], None)]);
        assert!(found.endpoints.values().all(|endpoint| endpoint.base_path.is_empty()));
        let families: BTreeSet<&str> =
            found.endpoints.values().map(|endpoint| endpoint.family.as_str()).collect();
        assert_eq!(families.len(), alike.len());
    }

    #[test]
    fn what_all_stand_below_is_the_base_path() {
        let below: Vec<String> = BANK.iter().map(|one| one.replacen(" /", " /api/gateway/", 1)).collect();
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        let found = services([("api.bank.example", &below[..], None)]);
        assert!(found.endpoints.values().all(|endpoint| endpoint.base_path == "/api/gateway"));
        let collection = ["GET /accounts", "GET /accounts/{id}", "DELETE /accounts/{id}"];
        let found = services([("api.bank.example", &collection[..], None)]);
        assert!(found.endpoints.values().all(|endpoint| endpoint.base_path.is_empty()));
    }
}
