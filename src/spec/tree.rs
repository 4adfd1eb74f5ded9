//! A file's bytes as a tree: JSON or YAML, within bounds.
//!
//! Depth is bounded by both parsers (128). What aliases and merge keys can blow up is bounded here: every node
//! and every byte of text is paid from one budget, so that a small file cannot become a large tree. Duplicate
//! keys are kept in mind as they are met; the last one counts.

use super::lines::lines_of;
use super::node::{Members, Names, Node};
use super::reference::push_pointer;
use serde::Deserialize;
use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Number, Value};
use std::cell::{Cell, RefCell};
use std::fmt;

/// The largest file that is read at all.
pub(super) const MAX_FILE_BYTES: usize = 64 << 20;
/// What a tree may cost: one for each node and each eight bytes of text.
const MAX_COST: usize = 8_000_000;
/// The largest YAML file that is read: its parser keeps every event.
const MAX_YAML_BYTES: usize = 16 << 20;
/// How many brackets may be open at once in YAML: its scanner looks at all of them for every token.
const MAX_BRACKETS: usize = 256;
/// How many duplicate keys are told.
const MAX_DUPLICATES: usize = 32;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Tree<V = Node> {
    pub(crate) value: V,
    pub(crate) format: Format,
    /// Pointers of keys that stand twice in one object.
    pub(crate) duplicates: Vec<String>,
    /// Whether more YAML documents follow, which are not read.
    pub(crate) more: bool,
}

impl Tree {
    /// The same for what reads by serde.
    pub(crate) fn into_serde(self) -> Tree<Value> {
        let Self { value, format, duplicates, more } = self;
        Tree { value: value.into(), format, duplicates, more }
    }
}

/// Why nothing was read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) line: Option<u32>,
    pub(crate) message: String,
}

/// Reads `bytes` as JSON when they begin like an object, as YAML otherwise.
pub(crate) fn read(bytes: &[u8]) -> Result<Tree, Unreadable> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Unreadable {
            line: None,
            message: format!("{} bytes are more than the {MAX_FILE_BYTES} that are read", bytes.len()),
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let reading = Reading {
        cost: Cell::new(0),
        max_cost: MAX_COST.min(bytes.len().saturating_mul(16).saturating_add(65_536)),
        path: RefCell::default(),
        duplicates: RefCell::default(),
        names: RefCell::default(),
    };
    let (value, format, more) = if bytes.trim_ascii_start().first() == Some(&b'{') {
        match json(bytes, &reading) {
            Ok(value) => (value, Format::Json, false),
            // A YAML flow mapping begins the same way.
            Err(refused) => match yaml(bytes, &reading.again()) {
                Ok((value, more)) => (value, Format::Yaml, more),
                Err(_) => return Err(refused),
            },
        }
    } else {
        let (value, more) = yaml(bytes, &reading)?;
        (value, Format::Yaml, more)
    };
    Ok(Tree { value, format, duplicates: reading.duplicates.into_inner(), more })
}

fn json(bytes: &[u8], reading: &Reading) -> Result<Node, Unreadable> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    reading
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value))
        .map_err(|error| Unreadable { line: u32::try_from(error.line()).ok(), message: error.to_string() })
}

fn yaml(bytes: &[u8], reading: &Reading) -> Result<(Node, bool), Unreadable> {
    if bytes.len() > MAX_YAML_BYTES {
        let message =
            format!("{} bytes of YAML are more than the {MAX_YAML_BYTES} that are read", bytes.len());
        return Err(Unreadable { line: None, message });
    }
    if let Some(line) = crowded(bytes) {
        let message = format!("more than {MAX_BRACKETS} brackets are open at once");
        return Err(Unreadable { line: Some(line), message });
    }
    let mut documents = serde_norway::Deserializer::from_slice(bytes);
    let Some(first) = documents.next() else { return Ok((Node::Null, false)) };
    let value = reading.deserialize(first).map_err(|error| Unreadable {
        // The parser names no place where it counts too many aliases.
        line: error.location().map_or_else(|| reading.line(bytes), |at| u32::try_from(at.line()).ok()),
        message: error.to_string(),
    })?;
    Ok((value, documents.next().is_some()))
}

/// The line at which too many brackets are open, if there is one. Brackets of texts are none: those in quotes, comments
/// and the lines of block scalars, and those behind the beginning of a text where no bracket is open. What is no YAML may be counted
/// wrong in either way, so the parser's own bound on depth stands behind this one.
fn crowded(bytes: &[u8]) -> Option<u32> {
    let mut open = 0_usize;
    // The indentation of the line that begins a block scalar.
    let mut block: Option<usize> = None;
    let mut quote: Option<u8> = None;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1_u32..) {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let text = line.trim_ascii();
        if let Some(parent) = block {
            if text.is_empty() || indent > parent {
                continue;
            }
            block = None;
        }
        // Whether a node may begin here where no bracket is open, and whether an anchor or tag goes before it.
        let (mut fresh, mut mark) = (true, false);
        let mut before = b' ';
        let mut rest = text.iter();
        while let Some(byte) = rest.next() {
            let space = before.is_ascii_whitespace();
            if space && open == 0 {
                mark = matches!(byte, b'&' | b'!');
            }
            let begins = if open == 0 { fresh } else { space || b"[{,:".contains(&before) };
            match (quote, byte) {
                (Some(b'"'), b'\\') => _ = rest.next(),
                (Some(end), byte) if *byte == end => quote = None,
                (Some(_), _) => {}
                (None, b'#') if space => break,
                (None, b'"' | b'\'') if begins => quote = Some(*byte),
                (None, b'[' | b'{') if begins || open > 0 => open += 1,
                (None, b']' | b'}') => open = open.saturating_sub(1),
                (None, _) => {}
            }
            let spaced = rest.as_slice().first().is_none_or(u8::is_ascii_whitespace);
            fresh = spaced && (*byte == b':' || fresh && matches!(byte, b'-' | b'?'))
                || fresh && (mark || byte.is_ascii_whitespace());
            before = *byte;
        }
        if open > MAX_BRACKETS {
            return Some(number);
        }
        if open == 0 && quote.is_none() && begins_block(text) {
            block = Some(indent);
        }
    }
    None
}

/// Whether the lines after this one are a block scalar: it ends with `|` or `>`, perhaps with an indentation and a sign.
fn begins_block(line: &[u8]) -> bool {
    let (head, last) = match line.iter().rposition(u8::is_ascii_whitespace) {
        Some(at) => line.split_at(at),
        None => return false,
    };
    matches!(last.trim_ascii(), [b'|' | b'>', signs @ ..] if signs.len() <= 2 && signs.iter().all(|sign| matches!(sign, b'+' | b'-' | b'1'..=b'9')))
        && matches!(head.trim_ascii_end().last(), Some(b':' | b'-'))
}

struct Reading {
    cost: Cell<usize>,
    max_cost: usize,
    path: RefCell<Vec<String>>,
    duplicates: RefCell<Vec<String>>,
    names: RefCell<Names>,
}

impl Reading {
    fn again(&self) -> Self {
        Self {
            cost: Cell::new(0),
            max_cost: self.max_cost,
            path: RefCell::default(),
            duplicates: RefCell::default(),
            names: RefCell::default(),
        }
    }

    fn pay<E: serde::de::Error>(&self, text: usize) -> Result<(), E> {
        let cost = self.cost.get() + 1 + text / 8;
        self.cost.set(cost);
        if cost > self.max_cost {
            return Err(E::custom("the document expands to more than is read: too many aliases or nodes"));
        }
        Ok(())
    }

    fn note_duplicate(&self, key: &str) {
        let mut duplicates = self.duplicates.borrow_mut();
        if duplicates.len() < MAX_DUPLICATES {
            let mut pointer = self.pointer();
            push_pointer(&mut pointer, key);
            duplicates.push(pointer);
        }
    }

    /// The pointer of what is being read.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for part in self.path.borrow().iter() {
            push_pointer(&mut pointer, part);
        }
        pointer
    }

    /// The line of what was being read when a YAML file was refused.
    fn line(&self, text: &[u8]) -> Option<u32> {
        lines_of(text, Format::Yaml, [self.pointer().as_str()]).into_values().next()
    }
}

impl<'de> DeserializeSeed<'de> for &Reading {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Reading {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON or YAML value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        self.pay(0).map(|()| Node::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        self.pay(0).map(|()| Node::Number(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        self.pay(0).map(|()| Node::Number(value.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Node, E> {
        self.pay(0).map(|()| Node::String(value.to_string().into()))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Node, E> {
        self.pay(0).map(|()| Node::String(value.to_string().into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        self.pay(0).map(|()| Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.pay(value.len()).map(|()| Node::String(value.into()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.pay(0).map(|()| Node::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        self.deserialize(source)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        self.pay::<A::Error>(0)?;
        let mut all = Vec::new();
        loop {
            self.path.borrow_mut().push(all.len().to_string());
            let item = items.next_element_seed(self)?;
            self.path.borrow_mut().pop();
            match item {
                Some(item) => all.push(item),
                None => return Ok(Node::Array(all.into_boxed_slice())),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        self.pay::<A::Error>(0)?;
        let mut all = Vec::new();
        let mut merged = Vec::new();
        while let Some(Key(key)) = entries.next_key()? {
            self.pay::<A::Error>(key.len())?;
            let name = self.names.borrow_mut().take(&key);
            self.path.borrow_mut().push(key);
            let value = entries.next_value_seed(self)?;
            self.path.borrow_mut().pop();
            if &*name == "<<" && (value.is_object() || value.is_array()) {
                merged.push(value);
            } else {
                all.push((name, value));
            }
        }
        let own = Members::of(all, &mut |key| self.note_duplicate(key));
        if merged.is_empty() {
            return Ok(Node::Object(own));
        }
        // The first one of what is merged counts, and before it the object's own.
        let parts = merged.into_iter().rev().flat_map(|value| match value {
            Node::Array(parts) => parts.into_iter().rev().collect(),
            part => vec![part],
        });
        let mut all: Vec<_> = parts
            .flat_map(|part| if let Node::Object(part) = part { part.into_vec() } else { Vec::new() })
            .collect();
        all.extend(own.into_vec());
        Ok(Node::Object(Members::of(all, &mut |_| {})))
    }

    /// A value with a YAML tag: the tag is dropped.
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        let (Key(_), value) = data.variant()?;
        value.newtype_variant_seed(self).map_err(|_| A::Error::custom("a tag without value"))
    }
}

/// A key as text, whatever scalar it was: the `200` of `200:` is a string in JSON.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key(String);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_and_yaml_give_the_same_tree() {
        let yaml = "a: &x\n  200: [1, 2.5, null, yes, true]\nb:\n  <<: *x\n  c: 2020-01-01\n";
        let json = r#"{"a": {"200": [1, 2.5, null, "yes", true]}, "b": {"200": [1, 2.5, null, "yes", true], "c": "2020-01-01"}}"#;
        let (left, right) = (read(yaml.as_bytes()).unwrap(), read(json.as_bytes()).unwrap());
        assert_eq!(left.value, right.value);
        assert_eq!((left.format, right.format), (Format::Yaml, Format::Json));
    }

    #[test]
    fn a_duplicate_key_is_told_and_the_last_counts() {
        for text in [r#"{"a": {"b/c": 1, "b/c": 2}}"#, "a:\n  b/c: 1\n  b/c: 2\n"] {
            let tree = read(text.as_bytes()).unwrap();
            assert_eq!(tree.duplicates, ["/a/b~1c"]);
            assert_eq!(tree.value, json!({"a": {"b/c": 2}}).into());
        }
    }

    /// Lists of aliases of lists of aliases.
    fn laughs(levels: usize) -> String {
        let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for level in 1..levels {
            let again = format!("*a{}, ", level - 1).repeat(6);
            text.push_str(
                &["a", &level.to_string(), ": &a", &level.to_string(), " [", &again, "]\n"].concat(),
            );
        }
        text
    }

    #[test]
    fn bombs_are_refused_with_a_line() {
        let quadratic = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(50_000));
        let merged = format!("a: &a {{b: 1}}\nc:\n{}", "  - {<<: *a, <<: *a, <<: *a}\n".repeat(100));
        assert!(read(merged.as_bytes()).is_ok(), "aliases that people write");
        let nested = ["[", "{\"a\":", "{a: ", "- ", "? ", "- - ? "].map(|part| part.repeat(50_000));
        for bomb in [laughs(8), laughs(10), laughs(2_000), quadratic].into_iter().chain(nested) {
            let refused = read(bomb.as_bytes()).expect_err(bomb.get(..20).unwrap());
            assert!(refused.line.is_some(), "{bomb:.20}: {}", refused.message);
        }
    }

    #[test]
    fn what_is_too_deep_is_refused_where_it_gets_too_deep() {
        let block: String = (0..400).map(|depth| " ".repeat(depth) + "a:\n").collect();
        let lists = "[\n".repeat(400);
        let objects = "{\"a\":\n".repeat(400);
        for (text, line) in [(block, 100..=140), (format!("a:\n{lists}"), 256..=259), (objects, 100..=140)] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert!(refused.line.is_some_and(|told| line.contains(&told)), "{text:.10} {refused:?}");
        }
        let deep = 100;
        for text in [
            format!("a: {}1{}", "[".repeat(deep), "]".repeat(deep)),
            (0..deep).map(|depth| " ".repeat(depth) + "a:\n").collect(),
        ] {
            assert!(read(text.as_bytes()).is_ok(), "{text:.10}");
        }
    }

    #[test]
    fn brackets_of_texts_are_none() {
        let interval = "    d: from [0 up to 1) {and on\n    p: '^[^['\n    q: \"\\\"[[[\" # [ [ [\n    b: |-\n      [ [ [\n\n      { {\n";
        let text: String = (0..200).map(|n| ["p", &n.to_string(), ":\n", interval].concat()).collect();
        let tree = read(text.as_bytes()).unwrap();
        assert_eq!(tree.value.pointer("/p199/q"), Some(&json!("\"[[[").into()));
        assert_eq!(tree.value.pointer("/p7/d"), Some(&json!("from [0 up to 1) {and on").into()));
        // Those behind all of them are counted still.
        for front in ["", "'it''s': ", "a: \"b\\\\\" \n", "? |\n  [\n: "] {
            let refused = read(format!("{text}{front}{}", "[".repeat(300)).as_bytes()).unwrap_err();
            assert!(refused.message.contains("brackets") && refused.line > Some(1_400), "{refused:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_by_its_size_alone() {
        for text in ["#".repeat(MAX_YAML_BYTES + 1), "[".repeat(MAX_FILE_BYTES + 1)] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert!(refused.message.contains(&text.len().to_string()), "{}", refused.message);
        }
    }
}
