//! Services behind TLS, and how they are protected: what is known of an API without its keys.

use super::certificate::Certificate;
use super::hello::Alpn;
use super::suite::{CipherSuite, Group, Version};
use crate::merge::Merge;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What a service is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The host that clients ask for (SNI).
    Host(String),
    /// The server's socket, where clients name no host.
    Address(SocketAddr),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Address(address) => address.fmt(f),
        }
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

/// What the connections of a service came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How many there were.
    pub connections: u64,
    /// Those among them that were read with keys.
    pub read: u64,
    /// Their bytes, as far as captured.
    pub bytes: u64,
    /// Those that resumed a session.
    pub resumed: u64,
    /// Those whose client hid its real hello.
    pub encrypted_hellos: u64,
    /// Those whose client sent data before the server answered.
    pub early_data: u64,
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
    /// Servers' sockets.
    pub servers: BTreeSet<SocketAddr>,
    /// Servers' certificates.
    pub certificates: BTreeSet<Certificate>,
    /// Clients' certificates.
    pub client_certificates: BTreeSet<Certificate>,
}

/// Different values that are kept of each thing a service is known to use.
const MAX_VALUES: usize = 32;

impl Service {
    fn take(&mut self, server: SocketAddr, posture: Posture) {
        self.connections += 1;
        self.read += u64::from(posture.read);
        self.resumed += u64::from(posture.resumed);
        self.encrypted_hellos += u64::from(posture.encrypted_hello);
        self.early_data += u64::from(posture.early_data);
        count(&mut self.versions, posture.version);
        count(&mut self.suites, posture.suite);
        count(&mut self.groups, posture.group);
        count(&mut self.alpn, posture.alpn);
        count(&mut self.clients, posture.ja4);
        keep(&mut self.servers, Some(server));
        keep(&mut self.certificates, posture.certificate);
        keep(&mut self.client_certificates, posture.client_certificate);
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: Option<K>) {
    if let Some(key) = key {
        *counts.entry(key).or_default() += 1;
        shorten(counts);
    }
}

/// The first by order stay: which that are does not depend on who came first.
fn shorten<K: Ord, V>(counts: &mut BTreeMap<K, V>) {
    while counts.len() > MAX_VALUES {
        counts.pop_last();
    }
}

fn keep<K: Ord>(values: &mut BTreeSet<K>, added: impl IntoIterator<Item = K>) {
    values.extend(added);
    while values.len() > MAX_VALUES {
        values.pop_last();
    }
}

fn join<K: Ord>(counts: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    counts.absorb(other);
    shorten(counts);
}

impl Merge for Service {
    fn absorb(&mut self, other: Self) {
        self.connections.absorb(other.connections);
        self.read.absorb(other.read);
        self.bytes.absorb(other.bytes);
        self.resumed.absorb(other.resumed);
        self.encrypted_hellos.absorb(other.encrypted_hellos);
        self.early_data.absorb(other.early_data);
        join(&mut self.versions, other.versions);
        join(&mut self.suites, other.suites);
        join(&mut self.groups, other.groups);
        join(&mut self.alpn, other.alpn);
        join(&mut self.clients, other.clients);
        keep(&mut self.servers, other.servers);
        keep(&mut self.certificates, other.certificates);
        keep(&mut self.client_certificates, other.client_certificates);
    }
}

/// Services that are kept where parts are merged, whatever the limit of each part was.
const MAX_SERVICES: usize = 65_536;

/// The services that connections led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    by_name: BTreeMap<Name, Service>,
    /// Connections to services that found no room.
    pub unlisted: u64,
}

impl Services {
    /// Takes a connection; of services that are new, at most `limit` are kept.
    pub(super) fn connection(&mut self, name: &Name, server: SocketAddr, posture: Posture, limit: usize) {
        if let Some(service) = self.by_name.get_mut(name) {
            service.take(server, posture);
        } else if self.by_name.len() < limit {
            self.by_name.entry(name.clone()).or_default().take(server, posture);
        } else {
            self.unlisted += 1;
        }
    }

    /// Takes bytes of a connection that was taken before.
    pub(super) fn bytes(&mut self, name: &Name, bytes: u64, limit: usize) {
        // Counters may have been handed on since: the row is then begun anew.
        if let Some(service) = self.by_name.get_mut(name) {
            service.bytes += bytes;
        } else if self.by_name.len() < limit {
            self.by_name.entry(name.clone()).or_default().bytes += bytes;
        }
    }

    /// The services by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Service)> {
        self.by_name.iter()
    }

    /// How many services are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Merge for Services {
    fn absorb(&mut self, other: Self) {
        self.by_name.absorb(other.by_name);
        self.unlisted.absorb(other.unlisted);
        while self.by_name.len() > MAX_SERVICES
            && let Some((_, service)) = self.by_name.pop_last()
        {
            self.unlisted += service.connections;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(names: &[&str]) -> Services {
        let mut services = Services::default();
        let server = SocketAddr::from(([198, 18, 0, 1], 443));
        for name in names {
            let posture = Posture { version: Some(Version::TLS13), read: true, ..Posture::default() };
            services.connection(&Name::Host((*name).to_owned()), server, posture, 2);
            services.bytes(&Name::Host((*name).to_owned()), 10, 2);
        }
        services
    }

    #[test]
    fn parts_merge_in_any_order() {
        let (a, b) = (service(&["a.example", "b.example", "c.example"]), service(&["b.example"]));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.absorb(b);
        ba.absorb(a);
        assert_eq!(ab, ba);
        assert_eq!((ab.len(), ab.unlisted), (2, 1), "the third found no room");
        let (_, b) = ab.iter().last().unwrap();
        assert_eq!((b.connections, b.bytes, b.versions.get(&Version::TLS13)), (2, 20, Some(&2)));
    }
}
