//! What an endpoint's dialogues say: messages over WebSocket and events of streams, by direction and kind.
//!
//! Most protocols on top name each message: by a field of its JSON (`type`, `op`, `method`), by an event's name, by a
//! command in front. [`kind`] finds that name; shapes and data classes are collected for each. Which field names kinds
//! is decided by evidence: one that has too many values, or a new one every time, holds data, and its messages are one
//! kind without a name. Only names that read like names are kept.

use super::facts::BodyShape;
use super::privacy;
use crate::merge::Merge;
use crate::payload::{JsonType, Text, Visitor, json};
use crate::transaction::dialogue::Tally;
use std::collections::BTreeMap;

/// What was said on an endpoint, by whom.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct DialogueFacts {
    /// What clients said.
    pub to_server: SideFacts,
    /// What the server said.
    pub to_client: SideFacts,
    /// Dialogues by why they were closed (RFC 6455 section 7.4).
    pub close_codes: BTreeMap<u16, u64>,
}

/// What one side said.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct SideFacts {
    /// Messages and bytes.
    pub tally: Tally,
    /// Messages by the field that names their kind.
    fields: BTreeMap<Field, FieldFacts>,
}

/// What names the kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
enum Field {
    /// Nothing does.
    None,
    /// The name of an event: of an event stream, or the first item of a Socket.IO packet.
    Event,
    /// The command of a STOMP frame.
    Stomp,
    /// A property of JSON, by its place in [`PROPERTIES`].
    Property(u8),
}

impl Field {
    /// A kind under its field: `type=price`.
    fn label(self, name: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Event | Self::Stomp | Self::Property(_) => format!("{}={name}", self.name()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Event => "event",
            Self::Stomp => "stomp",
            Self::Property(place) => PROPERTIES.get(usize::from(place)).copied().unwrap_or_default(),
        }
    }
}

/// Properties that name the kind of a message, the likeliest first. Subjects stand last: a message that has a type, too,
/// is of that.
const PROPERTIES: [&str; 21] = [
    "type",
    "event",
    "op",
    "action",
    "method",
    "command",
    "cmd",
    "messageType",
    "message_type",
    "msgType",
    "msg_type",
    "eventType",
    "event_type",
    "@type",
    "kind",
    "e",
    "t",
    "arg",
    "topic",
    "channel",
    "stream",
];

/// Messages that one field names.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct FieldFacts {
    /// By the name of the kind; under an empty name alone when there were too many.
    kinds: BTreeMap<String, KindFacts>,
    /// There were too many.
    overflowed: bool,
}

/// Messages of one kind.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct KindFacts {
    /// How many.
    pub messages: u64,
    /// The shape of those that are structured.
    pub shape: BodyShape,
    /// The shape of those that no JSON schema describes.
    pub other: BodyShape,
}

impl Merge for KindFacts {
    fn absorb(&mut self, other: Self) {
        self.messages.absorb(other.messages);
        self.shape.absorb(other.shape);
        self.other.absorb(other.other);
    }
}

/// Kinds that are told apart by one field; beyond, it names none.
const MAX_KINDS: usize = 64;
/// Messages from which on a field must have repeated a value to be believed.
const MIN_MESSAGES: u64 = 8;

impl FieldFacts {
    fn kind(&mut self, name: &str) -> &mut KindFacts {
        if !self.overflowed && !self.kinds.contains_key(name) && self.kinds.len() >= MAX_KINDS {
            self.overflow();
        }
        if self.overflowed {
            return self.kinds.entry(String::new()).or_default();
        }
        self.kinds.entry(name.to_owned()).or_default()
    }

    /// Makes one kind of all.
    fn overflow(&mut self) {
        self.overflowed = true;
        let mut all = KindFacts::default();
        for (_, kind) in std::mem::take(&mut self.kinds) {
            all.absorb(kind);
        }
        self.kinds.insert(String::new(), all);
    }

    /// Whether its values are names of kinds: few, and repeated.
    fn is_believed(&self) -> bool {
        let messages: u64 = self.kinds.values().map(|kind| kind.messages).sum();
        !self.overflowed && (messages < MIN_MESSAGES || self.kinds.len() as u64 * 2 <= messages)
    }
}

impl Merge for FieldFacts {
    fn absorb(&mut self, other: Self) {
        self.overflowed |= other.overflowed;
        self.kinds.absorb(other.kinds);
        if self.overflowed || self.kinds.len() > MAX_KINDS {
            self.overflow();
        }
    }
}

impl SideFacts {
    /// Where a message of this kind is counted.
    pub fn kind(&mut self, kind: &Kind<'_>) -> &mut KindFacts {
        self.fields.entry(kind.field).or_default().kind(&kind.name)
    }

    /// The kinds of messages by name: `type=price`, `event=tick`, empty where nothing names them.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<String, KindFacts> {
        let mut all: BTreeMap<String, KindFacts> = BTreeMap::new();
        for (field, facts) in &self.fields {
            let is_believed = facts.is_believed();
            for (name, kind) in &facts.kinds {
                let name = if is_believed { field.label(name) } else { String::new() };
                all.entry(name).or_default().absorb(kind.clone());
            }
        }
        all
    }

    pub(super) fn shapes_mut(&mut self) -> impl Iterator<Item = &mut BodyShape> {
        let kinds = self.fields.values_mut().flat_map(|field| field.kinds.values_mut());
        kinds.flat_map(|kind| [&mut kind.shape, &mut kind.other])
    }
}

impl Merge for SideFacts {
    fn absorb(&mut self, other: Self) {
        self.tally.absorb(other.tally);
        self.fields.absorb(other.fields);
    }
}

impl Merge for DialogueFacts {
    fn absorb(&mut self, other: Self) {
        self.to_server.absorb(other.to_server);
        self.to_client.absorb(other.to_client);
        self.close_codes.absorb(other.close_codes);
    }
}

/// The kind of a message, and where its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind<'a> {
    field: Field,
    name: String,
    /// The content without what a protocol puts in front.
    pub content: &'a [u8],
}

impl Kind<'_> {
    /// Its name under the field that gives it: `type=price`; empty where nothing does.
    #[must_use]
    pub fn label(&self) -> String {
        self.field.label(&self.name)
    }
}

/// Finds out of which kind a message is. `event` is the name of an event, or empty.
#[must_use]
pub fn kind<'a>(event: &[u8], content: &'a [u8]) -> Kind<'a> {
    // `message` is what an event is called that has no name.
    if !event.is_empty() && event != b"message" {
        return Kind { field: Field::Event, name: shown(event), content };
    }
    if let Some((command, body)) = stomp(content) {
        return Kind { field: Field::Stomp, name: command.to_owned(), content: body };
    }
    let content = behind_socket_io(content);
    let mut finder = Finder::default();
    if matches!(content.trim_ascii_start().first(), Some(b'{' | b'[')) {
        json::walk(content, FINDER_DEPTH, &mut finder);
    }
    let (field, name) = match finder.found {
        Some(found) => found,
        None => (Field::None, String::new()),
    };
    Kind { field, name, content }
}

/// Levels of a message in which its kind is looked for, and one more to pass over what is below.
const FINDER_DEPTH: usize = 2;

/// Looks for the property that names a message's kind.
#[derive(Debug, Default)]
struct Finder {
    depth: usize,
    /// The outermost value is an array, and so many of its items have passed.
    array: bool,
    items: usize,
    /// The property whose value comes next.
    next: Option<u8>,
    found: Option<(Field, String)>,
}

impl<'a> Visitor<'a> for Finder {
    fn enter_object(&mut self) {
        self.depth += 1;
        self.items += 1;
        self.next = None;
    }

    fn leave_object(&mut self) {
        self.depth -= 1;
    }

    fn enter_array(&mut self) {
        self.array |= self.depth == 0;
        self.items += usize::from(self.depth > 0);
        self.depth += 1;
        self.next = None;
    }

    fn leave_array(&mut self) {
        self.depth -= 1;
    }

    fn key(&mut self, name: Text<'a>) {
        let better = match self.found {
            Some((Field::Property(found), _)) => usize::from(found),
            Some((Field::Event | Field::Stomp | Field::None, _)) => 0,
            None => PROPERTIES.len(),
        };
        let known = PROPERTIES.iter().take(better).position(|known| known.as_bytes() == name.raw());
        let known = known.filter(|_| self.depth == 1 && !self.array);
        self.next = known.and_then(|place| u8::try_from(place).ok());
    }

    fn scalar(&mut self, kind: JsonType, text: Text<'a>) {
        let first = std::mem::replace(&mut self.items, 1) == 0 && self.array && self.depth == 1;
        if first && kind == JsonType::String {
            // `["event", {…}]`, as Socket.IO and others have it.
            self.found = Some((Field::Event, shown(text.raw())));
        }
        let Some(place) = self.next.take() else { return };
        let raw = text.raw();
        let name = match kind {
            JsonType::String if !raw.is_empty() => shown(raw),
            // Opcodes.
            JsonType::Integer if raw.len() <= 3 => String::from_utf8_lossy(raw).into_owned(),
            JsonType::String
            | JsonType::Integer
            | JsonType::Null
            | JsonType::Boolean
            | JsonType::Number
            | JsonType::Object
            | JsonType::Array => return,
        };
        self.found = Some((Field::Property(place), name));
    }

    fn labelled(&mut self, _: Option<&'a [u8]>, _: Text<'a>) {}
}

/// The name of a kind as far as it reads like one.
fn shown(name: &[u8]) -> String {
    let good = name.len() <= 48
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/$#".contains(byte))
        && std::str::from_utf8(name).is_ok_and(privacy::may_name_kind);
    if good { String::from_utf8_lossy(name).into_owned() } else { privacy::MASKED.to_owned() }
}

/// Takes away what Engine.IO and Socket.IO put in front of a packet's JSON: its types, a namespace, an id.
fn behind_socket_io(content: &[u8]) -> &[u8] {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = digits(content);
    if start == 0 || start > 24 {
        return content;
    }
    let mut rest = content.get(start..).unwrap_or_default();
    if rest.first() == Some(&b'/') {
        let Some(end) = memchr::memchr(b',', rest.get(..256).unwrap_or(rest)) else { return content };
        rest = rest.get(end + 1..).unwrap_or_default();
        rest = rest.get(digits(rest)..).unwrap_or_default();
    }
    if matches!(rest.first(), Some(b'{' | b'[')) { rest } else { content }
}

/// The command and body of a STOMP frame (STOMP 1.2).
fn stomp(content: &[u8]) -> Option<(&'static str, &[u8])> {
    const COMMANDS: [&str; 15] = [
        "CONNECT",
        "STOMP",
        "CONNECTED",
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "ACK",
        "NACK",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "DISCONNECT",
        "MESSAGE",
        "RECEIPT",
        "ERROR",
    ];
    if !content.first()?.is_ascii_uppercase() {
        return None;
    }
    let end = content.iter().take(16).position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let command = COMMANDS.into_iter().find(|known| Some(known.as_bytes()) == content.get(..end))?;
    let (body, ends) =
        match (memchr::memmem::find(content, b"\n\n"), memchr::memmem::find(content, b"\n\r\n")) {
            (Some(at), None) => (at, 2),
            (Some(lf), Some(crlf)) if lf < crlf => (lf, 2),
            (_, Some(at)) => (at, 3),
            (None, None) => return None,
        };
    let body = content.get(body + ends..).unwrap_or_default();
    Some((command, body.strip_suffix(b"\0").unwrap_or(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(event: &str, content: &str) -> String {
        let kind = kind(event.as_bytes(), content.as_bytes());
        format!("{}={} {}", kind.field.name(), kind.name, String::from_utf8_lossy(kind.content))
    }

    #[test]
    fn the_kind_of_a_message_is_found() {
        for (event, content, kind) in [
            ("", r#"{"type":"price","v":1}"#, "type=price"),
            ("", r#"{"v":{"type":"no"},"op":"subscribe"}"#, "op=subscribe"),
            ("", r#"{"channel":"ticker","type":"subscribe"}"#, "type=subscribe"),
            ("", r#"{"topic":"quotes","v":1}"#, "topic=quotes"),
            ("", r#"{"op":11,"d":null}"#, "op=11"),
            ("", r#"{"id":"1","type":"next","payload":{"data":{}}}"#, "type=next"),
            ("", r#"{"jsonrpc":"2.0","method":"eth_subscribe","params":["x"]}"#, "method=eth_subscribe"),
            ("", r#"{"type":"DE89370400440532013000"}"#, "type={…}"),
            ("", r#"{"type":"Anna Becker"}"#, "type={…}"),
            ("", r#"{"type":{"a":1},"x":2}"#, "="),
            ("", r#"["trade",{"type":"x"}]"#, "event=trade"),
            ("", r#"[{"type":"x"},"trade"]"#, "="),
            ("", "plain text", "="),
            ("", "7", "="),
            ("quote", r#"{"type":"price"}"#, "event=quote"),
            ("message", r#"{"type":"price"}"#, "type=price"),
        ] {
            assert_eq!(named(event, content), format!("{kind} {content}"));
        }
    }

    #[test]
    fn what_protocols_put_in_front_is_taken_away() {
        for (content, told) in [
            (r#"42["chat",{"text":"hi"}]"#, r#"event=chat ["chat",{"text":"hi"}]"#),
            (r#"42/admin,17["ban",{"id":7}]"#, r#"event=ban ["ban",{"id":7}]"#),
            (r#"0{"sid":"x","pingInterval":25000}"#, r#"= {"sid":"x","pingInterval":25000}"#),
            ("SEND\ndestination:/app/pay\n\n{\"amount\":1}\0", "stomp=SEND {\"amount\":1}"),
            ("MESSAGE\r\nsubscription:0\r\n\r\n{}\0", "stomp=MESSAGE {}"),
            ("SENDER\n\nx", "= SENDER\n\nx"),
        ] {
            assert_eq!(named("", content), told);
        }
    }

    fn side(names: &[&str]) -> SideFacts {
        let mut side = SideFacts::default();
        for name in names {
            let content = format!(r#"{{"type":"{name}"}}"#);
            side.kind(&kind(b"", content.as_bytes())).messages += 1;
        }
        side
    }

    fn told(side: &SideFacts) -> Vec<(String, u64)> {
        side.kinds().into_iter().map(|(name, kind)| (name, kind.messages)).collect()
    }

    #[test]
    fn a_field_with_a_value_for_each_message_names_no_kind() {
        let few = side(&["a", "b", "a", "b", "a", "c", "a", "a", "a"]);
        assert_eq!(told(&few), [("type=a".into(), 6), ("type=b".into(), 2), ("type=c".into(), 1)]);
        assert_eq!(told(&side(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])), [(String::new(), 9)]);
        let many: Vec<String> = (0..200).map(|at| format!("k{}", at % 100)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(told(&side(&many)), [(String::new(), 200)]);
    }

    proptest! {
        #[test]
        fn any_message_is_taken(event in ".{0,9}", content in proptest::collection::vec(any::<u8>(), 0..200), number in 0_u8..=9) {
            prop_assert!(kind(event.as_bytes(), &content).label().len() <= 80);
            let content = [&[b'0' + number][..], b"[", &content].concat();
            prop_assert!(kind(b"", &content).label().len() <= 80);
        }

        /// Order and grouping do not matter, whether the bound is reached or not.
        #[test]
        fn kinds_merge_in_any_order(parts in proptest::collection::vec(proptest::collection::vec(0_u8..90, 0..60), 3), ) {
            let sides: Vec<SideFacts> = parts.iter().map(|part| {
                let names: Vec<String> = part.iter().map(|number| format!("k{number}")).collect();
                side(&names.iter().map(String::as_str).collect::<Vec<_>>())
            }).collect();
            let [a, b, c] = <[SideFacts; 3]>::try_from(sides).unwrap();
            let (mut left, mut right) = (a.clone(), c);
            left.absorb(b.clone());
            left.absorb(right.clone());
            right.absorb(b);
            right.absorb(a);
            prop_assert_eq!(told(&left), told(&right));
            let all: Vec<String> = parts.concat().iter().map(|number| format!("k{number}")).collect();
            prop_assert_eq!(told(&left), told(&side(&all.iter().map(String::as_str).collect::<Vec<_>>())));
        }
    }
}
