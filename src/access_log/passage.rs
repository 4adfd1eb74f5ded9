//! How time goes by in a log: jumps of the clock that wrote it, and moments that cannot be.
//!
//! Lines stand in the order in which exchanges ended, so that small steps back are usual. A line that is more than
//! [`BACK`] behind the latest one, or more than [`AHEAD`] after it, is counted as a jump and keeps its time: files laid
//! end to end and quiet weeks look the same. A moment that cannot be (before [`EARLIEST`]; more than [`BEYOND`] after
//! the log was last written, or from [`LATEST`] on where that is not known) would spoil whatever is told of first and
//! last times: such a line gets the time of the line before.

use crate::time::Timestamp;
use std::time::Duration;

/// Further behind the latest line than lines get out of order.
pub(super) const BACK: Duration = Duration::from_secs(3_600);
/// Longer than most logs are quiet.
pub(super) const AHEAD: Duration = Duration::from_secs(7 * 86_400);
/// How far a line may be after its log was last written: clocks differ, and copies keep no times.
pub(super) const BEYOND: Duration = Duration::from_secs(366 * 86_400);
/// 1990-01-01: there was no HTTP before.
pub(super) const EARLIEST: Timestamp = Timestamp::from_secs(631_152_000, 0);
/// 2100-01-01.
pub(super) const LATEST: Timestamp = Timestamp::from_secs(4_102_444_800, 0);

/// Follows the time of a log's lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    before: Timestamp,
    latest: Option<Timestamp>,
}

/// What a line's time is, next to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// As expected.
    Usual,
    /// Far behind or ahead.
    Jump,
    /// It cannot be; the time of the line before, if there is one.
    Impossible(Option<Timestamp>),
}

impl Passage {
    /// Of a log that was last written then.
    pub(super) fn new(reference: Option<Timestamp>) -> Self {
        let before = reference.map_or(LATEST, |reference| reference.plus(BEYOND));
        Self { before, latest: None }
    }

    /// Takes the time of the next line.
    pub(super) fn step(&mut self, at: Timestamp) -> Step {
        if at < EARLIEST || at >= self.before {
            return Step::Impossible(self.latest);
        }
        let Some(latest) = self.latest else {
            self.latest = Some(at);
            return Step::Usual;
        };
        if at.plus(BACK) < latest || at > latest.plus(AHEAD) {
            self.latest = Some(at);
            return Step::Jump;
        }
        self.latest = Some(latest.max(at));
        Step::Usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_told_once_and_what_cannot_be_moves_nothing() {
        let day = |day: i64| Timestamp::from_secs(1_776_211_200 + day * 86_400, 0);
        let mut passage = Passage::new(Some(day(30)));
        for (at, expected) in [
            (Timestamp::EPOCH, Step::Impossible(None)),
            (day(0), Step::Usual),
            (day(0).minus(Duration::from_secs(60)), Step::Usual),
            (day(6), Step::Usual),
            (day(14), Step::Jump),
            (day(15), Step::Usual),
            (Timestamp::EPOCH, Step::Impossible(Some(day(15)))),
            (day(30 + 367), Step::Impossible(Some(day(15)))),
            (day(1), Step::Jump),
            (day(2), Step::Usual),
        ] {
            assert_eq!(passage.step(at), expected, "{at}");
        }
        assert_eq!(Passage::new(None).step(LATEST), Step::Impossible(None));
    }
}
