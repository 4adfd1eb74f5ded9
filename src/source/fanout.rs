//! Several sockets on one interface, each with its share of the connections (`PACKET_FANOUT`, packet(7)).
//!
//! The kernel asks a classic BPF program which socket of the group gets a packet. Ours computes
//! [`FlowKey::lane`](crate::packet::key::FlowKey::lane) over the outer addresses and ports, so that what is not tunnelled
//! or fragmented arrives in the shard it belongs to and is never copied; anything else goes to the first, which
//! hands it on. A kernel without such programs spreads by its own hash: results are the same, more is handed on.
//!
//! The only unsafe code of the sensor, for two socket options that no crate of good standing wraps.

use crate::packet::key::{LANE_FACTOR, LANE_SHIFT};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A group of sockets, one for each shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The kernel's number of the group.
    id: u16,
    /// Whether our program chooses; otherwise the kernel's hash does.
    programmed: bool,
}

impl Group {
    /// Makes a group with `first` as its first member. There will be `lanes` of them.
    pub fn new(first: BorrowedFd<'_>, lanes: u32) -> io::Result<Self> {
        let unique = libc::PACKET_FANOUT_FLAG_UNIQUEID.cast_signed();
        let programmed = match set(first, unique, libc::PACKET_FANOUT_CBPF) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                set(first, unique, libc::PACKET_FANOUT_HASH)?;
                false
            }
            Err(error) => return Err(error),
        };
        if programmed {
            attach(first, &program(lanes))?;
        }
        Ok(Self { id: id_of(first)?, programmed })
    }

    /// Takes another member in.
    pub fn join(self, member: BorrowedFd<'_>) -> io::Result<()> {
        let mode = if self.programmed { libc::PACKET_FANOUT_CBPF } else { libc::PACKET_FANOUT_HASH };
        let value = libc::c_int::from(self.id) | mode.cast_signed() << 16;
        option(member, libc::PACKET_FANOUT, &value)
    }

    /// Whether packets arrive in the shard they belong to, as far as their outer headers tell.
    #[must_use]
    pub const fn is_programmed(self) -> bool {
        self.programmed
    }
}

fn set(socket: BorrowedFd<'_>, flags: libc::c_int, mode: libc::c_uint) -> io::Result<()> {
    let value = (mode.cast_signed() | flags) << 16;
    option(socket, libc::PACKET_FANOUT, &value)
}

/// Sets an option of the packet layer.
#[expect(unsafe_code, reason = "setsockopt takes a pointer; no crate wraps these options")]
fn option<T>(socket: BorrowedFd<'_>, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("options are small");
    // SAFETY: `value` is a live reference to `length` bytes, which the kernel reads and does not keep, and `socket`
    // is open as long as it is borrowed. What a `sock_fprog` points at is alive too, see `attach`.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, std::ptr::from_ref(value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The group's number, which the kernel chose.
#[expect(unsafe_code, reason = "getsockopt takes a pointer; no crate wraps this option")]
fn id_of(socket: BorrowedFd<'_>) -> io::Result<u16> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).expect("an integer is small");
    // SAFETY: both pointers are to live locals; the kernel writes at most `length` bytes, the size of `value`.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u16::try_from(value & 0xffff).unwrap_or(0))
}

/// Gives the group the program that chooses.
fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> =
        program.iter().map(|one| libc::sock_filter { code: one.0, jt: one.1, jf: one.2, k: one.3 }).collect();
    let whole = libc::sock_fprog {
        len: u16::try_from(filter.len()).expect("the program is short"),
        filter: filter.as_mut_ptr(),
    };
    // `filter` outlives the call, in which the kernel copies it.
    let outcome = option(socket, libc::PACKET_FANOUT_DATA, &whole);
    drop(filter);
    outcome
}

/// Code, jump if true, jump if false, operand.
type Instruction = (u16, u8, u8, u32);

/// Offsets from here on are relative to the network header.
const NET: u32 = (-0x0010_0000_i32).cast_unsigned();
/// Where the Ethernet type is told.
const PROTOCOL: u32 = (-0x1000_i32).cast_unsigned();

// The classes, sizes, modes and operations of classic BPF that are used (linux/bpf_common.h).
const LD_W_ABS: u16 = 0x20;
const LD_H_ABS: u16 = 0x28;
const LD_B_ABS: u16 = 0x30;
const LD_H_IND: u16 = 0x48;
const ST: u16 = 0x02;
const JA: u16 = 0x05;
const TAX: u16 = 0x07;
const JEQ: u16 = 0x15;
const JSET: u16 = 0x45;
const AND: u16 = 0x54;
const LSH: u16 = 0x64;
const RSH: u16 = 0x74;
const MUL: u16 = 0x24;
const MOD: u16 = 0x94;
const XOR_X: u16 = 0xac;
const LDX_MEM: u16 = 0x61;
const LDX_IMM: u16 = 0x01;
const RET_A: u16 = 0x16;
const RET_K: u16 = 0x06;

/// [`FlowKey::lane`](crate::packet::key::FlowKey::lane) over the outer headers of TCP over IPv4 and IPv6; 0 for anything else.
fn program(lanes: u32) -> Vec<Instruction> {
    // The folded addresses end up in memory word 0, the offset of the ports in X.
    let ipv4: Vec<Instruction> = vec![
        (LD_B_ABS, 0, 0, NET + 9),
        (JEQ, 1, 0, 6),
        (RET_K, 0, 0, 0),
        (LD_H_ABS, 0, 0, NET + 6),
        (JSET, 0, 1, 0x3fff),
        (RET_K, 0, 0, 0),
        (LD_W_ABS, 0, 0, NET + 12),
        (TAX, 0, 0, 0),
        (LD_W_ABS, 0, 0, NET + 16),
        (XOR_X, 0, 0, 0),
        (ST, 0, 0, 0),
        (LD_B_ABS, 0, 0, NET),
        (AND, 0, 0, 0x0f),
        (LSH, 0, 0, 2),
        (TAX, 0, 0, 0),
    ];
    let mut ipv6: Vec<Instruction> =
        vec![(LD_B_ABS, 0, 0, NET + 6), (JEQ, 1, 0, 6), (RET_K, 0, 0, 0), (LD_W_ABS, 0, 0, NET + 8)];
    for word in 1..8 {
        ipv6.extend([(TAX, 0, 0, 0), (LD_W_ABS, 0, 0, NET + 8 + 4 * word), (XOR_X, 0, 0, 0)]);
    }
    ipv6.extend([(ST, 0, 0, 0), (LDX_IMM, 0, 0, 40)]);
    let ports: Vec<Instruction> = vec![
        (LD_H_IND, 0, 0, NET),
        (ST, 0, 0, 1),
        (LD_H_IND, 0, 0, NET + 2),
        (LDX_MEM, 0, 0, 1),
        (XOR_X, 0, 0, 0),
        (LDX_MEM, 0, 0, 0),
        (XOR_X, 0, 0, 0),
        (MUL, 0, 0, LANE_FACTOR),
        (RSH, 0, 0, LANE_SHIFT),
        (MOD, 0, 0, lanes.max(1)),
        (RET_A, 0, 0, 0),
    ];
    let length = |part: &[Instruction]| u8::try_from(part.len()).expect("the parts are short");
    let over_ipv6 = length(&ipv6);
    let mut whole = vec![
        (LD_H_ABS, 0, 0, PROTOCOL),
        (JEQ, 0, 1, 0x0800),
        (JA, 0, 0, 2),
        (JEQ, length(&ipv4) + 2, 0, 0x86dd),
        (RET_K, 0, 0, 0),
    ];
    whole.extend(ipv4);
    whole.push((JA, 0, 0, u32::from(over_ipv6)));
    whole.extend(ipv6);
    whole.extend(ports);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::key::FlowKey;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// Runs a program as the kernel does, on a packet without link layer.
    fn run(program: &[Instruction], protocol: u16, packet: &[u8]) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, [0_u32; 16], 0_usize);
        let load = |offset: u32, size: usize| {
            if offset == PROTOCOL {
                return u32::from(protocol);
            }
            let from = offset.wrapping_sub(NET) as usize;
            packet[from..from + size].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
        };
        loop {
            let (code, jt, jf, k) = program[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                LD_W_ABS => a = load(k, 4),
                LD_H_ABS => a = load(k, 2),
                LD_B_ABS => a = load(k, 1),
                LD_H_IND => a = load(k.wrapping_add(x), 2),
                ST => memory[k as usize] = a,
                TAX => x = a,
                JA => at += k as usize,
                JEQ => jump(a == k),
                JSET => jump(a & k != 0),
                AND => a &= k,
                LSH => a <<= k,
                RSH => a >>= k,
                MUL => a = a.wrapping_mul(k),
                MOD => a %= k,
                XOR_X => a ^= x,
                LDX_MEM => x = memory[k as usize],
                LDX_IMM => x = k,
                RET_A => return a,
                RET_K => return k,
                other => panic!("{other:#x} is not used"),
            }
        }
    }

    fn tcp(source: (IpAddr, u16), destination: (IpAddr, u16), options: usize) -> (u16, Vec<u8>) {
        let mut packet;
        let protocol = match (source.0, destination.0) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet = vec![0; 20 + 4 * options];
                packet[0] = 0x45 + u8::try_from(options).unwrap();
                packet[9] = 6;
                packet[12..16].copy_from_slice(&source.octets());
                packet[16..20].copy_from_slice(&destination.octets());
                0x0800
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                packet = vec![0; 40];
                packet[0] = 0x60;
                packet[6] = 6;
                packet[8..24].copy_from_slice(&source.octets());
                packet[24..40].copy_from_slice(&destination.octets());
                0x86dd
            }
            _ => unreachable!("both are of one family"),
        };
        packet.extend_from_slice(&source.1.to_be_bytes());
        packet.extend_from_slice(&destination.1.to_be_bytes());
        (protocol, packet)
    }

    proptest! {
        /// The kernel chooses the very shard that the flow belongs to.
        #[test]
        fn the_program_computes_the_lane(
            v4 in any::<bool>(), a in any::<u128>(), b in any::<u128>(), p in any::<u16>(), q in any::<u16>(),
            lanes in 1_u32..64, options in 0_usize..10,
        ) {
            let address = |bits: u128| -> IpAddr {
                if v4 { IpAddr::V4(u32::try_from(bits >> 96).unwrap().into()) } else { IpAddr::V6(bits.into()) }
            };
            let (source, destination) = ((address(a), p), (address(b), q));
            let (protocol, packet) = tcp(source, destination, options);
            let (key, _) = FlowKey::new(source, destination, 0);
            prop_assert_eq!(run(&program(lanes), protocol, &packet), key.lane(lanes));
        }
    }

    #[test]
    fn what_is_tunnelled_or_fragmented_goes_to_the_first() {
        let (protocol, mut packet) = tcp(([10, 0, 0, 1].into(), 9), ([10, 0, 0, 2].into(), 443), 0);
        packet[6] = 0x20;
        assert_eq!(run(&program(8), protocol, &packet), 0, "a fragment");
        (packet[6], packet[9]) = (0, 17);
        assert_eq!(run(&program(8), protocol, &packet), 0, "UDP");
        assert_eq!(run(&program(8), 0x0806, &packet), 0, "ARP");
    }
}
