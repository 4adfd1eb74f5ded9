//! Lines on their way into a unit.

use super::super::UNIT_BYTES;

/// Lines that wait for more to be handed on with.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
}

impl Batch {
    /// Adds a line. A line end inside it would make two of one record, so it becomes a space.
    pub(super) fn push(&mut self, line: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(line);
        if memchr::memchr(b'\n', line).is_some() {
            let added = self.bytes.get_mut(begin..).unwrap_or_default();
            for byte in added.iter_mut().filter(|byte| **byte == b'\n') {
                *byte = b' ';
            }
        }
        self.bytes.push(b'\n');
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether there are so many that they should go, where units are of at most `most` bytes.
    pub(super) const fn is_full(&self, most: usize) -> bool {
        self.bytes.len() >= if most < UNIT_BYTES { most } else { UNIT_BYTES }
    }

    /// The lines, each with its end.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Without the spaces, line ends and zeros around it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !byte.is_ascii_whitespace() && *byte != 0;
    let begin = text.iter().position(is_text).unwrap_or(text.len());
    let end = text.iter().rposition(is_text).map_or(begin, |last| last + 1);
    text.get(begin..end).unwrap_or_default()
}
