//! JSON (RFC 8259) and sequences of JSON values, scanned in place.
//!
//! The scanner is lenient where that costs nothing: it follows brackets, strings and commas and does not
//! judge numbers or literals. At the first byte that cannot belong to JSON it stops. Strings are searched
//! for their end 32 bytes at a time.

use super::{Coding, Text, Visitor};
use crate::payload::JsonType;
use wide::u8x32;

/// Walks the first JSON value of `body`.
pub fn walk<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    Scanner { bytes: body, at: 0 }.value(depth, visitor);
}

/// Walks all JSON values of `body`, one after the other, as items of one array.
pub fn walk_lines<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    let mut scanner = Scanner { bytes: body, at: 0 };
    visitor.enter_array();
    loop {
        while scanner.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == 0x1e) {
            scanner.at += 1;
        }
        if scanner.peek().is_none() {
            break;
        }
        if !scanner.value(depth, visitor) {
            // A broken line costs itself: go on behind its end.
            match memchr::memchr(b'\n', scanner.rest()) {
                Some(end) => scanner.at += end + 1,
                None => break,
            }
        }
    }
    visitor.leave_array();
}

/// Nesting as bits: 1 for an object. As deep as it goes, containers below are skipped.
const MAX_DEPTH: usize = 120;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// One value with all it holds. `false` when it was broken or cut.
    fn value(&mut self, depth: usize, visitor: &mut impl Visitor<'a>) -> bool {
        let max = depth.clamp(1, MAX_DEPTH);
        let bytes = self.bytes;
        let mut at = self.at;
        let mut objects: u128 = 0;
        let mut open = 0_usize;
        // Whether the next string is a key.
        let mut expect_key = false;
        let whole = loop {
            let Some(mut byte) = bytes.get(at) else { break false };
            if expect_key && *byte == b'"' {
                expect_key = false;
                let Some(behind) = name(bytes, at, visitor) else { break false };
                at = behind;
                // Behind the name comes nearly always its value.
                match bytes.get(at..) {
                    Some([b':', next, ..]) => {
                        at += 1;
                        byte = next;
                    }
                    Some(_) | None => continue,
                }
            }
            match byte {
                // The first to be asked for, as most values are texts.
                byte if *byte == b'"' => {
                    let Some((text, behind)) = string(bytes, at) else { break false };
                    at = behind;
                    visitor.scalar(JsonType::String, text);
                }
                b' ' | b'\n' | b'\r' | b'\t' | b':' => {
                    at += 1;
                    continue;
                }
                b',' => {
                    at += 1;
                    expect_key = objects & 1 == 1;
                    continue;
                }
                b'{' | b'[' => {
                    at += 1;
                    if open == max {
                        self.at = at;
                        let whole = self.skip();
                        at = self.at;
                        if !whole {
                            break false;
                        }
                        continue;
                    }
                    open += 1;
                    objects <<= 1;
                    expect_key = *byte == b'{';
                    if expect_key {
                        objects |= 1;
                        visitor.enter_object();
                    } else {
                        visitor.enter_array();
                    }
                    continue;
                }
                b'}' | b']' => {
                    let object = objects & 1 == 1;
                    if open == 0 || object != (*byte == b'}') {
                        break false;
                    }
                    at += 1;
                    open -= 1;
                    objects >>= 1;
                    expect_key = false;
                    if object {
                        visitor.leave_object();
                    } else {
                        visitor.leave_array();
                    }
                }
                b'-' | b'0'..=b'9' => {
                    let (kind, text) = number(bytes, at);
                    at += text.len();
                    visitor.scalar(kind, Text::plain(text));
                }
                b't' | b'f' | b'n' => {
                    let Some((kind, text)) = word(bytes, at) else { break false };
                    at += text.len();
                    visitor.scalar(kind, Text::plain(text));
                }
                _ => break false,
            }
            if open == 0 {
                break true;
            }
            // And behind a value the next.
            if bytes.get(at) == Some(&b',') {
                at += 1;
                expect_key = objects & 1 == 1;
            }
        };
        self.at = at;
        leave(open, objects, visitor);
        whole
    }

    /// Skips to behind the end of the container whose opening bracket was just read.
    fn skip(&mut self) -> bool {
        let mut open = 1_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let Some((_, behind)) = string(self.bytes, self.at) else { return false };
                    self.at = behind;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return true;
            }
        }
        false
    }
}

/// Leaves what is still `open`, of which the bits in `objects` tell which are objects.
fn leave<'a>(open: usize, objects: u128, visitor: &mut impl Visitor<'a>) {
    for at in 0..open {
        if objects >> at & 1 == 1 {
            visitor.leave_object();
        } else {
            visitor.leave_array();
        }
    }
}

/// Tells the name whose opening quote is at `quote`, and gives where it goes on behind it. `None` when it has no end.
#[inline]
fn name<'a>(bytes: &'a [u8], quote: usize, visitor: &mut impl Visitor<'a>) -> Option<usize> {
    let known = visitor.expected(bytes.get(quote..)?);
    if known > 0 {
        return Some(quote + known);
    }
    let (name, behind) = string(bytes, quote)?;
    visitor.key(name);
    Some(behind)
}

/// The string whose opening quote is at `quote`, and where it goes on behind it. `None` when it has no end.
#[inline]
fn string(bytes: &[u8], quote: usize) -> Option<(Text<'_>, usize)> {
    let start = quote + 1;
    let mut at = start;
    let mut coding = Coding::Plain;
    loop {
        at += quote_or_backslash(bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((Text::coded(bytes.get(start..at)?, coding), at + 1));
        }
        coding = Coding::Json;
        at += 2;
    }
}

/// The literal that begins at `start`.
#[inline]
fn word(bytes: &[u8], start: usize) -> Option<(JsonType, &[u8])> {
    let rest = bytes.get(start..)?;
    let (len, kind) = if rest.starts_with(b"true") {
        (4, JsonType::Boolean)
    } else if rest.starts_with(b"false") {
        (5, JsonType::Boolean)
    } else if rest.starts_with(b"null") {
        (4, JsonType::Null)
    } else {
        return None;
    };
    Some((kind, rest.get(..len)?))
}

/// The number that begins at `start`.
#[inline]
fn number(bytes: &[u8], start: usize) -> (JsonType, &[u8]) {
    let rest = bytes.get(start..).unwrap_or_default();
    let mut kind = JsonType::Integer;
    let mut len = 0;
    for byte in rest {
        match byte {
            b'0'..=b'9' | b'-' | b'+' => {}
            b'.' | b'e' | b'E' => kind = JsonType::Number,
            _ => break,
        }
        len += 1;
    }
    (kind, rest.get(..len).unwrap_or_default())
}

/// Which of 32 bytes are quotes or backslashes, as bits, the first byte lowest.
#[inline]
fn marks(bytes: [u8; 32]) -> u32 {
    let bytes = u8x32::new(bytes);
    (bytes.simd_eq(u8x32::splat(b'"')) | bytes.simd_eq(u8x32::splat(b'\\'))).to_bitmask()
}

/// Where the first quote or backslash is.
#[inline]
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = bytes;
    // Short strings end here, most of them in the first part; long ones are worth a call.
    for _ in 0..2 {
        let Some((front, tail)) = rest.split_first_chunk() else { break };
        let marks = marks(*front);
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += front.len();
        rest = tail;
    }
    memchr::memchr2(b'"', b'\\', rest).map(|found| at + found)
}

/// Undoes the escapes of a JSON string into `out`.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw;
    while let Some(slash) = memchr::memchr(b'\\', rest) {
        let (front, tail) = rest.split_at(slash);
        out.extend_from_slice(front);
        let Some(code) = tail.get(1) else { return };
        let mut used = 2;
        match code {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                used = 6;
                let unit = hex4(tail.get(2..6));
                let scalar = match unit {
                    Some(high @ 0xd800..=0xdbff) => {
                        let low = if tail.get(6..8) == Some(b"\\u") { hex4(tail.get(8..12)) } else { None };
                        match low {
                            Some(low @ 0xdc00..=0xdfff) => {
                                used = 12;
                                char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                            }
                            _ => None,
                        }
                    }
                    Some(unit) => char::from_u32(unit),
                    None => None,
                };
                let scalar = scalar.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(*other),
        }
        rest = tail.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0_u32, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;
    use proptest::prelude::*;

    fn lines(body: &str) -> Vec<String> {
        let mut record = Record::default();
        walk(body.as_bytes(), 64, &mut record);
        record.lines
    }

    #[test]
    fn leaves_are_told_with_their_paths() {
        let body = r#" {"a":1,"b":{"c":[true,null,{"d":"x\"\u00e9"}],"e":-1.5e3},"f":"","g":[]} "#;
        assert_eq!(
            lines(body),
            [
                "$.a=integer:1",
                "$.b.c[*]=boolean:true",
                "$.b.c[*]=null:null",
                "$.b.c[*].d=string:x\"é",
                "$.b.e=number:-1.5e3",
                "$.f=string:",
            ]
        );
    }

    #[test]
    fn a_cut_body_is_walked_as_far_as_it_goes() {
        assert_eq!(lines(r#"{"a":"x","b":["y","z"#), ["$.a=string:x", "$.b[*]=string:y"]);
    }

    #[test]
    fn what_is_too_deep_is_skipped() {
        let mut record = Record::default();
        walk(br#"{"a":{"b":{"c":"]}"}},"d":1}"#, 2, &mut record);
        assert_eq!(record.lines, ["$.d=integer:1"]);
    }

    #[test]
    fn values_one_after_the_other_are_items() {
        let mut record = Record::default();
        walk_lines(b"{\"a\":1}\n{\"a\":}\n{\"a\":2}\n", 9, &mut record);
        assert_eq!(record.lines, ["$[*].a=integer:1", "$[*].a=integer:2"]);
    }

    fn leaves(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
        use serde_json::Value;
        match value {
            Value::Null => out.push(format!("{path}=null:null")),
            Value::Bool(flag) => out.push(format!("{path}=boolean:{flag}")),
            Value::Number(number) => {
                let kind = if number.is_f64() { "number" } else { "integer" };
                out.push(format!("{path}={kind}:{number}"));
            }
            Value::String(text) => out.push(format!("{path}=string:{text}")),
            Value::Array(items) => items.iter().for_each(|item| leaves(item, &format!("{path}[*]"), out)),
            Value::Object(map) => {
                map.iter().for_each(|(name, item)| leaves(item, &format!("{path}.{name}"), out));
            }
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Into::into),
            any::<f64>()
                .prop_filter_map("finite", |number| serde_json::Number::from_f64(number).map(Value::Number)),
            ".{0,12}".prop_map(Value::String),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::hash_map("[a-z\\\\\"é]{1,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The same leaves under the same paths as a parser with a document finds.
        #[test]
        fn the_scan_agrees_with_a_parser(value in any_json(), pretty in any::<bool>()) {
            let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let mut expected = Vec::new();
            leaves(&value, "$", &mut expected);
            prop_assert_eq!(lines(&body.unwrap()), expected);
        }

        /// The same where names are expected: alike ones, cut ones and those of values among them.
        #[test]
        fn expected_names_are_read_as_any_others(
            value in any_json(),
            expected in proptest::collection::vec("[a-zé]{0,2}", 0..40),
            at in any::<proptest::sample::Index>(),
            pretty in any::<bool>(),
        ) {
            let body = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            for body in [&body[..], &body[..at.index(body.len() + 1)]] {
                let (mut plain, mut knowing) = (Record::default(), Record::default());
                knowing.expected.clone_from(&expected);
                walk(body, 64, &mut plain);
                walk(body, 64, &mut knowing);
                prop_assert_eq!(&knowing.lines, &plain.lines);
            }
        }

        /// Wherever a body is cut, the leaves before the cut are told, and at most the last of them is not whole.
        #[test]
        fn a_cut_anywhere_costs_only_what_is_behind_it(value in any_json(), at in any::<proptest::sample::Index>()) {
            let body = serde_json::to_vec(&value).unwrap();
            let cut = at.index(body.len() + 1);
            let (mut whole, mut part) = (Record::default(), Record::default());
            walk(&body, 64, &mut whole);
            walk(&body[..cut], 64, &mut part);
            let sure = part.lines.len().saturating_sub(1);
            prop_assert!(part.lines.len() <= whole.lines.len());
            prop_assert_eq!(&part.lines[..sure], &whole.lines[..sure]);
        }
    }
}
