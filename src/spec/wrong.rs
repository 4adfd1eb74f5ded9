//! Mistakes in a file that people write: met as JSON pointers, shown by line.

use super::lines::{dotted, lines_of};
use super::reference::push_pointer;
use super::tree::{self, Format, Tree};
use crate::problem::Problems;
use serde_json::Value;
use std::collections::BTreeMap;

/// The mistakes of a file on their way to the user: JSON pointers and what is wrong there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong(Vec<(String, String)>);

impl Wrong {
    /// Reads a file of at most `most` bytes, and what is wrong in it as a tree; or tells why there is none.
    pub(crate) fn open(file: &str, bytes: &[u8], most: usize) -> Result<(Tree<Value>, Self), Problems> {
        let mut problems = Problems::default();
        if bytes.len() > most {
            problems.push(file, "", format!("larger than the {} MiB that are read", most >> 20));
            return Err(problems);
        }
        match tree::read(bytes) {
            Ok(tree) => {
                let mut tree = tree.into_serde();
                let mut wrong = Self::default();
                wrong.of_tree(&mut tree);
                Ok((tree, wrong))
            }
            Err(unreadable) => {
                let place = unreadable.line.map(|line| format!("line {line}")).unwrap_or_default();
                problems.push(file, place, format!("is no YAML: {}", unreadable.message));
                Err(problems)
            }
        }
    }

    /// Takes in what is wrong with a tree whatever it is for.
    pub(crate) fn of_tree(&mut self, tree: &mut Tree<Value>) {
        for pointer in std::mem::take(&mut tree.duplicates) {
            self.push(pointer, "stands twice in its section; keep one");
        }
        if tree.more {
            self.push("", "more YAML documents follow `---`; the file must hold one");
        }
    }

    pub(crate) fn push(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push((pointer.into(), message.into()));
    }

    /// Adds a mistake at `pointer` unless `holds`.
    pub(crate) fn unless(&mut self, holds: bool, pointer: &str, rule: &str) {
        if !holds {
            self.push(pointer, rule);
        }
    }

    /// All of them in the order of the file, each with its line. Without a text the keys are the place.
    pub(crate) fn located(self, file: &str, text: Option<(&[u8], Format)>) -> Problems {
        let pointers = self.0.iter().map(|(pointer, _)| pointer.as_str());
        let lines = match text {
            Some((text, format)) if !self.0.is_empty() => lines_of(text, format, pointers),
            Some(_) | None => BTreeMap::new(),
        };
        let mut all: Vec<_> = self
            .0
            .into_iter()
            .map(|(pointer, message)| (lines.get(&pointer).copied().unwrap_or_default(), pointer, message))
            .collect();
        all.sort_by_key(|(line, ..)| *line);
        let mut problems = Problems::default();
        for (line, pointer, message) in all {
            let key = dotted(&pointer);
            let place = match (line, key.is_empty()) {
                (0, _) => key,
                (_, true) => format!("line {line}"),
                (_, false) => format!("line {line}, {key}"),
            };
            problems.push(file, place, message);
        }
        problems
    }
}

/// The pointer of what `pointer` has under `key`.
pub(crate) fn below(pointer: &str, key: &str) -> String {
    let mut pointer = pointer.to_owned();
    push_pointer(&mut pointer, key);
    pointer
}
