//! Who calls, and how they prove it: credentials become schemes, claims and keyed fingerprints.

/// How a request authenticates, as far as the wire tells. Several may apply to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A client certificate, as a forwarded header tells.
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
