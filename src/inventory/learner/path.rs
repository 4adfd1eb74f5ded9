//! A request target as segments: what is spelt differently but means the same becomes the same.
//!
//! Query and fragment, the origin of an absolute target, `;parameters`, empty and `.` segments are
//! dropped; percent-encoded unreserved characters are decoded (RFC 3986, 6.2.2.2), `%2F` never is.

use std::borrow::Cow;

/// The path of a request target: no origin, no query, parameters or encoded unreserved characters.
pub(super) fn normalise(target: &[u8]) -> Cow<'_, [u8]> {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let mut path = target.get(..end).unwrap_or_default();
    if !path.starts_with(b"/")
        && let Some(at) = memchr::memmem::find(path, b"://").filter(|at| *at < 8)
    {
        let behind = path.get(at + 3..).unwrap_or_default();
        path = memchr::memchr(b'/', behind).and_then(|at| behind.get(at..)).unwrap_or_default();
    }
    if memchr::memchr2(b'%', b';', path).is_none() {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b';' => {
                let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
                rest = rest.get(end..).unwrap_or_default();
            }
            b'%' => match unreserved(rest) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = rest.get(2..).unwrap_or_default();
                }
                None => out.push(b'%'),
            },
            byte => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

/// The unreserved character that two hexadecimal digits stand for.
fn unreserved(digits: &[u8]) -> Option<u8> {
    let [a, b, ..] = digits else { return None };
    let value = char::from(*a).to_digit(16)? << 4 | char::from(*b).to_digit(16)?;
    let byte = u8::try_from(value).ok()?;
    (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).then_some(byte)
}

/// The segments of a normalised path.
pub(super) fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty() && *segment != b".")
}

/// Whether a path with a hostile segment counts as hostile: each hostile name but a few holds one of these bytes.
pub(super) fn may_be_hostile(path: &[u8]) -> bool {
    memchr::memchr3(b'.', b'%', b'-', path).is_some() || memchr::memchr2(b'$', b'<', path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_become_one() {
        for (target, expected) in [
            ("/a/b", "a b"),
            ("//a///b/", "a b"),
            ("/a/./b?x=1", "a b"),
            ("/a;v=1/b;jsessionid=0123#f", "a b"),
            ("/%61/b", "a b"),
            ("/a%2fb", "a%2fb"),
            ("http://host/a/b", "a b"),
            ("/a%", "a%"),
            ("*", "*"),
            ("", ""),
        ] {
            let path = normalise(target.as_bytes());
            let found: Vec<_> = segments(&path).map(|segment| String::from_utf8_lossy(segment)).collect();
            assert_eq!(found.join(" "), expected, "{target}");
        }
    }
}
