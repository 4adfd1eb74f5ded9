//! The problems of one file on their way to the user, each with its line.

use super::lines;
use super::reference::Source;
use crate::problem::Problems;
use std::collections::BTreeMap;

/// How many problems of one file are told; the rest is counted.
pub(super) const MAX_PROBLEMS: usize = 100;

/// The problems of one file, until their lines are known.
#[derive(Default)]
pub(super) struct Told {
    all: Vec<(String, String)>,
    more: usize,
}

impl Told {
    pub(super) fn push(&mut self, pointer: String, message: &str) {
        if self.all.len() >= MAX_PROBLEMS {
            self.more += 1;
        } else if !self.all.iter().any(|(known, text)| *known == pointer && text == message) {
            self.all.push((pointer, message.to_owned()));
        }
    }

    pub(super) fn finish(self, source: &Source, problems: &mut Problems) {
        let pointers = self.all.iter().map(|(pointer, _)| pointer.as_str());
        let lines = if self.all.is_empty() {
            BTreeMap::new()
        } else {
            lines::lines_of(&source.text, source.format, pointers)
        };
        for (pointer, message) in self.all {
            let place = match lines.get(&pointer) {
                Some(line) if !pointer.is_empty() => {
                    format!("line {}, {pointer}", line.saturating_add(source.lines_before))
                }
                // What is wrong with a part of a file as a whole.
                Some(line) if source.lines_before > 0 => {
                    format!("line {}", line.saturating_add(source.lines_before))
                }
                _ => pointer,
            };
            problems.push(&source.name, place, message);
        }
        if self.more > 0 {
            problems.push(&source.name, "", format!("{} more problems like these", self.more));
        }
    }
}
