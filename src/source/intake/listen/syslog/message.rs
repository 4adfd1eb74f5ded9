//! One syslog message: which of its bytes are the log line.
//!
//! Read are RFC 5424 and what RFC 3164 found in use: a priority, perhaps a time (as BSD wrote it, or as ISO 8601, which
//! rsyslog and HAProxy send), perhaps a host, perhaps a tag with its colon. A message whose header is not understood is
//! handed on as it is: whoever reads the line counts it as one that cannot be read.

use super::super::lines::trimmed;

/// What stands before UTF-8 text in RFC 5424 section 6.4.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What marks JSON for readers of Common Event Expression.
const COOKIE: &[u8] = b"@cee:";
/// The longest tag, with room for names of containers and paths.
const MAX_TAG: usize = 128;
/// The longest host name (RFC 1035).
const MAX_HOST: usize = 255;

/// The message part (MSG) without the space around it: a log line, or nothing.
pub(super) fn text(message: &[u8]) -> &[u8] {
    let message = trimmed(message);
    let Some(rest) = behind_priority(message) else { return clean(message) };
    match behind_version(rest) {
        Some(header) => behind_header(header).map_or(message, clean),
        None => clean(behind_classic(rest)),
    }
}

fn clean(text: &[u8]) -> &[u8] {
    let text = trimmed(text);
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    trimmed(text.strip_prefix(COOKIE).unwrap_or(text))
}

/// `<PRI>`: 0 to 191.
fn behind_priority(message: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = digits(message.strip_prefix(b"<")?);
    let number: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    rest.strip_prefix(b">").filter(|_| number <= 191)
}

/// The version and its space. A classic message without time may begin with a number too, so what follows must be a
/// time of RFC 5424.
fn behind_version(rest: &[u8]) -> Option<&[u8]> {
    let (version, rest) = digits(rest);
    let rest = rest.strip_prefix(b" ").filter(|_| (1..=3).contains(&version.len()))?;
    (rest.starts_with(b"- ") || behind_iso_time(rest).is_some()).then_some(rest)
}

/// TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID and STRUCTURED-DATA (RFC 5424 section 6).
fn behind_header(mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..5 {
        let (_, behind) = word(rest)?;
        rest = behind;
    }
    let rest = behind_data(rest)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b" ") }
}

fn behind_data(data: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = data.strip_prefix(b"-") {
        return Some(rest);
    }
    let mut rest = data;
    while let Some(inside) = rest.strip_prefix(b"[") {
        rest = behind_element(inside)?;
    }
    (rest.len() < data.len()).then_some(rest)
}

/// Up to the bracket that closes the element: one inside a value stands behind a backslash or between quotes.
fn behind_element(inside: &[u8]) -> Option<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inside.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return inside.get(at + 1..),
            _ => {}
        }
    }
    None
}

/// Time, host and tag, each where there is one (RFC 3164 section 4.1).
fn behind_classic(rest: &[u8]) -> &[u8] {
    let stamped = behind_bsd_time(rest).or_else(|| behind_iso_time(rest));
    let rest = stamped.unwrap_or(rest);
    // HAProxy sends no host by default.
    if let Some(text) = behind_tag(rest) {
        return text;
    }
    match word(rest) {
        Some((host, behind)) if stamped.is_some() && is_host(host) => behind_tag(behind).unwrap_or(behind),
        _ => rest,
    }
}

/// `Oct  1 22:14:15 `, with a year or a fraction of the second where there is one.
fn behind_bsd_time(rest: &[u8]) -> Option<&[u8]> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let (month, rest) = rest.split_first_chunk::<3>()?;
    let rest = rest.strip_prefix(b" ").filter(|_| MONTHS.contains(&month))?;
    let (day, rest) = digits(rest.strip_prefix(b" ").unwrap_or(rest));
    let mut rest = rest.strip_prefix(b" ").filter(|_| (1..=2).contains(&day.len()))?;
    if let ([_, _, _, _], behind) = digits(rest) {
        rest = behind.strip_prefix(b" ")?;
    }
    let (time, behind) = word(rest)?;
    let (clock, fraction) = time.split_at_checked(8)?;
    let is_fraction = fraction.is_empty() || fraction.starts_with(b".");
    (is_clock(clock) && is_fraction).then_some(behind)
}

/// `2026-11-26T23:40:00.123+01:00 `
fn behind_iso_time(rest: &[u8]) -> Option<&[u8]> {
    let (time, behind) = word(rest)?;
    let (date, clock) = time.split_at_checked(10)?;
    let clock = clock.strip_prefix(b"T").or_else(|| clock.strip_prefix(b"t"))?;
    let is_date = date
        .iter()
        .enumerate()
        .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    let (clock, zone) = clock.split_at_checked(8)?;
    let is_zone = zone.len() <= 24
        && zone
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b':' | b'Z' | b'z'));
    (is_date && is_clock(clock) && is_zone).then_some(behind)
}

/// `22:14:15`
fn is_clock(text: &[u8]) -> bool {
    text.len() == 8
        && text
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 2 || at == 5 { *byte == b':' } else { byte.is_ascii_digit() })
}

/// `nginx: `, `haproxy[17]: `: a name, perhaps a number in brackets, and what ends it. An address is none, whatever
/// colons stand in it.
fn behind_tag(rest: &[u8]) -> Option<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let length = rest.iter().take(MAX_TAG + 1).take_while(|byte| is_name(byte)).count();
    let (name, behind) = rest.split_at_checked(length)?;
    if length > MAX_TAG || !name.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    if let Some(inside) = behind.strip_prefix(b"[") {
        let front = inside.get(..inside.len().min(MAX_TAG))?;
        let behind = inside.get(memchr::memchr(b']', front)? + 1..)?;
        return behind.strip_prefix(b":").or_else(|| behind.starts_with(b" ").then_some(behind));
    }
    let behind = behind.strip_prefix(b":")?;
    behind.first().is_none_or(|byte| matches!(byte, b' ' | b'{')).then_some(behind)
}

fn is_host(word: &[u8]) -> bool {
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'%' | b'/');
    (1..=MAX_HOST).contains(&word.len()) && word.iter().all(is_part)
}

/// The text before the first space, and what is behind it.
fn word(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, behind) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
    (!word.is_empty()).then_some((word, behind.get(1..).unwrap_or_default()))
}

/// The digits in front, and what is behind them.
fn digits(rest: &[u8]) -> (&[u8], &[u8]) {
    rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Reads any bytes; the text is always a part of the message.
#[cfg(test)]
pub(super) fn fuzz(data: &[u8]) {
    let text = text(data);
    assert!(
        data.windows(text.len().max(1)).any(|part| part == text) || text.is_empty(),
        "a part of the message"
    );
    assert_eq!(text, trimmed(text), "no space around it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_is_found_behind_every_header() {
        const LINE: &str = "10.0.0.1 - - [26/Nov/2026:23:40:00 +0000] \"GET /a: HTTP/1.1\" 200 5";
        for header in [
            // RFC 5424.
            "<165>1 2026-11-26T23:40:00.003Z host app - ID47 - ",
            "<165>1 2026-11-26T23:40:00.003Z host app - ID47 - \u{feff}",
            "<165>1 - - - - - - ",
            "<165>1 2026-11-26T23:40:00+01:00 h a 17 - [x@1 iut=\"3\" q=\"a\\\"]b\\\\\"][y@1] ",
            // With what rsyslog leaves of a classic message before its text.
            "<165>1 2026-11-26T23:40:00.003Z host nginx - - -  ",
            // nginx.
            "<190>Nov 26 23:40:00 gateway nginx: ",
            "<190>Nov  6 23:40:00 gateway nginx: ",
            "<190>Nov 6 23:40:00 nginx: ",
            // HAProxy: local, rfc3164, priority, timed.
            "<134>Nov 26 23:40:00 haproxy[17]: ",
            "<134>Nov 26 23:40:00 lb1 haproxy[17]: ",
            "<6>",
            "<6>2026-11-26T23:40:00.123456+00:00 haproxy[17]: ",
            // rsyslog's forwarding format, and a host that is an address.
            "<133>2026-11-26T23:40:00.123456+00:00 web-1.example nginx-access: ",
            "<133>Nov 26 23:40:00 2001:db8::7 nginx: ",
            "<133>Nov 26 2026 23:40:00.123 web-1 /usr/sbin/nginx[9] ",
            "<133>Nov 26 23:40:00 web-1 ",
            "<133>nginx: ",
            "",
        ] {
            for end in ["", "\n", "\0", "\r\n", " "] {
                let message = format!("{header}{LINE}{end}");
                assert_eq!(String::from_utf8_lossy(text(message.as_bytes())), LINE, "{header}{end:?}");
            }
        }
    }

    #[test]
    fn json_and_addresses_are_no_tags() {
        for (message, expected) in [
            ("<13>Nov 26 23:40:00 web {\"a\": \"b\"}", "{\"a\": \"b\"}"),
            ("<13>Nov 26 23:40:00 {\"a\": \"b\"}", "{\"a\": \"b\"}"),
            ("<13>Nov 26 23:40:00 web kong:{\"a\":1}", "{\"a\":1}"),
            ("<13>Nov 26 23:40:00 web kong: @cee: {\"a\":1}", "{\"a\":1}"),
            ("<13>2001:db8:: - - [x]", "2001:db8:: - - [x]"),
            ("<13>Nov 26 23:40:00 web shop.example:443 10.0.0.1 - -", "shop.example:443 10.0.0.1 - -"),
            ("<13>Nov 26 23:40:00 web nginx:", ""),
            ("<13>1 2026-11-26T23:40:00Z h a - - -", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(text(message.as_bytes())), expected, "{message}");
        }
    }

    #[test]
    fn what_is_not_understood_is_handed_on_whole() {
        for message in [
            "<165>1 2026-11-26T23:40:00Z host app - ID47 [open text",
            "<165>1 2026-11-26T23:40:00Z host app",
            "<192>Nov 26 23:40:00 web nginx: x",
            "<1234>x",
            "<>x",
        ] {
            assert_eq!(text(message.as_bytes()), message.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&data);
        }

        #[test]
        fn anything_like_a_header_is_taken(
            data in "(<[0-9]{1,3}>)?([0-9]{0,2} )?(Nov [ 0-9]{1,2} 2[0-9]:00:00|2026-11-26T00:00:00Z|-)? ?[a-z\\[\\]:\" \\\\-]{0,40}"
        ) {
            fuzz(data.as_bytes());
        }
    }
}
