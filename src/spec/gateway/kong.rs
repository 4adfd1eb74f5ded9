//! Kong's declarative files, as decK writes them and Kong reads them without a database.
//!
//! A path is a prefix, compared letter by letter; one that begins with `~` is a pattern for the beginning of a path. Before
//! version 3 of the format a pattern was told by its letters. A gateway that strips the path it matched sends on
//! what is left, below the path of the service: what is seen there is routed too.

use super::super::reference::Place;
use super::super::server::HostRule;
use super::path::{PathRule, Whole};
use super::{Found, FoundRoute, host_rule};
use crate::spec::node::Node;
use std::collections::BTreeMap;

pub(super) fn is_catalogue(value: &Node) -> bool {
    value.get("_format_version").is_some()
}

/// Where a service lives behind the gateway.
#[derive(Clone, Debug, Default)]
struct Service {
    host: String,
    path: String,
}

pub(super) fn read(root: &Place<'_>, found: &mut Found<'_>) {
    let version = root.value.get("_format_version").and_then(Node::word).unwrap_or_default();
    let old = version.starts_with("1.") || version.starts_with("2.");
    if !old && !version.starts_with('3') {
        let place = root.raw("_format_version").unwrap_or_else(|| root.clone());
        found.odd(&place, "a version that is not known; it is read as 3.0");
    }
    let mut services: BTreeMap<&str, Service> = BTreeMap::new();
    for place in found.objects(root, "services") {
        let service = service(&place);
        let enabled = place.value.get("enabled").and_then(Node::as_bool) != Some(false);
        for key in ["name", "id"] {
            if let Some(name) = place.text(key).filter(|_| enabled) {
                services.insert(name, service.clone());
            }
        }
        for one in found.objects(&place, "routes") {
            if enabled {
                route(&one, &service, old, found);
            }
        }
    }
    for one in found.objects(root, "routes") {
        let holder = one.raw("service");
        let name = holder.as_ref().and_then(|service| {
            service.value.as_str().or_else(|| service.text("name")).or_else(|| service.text("id"))
        });
        let known = name.and_then(|name| services.get(name));
        route(&one, known.unwrap_or(&Service::default()), old, found);
    }
}

fn service(place: &Place<'_>) -> Service {
    let from_url = place.text("url").and_then(|url| {
        let (_, rest) = url.split_once("://")?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        Some(Service { host: host.to_owned(), path: path.to_owned() })
    });
    from_url.unwrap_or_else(|| {
        let text = |key: &str| place.text(key).unwrap_or_default().to_owned();
        Service { host: text("host"), path: text("path") }
    })
}

fn route(place: &Place<'_>, service: &Service, old: bool, found: &mut Found<'_>) {
    let protocols = found.texts(place, "protocols");
    let http = |(text, _): &(&str, Place<'_>)| matches!(*text, "http" | "https" | "grpc" | "grpcs");
    if !protocols.is_empty() && !protocols.iter().any(http) {
        return;
    }
    let asks = |key: &str| {
        let list = |value: &Node| value.as_array().is_some_and(|list| !list.is_empty());
        place
            .value
            .get(key)
            .is_some_and(|value| list(value) || value.as_object().is_some_and(|all| !all.is_empty()))
    };
    let hosts = found.hosts(place, "hosts");
    let methods: Vec<String> =
        found.texts(place, "methods").into_iter().map(|(text, _)| text.to_ascii_uppercase()).collect();
    let mut paths: Vec<(PathRule, Option<&str>)> = Vec::new();
    for (text, at) in found.texts(place, "paths") {
        let pattern = text.strip_prefix('~').or_else(|| (old && is_pattern(text)).then_some(text));
        if let Some(pattern) = pattern {
            paths.push((found.pattern(&at, pattern, Whole::No), None));
        } else {
            found.path(&at, text);
            paths.push((PathRule::text(text), Some(text)));
        }
    }
    if paths.is_empty() {
        if let Some(expression) = place.raw("expression") {
            found.odd(
                &expression,
                "an expression is not read; its route counts as one that may take any path",
            );
            paths.push((PathRule::Unknown, None));
        } else if place
            .value
            .get("paths")
            .is_some_and(|all| !all.is_null() && all.as_array().is_none_or(|list| !list.is_empty()))
        {
            // None of them was read.
            paths.push((PathRule::Unknown, None));
        } else if hosts.is_empty() && methods.is_empty() && !asks("headers") && !asks("snis") {
            found.odd(place, "a route without hosts, methods and paths takes no request");
            return;
        } else {
            paths.push((PathRule::text("/"), Some("/")));
        }
    }
    let flag = |key: &str| place.value.get(key).and_then(Node::as_bool);
    let strips = flag("strip_path").unwrap_or(true);
    let front = FoundRoute {
        name: place.text("name").unwrap_or_default().to_owned(),
        methods,
        hosts,
        path: PathRule::Unknown,
        conditional: ["headers", "snis", "sources", "destinations"].into_iter().any(asks),
        behind: false,
        pointer: place.pointer.clone(),
    };
    // The hosts that the gateway sends it on to, where they are named.
    let behind = if flag("preserve_host") == Some(true) {
        Some(front.hosts.clone()).filter(|hosts| !hosts.is_empty() && !hosts.contains(&HostRule::Any))
    } else {
        Some(vec![host_rule(&service.host)]).filter(|_| !service.host.is_empty())
    };
    for (path, prefix) in paths {
        if let Some(hosts) = &behind {
            let base = service.path.trim_end_matches('/');
            let (sent, known) = match prefix {
                Some(prefix) if !strips => (PathRule::text(&format!("{base}{prefix}")), true),
                Some(_) => (PathRule::text(&service.path), true),
                None if !strips && base.is_empty() => (path.clone(), true),
                // What is left of a pattern may be anything.
                None => (PathRule::text(&service.path), false),
            };
            let (hosts, conditional) = (hosts.clone(), front.conditional || !known);
            found.routes.push(FoundRoute { hosts, path: sent, conditional, behind: true, ..front.clone() });
        }
        found.routes.push(FoundRoute { path, ..front.clone() });
    }
}

/// Whether a path was a pattern before version 3: any letter beside those that plain paths have.
fn is_pattern(path: &str) -> bool {
    !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte))
}
