//! TLS from stream bytes: what two ends tell in the clear, and with their keys what they tell each other.
//!
//! ```text
//! Chunk ─▶ Connection ─┬▶ Records ─▶ clear handshake ─▶ ClientHello, ServerHello, Certificate ─▶ Services
//!                      └▶ Records ─▶ Opener ─▶ Event::Data: the bytes inside, in the order they were sent
//!                                       ▲
//!                     key log ─▶ Keys ──┘
//! ```
//!
//! Nothing here attacks TLS: without the secrets that an end wrote into a key log ([`keylog`]) the content stays
//! closed, and the hellos alone tell of the service ([`service`]). With them, [`connection`] reads TLS 1.3 and TLS 1.2
//! and hands on what is inside as if it were the stream. Secrets are never printed or written, and what
//! they are kept in is wiped when it is dropped.

pub mod certificate;
pub mod connection;
mod decrypt;
mod fields;
mod handshake;
pub mod hello;
pub mod keylog;
pub mod record;
pub mod service;
pub mod suite;

#[cfg(test)]
mod tests;
