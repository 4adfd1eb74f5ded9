//! Which hosts are looked at together: those of one registrable domain serve one API more often than not.
//!
//! There is no public suffix list here: below a two-letter country, a short second level (`co.uk`,
//! `com.au`) counts as a suffix. Addresses in place of names form one family.

/// The family of a lower-case host without port.
pub(super) fn family(host: &str) -> &str {
    if host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return "";
    }
    let host = host.trim_end_matches('.');
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(top), Some(second)) = (dots.next(), dots.next()) else {
        return host;
    };
    let country = host.len() - top == 3 && top - second <= 4;
    let start = if country { dots.next().map_or(0, |at| at + 1) } else { second + 1 };
    host.get(start..).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_domain_are_one_family() {
        for (host, expected) in [
            ("api.bank.example", "bank.example"),
            ("bank.example", "bank.example"),
            ("a.b.bank.co.uk", "bank.co.uk"),
            ("bank.co.uk", "bank.co.uk"),
            ("localhost", "localhost"),
            ("10.1.2.3", ""),
            ("[2001:db8::1]", ""),
            ("", ""),
        ] {
            assert_eq!(family(host), expected, "{host}");
        }
    }
}
