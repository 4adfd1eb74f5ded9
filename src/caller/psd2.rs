//! What a certificate says of a payment service provider (ETSI TS 119 495).
//!
//! Its roles and the authority that gave them are classes and may be written. The identifier of the organisation is
//! not: it becomes a keyed fingerprint.

use super::name::tlv;
use crate::secret::Fingerprint;

/// What a payment service provider may do (ETSI TS 119 495 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum TppRole {
    /// Keeps accounts: `PSP_AS`.
    AccountServicing,
    /// Initiates payments: `PSP_PI`.
    PaymentInitiation,
    /// Reads accounts: `PSP_AI`.
    AccountInformation,
    /// Issues cards: `PSP_IC`.
    CardIssuing,
}

impl TppRole {
    /// All roles, in the order of their numbers.
    pub const ALL: [Self; 4] =
        [Self::AccountServicing, Self::PaymentInitiation, Self::AccountInformation, Self::CardIssuing];

    /// The standard's name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountServicing => "psp_as",
            Self::PaymentInitiation => "psp_pi",
            Self::AccountInformation => "psp_ai",
            Self::CardIssuing => "psp_ic",
        }
    }
}

/// The provider that a certificate was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    roles: u8,
    /// The country and the authority that authorised it: `PSDDE-BAFIN`.
    pub authority: Option<Box<str>>,
    /// Its organisation identifier, keyed.
    pub organisation: Option<Fingerprint>,
}

impl Provider {
    /// A provider, unless nothing tells of one. `statements` are the certificate's `QCStatements`, `identifier` its
    /// organisation identifier in any case.
    pub(super) fn of(
        statements: Option<&[u8]>,
        identifier: Option<&str>,
        fingerprint: &dyn Fn(&[u8]) -> Fingerprint,
    ) -> Option<Self> {
        let (roles, authority) = statements.and_then(roles).unwrap_or_default();
        let authority = identifier.and_then(authority_of).or(authority);
        if roles == 0 && authority.is_none() {
            return None;
        }
        let organisation = identifier.map(|identifier| fingerprint(identifier.as_bytes()));
        Some(Self { roles, authority, organisation })
    }

    /// What it may do.
    pub fn roles(&self) -> impl Iterator<Item = TppRole> {
        TppRole::ALL.into_iter().filter(|role| self.roles & (1 << *role as u8) != 0)
    }
}

/// The authority in an organisation identifier `PSDDE-BAFIN-125314` (ETSI TS 119 495 section 5.2.1).
fn authority_of(identifier: &str) -> Option<Box<str>> {
    let identifier = identifier.to_ascii_uppercase();
    let rest = identifier.strip_prefix("PSD")?;
    let (country, rest) = rest.split_once('-')?;
    let (authority, number) = rest.split_once('-')?;
    authority_named(country, authority).filter(|_| !number.is_empty())
}

/// `PSDDE-BAFIN`, when country and authority are letters as the standard has them.
fn authority_named(country: &str, authority: &str) -> Option<Box<str>> {
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let good =
        country.len() == 2 && (2..=8).contains(&authority.len()) && letters(country) && letters(authority);
    good.then(|| format!("PSD{country}-{authority}").into())
}

/// The numbers of a statement of PSD2, `0.4.0.19495.2`, and of its roles, `0.4.0.19495.1.n`, in DER.
const STATEMENT: [u8; 6] = [4, 0, 0x81, 0x98, 0x27, 2];
const ROLE: [u8; 6] = [4, 0, 0x81, 0x98, 0x27, 1];
/// Statements, and roles of one, that are looked at.
const MAX_STATEMENTS: usize = 32;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 6;

/// The roles in `QCStatements`, and the authority that the statement names, `DE-BAFIN`.
fn roles(statements: &[u8]) -> Option<(u8, Option<Box<str>>)> {
    let mut statement = elements(sequence(statements)?).filter_map(|(tag, statement)| {
        let (kind, number, rest) = tlv(statement)?;
        (tag == SEQUENCE && kind == OBJECT_IDENTIFIER && number == STATEMENT).then_some(rest)
    });
    let (list, rest) = statement.find_map(|statement| {
        let (tag, list, rest) = tlv(sequence(statement)?)?;
        (tag == SEQUENCE).then_some((list, rest))
    })?;
    let mut found = 0;
    for (_, role) in elements(list) {
        let Some((OBJECT_IDENTIFIER, number, _)) = tlv(role) else { continue };
        if let Some(&[which @ 1..=4]) = number.strip_prefix(&ROLE) {
            found |= 1 << (which - 1);
        }
    }
    // The name of the authority, then its id.
    let id = tlv(rest).and_then(|(_, _, rest)| tlv(rest)).and_then(|(_, id, _)| std::str::from_utf8(id).ok());
    let authority = id.and_then(|id| id.split_once('-'));
    Some((found, authority.and_then(|(country, name)| authority_named(country, name))))
}

fn sequence(der: &[u8]) -> Option<&[u8]> {
    tlv(der).filter(|(tag, ..)| *tag == SEQUENCE).map(|(_, content, _)| content)
}

fn elements(mut content: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, element, rest) = tlv(content)?;
        content = rest;
        Some((tag, element))
    })
    .take(MAX_STATEMENTS)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::secret::{FingerprintKey, Purpose};
    use proptest::prelude::*;

    /// A value in DER.
    pub(in super::super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let length = match length {
            [0, short @ 0..=0x7f] => vec![short],
            [0, one] => vec![0x81, one],
            [high, low] => vec![0x82, high, low],
        };
        [&[tag], &length[..], content].concat()
    }

    /// Statements, that of PSD2 behind another.
    pub(in super::super) fn statements(roles: &[u8], authority: &str) -> Vec<u8> {
        let roles: Vec<u8> = roles
            .iter()
            .flat_map(|role| {
                let number = der(OBJECT_IDENTIFIER, &[&ROLE[..], &[*role]].concat());
                der(SEQUENCE, &[number, der(12, b"PSP_XX")].concat())
            })
            .collect();
        let info =
            [der(SEQUENCE, &roles), der(12, b"Some authority"), der(12, authority.as_bytes())].concat();
        let psd2 = [der(OBJECT_IDENTIFIER, &STATEMENT), der(SEQUENCE, &info)].concat();
        let other = der(SEQUENCE, &der(OBJECT_IDENTIFIER, &[4, 0, 0x8e, 0x46, 1, 1]));
        der(SEQUENCE, &[other, der(SEQUENCE, &psd2)].concat())
    }

    fn provider(statements: Option<&[u8]>, identifier: Option<&str>) -> Option<Provider> {
        let key = FingerprintKey::new([7; 32]);
        Provider::of(statements, identifier, &|value| key.fingerprint(Purpose::Caller, value))
    }

    #[test]
    fn roles_and_authority_are_classes() {
        let read = provider(Some(&statements(&[2, 3], "DE-BAFIN")), Some("psdde-bafin-125314")).unwrap();
        assert_eq!(read.roles().map(TppRole::name).collect::<Vec<_>>(), ["psp_pi", "psp_ai"]);
        assert_eq!(read.authority.as_deref(), Some("PSDDE-BAFIN"));
        assert!(read.organisation.is_some());
        let unnamed = provider(Some(&statements(&[4], "GB-FCA")), None).unwrap();
        assert_eq!((unnamed.authority.as_deref(), unnamed.organisation), (Some("PSDGB-FCA"), None));
    }

    #[test]
    fn an_identifier_that_is_not_as_the_standard_has_it_names_no_authority() {
        for identifier in
            ["VATDE-123", "PSDDE-BAFIN", "PSDDE-BAFIN-", "PSDD3-BAFIN-1", "PSDDE-B-1", "PSDDE-ANNABECKER-1"]
        {
            assert_eq!(provider(None, Some(identifier)), None, "{identifier}");
        }
        assert!(provider(Some(&statements(&[], "Anna Becker")), None).is_none());
    }

    proptest! {
        /// Arbitrary and damaged statements are survived.
        #[test]
        fn damaged_statements_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0_usize..80, with in any::<u8>()) {
            _ = provider(Some(&bytes), None);
            let mut damaged = statements(&[1, 2, 3, 4], "DE-BAFIN");
            if let Some(place) = damaged.get_mut(at) {
                *place = with;
            }
            _ = provider(Some(&damaged), None);
        }
    }
}
