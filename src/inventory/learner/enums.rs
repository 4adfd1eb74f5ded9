//! Few words that stand where a value stands (`/text/bold`, `/text/italic`): a parameter with an enumeration.
//!
//! Literal siblings whose folded paths carry the same operations with the same answers are one parameter,
//! if enough lies below them and none of them can be read itself: what has a GET of its own is a resource,
//! however alike its neighbours are.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::union;
use super::fold::Path;
use super::method::Method;
use super::segment::real;
use super::sheet::{EMPTY, Prefix, Sheet, Sym};

/// Rounds of folding, one position each.
const ROUNDS: usize = 8;
/// Names at one position that are compared pair by pair.
const MOST: usize = 256;

type Operations = BTreeMap<(Method, u32), Vec<u64>>;

/// Folds enumerations, deepest position first.
pub(super) fn fold_enums(sheet: &mut Sheet, paths: &mut [Path]) {
    for _ in 0..ROUNDS {
        let Some((prefix, names)) = find(sheet, paths) else { return };
        let parameter = sheet.parameter("");
        for path in paths.iter_mut() {
            let mut at = EMPTY;
            for sym in &mut path.template {
                if at == prefix && names.contains(sym) {
                    *sym = parameter;
                    break;
                }
                at = sheet.chain(at, *sym);
            }
        }
    }
}

/// The deepest position that holds an enumeration.
fn find(sheet: &mut Sheet, paths: &[Path]) -> Option<(Prefix, BTreeSet<Sym>)> {
    let mut positions: BTreeMap<Prefix, BTreeMap<Sym, Operations>> = BTreeMap::new();
    for path in paths {
        let mut tails = vec![EMPTY];
        for sym in path.template.iter().rev() {
            let tail = sheet.chain(tails.last().copied().unwrap_or(EMPTY), *sym);
            tails.push(tail);
        }
        tails.pop();
        let mut prefix = EMPTY;
        for (depth, sym) in path.template.iter().enumerate() {
            let tail = tails.pop().unwrap_or(EMPTY);
            let symbol = sheet.get(*sym);
            let free = path.pins.get(depth).is_none_or(Option::is_none);
            if prefix != EMPTY && !symbol.parameter && !symbol.rest && free {
                let operations = positions.entry(prefix).or_default().entry(*sym).or_default();
                for usage in &path.methods {
                    union(operations.entry((usage.method, tail)).or_default(), &usage.keys);
                }
            }
            prefix = sheet.chain(prefix, *sym);
        }
    }
    let mut order: Vec<(std::cmp::Reverse<usize>, Vec<String>, Prefix)> = positions
        .keys()
        .map(|prefix| {
            let names = sheet.names(*prefix);
            (
                std::cmp::Reverse(names.len()),
                names.iter().map(|sym| sheet.text(*sym).to_owned()).collect(),
                *prefix,
            )
        })
        .collect();
    order.sort();
    order.into_iter().find_map(|(_, _, prefix)| {
        let names = enumeration(sheet, positions.get(&prefix)?);
        (!names.is_empty()).then_some((prefix, names))
    })
}

/// The names at one position that are values of one parameter.
fn enumeration(sheet: &Sheet, names: &BTreeMap<Sym, Operations>) -> BTreeSet<Sym> {
    let mut found = BTreeSet::new();
    let mut candidates: Vec<(Sym, &Operations)> = names
        .iter()
        .filter(|(_, operations)| operations.keys().any(|(_, tail)| *tail != EMPTY))
        .map(|(sym, operations)| (*sym, operations))
        .collect();
    candidates.sort_by(|a, b| sheet.text(a.0).cmp(sheet.text(b.0)));
    candidates.truncate(MOST);
    if candidates.len() < 3 {
        return found;
    }
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); candidates.len()];
    for (i, (_, a)) in candidates.iter().enumerate() {
        for (j, (_, b)) in candidates.iter().enumerate().skip(i + 1) {
            if alike(a, b) {
                if let Some(list) = neighbours.get_mut(i) {
                    list.push(j);
                }
                if let Some(list) = neighbours.get_mut(j) {
                    list.push(i);
                }
            }
        }
    }
    let mut visited = vec![false; candidates.len()];
    for start in 0..candidates.len() {
        let mut component = Vec::new();
        let mut waiting = vec![start];
        while let Some(at) = waiting.pop() {
            if let Some(mark) = visited.get_mut(at).filter(|mark| !**mark) {
                *mark = true;
                component.push(at);
                waiting.extend(neighbours.get(at).into_iter().flatten());
            }
        }
        let members: Vec<(Sym, &Operations)> =
            component.iter().filter_map(|at| candidates.get(*at).copied()).collect();
        if members.len() >= 3 && is_enumeration(sheet, &members) {
            found.extend(members.iter().map(|(sym, _)| *sym));
        }
    }
    found
}

/// Whether two names carry the same operations with the same answers.
fn alike(a: &Operations, b: &Operations) -> bool {
    let both: Vec<(&Vec<u64>, &Vec<u64>)> =
        a.iter().filter_map(|(operation, keys)| Some((keys, b.get(operation)?))).collect();
    if both.len() < 2 || real(both.len()) < 0.6 * real(a.len().min(b.len())) {
        return false;
    }
    let known: Vec<f64> =
        both.iter().filter(|(a, b)| !a.is_empty() && !b.is_empty()).map(|(a, b)| overlap(a, b)).collect();
    known.is_empty()
        || (known.iter().all(|likeness| *likeness >= 0.4)
            && known.iter().sum::<f64>() / real(known.len()) >= 0.75)
}

/// The share of the smaller set of keys that the other one has; optional keys do not spoil it.
fn overlap(a: &[u64], b: &[u64]) -> f64 {
    let shared = a.iter().filter(|key| b.binary_search(key).is_ok()).count();
    real(shared) / real(a.len().min(b.len()).max(1))
}

/// Whether names that are alike save enough, and none is a resource of its own.
fn is_enumeration(sheet: &Sheet, members: &[(Sym, &Operations)]) -> bool {
    let mut counts: BTreeMap<(Method, u32), usize> = BTreeMap::new();
    for (_, operations) in members {
        for operation in operations.keys() {
            *counts.entry(*operation).or_default() += 1;
        }
    }
    let all: usize = counts.values().sum();
    let shared: usize = counts.values().filter(|count| **count >= 2).sum();
    let below_name = counts
        .iter()
        .filter(|((_, tail), count)| {
            // A chain of tails is read from its end, hence in path order.
            let names: Vec<Sym> = sheet.names(*tail);
            **count >= 2 && names.len() >= 2 && names.iter().any(|sym| !sheet.get(*sym).parameter)
        })
        .count();
    let readable = counts.keys().any(|(method, tail)| *tail == EMPTY && *method == Method::GET);
    let share = real(shared) / real(all.max(1));
    let saved = all - counts.len();
    // Thin traffic shows not all operations of each; the more of them go on by names the surer it is without.
    !readable
        && (share >= 0.85 && saved >= 8 && below_name >= 2 || share >= 0.75 && saved >= 6 && below_name >= 3)
}
