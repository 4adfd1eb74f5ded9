//! Finds the objects that matter in JSON while its bytes pass by, and holds one at a time.
//!
//! ```text
//!  {"log": {"version": …, "entries": [ {entry}, {entry}, … ]}}                            Rule::Har
//!  {"resourceSpans": [{"scopeSpans": [{"spans": [ {span}, … ]}]}]} newline {…}            Rule::Spans
//!  {"info": …, "item": [ {request}, {"item": [ {request}, … ]}, … ]}                       Rule::Postman
//!  {"http_buffered_trace": {trace}} newline {"http_streamed_trace_segment": {trace}} …    Rule::Tap
//! ```
//!
//! A [`Rule`] says by the keys above an object whether it is one. Only strings and brackets are looked at; an
//! element's own syntax is for its reader. A string longer than anyone would inspect loses its tail on the way in,
//! so that an entry with a video costs no more memory than one with a page.

use super::BadReason;

/// The longest element that is held, long strings cut.
pub(super) const MAX_ELEMENT: usize = 32 << 20;

/// Room for the keys that matter.
const MAX_KEY: usize = 32;

/// Levels above an element that are told apart; what is nested deeper holds none.
const MAX_LEVELS: usize = 64;

/// Where elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// `log.entries[]` of an HTTP archive.
    Har,
    /// `resourceSpans[].scopeSpans[].spans[]` of OpenTelemetry, one export after the other.
    Spans,
    /// `item[]` of a Postman collection, and of each folder in it; a folder itself is none.
    Postman,
    /// `http_buffered_trace` and `http_streamed_trace_segment` of Envoy's tap, one message after the other.
    Tap,
}

impl Rule {
    /// Whether a line that begins with a brace begins anew, whatever was open.
    const fn lined(self) -> bool {
        match self {
            Self::Har | Self::Postman => false,
            Self::Spans | Self::Tap => true,
        }
    }

    /// Whether an object below `levels`, under `key` when it has one, is an element.
    fn begins(self, levels: &[Level], key: &[u8]) -> bool {
        use Word as W;
        let is = |wanted: &[(bool, Word)]| {
            levels.len() == wanted.len()
                && levels.iter().zip(wanted).all(|(level, (array, word))| {
                    level.array == *array && (*word == W::Other || level.word == *word)
                })
        };
        match self {
            Self::Har => is(&[(false, W::Other), (false, W::Log), (true, W::Entries)]),
            Self::Spans => is(&[
                (false, W::Other),
                (true, W::ResourceSpans),
                (false, W::Other),
                (true, W::ScopeSpans),
                (false, W::Other),
                (true, W::Spans),
            ]),
            Self::Tap => levels.len() == 1 && Word::of(key) == W::Trace,
            Self::Postman => {
                // What Postman's own interface hands out stands under `collection`.
                let levels = match levels {
                    [_, inner @ ..] if inner.first().is_some_and(|level| level.word == W::Collection) => {
                        inner
                    }
                    all => all,
                };
                let arrays = levels.iter().skip(1).step_by(2);
                let objects = levels.iter().step_by(2);
                levels.len() % 2 == 0
                    && levels.len() >= 2
                    && objects.into_iter().all(|level| !level.array)
                    && arrays.into_iter().all(|level| level.array && level.word == W::Item)
            }
        }
    }
}

/// The keys that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Other,
    Log,
    Entries,
    ResourceSpans,
    ScopeSpans,
    Spans,
    Collection,
    Item,
    Trace,
}

impl Word {
    fn of(key: &[u8]) -> Self {
        match key {
            b"log" => Self::Log,
            b"entries" => Self::Entries,
            b"resourceSpans" | b"resource_spans" => Self::ResourceSpans,
            b"scopeSpans" | b"scope_spans" | b"instrumentationLibrarySpans" => Self::ScopeSpans,
            b"spans" => Self::Spans,
            b"collection" => Self::Collection,
            b"item" => Self::Item,
            b"http_buffered_trace"
            | b"httpBufferedTrace"
            | b"http_streamed_trace_segment"
            | b"httpStreamedTraceSegment" => Self::Trace,
            _ => Self::Other,
        }
    }
}

/// An object or array that is open and holds elements, or may.
#[derive(Clone, Copy, Debug)]
struct Level {
    array: bool,
    /// The key it stands under.
    word: Word,
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    /// Its JSON.
    Whole(&'a [u8]),
    /// It was longer than [`MAX_ELEMENT`] and is gone.
    TooLong,
    /// Its line ended within.
    Cut,
    /// No element, but a line with what is no JSON of this kind.
    Stray,
}

/// The state between two chunks. See the module's doc.
#[derive(Debug)]
pub(super) struct Elements {
    rule: Rule,
    levels: Vec<Level>,
    /// Brackets open beyond [`MAX_LEVELS`].
    deeper: u32,
    /// Braces open within the element; 0 outside of one.
    inside: u32,
    string: Option<InString>,
    /// The byte before was a line feed, or there was none.
    at_line: bool,
    /// The line holds what is no JSON: the rest of it is passed over.
    stray: bool,
    /// The string read last outside of elements.
    key: Vec<u8>,
    seen_har_key: bool,
    found_array: bool,
    max_string: usize,
    element: Vec<u8>,
    too_long: bool,
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

impl Elements {
    /// `body_bytes` of every string are kept, decoded, and more where that is simpler.
    pub(super) fn new(rule: Rule, body_bytes: usize) -> Self {
        Self {
            rule,
            levels: Vec::new(),
            deeper: 0,
            inside: 0,
            string: None,
            at_line: true,
            stray: false,
            key: Vec::new(),
            seen_har_key: false,
            found_array: false,
            // A character may be written with six bytes; nothing but bodies is near the lower bound.
            max_string: body_bytes.saturating_mul(6).max(64 << 10),
            element: Vec::new(),
            too_long: false,
        }
    }

    /// Hands out every element that ends in `bytes`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Element<'_>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(string) = self.string {
                bytes = self.in_string(string, bytes);
                continue;
            }
            if self.inside > 0 && !self.may_unwrap() {
                let run = memchr::memchr3(b'"', b'{', b'}', bytes).unwrap_or(bytes.len());
                // Square brackets nest evenly within an object: its end is told by braces alone.
                if run > 0 {
                    let (run, rest) = bytes.split_at(run);
                    self.at_line = run.ends_with(b"\n");
                    self.keep(run);
                    bytes = rest;
                    continue;
                }
            }
            bytes = rest;
            self.structure(byte, each);
            self.at_line = byte == b'\n';
        }
    }

    /// What the end of the input says is wrong.
    pub(super) const fn finish(&self) -> Option<BadReason> {
        if !self.found_array {
            Some(BadReason::NoEntries)
        } else if self.inside > 0 || !self.levels.is_empty() {
            Some(BadReason::Cut)
        } else {
            None
        }
    }

    /// Whether the place of elements was met.
    pub(super) const fn found(&self) -> bool {
        self.found_array
    }

    /// Whether `log` holds what a HAR's does.
    pub(super) const fn seen_har_key(&self) -> bool {
        self.seen_har_key
    }

    fn structure(&mut self, byte: u8, each: &mut dyn FnMut(Element<'_>)) {
        if byte == b'{' && self.at_line && self.rule.lined() && !self.levels.is_empty() {
            // The line before was cut.
            self.levels.clear();
            self.deeper = 0;
            self.inside = 0;
            each(Element::Cut);
        }
        self.stray &= !self.at_line;
        if self.stray {
            return;
        }
        if self.levels.is_empty() && self.rule.lined() && !is_structure(byte) {
            self.stray = true;
            return each(Element::Stray);
        }
        if self.inside > 0 {
            if byte == b'[' && self.may_unwrap() && Word::of(&self.key) == Word::Item {
                return self.unwrap_folder();
            }
            self.keep(&[byte]);
            match byte {
                b'"' => {
                    self.begin_string();
                    self.key.clear();
                }
                b',' => self.key.clear(),
                b'{' => self.inside = self.inside.saturating_add(1),
                b'}' => {
                    self.inside -= 1;
                    if self.inside == 0 {
                        each(if self.too_long { Element::TooLong } else { Element::Whole(&self.element) });
                        self.element.clear();
                        self.element.shrink_to(4 << 20);
                    }
                }
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.begin_string();
                self.key.clear();
            }
            b'{' if self.deeper == 0 && self.rule.begins(&self.levels, &self.key) => {
                self.inside = 1;
                self.found_array = true;
                self.element.clear();
                self.too_long = false;
                self.keep(b"{");
            }
            b'{' | b'[' => {
                if self.levels.len() == MAX_LEVELS {
                    self.deeper = self.deeper.saturating_add(1);
                } else {
                    let word = Word::of(&self.key);
                    self.levels.push(Level { array: byte == b'[', word });
                    self.found_array |= byte == b'[' && self.rule.begins(&self.levels, b"");
                }
                self.key.clear();
            }
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => {
                self.levels.pop();
                self.key.clear();
            }
            b':' if matches!(self.levels.as_slice(), [_, Level { word: Word::Log, array: false }]) => {
                self.seen_har_key |=
                    [&b"entries"[..], b"creator", b"version", b"browser", b"pages"].contains(&&*self.key);
            }
            b',' => self.key.clear(),
            _ => {}
        }
    }

    /// Whether what is open may still turn out to hold elements.
    fn may_unwrap(&self) -> bool {
        self.rule == Rule::Postman && self.inside == 1
    }

    /// The element is a folder after all: what it holds are elements.
    fn unwrap_folder(&mut self) {
        self.inside = 0;
        self.element.clear();
        self.key.clear();
        // Two levels at once, or none of them told apart.
        if self.levels.len() + 2 > MAX_LEVELS {
            self.deeper = self.deeper.saturating_add(2);
        } else {
            self.levels.push(Level { array: false, word: Word::Other });
            self.levels.push(Level { array: true, word: Word::Item });
        }
    }

    const fn begin_string(&mut self) {
        self.string = Some(InString { escaped: false, len: 0, since_u: 4, cutting: false });
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
            // No JSON string holds a line feed: its line was cut.
            b'\n' if self.rule.lined() => {
                self.string = None;
                self.at_line = true;
                self.too_long |= self.inside > 0;
                after_first
            }
            b'"' => {
                self.string = None;
                if self.inside > 0 {
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
                let end = if self.rule.lined() {
                    memchr::memchr3(b'"', b'\\', b'\n', bytes)
                } else {
                    memchr::memchr2(b'"', b'\\', bytes)
                };
                let end = end.unwrap_or(bytes.len());
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
        if self.inside > 0 {
            self.keep(bytes);
        }
        if (self.inside == 0 || self.may_unwrap()) && self.key.len() < MAX_KEY {
            self.key.extend(bytes.iter().take(MAX_KEY));
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.too_long || self.element.len() + bytes.len() > MAX_ELEMENT {
            self.too_long = true;
        } else {
            self.element.extend_from_slice(bytes);
        }
    }
}

/// Whether a byte may stand between documents: white space and brackets, and the comma of a list of them.
const fn is_structure(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], chunk: usize, body_bytes: usize) -> (Vec<String>, Option<BadReason>) {
        all_by(Rule::Har, input, chunk, body_bytes)
    }

    fn all_by(rule: Rule, input: &[u8], chunk: usize, body_bytes: usize) -> (Vec<String>, Option<BadReason>) {
        let mut elements = Elements::new(rule, body_bytes);
        let mut out = Vec::new();
        for chunk in input.chunks(chunk) {
            elements.feed(chunk, &mut |element| match element {
                Element::Whole(bytes) => out.push(String::from_utf8_lossy(bytes).into_owned()),
                Element::TooLong => out.push("too long".into()),
                Element::Cut => out.push("cut".into()),
                Element::Stray => out.push("stray".into()),
            });
        }
        (out, elements.finish())
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
    fn a_line_that_is_cut_or_garbage_costs_itself_and_is_told() {
        let export =
            |id: u8| format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"a\":{id}}}]}}]}}]}}");
        let cut = export(2).replace(":2}", ":\"b");
        let garbage = "garbage: \"{".to_owned();
        let input =
            [export(1), cut, export(3), garbage, String::new(), "null".to_owned(), export(4)].join("\n");
        let expected = ["{\"a\":1}", "cut", "{\"a\":3}", "stray", "stray", "{\"a\":4}"];
        for chunk in [1, 2, 3, 7, 1_000] {
            let (found, end) = all_by(Rule::Spans, input.as_bytes(), chunk, 0);
            assert_eq!((found.as_slice(), end), (expected.map(str::to_owned).as_slice(), None), "{chunk}");
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
