//! How much a finding weighs: its kind, and what it is about.
//!
//! A sum of points, each with its reason: where the kind alone stands, and then the data that the endpoint carries,
//! whether it answers anybody, how many call it, and who may reach it: as its owner tells, or else whether its host is one
//! of an internal network. The sum may raise
//! the severity that the kind has by itself, never lower it: a drift where cards are answered to anybody is no detail.

use super::{Finding, Severity};
use crate::inventory::ownership::Exposure;

/// What a finding's endpoint or host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The highest tier of the data it is confirmed to carry, 0 to 4.
    pub tier: u8,
    /// Whether requests without any credential were answered with success.
    pub open: bool,
    /// Distinct callers.
    pub callers: u64,
    /// Who may reach it, where its owner tells.
    pub exposure: Option<Exposure>,
}

impl Context {
    /// What it is together with another endpoint of the same host.
    pub fn widen(&mut self, other: &Self) {
        self.tier = self.tier.max(other.tier);
        self.open |= other.open;
        self.callers = self.callers.max(other.callers);
        // Of what is told, the widest.
        self.exposure = self.exposure.max(other.exposure);
    }
}

/// Points between one severity and the next.
const BAND: i64 = 20;

impl Severity {
    /// Where a severity begins.
    const fn points(self) -> i64 {
        match self {
            Self::Info => 0,
            Self::Low => BAND,
            Self::Medium => 2 * BAND,
            Self::High => 3 * BAND,
            Self::Critical => 4 * BAND,
        }
    }

    /// The severity of so many points.
    fn of_points(points: i64) -> Self {
        Self::ALL.into_iter().rev().find(|one| points >= one.points()).unwrap_or(Self::Info)
    }
}

impl Finding {
    /// Adds up what it weighs, and raises its severity where that is more.
    pub fn weigh(&mut self, context: &Context) {
        let base = self.severity.points();
        let mut parts = vec![(base, format!("{} is {} by itself", self.kind.name(), self.severity.name()))];
        match context.tier {
            0..=2 => {}
            3 => parts.push((6, "data of tier 3".to_owned())),
            _ => parts.push((10, "data of tier 4".to_owned())),
        }
        if context.open {
            parts.push((6, "answers without a credential".to_owned()));
        }
        match context.callers {
            0..=9 => {}
            10..=99 => parts.push((2, "10 callers or more".to_owned())),
            _ => parts.push((4, "100 callers or more".to_owned())),
        }
        match context.exposure {
            Some(Exposure::Public) => parts.push((6, "public, as its owner tells".to_owned())),
            Some(Exposure::Partner) => {}
            Some(Exposure::Internal) => parts.push((-6, "internal, as its owner tells".to_owned())),
            None if is_internal(&self.host) => parts.push((-6, "a host of an internal network".to_owned())),
            None => {}
        }
        let sum = parts.iter().map(|(points, _)| points).sum::<i64>().clamp(base, 5 * BAND);
        self.severity = Severity::of_points(sum);
        self.score = sum.unsigned_abs();
        self.reasons = parts.into_iter().map(|(points, why)| format!("{points:+} {why}")).collect();
    }
}

/// Whether a host is of an internal network by its name or address (RFC 1918, RFC 4193, RFC 6762, RFC 8375 and what is
/// common).
fn is_internal(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return match address {
            std::net::IpAddr::V4(address) => {
                address.is_private() || address.is_loopback() || address.is_link_local()
            }
            std::net::IpAddr::V6(address) => {
                address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
            }
        };
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.is_empty()
        && (!host.contains('.')
            || matches!(last, "internal" | "local" | "lan" | "corp" | "intranet" | "svc" | "localhost"))
        || host.ends_with(".home.arpa")
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Subject};
    use super::*;

    #[test]
    fn the_sum_is_shown_and_raises_the_severity_but_never_lowers_it() {
        let weighed = |host: &str, severity, tier, open, callers| {
            let subject = Subject { host, method: "GET", path_template: "/a" };
            let mut finding = Finding::new(Kind::UndocumentedResponseProperty, severity, subject, "$.a");
            finding.weigh(&Context { tier, open, callers, exposure: None });
            (finding.severity, finding.score, finding.reasons)
        };
        let (low, medium) = (Severity::Low, Severity::Medium);
        let (severity, score, reasons) = weighed("api.bank.example", low, 4, true, 500);
        assert_eq!((severity, score), (medium, 40));
        let expected = [
            "+20 undocumented_response_property is low by itself",
            "+10 data of tier 4",
            "+6 answers without a credential",
            "+4 100 callers or more",
        ];
        assert_eq!(reasons, expected);
        assert_eq!(weighed("10.1.2.3", low, 4, true, 500).0, low, "an internal host weighs less");
        assert_eq!(weighed("10.1.2.3", low, 0, false, 0).1, 20, "but never less than its kind");
        assert_eq!(weighed("h.example", Severity::Critical, 4, true, 500).1, 100);
    }

    #[test]
    fn what_the_owner_tells_of_exposure_goes_before_the_name_of_the_host() {
        for (host, exposure, points, reason) in [
            ("api.bank.example", None, 46, None),
            ("api.bank.example", Some(Exposure::Public), 52, Some("+6 public, as its owner tells")),
            ("api.bank.example", Some(Exposure::Partner), 46, None),
            ("api.bank.example", Some(Exposure::Internal), 40, Some("-6 internal, as its owner tells")),
            ("api.corp", None, 40, Some("-6 a host of an internal network")),
            ("api.corp", Some(Exposure::Partner), 46, None),
            ("api.corp", Some(Exposure::Public), 52, Some("+6 public, as its owner tells")),
        ] {
            let subject = Subject { host, method: "GET", path_template: "/a" };
            let mut finding = Finding::new(Kind::ShadowEndpoint, Severity::Medium, subject, "");
            finding.weigh(&Context { tier: 3, exposure, ..Context::default() });
            assert_eq!(finding.score, points, "{host} {exposure:?}");
            assert_eq!(finding.reasons.get(2).map(String::as_str), reason, "{host} {exposure:?}");
        }
        let mut host = Context { exposure: Some(Exposure::Internal), ..Context::default() };
        host.widen(&Context { exposure: Some(Exposure::Partner), ..Context::default() });
        host.widen(&Context::default());
        assert_eq!(host.exposure, Some(Exposure::Partner));
    }

    #[test]
    fn internal_hosts_are_told_by_name_or_address() {
        for (host, expected) in [
            ("10.0.0.1", true),
            ("192.168.7.7", true),
            ("8.8.8.8", false),
            ("[::1]", true),
            ("[fd00::1]", true),
            ("db.corp", true),
            ("accounts", true),
            ("accounts.prod.svc", true),
            ("api.bank.example", false),
            ("", false),
        ] {
            assert_eq!(is_internal(host), expected, "{host}");
        }
    }
}
