//! Inputs read one after the other, their segments spread over the shards.
//!
//! With one shard everything happens on the calling thread and nothing is copied. With more, segments go
//! to their shard in batches through bounded queues; a replay waits when a queue is full. Either way a
//! connection's segments reach its shard in the order of the inputs. Exchanges of logs, which are read on the calling thread
//! line after line, belong to no connection: a batch of them goes to whichever shard has the least to do.

use crate::access_log::{LogFormat, LogReport};
use crate::merge::Merge;
use crate::packet::{Fate, Options};
use crate::pipeline::front::Front;
use crate::pipeline::shard::{Batch, CountersByInput, Exchanges, Intake, Shard};
use crate::source::capture_file::{CaptureError, CaptureReader};
use crate::time::Timestamp;
use crate::tls::keylog::Keys;
use crate::transaction::Transaction;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What was seen of one input.
#[derive(Clone, Debug, Default)]
pub struct InputStats {
    /// Its name as given.
    pub name: String,
    /// `pcap`, `har`, `combined`, `jsonl`; empty when it could not be told.
    pub format: String,
    /// Frames, lines or entries.
    pub records: u64,
    /// Bytes of frames as captured, or of the log.
    pub bytes: u64,
    /// Frames shorter than on the wire.
    pub cut: u64,
    /// TCP segments.
    pub segments: u64,
    /// Other frames, by what became of them.
    pub fates: BTreeMap<Fate, u64>,
    /// Link types that are not understood, with their frames.
    pub unknown_links: BTreeMap<u16, u64>,
    /// Exchanges, when a log tells them.
    pub logged: u64,
    /// Records that could not be read.
    pub bad_records: u64,
    /// The same by reason.
    pub bad_by_reason: BTreeMap<&'static str, u64>,
    /// Lines whose time is far behind or ahead of that of the line before.
    pub clock_jumps: u64,
    /// Lines whose time cannot be, so that they got that of the log's first line.
    pub times_replaced: u64,
    /// Earliest and latest time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What is wrong with it, in words, and what would mend it.
    pub damage: Vec<String>,
    /// Whether anything of it could be read.
    pub readable: bool,
}

impl InputStats {
    /// Takes note of a moment.
    pub fn at(&mut self, ts: Timestamp) {
        self.span = Some(match self.span {
            None => (ts, ts),
            Some((first, last)) => (first.min(ts), last.max(ts)),
        });
    }
}

impl InputStats {
    /// Takes note of what was met in a log; `told` says whether its format was told by content.
    pub fn log(&mut self, format: &LogFormat, told: bool, report: &LogReport) {
        let record = format.record();
        format.name().clone_into(&mut self.format);
        if told && !report.others.is_empty() {
            let others: Vec<&str> = report.others.keys().map(String::as_str).collect();
            self.format = format!("{}, with lines of {}", self.format, others.join(", "));
        }
        self.readable = report.exchanges > 0;
        self.records = report.records;
        self.bad_records = report.bad;
        self.bad_by_reason.clone_from(&report.bad_by_reason);
        (self.clock_jumps, self.times_replaced) = (report.passage.jumps(), report.times_replaced);
        self.damage.extend(report.first_bad.iter().map(|bad| format!("{record} {bad}")));
        let untold = report.bad.saturating_sub(report.first_bad.len() as u64);
        if untold > 0 {
            let reasons: Vec<String> =
                report.bad_by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            self.damage.push(format!("{untold} more bad records; all by reason: {}", reasons.join(", ")));
        }
        self.damage.extend(report.doubt(format, told).map(|doubt| doubt.to_string()));
        let lines = |count: u64| format!("{count} {record}{}", if count == 1 { "" } else { "s" });
        if let (Some(aside), 1..) = (format.aside(), report.aside) {
            self.damage.push(format!("{} {aside}", report.aside));
        }
        if report.times_replaced > 0 {
            let what = "with a time that cannot be, replaced by that of the first";
            self.damage.push(format!("{} {what}", lines(report.times_replaced)));
        }
        if self.clock_jumps > 0 {
            let what = "where the time jumps, back by more than an hour or ahead by more than a week";
            self.damage.push(format!("{} {what}", lines(self.clock_jumps)));
        }
    }
}

/// Batches that wait for a shard. More smooths out bursts and costs a megabyte for about three.
const QUEUE: usize = 16;

/// What a shard's thread is given to do.
enum Work {
    Segments(Batch),
    Exchanges(Exchanges),
}

enum Worker {
    Here(Box<Shard>),
    There {
        full: Sender<Work>,
        empty: Receiver<Batch>,
        next: Batch,
        thread: JoinHandle<(Intake, CountersByInput)>,
    },
}

/// The shards and the way to them.
pub struct Shards {
    workers: Vec<Worker>,
    keys: Arc<Keys>,
    front: Front,
    /// Exchanges of logs on their way.
    exchanges: Exchanges,
    /// Batches of them that are done with.
    delivered: (Sender<Exchanges>, Receiver<Exchanges>),
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shards({})", self.workers.len())
    }
}

impl Shards {
    /// Starts `count` shards. Secrets that captures carry go to `keys`.
    pub fn start(
        count: usize,
        options: Options,
        keys: Arc<Keys>,
        build: &dyn Fn() -> Shard,
    ) -> std::io::Result<Self> {
        let delivered = bounded(QUEUE * count);
        let workers = if count <= 1 {
            vec![Worker::Here(Box::new(build()))]
        } else {
            let start = |number| start_worker(number, build(), delivered.0.clone());
            (0..count).map(start).collect::<std::io::Result<_>>()?
        };
        Ok(Self { workers, keys, front: Front::new(options), exchanges: Exchanges::default(), delivered })
    }

    /// Reads a capture to its end or damage. `tick` is called every few thousand frames with how many
    /// there were.
    pub fn read_capture(
        &mut self,
        input: u32,
        reader: impl Read,
        stats: &mut InputStats,
        tick: &mut dyn FnMut(&InputStats),
    ) {
        let mut reader = match CaptureReader::new(reader) {
            Ok(reader) => reader,
            Err(error) => {
                stats.damage.push(error.to_string());
                return;
            }
        };
        stats.readable = true;
        reader.hand_secrets_to(Arc::clone(&self.keys));
        loop {
            let frame_number = stats.records;
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    let cure = match error {
                        CaptureError::CutOff { .. } => "; if it is still being written, use --follow",
                        CaptureError::NotACapture
                        | CaptureError::BadLength { .. }
                        | CaptureError::BadBlock { .. }
                        | CaptureError::Io { .. } => "",
                    };
                    stats.damage.push(format!("{error}{cure}"));
                    break;
                }
            };
            if frame_number.is_multiple_of(4_096) {
                tick(stats);
            }
            let workers = &mut self.workers;
            let lanes = u32::try_from(workers.len()).unwrap_or(u32::MAX);
            self.front.frame(&frame, stats, |segment| {
                let lane = segment.key.lane(lanes) as usize;
                match workers.get_mut(lane) {
                    Some(Worker::Here(shard)) => shard.segment(segment, input, frame_number),
                    Some(Worker::There { full, empty, next, .. }) => {
                        next.push(segment, input, frame_number);
                        if next.is_full() {
                            let fresh = empty.try_recv().unwrap_or_default();
                            // A worker that is gone has panicked; joining it tells.
                            drop(full.send(Work::Segments(std::mem::replace(next, fresh))));
                        }
                    }
                    None => {}
                }
            });
        }
        for (number, frames) in &stats.unknown_links {
            stats.damage.push(format!(
                "link type {number} is not understood: {frames} frames were not read; capture on Ethernet, raw IP, loopback or Linux cooked"
            ));
        }
    }

    /// Takes an exchange of a log without bodies.
    pub fn exchange(&mut self, exchange: &Transaction) {
        if let [Worker::Here(shard)] = self.workers.as_mut_slice() {
            shard.exchange(exchange);
            return;
        }
        self.exchanges.push(exchange);
        if self.exchanges.is_full() {
            self.hand_over();
        }
    }

    /// Gives the exchanges that wait to the shard with the least to do.
    fn hand_over(&mut self) {
        let waiting = |worker: &&Worker| match worker {
            Worker::There { full, .. } => full.len(),
            Worker::Here(_) => 0,
        };
        if let Some(Worker::There { full, .. }) = self.workers.iter().min_by_key(waiting) {
            let fresh = self.delivered.1.try_recv().unwrap_or_default();
            let batch = std::mem::replace(&mut self.exchanges, fresh);
            // A worker that is gone has panicked; joining it tells.
            drop(full.send(Work::Exchanges(batch)));
        }
    }

    /// Packets whose fragments were given up to make room for others.
    #[must_use]
    pub const fn fragments_evicted(&self) -> u64 {
        self.front.fragments_evicted()
    }

    /// Ends all shards. Returns what each learnt and counted.
    #[must_use]
    pub fn finish(mut self) -> Vec<(Intake, CountersByInput)> {
        self.hand_over();
        self.workers
            .into_iter()
            .filter_map(|worker| match worker {
                Worker::Here(shard) => Some(shard.finish()),
                Worker::There { full, next, thread, .. } => {
                    if !next.is_empty() {
                        drop(full.send(Work::Segments(next)));
                    }
                    drop(full);
                    match thread.join() {
                        Ok(outcome) => Some(outcome),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
            })
            .collect()
    }
}

fn start_worker(number: usize, mut shard: Shard, delivered: Sender<Exchanges>) -> std::io::Result<Worker> {
    let (full, work) = bounded::<Work>(QUEUE);
    let (done, empty) = bounded::<Batch>(QUEUE);
    let thread = std::thread::Builder::new().name(format!("shard-{number}")).spawn(move || {
        for work in work {
            // When nobody takes a batch back, it is freed.
            match work {
                Work::Segments(mut batch) => {
                    batch.deliver(&mut shard);
                    drop(done.try_send(batch));
                }
                Work::Exchanges(mut batch) => {
                    batch.deliver(&mut shard);
                    drop(delivered.try_send(batch));
                }
            }
        }
        shard.finish()
    })?;
    Ok(Worker::There { full, empty, next: Batch::default(), thread })
}

impl Merge for InputStats {
    fn absorb(&mut self, other: Self) {
        self.records.absorb(other.records);
        self.bytes.absorb(other.bytes);
        self.cut.absorb(other.cut);
        self.segments.absorb(other.segments);
        self.fates.absorb(other.fates);
        self.unknown_links.absorb(other.unknown_links);
        self.logged.absorb(other.logged);
        self.bad_records.absorb(other.bad_records);
        self.bad_by_reason.absorb(other.bad_by_reason);
        self.clock_jumps.absorb(other.clock_jumps);
        self.times_replaced.absorb(other.times_replaced);
        self.damage.extend(other.damage);
        self.readable |= other.readable;
        if let Some((first, last)) = other.span {
            self.at(first);
            self.at(last);
        }
    }
}
