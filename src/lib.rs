//! Spanlight.
pub mod inventory;
pub mod merge;
pub mod problem;
pub mod secret;
pub mod time;
