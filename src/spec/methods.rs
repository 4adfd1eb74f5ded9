//! Methods of gRPC services by their paths, and the messages that they take and give.

use crate::payload::protobuf::{MessageTypes, Typed};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// What descriptors know of methods. Tables for reading messages are made once, when descriptors are loaded.
#[derive(Debug, Default)]
pub struct Methods {
    pub(super) types: MessageTypes,
    /// Places of the messages that are taken and given, by `/package.Service/Method`.
    pub(super) by_path: HashMap<Box<[u8]>, (u32, u32), RandomState>,
}

/// A method, with its messages.
#[derive(Clone, Copy, Debug)]
pub struct Method<'t> {
    types: &'t MessageTypes,
    request: u32,
    response: u32,
}

impl Methods {
    /// The method that is called at this path.
    #[must_use]
    pub fn of(&self, path: &[u8]) -> Option<Method<'_>> {
        if self.by_path.is_empty() {
            return None;
        }
        let (request, response) = *self.by_path.get(path)?;
        Some(Method { types: &self.types, request, response })
    }
}

impl<'t> Method<'t> {
    /// The message it takes.
    #[must_use]
    pub fn request(&self) -> Typed<'t> {
        Typed::new(self.types, self.request)
    }

    /// The message it gives.
    #[must_use]
    pub fn response(&self) -> Typed<'t> {
        Typed::new(self.types, self.response)
    }
}
