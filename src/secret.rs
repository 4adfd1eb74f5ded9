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
    /// Bytes of a log, to know a place in it again.
    Place = 4,
    /// An id that travels with a call, and what else tells it again at another vantage.
    Correlation = 5,
    /// A batch of log records that a client named, and what it held.
    Batch = 6,
}

/// The key of a fast keyed hash, for choosing samples and telling values apart in memory: SipHash-1-3, written
/// out here because its result must never change with a library. What is written to disk is a [`Fingerprint`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u64; 2]);

impl HashKey {
    /// A key of two secret words.
    #[must_use]
    pub const fn new(first: u64, second: u64) -> Self {
        Self([first, second])
    }

    const fn start(self) -> [u64; 4] {
        let Self([first, second]) = self;
        [
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ]
    }

    /// The hash of some bytes.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut v = self.start();
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            absorb(&mut v, u64::from_le_bytes(*word));
        }
        let length = u64::from(u8::try_from(bytes.len() & 0xff).unwrap_or(0)) << 56;
        absorb(&mut v, tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)) | length);
        finish(v)
    }

    /// A hash that tells values apart where taking two for one costs little: in a set of a handful of bits by its
    /// highest, or in a memory of what came before. Some times cheaper than [`HashKey::hash`].
    #[must_use]
    #[inline]
    pub fn spread(&self, bytes: &[u8]) -> u64 {
        let Self([first, second]) = *self;
        let mix = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
            let halves = (product as u64, (product >> 64) as u64);
            halves.0 ^ halves.1
        };
        // Of a short value front and end, which overlap, are all of it.
        let (front, end) = ends(bytes);
        let mut mixed = first ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if bytes.len() > 16 {
            let (pairs, _) = bytes.as_chunks::<16>();
            for pair in pairs {
                let (a, b) = ends(pair);
                mixed = mix(mixed ^ a, second ^ b);
            }
        }
        mix(mix(mixed ^ front, second ^ end), 0x9e37_79b9_7f4a_7c15)
    }

    /// The hash of two hashes as one value.
    #[must_use]
    pub fn hash_pair(&self, a: u64, b: u64) -> u64 {
        let mut v = self.start();
        absorb(&mut v, a);
        absorb(&mut v, b);
        absorb(&mut v, 16 << 56);
        finish(v)
    }
}

/// The first and the last eight bytes, or what there is of them.
#[inline]
fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(front), Some(end)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (u64::from_le_bytes(*front), u64::from_le_bytes(*end));
    }
    if let (Some(front), Some(end)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_le_bytes(*front).into(), u32::from_le_bytes(*end).into());
    }
    (bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0)
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

fn absorb(v: &mut [u64; 4], word: u64) {
    let [_, _, _, d] = v;
    *d ^= word;
    round(v);
    let [a, ..] = v;
    *a ^= word;
}

fn finish(mut v: [u64; 4]) -> u64 {
    let [_, _, third, _] = &mut v;
    *third ^= 0xff;
    round(&mut v);
    round(&mut v);
    round(&mut v);
    v.iter().fold(0, |all, word| all ^ word)
}

#[expect(clippy::many_single_char_names, reason = "the names of the reference")]
fn round(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *v = [a, b, c, d];
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
    fn the_hash_of_a_value_never_changes() {
        let key = HashKey::new(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        // The reference vector of SipHash-1-3 for the empty message.
        assert_eq!(key.hash(b""), 0xabac_0158_050f_c4dc);
        assert_ne!(key.hash(b""), key.hash(b"\0"));
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
