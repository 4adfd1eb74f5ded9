//! The PROXY protocol's header (HAProxy, versions 1 and 2): what a balancer that forwards bytes says of its client.
//!
//! It stands in front of everything else on a connection, TLS too. What it says is the word of whoever opened the
//! connection: whether that is believed is decided where proxies are known, see [`crate::caller`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first twelve bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const MAX_LINE: usize = 107;

/// That bytes are no PROXY header. They may be anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PROXY protocol header")]
pub struct NoHeader;

/// Who is behind a balancer, where it says so, and the bytes behind its header.
pub type Header<'a> = (Option<SocketAddr>, &'a [u8]);

/// Reads a header from the front of a connection's bytes.
///
/// `Ok(None)` asks for more bytes. A header without a client (`UNKNOWN`, `LOCAL`, a local socket) is one, too.
pub fn parse(input: &[u8]) -> Result<Option<Header<'_>>, NoHeader> {
    match input.first() {
        None => Ok(None),
        Some(b'P') => line(input),
        Some(b'\r') => binary(input),
        Some(_) => Err(NoHeader),
    }
}

/// Version 1: `PROXY TCP4 198.51.100.7 192.0.2.1 40001 443\r\n`.
fn line(input: &[u8]) -> Result<Option<Header<'_>>, NoHeader> {
    const WORD: &[u8] = b"PROXY ";
    if !input.starts_with(WORD) {
        return if WORD.starts_with(input) { Ok(None) } else { Err(NoHeader) };
    }
    let front = input.get(..MAX_LINE).unwrap_or(input);
    let Some(end) = memchr::memchr(b'\n', front) else {
        return if input.len() < MAX_LINE { Ok(None) } else { Err(NoHeader) };
    };
    let (line, rest) = input.split_at_checked(end + 1).ok_or(NoHeader)?;
    let line = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok()).ok_or(NoHeader)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or(NoHeader)?;
    if family == "UNKNOWN" {
        return Ok(Some((None, rest)));
    }
    let (Some(source), Some(target), Some(port), Some(target_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NoHeader);
    };
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| NoHeader);
    let port_of = |text: &str| text.parse::<u16>().map_err(|_| NoHeader);
    let (source, target) = (address(source)?, address(target)?);
    let agrees = match family {
        "TCP4" => source.is_ipv4() && target.is_ipv4(),
        "TCP6" => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    port_of(target_port)?;
    if agrees { Ok(Some((Some(SocketAddr::new(source, port_of(port)?)), rest))) } else { Err(NoHeader) }
}

/// Version 2: the signature, version and command, family, length, addresses, further fields.
fn binary(input: &[u8]) -> Result<Option<Header<'_>>, NoHeader> {
    let front = input.get(..SIGNATURE.len()).unwrap_or(input);
    if !SIGNATURE.starts_with(front) {
        return Err(NoHeader);
    }
    let Some((&[command, family, high, low], rest)) =
        input.get(SIGNATURE.len()..).and_then(<[u8]>::split_first_chunk)
    else {
        return Ok(None);
    };
    if !matches!(command, 0x20 | 0x21) {
        return Err(NoHeader);
    }
    let Some((addresses, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low]))) else {
        return Ok(None);
    };
    let source = match family {
        // LOCAL: the balancer itself, as it looks whether the server is there.
        _ if command == 0x20 => None,
        0x11 | 0x12 => {
            let whole: &[u8; 12] = addresses.first_chunk().ok_or(NoHeader)?;
            let source: [u8; 4] = *whole.first_chunk().ok_or(NoHeader)?;
            let &[high, low, _, _] = whole.last_chunk().ok_or(NoHeader)?;
            Some(SocketAddr::new(Ipv4Addr::from(source).into(), u16::from_be_bytes([high, low])))
        }
        0x21 | 0x22 => {
            let whole: &[u8; 36] = addresses.first_chunk().ok_or(NoHeader)?;
            let source: [u8; 16] = *whole.first_chunk().ok_or(NoHeader)?;
            let &[high, low, _, _] = whole.last_chunk().ok_or(NoHeader)?;
            Some(SocketAddr::new(Ipv6Addr::from(source).into(), u16::from_be_bytes([high, low])))
        }
        0x00 | 0x31 | 0x32 => None,
        _ => return Err(NoHeader),
    };
    Ok(Some((source, rest)))
}

/// Reads arbitrary bytes and asserts that a longer tail never changes what the front said.
pub fn fuzz(data: &[u8]) {
    let whole = parse(data);
    for end in 0..data.len() {
        let front = data.get(..end).unwrap_or_default();
        match (parse(front), whole) {
            (Ok(None), _) => {}
            (Err(NoHeader), whole) => assert_eq!(whole, Err(NoHeader), "refused at {end}"),
            (Ok(Some((source, rest))), whole) => {
                let (all, behind) = whole.expect("a header stays one").expect("and whole");
                assert_eq!((source, rest.len() + data.len() - end), (all, behind.len()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses, b"GET"].concat()
    }

    #[test]
    fn a_header_tells_the_client_and_leaves_the_rest() {
        let four = [198, 51, 100, 7, 192, 0, 2, 1, 0x9c, 0x41, 1, 187, 4, 0, 1, 9];
        let mut six = [0; 36];
        (six[0], six[1], six[2], six[3], six[15], six[33]) = (0x20, 1, 0x0d, 0xb8, 7, 80);
        for (bytes, source) in [
            (&b"PROXY TCP4 198.51.100.7 192.0.2.1 40001 443\r\nGET"[..], Some("198.51.100.7:40001")),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 443\r\nGET", Some("[2001:db8::7]:1")),
            (b"PROXY UNKNOWN\r\nGET", None),
            (b"PROXY UNKNOWN ffff:f::1 ffff:f::2 1 2\r\nGET", None),
            (&version_2(0x21, 0x11, &four), Some("198.51.100.7:40001")),
            (&version_2(0x21, 0x21, &six), Some("[2001:db8::7]:80")),
            (&version_2(0x20, 0x00, &[]), None),
            (&version_2(0x20, 0x11, &four), None),
            (&version_2(0x21, 0x31, &[0; 216]), None),
        ] {
            let (read, rest) = parse(bytes).unwrap().unwrap();
            assert_eq!(read.map(|source| source.to_string()).as_deref(), source);
            assert_eq!(rest, b"GET");
            fuzz(bytes);
        }
    }

    #[test]
    fn what_is_no_header_is_refused_and_what_may_become_one_waited_for() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROPFIND / HTTP/1.1",
            b"PRI * HTTP/2.0",
            b"\r\n\r\nGET",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nGET",
            &[b'P'; 200],
            &version_2(0x31, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 11]),
        ] {
            assert_eq!(parse(bytes), Err(NoHeader), "{bytes:?}");
        }
        for bytes in [&b""[..], b"P", b"PRO", b"PROXY TCP4 1.2", b"\r", b"\r\n\r\n\0\r\nQUIT\n\x21"] {
            assert_eq!(parse(bytes), Ok(None), "{bytes:?}");
        }
    }

    proptest! {
        /// Arbitrary bytes never panic, and how they are cut does not matter.
        #[test]
        fn arbitrary_bytes_are_survived(
            version in 0_u8..3, command in any::<u8>(), family in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            match version {
                0 => fuzz(&bytes),
                1 => fuzz(&[b"PROXY ".as_slice(), &bytes].concat()),
                _ => {
                    fuzz(&version_2(command, family, &bytes));
                    fuzz(&version_2(0x21, family & 0x33, &bytes));
                }
            }
        }
    }
}
