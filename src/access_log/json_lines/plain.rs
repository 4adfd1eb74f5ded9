//! One pass over a line of JSON as nearly all logs write it.
//!
//! No value is built, nothing is allocated: keys are compared with those of the line before, values are slices of the
//! line. What is rare (an escape, a negative number, an exponent, deep nesting) and what is no JSON is left to the general
//! reader, which then reads the line from its start. Both must come to the same: a property of the module above holds
//! them together.

use super::super::fields::{Scratch, Value};
use super::{DEPTH, Leaves};
use crate::short;
use crate::transaction::Transaction;
use wide::u8x16;

/// Begins an exchange and hands every leaf to `leaves`; `None` when the line must be read by the general reader instead.
pub(super) fn walk(
    line: &[u8],
    leaves: &mut impl Leaves,
    scratch: &mut Scratch,
    into: &mut Transaction,
) -> Option<()> {
    let (odd, ascii) = looked_through(line);
    if odd || !ascii && std::str::from_utf8(line).is_err() {
        return None;
    }
    scratch.begin(into);
    let mut path = scratch.lend_path();
    let read = Pass { path: &mut path, leaves, scratch, into }.object(line.strip_prefix(b"{")?, 0);
    scratch.take_back(path);
    // What may follow was trimmed with the line.
    read?.is_empty().then_some(())
}

/// Whether there are control characters or backslashes in a line, and whether all of it is ASCII.
fn looked_through(line: &[u8]) -> (bool, bool) {
    let (blocks, rest) = line.as_chunks::<16>();
    let nothing = u8x16::splat(0);
    let (odd, all) = blocks.iter().fold((nothing, nothing), |(odd, all), block| {
        let bytes = u8x16::new(*block);
        let control = bytes.simd_eq(bytes.min(u8x16::splat(b' ' - 1)));
        (odd | control | bytes.simd_eq(u8x16::splat(b'\\')), all | bytes)
    });
    let odd_rest = rest.iter().any(|byte| *byte < b' ' || *byte == b'\\');
    (odd.to_bitmask() != 0 || odd_rest, all.to_bitmask() == 0 && rest.is_ascii())
}

/// Reads text that is UTF-8 without escapes and control characters.
struct Pass<'w, L> {
    /// The key of the object or array being read, with what stands above it.
    path: &'w mut String,
    leaves: &'w mut L,
    scratch: &'w mut Scratch,
    into: &'w mut Transaction,
}

impl<L: Leaves> Pass<'_, L> {
    /// Reads an object behind its brace and gives back what follows.
    fn object<'a>(&mut self, text: &'a [u8], depth: u8) -> Option<&'a [u8]> {
        let length = self.path.len();
        let mut rest = blank(text);
        if let [b'}', behind @ ..] = rest {
            return Some(behind);
        }
        if length > 0 {
            self.path.push('.');
        }
        let base = self.path.len();
        loop {
            let [b'"', behind @ ..] = rest else { return None };
            let (key, behind) = self.member(behind)?;
            rest = self.value(key, behind, depth + 1)?;
            self.path.truncate(base);
            match rest {
                [b',', behind @ ..] if behind.starts_with(b"\"") => {
                    rest = behind;
                    continue;
                }
                _ => rest = blank(rest),
            }
            match rest {
                [b',', behind @ ..] => rest = blank(behind),
                [b'}', behind @ ..] => {
                    self.path.truncate(length);
                    return Some(behind);
                }
                _ => return None,
            }
        }
    }

    /// Reads a key behind its quote, and its colon; gives back the key's number and the text of its value. The path is that
    /// of the key then, if somebody asks for it.
    fn member<'a>(&mut self, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
        if self.path.is_empty()
            && let Some((key, behind)) = self.scratch.keys().take_written(text)
        {
            let value = blank(behind);
            if L::PATHS || matches!(value, [b'{' | b'[', ..]) {
                self.path.push_str(self.scratch.keys().path(key));
            }
            return Some((key, value));
        }
        let (key, behind) = self.key(text)?;
        let [b':', behind @ ..] = blank(behind) else { return None };
        Some((key, blank(behind)))
    }

    /// Reads a key behind its quote, appends it to the path, and gives back its number and what follows.
    fn key<'a>(&mut self, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let keys = self.scratch.keys();
        if let Some(expected) = keys.expected()
            && let Some(key) = expected.strip_prefix(self.path.as_str())
            && let Some([b'"', behind @ ..]) = text.strip_prefix(key.as_bytes())
        {
            self.path.push_str(key);
            return Some((keys.take_expected(), behind));
        }
        let end = quote(text)?;
        self.path.push_str(std::str::from_utf8(text.get(..end)?).ok()?);
        Some((keys.find(self.path), text.get(end + 1..)?))
    }

    /// Reads the value of the key with a number, which is the path, and gives back what follows.
    fn value<'a>(&mut self, key: usize, text: &'a [u8], depth: u8) -> Option<&'a [u8]> {
        if depth > DEPTH {
            return None;
        }
        match text {
            [b'"', behind @ ..] => {
                let end = quote(behind)?;
                self.put(key, Value::Text(behind.get(..end)?));
                behind.get(end + 1..)
            }
            [b'0'..=b'9', ..] => self.number(key, text),
            [b'{', behind @ ..] => self.object(behind, depth),
            [b'[', behind @ ..] => self.array(behind, depth),
            [b't', b'r', b'u', b'e', behind @ ..] => {
                self.put(key, Value::Bool(true));
                Some(behind)
            }
            [b'f', b'a', b'l', b's', b'e', behind @ ..] => {
                self.put(key, Value::Bool(false));
                Some(behind)
            }
            [b'n', b'u', b'l', b'l', behind @ ..] => Some(behind),
            _ => None,
        }
    }

    fn array<'a>(&mut self, text: &'a [u8], depth: u8) -> Option<&'a [u8]> {
        let mut rest = blank(text);
        if let [b']', behind @ ..] = rest {
            return Some(behind);
        }
        loop {
            // An item before may have been an object with keys of its own.
            let key = self.scratch.keys().find(self.path);
            match blank(self.value(key, rest, depth + 1)?) {
                [b',', behind @ ..] => rest = blank(behind),
                [b']', behind @ ..] => return Some(behind),
                _ => return None,
            }
        }
    }

    /// Reads a number whose value is exact without care: of few digits, without sign and exponent.
    fn number<'a>(&mut self, key: usize, text: &'a [u8]) -> Option<&'a [u8]> {
        let (whole, integer) = digits(text, 0);
        if whole > 1 && text.starts_with(b"0") {
            return None;
        }
        let rest = text.get(whole..)?;
        let [b'.', behind @ ..] = rest else {
            // 19 digits are less than 2^64.
            if whole > 19 || matches!(rest, [b'e' | b'E', ..]) {
                return None;
            }
            self.put(key, Value::Integer(integer));
            return Some(rest);
        };
        let (fraction, number) = digits(behind, integer);
        let rest = behind.get(fraction..)?;
        if fraction == 0 || whole + fraction > 15 || matches!(rest, [b'e' | b'E', ..]) {
            return None;
        }
        // Both are exact in a double, so that their quotient is the double closest to what is written.
        let power = (0..fraction).fold(1.0, |power: f64, _| power * 10.0);
        #[expect(clippy::cast_precision_loss, reason = "15 digits are less than 2^53")]
        let number = number as f64 / power;
        let written = text.get(..whole + 1 + fraction)?;
        self.leaves.decimal((self.path, key), (number, written), self.scratch, self.into);
        Some(rest)
    }

    fn put(&mut self, key: usize, value: Value<'_>) {
        self.leaves.known((self.path, key), value, self.scratch, self.into);
    }
}

/// How many digits there are at the front, and the number that they make behind `front`; of no meaning beyond 19.
fn digits(text: &[u8], front: u64) -> (usize, u64) {
    let mut number = front;
    let mut count = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    (count, number)
}

/// What follows the white space. Of JSON's, tabs and line ends are left to the general reader.
fn blank(mut text: &[u8]) -> &[u8] {
    while let [b' ', behind @ ..] = text {
        text = behind;
    }
    text
}

/// Where a string without escapes ends.
fn quote(text: &[u8]) -> Option<usize> {
    short::either(text, b'"', b'"')
}
