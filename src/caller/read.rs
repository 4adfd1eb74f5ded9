//! Credentials found in a request.

use super::banking::{Banking, Sign};
use super::certificate::{self, Form, Told};
use super::psd2::Provider;
use super::{AuthScheme, Client, SchemeSet, jwt};
use crate::secret::{Fingerprint, FingerprintKey, Purpose, Sensitive};
use crate::transaction::Transaction;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Whom a request's strongest credential stands for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Keyed, so that it tells nothing of the credential; `None` when there is neither a credential nor an address.
    pub fingerprint: Option<Fingerprint>,
    /// How the request authenticates.
    pub schemes: SchemeSet,
    /// The host name of the JWT's issuer, when there is one.
    pub issuer: Option<Arc<str>>,
    /// The payment service provider that its certificate names.
    pub provider: Option<Arc<Provider>>,
    /// What tells of open banking.
    pub banking: Banking,
}

#[derive(Clone, Debug)]
struct Known {
    fingerprint: Fingerprint,
    is_jwt: bool,
    issuer: Option<Arc<str>>,
    provider: Option<Arc<Provider>>,
}

/// Credentials that are remembered.
const MAX_KNOWN: usize = 16_384;
/// Their bytes: a certificate has some thousands.
const MAX_KNOWN_BYTES: usize = 32 << 20;

/// Reads the credentials of one shard's requests.
pub struct CallerReader {
    key: FingerprintKey,
    /// By kind of identity and credential.
    known: HashMap<(Identity, Box<[u8]>), Known, RandomState>,
    known_bytes: usize,
}

impl std::fmt::Debug for CallerReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallerReader({} known)", self.known.len())
    }
}

/// What a caller is known by, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    /// The certificate that the connection was made with.
    Certificate(Form),
    /// The certificate that the message is signed with (Berlin Group, `TPP-Signature-Certificate`).
    Signer,
    Token,
    ApiKey,
    Basic,
    Other,
    Cookie,
    Address,
}

impl Identity {
    /// What keeps equal values of different kinds apart. All ways to tell of a certificate are one kind.
    const fn space(self) -> u8 {
        match self {
            Self::Certificate(_) | Self::Signer => 0,
            Self::Token => 1,
            Self::ApiKey => 2,
            Self::Basic => 3,
            Self::Other => 4,
            Self::Cookie => 5,
            Self::Address => 6,
        }
    }

    /// How a certificate is told of.
    const fn form(self) -> Option<Form> {
        match self {
            Self::Certificate(form) => Some(form),
            Self::Signer => Some(Form::Whole),
            Self::Token | Self::ApiKey | Self::Basic | Self::Other | Self::Cookie | Self::Address => None,
        }
    }
}

/// What one source says of the certificate.
#[derive(Clone, Copy, Debug, Default)]
struct Presented<'a> {
    /// The form that tells most, and what it tells.
    best: Option<(Form, &'a [u8])>,
    refused: bool,
}

impl<'a> Presented<'a> {
    fn take(&mut self, told: Option<Told<'a>>) {
        match told {
            Some(Told::Certificate(form, value)) if self.best.is_none_or(|(known, _)| form < known) => {
                self.best = Some((form, value));
            }
            Some(Told::NotVerified) => self.refused = true,
            Some(Told::Certificate(..)) | None => {}
        }
    }

    /// What is believed of it: nothing where the server did not believe it either.
    fn certificate(self) -> Option<(Form, &'a [u8])> {
        self.best.filter(|_| !self.refused)
    }
}

/// Whether a header is one that nearly every request has: it is no credential.
fn is_common(name: &[u8]) -> bool {
    match name.len() {
        6 => name.eq_ignore_ascii_case(b"accept"),
        10 => name.eq_ignore_ascii_case(b"connection"),
        12 => name.eq_ignore_ascii_case(b"content-type"),
        14 => name.eq_ignore_ascii_case(b"content-length"),
        15 => name.eq_ignore_ascii_case(b"accept-encoding") || name.eq_ignore_ascii_case(b"accept-language"),
        _ => false,
    }
}

/// Headers that carry a key.
const KEY_HEADERS: [&str; 10] = [
    "x-api-key",
    "api-key",
    "apikey",
    "x-apikey",
    "x-auth-token",
    "x-access-token",
    "x-api-token",
    "ocp-apim-subscription-key",
    "x-ibm-client-id",
    "x-app-key",
];

/// Query parameters that carry a key.
const KEY_PARAMETERS: [&str; 7] =
    ["api_key", "apikey", "api-key", "x-api-key", "subscription-key", "app_key", "auth_token"];

/// Parts of the names of cookies that hold a session.
const SESSION_COOKIES: [&str; 8] = ["sess", "sid", "auth", "token", "jwt", "login", "remember", "connect."];

/// Whether a header of this name carries a key.
#[must_use]
pub fn is_key_header(name: &[u8]) -> bool {
    KEY_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a query parameter of this name carries a key.
#[must_use]
pub fn is_key_parameter(name: &[u8]) -> bool {
    KEY_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a query parameter of this name carries a credential: a key, or a token (RFC 6750 section 2.3).
#[must_use]
pub fn is_credential_parameter(name: &[u8]) -> bool {
    is_key_parameter(name) || name.eq_ignore_ascii_case(b"access_token")
}

/// Whether a cookie of this name holds a session. Tokens against cross-site forgery prove nothing about the caller.
#[must_use]
pub fn is_session_cookie(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |part: &str| memchr::memmem::find(&name, part.as_bytes()).is_some();
    SESSION_COOKIES.iter().any(|part| has(part)) && !has("csrf") && !has("xsrf")
}

impl CallerReader {
    /// A reader that fingerprints with `key`.
    #[must_use]
    pub fn new(key: FingerprintKey) -> Self {
        Self { key, known: HashMap::with_hasher(RandomState::default()), known_bytes: 0 }
    }

    /// The fingerprint of a client who is known by the address alone.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Fingerprint {
        let of = |octets: &[u8]| {
            self.key.fingerprint(Purpose::Caller, &[&[Identity::Address.space()], octets].concat())
        };
        match address {
            IpAddr::V4(address) => of(&address.octets()),
            IpAddr::V6(address) => of(&address.octets()),
        }
    }

    /// Reads the credentials of a request with this path and, unless no credential stands in it, this query; without any, the caller is known by the fingerprint `address`. A
    /// certificate that `client` forwards of others counts only when its word is believed.
    pub fn read(
        &mut self,
        transaction: &Transaction,
        (path, query): (Sensitive<&[u8]>, Option<Sensitive<&[u8]>>),
        client: &Client,
        address: Option<Fingerprint>,
    ) -> Caller {
        let mut schemes = SchemeSet::default();
        let mut best: Option<(Identity, &[u8])> = None;
        let mut take = |identity, value| {
            // A credential that a log masks says how a request authenticates, and not who sends it.
            if is_masked(value) {
                return;
            }
            if best.is_none_or(|(known, _)| identity < known) {
                best = Some((identity, value));
            }
        };
        let mut banking = Banking::default();
        banking.path(path.expose());
        let (mut own, mut forwarded, mut signer) = (Presented::default(), Presented::default(), None);
        for (name, value) in transaction.told.iter() {
            own.take(certificate::told(name, value.expose()));
        }
        let mut bearer = false;
        for (name, value) in transaction.request.fields.iter() {
            let value = *value.expose();
            if value.is_empty() {
                continue;
            }
            // The length is a cheap gate: most headers are none of these.
            match name.len() {
                13 if name.eq_ignore_ascii_case(b"authorization") => {
                    let (scheme, rest) = split_scheme(value);
                    if scheme.eq_ignore_ascii_case(b"bearer") {
                        bearer = true;
                        take(Identity::Token, rest);
                    } else if scheme.eq_ignore_ascii_case(b"basic") {
                        schemes.insert(AuthScheme::Basic);
                        take(Identity::Basic, rest);
                    } else {
                        schemes.insert(AuthScheme::OtherScheme);
                        take(Identity::Other, if is_masked(rest) { rest } else { value });
                    }
                }
                6 if name.eq_ignore_ascii_case(b"cookie") => {
                    if let Some(session) = session_cookie(value) {
                        schemes.insert(AuthScheme::Cookie);
                        take(Identity::Cookie, session);
                    }
                }
                25 if name.eq_ignore_ascii_case(b"tpp-signature-certificate") => {
                    banking.header(name);
                    signer = Some(value);
                }
                // Nearly all of them begin with an x.
                6..=36
                    if matches!(
                        name.first().map(u8::to_ascii_lowercase),
                        Some(b'x' | b'a' | b'c' | b's' | b'o' | b'p' | b't')
                    ) && !is_common(name) =>
                {
                    if is_key_header(name) {
                        schemes.insert(AuthScheme::ApiKey);
                        take(Identity::ApiKey, value);
                        continue;
                    }
                    banking.header(name);
                    if client.speaks_for_others {
                        forwarded.take(certificate::told(name, value));
                    }
                }
                _ => {}
            }
        }
        for pair in query.iter().flat_map(|query| query.expose().split(|byte| *byte == b'&')) {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = pair.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            if name.eq_ignore_ascii_case(b"access_token") {
                // RFC 6750 section 2.3.
                bearer = true;
                take(Identity::Token, value);
            } else if is_key_parameter(name) {
                schemes.insert(AuthScheme::ApiKey);
                take(Identity::ApiKey, value);
            }
        }
        if let Some((form, value)) = own.certificate().or_else(|| forwarded.certificate()) {
            schemes.insert(AuthScheme::MutualTls);
            take(Identity::Certificate(form), value);
        } else if let Some(value) = signer.filter(|_| banking.has(Sign::Signature)) {
            take(Identity::Signer, value);
        }
        let token = bearer.then(|| self.token_of(transaction)).flatten();
        if bearer {
            let is_jwt = token.as_ref().is_some_and(|known| known.is_jwt);
            schemes.insert(if is_jwt { AuthScheme::Jwt } else { AuthScheme::Bearer });
        }
        let issuer = token.as_ref().and_then(|known| known.issuer.clone());
        let known = match (best, token) {
            (Some((Identity::Token, _)), Some(token)) => Some(token),
            (Some((identity, credential)), _) => Some(self.known(identity, credential)),
            (None, _) => address.map(plain),
        };
        let (fingerprint, provider) = known.map(|known| (known.fingerprint, known.provider)).unzip();
        Caller { fingerprint, schemes, issuer, provider: provider.flatten(), banking }
    }

    /// Whether the source itself tells something of the caller, rather than ids alone.
    #[must_use]
    pub fn is_told(transaction: &Transaction) -> bool {
        transaction.told.iter().any(|(name, _)| certificate::may_tell(name))
    }

    /// As [`CallerReader::read`], of a request in which nothing tells of the caller besides its path and the fingerprint of the
    /// address.
    #[must_use]
    pub fn read_bare(path: Sensitive<&[u8]>, address: Option<Fingerprint>) -> Caller {
        let mut banking = Banking::default();
        banking.path(path.expose());
        Caller { fingerprint: address, schemes: SchemeSet::default(), issuer: None, provider: None, banking }
    }

    /// The bearer token, wherever it stands.
    fn token_of(&mut self, transaction: &Transaction) -> Option<Known> {
        if let Some(value) = transaction.request.fields.get("authorization") {
            let (scheme, rest) = split_scheme(value.expose());
            if scheme.eq_ignore_ascii_case(b"bearer") {
                return Some(self.known(Identity::Token, rest));
            }
        }
        let query = transaction.query()?;
        let token = query.expose().split(|byte| *byte == b'&').find_map(|pair| {
            let (name, value) = pair.split_at_checked(13)?;
            name.eq_ignore_ascii_case(b"access_token=").then_some(value)
        })?;
        Some(self.known(Identity::Token, token))
    }

    /// The fingerprint of a credential, computed once while it is remembered.
    fn known(&mut self, identity: Identity, credential: &[u8]) -> Known {
        let hash = {
            use std::hash::BuildHasher;
            self.known.hasher().hash_one((identity, credential))
        };
        if let Some((_, known)) = self
            .known
            .raw_entry()
            .from_hash(hash, |(kind, bytes)| *kind == identity && **bytes == *credential)
        {
            return known.clone();
        }
        let known = self.identify(identity, credential);
        self.known_bytes += credential.len();
        if self.known.len() >= MAX_KNOWN || self.known_bytes > MAX_KNOWN_BYTES {
            self.known.clear();
            self.known_bytes = credential.len();
        }
        self.known.insert((identity, credential.into()), known.clone());
        known
    }

    fn identify(&self, identity: Identity, credential: &[u8]) -> Known {
        let of = |value: &[u8]| self.key.fingerprint(Purpose::Caller, &[&[identity.space()], value].concat());
        if let Some(form) = identity.form() {
            let subject = certificate::read(form, credential, &of);
            let provider = subject.provider.map(Arc::new);
            return Known { provider, ..plain(of(&subject.known_by)) };
        }
        if identity == Identity::Token
            && let Some(claims) = jwt::claims(credential)
        {
            let issuer = claims.issuer.as_deref().and_then(issuer_host).map(Arc::from);
            let fingerprint = match claims.client {
                // Tokens come and go: the client stays.
                Some(client) => {
                    of(format!("jwt\0{}\0{client}", claims.issuer.unwrap_or_default()).as_bytes())
                }
                None => of(credential),
            };
            return Known { is_jwt: true, issuer, ..plain(fingerprint) };
        }
        if identity == Identity::Basic {
            use base64::Engine as _;
            let decoded = base64::engine::general_purpose::STANDARD.decode(credential).unwrap_or_default();
            let user = decoded.split(|byte| *byte == b':').next().unwrap_or_default();
            let known_by = if user.is_empty() { credential } else { user };
            return plain(of(known_by));
        }
        plain(of(credential))
    }
}

/// Whether a value stands for one that is not told.
fn is_masked(value: &[u8]) -> bool {
    let inner = value.strip_prefix(b"[").and_then(|value| value.strip_suffix(b"]")).unwrap_or(value);
    value.iter().all(|byte| *byte == b'*')
        || inner.eq_ignore_ascii_case(b"redacted")
        || inner.eq_ignore_ascii_case(b"masked")
}

/// A caller of whom nothing but the fingerprint is known.
const fn plain(fingerprint: Fingerprint) -> Known {
    Known { fingerprint, is_jwt: false, issuer: None, provider: None }
}

fn split_scheme(value: &[u8]) -> (&[u8], &[u8]) {
    let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(space);
    (scheme, rest.trim_ascii())
}

/// The value of the first cookie whose name says that it holds a session.
fn session_cookie(cookies: &[u8]) -> Option<&[u8]> {
    cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).find_map(|cookie| {
        let equals = cookie.iter().position(|byte| *byte == b'=')?;
        let (name, value) = cookie.split_at(equals);
        (is_session_cookie(name) && value.len() > 1).then(|| value.get(1..)).flatten()
    })
}

/// The host name of an issuer URL; nothing else of it is shown.
fn issuer_host(issuer: &str) -> Option<&str> {
    let rest = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"))?;
    let host = rest.split(['/', ':', '?', '#']).next()?;
    let good = !host.is_empty()
        && host.len() <= 253
        && host.contains('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    good.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn read(target: &str, fields: &[(&str, &str)]) -> Caller {
        let mut transaction = Transaction::default();
        transaction.request.target.expose_mut().extend_from_slice(target.as_bytes());
        transaction.client = Some(([192, 0, 2, 9].into(), None));
        for (name, value) in fields {
            transaction.request.fields.push(name.as_bytes(), value.as_bytes());
        }
        let client = super::super::TrustedProxies::default().client(&transaction);
        let mut reader = CallerReader::new(FingerprintKey::new([7; 32]));
        let address = client.address.map(|(address, _)| reader.of_address(address));
        reader.read(&transaction, transaction.path_and_query(), &client, address)
    }

    fn jwt(payload: &str) -> String {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("Bearer {}.{}.c2ln", encode(r#"{"alg":"RS256"}"#), encode(payload))
    }

    #[test]
    fn schemes_are_told_apart() {
        for (target, fields, schemes) in [
            ("/", &[][..], &["none"][..]),
            ("/", &[("Authorization", "Bearer abc")], &["bearer"]),
            ("/", &[("Authorization", "basic dTpw")], &["basic"]),
            ("/", &[("Authorization", "DPoP abc")], &["other"]),
            ("/?api_key=1", &[], &["api_key"]),
            ("/?access_token=1", &[], &["bearer"]),
            ("/", &[("X-API-Key", "k"), ("Cookie", "a=b; JSESSIONID=1")], &["api_key", "cookie"]),
            ("/", &[("Cookie", "_ga=1; csrftoken=2")], &["none"]),
            ("/", &[("X-SSL-Client-S-DN", "CN=a"), ("Authorization", "Bearer a")], &["bearer", "mutual_tls"]),
        ] {
            let names: Vec<_> = read(target, fields).schemes.iter().map(AuthScheme::name).collect();
            assert_eq!(names, schemes, "{target} {fields:?}");
        }
        let token = jwt(r#"{"iss":"https://id.bank.example/x","client_id":"a"}"#);
        let caller = read("/", &[("Authorization", &token)]);
        assert_eq!(caller.schemes.iter().map(AuthScheme::name).collect::<Vec<_>>(), ["jwt"]);
        assert_eq!(caller.issuer.as_deref(), Some("id.bank.example"));
    }

    #[test]
    fn a_masked_credential_says_how_and_not_who() {
        let nobody = read("/", &[]).fingerprint;
        for (target, field, scheme) in [
            ("/", ("Authorization", "Bearer ***"), "bearer"),
            ("/", ("Authorization", "Basic [REDACTED]"), "basic"),
            ("/", ("Authorization", "Other ***"), "other"),
            ("/", ("X-API-Key", "***"), "api_key"),
            ("/", ("Cookie", "session=***"), "cookie"),
            ("/?api_key=***", ("Accept", "*/*"), "api_key"),
            ("/?access_token=***", ("Accept", "*/*"), "bearer"),
        ] {
            let caller = read(target, &[field]);
            assert_eq!(
                caller.schemes.iter().map(AuthScheme::name).collect::<Vec<_>>(),
                [scheme],
                "{field:?}"
            );
            assert_eq!(caller.fingerprint, nobody, "{target} {field:?}");
        }
        assert_ne!(read("/", &[("Authorization", "Bearer *a*")]).fingerprint, nobody);
    }

    #[test]
    fn a_caller_outlives_its_tokens() {
        let of = |payload: &str| read("/", &[("Authorization", &jwt(payload))]).fingerprint;
        let first = of(r#"{"iss":"i","client_id":"a","exp":1}"#);
        assert_eq!(first, of(r#"{"iss":"i","client_id":"a","exp":2}"#));
        assert_ne!(first, of(r#"{"iss":"i","client_id":"b","exp":1}"#));
        assert_ne!(first, of(r#"{"iss":"j","client_id":"a","exp":1}"#));
    }

    #[test]
    fn a_certificate_counts_before_a_token() {
        let with =
            |token: &str| read("/", &[("Authorization", token), ("X-SSL-Client-S-DN", "CN=tpp")]).fingerprint;
        assert_eq!(with("Bearer a"), with("Bearer b"));
    }

    #[test]
    fn a_certificate_that_the_server_refused_is_none() {
        let schemes = |verdict| {
            let fields = [("X-SSL-Client-S-DN", "CN=tpp"), ("X-SSL-Client-Verify", verdict)];
            read("/", &fields).schemes.contains(AuthScheme::MutualTls)
        };
        assert_eq!(["SUCCESS", "FAILED:expired", "NONE"].map(schemes), [true, false, false]);
    }

    #[test]
    fn what_the_log_of_the_server_tells_counts_before_headers_and_whoever_calls() {
        let trusted = super::super::TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let of = |own: Option<&str>, header: Option<&str>| {
            let mut transaction =
                Transaction { client: Some(([192, 0, 2, 9].into(), None)), ..Transaction::default() };
            if let Some(name) = own {
                transaction.told.push(b"ssl-client-s-dn", name.as_bytes());
            }
            if let Some(name) = header {
                transaction.request.fields.push(b"X-SSL-Client-S-DN", name.as_bytes());
            }
            let client = trusted.client(&transaction);
            let caller = CallerReader::new(FingerprintKey::new([7; 32])).read(
                &transaction,
                transaction.path_and_query(),
                &client,
                None,
            );
            (caller.fingerprint, caller.schemes.contains(AuthScheme::MutualTls))
        };
        let own = of(Some("CN=tpp,C=DE"), None);
        assert!(own.1);
        assert_eq!(of(Some("/C=DE/CN=tpp"), Some("CN=other")), own);
        assert_eq!(of(None, Some("CN=tpp,C=DE")), of(None, None), "nobody's word");
    }

    #[test]
    fn a_provider_is_told_by_its_certificate_and_by_its_signature() {
        let pem =
            base64::engine::general_purpose::STANDARD.encode(super::super::certificate::tests::certificate());
        let roles = |caller: &Caller| {
            let provider = caller.provider.as_ref();
            provider.map(|provider| provider.roles().map(super::super::TppRole::name).collect::<Vec<_>>())
        };
        let with = read("/", &[("X-Client-Cert", &pem), ("Authorization", "Bearer a")]);
        let signed = read(
            "/",
            &[("TPP-Signature-Certificate", &pem), ("Signature", "s"), ("Authorization", "Bearer a")],
        );
        let unsigned = read("/", &[("TPP-Signature-Certificate", &pem), ("Authorization", "Bearer a")]);
        assert_eq!(roles(&with), Some(vec!["psp_pi", "psp_ai"]));
        assert_eq!((signed.fingerprint, roles(&signed)), (with.fingerprint, roles(&with)));
        assert!(!signed.schemes.contains(AuthScheme::MutualTls));
        assert_eq!(
            (unsigned.fingerprint, roles(&unsigned)),
            (read("/", &[("Authorization", "Bearer a")]).fingerprint, None)
        );
    }
}
