//! Stub.
use std::sync::Arc;
/// Stub.
#[derive(Debug)]
pub struct Inspector;
impl Inspector {
    /// Stub.
    pub fn new(_: Arc<crate::classify::Classifier>, _: crate::secret::FingerprintKey, _: &crate::limits::Limits) -> Self { Self }
    /// Stub.
    pub fn inspect(&mut self, _: &crate::transaction::Transaction, _: &mut super::facts::EndpointFacts) {}
    /// Stub.
    pub fn classes_of_exchange(&self) -> impl Iterator<Item = &'static str> { std::iter::empty() }
}
