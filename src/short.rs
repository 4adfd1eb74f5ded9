//! Looking for bytes in short texts, such as a path or a line of a log, where setting out on a search costs more than the
//! search.

use wide::u8x16;

/// Bytes that are looked at together.
const LANES: usize = 16;

/// Where the first byte is that is one of two.
#[must_use]
#[inline]
pub fn either(text: &[u8], one: u8, other: u8) -> Option<usize> {
    let hits = |bytes: &[u8; LANES]| {
        let bytes = u8x16::new(*bytes);
        (bytes.simd_eq(u8x16::splat(one)) | bytes.simd_eq(u8x16::splat(other))).to_bitmask()
    };
    let (blocks, rest) = text.as_chunks::<LANES>();
    for (at, block) in blocks.iter().enumerate() {
        let hits = hits(block);
        if hits != 0 {
            return Some(at * LANES + hits.trailing_zeros() as usize);
        }
    }
    match text.last_chunk::<LANES>() {
        // What was looked at before holds none.
        Some(last) => {
            let hits = hits(last);
            (hits != 0).then(|| text.len() - LANES + hits.trailing_zeros() as usize)
        }
        None => rest.iter().position(|byte| *byte == one || *byte == other),
    }
}

/// Where a byte stands in a text.
#[inline]
pub fn places(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    Places { text, looked_at: 0, byte, base: 0, hits: 0 }
}

/// Looks at windows of 64 bytes, a bit for each.
struct Places<'a> {
    text: &'a [u8],
    looked_at: usize,
    byte: u8,
    /// Where the window begins.
    base: usize,
    /// Where in the window the byte stands, as far as it was not told.
    hits: u64,
}

impl Places<'_> {
    fn look(&self, window: &[u8]) -> u64 {
        let hits =
            |bytes: &[u8; LANES]| u64::from(u8x16::new(*bytes).simd_eq(u8x16::splat(self.byte)).to_bitmask());
        let (blocks, rest) = window.as_chunks::<LANES>();
        let places = blocks.iter().zip([0, 16, 32, 48]).fold(0, |all, (block, at)| all | hits(block) << at);
        match window.last_chunk::<LANES>() {
            Some(last) => places | hits(last) << (window.len() - LANES),
            None => {
                rest.iter().zip(0..).fold(0, |all, (known, at)| all | u64::from(*known == self.byte) << at)
            }
        }
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.hits == 0 {
            let rest = self.text.get(self.looked_at..).filter(|rest| !rest.is_empty())?;
            let window = rest.get(..64).unwrap_or(rest);
            self.hits = self.look(window);
            self.base = self.looked_at;
            self.looked_at += window.len();
        }
        let at = self.hits.trailing_zeros() as usize;
        self.hits &= self.hits - 1;
        Some(self.base + at)
    }
}

/// Whether two texts are the same.
#[must_use]
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    /// Both ends of each, which meet where there are no more than twice so many bytes.
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
    }
    one.len() == other.len()
        && match one.len() {
            0 => true,
            1 => one.first() == other.first(),
            2..=3 => ends::<2>(one, other),
            4..=7 => ends::<4>(one, other),
            8..=16 => ends::<8>(one, other),
            17..=32 => ends::<16>(one, other),
            _ => one == other,
        }
}

/// Whether somewhere a byte is followed by another.
#[must_use]
#[inline]
pub fn has_pair(text: &[u8], one: u8, other: u8) -> bool {
    const WINDOW: usize = LANES + 1;
    let holds = |window: &[u8; WINDOW]| {
        let (Some(front), Some(back)) = (window.first_chunk(), window.last_chunk()) else { return false };
        let pairs =
            u8x16::new(*front).simd_eq(u8x16::splat(one)) & u8x16::new(*back).simd_eq(u8x16::splat(other));
        pairs.to_bitmask() != 0
    };
    let mut rest = text;
    while let Some(window) = rest.first_chunk() {
        if holds(window) {
            return true;
        }
        rest = rest.get(LANES..).unwrap_or_default();
    }
    match text.last_chunk() {
        Some(last) => holds(last),
        None => text.windows(2).any(|pair| *pair == [one, other]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is found is what a look at each byte finds.
        #[test]
        fn the_first_is_found(text in proptest::collection::vec(prop_oneof![20 => Just(b'a'), 1 => Just(b'?'), 1 => Just(b'#')], 0..200)) {
            let expected = text.iter().position(|byte| matches!(byte, b'?' | b'#'));
            prop_assert_eq!(either(&text, b'?', b'#'), expected);
            let pair = text.windows(2).any(|pair| pair == b"?#");
            prop_assert_eq!(has_pair(&text, b'?', b'#'), pair);
            let all: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'?').collect();
            prop_assert_eq!(places(&text, b'?').collect::<Vec<_>>(), all);
        }

        /// Texts are the same when no byte differs.
        #[test]
        fn the_same_is_the_same(text in proptest::collection::vec(any::<u8>(), 0..70), at in 0_usize..70) {
            prop_assert!(same(&text, &text.clone()));
            let mut other = text.clone();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 1;
                prop_assert!(!same(&text, &other));
            }
            other.pop();
            prop_assert_eq!(same(&text, &other), text.is_empty());
        }
    }
}
