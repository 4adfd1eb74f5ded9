//! Who calls, and how they prove it: credentials become schemes, claims and keyed fingerprints.
//!
//! [`CallerReader`] looks at the headers, cookies and query of a request. A caller is whoever the strongest
//! credential stands for: a client certificate's subject, a JWT's issuer and client, a key, a user name, an
//! opaque token, a session cookie, and without any of these the client's address. A certificate counts when the source's
//! own log tells of it, or a header whose sender is believed; one that signs the message ([`banking`]) counts after it. The credential itself
//! stays in memory for a while, so that the next request with it costs one look-up; what leaves is its
//! keyed fingerprint, and the host name of a JWT's issuer. Who the client behind proxies is, [`TrustedProxies`] says.

pub mod banking;
mod certificate;
pub mod client;
mod jwt;
mod name;
mod psd2;
mod read;

pub use banking::{Banking, Dialect, Sign};
pub use client::{BadNetwork, Client, Forwarding, Network, TrustedProxies};
pub use psd2::{Provider, TppRole};
pub use read::{
    Caller, CallerReader, is_credential_parameter, is_key_header, is_key_parameter, is_session_cookie,
};

/// How a request authenticates, as far as the wire tells. Several may apply to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum AuthScheme {
    /// Nothing that looks like a credential.
    None,
    /// `Authorization: Bearer` with an opaque token (RFC 6750).
    Bearer,
    /// A JSON Web Token as bearer token (RFC 7519).
    Jwt,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// `Authorization` with another scheme: Digest, Signature, AWS4, DPoP, Negotiate.
    OtherScheme,
    /// A key in a header or query parameter named for it.
    ApiKey,
    /// A session cookie.
    Cookie,
    /// A client certificate, as a forwarded header or the log of whoever ended TLS tells.
    MutualTls,
}

impl AuthScheme {
    /// All schemes, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Bearer,
        Self::Jwt,
        Self::Basic,
        Self::OtherScheme,
        Self::ApiKey,
        Self::Cookie,
        Self::MutualTls,
    ];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Basic => "basic",
            Self::OtherScheme => "other",
            Self::ApiKey => "api_key",
            Self::Cookie => "cookie",
            Self::MutualTls => "mutual_tls",
        }
    }
}

/// The schemes that one request used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct SchemeSet(u8);

impl SchemeSet {
    /// Adds a scheme.
    pub const fn insert(&mut self, scheme: AuthScheme) {
        self.0 |= 1 << scheme as u8;
    }

    /// Whether a scheme is in.
    #[must_use]
    pub const fn contains(self, scheme: AuthScheme) -> bool {
        self.0 & (1 << scheme as u8) != 0
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The schemes, or [`AuthScheme::None`] when there are none.
    pub fn iter(self) -> impl Iterator<Item = AuthScheme> {
        let none = self.is_empty();
        AuthScheme::ALL
            .into_iter()
            .filter(move |scheme| self.contains(*scheme) || none && *scheme == AuthScheme::None)
    }
}
