//! Lines that the format of their log does not read: which other format does.
//!
//! ```text
//!  line ─▶ own format ─▶ read
//!              └▶ formats met before in this log, at most MAX_MET ─▶ read
//!                     └▶ the catalogue, now and then ─▶ read, and met from now on
//! ```
//!
//! Where the log's format was told by content, such a line is read; where the user gave it, it is only counted, for the
//! warning. The whole catalogue is asked for the first misses and then for one in so many, so that a log full of other
//! things costs little.

use super::LogFormat;
use super::catalogue::Catalogue;
use super::columns::Columns;
use super::fields::Scratch;
use crate::transaction::Transaction;

/// Other formats that a log may have.
const MAX_MET: usize = 3;
/// Misses for which the catalogue is asked at once.
const ASKED_AT_ONCE: u64 = 64;
/// Of later ones, one in so many.
const ASKED_EVERY: u64 = 64;

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Others {
    own: LogFormat,
    catalogue: Catalogue,
    met: Vec<LogFormat>,
    columns: Columns,
    misses: u64,
}

impl Others {
    pub(super) fn new(own: LogFormat, catalogue: Catalogue) -> Self {
        Self { own, catalogue, met: Vec::new(), columns: Columns::default(), misses: 0 }
    }

    /// Reads a line that the log's own format does not. Tells which one does, and whether it tells of an exchange;
    /// `None` when no format reads it.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Option<(&LogFormat, bool)> {
        for (place, format) in self.met.iter().enumerate() {
            if let Ok(counts) = format.read_line(line, &mut self.columns, scratch, into) {
                return self.met.get(place).map(|format| (format, counts));
            }
        }
        self.misses += 1;
        let asked = self.misses <= ASKED_AT_ONCE || self.misses.is_multiple_of(ASKED_EVERY);
        if self.met.len() >= MAX_MET || !asked {
            return None;
        }
        for format in self.catalogue.of_lines() {
            if format == self.own || self.met.contains(&format) {
                continue;
            }
            let outcome = format.read_line(line, &mut self.columns, scratch, into);
            // A line that is passed over says little of its format, but for one that names columns.
            let names_columns = outcome == Ok(false) && format == LogFormat::Columns && self.columns.known();
            if outcome == Ok(true) || names_columns {
                self.met.push(format);
                return self.met.last().zip(outcome.ok());
            }
        }
        None
    }

    /// The log's own format.
    pub(super) const fn own(&self) -> &LogFormat {
        &self.own
    }
}
