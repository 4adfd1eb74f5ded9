//! Objects of a bucket below a prefix, each of them a log: S3 and what speaks like it.
//!
//! ```text
//!  list ─▶ objects that are new ─▶ oldest first: get ─▶ unpack ─▶ cut into units ─▶ lanes ─▶ state
//!    ▲                                                                                │
//!    └── every poll                      known objects, each with how far it is read ◀┘
//! ```
//!
//! The prefix is listed again and again; nothing in the bucket is ever changed. An object is known by its key, and its
//! version by its tag and size. Each unit says how far into the object it reaches, decompressed; after a crash the object
//! is read again from there. An object that was replaced is another one and is read whole.
//!
//! Objects are read in the order they were put there. When more are known than are kept ([`REMEMBERED`]), the oldest are
//! forgotten, and nothing as old as them is read from then on. So what matters is not how old an object is, but that not
//! thousands of younger ones were read before it.

mod bucket;
mod cut;

pub use bucket::{Bucket, BucketError};

use super::{Content, Hand, MAX_POSITIONS, ObjectPosition, Position, UNIT_BYTES, Way};
use crate::access_log::{DETECT_BYTES, LogFormat};
use crate::source::{intake, open};
use crate::time::Timestamp;
use bucket::{Found, Listed, Trouble};
use cut::{Cut, Cutter};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A bucket, and what of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: String,
    /// The region; by default the environment's, or the crate's (`us-east-1`).
    pub region: Option<String>,
    /// The server's URL, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// Whether it may be reached without TLS.
    pub allow_http: bool,
    /// Certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Who we are.
    pub keys: Keys,
    /// Objects put there before are not read; `None` is when the source is first read.
    pub from: Option<Timestamp>,
    /// How often it is listed.
    pub poll: Duration,
}

/// Who we are to a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// What the environment says: its keys, a web identity, the container's or the machine's role.
    Environment,
    /// Nobody: the bucket is open.
    Anonymous,
    /// A key.
    Pair {
        /// Its id.
        id: String,
        /// The file of its secret; a line end behind it does not belong to it.
        secret_file: PathBuf,
    },
}

impl S3Settings {
    /// The ports that the server, and who gives out keys, are reached at.
    #[must_use]
    pub fn connect(&self) -> Vec<u16> {
        let mut ports = match (&self.endpoint, &self.keys) {
            // The roles of machines and containers, and those who give out keys for them.
            (_, Keys::Environment) => vec![80, 443],
            (None, Keys::Anonymous | Keys::Pair { .. }) => vec![443],
            (Some(_), Keys::Anonymous | Keys::Pair { .. }) => Vec::new(),
        };
        ports.extend(self.endpoint.as_deref().and_then(port_of));
        ports
    }
}

/// Files in which the environment keeps what says who we are; they change while the sensor runs.
#[must_use]
pub fn token_files() -> Vec<PathBuf> {
    ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .collect()
}

/// The port that a URL names or its scheme has; none when it is no URL of HTTP.
#[must_use]
pub fn port_of(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    match host.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => Some(usual).filter(|_| !authority.is_empty()),
    }
}

/// Objects that are remembered; beyond that the oldest make room, many at a time.
pub const REMEMBERED: usize = MAX_POSITIONS - MAX_POSITIONS / 16;
/// How many are forgotten then.
const FORGOTTEN: usize = MAX_POSITIONS / 8;
/// New objects that are held between two listings.
const NEW: usize = 8_192;
/// After what time an object that may not be read is asked for again.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);
/// Bytes of the lines that name columns, when an object is gone on with.
const PREAMBLE: usize = 64 << 10;
/// Bytes read at a time.
const PIECE: usize = 256 << 10;
/// The name under which the state knows from when on objects are read: no key is empty.
const FROM: &str = "";
/// How often whoever waits looks whether the sensor ends.
const LOOK: Duration = Duration::from_millis(100);
/// The first and the longest pause after something went wrong.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Way for Bucket {
    fn run(self: Box<Self>, hand: Hand) {
        let mut since = None;
        let mut objects = BTreeMap::new();
        for (name, position) in &hand.positions {
            match position {
                Position::Since(first) if name == FROM => since = Some(*first),
                Position::Object(object) => drop(objects.insert(name.clone(), *object)),
                Position::Since(_) | Position::File(_) | Position::Offset(_) | Position::Batch(_) => {}
            }
        }
        let books = hand.courier.stream();
        let refused = BTreeSet::new();
        Reader { bucket: *self, hand, objects, books, refused, refused_since: now(), told: false }.run(since);
    }
}

struct Reader {
    bucket: Bucket,
    hand: Hand,
    /// The objects that are known.
    objects: BTreeMap<String, ObjectPosition>,
    /// The stream of what moves positions and brings no lines.
    books: u64,
    /// Objects that may not be read, and since when the first of them.
    refused: BTreeSet<(String, [u8; 16])>,
    refused_since: Instant,
    /// Whether an object was told to have been replaced.
    told: bool,
}

#[expect(clippy::disallowed_methods, reason = "an edge: when to look again is no packet's time")]
fn now() -> Instant {
    Instant::now()
}

impl Reader {
    fn run(mut self, since: Option<Timestamp>) {
        let mut pause = PAUSES.0;
        let mut trouble = false;
        let mut since = since.unwrap_or_else(|| {
            let first = self.bucket.s3.from.unwrap_or_else(crate::source::now);
            self.note(FROM, Some(Position::Since(first)));
            first
        });
        while !self.hand.courier.is_ending() {
            let rest = match self.round(&mut since) {
                Ok(more) => {
                    pause = PAUSES.0;
                    if std::mem::take(&mut trouble) {
                        tracing::info!(source = %self.hand.source.name, "the bucket is read again");
                    }
                    if more { Duration::ZERO } else { self.bucket.s3.poll }
                }
                Err(Trouble::Ending) => return,
                Err(error) => {
                    if std::mem::replace(&mut trouble, true) {
                        tracing::debug!(source = %self.hand.source.name, %error, "the bucket is still not read");
                    } else {
                        tracing::warn!(source = %self.hand.source.name, %error, "the bucket is not read until this is over");
                    }
                    let this = pause;
                    pause = PAUSES.1.min(pause * 2);
                    this
                }
            };
            let until = now() + rest;
            while now() < until && !self.hand.courier.is_ending() {
                std::thread::sleep(LOOK.min(rest));
            }
        }
    }

    /// Lists, and reads what is new. Returns whether there is more.
    fn round(&mut self, since: &mut Timestamp) -> Result<bool, Trouble> {
        if self.refused.len() >= MAX_POSITIONS || self.refused_since.elapsed() >= REFUSED_AGAIN {
            self.refused.clear();
        }
        // The oldest of them, however many there are.
        let mut new = BinaryHeap::new();
        let mut more = false;
        let first = *since;
        let (objects, refused) = (&self.objects, &self.refused);
        let mut take = |object: Listed| {
            let is_new = match objects.get(&object.key) {
                Some(known) => known.version != object.version || !known.done,
                None => object.modified >= first,
            };
            if !is_new || refused.contains(&(object.key.clone(), object.version)) {
                return;
            }
            new.push(object);
            if new.len() > NEW {
                new.pop();
                more = true;
            }
        };
        let unreadable = self.bucket.list(&self.hand.courier, &mut take)?;
        if unreadable > 0 {
            tracing::debug!(source = %self.hand.source.name, keys = unreadable, "keys that cannot be asked for");
        }
        for object in new.into_sorted_vec() {
            self.object(&object)?;
            if let Some(newest) = self.forget() {
                *since = newest;
            }
        }
        Ok(more)
    }

    /// Reads an object, on from where it is known to stand.
    fn object(&mut self, object: &Listed) -> Result<(), Trouble> {
        let source = Arc::clone(&self.hand.source);
        let (name, key) = (&source.name, object.key.as_str());
        let known = self.objects.get(key);
        let counted = known
            .filter(|known| known.version == object.version)
            .map_or(Reached::default(), |known| Reached { offset: known.offset, lines: known.lines });
        if known.is_some_and(|known| known.version != object.version) {
            self.hand.tally.count("objects_replaced", 1);
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!(source = %name, key, "an object was replaced after it was read, and is read again whole: what both hold counts twice");
            }
        }
        let body = match self.bucket.get(&self.hand.courier, object)? {
            Found::Body(body) => body,
            Found::Gone => return Ok(()),
            Found::Refused(why) => {
                self.hand.tally.count("objects_refused", 1);
                if self.refused.is_empty() {
                    self.refused_since = now();
                    tracing::warn!(source = %name, key, why, "an object may not be read; those alike are not told");
                } else {
                    tracing::debug!(source = %name, key, why, "an object may not be read");
                }
                self.refused.insert((object.key.clone(), object.version));
                return Ok(());
            }
        };
        let is_broken = body.is_broken();
        let mut reading = Reading { reader: self, object, stream: 0, counted };
        reading.stream = reading.reader.hand.courier.stream();
        let unpacked = open::unpacked(body)
            .and_then(|mut input| open::peek(&mut input, DETECT_BYTES).map(|front| (front, input)));
        let outcome = match unpacked {
            Ok((front, input)) => reading.read(&front.clone(), open::chained(front, input)),
            Err(error) => Err(Broke::Read(error)),
        };
        let stream = reading.stream;
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(Broke::Ending) => return Err(Trouble::Ending),
            Err(Broke::Read(error)) if is_broken.load(Relaxed) => {
                Err(Trouble::Store(Box::new(object_store::Error::Generic {
                    store: "S3",
                    source: Box::new(error),
                })))
            }
            Err(Broke::Read(error)) => {
                self.hand.tally.count("damaged_objects", 1);
                tracing::warn!(source = %name, key, %error, "an object is damaged: what stands before counts");
                let reached = self.objects.get(key).filter(|known| known.version == object.version);
                let reached = reached
                    .map_or(Reached::default(), |known| Reached { offset: known.offset, lines: known.lines });
                self.reach(object, stream, nothing(), reached, true)?;
                Ok(())
            }
        };
        // Its reader is not needed any more.
        self.send(stream, Content::End, None)?;
        outcome
    }

    /// Hands on what an object brought, and how far that reaches.
    fn reach(
        &mut self,
        object: &Listed,
        stream: u64,
        content: Content,
        reached: Reached,
        done: bool,
    ) -> Result<(), Trouble> {
        let Reached { offset, lines } = reached;
        let position = ObjectPosition {
            version: object.version,
            modified: object.modified,
            read: crate::source::now(),
            offset,
            lines,
            done,
        };
        self.send(stream, content, Some((object.key.as_str().into(), Some(Position::Object(position)))))?;
        self.objects.insert(object.key.clone(), position);
        Ok(())
    }

    fn send(
        &self,
        stream: u64,
        content: Content,
        moves: Option<(Arc<str>, Option<Position>)>,
    ) -> Result<(), Trouble> {
        if self.hand.send(stream, content, moves) { Ok(()) } else { Err(Trouble::Ending) }
    }

    /// Moves a position that brings no lines. At the sensor's end it is moved the next time.
    fn note(&self, name: &str, position: Option<Position>) {
        drop(self.send(self.books, nothing(), Some((name.into(), position))));
    }

    /// Makes room when too many objects are known. Returns from when on objects are then read.
    fn forget(&mut self) -> Option<Timestamp> {
        if self.objects.len() <= REMEMBERED {
            return None;
        }
        let mut oldest: Vec<(Timestamp, String)> = self
            .objects
            .iter()
            .filter(|(_, known)| known.done)
            .map(|(key, known)| (known.modified, key.clone()))
            .collect();
        oldest.sort_unstable();
        oldest.truncate(FORGOTTEN);
        let since = oldest.last()?.0.plus(Duration::from_nanos(1));
        // First what keeps them from being read again.
        self.note(FROM, Some(Position::Since(since)));
        for (_, key) in oldest {
            self.note(&key, None);
            self.objects.remove(&key);
        }
        Some(since)
    }
}

/// Why an object was not read to its end.
enum Broke {
    /// Its bytes give no more.
    Read(io::Error),
    /// The sensor ends.
    Ending,
}

impl From<Trouble> for Broke {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Ending => Self::Ending,
            Trouble::Store(_) | Trouble::Silent => Self::Read(io::Error::other(trouble)),
        }
    }
}

/// How much of an object is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// Bytes, decompressed.
    offset: u64,
    /// Lines among them.
    lines: u64,
}

/// What a unit holds that moves a position alone.
const fn nothing() -> Content {
    Content::Lines { bytes: Vec::new(), format: None, before: 0 }
}

/// An object that is being read.
struct Reading<'a> {
    reader: &'a mut Reader,
    object: &'a Listed,
    stream: u64,
    /// What is counted already.
    counted: Reached,
}

impl Reading<'_> {
    fn read(&mut self, front: &[u8], input: impl Read) -> Result<(), Broke> {
        let Some(format) = self.reader.hand.source.format_of(front) else {
            if !front.is_empty() {
                let (source, key) = (&self.reader.hand.source.name, self.object.key.as_str());
                self.reader.hand.tally.count("objects_of_no_format", 1);
                tracing::warn!(%source, key, "an object is in none of the known formats and is left out");
            }
            return Ok(self.done(nothing(), 0)?);
        };
        if intake::is_whole(&format, front) {
            self.pieces(&format, input)
        } else {
            self.lines(&format, input)
        }
    }

    fn lines(&mut self, format: &LogFormat, mut input: impl Read) -> Result<(), Broke> {
        let named = self.skip(&mut input, *format == LogFormat::Columns)?;
        if !named.is_empty() {
            let content = Content::Preamble { bytes: named, format: format.clone() };
            self.reader.send(self.stream, content, None)?;
        }
        let mut cutter = Cutter::new(self.counted.offset, self.counted.lines);
        let outcome = each_piece(&mut input, &mut |piece| {
            cutter.take(piece, &mut |cut| {
                let (content, reached) = cut.handed(format);
                Ok(self.reader.reach(self.object, self.stream, content, reached, false)?)
            })
        });
        let cut = match &outcome {
            Ok(()) => cutter.rest(),
            Err(Broke::Ending) => return outcome,
            Err(Broke::Read(_)) => cutter.broken(),
        };
        let (content, reached) = cut.handed(format);
        self.reader.reach(self.object, self.stream, content, reached, outcome.is_ok())?;
        outcome
    }

    /// Passes over what is counted already. Returns the lines in it that name columns, if wanted.
    fn skip(&self, input: &mut impl Read, wants_names: bool) -> Result<Vec<u8>, Broke> {
        let mut names = Vec::new();
        let mut cutter = Cutter::new(0, 0);
        let mut keep = |cut: &Cut| {
            let of_names = |line: &&[u8]| line.starts_with(b"#");
            for line in cut.bytes.split_inclusive(|byte| *byte == b'\n').filter(of_names) {
                // The last are those that hold.
                if names.len() + line.len() > PREAMBLE {
                    names.clear();
                }
                names.extend_from_slice(line);
            }
        };
        each_piece(&mut input.take(self.counted.offset), &mut |piece| {
            if !wants_names {
                return Ok(());
            }
            cutter.take(piece, &mut |cut| {
                keep(&cut);
                Ok(())
            })
        })?;
        keep(&cutter.rest());
        Ok(names)
    }

    fn pieces(&mut self, format: &LogFormat, mut input: impl Read) -> Result<(), Broke> {
        let mut offset = 0;
        each_piece(&mut input, &mut |piece| {
            offset += piece.len() as u64;
            for piece in piece.chunks(UNIT_BYTES) {
                let content = Content::Piece { bytes: piece.to_vec(), format: format.clone() };
                self.reader.send(self.stream, content, None)?;
            }
            Ok(())
        })?;
        Ok(self.done(Content::End, offset)?)
    }

    fn done(&mut self, content: Content, offset: u64) -> Result<(), Trouble> {
        self.reader.reach(self.object, self.stream, content, Reached { offset, lines: 0 }, true)
    }
}

impl Cut {
    /// As a unit, and how far that reaches.
    fn handed(self, format: &LogFormat) -> (Content, Reached) {
        let Self { bytes, before, offset, lines } = self;
        (Content::Lines { bytes, format: Some(format.clone()), before }, Reached { offset, lines })
    }
}

fn each_piece(input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<(), Broke>) -> Result<(), Broke> {
    let mut buffer = vec![0; PIECE];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broke::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_url_is_known() {
        for (url, port) in [
            ("https://s3.example", Some(443)),
            ("http://s3.example/", Some(80)),
            ("https://s3.example:9000/path", Some(9000)),
            ("http://[::1]:9000", Some(9000)),
            ("http://[::1]", Some(80)),
            ("s3.example:9000", None),
            ("ftp://s3.example", None),
            ("https://", None),
            ("https://s3.example:port", None),
        ] {
            assert_eq!(port_of(url), port, "{url}");
        }
    }

    #[test]
    fn what_is_connected_to_is_what_is_needed() {
        let settings = |endpoint: Option<&str>, keys| S3Settings {
            bucket: "b".to_owned(),
            prefix: String::new(),
            region: None,
            endpoint: endpoint.map(str::to_owned),
            allow_http: false,
            ca: None,
            keys,
            from: None,
            poll: Duration::ZERO,
        };
        assert_eq!(settings(None, Keys::Anonymous).connect(), [443]);
        assert_eq!(settings(Some("http://a:9000"), Keys::Anonymous).connect(), [9000]);
        assert_eq!(settings(Some("http://a:9000"), Keys::Environment).connect(), [80, 443, 9000]);
    }
}
