//! Link layers, tags and tunnels: one step at a time towards the next IP header.
//!
//! Every function looks at the front of its input and says what lies behind. Nothing is allocated and
//! nothing nests here: the caller counts the steps. Tunnels over UDP are known by their IANA ports, since
//! nothing else marks them: 4789 (VXLAN, RFC 7348), 8472 (VXLAN of older Linux), 4790 (VXLAN-GPE), 6081
//! (Geneve, RFC 8926).

use super::{Fate, Network};

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Ethernet,
    /// BSD loopback in either byte order.
    Loopback,
    LinuxSll,
    LinuxSll2,
    /// An Ethernet payload of the given type.
    EtherType(u16),
    /// Point-to-point protocol number in front.
    Ppp,
    Mpls,
    CiscoHdlc,
    Ieee80211,
    /// Radio information of this link type in front of IEEE 802.11.
    Ieee80211Radio(u16),
    Nflog,
    Ip,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The network that a tag at the front names, one that is no tunnel of its own: a VLAN.
pub(super) fn tag(layer: Layer, bytes: &[u8]) -> Network {
    match layer {
        Layer::EtherType(0x8100 | 0x88a8 | 0x9100 | 0x9200) => {
            u16_at(bytes, 0).map_or(Network::None, |tag| Network::Vlan(tag & 0x0fff))
        }
        Layer::EtherType(_)
        | Layer::Ethernet
        | Layer::Loopback
        | Layer::LinuxSll
        | Layer::LinuxSll2
        | Layer::Ppp
        | Layer::Mpls
        | Layer::CiscoHdlc
        | Layer::Ieee80211
        | Layer::Ieee80211Radio(_)
        | Layer::Nflog
        | Layer::Ip => Network::None,
    }
}

/// Goes one header further. `Ip` is never asked for.
pub(super) fn step(layer: Layer, bytes: &[u8]) -> Result<(Layer, &[u8]), Fate> {
    let behind = |length: usize| bytes.get(length..).ok_or(Fate::Malformed);
    match layer {
        Layer::Ethernet => {
            let kind = u16_at(bytes, 12).ok_or(Fate::Malformed)?;
            // Below 0x600 it is an IEEE 802.3 length: LLC follows, and behind SNAP an Ethernet type.
            if kind < 0x600 {
                return match bytes.get(14..20) {
                    Some(&[0xaa, 0xaa, 3, 0, 0, 0]) => {
                        let kind = u16_at(bytes, 20).ok_or(Fate::Malformed)?;
                        Ok((Layer::EtherType(kind), behind(22)?))
                    }
                    _ => Err(Fate::NotIp),
                };
            }
            Ok((Layer::EtherType(kind), behind(14)?))
        }
        Layer::Loopback => {
            // AF_INET is 2 everywhere; AF_INET6 is 10, 23, 24, 28 or 30, in the capturing host's byte order.
            let family = u32_at(bytes, 0).ok_or(Fate::Malformed)?;
            let family = if family > 0xffff { family.swap_bytes() } else { family };
            match family {
                2 | 10 | 23 | 24 | 28 | 30 => Ok((Layer::Ip, behind(4)?)),
                _ => Err(Fate::NotIp),
            }
        }
        Layer::LinuxSll => {
            let kind = u16_at(bytes, 14).ok_or(Fate::Malformed)?;
            Ok((Layer::EtherType(kind), behind(16)?))
        }
        Layer::LinuxSll2 => {
            let kind = u16_at(bytes, 0).ok_or(Fate::Malformed)?;
            Ok((Layer::EtherType(kind), behind(20)?))
        }
        Layer::EtherType(kind) => match kind {
            0x0800 | 0x86dd => Ok((Layer::Ip, bytes)),
            // 802.1Q, 802.1ad and the tags that came before it.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let kind = u16_at(bytes, 2).ok_or(Fate::Malformed)?;
                Ok((Layer::EtherType(kind), behind(4)?))
            }
            0x8847 | 0x8848 => Ok((Layer::Mpls, bytes)),
            // PPPoE session (RFC 2516): six bytes, then the PPP protocol number.
            0x8864 => Ok((Layer::Ppp, behind(6)?)),
            // Transparent Ethernet bridging.
            0x6558 => Ok((Layer::Ethernet, bytes)),
            // Cisco metadata: version, length, option, tag, then the type of what follows.
            0x8909 => {
                let kind = u16_at(bytes, 6).ok_or(Fate::Malformed)?;
                Ok((Layer::EtherType(kind), behind(8)?))
            }
            _ => Err(Fate::NotIp),
        },
        Layer::Ppp => match bytes {
            // A protocol number of one byte has its lowest bit set (RFC 1661 section 2).
            [0x21, ..] => Ok((Layer::Ip, behind(1)?)),
            [0x57, ..] => Ok((Layer::Ip, behind(1)?)),
            [0x00, 0x21 | 0x57, ..] => Ok((Layer::Ip, behind(2)?)),
            [0x02, 0x81, ..] => Ok((Layer::Mpls, behind(2)?)),
            [0xff, 0x03, ..] => Ok((Layer::Ppp, behind(2)?)),
            [] | [_] => Err(Fate::Malformed),
            [_, _, ..] => Err(Fate::NotIp),
        },
        Layer::Mpls => {
            let label = u32_at(bytes, 0).ok_or(Fate::Malformed)?;
            let rest = behind(4)?;
            if label & 0x100 == 0 {
                return Ok((Layer::Mpls, rest));
            }
            // The stack does not say what it carries: a version nibble, or a pseudowire with or without
            // control word (RFC 4385), which starts with a zero nibble.
            match rest.first().map(|byte| byte >> 4) {
                Some(4 | 6) => Ok((Layer::Ip, rest)),
                Some(0) => Ok((Layer::Ethernet, rest.get(4..).ok_or(Fate::Malformed)?)),
                Some(_) => Ok((Layer::Ethernet, rest)),
                None => Err(Fate::Malformed),
            }
        }
        // Address, control, then an Ethernet type.
        Layer::CiscoHdlc => {
            let kind = u16_at(bytes, 2).ok_or(Fate::Malformed)?;
            Ok((Layer::EtherType(kind), behind(4)?))
        }
        Layer::Ieee80211Radio(link) => {
            let length = match link {
                // Radiotap: version, pad, length in little-endian order.
                127 => u16_at(bytes, 2).map(|length| usize::from(length.swap_bytes())),
                // Prism and AVS: a magic number, then the length.
                _ => u32_at(bytes, 4).and_then(|length| {
                    let length = if length > 0xffff { length.swap_bytes() } else { length };
                    usize::try_from(length).ok()
                }),
            };
            Ok((Layer::Ieee80211, behind(length.ok_or(Fate::Malformed)?)?))
        }
        Layer::Ieee80211 => ieee80211(bytes),
        Layer::Nflog => nflog(bytes),
        Layer::Ip => Ok((Layer::Ip, bytes)),
    }
}

/// A data frame in the clear (IEEE 802.11-2020 section 9.2.4), with LLC and SNAP behind its header.
fn ieee80211(bytes: &[u8]) -> Result<(Layer, &[u8]), Fate> {
    let &[control, flags] = bytes.first_chunk().ok_or(Fate::Malformed)?;
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    // Type 2 is data; subtypes with bit 2 carry none; the protected flag means that it is encrypted.
    if kind != 2 || subtype & 4 != 0 || flags & 0x40 != 0 {
        return Err(Fate::NotIp);
    }
    let four_addresses = flags & 3 == 3;
    let quality_of_service = subtype & 8 != 0;
    let mut length = 24 + 6 * usize::from(four_addresses) + 2 * usize::from(quality_of_service);
    if quality_of_service && flags & 0x80 != 0 {
        // High-throughput control.
        length += 4;
    }
    let rest = bytes.get(length..).ok_or(Fate::Malformed)?;
    match rest.get(..6) {
        Some(&[0xaa, 0xaa, 3, 0, 0, 0 | 0xf8]) => {
            let kind = u16_at(rest, 6).ok_or(Fate::Malformed)?;
            Ok((Layer::EtherType(kind), rest.get(8..).ok_or(Fate::Malformed)?))
        }
        Some(_) => Err(Fate::NotIp),
        None => Err(Fate::Malformed),
    }
}

/// Netfilter's log: a head of four bytes, then attributes of length, type and value; type 9 is the packet.
fn nflog(bytes: &[u8]) -> Result<(Layer, &[u8]), Fate> {
    let mut rest = bytes.get(4..).ok_or(Fate::Malformed)?;
    for _ in 0..32 {
        let &[a, b, c, d] = rest.first_chunk().ok_or(Fate::NotIp)?;
        let (length, kind) = (usize::from(u16::from_le_bytes([a, b])), u16::from_le_bytes([c, d]));
        if length < 4 {
            return Err(Fate::Malformed);
        }
        if kind == 9 {
            return Ok((Layer::Ip, rest.get(4..length.min(rest.len())).ok_or(Fate::Malformed)?));
        }
        rest = rest.get(length.next_multiple_of(4)..).ok_or(Fate::NotIp)?;
    }
    Err(Fate::NotIp)
}

/// What an IP packet of protocol `number` tunnels, with the network id it names.
pub(super) fn over_ip(number: u8, bytes: &[u8]) -> Option<(Layer, &[u8], Network)> {
    match number {
        // IPv4 and IPv6 in IP (RFC 2003, RFC 4213).
        4 | 41 => Some((Layer::Ip, bytes, Network::None)),
        47 => gre(bytes),
        137 => Some((Layer::Mpls, bytes, Network::None)),
        _ => None,
    }
}

/// Generic routing encapsulation (RFC 2784, RFC 2890; NVGRE RFC 7637; ERSPAN draft-foschiano).
fn gre(bytes: &[u8]) -> Option<(Layer, &[u8], Network)> {
    let flags = u16_at(bytes, 0)?;
    let protocol = u16_at(bytes, 2)?;
    let version = flags & 7;
    // Enhanced GRE of PPTP (RFC 2637) carries PPP and has an acknowledgement field.
    if version == 1 {
        let length = 8 + 4 * usize::from(flags & 0x1000 != 0) + 4 * usize::from(flags & 0x80 != 0);
        return (protocol == 0x880b)
            .then_some(())
            .and_then(|()| Some((Layer::Ppp, bytes.get(length..)?, Network::None)));
    }
    let (has_checksum, has_key, has_sequence) =
        (flags & 0x8000 != 0 || flags & 0x4000 != 0, flags & 0x2000 != 0, flags & 0x1000 != 0);
    let at = 4 + 4 * usize::from(has_checksum) + 4 * usize::from(has_key) + 4 * usize::from(has_sequence);
    let rest = bytes.get(at..)?;
    let key = if has_key { u32_at(bytes, 4 + 4 * usize::from(has_checksum)) } else { None };
    match protocol {
        // ERSPAN type I has no header of its own and no sequence number; type II has eight bytes. The session
        // that they name is the mirror's, not a network.
        0x88be if has_sequence => Some((Layer::Ethernet, rest.get(8..)?, Network::None)),
        0x88be => Some((Layer::Ethernet, rest, Network::None)),
        // ERSPAN type III: twelve bytes, and eight more when the last bit is set.
        0x22eb => {
            let more = rest.get(11)? & 1 == 1;
            Some((Layer::Ethernet, rest.get(12 + 8 * usize::from(more)..)?, Network::None))
        }
        // A key names a tenant to some, as the virtual subnet of NVGRE does (RFC 7637 section 3.2, behind which eight
        // bits tell flows apart), and a mirror session, one for each direction, to others, who set any of its bits.
        kind => {
            let named = match key {
                Some(key) if kind == 0x6558 => Network::GreKey(key >> 8),
                Some(key) => Network::GreKey(key),
                None => Network::None,
            };
            Some((Layer::EtherType(kind), rest, named))
        }
    }
}

/// What a UDP datagram tunnels, with the network id it names.
pub(super) fn udp(bytes: &[u8]) -> Option<(Layer, &[u8], Network)> {
    let port = u16_at(bytes, 2)?;
    let payload = bytes.get(8..)?;
    match port {
        4789 | 8472 => {
            let flags = *payload.first()?;
            let network = u32_at(payload, 4)? >> 8;
            (flags & 0x08 != 0).then_some(())?;
            Some((Layer::Ethernet, payload.get(8..)?, Network::Vni(network)))
        }
        4790 => {
            let (flags, next) = (*payload.first()?, *payload.get(3)?);
            let network = u32_at(payload, 4)? >> 8;
            (flags & 0x08 != 0).then_some(())?;
            let layer = match next {
                1 | 2 => Layer::Ip,
                3 => Layer::Ethernet,
                5 => Layer::Mpls,
                _ => return None,
            };
            Some((layer, payload.get(8..)?, Network::Vni(network)))
        }
        6081 => {
            let first = *payload.first()?;
            (first >> 6 == 0).then_some(())?;
            let length = 8 + 4 * usize::from(first & 0x3f);
            let kind = u16_at(payload, 2)?;
            let network = u32_at(payload, 4)? >> 8;
            Some((Layer::EtherType(kind), payload.get(length..)?, Network::Vni(network)))
        }
        // GTP-U (3GPP TS 29.281 section 5.1): version 1, a user packet, perhaps extension headers.
        2152 => {
            let &[flags, 0xff] = payload.first_chunk()? else { return None };
            (flags >> 5 == 1).then_some(())?;
            let mut at = 8;
            if flags & 7 != 0 {
                let mut next = *payload.get(11)?;
                at = 12;
                for _ in 0..8 {
                    if next == 0 || flags & 4 == 0 {
                        break;
                    }
                    let length = 4 * usize::from(*payload.get(at)?);
                    (length > 0).then_some(())?;
                    next = *payload.get(at + length - 1)?;
                    at += length;
                }
            }
            Some((Layer::Ip, payload.get(at..)?, Network::None))
        }
        // Teredo (RFC 4380 section 5.1.1): IPv6, perhaps behind an origin indication of eight bytes.
        3544 => teredo(payload),
        // L2TP version 2 data (RFC 2661 section 3.1): optional length, offset and sequence fields.
        1701 => {
            let flags = u16_at(payload, 0)?;
            (flags & 0x800f == 2).then_some(())?;
            let mut at = 6 + 2 * usize::from(flags & 0x4000 != 0) + 4 * usize::from(flags & 0x0800 != 0);
            if flags & 0x0200 != 0 {
                at += 2 + usize::from(u16_at(payload, at)?);
            }
            Some((Layer::Ppp, payload.get(at..)?, Network::None))
        }
        // MPLS in UDP (RFC 7510).
        6635 => Some((Layer::Mpls, payload, Network::None)),
        _ if u16_at(bytes, 0) == Some(3544) => teredo(payload),
        _ => None,
    }
}

fn teredo(payload: &[u8]) -> Option<(Layer, &[u8], Network)> {
    let rest = if payload.starts_with(&[0, 0]) { payload.get(8..)? } else { payload };
    (rest.first()? >> 4 == 6).then_some((Layer::Ip, rest, Network::None))
}
