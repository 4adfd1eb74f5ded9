//! Protobuf's wire format: the fields of one message, and messages nested in a stream of bytes.
//!
//! [`fields`] reads a message that is there as a whole. [`Nested`] is fed chunks and goes down a path of field
//! numbers, so that of an export of any size one element is held at a time. See
//! <https://protobuf.dev/programming-guides/encoding/>.

use super::BadReason;

/// The longest message that is held.
pub(super) const MAX_MESSAGE: usize = 32 << 20;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A varint, or eight or four bytes.
    Number(u64),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Its bytes; none when it is a number.
    pub(super) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => b"",
        }
    }

    /// Its number; 0 when it is none.
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(_) => 0,
        }
    }
}

/// Hands the fields of a message to `each`, by their numbers; `Err` where they are none.
pub(super) fn fields<'a>(message: &'a [u8], each: &mut dyn FnMut(u32, Field<'a>)) -> Result<(), BadReason> {
    let mut rest = message;
    while !rest.is_empty() {
        let broken = BadReason::Protobuf { offset: message.len() - rest.len() };
        let Some(Some((head, tail))) = Head::parse(rest) else { return Err(broken) };
        let field = match head.payload {
            Payload::Number(number) => {
                rest = tail;
                Field::Number(number)
            }
            Payload::Length(length) => {
                let cut = usize::try_from(length).ok().and_then(|length| tail.split_at_checked(length));
                let Some((bytes, behind)) = cut else { return Err(broken) };
                rest = behind;
                Field::Bytes(bytes)
            }
        };
        each(head.number, field);
    }
    Ok(())
}

/// The first field with this number as bytes.
pub(super) fn bytes_of(message: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut found = None;
    fields(message, &mut |number, field| {
        if let (true, Field::Bytes(bytes)) = (number == wanted && found.is_none(), field) {
            found = Some(bytes);
        }
    })
    .ok()?;
    found
}

/// The last field with this number as a number; 0 when there is none, as proto3 has it.
pub(super) fn number_of(message: &[u8], wanted: u32) -> u64 {
    let mut found = 0;
    let read = fields(message, &mut |number, field| {
        if number == wanted {
            found = field.number();
        }
    });
    if read.is_ok() { found } else { 0 }
}

/// What stands before a field's bytes.
#[derive(Clone, Copy, Debug)]
struct Head {
    number: u32,
    payload: Payload,
}

#[derive(Clone, Copy, Debug)]
enum Payload {
    Number(u64),
    Length(u64),
}

impl Head {
    /// The longest: two varints.
    const MAX: usize = 20;

    /// Reads a tag, and the number or length behind it. `Some(None)` asks for more bytes, `None` refuses.
    #[expect(clippy::option_option, reason = "read, need more, refuse")]
    fn parse(input: &[u8]) -> Option<Option<(Self, &[u8])>> {
        let mut rest = input;
        let Some(tag) = varint(&mut rest)? else { return Some(None) };
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
        let payload = match tag & 7 {
            0 => varint(&mut rest)?.map(Payload::Number),
            2 => varint(&mut rest)?.map(Payload::Length),
            1 => rest.split_first_chunk::<8>().map(|(bytes, tail)| {
                rest = tail;
                Payload::Number(u64::from_le_bytes(*bytes))
            }),
            5 => rest.split_first_chunk::<4>().map(|(bytes, tail)| {
                rest = tail;
                Payload::Number(u64::from(u32::from_le_bytes(*bytes)))
            }),
            _ => return None,
        };
        Some(payload.map(|payload| (Self { number, payload }, rest)))
    }
}

/// `Some(None)` asks for more bytes, `None` refuses.
#[expect(clippy::option_option, reason = "read, need more, refuse")]
fn varint(rest: &mut &[u8]) -> Option<Option<u64>> {
    let mut value = 0_u64;
    let mut input = *rest;
    for shift in 0..10 {
        let Some((byte, tail)) = input.split_first() else { return Some(None) };
        input = tail;
        if shift == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            *rest = input;
            return Some(Some(value));
        }
    }
    None
}

/// A message found in a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message<'a> {
    /// Its bytes.
    Whole(&'a [u8]),
    /// It was longer than [`MAX_MESSAGE`] and is gone.
    TooLong,
}

/// Goes down a path of fields in a stream of bytes. See the module's doc.
#[derive(Debug)]
pub(super) struct Nested {
    /// The field numbers that lead down, level by level; those of the last are what is wanted.
    path: &'static [&'static [u32]],
    /// Where each open message ends.
    ends: Vec<u64>,
    /// Bytes passed so far.
    at: u64,
    /// The front of a field's head.
    head: Vec<u8>,
    /// Bytes of the current field that are still to come.
    coming: u64,
    /// What is done with them.
    fate: Fate,
    held: Vec<u8>,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Skipped,
    Held,
    TooLong,
}

impl Nested {
    pub(super) const fn new(path: &'static [&'static [u32]]) -> Self {
        Self {
            path,
            ends: Vec::new(),
            at: 0,
            head: Vec::new(),
            coming: 0,
            fate: Fate::Skipped,
            held: Vec::new(),
            broken: false,
        }
    }

    /// Hands out every wanted message that ends in `bytes`. Behind what is no protobuf nothing is read.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Message<'_>)) {
        while !self.broken {
            if self.coming > 0 {
                if bytes.is_empty() {
                    return;
                }
                let take = usize::try_from(self.coming).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(take);
                bytes = later;
                self.at += take as u64;
                self.coming -= take as u64;
                if self.fate == Fate::Held {
                    self.held.extend_from_slice(now);
                }
                if self.coming == 0 {
                    self.complete(each);
                }
                continue;
            }
            self.ends.pop_if(|end| *end <= self.at);
            if self.ends.last().is_some_and(|end| *end <= self.at) {
                continue;
            }
            let Some((byte, later)) = bytes.split_first() else { return };
            bytes = later;
            self.at += 1;
            self.head.push(*byte);
            match Head::parse(&self.head) {
                Some(None) => {
                    self.broken |=
                        self.head.len() >= Head::MAX || self.ends.last().is_some_and(|end| *end <= self.at);
                }
                None => self.broken = true,
                Some(Some((head, _))) => self.begin(head, each),
            }
        }
    }

    fn begin(&mut self, head: Head, each: &mut dyn FnMut(Message<'_>)) {
        self.head.clear();
        let Payload::Length(length) = head.payload else { return };
        let end = self.at.saturating_add(length);
        if self.ends.last().is_some_and(|outer| end > *outer) {
            self.broken = true;
            return;
        }
        let level = self.ends.len();
        let wanted = self.path.get(level).is_some_and(|numbers| numbers.contains(&head.number));
        if wanted && level + 1 < self.path.len() {
            self.ends.push(end);
            return;
        }
        self.coming = length;
        self.held.clear();
        self.fate = match wanted {
            false => Fate::Skipped,
            true if length > MAX_MESSAGE as u64 => Fate::TooLong,
            true => Fate::Held,
        };
        if length == 0 {
            self.complete(each);
        }
    }

    fn complete(&mut self, each: &mut dyn FnMut(Message<'_>)) {
        match self.fate {
            Fate::Skipped => {}
            Fate::Held => each(Message::Whole(&self.held)),
            Fate::TooLong => each(Message::TooLong),
        }
        self.held.clear();
        self.held.shrink_to(4 << 20);
    }

    /// What the end of the input says is wrong.
    pub(super) fn finish(&self) -> Option<BadReason> {
        if self.broken {
            Some(BadReason::Protobuf { offset: usize::try_from(self.at).unwrap_or(usize::MAX) })
        } else if self.coming > 0
            || !self.head.is_empty()
            || self.ends.last().is_some_and(|end| *end > self.at)
        {
            Some(BadReason::Cut)
        } else {
            None
        }
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.head.clear();
        self.held.clear();
        (self.at, self.coming, self.fate, self.broken) = (0, 0, Fate::Skipped, false);
    }
}

/// Reads arbitrary bytes whole and byte by byte, and asserts that both give the same.
#[cfg(test)]
pub(super) fn fuzz(data: &[u8]) {
    let read = |chunk: usize| {
        let mut nested = Nested::new(&[&[1], &[2]]);
        let mut seen = Vec::new();
        for chunk in data.chunks(chunk) {
            nested.feed(chunk, &mut |message| {
                seen.push(if let Message::Whole(bytes) = message { bytes.to_vec() } else { vec![] });
            });
        }
        (seen, nested.finish())
    };
    assert_eq!(read(data.len().max(1)), read(1));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a field of bytes.
    pub(in super::super) fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
        put_varint(u64::from(number) << 3 | 2, out);
        put_varint(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }

    /// Writes a varint field.
    pub(in super::super) fn put_number(number: u32, value: u64, out: &mut Vec<u8>) {
        put_varint(u64::from(number) << 3, out);
        put_varint(value, out);
    }

    fn put_varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        out.push(value.to_le_bytes()[0]);
    }

    #[test]
    fn wanted_messages_are_found_wherever_they_nest() {
        let mut inner = Vec::new();
        put(3, b"other", &mut inner);
        put(2, b"first", &mut inner);
        put_number(9, 7, &mut inner);
        put(2, b"", &mut inner);
        let mut stream = Vec::new();
        put(7, &inner, &mut stream);
        put(1, &inner, &mut stream);
        put(1, b"", &mut stream);
        put(1, &inner, &mut stream);
        for chunk in [1, 3, 1_000] {
            let mut nested = Nested::new(&[&[1], &[2]]);
            let mut seen = Vec::new();
            for chunk in stream.chunks(chunk) {
                nested.feed(chunk, &mut |message| {
                    if let Message::Whole(bytes) = message {
                        seen.push(bytes.to_vec());
                    }
                });
            }
            assert_eq!(seen, [b"first".to_vec(), vec![], b"first".to_vec(), vec![]], "{chunk}");
            assert_eq!(nested.finish(), None);
        }
    }

    #[test]
    fn what_is_cut_or_no_protobuf_says_so() {
        for (bytes, reason) in [
            (&b"\x0a\x05ab"[..], BadReason::Cut),
            (b"\x0a\x02\x12\x05", BadReason::Protobuf { offset: 4 }),
            (b"\x0f", BadReason::Protobuf { offset: 1 }),
            (b"\x0a", BadReason::Cut),
        ] {
            let mut nested = Nested::new(&[&[1], &[2]]);
            nested.feed(bytes, &mut |_| {});
            assert_eq!(nested.finish(), Some(reason), "{bytes:?}");
        }
    }

    proptest! {
        /// Arbitrary bytes never panic, and chunks do not matter.
        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
            let mut count = 0;
            let read = fields(&bytes, &mut |_, _| count += 1);
            prop_assert!(read.is_err() || bytes.is_empty() == (count == 0));
        }
    }
}
