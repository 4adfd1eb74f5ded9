//! Where results go other than the lake.

pub mod jsonl;
#[cfg(feature = "metrics")]
pub mod prometheus;
