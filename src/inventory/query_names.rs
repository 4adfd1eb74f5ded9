//! The names of a query's parameters, and what each says, worked out once while it is remembered.
//!
//! Queries of an API have few names, and most say nothing but themselves: whoever looks for a credential, a version or a
//! call in a query can be spared it.

use super::privacy;
use super::versions;
use crate::caller;
use crate::operation;
use crate::short;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// What is to be looked for behind a name, as bits.
mod says {
    /// A credential of the caller.
    pub(super) const CREDENTIAL: u8 = 1;
    /// A version of the API.
    pub(super) const VERSION: u8 = 2;
    /// A call.
    pub(super) const CALL: u8 = 4;
    /// Nothing is known.
    pub(super) const ANYTHING: u8 = CREDENTIAL | VERSION | CALL;
}

/// Names remembered; when there are more, all are forgotten.
const MAX_NAMES: usize = 1_024;
/// The longest name that is remembered.
const MAX_NAME: usize = 96;

#[derive(Debug)]
struct Name {
    raw: Box<[u8]>,
    shown: Arc<str>,
    says: u8,
    /// The number of the name that came behind it last.
    next: usize,
}

/// A name as it may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// Its text, which several names may share.
    pub(super) text: &'a Arc<str>,
    /// By this it is known again, while it is remembered; no other name ever has it.
    pub(super) id: Option<Id>,
}

/// Which name it is among all that were ever met.
pub(super) type Id = u64;

/// The names of one query, and those met before.
#[derive(Debug, Default)]
pub(super) struct QueryNames {
    /// First those that are remembered, then the long ones of this query.
    known: Vec<Name>,
    by_name: HashMap<Box<[u8]>, usize, RandomState>,
    /// The number of the name that a query began with last.
    first: usize,
    /// The numbers of the names of this query, each once.
    found: Vec<usize>,
    says: u8,
    /// How many names were forgotten.
    forgotten: u64,
}

impl QueryNames {
    /// Reads a query, of which up to so many pairs count.
    pub(super) fn read(&mut self, query: Option<&[u8]>, most: usize) {
        self.found.clear();
        self.says = 0;
        let Some(query) = query else { return };
        self.known.truncate(self.by_name.len());
        if self.known.len() >= MAX_NAMES {
            self.forgotten += self.known.len() as u64;
            self.known.clear();
            self.by_name.clear();
        }
        let mut rest = Some(query);
        let mut pairs = 0;
        let mut before = None;
        while let Some(pair) = rest {
            if pairs == most {
                // What stands further behind is not looked at here.
                self.says = says::ANYTHING;
                return;
            }
            pairs += 1;
            let end = short::either(pair, b'=', b'&').unwrap_or(pair.len());
            let (raw, behind) = pair.split_at_checked(end).unwrap_or((pair, &[]));
            rest = match behind {
                [b'&', behind @ ..] => Some(behind),
                [_, value @ ..] => short::either(value, b'&', b'&').and_then(|end| value.get(end + 1..)),
                [] => None,
            };
            if raw.is_empty() {
                continue;
            }
            let number = self.number(raw, before);
            before = Some(number);
            self.says |= self.known.get(number).map_or(says::ANYTHING, |name| name.says);
            if !self.found.contains(&number) {
                self.found.push(number);
            }
        }
    }

    /// The number of a name, and of the one before it.
    fn number(&mut self, raw: &[u8], before: Option<usize>) -> usize {
        let expected = before.map_or(Some(self.first), |before| Some(self.known.get(before)?.next));
        if let Some(expected) = expected
            && self.known.get(expected).is_some_and(|name| short::same(&name.raw, raw))
        {
            return expected;
        }
        let number = match self.by_name.get(raw) {
            Some(number) => *number,
            None => self.meet(raw),
        };
        match before.map(|before| self.known.get_mut(before)) {
            None => self.first = number,
            Some(Some(before)) => before.next = number,
            Some(None) => {}
        }
        number
    }

    #[cold]
    fn meet(&mut self, raw: &[u8]) -> usize {
        let remembered = self.by_name.len();
        let says = [
            (says::CREDENTIAL, caller::is_credential_parameter(raw)),
            (says::VERSION, versions::is_parameter(raw)),
            (says::CALL, operation::is_parameter(raw)),
        ];
        let says = says.iter().filter(|(_, is)| *is).fold(0, |all, (what, _)| all | what);
        let name = Name { raw: raw.into(), shown: privacy::shown_name(raw).into(), says, next: 0 };
        if raw.len() <= MAX_NAME && self.known.len() == remembered {
            self.by_name.insert(raw.into(), remembered);
        } else if let Some(at) = self.known.iter().skip(remembered).position(|name| *name.raw == *raw) {
            return remembered + at;
        }
        self.known.push(name);
        self.known.len() - 1
    }

    /// The names of the query as they may be shown, each once.
    pub(super) fn iter(&self) -> impl Iterator<Item = Shown<'_>> {
        let shown = |number: usize| {
            let text = &self.known.get(number)?.shown;
            let lasts = number < self.by_name.len();
            Some(Shown { text, id: lasts.then_some(self.forgotten + number as u64) })
        };
        self.found.iter().filter_map(move |number| shown(*number))
    }

    /// Whether a parameter may hold a credential.
    pub(super) const fn may_identify(&self) -> bool {
        self.says & says::CREDENTIAL != 0
    }

    /// Whether a parameter may tell the API's version.
    pub(super) const fn may_tell_version(&self) -> bool {
        self.says & says::VERSION != 0
    }

    /// Whether the parameters may make a call.
    pub(super) const fn may_call(&self) -> bool {
        self.says & says::CALL != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever queries came before, the names of one are those between its separators, each once and as they may be
        /// shown; and whatever may be looked for behind one is told.
        #[test]
        fn the_names_of_a_query_are_those_between_its_separators(
            queries in proptest::collection::vec("((page|v|API_KEY|query|x%41|a{90,120}|[a-c]{0,2})?(=|=[a-c=]{0,20})?&?){0,9}", 1..20),
            most in 1_usize..12,
        ) {
            let mut names = QueryNames::default();
            for query in &queries {
                names.read(Some(query.as_bytes()), most);
                let all: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
                let mut expected: Vec<&str> = Vec::new();
                for name in all.iter().take(most).filter(|name| !name.is_empty()) {
                    if !expected.contains(name) {
                        expected.push(name);
                    }
                }
                let shown: Vec<_> = expected.iter().map(|name| privacy::shown_name(name.as_bytes())).collect();
                prop_assert_eq!(names.iter().map(|name| &**name.text).collect::<Vec<_>>(), shown);
                prop_assert!(names.may_identify() || !all.contains(&"API_KEY"));
                prop_assert!(names.may_tell_version() || !all.contains(&"v"));
                prop_assert!(names.may_call() || !all.contains(&"query"));
            }
            names.read(None, most);
            prop_assert!(names.iter().next().is_none() && !names.may_identify());
        }
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut names = QueryNames::default();
        for number in 0..10_000 {
            names
                .read(Some(format!("n{number}=1&{}={number}", "x".repeat(200 + number % 9)).as_bytes()), 128);
        }
        assert!(names.known.len() <= MAX_NAMES + 2 && names.by_name.len() <= MAX_NAMES);
    }
}
