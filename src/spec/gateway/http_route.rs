//! `HTTPRoute` of the Kubernetes Gateway API, one or a list.
//!
//! A rule without matches takes every path of its hosts, a match without a path every path as well. A pattern's
//! meaning is left to the gateway: whether it must match all of a path differs. What a rewritten path becomes is routed
//! too, as it is seen behind the gateway.

use super::super::reference::Place;
use super::path::{PathRule, Whole};
use super::{Found, FoundRoute};
use crate::spec::node::Node;

/// How deep lists of lists are read.
const MAX_LISTS: usize = 4;

pub(super) fn is_catalogue(value: &Node) -> bool {
    is_route(value) || has_routes(value, MAX_LISTS)
}

fn is_route(value: &Node) -> bool {
    let text = |key: &str| value.get(key).and_then(Node::as_str).unwrap_or_default();
    text("kind") == "HTTPRoute" && text("apiVersion").starts_with("gateway.networking.k8s.io/")
}

fn has_routes(value: &Node, left: usize) -> bool {
    let list = is_list(value) && left > 0;
    let items = value.get("items").and_then(Node::as_array).filter(|_| list);
    items.into_iter().flatten().any(|item| is_route(item) || has_routes(item, left - 1))
}

fn is_list(value: &Node) -> bool {
    matches!(value.get("kind").and_then(Node::as_str), Some("List" | "HTTPRouteList"))
}

pub(super) fn read(root: &Place<'_>, found: &mut Found<'_>) {
    read_level(root, MAX_LISTS, found);
}

fn read_level(place: &Place<'_>, left: usize, found: &mut Found<'_>) {
    if is_route(place.value) {
        route(place, found);
    } else if is_list(place.value) && left > 0 {
        for item in place.raw("items").iter().flat_map(Place::items) {
            read_level(&item, left - 1, found);
        }
    }
}

fn route(place: &Place<'_>, found: &mut Found<'_>) {
    let Some(spec) = place.raw("spec").filter(|spec| spec.value.is_object()) else {
        found.odd(place, "an HTTPRoute needs a `spec`");
        return;
    };
    let name = place.raw("metadata").and_then(|metadata| metadata.text("name")).unwrap_or_default();
    let every = FoundRoute {
        name: name.to_owned(),
        methods: Vec::new(),
        hosts: found.hosts(&spec, "hostnames"),
        path: PathRule::below("/"),
        conditional: false,
        behind: false,
        pointer: spec.pointer.clone(),
    };
    let rules = found.objects(&spec, "rules");
    if rules.is_empty() {
        found.routes.push(every);
        return;
    }
    for rule in rules {
        if let Some(path) = sent(&rule) {
            found.routes.push(FoundRoute {
                path,
                behind: true,
                pointer: rule.pointer.clone(),
                ..every.clone()
            });
        }
        let matches = found.objects(&rule, "matches");
        if matches.is_empty() {
            found.routes.push(FoundRoute { pointer: rule.pointer, ..every.clone() });
            continue;
        }
        for one in matches {
            let asks =
                |key: &str| one.value.get(key).and_then(Node::as_array).is_some_and(|list| !list.is_empty());
            let (path, method) = (path(&one, found), one.text("method"));
            found.routes.push(FoundRoute {
                methods: method.map(str::to_ascii_uppercase).into_iter().collect(),
                path,
                conditional: asks("headers") || asks("queryParams"),
                pointer: one.pointer.clone(),
                ..every.clone()
            });
        }
    }
}

/// What a rule that rewrites paths sends on.
fn sent(rule: &Place<'_>) -> Option<PathRule> {
    let filters = rule.raw("filters")?;
    let rewrite = filters.items().find_map(|filter| filter.raw("urlRewrite")?.raw("path"))?;
    Some(match (rewrite.text("replacePrefixMatch"), rewrite.text("replaceFullPath")) {
        (Some(prefix), _) => PathRule::below(prefix),
        (None, Some(path)) => PathRule::exact(path),
        (None, None) => PathRule::Unknown,
    })
}

fn path(one: &Place<'_>, found: &mut Found<'_>) -> PathRule {
    let Some(path) = one.raw("path").filter(|path| path.value.is_object()) else {
        return PathRule::below("/");
    };
    let value = path.text("value").unwrap_or("/");
    match path.text("type") {
        Some("RegularExpression") => return found.pattern(&path, value, Whole::Unsaid),
        Some("Exact") => {
            found.path(&path, value);
            return PathRule::exact(value);
        }
        Some("PathPrefix") | None => found.path(&path, value),
        Some(_) => {
            found.odd(&path, "a `type` that is not known; its route counts as one that may take any path");
            return PathRule::Unknown;
        }
    }
    PathRule::below(value)
}
