//! Multipart bodies (RFC 7578): each part is a property; files are counted, not read.

use super::{Text, Visitor};
use crate::schema::JsonType;
use memchr::memmem;

/// Walks the parts of `body` as properties of one object.
pub fn walk<'a>(content_type: &[u8], body: &'a [u8], visitor: &mut impl Visitor<'a>) {
    visitor.enter_object();
    if let Some(boundary) = boundary(content_type, body) {
        let mut delimiter = b"--".to_vec();
        delimiter.extend_from_slice(boundary);
        let finder = memmem::Finder::new(&delimiter);
        let mut rest = finder.find(body).and_then(|at| body.get(at + delimiter.len()..)).unwrap_or_default();
        while !rest.is_empty() && !rest.starts_with(b"--") {
            let end = finder.find(rest).unwrap_or(rest.len());
            part(rest.get(..end).unwrap_or_default(), visitor);
            rest = rest.get(end + delimiter.len()..).unwrap_or_default();
        }
    }
    visitor.leave_object();
}

/// The boundary as the content type tells it, else as the body's first line shows it.
fn boundary<'b>(content_type: &'b [u8], body: &'b [u8]) -> Option<&'b [u8]> {
    if let Some(value) = parameter(content_type, b"boundary") {
        return Some(value);
    }
    let line = body.get(..memchr::memchr(b'\n', body)?)?.trim_ascii_end();
    line.strip_prefix(b"--").filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

/// The value of a parameter of a field like `form-data; name="x"`.
fn parameter<'b>(field: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    for piece in field.split(|byte| *byte == b';').skip(1) {
        let piece = piece.trim_ascii();
        let Some(middle) = memchr::memchr(b'=', piece) else { continue };
        let (key, value) = piece.split_at(middle);
        if key.trim_ascii().eq_ignore_ascii_case(name) {
            let value = value.get(1..)?.trim_ascii();
            let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

fn part<'a>(part: &'a [u8], visitor: &mut impl Visitor<'a>) {
    let (head, content) = match memmem::find(part, b"\r\n\r\n") {
        Some(at) => (part.get(..at), part.get(at + 4..)),
        None => match memmem::find(part, b"\n\n") {
            Some(at) => (part.get(..at), part.get(at + 2..)),
            None => return,
        },
    };
    let (head, content) = (head.unwrap_or_default(), content.unwrap_or_default());
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let disposition = head
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case(b"content-disposition:")));
    let Some(name) = disposition.and_then(|line| parameter(line, b"name")) else { return };
    visitor.key(Text::plain(name));
    let file = disposition.is_some_and(|line| parameter(line, b"filename").is_some());
    visitor.scalar(JsonType::String, Text::plain(if file { b"" } else { content }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;

    #[test]
    fn parts_are_properties_and_files_stay_closed() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"x.png\"\r\n\r\n\x89PNG\r\n--b--\r\n";
        for content_type in ["multipart/form-data; boundary=b", "multipart/form-data"] {
            let mut record = Record::default();
            walk(content_type.as_bytes(), body, &mut record);
            assert_eq!(record.lines, ["$.a=string:1", "$.f=string:"]);
        }
    }
}
