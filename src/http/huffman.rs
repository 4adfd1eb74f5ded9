//! The Huffman code of HPACK and QPACK strings (RFC 7541 section 5.2).
//!
//! The code is canonical, so the lengths of its 257 words (appendix B) are all that stands here; the tables are
//! made of them when this is compiled. One look-up settles two words as a rule: tokens, which are long and sent with
//! every request, are what decoding costs.

/// Why a string was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HuffmanError {
    /// The word that ends strings stands in one, which only its padding may hint at.
    #[error("the end-of-string word stands in the string")]
    EndOfString,
    /// What is left behind the last word is not up to seven one-bits.
    #[error("the padding is no prefix of the end-of-string word, or too long")]
    BadPadding,
}

/// Bits of each symbol's word; the last symbol ends a string.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const SYMBOLS: usize = 257;
const END_OF_STRING: u16 = 256;
/// Bits of the shortest word, which bounds how far a string can grow.
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
/// Bits that one look-up settles.
const QUICK: u32 = 10;

/// Bits that one look-up of pairs settles: enough for two of the words that tokens are written with.
const PAIR: u32 = 14;

struct Code {
    /// By the next fourteen bits: how many words they hold, up to two, in the upper byte; then the bits of those, the
    /// second symbol and the first. 0 when the first word is longer than ten bits.
    pairs: [u32; 1 << PAIR],
    /// By the next ten bits: length of the word in the upper byte, its symbol in the lower; 0 for longer words.
    quick: [u16; 1 << QUICK],
    /// Symbols in the order of their words.
    symbols: [u16; SYMBOLS],
    /// By length: the first word of that length, aligned to the left of 32 bits.
    first: [u32; LONGEST + 1],
    /// By length: the first value of 32 bits that begins with a longer word.
    beyond: [u32; LONGEST + 1],
    /// By length: where its first word stands among `symbols`.
    start: [u16; LONGEST + 1],
}

static CODE: Code = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::large_stack_arrays,
    reason = "runs in the compiler, which refuses what is out of bounds; symbols are below 257"
)]
const fn tables() -> Code {
    let mut code = Code {
        pairs: [0; 1 << PAIR],
        quick: [0; 1 << QUICK],
        symbols: [0; SYMBOLS],
        first: [0; LONGEST + 1],
        beyond: [0; LONGEST + 1],
        start: [0; LONGEST + 1],
    };
    let (mut word, mut at, mut length) = (0_u32, 0, SHORTEST);
    while length <= LONGEST {
        code.first[length] = word << (32 - length);
        code.start[length] = at as u16;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.symbols[at] = symbol as u16;
                at += 1;
                if length <= QUICK as usize {
                    let from = (word as usize) << (QUICK as usize - length);
                    let mut slot = from;
                    while slot < from + (1 << (QUICK as usize - length)) {
                        code.quick[slot] = (length as u16) << 8 | symbol as u16;
                        slot += 1;
                    }
                }
                word += 1;
            }
            symbol += 1;
        }
        // Behind the last word of all, nothing is beyond.
        code.beyond[length] = if length == LONGEST { u32::MAX } else { word << (32 - length) };
        word <<= 1;
        length += 1;
    }
    let mut window = 0;
    while window < 1 << PAIR {
        let first = code.quick[window >> (PAIR - QUICK)] as u32;
        if first != 0 {
            let bits = first >> 8;
            // What is left, with zeros behind it.
            let left = (window << bits) & ((1 << PAIR) - 1);
            let second = code.quick[left >> (PAIR - QUICK)] as u32;
            let both = bits + (second >> 8);
            code.pairs[window] = if second != 0 && both <= PAIR {
                2 << 24 | both << 16 | (second & 0xff) << 8 | first & 0xff
            } else {
                1 << 24 | bits << 16 | first & 0xff
            };
        }
        window += 1;
    }
    code
}

/// The most bytes that `coded` bytes can stand for.
#[must_use]
pub const fn longest(coded: usize) -> usize {
    coded * 8 / SHORTEST
}

/// Appends the string that `coded` stands for.
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HuffmanError> {
    let start = out.len();
    // A look-up writes two bytes, also where it found one word.
    out.resize(start + longest(coded.len()) + 1, 0);
    let slots = out.get_mut(start..).unwrap_or_default();
    let decoded = decode_into(coded, slots);
    out.truncate(start + *decoded.as_ref().unwrap_or(&0));
    decoded.map(|_| ())
}

/// Bits that were not looked at, aligned to the left with zeros behind them, and the bytes behind those.
struct Bits<'a> {
    window: u64,
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Makes it more than 32 bits, as long as there are bytes.
    fn fill(&mut self) {
        if self.count > 32 {
            return;
        }
        if let Some((word, tail)) = self.rest.split_first_chunk() {
            self.window |= u64::from(u32::from_be_bytes(*word)) << (32 - self.count);
            self.count += 32;
            self.rest = tail;
        } else {
            for byte in self.rest {
                self.window |= u64::from(*byte) << (56 - self.count);
                self.count += 8;
            }
            self.rest = &[];
        }
    }

    fn front(&self, bits: u32) -> usize {
        usize::try_from(self.window >> (64 - bits)).unwrap_or_default()
    }

    const fn pass(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }
}

/// Fills `slots`, which are enough, and returns how many were filled.
fn decode_into(coded: &[u8], slots: &mut [u8]) -> Result<usize, HuffmanError> {
    let mut bits = Bits { window: 0, count: 0, rest: coded };
    let mut filled = 0;
    loop {
        bits.fill();
        // Zeros behind the last bits are in no word that these hold whole.
        if bits.count >= PAIR {
            let pair = CODE.pairs.get(bits.front(PAIR)).copied().unwrap_or_default();
            let [words, length, second, first] = pair.to_be_bytes();
            if words > 0 {
                if let Some([a, b]) = slots.get_mut(filled..filled + 2) {
                    (*a, *b) = (first, second);
                }
                filled += usize::from(words);
                bits.pass(u32::from(length));
                continue;
            }
        }
        let (length, symbol) = match CODE.quick.get(bits.front(QUICK)) {
            Some(&found) if found != 0 => (u32::from(found >> 8), found & 0xff),
            Some(_) | None => long_word(u32::try_from(bits.window >> 32).unwrap_or(u32::MAX)),
        };
        if length > bits.count {
            // Zeros were taken into account: what is left is padding.
            let ones = if bits.count == 0 { 0 } else { u64::MAX << (64 - bits.count) };
            let padding = bits.count < 8 && bits.window == ones;
            return if padding { Ok(filled) } else { Err(HuffmanError::BadPadding) };
        }
        let Ok(symbol) = u8::try_from(symbol) else { return Err(HuffmanError::EndOfString) };
        if let Some(slot) = slots.get_mut(filled) {
            *slot = symbol;
        }
        filled += 1;
        bits.pass(length);
    }
}

/// The word of more than ten bits that `window` begins with: its length and symbol.
fn long_word(window: u32) -> (u32, u16) {
    let mut length = QUICK as usize + 1;
    while CODE.beyond.get(length).is_some_and(|beyond| window >= *beyond) && length < LONGEST {
        length += 1;
    }
    let first = CODE.first.get(length).copied().unwrap_or_default();
    let start = CODE.start.get(length).copied().unwrap_or_default();
    let place = usize::from(start) + (window.wrapping_sub(first) >> (32 - length)) as usize;
    let symbol = CODE.symbols.get(place).copied().unwrap_or(END_OF_STRING);
    (u32::try_from(length).unwrap_or_default(), symbol)
}

/// Appends `plain` in the code, padded: for tests that need an encoder.
#[cfg(test)]
pub(crate) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    let (mut window, mut bits) = (0_u64, 0_u32);
    for symbol in plain.iter().map(|byte| u16::from(*byte)) {
        let length = usize::from(LENGTHS[usize::from(symbol)]);
        let place = CODE.symbols.iter().position(|known| *known == symbol).unwrap();
        let nth = u32::try_from(place - usize::from(CODE.start[length])).unwrap();
        let word = (CODE.first[length] >> (32 - length)) + nth;
        window = window << length | u64::from(word);
        bits += u32::try_from(length).unwrap();
        while bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(window >> bits & 0xff).unwrap());
        }
    }
    if bits > 0 {
        out.push(u8::try_from(window << (8 - bits) & 0xff).unwrap() | (0xff >> bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, HuffmanError> {
        let mut out = b"before".to_vec();
        decode(coded, &mut out).map(|()| out.split_off(6))
    }

    #[test]
    fn the_words_fill_the_code() {
        let room: u64 = LENGTHS.iter().map(|length| 1 << (LONGEST - usize::from(*length))).sum();
        assert_eq!(room, 1 << LONGEST);
    }

    #[test]
    fn strings_of_the_rfc_are_read() {
        for (coded, plain) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], &b"www.example.com"[..]),
            (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", b"custom-value"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                b"Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (b"", b""),
        ] {
            assert_eq!(decoded(coded).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn bad_endings_are_refused() {
        for (coded, why) in [
            (&b"\x00"[..], HuffmanError::BadPadding),
            (b"\xff", HuffmanError::BadPadding),
            (b"\x07\xff", HuffmanError::BadPadding),
            (b"\xff\xff\xff\xff", HuffmanError::EndOfString),
            (b"\xff\xff\xff\xff\xff", HuffmanError::EndOfString),
        ] {
            assert_eq!(decoded(coded), Err(why), "{coded:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(plain in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut coded = Vec::new();
            encode(&plain, &mut coded);
            prop_assert_eq!(decoded(&coded), Ok(plain));
        }

        /// A string has one way to be written, so what was decoded from it leads back to it.
        #[test]
        fn any_bytes_are_taken(coded in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(plain) = decoded(&coded) {
                let mut again = Vec::new();
                encode(&plain, &mut again);
                prop_assert_eq!(again, coded);
            }
        }
    }
}
