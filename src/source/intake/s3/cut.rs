//! Bytes of any size become units of whole lines, each with how far it reaches.

use super::super::UNIT_BYTES;

/// The longest line that is held; of one that is longer as much is kept as shows that it is.
const MAX_LINE: usize = (1 << 20) + 1;

/// Whole lines, and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The lines.
    pub(super) bytes: Vec<u8>,
    /// Lines of the input before them.
    pub(super) before: u64,
    /// Bytes of the input up to their end.
    pub(super) offset: u64,
    /// Lines of the input up to their end.
    pub(super) lines: u64,
}

/// Cuts an input into units.
#[derive(Debug)]
pub(super) struct Cutter {
    bytes: Vec<u8>,
    /// Bytes of the input taken.
    offset: u64,
    /// Where the last line end lies in `bytes`, behind it.
    whole: usize,
    /// The input's offset there.
    whole_offset: u64,
    /// Lines of the input before `bytes`, and up to their last line end.
    before: u64,
    lines: u64,
    /// The rest of the line is too much.
    is_skipping: bool,
}

impl Cutter {
    /// For an input of which so many bytes and lines are behind us.
    pub(super) const fn new(offset: u64, lines: u64) -> Self {
        let bytes = Vec::new();
        Self { bytes, offset, whole: 0, whole_offset: offset, before: lines, lines, is_skipping: false }
    }

    /// Takes the next bytes, and hands out units that are full.
    pub(super) fn take<E>(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(Cut) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            bytes = rest;
            self.offset += line.len() as u64;
            if !self.is_skipping {
                let room = MAX_LINE.saturating_sub(self.bytes.len() - self.whole);
                self.is_skipping = line.len() > room;
                self.bytes.extend_from_slice(line.get(..room).unwrap_or(line));
            }
            if end.is_some() {
                if self.is_skipping {
                    self.bytes.push(b'\n');
                }
                self.is_skipping = false;
                self.lines += 1;
                (self.whole, self.whole_offset) = (self.bytes.len(), self.offset);
                if self.whole >= UNIT_BYTES {
                    each(self.cut())?;
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self) -> Cut {
        let rest = self.bytes.split_off(self.whole);
        self.whole = 0;
        let before = std::mem::replace(&mut self.before, self.lines);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        Cut { bytes, before, offset: self.whole_offset, lines: self.lines }
    }

    /// What is left at the end of the input, the last line with or without its end.
    pub(super) fn rest(mut self) -> Cut {
        self.lines += u64::from(self.bytes.len() > self.whole);
        (self.whole, self.whole_offset) = (self.bytes.len(), self.offset);
        self.cut()
    }

    /// What is left where the input broke off: whole lines alone.
    pub(super) fn broken(mut self) -> Cut {
        self.cut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn cut(chunks: &[&[u8]], offset: u64) -> (Vec<Cut>, Cut) {
        let mut cutter = Cutter::new(offset, 3);
        let mut cuts = Vec::new();
        for chunk in chunks {
            let mut keep = |cut| -> Result<(), Infallible> {
                cuts.push(cut);
                Ok(())
            };
            cutter.take(chunk, &mut keep).unwrap();
        }
        (cuts, cutter.rest())
    }

    #[test]
    fn a_line_that_is_too_long_stays_one_and_costs_what_it_may() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let input = [b"a\n".as_slice(), &long, b"\nb"].concat();
        let (cuts, rest) = cut(&[&input], 0);
        assert_eq!(cuts.len(), 1);
        assert_eq!(cuts[0].bytes.len(), 2 + MAX_LINE + 1);
        assert_eq!(cuts[0].offset, 2 + long.len() as u64 + 1);
        assert_eq!(rest, Cut { bytes: b"b".to_vec(), before: 5, offset: input.len() as u64, lines: 6 });
        let chunks: Vec<&[u8]> = input.chunks(70_001).collect();
        assert_eq!(cut(&chunks, 0), (cuts, rest));
    }

    #[test]
    fn a_broken_input_gives_its_whole_lines() {
        let mut cutter = Cutter::new(7, 0);
        cutter.take::<Infallible>(b"a\nb\nc", &mut |_| Ok(())).unwrap();
        assert_eq!(cutter.broken(), Cut { bytes: b"a\nb\n".to_vec(), before: 0, offset: 11, lines: 2 });
    }

    proptest! {
        /// However the input comes, the units are the same, hold all of it, and each offset is where it says.
        #[test]
        fn chunks_do_not_matter(lines in proptest::collection::vec(0_usize..90_000, 0..40), chunk in 1_usize..300_000) {
            let mut input = Vec::new();
            for (n, length) in lines.iter().enumerate() {
                input.extend(std::iter::repeat_n(b'a' + u8::try_from(n % 26).unwrap(), *length));
                input.push(b'\n');
            }
            input.pop();
            let whole = cut(&[&input], 5);
            let chunks: Vec<&[u8]> = input.chunks(chunk).collect();
            prop_assert_eq!(&whole, &cut(&chunks, 5));
            let (mut offset, mut before) = (5, 3);
            for cut in whole.0.iter().chain([&whole.1]) {
                let begin = usize::try_from(offset - 5).unwrap();
                prop_assert_eq!(&input[begin..begin + cut.bytes.len()], cut.bytes.as_slice());
                offset += cut.bytes.len() as u64;
                prop_assert_eq!((cut.before, cut.offset), (before, offset));
                before += cut.bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
                prop_assert_eq!(cut.lines, before);
            }
            prop_assert_eq!(offset, 5 + input.len() as u64);
        }
    }
}
