//! What people have decided on findings, and what becomes of them by themselves.
//!
//! ```text
//!            ack            accept UNTIL         false-positive
//!  open ──────▶ acknowledged   accepted            false_positive      decided by somebody, with a reason
//!   │                             │ the day is over
//!   │  seen no more               ▼
//!   └──────▶ resolved ──────▶ reopened              seen again, or opened again by somebody
//! ```
//!
//! Decisions stand in a YAML file, or in the lake where a command put them. The latest on a finding counts. An
//! acceptance ends with its day, on the time of what is looked at: the end of a capture, the clock of a sensor.

use super::Finding;
use crate::problem::Problems;
use crate::spec::wrong::{Wrong, below};
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Decisions in a file.
const MAX_DECISIONS: usize = 100_000;
/// Bytes of a file.
const MAX_BYTES: usize = 32 << 20;
/// Characters of an author or a reason.
const MAX_TEXT: usize = 1_000;

/// Where a finding stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has decided on it.
    #[default]
    Open,
    /// Somebody knows of it.
    Acknowledged,
    /// Somebody lives with it, until a day.
    Accepted,
    /// It is none.
    FalsePositive,
    /// It is seen no more.
    Resolved,
    /// It is open again: seen after it was resolved, or its acceptance is over.
    Reopened,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Acknowledged, Self::Accepted, Self::FalsePositive, Self::Resolved, Self::Reopened];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Accepted => "accepted",
            Self::FalsePositive => "false_positive",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether somebody has to do something about it. What is acknowledged is known, and still there.
    #[must_use]
    pub const fn is_due(self) -> bool {
        match self {
            Self::Open | Self::Acknowledged | Self::Reopened => true,
            Self::Accepted | Self::FalsePositive | Self::Resolved => false,
        }
    }
}

/// What somebody has decided on a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Acknowledged, accepted, a false positive, or reopened.
    pub state: State,
    /// The last day on which it is accepted, at its end.
    pub until: Option<Timestamp>,
    /// Who decided.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl Disposition {
    /// The decision, or what it lacks.
    pub fn new(state: State, until: Option<&str>, author: &str, reason: &str) -> Result<Self, &'static str> {
        let (author, reason) = (author.trim(), reason.trim());
        if author.is_empty() || reason.is_empty() {
            return Err("needs an `author` and a `reason`");
        }
        if author.chars().count() > MAX_TEXT || reason.chars().count() > MAX_TEXT {
            return Err("has an `author` or `reason` of more than 1000 characters");
        }
        let until = match (state, until) {
            (State::Accepted, Some(day)) => {
                Some(end_of(day).ok_or("needs the day of `until` as 2027-03-31")?)
            }
            (State::Accepted, None) => return Err("needs a day `until` which it is accepted"),
            (State::Acknowledged | State::FalsePositive | State::Reopened, None) => None,
            (State::Acknowledged | State::FalsePositive | State::Reopened, Some(_)) => {
                return Err("has `until`, which is for what is accepted");
            }
            (State::Open | State::Resolved, _) => {
                return Err("must be `acknowledged`, `accepted`, `false_positive` or `reopened`");
            }
        };
        Ok(Self { state, until, author: author.to_owned(), reason: reason.to_owned() })
    }

    /// The state at an instant.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        if self.until.is_some_and(|until| now > until) { State::Reopened } else { self.state }
    }
}

/// The last instant of a day: `2027-03-31`.
fn end_of(day: &str) -> Option<Timestamp> {
    let mut parts = day.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let start = Timestamp::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(start.plus(std::time::Duration::from_secs(86_400)).minus(std::time::Duration::from_micros(1)))
}

/// Decisions by the id of their finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispositions(BTreeMap<String, Disposition>);

impl Dispositions {
    /// Whether nothing was decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The decision on a finding.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Disposition> {
        self.0.get(id)
    }

    /// Gives findings the states that were decided, as of `now`.
    pub fn apply(&self, findings: &mut [Finding], now: Timestamp) {
        for finding in findings {
            if let Some(decided) = self.of(&finding.id) {
                finding.state = decided.state_at(now);
                finding.disposition = Some(decided.clone());
            }
        }
    }

    /// Reads a file of decisions. What is wrong in it is told with its line, and the rest is used.
    #[must_use]
    pub fn read(file: &str, bytes: &[u8]) -> (Self, Problems) {
        let (tree, mut wrong) = match Wrong::open(file, bytes, MAX_BYTES) {
            Ok(opened) => opened,
            Err(problems) => return (Self::default(), problems),
        };
        let mut all = Self::default();
        match &tree.value {
            Value::Null => {}
            Value::Object(sections) => {
                for (key, value) in sections {
                    match (key.as_str(), value) {
                        ("findings", Value::Array(items)) => all.take(items, &mut wrong),
                        ("findings", Value::Null) => {}
                        ("findings", _) => wrong.push("/findings", "must be a list of decisions"),
                        _ => wrong.push(below("", key), "is no key here; there is `findings`"),
                    }
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                wrong.push("", "must hold a list under `findings`");
            }
        }
        (all, wrong.located(file, Some((bytes, tree.format))))
    }

    fn take(&mut self, items: &[Value], wrong: &mut Wrong) {
        for (n, item) in items.iter().enumerate() {
            let pointer = format!("/findings/{n}");
            if n >= MAX_DECISIONS {
                wrong
                    .push(pointer, format!("more than {MAX_DECISIONS} decisions; from here on none is used"));
                return;
            }
            match decision(item) {
                Ok((id, decided)) => {
                    if self.0.insert(id, decided).is_some() {
                        wrong.push(pointer, "decides on a finding once more; the last one counts");
                    }
                }
                Err(message) => wrong.push(pointer, message),
            }
        }
    }
}

/// A decision of a file.
fn decision(item: &Value) -> Result<(String, Disposition), String> {
    const KEYS: [&str; 5] = ["id", "state", "until", "author", "reason"];
    let Value::Object(keys) = item else {
        return Err("must be a section with `id`, `state`, `author` and `reason`".to_owned());
    };
    if let Some(key) = keys.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("has the unknown key `{key}`; known here: {}", KEYS.join(", ")));
    }
    let text = |key: &str| match keys.get(key) {
        // An id of digits alone is a number to YAML, unless it is quoted.
        Some(Value::Number(_)) if key == "id" => Err("needs its `id` in quotes".to_owned()),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(format!("needs a text for `{key}`")),
    };
    let id =
        text("id")?.filter(|id| is_id(id)).ok_or("needs the `id` of a finding: 16 hexadecimal digits")?;
    let state = text("state")?
        .and_then(State::named)
        .ok_or("needs a `state`: `acknowledged`, `accepted`, `false_positive` or `reopened`")?;
    let (author, reason) = (text("author")?.unwrap_or_default(), text("reason")?.unwrap_or_default());
    let decided = Disposition::new(state, text("until")?, author, reason)?;
    Ok((id.to_owned(), decided))
}

/// Whether a text is the id of a finding.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Severity, Subject};
    use super::*;

    fn read(text: &str) -> (Dispositions, Vec<String>) {
        let (all, problems) = Dispositions::read("d.yaml", text.as_bytes());
        (all, problems.as_slice().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_decision_gives_a_finding_its_state_until_its_day_is_over() {
        let subject = Subject { host: "h", method: "GET", path_template: "/a" };
        let mut findings = vec![Finding::new(Kind::ShadowEndpoint, Severity::High, subject, "")];
        let id = findings.first().unwrap().id.clone();
        let text = format!(
            "findings:\n- {{id: '{id}', state: accepted, until: 2027-03-31, author: a, reason: moves in spring}}\n"
        );
        let (all, problems) = read(&text);
        assert_eq!((all.len(), problems), (1, Vec::<String>::new()));
        for ((month, day), expected) in [((3, 31), State::Accepted), ((4, 1), State::Reopened)] {
            all.apply(&mut findings, Timestamp::from_civil(2027, month, day).unwrap());
            let finding = findings.first().unwrap();
            assert_eq!(finding.state, expected);
            assert_eq!(finding.disposition.as_ref().unwrap().reason, "moves in spring");
        }
        assert!(State::Reopened.is_due() && !State::Accepted.is_due());
    }

    #[test]
    fn a_second_document_is_told_and_not_read() {
        let (all, problems) = read("findings: []\n---\nfindings: []\n");
        assert!(all.is_empty());
        assert_eq!(problems, ["d.yaml: line 1: more YAML documents follow `---`; the file must hold one"]);
    }

    #[test]
    fn each_mistake_is_told_with_its_line_and_the_rest_is_used() {
        let text = "\
findings:
- {id: aaaaaaaaaaaaaaaa, state: acknowledged, author: a, reason: r}
- {id: aaaaaaaaaaaaaaaa, state: false_positive, author: a, reason: r}
- {id: bbbb, state: acknowledged, author: a, reason: r}
- {id: bbbbbbbbbbbbbbbb, state: fine, author: a, reason: r}
- {id: bbbbbbbbbbbbbbbb, state: accepted, author: a, reason: r}
- {id: bbbbbbbbbbbbbbbb, state: accepted, until: soon, author: a, reason: r}
- {id: bbbbbbbbbbbbbbbb, state: acknowledged, until: 2027-01-01, author: a, reason: r}
- {id: bbbbbbbbbbbbbbbb, state: acknowledged, author: a}
- {id: bbbbbbbbbbbbbbbb, state: acknowledged, author: a, reason: r, why: x}
- {id: 1234567890123456, state: acknowledged, author: a, reason: r}
- nothing
others: []
";
        let (all, problems) = read(text);
        assert_eq!(all.len(), 1);
        assert_eq!(all.of("aaaaaaaaaaaaaaaa").map(|one| one.state), Some(State::FalsePositive));
        let expected = [
            "line 3, findings[1]: decides on a finding once more; the last one counts",
            "line 4, findings[2]: needs the `id` of a finding: 16 hexadecimal digits",
            "line 5, findings[3]: needs a `state`: `acknowledged`, `accepted`, `false_positive` or `reopened`",
            "line 6, findings[4]: needs a day `until` which it is accepted",
            "line 7, findings[5]: needs the day of `until` as 2027-03-31",
            "line 8, findings[6]: has `until`, which is for what is accepted",
            "line 9, findings[7]: needs an `author` and a `reason`",
            "line 10, findings[8]: has the unknown key `why`; known here: id, state, until, author, reason",
            "line 11, findings[9]: needs its `id` in quotes",
            "line 12, findings[10]: must be a section with `id`, `state`, `author` and `reason`",
            "line 13, others: is no key here; there is `findings`",
        ];
        let expected: Vec<String> = expected.iter().map(|text| format!("d.yaml: {text}")).collect();
        assert_eq!(problems, expected);
        assert!(read("").1.is_empty() && read("findings:\n").1.is_empty());
        assert_eq!(read("[1]").1.len(), 1);
    }
}
