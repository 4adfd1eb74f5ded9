//! Where results go other than the lake.

pub mod jsonl;
pub mod openapi;
#[cfg(feature = "metrics")]
pub mod prometheus;
