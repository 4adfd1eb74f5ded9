//! Protobuf's wire format: fields by name where a [`MessageTypes`] says what they are, else by number, told from the bytes.
//!
//! Without a type a field is called by its number, `1.3.2`, and what its bytes are is a matter of evidence: readable text is
//! text, what reads as fields to its end is a message, and eight or four bytes are whichever number is the likelier one.
//! With a type, fields have their names, enumerations their words, maps their keys; what the type does not know, or what
//! travels otherwise than it says, is told as if there were no type. Tables are made once, when descriptors are loaded; a
//! walk looks fields up and allocates nothing.

use super::{Coding, JsonType, Text, Visitor};

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A varint without sign.
    Unsigned,
    /// A varint in two's complement.
    Signed,
    /// A varint with the sign in its lowest bit.
    ZigZag,
    /// A varint that is true or false.
    Bool,
    /// Four bytes without sign.
    Fixed32,
    /// Four bytes in two's complement.
    SignedFixed32,
    /// A float of four bytes.
    Float,
    /// Eight bytes without sign.
    Fixed64,
    /// Eight bytes in two's complement.
    SignedFixed64,
    /// A float of eight bytes.
    Double,
    /// Bytes that are no text.
    Opaque,
    /// The number of a field, in its tag.
    Tag,
}

impl Scalar {
    const fn wire(self) -> u8 {
        match self {
            Self::Unsigned | Self::Signed | Self::ZigZag | Self::Bool | Self::Tag => VARINT,
            Self::Fixed32 | Self::SignedFixed32 | Self::Float => FIXED32,
            Self::Fixed64 | Self::SignedFixed64 | Self::Double => FIXED64,
            Self::Opaque => LENGTH,
        }
    }

    const fn json(self) -> JsonType {
        match self {
            Self::Bool => JsonType::Boolean,
            Self::Float | Self::Double => JsonType::Number,
            Self::Opaque => JsonType::String,
            Self::Unsigned
            | Self::Signed
            | Self::ZigZag
            | Self::Fixed32
            | Self::SignedFixed32
            | Self::Fixed64
            | Self::SignedFixed64
            | Self::Tag => JsonType::Integer,
        }
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number or truth value.
    Scalar(Scalar),
    /// Text.
    String,
    /// Bytes: text when they read as such.
    Bytes,
    /// A word of an enumeration, by its place in [`MessageTypes::enums`].
    Enum(u32),
    /// A message, by its place in [`MessageTypes::messages`].
    Message(u32),
    /// A message between two tags, as proto2 has it.
    Group(u32),
    /// Pairs, each a message with the key as field 1 and the value as field 2.
    Map(u32),
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// Its number.
    pub number: u32,
    /// Its name as the source has it.
    pub name: Box<str>,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether there may be several; maps are not among them.
    pub repeated: bool,
}

/// The fields of a message, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageType {
    fields: Box<[FieldType]>,
}

impl MessageType {
    /// A message of these fields.
    #[must_use]
    pub fn new(mut fields: Vec<FieldType>) -> Self {
        fields.sort_by_key(|field| field.number);
        Self { fields: fields.into() }
    }

    fn field(&self, number: u32) -> Option<&FieldType> {
        // Most messages number their fields from 1 without holes.
        let guess = self.fields.get((number as usize).wrapping_sub(1));
        if let Some(field) = guess.filter(|field| field.number == number) {
            return Some(field);
        }
        let place = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(place)
    }
}

/// The words of an enumeration by their numbers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnumType {
    words: Box<[(i32, Box<str>)]>,
}

impl EnumType {
    /// An enumeration of these words. Of several words for one number the first counts.
    #[must_use]
    pub fn new(mut words: Vec<(i32, Box<str>)>) -> Self {
        words.sort_by_key(|(number, _)| *number);
        words.dedup_by_key(|(number, _)| *number);
        Self { words: words.into() }
    }

    fn word(&self, number: i32) -> Option<&str> {
        let place = self.words.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        self.words.get(place).map(|(_, word)| &**word)
    }
}

/// All messages and enumerations that descriptors know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageTypes {
    /// Messages.
    pub messages: Vec<MessageType>,
    /// Enumerations.
    pub enums: Vec<EnumType>,
}

/// A message of some [`MessageTypes`].
#[derive(Clone, Copy, Debug)]
pub struct Typed<'t> {
    types: &'t MessageTypes,
    message: Option<&'t MessageType>,
}

impl<'t> Typed<'t> {
    /// The message at this place.
    #[must_use]
    pub fn new(types: &'t MessageTypes, message: u32) -> Self {
        Self { types, message: types.messages.get(message as usize) }
    }

    fn inside(self, message: u32) -> Self {
        Self::new(self.types, message)
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const GROUP: u8 = 3;
const END: u8 = 4;
const FIXED32: u8 = 5;

/// Walks `body`: one message, or several behind the prefixes of gRPC.
pub fn walk<'a>(body: &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) {
    let whole = |bytes: &[u8]| {
        let mut rest = bytes;
        while let Some((&[0, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
            let Some(tail) = tail.get(u32::from_be_bytes([a, b, c, d]) as usize..) else { return false };
            rest = tail;
        }
        rest.is_empty()
    };
    if !whole(body) {
        return message(body, None, depth, visitor);
    }
    visitor.enter_array();
    for (_, _, content) in crate::http::grpc::messages(body) {
        message(content, None, depth.saturating_sub(1), visitor);
    }
    visitor.leave_array();
}

/// What stands in the fields of this number, when `body` is a message and nothing else.
#[must_use]
pub fn parts(body: &[u8], number: u32) -> Option<Vec<&[u8]>> {
    let mut rest = body;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let tag = tag(&mut rest)?;
        if tag.wire == LENGTH && tag.number == number {
            parts.push(content(&mut rest)?);
        } else if !skip(tag.wire, &mut rest) {
            return None;
        }
    }
    Some(parts)
}

/// Walks one message, no deeper than `depth`.
pub fn message<'a>(body: &'a [u8], typed: Option<Typed<'a>>, depth: usize, visitor: &mut impl Visitor<'a>) {
    let mut rest = body;
    object(&mut rest, typed, depth, visitor);
}

/// What was read of a field: its tag as bytes, number, wire type.
struct Tag<'a> {
    raw: &'a [u8],
    number: u32,
    wire: u8,
}

fn tag<'a>(rest: &mut &'a [u8]) -> Option<Tag<'a>> {
    let before = *rest;
    let value = varint(rest)?;
    let raw = before.get(..before.len() - rest.len()).unwrap_or_default();
    let number = u32::try_from(value >> 3).ok().filter(|number| *number > 0 && *number < 1 << 29)?;
    let wire = (value & 7) as u8;
    Some(Tag { raw, number, wire })
}

/// Containers of the visitor that are open for a run of one field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    None,
    Items(u32),
    Pairs(u32),
}

impl Run {
    fn end<'a>(&mut self, visitor: &mut impl Visitor<'a>) {
        match std::mem::replace(self, Self::None) {
            Self::None => {}
            Self::Items(_) => visitor.leave_array(),
            Self::Pairs(_) => visitor.leave_object(),
        }
    }
}

/// Reads fields as the members of an object, to the end of `rest` or of the group that it is.
fn object<'a>(rest: &mut &'a [u8], typed: Option<Typed<'a>>, depth: usize, visitor: &mut impl Visitor<'a>) {
    visitor.enter_object();
    let mut run = Run::None;
    while !rest.is_empty() {
        let Some(tag) = tag(rest).filter(|tag| tag.wire != END) else { break };
        let known = typed.and_then(|typed| Some((typed, typed.message?.field(tag.number)?)));
        let Some((typed, field)) = known else {
            run.end(visitor);
            if tag.wire == LENGTH && content_of(rest).is_some_and(<[u8]>::is_empty) {
                // Nothing tells what it is.
                content(rest);
                continue;
            }
            visitor.key(Text::coded(tag.raw, Coding::Protobuf(Scalar::Tag)));
            if !untyped(tag.wire, rest, depth, visitor) {
                break;
            }
            continue;
        };
        let name = Text::plain(field.name.as_bytes());
        if let FieldKind::Map(entry) = field.kind
            && tag.wire == LENGTH
        {
            if run != Run::Pairs(tag.number) {
                run.end(visitor);
                visitor.key(name);
                visitor.enter_object();
                run = Run::Pairs(tag.number);
            }
            let Some(content) = content(rest) else { break };
            pair(content, typed.inside(entry), depth.saturating_sub(1), visitor);
            continue;
        }
        if !field.repeated || run != Run::Items(tag.number) {
            run.end(visitor);
            visitor.key(name);
            if field.repeated {
                visitor.enter_array();
                run = Run::Items(tag.number);
            }
        }
        if !value(&tag, field, typed, rest, depth, visitor) {
            break;
        }
    }
    run.end(visitor);
    visitor.leave_object();
}

/// One entry of a map: its key names what its value is.
fn pair<'a>(content: &'a [u8], entry: Typed<'a>, depth: usize, visitor: &mut impl Visitor<'a>) {
    let Some(message) = entry.message else { return };
    // Keys come first but where somebody writes otherwise on purpose.
    let (mut key, mut found) = (Text::plain(b""), None);
    let mut rest = content;
    while let Some(tag) = tag(&mut rest) {
        let here = rest;
        if !skip(tag.wire, &mut rest) {
            break;
        }
        match (tag.number, message.field(tag.number).map(|field| &field.kind)) {
            (1, Some(FieldKind::String)) if tag.wire == LENGTH => {
                key = Text::plain(content_of(here).unwrap_or_default());
            }
            (1, Some(FieldKind::Scalar(scalar))) if tag.wire == scalar.wire() => {
                let raw = here.get(..here.len() - rest.len()).unwrap_or_default();
                key = Text::coded(raw, Coding::Protobuf(*scalar));
            }
            (2, Some(_)) => found = Some((tag, here)),
            _ => {}
        }
    }
    visitor.key(key);
    match (found, message.field(2)) {
        (Some((tag, mut here)), Some(field)) => {
            value(&tag, field, entry, &mut here, depth, visitor);
        }
        _ => visitor.scalar(JsonType::Null, Text::plain(b"")),
    }
}

/// The value of a field of known type. `false` when what follows cannot be read.
fn value<'a>(
    tag: &Tag<'a>,
    field: &'a FieldType,
    typed: Typed<'a>,
    rest: &mut &'a [u8],
    depth: usize,
    visitor: &mut impl Visitor<'a>,
) -> bool {
    match (&field.kind, tag.wire) {
        (FieldKind::Scalar(scalar), wire) if wire == scalar.wire() => number(*scalar, rest, visitor),
        (FieldKind::Scalar(scalar), LENGTH) if field.repeated => {
            let Some(mut packed) = content(rest) else { return false };
            while !packed.is_empty() && number(*scalar, &mut packed, visitor) {}
            true
        }
        (FieldKind::Enum(words), VARINT) => word(*words, typed, rest, visitor),
        (FieldKind::Enum(words), LENGTH) if field.repeated => {
            let Some(mut packed) = content(rest) else { return false };
            while !packed.is_empty() && word(*words, typed, &mut packed, visitor) {}
            true
        }
        (FieldKind::String, LENGTH) => {
            let Some(text) = content(rest) else { return false };
            visitor.scalar(JsonType::String, Text::plain(text));
            true
        }
        (FieldKind::Bytes, LENGTH) => {
            let Some(bytes) = content(rest) else { return false };
            visitor.scalar(JsonType::String, text_or_bytes(bytes));
            true
        }
        (FieldKind::Message(message), LENGTH) => {
            let Some((mut inner, _)) = front(rest) else { return false };
            if depth > 1 {
                object(&mut inner, Some(typed.inside(*message)), depth - 1, visitor);
            } else {
                visitor.enter_object();
                visitor.leave_object();
            }
            true
        }
        (FieldKind::Group(message), GROUP) => group(rest, Some(typed.inside(*message)), depth, visitor),
        // It travels otherwise than the type says.
        (
            FieldKind::Scalar(_)
            | FieldKind::Enum(_)
            | FieldKind::String
            | FieldKind::Bytes
            | FieldKind::Message(_)
            | FieldKind::Group(_)
            | FieldKind::Map(_),
            wire,
        ) => untyped(wire, rest, depth, visitor),
    }
}

fn group<'a>(
    rest: &mut &'a [u8],
    typed: Option<Typed<'a>>,
    depth: usize,
    visitor: &mut impl Visitor<'a>,
) -> bool {
    if depth > 1 {
        object(rest, typed, depth - 1, visitor);
        return true;
    }
    visitor.enter_object();
    visitor.leave_object();
    skip(GROUP, rest)
}

fn number<'a>(scalar: Scalar, rest: &mut &'a [u8], visitor: &mut impl Visitor<'a>) -> bool {
    let before = *rest;
    if !skip(scalar.wire(), rest) {
        return false;
    }
    let raw = before.get(..before.len() - rest.len()).unwrap_or_default();
    visitor.scalar(scalar.json(), Text::coded(raw, Coding::Protobuf(scalar)));
    true
}

fn word<'a>(words: u32, typed: Typed<'a>, rest: &mut &'a [u8], visitor: &mut impl Visitor<'a>) -> bool {
    let mut after = *rest;
    let Some(value) = varint(&mut after) else { return false };
    let number = i32::try_from(value.cast_signed()).ok();
    let known = typed.types.enums.get(words as usize).and_then(|words| words.word(number?));
    match known {
        Some(word) => {
            *rest = after;
            visitor.scalar(JsonType::String, Text::plain(word.as_bytes()));
            true
        }
        None => self::number(Scalar::Signed, rest, visitor),
    }
}

/// The value of a field of which nothing is known but its wire type. `false` when what follows cannot be read.
fn untyped<'a>(wire: u8, rest: &mut &'a [u8], depth: usize, visitor: &mut impl Visitor<'a>) -> bool {
    match wire {
        VARINT => number(Scalar::Signed, rest, visitor),
        FIXED64 => {
            let likely = rest.first_chunk().is_some_and(|bytes| is_likely(f64::from_le_bytes(*bytes)));
            number(if likely { Scalar::Double } else { Scalar::Fixed64 }, rest, visitor)
        }
        FIXED32 => {
            let likely = rest.first_chunk().is_some_and(|bytes| is_likely(f32::from_le_bytes(*bytes).into()));
            number(if likely { Scalar::Float } else { Scalar::Fixed32 }, rest, visitor)
        }
        LENGTH => {
            let Some((content, whole)) = front(rest) else { return false };
            if !is_message(content, whole) {
                if whole {
                    visitor.scalar(JsonType::String, text_or_bytes(content));
                }
            } else if depth > 1 {
                message(content, None, depth - 1, visitor);
            } else {
                visitor.enter_object();
                visitor.leave_object();
            }
            true
        }
        GROUP => group(rest, None, depth, visitor),
        _ => false,
    }
}

/// Whether eight or four bytes are likelier a float than an integer: small integers are no normal floats, and what is
/// counted or paid is neither tiny nor huge.
fn is_likely(float: f64) -> bool {
    float == 0.0 || (1e-6..1e15).contains(&float.abs())
}

fn text_or_bytes(content: &[u8]) -> Text<'_> {
    if is_text(content) {
        Text::plain(content)
    } else {
        Text::coded(content, Coding::Protobuf(Scalar::Opaque))
    }
}

/// Text without control characters.
fn is_text(content: &[u8]) -> bool {
    !content.iter().any(|byte| *byte < 9 || (14..32).contains(byte) || *byte == 127)
        && std::str::from_utf8(content).is_ok()
}

/// Fields of what may be a message that are looked at.
const PROBED: usize = 16;

/// Whether bytes are a message: they read as fields to their end, as far as is looked, and not as text. A line feed, a
/// carriage return or a tab at their front speaks for a message, for text seldom begins so.
fn is_message(content: &[u8], whole: bool) -> bool {
    let odd = content.first().is_none_or(|byte| matches!(byte, 9..14));
    (odd || !is_text(content)) && well_formed(content, whole)
}

/// Whether bytes read as fields; of those that were cut the last may lack its end.
fn well_formed(content: &[u8], whole: bool) -> bool {
    let mut rest = content;
    for read in 0..PROBED {
        if rest.is_empty() {
            return true;
        }
        let Some(tag) = tag(&mut rest) else { return !whole && read > 0 };
        if !skip(tag.wire, &mut rest) {
            return !whole && tag.wire == LENGTH;
        }
    }
    true
}

/// Takes the value of a field away. `false` when it is not whole.
fn skip(wire: u8, rest: &mut &[u8]) -> bool {
    match wire {
        VARINT => varint(rest).is_some(),
        FIXED64 => take(8, rest).is_some(),
        FIXED32 => take(4, rest).is_some(),
        LENGTH => content(rest).is_some(),
        GROUP => {
            // Groups nest: their ends are counted, not matched by number.
            let mut open = 1_usize;
            while open > 0 {
                let Some(tag) = tag(rest) else { return false };
                match tag.wire {
                    GROUP => open += 1,
                    END => open -= 1,
                    wire => {
                        if !skip_flat(wire, rest) {
                            return false;
                        }
                    }
                }
            }
            true
        }
        _ => false,
    }
}

fn skip_flat(wire: u8, rest: &mut &[u8]) -> bool {
    match wire {
        VARINT => varint(rest).is_some(),
        FIXED64 => take(8, rest).is_some(),
        FIXED32 => take(4, rest).is_some(),
        LENGTH => content(rest).is_some(),
        _ => false,
    }
}

fn take<'a>(length: usize, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (front, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(front)
}

/// Takes what stands behind its length, or the front of it when the body was cut; and whether it is whole.
fn front<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    if let Some(content) = content(rest) {
        return Some((content, true));
    }
    varint(rest)?;
    Some((std::mem::take(rest), false))
}

/// Takes what stands behind its length. `None` when it is not whole.
fn content<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut after = *rest;
    let length = usize::try_from(varint(&mut after)?).ok()?;
    let content = take(length, &mut after)?;
    *rest = after;
    Some(content)
}

fn content_of(mut rest: &[u8]) -> Option<&[u8]> {
    content(&mut rest)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in 0..10 {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * shift).min(63);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Writes a number as text.
pub(super) fn write(raw: &[u8], scalar: Scalar, out: &mut Vec<u8>) {
    use std::io::Write as _;
    out.clear();
    let whole = || varint(&mut { raw }).unwrap_or_default();
    let four = || raw.first_chunk().copied().unwrap_or_default();
    let eight = || raw.first_chunk().copied().unwrap_or_default();
    let written = match scalar {
        Scalar::Unsigned => write!(out, "{}", whole()),
        Scalar::Signed => write!(out, "{}", whole().cast_signed()),
        Scalar::ZigZag => write!(out, "{}", (whole() >> 1).cast_signed() ^ -(whole() & 1).cast_signed()),
        Scalar::Bool => write!(out, "{}", whole() != 0),
        Scalar::Fixed32 => write!(out, "{}", u32::from_le_bytes(four())),
        Scalar::SignedFixed32 => write!(out, "{}", i32::from_le_bytes(four())),
        Scalar::Float => write!(out, "{}", f32::from_le_bytes(four())),
        Scalar::Fixed64 => write!(out, "{}", u64::from_le_bytes(eight())),
        Scalar::SignedFixed64 => write!(out, "{}", i64::from_le_bytes(eight())),
        Scalar::Double => write!(out, "{}", f64::from_le_bytes(eight())),
        Scalar::Opaque => Ok(()),
        Scalar::Tag => write!(out, "{}", whole() >> 3),
    };
    debug_assert!(written.is_ok(), "memory takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;
    use proptest::prelude::*;

    fn key(number: u32, wire: u8) -> Vec<u8> {
        number_of(u64::from(number << 3 | u32::from(wire)))
    }

    fn number_of(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value > 0x7f {
            out.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        out.push(value.to_le_bytes()[0]);
        out
    }

    fn bytes(number: u32, content: &[u8]) -> Vec<u8> {
        [key(number, LENGTH), number_of(content.len() as u64), content.to_vec()].concat()
    }

    fn int(number: u32, value: u64) -> Vec<u8> {
        [key(number, VARINT), number_of(value)].concat()
    }

    fn lines(body: &[u8], typed: Option<Typed<'_>>) -> Vec<String> {
        // The types of a test live as long as the test.
        let mut record = Record::default();
        message(body, typed, 16, &mut record);
        record.lines
    }

    #[test]
    fn without_a_type_the_bytes_tell() {
        let inner = [int(1, 1), bytes(3, b"abc")].concat();
        let body = [
            bytes(1, b"hello"),
            int(2, 150),
            bytes(3, &inner),
            bytes(4, b"123456789"),
            bytes(5, &bytes(1, b"thirteen char")),
            bytes(6, b"\xff\xfe\xfd"),
            [key(7, FIXED64), 12.5_f64.to_le_bytes().to_vec()].concat(),
            [key(8, FIXED64), 7_u64.to_le_bytes().to_vec()].concat(),
            [key(9, FIXED32), 1.5_f32.to_le_bytes().to_vec()].concat(),
            [key(10, GROUP), int(1, 5), key(10, END)].concat(),
            int(2, u64::MAX),
            bytes(11, b""),
        ]
        .concat();
        assert_eq!(
            lines(&body, None),
            [
                "$.1=string:hello",
                "$.2=integer:150",
                "$.3.1=integer:1",
                "$.3.3=string:abc",
                "$.4=string:123456789",
                "$.5.1=string:thirteen char",
                "$.6=string:",
                "$.7=number:12.5",
                "$.8=integer:7",
                "$.9=number:1.5",
                "$.10.1=integer:5",
                "$.2=integer:-1",
            ]
        );
    }

    #[test]
    fn a_cut_body_gives_what_is_whole() {
        let inner = [bytes(1, b"DE89370400440532013000"), bytes(2, b"lost")].concat();
        let body = bytes(1, &bytes(2, &inner));
        let cut = &body[..body.len() - 2];
        assert_eq!(lines(cut, None), ["$.1.2.1=string:DE89370400440532013000"]);
    }

    #[test]
    fn messages_of_grpc_are_told_one_by_one() {
        let framed: Vec<u8> = [b"a", b"b"]
            .iter()
            .flat_map(|text| [b"\0\0\0\0\x03".to_vec(), bytes(1, *text)].concat())
            .collect();
        let mut record = Record::default();
        walk(&framed, 8, &mut record);
        assert_eq!(record.lines, ["$[*].1=string:a", "$[*].1=string:b"]);
    }

    fn types() -> MessageTypes {
        let field =
            |number, name: &str, kind, repeated| FieldType { number, name: name.into(), kind, repeated };
        let scalar = FieldKind::Scalar;
        let account = MessageType::new(vec![
            field(20, "big", scalar(Scalar::ZigZag), false),
            field(1, "iban", FieldKind::String, false),
            field(2, "state", FieldKind::Enum(0), false),
            field(3, "amounts", scalar(Scalar::Signed), true),
            field(4, "tags", FieldKind::String, true),
            field(5, "limits", FieldKind::Map(1), false),
            field(6, "parent", FieldKind::Message(0), false),
            field(7, "open", scalar(Scalar::Bool), false),
            field(8, "rate", scalar(Scalar::Double), false),
            field(9, "seal", FieldKind::Bytes, false),
        ]);
        let entry = MessageType::new(vec![
            field(1, "key", FieldKind::String, false),
            field(2, "value", scalar(Scalar::Unsigned), false),
        ]);
        let states = EnumType::new(vec![(1, "OPEN".into()), (0, "NONE".into()), (1, "ALIAS".into())]);
        MessageTypes { messages: vec![account, entry], enums: vec![states] }
    }

    #[test]
    fn with_a_type_fields_have_their_names() {
        let types = types();
        let body = [
            bytes(1, b"DE89370400440532013000"),
            int(2, 1),
            bytes(3, &[number_of(5), number_of(u64::MAX)].concat()),
            bytes(4, b"a"),
            bytes(4, b"b"),
            bytes(5, &[bytes(1, b"daily"), int(2, 100)].concat()),
            bytes(5, &[int(2, 7), bytes(1, b"once")].concat()),
            bytes(6, &[bytes(1, b"x"), int(30, 3), int(1, 9)].concat()),
            int(7, 1),
            [key(8, FIXED64), 1.25_f64.to_le_bytes().to_vec()].concat(),
            bytes(9, b"text"),
            int(20, 3),
            int(2, 77),
        ]
        .concat();
        assert_eq!(
            lines(&body, Some(Typed::new(&types, 0))),
            [
                "$.iban=string:DE89370400440532013000",
                "$.state=string:OPEN",
                "$.amounts[*]=integer:5",
                "$.amounts[*]=integer:-1",
                "$.tags[*]=string:a",
                "$.tags[*]=string:b",
                "$.limits.daily=integer:100",
                "$.limits.once=integer:7",
                "$.parent.iban=string:x",
                "$.parent.30=integer:3",
                "$.parent.iban=integer:9",
                "$.open=boolean:true",
                "$.rate=number:1.25",
                "$.seal=string:text",
                "$.big=integer:-2",
                "$.state=integer:77",
            ]
        );
    }

    #[test]
    fn nesting_has_a_bound() {
        let mut body = int(1, 1);
        for _ in 0..200 {
            body = bytes(6, &body);
        }
        let types = types();
        let mut record = Record::default();
        message(&body, Some(Typed::new(&types, 0)), 8, &mut record);
        assert!(record.lines.is_empty());
        let groups: Vec<u8> = std::iter::repeat_n(key(1, GROUP), 10_000).flatten().collect();
        message(&groups, None, 8, &mut record);
    }

    proptest! {
        /// Whatever the bytes, with and without types, calls nest.
        #[test]
        fn any_bytes_are_walked(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let types = types();
            for typed in [None, Some(Typed::new(&types, 0))] {
                let mut balance = crate::payload::Balance::default();
                message(&data, typed, 8, &mut balance);
                prop_assert!(balance.open.is_empty());
            }
        }

        /// The same for bytes that are mostly fields.
        #[test]
        fn any_fields_are_walked(data in proptest::collection::vec(prop_oneof![0_u8..8, Just(10), Just(18), Just(26), Just(34), Just(42), Just(50), Just(51), Just(52)], 0..200)) {
            let types = types();
            for typed in [None, Some(Typed::new(&types, 0))] {
                let mut balance = crate::payload::Balance::default();
                message(&data, typed, 8, &mut balance);
                prop_assert!(balance.open.is_empty());
            }
        }
    }
}
