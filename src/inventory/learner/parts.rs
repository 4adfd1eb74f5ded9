//! A path cut at its slashes, and what its segments are made of: looked at once for all who ask.

/// What the bytes of a segment are, as bits.
pub(crate) mod kind {
    /// `0` to `9`.
    pub(crate) const DIGIT: u8 = 1;
    /// `a` to `f`.
    pub(crate) const HEX: u8 = 2;
    /// `-`.
    pub(crate) const DASH: u8 = 4;
    /// `A` to `Z`.
    pub(crate) const UPPER: u8 = 8;
    /// Another byte that names are made of.
    pub(crate) const OTHER: u8 = 16;
    /// What a name is not always made of: it has a meaning in paths, or in the names of files and attackers.
    pub(crate) const ODD: u8 = 32;
    /// `@` or `%`; such a segment is odd as well.
    pub(crate) const MARK: u8 = 64;
    /// Ends a segment.
    pub(crate) const ENDS: u8 = 128;

    /// The kind of each byte.
    pub(super) static OF: [u8; 256] = table();

    const fn table() -> [u8; 256] {
        let mut table = [ODD; 256];
        let mut at = 0_u8;
        loop {
            #[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 entries")]
            {
                table[at as usize] = match at {
                    b'0'..=b'9' => DIGIT,
                    b'a'..=b'f' => HEX,
                    b'-' => DASH,
                    b'A'..=b'Z' => UPPER,
                    b'g'..=b'z' | b'_' | b'~' => OTHER,
                    b'@' | b'%' => ODD | MARK,
                    b'/' | b'?' | b'#' => ENDS,
                    _ => ODD,
                };
            }
            if at == u8::MAX {
                return table;
            }
            at += 1;
        }
    }
}

/// What the bytes of a segment are.
pub(super) fn kinds_of(segment: &[u8]) -> u8 {
    segment.iter().fold(0, |all, byte| all | kind::OF.get(usize::from(*byte)).copied().unwrap_or(kind::ODD))
}

/// One segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Its bytes, which may be none.
    pub(crate) bytes: &'a [u8],
    /// What they are: bits of [`kind`].
    pub(crate) kinds: u8,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
    kinds: u8,
}

/// Segments that are cut; the rest of a longer path is left out.
const MAX_PARTS: usize = 128;

impl Part<'_> {
    /// Whether it carries nothing: words and versions are no values.
    pub(crate) const fn is_dull(self) -> bool {
        self.kinds & (kind::DIGIT | kind::MARK) == 0 && self.bytes.len() <= 20
            || matches!(self.bytes, [b'v', b'0'..=b'9'])
    }
}

/// The segments of the path of one exchange, cut when the first asks for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    spans: Vec<Span>,
    whole: bool,
    cut: bool,
    dull: bool,
}

impl Parts {
    /// Begins with another path.
    pub(crate) const fn begin(&mut self) {
        (self.cut, self.dull) = (false, false);
    }

    /// Cuts a path, which may be followed by a query, if that was not done.
    pub(crate) fn cut(&mut self, path: &[u8]) {
        if self.cut {
            return;
        }
        self.cut = true;
        self.spans.clear();
        self.whole = u32::try_from(path.len()).is_ok();
        let mut start = usize::from(path.first() == Some(&b'/'));
        let mut at = start;
        let mut kinds = 0;
        for byte in path.get(start..).unwrap_or_default() {
            let kind = kind::OF.get(usize::from(*byte)).copied().unwrap_or(kind::ODD);
            kinds |= kind;
            if kind & kind::ENDS != 0 {
                if *byte != b'/' {
                    break;
                }
                if self.spans.len() < MAX_PARTS {
                    self.push(start, at, kinds);
                } else {
                    self.whole = false;
                }
                (start, kinds) = (at + 1, 0);
            }
            at += 1;
        }
        if self.whole {
            self.push(start, at, kinds);
        }
    }

    /// Begins to take segments that are cut elsewhere, all in their order.
    pub(super) fn begin_cut(&mut self) {
        self.spans.clear();
        self.whole = true;
    }

    /// Takes the next segment, with what it is made of; `None` when there are too many.
    pub(super) fn take(&mut self, start: usize, end: usize, kinds: u8) -> Option<()> {
        (self.spans.len() < MAX_PARTS).then(|| self.push(start, end, kinds))
    }

    /// Notes that all segments were taken.
    pub(super) const fn end_cut(&mut self) {
        self.cut = true;
    }

    /// Notes that the path was met before, and whether all its segments are dull.
    pub(crate) const fn know(&mut self, dull: bool) {
        self.dull = dull;
    }

    /// Whether all segments are known to be dull.
    pub(crate) const fn known_dull(&self) -> bool {
        self.dull
    }

    fn push(&mut self, start: usize, end: usize, kinds: u8) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans.push(Span { start: place(start), end: place(end), kinds: kinds & !kind::ENDS });
    }

    /// Whether these are all segments of the path that was cut.
    #[cfg(test)]
    const fn whole(&self) -> bool {
        self.whole
    }

    /// The segments of `path`, which is the one that was cut.
    pub(crate) fn of<'a>(&self, path: &'a [u8]) -> impl Iterator<Item = Part<'a>> {
        self.spans.iter().map(move |span| Part {
            bytes: path.get(span.start as usize..span.end as usize).unwrap_or_default(),
            kinds: span.kinds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_know_what_they_are_made_of() {
        let mut parts = Parts::default();
        let path = b"/v1//caf%C3%A9/DE12/0a-b/x.y/";
        parts.cut(path);
        let found: Vec<_> = parts
            .of(path)
            .map(|part| (String::from_utf8_lossy(part.bytes).into_owned(), part.kinds))
            .collect();
        let expected = [
            ("v1", kind::OTHER | kind::DIGIT),
            ("", 0),
            ("caf%C3%A9", kind::HEX | kind::ODD | kind::MARK | kind::UPPER | kind::DIGIT),
            ("DE12", kind::UPPER | kind::DIGIT),
            ("0a-b", kind::DIGIT | kind::HEX | kind::DASH),
            ("x.y", kind::OTHER | kind::ODD),
            ("", 0),
        ];
        assert_eq!(found, expected.map(|(text, kinds)| (text.to_owned(), kinds)));
    }

    proptest! {
        /// The segments are those between slashes, whatever the bytes, and end with the path.
        #[test]
        fn nothing_is_lost_between_slashes(
            target in proptest::collection::vec(prop_oneof![4 => Just(b'/'), 1 => Just(b'?'), 40 => any::<u8>()], 0..400),
        ) {
            let mut parts = Parts::default();
            parts.cut(b"/of/another/path");
            parts.begin();
            parts.cut(&target);
            let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
            let path = &target[..end];
            let found: Vec<&[u8]> = parts.of(path).map(|part| part.bytes).collect();
            let behind = path.strip_prefix(b"/").unwrap_or(path);
            let expected: Vec<&[u8]> = behind.split(|byte| *byte == b'/').collect();
            prop_assert_eq!(parts.whole(), expected.len() <= MAX_PARTS + 1);
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            prop_assert!(!parts.whole() || found.len() == expected.len());
        }
    }
}
