//! Where packets and log lines come from: the edge that opens files.

pub mod log_file;
