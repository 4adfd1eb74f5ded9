//! What one path segment looks like: its shape, and how far that shape speaks for a value.
//!
//! [`shape`] judges a segment alone. The outcome is a [`Shape`] with the log-odds that a segment of this
//! shape is a value: below zero it reads like a word of the API, from [`HARD`] on nobody would write it
//! into a program, and the learner replaces it by a marker before it keeps anything. What lies between
//! is for the evidence of the traffic to decide. A file extension or a custom verb (`{id}.json`,
//! `messages:batchGet`) is split off first.

use super::bigram;
use wide::u8x16;

/// From these log-odds on a segment is a value wherever it stands.
pub(super) const HARD: f64 = 4.99;

/// The kinds of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A word.
    Word,
    /// Several words: `standing-orders`.
    Words,
    /// Words in camel case: `standingOrders`.
    Camel,
    /// A word that APIs reserve: `search`, `me`.
    Reserved,
    /// A name with digits that belongs to the trade: `oauth2`.
    Known,
    /// A dotted method name: `admin.users.list`.
    Rpc,
    /// A version: `v1`, `2.0`.
    Version,
    /// A name that begins with a dot or holds no letter or digit.
    Dot,
    /// Two or three upper-case letters: a currency, a country.
    Upper,
    /// A date or a point in time.
    Date,
    /// A list or a value with punctuation.
    Punctuated,
    /// Letters and digits that may be a name.
    Mixed,
    /// Letters that form no word.
    Gibberish,
    /// An integer of up to eight digits.
    Int,
    /// An integer of nine digits or more.
    BigInt,
    /// A code of letters and digits.
    Code,
    /// Percent-encoded bytes, or bytes that no URL should hold.
    Encoded,
    /// A UUID.
    Uuid,
    /// A ULID.
    Ulid,
    /// Sixteen hexadecimal digits or more.
    Hex,
    /// A random string.
    Token,
    /// An e-mail address.
    Email,
    /// An IBAN.
    Iban,
    /// Longer than any name.
    Long,
    /// Not judged: what stands for the names that found no room.
    Other,
}

impl Shape {
    /// Every shape, in the order of its declaration.
    const ALL: [Self; 25] = [
        Self::Word,
        Self::Words,
        Self::Camel,
        Self::Reserved,
        Self::Known,
        Self::Rpc,
        Self::Version,
        Self::Dot,
        Self::Upper,
        Self::Date,
        Self::Punctuated,
        Self::Mixed,
        Self::Gibberish,
        Self::Int,
        Self::BigInt,
        Self::Code,
        Self::Encoded,
        Self::Uuid,
        Self::Ulid,
        Self::Hex,
        Self::Token,
        Self::Email,
        Self::Iban,
        Self::Long,
        Self::Other,
    ];

    /// The name of the parameter where nothing better is known.
    #[must_use]
    pub const fn parameter_name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Code | Self::Upper => "code",
            Self::Token | Self::Hex => "token",
            Self::Version => "version",
            Self::Int
            | Self::BigInt
            | Self::Ulid
            | Self::Mixed
            | Self::Gibberish
            | Self::Word
            | Self::Words
            | Self::Camel
            | Self::Reserved
            | Self::Known
            | Self::Rpc
            | Self::Dot
            | Self::Punctuated
            | Self::Encoded
            | Self::Long
            | Self::Other => "id",
        }
    }

    /// The shape in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Word => "a word",
            Self::Words => "words",
            Self::Camel => "words in camel case",
            Self::Reserved => "a word that APIs reserve",
            Self::Known => "a name of the trade",
            Self::Rpc => "a dotted method name",
            Self::Version => "a version",
            Self::Dot => "a dotted name",
            Self::Upper => "an upper-case code",
            Self::Date => "a date",
            Self::Punctuated => "a text with punctuation",
            Self::Mixed => "letters and digits",
            Self::Gibberish => "letters that form no word",
            Self::Int => "an integer",
            Self::BigInt => "a long integer",
            Self::Code => "a code",
            Self::Encoded => "percent-encoded bytes",
            Self::Uuid => "a UUID",
            Self::Ulid => "a ULID",
            Self::Hex => "hexadecimal digits",
            Self::Token => "a random string",
            Self::Email => "an e-mail address",
            Self::Iban => "an IBAN",
            Self::Long => "longer than any name",
            Self::Other => "names without room",
        }
    }

    /// Whether people never choose such a string as a name.
    pub(super) const fn machine(self) -> bool {
        matches!(self, Self::Int | Self::BigInt | Self::Uuid | Self::Hex | Self::Ulid | Self::Token)
    }

    /// Whether a value of this shape near the root may yet be a constant: `/api/1/users`.
    pub(super) const fn may_be_constant(self) -> bool {
        matches!(self, Self::Int | Self::Code | Self::Mixed)
    }

    /// A letter that stands for the shape in markers.
    pub(super) fn letter(self) -> char {
        char::from(self.code())
    }

    /// That letter in ASCII.
    pub(super) const fn code(self) -> u8 {
        b'a' + self as u8
    }

    /// The shape that a marker's letter stands for.
    pub(super) fn from_letter(letter: char) -> Self {
        let at = usize::try_from(u32::from(letter).wrapping_sub(u32::from('a'))).unwrap_or(usize::MAX);
        Self::ALL.get(at).copied().unwrap_or(Self::Other)
    }
}

/// A judged segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) shape: Shape,
    /// Log-odds that it is a value.
    pub(super) value: f64,
}

impl Judged {
    /// Whether it is a value wherever it stands.
    pub(super) fn hard(self) -> bool {
        self.value >= HARD
    }
}

/// Splits `stem.ext` of a known file type or `stem:verb`; the suffix keeps its dot or colon.
pub(in crate::inventory) fn split_suffix(segment: &str) -> (&str, &str) {
    if memchr::memchr2(b':', b'.', segment.as_bytes()).is_none() {
        return (segment, "");
    }
    if let Some(at) = segment.rfind(':').filter(|at| *at > 0) {
        let (stem, verb) = segment.split_at(at);
        let word = verb.as_bytes().get(1..).unwrap_or_default();
        if word.len() >= 3
            && word.first().is_some_and(u8::is_ascii_lowercase)
            && word.iter().all(u8::is_ascii_alphabetic)
            && !stem.starts_with("urn")
            && !stem.starts_with("http")
        {
            return (stem, verb);
        }
    }
    match segment.rfind('.') {
        Some(at) if at > 0 && is_extension(segment.get(at + 1..).unwrap_or_default()) => segment.split_at(at),
        _ => (segment, ""),
    }
}

/// Judges a segment: its stem's shape, corrected for what a suffix says.
pub(super) fn judge(segment: &str) -> Judged {
    let (stem, suffix) = split_suffix(segment);
    let Judged { shape, mut value } = shape(stem);
    if suffix.starts_with(':') && value < 3.0 {
        value -= 1.5;
    }
    if suffix.starts_with('.') && !matches!(suffix, ".json" | ".xml" | ".jsonp") && value > -2.0 {
        value += 1.5; // a file's name
    }
    Judged { shape, value }
}

/// Judges a segment without a suffix.
pub(super) fn shape(s: &str) -> Judged {
    let bytes = s.as_bytes();
    let n = bytes.len();
    let is = |shape, value| Judged { shape, value };
    let Some(first) = bytes.first().copied() else {
        return is(Shape::Dot, -3.0);
    };
    if s.ends_with(".{}") {
        return is(Shape::Known, -4.0);
    }
    if bytes.iter().all(u8::is_ascii_digit) {
        return match n {
            1..=3 => is(Shape::Int, 5.0),
            4..=8 => is(Shape::Int, 6.0),
            _ => is(Shape::BigInt, 8.0),
        };
    }
    if n <= 10 && is_version(bytes) {
        return is(Shape::Version, -6.0);
    }
    if is_dotted_version(s) {
        return is(Shape::Version, -3.0);
    }
    if first == b'-' && n > 1 && bytes.iter().skip(1).all(u8::is_ascii_digit) {
        return is(Shape::Int, 5.0);
    }
    if is_uuid(bytes) {
        return is(Shape::Uuid, 9.0);
    }
    if is_date(bytes) {
        return is(Shape::Date, 3.0);
    }
    if !bytes.iter().all(|byte| (0x21..0x7f).contains(byte)) || is_encoded(bytes) {
        return is(Shape::Encoded, 5.0);
    }
    if is_email(s) {
        return is(Shape::Email, 8.0);
    }
    if is_iban(bytes) {
        return is(Shape::Iban, 8.0);
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if n >= 16 && digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) {
        return is(Shape::Hex, 9.0);
    }
    if is_ulid(bytes) {
        return is(Shape::Ulid, 9.0);
    }
    if matches!(first, b'.' | b'_' | b'~' | b'$') && (n < 2 || is_dot_name(bytes)) {
        return is(Shape::Dot, -3.0);
    }
    let lower = s.to_ascii_lowercase();
    if KNOWN.contains(&lower.as_str()) {
        return is(Shape::Known, -4.0);
    }
    if first == b'@' && n > 1 && bytes.iter().skip(1).all(u8::is_ascii_lowercase) {
        return is(Shape::Reserved, -4.0); // `@me`
    }
    if digits > 0 && is_numbered_name(bytes) {
        return is(Shape::Words, -1.6);
    }
    if is_rpc(s) {
        return is(Shape::Rpc, -4.0);
    }
    if bytes.iter().any(|byte| b" ,|!'*+=".contains(byte)) {
        return is(Shape::Punctuated, 3.0);
    }
    by_chunks(s, &lower, digits)
}

/// Judges by how random the runs of letters and digits are.
fn by_chunks(s: &str, lower: &str, digits: usize) -> Judged {
    let bytes = s.as_bytes();
    let n = bytes.len();
    let is = |shape, value| Judged { shape, value };
    let mut chunks = 0_u32;
    let (mut weight, mut letters, mut most) = (0.0, 0.0, 0.0_f64);
    let mut longest_random = 0;
    let mut last_is_number = false;
    for chunk in bytes.split(|byte| !byte.is_ascii_alphanumeric()).filter(|chunk| !chunk.is_empty()) {
        let r = randomness(chunk);
        chunks += 1;
        weight += r * real(chunk.len());
        letters += real(chunk.len());
        most = most.max(r);
        if r > 0.8 {
            longest_random = longest_random.max(chunk.len());
        }
        last_is_number = chunk.iter().all(u8::is_ascii_digit);
    }
    if chunks == 0 {
        return is(Shape::Dot, -2.0);
    }
    let w = weight / letters;
    let has_lower = bytes.iter().any(u8::is_ascii_lowercase);
    let has_upper = bytes.iter().any(u8::is_ascii_uppercase);
    let three_classes = has_lower && has_upper && digits > 0;
    if n >= 16 && digits >= 2 && (w > 0.7 || (most > 0.8 && longest_random >= 10)) {
        return is(Shape::Token, 8.0);
    }
    if n >= 10 && three_classes && w > 0.6 {
        return is(Shape::Token, 7.0);
    }
    if digits >= 4 && w > 0.6 && n >= 7 {
        return is(Shape::Code, 5.0);
    }
    if (2..=3).contains(&n) && bytes.iter().all(u8::is_ascii_uppercase) {
        return is(Shape::Upper, 0.5);
    }
    if digits > 0 && n >= 3 && is_upper_code(bytes) {
        return is(Shape::Code, 3.5);
    }
    if is_ticket(bytes) {
        return is(Shape::Code, 5.0);
    }
    if digits > 0 {
        let value = -1.2
            + 4.5 * w
            + if digits >= 3 { 0.5 } else { 0.0 }
            + if three_classes { 0.3 } else { 0.0 }
            + if chunks > 1 && last_is_number { 0.6 } else { 0.0 };
        return is(Shape::Mixed, value.min(5.0));
    }
    if w > 0.5 {
        let value = -1.0 + 4.0 * w + if n >= 8 { 1.5 } else { 0.0 };
        return is(Shape::Gibberish, value.min(5.0));
    }
    if RESERVED.binary_search(&lower).is_ok() {
        return is(Shape::Reserved, -4.0);
    }
    if chunks > 1 {
        return is(Shape::Words, -1.6 + w);
    }
    if has_lower && bytes.iter().skip(1).any(u8::is_ascii_uppercase) {
        return is(Shape::Camel, -2.6 + w);
    }
    is(Shape::Word, -2.0 + w)
}

/// Whether the digits of a name belong to the words of an API: `hl7V2Stores`, `topics-v2`, `productsv2`, `top-10-list`.
fn is_numbered_name(bytes: &[u8]) -> bool {
    let word =
        |word: &[u8]| word.len() >= 3 && word.iter().all(u8::is_ascii_alphabetic) && randomness(word) < 0.5;
    let (mut words, mut numbers) = (0, 0);
    let mut chunks = bytes.split(|byte| matches!(byte, b'-' | b'_')).peekable();
    while let Some(chunk) = chunks.next() {
        if chunk.len() <= 2 && !chunk.is_empty() && chunk.iter().all(u8::is_ascii_digit) {
            // A number at the end tells one of many from the others.
            if words == 0 || chunks.peek().is_none() {
                return false;
            }
            numbers += 1;
            continue;
        }
        for part in parts_of_camel(chunk) {
            if is_trade_number(part) {
                numbers += 1;
            } else if word(part) || part.len() <= 2 && part.iter().all(u8::is_ascii_alphabetic) {
                words += usize::from(part.len() > 2);
            } else if let Some((front, [b'v', b'1'..=b'9'])) =
                part.split_at_checked(part.len().saturating_sub(2))
                && front.len() >= 4
                && word(front)
            {
                (words, numbers) = (words + 1, numbers + 1);
            } else {
                return false;
            }
        }
    }
    words > 0 && (1..=2).contains(&numbers)
}

/// `v2`, or a name of the trade that has digits.
fn is_trade_number(part: &[u8]) -> bool {
    matches!(part, [b'v' | b'V', b'1'..=b'9'] | [b'v' | b'V', b'1'..=b'9', b'0'..=b'9'])
        || std::str::from_utf8(part)
            .is_ok_and(|part| KNOWN.iter().any(|known| part.eq_ignore_ascii_case(known)))
}

/// A chunk cut before each upper-case letter that follows a lower-case one or a digit, and before the letters that
/// follow a name of the trade: `i18n`, `Languages`.
fn parts_of_camel(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let end = pairs(rest).position(|(a, b)| b.is_ascii_uppercase() && !a.is_ascii_uppercase());
        let (part, behind) = rest.split_at_checked(end.map_or(rest.len(), |at| at + 1))?;
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

/// A count as a real number; counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "lengths and counts are far below 2^52")]
pub(super) const fn real(n: usize) -> f64 {
    n as f64
}

/// 0 to 1: how unlike a word a run of ASCII letters and digits is.
fn randomness(chunk: &[u8]) -> f64 {
    let n = chunk.len();
    let digits = chunk.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == n {
        return 1.0;
    }
    if n <= 2 {
        return if digits > 0 { 0.5 } else { 0.2 };
    }
    if digits == 0 {
        return if n <= 3 { 0.25 } else { letter_randomness(chunk) };
    }
    if n >= 8 && chunk.iter().all(u8::is_ascii_hexdigit) {
        return 1.0;
    }
    let letters = chunk.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters > 0 && chunk.iter().skip(letters).all(u8::is_ascii_digit) {
        return match (digits, n) {
            (4.., _) => 0.95,
            (_, 5..) => 0.45 + 0.1 * real(digits),
            _ => 0.4,
        };
    }
    let turns = pairs(chunk)
        .filter(|(a, b)| {
            a.is_ascii_digit() != b.is_ascii_digit()
                || (a.is_ascii_alphabetic()
                    && b.is_ascii_alphabetic()
                    && a.is_ascii_lowercase() != b.is_ascii_lowercase())
        })
        .count();
    (0.5 + 0.1 * real(turns) + if n >= 12 { 0.2 } else { 0.0 }).min(1.0)
}

/// [`randomness`] of four letters or more.
fn letter_randomness(chunk: &[u8]) -> f64 {
    let turns = pairs(chunk).filter(|(a, b)| a.is_ascii_lowercase() != b.is_ascii_lowercase()).count();
    let bits: f64 = words_of_camel(chunk).map(bigram::bits).sum();
    let r = ((bits / real(chunk.len()) - 4.6) / 1.6).clamp(0.0, 1.0);
    if turns >= 3 && !is_camel(chunk) { r.max(0.6 + 0.1 * real(turns - 3)).min(1.0) } else { r }
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u8, u8)> + '_ {
    bytes.iter().copied().zip(bytes.iter().skip(1).copied())
}

/// The words of `standingOrdersAPIList`: `standing`, `Orders`, `API`, `List`.
fn words_of_camel(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let upper = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let end = if upper == rest.len() {
            upper
        } else if upper >= 2 {
            upper - 1
        } else {
            upper + rest.iter().skip(upper).take_while(|byte| byte.is_ascii_lowercase()).count()
        };
        let (word, behind) = rest.split_at_checked(end.max(1))?;
        rest = behind;
        Some(word)
    })
}

/// Whether the letters' case follows a naming style.
fn is_camel(chunk: &[u8]) -> bool {
    let lower_run = |at: usize| chunk.iter().skip(at).take_while(|byte| byte.is_ascii_lowercase()).count();
    let upper_run = |at: usize| chunk.iter().skip(at).take_while(|byte| byte.is_ascii_uppercase()).count();
    let words_from = |mut at: usize| {
        while upper_run(at) == 1 && lower_run(at + 1) > 0 {
            at += 1 + lower_run(at + 1);
        }
        at
    };
    let n = chunk.len();
    let first_upper = upper_run(0);
    if first_upper > 0 && first_upper + lower_run(first_upper) == n {
        return true; // `Word`, `WORD`, `HTTPword`
    }
    if first_upper >= 3 && words_from(first_upper - 1) == n {
        return true; // `HTTPServerName`
    }
    if first_upper > 1 || lower_run(first_upper) == 0 {
        return false;
    }
    let at = words_from(first_upper + lower_run(first_upper));
    let tail = at + upper_run(at).min(4);
    tail == n || (tail + 1 == n && chunk.last() == Some(&b's'))
}

/// `v1`, `v1.2`, `V2beta1`.
fn is_version(bytes: &[u8]) -> bool {
    let Some((b'v' | b'V', rest)) = bytes.split_first() else {
        return false;
    };
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let major = digits(rest);
    if !(1..=4).contains(&major) {
        return false;
    }
    let mut rest = rest.get(major..).unwrap_or_default();
    for _ in 0..3 {
        let Some((b'.' | b'_', behind)) = rest.split_first() else { break };
        let minor = digits(behind);
        if minor == 0 {
            return false;
        }
        rest = behind.get(minor..).unwrap_or_default();
    }
    let letters = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (stage, number) = rest.split_at_checked(letters).unwrap_or((rest, &[]));
    rest.is_empty() || (is_stage(stage) && number.iter().all(u8::is_ascii_digit))
}

/// How ripe a version is: `beta`, `rc`.
fn is_stage(letters: &[u8]) -> bool {
    let known: [&[u8]; 8] =
        [b"alpha", b"beta", b"preview", b"internal", b"private", b"public", b"stable", b"eap"];
    matches!(letters.len(), 1 | 2) || known.contains(&letters)
}

/// `2.0`, `1.1.12`.
fn is_dotted_version(s: &str) -> bool {
    let mut parts = 0;
    for (at, part) in s.split('.').enumerate() {
        let most = if at == 2 { 3 } else { 2 };
        if part.is_empty() || part.len() > most || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        parts += 1;
    }
    (2..=3).contains(&parts)
}

pub(super) fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

/// Whether hexadecimal digits and dashes make a UUID.
pub(super) fn has_dashes_of_uuid(bytes: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 36]>::try_from(bytes) else { return false };
    let dashes = |sixteen: Option<&[u8; 16]>| {
        sixteen.map_or(0, |bytes| u8x16::new(*bytes).simd_eq(u8x16::splat(b'-')).to_bitmask())
    };
    let middle = bytes.get(16..).and_then(<[u8]>::first_chunk);
    // At 8, 13, 18 and 23, and nowhere else.
    (dashes(bytes.first_chunk()), dashes(middle), dashes(bytes.last_chunk()))
        == (1 << 8 | 1 << 13, 1 << 2 | 1 << 7, 1 << 3)
}

/// `2024-05`, `2024-05-01`, `2024-05-01T10:00:00Z`.
fn is_date(bytes: &[u8]) -> bool {
    let digits = |from: usize, n: usize| {
        bytes.len() >= from + n && bytes.iter().skip(from).take(n).all(u8::is_ascii_digit)
    };
    let dash = |at: usize| bytes.get(at) == Some(&b'-');
    if !(bytes.starts_with(b"19") || bytes.starts_with(b"20")) || !digits(0, 4) || !dash(4) || !digits(5, 2) {
        return false;
    }
    let day = dash(7) && digits(8, 2);
    match bytes.get(if day { 10 } else { 7 }) {
        None | Some(b'T' | b' ') => true,
        Some(_) => false,
    }
}

fn is_encoded(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

fn is_email(s: &str) -> bool {
    s.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty() && domain.split_once('.').is_some_and(|(name, _)| !name.is_empty())
    })
}

pub(super) fn is_iban(bytes: &[u8]) -> bool {
    (14..=34).contains(&bytes.len())
        && matches!(bytes, [a, b, c, d, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// 26 letters and digits of Crockford's base 32, in one case.
fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && bytes.first().is_some_and(|byte| (b'0'..=b'7').contains(byte))
        && bytes.iter().all(|byte| {
            byte.is_ascii_alphanumeric() && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U')
        })
        && bytes.iter().any(u8::is_ascii_uppercase) != bytes.iter().any(u8::is_ascii_lowercase)
}

/// `.well-known`, `_search`, `$metadata`.
fn is_dot_name(bytes: &[u8]) -> bool {
    (2..=22).contains(&bytes.len())
        && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().skip(2).all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
}

/// `chat.postMessage`, `admin.users.list`.
fn is_rpc(s: &str) -> bool {
    let mut parts = 0;
    for part in s.split('.') {
        let most = if parts == 0 { 25 } else { 31 };
        if !(2..=most).contains(&part.len())
            || !part.starts_with(|c: char| c.is_ascii_lowercase())
            || !part.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            return false;
        }
        parts += 1;
    }
    (2..=5).contains(&parts)
}

/// `A1B2C3`: upper-case letters and digits from a letter on.
fn is_upper_code(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// `ABC-123`.
fn is_ticket(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    (2..=6).contains(&letters)
        && bytes.get(letters) == Some(&b'-')
        && bytes.len() > letters + 1
        && bytes.iter().skip(letters + 1).all(u8::is_ascii_digit)
}

/// Whether a name ends like a plural.
pub(super) fn is_plural(word: &str) -> bool {
    word.len() > 3
        && word.ends_with('s')
        && !word.ends_with("ss")
        && !word.ends_with("us")
        && !word.ends_with("is")
}

/// Whether a name is the plural of a word.
pub(super) fn is_plural_of(name: &str, word: &str) -> bool {
    let ends = |ending: &str| {
        name.get(word.len()..).is_some_and(|end| end.eq_ignore_ascii_case(ending))
            && name.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word))
    };
    let changed = word
        .strip_suffix('y')
        .is_some_and(|front| name.strip_suffix("ies").is_some_and(|known| known.eq_ignore_ascii_case(front)));
    ends("s") || ends("es") || changed
}

/// The word of a name that is one with a number behind it: `verify-2`.
pub(super) fn numbered_word(name: &str) -> Option<&str> {
    let (word, number) = name.rsplit_once(['-', '_'])?;
    let numbered = (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    (numbered && is_word).then_some(word)
}

/// Whether `extension` names a file type.
fn is_extension(extension: &str) -> bool {
    (1..=8).contains(&extension.len()) && EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// File types, those of APIs first.
#[rustfmt::skip]
const EXTENSIONS: [&str; 45] = [
    "json", "xml", "csv", "pdf", "html", "htm", "txt", "jpg", "jpeg", "png", "gif", "svg", "doc", "docx",
    "xls", "xlsx", "zip", "gz", "yaml", "yml", "jsonp", "ics", "md", "atom", "rss", "tar", "webp", "mp3",
    "mp4", "ndjson", "parquet", "wav", "js", "css", "ico", "woff", "woff2", "ttf", "map", "ts", "m3u8",
    "mpd", "srt", "bin", "tgz",
];

/// Names with digits that are no ids.
#[rustfmt::skip]
const KNOWN: [&str; 55] = [
    "2fa", "3ds", "3ds2", "a11y", "a2a", "b2b", "b2c", "base64", "c2b", "e164", "ec2", "fido2", "geo2",
    "h264", "hl7", "http2", "i18n", "id3", "ip4", "ip6", "ipv4", "ipv6", "iso20022", "iso8583", "jwks", "k8s",
    "l10n", "log4j", "md5", "md5sum", "mfa", "mp3", "mp4", "mt940", "neo4j", "net6", "oauth1", "oauth2",
    "oauth20", "oidc", "openapi3", "p2p", "s3", "saml2", "sha1", "sha256", "swagger2", "u2f", "utf8",
    "v2ray", "w3c", "web3", "webauthn", "x12", "x509",
];

/// Words that APIs use for actions, views and resources; sorted.
#[rustfmt::skip]
const RESERVED: [&str; 220] = [
    "accept", "account", "accounts", "activate", "add", "all", "api", "approve", "archive", "assign",
    "attach", "auth", "authorisations", "authorizations", "authorize", "balance", "balances", "batch",
    "beneficiaries", "block", "bulk", "calculate", "cancel", "capture", "captures", "card", "cards",
    "charge", "close", "comments", "complete", "config", "confirm", "connect", "consent", "consents",
    "copy", "count", "create", "csv", "current", "customer", "customers", "deactivate", "decline",
    "default", "delete", "deny", "detach", "details", "direct-debits", "disable", "disconnect", "docs",
    "download", "edit", "enable", "estimate", "evaluate", "events", "exec", "execute", "export", "fees",
    "files", "find", "finish", "follow", "funds-confirmation", "funds-confirmations", "get", "group",
    "groups", "health", "history", "images", "import", "info", "introspect", "items", "join", "json",
    "keys", "kill", "labels", "latest", "leave", "like", "limits", "list", "lock", "log", "login", "logout",
    "logs", "lookup", "me", "members", "merge", "messages", "metrics", "move", "new", "next",
    "notifications", "oauth", "offers", "open", "openapi.json", "orders", "parties", "party", "pause",
    "pay", "payment", "payments", "pdf", "permissions", "ping", "play", "policies", "poll", "preview",
    "previous", "print", "private", "product", "products", "projects", "prune", "public", "publish", "pull",
    "push", "query", "quote", "rates", "refresh", "refund", "refunds", "register", "reject", "remove",
    "rename", "renew", "reopen", "repeat", "replay", "resend", "reset", "resize", "restart", "restore",
    "resume", "retry", "revoke", "roles", "rotate", "run", "scheduled", "scheduled-payments", "schema",
    "search", "secrets", "seek", "self", "send", "sessions", "set", "settings", "share", "shuffle", "sign",
    "standing-orders", "start", "statement", "statements", "stats", "status", "stop", "submit", "subscribe",
    "summary", "suspend", "swagger.json", "sync", "tag", "tags", "teams", "test", "token", "tokens",
    "total", "totp", "transactions", "transfer", "trigger", "unassign", "unblock", "undo", "unfollow",
    "unlock", "unpublish", "unregister", "unsubscribe", "unsuspend", "update", "upload", "user", "userinfo",
    "users", "validate", "verify", "version", "versions", "void", "volume", "wait", "webhooks", "xml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_number_and_plurals_are_told() {
        for (name, word) in [
            ("verify-2", Some("verify")),
            ("Step_1234", Some("Step")),
            ("verify-12345", None),
            ("a-2", None),
            ("v1-2", None),
            ("pre-check-2", None),
            ("verify-", None),
            ("verify", None),
        ] {
            assert_eq!(numbered_word(name), word, "{name}");
        }
        for (name, word, plural) in [
            ("orders", "order", true),
            ("Boxes", "box", true),
            ("parties", "party", true),
            ("orders", "orders", false),
            ("order", "order", false),
            ("órdenes", "orden", false),
            ("", "", false),
        ] {
            assert_eq!(is_plural_of(name, word), plural, "{name}");
        }
    }

    #[test]
    fn shapes_are_told_apart() {
        for (segment, expected) in [
            ("42", Shape::Int),
            ("123456789", Shape::BigInt),
            ("v1", Shape::Version),
            ("v1beta2", Shape::Version),
            ("v8vmzzouin", Shape::Mixed),
            ("hl7V2Stores", Shape::Words),
            ("i18nLanguages", Shape::Words),
            ("productsv2", Shape::Words),
            ("principals-v2", Shape::Words),
            ("users-28-day", Shape::Words),
            ("v2LoggingLevel", Shape::Words),
            ("water-gate-30", Shape::Mixed),
            ("growth47", Shape::Mixed),
            ("@me", Shape::Reserved),
            ("2.0", Shape::Version),
            ("2010-04-01", Shape::Date),
            ("5f0c2a4e-6a2b-4a53-9f1e-0a9e6d0f7c11", Shape::Uuid),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Shape::Ulid),
            ("507f1f77bcf86cd799439011", Shape::Hex),
            ("DE89370400440532013000", Shape::Iban),
            ("ada@example.org", Shape::Email),
            ("caf%C3%A9", Shape::Encoded),
            ("accounts", Shape::Reserved),
            ("albums", Shape::Word),
            ("new-releases", Shape::Words),
            ("standingOrders", Shape::Camel),
            ("chat.postMessage", Shape::Rpc),
            ("oauth2", Shape::Known),
            (".well-known", Shape::Dot),
            ("EUR", Shape::Upper),
            ("4iV5W9uYEdYUVa79Axb7Rh", Shape::Token),
        ] {
            assert_eq!(shape(segment).shape, expected, "{segment}");
        }
    }

    #[test]
    fn a_suffix_is_split_from_its_stem() {
        for (segment, stem, suffix) in [
            ("42.json", "42", ".json"),
            ("messages:batchGet", "messages", ":batchGet"),
            ("chat.postMessage", "chat.postMessage", ""),
            ("urn:isbn", "urn:isbn", ""),
            (".json", ".json", ""),
        ] {
            assert_eq!(split_suffix(segment), (stem, suffix));
        }
    }

    #[test]
    fn the_reserved_words_can_be_searched() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn markers_name_their_shape() {
        for shape in Shape::ALL {
            assert_eq!(Shape::from_letter(shape.letter()), shape);
        }
    }
}
