//! What documents say of operations that are called, and was never seen: the other side of a difference.
//!
//! None of it is a finding: a page that nobody turned and an error that never came are no drift.

use super::{Options, Seen};
use crate::inventory::{EndpointId, Inventory};
use crate::spec::{DocumentPlace, DocumentSet, Operation, ParameterIn, StatusPattern};
use std::collections::BTreeSet;

/// A part of a documented operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A query parameter.
    QueryParameter,
    /// A media type of requests.
    RequestMediaType,
    /// A status.
    Status,
    /// A media type of answers.
    ResponseMediaType,
}

impl Part {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryParameter => "query_param",
            Self::RequestMediaType => "request_media_type",
            Self::Status => "status",
            Self::ResponseMediaType => "response_media_type",
        }
    }
}

/// A part of an operation that is called, which a document names and nobody used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// The operation.
    pub endpoint: EndpointId,
    /// What it is.
    pub part: Part,
    /// Its name: `page`, `404`, `text/csv`.
    pub name: String,
    /// Where the document says so.
    pub place: DocumentPlace,
}

/// All such parts, by operation and name.
#[must_use]
pub fn unseen(inventory: &Inventory, documents: &DocumentSet) -> Vec<Unseen> {
    let mut all = Vec::new();
    for endpoint in &inventory.endpoints {
        let one = Seen::of(endpoint, documents, &Options::default());
        for (_, operation) in one.operations.iter().take(usize::from(endpoint.facts.requests > 0)) {
            let place = documents.place_of(operation);
            for (part, name) in parts(&one, operation, documents) {
                all.push(Unseen { endpoint: endpoint.id, part, name, place: place.clone() });
            }
        }
    }
    documents.find_lines(all.iter_mut().map(|one| &mut one.place));
    all
}

fn parts(one: &Seen<'_>, operation: &Operation, documents: &DocumentSet) -> BTreeSet<(Part, String)> {
    let facts = &one.endpoint.facts;
    let mut all = BTreeSet::new();
    let sent = |name: &str| {
        facts
            .query
            .keys()
            .any(|known| known == name || known.strip_prefix(name).is_some_and(|rest| rest.starts_with('[')))
    };
    // What is sent in parts, or may have any name, is no one parameter.
    let (_, any) = documents.query_names(operation);
    let query = operation.parameters.iter().filter(|one| one.location == ParameterIn::Query && !any);
    let query = query.filter(|one| !sent(&one.name) && facts.query_overflow == 0);
    all.extend(query.map(|one| (Part::QueryParameter, one.name.clone())));
    for media in operation.request_media().filter(|media| is_whole(media)) {
        if !facts.request_media.is_empty() && !facts.request_media.contains_key(media) {
            all.insert((Part::RequestMediaType, media.to_owned()));
        }
    }
    for (pattern, media) in operation.answers() {
        let StatusPattern::Exact(status) = pattern else { continue };
        if !facts.statuses.contains_key(&status) {
            all.insert((Part::Status, status.to_string()));
            continue;
        }
        let from = (status, String::new());
        let seen: Vec<&str> = facts
            .response_media
            .range(from..)
            .take_while(|((of, _), _)| *of == status)
            .map(|((_, name), _)| name.as_str())
            .collect();
        for media in media.filter(|media| is_whole(media) && !seen.is_empty() && !seen.contains(media)) {
            all.insert((Part::ResponseMediaType, format!("{status} {media}")));
        }
    }
    all
}

/// Whether a media type is one, not a range of them.
fn is_whole(media: &str) -> bool {
    media.contains('/') && !media.contains('*')
}
