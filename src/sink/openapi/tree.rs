//! A document before it is written: maps keep their order, so the same inventory gives the same bytes.
//!
//! YAML is written by ourselves: strings are quoted unless any reader, of YAML 1.1 or 1.2, takes them for strings.
//! A path such as `/no` or a version such as `2026-01-31` must not become a boolean or a date on the way.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// No value.
    Null,
    /// True or false.
    Flag(bool),
    /// A count.
    Number(u64),
    /// A share, 0 to 1.
    Share(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order it is written in.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// A map without entries.
    #[must_use]
    pub const fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// The same map with one more entry.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Self>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds an entry behind the others.
    pub fn set(&mut self, key: &str, value: impl Into<Self>) {
        if let Self::Map(entries) = self {
            entries.push((key.to_owned(), value.into()));
        }
    }

    /// Puts items in front of the list under a key, which is made when it is not there.
    pub(super) fn extend(&mut self, key: &str, items: &[Self]) {
        let Self::Map(entries) = self else { return };
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, Self::List(known))) => {
                known.splice(0..0, items.iter().cloned());
            }
            Some(_) => {}
            None if items.is_empty() => {}
            None => entries.push((key.to_owned(), Self::List(items.to_vec()))),
        }
    }

    /// Whether it is a map or list that holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Null | Self::Flag(_) | Self::Number(_) | Self::Share(_) | Self::Text(_) => false,
        }
    }

    /// As YAML.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.block(&mut out, 0);
        out
    }

    /// As JSON, indented.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("maps of strings are JSON");
        text.push('\n');
        text
    }

    /// Writes what stands below a key or at the top, each entry on lines of its own.
    fn block(&self, out: &mut String, depth: usize) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    indent(out, depth);
                    value.entry(key, out, depth);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    indent(out, depth);
                    out.push('-');
                    item.behind_dash(out, depth + 1);
                }
            }
            Self::Map(_)
            | Self::List(_)
            | Self::Null
            | Self::Flag(_)
            | Self::Number(_)
            | Self::Share(_)
            | Self::Text(_) => {
                self.scalar(out);
                out.push('\n');
            }
        }
    }

    /// Writes a key of a map with its value.
    fn entry(&self, key: &str, out: &mut String, depth: usize) {
        quoted(out, key);
        out.push(':');
        self.behind(out, depth + 1);
    }

    /// Writes a value behind its key.
    fn behind(&self, out: &mut String, depth: usize) {
        let block = matches!(self, Self::Map(_) | Self::List(_)) && !self.is_empty();
        out.push(if block { '\n' } else { ' ' });
        if block {
            self.block(out, depth);
        } else {
            self.scalar(out);
            out.push('\n');
        }
    }

    /// Writes an item behind its dash: the first entry of a map stands on the same line.
    fn behind_dash(&self, out: &mut String, depth: usize) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at == 0 {
                        out.push(' ');
                    } else {
                        indent(out, depth);
                    }
                    value.entry(key, out, depth);
                }
            }
            Self::Map(_)
            | Self::List(_)
            | Self::Null
            | Self::Flag(_)
            | Self::Number(_)
            | Self::Share(_)
            | Self::Text(_) => {
                self.behind(out, depth);
            }
        }
    }

    fn scalar(&self, out: &mut String) {
        // Writing to a string cannot fail, here and below.
        _ = match self {
            Self::Null => write!(out, "null"),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Share(share) => write!(out, "{share:?}"),
            Self::Text(text) => {
                quoted(out, text);
                Ok(())
            }
            Self::List(_) => write!(out, "[]"),
            Self::Map(_) => write!(out, "{{}}"),
        };
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Words that some version of YAML takes for something else than strings.
const TAKEN: [&str; 13] =
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "none", "undefined"];

/// Whether every reader takes a bare word for a string: letters first, nothing that has a meaning.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'/' | b'_'))
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.' | b'+'))
        && !TAKEN.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn quoted(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // What is no printable character of YAML, and what breaks lines.
            letter if letter.is_control() || ('\u{2028}'..='\u{2029}').contains(&letter) => {
                _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => _ = write!(out, "\\u{:04x}", u32::from(letter)),
            letter => out.push(letter),
        }
    }
    out.push('"');
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Share(share) => serializer.serialize_f64(*share),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Node {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_yaml_takes_for_something_else_is_quoted() {
        let node = Node::map()
            .with("no", "on")
            .with("2026-01-31", "1.0")
            .with("/a/{b}", "a: b")
            .with("plain", "word")
            .with("list", vec![Node::map().with("a", 1).with("b", Node::map()), Node::from(true)])
            .with("empty", Vec::new());
        let expected = "\"no\": \"on\"\n\"2026-01-31\": \"1.0\"\n\"/a/{b}\": \"a: b\"\nplain: word\nlist:\n  - a: 1\n    \
                        b: {}\n  - true\nempty: []\n";
        assert_eq!(node.to_yaml(), expected);
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Node::Flag),
            any::<u32>().prop_map(|number| Node::Number(number.into())),
            (0..=1_000_u32).prop_map(|share| Node::Share(f64::from(share) / 1_000.0)),
            any::<String>().prop_map(Node::Text),
            prop_oneof![Just("yes"), Just("~"), Just("0x1"), Just("1:30"), Just("- a"), Just("")]
                .prop_map(Node::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
                proptest::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Node::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is written is what is read, as YAML and as JSON.
        #[test]
        fn yaml_and_json_say_the_same(node in nodes()) {
            let plain = serde_json::to_value(&node).unwrap();
            let from_yaml: serde_json::Value = serde_norway::from_str(&node.to_yaml()).unwrap();
            prop_assert_eq!(&from_yaml, &plain);
            let from_json: serde_json::Value = serde_json::from_str(&node.to_json()).unwrap();
            prop_assert_eq!(from_json, plain);
        }
    }
}
