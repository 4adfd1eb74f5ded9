//! XML and SOAP, without namespaces: elements, attributes and text, scanned in place.
//!
//! An element is a property, its attributes are properties inside it whose names are marked as such. An
//! element that holds only text is a scalar. Whether it does is known at its end tag, so an element is
//! entered as an object only when something nested turns up.

use super::{Coding, Text, Visitor};
use crate::schema::JsonType;
use memchr::memmem;

/// Walks `body` no deeper than `depth`.
pub fn walk<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    let mut rest = body;
    visitor.enter_object();
    // For each open element that was entered as an object: true. The innermost may be pending: its name
    // is told, but nothing yet of what it holds.
    let mut open = 0_usize;
    let mut skipped = 0_usize;
    let mut pending = false;
    let mut text: Option<&'a [u8]> = None;
    while let Some(at) = memchr::memchr(b'<', rest) {
        let (before, tag) = rest.split_at(at);
        let before = before.trim_ascii();
        if !before.is_empty() && skipped == 0 {
            text = Some(before);
        }
        if let Some(tail) = tag.strip_prefix(b"<!--") {
            rest = memmem::find(tail, b"-->").and_then(|end| tail.get(end + 3..)).unwrap_or_default();
            continue;
        }
        if let Some(tail) = tag.strip_prefix(b"<![CDATA[") {
            let end = memmem::find(tail, b"]]>").unwrap_or(tail.len());
            if skipped == 0 {
                text = tail.get(..end).map(<[u8]>::trim_ascii);
            }
            rest = tail.get(end + 3..).unwrap_or_default();
            continue;
        }
        let Some(end) = tag_end(tag) else { break };
        let inner = tag.get(1..end).unwrap_or_default();
        rest = tag.get(end + 1..).unwrap_or_default();
        match inner.first() {
            None | Some(b'?' | b'!') => {}
            Some(b'/') => {
                if skipped > 0 {
                    skipped -= 1;
                    continue;
                }
                if pending {
                    pending = false;
                    visitor.scalar(JsonType::String, coded(text.take().unwrap_or_default()));
                } else if open > 0 {
                    open -= 1;
                    text = None;
                    visitor.leave_object();
                }
            }
            Some(_) => {
                if skipped > 0 || open + usize::from(pending) >= depth {
                    if !inner.ends_with(b"/") {
                        skipped += 1;
                    }
                    continue;
                }
                if pending {
                    visitor.enter_object();
                    open += 1;
                }
                text = None;
                let closed = inner.ends_with(b"/");
                let inner = inner.strip_suffix(b"/").unwrap_or(inner);
                let name_end = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
                let (name, attributes) = inner.split_at(name_end);
                visitor.key(Text::coded(local(name), Coding::Plain));
                pending = true;
                let mut attributes = attributes;
                let mut any = false;
                while let Some((name, value)) = attribute(&mut attributes) {
                    if name.starts_with(b"xmlns") || name.starts_with(b"xsi:") {
                        continue;
                    }
                    if !any {
                        visitor.enter_object();
                        any = true;
                    }
                    visitor.key(Text::coded(name, Coding::Attribute));
                    visitor.scalar(JsonType::String, coded(value));
                }
                if any {
                    // Attributes are told beside the element: it is named again for its content.
                    visitor.leave_object();
                    visitor.key(Text::coded(local(inner.get(..name_end).unwrap_or_default()), Coding::Plain));
                }
                if closed {
                    pending = false;
                    visitor.scalar(JsonType::Null, Text::plain(b""));
                }
            }
        }
    }
    if pending {
        visitor.scalar(JsonType::Null, Text::plain(b""));
    }
    for _ in 0..=open {
        visitor.leave_object();
    }
}

/// Where the tag's `>` is, quotes respected.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    memchr::memchr(b':', name).and_then(|colon| name.get(colon + 1..)).unwrap_or(name)
}

fn attribute<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = rest.trim_ascii_start();
    let middle = memchr::memchr(b'=', text)?;
    let (name, tail) = text.split_at(middle);
    let tail = tail.get(1..)?.trim_ascii_start();
    let (quote, tail) = tail.split_first()?;
    if !matches!(quote, b'"' | b'\'') {
        *rest = b"";
        return None;
    }
    let end = memchr::memchr(*quote, tail)?;
    *rest = tail.get(end + 1..)?;
    Some((name.trim_ascii(), tail.get(..end)?))
}

fn coded(raw: &[u8]) -> Text<'_> {
    let coding = if memchr::memchr(b'&', raw).is_some() { Coding::Xml } else { Coding::Plain };
    Text::coded(raw, coding)
}

/// Undoes references into `out`.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (front, tail) = rest.split_at(at);
        out.extend_from_slice(front);
        let end = tail.iter().take(12).position(|byte| *byte == b';');
        let name = end.and_then(|end| tail.get(1..end)).unwrap_or_default();
        let scalar = match name {
            b"amp" => Some('&'),
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"quot" => Some('"'),
            b"apos" => Some('\''),
            _ => name.strip_prefix(b"#").and_then(|number| {
                let number = std::str::from_utf8(number).ok()?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }),
        };
        match (scalar, end) {
            (Some(scalar), Some(end)) => {
                out.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.push(b'&');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn elements_attributes_and_text_are_told() {
        let mut record = Record::default();
        let body = b"<?xml version='1.0'?><d:Doc xmlns:d='u'><!-- x --><Amt Ccy=\"EUR\">1&lt;2</Amt>\
            <Id><IBAN>X</IBAN></Id><e/><Note><![CDATA[a<b]]></Note></d:Doc>";
        walk(body, 16, &mut record);
        assert_eq!(
            record.lines,
            [
                "$.Doc.Amt.Ccy=string:EUR",
                "$.Doc.Amt=string:1<2",
                "$.Doc.Id.IBAN=string:X",
                "$.Doc.e=null:",
                "$.Doc.Note=string:a<b"
            ]
        );
    }
}
