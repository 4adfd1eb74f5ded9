//! Which line of a file a JSON pointer means.
//!
//! One cheap scan answers for many pointers. JSON is scanned exactly; YAML by its indentation, which holds for
//! block style. What stands inside a YAML flow collection, an alias or a merge key has the line of the nearest
//! place above it that was found.

use super::reference::push_pointer;
use super::tree::Format;
use std::collections::{BTreeMap, BTreeSet};

/// The lines, from 1, of those `pointers` that can be found.
pub(crate) fn lines_of<'p>(
    text: &[u8],
    format: Format,
    pointers: impl IntoIterator<Item = &'p str>,
) -> BTreeMap<String, u32> {
    let asked: BTreeSet<&str> = pointers.into_iter().collect();
    let mut scan = Scan { wanted: BTreeSet::new(), found: BTreeMap::new() };
    for pointer in &asked {
        let mut above = *pointer;
        while !above.is_empty() && scan.wanted.insert(above) {
            above = above.rfind('/').and_then(|at| above.get(..at)).unwrap_or_default();
        }
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match format {
        Format::Json => json(text, &mut scan),
        Format::Yaml => yaml(text, &mut scan),
    }
    asked
        .into_iter()
        .filter_map(|pointer| {
            let mut above = pointer;
            loop {
                if above.is_empty() {
                    return Some((pointer.to_owned(), 1));
                }
                if let Some(line) = scan.found.get(above) {
                    return Some((pointer.to_owned(), *line));
                }
                above = above.get(..above.rfind('/')?)?;
            }
        })
        .collect()
}

/// `/interfaces/0/name` as it is said to people: `interfaces[0].name`.
pub(crate) fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            out.extend(["[", part, "]"]);
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    out
}

struct Scan<'p> {
    wanted: BTreeSet<&'p str>,
    found: BTreeMap<&'p str, u32>,
}

impl Scan<'_> {
    fn at(&mut self, pointer: &str, line: u32) {
        if let Some(pointer) = self.wanted.get(pointer) {
            self.found.entry(pointer).or_insert(line);
        }
    }
}

struct Level {
    /// The next item's number; `None` in an object.
    item: Option<u64>,
    /// How long the pointer is here.
    pointer: usize,
}

fn json(text: &[u8], scan: &mut Scan<'_>) {
    let mut pointer = String::new();
    let mut levels: Vec<Level> = Vec::new();
    let mut line = 1_u32;
    // Whether a value may begin here: after `[`, `:` and, in an array, `,`.
    let mut value_next = true;
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        if value_next && !byte.is_ascii_whitespace() && *byte != b']' {
            value_next = false;
            if let Some(level) = levels.last_mut()
                && let Some(item) = level.item.as_mut()
            {
                pointer.truncate(level.pointer);
                push_pointer(&mut pointer, &item.to_string());
                *item += 1;
                scan.at(&pointer, line);
            }
        }
        rest = tail;
        match byte {
            b'\n' => line = line.saturating_add(1),
            b'{' => levels.push(Level { item: None, pointer: pointer.len() }),
            b'[' => {
                levels.push(Level { item: Some(0), pointer: pointer.len() });
                value_next = true;
            }
            b'}' | b']' => {
                if let Some(level) = levels.pop() {
                    pointer.truncate(level.pointer);
                }
                value_next = false;
            }
            b',' => value_next = levels.last().is_some_and(|level| level.item.is_some()),
            b'"' => {
                let (length, escaped) = string_length(tail);
                let raw = tail.get(..length).unwrap_or(tail);
                rest = tail.get(length + 1..).unwrap_or_default();
                // No JSON, but a scan that lost count would be worse.
                let breaks = raw.split(|byte| *byte == b'\n').count() - 1;
                let is_key = rest.trim_ascii_start().first() == Some(&b':');
                if is_key && let Some(level) = levels.last().filter(|level| level.item.is_none()) {
                    pointer.truncate(level.pointer);
                    push_pointer(&mut pointer, &json_text(raw, escaped));
                    scan.at(&pointer, line);
                }
                line = line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
}

/// Bytes up to the closing quotation mark, and whether an escape is among them.
fn string_length(text: &[u8]) -> (usize, bool) {
    let mut escaped = false;
    let mut skip = false;
    for (n, byte) in text.iter().enumerate() {
        match byte {
            _ if skip => skip = false,
            b'\\' => {
                skip = true;
                escaped = true;
            }
            b'"' => return (n, escaped),
            _ => {}
        }
    }
    (text.len(), escaped)
}

fn json_text(raw: &[u8], escaped: bool) -> String {
    let raw = String::from_utf8_lossy(raw);
    if escaped {
        serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.into_owned())
    } else {
        raw.into_owned()
    }
}

struct Entry {
    indent: usize,
    /// The item's number; `None` for a key.
    item: Option<u64>,
    /// How long the pointer is above this entry.
    above: usize,
}

fn yaml(text: &[u8], scan: &mut Scan<'_>) {
    let mut pointer = String::new();
    let mut stack: Vec<Entry> = Vec::new();
    let mut block: Option<usize> = None;
    for (n, raw) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = u32::try_from(n + 1).unwrap_or(u32::MAX);
        let raw = String::from_utf8_lossy(raw);
        let raw = raw.trim_end();
        let mut content = raw.trim_start_matches(' ');
        let mut indent = raw.len() - content.len();
        if content.is_empty() {
            continue;
        }
        if block.is_some_and(|key| indent > key) {
            continue;
        }
        block = None;
        if content.starts_with('#') || content == "---" {
            continue;
        }
        let mut item_indent = None;
        while content == "-" || content.starts_with("- ") {
            let item = enter(&mut stack, &mut pointer, indent, true);
            push_pointer(&mut pointer, &item.to_string());
            scan.at(&pointer, line);
            item_indent = Some(indent);
            let inner = content.get(1..).unwrap_or_default();
            let trimmed = inner.trim_start();
            indent += 1 + inner.len() - trimmed.len();
            content = trimmed;
        }
        if let Some((key, value)) = yaml_key(content) {
            enter(&mut stack, &mut pointer, indent, false);
            push_pointer(&mut pointer, &key);
            scan.at(&pointer, line);
            if value.starts_with(['|', '>']) {
                block = Some(indent);
            }
        } else if content.starts_with(['|', '>']) {
            block = item_indent;
        }
    }
}

/// Leaves what is not above a new entry at `indent` and enters it; returns its number among the items.
fn enter(stack: &mut Vec<Entry>, pointer: &mut String, indent: usize, is_item: bool) -> u64 {
    let mut number = 0;
    while let Some(top) = stack.last() {
        // A list may stand at the indentation of the key it belongs to.
        let stays = top.indent < indent || (top.indent == indent && is_item && top.item.is_none());
        if stays {
            break;
        }
        if top.indent == indent
            && is_item
            && let Some(last) = top.item
        {
            number = last + 1;
        }
        pointer.truncate(top.above);
        stack.pop();
    }
    stack.push(Entry { indent, item: is_item.then_some(number), above: pointer.len() });
    number
}

/// The key at the front of a line's content, and what follows its colon.
fn yaml_key(content: &str) -> Option<(String, &str)> {
    let (key, rest) = if let Some(tail) = content.strip_prefix('"') {
        let (length, escaped) = string_length(tail.as_bytes());
        (json_text(tail.as_bytes().get(..length)?, escaped), tail.get(length + 1..)?)
    } else if let Some(tail) = content.strip_prefix('\'') {
        let end = tail.find('\'')?;
        (tail.get(..end)?.to_owned(), tail.get(end + 1..)?)
    } else if content.starts_with(['{', '[', '&', '*', '#', '!', '|', '>', '%', '@', '`']) {
        return None;
    } else {
        let end = content
            .match_indices(':')
            .map(|(at, _)| at)
            .find(|at| content.get(at + 1..).is_some_and(|tail| tail.is_empty() || tail.starts_with(' ')))?;
        (content.get(..end)?.trim_end().to_owned(), content.get(end..)?)
    };
    let value = rest.trim_start().strip_prefix(':')?;
    (value.is_empty() || value.starts_with(' ')).then(|| (key, value.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, format: Format, pointers: &[&str]) -> Vec<Option<u32>> {
        let found = lines_of(text.as_bytes(), format, pointers.iter().copied());
        pointers.iter().map(|pointer| found.get(*pointer).copied()).collect()
    }

    #[test]
    fn json_is_found_exactly() {
        let text = "{\n \"a\": [1,\n  {\"b/c\": \"x\\\"\n\"},\n [2,\n 3]],\n \"d\\u0065\": {\n  \"a\": 1}}";
        let pointers = ["/a", "/a/0", "/a/1/b~1c", "/a/2/1", "/de", "/de/a", "/de/zz", ""];
        let lines = [2, 2, 3, 6, 7, 8, 7, 1].map(Some);
        assert_eq!(all(text, Format::Json, &pointers), lines);
    }

    #[test]
    fn yaml_is_found_by_indentation() {
        let text = "\
openapi: 3.0.0
info:
  description: |
    paths: not here
    /a: nor here

  title: x
paths:
  /a/{id}:
    # note: none
    get:
      parameters:
      - name: a
        in: query
      -   name: b
          in: query
      responses:
        '200':
          description: ok
  \"/b\": {get: {x: 1}}
";
        let pointers = [
            "/paths",
            "/paths/~1a~1{id}/get",
            "/paths/~1a~1{id}/get/parameters/1/in",
            "/paths/~1a~1{id}/get/responses/200",
            "/paths/~1b/get/x",
            "/info/title",
        ];
        let lines = [8, 11, 16, 18, 20, 7].map(Some);
        assert_eq!(all(text, Format::Yaml, &pointers), lines);
    }
}
