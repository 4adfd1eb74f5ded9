//! The lake: inventory, observations, findings and captures as Parquet that any engine reads.
//!
//! ```text
//!  rows ─▶ tables (a schema and columns each) ─▶ writer: TABLE/v1/date=YYYY-MM-DD/sensor=ID/HOUR-RUN-SEQ.parquet
//!  rows ◀─ tables ◀─────────────────────────────── reader
//! ```
//!
//! Files are never changed and never replaced. A file's name is determined by its table, sensor, first hour
//! and run, and its bytes by its rows, so that the same analysis again changes nothing. Rows are plain
//! structures that other outputs write too; everything that knows arrow needs the feature `lake`.

#[cfg(feature = "lake")]
mod columns;
#[cfg(feature = "lake")]
pub mod reader;
pub mod rows;
#[cfg(feature = "lake")]
pub mod spool;
#[cfg(feature = "lake")]
pub mod tables;
#[cfg(feature = "lake")]
pub mod writer;
