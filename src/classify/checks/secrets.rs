//! Tokens, keys and passwords: known formats by prefix and length, opaque ones by their mix of characters.

/// Three parts of base64url, the first of which is a JSON object that names an algorithm.
pub(crate) fn jwt(value: &[u8]) -> bool {
    if value.len() < 20 || !value.starts_with(b"ey") {
        return false;
    }
    let mut parts = value.split(|byte| *byte == b'.');
    let (Some(head), Some(claims)) = (parts.next(), parts.next()) else { return false };
    let count = 2 + parts.clone().count();
    matches!(count, 3 | 5)
        && head.len() >= 10
        && (claims.len() >= 8 || count == 5)
        && header_names_algorithm(head)
        && value.iter().fold(true, |all, byte| all & is_token_byte(*byte))
}

/// Whether a byte may stand in a compact token: looked up, so that a long token costs a pass without branches.
const fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "below 256")]
            let byte = at as u8;
            #[expect(clippy::indexing_slicing, reason = "below 256")]
            {
                table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'=');
            }
            at += 1;
        }
        table
    };
    #[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 entries")]
    TABLE[byte as usize]
}

/// Decodes the front of a base64url text and looks for `"alg"` or `"enc"` or `"typ"`.
fn header_names_algorithm(head: &[u8]) -> bool {
    let mut text = [0_u8; 192];
    let mut len = 0;
    for chunk in head.get(..head.len().min(256)).unwrap_or_default().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' | b'+' => 62,
                b'_' | b'/' => 63,
                _ => return false,
            };
            word = word << 6 | u32::from(six);
        }
        word <<= 6 * (4 - chunk.len());
        let [_, bytes @ ..] = word.to_be_bytes();
        for byte in bytes.iter().take(chunk.len() * 6 / 8) {
            if let Some(slot) = text.get_mut(len) {
                *slot = *byte;
                len += 1;
            }
        }
    }
    let text = text.get(..len).unwrap_or_default();
    text.first() == Some(&b'{')
        && [&b"\"alg\""[..], b"\"enc\"", b"\"typ\""]
            .iter()
            .any(|name| memchr::memmem::find(text, name).is_some())
}

fn alphanumeric(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphanumeric)
}

/// `AKIA`, `ASIA` and their kin with sixteen more.
pub(crate) fn aws_key_id(value: &[u8]) -> bool {
    value.len() == 20
        && [&b"AKIA"[..], b"ASIA", b"AGPA", b"AIDA", b"AROA", b"ANPA"]
            .iter()
            .any(|prefix| value.starts_with(prefix))
        && value.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Forty characters of base64.
pub(crate) fn aws_secret(value: &[u8]) -> bool {
    value.len() == 40
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        && mixed(value)
}

/// `AIza` with 35 more.
pub(crate) fn gcp_key(value: &[u8]) -> bool {
    value.len() == 39
        && value.starts_with(b"AIza")
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
}

/// 86 characters of base64 and `==`.
pub(crate) fn azure_key(value: &[u8]) -> bool {
    value.len() == 88
        && value.ends_with(b"==")
        && value
            .get(..86)
            .is_some_and(|key| key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)))
        && mixed(value)
}

/// `ghp_` and its kin with 36 more, `github_pat_`.
pub(crate) fn github(value: &[u8]) -> bool {
    match value.split_first_chunk::<4>() {
        Some((&[b'g', b'h', b'p' | b'o' | b'u' | b's' | b'r', b'_'], rest)) => {
            rest.len() >= 36 && alphanumeric(rest)
        }
        _ => value.starts_with(b"github_pat_") && value.len() >= 60,
    }
}

/// `xoxb-` and its kin.
pub(crate) fn slack(value: &[u8]) -> bool {
    (value.len() >= 20
        && value.starts_with(b"xox")
        && value.get(4) == Some(&b'-')
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
        || (value.starts_with(b"xapp-") && value.len() >= 30)
}

/// `sk_live_` and its kin.
pub(crate) fn stripe(value: &[u8]) -> bool {
    [&b"sk_live_"[..], b"rk_live_", b"sk_test_", b"rk_test_", b"whsec_"]
        .iter()
        .any(|prefix| value.strip_prefix(*prefix).is_some_and(|rest| rest.len() >= 16 && alphanumeric(rest)))
}

/// A PEM block of a private key.
pub(crate) fn private_key(value: &[u8]) -> bool {
    let front = value.get(..value.len().min(64)).unwrap_or_default();
    memchr::memmem::find(front, b"-----BEGIN ").is_some()
        && memchr::memmem::find(front, b"PRIVATE KEY").is_some()
}

/// `Basic` and base64 of something with a colon.
pub(crate) fn basic_auth(value: &[u8]) -> bool {
    let Some((scheme, rest)) = value.split_at_checked(6) else { return false };
    scheme.eq_ignore_ascii_case(b"basic ")
        && rest.len() >= 4
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte))
}

/// How many kinds of characters there are: lower, upper, digit, other.
fn kinds(value: &[u8]) -> usize {
    let any = |test: fn(&u8) -> bool| usize::from(value.iter().any(test));
    any(u8::is_ascii_lowercase)
        + any(u8::is_ascii_uppercase)
        + any(u8::is_ascii_digit)
        + any(|byte| !byte.is_ascii_alphanumeric())
}

/// Whether letters of both cases are mixed.
fn mixed(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_lowercase) && value.iter().any(u8::is_ascii_uppercase)
}

/// How many distinct bytes there are among the first 64.
fn distinct(value: &[u8]) -> u32 {
    let (mut low, mut high) = (0_u128, 0_u128);
    for byte in value.iter().take(64) {
        if *byte < 128 {
            low |= 1 << byte;
        } else {
            high |= 1 << (byte - 128);
        }
    }
    low.count_ones() + high.count_ones()
}

/// Sixteen characters or more without spaces, letters and digits mixed, hardly any repeated.
pub(crate) fn opaque(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"Bearer ").unwrap_or(value);
    (16..=4096).contains(&value.len())
        && value.iter().all(u8::is_ascii_graphic)
        && (value.iter().any(u8::is_ascii_digit) || (mixed(value) && value.len() >= 20))
        && value.iter().any(u8::is_ascii_alphabetic)
        && distinct(value) >= 8
        && !value.starts_with(b"http")
        && !value.starts_with(b"data:")
        && !value.starts_with(b"/")
        && !value.contains(&b'@')
        && !b"{[<".contains(value.first().unwrap_or(&b' '))
}

/// As an opaque token, from ten characters on.
pub(crate) fn auth_code(value: &[u8]) -> bool {
    (10..16).contains(&value.len())
        && kinds(value) >= 3
        && distinct(value) >= 7
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte))
        || opaque(value)
}

/// Four to 128 visible characters that are no number of fewer than four digits, flag, date, link or UUID.
pub(crate) fn password(value: &[u8]) -> bool {
    (4..=128).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80)
        && ![&b"true"[..], b"True", b"TRUE", b"false", b"False", b"FALSE"].contains(&value)
        && !value.starts_with(b"http")
        && !super::person::birth_date(value)
        && !(value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
        && !(value.get(4) == Some(&b'-')
            && value.get(7) == Some(&b'-')
            && value.get(..4).is_some_and(|y| y.iter().all(u8::is_ascii_digit)))
}

/// Four to eight digits, perhaps in two groups.
pub(crate) fn otp(value: &[u8]) -> bool {
    super::Digits::of(value, b" -").is_some_and(|digits| (4..=8).contains(&digits.get().len()))
        && value.len() <= 9
}

/// Base64 or hexadecimal of 40 characters or more: a template, not an identifier.
pub(crate) fn blob(value: &[u8]) -> bool {
    value.len() >= 48
        && value.iter().take(512).all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-\r\n".contains(byte))
        && distinct(value) >= 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_from_likenesses() {
        let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        let token = format!("{header}.eyJzdWIiOiIxIn0.c2lnbmF0dXJl");
        assert!(jwt(token.as_bytes()));
        assert!(!jwt(b"eyes.are.open.all.the.time.and.everywhere"));
        let table: &[crate::classify::checks::Sample] = &[
            (aws_key_id, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPL"),
            (gcp_key, "AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIzaSy"),
            (basic_auth, "Basic dXNlcjpwYXNz", "Bearer dXNlcjpwYXNz"),
            (opaque, "9f8b7c6d5e4f3a2b1c0d", "aaaaaaaaaaaaaaaaaaaa"),
            (otp, "123 456", "12345678901"),
            (password, "Dragon738#", "true"),
            (private_key, "-----BEGIN RSA PRIVATE KEY-----\nMII", "-----BEGIN PUBLIC KEY-----"),
        ];
        for (check, good, bad) in table {
            assert!(check(good.as_bytes()), "{good}");
            assert!(!check(bad.as_bytes()), "{bad}");
        }
    }
}
