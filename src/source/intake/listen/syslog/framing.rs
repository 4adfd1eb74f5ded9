//! Where one syslog message ends and the next begins in a stream (RFC 6587).
//!
//! ```text
//!            1-9                   SP                    all of it
//!  Between ──────▶ Count (digits) ────▶ Counted (bytes) ──────────▶ Between
//!     │    <                             line end
//!     └──────────▶ Line ───────────────────────────────────────────▶ Between
//! ```
//!
//! Senders differ, so each message may be framed either way, as rsyslog takes them: a digit begins a count of bytes, `<`
//! begins a line. Anything else means that the framing is lost, and so is the connection. A message over the limit is
//! skipped, whichever way it is framed.

/// Digits of the longest count that is believed: up to 9,999,999 bytes are skipped.
const MAX_DIGITS: u8 = 7;

/// A message, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It is longer than the limit and is skipped.
    TooLong,
    /// The stream ended inside it.
    Cut,
}

/// The stream does not go on as RFC 6587 says: nothing behind can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Count { digits: u8, value: usize },
    Counted { left: usize },
    SkipCounted { left: usize },
    Line,
    SkipLine,
    Lost,
}

/// Tells the messages of a stream apart. Holds the front of one, up to the limit.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    partial: Vec<u8>,
    limit: usize,
}

impl Frames {
    /// For messages of at most `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self { state: State::Between, partial: Vec::new(), limit }
    }

    /// Hands out every message that ends in `bytes` and holds the rest.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Lost> {
        while let Some((&first, behind)) = bytes.split_first() {
            bytes = match self.state {
                State::Between => match first {
                    // Some put a line end behind counted messages too.
                    b'\n' | b'\r' | b'\0' | b' ' => behind,
                    b'1'..=b'9' => {
                        self.state = State::Count { digits: 0, value: 0 };
                        bytes
                    }
                    b'<' => {
                        self.state = State::Line;
                        bytes
                    }
                    _ => return self.lose(),
                },
                State::Count { digits, value } => match first {
                    b'0'..=b'9' if digits < MAX_DIGITS => {
                        self.state = State::Count {
                            digits: digits + 1,
                            value: value * 10 + usize::from(first - b'0'),
                        };
                        behind
                    }
                    b' ' => {
                        self.state = if value > self.limit {
                            each(Frame::TooLong);
                            State::SkipCounted { left: value }
                        } else {
                            State::Counted { left: value }
                        };
                        behind
                    }
                    _ => return self.lose(),
                },
                State::Counted { left } => self.counted(bytes, left, each),
                State::SkipCounted { left } => {
                    let (skipped, behind) = bytes.split_at(left.min(bytes.len()));
                    self.state = match left - skipped.len() {
                        0 => State::Between,
                        left => State::SkipCounted { left },
                    };
                    behind
                }
                State::Line => self.line(bytes, each),
                State::SkipLine => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(()) };
                    self.state = State::Between;
                    bytes.get(end..).unwrap_or_default()
                }
                State::Lost => return Err(Lost),
            };
        }
        Ok(())
    }

    /// What the end of the stream leaves: a line without its end is whole, a counted message is not.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Frame<'_>)) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Line => each(Frame::Whole(&self.partial)),
            State::Count { .. } | State::Counted { .. } => each(Frame::Cut),
            // That it is too long was told.
            State::SkipCounted { .. } | State::SkipLine => {}
            State::Between | State::Lost => {}
        }
        self.partial.clear();
    }

    const fn lose(&mut self) -> Result<(), Lost> {
        self.state = State::Lost;
        Err(Lost)
    }

    fn counted<'b>(&mut self, bytes: &'b [u8], left: usize, each: &mut dyn FnMut(Frame<'_>)) -> &'b [u8] {
        let (part, behind) = bytes.split_at(left.min(bytes.len()));
        if part.len() < left {
            self.partial.extend_from_slice(part);
            self.state = State::Counted { left: left - part.len() };
            return behind;
        }
        self.hand_out(part, each);
        behind
    }

    fn line<'b>(&mut self, bytes: &'b [u8], each: &mut dyn FnMut(Frame<'_>)) -> &'b [u8] {
        let end = memchr::memchr(b'\n', bytes);
        let (part, behind) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.partial.len() + part.len() > self.limit {
            self.partial.clear();
            each(Frame::TooLong);
            self.state = State::SkipLine;
        } else if end.is_some() {
            self.hand_out(part, each);
        } else {
            self.partial.extend_from_slice(part);
        }
        behind
    }

    fn hand_out(&mut self, last: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
        self.state = State::Between;
        if self.partial.is_empty() {
            return each(Frame::Whole(last));
        }
        self.partial.extend_from_slice(last);
        each(Frame::Whole(&self.partial));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 40;

    fn read(chunks: &[&[u8]]) -> (Vec<Result<String, &'static str>>, bool) {
        let mut frames = Frames::new(LIMIT);
        let mut out = Vec::new();
        let mut each = |frame: Frame<'_>| {
            out.push(match frame {
                Frame::Whole(message) => Ok(String::from_utf8_lossy(message).into_owned()),
                Frame::TooLong => Err("too long"),
                Frame::Cut => Err("cut"),
            });
        };
        let lost = chunks.iter().any(|chunk| frames.feed(chunk, &mut each).is_err());
        frames.finish(&mut each);
        assert!(frames.partial.capacity() <= 4 * LIMIT, "what is held is bounded");
        (out, lost)
    }

    #[test]
    fn messages_are_told_apart_however_they_are_framed() {
        let ok = |text: &str| Ok(text.to_owned());
        for (stream, expected, is_lost) in [
            (
                "5 <1>ab6 <1>a\nb<2>line\n<3>last",
                vec![ok("<1>ab"), ok("<1>a\nb"), ok("<2>line"), ok("<3>last")],
                false,
            ),
            ("5 <1>ab\n5 <1>cd\r\n\0", vec![ok("<1>ab"), ok("<1>cd")], false),
            ("9 <1>cut", vec![Err("cut")], false),
            ("9", vec![Err("cut")], false),
            ("41 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx3 <1>", vec![Err("too long"), ok("<1>")], false),
            (
                "<1>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n<2>\n",
                vec![Err("too long"), ok("<2>")],
                false,
            ),
            ("5 <1>ab GET / HTTP/1.1", vec![ok("<1>ab")], true),
            ("12345678 <1>", vec![], true),
            ("1x", vec![], true),
            ("\u{16}\u{3}\u{1}", vec![], true),
        ] {
            assert_eq!(read(&[stream.as_bytes()]), (expected, is_lost), "{stream:?}");
        }
    }

    proptest! {
        /// However a stream is cut into chunks, the messages are the same.
        #[test]
        fn chunks_do_not_matter(
            pieces in proptest::collection::vec("([0-9]{1,3} )?<?[a-z<0-9 ]{0,30}\n?", 0..12),
            at in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let stream = pieces.concat().into_bytes();
            let mut at: Vec<usize> = at.into_iter().map(|at| at.min(stream.len())).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&chunks), read(&[&stream]));
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(read(&bytes), read(&[&stream]));
        }

        #[test]
        fn any_bytes_are_taken(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&[&stream]);
        }
    }
}
