//! Content codings undone, with a cap on what comes out.
//!
//! This is the one place that decompresses. A stranger chose the bytes: output stops at the cap whatever
//! the ratio, a cut body gives what its front holds, and window sizes are bounded.

#![expect(clippy::disallowed_types, reason = "this is the capped decompressor")]

use flate2::{Decompress, FlushDecompress, Status};
use std::io::Read;

/// Codings applied one over the other that are undone.
const MAX_CODINGS: usize = 3;
/// Largest zstd window: 2^23 bytes, what RFC 9659 lets browsers expect.
const ZSTD_WINDOW_LOG: u32 = 23;

/// What came of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// All of the content is there.
    Whole,
    /// The front of it is: the cap was reached or the input ended early.
    Front,
    /// The bytes are not in the coding that was stated.
    Damaged,
    /// The coding is not known.
    Unknown,
}

/// Decodes contents, with buffers that are used again.
pub struct ContentDecoder {
    raw: Decompress,
    wrapped: Decompress,
    spare: Vec<u8>,
}

impl std::fmt::Debug for ContentDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentDecoder")
    }
}

impl Default for ContentDecoder {
    fn default() -> Self {
        Self { raw: Decompress::new(false), wrapped: Decompress::new(true), spare: Vec::new() }
    }
}

impl ContentDecoder {
    /// Undoes the codings of a `Content-Encoding` value in place. At most `cap` bytes come out; after
    /// [`Decoded::Damaged`] and [`Decoded::Unknown`], `content` holds what could be read.
    pub fn decode(&mut self, encoding: &[u8], content: &mut Vec<u8>, cap: usize) -> Decoded {
        let mut outcome = Decoded::Whole;
        let codings =
            encoding.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
        let codings: Vec<_> = codings.collect();
        if codings.len() > MAX_CODINGS {
            return Decoded::Unknown;
        }
        for coding in codings.into_iter().rev() {
            if coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let mut out = std::mem::take(&mut self.spare);
            out.clear();
            let step = if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
                self.gzip(content, &mut out, cap)
            } else if coding.eq_ignore_ascii_case(b"deflate") {
                self.deflate(content, &mut out, cap)
            } else if coding.eq_ignore_ascii_case(b"br") {
                pull(brotli::Decompressor::new(content.as_slice(), 4_096), &mut out, cap)
            } else if coding.eq_ignore_ascii_case(b"zstd") {
                match zstd::stream::read::Decoder::new(content.as_slice()) {
                    Ok(mut decoder) => match decoder.window_log_max(ZSTD_WINDOW_LOG) {
                        Ok(()) => pull(decoder, &mut out, cap),
                        Err(_) => Decoded::Damaged,
                    },
                    Err(_) => Decoded::Damaged,
                }
            } else {
                self.spare = out;
                return Decoded::Unknown;
            };
            std::mem::swap(content, &mut out);
            self.spare = out;
            match step {
                Decoded::Whole => {}
                Decoded::Front => outcome = Decoded::Front,
                Decoded::Damaged | Decoded::Unknown => return step,
            }
        }
        outcome
    }

    fn gzip(&mut self, input: &[u8], out: &mut Vec<u8>, cap: usize) -> Decoded {
        let Some(mut rest) = behind_gzip_header(input) else { return Decoded::Damaged };
        loop {
            self.raw.reset(false);
            let (decoded, behind) = inflate(&mut self.raw, rest, out, cap);
            // Behind the checksum and the length another member may stand (RFC 1952 section 2.2).
            let next = behind.get(8..).and_then(behind_gzip_header);
            match (decoded, next) {
                (Decoded::Whole, Some(next)) => rest = next,
                (decoded, _) => return decoded,
            }
        }
    }

    /// `deflate` means zlib (RFC 9110 section 8.4.1.2), but some servers send it bare.
    fn deflate(&mut self, input: &[u8], out: &mut Vec<u8>, cap: usize) -> Decoded {
        self.wrapped.reset(true);
        match inflate(&mut self.wrapped, input, out, cap) {
            (Decoded::Damaged, _) if out.is_empty() => {
                self.raw.reset(false);
                inflate(&mut self.raw, input, out, cap).0
            }
            (decoded, _) => decoded,
        }
    }
}

/// Undoes one direction of permessage-deflate (RFC 7692), or any bare deflate stream that comes in pieces.
pub struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflater")
    }
}

/// What came of some bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflated {
    /// More may follow.
    Going,
    /// The bytes are not deflated.
    Damaged,
    /// More would come out than is allowed.
    TooMuch,
}

impl Inflater {
    /// Forgets what came before.
    pub fn reset(&mut self) {
        self.0.reset(false);
    }

    /// Inflates the next bytes. What comes out is kept in `out` up to `cap` bytes; `most` may come out. Returns how much
    /// did.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>, cap: usize, most: u64) -> (Inflated, u64) {
        let mut produced = 0;
        let mut piece = [0; 4_096];
        loop {
            let (taken, made) = (self.0.total_in(), self.0.total_out());
            let status = self.0.decompress(input, &mut piece, FlushDecompress::Sync);
            let taken = usize::try_from(self.0.total_in() - taken).unwrap_or(usize::MAX);
            let made = self.0.total_out() - made;
            input = input.get(taken..).unwrap_or_default();
            produced += made;
            let fresh = piece.get(..usize::try_from(made).unwrap_or(usize::MAX)).unwrap_or_default();
            let is_all = input.is_empty() && fresh.len() < piece.len();
            let room = cap.saturating_sub(out.len());
            out.extend_from_slice(fresh.get(..room).unwrap_or(fresh));
            match status {
                Err(_) => return (Inflated::Damaged, produced),
                _ if produced > most => return (Inflated::TooMuch, produced),
                // Senders may end the stream with a message; what follows is another (RFC 7692 section 7.2.3.4).
                Ok(Status::StreamEnd) => self.reset(),
                // Output that does not fill the piece was all there is.
                Ok(Status::Ok | Status::BufError) if is_all => return (Inflated::Going, produced),
                Ok(Status::Ok | Status::BufError) if taken == 0 && made == 0 => {
                    return (Inflated::Damaged, produced);
                }
                Ok(Status::Ok | Status::BufError) => {}
            }
        }
    }
}

/// Reads from a decoder up to `cap` bytes.
fn pull(decoder: impl Read, out: &mut Vec<u8>, cap: usize) -> Decoded {
    let limit = u64::try_from(cap).unwrap_or(u64::MAX);
    match decoder.take(limit).read_to_end(out) {
        Ok(_) if out.len() < cap => Decoded::Whole,
        Ok(_) => Decoded::Front,
        // A cut input ends in an error too; what was read until then stands.
        Err(_) if out.is_empty() => Decoded::Damaged,
        Err(_) => Decoded::Front,
    }
}

/// Inflates one stream, and returns what is behind it.
fn inflate<'i>(
    state: &mut Decompress,
    mut input: &'i [u8],
    out: &mut Vec<u8>,
    cap: usize,
) -> (Decoded, &'i [u8]) {
    loop {
        if out.len() >= cap {
            return (Decoded::Front, input);
        }
        if out.len() == out.capacity() {
            out.reserve((input.len() * 4).max(4_096).min(cap - out.len()));
        }
        let (consumed, produced) = (state.total_in(), out.len());
        let status = state.decompress_vec(input, out, FlushDecompress::None);
        let consumed = usize::try_from(state.total_in() - consumed).unwrap_or(usize::MAX);
        input = input.get(consumed..).unwrap_or_default();
        out.truncate(cap);
        match status {
            Ok(Status::StreamEnd) => return (Decoded::Whole, input),
            Ok(Status::Ok | Status::BufError)
                if consumed == 0 && out.len() == produced && out.len() < out.capacity() =>
            {
                let whole = out.is_empty() && input.is_empty();
                return (if whole { Decoded::Whole } else { Decoded::Front }, input);
            }
            Ok(Status::Ok | Status::BufError) => {}
            Err(_) => return (Decoded::Damaged, input),
        }
    }
}

/// Skips the member header (RFC 1952 section 2.3).
fn behind_gzip_header(input: &[u8]) -> Option<&[u8]> {
    let (&[0x1f, 0x8b, 8, flags, ..], mut rest) = input.split_first_chunk::<10>()? else { return None };
    if flags & 4 != 0 {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = memchr::memchr(0, rest)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Feeds any bytes through every coding; the invariant is the cap.
pub fn fuzz(data: &[u8]) {
    let mut decoder = ContentDecoder::default();
    for coding in [&b"gzip"[..], b"deflate", b"br", b"zstd", b"gzip, br", b"x"] {
        let mut content = data.to_vec();
        decoder.decode(coding, &mut content, 1_000);
        assert!(content.len() <= data.len().max(1_000), "the cap holds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8], wrapped: bool) -> Vec<u8> {
        if wrapped {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }

    fn brotli_of(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4_096, 5, 20).write_all(bytes).unwrap();
        out
    }

    #[test]
    fn every_coding_is_undone_up_to_the_cap() {
        let text = b"{\"a\":1}".repeat(500);
        let zstd = zstd::stream::encode_all(text.as_slice(), 3).unwrap();
        let mut decoder = ContentDecoder::default();
        for (coding, bytes) in [
            ("gzip", gzip(&text)),
            ("GZIP", gzip(&text)),
            ("deflate", zlib(&text, true)),
            ("deflate", zlib(&text, false)),
            ("br", brotli_of(&text)),
            ("zstd", zstd),
            ("br, gzip", gzip(&brotli_of(&text))),
            ("gzip", [gzip(&text[..700]), gzip(b""), gzip(&text[700..])].concat()),
            ("identity", text.clone()),
        ] {
            let mut content = bytes.clone();
            assert_eq!(decoder.decode(coding.as_bytes(), &mut content, 10_000), Decoded::Whole, "{coding}");
            assert_eq!(content, text, "{coding}");
            if coding == "identity" {
                continue;
            }
            let mut content = bytes;
            assert_eq!(decoder.decode(coding.as_bytes(), &mut content, 100), Decoded::Front, "{coding}");
            assert_eq!(content, text[..100], "{coding}");
        }
    }

    #[test]
    fn a_cut_body_gives_its_front() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let mut content = gzip(&text);
        content.truncate(content.len() / 2);
        assert_eq!(ContentDecoder::default().decode(b"gzip", &mut content, 1 << 20), Decoded::Front);
        assert!(content.len() > 1_000 && text.starts_with(&content));
    }

    #[test]
    fn what_is_not_in_its_coding_is_damaged() {
        let mut content = b"plain text".to_vec();
        assert_eq!(ContentDecoder::default().decode(b"gzip", &mut content, 100), Decoded::Damaged);
        let mut content = b"plain text".to_vec();
        assert_eq!(ContentDecoder::default().decode(b"compress", &mut content, 100), Decoded::Unknown);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }

        #[test]
        fn damaged_bodies_are_taken(at in 0_usize..60, with in any::<u8>()) {
            let mut data = gzip(b"some text, some text, some more text");
            if let Some(byte) = data.get_mut(at) {
                *byte = with;
            }
            fuzz(&data);
        }
    }
}
