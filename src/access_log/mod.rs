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
mod catalogue;
mod columns;
mod combined;
mod elements;
mod envoy_als;
mod field_map;
mod fields;
mod har;
mod instant;
mod json_lines;
mod keys;
mod layout;
mod lines;
mod names;
mod others;
mod passage;
mod presets;
mod quarantine;
mod recordings;
mod spans;
mod wire;

pub use catalogue::Catalogue;
pub use envoy_als::AlsReader;
pub use layout::BadFormat;
pub use passage::Passage;
pub use presets::Preset;
pub use quarantine::{Aside, Keep, Quarantine};
pub use recordings::Recording;
pub use spans::SpanReader;

use crate::limits::Limits;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use elements::{Element, Elements, Rule};
use instant::Clock;
use lines::{Line, Lines};
use others::Others;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// Lines that a preset explains: by a format string, or by a map of JSON fields.
    Layout(Arc<Preset>),
    /// What a proxy or a test tool keeps of exchanges.
    Recording(Recording),
}

impl LogFormat {
    /// The names of those that are no presets.
    const LINES_AND_DOCUMENTS: [&str; 7] =
        ["har", "otlp_json", "otlp_protobuf", "combined", "json", "w3c", "zeek"];

    /// The names of formats that are no presets.
    fn of_their_own() -> impl Iterator<Item = &'static str> {
        Self::LINES_AND_DOCUMENTS.into_iter().chain(Recording::ALL.map(Recording::id))
    }

    /// The format with this name on the command line, without presets of the user's own.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Catalogue::default().named(name)
    }

    /// The names of all formats, without presets of the user's own.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::of_their_own().chain(presets::built_in().iter().map(|preset| preset.id.as_str())).collect()
    }

    fn of_its_own(name: &str) -> Option<Self> {
        Some(match name {
            "har" => Self::Har,
            "otlp_json" => Self::SpansJson,
            "otlp_protobuf" => Self::SpansProtobuf,
            "combined" => Self::Combined,
            "json" => Self::JsonLines,
            "w3c" | "zeek" => Self::Columns,
            _ => Self::Recording(Recording::ALL.into_iter().find(|known| known.id() == name)?),
        })
    }

    /// Its name on the command line.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Har => "har",
            Self::SpansJson => "otlp_json",
            Self::SpansProtobuf => "otlp_protobuf",
            Self::Combined => "combined",
            Self::JsonLines => "json",
            Self::Columns => "w3c",
            Self::Layout(preset) => &preset.id,
            Self::Recording(recording) => recording.id(),
        }
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

/// Lines among which [`first_time`] looks for one.
const FIRST_LINES: usize = 200;

/// How many bytes of an input [`detect`] wants to see, unless there are fewer.
pub const DETECT_BYTES: usize = 64 << 10;

/// Tells by its first bytes what kind of log an input is; `None` when it is none that is understood.
#[must_use]
pub fn detect(start: &[u8]) -> Option<LogFormat> {
    detect_among(start, &Catalogue::default())
}

/// The same with presets of the user's own.
#[must_use]
pub fn detect_among(start: &[u8], catalogue: &Catalogue) -> Option<LogFormat> {
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
    catalogue.detect_lines(start)
}

/// The time of the first line at the begin of a log that tells one that can be.
#[must_use]
pub fn first_time(start: &[u8], format: &LogFormat, options: &LogOptions) -> Option<Timestamp> {
    let mut reader = Reader::with(format.clone(), 0, &Limits::default(), options).open_to_others();
    let mut first = None;
    for line in start.split_inclusive(|byte| *byte == b'\n').take(FIRST_LINES) {
        reader.feed(line, &mut |exchange| first = first.or(Some(exchange.started())));
        if first.is_some() {
            break;
        }
    }
    first
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
    /// A JSON object without the fields that a preset's lines have.
    #[error("lacks a field that tells whether such a line counts")]
    NotAsMapped,
    /// Values, and no line before named their columns.
    #[error("no `#Fields:` or `#fields` line before it says what its columns are, or it has too few of them")]
    NoColumns,
    /// The URL is not an absolute `http` or `ws` one.
    #[error("its URL is not an absolute http(s) or ws(s) URL")]
    Url,
    /// The time cannot be read.
    #[error("its time is missing or cannot be read")]
    Time,
    /// The time cannot be, and no other is known for it.
    #[error("its time cannot be: before 1990, or long after the log was written")]
    ImpossibleTime,
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

impl BadReason {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Json { .. } => "json",
            Self::NoRequest => "no_request",
            Self::NotCombined => "not_combined",
            Self::NotAsLaidOut { .. } => "not_as_laid_out",
            Self::NotAsMapped => "not_as_mapped",
            Self::NoColumns => "no_columns",
            Self::Url => "url",
            Self::Time => "time",
            Self::ImpossibleTime => "impossible_time",
            Self::Cut => "cut",
            Self::NoEntries => "no_entries",
            Self::Protobuf { .. } => "protobuf",
            Self::Netstring => "netstring",
            Self::Xml { .. } => "xml",
            Self::Message => "message",
        }
    }
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
    /// Records that should have told of an exchange and could not be read.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Vec<BadRecord>,
    /// How many for each reason, by its name.
    pub bad_by_reason: BTreeMap<&'static str, u64>,
    /// Records that are well-formed and tell of no exchange: lines to be passed over, but for blank ones, and parts of a
    /// recording.
    pub aside: u64,
    /// Lines of other formats than the log's, by the format's id: read where the log's own was told by content, counted
    /// among the bad ones where it was given.
    pub others: BTreeMap<String, u64>,
    /// How time went by in the lines.
    pub passage: Passage,
    /// Lines whose time cannot be, so that they got another.
    pub times_replaced: u64,
}

impl LogReport {
    /// Whether so many lines could not be read that the format may be the wrong one; `open` tells whether lines of
    /// other formats were read, too.
    #[must_use]
    pub fn doubt(&self, format: &LogFormat, open: bool) -> Option<Doubt> {
        // What has a time that cannot be is laid out as it should be.
        let timeless = self.bad_by_reason.get(BadReason::ImpossibleTime.name()).copied().unwrap_or_default();
        let fit = self.exchanges + self.aside + timeless;
        let lines = self.exchanges + self.aside + self.bad;
        let doubtful = lines >= DOUBTED_LINES && fit.saturating_mul(10) < lines.saturating_mul(9);
        // Of a log that is open to others, those that were met are read.
        let guess = self.others.iter().filter(|_| !open).max_by_key(|(_, lines)| **lines);
        doubtful.then(|| Doubt {
            format: format.id().to_owned(),
            fit,
            lines,
            guess: guess.map(|(id, lines)| (id.clone(), *lines)),
        })
    }
}

/// Fewer lines than these tell nothing of their format.
const DOUBTED_LINES: u64 = 10;

/// A format that reads under 90 % of a log's lines, and what the others may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The format's id.
    pub format: String,
    /// Lines that it reads.
    pub fit: u64,
    /// Lines in all, but for blank ones.
    pub lines: u64,
    /// The format that most of the others look like, and how many do.
    pub guess: Option<(String, u64)>,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, fit, lines, guess } = self;
        write!(f, "{fit} of {lines} lines are `{format}`; ")?;
        match guess {
            Some((id, like)) => {
                write!(
                    f,
                    "{like} look like `{id}`: give that format, or none to have each line read as what it is"
                )
            }
            None => f.write_str("the others look like no known format: give theirs"),
        }
    }
}

/// How logs are read, whatever their format.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Seconds east of UTC of times that name no zone.
    pub zone: i32,
    /// The year of the first time that names none.
    pub year: Option<i64>,
    /// A moment that the first line is not much later than: when the log was last written, or now. A first time without
    /// a year is of the last year that is not after it.
    pub reference: Option<Timestamp>,
    /// When the log was last written, if nothing is written to it any more: no line is much later.
    pub written: Option<Timestamp>,
    /// The time that lines get whose own cannot be (see [`Passage`]): that of the log's first line, see
    /// [`first_time`]. Without it such lines are refused.
    pub stand_in: Option<Timestamp>,
    /// The formats that are known.
    pub catalogue: Catalogue,
}

impl LogOptions {
    /// Seconds east of UTC of a zone written as `+02:00`, `-0530` or `Z`.
    #[must_use]
    pub fn zone_of(text: &str) -> Option<i32> {
        instant::zone(text.as_bytes())
    }
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

/// Where bad lines are kept aside, under whose name.
#[derive(Debug)]
struct KeptAside {
    source: Arc<str>,
    /// Records of the source before the reader's first.
    before: u64,
    quarantine: Quarantine,
    /// The line that is being judged.
    line: Vec<u8>,
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
    bounds: passage::Bounds,
    stand_in: Option<Timestamp>,
    others: Others,
    /// Whether lines of other formats are read.
    open: bool,
    kept_aside: Option<Box<KeptAside>>,
}

impl Reader {
    /// A reader for the input numbered `input` among all inputs.
    #[must_use]
    pub fn new(format: LogFormat, input: u32, limits: &Limits) -> Self {
        Self::with(format, input, limits, &LogOptions::default())
    }

    /// A reader that knows more of the log.
    #[must_use]
    pub fn with(format: LogFormat, input: u32, limits: &Limits, options: &LogOptions) -> Self {
        let LogOptions { zone, year, reference, written, stand_in, .. } = *options;
        let others = Others::new(format.clone(), options.catalogue.clone());
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
                scratch: fields::Scratch::with_clock(Clock { zone, year, reference, last: None }),
                reading: spans::Reading::default(),
                transaction: Transaction::default(),
                report: LogReport::default(),
                bounds: passage::Bounds::new(written),
                stand_in,
                others,
                open: false,
                kept_aside: None,
            },
        }
    }

    /// Reads lines of other formats, too: the log's own was told by content, and logs may be mixed.
    #[must_use]
    pub const fn open_to_others(mut self) -> Self {
        self.out.open = true;
        self
    }

    /// Keeps bad lines aside, as those of `source`.
    #[must_use]
    pub fn with_quarantine(mut self, source: Arc<str>, quarantine: Quarantine) -> Self {
        self.out.kept_aside = Some(Box::new(KeptAside { source, before: 0, quarantine, line: Vec::new() }));
        self
    }

    /// Numbers what is kept aside as what comes after so many records.
    #[must_use]
    pub fn after(mut self, records: u64) -> Self {
        if let Some(kept) = &mut self.out.kept_aside {
            kept.before = records;
        }
        self
    }

    /// What was kept aside so far; `None` when nothing is asked to be.
    pub fn quarantine(&mut self) -> Option<&mut Quarantine> {
        self.out.kept_aside.as_mut().map(|kept| &mut kept.quarantine)
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
                    out.line(line, &mut |line, scratch, into| preset.read(line, scratch, into), sink);
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
                    out.line(line, &mut |line, scratch, into| preset.read(line, scratch, into), sink);
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

    /// Whether so many lines could not be read that the format may be the wrong one.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.report().doubt(self.format(), self.out.open)
    }

    /// The log's format.
    #[must_use]
    pub const fn format(&self) -> &LogFormat {
        self.out.others.own()
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
            Line::Whole(line) => {
                let line = line.trim_ascii();
                if line.is_empty() {
                    self.report.records += 1;
                    return;
                }
                match parse(line, &mut self.scratch, &mut self.transaction) {
                    Ok(counts) => self.of_a_line(counts, line, sink),
                    Err(reason) => self.missed(line, reason, sink),
                }
            }
        }
    }

    /// A line that a format reads.
    fn of_a_line(&mut self, counts: bool, line: &[u8], sink: &mut dyn FnMut(&Transaction)) {
        if !counts {
            self.report.records += 1;
            self.report.aside += 1;
            return;
        }
        let started = self.transaction.request.started;
        if self.bounds.hold(started) {
            self.report.passage.step(self.report.records, started);
            self.scratch.went_by(started);
        } else if let Some(stand_in) = self.stand_in {
            self.report.times_replaced += 1;
            retime(&mut self.transaction, stand_in);
        } else {
            self.keep_aside(line);
            return self.hand_out(Err(BadReason::ImpossibleTime), sink);
        }
        self.hand_out(Ok(()), sink);
    }

    /// A line that the log's own format does not read.
    #[cold]
    fn missed(&mut self, line: &[u8], reason: BadReason, sink: &mut dyn FnMut(&Transaction)) {
        let tagged = instant::behind_tag(line).and_then(|behind| {
            let own = self.others.own().clone();
            own.read_line(&behind, &mut columns::Columns::default(), &mut self.scratch, &mut self.transaction)
                .ok()
        });
        if let Some(counts) = tagged {
            return self.of_a_line(counts, line, sink);
        }
        let read = self.others.read(line, &mut self.scratch, &mut self.transaction);
        let counts = read.map(|(format, counts)| {
            *self.report.others.entry(format.id().to_owned()).or_default() += 1;
            counts
        });
        match counts {
            Some(counts) if self.open => self.of_a_line(counts, line, sink),
            Some(_) | None => {
                self.keep_aside(line);
                self.hand_out(Err(reason), sink);
            }
        }
    }

    /// Remembers the bytes of a record that is about to be refused.
    fn keep_aside(&mut self, record: &[u8]) {
        if let Some(kept) = &mut self.kept_aside {
            kept.line.clear();
            kept.line.extend_from_slice(record);
        }
    }

    fn entry(&mut self, entry: Element<'_>, sink: &mut dyn FnMut(&Transaction)) {
        let outcome = match entry {
            Element::TooLong => Err(BadReason::TooLong { limit: elements::MAX_ELEMENT }),
            Element::Cut => Err(BadReason::Cut),
            Element::Stray => Err(BadReason::Json { column: 1 }),
            Element::Whole(bytes) => {
                let outcome = har::parse(bytes, self.body_bytes, &mut self.transaction);
                if outcome.is_err() {
                    self.keep_aside(bytes);
                }
                outcome
            }
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
                *self.report.bad_by_reason.entry(reason.name()).or_default() += 1;
                if let Some(kept) = &mut self.kept_aside {
                    kept.quarantine.put(&kept.source, kept.before + record + 1, reason, &kept.line);
                    kept.line.clear();
                }
                if self.report.first_bad.len() < FIRST_BAD {
                    self.report.first_bad.push(BadRecord { number: record + 1, reason });
                }
            }
        }
    }
}

/// Gives an exchange another time.
fn retime(exchange: &mut Transaction, began: Timestamp) {
    let took = Duration::from_micros(exchange.latency_us.unwrap_or_default());
    (exchange.request.started, exchange.request.ended) = (began, began);
    (exchange.response.started, exchange.response.ended) = (began.plus(took), began.plus(took));
}

/// Reads arbitrary bytes as every format, whole and byte by byte, and asserts that both give the same.
pub fn fuzz(data: &[u8]) {
    std::hint::black_box(detect(data));
    let layouts = presets::built_in().iter().map(|preset| LogFormat::Layout(Arc::clone(preset)));
    spans::fuzz(data);
    envoy_als::fuzz(data);
    let spans = [LogFormat::SpansJson, LogFormat::SpansProtobuf];
    let others = [LogFormat::Har, LogFormat::Combined, LogFormat::JsonLines, LogFormat::Columns];
    let options = LogOptions {
        zone: 7_200,
        reference: Some(Timestamp::from_secs(1_776_211_200, 0)),
        ..LogOptions::default()
    };
    let recordings = Recording::ALL.map(LogFormat::Recording);
    let all = others.into_iter().chain(spans).chain(recordings).chain(layouts);
    for (number, format) in all.enumerate() {
        let open = number.is_multiple_of(2);
        let limits = Limits { body_bytes: 16, ..Limits::default() };
        let read = |chunk: usize| {
            let mut reader = Reader::with(format.clone(), 0, &limits, &options)
                .with_quarantine("fuzz".into(), Quarantine::new(Keep::Last, 4, 1 << 10));
            if open {
                reader = reader.open_to_others();
            }
            let mut seen = Vec::new();
            let mut sink = |transaction: &Transaction| seen.push(fingerprint(transaction));
            data.chunks(chunk).for_each(|chunk| reader.feed(chunk, &mut sink));
            let report = reader.finish(&mut sink).clone();
            (seen, report, reader.quarantine().cloned(), reader.doubt())
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
        let all: Vec<&str> =
            presets::built_in().iter().flat_map(|preset| preset.examples()).map(String::as_str).collect();
        fuzz(all.join("\n").as_bytes());
    }

    const HAPROXY: &str = "192.0.2.7:33317 [15/Apr/2026:00:00:06.655] in s/a 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 \"GET /v1/a HTTP/1.1\"\n";
    const PLAIN: &str = "10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /a HTTP/1.1\" 200 5\n";

    #[test]
    fn the_lines_of_a_mixed_log_are_each_read_as_what_they_are() {
        let json = "{\"ts\":1776211206.672,\"method\":\"GET\",\"uri\":\"/a\",\"status\":200}\n";
        let columns = "#Fields: date time cs-method cs-uri-stem sc-status\n2026-04-15 00:00:06 GET /a 200\n";
        let input = [PLAIN, json, HAPROXY, columns, PLAIN, json, "nonsense\n"].concat();
        let mut reader = Reader::new(LogFormat::Combined, 0, &Limits::default()).open_to_others();
        let mut seen = 0;
        reader.feed(input.as_bytes(), &mut |_| seen += 1);
        let report = reader.finish(&mut |_| {}).clone();
        assert_eq!((seen, report.exchanges, report.bad, report.aside), (6, 6, 1, 1));
        let others: Vec<(&str, u64)> =
            report.others.iter().map(|(id, lines)| (id.as_str(), *lines)).collect();
        assert_eq!(others, [("haproxy_http", 1), ("json", 2), ("w3c", 2)]);
        assert_eq!(reader.doubt(), None);
    }

    #[test]
    fn a_given_format_that_reads_under_nine_tenths_is_doubted_with_the_best_other_guess() {
        for (own, other, expected) in [
            (
                72,
                28,
                Some(
                    "72 of 100 lines are `combined`; 28 look like `haproxy_http`: give that format, or none to have each line read as what it is",
                ),
            ),
            (90, 10, None),
            (2, 1, None),
        ] {
            let input = [PLAIN.repeat(own), HAPROXY.repeat(other)].concat();
            let mut reader = Reader::new(LogFormat::Combined, 0, &Limits::default());
            reader.feed(input.as_bytes(), &mut |_| {});
            let report = reader.finish(&mut |_| {});
            assert_eq!((report.exchanges, report.bad), (own as u64, other as u64));
            assert_eq!(report.bad_by_reason.get("not_combined"), Some(&(other as u64)));
            assert_eq!(reader.doubt().map(|doubt| doubt.to_string()).as_deref(), expected);
        }
    }

    #[test]
    fn lines_whose_time_cannot_be_get_that_of_the_first_line_or_none() {
        let line = |at: &str| {
            format!(
                "{{\"ts\":\"{at}\",\"method\":\"GET\",\"uri\":\"/a\",\"status\":200,\"duration_ms\":5}}\n"
            )
        };
        let input = [
            line("1970-01-01T00:00:05Z"),
            line("2026-04-15T00:00:06Z"),
            line("2026-04-15T00:00:07Z"),
            line("2105-04-15T00:00:06Z"),
            line("2026-03-15T00:00:06Z"),
        ]
        .concat();
        let read = |options: &LogOptions| {
            let mut reader = Reader::with(LogFormat::JsonLines, 0, &Limits::default(), options);
            let mut seen = Vec::new();
            let mut sink = |exchange: &Transaction| {
                let took = exchange.response.started.since(exchange.started());
                seen.push((exchange.started().to_string(), took.as_millis()));
            };
            reader.feed(input.as_bytes(), &mut sink);
            (seen, reader.finish(&mut |_| {}).clone())
        };
        let at = |text: &str| (format!("2026-{text}Z"), 5);
        let (first, second, before) = (at("04-15T00:00:06"), at("04-15T00:00:07"), at("03-15T00:00:06"));
        let mut options = LogOptions::default();
        let (seen, report) = read(&options);
        assert_eq!(seen, [first.clone(), second.clone(), before.clone()]);
        assert_eq!((report.times_replaced, report.passage.jumps(), report.bad), (0, 1, 2));
        assert_eq!(report.bad_by_reason.keys().copied().collect::<Vec<_>>(), ["impossible_time"]);
        let mut all = Reader::new(LogFormat::JsonLines, 0, &Limits::default());
        let impossible = line("2105-04-15T00:00:06Z").repeat(20);
        all.feed(impossible.as_bytes(), &mut |_| panic!("no line has a time that can be"));
        assert_eq!((all.report().bad, all.doubt()), (20, None), "the format is the right one");
        options.stand_in = first_time(input.as_bytes(), &LogFormat::JsonLines, &options);
        let (seen, report) = read(&options);
        assert_eq!(seen, [first.clone(), first.clone(), second, first, before]);
        assert_eq!((report.times_replaced, report.passage.jumps(), report.bad), (2, 1, 0));
    }

    #[test]
    fn times_without_a_year_or_zone_are_completed_over_new_year() {
        let preset = Preset::of_format(r#"$time $_ "$request" $status"#).unwrap();
        let options = LogOptions {
            zone: 3_600,
            reference: Some(Timestamp::from_secs(1_776_211_206, 0)),
            ..LogOptions::default()
        };
        let input =
            "Dec 31 23:59:58 edge \"GET /a HTTP/1.1\" 200\nJan  1 00:59:58 edge \"GET /a HTTP/1.1\" 200\n";
        let mut reader = Reader::with(LogFormat::Layout(Arc::new(preset)), 0, &Limits::default(), &options);
        let mut seen = Vec::new();
        reader.feed(input.as_bytes(), &mut |exchange| seen.push(exchange.started().to_string()));
        assert_eq!(seen, ["2025-12-31T22:59:58Z", "2025-12-31T23:59:58Z"]);
        assert_eq!(reader.report().passage.jumps(), 0);
    }

    #[test]
    fn bad_lines_are_kept_aside_by_their_shape() {
        let mut reader = Reader::new(LogFormat::Combined, 0, &Limits::default())
            .with_quarantine("a.log".into(), Quarantine::default());
        reader.feed(
            [PLAIN, "card=4111111111111111\n", &"x".repeat(lines::MAX_LINE + 1), "\n"].concat().as_bytes(),
            &mut |_| {},
        );
        let kept: Vec<_> = reader
            .quarantine()
            .unwrap()
            .lines()
            .map(|aside| (aside.line, aside.reason, aside.shape.clone()))
            .collect();
        assert_eq!(kept, [(2, "not_combined", "aaa…=999…".to_owned()), (3, "too_long", String::new())]);
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
