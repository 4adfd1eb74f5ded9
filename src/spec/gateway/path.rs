//! Paths as gateways match them, held against templates of endpoints.
//!
//! A template stands for many paths: where a parameter meets a word of the rule, some of its requests may be meant
//! and others not. The answer keeps that apart, so that nothing is concluded from a guess.

use super::super::constraint::Patterns;
use regex_automata::meta::Regex;
use std::sync::Arc;

/// Values that a parameter may have, each of another kind.
const SAMPLES: [&str; 4] = ["1", "a", "9f6e1c7e-1111-4222-8333-444455556666", "A-1_b.c"];

/// Whether a route is taken by the requests of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// By none.
    No,
    /// By some perhaps: it depends on values, or on conditions that are not read.
    Maybe,
    /// By all.
    Yes,
}

impl Fit {
    const fn certain(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

/// One segment of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// A parameter: any one segment.
    Any,
}

/// What may follow the segments of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing.
    Here,
    /// Anything below, or nothing.
    Below,
    /// One segment at least.
    Inside,
    /// Anything that begins with this text, which has no slash: a prefix that is compared letter by letter.
    Text(String),
}

/// Which paths a route takes.
#[derive(Clone, Debug)]
pub(super) enum PathRule {
    Segments {
        parts: Vec<Part>,
        end: End,
    },
    /// A pattern: whether it holds for sure, and whether another reading of it holds.
    Pattern {
        /// What every path begins with.
        front: String,
        sure: Arc<Regex>,
        perhaps: Option<Arc<Regex>>,
    },
    /// Paths that nobody can tell: a pattern that is not read.
    Unknown,
}

/// How much of a path a pattern must match, from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// All of it.
    Yes,
    /// Any part.
    No,
    /// The gateway decides.
    Unsaid,
}

impl PathRule {
    /// This path and no other; a slash at its end makes no difference, as templates have none.
    pub(super) fn exact(path: &str) -> Self {
        Self::Segments { parts: literals(path), end: End::Here }
    }

    /// This path and what is below, segment by segment.
    pub(super) fn below(path: &str) -> Self {
        Self::Segments { parts: literals(path), end: End::Below }
    }

    /// Whatever begins with this text.
    pub(super) fn text(prefix: &str) -> Self {
        let (folder, last) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        Self::Segments { parts: literals(folder), end: End::Text(last.to_owned()) }
    }

    /// A pattern; `None` when it cannot be read.
    pub(super) fn pattern(pattern: &str, whole: Whole, patterns: &mut Patterns) -> Option<Self> {
        let entire = || format!("^(?:{pattern})$");
        let beginning = || format!("^(?:{pattern})");
        let (sure, perhaps) = match whole {
            Whole::Yes => (patterns.get(&entire())?, None),
            Whole::No => (patterns.get(&beginning())?, None),
            Whole::Unsaid => (patterns.get(&entire())?, Some(patterns.get(&beginning())?)),
        };
        Some(Self::Pattern { front: literal_front(pattern), sure, perhaps })
    }

    /// The path, where it is but one.
    pub(super) fn only_path(&self) -> Option<String> {
        let Self::Segments { parts, end: End::Here } = self else { return None };
        let mut path = String::new();
        for part in parts {
            let Part::Literal(text) = part else { return None };
            path.push('/');
            path.push_str(text);
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// What the first segment of every path that it takes begins with; empty when nothing is known.
    pub(super) fn first(&self) -> &str {
        match self {
            Self::Segments { parts, end } => match (parts.first(), end) {
                (Some(Part::Literal(text)), _) | (None, End::Text(text)) => text,
                (Some(Part::Any), _) | (None, End::Here | End::Below | End::Inside) => "",
            },
            Self::Pattern { front, .. } => {
                front.strip_prefix('/').unwrap_or_default().split('/').next().unwrap_or_default()
            }
            Self::Unknown => "",
        }
    }

    /// Whether the requests of an endpoint with this template take it.
    pub(super) fn fit(&self, template: &str) -> Fit {
        match self {
            Self::Segments { parts, end } => segments_fit(parts, end, template),
            Self::Pattern { front, sure, perhaps } => pattern_fit(front, sure, perhaps.as_deref(), template),
            Self::Unknown => Fit::Maybe,
        }
    }
}

fn literals(path: &str) -> Vec<Part> {
    path.split('/').filter(|text| !text.is_empty()).map(|text| Part::Literal(text.to_owned())).collect()
}

fn segments_fit(parts: &[Part], end: &End, template: &str) -> Fit {
    let mut segments = template.split('/').filter(|text| !text.is_empty());
    let mut fit = Fit::Yes;
    for part in parts {
        let Some(segment) = segments.next() else { return Fit::No };
        if let Part::Literal(text) = part {
            fit = fit.min(literal_fit(text, segment));
        }
        if fit == Fit::No {
            return fit;
        }
    }
    let last = match (end, segments.next()) {
        (End::Below, _) | (End::Here, None) | (End::Inside, Some(_)) => Fit::Yes,
        (End::Here, Some(_)) | (End::Inside, None) => Fit::No,
        // Whether the path had a slash at its end is not known.
        (End::Text(text), None) if text.is_empty() => {
            if parts.is_empty() {
                Fit::Yes
            } else {
                Fit::Maybe
            }
        }
        (End::Text(_), None) => Fit::No,
        (End::Text(text), Some(segment)) => match segment.find('{') {
            Some(at) if at < text.len() => {
                let fixed = segment.get(..at).unwrap_or_default();
                if text.starts_with(fixed) { Fit::Maybe } else { Fit::No }
            }
            Some(_) | None => Fit::certain(segment.starts_with(text.as_str())),
        },
    };
    fit.min(last)
}

/// Whether a segment of a template, with a parameter in it perhaps, is this word.
fn literal_fit(word: &str, segment: &str) -> Fit {
    match segment.split_once('{') {
        None => Fit::certain(word == segment),
        Some((before, _)) if word.starts_with(before) => Fit::Maybe,
        Some(_) => Fit::No,
    }
}

fn pattern_fit(front: &str, sure: &Regex, perhaps: Option<&Regex>, template: &str) -> Fit {
    let one = |path: &str| {
        if sure.is_match(path) {
            Fit::Yes
        } else if perhaps.is_some_and(|pattern| pattern.is_match(path)) {
            Fit::Maybe
        } else {
            Fit::No
        }
    };
    let Some((fixed, _)) = template.split_once('{') else { return one(template) };
    let length = fixed.len().min(front.len());
    if fixed.as_bytes().get(..length) != front.as_bytes().get(..length) {
        return Fit::No;
    }
    let all = SAMPLES.iter().all(|sample| one(&filled(template, sample)) == Fit::Yes);
    if all { Fit::Yes } else { Fit::Maybe }
}

/// A template with a value for each parameter.
fn filled(template: &str, value: &str) -> String {
    let mut path = String::with_capacity(template.len() + value.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(value);
        rest = after.split_once('}').map_or("", |(_, tail)| tail);
    }
    path.push_str(rest);
    path
}

/// The text that whatever matches the pattern begins with, as far as it is plain to see.
fn literal_front(pattern: &str) -> String {
    let mut front = String::new();
    // Flags change what the letters mean: `(?i)`, but not `(?:` or `(?P<`.
    let mut groups = pattern.split("(?").skip(1);
    if groups.any(|group| !group.starts_with([':', '<']) && !group.starts_with("P<")) {
        return front;
    }
    let mut depth = 0_usize;
    for letter in pattern.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            // Alternatives of the whole pattern have no common beginning.
            '|' if depth == 0 => return front,
            _ => {}
        }
    }
    let mut letters = pattern.strip_prefix('^').unwrap_or(pattern).chars().peekable();
    while let Some(letter) = letters.next() {
        let literal = match letter {
            '\\' => match letters.next() {
                Some(escaped) if !escaped.is_alphanumeric() => escaped,
                Some(_) | None => break,
            },
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => break,
            other => other,
        };
        // What follows may make it one that need not be there.
        if matches!(letters.peek(), Some('*' | '?' | '{')) {
            break;
        }
        front.push(literal);
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str, whole: Whole) -> PathRule {
        PathRule::pattern(text, whole, &mut Patterns::default()).unwrap()
    }

    #[test]
    fn a_rule_tells_all_some_and_none_apart() {
        use Fit::{Maybe, No, Yes};
        let template =
            PathRule::Segments { parts: vec![Part::Literal("a".into()), Part::Any], end: End::Inside };
        for (rule, cases) in [
            (PathRule::exact("/a/b"), &[("/a/b", Yes), ("/a", No), ("/a/b/c", No), ("/a/{id}", Maybe)][..]),
            (PathRule::below("/a/b/"), &[("/a/b", Yes), ("/a/b/c", Yes), ("/a/bc", No), ("/{x}/b/c", Maybe)]),
            (PathRule::text("/a/b"), &[("/a/b", Yes), ("/a/bc/d", Yes), ("/a", No), ("/a/{id}", Maybe)]),
            (PathRule::text("/a/b"), &[("/a/bc{id}", Yes), ("/a/x{id}", No), ("/b/b", No)]),
            (PathRule::text("/a/"), &[("/a", Maybe), ("/a/{id}", Yes), ("/ab", No)]),
            (PathRule::text("/"), &[("/", Yes), ("/a/{id}", Yes)]),
            (template, &[("/a/{id}/c", Yes), ("/a/{id}", No), ("/a/b/c/d", Yes)]),
            (pattern(r"/a/\d+", Whole::No), &[("/a/7", Yes), ("/a/7/b", Yes), ("/a/b", No)]),
            (pattern(r"/a/\d+", Whole::No), &[("/a/{id}", Maybe), ("/b/{id}", No), ("/{x}", Maybe)]),
            (pattern(r"/a/[^/]+", Whole::Yes), &[("/a/{id}", Yes), ("/a/b/c", No), ("/a/{id}/c", Maybe)]),
            (pattern(r"/a/[^/]+", Whole::Unsaid), &[("/a/b", Yes), ("/a/b/c", Maybe), ("/b", No)]),
            (PathRule::Unknown, &[("/a", Maybe)]),
        ] {
            for (path, fit) in cases {
                assert_eq!(rule.fit(path), *fit, "{rule:?} {path}");
            }
        }
    }

    #[test]
    fn the_beginning_of_a_pattern_is_what_all_of_its_paths_have() {
        for (pattern, front) in [
            (r"/a/v1\.0/(b|c)", "/a/v1.0/"),
            (r"^/a/\d+", "/a/"),
            ("/ab?c", "/a"),
            ("/a|/b", ""),
            ("(/a)|(/b)", ""),
            ("(?i)/a", ""),
            (r"/a/(?<id>\d+)", "/a/"),
            ("/a{2}", "/"),
            ("/a+", "/a"),
        ] {
            assert_eq!(literal_front(pattern), front, "{pattern}");
        }
    }

    proptest! {
        /// What a rule says of a path without parameters is never left open, but for a slash at its end.
        #[test]
        fn a_path_is_taken_or_not(prefix in "(/[a-c]{1,2}){0,3}/?", path in "(/[a-c]{1,2}){1,4}") {
            prop_assert_eq!(PathRule::exact(&prefix).fit(&path), Fit::certain(prefix.trim_end_matches('/') == path));
            let below = path == prefix.trim_end_matches('/')
                || path.starts_with(&format!("{}/", prefix.trim_end_matches('/')));
            prop_assert_eq!(PathRule::below(&prefix).fit(&path), Fit::certain(below));
            let text = PathRule::text(&prefix).fit(&path);
            if text == Fit::Maybe {
                prop_assert_eq!(format!("{path}/"), prefix);
            } else {
                prop_assert_eq!(text, Fit::certain(path.starts_with(&prefix)));
            }
        }

        /// The index may leave a rule out only where it takes nothing.
        #[test]
        fn what_fits_begins_as_the_rule_does(rule in "(/[a-c{}.*+?|()]{1,3}){0,3}/?", path in "(/[a-c]{1,2}|/\\{x\\}){1,4}") {
            let mut all = vec![PathRule::exact(&rule), PathRule::below(&rule), PathRule::text(&rule)];
            all.extend(PathRule::pattern(&rule, Whole::No, &mut Patterns::default()));
            let first = path.split('/').nth(1).unwrap_or_default();
            for rule in all {
                if !first.contains('{') && !first.starts_with(rule.first()) {
                    prop_assert_eq!(rule.fit(&path), Fit::No, "{:?}", rule);
                }
            }
        }
    }
}
