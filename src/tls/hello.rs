//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1): what two ends tell in the clear.

use super::fields::Fields;
use super::suite::{CipherSuite, Group, Version};
use std::fmt::Write as _;

/// The name under which keys are kept: the client's random (RFC 8446 section 4.1.2).
pub type Random = [u8; 32];

/// A ServerHello with this random is a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: Random = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Numbers of extensions that are read.
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const ENCRYPT_THEN_MAC: u16 = 22;
    pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(super) const SESSION_TICKET: u16 = 35;
    pub(super) const PRE_SHARED_KEY: u16 = 41;
    pub(super) const EARLY_DATA: u16 = 42;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    pub(super) const KEY_SHARE: u16 = 51;
    pub(super) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
}

/// A protocol that ALPN names (RFC 7301), of those that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Alpn {
    /// `h2`.
    Http2,
    /// `http/1.1`.
    Http11,
    /// `http/1.0`.
    Http10,
    /// Anything else: what it says is a stranger's text.
    Other,
}

impl Alpn {
    /// The name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http2 => "h2",
            Self::Http11 => "http/1.1",
            Self::Http10 => "http/1.0",
            Self::Other => "other",
        }
    }

    fn read(name: &[u8]) -> Self {
        match name {
            b"h2" => Self::Http2,
            b"http/1.1" => Self::Http11,
            b"http/1.0" => Self::Http10,
            _ => Self::Other,
        }
    }
}

/// What a client said. Its JA4 fingerprint is made of it as the rules of JA4 tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The client's random.
    pub random: Random,
    /// The host it asks for, in lower case (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The protocols it offers, first choice first.
    pub alpn: Vec<Alpn>,
    /// The versions it offers.
    pub versions: Vec<Version>,
    /// The groups it offers.
    pub groups: Vec<Group>,
    /// Whether it hides its real hello (ECH).
    pub encrypted_hello: bool,
    /// Whether it sends data before the server answers.
    pub early_data: bool,
    /// Whether it offers to resume: a ticket, a session id before TLS 1.3, or a pre-shared key.
    pub resumes: bool,
    /// Its JA4 fingerprint.
    pub ja4: String,
    /// Its session id.
    session: Vec<u8>,
}

/// The longest server name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Protocols, versions and groups of a hello that are kept.
const MAX_OFFERED: usize = 32;

impl ClientHello {
    /// Reads the body of a ClientHello; `None` when it is none.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let legacy = Version(fields.u16()?);
        let random = fields.array()?;
        let session = fields.vector8()?.0.to_vec();
        let suites: Vec<u16> = fields.vector16()?.numbers().filter(|suite| !is_grease(*suite)).collect();
        fields.vector8()?;
        let mut hello = Self {
            random,
            server_name: None,
            alpn: Vec::new(),
            versions: Vec::new(),
            groups: Vec::new(),
            encrypted_hello: false,
            early_data: false,
            resumes: false,
            ja4: String::new(),
            session,
        };
        let mut print = Ja4 { suites, ..Ja4::default() };
        // Old clients have none at all.
        let mut extensions = if fields.is_empty() { Fields(&[]) } else { fields.vector16()? };
        while !extensions.is_empty() {
            let number = extensions.u16()?;
            let data = extensions.vector16()?;
            if !is_grease(number) {
                print.extensions.push(number);
                hello.extension(number, data, &mut print);
            }
        }
        if hello.versions.is_empty() {
            hello.resumes |= !hello.session.is_empty();
            hello.versions.push(legacy);
        }
        let highest = hello.versions.iter().copied().max().unwrap_or(legacy);
        hello.ja4 = print.text(highest);
        Some(hello)
    }

    fn extension(&mut self, number: u16, data: Fields<'_>, print: &mut Ja4) {
        let mut fields = data;
        match number {
            extension::SERVER_NAME => self.server_name = server_name(data),
            extension::SUPPORTED_GROUPS => {
                let groups = fields.vector16().unwrap_or(Fields(&[])).numbers();
                self.groups =
                    groups.filter(|group| !is_grease(*group)).take(MAX_OFFERED).map(Group).collect();
            }
            extension::SIGNATURE_ALGORITHMS => {
                let signatures = fields.vector16().unwrap_or(Fields(&[])).numbers();
                print.signatures = signatures.filter(|number| !is_grease(*number)).collect();
            }
            extension::ALPN => {
                let mut names = fields.vector16().unwrap_or(Fields(&[]));
                while let Some(name) = names.vector8() {
                    if self.alpn.is_empty() {
                        print.alpn = name.0.to_vec();
                    }
                    if self.alpn.len() < MAX_OFFERED {
                        self.alpn.push(Alpn::read(name.0));
                    }
                }
            }
            extension::SESSION_TICKET => self.resumes |= !data.is_empty(),
            extension::PRE_SHARED_KEY => self.resumes = true,
            extension::EARLY_DATA => self.early_data = true,
            extension::ENCRYPTED_CLIENT_HELLO => self.encrypted_hello = true,
            extension::SUPPORTED_VERSIONS => {
                let versions = fields.vector8().unwrap_or(Fields(&[])).numbers();
                self.versions =
                    versions.filter(|number| !is_grease(*number)).take(MAX_OFFERED).map(Version).collect();
            }
            _ => {}
        }
    }
}

/// The host of a `server_name` extension, when it is one that may stand in an inventory.
fn server_name(mut data: Fields<'_>) -> Option<String> {
    let mut names = data.vector16()?;
    while let (Some(kind), Some(name)) = (names.u8(), names.vector16()) {
        if kind == 0 {
            let name = std::str::from_utf8(name.0).ok()?.trim_end_matches('.');
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let good = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(plain);
            return good.then(|| name.to_ascii_lowercase());
        }
    }
    None
}

/// What a server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The server's random.
    pub random: Random,
    /// The version that is spoken from here on.
    pub version: Version,
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The group of the key exchange, where this tells (TLS 1.3).
    pub group: Option<Group>,
    /// The protocol, where this tells (TLS 1.2).
    pub alpn: Option<Alpn>,
    /// Whether this is a HelloRetryRequest.
    pub retry: bool,
    /// Whether a session is resumed.
    pub resumed: bool,
    /// Whether the MAC is over what was encrypted (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Whether the master secret is bound to the handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// Whether records are compressed, which is not read.
    pub compressed: bool,
}

impl ServerHello {
    /// Reads the body of a ServerHello that answers `client`; `None` when it is none.
    #[must_use]
    pub fn parse(body: &[u8], client: Option<&ClientHello>) -> Option<Self> {
        let mut fields = Fields(body);
        let legacy = Version(fields.u16()?);
        let random: Random = fields.array()?;
        let session = fields.vector8()?.0;
        let suite = CipherSuite(fields.u16()?);
        let compressed = fields.u8()? != 0;
        let mut hello = Self {
            random,
            version: legacy,
            suite,
            group: None,
            alpn: None,
            retry: random == RETRY,
            resumed: false,
            encrypt_then_mac: false,
            extended_master_secret: false,
            compressed,
        };
        let mut extensions = if fields.is_empty() { Fields(&[]) } else { fields.vector16()? };
        while !extensions.is_empty() {
            let number = extensions.u16()?;
            let mut data = extensions.vector16()?;
            match number {
                extension::SUPPORTED_VERSIONS => hello.version = Version(data.u16()?),
                extension::KEY_SHARE => hello.group = data.u16().map(Group),
                extension::PRE_SHARED_KEY => hello.resumed = true,
                extension::ENCRYPT_THEN_MAC => hello.encrypt_then_mac = true,
                extension::EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
                extension::ALPN => hello.alpn = alpn(data),
                _ => {}
            }
        }
        if hello.version < Version::TLS13 {
            hello.resumed = !session.is_empty() && client.is_some_and(|client| client.session == session);
        }
        Some(hello)
    }
}

/// What the server of a TLS 1.3 connection says once it can be private (RFC 8446 section 4.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EncryptedExtensions {
    pub(super) alpn: Option<Alpn>,
    pub(super) early_data: bool,
}

impl EncryptedExtensions {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut extensions = Fields(body).vector16()?;
        let mut read = Self::default();
        while !extensions.is_empty() {
            let number = extensions.u16()?;
            let data = extensions.vector16()?;
            match number {
                extension::ALPN => read.alpn = alpn(data),
                extension::EARLY_DATA => read.early_data = true,
                _ => {}
            }
        }
        Some(read)
    }
}

/// The one protocol that a server chose.
fn alpn(mut data: Fields<'_>) -> Option<Alpn> {
    data.vector16()?.vector8().map(|name| Alpn::read(name.0))
}

/// Values that clients throw in so that servers learn to pass over what they do not know (RFC 8701).
const fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// What a JA4 fingerprint is made of.
#[derive(Debug, Default)]
struct Ja4 {
    suites: Vec<u16>,
    extensions: Vec<u16>,
    signatures: Vec<u16>,
    alpn: Vec<u8>,
}

impl Ja4 {
    /// The fingerprint of a client on TCP that offers `version` as its highest.
    fn text(mut self, version: Version) -> String {
        let version = match version.0 {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let name = if self.extensions.contains(&extension::SERVER_NAME) { 'd' } else { 'i' };
        let (suites, extensions) = (self.suites.len().min(99), self.extensions.len().min(99));
        let alpn = self.protocol();
        self.suites.sort_unstable();
        self.extensions.sort_unstable();
        self.extensions.retain(|number| ![extension::SERVER_NAME, extension::ALPN].contains(number));
        let mut rest = list(&self.extensions);
        if !self.signatures.is_empty() {
            rest.push('_');
            rest.push_str(&list(&self.signatures));
        }
        let first = short_hash(&list(&self.suites));
        let second = if self.extensions.is_empty() { short_hash("") } else { short_hash(&rest) };
        format!("t{version}{name}{suites:02}{extensions:02}{alpn}_{first}_{second}")
    }

    /// The first and last characters of the first protocol, or of its bytes in hexadecimal.
    fn protocol(&self) -> String {
        match (self.alpn.first(), self.alpn.last()) {
            (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
                [char::from(*first), char::from(*last)].iter().collect()
            }
            (Some(first), Some(last)) => format!("{:x}{:x}", first >> 4, last & 0x0f),
            (None, _) | (_, None) => "00".to_owned(),
        }
    }
}

fn list(numbers: &[u16]) -> String {
    let mut text = String::new();
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        _ = write!(text, "{number:04x}");
    }
    text
}

/// Twelve digits of a SHA-256, or twelve zeros where there is nothing to tell.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(6).fold(String::new(), |mut all, byte| {
        _ = write!(all, "{byte:02x}");
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector16(body: &[u8]) -> Vec<u8> {
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    fn extension(number: u16, body: &[u8]) -> Vec<u8> {
        [&number.to_be_bytes()[..], &vector16(body)].concat()
    }

    fn numbers(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// The hello that the JA4 rules take as their example, GREASE among it.
    fn example() -> Vec<u8> {
        let suites = [
            0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        let mut extensions = extension(0x1a1a, &[]);
        for number in [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
            0xff01, 0x000b, 0x000a, 0x0015,
        ] {
            let body = match number {
                0x0000 => vector16(&[&[0][..], &vector16(b"Bank.Example.")].concat()),
                0x0010 => vector16(b"\x02h2\x08http/1.1"),
                0x000d => vector16(&numbers(&signatures)),
                0x002b => [&[6][..], &numbers(&[0x2a2a, 0x0304, 0x0303])].concat(),
                0x000a => vector16(&numbers(&[0x3a3a, 29, 23])),
                _ => Vec::new(),
            };
            extensions.extend(extension(number, &body));
        }
        let mut hello = vec![3, 3];
        hello.extend([7; 32]);
        hello.push(0);
        hello.extend(vector16(&numbers(&suites)));
        hello.extend([1, 0]);
        hello.extend(vector16(&extensions));
        hello
    }

    #[test]
    fn a_client_tells_what_it_wants() {
        let hello = ClientHello::parse(&example()).unwrap();
        assert_eq!(hello.server_name.as_deref(), Some("bank.example"));
        assert_eq!(hello.alpn, [Alpn::Http2, Alpn::Http11]);
        assert_eq!(hello.versions, [Version::TLS13, Version::TLS12]);
        assert_eq!(hello.groups, [Group(29), Group(23)]);
        assert!(!hello.resumes && !hello.early_data && !hello.encrypted_hello);
        assert_eq!(hello.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn a_cut_hello_is_none() {
        let whole = example();
        for length in 0..whole.len() {
            // Without extensions at all is a hello of old.
            let old = length == 2 + 32 + 1 + 2 + 32 + 2;
            assert_eq!(ClientHello::parse(&whole[..length]).is_some(), old, "{length}");
        }
    }

    #[test]
    fn names_that_are_no_hosts_are_not_kept() {
        for (name, kept) in
            [(&b"a.example"[..], Some("a.example")), (b"", None), (b"a b", None), (b"\xff", None)]
        {
            let body = vector16(&[&[0][..], &vector16(name)].concat());
            assert_eq!(server_name(Fields(&body)).as_deref(), kept);
        }
    }
}
