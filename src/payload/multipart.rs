//! Multipart bodies (RFC 7578): each part is a property; files are counted, not read.

use super::{Text, Visitor};
use crate::payload::JsonType;
use memchr::memmem;

/// Walks the parts of `body` as properties of one object.
pub fn walk<'a>(content_type: &[u8], body: &'a [u8], visitor: &mut impl Visitor<'a>) {
    visitor.enter_object();
    for (head, content) in parts(content_type, body) {
        part(head, content, visitor);
    }
    visitor.leave_object();
}

/// The parts of `body`, each as its header lines and its content. A part without an end is told as far as it goes.
pub fn parts<'a>(content_type: &[u8], body: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let boundary = boundary(content_type, body).unwrap_or_default();
    let delimiter = [b"--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter).into_owned();
    let mut rest = (!boundary.is_empty())
        .then(|| finder.find(body).and_then(|at| body.get(at + delimiter.len()..)))
        .flatten()
        .unwrap_or_default();
    std::iter::from_fn(move || {
        while !rest.is_empty() && !rest.starts_with(b"--") {
            let end = finder.find(rest).unwrap_or(rest.len());
            let part = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + delimiter.len()..).unwrap_or_default();
            if let Some(found) = split(part) {
                return Some(found);
            }
        }
        None
    })
}

/// The header lines of a part, and its content without the line end in front of the next delimiter.
fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    // A part without header lines begins with an empty one.
    let (head, content) = if let Some(content) = part.strip_prefix(b"\r\n\r\n") {
        (&b""[..], content)
    } else if let Some(at) = memmem::find(part, b"\r\n\r\n") {
        (part.get(..at)?, part.get(at + 4..)?)
    } else {
        let at = memmem::find(part, b"\n\n")?;
        (part.get(..at)?, part.get(at + 2..)?)
    };
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    Some((head, content.strip_suffix(b"\r").unwrap_or(content)))
}

/// The value of the header line called `name` (lower case) among those of a part.
#[must_use]
pub fn field<'b>(head: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find_map(|line| {
        let (front, rest) = line.split_at_checked(name.len())?;
        front.eq_ignore_ascii_case(name).then(|| rest.strip_prefix(b":").map(<[u8]>::trim_ascii)).flatten()
    })
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
#[must_use]
pub fn parameter<'b>(field: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
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

fn part<'a>(head: &'a [u8], content: &'a [u8], visitor: &mut impl Visitor<'a>) {
    let Some(disposition) = field(head, b"content-disposition") else { return };
    let Some(name) = parameter(disposition, b"name") else { return };
    visitor.key(Text::plain(name));
    let file = parameter(disposition, b"filename").is_some();
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
