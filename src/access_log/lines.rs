//! Lines of bounded length out of chunks of any size.

/// The longest line that is held.
pub(super) const MAX_LINE: usize = 1 << 20;

/// What some editors and exporters put before UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It was longer than [`MAX_LINE`] and is gone.
    TooLong,
}

/// Collects the line that a chunk leaves unfinished.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the start of a line: nothing is held.
    #[default]
    Start,
    /// `partial` holds the front of a line.
    Inside,
    /// The line is too long; its rest is skipped.
    Skipping,
}

impl Lines {
    /// Hands out every line that ends in `bytes` and holds the rest.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, tail) = bytes.split_at(end);
            bytes = tail.get(1..).unwrap_or_default();
            if self.state == State::Start && line.len() <= MAX_LINE {
                each(Line::Whole(without_mark(line)));
            } else {
                self.keep(line);
                self.hand_out(each);
            }
        }
        if !bytes.is_empty() {
            self.keep(bytes);
        }
    }

    /// Hands out the last line, when the input does not end with a line end.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        if self.state != State::Start {
            self.hand_out(each);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.state == State::Skipping || self.partial.len() + bytes.len() > MAX_LINE {
            self.partial.clear();
            self.state = State::Skipping;
        } else {
            self.partial.extend_from_slice(bytes);
            self.state = State::Inside;
        }
    }

    fn hand_out(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        match std::mem::take(&mut self.state) {
            State::Skipping => each(Line::TooLong),
            State::Start | State::Inside => each(Line::Whole(without_mark(&self.partial))),
        }
        self.partial.clear();
    }
}

fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let mut keep = |line: Line<'_>| match line {
            Line::Whole(line) => out.push(Some(line.to_vec())),
            Line::TooLong => out.push(None),
        };
        for chunk in chunks {
            lines.feed(chunk, &mut keep);
        }
        lines.finish(&mut keep);
        out
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let whole = all(&[b"\xef\xbb\xbfab\n\ncd\r\nef"]);
        assert_eq!(whole, [Some(b"ab".to_vec()), Some(vec![]), Some(b"cd\r".to_vec()), Some(b"ef".to_vec())]);
        let bytes: Vec<&[u8]> = b"\xef\xbb\xbfab\n\ncd\r\nef".chunks(1).collect();
        assert_eq!(all(&bytes), whole);
    }

    #[test]
    fn a_line_over_the_limit_costs_itself_only() {
        let mut input = vec![b'x'; MAX_LINE + 1];
        input.extend_from_slice(b"\nok");
        assert_eq!(all(&[&input]), [None, Some(b"ok".to_vec())]);
        let chunks: Vec<&[u8]> = input.chunks(1 << 18).collect();
        assert_eq!(all(&chunks), [None, Some(b"ok".to_vec())]);
    }
}
