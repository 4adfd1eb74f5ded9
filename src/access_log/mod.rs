//! Log lines and HAR entries become transactions.
//!
//! ```text
//!  exports of OpenTelemetry ─▶ SpanReader, messages of Envoy's access log service ─▶ AlsReader ─▶ &Transaction
//!
//!  bytes ─▶ Lines ──▶ combined | json_lines | columns | layout ─┐
//!      ├──▶ recordings: mitmproxy, Burp, Postman, Envoy tap ────┤
//!      └──▶ har::Entries ──▶ har::Entry ────────────────────────┴─▶ &Transaction
//! ```
//!
//! A [`Reader`] is fed chunks of any size, in order, and hands out one reused [`Transaction`] a record, so
//! that everything behind works on logs as it works on packets. It holds one line or entry at a time, both
//! bounded. A record that cannot be read is counted with its number, and the next one is read. Times, sizes and latencies
//! are what the log says; bodies come from HAR and recordings only.

mod base64;
mod columns;
mod combined;
mod elements;
mod envoy_als;
mod fields;
mod har;
mod instant;
mod json_lines;
mod layout;
mod lines;
mod names;
mod presets;
mod recordings;
mod spans;
mod wire;

pub use envoy_als::AlsReader;
pub use layout::BadFormat;
pub use presets::Preset;
pub use recordings::Recording;
pub use spans::SpanReader;

use crate::limits::Limits;
use crate::transaction::Transaction;
use elements::{Element, Elements, Rule};
use lines::{Line, Lines};
use std::fmt;
use std::sync::Arc;

/// The kinds of logs that are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// HTTP Archive 1.2.
    Har,
    /// OpenTelemetry spans in OTLP's JSON: one export, or one a line.
    SpansJson,
    /// OpenTelemetry spans in OTLP's protobuf: one export, or many behind their lengths.
    SpansProtobuf,
    /// The combined or common log format of nginx and Apache, with or without more behind it.
    Combined,
    /// A JSON object a line.
    JsonLines,
    /// Lines whose columns the log itself names: W3C extended (IIS, CloudFront), Zeek.
    Columns,
    /// Lines laid out as a format string says.
    Layout(Arc<Preset>),
    /// What a proxy or a test tool keeps of exchanges.
    Recording(Recording),
}

impl LogFormat {
    /// The format with this name on the command line.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "har" => Self::Har,
            "otlp_json" => Self::SpansJson,
            "otlp_protobuf" => Self::SpansProtobuf,
            "combined" => Self::Combined,
            "json" => Self::JsonLines,
            "w3c" | "zeek" => Self::Columns,
            _ if let Some(recording) = Recording::ALL.into_iter().find(|known| known.id() == name) => {
                Self::Recording(recording)
            }
            _ => Self::Layout(Arc::clone(presets::built_in().iter().find(|preset| preset.id == name)?)),
        })
    }

    /// The names of all formats.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let presets = presets::built_in().iter().map(|preset| preset.id.as_str());
        ["har", "otlp_json", "otlp_protobuf", "combined", "json", "w3c", "zeek"]
            .into_iter()
            .chain(Recording::ALL.map(Recording::id))
            .chain(presets)
            .collect()
    }

    /// How people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Har => "HAR",
            Self::SpansJson | Self::SpansProtobuf => "OpenTelemetry spans",
            Self::Combined => "combined access log",
            Self::JsonLines => "JSON-lines access log",
            Self::Columns => "access log that names its columns",
            Self::Layout(preset) => &preset.title,
            Self::Recording(recording) => recording.name(),
        }
    }

    /// Whether nothing else looks like it: it is known by content whatever format the lines of other logs have.
    #[must_use]
    pub const fn is_unmistakable(&self) -> bool {
        match self {
            Self::Har | Self::SpansJson | Self::SpansProtobuf | Self::Recording(_) => true,
            Self::Combined | Self::JsonLines | Self::Columns | Self::Layout(_) => false,
        }
    }

    /// What is set aside of it, as a sentence goes on behind its number.
    #[must_use]
    pub const fn aside(&self) -> Option<&'static str> {
        match self {
            Self::Recording(recording) => Some(recording.aside()),
            Self::Har | Self::SpansJson | Self::SpansProtobuf => None,
            Self::Combined | Self::JsonLines | Self::Columns | Self::Layout(_) => None,
        }
    }

    /// What one record of it is called.
    #[must_use]
    pub const fn record(&self) -> &'static str {
        match self {
            Self::Har => "entry",
            Self::SpansJson | Self::SpansProtobuf => "span",
            Self::Combined | Self::JsonLines | Self::Columns | Self::Layout(_) => "line",
            Self::Recording(recording) => recording.record(),
        }
    }
}

/// How many bytes of an input [`detect`] wants to see, unless there are fewer.
pub const DETECT_BYTES: usize = 64 << 10;

/// Lines looked at: a log may begin with a few that are not its own.
const DETECT_LINES: usize = 32;

/// Tells by its first bytes what kind of log an input is; `None` when it is none that is understood.
#[must_use]
pub fn detect(start: &[u8]) -> Option<LogFormat> {
    let start = start.strip_prefix(lines::BYTE_ORDER_MARK).unwrap_or(start);
    if har::looks_like(start) {
        return Some(LogFormat::Har);
    }
    if spans::looks_like_json(start) {
        return Some(LogFormat::SpansJson);
    }
    if spans::looks_like_protobuf(start) {
        return Some(LogFormat::SpansProtobuf);
    }
    if let Some(recording) = recordings::detect(start) {
        return Some(LogFormat::Recording(recording));
    }
    let mut transaction = Transaction::default();
    let mut scratch = fields::Scratch::default();
    for line in start.split(|byte| *byte == b'\n').take(DETECT_LINES) {
        let line = line.trim_ascii();
        if combined::parse(line, &mut scratch, &mut transaction).is_ok() {
            return Some(LogFormat::Combined);
        }
        if json_lines::parse(line, &mut scratch, &mut transaction).is_ok() {
            return Some(LogFormat::JsonLines);
        }
        if columns::is_directive(line) {
            let mut named = columns::Columns::default();
            let directive = named.parse(line, &mut scratch, &mut transaction);
            if directive == Ok(false) && named.known() {
                return Some(LogFormat::Columns);
            }
        }
        for preset in presets::built_in() {
            if preset.read(line, &mut scratch, &mut transaction).is_ok() {
                return Some(LogFormat::Layout(Arc::clone(preset)));
            }
        }
    }
    None
}

/// Why a record gave no transaction. The bytes are a stranger's: every variant describes the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadReason {
    /// The record is longer than what is held.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// Not JSON, or JSON of another structure; the column within the record, from 1.
    #[error("not the expected JSON at column {column}")]
    Json {
        /// Where in the record.
        column: usize,
    },
    /// A JSON object without what makes an exchange.
    #[error("neither a method and target nor a request line among its fields")]
    NoRequest,
    /// Not the combined or common format.
    #[error("not `address identity user [time] \"request\" status size`")]
    NotCombined,
    /// Not laid out as the format says; the number of the piece that does not fit, from 1, 0 for the whole.
    #[error("not laid out as the format says, from its part {piece} on")]
    NotAsLaidOut {
        /// Which piece, constants counted too.
        piece: usize,
    },
    /// Values, and no line before named their columns.
    #[error("no `#Fields:` or `#fields` line before it says what its columns are, or it has too few of them")]
    NoColumns,
    /// The URL is not an absolute `http` or `ws` one.
    #[error("its URL is not an absolute http(s) or ws(s) URL")]
    Url,
    /// The time cannot be read.
    #[error("its time is missing or cannot be read")]
    Time,
    /// The input, or its line, ended inside the record.
    #[error("the input or its line ends inside it")]
    Cut,
    /// Not made of netstrings, or of others than its tool writes.
    #[error("not made of netstrings as mitmproxy writes them")]
    Netstring,
    /// Not XML, or XML of another structure; the byte within the record, from 0.
    #[error("not the expected XML at byte {offset}")]
    Xml {
        /// Where in the record.
        offset: usize,
    },
    /// A message of it is no HTTP, or not encoded as it says.
    #[error("its request or response is no HTTP message, or not encoded as it says")]
    Message,
    /// Nothing in the input is a record.
    #[error("nothing in it is a record of its format")]
    NoEntries,
    /// Not protobuf, or not of the expected message; the byte within the record or input, from 0.
    #[error("not the expected protobuf at byte {offset}")]
    Protobuf {
        /// Where.
        offset: usize,
    },
}

/// A record that gave no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The line or entry, from 1.
    pub number: u64,
    /// Why.
    pub reason: BadReason,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.reason)
    }
}

/// How many bad records are kept with their numbers.
const FIRST_BAD: usize = 8;

/// What a reader has met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Lines or entries, blank lines too.
    pub records: u64,
    /// Transactions handed out.
    pub exchanges: u64,
    /// Records of a recording that are well formed and tell of no exchange.
    pub aside: u64,
    /// Records that should have told of an exchange and could not be read.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Vec<BadRecord>,
}

/// What came of one message that told of several exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Exchanges handed out.
    pub exchanges: u64,
    /// What is well formed and tells of no exchange that counts here.
    pub aside: u64,
    /// What should have told of an exchange and could not be read.
    pub bad: u64,
    /// Why, of the first of those.
    pub reason: Option<BadReason>,
}

impl Batch {
    /// Takes what came of one record, and hands its exchange on.
    fn take(
        &mut self,
        outcome: Result<bool, BadReason>,
        input: u32,
        record: &mut u64,
        transaction: &mut Transaction,
        sink: &mut dyn FnMut(&Transaction),
    ) {
        transaction.provenance.input = input;
        transaction.provenance.record = *record;
        *record += 1;
        match outcome {
            Ok(true) => {
                self.exchanges += 1;
                sink(transaction);
            }
            Ok(false) => self.aside += 1,
            Err(reason) => {
                self.bad += 1;
                self.reason = self.reason.or(Some(reason));
            }
        }
    }
}

/// Reads one log of a known format. See the module's doc.
#[derive(Debug)]
pub struct Reader {
    split: Split,
    out: Out,
}

/// What finds the records.
#[derive(Debug)]
enum Split {
    Combined(Lines),
    JsonLines(Lines),
    Columns(Lines, columns::Columns),
    Layout(Lines, Arc<Preset>),
    Har(Elements),
    SpansJson(Elements),
    SpansProtobuf(spans::ProtobufFile),
    Recording(Box<recordings::Items>),
}

/// What reads them.
#[derive(Debug)]
struct Out {
    input: u32,
    body_bytes: usize,
    scratch: fields::Scratch,
    reading: spans::Reading,
    transaction: Transaction,
    report: LogReport,
}

impl Reader {
    /// A reader for the input numbered `input` among all inputs.
    #[must_use]
    pub fn new(format: LogFormat, input: u32, limits: &Limits) -> Self {
        Self {
            split: match format {
                LogFormat::Combined => Split::Combined(Lines::default()),
                LogFormat::JsonLines => Split::JsonLines(Lines::default()),
                LogFormat::Columns => Split::Columns(Lines::default(), columns::Columns::default()),
                LogFormat::Layout(preset) => Split::Layout(Lines::default(), preset),
                LogFormat::Har => Split::Har(Elements::new(Rule::Har, limits.body_bytes)),
                LogFormat::SpansJson => Split::SpansJson(Elements::new(Rule::Spans, 0)),
                LogFormat::SpansProtobuf => Split::SpansProtobuf(spans::ProtobufFile::new()),
                LogFormat::Recording(recording) => {
                    Split::Recording(Box::new(recordings::Items::new(recording, limits.body_bytes)))
                }
            },
            out: Out {
                input,
                body_bytes: limits.body_bytes,
                scratch: fields::Scratch::default(),
                reading: spans::Reading::default(),
                transaction: Transaction::default(),
                report: LogReport::default(),
            },
        }
    }

    /// Reads the next bytes and hands every transaction that ends in them to `sink`.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&Transaction)) {
        let out = &mut self.out;
        match &mut self.split {
            Split::Combined(lines) => {
                lines.feed(bytes, &mut |line| out.line(line, &mut always(combined::parse), sink));
            }
            Split::JsonLines(lines) => {
                lines.feed(bytes, &mut |line| out.line(line, &mut always(json_lines::parse), sink));
            }
            Split::Columns(lines, columns) => {
                lines.feed(bytes, &mut |line| {
                    out.line(line, &mut |line, scratch, into| columns.parse(line, scratch, into), sink);
                });
            }
            Split::Layout(lines, preset) => {
                lines.feed(bytes, &mut |line| {
                    out.line(
                        line,
                        &mut |line, scratch, into| preset.read(line, scratch, into).map(|()| true),
                        sink,
                    );
                });
            }
            Split::Har(entries) => entries.feed(bytes, &mut |entry| out.entry(entry, sink)),
            Split::SpansJson(spans) => spans.feed(bytes, &mut |span| {
                let outcome = spans::element(span, &mut out.reading, &mut out.transaction);
                out.span(outcome, sink);
            }),
            Split::SpansProtobuf(file) => file.feed(bytes, &mut |span| {
                let outcome =
                    span.and_then(|span| spans::message(span, &mut out.reading, &mut out.transaction));
                out.span(outcome, sink);
            }),
            Split::Recording(items) => {
                items.feed(bytes, &mut |outcome, transaction| out.recorded(outcome, transaction, sink));
            }
        }
    }

    /// Reads what the last bytes left unfinished and tells what was met.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&Transaction)) -> &LogReport {
        let out = &mut self.out;
        match &mut self.split {
            Split::Combined(lines) => {
                lines.finish(&mut |line| out.line(line, &mut always(combined::parse), sink));
            }
            Split::JsonLines(lines) => {
                lines.finish(&mut |line| out.line(line, &mut always(json_lines::parse), sink));
            }
            Split::Columns(lines, columns) => {
                lines.finish(&mut |line| {
                    out.line(line, &mut |line, scratch, into| columns.parse(line, scratch, into), sink);
                });
            }
            Split::Layout(lines, preset) => {
                lines.finish(&mut |line| {
                    out.line(
                        line,
                        &mut |line, scratch, into| preset.read(line, scratch, into).map(|()| true),
                        sink,
                    );
                });
            }
            Split::SpansProtobuf(file) => {
                if let Some(reason) = file.finish() {
                    out.hand_out(Err(reason), sink);
                }
            }
            Split::Recording(items) => {
                items.finish(&mut |outcome, transaction| out.recorded(outcome, transaction, sink));
            }
            Split::Har(entries) | Split::SpansJson(entries) => {
                if let Some(reason) = entries.finish() {
                    out.hand_out(Err(reason), sink);
                }
            }
        }
        &self.out.report
    }

    /// What was met so far.
    #[must_use]
    pub const fn report(&self) -> &LogReport {
        &self.out.report
    }
}

/// Reads a line; `Ok(false)` when it tells of no exchange and is meant to.
type ParseLine<'p> = dyn FnMut(&[u8], &mut fields::Scratch, &mut Transaction) -> Result<bool, BadReason> + 'p;

/// A line of a format in which each tells of an exchange.
fn always(
    parse: fn(&[u8], &mut fields::Scratch, &mut Transaction) -> Result<(), BadReason>,
) -> impl FnMut(&[u8], &mut fields::Scratch, &mut Transaction) -> Result<bool, BadReason> {
    move |line, scratch, into| parse(line, scratch, into).map(|()| true)
}

impl Out {
    fn line(&mut self, line: Line<'_>, parse: &mut ParseLine<'_>, sink: &mut dyn FnMut(&Transaction)) {
        match line {
            Line::TooLong => self.hand_out(Err(BadReason::TooLong { limit: lines::MAX_LINE }), sink),
            Line::Whole(line) if line.trim_ascii().is_empty() => self.report.records += 1,
            Line::Whole(line) => match parse(line.trim_ascii(), &mut self.scratch, &mut self.transaction) {
                Ok(true) => self.hand_out(Ok(()), sink),
                Ok(false) => self.report.records += 1,
                Err(reason) => self.hand_out(Err(reason), sink),
            },
        }
    }

    fn entry(&mut self, entry: Element<'_>, sink: &mut dyn FnMut(&Transaction)) {
        let outcome = match entry {
            Element::TooLong => Err(BadReason::TooLong { limit: elements::MAX_ELEMENT }),
            Element::Cut => Err(BadReason::Cut),
            Element::Stray => Err(BadReason::Json { column: 1 }),
            Element::Whole(bytes) => har::parse(bytes, self.body_bytes, &mut self.transaction),
        };
        self.hand_out(outcome, sink);
    }

    /// `Ok(false)` is a span that is well formed and tells of no exchange that counts.
    fn span(&mut self, outcome: Result<bool, BadReason>, sink: &mut dyn FnMut(&Transaction)) {
        match outcome {
            Ok(false) => self.report.records += 1,
            Ok(true) => self.hand_out(Ok(()), sink),
            Err(reason) => self.hand_out(Err(reason), sink),
        }
    }

    /// An exchange that was read elsewhere; `Ok(false)` is a record that is set aside.
    fn recorded(
        &mut self,
        outcome: Result<bool, BadReason>,
        transaction: &mut Transaction,
        sink: &mut dyn FnMut(&Transaction),
    ) {
        std::mem::swap(&mut self.transaction, transaction);
        if outcome == Ok(false) {
            self.report.aside += 1;
        }
        self.span(outcome, sink);
    }

    fn hand_out(&mut self, outcome: Result<(), BadReason>, sink: &mut dyn FnMut(&Transaction)) {
        let record = self.report.records;
        self.report.records += 1;
        match outcome {
            Ok(()) => {
                self.report.exchanges += 1;
                self.transaction.provenance.input = self.input;
                self.transaction.provenance.record = record;
                sink(&self.transaction);
            }
            Err(reason) => {
                self.report.bad += 1;
                if self.report.first_bad.len() < FIRST_BAD {
                    self.report.first_bad.push(BadRecord { number: record + 1, reason });
                }
            }
        }
    }
}

/// Reads arbitrary bytes as every format, whole and byte by byte, and asserts that both give the same.
pub fn fuzz(data: &[u8]) {
    std::hint::black_box(detect(data));
    let layouts = presets::built_in().iter().map(|preset| LogFormat::Layout(Arc::clone(preset)));
    spans::fuzz(data);
    envoy_als::fuzz(data);
    let spans = [LogFormat::SpansJson, LogFormat::SpansProtobuf];
    let others = [LogFormat::Har, LogFormat::Combined, LogFormat::JsonLines, LogFormat::Columns];
    let recordings = Recording::ALL.map(LogFormat::Recording);
    for format in others.into_iter().chain(spans).chain(recordings).chain(layouts) {
        let limits = Limits { body_bytes: 16, ..Limits::default() };
        let read = |chunk: usize| {
            let mut reader = Reader::new(format.clone(), 0, &limits);
            let mut seen = Vec::new();
            let mut sink = |transaction: &Transaction| seen.push(fingerprint(transaction));
            data.chunks(chunk).for_each(|chunk| reader.feed(chunk, &mut sink));
            let report = reader.finish(&mut sink).clone();
            (seen, report)
        };
        let whole = read(data.len().max(1));
        assert_eq!(whole, read(1), "{format:?} byte by byte");
        assert_eq!(whole.0.len() as u64, whole.1.exchanges, "{format:?} counts");
    }
}

/// Everything in a transaction, to compare two.
fn fingerprint(transaction: &Transaction) -> u64 {
    use std::hash::{BuildHasher, Hash, Hasher};
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    format!("{transaction:?}").hash(&mut hasher);
    transaction.request.target.hash(&mut hasher);
    for (fields, body) in [
        (&transaction.request.fields, &transaction.request.body),
        (&transaction.response.fields, &transaction.response.body),
    ] {
        fields.iter().for_each(|field| field.hash(&mut hasher));
        body.bytes.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HAR: &str = r#"{"log":{"version":"1.2","entries":[{"startedDateTime":"2026-04-15T00:00:06Z","time":1,"request":{"method":"GET","url":"http://a.example/b"},"response":{"status":200,"content":{"size":1,"text":"x"}}},{"request":1},{"startedDateTime":"2026-04-15T00:00:07Z","request":{"method":"GET","url":"http://a.example/c"}}]}}"#;
    const COMBINED: &str = "\u{feff}10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl\"\n\nnonsense\n10.0.0.1 - - [15/Apr/2026:00:00:07 +0000] \"GET /b HTTP/1.1\" 200 5 \"-\" \"curl\"";
    const JSON_LINES: &str = "{\"msg\":\"started\"}\n{\"ts\":1776211206.672,\"method\":\"GET\",\"uri\":\"/a\",\"status\":200}\r\n{\"ts\":1776211207,\"method\":\"GET\",\"uri\":\"/b\",\"status\":200}\n";

    fn records(format: LogFormat, input: &str) -> (Vec<u64>, LogReport) {
        let mut reader = Reader::new(format, 7, &Limits::default());
        let mut seen = Vec::new();
        let mut sink = |transaction: &Transaction| {
            assert_eq!(transaction.provenance.input, 7);
            seen.push(transaction.provenance.record);
        };
        reader.feed(input.as_bytes(), &mut sink);
        let report = reader.finish(&mut sink).clone();
        (seen, report)
    }

    #[test]
    fn a_format_is_told_by_content() {
        for (input, expected) in [
            (HAR, Some(LogFormat::Har)),
            (COMBINED, Some(LogFormat::Combined)),
            (JSON_LINES, Some(LogFormat::JsonLines)),
            ("{\"a\":1}", None),
            ("GET / HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(detect(input.as_bytes()), expected, "{input}");
        }
    }

    #[test]
    fn bad_records_are_counted_with_their_numbers_and_cost_themselves_only() {
        for (format, input, good, bad) in [
            (LogFormat::Har, HAR, vec![0, 2], 2),
            (LogFormat::Combined, COMBINED, vec![0, 3], 3),
            (LogFormat::JsonLines, JSON_LINES, vec![1, 2], 1),
        ] {
            let (seen, report) = records(format.clone(), input);
            assert_eq!(seen, good, "{format:?}");
            assert_eq!((report.exchanges, report.bad), (2, 1), "{format:?}");
            assert_eq!(report.first_bad.first().map(|bad| bad.number), Some(bad), "{format:?}");
        }
    }

    #[test]
    fn every_format_reads_the_same_byte_by_byte() {
        for input in [HAR, COMBINED, JSON_LINES] {
            fuzz(input.as_bytes());
        }
    }

    proptest! {
        /// Arbitrary bytes never panic, and chunks do not matter.
        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
        }

        /// Damage in a real log never panics, and chunks do not matter.
        #[test]
        fn damaged_logs_are_survived(which in 0_usize..3, at in 0_usize..700, with in any::<[u8; 2]>(), cut in 0_usize..700) {
            let mut bytes = [HAR, COMBINED, JSON_LINES][which].as_bytes().to_vec();
            bytes.truncate(cut.max(bytes.len() / 2));
            if let Some(place) = bytes.get_mut(at..at + 2) {
                place.copy_from_slice(&with);
            }
            fuzz(&bytes);
        }
    }
}
