//! IP fragments put together again, within limits.
//!
//! A packet is known by addresses, protocol and identification (RFC 791, RFC 8200 section 4.5). Of
//! overlapping bytes the first copy wins. At most [`MAX_PACKETS`] packets wait; the oldest makes room.

use super::Inner;
use etherparse::LaxIpSlice;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Packets that wait for fragments at one time.
pub const MAX_PACKETS: usize = 256;
/// Fragments of one packet.
const MAX_PIECES: usize = 512;
/// Payload bytes of one packet: the largest IP allows.
const MAX_BYTES: usize = 65_535;

/// Addresses, protocol, identification, and the network they live in.
type PacketKey = (IpAddr, IpAddr, u8, u32, u32);

struct Piece {
    offset: usize,
    bytes: Vec<u8>,
}

struct Waiting {
    key: PacketKey,
    /// Sorted by offset, not overlapping.
    pieces: Vec<Piece>,
    /// Payload length, known from the last fragment.
    total: Option<usize>,
}

/// The packets that wait for fragments.
#[derive(Default)]
pub struct Fragments {
    waiting: VecDeque<Waiting>,
    evicted: u64,
}

impl std::fmt::Debug for Fragments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fragments({} waiting, {} evicted)", self.waiting.len(), self.evicted)
    }
}

impl Fragments {
    /// Packets that were given up to make room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes a fragment. When it completes its packet, returns that packet as an IP packet without
    /// fragmentation, which lives where the fragment does.
    pub fn add(&mut self, fragment: Inner<'_>) -> Option<Vec<u8>> {
        let bytes = fragment.bytes;
        let (ip, _) = LaxIpSlice::from_slice(bytes).ok()?;
        let payload = ip.payload();
        if payload.incomplete {
            return None;
        }
        let (id, offset, more, protocol) = match &ip {
            LaxIpSlice::Ipv4(ip) => {
                let header = ip.header();
                let offset = usize::from(header.fragments_offset().value()) * 8;
                (u32::from(header.identification()), offset, header.more_fragments(), header.protocol().0)
            }
            LaxIpSlice::Ipv6(_) => ipv6_fragment_header(bytes)?,
        };
        let key = (ip.source_addr(), ip.destination_addr(), protocol, id, fragment.network);
        if offset + payload.payload.len() > MAX_BYTES {
            return None;
        }
        let at = if let Some(at) = self.waiting.iter().position(|packet| packet.key == key) {
            at
        } else {
            if self.waiting.len() >= MAX_PACKETS {
                self.waiting.pop_front();
                self.evicted += 1;
            }
            self.waiting.push_back(Waiting { key, pieces: Vec::new(), total: None });
            self.waiting.len() - 1
        };
        let packet = self.waiting.get_mut(at)?;
        if !more {
            packet.total = Some(offset + payload.payload.len());
        }
        packet.insert(offset, payload.payload);
        let whole = packet.whole()?;
        self.waiting.remove(at);
        Some(rebuild(&ip, protocol, &whole))
    }
}

impl Waiting {
    /// Puts in what no earlier piece covers.
    fn insert(&mut self, mut offset: usize, mut bytes: &[u8]) {
        if self.pieces.len() >= MAX_PIECES {
            return;
        }
        let mut at = 0;
        while !bytes.is_empty() {
            match self.pieces.get(at) {
                Some(piece) if piece.offset + piece.bytes.len() <= offset => at += 1,
                Some(piece) if piece.offset <= offset => {
                    let covered = (piece.offset + piece.bytes.len() - offset).min(bytes.len());
                    offset += covered;
                    bytes = bytes.get(covered..).unwrap_or_default();
                    at += 1;
                }
                next => {
                    let room = next.map_or(bytes.len(), |piece| (piece.offset - offset).min(bytes.len()));
                    let (front, rest) = bytes.split_at(room);
                    self.pieces.insert(at, Piece { offset, bytes: front.to_vec() });
                    offset += room;
                    bytes = rest;
                    at += 1;
                }
            }
        }
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let total = self.total?;
        let mut all = Vec::with_capacity(total);
        for piece in &self.pieces {
            if piece.offset != all.len() {
                return None;
            }
            all.extend_from_slice(&piece.bytes);
        }
        (all.len() >= total).then(|| {
            all.truncate(total);
            all
        })
    }
}

/// Identification, offset, more-fragments flag and next header of an IPv6 fragment header.
fn ipv6_fragment_header(bytes: &[u8]) -> Option<(u32, usize, bool, u8)> {
    let mut next = *bytes.get(6)?;
    let mut at = 40;
    for _ in 0..8 {
        match next {
            44 => {
                let &[protocol, _, high, low, a, b, c, d] = bytes.get(at..)?.first_chunk()?;
                let field = u16::from_be_bytes([high, low]);
                return Some((
                    u32::from_be_bytes([a, b, c, d]),
                    usize::from(field & 0xfff8),
                    field & 1 == 1,
                    protocol,
                ));
            }
            0 | 43 | 60 => {
                next = *bytes.get(at)?;
                at += 8 + 8 * usize::from(*bytes.get(at + 1)?);
            }
            _ => return None,
        }
    }
    None
}

/// A plain IP header in front of the payload.
fn rebuild(ip: &LaxIpSlice<'_>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(payload.len() + 40);
    match ip {
        LaxIpSlice::Ipv4(ip) => {
            let total = u16::try_from(payload.len() + 20).unwrap_or(0);
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&total.to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 0, 64, protocol, 0, 0]);
            packet.extend_from_slice(&ip.header().source());
            packet.extend_from_slice(&ip.header().destination());
        }
        LaxIpSlice::Ipv6(ip) => {
            let length = u16::try_from(payload.len()).unwrap_or(0);
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&length.to_be_bytes());
            packet.extend_from_slice(&[protocol, 64]);
            packet.extend_from_slice(&ip.header().source());
            packet.extend_from_slice(&ip.header().destination());
        }
    }
    packet.extend_from_slice(payload);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment(offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(20 + payload.len()).unwrap();
        let field = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
        let mut bytes = vec![0x45, 0];
        bytes.extend_from_slice(&total.to_be_bytes());
        bytes.extend_from_slice(&[0, 9]);
        bytes.extend_from_slice(&field.to_be_bytes());
        bytes.extend_from_slice(&[64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn inner(bytes: &[u8]) -> Inner<'_> {
        Inner { bytes, network: 0, depth: 0 }
    }

    #[test]
    fn fragments_of_two_networks_are_two_packets() {
        let mut fragments = Fragments::default();
        let (front, back) = (fragment(0, true, b"12345678"), fragment(8, false, b"9"));
        let mut add = |bytes: &[u8], network| fragments.add(Inner { bytes, network, depth: 1 }).is_some();
        assert!(!add(&front, 1));
        assert!(!add(&back, 2), "another tenant's");
        assert!(add(&back, 1));
    }

    proptest! {
        /// Fragments in any order, some twice, make the packet.
        #[test]
        fn order_and_repetition_do_not_matter(
            payload in proptest::collection::vec(any::<u8>(), 1..200),
            order in proptest::collection::vec(any::<u32>(), 25),
        ) {
            let mut pieces: Vec<_> = payload.chunks(8).enumerate().collect();
            let last = pieces.len() - 1;
            let mut shuffled: Vec<_> = pieces.drain(..).zip(order).collect();
            shuffled.sort_by_key(|(_, rank)| *rank);
            let mut fragments = Fragments::default();
            let mut whole = None;
            for ((n, bytes), rank) in shuffled {
                let piece = fragment(n * 8, n != last, bytes);
                if rank % 3 == 0 && last > 0 {
                    whole = whole.or(fragments.add(inner(&piece)));
                }
                whole = whole.or(fragments.add(inner(&piece)));
            }
            let whole = whole.expect("all fragments were given");
            prop_assert_eq!(&whole[20..], &payload[..]);
        }

        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            Fragments::default().add(inner(&data));
        }
    }
}
