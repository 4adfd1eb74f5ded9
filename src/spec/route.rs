//! Routes: which documented path a request's path is.
//!
//! A tree of segments, literals before segments that are partly literal before whole parameters, with the way
//! back when a choice leads nowhere. Paths that differ only in the names of their parameters are one route with
//! several operations. Hosts come first: what a document says of this very host, then of hosts like it, then of
//! any; a host that no document names is matched by base path and shape alone, and the answer says so.
//!
//! What a document says of a parameter can refuse a segment ([`Constraint`]).

use super::constraint::Constraint;
use super::server::{HostRule, pieces_match};
use std::collections::BTreeMap;

/// How many segments a documented path may have.
pub(super) const MAX_SEGMENTS: usize = 64;

/// One segment of a request's path, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSegment<'a> {
    /// The segment as it is.
    Literal(&'a str),
    /// A segment known only as a value: an identifier that was folded away.
    Value,
    /// A value with this text behind it: `.json`, `:verb`.
    ValueBefore(&'a str),
}

/// A route's number within its document set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// Why a route's host fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostMatch {
    /// A document names this host.
    Exact,
    /// A document names hosts like this one: a server URL with a variable.
    Pattern,
    /// The document names no host.
    Any,
    /// No document names this host: matched by base path and shape alone.
    Shape,
}

impl HostMatch {
    const ALL: [Self; 4] = [Self::Exact, Self::Pattern, Self::Any, Self::Shape];
}

/// What a path was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The route.
    pub route: RouteId,
    /// Why its host fits.
    pub host: HostMatch,
}

/// One segment of a documented path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// Literal parts with a parameter between each two.
    Mixed(Vec<String>),
    Parameter,
}

/// The segments of a documented path, and the names of its parameters in order.
pub(super) fn segments(template: &str) -> (Vec<Segment>, Vec<String>) {
    let mut names = Vec::new();
    let path = template.split(['?', '#']).next().unwrap_or_default();
    let all = path
        .split('/')
        .filter(|text| !text.is_empty())
        .map(|text| {
            let mut parts = vec![String::new()];
            let mut rest = text;
            while let Some((before, after)) = rest.split_once('{') {
                let Some((name, tail)) = after.split_once('}') else { break };
                if let Some(last) = parts.last_mut() {
                    last.push_str(before);
                }
                parts.push(String::new());
                names.push(name.to_owned());
                rest = tail;
            }
            if let Some(last) = parts.last_mut() {
                last.push_str(rest);
            }
            match parts.as_slice() {
                [_] => Segment::Literal(text.to_owned()),
                [before, after] if before.is_empty() && after.is_empty() => Segment::Parameter,
                _ => Segment::Mixed(parts),
            }
        })
        .collect();
    (all, names)
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<Box<str>, usize>,
    mixed: Vec<(Vec<String>, usize)>,
    parameter: Option<usize>,
    route: Option<RouteId>,
}

/// One documented path below one base path.
#[derive(Debug)]
pub(super) struct Route {
    /// As the first document has it, with base path.
    pub(super) template: String,
    /// Its operations, by position, and the host rules of each.
    pub(super) operations: Vec<(usize, Vec<usize>)>,
    /// For each parameter in order, what its documents say; one that says nothing leaves the list empty.
    constraints: Vec<Vec<Constraint>>,
}

/// All routes.
#[derive(Debug)]
pub(super) struct Router {
    nodes: Vec<Node>,
    routes: Vec<Route>,
    hosts: Vec<HostRule>,
    exact: BTreeMap<String, usize>,
}

impl Default for Router {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], routes: Vec::new(), hosts: Vec::new(), exact: BTreeMap::new() }
    }
}

impl Router {
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub(super) fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.0 as usize)
    }

    fn host(&mut self, rule: &HostRule) -> usize {
        let known = match rule {
            HostRule::Exact(name) => self.exact.get(name).copied(),
            HostRule::Pattern(_) | HostRule::Any => self.hosts.iter().position(|known| known == rule),
        };
        known.unwrap_or_else(|| {
            let id = self.hosts.len();
            self.hosts.push(rule.clone());
            if let HostRule::Exact(name) = rule {
                self.exact.insert(name.clone(), id);
            }
            id
        })
    }

    /// Adds an operation at `template` on `host`; `constraint` tells what is said of a parameter by name.
    pub(super) fn add(
        &mut self,
        template: &str,
        host: &HostRule,
        operation: usize,
        constraint: &mut dyn FnMut(&str) -> Option<Constraint>,
    ) -> RouteId {
        let (segments, names) = segments(template);
        let mut at = 0;
        for segment in segments.into_iter().take(MAX_SEGMENTS) {
            at = self.step(at, segment);
        }
        let host = self.host(host);
        let next = RouteId(u32::try_from(self.routes.len()).unwrap_or(u32::MAX));
        let Some(node) = self.nodes.get_mut(at) else { return next };
        let is_new = node.route.is_none();
        let id = *node.route.get_or_insert(next);
        if is_new {
            self.routes.push(Route {
                template: template.to_owned(),
                operations: Vec::new(),
                constraints: names.iter().map(|name| constraint(name).into_iter().collect()).collect(),
            });
        }
        let Some(route) = self.routes.get_mut(id.0 as usize) else { return id };
        if !is_new {
            for (known, name) in route.constraints.iter_mut().zip(&names) {
                match constraint(name) {
                    Some(more) if !known.is_empty() => known.push(more),
                    Some(_) => {}
                    None => known.clear(),
                }
            }
        }
        match route.operations.iter_mut().find(|(known, _)| *known == operation) {
            Some((_, hosts)) => hosts.push(host),
            None => route.operations.push((operation, vec![host])),
        }
        id
    }

    fn step(&mut self, at: usize, segment: Segment) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = match segment {
            Segment::Literal(text) => *node.literals.entry(text.into()).or_insert(next),
            Segment::Parameter => *node.parameter.get_or_insert(next),
            Segment::Mixed(parts) => {
                if let Some((_, child)) = node.mixed.iter().find(|(known, _)| *known == parts) {
                    *child
                } else {
                    node.mixed.push((parts, next));
                    // The most literal first.
                    node.mixed.sort_by_cached_key(|(parts, _)| {
                        (std::cmp::Reverse(parts.iter().map(String::len).sum::<usize>()), parts.clone())
                    });
                    next
                }
            }
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// How `host` is named: exactly, by patterns, or not.
    pub(super) fn naming(&self, host: &str) -> HostMatch {
        if self.exact.contains_key(host) {
            HostMatch::Exact
        } else if self.hosts.iter().any(|rule| matches!(rule, HostRule::Pattern(_)) && rule.matches(host)) {
            HostMatch::Pattern
        } else {
            HostMatch::Shape
        }
    }

    fn fits(&self, rule: usize, host: &str, how: HostMatch) -> bool {
        match (self.hosts.get(rule), how) {
            (Some(HostRule::Exact(name)), HostMatch::Exact) => name == host,
            (Some(rule @ HostRule::Pattern(_)), HostMatch::Pattern) => rule.matches(host),
            (Some(HostRule::Any), HostMatch::Any) | (Some(_), HostMatch::Shape) => true,
            _ => false,
        }
    }

    /// The route of a path on `host`.
    pub(super) fn find(&self, host: &str, path: &[PathSegment<'_>]) -> Option<Routed> {
        let named = self.naming(host) != HostMatch::Shape;
        HostMatch::ALL.into_iter().filter(|how| !(named && *how == HostMatch::Shape)).find_map(|how| {
            let accepts = |route: &Route| {
                route.operations.iter().any(|(_, rules)| rules.iter().any(|rule| self.fits(*rule, host, how)))
            };
            let route = self.descend(0, path, &mut Vec::new(), &accepts)?;
            Some(Routed { route, host: how })
        })
    }

    fn descend<'p>(
        &self,
        at: usize,
        path: &[PathSegment<'p>],
        values: &mut Vec<Option<&'p str>>,
        accepts: &dyn Fn(&Route) -> bool,
    ) -> Option<RouteId> {
        let node = self.nodes.get(at)?;
        let Some((segment, rest)) = path.split_first() else {
            let id = node.route?;
            let route = self.route(id)?;
            let holds = route.constraints.iter().zip(&*values).all(|(constraints, value)| {
                constraints.is_empty()
                    || value.is_none_or(|value| constraints.iter().any(|one| one.accepts(value)))
            });
            return (holds && accepts(route)).then_some(id);
        };
        let before = values.len();
        match *segment {
            PathSegment::Literal(text) => {
                if let Some(child) = node.literals.get(text)
                    && let Some(found) = self.descend(*child, rest, values, accepts)
                {
                    return Some(found);
                }
                for (parts, child) in &node.mixed {
                    let Some(between) = pieces_match(parts, text) else { continue };
                    values.extend(between.into_iter().map(known_value));
                    if let Some(found) = self.descend(*child, rest, values, accepts) {
                        return Some(found);
                    }
                    values.truncate(before);
                }
            }
            PathSegment::ValueBefore(suffix) => {
                for (parts, child) in &node.mixed {
                    if !matches!(parts.as_slice(), [front, back] if front.is_empty() && back == suffix) {
                        continue;
                    }
                    values.push(None);
                    if let Some(found) = self.descend(*child, rest, values, accepts) {
                        return Some(found);
                    }
                    values.truncate(before);
                }
            }
            PathSegment::Value => {}
        }
        let child = node.parameter?;
        values.push(match *segment {
            PathSegment::Literal(text) => known_value(text),
            PathSegment::Value | PathSegment::ValueBefore(_) => None,
        });
        let found = self.descend(child, rest, values, accepts);
        values.truncate(before);
        found
    }

    /// The operations of a route on `host`: of those whose host fits best, all.
    pub(super) fn operations(&self, id: RouteId, host: &str) -> Vec<usize> {
        let Some(route) = self.route(id) else { return Vec::new() };
        HostMatch::ALL
            .into_iter()
            .map(|how| {
                let fits = |rules: &[usize]| rules.iter().any(|rule| self.fits(*rule, host, how));
                route
                    .operations
                    .iter()
                    .filter(|(_, rules)| fits(rules))
                    .map(|(operation, _)| *operation)
                    .collect()
            })
            .find(|found: &Vec<usize>| !found.is_empty())
            .unwrap_or_default()
    }
}

/// A template's own `{name}` is a value of which nothing is known.
fn known_value(text: &str) -> Option<&str> {
    (!(text.starts_with('{') && text.ends_with('}'))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn router(routes: &[(&str, &str)]) -> Router {
        let mut all = Router::default();
        for (n, (host, template)) in routes.iter().enumerate() {
            let host = match *host {
                "*" => HostRule::Any,
                text if text.contains('*') => HostRule::Pattern(text.split('*').map(str::to_owned).collect()),
                text => HostRule::Exact(text.to_owned()),
            };
            all.add(template, &host, n, &mut |name| match name {
                "int" => Some(Constraint::Integer),
                "word" => Some(Constraint::Words(vec!["a".into(), "b".into()])),
                "uuid" => Some(Constraint::Uuid),
                _ => None,
            });
        }
        all
    }

    fn find(router: &Router, host: &str, path: &str) -> Option<(String, HostMatch)> {
        let segments: Vec<_> = path
            .split('/')
            .filter(|text| !text.is_empty())
            .map(|text| match text.strip_prefix('*') {
                Some("") => PathSegment::Value,
                Some(suffix) => PathSegment::ValueBefore(suffix),
                None => PathSegment::Literal(text),
            })
            .collect();
        let found = router.find(host, &segments)?;
        Some((router.route(found.route)?.template.clone(), found.host))
    }

    #[test]
    fn literals_come_before_parameters() {
        let router = router(&[
            ("*", "/a/{id}"),
            ("*", "/a/b"),
            ("*", "/a/{id}.json"),
            ("*", "/a/img-{id}.json"),
            ("*", "/a/{id}:cancel"),
            ("*", "/a/b/c"),
            ("*", "/a/{x}/d"),
            ("*", "/"),
        ]);
        for (path, expected) in [
            ("/a/b", Some("/a/b")),
            ("/a/7", Some("/a/{id}")),
            ("/a/7/", Some("/a/{id}")),
            ("/a/7.json", Some("/a/{id}.json")),
            ("/a/img-7.json", Some("/a/img-{id}.json")),
            ("/a/7:cancel", Some("/a/{id}:cancel")),
            ("/a/.json", Some("/a/{id}")),
            ("/a/b/d", Some("/a/{x}/d")),
            ("/a/*", Some("/a/{id}")),
            ("/a/*.json", Some("/a/{id}.json")),
            ("/a/*:cancel", Some("/a/{id}:cancel")),
            ("/a/*.csv", Some("/a/{id}")),
            ("/a/*/d", Some("/a/{x}/d")),
            ("/a/{anything}.json", Some("/a/{id}.json")),
            ("", Some("/")),
            ("/b", None),
            ("/a/b/c/d", None),
        ] {
            assert_eq!(find(&router, "h", path).map(|found| found.0).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_a_document_says_of_a_parameter_refuses_words() {
        let router =
            router(&[("*", "/a/{int}"), ("*", "/b/{word}/{x}"), ("*", "/c/{uuid}"), ("*", "/c/{uuid}/d")]);
        for (path, expected) in [
            ("/a/12", true),
            ("/a/export", false),
            ("/a/export-jobs", false),
            ("/a/0x12", true),
            ("/a/{id}", true),
            ("/a/*", true),
            ("/b/a/1", true),
            ("/b/c/1", false),
            ("/b/a2/1", false),
            ("/c/me", false),
            ("/c/9f6e1c7e-1111-4222-8333-444455556666", true),
        ] {
            assert_eq!(find(&router, "h", path).is_some(), expected, "{path}");
        }
    }

    #[test]
    fn one_free_document_frees_the_parameter() {
        let router = router(&[("*", "/a/{int}"), ("*", "/a/{x}")]);
        assert_eq!(router.routes().len(), 1);
        assert!(find(&router, "h", "/a/export").is_some());
    }

    #[test]
    fn hosts_come_first_and_the_answer_says_how() {
        let router = router(&[
            ("a.example", "/v1/x/{id}"),
            ("b.example", "/v1/x/list"),
            ("*.c.example", "/v1/y"),
            ("*", "/v1/z"),
        ]);
        for (host, path, expected) in [
            ("a.example", "/v1/x/list", Some(("/v1/x/{id}", HostMatch::Exact))),
            ("b.example", "/v1/x/list", Some(("/v1/x/list", HostMatch::Exact))),
            ("b.example", "/v1/y", None),
            ("t.c.example", "/v1/y", Some(("/v1/y", HostMatch::Pattern))),
            ("a.example", "/v1/z", Some(("/v1/z", HostMatch::Any))),
            ("unknown", "/v1/z", Some(("/v1/z", HostMatch::Any))),
            ("unknown", "/v1/y", Some(("/v1/y", HostMatch::Shape))),
        ] {
            let found = find(&router, host, path);
            assert_eq!(found.as_ref().map(|(path, how)| (path.as_str(), *how)), expected, "{host} {path}");
        }
    }

    proptest! {
        /// Which route a path is does not depend on the order of the documents, and a path that a document
        /// spells out is that one.
        #[test]
        fn order_does_not_matter(
            templates in vec(vec(prop_oneof!["[ab]", Just("{x}".to_owned()), Just("a{x}".to_owned())], 1..4), 1..8),
            path in vec("[abc]|ab", 1..4),
        ) {
            let templates: Vec<String> = templates.iter().map(|parts| format!("/{}", parts.join("/"))).collect();
            let path = format!("/{}", path.join("/"));
            let forth: Vec<_> = templates.iter().map(|one| ("*", one.as_str())).collect();
            let back: Vec<_> = forth.iter().rev().copied().collect();
            let found = find(&router(&forth), "h", &path);
            prop_assert_eq!(&found, &find(&router(&back), "h", &path));
            if templates.contains(&path) {
                prop_assert_eq!(found.map(|one| one.0), Some(path));
            }
        }
    }
}
