//! From captured link-layer bytes to TCP segments.
//!
//! [`decode`] walks link layer, tags, tunnels and IP until it finds TCP, in a bounded loop that re-enters
//! on inner slices (`tunnel`). It borrows from the frame and allocates nothing; what is not TCP comes
//! back as a [`Fate`], which is counted per source. IP headers and TCP headers are read by `etherparse`,
//! in its lax form, because a tap delivers cut packets and offloaded lengths. Fragments are put together
//! by [`fragment::Fragments`], which the caller owns.

pub mod fragment;
pub mod key;
mod quic;
mod tunnel;

use crate::time::Timestamp;
use etherparse::{LaxIpSlice, TcpSlice};
use key::{Direction, FlowKey, SeqNum};
use std::net::IpAddr;
use tunnel::Layer;

/// A packet as captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub ts: Timestamp,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// Its length on the wire in bytes; more than `bytes` when the capture cut it.
    pub wire_len: u32,
    /// The bytes captured.
    pub bytes: &'a [u8],
}

/// The link-layer header types of captures that are understood (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkType {
    /// 0: BSD loopback, address family in the capturing host's byte order.
    Null,
    /// 1: IEEE 802.3 Ethernet.
    Ethernet,
    /// 12, 14, 101, 228, 229: IPv4 or IPv6 without link layer.
    RawIp,
    /// 9, 50: PPP, with or without HDLC-like framing.
    Ppp,
    /// 51: PPP over Ethernet, session stage.
    PppOverEthernet,
    /// 104: Cisco HDLC.
    CiscoHdlc,
    /// 105: IEEE 802.11.
    Ieee80211,
    /// 119, 127, 163: IEEE 802.11 behind Prism, radiotap or AVS radio information.
    Ieee80211Radio(u16),
    /// 219: MPLS labels.
    Mpls,
    /// 239: Linux netfilter log.
    Nflog,
    /// 108: OpenBSD loopback, address family in network byte order.
    Loop,
    /// 113: Linux cooked capture, version 1.
    LinuxSll,
    /// 276: Linux cooked capture, version 2.
    LinuxSll2,
    /// Anything else: its packets are counted, not read.
    Unknown(u16),
}

impl LinkType {
    /// From the number in a capture file.
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            9 | 50 => Self::Ppp,
            51 => Self::PppOverEthernet,
            104 => Self::CiscoHdlc,
            105 => Self::Ieee80211,
            119 | 127 | 163 => Self::Ieee80211Radio(number),
            219 => Self::Mpls,
            239 => Self::Nflog,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            other => Self::Unknown(other),
        }
    }
}

/// One TCP segment, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When it was captured.
    pub ts: Timestamp,
    /// The connection it belongs to.
    pub key: FlowKey,
    /// Which way its bytes go, in terms of the key.
    pub direction: Direction,
    /// Sequence number of the first payload byte (of SYN, when set).
    pub seq: SeqNum,
    /// Acknowledgement number, when the ACK flag is set.
    pub ack: Option<SeqNum>,
    /// SYN, FIN and RST.
    pub flags: Flags,
    /// Payload as captured.
    pub payload: &'a [u8],
    /// Payload bytes that were on the wire but not captured, behind `payload`.
    pub cut: u32,
    /// What tells two packets with the same bytes apart: IPv4 identification above the TCP checksum. A packet that
    /// a mirror delivers twice has the same one, one that its sender repeats mostly has not.
    pub identity: u32,
}

/// The flags of a segment that reassembly needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Synchronise: the connection opens.
    pub syn: bool,
    /// No more data from the sender.
    pub fin: bool,
    /// The connection is torn down.
    pub rst: bool,
}

/// What became of a packet that is no TCP segment of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Its link type is not understood.
    UnknownLink,
    /// It carries no IP.
    NotIp,
    /// It carries UDP, without a tunnel inside.
    Udp,
    /// It carries a packet that QUIC connections begin with. What is inside is encrypted, and not read.
    Quic,
    /// It carries another transport protocol.
    OtherTransport,
    /// A fragment that waits for the rest of its packet.
    Fragment,
    /// Its headers contradict themselves or end early.
    Malformed,
    /// Its TCP checksum is wrong, and checksums were asked to be verified.
    BadChecksum,
    /// It is nested deeper than the limit.
    TooDeep,
}

impl Fate {
    /// All fates.
    pub const ALL: [Self; 9] = [
        Self::UnknownLink,
        Self::NotIp,
        Self::Udp,
        Self::Quic,
        Self::OtherTransport,
        Self::Fragment,
        Self::Malformed,
        Self::BadChecksum,
        Self::TooDeep,
    ];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownLink => "unknown_link_type",
            Self::NotIp => "not_ip",
            Self::Udp => "udp",
            Self::Quic => "quic",
            Self::OtherTransport => "other_transport",
            Self::Fragment => "fragment",
            Self::Malformed => "malformed",
            Self::BadChecksum => "bad_checksum",
            Self::TooDeep => "too_deep",
        }
    }
}

/// What [`decode`] found.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A fragment of an IP packet, to be put together first.
    Fragment(Inner<'a>),
    /// Nothing of ours.
    Other(Fate),
}

/// An IP packet somewhere inside a frame.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    /// From its IP header on.
    pub bytes: &'a [u8],
    /// The network ids of the tunnels around it, folded into one.
    pub network: u32,
    /// How many tunnels are around it.
    depth: usize,
}

impl Inner<'_> {
    /// Another packet in the same place.
    #[must_use]
    pub const fn with<'b>(&self, bytes: &'b [u8]) -> Inner<'b> {
        Inner { bytes, network: self.network, depth: self.depth }
    }
}

/// Which network ids keep connections with the same addresses and ports apart.
///
/// Ids that name a tenant must. Those that a mirror gives to each of its directions must not, or requests and
/// responses would never meet: so VLAN ids and GRE keys count only where the operator says that they name tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separate {
    /// Ids of VXLAN and Geneve.
    pub vni: bool,
    /// Ids of VLANs.
    pub vlan: bool,
    /// Keys of GRE, the virtual subnets of NVGRE among them.
    pub gre_key: bool,
}

impl Default for Separate {
    fn default() -> Self {
        Self { vni: true, vlan: false, gre_key: false }
    }
}

/// A network id that a tunnel or tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    None,
    Vni(u32),
    Vlan(u16),
    GreKey(u32),
}

impl Separate {
    /// The id as far as it keeps connections apart; 0 when it does not.
    const fn id(self, network: Network) -> u32 {
        match network {
            Network::Vni(id) if self.vni => id,
            Network::Vlan(id) if self.vlan => id as u32 | 1 << 31,
            Network::GreKey(key) if self.gre_key => key | 1 << 30,
            Network::None | Network::Vni(_) | Network::Vlan(_) | Network::GreKey(_) => 0,
        }
    }
}

/// How packets are decoded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nested encapsulations that are followed.
    pub tunnel_depth: usize,
    /// Which network ids keep connections apart.
    pub separate: Separate,
    /// Whether a segment with a wrong TCP checksum is dropped. Taps see packets before the network card
    /// has filled the checksum in, so this is off unless asked for.
    pub verify_checksums: bool,
}

/// Finds the TCP segment in a frame.
#[must_use]
pub fn decode<'a>(frame: &Frame<'a>, options: &Options) -> Decoded<'a> {
    let layer = match frame.link {
        LinkType::Ethernet => Layer::Ethernet,
        LinkType::RawIp => Layer::Ip,
        LinkType::Null | LinkType::Loop => Layer::Loopback,
        LinkType::LinuxSll => Layer::LinuxSll,
        LinkType::LinuxSll2 => Layer::LinuxSll2,
        LinkType::Ppp => Layer::Ppp,
        LinkType::PppOverEthernet => Layer::EtherType(0x8864),
        LinkType::CiscoHdlc => Layer::CiscoHdlc,
        LinkType::Ieee80211 => Layer::Ieee80211,
        LinkType::Ieee80211Radio(kind) => Layer::Ieee80211Radio(kind),
        LinkType::Mpls => Layer::Mpls,
        LinkType::Nflog => Layer::Nflog,
        LinkType::Unknown(_) => return Decoded::Other(Fate::UnknownLink),
    };
    decode_from(layer, Inner { bytes: frame.bytes, network: 0, depth: 0 }, frame.ts, options)
}

/// Finds the TCP segment in a packet that starts with an IP header, such as one put together from fragments.
#[must_use]
pub fn decode_inner<'a>(packet: Inner<'a>, ts: Timestamp, options: &Options) -> Decoded<'a> {
    decode_from(Layer::Ip, packet, ts, options)
}

fn decode_from<'a>(mut layer: Layer, outer: Inner<'a>, ts: Timestamp, options: &Options) -> Decoded<'a> {
    let Inner { mut bytes, mut network, mut depth } = outer;
    let within = |network: u32, named: Network| match options.separate.id(named) {
        0 => network,
        id => network.rotate_left(7) ^ id,
    };
    // Tags and headers that do not nest a network in another (VLAN, MPLS labels) have a bound of their own.
    let mut steps = 0;
    loop {
        steps += 1;
        if depth > options.tunnel_depth || steps > 64 {
            return Decoded::Other(Fate::TooDeep);
        }
        if layer != Layer::Ip {
            network = within(network, tunnel::tag(layer, bytes));
            match tunnel::step(layer, bytes) {
                Ok((next, rest)) => {
                    depth += usize::from(next == Layer::Ethernet);
                    (layer, bytes) = (next, rest);
                    continue;
                }
                Err(fate) => return Decoded::Other(fate),
            }
        }
        let Ok((ip, _)) = LaxIpSlice::from_slice(bytes) else {
            return Decoded::Other(Fate::Malformed);
        };
        let payload = ip.payload();
        if payload.fragmented {
            return Decoded::Fragment(Inner { bytes, network, depth });
        }
        match payload.ip_number.0 {
            6 => return tcp(&ip, bytes, network, ts, options),
            17 => match tunnel::udp(payload.payload) {
                Some((next, rest, named)) => {
                    network = within(network, named);
                    depth += 1;
                    (layer, bytes) = (next, rest);
                }
                None if payload.payload.get(8..).is_some_and(quic::is_quic) => {
                    return Decoded::Other(Fate::Quic);
                }
                None => return Decoded::Other(Fate::Udp),
            },
            number => match tunnel::over_ip(number, payload.payload) {
                Some((next, rest, named)) => {
                    network = within(network, named);
                    depth += 1;
                    (layer, bytes) = (next, rest);
                }
                None => return Decoded::Other(Fate::OtherTransport),
            },
        }
    }
}

fn tcp<'a>(
    ip: &LaxIpSlice<'a>,
    bytes: &'a [u8],
    network: u32,
    ts: Timestamp,
    options: &Options,
) -> Decoded<'a> {
    let payload = ip.payload();
    let Ok(tcp) = TcpSlice::from_slice(payload.payload) else {
        return Decoded::Other(Fate::Malformed);
    };
    let (source, destination, identification) = match ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            (IpAddr::V4(source), IpAddr::V4(destination), header.identification())
        }
        LaxIpSlice::Ipv6(ip) => {
            (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()), 0)
        }
    };
    // What the IP header promised and the frame does not hold.
    let cut = if payload.incomplete {
        let promised = match ip {
            LaxIpSlice::Ipv4(ip) => usize::from(ip.header().total_len()),
            LaxIpSlice::Ipv6(ip) => 40 + usize::from(ip.header().payload_length()),
        };
        u32::try_from(promised.saturating_sub(bytes.len())).unwrap_or(0)
    } else {
        0
    };
    if options.verify_checksums && cut == 0 && !checksum_holds(ip, &tcp) {
        return Decoded::Other(Fate::BadChecksum);
    }
    let (key, direction) =
        FlowKey::new((source, tcp.source_port()), (destination, tcp.destination_port()), network);
    Decoded::Tcp(Segment {
        ts,
        key,
        direction,
        seq: SeqNum(tcp.sequence_number()),
        ack: tcp.ack().then(|| SeqNum(tcp.acknowledgment_number())),
        flags: Flags { syn: tcp.syn(), fin: tcp.fin(), rst: tcp.rst() },
        payload: tcp.payload(),
        cut,
        identity: u32::from(identification) << 16 | u32::from(tcp.checksum()),
    })
}

fn checksum_holds(ip: &LaxIpSlice<'_>, tcp: &TcpSlice<'_>) -> bool {
    let expected = match ip {
        LaxIpSlice::Ipv4(ip) => tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()).ok(),
        LaxIpSlice::Ipv6(ip) => tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()).ok(),
    };
    expected == Some(tcp.checksum())
}

/// Feeds any bytes through every link type; the invariant is that it returns.
pub fn fuzz(data: &[u8]) {
    let options = Options { tunnel_depth: 8, separate: Separate::default(), verify_checksums: true };
    for number in [0, 1, 9, 51, 101, 104, 105, 108, 113, 119, 127, 163, 219, 239, 276] {
        let frame = Frame {
            ts: Timestamp::EPOCH,
            link: LinkType::from_number(number),
            wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            bytes: data,
        };
        if let Decoded::Tcp(segment) = decode(&frame, &options) {
            assert!(segment.payload.len() <= data.len(), "payload is part of the frame");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    const OPTIONS: Options = Options {
        tunnel_depth: 8,
        separate: Separate { vni: true, vlan: false, gre_key: false },
        verify_checksums: false,
    };

    fn ethernet() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .tcp(40_000, 80, 7, 512);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, b"hello").expect("a vector takes it");
        bytes
    }

    fn length(bytes: usize) -> [u8; 2] {
        u16::try_from(bytes).unwrap().to_le_bytes()
    }

    /// An Ethernet frame with UDP to `port`, which tunnels `inner` behind `head`.
    fn outer(port: u16, head: &[u8], inner: &[u8]) -> Vec<u8> {
        let builder =
            PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([198, 18, 0, 1], [198, 18, 0, 2], 64).udp(9, port);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &[head, inner].concat()).expect("a vector takes it");
        bytes
    }

    fn payload_of(link: u16, bytes: &[u8]) -> Option<(Vec<u8>, u32)> {
        let frame = Frame {
            ts: Timestamp::EPOCH,
            link: LinkType::from_number(link),
            wire_len: u32::try_from(bytes.len()).unwrap(),
            bytes,
        };
        match decode(&frame, &OPTIONS) {
            Decoded::Tcp(segment) => Some((segment.payload.to_vec(), segment.cut)),
            Decoded::Fragment(_) | Decoded::Other(_) => None,
        }
    }

    #[test]
    fn tcp_is_found_below_every_link_layer() {
        let frame = ethernet();
        let ip = &frame[14..];
        let with = |head: &[u8], rest: &[u8]| [head, rest].concat();
        let qinq = with(&frame[..12], &with(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], ip));
        let mpls = with(&frame[..12], &with(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64], ip));
        let pppoe = with(&frame[..12], &with(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 47, 0, 0x21], ip));
        let mut sll = vec![0, 0, 0, 1, 0, 6, 1, 1, 1, 1, 1, 1, 0, 0, 8, 0];
        sll.extend_from_slice(ip);
        let mut sll2 = vec![8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 1, 1, 1, 1, 1, 0, 0];
        sll2.extend_from_slice(ip);
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        let data = [&[0x08, 0x02][..], &[0; 22]].concat();
        let quality = [&[0x88, 0x01][..], &[0; 24]].concat();
        let radiotap = [&[0, 0, 8, 0, 0, 0, 0, 0][..], &data, &snap].concat();
        let nflog = [&[2, 0, 0, 0, 8, 0, 1, 0, 8, 0, 0, 0][..], &length(ip.len() + 4), &[9, 0]].concat();
        for (link, bytes) in [
            (9, with(&[0xff, 3, 0, 0x21], ip)),
            (9, with(&[0x21], ip)),
            (51, with(&[0x11, 0, 0, 1, 0, 47, 0, 0x21], ip)),
            (104, with(&[0x0f, 0, 8, 0], ip)),
            (105, with(&data, &with(&snap, ip))),
            (105, with(&quality, &with(&snap, ip))),
            (127, with(&radiotap, ip)),
            (219, with(&[0, 1, 1, 64], ip)),
            (239, with(&nflog, ip)),
            (1, with(&outer(2152, &[&[0x30, 0xff][..], &[0; 6]].concat(), ip), &[])),
            (1, with(&outer(1701, &[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], ip), &[])),
            (1, with(&outer(6635, &[0, 1, 1, 64], ip), &[])),
            (1, frame.clone()),
            (1, qinq),
            (1, mpls),
            (1, pppoe),
            (101, ip.to_vec()),
            (0, with(&[2, 0, 0, 0], ip)),
            (108, with(&[0, 0, 0, 2], ip)),
            (113, sll),
            (276, sll2),
        ] {
            assert_eq!(payload_of(link, &bytes), Some((b"hello".to_vec(), 0)), "link {link}");
        }
    }

    #[test]
    fn tenants_stay_apart_and_directions_of_a_mirror_meet() {
        let gre = |protocol: u16, key: u32| {
            let head = [&[0x20, 0][..], &protocol.to_be_bytes(), &key.to_be_bytes()].concat();
            let inner = ethernet();
            let total = u16::try_from(20 + head.len() + inner.len()).unwrap();
            let mut bytes = vec![0x45, 0];
            bytes.extend_from_slice(&total.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0, 0, 64, 47, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
            (101, [bytes, head, inner].concat())
        };
        let vxlan = |network: u32| {
            let head = [&[8, 0, 0, 0][..], &(network << 8).to_be_bytes()].concat();
            (1, outer(4789, &head, &ethernet()))
        };
        let tagged = |id: u16| {
            let mut bytes = ethernet();
            bytes.splice(12..12, [0x81, 0].into_iter().chain(id.to_be_bytes()));
            (1, bytes)
        };
        let key = |(link, bytes): (u16, Vec<u8>), separate| {
            let frame =
                Frame { ts: Timestamp::EPOCH, link: LinkType::from_number(link), wire_len: 0, bytes: &bytes };
            match decode(&frame, &Options { separate, ..OPTIONS }) {
                Decoded::Tcp(segment) => segment.key,
                other => panic!("{other:?}"),
            }
        };
        let (usual, none) = (Separate::default(), Separate { vni: false, vlan: false, gre_key: false });
        let all = Separate { vni: true, vlan: true, gre_key: true };
        for (name, a, b, apart) in [
            ("virtual networks", vxlan(1), vxlan(2), [true, false, true]),
            ("virtual subnets", gre(0x6558, 0x0010_0000), gre(0x6558, 0x0010_0100), [false, false, true]),
            ("keys of a mirror", gre(0x6558, 0), gre(0x6558, 0x0200_0000), [false, false, true]),
            ("VLANs", tagged(1), tagged(2), [false, false, true]),
        ] {
            for (separate, apart) in [usual, none, all].into_iter().zip(apart) {
                assert_eq!(
                    key(a.clone(), separate) != key(b.clone(), separate),
                    apart,
                    "{name} {separate:?}"
                );
            }
        }
    }

    #[test]
    fn a_cut_packet_tells_what_is_missing() {
        let frame = ethernet();
        assert_eq!(payload_of(1, &frame[..frame.len() - 3]), Some((b"he".to_vec(), 3)));
    }

    #[test]
    fn padding_of_short_frames_is_no_payload() {
        let mut frame = ethernet();
        frame.extend_from_slice(&[0; 10]);
        assert_eq!(payload_of(1, &frame), Some((b"hello".to_vec(), 0)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&data);
        }

        /// A flipped byte in a real frame is taken as well.
        #[test]
        fn damaged_frames_are_taken(at in 0_usize..54, with in any::<u8>(), cut in 0_usize..60) {
            let mut frame = ethernet();
            frame[at] = with;
            frame.truncate(cut);
            fuzz(&frame);
        }
    }
}
