//! Packet time: the only time the sensor knows below its edges.
//!
//! A capture replays to the same answer because nothing from `packet` to `finding` asks a clock; every
//! instant comes from a packet or a log line. [`Timestamp`] counts nanoseconds since the Unix epoch, UTC,
//! in 64 bits, which reaches from 1677 to 2262. Arithmetic saturates: a stranger's clock may say anything.

use std::time::Duration;

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// An instant of packet time, in nanoseconds since the Unix epoch (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch; also what a source without clock reports.
    pub const EPOCH: Self = Self(0);
    /// Later than every packet.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From microseconds since the epoch, saturating.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From milliseconds since the epoch, saturating.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From whole seconds and a nanosecond part, saturating.
    #[must_use]
    pub const fn from_secs(secs: i64, nanos: u32) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SEC).saturating_add(nanos as i64))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole hours since the epoch, rounded down: the partition an observation falls into.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(3_600 * NANOS_PER_SEC)
    }

    /// Whole days since the epoch, rounded down.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400 * NANOS_PER_SEC)
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        if nanos <= 0 { Duration::ZERO } else { Duration::from_nanos(nanos.cast_unsigned()) }
    }

    /// This instant moved later by `by`, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// This instant less a duration, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The civil date (proleptic Gregorian, UTC) as `(year, month, day)`.
    #[must_use]
    pub const fn civil(self) -> (i64, u8, u8) {
        // Days to civil after H. Hinnant, "chrono-compatible low-level date algorithms": eras of 400 years
        // that begin on 1 March, so that the leap day is the last of its year.
        let days = self.day() + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month.cast_unsigned().to_le_bytes()[0], day.cast_unsigned().to_le_bytes()[0])
    }

    /// The day (UTC) as RFC 3339 writes it: `2026-01-31`.
    #[must_use]
    pub fn date(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The midnight (UTC) that begins the day of an RFC 3339 date, or of a date-time's date.
    #[must_use]
    pub fn parse_date(text: &str) -> Option<Self> {
        let (date, time) = text.trim().split_at_checked(10)?;
        if !(time.is_empty() || time.starts_with(['T', 't', ' '])) {
            return None;
        }
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = [(year, 4), (month, 2), (day, 2)].iter().all(|(part, length)| part.len() == *length);
        Self::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).filter(|_| whole)
    }

    /// Midnight (UTC) of a civil date, or `None` when there is no such date.
    #[must_use]
    pub fn from_civil(year: i64, month: u8, day: u8) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if day == 0 || day > longest || !(1600..2300).contains(&year) {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self::from_secs((era * 146_097 + day_of_era - 719_468) * 86_400, 0))
    }
}

/// RFC 3339 in UTC with as many digits of a second as the instant needs: 0, 3, 6 or 9.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        let in_day = self.0.rem_euclid(86_400 * NANOS_PER_SEC);
        let secs = in_day / NANOS_PER_SEC;
        let nanos = in_day % NANOS_PER_SEC;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60
        )?;
        if nanos == 0 {
            write!(f, "Z")
        } else if nanos % 1_000_000 == 0 {
            write!(f, ".{:03}Z", nanos / 1_000_000)
        } else if nanos % 1_000 == 0 {
            write!(f, ".{:06}Z", nanos / 1_000)
        } else {
            write!(f, ".{nanos:09}Z")
        }
    }
}

/// Reads an HTTP date (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT` and its two obsolete forms.
#[must_use]
pub fn parse_http_date(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let mut words = text.split([' ', '-', ',']).filter(|word| !word.is_empty()).skip(1);
    let (first, second, third, fourth) = (words.next()?, words.next()?, words.next()?, words.next()?);
    // `06 Nov 1994 08:49:37`, `06 Nov 94 08:49:37`, or asctime's `Nov 6 08:49:37 1994`.
    let (day, month, year, time) = if first.as_bytes().first()?.is_ascii_digit() {
        (first, second, third, fourth)
    } else {
        (second, first, fourth, third)
    };
    let month = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        .iter()
        .position(|name| month.get(..3).is_some_and(|month| month.eq_ignore_ascii_case(name)))?;
    let mut year: i64 = year.parse().ok()?;
    if year < 100 {
        year += if year < 70 { 2_000 } else { 1_900 };
    }
    let date = Timestamp::from_civil(year, u8::try_from(month + 1).ok()?, day.parse().ok()?)?;
    let mut parts = time.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(date.plus(Duration::from_secs(hour * 3_600 + minute * 60 + second)))
}

/// RFC 3339 where people read, nanoseconds where they do not.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

/// From nanoseconds alone: nothing that people write is read back.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_709_164_800 * NANOS_PER_SEC, "2024-02-29T00:00:00Z"),
            (1_776_211_206_672_000_000, "2026-04-15T00:00:06.672Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for (y, m, d) in [(2023, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (1900, 2, 29)] {
            assert_eq!(Timestamp::from_civil(y, m, d), None, "{y}-{m}-{d}");
        }
    }

    #[test]
    fn http_dates_are_read_in_all_three_forms() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            let read = parse_http_date(text.as_bytes()).map(|at| at.to_string());
            assert_eq!(read.as_deref(), Some("1994-11-06T08:49:37Z"), "{text}");
        }
        for text in
            ["", "true", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:00:00 GMT", "1,2,3,4,5"]
        {
            assert_eq!(parse_http_date(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Civil date and day number are each other's inverse.
        #[test]
        fn civil_round_trips(day in -100_000_i64..106_000) {
            let at = Timestamp::from_secs(day * 86_400, 0);
            let (y, m, d) = at.civil();
            prop_assert_eq!(Timestamp::from_civil(y, m, d), Some(at));
        }
    }
}
