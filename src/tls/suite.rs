//! Cipher suites: their names in the IANA registry, and how those that can be read protect records.

use ring::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305};
use ring::{hkdf, hmac};
use serde::{Deserialize, Serialize};

/// A cipher suite by its number in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CipherSuite(pub u16);

/// How a suite protects records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protection {
    /// TLS 1.3 (RFC 8446 section 5.2).
    Tls13(&'static Algorithm, hkdf::Algorithm),
    /// TLS 1.2 with an AEAD (RFC 5288, RFC 7905).
    Aead(&'static Algorithm, Prf),
    /// TLS 1.2 with CBC (RFC 5246 section 6.2.3.2): bytes of the cipher's key, the MAC.
    Cbc(usize, hmac::Algorithm, Prf),
}

/// The hash of a TLS 1.2 suite's PRF (RFC 5246 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Sha256,
    Sha384,
}

/// The kinds of protection, as the table below writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// TLS 1.3.
    Aes128Gcm13,
    Aes256Gcm13,
    ChaCha13,
    /// TLS 1.2.
    Aes128Gcm,
    Aes256Gcm,
    ChaCha,
    Aes128CbcSha,
    Aes256CbcSha,
    Aes128CbcSha256,
    Aes256CbcSha256,
    Aes256CbcSha384,
    /// Known by name only.
    Unread,
}

use Kind::{
    Aes128CbcSha, Aes128CbcSha256, Aes128Gcm, Aes128Gcm13, Aes256CbcSha, Aes256CbcSha256, Aes256CbcSha384,
    Aes256Gcm, Aes256Gcm13, ChaCha, ChaCha13, Unread,
};

/// Sorted by number.
const SUITES: &[(u16, &str, Kind)] = &[
    (0x0001, "TLS_RSA_WITH_NULL_MD5", Unread),
    (0x0002, "TLS_RSA_WITH_NULL_SHA", Unread),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5", Unread),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA", Unread),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", Unread),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", Unread),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", Aes128CbcSha),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", Aes128CbcSha),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", Aes256CbcSha),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", Aes256CbcSha),
    (0x003b, "TLS_RSA_WITH_NULL_SHA256", Unread),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256", Aes128CbcSha256),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256", Aes256CbcSha256),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", Aes128CbcSha256),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", Aes256CbcSha256),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", Aes128Gcm),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384", Aes256Gcm),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", Aes128Gcm),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", Aes256Gcm),
    (0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", Aes128Gcm),
    (0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", Aes256Gcm),
    (0x1301, "TLS_AES_128_GCM_SHA256", Aes128Gcm13),
    (0x1302, "TLS_AES_256_GCM_SHA384", Aes256Gcm13),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256", ChaCha13),
    (0x1304, "TLS_AES_128_CCM_SHA256", Unread),
    (0x1305, "TLS_AES_128_CCM_8_SHA256", Unread),
    (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", Unread),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", Aes128CbcSha),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", Aes256CbcSha),
    (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA", Unread),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", Unread),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", Aes128CbcSha),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", Aes256CbcSha),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", Aes128CbcSha256),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", Aes256CbcSha384),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", Aes128CbcSha256),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", Aes256CbcSha384),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Aes128Gcm),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Aes256Gcm),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Aes128Gcm),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Aes256Gcm),
    (0xc09c, "TLS_RSA_WITH_AES_128_CCM", Unread),
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM", Unread),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", Unread),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", Unread),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ChaCha),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ChaCha),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ChaCha),
];

/// What is wrong with a cipher suite, whatever key it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// It does not encrypt at all.
    NoEncryption,
    /// Nobody proves who they are.
    Anonymous,
    /// Its cipher is broken: RC4 (RFC 7465), DES and triple DES (RFC 9325 section 4.1), export grades.
    BrokenCipher,
    /// Whoever gets the server's key later reads what was recorded (RFC 9325 section 4.1).
    NoForwardSecrecy,
}

impl Weakness {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoEncryption => "encrypts nothing",
            Self::Anonymous => "lets nobody prove who they are",
            Self::BrokenCipher => "has a broken cipher",
            Self::NoForwardSecrecy => "has no forward secrecy",
        }
    }
}

impl CipherSuite {
    /// What is wrong with it, by its number in the registry.
    #[must_use]
    pub const fn weakness(self) -> Option<Weakness> {
        Some(match self.0 {
            0x0001
            | 0x0002
            | 0x002c..=0x002e
            | 0x003b
            | 0x00b0
            | 0x00b1
            | 0x00b4
            | 0x00b5
            | 0x00b8
            | 0x00b9
            | 0xc001
            | 0xc006
            | 0xc00b
            | 0xc010
            | 0xc015
            | 0xc039..=0xc03b
            | 0xc0b4
            | 0xc0b5 => Weakness::NoEncryption,
            0x0017..=0x001b | 0x0034 | 0x003a | 0x006c | 0x006d | 0x00a6 | 0x00a7 | 0xc016..=0xc019 => {
                Weakness::Anonymous
            }
            0x0003..=0x0016
            | 0x001e..=0x002b
            | 0x0062..=0x0066
            | 0x008a
            | 0x008b
            | 0x008e
            | 0x008f
            | 0x0092
            | 0x0093
            | 0xc002
            | 0xc003
            | 0xc007
            | 0xc008
            | 0xc00c
            | 0xc00d
            | 0xc011
            | 0xc012
            | 0xc01a..=0xc01c
            | 0xc033
            | 0xc034 => Weakness::BrokenCipher,
            // RSA carries the key, or a fixed key of Diffie-Hellman or a shared one is it.
            0x002f..=0x0031
            | 0x0035..=0x0037
            | 0x003c..=0x003f
            | 0x0041
            | 0x0068
            | 0x0069
            | 0x0084
            | 0x008c
            | 0x008d
            | 0x0094
            | 0x0095
            | 0x0096
            | 0x009c
            | 0x009d
            | 0x00a0
            | 0x00a1
            | 0x00a4
            | 0x00a5
            | 0x00a8
            | 0x00a9
            | 0x00ac..=0x00af
            | 0x00b6
            | 0x00b7
            | 0x00ba
            | 0x00c0
            | 0xc004
            | 0xc005
            | 0xc00e
            | 0xc00f
            | 0xc025
            | 0xc026
            | 0xc029
            | 0xc02a
            | 0xc02d
            | 0xc02e
            | 0xc031
            | 0xc032
            | 0xc09c
            | 0xc09d
            | 0xc0a0
            | 0xc0a1
            | 0xc0a4
            | 0xc0a5
            | 0xc0a8
            | 0xc0a9 => Weakness::NoForwardSecrecy,
            _ => return None,
        })
    }

    fn entry(self) -> Option<&'static (u16, &'static str, Kind)> {
        let place = SUITES.binary_search_by_key(&self.0, |(number, ..)| *number).ok()?;
        SUITES.get(place)
    }

    /// Its name in the registry, or its number when it is none of those that servers choose.
    #[must_use]
    pub fn name(self) -> String {
        self.entry().map_or_else(|| format!("{:#06x}", self.0), |(_, name, _)| (*name).to_owned())
    }

    /// How it protects records; `None` when that cannot be read.
    pub(super) fn protection(self) -> Option<Protection> {
        let (_, _, kind) = self.entry()?;
        Some(match kind {
            Aes128Gcm13 => Protection::Tls13(&AES_128_GCM, hkdf::HKDF_SHA256),
            Aes256Gcm13 => Protection::Tls13(&AES_256_GCM, hkdf::HKDF_SHA384),
            ChaCha13 => Protection::Tls13(&CHACHA20_POLY1305, hkdf::HKDF_SHA256),
            Aes128Gcm => Protection::Aead(&AES_128_GCM, Prf::Sha256),
            Aes256Gcm => Protection::Aead(&AES_256_GCM, Prf::Sha384),
            ChaCha => Protection::Aead(&CHACHA20_POLY1305, Prf::Sha256),
            Aes128CbcSha => Protection::Cbc(16, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, Prf::Sha256),
            Aes256CbcSha => Protection::Cbc(32, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, Prf::Sha256),
            Aes128CbcSha256 => Protection::Cbc(16, hmac::HMAC_SHA256, Prf::Sha256),
            Aes256CbcSha256 => Protection::Cbc(32, hmac::HMAC_SHA256, Prf::Sha256),
            Aes256CbcSha384 => Protection::Cbc(32, hmac::HMAC_SHA384, Prf::Sha384),
            Unread => return None,
        })
    }
}

/// A protocol version as peers name it (RFC 8446 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub u16);

impl Version {
    /// TLS 1.0.
    pub const TLS10: Self = Self(0x0301);
    /// TLS 1.2.
    pub const TLS12: Self = Self(0x0303);
    /// TLS 1.3.
    pub const TLS13: Self = Self(0x0304);

    /// The name that people use, or the number.
    #[must_use]
    pub fn name(self) -> String {
        match self.0 {
            0x0300 => "SSL 3.0".to_owned(),
            0x0301 => "TLS 1.0".to_owned(),
            0x0302 => "TLS 1.1".to_owned(),
            0x0303 => "TLS 1.2".to_owned(),
            0x0304 => "TLS 1.3".to_owned(),
            other => format!("version {other:#06x}"),
        }
    }
}

/// A group of key exchange by its number in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group(pub u16);

impl Group {
    /// Whether a part of it withstands a quantum computer (ML-KEM, FIPS 203, and its drafts).
    #[must_use]
    pub const fn is_post_quantum(self) -> bool {
        matches!(self.0, 0x0200..=0x0202 | 0x11eb..=0x11ed | 0x6399 | 0x639a)
    }

    /// Its name in the registry, or its number.
    #[must_use]
    pub fn name(self) -> String {
        let name = match self.0 {
            23 => "secp256r1",
            24 => "secp384r1",
            25 => "secp521r1",
            29 => "x25519",
            30 => "x448",
            256 => "ffdhe2048",
            257 => "ffdhe3072",
            258 => "ffdhe4096",
            0x0200 => "MLKEM512",
            0x0201 => "MLKEM768",
            0x0202 => "MLKEM1024",
            0x11eb => "SecP256r1MLKEM768",
            0x11ec => "X25519MLKEM768",
            0x11ed => "SecP384r1MLKEM1024",
            0x6399 => "X25519Kyber768Draft00",
            0x639a => "SecP256r1Kyber768Draft00",
            other => return format!("group {other:#06x}"),
        };
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_by_number() {
        assert!(SUITES.is_sorted_by_key(|(number, ..)| *number), "binary search needs order");
        assert_eq!(CipherSuite(0x1301).name(), "TLS_AES_128_GCM_SHA256");
        assert_eq!(CipherSuite(0x9999).name(), "0x9999");
        assert!(CipherSuite(0xc028).protection().is_some());
        assert!(CipherSuite(0x1304).protection().is_none());
    }

    #[test]
    fn what_is_weak_follows_from_the_name() {
        for (number, name, _) in SUITES {
            let expected = if name.contains("_NULL_") {
                Some(Weakness::NoEncryption)
            } else if name.contains("RC4") || name.contains("3DES") {
                Some(Weakness::BrokenCipher)
            } else if name.starts_with("TLS_RSA_") || name.starts_with("TLS_PSK_") {
                Some(Weakness::NoForwardSecrecy)
            } else {
                None
            };
            assert_eq!(CipherSuite(*number).weakness(), expected, "{name}");
        }
        assert_eq!(CipherSuite(0x0034).weakness(), Some(Weakness::Anonymous));
        assert!(Group(0x11ec).is_post_quantum() && !Group(29).is_post_quantum());
    }
}
