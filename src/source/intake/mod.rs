//! The ways in for logs: what all of them hand on, and to whom.
//!
//! ```text
//!  files, folders, stdin ─┐
//!  syslog, HTTP, gRPC ────┼─▶ Unit ─▶ Courier ─▶ lane ─▶ what was learnt, with the positions ─▶ state, one write
//!  topics, buckets ───────┘              ▲                                                         │
//!                                        └───────────────── Receipt, once it is saved ─────────────┘
//! ```
//!
//! A [`Unit`] is counted whole or not at all. What can be read again after a crash (a file, a topic, a bucket) says in
//! [`Unit::moves`] where its stream stands behind the unit; the state holds that position and what was learnt up to it,
//! written in one step, so that each record counts once whenever the sensor was killed. What cannot be read again (a
//! request of a client) asks for a [`Receipt`] and answers when the state holds what it brought.
//!
//! Every queue is bounded. Whoever reads from a place that waits (a file, a topic, a TCP connection) waits too; whoever
//! cannot make its peer wait ([`Courier::offer`]) is told, and refuses or counts the loss.

pub mod files;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "intake")]
pub mod listen;
#[cfg(feature = "s3")]
pub mod s3;
pub mod stdin;

use crate::access_log::{self, Catalogue, LogFormat};
use crate::secret::{FingerprintKey, Purpose};
use crate::time::Timestamp;
use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of lines that are handed on together, at most: what a lane does between two looks at anything else.
pub const UNIT_BYTES: usize = 512 << 10;
/// Units that wait for a lane. More smooths out bursts and costs half a megabyte each.
pub const QUEUE: usize = 16;
/// Positions of one source that are kept; the one not moved for the longest makes room.
pub const MAX_POSITIONS: usize = 16_384;
/// The name of the position that says since when a source is read. It is saved before anything is read.
pub const SINCE: &str = "since";
/// How often whoever waits for room looks whether the sensor ends.
const LOOK: Duration = Duration::from_millis(100);

/// Where logs come from, as `logs:` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSource {
    /// Its name in `capture`, in the state and in messages.
    pub name: Arc<str>,
    /// The format of its records; told by content when there is none, or when it is [unmistakable](LogFormat::is_unmistakable).
    pub format: Option<LogFormat>,
    /// Where on the way of a call it is written: `edge`, `gateway`, `service`.
    pub vantage: Option<Arc<str>>,
    /// Seconds east of UTC of times that name no zone.
    pub zone: i32,
    /// The formats that are known.
    pub catalogue: Catalogue,
}

/// Whether records that begin so are no lines, so that their stream counts whole or not at all. Exports of spans may be one
/// a line.
#[must_use]
pub fn is_whole(format: &LogFormat, front: &[u8]) -> bool {
    let first = || front.split(|byte| *byte == b'\n').next().unwrap_or_default();
    format.is_unmistakable()
        && !(*format == LogFormat::SpansJson
            && front.contains(&b'\n')
            && serde_json::from_slice::<serde::de::IgnoredAny>(first()).is_ok())
}

impl LogSource {
    /// The format of records that begin so: the one given, but for what nothing else looks like.
    #[must_use]
    pub fn format_of(&self, front: &[u8]) -> Option<LogFormat> {
        match (access_log::detect_among(front, &self.catalogue), &self.format) {
            (Some(found), _) if found.is_unmistakable() => Some(found),
            (_, Some(given)) => Some(given.clone()),
            (found, None) => found,
        }
    }
}

/// Records on their way to a lane.
pub struct Unit {
    /// Where they come from.
    pub source: Arc<LogSource>,
    /// Which stream of the source: a file, a connection, a partition. Numbers come from [`Courier::stream`]. A stream's
    /// units are read in the order they were sent, by one reader.
    pub stream: u64,
    /// The records.
    pub content: Content,
    /// Where the stream stands once the unit is counted: its name in the state, and the position; `None` forgets it.
    pub moves: Option<(Arc<str>, Option<Position>)>,
    /// Who wants to know that it is counted.
    pub receipt: Option<Receipt>,
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({} #{}, {:?})", self.source.name, self.stream, self.content)
    }
}

/// What a unit holds.
pub enum Content {
    /// Whole lines, each with its end but perhaps the last.
    Lines {
        /// The bytes.
        bytes: Vec<u8>,
        /// Their format where the stream's begin has told it.
        format: Option<LogFormat>,
        /// Lines of the stream before them, where they can be counted: lines are told by their numbers.
        before: u64,
    },
    /// The next bytes of a stream whose records are not lines (HAR). Until [`Content::End`] nothing of the stream is
    /// handed on, so that it counts whole or not at all.
    Piece {
        /// The bytes.
        bytes: Vec<u8>,
        /// Their format.
        format: LogFormat,
    },
    /// Lines at the begin of a stream that say what those to come are (`#Fields:`); not counted.
    Preamble {
        /// The bytes.
        bytes: Vec<u8>,
        /// Their format.
        format: LogFormat,
    },
    /// Spans: the body of an OTLP/HTTP request.
    Otlp {
        /// The bytes, content coding removed.
        bytes: Vec<u8>,
        /// Whether they are JSON; else protobuf.
        json: bool,
    },
    /// One message of Envoy's access log service (`StreamAccessLogsMessage`).
    AccessLogService(Vec<u8>),
    /// The stream has ended: its reader is not needed any more.
    End,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes are a stranger's.
        let (kind, bytes) = match self {
            Self::Lines { bytes, .. } => ("lines", bytes.len()),
            Self::Piece { bytes, .. } => ("piece", bytes.len()),
            Self::Preamble { bytes, .. } => ("preamble", bytes.len()),
            Self::Otlp { bytes, .. } => ("otlp", bytes.len()),
            Self::AccessLogService(bytes) => ("access log service", bytes.len()),
            Self::End => ("end", 0),
        };
        write!(f, "{kind} of {bytes} bytes")
    }
}

/// Up to where a stream is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// A file.
    File(FilePosition),
    /// The next offset of a partition.
    Offset(i64),
    /// An object of a bucket.
    Object(ObjectPosition),
    /// A batch that a client named, and when it came: the same name again is the same batch.
    Batch(Timestamp),
    /// When the source was first read.
    Since(Timestamp),
}

impl Position {
    /// When it was last moved, as far as it says.
    #[must_use]
    pub const fn moved(&self) -> Option<Timestamp> {
        match self {
            Self::File(file) => Some(file.moved),
            Self::Object(object) => Some(object.read),
            Self::Batch(came) => Some(*came),
            Self::Offset(_) | Self::Since(_) => None,
        }
    }
}

/// Up to where a file is counted, and how it is known again under another name or compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// Where it was last seen.
    pub path: String,
    /// Device and inode.
    pub identity: (u64, u64),
    /// Bytes counted, decompressed.
    pub offset: u64,
    /// Lines among them.
    pub lines: u64,
    /// Where the lines begin that last said what the columns are (`#Fields:`), in formats that have such.
    pub preamble: Option<u64>,
    /// Its first bytes.
    pub head: Print,
    /// The bytes before `offset`.
    pub tail: Print,
    /// When it was last moved.
    pub moved: Timestamp,
}

/// Up to where an object of a bucket is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPosition {
    /// Tells one version of the object from another: a digest of its tag and size.
    pub version: [u8; 16],
    /// When it was put there.
    pub modified: Timestamp,
    /// When it was last read.
    pub read: Timestamp,
    /// Bytes counted, decompressed.
    pub offset: u64,
    /// Lines among them.
    pub lines: u64,
    /// Whether that is all of it.
    pub done: bool,
}

/// Bytes as their number and a keyed fingerprint: tells whether others are the same, no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Print {
    /// How many.
    pub len: u32,
    /// The fingerprint.
    pub print: [u8; 16],
}

/// The positions of a source's streams, by their names.
pub type Positions = BTreeMap<String, Position>;

/// A way in: what it needs while the process may still open it is open, and it waits to be run.
pub trait Way: Send {
    /// Reads until there is nothing more, or until [`Courier::is_ending`]. It has a thread to itself.
    fn run(self: Box<Self>, hand: Hand);
}

/// What a way in is given.
#[derive(Debug)]
pub struct Hand {
    /// What it reads for.
    pub source: Arc<LogSource>,
    /// Takes its units.
    pub courier: Courier,
    /// Counts what becomes no unit.
    pub tally: Arc<Tally>,
    /// Where its streams stood when the state was last saved.
    pub positions: Positions,
    /// The key of what it remembers of bytes.
    pub key: FingerprintKey,
}

impl Hand {
    /// Hands on lines, which may be none: with them the stream of this name stands at `position`. Returns whether they were
    /// taken.
    #[must_use]
    pub fn send(&self, stream: u64, content: Content, moves: Option<(Arc<str>, Option<Position>)>) -> bool {
        let source = Arc::clone(&self.source);
        self.courier.send(Unit { source, stream, content, moves, receipt: None })
    }
}

impl Print {
    /// What is remembered of these bytes.
    #[must_use]
    pub fn of(key: &FingerprintKey, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { len, print: *key.fingerprint(Purpose::Place, bytes).bytes() }
    }
}

/// Who is told when a unit is counted for good.
pub struct Receipt {
    /// What "for good" means.
    pub when: Settled,
    /// Tells. It must not block.
    pub tell: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({:?})", self.when)
    }
}

/// When a unit counts for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The state on disk holds it.
    Saved,
    /// The lake holds the rows it is in; without a lake, the state.
    InLake,
}

/// What a way in counts of itself, by a name that `capture` shows: what was lost, refused or could not be read before it
/// became a unit.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    /// Counts `more` of what has this name.
    pub fn count(&self, name: &'static str, more: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += more;
    }

    /// What was counted since the last time.
    #[must_use]
    pub fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The way to the lanes. Clones share it.
#[derive(Clone)]
pub struct Courier {
    lanes: Arc<[Sender<Unit>]>,
    stop: Arc<AtomicBool>,
    streams: Arc<AtomicU64>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Courier({} lanes)", self.lanes.len())
    }
}

/// Why a unit was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The lane has no room now: the unit comes back.
    Full(Box<Unit>),
    /// The sensor ends.
    Ending,
}

impl Courier {
    /// The way to `lanes`, until `stop` is set.
    #[must_use]
    pub fn new(lanes: Vec<Sender<Unit>>, stop: Arc<AtomicBool>) -> Self {
        Self { lanes: lanes.into(), stop, streams: Arc::default() }
    }

    /// A number for a stream that nobody else has.
    #[must_use]
    pub fn stream(&self) -> u64 {
        self.streams.fetch_add(1, Relaxed)
    }

    /// Whether the sensor ends: nothing more should be read.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.stop.load(Relaxed)
    }

    fn lane(&self, stream: u64) -> Option<&Sender<Unit>> {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1).max(1);
        self.lanes.get(usize::try_from(stream % lanes).unwrap_or_default())
    }

    /// Hands a unit on and waits for room as long as the sensor runs. Returns whether it was taken.
    #[must_use]
    pub fn send(&self, unit: Unit) -> bool {
        let Some(lane) = self.lane(unit.stream) else { return false };
        let mut unit = unit;
        loop {
            match lane.send_timeout(unit, LOOK) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(_)) if self.is_ending() => return false,
                Err(SendTimeoutError::Timeout(back)) => unit = back,
                Err(SendTimeoutError::Disconnected(_)) => return false,
            }
        }
    }

    /// Hands a unit on when there is room for it now.
    pub fn offer(&self, unit: Unit) -> Result<(), Refused> {
        if self.is_ending() {
            return Err(Refused::Ending);
        }
        let Some(lane) = self.lane(unit.stream) else { return Err(Refused::Ending) };
        lane.try_send(unit).map_err(|refused| match refused {
            TrySendError::Full(unit) => Refused::Full(Box::new(unit)),
            TrySendError::Disconnected(_) => Refused::Ending,
        })
    }
}
