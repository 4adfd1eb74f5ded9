//! Datagrams that the kernel dropped because a socket's buffer was full, as `/proc/net/udp` counts them.

use std::fs;
use std::net::UdpSocket;

/// The count of one socket.
#[derive(Debug)]
pub(super) struct Drops {
    inode: Option<String>,
    told: u64,
}

impl Drops {
    pub(super) fn of(socket: &UdpSocket) -> Self {
        Self { inode: inode(socket), told: 0 }
    }

    /// How many since the last look.
    pub(super) fn look(&mut self) -> u64 {
        let Some(inode) = &self.inode else { return 0 };
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let now = tables.iter().find_map(|path| dropped(&fs::read_to_string(path).ok()?, inode));
        let more = now.unwrap_or_default().saturating_sub(self.told);
        self.told += more;
        more
    }
}

#[cfg(unix)]
fn inode(socket: &UdpSocket) -> Option<String> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;
    let descriptor = OwnedFd::from(socket.try_clone().ok()?);
    Some(fs::File::from(descriptor).metadata().ok()?.ino().to_string())
}

#[cfg(not(unix))]
fn inode(_: &UdpSocket) -> Option<String> {
    None
}

/// The last column of the line whose tenth is this inode.
fn dropped(table: &str, inode: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.split_ascii_whitespace().nth(9) == Some(inode))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_found() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
            1000: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17\n";
        assert_eq!(dropped(table, "4711"), Some(17));
        assert_eq!(dropped(table, "471"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_full_socket_loses_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut drops = Drops::of(&socket);
        assert_eq!(drops.look(), 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10_000 {
            sender.send_to(&[0; 1_000], socket.local_addr().unwrap()).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        let received = std::iter::from_fn(|| socket.recv(&mut [0; 2_000]).ok()).count();
        assert_eq!(drops.look() + u64::try_from(received).unwrap(), 10_000);
        assert_eq!(drops.look(), 0, "each is told once");
    }
}
