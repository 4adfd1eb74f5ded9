//! Distinguished names, in whatever form they are written, as one form that compares.
//!
//! ```text
//!  CN=tpp,O=Fin\2C Ltd,C=DE      RFC 4514, from the last part to the first
//!  C=DE, O=Fin\, Ltd, CN=tpp     the same read the other way, as older servers write it
//!  /C=DE/O=Fin, Ltd/CN=tpp       OpenSSL's one line
//! ```
//!
//! Servers write the same name in any of these, so that the order of its parts tells nothing: parts are sorted, names
//! of types become one spelling, and blanks and case are folded as RFC 4518 folds them for comparing, to the letters
//! that certificates hold. A name that no form fits is not read.

use std::borrow::Cow;

/// The longest name that is read, in bytes.
const MAX_NAME: usize = 8 << 10;
/// The most parts of a name.
const MAX_PARTS: usize = 64;

/// The type of organisation identifiers (ETSI EN 319 412-1).
const ORGANISATION_IDENTIFIER: &str = "organizationidentifier";

/// Types of attributes: number, short name, long name, in lower case. The first name is the one that is kept.
const TYPES: [(&str, &[&str]); 20] = [
    ("2.5.4.3", &["cn", "commonname"]),
    ("2.5.4.4", &["sn", "surname"]),
    ("2.5.4.5", &["serialnumber"]),
    ("2.5.4.6", &["c", "countryname"]),
    ("2.5.4.7", &["l", "localityname"]),
    ("2.5.4.8", &["st", "s", "stateorprovincename"]),
    ("2.5.4.9", &["street", "streetaddress"]),
    ("2.5.4.10", &["o", "organizationname"]),
    ("2.5.4.11", &["ou", "organizationalunitname"]),
    ("2.5.4.12", &["title", "t"]),
    ("2.5.4.15", &["businesscategory"]),
    ("2.5.4.17", &["postalcode"]),
    ("2.5.4.42", &["givenname", "gn", "g"]),
    ("2.5.4.97", &[ORGANISATION_IDENTIFIER, "oid.2.5.4.97"]),
    ("0.9.2342.19200300.100.1.1", &["uid", "userid"]),
    ("0.9.2342.19200300.100.1.25", &["dc", "domaincomponent"]),
    ("1.2.840.113549.1.9.1", &["emailaddress", "e", "email"]),
    ("1.3.6.1.4.1.311.60.2.1.1", &["jurisdictionl", "jurisdictionlocalityname"]),
    ("1.3.6.1.4.1.311.60.2.1.2", &["jurisdictionst", "jurisdictionstateorprovincename"]),
    ("1.3.6.1.4.1.311.60.2.1.3", &["jurisdictionc", "jurisdictioncountryname"]),
];

/// A name as it compares. What is in it was read from traffic and must not be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name(Vec<(Cow<'static, str>, String)>);

impl Name {
    /// Reads a name in any form; `None` when it is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if text.is_empty() || text.len() > MAX_NAME {
            return None;
        }
        let mut name = Self::default();
        let whole = if text.first() == Some(&b'/') { name.one_line(text) } else { name.parts(text) };
        whole?;
        name.finish()
    }

    /// A name of parts by their types' numbers, as a certificate has it.
    pub(super) fn of_parts(parts: impl Iterator<Item = (String, String)>) -> Option<Self> {
        let mut name = Self::default();
        for (kind, value) in parts.take(MAX_PARTS) {
            name.add(&kind, value.as_bytes());
        }
        name.finish()
    }

    /// A name that is a common name alone.
    pub(super) fn common(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_NAME {
            return None;
        }
        let mut name = Self::default();
        name.add("cn", text);
        name.finish()
    }

    /// The organisation identifier, folded.
    pub(super) fn organisation_identifier(&self) -> Option<&str> {
        self.0.iter().find(|(kind, _)| kind == ORGANISATION_IDENTIFIER).map(|(_, value)| value.as_str())
    }

    /// The bytes that two names share when they name the same.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in &self.0 {
            for part in [kind.as_bytes(), value.as_bytes()] {
                bytes.extend_from_slice(part);
                bytes.push(0);
            }
        }
        bytes
    }

    fn finish(mut self) -> Option<Self> {
        self.0.sort();
        (!self.0.is_empty()).then_some(self)
    }

    fn add(&mut self, kind: &str, value: &[u8]) {
        let value = folded(value);
        if value.is_empty() {
            return;
        }
        let kind = kind.to_ascii_lowercase();
        let known = TYPES.iter().find(|(oid, names)| *oid == kind || names.contains(&kind.as_str()));
        let kind = match known.and_then(|(_, names)| names.first()) {
            Some(name) => Cow::Borrowed(*name),
            None => Cow::Owned(kind.strip_prefix("oid.").unwrap_or(&kind).to_owned()),
        };
        self.0.push((kind, value));
    }

    /// OpenSSL's one line. A slash within a value is not escaped: a part begins where a type and `=` follow a slash.
    fn one_line(&mut self, text: &[u8]) -> Option<()> {
        let mut rest = text.strip_prefix(b"/")?;
        while !rest.is_empty() {
            let (kind, value) = split_kind(rest)?;
            let end = memchr::memchr_iter(b'/', value)
                .find(|at| value.get(at + 1..).is_some_and(|next| split_kind(next).is_some()))
                .unwrap_or(value.len());
            let (value, behind) = value.split_at_checked(end)?;
            if self.0.len() >= MAX_PARTS {
                return None;
            }
            self.add(kind, &unescaped(value));
            rest = behind.strip_prefix(b"/").unwrap_or_default();
        }
        Some(())
    }

    /// RFC 4514, and the forms before it: `;` for `,`, values between quotes, blanks around what separates.
    fn parts(&mut self, text: &[u8]) -> Option<()> {
        let mut rest = text;
        while !rest.trim_ascii().is_empty() {
            let (kind, value) = split_kind(rest.trim_ascii_start())?;
            let value = value.trim_ascii_start();
            let (mut quoted, mut escaped) = (false, false);
            let end = value.iter().position(|byte| {
                match *byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => quoted = !quoted,
                    b',' | b';' | b'+' if !quoted => return true,
                    _ => {}
                }
                false
            });
            let (value, behind) = value.split_at_checked(end.unwrap_or(value.len()))?;
            if quoted || self.0.len() >= MAX_PARTS {
                return None;
            }
            let value = value.trim_ascii_end();
            if let Some(der) = value.strip_prefix(b"#").and_then(hexadecimal) {
                self.add(kind, der_text(&der)?.as_bytes());
            } else {
                let inside = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
                self.add(kind, &unescaped(inside.unwrap_or(value)));
            }
            rest = behind.get(1..).unwrap_or_default();
        }
        Some(())
    }
}

/// Splits `type=value`; a type is a word or a number with points.
fn split_kind(text: &[u8]) -> Option<(&str, &[u8])> {
    let equals = memchr::memchr(b'=', text).filter(|at| *at <= 64)?;
    let (kind, value) = text.split_at_checked(equals)?;
    let kind = kind.trim_ascii();
    let good =
        !kind.is_empty() && kind.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte));
    Some((std::str::from_utf8(kind).ok().filter(|_| good)?, value.get(1..)?))
}

/// Takes away `\,`, `\2C` (RFC 4514 section 2.4) and `\xC3` (OpenSSL's one line).
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let digits = tail.strip_prefix(b"x").unwrap_or(tail);
        if let Some((byte, behind)) = digits
            .split_at_checked(2)
            .and_then(|(digits, behind)| Some((hexadecimal(digits)?.first().copied()?, behind)))
        {
            out.push(byte);
            rest = behind;
        } else if let Some((byte, behind)) = tail.split_first() {
            out.push(*byte);
            rest = behind;
        }
    }
    out
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

/// The text of a string in DER.
fn der_text(der: &[u8]) -> Option<String> {
    let (tag, content, _) = tlv(der)?;
    Some(string_of(tag, content))
}

/// A string of one of the types that certificates use, by its tag (X.680 section 8.6).
pub(super) fn string_of(tag: u8, content: &[u8]) -> String {
    match tag {
        // BMPString.
        30 => {
            let (units, _) = content.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16_lossy(&units)
        }
        // T61String is Latin-1 in practice.
        20 => content.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(content).into_owned(),
    }
}

/// Tag, content, and what follows, of a value in DER (X.690 section 8.1).
pub(super) fn tlv(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = input.split_first_chunk()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let bytes = usize::from(first & 0x7f);
        if !(1..=3).contains(&bytes) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(bytes)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A value as it compares: lower case, runs of blanks as one.
fn folded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).to_lowercase();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_the_same_in_every_form() {
        let name = Name::parse(b"CN=tpp.example,OU=A+2.5.4.97=PSDDE-BAFIN-125314,O=Fin\\2C L\\C3\\BCck,C=DE")
            .unwrap();
        for text in [
            "C=DE, O=Fin\\, L\u{fc}ck, OU=A, organizationIdentifier=PSDDE-BAFIN-125314, CN=tpp.example",
            "/C=DE/O=Fin, L\\xC3\\xBCck/OU=A/organizationIdentifier=PSDDE-BAFIN-125314/CN=tpp.example",
            "C = DE; O = \"Fin, L\u{fc}ck\"; OU = a; OID.2.5.4.97 = psdde-bafin-125314; CN = TPP.example",
            "cn=tpp.example,ou=A,2.5.4.97=#0C125053444445 2D",
            "CN=tpp.example,OU=A,2.5.4.97=#0C1250534444452D424146494E2D313235333134,O=Fin\\, L\\C3\\BCck,C=DE",
        ] {
            let other = Name::parse(text.as_bytes());
            assert_eq!(other.as_ref() == Some(&name), !text.contains(" 2D"), "{text}");
        }
        assert_eq!(name.organisation_identifier(), Some("psdde-bafin-125314"));
        let other = Name::parse(b"CN=tpp.example,OU=A,O=Fin\\, L\\C3\\BCck,C=AT").unwrap();
        assert_ne!(name.canonical(), other.canonical());
    }

    #[test]
    fn a_slash_in_a_value_does_not_end_it() {
        let name = Name::parse(b"/C=DE/O=A/B Ltd/CN=service/host").unwrap();
        assert_eq!(name, Name::parse(b"CN=service/host,O=A/B Ltd,C=DE").unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "tpp", "/", "/tpp", "CN", "CN=\"a", "=a", "C N=a"] {
            assert_eq!(Name::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Name::parse("CN=a,".repeat(80).as_bytes()), None);
        assert_eq!(Name::parse("x=".repeat(9_000).as_bytes()), None);
    }

    proptest! {
        /// Arbitrary bytes never panic, and a name read again from its own parts is the same.
        #[test]
        fn arbitrary_bytes_are_survived(text in "(/|)([A-Za-z.0-9 ]{0,4}=?[a-c\\\\\"#/,;+ =0-9]{0,8}[,/;+]?){0,6}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for input in [text.as_bytes(), &bytes] {
                if let Some(name) = Name::parse(input) {
                    let again = Name::of_parts(name.0.iter().map(|(kind, value)| (kind.to_string(), value.clone())));
                    prop_assert_eq!(again, Some(name));
                }
            }
        }
    }
}
