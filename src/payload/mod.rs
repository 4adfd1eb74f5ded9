//! Bodies as streams of keys and scalars, without a document in memory.
//!
//! One scanner per format (JSON, NDJSON, forms, multipart, XML, CSV, plain text, protobuf) walks the bytes
//! once, in order, and tells a [`Visitor`] what is nested in what. Values are slices of the body; whatever
//! escaping they carry is undone by [`Text::decode`] only when somebody wants to read them. A body that was
//! cut is walked as far as it goes, and every container that was entered is left. Depth is bounded, time is
//! linear in the bytes, and nothing panics: the bytes are a stranger's.

pub mod csv;
pub mod form;
pub mod json;
pub mod multipart;
pub mod protobuf;
pub mod text;
pub mod xml;

/// How a piece of text is written in the body it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Plain,
    /// With the escapes of a JSON string (RFC 8259 section 7).
    Json,
    /// With `%41` and `+` of a form or query.
    Form,
    /// With the references of XML: `&amp;`, `&#65;`.
    Xml,
    /// With doubled quotes, as in CSV (RFC 4180).
    Csv,
    /// As it is, and the name of an XML attribute.
    Attribute,
    /// As a number of protobuf.
    Protobuf(protobuf::Scalar),
}

/// A key or scalar: bytes of the body, and how they are written there.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    raw: &'a [u8],
    coding: Coding,
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes, {:?})", self.raw.len(), self.coding)
    }
}

impl<'a> Text<'a> {
    /// Text that is written as it is.
    #[must_use]
    pub const fn plain(raw: &'a [u8]) -> Self {
        Self { raw, coding: Coding::Plain }
    }

    /// Text that is written in `coding`.
    #[must_use]
    pub const fn coded(raw: &'a [u8], coding: Coding) -> Self {
        Self { raw, coding }
    }

    /// The bytes as they stand in the body.
    #[must_use]
    pub const fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// How they are written there.
    #[must_use]
    pub const fn coding(self) -> Coding {
        self.coding
    }

    /// Whether the bytes stand for themselves.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(self.coding, Coding::Plain)
    }

    /// Whether this is the name of an XML attribute.
    #[must_use]
    pub const fn is_attribute(self) -> bool {
        matches!(self.coding, Coding::Attribute)
    }

    /// Whether this is the number of a field whose name is not known.
    #[must_use]
    pub const fn is_number_of_field(self) -> bool {
        matches!(self.coding, Coding::Protobuf(protobuf::Scalar::Tag))
    }

    /// The text itself: the body's own bytes when nothing is escaped, else `scratch`, filled anew.
    pub fn decode<'s>(self, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        match self.coding {
            Coding::Plain | Coding::Attribute => return self.raw,
            Coding::Json => json::unescape(self.raw, scratch),
            Coding::Form => form::unescape(self.raw, scratch),
            Coding::Xml => xml::unescape(self.raw, scratch),
            Coding::Csv => csv::unescape(self.raw, scratch),
            Coding::Protobuf(scalar) => protobuf::write(self.raw, scalar, scratch),
        }
        scratch
    }
}

/// Who is told what a body holds. Calls nest: what was entered is left, also when the body was cut.
pub trait Visitor<'a> {
    /// An object begins.
    fn enter_object(&mut self);
    /// The innermost object ends.
    fn leave_object(&mut self);
    /// An array begins.
    fn enter_array(&mut self);
    /// The innermost array ends.
    fn leave_array(&mut self);
    /// The name of what comes next in the innermost object.
    fn key(&mut self, name: Text<'a>);
    /// Takes the name of what comes next when it is one that is expected here and `rest` begins with it in quotes, and
    /// gives their length. 0 when it is not, or is written otherwise: then it is read and told as any other.
    #[inline]
    fn expected(&mut self, _rest: &'a [u8]) -> usize {
        0
    }
    /// A value that holds no other.
    fn scalar(&mut self, kind: JsonType, text: Text<'a>);
    /// A value in running text, with the label that stood before it, if any. Labels are not properties.
    fn labelled(&mut self, label: Option<&'a [u8]>, text: Text<'a>);
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON value (RFC 8259).
    Json,
    /// JSON values one after the other: NDJSON, JSON text sequences, concatenated JSON.
    JsonLines,
    /// `a=1&b=2`.
    Form,
    /// Multipart, with its boundary in the content type.
    Multipart,
    /// XML, SOAP among it.
    Xml,
    /// Rows with a head line.
    Csv,
    /// Running text.
    Text,
    /// Protobuf's wire format.
    Protobuf,
    /// Nothing that is walked: pictures, archives, scripts, style sheets, HTML.
    Opaque,
}

/// How `body` is written: by its content type where that is plausible, else by its first bytes.
#[must_use]
pub fn detect(content_type: Option<&[u8]>, body: &[u8]) -> Format {
    let mut essence = [0_u8; 64];
    let essence = essence_of(content_type.unwrap_or_default(), &mut essence);
    let has = |needle: &[u8]| memchr::memmem::find(essence, needle).is_some();
    let told = if essence.is_empty() {
        None
    } else if essence == b"application/json" {
        Some(Format::Json)
    } else if has(b"ndjson")
        || has(b"jsonl")
        || has(b"json-seq")
        || has(b"x-json-stream")
        || has(b"stream+json")
    {
        Some(Format::JsonLines)
    } else if has(b"json") {
        Some(Format::Json)
    } else if essence == b"application/x-www-form-urlencoded" {
        Some(Format::Form)
    } else if essence.starts_with(b"multipart/") {
        Some(Format::Multipart)
    } else if has(b"html") || has(b"javascript") || has(b"/css") || has(b"svg") {
        Some(Format::Opaque)
    } else if has(b"xml") {
        Some(Format::Xml)
    } else if has(b"/csv") || has(b"comma-separated") {
        Some(Format::Csv)
    } else if has(b"protobuf") || has(b"grpc") || has(b"/proto") || has(b"connect+proto") {
        Some(Format::Protobuf)
    } else if [
        "image/",
        "audio/",
        "video/",
        "font/",
        "application/pdf",
        "application/zip",
        "application/gzip",
    ]
    .iter()
    .any(|prefix| essence.starts_with(prefix.as_bytes()))
    {
        Some(Format::Opaque)
    } else {
        None
    };
    let sniffed = sniff(body);
    match (told, sniffed) {
        (Some(Format::Json), Format::JsonLines) => Format::JsonLines,
        // A body that plainly is something else than its type says.
        (Some(Format::Form | Format::Csv | Format::Xml), Format::Json | Format::JsonLines)
        | (Some(Format::Json | Format::JsonLines | Format::Form), Format::Xml) => sniffed,
        (Some(Format::Json), Format::Form) => Format::Form,
        (Some(told), _) => told,
        (None, sniffed) => sniffed,
    }
}

/// The media type in lower case, without parameters.
fn essence_of<'b>(content_type: &[u8], buffer: &'b mut [u8; 64]) -> &'b [u8] {
    let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
    let raw = content_type.get(..end).unwrap_or_default().trim_ascii();
    let mut len = 0;
    for (slot, byte) in buffer.iter_mut().zip(raw) {
        *slot = byte.to_ascii_lowercase();
        len += 1;
    }
    buffer.get(..len).unwrap_or_default()
}

/// How a body without a usable content type is written.
fn sniff(body: &[u8]) -> Format {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let front = body.trim_ascii_start();
    let probe = front.get(..front.len().min(512)).unwrap_or_default();
    match front.first() {
        Some(b'{') => {
            let line = front.get(..memchr::memchr(b'\n', front).unwrap_or(front.len())).unwrap_or_default();
            let rest = front.get(line.len()..).unwrap_or_default().trim_ascii_start();
            if line.trim_ascii_end().ends_with(b"}") && rest.starts_with(b"{") {
                Format::JsonLines
            } else {
                Format::Json
            }
        }
        Some(b'[') => Format::Json,
        Some(b'<') => {
            let html = [&b"<!doctype html"[..], b"<html"]
                .iter()
                .any(|start| front.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)));
            if html { Format::Opaque } else { Format::Xml }
        }
        _ if probe.iter().any(|byte| *byte < 9 || (14..32).contains(byte)) => Format::Opaque,
        Some(_) => {
            let line = probe.get(..memchr::memchr(b'\n', probe).unwrap_or(probe.len())).unwrap_or_default();
            if line.contains(&b'=') && !line.iter().any(u8::is_ascii_whitespace) && !line.contains(&b'<') {
                Format::Form
            } else {
                Format::Text
            }
        }
        None => Format::Opaque,
    }
}

/// Walks `body` as `format`, no deeper than `depth`.
pub fn walk<'a>(
    format: Format,
    content_type: Option<&[u8]>,
    body: &'a [u8],
    depth: usize,
    visitor: &mut impl Visitor<'a>,
) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match format {
        Format::Json => json::walk(body, depth, visitor),
        Format::JsonLines => json::walk_lines(body, depth, visitor),
        Format::Form => form::walk(body, visitor),
        Format::Multipart => multipart::walk(content_type.unwrap_or_default(), body, visitor),
        Format::Xml => xml::walk(body, depth, visitor),
        Format::Csv => csv::walk(body, visitor),
        Format::Text => text::walk(body, visitor),
        Format::Protobuf => protobuf::walk(body, depth, visitor),
        Format::Opaque => {}
    }
}

/// A visitor that checks what every scanner promises: calls nest, and nothing is left that was not entered.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    open: Vec<bool>,
    scratch: Vec<u8>,
}

impl Balance {
    /// Asserts that whatever was entered was left.
    pub(crate) fn assert_closed(&self) {
        assert!(self.open.is_empty(), "a container was left open");
    }
}

impl<'a> Visitor<'a> for Balance {
    fn enter_object(&mut self) {
        self.open.push(true);
    }
    fn leave_object(&mut self) {
        assert_eq!(self.open.pop(), Some(true), "an object ends that did not begin");
    }
    fn enter_array(&mut self) {
        self.open.push(false);
    }
    fn leave_array(&mut self) {
        assert_eq!(self.open.pop(), Some(false), "an array ends that did not begin");
    }
    fn key(&mut self, name: Text<'a>) {
        assert_eq!(self.open.last(), Some(&true), "a key outside an object");
        name.decode(&mut self.scratch);
    }
    fn scalar(&mut self, _kind: JsonType, text: Text<'a>) {
        text.decode(&mut self.scratch);
    }
    fn labelled(&mut self, _label: Option<&'a [u8]>, text: Text<'a>) {
        text.decode(&mut self.scratch);
    }
}

/// The type of a JSON value, with integers apart from other numbers as OpenAPI has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction or exponent.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    String,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl JsonType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Object, Self::Array];

    /// The word JSON Schema uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

/// Walks `data` as every format and asserts that calls nest.
pub fn fuzz(data: &[u8]) {
    for format in [
        Format::Json,
        Format::JsonLines,
        Format::Form,
        Format::Multipart,
        Format::Xml,
        Format::Csv,
        Format::Text,
        Format::Protobuf,
        detect(None, data),
    ] {
        let mut balance = Balance::default();
        walk(format, Some(b"multipart/form-data; boundary=x"), data, 16, &mut balance);
        balance.assert_closed();
    }
}

/// What a body held, as `path=value` lines: for tests.
#[cfg(test)]
pub(crate) mod record {
    use super::{JsonType, Text, Visitor};

    #[derive(Default)]
    pub(crate) struct Record {
        pub(crate) lines: Vec<String>,
        /// Names that it takes as expected wherever they come.
        pub(crate) expected: Vec<String>,
        names: Vec<Option<String>>,
        pending: Option<String>,
    }

    impl Record {
        fn path(&self) -> String {
            let mut path = String::from("$");
            for name in self.names.iter().chain([&self.pending]) {
                match name {
                    Some(name) if name == "[*]" => path.push_str("[*]"),
                    Some(name) => {
                        path.push('.');
                        path.push_str(name);
                    }
                    None => {}
                }
            }
            path
        }
    }

    impl<'a> Visitor<'a> for Record {
        fn enter_object(&mut self) {
            let name = self.pending.take();
            self.names.push(name);
        }
        fn leave_object(&mut self) {
            self.pending = None;
            self.names.pop();
        }
        fn enter_array(&mut self) {
            let name = self.pending.take();
            self.names.push(name);
            self.names.push(Some("[*]".into()));
        }
        fn leave_array(&mut self) {
            self.pending = None;
            self.names.pop();
            self.names.pop();
        }
        fn key(&mut self, name: Text<'a>) {
            self.pending = Some(String::from_utf8_lossy(name.decode(&mut Vec::new())).into_owned());
        }
        fn expected(&mut self, rest: &'a [u8]) -> usize {
            let known = self.expected.iter().find(|name| rest.starts_with(format!("\"{name}\"").as_bytes()));
            let Some(name) = known.cloned() else { return 0 };
            let len = name.len() + 2;
            self.pending = Some(name);
            len
        }

        fn scalar(&mut self, kind: JsonType, text: Text<'a>) {
            let value = String::from_utf8_lossy(text.decode(&mut Vec::new())).into_owned();
            self.lines.push(format!("{}={}:{value}", self.path(), kind.name()));
            self.pending = None;
        }
        fn labelled(&mut self, label: Option<&'a [u8]>, text: Text<'a>) {
            let value = String::from_utf8_lossy(text.decode(&mut Vec::new())).into_owned();
            let label = label.map(|label| String::from_utf8_lossy(label).into_owned());
            self.lines.push(format!("{label:?}={value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_format_follows_the_type_unless_the_body_says_otherwise() {
        for (content_type, body, expected) in [
            ("application/json; charset=utf-8", "{}", Format::Json),
            ("application/vnd.api+json", "{}", Format::Json),
            ("application/json", "{\"a\":1}\n{\"a\":2}\n", Format::JsonLines),
            ("", "{\n \"a\": 1}", Format::Json),
            ("", "a=1&b=2", Format::Form),
            ("text/plain", "{\"a\":1}", Format::Json),
            ("text/plain", "card number: 1", Format::Text),
            ("application/x-www-form-urlencoded", "{\"a\":1}", Format::Json),
            ("", "<a/>", Format::Xml),
            ("text/html", "<html></html>", Format::Opaque),
            ("", "<!DOCTYPE html><html>", Format::Opaque),
            ("", "\u{0}\u{1}", Format::Opaque),
        ] {
            let given = (!content_type.is_empty()).then_some(content_type.as_bytes());
            assert_eq!(detect(given, body.as_bytes()), expected, "{content_type} {body}");
        }
    }

    proptest! {
        /// No scanner panics or loses its nesting, whatever it is fed.
        #[test]
        fn any_bytes_are_walked(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            fuzz(&data);
        }

        /// The same for bytes that look like the formats.
        #[test]
        fn any_punctuation_is_walked(data in "[\\[\\]{}\":,<>/=&;%\\\\\n\r ab1-]{0,400}") {
            fuzz(data.as_bytes());
        }
    }
}
