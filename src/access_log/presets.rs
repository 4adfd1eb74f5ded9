//! Layouts that are known by name: those of `signatures/logs/`, and any that a user adds.
//!
//! A preset is a YAML file, so that a format needs no Rust. Each brings lines that it must read; a test reads
//! them, and holds that detection tells the presets apart.

use super::fields::Scratch;
use super::layout::Layout;
use crate::problem::Problems;
use crate::transaction::Transaction;
use serde::Deserialize;
use std::sync::{Arc, OnceLock};

/// A known layout.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// How it is named on the command line: `aws_alb`.
    pub id: String,
    /// How people call it.
    pub title: String,
    pub(super) layout: Layout,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for those who read the file")]
    reference: String,
    format: String,
    #[serde(default)]
    examples: Vec<String>,
}

macro_rules! presets {
    ($($file:literal),* $(,)?) => {
        const BUILT_IN: &[(&str, &str)] =
            &[$(($file, include_str!(concat!("../../signatures/logs/", $file))),)*];
    };
}

presets!["aws_alb.yaml", "aws_elb.yaml", "envoy.yaml", "haproxy_http.yaml", "istio.yaml"];

/// The presets that are compiled in.
pub(super) fn built_in() -> &'static [Arc<Preset>] {
    static ALL: OnceLock<Vec<Arc<Preset>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let load = |(name, text): &(&str, &str)| Preset::load(name, text).expect("tests load every preset");
        BUILT_IN.iter().map(load).map(Arc::new).collect()
    })
}

impl Preset {
    /// Reads a preset's file. Its examples must be read by its format.
    pub fn load(name: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let file: File = match serde_norway::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.location().map(|at| format!("line {}", at.line())).unwrap_or_default();
                problems.push(name, line, error.to_string());
                return Err(problems);
            }
        };
        let layout = match Layout::compile(&file.format) {
            Ok(layout) => layout,
            Err(error) => {
                problems.push(name, "format", error.to_string());
                return Err(problems);
            }
        };
        let preset = Self { id: file.id, title: file.title, layout };
        for (number, example) in file.examples.iter().enumerate() {
            if let Err(reason) =
                preset.read(example.as_bytes(), &mut Scratch::default(), &mut Transaction::default())
            {
                problems.push(name, format!("examples[{number}]"), reason.to_string());
            }
        }
        problems.into_result(preset)
    }

    /// A layout that a user gives as a format string.
    pub fn of_format(format: &str) -> Result<Self, super::BadFormat> {
        let title = "access log of the given format".to_owned();
        Ok(Self { id: "given".to_owned(), title, layout: Layout::compile(format)? })
    }

    /// Reads a line, behind the tag of a syslog line if it has one.
    pub(super) fn read(
        &self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<(), super::BadReason> {
        let outcome = self.layout.parse(line, scratch, into);
        if outcome.is_ok() {
            return outcome;
        }
        let front = line.get(..line.len().min(MAX_TAG)).unwrap_or_default();
        match memchr::memmem::find(front, b"]: ").and_then(|at| line.get(at + 3..)) {
            Some(behind) => self.layout.parse(behind, scratch, into).or(outcome),
            None => outcome,
        }
    }
}

/// Bytes in which the tag of a syslog line ends.
const MAX_TAG: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::{LogFormat, detect};

    #[test]
    fn every_preset_reads_its_examples_and_is_told_from_the_others() {
        for (name, text) in BUILT_IN {
            let preset = Preset::load(name, text).unwrap();
            let file: File = serde_norway::from_str(text).unwrap();
            assert!(!file.examples.is_empty(), "{name} has no example");
            for example in &file.examples {
                match detect(example.as_bytes()) {
                    Some(LogFormat::Layout(found)) => assert_eq!(found.id, preset.id, "{example}"),
                    other => panic!("{name}: {other:?} for {example}"),
                }
            }
        }
    }

    #[test]
    fn a_broken_preset_is_told_with_its_place() {
        for (text, place) in [
            ("id: a\ntitle: b\nformats: c\n", "line 3"),
            ("id: a\ntitle: b\nformat: '$status'\n", "format"),
            ("id: a\ntitle: b\nformat: '$msec $request|$status'\nexamples: ['x']\n", "examples[0]"),
        ] {
            let told = Preset::load("mine.yaml", text).unwrap_err().to_string();
            assert!(told.starts_with("mine.yaml: ") && told.contains(place), "{told}");
        }
    }
}
