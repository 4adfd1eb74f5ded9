//! The ways logs write an instant.
//!
//! What a log leaves out, its zone or its year, a [`Clock`] adds; no clock is asked for it.

use crate::time::Timestamp;
use std::borrow::Cow;
use std::time::Duration;

/// How far behind the reference a moment without a year may lie, for a writer whose clock is ahead.
const AHEAD: Duration = Duration::from_secs(86_400);
/// The longest text to which a zone is added.
const MAX_TEXT: usize = 48;

/// What the writer's clock is known to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Seconds east of UTC of times that name no zone.
    pub(super) zone: i32,
    /// The year of the first time that names none.
    pub(super) year: Option<i64>,
    /// A moment that no line is much later than, such as when the log was last written.
    pub(super) reference: Option<Timestamp>,
    /// The moment that the line before told.
    pub(super) last: Option<Timestamp>,
}

impl Clock {
    /// An instant in any of the notations below; `None` when it is in none, or lacks a year that nothing tells.
    pub(super) fn read(&self, text: &[u8]) -> Option<Timestamp> {
        let text = unbracketed(text);
        if self.zone != 0
            && let Some(local) = self.in_zone(text)
        {
            return Some(local);
        }
        any(text).or_else(|| named_day(text).and_then(|told| self.complete(told)))
    }

    /// Reads a text that names no zone as one of this zone; `None` when it names one.
    fn in_zone(&self, text: &[u8]) -> Option<Timestamp> {
        let mut buffer = [0_u8; MAX_TEXT + 7];
        let (hours, minutes) = (self.zone.unsigned_abs() / 3_600, self.zone.unsigned_abs() / 60 % 60);
        let sign = if self.zone < 0 { '-' } else { '+' };
        let zone = format!(" {sign}{hours:02}{minutes:02}");
        buffer
            .get_mut(..text.len().min(MAX_TEXT + 1))?
            .copy_from_slice(text.get(..text.len().min(MAX_TEXT + 1))?);
        let end = text.len() + zone.len();
        buffer.get_mut(text.len()..end)?.copy_from_slice(zone.as_bytes());
        let written = buffer.get(..end)?;
        common_log(written).or_else(|| {
            // ISO 8601 has no blank there.
            buffer.copy_within(text.len() + 1..end, text.len());
            iso_8601(buffer.get(..end - 1)?)
        })
    }

    /// Adds what a moment leaves out.
    fn complete(&self, told: Civil) -> Option<Timestamp> {
        let offset = told.offset.unwrap_or(i64::from(self.zone));
        let in_year = |year| instant(year, told.month, told.day, told.second_of_day - offset, told.nanos);
        if let Some(year) = told.year {
            return in_year(year);
        }
        if let Some(last) = self.last {
            // The year that is nearest to the neighbour's moment: logs go on over New Year.
            let around = last.civil().0;
            let candidates = [around, around - 1, around + 1].into_iter().filter_map(in_year);
            return candidates.min_by_key(|at| at.as_nanos().abs_diff(last.as_nanos()));
        }
        if let Some(year) = self.year {
            return in_year(year);
        }
        let latest = self.reference?.plus(AHEAD);
        let around = latest.civil().0;
        // The 29th of February comes every four years, and once in eight.
        (0..9).filter_map(|back| in_year(around - back)).find(|at| *at <= latest)
    }
}

/// Seconds east of UTC of a zone by itself: `+02:00`, `-0530`, `Z`.
pub(super) fn zone(text: &[u8]) -> Option<i32> {
    let mut at = At(text);
    let zone = at.zone()?;
    if at.0.is_empty() { i32::try_from(zone).ok() } else { None }
}

/// A moment as a calendar and a clock on a wall show it.
#[derive(Clone, Copy, Debug, Default)]
struct Civil {
    year: Option<i64>,
    month: i64,
    day: i64,
    second_of_day: i64,
    nanos: u32,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

/// A way to write an instant that a preset describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// A number since the epoch, in units of so many nanoseconds.
    Epoch(u32),
    /// Letters behind `%` as `strptime` has them.
    Written(Box<str>),
}

/// What may stand behind `%`.
const LETTERS: &str = "YmdebHMSfz%";

impl Pattern {
    /// The pattern that a preset writes so.
    pub(super) fn new(text: &str) -> Option<Self> {
        let unit = match text {
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => {
                let mut rest = text;
                while let Some((_, behind)) = rest.split_once('%') {
                    rest = behind.strip_prefix(|letter| LETTERS.contains(letter))?;
                }
                let names = |letters: &[&str]| letters.iter().any(|letter| text.contains(letter));
                let whole = names(&["%m", "%b"]) && names(&["%d", "%e"]) && names(&["%H"]) && names(&["%M"]);
                return whole.then(|| Self::Written(text.into()));
            }
        };
        Some(Self::Epoch(unit))
    }

    /// Reads a text.
    pub(super) fn read(&self, text: &[u8], clock: &Clock) -> Option<Timestamp> {
        match self {
            Self::Epoch(unit) => {
                let mut at = At(text.trim_ascii());
                let digits = at.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if !(1..=19).contains(&digits) {
                    return None;
                }
                let whole = at.number(digits)?;
                let fraction = if at.one_of(b".").is_some() { i64::from(at.fraction()?) } else { 0 };
                at.0.is_empty().then(|| scaled(whole, fraction, i64::from(*unit)))
            }
            Self::Written(pattern) => {
                let mut at = At(text.trim_ascii());
                let mut told = Civil { month: 1, day: 1, ..Civil::default() };
                let mut pattern = pattern.bytes();
                while let Some(byte) = pattern.next() {
                    let letter = if byte == b'%' { pattern.next() } else { None };
                    match letter {
                        Some(b'Y') => told.year = Some(at.number(4)?),
                        Some(b'm') => told.month = at.number(2)?,
                        Some(b'b') => told.month = at.month()?,
                        Some(b'd') => told.day = at.number(2)?,
                        Some(b'e') => told.day = at.day()?,
                        Some(b'H') => told.second_of_day += at.number(2).filter(|hour| *hour < 24)? * 3_600,
                        Some(b'M') => told.second_of_day += at.number(2).filter(|minute| *minute < 60)? * 60,
                        Some(b'S') => told.second_of_day += at.number(2).filter(|second| *second <= 60)?,
                        Some(b'f') => told.nanos = at.fraction()?,
                        Some(b'z') => told.offset = Some(at.zone()?),
                        _ => at.one_of(&[byte])?,
                    }
                }
                at.0.is_empty().then_some(told).and_then(|told| clock.complete(told))
            }
        }
    }
}

fn unbracketed(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text)
}

/// An instant in any of the notations below; `None` when it is in none.
pub(super) fn any(text: &[u8]) -> Option<Timestamp> {
    let text = unbracketed(text);
    iso_8601(text).or_else(|| common_log(text)).or_else(|| epoch(text))
}

/// `2026-04-15T00:00:06.672Z`, with a blank for `T`, a comma for the point, any number of digits, and an
/// offset or none for UTC.
pub(super) fn iso_8601(text: &[u8]) -> Option<Timestamp> {
    let mut at = At(text);
    let year = at.number(4)?;
    at.one_of(b"-")?;
    let month = at.number(2)?;
    at.one_of(b"-")?;
    let day = at.number(2)?;
    at.one_of(b"Tt ")?;
    let time = at.time_of_day()?;
    let nanos = if at.one_of(b".,").is_some() { at.fraction()? } else { 0 };
    let offset = match at.0 {
        b"" | b"Z" | b"z" | b" UTC" => 0,
        _ => at.offset()?,
    };
    instant(year, month, day, time - offset, nanos)
}

/// `15/Apr/2026:00:00:06 +0000`.
pub(super) fn common_log(text: &[u8]) -> Option<Timestamp> {
    let mut at = At(text);
    let day = at.number(2)?;
    at.one_of(b"/")?;
    let month = at.month()?;
    at.one_of(b"/")?;
    let year = at.number(4)?;
    at.one_of(b":")?;
    let time = at.time_of_day()?;
    let nanos = if at.one_of(b".").is_some() { at.fraction()? } else { 0 };
    let offset = if at.0.is_empty() {
        0
    } else {
        at.one_of(b" ")?;
        at.offset()?
    };
    instant(year, month, day, time - offset, nanos)
}

/// A number since the epoch, in seconds, milli-, micro- or nanoseconds as its size tells.
pub(super) fn epoch(text: &[u8]) -> Option<Timestamp> {
    let mut at = At(text);
    let digits = at.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=19).contains(&digits) {
        return None;
    }
    let whole = at.number(digits)?;
    let fraction = if at.one_of(b".").is_some() { i64::from(at.fraction()?) } else { 0 };
    if !at.0.is_empty() {
        return None;
    }
    // A unit's count today has 10, 13, 16 and 19 digits; 11 digits of seconds reach to the year 5138.
    let unit = match digits {
        0..=11 => 1_000_000_000,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        _ => 1,
    };
    Some(scaled(whole, fraction, unit))
}

/// So many units, and a fraction of one in billionths.
const fn scaled(whole: i64, fraction: i64, unit: i64) -> Timestamp {
    Timestamp::from_nanos(whole.saturating_mul(unit).saturating_add(fraction / (1_000_000_000 / unit)))
}

/// `Nov 26 23:31:09`, as syslog has it (RFC 3164), with a day of the week before and a year behind or not
/// (`asctime`), or `Thu, 26 Nov 2026 23:31:09 GMT` (RFC 9110 section 5.6.7).
fn named_day(text: &[u8]) -> Option<Civil> {
    let mut at = At(text);
    let mut told = Civil::default();
    if let Some(rest) = weekday(text) {
        at.0 = rest;
        if at.one_of(b",").is_some() {
            at.one_of(b" ")?;
            told.day = at.number(2)?;
            at.one_of(b" -")?;
            told.month = at.month()?;
            at.one_of(b" -")?;
            told.year = Some(at.number(4)?);
            at.one_of(b" ")?;
            told.second_of_day = at.time_of_day()?;
            told.offset =
                Some(if at.0 == b" GMT" { 0 } else { at.one_of(b" ").and_then(|()| at.offset())? });
            return Some(told);
        }
        at.one_of(b" ")?;
    }
    told.month = at.month()?;
    at.one_of(b" ")?;
    told.day = at.day()?;
    at.one_of(b" ")?;
    told.second_of_day = at.time_of_day()?;
    if at.one_of(b".,").is_some() {
        told.nanos = at.fraction()?;
    }
    if at.one_of(b" ").is_some() {
        told.year = Some(at.number(4)?);
    }
    at.0.is_empty().then_some(told)
}

/// Up to which byte a time at the front of a text may hold blanks: `Nov 26 23:31:09`, `2026-04-15 00:00:06`,
/// `15/Apr/2026:00:00:06 +0000`.
pub(super) fn blanks_until(text: &[u8]) -> usize {
    let clock_at = |at: usize| text.get(at..at + 8).is_some_and(|clock| At(clock).time_of_day().is_some());
    if At(text).month().is_some() && clock_at(7) {
        // Syslog pads the day, and some writers add the year.
        let year = text.get(15..20).is_some_and(|year| {
            year.starts_with(b" ") && year.get(1..).is_some_and(|year| year.iter().all(u8::is_ascii_digit))
        });
        return if year { 20 } else { 15 };
    }
    if clock_at(11) && text.get(4) == Some(&b'-') {
        return 19;
    }
    if clock_at(12) && text.get(20) == Some(&b' ') && matches!(text.get(21), Some(b'+' | b'-')) {
        return 26;
    }
    0
}

/// What stands behind that which others put in front of a line, or around it: syslog (`Nov 26 23:31:09 edge haproxy[7]: `),
/// and runtimes of containers (`2026-04-15T00:00:06.310Z stdout F `, and what [`is_of_docker`]).
pub(super) fn behind_tag(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_of_docker(line) {
        within_docker(line).map(Cow::Owned)
    } else {
        behind_front(line).map(Cow::Borrowed)
    }
}

/// How a line of Docker's `json-file` begins, which `docker logs` reads.
const OF_DOCKER: &[u8] = br#"{"log":""#;

/// Whether a line is one of Docker's: `{"log":"…\n","stream":"stdout","time":"2026-04-15T00:00:06.31Z"}`.
pub(super) fn is_of_docker(line: &[u8]) -> bool {
    line.starts_with(OF_DOCKER)
}

/// What is asked of one of Docker's lines.
#[derive(serde::Deserialize)]
struct OfDocker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: &'a str,
}

/// The line within one of Docker's.
fn within_docker(line: &[u8]) -> Option<Vec<u8>> {
    let OfDocker { log, stream } = serde_json::from_slice(line).ok()?;
    matches!(stream, "stdout" | "stderr").then(|| log.trim_ascii_end().as_bytes().to_vec())
}

fn behind_front(line: &[u8]) -> Option<&[u8]> {
    let front = line.get(..line.len().min(MAX_TAG))?;
    let stream =
        [&b" stdout F "[..], b" stderr F "].into_iter().find_map(|mark| memchr::memmem::find(front, mark));
    if let Some(at) = stream.filter(|at| iso_8601(line.get(..*at).unwrap_or_default()).is_some()) {
        return line.get(at + 10..);
    }
    if let Some(at) = memchr::memmem::find(front, b"]: ") {
        return line.get(at + 3..);
    }
    let text = match front.split_first() {
        Some((b'<', rest)) => rest.get(memchr::memchr(b'>', rest)? + 1..)?,
        _ => front,
    };
    let stamped = match blanks_until(text) {
        0 => At(text).number(4).is_some() && text.get(10) == Some(&b'T'),
        _ => true,
    };
    let at = memchr::memmem::find(front, b": ").filter(|_| stamped)?;
    line.get(at + 2..)
}

/// Bytes in which the tag of a syslog line ends.
const MAX_TAG: usize = 160;

/// What stands behind the name of a day of the week.
fn weekday(text: &[u8]) -> Option<&[u8]> {
    const DAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    let (name, rest) = text.split_first_chunk::<3>()?;
    DAYS.iter().any(|day| day.eq_ignore_ascii_case(name)).then_some(rest)
}

fn instant(year: i64, month: i64, day: i64, second_of_day: i64, nanos: u32) -> Option<Timestamp> {
    let midnight = Timestamp::from_civil(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)?;
    let nanos = i64::from(nanos) + second_of_day * 1_000_000_000;
    Some(Timestamp::from_nanos(midnight.as_nanos().saturating_add(nanos)))
}

/// What is left to read.
struct At<'a>(&'a [u8]);

impl At<'_> {
    fn one_of(&mut self, allowed: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = allowed.contains(first).then_some(rest)?;
        Some(())
    }

    /// `Nov`.
    fn month(&mut self) -> Option<i64> {
        const MONTHS: [&[u8; 3]; 12] =
            [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
        let (name, rest) = self.0.split_first_chunk::<3>()?;
        self.0 = rest;
        (1..).zip(MONTHS).find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| number)
    }

    /// A day of the month, a blank before it when it has one digit.
    fn day(&mut self) -> Option<i64> {
        if self.one_of(b" ").is_some() || self.0.get(1).is_some_and(|byte| !byte.is_ascii_digit()) {
            self.number(1)
        } else {
            self.number(2)
        }
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0_i64, |sum, byte| {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
    }

    /// `00:00:06` as seconds; a leap second is the next minute.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.one_of(b":")?;
        let minute = self.number(2)?;
        self.one_of(b":")?;
        let second = self.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
    }

    /// All digits here as nanoseconds; those after the ninth do not matter.
    fn fraction(&mut self) -> Option<u32> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let padded = number.iter().chain([b'0'; 9].iter()).take(9);
        (digits > 0).then(|| padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// `+0000`, `-07:00` or `Z`, as seconds.
    fn zone(&mut self) -> Option<i64> {
        if self.one_of(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.0.first() == Some(&b'-') { -1 } else { 1 };
        self.one_of(b"+-")?;
        let hour = self.number(2)?;
        self.one_of(b":");
        let minute = self.number(2)?;
        (hour < 24 && minute < 60).then_some(sign * (hour * 3_600 + minute * 60))
    }

    /// `+0000`, `-07:00`, `+02`, as seconds, to the end.
    fn offset(&mut self) -> Option<i64> {
        let sign = if self.0.first() == Some(&b'-') { -1 } else { 1 };
        self.one_of(b"+-")?;
        let hour = self.number(2)?;
        let colon = self.one_of(b":").is_some();
        let minute = if self.0.is_empty() && !colon { 0 } else { self.number(2)? };
        (self.0.is_empty() && hour < 24 && minute < 60).then_some(sign * (hour * 3_600 + minute * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_gives_the_same_instant() {
        for text in [
            "2026-04-15T00:00:06.672Z",
            "2026-04-15T02:00:06.672+02:00",
            "2026-04-14T17:00:06.672-0700",
            "2026-04-15 00:00:06,672",
            "2026-04-15T02:00:06.672000000000+02",
            "15/Apr/2026:00:00:06.672 +0000",
            "[15/Apr/2026:05:30:06.672 +0530]",
            "1776211206.672",
            "1776211206672",
            "1776211206672000",
            "1776211206672000000",
        ] {
            assert_eq!(any(text.as_bytes()), Some(Timestamp::from_millis(1_776_211_206_672)), "{text}");
        }
    }

    fn at(text: &str) -> Timestamp {
        iso_8601(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_zone_counts_only_where_a_time_names_none() {
        let clock = Clock { zone: 9_000, ..Clock::default() };
        for (text, expected) in [
            ("2026-04-15T02:30:06", "2026-04-15T00:00:06Z"),
            ("2026-04-15 02:30:06,672", "2026-04-15T00:00:06.672Z"),
            ("15/Apr/2026:02:30:06.672", "2026-04-15T00:00:06.672Z"),
            ("15/Apr/2026:00:00:06 +0000", "2026-04-15T00:00:06Z"),
            ("2026-04-15T00:00:06Z", "2026-04-15T00:00:06Z"),
            ("2026-04-15T02:00:06+02:00", "2026-04-15T00:00:06Z"),
            ("Wed Apr 15 02:30:06 2026", "2026-04-15T00:00:06Z"),
            ("Wed, 15 Apr 2026 00:00:06 GMT", "2026-04-15T00:00:06Z"),
            ("1776211206", "2026-04-15T00:00:06Z"),
        ] {
            assert_eq!(clock.read(text.as_bytes()), Some(at(expected)), "{text}");
            let west = Clock { zone: -9_000, ..clock };
            assert!(west.read(text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(clock.read(&[b'9'; 400]), None);
    }

    #[test]
    fn a_year_comes_from_the_neighbour_then_as_given_then_from_the_reference() {
        let reference = Clock { reference: Some(at("2026-11-26T23:30:00Z")), ..Clock::default() };
        let given = Clock { year: Some(2019), ..reference };
        let after = |text: &str| Clock { last: Some(at(text)), ..given };
        for (clock, text, expected) in [
            (reference, "Nov 26 23:31:09", "2026-11-26T23:31:09Z"),
            (reference, "Nov 27 23:29:00.250", "2026-11-27T23:29:00.250Z"),
            (reference, "Nov 27 23:31:09", "2025-11-27T23:31:09Z"),
            (reference, "Dec  1 00:00:00", "2025-12-01T00:00:00Z"),
            (reference, "Feb 29 00:00:00", "2024-02-29T00:00:00Z"),
            (given, "Nov 26 23:31:09", "2019-11-26T23:31:09Z"),
            (after("2025-12-31T23:59:59Z"), "Jan  1 00:00:01", "2026-01-01T00:00:01Z"),
            (after("2026-01-01T00:00:01Z"), "Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
            (after("2026-06-01T00:00:00Z"), "Jun  1 00:00:01", "2026-06-01T00:00:01Z"),
        ] {
            assert_eq!(clock.read(text.as_bytes()), Some(at(expected)), "{text}");
        }
        assert_eq!(Clock::default().read(b"Nov 26 23:31:09"), None);
    }

    #[test]
    fn a_pattern_reads_what_it_describes() {
        let clock = Clock { zone: 7_200, reference: Some(at("2026-11-26T23:30:00Z")), ..Clock::default() };
        for (pattern, text, expected) in [
            ("ms", "1776211206672", Some("2026-04-15T00:00:06.672Z")),
            ("s", "1776211206.672", Some("2026-04-15T00:00:06.672Z")),
            ("us", "12", Some("1970-01-01T00:00:00.000012Z")),
            ("%Y/%m/%d %H:%M:%S.%f", "2026/04/15 02:00:06.672", Some("2026-04-15T00:00:06.672Z")),
            ("%d-%b-%Y %H:%M:%S %z", "15-Apr-2026 02:00:06 +0200", Some("2026-04-15T00:00:06Z")),
            ("%b %e %H:%M:%S", "Apr  5 02:00:06", Some("2026-04-05T00:00:06Z")),
            ("%Y/%m/%d %H:%M:%S", "2026/04/15 02:00:06 x", None),
            ("%Y/%m/%d %H:%M:%S", "2026/04/31 02:00:06", None),
            ("ms", "soon", None),
        ] {
            let read = Pattern::new(pattern).unwrap().read(text.as_bytes(), &clock);
            assert_eq!(read, expected.map(at), "{pattern}");
        }
        for pattern in ["", "%Y-%m-%d", "%H:%M", "%Q%m%d%H%M", "%m%d%H%M%"] {
            assert_eq!(Pattern::new(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_others_put_in_front_of_a_line_is_known() {
        for (line, behind) in [
            ("Nov 26 23:31:09 edge haproxy[7]: x", Some("x")),
            ("<190>Nov  6 23:31:09 edge nginx: x: y", Some("x: y")),
            ("2026-04-15T00:00:06.310+02:00 edge nginx: x", Some("x")),
            ("2026-04-15T00:00:06.310Z stdout F x", Some("x")),
            (
                r#"{"log":"a \"GET /\" \\x\r\n","stream":"stdout","time":"2026-04-15T00:00:06.31Z"}"#,
                Some(r#"a "GET /" \x"#),
            ),
            (
                r#"{"log":"a","stream":"stderr","attrs":{"tag":"x"},"time":"2026-04-15T00:00:06.31Z"}"#,
                Some("a"),
            ),
            (r#"{"log":"a","level":"info"}"#, None),
            (r#"{"log":""#, None),
            ("192.0.2.7 - - [15/Apr/2026:00:00:06 +0000] \"GET /a: HTTP/1.1\"", None),
            ("", None),
        ] {
            assert_eq!(behind_tag(line.as_bytes()).as_deref(), behind.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "Nov 26 23:31:09",
            "",
            "-",
            "yesterday",
            "2026-02-30T00:00:00Z",
            "2026-04-15T24:00:00Z",
            "2026-04-15",
            "1776211206.",
            "15/Abc/2026:00:00:06 +0000",
            "12345678901234567890",
            "2026-04-15T00:00:06+2:00",
            "17762x",
        ] {
            assert_eq!(any(text.as_bytes()), None, "{text}");
        }
    }
}
