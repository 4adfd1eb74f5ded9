//! Findings: conclusions about an endpoint or caller, one for each subject, with evidence.
//!
//! A finding's id is a hash of its kind and subject, so that the same fact found again is the same
//! finding: it gains counts, not copies.

use crate::inventory::EndpointId;
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
    /// `open`, for now.
    pub state: &'static str,
    /// The standards it touches: `OWASP-API9:2023`.
    pub references: Vec<&'static str>,
    /// Where to mend it: document, line and JSON pointer.
    pub document: Option<DocumentPlace>,
}

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DocumentPlace {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1, where known.
    pub line: Option<u32>,
    /// The JSON pointer (RFC 6901).
    pub pointer: String,
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An endpoint that no document names.
    ShadowEndpoint,
}
