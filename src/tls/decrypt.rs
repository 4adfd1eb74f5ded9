//! Record protection undone: TLS 1.3 (RFC 8446 section 5.2), and TLS 1.2 with AEADs (RFC 5288, RFC 7905) and with
//! CBC (RFC 5246 section 6.2.3.2), the MAC over either what was sent or what was encrypted (RFC 7366).
//!
//! An [`Opener`] holds one direction's keys of one epoch. Whether a record is the one with a sequence number is for
//! its authentication to say, so a guess of the number cannot go wrong. The ciphers and hashes are those of `ring`,
//! and of `aes` and `cbc` where `ring` has none.

use super::hello::Random;
use super::keylog::Secret;
use super::record::Header;
use super::suite::{CipherSuite, Prf, Protection};
use aes::cipher::{Array, BlockModeDecrypt, InnerIvInit, KeyInit};
use ring::aead::{Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use std::ops::Range;
use zeroize::Zeroizing;

/// One direction's keys of one epoch.
pub(super) struct Opener {
    cipher: Cipher,
    /// What the next epoch's keys come from, where a key update may follow.
    secret: Option<(Secret, &'static Algorithm, hkdf::Algorithm)>,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener")
    }
}

enum Cipher {
    /// TLS 1.3: nonces are the sequence number over a vector; the content type is inside.
    Tls13 { key: LessSafeKey, iv: [u8; NONCE_LEN] },
    /// TLS 1.2, AES-GCM: half of the nonce is sent.
    Gcm { key: LessSafeKey, salt: [u8; 4] },
    /// TLS 1.2, ChaCha20-Poly1305: nonces as in TLS 1.3.
    ChaCha { key: LessSafeKey, iv: [u8; NONCE_LEN] },
    /// TLS 1.2, CBC.
    Cbc { key: Box<CbcKey>, mac: hmac::Key, encrypt_then_mac: bool },
}

enum CbcKey {
    Aes128(aes::Aes128Dec),
    Aes256(aes::Aes256Dec),
}

/// What was in a record: its content type, and where in the fragment its content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) kind: u8,
    pub(super) content: Range<usize>,
}

/// What both ends of a TLS 1.2 connection know when its keys are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tls12 {
    pub(super) suite: CipherSuite,
    pub(super) client: Random,
    pub(super) server: Random,
    pub(super) encrypt_then_mac: bool,
}

/// Bytes of an AEAD's tag, in all suites that are read.
const TAG: usize = 16;
/// Bytes of the nonce that TLS 1.2 sends with AES-GCM (RFC 5288 section 3).
const EXPLICIT: usize = 8;
/// Bytes of an AES block.
const BLOCK: usize = 16;

impl Opener {
    /// Keys of TLS 1.3 out of a traffic secret (RFC 8446 section 7.3).
    pub(super) fn tls13(suite: CipherSuite, secret: &Secret) -> Option<Self> {
        let Protection::Tls13(aead, hash) = suite.protection()? else { return None };
        Self::from_traffic_secret(secret.clone(), aead, hash)
    }

    fn from_traffic_secret(secret: Secret, aead: &'static Algorithm, hash: hkdf::Algorithm) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..aead.key_len())?;
        let mut iv = [0; NONCE_LEN];
        expand_label(hash, &secret, b"key", key)?;
        expand_label(hash, &secret, b"iv", &mut iv)?;
        let key = LessSafeKey::new(UnboundKey::new(aead, key).ok()?);
        Some(Self { cipher: Cipher::Tls13 { key, iv }, secret: Some((secret, aead, hash)) })
    }

    /// The keys after a key update (RFC 8446 section 7.2).
    pub(super) fn updated(&self) -> Option<Self> {
        let (secret, aead, hash) = self.secret.as_ref()?;
        let mut next = Zeroizing::new([0; 48]);
        let next = next.get_mut(..secret.expose().len())?;
        expand_label(*hash, secret, b"traffic upd", next)?;
        Self::from_traffic_secret(Secret::new(next)?, aead, *hash)
    }

    /// Keys of TLS 1.2 out of the master secret (RFC 5246 section 6.3); `of_client` says whose records they open.
    pub(super) fn tls12(from: &Tls12, master: &Secret, of_client: bool) -> Option<Self> {
        let (mac, key, iv, prf) = match from.suite.protection()? {
            Protection::Tls13(..) => return None,
            Protection::Aead(aead, prf) if aead == &ring::aead::CHACHA20_POLY1305 => {
                (0, aead.key_len(), NONCE_LEN, prf)
            }
            Protection::Aead(aead, prf) => (0, aead.key_len(), NONCE_LEN - EXPLICIT, prf),
            Protection::Cbc(key, mac, prf) => (mac.digest_algorithm().output_len(), key, 0, prf),
        };
        let mut block = Zeroizing::new([0; 2 * (48 + 32 + 16)]);
        let block = block.get_mut(..2 * (mac + key + iv))?;
        prf.fill(master, b"key expansion", &[&from.server, &from.client], block);
        // Both ends' MAC keys, both ends' keys, both ends' vectors; the client's come first.
        let second = usize::from(!of_client);
        let part = |before: usize, length: usize| block.get(2 * before + second * length..)?.get(..length);
        let (mac_key, key_bytes, iv_bytes) = (part(0, mac)?, part(mac, key)?, part(mac + key, iv)?);
        let cipher = match from.suite.protection()? {
            Protection::Tls13(..) => return None,
            Protection::Aead(aead, _) => {
                let key = LessSafeKey::new(UnboundKey::new(aead, key_bytes).ok()?);
                match iv_bytes.first_chunk() {
                    Some(iv) => Cipher::ChaCha { key, iv: *iv },
                    None => Cipher::Gcm { key, salt: *iv_bytes.first_chunk()? },
                }
            }
            Protection::Cbc(_, mac, _) => Cipher::Cbc {
                key: Box::new(match key {
                    16 => CbcKey::Aes128(aes::Aes128Dec::new_from_slice(key_bytes).ok()?),
                    _ => CbcKey::Aes256(aes::Aes256Dec::new_from_slice(key_bytes).ok()?),
                }),
                mac: hmac::Key::new(mac, mac_key),
                encrypt_then_mac: from.encrypt_then_mac,
            },
        };
        Some(Self { cipher, secret: None })
    }

    /// Opens a record in place. `None` when it is not the one with this number; `fragment` is spoilt then.
    pub(super) fn open(&self, number: u64, header: Header, fragment: &mut [u8]) -> Option<Opened> {
        match &self.cipher {
            Cipher::Tls13 { key, iv } => {
                let aad = Aad::from(header.with_length(fragment.len()));
                let inner = key.open_in_place(over(iv, number), aad, fragment).ok()?;
                // Behind the content stand its type and any number of zeros.
                let end = inner.iter().rposition(|byte| *byte != 0)?;
                Some(Opened { kind: *inner.get(end)?, content: 0..end })
            }
            Cipher::Gcm { key, salt } => {
                let (explicit, sealed) = fragment.split_first_chunk_mut::<EXPLICIT>()?;
                let mut nonce = [0; NONCE_LEN];
                let (front, back) = nonce.split_at_mut(salt.len());
                front.copy_from_slice(salt);
                back.copy_from_slice(explicit);
                let length = sealed.len().checked_sub(TAG)?;
                let aad = Aad::from(pseudo_header(number, header, length));
                key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, sealed).ok()?;
                Some(Opened { kind: header.kind, content: EXPLICIT..EXPLICIT + length })
            }
            Cipher::ChaCha { key, iv } => {
                let length = fragment.len().checked_sub(TAG)?;
                let aad = Aad::from(pseudo_header(number, header, length));
                key.open_in_place(over(iv, number), aad, fragment).ok()?;
                Some(Opened { kind: header.kind, content: 0..length })
            }
            Cipher::Cbc { key, mac, encrypt_then_mac: true } => {
                let sealed = fragment.len().checked_sub(mac.algorithm().digest_algorithm().output_len())?;
                let (sealed, sent) = fragment.split_at_mut_checked(sealed)?;
                if mac_of(mac, number, header, sealed).as_ref() != sent {
                    return None;
                }
                let padded = key.decrypt(sealed)?;
                Some(Opened { kind: header.kind, content: BLOCK..BLOCK + unpadded(padded)?.len() })
            }
            Cipher::Cbc { key, mac, encrypt_then_mac: false } => {
                let content = unpadded(key.decrypt(fragment)?)?;
                let length = content.len().checked_sub(mac.algorithm().digest_algorithm().output_len())?;
                let (content, sent) = content.split_at_checked(length)?;
                (mac_of(mac, number, header, content).as_ref() == sent)
                    .then_some(Opened { kind: header.kind, content: BLOCK..BLOCK + length })
            }
        }
    }

    /// How many bytes a record's protection adds to its content, where that does not depend on the content. TLS 1.3
    /// may pad; what is said of it holds for those that do not, which is all that are known.
    pub(super) const fn overhead(&self) -> Option<usize> {
        match self.cipher {
            Cipher::Tls13 { .. } => Some(TAG + 1),
            Cipher::Gcm { .. } => Some(EXPLICIT + TAG),
            Cipher::ChaCha { .. } => Some(TAG),
            Cipher::Cbc { .. } => None,
        }
    }
}

impl CbcKey {
    /// Decrypts all but the first block of `sealed`, which is the vector, in place.
    fn decrypt<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (vector, blocks) = sealed.split_first_chunk_mut::<BLOCK>()?;
        let (vector, (blocks, rest)) = (Array(*vector), Array::slice_as_chunks_mut(blocks));
        if !rest.is_empty() {
            return None;
        }
        match self {
            Self::Aes128(key) => cbc::Decryptor::inner_iv_init(key.clone(), &vector).decrypt_blocks(blocks),
            Self::Aes256(key) => cbc::Decryptor::inner_iv_init(key.clone(), &vector).decrypt_blocks(blocks),
        }
        sealed.get(BLOCK..)
    }
}

/// Content without its padding, whose last byte tells how many of the same are before it.
fn unpadded(padded: &[u8]) -> Option<&[u8]> {
    let (last, rest) = padded.split_last()?;
    let (content, padding) = rest.split_at_checked(rest.len().checked_sub((*last).into())?)?;
    padding.iter().all(|byte| byte == last).then_some(content)
}

/// The nonce of a record: its number over the vector (RFC 8446 section 5.3).
fn over(iv: &[u8; NONCE_LEN], number: u64) -> Nonce {
    let mut nonce = *iv;
    for (byte, over) in nonce.iter_mut().rev().zip(number.to_be_bytes().iter().rev()) {
        *byte ^= over;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// What TLS 1.2 authenticates besides the content (RFC 5246 section 6.2.3.3).
fn pseudo_header(number: u64, header: Header, length: usize) -> [u8; 13] {
    let mut all = [0; 13];
    let (front, back) = all.split_at_mut(8);
    front.copy_from_slice(&number.to_be_bytes());
    back.copy_from_slice(&header.with_length(length));
    all
}

fn mac_of(key: &hmac::Key, number: u64, header: Header, content: &[u8]) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    mac.update(&pseudo_header(number, header, content.len()));
    mac.update(content);
    mac.sign()
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
fn expand_label(hash: hkdf::Algorithm, secret: &Secret, label: &[u8], out: &mut [u8]) -> Option<()> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info = [&length[..], &label_length, PREFIX, label, &[0]];
    let secret = hkdf::Prk::new_less_safe(hash, secret.expose());
    secret.expand(&info, Length(out.len())).ok()?.fill(out).ok()
}

impl Prf {
    /// Fills `out` (RFC 5246 section 5).
    fn fill(self, secret: &Secret, label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        let key = match self {
            Self::Sha256 => hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
            Self::Sha384 => hmac::Key::new(hmac::HMAC_SHA384, secret.expose()),
        };
        let sign = |parts: &[&[u8]]| {
            let mut mac = hmac::Context::with_key(&key);
            for part in parts {
                mac.update(part);
            }
            mac.sign()
        };
        let seed: Vec<u8> = [label, &seed.concat()].concat();
        let mut chain = sign(&[&seed]);
        let size = chain.as_ref().len();
        for piece in out.chunks_mut(size) {
            let block = sign(&[chain.as_ref(), &seed]);
            piece.copy_from_slice(block.as_ref().get(..piece.len()).unwrap_or_default());
            chain = sign(&[chain.as_ref()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::record::APPLICATION_DATA;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
        digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
    }

    fn header(kind: u8, length: usize) -> Header {
        Header { kind, version: 0x0303, length }
    }

    /// RFC 8448 section 3: the client's application data of the simple handshake.
    #[test]
    fn the_trace_of_rfc_8448_is_read() {
        let secret = unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
        let mut fragment = unhex(
            "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a\
             6292a2977014bd1e3deae63aeebb21694915e4",
        );
        let keys = Opener::tls13(CipherSuite(0x1301), &Secret::new(&secret).unwrap()).unwrap();
        let mut other = fragment.clone();
        assert_eq!(keys.open(1, header(APPLICATION_DATA, 67), &mut other), None, "another number");
        let opened = keys.open(0, header(APPLICATION_DATA, 67), &mut fragment).unwrap();
        assert_eq!(opened.kind, APPLICATION_DATA);
        assert_eq!(fragment[opened.content], (0..50).collect::<Vec<u8>>());
    }

    #[test]
    fn the_prf_gives_the_vector_of_its_working_group() {
        // Published with the draft of TLS 1.2 for P_SHA256.
        let secret = Secret::new(&unhex("9bbe436ba940f017b17652849a71db35")).unwrap();
        let mut out = [0; 100];
        Prf::Sha256.fill(&secret, b"test label", &[&unhex("a0ba9f936cda311827a6f796ffd5198c")], &mut out);
        assert_eq!(out[..16], unhex("e3f229ba727be17b8d122620557cd453"));
    }

    #[test]
    fn padding_is_taken_off_or_refused() {
        assert_eq!(unpadded(&[7, 8, 0]), Some(&[7, 8][..]));
        assert_eq!(unpadded(&[7, 2, 2, 2]), Some(&[7][..]));
        assert_eq!(unpadded(&[7, 1, 2, 2]), None);
        assert_eq!(unpadded(&[9, 9]), None);
        assert_eq!(unpadded(&[]), None);
    }
}
