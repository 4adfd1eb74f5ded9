//! Postman collections, version 2: requests, and the examples of answers that were saved with them.
//!
//! A collection is no traffic. An example becomes an exchange where it is the copy of an answer that came: it has the
//! `Date` that its server gave it, which is its time. What was written by hand or generated from a document has none and
//! is evidence of nothing; it is set aside and counted, as are requests without an example. Exchanges carry
//! [`Anomaly::SavedExample`]. Credentials are often kept apart from the requests, so that their absence says nothing.
//!
//! Variables stand as they are written: a host that is one is unknown, path variables are filled in where the request
//! says with what.

use super::super::elements::{Elements, Rule};
use super::super::{BadReason, fields, har};
use super::message::Bodies;
use super::{Each, dates};
use crate::anomaly::Anomaly;
use crate::transaction::{Completeness, Fields, Transaction};
use har::{Number, Text};
use serde::Deserialize;
use std::time::Duration;

/// Whether an input that starts so is a collection.
pub(super) fn looks_like(start: &[u8]) -> bool {
    let mut items = Elements::new(Rule::Postman, 0);
    if !start.trim_ascii_start().starts_with(b"{")
        || memchr::memmem::find(start, b"postman.com/json/collection/v2").is_none()
    {
        return false;
    }
    items.feed(start, &mut |_| {});
    items.found()
}

#[derive(Debug, Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    request: Option<Request<'a>>,
    #[serde(borrow, default)]
    response: Option<Vec<Response<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Request<'a> {
    Whole(#[serde(borrow)] Box<WholeRequest<'a>>),
    Url(#[serde(borrow)] Text<'a>),
}

#[derive(Debug, Deserialize)]
struct WholeRequest<'a> {
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Url<'a>>,
    #[serde(borrow, default)]
    header: Option<Header<'a>>,
    #[serde(borrow, default)]
    body: Option<Body<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow, default)]
    original_request: Option<Request<'a>>,
    #[serde(default)]
    code: Number,
    #[serde(borrow, default)]
    header: Option<Header<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(default, rename = "responseTime")]
    millis: Number,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Url<'a> {
    Parts(#[serde(borrow)] Box<UrlParts<'a>>),
    Raw(#[serde(borrow)] Text<'a>),
}

#[derive(Debug, Deserialize)]
struct UrlParts<'a> {
    #[serde(borrow, default)]
    raw: Option<Text<'a>>,
    #[serde(borrow, default)]
    variable: Option<Vec<Pair<'a>>>,
}

/// Fields as a list, or as lines of one text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Header<'a> {
    List(#[serde(borrow)] Vec<Pair<'a>>),
    Lines(#[serde(borrow)] Text<'a>),
}

#[derive(Debug, Deserialize)]
struct Pair<'a> {
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    mode: Option<Text<'a>>,
    #[serde(borrow, default)]
    raw: Option<Text<'a>>,
    #[serde(borrow, default)]
    urlencoded: Option<Vec<Pair<'a>>>,
}

/// Reads an item and hands out what came of each of its examples; of an item without one, that it is set aside.
pub(super) fn read(item: &[u8], bodies: &mut Bodies, into: &mut Transaction, each: &mut Each<'_>) {
    let item: Item<'_> = match serde_json::from_slice(item) {
        Ok(item) => item,
        Err(error) => {
            into.clear();
            return each(Err(BadReason::Json { column: error.column() }), into);
        }
    };
    let examples = item.response.unwrap_or_default();
    if examples.is_empty() {
        into.clear();
        each(Ok(false), into);
    }
    for example in &examples {
        into.clear();
        let outcome = read_example(example, item.request.as_ref(), bodies, into);
        each(outcome, into);
    }
}

fn read_example(
    example: &Response<'_>,
    request: Option<&Request<'_>>,
    bodies: &mut Bodies,
    into: &mut Transaction,
) -> Result<bool, BadReason> {
    put_fields(example.header.as_ref(), &mut into.response.fields);
    let Some(date) = into.response.fields.get("date").and_then(|date| dates::http(date.expose())) else {
        return Ok(false);
    };
    let status = example.code.size().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    if status == 0 {
        return Ok(false);
    }
    into.response.status = status;
    put_request(example.original_request.as_ref().or(request), bodies, into)?;
    bodies.put_decoded(false, example.body.as_ref().map(|body| &*body.0).unwrap_or_default(), into);
    // What a collection leaves out it does not tell: credentials above all.
    into.completeness = Completeness::Logged;
    into.anomalies.insert(Anomaly::SavedExample);
    into.latency_us = example.millis.size().map(|millis| millis.saturating_mul(1_000));
    into.request.started = date;
    into.request.ended = date;
    into.response.started = date.plus(Duration::from_micros(into.latency_us.unwrap_or_default()));
    into.response.ended = into.response.started;
    Ok(true)
}

fn put_request(
    request: Option<&Request<'_>>,
    bodies: &mut Bodies,
    into: &mut Transaction,
) -> Result<(), BadReason> {
    let (method, raw, variables): (&[u8], &[u8], &[Pair<'_>]) = match request {
        None => return Err(BadReason::NoRequest),
        Some(Request::Url(raw)) => (b"GET", &raw.0, &[]),
        Some(Request::Whole(request)) => {
            let method = request.method.as_ref().map_or(&b"GET"[..], |method| &method.0);
            put_fields(request.header.as_ref(), &mut into.request.fields);
            put_body(request.body.as_ref(), bodies, into);
            match &request.url {
                None => return Err(BadReason::Url),
                Some(Url::Raw(raw)) => (method, &raw.0, &[]),
                Some(Url::Parts(parts)) => (
                    method,
                    parts.raw.as_ref().map(|raw| &*raw.0).unwrap_or_default(),
                    parts.variable.as_deref().unwrap_or_default(),
                ),
            }
        }
    };
    if !fields::is_token(method) {
        return Err(BadReason::NoRequest);
    }
    into.request.method.extend_from_slice(method);
    put_url(raw, variables, into)
}

/// Takes a URL apart: scheme and host may be missing, or be variables.
fn put_url(raw: &[u8], variables: &[Pair<'_>], into: &mut Transaction) -> Result<(), BadReason> {
    let raw = raw.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
    let scheme_end =
        memchr::memmem::find(raw, b"://").filter(|at| !raw.iter().take(*at).any(|byte| b"/?".contains(byte)));
    let (scheme, rest) = match scheme_end.and_then(|at| Some((raw.get(..at)?, raw.get(at + 3..)?))) {
        Some((scheme, rest)) => (scheme, rest),
        None => (&b""[..], raw),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if raw.is_empty() || authority.is_empty() && rest.is_empty() {
        return Err(BadReason::Url);
    }
    into.tls = scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss");
    let is_variable = memchr::memmem::find(authority, b"{{").is_some();
    if !authority.is_empty() && !is_variable && into.request.fields.get("host").is_none() {
        let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        into.logged_host = Some(String::from_utf8_lossy(host).into_owned());
    }
    let query = memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let (path, query) = rest.split_at(query);
    let target = into.request.target.expose_mut();
    if path.is_empty() {
        target.push(b'/');
    }
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            target.push(b'/');
        }
        let filled = segment.strip_prefix(b":").and_then(|name| {
            let named = |pair: &&Pair<'_>| pair.key.as_ref().is_some_and(|key| *key.0 == *name);
            variables.iter().find(named)?.value.as_ref().filter(|value| !value.0.is_empty())
        });
        target.extend_from_slice(filled.map_or(segment, |value| &value.0));
    }
    target.extend_from_slice(query);
    Ok(())
}

fn put_body(body: Option<&Body<'_>>, bodies: &mut Bodies, into: &mut Transaction) {
    let Some(body) = body else { return };
    match body.mode.as_ref().map(|mode| &*mode.0) {
        Some(b"raw") | None => {
            bodies.put_decoded(true, body.raw.as_ref().map(|raw| &*raw.0).unwrap_or_default(), into);
        }
        Some(b"urlencoded") => {
            let mut form = Vec::new();
            for pair in body.urlencoded.iter().flatten().filter(|pair| !pair.disabled) {
                if !form.is_empty() {
                    form.push(b'&');
                }
                let part =
                    |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_vec()).unwrap_or_default();
                har::percent_encode(&part(&pair.key), &mut form);
                form.push(b'=');
                har::percent_encode(&part(&pair.value), &mut form);
            }
            bodies.put_decoded(true, &form, into);
            if into.request.fields.get("content-type").is_none() {
                into.request.fields.push(b"Content-Type", b"application/x-www-form-urlencoded");
            }
        }
        // Files and the parts of forms are not in a collection.
        Some(_) => into.request.body.whole = false,
    }
}

fn put_fields(header: Option<&Header<'_>>, into: &mut Fields) {
    match header {
        None => {}
        Some(Header::List(pairs)) => {
            for pair in pairs.iter().filter(|pair| !pair.disabled) {
                if let (Some(key), Some(value)) = (&pair.key, &pair.value) {
                    into.push(&key.0, &value.0);
                }
            }
        }
        Some(Header::Lines(lines)) => {
            for line in lines.0.split(|byte| *byte == b'\n') {
                if let Some((name, value)) = fields::split_at_byte(line, b':') {
                    into.push(name.trim_ascii(), value.trim_ascii());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = r#"{"key":"Date","value":"Wed, 15 Apr 2026 00:00:06 GMT"}"#;

    fn examples(item: &str) -> Vec<Result<Option<Transaction>, BadReason>> {
        let mut seen = Vec::new();
        let mut into = Transaction::default();
        read(item.as_bytes(), &mut Bodies::new(40), &mut into, &mut |outcome, into| {
            seen.push(outcome.map(|is_one| is_one.then(|| into.clone())));
        });
        seen
    }

    #[test]
    fn a_saved_answer_becomes_an_exchange_that_says_what_it_is() {
        let item = format!(
            r#"{{"name":"pay","request":{{"method":"GET","url":"x"}},"response":[{{"name":"ok","originalRequest":{{"method":"POST","header":[{{"key":"Authorization","value":"Bearer {{{{token}}}}"}},{{"key":"X-Off","value":"1","disabled":true}}],"body":{{"mode":"raw","raw":"{{\"a\":1}}","options":{{"raw":{{"language":"json"}}}}}},"url":{{"raw":"https://api.example/v1/accounts/:id/{{{{kind}}}}?x=1","protocol":"https","host":["api","example"],"variable":[{{"key":"id","value":"17"}}]}}}},"status":"Created","code":201,"header":[{DATE},{{"key":"Content-Type","value":"application/json"}},{{"key":"Content-Encoding","value":"gzip"}}],"cookie":[],"responseTime":15,"body":"{{\"b\":2}}"}}]}}"#
        );
        let seen = examples(&item);
        let exchange = seen[0].as_ref().unwrap().as_ref().unwrap();
        assert_eq!(exchange.method(), Some("POST"));
        assert_eq!(exchange.request.target.expose(), b"/v1/accounts/17/{{kind}}?x=1");
        assert_eq!(exchange.host().as_deref(), Some("api.example"));
        assert_eq!((exchange.response.status, exchange.tls, exchange.latency_us), (201, true, Some(15_000)));
        assert_eq!(exchange.request.body.bytes.expose(), b"{\"a\":1}");
        assert_eq!(exchange.response.body.bytes.expose(), b"{\"b\":2}");
        assert_eq!(exchange.completeness, Completeness::Logged);
        assert!(exchange.anomalies.contains(Anomaly::SavedExample));
        assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06Z");
        assert!(exchange.request.fields.get("authorization").is_some());
        assert!(exchange.request.fields.get("x-off").is_none());
    }

    #[test]
    fn what_no_server_answered_is_set_aside() {
        for item in [
            r#"{"request":{"method":"GET","url":"http://a/"}}"#,
            r#"{"request":{"method":"GET","url":"http://a/"},"response":[]}"#,
            r#"{"request":{"method":"GET","url":"http://a/"},"response":[{"code":200,"header":null,"body":"{}"}]}"#,
        ] {
            assert!(matches!(examples(item)[..], [Ok(None)]), "{item}");
        }
    }

    #[test]
    fn urls_are_read_as_far_as_they_are_known() {
        for (url, expected) in [
            ("https://u:p@a.example:8443/b?c#d", Some(("/b?c", Some("a.example:8443"), true))),
            ("{{base}}/v1/b", Some(("/v1/b", None, false))),
            ("{{scheme}}://{{host}}/b?u=http://x/", Some(("/b?u=http://x/", None, false))),
            ("a.example/b", Some(("/b", Some("a.example"), false))),
            ("http://a.example", Some(("/", Some("a.example"), false))),
            ("", None),
        ] {
            let mut into = Transaction::default();
            let outcome = put_url(url.as_bytes(), &[], &mut into);
            let target = String::from_utf8_lossy(into.request.target.expose()).into_owned();
            let got = outcome.ok().map(|()| (target.as_str(), into.logged_host.as_deref(), into.tls));
            assert_eq!(got, expected, "{url}");
        }
    }

    #[test]
    fn forms_lines_and_short_forms_are_read() {
        let item = format!(
            r#"{{"request":"http://a.example/x","response":[{{"code":200,"header":[{DATE}]}},{{"originalRequest":{{"url":"http://a.example/y","header":"A: b\nC: d","body":{{"mode":"urlencoded","urlencoded":[{{"key":"a","value":"1 2"}},{{"key":"b","value":"3"}}]}}}},"code":200,"header":[{DATE}]}},{{"originalRequest":{{"body":{{"mode":"file"}}}},"code":200,"header":[{DATE}]}}]}}"#
        );
        let seen = examples(&item);
        let [Ok(Some(short)), Ok(Some(form)), Err(BadReason::Url)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((short.method(), *short.path().expose()), (Some("GET"), &b"/x"[..]));
        assert_eq!(form.request.body.bytes.expose(), b"a=1+2&b=3");
        assert_eq!(form.request.fields.get("c").map(|value| value.expose().to_vec()), Some(b"d".to_vec()));
        assert!(matches!(examples("{\"response\":7}")[..], [Err(BadReason::Json { .. })]));
    }
}
