//! The ways logs write an instant.

use crate::time::Timestamp;

/// An instant in any of the notations below; `None` when it is in none.
pub(super) fn any(text: &[u8]) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
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
    const MONTHS: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let mut at = At(text);
    let day = at.number(2)?;
    at.one_of(b"/")?;
    let (name, rest) = at.0.split_first_chunk::<3>()?;
    let month = (1..).zip(MONTHS).find(|(_, known)| known.eq_ignore_ascii_case(name))?.0;
    at.0 = rest;
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
    let nanos = whole.saturating_mul(unit).saturating_add(fraction / (1_000_000_000 / unit));
    Some(Timestamp::from_nanos(nanos))
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

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
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
