//! Client certificates as those who end TLS tell of them, in headers or in their logs.
//!
//! | form | told as |
//! |---|---|
//! | the certificate | `Client-Cert` (RFC 9440), PEM between guards or without, blanks or escapes for line ends, URL-escaped; Base64 of DER |
//! | elements | `X-Forwarded-Client-Cert` of Envoy, `X-Forwarded-Tls-Client-Cert-Info` of Traefik |
//! | the subject | a distinguished name in any form ([`super::name`]), or the common name alone |
//! | the rest | a digest of the certificate, its serial number |
//!
//! Whatever the form, who is named is the subject, so that the same caller is known by its certificate at one hop and
//! by its name at the next. What cannot be read stands for itself.

use super::client::split_outside_quotes;
use super::name::{self, Name, hexadecimal};
use super::psd2::Provider;
use crate::secret::Fingerprint;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How a certificate is told of, the form that tells most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    /// PEM or DER.
    Whole,
    /// Elements of Envoy's header; some put a certificate into a header of that name.
    Elements,
    /// Traefik's summary.
    Summary,
    /// A distinguished name.
    Subject,
    /// A URI among its alternative names.
    Uri,
    /// The common name alone.
    CommonName,
    /// A digest of it.
    Digest,
    /// Its serial number.
    Serial,
}

/// Names that tell of a certificate, with `-` for `_`: RFC 9440; nginx, Envoy, HAProxy, Apache, Traefik, F5, AWS and
/// Azure habits. `certificate` and those with blanks are no headers: what logs tell comes under them.
const NAMES: [(&str, Form); 35] = [
    ("client-cert", Form::Whole),
    ("ssl-client-cert", Form::Whole),
    ("ssl-client-raw-cert", Form::Whole),
    ("ssl-client-escaped-cert", Form::Whole),
    ("x-client-cert", Form::Whole),
    ("x-client-certificate", Form::Whole),
    ("x-ssl-cert", Form::Whole),
    ("x-ssl-client-cert", Form::Whole),
    ("x-ssl-client-der", Form::Whole),
    ("x-ssl-client-escaped-cert", Form::Whole),
    ("x-arr-clientcert", Form::Whole),
    ("x-amzn-mtls-clientcert", Form::Whole),
    ("x-amzn-mtls-clientcert-leaf", Form::Whole),
    ("x-forwarded-tls-client-cert", Form::Whole),
    ("x-forwarded-client-cert", Form::Elements),
    ("x-forwarded-tls-client-cert-info", Form::Summary),
    ("ssl-client-s-dn", Form::Subject),
    ("ssl-client-s-dn-legacy", Form::Subject),
    ("ssl-client-dn", Form::Subject),
    ("ssl-client-subject-dn", Form::Subject),
    ("x-client-dn", Form::Subject),
    ("x-ssl-client-dn", Form::Subject),
    ("x-ssl-client-s-dn", Form::Subject),
    ("x-ssl-client-subject", Form::Subject),
    ("x-ssl-client-subject-dn", Form::Subject),
    ("x-amzn-mtls-clientcert-subject", Form::Subject),
    ("x-ssl-client-uri-san", Form::Uri),
    ("ssl-client-s-dn-cn", Form::CommonName),
    ("x-ssl-client-cn", Form::CommonName),
    ("ssl-client-fingerprint", Form::Digest),
    ("x-ssl-client-fingerprint", Form::Digest),
    ("x-ssl-client-sha1", Form::Digest),
    ("ssl-client-serial", Form::Serial),
    ("x-ssl-client-serial", Form::Serial),
    ("x-amzn-mtls-clientcert-serial-number", Form::Serial),
];

/// Names that tell what the server thought of the certificate.
const VERDICTS: [&str; 3] = ["x-ssl-client-verify", "ssl-client-verify", "x-client-verify"];

/// What a header says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// Something of what it is.
    Certificate(Form, &'a [u8]),
    /// The server could not verify it, or there was none.
    NotVerified,
}

/// What a header of this name says of a certificate; `None` when it is no such header, or empty.
pub(super) fn told<'a>(name: &[u8], value: &'a [u8]) -> Option<Told<'a>> {
    if !may_tell(name) {
        return None;
    }
    let value = value.trim_ascii();
    if matches!(value, b"" | b"-" | b"(null)") {
        return None;
    }
    if let Some((_, form)) = NAMES.iter().find(|(known, _)| is_name(name, known)) {
        return Some(Told::Certificate(*form, value));
    }
    if VERDICTS.iter().any(|known| is_name(name, known)) {
        // nginx and Apache say FAILED and why, HAProxy the number of what was wrong.
        let number = value.iter().all(u8::is_ascii_digit) && value != b"0";
        return (value.starts_with(b"FAILED") || value == b"NONE" || number).then_some(Told::NotVerified);
    }
    None
}

/// Whether a header's name begins as those do that tell of a certificate.
pub(super) fn may_tell(name: &[u8]) -> bool {
    let [first, _, third, ..] = name else { return false };
    let first = first.to_ascii_lowercase();
    matches!(first, b'c' | b's')
        || first == b'x' && matches!(third.to_ascii_lowercase(), b'a' | b'c' | b'f' | b's')
}

/// Whether a header's name is a known one, whatever its case, with `_` for `-`.
fn is_name(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name
            .iter()
            .zip(known.bytes())
            .all(|(byte, known)| byte.to_ascii_lowercase() == known || known == b'-' && *byte == b'_')
}

/// Whom a certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// What two tellings of the same subject share, whatever their form.
    pub(super) known_by: Vec<u8>,
    /// The payment service provider, when it is one's.
    pub(super) provider: Option<Provider>,
}

/// The longest text of a certificate or of elements that is read, in bytes.
const MAX_TEXT: usize = 64 << 10;
/// The most elements of Envoy's header.
const MAX_ELEMENTS: usize = 32;

/// Reads what was told. `fingerprint` is keyed.
pub(super) fn read(form: Form, value: &[u8], fingerprint: &dyn Fn(&[u8]) -> Fingerprint) -> Subject {
    let read = if value.len() > MAX_TEXT { None } else { understood(form, value, fingerprint) };
    read.unwrap_or_else(|| Subject { known_by: value.to_vec(), provider: None })
}

fn understood(form: Form, value: &[u8], fingerprint: &dyn Fn(&[u8]) -> Fingerprint) -> Option<Subject> {
    match form {
        Form::Whole => of_certificate(&der(value)?, fingerprint),
        Form::Elements => match client_element(value) {
            Some(element) => element.subject(fingerprint),
            None => of_certificate(&der(value)?, fingerprint),
        },
        Form::Summary => Some(of_name(&summary_subject(value)?, None, fingerprint)),
        Form::Subject => Some(of_name(&Name::parse(value)?, None, fingerprint)),
        Form::CommonName => Some(of_name(&Name::common(value)?, None, fingerprint)),
        Form::Uri => Some(labelled("uri", value)),
        Form::Digest => Some(labelled("digest", &digest(value))),
        Form::Serial => Some(labelled("serial", &serial(value))),
    }
}

fn labelled(label: &str, value: &[u8]) -> Subject {
    Subject { known_by: [label.as_bytes(), b"\0", value].concat(), provider: None }
}

fn of_name(name: &Name, statements: Option<&[u8]>, fingerprint: &dyn Fn(&[u8]) -> Fingerprint) -> Subject {
    let provider = Provider::of(statements, name.organisation_identifier(), fingerprint);
    Subject { provider, ..labelled("subject", &name.canonical()) }
}

/// `id-pe-qcStatements`, 1.3.6.1.5.5.7.1.3, in DER.
const QC_STATEMENTS: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 1, 3];

fn of_certificate(der: &[u8], fingerprint: &dyn Fn(&[u8]) -> Fingerprint) -> Option<Subject> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let parts = certificate.subject().iter_attributes().map(|part| {
        let value = part.attr_value();
        let tag = u8::try_from(value.tag().0).unwrap_or_default();
        (part.attr_type().to_id_string(), name::string_of(tag, value.data))
    });
    let statements = certificate.extensions().iter().find(|one| one.oid.as_bytes() == QC_STATEMENTS);
    if let Some(name) = Name::of_parts(parts) {
        return Some(of_name(&name, statements.map(|one| one.value), fingerprint));
    }
    // Workloads of a mesh have no subject, but a URI.
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let uri = names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    })?;
    Some(labelled("uri", uri.as_bytes()))
}

/// A digest in hexadecimal digits, with or without colons.
fn digest(value: &[u8]) -> Vec<u8> {
    value.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
}

/// A number in hexadecimal digits, without what stands before its first.
fn serial(value: &[u8]) -> Vec<u8> {
    let digits = digest(value.strip_prefix(b"0x").unwrap_or(value));
    let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    digits.get(start..).unwrap_or_default().to_vec()
}

/// Base64 as strangers write it: padded or not.
const BASE64: [GeneralPurpose; 2] = {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    [GeneralPurpose::new(&STANDARD, lenient), GeneralPurpose::new(&URL_SAFE, lenient)]
};

/// The bytes of the first certificate in a text.
fn der(text: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &[u8] = b"CERTIFICATE-----";
    let text = without_percent(text);
    let inside = match memchr::memmem::find(&text, BEGIN) {
        Some(at) => text.get(at + BEGIN.len()..)?,
        // RFC 8941: a byte sequence stands between colons. Traefik separates certificates by commas.
        None => text.strip_prefix(b":").unwrap_or(&text),
    };
    let mut digits = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match *byte {
            // What is left of a line's end: `\n`, `\t`, `\x0A`.
            b'\\' => {
                let skip = if tail.first() == Some(&b'x') { 3 } else { 1 };
                rest = tail.get(skip..).unwrap_or_default();
            }
            byte if byte.is_ascii_whitespace() => {}
            byte if byte.is_ascii_alphanumeric() || b"+/=_".contains(&byte) => digits.push(byte),
            b'-' if rest.first() != Some(&b'-') => digits.push(b'-'),
            _ => break,
        }
    }
    BASE64.iter().find_map(|alphabet| alphabet.decode(&digits).ok()).filter(|der| !der.is_empty())
}

/// Takes away `%0A`; `+` stands for itself.
fn without_percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail.split_at_checked(2).filter(|_| *byte == b'%');
        match escaped.and_then(|(digits, behind)| Some((hexadecimal(digits)?, behind))) {
            Some((byte, behind)) => {
                out.extend_from_slice(&byte);
                rest = behind;
            }
            None => out.push(*byte),
        }
    }
    out
}

/// An element of Envoy's header.
#[derive(Clone, Debug, Default)]
struct Element {
    by: Vec<u8>,
    hash: Vec<u8>,
    certificate: Vec<u8>,
    subject: Vec<u8>,
    uri: Vec<u8>,
    dns: Vec<u8>,
}

impl Element {
    /// Whether a service of a mesh tells of another of the same trust domain (SPIFFE).
    fn is_within_mesh(&self) -> bool {
        let domain = |id: &[u8]| {
            let rest = id.strip_prefix(b"spiffe://")?;
            rest.split(|byte| *byte == b'/').next().map(<[u8]>::to_vec)
        };
        domain(&self.uri).is_some_and(|own| domain(&self.by) == Some(own))
    }

    fn subject(&self, fingerprint: &dyn Fn(&[u8]) -> Fingerprint) -> Option<Subject> {
        let certificate = der(&self.certificate).and_then(|der| of_certificate(&der, fingerprint));
        certificate
            .or_else(|| Some(of_name(&Name::parse(&self.subject)?, None, fingerprint)))
            .or_else(|| (!self.uri.is_empty()).then(|| labelled("uri", &self.uri)))
            .or_else(|| (!self.dns.is_empty()).then(|| labelled("dns", &self.dns)))
            .or_else(|| (!self.hash.is_empty()).then(|| labelled("digest", &digest(&self.hash))))
    }
}

/// The element that tells of the client: the right-most that is not the mesh's own, else the left-most. Each hop adds
/// its own behind what it was given, and a client can write what stands before.
fn client_element(value: &[u8]) -> Option<Element> {
    let mut client: Option<Element> = None;
    for text in split_outside_quotes(value, b',').filter(|text| !text.is_empty()).take(MAX_ELEMENTS) {
        let mut element = Element::default();
        let mut any = false;
        for pair in split_outside_quotes(text, b';') {
            let Some(equals) = memchr::memchr(b'=', pair) else { continue };
            let (key, value) = pair.split_at_checked(equals)?;
            let slot = match key.to_ascii_lowercase().as_slice() {
                b"by" => &mut element.by,
                b"hash" => &mut element.hash,
                b"cert" => &mut element.certificate,
                // The certificate is the first of its chain.
                b"chain" if element.certificate.is_empty() => &mut element.certificate,
                b"subject" => &mut element.subject,
                b"uri" => &mut element.uri,
                b"dns" => &mut element.dns,
                _ => continue,
            };
            any = true;
            if slot.is_empty() || key.eq_ignore_ascii_case(b"cert") {
                *slot = unquoted(value.get(1..).unwrap_or_default());
            }
        }
        if !any {
            return None;
        }
        if client.is_none() || !element.is_within_mesh() {
            client = Some(element);
        }
    }
    client
}

/// A value without its quotes, and their escapes within. Those of a name, which Envoy passes on as they are, stay.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inside) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.split_first()) {
            (b'\\', Some((escaped @ (b'"' | b'\\'), behind))) => {
                out.push(*escaped);
                rest = behind;
            }
            _ => out.push(*byte),
        }
    }
    out
}

/// The subject in `Subject="CN=a,O=b";Issuer="CN=c"`, URL-escaped.
fn summary_subject(value: &[u8]) -> Option<Name> {
    let text = without_percent(value);
    let first = split_outside_quotes(&text, b';').find_map(|pair| pair.strip_prefix(b"Subject="))?;
    // A comma without quotes begins the next certificate.
    let first = split_outside_quotes(first, b',').next()?;
    Name::parse(&unquoted(first))
}

/// Reads arbitrary bytes in every form and asserts that the same gives the same.
#[cfg(test)]
fn fuzz(data: &[u8]) {
    let fingerprint = |value: &[u8]| {
        crate::secret::FingerprintKey::new([7; 32]).fingerprint(crate::secret::Purpose::Caller, value)
    };
    for (name, form) in NAMES {
        match told(name.as_bytes(), data) {
            Some(Told::Certificate(of, value)) => {
                assert_eq!(of, form, "{name}");
                let subject = read(form, value, &fingerprint);
                assert!(!subject.known_by.is_empty(), "{name}");
                assert_eq!(subject, read(form, value, &fingerprint), "{name}");
            }
            Some(Told::NotVerified) => unreachable!("{name} is no verdict"),
            None => assert!(data.trim_ascii().len() < 7, "{name}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::psd2::TppRole;
    use super::super::psd2::tests::{der as value, statements};
    use super::*;
    use crate::secret::{FingerprintKey, Purpose};
    use proptest::prelude::*;

    const SEQUENCE: u8 = 0x30;

    /// A certificate of a payment service provider, without a signature that holds.
    pub(in super::super) fn certificate() -> Vec<u8> {
        let oid = |bytes: &[u8]| value(6, bytes);
        let part = |kind: &[u8], text: &str| {
            value(0x31, &value(SEQUENCE, &[oid(kind), value(12, text.as_bytes())].concat()))
        };
        let subject = [
            part(&[85, 4, 6], "DE"),
            part(&[85, 4, 10], "Fin, Ltd"),
            part(&[85, 4, 97], "PSDDE-BAFIN-125314"),
            part(&[85, 4, 3], "tpp.example"),
        ]
        .concat();
        let algorithm = value(SEQUENCE, &oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
        let validity = value(SEQUENCE, &[value(23, b"260101000000Z"), value(23, b"270101000000Z")].concat());
        let extension =
            value(SEQUENCE, &[oid(&QC_STATEMENTS), value(4, &statements(&[2, 3], "DE-BAFIN"))].concat());
        let body = [
            value(0xa0, &value(2, &[2])),
            value(2, &[7]),
            algorithm.clone(),
            value(SEQUENCE, &part(&[85, 4, 3], "Some CA")),
            validity,
            value(SEQUENCE, &subject),
            value(SEQUENCE, &[algorithm.clone(), value(3, &[0, 4])].concat()),
            value(0xa3, &value(SEQUENCE, &extension)),
        ]
        .concat();
        value(SEQUENCE, &[value(SEQUENCE, &body), algorithm, value(3, &[0, 1])].concat())
    }

    fn base64() -> String {
        base64::engine::general_purpose::STANDARD.encode(certificate())
    }

    fn subject(form: Form, text: &str) -> Subject {
        let key = FingerprintKey::new([7; 32]);
        read(form, text.as_bytes(), &|value| key.fingerprint(Purpose::Caller, value))
    }

    const NAME: &str = "CN=tpp.example,organizationIdentifier=PSDDE-BAFIN-125314,O=Fin\\, Ltd,C=DE";

    #[test]
    fn every_name_that_tells_is_looked_at() {
        for name in NAMES.iter().map(|(name, _)| *name).chain(VERDICTS) {
            assert!(may_tell(name.as_bytes()) && may_tell(name.to_ascii_uppercase().as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_certificate_names_the_same_as_its_subject_in_every_form() {
        let expected = subject(Form::Subject, NAME);
        let base64 = base64();
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = |glue: &str| {
            format!(
                "-----BEGIN CERTIFICATE-----{glue}{}{glue}-----END CERTIFICATE-----{glue}",
                lines.join(glue)
            )
        };
        let escaped =
            pem("\n").replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F");
        for text in [
            pem("\n"),
            pem("\n\t"),
            pem(" "),
            pem("\\x0A"),
            pem("\\n"),
            escaped.clone(),
            format!("{escaped}{escaped}"),
            base64.clone(),
            format!(":{base64}:"),
            format!("{base64},AAAA"),
            base64.replace('+', "%2B").replace('=', "%3D"),
        ] {
            let read = subject(Form::Whole, &text);
            assert_eq!(read.known_by, expected.known_by, "{text}");
            let provider = read.provider.unwrap();
            assert_eq!(provider.roles().map(TppRole::name).collect::<Vec<_>>(), ["psp_pi", "psp_ai"]);
            assert_eq!(provider.authority.as_deref(), Some("PSDDE-BAFIN"));
            assert_eq!(provider.organisation, expected.provider.as_ref().unwrap().organisation);
        }
        let hash = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
        let quoted = NAME.replace('\\', "\\\\");
        for text in [
            format!("By=spiffe://a/b;Hash={hash};Cert=\"{escaped}\";URI=spiffe://c/d"),
            format!("Hash={hash};Chain=\"{escaped}{escaped}\""),
            format!("By=x;Hash={hash};Subject=\"{quoted}\";URI=;DNS=a.example"),
            format!("Hash=forged;Subject=\"CN=other\",Hash={hash};Subject=\"{NAME}\""),
            format!(
                "Hash={hash};Subject=\"{NAME}\",By=spiffe://m/ns/a;Hash={hash};URI=spiffe://m/ns/gateway;Subject=\"\""
            ),
            base64.clone(),
        ] {
            assert_eq!(subject(Form::Elements, &text).known_by, expected.known_by, "{text}");
        }
        let summary = format!(
            "Subject%3D%22{}%22%3BIssuer%3D%22CN%3Dx%22",
            NAME.replace(',', "%2C").replace('=', "%3D")
        );
        assert_eq!(subject(Form::Summary, &summary), expected);
    }

    #[test]
    fn what_tells_less_is_known_by_what_it_tells() {
        for (form, one, same, other) in [
            (Form::Serial, "07:AB", "7ab", "8ab"),
            (Form::Digest, "AA:BB", "aabb", "aabc"),
            (Form::CommonName, "A b", "a  B", "a c"),
            (Form::Elements, "By=x;Hash=AABB", "Hash=aabb;By=y", "Hash=aabc"),
            (
                Form::Elements,
                "By=spiffe://m/a;URI=spiffe://m/b",
                "By=spiffe://m/c;URI=spiffe://m/b",
                "URI=spiffe://m/c",
            ),
            (Form::Whole, "nonsense", "nonsense", "other"),
        ] {
            assert_eq!(subject(form, one), subject(form, same), "{one}");
            assert_ne!(subject(form, one), subject(form, other), "{one}");
        }
    }

    #[test]
    fn a_header_is_known_in_any_spelling() {
        for (name, value, expected) in [
            ("X-SSL-Client-S-DN", " CN=a ", Some(Told::Certificate(Form::Subject, &b"CN=a"[..]))),
            ("SSL_CLIENT_S_DN", "CN=a", Some(Told::Certificate(Form::Subject, b"CN=a"))),
            ("SSL_CLIENT_S_DN", "(null)", None),
            ("X-SSL-Client-Verify", "SUCCESS", None),
            ("X-SSL-Client-Verify", "0", None),
            ("X-SSL-Client-Verify", "FAILED:self signed certificate", Some(Told::NotVerified)),
            ("ssl-client-verify", "NONE", Some(Told::NotVerified)),
            ("X-SSL-Client-Verify", "18", Some(Told::NotVerified)),
            ("X-Client", "a", None),
        ] {
            assert_eq!(told(name.as_bytes(), value.as_bytes()), expected, "{name}: {value}");
        }
    }

    proptest! {
        /// Arbitrary bytes never panic.
        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[A-Za-z=;,\"\\\\%0-9:/ -]{0,80}") {
            fuzz(&bytes);
            fuzz(text.as_bytes());
        }

        /// Neither does damage in a certificate.
        #[test]
        fn damaged_certificates_are_survived(at in 0_usize..400, with in any::<u8>(), cut in 0_usize..400) {
            let mut bytes = certificate();
            if let Some(place) = bytes.get_mut(at) {
                *place = with;
            }
            bytes.truncate(cut.max(200));
            fuzz(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
        }
    }
}
