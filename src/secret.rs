//! What keeps a stranger's values from leaving: [`Sensitive`] wrappers and keyed [`Fingerprint`]s.
//!
//! Bodies, tokens, query, header, cookie and path values travel as `Sensitive<T>`, which cannot be
//! displayed, serialised or debug-printed. Each value ends as a class, a count, a shape or a fingerprint
//! before it leaves its shard. Fingerprints are keyed BLAKE3, truncated to 128 bits: without the key
//! nobody can test a guess against them. The key itself is never written by anything here.

use std::fmt;

/// A value that was read from traffic and must not be written anywhere.
///
/// There is no `Display` and no `Serialize`; `Debug` prints `[sensitive]`. Every [`Sensitive::expose`]
/// is a place that reviewers look at.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value read from traffic.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. What is done with it must end in a verdict, a count, a shape or a fingerprint.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, for building it up in place.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sensitive]")
    }
}

/// A keyed 128-bit BLAKE3 digest that stands for a value without telling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The digest's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first eight bytes as a number, for ranking and sketches.
    #[must_use]
    pub fn rank(&self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().expect("sixteen bytes hold eight"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The key under which values become fingerprints: 32 bytes, one for a fleet.
#[derive(Clone)]
pub struct FingerprintKey {
    key: [u8; 32],
    id: [u8; 4],
}

impl FingerprintKey {
    /// Takes 32 random bytes as key. Its public id is derived one-way from them.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let digest = blake3::derive_key("spanlight fingerprint key id v1", &key);
        let [a, b, c, d, ..] = digest;
        Self { key, id: [a, b, c, d] }
    }

    /// Names the key in every row that holds its fingerprints: eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// The fingerprint of `value` for one purpose. Different purposes never collide, so a caller's
    /// fingerprint says nothing about an equal string found elsewhere.
    #[must_use]
    pub fn fingerprint(&self, purpose: Purpose, value: &[u8]) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[purpose as u8]);
        hasher.update(value);
        Fingerprint(*hasher.finalize().as_bytes().first_chunk().expect("32 bytes hold sixteen"))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FingerprintKey({})", self.id())
    }
}

/// What a fingerprint is for: the domain it is separated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// A caller's credential or client address.
    Caller = 1,
    /// A path segment in the learner.
    Segment = 2,
    /// A data value, to count distinct ones.
    Value = 3,
    /// The name of an input file, in run ids.
    Input = 4,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_value_does_not_print() {
        let value = Sensitive::new("4111111111111111");
        assert_eq!(format!("{value:?}"), "[sensitive]");
    }

    #[test]
    fn fingerprints_depend_on_key_purpose_and_value() {
        let (a, b) = (FingerprintKey::new([1; 32]), FingerprintKey::new([2; 32]));
        let base = a.fingerprint(Purpose::Caller, b"token");
        assert_eq!(base, a.fingerprint(Purpose::Caller, b"token"));
        assert_ne!(base, b.fingerprint(Purpose::Caller, b"token"));
        assert_ne!(base, a.fingerprint(Purpose::Value, b"token"));
        assert_ne!(base, a.fingerprint(Purpose::Caller, b"tokem"));
        assert_ne!(a.id(), b.id());
    }
}
