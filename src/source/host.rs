//! What the host says of itself and its interfaces in `/proc` and `/sys`.
//!
//! An edge that only reads text. What is missing or not understood is `None`: kernels and containers differ.

use std::fs;
use std::path::{Path, PathBuf};

/// A host, by the folder that its `/proc` and `/sys` are in.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

/// An interface at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Whether it was set up (`ip link set up`).
    pub up: bool,
    /// Whether a cable, or what stands for one, is plugged in; unknown while it is down.
    pub carrier: Option<bool>,
    /// Whether something has it take packets for others.
    pub promiscuous: bool,
    /// The longest packet that it sends, without the link's header.
    pub mtu: Option<u64>,
    /// Its speed, where it has one: virtual ones make theirs up.
    pub megabits: Option<u64>,
    /// Whether a device stands behind it, real or given to a virtual machine.
    pub has_device: bool,
    /// What it counted since it was made.
    pub counters: Counters,
}

/// What an interface counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Dropped by the kernel, also for want of anybody who wanted them.
    pub dropped: u64,
    /// Missed by the card, which had no room.
    pub missed: u64,
    /// Lost in the card's queue.
    pub fifo: u64,
    /// Longer than the card takes.
    pub over: u64,
}

impl Counters {
    /// What was lost before the kernel had it.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.missed.saturating_add(self.fifo).saturating_add(self.over)
    }

    /// What was counted since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            bytes: self.bytes.saturating_sub(before.bytes),
            dropped: self.dropped.saturating_sub(before.dropped),
            missed: self.missed.saturating_sub(before.missed),
            fifo: self.fifo.saturating_sub(before.fifo),
            over: self.over.saturating_sub(before.over),
        }
    }
}

/// What the kernel's queues between cards and sockets counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Softnet {
    /// Packets dropped because the queue was full.
    pub dropped: u64,
    /// How often the time for a round was up with packets left.
    pub squeezed: u64,
}

impl Host {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self::at(Path::new("/"))
    }

    /// One whose `/proc` and `/sys` are below `root`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The names of all interfaces, sorted.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("sys/class/net")).into_iter().flatten();
        // A file among them belongs to the bonding driver.
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> =
            folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// An interface, when there is one of this name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return None;
        }
        let folder = Path::new("sys/class/net").join(name);
        let flags = self.text(folder.join("flags"))?;
        let flags = u64::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
        let number = |file: &str| self.text(folder.join(file))?.parse::<u64>().ok();
        let counter = |file: &str| number(&format!("statistics/{file}")).unwrap_or_default();
        Some(InterfaceFacts {
            up: flags & 0x1 != 0,
            carrier: number("carrier").map(|carrier| carrier != 0),
            promiscuous: flags & 0x100 != 0,
            mtu: number("mtu"),
            megabits: number("speed").filter(|speed| *speed > 0),
            has_device: self.root.join(&folder).join("device").exists(),
            counters: Counters {
                packets: counter("rx_packets"),
                bytes: counter("rx_bytes"),
                dropped: counter("rx_dropped"),
                missed: counter("rx_missed_errors"),
                fifo: counter("rx_fifo_errors"),
                over: counter("rx_over_errors"),
            },
        })
    }

    /// The kernel's queues, all processors together.
    #[must_use]
    pub fn softnet(&self) -> Option<Softnet> {
        let text = self.text("proc/net/softnet_stat")?;
        let mut all = Softnet::default();
        for line in text.lines() {
            let mut columns = line.split_whitespace().map(|column| u64::from_str_radix(column, 16));
            let (_processed, dropped, squeezed) =
                (columns.next()?, columns.next()?.ok()?, columns.next()?.ok()?);
            all.dropped += dropped;
            all.squeezed += squeezed;
        }
        Some(all)
    }

    /// Bytes of memory that can be had without swapping.
    #[must_use]
    pub fn memory_available(&self) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
    }

    /// The capabilities in effect for this process, as bits.
    #[must_use]
    pub fn capabilities(&self) -> Option<u64> {
        let text = self.text("proc/self/status")?;
        let bits = text.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(bits.trim(), 16).ok()
    }

    /// The kernel's version: `6.1` of `6.1.0-9-amd64`.
    #[must_use]
    pub fn kernel(&self) -> Option<(u32, u32)> {
        let text = self.text("proc/sys/kernel/osrelease")?;
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }

    /// Whether the kernel takes seccomp filters that refuse calls.
    #[must_use]
    pub fn has_seccomp(&self) -> bool {
        self.text("proc/sys/kernel/seccomp/actions_avail")
            .is_some_and(|text| text.split(' ').any(|word| word == "errno"))
    }

    /// Whether the kernel has packet sockets already; it may still load them when the first one is opened.
    #[must_use]
    pub fn has_packet_sockets(&self) -> bool {
        self.root.join("proc/net/packet").exists()
    }

    /// What keeps the clock right, and whether it says that it is; `None` when nothing is known to do so.
    #[must_use]
    pub fn clock(&self) -> Option<(&'static str, Option<bool>)> {
        let run = |path: &str| self.root.join("run").join(path).exists();
        if run("systemd/timesync/synchronized") {
            return Some(("systemd-timesyncd", Some(true)));
        }
        let daemons = [
            // Its folder: what is in it only root and chronyd see.
            ("chronyd", "chrony"),
            ("ntpd", "ntpd.pid"),
            ("ptp4l", "ptp4l"),
        ];
        if let Some((name, _)) = daemons.iter().find(|(_, path)| run(path)) {
            return Some((name, None));
        }
        run("systemd/timesync").then_some(("systemd-timesyncd", Some(false)))
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose files are these.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn an_interface_is_read_as_far_as_it_tells() {
        let (_root, host) = host(&[
            ("sys/class/net/eth0/flags", "0x1103\n"),
            ("sys/class/net/eth0/mtu", "9000\n"),
            ("sys/class/net/eth0/speed", "-1\n"),
            ("sys/class/net/eth0/device/vendor", "x"),
            ("sys/class/net/eth0/statistics/rx_packets", "12\n"),
            ("sys/class/net/eth0/statistics/rx_fifo_errors", "3\n"),
            ("sys/class/net/eth0/statistics/rx_missed_errors", "4\n"),
            ("sys/class/net/bonding_masters", "\n"),
        ]);
        assert_eq!(host.interfaces(), ["eth0"]);
        let facts = host.interface("eth0").unwrap();
        let counters = Counters { packets: 12, fifo: 3, missed: 4, ..Counters::default() };
        let expected = InterfaceFacts {
            up: true,
            carrier: None,
            promiscuous: true,
            mtu: Some(9_000),
            megabits: None,
            has_device: true,
            counters,
        };
        assert_eq!(facts, expected);
        assert_eq!((counters.lost(), counters.since(&Counters { packets: 10, ..counters }).packets), (7, 2));
        for absent in ["eth1", "", "..", "../net/eth0"] {
            assert_eq!(host.interface(absent), None, "{absent}");
        }
    }

    #[test]
    fn the_kernels_figures_are_read() {
        let (_root, host) = host(&[
            ("proc/net/softnet_stat", "0011c1d4 00000001 00000002 0\n000a363a 0000000f 00000000 0\n"),
            ("proc/meminfo", "MemTotal:  8000 kB\nMemAvailable:   4000 kB\n"),
            ("proc/self/status", "Name:\tx\nCapEff:\t0000000000002000\n"),
            ("proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"),
            ("proc/sys/kernel/seccomp/actions_avail", "kill_process trap errno allow\n"),
        ]);
        assert_eq!(host.softnet(), Some(Softnet { dropped: 16, squeezed: 2 }));
        assert_eq!(host.memory_available(), Some(4_096_000));
        assert_eq!(host.capabilities(), Some(1 << 13));
        assert_eq!(host.kernel(), Some((6, 1)));
        assert!(host.has_seccomp() && !host.has_packet_sockets());
    }

    #[test]
    fn a_clock_is_believed_as_far_as_its_keeper_goes() {
        for (files, expected) in [
            (&[][..], None),
            (&[("run/systemd/timesync/synchronized", "")][..], Some(("systemd-timesyncd", Some(true)))),
            (&[("run/systemd/timesync/x", "")][..], Some(("systemd-timesyncd", Some(false)))),
            (&[("run/chrony/chronyd.pid", "1")][..], Some(("chronyd", None))),
        ] {
            assert_eq!(host(files).1.clock(), expected, "{files:?}");
        }
    }
}
