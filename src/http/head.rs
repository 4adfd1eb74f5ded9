//! Message heads: start line, field lines, and how the body is framed.
//!
//! `httparse` reads heads in place. What it refuses but browsers and servers accept (folded lines, odd
//! bytes in targets and values, bare line feeds) is read line by line instead, with the oddity noted.

use crate::anomaly::{Anomaly, AnomalySet};
use std::mem::MaybeUninit;

/// The start line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// `GET /path HTTP/1.1`
    Request {
        /// As sent.
        method: &'a [u8],
        /// As sent.
        target: &'a [u8],
    },
    /// `HTTP/1.1 200 OK`
    Response {
        /// Three digits.
        status: u16,
    },
}

/// How the body of a message is delimited by its own head (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither length nor chunks: none in a request, until close in a response.
    Unstated,
    /// So many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked` comes last.
    Chunked,
}

/// A field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As sent.
    pub name: &'a [u8],
    /// Without white space around it.
    pub value: &'a [u8],
}

/// A message head.
#[derive(Debug)]
pub struct Head<'a> {
    /// The start line.
    pub start: Start<'a>,
    /// Minor version: 0 or 1.
    pub minor: u8,
    /// Field lines in order.
    pub fields: &'a [Field<'a>],
    /// How the body is delimited.
    pub framing: Framing,
    /// Oddities of this head.
    pub anomalies: AnomalySet,
    /// The bytes it was read from.
    pub bytes: &'a [u8],
}

/// Finds the end of a head: the position behind its blank line. `from` is where the search starts.
#[must_use]
pub fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at + 1).find_map(|after| {
        match bytes.get(after..) {
            Some([b'\n', ..]) => Some(after + 1),
            Some([b'\r', b'\n', ..]) => Some(after + 2),
            Some(_) | None => None,
        }
    })
}

/// The field lines most heads fit in without allocation.
const USUAL_FIELDS: usize = 48;

/// Reads a head that [`end_of_head`] delimited and hands it to `with`; `None` when it is no HTTP.
pub fn parse<R>(
    bytes: &[u8],
    response: bool,
    max_fields: usize,
    with: impl FnOnce(&Head<'_>) -> R,
) -> Option<R> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut many = Vec::new();
    let mut plain = false;
    let (mut start, mut minor) = (Start::Response { status: 0 }, 1);
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut few = [Field { name: &[], value: &[] }; USUAL_FIELDS];
    let mut count = 0;
    let mut slots: &mut [MaybeUninit<httparse::Header<'_>>] = &mut usual;
    for _ in 0..2 {
        let outcome = if response {
            let mut head = httparse::Response::new(&mut []);
            let outcome = CONFIG().parse_response_with_uninit_headers(&mut head, bytes, slots);
            outcome.inspect(|_status| {
                (start, minor) =
                    (Start::Response { status: head.code.unwrap_or(0) }, head.version.unwrap_or(1));
                count = copy(head.headers, &mut few, &mut fields);
            })
        } else {
            let mut head = httparse::Request::new(&mut []);
            let outcome = head.parse_with_uninit_headers(bytes, slots);
            outcome.inspect(|_status| {
                start = Start::Request {
                    method: head.method.unwrap_or_default().as_bytes(),
                    target: head.path.unwrap_or_default().as_bytes(),
                };
                minor = head.version.unwrap_or(1);
                count = copy(head.headers, &mut few, &mut fields);
            })
        };
        match outcome {
            Ok(httparse::Status::Complete(_)) => {
                plain = true;
                break;
            }
            Err(httparse::Error::TooManyHeaders) if many.is_empty() => {
                many = vec![MaybeUninit::uninit(); max_fields];
                slots = &mut many;
            }
            Ok(httparse::Status::Partial) | Err(_) => break,
        }
    }
    let mut anomalies = AnomalySet::default();
    let unfolded;
    if !plain {
        unfolded = unfold(bytes, &mut anomalies);
        fields.clear();
        (start, minor) = leniently(&unfolded, response, max_fields, &mut fields)?;
        count = 0;
    }
    let fields = if fields.is_empty() { few.get(..count).unwrap_or_default() } else { &fields };
    let framing = framing(fields, &mut anomalies);
    Some(with(&Head { start, minor, fields, framing, anomalies, bytes }))
}

/// Responses are read the way browsers do.
#[expect(non_snake_case, reason = "a constant in all but the type system's eyes")]
fn CONFIG() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true).ignore_invalid_headers_in_responses(true);
    config
}

/// Copies into the small array, or into the vector when that is too small. Returns how many are in the array.
fn copy<'a>(
    headers: &[httparse::Header<'a>],
    few: &mut [Field<'a>; USUAL_FIELDS],
    many: &mut Vec<Field<'a>>,
) -> usize {
    let field = |header: &httparse::Header<'a>| Field { name: header.name.as_bytes(), value: header.value };
    if headers.len() > USUAL_FIELDS {
        many.extend(headers.iter().map(field));
        return 0;
    }
    for (slot, header) in few.iter_mut().zip(headers) {
        *slot = field(header);
    }
    headers.len()
}

/// Replaces line folds by spaces (RFC 9112 section 5.2).
fn unfold(bytes: &[u8], anomalies: &mut AnomalySet) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut first_line_over = false;
    for at in 0..out.len() {
        if out.get(at) != Some(&b'\n') {
            continue;
        }
        if first_line_over && matches!(out.get(at + 1), Some(b' ' | b'\t')) {
            anomalies.insert(Anomaly::ObsFold);
            if let Some(byte) = out.get_mut(at) {
                *byte = b' ';
            }
            if at > 0
                && let Some(byte @ b'\r') = out.get_mut(at - 1)
            {
                *byte = b' ';
            }
        }
        first_line_over = true;
    }
    out
}

/// Reads a head line by line, passing over lines that are no field.
fn leniently<'a>(
    bytes: &'a [u8],
    response: bool,
    max_fields: usize,
    fields: &mut Vec<Field<'a>>,
) -> Option<(Start<'a>, u8)> {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let line = lines.next()?;
    let (start, version) = if response {
        let rest = line.strip_prefix(b"HTTP/")?;
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let (version, rest) = rest.split_at(space);
        let digits = rest.trim_ascii_start().get(..3)?;
        let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (Start::Response { status }, version)
    } else {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (method, rest) = line.split_at(space);
        let rest = rest.trim_ascii();
        // The version is the last word; a target may hold spaces that a client forgot to encode.
        let last = rest.iter().rposition(|byte| *byte == b' ');
        let (target, version) = match last {
            Some(at) => {
                let (target, version) = rest.split_at(at);
                (target.trim_ascii(), version.trim_ascii().strip_prefix(b"HTTP/")?)
            }
            // HTTP/0.9: a bare line (RFC 1945 section 4.1).
            None if method == b"GET" && rest.first() == Some(&b'/') => (rest, &b"0.9"[..]),
            None => return None,
        };
        if method.is_empty() || target.is_empty() || !method.iter().all(|byte| super::detect::is_token(*byte))
        {
            return None;
        }
        (Start::Request { method, target }, version)
    };
    let minor = match version {
        [b'1', b'.', digit @ b'0'..=b'9', ..] => (digit - b'0').min(1),
        [b'0' | b'1', ..] => 0,
        _ => return None,
    };
    for line in lines {
        if line.is_empty() {
            break;
        }
        if fields.len() >= max_fields {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if !name.is_empty() {
            fields.push(Field { name, value: value.get(1..).unwrap_or_default().trim_ascii() });
        }
    }
    // An empty vector means "look in the array", so a head without fields keeps one that says nothing.
    if fields.is_empty() {
        fields.push(Field { name: &[], value: &[] });
    }
    Some((start, minor))
}

/// Reads `Transfer-Encoding` and `Content-Length` (RFC 9112 section 6).
fn framing(fields: &[Field<'_>], anomalies: &mut AnomalySet) -> Framing {
    let (mut length, mut chunked, mut coded) = (None, false, false);
    for field in fields {
        match field.name.len() {
            14 if field.name.eq_ignore_ascii_case(b"content-length") => {
                for part in field.value.split(|byte| *byte == b',') {
                    let part = part.trim_ascii();
                    let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
                    let number = std::str::from_utf8(part).ok().and_then(|text| text.parse::<u64>().ok());
                    match number {
                        Some(number) if digits && length.is_none_or(|known| known == number) => {
                            length = Some(number);
                        }
                        Some(_) | None => anomalies.insert(Anomaly::BadLength),
                    }
                }
            }
            17 if field.name.eq_ignore_ascii_case(b"transfer-encoding") => {
                coded = true;
                let last = field.value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
                chunked = last.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }
    if coded && length.is_some() {
        anomalies.insert(Anomaly::LengthAndChunked);
    }
    match (chunked, coded, length) {
        (true, _, _) => Framing::Chunked,
        (false, _, Some(length)) => Framing::Length(length),
        (false, _, None) => Framing::Unstated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start line, fields, framing, oddities.
    type Told = (String, Vec<(String, String)>, Framing, Vec<&'static str>);

    fn read(text: &str, response: bool) -> Option<Told> {
        let text = text.replace('\n', "\r\n");
        assert_eq!(end_of_head(text.as_bytes(), 0), Some(text.len()), "{text}");
        parse(text.as_bytes(), response, 4_096, |head| {
            let start = match head.start {
                Start::Request { method, target } => {
                    format!("{} {}", String::from_utf8_lossy(method), String::from_utf8_lossy(target))
                }
                Start::Response { status } => status.to_string(),
            };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let fields = head.fields.iter().map(|field| (text(field.name), text(field.value))).collect();
            (start, fields, head.framing, head.anomalies.iter().map(Anomaly::name).collect())
        })
    }

    #[test]
    fn odd_heads_are_read_as_servers_do() {
        let (start, fields, _, odd) = read("GET /a HTTP/1.1\nA: 1\n  2\nB:3\n\n", false).unwrap();
        assert_eq!((start.as_str(), odd.as_slice()), ("GET /a", &["obs_fold"][..]));
        assert_eq!(fields[0].1.split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields[1].1, "3");
        let (start, fields, ..) = read("GET /a b HTTP/1.1\nHost: h\nnonsense\n\n", false).unwrap();
        assert_eq!((start.as_str(), fields.len()), ("GET /a b", 1));
        let (start, ..) = read("HTTP/1.1 404\nX : y\n\n", true).unwrap();
        assert_eq!(start, "404");
        assert!(read("hello\nworld: 1\n\n", false).is_none());
    }

    #[test]
    fn framing_follows_the_rfc() {
        for (fields, framing, odd) in [
            ("Content-Length: 5\n", Framing::Length(5), &[][..]),
            ("Content-Length: 5\nContent-Length: 5\n", Framing::Length(5), &[]),
            ("Content-Length: 5, 6\n", Framing::Length(5), &["bad_length"]),
            ("Content-Length: -5\n", Framing::Unstated, &["bad_length"]),
            ("Transfer-Encoding: gzip, chunked\n", Framing::Chunked, &[]),
            ("Transfer-Encoding: chunked\nContent-Length: 5\n", Framing::Chunked, &["length_and_chunked"]),
            ("", Framing::Unstated, &[]),
        ] {
            let (_, _, found, oddities) = read(&format!("HTTP/1.1 200 OK\n{fields}\n"), true).unwrap();
            assert_eq!((found, oddities.as_slice()), (framing, odd), "{fields}");
        }
    }

    #[test]
    fn a_head_may_have_many_fields() {
        let many: String = (0..150).fold(String::new(), |all, n| all + &format!("X-{n}: {n}\n"));
        let (_, fields, ..) = read(&format!("GET / HTTP/1.1\n{many}\n"), false).unwrap();
        assert_eq!(fields.len(), 150);
        assert_eq!(fields[149], ("X-149".to_owned(), "149".to_owned()));
    }
}
