//! Certificates as TLS 1.2 sends them in the clear (RFC 5246 section 7.4.2), or TLS 1.3 under keys.
//!
//! Of a server's certificate its names are kept, as far as they are host names or an organisation's. A client's may
//! name a person: of it only who issued it and when it ends.

use super::fields::Fields;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// What is kept of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Certificate {
    /// The host or organisation that it names; `None` of a client's, and where it is neither.
    pub subject: Option<String>,
    /// The organisation, or for want of that the common name, that issued it.
    pub issuer: Option<String>,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether who issued it and whom it names are the same.
    pub self_issued: bool,
}

/// The longest name that is kept.
const MAX_NAME: usize = 128;

impl Certificate {
    /// The day it ends on: `2026-11-27`.
    #[must_use]
    pub fn last_day(&self) -> String {
        self.not_after.to_string().split('T').next().unwrap_or_default().to_owned()
    }

    /// Reads the first certificate of a message; `tls13` says in which form it is.
    pub(super) fn parse(body: &[u8], tls13: bool, of_client: bool) -> Option<Self> {
        let mut fields = Fields(body);
        if tls13 {
            fields.vector8()?;
        }
        let first = fields.vector24()?.vector24()?;
        let (_, certificate) = X509Certificate::from_der(first.0).ok()?;
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        let ends = certificate.validity().not_after.timestamp();
        let self_issued = subject == issuer;
        let common = || first_text(subject.iter_common_name()).filter(|name| is_host(name));
        Some(Self {
            subject: if of_client { None } else { common().or_else(|| organisation(subject)) },
            // Of a client that issued its own, the issuer is whom it names.
            issuer: (!of_client || !self_issued)
                .then(|| organisation(issuer))
                .flatten()
                .or_else(|| first_text(issuer.iter_common_name()).filter(|_| !of_client)),
            not_after: Timestamp::from_nanos(ends.saturating_mul(1_000_000_000)),
            self_issued,
        })
    }
}

fn organisation(name: &X509Name<'_>) -> Option<String> {
    first_text(name.iter_organization())
}

fn first_text<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::prelude::AttributeTypeAndValue<'a>>,
) -> Option<String> {
    let text = values.next()?.as_str().ok()?;
    let good = text.len() <= MAX_NAME && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

/// Whether a name reads like a host's, or like a pattern of hosts.
fn is_host(name: &str) -> bool {
    name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.*".contains(&byte))
}
