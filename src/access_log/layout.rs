//! Lines of text laid out as a format string says: that of nginx, Apache, Envoy or HAProxy.
//!
//! A format is compiled into what is constant and the fields between. A field ends where the constant behind it
//! begins; between quotes, where the quote closes. Fields get the names that [`super::names`] knows, whatever
//! the server calls them; one without a meaning is passed over.

use super::BadReason;
use super::combined::{closing_quote, unescape};
use super::fields::{Scratch, Value};
use super::instant;
use crate::transaction::Transaction;

/// A compiled format. See the module's doc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pieces: Vec<Piece>,
    /// Which of them is the time.
    time: Option<usize>,
}

/// Names that tell the time.
const TIMES: [&str; 5] = ["time_local", "time_iso8601", "time", "msec", "timestamp"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Constant(Box<[u8]>),
    /// A field by the name that is known here; empty for one that is passed over.
    Field(Box<str>),
}

/// Why a format string is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFormat {
    /// Nothing in it names a field.
    #[error("names no field: nginx writes `$status`, Apache `%>s`, Envoy `%RESPONSE_CODE%`, HAProxy `%ST`")]
    NoField,
    /// Nothing tells where one field ends and the next begins.
    #[error("the fields `{first}` and `{second}` follow each other with nothing between")]
    Adjacent {
        /// A field.
        first: String,
        /// The one behind it.
        second: String,
    },
    /// It does not tell what makes an exchange.
    #[error("lacks {what}: without it a line tells of no exchange")]
    Lacks {
        /// What is missing.
        what: &'static str,
    },
    /// Something opens and does not close.
    #[error("`{opened}` at column {column} does not close")]
    Open {
        /// What opens.
        opened: &'static str,
        /// Where, from 1.
        column: usize,
    },
}

/// Who writes such format strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Nginx,
    Apache,
    Envoy,
    HaProxy,
}

fn dialect(format: &str) -> Dialect {
    let any = |marks: &[&str]| marks.iter().any(|mark| format.contains(mark));
    // No exchange can be told without one of these.
    if any(&["%REQ(", "%RESPONSE_CODE%", "%START_TIME"]) {
        Dialect::Envoy
    } else if any(&["%ci", "%ST", "%HM", "%HU", "%TR", "%[", "%{+Q}"]) {
        Dialect::HaProxy
    } else if format.contains('%') && !format.contains('$') {
        Dialect::Apache
    } else {
        Dialect::Nginx
    }
}

impl Layout {
    /// Compiles a format string as it stands in the server's configuration.
    pub(super) fn compile(format: &str) -> Result<Self, BadFormat> {
        let pieces = match dialect(format) {
            Dialect::Nginx => nginx(format)?,
            Dialect::Apache => percent(format, apache)?,
            Dialect::Envoy => envoy(format)?,
            Dialect::HaProxy => percent(format, haproxy)?,
        };
        Self::of(pieces)
    }

    fn of(pieces: Vec<Piece>) -> Result<Self, BadFormat> {
        let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Constant(before)), Piece::Constant(more)) => {
                    *before = [&before[..], &more[..]].concat().into();
                }
                (Some(Piece::Field(first)), Piece::Field(second)) => {
                    return Err(BadFormat::Adjacent { first: first.to_string(), second: second.to_string() });
                }
                (_, piece) => joined.push(piece),
            }
        }
        let named = |names: &[&str]| {
            joined.iter().any(|piece| matches!(piece, Piece::Field(name) if names.contains(&&**name)))
        };
        if !joined.iter().any(|piece| matches!(piece, Piece::Field(_))) {
            return Err(BadFormat::NoField);
        }
        let target = ["uri", "request_uri", "url", "path"];
        if !(named(&["request"]) || named(&["request_method", "method"]) && named(&target)) {
            return Err(BadFormat::Lacks { what: "the request, or its method and path" });
        }
        if !named(&["status"]) {
            return Err(BadFormat::Lacks { what: "the status of the answer" });
        }
        if !named(&TIMES) {
            return Err(BadFormat::Lacks { what: "the time" });
        }
        let time =
            joined.iter().position(|piece| matches!(piece, Piece::Field(name) if TIMES.contains(&&**name)));
        Ok(Self { pieces: joined, time })
    }

    /// How many fields it names.
    pub(super) fn fields(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Field(name) if !name.is_empty())).count()
    }

    /// Reads a line without its end. What follows the last piece is passed over.
    pub(super) fn parse(
        &self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<(), BadReason> {
        scratch.begin(into);
        let mut rest = line;
        let mut quoted = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Constant(text) => {
                    rest = rest.strip_prefix(&**text).ok_or(BadReason::NotAsLaidOut { piece: at + 1 })?;
                    quoted = text.ends_with(b"\"");
                }
                Piece::Field(name) => {
                    let behind = match self.pieces.get(at + 1) {
                        Some(Piece::Constant(text)) => &text[..],
                        Some(Piece::Field(_)) | None => b"",
                    };
                    let end = if behind.is_empty() {
                        Some(rest.len())
                    } else if quoted && behind.starts_with(b"\"") {
                        closing_quote(rest)
                    } else {
                        // A time may hold the blank that ends other fields.
                        let skipped = if self.time == Some(at) { instant::blanks_until(rest) } else { 0 };
                        let found = rest.get(skipped..).and_then(|rest| memchr::memmem::find(rest, behind));
                        found.map(|end| skipped + end)
                    };
                    let (value, tail) = end
                        .and_then(|end| rest.split_at_checked(end))
                        .ok_or(BadReason::NotAsLaidOut { piece: at + 1 })?;
                    // A quote opens a value of its own: this line has other fields.
                    if !quoted && !behind.is_empty() && value.contains(&b'"') {
                        return Err(BadReason::NotAsLaidOut { piece: at + 1 });
                    }
                    rest = tail;
                    if !name.is_empty() {
                        let value = if quoted { unescape(value) } else { value.into() };
                        scratch.put(name, Value::Text(&value), into);
                    }
                }
            }
        }
        scratch.finish(into)?;
        // A line of another layout may fit by accident, but for its status.
        if into.response.status == 0 { Err(BadReason::NotAsLaidOut { piece: 0 }) } else { Ok(()) }
    }
}

fn constant(text: &str) -> Piece {
    Piece::Constant(text.as_bytes().into())
}

fn field(name: impl Into<Box<str>>) -> Piece {
    Piece::Field(name.into())
}

/// `$name` and `${name}`; `$$` has no meaning to nginx.
fn nginx(format: &str) -> Result<Vec<Piece>, BadFormat> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('$') {
        let (before, tail) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(constant(before));
        }
        let tail = tail.get(1..).unwrap_or_default();
        let (name, behind) = if let Some(braced) = tail.strip_prefix('{') {
            let column = format.len() - rest.len() + at + 1;
            braced.split_once('}').ok_or(BadFormat::Open { opened: "${", column })?
        } else {
            let end = tail
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(tail.len());
            tail.split_at(end)
        };
        pieces.push(field(if name == "_" { "" } else { name }));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(constant(rest));
    }
    Ok(pieces)
}

/// `%…` with an optional argument in braces or brackets, as Apache and HAProxy have it. `name_of` is given the
/// argument and the letters.
fn percent(format: &str, name_of: fn(&str, &str) -> (usize, String)) -> Result<Vec<Piece>, BadFormat> {
    // The configuration escapes the quotes within its own.
    let format = format.replace("\\\"", "\"");
    let mut pieces = Vec::new();
    let mut rest = format.as_str();
    while let Some(at) = rest.find('%') {
        let (before, tail) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(constant(before));
        }
        let column = format.len() - rest.len() + at + 1;
        let mut tail = tail.get(1..).unwrap_or_default();
        if let Some(behind) = tail.strip_prefix('%') {
            pieces.push(constant("%"));
            rest = behind;
            continue;
        }
        // `%>s`, `%<s`, `%!200,304s`: which of several, and when.
        tail = tail.trim_start_matches(|letter: char| "<>!,".contains(letter) || letter.is_ascii_digit());
        let mut argument = "";
        if let Some(braced) = tail.strip_prefix('{') {
            (argument, tail) = braced.split_once('}').ok_or(BadFormat::Open { opened: "%{", column })?;
        } else if let Some(bracketed) = tail.strip_prefix('[') {
            let (expression, behind) =
                bracketed.split_once(']').ok_or(BadFormat::Open { opened: "%[", column })?;
            pieces.push(field(sample(expression)));
            rest = behind;
            continue;
        }
        // HAProxy quotes a value that its flags ask to be quoted.
        let quotes = argument == "+Q";
        let (length, name) = name_of(if quotes { "" } else { argument }, tail);
        if quotes {
            pieces.push(constant("\""));
        }
        // Some variables bring their own brackets.
        match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(inside) => pieces.extend([constant("["), field(inside), constant("]")]),
            None => pieces.push(field(name)),
        }
        if quotes {
            pieces.push(constant("\""));
        }
        rest = tail.get(length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(constant(rest));
    }
    Ok(pieces)
}

/// A HAProxy sample expression, as far as it names a header or a part of the request.
fn sample(expression: &str) -> String {
    let (name, rest) = expression.split_once('(').unwrap_or((expression, ""));
    let argument = rest.split([')', ',']).next().unwrap_or_default();
    match name.rsplit('.').next().unwrap_or_default() {
        "hdr" | "fhdr" | "hdr_beg" if name.contains("res") => format!("sent_http_{argument}"),
        "hdr" | "fhdr" if !argument.is_empty() => format!("http_{argument}"),
        "ssl_c_s_dn" if argument.eq_ignore_ascii_case("cn") => "ssl_client_s_dn_cn".to_owned(),
        "ssl_c_s_dn" => "ssl_client_s_dn".to_owned(),
        name @ ("ssl_c_serial" | "ssl_c_verify") => name.to_owned(),
        "ssl_fc_protocol" => "ssl_protocol".to_owned(),
        "method" => "request_method".to_owned(),
        "path" => "path".to_owned(),
        "query" => "query_string".to_owned(),
        _ => String::new(),
    }
}

/// An Apache directive (`mod_log_config`): how many letters it has, and the name known here.
fn apache(argument: &str, letters: &str) -> (usize, String) {
    let letter = letters.chars().next().unwrap_or(' ');
    let name = match (letter, argument) {
        ('h' | 'a', _) => "remote_addr",
        ('u', _) => "user",
        ('t', "" | "%d/%b/%Y:%H:%M:%S %z") => "time_local",
        ('t', "sec" | "msec" | "usec" | "msec_frac" | "begin:msec" | "begin:usec" | "begin:sec") => "msec",
        ('t', _) => "time",
        ('r', _) => "request",
        ('s', _) => "status",
        ('b' | 'B', _) => "body_bytes_sent",
        ('O', _) => "bytes_sent",
        ('I', _) => "bytes_received",
        ('D', _) => "duration_us",
        ('T', "ms") => "duration_ms",
        ('T', "us") => "duration_us",
        ('T', _) => "request_time",
        ('v' | 'V', _) => "vhost",
        ('m', _) => "request_method",
        ('U', _) => "path",
        ('q', _) => "query_string",
        ('H', _) => "server_protocol",
        ('p', _) => "server_port",
        ('A', _) => "server_addr",
        ('i', header) => return (1, format!("http_{}", header.replace('-', "_").to_ascii_lowercase())),
        ('o', header) => return (1, format!("sent_http_{}", header.replace('-', "_").to_ascii_lowercase())),
        ('L', _) | ('e', "UNIQUE_ID") => "unique_id",
        ('x', "SSL_PROTOCOL") => "ssl_protocol",
        ('x', "SSL_CLIENT_S_DN") => "ssl_client_s_dn",
        ('x', "SSL_CLIENT_S_DN_CN") => "ssl_client_s_dn_cn",
        ('x', "SSL_CLIENT_M_SERIAL") => "ssl_client_serial",
        ('x', "SSL_CLIENT_VERIFY") => "ssl_client_verify",
        ('x', "SSL_CLIENT_CERT") => "ssl_client_cert",
        _ => "",
    };
    let time = letter == 't' && argument.is_empty();
    // Apache puts its own brackets around `%t`.
    (letter.len_utf8(), if time { "[time_local]".to_owned() } else { name.to_owned() })
}

/// A HAProxy variable.
fn haproxy(_: &str, letters: &str) -> (usize, String) {
    const KNOWN: [(&str, &str); 31] = [
        ("ID", "unique_id"),
        ("ci", "remote_addr"),
        ("cp", ""),
        ("tr", "time_local"),
        ("trg", "time_local"),
        ("trl", "time_local"),
        ("t", "time_local"),
        ("T", "time_local"),
        ("Tl", "time_local"),
        ("Ts", "msec"),
        ("HM", "request_method"),
        ("HU", "request_uri"),
        ("HP", "path"),
        ("HPO", "path"),
        ("HQ", "query_string"),
        ("HV", "server_protocol"),
        ("r", "request"),
        ("ST", "status"),
        ("B", "bytes_sent"),
        ("U", "bytes_received"),
        ("Ta", "duration_ms"),
        ("Tt", "duration_ms"),
        ("Tr", ""),
        ("si", "server_addr"),
        ("sp", "server_port"),
        ("sslv", "ssl_protocol"),
        ("sslc", ""),
        ("CC", ""),
        ("CS", ""),
        ("hr", ""),
        ("hs", ""),
    ];
    let end = letters
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(letters.len());
    let word = letters.get(..end).unwrap_or_default();
    let known = KNOWN.iter().find(|(known, _)| *known == word);
    (end, known.map_or("", |(_, name)| *name).to_owned())
}

/// `%OPERATOR(ARGUMENT):LENGTH%`.
fn envoy(format: &str) -> Result<Vec<Piece>, BadFormat> {
    let mut pieces = Vec::new();
    let mut rest = format.trim_end_matches("\\n");
    while let Some(at) = rest.find('%') {
        let (before, tail) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(constant(before));
        }
        let column = format.len() - rest.len() + at + 1;
        let tail = tail.get(1..).unwrap_or_default();
        let (operator, behind) = tail.split_once('%').ok_or(BadFormat::Open { opened: "%", column })?;
        pieces.push(field(operator_name(operator)));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(constant(rest));
    }
    Ok(pieces)
}

fn operator_name(operator: &str) -> String {
    let (operator, argument) = operator.split_once('(').unwrap_or((operator, ""));
    let argument = argument.split(')').next().unwrap_or_default();
    // `X-ENVOY-ORIGINAL-PATH?:PATH`: the first that is there.
    let header = argument.split('?').next().unwrap_or_default().to_ascii_lowercase();
    match (operator, header.as_str()) {
        ("START_TIME", _) => "time",
        ("PROTOCOL", _) => "server_protocol",
        ("RESPONSE_CODE", _) => "status",
        ("BYTES_RECEIVED", _) => "bytes_received",
        ("BYTES_SENT", _) => "body_bytes_sent",
        ("DURATION", _) => "duration_ms",
        ("REQ", ":method") => "request_method",
        ("REQ", ":path" | "x-envoy-original-path") => "request_uri",
        ("REQ", ":authority") => "authority",
        ("REQ", ":scheme") => "scheme",
        ("REQ", "x-forwarded-for") => "x_forwarded_for",
        ("REQ", header) => return format!("http_{}", header.replace('-', "_")),
        ("RESP", header) => return format!("sent_http_{}", header.replace('-', "_")),
        ("DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", _) => "remote_addr",
        ("DOWNSTREAM_LOCAL_ADDRESS", _) => "server_addr",
        ("DOWNSTREAM_TLS_VERSION", _) => "tls_version",
        ("DOWNSTREAM_PEER_SUBJECT", _) => "ssl_client_s_dn",
        ("DOWNSTREAM_PEER_CERT", _) => "ssl_client_cert",
        ("DOWNSTREAM_PEER_URI_SAN", _) => "downstream_peer_uri_san",
        ("DOWNSTREAM_PEER_FINGERPRINT_256", _) => "ssl_client_fingerprint",
        ("DOWNSTREAM_PEER_SERIAL", _) => "ssl_client_serial",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, line: &str) -> Result<Transaction, BadReason> {
        let mut exchange = Transaction::default();
        let layout = Layout::compile(format).unwrap();
        layout.parse(line.as_bytes(), &mut Scratch::default(), &mut exchange).map(|()| exchange)
    }

    #[test]
    fn a_line_is_read_as_its_server_was_told_to_write_it() {
        for (format, line) in [
            (
                r#"$remote_addr [$time_iso8601] "$request_method $request_uri" $status $body_bytes_sent ${request_time}s host=$host "$http_x_fapi_interaction_id""#,
                r#"192.0.2.7 [2026-04-15T02:00:06+02:00] "POST /v3/pay?a=%22" 201 56 0.015s host=api.example "a\x22b""#,
            ),
            (
                r#"%v %h %l %u %t \"%r\" %>s %b \"%{X-FAPI-Interaction-ID}i\" %D"#,
                r#"api.example 192.0.2.7 - - [15/Apr/2026:00:00:06 +0000] "POST /v3/pay?a=%22 HTTP/1.1" 201 56 "a\"b" 15000"#,
            ),
            (
                r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(X-FAPI-INTERACTION-ID)%" "%REQ(:AUTHORITY)%" %DOWNSTREAM_REMOTE_ADDRESS%"#,
                r#"[2026-04-15T00:00:06.000Z] "POST /v3/pay?a=%22 HTTP/2" 201 - 0 56 15 "ab" "api.example" 192.0.2.7:5000"#,
            ),
            (
                r#"%ci:%cp [%tr] %ft %ST %B %Ta "%HM %HU %HV" %[capture.req.hdr(0)] %[req.hdr(host)]"#,
                r#"192.0.2.7:5000 [15/Apr/2026:00:00:06.000] front 201 56 15 "POST /v3/pay?a=%22 HTTP/1.1" x api.example"#,
            ),
        ] {
            let exchange = read(format, line).unwrap();
            assert_eq!(exchange.method(), Some("POST"), "{format}");
            assert_eq!(*exchange.path().expose(), b"/v3/pay", "{format}");
            assert_eq!(exchange.host().as_deref(), Some("api.example"), "{format}");
            assert_eq!((exchange.response.status, exchange.response.body.len), (201, 56), "{format}");
            assert_eq!(exchange.client.map(|(client, _)| client.to_string()).as_deref(), Some("192.0.2.7"));
            assert_eq!(exchange.latency_us, Some(15_000), "{format}");
            assert_eq!(exchange.started().to_string(), "2026-04-15T00:00:06Z", "{format}");
        }
    }

    #[test]
    fn what_the_server_knows_of_the_certificate_is_no_header() {
        for (format, line, tls) in [
            (
                r#"$proxy_protocol_addr [$time_iso8601] "$request" $status "$ssl_client_s_dn" $ssl_client_verify"#,
                r#"192.0.2.7 [2026-04-15T02:00:06Z] "GET /a HTTP/1.1" 200 "CN=tpp,O=A\\, B" SUCCESS"#,
                true,
            ),
            (
                r#"%h %t \"%r\" %>s \"%{SSL_CLIENT_S_DN}x\" %{SSL_CLIENT_VERIFY}x"#,
                r#"192.0.2.7 [15/Apr/2026:00:00:06 +0000] "GET /a HTTP/1.1" 200 "CN=tpp,O=A\\, B" SUCCESS"#,
                true,
            ),
            (
                r#"%ci:%cp [%tr] %ST "%HM %HU %HV" %[ssl_c_verify] "%[ssl_c_s_dn]""#,
                r#"192.0.2.7:5000 [15/Apr/2026:00:00:06.000] 200 "GET /a HTTP/1.1" 0 "CN=tpp,O=A\\, B""#,
                true,
            ),
            (
                r#"$remote_addr [$time_iso8601] "$request" $status "$http_ssl_client_s_dn""#,
                r#"192.0.2.7 [2026-04-15T02:00:06Z] "GET /a HTTP/1.1" 200 "CN=tpp,O=A\\, B""#,
                false,
            ),
        ] {
            let exchange = read(format, line).unwrap();
            let own = exchange.told.get("ssl-client-s-dn").map(|name| name.expose().to_vec());
            assert_eq!(
                (own.as_deref(), exchange.tls),
                (tls.then_some(&b"CN=tpp,O=A\\, B"[..]), tls),
                "{format}"
            );
            assert_eq!(exchange.client.map(|(client, _)| client.to_string()).as_deref(), Some("192.0.2.7"));
        }
    }

    #[test]
    fn a_line_of_another_layout_is_refused_with_the_piece_that_does_not_fit() {
        let format = r#"$remote_addr [$time_local] "$request" $status"#;
        for (line, piece) in [
            ("192.0.2.7", 1),
            ("192.0.2.7 [15/Apr/2026:00:00:06 +0000] - 200", 3),
            (r#"192.0.2.7 [15/Apr/2026:00:00:06 +0000] "GET / HTTP/1.1" OK"#, 0),
        ] {
            assert_eq!(read(format, line).err(), Some(BadReason::NotAsLaidOut { piece }), "{line}");
        }
    }

    #[test]
    fn a_format_that_tells_of_no_exchange_is_refused_with_what_it_lacks() {
        for (format, told) in [
            ("hello", "names no field"),
            ("$remote_addr$request", "follow each other"),
            ("$request $time_local", "lacks the status"),
            ("$status $time_local $request_method", "lacks the request"),
            ("%r %>s", "lacks the time"),
            ("${status", "does not close"),
        ] {
            let refused = Layout::compile(format).unwrap_err().to_string();
            assert!(refused.contains(told), "{format}: {refused}");
        }
    }
}
