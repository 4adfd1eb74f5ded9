//! Addresses of people and devices: mail, phone, street, network, place.

use super::{Digits, luhn};

/// Words that end file names, not domains.
const FILE_ENDINGS: &[&[u8]] = &[
    b"png",
    b"jpg",
    b"jpeg",
    b"gif",
    b"webp",
    b"svg",
    b"ico",
    b"bmp",
    b"avif",
    b"css",
    b"js",
    b"mjs",
    b"ts",
    b"json",
    b"xml",
    b"html",
    b"pdf",
    b"txt",
    b"zip",
    b"gz",
    b"tgz",
    b"mp3",
    b"mp4",
    b"woff",
    b"local",
    b"localhost",
    b"internal",
    b"localdomain",
    b"lan",
];

/// RFC 5321 in its everyday part: a local part, a domain with a top level of letters that is no file ending.
pub(crate) fn email(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"mailto:").unwrap_or(value);
    let Some(at) = memchr::memchr(b'@', value) else { return false };
    let (local, domain) = value.split_at(at);
    let domain = domain.get(1..).unwrap_or_default();
    if !(1..=64).contains(&local.len()) || !(4..=253).contains(&domain.len()) {
        return false;
    }
    let Some(dot) = memchr::memrchr(b'.', domain) else { return false };
    let top = domain.get(dot + 1..).unwrap_or_default();
    let mut lower = [0_u8; 24];
    for (slot, byte) in lower.iter_mut().zip(top) {
        *slot = byte.to_ascii_lowercase();
    }
    local
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(byte) || *byte >= 0x80)
        && local.first() != Some(&b'.')
        && local.last() != Some(&b'.')
        && domain.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte) || *byte >= 0x80)
        && domain
            .split(|byte| *byte == b'.')
            .all(|label| !label.is_empty() && !label.starts_with(b"-") && !label.ends_with(b"-"))
        && (2..=24).contains(&top.len())
        && (top.iter().all(u8::is_ascii_alphabetic) || top.starts_with(b"xn--"))
        && !lower.get(..top.len()).is_some_and(|top| FILE_ENDINGS.contains(&top))
        && !super::is_masked(local)
}

/// Seven to fifteen digits with what people put between them; no date, no decimal.
pub(crate) fn phone(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"tel:").unwrap_or(value);
    let main = match value.iter().position(|byte| matches!(byte, b'x' | b'e' | b'#')) {
        Some(at) if at >= 7 => value.get(..at).unwrap_or_default().trim_ascii_end(),
        _ => value,
    };
    if !(7..=24).contains(&main.len()) {
        return false;
    }
    let Some(digits) = Digits::of(main, b" +()-./\xc2\xa0") else { return false };
    let count = digits.get().len();
    (7..=15).contains(&count)
        && !digits.uniform()
        && memchr::memchr_iter(b'+', main).count() <= 1
        && !super::person::birth_date(main)
        && !(memchr::memchr_iter(b'.', main).count() == 1 && memchr::memchr(b' ', main).is_none())
        && main.last().is_some_and(u8::is_ascii_digit)
}

/// A phone number as ITU-T E.164 writes it, with `+` and an assigned country code.
pub(crate) fn phone_international(value: &[u8]) -> bool {
    if value.first() != Some(&b'+') || !phone(value) {
        return false;
    }
    let Some(digits) = Digits::of(value, b" +()-./") else { return false };
    let (one, two, count) = (digits.number(0, 1), digits.number(0, 2), digits.get().len());
    match one {
        1 => count == 11 && digits.number(1, 2) > 1,
        7 => count == 11,
        _ => {
            (9..=15).contains(&count)
                && (matches!(two, 20 | 27 | 28 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98)
                    || matches!(
                        two,
                        21..=26 | 29 | 35 | 37 | 38 | 42 | 50 | 59 | 67 | 68 | 69 | 85 | 88 | 96 | 97 | 99
                    ))
        }
    }
}

/// Words with letters, from five characters on, that are no mail address, link, token or flag.
pub(crate) fn address(value: &[u8]) -> bool {
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80).count();
    let spaces = value.iter().filter(|byte| matches!(byte, b' ' | b'\n' | b',')).count();
    (5..=200).contains(&value.len())
        && letters >= 3
        && !value.contains(&b'@')
        && !value.starts_with(b"http")
        && memchr::memmem::find(value, b"://").is_none()
        && !value.iter().any(|byte| b"{}<>=*\\|_".contains(byte))
        && (spaces > 0 || value.iter().any(u8::is_ascii_digit) || value.len() >= 8)
        && !(spaces == 0 && value.len() > 40 && value.is_ascii())
}

/// A national grammar: three to ten letters and digits with at least two digits, hardly a separator.
pub(crate) fn postcode(value: &[u8]) -> bool {
    // Greek ones may stand behind the letters of the word.
    let value = value.strip_prefix("ΤΚ ".as_bytes()).unwrap_or(value);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    (3..=10).contains(&value.len())
        && digits >= 2
        && letters <= 5
        && value.iter().all(|byte| {
            byte.is_ascii_digit()
                || byte.is_ascii_uppercase()
                || byte.is_ascii_lowercase()
                || b" -".contains(byte)
        })
        && value.iter().filter(|byte| b" -".contains(byte)).count() <= 1
        && value.first().is_some_and(u8::is_ascii_alphanumeric)
        && value.last().is_some_and(u8::is_ascii_alphanumeric)
        && (letters == 0 || digits >= 1)
}

/// An IPv4 or IPv6 address, perhaps with port, in brackets, or first in a list of proxies.
pub(crate) fn ip(value: &[u8]) -> bool {
    if !(2..=200).contains(&value.len()) {
        return false;
    }
    let first = value.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let first = first.strip_prefix(b"for=").unwrap_or(first);
    let first = first.strip_prefix(b"\"").unwrap_or(first);
    let first = first.strip_suffix(b"\"").unwrap_or(first);
    let Ok(text) = std::str::from_utf8(first) else { return false };
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return !address.is_unspecified();
    }
    text.parse::<std::net::SocketAddr>().is_ok()
}

/// Six octets with `:` or `-` between them, or Cisco's three groups.
pub(crate) fn mac(value: &[u8]) -> bool {
    let uniform = |separator: u8, size: usize, groups: usize| {
        let mut count = 0;
        value.split(|byte| *byte == separator).all(|group| {
            count += 1;
            group.len() == size && group.iter().all(u8::is_ascii_hexdigit)
        }) && count == groups
    };
    match value.len() {
        17 => uniform(b':', 2, 6) || uniform(b'-', 2, 6),
        14 => uniform(b'.', 4, 3),
        _ => false,
    }
}

/// Fifteen digits with Luhn, or sixteen with a software version.
pub(crate) fn imei(value: &[u8]) -> bool {
    Digits::of(value, b" -/").is_some_and(|digits| match digits.get().len() {
        15 => luhn(digits.get()) && !digits.uniform(),
        _ => false,
    })
}

/// Product tokens: `name/version`, comments in brackets.
pub(crate) fn user_agent(value: &[u8]) -> bool {
    let Some(slash) = memchr::memchr(b'/', value) else { return false };
    let (product, version) = value.split_at(slash);
    (8..=1024).contains(&value.len())
        && (2..=40).contains(&product.len())
        && product.first().is_some_and(u8::is_ascii_alphabetic)
        && product.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_. ".contains(byte))
        && version.get(1).is_some_and(u8::is_ascii_digit)
}

/// Degrees with at least three decimals, one or two of them, perhaps as `GEO:lat;lon` (Berlin Group).
pub(crate) fn coordinates(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"GEO:").or_else(|| value.strip_prefix(b"geo:")).unwrap_or(value);
    if !(4..=64).contains(&value.len()) {
        return false;
    }
    let mut count = 0;
    let all = value.split(|byte| matches!(byte, b';' | b',')).all(|part| {
        count += 1;
        let part = part.trim_ascii();
        let decimals = memchr::memchr(b'.', part).map_or(0, |dot| part.len() - dot - 1);
        decimals >= 3
            && std::str::from_utf8(part)
                .ok()
                .and_then(|text| text.parse::<f64>().ok())
                .is_some_and(|degrees| degrees.abs() <= 180.0)
            && !part.iter().any(u8::is_ascii_alphabetic)
    });
    all && count <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_forms_pass_and_likenesses_do_not() {
        let table: &[crate::classify::checks::Sample] = &[
            (email, "a.b+c@example.com", "icon@2x.png"),
            (email, "JO@empresa.com.br", "user@localhost"),
            (email, "x@y.museum", "@angular/core@17.0.1"),
            (phone, "(11) 2366-1740", "2026-03-04"),
            (phone, "+44 7400 833924", "12.345"),
            (phone_international, "+34612084506", "+99"),
            (ip, "192.0.2.1", "1.2.3.4.5"),
            (ip, "192.0.2.1, 10.0.0.1", "v1.2.3.4"),
            (ip, "2001:db8::1", "12:34"),
            (mac, "9E:15:80:6C:36:4F", "9E:15:80:6C:36"),
            (imei, "490154203237518", "490154203237519"),
            (user_agent, "Mozilla/5.0 (X11)", "application/json"),
            (coordinates, "GEO:39.543909;18.047091", "12.34"),
            (coordinates, "-162.1635", "1623.1635"),
            (postcode, "SW1A 1AA", "12.50"),
            (address, "59593 Wilson Trace", "true"),
        ];
        for (check, good, bad) in table {
            assert!(check(good.as_bytes()), "{good}");
            assert!(!check(bad.as_bytes()), "{bad}");
        }
    }
}
