//! All formats of lines that are known, and which of them a log is.
//!
//! Every line of a log's begin is read as every format; the log is what reads the most of them. Of formats that read
//! the same lines the one that knows more of them is meant: a preset rather than the names of fields alone. Which one
//! is found depends on the bytes only.

use super::columns::{self, Columns};
use super::fields::Scratch;
use super::presets::{Preset, any_clock, built_in};
use super::{BadReason, LogFormat, combined, instant, json_lines};
use crate::problem::Problems;
use crate::transaction::Transaction;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// The presets that are known. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue(Arc<[Arc<Preset>]>);

/// Lines looked at: a log may begin with some that are not its own.
const LINES: usize = 200;
/// Those of them that are JSON, which cost more.
const JSON_LINES: usize = 64;
/// Lines of each format from which it is told how much of them it knows.
const KNOWN_LINES: u64 = 8;

impl Default for Catalogue {
    fn default() -> Self {
        static BUILT_IN: OnceLock<Catalogue> = OnceLock::new();
        BUILT_IN.get_or_init(|| Self(built_in().into())).clone()
    }
}

impl Catalogue {
    /// The presets that are compiled in, and others, which replace those of the same id and come first where two fit.
    #[must_use]
    pub fn with(presets: impl IntoIterator<Item = Preset>) -> Self {
        let mut all: Vec<Arc<Preset>> = presets.into_iter().map(Arc::new).collect();
        let own: BTreeSet<String> = all.iter().map(|preset| preset.id.clone()).collect();
        all.extend(built_in().iter().filter(|preset| !own.contains(&preset.id)).cloned());
        Self(all.into())
    }

    /// The format with this name on the command line.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<LogFormat> {
        let preset = self
            .0
            .iter()
            .find(|preset| preset.id == name)
            .map(|preset| LogFormat::Layout(Arc::clone(preset)));
        preset.or_else(|| LogFormat::of_its_own(name))
    }

    /// The names of all formats.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = LogFormat::of_their_own().collect();
        names.extend(self.0.iter().map(|preset| preset.id.as_str()));
        names
    }

    /// How many presets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Formats whose records are lines, in the order in which they are tried.
    pub(super) fn of_lines(&self) -> impl Iterator<Item = LogFormat> + '_ {
        let presets = self.0.iter().map(|preset| LogFormat::Layout(Arc::clone(preset)));
        presets.chain([LogFormat::Columns, LogFormat::Combined, LogFormat::JsonLines])
    }

    /// Tells by its first bytes which format of lines a log has.
    pub(super) fn detect_lines(&self, start: &[u8]) -> Option<LogFormat> {
        let mut candidates: Vec<Candidate> = self.of_lines().map(Candidate::new).collect();
        let mut looking = Looking::default();
        let mut json = 0;
        for line in whole_lines(start).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(LINES) {
            let within = if instant::is_of_docker(line) { instant::behind_tag(line) } else { None };
            let is_json = within.as_deref().unwrap_or(line).starts_with(b"{");
            json += usize::from(is_json);
            if is_json && json > JSON_LINES {
                continue;
            }
            // Names of fields are asked only where no map knows the line.
            let mut mapped = false;
            for candidate in &mut candidates {
                let last_resort = candidate.format == LogFormat::JsonLines;
                if is_json && (!candidate.format.is_json() || last_resort && mapped) {
                    continue;
                }
                mapped |= candidate.look(line, &mut looking) && candidate.format.is_json();
            }
        }
        let best = |among: &dyn Fn(&LogFormat) -> bool| {
            let fitting =
                candidates.iter().enumerate().filter(|(_, found)| found.read > 0 && among(&found.format));
            fitting.max_by_key(|(place, found)| {
                (found.read + found.aside, found.knows, std::cmp::Reverse(*place))
            })
        };
        let (_, found) = best(&|_| true)?;
        if found.format == LogFormat::JsonLines {
            // It reads what a map reads, so that the map must come first; it is tried for the others.
            let map = best(&|format| format.is_json() && *format != LogFormat::JsonLines);
            return Some(map.map_or(LogFormat::JsonLines, |(_, map)| map.format.clone()));
        }
        Some(found.format.clone())
    }

    /// Runs every preset's examples: each must be told as that preset, by content, among all of them.
    #[must_use]
    pub fn self_test(&self) -> Problems {
        let mut problems = Problems::default();
        for preset in &*self.0 {
            if preset.examples().is_empty() {
                problems.push(
                    &preset.id,
                    "examples",
                    "are missing: without one nothing holds the format to its lines",
                );
            }
            for (number, example) in preset.examples().iter().enumerate() {
                let told = match super::detect_among(example.as_bytes(), self) {
                    Some(LogFormat::Layout(found)) if found.id == preset.id => continue,
                    Some(other) => format!("is told as `{}`, which knows as much of it", other.id()),
                    None => "is told as no format".to_owned(),
                };
                problems.push(&preset.id, format!("examples[{number}]"), told);
            }
        }
        problems
    }
}

/// The lines of the begin of a log; the last one only where it may be whole.
fn whole_lines(start: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = if start.len() >= super::DETECT_BYTES { memchr::memrchr(b'\n', start) } else { None };
    start.get(..end.unwrap_or(start.len())).unwrap_or_default().split(|byte| *byte == b'\n')
}

/// What lines are read into that are only looked at.
struct Looking {
    scratch: Scratch,
    columns: Columns,
    into: Transaction,
}

impl Default for Looking {
    fn default() -> Self {
        let scratch = Scratch::with_clock(any_clock());
        Self { scratch, columns: Columns::default(), into: Transaction::default() }
    }
}

/// A format that a log may have.
struct Candidate {
    format: LogFormat,
    /// Lines that it reads.
    read: u64,
    /// Lines that are its own and count for nothing.
    aside: u64,
    /// How much it knows of the first of them.
    knows: usize,
}

impl Candidate {
    const fn new(format: LogFormat) -> Self {
        Self { format, read: 0, aside: 0, knows: 0 }
    }

    /// Whether the line is one of this format.
    fn look(&mut self, line: &[u8], looking: &mut Looking) -> bool {
        let Looking { scratch, columns, into } = looking;
        match self.format.read_line(line, columns, scratch, into) {
            Ok(true) => {
                self.read += 1;
                if let LogFormat::Layout(preset) = &self.format
                    && self.read <= KNOWN_LINES
                {
                    self.knows += preset.knows(line);
                }
                true
            }
            // Columns that are named and known tell the format before any line is there.
            Ok(false) if self.format == LogFormat::Columns && columns.known() => {
                self.read += 1;
                true
            }
            Ok(false) => {
                self.aside += 1;
                true
            }
            Err(_) => false,
        }
    }
}

impl LogFormat {
    /// Whether its lines are JSON objects.
    fn is_json(&self) -> bool {
        match self {
            Self::JsonLines => true,
            Self::Layout(preset) => preset.is_json(),
            Self::Har
            | Self::SpansJson
            | Self::SpansProtobuf
            | Self::Recording(_)
            | Self::Combined
            | Self::Columns => false,
        }
    }

    /// Reads one line of a log; `Ok(false)` when it tells of no exchange and is meant to.
    pub(super) fn read_line(
        &self,
        line: &[u8],
        columns: &mut Columns,
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<bool, BadReason> {
        match self {
            Self::Combined => tagged(combined::parse, line, scratch, into),
            Self::JsonLines => tagged(json_lines::parse, line, scratch, into),
            Self::Columns if columns.known() || columns::is_directive(line) => {
                columns.parse(line, scratch, into)
            }
            Self::Columns => Err(BadReason::NoColumns),
            Self::Layout(preset) => preset.read(line, scratch, into),
            Self::Har | Self::SpansJson | Self::SpansProtobuf | Self::Recording(_) => Err(BadReason::Cut),
        }
    }
}

/// Reads a line, or what stands behind the tag in front of it.
fn tagged(
    parse: fn(&[u8], &mut Scratch, &mut Transaction) -> Result<(), BadReason>,
    line: &[u8],
    scratch: &mut Scratch,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    let outcome = parse(line, scratch, into);
    if outcome.is_ok() {
        return Ok(true);
    }
    match instant::behind_tag(line) {
        Some(behind) => parse(&behind, scratch, into).or(outcome).map(|()| true),
        None => outcome.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use crate::access_log::{Catalogue, LogFormat, Preset, detect, detect_among};

    const COMBINED: &str = r#"192.0.2.7 - - [15/Apr/2026:00:00:06 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl""#;
    const JSON: &str = r#"{"ts":1776211206,"method":"GET","uri":"/a","status":200}"#;
    const CADDY: &str =
        r#"{"ts":1776211206,"msg":"handled request","request":{"method":"GET","uri":"/a"},"status":200}"#;
    const ALERT: &str = r#"{"timestamp":"2026-04-15T00:00:06Z","event_type":"alert","http":{"http_method":"GET","url":"/a"}}"#;
    const HTTP: &str =
        r#"{"timestamp":"2026-04-15T00:00:06Z","event_type":"http","http":{"http_method":"GET","url":"/a"}}"#;
    const SYSLOG: &str = "Nov 26 23:31:09 edge nginx: ";

    fn told(lines: &[&str]) -> Option<String> {
        detect(lines.join("\n").as_bytes()).map(|format| format.id().to_owned())
    }

    #[test]
    fn a_log_is_what_reads_the_most_of_its_lines() {
        let tagged = [SYSLOG, COMBINED].concat();
        let tagged_json = [SYSLOG, JSON].concat();
        let docker = |line: &str| {
            let text = serde_json::Value::from(format!("{line}\n"));
            format!(r#"{{"log":{text},"stream":"stdout","time":"2026-04-15T00:00:06.31Z"}}"#)
        };
        let [docker_combined, docker_json, docker_caddy] = [COMBINED, JSON, CADDY].map(docker);
        for (lines, expected) in [
            (vec![JSON, COMBINED, COMBINED], Some("combined")),
            (vec!["starting", JSON, JSON, COMBINED], Some("json")),
            (vec![CADDY, CADDY], Some("caddy")),
            // The map comes first, the names of fields read the rest.
            (vec![JSON, JSON, CADDY], Some("caddy")),
            (vec![ALERT, ALERT, ALERT, HTTP], Some("suricata")),
            (vec![&tagged], Some("combined")),
            (vec![&tagged_json], Some("json")),
            (vec![&docker_combined], Some("combined")),
            (vec![&docker_json], Some("json")),
            (vec![&docker_caddy], Some("caddy")),
            (vec!["#Fields: date time cs-method cs-uri-stem sc-status"], Some("w3c")),
            (vec!["# a comment", "nothing"], None),
        ] {
            assert_eq!(told(&lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_preset_of_the_users_own_comes_first() {
        let mine = |id: &str| {
            let text = format!(
                "id: {id}\ntitle: mine\nkind: json\nfields: {{ts: time, method: method, uri: target}}\n"
            );
            Preset::load("mine.yaml", &text).unwrap()
        };
        let catalogue = Catalogue::with([mine("mine"), mine("caddy")]);
        assert_eq!(
            detect_among(JSON.as_bytes(), &catalogue).map(|format| format.id().to_owned()).as_deref(),
            Some("mine")
        );
        // It replaces what has its id.
        assert_eq!(catalogue.names().iter().filter(|name| **name == "caddy").count(), 1);
        assert!(
            matches!(catalogue.named("caddy"), Some(LogFormat::Layout(preset)) if preset.title == "mine")
        );
        let problems = catalogue.self_test().to_string();
        assert!(problems.contains("mine: examples: are missing"), "{problems}");
    }
}
