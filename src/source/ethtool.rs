//! What a network driver does to packets before they are captured, asked with `SIOCETHTOOL`.
//!
//! A fenced module: there is no way to ask but an `ioctl` with a pointer in it. It only asks, never sets.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

/// `ETHTOOL_GGRO` and `ETHTOOL_GFLAGS`, and the bits of the latter (linux/ethtool.h).
const GRO: u32 = 0x2b;
const FLAGS: u32 = 0x25;
const FLAG_RXVLAN: u32 = 1 << 8;
const FLAG_LRO: u32 = 1 << 15;

/// Offloads of receiving that change what a capture sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offloads {
    /// The kernel merges packets of a connection (generic receive offload).
    pub gro: bool,
    /// The card merges packets of a connection (large receive offload).
    pub lro: bool,
    /// The card takes VLAN tags off packets and hands them over beside these.
    pub vlan: bool,
}

/// The offloads of an interface. Needs no privilege.
pub fn offloads(interface: &str) -> io::Result<Offloads> {
    let flags = ask(interface, FLAGS)?;
    Ok(Offloads {
        gro: ask(interface, GRO)? != 0,
        lro: flags & FLAG_LRO != 0,
        vlan: flags & FLAG_RXVLAN != 0,
    })
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

#[expect(unsafe_code, reason = "the kernel is asked through a pointer in a structure")]
fn ask(interface: &str, command: u32) -> io::Result<u32> {
    let mut name = [0; libc::IFNAMSIZ];
    // The last byte stays 0, as the kernel wants it.
    if interface.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.iter_mut().zip(interface.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let socket = UnixDatagram::unbound()?;
    let mut value = Value { command, data: 0 };
    let data = (&raw mut value).cast();
    let mut request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: data } };
    // SAFETY: `socket` is open. `request` is a whole `ifreq` that outlives the call; its name ends with a zero; its pointer
    // leads to `value`, which outlives the call too and is the `ethtool_value` that both commands fill.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(value.data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_merges_nothing_and_what_does_not_exist_is_an_error() {
        assert!(!offloads("lo").unwrap().lro);
        for name in ["no-such-thing", "a-name-that-is-too-long", ""] {
            assert!(offloads(name).is_err(), "{name}");
        }
    }
}
