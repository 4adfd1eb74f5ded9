//! SOAP 1.1 and 1.2, XML-RPC, and messages of ISO 20022: the element that names the operation, by namespace where the
//! standard has one.
//!
//! Tags are read in place, one after the other, with the namespaces that are declared on the way to the element looked
//! for; everything behind it is left alone.

use super::{Call, Content, Kind, Outcome, content_type};
use crate::secret::Sensitive;
use crate::transaction::Transaction;
use memchr::memmem;
use std::borrow::Cow;

/// The namespaces of the envelope: versions 1.1 and 1.2.
const ENVELOPES: [&[u8]; 2] =
    [b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"];
/// What begins the namespace of every message of ISO 20022.
const ISO_20022: &[u8] = b"urn:iso:std:iso:20022:tech:xsd:";
/// Bytes in which the first of its namespaces is looked for.
const MAX_FRONT: usize = 4_096;
/// Tags that are looked at to find an element; in front of a body stand the headers of an envelope.
const MAX_TAGS: usize = 16_384;
/// Namespaces that are declared on the way to an element.
const MAX_NAMESPACES: usize = 64;
/// The most elements on the way to an element.
const MAX_DEPTH: usize = 64;

/// The operation that an XML body asks for.
pub(super) fn calls<'a>(exchange: &'a Transaction, media: Option<&'a [u8]>, body: &'a [u8]) -> Vec<Call<'a>> {
    let Some(message) = message(body) else { return Vec::new() };
    let mut call = Call::new(message.kind);
    call.bytes = body.len();
    call.request = Some(Content::Body(Some(b"application/xml"), Sensitive::new(body)));
    match message.kind {
        Kind::Soap => {
            let action = action(exchange, media);
            // What is encrypted says nothing; the action does.
            let named = message.name.filter(|name| *name != b"EncryptedData");
            let Some(name) = named.or(action) else { return Vec::new() };
            call.name = Some(Sensitive::new(Cow::Borrowed(name)));
            call.fields = Sensitive::new(action.map(<[u8]>::to_vec).into_iter().collect());
        }
        Kind::XmlRpc | Kind::Iso20022 | Kind::Graphql | Kind::JsonRpc | Kind::Odata => {
            let Some(name) = message.name else { return Vec::new() };
            call.name = Some(Sensitive::new(Cow::Borrowed(name)));
            call.fields = Sensitive::new(message.element.map(<[u8]>::to_vec).into_iter().collect());
        }
    }
    let fields = &exchange.response.fields;
    let mut answer = exchange.response.body.bytes.expose().as_slice();
    if super::is_media(fields, b"multipart/") {
        let kind = content_type(fields).unwrap_or_default();
        answer = crate::payload::multipart::parts(kind, answer).next().map_or(answer, |(_, content)| content);
    }
    if answer.trim_ascii_start().starts_with(b"<") || answer.starts_with(b"\xef\xbb\xbf<") {
        call.outcome = outcome(answer);
        call.responses.push(Content::Body(Some(b"application/xml"), Sensitive::new(answer)));
    }
    vec![call]
}

/// The last part of the action: of `SOAPAction` (1.1), or of the content type's `action` (1.2).
fn action<'a>(exchange: &'a Transaction, media: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let told = exchange.request.fields.get("soapaction").map(|value| *value.expose());
    let told = told.filter(|action| !unquoted(action).is_empty());
    let action = unquoted(told.or_else(|| crate::payload::multipart::parameter(media?, b"action"))?);
    let last = action.rsplit(|byte| matches!(byte, b'/' | b'#' | b':')).find(|part| !part.is_empty())?;
    (last.len() <= super::MAX_NAME).then_some(last)
}

fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value).trim_ascii()
}

/// What names an operation in a request, or stands in its place in an answer.
struct Message<'a> {
    kind: Kind,
    /// Of SOAP the first element of the body, of XML-RPC the method, of ISO 20022 the message: `pain.001.001.09`.
    name: Option<&'a [u8]>,
    /// The element below the root.
    element: Option<&'a [u8]>,
    /// What stands behind the tag that told it.
    rest: &'a [u8],
}

fn message(body: &[u8]) -> Option<Message<'_>> {
    let mut tags = Tags::new(body);
    let root = tags.open()?;
    let space = tags.namespace(root.prefix());
    match root.local() {
        b"Envelope" if ENVELOPES.contains(&space) => {
            let mut found = None;
            // Children of the envelope have one open element around them.
            while let Some(tag) = tags.open() {
                if tags.depth() == 2
                    && tag.local() == b"Body"
                    && ENVELOPES.contains(&tags.namespace(tag.prefix()))
                {
                    found = Some(tag);
                    break;
                }
            }
            found?;
            let inner = tags.open().filter(|_| tags.depth() == 3);
            let name = inner.map(Tag::local);
            let iso = inner.and_then(|tag| iso_message(tags.namespace(tag.prefix())));
            Some(Message { kind: Kind::Soap, name: iso.or(name), element: name, rest: tags.rest })
        }
        b"methodCall" if space.is_empty() => {
            while let Some(tag) = tags.open() {
                if tags.depth() == 2 && tag.local() == b"methodName" {
                    let end = memchr::memchr(b'<', tags.rest)?;
                    let name = tags.rest.get(..end)?.trim_ascii();
                    let good = (1..=super::MAX_NAME).contains(&name.len());
                    return good.then_some(Message {
                        kind: Kind::XmlRpc,
                        name: Some(name),
                        element: None,
                        rest: tags.rest,
                    });
                }
            }
            None
        }
        _ => {
            let front = body.get(..body.len().min(MAX_FRONT)).unwrap_or_default();
            memmem::find(front, ISO_20022)?;
            // A message stands alone, or beside its header in a wrapper that each network has its own of.
            let mut tag = root;
            loop {
                let name = iso_message(tags.namespace(tag.prefix()));
                if tag.local() == b"Document" && name.is_some() {
                    let element = tags.open().map(Tag::local);
                    return Some(Message { kind: Kind::Iso20022, name, element, rest: tags.rest });
                }
                if tags.depth() > 4 {
                    return None;
                }
                tag = tags.open()?;
            }
        }
    }
}

/// `pain.001.001.09`, when the namespace is that of a message.
fn iso_message(space: &[u8]) -> Option<&[u8]> {
    let name = space.strip_prefix(ISO_20022)?;
    let lengths = [4, 3, 3, 2];
    let mut parts = name.split(|byte| *byte == b'.');
    let good = lengths.into_iter().enumerate().all(|(at, length)| {
        parts.next().is_some_and(|part| {
            part.len() == length
                && part.iter().all(if at == 0 { u8::is_ascii_lowercase } else { u8::is_ascii_digit })
        })
    });
    (good && parts.next().is_none()).then_some(name)
}

/// How an answer says that it is an error.
fn outcome(body: &[u8]) -> Outcome<'_> {
    let mut outcome = Outcome { answered: true, ..Outcome::default() };
    match message(body) {
        Some(message) if message.kind == Kind::Soap && message.name == Some(b"Fault") => {
            outcome.failed = true;
            // `faultcode` of 1.1 is a name with a prefix; `Code` of 1.2 holds it in `Value`.
            let code =
                element_text(message.rest, b"faultcode").or_else(|| element_text(message.rest, b"Value"));
            let local = code.map(|code| code.rsplit(|byte| *byte == b':').next().unwrap_or(code));
            outcome.refused = local.is_some_and(|code| NO_SUCH_CALL.contains(&code));
            outcome.code = local.map(|code| Sensitive::new(Cow::Borrowed(code)));
        }
        Some(message) if message.kind == Kind::Iso20022 => {
            let rejected = [&b"GrpSts"[..], b"PmtInfSts", b"TxSts"]
                .into_iter()
                .any(|name| element_text(message.rest, name) == Some(b"RJCT"));
            outcome.failed = rejected;
            outcome.code = rejected.then_some(Sensitive::new(Cow::Borrowed(&b"RJCT"[..])));
        }
        Some(_) => {}
        None => {
            let mut tags = Tags::new(body);
            let response = tags.open().is_some_and(|root| root.local() == b"methodResponse");
            outcome.failed = response && tags.open().is_some_and(|tag| tag.local() == b"fault");
        }
    }
    outcome
}

/// Fault codes that say that the server has no such operation.
const NO_SUCH_CALL: [&[u8]; 3] = [b"ActionNotSupported", b"ProcedureNotPresent", b"Client.ResourceNotFound"];

/// The text of the first element of this name.
fn element_text<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut tags = Tags::new(body);
    while let Some(tag) = tags.open() {
        if tag.local() == name {
            return tags.rest.get(..memchr::memchr(b'<', tags.rest)?).map(<[u8]>::trim_ascii);
        }
    }
    None
}

/// A start tag.
#[derive(Clone, Copy)]
struct Tag<'a> {
    name: &'a [u8],
}

impl<'a> Tag<'a> {
    fn local(self) -> &'a [u8] {
        self.name.rsplit(|byte| *byte == b':').next().unwrap_or(self.name)
    }

    fn prefix(self) -> &'a [u8] {
        memchr::memchr(b':', self.name).and_then(|at| self.name.get(..at)).unwrap_or_default()
    }
}

/// The start tags of a document, with the namespaces that are in force.
struct Tags<'a> {
    rest: &'a [u8],
    /// Open elements: whether the innermost of them closed itself, and how many namespaces were known outside of it.
    open: Vec<usize>,
    closes: bool,
    spaces: Vec<(&'a [u8], &'a [u8])>,
    left: usize,
}

impl<'a> Tags<'a> {
    const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, open: Vec::new(), closes: false, spaces: Vec::new(), left: MAX_TAGS }
    }

    /// How many elements are open, the last one told among them.
    const fn depth(&self) -> usize {
        self.open.len()
    }

    fn namespace(&self, prefix: &[u8]) -> &'a [u8] {
        self.spaces
            .iter()
            .rev()
            .find(|(known, _)| *known == prefix)
            .map(|(_, space)| *space)
            .unwrap_or_default()
    }

    fn close(&mut self) {
        if let Some(spaces) = self.open.pop() {
            self.spaces.truncate(spaces);
        }
    }

    /// The next start tag; `None` at the end, or where a bound is reached.
    fn open(&mut self) -> Option<Tag<'a>> {
        loop {
            self.left = self.left.checked_sub(1)?;
            if std::mem::take(&mut self.closes) {
                self.close();
            }
            let at = memchr::memchr(b'<', self.rest)?;
            let tag = self.rest.get(at + 1..)?;
            let behind = |end: &[u8]| memmem::find(tag, end).and_then(|at| tag.get(at + end.len()..));
            match tag.first()? {
                b'?' => self.rest = behind(b"?>")?,
                b'!' if tag.starts_with(b"!--") => self.rest = behind(b"-->")?,
                b'!' if tag.starts_with(b"![CDATA[") => self.rest = behind(b"]]>")?,
                b'!' => self.rest = behind(b">")?,
                b'/' => {
                    self.close();
                    self.rest = behind(b">")?;
                }
                _ => return self.start(tag),
            }
        }
    }

    fn start(&mut self, tag: &'a [u8]) -> Option<Tag<'a>> {
        if self.open.len() >= MAX_DEPTH {
            return None;
        }
        let name_end =
            tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
        let (name, mut rest) = tag.split_at(name_end);
        self.open.push(self.spaces.len());
        loop {
            rest = rest.trim_ascii_start();
            match rest.first()? {
                b'>' => {
                    self.rest = rest.get(1..)?;
                    break;
                }
                b'/' => {
                    rest = rest.get(1..)?;
                    self.closes = rest.first() == Some(&b'>');
                    continue;
                }
                _ => {}
            }
            let middle = rest.iter().position(|byte| matches!(byte, b'=' | b'>'))?;
            let (attribute, value) = rest.split_at(middle);
            let Some(value) = value.strip_prefix(b"=").map(<[u8]>::trim_ascii_start) else {
                rest = value;
                continue;
            };
            let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
            let end = memchr::memchr(*quote, value)?;
            let (value, behind) = value.split_at(end);
            rest = behind.get(1..)?;
            let attribute = attribute.trim_ascii();
            let prefix =
                if attribute == b"xmlns" { Some(&b""[..]) } else { attribute.strip_prefix(b"xmlns:") };
            if let Some(prefix) = prefix.filter(|_| self.spaces.len() < MAX_NAMESPACES) {
                self.spaces.push((prefix, value));
            }
        }
        (!name.is_empty()).then_some(Tag { name })
    }
}
