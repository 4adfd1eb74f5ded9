//! Which dialect of open banking a request speaks, by its headers, and what they say of the call.
//!
//! Only names of headers are looked at, and the front of the path.

use crate::short;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// A dialect of open banking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Dialect {
    /// The headers of the Financial-grade API (FAPI): `x-fapi-…`.
    Fapi,
    /// The framework of the Berlin Group: `PSU-…`, `TPP-…`, `Consent-ID`.
    BerlinGroup,
    /// Open Banking of the United Kingdom: `x-jws-signature`, `/open-banking/v3.1/aisp/…`.
    UkObie,
}

impl Dialect {
    /// All dialects, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Fapi, Self::BerlinGroup, Self::UkObie];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fapi => "fapi",
            Self::BerlinGroup => "berlin_group",
            Self::UkObie => "uk_obie",
        }
    }
}

/// What the headers of a call say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Sign {
    /// The payment service user took part: `PSU-IP-Address`, `x-fapi-customer-ip-address`.
    PsuPresent,
    /// The call rests on a consent: `Consent-ID`.
    Consent,
    /// The message is signed: `Signature`, `x-jws-signature`.
    Signature,
}

impl Sign {
    /// All signs, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::PsuPresent, Self::Consent, Self::Signature];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PsuPresent => "psu_present",
            Self::Consent => "consent",
            Self::Signature => "signature",
        }
    }
}

/// What was found in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Banking {
    dialects: u8,
    signs: u8,
}

impl Banking {
    /// Whether nothing tells of open banking. A signature alone does not.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.dialects == 0
    }

    /// The dialects spoken.
    pub fn dialects(self) -> impl Iterator<Item = Dialect> {
        Dialect::ALL.into_iter().filter(move |dialect| self.speaks(*dialect))
    }

    /// What was said of the call.
    pub fn signs(self) -> impl Iterator<Item = Sign> {
        Sign::ALL.into_iter().filter(move |sign| self.has(*sign))
    }

    /// Whether something was said of the call.
    #[must_use]
    pub const fn has(self, sign: Sign) -> bool {
        self.signs & (1 << sign as u8) != 0
    }

    const fn speaks(self, dialect: Dialect) -> bool {
        self.dialects & (1 << dialect as u8) != 0
    }

    const fn speak(&mut self, dialect: Dialect) {
        self.dialects |= 1 << dialect as u8;
    }

    const fn say(&mut self, sign: Sign) {
        self.signs |= 1 << sign as u8;
    }

    /// Takes note of a header that is not empty.
    pub(super) fn header(&mut self, name: &[u8]) {
        let begins =
            |front: &[u8]| name.get(..front.len()).is_some_and(|part| part.eq_ignore_ascii_case(front));
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'x') if begins(b"x-fapi-") => {
                self.speak(Dialect::Fapi);
                if name.eq_ignore_ascii_case(b"x-fapi-customer-ip-address") {
                    self.say(Sign::PsuPresent);
                }
            }
            Some(b'x') if name.eq_ignore_ascii_case(b"x-jws-signature") => {
                self.speak(Dialect::UkObie);
                self.say(Sign::Signature);
            }
            Some(b'p') if begins(b"psu-") => {
                self.speak(Dialect::BerlinGroup);
                if name.eq_ignore_ascii_case(b"psu-ip-address") {
                    self.say(Sign::PsuPresent);
                }
            }
            Some(b't') if begins(b"tpp-") => self.speak(Dialect::BerlinGroup),
            Some(b'c') if name.eq_ignore_ascii_case(b"consent-id") => {
                self.speak(Dialect::BerlinGroup);
                self.say(Sign::Consent);
            }
            Some(b's') if name.eq_ignore_ascii_case(b"signature") => self.say(Sign::Signature),
            _ => {}
        }
    }

    /// Takes note of a path.
    pub(super) fn path(&mut self, path: &[u8]) {
        const BASE: &[u8] = b"/open-banking/v";
        static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(BASE));
        // Few paths hold so much as its middle.
        if !short::has_pair(path, b'n', b'-') {
            return;
        }
        let version = FINDER.find(path).and_then(|at| path.get(at + BASE.len()));
        if version.is_some_and(u8::is_ascii_digit) {
            self.speak(Dialect::UkObie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, headers: &[&str]) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut banking = Banking::default();
        for header in headers {
            banking.header(header.as_bytes());
        }
        banking.path(path.as_bytes());
        (banking.dialects().map(Dialect::name).collect(), banking.signs().map(Sign::name).collect())
    }

    #[test]
    fn dialects_are_told_by_their_headers() {
        for (path, headers, dialects, signs) in [
            ("/", &["X-Request-ID", "Accept"][..], &[][..], &[][..]),
            ("/", &["X-FAPI-Interaction-ID", "x-fapi-auth-date"], &["fapi"], &[]),
            ("/", &["x-fapi-customer-ip-address"], &["fapi"], &["psu_present"]),
            (
                "/v1/accounts",
                &[
                    "X-Request-ID",
                    "Consent-ID",
                    "PSU-IP-Address",
                    "Digest",
                    "Signature",
                    "TPP-Signature-Certificate",
                ],
                &["berlin_group"],
                &["psu_present", "consent", "signature"],
            ),
            ("/", &["PSU-ID"], &["berlin_group"], &[]),
            ("/open-banking/v3.1/pisp/payments", &["x-jws-signature"], &["uk_obie"], &["signature"]),
            ("/obie/open-banking/v4.0/aisp", &["x-fapi-financial-id"], &["fapi", "uk_obie"], &[]),
            ("/open-banking/view", &["Signature"], &[], &["signature"]),
        ] {
            assert_eq!(read(path, headers), (dialects.to_vec(), signs.to_vec()), "{path} {headers:?}");
        }
    }
}
