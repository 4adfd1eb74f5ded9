//! The inventory: which endpoints there are and what is known of each.
//!
//! [`Endpoint`] is what leaves: an identity and the merged facts. Its id is a hash of method, host and
//! template, so that the same endpoint has the same id in every run and on every sensor; one whose template is refined
//! keeps the id it had, see [`lineage`].

mod by_address;
pub mod calls;
pub mod capability;
pub mod changes;
pub mod collector;
pub mod delta;
pub mod dialogue;
pub mod facts;
pub mod history;
pub mod inspect;
pub mod learner;
pub mod lifecycle;
pub mod lineage;
#[cfg(test)]
mod made_up;
pub mod operations;
pub mod ownership;
mod parameter;
pub mod policy;
pub mod privacy;
mod query_names;
mod retirement;
pub mod rulings;
mod running;
pub mod service;
pub mod sketch;
pub mod standing;
pub mod vantage;
pub mod versions;

use crate::time::Timestamp;
use facts::EndpointFacts;
use lineage::Former;
pub use parameter::Parameter;
use std::fmt;
use std::sync::Arc;
use versions::{VersionKey, VersionUse};

/// What names an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey {
    /// Lower case, without port; empty when no exchange named one.
    pub host: String,
    /// The path template: `/accounts/{accountId}/balances`.
    pub template: String,
    /// The method as sent.
    pub method: String,
}

impl EndpointKey {
    /// The id of an endpoint that has this for its first template: sixteen hexadecimal digits of BLAKE3 over method, host and
    /// template, with parameter names left out, so that renaming a parameter keeps the id.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.method, &self.host] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        hasher.update(nameless(&self.template).as_bytes());
        EndpointId(u64::from_be_bytes(
            *hasher.finalize().as_bytes().first_chunk().expect("32 bytes hold eight"),
        ))
    }
}

/// A template without the names of its parameters: `/accounts/{}/balances`.
#[must_use]
pub fn nameless(template: &str) -> String {
    let mut bare = String::with_capacity(template.len());
    let mut inside = false;
    for letter in template.chars() {
        match letter {
            '{' => inside = true,
            '}' => {
                inside = false;
                bare.push_str("{}");
            }
            _ if inside => {}
            _ => bare.push(letter),
        }
    }
    bare
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.template)
    }
}

/// The stable id of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u64);

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What kind of thing answers under an endpoint's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointClass {
    /// An operation of an API.
    Api,
    /// A file: script, style sheet, picture, document.
    Static,
    /// What a scanner asked for.
    Scanner,
    /// CORS preflights and other `OPTIONS`.
    Preflight,
    /// A health or liveness check.
    Health,
    /// No evidence that it is there: only 404, 405 and their like were answered, or nothing.
    Unknown,
}

impl EndpointClass {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Static => "static",
            Self::Scanner => "scanner",
            Self::Preflight => "preflight",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }
}

/// One endpoint as of a snapshot.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The stable id: that of the oldest template it had.
    pub id: EndpointId,
    /// What names it.
    pub key: EndpointKey,
    /// What kind of thing it is.
    pub class: EndpointClass,
    /// The documents' route it matches, as the document set numbers them: a path, whatever the method.
    pub route: Option<u32>,
    /// The answers, as far as they say that it exists.
    pub liveness: learner::Liveness,
    /// How sure the learner is of the template, 0 to 1; 1 when a document gave it.
    pub confidence: f32,
    /// The business capability its path names: `accounts`, `payments`.
    pub capability: String,
    /// The parameters of its template, from the front.
    pub parameters: Vec<Parameter>,
    /// Its earlier templates, the oldest first.
    pub former: Vec<Former>,
    /// Everything counted.
    pub facts: EndpointFacts,
    /// Its names at the vantages it was seen at, the outermost first; empty where vantages are not told apart.
    pub hops: Vec<vantage::Hop>,
    /// The service that its host is a name of.
    pub service: Arc<service::Service>,
    /// What of its path is in front of the service's own: a stage, a gateway's prefix.
    pub base_path: String,
    /// The id that all versions of this operation share.
    pub family: String,
    /// The versions it was called in, that of its path first.
    pub versions: Vec<(VersionKey, VersionUse)>,
    /// What operators tell of it.
    pub claim: Arc<ownership::Claim>,
    /// Where in its life it is, once that is judged.
    pub lifecycle: Option<Box<lifecycle::Lifecycle>>,
}

impl Endpoint {
    /// An operation of an API of which no more than this is known.
    pub(crate) fn new(key: EndpointKey, facts: EndpointFacts) -> Self {
        Self {
            id: key.id(),
            key,
            class: EndpointClass::Api,
            route: None,
            liveness: learner::Liveness::default(),
            confidence: 1.0,
            capability: String::new(),
            parameters: Vec::new(),
            former: Vec::new(),
            facts,
            hops: Vec::new(),
            service: Arc::default(),
            base_path: String::new(),
            family: String::new(),
            versions: Vec::new(),
            claim: Arc::default(),
            lifecycle: None,
        }
    }
}

/// The inventory as of a snapshot: endpoints by host, template and method, and the span it rests on.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// All endpoints, sorted by key.
    pub endpoints: Vec<Endpoint>,
    /// The earliest and latest exchange, when there was one.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Clients that ask mostly for what is not there, by address.
    pub scanners: Vec<learner::ScannerSource>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_parameter_keeps_the_id() {
        let key = |template: &str| EndpointKey {
            host: "api.example".into(),
            method: "GET".into(),
            template: template.into(),
        };
        assert_eq!(key("/a/{id}/b").id(), key("/a/{accountId}/b").id());
        assert_ne!(key("/a/{id}/b").id(), key("/a/{id}/c").id());
        assert_ne!(key("/a/{id}").id(), key("/a/id").id());
    }
}
