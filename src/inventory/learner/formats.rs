//! Files of one name with several extensions (`lists.json`, `lists.jsonp`): the extension is a parameter.

use std::collections::BTreeMap;

use super::fold::Path;
use super::method::Method;
use super::segment;
use super::sheet::{EMPTY, PARAMETER, Prefix, Sheet, Sym};

/// The share of keys that two operations have in common; 1 when neither is known.
fn likeness(a: &[u64], b: &[u64]) -> f64 {
    let shared = a.iter().filter(|key| b.binary_search(key).is_ok()).count();
    let all = a.len() + b.len() - shared;
    if all == 0 { 1.0 } else { segment::real(shared) / segment::real(all) }
}

/// Data formats that an API offers beside each other.
const FORMATS: [&str; 13] =
    ["json", "xml", "jsonp", "csv", "html", "rss", "atom", "yaml", "php", "tsv", "xlsx", "pdf", "txt"];

fn prefix_of(sheet: &mut Sheet, names: &[Sym]) -> Prefix {
    names.iter().fold(EMPTY, |prefix, sym| sheet.chain(prefix, *sym))
}

/// Before the fold: a word called often with two to four extensions and the same answers.
pub(super) fn merge_formats(sheet: &mut Sheet, paths: Vec<Path>) -> Vec<Path> {
    let mut stems: BTreeMap<(Prefix, String), BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        let Some((last, before)) = path.segments.split_last().filter(|_| !path.ends_ruled()) else {
            continue;
        };
        let symbol = sheet.get(*last);
        let (stem, suffix) = (symbol.stem().to_owned(), symbol.suffix().to_owned());
        if suffix.starts_with('.') && !symbol.marker && segment::shape(&stem).value < -1.0 {
            let prefix = prefix_of(sheet, before);
            stems.entry((prefix, stem)).or_default().entry(suffix).or_default().push(at);
        }
    }
    let mut renamed: BTreeMap<usize, Sym> = BTreeMap::new();
    for ((_, stem), formats) in stems {
        if !(2..=4).contains(&formats.len()) {
            continue;
        }
        let mut calls = Vec::new();
        let mut methods: Vec<Vec<Method>> = Vec::new();
        let mut keys: Vec<Vec<u64>> = Vec::new();
        for members in formats.values() {
            let members: Vec<&Path> = members.iter().filter_map(|at| paths.get(*at)).collect();
            calls.push(members.iter().map(|path| path.calls()).sum::<u64>());
            let mut used: Vec<Method> =
                members.iter().flat_map(|path| path.methods.iter().map(|usage| usage.method)).collect();
            used.sort_unstable();
            used.dedup();
            methods.push(used);
            let mut all: Vec<u64> = members
                .iter()
                .flat_map(|path| path.methods.iter().flat_map(|usage| usage.keys.clone()))
                .collect();
            all.sort_unstable();
            all.dedup();
            if !all.is_empty() {
                keys.push(all);
            }
        }
        let often = calls.iter().all(|calls| *calls >= 3) && calls.iter().sum::<u64>() >= 10;
        let same_methods = methods.iter().all(|used| Some(used) == methods.first());
        let same_answers =
            keys.first().is_none_or(|first| keys.iter().all(|keys| likeness(first, keys) >= 0.5));
        if often && same_methods && same_answers {
            let name = sheet.intern(&format!("{stem}.{PARAMETER}"));
            for at in formats.into_values().flatten() {
                renamed.insert(at, name);
            }
        }
    }
    let mut merged: Vec<Path> = Vec::with_capacity(paths.len());
    let mut places: BTreeMap<(Prefix, Sym), usize> = BTreeMap::new();
    for (at, mut path) in paths.into_iter().enumerate() {
        if let Some(name) = renamed.get(&at)
            && let Some(last) = path.segments.last_mut()
        {
            *last = *name;
            let before = path.segments.len() - 1;
            let prefix = prefix_of(sheet, path.segments.get(..before).unwrap_or_default());
            if let Some(known) = places.get(&(prefix, *name)).and_then(|known| merged.get_mut(*known)) {
                known.absorb(path);
                continue;
            }
            places.insert((prefix, *name), merged.len());
        }
        merged.push(path);
    }
    merged
}

/// What is known of one stem after the fold.
#[derive(Default)]
struct Stem {
    /// Per extension: the methods with their response keys, and the calls.
    formats: BTreeMap<String, (BTreeMap<Method, Vec<u64>>, u64)>,
}

impl Stem {
    /// Whether its extensions answer the same.
    fn varies(&self) -> bool {
        let mut formats = self.formats.values();
        let Some((first, _)) = formats.next() else { return false };
        if self.formats.len() < 2 {
            return false;
        }
        let common: Vec<Method> = first
            .keys()
            .copied()
            .filter(|method| self.formats.values().all(|(methods, _)| methods.contains_key(method)))
            .collect();
        !common.is_empty()
            && common.iter().all(|method| {
                let known: Vec<&Vec<u64>> = self
                    .formats
                    .values()
                    .filter_map(|(methods, _)| methods.get(method))
                    .filter(|keys| !keys.is_empty())
                    .collect();
                known.first().is_none_or(|first| known.iter().all(|keys| likeness(first, keys) >= 0.5))
            })
    }
}

/// After the fold: names that end in a data format which varies.
pub(super) fn fold_formats(sheet: &mut Sheet, paths: &mut [Path]) {
    let mut stems: BTreeMap<(Prefix, String), Stem> = BTreeMap::new();
    let mut merged: Vec<(Prefix, Sym)> = Vec::new();
    let mut keys: Vec<Option<(Prefix, String, String)>> = Vec::with_capacity(paths.len());
    for path in paths.iter() {
        let split =
            path.template.split_last().filter(|(last, _)| !sheet.get(**last).parameter && !path.ends_ruled());
        let Some((last, before)) = split else {
            keys.push(None);
            continue;
        };
        let prefix = prefix_of(sheet, before);
        let symbol = sheet.get(*last);
        if symbol.text.ends_with(PARAMETER) {
            merged.push((prefix, *last));
        }
        let (stem, suffix) = (symbol.stem().to_owned(), symbol.suffix().to_owned());
        let is_format = suffix.strip_prefix('.').is_some_and(|format| FORMATS.contains(&format));
        if !is_format {
            keys.push(None);
            continue;
        }
        let (methods, calls) =
            stems.entry((prefix, stem.clone())).or_default().formats.entry(suffix.clone()).or_default();
        for usage in &path.methods {
            super::evidence::union(methods.entry(usage.method).or_default(), &usage.keys);
            *calls += usage.calls;
        }
        keys.push(Some((prefix, stem, suffix)));
    }
    merged.sort_unstable();
    merged.dedup();
    let varying = stems.values().filter(|stem| stem.varies()).count();
    let offered = varying + merged.len() >= 2;
    for (path, key) in paths.iter_mut().zip(keys) {
        let Some((prefix, stem, suffix)) = key else { continue };
        let Some(known) = stems.get(&(prefix, stem.clone())) else { continue };
        let rare = known.formats.get(&suffix).is_some_and(|(_, calls)| *calls <= 3);
        let alike = offered && matches!(suffix.as_str(), ".jsonp" | ".xml" | ".csv") && rare;
        if (known.varies() || alike)
            && let Some(last) = path.template.last_mut()
        {
            *last = sheet.intern(&format!("{stem}.{PARAMETER}"));
        }
    }
}
