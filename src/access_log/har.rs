//! HTTP Archive 1.2, as browsers, proxies and test tools export it.
//!
//! Bodies in a HAR are decoded already. A head may lack what the exporter keeps elsewhere: cookies, a media
//! type and form parameters are put back where the wire had them. Pseudo-fields of HTTP/2 are left out, for
//! the URL says the same.

use super::elements::{Elements, Rule};
use super::{BadReason, base64, fields, instant};
use crate::anomaly::Anomaly;
use crate::time::Timestamp;
use crate::transaction::{Body, Completeness, End, Fields, Transaction};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether an input that starts so is a HAR.
pub(super) fn looks_like(start: &[u8]) -> bool {
    let mut entries = Elements::new(Rule::Har, 0);
    if start.trim_ascii_start().starts_with(b"{") {
        entries.feed(start, &mut |_| {});
    }
    entries.seen_har_key()
}

/// Reads one entry. Of each body `body_bytes` are kept.
pub(super) fn parse(json: &[u8], body_bytes: usize, into: &mut Transaction) -> Result<(), BadReason> {
    into.clear();
    let entry: HarEntry<'_> =
        serde_json::from_slice(json).map_err(|error| BadReason::Json { column: error.column() })?;
    let request = &entry.request;
    let url = Url::parse(&request.url.0).ok_or(BadReason::Url)?;
    if !fields::is_token(&request.method.0) {
        return Err(BadReason::NoRequest);
    }
    into.request.method.extend_from_slice(&request.method.0);
    url.write_target(into.request.target.expose_mut());
    into.tls = url.tls;
    put_fields(&request.headers, &mut into.request.fields);
    if into.request.fields.get("host").is_none() {
        into.logged_host = Some(String::from_utf8_lossy(url.authority).into_owned());
    }
    if into.request.fields.get("cookie").is_none() && !request.cookies.is_empty() {
        let pairs: Vec<_> =
            request.cookies.iter().map(|cookie| [&*cookie.name.0, &*cookie.value.0].join(&b'=')).collect();
        into.request.fields.push(b"Cookie", &pairs.join(&b"; "[..]));
    }
    if let Some(text) = entry.server_ip_address.as_ref() {
        let port = url.port();
        into.server =
            fields::address(&text.0).map(|(address, own)| SocketAddr::new(address, own.unwrap_or(port)));
    }
    let told = request_body(request, body_bytes, into);
    match entry.response.as_ref().filter(|response| response.status.0.is_some_and(|status| status > 0.0)) {
        None => into.completeness = Completeness::RequestOnly,
        Some(response) => {
            if !(response_head_and_body(response, body_bytes, into) && told) {
                into.completeness = Completeness::Logged;
            }
        }
    }
    for version in entry.response.iter().map(|response| &response.http_version).chain([&request.http_version])
    {
        into.protocol = version.as_ref().and_then(|name| fields::protocol(&name.0)).unwrap_or(into.protocol);
    }
    if [&into.request.body, &into.response.body]
        .iter()
        .any(|body| !body.whole && !body.bytes.expose().is_empty())
    {
        into.anomalies.insert(Anomaly::BodyOverLimit);
    }
    times(&entry, into)
}

/// Puts the request's body in, and tells whether the entry tells all of it.
fn request_body(request: &HarRequest<'_>, body_bytes: usize, into: &mut Transaction) -> bool {
    let size = request.body_size.size();
    let body = &mut into.request.body;
    let Some(posted) = &request.post_data else {
        body.len = size.unwrap_or_default();
        body.whole = body.len == 0;
        return body.whole;
    };
    let media = posted.mime_type.as_ref().map(|media| &*media.0).unwrap_or_default();
    let made;
    let text: &[u8] = match &posted.text {
        Some(text) if !text.0.is_empty() => &text.0,
        _ => {
            made = posted.encode_params(media);
            &made
        }
    };
    fill(body, text, posted.encoding.as_ref(), body_bytes);
    body.len = size.filter(|size| *size > 0).unwrap_or(body.len);
    let told = !text.is_empty() || size.unwrap_or_default() == 0;
    body.whole &= told;
    if into.request.fields.get("content-type").is_none() && media.contains(&b'/') {
        into.request.fields.push(b"Content-Type", media);
    }
    told
}

/// Puts the response in, and tells whether the entry tells all of its body.
fn response_head_and_body(response: &HarResponse<'_>, body_bytes: usize, into: &mut Transaction) -> bool {
    let status = response.status.size().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    into.response.status = status;
    put_fields(&response.headers, &mut into.response.fields);
    if into.response.fields.get("set-cookie").is_none() {
        for cookie in &response.cookies {
            into.response.fields.push(b"Set-Cookie", &[&*cookie.name.0, &*cookie.value.0].join(&b'='));
        }
    }
    let body = &mut into.response.body;
    let wire = response.body_size.size();
    let Some(content) = &response.content else {
        body.len = wire.unwrap_or_default();
        body.whole = body.len == 0;
        return body.whole;
    };
    let media = content.mime_type.as_ref().map(|media| &*media.0).unwrap_or_default();
    if media.contains(&b'/') && into.response.fields.get("content-type").is_none() {
        into.response.fields.push(b"Content-Type", media);
    }
    let text = content.text.as_ref().map(|text| &*text.0).unwrap_or_default();
    fill(body, text, content.encoding.as_ref(), body_bytes);
    let size = content.size.size().filter(|size| *size > 0);
    let bodiless = matches!(status, 100..=199 | 204 | 304) || into.request.method == b"HEAD";
    if text.is_empty() && bodiless {
        // A browser shows the size of what its cache held.
        return true;
    }
    body.len = wire.filter(|size| *size > 0).or(size).unwrap_or(body.len);
    let told = !text.is_empty() || body.len == 0;
    body.whole &= told;
    told
}

/// Decodes a text into a body, up to the limit.
fn fill(body: &mut Body, text: &[u8], encoding: Option<&Text<'_>>, body_bytes: usize) {
    let bytes = body.bytes.expose_mut();
    body.end = End::Complete;
    if encoding.is_some_and(|encoding| encoding.0.eq_ignore_ascii_case(b"base64")) {
        body.whole = base64::decode(text, body_bytes, bytes);
        body.len = base64::decoded_len(text) as u64;
    } else {
        let kept = text.get(..body_bytes);
        body.whole = kept.is_none() || kept == Some(text);
        body.len = text.len() as u64;
        bytes.extend_from_slice(kept.unwrap_or(text));
    }
}

/// The instants of both messages, from the start and the timings.
fn times(entry: &HarEntry<'_>, into: &mut Transaction) -> Result<(), BadReason> {
    let started = entry.started_date_time.as_ref().and_then(|text| instant::any(&text.0));
    let started: Timestamp = started.ok_or(BadReason::Time)?;
    let phase = |number: &Number| number.0.and_then(|millis| fields::to_integer(millis * 1e3));
    let total = phase(&entry.time);
    let timings = &entry.timings;
    let before: u64 = [&timings.blocked, &timings.dns, &timings.connect, &timings.send]
        .into_iter()
        .filter_map(phase)
        .fold(0, u64::saturating_add);
    let later = |at: Timestamp, micros: u64| at.plus(Duration::from_micros(micros));
    let latency = phase(&timings.wait).or(total);
    into.request.started = started;
    into.request.ended = later(started, before);
    if into.response.status > 0 {
        into.latency_us = latency;
        into.response.started = later(into.request.ended, latency.unwrap_or_default());
        into.response.ended = later(into.response.started, phase(&timings.receive).unwrap_or_default());
    }
    Ok(())
}

fn put_fields(headers: &[Pair<'_>], into: &mut Fields) {
    for header in headers.iter().filter(|header| !header.name.0.starts_with(b":")) {
        // Firefox and Chrome join repeated fields with line feeds.
        for value in header.value.0.split(|byte| *byte == b'\n') {
            into.push(&header.name.0, value);
        }
    }
}

/// An absolute URL of the web.
#[derive(Clone, Copy, Debug)]
pub(super) struct Url<'a> {
    /// Whether its scheme means TLS.
    pub(super) tls: bool,
    /// Host and port; what names a user is left out.
    pub(super) authority: &'a [u8],
    /// Path and query, maybe empty; no fragment.
    rest: &'a [u8],
}

impl<'a> Url<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let colon = text.iter().take(6).position(|byte| *byte == b':')?;
        let (scheme, rest) = text.split_at_checked(colon)?;
        let rest = rest.strip_prefix(b"://")?;
        let tls = match scheme.to_ascii_lowercase().as_slice() {
            b"https" | b"wss" => true,
            b"http" | b"ws" => false,
            _ => return None,
        };
        let rest = rest.split(|byte| *byte == b'#').next().unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        let authority = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        (!authority.is_empty()).then_some(Self { tls, authority, rest })
    }

    /// The target in origin form (RFC 9112 section 3.2.1).
    pub(super) fn write_target(&self, out: &mut Vec<u8>) {
        if !self.rest.starts_with(b"/") {
            out.push(b'/');
        }
        out.extend_from_slice(self.rest);
    }

    fn port(&self) -> u16 {
        let digits = self.authority.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let written = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        written.unwrap_or(if self.tls { 443 } else { 80 })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarEntry<'a> {
    #[serde(borrow, default)]
    started_date_time: Option<Text<'a>>,
    #[serde(default)]
    time: Number,
    #[serde(borrow)]
    request: HarRequest<'a>,
    #[serde(borrow, default)]
    response: Option<HarResponse<'a>>,
    #[serde(borrow, default, rename = "serverIPAddress")]
    server_ip_address: Option<Text<'a>>,
    #[serde(default)]
    timings: Timings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow, default)]
    http_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    cookies: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    post_data: Option<PostData<'a>>,
    #[serde(default)]
    body_size: Number,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarResponse<'a> {
    #[serde(default)]
    status: Number,
    #[serde(borrow, default)]
    http_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    cookies: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(default)]
    body_size: Number,
}

#[derive(Debug, Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    value: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    #[serde(borrow, default)]
    mime_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Vec<Param<'a>>,
    #[serde(borrow, default, alias = "_encoding")]
    encoding: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(borrow, default)]
    file_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    content_type: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    #[serde(default)]
    size: Number,
    #[serde(borrow, default)]
    mime_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    encoding: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Timings {
    blocked: Number,
    dns: Number,
    connect: Number,
    send: Number,
    wait: Number,
    receive: Number,
}

impl PostData<'_> {
    /// The body that the parameters stand for, when its text was not exported.
    fn encode_params(&self, media: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_vec()).unwrap_or_default();
        if let Some(boundary) = media.to_ascii_lowercase().starts_with(b"multipart/").then(|| boundary(media))
        {
            let quoted = |name: &str, value: &[u8]| [name.as_bytes(), b"=\"", value, b"\""].concat();
            for param in &self.params {
                out.extend([b"--", boundary, b"\r\nContent-Disposition: form-data; "].concat());
                out.extend(quoted("name", &param.name.0));
                if let Some(file) = &param.file_name {
                    out.extend([b"; ".to_vec(), quoted("filename", &file.0)].concat());
                }
                if let Some(media) = &param.content_type {
                    out.extend([b"\r\nContent-Type: ", &*media.0].concat());
                }
                out.extend([b"\r\n\r\n", &*text(&param.value), b"\r\n"].concat());
            }
            out.extend([b"--", boundary, b"--\r\n"].concat());
            return out;
        }
        for param in &self.params {
            if !out.is_empty() {
                out.push(b'&');
            }
            percent_encode(&param.name.0, &mut out);
            out.push(b'=');
            percent_encode(&text(&param.value), &mut out);
        }
        out
    }
}

fn boundary(media: &[u8]) -> &[u8] {
    let place = media.to_ascii_lowercase().windows(9).position(|window| window == b"boundary=");
    let value = place.and_then(|place| media.get(place + 9..)).unwrap_or(b"boundary");
    let value = value.split(|byte| *byte == b';').next().unwrap_or_default();
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Encodes what would end a name or value of a form; what the exporter left encoded stays.
pub(super) fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'&' => out.extend_from_slice(b"%26"),
            b'=' => out.extend_from_slice(b"%3D"),
            _ => out.push(*byte),
        }
    }
}

/// A string as bytes: exporters put lone surrogates and raw bytes into texts of binary bodies.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(bytes.to_vec())))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text.as_bytes())))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.as_bytes().to_vec())))
            }
        }
        json.deserialize_bytes(Read)
    }
}

/// A number, also when written as a string; anything else is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number(Option<f64>);

impl Number {
    /// A size; -1 is unknown.
    pub(super) fn size(self) -> Option<u64> {
        self.0.and_then(fields::to_integer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any<'a> {
            Number(f64),
            Text(#[serde(borrow)] Cow<'a, str>),
            Other(serde::de::IgnoredAny),
        }
        Ok(Self(match Any::deserialize(json)? {
            Any::Number(number) => Some(number),
            Any::Text(text) => text.trim().parse().ok(),
            Any::Other(_) => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Protocol;

    fn entry(request: &str, response: &str, more: &str) -> String {
        format!(
            r#"{{"startedDateTime":"2026-04-15T02:00:06.672+02:00","time":15.5,"request":{{"method":"POST","url":"https://jo:pw@api.example:8443/v3/pay?a=1#top","httpVersion":"h2",{request}}},"response":{{"status":201,"httpVersion":"HTTP/2.0",{response}}}{more}}}"#
        )
    }

    fn read(json: &str) -> Result<Transaction, BadReason> {
        let mut transaction = Transaction::default();
        parse(json.as_bytes(), 40, &mut transaction).map(|()| transaction)
    }

    #[test]
    fn an_entry_becomes_an_exchange() {
        let exchange = read(&entry(
            r#""headers":[{"name":":path","value":"/v3"},{"name":"X-A","value":"1\n2"}],"cookies":[{"name":"s","value":"1"},{"name":"t","value":"2"}],"bodySize":9,"postData":{"mimeType":"application/json","text":"{\"a\":\"é\"}"}"#,
            r#""headers":[],"cookies":[{"name":"u","value":"3"}],"content":{"size":5,"mimeType":"text/plain","text":"aGVsbG8=","encoding":"base64"},"bodySize":-1"#,
            r#","serverIPAddress":"[2001:db8::1]","timings":{"blocked":1,"dns":-1,"connect":2,"send":0.5,"wait":10.25,"receive":3}"#,
        ))
        .unwrap();
        assert_eq!(exchange.host().as_deref(), Some("api.example"));
        assert_eq!(exchange.logged_host.as_deref(), Some("api.example:8443"));
        assert_eq!(exchange.request.target.expose(), b"/v3/pay?a=1");
        assert!(exchange.tls);
        assert_eq!(exchange.protocol, Protocol::Http2);
        assert_eq!(exchange.server, Some("[2001:db8::1]:8443".parse().unwrap()));
        let names: Vec<_> =
            exchange.request.fields.iter().map(|(name, value)| (name, *value.expose())).collect();
        assert_eq!(
            names,
            [
                (&b"X-A"[..], &b"1"[..]),
                (b"X-A", b"2"),
                (b"Cookie", b"s=1; t=2"),
                (b"Content-Type", b"application/json"),
            ]
        );
        assert_eq!(exchange.request.body.bytes.expose(), "{\"a\":\"é\"}".as_bytes());
        assert_eq!((exchange.request.body.len, exchange.request.body.whole), (9, true));
        assert_eq!(exchange.response.body.bytes.expose(), b"hello");
        assert_eq!((exchange.response.body.len, exchange.response.body.whole), (5, true));
        assert_eq!(
            exchange.response.fields.get("set-cookie").map(|v| v.expose().to_vec()),
            Some(b"u=3".to_vec())
        );
        assert_eq!(exchange.completeness, Completeness::Complete);
        assert_eq!(exchange.latency_us, Some(10_250));
        assert_eq!(exchange.request.started.to_string(), "2026-04-15T00:00:06.672Z");
        assert_eq!(exchange.request.ended.to_string(), "2026-04-15T00:00:06.675500Z");
        assert_eq!(exchange.response.ended.to_string(), "2026-04-15T00:00:06.688750Z");
    }

    #[test]
    fn what_is_not_told_is_not_claimed() {
        for (request, response, completeness, lengths) in [
            (r#""bodySize":0"#, r#""content":{"size":7},"bodySize":5"#, Completeness::Logged, (0, 5)),
            (r#""bodySize":0"#, r#""content":{"size":0},"bodySize":0"#, Completeness::Complete, (0, 0)),
            (r#""bodySize":3"#, r#""content":{"size":0},"bodySize":0"#, Completeness::Logged, (3, 0)),
            (r#""bodySize":-1"#, r#""content":{"size":1,"text":"a"}"#, Completeness::Complete, (0, 1)),
            (r#""bodySize":0"#, r#""status":0"#, Completeness::RequestOnly, (0, 0)),
        ] {
            let mut json = entry(request, response, "");
            if completeness == Completeness::RequestOnly {
                json = json.replace(r#""status":201,"#, "");
            }
            let exchange = read(&json).unwrap();
            assert_eq!(exchange.completeness, completeness, "{request} {response}");
            assert_eq!(
                (exchange.request.body.len, exchange.response.body.len),
                lengths,
                "{request} {response}"
            );
        }
    }

    #[test]
    fn parameters_become_the_body_they_stand_for() {
        for (media, expected) in [
            ("application/x-www-form-urlencoded", "a=1+2&b="),
            (
                "multipart/form-data; boundary=X",
                "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1 2\r\n--X\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\r\n--X--\r\n",
            ),
        ] {
            let posted = PostData {
                mime_type: None,
                text: None,
                params: serde_json::from_str(r#"[{"name":"a","value":"1 2"},{"name":"b"}]"#).unwrap(),
                encoding: None,
            };
            assert_eq!(String::from_utf8(posted.encode_params(media.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn a_body_over_the_limit_is_cut_and_lone_surrogates_are_read() {
        let text = "x".repeat(41);
        let exchange =
            read(&entry(r#""headers":[]"#, &format!(r#""content":{{"size":41,"text":"{text}"}}"#), ""))
                .unwrap();
        assert_eq!((exchange.response.body.bytes.expose().len(), exchange.response.body.len), (40, 41));
        assert!(!exchange.response.body.whole && exchange.anomalies.contains(Anomaly::BodyOverLimit));
        assert!(read(&entry(r#""headers":[]"#, r#""content":{"size":3,"text":"\ud800"}"#, "")).is_ok());
    }

    #[test]
    fn entries_that_are_no_exchange_say_why() {
        for (json, reason) in [
            ("{}", BadReason::Json { column: 2 }),
            (
                r#"{"startedDateTime":"x","request":{"method":"GET","url":"data:text/plain,a"}}"#,
                BadReason::Url,
            ),
            (r#"{"request":{"method":"GET","url":"http://a/"}}"#, BadReason::Time),
            (r#"{"request":{"method":"G T","url":"http://a/"}}"#, BadReason::NoRequest),
        ] {
            assert_eq!(read(json).err(), Some(reason), "{json}");
        }
    }

    #[test]
    fn only_a_har_looks_like_one() {
        for (start, expected) in [
            (r#"{"log":{"version":"1.2","#, true),
            ("{\n \"log\" : {\n \"creator\" : {", true),
            (r#"{"log":"10.0.0.1 - -","stream":"stdout"}"#, false),
            (r#"{"log":{"level":"info"},"version":1}"#, false),
            (r#"{"version":"1.2"}"#, false),
            ("", false),
        ] {
            assert_eq!(looks_like(start.as_bytes()), expected, "{start}");
        }
    }
}
