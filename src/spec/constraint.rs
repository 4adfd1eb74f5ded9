//! What documents say of path parameters, as far as it tells values from words.
//!
//! `export` is no integer, so `/accounts/export` is not `/accounts/{id}` where the id is one. Only a plain word
//! is refused for its type, pattern or length, since a value that breaks its promise is a value still; what is
//! outside an enumeration is always refused.

use super::schema::{Schema, TypeSet};
use crate::schema::JsonType;
use regex_automata::meta::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a pattern may be to be taken into account.
const MAX_PATTERN: usize = 512;
/// From which length on a least length tells an identifier from a word.
const LONG: u64 = 8;

/// What a document says of the values of one path parameter.
#[derive(Clone, Debug)]
pub(super) enum Constraint {
    Integer,
    Number,
    Boolean,
    Uuid,
    Date,
    Words(Vec<String>),
    Pattern(Arc<Regex>),
    AtLeast(u64),
}

impl Constraint {
    pub(super) fn accepts(&self, text: &str) -> bool {
        let fits = match self {
            Self::Integer => is_integer(text),
            Self::Number => text.parse::<f64>().is_ok(),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Uuid => is_uuid(text),
            Self::Date => text.bytes().take(4).filter(u8::is_ascii_digit).count() == 4,
            Self::Words(words) => return words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Self::Pattern(pattern) => pattern.is_match(text),
            Self::AtLeast(least) => text.chars().count() as u64 >= *least,
        };
        fits || !is_word(text)
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(n, byte)| match n {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Letters, possibly joined: what a path is made of, rather than what it is asked with.
pub(super) fn is_word(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Compiled patterns, each once.
#[derive(Debug, Default)]
pub(super) struct Patterns(BTreeMap<String, Option<Arc<Regex>>>);

impl Patterns {
    pub(super) fn get(&mut self, pattern: &str) -> Option<Arc<Regex>> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        self.0
            .entry(pattern.to_owned())
            .or_insert_with(|| {
                let config = Regex::config().nfa_size_limit(Some(1 << 18)).onepass(false).dfa(false);
                Regex::builder().configure(config).build(pattern).ok().map(Arc::new)
            })
            .clone()
    }
}

/// What a schema says of the segments a parameter may be; `None` when it says nothing that helps.
pub(super) fn of_schema(schema: &Schema<'_>, patterns: &mut Patterns) -> Option<Constraint> {
    let types = schema.types;
    if types == TypeSet::ANY || types.has(JsonType::Array) || types.has(JsonType::Object) {
        return None;
    }
    if let Some(words) = &schema.words {
        let words: Vec<String> = words.iter().filter_map(|word| word.word()).collect();
        return (!words.is_empty()).then_some(Constraint::Words(words));
    }
    if types.has(JsonType::String) {
        return match (schema.format, schema.pattern, schema.length) {
            (Some("uuid" | "guid"), ..) => Some(Constraint::Uuid),
            (Some("date" | "date-time"), ..) => Some(Constraint::Date),
            (_, Some(pattern), _) => patterns.get(pattern).map(Constraint::Pattern),
            (_, _, (Some(least), _)) if least >= LONG => Some(Constraint::AtLeast(least)),
            _ => None,
        };
    }
    match (types.has(JsonType::Number), types.has(JsonType::Integer), types.has(JsonType::Boolean)) {
        (true, ..) => Some(Constraint::Number),
        (_, true, false) => Some(Constraint::Integer),
        (_, false, true) => Some(Constraint::Boolean),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_refused_and_values_are_not() {
        let pattern = Patterns::default().get("^AC[0-9a-f]{4}$").unwrap();
        for (constraint, text, expected) in [
            (Constraint::Integer, "12", true),
            (Constraint::Integer, "export-jobs", false),
            (Constraint::Integer, "0x12", true),
            (Constraint::Number, "1.5", true),
            (Constraint::Number, "me", false),
            (Constraint::Boolean, "true", true),
            (Constraint::Uuid, "search", false),
            (Constraint::Date, "2026-01-31", true),
            (Constraint::Date, "latest", false),
            (Constraint::Words(vec!["EUR".into()]), "eur", true),
            (Constraint::Words(vec!["EUR".into()]), "usd2", false),
            (Constraint::Pattern(pattern.clone()), "AC12ef", true),
            (Constraint::Pattern(pattern.clone()), "AC99", true),
            (Constraint::Pattern(pattern), "Balance", false),
            (Constraint::AtLeast(12), "me", false),
            (Constraint::AtLeast(12), "a1", true),
        ] {
            assert_eq!(constraint.accepts(text), expected, "{constraint:?} {text}");
        }
    }
}
