//! What of a path, host or parameter name may be written.
//!
//! A name has to earn it. A document that names it is enough. Otherwise it must read like a name: a plain
//! word, a version, a file; nothing that a data class matches, that holds a run of digits, or that the
//! learner took for a literal only for want of evidence and no plain word. What has not earned it is shown
//! by its shape alone.

use super::facts::EndpointFacts;
use super::inspect::name_class;
use super::learner::{EndpointClass, Learnt, TemplateSegment};
use crate::classify::{Classifier, KeyVerdict};
use crate::payload::JsonType;
use std::borrow::Cow;

/// What stands for a name that may not be shown.
pub(super) const MASKED: &str = "{…}";

/// The path template of a learnt endpoint, as far as it may be shown.
#[must_use]
pub fn shown(learnt: &Learnt<'_, EndpointFacts>) -> String {
    let noise = !matches!(learnt.class, EndpointClass::Api | EndpointClass::Health | EndpointClass::Static);
    let mut text = String::new();
    for (at, segment) in learnt.template.segments().iter().enumerate() {
        text.push('/');
        match segment {
            TemplateSegment::Literal(name) => {
                // What an operator calls a name is one.
                let ruled = at < 64 && learnt.ruled_names >> at & 1 == 1;
                // A date that leads to a whole API is its version, however little else proves it.
                let doubtful = learnt.low_literals.contains(&at) && !(at < 2 && is_date(name));
                if ruled || may_show(name, doubtful, noise) {
                    text.push_str(name);
                } else {
                    text.push_str(MASKED);
                }
            }
            TemplateSegment::Parameter { before, name, after, .. } => {
                let fixed = |text: &str| text.is_empty() || may_show(text, false, noise);
                let (before, after) =
                    (if fixed(before) { before } else { MASKED }, if fixed(after) { after } else { MASKED });
                text.push_str(before);
                text.push('{');
                text.push_str(name);
                text.push('}');
                text.push_str(after);
            }
            TemplateSegment::Rest => text.push_str("{rest}"),
        }
    }
    if text.is_empty() {
        text.push('/');
    }
    text
}

/// Whether a name of a path or host may be written to disk before it is known whether it is one: a plain word
/// or version. Where it is not `proven` that something answers, strangers make names up.
#[must_use]
pub fn may_store(name: &str, host: bool, proven: bool) -> bool {
    if host { shown_host(name) == name } else { may_show(name, true, !proven) || is_version(name) }
}

/// Whether a name that a message gives its kind may be shown: nothing more is known of it.
#[must_use]
pub fn may_name_kind(name: &str) -> bool {
    may_show(name, true, false)
}

/// Whether a path segment reads like a name rather than a value.
fn may_show(name: &str, doubtful: bool, noise: bool) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let longest_run = name.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if name.len() > 64
        || digits > 8
        || longest_run > 5
        || name.contains(['@', '%', ' ', '=', '&', '?', '"', '<'])
    {
        return false;
    }
    if !name.is_ascii() || name.bytes().any(|byte| byte.is_ascii_control()) {
        return false;
    }
    // A date may be an API's version, once the learner has found that it leads to a whole API.
    let is_version = !doubtful && name.len() <= 10;
    if !is_version && name_class(name.as_bytes()).is_some() {
        return false;
    }
    if doubtful && noise {
        return is_word(name);
    }
    if doubtful {
        // First names and surnames with a dot or in title case look like this; routes rarely do.
        return digits <= 4 && !looks_personal(name);
    }
    true
}

/// `2010-04-01`
fn is_date(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Letters only, or words joined by hyphens, underscores or a file's extension.
pub(super) fn is_word(name: &str) -> bool {
    let stem = name.trim_start_matches('.');
    !stem.is_empty()
        && stem.split(['-', '_', '.']).all(|word| {
            word.len() <= 20
                && (word.bytes().all(|byte| byte.is_ascii_lowercase())
                    || word.bytes().all(|byte| byte.is_ascii_uppercase()))
        })
}

/// `v1`, `v2.1`
fn is_version(name: &str) -> bool {
    name.strip_prefix(['v', 'V']).is_some_and(|number| {
        (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `anna.becker`, `Anna-Becker`, `BECKER`.
fn looks_personal(name: &str) -> bool {
    let words: Vec<&str> = name.split(['.', '-', '_', '+']).collect();
    let titled = words.iter().all(|word| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase)
            && letters.clone().count() > 0
            && letters.all(char::is_lowercase)
    });
    titled && words.len() > 1
}

/// A method as sent is shown when it is one that anybody knows; else as `OTHER`.
#[must_use]
pub fn shown_method(method: &str) -> String {
    if method.len() <= 16 && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        method.to_owned()
    } else {
        "OTHER".to_owned()
    }
}

/// A host name as far as it reads like one.
#[must_use]
pub fn shown_host(host: &str) -> String {
    if is_host(host) { host.to_owned() } else { MASKED.to_owned() }
}

/// Whether a host reads like one: a name of labels (RFC 1123, with underscores), an address, or nothing. What does not
/// is counted under one name for all, so that strangers cannot fill the inventory with such.
#[must_use]
pub fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.ends_with(']')
            && address.len() <= 46
            && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b']'));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.is_empty() || (host.len() <= 253 && host.split('.').all(label))
}

/// The name under which a host is counted that does not read like one.
pub const NO_HOST: &str = MASKED;

/// The name of an operation, a root field, an action or an error's code, if it reads like one. Clients choose the names of
/// their GraphQL operations, and may write what they like in place of the others: a name is made of words with few digits
/// among them, and no data class knows it or a part of it.
#[must_use]
pub fn shown_operation<'n>(name: &'n [u8], classifier: &Classifier) -> Option<&'n str> {
    let text = std::str::from_utf8(name).ok().filter(|_| is_made_of_words(name))?;
    let nothing = KeyVerdict::default();
    let mut hits = Vec::new();
    for piece in std::iter::once(text).chain(parts(text)) {
        // A part of digits alone is a version, which is too short to be anything else.
        if piece.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        classifier.classify(&nothing, JsonType::String, piece.as_bytes(), &mut hits);
        if !hits.is_empty() || name_class(piece.as_bytes()).is_some() {
            return None;
        }
    }
    Some(text)
}

/// Whether a name that a client may choose is made of words with few digits among them.
fn is_made_of_words(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    (1..=64).contains(&text.len())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && parts(text).all(is_operation_word)
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(['_', '.', '-', '/', ':', '$']).filter(|part| !part.is_empty())
}

/// `getBalance`, `v2`, `MT103`, `GetAccountsV31`; not `a8f3k2`, `deadbeef01`, `4711815`.
fn is_operation_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if !bytes.iter().all(u8::is_ascii_alphanumeric) || digits > 5 || digits == bytes.len() && digits > 4 {
        return false;
    }
    // Letters and digits in turn are an id's.
    let turns = bytes.chunk_by(|one, next| one.is_ascii_digit() == next.is_ascii_digit()).count();
    let hex = bytes.len() >= 8 && digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit);
    turns <= 4 && !hex
}

/// The name of a query parameter, decoded, as far as it reads like one.
#[must_use]
pub fn shown_name(raw: &[u8]) -> Cow<'_, str> {
    let digits = raw.iter().filter(|byte| byte.is_ascii_digit()).count();
    let plain = raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]$:~*<>".contains(byte));
    let text = if plain {
        std::str::from_utf8(raw).map_or(Cow::Borrowed(MASKED), Cow::Borrowed)
    } else {
        let mut decoded = Vec::with_capacity(raw.len());
        crate::payload::form::percent(raw, true, &mut decoded);
        let good = decoded.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]$:~*<>".contains(byte));
        if good { Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()) } else { Cow::Borrowed(MASKED) }
    };
    if text.len() > 64 || digits > 4 { Cow::Borrowed(MASKED) } else { text }
}
