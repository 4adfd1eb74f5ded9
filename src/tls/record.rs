//! Records (RFC 8446 section 5.1, RFC 5246 section 6.2): one direction's bytes, cut where its sender cut them.
//!
//! ```text
//!            header whole              all bytes came
//!  Header ───────────────▶ Body ──────────────────────▶ Header     a record
//!     ▲                     │ some were lost
//!     │   the rest went by  ▼ inside it
//!     ├──────────────────── Skip                                   a damaged record
//!     │  headers in a chain           lost beyond its end, or a header that is none
//!     └──────────────────── Seek ◀──────────────────────────────── bytes that are missing
//! ```
//!
//! `Records` is asked for one `Item` after the other. After a hole of which it cannot tell where it leaves off
//! within a record, it looks for a place from which headers lead to headers. What it finds is a guess that
//! decryption confirms.

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;
/// The longest fragment that is believed: RFC 5246 section 6.2.3 allows 2^14 + 2048.
const MAX_FRAGMENT: usize = (1 << 14) + 2_048;
/// Bytes taken at a time to look through for a header: a whole record and the header behind it.
const MAX_SOUGHT: usize = 2 * (MAX_FRAGMENT + HEADER);

/// Content types (RFC 8446 section 5.1).
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) version: u16,
    pub(super) length: usize,
}

impl Header {
    /// Reads a header from the front of `bytes`; `Ok(None)` asks for more of them.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, ()> {
        let [kind, rest @ ..] = bytes else { return Ok(None) };
        if !(CHANGE_CIPHER_SPEC..=24).contains(kind) {
            return Err(());
        }
        let [major, rest @ ..] = rest else { return Ok(None) };
        let [minor, rest @ ..] = rest else { return if *major == 3 { Ok(None) } else { Err(()) } };
        if *major != 3 || *minor > 4 {
            return Err(());
        }
        let Some(length) = rest.first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        // Only application data may be empty (RFC 8446 section 5.1).
        if length > MAX_FRAGMENT || length == 0 && *kind != APPLICATION_DATA {
            return Err(());
        }
        Ok(Some(Self { kind: *kind, version: u16::from_be_bytes([*major, *minor]), length }))
    }

    /// The header as it stands on the wire, with another length.
    pub(super) fn with_length(self, length: usize) -> [u8; HEADER] {
        let [major, minor] = self.version.to_be_bytes();
        let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        [self.kind, major, minor, high, low]
    }
}

/// Whether bytes from the middle of a stream begin with a record of application data.
#[must_use]
pub fn looks_protected(bytes: &[u8]) -> bool {
    match Header::parse(bytes) {
        Ok(Some(header)) if header.kind == APPLICATION_DATA && header.version == 0x0303 => {
            let next = bytes.get(HEADER + header.length..).unwrap_or_default();
            header.length > 16 && Header::parse(next).is_ok()
        }
        Ok(_) | Err(()) => false,
    }
}

/// What one direction brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A record, whose fragment is in [`Records::body`].
    Record(Header),
    /// A record of which bytes were lost.
    Damaged(Header),
    /// Bytes that hold an unknown number of records, from the end of one to the start of another.
    Missing(u64),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a header, what came of it is in `body`; or at its start.
    Header,
    /// In a fragment, what came of it is in `body`.
    Body(Header),
    /// In a fragment that lost bytes.
    Skip(Header, usize),
    /// Somewhere; so many bytes went by, and those in `body` may hold a header.
    Seek(u64),
}

/// One direction's records. See the module's doc.
#[derive(Debug)]
pub(super) struct Records {
    state: State,
    /// The fragment of the record that was told last, until the next is asked for; or what came of one.
    pub(super) body: Vec<u8>,
    /// `body` was told and is to be forgotten.
    told: bool,
    /// Bytes in which a header is looked for, and behind them, once found, those that are yet to be read.
    sought: Vec<u8>,
}

impl Records {
    /// A direction from its first byte, or from somewhere.
    pub(super) const fn new() -> Self {
        Self { state: State::Header, body: Vec::new(), told: false, sought: Vec::new() }
    }

    /// The next item that `input` completes; what is used of it is taken off its front. `None` asks for more.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Item> {
        if std::mem::take(&mut self.told) {
            self.body.clear();
        }
        loop {
            if let State::Seek(passed) = self.state {
                self.sought.extend_from_slice(take(input, MAX_SOUGHT));
                let (at, found) = seek(&self.sought);
                self.sought.drain(..at);
                let missing = passed + at as u64;
                if found {
                    self.state = State::Header;
                    return Some(Item::Missing(missing));
                }
                self.state = State::Seek(missing);
                if input.is_empty() {
                    return None;
                }
            } else if self.sought.is_empty() {
                let item = self.read(input);
                if item.is_some() || input.is_empty() && !matches!(self.state, State::Seek(_)) {
                    return item;
                }
            } else {
                let sought = std::mem::take(&mut self.sought);
                let mut rest = sought.as_slice();
                let item = self.read(&mut rest);
                // What could not be read as a record was put back to look through it again.
                self.sought.extend_from_slice(rest);
                if item.is_some() {
                    return item;
                }
            }
        }
    }

    /// Reads on by one item, until `input` ends, or to where it is no record.
    fn read(&mut self, input: &mut &[u8]) -> Option<Item> {
        loop {
            match self.state {
                State::Header => {
                    self.body.extend_from_slice(take(input, HEADER - self.body.len()));
                    let Ok(header) = Header::parse(&self.body) else {
                        // The first byte of it starts no record; the others may.
                        self.sought.append(&mut self.body);
                        self.state = State::Seek(0);
                        return None;
                    };
                    self.state = State::Body(header?);
                    self.body.clear();
                }
                State::Body(header) => {
                    self.body.extend_from_slice(take(input, header.length - self.body.len()));
                    if self.body.len() < header.length {
                        return None;
                    }
                    self.state = State::Header;
                    self.told = true;
                    return Some(Item::Record(header));
                }
                State::Skip(header, left) => {
                    let left = left - take(input, left).len();
                    self.state = State::Skip(header, left);
                    if left > 0 {
                        return None;
                    }
                    self.state = State::Header;
                    return Some(Item::Damaged(header));
                }
                State::Seek(_) => return None,
            }
        }
    }

    /// Takes note that `lost` bytes were never captured.
    pub(super) fn gap(&mut self, lost: u64) {
        let came = if self.told { 0 } else { self.body.len() };
        let (passed, left, header) = match self.state {
            // A hole inside what is looked through parts what would be a chain.
            State::Seek(passed) => (passed + self.sought.len() as u64, 0, None),
            State::Header => (came as u64, 0, None),
            State::Body(header) => ((HEADER + came) as u64, header.length - came, Some(header)),
            State::Skip(header, left) => ((HEADER + header.length - left) as u64, left, Some(header)),
        };
        self.body.clear();
        self.told = false;
        self.sought.clear();
        self.state = match (header, usize::try_from(lost)) {
            (Some(header), Ok(lost)) if lost <= left => State::Skip(header, left - lost),
            _ => State::Seek(passed.saturating_add(lost)),
        };
    }

    /// Gives the buffer of a fragment back when nothing is in it.
    pub(super) fn spare(&mut self) -> Option<Vec<u8>> {
        if std::mem::take(&mut self.told) {
            self.body.clear();
        }
        (self.body.is_empty() && self.body.capacity() > 0).then(|| std::mem::take(&mut self.body))
    }
}

fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    front
}

/// Looks for a header that leads to another, or to the end of `bytes`. Says how many bytes in front of it need
/// not be looked at again, and whether it was found.
fn seek(bytes: &[u8]) -> (usize, bool) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match Header::parse(rest) {
            Ok(Some(header)) if matches!(header.version, 0x0301 | 0x0303) => {
                match rest.get(HEADER + header.length..) {
                    Some(next) if Header::parse(next).is_ok() => return (at, true),
                    Some(_) => {}
                    None => return (at, false),
                }
            }
            Ok(None) => return (at, false),
            Ok(Some(_)) | Err(()) => {}
        }
        at += 1;
    }
    (at, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let header = Header { kind, version: 0x0303, length: body.len() };
        [&header.with_length(body.len())[..], body].concat()
    }

    /// What is read of `pieces`; an empty one stands for as many lost bytes as its number.
    fn read(pieces: &[Result<&[u8], u64>]) -> Vec<(Item, Vec<u8>)> {
        let mut records = Records::new();
        let mut all = Vec::new();
        for piece in pieces {
            match piece {
                Ok(bytes) => {
                    let mut bytes = *bytes;
                    while let Some(item) = records.next(&mut bytes) {
                        let body = if let Item::Record(_) = item { records.body.clone() } else { Vec::new() };
                        all.push((item, body));
                    }
                    assert!(bytes.is_empty(), "all is used");
                }
                Err(lost) => records.gap(*lost),
            }
        }
        all
    }

    fn told(kind: u8, body: &[u8]) -> (Item, Vec<u8>) {
        (Item::Record(Header { kind, version: 0x0303, length: body.len() }), body.to_vec())
    }

    #[test]
    fn a_hole_costs_the_records_it_hits() {
        let (a, b, c) = (record(23, &[1; 40]), record(23, &[2; 50]), record(23, &[3; 60]));
        let damaged = |length| (Item::Damaged(Header { kind: 23, version: 0x0303, length }), Vec::new());
        let all = [&a[..], &b[..], &c[..]].concat();
        // Inside the first.
        assert_eq!(
            read(&[Ok(&all[..10]), Err(5), Ok(&all[15..])]),
            [damaged(40), told(23, &[2; 50]), told(23, &[3; 60])]
        );
        // From the first into the second: where the third begins is found.
        assert_eq!(
            read(&[Ok(&all[..10]), Err(60), Ok(&all[70..])]),
            [(Item::Missing(100), Vec::new()), told(23, &[3; 60])]
        );
        // The second, and nothing else.
        assert_eq!(
            read(&[Ok(&all[..45]), Err(55), Ok(&all[100..])]),
            [told(23, &[1; 40]), (Item::Missing(55), Vec::new()), told(23, &[3; 60])]
        );
        // Two holes in one record.
        assert_eq!(
            read(&[Ok(&all[..10]), Err(5), Ok(&all[15..20]), Err(5), Ok(&all[25..45])]),
            [damaged(40)]
        );
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        let good = record(22, &[7; 30]);
        let stream = [&b"\x16\x09garbage"[..], &good, &good].concat();
        assert_eq!(
            read(&[Ok(&stream)]),
            [(Item::Missing(9), Vec::new()), told(22, &[7; 30]), told(22, &[7; 30])]
        );
    }

    proptest! {
        /// Any segmentation yields the same items.
        #[test]
        fn segmentation_does_not_matter(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..80), 1..6),
            junk in proptest::collection::vec(any::<u8>(), 0..20),
            cuts in proptest::collection::vec(1_usize..30, 1..40),
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                stream.extend(record(23, body));
            }
            stream.extend(junk);
            let whole = read(&[Ok(&stream)]);
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (front, back) = rest.split_at((*cut).min(rest.len()));
                pieces.push(Ok(front));
                rest = back;
            }
            let apart = read(&pieces);
            prop_assert_eq!(&apart[..bodies.len()], &whole[..bodies.len()]);
        }
    }
}
