//! JSON envelopes: the members of an object and the items of an array as slices of the body, one level at a time; and
//! JSON-RPC (versions 1.0 and 2.0) with its batches.
//!
//! A value is skipped by following brackets and strings, without judging it. One that was cut reaches to the end of the
//! body and says so.

use super::{Call, Content, Kind, Outcome};
use crate::secret::Sensitive;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A value as it stands in the body: a string with its quotes, a container with its brackets.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) raw: &'a [u8],
    /// Whether its end was there.
    pub(super) whole: bool,
}

impl<'a> Value<'a> {
    pub(super) fn is_object(self) -> bool {
        self.raw.first() == Some(&b'{')
    }

    pub(super) fn is_array(self) -> bool {
        self.raw.first() == Some(&b'[')
    }

    /// What stands between the quotes, escapes undone; as far as it goes when it was cut.
    pub(super) fn text(self) -> Option<Cow<'a, [u8]>> {
        let inner = self.raw.strip_prefix(b"\"")?;
        let inner = if self.whole { inner.strip_suffix(b"\"")? } else { inner };
        if memchr::memchr(b'\\', inner).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        let mut decoded = Vec::with_capacity(inner.len());
        crate::payload::json::unescape(inner, &mut decoded);
        Some(Cow::Owned(decoded))
    }

    /// The same, of a string that is whole.
    pub(super) fn whole_text(self) -> Option<Cow<'a, [u8]>> {
        self.text().filter(|_| self.whole)
    }

    /// The members of an object, in order.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let mut rest = self.raw.strip_prefix(b"{").unwrap_or_default();
        std::iter::from_fn(move || {
            let (key, behind) = next(rest)?;
            let inner = key.raw.strip_prefix(b"\"")?.strip_suffix(b"\"").filter(|_| key.whole)?;
            let (value, behind) = next(behind.trim_ascii_start().strip_prefix(b":")?)?;
            rest = after_comma(behind);
            Some((inner, value))
        })
    }

    /// The first member of this name.
    pub(super) fn member(self, name: &[u8]) -> Option<Value<'a>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The items of an array, in order.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = self.raw.strip_prefix(b"[").unwrap_or_default();
        std::iter::from_fn(move || {
            let (value, behind) = next(rest)?;
            rest = after_comma(behind);
            Some(value)
        })
    }
}

/// All values of a body that holds one, or several one after the other: NDJSON, JSON text sequences.
pub(super) fn values(body: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::iter::from_fn(move || {
        while let [b'\x1e', behind @ ..] = rest.trim_ascii_start() {
            rest = behind;
        }
        let (value, behind) = next(rest)?;
        rest = behind;
        Some(value)
    })
}

/// What follows a value in its container; nothing when that ends there.
fn after_comma(behind: &[u8]) -> &[u8] {
    behind.trim_ascii_start().strip_prefix(b",").unwrap_or_default()
}

/// The next value and what stands behind it. `None` when none begins here.
fn next(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let end = match bytes.first()? {
        b'"' => string_end(bytes, 1),
        b'{' | b'[' => container_end(bytes),
        b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
            bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)))
        }
        _ => return None,
    };
    match end {
        Some(end) => {
            let (raw, behind) = bytes.split_at_checked(end)?;
            Some((Value { raw, whole: true }, behind))
        }
        // A number at the very end is whole where the body is.
        None => Some((Value { raw: bytes, whole: false }, &[])),
    }
}

/// The position behind the closing quote of a string whose text begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The position behind the closing bracket of the container that `bytes` begins with.
fn container_end(bytes: &[u8]) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at + 1)?;
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => {
                open -= 1;
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The calls of a JSON-RPC request: each item of a batch is one. Items that are no calls are left out.
pub(super) fn rpc_calls<'a>(
    items: impl Iterator<Item = Value<'a>>,
    most: usize,
) -> Vec<(Call<'a>, Option<&'a [u8]>)> {
    items.filter_map(rpc_call).take(most).collect()
}

/// One call and its id, as it is written.
fn rpc_call(object: Value<'_>) -> Option<(Call<'_>, Option<&[u8]>)> {
    let (mut version, mut method, mut params, mut id) = (None, None, None, None);
    let mut others = false;
    for (name, value) in object.members().take(super::MAX_MEMBERS) {
        match name {
            b"jsonrpc" => version = Some(value),
            b"method" => method = Some(value),
            b"params" => params = Some(value),
            b"id" => id = Some(value),
            _ => others = true,
        }
    }
    // Version 1.0 does not name itself: then its three members must be there and no others.
    let first_version = version.is_none() && params.is_some_and(Value::is_array) && id.is_some() && !others;
    if version.and_then(Value::text).is_none() && !first_version {
        return None;
    }
    let name = method?.whole_text()?;
    let mut call = Call::new(Kind::JsonRpc);
    call.name = Some(Sensitive::new(name));
    call.request = params
        .filter(|params| params.is_object() || params.is_array())
        .map(|params| Content::Json(Sensitive::new(params.raw)));
    call.bytes = object.raw.len();
    let id = id.map(|id| id.raw).filter(|id| *id != b"null");
    Some((call, id))
}

/// Codes that say that the server has no such method, or that this was no call.
const NO_SUCH_CALL: [&[u8]; 3] = [b"-32700", b"-32600", b"-32601"];

/// Finds the answer of each call by its id. Answers may come in any order.
pub(super) fn answer_rpc<'a>(
    calls: Vec<(Call<'a>, Option<&'a [u8]>)>,
    answers: &[Value<'a>],
) -> Vec<Call<'a>> {
    let mut by_id: BTreeMap<&[u8], Value<'a>> = BTreeMap::new();
    for answer in answers {
        if let Some(id) = answer.member(b"id") {
            by_id.entry(id.raw).or_insert(*answer);
        }
    }
    let alone = calls.len() == 1 && answers.len() == 1;
    calls
        .into_iter()
        .map(|(mut call, id)| {
            let found = id.and_then(|id| by_id.get(id)).or(answers.first().filter(|_| alone && id.is_some()));
            if let Some(answer) = found {
                call.outcome = rpc_outcome(*answer);
                call.responses.push(Content::Json(Sensitive::new(answer.raw)));
            }
            call
        })
        .collect()
}

fn rpc_outcome(answer: Value<'_>) -> Outcome<'_> {
    let error = answer.member(b"error").filter(|error| error.raw != b"null");
    let code = error.and_then(|error| error.member(b"code")).map(|code| code.raw);
    Outcome {
        answered: true,
        failed: error.is_some(),
        refused: code.is_some_and(|code| NO_SUCH_CALL.contains(&code)),
        code: code.map(|code| Sensitive::new(Cow::Borrowed(code))),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(body: &str) -> Value<'_> {
        values(body.as_bytes()).next().unwrap()
    }

    #[test]
    fn members_and_items_are_slices() {
        let body = r#" {"a":"x\"}","b" : [1, {"c":2} ,"]"], "d":null,"e":{}} "#;
        let members: Vec<(String, String)> = first(body)
            .members()
            .map(|(key, value)| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(key), text(value.raw))
            })
            .collect();
        let expected = [("a", r#""x\"}""#), ("b", r#"[1, {"c":2} ,"]"]"#), ("d", "null"), ("e", "{}")]
            .map(|(a, b)| (a.into(), b.into()));
        assert_eq!(members, expected);
        let items: Vec<usize> =
            first(body).member(b"b").unwrap().items().map(|item| item.raw.len()).collect();
        assert_eq!(items, [1, 7, 3]);
        assert_eq!(values(b"{\"a\":1}\n{\"b\":2}\n\x1e[3]").count(), 3);
    }

    #[test]
    fn a_cut_value_reaches_to_the_end() {
        let object = first(r#"{"query":"{ a","variables":{"x":1}"#);
        assert!(!object.whole);
        assert_eq!(object.members().count(), 2);
        let cut = first(r#"{"query":"{ a"#).member(b"query").unwrap();
        assert!(!cut.whole && cut.text().as_deref() == Some(b"{ a") && cut.whole_text().is_none());
    }

    proptest! {
        /// The members of any object are those that a parser finds.
        #[test]
        fn members_agree_with_a_parser(map in proptest::collection::btree_map("[a-z]{1,6}", ".{0,12}", 0..6), nested in any::<bool>()) {
            let mut object: serde_json::Map<String, serde_json::Value> =
                map.into_iter().map(|(key, value)| (key, value.into())).collect();
            if nested {
                object.insert("Z".into(), serde_json::json!({"a": object.clone(), "b": [1, null, "}"]}));
            }
            let body = serde_json::to_string(&object).unwrap();
            let read: BTreeMap<String, serde_json::Value> = first(&body)
                .members()
                .map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), serde_json::from_slice(value.raw).unwrap()))
                .collect();
            prop_assert_eq!(read, object.into_iter().collect::<BTreeMap<_, _>>());
        }
    }
}
