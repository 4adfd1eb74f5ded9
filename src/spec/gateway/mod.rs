//! Catalogues of gateways: which requests a gateway lets through to a service.
//!
//! Kong's declarative files (decK), routes of the Kubernetes Gateway API, route configurations of Envoy and exports
//! of AWS API Gateway stand among the other documents and are told from them by what they hold. A route says
//! which hosts, methods and paths reach a service, and nothing of parameters, statuses or bodies; so it describes no
//! operation, and what is held against documents is never held against routes. They answer one question:
//! [`Gateways::routing`], whether the gateway routes an endpoint.
//!
//! Bounds: the routes of all catalogues, their patterns, and the YAML documents of one file. What is beyond is told.

mod aws;
mod envoy;
mod http_route;
mod kong;
mod path;

pub use path::Fit;

use super::DocumentPlace;
use super::constraint::Patterns;
use super::lines;
use super::node::Node;
use super::reference::{Place, Source, Sources};
use super::server::HostRule;
use super::told::Told;
use super::tree::{self, Tree};
use crate::problem::Problems;
use path::{PathRule, Whole};
use std::collections::BTreeMap;

pub(super) use aws::{is_route_alone, read as read_aws};

/// How many routes are read of all catalogues: one for each path of what an author calls a route.
const MAX_ROUTES: usize = 50_000;
/// How many patterns are read of all catalogues.
const MAX_PATTERNS: usize = 1_000;
/// How many YAML documents of one file are read.
const MAX_PARTS: usize = 1_000;

/// One catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The file, as the user named it.
    pub file: String,
    /// Whose it is: `Kong`.
    pub gateway: &'static str,
    /// How many routes it names.
    pub routes: usize,
}

/// One route: hosts, methods and paths that reach a service.
#[derive(Clone, Debug)]
pub struct Route {
    /// What its author calls it; empty where it has no name.
    pub name: String,
    /// The methods in upper case; any when there is none.
    pub methods: Vec<String>,
    /// The catalogue, by its position.
    pub catalogue: usize,
    /// Where it stands.
    pub place: DocumentPlace,
    hosts: Vec<HostRule>,
    path: PathRule,
    /// Whether it asks for more than host, method and path: headers, queries, addresses.
    conditional: bool,
    /// Whether it tells of what the gateway sends on, not of what it is asked.
    behind: bool,
}

impl Route {
    /// The path, where the route has but one and it is asked for in front of the gateway.
    #[must_use]
    pub fn only_path(&self) -> Option<String> {
        self.path.only_path().filter(|_| !self.behind)
    }

    /// The only host it names in full.
    #[must_use]
    pub fn only_host(&self) -> Option<&str> {
        match self.hosts.as_slice() {
            [HostRule::Exact(name)] => Some(name),
            _ => None,
        }
    }

    fn takes_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|rule| rule.matches(host))
    }

    fn fit(&self, host: &str, method: &str, template: &str) -> Fit {
        let method_fits = self.methods.is_empty() || self.methods.iter().any(|known| known == method);
        if !method_fits || !self.takes_host(host) {
            return Fit::No;
        }
        let most = if self.conditional { Fit::Maybe } else { Fit::Yes };
        self.path.fit(template).min(most)
    }
}

/// All catalogues, and their routes.
#[derive(Debug, Default)]
pub struct Gateways {
    catalogues: Vec<Catalogue>,
    routes: Vec<Route>,
    /// Routes by host, empty for those that do not name it in full, and by what the first segment of their paths begins
    /// with.
    by_host: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    patterns: Patterns,
    patterns_read: usize,
    /// Whether routes were left out.
    full: bool,
}

impl Gateways {
    /// Whether there is no catalogue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.catalogues.is_empty()
    }

    /// The catalogues, by file name.
    #[must_use]
    pub fn catalogues(&self) -> &[Catalogue] {
        &self.catalogues
    }

    /// All routes, by catalogue and place.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The routes that requests of an endpoint take, or take perhaps, by their positions.
    #[must_use]
    pub fn routing(&self, host: &str, method: &str, template: &str) -> Vec<(usize, Fit)> {
        let host = super::host_name(host);
        let first = template.split('/').find(|text| !text.is_empty()).unwrap_or_default();
        let fit = |at: &usize| {
            let fit = self.routes.get(*at)?.fit(&host, method, template);
            (fit > Fit::No).then_some((*at, fit))
        };
        let mut found: Vec<(usize, Fit)> = Vec::new();
        for by_first in self.at_host(&host) {
            if first.contains('{') {
                found.extend(by_first.values().flatten().filter_map(fit));
            } else {
                let ends = first.char_indices().map(|(at, _)| at).chain([first.len()]);
                let fronts = ends.filter_map(|end| by_first.get(first.get(..end)?));
                found.extend(fronts.flatten().filter_map(fit));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The routes that may be for this host, by what they begin with.
    fn at_host(&self, host: &str) -> impl Iterator<Item = &BTreeMap<String, Vec<usize>>> {
        [self.by_host.get(host).filter(|_| !host.is_empty()), self.by_host.get("")].into_iter().flatten()
    }

    /// Whether a route names this host, or hosts like it, and all routes were read.
    #[must_use]
    pub fn answers_for(&self, host: &str) -> bool {
        let host = super::host_name(host);
        let named = |rule: &HostRule| !matches!(rule, HostRule::Any) && rule.matches(&host);
        let mut routes =
            self.at_host(&host).flat_map(BTreeMap::values).flatten().filter_map(|at| self.routes.get(*at));
        !self.full && routes.any(|route| !route.behind && route.hosts.iter().any(named))
    }

    /// Whether a file is a catalogue, or may be one further down.
    pub(super) fn may_read(tree: &Tree) -> bool {
        gateway_of(&tree.value).is_some()
            || (tree.more && (tree.value.is_null() || is_kubernetes(&tree.value)))
    }

    /// Reads a file that may hold catalogues: each of its YAML documents by itself.
    pub(super) fn read(&mut self, name: &str, text: &[u8], tree: Tree, problems: &mut Problems) {
        let Tree { value, format, duplicates, more } = tree;
        let mut found = false;
        if more {
            let mut parts = 0;
            for (lines_before, part) in yaml_parts(text) {
                parts += 1;
                if parts > MAX_PARTS {
                    let message = format!("more than {MAX_PARTS} YAML documents; what follows is not read");
                    problems.push(name, format!("line {}", lines_before + 1), message);
                    break;
                }
                match tree::read(part) {
                    Ok(Tree { value, format, duplicates, .. }) => {
                        if gateway_of(&value).is_some() {
                            found = true;
                            let text = part.to_vec();
                            let name = name.to_owned();
                            let source = Source { name, text, format, value, symbols: None, lines_before };
                            self.part(source, duplicates, problems);
                        }
                    }
                    Err(unreadable) => {
                        found = true;
                        let line = unreadable.line.map(|line| line.saturating_add(lines_before));
                        let place = line.map(|line| format!("line {line}")).unwrap_or_default();
                        // The parser counts lines from the beginning of the part.
                        let message = unreadable.message.split(" at line ").next().unwrap_or_default();
                        problems.push(name, place, format!("not read: {message}"));
                    }
                }
            }
        } else {
            found = true;
            let (name, text) = (name.to_owned(), text.to_vec());
            let source = Source { name, text, format, value, symbols: None, lines_before: 0 };
            self.part(source, duplicates, problems);
        }
        if !found {
            problems.push(name, "", "skipped: none of its YAML documents names routes of a gateway");
        }
    }

    fn part(&mut self, source: Source, duplicates: Vec<String>, problems: &mut Problems) {
        let Some(gateway) = gateway_of(&source.value) else { return };
        let mut told = Told::default();
        for pointer in duplicates {
            told.push(pointer, "this key stands twice in its object; the last one counts");
        }
        let mut sources = Sources::default();
        let file = sources.add(source);
        if let Some(root) = sources.root(file) {
            let mut found = Found { gateways: self, told: &mut told, routes: Vec::new() };
            match gateway {
                Gateway::Kong => kong::read(&root, &mut found),
                Gateway::HttpRoute => http_route::read(&root, &mut found),
                Gateway::Envoy => envoy::read(&root, &mut found),
            }
            let routes = found.routes;
            let source = sources.files().get(file);
            let lines = source.map_or_else(BTreeMap::new, |source| {
                let pointers = routes.iter().map(|one| one.pointer.as_str());
                lines::lines_of(&source.text, source.format, pointers)
            });
            let before = source.map_or(0, |source| source.lines_before);
            let line = |pointer: &str| lines.get(pointer).map(|line| line.saturating_add(before));
            self.add(sources.name(file), gateway.name(), routes, &line, &mut told);
        }
        if let Some(source) = sources.files().get(file) {
            told.finish(source, problems);
        }
    }

    /// Takes in the routes of a catalogue, or of a part of one.
    fn add(
        &mut self,
        file: &str,
        gateway: &'static str,
        routes: Vec<FoundRoute>,
        line: &dyn Fn(&str) -> Option<u32>,
        told: &mut Told,
    ) {
        let known = self.catalogues.iter().position(|one| one.file == file && one.gateway == gateway);
        let catalogue = known.unwrap_or_else(|| {
            self.catalogues.push(Catalogue { file: file.to_owned(), gateway, routes: 0 });
            self.catalogues.len() - 1
        });
        for found in routes {
            if self.routes.len() >= MAX_ROUTES {
                self.full = true;
                let message = format!("more than {MAX_ROUTES} routes of gateways; the others are left out");
                told.push(found.pointer, &message);
                break;
            }
            if let Some(one) = self.catalogues.get_mut(catalogue) {
                one.routes += usize::from(!found.behind);
            }
            let FoundRoute { name, methods, hosts, path, conditional, behind, pointer } = found;
            let mut keys: Vec<&str> = hosts
                .iter()
                .map(|rule| match rule {
                    HostRule::Exact(name) => name.as_str(),
                    HostRule::Pattern(_) | HostRule::Any => "",
                })
                .collect();
            if keys.is_empty() {
                keys.push("");
            }
            for key in keys {
                let by_first = self.by_host.entry(key.to_owned()).or_default();
                by_first.entry(path.first().to_owned()).or_default().push(self.routes.len());
            }
            let place = DocumentPlace { file: file.to_owned(), line: line(&pointer), pointer };
            self.routes.push(Route { name, methods, catalogue, place, hosts, path, conditional, behind });
        }
    }
}

/// A route on its way into the catalogues.
#[derive(Clone, Debug)]
struct FoundRoute {
    name: String,
    methods: Vec<String>,
    hosts: Vec<HostRule>,
    path: PathRule,
    conditional: bool,
    behind: bool,
    pointer: String,
}

/// What is found in one catalogue, and what is wrong with it.
struct Found<'a> {
    gateways: &'a mut Gateways,
    told: &'a mut Told,
    routes: Vec<FoundRoute>,
}

impl Found<'_> {
    fn odd(&mut self, place: &Place<'_>, message: &str) {
        self.told.push(place.pointer.clone(), message);
    }

    /// The rule of a pattern; what cannot be read may take any path.
    fn pattern(&mut self, place: &Place<'_>, pattern: &str, whole: Whole) -> PathRule {
        self.gateways.patterns_read += 1;
        let read = (self.gateways.patterns_read <= MAX_PATTERNS)
            .then(|| PathRule::pattern(pattern, whole, &mut self.gateways.patterns))
            .flatten();
        if let Some(rule) = read {
            return rule;
        }
        self.odd(place, "a pattern that is not read; its route counts as one that may take any path");
        PathRule::Unknown
    }

    /// A path that must begin with a slash.
    fn path(&mut self, place: &Place<'_>, path: &str) {
        if !path.starts_with('/') {
            self.odd(place, "a path must begin with `/`; it is read as if it did");
        }
    }

    /// The texts of a list, each with its place; what is no text is told.
    fn texts<'p>(&mut self, holder: &Place<'p>, key: &str) -> Vec<(&'p str, Place<'p>)> {
        let Some(list) = holder.raw(key).filter(|list| !list.value.is_null()) else { return Vec::new() };
        if !list.value.is_array() {
            self.odd(&list, "must be a list");
        }
        let mut all = Vec::new();
        for item in list.items() {
            match item.value {
                Node::String(text) => all.push((&**text, item)),
                _ => self.odd(&item, "must be a text"),
            }
        }
        all
    }

    /// The objects of a list.
    fn objects<'p>(&mut self, holder: &Place<'p>, key: &str) -> Vec<Place<'p>> {
        let Some(list) = holder.raw(key).filter(|list| !list.value.is_null()) else { return Vec::new() };
        if !list.value.is_array() {
            self.odd(&list, "must be a list");
        }
        let mut all = Vec::new();
        for item in list.items() {
            if item.value.is_object() {
                all.push(item);
            } else {
                self.odd(&item, "must be an object");
            }
        }
        all
    }

    /// The hosts of a list: names, `*.example.com`, `example.*` or `*`.
    fn hosts(&mut self, holder: &Place<'_>, key: &str) -> Vec<HostRule> {
        let texts = self.texts(holder, key);
        texts.into_iter().map(|(text, _)| host_rule(text)).collect()
    }
}

fn host_rule(text: &str) -> HostRule {
    let name = super::host_name(text);
    match name.split('*').collect::<Vec<_>>().as_slice() {
        ["", ""] | [""] => HostRule::Any,
        [_] => HostRule::Exact(name),
        parts => HostRule::Pattern(parts.iter().map(|part| (*part).to_owned()).collect()),
    }
}

/// Whose catalogue a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gateway {
    Kong,
    HttpRoute,
    Envoy,
}

impl Gateway {
    const fn name(self) -> &'static str {
        match self {
            Self::Kong => "Kong",
            Self::HttpRoute => "Kubernetes Gateway API",
            Self::Envoy => "Envoy",
        }
    }
}

/// Whose catalogue this is, by what it holds; `None` for what is none. Exports of AWS are OpenAPI documents too.
fn gateway_of(value: &Node) -> Option<Gateway> {
    if kong::is_catalogue(value) {
        Some(Gateway::Kong)
    } else if http_route::is_catalogue(value) {
        Some(Gateway::HttpRoute)
    } else if envoy::is_catalogue(value) {
        Some(Gateway::Envoy)
    } else {
        None
    }
}

/// Whether this is an object of Kubernetes, whatever its kind.
fn is_kubernetes(value: &Node) -> bool {
    let text = |key: &str| value.get(key).is_some_and(Node::is_string);
    text("apiVersion") && text("kind")
}

/// The YAML documents of a file, each with the number of lines before it. Three hyphens at the beginning of a line
/// end a document wherever they stand (YAML 1.2, 9.1.2).
fn yaml_parts(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = Some((0_u32, text));
    std::iter::from_fn(move || {
        let (before, left) = rest.take()?;
        let (mut at, mut line) = (0, before);
        for raw in left.split_inclusive(|byte| *byte == b'\n') {
            let ends = raw
                .strip_prefix(b"---")
                .is_some_and(|tail| tail.trim_ascii_start().len() < tail.len() || tail.is_empty());
            if ends && at > 0 {
                break;
            }
            at += raw.len();
            line = line.saturating_add(1);
        }
        let (part, tail) = left.split_at_checked(at)?;
        if part.is_empty() {
            return None;
        }
        rest = Some((line, tail));
        Some((before, part))
    })
}

#[cfg(test)]
mod tests;
