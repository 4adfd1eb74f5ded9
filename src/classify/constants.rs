//! Words that a field repeats, from which an enumeration may be told.
//!
//! An enumeration is made of values that were seen, and nothing else that is written is. So nobody gathers words unless
//! whoever runs the program asks for enumerations, they live in memory alone (no state and no lake is written with them),
//! and they have to earn being told:
//!
//! * Their **key** ends in a word for what programs choose among, such as `status` or `currency` ([`may_have`]), and it
//!   suggests no data class. A first name, a city or a login has no such key, however few there are.
//! * Each **looks** like a constant: a word of letters, digits, hyphens and underscores that begins with a letter. The
//!   first value that does not ends the gathering, and all words are forgotten; so does the first word too many.
//! * They were seen **often**: many values, each word several times. By Good and Turing's estimate, what was never seen
//!   is about as frequent as what was seen once; where nothing was, nothing is missing.
//! * They account for **every** value of the field: an empty one or one of another type leaves nothing to tell.
//!
//! Counts are summed by word, so merging is blind to order.

use super::keys::KeyVerdict;
use super::tokens;
use crate::merge::Merge;
use std::collections::BTreeMap;
use std::fmt;

/// Words of one enumeration.
pub const MAX_WORDS: usize = 12;
/// The longest word.
const MAX_WORD: usize = 40;
/// Values from which on an enumeration is told.
pub const MIN_VALUES: u64 = 50;
/// How often each word must have been seen.
pub const MIN_EACH: u64 = 3;

/// Words for what a program chooses among, as the last of a key: `paymentStatus`, `account_type`. What a person is or
/// lives in is none of them: neither country nor language, gender, title or religion.
const KEYS: [&str; 32] = [
    "status",
    "state",
    "type",
    "kind",
    "mode",
    "level",
    "currency",
    "method",
    "scheme",
    "direction",
    "priority",
    "severity",
    "phase",
    "stage",
    "unit",
    "frequency",
    "channel",
    "format",
    "encoding",
    "algorithm",
    "action",
    "outcome",
    "decision",
    "result",
    "visibility",
    "indicator",
    "tier",
    "side",
    "sort",
    "order",
    "operator",
    "protocol",
];

/// Words of which one at least is among the values of a `state` that is no part of an address.
const STATES: [&str; 40] = [
    "active",
    "inactive",
    "open",
    "opened",
    "closed",
    "new",
    "pending",
    "created",
    "draft",
    "enabled",
    "disabled",
    "running",
    "stopped",
    "started",
    "done",
    "completed",
    "complete",
    "finished",
    "failed",
    "error",
    "ok",
    "success",
    "cancelled",
    "canceled",
    "rejected",
    "accepted",
    "approved",
    "expired",
    "blocked",
    "locked",
    "suspended",
    "paused",
    "queued",
    "waiting",
    "ready",
    "up",
    "down",
    "on",
    "off",
    "archived",
];

/// Whether the values of a key may be constants of a program, as far as the key tells.
#[must_use]
pub fn may_have(name: &str, verdict: &KeyVerdict) -> bool {
    verdict.candidates.is_empty() && last_word(name).is_some_and(|word| KEYS.contains(&word.as_str()))
}

/// The word that says what a key holds: the last, before one that says that it is a code.
fn last_word(name: &str) -> Option<String> {
    let mut words = tokens::words(name);
    let mut word = words.pop()?;
    if word == "code" {
        word = words.pop()?;
    }
    let one = match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix("es").or(word.strip_suffix('s')).unwrap_or(&word).to_owned(),
    };
    // Of several: `currencies`, `statuses`, `types`.
    let plural = word.strip_suffix('s').filter(|stem| KEYS.contains(stem)).map(str::to_owned);
    Some(if KEYS.contains(&word.as_str()) { word } else { plural.unwrap_or(one) })
}

/// The words of one field with their counts, while all look like constants.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Constants {
    words: BTreeMap<Box<str>, u64>,
    /// Whether a value was none, or there were too many.
    over: bool,
}

impl fmt::Debug for Constants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constants({})", self.words.len())
    }
}

impl Constants {
    /// Takes in a value.
    pub fn take(&mut self, value: &[u8]) {
        if self.over {
            return;
        }
        match std::str::from_utf8(value).ok().filter(|text| is_constant(text)) {
            Some(word) => self.add(word, 1),
            None => self.forget(),
        }
    }

    fn add(&mut self, word: &str, times: u64) {
        if let Some(count) = self.words.get_mut(word) {
            count.absorb(times);
        } else if self.words.len() < MAX_WORDS {
            self.words.insert(word.into(), times);
        } else {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.words.clear();
        self.over = true;
    }

    /// The words in order, when they are an enumeration of a field called `name` that had `values` values. These are
    /// values that were seen.
    #[must_use]
    pub fn told(&self, name: &str, values: u64) -> Option<Vec<&str>> {
        let counted: u64 = self.words.values().sum();
        let often = counted >= MIN_VALUES && self.words.values().all(|count| *count >= MIN_EACH);
        if self.over || self.words.len() < 2 || counted != values || !often {
            return None;
        }
        let words: Vec<&str> = self.words.keys().map(|word| &**word).collect();
        // One hand writes constants one way.
        let capital = |word: &&str| word.starts_with(|first: char| first.is_ascii_uppercase());
        let alike = words.iter().all(capital) || !words.iter().any(capital);
        let last = last_word(name);
        let fits = match last.as_deref() {
            // Of an address it is a place, in two letters or spelt out.
            Some("state") => words.iter().any(|word| STATES.contains(&word.to_ascii_lowercase().as_str())),
            // ISO 4217.
            Some("currency") => words
                .iter()
                .all(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic())),
            // Of a chat or of a company its people call it what they like.
            Some("channel" | "unit") => {
                words.iter().all(|word| !word.bytes().any(|byte| byte.is_ascii_lowercase()))
            }
            Some(_) | None => true,
        };
        (alike && fits).then_some(words)
    }
}

/// `ACTIVE`, `in_progress`, `CurrentAccount`, `MT103`; not `4711`, `anna.becker`, `a8f3k2d9`.
fn is_constant(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (1..=MAX_WORD).contains(&text.len())
        && digits <= 4
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Merge for Constants {
    fn absorb(&mut self, other: Self) {
        if other.over {
            self.forget();
        }
        if self.over {
            return;
        }
        for (word, times) in other.words {
            self.add(&word, times);
            if self.over {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Classifier;
    use proptest::prelude::*;

    #[test]
    fn keys_name_what_programs_choose_among() {
        let classifier = Classifier::built_in();
        for (name, expected) in [
            ("status", true),
            ("paymentStatus", true),
            ("account_type", true),
            ("CURRENCY", true),
            ("currencyCode", true),
            ("statuses", true),
            ("types", true),
            ("currencies", true),
            ("CreditDebitIndicator", true),
            ("firstName", false),
            ("city", false),
            ("login", false),
            ("password", false),
            ("country", false),
            ("countryCode", false),
            ("gender", false),
            ("code", false),
            ("statusText", false),
            ("name", false),
            ("", false),
        ] {
            assert_eq!(may_have(name, &classifier.key(name, &[])), expected, "{name}");
        }
    }

    fn of(words: &[(&str, u64)]) -> Constants {
        let mut all = Constants::default();
        for (word, times) in words {
            for _ in 0..*times {
                all.take(word.as_bytes());
            }
        }
        all
    }

    #[test]
    fn an_enumeration_is_told_of_constants_that_were_seen_often() {
        let told = |name: &str, words: &[(&str, u64)]| {
            let total = words.iter().map(|(_, times)| times).sum();
            of(words).told(name, total).map(|words| words.join("|"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told("status", &[("CLOSED", 20), ("ACTIVE", 30)]), some("ACTIVE|CLOSED"));
        assert_eq!(told("type", &[("Credit", 47), ("Debit", 3)]), some("Credit|Debit"));
        assert_eq!(told("mode", &[("in_progress", 25), ("re-try", 25)]), some("in_progress|re-try"));
        for (why, name, words) in [
            ("too few", "status", vec![("CLOSED", 19), ("ACTIVE", 30)]),
            ("a word that was rare", "status", vec![("CLOSED", 2), ("ACTIVE", 60)]),
            ("one word", "status", vec![("ACTIVE", 90)]),
            ("a word of two", "type", vec![("in part", 30), ("whole", 30)]),
            ("an address", "type", vec![("anna.becker", 30), ("whole", 30)]),
            ("numbers", "type", vec![("4711", 30), ("0815", 30)]),
            ("two hands", "type", vec![("Anna", 30), ("business", 30)]),
            ("states of a country", "state", vec![("CA", 30), ("NY", 30)]),
            ("states spelt out", "state", vec![("Texas", 30), ("Ohio", 30)]),
            ("rooms", "channel", vec![("anna-and-bob", 30), ("general", 30)]),
            ("no currencies", "currency", vec![("Anna", 30), ("Bob", 30)]),
        ] {
            assert_eq!(told(name, &words), None, "{why}");
        }
        assert_eq!(told("state", &[("OPEN", 30), ("IN_REVIEW", 30)]), some("IN_REVIEW|OPEN"));
        assert_eq!(told("channel", &[("MOBILE", 30), ("WEB", 30)]), some("MOBILE|WEB"));
        assert_eq!(told("currency", &[("EUR", 30), ("GBP", 30)]), some("EUR|GBP"));
    }

    #[test]
    fn values_that_were_not_counted_leave_nothing_to_tell() {
        let all = of(&[("ACTIVE", 30), ("CLOSED", 30)]);
        assert!(all.told("status", 60).is_some());
        assert_eq!(all.told("status", 61), None);
    }

    #[test]
    fn words_are_forgotten_with_the_first_that_is_none_or_too_many() {
        let mut all = of(&[("ACTIVE", 30), ("CLOSED", 30)]);
        all.take(b"Anna Becker");
        assert!(all.words.is_empty());
        all.take(b"ACTIVE");
        assert!(all.words.is_empty());
        let mut many = Constants::default();
        for at in 0..=MAX_WORDS {
            many.take(format!("W{at}").as_bytes());
        }
        assert!(many.words.is_empty() && many.over);
        assert_eq!(format!("{:?}", of(&[("SECRET", 3)])), "Constants(1)");
    }

    proptest! {
        /// However values are split and in whatever order their parts are merged, the same is known.
        #[test]
        fn order_and_grouping_do_not_matter(
            values in proptest::collection::vec(("[A-F]?[A-E]|[a-z ]{0,3}|[A-P]", 0..3_usize), 0..80),
        ) {
            let mut parts: [Constants; 3] = Default::default();
            let mut whole = Constants::default();
            for (value, part) in &values {
                parts[*part].take(value.as_bytes());
                whole.take(value.as_bytes());
            }
            for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
                let mut merged = Constants::default();
                for at in order {
                    merged.absorb(parts[at].clone());
                }
                prop_assert_eq!(&merged, &whole);
            }
        }

        /// Arbitrary bytes are survived.
        #[test]
        fn strangers_bytes_are_survived(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let mut all = Constants::default();
            for value in &values {
                all.take(value);
            }
            prop_assert!(all.words.len() <= MAX_WORDS);
        }
    }
}
