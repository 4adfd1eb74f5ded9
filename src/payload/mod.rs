//! Stub.
pub mod form {
    //! Stub.
    /// Stub.
    pub fn percent(raw: &[u8], _: bool, out: &mut Vec<u8>) { out.extend_from_slice(raw); }
}
