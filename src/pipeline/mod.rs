//! Threads and queues: inputs become exchanges, exchanges become an inventory.
//!
//! The only module that knows all the others. [`read`] spreads segments over [`shard`]s, each of which owns
//! its connections, parsers and part of the inventory; [`analyze`] merges the parts and concludes.

pub mod analyze;
pub mod front;
pub mod key_logs;
pub mod read;
pub mod rows;
pub mod shard;
pub mod tables;
#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
pub mod watch;
