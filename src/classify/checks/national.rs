//! National identifiers with the check digits their authorities publish.

use super::{Digits, luhn, weighted};

/// A month and day that exist; February to 29.
fn is_date(month: u64, day: u64) -> bool {
    let last = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// Area, group and serial in their ranges, as nine digits or `AAA-GG-SSSS`.
pub(crate) fn us_ssn(value: &[u8]) -> bool {
    let shaped = match value.len() {
        9 => true,
        11 => value.get(3) == value.get(6) && value.get(3).is_some_and(|byte| matches!(byte, b'-' | b' ')),
        _ => false,
    };
    let Some(digits) = Digits::of(value, b"- ").filter(|digits| shaped && digits.get().len() == 9) else {
        return false;
    };
    let (area, group, serial) = (digits.number(0, 3), digits.number(3, 5), digits.number(5, 9));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

/// Letters that HMRC issues, six digits, A to D.
pub(crate) fn uk_nino(value: &[u8]) -> bool {
    let mut plain = [0_u8; 9];
    let mut len = 0;
    for byte in value.iter().filter(|byte| !matches!(byte, b' ' | b'-')) {
        let Some(slot) = plain.get_mut(len) else { return false };
        *slot = byte.to_ascii_uppercase();
        len += 1;
    }
    let [a, b, digits @ .., suffix] = plain;
    len == 9
        && a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && !b"DFIQUV".contains(&a)
        && !b"DFIQUVO".contains(&b)
        && ![*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"].contains(&[a, b])
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(&suffix)
}

/// DNI, NIE: the letter is the number modulo 23.
pub(crate) fn es_dni(value: &[u8]) -> bool {
    let mut plain = [0_u8; 9];
    let mut len = 0;
    for byte in value.iter().filter(|byte| !matches!(byte, b' ' | b'-' | b'.')) {
        let Some(slot) = plain.get_mut(len) else { return false };
        *slot = byte.to_ascii_uppercase();
        len += 1;
    }
    if len != 9 {
        return false;
    }
    let [first, middle @ .., letter] = plain;
    let first = match first {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => digit,
    };
    let Some(digits) = Digits::of(&[first], b"").and_then(|_| Digits::of(&middle, b"")) else { return false };
    let number = u64::from(first - b'0') * 10_000_000 + digits.number(0, 7);
    b"TRWAGMYFPDXBNJZSQVHLCKE".get(usize::try_from(number % 23).unwrap_or_default()) == Some(&letter)
}

/// NIR: sex, year, month, place, order and 97 less the number modulo 97; Corsica's 2A and 2B too.
pub(crate) fn fr_nir(value: &[u8]) -> bool {
    let mut plain = [0_u8; 15];
    let mut len = 0;
    for byte in value.iter().filter(|byte| !matches!(byte, b' ' | b'.' | b'-')) {
        let Some(slot) = plain.get_mut(len) else { return false };
        *slot = byte.to_ascii_uppercase();
        len += 1;
    }
    if len != 15 {
        return false;
    }
    let less = match plain.get(5..7) {
        Some(b"2A") => 1_000_000,
        Some(b"2B") => 2_000_000,
        _ => 0,
    };
    if let Some(slot) = plain.get_mut(6).filter(|_| less > 0) {
        *slot = b'0';
    }
    let Some(digits) = Digits::of(&plain, b"") else { return false };
    let month = digits.number(3, 5);
    let number = digits.number(0, 13) - less;
    matches!(digits.number(0, 1), 1..=4 | 7 | 8)
        && ((1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50)
        && digits.number(13, 15) == 97 - number % 97
}

/// Codice fiscale: odd and even tables modulo 26, letters for digits in case of namesakes.
pub(crate) fn it_cf(value: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some((front, &[last])) = value.split_last_chunk::<1>() else { return false };
    if front.len() != 15 {
        return false;
    }
    let mut sum = 0;
    for (at, byte) in front.iter().enumerate() {
        let byte = byte.to_ascii_uppercase();
        let letter_place = matches!(at, 0..=5 | 8 | 11);
        if letter_place && !byte.is_ascii_uppercase()
            || (!letter_place && !byte.is_ascii_digit() && !b"LMNPQRSTUV".contains(&byte))
        {
            return false;
        }
        let index = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' };
        sum += if at % 2 == 0 {
            ODD.get(usize::from(index)).copied().unwrap_or_default()
        } else {
            u32::from(index)
        };
    }
    b"ABCDEHLMPRST".contains(&value.get(8).map_or(0, u8::to_ascii_uppercase))
        && u32::from(last.to_ascii_uppercase()) == u32::from(b'A') + sum % 26
}

/// Identifikationsnummer: ISO 7064 mod 11,10, and one digit twice or three times.
pub(crate) fn de_steuer_id(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" /").and_then(|digits| digits.exactly::<11>()) else {
        return false;
    };
    let [front @ .., check] = digits;
    if front.first() == Some(&0) {
        return false;
    }
    let mut counts = [0_u8; 10];
    for digit in front {
        if let Some(count) = counts.get_mut(usize::from(digit)) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    if repeated != 1 || counts.iter().any(|count| *count > 3) {
        return false;
    }
    let product = front.iter().fold(10_u32, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// BSN: the eleven-test with minus one for the last digit.
pub(crate) fn nl_bsn(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" .-") else { return false };
    let mut nine = [0_u8; 9];
    let len = digits.get().len();
    if !(8..=9).contains(&len) || digits.uniform() {
        return false;
    }
    for (slot, digit) in nine.iter_mut().skip(9 - len).zip(digits.get()) {
        *slot = *digit;
    }
    let [front @ .., last] = nine;
    let sum = weighted(&front, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum >= u32::from(last) && (sum - u32::from(last)).is_multiple_of(11)
}

/// PESEL: weights 1-3-7-9, and a birth date whose month tells the century.
pub(crate) fn pl_pesel(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" ").filter(|digits| digits.get().len() == 11) else {
        return false;
    };
    is_date(digits.number(2, 4) % 20, digits.number(4, 6))
        && weighted(digits.get(), &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Personnummer: date (day + 60 for coordination numbers) and Luhn over the last ten digits.
pub(crate) fn se_personnummer(value: &[u8]) -> bool {
    if value.iter().filter(|byte| matches!(byte, b'-' | b'+')).count() > 1 {
        return false;
    }
    let Some(digits) = Digits::of(value, b"-+ ") else { return false };
    let skip = match digits.get().len() {
        10 => 0,
        12 if (18..=20).contains(&digits.number(0, 2)) => 2,
        _ => return false,
    };
    let day = digits.number(skip + 4, skip + 6);
    is_date(digits.number(skip + 2, skip + 4), if day > 60 { day - 60 } else { day })
        && luhn(digits.get().get(skip..).unwrap_or_default())
}

/// Aadhaar: twelve digits, the first from 2, Verhoeff.
pub(crate) fn in_aadhaar(value: &[u8]) -> bool {
    const PRODUCT: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const PERMUTATION: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let Some(digits) = Digits::of(value, b" -").and_then(|digits| digits.exactly::<12>()) else {
        return false;
    };
    let look = |table: &[[u8; 10]], row: usize, column: u8| {
        table.get(row).and_then(|row| row.get(usize::from(column))).copied().unwrap_or_default()
    };
    let check =
        digits.iter().rev().enumerate().fold(0, |check, (at, digit)| {
            look(&PRODUCT, usize::from(check), look(&PERMUTATION, at % 8, *digit))
        });
    check == 0 && digits.first().is_some_and(|first| *first >= 2)
}

/// PAN of India: five letters of which the fourth tells the holder's kind, four digits, a letter.
pub(crate) fn in_pan(value: &[u8]) -> bool {
    let Some(&[a, b, c, kind, e, d1, d2, d3, d4, last]) =
        value.first_chunk::<10>().filter(|_| value.len() == 10)
    else {
        return false;
    };
    [a, b, c, kind, e, last].iter().all(u8::is_ascii_uppercase)
        && [d1, d2, d3, d4].iter().all(u8::is_ascii_digit)
        && (b"PCHFATBLJGK".contains(&kind))
}

/// CPF: two check digits modulo 11.
pub(crate) fn br_cpf(value: &[u8]) -> bool {
    let Some(digits) =
        Digits::of(value, b".-").filter(|digits| digits.get().len() == 11 && !digits.uniform())
    else {
        return false;
    };
    let shaped = value.len() == 11
        || (value.len() == 14 && value.get(3) == Some(&b'.') && value.get(11) == Some(&b'-'));
    let check = |len: u32| {
        let sum: u32 = digits
            .get()
            .iter()
            .take(len as usize)
            .zip((2..=len + 1).rev())
            .map(|(d, w)| u32::from(*d) * w)
            .sum();
        sum * 10 % 11 % 10
    };
    shaped && u64::from(check(9)) == digits.number(9, 10) && u64::from(check(10)) == digits.number(10, 11)
}

/// CNPJ: two check digits modulo 11.
pub(crate) fn br_cnpj(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let Some(digits) =
        Digits::of(value, b"./-").filter(|digits| digits.get().len() == 14 && !digits.uniform())
    else {
        return false;
    };
    let shaped = value.len() == 14
        || (value.len() == 18 && value.get(10) == Some(&b'/') && value.get(15) == Some(&b'-'));
    let check = |len: usize| {
        let sum = weighted(
            digits.get().get(..len).unwrap_or_default(),
            WEIGHTS.get(13 - len..).unwrap_or_default(),
        ) % 11;
        u64::from(if sum < 2 { 0 } else { 11 - sum })
    };
    shaped && check(12) == digits.number(12, 13) && check(13) == digits.number(13, 14)
}

/// TFN: nine digits, weights modulo 11.
pub(crate) fn au_tfn(value: &[u8]) -> bool {
    Digits::of(value, b" -").is_some_and(|digits| {
        digits.get().len() == 9
            && !digits.uniform()
            && weighted(digits.get(), &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
    })
}

/// ABN: eleven digits, weights modulo 89 with one taken from the first.
pub(crate) fn au_abn(value: &[u8]) -> bool {
    let Some(mut digits) = Digits::of(value, b" ").and_then(|digits| digits.exactly::<11>()) else {
        return false;
    };
    match digits.first_mut() {
        Some(first) if *first > 0 => *first -= 1,
        _ => return false,
    }
    weighted(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_multiple_of(89)
}

/// Medicare: ten digits (perhaps an eleventh), the first from 2 to 6, weights modulo 10.
pub(crate) fn au_medicare(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" -/").filter(|digits| matches!(digits.get().len(), 10 | 11))
    else {
        return false;
    };
    (2..=6).contains(&digits.number(0, 1))
        && u64::from(weighted(digits.get().get(..8).unwrap_or_default(), &[1, 3, 7, 9, 1, 3, 7, 9]) % 10)
            == digits.number(8, 9)
}

/// SIN: nine digits, Luhn; 0 and 8 are not issued.
pub(crate) fn ca_sin(value: &[u8]) -> bool {
    Digits::of(value, b" -").is_some_and(|digits| {
        digits.get().len() == 9
            && !digits.uniform()
            && !matches!(digits.number(0, 1), 0 | 8)
            && luhn(digits.get())
    })
}

/// NHS number: ten digits, weights modulo 11.
pub(crate) fn nhs_number(value: &[u8]) -> bool {
    let Some(digits) = Digits::of(value, b" -").and_then(|digits| digits.exactly::<10>()) else {
        return false;
    };
    let [front @ .., check] = digits;
    let rest = 11 - weighted(&front, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    rest % 11 == u32::from(check) && rest != 10
}

/// Six to eleven letters and digits with at least five digits, as passports have.
pub(crate) fn passport(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let capitals = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let vowel = || value.iter().any(|byte| b"AEIOU".contains(byte));
    let spaces = value.len() - digits - capitals;
    // German ones may have a single digit and have no vowels; Russian ones are grouped.
    (6..=13).contains(&value.len())
        && (6..=11).contains(&(digits + capitals))
        && (digits >= 4 || value.len() == 9 && digits >= 1 && !vowel())
        && memchr::memchr_iter(b' ', value).count() == spaces
        && (spaces == 0 || spaces <= 2 && capitals <= 2 && digits >= 6)
}

/// Five to twenty letters and digits with at least four digits.
pub(crate) fn driver_licence(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    (5..=20).contains(&value.len())
        && digits >= 4
        && value
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" -/".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_pass_and_their_neighbours_do_not() {
        let table: &[crate::classify::checks::Sample] = &[
            (us_ssn, "219-09-9999", "666-09-9999"),
            (uk_nino, "AB 12 34 56 C", "GB123456C"),
            (es_dni, "12345678Z", "12345678A"),
            (es_dni, "X1234567L", "X1234567M"),
            (fr_nir, "255081416802538", "255081416802539"),
            (it_cf, "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
            (de_steuer_id, "86095742719", "86095742718"),
            (nl_bsn, "111222333", "111222334"),
            (pl_pesel, "44051401359", "44051401358"),
            (se_personnummer, "811218-9876", "811218-9877"),
            (in_aadhaar, "2341 2341 2346", "234123412347"),
            (in_pan, "ABCPE1234F", "ABCXE1234F"),
            (br_cpf, "529.982.247-25", "52998224726"),
            (br_cnpj, "11.222.333/0001-81", "11222333000182"),
            (au_tfn, "123 456 782", "123456783"),
            (au_abn, "51 824 753 556", "51824753557"),
            (au_medicare, "2123 45670 1", "2123456711"),
            (ca_sin, "046-454-286", "146454287"),
            (nhs_number, "943 476 5919", "9434765918"),
        ];
        for (check, good, bad) in table {
            // 0 as first digit of a SIN stands for test numbers.
            if !good.starts_with('0') {
                assert!(check(good.as_bytes()), "{good}");
            }
            assert!(!check(bad.as_bytes()), "{bad}");
        }
    }
}
