//! Messages as they went over the wire, put into a transaction: heads in text, bodies with their content coding.

use crate::anomaly::{Anomaly, AnomalySet};
use crate::http::content::{ContentDecoder, Decoded};
use crate::http::head::{self, Framing, Start};
use crate::transaction::{Body, End, Fields, Transaction};

/// Field lines of one head.
const MAX_FIELDS: usize = 4_096;

/// Takes bodies, up to a limit.
#[derive(Debug)]
pub(super) struct Bodies {
    /// Bytes of each that are kept, before and after decoding.
    pub(super) limit: usize,
    decoder: ContentDecoder,
}

impl Bodies {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, decoder: ContentDecoder::default() }
    }

    /// Takes the body of the request or the response, whose fields are there already. `len` is its length, of which
    /// `content` holds the front or all.
    pub(super) fn put(&mut self, request: bool, content: &[u8], len: u64, into: &mut Transaction) {
        let (fields, body) = sides(request, into);
        self.keep(content, len, body);
        if let Some(anomaly) = self.decode(fields, body) {
            into.anomalies.insert(anomaly);
        }
        over_limit(request, into);
    }

    /// The same of a body whose content coding the recorder may have undone, and left its field.
    pub(super) fn put_maybe_decoded(
        &mut self,
        request: bool,
        content: &[u8],
        len: u64,
        into: &mut Transaction,
    ) {
        let (fields, body) = sides(request, into);
        self.keep(content, len, body);
        let whole = body.whole;
        if self.decode(fields, body).is_some() {
            self.keep(content, len, body);
            body.whole = whole;
        }
        over_limit(request, into);
    }

    /// The same of a body that is decoded already.
    pub(super) fn put_decoded(&self, request: bool, content: &[u8], into: &mut Transaction) {
        let (_, body) = sides(request, into);
        self.keep(content, content.len() as u64, body);
        over_limit(request, into);
    }

    fn keep(&self, content: &[u8], len: u64, body: &mut Body) {
        let kept = content.get(..self.limit).unwrap_or(content);
        let bytes = body.bytes.expose_mut();
        bytes.clear();
        bytes.extend_from_slice(kept);
        body.len = len;
        body.end = End::Complete;
        body.whole = kept.len() as u64 == len;
    }

    fn decode(&mut self, fields: &Fields, body: &mut Body) -> Option<Anomaly> {
        let encoding = fields.get("content-encoding").filter(|_| body.len > 0)?;
        let anomaly = match self.decoder.decode(encoding.expose(), body.bytes.expose_mut(), self.limit) {
            Decoded::Whole => return None,
            Decoded::Front => {
                body.whole = false;
                return None;
            }
            Decoded::Damaged => Anomaly::BadContentCoding,
            Decoded::Unknown => Anomaly::UnknownContentCoding,
        };
        body.whole = false;
        body.bytes.expose_mut().clear();
        Some(anomaly)
    }
}

fn sides(request: bool, into: &mut Transaction) -> (&Fields, &mut Body) {
    if request {
        (&into.request.fields, &mut into.request.body)
    } else {
        (&into.response.fields, &mut into.response.body)
    }
}

fn over_limit(request: bool, into: &mut Transaction) {
    let (_, body) = sides(request, into);
    if !body.whole && !body.bytes.expose().is_empty() {
        into.anomalies.insert(Anomaly::BodyOverLimit);
    }
}

/// A message in text, taken apart.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// What stands behind its head, chunks and all.
    pub(super) body: &'a [u8],
    /// Whether the head says that the body is in chunks.
    pub(super) chunked: bool,
    /// Whether the start line names HTTP/2 or later.
    pub(super) version_2: bool,
}

/// Reads a message's head into one side of `into`; `None` when it is no HTTP. Tools write heads of HTTP/2 in the words of
/// HTTP/1.
pub(super) fn read_text<'a>(message: &'a [u8], request: bool, into: &mut Transaction) -> Option<Text<'a>> {
    let end = head::end_of_head(message, 0).unwrap_or(message.len());
    let (head, body) = message.split_at_checked(end)?;
    let line_end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let (line, fields) = head.split_at_checked(line_end)?;
    let later = [&b"HTTP/2.0"[..], b"HTTP/2", b"HTTP/3"];
    let line = line.trim_ascii_end();
    let changed: Option<Vec<u8>> = later.iter().find_map(|version| {
        if request {
            let front = line.strip_suffix(*version).filter(|front| front.ends_with(b" "))?;
            Some([front, b"HTTP/1.1\r", fields].concat())
        } else {
            let behind = line.strip_prefix(*version).filter(|behind| behind.starts_with(b" "))?;
            Some([b"HTTP/1.1", behind, b"\r", fields].concat())
        }
    });
    let version_2 = changed.is_some();
    let head = changed.as_deref().unwrap_or(head);
    let (chunked, anomalies) = head::parse(head, !request, MAX_FIELDS, |head| {
        match head.start {
            Start::Request { method, target } => {
                into.request.method.extend_from_slice(method);
                into.request.target.expose_mut().extend_from_slice(target);
            }
            Start::Response { status } => into.response.status = status,
        }
        let fields = if request { &mut into.request.fields } else { &mut into.response.fields };
        for field in head.fields.iter().filter(|field| !field.name.is_empty()) {
            fields.push(field.name, field.value);
        }
        (head.framing == Framing::Chunked, head.anomalies)
    })?;
    into.anomalies = AnomalySet::union(into.anomalies, anomalies);
    Some(Text { body, chunked, version_2 })
}

/// The content of a chunked body (RFC 9112 section 7.1), or of the front of one; `None` when it is not in chunks.
pub(super) fn without_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    while !body.is_empty() {
        let line_end = memchr::memchr(b'\n', body)?;
        let (line, rest) = body.split_at_checked(line_end + 1)?;
        let digits = line.split(|byte| matches!(byte, b';' | b'\r' | b'\n')).next()?.trim_ascii();
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            return Some(content);
        }
        let Some((chunk, behind)) = rest.split_at_checked(size) else {
            content.extend_from_slice(rest);
            return Some(content);
        };
        content.extend_from_slice(chunk);
        body = behind.strip_prefix(b"\r\n").or_else(|| behind.strip_prefix(b"\n")).unwrap_or(behind);
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_any_version_are_read() {
        for (message, request, expected) in [
            ("GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\nbody", true, Some(("/a?b", 0, "body", false))),
            ("GET /a HTTP/2\r\nHost: a.example\r\n\r\n", true, Some(("/a", 0, "", true))),
            ("HTTP/2 201 Created\r\nA: b\r\n\r\n{}", false, Some(("", 201, "{}", true))),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, Some(("", 204, "", false))),
            ("HTTP/2.0 200\r\n\r\n", false, Some(("", 200, "", true))),
            ("hello", true, None),
            ("", false, None),
        ] {
            let mut into = Transaction::default();
            let text = read_text(message.as_bytes(), request, &mut into);
            let target = String::from_utf8_lossy(into.request.target.expose()).into_owned();
            let got = text.map(|text| {
                (
                    target,
                    into.response.status,
                    String::from_utf8_lossy(text.body).into_owned(),
                    text.version_2,
                )
            });
            let expected =
                expected.map(|(a, b, c, d): (&str, u16, &str, bool)| (a.to_owned(), b, c.to_owned(), d));
            assert_eq!(got, expected, "{message}");
        }
    }

    #[test]
    fn chunks_are_undone_where_there_are_any() {
        for (body, content) in [
            ("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", Some("abcde")),
            ("3\r\nabc\r\nA\r\nde", Some("abcde")),
            ("", Some("")),
            ("{\"a\":1}\n", None),
            ("ffffffffffffffffff\r\n", None),
        ] {
            let got = without_chunks(body.as_bytes());
            assert_eq!(got.as_deref(), content.map(str::as_bytes), "{body}");
        }
    }
}
