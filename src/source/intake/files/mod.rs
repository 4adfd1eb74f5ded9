//! Files of logs, followed through rotation, each record once.
//!
//! ```text
//!  places ─▶ what files there are ─▶ which content each holds ─▶ what came since ─▶ whole lines ─▶ Unit
//! ```
//!
//! What is followed is a *content*, not a name: the bytes that a server wrote in order, wherever they stand now. A content
//! keeps its position, which says how much of it was handed on, and fingerprints of its first bytes and of those before the
//! position, so that it is known again under another name, in a copy, or compressed:
//!
//! - *renamed*: the same inode, read on as long as it grows;
//! - *copied and truncated*: the inode starts anew as another content; the copy is known by its fingerprints, and what the
//!   original was not read of is read there. While the original stands, a file that begins with the same bytes is taken for
//!   a copy in the making, and waits;
//! - *compressed*: known by the fingerprints of what is inside; read when it has stopped growing.
//!
//! A file is read up to its last line end. What stands behind is read when it has not grown for `QUIET`, as the last
//! line of a file that nobody writes any more. Formats whose records are not lines count whole or not at all.

mod content;
mod places;

pub use places::{BadPlace, FileSettings};

use super::{Hand, Position, Print, SINCE, Way};
use crate::time::Timestamp;
use content::{Content, Fate, Opened, Read};
use places::{Found, MAX_FILES, are_related};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked which files there are.
const SCAN: Duration = Duration::from_secs(1);
/// How often files are read that were at their end.
const READ: Duration = Duration::from_millis(200);
/// How long a file must not have grown to count as whole: a compressed one, and one whose records are not lines.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a file must not have grown for a line without an end to count as its last.
const QUIET: Duration = Duration::from_secs(60);
/// Files that are kept open; those that have not grown for the longest are closed, and opened again when they grow.
const MAX_OPEN: usize = 256;
/// Compressed files that are read at a time: each keeps a decompressor's window in memory.
const MAX_UNPACKING: usize = 16;
/// How far the stamp of a file may lie behind the clock.
const GRAIN: Duration = Duration::from_millis(100);

impl Way for FileSettings {
    #[expect(clippy::disallowed_methods, reason = "an edge: when to look at files is no packet's time")]
    fn run(self: Box<Self>, hand: Hand) {
        let mut follower = Follower::new(*self, hand, crate::source::now());
        let mut scanned: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if scanned.is_none_or(|at| now.duration_since(at) >= SCAN) {
                scanned = Some(now);
                follower.scan(now);
            }
            let read = follower.read(now);
            if follower.hand.courier.is_ending() {
                return;
            }
            match read {
                Ok(true) => {}
                Ok(false) => std::thread::sleep(READ),
                Err(Ending) => return,
            }
        }
    }
}

/// The sensor ends: nothing more is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending;

/// What is known of a file that holds no content of its own.
#[derive(Debug)]
enum Aside {
    /// It is still being written, too short to be known, or compressed and others come first.
    Waits { since: Instant, packed: bool },
    /// It holds what was read elsewhere.
    Spent,
    /// It was there before anything was read, and is not asked for.
    Old,
    /// It cannot be read.
    Refused,
}

/// A file that holds no content of its own, as it was when that was found out.
#[derive(Debug)]
struct Seen {
    len: u64,
    modified: Timestamp,
    aside: Aside,
}

/// Follows the files of one source.
#[derive(Debug)]
struct Follower {
    settings: FileSettings,
    hand: Hand,
    /// Since when the source is read at all.
    since: Timestamp,
    /// Whether this is the first look at a source of which nothing was ever read.
    first: bool,
    contents: Vec<Content>,
    aside: BTreeMap<(u64, u64), Seen>,
    next_name: u64,
    /// Compressed files that are being read.
    unpacking: usize,
    /// Whether it was told that there are too many files.
    told_many: bool,
}

impl Follower {
    fn new(settings: FileSettings, mut hand: Hand, now: Timestamp) -> Self {
        let since = match hand.positions.get(SINCE) {
            Some(Position::Since(since)) => *since,
            Some(_) | None => now,
        };
        let mut contents = Vec::new();
        for (name, position) in std::mem::take(&mut hand.positions) {
            if let Position::File(position) = position {
                let name: Arc<str> = name.into();
                contents.push(Content::resumed(name, hand.courier.stream(), position));
            }
        }
        let number = |content: &Content| content.name().parse::<u64>().unwrap_or(0);
        let first = contents.is_empty();
        let next_name = contents.iter().map(number).max().unwrap_or(0) + 1;
        Self {
            settings,
            hand,
            // File systems stamp by a coarser clock.
            since: since.minus(GRAIN),
            first,
            contents,
            aside: BTreeMap::new(),
            next_name,
            unpacking: 0,
            told_many: false,
        }
    }

    /// Looks which files there are, and finds out what each of them holds.
    fn scan(&mut self, now: Instant) {
        let known: Vec<&Path> =
            self.contents.iter().filter(|content| !content.is_over()).map(Content::path).collect();
        let (mut found, over) = self.settings.list(&known);
        if over > 0 && !self.told_many {
            self.told_many = true;
            tracing::error!(
                source = &*self.hand.source.name,
                left_out = over,
                "more than {MAX_FILES} files: those last in the order of their paths are not read; name fewer"
            );
        }
        // The oldest first, so that what was written first is mostly read first.
        found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        let mut standing: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        for (at, content) in self.contents.iter().enumerate() {
            if let Some(identity) = content.stands_in() {
                standing.entry(identity).or_default().push(at);
            }
        }
        self.unpacking = self.contents.iter().filter(|content| content.is_unpacking()).count();
        let mut listed = BTreeSet::new();
        let mut others = Vec::new();
        for file in found {
            listed.insert(file.identity);
            // After a restart several may be known by the same inode: the one that it held last is among them.
            let mut known = false;
            for at in standing.get(&file.identity).into_iter().flatten() {
                if let Some(content) = self.contents.get_mut(*at) {
                    known = known || content.look(&file, &self.hand, now);
                }
            }
            if !known {
                // New, truncated, or another file under the same inode.
                others.push(file);
            }
        }
        for content in &mut self.contents {
            content.unlisted(&listed, &self.hand, now);
        }
        for file in others {
            self.find_out(&file, now);
        }
        self.aside.retain(|identity, _| listed.contains(identity));
        self.first = false;
        self.close_some();
    }

    /// Finds out what a file holds that is none of the contents followed.
    fn find_out(&mut self, file: &Found, now: Instant) {
        let waiting = match self.aside.get(&file.identity) {
            Some(seen) if seen.len == file.len && seen.modified == file.modified => match seen.aside {
                Aside::Waits { since, packed: true }
                    if now.duration_since(since) < SETTLE || self.unpacking >= MAX_UNPACKING =>
                {
                    return;
                }
                Aside::Waits { since, .. } => Some(since),
                Aside::Spent | Aside::Old => return,
                Aside::Refused => None,
            },
            Some(_) | None => None,
        };
        let settled = waiting.is_some_and(|since| now.duration_since(since) >= SETTLE);
        let refused = matches!(self.aside.get(&file.identity), Some(Seen { aside: Aside::Refused, .. }));
        let aside = match Opened::open(file) {
            Ok(opened) => match self.assign(file, opened, settled, now) {
                Ok(()) => {
                    self.aside.remove(&file.identity);
                    return;
                }
                Err(Aside::Waits { packed, .. }) => Aside::Waits { since: waiting.unwrap_or(now), packed },
                Err(other) => other,
            },
            Err(error) => {
                if !refused {
                    let source = &*self.hand.source.name;
                    tracing::error!(source, %error, "not read: {}; tried again until it can be", file.path.display());
                    self.hand.tally.count("unreadable_files", 1);
                }
                Aside::Refused
            }
        };
        self.aside.insert(file.identity, Seen { len: file.len, modified: file.modified, aside });
    }

    /// Gives an opened file to the content it holds.
    fn assign(&mut self, file: &Found, mut opened: Opened, settled: bool, now: Instant) -> Result<(), Aside> {
        let packed = opened.is_packed();
        let wait = Err(Aside::Waits { since: now, packed });
        if packed && (!settled || self.unpacking >= MAX_UNPACKING) || opened.front().is_empty() {
            return wait;
        }
        // A copy in the making: the original still stands.
        let related = |content: &Content| are_related(content.path(), &file.path);
        let alike = |content: &Content| content.is_standing() && content.begins_alike(opened.front());
        if self.contents.iter().any(|content| alike(content) && related(content)) {
            return wait;
        }
        let (front, key) = (opened.front(), &self.hand.key);
        let mut prints: BTreeMap<u32, Option<Print>> = BTreeMap::new();
        let mut print_of = |len: u32| {
            let head = || front.get(..usize::try_from(len).ok()?).map(|head| Print::of(key, head));
            *prints.entry(len).or_insert_with(head)
        };
        let mut best: Option<(u64, usize)> = None;
        for (at, content) in self.contents.iter().enumerate() {
            let begins = !content.is_standing() && content.begins(&mut print_of);
            if begins && related(content) {
                best = best.max(Some((content.offset(), at)));
            }
        }
        if let Some(content) = best.and_then(|(_, at)| self.contents.get_mut(at)) {
            return match content.adopt(file, &mut opened, &self.hand, now) {
                Fate::GoesOn => {
                    self.unpacking += usize::from(packed);
                    Ok(())
                }
                Fate::Spent => Err(Aside::Spent),
                // What was read of it to find that out is read again.
                Fate::Other => match Opened::open(file) {
                    Ok(opened) => self.begin(file, opened, settled, now),
                    Err(_) => wait,
                },
            };
        }
        self.begin(file, opened, settled, now)
    }

    /// Begins to follow a content that was never seen before.
    fn begin(&mut self, file: &Found, opened: Opened, settled: bool, now: Instant) -> Result<(), Aside> {
        let old = file.modified < self.since;
        // What rotation left before anything was read is not asked for, nor is anything else with `from: end`.
        let pass_over = self.settings.from_end && old && (opened.is_packed() || !self.first);
        if old && !file.named || pass_over {
            return Err(Aside::Old);
        }
        let at_end = self.first && self.settings.from_end;
        let packed = opened.is_packed();
        let number = self.hand.courier.stream();
        let name: Arc<str> = format!("{:08}", self.next_name).into();
        let content = Content::new(name, number, file, opened, &self.hand, now);
        if content.is_whole() && !settled && !at_end {
            return Err(Aside::Waits { since: now, packed });
        }
        self.unpacking += usize::from(packed);
        self.next_name += 1;
        tracing::info!(
            source = &*self.hand.source.name,
            from_end = at_end,
            "reading {}",
            file.path.display()
        );
        let mut content = content;
        if at_end {
            content.pass_over(&self.hand);
        }
        // Opened again when its turn comes to be read: there may be thousands of them.
        content.close();
        self.contents.push(content);
        Ok(())
    }

    /// Reads of each file a unit, at most. Tells whether any had one.
    fn read(&mut self, now: Instant) -> Result<bool, Ending> {
        let mut any = false;
        let mut open = self.contents.iter().filter(|content| content.is_open()).count();
        for content in &mut self.contents {
            let before = content.is_open();
            any |= content.read(&self.hand, now)? == Read::Some;
            if content.is_open() && !before {
                if open >= MAX_OPEN {
                    content.close();
                } else {
                    open += 1;
                }
            }
        }
        Ok(any)
    }

    /// Closes files that have not grown for the longest when too many are open.
    fn close_some(&mut self) {
        let mut open: Vec<(Instant, usize)> =
            (0..).zip(&self.contents).filter_map(|(at, content)| Some((content.idle_since()?, at))).collect();
        let over = open.len().saturating_sub(MAX_OPEN);
        open.sort_unstable();
        for (_, at) in open.into_iter().take(over) {
            if let Some(content) = self.contents.get_mut(at) {
                content.close();
            }
        }
        // Those that are over are known again by their fingerprints; the state has room for as many.
        let over = self.contents.len().saturating_sub(super::MAX_POSITIONS);
        if over > 0 {
            let mut left = over;
            self.contents.retain(|content| {
                let forget = left > 0 && content.is_over();
                left -= usize::from(forget);
                !forget
            });
        }
    }
}

#[cfg(test)]
mod tests;
