//! The file of decisions, each mistake told with its line and what would be right; the rest is used.

use super::{Kind, Rule, Rulings};
use crate::inventory::learner::{RuledSegment, can_be_kept};
use crate::problem::Problems;
use crate::spec::lines::lines_of;
use crate::spec::wrong::{Wrong, below};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Decisions in a file.
const MAX_RULES: usize = 1_000;
/// Names in one decision.
const MAX_NAMES: usize = 1_000;
/// Segments of a template.
const MAX_SEGMENTS: usize = 24;
/// Bytes of a file.
const MAX_BYTES: usize = 4 << 20;

/// A decision with its pointer.
struct Read {
    kind: Kind,
    hosts: Vec<String>,
    pattern: Vec<RuledSegment>,
    pointer: String,
    text: String,
}

impl Rulings {
    /// Reads a file of decisions. What is wrong in it is told, and the rest is used.
    #[must_use]
    pub fn read(file: &str, bytes: &[u8]) -> (Self, Problems) {
        let (tree, mut wrong) = match Wrong::open(file, bytes, MAX_BYTES) {
            Ok(opened) => opened,
            Err(problems) => return (Self::default(), problems),
        };
        let mut read = Vec::new();
        match tree.value {
            Value::Object(sections) => sections_of(sections, &mut read, &mut wrong),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                wrong.push("", "must hold lists under `pin`, `split`, `merge` and `name`");
            }
        }
        if read.len() > MAX_RULES {
            let more = read.split_off(MAX_RULES);
            let pointer = more.first().map(|rule| rule.pointer.clone()).unwrap_or_default();
            wrong.push(pointer, format!("more than {MAX_RULES} decisions; from here on none is used"));
        }
        let lines = lines_of(bytes, tree.format, read.iter().map(|rule| rule.pointer.as_str()));
        settle(&mut read, &lines, &mut wrong);
        let rules = read
            .into_iter()
            .map(|Read { kind, hosts, pattern, pointer, text }| {
                let line = lines.get(&pointer).copied().unwrap_or_default();
                Rule { kind, hosts, pattern, place: format!("{file}: line {line}"), text }
            })
            .collect();
        (Self { rules }, wrong.located(file, Some((bytes, tree.format))))
    }
}

fn sections_of(sections: Map<String, Value>, read: &mut Vec<Read>, wrong: &mut Wrong) {
    for (key, items) in sections {
        let item = match key.as_str() {
            "pin" => pin,
            "split" => split,
            "merge" => merge,
            "name" => name,
            _ => {
                let message = "is no kind of decision; there are `pin`, `split`, `merge` and `name`";
                wrong.push(below("", &key), message);
                continue;
            }
        };
        let items = match items {
            Value::Array(items) => items,
            Value::Null => continue,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                wrong.push(below("", &key), "must be a list: begin each decision with `- `");
                continue;
            }
        };
        for (n, value) in items.into_iter().enumerate() {
            let pointer = format!("/{key}/{n}");
            if let Some((kind, hosts, pattern, text)) = item(value, &mut Told { pointer: &pointer, wrong }) {
                read.push(Read { kind, hosts, pattern, pointer, text: format!("{key} {text}") });
            }
        }
    }
}

type Item = (Kind, Vec<String>, Vec<RuledSegment>, String);

/// Where a decision stands, and where mistakes in it are told.
struct Told<'a> {
    pointer: &'a str,
    wrong: &'a mut Wrong,
}

impl Told<'_> {
    fn tell(&mut self, below: &str, message: impl Into<String>) {
        self.wrong.push(format!("{}{below}", self.pointer), message);
    }

    /// Tells each key that is not known.
    fn only(&mut self, map: &Map<String, Value>, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
            self.tell(&below("", key), format!("is unknown here; there are {}", known.join(", ")));
        }
    }

    /// The texts of a list, or one text.
    fn texts(&mut self, map: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
        let rule = "must be a text or a list of texts";
        let texts = match map.get(key)? {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => {
                let texts: Vec<String> =
                    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
                if texts.len() < items.len() {
                    self.tell(&below("", key), "each must be a text: put what reads like a number in quotes");
                }
                texts
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                self.tell(&below("", key), rule);
                return None;
            }
        };
        if texts.len() > MAX_NAMES {
            self.tell(&below("", key), format!("holds more than {MAX_NAMES} texts"));
            return None;
        }
        Some(texts)
    }

    /// The patterns of hosts.
    fn hosts(&mut self, map: &Map<String, Value>) -> Vec<String> {
        let hosts = self.texts(map, "hosts").unwrap_or_default();
        let mut good = Vec::new();
        for host in hosts {
            let host = host.to_ascii_lowercase();
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]*".contains(&byte);
            if host.is_empty() || !host.bytes().all(fine) {
                self.tell(
                    "/hosts",
                    "must be names of hosts without scheme and path, such as `api.bank.example` or `*.bank.example`",
                );
            } else {
                good.push(host);
            }
        }
        good
    }

    /// A template: `/v1/accounts/{accountId}`.
    fn template(&mut self, below: &str, text: &str) -> Option<Vec<RuledSegment>> {
        let Some(path) = text.strip_prefix('/') else {
            self.tell(below, "a template begins with `/`; hosts go under `hosts`");
            return None;
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        if text.bytes().any(|byte| byte.is_ascii_control() || b" ?#\"".contains(&byte)) {
            self.tell(below, "a template is a path: without a query, blanks and quotes");
            return None;
        }
        let segments: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
        if segments.len() > MAX_SEGMENTS {
            self.tell(below, format!("a template has at most {MAX_SEGMENTS} segments"));
            return None;
        }
        let mut pattern = Vec::with_capacity(segments.len());
        for (at, segment) in segments.into_iter().enumerate() {
            match segment_of(segment, at + 1) {
                Ok(segment) => pattern.push(segment),
                Err(message) => {
                    self.tell(below, format!("segment {}: {message}", at + 1));
                    return None;
                }
            }
        }
        let mut names: Vec<&str> = parameters(&pattern).map(|(_, name)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() < all {
            self.tell(below, "two parameters have one name; give each its own");
            return None;
        }
        Some(pattern)
    }

    /// Names of segments at a depth, from 1.
    fn names(&mut self, map: &Map<String, Value>, key: &str, depth: usize) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for name in self.texts(map, key)? {
            if name.is_empty() || name.contains(['/', '{', '}']) {
                self.tell(&below("", key), "each must be one segment, as it stands in the path");
            } else if !can_be_kept(&name, depth) {
                self.tell(&below("", key), UNKEPT);
            } else {
                names.insert(name);
            }
        }
        Some(names)
    }
}

const UNKEPT: &str =
    "a number, a UUID or the like is kept by its shape alone, so it cannot be told from others; take it out";

/// One segment of a template, at a depth from 1.
fn segment_of(text: &str, depth: usize) -> Result<RuledSegment, &'static str> {
    if text.is_empty() {
        return Err("nothing stands between two `/`; take one out");
    }
    let Some(open) = text.find('{') else {
        if text.contains('}') {
            return Err("`}` without `{`");
        }
        return if can_be_kept(text, depth) { Ok(RuledSegment::Name(text.to_owned())) } else { Err(UNKEPT) };
    };
    let (before, rest) = text.split_at(open);
    let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Err("`{` without `}`");
    };
    let fine = name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !fine {
        return Err("a parameter's name is up to 64 letters, digits, `_` and `-`, the first a letter");
    }
    if after.contains(['{', '}']) {
        return Err("a segment holds one parameter");
    }
    if !before.is_empty() && !after.is_empty() {
        return Err("text stands before a parameter or behind it, not both");
    }
    if !after.is_empty() && !after.starts_with(['.', ':']) {
        return Err(
            "what stands behind a parameter begins with `.` or `:`, as in `{id}.json`, `{id}:cancel`",
        );
    }
    Ok(RuledSegment::Parameter { before: before.to_owned(), name: name.to_owned(), after: after.to_owned() })
}

fn parameters(pattern: &[RuledSegment]) -> impl Iterator<Item = (usize, &str)> {
    pattern.iter().enumerate().filter_map(|(at, segment)| match segment {
        RuledSegment::Name(_) => None,
        RuledSegment::Parameter { name, .. } => Some((at, name.as_str())),
    })
}

/// `/v1/accounts/{accountId}`, or a map with `template` and `hosts`.
fn templated(value: Value, told: &mut Told<'_>) -> Option<(Vec<String>, Vec<RuledSegment>, String)> {
    match value {
        Value::String(text) => Some((Vec::new(), told.template("", &text)?, text)),
        Value::Object(map) => {
            told.only(&map, &["template", "hosts"]);
            let hosts = told.hosts(&map);
            let Some(Value::String(text)) = map.get("template") else {
                told.tell("", "needs `template`, such as `/v1/accounts/{accountId}`");
                return None;
            };
            // What was meant for some hosts must not be for all.
            if map.contains_key("hosts") && hosts.is_empty() {
                return None;
            }
            Some((hosts, told.template("/template", text)?, text.clone()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            told.tell("", "must be a template, or a map with `template` and `hosts`");
            None
        }
    }
}

fn pin(value: Value, told: &mut Told<'_>) -> Option<Item> {
    let (hosts, pattern, text) = templated(value, told)?;
    if pattern.is_empty() {
        told.tell("", "`/` needs no pin");
        return None;
    }
    Some((Kind::Pin, hosts, pattern, text))
}

fn name(value: Value, told: &mut Told<'_>) -> Option<Item> {
    let (hosts, pattern, text) = templated(value, told)?;
    if parameters(&pattern).next().is_none() {
        told.tell("", "has no parameter to be named; write the name in braces, as in `/v1/accounts/{iban}`");
        return None;
    }
    Some((Kind::Name, hosts, pattern, text))
}

fn split(value: Value, told: &mut Told<'_>) -> Option<Item> {
    let rule = "must be a map with `template`, whose last segment is the parameter, and `keep`, the names that are kept apart";
    let Value::Object(map) = value else {
        told.tell("", rule);
        return None;
    };
    told.only(&map, &["template", "keep", "hosts"]);
    let hosts = told.hosts(&map);
    let (Some(Value::String(text)), true) = (map.get("template"), map.contains_key("keep")) else {
        told.tell("", rule);
        return None;
    };
    let mut pattern = told.template("/template", text)?;
    let Some(RuledSegment::Parameter { .. }) = pattern.pop() else {
        told.tell("/template", "must end in the parameter that is split, as in `/v1/users/{userId}`");
        return None;
    };
    let names = told.names(&map, "keep", pattern.len() + 1)?;
    if names.is_empty() {
        told.tell("/keep", "no name is left to be kept apart");
        return None;
    }
    if map.contains_key("hosts") && hosts.is_empty() {
        return None;
    }
    let kept = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some((Kind::Split(names), hosts, pattern, format!("{text}, keep {kept}")))
}

fn merge(value: Value, told: &mut Told<'_>) -> Option<Item> {
    let rule = "must be a list of templates that differ in one segment, or a map with `below` (what stands before the parameter) and, unless it is all that follows, `names`";
    let mut map = match value {
        Value::Array(items) => Map::from_iter([("templates".to_owned(), Value::Array(items))]),
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            told.tell("", rule);
            return None;
        }
    };
    told.only(&map, &["below", "names", "templates", "hosts"]);
    let hosts = told.hosts(&map);
    if map.contains_key("hosts") && hosts.is_empty() {
        return None;
    }
    if let Some(Value::Array(templates)) = map.remove("templates") {
        let (pattern, names, text) = differing(&templates, told)?;
        return Some((Kind::Merge(Some(names)), hosts, pattern, text));
    }
    let Some(Value::String(below)) = map.get("below") else {
        told.tell("", rule);
        return None;
    };
    let pattern = told.template("/below", below)?;
    if !map.contains_key("names") {
        if pattern.is_empty() {
            told.tell("/below", "`/` would make one parameter of every path: say which `names`");
            return None;
        }
        return Some((Kind::Merge(None), hosts, pattern, format!("all below {below}")));
    }
    let names = told.names(&map, "names", pattern.len() + 1)?;
    if names.is_empty() {
        told.tell("/names", "no name is left to be merged");
        return None;
    }
    let which = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some((Kind::Merge(Some(names)), hosts, pattern, format!("{which} below {below}")))
}

/// What stands before the one segment in which templates differ, and the names there.
fn differing(
    templates: &[Value],
    told: &mut Told<'_>,
) -> Option<(Vec<RuledSegment>, BTreeSet<String>, String)> {
    let rule = "must be two templates or more that differ in one segment, which in each is a name";
    let mut texts = Vec::new();
    let mut patterns = Vec::new();
    for template in templates.iter().take(MAX_NAMES) {
        let Some(text) = template.as_str() else {
            told.tell("", rule);
            return None;
        };
        patterns.push(told.template("", text)?);
        texts.push(text);
    }
    let first = patterns.first().filter(|_| patterns.len() > 1);
    let nameless = |pattern: &Vec<RuledSegment>| pattern.iter().map(nameless).collect::<Vec<_>>();
    let mut at = None;
    let mut names = BTreeSet::new();
    if let Some(first) = first {
        for other in &patterns {
            let (a, b) = (nameless(first), nameless(other));
            let differences: Vec<usize> =
                a.iter().zip(&b).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
            match differences.as_slice() {
                [one] if a.len() == b.len() && at.is_none_or(|at| at == *one) => at = Some(*one),
                [] if a.len() == b.len() => {}
                _ => {
                    told.tell("", rule);
                    return None;
                }
            }
        }
        for pattern in &patterns {
            if let Some(RuledSegment::Name(name)) = at.and_then(|at| pattern.get(at)) {
                names.insert(name.clone());
            }
        }
    }
    let (Some(at), Some(first)) = (at.filter(|_| names.len() == patterns.len()), first) else {
        told.tell("", rule);
        return None;
    };
    Some((first.get(..at).unwrap_or_default().to_vec(), names, texts.join(", ")))
}

/// A segment without the name of its parameter.
fn nameless(segment: &RuledSegment) -> RuledSegment {
    match segment {
        RuledSegment::Name(name) => RuledSegment::Name(name.clone()),
        RuledSegment::Parameter { before, after, .. } => {
            RuledSegment::Parameter { before: before.clone(), name: String::new(), after: after.clone() }
        }
    }
}

/// Whether two decisions may be about one host.
fn may_meet(a: &Read, b: &Read) -> bool {
    let names =
        |one: &str, other: &str| one == other || super::matches(one, other) || super::matches(other, one);
    a.hosts.is_empty()
        || b.hosts.is_empty()
        || a.hosts.iter().any(|one| b.hosts.iter().any(|other| names(one, other)))
}

/// Tells what contradicts what, and takes out what loses.
fn settle(read: &mut Vec<Read>, lines: &BTreeMap<String, u32>, wrong: &mut Wrong) {
    let mut lost: BTreeSet<usize> = BTreeSet::new();
    let mut taken: Vec<(usize, BTreeSet<String>)> = Vec::new();
    for (at, rule) in read.iter().enumerate() {
        for (before, earlier) in read.iter().enumerate().take(at) {
            if lost.contains(&before) || !may_meet(rule, earlier) {
                continue;
            }
            let line = lines.get(&earlier.pointer).copied().unwrap_or_default();
            if let Some(message) = repeated(rule, earlier, line) {
                wrong.push(rule.pointer.clone(), message);
                lost.insert(at);
                break;
            }
            if let Some(message) = misnamed(rule, earlier, line) {
                wrong.push(rule.pointer.clone(), message);
            }
            for (loser, other, number) in [(rule, earlier, at), (earlier, rule, before)] {
                let names = contested(loser, other);
                if names.is_empty() {
                    continue;
                }
                let other = lines.get(&other.pointer).copied().unwrap_or_default();
                let told = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                wrong.push(
                    loser.pointer.clone(),
                    format!(
                        "line {other} keeps {told} apart there, which goes before merging; take it out of one"
                    ),
                );
                taken.push((number, names));
            }
        }
    }
    for (at, names) in taken {
        if let Some(Read { kind: Kind::Merge(Some(merged)), .. }) = read.get_mut(at) {
            merged.retain(|name| !names.contains(name));
            if merged.is_empty() {
                lost.insert(at);
            }
        }
    }
    let mut at = 0;
    read.retain(|_| {
        at += 1;
        !lost.contains(&(at - 1))
    });
}

/// Why a decision says nothing that an earlier one does not say.
fn repeated(rule: &Read, earlier: &Read, line: u32) -> Option<String> {
    let same = |a: &[RuledSegment], b: &[RuledSegment]| {
        a.len() == b.len() && a.iter().map(nameless).eq(b.iter().map(nameless))
    };
    let of_whole = |kind: &Kind| matches!(kind, Kind::Pin | Kind::Name | Kind::Merge(None));
    let again = of_whole(&rule.kind)
        && rule.kind == earlier.kind
        && rule.hosts == earlier.hosts
        && same(&rule.pattern, &earlier.pattern);
    if !again {
        return None;
    }
    Some(if rule.pattern == earlier.pattern {
        format!("line {line} says the same; take one out")
    } else {
        format!("line {line} is the same template with other names, and counts; take one out")
    })
}

/// Whether two decisions call one parameter by two names.
fn misnamed(rule: &Read, earlier: &Read, line: u32) -> Option<String> {
    let names = |kind: &Kind| matches!(kind, Kind::Pin | Kind::Name);
    // What is only about names goes before a pin, which need not say so.
    if !names(&rule.kind) || rule.kind != earlier.kind {
        return None;
    }
    for (mine, theirs) in rule.pattern.iter().zip(&earlier.pattern) {
        if nameless(mine) != nameless(theirs) {
            return None;
        }
        if mine != theirs {
            return Some(format!(
                "line {line} calls the same parameter otherwise, and counts; give it one name"
            ));
        }
    }
    None
}

/// Names that `merge` would make one parameter of, and that `other` keeps apart.
fn contested(merge: &Read, other: &Read) -> BTreeSet<String> {
    let Kind::Merge(Some(merged)) = &merge.kind else { return BTreeSet::new() };
    let depth = merge.pattern.len();
    let same = other.pattern.len() >= depth
        && merge.pattern.iter().map(nameless).eq(other.pattern.iter().take(depth).map(nameless));
    if !same {
        return BTreeSet::new();
    }
    match &other.kind {
        Kind::Split(kept) if other.pattern.len() == depth => merged.intersection(kept).cloned().collect(),
        Kind::Pin => match other.pattern.get(depth) {
            Some(RuledSegment::Name(name)) if merged.contains(name) => BTreeSet::from([name.clone()]),
            Some(RuledSegment::Name(_) | RuledSegment::Parameter { .. }) | None => BTreeSet::new(),
        },
        Kind::Split(_) | Kind::Merge(_) | Kind::Name => BTreeSet::new(),
    }
}

/// Reads any bytes: nothing panics, and each decision that is used can be asked.
pub fn fuzz(data: &[u8]) {
    let (rulings, _) = Rulings::read("fuzz.yaml", data);
    let ruling = rulings.ruling("api.bank.example", &[]);
    assert!(ruling.pinned.is_none() && ruling.used.is_empty(), "a path of no segments fits no decision");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = Rulings::read("t.yaml", text.as_bytes());
        problems.as_slice().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_its_cure() {
        let text = "pin:\n  - v1/accounts\n  - /v1/{a}/{a}\n  - /v1/{a/b\n  - /v1/{1}\n  - template: /ok/{id}\n    host: x\n  \
                    - /v1/things/550e8400-e29b-41d4-a716-446655440000\nsplit:\n  - /v1/users/{x}\n  \
                    - template: /v1/users/all\n    keep: [me]\n  - template: /v1/users/{x}\n    keep: [me, 7777777]\n\
                    merge:\n  - below: /\n  - [/a/b, /c/d]\nname:\n  - /v1/accounts\nrename: []\n";
        let told = problems(text);
        let expected = [
            "t.yaml: line 2, pin[0]: a template begins with `/`; hosts go under `hosts`",
            "t.yaml: line 3, pin[1]: two parameters have one name; give each its own",
            "t.yaml: line 4, pin[2]: segment 2: `{` without `}`",
            "t.yaml: line 5, pin[3]: segment 2: a parameter's name is up to 64 letters, digits, `_` and `-`, the first a letter",
            "t.yaml: line 7, pin[4].host: is unknown here; there are `template`, `hosts`",
            "t.yaml: line 8, pin[5]: segment 3: a number, a UUID or the like is kept by its shape alone, so it cannot be told from others; take it out",
            "t.yaml: line 10, split[0]: must be a map with `template`, whose last segment is the parameter, and `keep`, the names that are kept apart",
            "t.yaml: line 11, split[1].template: must end in the parameter that is split, as in `/v1/users/{userId}`",
            "t.yaml: line 14, split[2].keep: each must be a text: put what reads like a number in quotes",
            "t.yaml: line 16, merge[0].below: `/` would make one parameter of every path: say which `names`",
            "t.yaml: line 17, merge[1]: must be two templates or more that differ in one segment, which in each is a name",
            "t.yaml: line 19, name[0]: has no parameter to be named; write the name in braces, as in `/v1/accounts/{iban}`",
            "t.yaml: line 20, rename: is no kind of decision; there are `pin`, `split`, `merge` and `name`",
        ];
        assert_eq!(told, expected);
        let (rulings, _) = Rulings::read("t.yaml", text.as_bytes());
        let used: Vec<&str> = rulings.rules.iter().map(|rule| rule.text.as_str()).collect();
        assert_eq!(used, ["pin /ok/{id}", "split /v1/users/{x}, keep me"], "the rest is used");
    }

    #[test]
    fn contradictions_are_told_and_settled() {
        let text = "pin:\n  - /v1/a/{x}\n  - /v1/a/{y}\n  - /v1/a/{z}/b\nmerge:\n  - below: /v1/r\n    names: [daily, weekly]\n\
                    split:\n  - template: /v1/r/{p}\n    keep: [daily]\n";
        assert_eq!(
            problems(text),
            [
                "t.yaml: line 3, pin[1]: line 2 is the same template with other names, and counts; take one out",
                "t.yaml: line 4, pin[2]: line 2 calls the same parameter otherwise, and counts; give it one name",
                "t.yaml: line 6, merge[0]: line 9 keeps `daily` apart there, which goes before merging; take it out of one",
            ]
        );
        let limited =
            "pin:\n  - {template: '/a/{x}', hosts: a.example}\n  - {template: '/a/{y}', hosts: b.example}\n";
        assert_eq!(problems(limited), [""; 0], "they never meet");
    }

    #[test]
    fn what_is_no_file_of_decisions_is_told() {
        for (text, expected) in [
            ("[", "t.yaml: line "),
            ("- a\n", "t.yaml: line 1: must hold lists under `pin`, `split`, `merge` and `name`"),
            ("pin: /a/{b}\n", "t.yaml: line 1, pin: must be a list: begin each decision with `- `"),
        ] {
            let told = problems(text);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(expected), "{told:?}");
        }
        assert!(problems("").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&data);
        }

        #[test]
        fn any_decision_is_survived(
            kind in prop_oneof!["pin", "split", "merge", "name"],
            texts in proptest::collection::vec("[/a-z{}.:*0-9 ]{0,20}", 0..5),
        ) {
            let items: Vec<Value> = texts.into_iter().map(Value::String).collect();
            fuzz(serde_json::json!({ kind: items }).to_string().as_bytes());
        }
    }
}
