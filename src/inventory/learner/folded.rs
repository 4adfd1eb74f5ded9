//! The learnt endpoints: noise told from API, paths folded, and each raw path's way to its endpoint.
//!
//! Operations that speak for the API are folded per family of hosts and become rows of their real hosts.
//! What is left (scanners, probes, preflights, files of pages, health checks) is held against the folded
//! templates: a 404 with JSON on a template that others proved is an answer of that endpoint, a 405 is a
//! probe. Nothing is claimed on the word of a refusal.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::bottom::Distinct;
use super::explain::{self, Accounts, SegmentAccount};
use super::fold::{Decisions, Folder, Path, Sketches};
use super::method::Method;
use super::noise::{self, ScannerSource, Verdicts};
use super::rank::RankKey;
use super::saved::{self, PSEUDONYM, ValuePaths};
use super::segment::{self, Shape};
use super::sheet::{EMPTY, PARAMETER, Prefix, Sheet, Sym};
use super::store::{Bounds, MARKER, Operation, Reader, Seen, Store};
use super::template::{Part, Template, TemplateSegment};
use super::{
    Documented, DocumentedRoute, Facts, Learner, LearnerLimits, RuledSegment, Ruling, Segment, enums,
    formats, hosts, path,
};
use crate::merge::Merge;

/// What an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointClass {
    /// An operation of an API. Only these are claimed.
    Api,
    /// Files of a web page.
    Static,
    /// Asked for by scanners only.
    Scanner,
    /// A browser's question before a request.
    Preflight,
    /// A check whether a server is well.
    Health,
    /// Asked for, but nothing shows that it exists.
    Probe,
    /// Paths that found no room.
    Unknown,
}

impl EndpointClass {
    /// The class as a word of the inventory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Static => "static",
            Self::Scanner => "scanner",
            Self::Preflight => "preflight",
            Self::Health => "health",
            Self::Probe => "probe",
            Self::Unknown => "unknown",
        }
    }
}

/// The answers of an endpoint, as far as they say that it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// Calls that show that it exists: answered otherwise than nonsense is, and not to scanners alone.
    pub proven: u64,
    /// Answers with a 2xx status and JSON.
    pub json: u64,
    /// Answers with a 2xx status.
    pub success: u64,
    /// Other answers that only something alive gives.
    pub other: u64,
    /// 404, 405, 410, 501 and refusals without a body.
    pub dead: u64,
}

impl Liveness {
    /// How strongly the answers say that it exists: `strong` for data, `fair` for other success, `weak` for
    /// redirects, refusals and failures alone, `none` when nonsense is answered the same.
    #[must_use]
    pub const fn strength(self) -> &'static str {
        match self {
            Self { proven: 0, .. } => "none",
            Self { json: 1.., .. } => "strong",
            Self { success: 1.., .. } => "fair",
            Self { .. } => "weak",
        }
    }

    /// What two vantages tell of calls that are mostly the same.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            proven: self.proven.max(other.proven),
            json: self.json.max(other.json),
            success: self.success.max(other.success),
            other: self.other.max(other.other),
            dead: self.dead.max(other.dead),
        }
    }
}

impl Merge for Liveness {
    fn absorb(&mut self, other: Self) {
        self.proven.absorb(other.proven);
        self.json.absorb(other.json);
        self.success.absorb(other.success);
        self.other.absorb(other.other);
        self.dead.absorb(other.dead);
    }
}

/// What spoke for or against a segment being a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// The segment's position.
    pub segment: usize,
    /// The evidence in words.
    pub evidence: &'static str,
    /// Log-odds: above zero for a value, below for a name.
    pub weight: f64,
}

/// A learnt endpoint.
#[derive(Clone, Debug)]
pub struct Learnt<'a, F> {
    /// The host; empty when unknown. Of one whose own name is not known, `hosts::hidden_domain` tells the domain.
    pub host: &'a str,
    /// The method.
    pub method: &'static str,
    /// The path.
    pub template: Template,
    /// The route of a document that it follows.
    pub route: Option<u32>,
    /// What it is for.
    pub class: EndpointClass,
    /// How it answered.
    pub liveness: Liveness,
    /// Calls.
    pub count: u64,
    /// What the owner kept of each skeleton that belongs here.
    pub facts: Vec<&'a F>,
    /// From 0.5 (a guess) to 1: how sure the least sure segment is.
    pub confidence: f32,
    /// What decided the least sure segment, the weightiest first.
    pub why: Vec<Reason>,
    /// Positions of literals that may be values: weak evidence, or no plain word.
    pub low_literals: Vec<usize>,
    /// Bit `i` is set when an operator says that segment `i` is a name.
    pub ruled_names: u64,
}

/// The outcome of a fold.
#[derive(Clone, Debug)]
pub struct Folded<'a, F> {
    /// The endpoints, by host, template and method.
    pub endpoints: Vec<Learnt<'a, F>>,
    /// Where names are held for values.
    pub values: ValuePaths,
    /// By the number of an operator's decision: the skeletons that it bears on, and those of them that a document knows.
    pub rulings: BTreeMap<usize, (u64, u64)>,
    /// Clients that ask mostly for what is not there, by address.
    pub scanners: Vec<ScannerSource>,
    api: BTreeMap<String, Tree>,
    noise: BTreeMap<String, Tree>,
}

impl<F> Folded<'_, F> {
    /// The endpoint of a request, also of one that was never seen.
    #[must_use]
    pub fn locate(&self, host: &str, method: &str, raw_path: &[u8]) -> Option<usize> {
        let method = Method::of(method);
        let path = path::normalise(raw_path);
        let segments: Vec<&str> =
            path::segments(&path).map(|segment| std::str::from_utf8(segment).unwrap_or("\u{fffd}")).collect();
        let find = |trees: &BTreeMap<String, Tree>| trees.get(host)?.locate(&segments, method);
        find(&self.api).or_else(|| find(&self.noise))
    }
}

/// The templates of one host, to be walked by raw segments.
#[derive(Clone, Debug, Default)]
struct Tree {
    nodes: Vec<TreeNode>,
}

#[derive(Clone, Debug, Default)]
struct TreeNode {
    literals: BTreeMap<String, usize>,
    /// What is constant before and behind a value, the longest first.
    parameters: Vec<(String, String, usize)>,
    rest: Option<usize>,
    /// The endpoints that end here, by method.
    ends: BTreeMap<Method, usize>,
}

/// Steps of a search after which a path counts as unknown.
const SEARCH_STEPS: usize = 4096;

impl Tree {
    fn add(&mut self, segments: &[TemplateSegment], method: Method, endpoint: usize) {
        if self.nodes.is_empty() {
            self.nodes.push(TreeNode::default());
        }
        let mut at = 0;
        for segment in segments {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            let found = match segment {
                TemplateSegment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                TemplateSegment::Rest => *node.rest.get_or_insert(next),
                TemplateSegment::Parameter { before, after, .. } => {
                    let known = node.parameters.iter().find(|(b, a, _)| b == before && a == after);
                    if let Some((_, _, found)) = known {
                        *found
                    } else {
                        node.parameters.push((before.clone(), after.clone(), next));
                        node.parameters.sort_by(|a, b| {
                            (b.0.len() + b.1.len()).cmp(&(a.0.len() + a.1.len())).then_with(|| a.cmp(b))
                        });
                        next
                    }
                }
            };
            if found == next {
                self.nodes.push(TreeNode::default());
            }
            at = found;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends.entry(method).or_insert(endpoint);
        }
    }

    fn locate(&self, segments: &[&str], method: Method) -> Option<usize> {
        self.search(segments, |node| node.ends.get(&method).copied())
    }

    /// Some endpoint whose template the path follows, whatever its method.
    fn locate_any(&self, segments: &[&str]) -> Option<usize> {
        self.search(segments, |node| node.ends.values().next().copied())
    }

    fn search(&self, segments: &[&str], end: impl Fn(&TreeNode) -> Option<usize>) -> Option<usize> {
        // Depth first, literals before parameters: the last pushed is looked at first.
        let mut waiting = vec![(0, 0)];
        let mut rest = None;
        for _ in 0..SEARCH_STEPS {
            let Some((at, depth)) = waiting.pop() else { break };
            let Some(node) = self.nodes.get(at) else { continue };
            let Some(segment) = segments.get(depth) else {
                if let Some(found) = end(node) {
                    return Some(found);
                }
                continue;
            };
            if let Some(below) = node.rest.and_then(|below| self.nodes.get(below)).and_then(&end) {
                rest = Some(below);
            }
            for (before, after, below) in node.parameters.iter().rev() {
                let constant = before.len() + after.len();
                if segment.len() > constant
                    && segment.starts_with(before.as_str())
                    && segment.ends_with(after.as_str())
                {
                    waiting.push((*below, depth + 1));
                }
            }
            if let Some(below) = node.literals.get(*segment) {
                waiting.push((*below, depth + 1));
            }
        }
        rest
    }
}

/// A skeleton of one host with all that was seen at it.
struct Spot<'a, F> {
    host: usize,
    segments: Vec<Sym>,
    operations: BTreeMap<Method, Vec<(bool, &'a Operation<F>)>>,
    route: Option<DocumentedRoute>,
    ruled: Ruled,
}

/// What operators have decided on a skeleton that no document knows.
#[derive(Clone, Debug, Default)]
struct Ruled {
    names: u64,
    values: u64,
    told: u64,
    template: Option<Vec<Sym>>,
}

impl Ruled {
    fn of(sheet: &mut Sheet, ruling: &Ruling<'_>) -> Self {
        let template = ruling.pinned.map(|pinned| {
            let token = |segment: &RuledSegment| match segment {
                RuledSegment::Name(name) => sheet.intern(name),
                RuledSegment::Parameter { before, after, .. } if before.is_empty() => sheet.parameter(after),
                RuledSegment::Parameter { before, .. } => sheet.intern(&format!("{before}{PARAMETER}")),
            };
            pinned.iter().map(token).collect()
        });
        Self { names: ruling.names, values: ruling.values, told: ruling.told, template }
    }

    /// Whether a segment is a value, where that was decided.
    const fn at(&self, segment: usize) -> Option<bool> {
        if segment >= 64 {
            return None;
        }
        match (self.names >> segment & 1 == 1, self.values >> segment & 1 == 1) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        }
    }
}

/// All calls of one method at one spot.
struct Calls<'a, F> {
    seen: Seen,
    facts: Vec<&'a F>,
    keys: Vec<u64>,
    proven: u64,
    /// Whether a scanner got answers of it.
    scanned: bool,
}

/// Everything that the fold reads, gathered from the three stores.
struct Gathered<'a, F> {
    sheet: Sheet,
    hosts: Vec<&'a str>,
    /// Hosts of one domain for which the same was decided.
    families: Vec<(&'a str, Vec<usize>)>,
    /// The family of each host.
    family_of: Vec<usize>,
    spots: Vec<Spot<'a, F>>,
    by_path: HashMap<(usize, Prefix), usize, foldhash::fast::FixedState>,
    sketches: Vec<Sketches>,
    limits: LearnerLimits,
    bounds: Bounds,
    rulings: BTreeMap<usize, (u64, u64)>,
}

impl<'a, F: Facts> Gathered<'a, F> {
    fn from(learner: &'a Learner<F>, documented: &dyn Documented) -> Self {
        let mut gathered = Self {
            sheet: Sheet::new(),
            hosts: Vec::new(),
            families: Vec::new(),
            family_of: Vec::new(),
            spots: Vec::new(),
            by_path: HashMap::default(),
            sketches: Vec::new(),
            limits: learner.limits,
            bounds: Bounds::of(&learner.limits),
            rulings: BTreeMap::new(),
        };
        let stores: [(&Store<F>, bool); 3] =
            [(&learner.proven, true), (&learner.plausible, false), (&learner.dead, false)];
        let names: BTreeSet<&str> =
            stores.iter().flat_map(|(store, _)| store.hosts()).map(|host| host.name()).collect();
        gathered.hosts = names.into_iter().collect();
        let of_host: Vec<(&str, Vec<usize>)> =
            gathered.hosts.iter().map(|host| (hosts::family(host), documented.scope(host))).collect();
        let families: BTreeSet<&(&str, Vec<usize>)> = of_host.iter().collect();
        gathered.families = families.into_iter().cloned().collect();
        gathered.family_of =
            of_host.iter().map(|family| gathered.families.binary_search(family).unwrap_or(0)).collect();
        gathered.sketches = vec![Sketches::default(); gathered.families.len()];
        for (store, proven) in stores {
            for reader in store.hosts() {
                let host = gathered.hosts.binary_search(&reader.name()).unwrap_or(0);
                gathered.collect(&reader, host, EMPTY, proven);
            }
        }
        let sheet = &gathered.sheet;
        gathered.spots.sort_by(|a, b| {
            let names =
                |spot: &Spot<'a, F>| spot.segments.iter().map(|sym| sheet.text(*sym)).collect::<Vec<_>>();
            a.host.cmp(&b.host).then_with(|| names(a).cmp(&names(b)))
        });
        gathered.by_path.clear();
        gathered
    }

    fn collect(&mut self, reader: &Reader<'a, F>, host: usize, prefix: Prefix, proven: bool) {
        for operation in reader.operations() {
            let at = *self.by_path.entry((host, prefix)).or_insert_with(|| {
                let segments = self.sheet.names(prefix);
                let (operations, ruled) = (BTreeMap::new(), Ruled::default());
                self.spots.push(Spot { host, segments, operations, route: None, ruled });
                self.spots.len() - 1
            });
            if let Some(spot) = self.spots.get_mut(at) {
                spot.operations.entry(operation.method).or_default().push((proven, operation));
            }
        }
        for below in reader.children() {
            let sym = self.sheet.intern(below.name());
            let chain = self.sheet.chain(prefix, sym);
            if self.sheet.get(sym).marker
                && let Some(sketches) =
                    self.family_of.get(host).and_then(|family| self.sketches.get_mut(*family))
            {
                let sketch: &mut Distinct = sketches.entry(chain).or_default();
                sketch.absorb(below.distinct(), self.limits.distinct);
            }
            self.collect(&below, host, chain, proven);
        }
    }

    /// At how many paths each HTML page was seen.
    fn page_places(&self) -> BTreeMap<u64, usize> {
        let mut places = BTreeMap::new();
        for spot in &self.spots {
            let pages: BTreeSet<u64> = spot
                .operations
                .values()
                .flatten()
                .filter(|(proven, operation)| !proven && operation.seen.assets == 0)
                .flat_map(|(_, operation)| operation.seen.answers.iter().map(|(page, _)| page))
                .collect();
            for page in pages {
                *places.entry(page).or_default() += 1;
            }
        }
        places
    }

    fn ask(&mut self, documented: &dyn Documented) {
        for spot in &mut self.spots {
            let segments: Vec<Segment<'_>> = spot
                .segments
                .iter()
                .map(|sym| {
                    let symbol = self.sheet.get(*sym);
                    if symbol.marker || symbol.hidden() {
                        Segment::Value { shape: symbol.judged.shape, suffix: symbol.suffix() }
                    } else {
                        Segment::Name(&symbol.text)
                    }
                })
                .collect();
            let known = !spot.segments.iter().any(|sym| self.sheet.get(*sym).rest);
            if known && let Some(host) = self.hosts.get(spot.host) {
                let methods: Vec<&str> = spot.operations.keys().map(|method| method.name()).collect();
                spot.route = documented.route(host, &methods, &segments);
                let ruling = documented.ruling(host, &segments);
                for used in &ruling.used {
                    let (paths, overruled) = self.rulings.entry(*used).or_default();
                    *paths += 1;
                    *overruled += u64::from(spot.route.is_some());
                }
                if spot.route.is_none() {
                    spot.ruled = Ruled::of(&mut self.sheet, &ruling);
                }
            }
        }
    }

    fn calls(&self, spot: &Spot<'a, F>, method: Method, verdicts: &Verdicts) -> Calls<'a, F> {
        let mut calls =
            Calls { seen: Seen::default(), facts: Vec::new(), keys: Vec::new(), proven: 0, scanned: false };
        let host = self.hosts.get(spot.host).map_or(0, |host| verdicts.rank_of(host));
        for (proven, operation) in spot.operations.get(&method).into_iter().flatten() {
            calls.seen.absorb(&operation.seen, &self.bounds);
            calls.proven += verdicts.proven_calls(&operation.seen, host);
            calls.scanned |= verdicts.is_scanned(&operation.seen);
            calls.facts.push(&operation.facts);
            if *proven {
                super::evidence::union(&mut calls.keys, &operation.facts.response_keys());
            }
        }
        calls.keys.truncate(self.limits.response_keys);
        calls
    }
}

/// Folds all that a learner holds.
pub(super) fn fold<'a, F: Facts>(learner: &'a Learner<F>, documented: &dyn Documented) -> Folded<'a, F> {
    let mut gathered = Gathered::from(learner, documented);
    gathered.ask(documented);
    let verdicts = learner.tables.verdicts(&gathered.page_places());
    let mut rows = Rows::default();
    for family in 0..gathered.families.len() {
        fold_family(&mut gathered, family, learner.proven.key(), &verdicts, &mut rows, &mut None);
    }
    let mut folded = rows.finish(&gathered.hosts, gathered.rulings);
    folded.scanners = verdicts.sources;
    folded
}

/// A template that is to be explained.
struct Wanted<'w> {
    host: &'w str,
    method: Method,
    template: String,
    route: Option<u32>,
    /// The segments of a path that was asked about.
    asked: Option<Vec<String>>,
    paths: usize,
    found: Option<Vec<SegmentAccount>>,
}

/// Explains a template that a fold gave.
pub(super) fn explain<F: Facts>(
    learner: &Learner<F>,
    documented: &dyn Documented,
    learnt: &Learnt<'_, F>,
    asked: Option<&[u8]>,
) -> Option<(usize, Vec<SegmentAccount>)> {
    let mut gathered = Gathered::from(learner, documented);
    gathered.ask(documented);
    let verdicts = learner.tables.verdicts(&gathered.page_places());
    let asked = asked.map(|asked| {
        let path = path::normalise(asked);
        path::segments(&path).map(|segment| String::from_utf8_lossy(segment).into_owned()).collect()
    });
    let mut wanted = Some(Wanted {
        host: learnt.host,
        method: Method::of(learnt.method),
        template: nameless(&learnt.template),
        route: learnt.route,
        asked,
        paths: 0,
        found: None,
    });
    let mut rows = Rows::default();
    for family in 0..gathered.families.len() {
        fold_family(&mut gathered, family, learner.proven.key(), &verdicts, &mut rows, &mut wanted);
    }
    let wanted = wanted?;
    Some((wanted.paths, wanted.found?))
}

/// Directories, by the chain of their path, in which something answers with JSON.
type JsonDirectories = BTreeSet<Prefix>;

fn fold_family<'a, F: Facts>(
    gathered: &mut Gathered<'a, F>,
    family: usize,
    key: RankKey,
    verdicts: &Verdicts,
    rows: &mut Rows<'a, F>,
    wanted: &mut Option<Wanted<'_>>,
) {
    let members: Vec<usize> = gathered
        .spots
        .iter()
        .enumerate()
        .filter(|(_, spot)| gathered.family_of.get(spot.host) == Some(&family))
        .map(|(at, _)| at)
        .collect();
    let mut sheet = std::mem::take(&mut gathered.sheet);
    let mut json: JsonDirectories = BTreeSet::new();
    for spot in members.iter().filter_map(|at| gathered.spots.get(*at)) {
        let answers_json = spot.operations.values().flatten().any(|(_, operation)| operation.seen.json > 0);
        if answers_json {
            json.insert(directory(&mut sheet, &spot.segments));
        }
    }
    let mut paths: Vec<Path> = Vec::new();
    let mut by_chain: BTreeMap<Prefix, usize> = BTreeMap::new();
    let mut left: Vec<(usize, Method, EndpointClass, Calls<'a, F>)> = Vec::new();
    let mut api: Vec<(usize, Method, Calls<'a, F>)> = Vec::new();
    for at in members {
        let Some(spot) = gathered.spots.get(at) else { continue };
        let chain = chain(&mut sheet, &spot.segments);
        let in_json = json.contains(&directory(&mut sheet, &spot.segments));
        for method in spot.operations.keys().copied() {
            let calls = gathered.calls(spot, method, verdicts);
            let class = classify(&sheet, spot, method, &calls, in_json);
            if class != EndpointClass::Api {
                left.push((at, method, class, calls));
                continue;
            }
            let number = *by_chain.entry(chain).or_insert_with(|| {
                paths.push(Path {
                    segments: spot.segments.clone(),
                    pins: vec![None; spot.segments.len()],
                    ..Path::default()
                });
                paths.len() - 1
            });
            if let Some(path) = paths.get_mut(number) {
                path.add(method, calls.proven.max(1), &calls.keys);
                pin(path, spot.route, &spot.ruled);
                if spot.route.is_none() && calls.facts.iter().any(|facts| facts.is_procedure()) {
                    path.pins.fill(Some(false));
                }
                path.spots.push(at);
            }
            api.push((at, method, calls));
        }
    }
    paths.sort_by(|a, b| {
        let names = |path: &Path| path.segments.iter().map(|sym| sheet.text(*sym)).collect::<Vec<_>>();
        names(a).cmp(&names(b))
    });
    let paths = formats::merge_formats(&mut sheet, paths);
    let sketches = gathered.sketches.get_mut(family).map(std::mem::take).unwrap_or_default();
    let mut folder = Folder::new(&mut sheet, &sketches, gathered.limits, paths);
    folder.accounts = wanted.is_some().then(Accounts::default);
    folder.run();
    let (mut paths, decisions) = (folder.paths, folder.decisions);
    let accounts = folder.accounts;
    let folded_tokens: Vec<Vec<Sym>> = paths.iter().map(|path| path.template.clone()).collect();
    enums::fold_enums(&mut sheet, &mut paths);
    formats::fold_formats(&mut sheet, &mut paths);

    let mut path_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, path) in paths.iter().enumerate() {
        for spot in &path.spots {
            path_of.insert(*spot, number);
        }
    }
    let mut certainty = Certainty { sheet: &mut sheet, decisions: &decisions };
    let sure: Vec<Vec<Judgement>> =
        paths.iter().zip(&folded_tokens).map(|(path, tokens)| certainty.of(path, tokens)).collect();
    let shapes = value_shapes(&sheet, &paths);
    for (at, method, calls) in api {
        let (Some(spot), Some(number)) = (gathered.spots.get(at), path_of.get(&at)) else { continue };
        let (Some(path), Some(sure)) = (paths.get(*number), sure.get(*number)) else { continue };
        let tokens = routed(&mut sheet, path, spot);
        if let Some(host) = gathered.hosts.get(spot.host) {
            rows.note_values(&sheet, key, host, (&spot.segments, spot.ruled.told), &tokens);
        }
        let template = template_of(&sheet, &tokens, &shapes);
        if let (Some(wanted), Some(accounts)) = (wanted.as_mut(), &accounts)
            && wanted.is(gathered.hosts.get(spot.host).copied(), method, &template, spot.route)
        {
            let before = folded_tokens.get(*number).map_or(&[][..], Vec::as_slice);
            wanted.note(&mut sheet, accounts, (path, before, &tokens), spot.route.is_some());
        }
        rows.add(spot.host, method, template, spot.route, EndpointClass::Api, calls, sure, spot.ruled.names);
    }
    for (at, method, class, calls) in left {
        let Some(spot) = gathered.spots.get(at) else { continue };
        rows.add_left(&sheet, gathered, spot, method, class, calls);
    }
    gathered.sheet = sheet;
}

impl Wanted<'_> {
    /// Takes note of a path that it stands for, with what the fold and what came after it made of it.
    fn note(
        &mut self,
        sheet: &mut Sheet,
        accounts: &Accounts,
        (path, before, template): (&Path, &[Sym], &[Sym]),
        documented: bool,
    ) {
        self.paths += 1;
        if self.found.is_some() {
            return;
        }
        let asked = self.asked.as_ref();
        let asked: Option<Vec<Sym>> = asked.map(|asked| asked.iter().map(|name| kept(sheet, name)).collect());
        let asked = asked.as_deref();
        self.found = Some(explain::account(sheet, accounts, path, before, template, documented, asked));
    }

    fn is(
        &self,
        host: Option<&str>,
        method: Method,
        template: &Template,
        route: Option<DocumentedRoute>,
    ) -> bool {
        let host = host.filter(|host| !host.starts_with(['\u{1}', PSEUDONYM])).unwrap_or_default();
        host == self.host
            && method == self.method
            && route.map(|route| route.id) == self.route
            && nameless(template) == self.template
    }
}

/// A segment as the learner keeps it: a name, or a marker of its shape.
fn kept(sheet: &mut Sheet, name: &str) -> Sym {
    let judged = segment::judge(name);
    if judged.hard() {
        let (_, suffix) = segment::split_suffix(name);
        return sheet.intern(&format!("{MARKER}{}{suffix}", judged.shape.letter()));
    }
    sheet.intern(name)
}

fn chain(sheet: &mut Sheet, names: &[Sym]) -> Prefix {
    names.iter().fold(EMPTY, |prefix, sym| sheet.chain(prefix, *sym))
}

fn directory(sheet: &mut Sheet, names: &[Sym]) -> Prefix {
    chain(sheet, names.split_last().map_or(&[][..], |(_, before)| before))
}

/// Writes down what a route, or else an operator, says of each segment.
fn pin(path: &mut Path, route: Option<DocumentedRoute>, ruled: &Ruled) {
    let Some(route) = route else {
        for (at, pin) in path.pins.iter_mut().enumerate() {
            if let Some(value) = ruled.at(at) {
                *pin = Some(pin.unwrap_or(true) && value);
                path.ruled |= 1 << at;
            }
        }
        return;
    };
    for (at, pin) in path.pins.iter_mut().enumerate() {
        let value = at < 64 && route.parameters >> at & 1 == 1;
        *pin = Some(pin.unwrap_or(true) && value);
    }
}

/// The template of a spot: the document's where there is one, then the operator's.
fn routed<F>(sheet: &mut Sheet, path: &Path, spot: &Spot<'_, F>) -> Vec<Sym> {
    let Some(route) = spot.route else {
        return spot.ruled.template.as_ref().unwrap_or(&path.template).clone();
    };
    let mut tokens = Vec::with_capacity(spot.segments.len());
    for (at, sym) in spot.segments.iter().enumerate() {
        let value = at < 64 && route.parameters >> at & 1 == 1;
        let symbol = sheet.get(*sym);
        if value || symbol.marker || symbol.hidden() {
            let suffix = match symbol.suffix() {
                suffix @ (".json" | ".xml") => suffix.to_owned(),
                suffix if suffix.starts_with(':') => suffix.to_owned(),
                _ => String::new(),
            };
            tokens.push(sheet.parameter(&suffix));
        } else {
            tokens.push(*sym);
        }
    }
    tokens
}

/// What kind of operation it is, before anything is folded.
fn classify<F>(
    sheet: &Sheet,
    spot: &Spot<'_, F>,
    method: Method,
    calls: &Calls<'_, F>,
    json_directory: bool,
) -> EndpointClass {
    let seen = &calls.seen;
    let names: Vec<&str> = spot.segments.iter().map(|sym| sheet.text(*sym)).collect();
    let live = seen.json + seen.plain + seen.other;
    let read = matches!(method, Method::GET | Method::HEAD);
    if method == Method::OPTIONS {
        return EndpointClass::Preflight;
    }
    if method.diagnostic() {
        return EndpointClass::Probe;
    }
    if spot.segments.iter().any(|sym| sheet.get(*sym).rest) {
        return EndpointClass::Unknown;
    }
    if (spot.route.is_some() || spot.ruled.template.is_some()) && live > 0 {
        return EndpointClass::Api;
    }
    if live == 0 {
        let hostile = seen.hostile > 0;
        return if hostile { EndpointClass::Scanner } else { EndpointClass::Probe };
    }
    if read && names.len() <= 2 && names.last().is_some_and(|last| noise::is_root_file(last)) {
        return EndpointClass::Static;
    }
    if read && seen.json == 0 && !json_directory && seen.assets > 0 && seen.assets * 2 >= live {
        return EndpointClass::Static;
    }
    if calls.proven == 0 {
        let scanned = calls.scanned || seen.hostile + seen.suspicious > 0;
        return if scanned { EndpointClass::Scanner } else { EndpointClass::Probe };
    }
    // Where an answer in JSON might be an API's, only names that nobody else uses tell.
    if read && noise::is_health_path(&names) && (seen.json == 0 || noise::is_probe_path(&names)) {
        return EndpointClass::Health;
    }
    if method == Method::POST && noise::is_grpc_health(&names) {
        return EndpointClass::Health;
    }
    if read && seen.json == 0 && names.last().is_some_and(|last| noise::is_document(last)) {
        return EndpointClass::Static;
    }
    EndpointClass::Api
}

/// The shape of most values at each parameter, by the template's chain up to it.
type Shapes = BTreeMap<Vec<Sym>, Shape>;

fn value_shapes(sheet: &Sheet, paths: &[Path]) -> Shapes {
    let mut counts: BTreeMap<Vec<Sym>, BTreeMap<Shape, u64>> = BTreeMap::new();
    for path in paths {
        for (at, (token, segment)) in path.template.iter().zip(&path.segments).enumerate() {
            if sheet.get(*token).parameter {
                let prefix = path.template.get(..=at).unwrap_or_default().to_vec();
                *counts.entry(prefix).or_default().entry(sheet.get(*segment).judged.shape).or_default() +=
                    path.calls();
            }
        }
    }
    counts
        .into_iter()
        .filter_map(|(prefix, shapes)| {
            let (shape, _) =
                shapes.into_iter().max_by_key(|(shape, count)| (*count, std::cmp::Reverse(*shape)))?;
            Some((prefix, shape))
        })
        .collect()
}

fn template_of(sheet: &Sheet, tokens: &[Sym], shapes: &Shapes) -> Template {
    let parts: Vec<Part<'_>> = tokens
        .iter()
        .enumerate()
        .map(|(at, sym)| {
            let symbol = sheet.get(*sym);
            let shape = || {
                tokens
                    .get(..=at)
                    .and_then(|prefix| shapes.get(prefix).copied())
                    .unwrap_or(symbol.judged.shape)
            };
            if symbol.rest {
                Part::Rest
            } else if symbol.parameter {
                Part::Parameter { before: "", after: symbol.suffix(), shape: shape() }
            } else if symbol.marker {
                Part::Parameter { before: "", after: symbol.suffix(), shape: symbol.judged.shape }
            } else if let Some(before) = symbol.text.strip_suffix(PARAMETER) {
                Part::Parameter { before, after: "", shape: Shape::Known }
            } else {
                Part::Literal(&symbol.text)
            }
        })
        .collect();
    Template::of(&parts)
}

/// How sure one segment of a path is.
#[derive(Clone, Debug)]
struct Judgement {
    z: f64,
    reasons: Vec<(&'static str, f64)>,
    /// A literal that may be a value.
    doubtful: bool,
}

struct Certainty<'s> {
    sheet: &'s mut Sheet,
    decisions: &'s Decisions,
}

impl Certainty<'_> {
    fn of(&mut self, path: &Path, folded: &[Sym]) -> Vec<Judgement> {
        let mut prefix = EMPTY;
        let mut judgements = Vec::with_capacity(folded.len());
        for (at, (sym, token)) in path.segments.iter().zip(folded).enumerate() {
            let decision = self.decisions.get(&(prefix, *sym));
            let z = decision.map_or(0.0, |decision| decision.z);
            let is_parameter = path.template.get(at).is_some_and(|sym| self.sheet.get(*sym).parameter);
            let plain = self.sheet.get(*sym).judged.value < -1.0;
            judgements.push(Judgement {
                z,
                reasons: decision.map(|decision| decision.reasons.clone()).unwrap_or_default(),
                doubtful: !is_parameter && (z > -1.0 || !plain),
            });
            prefix = self.sheet.chain(prefix, *token);
        }
        judgements
    }
}

/// An endpoint while its members are gathered.
struct Row<'a, F> {
    template: Template,
    route: Option<u32>,
    class: EndpointClass,
    liveness: Liveness,
    count: u64,
    facts: Vec<&'a F>,
    /// Per segment: the surest member's judgement.
    sure: Vec<Judgement>,
    ruled_names: u64,
}

/// Host, path as written without parameter names, route, method, class.
type RowKey = (usize, String, Option<u32>, Method, EndpointClass);

struct Rows<'a, F> {
    by_key: BTreeMap<RowKey, Row<'a, F>>,
    /// Where the templates of the API lead, per host.
    trees: BTreeMap<usize, (Tree, Vec<RowKey>)>,
    values: ValuePaths,
}

impl<F> Default for Rows<'_, F> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), trees: BTreeMap::new(), values: ValuePaths::default() }
    }
}

/// A template with all parameters alike.
fn nameless(template: &Template) -> String {
    let mut text = String::new();
    for segment in template.segments() {
        text.push('/');
        match segment {
            TemplateSegment::Literal(name) => text.push_str(name),
            TemplateSegment::Parameter { before, after, .. } => {
                text.push_str(before);
                text.push_str(PARAMETER);
                text.push_str(after);
            }
            TemplateSegment::Rest => text.push('\u{2}'),
        }
    }
    text
}

impl<'a, F: Facts> Rows<'a, F> {
    #[expect(clippy::too_many_arguments, reason = "the parts of a row")]
    fn add(
        &mut self,
        host: usize,
        method: Method,
        template: Template,
        route: Option<DocumentedRoute>,
        class: EndpointClass,
        calls: Calls<'a, F>,
        sure: &[Judgement],
        ruled_names: u64,
    ) {
        let route = route.map(|route| route.id);
        let key: RowKey = (host, nameless(&template), route, method, class);
        if class == EndpointClass::Api && !self.by_key.contains_key(&key) {
            let (tree, keys) = self.trees.entry(host).or_default();
            tree.add(template.segments(), method, keys.len());
            keys.push(key.clone());
        }
        let row = self.by_key.entry(key).or_insert_with(|| Row {
            template,
            route,
            class,
            liveness: Liveness::default(),
            count: 0,
            facts: Vec::new(),
            sure: Vec::new(),
            ruled_names,
        });
        row.ruled_names |= ruled_names;
        row.take(calls);
        for (at, judgement) in sure.iter().enumerate() {
            match row.sure.get_mut(at) {
                Some(known) if judgement.z.abs() > known.z.abs() => *known = judgement.clone(),
                Some(_) => {}
                None => row.sure.push(judgement.clone()),
            }
        }
    }

    /// Takes note of the names of a path that its template takes for values, but of those that an operator has told.
    fn note_values(
        &mut self,
        sheet: &Sheet,
        key: RankKey,
        host: &str,
        (segments, told): (&[Sym], u64),
        template: &[Sym],
    ) {
        let rank_of = |text: &str| saved::rank(text).unwrap_or_else(|| key.rank(text.as_bytes()));
        let mut path = key.rank_pair(0, rank_of(host));
        for (at, (segment, token)) in segments.iter().zip(template).enumerate() {
            let symbol = sheet.get(*segment);
            path = key.rank_pair(path, rank_of(&symbol.text));
            let told = at < 64 && told >> at & 1 == 1;
            if sheet.get(*token).parameter && !symbol.marker && !told {
                self.values.insert(path);
            }
        }
    }

    /// Adds what was not folded, at the template it follows if there is one.
    fn add_left(
        &mut self,
        sheet: &Sheet,
        gathered: &Gathered<'a, F>,
        spot: &Spot<'a, F>,
        method: Method,
        class: EndpointClass,
        calls: Calls<'a, F>,
    ) {
        let tokens = spot.ruled.template.as_ref().unwrap_or(&spot.segments);
        let template = template_of(sheet, tokens, &Shapes::new());
        let written: Vec<String> = spot
            .segments
            .iter()
            .map(|sym| {
                let symbol = sheet.get(*sym);
                if symbol.marker { format!("\u{1}{}", symbol.suffix()) } else { symbol.text.to_string() }
            })
            .collect();
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let known = matches!(class, EndpointClass::Probe | EndpointClass::Scanner | EndpointClass::Preflight)
            .then(|| self.trees.get(&spot.host))
            .flatten()
            .filter(|_| gathered.hosts.get(spot.host).is_some());
        if let Some((tree, keys)) = known {
            if let Some(row) = tree
                .locate(&written, method)
                .and_then(|at| keys.get(at))
                .and_then(|key| self.by_key.get_mut(key))
            {
                row.take(calls);
                return;
            }
            if let Some(key) = tree.locate_any(&written).and_then(|at| keys.get(at)).cloned()
                && let Some(row) = self.by_key.get(&key)
            {
                let proven = class == EndpointClass::Probe && calls.seen.missing > 0;
                let class = if proven { EndpointClass::Api } else { class };
                let (template, sure) = (row.template.clone(), row.sure.clone());
                let names = row.ruled_names;
                self.add(spot.host, method, template, spot.route, class, calls, &sure, names);
                return;
            }
        }
        let template = if class == EndpointClass::Static { directory_template(&template) } else { template };
        self.add(spot.host, method, template, spot.route, class, calls, &[], spot.ruled.names);
    }

    fn finish(self, hosts: &[&'a str], rulings: BTreeMap<usize, (u64, u64)>) -> Folded<'a, F> {
        let mut endpoints: Vec<(Learnt<'a, F>, Method)> = Vec::with_capacity(self.by_key.len());
        for ((host, _, _, method, _), row) in self.by_key {
            let host = hosts.get(host).copied().unwrap_or_default();
            let unknown = hosts::is_hidden(host) && hosts::hidden_domain(host).is_empty();
            let host = if unknown { "" } else { host };
            endpoints.push((row.into_learnt(host, method), method));
        }
        endpoints.sort_by_cached_key(|(learnt, method)| {
            (learnt.host, learnt.template.to_string(), *method, learnt.class, learnt.route)
        });
        let mut api: BTreeMap<String, Tree> = BTreeMap::new();
        let mut noise: BTreeMap<String, Tree> = BTreeMap::new();
        for (at, (learnt, method)) in endpoints.iter().enumerate() {
            let trees = if learnt.class == EndpointClass::Api { &mut api } else { &mut noise };
            trees.entry(learnt.host.to_owned()).or_default().add(learnt.template.segments(), *method, at);
        }
        Folded {
            endpoints: endpoints.into_iter().map(|(learnt, _)| learnt).collect(),
            values: self.values,
            rulings,
            scanners: Vec::new(),
            api,
            noise,
        }
    }
}

/// `/assets/{file}` for the files of a directory; files at the root keep their names.
fn directory_template(template: &Template) -> Template {
    let segments = template.segments();
    let Some((_, before)) = segments.split_last().filter(|(_, before)| !before.is_empty()) else {
        return template.clone();
    };
    let mut parts: Vec<Part<'_>> = before
        .iter()
        .map(|segment| match segment {
            TemplateSegment::Literal(text) => Part::Literal(text),
            TemplateSegment::Parameter { before, after, shape, .. } => {
                Part::Parameter { before, after, shape: *shape }
            }
            TemplateSegment::Rest => Part::Rest,
        })
        .collect();
    parts.push(Part::Parameter { before: "", after: "", shape: Shape::Word });
    Template::of(&parts)
}

impl<'a, F> Row<'a, F> {
    fn take(&mut self, calls: Calls<'a, F>) {
        self.count += calls.seen.calls;
        self.liveness.proven += calls.proven;
        self.liveness.json += calls.seen.json;
        self.liveness.success += calls.seen.json + calls.seen.plain;
        self.liveness.other += calls.seen.other;
        self.liveness.dead += calls.seen.dead;
        self.facts.extend(calls.facts);
    }

    fn into_learnt(self, host: &'a str, method: Method) -> Learnt<'a, F> {
        let least = self
            .sure
            .iter()
            .enumerate()
            .min_by(|a, b| a.1.z.abs().total_cmp(&b.1.z.abs()).then_with(|| a.0.cmp(&b.0)));
        let sureness = |z: f64| 1.0 / (1.0 + (-z.abs()).exp());
        #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
        let confidence = least.map_or(1.0, |(_, judgement)| sureness(judgement.z)) as f32;
        let why = least
            .map(|(segment, judgement)| {
                judgement
                    .reasons
                    .iter()
                    .map(|(evidence, weight)| Reason { segment, evidence, weight: *weight })
                    .collect()
            })
            .unwrap_or_default();
        let low_literals = self
            .template
            .segments()
            .iter()
            .enumerate()
            .filter(|(at, segment)| {
                let doubtful = self.sure.get(*at).is_none_or(|judgement| judgement.doubtful);
                let ruled = *at < 64 && self.ruled_names >> at & 1 == 1;
                matches!(segment, TemplateSegment::Literal(_)) && doubtful && self.route.is_none() && !ruled
            })
            .map(|(at, _)| at)
            .collect();
        Learnt {
            host,
            method: method.name(),
            template: self.template,
            route: self.route,
            class: self.class,
            liveness: self.liveness,
            count: self.count,
            facts: self.facts,
            confidence,
            why,
            low_literals,
            ruled_names: self.ruled_names,
        }
    }
}
