//! An overlay (OpenAPI Overlay 1.0) that adds what was seen to a document that does not name it.
//!
//! Each path is one action on `$.paths`, which every tool knows, whose update is merged with what is there; the security
//! schemes that they need are the first action, on the document itself. Paths are written below the base path of the
//! document's server; one that none of its servers reaches brings servers of its own.

use super::security::Schemes;
use super::tree::Node;
use super::{METHODS, Path, servers};
use crate::classify::Classifier;
use crate::inventory::{Endpoint, nameless};
use crate::spec::{Document, DocumentSet, Operation};
use std::collections::{BTreeMap, BTreeSet};

/// An endpoint to add to a document.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// An operation that the document has for the same path, when only the method is new.
    pub beside: Option<&'a Operation>,
}

/// The overlay that adds these endpoints to a document of OpenAPI 3; `None` when OpenAPI has no word for any of them.
#[must_use]
pub fn overlay(
    additions: &[Addition<'_>],
    document: &Document,
    documents: &DocumentSet,
    classifier: &Classifier,
) -> Option<Node> {
    // Paths that are new, and those that get a method more, which have names for their parameters.
    let mut paths: BTreeMap<(String, Option<&str>), Vec<&Endpoint>> = BTreeMap::new();
    for addition in additions.iter().filter(|one| METHODS.contains(&one.endpoint.key.method.as_str())) {
        let key = addition.beside.map(|operation| operation.path.as_str());
        paths.entry((nameless(&addition.endpoint.key.template), key)).or_default().push(addition.endpoint);
    }
    let old = document.format.starts_with("3.0");
    let mut schemes = Schemes::beside_others(old);
    let mut ids: BTreeSet<String> =
        documents.operations().filter_map(|(_, operation)| operation.operation_id.clone()).collect();
    let mut actions = Vec::new();
    for ((_, beside), endpoints) in &paths {
        let first = endpoints.first()?;
        let mut path = Path::of(first);
        for endpoint in endpoints {
            path.take(endpoint);
        }
        let bases: BTreeSet<Option<String>> = endpoints
            .iter()
            .map(|one| documents.base_of(document, &one.key.host, &one.key.template))
            .collect();
        let mut base = bases.first().cloned().flatten().filter(|_| bases.len() == 1);
        if let Some(existing) = beside {
            // The names of its parameters count, and where it is served is said already.
            base = Some(path.rename(existing));
        }
        let whole = path.template.clone();
        let mut item = Node::map();
        match &base {
            Some(base) => {
                whole.strip_prefix(base.as_str()).unwrap_or(&whole).clone_into(&mut path.template);
            }
            None => item.set("servers", servers(endpoints)),
        }
        let parameters = path.parameters(classifier);
        if beside.is_none() && !parameters.is_empty() {
            item.set("parameters", parameters.clone());
        }
        let mut told = Vec::new();
        for (method, mut operation) in path.operations((&mut schemes, &mut ids), classifier) {
            if beside.is_some() {
                operation.extend("parameters", &parameters);
            }
            told.push(format!("{} {}", method.to_ascii_uppercase(), path.template));
            item.set(&method, operation);
        }
        let update = Node::map().with(&path.template, item);
        let action = Node::map().with("target", "$.paths").with("description", told.join(", "));
        actions.push(action.with("update", update));
    }
    if actions.is_empty() {
        return None;
    }
    let schemes = schemes.into_node();
    if !schemes.is_empty() {
        let components = Node::map().with("components", Node::map().with("securitySchemes", schemes));
        let action = Node::map().with("target", "$").with("description", "How requests proved who they are");
        actions.insert(0, action.with("update", components));
    }
    if old {
        actions.iter_mut().for_each(as_openapi_3_0);
    }
    let name = document.file.rsplit(['/', '\\']).next().unwrap_or(&document.file);
    let last = additions.iter().map(|one| one.endpoint.facts.last_seen).max()?;
    let info = Node::map()
        .with("title", format!("Endpoints that were seen and {name} does not name"))
        .with("version", last.date());
    let overlay = Node::map().with("overlay", "1.0.0").with("info", info);
    Some(overlay.with("actions", actions))
}

impl Path<'_> {
    /// Takes the names of parameters from a path of the document, and returns the base path in front of it.
    fn rename(&mut self, existing: &str) -> String {
        let own = self.template.matches('/').count();
        let theirs = existing.matches('/').count();
        let before = own.saturating_sub(theirs);
        let mut base = String::new();
        for segment in self.template.split('/').skip(1).take(before) {
            base.push('/');
            base.push_str(segment);
        }
        let names = existing.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
        let inside = self.parameters.iter_mut().filter(|one| one.segment >= before);
        for (parameter, name) in inside.zip(names) {
            name.clone_into(&mut parameter.name);
        }
        self.parameters.retain(|one| one.segment >= before);
        self.template = format!("{base}{existing}");
        base
    }
}

/// Writes schemas in the words of OpenAPI 3.0: one type, which may be `nullable`.
fn as_openapi_3_0(node: &mut Node) {
    match node {
        Node::Map(entries) => {
            let types =
                entries.iter().position(|(key, value)| key == "type" && matches!(value, Node::List(_)));
            if let Some(at) = types
                && let (_, Node::List(mut names)) = entries.remove(at)
            {
                let count = names.len();
                names.retain(|name| *name != Node::from("null"));
                let nullable = names.len() < count;
                // One type can be said; several cannot, so nothing is.
                if let ([_], Some(only)) = (names.as_slice(), names.first().cloned()) {
                    entries.insert(at, ("type".to_owned(), only));
                    if nullable {
                        entries.insert(at + 1, ("nullable".to_owned(), Node::from(true)));
                    }
                }
            }
            if let Some(only) =
                entries.iter_mut().find(|(key, value)| key == "type" && *value == Node::from("null"))
            {
                *only = ("nullable".to_owned(), Node::from(true));
            }
            for (_, value) in entries {
                as_openapi_3_0(value);
            }
        }
        Node::List(items) => items.iter_mut().for_each(as_openapi_3_0),
        Node::Null | Node::Flag(_) | Node::Number(_) | Node::Share(_) | Node::Text(_) => {}
    }
}
