//! `application/x-www-form-urlencoded` bodies and query strings.

use super::{Coding, Text, Visitor};
use crate::payload::JsonType;

/// Walks `body` as an object of strings.
pub fn walk<'a>(body: &'a [u8], visitor: &mut impl Visitor<'a>) {
    visitor.enter_object();
    for (name, value) in pairs(body) {
        visitor.key(name);
        visitor.scalar(JsonType::String, value);
    }
    visitor.leave_object();
}

/// The parameters of a form or query, in order.
pub fn pairs(body: &[u8]) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let middle = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (name, value) = pair.split_at(middle);
        (coded(name), coded(value.get(1..).unwrap_or_default().trim_ascii_end()))
    })
}

/// Text of a form or query, marked as coded only when it is.
#[must_use]
pub fn coded(raw: &[u8]) -> Text<'_> {
    let coding = if memchr::memchr2(b'%', b'+', raw).is_some() { Coding::Form } else { Coding::Plain };
    Text::coded(raw, coding)
}

/// Undoes `%41` and `+` into `out`.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    percent(raw, true, out);
}

/// Undoes `%41`, and `+` when `plus`, behind what `out` holds.
pub fn percent(raw: &[u8], plus: bool, out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' if plus => out.push(b' '),
            b'%' => {
                let code = tail.first_chunk::<2>().and_then(|&[high, low]| {
                    let (high, low) = (char::from(high).to_digit(16)?, char::from(low).to_digit(16)?);
                    u8::try_from(high * 16 + low).ok()
                });
                match code {
                    Some(code) => {
                        out.push(code);
                        rest = tail.get(2..).unwrap_or_default();
                    }
                    None => out.push(b'%'),
                }
            }
            other => out.push(*other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn parameters_are_decoded() {
        let mut record = Record::default();
        walk(b"a=1&b%20c=x+y%2B&d&&e=%zz", &mut record);
        assert_eq!(record.lines, ["$.a=string:1", "$.b c=string:x y+", "$.d=string:", "$.e=string:%zz"]);
    }
}
