//! Inventory.
pub mod learner;
