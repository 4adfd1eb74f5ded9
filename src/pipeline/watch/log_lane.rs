//! A worker for logs: units in, parts out.
//!
//! A part holds what units brought together with where their streams then stand, so that the book can save both in one
//! step. Unlike the lanes of packets, which must never wait, a lane of logs waits for the book: whoever reads a log waits
//! with it, and nothing is lost.

use super::book::News;
use super::figures::Figures;
use super::lane::{Command, Part, SourceCounts, quarantine};
use crate::access_log::{AlsReader, Batch, LogOptions, LogReport, Quarantine, Reader, SpanReader};
use crate::classify::Classifier;
use crate::inventory::collector::Collector;
use crate::inventory::vantage::Vantages;
use crate::limits::Limits;
use crate::merge::Merge;
use crate::pipeline::read::InputStats;
use crate::source;
use crate::source::intake::{self, Content, LogSource, Receipt, Tally, Unit};
use crate::transaction::Transaction;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a lane waits for a unit before it looks around.
const REST: Duration = Duration::from_millis(50);
/// How long receipts wait for others: each save of the state settles all there are.
const GATHER: Duration = Duration::from_millis(100);
/// How long a lane waits for what is under way when the sensor ends.
const DRAIN: Duration = Duration::from_millis(300);
/// Streams whose readers are kept; those not heard of for the longest begin anew, which costs a line that was cut at
/// worst.
const MAX_STREAMS: usize = 65_536;
/// Bad lines that are told by their numbers, for each source and part.
const TOLD: usize = 8;
/// Lines from which on a stream tells whether its format may be the wrong one.
const DOUBTED_FROM: u64 = 1_000;

/// Makes a collector that has learnt nothing.
pub(super) type Fresh = Box<dyn Fn(&Arc<Classifier>) -> Collector + Send>;

/// A lane of logs. See the module's doc.
pub(super) struct LogLane {
    /// Its number among all lanes.
    pub(super) number: usize,
    pub(super) units: Receiver<Unit>,
    pub(super) commands: Receiver<Command>,
    pub(super) news: Sender<News>,
    pub(super) collector: Collector,
    /// Makes another collector for what counts whole or not at all.
    pub(super) fresh: Fresh,
    pub(super) classifier: Arc<Classifier>,
    pub(super) limits: Limits,
    /// At which vantage each source sees traffic, as the numbers of inputs.
    pub(super) vantages: Arc<Vantages>,
    pub(super) figures: Arc<Figures>,
    pub(super) interval: Duration,
    pub(super) stop: Arc<AtomicBool>,
    /// What ways in count of themselves, if it is this lane that tells of them.
    pub(super) tallies: Vec<(Arc<LogSource>, Arc<Tally>)>,
}

/// The reader of a stream.
struct Stream {
    reader: StreamReader,
    /// Lines before the reader's first.
    before: u64,
    /// What of its report was told.
    told: LogReport,
    /// What was learnt of a document that is not at its end.
    apart: Option<(Collector, Arc<Classifier>, SourceCounts)>,
    /// Whether it was told that its format may be the wrong one.
    doubted: bool,
    /// Of what turn it was last heard.
    heard: u64,
}

/// Reads what a stream is made of.
enum StreamReader {
    /// Lines, or the records of a document, and what they are called.
    Records(Box<Reader>, Box<str>),
    /// Exports of spans.
    Spans(Box<SpanReader>),
    /// Messages of Envoy's access log service.
    Messages(Box<AlsReader>),
}

impl StreamReader {
    /// Reads what a unit holds. Returns what came of it when it is no part of a report.
    fn read(
        &mut self,
        content: &Content,
        stats: &mut InputStats,
        collector: &mut Collector,
    ) -> Option<Batch> {
        let mut span = stats.span;
        let mut observe = |exchange: &Transaction| {
            let at = exchange.started();
            span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            collector.observe(exchange);
        };
        let mut batch = None;
        let (format, bytes) = match (self, content) {
            (Self::Records(reader, format), Content::Lines { bytes, .. }) => {
                reader.feed(bytes, &mut observe);
                if bytes.last().is_some_and(|last| *last != b'\n') {
                    reader.feed(b"\n", &mut observe);
                }
                (&**format, bytes.len())
            }
            (Self::Records(reader, format), Content::Piece { bytes, .. }) => {
                reader.feed(bytes, &mut observe);
                (&**format, bytes.len())
            }
            (Self::Records(reader, format), Content::Preamble { bytes, .. }) => {
                reader.feed(bytes, &mut observe);
                (&**format, 0)
            }
            (Self::Spans(reader), Content::Otlp { bytes, json }) => {
                let read = if *json { SpanReader::json } else { SpanReader::protobuf };
                batch = Some(read(reader, bytes, &mut observe));
                ("OpenTelemetry spans", bytes.len())
            }
            (Self::Messages(reader), Content::AccessLogService(message)) => {
                batch = Some(reader.message(message, &mut observe));
                ("Envoy access log service", message.len())
            }
            // A stream that changes its kind is a defect of its way in; its units count as bad.
            (Self::Records(..) | Self::Spans(_) | Self::Messages(_), _) => {
                batch = Some(Batch { bad: 1, ..Batch::default() });
                ("", 0)
            }
        };
        if stats.format.is_empty() {
            format.clone_into(&mut stats.format);
        }
        stats.bytes += bytes as u64;
        stats.span = span;
        batch
    }
}

/// What is counted until it is handed over.
#[derive(Default)]
struct Running {
    sources: BTreeMap<Arc<str>, SourceCounts>,
    positions: Vec<(Arc<str>, Arc<str>, Option<intake::Position>)>,
    receipts: Vec<Receipt>,
    aside: Option<Quarantine>,
    /// Since when a receipt waits.
    waiting: Option<Instant>,
    exchanges: u64,
}

impl LogLane {
    /// Runs until the sensor stops and nothing is under way, and hands over the rest.
    #[expect(clippy::disallowed_methods, reason = "an edge: when to hand over is no packet's time")]
    pub(super) fn run(mut self) {
        let mut running = Running::default();
        let mut streams: HashMap<u64, Stream> = HashMap::new();
        let mut next_tick = Instant::now() + self.interval;
        let mut turn = 0_u64;
        let mut last = Instant::now();
        loop {
            self.obey(&mut running);
            let wait = if running.waiting.is_some() { REST / 5 } else { REST };
            match self.units.recv_timeout(wait) {
                Ok(unit) => {
                    turn += 1;
                    last = Instant::now();
                    self.take(unit, &mut streams, &mut running, turn);
                }
                Err(RecvTimeoutError::Timeout) if self.stop.load(Relaxed) && last.elapsed() >= DRAIN => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            let gathered = running.waiting.is_some_and(|since| now.duration_since(since) >= GATHER);
            if now >= next_tick || gathered {
                next_tick = now + self.interval;
                self.tick(&mut running, false);
            }
            if let Some(lane) = self.figures.lanes.get(self.number) {
                lane.exchanges.store(running.exchanges, Relaxed);
                lane.beat.store(self.figures.millis(), Relaxed);
            }
        }
        // A document that is not at its end does not count: it is read again.
        self.tick(&mut running, true);
    }

    fn obey(&mut self, running: &mut Running) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Collect(collector, classifier, interval) => {
                    // What was learnt by the old numbers goes first.
                    self.tick(running, false);
                    self.collector = *collector;
                    (self.classifier, self.interval) = (classifier, interval);
                }
                Command::Open(..) | Command::Close(_) | Command::Filter(..) => {}
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: how long a receipt waits is no packet's time")]
    fn take(&mut self, unit: Unit, streams: &mut HashMap<u64, Stream>, running: &mut Running, turn: u64) {
        let Unit { source, stream: number, content, moves, receipt } = unit;
        if matches!(content, Content::End) {
            self.end(&source, streams.remove(&number), running);
        } else {
            self.read(&source, number, &content, streams, running, turn);
        }
        if let Some((name, position)) = moves {
            running.positions.push((Arc::clone(&source.name), name, position));
        }
        if let Some(receipt) = receipt {
            running.receipts.push(receipt);
            running.waiting.get_or_insert_with(Instant::now);
        }
        if streams.len() > MAX_STREAMS {
            let mut heard: Vec<u64> = streams.values().map(|stream| stream.heard).collect();
            heard.sort_unstable();
            let keep_from = heard.get(MAX_STREAMS / 8).copied().unwrap_or_default();
            streams.retain(|_, stream| stream.heard >= keep_from || stream.apart.is_some());
        }
    }

    fn read(
        &mut self,
        source: &Arc<LogSource>,
        number: u64,
        content: &Content,
        streams: &mut HashMap<u64, Stream>,
        running: &mut Running,
        turn: u64,
    ) {
        let counts = match running.sources.get_mut(&source.name) {
            Some(counts) => counts,
            None => running.sources.entry(Arc::clone(&source.name)).or_default(),
        };
        if let Content::Lines { bytes, .. } = content
            && bytes.is_empty()
        {
            return;
        }
        let stream = match streams.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let input = source.vantage.as_deref().map_or(0, |label| self.vantages.number_of(label));
                let Some(fresh) = Stream::of(content, source, input, &self.limits) else {
                    let lines = untold(content, &mut counts.stats);
                    self.publish(lines, lines);
                    return;
                };
                free.insert(fresh)
            }
        };
        stream.heard = turn;
        if matches!(content, Content::Piece { .. }) {
            let (collector, _, counts) = stream.apart.get_or_insert_with(|| {
                let collector = (self.fresh)(&self.classifier).with_methods(self.collector.methods());
                (collector, Arc::clone(&self.classifier), SourceCounts::default())
            });
            // What is counted stays apart with what is learnt, until the end.
            stream.reader.read(content, &mut counts.stats, collector);
            return;
        }
        let batch = stream.reader.read(content, &mut counts.stats, &mut self.collector);
        if let (Content::Preamble { .. }, StreamReader::Records(reader, _)) = (content, &stream.reader) {
            // Counted when it was first read.
            stream.told = reader.report().clone();
        }
        let (met, bad) = match batch {
            Some(batch) => book_batch(batch, &mut counts.stats),
            None => stream.book(&mut counts.stats),
        };
        if bad > 0 {
            stream.give_aside(&mut running.aside);
        }
        running.exchanges += met.exchanges;
        self.publish(met.records, bad);
    }

    /// Ends a stream. What of it counts whole counts now.
    fn end(&mut self, source: &Arc<LogSource>, stream: Option<Stream>, running: &mut Running) {
        let Some(mut stream) = stream else { return };
        let Some((mut collector, classifier, mut apart)) = stream.apart.take() else { return };
        if let StreamReader::Records(reader, _) = &mut stream.reader {
            reader.finish(&mut |exchange| {
                apart.stats.at(exchange.started());
                collector.observe(exchange);
            });
            let (told, bad) = stream.book(&mut apart.stats);
            stream.give_aside(&mut running.aside);
            running.exchanges += told.exchanges;
            self.publish(told.records, bad);
        }
        let mut delta = collector.take();
        if !Arc::ptr_eq(&classifier, &self.classifier) {
            delta.reclassify(&classifier, &self.classifier);
        }
        self.collector.absorb(delta);
        running.sources.entry(Arc::clone(&source.name)).or_default().absorb(apart);
    }

    fn publish(&self, lines: u64, bad: u64) {
        if let Some(lane) = self.figures.lanes.get(self.number) {
            lane.log_records.fetch_add(lines, Relaxed);
            lane.bad_log_records.fetch_add(bad, Relaxed);
        }
    }

    /// Hands over what was learnt since the last time, with the positions that belong to it.
    fn tick(&mut self, running: &mut Running, last: bool) {
        let mut sources = std::mem::take(&mut running.sources);
        let mut tallies = BTreeMap::new();
        for (source, tally) in &self.tallies {
            let counted = tally.take();
            if !counted.is_empty() {
                sources.entry(Arc::clone(&source.name)).or_default();
                tallies.insert(Arc::clone(&source.name), counted);
            }
        }
        running.waiting = None;
        let part = Part {
            sources,
            tallies,
            positions: std::mem::take(&mut running.positions),
            receipts: std::mem::take(&mut running.receipts),
            aside: running.aside.take().unwrap_or_else(quarantine),
            logs: true,
            last,
            ..Part::empty(self.number, self.collector.take(), &self.classifier)
        };
        // The book is waited for; when it is gone, so is the sensor.
        drop(self.news.send(News::Part(Box::new(part))));
    }
}

/// What was met since the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    records: u64,
    exchanges: u64,
}

impl Stream {
    /// The stream that begins with this; `None` when it is not told what its lines are.
    fn of(content: &Content, source: &LogSource, input: u32, limits: &Limits) -> Option<Self> {
        let (format, before) = match content {
            Content::Lines { bytes, format, before } => {
                (Some(format.clone().or_else(|| source.format_of(bytes))?), *before)
            }
            Content::Piece { format, .. } | Content::Preamble { format, .. } => (Some(format.clone()), 0),
            Content::Otlp { .. } | Content::AccessLogService(_) | Content::End => (None, 0),
        };
        let reader = match format {
            Some(format) => {
                let name = format.name().into();
                let options = LogOptions {
                    reference: Some(source::now()),
                    zone: source.zone,
                    catalogue: source.catalogue.clone(),
                    ..LogOptions::default()
                };
                let reader = Reader::with(format, input, limits, &options)
                    .with_quarantine(Arc::clone(&source.name), quarantine())
                    .after(before);
                let given = source.format.is_some();
                StreamReader::Records(Box::new(if given { reader } else { reader.open_to_others() }), name)
            }
            None if matches!(content, Content::AccessLogService(_)) => {
                StreamReader::Messages(Box::new(AlsReader::new(input)))
            }
            None => StreamReader::Spans(Box::new(SpanReader::new(input))),
        };
        Some(Self { reader, before, told: LogReport::default(), apart: None, doubted: false, heard: 0 })
    }

    /// Gives away the bad lines that were kept aside.
    fn give_aside(&mut self, to: &mut Option<Quarantine>) {
        if let StreamReader::Records(reader, _) = &mut self.reader
            && let Some(kept) = reader.quarantine()
        {
            to.get_or_insert_with(quarantine).absorb(kept);
        }
    }

    /// Counts what the reader met since the last time. Returns it with the number of bad records.
    fn book(&mut self, stats: &mut InputStats) -> (Met, u64) {
        let StreamReader::Records(reader, _) = &self.reader else { return (Met::default(), 0) };
        let (report, told) = (reader.report(), &self.told);
        let met =
            Met { records: report.records - told.records, exchanges: report.exchanges - told.exchanges };
        let bad = report.bad - told.bad;
        stats.records += met.records;
        stats.logged += met.exchanges;
        stats.bad_records += bad;
        for (reason, count) in &report.bad_by_reason {
            let more = count - told.bad_by_reason.get(reason).copied().unwrap_or_default();
            if more > 0 {
                *stats.bad_by_reason.entry(reason).or_default() += more;
            }
        }
        stats.clock_jumps += report.passage.jumps() - told.passage.jumps();
        if report.records >= DOUBTED_FROM
            && !self.doubted
            && let Some(doubt) = reader.doubt()
        {
            self.doubted = true;
            tell(stats, doubt.to_string());
        }
        for bad in report.first_bad.iter().skip(told.first_bad.len()) {
            let number = self.before + bad.number;
            tell(stats, format!("record {number}: {}", bad.reason));
        }
        self.told = report.clone();
        (met, bad)
    }
}

/// Counts lines of which it is not told what they are. Returns how many.
fn untold(content: &Content, stats: &mut InputStats) -> u64 {
    let Content::Lines { bytes, before, .. } = content else { return 0 };
    let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    stats.records += lines;
    stats.bad_records += lines;
    stats.bytes += bytes.len() as u64;
    let from = before + 1;
    tell(stats, format!("from record {from} on: of no format that is understood; give it with `format`"));
    lines
}

fn book_batch(batch: Batch, stats: &mut InputStats) -> (Met, u64) {
    let met = Met { records: batch.exchanges + batch.aside + batch.bad, exchanges: batch.exchanges };
    stats.records += met.records;
    stats.logged += met.exchanges;
    stats.bad_records += batch.bad;
    if let Some(reason) = batch.reason {
        tell(stats, reason.to_string());
    }
    (met, batch.bad)
}

/// Tells of damage, as far as there is room.
fn tell(stats: &mut InputStats, what: String) {
    if stats.damage.len() < TOLD && !stats.damage.contains(&what) {
        stats.damage.push(what);
    }
}
