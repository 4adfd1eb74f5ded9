//! Exchanges in, inventory out.

use crate::secret::Fingerprint;
use crate::transaction::Transaction;

/// What observing an exchange found out about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed {
    /// Whose credential it carried.
    pub caller: Option<Fingerprint>,
}

/// A shard's part of the inventory.
#[derive(Debug, Default)]
pub struct Collector {}

impl Collector {
    /// Takes an exchange.
    pub fn observe(&mut self, _: &Transaction) -> Observed {
        Observed::default()
    }
}

/// The essence of a media type: lower case, without parameters (RFC 9110 section 8.3.1). `None` when it is
/// not one.
#[must_use]
pub fn media_essence(value: &[u8]) -> Option<String> {
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let good = essence.len() <= 100
        && essence.contains(&b'/')
        && essence.iter().all(|byte| crate::http::detect::is_token(*byte) || *byte == b'/');
    good.then(|| String::from_utf8_lossy(essence).to_ascii_lowercase())
}
