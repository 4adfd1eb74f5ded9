//! OData batches (OData 4.01 part 1, section 11.7): `multipart/mixed` of `application/http` messages with change sets
//! inside, and the JSON format, which Microsoft Graph has too.
//!
//! Each request inside is an operation: its method and the resource, without what stands between brackets. Answers are found
//! by their place, or by their id in JSON.

use super::json::{Value, values};
use super::{Call, Content, Kind, Outcome, content_type};
use crate::limits::Limits;
use crate::payload::multipart;
use crate::secret::Sensitive;
use crate::transaction::Transaction;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An HTTP message inside a part.
struct Message<'a> {
    /// The words of its first line.
    first: [&'a [u8]; 2],
    media: Option<&'a [u8]>,
    body: &'a [u8],
}

/// A part of a batch: one message, or a change set of several.
struct Item<'a> {
    set: bool,
    messages: Vec<Message<'a>>,
}

/// The calls of a multipart batch; empty when its parts are no HTTP messages.
pub(super) fn multipart_calls<'a>(
    exchange: &'a Transaction,
    media: &'a [u8],
    body: &'a [u8],
    limits: &Limits,
) -> Vec<Call<'a>> {
    let (asked, over) = items(media, body, limits.operation_calls, is_request);
    let fields = &exchange.response.fields;
    let answered = if super::is_media(fields, b"multipart/") {
        let media = content_type(fields).unwrap_or_default();
        items(media, exchange.response.body.bytes.expose(), limits.operation_calls, is_answer).0
    } else {
        Vec::new()
    };
    let root = service_root(exchange);
    let mut calls = Vec::new();
    for (at, item) in asked.iter().enumerate() {
        let answers = answered.get(at);
        for (inner, message) in item.messages.iter().enumerate() {
            let [method, target] = message.first;
            let mut call = Call::new(Kind::Odata);
            call.name = Some(Sensitive::new(Cow::Owned(named(method, target, root))));
            call.bytes = message.body.len();
            call.request = (!message.body.is_empty())
                .then_some(Content::Body(message.media, Sensitive::new(message.body)));
            // A change set that fails as a whole is answered once.
            let answer = answers.and_then(|answers| {
                if answers.set || !item.set { answers.messages.get(inner) } else { answers.messages.first() }
            });
            if let Some(answer) = answer {
                call.outcome = outcome(status(answer.first[1]));
                if !answer.body.is_empty() {
                    call.responses.push(Content::Body(answer.media, Sensitive::new(answer.body)));
                }
            }
            calls.push(call);
        }
    }
    if let Some(last) = calls.last_mut() {
        last.limited |= over;
    }
    calls
}

/// The calls of a JSON batch; empty when its items are no requests.
pub(super) fn json_calls<'a>(
    exchange: &'a Transaction,
    requests: Value<'a>,
    limits: &Limits,
) -> Vec<Call<'a>> {
    let answers =
        values(exchange.response.body.bytes.expose()).next().and_then(|body| body.member(b"responses"));
    let mut by_id: BTreeMap<&[u8], Value<'a>> = BTreeMap::new();
    for answer in answers.into_iter().flat_map(Value::items).take(limits.operation_calls) {
        if let Some(id) = answer.member(b"id") {
            by_id.entry(id.raw).or_insert(answer);
        }
    }
    let root = service_root(exchange);
    let mut calls: Vec<Call<'a>> = Vec::new();
    for request in requests.items() {
        let (mut id, mut method, mut url, mut body) = (None, None, None, None);
        for (name, value) in request.members().take(super::MAX_MEMBERS) {
            match name {
                b"id" => id = Some(value.raw),
                b"method" => method = value.whole_text(),
                b"url" => url = value.whole_text(),
                b"body" => body = Some(value.raw),
                _ => {}
            }
        }
        let (Some(id), Some(method), Some(url)) = (id, method, url) else { continue };
        if !is_method(&method) {
            continue;
        }
        if calls.len() >= limits.operation_calls {
            if let Some(last) = calls.last_mut() {
                last.limited = true;
            }
            break;
        }
        let mut call = Call::new(Kind::Odata);
        call.name = Some(Sensitive::new(Cow::Owned(named(&method, &url, root))));
        call.bytes = request.raw.len();
        call.request = body.map(|body| Content::Json(Sensitive::new(body)));
        if let Some(answer) = by_id.get(id) {
            call.outcome = outcome(answer.member(b"status").map_or(0, |value| status(value.raw)));
            let body = answer.member(b"body").map(|body| Content::Json(Sensitive::new(body.raw)));
            call.responses.extend(body);
        }
        calls.push(call);
    }
    calls
}

fn outcome(status: u16) -> Outcome<'static> {
    Outcome {
        answered: status > 0,
        failed: status >= 400,
        refused: matches!(status, 404 | 405 | 501),
        code: None,
        status: (status > 0).then_some(status),
    }
}

fn status(word: &[u8]) -> u16 {
    let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    number.filter(|status| (100..600).contains(status)).unwrap_or_default()
}

/// The messages of a batch, and whether there were more than are read.
fn items<'a>(
    media: &[u8],
    body: &'a [u8],
    most: usize,
    is_good: fn(&[&[u8]; 2]) -> bool,
) -> (Vec<Item<'a>>, bool) {
    let mut items = Vec::new();
    let mut count = 0;
    for (head, content) in multipart::parts(media, body) {
        let kind = multipart::field(head, b"content-type").unwrap_or_default();
        let set = kind.get(..10).is_some_and(|front| front.eq_ignore_ascii_case(b"multipart/"));
        let mut messages = Vec::new();
        if set {
            for (_, content) in multipart::parts(kind, content) {
                messages.extend(message(content, is_good));
                if count + messages.len() > most {
                    break;
                }
            }
        } else {
            messages.extend(message(content, is_good));
        }
        let over = count + messages.len() > most;
        messages.truncate(most - count);
        count += messages.len();
        if !messages.is_empty() {
            items.push(Item { set, messages });
        }
        if over {
            return (items, true);
        }
    }
    (items, false)
}

/// An HTTP message, if its first line is one.
fn message(content: &[u8], is_good: fn(&[&[u8]; 2]) -> bool) -> Option<Message<'_>> {
    let content = content.trim_ascii_start();
    let end = memchr::memchr(b'\n', content).unwrap_or(content.len());
    let (line, rest) = content.split_at(end);
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let first = [words.next()?, words.next()?];
    if !is_good(&first) {
        return None;
    }
    // The head ends at the first empty line, which may be the next.
    let rest = rest.get(1..).unwrap_or_default();
    let (head, body) = if let Some(body) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        (&b""[..], body)
    } else if let Some(at) = memchr::memmem::find(rest, b"\r\n\r\n") {
        (rest.get(..at)?, rest.get(at + 4..)?)
    } else if let Some(at) = memchr::memmem::find(rest, b"\n\n") {
        (rest.get(..at)?, rest.get(at + 2..)?)
    } else {
        (rest, &b""[..])
    };
    Some(Message { first, media: multipart::field(head, b"content-type"), body: body.trim_ascii() })
}

fn is_method(word: &[u8]) -> bool {
    (3..=8).contains(&word.len()) && word.iter().all(u8::is_ascii_alphabetic)
}

fn is_request(first: &[&[u8]; 2]) -> bool {
    is_method(first[0]) && first[0].iter().all(u8::is_ascii_uppercase)
}

fn is_answer(first: &[&[u8]; 2]) -> bool {
    first[0].starts_with(b"HTTP/") && status(first[1]) > 0
}

/// The path of the batch without its last segment.
fn service_root(exchange: &Transaction) -> &[u8] {
    let path: &[u8] = exchange.path().expose();
    memchr::memrchr(b'/', path).and_then(|at| path.get(..=at)).unwrap_or_default()
}

/// Method and resource, relative to the service: `GET Customers({key})/Orders`.
fn named(method: &[u8], target: &[u8], root: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let mut path = target.get(..end).unwrap_or_default();
    if let Some(at) = memchr::memmem::find(path, b"://") {
        let behind = path.get(at + 3..).unwrap_or_default();
        path = memchr::memchr(b'/', behind).and_then(|at| behind.get(at..)).unwrap_or_default();
    }
    let path = path.strip_prefix(root).unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut name = method.to_ascii_uppercase();
    name.push(b' ');
    let (mut open, mut quoted) = (false, false);
    for byte in path.iter().take(super::MAX_NAME) {
        match byte {
            b'\'' if open => quoted = !quoted,
            b')' if open && !quoted => {
                open = false;
                name.extend_from_slice(b"({key})");
            }
            b'(' if !open => open = true,
            _ if open => {}
            other => name.push(*other),
        }
    }
    name
}
