//! HTTP/2 frame heads (RFC 9113 section 4.1), and where among bytes one may begin.

/// Bytes of a frame's head.
pub const HEAD: usize = 9;

/// The largest payload until the peers agree on another (RFC 9113 section 6.5.2).
pub const DEFAULT_MAX: u32 = 16_384;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a message's content.
    Data,
    /// The fields that begin or end a message.
    Headers,
    /// Deprecated advice.
    Priority,
    /// The end of a stream before its time.
    ResetStream,
    /// What an end allows and expects.
    Settings,
    /// A request that the server asks itself.
    PushPromise,
    /// A question whether the other end lives, or the answer.
    Ping,
    /// The end of new streams.
    GoAway,
    /// Room for more content.
    WindowUpdate,
    /// More of the fields of the frame before.
    Continuation,
    /// An extension.
    Other(u8),
}

/// Flags, whose meaning depends on the type.
pub mod flag {
    /// DATA, HEADERS: the last frame of a message that is not CONTINUATION.
    pub const END_STREAM: u8 = 0x01;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x01;
    /// HEADERS, `PUSH_PROMISE`, CONTINUATION: the last frame of the block.
    pub const END_HEADERS: u8 = 0x04;
    /// DATA, HEADERS, `PUSH_PROMISE`: the payload is padded.
    pub const PADDED: u8 = 0x08;
    /// HEADERS: five bytes of advice stand before the block.
    pub const PRIORITY: u8 = 0x20;
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of payload.
    pub len: u32,
    /// The type.
    pub kind: Kind,
    /// The flags.
    pub flags: u8,
    /// The stream; 0 for the connection.
    pub stream: u32,
    /// The bit that must be zero.
    reserved: bool,
}

impl FrameHead {
    /// Reads the head.
    #[must_use]
    pub const fn read(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = bytes;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: match kind {
                0 => Kind::Data,
                1 => Kind::Headers,
                2 => Kind::Priority,
                3 => Kind::ResetStream,
                4 => Kind::Settings,
                5 => Kind::PushPromise,
                6 => Kind::Ping,
                7 => Kind::GoAway,
                8 => Kind::WindowUpdate,
                9 => Kind::Continuation,
                other => Kind::Other(other),
            },
            flags,
            stream: stream & 0x7fff_ffff,
            reserved: stream >> 31 != 0,
        }
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether its length and stream are such as its type may have. Unknown types and flags are allowed and
    /// mean nothing (RFC 9113 sections 4.1 and 5.5).
    #[must_use]
    pub const fn is_sound(self, max_len: u32) -> bool {
        let len = self.len;
        len <= max_len
            && match self.kind {
                Kind::Data | Kind::Headers | Kind::PushPromise | Kind::Continuation => self.stream != 0,
                Kind::Priority => self.stream != 0 && len == 5,
                Kind::ResetStream => self.stream != 0 && len == 4,
                Kind::Settings => self.stream == 0 && len.is_multiple_of(6),
                Kind::Ping => self.stream == 0 && len == 8,
                Kind::GoAway => self.stream == 0 && len >= 8,
                Kind::WindowUpdate => len == 4,
                Kind::Other(_) => true,
            }
    }

    /// Whether it is what peers send, with nothing in it that has no meaning: for places where it is not known
    /// that a frame begins.
    #[must_use]
    pub const fn is_usual(self) -> bool {
        let flags = match self.kind {
            Kind::Data => flag::END_STREAM | flag::PADDED,
            Kind::Headers => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            Kind::PushPromise => flag::END_HEADERS | flag::PADDED,
            Kind::Continuation => flag::END_HEADERS,
            Kind::Settings | Kind::Ping => flag::ACK,
            Kind::Priority | Kind::ResetStream | Kind::GoAway | Kind::WindowUpdate => 0,
            Kind::Other(_) => return false,
        };
        self.is_sound(DEFAULT_MAX) && !self.reserved && self.flags & !flags == 0
    }
}

/// Heads that a search follows from a place before it believes it.
const FOLLOWED: usize = 4;

/// Finds where a frame begins among `bytes`, which start a segment and may begin inside one.
///
/// One usual head that is not of an empty frame is believed at the start; elsewhere it takes two, or one whose frame
/// ends with the bytes. The cost is linear in the bytes.
#[must_use]
pub fn find(bytes: &[u8]) -> Option<usize> {
    // The length of a usual frame begins with a zero byte.
    memchr::memchr_iter(0, bytes).find(|at| {
        let needed = if *at == 0 { 1 } else { 2 };
        bytes.get(*at..).is_some_and(|bytes| evidence(bytes) >= needed)
    })
}

/// How many signs there are that frames follow each other from the start of `bytes`.
fn evidence(bytes: &[u8]) -> usize {
    let (mut rest, mut signs) = (bytes, 0);
    for _ in 0..FOLLOWED {
        let Some((head, behind)) = rest.split_first_chunk() else { break };
        let head = FrameHead::read(*head);
        if !head.is_usual() {
            return 0;
        }
        signs += usize::from(head.len > 0);
        match behind.get(head.len as usize..) {
            Some([]) => return signs + 1,
            Some(next) => rest = next,
            None => break,
        }
    }
    signs
}

/// The frames that `bytes` begin with, each with what is there of its payload.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = (FrameHead, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk()?;
        let head = FrameHead::read(*head);
        let (payload, next) = behind.split_at((head.len as usize).min(behind.len()));
        rest = next;
        Some((head, payload))
    })
}

/// The payload of a frame without its padding; `None` when there is more padding than payload.
#[must_use]
pub fn unpadded(head: FrameHead, payload: &[u8]) -> Option<&[u8]> {
    if !head.has(flag::PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";
    const DATA: &[u8] = b"\0\0\x05\0\x01\0\0\0\x03hello";

    #[test]
    fn a_frame_is_found_where_it_begins() {
        for (bytes, found) in [
            (PING.to_vec(), Some(0)),
            (DATA.to_vec(), Some(0)),
            (DATA[..12].to_vec(), Some(0)),
            ([b"rest of something\0", DATA].concat(), Some(18)),
            ([b"rest", &DATA[..12]].concat(), None),
            ([b"rest", DATA, &PING[..9]].concat(), Some(4)),
            ([DATA, b"{\"a\":1}and more"].concat(), None),
            (b"{\"a\":\"text\"}".repeat(9), None),
            (vec![0; 200], None),
            (b"\0\0\x04\x08\0\x80\0\0\x01\0\0\x10\0".to_vec(), None),
        ] {
            assert_eq!(find(&bytes), found, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn padding_is_taken_away() {
        let head = |flags| FrameHead::read([0, 0, 5, 0, flags, 0, 0, 0, 1]);
        for (flags, payload, left) in [
            (0, &b"\x02abcd"[..], Some(&b"\x02abcd"[..])),
            (flag::PADDED, b"\x02ab\0\0", Some(b"ab")),
            (flag::PADDED, b"\x04\0\0\0\0", Some(b"")),
            (flag::PADDED, b"\x05\0\0\0\0", None),
            (flag::PADDED, b"", None),
        ] {
            assert_eq!(unpadded(head(flags), payload), left, "{payload:?}");
        }
    }
}
