//! Findings: conclusions about an endpoint or caller, one for each subject, with evidence.
//!
//! A finding's id is a hash of its kind and subject, so that the same fact found again is the same
//! finding: it gains counts, not copies.

mod disposition;
mod kind;
mod register;
mod weight;

pub use crate::spec::DocumentPlace;
pub use disposition::{Disposition, Dispositions, State, is_id};
pub use kind::Kind;
pub use register::{Register, sort};
pub use weight::Context;

use crate::inventory::{EndpointId, EndpointKey};
use crate::time::Timestamp;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Mend it with the next change.
    Low,
    /// Plan its mending.
    Medium,
    /// Mend it soon.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// All severities, least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One conclusion about one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Hash of kind and subject: sixteen hexadecimal digits.
    pub id: String,
    /// What kind of conclusion: a snake-case word.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// The endpoint it is about, where there is one.
    pub endpoint: Option<EndpointId>,
    /// Host, method and template of the subject.
    pub host: String,
    /// The method; empty when the subject is a host.
    pub method: String,
    /// The path template.
    pub path_template: String,
    /// Which status, parameter or property; empty when the endpoint itself is the subject.
    pub detail: String,
    /// In words, without any value from traffic: what was seen and what was promised.
    pub explanation: String,
    /// Exchanges that show it.
    pub count: u64,
    /// Exchanges that could have shown it.
    pub of: u64,
    /// Distinct callers of the endpoint.
    pub callers: u64,
    /// First seen, on packet time; `None` for what was never seen.
    pub first_seen: Option<Timestamp>,
    /// Last seen.
    pub last_seen: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// The standards it touches: `OWASP-API9:2023`.
    pub references: Vec<&'static str>,
    /// Where to mend it: document, line and JSON pointer.
    pub document: Option<DocumentPlace>,
    /// What it weighs, 0 to 100; see [`Finding::weigh`].
    pub score: u64,
    /// The sum, part by part: `+10 data of tier 4`.
    pub reasons: Vec<String>,
    /// What somebody has decided on it.
    pub disposition: Option<Disposition>,
}

/// What a finding is about: a host, a path or a method of a path. What does not apply is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The host, lower case.
    pub host: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path template.
    pub path_template: &'a str,
}

impl Finding {
    /// The same about an endpoint that keeps an id it had before: so does the finding.
    pub fn keep_endpoint(&mut self, endpoint: EndpointId) {
        self.id = id_of(self.kind, endpoint, &self.detail);
        self.endpoint = self.endpoint.map(|_| endpoint);
    }

    /// A finding with its identity, to be filled with evidence.
    #[must_use]
    pub fn new(kind: Kind, severity: Severity, subject: Subject<'_>, detail: &str) -> Self {
        let key = EndpointKey {
            host: subject.host.to_owned(),
            method: subject.method.to_owned(),
            template: subject.path_template.to_owned(),
        };
        let endpoint = key.id();
        Self {
            id: id_of(kind, endpoint, detail),
            kind,
            severity,
            endpoint: (!subject.method.is_empty()).then_some(endpoint),
            host: key.host,
            method: key.method,
            path_template: key.template,
            detail: detail.to_owned(),
            explanation: String::new(),
            count: 0,
            of: 0,
            callers: 0,
            first_seen: None,
            last_seen: None,
            state: State::Open,
            references: kind.references().to_vec(),
            document: None,
            score: 0,
            reasons: Vec::new(),
            disposition: None,
        }
    }
}

/// A digest of what a finding is about.
fn id_of(kind: Kind, endpoint: EndpointId, detail: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [kind.name(), &endpoint.to_string(), detail] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let hash = hasher.finalize();
    let id = u64::from_be_bytes(*hash.as_bytes().first_chunk().expect("32 bytes hold eight"));
    format!("{id:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_kind_and_subject_whatever_the_parameters_are_called() {
        let id = |kind, path_template, detail| {
            Finding::new(kind, Severity::Info, Subject { host: "h", method: "GET", path_template }, detail).id
        };
        let first = id(Kind::UndocumentedStatus, "/a/{x}", "500");
        assert_eq!(first, id(Kind::UndocumentedStatus, "/a/{y}", "500"));
        assert_ne!(first, id(Kind::UndocumentedStatus, "/a/{x}", "404"));
        assert_ne!(first, id(Kind::UndocumentedMethod, "/a/{x}", "500"));
        assert_ne!(first, id(Kind::UndocumentedStatus, "/a/x", "500"));
        assert_eq!(first.len(), 16);
    }
}
