//! HPACK header blocks (RFC 7541), read by somebody who may have missed some.
//!
//! A block is a run of fields, many of them references into a table of the fields that were sent before, newest
//! first. Whoever missed a block does not know what it added, so [`Decoder::poison`] forgets the table:
//!
//! * fields of the static table and literal ones are always read;
//! * references to entries that were added since are read too, for they count from the newest;
//! * references behind those are counted as unknown, and so are literal fields that take their name from there.
//!   No name or value is ever guessed.
//!
//! The whole table is known again as soon as whatever was in it before must be gone: it was emptied, or what
//! was added since has outgrown its size. A decoder may keep more entries than its peer, never others: the
//! peer's are always the newest ones.
//!
//! What a peer can make this keep is bounded: the table by `limit`, a list by [`ListLimits`].

use super::huffman::{self, HuffmanError};
use std::collections::VecDeque;

/// Why the rest of a block was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HpackError {
    /// The block ends inside a field.
    #[error("the block ends inside a field")]
    Truncated,
    /// An integer of more than 32 bits.
    #[error("an integer has more than 32 bits")]
    IntegerTooLong,
    /// A reference to what is in no table.
    #[error("reference {index} is in no table")]
    BadIndex {
        /// The reference.
        index: u32,
    },
    /// A string that is not in the Huffman code.
    #[error("string: {0}")]
    Huffman(#[from] HuffmanError),
}

/// The bounds of one header list.
#[derive(Clone, Copy, Debug)]
pub struct ListLimits {
    /// Bytes of all names and values.
    pub bytes: usize,
    /// Fields.
    pub lines: usize,
}

/// Fields of one block, in a buffer that is used again.
#[derive(Clone, Debug, Default)]
pub struct HeaderList {
    bytes: Vec<u8>,
    /// Start of name, start of value, end of value.
    lines: Vec<[u32; 3]>,
    /// Fields of which the name or all is unknown.
    pub unknown: u32,
    /// Whether fields were left out because of [`ListLimits`].
    pub cut: bool,
    /// Whether the block asked for a larger table than the other end allows.
    pub table_too_large: bool,
}

impl HeaderList {
    /// Forgets all fields and keeps the buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.unknown = 0;
        self.cut = false;
        self.table_too_large = false;
    }

    /// The fields that are known, in order: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|&[start, middle, end]| (self.slice(start, middle), self.slice(middle, end)))
    }

    /// The bytes that the names and values are slices of.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn slice(&self, start: u32, end: u32) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    fn push(&mut self, name: &[u8], value: &[u8], limits: ListLimits) {
        if self.lines.len() >= limits.lines || self.bytes.len() + name.len() + value.len() > limits.bytes {
            self.cut = true;
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.line(start, middle);
    }

    /// Takes what was appended to `bytes` for a field, or takes it away again.
    fn settle(&mut self, start: usize, middle: usize, limits: ListLimits) {
        if self.lines.len() >= limits.lines || self.bytes.len() > limits.bytes {
            self.cut = true;
            self.bytes.truncate(start);
            return;
        }
        self.line(start, middle);
    }

    fn line(&mut self, start: usize, middle: usize) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.lines.push([place(start), place(middle), place(self.bytes.len())]);
    }
}

/// Reads the blocks of one direction.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// The largest table that the other end allows, as acknowledged.
    allowed: u32,
    /// What it allows besides, not acknowledged yet.
    announced: Option<u32>,
    known: Recall,
}

/// Long strings as they were sent and as they read: a token that is kept out of the table comes again with every
/// request, and comparing costs a fraction of decoding.
#[derive(Debug, Default)]
struct Recall([(Vec<u8>, Vec<u8>); 2]);

/// Coded bytes from which on a string is worth remembering, and up to which it is.
const RECALLED: std::ops::RangeInclusive<usize> = 64..=2_048;

impl Recall {
    const fn new() -> Self {
        Self([const { (Vec::new(), Vec::new()) }; 2])
    }

    /// Appends the string that `coded` stands for.
    fn decode(&mut self, coded: &[u8], out: &mut Vec<u8>) -> Result<(), HuffmanError> {
        // A request may send two such strings: their lengths tell them apart as well as anything.
        let slot = RECALLED.contains(&coded.len()).then(|| self.0.get_mut(coded.len() % 2)).flatten();
        let Some((sent, plain)) = slot else { return huffman::decode(coded, out) };
        if sent != coded {
            sent.clear();
            plain.clear();
            huffman::decode(coded, plain)?;
            sent.extend_from_slice(coded);
        }
        out.extend_from_slice(plain);
        Ok(())
    }
}

/// The size of a table until the peers agree on another (RFC 9113 section 6.5.2).
const DEFAULT_TABLE: u32 = 4_096;

impl Decoder {
    /// A decoder at the start of a connection, which keeps at most `limit` bytes of table.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { table: Table::new(limit), allowed: DEFAULT_TABLE, announced: None, known: Recall::new() }
    }

    /// A decoder that missed the start.
    #[must_use]
    pub fn joined(limit: usize) -> Self {
        let mut decoder = Self::new(limit);
        decoder.poison();
        decoder.allowed = u32::MAX;
        decoder
    }

    /// A block was missed, or a part of one: forgets what may no longer be true.
    pub fn poison(&mut self) {
        self.table.forget();
    }

    /// Whether there may be references that are unknown for want of an earlier block.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        !self.table.complete
    }

    /// The other end announced the size of table that it allows.
    pub fn announce(&mut self, size: u32) {
        self.announced = Some(size);
    }

    /// This end acknowledged what the other had announced.
    pub fn acknowledge(&mut self) {
        if let Some(size) = self.announced.take() {
            self.allowed = size;
        }
    }

    /// Reads a block into `list`. After an error, `list` holds the fields before it, and the decoder is
    /// poisoned: the front of a block that was cut can be read this way.
    pub fn decode(
        &mut self,
        block: &[u8],
        limits: ListLimits,
        list: &mut HeaderList,
    ) -> Result<(), HpackError> {
        list.clear();
        let read = self.read(block, limits, list);
        if read.is_err() {
            self.poison();
        }
        read
    }

    fn read(&mut self, block: &[u8], limits: ListLimits, list: &mut HeaderList) -> Result<(), HpackError> {
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                match self.table.find(index)? {
                    Some((Some(name), value)) => list.push(name, value, limits),
                    Some((None, _)) | None => list.unknown += 1,
                }
            } else if first & 0x40 != 0 {
                self.literal(&mut rest, 6, true, limits, list)?;
            } else if first & 0x20 != 0 {
                let size = integer(&mut rest, 5)?;
                list.table_too_large |= size > self.allowed.max(self.announced.unwrap_or_default());
                self.table.resize(size);
            } else {
                self.literal(&mut rest, 4, false, limits, list)?;
            }
        }
        Ok(())
    }

    /// A field that stands in the block, or whose value does (RFC 7541 section 6.2).
    fn literal(
        &mut self,
        rest: &mut &[u8],
        prefix: u8,
        added: bool,
        limits: ListLimits,
        list: &mut HeaderList,
    ) -> Result<(), HpackError> {
        let start = list.bytes.len();
        let named = match integer(rest, prefix)? {
            0 => {
                string(rest, &mut self.known, &mut list.bytes)?;
                true
            }
            index => match self.table.find(index)? {
                Some((Some(name), _)) => {
                    list.bytes.extend_from_slice(name);
                    true
                }
                Some((None, _)) | None => false,
            },
        };
        let middle = list.bytes.len();
        if let Err(error) = string(rest, &mut self.known, &mut list.bytes) {
            list.bytes.truncate(start);
            return Err(error);
        }
        let field = list.bytes.get(start..).unwrap_or_default();
        if added {
            self.table.add(named.then_some(middle - start), field);
        }
        if named {
            list.settle(start, middle, limits);
        } else {
            list.bytes.truncate(start);
            list.unknown += 1;
        }
        Ok(())
    }
}

/// Reads an integer whose first bits share a byte (RFC 7541 section 5.1).
fn integer(rest: &mut &[u8], prefix: u8) -> Result<u32, HpackError> {
    let (first, mut tail) = rest.split_first().ok_or(HpackError::Truncated)?;
    let mask = 0xff_u8 >> (8 - prefix);
    let mut value = u64::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        loop {
            let (byte, behind) = tail.split_first().ok_or(HpackError::Truncated)?;
            tail = behind;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return Err(HpackError::IntegerTooLong);
            }
        }
    }
    *rest = tail;
    u32::try_from(value).map_err(|_| HpackError::IntegerTooLong)
}

/// Appends a string (RFC 7541 section 5.2).
fn string(rest: &mut &[u8], known: &mut Recall, out: &mut Vec<u8>) -> Result<(), HpackError> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)? as usize;
    let (raw, tail) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    *rest = tail;
    if coded {
        known.decode(raw, out)?;
    } else {
        out.extend_from_slice(raw);
    }
    Ok(())
}

/// What an entry costs besides its bytes (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;

/// A field that was sent before.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it stands among all bytes that were ever added.
    start: usize,
    /// Length of the name; `None` when it is not known, and no bytes are kept.
    name: Option<usize>,
    value: usize,
}

impl Entry {
    /// Its size; the least it can be when its name is not known.
    fn size(self) -> usize {
        OVERHEAD + self.name.unwrap_or(0) + self.value
    }
}

/// The dynamic table, as far as it is known.
#[derive(Debug)]
struct Table {
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// The bytes of the entries, with some in front that belong to none any more.
    bytes: Vec<u8>,
    /// How many bytes were cut off in front of `bytes`.
    passed: usize,
    size: usize,
    /// The size that the peer may fill, when it is known.
    capacity: Option<usize>,
    /// The size that is kept at most.
    limit: usize,
    /// Whether the peer's table holds nothing but these entries.
    complete: bool,
}

impl Table {
    const fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: Vec::new(),
            passed: 0,
            size: 0,
            capacity: Some(DEFAULT_TABLE as usize),
            limit,
            complete: true,
        }
    }

    fn forget(&mut self) {
        self.clear();
        self.capacity = None;
        self.complete = false;
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.passed += self.bytes.len();
        self.bytes.clear();
        self.size = 0;
    }

    /// The name, when known, and the value of an entry of either table; `None` when nothing is known of it.
    #[expect(clippy::type_complexity, reason = "known or not, with or without a name")]
    fn find(&self, index: u32) -> Result<Option<(Option<&[u8]>, &[u8])>, HpackError> {
        let Some(place) = (index as usize).checked_sub(1) else { return Err(HpackError::BadIndex { index }) };
        if let Some((name, value)) = STATIC.get(place) {
            return Ok(Some((Some(name), value)));
        }
        let newer = place - STATIC.len();
        let entry = self.entries.len().checked_sub(newer + 1).and_then(|place| self.entries.get(place));
        let Some(entry) = entry else {
            return if self.complete { Err(HpackError::BadIndex { index }) } else { Ok(None) };
        };
        let Some(length) = entry.name else { return Ok(Some((None, &[]))) };
        let start = entry.start - self.passed;
        let field = self.bytes.get(start..start + length + entry.value).unwrap_or_default();
        Ok(field.split_at_checked(length).map(|(name, value)| (Some(name), value)))
    }

    /// Adds a field: `name` bytes of name, when that is known, and the value (RFC 7541 section 4.4).
    fn add(&mut self, name: Option<usize>, field: &[u8]) {
        let mut entry =
            Entry { start: self.passed + self.bytes.len(), name, value: field.len() - name.unwrap_or(0) };
        if self.capacity.is_some_and(|capacity| entry.size() > capacity) {
            self.clear();
            self.complete = true;
            return;
        }
        if entry.size() > self.limit {
            // The peer keeps it: its place is taken by an entry of which nothing is known.
            entry = Entry { start: entry.start, name: None, value: 0 };
        }
        self.shrink(entry.size());
        if entry.name.is_some() {
            self.bytes.extend_from_slice(field);
        }
        self.size += entry.size();
        self.entries.push_back(entry);
    }

    /// The peer says how large its table is from here on (RFC 7541 section 6.3).
    fn resize(&mut self, size: u32) {
        self.capacity = Some(size as usize);
        if size == 0 {
            self.clear();
            self.complete = true;
        }
        self.shrink(0);
    }

    /// Lets the oldest entries go until `more` bytes have room.
    fn shrink(&mut self, more: usize) {
        let room = self.capacity.unwrap_or(usize::MAX).min(self.limit);
        while self.size + more > room
            && let Some(gone) = self.entries.pop_front()
        {
            self.size -= gone.size();
            // When the peer let this one go, it has let go whatever was older; when it did not, it has more.
            self.complete = self.capacity.is_some_and(|capacity| capacity <= self.limit);
        }
        let front = self.entries.front().map_or(self.passed + self.bytes.len(), |entry| entry.start);
        let garbage = front - self.passed;
        if garbage > self.limit.min(DEFAULT_TABLE as usize) {
            self.bytes.drain(..garbage);
            self.passed = front;
        }
    }
}

/// The static table (RFC 7541 appendix A).
const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// Cuts `data` into blocks and asserts that bounds hold, and that whoever missed the first blocks reads
/// nothing else than who read them all, and less.
pub fn fuzz(data: &[u8]) {
    const LIMITS: ListLimits = ListLimits { bytes: 1 << 16, lines: 1 << 12 };
    let (mut whole, mut late) = (Decoder::new(2_000), Decoder::joined(2_000));
    let (mut all, mut some) = (HeaderList::default(), HeaderList::default());
    let Some((&join, mut rest)) = data.split_first() else { return };
    let mut number = 0_u8;
    while let Some((&length, tail)) = rest.split_first() {
        let (block, behind) = tail.split_at(usize::from(length).min(tail.len()));
        rest = behind;
        let read = whole.decode(block, LIMITS, &mut all);
        assert!(whole.table.size <= 2_000 && whole.table.bytes.len() <= 4_100, "the table's bound holds");
        assert!(all.bytes.len() <= LIMITS.bytes, "the list's bound holds");
        if number >= join % 8 {
            let late_read = late.decode(block, LIMITS, &mut some);
            if read.is_err() {
                return;
            }
            assert_eq!(late_read, Ok(()), "what is right stays right");
            let mut truth = all.iter();
            assert!(some.iter().all(|known| truth.any(|field| field == known)), "nothing is made up");
            let count = |list: &HeaderList| list.lines.len() + list.unknown as usize;
            assert!(all.cut || some.cut || count(&some) == count(&all), "what is unknown is counted");
        } else if read.is_err() {
            return;
        }
        number = number.saturating_add(1);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: ListLimits = ListLimits { bytes: 1 << 16, lines: 1_000 };

    type Field = (String, String);

    fn fields(list: &HeaderList) -> Vec<Field> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        list.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn decode(decoder: &mut Decoder, block: &[u8]) -> (Vec<Field>, u32) {
        let mut list = HeaderList::default();
        decoder.decode(block, LIMITS, &mut list).unwrap();
        (fields(&list), list.unknown)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<Field> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// RFC 7541 appendix C.3 and C.4: requests on one connection, without and with Huffman coding.
    #[test]
    fn requests_of_the_rfc_are_read() {
        let plain = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ];
        let coded = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::new(1 << 16);
            let read: Vec<_> = blocks.map(|block| decode(&mut decoder, &hex(block)).0).into();
            let start =
                [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
            assert_eq!(read[0], named(&start));
            assert_eq!(read[1], [&named(&start)[..], &named(&[("cache-control", "no-cache")])].concat());
            let last = [
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/index.html"),
                (":authority", "www.example.com"),
                ("custom-key", "custom-value"),
            ];
            assert_eq!(read[2], named(&last));
            assert_eq!(decoder.table.size, 164);
        }
    }

    /// RFC 7541 appendix C.5 and C.6: responses through a table of 256 bytes, which evicts.
    #[test]
    fn responses_of_the_rfc_are_read() {
        let plain = [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ];
        let coded = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::new(1 << 16);
            decoder.table.resize(256);
            let read: Vec<_> = blocks.map(|block| decode(&mut decoder, &hex(block)).0).into();
            let date = "Mon, 21 Oct 2013 20:13:21 GMT";
            let rest =
                [("cache-control", "private"), ("date", date), ("location", "https://www.example.com")];
            assert_eq!(read[0], [&named(&[(":status", "302")])[..], &named(&rest)].concat());
            assert_eq!(read[1], [&named(&[(":status", "307")])[..], &named(&rest)].concat());
            let last = [
                (":status", "200"),
                ("cache-control", "private"),
                ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
                ("location", "https://www.example.com"),
                ("content-encoding", "gzip"),
                ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
            ];
            assert_eq!(read[2], named(&last));
            assert_eq!(decoder.table.size, 215);
        }
    }

    /// RFC 7541 appendix C.1 and C.2.
    #[test]
    fn single_values_of_the_rfc_are_read() {
        assert_eq!(integer(&mut &b"\x0a"[..], 5), Ok(10));
        assert_eq!(integer(&mut &b"\x1f\x9a\x0a"[..], 5), Ok(1_337));
        assert_eq!(integer(&mut &b"\x2a"[..], 8), Ok(42));
        for (block, field) in [
            (
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                ("custom-key", "custom-header"),
            ),
            ("040c 2f73 616d 706c 652f 7061 7468", (":path", "/sample/path")),
            ("1008 7061 7373 776f 7264 0673 6563 7265 74", ("password", "secret")),
            ("82", (":method", "GET")),
        ] {
            assert_eq!(decode(&mut Decoder::new(4_096), &hex(block)).0, named(&[field]));
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (block, why) in [
            (&b"\x80"[..], HpackError::BadIndex { index: 0 }),
            (b"\xbe", HpackError::BadIndex { index: 62 }),
            (b"\x7e\x01a", HpackError::BadIndex { index: 62 }),
            (b"\x40\x01", HpackError::Truncated),
            (b"\x40\x01a\x05b", HpackError::Truncated),
            (b"\xff\xff\xff\xff\xff\xff\x01", HpackError::IntegerTooLong),
            (b"\xff\xff\xff\xff\xff\x7f", HpackError::IntegerTooLong),
            (b"\x40\x81\x00\x01a", HpackError::Huffman(HuffmanError::BadPadding)),
        ] {
            let mut list = HeaderList::default();
            let mut decoder = Decoder::new(4_096);
            let front = [b"\x82", block].concat();
            assert_eq!(decoder.decode(&front, LIMITS, &mut list), Err(why), "{block:x?}");
            assert_eq!(fields(&list), named(&[(":method", "GET")]), "what stands before is read");
            assert!(decoder.is_poisoned());
        }
    }

    #[test]
    fn a_huge_table_is_named_and_not_made() {
        let mut list = HeaderList::default();
        let mut decoder = Decoder::new(1 << 16);
        decoder.decode(&hex("3fe1ffffff0382"), LIMITS, &mut list).unwrap();
        assert!(list.table_too_large);
        assert_eq!(fields(&list), named(&[(":method", "GET")]));
        for number in 0..9_000 {
            let block = [b"\x40\x04", format!("{number:04}").as_bytes(), b"\x01v"].concat();
            decode(&mut decoder, &block);
        }
        assert!(decoder.table.size <= 1 << 16 && decoder.table.bytes.len() <= 2 << 16);
        assert_eq!(decode(&mut decoder, b"\xbe").0, named(&[("8999", "v")]));
        assert!(decoder.is_poisoned(), "the peer keeps more than this one does");
    }

    #[test]
    fn a_raised_table_is_allowed_once_announced() {
        for (announced, acknowledged, size, too_large) in [
            (None, false, "3fe11f", false),
            (None, false, "3fe21f", true),
            (Some(65_536), false, "3fe1ff03", false),
            (Some(65_536), true, "3fe1ff03", false),
            (Some(0), false, "3fe11f", false),
            (Some(0), true, "3fe11f", true),
        ] {
            let (mut decoder, mut list) = (Decoder::new(1 << 16), HeaderList::default());
            if let Some(size) = announced {
                decoder.announce(size);
            }
            if acknowledged {
                decoder.acknowledge();
            }
            decoder.decode(&hex(size), LIMITS, &mut list).unwrap();
            assert_eq!(list.table_too_large, too_large, "{announced:?} {acknowledged} {size}");
        }
    }

    #[test]
    fn a_list_is_cut_at_its_limit_and_the_table_goes_on() {
        let mut decoder = Decoder::new(4_096);
        let mut list = HeaderList::default();
        let few = ListLimits { bytes: 20, lines: 10 };
        decoder.decode(b"\x40\x04long\x10valuevaluevaluev\x40\x01a\x01b\x82", few, &mut list).unwrap();
        assert_eq!((fields(&list), list.cut), (named(&[("long", "valuevaluevaluev")]), true));
        assert_eq!(decode(&mut decoder, b"\xbe\xbf").0, named(&[("a", "b"), ("long", "valuevaluevaluev")]));
    }

    #[test]
    fn long_strings_that_come_again_are_read_as_at_first() {
        let mut decoder = Decoder::new(4_096);
        let mut encoder = Encoder { huffman: true, ..Encoder::default() };
        let tokens =
            [format!("Bearer {}", "token".repeat(40)), "q".repeat(121), "q".repeat(122), "x".repeat(9_000)];
        for token in tokens.iter().chain(&tokens).chain(tokens.iter().rev()) {
            let mut block = Vec::new();
            encoder.field(&mut block, "authorization", token, false);
            assert_eq!(decode(&mut decoder, &block).0, named(&[("authorization", token)]));
            // Damaged ones are refused, and leave nothing behind.
            let mut damaged = block.clone();
            *damaged.last_mut().unwrap() = 0;
            let mut list = HeaderList::default();
            assert!(decoder.decode(&damaged, LIMITS, &mut list).is_err() && fields(&list).is_empty());
            assert_eq!(decode(&mut decoder, &block).0, named(&[("authorization", token)]));
        }
    }

    #[test]
    fn after_a_loss_only_what_is_certain_is_told() {
        let mut decoder = Decoder::new(4_096);
        decode(&mut decoder, b"\x40\x03old\x01v");
        decoder.poison();
        // Static, literal, and a reference to what was there before.
        assert_eq!(
            decode(&mut decoder, b"\x82\x00\x01a\x01b\xbe"),
            (named(&[(":method", "GET"), ("a", "b")]), 1)
        );
        // An entry added since is known; the one behind it is not, nor is a name taken from there.
        assert_eq!(
            decode(&mut decoder, b"\x40\x03new\x01v\xbe\xbf"),
            (named(&[("new", "v"), ("new", "v")]), 1)
        );
        assert_eq!(decode(&mut decoder, b"\x7f\x00\x01w\xbe\xbf\xc0"), (named(&[("new", "v")]), 3));
        assert!(decoder.is_poisoned());
        // Emptying the table ends the doubt.
        assert_eq!(decode(&mut decoder, b"\x20\x3f\xe1\x1f\x40\x03new\x01w\xbe").1, 0);
        assert!(!decoder.is_poisoned());
    }

    #[test]
    fn what_outgrew_the_table_is_known_again() {
        let mut decoder = Decoder::joined(1 << 16);
        // A size of 100: the third entry of 40 bytes drives out whatever was there.
        decode(&mut decoder, &hex("3f45"));
        for (number, poisoned) in [(1, true), (2, true), (3, false)] {
            decode(&mut decoder, format!("\x40\x04nam{number}\x04valu").as_bytes());
            assert_eq!(decoder.is_poisoned(), poisoned, "{number}");
        }
    }

    /// Encodes as a real peer does: references where it can, sizes that change, Huffman when asked for.
    #[derive(Default)]
    pub(crate) struct Encoder {
        entries: VecDeque<Field>,
        capacity: Option<usize>,
        pub(crate) huffman: bool,
    }

    impl Encoder {
        fn integer(out: &mut Vec<u8>, prefix: u8, first: u8, value: usize) {
            let most = (1_usize << prefix) - 1;
            if value < most {
                out.push(first | u8::try_from(value).unwrap());
                return;
            }
            out.push(first | u8::try_from(most).unwrap());
            let mut left = value - most;
            while left >= 128 {
                out.push(u8::try_from(left % 128).unwrap() | 0x80);
                left /= 128;
            }
            out.push(u8::try_from(left).unwrap());
        }

        fn string(&self, out: &mut Vec<u8>, text: &str) {
            if self.huffman {
                let mut coded = Vec::new();
                huffman::encode(text.as_bytes(), &mut coded);
                Self::integer(out, 7, 0x80, coded.len());
                out.extend(coded);
            } else {
                Self::integer(out, 7, 0, text.len());
                out.extend_from_slice(text.as_bytes());
            }
        }

        fn evict(&mut self, capacity: usize) {
            let size = |entries: &VecDeque<Field>| -> usize {
                entries.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
            };
            while size(&self.entries) > capacity {
                self.entries.pop_back();
            }
        }

        pub(crate) fn resize(&mut self, out: &mut Vec<u8>, size: usize) {
            Self::integer(out, 5, 0x20, size);
            self.capacity = Some(size);
            self.evict(size);
        }

        pub(crate) fn field(&mut self, out: &mut Vec<u8>, name: &str, value: &str, added: bool) {
            let fixed = STATIC.iter().map(|(name, value)| {
                (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
            });
            let all: Vec<Field> = fixed.chain(self.entries.iter().cloned()).collect();
            if let Some(at) = all.iter().position(|field| field.0 == name && field.1 == value) {
                Self::integer(out, 7, 0x80, at + 1);
                return;
            }
            let at = all.iter().position(|field| field.0 == name).map_or(0, |at| at + 1);
            let (prefix, first) = if added { (6, 0x40) } else { (4, 0x10) };
            Self::integer(out, prefix, first, at);
            if at == 0 {
                self.string(out, name);
            }
            self.string(out, value);
            if added {
                self.entries.push_front((name.to_owned(), value.to_owned()));
                self.evict(self.capacity.unwrap_or(DEFAULT_TABLE as usize));
            }
        }
    }

    /// A block: fields with whether each is added, and a size change before them.
    type Block = (Vec<(usize, usize, bool)>, Option<usize>, bool);

    fn blocks() -> impl Strategy<Value = Vec<Block>> {
        let field = (0_usize..12, 0_usize..30, any::<bool>());
        let block = (
            proptest::collection::vec(field, 0..12),
            proptest::option::weighted(0.1, 0_usize..600),
            any::<bool>(),
        );
        proptest::collection::vec(block, 1..40)
    }

    fn field((name, value, _): (usize, usize, bool)) -> Field {
        let name = ["accept", "x-request-id", ":path", "cookie", ":authority", "x-long-name-of-a-field"]
            .get(name)
            .map_or_else(|| format!("x-{name}"), |name| (*name).to_owned());
        (name, format!("value {value} {}", "v".repeat(value * value % 97)))
    }

    proptest! {
        /// Whatever an encoder does, the fields are what it was given.
        #[test]
        fn what_was_encoded_is_decoded(blocks in blocks()) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(1 << 16));
            for (given, size, huffman) in blocks {
                encoder.huffman = huffman;
                let mut block = Vec::new();
                if let Some(size) = size {
                    encoder.resize(&mut block, size);
                }
                let wanted: Vec<Field> = given.iter().map(|given| field(*given)).collect();
                for ((name, value), (_, _, added)) in wanted.iter().zip(&given) {
                    encoder.field(&mut block, name, value, *added);
                }
                prop_assert_eq!(decode(&mut decoder, &block), (wanted, 0));
            }
        }

        /// The same of an encoder that others wrote: static and dynamic tables, Huffman or not, what is never indexed, and
        /// tables that shrink and grow.
        #[test]
        fn what_another_encoder_encoded_is_decoded(
            blocks in blocks(),
            forms in proptest::collection::vec(0_u8..32, 24),
        ) {
            let mut encoder = httlib_hpack::Encoder::with_dynamic_size(4_096);
            let mut decoder = Decoder::new(1 << 16);
            let mut forms = forms.into_iter().cycle();
            for (given, size, _) in blocks {
                let mut block = Vec::new();
                if let Some(size) = size {
                    let size = u32::try_from(size).unwrap();
                    encoder.update_max_dynamic_size(size, &mut block).unwrap();
                }
                let wanted: Vec<Field> = given.iter().map(|given| field(*given)).collect();
                for (name, value) in &wanted {
                    let flags = forms.next().unwrap();
                    // A field is either added to the table or never to be.
                    let flags = if flags & 0xc == 0xc { flags & !0x8 } else { flags };
                    let input = (name.clone().into_bytes(), value.clone().into_bytes(), flags);
                    encoder.encode(input, &mut block).unwrap();
                }
                prop_assert_eq!(decode(&mut decoder, &block), (wanted, 0));
            }
        }

        /// Whoever misses blocks, from the first or in between, makes nothing up and counts what it misses.
        #[test]
        fn nothing_is_guessed_after_a_loss(
            blocks in blocks(),
            lost in proptest::collection::vec(proptest::bool::weighted(0.2), 40),
            joined in any::<bool>(),
            limit in prop_oneof![Just(1_usize << 16), 100_usize..1_000],
        ) {
            let mut encoder = Encoder::default();
            let mut decoder = if joined { Decoder::joined(limit) } else { Decoder::new(limit) };
            for ((given, size, huffman), lost) in blocks.into_iter().zip(lost) {
                encoder.huffman = huffman;
                let mut block = Vec::new();
                if let Some(size) = size {
                    encoder.resize(&mut block, size);
                }
                let wanted: Vec<Field> = given.iter().map(|given| field(*given)).collect();
                for ((name, value), (_, _, added)) in wanted.iter().zip(&given) {
                    encoder.field(&mut block, name, value, *added);
                }
                if lost {
                    decoder.poison();
                    continue;
                }
                let (known, unknown) = decode(&mut decoder, &block);
                prop_assert_eq!(known.len() + unknown as usize, wanted.len());
                let mut truth = wanted.iter();
                for one in &known {
                    prop_assert!(truth.any(|field| field == one), "{:?} is not in {:?}", one, wanted);
                }
            }
        }

        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&data);
        }

        /// The same for bytes that are mostly references and small additions.
        #[test]
        fn any_references_are_taken(data in proptest::collection::vec(prop_oneof![
            Just(0x40_u8), Just(0x41), Just(1), Just(b'a'), 0xbe_u8..0xc4, 0x7e_u8..0x80, 0x20_u8..0x3f, 1_u8..40,
        ], 0..400)) {
            fuzz(&data);
        }
    }
}
