//! One content: where it stands, how far it was handed on, and how it is known again.

use super::places::Found;
use super::{Ending, QUIET, SETTLE};
use crate::access_log::{DETECT_BYTES, LogFormat};
use crate::source::intake::{self, Content as Records, FilePosition, Hand, Position, Print, UNIT_BYTES};
use crate::source::{self, open};
use crate::time::Timestamp;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// First bytes, and bytes before the position, by which a content is known again.
const KNOWN_BY: usize = 1_024;
/// The longest line that is waited for; a longer one is handed on in pieces, which its reader counts as one bad line.
const LONG_LINE: usize = (1 << 20) + UNIT_BYTES;
/// The longest block of lines that say what the columns are.
const PREAMBLE: usize = 64 << 10;

/// What became of a content that was looked for in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on there.
    GoesOn,
    /// The file holds nothing that was not read.
    Spent,
    /// The file holds another content that begins with the same bytes.
    Other,
}

/// What a look at a file brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Something was handed on.
    Some,
    /// There was nothing.
    Nothing,
}

/// A file opened to find out what it holds.
pub(super) struct Opened {
    file: File,
    /// Its first bytes, decompressed.
    front: Vec<u8>,
    /// What follows its front, when it is compressed.
    packed: Option<Box<dyn io::Read + Send>>,
}

impl Opened {
    /// Opens it and reads its first bytes.
    pub(super) fn open(found: &Found) -> Result<Self> {
        let path = &found.path;
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let mut front = vec![0; DETECT_BYTES];
        let count = read_full(&file, &mut front, 0).with_context(|| format!("read {}", path.display()))?;
        front.truncate(count);
        if open::is_packed(&front) {
            let clone = file.try_clone().with_context(|| format!("open {}", path.display()))?;
            let mut reader = open::unpacked(io::BufReader::new(clone))
                .with_context(|| format!("decompress {}", path.display()))?;
            let front = open::peek(&mut reader, DETECT_BYTES)
                .with_context(|| format!("decompress {}", path.display()))?;
            return Ok(Self { file, front, packed: Some(reader) });
        }
        Ok(Self { file, front, packed: None })
    }

    pub(super) fn front(&self) -> &[u8] {
        self.front.get(..KNOWN_BY).unwrap_or(&self.front)
    }

    pub(super) const fn is_packed(&self) -> bool {
        self.packed.is_some()
    }
}

/// Where a content stands.
enum Place {
    /// In no file that is known: it may turn up in a copy.
    Nowhere,
    /// In its file, which is closed.
    Closed,
    /// In its file.
    Open(File),
    /// In a compressed file, decompressed as far as it was handed on and `ahead`.
    Packed {
        reader: Box<dyn io::Read + Send>,
        /// The front of a line.
        ahead: Vec<u8>,
    },
    /// In a compressed file that was read to its end.
    Ended,
}

/// A content. See the module's doc.
pub(super) struct Content {
    name: Arc<str>,
    number: u64,
    at: FilePosition,
    place: Place,
    /// Whether its file was there at the last look.
    listed: bool,
    /// How long its file was at the last look.
    len: u64,
    /// When it was last written, by its stamp.
    modified: Timestamp,
    /// When its file was last seen to have grown.
    grew: Option<Instant>,
    /// Its first bytes.
    front: Vec<u8>,
    /// The bytes before its position.
    back: Vec<u8>,
    format: Option<LogFormat>,
    /// Whether it counts whole or not at all.
    whole: bool,
    /// Whether a reader behind the courier knows its begin.
    begun: bool,
    /// Whether it was told that it grew after it counted as whole.
    told_grown: bool,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} at {} of {})", self.name, self.at.offset, self.at.path)
    }
}

impl Content {
    /// A content that was followed before: only its position is known.
    pub(super) fn resumed(name: Arc<str>, number: u64, at: FilePosition) -> Self {
        Self {
            name,
            number,
            at,
            place: Place::Closed,
            listed: false,
            len: 0,
            modified: Timestamp::default(),
            grew: None,
            front: Vec::new(),
            back: Vec::new(),
            format: None,
            whole: false,
            begun: false,
            told_grown: false,
        }
    }

    /// A content that was never seen before.
    pub(super) fn new(
        name: Arc<str>,
        number: u64,
        found: &Found,
        opened: Opened,
        hand: &Hand,
        now: Instant,
    ) -> Self {
        let at = FilePosition {
            path: String::new(),
            identity: found.identity,
            offset: 0,
            lines: 0,
            preamble: None,
            head: Print::default(),
            tail: Print::default(),
            moved: source::now(),
        };
        let mut content = Self { grew: Some(now), ..Self::resumed(name, number, at) };
        content.stand_in(found, opened, hand, &[]);
        content
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(&self.at.path)
    }

    pub(super) const fn offset(&self) -> u64 {
        self.at.offset
    }

    /// The identity of the file that it stands in.
    pub(super) const fn stands_in(&self) -> Option<(u64, u64)> {
        match self.place {
            Place::Nowhere => None,
            Place::Closed | Place::Open(_) | Place::Packed { .. } | Place::Ended => Some(self.at.identity),
        }
    }

    /// Whether its file is open, and is not compressed.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.place, Place::Open(_))
    }

    /// Whether it is read out of a compressed file.
    pub(super) const fn is_unpacking(&self) -> bool {
        matches!(self.place, Place::Packed { .. })
    }

    /// Whether it stands in a file that may still grow, or that was not read to its end.
    pub(super) const fn is_standing(&self) -> bool {
        match &self.place {
            Place::Nowhere => false,
            Place::Closed | Place::Ended => self.listed,
            Place::Open(_) | Place::Packed { .. } => true,
        }
    }

    /// Whether nothing of it is to be expected but copies. One that was not looked for yet may be anywhere.
    pub(super) const fn is_over(&self) -> bool {
        !self.is_standing() && self.grew.is_some()
    }

    /// Whether its records are not lines.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether it and `front` begin with the same bytes, as far as both go.
    pub(super) fn begins_alike(&self, front: &[u8]) -> bool {
        let both = self.front.len().min(front.len());
        both > 0 && self.front.get(..both) == front.get(..both)
    }

    /// Whether it begins with bytes of which `print_of` tells what is remembered of so many.
    pub(super) fn begins(&self, print_of: &mut dyn FnMut(u32) -> Option<Print>) -> bool {
        let head = self.at.head;
        head.len > 0 && print_of(head.len) == Some(head)
    }

    /// Since when it has nothing to read, when its file is open.
    pub(super) const fn idle_since(&self) -> Option<Instant> {
        match &self.place {
            Place::Open(_) if self.listed && self.len <= self.at.offset => self.grew,
            Place::Open(_) | Place::Nowhere | Place::Closed | Place::Packed { .. } | Place::Ended => None,
        }
    }

    /// Closes its file, unless it is compressed; it is opened again when there is more in it.
    pub(super) fn close(&mut self) {
        if self.is_open() {
            self.place = Place::Closed;
        }
    }

    /// Takes note of its file as it stands now. Tells whether it still is its file.
    pub(super) fn look(&mut self, found: &Found, hand: &Hand, now: Instant) -> bool {
        if self.grew.is_none() {
            // The first look since the start.
            self.grew = Some(now);
            let Ok(mut opened) = Opened::open(found) else { return true };
            let front = opened.front();
            let head =
                |len: u32| front.get(..usize::try_from(len).ok()?).map(|head| Print::of(&hand.key, head));
            let known = self.begins(&mut { head }) || self.at.head.len == 0;
            if !known || !self.go_on_in(found, &mut opened, hand) {
                self.place = Place::Nowhere;
                return false;
            }
            self.close();
        }
        let packed = matches!(self.place, Place::Packed { .. } | Place::Ended);
        if !packed && (found.len < self.at.offset || found.len < self.len) {
            self.lose(hand);
            return false;
        }
        if self.modified != found.modified && !packed && !self.is_unchanged(&found.path) {
            // Truncated and written anew, as long as it was or longer.
            self.lose(hand);
            return false;
        }
        if found.len != self.len {
            self.grew = Some(now);
        }
        if self.modified != found.modified && self.at.offset < KNOWN_BY as u64 {
            // As long as little was handed on, another content may have come in its place unnoticed.
            self.renew_front();
        }
        (self.len, self.modified) = (found.len, found.modified);
        self.listed = true;
        found.path.to_string_lossy().as_ref().clone_into(&mut self.at.path);
        true
    }

    /// Reads its first bytes again.
    fn renew_front(&mut self) {
        let Place::Open(file) = &self.place else { return };
        let mut front = vec![0; KNOWN_BY];
        if let Ok(count) = read_full(file, &mut front, 0) {
            front.truncate(count);
            self.front = front;
        }
    }

    /// Whether what is before its position still is there, as far as can be seen.
    fn is_unchanged(&self, path: &Path) -> bool {
        let mut back = vec![0; self.back.len()];
        let before = self.at.offset - self.back.len() as u64;
        let read = |file: &File, back: &mut [u8]| read_full(file, back, before).ok() == Some(back.len());
        let whole = match &self.place {
            Place::Open(file) => read(file, &mut back),
            Place::Closed => File::open(path).is_ok_and(|file| read(&file, &mut back)),
            Place::Nowhere | Place::Packed { .. } | Place::Ended => return true,
        };
        whole && back == self.back
    }

    /// Takes note that its file was not found, when it was not.
    pub(super) fn unlisted(
        &mut self,
        listed: &std::collections::BTreeSet<(u64, u64)>,
        hand: &Hand,
        now: Instant,
    ) {
        if listed.contains(&self.at.identity) {
            return;
        }
        self.listed = false;
        self.grew.get_or_insert(now);
        match &self.place {
            // It is gone, or has a name that is not looked at; who has it open may still write.
            Place::Open(file) => {
                let len = file.metadata().map_or(self.len, |metadata| metadata.len());
                if len != self.len {
                    (self.len, self.grew) = (len, Some(now));
                }
                let patience =
                    if file.metadata().is_ok_and(|metadata| metadata.nlink() == 0) { SETTLE } else { QUIET };
                if self.len <= self.at.offset && self.grew.is_none_or(|at| now.duration_since(at) >= patience)
                {
                    self.lose(hand);
                }
            }
            Place::Closed | Place::Ended => self.lose(hand),
            Place::Packed { .. } | Place::Nowhere => {}
        }
    }

    /// It stands in no known file any more.
    fn lose(&mut self, hand: &Hand) {
        self.place = Place::Nowhere;
        self.listed = false;
        self.end(hand);
    }

    /// Tells its reader that nothing more comes for now.
    fn end(&mut self, hand: &Hand) {
        if std::mem::take(&mut self.begun) && !hand.send(self.number, Records::End, None) {
            // The sensor ends, and its readers with it.
        }
    }

    /// Goes on in a file that begins as it does: a copy, or the same under another name.
    pub(super) fn adopt(&mut self, found: &Found, opened: &mut Opened, hand: &Hand, now: Instant) -> Fate {
        let packed = opened.is_packed();
        if !packed && found.len < self.at.offset {
            // A copy that was made before all of it was written.
            return Fate::Spent;
        }
        let before = self.at.identity;
        if !self.go_on_in(found, opened, hand) {
            self.at.identity = before;
            // What is compressed and shorter than the position gave back no reader.
            return if packed && !opened.is_packed() { Fate::Spent } else { Fate::Other };
        }
        (self.listed, self.len, self.grew) = (true, found.len, Some(now));
        Fate::GoesOn
    }

    /// Stands in a file from now on, if what is before the position is there.
    fn go_on_in(&mut self, found: &Found, opened: &mut Opened, hand: &Hand) -> bool {
        let tail = u64::from(self.at.tail.len);
        let Some(from) = self.at.offset.checked_sub(tail) else { return false };
        let mut back = vec![0; usize::try_from(tail).unwrap_or_default().min(KNOWN_BY)];
        let mut preamble = Vec::new();
        match opened.packed.take() {
            None => {
                if read_full(&opened.file, &mut back, from).ok() != Some(back.len()) {
                    return false;
                }
                if let Some(at) = self.at.preamble {
                    preamble = vec![0; PREAMBLE];
                    let count = read_full(&opened.file, &mut preamble, at).unwrap_or_default();
                    preamble.truncate(count);
                }
            }
            Some(rest) => {
                let front = std::mem::take(&mut opened.front);
                opened.front.clone_from(&front);
                let mut reader = open::chained(front, rest);
                let Ok(true) = skip(&mut reader, self.at.offset, &mut back, self.at.preamble, &mut preamble)
                else {
                    return false;
                };
                opened.packed = Some(Box::new(reader));
            }
        }
        if Print::of(&hand.key, &back) != self.at.tail && self.at.offset > 0 {
            return false;
        }
        self.back = back;
        let taken = Opened {
            file: match opened.file.try_clone() {
                Ok(file) => file,
                Err(_) => return false,
            },
            front: std::mem::take(&mut opened.front),
            packed: opened.packed.take(),
        };
        self.stand_in(found, taken, hand, &preamble);
        true
    }

    /// Stands in this file from now on.
    fn stand_in(&mut self, found: &Found, opened: Opened, hand: &Hand, preamble: &[u8]) {
        self.at.identity = found.identity;
        found.path.to_string_lossy().as_ref().clone_into(&mut self.at.path);
        (self.listed, self.len, self.modified) = (true, found.len, found.modified);
        self.format = hand.source.format_of(&opened.front);
        self.whole = self.format.as_ref().is_some_and(|format| intake::is_whole(format, &opened.front));
        self.front = opened.front().to_vec();
        let fresh = self.at.offset == 0;
        self.place = match opened.packed {
            // At its begin, the front has been read already.
            Some(reader) if fresh => {
                Place::Packed { reader: Box::new(open::chained(opened.front, reader)), ahead: Vec::new() }
            }
            Some(reader) => Place::Packed { reader, ahead: Vec::new() },
            None => Place::Open(opened.file),
        };
        if let (false, false, Some(format)) = (self.begun, fresh, &self.format) {
            let bytes = leading_directives(preamble);
            if !bytes.is_empty() {
                let records = Records::Preamble { bytes: bytes.to_vec(), format: format.clone() };
                self.begun = hand.send(self.number, records, None);
            }
        }
    }

    /// Passes over what is there: it was written before anything was asked for.
    pub(super) fn pass_over(&mut self, hand: &Hand) {
        let Place::Open(file) = &self.place else { return };
        // Up to the last line end: what stands behind is a line being written.
        let (mut end, mut last) = (self.len, vec![0; UNIT_BYTES]);
        let from = self.len.saturating_sub(UNIT_BYTES as u64);
        if let Ok(count) = read_full(file, &mut last, from)
            && let Some(newline) = memchr::memrchr(b'\n', last.get(..count).unwrap_or_default())
        {
            end = from + newline as u64 + 1;
        }
        let keep = usize::try_from(end).unwrap_or(usize::MAX).min(KNOWN_BY);
        let mut back = vec![0; keep];
        if read_full(file, &mut back, end - keep as u64).ok() != Some(keep) {
            return;
        }
        let mut front = vec![0; keep];
        if read_full(file, &mut front, 0).ok() != Some(keep) {
            return;
        }
        self.at.preamble = directives(&front, 0);
        (self.front, self.back, self.at.offset) = (front, back, end);
        self.whole = false;
        self.remember(hand);
        let preamble = leading_directives(&self.front).to_vec();
        if let (Some(format), false) = (&self.format, preamble.is_empty()) {
            let records = Records::Preamble { bytes: preamble, format: format.clone() };
            self.begun = hand.send(self.number, records, None);
        }
        let nothing = Records::Lines { bytes: Vec::new(), format: None, before: 0 };
        if !hand.send(
            self.number,
            nothing,
            Some((Arc::clone(&self.name), Some(Position::File(self.at.clone())))),
        ) {
            // The sensor ends: the next start is the first one again.
        }
    }

    /// Renews the fingerprints of its position.
    fn remember(&mut self, hand: &Hand) {
        let offset = usize::try_from(self.at.offset).unwrap_or(usize::MAX);
        let head = self.front.get(..offset.min(KNOWN_BY)).unwrap_or(&self.front);
        self.at.head = Print::of(&hand.key, head);
        self.at.tail = Print::of(&hand.key, &self.back);
        self.at.moved = source::now();
    }

    /// Hands on what came since, at most a unit of it.
    pub(super) fn read(&mut self, hand: &Hand, now: Instant) -> Result<Read, Ending> {
        match &self.place {
            Place::Nowhere | Place::Ended => return Ok(Read::Nothing),
            Place::Closed if self.len <= self.at.offset => return Ok(Read::Nothing),
            Place::Closed => {
                let Ok(file) = File::open(self.path()) else { return Ok(Read::Nothing) };
                let same = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino()) == self.at.identity;
                if !file.metadata().is_ok_and(same) {
                    return Ok(Read::Nothing);
                }
                self.place = Place::Open(file);
            }
            Place::Open(_) | Place::Packed { .. } => {}
        }
        if self.whole { self.read_whole(hand, now) } else { self.read_lines(hand, now) }
    }

    fn read_lines(&mut self, hand: &Hand, now: Instant) -> Result<Read, Ending> {
        let mut quiet = self.grew.is_some_and(|at| now.duration_since(at) >= QUIET);
        let (bytes, ended) = match &mut self.place {
            Place::Open(file) => {
                let mut bytes = vec![0; UNIT_BYTES];
                let mut count = match read_full(file, &mut bytes, self.at.offset) {
                    Ok(count) => count,
                    Err(error) => return Ok(self.complain(&error, hand)),
                };
                if count == 0 {
                    if quiet {
                        self.end(hand);
                    }
                    return Ok(Read::Nothing);
                }
                if count == UNIT_BYTES && memchr::memrchr(b'\n', &bytes).is_none() {
                    bytes.resize(LONG_LINE, 0);
                    let room = bytes.get_mut(count..).unwrap_or_default();
                    count += read_full(file, room, self.at.offset + count as u64).unwrap_or_default();
                }
                bytes.truncate(count);
                let end = self.at.offset + count as u64;
                if end > self.len {
                    // Since the last look at the folder.
                    (self.len, self.grew, quiet) = (end, Some(now), false);
                }
                // Truncated and written anew meanwhile, it would be another content.
                let mut back = vec![0; self.back.len()];
                let before = self.at.offset - self.back.len() as u64;
                if read_full(file, &mut back, before).ok() != Some(back.len()) || back != self.back {
                    self.lose(hand);
                    return Ok(Read::Nothing);
                }
                match memchr::memrchr(b'\n', &bytes) {
                    Some(newline) => bytes.truncate(newline + 1),
                    None if quiet || bytes.len() >= LONG_LINE => {}
                    None => return Ok(Read::Nothing),
                }
                (bytes, false)
            }
            Place::Packed { reader, ahead } => {
                let mut bytes = std::mem::take(ahead);
                let (ended, damage) = fill(reader, &mut bytes);
                if let Some(newline) = memchr::memrchr(b'\n', &bytes)
                    && !(ended && damage.is_none())
                {
                    *ahead = bytes.split_off(newline + 1);
                }
                if let Some(error) = damage {
                    let source = &*hand.source.name;
                    tracing::error!(source, %error, bytes = self.at.offset + bytes.len() as u64, "damaged: {}; what came before is read", self.at.path);
                    hand.tally.count("damaged_files", 1);
                }
                (bytes, ended)
            }
            Place::Nowhere | Place::Closed | Place::Ended => return Ok(Read::Nothing),
        };
        if !bytes.is_empty() {
            self.hand_on(bytes, hand)?;
        }
        if ended {
            self.place = Place::Ended;
            self.end(hand);
        }
        Ok(Read::Some)
    }

    /// Hands on lines.
    fn hand_on(&mut self, bytes: Vec<u8>, hand: &Hand) -> Result<(), Ending> {
        let columns = self.format.as_ref().is_none_or(|format| *format == LogFormat::Columns);
        if columns && let Some(at) = directives(&bytes, self.at.offset) {
            self.at.preamble = Some(at);
        }
        let handed = usize::try_from(self.at.offset).unwrap_or(usize::MAX);
        if handed < KNOWN_BY {
            self.front.truncate(handed);
            self.front.extend(bytes.iter().take(KNOWN_BY - handed));
        }
        let before = self.at.lines;
        let unfinished = bytes.last().is_some_and(|last| *last != b'\n');
        self.at.lines += memchr::memchr_iter(b'\n', &bytes).count() as u64 + u64::from(unfinished);
        self.at.offset += bytes.len() as u64;
        let kept = bytes.len().min(KNOWN_BY);
        self.back.extend_from_slice(bytes.get(bytes.len() - kept..).unwrap_or_default());
        self.back.drain(..self.back.len().saturating_sub(KNOWN_BY));
        self.remember(hand);
        let moves = (Arc::clone(&self.name), Some(Position::File(self.at.clone())));
        let records = Records::Lines { bytes, format: self.format.clone(), before };
        self.begun = true;
        if hand.send(self.number, records, Some(moves)) { Ok(()) } else { Err(Ending) }
    }

    /// Hands on all of a file whose records are not lines, once it has stopped growing.
    fn read_whole(&mut self, hand: &Hand, now: Instant) -> Result<Read, Ending> {
        let Some(format) = self.format.clone() else { return Ok(Read::Nothing) };
        let settled = self.grew.is_some_and(|at| now.duration_since(at) >= SETTLE);
        let fresh = self.at.offset == 0;
        let (mut offset, mut last) = (self.at.offset, std::mem::take(&mut self.back));
        let ended = match &mut self.place {
            Place::Open(_) if self.len <= offset || !settled => {
                self.back = last;
                return Ok(Read::Nothing);
            }
            Place::Open(_) if !fresh && format != LogFormat::SpansJson => {
                self.back = last;
                if !std::mem::replace(&mut self.told_grown, true) {
                    let source = &*hand.source.name;
                    tracing::error!(
                        source,
                        "grew after it was read as a whole: {}; what was added is not read",
                        self.at.path
                    );
                    hand.tally.count("grown_documents", 1);
                }
                return Ok(Read::Nothing);
            }
            Place::Open(file) => loop {
                let mut bytes = vec![0; UNIT_BYTES];
                let count = match read_full(file, &mut bytes, offset) {
                    Ok(count) => count,
                    Err(error) => return Ok(self.complain(&error, hand)),
                };
                if count == 0 {
                    break false;
                }
                bytes.truncate(count);
                offset += count as u64;
                keep_last(&mut last, &bytes);
                if !hand.send(self.number, Records::Piece { bytes, format: format.clone() }, None) {
                    return Err(Ending);
                }
            },
            Place::Packed { reader, .. } => loop {
                let mut bytes = Vec::new();
                let (ended, damage) = fill(reader, &mut bytes);
                if let Some(error) = damage {
                    let source = &*hand.source.name;
                    tracing::error!(source, %error, "damaged: {}; what came before is read", self.at.path);
                    hand.tally.count("damaged_files", 1);
                }
                offset += bytes.len() as u64;
                keep_last(&mut last, &bytes);
                if !bytes.is_empty()
                    && !hand.send(self.number, Records::Piece { bytes, format: format.clone() }, None)
                {
                    return Err(Ending);
                }
                if ended {
                    break true;
                }
            },
            Place::Nowhere | Place::Closed | Place::Ended => return Ok(Read::Nothing),
        };
        (self.at.offset, self.back) = (offset, last);
        if ended {
            self.place = Place::Ended;
        }
        self.remember(hand);
        let moves = (Arc::clone(&self.name), Some(Position::File(self.at.clone())));
        if hand.send(self.number, Records::End, Some(moves)) { Ok(Read::Some) } else { Err(Ending) }
    }

    /// Tells that its file could not be read; it is tried again.
    fn complain(&mut self, error: &io::Error, hand: &Hand) -> Read {
        let source = &*hand.source.name;
        tracing::error!(source, %error, "read {}: tried again", self.at.path);
        hand.tally.count("unreadable_files", 1);
        self.place = Place::Closed;
        Read::Nothing
    }
}

/// Reads until `into` is full or the file ends.
fn read_full(file: &File, into: &mut [u8], from: u64) -> io::Result<usize> {
    let mut have = 0;
    while let Some(room) = into.get_mut(have..).filter(|room| !room.is_empty()) {
        match file.read_at(room, from + have as u64) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Reads on until there is a unit of bytes with a line end, or a line that is too long. Tells whether the input has ended,
/// and of damage, which ends it.
fn fill(reader: &mut dyn io::Read, bytes: &mut Vec<u8>) -> (bool, Option<io::Error>) {
    let mut buffer = vec![0; 64 << 10];
    let mut lines = bytes.contains(&b'\n');
    while bytes.len() < UNIT_BYTES || !lines && bytes.len() < LONG_LINE {
        match reader.read(&mut buffer) {
            Ok(0) => return (true, None),
            Ok(count) => {
                let new = buffer.get(..count).unwrap_or_default();
                lines |= new.contains(&b'\n');
                bytes.extend_from_slice(new);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (true, Some(error)),
        }
    }
    (false, None)
}

/// Reads up to `offset` and keeps what is before it in `back`, which has its length already, and what begins at `preamble`.
/// Tells whether there is as much.
fn skip(
    reader: &mut dyn io::Read,
    offset: u64,
    back: &mut [u8],
    preamble_at: Option<u64>,
    preamble: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    let (mut at, mut last) = (0, Vec::new());
    while at < offset {
        let most = usize::try_from(offset - at).unwrap_or(usize::MAX).min(buffer.len());
        let count = match reader.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let new = buffer.get(..count).unwrap_or_default();
        if let Some(begin) = preamble_at
            && at + count as u64 > begin
            && preamble.len() < PREAMBLE
        {
            let from = usize::try_from(begin.saturating_sub(at)).unwrap_or_default();
            preamble.extend(new.iter().skip(from).take(PREAMBLE - preamble.len()));
        }
        keep_last(&mut last, new);
        at += count as u64;
    }
    let Some(tail) = last.len().checked_sub(back.len()).and_then(|from| last.get(from..)) else {
        return Ok(false);
    };
    back.copy_from_slice(tail);
    Ok(true)
}

/// Keeps the last bytes of what was and what came.
fn keep_last(last: &mut Vec<u8>, new: &[u8]) {
    last.extend_from_slice(new.get(new.len().saturating_sub(KNOWN_BY)..).unwrap_or_default());
    last.drain(..last.len().saturating_sub(KNOWN_BY));
}

/// Where the last block of lines begins that say what the columns are, for bytes that begin a line at `offset`.
fn directives(bytes: &[u8], offset: u64) -> Option<u64> {
    if !bytes.starts_with(b"#") && memchr::memmem::find(bytes, b"\n#").is_none() {
        return None;
    }
    let mut begin = None;
    let mut before = false;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let directive = line.starts_with(b"#");
        if directive && !before {
            begin = Some(offset + at);
        }
        before = directive;
        at += line.len() as u64;
    }
    begin
}

/// The lines at the begin of `bytes` that begin with `#`, whole ones.
fn leading_directives(bytes: &[u8]) -> &[u8] {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let len = lines.take_while(|line| line.starts_with(b"#") && line.ends_with(b"\n")).map(<[u8]>::len).sum();
    bytes.get(..len).unwrap_or_default()
}
