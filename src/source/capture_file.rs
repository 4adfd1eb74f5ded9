//! Frames from pcap and pcapng files.
//!
//! Reads any `Read` through one large buffer and lends frames out of it. Both byte orders and resolutions
//! of pcap (draft-ietf-opsawg-pcap), pcapng with several sections and interfaces, each with its own
//! resolution (draft-ietf-opsawg-pcapng) and with the TLS secrets that some carry; other blocks are skipped. Where a file is damaged,
//! the frames before are given and the damage is named with its offset.

use crate::packet::{Frame, LinkType};
use crate::time::Timestamp;
use crate::tls::keylog::{KeyLogReader, Keys};
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes read ahead: few enough to stay in a core's own cache until they are looked at.
const BUFFER: usize = 256 << 10;
/// Largest captured frame that is believed. The largest snap length of libpcap is 256 KiB; USB and
/// D-Bus captures go to 128 MiB, but those hold nothing for us.
const MAX_FRAME: u32 = 4 << 20;
/// Largest pcapng block that is believed.
const MAX_BLOCK: u32 = 16 << 20;
/// Interfaces of one pcapng section.
const MAX_INTERFACES: usize = 4_096;

/// Whether bytes are the front of a capture file.
#[must_use]
pub fn is_capture(front: &[u8]) -> bool {
    matches!(
        front,
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xcd, 0x34, ..]
            | [0x34, 0xcd, 0xb2, 0xa1, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..]
    )
}

/// What is wrong with a capture file, and where. What came before was read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It does not start like a capture.
    #[error("not a pcap or pcapng file")]
    NotACapture,
    /// It ends inside a record: the writer was stopped, or still writes.
    #[error("cut off at byte {offset}: the last record is incomplete")]
    CutOff {
        /// Where the record begins.
        offset: u64,
    },
    /// A record claims to be larger than any frame.
    #[error("damaged at byte {offset}: a record claims {length} bytes; what follows was not read")]
    BadLength {
        /// Where the record begins.
        offset: u64,
        /// What it claims.
        length: u32,
    },
    /// A pcapng block contradicts itself.
    #[error("damaged at byte {offset}: {what}; what follows was not read")]
    BadBlock {
        /// Where the block begins.
        offset: u64,
        /// The contradiction.
        what: &'static str,
    },
    /// The file could not be read on.
    #[error("unreadable at byte {offset}: {error}")]
    Io {
        /// How far it was read.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Big,
    Little,
}

impl Order {
    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }
}

/// How an interface tells time.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// Ticks of 10^-n seconds.
    Decimal(u8),
    /// Ticks of 2^-n seconds.
    Binary(u8),
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    resolution: Resolution,
    /// Seconds to add.
    offset: i64,
    snaplen: u32,
}

#[derive(Debug)]
enum Format {
    Pcap { order: Order, nanos: bool, record_header: usize, link: LinkType },
    PcapNg { order: Order, interfaces: Vec<Interface> },
}

/// Reads the frames of one capture.
pub struct CaptureReader<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    format: Format,
    frames: u64,
    /// Where the secrets go that it carries.
    keys: Option<Arc<Keys>>,
}

impl<R> std::fmt::Debug for CaptureReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaptureReader({:?}, {} frames, byte {})", self.format, self.frames, self.offset)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn half_word(bytes: &[u8], at: usize) -> Option<[u8; 2]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file header.
    pub fn new(input: R) -> Result<Self, CaptureError> {
        let format = Format::PcapNg { order: Order::Little, interfaces: Vec::new() };
        let mut reader = Self {
            input,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            offset: 0,
            format,
            frames: 0,
            keys: None,
        };
        if !reader.have(4)? {
            return Err(CaptureError::NotACapture);
        }
        let magic = word(reader.front(), 0).ok_or(CaptureError::NotACapture)?;
        let (order, nanos, record_header) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, false, 16),
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, false, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, true, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, true, 16),
            // Written by patched libpcaps: eight more bytes in each record header.
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, false, 24),
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, false, 24),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(reader),
            _ => return Err(CaptureError::NotACapture),
        };
        if !reader.have(24)? {
            return Err(CaptureError::CutOff { offset: 0 });
        }
        let network = word(reader.front(), 20).map_or(0, |bytes| order.u32(bytes));
        // The upper bits tell of frame check sequences.
        let number = u16::try_from(network & 0x0fff_ffff).unwrap_or(u16::MAX);
        reader.format = Format::Pcap { order, nanos, record_header, link: LinkType::from_number(number) };
        reader.skip(24);
        Ok(reader)
    }

    /// Hands the TLS secrets that the file carries to `keys`, from here on. Those of a pcapng file may stand behind
    /// the packets that they open.
    pub fn hand_secrets_to(&mut self, keys: Arc<Keys>) {
        if let Format::PcapNg { .. } = self.format {
            keys.expect_more();
        }
        self.keys = Some(keys);
    }

    /// How many frames were read.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    fn front(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn skip(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Makes sure that `count` bytes are in the buffer; `false` at the end of the file.
    fn have(&mut self, count: usize) -> Result<bool, CaptureError> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < count {
            self.buffer.resize(count, 0);
        }
        while self.end < count {
            match self.input.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Io { offset: self.offset + self.end as u64, error }),
            }
        }
        Ok(true)
    }

    /// The next frame; `None` at the end of the file. After an error there is nothing more.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        match self.format {
            Format::Pcap { order, nanos, record_header, link } => {
                self.record(order, nanos, record_header, link)
            }
            Format::PcapNg { .. } => self.block(),
        }
    }

    fn record(
        &mut self,
        order: Order,
        nanos: bool,
        header: usize,
        link: LinkType,
    ) -> Result<Option<Frame<'_>>, CaptureError> {
        if !self.have(header)? {
            return if self.end == self.start {
                Ok(None)
            } else {
                Err(CaptureError::CutOff { offset: self.offset })
            };
        }
        let field = |at| word(self.front(), at).map_or(0, |bytes| order.u32(bytes));
        let (secs, fraction, captured, wire_len) = (field(0), field(4), field(8), field(12));
        if captured > MAX_FRAME {
            return Err(CaptureError::BadLength { offset: self.offset, length: captured });
        }
        let length = captured as usize;
        if !self.have(header + length)? {
            return Err(CaptureError::CutOff { offset: self.offset });
        }
        let fraction = if nanos { i64::from(fraction) } else { i64::from(fraction) * 1_000 };
        let ts = Timestamp::from_nanos(i64::from(secs) * 1_000_000_000 + fraction);
        let from = self.start + header;
        self.skip(header + length);
        self.frames += 1;
        let bytes = self.buffer.get(from..from + length).unwrap_or_default();
        Ok(Some(Frame { ts, link, wire_len: wire_len.max(captured), bytes }))
    }

    fn block(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            let offset = self.offset;
            let bad = |what| CaptureError::BadBlock { offset, what };
            if !self.have(12)? {
                return if self.end == self.start { Ok(None) } else { Err(CaptureError::CutOff { offset }) };
            }
            let kind = word(self.front(), 0).unwrap_or_default();
            if kind == [0x0a, 0x0d, 0x0d, 0x0a] {
                // A section: its byte order holds from here on.
                let order = match word(self.front(), 8) {
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
                    Some(_) | None => return Err(bad("a section without byte order")),
                };
                self.format = Format::PcapNg { order, interfaces: Vec::new() };
            }
            let Format::PcapNg { order, .. } = self.format else { return Ok(None) };
            let kind = order.u32(kind);
            let length = word(self.front(), 4).map_or(0, |bytes| order.u32(bytes));
            if length > MAX_BLOCK {
                return Err(CaptureError::BadLength { offset, length });
            }
            if length < 12 || !length.is_multiple_of(4) {
                return Err(bad("a block whose length is impossible"));
            }
            let length = length as usize;
            if !self.have(length)? {
                return Err(CaptureError::CutOff { offset });
            }
            let (from, to) = (self.start + 8, self.start + length - 4);
            self.skip(length);
            let body = self.buffer.get(from..to).unwrap_or_default();
            let Format::PcapNg { interfaces, .. } = &mut self.format else { return Ok(None) };
            match kind {
                1 => {
                    if interfaces.len() >= MAX_INTERFACES {
                        return Err(bad("more interfaces than are believed"));
                    }
                    interfaces
                        .push(interface(order, body).ok_or_else(|| bad("an interface block too short"))?);
                }
                2 | 3 | 6 => {
                    let place = packet(order, kind, body, interfaces)
                        .ok_or_else(|| bad("a packet block that names no interface or is too short"))?;
                    self.frames += 1;
                    let bytes = self
                        .buffer
                        .get(from + place.at..from + place.at + place.captured)
                        .unwrap_or_default();
                    return Ok(Some(Frame {
                        ts: place.ts,
                        link: place.link,
                        wire_len: place.wire_len,
                        bytes,
                    }));
                }
                DECRYPTION_SECRETS => {
                    if let (Some(keys), Some(secrets)) = (&self.keys, tls_secrets(order, body)) {
                        let mut reader = KeyLogReader::default();
                        reader.feed(secrets, keys);
                        reader.finish(keys);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The type of a block that carries secrets (draft-ietf-opsawg-pcapng section 4.7), and of secrets that are a key
/// log of TLS.
const DECRYPTION_SECRETS: u32 = 10;
const TLS_KEY_LOG: u32 = 0x544c_534b;

fn tls_secrets(order: Order, body: &[u8]) -> Option<&[u8]> {
    let (kind, length) = (order.u32(word(body, 0)?), order.u32(word(body, 4)?));
    let secrets = body.get(8..)?.get(..usize::try_from(length).ok()?)?;
    (kind == TLS_KEY_LOG).then_some(secrets)
}

fn interface(order: Order, body: &[u8]) -> Option<Interface> {
    let link = LinkType::from_number(order.u16(half_word(body, 0)?));
    let snaplen = order.u32(word(body, 4)?);
    let mut interface = Interface { link, resolution: Resolution::Decimal(6), offset: 0, snaplen };
    let mut at = 8;
    while let (Some(code), Some(length)) = (half_word(body, at), half_word(body, at + 2)) {
        let (code, length) = (order.u16(code), usize::from(order.u16(length)));
        let value = body.get(at + 4..at + 4 + length)?;
        match (code, value) {
            (0, _) => break,
            (9, [exponent, ..]) => {
                interface.resolution = if exponent & 0x80 == 0 {
                    Resolution::Decimal(*exponent)
                } else {
                    Resolution::Binary(exponent & 0x7f)
                };
            }
            (14, value) => {
                if let Some(bytes) = value.first_chunk() {
                    interface.offset = match order {
                        Order::Big => i64::from_be_bytes(*bytes),
                        Order::Little => i64::from_le_bytes(*bytes),
                    };
                }
            }
            _ => {}
        }
        at += 4 + length.next_multiple_of(4);
    }
    Some(interface)
}

struct Place {
    ts: Timestamp,
    link: LinkType,
    at: usize,
    captured: usize,
    wire_len: u32,
}

fn packet(order: Order, kind: u32, body: &[u8], interfaces: &[Interface]) -> Option<Place> {
    let field = |at| word(body, at).map(|bytes| order.u32(bytes));
    if kind == 3 {
        let interface = interfaces.first()?;
        let wire_len = field(0)?;
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = (wire_len.min(limit) as usize).min(body.len() - 4);
        return Some(Place { ts: Timestamp::EPOCH, link: interface.link, at: 4, captured, wire_len });
    }
    let number = if kind == 6 { field(0)? as usize } else { usize::from(order.u16(half_word(body, 0)?)) };
    let interface = interfaces.get(number)?;
    let ticks = u64::from(field(4)?) << 32 | u64::from(field(8)?);
    let (captured, wire_len) = (field(12)? as usize, field(16)?);
    if captured > body.len().checked_sub(20)? {
        return None;
    }
    Some(Place {
        ts: interface.time(ticks),
        link: interface.link,
        at: 20,
        captured,
        wire_len: wire_len.max(u32::try_from(captured).ok()?),
    })
}

impl Interface {
    fn time(self, ticks: u64) -> Timestamp {
        let nanos = match self.resolution {
            Resolution::Decimal(exponent @ 0..=9) => u128::from(ticks) * 10_u128.pow(9 - u32::from(exponent)),
            Resolution::Decimal(exponent @ 10..=38) => {
                u128::from(ticks) / 10_u128.pow(u32::from(exponent) - 9)
            }
            Resolution::Decimal(_) => 0,
            Resolution::Binary(exponent @ 0..=63) => (u128::from(ticks) * 1_000_000_000) >> exponent,
            Resolution::Binary(_) => 0,
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp::from_nanos(nanos.saturating_add(self.offset.saturating_mul(1_000_000_000)))
    }
}

/// Reads any bytes as a capture; the invariant is that it ends.
pub fn fuzz(data: &[u8]) {
    if let Ok(mut reader) = CaptureReader::new(data) {
        let mut frames = 0;
        while let Ok(Some(frame)) = reader.next_frame() {
            assert!(frame.bytes.len() <= data.len(), "a frame is part of the file");
            frames += 1;
            assert!(frames <= data.len(), "every frame takes bytes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pcap(big: bool, nanos: bool) -> Vec<u8> {
        let u32s = |values: &[u32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| if big { value.to_be_bytes() } else { value.to_le_bytes() })
                .collect()
        };
        let mut file = u32s(&[if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }]);
        file.extend(if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
        file.extend(u32s(&[0, 0, 65_535, 101]));
        file.extend(u32s(&[5, 7, 3, 9]));
        file.extend(b"abc");
        file
    }

    fn pcapng() -> Vec<u8> {
        let block = |kind: u32, body: &[u8]| {
            let padded = body.len().next_multiple_of(4);
            let length = u32::try_from(12 + padded).unwrap();
            let mut block = kind.to_le_bytes().to_vec();
            block.extend(length.to_le_bytes());
            block.extend(body);
            block.resize(8 + padded, 0);
            block.extend(length.to_le_bytes());
            block
        };
        let mut file =
            block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        file.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0]));
        file.extend(block(1, &[101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
        file.extend(block(5, &[1, 2, 3, 4]));
        let mut packet = vec![1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0];
        packet.extend(b"abc");
        file.extend(block(6, &packet));
        file
    }

    type Told = (i64, LinkType, u32, Vec<u8>);

    fn frames(file: &[u8]) -> (Vec<Told>, Option<String>) {
        let mut all = Vec::new();
        let mut reader = match CaptureReader::new(file) {
            Ok(reader) => reader,
            Err(error) => return (all, Some(error.to_string())),
        };
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    all.push((frame.ts.as_nanos(), frame.link, frame.wire_len, frame.bytes.to_vec()));
                }
                Ok(None) => return (all, None),
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn both_byte_orders_and_resolutions_are_read() {
        for (big, nanos, ts) in [
            (true, false, 5_000_007_000),
            (false, false, 5_000_007_000),
            (true, true, 5_000_000_007),
            (false, true, 5_000_000_007),
        ] {
            assert_eq!(frames(&pcap(big, nanos)), (vec![(ts, LinkType::RawIp, 9, b"abc".to_vec())], None));
        }
        let ticks = (1_i64 << 32) + 2;
        assert_eq!(frames(&pcapng()), (vec![(ticks, LinkType::RawIp, 9, b"abc".to_vec())], None));
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let mut cut = pcap(false, false);
        cut.truncate(42);
        assert_eq!(frames(&cut).1.as_deref(), Some("cut off at byte 24: the last record is incomplete"));
        let mut bad = pcap(false, false);
        bad[32..36].copy_from_slice(&[0xff; 4]);
        assert!(frames(&bad).1.unwrap().starts_with("damaged at byte 24: a record claims 4294967295 bytes"));
        assert_eq!(frames(b"hello world").1.as_deref(), Some("not a pcap or pcapng file"));
        assert_eq!(frames(b"").1.as_deref(), Some("not a pcap or pcapng file"));
    }

    proptest! {
        #[test]
        fn damaged_files_are_taken(at in 0_usize..180, with in any::<u8>(), cut in 0_usize..200, ng in any::<bool>()) {
            let mut file = if ng { pcapng() } else { pcap(true, true) };
            if let Some(byte) = file.get_mut(at) {
                *byte = with;
            }
            file.truncate(cut.max(4));
            fuzz(&file);
        }
    }
}
