//! From a value to the classes it may be of: the hot path of classification.
//!
//! Formats that no other value has (JWT, IBAN, keys with known prefixes, mail addresses) come first, then
//! what the key suggests, then formats that an accident may hit. Everything is gated by length and by the
//! kinds of characters in the value, so that most values fall through after a few comparisons. Text of many
//! words is searched inside.

use super::checks::{self, Check};
use super::evidence::{Fate, Hit};
use super::keys::KeyVerdict;
use super::{Alone, Classifier};
use crate::payload::JsonType;
use wide::u8x16;

/// Kinds of characters, as bits.
mod kind {
    pub(super) const DIGIT: u16 = 1;
    pub(super) const UPPER: u16 = 2;
    pub(super) const LOWER: u16 = 4;
    pub(super) const SPACE: u16 = 8;
    pub(super) const DASH: u16 = 16;
    pub(super) const DOT: u16 = 32;
    pub(super) const AT: u16 = 64;
    pub(super) const COLON: u16 = 128;
    pub(super) const SLASH: u16 = 256;
    pub(super) const OTHER: u16 = 512;
}

/// The kind of each byte.
static KINDS: [u16; 256] = kinds();

const fn kinds() -> [u16; 256] {
    let mut table = [kind::OTHER; 256];
    let mut at = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 entries")]
        {
            table[at as usize] = match at {
                b'0'..=b'9' => kind::DIGIT,
                b'A'..=b'Z' => kind::UPPER,
                b'a'..=b'z' => kind::LOWER,
                b' ' => kind::SPACE,
                b'-' => kind::DASH,
                b'.' => kind::DOT,
                b'@' => kind::AT,
                b':' => kind::COLON,
                b'/' => kind::SLASH,
                _ => kind::OTHER,
            };
        }
        if at == u8::MAX {
            return table;
        }
        at += 1;
    }
}

/// How much of a value is looked at when it is no text.
const FRONT: usize = 48;

/// The kinds of characters in a value: of all of it when it is short or text, else of its front.
#[inline]
fn summary(value: &[u8]) -> u16 {
    let (front, rest) = value.split_at_checked(FRONT).unwrap_or((value, &[]));
    let kinds = kinds_in(front);
    if !rest.is_empty() && (kinds & kind::SPACE != 0 || rest.len() < 272) {
        return kinds | kinds_in(rest.get(..rest.len().min(MAX_TEXT)).unwrap_or_default());
    }
    kinds
}

/// The kinds of all characters.
#[inline]
fn kinds_in(bytes: &[u8]) -> u16 {
    // Values are short: what is left over is read from the end once more, rather than byte by byte.
    if let (Some(front), Some(end)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        if let Some(end) = bytes.last_chunk::<16>() {
            let (mut kinds, mut rest) = (kinds_of(*end), bytes);
            while let Some((part, behind)) =
                rest.split_first_chunk::<16>().filter(|(_, rest)| !rest.is_empty())
            {
                kinds |= kinds_of(*part);
                rest = behind;
            }
            return kinds;
        }
        let both = u128::from(u64::from_le_bytes(*front)) | u128::from(u64::from_le_bytes(*end)) << 64;
        return kinds_of(both.to_le_bytes());
    }
    let look = |kinds: u16, byte: &u8| kinds | KINDS.get(usize::from(*byte)).copied().unwrap_or_default();
    bytes.iter().fold(0, look)
}

/// Which of sixteen bytes are in a range.
#[inline]
pub(super) fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let offset = bytes - u8x16::splat(first);
    offset.simd_eq(offset.min(u8x16::splat(last - first)))
}

/// The kinds of sixteen characters.
#[inline]
fn kinds_of(bytes: [u8; 16]) -> u16 {
    let bytes = u8x16::new(bytes);
    let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
    let within = |first: u8, last: u8| within(bytes, first, last);
    // As many kinds as a byte has bits; the other two are asked for.
    let bit = |hits: u8x16, kind: u16| hits & u8x16::splat(u8::try_from(kind).unwrap_or_default());
    let known = bit(within(b'0', b'9'), kind::DIGIT)
        | bit(within(b'A', b'Z'), kind::UPPER)
        | bit(within(b'a', b'z'), kind::LOWER)
        | bit(is(b' '), kind::SPACE)
        | bit(is(b'-'), kind::DASH)
        | bit(is(b'.'), kind::DOT)
        | bit(is(b'@'), kind::AT)
        | bit(is(b':'), kind::COLON);
    let slash = is(b'/');
    let other = (known | slash).simd_eq(u8x16::splat(0));
    let pairs = u128::from_le_bytes(known.to_array());
    let folded = (pairs | pairs >> 64) & u128::from(u64::MAX);
    let folded = folded | folded >> 32;
    let folded = folded | folded >> 16;
    let folded = u16::try_from((folded | folded >> 8) & 0xff).unwrap_or_default();
    folded | if slash.any() { kind::SLASH } else { 0 } | if other.any() { kind::OTHER } else { 0 }
}

/// The shortest text that tells what it is without a key.
const MIN_TELLING: usize = 6;

/// Whether a value of so many bytes can be no class at all, whatever it is: its key suggests nothing, and it is too short,
/// or one of the most numbers, which are no format that tells by itself and have no blanks around them.
#[inline]
pub(crate) const fn tells_nothing(verdict: &KeyVerdict, kind: JsonType, len: usize) -> bool {
    let dull = match kind {
        JsonType::Null | JsonType::Boolean => return true,
        JsonType::Number => true,
        JsonType::Integer => is_dull_number(len),
        JsonType::String | JsonType::Object | JsonType::Array => len < MIN_TELLING,
    };
    dull && verdict.candidates.is_empty()
}

/// Whether a value whose key suggests nothing can be no class at all: it has neither the front, nor the
/// characters, nor the length of any format that tells by itself. Most values are such.
#[inline]
fn says_nothing(kind: JsonType, value: &[u8], kinds: u16, other: bool) -> bool {
    let number = kinds & kind::DIGIT != 0;
    if kind == JsonType::String {
        let front = matches!(
            value.first(),
            Some(b'e' | b'B' | b'b' | b'A' | b'g' | b'x' | b's' | b'r' | b'w' | b'-' | b'%' | b';')
        ) || matches!(value, [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', ..])
            || (value.len() == 17 && matches!(value.get(2), Some(b':' | b'-')));
        if value.len() >= MIN_TELLING && (front || kinds & kind::AT != 0) {
            return false;
        }
        if kinds & kind::SPACE != 0 && number && value.len() >= 16 {
            return false;
        }
    }
    if other || !number || kind == JsonType::Number {
        return true;
    }
    let numeric = kinds & !(kind::DIGIT | kind::SPACE | kind::DASH | kind::DOT | kind::SLASH) == 0;
    match value.len() {
        9..=11 | 16 | 20 | 88 => false,
        len => !numeric || is_dull_number(len),
    }
}

/// Whether a value may be masked: most show by their kinds that they are not.
#[inline]
fn may_be_masked(value: &[u8], kinds: u16) -> bool {
    // Of four bytes of a kind in a row one stands at each fourth place.
    let run =
        |value: &[u8]| value.iter().skip(3).step_by(4).any(|byte| matches!(byte, b'X' | b'x' | b'.' | b'-'));
    value.len() > FRONT || kinds & (kind::OTHER | kind::SPACE) != 0 || kinds & kind::DIGIT == 0 || run(value)
}

/// Whether a number of so many digits is none of the formats that tell by themselves.
pub(crate) const fn is_dull_number(digits: usize) -> bool {
    !matches!(digits, 9..=11 | 13..=23 | 88)
}

/// Longest text that is searched inside, beyond which only its front is.
const MAX_TEXT: usize = 64 << 10;

impl Classifier {
    /// Adds to `hits` what `value` may be, under a key with `verdict`.
    pub fn classify(&self, verdict: &KeyVerdict, kind: JsonType, value: &[u8], hits: &mut Vec<Hit>) {
        if tells_nothing(verdict, kind, value.len()) {
            return;
        }
        let unnamed = verdict.candidates.is_empty();
        let value = value.trim_ascii();
        let before = hits.len();
        let kinds = summary(value);
        if unnamed && says_nothing(kind, value, kinds, verdict.other) {
            return;
        }
        let long = kind == JsonType::String && value.len() >= MIN_TELLING;
        if long && self.distinctive(value, kinds, verdict, hits) {
            return;
        }
        if let Some(best) = verdict.candidates.first() {
            if may_be_masked(value, kinds) && checks::is_masked(value) {
                hits.push(Hit {
                    class: best.class,
                    strength: best.strength,
                    fate: Fate::Masked,
                    embedded: false,
                    chance_ppm: 0,
                });
                return;
            }
            for candidate in &verdict.candidates {
                let Some((signature, chance_ppm)) = self.signature(candidate.signature) else { continue };
                // A weak hint is not enough for an identifier that anything may have.
                let passed = signature.proof.passes(value) && !(candidate.strength < 60 && is_uuid(value));
                let fate = if passed { Fate::Valid } else { Fate::Failed };
                hits.push(Hit {
                    class: candidate.class,
                    strength: candidate.strength,
                    fate,
                    embedded: false,
                    chance_ppm,
                });
                if passed {
                    return;
                }
            }
        }
        if !verdict.other
            && kinds & kind::DIGIT != 0
            && kind != JsonType::Number
            && (8..=128).contains(&value.len())
        {
            self.accidental(value, kinds, hits);
        }
        let text = kinds & kind::SPACE != 0 && kinds & (kind::DIGIT | kind::AT) != 0 && value.len() >= 16;
        if text && kind == JsonType::String && !hits.iter().skip(before).any(|hit| hit.fate == Fate::Valid) {
            self.inside(value, kinds & kind::AT != 0, hits);
        }
    }

    /// Formats that tell by themselves. Returns whether the value is settled.
    #[inline]
    fn distinctive(&self, value: &[u8], kinds: u16, verdict: &KeyVerdict, hits: &mut Vec<Hit>) -> bool {
        let [first, second, third, ..] = value else { return false };
        let strength = |alone: Alone| {
            verdict
                .candidates
                .iter()
                .find(|candidate| candidate.signature == alone.signature)
                .map_or(0, |candidate| candidate.strength)
        };
        let mut test = |check: Check| {
            let Some(alone) = self.alone(check) else { return false };
            if !check.passes(value) {
                return false;
            }
            hits.push(Hit {
                class: alone.class,
                strength: strength(alone),
                fate: Fate::Valid,
                embedded: false,
                chance_ppm: alone.chance_ppm,
            });
            true
        };
        let settled = match (first, second, third) {
            (b'e', b'y', b'A'..=b'Z') => test(Check::Jwt),
            (b'B' | b'b', b'a' | b'A', b's' | b'S') => test(Check::BasicAuth),
            (b'A', b'I', b'z') => test(Check::GcpKey),
            (b'A', b'K' | b'S' | b'G' | b'I' | b'R' | b'N', b'I' | b'P' | b'D' | b'O')
                if value.len() == 20 =>
            {
                test(Check::AwsKeyId)
            }
            (b'g', b'h', _) | (b'g', b'i', b't') => test(Check::Github),
            (b'x', b'o' | b'a', _) => test(Check::Slack),
            (b's' | b'r', b'k', b'_') | (b'w', b'h', b's') => test(Check::Stripe),
            (b'-', b'-', b'-') => test(Check::PrivateKey),
            (b'%', b'B', _) | (b';', b'0'..=b'9', _) => test(Check::Track),
            (b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9') if value.len() >= 8 => {
                test(Check::Iban) || test(Check::CreditorId)
            }
            (_, _, b':' | b'-') if value.len() == 17 => test(Check::Mac),
            _ => false,
        };
        settled || (kinds & kind::AT != 0 && value.len() <= 320 && test(Check::Email))
    }

    /// Formats with check digits that an accident may hit: evidence decides.
    fn accidental(&self, value: &[u8], kinds: u16, hits: &mut Vec<Hit>) {
        let mut test = |check: Check| {
            let Some(alone) = self.alone(check) else { return false };
            if !check.passes(value) {
                return false;
            }
            hits.push(Hit {
                class: alone.class,
                strength: 0,
                fate: Fate::Valid,
                embedded: false,
                chance_ppm: alone.chance_ppm,
            });
            true
        };
        let numeric = kinds & !(kind::DIGIT | kind::SPACE | kind::DASH | kind::DOT | kind::SLASH) == 0;
        if numeric {
            match value.len() {
                11 => {
                    test(Check::Cpf);
                }
                14 => {
                    let _ = test(Check::Cpf) || test(Check::Cnpj) || test(Check::Pan);
                }
                18 => {
                    let _ = test(Check::Cnpj) || test(Check::Pan);
                }
                15 => {
                    let _ = test(Check::Pan) || test(Check::Nir);
                }
                21 => {
                    let _ = test(Check::Nir) || test(Check::Pan);
                }
                13..=23 => {
                    test(Check::Pan);
                }
                _ => {}
            }
            return;
        }
        match (value.len(), kinds & (kind::LOWER | kind::OTHER)) {
            (9..=11, 0) => {
                test(Check::Dni);
            }
            (16, 0) => {
                test(Check::CodiceFiscale);
            }
            (20, 0) => {
                test(Check::Lei);
            }
            (88, _) => {
                test(Check::AzureKey);
            }
            _ => {}
        }
    }

    /// Formats inside running text; `mail` when there is an `@` in it.
    fn inside(&self, value: &[u8], mail: bool, hits: &mut Vec<Hit>) {
        let value = value.get(..value.len().min(MAX_TEXT)).unwrap_or_default();
        let mut push = |check: Check| {
            if let Some(alone) = self.alone(check) {
                hits.push(Hit {
                    class: alone.class,
                    strength: 0,
                    fate: Fate::Valid,
                    embedded: true,
                    chance_ppm: alone.chance_ppm,
                });
            }
        };
        let mut words = Words::new(value);
        while let Some(at) = words.next() {
            let rest = value.get(at..).unwrap_or_default();
            if !may_begin(rest, mail) || (!mail && is_short_number(rest)) {
                continue;
            }
            // The word: to the next space, without the punctuation around it.
            let end = word_end(rest);
            let raw = rest.get(..end).unwrap_or_default();
            if !may_tell(raw, mail) {
                continue;
            }
            let word = trim_punctuation(raw);
            if word.len() < 4 {
                continue;
            }
            if let [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9', ..] = word {
                let Some(len) = checks::iban_length(word) else { continue };
                let whole = grouped(rest, len);
                if Check::Iban.passes(word) || whole.is_some_and(|(text, _)| Check::Iban.passes(text)) {
                    push(Check::Iban);
                    if let Some((_, used)) = whole.filter(|_| !Check::Iban.passes(word)) {
                        words.go_on(at + used.max(end));
                    }
                }
                continue;
            }
            if mail && word.contains(&b'@') {
                if Check::Email.passes(word) {
                    push(Check::Email);
                }
                continue;
            }
            match word {
                [b'e', b'y', b'A'..=b'Z', ..] if Check::Jwt.passes(word) => push(Check::Jwt),
                [b'A', ..] if Check::AwsKeyId.passes(word) => push(Check::AwsKeyId),
                [b'A', ..] if Check::GcpKey.passes(word) => push(Check::GcpKey),
                [b'g', b'h', ..] if Check::Github.passes(word) => push(Check::Github),
                [b'x', ..] if Check::Slack.passes(word) => push(Check::Slack),
                [b's' | b'r', b'k', b'_', ..] if Check::Stripe.passes(word) => push(Check::Stripe),
                [b'+', b'0'..=b'9', ..] => {
                    let used = rest
                        .iter()
                        .position(|byte| !byte.is_ascii_digit() && !b"+ ()-.".contains(byte))
                        .unwrap_or(rest.len());
                    let number = rest.get(..used.min(20)).unwrap_or_default();
                    let number = number.trim_ascii_end();
                    let number = number.strip_suffix(b".").unwrap_or(number);
                    if checks::phone_international(number) {
                        push(Check::Phone);
                        words.go_on(at + number.len().max(end));
                    }
                }
                [b'0'..=b'9', ..] => {
                    let used = rest
                        .iter()
                        .position(|byte| !byte.is_ascii_digit() && !b" -".contains(byte))
                        .unwrap_or(rest.len());
                    let number = rest.get(..used.min(24)).unwrap_or_default().trim_ascii_end();
                    if number.len() >= 14 && (Check::Pan.passes(number) || Check::Pan.passes(word)) {
                        push(Check::Pan);
                        words.go_on(at + number.len().max(end));
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a value without a key is a phone number in international form.
    pub(crate) fn international_phone(&self, value: &[u8], hits: &mut Vec<Hit>) -> bool {
        let Some(alone) = self.alone(Check::Phone).filter(|_| checks::phone_international(value)) else {
            return false;
        };
        hits.push(Hit {
            class: alone.class,
            strength: 0,
            fate: Fate::Valid,
            embedded: false,
            chance_ppm: 3_000,
        });
        true
    }
}

/// Whether a value has the outer form of a UUID.
fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36 && [8, 13, 18, 23].iter().all(|at| value.get(*at) == Some(&b'-'))
}

/// The text at the front of `rest` that holds `len` letters and digits in groups, and how long it is.
fn grouped(rest: &[u8], len: usize) -> Option<(&[u8], usize)> {
    let mut count = 0;
    for (at, byte) in rest.iter().enumerate() {
        if byte.is_ascii_alphanumeric() {
            count += 1;
            if count == len {
                return rest.get(..=at).map(|text| (text, at + 1));
            }
        } else if *byte != b' ' {
            return None;
        }
    }
    None
}

/// Where the first word of a text ends.
#[inline]
fn word_end(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some((word, _)) = rest.split_first_chunk::<8>() else {
            return rest.iter().position(u8::is_ascii_whitespace).map_or(text.len(), |found| at + found);
        };
        // The first byte up to 0x20: all whitespace is there, and little else.
        let word = u64::from_le_bytes(*word);
        let low = word.wrapping_sub(ONES * 0x21) & !word & HIGHS;
        if low == 0 {
            at += 8;
            continue;
        }
        at += low.trailing_zeros() as usize / 8;
        if text.get(at).is_some_and(u8::is_ascii_whitespace) {
            return at;
        }
        at += 1;
    }
}

/// Where the words of a text begin, found sixteen bytes at a time.
struct Words<'a> {
    text: &'a [u8],
    /// The bytes that were looked at are those before.
    read: usize,
    /// Where words begin in the last sixteen of them, as bits, the first byte lowest.
    starts: u32,
    /// Whether what is before the next byte ends a word.
    apart: bool,
}

impl<'a> Words<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self { text, read: 0, starts: 0, apart: true }
    }

    /// Goes on as if a word began at `at`.
    const fn go_on(&mut self, at: usize) {
        (self.read, self.starts, self.apart) = (at, 0, true);
    }
}

impl Iterator for Words<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.starts == 0 {
            let rest = self.text.get(self.read..).filter(|rest| !rest.is_empty())?;
            let blanks = if let Some(part) = rest.first_chunk() {
                blanks(*part)
            } else {
                let mut part = [b' '; 16];
                part.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
                blanks(part)
            };
            self.starts = !blanks & (blanks << 1 | u32::from(self.apart)) & 0xffff;
            self.apart = blanks >> 15 & 1 == 1;
            self.read += 16;
        }
        let first = self.starts.trailing_zeros() as usize;
        self.starts &= self.starts - 1;
        Some(self.read - 16 + first)
    }
}

/// Which of sixteen bytes are whitespace, as bits.
#[inline]
fn blanks(bytes: [u8; 16]) -> u32 {
    let bytes = u8x16::new(bytes);
    let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
    (is(b' ') | is(b'\n') | is(b'\t') | is(b'\r') | is(0x0c)).to_bitmask()
}

/// Whether a word may be what is looked for in texts, by how it begins: most begin with a letter and go on with small
/// ones. `text` may go on behind the word.
#[inline]
fn may_begin(text: &[u8], mail: bool) -> bool {
    let [first, second, third, _, ..] = text else { return false };
    match first {
        b'0'..=b'9' | b'+' => true,
        b'A' => mail || second.is_ascii_uppercase(),
        b'B'..=b'Z' => mail || third.is_ascii_digit(),
        b'e' => mail || *second == b'y',
        b'g' => mail || *second == b'h',
        b's' | b'r' => mail || *second == b'k',
        b'x' => mail || matches!(second, b'o' | b'a'),
        b'a'..=b'z' => mail,
        _ => true,
    }
}

/// Whether a text begins with a number in groups that is too short for a card's.
#[inline]
fn is_short_number(text: &[u8]) -> bool {
    let first = text.first().is_some_and(u8::is_ascii_digit);
    first && text.iter().take(14).position(|byte| !byte.is_ascii_digit() && !b" -".contains(byte)).is_some()
}

/// The same by its length, too.
#[inline]
fn may_tell(word: &[u8], mail: bool) -> bool {
    let [first, _, third, _, ..] = word else { return false };
    let number = matches!(first, b'0'..=b'9' | b'+');
    may_begin(word, mail) && (number || word.len() >= 6 || third.is_ascii_digit())
}

fn trim_punctuation(word: &[u8]) -> &[u8] {
    let is_edge = |byte: &u8| b".,;:!?()[]<>\"'".contains(byte);
    let start = word.iter().position(|byte| !is_edge(byte)).unwrap_or(word.len());
    let end = word.iter().rposition(|byte| !is_edge(byte)).map_or(start, |end| end + 1);
    word.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Sixteen at a time is as one by one.
        #[test]
        fn kinds_are_those_of_each_byte(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let expected = bytes.iter().fold(0, |kinds, byte| kinds | KINDS[usize::from(*byte)]);
            prop_assert_eq!(kinds_in(&bytes), expected);
        }

        #[test]
        fn a_word_ends_at_whitespace(text in "[a-z\t\n\u{b}\u{1f} é]{0,40}") {
            let expected = text.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(text.len());
            prop_assert_eq!(word_end(text.as_bytes()), expected);
        }

        #[test]
        fn words_begin_behind_whitespace(text in "[a-z\t\n\u{b}\u{1f}\u{c} é]{0,60}", from in 0..60_usize) {
            let bytes = text.as_bytes();
            let begins = |at: &usize| {
                !bytes[*at].is_ascii_whitespace() && (*at == from || at.checked_sub(1).is_none_or(|before| bytes[before].is_ascii_whitespace()))
            };
            let mut words = Words::new(bytes);
            words.go_on(from);
            let expected: Vec<usize> = (from..bytes.len()).filter(begins).collect();
            prop_assert_eq!(words.collect::<Vec<_>>(), expected);
        }

        /// What a word is passed over for is none of the formats that texts are searched for.
        #[test]
        fn a_word_that_tells_is_looked_at(
            word in "[(\"]?(ey[A-Z][a-z0-9.]{20}|A(KIA|Iza)[A-Z0-9]{16,36}|gh[op]_[A-Za-z0-9]{36}|xoxb-[0-9]{12}-[a-z0-9]{24}|[sr]k_live_[a-zA-Z0-9]{24}|[A-Z]{2}[0-9]{2}[A-Z0-9]{12,20}|[+]?[0-9 ]{7,20}|[a-z.]{1,9}@[a-z]{1,9}[.]com)[.,)]?",
        ) {
            let word = word.as_bytes();
            prop_assume!(word_end(word) >= 6);
            prop_assert!(may_tell(&word[..word_end(word)], word.contains(&b'@')));
        }

        /// Every masked value may be masked.
        #[test]
        fn masks_are_never_passed_over(value in "[0-9A-Zx*.•-]{0,9}(X{4}|[*]{3}|x{4}|[.]{4}|-{4})[0-9A-Z]{0,9}|ending in [0-9]{4}|redacted") {
            let value = value.as_bytes();
            prop_assert!(may_be_masked(value, summary(value)) || !checks::is_masked(value));
        }
    }
}
