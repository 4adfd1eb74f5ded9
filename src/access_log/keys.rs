//! What the keys of a log mean, worked out once.
//!
//! Logs name the same fields in the same order, line after line: the key behind the one met last is looked at first,
//! and most often it is the one. Others are searched for; what is new is worked out by [`told`] and remembered.
//! [`MAX_KEYS`] are, of [`MAX_KEY`] bytes at most, so that a stranger's keys cost time and no memory.

use super::names::{Meaning, meaning};

/// Keys remembered; when there are more, all are forgotten.
const MAX_KEYS: usize = 128;
/// The number of a key that is too long to be remembered.
const PASSING: usize = usize::MAX;
/// The longest key that is remembered.
const MAX_KEY: usize = 128;

/// Where nested logs keep the fields of a head.
const REQUEST_HEADS: [&str; 5] =
    ["request.headers.", "req.headers.", "request_headers.", "headers.", "http_"];
const RESPONSE_HEADS: [&str; 6] = [
    "response.headers.",
    "res.headers.",
    "resp_headers.",
    "response_headers.",
    "sent_http_",
    "upstream_http_",
];
/// What shippers and clouds wrap a log's object in.
const WRAPPERS: [&str; 9] = [
    "jsonPayload.",
    "httpRequest.",
    "log.",
    "event.",
    "fields.",
    "data.",
    "message.",
    "properties.",
    "http.",
];

/// What a key says of its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// A fact of the exchange.
    Fact(Meaning),
    /// A field of the request's head, by its name.
    RequestHead(Box<str>),
    /// A field of the response's head, by its name.
    ResponseHead(Box<str>),
    /// Nothing that matters here.
    #[default]
    Nothing,
}

/// What the key `path` tells, which has a point where the log nests.
pub(super) fn told(path: &str) -> Told {
    let inner = WRAPPERS.iter().fold(path, |path, wrapper| path.strip_prefix(wrapper).unwrap_or(path));
    let mut name = String::new();
    let mut known = |path: &str| {
        let letters = path.bytes().filter(u8::is_ascii_alphanumeric);
        name.clear();
        name.extend(letters.map(|letter| char::from(letter.to_ascii_lowercase())));
        meaning(&name)
    };
    if let Some(meaning) = known(path).or_else(|| known(inner)) {
        return Told::Fact(meaning);
    }
    let under = |heads: &[&str]| {
        heads.iter().find_map(|head| {
            let front = inner.get(..head.len())?;
            let name = inner.get(head.len()..).filter(|name| !name.is_empty())?;
            front.eq_ignore_ascii_case(head).then(|| name.replace('_', "-").into_boxed_str())
        })
    };
    if let Some(name) = under(&RESPONSE_HEADS) {
        Told::ResponseHead(name)
    } else if let Some(name) = under(&REQUEST_HEADS) {
        Told::RequestHead(name)
    } else {
        Told::Nothing
    }
}

#[derive(Debug)]
struct Key {
    path: Box<str>,
    /// As it is written where nothing nests; none when it is long, or a quote stands in it.
    written: Option<Written>,
    /// Whether a quote stands in it.
    quoted: bool,
    told: Told,
}

/// A key as JSON has it behind its first quote: with its last one and a colon, in two words, and which of their bits count.
#[derive(Clone, Copy, Debug)]
struct Written {
    words: [u128; 2],
    masks: [u128; 2],
    len: usize,
}

impl Written {
    fn of(path: &str) -> Option<Self> {
        let (mut bytes, mut counts) = ([0; 32], [0; 32]);
        let len = path.len() + 2;
        bytes.get_mut(..len)?.copy_from_slice(format!("{path}\":").as_bytes());
        counts.get_mut(..len)?.fill(u8::MAX);
        Some(Self { words: words(&bytes), masks: words(&counts), len })
    }

    /// What follows, when a text begins with it; `None` also when the text is too short to tell at once.
    fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let [first, second] = words(text.first_chunk()?);
        let other = (first ^ self.words[0]) & self.masks[0] | (second ^ self.words[1]) & self.masks[1];
        if other == 0 { text.get(self.len..) } else { None }
    }
}

fn words(bytes: &[u8; 32]) -> [u128; 2] {
    let (words, _) = bytes.as_chunks::<16>();
    [0, 1].map(|at| words.get(at).map_or(0, |word| u128::from_le_bytes(*word)))
}

/// The keys met so far. See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: Vec<Key>,
    /// Behind the key that was found last.
    next: usize,
    /// What was worked out of a key that is too long to be remembered.
    passing: Told,
}

impl Keys {
    /// A line begins.
    pub(super) const fn begin(&mut self) {
        self.next = 0;
    }

    /// The key whose turn it is, when lines repeat their order; none that holds a quote.
    pub(super) fn expected(&self) -> Option<&str> {
        self.known.get(self.next).filter(|key| !key.quoted).map(|key| &*key.path)
    }

    /// Goes on behind the expected key, when a text begins with it as it is written where nothing nests, its first quote
    /// taken; gives its number and what follows its colon.
    pub(super) fn take_written<'a>(&mut self, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let behind = self.known.get(self.next)?.written.as_ref()?.strip(text)?;
        Some((self.take_expected(), behind))
    }

    /// The path of the key with this number; of one that is too long to be remembered nothing.
    pub(super) fn path(&self, key: usize) -> &str {
        self.known.get(key).map_or("", |key| &key.path)
    }

    /// Goes on behind the expected key and gives its number.
    pub(super) const fn take_expected(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// The number of a key, which it has until the next is asked for.
    pub(super) fn find(&mut self, path: &str) -> usize {
        let same = |key: &Key| *key.path == *path;
        let at = match self.known.get(self.next) {
            Some(expected) if same(expected) => self.next,
            Some(_) | None => match self.known.iter().position(same) {
                Some(at) => at,
                None if path.len() > MAX_KEY => {
                    self.passing = told(path);
                    return PASSING;
                }
                None => self.remember(path),
            },
        };
        self.next = at + 1;
        at
    }

    /// What the key with this number tells.
    pub(super) fn told(&self, key: usize) -> &Told {
        self.known.get(key).map_or(&self.passing, |key| &key.told)
    }

    #[cold]
    fn remember(&mut self, path: &str) -> usize {
        if self.known.len() >= MAX_KEYS {
            self.known.clear();
        }
        let quoted = path.contains('"');
        let written = if quoted { None } else { Written::of(path) };
        self.known.push(Key { path: path.into(), written, quoted, told: told(path) });
        self.known.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_tell_facts_heads_or_nothing() {
        for (path, expected) in [
            ("http_user_agent", Told::Fact(Meaning::RequestField("User-Agent"))),
            ("httpRequest.status", Told::Fact(Meaning::Status(2))),
            ("request.headers.X-A", Told::RequestHead("X-A".into())),
            ("sent_http_x_a", Told::ResponseHead("x-a".into())),
            ("http_", Told::Nothing),
            ("pid", Told::Nothing),
        ] {
            assert_eq!(told(path), expected, "{path}");
        }
    }

    proptest! {
        /// Whatever keys were met before, and in whatever order, a key tells the same.
        #[test]
        fn what_is_remembered_is_what_is_told(
            paths in proptest::collection::vec("(http_|sent_http_|event\\.|)[a-c]{0,2}(status|time|[x-z]{0,3})([0-9]{1,3})?", 1..400),
        ) {
            let mut keys = Keys::default();
            for (at, path) in paths.iter().enumerate() {
                if at % 7 == 0 {
                    keys.begin();
                }
                let long = path.repeat(if at % 11 == 0 { 60 } else { 1 });
                let key = keys.find(&long);
                prop_assert_eq!(keys.told(key), &told(&long));
                prop_assert!(keys.known.len() <= MAX_KEYS);
            }
        }
    }
}
