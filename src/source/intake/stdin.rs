//! Standard input as a log: what another program writes into a pipe, compressed or not.
//!
//! Nothing of it can be read again: what was handed on and not saved when the sensor is killed is lost with it.

use super::{Content, Hand, UNIT_BYTES, Way};
use crate::access_log::{DETECT_BYTES, LogFormat};
use crate::source::open;
use std::io::{self, ErrorKind, Read};

/// Standard input.
#[derive(Clone, Copy, Debug)]
pub struct Stdin;

impl Way for Stdin {
    fn run(self: Box<Self>, hand: Hand) {
        let source = &*hand.source.name;
        match open::unpacked(io::stdin()).and_then(|input| read(input, &hand)) {
            Ok(()) => tracing::info!(source, "standard input has ended"),
            Err(error) => {
                tracing::error!(source, %error, "standard input cannot be read on; what came before is counted");
                hand.tally.count("unreadable_inputs", 1);
            }
        }
    }
}

/// Hands on all of `input`: lines as they come, a document as a whole at its end.
pub(super) fn read(mut input: impl Read, hand: &Hand) -> io::Result<()> {
    let stream = hand.courier.stream();
    let mut buffer = vec![0; 64 << 10];
    let mut held: Vec<u8> = Vec::new();
    let mut document: Option<Option<LogFormat>> = None;
    let mut before = 0;
    let outcome = loop {
        match input.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => held.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => break Err(error),
        }
        // A document shows itself in its first bytes, as soon as these are a line or as many as are looked at.
        if document.is_none() && (held.contains(&b'\n') || held.len() >= DETECT_BYTES) {
            let format = hand.source.format_of(&held);
            document =
                Some(format.filter(|format| format.is_unmistakable() && *format != LogFormat::SpansJson));
        }
        let sent = match &document {
            Some(Some(format)) => {
                let bytes = std::mem::take(&mut held);
                hand.send(stream, Content::Piece { bytes, format: format.clone() }, None)
            }
            Some(None) => match memchr::memrchr(b'\n', &held) {
                Some(end) => {
                    let rest = held.split_off(end + 1);
                    send_lines(std::mem::replace(&mut held, rest), stream, &mut before, hand)
                }
                // A line that no reader would hold goes on in pieces, which count as bad.
                None if held.len() > 4 * UNIT_BYTES => {
                    send_lines(std::mem::take(&mut held), stream, &mut before, hand)
                }
                None => true,
            },
            None => true,
        };
        if !sent {
            return Ok(());
        }
    };
    let document =
        document.unwrap_or_else(|| hand.source.format_of(&held).filter(LogFormat::is_unmistakable));
    let rest = match document {
        Some(format) => hand.send(stream, Content::Piece { bytes: held, format }, None),
        None => held.is_empty() || send_lines(held, stream, &mut before, hand),
    };
    // When the sensor ends first, it has ended its readers.
    let _ended = rest && hand.send(stream, Content::End, None);
    outcome
}

fn send_lines(bytes: Vec<u8>, stream: u64, before: &mut u64, hand: &Hand) -> bool {
    let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
    let content = Content::Lines { bytes, format: None, before: *before };
    *before += lines;
    hand.send(stream, content, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::FingerprintKey;
    use crate::source::intake::{Courier, LogSource, Positions, Tally};
    use std::sync::Arc;

    /// An input that comes in pieces of a size.
    struct Pieces<'a>(&'a [u8], usize);
    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }
    }

    /// What is handed on of an input that comes in pieces of this size.
    fn handed(input: &[u8], piece: usize) -> (Vec<u8>, Vec<&'static str>) {
        let (to, from) = crossbeam_channel::unbounded();
        let hand = Hand {
            source: Arc::new(LogSource { name: "stdin".into(), ..LogSource::default() }),
            courier: Courier::new(vec![to], Arc::default()),
            tally: Arc::new(Tally::default()),
            positions: Positions::new(),
            key: FingerprintKey::new([7; 32]),
        };
        read(Pieces(input, piece), &hand).unwrap();
        drop(hand);
        let (mut all, mut kinds) = (Vec::new(), Vec::new());
        for unit in from {
            match unit.content {
                Content::Lines { bytes, .. } => {
                    assert!(kinds.last() != Some(&"lines") || all.ends_with(b"\n"), "cut at lines");
                    all.extend(bytes);
                    kinds.push("lines");
                }
                Content::Piece { bytes, .. } => {
                    all.extend(bytes);
                    kinds.push("piece");
                }
                Content::End => kinds.push("end"),
                other => panic!("{other:?}"),
            }
        }
        kinds.dedup();
        (all, kinds)
    }

    #[test]
    fn lines_go_on_as_they_come_and_documents_as_a_whole() {
        let line = "10.0.0.1 - - [15/Apr/2026:00:00:06 +0000] \"GET /a HTTP/1.1\" 200 5\n";
        let lines = line.repeat(50);
        let har = "{\"log\":{\"version\":\"1.2\",\n\"entries\":[]}}";
        for piece in [1, 7, 64, 4_000] {
            assert_eq!(handed(lines.as_bytes(), piece), (lines.as_bytes().to_vec(), vec!["lines", "end"]));
            let unfinished = lines.trim_end();
            assert_eq!(handed(unfinished.as_bytes(), piece).0, unfinished.as_bytes());
            assert_eq!(handed(har.as_bytes(), piece).1, ["piece", "end"], "{piece}");
        }
        assert_eq!(handed(b"", 1), (vec![], vec!["end"]));
    }
}
