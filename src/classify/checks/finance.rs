//! Payment instruments and bank identifiers.

use super::{Digits, luhn, mod97, weighted};

/// ISO/IEC 7812: 13 to 19 digits, an issuer range that card networks use, Luhn.
pub(crate) fn pan(value: &[u8]) -> bool {
    if !(13..=25).contains(&value.len()) || !grouped(value) {
        return false;
    }
    let Some(digits) = Digits::of(value, b" -") else { return false };
    issuer_takes(&digits) && !digits.uniform() && luhn(digits.get())
}

/// Groups of digits are at least two long, except in plain numbers.
fn grouped(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_digit)
        && value.last().is_some_and(u8::is_ascii_digit)
        && value.split(|byte| matches!(byte, b' ' | b'-')).all(|group| group.len() >= 2)
}

fn issuer_takes(digits: &Digits) -> bool {
    let len = digits.get().len();
    let (two, three, four) = (digits.number(0, 2), digits.number(0, 3), digits.number(0, 4));
    match two {
        40..=49 => matches!(len, 13 | 16 | 18 | 19),
        51..=55 | 22..=27 if two > 27 || (2221..=2720).contains(&four) => len == 16,
        34 | 37 => len == 15,
        30 | 36 | 38 | 39 => {
            (300..=305).contains(&three) && len == 14
                || (two != 30 && (14..=19).contains(&len))
                || (three == 309 && len == 14)
        }
        35 => (3528..=3589).contains(&four) && (16..=19).contains(&len),
        60 | 64 | 65 | 81 | 82 => {
            (two != 60 || four == 6011 || (6050..=6099).contains(&four) || three == 603)
                && (16..=19).contains(&len)
        }
        50 | 56..=58 | 61 | 63 | 66..=69 => (13..=19).contains(&len),
        62 => (16..=19).contains(&len),
        _ => false,
    }
}

/// Three or four digits.
pub(crate) fn cvv(value: &[u8]) -> bool {
    matches!(value.len(), 3 | 4) && value.iter().all(u8::is_ascii_digit)
}

/// Month and year: `MM/YY`, `MM/YYYY`, `YYYY-MM`, `MMYY`, `MM-YY`, `YYMM`.
pub(crate) fn expiry(value: &[u8]) -> bool {
    let number = |part: &[u8]| {
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| part.iter().fold(0_u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let year = |year: u32| (2000..=2099).contains(&year) || (15..=60).contains(&year);
    let month = |month: u32| (1..=12).contains(&month);
    let pieces: Vec<&[u8]> = value
        .split(|byte| matches!(byte, b'/' | b'-' | b'.' | b' '))
        .filter(|piece| !piece.is_empty())
        .collect();
    match pieces.as_slice() {
        [a, b] if (a.len() <= 2 && matches!(b.len(), 2 | 4)) || (a.len() == 4 && b.len() == 2) => {
            match (number(a), number(b)) {
                (Some(a), Some(b)) => (month(a) && year(b)) || (a > 1999 && year(a) && month(b)),
                _ => false,
            }
        }
        [a] if matches!(a.len(), 3 | 4) => number(a).is_some_and(|n| {
            (month(n / 100) && year(n % 100)) || (year(n / 100) && n / 100 < 100 && month(n % 100))
        }),
        [a] if a.len() == 6 => number(a).is_some_and(|n| {
            (month(n / 10_000) && n % 10_000 > 1999 && year(n % 10_000))
                || (n / 100 > 1999 && year(n / 100) && month(n % 100))
        }),
        _ => false,
    }
}

/// ISO/IEC 7813: track 1 (`%B…^NAME^…`) or track 2 (`;…=…`), with a number that passes Luhn.
pub(crate) fn track(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let (number, rest) = if let Some(rest) = value.strip_prefix(b"%B").or_else(|| value.strip_prefix(b"B")) {
        let Some(caret) = memchr::memchr(b'^', rest) else { return false };
        let (number, rest) = rest.split_at(caret);
        let Some(name_end) = rest.get(1..).and_then(|rest| memchr::memchr(b'^', rest)) else { return false };
        (number, rest.get(name_end + 2..).unwrap_or_default())
    } else {
        let rest = value.strip_prefix(b";").unwrap_or(value);
        let Some(middle) = memchr::memchr2(b'=', b'D', rest) else { return false };
        let (number, rest) = rest.split_at(middle);
        (number, rest.get(1..).unwrap_or_default())
    };
    (12..=19).contains(&number.len())
        && rest.len() >= 4
        && rest.iter().take(7).all(u8::is_ascii_digit)
        && Digits::of(number, b"").is_some_and(|digits| luhn(digits.get()))
}

/// Four to twelve digits, or an encrypted PIN block of sixteen hexadecimal ones.
pub(crate) fn pin(value: &[u8]) -> bool {
    match value.len() {
        4..=12 => value.iter().all(u8::is_ascii_digit),
        16 => value.iter().all(u8::is_ascii_hexdigit) && !value.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Length of an IBAN by country (the SWIFT registry), 0 when the country has none.
#[rustfmt::skip]
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD",24),(b"AE",23),(b"AL",28),(b"AT",20),(b"AZ",28),(b"BA",20),(b"BE",16),(b"BG",22),(b"BH",22),(b"BI",27),(b"BR",29),(b"BY",28),
    (b"CH",21),(b"CR",22),(b"CY",28),(b"CZ",24),(b"DE",22),(b"DJ",27),(b"DK",18),(b"DO",28),(b"EE",20),(b"EG",29),(b"ES",24),(b"FI",18),
    (b"FK",18),(b"FO",18),(b"FR",27),(b"GB",22),(b"GE",22),(b"GI",23),(b"GL",18),(b"GR",27),(b"GT",28),(b"HR",21),(b"HU",28),(b"IE",22),
    (b"IL",23),(b"IQ",23),(b"IS",26),(b"IT",27),(b"JO",30),(b"KW",30),(b"KZ",20),(b"LB",28),(b"LC",32),(b"LI",21),(b"LT",20),(b"LU",20),
    (b"LV",21),(b"LY",25),(b"MC",27),(b"MD",24),(b"ME",22),(b"MK",19),(b"MN",20),(b"MR",27),(b"MT",31),(b"MU",30),(b"NI",28),(b"NL",18),
    (b"NO",15),(b"OM",23),(b"PK",24),(b"PL",28),(b"PS",29),(b"PT",25),(b"QA",29),(b"RO",24),(b"RS",22),(b"RU",33),(b"SA",24),(b"SC",31),
    (b"SD",18),(b"SE",24),(b"SI",19),(b"SK",24),(b"SM",27),(b"SO",23),(b"ST",25),(b"SV",28),(b"TL",23),(b"TN",24),(b"TR",26),(b"UA",29),
    (b"VA",22),(b"VG",24),(b"XK",20),(b"YE",30),
];

/// The same by the two letters' places in the alphabet, for one look-up.
static IBAN_LENGTH_OF: [u8; 26 * 26] = iban_length_table();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time, where it is seen to fit"
)]
const fn iban_length_table() -> [u8; 26 * 26] {
    let mut table = [0; 26 * 26];
    let mut at = 0;
    while at < IBAN_LENGTHS.len() {
        let (country, len) = IBAN_LENGTHS[at];
        table[(country[0] - b'A') as usize * 26 + (country[1] - b'A') as usize] = len as u8;
        at += 1;
    }
    table
}

/// Length of an IBAN of the country its first two letters name.
#[inline]
pub(crate) fn iban_length(value: &[u8]) -> Option<usize> {
    let [a, b] = value.first_chunk::<2>()?;
    let place = |letter: &u8| usize::from((letter.to_ascii_uppercase()).wrapping_sub(b'A'));
    let (a, b) = (place(a), place(b));
    if a >= 26 || b >= 26 {
        return None;
    }
    IBAN_LENGTH_OF.get(a * 26 + b).map(|len| usize::from(*len)).filter(|len| *len > 0)
}

/// ISO 13616: country, length and mod 97.
pub(crate) fn iban(value: &[u8]) -> bool {
    if !(15..=44).contains(&value.len()) {
        return false;
    }
    let Some((front, rest)) = value.split_at_checked(4) else { return false };
    let [a, b, c, d] = front else { return false };
    if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() || !c.is_ascii_digit() || !d.is_ascii_digit() {
        return false;
    }
    let len = value.iter().filter(|byte| **byte != b' ').count();
    if value.last() == Some(&b' ') || iban_length(value) != Some(len) {
        return false;
    }
    mod97(&[rest, front]) == Some(1)
}

/// Country codes of ISO 3166-1, two letters each, sorted.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// Whether `code` is a country of ISO 3166-1 (alpha-2, upper case).
pub(crate) fn is_country(code: &[u8]) -> bool {
    code.len() == 2 && COUNTRIES.chunks_exact(2).any(|known| known == code)
}

/// ISO 9362: four letters (digits since 2022 in theory only), a country, two and perhaps three more.
pub(crate) fn bic(value: &[u8]) -> bool {
    matches!(value.len(), 8 | 11)
        && value.get(..4).is_some_and(|party| party.iter().all(u8::is_ascii_uppercase))
        && value.get(4..6).is_some_and(is_country)
        && value
            .get(6..)
            .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

/// A national account number: mostly digits, with the separators that countries use.
pub(crate) fn account_number(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    (5..=42).contains(&value.len())
        && digits >= 5
        && letters <= 6
        && digits > letters * 2
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b" -/.".contains(byte))
        && value.first().is_some_and(u8::is_ascii_alphanumeric)
        && !value.iter().all(|byte| *byte == b'0')
}

/// `NN-NN-NN` or six digits.
pub(crate) fn sort_code(value: &[u8]) -> bool {
    match value {
        [_, _, sep, _, _, sep2, _, _] => {
            sep == sep2
                && matches!(sep, b'-' | b' ')
                && Digits::of(value, b"- ").is_some_and(|digits| digits.get().len() == 6)
        }
        _ => value.len() == 6 && value.iter().all(u8::is_ascii_digit),
    }
}

/// Nine digits of a Federal Reserve district, weights 3-7-1.
pub(crate) fn aba_routing(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" -") else { return false };
    let prefix = digits.number(0, 2);
    digits.get().len() == 9
        && (prefix <= 12 || (21..=32).contains(&prefix) || (61..=72).contains(&prefix) || prefix == 80)
        && !digits.uniform()
        && weighted(digits.get(), &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// EPC 262-08: country, check digits over what follows the business code.
pub(crate) fn creditor_id(value: &[u8]) -> bool {
    let mut plain = [0_u8; 35];
    let mut len = 0;
    for byte in value.iter().filter(|byte| **byte != b' ') {
        let Some(slot) = plain.get_mut(len) else { return false };
        *slot = *byte;
        len += 1;
    }
    let value = plain.get(..len).unwrap_or_default();
    let Some((front, rest)) = value.split_at_checked(4) else { return false };
    let Some((business, national)) = rest.split_at_checked(3) else { return false };
    front.get(..2).is_some_and(is_country)
        && front.get(2..).is_some_and(|check| check.iter().all(u8::is_ascii_digit))
        && business.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && (1..=28).contains(&national.len())
        && mod97(&[national, front]) == Some(1)
        // An IBAN of the same length passes only by accident; the default business code tells.
        && (business == b"ZZZ" || iban_length(value) != Some(len))
}

/// ISO 17442: eighteen letters or digits and two check digits.
pub(crate) fn lei(value: &[u8]) -> bool {
    value.len() == 20
        && value.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && value.get(18..).is_some_and(|check| check.iter().all(u8::is_ascii_digit))
        && value.get(..4).is_some_and(|lou| lou.iter().any(u8::is_ascii_digit))
        && value.iter().any(u8::is_ascii_uppercase)
        && mod97(&[value]) == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_sorted_for_the_search() {
        assert!(IBAN_LENGTHS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn published_values_pass_and_their_neighbours_do_not() {
        let table: &[crate::classify::checks::Sample] = &[
            (pan, "4111111111111111", "4111111111111112"),
            (pan, "3782 822463 10005", "378282246310006"),
            (pan, "5555-5555-5555-4444", "555-555555-5555-4444-0"),
            (iban, "DE89 3704 0044 0532 0130 00", "DE89370400440532013001"),
            (iban, "GB82WEST12345698765432", "GB82WEST1234569876543"),
            (bic, "DEUTDEFF", "DEUTXXFF"),
            (bic, "COBADEFFXXX", "APPROVED1"),
            (creditor_id, "DE98ZZZ09999999999", "DE97ZZZ09999999999"),
            (lei, "5493001KJTIIGC8Y1R12", "5493001KJTIIGC8Y1R13"),
            (aba_routing, "021000021", "021000022"),
            (track, ";4111111111111111=29012010000000000?", ";4111111111111112=29012010000000000?"),
            (expiry, "09/2026", "13/2026"),
            (expiry, "2029-05", "2029-5x"),
            (expiry, "0433", "9999"),
            (sort_code, "20-31-04", "20-3104"),
        ];
        for (check, good, bad) in table {
            assert!(check(good.as_bytes()), "{good}");
            assert!(!check(bad.as_bytes()), "{bad}");
        }
    }
}
