//! Spanlight.
pub mod access_log;
pub mod anomaly;
pub mod caller;
pub mod classify;
pub mod finding;
pub mod inventory;
pub mod lake;
pub mod limits;
pub mod merge;
pub mod problem;
pub mod schema;
pub mod secret;
pub mod sink;
pub mod source;
pub mod time;
pub mod transaction;
