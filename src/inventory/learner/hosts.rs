//! Which hosts are looked at together: those of one registrable domain serve one API more often than not.
//!
//! A host whose own name is not known, since it found no room or was not written, is known by the domain it is in.
//!
//! There is no public suffix list here: below a two-letter country, a short second level (`co.uk`,
//! `com.au`) counts as a suffix. Addresses in place of names form one family.

use super::saved::PSEUDONYM;
use super::store::MARKER;

/// Whether a host's own name is not known.
pub(in crate::inventory) fn is_hidden(host: &str) -> bool {
    host.starts_with([MARKER, PSEUDONYM])
}

/// The domain that a host whose own name is not known is in, with a dot in front; empty when that is not known either.
pub(in crate::inventory) fn hidden_domain(host: &str) -> &str {
    host.find('.').and_then(|at| host.get(at..)).filter(|_| is_hidden(host)).unwrap_or_default()
}

/// The domain above a host's first label, with a dot in front, when it is not above what is registered.
pub(in crate::inventory) fn domain(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let domain = host.find('.').and_then(|at| host.get(at..))?;
    (domain.len() > family(host).len() && domain.len() > 1).then_some(domain)
}

/// The family of a lower-case host without port.
pub(in crate::inventory) fn family(host: &str) -> &str {
    let host = if is_hidden(host) { hidden_domain(host).trim_start_matches('.') } else { host };
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
            ("\u{1}x.api.bank.example", "bank.example"),
            ("\u{1}x", ""),
        ] {
            assert_eq!(family(host), expected, "{host}");
        }
    }

    #[test]
    fn a_domain_is_above_the_first_label_and_no_registry() {
        for (host, expected) in [
            ("t1.api.bank.example", Some(".api.bank.example")),
            ("api.bank.example", Some(".bank.example")),
            ("bank.example", None),
            ("a.bank.co.uk", Some(".bank.co.uk")),
            ("bank.co.uk", None),
            ("localhost", None),
            ("10.1.2.3", None),
            ("[2001:db8::1]", None),
        ] {
            assert_eq!(domain(host), expected, "{host}");
        }
    }
}
