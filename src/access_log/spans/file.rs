//! Files of exports in protobuf: one export as it is, or many, each behind its length in four bytes, big end first, as
//! the collector's file exporter writes them with `format: proto`.

use super::super::BadReason;
use super::super::wire::{Message, Nested};
use super::PATH;

/// Reads a file as it comes. See the module's doc.
#[derive(Debug)]
pub(in super::super) struct ProtobufFile {
    nested: Nested,
    /// The front of a length; none before the first byte is seen.
    length: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Nothing was seen.
    Unknown,
    /// The file is one export.
    Bare,
    /// So many bytes of an export are still to come.
    Lengths(u32),
}

impl ProtobufFile {
    pub(in super::super) const fn new() -> Self {
        Self { nested: Nested::new(PATH), length: Vec::new(), framing: Framing::Unknown }
    }

    /// Hands out each span, and what is wrong with exports.
    pub(in super::super) fn feed(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(Result<Message<'_>, BadReason>),
    ) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.framing {
                // A bare export begins with the tag of its first field; 160 MB of length would, too.
                Framing::Unknown if *first == RESOURCE_SPANS => self.framing = Framing::Bare,
                Framing::Unknown => self.framing = Framing::Lengths(0),
                Framing::Bare => {
                    self.nested.feed(bytes, &mut |message| each(Ok(message)));
                    return;
                }
                Framing::Lengths(0) => {
                    bytes = rest;
                    self.length.push(*first);
                    if let Ok(length) = <[u8; 4]>::try_from(self.length.as_slice()) {
                        self.length.clear();
                        self.framing = Framing::Lengths(u32::from_be_bytes(length));
                    }
                }
                Framing::Lengths(left) => {
                    let take = bytes.len().min(left as usize);
                    let (now, later) = bytes.split_at(take);
                    bytes = later;
                    self.nested.feed(now, &mut |message| each(Ok(message)));
                    let left = left.saturating_sub(u32::try_from(take).unwrap_or(u32::MAX));
                    self.framing = Framing::Lengths(left);
                    if left == 0 {
                        if let Some(reason) = self.nested.finish() {
                            each(Err(reason));
                        }
                        self.nested.clear();
                    }
                }
            }
        }
    }

    /// What the end of the input says is wrong.
    pub(in super::super) fn finish(&self) -> Option<BadReason> {
        match self.framing {
            Framing::Unknown => Some(BadReason::NoEntries),
            Framing::Bare => self.nested.finish(),
            Framing::Lengths(0) if self.length.is_empty() => None,
            Framing::Lengths(_) => Some(BadReason::Cut),
        }
    }
}

/// The tag of `resource_spans`.
const RESOURCE_SPANS: u8 = 0x0a;

/// Whether a file that starts so holds exports in protobuf: a span is found in it, or one that begins.
pub(in super::super) fn looks_like_protobuf(start: &[u8]) -> bool {
    let bare = start.first() == Some(&RESOURCE_SPANS);
    let framed = matches!(start, [0, _, _, _, RESOURCE_SPANS, ..]);
    if !bare && !framed {
        return false;
    }
    let mut spans = 0;
    let mut file = ProtobufFile::new();
    file.feed(start, &mut |span| {
        spans += u32::from(matches!(span, Ok(Message::Whole(span)) if is_span(span)));
    });
    spans > 0
}

/// Whether a message has a span's ids and times.
fn is_span(message: &[u8]) -> bool {
    use super::super::wire::bytes_of;
    bytes_of(message, 1).is_some_and(|id| id.len() == 16)
        && bytes_of(message, 2).is_some_and(|id| id.len() == 8)
}
