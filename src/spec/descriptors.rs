//! Descriptors of gRPC services as documents.
//!
//! A descriptor set, or the sources it is compiled from, promises what an OpenAPI document does: which methods there are,
//! and which fields their messages have. So each source that has services is put as an OpenAPI document, and everything
//! that holds traffic against documents works on it as it is. Places lead back: what is found is told with the symbol and
//! line of the source. From the same descriptors come the tables by which bodies are read ([`super::Methods`]).

#[cfg(feature = "grpc")]
mod document;
#[cfg(feature = "grpc")]
mod read;
#[cfg(feature = "grpc")]
mod tables;

use super::Methods;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a part of a document put from descriptors stands in their source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// The source, as the user named it.
    pub(super) file: String,
    /// The full name: `bank.v1.Account.iban`.
    pub(super) name: String,
    /// The line, from 1, where the descriptor tells it.
    pub(super) line: Option<u32>,
}

/// Symbols by JSON pointer.
pub(super) type Symbols = BTreeMap<String, Symbol>;

/// The symbol of a place, or of the innermost place around it that has one.
pub(super) fn symbol<'s>(symbols: &'s Symbols, pointer: &str) -> Option<&'s Symbol> {
    let mut pointer = pointer;
    loop {
        if let Some(found) = symbols.get(pointer) {
            return Some(found);
        }
        pointer = pointer.rsplit_once('/')?.0;
    }
}

/// A document put from descriptors.
#[derive(Clone, Debug)]
pub(super) struct Described {
    /// The source, as the user named it.
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) symbols: Symbols,
}

/// What descriptors tell. See the module's doc.
#[derive(Debug, Default)]
pub struct Descriptors {
    pub(super) documents: Vec<Described>,
    methods: Arc<Methods>,
}

impl Descriptors {
    /// The methods and their messages, by which bodies are read.
    #[must_use]
    pub const fn methods(&self) -> &Arc<Methods> {
        &self.methods
    }
}
