//! XML with items: the `<item>` elements of a document as its bytes pass by, one held at a time, and the children of one.
//!
//! No entity but the five of XML itself and characters by number is expanded; what a document type defines is passed over.

use super::super::BadReason;
use std::borrow::Cow;

/// The longest item that is held.
const MAX_ITEM: usize = 32 << 20;

/// Bytes of a tag's name that matter.
const MAX_NAME: usize = 32;

/// Finds the items of a document. See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Items {
    state: State,
    /// What stands behind a `<`, as far as it tells what it is.
    markup: Vec<u8>,
    /// The two bytes before.
    before: [u8; 2],
    /// An item is open, and `item` holds its content so far.
    inside: bool,
    item: Vec<u8>,
    /// Where in `item` the markup begins.
    markup_at: usize,
    too_long: bool,
    /// Lists of items that were opened and closed.
    lists: [u32; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind a `<`, before it is clear of what.
    Open,
    /// In a tag; in a quoted value when there is a quote.
    Tag(Option<u8>),
    Comment,
    Cdata,
    Instruction,
    /// In a document type, this deep in brackets.
    Doctype(u32),
}

/// Takes the content of an item.
type EachItem<'e> = dyn FnMut(Result<&[u8], BadReason>) + 'e;

impl Items {
    /// Hands out the content of every item that ends in `bytes`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut EachItem<'_>) {
        while !bytes.is_empty() {
            // Runs of text and data are long; all of them end with one of two bytes.
            let run = match self.state {
                State::Text => memchr::memchr(b'<', bytes).unwrap_or(bytes.len()),
                State::Cdata | State::Comment => memchr::memchr(b'>', bytes).unwrap_or(bytes.len()),
                State::Open | State::Tag(_) | State::Instruction | State::Doctype(_) => 0,
            };
            if let (true, Some((run, rest))) = (run > 0, bytes.split_at_checked(run)) {
                self.keep(run);
                self.before = match *run {
                    [.., a, b] => [a, b],
                    [b] => [self.before[1], b],
                    [] => self.before,
                };
                bytes = rest;
                continue;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if self.state == State::Text {
                self.markup_at = self.item.len();
            }
            self.keep(&[byte]);
            self.step(byte, each);
            self.before = [self.before[1], byte];
        }
    }

    fn step(&mut self, byte: u8, each: &mut EachItem<'_>) {
        self.state = match (self.state, byte) {
            (State::Text, _) => {
                self.markup.clear();
                State::Open
            }
            (State::Open, _) => {
                self.markup.push(byte);
                self.opened(byte, each)
            }
            (State::Tag(None), b'>') => {
                self.tag(each);
                State::Text
            }
            (State::Tag(None), b'"' | b'\'') => State::Tag(Some(byte)),
            (State::Tag(None), _) => {
                if self.markup.len() < MAX_NAME {
                    self.markup.push(byte);
                }
                State::Tag(None)
            }
            (State::Tag(Some(quote)), _) => State::Tag(Some(quote).filter(|quote| *quote != byte)),
            (State::Comment, b'>') if self.before == *b"--" => State::Text,
            (State::Cdata, b'>') if self.before == *b"]]" => State::Text,
            (State::Instruction, b'>') if self.before[1] == b'?' => State::Text,
            (State::Doctype(0), b'>') => State::Text,
            (State::Doctype(depth), b'[') => State::Doctype(depth.saturating_add(1)),
            (State::Doctype(depth), b']') => State::Doctype(depth.saturating_sub(1)),
            (state @ (State::Comment | State::Cdata | State::Instruction | State::Doctype(_)), _) => state,
        };
    }

    /// What it is that `markup` begins.
    fn opened(&mut self, byte: u8, each: &mut EachItem<'_>) -> State {
        let kinds = [
            (&b"!--"[..], State::Comment),
            (b"![CDATA[", State::Cdata),
            (b"!DOCTYPE", State::Doctype(0)),
            (b"?", State::Instruction),
        ];
        for (word, state) in kinds {
            if self.markup == word {
                self.before = [0; 2];
                return state;
            }
            if word.starts_with(&self.markup) {
                return State::Open;
            }
        }
        if byte == b'>' {
            self.tag(each);
            return State::Text;
        }
        State::Tag(None)
    }

    /// A tag is over; `markup` holds its name and more.
    fn tag(&mut self, each: &mut EachItem<'_>) {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
        match self.markup.split(is_end).next().unwrap_or_default() {
            b"items" => self.lists[0] = self.lists[0].saturating_add(1),
            b"/items" => self.lists[1] = self.lists[1].saturating_add(1),
            b"item" if !self.inside => {
                self.inside = true;
                self.item.clear();
            }
            b"/item" if self.inside => {
                self.inside = false;
                each(if std::mem::take(&mut self.too_long) {
                    Err(BadReason::TooLong { limit: MAX_ITEM })
                } else {
                    Ok(self.item.get(..self.markup_at).unwrap_or_default())
                });
                self.item.clear();
                self.item.shrink_to(4 << 20);
            }
            _ => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.inside {
            return;
        }
        if self.too_long || self.item.len() + bytes.len() > MAX_ITEM {
            self.too_long = true;
        } else {
            self.item.extend_from_slice(bytes);
        }
    }

    /// What the end of the input says is wrong.
    pub(super) const fn finish(&self) -> Option<BadReason> {
        let [opened, closed] = self.lists;
        if opened == 0 {
            Some(BadReason::NoEntries)
        } else if self.inside || closed < opened {
            Some(BadReason::Cut)
        } else {
            None
        }
    }
}

/// An element within an item.
#[derive(Debug)]
pub(super) struct Child<'a> {
    pub(super) name: &'a [u8],
    attributes: &'a [u8],
    /// Its text.
    pub(super) text: Cow<'a, [u8]>,
}

impl<'a> Child<'a> {
    /// The value of an attribute, as it is written.
    pub(super) fn attribute(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let equals = memchr::memchr(b'=', rest)?;
            let (found, behind) = rest.split_at_checked(equals)?;
            let behind = behind.get(1..)?.trim_ascii_start();
            let (quote, behind) = behind.split_first()?;
            let end = memchr::memchr(*quote, behind)?;
            let (value, behind) = behind.split_at_checked(end)?;
            if found.trim_ascii() == name {
                return Some(value);
            }
            rest = behind.get(1..)?;
        }
    }
}

/// Hands each child of an item to `each`; `Err` with the place where it is no XML of this kind.
pub(super) fn children<'a>(item: &'a [u8], each: &mut dyn FnMut(&Child<'a>)) -> Result<(), BadReason> {
    let mut rest = item;
    while let Some(at) = memchr::memchr(b'<', rest) {
        let markup = rest.get(at..).unwrap_or_default();
        let broken = BadReason::Xml { offset: item.len() - markup.len() };
        if let Some(comment) = markup.strip_prefix(b"<!--") {
            rest = behind(comment, b"-->").ok_or(broken)?.1;
            continue;
        }
        let (child, behind) = child(markup).ok_or(broken)?;
        each(&child);
        rest = behind;
    }
    Ok(())
}

/// Reads `<name attributes>text</name>`.
fn child(markup: &[u8]) -> Option<(Child<'_>, &[u8])> {
    let tag = markup.get(1..)?;
    let mut quote = None;
    let end = tag.iter().position(|&byte| {
        match quote {
            Some(open) if open == byte => quote = None,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            Some(_) | None => {}
        }
        quote.is_none() && byte == b'>'
    })?;
    let (inner, mut rest) = (tag.get(..end)?, tag.get(end + 1..)?);
    let (inner, empty) = inner.strip_suffix(b"/").map_or((inner, false), |inner| (inner, true));
    let name_end = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at_checked(name_end)?;
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte)) {
        return None;
    }
    let mut child = Child { name, attributes, text: Cow::Borrowed(b"") };
    if empty {
        return Some((child, rest));
    }
    loop {
        let (text, markup) = rest.split_at_checked(memchr::memchr(b'<', rest)?)?;
        // Blanks around a section of data are layout.
        if !text.trim_ascii().is_empty() {
            append(&mut child.text, unescaped(text));
        }
        if let Some(data) = markup.strip_prefix(b"<![CDATA[") {
            let (data, behind) = behind(data, b"]]>")?;
            append(&mut child.text, Cow::Borrowed(data));
            rest = behind;
        } else if let Some(comment) = markup.strip_prefix(b"<!--") {
            rest = behind(comment, b"-->")?.1;
        } else {
            let end = markup.strip_prefix(b"</")?.strip_prefix(name)?.trim_ascii_start();
            return Some((child, end.strip_prefix(b">")?));
        }
    }
}

fn append<'a>(text: &mut Cow<'a, [u8]>, more: Cow<'a, [u8]>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().extend_from_slice(&more);
    }
}

/// What stands before and behind the first `end`.
fn behind<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, end)?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'&', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (plain, entity) = rest.split_at(at);
        out.extend_from_slice(plain);
        let name = entity.get(1..).unwrap_or_default();
        let end = name.iter().take(10).position(|byte| *byte == b';');
        let letter = end.and_then(|end| character(name.get(..end)?));
        let (Some(end), Some(letter)) = (end, letter) else {
            // Not one of XML's own: it stands as it is.
            out.push(b'&');
            rest = name;
            continue;
        };
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        rest = name.get(end + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

fn character(entity: &[u8]) -> Option<char> {
    Some(match entity {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    })
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(input: &[u8], chunk: usize) -> (Vec<Result<String, BadReason>>, Option<BadReason>) {
        let mut items = Items::default();
        let mut seen = Vec::new();
        for chunk in input.chunks(chunk) {
            items.feed(chunk, &mut |item| {
                seen.push(item.map(|item| String::from_utf8_lossy(item).into_owned()));
            });
        }
        (seen, items.finish())
    }

    #[test]
    fn items_are_found_wherever_they_stand() {
        let input = "<?xml version=\"1.0\"?>\n<!DOCTYPE items [\n<!ELEMENT item (a>b)> ]>\n<!-- <item>no</item> -->\
            <items a=\"<item>\" b='>'>\n <item><x><![CDATA[</item>]]]]></x></item><item x=\"/>\">two</item >\
            <items2/><![CDATA[<item>no</item>]]><item></item></items>\n";
        let expected = ["<x><![CDATA[</item>]]]]></x>", "two", ""].map(|item| Ok(item.to_owned()));
        for chunk in [1, 2, 3, 7, 1_000] {
            assert_eq!(split(input.as_bytes(), chunk), (expected.to_vec(), None), "{chunk}");
        }
    }

    #[test]
    fn what_ends_early_or_has_no_items_says_so() {
        for (input, count, end) in [
            ("", 0, Some(BadReason::NoEntries)),
            ("<html></html>", 0, Some(BadReason::NoEntries)),
            ("<items></items>", 0, None),
            ("<items><item>a</item>", 1, Some(BadReason::Cut)),
            ("<items><item>a</item><item>", 1, Some(BadReason::Cut)),
            ("<items><item><![CDATA[</item></items>", 0, Some(BadReason::Cut)),
        ] {
            let (seen, told) = split(input.as_bytes(), 5);
            assert_eq!((seen.len(), told), (count, end), "{input}");
        }
    }

    #[test]
    fn an_item_over_the_limit_costs_itself_only() {
        let mut input = b"<items><item>".to_vec();
        input.extend(std::iter::repeat_n(b'x', MAX_ITEM + 1));
        input.extend_from_slice(b"</item><item>b</item></items>");
        let expected = vec![Err(BadReason::TooLong { limit: MAX_ITEM }), Ok("b".to_owned())];
        assert_eq!(split(&input, 1 << 20), (expected, None));
    }

    #[test]
    fn children_come_with_text_and_attributes() {
        let mut seen = Vec::new();
        let item = "\n<a>1 &lt;&#65;&#x42;&nope; 2</a><!-- <z> --><b ip=\"10.0.0.1\" base64='true'> <![CDATA[x<y]]>\n</b><c/><d></d>";
        let read = children(item.as_bytes(), &mut |child| {
            let attribute =
                |name: &[u8]| child.attribute(name).map(|value| String::from_utf8_lossy(value).into_owned());
            seen.push((
                String::from_utf8_lossy(child.name).into_owned(),
                String::from_utf8_lossy(&child.text).into_owned(),
                attribute(b"ip").or_else(|| attribute(b"base64")),
            ));
        });
        assert_eq!(read, Ok(()));
        let expected: Vec<(String, String, Option<String>)> = vec![
            ("a".into(), "1 <AB&nope; 2".into(), None),
            ("b".into(), "x<y".into(), Some("10.0.0.1".into())),
            ("c".into(), String::new(), None),
            ("d".into(), String::new(), None),
        ];
        assert_eq!(seen, expected);
        for (broken, offset) in
            [("<a>", 0), ("x<a><b></b></a>", 1), ("<a>1</b>", 0), ("<a><![CDATA[", 0), ("<1 2", 0)]
        {
            assert_eq!(children(broken.as_bytes(), &mut |_| {}), Err(BadReason::Xml { offset }), "{broken}");
        }
    }
}
