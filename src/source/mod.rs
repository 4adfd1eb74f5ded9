//! Where packets and log lines come from: files, streams, interfaces, and later listeners.
//!
//! An edge: this is where bytes enter. [`open`] finds out by content what an input is and undoes its
//! compression; [`capture_file`] reads frames from pcap and pcapng, [`log_file`] exchanges from logs,
//! [`key_log`] and `key_socket` the secrets of TLS connections, `live` frames from interfaces, which `fanout` spreads over shards.
//! [`log_presets`] and [`signature_packs`] read what a user adds to what is compiled in. [`intake`] holds the ways in for the logs of a sensor that runs. [`host`] and `ethtool` tell what may be wrong with
//! an interface.

pub mod capture_file;
#[cfg(all(feature = "live", target_os = "linux"))]
pub mod ethtool;
#[cfg(all(feature = "live", target_os = "linux"))]
pub mod fanout;
pub mod host;
pub mod intake;
pub mod interface;
pub mod key_log;
#[cfg(all(feature = "live", target_os = "linux"))]
pub mod key_socket;
#[cfg(all(feature = "live", target_os = "linux"))]
pub mod live;
pub mod log_file;
pub mod log_presets;
pub mod open;
pub mod signature_packs;
pub mod yaml_files;

use crate::time::Timestamp;
use std::time::SystemTime;

/// Now, by the host's clock, which stamps live packets, too.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "an edge: what no packet or line tells")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since)
}
