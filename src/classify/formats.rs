//! Which formats of JSON Schema all values of a field have.
//!
//! A field keeps a bit for each format that some value did *not* have, so merging is a union and blind to order: what no
//! value broke, all values have. A field of words breaks every format with its first value, and each later one costs the
//! test of a bit. No value is kept: beside the formats stands a byte that proves some values to be distinct.
//!
//! Formats are judged strictly, so that a validator which asserts them takes every value that was seen: `date-time` and
//! `time` have an offset (RFC 3339), `uri` names its scheme and its host.

use super::checks::Check;
use super::scan::within;
use crate::payload::JsonType;
use std::net::{Ipv4Addr, Ipv6Addr};
use wide::u8x16;

/// Values from which on what all of them have is told.
pub const MIN_VALUES: u64 = 5;
/// How many of them must be distinct.
pub const MIN_DISTINCT: u32 = 3;

/// A format that a value may have. The numbers are those of bits in states that are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// `full-date` of RFC 3339.
    Date = 0,
    /// `date-time` of RFC 3339.
    DateTime = 1,
    /// `full-time` of RFC 3339.
    Time = 2,
    /// RFC 9562, with hyphens.
    Uuid = 3,
    /// An address of ASCII.
    Email = 4,
    /// Four numbers with dots.
    Ipv4 = 5,
    /// RFC 4291.
    Ipv6 = 6,
    /// RFC 3986, with scheme and host.
    Uri = 7,
    /// A whole number of 32 bits.
    Int32 = 8,
    /// A whole number of 64 bits.
    Int64 = 9,
}

impl Format {
    const STRINGS: [Self; 8] =
        [Self::Date, Self::DateTime, Self::Time, Self::Uuid, Self::Email, Self::Ipv4, Self::Ipv6, Self::Uri];
    /// The narrower first.
    const NUMBERS: [Self; 2] = [Self::Int32, Self::Int64];

    /// The format that a schema calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::STRINGS.into_iter().chain(Self::NUMBERS).find(|format| format.name() == name)
    }

    /// What a schema calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Uri => "uri",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    /// Whether it is a format of whole numbers.
    #[must_use]
    pub const fn is_of_numbers(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64)
    }

    /// Whether a text of this format is no class, unless its key says so.
    #[must_use]
    pub const fn is_no_class(self) -> bool {
        matches!(self, Self::Date | Self::DateTime | Self::Uuid)
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

const STRINGS: u16 = 0x00ff;
const NUMBERS: u16 = Format::Int32.bit() | Format::Int64.bit();

/// The formats that some value of a field did not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Broken(u16);

impl Broken {
    /// Whether some value did not have this format.
    pub(crate) const fn has(self, format: Format) -> bool {
        self.0 & format.bit() != 0
    }

    /// Whether values of this type may still have a format.
    #[inline]
    pub(crate) const fn is_open(self, kind: JsonType) -> bool {
        match kind {
            JsonType::String => self.0 & STRINGS != STRINGS,
            JsonType::Integer => self.0 & NUMBERS != NUMBERS,
            JsonType::Null | JsonType::Boolean | JsonType::Number | JsonType::Object | JsonType::Array => {
                false
            }
        }
    }

    /// Whether text that may stand for a string or a number may still have a format.
    pub(crate) const fn is_open_to_text(self) -> bool {
        self.0 & (STRINGS | NUMBERS) != STRINGS | NUMBERS
    }

    /// Takes in a value of JSON, and tells its format if it is a text that has one.
    pub(crate) fn take(&mut self, kind: JsonType, value: &[u8]) -> Option<Format> {
        match kind {
            JsonType::String => {
                let format = format_of(value);
                self.0 |= STRINGS & !format.map_or(0, Format::bit);
                format
            }
            JsonType::Integer => {
                self.0 |= NUMBERS & !of_number(value);
                None
            }
            JsonType::Null | JsonType::Boolean | JsonType::Number | JsonType::Object | JsonType::Array => {
                None
            }
        }
    }

    /// Takes in text that has no type, as that of a parameter.
    pub(crate) fn take_text(&mut self, value: &[u8]) {
        // A number of a document has no zeros in front; what has is a name made of digits.
        let padded = matches!(value, [b'0', _, ..] | [b'-', b'0', ..] | [b'+', ..]);
        let number = if padded { 0 } else { of_number(value) };
        self.0 |= NUMBERS & !number;
        self.0 |= STRINGS & !if number == 0 { of_string(value) } else { 0 };
    }

    /// The format that every string had.
    fn of_strings(self) -> Option<Format> {
        let mut left = Format::STRINGS.into_iter().filter(|format| self.0 & format.bit() == 0);
        // All of them are left where no string was met.
        left.next().filter(|_| left.next().is_none())
    }

    /// The narrowest format that every whole number had.
    fn of_numbers(self) -> Option<Format> {
        Format::NUMBERS.into_iter().find(|format| self.0 & format.bit() == 0)
    }

    pub(crate) const fn absorb(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Proof that values are distinct: each sets one of eight bits by a keyed hash, so as many bits are at least as many
/// values. Equal values set the same bit on every shard. What is saved tells three bits of a keyed hash at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Spread(u8);

impl Spread {
    /// Whether more values would prove more than is asked for.
    #[inline]
    pub(crate) const fn wants(self) -> bool {
        self.0.count_ones() < MIN_DISTINCT
    }

    /// Takes in a value by its keyed hash.
    pub(crate) const fn take(&mut self, hash: u64) {
        self.0 |= 1 << (hash >> 61);
    }

    pub(crate) const fn absorb(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What is told of `values` values of JSON, all strings or all whole numbers.
pub(crate) fn told(broken: Broken, spread: Spread, kind: JsonType, values: u64) -> Option<Format> {
    if values < MIN_VALUES || spread.wants() {
        return None;
    }
    match kind {
        JsonType::String => broken.of_strings(),
        JsonType::Integer => broken.of_numbers(),
        JsonType::Null | JsonType::Boolean | JsonType::Number | JsonType::Object | JsonType::Array => None,
    }
}

/// What is told of `values` texts without a type.
pub(crate) fn told_of_text(broken: Broken, spread: Spread, values: u64) -> Option<Format> {
    told(broken, spread, JsonType::Integer, values).or_else(|| told(broken, spread, JsonType::String, values))
}

/// The bits of the formats of numbers that a number has.
fn of_number(value: &[u8]) -> u16 {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    if digits.len() <= 9 {
        return NUMBERS;
    }
    match std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) if i32::try_from(number).is_ok() => NUMBERS,
        Some(_) => Format::Int64.bit(),
        None => 0,
    }
}

/// The bit of the format that a string has: none, or one.
fn of_string(value: &[u8]) -> u16 {
    format_of(value).map_or(0, Format::bit)
}

/// The format of a string. No string has two of them.
fn format_of(value: &[u8]) -> Option<Format> {
    match value.len() {
        10 if is_date(value) => return Some(Format::Date),
        36 if is_uuid(value) => return Some(Format::Uuid),
        20..=35 if is_date_time(value) => return Some(Format::DateTime),
        9..=24 if is_time(value) => return Some(Format::Time),
        _ => {}
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii() && text.len() <= MAX_TEXT)?;
    if is_uri(value) {
        return Some(Format::Uri);
    }
    if value.contains(&b'@') {
        return (!value.contains(&b':') && Check::Email.passes(value)).then_some(Format::Email);
    }
    let digits = value.first().is_some_and(|first| first.is_ascii_hexdigit() || *first == b':');
    if digits && value.len() <= 45 {
        if text.parse::<Ipv4Addr>().is_ok() {
            return Some(Format::Ipv4);
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Some(Format::Ipv6);
        }
    }
    None
}

/// The longest address or link that is looked at.
const MAX_TEXT: usize = 2_048;

/// The number that two digits make.
fn two(text: &[u8], at: usize) -> Option<u8> {
    let [tens, ones] = *text.get(at..)?.first_chunk::<2>()?;
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// `2026-01-31`, on a day that the calendar has.
fn is_date(value: &[u8]) -> bool {
    let (Some(century), Some(year)) = (two(value, 0), two(value, 2)) else { return false };
    let (Some(month), Some(day)) = (two(value, 5), two(value, 8)) else { return false };
    let year = u16::from(century) * 100 + u16::from(year);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    // Readers of many languages know no year 0.
    let joined = value.get(4) == Some(&b'-') && value.get(7) == Some(&b'-');
    value.len() == 10 && joined && year > 0 && (1..=days).contains(&day)
}

/// `10:15:00Z`, `10:15:00.123+02:00`
fn is_time(value: &[u8]) -> bool {
    let (Some(hour), Some(minute), Some(second)) = (two(value, 0), two(value, 3), two(value, 6)) else {
        return false;
    };
    let joined = value.get(2) == Some(&b':') && value.get(5) == Some(&b':');
    // A leap second is one of the format too, but not every reader takes it.
    if !joined || hour > 23 || minute > 59 || second > 59 {
        return false;
    }
    let mut rest = value.get(8..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = fraction.get(digits..).unwrap_or_default();
    }
    if rest == b"Z" {
        return true;
    }
    let offset = rest.len() == 6 && matches!(rest.first(), Some(b'+' | b'-')) && rest.get(3) == Some(&b':');
    offset && two(rest, 1).is_some_and(|hour| hour <= 23) && two(rest, 4).is_some_and(|minute| minute <= 59)
}

/// `2026-01-31T10:15:00Z`
fn is_date_time(value: &[u8]) -> bool {
    let Some((date, [b'T', time @ ..])) = value.split_at_checked(10) else { return false };
    is_date(date) && is_time(time)
}

/// Four groups and one, with hyphens between.
fn is_uuid(value: &[u8]) -> bool {
    if value.len() != 36 {
        return false;
    }
    // Sixteen bytes at a time, the last of them once more: where hyphens are, and the rest is hexadecimal.
    let part = |bytes: Option<&[u8; 16]>, hyphens: u32| {
        let Some(bytes) = bytes.map(|bytes| u8x16::new(*bytes)) else { return false };
        let letters = within(bytes | u8x16::splat(0x20), b'a', b'f');
        let hex = (within(bytes, b'0', b'9') | letters).to_bitmask();
        bytes.simd_eq(u8x16::splat(b'-')).to_bitmask() == hyphens && hex == 0xffff & !hyphens
    };
    let (front, rest) = value.split_at(16);
    part(front.first_chunk(), 1 << 8 | 1 << 13)
        && part(rest.first_chunk(), 1 << 2 | 1 << 7)
        && part(value.last_chunk(), 1 << 3)
}

/// `https://bank.example/terms?lang=en`. Hosts in brackets count as none.
fn is_uri(value: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', value) else { return false };
    let (scheme, rest) = value.split_at(colon);
    let Some(rest) = rest.strip_prefix(b"://") else { return false };
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let host = rest.first().is_some_and(u8::is_ascii_alphanumeric);
    let mut fragments = 0;
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        let allowed = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
                hex() && hex()
            }
            b'#' => {
                fragments += 1;
                fragments == 1
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(byte),
        };
        if !allowed {
            return false;
        }
    }
    named && host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::KeyVerdict;
    use proptest::prelude::*;

    #[test]
    fn a_string_has_the_format_that_a_strict_reader_finds() {
        use Format::{Date, DateTime, Email, Ipv4, Ipv6, Time, Uri, Uuid};
        for (text, expected) in [
            ("2024-02-29", Some(Date)),
            ("2023-02-29", None),
            ("2026-13-01", None),
            ("2026-04-31", None),
            ("0000-01-01", None),
            ("2026/01/31", None),
            ("2026-01-31T10:15:00Z", Some(DateTime)),
            ("2026-01-31T10:15:00.123456+02:00", Some(DateTime)),
            ("2026-01-31T10:15:00", None),
            ("2026-01-31 10:15:00Z", None),
            ("2026-01-31T10:15:00.Z", None),
            ("2026-01-31T24:00:00Z", None),
            ("10:15:00Z", Some(Time)),
            ("10:15:00-05:30", Some(Time)),
            ("10:15:00", None),
            ("10:15", None),
            ("123e4567-e89b-12d3-a456-426614174000", Some(Uuid)),
            ("123e4567e89b12d3a456426614174000", None),
            ("123e4567-e89b-12d3-a456-42661417400g", None),
            ("anna@bank.example", Some(Email)),
            ("mailto:anna@bank.example", None),
            ("10.0.0.1", Some(Ipv4)),
            ("10.0.0.256", None),
            ("010.0.0.1", None),
            ("2001:db8::1", Some(Ipv6)),
            ("::1", Some(Ipv6)),
            ("fe80::1%eth0", None),
            ("https://bank.example/a?b=c#d", Some(Uri)),
            ("https://bank.example/a b", None),
            ("https://bank.example/%zz", None),
            ("https://a@bank.example/", Some(Uri)),
            ("https://", None),
            ("urn:isbn:1", None),
            ("EUR:100", None),
            ("/v1/accounts", None),
            ("ACTIVE", None),
            ("", None),
        ] {
            assert_eq!(format_of(text.as_bytes()), expected, "{text}");
        }
    }

    fn all(kind: JsonType, values: &[&str]) -> Option<Format> {
        let (mut broken, mut spread) = (Broken::default(), Spread::default());
        for value in values {
            broken.take(kind, value.as_bytes());
            spread.take(crate::secret::HashKey::new(1, 2).spread(value.as_bytes()));
        }
        told(broken, spread, kind, values.len() as u64)
    }

    #[test]
    fn only_what_every_one_of_enough_distinct_values_has_is_told() {
        let days = ["2026-01-01", "2026-01-02", "2026-01-13", "2026-02-24", "2027-03-05", "2025-12-31"];
        assert_eq!(all(JsonType::String, &days), Some(Format::Date));
        assert_eq!(all(JsonType::String, &days[..4]), None, "too few");
        assert_eq!(all(JsonType::String, &["2026-01-01"; 90]), None, "one value");
        assert_eq!(all(JsonType::String, &[&days[..], &["soon"]].concat()), None, "but one");
        assert_eq!(all(JsonType::String, &[&days[..], &[""]].concat()), None, "but an empty one");
        let small = ["1", "-2", "33", "404", "5", "2147483647"];
        assert_eq!(all(JsonType::Integer, &small), Some(Format::Int32));
        assert_eq!(all(JsonType::Integer, &[&small[..], &["2147483648"]].concat()), Some(Format::Int64));
        assert_eq!(all(JsonType::Integer, &[&small[..], &["9223372036854775808"]].concat()), None);
    }

    #[test]
    fn text_without_a_type_is_a_number_only_as_a_document_writes_one() {
        for (values, expected) in [
            (["1", "22", "333", "4", "50"], Some(Format::Int32)),
            (["1", "22", "333", "4", "3000000000"], Some(Format::Int64)),
            (["1", "22", "333", "4", "050"], None),
            (["1", "22", "333", "4", "x"], None),
            (["1", "22", "333", "4", ""], None),
        ] {
            let (mut broken, mut spread) = (Broken::default(), Spread::default());
            for value in values {
                broken.take_text(value.as_bytes());
                spread.take(crate::secret::HashKey::new(1, 2).spread(value.as_bytes()));
            }
            assert_eq!(told_of_text(broken, spread, 5), expected, "{values:?}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9:.T+@%/#a-fZ-]{0,40}",
            "20[0-9]{2}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,3})?(Z|[+-]0[0-9]:00))?",
            any::<i128>().prop_map(|number| number.to_string()),
            any::<u16>().prop_map(|number| number.to_string()),
        ]
    }

    proptest! {
        /// However values are split and in whatever order their parts are merged, the same is told.
        #[test]
        fn order_and_grouping_do_not_matter(
            values in proptest::collection::vec((value(), 0..3_usize), 0..24),
            kind in prop_oneof![Just(JsonType::String), Just(JsonType::Integer)],
        ) {
            let key = crate::secret::HashKey::new(3, 4);
            let take = |part: &mut (Broken, Spread), value: &str| {
                part.0.take(kind, value.as_bytes());
                // As the walk does it: proof is asked for while it is wanted.
                if part.0.is_open(kind) && part.1.wants() {
                    part.1.take(key.spread(value.as_bytes()));
                }
            };
            let mut parts = [(Broken::default(), Spread::default()); 3];
            let mut whole = (Broken::default(), Spread::default());
            for (value, part) in &values {
                take(&mut parts[*part], value);
                take(&mut whole, value);
            }
            let count = values.len() as u64;
            let expected = told(whole.0, whole.1, kind, count);
            for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
                let mut merged = (Broken::default(), Spread::default());
                for at in order {
                    merged.0.absorb(parts[at].0);
                    merged.1.absorb(parts[at].1);
                }
                prop_assert_eq!(merged.0, whole.0);
                prop_assert_eq!(told(merged.0, merged.1, kind, count), expected);
            }
        }

        /// Sixteen at a time is as one by one.
        #[test]
        fn a_uuid_is_what_it_is_byte_by_byte(text in "[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", at in 0..36_usize, byte in any::<u8>()) {
            let mut value = text.into_bytes();
            prop_assert!(is_uuid(&value));
            value[at] = byte;
            let expected = value.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
            prop_assert_eq!(is_uuid(&value), expected);
        }

        /// What is not looked at for its format would not be found to be anything.
        #[test]
        fn dates_and_uuids_are_no_class(
            value in "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T[01][0-9](:[0-5][0-9]){2}([.][0-9]{1,6})?(Z|[+-]0[0-9]:[03]0))?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}|[0-9]{8}(-[0-9]{4}){3}-[0-9]{12}",
            other in any::<bool>(),
        ) {
            prop_assert!(format_of(value.as_bytes()).is_some_and(Format::is_no_class));
            let mut hits = Vec::new();
            let verdict = KeyVerdict { other, ..KeyVerdict::default() };
            crate::classify::Classifier::built_in().classify(&verdict, JsonType::String, value.as_bytes(), &mut hits);
            prop_assert_eq!(hits, []);
        }

        /// Arbitrary bytes are survived, and what is told of them is what each of them has.
        #[test]
        fn strangers_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut broken = Broken::default();
            broken.take_text(&bytes);
            broken.take(JsonType::String, &bytes);
            broken.take(JsonType::Integer, &bytes);
            prop_assert!(of_string(&bytes).count_ones() <= 1);
        }
    }
}
