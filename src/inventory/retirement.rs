//! What answers say of their own end: `Deprecation`, `Sunset`, and links to what comes after.

use super::facts::Retirement;
use crate::time::{Timestamp, parse_http_date};
use crate::transaction::Transaction;

/// Reads what an answer says of its own retirement.
pub(super) fn read(exchange: &Transaction, retirement: &mut Retirement) {
    for (name, value) in exchange.response.fields.iter() {
        match name.len() {
            11 if name.eq_ignore_ascii_case(b"deprecation") => {
                let value = value.expose().trim_ascii();
                if value.eq_ignore_ascii_case(b"false") || value.is_empty() {
                    continue;
                }
                retirement.deprecated_answers += 1;
                let since = match value.strip_prefix(b"@") {
                    // RFC 9745: a structured-field date.
                    Some(seconds) => std::str::from_utf8(seconds)
                        .ok()
                        .and_then(|text| text.parse::<i64>().ok())
                        .map(|seconds| Timestamp::from_secs(seconds, 0)),
                    // Its drafts: `true` or an HTTP date.
                    None => parse_http_date(value),
                };
                retirement.deprecated_since = retirement.deprecated_since.max(since);
            }
            6 if name.eq_ignore_ascii_case(b"sunset") => {
                let date = parse_http_date(value.expose());
                retirement.sunset = retirement.sunset.max(date);
            }
            4 if name.eq_ignore_ascii_case(b"link") => {
                relations(value.expose(), retirement);
            }
            _ => {}
        }
    }
}

/// Counts the relations of a `Link` (RFC 8288) that are about versions and ends.
fn relations(value: &[u8], retirement: &mut Retirement) {
    let mut rest = value;
    let (mut successor, mut latest, mut deprecation, mut sunset) = (false, false, false, false);
    // Parameters stand behind each target; what a target is called does not count.
    while let Some(end) = memchr::memchr(b'>', rest) {
        rest = rest.get(end + 1..).unwrap_or_default();
        let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        let parameters = rest.get(..length).unwrap_or_default();
        for parameter in parameters.split(|byte| *byte == b';') {
            let mut parts = parameter.splitn(2, |byte| *byte == b'=');
            let is_rel = parts.next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"rel"));
            let names = parts.next().filter(|_| is_rel).unwrap_or_default();
            for name in names.split(|byte| b" \t\",".contains(byte)) {
                successor |= name.eq_ignore_ascii_case(b"successor-version");
                latest |= name.eq_ignore_ascii_case(b"latest-version");
                deprecation |= name.eq_ignore_ascii_case(b"deprecation");
                sunset |= name.eq_ignore_ascii_case(b"sunset");
            }
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    retirement.successor_links += u64::from(successor);
    retirement.latest_links += u64::from(latest);
    retirement.deprecation_links += u64::from(deprecation);
    retirement.sunset_links += u64::from(sunset);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn related(value: &str) -> [u64; 4] {
        let mut retirement = Retirement::default();
        relations(value.as_bytes(), &mut retirement);
        let Retirement { successor_links, latest_links, deprecation_links, sunset_links, .. } = retirement;
        [successor_links, latest_links, deprecation_links, sunset_links]
    }

    #[test]
    fn relations_are_those_of_parameters_not_of_targets() {
        for (value, expected) in [
            ("</v2>; rel=\"successor-version\"", [1, 0, 0, 0]),
            ("</v2>; title=\"a\"; REL=Successor-Version", [1, 0, 0, 0]),
            ("</v2>; rel=\"latest-version successor-version\", </x>;rel=deprecation", [1, 1, 1, 0]),
            ("</a>; rel=next, <https://x.example/?a=1,2>; rel=\"sunset\"; type=\"text/html\"", [0, 0, 0, 1]),
            ("</successor-version?rel=sunset>; rel=next", [0, 0, 0, 0]),
            ("rel=sunset", [0, 0, 0, 0]),
            ("</a>; rel=sunset-policy", [0, 0, 0, 0]),
            ("</a>; rel=sunset, </b>; rel=sunset", [0, 0, 0, 1]),
        ] {
            assert_eq!(related(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_link_is_survived(value in prop::collection::vec(any::<u8>(), 0..200)) {
            relations(&value, &mut Retirement::default());
        }

        #[test]
        fn anything_like_a_link_is_survived(value in "[<>;=,\" a-z]{0,60}(rel=sunset)?") {
            related(&value);
        }
    }
}
