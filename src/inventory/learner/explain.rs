//! Why a template was formed: what each of its segments was judged by.
//!
//! The fold decides position by position and forgets what it looked at. Asked about one template it keeps an [`Account`]
//! of each position in its last pass, and [`account`] reads off those that the template's paths went through. Nothing of
//! it is a name or a value that was seen but those of the template: shapes, counts and log-odds.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::fold::{Path, pinned_by_operator};
use super::method::Method;
use super::segment::Shape;
use super::sheet::{EMPTY, Prefix, Sheet, Sym};

/// What settled whether a segment is a name or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// The evidence, weighed.
    Evidence,
    /// Its shape: nobody would call a part of an API so.
    Shape,
    /// Its shape, which only names have: a version, a name of the trade.
    Name,
    /// A constant that the whole API stands behind, whatever it looks like.
    Constant,
    /// So many beside it that are used and answered alike.
    Crowd,
    /// Too near the root: a wrong parameter would merge unrelated parts.
    Guard,
    /// An enumeration: few words with the same operations below.
    Enumeration,
    /// Several data formats of one thing.
    Formats,
    /// An operator.
    Operator,
    /// A document.
    Document,
}

/// What was seen at one segment of a template, and what came of it.
#[derive(Clone, Debug)]
pub struct SegmentAccount {
    /// Whether it is a parameter.
    pub is_value: bool,
    /// What settled it.
    pub settled: Settled,
    /// Log-odds that it is a value, as the evidence has it; above zero it is one. None where nothing was weighed.
    pub weighed: Option<f64>,
    /// The same after what settled it.
    pub odds: f64,
    /// What spoke for a value (above zero) and against, the weightiest first.
    pub evidence: Vec<(&'static str, f64)>,
    /// Names at the position that stay names.
    pub names: usize,
    /// Distinct values at the position, estimated beyond a few dozen.
    pub values: f64,
    /// Calls through the position.
    pub calls: u64,
    /// Calls of the names and values one by one: least, median, most. All values of a shape count as one.
    pub spread: (u64, u64, u64),
    /// How evenly they are called, 0 (one gets all) to 1.
    pub evenness: f64,
    /// What stands here in this template, by shape: distinct ones and calls.
    pub shapes: Vec<(Shape, f64, u64)>,
    /// Operations that lie below, and how many of them lie below something else at the position, too.
    pub below: (usize, usize),
}

/// One name, or all values of a shape, at a position.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub(super) sym: Sym,
    pub(super) is_value: bool,
    pub(super) distinct: f64,
    pub(super) calls: u64,
    pub(super) weighed: Option<f64>,
    pub(super) odds: f64,
    pub(super) settled: Settled,
    pub(super) evidence: Vec<(&'static str, f64)>,
    /// The operations below, sorted.
    pub(super) below: Vec<(Method, u32)>,
}

/// Everything at a position.
pub(super) type Account = Vec<Sibling>;
/// By the chain of template segments above it.
pub(super) type Accounts = HashMap<Prefix, Account, foldhash::fast::FixedState>;

/// Reads off what the segments of a path's template were judged by; `asked` are the segments of a path that was asked
/// about, as the learner keeps them.
pub(super) fn account(
    sheet: &mut Sheet,
    accounts: &Accounts,
    path: &Path,
    folded: &[Sym],
    template: &[Sym],
    documented: bool,
    asked: Option<&[Sym]>,
) -> Vec<SegmentAccount> {
    let mut prefix = EMPTY;
    let mut out = Vec::with_capacity(folded.len());
    for (at, (token, segment)) in folded.iter().zip(&path.segments).enumerate() {
        let none = Vec::new();
        let all = accounts.get(&prefix).unwrap_or(&none);
        let last = template.get(at).copied().unwrap_or(*token);
        let is_value = sheet.get(last).parameter || sheet.get(last).marker;
        let here: Vec<&Sibling> = all
            .iter()
            .filter(
                |sibling| {
                    if sheet.get(*token).parameter { sibling.is_value } else { sibling.sym == *segment }
                },
            )
            .collect();
        let asked =
            asked.and_then(|asked| asked.get(at)).and_then(|sym| here.iter().find(|one| one.sym == *sym));
        // Unless one was asked about, the least sure of those that were weighed says most.
        let weighed = here.iter().filter(|sibling| sibling.weighed.is_some());
        let weakest = weighed.min_by(|a, b| a.odds.abs().total_cmp(&b.odds.abs()));
        let told = asked.or(weakest).or(here.first());
        let settled = if documented {
            Settled::Document
        } else if pinned_by_operator(path, at) {
            Settled::Operator
        } else if is_value && !sheet.get(*token).parameter {
            Settled::Enumeration
        } else if !is_value && last != *token {
            Settled::Formats
        } else {
            told.map_or(Settled::Evidence, |told| told.settled)
        };
        let mut calls: Vec<u64> = all.iter().map(|sibling| sibling.calls).collect();
        calls.sort_unstable();
        let pick = |at: usize| calls.get(at).copied().unwrap_or_default();
        let spread = (pick(0), pick(calls.len() / 2), pick(calls.len().saturating_sub(1)));
        let mut shapes: Vec<(Shape, f64, u64)> = Vec::new();
        for sibling in &here {
            let shape = sheet.get(sibling.sym).judged.shape;
            match shapes.iter_mut().find(|(known, _, _)| *known == shape) {
                Some((_, distinct, calls)) => {
                    (*distinct, *calls) = (*distinct + sibling.distinct, *calls + sibling.calls);
                }
                None => shapes.push((shape, sibling.distinct, sibling.calls)),
            }
        }
        shapes.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        out.push(SegmentAccount {
            is_value,
            settled,
            weighed: told.and_then(|told| told.weighed),
            odds: told.map_or(0.0, |told| told.odds),
            evidence: told.map(|told| told.evidence.clone()).unwrap_or_default(),
            names: all.iter().filter(|sibling| !sibling.is_value).count(),
            values: all.iter().filter(|sibling| sibling.is_value).map(|sibling| sibling.distinct).sum(),
            calls: calls.iter().sum(),
            spread,
            evenness: evenness(&calls),
            shapes,
            below: below(all, &here),
        });
        prefix = sheet.chain(prefix, *token);
    }
    out
}

/// How many operations lie below some of those at a position, and how many of them below at least two of all.
fn below(all: &[Sibling], here: &[&Sibling]) -> (usize, usize) {
    let mut counts: BTreeMap<(Method, u32), usize> = BTreeMap::new();
    for operation in all.iter().flat_map(|sibling| &sibling.below) {
        *counts.entry(*operation).or_default() += 1;
    }
    let mine: BTreeSet<&(Method, u32)> = here.iter().flat_map(|sibling| &sibling.below).collect();
    let shared =
        mine.iter().filter(|operation| counts.get(operation).is_some_and(|count| *count > 1)).count();
    (mine.len(), shared)
}

/// The entropy of counts against that of as many equal ones; 1 for a single one.
#[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^52")]
fn evenness(calls: &[u64]) -> f64 {
    let total = calls.iter().sum::<u64>() as f64;
    if calls.len() < 2 || total <= 0.0 {
        return 1.0;
    }
    let entropy: f64 = calls
        .iter()
        .filter(|count| **count > 0)
        .map(|count| *count as f64 / total)
        .map(|share| -share * share.ln())
        .sum();
    entropy / (calls.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenness_is_that_of_the_calls() {
        for (calls, expected) in [(vec![], 1.0), (vec![7], 1.0), (vec![5, 5, 5], 1.0), (vec![1, 0], 0.0)] {
            assert!((evenness(&calls) - expected).abs() < 1e-9, "{calls:?}");
        }
        assert!(evenness(&[100, 1, 1]) < 0.2);
    }
}
