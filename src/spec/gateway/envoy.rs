//! Envoy's route configurations: by themselves, as resources, in a bootstrap file and in a dump of what runs.
//!
//! Virtual hosts are looked for wherever they stand. A match is a path, a prefix letter by letter or segment by
//! segment, or a pattern for the whole path; methods are asked for as the header `:method`. What Envoy answers itself
//! reaches no service and is no route. What a rewritten path becomes is routed too, as it is seen behind Envoy.

use super::super::reference::Place;
use super::super::server::HostRule;
use super::path::{PathRule, Whole};
use super::{Found, FoundRoute};
use crate::spec::node::Node;

pub(super) fn is_catalogue(value: &Node) -> bool {
    let list = |keys: [&str; 2]| keys.into_iter().find_map(|key| value.get(key)?.as_array());
    let typed = |key: &str, of: &str| {
        let items = value.get(key).and_then(Node::as_array).into_iter().flatten();
        items.filter_map(|item| item.get("@type")?.as_str()).any(|kind| kind.contains(of))
    };
    list(["virtual_hosts", "virtualHosts"])
        .is_some_and(|hosts| hosts.iter().any(|host| host.get("domains").is_some()))
        || ["static_resources", "staticResources"].into_iter().any(|key| value.get(key).is_some())
        || typed("resources", "RouteConfiguration")
        || typed("configs", "envoy.admin")
}

pub(super) fn read(root: &Place<'_>, found: &mut Found<'_>) {
    let before = found.routes.len();
    search(root, found);
    if found.routes.len() == before {
        found.odd(root, "no virtual host with routes in this file");
    }
}

/// Looks for virtual hosts below `place`; the tree's own depth is bounded.
fn search(place: &Place<'_>, found: &mut Found<'_>) {
    for (key, inner) in place.members() {
        if matches!(key, "virtual_hosts" | "virtualHosts") && inner.value.is_array() {
            for host in found.objects(place, key) {
                virtual_host(&host, found);
            }
        } else {
            search(&inner, found);
        }
    }
    for inner in place.items() {
        search(&inner, found);
    }
}

/// A field under its own name, or as JSON of protobuf has it.
fn field<'p>(place: &Place<'p>, name: &str, json: &str) -> Option<Place<'p>> {
    place.raw(name).or_else(|| place.raw(json)).filter(|field| !field.value.is_null())
}

fn virtual_host(place: &Place<'_>, found: &mut Found<'_>) {
    let hosts = found.hosts(place, "domains");
    if hosts.is_empty() {
        found.odd(place, "a virtual host needs `domains`");
        return;
    }
    for route in found.objects(place, "routes") {
        if field(&route, "direct_response", "directResponse").is_some() {
            continue;
        }
        let Some(asked) = route.raw("match").filter(|asked| asked.value.is_object()) else {
            found.odd(&route, "a route needs a `match`");
            continue;
        };
        let (methods, conditional) = conditions(&asked);
        let path = path(&asked, found);
        let front = FoundRoute {
            name: route.text("name").or_else(|| place.text("name")).unwrap_or_default().to_owned(),
            methods,
            hosts: if hosts.contains(&HostRule::Any) { Vec::new() } else { hosts.clone() },
            path,
            conditional,
            behind: false,
            pointer: route.pointer.clone(),
        };
        if let Some(path) = sent(&route) {
            found.routes.push(FoundRoute { path, behind: true, ..front.clone() });
        }
        found.routes.push(front);
    }
}

/// What a route that rewrites paths sends on.
fn sent(route: &Place<'_>) -> Option<PathRule> {
    let action = route.raw("route")?;
    if let Some(prefix) = field(&action, "prefix_rewrite", "prefixRewrite").and_then(|one| one.value.as_str())
    {
        return Some(PathRule::text(prefix));
    }
    let rewrites = [("regex_rewrite", "regexRewrite"), ("path_rewrite_policy", "pathRewritePolicy")];
    rewrites.into_iter().any(|(name, json)| field(&action, name, json).is_some()).then_some(PathRule::Unknown)
}

fn path(asked: &Place<'_>, found: &mut Found<'_>) -> PathRule {
    // A path in any case is not known by its letters.
    if field(asked, "case_sensitive", "caseSensitive").is_some_and(|flag| flag.value == &Node::Bool(false)) {
        return PathRule::Unknown;
    }
    let below = ["path_separated_prefix", "pathSeparatedPrefix"];
    for [name, json] in [["prefix"; 2], ["path"; 2], below] {
        let Some(place) = field(asked, name, json) else { continue };
        let Some(text) = place.value.as_str() else {
            found.odd(&place, "must be a text");
            return PathRule::Unknown;
        };
        if !text.is_empty() {
            found.path(&place, text);
        }
        return match name {
            "prefix" => PathRule::text(text),
            "path" => PathRule::exact(text),
            _ => PathRule::below(text),
        };
    }
    if let Some(place) = field(asked, "safe_regex", "safeRegex")
        && let Some(pattern) = place.text("regex")
    {
        return found.pattern(&place, pattern, Whole::Yes);
    }
    if field(asked, "connect_matcher", "connectMatcher").is_none() {
        found
            .odd(asked, "a match of a kind that is not read; its route counts as one that may take any path");
    }
    PathRule::Unknown
}

/// The methods that are asked for, and whether more is.
fn conditions(asked: &Place<'_>) -> (Vec<String>, bool) {
    let mut methods = Vec::new();
    let mut more = [
        ("query_parameters", "queryParameters"),
        ("runtime_fraction", "runtimeFraction"),
        ("tls_context", "tlsContext"),
        ("dynamic_metadata", "dynamicMetadata"),
        ("filter_state", "filterState"),
        ("cookies", "cookies"),
        ("grpc", "grpc"),
    ]
    .into_iter()
    .any(|(name, json)| field(asked, name, json).is_some());
    for header in asked.raw("headers").iter().flat_map(Place::items) {
        let exact = field(&header, "string_match", "stringMatch").and_then(|rule| rule.text("exact"));
        let exact = exact.or_else(|| field(&header, "exact_match", "exactMatch")?.value.as_str());
        let inverted = field(&header, "invert_match", "invertMatch").is_some();
        match exact {
            Some(method) if header.text("name") == Some(":method") && !inverted && methods.is_empty() => {
                methods.push(method.to_ascii_uppercase());
            }
            Some(_) | None => more = true,
        }
    }
    (methods, more)
}
