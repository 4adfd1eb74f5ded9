//! Base64 (RFC 4648) as HAR bodies need it: up to a limit, with white space, in either alphabet, cut or not;
//! what an ordinary decoder refuses whole.

/// Decodes into `out` until `limit` bytes are there; white space is skipped, both alphabets are read and
/// padding ends it. Returns whether all of the text was read and was Base64.
pub(super) fn decode(text: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut bits = 0_u32;
    let mut held = 0;
    for byte in text {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return false,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            if out.len() - start == limit {
                return false;
            }
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    true
}

/// The length that [`decode`] would give without a limit.
pub(super) fn decoded_len(text: &[u8]) -> usize {
    text.iter().filter(|byte| !matches!(byte, b'=' | b' ' | b'\t' | b'\r' | b'\n')).count() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    #[test]
    fn foreign_characters_and_limits_are_told() {
        let mut out = Vec::new();
        assert!(decode(b"aGk-\n_w==", 9, &mut out));
        assert_eq!(out, b"hi>\xff");
        assert!(!decode(b"aG*k", 9, &mut out));
        out.clear();
        assert!(!decode(b"aGVsbG8=", 3, &mut out));
        assert_eq!(out, b"hel");
    }

    proptest! {
        /// Decoding is the inverse of encoding, and its length is known before.
        #[test]
        fn base64_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let (text, mut back) = (STANDARD.encode(&bytes).into_bytes(), Vec::new());
            prop_assert!(decode(&text, bytes.len(), &mut back));
            prop_assert_eq!(decoded_len(&text), bytes.len());
            prop_assert_eq!(back, bytes);
        }
    }
}
