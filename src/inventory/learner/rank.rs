//! The keyed hash by which the learner chooses what to keep when a limit is reached.
//!
//! Of too many names the ones with the smallest hash stay. That choice is the same in every shard and
//! sensor that holds the same key, whatever arrived first, and nobody without the key can steer it.
//! The function is SipHash-1-3, written out here because its result must never change with a library.

/// The key of the ranking: one for a fleet, else sensors keep different samples and merge badly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RankKey([u64; 2]);

impl RankKey {
    /// Derives the ranking key from secret bytes, one-way and apart from every other use of them.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let key = blake3::derive_key("spanlight learner rank key v1", secret);
        let (words, _) = key.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        Self([word(0), word(1)])
    }

    /// The rank of a name.
    #[must_use]
    pub fn rank(&self, bytes: &[u8]) -> u64 {
        let Self([k0, k1]) = *self;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            absorb(&mut v, u64::from_le_bytes(*word));
        }
        let length = u64::from(u8::try_from(bytes.len() & 0xff).unwrap_or(0)) << 56;
        absorb(&mut v, tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)) | length);
        finish(v)
    }

    /// The rank of two hashes as one name.
    #[must_use]
    pub fn rank_pair(&self, a: u64, b: u64) -> u64 {
        let Self([k0, k1]) = *self;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        absorb(&mut v, a);
        absorb(&mut v, b);
        absorb(&mut v, 16 << 56);
        finish(v)
    }
}

impl std::fmt::Debug for RankKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RankKey")
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
    fn the_rank_of_a_name_never_changes() {
        let key = RankKey([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        // The reference vectors of SipHash-1-3 for the empty message.
        assert_eq!(key.rank(b""), 0xabac_0158_050f_c4dc);
    }

    #[test]
    fn keys_and_names_tell_ranks_apart() {
        let (a, b) = (RankKey::derive(b"a"), RankKey::derive(b"b"));
        assert_ne!(a.rank(b"users"), b.rank(b"users"));
        assert_ne!(a.rank(b"users"), a.rank(b"user"));
        assert_ne!(a.rank(b""), a.rank(b"\0"));
    }
}
