//! Logs whose first lines name their columns: W3C extended (IIS, CloudFront) and Zeek.
//!
//! `#Fields:` and `#fields` may come again with other columns, as they do when a log is rolled or files are laid end to
//! end; from there on they hold. W3C writes blanks within values as `+`, and date and time in UTC.

use super::BadReason;
use super::fields::{Scratch, Value};
use crate::transaction::Transaction;

/// What the lines so far said of those that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    names: Vec<Box<str>>,
    /// Between values; a blank where any run of blanks and tabs is.
    separator: u8,
    w3c: bool,
}

/// Whether a line is one of those that such logs begin with.
pub(super) fn is_directive(line: &[u8]) -> bool {
    line.starts_with(b"#")
}

/// Columns that a log may have.
const MAX_COLUMNS: usize = 256;

impl Columns {
    /// Whether the columns are known.
    pub(super) const fn known(&self) -> bool {
        !self.names.is_empty()
    }

    /// Reads a line without its end; `Ok(false)` when it is a directive, which tells of no exchange.
    pub(super) fn parse(
        &mut self,
        line: &[u8],
        scratch: &mut Scratch,
        into: &mut Transaction,
    ) -> Result<bool, BadReason> {
        if is_directive(line) {
            self.directive(line);
            return Ok(false);
        }
        if !self.known() {
            return Err(BadReason::NoColumns);
        }
        scratch.begin(into);
        let (mut date, mut time) = (&b""[..], &b""[..]);
        let mut decoded = Vec::new();
        let mut count = 0;
        for (name, value) in self.names.iter().zip(split(line, self.separator)) {
            count += 1;
            if value == b"(empty)" {
                continue;
            }
            match (&**name, self.w3c) {
                ("date", true) => date = value,
                ("time", true) => time = value,
                (name, w3c) => {
                    // W3C has `+` for a blank, but in what was sent as it is.
                    let plain =
                        !w3c || !value.contains(&b'+') || name.contains("query") || name.contains("uri");
                    let value = if plain {
                        value
                    } else {
                        decoded.clear();
                        decoded.extend(value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }));
                        &decoded
                    };
                    scratch.put(name, Value::Text(value), into);
                }
            }
        }
        if count < self.names.len().min(4) {
            return Err(BadReason::NoColumns);
        }
        if !date.is_empty() && !time.is_empty() {
            let instant = [date, b"T", time, b"Z"].concat();
            scratch.put("timestamp", Value::Text(&instant), into);
        }
        scratch.finish(into).map(|()| true)
    }

    fn directive(&mut self, line: &[u8]) {
        let Ok(text) = std::str::from_utf8(line) else { return };
        if let Some(names) = text.strip_prefix("#Fields:") {
            self.w3c = true;
            self.separator = if names.contains('\t') { b'\t' } else { b' ' };
            self.names =
                names.split_whitespace().take(MAX_COLUMNS).map(|name| w3c_name(name).into()).collect();
            // CloudFront names its columns with blanks between and separates values with tabs.
            if names.contains("x-edge-location") {
                self.separator = b'\t';
            }
        } else if let Some(separator) = text.strip_prefix("#separator") {
            let hex = separator.trim().strip_prefix("\\x").and_then(|hex| u8::from_str_radix(hex, 16).ok());
            self.separator = hex.unwrap_or(b'\t');
        } else if let Some(names) = text.strip_prefix("#fields") {
            self.w3c = false;
            if self.separator == 0 {
                self.separator = b'\t';
            }
            let separator = char::from(self.separator);
            let names = names.trim_start_matches(separator).split(separator);
            self.names = names.take(MAX_COLUMNS).map(Into::into).collect();
        }
    }
}

fn split(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    line.split(move |byte| *byte == separator)
}

/// The name known here of a W3C field (<https://www.w3.org/TR/WD-logfile>) and of those that IIS and CloudFront add.
fn w3c_name(name: &str) -> String {
    let header = |prefix: &str| {
        let inside = name.strip_prefix(prefix)?.strip_prefix('(')?.strip_suffix(')')?;
        Some(inside.replace('-', "_").to_ascii_lowercase())
    };
    if let Some(header) = header("cs") {
        return format!("http_{header}");
    }
    if let Some(header) = header("sc") {
        return format!("sent_http_{header}");
    }
    match name {
        "date" | "time" => name,
        "c-ip" => "remote_addr",
        "cs-method" => "request_method",
        "cs-uri-stem" => "path",
        "cs-uri" => "request_uri",
        "cs-uri-query" => "query_string",
        "cs-host" | "x-host-header" => "host",
        "cs-username" => "user",
        "cs-version" | "cs-protocol-version" => "server_protocol",
        "cs-protocol" => "scheme",
        "s-ip" => "server_addr",
        "s-port" => "server_port",
        "sc-status" => "status",
        "sc-bytes" => "bytes_sent",
        "cs-bytes" => "bytes_received",
        // IIS counts milliseconds in whole numbers, CloudFront seconds with a fraction.
        "time-taken" => "duration",
        "ssl-protocol" | "crypt-protocol" => "ssl_protocol",
        // A field that an administrator adds to IIS has the name they give it.
        name if name.eq_ignore_ascii_case("x-forwarded-for") => "x_forwarded_for",
        "sc-content-type" => "sent_http_content_type",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<Transaction> {
        let mut columns = Columns::default();
        let mut all = Vec::new();
        for line in lines {
            let mut exchange = Transaction::default();
            if columns.parse(line.as_bytes(), &mut Scratch::default(), &mut exchange).unwrap() {
                all.push(exchange);
            }
        }
        all
    }

    fn told(exchange: &Transaction) -> (String, String, u16, Option<u64>, String, String) {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let target = String::from_utf8_lossy(exchange.request.target.expose()).into_owned();
        let client = exchange.client.map(|(client, _)| client.to_string()).unwrap_or_default();
        (
            text(exchange.method()),
            target,
            exchange.response.status,
            exchange.latency_us,
            client,
            exchange.started().to_string(),
        )
    }

    #[test]
    fn iis_cloudfront_and_zeek_are_read_by_their_own_columns() {
        let expected = |latency| {
            let at = "2026-04-15T00:00:06Z";
            (
                "GET".to_owned(),
                "/v1/a?b=c+d".to_owned(),
                200,
                Some(latency),
                "192.0.2.7".to_owned(),
                at.to_owned(),
            )
        };
        let iis = read(&[
            "#Software: Microsoft Internet Information Services 10.0",
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status time-taken crypt-protocol X-Forwarded-For",
            "2026-04-15 00:00:06 10.0.0.1 GET /v1/a b=c+d 443 - 192.0.2.7 curl/8+(x) 200 15 400 198.51.100.9",
        ]);
        assert!(iis[0].tls);
        let forwarded = iis[0].request.fields.get("x-forwarded-for").map(|value| value.expose().to_vec());
        assert_eq!(forwarded.as_deref(), Some(&b"198.51.100.9"[..]));
        assert_eq!(told(&iis[0]), expected(15_000));
        let agent = iis[0].request.fields.get("user-agent").map(|value| value.expose().to_vec());
        assert_eq!(agent.as_deref(), Some(&b"curl/8 (x)"[..]));
        let cloudfront = read(&[
            "#Version: 1.0",
            "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs-uri-query time-taken",
            "2026-04-15\t00:00:06\tFRA2\t56\t192.0.2.7\tGET\td1.example\t/v1/a\t200\tb=c+d\t0.015",
        ]);
        assert_eq!(told(&cloudfront[0]), expected(15_000));
        let zeek = read(&[
            "#separator \\x09",
            "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tmethod\thost\turi\tuser_agent\trequest_body_len\tresponse_body_len\tstatus_code",
            "1776211206.000000\tC1\t192.0.2.7\t5000\t10.0.0.1\t80\tGET\tapi.example\t/v1/a?b=c+d\tcurl\t0\t56\t200",
        ]);
        let (method, target, status, _, client, at) = expected(0);
        assert_eq!(told(&zeek[0]), (method, target, status, None, client, at));
        assert_eq!((zeek[0].host().as_deref(), zeek[0].response.body.len), (Some("api.example"), 56));
        assert_eq!(zeek[0].server.map(|server| server.to_string()).as_deref(), Some("10.0.0.1:80"));
    }

    #[test]
    fn values_before_their_columns_are_refused() {
        let mut exchange = Transaction::default();
        let refused = Columns::default().parse(b"a b c", &mut Scratch::default(), &mut exchange);
        assert_eq!(refused, Err(BadReason::NoColumns));
    }
}
