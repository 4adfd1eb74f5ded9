//! Which credential a security scheme asks for.

use super::reference::Place;

/// What a request must bring, as documents say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// A token in `Authorization: Bearer`: `http` with `bearer`, `oauth2`, `openIdConnect`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// `Authorization` with another scheme.
    OtherHttp,
    /// A key in a header, a query parameter or a cookie.
    Key,
    /// A key in `Authorization`, which may look like anything.
    KeyInAuthorization,
    /// A client certificate.
    MutualTls,
}

impl Credential {
    /// What a scheme of OpenAPI or Swagger asks for; `None` when its type is not known.
    pub(super) fn of(scheme: &Place<'_>) -> Option<Self> {
        let is =
            |key: &str, value: &str| scheme.text(key).is_some_and(|text| text.eq_ignore_ascii_case(value));
        Some(match scheme.text("type")? {
            "http" if is("scheme", "basic") => Self::Basic,
            "http" if is("scheme", "bearer") => Self::Bearer,
            "http" => Self::OtherHttp,
            "basic" => Self::Basic,
            "oauth2" | "openIdConnect" => Self::Bearer,
            "apiKey" if is("in", "header") && is("name", "authorization") => Self::KeyInAuthorization,
            "apiKey" => Self::Key,
            "mutualTLS" => Self::MutualTls,
            _ => return None,
        })
    }

    /// Whether it is a scheme of HTTP that travels in `Authorization`.
    #[must_use]
    pub const fn is_in_authorization(self) -> bool {
        matches!(self, Self::Bearer | Self::Basic | Self::OtherHttp)
    }

    /// As it is said to people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Bearer => "a bearer token",
            Self::Basic => "Basic",
            Self::OtherHttp => "another scheme of HTTP",
            Self::Key => "a key",
            Self::KeyInAuthorization => "a key in Authorization",
            Self::MutualTls => "a client certificate",
        }
    }
}
