//! Services behind TLS, and how they are protected: what is known of an API without its keys.
//!
//! A [`Service`] is what the connections to one socket under one name come to. Its counts add up whatever part saw which
//! connection. Of what strangers could make endless (suites, fingerprints, certificates) a bounded number is kept, the
//! first by order, so that what is kept does not depend on who came first.

use super::certificate::Certificate;
use super::hello::Alpn;
use super::suite::{CipherSuite, Group, Version, Weakness};
use crate::merge::Merge;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// What a service is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// The host that clients ask for (SNI), where they name one.
    pub host: Option<String>,
    /// The server's socket.
    pub server: SocketAddr,
}

impl ServiceKey {
    /// A stable id: sixteen hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [self.host.as_deref().unwrap_or_default(), &self.server.to_string()] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let hash = hasher.finalize();
        let id = u64::from_be_bytes(*hash.as_bytes().first_chunk().expect("32 bytes hold eight"));
        format!("{id:016x}")
    }

    /// The name it is shown under: the host, or the socket where clients name none.
    #[must_use]
    pub fn name(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.server.to_string())
    }
}

/// What one connection told of its service.
#[derive(Clone, Debug, Default)]
pub struct Posture {
    /// The version that was agreed on.
    pub version: Option<Version>,
    /// The cipher suite that was agreed on.
    pub suite: Option<CipherSuite>,
    /// The group of the key exchange, where it shows.
    pub group: Option<Group>,
    /// The protocol that was agreed on, where it shows; else the client's first choice.
    pub alpn: Option<Alpn>,
    /// The client's JA4 fingerprint.
    pub ja4: Option<String>,
    /// The server's certificate, where it shows.
    pub certificate: Option<Certificate>,
    /// The server asked for the client's certificate, where that shows.
    pub asks_certificate: bool,
    /// The client's certificate, where it shows.
    pub client_certificate: Option<Certificate>,
    /// A session was resumed.
    pub resumed: bool,
    /// The client hid its real hello.
    pub encrypted_hello: bool,
    /// The client sent data before the server answered.
    pub early_data: bool,
    /// The content was read with keys.
    pub read: bool,
}

/// What moved on a connection since it was last told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes, as far as captured.
    pub bytes: u64,
    /// Packets that brought them.
    pub packets: u64,
    /// When the first and the last of them came.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Moved {
    /// Takes note of a packet.
    pub fn packet(&mut self, bytes: u64, at: Timestamp) {
        self.bytes += bytes;
        self.packets += 1;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
}

impl Merge for Moved {
    fn absorb(&mut self, other: Self) {
        self.bytes.absorb(other.bytes);
        self.packets.absorb(other.packets);
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((a, b))) => Some((first.min(a), last.max(b))),
            (span, None) | (None, span) => span,
        };
    }
}

/// How often and when a certificate was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How often.
    pub times: u64,
    /// First.
    pub first: Timestamp,
    /// Last.
    pub last: Timestamp,
}

impl Merge for Shown {
    fn absorb(&mut self, other: Self) {
        self.times.absorb(other.times);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// What the connections of a service came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// How many there were.
    pub connections: u64,
    /// Those among them that were read with keys.
    pub read: u64,
    /// Their bytes, as far as captured.
    pub bytes: u64,
    /// Packets that brought them.
    pub packets: u64,
    /// When the first and the last of them came.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Those that resumed a session.
    pub resumed: u64,
    /// Those whose client hid its real hello.
    pub encrypted_hellos: u64,
    /// Those whose client sent data before the server answered.
    pub early_data: u64,
    /// Those whose server asked for the client's certificate, where that shows.
    pub asks_certificate: u64,
    /// Those whose client showed one.
    pub with_certificate: u64,
    /// Versions agreed on.
    pub versions: BTreeMap<Version, u64>,
    /// Cipher suites agreed on.
    pub suites: BTreeMap<CipherSuite, u64>,
    /// Groups of key exchanges.
    pub groups: BTreeMap<Group, u64>,
    /// Protocols agreed on or asked for.
    pub alpn: BTreeMap<Alpn, u64>,
    /// JA4 fingerprints of clients.
    pub clients: BTreeMap<String, u64>,
    /// Servers' certificates.
    pub certificates: BTreeMap<Certificate, Shown>,
    /// Clients' certificates, without whom they name.
    pub client_certificates: BTreeSet<Certificate>,
}

/// Something that is wrong with a service, judged by what both ends agreed on and by what the server showed, not by what it
/// might accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem<'a> {
    /// A version before TLS 1.2 (RFC 8996).
    OldVersion(Version),
    /// A weak cipher suite.
    WeakSuite(CipherSuite, Weakness),
    /// A certificate that was shown after its end.
    Expired(&'a Certificate),
    /// A certificate that ends soon after it was last shown.
    Expiring(&'a Certificate),
}

impl std::fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OldVersion(version) => f.write_str(&version.name()),
            Self::WeakSuite(suite, weakness) => write!(f, "{} {}", suite.name(), weakness.words()),
            Self::Expired(certificate) => write!(f, "certificate ended on {}", certificate.last_day()),
            Self::Expiring(certificate) => write!(f, "certificate ends on {}", certificate.last_day()),
        }
    }
}

/// How long before its end a certificate counts as ending soon: what renews itself has done so by then.
const SOON: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 86_400;

/// Different values that are kept of each thing a service is known to use.
const MAX_VALUES: usize = 32;

impl Service {
    /// Those whose keys were agreed on in a way that a quantum computer does not undo.
    #[must_use]
    pub fn post_quantum(&self) -> u64 {
        self.groups.iter().filter(|(group, _)| group.is_post_quantum()).map(|(_, count)| count).sum()
    }

    /// The certificates that are in use: shown no more than a day before the last of them, as some servers have one for
    /// each kind of client.
    pub fn certificates_in_use(&self) -> impl Iterator<Item = (&Certificate, &Shown)> {
        let last = self.certificates.values().map(|shown| shown.last).max();
        let from = last.map(|last| last.minus(Duration::from_secs(DAY)));
        self.certificates.iter().filter(move |(_, shown)| from.is_some_and(|from| shown.last >= from))
    }

    /// What is wrong with it, and in how many connections that shows. Certificates are held against packet time.
    pub fn problems(&self) -> impl Iterator<Item = (Problem<'_>, u64)> {
        let old = self.versions.range(..Version::TLS12);
        let old = old.map(|(version, count)| (Problem::OldVersion(*version), *count));
        let weak = self.suites.iter().filter_map(|(suite, count)| {
            suite.weakness().map(|weakness| (Problem::WeakSuite(*suite, weakness), *count))
        });
        let certificates = self.certificates_in_use().filter_map(|(certificate, shown)| {
            if certificate.not_after < shown.last {
                Some((Problem::Expired(certificate), shown.times))
            } else if certificate.not_after.minus(SOON) < shown.last {
                Some((Problem::Expiring(certificate), shown.times))
            } else {
                None
            }
        });
        old.chain(weak).chain(certificates)
    }

    fn take(&mut self, posture: Posture, at: Timestamp) {
        self.connections += 1;
        self.read += u64::from(posture.read);
        self.resumed += u64::from(posture.resumed);
        self.encrypted_hellos += u64::from(posture.encrypted_hello);
        self.early_data += u64::from(posture.early_data);
        self.asks_certificate += u64::from(posture.asks_certificate);
        self.with_certificate += u64::from(posture.client_certificate.is_some());
        count(&mut self.versions, posture.version);
        count(&mut self.suites, posture.suite);
        count(&mut self.groups, posture.group);
        count(&mut self.alpn, posture.alpn);
        count(&mut self.clients, posture.ja4);
        if let Some(certificate) = posture.certificate {
            let shown = Shown { times: 1, first: at, last: at };
            join(&mut self.certificates, BTreeMap::from([(certificate, shown)]));
        }
        keep(&mut self.client_certificates, posture.client_certificate);
    }

    fn moved(&mut self, moved: Moved) {
        let mut all = Moved { bytes: self.bytes, packets: self.packets, span: self.span };
        all.absorb(moved);
        (self.bytes, self.packets, self.span) = (all.bytes, all.packets, all.span);
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: Option<K>) {
    if let Some(key) = key {
        *counts.entry(key).or_default() += 1;
        shorten(counts);
    }
}

/// The first by order stay: which that are does not depend on who came first.
fn shorten<K: Ord, V>(values: &mut BTreeMap<K, V>) {
    while values.len() > MAX_VALUES {
        values.pop_last();
    }
}

fn keep<K: Ord>(values: &mut BTreeSet<K>, added: impl IntoIterator<Item = K>) {
    values.extend(added);
    while values.len() > MAX_VALUES {
        values.pop_last();
    }
}

fn join<K: Ord, V: Merge>(values: &mut BTreeMap<K, V>, other: BTreeMap<K, V>) {
    for (key, value) in other {
        match values.get_mut(&key) {
            Some(known) => known.absorb(value),
            None => {
                values.insert(key, value);
            }
        }
    }
    shorten(values);
}

impl Merge for Service {
    fn absorb(&mut self, other: Self) {
        self.moved(Moved { bytes: other.bytes, packets: other.packets, span: other.span });
        self.connections.absorb(other.connections);
        self.read.absorb(other.read);
        self.resumed.absorb(other.resumed);
        self.encrypted_hellos.absorb(other.encrypted_hellos);
        self.early_data.absorb(other.early_data);
        self.asks_certificate.absorb(other.asks_certificate);
        self.with_certificate.absorb(other.with_certificate);
        join(&mut self.versions, other.versions);
        join(&mut self.suites, other.suites);
        join(&mut self.groups, other.groups);
        join(&mut self.alpn, other.alpn);
        join(&mut self.clients, other.clients);
        join(&mut self.certificates, other.certificates);
        keep(&mut self.client_certificates, other.client_certificates);
    }
}

/// Services that are kept where parts are merged, whatever the limit of each part was; a kilobyte each.
const MAX_SERVICES: usize = 16_384;

/// The services that connections led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    by_key: BTreeMap<ServiceKey, Service>,
    /// Connections to services that found no room.
    pub unlisted: u64,
}

impl Services {
    /// Takes a connection that began at `at`; of services that are new, at most `limit` are kept.
    pub(super) fn connection(&mut self, key: &ServiceKey, posture: Posture, at: Timestamp, limit: usize) {
        if let Some(service) = self.by_key.get_mut(key) {
            service.take(posture, at);
        } else if self.by_key.len() < limit {
            self.by_key.entry(key.clone()).or_default().take(posture, at);
        } else {
            self.unlisted += 1;
        }
    }

    /// Takes what moved on a connection that was taken before.
    pub(super) fn moved(&mut self, key: &ServiceKey, moved: Moved, limit: usize) {
        // Counters may have been handed on since: the row is then begun anew.
        if let Some(service) = self.by_key.get_mut(key) {
            service.moved(moved);
        } else if self.by_key.len() < limit {
            self.by_key.entry(key.clone()).or_default().moved(moved);
        }
    }

    /// The services by name and socket.
    pub fn iter(&self) -> impl Iterator<Item = (&ServiceKey, &Service)> {
        self.by_key.iter()
    }

    /// What is known of each name, whatever sockets it has.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, Service> {
        let mut all: BTreeMap<String, Service> = BTreeMap::new();
        for (key, service) in &self.by_key {
            all.entry(key.name()).or_default().absorb(service.clone());
        }
        all
    }

    /// How many services are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl Merge for Services {
    fn absorb(&mut self, other: Self) {
        self.by_key.absorb(other.by_key);
        self.unlisted.absorb(other.unlisted);
        while self.by_key.len() > MAX_SERVICES
            && let Some((_, service)) = self.by_key.pop_last()
        {
            self.unlisted += service.connections;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a connection of `api.example` tells; times are in days.
    #[derive(Clone, Copy)]
    pub(crate) struct Told {
        pub(crate) version: Version,
        pub(crate) suite: CipherSuite,
        /// When the certificate ends.
        pub(crate) ends: u64,
        /// When it was shown.
        pub(crate) at: u64,
    }

    /// The services that such connections make.
    pub(crate) fn services(told: &[Told]) -> Services {
        let mut services = Services::default();
        let day = |days: u64| Timestamp::EPOCH.plus(Duration::from_secs(DAY * days));
        for one in told {
            let posture = Posture {
                version: Some(one.version),
                suite: Some(one.suite),
                certificate: Some(Certificate { not_after: day(one.ends), ..certificate("Example CA") }),
                ..Posture::default()
            };
            services.connection(&key("api.example", 1), posture, day(one.at), 8);
        }
        services
    }

    fn key(name: &str, last: u8) -> ServiceKey {
        ServiceKey {
            host: (!name.is_empty()).then(|| name.to_owned()),
            server: SocketAddr::from(([198, 18, 0, last], 443)),
        }
    }

    fn certificate(issuer: &str) -> Certificate {
        Certificate {
            subject: None,
            issuer: Some(issuer.to_owned()),
            not_after: Timestamp::from_secs(9_000_000, 0),
            self_issued: false,
        }
    }

    fn known(keys: &[ServiceKey], at: i64) -> Services {
        let mut services = Services::default();
        for key in keys {
            let posture = Posture {
                version: Some(Version::TLS13),
                group: Some(Group(0x11ec)),
                certificate: Some(certificate("one")),
                read: true,
                ..Posture::default()
            };
            let at = Timestamp::from_secs(at, 0);
            services.connection(key, posture, at, 2);
            let mut moved = Moved::default();
            moved.packet(10, at);
            services.moved(key, moved, 2);
        }
        services
    }

    #[test]
    fn parts_merge_in_any_order() {
        let (a, b) = (
            known(&[key("a.example", 1), key("b.example", 1), key("c.example", 1)], 5),
            known(&[key("b.example", 1)], 3),
        );
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.absorb(b);
        ba.absorb(a);
        assert_eq!(ab, ba);
        assert_eq!((ab.len(), ab.unlisted), (2, 1), "the third found no room");
        let (_, b) = ab.iter().last().unwrap();
        assert_eq!((b.connections, b.bytes, b.packets), (2, 20, 2));
        assert_eq!((b.versions.get(&Version::TLS13), b.post_quantum()), (Some(&2), 2));
        assert_eq!(b.span, Some((Timestamp::from_secs(3, 0), Timestamp::from_secs(5, 0))));
        let shown = b.certificates.values().next().unwrap();
        assert_eq!((shown.times, shown.first, shown.last), (2, b.span.unwrap().0, b.span.unwrap().1));
    }

    #[test]
    fn a_name_may_have_several_sockets() {
        let all = known(&[key("a.example", 1), key("a.example", 2)], 1);
        assert_eq!(all.len(), 2);
        assert_eq!(all.by_name().get("a.example").map(|service| service.connections), Some(2));
        let unnamed = known(&[key("", 7)], 1);
        assert_eq!(unnamed.by_name().keys().collect::<Vec<_>>(), ["198.18.0.7:443"]);
    }

    #[test]
    fn a_certificate_that_was_replaced_is_not_in_use() {
        let mut service = Service::default();
        for (issuer, at) in [("old", 0), ("rsa", 864_000), ("ecdsa", 864_060)] {
            let posture = Posture { certificate: Some(certificate(issuer)), ..Posture::default() };
            service.take(posture, Timestamp::from_secs(at, 0));
        }
        let used: Vec<_> =
            service.certificates_in_use().map(|(used, _)| used.issuer.clone().unwrap()).collect();
        assert_eq!(used, ["ecdsa", "rsa"]);
    }
}
