//! The values of records become units: lines, or exports of spans.
//!
//! A value is one line or several, of JSON also one that is spread over several: outside of its strings line ends are
//! nothing but space, so they become spaces, but for those between two objects.

use super::super::{Content, UNIT_BYTES};
use crate::access_log::{DETECT_BYTES, LogFormat, detect};

/// How the records of a partition are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The first record will tell.
    Unknown,
    /// As lines, of a format that may still have to be told.
    Lines(Option<LogFormat>),
    /// Each is an export of spans.
    Spans {
        /// As JSON; else protobuf.
        json: bool,
    },
}

impl Reading {
    /// As the source's format says.
    pub(super) fn of(format: Option<&LogFormat>) -> Self {
        match format {
            None => Self::Unknown,
            Some(LogFormat::SpansJson) => Self::Spans { json: true },
            Some(LogFormat::SpansProtobuf) => Self::Spans { json: false },
            Some(
                format @ (LogFormat::Har
                | LogFormat::Recording(_)
                | LogFormat::Combined
                | LogFormat::JsonLines
                | LogFormat::Columns
                | LogFormat::Layout(_)),
            ) => Self::Lines(Some(format.clone())),
        }
    }

    fn told_by(value: &[u8]) -> Self {
        match detect(value) {
            Some(LogFormat::SpansJson) => Self::Spans { json: true },
            Some(LogFormat::SpansProtobuf) => Self::Spans { json: false },
            // A line alone may not be enough to tell.
            Some(
                LogFormat::Har
                | LogFormat::Recording(_)
                | LogFormat::Combined
                | LogFormat::JsonLines
                | LogFormat::Columns
                | LogFormat::Layout(_),
            )
            | None => Self::Lines(None),
        }
    }
}

/// Puts values together to units.
#[derive(Debug)]
pub(super) struct Batcher {
    pub(super) reading: Reading,
    bytes: Vec<u8>,
}

impl Batcher {
    pub(super) const fn new(reading: Reading) -> Self {
        Self { reading, bytes: Vec::new() }
    }

    /// Takes a value. What comes back is to be handed on, with this value as its last.
    pub(super) fn take(&mut self, value: &[u8]) -> Option<Content> {
        if self.reading == Reading::Unknown {
            self.reading = Reading::told_by(value.get(..DETECT_BYTES).unwrap_or(value));
        }
        if let Reading::Spans { json } = self.reading {
            return Some(Content::Otlp { bytes: value.to_vec(), json });
        }
        line(value, &mut self.bytes);
        if self.bytes.len() >= UNIT_BYTES { self.rest() } else { None }
    }

    /// What is left.
    pub(super) fn rest(&mut self) -> Option<Content> {
        if self.bytes.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        if let Reading::Lines(format @ None) = &mut self.reading {
            *format = match detect(bytes.get(..DETECT_BYTES).unwrap_or(&bytes)) {
                Some(
                    LogFormat::Har
                    | LogFormat::Recording(_)
                    | LogFormat::SpansJson
                    | LogFormat::SpansProtobuf,
                )
                | None => None,
                told @ Some(
                    LogFormat::Combined | LogFormat::JsonLines | LogFormat::Columns | LogFormat::Layout(_),
                ) => told,
            };
        }
        let format = match &self.reading {
            Reading::Lines(format) => format.clone(),
            Reading::Unknown | Reading::Spans { .. } => None,
        };
        Some(Content::Lines { bytes, format, before: 0 })
    }
}

/// Adds a value as a line or lines.
fn line(value: &[u8], into: &mut Vec<u8>) {
    let value = value.trim_ascii_end();
    if value.is_empty() {
        return;
    }
    let begin = into.len();
    into.extend_from_slice(value);
    into.push(b'\n');
    if !matches!(value.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return;
    }
    let Some(bytes) = into.get_mut(begin..begin + value.len()) else { return };
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).map(|end| at + end) {
        let (before, behind) = bytes.split_at_mut(end);
        let Some((newline, behind)) = behind.split_first_mut() else { return };
        let between = before.trim_ascii_end().ends_with(b"}") && behind.trim_ascii_start().starts_with(b"{");
        if !between {
            *newline = b' ';
        }
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lined(values: &[&str]) -> String {
        let mut out = Vec::new();
        for value in values {
            line(value.as_bytes(), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_is_a_line_or_several() {
        assert_eq!(lined(&["a", "b\n", "", "\r\n", "c\r\nd"]), "a\nb\nc\r\nd\n");
    }

    #[test]
    fn json_over_several_lines_is_one() {
        assert_eq!(lined(&["{\n  \"a\": {\n    \"b\": 1\n  }\n}"]), "{   \"a\": {     \"b\": 1   } }\n");
        assert_eq!(lined(&["[{\n},\n{\n}]"]), "[{ }, { }]\n");
        assert_eq!(
            lined(&["{\"a\":1}\n{\"a\":2}\r\n \n{\"a\":\n3}"])
                .lines()
                .filter(|l| !l.trim().is_empty())
                .count(),
            3
        );
    }

    const COMBINED: &str = "10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /a HTTP/1.1\" 200 5";

    #[test]
    fn the_first_records_tell_the_format() {
        let mut batcher = Batcher::new(Reading::of(None));
        assert!(batcher.take(b"starting").is_none());
        assert!(batcher.take(COMBINED.as_bytes()).is_none());
        let Some(Content::Lines { bytes, format, before: 0 }) = batcher.rest() else { panic!("lines") };
        assert_eq!(bytes, format!("starting\n{COMBINED}\n").into_bytes());
        assert_eq!(format, Some(LogFormat::Combined));
        assert!(batcher.rest().is_none());
        assert_eq!(batcher.reading, Reading::Lines(Some(LogFormat::Combined)));
    }

    #[test]
    fn an_export_of_spans_is_handed_on_alone() {
        let export = b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[]}]}]}";
        let mut batcher = Batcher::new(Reading::of(None));
        assert!(matches!(batcher.take(export), Some(Content::Otlp { json: true, bytes }) if bytes == export));
        let mut batcher = Batcher::new(Reading::of(Some(&LogFormat::SpansProtobuf)));
        assert!(matches!(batcher.take(b"\x0a\x00"), Some(Content::Otlp { json: false, .. })));
        assert!(batcher.rest().is_none());
    }

    #[test]
    fn units_are_bounded() {
        let mut batcher = Batcher::new(Reading::of(Some(&LogFormat::Combined)));
        let units = (0..20_000).filter_map(|_| batcher.take(COMBINED.as_bytes())).count();
        assert_eq!(units, 20_000 * (COMBINED.len() + 1) / UNIT_BYTES);
    }

    proptest! {
        /// Whatever a value holds, it ends its line, and nothing but line ends is changed.
        #[test]
        fn only_line_ends_change(value in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'{'), Just(b'}'), any::<u8>()], 0..60)) {
            let mut out = Vec::new();
            line(&value, &mut out);
            prop_assert!(out.is_empty() || out.ends_with(b"\n"));
            let kept = value.trim_ascii_end();
            prop_assert!(out.iter().zip(kept).all(|(out, kept)| out == kept || (*kept == b'\n' && *out == b' ')));
        }
    }
}
