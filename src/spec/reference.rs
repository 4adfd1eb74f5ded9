//! Files, places in them, and `$ref` from one place to another.
//!
//! A [`Place`] is a value together with where it stands, so that whatever is concluded from it can say where to
//! mend it. References lead within a file and across the files that were given; a URL is never fetched.

use super::descriptors::Symbols;
use super::node::{Members, Node};
use super::tree::Format;
use std::collections::BTreeMap;

/// How many references may follow one another before it counts as a loop.
const MAX_HOPS: usize = 32;

/// One file as it was given.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    pub(super) format: Format,
    pub(super) value: Node,
    /// Where its parts stand in the source of the descriptors that it was put from.
    pub(super) symbols: Option<Symbols>,
    /// How many lines of the file stand before the text, where it is a part of one.
    pub(super) lines_before: u32,
}

/// All files, by name.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
    by_name: BTreeMap<String, usize>,
}

impl Sources {
    pub(super) fn add(&mut self, source: Source) -> usize {
        let id = self.files.len();
        self.by_name.insert(normalise(&source.name), id);
        self.files.push(source);
        id
    }

    pub(super) fn files(&self) -> &[Source] {
        &self.files
    }

    pub(super) fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |source| &source.name)
    }

    pub(super) fn root(&self, file: usize) -> Option<Place<'_>> {
        let source = self.files.get(file)?;
        Some(Place { sources: self, file, value: &source.value, pointer: String::new() })
    }

    pub(super) fn at(&self, location: &Location) -> Option<Place<'_>> {
        let value = self.files.get(location.file)?.value.pointer(&location.pointer)?;
        Some(Place { sources: self, file: location.file, value, pointer: location.pointer.clone() })
    }

    /// Where `reference`, written in `file`, leads.
    pub(super) fn target(&self, file: usize, reference: &str) -> Result<Location, BadReference> {
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if path.is_empty() {
            file
        } else if path.contains("://") || path.starts_with("//") {
            return Err(BadReference::Remote);
        } else {
            let name = normalise(self.name(file));
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let name = normalise(&format!("{folder}/{}", percent_decoded(path)));
            *self.by_name.get(&name).ok_or(BadReference::NoFile)?
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return Err(BadReference::Anchor);
        }
        let root = &self.files.get(file).ok_or(BadReference::NoFile)?.value;
        for pointer in [fragment.to_owned(), percent_decoded(fragment)] {
            if root.pointer(&pointer).is_some() {
                return Ok(Location { file, pointer });
            }
        }
        Err(BadReference::NoTarget)
    }
}

/// Why a reference leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReference {
    #[error("leads to a URL, which is never fetched: give the file with the others and refer to it by path")]
    Remote,
    #[error("leads to a file that was not given: give it, or a folder that holds both")]
    NoFile,
    #[error("leads to a place that does not exist")]
    NoTarget,
    #[error("is an anchor, which is not followed: write a JSON pointer")]
    Anchor,
    #[error("leads back to itself")]
    Loop,
}

/// A place to come back to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    pub(super) file: usize,
    pub(super) pointer: String,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) sources: &'a Sources,
    pub(super) file: usize,
    pub(super) value: &'a Node,
    pub(super) pointer: String,
}

impl<'a> Place<'a> {
    pub(super) fn location(&self) -> Location {
        Location { file: self.file, pointer: self.pointer.clone() }
    }

    pub(super) fn object(&self) -> Option<&'a Members> {
        self.value.as_object()
    }

    /// The member `key` as it stands, a reference not followed.
    pub(super) fn raw(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key)?;
        Some(self.inside(value, key))
    }

    /// The member `key`, references followed; `None` as well when they lead nowhere.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.raw(key)?.followed().ok()
    }

    /// The members of the object here, references not followed.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, Self)> {
        self.value
            .as_object()
            .into_iter()
            .flat_map(Members::iter)
            .map(|(key, value)| (key, self.inside(value, key)))
    }

    /// The items of the array here, references not followed.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        self.value
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(n, value)| self.inside(value, &n.to_string()))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.value.get(key).and_then(Node::as_bool).unwrap_or_default()
    }

    fn inside(&self, value: &'a Node, key: &str) -> Self {
        let mut pointer = String::with_capacity(self.pointer.len() + key.len() + 1);
        pointer.push_str(&self.pointer);
        push_pointer(&mut pointer, key);
        Self { sources: self.sources, file: self.file, value, pointer }
    }

    /// Where the `$ref` here leads, one step.
    pub(super) fn step(&self) -> Option<Result<Self, BadReference>> {
        let reference = self.text("$ref")?;
        Some(
            self.sources
                .target(self.file, reference)
                .and_then(|location| self.sources.at(&location).ok_or(BadReference::NoTarget)),
        )
    }

    /// This place, or where its references lead in the end.
    pub(super) fn followed(self) -> Result<Self, BadReference> {
        let mut here = self;
        for _ in 0..MAX_HOPS {
            match here.step() {
                None => return Ok(here),
                Some(next) => here = next?,
            }
        }
        Err(BadReference::Loop)
    }
}

/// Visits every reference below `place`, but not those inside examples, which are data.
pub(super) fn references(place: &Place<'_>, visit: &mut dyn FnMut(&Place<'_>, &str)) {
    visit_references(place, false, visit);
}

fn visit_references(place: &Place<'_>, names: bool, visit: &mut dyn FnMut(&Place<'_>, &str)) {
    if !names && let Some(reference) = place.text("$ref") {
        visit(place, reference);
    }
    for (key, inner) in place.members() {
        if !inner.value.is_object() && !inner.value.is_array() {
            continue;
        }
        // Below these the keys are names that an author chose.
        let author =
            matches!(key, "properties" | "schemas" | "definitions" | "parameters" | "responses" | "paths");
        if !names
            && (key.starts_with("x-") || matches!(key, "example" | "examples" | "default" | "enum" | "const"))
        {
            continue;
        }
        visit_references(&inner, author && inner.value.is_object() && !names, visit);
    }
    for inner in place.items() {
        visit_references(&inner, false, visit);
    }
}

/// Appends a member to a JSON pointer (RFC 6901).
pub(crate) fn push_pointer(pointer: &mut String, key: &str) {
    pointer.push('/');
    for letter in key.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// A path without `.`, `..` and doubled slashes.
fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// Percent-encoding undone; what is no encoding stays.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%'
            && let Some((pair, tail)) = tail.split_first_chunk::<2>()
            && let Ok(pair) = std::str::from_utf8(pair)
            && let Ok(byte) = u8::from_str_radix(pair, 16)
        {
            bytes.push(byte);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sources(files: &[(&str, serde_json::Value)]) -> Sources {
        let mut sources = Sources::default();
        for (name, value) in files {
            sources.add(Source {
                name: (*name).to_owned(),
                text: Vec::new(),
                format: Format::Json,
                value: value.clone().into(),
                symbols: None,
                lines_before: 0,
            });
        }
        sources
    }

    #[test]
    fn references_lead_across_files_by_relative_path() {
        let sources = sources(&[
            ("api/v1/main.yaml", json!({"x": {"$ref": "../shared/types.yaml#/defs/a~1b"}})),
            ("./api/shared/types.yaml", json!({"defs": {"a/b": {"$ref": "#/defs/c%20d"}, "c d": 7}})),
        ]);
        let found = sources.root(0).unwrap().get("x").unwrap();
        assert_eq!((found.file, found.pointer.as_str(), found.value), (1, "/defs/c d", &json!(7).into()));
    }

    #[test]
    fn references_that_lead_nowhere_say_why() {
        let sources = sources(&[("a.yaml", json!({"loop": {"$ref": "#/loop"}}))]);
        for (reference, why) in [
            ("https://example.com/a.yaml#/x", BadReference::Remote),
            ("b.yaml#/x", BadReference::NoFile),
            ("#/nothing", BadReference::NoTarget),
            ("#name", BadReference::Anchor),
        ] {
            assert_eq!(sources.target(0, reference), Err(why), "{reference}");
        }
        assert_eq!(sources.root(0).unwrap().raw("loop").unwrap().followed().unwrap_err(), BadReference::Loop);
    }
}
