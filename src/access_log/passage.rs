//! How time goes by in a log: jumps of the clock that wrote it, and moments that cannot be.
//!
//! Lines stand in the order in which exchanges ended, so that small steps back are usual. A line that is more than
//! [`BACK`] behind the one before it, or more than [`AHEAD`] after it, is counted as a jump and keeps its time: files
//! laid end to end and quiet weeks look the same. A moment that cannot be (before [`EARLIEST`]; more than [`BEYOND`]
//! after the log was last written, or from [`LATEST`] on where that is not known) would spoil whatever is told of first
//! and last times: such a line gets another time or none, see [`LogOptions::stand_in`](super::LogOptions::stand_in).

use crate::merge::Merge;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
/// Nanoseconds: further behind the line before than lines get out of order.
const BACK: i64 = 3_600 * SECOND;
/// Nanoseconds: longer than most logs are quiet.
const AHEAD: i64 = 7 * 86_400 * SECOND;
/// How far a line may be after its log was last written: clocks differ, and copies keep no times.
const BEYOND: Duration = Duration::from_secs(366 * 86_400);
/// 1990-01-01: there was no HTTP before.
const EARLIEST: Timestamp = Timestamp::from_secs(631_152_000, 0);
/// 2100-01-01.
const LATEST: Timestamp = Timestamp::from_secs(4_102_444_800, 0);

/// The moments that lines may tell of a log that was last written then, if that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    before: Timestamp,
}

impl Bounds {
    pub(super) fn new(written: Option<Timestamp>) -> Self {
        Self { before: written.map_or(LATEST, |written| written.plus(BEYOND)) }
    }

    pub(super) fn hold(self, at: Timestamp) -> bool {
        at >= EARLIEST && at < self.before
    }
}

/// How the time went by in the lines of a log, or of parts of it that are joined in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Jumps between lines of the same part.
    inside: u64,
    /// The first and the last moment of each part, by the number of its first line.
    parts: BTreeMap<u64, (Timestamp, Timestamp)>,
    /// The part that is being read.
    part: Option<(u64, Timestamp, Timestamp)>,
}

impl Passage {
    /// Takes the moment of the next line, whose number is `record`.
    pub(super) fn step(&mut self, record: u64, at: Timestamp) {
        match &mut self.part {
            None => self.part = Some((record, at, at)),
            Some((_, _, before)) => {
                self.inside += u64::from(is_jump(*before, at));
                *before = at;
            }
        }
    }

    fn parts(&self) -> BTreeMap<u64, (Timestamp, Timestamp)> {
        let mut parts = self.parts.clone();
        parts.extend(self.part.map(|(record, first, last)| (record, (first, last))));
        parts
    }

    /// Lines whose time is far behind or ahead of that of the line before.
    #[must_use]
    pub fn jumps(&self) -> u64 {
        let parts = self.parts();
        let between = parts.values().zip(parts.values().skip(1));
        self.inside
            + between.map(|((_, before), (after, _))| u64::from(is_jump(*before, *after))).sum::<u64>()
    }
}

impl Merge for Passage {
    fn absorb(&mut self, other: Self) {
        self.inside += other.inside;
        self.parts = self.parts();
        self.part = None;
        self.parts.extend(other.parts());
    }
}

const fn is_jump(before: Timestamp, at: Timestamp) -> bool {
    let step = at.as_nanos().saturating_sub(before.as_nanos());
    step < -BACK || step > AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_secs(1_776_211_200 + hour * 3_600, 0)
    }

    fn passed(from: u64, hours: &[i64]) -> Passage {
        let mut passage = Passage::default();
        (from..).zip(hours).for_each(|(record, at)| passage.step(record, hour(*at)));
        passage
    }

    #[test]
    fn a_jump_is_far_behind_or_ahead_of_the_line_before() {
        for (hours, jumps) in [
            (vec![], 0),
            (vec![0, 0, 1, 0, 100], 0),
            (vec![0, 2, 0, 1], 1),
            (vec![0, 7 * 24, 14 * 24 + 1], 1),
        ] {
            assert_eq!(passed(0, &hours).jumps(), jumps, "{hours:?}");
        }
    }

    #[test]
    fn a_moment_before_http_or_long_after_the_log_was_written_cannot_be() {
        for (at, written, expected) in [
            (hour(0), None, true),
            (hour(366 * 24), Some(hour(1)), true),
            (hour(366 * 24 + 2), Some(hour(1)), false),
            (Timestamp::EPOCH, None, false),
            (LATEST, None, false),
        ] {
            assert_eq!(Bounds::new(written).hold(at), expected, "{at}");
        }
    }

    proptest! {
        /// Parts of a log, joined in any order, come to what the whole comes to.
        #[test]
        fn parts_come_to_the_whole(hours in prop::collection::vec(0_i64..400, 1..20), cuts in prop::collection::vec(1_usize..20, 0..4), turn in 0_usize..4) {
            let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| *cut < hours.len()).collect();
            ends.extend([0, hours.len()]);
            ends.sort_unstable();
            let mut parts: Vec<Passage> = ends.windows(2).map(|ends| passed(ends[0] as u64, &hours[ends[0]..ends[1]])).collect();
            let turned = turn % parts.len();
            parts.rotate_left(turned);
            let mut joined = Passage::default();
            for part in parts {
                joined.absorb(part);
            }
            prop_assert_eq!(joined.jumps(), passed(0, &hours).jumps());
        }
    }
}
