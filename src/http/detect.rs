//! Which protocol the front of a stream speaks.

/// What the first bytes of a direction, or of a segment, look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// An HTTP/1 request.
    Request,
    /// An HTTP/1 response.
    Response,
    /// The HTTP/2 connection preface (RFC 9113 section 3.4).
    Http2,
    /// The SETTINGS frame that an HTTP/2 server begins with, which may come before its client's preface.
    Http2Server,
    /// A TLS handshake record (RFC 8446 section 5.1).
    Tls,
    /// Too little to say: any of the above may follow.
    Unsure,
    /// Something else.
    Other,
}

const METHODS: [&[u8]; 20] = [
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"PURGE",
    b"QUERY",
];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest method that is believed of a connection's first bytes.
const MAX_METHOD: usize = 32;

/// Says what `bytes` look like the start of. Blank lines in front of a request are allowed (RFC 9112
/// section 2.2).
#[must_use]
pub fn detect(bytes: &[u8]) -> Looks {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = bytes.get(blank..).unwrap_or_default();
    match bytes {
        [] => return Looks::Unsure,
        [0x16] | [0x16, 0x03] => return Looks::Unsure,
        [0x16, 0x03, 0..=4, ..] => return Looks::Tls,
        [0, 0, settings @ ..] => return settings_frame(settings),
        [0] => return Looks::Unsure,
        _ => {}
    }
    if bytes.starts_with(b"HTTP/1.") {
        return Looks::Response;
    }
    if b"HTTP/1.".starts_with(bytes) {
        return Looks::Unsure;
    }
    if bytes.starts_with(b"PRI * HTTP/2.0") {
        return Looks::Http2;
    }
    if bytes.len() >= 4 && PREFACE.starts_with(bytes) {
        return Looks::Unsure;
    }
    let token = bytes.iter().take(MAX_METHOD + 1).take_while(|byte| is_token(**byte)).count();
    match bytes.get(token) {
        None if token == bytes.len() => Looks::Unsure,
        Some(b' ') if token > 0 => request_line(bytes, token),
        Some(_) | None => Looks::Other,
    }
}

/// Whether what follows two zero bytes is the rest of the head of a SETTINGS frame of usual length.
fn settings_frame(rest: &[u8]) -> Looks {
    match rest {
        [length, ..] if length % 6 != 0 => Looks::Other,
        [_, kind, ..] if *kind != 4 => Looks::Other,
        [_, _, zeros @ ..] if zeros.iter().take(5).any(|byte| *byte != 0) => Looks::Other,
        _ if rest.len() < 7 => Looks::Unsure,
        _ => Looks::Http2Server,
    }
}

/// Whether what follows the method reads like the rest of a request line.
fn request_line(bytes: &[u8], token: usize) -> Looks {
    let (method, rest) = bytes.split_at(token);
    let known = METHODS.contains(&method);
    let line = rest.get(1..).unwrap_or_default();
    match memchr::memchr(b'\n', line) {
        Some(end) => {
            let line = line.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            let bare = method == b"GET" && line.first() == Some(&b'/') && !line.contains(&b' ');
            if bare || version.starts_with(b"HTTP/1.") || known && version.starts_with(b"HTTP/") {
                Looks::Request
            } else {
                Looks::Other
            }
        }
        // A line that is not whole: believe a known method, or wait for the rest of a plausible one.
        None if known && matches!(line.first(), None | Some(b'/' | b'*' | b'h' | b'H' | 0x21..=0x7e)) => {
            Looks::Request
        }
        None if line.len() < 8_192
            && !line.iter().any(|byte| *byte < 0x20)
            && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-') =>
        {
            Looks::Unsure
        }
        None => Looks::Other,
    }
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_protocol() {
        for (bytes, looks) in [
            (&b"GET / HTTP/1.1\r\n"[..], Looks::Request),
            (b"\r\nPOST /a HTTP/1.0\r\n", Looks::Request),
            (b"BREW /pot HTTP/1.1\r\n", Looks::Request),
            (b"GE", Looks::Unsure),
            (b"GET /a", Looks::Request),
            (b"HTTP/1.1 200 OK\r\n", Looks::Response),
            (b"HTT", Looks::Unsure),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Looks::Http2),
            (b"\x16\x03\x01\x02\x00", Looks::Tls),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03", Looks::Http2Server),
            (b"\0\0\x12\x04\0\0", Looks::Unsure),
            (b"\0\0\x12\x04\x01\0\0\0\0", Looks::Other),
            (b"\0\0\0\x2a hello", Looks::Other),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Looks::Other),
            (b"\x00\x01\x02", Looks::Other),
            (b"EHLO mail.example\r\n", Looks::Other),
            (b"hello world\r\n", Looks::Other),
        ] {
            assert_eq!(detect(bytes), looks, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
