//! Files become documents, documents operations, operations routes.

use super::constraint::{self, Patterns};
use super::credential::Credential;
use super::descriptors::{Described, Descriptors};
use super::gateway::{self, Gateways};
use super::operation::{Generation, Reader};
use super::reference::{self, Place, Source};
use super::route::{RouteId, Router};
use super::told::Told;
use super::tree::{Format, Tree};
use super::{Document, DocumentSet, ParameterIn, full_template, tree};
use crate::problem::Problems;
use std::collections::{BTreeMap, BTreeSet};

/// How many bytes all files together may have; what comes after is told and left out.
const MAX_TOTAL_BYTES: usize = 256 << 20;

/// The files that were taken so far.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: usize,
}

impl Room {
    /// Whether a file has room beside those before it. One that has none is told.
    pub(super) fn takes(&mut self, name: &str, bytes: &[u8], problems: &mut Problems) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        let fits = self.bytes <= MAX_TOTAL_BYTES;
        if !fits {
            let message = format!("not read: the files together have more than {MAX_TOTAL_BYTES} bytes");
            problems.push(name, "", message);
        }
        fits
    }
}

impl DocumentSet {
    /// Reads `files`: names as the user gave them, and bytes. The same files in any order give the same set.
    #[must_use]
    pub fn load(files: Vec<(String, Vec<u8>)>) -> (Self, Problems) {
        Self::load_with(files, &Descriptors::default())
    }

    /// The same, with what descriptors tell.
    #[must_use]
    pub fn load_with(mut files: Vec<(String, Vec<u8>)>, descriptors: &Descriptors) -> (Self, Problems) {
        files.sort();
        let mut set = Self::default();
        let mut problems = Problems::default();
        let mut room = Room::default();
        for (name, bytes) in files {
            if !room.takes(&name, &bytes, &mut problems) {
                continue;
            }
            match tree::read(&bytes) {
                Ok(tree) if Gateways::may_read(&tree) => {
                    set.gateways.read(&name, &bytes, tree, &mut problems);
                }
                Ok(tree) => {
                    let mut told = Told::default();
                    for pointer in tree.duplicates {
                        told.push(pointer, "this key stands twice in its object; the last one counts");
                    }
                    if tree.more {
                        told.push(String::new(), "more YAML documents follow `---`; only the first is read");
                    }
                    let Tree { value, format, .. } = tree;
                    let source = Source { name, text: bytes, format, value, symbols: None, lines_before: 0 };
                    told.finish(&source, &mut problems);
                    set.sources.add(source);
                }
                Err(unreadable) => {
                    let place = unreadable.line.map(|line| format!("line {line}")).unwrap_or_default();
                    problems.push(&name, place, format!("not read: {}", unreadable.message));
                }
            }
        }
        for Described { name, value, symbols } in descriptors.documents.iter().cloned() {
            let (text, format) = (Vec::new(), Format::Json);
            let symbols = Some(symbols);
            set.sources.add(Source { name, text, format, value: value.into(), symbols, lines_before: 0 });
        }
        let referred = set.referred_files();
        for file in 0..set.sources.files().len() {
            set.read_document(file, referred.contains(&file), &mut problems);
        }
        set.build_routes(&mut problems);
        (set, problems)
    }

    /// Files that another one refers to: parts of documents need not be documents.
    fn referred_files(&self) -> BTreeSet<usize> {
        let mut referred = BTreeSet::new();
        for file in 0..self.sources.files().len() {
            let Some(root) = self.sources.root(file) else { continue };
            reference::references(&root, &mut |place, reference| {
                if let Ok(target) = place.sources.target(file, reference)
                    && target.file != file
                {
                    referred.insert(target.file);
                }
            });
        }
        referred
    }

    fn read_document(&mut self, file: usize, referred: bool, problems: &mut Problems) {
        let Self { sources, documents, operations, subtypes, key_parameters, credentials, gateways, .. } =
            self;
        let (Some(root), Some(source)) = (sources.root(file), sources.files().get(file)) else { return };
        let mut told = Told::default();
        let generation = generation(&root, referred, &mut told);
        if generation.is_some() || referred {
            reference::references(&root, &mut |place, reference| {
                if let Err(bad) = place.clone().followed() {
                    told.push(place.pointer.clone(), &format!("`{reference}` {bad}"));
                }
            });
        }
        if let Some((generation, format)) = generation {
            gateway::read_aws(&root, gateways, &mut told);
            let mut found = Reader {
                generation,
                root: root.clone(),
                odd: &mut |place, message| {
                    if place.file == file {
                        told.push(place.pointer.clone(), message);
                    }
                },
            }
            .operations();
            found.retain(|operation| !gateway::is_route_alone(&operation.path));
            let text =
                |key: &str| root.get("info").and_then(|info| info.text(key)).unwrap_or_default().to_owned();
            documents.push(Document {
                file: source.name.clone(),
                title: text("title"),
                version: text("version"),
                format: if source.symbols.is_some() { "protobuf".to_owned() } else { format },
                operations: found.len(),
                source: file,
            });
            operations.extend(found);
            let components = root.get("components");
            let schemes = components.as_ref().and_then(|all| all.get("securitySchemes"));
            for scheme in [schemes, root.get("securityDefinitions")].iter().flatten().flat_map(Place::members)
            {
                let (name, Ok(scheme)) = (scheme.0, scheme.1.followed()) else { continue };
                if scheme.text("type") == Some("apiKey") && scheme.text("in") == Some("query") {
                    let name = scheme.text("name").unwrap_or_default().to_owned();
                    key_parameters.entry(file).or_default().insert(name);
                }
                if let Some(known) = Credential::of(&scheme) {
                    credentials.insert((file, name.to_owned()), known);
                }
            }
        }
        let components = root.get("components").and_then(|all| all.get("schemas"));
        for holder in [components, root.get("definitions")].iter().flatten() {
            subtypes.read(holder);
        }
        told.finish(source, problems);
    }

    fn build_routes(&mut self, problems: &mut Problems) {
        let mut router = Router::default();
        let mut patterns = Patterns::default();
        let mut told: BTreeMap<usize, Told> = BTreeMap::new();
        // The first path that each document has for a route.
        let mut first: BTreeMap<(usize, RouteId), &str> = BTreeMap::new();
        for (n, operation) in self.operations.iter().enumerate() {
            for server in &operation.servers {
                let template = full_template(&server.base, &operation.path);
                let route = router.add(&template, &server.host, n, &mut |name| {
                    let parameter = operation
                        .parameters
                        .iter()
                        .find(|one| one.location == ParameterIn::Path && one.name == name)?;
                    let schema = self.parameter_schema(parameter)?;
                    constraint::of_schema(&schema, &mut patterns)
                });
                let known = *first.entry((operation.file, route)).or_insert(&operation.path);
                if known != operation.path {
                    let mut pointer = String::from("/paths");
                    reference::push_pointer(&mut pointer, &operation.path);
                    let message =
                        format!("the same path as `{known}` but for the names of parameters or a slash");
                    told.entry(operation.file).or_default().push(pointer, &message);
                }
            }
        }
        for (file, told) in told {
            if let Some(source) = self.sources.files().get(file) {
                told.finish(source, problems);
            }
        }
        self.router = router;
    }
}

/// Which generation a document is of and what it calls itself; `None`, and told, when it is no document.
fn generation(root: &Place<'_>, referred: bool, told: &mut Told) -> Option<(Generation, String)> {
    let version = |key: &str| root.value.get(key)?.word();
    match (version("openapi"), version("swagger")) {
        (Some(text), _) if text.starts_with('3') => Some((Generation::OpenApi3, text)),
        (_, Some(text)) if text.starts_with('2') => Some((Generation::Swagger2, text)),
        (Some(text), _) | (None, Some(text)) => {
            told.push(String::new(), &format!("version `{text}` is not read: Swagger 2.0 and OpenAPI 3 are"));
            None
        }
        (None, None) => {
            if !referred {
                told.push(
                    String::new(),
                    "skipped: neither `openapi` nor `swagger` at its top, no catalogue of a gateway, and nothing refers to it",
                );
            }
            None
        }
    }
}
