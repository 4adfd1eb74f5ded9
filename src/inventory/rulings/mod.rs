//! What operators have decided on path templates, and how it bears on what is learnt.
//!
//! Decisions come from a YAML file ([`Rulings::read`]). A *pin* gives a template: what fits it belongs to it, and
//! what lies below follows its parameters. A *split* names segments that are kept apart where the learner would
//! make one parameter of them; a *merge* makes one parameter of names that it would keep apart; a *name* calls a
//! parameter something. Each may be limited to hosts.
//!
//! The order is: a document's route, then these decisions, then evidence. Between decisions a name goes before a
//! parameter: where a pin or a split names a segment, no pin's or merge's parameter takes it.

mod read;
#[cfg(test)]
mod tests;

pub use read::fuzz;

use super::learner::{RuledSegment, Ruling, Segment, Template, TemplateSegment, split_suffix};
use std::collections::{BTreeMap, BTreeSet};

/// What operators have decided. See the module's doc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rulings {
    rules: Vec<Rule>,
}

/// A decision that was used, or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Where it stands: file and line.
    pub place: String,
    /// The decision in words.
    pub text: String,
    /// Paths that it bears on, ids in them counted once; for a name, templates.
    pub paths: u64,
    /// How many of them follow a document, which goes before it.
    pub overruled: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    /// Patterns in which `*` stands for anything; none for every host.
    hosts: Vec<String>,
    /// For a pin and a name the template; for the others what stands before the segment that they are about.
    pattern: Vec<RuledSegment>,
    place: String,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Pin,
    /// Names that are kept apart.
    Split(BTreeSet<String>),
    /// Names that are values, or all that follow.
    Merge(Option<BTreeSet<String>>),
    Name,
}

impl Rule {
    fn is_for(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| matches(pattern, host))
    }

    /// Whether it has something to say of the segment at `depth`, and whether that is a name.
    fn claims(&self, depth: usize, segment: &Segment<'_>) -> Option<Claim> {
        match &self.kind {
            Kind::Pin => match self.pattern.get(depth)? {
                RuledSegment::Name(name) => {
                    (*segment == Segment::Name(name)).then_some(Claim { is_name: true, told: true })
                }
                parameter @ RuledSegment::Parameter { .. } => {
                    fits(parameter, segment).then_some(Claim { is_name: false, told: false })
                }
            },
            Kind::Split(names) => {
                let told = depth == self.pattern.len() && holds(names, segment);
                told.then_some(Claim { is_name: true, told })
            }
            Kind::Merge(names) => {
                let told = names.as_ref().is_some_and(|names| holds(names, segment));
                (depth == self.pattern.len() && (told || names.is_none()))
                    .then_some(Claim { is_name: false, told })
            }
            Kind::Name => None,
        }
    }

    /// Whether it is still about a path that has this segment at `depth`.
    fn goes_on(&self, depth: usize, segment: &Segment<'_>, is_name: bool) -> bool {
        self.pattern.get(depth).is_some_and(|pattern| match pattern {
            RuledSegment::Name(name) => *segment == Segment::Name(name),
            parameter @ RuledSegment::Parameter { .. } => !is_name && fits(parameter, segment),
        })
    }
}

/// What a decision says of a segment.
#[derive(Clone, Copy, Debug)]
struct Claim {
    is_name: bool,
    /// Whether the decision tells the segment by its name.
    told: bool,
}

fn holds(names: &BTreeSet<String>, segment: &Segment<'_>) -> bool {
    matches!(segment, Segment::Name(name) if names.contains(*name))
}

/// Whether a parameter may stand for a segment. One without a constant behind it stands for no `id:verb`: that is an
/// operation of its own.
fn fits(parameter: &RuledSegment, segment: &Segment<'_>) -> bool {
    let RuledSegment::Parameter { before, after, .. } = parameter else { return false };
    match segment {
        Segment::Name(name) => {
            name.len() > before.len() + after.len()
                && name.starts_with(before.as_str())
                && name.ends_with(after.as_str())
                && (!after.is_empty() || !split_suffix(name).1.starts_with(':'))
        }
        Segment::Value { suffix, .. } => {
            before.is_empty() && (after == suffix || after.is_empty() && !suffix.starts_with(':'))
        }
    }
}

/// Whether a host follows a pattern in which `*` stands for anything.
pub(super) fn matches(pattern: &str, host: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| host.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

impl Rulings {
    /// Whether nothing was decided.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many decisions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// What of the decisions that are limited to hosts is for this one; hosts of which that is the same may be looked
    /// at together.
    pub(super) fn scope(&self, host: &str) -> Vec<usize> {
        let limited = self.rules.iter().enumerate().filter(|(_, rule)| !rule.hosts.is_empty());
        limited.filter(|(_, rule)| rule.is_for(host)).map(|(at, _)| at).collect()
    }

    /// What is decided on a path.
    pub(super) fn ruling(&self, host: &str, segments: &[Segment<'_>]) -> Ruling<'_> {
        let mut ruling = Ruling::default();
        let mut alive: Vec<usize> = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.kind != Kind::Name && rule.is_for(host) {
                alive.push(at);
            }
        }
        for (depth, segment) in segments.iter().enumerate().take(64) {
            let claim = |at: &usize| Some((*at, self.rules.get(*at)?.claims(depth, segment)?));
            let claims: Vec<(usize, Claim)> = alive.iter().filter_map(claim).collect();
            let is_name = claims.iter().any(|(_, claim)| claim.is_name);
            ruling.told |= u64::from(claims.iter().any(|(_, claim)| claim.told)) << depth;
            if is_name {
                ruling.names |= 1 << depth;
            } else if !claims.is_empty() {
                ruling.values |= 1 << depth;
            }
            // A pin is used when the whole of it fits, which shows below.
            let of_one_segment = |at: usize| {
                self.rules.get(at).is_some_and(|rule| matches!(rule.kind, Kind::Split(_) | Kind::Merge(_)))
            };
            let won = claims.iter().filter(|(_, claim)| claim.is_name == is_name).map(|(at, _)| *at);
            ruling.used.extend(won.filter(|at| of_one_segment(*at)));
            alive.retain(|at| {
                let Some(rule) = self.rules.get(*at) else { return false };
                let stays = rule.goes_on(depth, segment, is_name);
                if stays && rule.kind == Kind::Pin && rule.pattern.len() == depth + 1 {
                    ruling.used.push(*at);
                    if segments.len() == depth + 1 {
                        ruling.pinned.get_or_insert(&rule.pattern);
                    }
                }
                stays
            });
            if alive.is_empty() {
                break;
            }
        }
        ruling.used.sort_unstable();
        ruling.used.dedup();
        ruling
    }

    /// Calls the parameters of a template what was decided, and tells which decisions did so.
    pub(super) fn name(&self, host: &str, template: &mut Template) -> Vec<usize> {
        let mut used = Vec::new();
        let mut named = BTreeSet::new();
        // What is only about names goes before what is also about them.
        for kind in [&Kind::Name, &Kind::Pin] {
            let rules = self.rules.iter().enumerate();
            for (number, rule) in rules.filter(|(_, rule)| rule.kind == *kind && rule.is_for(host)) {
                let segments = template.segments();
                let same = |(pattern, segment): (&RuledSegment, &TemplateSegment)| match (pattern, segment) {
                    (RuledSegment::Name(name), TemplateSegment::Literal(text)) => name == text,
                    (
                        RuledSegment::Parameter { before, after, .. },
                        TemplateSegment::Parameter { before: known, after: end, .. },
                    ) => before == known && (after == end || after.is_empty() && !end.starts_with(':')),
                    (RuledSegment::Name(_) | RuledSegment::Parameter { .. }, _) => false,
                };
                if segments.len() < rule.pattern.len() || !rule.pattern.iter().zip(segments).all(same) {
                    continue;
                }
                for (at, pattern) in rule.pattern.iter().enumerate() {
                    if let RuledSegment::Parameter { name, .. } = pattern
                        && named.insert(at)
                    {
                        template.rename(at, name);
                    }
                }
                if *kind == Kind::Name {
                    used.push(number);
                }
            }
        }
        used
    }

    /// Each decision with what it was used for: paths, and how many of them follow a document.
    pub(super) fn uses(&self, counts: &BTreeMap<usize, (u64, u64)>) -> Vec<Use> {
        let one = |(at, rule): (usize, &Rule)| {
            let (paths, overruled) = counts.get(&at).copied().unwrap_or_default();
            Use { place: rule.place.clone(), text: rule.text.clone(), paths, overruled }
        };
        self.rules.iter().enumerate().map(one).collect()
    }
}
