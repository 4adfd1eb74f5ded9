//! The dates of HTTP and of Java.

use crate::time::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Wed, 15 Apr 2026 00:00:06 GMT` (RFC 9110 section 5.6.7, the form that is in use).
pub(super) fn http(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split_ascii_whitespace();
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    (words.next()? == "GMT" && words.next().is_none()).then_some(())?;
    instant(year, month, day, time, 0)
}

/// `Wed Apr 15 02:00:06 CEST 2026`, as Java's `Date` prints it. An abbreviation of a zone that is not known counts
/// as UTC: the zone of a laptop shifts an exchange by hours, and nothing more.
pub(super) fn java(text: &[u8]) -> Option<Timestamp> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let (_, month, day, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (zone, year) = (words.next()?, words.next()?);
    words.next().is_none().then_some(())?;
    instant(year, month, day, time, offset_minutes(zone))
}

fn instant(year: &str, month: &str, day: &str, time: &str, offset_minutes: i64) -> Option<Timestamp> {
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    let midnight = Timestamp::from_civil(year.parse().ok()?, month, day.parse().ok()?)?;
    let mut parts = time.split(':').map(str::parse::<u8>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + (i64::from(minute) - offset_minutes) * 60 + i64::from(second);
    Some(Timestamp::from_nanos(midnight.as_nanos().saturating_add(seconds * 1_000_000_000)))
}

/// Minutes east of Greenwich.
fn offset_minutes(zone: &str) -> i64 {
    let hours = match zone {
        "WEST" | "BST" | "CET" | "WAT" => 1,
        "CEST" | "EET" | "SAST" | "CAT" => 2,
        "EEST" | "MSK" | "EAT" | "TRT" => 3,
        "GST" => 4,
        "PKT" => 5,
        "WIB" | "ICT" => 7,
        "HKT" | "SGT" | "AWST" => 8,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "BRT" | "ART" => -3,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" | "AKDT" => -8,
        "AKST" => -9,
        "HST" => -10,
        "IST" => return 330,
        "ACST" => return 570,
        "ACDT" => return 630,
        _ => return zone.strip_prefix("GMT").and_then(numeric).unwrap_or_default(),
    };
    hours * 60
}

/// `+05:30`.
fn numeric(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (i64::from(hours) * 60 + i64::from(minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_give_their_instants() {
        let instant = Some("2026-04-15T00:00:06Z".to_owned());
        for text in ["Wed, 15 Apr 2026 00:00:06 GMT", " Wed, 15 Apr 2026 00:00:06 GMT "] {
            assert_eq!(http(text.as_bytes()).map(|at| at.to_string()), instant, "{text}");
        }
        for text in [
            "Wed Apr 15 00:00:06 UTC 2026",
            "Wed Apr 15 02:00:06 CEST 2026",
            "Tue Apr 14 17:00:06 PDT 2026",
            "Wed Apr 15 05:30:06 IST 2026",
            "Wed Apr 15 05:45:06 GMT+05:45 2026",
            "Tue Apr 14 21:00:06 GMT-03:00 2026",
            "Wed Apr 15 00:00:06 XYZT 2026",
        ] {
            assert_eq!(java(text.as_bytes()).map(|at| at.to_string()), instant, "{text}");
        }
        for text in
            ["", "Wed, 15 Apr 2026", "Wed, 15 Apr 2026 25:00:06 GMT", "Wed, 31 Feb 2026 00:00:06 GMT", "x"]
        {
            assert_eq!((http(text.as_bytes()), java(text.as_bytes())), (None, None), "{text}");
        }
    }
}
