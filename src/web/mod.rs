//! HTTP listeners of the sensor itself. An edge.

#[cfg(feature = "metrics")]
pub mod metrics;
