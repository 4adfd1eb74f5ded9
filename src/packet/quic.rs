//! QUIC recognised by its long headers (RFC 8999 section 5.1): named, and not seen inside.

/// Whether a UDP datagram begins with the header that QUIC connections begin with.
///
/// Short headers show nothing that tells them from other traffic: the rest of a connection counts as UDP.
pub(super) fn is_quic(datagram: &[u8]) -> bool {
    let [first, version @ .., _, _] = datagram.get(..7).unwrap_or_default() else { return false };
    let Some(version) = version.first_chunk().copied().map(u32::from_be_bytes) else { return false };
    let known = match version {
        // Version negotiation; versions 1 and 2 (RFC 9000, RFC 9369); drafts that were deployed.
        0 | 1 | 0x6b33_43cf | 0xff00_001d..=0xff00_0022 => true,
        // Google's own, before the standard: Q043 to Q050.
        0x5130_3433..=0x5130_3530 => true,
        // Kept free so that peers learn to negotiate (RFC 9000 section 15).
        other => other & 0x0f0f_0f0f == 0x0a0a_0a0a,
    };
    // A long header; the fixed bit may be anything where versions are negotiated.
    let long = first & 0x80 != 0 && (first & 0x40 != 0 || version == 0);
    // Both connection ids have a length, of up to 20 bytes in all versions known.
    let ids = datagram.get(5..).and_then(|ids| {
        let (length, rest) = ids.split_first()?;
        let source = rest.get(usize::from(*length)..)?.first()?;
        Some(*length <= 20 && *source <= 20)
    });
    long && known && ids == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_headers_are_told_from_other_datagrams() {
        let header = |first: u8, version: u32, ids: &[u8]| {
            [&[first][..], &version.to_be_bytes(), ids, &[0; 9]].concat()
        };
        for (datagram, is) in [
            (header(0xc3, 1, &[2, 7, 7, 0]), true),
            (header(0xd0, 0x6b33_43cf, &[0, 0]), true),
            (header(0x80, 0, &[1, 9, 1, 9]), true),
            (header(0xc0, 0x1234_5678, &[0, 0]), false),
            (header(0xc0, 0x1a2a_3a4a, &[0, 0]), true),
            (header(0x40, 1, &[0, 0]), false),
            (header(0xc0, 1, &[33]), false),
            (vec![0xc0, 0, 0, 0, 1], false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_quic(&datagram), is, "{datagram:02x?}");
        }
    }
}
