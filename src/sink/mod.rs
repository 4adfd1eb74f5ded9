//! Where results go other than the lake.

pub mod jsonl;
