//! How requests proved who they are, as security schemes.

use super::Merged;
use super::tree::Node;
use crate::caller::{AuthScheme, is_key_header, is_key_parameter, is_session_cookie};
use crate::classify::evidence::Location;
use crate::inventory::facts::EndpointFacts;
use std::collections::BTreeMap;

/// The schemes that the operations of a document ask for.
#[derive(Debug, Default)]
pub(super) struct Schemes {
    known: BTreeMap<String, Node>,
    /// What stands before their names.
    prefix: &'static str,
    /// Whether the document has no word for mutual TLS.
    no_mutual_tls: bool,
}

impl Schemes {
    /// Schemes with names that those of a document do not have.
    pub(super) const fn beside_others(no_mutual_tls: bool) -> Self {
        Self { known: BTreeMap::new(), prefix: "seen.", no_mutual_tls }
    }

    pub(super) fn into_node(self) -> Node {
        Node::Map(self.known.into_iter().collect())
    }

    /// What an operation asks for: schemes that every request with a credential had go together, the others are
    /// alternatives. Where requests without any were answered with success, none is needed.
    pub(super) fn requirement(&mut self, operation: &Merged<'_>) -> Vec<Node> {
        let facts = &*operation.facts;
        let count = |scheme| facts.auth.get(&scheme).copied().unwrap_or_default();
        let proven = facts.requests.saturating_sub(count(AuthScheme::None));
        let mut always = Vec::new();
        let mut sometimes = Vec::new();
        for scheme in AuthScheme::ALL {
            if scheme == AuthScheme::None || count(scheme) == 0 {
                continue;
            }
            let Some(name) = self.add(scheme, facts) else { continue };
            if count(scheme) >= proven { always.push(name) } else { sometimes.push(name) }
        }
        let together = |names: &[&String]| {
            let mut one = Node::map();
            for name in names {
                one.set(name, Vec::new());
            }
            one
        };
        let always: Vec<&String> = always.iter().collect();
        let mut all: Vec<Node> = if sometimes.is_empty() && !always.is_empty() {
            vec![together(&always)]
        } else {
            sometimes.iter().map(|name| together(&[always.as_slice(), &[name]].concat())).collect()
        };
        let open = crate::compare::answered_without_credential(facts) > 0;
        if open && !all.is_empty() {
            all.push(Node::map());
        }
        all
    }

    /// The name of a scheme, which is added; `None` when nothing tells how it is sent.
    fn add(&mut self, scheme: AuthScheme, facts: &EndpointFacts) -> Option<String> {
        let http = |scheme: &str| Node::map().with("type", "http").with("scheme", scheme);
        let key =
            |place: &str, name: &str| Node::map().with("type", "apiKey").with("name", name).with("in", place);
        let (name, node) = match scheme {
            AuthScheme::None => return None,
            AuthScheme::MutualTls if self.no_mutual_tls => return None,
            AuthScheme::Bearer => ("bearer".to_owned(), http("bearer")),
            AuthScheme::Jwt => ("jwt".to_owned(), http("bearer").with("bearerFormat", "JWT")),
            AuthScheme::Basic => ("basic".to_owned(), http("basic")),
            AuthScheme::OtherScheme => ("authorization".to_owned(), key("header", "Authorization")),
            AuthScheme::MutualTls => ("mutual_tls".to_owned(), Node::map().with("type", "mutualTLS")),
            AuthScheme::ApiKey => {
                let fields = facts.fields.sorted();
                let header = fields.iter().find(|(place, name, _)| {
                    *place == Location::RequestHeader && is_key_header(name.as_bytes())
                });
                let query = facts.query.keys().find(|name| is_key_parameter(name.as_bytes()));
                let (place, name) = match (header, query) {
                    (Some((_, name, _)), _) => ("header", *name),
                    (None, Some(name)) => ("query", name.as_str()),
                    (None, None) => return None,
                };
                (format!("api_key.{}", plain(name)), key(place, name))
            }
            AuthScheme::Cookie => {
                let fields = facts.fields.sorted();
                let name = fields.iter().find_map(|(place, label, _)| {
                    let name = label.strip_prefix("cookie[")?.strip_suffix(']')?;
                    (*place == Location::RequestHeader
                        && is_session_cookie(name.as_bytes())
                        && !name.contains('{'))
                    .then_some(name)
                })?;
                (format!("cookie.{}", plain(name)), key("cookie", name))
            }
        };
        let name = format!("{}{name}", self.prefix);
        self.known.entry(name.clone()).or_insert(node);
        Some(name)
    }
}

/// A name as keys of components may be written.
fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect()
}
