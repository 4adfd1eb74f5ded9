//! Packets from network interfaces, through libpcap.
//!
//! An interface is opened once for each shard; the handles form a fanout group ([`super::fanout`]). Each owns a ring
//! of its own that it shares with the kernel (`TPACKET_V3`); frames are lent out of it, never copied. Handles do not
//! block: whoever reads several of them waits with [`wait`].

pub use super::interface::Interface;

use super::fanout::Group;
use super::host::Host;
use crate::packet::{Frame, LinkType};
use crate::time::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use pcap::{Active, Capture, Precision};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Why an interface is not captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// There is no such interface, now.
    #[error("there is no interface {name}")]
    Missing {
        /// The name.
        name: String,
    },
    /// It is there and down.
    #[error("the interface {name} is down")]
    Down {
        /// The name.
        name: String,
    },
    /// The process may not capture.
    #[error(
        "capturing on {name} needs the capability CAP_NET_RAW: run as root, or 'setcap cap_net_raw=ep' the program"
    )]
    Forbidden {
        /// The name.
        name: String,
    },
    /// The filter is none.
    #[error("the filter of {name} is not understood: {message}; see pcap-filter(7)")]
    Filter {
        /// The name.
        name: String,
        /// What libpcap says.
        message: String,
    },
    /// Anything else.
    #[error("capturing on {name}: {message}")]
    Other {
        /// The name.
        name: String,
        /// What libpcap or the system says.
        message: String,
    },
}

impl LiveError {
    /// Whether it may pass by itself: the interface may yet come, or come back.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Down { .. } | Self::Other { .. } => true,
            Self::Forbidden { .. } | Self::Filter { .. } => false,
        }
    }
}

/// What the kernel counted for a handle since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelCounts {
    /// Packets that passed the filter, those dropped included.
    pub received: u64,
    /// Packets for which the ring had no room.
    pub ring_full: u64,
    /// Packets that the interface or its driver dropped; counted for the first handle alone.
    pub interface: u64,
}

/// One shard's share of an interface.
pub struct Handle {
    capture: Capture<Active>,
    link: LinkType,
    /// Frames before it were captured while the group was being formed, and belong to every handle.
    since: Timestamp,
    first: bool,
    last: (u32, u32, u32),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({:?})", self.link)
    }
}

/// Longest time that the kernel holds back a block of packets that is not full.
const BLOCK_TIMEOUT_MS: i32 = 50;

/// Opens an interface, once for each of `lanes` shards.
pub fn open(interface: &Interface, lanes: u32) -> Result<Vec<Handle>, LiveError> {
    let name = &interface.name;
    let other = |message: String| LiveError::Other { name: name.clone(), message };
    let mut captures = Vec::new();
    for _ in 0..lanes.max(1) {
        let ring = i32::try_from(interface.ring_bytes).unwrap_or(i32::MAX);
        let snaplen = i32::try_from(interface.snaplen).unwrap_or(i32::MAX);
        let capture = Capture::from_device(name.as_str())
            .map_err(|error| other(error.to_string()))?
            .snaplen(snaplen)
            .promisc(interface.promiscuous)
            .buffer_size(ring)
            .timeout(BLOCK_TIMEOUT_MS)
            .precision(Precision::Nano)
            .open()
            .map_err(|error| refused(name, &error.to_string()))?;
        let mut capture = capture.setnonblock().map_err(|error| other(error.to_string()))?;
        filter(&mut capture, interface)?;
        captures.push(capture);
    }
    if let [first, rest @ ..] = captures.as_slice()
        && !rest.is_empty()
    {
        let group = Group::new(first.as_fd(), lanes).map_err(|error| other(format!("fanout: {error}")))?;
        for capture in rest {
            group.join(capture.as_fd()).map_err(|error| other(format!("fanout: {error}")))?;
        }
    }
    let since = if lanes > 1 { super::now() } else { Timestamp::from_nanos(i64::MIN) };
    let handle = |(at, capture): (usize, Capture<Active>)| {
        let number = u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX);
        let number = if number == DLT_RAW { LINKTYPE_RAW } else { number };
        Handle { link: LinkType::from_number(number), capture, since, first: at == 0, last: (0, 0, 0) }
    };
    Ok(captures.into_iter().enumerate().map(handle).collect())
}

/// libpcap's own number of raw IP, and that of capture files.
const DLT_RAW: u16 = 12;
const LINKTYPE_RAW: u16 = 101;

fn refused(name: &str, message: &str) -> LiveError {
    let name = name.to_owned();
    let says = |part: &str| message.contains(part);
    if says("No such device") || says("doesn't exist") {
        LiveError::Missing { name }
    } else if says("not up") || says("Network is down") {
        LiveError::Down { name }
    } else if says("ermission") || says("not permitted") {
        LiveError::Forbidden { name }
    } else {
        LiveError::Other { name, message: message.to_owned() }
    }
}

fn filter(capture: &mut Capture<Active>, interface: &Interface) -> Result<(), LiveError> {
    let text = interface.filter.as_deref().unwrap_or_default();
    capture
        .filter(text, true)
        .map_err(|error| LiveError::Filter { name: interface.name.clone(), message: error.to_string() })
}

/// Says whether a filter is understood, without any interface.
pub fn check_filter(name: &str, text: &str) -> Result<(), LiveError> {
    let compiled =
        Capture::dead(pcap::Linktype::ETHERNET).and_then(|capture| capture.compile(text, true).map(drop));
    compiled.map_err(|error| LiveError::Filter { name: name.to_owned(), message: error.to_string() })
}

impl Handle {
    /// What frames begin with.
    #[must_use]
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// Gives the frames that wait to `take`, about `most` of them. Returns how many there were.
    #[inline]
    pub fn read(&mut self, most: usize, mut take: impl FnMut(&Frame<'_>)) -> io::Result<usize> {
        let (link, since) = (self.link, self.since);
        let read = self.capture.dispatch(Some(most), |packet| {
            let header = packet.header;
            // In nanoseconds, as was asked for.
            let ts = Timestamp::from_secs(header.ts.tv_sec, u32::try_from(header.ts.tv_usec).unwrap_or(0));
            if ts < since {
                return;
            }
            take(&Frame { ts, link, wire_len: header.len, bytes: packet.data });
        });
        read.map_err(|error| io::Error::other(error.to_string()))
    }

    /// Changes the filter; packets that wait already are not held against it.
    pub fn set_filter(&mut self, interface: &Interface) -> Result<(), LiveError> {
        filter(&mut self.capture, interface)
    }

    /// What the kernel counted since this was last asked.
    pub fn kernel_counts(&mut self) -> KernelCounts {
        let Ok(stat) = self.capture.stats() else { return KernelCounts::default() };
        let last = std::mem::replace(&mut self.last, (stat.received, stat.dropped, stat.if_dropped));
        let interface = if self.first { stat.if_dropped.wrapping_sub(last.2) } else { 0 };
        KernelCounts {
            received: stat.received.wrapping_sub(last.0).into(),
            ring_full: stat.dropped.wrapping_sub(last.1).into(),
            interface: interface.into(),
        }
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// Waits until one of the handles has packets, or an error to tell, or the time is over. Returns whether one has
/// an error to tell.
pub fn wait<'a>(handles: impl Iterator<Item = &'a Handle>, at_most: Duration) -> bool {
    let mut fds: Vec<PollFd<'_>> =
        handles.map(|handle| PollFd::new(handle.as_fd(), PollFlags::POLLIN)).collect();
    let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
    // Interrupted or not, the caller looks again.
    nix::poll::poll(&mut fds, timeout).unwrap_or_default();
    fds.iter().any(|fd| {
        fd.revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
    })
}

/// Whether the interface is there and up, as the kernel says now.
#[must_use]
pub fn is_up(name: &str) -> Option<bool> {
    let flags = std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
    Some(flags & 1 == 1)
}

/// Packets that the kernel dropped on their way from the interfaces to all sockets, since it started
/// (`/proc/net/softnet_stat`, second column).
#[must_use]
pub fn backlog_drops() -> u64 {
    Host::here().softnet().map_or(0, |softnet| softnet.dropped)
}
