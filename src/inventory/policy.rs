//! Which policies answers state in their headers: on transport, content, framing, caches, other origins and limits.
//!
//! Counted are answers with success whose headers were all seen: a log cannot tell that a header was lacking. What is
//! kept is how many answers stated a policy, never a value.

use crate::anomaly::Anomaly;
use crate::merge::Merge;
use crate::transaction::{Completeness, Transaction};

/// A policy that an answer may state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// `Strict-Transport-Security` with a `max-age` above 0 (RFC 6797).
    Hsts,
    /// `Content-Security-Policy`, enforced.
    ContentSecurity,
    /// `X-Content-Type-Options: nosniff`.
    NoSniff,
    /// `X-Frame-Options`, or `frame-ancestors` of a `Content-Security-Policy`.
    FrameOptions,
    /// `Referrer-Policy`.
    ReferrerPolicy,
    /// `Cache-Control: no-store` (RFC 9111, 5.2.2.5).
    NoStore,
    /// Caches of many users may keep the answer: `public` or `s-maxage`, and neither `private` nor `no-store`.
    SharedCache,
    /// Scripts of any origin may read the answer: `Access-Control-Allow-Origin: *`.
    AnyOrigin,
    /// Scripts of other origins may call with the user's credentials: `Access-Control-Allow-Credentials: true`.
    CredentialsAcross,
    /// Limits of rate are told: `RateLimit`, `RateLimit-*`, `X-RateLimit-*`.
    RateLimit,
}

impl Policy {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 10] = [
        Self::Hsts,
        Self::ContentSecurity,
        Self::NoSniff,
        Self::FrameOptions,
        Self::ReferrerPolicy,
        Self::NoStore,
        Self::SharedCache,
        Self::AnyOrigin,
        Self::CredentialsAcross,
        Self::RateLimit,
    ];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hsts => "hsts",
            Self::ContentSecurity => "content_security",
            Self::NoSniff => "nosniff",
            Self::FrameOptions => "frame_options",
            Self::ReferrerPolicy => "referrer_policy",
            Self::NoStore => "no_store",
            Self::SharedCache => "shared_cache",
            Self::AnyOrigin => "any_origin",
            Self::CredentialsAcross => "credentials_across",
            Self::RateLimit => "rate_limit",
        }
    }

    /// As it is said to people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hsts => "`Strict-Transport-Security`",
            Self::ContentSecurity => "`Content-Security-Policy`",
            Self::NoSniff => "`X-Content-Type-Options: nosniff`",
            Self::FrameOptions => "`X-Frame-Options`",
            Self::ReferrerPolicy => "`Referrer-Policy`",
            Self::NoStore => "`Cache-Control: no-store`",
            Self::SharedCache => "leave for shared caches",
            Self::AnyOrigin => "leave for scripts of any origin",
            Self::CredentialsAcross => "leave for credentials across origins",
            Self::RateLimit => "limits of rate",
        }
    }

    /// Whether it protects; the others loosen.
    #[must_use]
    pub const fn protects(self) -> bool {
        !matches!(self, Self::SharedCache | Self::AnyOrigin | Self::CredentialsAcross)
    }
}

/// How many answers stated which policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PolicyFacts {
    /// Answers with success whose headers were seen.
    pub answers: u64,
    stated: [u64; Policy::ALL.len()],
}

impl PolicyFacts {
    /// Answers that stated a policy.
    #[must_use]
    pub fn stated(&self, policy: Policy) -> u64 {
        self.stated.get(policy as usize).copied().unwrap_or_default()
    }

    /// Counts an answer that states these.
    pub fn count(&mut self, stated: impl IntoIterator<Item = Policy>) {
        self.answers += 1;
        for policy in stated {
            if let Some(count) = self.stated.get_mut(policy as usize) {
                *count += 1;
            }
        }
    }
}

impl Merge for PolicyFacts {
    fn absorb(&mut self, other: Self) {
        self.answers.absorb(other.answers);
        for (mine, theirs) in self.stated.iter_mut().zip(other.stated) {
            mine.absorb(theirs);
        }
    }
}

/// Counts what the answer of an exchange states.
pub(super) fn read(exchange: &Transaction, facts: &mut Option<Box<PolicyFacts>>) {
    let seen = exchange.completeness != Completeness::Logged
        && exchange.call.is_none()
        && !exchange.anomalies.contains(Anomaly::UnknownFields);
    if !seen || !(200..300).contains(&exchange.response.status) {
        return;
    }
    let mut stated = Stated::default();
    for (name, value) in exchange.response.fields.iter() {
        stated.field(name, value.expose());
    }
    facts.get_or_insert_default().count(stated.all());
}

/// What one answer states.
#[derive(Default)]
struct Stated {
    /// A bit for each policy.
    policies: u16,
    public: bool,
    private: bool,
}

impl Stated {
    fn set(&mut self, policy: Policy, holds: bool) {
        self.policies |= u16::from(holds) << policy as u32;
    }

    fn has(&self, policy: Policy) -> bool {
        self.policies >> policy as u32 & 1 == 1
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let value = value.trim_ascii();
        match name.len() {
            25 if is("strict-transport-security") => self.set(Policy::Hsts, max_age(value) > 0),
            23 if is("content-security-policy") => {
                self.set(Policy::ContentSecurity, !value.is_empty());
                self.set(Policy::FrameOptions, memchr::memmem::find(value, b"frame-ancestors").is_some());
            }
            22 if is("x-content-type-options") => {
                self.set(Policy::NoSniff, value.eq_ignore_ascii_case(b"nosniff"));
            }
            15 if is("x-frame-options") => self.set(Policy::FrameOptions, !value.is_empty()),
            15 if is("referrer-policy") => self.set(Policy::ReferrerPolicy, !value.is_empty()),
            13 if is("cache-control") => self.cache(value),
            27 if is("access-control-allow-origin") => self.set(Policy::AnyOrigin, value == b"*"),
            32 if is("access-control-allow-credentials") => {
                self.set(Policy::CredentialsAcross, value.eq_ignore_ascii_case(b"true"));
            }
            9 if is("ratelimit") => self.set(Policy::RateLimit, true),
            10.. if name.get(..10).is_some_and(|front| front.eq_ignore_ascii_case(b"ratelimit-")) => {
                self.set(Policy::RateLimit, true);
            }
            12.. if [&b"x-ratelimit-"[..], b"x-rate-limit"]
                .iter()
                .any(|front| name.get(..12).is_some_and(|name| name.eq_ignore_ascii_case(front))) =>
            {
                self.set(Policy::RateLimit, true);
            }
            _ => {}
        }
    }

    fn cache(&mut self, value: &[u8]) {
        for directive in value.split(|byte| *byte == b',') {
            let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            self.set(Policy::NoStore, is("no-store"));
            self.public |= is("public") || is("s-maxage");
            self.private |= is("private");
        }
    }

    fn all(&self) -> impl Iterator<Item = Policy> {
        let shared = self.public && !self.private && !self.has(Policy::NoStore);
        Policy::ALL.into_iter().filter(move |policy| match policy {
            Policy::SharedCache => shared,
            Policy::Hsts
            | Policy::ContentSecurity
            | Policy::NoSniff
            | Policy::FrameOptions
            | Policy::ReferrerPolicy
            | Policy::NoStore
            | Policy::AnyOrigin
            | Policy::CredentialsAcross
            | Policy::RateLimit => self.has(*policy),
        })
    }
}

/// The seconds of `max-age`, 0 without one.
fn max_age(value: &[u8]) -> u64 {
    let directives = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let seconds = directives.filter_map(|directive| {
        let (name, seconds) = directive.split_at_checked(8)?;
        let seconds = seconds.trim_ascii().strip_prefix(b"\"").unwrap_or(seconds);
        name.eq_ignore_ascii_case(b"max-age=").then_some(seconds)
    });
    let digits = seconds.map(|text| text.iter().take_while(|byte| byte.is_ascii_digit()));
    let numbers = digits.map(|digits| {
        digits.fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    });
    numbers.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stated(fields: &[(&str, &str)]) -> Vec<&'static str> {
        let mut stated = Stated::default();
        for (name, value) in fields {
            stated.field(name.as_bytes(), value.as_bytes());
        }
        stated.all().map(Policy::name).collect()
    }

    #[test]
    fn policies_are_told_by_what_they_enforce() {
        for (name, value, expected) in [
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains", &["hsts"][..]),
            ("strict-transport-security", "includeSubDomains; Max-Age=\"60\"", &["hsts"]),
            ("Strict-Transport-Security", "max-age=0", &[]),
            ("Strict-Transport-Security", "includeSubDomains", &[]),
            ("Content-Security-Policy", "default-src 'none'", &["content_security"]),
            ("Content-Security-Policy", "frame-ancestors 'none'", &["content_security", "frame_options"]),
            ("Content-Security-Policy-Report-Only", "default-src 'none'", &[]),
            ("X-Content-Type-Options", "NoSniff", &["nosniff"]),
            ("X-Frame-Options", "DENY", &["frame_options"]),
            ("Referrer-Policy", "no-referrer", &["referrer_policy"]),
            ("Cache-Control", "no-cache, No-Store", &["no_store"]),
            ("Cache-Control", "public, max-age=60", &["shared_cache"]),
            ("Cache-Control", "s-maxage=60", &["shared_cache"]),
            ("Cache-Control", "max-age=60, private, s-maxage=60", &[]),
            ("Cache-Control", "public, no-store", &["no_store"]),
            ("Cache-Control", "max-age=60", &[]),
            ("Access-Control-Allow-Origin", "*", &["any_origin"]),
            ("Access-Control-Allow-Origin", "https://app.bank.example", &[]),
            ("Access-Control-Allow-Credentials", "true", &["credentials_across"]),
            ("RateLimit", "\"a\";r=5", &["rate_limit"]),
            ("RateLimit-Limit", "5", &["rate_limit"]),
            ("X-RateLimit-Remaining", "5", &["rate_limit"]),
            ("X-Rate-Limit-Limit", "5", &["rate_limit"]),
            ("Retry-After", "5", &[]),
        ] {
            assert_eq!(stated(&[(name, value)]), expected, "{name}: {value}");
        }
        assert_eq!(stated(&[("Cache-Control", "public"), ("cache-control", "no-store")]), ["no_store"]);
    }

    proptest! {
        #[test]
        fn any_header_is_survived(
            name in "(strict-transport-security|content-security-policy|cache-control|ratelimit-?[a-z]{0,3}|[a-z-]{0,40})",
            value in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut stated = Stated::default();
            stated.field(name.as_bytes(), &value);
            prop_assert!(stated.all().count() <= 3);
        }
    }
}
