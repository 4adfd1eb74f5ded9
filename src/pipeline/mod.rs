//! Threads and queues: inputs become exchanges, exchanges become an inventory.

pub mod read;
pub mod rows;
pub mod shard;
