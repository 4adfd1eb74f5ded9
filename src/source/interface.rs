//! A network interface as a source: what is captured of it, and how.

use std::sync::Arc;

/// How an interface is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, as `ip link` shows it.
    pub name: String,
    /// Which packets, as a BPF expression (pcap-filter(7)); all when there is none.
    pub filter: Option<String>,
    /// Bytes of each packet that are captured.
    pub snaplen: u32,
    /// Whether packets for others are captured too: on a mirror, all are.
    pub promiscuous: bool,
    /// Bytes of the ring of each shard.
    pub ring_bytes: u64,
    /// Where on the way of a call it sees traffic, such as `edge`.
    pub vantage: Option<Arc<str>>,
}
