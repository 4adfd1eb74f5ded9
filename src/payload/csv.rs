//! CSV (RFC 4180) with a head line; the separator is the commonest of `,` `;` tab and `|` in it.

use super::{Coding, Text, Visitor};
use crate::payload::JsonType;

/// Columns of one row that are walked.
const MAX_COLUMNS: usize = 512;

/// Walks the rows as objects in an array, named by the head line.
pub fn walk<'a>(body: &'a [u8], visitor: &mut impl Visitor<'a>) {
    let head = body.get(..memchr::memchr(b'\n', body).unwrap_or(body.len())).unwrap_or_default();
    let separator = [b',', b';', b'\t', b'|']
        .into_iter()
        .max_by_key(|candidate| (memchr::memchr_iter(*candidate, head).count(), *candidate == b','))
        .unwrap_or(b',');
    let mut rest = body;
    let mut names = Vec::new();
    row(&mut rest, separator, |text| names.push(text));
    visitor.enter_array();
    while !rest.is_empty() {
        visitor.enter_object();
        let mut column = names.iter();
        row(&mut rest, separator, |text| {
            if let Some(name) = column.next() {
                visitor.key(*name);
                visitor.scalar(JsonType::String, text);
            }
        });
        visitor.leave_object();
    }
    visitor.leave_array();
}

/// Reads one row off the front of `rest`.
fn row<'a>(rest: &mut &'a [u8], separator: u8, mut cell: impl FnMut(Text<'a>)) {
    let mut columns = 0;
    loop {
        let (text, behind) = if rest.first() == Some(&b'"') {
            let inner = rest.get(1..).unwrap_or_default();
            let mut at = 0;
            let mut doubled = false;
            let end = loop {
                let Some(quote) = memchr::memchr(b'"', inner.get(at..).unwrap_or_default()) else {
                    break inner.len();
                };
                at += quote;
                if inner.get(at + 1) == Some(&b'"') {
                    doubled = true;
                    at += 2;
                } else {
                    break at;
                }
            };
            let raw = inner.get(..end).unwrap_or_default();
            let tail = inner.get(end + 1..).unwrap_or_default();
            let skip = memchr::memchr2(separator, b'\n', tail).unwrap_or(tail.len());
            let coding = if doubled { Coding::Csv } else { Coding::Plain };
            (Text::coded(raw, coding), tail.get(skip..).unwrap_or_default())
        } else {
            let end = memchr::memchr2(separator, b'\n', rest).unwrap_or(rest.len());
            let (raw, tail) = rest.split_at(end);
            (Text::plain(raw.strip_suffix(b"\r").unwrap_or(raw)), tail)
        };
        if columns < MAX_COLUMNS {
            cell(text);
        }
        columns += 1;
        let Some((next, tail)) = behind.split_first() else {
            *rest = behind;
            return;
        };
        *rest = tail;
        if *next == b'\n' {
            return;
        }
    }
}

/// Undoes doubled quotes into `out`.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(rest.get(..=quote).unwrap_or_default());
        rest = rest.get(quote + 1..).unwrap_or_default();
        rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn cells_are_named_by_the_head_line() {
        let mut record = Record::default();
        walk(b"a;b\r\n1;\"x;\"\"y\"\"\"\r\n2;\r\n", &mut record);
        assert_eq!(
            record.lines,
            ["$[*].a=string:1", "$[*].b=string:x;\"y\"", "$[*].a=string:2", "$[*].b=string:"]
        );
    }
}
