//! Where packets and log lines come from: files, streams, and later interfaces and listeners.
//!
//! An edge: this is where bytes enter. [`open`] finds out by content what an input is and undoes its
//! compression; [`capture_file`] reads frames from pcap and pcapng, [`log_file`] exchanges from logs,
//! [`key_log`] the secrets of TLS connections.

pub mod capture_file;
pub mod key_log;
pub mod log_file;
pub mod open;
