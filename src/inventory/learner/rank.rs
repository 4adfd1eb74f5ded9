//! The keyed hash by which the learner chooses what to keep when a limit is reached.
//!
//! Of too many names the ones with the smallest hash stay. That choice is the same in every shard and
//! sensor that holds the same key, whatever arrived first, and nobody without the key can steer it.

use crate::secret::HashKey;

/// The key of the ranking: one for a fleet, else sensors keep different samples and merge badly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RankKey(HashKey);

impl RankKey {
    /// Derives the ranking key from secret bytes, one-way and apart from every other use of them.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let key = blake3::derive_key("spanlight learner rank key v1", secret);
        let (words, _) = key.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        Self(HashKey::new(word(0), word(1)))
    }

    /// The rank of a name.
    #[must_use]
    pub fn rank(&self, bytes: &[u8]) -> u64 {
        self.0.hash(bytes)
    }

    /// The rank of two hashes as one name.
    #[must_use]
    pub fn rank_pair(&self, a: u64, b: u64) -> u64 {
        self.0.hash_pair(a, b)
    }
}

impl std::fmt::Debug for RankKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RankKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_tell_ranks_apart() {
        let (a, b) = (RankKey::derive(b"a"), RankKey::derive(b"b"));
        assert_ne!(a.rank(b"users"), b.rank(b"users"));
        assert_ne!(a.rank(b"users"), a.rank(b"user"));
        assert_ne!(a.rank(b""), a.rank(b"\0"));
    }
}
