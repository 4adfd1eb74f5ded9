//! Spanlight.
pub mod anomaly;
pub mod caller;
pub mod classify;
pub mod finding;
pub mod inventory;
pub mod limits;
pub mod merge;
pub mod payload;
pub mod problem;
pub mod schema;
pub mod secret;
pub mod time;
pub mod transaction;
