//! Who owns which API, and what is agreed on it: environment, exposure, service levels, retirement, compliance.
//!
//! All of it is told in a YAML file ([`Ownership::read`]): services by patterns of hosts, and paths below them. Each
//! property of an endpoint is that of the most specific rule that gives it: the host decides before the path, a name
//! before a pattern, more of a path before less; of equals the first in the file. So a path that has an owner of its own
//! keeps the exposure of its service.

mod read;

pub use read::fuzz;

use super::Endpoint;
use super::rulings::matches;
use crate::time::Timestamp;
use std::sync::Arc;

/// Who can reach an API by agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exposure {
    /// Only systems of the same organisation.
    Internal,
    /// Partners under contract.
    Partner,
    /// Anybody.
    Public,
}

impl Exposure {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Internal, Self::Partner, Self::Public];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Partner => "partner",
            Self::Public => "public",
        }
    }
}

/// The level of service that is agreed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceLevel {
    /// The share of calls, in percent, that must be answered without a fault of the server.
    pub availability: Option<f64>,
    /// The latency, in milliseconds, that 95 of 100 calls must not exceed.
    pub p95_ms: Option<u64>,
}

impl std::fmt::Display for ServiceLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let availability = self.availability.map(|share| format!("{share} % available"));
        let latency = self.p95_ms.map(|latency| format!("p95 {latency} ms"));
        let told: Vec<String> = availability.into_iter().chain(latency).collect();
        f.write_str(&told.join(", "))
    }
}

/// How an API is to be retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetirementPolicy {
    /// Days between the announcement of a sunset and the sunset, at least.
    pub notice_days: Option<u32>,
    /// Days without a call after which it is dormant.
    pub dormant_days: Option<u32>,
    /// When it will be gone.
    pub sunset: Option<Timestamp>,
}

/// What is told of an endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// Who owns it.
    pub owner: Option<Arc<str>>,
    /// The environment it runs in: `production`.
    pub environment: Option<Arc<str>>,
    /// Who can reach it by agreement.
    pub exposure: Option<Exposure>,
    /// The level of service that is agreed on.
    pub sla: Option<ServiceLevel>,
    /// How it is to be retired.
    pub retirement: Option<RetirementPolicy>,
    /// The rules it falls under: `psd2`, `pci-dss`.
    pub compliance: Option<Arc<[String]>>,
}

impl Claim {
    /// Takes over what is not told yet.
    fn complete(&mut self, other: &Self) {
        let Self { owner, environment, exposure, sla, retirement, compliance } = other;
        self.owner = self.owner.take().or_else(|| owner.clone());
        self.environment = self.environment.take().or_else(|| environment.clone());
        self.exposure = self.exposure.or(*exposure);
        self.sla = self.sla.or(*sla);
        self.retirement = self.retirement.or(*retirement);
        self.compliance = self.compliance.take().or_else(|| compliance.clone());
    }

    /// The tags of compliance.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        self.compliance.as_deref().unwrap_or_default()
    }
}

/// A segment of a pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Name(String),
    /// Any one segment.
    Any,
}

/// Which paths a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PathPattern {
    segments: Vec<Segment>,
    /// Whether all below belongs to it, too.
    below: bool,
}

impl PathPattern {
    fn fits(&self, template: &[&str]) -> bool {
        let long_enough = if self.below {
            template.len() >= self.segments.len()
        } else {
            template.len() == self.segments.len()
        };
        long_enough
            && self.segments.iter().zip(template).all(|(pattern, segment)| match pattern {
                Segment::Name(name) => name == segment,
                Segment::Any => true,
            })
    }

    /// More for what is more specific.
    fn rank(&self) -> (usize, usize, bool) {
        let names = self.segments.iter().filter(|segment| matches!(segment, Segment::Name(_))).count();
        (names, self.segments.len(), !self.below)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// A host or a pattern in which `*` stands for anything; `None` for every host.
    host: Option<String>,
    /// `None` for every path.
    path: Option<PathPattern>,
    claim: Claim,
}

/// More for what is more specific: by host, then by path.
type Rank = ((u8, usize), Option<(usize, usize, bool)>);

impl Rule {
    fn rank(&self) -> Rank {
        let host = match &self.host {
            None => (0, 0),
            Some(pattern) if pattern.contains('*') => (1, pattern.len()),
            Some(name) => (2, name.len()),
        };
        (host, self.path.as_ref().map(PathPattern::rank))
    }
}

/// After how many days what is called an endpoint's state of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Days from its first call for which an endpoint is new.
    pub new_days: u32,
    /// Days without a call after which it is dormant.
    pub dormant_days: u32,
}

impl Default for Spans {
    fn default() -> Self {
        Self { new_days: 7, dormant_days: 30 }
    }
}

/// What is told of all APIs. See the module's doc.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ownership {
    /// The most specific first.
    rules: Vec<Rule>,
    /// Services and paths, as they stand in the file.
    items: usize,
    spans: Spans,
}

impl Ownership {
    /// Whether nothing is told of any service.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many services and paths are told of.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items
    }

    /// After how many days an endpoint is no longer new, and dormant, unless its service says otherwise.
    #[must_use]
    pub const fn spans(&self) -> Spans {
        self.spans
    }

    /// Tells endpoints, which stand in the order of their keys, what is told of them.
    pub fn assign(&self, endpoints: &mut [Endpoint]) {
        if self.is_empty() {
            return;
        }
        let mut of_host: (Option<String>, Vec<&Rule>) = (None, Vec::new());
        for endpoint in endpoints {
            let host = &endpoint.key.host;
            if of_host.0.as_ref() != Some(host) {
                let for_host = |rule: &&Rule| rule.host.as_ref().is_none_or(|known| matches(known, host));
                of_host = (Some(host.clone()), self.rules.iter().filter(for_host).collect());
            }
            let segments: Vec<&str> =
                endpoint.key.template.split('/').filter(|segment| !segment.is_empty()).collect();
            let mut claim = Claim::default();
            for rule in &of_host.1 {
                if rule.path.as_ref().is_none_or(|path| path.fits(&segments)) {
                    claim.complete(&rule.claim);
                }
            }
            if claim != Claim::default() {
                endpoint.claim = Arc::new(claim);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::EndpointKey;
    use crate::inventory::facts::EndpointFacts;

    /// Owner, environment and exposure of each, as a line.
    fn told(text: &str, endpoints: &[(&str, &str)]) -> Vec<String> {
        let (ownership, problems) = Ownership::read("o.yaml", text.as_bytes());
        assert!(problems.is_empty(), "{problems}");
        let endpoint = |(host, template): &(&str, &str)| {
            let (host, template) = ((*host).to_owned(), (*template).to_owned());
            Endpoint::new(EndpointKey { host, template, method: "GET".into() }, EndpointFacts::default())
        };
        let mut endpoints: Vec<Endpoint> = endpoints.iter().map(endpoint).collect();
        ownership.assign(&mut endpoints);
        let line = |endpoint: &Endpoint| {
            let claim = &endpoint.claim;
            let owner = claim.owner.as_deref().unwrap_or("-");
            let environment = claim.environment.as_deref().unwrap_or("-");
            let exposure = claim.exposure.map_or("-", Exposure::name);
            format!("{owner} {environment} {exposure}")
        };
        endpoints.iter().map(line).collect()
    }

    #[test]
    fn each_property_is_that_of_the_most_specific_rule_that_gives_it() {
        let text = "environments:\n  production: ['*.bank.example']\n  staging: '*.stg.bank.example'\nservices:\n\
                    - {owner: everyone, exposure: internal}\n\
                    - hosts: ['*.bank.example']\n  owner: platform\n\
                    - hosts: api.bank.example\n  owner: accounts\n  exposure: partner\n  paths:\n\
                    \x20 - {path: /v1/payments/**, owner: payments}\n\
                    \x20 - {path: '/v1/{any}/status', owner: watchers}\n\
                    \x20 - {path: /v1/payments/open, exposure: public}\n";
        let found = told(
            text,
            &[
                ("api.bank.example", "/v1/accounts/{id}"),
                ("api.bank.example", "/v1/payments"),
                ("api.bank.example", "/v1/payments/open"),
                ("api.bank.example", "/v1/payments/status"),
                ("api.bank.example", "/v1/{id}/status"),
                ("api.bank.example", "/v1/{id}/status/more"),
                ("api.stg.bank.example", "/v1/payments"),
                ("{tenant}.bank.example", "/a"),
                ("other.example", "/a"),
            ],
        );
        let expected = [
            "accounts production partner",
            "payments production partner",
            "payments production public",
            "watchers production partner",
            "watchers production partner",
            "accounts production partner",
            "platform staging internal",
            "platform production internal",
            "everyone - internal",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_level_of_service_is_told_in_words() {
        for (availability, p95_ms, expected) in [
            (Some(99.95), Some(300), "99.95 % available, p95 300 ms"),
            (None, Some(20), "p95 20 ms"),
            (Some(99.0), None, "99 % available"),
        ] {
            assert_eq!(ServiceLevel { availability, p95_ms }.to_string(), expected);
        }
    }
}
