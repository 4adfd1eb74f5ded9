//! The content of a request becomes the content of a unit.

use crate::http::content::{ContentDecoder, Decoded};
use crate::source::intake::Content;

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines of any format.
    Lines,
    /// JSON: objects one after the other, or arrays of them.
    Json,
    /// Spans in OTLP's JSON.
    SpansJson,
    /// Spans in OTLP's protobuf.
    Spans,
}

/// Why content is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not in the coding that was stated.
    Damaged,
    /// It is longer than may be, once decoded.
    TooLarge,
    /// It is no JSON, or not objects.
    NotJson,
    /// It is OTLP's logs, which tell of no exchanges.
    OtlpLogs,
}

/// How OTLP's logs begin in JSON.
const OTLP_LOGS: &[u8] = b"{\"resourceLogs\"";

/// Undoes the codings. At most `most` bytes come out.
pub(super) fn decode(encoding: &[u8], mut content: Vec<u8>, most: usize) -> Result<Vec<u8>, Unfit> {
    let decoded = ContentDecoder::default().decode(encoding, &mut content, most + 1);
    match decoded {
        _ if content.len() > most => Err(Unfit::TooLarge),
        Decoded::Whole => Ok(content),
        Decoded::Front | Decoded::Damaged | Decoded::Unknown => Err(Unfit::Damaged),
    }
}

/// What is handed on; `None` when there is nothing in it.
pub(super) fn content(kind: Kind, bytes: Vec<u8>) -> Result<Option<Content>, Unfit> {
    let lines = match kind {
        Kind::SpansJson | Kind::Spans => {
            let json = kind == Kind::SpansJson;
            return Ok((!bytes.is_empty()).then_some(Content::Otlp { bytes, json }));
        }
        Kind::Lines => bytes,
        Kind::Json => match objects(&bytes) {
            Ok(lines) => lines,
            // Lines of JSON are often called JSON. One that is broken then costs itself.
            Err(_) if bytes.trim_ascii_start().starts_with(b"{") => bytes,
            Err(error) => return Err(error),
        },
    };
    let begin: Vec<u8> =
        lines.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(OTLP_LOGS.len()).collect();
    if begin == OTLP_LOGS {
        return Err(Unfit::OtlpLogs);
    }
    let mut bytes = lines;
    if begin.is_empty() {
        return Ok(None);
    }
    if !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    Ok(Some(Content::Lines { bytes, format: None, before: 0 }))
}

/// Objects that stand one after the other or in arrays, each on a line of its own. What is inside them is left to
/// whoever reads the lines.
fn objects(json: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut out = Vec::with_capacity(json.len() + 1);
    let (mut depth, mut in_array) = (0_usize, false);
    let (mut quoted, mut escaped) = (false, false);
    for &byte in json {
        if depth == 0 {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b',' if in_array => continue,
                b'[' if !in_array => in_array = true,
                b']' if in_array => in_array = false,
                b'{' => {
                    depth = 1;
                    out.push(byte);
                }
                _ => return Err(Unfit::NotJson),
            }
            continue;
        }
        // Neither stands in JSON but as space.
        out.push(if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    out.push(b'\n');
                }
            }
            _ => {}
        }
    }
    if depth > 0 || in_array { Err(Unfit::NotJson) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(kind: Kind, text: &str) -> Result<String, Unfit> {
        Ok(match content(kind, text.as_bytes().to_vec())? {
            None => String::new(),
            Some(Content::Lines { bytes, .. }) => String::from_utf8(bytes).unwrap(),
            Some(other) => panic!("{other:?}"),
        })
    }

    #[test]
    fn each_object_becomes_a_line() {
        for (json, expected) in [
            ("[]", ""),
            (" \n", ""),
            ("[{\"a\":1},{\"a\":\"}\\\"]\"}]", "{\"a\":1}\n{\"a\":\"}\\\"]\"}\n"),
            ("[\n {\r\n\"a\": [1, {}]\n}\n]\n", "{  \"a\": [1, {}] }\n"),
            ("{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}\n"),
            ("[{}][{}]", "{}\n{}\n"),
            // The second line is cut: the first counts.
            ("{\"a\":1}\n{\"a\":", "{\"a\":1}\n{\"a\":\n"),
        ] {
            assert_eq!(lines(Kind::Json, json), Ok(expected.to_owned()), "{json}");
        }
        for json in ["[{\"a\":1}", "[1]", "[[{}]]", "a", "]"] {
            assert_eq!(lines(Kind::Json, json), Err(Unfit::NotJson), "{json}");
        }
        assert_eq!(lines(Kind::Lines, "a\nb"), Ok("a\nb\n".to_owned()));
        for text in ["{\"resourceLogs\":[]}", "{ \"resourceLogs\" : []}"] {
            assert_eq!(lines(Kind::Json, text), Err(Unfit::OtlpLogs));
        }
    }

    #[test]
    fn content_is_bounded_whatever_its_coding() {
        let bomb = zstd::stream::encode_all(vec![0; 10_000].as_slice(), 3).unwrap();
        assert_eq!(decode(b"zstd", bomb.clone(), 10_000).map(|content| content.len()), Ok(10_000));
        assert_eq!(decode(b"zstd", bomb.clone(), 9_999), Err(Unfit::TooLarge));
        assert_eq!(decode(b"zstd", bomb[..bomb.len() - 2].to_vec(), 20_000), Err(Unfit::Damaged), "cut");
        assert_eq!(decode(b"gzip", bomb, 20_000), Err(Unfit::Damaged));
        assert_eq!(decode(b"", vec![0; 11], 10), Err(Unfit::TooLarge));
        assert_eq!(decode(b"", vec![0; 10], 10), Ok(vec![0; 10]));
    }

    proptest! {
        /// An array of any objects, however it is spaced, becomes one line for each.
        #[test]
        fn arrays_lose_nothing(texts in proptest::collection::vec(any::<String>(), 0..6), pretty in any::<bool>()) {
            let values: Vec<serde_json::Value> =
                texts.iter().map(|text| serde_json::json!({ text.as_str(): [text, {"b": 1.5}] })).collect();
            let text = if pretty { serde_json::to_string_pretty(&values) } else { serde_json::to_string(&values) };
            let lines = lines(Kind::Json, &text.unwrap()).unwrap();
            let back: Vec<serde_json::Value> =
                lines.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(back, values);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\", \\\\\n]{0,60}") {
            for bytes in [bytes, json.into_bytes()] {
                if let Ok(out) = objects(&bytes) {
                    assert!(out.len() <= 2 * bytes.len());
                }
                drop(content(Kind::Json, bytes));
            }
        }
    }
}
