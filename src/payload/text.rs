//! Running text and logs: lines, with labels told where a line reads `label: value` or `label=value`.

use super::{Text, Visitor};

/// The longest label that is taken for one.
const MAX_LABEL: usize = 64;

/// Walks `body` line by line.
pub fn walk<'a>(body: &'a [u8], visitor: &mut impl Visitor<'a>) {
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Some((label, value)) = split_label(line) {
            visitor.labelled(Some(label), Text::plain(value));
            continue;
        }
        let mut labelled = false;
        for word in line.split(|byte| matches!(byte, b' ' | b'\t' | b',' | b';')) {
            let Some(middle) = memchr::memchr(b'=', word) else { continue };
            let (label, value) = word.split_at(middle);
            let value = value.get(1..).unwrap_or_default();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            if is_label(label) && !value.is_empty() {
                labelled = true;
                visitor.labelled(Some(label), Text::plain(value));
            }
        }
        if !labelled {
            visitor.labelled(None, Text::plain(line));
        }
    }
}

fn split_label(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let middle = memchr::memchr(b':', line)?;
    let (label, value) = line.split_at(middle);
    let value = value.get(1..)?;
    let value = value.strip_prefix(b" ").or_else(|| value.strip_prefix(b"\t"))?.trim_ascii();
    (is_label(label) && !value.is_empty()).then_some((label, value))
}

/// A few words of letters and digits.
fn is_label(label: &[u8]) -> bool {
    !label.is_empty()
        && label.len() <= MAX_LABEL
        && label.iter().any(u8::is_ascii_alphabetic)
        && label.iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-./".contains(byte) || *byte >= 0x80)
        && memchr::memchr_iter(b' ', label).count() <= 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn labels_are_told_apart_from_values() {
        let mut record = Record::default();
        walk(b"card number: 1 2\nGET /a user=x ip=\"1.2.3.4\"\njust words\n12:30 noon", &mut record);
        assert_eq!(
            record.lines,
            [
                "Some(\"card number\")=1 2",
                "Some(\"user\")=x",
                "Some(\"ip\")=1.2.3.4",
                "None=just words",
                "None=12:30 noon"
            ]
        );
    }
}
