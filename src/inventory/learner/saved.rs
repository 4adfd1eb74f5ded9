//! What a learner holds, to be written to disk and read back.
//!
//! Names of paths are in memory as they were seen. On disk a name stands as it is only where it may be told; any
//! other is a *pseudonym*: its keyed rank, its shape and how far that speaks for a value, and the constant suffix
//! behind it. That is enough to go on counting it at the same place, to fold it, and to know it again when it comes
//! back, which gives it its name back.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use super::bottom::{Distinct, Sample};
use super::method::Method;
use super::noise::{Hostility, Page, Score};
use super::segment::{self, Judged, Shape};
use super::store::{Kind, MARKER, REST, Reached, Seen};

/// Paths, by keyed rank, whose last name a fold held for a value.
#[derive(Clone, Debug, Default)]
pub struct ValuePaths(HashSet<u64, foldhash::fast::FixedState>);

impl ValuePaths {
    pub(super) fn insert(&mut self, path: u64) {
        self.0.insert(path);
    }

    /// Takes in the paths of another fold under the same key.
    pub fn absorb(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub(super) fn contains(&self, path: u64) -> bool {
        self.0.contains(&path)
    }
}

/// Begins the name of a node whose own name was not written; no name of traffic begins so.
pub(super) const PSEUDONYM: char = '\u{3}';

/// A learner as it is written; `F` is what hangs on each operation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved<F> {
    pub(super) proven: SavedStore<F>,
    pub(super) plausible: SavedStore<F>,
    pub(super) dead: SavedStore<F>,
    pub(super) clients: SavedSample<Score>,
    pub(super) pages: SavedSample<Page>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedStore<F> {
    pub(super) level: u32,
    pub(super) thinned: u32,
    pub(super) reached: Reached,
    pub(super) root: SavedNode<F>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedNode<F> {
    pub(super) name: SavedName,
    pub(super) kind: Kind,
    pub(super) hostility: Hostility,
    pub(super) distinct: Distinct,
    pub(super) operations: Vec<SavedOperation<F>>,
    pub(super) children: Vec<SavedNode<F>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedOperation<F> {
    pub(super) method: Method,
    pub(super) seen: Seen,
    pub(super) facts: F,
}

/// A sample by rank; in the order of ranks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedSample<V> {
    pub(super) kept: Vec<(u64, V)>,
    pub(super) bound: u64,
    pub(super) dropped: u64,
}

impl<V: Clone + Default + crate::merge::Merge> SavedSample<V> {
    pub(super) fn of(sample: &Sample<V>) -> Self {
        let kept = sample.sorted().into_iter().map(|(key, value)| (key, value.clone())).collect();
        Self { kept, bound: sample.bound(), dropped: sample.dropped }
    }
}

/// A name as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedName {
    /// As it is.
    Told(Box<str>),
    /// By what stands for it.
    Hidden {
        /// Its keyed rank.
        rank: u64,
        /// The letter of its shape.
        shape: char,
        /// The log-odds of its shape, in hundredths.
        value: i16,
        /// `.json` or `:verb`; empty when there is none or it may not be told.
        suffix: Box<str>,
    },
}

impl SavedName {
    /// `name` of the given rank, as it is if `told`.
    pub(super) fn of(name: &str, rank: u64, told: bool, suffix_told: impl FnOnce(&str) -> bool) -> Self {
        if told || name.starts_with(MARKER) || name == REST || name.is_empty() {
            return Self::Told(name.into());
        }
        let (judged, suffix) = match read(name) {
            Some(known) => known,
            None => (segment::judge(name), segment::split_suffix(name).1),
        };
        #[expect(clippy::cast_possible_truncation, reason = "log-odds lie between -10 and 10")]
        let value = (judged.value * 100.0).round() as i16;
        let suffix = if suffix_told(suffix) { suffix.into() } else { "".into() };
        Self::Hidden { rank, shape: judged.shape.letter(), value, suffix }
    }

    /// The same for a host. What is told of one that is hidden is the domain it is in.
    pub(super) fn of_host(name: &str, rank: u64, told: bool, domain: &str) -> Self {
        match Self::of(name, rank, told, |_| false) {
            Self::Hidden { rank, shape, value, .. } => {
                let domain = read(name).map_or(domain, |(_, known)| known);
                Self::Hidden { rank, shape, value, suffix: domain.into() }
            }
            Self::Told(name) => Self::Told(name),
        }
    }

    /// The name that a node has in memory.
    pub(super) fn into_name(self) -> Box<str> {
        match self {
            Self::Told(name) => name,
            Self::Hidden { rank, shape, value, suffix } => {
                format!("{PSEUDONYM}{rank:016x}{shape}{value:+05}{suffix}").into()
            }
        }
    }
}

/// Bytes of a pseudonym in front of its suffix: the mark, sixteen digits, a letter, a sign and four digits.
pub(super) const STEM: usize = 1 + 16 + 1 + 5;

/// What a pseudonym says of the name it stands for, and the suffix; `None` when `name` is none.
pub(super) fn read(name: &str) -> Option<(Judged, &str)> {
    let rest = name.strip_prefix(PSEUDONYM)?;
    let shape = Shape::from_letter(rest.get(16..17)?.chars().next()?);
    let value: i16 = rest.get(17..22)?.parse().ok()?;
    Some((Judged { shape, value: f64::from(value) / 100.0 }, name.get(STEM..)?))
}

/// The rank in a pseudonym.
pub(super) fn rank(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(PSEUDONYM)?.get(..16)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_name_keeps_what_it_looked_like() {
        for (name, suffix) in
            [("anna.becker", ""), ("alice", ""), ("q3-report.json", ".json"), ("x9:cancel", ":cancel")]
        {
            let saved = SavedName::of(name, 0xfeed, false, |_| true);
            let bytes = postcard::to_stdvec(&saved).unwrap();
            let text = postcard::from_bytes::<SavedName>(&bytes).unwrap().into_name();
            assert!(
                !String::from_utf8_lossy(&bytes).contains(name.split(['.', ':']).next().unwrap()),
                "{name}"
            );
            let (judged, kept) = read(&text).unwrap();
            let expected = segment::judge(name);
            assert_eq!((judged.shape, kept, rank(&text)), (expected.shape, suffix, Some(0xfeed)), "{name}");
            assert!((judged.value - expected.value).abs() < 0.006, "{name}");
            // Written once more, it is the same.
            let again = SavedName::of(&text, 0xfeed, false, |_| true).into_name();
            assert_eq!(again, text);
        }
    }
}
