//! Named, compiled-in checks: whether a value can be of a class, and what chance a random value has.
//!
//! A check sees one decoded value and says yes or no. It never sees the key; signatures combine the two.
//! Its [`Check::chance`] is the share of values of roughly the right shape that pass by accident, and is what
//! evidence is weighed with: eight account numbers that all pass mod 97 are proof, eight words that all look
//! like a name are a hint.

mod contact;
mod finance;
mod national;
mod person;
mod secrets;

macro_rules! checks {
    ($($variant:ident $name:literal $chance:literal $function:path;)*) => {
        /// A compiled-in check. See the module's doc.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Check {
            /// All checks.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that packs use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The share of values of roughly the right shape that pass by accident.
            #[must_use]
            pub const fn chance(self) -> f32 {
                match self { $(Self::$variant => $chance,)* }
            }

            /// Whether `value` passes.
            #[must_use]
            pub fn passes(self, value: &[u8]) -> bool {
                match self { $(Self::$variant => $function(value),)* }
            }
        }
    };
}

checks! {
    Pan "luhn_iin" 0.05 finance::pan;
    Cvv "cvv" 0.3 finance::cvv;
    Expiry "card_expiry" 0.1 finance::expiry;
    Track "card_track" 0.001 finance::track;
    Pin "pin" 0.3 finance::pin;
    Iban "iban" 0.0005 finance::iban;
    Bic "bic" 0.02 finance::bic;
    AccountNumber "account_number" 0.4 finance::account_number;
    SortCode "sort_code" 0.3 finance::sort_code;
    AbaRouting "aba_routing" 0.05 finance::aba_routing;
    CreditorId "sepa_creditor_id" 0.0005 finance::creditor_id;
    Lei "lei" 0.0005 finance::lei;
    Ssn "us_ssn" 0.3 national::us_ssn;
    Nino "uk_nino" 0.02 national::uk_nino;
    Dni "es_dni" 0.01 national::es_dni;
    Nir "fr_nir" 0.002 national::fr_nir;
    CodiceFiscale "it_cf" 0.001 national::it_cf;
    SteuerId "de_steuer_id" 0.05 national::de_steuer_id;
    Bsn "nl_bsn" 0.09 national::nl_bsn;
    Pesel "pl_pesel" 0.01 national::pl_pesel;
    Personnummer "se_personnummer" 0.01 national::se_personnummer;
    Aadhaar "in_aadhaar" 0.08 national::in_aadhaar;
    InPan "in_pan" 0.02 national::in_pan;
    Cpf "br_cpf" 0.01 national::br_cpf;
    Cnpj "br_cnpj" 0.01 national::br_cnpj;
    Tfn "au_tfn" 0.09 national::au_tfn;
    Abn "au_abn" 0.011 national::au_abn;
    Medicare "au_medicare" 0.05 national::au_medicare;
    Sin "ca_sin" 0.1 national::ca_sin;
    Passport "passport" 0.3 national::passport;
    DriverLicence "driver_licence" 0.3 national::driver_licence;
    Nhs "nhs_number" 0.09 national::nhs_number;
    Jwt "jwt" 0.0001 secrets::jwt;
    Opaque "opaque_token" 0.2 secrets::opaque;
    ApiKey "api_key" 0.2 secrets::opaque;
    AuthCode "auth_code" 0.2 secrets::auth_code;
    AwsKeyId "aws_key_id" 0.0001 secrets::aws_key_id;
    AwsSecret "aws_secret" 0.02 secrets::aws_secret;
    GcpKey "gcp_key" 0.0001 secrets::gcp_key;
    AzureKey "azure_key" 0.01 secrets::azure_key;
    Github "github_token" 0.0001 secrets::github;
    Slack "slack_token" 0.0001 secrets::slack;
    Stripe "stripe_key" 0.0001 secrets::stripe;
    PrivateKey "private_key" 0.0001 secrets::private_key;
    BasicAuth "basic_auth" 0.0001 secrets::basic_auth;
    Password "password" 0.5 secrets::password;
    Otp "otp" 0.3 secrets::otp;
    Email "email" 0.001 contact::email;
    Phone "phone" 0.2 contact::phone;
    Address "address" 0.4 contact::address;
    Postcode "postcode" 0.3 contact::postcode;
    Ip "ip" 0.05 contact::ip;
    Mac "mac" 0.001 contact::mac;
    Imei "imei" 0.1 contact::imei;
    UserAgent "user_agent" 0.05 contact::user_agent;
    Coordinates "coordinates" 0.2 contact::coordinates;
    PersonName "person_name" 0.4 person::name;
    BirthDate "birth_date" 0.2 person::birth_date;
    Gender "gender" 0.1 person::gender;
    Country "country" 0.3 person::country;
    Words "words" 0.5 person::words;
    Icd10 "icd10" 0.1 person::icd10;
    BloodType "blood_type" 0.02 person::blood_type;
    Blob "blob" 0.1 secrets::blob;
}

impl Check {
    /// The check that packs call `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|check| check.name() == name)
    }

    /// Whether a value that passes tells its class without a key, so that a signature may say `alone`.
    #[must_use]
    pub const fn tells_alone(self) -> bool {
        matches!(
            self,
            Self::Jwt
                | Self::BasicAuth
                | Self::GcpKey
                | Self::AwsKeyId
                | Self::AzureKey
                | Self::Github
                | Self::Slack
                | Self::Stripe
                | Self::PrivateKey
                | Self::Track
                | Self::Pan
                | Self::Iban
                | Self::CreditorId
                | Self::Lei
                | Self::Mac
                | Self::Email
                | Self::Cpf
                | Self::Cnpj
                | Self::Nir
                | Self::Dni
                | Self::CodiceFiscale
        )
    }
}

pub(crate) use contact::phone_international;
pub(crate) use finance::iban_length;

/// The digits of a value that has nothing else but `between` among them.
#[derive(Clone, Copy)]
pub(crate) struct Digits {
    slots: [u8; 24],
    len: usize,
}

impl Digits {
    /// Reads them; `None` when anything else is there, or more than 24.
    pub(crate) fn of(value: &[u8], between: &[u8]) -> Option<Self> {
        let mut digits = Self { slots: [0; 24], len: 0 };
        for byte in value {
            if byte.is_ascii_digit() {
                *digits.slots.get_mut(digits.len)? = byte - b'0';
                digits.len += 1;
            } else if !between.contains(byte) {
                return None;
            }
        }
        Some(digits)
    }

    /// The digits, each 0 to 9.
    pub(crate) fn get(&self) -> &[u8] {
        self.slots.get(..self.len).unwrap_or_default()
    }

    /// The digits when there are `N` of them.
    pub(crate) fn exactly<const N: usize>(&self) -> Option<[u8; N]> {
        self.get().try_into().ok()
    }

    /// Their number value from `start` to `end`.
    pub(crate) fn number(&self, start: usize, end: usize) -> u64 {
        self.get()
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(*digit))
    }

    /// Whether all are the same.
    pub(crate) fn uniform(&self) -> bool {
        self.get().windows(2).all(|pair| pair.first() == pair.last())
    }
}

/// ISO/IEC 7812 annex B: the last digit makes the weighted sum a multiple of ten.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(*digit);
            if at % 2 == 0 {
                digit
            } else if digit > 4 {
                digit * 2 - 9
            } else {
                digit * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of digits times weights.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// ISO 7064 mod 97-10 over letters (A = 10) and digits; spaces are skipped. `None` for anything else.
pub(crate) fn mod97(parts: &[&[u8]]) -> Option<u32> {
    let mut rest = 0_u64;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        rest = match byte {
            b'0'..=b'9' => rest * 10 + u64::from(byte - b'0'),
            b'A'..=b'Z' => rest * 100 + u64::from(byte - b'A') + 10,
            b'a'..=b'z' => rest * 100 + u64::from(byte - b'a') + 10,
            b' ' => rest,
            _ => return None,
        };
        // Dividing is slow: only when another step would not fit.
        if rest > 1 << 56 {
            rest %= 97;
        }
    }
    u32::try_from(rest % 97).ok()
}

/// Whether a value is masked or blanked out, and so tells nothing: `****1234`, `[REDACTED]`, `XXXX-1`.
#[must_use]
pub fn is_masked(value: &[u8]) -> bool {
    // What begins with a letter or digit and goes on with them is no mask but for a few words.
    let mut run = 0_usize;
    let mut last = 0_u8;
    let mut stars = 0_usize;
    let mut high = false;
    for byte in value {
        run = if *byte == last { run + 1 } else { 1 };
        last = *byte;
        stars += usize::from(*byte == b'*');
        high |= *byte == 0xe2;
        if run >= 3
            && (matches!(byte, b'*' | b'#') || (run >= 4 && matches!(byte, b'X' | b'x' | b'.' | b'_' | b'-')))
        {
            return true;
        }
    }
    if stars >= 2 && value.len() <= 8 {
        return true;
    }
    // U+2022 and U+25CF, and the ellipsis.
    if high
        && value
            .windows(3)
            .any(|letter| matches!(letter, b"\xe2\x80\xa2" | b"\xe2\x97\x8f" | b"\xe2\x80\xa6"))
    {
        return true;
    }
    let digits_first = value.first().is_some_and(u8::is_ascii_digit);
    if digits_first || value.len() > 32 {
        return false;
    }
    let mut lower = [0_u8; 16];
    let mut len = 0;
    for byte in value {
        if matches!(byte, b'[' | b']' | b'<' | b'>' | b'(' | b')' | b'{' | b'}')
            || matches!(byte, b'/' | b' ' | b'-' | b'_' | b'"' | b'\'')
        {
            continue;
        }
        let Some(slot) = lower.get_mut(len) else { break };
        *slot = byte.to_ascii_lowercase();
        len += 1;
    }
    let word = lower.get(..len).unwrap_or_default();
    matches!(
        word,
        b"" | b"redacted"
            | b"masked"
            | b"hidden"
            | b"null"
            | b"na"
            | b"nil"
            | b"undefined"
            | b"removed"
            | b"filtered"
            | b"confidential"
            | b"omitted"
            | b"encrypted"
            | b"protected"
            | b"xxx"
            | b"notprovided"
            | b"anonymized"
            | b"anonymised"
            | b"suppressed"
            | b"obfuscated"
    ) || word.starts_with(b"endingin")
        || word.starts_with(b"endsin")
}

/// A check with values that pass and values that do not, apart by `|`.
#[cfg(test)]
pub(crate) type Sample = (fn(&[u8]) -> bool, &'static str, &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_recognised() {
        for value in [
            "****1234",
            "**** **** **** 1305",
            "NL61 **** **** 0377",
            "ITXXXXXXXXXXXXXX0653",
            "[REDACTED]",
            "<redacted>",
            "ending in 6698",
            "•••• 7506",
            "j***@example.com",
            "+44*******017",
            "N/A",
            "null",
            "XXXXXXXX",
            "",
            "--",
            "654917******3717",
        ] {
            assert!(is_masked(value.as_bytes()), "{value}");
        }
        for value in
            ["DE89370400440532013000", "secret123", "a*b", "Maxx", "None of your business", "8*KH4!Xe"]
        {
            assert!(!is_masked(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for check in Check::ALL {
            assert_eq!(Check::named(check.name()), Some(*check));
        }
    }
}
