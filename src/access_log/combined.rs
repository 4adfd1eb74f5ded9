//! The combined and common log formats of nginx and Apache.
//!
//! ```text
//! [vhost:port ]address identity user [time] "request" status size[ "referer" "user agent"[ more…]]
//! ```
//!
//! What stands behind is read where it explains itself: `name=value`, a decimal number (nginx's request
//! time in seconds), and a quoted list of addresses (`X-Forwarded-For`).

use super::BadReason;
use super::fields::{Scratch, Value, Word, address, digits, leading_number, split_at_byte};
use super::instant;
use crate::short;
use crate::transaction::Transaction;
use std::borrow::Cow;

/// Reads a line without its end.
pub(super) fn parse(line: &[u8], scratch: &mut Scratch, into: &mut Transaction) -> Result<(), BadReason> {
    match plain(line, scratch, into) {
        Some(()) => scratch.rest(into),
        None => any(line, scratch, into),
    }
}

/// Bytes of `15/Apr/2026:00:00:06 +0000`.
const MOMENT: usize = 26;

/// Reads a line as nearly all are: nothing escaped, one blank between tokens, nobody logged in, a request in origin form,
/// and nothing behind that has a name. `None` for any other, of which nothing may be kept.
fn plain(line: &[u8], scratch: &mut Scratch, into: &mut Transaction) -> Option<()> {
    let (client, rest) = Scratch::first_word(line)?;
    let rest = rest.strip_prefix(b"- - [")?;
    let (time, rest) = match rest.split_at_checked(MOMENT) {
        Some((time, [b']', rest @ ..])) => (time, rest),
        Some(_) | None => split_at_byte(rest, b']')?,
    };
    let (request, behind) = quoted(rest.strip_prefix(b" ")?)?;
    let ([b' ', status @ .., b' '], rest) = behind.split_first_chunk::<5>()? else { return None };
    let status = digits(status).and_then(|status| u16::try_from(status).ok()).filter(|status| *status > 0)?;
    let (bytes, rest) = match rest {
        [b'-', behind @ ..] => (0, behind),
        _ => leading_number(rest)?,
    };
    let mut rest = if rest.is_empty() { rest } else { rest.strip_prefix(b" ")? };
    if let Word::Text(client) = client
        && (client.is_empty() || client.iter().any(|byte| matches!(byte, b'"' | b'[' | b'\t' | b'\\')))
    {
        return None;
    }
    scratch.begin(into);
    if !scratch.moment(time) || !Scratch::plain_request(request, into) {
        return None;
    }
    into.response.status = status;
    into.response.body.len = bytes;
    match client {
        Word::Address(address) => scratch.client_at(address, 2, into),
        Word::Text(client) => scratch.client(client, 2, into),
    }
    for name in [&b"Referer"[..], b"User-Agent"] {
        if rest.is_empty() {
            break;
        }
        let (text, behind) = match rest {
            [b'"', b'-', b'"', behind @ ..] => (&b"-"[..], behind),
            _ => quoted(rest)?,
        };
        if !matches!(text, b"" | b"-") {
            into.request.fields.push(name, text);
        }
        rest = match behind.split_first() {
            None => b"",
            Some((b' ', behind)) => behind,
            Some(_) => return None,
        };
    }
    if rest.is_empty() {
        return Some(());
    }
    // nginx's request time, as many append it.
    if !rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    extra(rest, scratch, into);
    Some(())
}

/// Cuts a text that begins with a quote at the next, as long as no backslash comes before.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'"', inside @ ..] = text else { return None };
    let (text, behind) = inside.split_at_checked(short::either(inside, b'"', b'\\')?)?;
    Some((text, behind.strip_prefix(b"\"")?))
}

/// Reads a line of any kind that the format allows.
fn any(line: &[u8], scratch: &mut Scratch, into: &mut Transaction) -> Result<(), BadReason> {
    scratch.begin(into);
    let refused = BadReason::NotCombined;
    let mut rest = Rest(line);
    let mut front = [&b""[..]; 4];
    let mut held = 0;
    let time = loop {
        match rest.next().ok_or(refused)? {
            Token::Bracketed(text) => break text,
            Token::Bare(text) | Token::Quoted(text) => {
                *front.get_mut(held).ok_or(refused)? = text;
                held += 1;
            }
        }
    };
    let [first, second, _, fourth] = front;
    let (vhost, client, user) = match held {
        3 => (None, first, front[2]),
        4 => (Some(first), second, fourth),
        _ => return Err(refused),
    };
    if instant::common_log(time).is_none() && instant::iso_8601(time).is_none() {
        return Err(BadReason::NotCombined);
    }
    let (Some(Token::Quoted(request)), Some(Token::Bare(status)), Some(Token::Bare(size))) =
        (rest.next(), rest.next(), rest.next())
    else {
        return Err(refused);
    };
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) {
        return Err(refused);
    }
    scratch.put("time", Value::Text(time), into);
    scratch.put("status", Value::Text(status), into);
    scratch.put("body_bytes_sent", Value::Text(size), into);
    scratch.put("client", Value::Text(client), into);
    scratch.put("user", Value::Text(&unescape(user)), into);
    scratch.put("request", Value::Text(non_empty(&unescape(request))), into);
    if let Some(vhost) = vhost {
        scratch.put("vhost", Value::Text(vhost), into);
    }
    let mut quoted = ["referer", "user_agent"].into_iter();
    while let Some(token) = rest.next() {
        match token {
            Token::Quoted(text) => {
                let text = unescape(text);
                match quoted.next() {
                    Some(name) => scratch.put(name, Value::Text(&text), into),
                    None if text.split(|byte| *byte == b',').all(|part| address(part).is_some()) => {
                        scratch.put("x_forwarded_for", Value::Text(&text), into);
                    }
                    None => {}
                }
            }
            Token::Bare(text) => extra(text, scratch, into),
            Token::Bracketed(_) => {}
        }
    }
    scratch.finish(into)
}

/// An empty request is one that the server could not read, as `-` is.
fn non_empty(request: &[u8]) -> &[u8] {
    if matches!(request, b"" | b"-") { b"(none)" } else { request }
}

fn extra(text: &[u8], scratch: &mut Scratch, into: &mut Transaction) {
    if let Some((name, value)) = split_at_byte(text, b'=') {
        let Ok(name) = std::str::from_utf8(name) else { return };
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        scratch.put(name, Value::Text(&unescape(value)), into);
    } else if text.contains(&b'.') && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        scratch.put("request_time", Value::Text(text), into);
    }
}

enum Token<'a> {
    Bare(&'a [u8]),
    Quoted(&'a [u8]),
    Bracketed(&'a [u8]),
}

/// What is left of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The next token; quotes and brackets are off, escapes still on. `None` at the end or when a quote or
    /// bracket does not close.
    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.0.trim_ascii_start();
        match text.split_first()? {
            (b'"', inside) => {
                let end = closing_quote(inside)?;
                self.0 = inside.get(end + 1..)?;
                inside.get(..end).map(Token::Quoted)
            }
            (b'[', inside) => {
                let end = memchr::memchr(b']', inside)?;
                self.0 = inside.get(end + 1..)?;
                inside.get(..end).map(Token::Bracketed)
            }
            _ => {
                let mut end = text.iter().position(|byte| matches!(byte, b' ' | b'"')).unwrap_or(text.len());
                // `urt="0.001, 0.002"` is one token.
                if text.get(end) == Some(&b'"') && text.get(..end)?.ends_with(b"=") {
                    end += 2 + closing_quote(text.get(end + 1..)?)?;
                }
                let (token, rest) = text.split_at_checked(end)?;
                self.0 = rest;
                Some(Token::Bare(token))
            }
        }
    }
}

pub(super) fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// Undoes `\xHH`, `\"`, `\\` and the letters of C.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let Some((escaped, tail)) = tail.split_first().filter(|_| *byte == b'\\') else {
            out.push(*byte);
            continue;
        };
        rest = tail;
        let hexadecimal = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit.to_le_bytes()[0]);
        let number = match tail {
            [high, low, ..] if *escaped == b'x' => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        if let Some((high, low)) = number {
            out.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
            continue;
        }
        out.push(match escaped {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            other => *other,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{Completeness, Protocol};
    use proptest::{prop_assert_eq, proptest};

    fn read(line: &str) -> Result<Transaction, BadReason> {
        let mut transaction = Transaction::default();
        parse(line.as_bytes(), &mut Scratch::default(), &mut transaction).map(|()| transaction)
    }

    #[test]
    fn a_combined_line_becomes_an_exchange() {
        let line = r#"203.0.113.9 - - [15/Apr/2026:00:00:06 +0000] "POST /v3/pay?a=1 HTTP/2.0" 201 56 "https://a/\x22b" "curl/8.7.1" "198.51.100.1, 10.0.0.1" rt=0.015 urt="0.001, 0.002" host="api.example""#;
        let exchange = read(line).unwrap();
        assert_eq!(exchange.method(), Some("POST"));
        assert_eq!(*exchange.path().expose(), b"/v3/pay");
        assert_eq!(exchange.query().map(|query| query.expose().to_vec()), Some(b"a=1".to_vec()));
        assert_eq!(exchange.host().as_deref(), Some("api.example"));
        assert_eq!((exchange.response.status, exchange.response.body.len), (201, 56));
        assert_eq!(exchange.protocol, Protocol::Http2);
        assert_eq!(exchange.client, Some(("203.0.113.9".parse().unwrap(), None)));
        assert_eq!(exchange.latency_us, Some(15_000));
        assert_eq!(exchange.completeness, Completeness::Logged);
        assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06Z");
        for (name, value) in [
            ("referer", "https://a/\"b"),
            ("user-agent", "curl/8.7.1"),
            ("x-forwarded-for", "198.51.100.1, 10.0.0.1"),
        ] {
            let field = exchange.request.fields.get(name).map(|value| value.expose().to_vec());
            assert_eq!(field.as_deref(), Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn apache_common_and_virtual_host_lines_are_read() {
        let common = read(r#"::1 - jo [15/Apr/2026:02:00:06 +0200] "GET /a HTTP/1.0" 304 -"#).unwrap();
        assert_eq!((common.response.status, common.response.body.len), (304, 0));
        let authorization = common.request.fields.get("authorization").map(|value| value.expose().to_vec());
        assert_eq!(authorization.as_deref(), Some(&b"Basic am86"[..]));
        let virtual_host =
            read(r#"a.example:443 ::1 - - [15/Apr/2026:02:00:06 +0200] "GET /a HTTP/1.0" 200 5 "-" "-""#);
        assert_eq!(virtual_host.unwrap().host().as_deref(), Some("a.example"));
    }

    #[test]
    fn a_request_that_the_server_could_not_read_is_an_answer_alone() {
        for request in ["-", "", r"\x16\x03\x01", "EHLO a"] {
            let line = format!(r#"10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] "{request}" 400 150 "-" "-""#);
            let exchange = read(&line).unwrap();
            assert_eq!(exchange.completeness, Completeness::ResponseOnly, "{request}");
            assert_eq!(exchange.method(), None);
        }
    }

    /// Everything that a line came to by one of the ways to read it.
    fn outcome(
        read: impl Fn(&[u8], &mut Scratch, &mut Transaction) -> Option<Result<(), BadReason>>,
        line: &str,
    ) -> Option<Result<u64, BadReason>> {
        let mut exchange = Transaction::default();
        let read = read(line.as_bytes(), &mut Scratch::default(), &mut exchange)?;
        Some(read.map(|()| super::super::fingerprint(&exchange)))
    }

    proptest! {
        /// What is read as nearly all lines are comes to what any line of its kind comes to.
        #[test]
        fn a_plain_line_is_read_as_any(
            client in "10\\.0\\.(0|1|25)[0-9]?\\.[0-9]{1,3}|::1|a\\.example|[a\"\\\\]{0,3}",
            request in "(GET|POST|PATCH) /[a-c?=&%\"\\\\ ]{0,20} HTTP/(1\\.[01]|2\\.0)|-|",
            status in "[0-9]{2,4}",
            size in "[0-9]{1,20}|-|-5|5x",
            referer in "-|https://a/[a\"\\\\]{0,3}|",
            agent in "-|curl/8[ a-z;\"\\\\]{0,40}|",
            behind in "| 0\\.015| rt=0\\.015| \"-\"|x",
        ) {
            let line = format!(
                "{client} - - [15/Apr/2026:00:00:06 +0000] \"{request}\" {status} {size} \"{referer}\" \"{agent}\"{behind}"
            );
            let by_plain = outcome(|line, scratch, into| {
                plain(line, scratch, into).map(|()| scratch.rest(into))
            }, &line);
            if let Some(by_plain) = by_plain {
                let by_any = outcome(|line, scratch, into| Some(any(line, scratch, into)), &line);
                prop_assert_eq!(Some(by_plain), by_any, "{}", line);
            }
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "10.0.0.1 - -",
            "2026/04/15 00:00:06 [error] 7#7: *1 open() failed",
            r#"10.0.0.1 - - [today] "GET /a HTTP/1.1" 200 5"#,
            r#"10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] "GET /a HTTP/1.1" OK 5"#,
            r#"10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] "GET /a HTTP/1.1 200 5"#,
        ] {
            assert_eq!(read(line).err(), Some(BadReason::NotCombined), "{line}");
        }
    }
}
