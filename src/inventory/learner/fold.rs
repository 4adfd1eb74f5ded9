//! Folds the paths of one family of hosts into templates, from the root down, in passes.
//!
//! At each position every name is judged a value or a name of the API; the values become one parameter
//! and the walk goes on below. A pass uses what the previous one found: which paths follow, which nouns
//! are followed by ids, which names are ids elsewhere. What a document knows is pinned. Near the root a
//! wrong value costs the whole API, so more is demanded there; see [`Folder::guard`].
//!
//! What is decided by a number, and why it is that one:
//!
//! - A name is a value from log-odds of 0 on: neither error is cheaper.
//! - Guarded are the first four segments without a parameter before them: a stage, a base path of two and a version.
//! - A name of which at least half goes on by values is a collection there, as collections have ids and ids have names.
//! - Up to [`MAX_VERSIONS`] dates at the root are versions: two a year for a dozen years. Elsewhere three, with three paths
//!   below each: a day has one thing or two.
//! - Five `v1`s beside each other are versions of the API: few keep more alive.
//! - A word with a number is a name when the word is one elsewhere, no other name beside it has the word, and it is not
//!   what its collection is called by: ids that are made so come in numbers, or by the name of what they identify.
//! - Enumerations save eight operations that are shared by 85 of 100, or, where more of them go on by names, six that are
//!   shared by 75 of 100: thin traffic shows not all of each.

use hashbrown::HashMap;

use super::LearnerLimits;
use super::bottom::Distinct;
use super::evidence::{
    self, Each, Feedback, Position, Style, Use, Value, Verdict, has_parameter, noun, union,
};
use super::explain::{Account, Accounts, Settled, Sibling};
use super::method::Method;
use super::segment::{self, Shape, real};
use super::sheet::{EMPTY, Prefix, Sheet, Sym};

/// Passes over the paths; the third changes little.
const PASSES: usize = 3;

/// Down to this depth (0 is the first segment) values are guarded.
const GUARDED_DEPTH: usize = 3;

/// Dated versions of an API that may stand beside each other.
const MAX_VERSIONS: usize = 24;

/// What stands at the root before everything else.
const STAGES: [&str; 22] = [
    "api",
    "apis",
    "rest",
    "services",
    "public",
    "private",
    "internal",
    "external",
    "prod",
    "production",
    "live",
    "sandbox",
    "dev",
    "development",
    "test",
    "testing",
    "stage",
    "staging",
    "uat",
    "qa",
    "preprod",
    "beta",
];

/// Names that are enough to be a crowd.
const CROWD: usize = 10;

/// A path of a family of hosts with what was seen at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// The skeleton.
    pub(super) segments: Vec<Sym>,
    /// The template so far.
    pub(super) template: Vec<Sym>,
    pub(super) methods: Vec<Usage>,
    /// What documents and operators say of each segment: whether it is a value.
    pub(super) pins: Vec<Option<bool>>,
    /// Bit `i` is set when an operator says it of segment `i`.
    pub(super) ruled: u64,
    /// The numbers of what was seen, for the owner of the paths.
    pub(super) spots: Vec<usize>,
    pub(super) tails: Vec<u32>,
}

/// Calls of one method.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) method: Method,
    pub(super) calls: u64,
    pub(super) keys: Vec<u64>,
}

impl Path {
    pub(super) fn calls(&self) -> u64 {
        self.methods.iter().map(|usage| usage.calls).sum()
    }

    /// Adds calls of a method.
    pub(super) fn add(&mut self, method: Method, calls: u64, keys: &[u64]) {
        if let Some(usage) = self.methods.iter_mut().find(|usage| usage.method == method) {
            usage.calls += calls;
            union(&mut usage.keys, keys);
        } else {
            self.methods.push(Usage { method, calls, keys: keys.to_vec() });
            self.methods.sort_by_key(|usage| usage.method);
        }
    }

    /// Whether an operator says what its last segment is.
    pub(super) fn ends_ruled(&self) -> bool {
        self.segments.len().checked_sub(1).is_some_and(|last| last < 64 && self.ruled >> last & 1 == 1)
    }

    /// Takes in another path with the same template.
    pub(super) fn absorb(&mut self, other: Self) {
        for usage in other.methods {
            self.add(usage.method, usage.calls, &usage.keys);
        }
        self.spots.extend(other.spots);
        self.ruled |= other.ruled;
        for (mine, theirs) in self.pins.iter_mut().zip(other.pins) {
            *mine = match (*mine, theirs) {
                (Some(mine), Some(theirs)) => Some(mine && theirs),
                (mine, theirs) => mine.or(theirs),
            };
        }
    }
}

/// Why a name is a value or not.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    /// Log-odds that it is a value, after the guards.
    pub(super) z: f64,
    pub(super) reasons: Vec<(&'static str, f64)>,
}

pub(super) type Decisions = HashMap<(Prefix, Sym), Decision, foldhash::fast::FixedState>;
/// Sketches of the distinct values at each marker, by the chain of the skeleton that ends there.
pub(super) type Sketches = HashMap<u32, Distinct, foldhash::fast::FixedState>;

/// The fold of one family.
pub(super) struct Folder<'s> {
    sheet: &'s mut Sheet,
    sketches: &'s Sketches,
    limits: LearnerLimits,
    pub(super) paths: Vec<Path>,
    feedback: Feedback,
    found: Feedback,
    pub(super) decisions: Decisions,
    total_calls: u64,
    /// `.json` or `.xml` when the whole API is written with it.
    extension: Option<&'static str>,
    /// What was looked at in the last pass, when that is asked for.
    pub(super) accounts: Option<Accounts>,
    last_pass: bool,
}

/// Whether an operator says what a segment of a path is.
pub(super) fn pinned_by_operator(path: &Path, at: usize) -> bool {
    at < 64 && path.ruled >> at & 1 == 1
}

impl<'s> Folder<'s> {
    pub(super) fn new(
        sheet: &'s mut Sheet,
        sketches: &'s Sketches,
        limits: LearnerLimits,
        paths: Vec<Path>,
    ) -> Self {
        let total_calls = paths.iter().map(Path::calls).sum();
        let extension = common_extension(sheet, &paths);
        Self {
            sheet,
            sketches,
            limits,
            paths,
            feedback: Feedback::default(),
            found: Feedback::default(),
            decisions: Decisions::default(),
            total_calls,
            extension,
            accounts: None,
            last_pass: false,
        }
    }

    /// Gives every path its template.
    pub(super) fn run(&mut self) {
        let parameter = self.sheet.parameter("");
        for path in &mut self.paths {
            path.template = path
                .segments
                .iter()
                .enumerate()
                .map(|(at, sym)| {
                    let symbol = self.sheet.get(*sym);
                    let constant = at == 0 && !symbol.marker && symbol.judged.shape == Shape::Int;
                    if symbol.hard() && !constant { parameter } else { *sym }
                })
                .collect();
        }
        for pass in 0..PASSES {
            for at in 0..self.paths.len() {
                self.set_tails(at);
            }
            self.found = Feedback::default();
            self.decisions.clear();
            self.last_pass = pass + 1 == PASSES;
            let mut templates = vec![Vec::new(); self.paths.len()];
            let members = (0..self.paths.len()).collect();
            self.fold(members, EMPTY, 0, pass == 0, &mut templates);
            for (path, template) in self.paths.iter_mut().zip(templates) {
                path.template = template;
            }
            self.feedback = std::mem::take(&mut self.found);
            self.count_pairs();
            self.count_styles();
        }
    }

    fn set_tails(&mut self, at: usize) {
        let Some(path) = self.paths.get_mut(at) else { return };
        path.tails.clear();
        let mut tail = EMPTY;
        path.tails.push(tail);
        for sym in path.template.iter().rev() {
            tail = self.sheet.chain(tail, *sym);
            path.tails.push(tail);
        }
        path.tails.reverse();
    }

    fn fold(
        &mut self,
        members: Vec<usize>,
        prefix: Prefix,
        depth: usize,
        first_pass: bool,
        templates: &mut Vec<Vec<Sym>>,
    ) {
        let values = self.values(members, prefix, depth, templates);
        if values.is_empty() {
            return;
        }
        let labels = self.decide(&values, prefix, depth, first_pass);
        let suffixes = self.suffixes(&values, &labels);
        let noun = noun(self.sheet, prefix);
        let mut groups: Vec<(Sym, Vec<usize>)> = Vec::new();
        let (mut ids, mut names, mut soft_ids) = (0.0, 0.0, 0.0);
        for ((value, label), suffix) in values.iter().zip(&labels).zip(suffixes) {
            let token = if *label { self.sheet.parameter(&suffix) } else { value.sym };
            match groups.iter_mut().find(|(known, _)| *known == token) {
                Some((_, group)) => group.extend_from_slice(&value.members),
                None => groups.push((token, value.members.clone())),
            }
            if *label {
                ids += value.distinct;
            } else {
                names += value.distinct;
            }
            if !value.hard {
                let counts = self.found.names.entry(value.sym).or_default();
                if *label {
                    counts.0 += 1;
                    soft_ids += 1.0;
                } else {
                    counts.1 += 1;
                }
            }
            self.found.labels.insert((prefix, value.sym), *label);
        }
        self.found.totals.insert(prefix, (ids, names, soft_ids));
        let of_noun = self.found.nouns.entry(noun).or_default();
        of_noun.0 += ids;
        of_noun.1 += names;
        for (token, mut group) in groups {
            group.sort_unstable();
            let below = self.sheet.chain(prefix, token);
            self.fold(group, below, depth + 1, first_pass, templates);
        }
    }

    /// The values at a position; paths that end here get their template.
    fn values(
        &mut self,
        members: Vec<usize>,
        prefix: Prefix,
        depth: usize,
        templates: &mut [Vec<Sym>],
    ) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::new();
        let mut index: HashMap<Sym, usize, foldhash::fast::FixedState> = HashMap::default();
        for member in members {
            let Some(path) = self.paths.get(member) else { continue };
            let Some(sym) = path.segments.get(depth).copied() else {
                if let Some(template) = templates.get_mut(member) {
                    *template = self.sheet.names(prefix);
                }
                continue;
            };
            let at = *index.entry(sym).or_insert_with(|| {
                let hard = self.sheet.get(sym).hard();
                values.push(Value { sym, hard, distinct: 1.0, calls: 0, members: Vec::new() });
                values.len() - 1
            });
            if let Some(value) = values.get_mut(at) {
                value.calls += path.calls();
                value.members.push(member);
            }
        }
        for value in &mut values {
            if self.sheet.get(value.sym).marker {
                let mut chains: Vec<u32> = Vec::new();
                for member in &value.members {
                    let segments = self.paths.get(*member).map_or(&[][..], |path| &path.segments);
                    let chain = segments
                        .iter()
                        .take(depth + 1)
                        .fold(EMPTY, |chain, sym| self.sheet.chain(chain, *sym));
                    chains.push(chain);
                }
                chains.sort_unstable();
                chains.dedup();
                let sketches = chains.iter().filter_map(|chain| self.sketches.get(chain));
                value.distinct = evidence::distinct(sketches, self.limits.distinct);
            }
        }
        values.sort_by(|a, b| self.sheet.text(a.sym).cmp(self.sheet.text(b.sym)));
        values
    }

    /// Which values become the parameter.
    fn decide(&mut self, values: &[Value], prefix: Prefix, depth: usize, first_pass: bool) -> Vec<bool> {
        let paths = &self.paths;
        let uses = |member: usize, each: &mut Each<'_>| {
            let Some(path) = paths.get(member) else { return };
            let tail = path.tails.get(depth + 1).copied().unwrap_or(EMPTY);
            for usage in &path.methods {
                each(Use { method: usage.method, calls: usage.calls, keys: &usage.keys, tail });
            }
        };
        let position = Position::new(self.sheet, values, prefix, depth, &uses);
        let verdicts = position.verdicts(&self.feedback, first_pass);
        let mut scores: Vec<f64> = verdicts
            .iter()
            .zip(values)
            .map(|(verdict, value)| match verdict {
                Some(verdict) => self.corrected(verdict.z, value, values, prefix, depth),
                None => self.hard_score(value, values, prefix, depth),
            })
            .collect();
        let before = scores.clone();
        self.crowd(&position, &verdicts, values, prefix, &mut scores);
        let crowded = scores.clone();
        self.guard(&position, values, prefix, depth, &mut scores);
        for (value, score) in values.iter().zip(&mut scores) {
            if let Some(pinned) = self.pinned(value, depth) {
                *score = if pinned { 20.0 } else { -20.0 };
            }
        }
        if self.accounts.is_some() && self.last_pass {
            let account = self.account(values, &verdicts, [&before, &crowded, &scores], depth);
            if let Some(accounts) = &mut self.accounts {
                accounts.insert(prefix, account);
            }
        }
        for ((value, verdict), score) in values.iter().zip(&verdicts).zip(&scores) {
            let reasons = verdict.as_ref().map(|verdict| verdict.reasons(5)).unwrap_or_default();
            self.decisions.insert((prefix, value.sym), Decision { z: *score, reasons });
        }
        scores.into_iter().map(|score| score > 0.0).collect()
    }

    /// What was looked at at a position. The scores are those before the crowd, before the guard, and in the end.
    fn account(
        &self,
        values: &[Value],
        verdicts: &[Option<Verdict>],
        [before, crowded, last]: [&Vec<f64>; 3],
        depth: usize,
    ) -> Account {
        let score = |scores: &Vec<f64>, at: usize| scores.get(at).copied().unwrap_or_default();
        let differ = |a: f64, b: f64| (a > 0.0) != (b > 0.0);
        let sibling = |(at, (value, verdict)): (usize, (&Value, &Option<Verdict>))| {
            let odds = score(last, at);
            let weighed = verdict.as_ref().map(|verdict| verdict.z);
            let settled = match weighed {
                _ if self.pinned(value, depth).is_some() => Settled::Document,
                _ if differ(score(crowded, at), odds) => Settled::Guard,
                _ if differ(score(before, at), score(crowded, at)) => Settled::Crowd,
                None if odds > 0.0 => Settled::Shape,
                None => Settled::Constant,
                Some(weighed) if differ(weighed, score(before, at)) => Settled::Name,
                Some(_) => Settled::Evidence,
            };
            Sibling {
                sym: value.sym,
                is_value: odds > 0.0,
                distinct: value.distinct,
                calls: value.calls,
                weighed,
                odds,
                settled,
                evidence: verdict.as_ref().map(|verdict| verdict.reasons(usize::MAX)).unwrap_or_default(),
                below: self.operations_below(value, depth),
            }
        };
        values.iter().zip(verdicts).enumerate().map(sibling).collect()
    }

    /// The operations that lie below a value, sorted.
    fn operations_below(&self, value: &Value, depth: usize) -> Vec<(Method, u32)> {
        let members = value.members.iter().filter_map(|member| self.paths.get(*member));
        let mut below: Vec<(Method, u32)> = members
            .filter_map(|path| {
                Some((path, path.tails.get(depth + 1).copied().filter(|tail| *tail != EMPTY)?))
            })
            .flat_map(|(path, tail)| path.methods.iter().map(move |usage| (usage.method, tail)))
            .collect();
        below.sort_unstable();
        below.dedup();
        below
    }

    fn pinned(&self, value: &Value, depth: usize) -> Option<bool> {
        let mut pin = None;
        for member in &value.members {
            match self.paths.get(*member).and_then(|path| path.pins.get(depth).copied().flatten()) {
                Some(false) => return Some(false),
                Some(true) => pin = Some(true),
                None => {}
            }
        }
        pin
    }

    fn has_parameter(&self, prefix: Prefix) -> bool {
        has_parameter(self.sheet, prefix)
    }

    fn parent_is_plural(&self, prefix: Prefix) -> bool {
        self.sheet.unchain(prefix).is_some_and(|(_, last)| segment::is_plural(self.sheet.text(last)))
    }

    /// What the shape of a name settles, whatever the evidence.
    fn corrected(&self, z: f64, value: &Value, values: &[Value], prefix: Prefix, depth: usize) -> f64 {
        let symbol = self.sheet.get(value.sym);
        let never = z.min(-6.0);
        if symbol.rest {
            return never;
        }
        match symbol.judged.shape {
            Shape::Known => never,
            // `chat.postMessage`, but also `ada.lovelace`: only strong evidence makes it a value.
            Shape::Rpc if self.parent_is_plural(prefix) => z,
            Shape::Rpc => z - 2.0,
            Shape::Version if symbol.text.starts_with(['v', 'V']) && !self.has_parameter(prefix) => {
                let versions = values
                    .iter()
                    .filter(|other| self.sheet.get(other.sym).judged.shape == Shape::Version)
                    .count();
                if versions <= 5 { never } else { z }
            }
            Shape::Date if self.is_dated_version(value, values, prefix, depth) => never,
            _ if self.is_name_with_number(value, values, prefix) => never,
            _ => z,
        }
    }

    /// `verify-2`, alone with its word, which is a name elsewhere: where ids are numbered words, several share the word, or
    /// it is that of their collection.
    fn is_name_with_number(&self, value: &Value, values: &[Value], prefix: Prefix) -> bool {
        let Some(word) = segment::numbered_word(&self.sheet.get(value.sym).text) else { return false };
        let elsewhere = self.sheet.find(word).and_then(|sym| self.feedback.names.get(&sym));
        if !elsewhere.is_some_and(|(as_value, as_name)| *as_name > 0 && *as_value == 0) {
            return false;
        }
        let collection = self.sheet.unchain(prefix).map_or("", |(_, last)| self.sheet.text(last));
        let shares = |other: &Value| {
            other.sym != value.sym && segment::numbered_word(&self.sheet.get(other.sym).text) == Some(word)
        };
        !segment::is_plural_of(collection, word) && !values.iter().any(shares)
    }

    /// A date before everything else, with few beside it and much below it, is a version of the API.
    fn is_dated_version(&self, value: &Value, values: &[Value], prefix: Prefix, depth: usize) -> bool {
        if depth > 2 || self.has_parameter(prefix) {
            return false;
        }
        let before = self.sheet.unchain(prefix).map_or("", |(_, last)| self.sheet.text(last));
        let at_root = before.is_empty() || STAGES.contains(&before);
        let dates =
            values.iter().filter(|other| self.sheet.get(other.sym).judged.shape == Shape::Date).count();
        let mut tails: Vec<u32> = self.tails_below(value, depth);
        let ends = tails.contains(&EMPTY);
        tails.dedup();
        // Nothing but the API stands at its root, however many versions there are; elsewhere days have a few things each.
        !ends && (at_root && dates <= MAX_VERSIONS || dates <= 3 && tails.len() >= 3 * dates)
    }

    /// The distinct tails below a value, sorted.
    fn tails_below(&self, value: &Value, depth: usize) -> Vec<u32> {
        let mut tails: Vec<u32> = value
            .members
            .iter()
            .filter_map(|member| self.paths.get(*member)?.tails.get(depth + 1).copied())
            .collect();
        tails.sort_unstable();
        tails.dedup();
        tails
    }

    /// The score of a value with a hard shape: an id, unless it looks like a constant before the API.
    fn hard_score(&self, value: &Value, values: &[Value], prefix: Prefix, depth: usize) -> f64 {
        let symbol = self.sheet.get(value.sym);
        if symbol.marker || !symbol.judged.shape.may_be_constant() || self.parent_is_plural(prefix) {
            return 9.0;
        }
        let hard: f64 = values.iter().filter(|value| value.hard).map(|value| value.distinct).sum();
        let calls: u64 = values.iter().map(|value| value.calls).sum();
        let constants: u64 = values.iter().filter(|value| value.hard).map(|value| value.calls).sum();
        let tails = self.tails_below(value, depth);
        let below = !tails.contains(&EMPTY) && tails.len() >= 2;
        let everything = calls * 5 >= self.total_calls * 3 && constants * 5 >= calls * 3;
        if hard <= 2.0 && below && everything && !self.has_parameter(prefix) { -6.0 } else { 9.0 }
    }

    /// Many names below a plural that lead to the same paths and answer alike are values, however often
    /// each is called: a population that has been seen whole looks closed, as the words of an API do.
    fn crowd(
        &self,
        position: &Position<'_>,
        verdicts: &[Option<Verdict>],
        values: &[Value],
        prefix: Prefix,
        scores: &mut [f64],
    ) {
        if !self.parent_is_plural(prefix) {
            return;
        }
        let soft = verdicts.iter().flatten().count();
        let mut alike: Vec<usize> = Vec::new();
        for (at, (value, verdict)) in values.iter().zip(verdicts).enumerate() {
            let reserved = self.sheet.get(value.sym).judged.shape == Shape::Reserved;
            let answers =
                verdict.as_ref().and_then(Verdict::likeness).is_some_and(|likeness| likeness >= 0.9);
            let (shared, below) = position.shared_below(at, &|_| true);
            if answers && !reserved && below >= 1 && shared == below {
                alike.push(at);
            }
        }
        if alike.len() >= CROWD && alike.len() * 10 >= soft * 7 {
            for at in alike {
                if let Some(score) = scores.get_mut(at) {
                    *score = score.max(1.0);
                }
            }
        }
    }

    /// Near the root a wrong parameter merges unrelated parts of the API: demand more there.
    ///
    /// What lies below a value must lie below another value too. A name with paths of its own is a
    /// service, a version, a tenant of the gateway, whatever it looks like.
    fn guard(
        &self,
        position: &Position<'_>,
        values: &[Value],
        prefix: Prefix,
        depth: usize,
        scores: &mut [f64],
    ) {
        if depth > GUARDED_DEPTH || self.has_parameter(prefix) {
            return;
        }
        let plural = self.parent_is_plural(prefix);
        let any_hard = values.iter().any(|value| value.hard);
        for _ in 0..2 {
            let labels: Vec<bool> = scores.iter().map(|score| *score > 0.0).collect();
            let claimed = labels.iter().filter(|label| **label).count();
            for (at, value) in values.iter().enumerate() {
                let Some(score) = scores.get_mut(at).filter(|score| **score > 0.0 && !value.hard) else {
                    continue;
                };
                let (shared, below) = position.shared_below(at, &|mate| labels.get(mate) == Some(&true));
                let carries = value.calls * 2 >= self.total_calls;
                let unrelated = below >= 3 && shared * 4 < below && (!plural || carries);
                let alone = below >= 1 && shared == 0 && depth <= 1 && !plural && !any_hard;
                let word = below == 0 && self.sheet.get(value.sym).judged.value < -1.0;
                let few = word && depth <= 1 && !plural && !any_hard && claimed <= 3;
                // What values follow is a collection, however much collections have in common below.
                let (by_value, all) = position.led_to_values(at);
                let wordy = self.sheet.get(value.sym).judged.value < 0.0;
                let collection = wordy && !plural && by_value * 2 >= all.max(1);
                if unrelated || alone || few || collection {
                    *score = -1.5;
                }
            }
        }
    }

    /// What stays behind the parameter for each value: a custom verb, or an extension that never varies.
    fn suffixes(&self, values: &[Value], labels: &[bool]) -> Vec<String> {
        let ids = || values.iter().zip(labels).filter(|(_, label)| **label).map(|(value, _)| value);
        let mut counts: Vec<(&str, f64)> = Vec::new();
        for value in ids() {
            let suffix = self.sheet.get(value.sym).suffix();
            match counts.iter_mut().find(|(known, _)| *known == suffix) {
                Some((_, count)) => *count += value.distinct,
                None => counts.push((suffix, value.distinct)),
            }
        }
        let total: f64 = counts.iter().map(|(_, count)| count).sum();
        let extensions = counts.iter().filter(|(suffix, _)| suffix.starts_with('.')).count();
        let machine = ids().all(|value| {
            let symbol = self.sheet.get(value.sym);
            symbol.marker && symbol.judged.shape.machine() || segment::shape(symbol.stem()).shape.machine()
        });
        values
            .iter()
            .zip(labels)
            .map(|(value, label)| {
                let suffix = self.sheet.get(value.sym).suffix();
                let count =
                    counts.iter().find(|(known, _)| *known == suffix).map_or(0.0, |(_, count)| *count);
                let constant = extensions == 1 && count >= total && (total >= 3.0 || machine);
                if *label
                    && !suffix.is_empty()
                    && (suffix.starts_with(':') || self.extension == Some(suffix) || constant)
                {
                    suffix.to_owned()
                } else {
                    String::new()
                }
            })
            .collect()
    }

    /// Counts how names are spelt, each name once.
    fn count_styles(&mut self) {
        let names = self.feedback.names.iter().filter(|(_, (as_value, as_name))| as_name > as_value);
        let mut styles = [0_u32; evidence::STYLES];
        for (sym, _) in names {
            if let Some(style) = Style::of(self.sheet.get(*sym).stem())
                && let Some(count) = styles.get_mut(style as usize)
            {
                *count += 1;
            }
        }
        self.feedback.styles = styles.map(f64::from);
    }

    /// Counts where pairs of names stand.
    fn count_pairs(&mut self) {
        for path in &self.paths {
            let mut prefix = EMPTY;
            for (name, next) in path.template.iter().zip(path.template.iter().skip(1)) {
                if !self.sheet.get(*name).parameter && !self.sheet.get(*next).parameter {
                    self.feedback.pairs.entry((*name, *next)).or_default().insert(prefix);
                }
                prefix = self.sheet.chain(prefix, *name);
            }
        }
    }
}

/// `.json` or `.xml` when nearly all paths with an extension have it.
fn common_extension(sheet: &Sheet, paths: &[Path]) -> Option<&'static str> {
    let suffix = |path: &Path| path.segments.last().map_or("", |sym| sheet.get(*sym).suffix()).to_owned();
    let ends: Vec<String> = paths.iter().map(suffix).collect();
    let with_extension = real(ends.iter().filter(|suffix| suffix.starts_with('.')).count());
    [".json", ".xml"].into_iter().find(|extension| {
        let count = real(ends.iter().filter(|suffix| suffix == extension).count());
        count > 0.0 && count >= 0.8 * with_extension && count >= 0.3 * real(ends.len())
    })
}
