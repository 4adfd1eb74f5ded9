//! All that is wrong with an input, reported at once, each with its place.
//!
//! A document or configuration with five mistakes should cost its author one round, not five. Readers
//! collect [`Problem`]s as they go and use the rest of the document.

use std::fmt;

/// One thing that is wrong: where, what, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// The file, as the user named it; empty when there is only one candidate.
    pub file: String,
    /// The place within: a line, a key path or a JSON pointer; empty for the whole file.
    pub place: String,
    /// What is wrong, and what would be right. Lower case, no full stop, no value from traffic.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.file, &self.place] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// The problems of one input, in the order they were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, file: &str, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { file: file.to_owned(), place: place.into(), message: message.into() });
    }

    /// Adds a problem at the key `place` unless `rule` holds.
    pub fn unless(&mut self, rule: bool, place: &str, message: &str) {
        if !rule {
            self.push("", place, message);
        }
    }

    /// `value`, when nothing is wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// Takes over the problems of a part.
    pub fn absorb(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_with_its_place() {
        let mut problems = Problems::default();
        problems.unless(1 > 2, "flow.max_flows", "must be at least 1");
        problems.push("a.yaml", "line 3", "unknown key");
        assert_eq!(problems.to_string(), "flow.max_flows: must be at least 1\na.yaml: line 3: unknown key");
        assert!(problems.into_result(()).is_err());
    }
}
