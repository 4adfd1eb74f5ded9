//! Bad lines kept aside, redacted: what they look like, and nothing of what they say.
//!
//! Of a line only its shape is kept: `a` for every letter, `9` for every digit, `?` for what is not ASCII, punctuation
//! as it is, and `…` for the rest of a run of the same. Lines and bytes are bounded; what found no room is counted.

use super::BadReason;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes of a shape, at most.
const MAX_SHAPE: usize = 512;
/// Of a run of the same, so many are shown.
const RUN: usize = 3;

/// A bad line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// The input or source it came from.
    pub source: Arc<str>,
    /// The line or entry, from 1.
    pub line: u64,
    /// Why it gave no exchange: a stable name, see [`BadReason::name`].
    pub reason: &'static str,
    /// How many bytes it has.
    pub bytes: usize,
    /// What it looks like. Empty when it was too long to be held.
    pub shape: String,
    /// Whether the shape is only that of its begin.
    pub cut: bool,
}

/// Which lines are kept when there is no room for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The first.
    #[default]
    First,
    /// The last: a ring.
    Last,
}

/// Bad lines kept aside. See the module's doc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    keep: Keep,
    max_lines: usize,
    max_bytes: usize,
    lines: VecDeque<Aside>,
    bytes: usize,
    dropped: u64,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self::new(Keep::First, 10_000, 4 << 20)
    }
}

impl Quarantine {
    /// One of so many lines and bytes of their shapes and sources, at most.
    #[must_use]
    pub const fn new(keep: Keep, max_lines: usize, max_bytes: usize) -> Self {
        Self { keep, max_lines, max_bytes, lines: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    /// Keeps the shape of a line.
    pub fn put(&mut self, source: &Arc<str>, line: u64, reason: BadReason, text: &[u8]) {
        let (shape, cut) = shape(text);
        let source = Arc::clone(source);
        self.keep(Aside { source, line, reason: reason.name(), bytes: text.len(), shape, cut });
    }

    fn keep(&mut self, aside: Aside) {
        let size = cost(&aside);
        match self.keep {
            Keep::First if self.lines.len() >= self.max_lines || self.bytes + size > self.max_bytes => {
                self.dropped += 1;
                return;
            }
            Keep::First => {}
            Keep::Last => {
                while self.lines.len() >= self.max_lines || self.bytes + size > self.max_bytes {
                    let Some(oldest) = self.lines.pop_front() else {
                        self.dropped += 1;
                        return;
                    };
                    self.bytes -= cost(&oldest);
                    self.dropped += 1;
                }
            }
        }
        self.bytes += size;
        self.lines.push_back(aside);
    }

    /// Takes over what another has kept, in its order, and what it dropped.
    pub fn absorb(&mut self, other: &mut Self) {
        self.dropped += std::mem::take(&mut other.dropped);
        other.bytes = 0;
        for aside in std::mem::take(&mut other.lines) {
            self.keep(aside);
        }
    }

    /// Whether nothing was kept aside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// The lines kept, in the order they came.
    pub fn lines(&self) -> impl Iterator<Item = &Aside> {
        self.lines.iter()
    }

    /// Lines that found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes a JSON line for each, and one at the end that counts what found no room, if any did.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for aside in &self.lines {
            serde_json::to_writer(&mut *out, aside)?;
            out.write_all(b"\n")?;
        }
        if self.dropped > 0 {
            writeln!(out, "{{\"dropped\":{}}}", self.dropped)?;
        }
        Ok(())
    }
}

fn cost(aside: &Aside) -> usize {
    aside.shape.len() + aside.source.len()
}

/// The shape of a text, and whether it is only that of its begin.
fn shape(text: &[u8]) -> (String, bool) {
    let mut shape = String::new();
    let (mut last, mut run) = ('\0', 0);
    for byte in text {
        let seen = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => 'a',
            b'0'..=b'9' => '9',
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        };
        if seen == last {
            run += 1;
            if run > RUN {
                if run == RUN + 1 {
                    shape.push('…');
                }
                continue;
            }
        } else {
            (last, run) = (seen, 1);
        }
        if shape.len() + '…'.len_utf8() >= MAX_SHAPE {
            return (shape, true);
        }
        shape.push(seen);
    }
    (shape, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reasons(quarantine: &Quarantine) -> Vec<u64> {
        quarantine.lines().map(|aside| aside.line).collect()
    }

    #[test]
    fn a_shape_tells_the_layout_and_no_value() {
        for (line, expected) in [
            ("", ""),
            ("GET /a1 HTTP/1.1", "aaa /a9 aaa…/9.9"),
            ("pan=4111111111111111;name=Žofie", "aaa=999…;aaa…=??aaa…"),
            (r#"{"k": "-----"}"#, r#"{"a": "---…"}"#),
        ] {
            assert_eq!(shape(line.as_bytes()), (expected.to_owned(), false), "{line}");
        }
        assert!(shape("ab1-".repeat(1_000).as_bytes()).1);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let source = Arc::from("a.log");
        let put = |quarantine: &mut Quarantine| {
            for line in 1..=5 {
                quarantine.put(&source, line, BadReason::Time, b"x-9");
            }
        };
        let mut first = Quarantine::new(Keep::First, 3, 1_000);
        put(&mut first);
        assert_eq!((reasons(&first), first.dropped()), (vec![1, 2, 3], 2));
        let mut last = Quarantine::new(Keep::Last, 100, 2 * (3 + 5));
        put(&mut last);
        assert_eq!((reasons(&last), last.dropped()), (vec![4, 5], 3));
        let mut written = Vec::new();
        last.write(&mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        let line = r#"{"source":"a.log","line":4,"reason":"time","bytes":3,"shape":"a-9","cut":false}"#;
        assert_eq!(written.lines().next(), Some(line));
        assert_eq!(written.lines().last(), Some(r#"{"dropped":3}"#));
        first.absorb(&mut last);
        assert_eq!((reasons(&first), first.dropped()), (vec![1, 2, 3], 7));
    }

    proptest! {
        /// No letter, digit or byte outside ASCII of a line is in its shape, and the shape is bounded.
        #[test]
        fn nothing_of_a_value_is_readable(line in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let (shape, _) = shape(&line);
            prop_assert!(shape.len() <= MAX_SHAPE);
            let allowed = |letter: char| matches!(letter, 'a' | '9' | '?' | '…') || letter.is_ascii_punctuation() || letter == ' ';
            prop_assert!(shape.chars().all(allowed));
        }
    }
}
