//! Finds the entries of a HAR while its bytes pass by, and holds one at a time.
//!
//! ```text
//!  {"log": {"version": …, "entries": [ {entry}, {entry}, … ]}}
//!  ╰─1──╯  ╰────────2───────────────╯╰─3─╯╰─4─…          depth
//! ```
//!
//! Only strings and brackets are looked at; an entry's own syntax is for its reader. A string longer than
//! anyone would inspect loses its tail on the way in, so that an entry with a video costs no more memory
//! than one with a page.

use super::super::BadReason;

/// The longest entry that is held, long strings cut.
pub(in super::super) const MAX_ENTRY: usize = 32 << 20;

/// Room for the keys that matter.
const MAX_KEY: usize = 8;

/// One element of `log.entries`.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Entry<'a> {
    /// Its JSON.
    Whole(&'a [u8]),
    /// It was longer than [`MAX_ENTRY`] and is gone.
    TooLong,
}

/// The state between two chunks. See the module's doc.
#[expect(clippy::struct_excessive_bools, reason = "each tells another thing; none excludes one")]
#[derive(Debug)]
pub(in super::super) struct Entries {
    depth: u32,
    place: Place,
    string: Option<InString>,
    /// The string read last at depth 1 or 2, and whether a colon made it a key.
    key: Vec<u8>,
    /// Whether depth 2 is inside `log`.
    in_log: bool,
    seen_har_key: bool,
    found_array: bool,
    max_string: usize,
    entry: Vec<u8>,
    too_long: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not among entries.
    Outside,
    /// In the array, between two entries.
    Between,
    /// In an entry.
    Inside,
}

#[derive(Clone, Copy, Debug)]
struct InString {
    /// The last byte was a backslash that escapes the next one.
    escaped: bool,
    /// Bytes kept of it.
    len: usize,
    /// Bytes since the `u` of an escape, whose four digits belong together; 4 and more is apart.
    since_u: usize,
    /// Its tail is being dropped.
    cutting: bool,
}

impl Entries {
    /// `body_bytes` of every string are kept, decoded, and more where that is simpler.
    pub(in super::super) fn new(body_bytes: usize) -> Self {
        Self {
            depth: 0,
            place: Place::Outside,
            string: None,
            key: Vec::new(),
            in_log: false,
            seen_har_key: false,
            found_array: false,
            // A character may be written with six bytes; nothing but bodies is near the lower bound.
            max_string: body_bytes.saturating_mul(6).max(64 << 10),
            entry: Vec::new(),
            too_long: false,
        }
    }

    /// Hands out every entry that ends in `bytes`.
    pub(in super::super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Entry<'_>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(string) = self.string {
                bytes = self.in_string(string, bytes);
                continue;
            }
            if self.place == Place::Inside {
                let run = memchr::memchr3(b'"', b'{', b'}', bytes).unwrap_or(bytes.len());
                // Square brackets nest evenly within an object: its end is told by braces alone.
                if run > 0 {
                    let (run, rest) = bytes.split_at(run);
                    self.keep(run);
                    bytes = rest;
                    continue;
                }
            }
            bytes = rest;
            self.structure(byte, each);
        }
    }

    /// What the end of the input says is wrong.
    pub(in super::super) const fn finish(&self) -> Option<BadReason> {
        match self.place {
            Place::Inside | Place::Between => Some(BadReason::Cut),
            Place::Outside if self.found_array => None,
            Place::Outside => Some(BadReason::NoEntries),
        }
    }

    /// Whether `log` holds what a HAR's does.
    pub(super) const fn seen_har_key(&self) -> bool {
        self.seen_har_key
    }

    fn structure(&mut self, byte: u8, each: &mut dyn FnMut(Entry<'_>)) {
        if self.place == Place::Inside {
            self.keep(&[byte]);
        }
        match byte {
            b'"' => {
                self.string = Some(InString { escaped: false, len: 0, since_u: 4, cutting: false });
                if self.place == Place::Outside {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                if self.place == Place::Outside {
                    if self.depth == 1 {
                        self.in_log = byte == b'{' && self.key == b"log";
                    } else if self.depth == 2 && self.in_log && byte == b'[' && self.key == b"entries" {
                        self.place = Place::Between;
                        self.found_array = true;
                    }
                } else if self.place == Place::Between && byte == b'{' && self.depth == 3 {
                    self.place = Place::Inside;
                    self.entry.clear();
                    self.too_long = false;
                    self.keep(b"{");
                }
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.place == Place::Inside && self.depth == 3 {
                    self.place = Place::Between;
                    each(if self.too_long { Entry::TooLong } else { Entry::Whole(&self.entry) });
                    self.entry.clear();
                    self.entry.shrink_to(4 << 20);
                } else if self.place == Place::Between && self.depth == 2 {
                    self.place = Place::Outside;
                }
                if self.depth < 2 {
                    self.in_log = false;
                }
            }
            b':' if self.in_log && self.depth == 2 => {
                self.seen_har_key |=
                    [&b"entries"[..], b"creator", b"version", b"browser", b"pages"].contains(&&*self.key);
            }
            b',' if self.place == Place::Outside => self.key.clear(),
            _ => {}
        }
    }

    /// Takes the bytes of a string up to its end or an escape, and gives back the rest.
    fn in_string<'a>(&mut self, mut string: InString, bytes: &'a [u8]) -> &'a [u8] {
        let Some((&first, after_first)) = bytes.split_first() else { return bytes };
        if string.escaped {
            string.escaped = false;
            string.since_u = if first == b'u' { 0 } else { 4 };
            self.keep_of_string(&mut string, std::slice::from_ref(&first));
            self.string = Some(string);
            return after_first;
        }
        match first {
            b'"' => {
                self.string = None;
                if self.place == Place::Inside {
                    self.keep(b"\"");
                }
                after_first
            }
            b'\\' => {
                string.escaped = true;
                string.cutting |= string.len >= self.max_string;
                self.keep_of_string(&mut string, b"\\");
                self.string = Some(string);
                after_first
            }
            _ => {
                let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
                let (run, rest) = bytes.split_at(end);
                if !string.cutting {
                    // From here on the string is long enough, and an escape is behind: cut between characters.
                    let from = self
                        .max_string
                        .saturating_sub(string.len)
                        .max(4_usize.saturating_sub(string.since_u));
                    let tail = run.get(from..).unwrap_or_default();
                    let cut = tail.iter().position(|byte| byte & 0xc0 != 0x80).map(|at| from + at);
                    self.keep_of_string(&mut string, run.get(..cut.unwrap_or(run.len())).unwrap_or_default());
                    string.since_u = string.since_u.saturating_add(run.len());
                    string.cutting = cut.is_some();
                }
                self.string = Some(string);
                rest
            }
        }
    }

    fn keep_of_string(&mut self, string: &mut InString, bytes: &[u8]) {
        if string.cutting {
            return;
        }
        string.len += bytes.len();
        match self.place {
            Place::Inside => self.keep(bytes),
            Place::Outside if self.depth <= 2 && self.key.len() < MAX_KEY => {
                self.key.extend(bytes.iter().take(MAX_KEY));
            }
            Place::Outside | Place::Between => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.too_long || self.entry.len() + bytes.len() > MAX_ENTRY {
            self.too_long = true;
        } else {
            self.entry.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], chunk: usize, body_bytes: usize) -> (Vec<String>, Option<BadReason>) {
        let mut entries = Entries::new(body_bytes);
        let mut out = Vec::new();
        for chunk in input.chunks(chunk) {
            entries.feed(chunk, &mut |entry| match entry {
                Entry::Whole(bytes) => out.push(String::from_utf8_lossy(bytes).into_owned()),
                Entry::TooLong => out.push("too long".into()),
            });
        }
        (out, entries.finish())
    }

    #[test]
    fn entries_are_found_wherever_they_stand() {
        let input = r#"{"x":{"entries":[{"a":0}]}, "log" : {"pages":[{"log":{}}],"comment":"\"entries\":[{",
            "entries" : [ {"a":"}\\"} ,{"b":{"c":[{"d":"]"}]}}, 7, "{", {} ] ,"more":[{"e":1}]}, "entries":[{}]}"#;
        let expected = (
            vec![r#"{"a":"}\\"}"#.to_owned(), r#"{"b":{"c":[{"d":"]"}]}}"#.to_owned(), "{}".to_owned()],
            None,
        );
        for chunk in [1, 2, 3, 7, 1_000] {
            assert_eq!(all(input.as_bytes(), chunk, 100), expected, "{chunk}");
        }
    }

    #[test]
    fn an_input_that_ends_early_or_has_no_entries_says_so() {
        for (input, reason) in [
            ("", BadReason::NoEntries),
            ("{\"log\":{}}", BadReason::NoEntries),
            ("{\"log\":{\"entries\":[{},", BadReason::Cut),
            ("{\"log\":{\"entries\":[{\"a\":\"", BadReason::Cut),
        ] {
            assert_eq!(all(input.as_bytes(), 4, 100).1, Some(reason), "{input}");
        }
    }

    #[test]
    fn a_long_string_loses_its_tail_between_characters() {
        let bound = 64 << 10;
        for (text, kept) in [
            ("x".repeat(bound + 9), "x".repeat(bound)),
            ("é".repeat(bound), "é".repeat(bound / 2)),
            (format!("x{}", "é".repeat(bound)), format!("x{}", "é".repeat(bound / 2))),
            ("\\u00e9".repeat(bound), "\\u00e9".repeat(bound / 6 + 1)),
            (format!("{}\\\\\\\"yz", "x".repeat(bound - 1)), format!("{}\\\\", "x".repeat(bound - 1))),
        ] {
            let input = format!("{{\"log\":{{\"entries\":[{{\"a\":\"{text}\"}}]}}}}");
            for chunk in [1, 4_099, input.len()] {
                let (entries, _) = all(input.as_bytes(), chunk, 1);
                assert_eq!(entries, [format!("{{\"a\":\"{kept}\"}}")], "{chunk} of {}", input.len());
            }
        }
    }

    proptest! {
        /// However the bytes are cut into chunks, the same entries come out.
        #[test]
        fn chunks_do_not_matter(tail in "[ \\[\\]{}:,\"a\\\\é]{0,60}", chunk in 1_usize..9) {
            let input = format!("{{\"log\":{{\"entries\":[{tail}");
            prop_assert_eq!(all(input.as_bytes(), chunk, 1), all(input.as_bytes(), 1_000, 1));
        }
    }
}
