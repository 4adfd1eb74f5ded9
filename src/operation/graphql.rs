//! GraphQL documents (specification of October 2021, section 2): which operations they hold, of which type, with which
//! root fields, and which literals stand among their arguments.
//!
//! The text is lexed in place and parsed without recursion, no deeper than [`Bounds::depth`] and no further than
//! [`Bounds::tokens`]. A document that was cut gives what was read of it: an operation is known once its name is.

use super::OperationType;
use crate::payload::{Coding, JsonType, Text, Visitor};
use memchr::memmem;

/// How far a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Tokens of one document.
    pub tokens: usize,
    /// Nesting of selections, and of one value.
    pub depth: usize,
}

/// Root fields kept of one definition.
const MAX_FIELDS: usize = 64;
/// Definitions kept of one document.
const MAX_DEFINITIONS: usize = 64;

/// How reading a document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At its end.
    Whole,
    /// Inside: bytes are missing.
    Short,
    /// At a bound.
    Limit,
    /// At something that no executable document holds.
    Wrong,
}

/// What an operation or fragment selects at its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Selection<'a> {
    /// Fields by their true names, whatever alias they were given.
    fields: Vec<&'a [u8]>,
    /// Fragments by name.
    spreads: Vec<&'a [u8]>,
}

/// An operation of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Definition<'a> {
    kind: OperationType,
    name: Option<&'a [u8]>,
    root: Selection<'a>,
}

/// The operations and fragments of a document. The names are a stranger's.
#[derive(Clone, PartialEq, Eq)]
pub struct Document<'a> {
    operations: Vec<Definition<'a>>,
    fragments: Vec<(&'a [u8], Selection<'a>)>,
    end: End,
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({} operations, {:?})", self.operations.len(), self.end)
    }
}

/// One operation, with the fragments at its root resolved.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// Its type.
    pub kind: OperationType,
    /// Its name, when it has one.
    pub name: Option<&'a [u8]>,
    /// Its root fields by their true names, sorted, each once; `__typename` left out.
    pub fields: Vec<&'a [u8]>,
    /// Whether it asks for the schema.
    pub introspection: bool,
}

impl std::fmt::Debug for Chosen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chosen({:?}, {} fields)", self.kind, self.fields.len())
    }
}

impl<'a> Document<'a> {
    /// Reads `text`. `None` when it is no executable document; one that ends too early is none unless it was `cut`.
    #[must_use]
    pub fn read(text: &'a [u8], cut: bool, bounds: Bounds) -> Option<Self> {
        let mut document = Self { operations: Vec::new(), fragments: Vec::new(), end: End::Whole };
        let mut depth = 0_usize;
        let mut in_fragment = false;
        let end = parse(text, bounds, &mut |event| match event {
            Event::Operation(kind, name) => {
                in_fragment = false;
                if document.operations.len() < MAX_DEFINITIONS {
                    document.operations.push(Definition { kind, name, root: Selection::default() });
                }
            }
            Event::Fragment(name) => {
                in_fragment = true;
                if document.fragments.len() < MAX_DEFINITIONS {
                    document.fragments.push((name, Selection::default()));
                }
            }
            Event::Field(name) => {
                depth += 1;
                if depth == 1
                    && let Some(root) = document.innermost(in_fragment)
                    && root.fields.len() < MAX_FIELDS
                {
                    root.fields.push(name);
                }
            }
            Event::FieldEnd => depth -= 1,
            Event::Spread(name) => {
                if depth == 0
                    && let Some(root) = document.innermost(in_fragment)
                    && root.spreads.len() < MAX_FIELDS
                {
                    root.spreads.push(name);
                }
            }
            Event::Argument(_)
            | Event::Key(_)
            | Event::Scalar(..)
            | Event::Reference
            | Event::List
            | Event::ListEnd
            | Event::Object
            | Event::ObjectEnd => {}
        });
        document.end = end;
        let good = match end {
            End::Whole | End::Limit => true,
            End::Short => cut,
            End::Wrong => false,
        };
        (good && !document.operations.is_empty()).then_some(document)
    }

    fn innermost(&mut self, in_fragment: bool) -> Option<&mut Selection<'a>> {
        if in_fragment {
            self.fragments.last_mut().map(|(_, root)| root)
        } else {
            self.operations.last_mut().map(|operation| &mut operation.root)
        }
    }

    /// Whether a bound kept some of it from being read.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.end == End::Limit
    }

    /// The operation that `name` asks for; without a name, or when none is called so, the first.
    #[must_use]
    pub fn choose(&self, name: Option<&[u8]>) -> Chosen<'a> {
        let called = self.operations.iter().find(|one| name.is_some() && one.name == name);
        let Some(operation) = called.or_else(|| self.operations.first()) else { return Chosen::default() };
        let mut fields: Vec<&'a [u8]> = operation.root.fields.clone();
        let mut waiting: Vec<&'a [u8]> = operation.root.spreads.clone();
        let mut seen: Vec<&'a [u8]> = Vec::new();
        while let Some(spread) = waiting.pop() {
            if seen.contains(&spread) || seen.len() >= MAX_DEFINITIONS {
                continue;
            }
            seen.push(spread);
            if let Some((_, root)) = self.fragments.iter().find(|(name, _)| *name == spread) {
                fields.extend(&root.fields);
                waiting.extend(&root.spreads);
            }
        }
        fields.sort_unstable();
        fields.dedup();
        let introspection = fields.iter().any(|field| matches!(*field, b"__schema" | b"__type"));
        fields.retain(|field| *field != b"__typename");
        fields.truncate(MAX_FIELDS);
        Chosen { kind: operation.kind, name: operation.name, fields, introspection }
    }
}

/// Tells `visitor` the literals among the arguments of `text` as one object: fields by their true names, in them their
/// arguments. What a variable stands for is no literal; the default of a variable is.
pub fn walk_literals<'a>(text: &'a [u8], bounds: Bounds, visitor: &mut impl Visitor<'a>) {
    visitor.enter_object();
    let mut fields: Vec<&'a [u8]> = Vec::new();
    let mut entered = 0_usize;
    let mut name: Option<&'a [u8]> = None;
    let mut open: Vec<bool> = Vec::new();
    parse(text, bounds, &mut |event| {
        let begins = matches!(event, Event::Scalar(..) | Event::List | Event::Object);
        if begins && open.is_empty() {
            for field in fields.iter().skip(entered) {
                visitor.key(Text::plain(field));
                visitor.enter_object();
            }
            entered = fields.len();
        }
        if begins && let Some(name) = name.take() {
            visitor.key(Text::plain(name));
        }
        match event {
            Event::Operation(..) | Event::Fragment(_) | Event::Spread(_) => {}
            Event::Field(field) => fields.push(field),
            Event::FieldEnd => {
                fields.pop();
                if entered > fields.len() {
                    entered = fields.len();
                    visitor.leave_object();
                }
            }
            Event::Argument(argument) | Event::Key(argument) => name = Some(argument),
            Event::Reference => name = None,
            Event::Scalar(kind, text) => visitor.scalar(kind, text),
            Event::List => {
                open.push(false);
                visitor.enter_array();
            }
            Event::Object => {
                open.push(true);
                visitor.enter_object();
            }
            Event::ListEnd | Event::ObjectEnd => match open.pop() {
                Some(true) => visitor.leave_object(),
                Some(false) => visitor.leave_array(),
                None => {}
            },
        }
    });
    // A document that was cut leaves some of them open.
    while let Some(object) = open.pop() {
        if object {
            visitor.leave_object();
        } else {
            visitor.leave_array();
        }
    }
    for _ in 0..=entered {
        visitor.leave_object();
    }
}

/// What a document holds, in its order.
#[derive(Clone, Copy)]
enum Event<'a> {
    Operation(OperationType, Option<&'a [u8]>),
    Fragment(&'a [u8]),
    /// A field by its true name; what follows up to [`Event::FieldEnd`] is within.
    Field(&'a [u8]),
    FieldEnd,
    Spread(&'a [u8]),
    /// An argument, or a variable with a default; a value or a reference follows.
    Argument(&'a [u8]),
    Key(&'a [u8]),
    Scalar(JsonType, Text<'a>),
    Reference,
    List,
    ListEnd,
    Object,
    ObjectEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Sign(u8),
    Spread,
    Name(&'a [u8]),
    Number(JsonType, &'a [u8]),
    /// What stands between its quotes, with escapes.
    String(&'a [u8]),
    Block(&'a [u8]),
}

fn parse<'a>(text: &'a [u8], bounds: Bounds, on: &mut impl FnMut(Event<'a>)) -> End {
    let lexer = Lexer { bytes: text, tokens: bounds.tokens, ahead: None };
    let mut parser = Parser { lexer, depth: bounds.depth.clamp(1, 64), on, muted: false };
    match parser.document() {
        Ok(()) => End::Whole,
        Err(end) => end,
    }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    /// How many tokens may still be read.
    tokens: usize,
    ahead: Option<Token<'a>>,
}

impl<'a> Lexer<'a> {
    /// The next token; `None` at the end of the text.
    fn next(&mut self) -> Result<Option<Token<'a>>, End> {
        if let Some(token) = self.ahead.take() {
            return Ok(Some(token));
        }
        self.skip_ignored();
        let Some(first) = self.bytes.first().copied() else { return Ok(None) };
        self.tokens = self.tokens.checked_sub(1).ok_or(End::Limit)?;
        let token = match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.take(1);
                Token::Sign(first)
            }
            b'.' => {
                if self.bytes.starts_with(b"...") {
                    self.take(3);
                    Token::Spread
                } else if b"...".starts_with(self.bytes) {
                    return Err(End::Short);
                } else {
                    return Err(End::Wrong);
                }
            }
            b'"' => self.string()?,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let len = self.length(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                // At the very end more of it may be missing; nothing that is whole ends with a name.
                if len == self.bytes.len() {
                    return Err(End::Short);
                }
                Token::Name(self.take(len))
            }
            b'-' | b'0'..=b'9' => {
                let len = self.length(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
                let raw = self.take(len);
                let whole = !raw.iter().any(|byte| b".eE".contains(byte));
                Token::Number(if whole { JsonType::Integer } else { JsonType::Number }, raw)
            }
            _ => return Err(End::Wrong),
        };
        Ok(Some(token))
    }

    fn skip_ignored(&mut self) {
        loop {
            let len = self.length(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
            self.take(len);
            if self.bytes.starts_with(b"#") {
                let end = memchr::memchr2(b'\n', b'\r', self.bytes).unwrap_or(self.bytes.len());
                self.take(end);
            } else if self.bytes.starts_with(b"\xef\xbb\xbf") {
                self.take(3);
            } else {
                return;
            }
        }
    }

    fn length(&self, is_part: impl Fn(u8) -> bool) -> usize {
        self.bytes.iter().position(|byte| !is_part(*byte)).unwrap_or(self.bytes.len())
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.bytes.split_at_checked(len).unwrap_or((self.bytes, &[]));
        self.bytes = rest;
        front
    }

    fn string(&mut self) -> Result<Token<'a>, End> {
        if let Some(inner) = self.bytes.strip_prefix(b"\"\"\"") {
            let mut from = 0;
            let end = loop {
                let rest = inner.get(from..).unwrap_or_default();
                let found = from + memmem::find(rest, b"\"\"\"").ok_or(End::Short)?;
                let escaped = found.checked_sub(1).and_then(|at| inner.get(at)) == Some(&b'\\');
                if !escaped {
                    break found;
                }
                from = found + 3;
            };
            self.take(3);
            let text = self.take(end);
            self.take(3);
            return Ok(Token::Block(text));
        }
        let mut at = 1;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            at += memchr::memchr3(b'"', b'\\', b'\n', rest).ok_or(End::Short)?;
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) | None => return Err(End::Wrong),
            }
        }
        let text = self.take(at).get(1..).unwrap_or_default();
        self.take(1);
        Ok(Token::String(text))
    }
}

/// What was opened by a brace among selections.
#[derive(Clone, Copy)]
enum Open {
    Definition,
    Field,
    Inline,
}

struct Parser<'a, 'f, F: FnMut(Event<'a>)> {
    lexer: Lexer<'a>,
    depth: usize,
    on: &'f mut F,
    /// Whether values are not told: those of directives.
    muted: bool,
}

impl<'a, F: FnMut(Event<'a>)> Parser<'a, '_, F> {
    fn tell(&mut self, event: Event<'a>) {
        if !self.muted {
            (self.on)(event);
        }
    }

    fn need(&mut self) -> Result<Token<'a>, End> {
        self.lexer.next()?.ok_or(End::Short)
    }

    const fn back(&mut self, token: Token<'a>) {
        self.lexer.ahead = Some(token);
    }

    /// Whether the next token is `sign`, which then is taken.
    fn takes(&mut self, sign: u8) -> Result<bool, End> {
        let token = self.need()?;
        let found = token == Token::Sign(sign);
        if !found {
            self.back(token);
        }
        Ok(found)
    }

    fn sign(&mut self, sign: u8) -> Result<(), End> {
        if self.takes(sign)? { Ok(()) } else { Err(End::Wrong) }
    }

    fn name(&mut self) -> Result<&'a [u8], End> {
        match self.need()? {
            Token::Name(name) => Ok(name),
            Token::Sign(_) | Token::Spread | Token::Number(..) | Token::String(_) | Token::Block(_) => {
                Err(End::Wrong)
            }
        }
    }

    fn document(&mut self) -> Result<(), End> {
        while let Some(token) = self.lexer.next()? {
            match token {
                Token::Sign(b'{') => self.tell(Event::Operation(OperationType::Query, None)),
                Token::Name(b"fragment") => {
                    let name = self.name()?;
                    if self.name()? != b"on" {
                        return Err(End::Wrong);
                    }
                    self.name()?;
                    self.tell(Event::Fragment(name));
                    self.directives()?;
                    self.sign(b'{')?;
                }
                Token::Name(word) => {
                    let kind = OperationType::of(word).ok_or(End::Wrong)?;
                    let name = match self.need()? {
                        Token::Name(name) => Some(name),
                        token @ Token::Sign(b'(' | b'@' | b'{') => {
                            self.back(token);
                            None
                        }
                        Token::Sign(_)
                        | Token::Spread
                        | Token::Number(..)
                        | Token::String(_)
                        | Token::Block(_) => return Err(End::Wrong),
                    };
                    self.tell(Event::Operation(kind, name));
                    if self.takes(b'(')? {
                        self.variables()?;
                    }
                    self.directives()?;
                    self.sign(b'{')?;
                }
                // A description.
                Token::String(_) | Token::Block(_) => continue,
                Token::Sign(_) | Token::Spread | Token::Number(..) => return Err(End::Wrong),
            }
            self.selections()?;
        }
        Ok(())
    }

    /// The variables of an operation, behind their opening bracket.
    fn variables(&mut self) -> Result<(), End> {
        while !self.takes(b')')? {
            self.sign(b'$')?;
            let name = self.name()?;
            self.sign(b':')?;
            loop {
                match self.need()? {
                    Token::Name(_) | Token::Sign(b'[' | b']' | b'!') => {}
                    Token::Sign(b'=') => {
                        self.tell(Event::Argument(name));
                        self.value()?;
                    }
                    token @ Token::Sign(b'@') => {
                        self.back(token);
                        self.directives()?;
                    }
                    token @ Token::Sign(b'$' | b')') => {
                        self.back(token);
                        break;
                    }
                    Token::Sign(_)
                    | Token::Spread
                    | Token::Number(..)
                    | Token::String(_)
                    | Token::Block(_) => {
                        return Err(End::Wrong);
                    }
                }
            }
        }
        Ok(())
    }

    fn directives(&mut self) -> Result<(), End> {
        while self.takes(b'@')? {
            self.name()?;
            if self.takes(b'(')? {
                self.muted = true;
                let read = self.arguments();
                self.muted = false;
                read?;
            }
        }
        Ok(())
    }

    /// Arguments behind their opening bracket.
    fn arguments(&mut self) -> Result<(), End> {
        while !self.takes(b')')? {
            let name = self.name()?;
            self.sign(b':')?;
            self.tell(Event::Argument(name));
            self.value()?;
        }
        Ok(())
    }

    /// One value with all it holds.
    fn value(&mut self) -> Result<(), End> {
        // 1 for an object, the innermost lowest.
        let mut objects = 0_u64;
        let mut open = 0_usize;
        let mut expect_key = false;
        loop {
            let in_object = open > 0 && objects & 1 == 1;
            match self.need()? {
                Token::Name(key) if expect_key => {
                    self.sign(b':')?;
                    self.tell(Event::Key(key));
                    expect_key = false;
                    continue;
                }
                Token::Sign(b'}') if expect_key => {
                    self.tell(Event::ObjectEnd);
                    (open, objects) = (open - 1, objects >> 1);
                }
                Token::Sign(b']') if open > 0 && !in_object => {
                    self.tell(Event::ListEnd);
                    (open, objects) = (open - 1, objects >> 1);
                }
                _ if expect_key => return Err(End::Wrong),
                Token::Sign(sign @ (b'[' | b'{')) => {
                    if open >= self.depth {
                        return Err(End::Limit);
                    }
                    let object = sign == b'{';
                    self.tell(if object { Event::Object } else { Event::List });
                    (open, objects) = (open + 1, objects << 1 | u64::from(object));
                    expect_key = object;
                    continue;
                }
                Token::Sign(b'$') => {
                    self.name()?;
                    self.tell(Event::Reference);
                }
                Token::Name(word) => {
                    let kind = match word {
                        b"true" | b"false" => JsonType::Boolean,
                        b"null" => JsonType::Null,
                        _ => JsonType::String,
                    };
                    self.tell(Event::Scalar(kind, Text::plain(word)));
                }
                Token::Number(kind, raw) => self.tell(Event::Scalar(kind, Text::plain(raw))),
                Token::String(raw) => {
                    let escaped = memchr::memchr(b'\\', raw).is_some();
                    let coding = if escaped { Coding::Json } else { Coding::Plain };
                    self.tell(Event::Scalar(JsonType::String, Text::coded(raw, coding)));
                }
                Token::Block(raw) => self.tell(Event::Scalar(JsonType::String, Text::plain(raw))),
                Token::Sign(_) | Token::Spread => return Err(End::Wrong),
            }
            if open == 0 {
                return Ok(());
            }
            expect_key = objects & 1 == 1;
        }
    }

    /// Selections behind their opening brace.
    fn selections(&mut self) -> Result<(), End> {
        let mut open = vec![Open::Definition];
        // At least one selection stands in each pair of braces.
        let mut empty = true;
        while let Some(innermost) = open.last().copied() {
            match self.need()? {
                Token::Sign(b'}') if !empty => {
                    open.pop();
                    match innermost {
                        Open::Field => self.tell(Event::FieldEnd),
                        Open::Definition | Open::Inline => {}
                    }
                }
                Token::Spread => {
                    match self.need()? {
                        Token::Name(b"on") => {
                            self.name()?;
                        }
                        Token::Name(name) => {
                            self.tell(Event::Spread(name));
                            self.directives()?;
                            empty = false;
                            continue;
                        }
                        token @ Token::Sign(b'@' | b'{') => self.back(token),
                        Token::Sign(_)
                        | Token::Spread
                        | Token::Number(..)
                        | Token::String(_)
                        | Token::Block(_) => return Err(End::Wrong),
                    }
                    self.directives()?;
                    self.sign(b'{')?;
                    open.push(Open::Inline);
                    empty = true;
                    if open.len() > self.depth {
                        return Err(End::Limit);
                    }
                    continue;
                }
                Token::Name(name) => {
                    let name = if self.takes(b':')? { self.name()? } else { name };
                    self.tell(Event::Field(name));
                    if self.takes(b'(')? {
                        self.arguments()?;
                    }
                    self.directives()?;
                    if self.takes(b'{')? {
                        open.push(Open::Field);
                        empty = true;
                        if open.len() > self.depth {
                            return Err(End::Limit);
                        }
                        continue;
                    }
                    self.tell(Event::FieldEnd);
                }
                Token::Sign(_) | Token::Number(..) | Token::String(_) | Token::Block(_) => {
                    return Err(End::Wrong);
                }
            }
            empty = false;
        }
        Ok(())
    }
}

/// Reads `data` as a document and asserts that what is told nests, and that a shorter text tells no other operation.
pub fn fuzz(data: &[u8]) {
    let bounds = Bounds { tokens: 512, depth: 16 };
    let whole = Document::read(data, true, bounds).map(|document| document.choose(None));
    if let Some(whole) = &whole {
        for cut in 0..data.len() {
            let front = data.get(..cut).unwrap_or_default();
            let Some(part) = Document::read(front, true, bounds).map(|document| document.choose(None)) else {
                continue;
            };
            assert_eq!((part.kind, part.name), (whole.kind, whole.name), "a cut document names another");
        }
    }
    let mut balance = crate::payload::Balance::default();
    walk_literals(data, bounds, &mut balance);
    balance.assert_closed();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::record::Record;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    const BOUNDS: Bounds = Bounds { tokens: 4_096, depth: 32 };

    fn told(text: &str, name: Option<&str>, cut: bool) -> Option<String> {
        let document = Document::read(text.as_bytes(), cut, BOUNDS)?;
        let chosen = document.choose(name.map(str::as_bytes));
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Vec<String> = chosen.fields.iter().map(|field| word(field)).collect();
        let name = chosen.name.map_or_else(|| "-".to_owned(), word);
        let introspection = if chosen.introspection { " introspection" } else { "" };
        Some(format!("{} {name} {}{introspection}", chosen.kind.name(), fields.join(",")))
    }

    #[test]
    fn an_operation_has_a_type_a_name_and_root_fields() {
        for (text, expected) in [
            ("{ me { name } }", "query - me"),
            ("query GetAccount($id: ID!) { account(id: $id) { iban } }", "query GetAccount account"),
            ("mutation { pay(amount: 1.5) { id } log }", "mutation - log,pay"),
            ("subscription Prices @live(rate: 2) { ticker }", "subscription Prices ticker"),
            ("query Q { a: account b: account(n: 2) { x: y } }", "query Q account"),
            (
                "{ ...Root ... on Query { me } ... @include(if: true) { bank } } fragment Root on Query { all ...Root }",
                "query - all,bank,me",
            ),
            ("# why\n\u{feff}query,Q{__typename,__schema{types{name}}}", "query Q __schema introspection"),
            ("{ __type(name: \"A\") { name } }", "query - __type introspection"),
            ("query A { a } query B { b }", "query A a"),
            ("\"\"\"What \\\"\"\" it does\"\"\" query D { a }", "query D a"),
            ("query V($a: [Int!]! = [1, 2], $b: In = {k: {l: $x}} @d(z: 1)) { f(a: $a) }", "query V f"),
        ] {
            assert_eq!(told(text, None, false).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(told("query A { a } mutation B { b }", Some("B"), false).as_deref(), Some("mutation B b"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in [
            "",
            "query",
            "query optimisation",
            "query { }",
            "{ \"a\": 1 }",
            "{}",
            "type Query { a: Int }",
            "fragment F on Q { a }",
            "{ a",
            "query Q",
            "mutation (",
            "{ a(b: ) }",
            "{ a(b: {1: 2}) }",
            "select * from t",
            "{ a } trailing words",
            "{ a ] }",
        ] {
            assert_eq!(told(text, None, false), None, "{text}");
        }
    }

    #[test]
    fn a_cut_document_gives_what_was_read() {
        let text = "mutation Pay($to: String!) { transfer(to: $to) { id } other }";
        for (length, expected) in [
            (6, None),
            (12, None),
            (13, Some("mutation Pay ")),
            (30, Some("mutation Pay ")),
            (40, Some("mutation Pay transfer")),
            (text.len(), Some("mutation Pay other,transfer")),
        ] {
            assert_eq!(told(&text[..length], None, true).as_deref(), expected, "{length} bytes");
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_gives_what_was_read() {
        let deep = format!("query Deep {{ {} }}", "a { ".repeat(100));
        let document = Document::read(deep.as_bytes(), false, BOUNDS).unwrap();
        assert!(document.is_limited());
        assert_eq!(document.choose(None).name, Some(&b"Deep"[..]));
        let long = format!("query Long {{ {} }}", "a ".repeat(10_000));
        assert!(Document::read(long.as_bytes(), false, BOUNDS).unwrap().is_limited());
        let nested = format!("{{ a(b: {}) }}", "[".repeat(100));
        assert!(Document::read(nested.as_bytes(), false, BOUNDS).unwrap().is_limited());
    }

    #[test]
    fn literals_stand_at_their_arguments() {
        let text = r#"query Q($c: String = "EUR") { mine: account(iban: "DE\u0038", kind: SAVINGS, at: $at) {
            list(filter: {from: "x", ids: [1, $v, 2.5], on: true, none: null, in: {d: $d}}) @skip(if: false) { a } b(x: """y""") }
            other { c } }"#;
        let mut record = Record::default();
        walk_literals(text.as_bytes(), BOUNDS, &mut record);
        assert_eq!(
            record.lines,
            [
                "$.c=string:EUR",
                "$.account.iban=string:DE8",
                "$.account.kind=string:SAVINGS",
                "$.account.list.filter.from=string:x",
                "$.account.list.filter.ids[*]=integer:1",
                "$.account.list.filter.ids[*]=number:2.5",
                "$.account.list.filter.on=boolean:true",
                "$.account.list.filter.none=null:null",
                "$.account.b.x=string:y",
            ]
        );
    }

    proptest! {
        /// Any bytes are survived.
        #[test]
        fn any_bytes_are_read(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&data);
        }

        /// So is what looks like a document.
        #[test]
        fn any_tokens_are_read(tokens in proptest::collection::vec(
            proptest::sample::select(vec!["{", "}", "(", ")", ":", "$", "@", "[", "]", "...", "=", "!", "a", "on", "query ", "Q ",
                "fragment ", "\"x\"", "\"", "\"\"\"", "1", "-2.5", "#", "\n", "true ", "mutation ", ","]), 0..60)) {
            fuzz(tokens.concat().as_bytes());
        }

        /// A document that is made of parts gives those parts.
        #[test]
        fn what_was_written_is_read(
            kind in proptest::sample::select(vec!["query", "mutation", "subscription"]),
            name in "[A-Z][A-Za-z0-9_]{0,12}",
            fields in proptest::collection::btree_set("[a-z][A-Za-z0-9]{0,8}", 1..6),
            alias in any::<bool>(),
            fragment in any::<bool>(),
        ) {
            let (mut inside, mut behind) = (String::new(), String::new());
            for (at, field) in fields.iter().enumerate() {
                let alias = if alias { format!("x{at}: ") } else { String::new() };
                let text = format!("{alias}{field}(n: {at}, s: \"}}\") {{ deeper {{ still }} }} ");
                if fragment && at % 2 == 0 {
                    _ = write!(inside, "...F{at} ");
                    _ = write!(behind, "fragment F{at} on T {{ {text} }} ");
                } else {
                    inside.push_str(&text);
                }
            }
            let text = format!("{kind} {name} {{ {inside} }} {behind}");
            let names: Vec<&str> = fields.iter().map(String::as_str).collect();
            prop_assert_eq!(told(&text, None, false), Some(format!("{kind} {name} {}", names.join(","))));
        }
    }
}
