//! Handshake messages (RFC 8446 section 4) out of the fragments of records, which cut them anywhere.

use super::fields::Fields;

/// Types of handshake messages that are read.
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const END_OF_EARLY_DATA: u8 = 5;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const FINISHED: u8 = 20;
pub(super) const KEY_UPDATE: u8 = 24;

/// Bytes in front of a message: its type and length.
const HEAD: usize = 4;

/// A message: its type and its body, without the body when that was longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: Option<Vec<u8>>,
}

/// The messages of one direction.
#[derive(Debug)]
pub(super) struct Messages {
    partial: Vec<u8>,
    /// Bytes to pass over: the rest of a message that is too long.
    skip: usize,
}

impl Messages {
    pub(super) const fn new() -> Self {
        Self { partial: Vec::new(), skip: 0 }
    }

    /// Takes the fragment of a record.
    pub(super) fn push(&mut self, mut fragment: &[u8]) {
        let skipped = self.skip.min(fragment.len());
        self.skip -= skipped;
        fragment = fragment.get(skipped..).unwrap_or_default();
        self.partial.extend_from_slice(fragment);
    }

    /// The next message that is whole; one longer than `limit` is told without its body.
    pub(super) fn next(&mut self, limit: usize) -> Option<Message> {
        let mut fields = Fields(&self.partial);
        let kind = fields.u8()?;
        let [a, b, c] = fields.array()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if length > limit {
            let came = fields.0.len().min(length);
            self.skip = length - came;
            self.partial.drain(..HEAD + came);
            return Some(Message { kind, body: None });
        }
        let body = fields.take(length)?.to_vec();
        self.partial.drain(..HEAD + length);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        Some(Message { kind, body: Some(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_they_are_cut() {
        let stream = [&[1, 0, 0, 2, 7, 8][..], &[11, 0, 0, 9], &[5; 9], &[20, 0, 0, 0]].concat();
        for size in 1..stream.len() {
            let (mut messages, mut read) = (Messages::new(), Vec::new());
            for piece in stream.chunks(size) {
                messages.push(piece);
                while let Some(message) = messages.next(8) {
                    read.push(message);
                }
            }
            let expected = [(1, Some(vec![7, 8])), (11, None), (20, Some(Vec::new()))];
            assert_eq!(read, expected.map(|(kind, body)| Message { kind, body }), "pieces of {size}");
        }
    }
}
