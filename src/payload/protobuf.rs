//! Protobuf's wire format without a schema: the strings in it, wherever they are nested.

use super::{Text, Visitor};

/// Walks the readable strings of `body`.
pub fn walk<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    // gRPC frames each message with a flag and a length.
    let mut rest = body;
    let mut framed = false;
    while let Some((&[0, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(message) = tail.get(..len) else { break };
        if len > 0 {
            framed = true;
            fields(message, depth, visitor);
        }
        rest = tail.get(len..).unwrap_or_default();
    }
    if !framed {
        fields(body, depth, visitor);
    }
}

fn fields<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    let mut rest = body;
    while let Some(tag) = varint(&mut rest) {
        match tag & 7 {
            0 => {
                if varint(&mut rest).is_none() {
                    return;
                }
            }
            1 => rest = rest.get(8..).unwrap_or_default(),
            5 => rest = rest.get(4..).unwrap_or_default(),
            2 => {
                let Some(len) = varint(&mut rest).and_then(|len| usize::try_from(len).ok()) else { return };
                let content = rest.get(..len).unwrap_or(rest);
                rest = rest.get(len..).unwrap_or_default();
                if content.is_empty() {
                    continue;
                }
                if is_text(content) {
                    visitor.labelled(None, Text::plain(content));
                } else if depth > 1 && well_formed(content) {
                    fields(content, depth - 1, visitor);
                }
            }
            _ => return,
        }
    }
}

/// Text without control characters; a short message may pass for text, which costs nothing.
fn is_text(content: &[u8]) -> bool {
    !content.iter().any(|byte| *byte < 9 || (14..32).contains(byte) || *byte == 127)
        && std::str::from_utf8(content).is_ok()
}

/// Whether `content` reads as fields to its end, looking at no more than a few of them.
fn well_formed(content: &[u8]) -> bool {
    let mut rest = content;
    for _ in 0..4 {
        if rest.is_empty() {
            return true;
        }
        let Some(tag) = varint(&mut rest) else { return false };
        if tag >> 3 == 0 {
            return false;
        }
        let skip = match tag & 7 {
            0 => {
                if varint(&mut rest).is_none() {
                    return false;
                }
                0
            }
            1 => 8,
            5 => 4,
            2 => match varint(&mut rest).and_then(|len| usize::try_from(len).ok()) {
                Some(len) => len,
                None => return false,
            },
            _ => return false,
        };
        match rest.get(skip..) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    true
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in 0..10 {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * shift).min(63);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn nested_strings_are_found() {
        let mut record = Record::default();
        walk(b"\x0a\x05hello\x10\x96\x01\x1a\x07\x08\x01\x12\x03abc", 8, &mut record);
        assert_eq!(record.lines, ["None=hello", "None=abc"]);
    }
}
