//! SCRAM: proves that both sides know a password, and shows it to nobody (RFC 5802, RFC 7677).
//!
//! ```text
//!  Scram::start ─▶ first ─▶ broker ─▶ Scram::prove ─▶ proof ─▶ broker ─▶ Proven::check
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// The hash that a mechanism uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// The most rounds that a broker may ask for: a second's work.
const MAX_ROUNDS: u32 = 1_000_000;

/// Why the broker is not who it should be, or not to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    /// The message is not one of SCRAM.
    #[error("its answer is not as SCRAM says")]
    Malformed,
    /// The broker refuses the proof.
    #[error("the name or password is not accepted")]
    Refused,
    /// More or fewer rounds of hashing than is sensible.
    #[error("it asks for {0} rounds of hashing; 1 to {MAX_ROUNDS} are done")]
    Rounds(u32),
    /// The broker does not know the password.
    #[error("it does not know the password itself: this is not the broker that it claims to be")]
    Impostor,
}

/// A conversation that has begun.
#[derive(Debug)]
pub(super) struct Scram {
    hash: Hash,
    nonce: String,
    bare: String,
}

impl Scram {
    /// Begins, with a nonce that was never used. Names and passwords are taken as they are (no `SASLprep`).
    pub(super) fn start(hash: Hash, user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        Self { hash, nonce, bare }
    }

    /// The first message to the broker.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Answers the broker's first message: with a proof, and what the broker must then say.
    pub(super) fn prove(&self, answer: &str, password: &str) -> Result<(String, Proven), ScramError> {
        let mut parts = answer.split(',');
        let mut part =
            |name| parts.next().and_then(|part| part.strip_prefix(name)).ok_or(ScramError::Malformed);
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        let salt = STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Malformed);
        }
        let rounds: u32 = rounds.parse().map_err(|_| ScramError::Malformed)?;
        let count = NonZeroU32::new(rounds).filter(|count| count.get() <= MAX_ROUNDS);
        let count = count.ok_or(ScramError::Rounds(rounds))?;
        let salted = self.hash.salted(count, &salt, password);
        let client_key = self.hash.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), client_key.as_ref());
        let last = format!("c=biws,r={nonce}");
        let said = format!("{},{answer},{last}", self.bare);
        let signature = self.hash.sign(stored_key.as_ref(), said.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        let server_key = self.hash.sign(&salted, b"Server Key");
        let server_key = hmac::Key::new(self.hash.hmac(), server_key.as_ref());
        Ok((format!("{last},p={}", STANDARD.encode(proof)), Proven { server_key, said }))
    }
}

/// What the broker must say to show that it knows the password too.
#[derive(Debug)]
pub(super) struct Proven {
    server_key: hmac::Key,
    said: String,
}

impl Proven {
    /// Holds the broker's last message against it.
    pub(super) fn check(&self, answer: &str) -> Result<(), ScramError> {
        if answer.starts_with("e=") {
            return Err(ScramError::Refused);
        }
        let signature = answer.split(',').next().and_then(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(ScramError::Malformed)?;
        hmac::verify(&self.server_key, self.said.as_bytes(), &signature).map_err(|_| ScramError::Impostor)
    }
}

impl Hash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn sign(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hmac(), key), data)
    }

    fn salted(self, rounds: NonZeroU32, salt: &[u8], password: &str) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = Zeroizing::new(vec![0; self.digest().output_len()]);
        pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut salted);
        salted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The conversation of RFC 7677, section 3.
    const ANSWER: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun() -> Scram {
        Scram::start(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    #[test]
    fn the_conversation_of_the_rfc_is_had() {
        let scram = begun();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (proof, proven) = scram.prove(ANSWER, "pencil").unwrap();
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(proven.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert_eq!(proven.check("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::Impostor));
        assert_eq!(proven.check("e=invalid-proof"), Err(ScramError::Refused));
        assert_eq!(proven.check(""), Err(ScramError::Malformed));
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(Scram::start(Hash::Sha512, "a=b,c", "n".to_owned()).first(), "n,,n=a=3Db=2Cc,r=n");
    }

    #[test]
    fn a_broker_that_reuses_the_nonce_or_asks_for_too_much_is_refused() {
        let refused = |answer: &str| begun().prove(answer, "pencil").unwrap_err();
        assert_eq!(refused("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096"), ScramError::Malformed);
        assert_eq!(refused("r=other,s=W22Z,i=4096"), ScramError::Malformed);
        assert_eq!(refused(&ANSWER.replace("4096", "4000000000")), ScramError::Rounds(4_000_000_000));
        assert_eq!(refused(&ANSWER.replace("4096", "0")), ScramError::Rounds(0));
    }

    proptest! {
        #[test]
        fn arbitrary_answers_are_survived(answer in "(r=rOprNGfwEbeRWgbNEkqO.{0,9},s=.{0,9},i=[0-9]{0,4})|.{0,40}") {
            let (_, proven) = begun().prove(ANSWER, "pencil").unwrap();
            std::hint::black_box(proven.check(&answer)).ok();
            std::hint::black_box(begun().prove(&answer, "pencil")).ok();
        }
    }
}
