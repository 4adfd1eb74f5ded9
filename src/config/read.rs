//! The file as a tree, each key held against the known ones.
//!
//! What is known is read off the sections themselves: the keys of a section are those its default has, and a value
//! is right when the section takes it. So a key is named once, where its type is. A key that is wrong is told and
//! taken out, and the rest is read on, so that one round shows everything.

use super::{AccessLogConfig, Config, InterfaceConfig, KeyLogConfig};
use crate::spec::tree;
use crate::spec::wrong::{Wrong, below};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What a tree comes to, and what is wrong in it. With anything wrong the rest must not be used.
pub(super) fn config(mut tree: tree::Tree<Value>, wrong: &mut Wrong) -> Config {
    wrong.of_tree(&mut tree);
    let mut root = match tree.value {
        Value::Object(root) => root,
        Value::Null => Map::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            wrong.push("", "must be keys with values, such as `interfaces: [eth0]`");
            Map::new()
        }
    };
    let rule = "must be a name, or a map with `name`";
    let interfaces = list(&mut root, "interfaces", InterfaceConfig::named, rule, wrong);
    let rule = "must be a path, or a map with `files` or another way in";
    let access_logs = list(&mut root, "access_logs", AccessLogConfig::of_file, rule, wrong);
    let rule = "must be a path, or a map with `file` or `socket`";
    let keylogs = list(&mut root, "keylogs", KeyLogConfig::of_file, rule, wrong);
    Config { interfaces, access_logs, keylogs, ..section::<Config>(root, "", wrong) }
}

/// Takes a list out of `root` whose items are sections, or texts that `short` makes one of.
fn list<T: Default + Serialize + DeserializeOwned>(
    root: &mut Map<String, Value>,
    key: &str,
    short: fn(String) -> T,
    rule: &str,
    wrong: &mut Wrong,
) -> Vec<T> {
    let items = match root.remove(key) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            wrong.push(format!("/{key}"), format!("must be a list, not {}", kind_of(&other)));
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    for (n, item) in items.into_iter().enumerate() {
        let pointer = format!("/{key}/{n}");
        match item {
            Value::String(text) => all.push(short(text)),
            Value::Object(keys) => all.push(section(keys, &pointer, wrong)),
            other => {
                wrong.push(pointer, format!("{rule}, not {}", kind_of(&other)));
                // Keeps the numbers of those that follow.
                all.push(T::default());
            }
        }
    }
    all
}

/// Reads one section, telling each key that it does not take.
fn section<T: Default + Serialize + DeserializeOwned>(
    mut keys: Map<String, Value>,
    pointer: &str,
    wrong: &mut Wrong,
) -> T {
    let known = serde_json::to_value(T::default()).unwrap_or_default();
    let takes = |nested: Value| serde_json::from_value::<T>(nested).map(|_| ());
    prune(&mut keys, &known, &Above { pointer, names: &[], root: &known, takes: &takes }, wrong);
    serde_json::from_value(Value::Object(keys)).unwrap_or_else(|error| {
        // Each key was taken alone, so that this does not happen; were it to, it must not pass in silence.
        wrong.push(pointer, error.to_string());
        T::default()
    })
}

/// Where a section stands, and how a value is tried.
struct Above<'a> {
    /// Where the keys' map is in the file.
    pointer: &'a str,
    /// The names that lead to it from the section that is being read.
    names: &'a [&'a str],
    /// All that the section being read knows.
    root: &'a Value,
    takes: &'a dyn Fn(Value) -> serde_json::Result<()>,
}

/// Takes out of `keys`, and tells, what is not as in `known`.
fn prune(keys: &mut Map<String, Value>, known: &Value, above: &Above<'_>, wrong: &mut Wrong) {
    // A key without a value has its default.
    keys.retain(|key, value| !value.is_null() || known.get(key).is_none());
    keys.retain(|key, value| {
        let pointer = below(above.pointer, key);
        let names: Vec<&str> = above.names.iter().copied().chain([key.as_str()]).collect();
        let Some(default) = known.get(key) else {
            wrong.push(pointer, unknown(key, known, above.root));
            return false;
        };
        match (default, value) {
            (Value::Object(_), Value::Object(inner)) => {
                let below = Above { pointer: &pointer, names: &names, ..*above };
                prune(inner, default, &below, wrong);
                true
            }
            (Value::Object(_), other) => {
                wrong
                    .push(pointer, format!("must be a section with keys of its own, not {}", kind_of(other)));
                false
            }
            // Each item alone, so that each that is wrong is told.
            (Value::Array(_), Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    let alone = Value::Array(vec![item.clone()]);
                    if let Err(error) = (above.takes)(nested(&names, alone)) {
                        wrong.push(format!("{pointer}/{n}"), rule(&error.to_string(), item));
                    }
                }
                items.retain(|item| (above.takes)(nested(&names, Value::Array(vec![item.clone()]))).is_ok());
                true
            }
            (_, value) => match (above.takes)(nested(&names, value.clone())) {
                Ok(()) => true,
                Err(error) => {
                    wrong.push(pointer, rule(&error.to_string(), value));
                    false
                }
            },
        }
    });
}

/// `{a: {b: value}}` for the names `a`, `b`.
fn nested(names: &[&str], value: Value) -> Value {
    names.iter().rev().fold(value, |inner, name| Value::Object(Map::from_iter([((*name).to_owned(), inner)])))
}

/// What the parser said, as a rule.
fn rule(refusal: &str, value: &Value) -> String {
    if let Some((_, choices)) = refusal.split_once("expected one of ") {
        return format!("must be one of {choices}");
    }
    if let Some((_, choices)) =
        refusal.split_once("unknown variant").and_then(|(_, rest)| rest.split_once("expected "))
    {
        return format!("must be {choices}");
    }
    let right = match refusal.rsplit_once("expected ").map_or(refusal, |(_, right)| right) {
        "u64" | "u32" | "u16" | "usize" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a string" => "text",
        "path string" => "a path",
        "string or map" => "one of the words for it",
        other => other,
    };
    format!("must be {right}, not {}", kind_of(value))
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the text `{}`", text.escape_debug()),
        Value::String(_) => "a long text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a section".to_owned(),
    }
}

/// That a key is unknown, and the known one that was probably meant.
fn unknown(key: &str, known: &Value, root: &Value) -> String {
    let here = known.as_object().into_iter().flat_map(Map::keys);
    let nearest = here.map(|known| (distance(key, known), known)).min();
    if let Some((distance, nearest)) = nearest
        && distance <= key.chars().count().min(nearest.len()) / 3
    {
        return format!("unknown key; did you mean `{nearest}`?");
    }
    for (section, keys) in root.as_object().into_iter().flatten() {
        if keys.get(key).is_some() {
            return format!("unknown key here; did you mean `{section}.{key}`?");
        }
    }
    if root.get(key).is_some() {
        return "unknown key here; it belongs to the top of the file".to_owned();
    }
    let all: Vec<&str> = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    format!("unknown key; known here: {}", all.join(", "))
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (n, letter) in a.chars().enumerate() {
        let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
        let mut next = vec![n + 1];
        for (m, other) in b.iter().enumerate() {
            let changed = at(&row, m) + usize::from(letter != *other);
            let mut edits = changed.min(at(&row, m + 1) + 1).min(at(&next, m) + 1);
            let neighbour = m.checked_sub(1).and_then(|m| b.get(m));
            if last == Some(*other) && neighbour == Some(&letter) {
                edits = edits.min(at(&before, m - 1) + 1);
            }
            next.push(edits);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let tree = tree::read(text.as_bytes()).unwrap().into_serde();
        let format = tree.format;
        let mut wrong = Wrong::default();
        config(tree, &mut wrong);
        let problems = wrong.located("s.yaml", Some((text.as_bytes(), format)));
        problems.as_slice().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_wrong_key_is_told_with_its_line_and_rule() {
        let text = "\
intervall_secs: 3
bodies: maybe
capture:
  ring_mb: 64
  snaplen: -1
  separate_by: [vni, tenant]
  filter: [a]
interfaces:
  - eth0
  - name: eth1
    ringmib: 5
  - 7
limits: many
lake:
  path: /lake
  path: /other
  roll_secs: soon
privileges:
  user: 65534
  sandbox: never
ring_mib: 9
nonsense: 1
metrics: {listen: 9464}
";
        assert_eq!(
            problems(text),
            [
                "s.yaml: line 1, intervall_secs: unknown key; did you mean `interval_secs`?",
                "s.yaml: line 2, bodies: must be true or false, not the text `maybe`",
                "s.yaml: line 4, capture.ring_mb: unknown key; did you mean `ring_mib`?",
                "s.yaml: line 5, capture.snaplen: must be a whole number, 0 or more, not the number -1",
                "s.yaml: line 6, capture.separate_by[1]: must be one of `vni`, `vlan`, `gre_key`",
                "s.yaml: line 7, capture.filter: must be text, not a list",
                "s.yaml: line 11, interfaces[1].ringmib: unknown key; did you mean `ring_mib`?",
                "s.yaml: line 12, interfaces[2]: must be a name, or a map with `name`, not the number 7",
                "s.yaml: line 13, limits: must be a section with keys of its own, not the text `many`",
                "s.yaml: line 15, lake.path: stands twice in its section; keep one",
                "s.yaml: line 17, lake.roll_secs: must be a whole number, 0 or more, not the text `soon`",
                "s.yaml: line 20, privileges.sandbox: must be one of `auto`, `require`, `off`",
                "s.yaml: line 21, ring_mib: unknown key here; did you mean `capture.ring_mib`?",
                "s.yaml: line 22, nonsense: unknown key; known here: access_logs, bodies, capture, \
                 descriptors, dispositions, interfaces, interval_secs, key, keylogs, lake, limits, log, metrics, ownership, privileges, sensor, signatures, specs, state, \
                 templates, trusted_proxies, vantages",
                "s.yaml: line 23, metrics.listen: must be text, not the number 9464",
            ]
        );
    }

    #[test]
    fn a_key_without_a_value_has_its_default() {
        let text = "interfaces:\nlimits:\n  # max_flows: 1\ncapture:\n  ring_mib:\nlake: {path: }\n";
        let tree = tree::read(text.as_bytes()).unwrap().into_serde();
        let mut wrong = Wrong::default();
        assert_eq!(config(tree, &mut wrong), Config::default());
        assert_eq!(wrong, Wrong::default());
        let empty = tree::read(b"").unwrap().into_serde();
        assert_eq!(config(empty, &mut wrong), Config::default());
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert_eq!(
            problems("- eth0\n"),
            ["s.yaml: line 1: must be keys with values, such as `interfaces: [eth0]`"]
        );
        assert_eq!(
            problems("interfaces: eth0\n---\nb: 1\n"),
            [
                "s.yaml: line 1: more YAML documents follow `---`; the file must hold one",
                "s.yaml: line 1, interfaces: must be a list, not the text `eth0`",
            ]
        );
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "ab", 1), ("abc", "acb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
