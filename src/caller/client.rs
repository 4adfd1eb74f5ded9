//! The client behind proxies: whose word on it is believed, and whose is not.
//!
//! ```text
//!  X-Forwarded-For: claimed, 203.0.113.9, 10.0.0.2     from 10.0.0.1     (PROXY header: its own step before 10.0.0.1)
//!                      │          │           └── trusted ──┘
//!                      │          └ the client: the right-most address that is not trusted
//!                      └ the client's own word: never believed, counted
//! ```
//!
//! Each proxy adds the address it was called from behind what it was given, so a chain is believed from its right end,
//! as far as the addresses are those of trusted proxies. Where `X-Forwarded-For`, `Forwarded` (RFC 7239) and `X-Real-IP`
//! name different clients, one of them was passed through unread: none is believed. Without trusted proxies
//! nothing is, and the client is whoever holds the socket, or whom the log names.

use crate::transaction::Transaction;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Addresses that share their first bits: `10.0.0.0/8`, or one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address, or a network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(front, bits)| (front, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| BadNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(BadNetwork)?,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether an address lies in it. An IPv4 address inside IPv6 is that IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits.min(128));
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or_default() == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// How the client of an exchange was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// A trusted proxy names it.
    Proxied,
    /// A trusted proxy hides it (RFC 7239 section 6.2 and 6.3), or names nothing that is an address.
    Hidden,
    /// Somebody who is no trusted proxy claimed to call for others: not believed.
    Unproven,
    /// Trusted proxies passed on headers that contradict each other: not believed.
    Conflicting,
}

impl Forwarding {
    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxied => "proxied",
            Self::Hidden => "hidden",
            Self::Unproven => "unproven",
            Self::Conflicting => "conflicting",
        }
    }
}

/// The client of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address, with port where known.
    pub address: Option<(IpAddr, Option<u16>)>,
    /// What was found on the way: up to one of each pair.
    pub forwarding: [Option<Forwarding>; 2],
    /// Whether what the exchange's sender forwards of others (a certificate) may be believed.
    pub speaks_for_others: bool,
}

/// The proxies whose word is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// What a header says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    /// Nothing, or trusted proxies alone.
    #[default]
    None,
    Client(IpAddr, Option<u16>),
    Hidden,
}

/// What the headers of one kind say, read from left to right.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    /// The right-most element that is no trusted proxy.
    word: Word,
    /// Whether others stand before it.
    more: bool,
}

impl Chain {
    fn add(&mut self, element: Word, trusted: &TrustedProxies) {
        if matches!(element, Word::Client(address, _) if trusted.contains(address)) {
            return;
        }
        self.more |= self.word != Word::None;
        self.word = element;
    }
}

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether there are none: then nobody is believed, and nothing looked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of an exchange.
    #[must_use]
    pub fn client(&self, exchange: &Transaction) -> Client {
        let near = exchange.client;
        if self.0.is_empty() {
            return Client { address: near, forwarding: [None; 2], speaks_for_others: true };
        }
        let [lists, elements, single] = self.read(exchange);
        let claims = [lists, elements, single].iter().any(|chain| chain.word != Word::None);
        let not_believed = |address, claims: bool, found| Client {
            address,
            forwarding: [claims.then_some(Forwarding::Unproven), found],
            speaks_for_others: false,
        };
        let mut address = near;
        // A log that names no socket was written behind one of the operator's own proxies.
        if !exchange.client_forwarded {
            if !near.is_some_and(|(near, _)| self.contains(near)) {
                return not_believed(near, claims || exchange.proxied.is_some(), None);
            }
            if let Some(behind) = exchange.proxied {
                address = Some((behind.ip().to_canonical(), Some(behind.port())));
                if !self.contains(behind.ip()) {
                    return not_believed(address, claims, Some(Forwarding::Proxied));
                }
            }
        }
        let mut word = Word::None;
        for chain in [lists, elements, single] {
            match (word, chain.word) {
                (_, Word::None) => {}
                (Word::None, said) => word = said,
                (Word::Client(known, _), Word::Client(said, _)) if known == said => {}
                (Word::Hidden, Word::Hidden) => {}
                (Word::Client(..), Word::Client(..) | Word::Hidden) | (Word::Hidden, Word::Client(..)) => {
                    let forwarding = [Some(Forwarding::Conflicting), None];
                    return Client { address, forwarding, speaks_for_others: true };
                }
            }
        }
        let more = [lists, elements].iter().any(|chain| chain.more).then_some(Forwarding::Unproven);
        let (address, found) = match word {
            Word::None => (address, exchange.proxied.map(|_| Forwarding::Proxied)),
            Word::Client(client, port) => (Some((client, port)), Some(Forwarding::Proxied)),
            Word::Hidden => (address, Some(Forwarding::Hidden)),
        };
        Client { address, forwarding: [more, found], speaks_for_others: true }
    }

    /// What `X-Forwarded-For`, `Forwarded` and `X-Real-IP` say. Lines of one name make one list (RFC 9110 section 5.2).
    fn read(&self, exchange: &Transaction) -> [Chain; 3] {
        let [mut lists, mut elements, mut single] = [Chain::default(); 3];
        for (name, value) in exchange.request.fields.iter() {
            match name.len() {
                15 if name.eq_ignore_ascii_case(b"x-forwarded-for") => {
                    let parts = value.expose().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                    parts.filter(|part| !part.is_empty()).for_each(|part| lists.add(node(part), self));
                }
                9 if name.eq_ignore_ascii_case(b"forwarded") => {
                    for element in split_outside_quotes(value.expose(), b',') {
                        let pairs =
                            split_outside_quotes(element, b';').filter_map(|pair| pair.split_at_checked(4));
                        for (_, said) in pairs.filter(|(name, _)| name.eq_ignore_ascii_case(b"for=")) {
                            elements.add(node(said), self);
                        }
                    }
                }
                9 if name.eq_ignore_ascii_case(b"x-real-ip") => single.add(node(value.expose()), self),
                _ => {}
            }
        }
        [lists, elements, single]
    }
}

/// Splits at `byte` where it does not stand between quotes; blanks around the parts are taken away.
pub(super) fn split_outside_quotes(text: &[u8], byte: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |at| {
        match *at {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        *at == byte && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

/// The node of a chain: an address with or without port, brackets and quotes (RFC 7239 section 6).
fn node(text: &[u8]) -> Word {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    let Ok(text) = std::str::from_utf8(text) else { return Word::Hidden };
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Word::Client(address.to_canonical(), None);
    }
    match text.parse::<SocketAddr>() {
        Ok(socket) => Word::Client(socket.ip().to_canonical(), Some(socket.port())),
        // An address whose port is hidden, `192.0.2.43:_port`, is an address all the same.
        Err(_) => match text.rsplit_once(":_").and_then(|(front, _)| front.parse::<IpAddr>().ok()) {
            Some(address) => Word::Client(address.to_canonical(), None),
            None => Word::Hidden,
        },
    }
}

/// Reads arbitrary bytes as every header of a chain and asserts that no client is found that is a trusted proxy.
pub fn fuzz(data: &[u8]) {
    let trusted = TrustedProxies::new(vec![Network { address: [10, 0, 0, 0].into(), bits: 8 }]);
    for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        let mut exchange =
            Transaction { client: Some(([10, 0, 0, 1].into(), None)), ..Transaction::default() };
        exchange.request.fields.push(name.as_bytes(), data);
        let client = trusted.client(&exchange);
        if client.forwarding.contains(&Some(Forwarding::Proxied)) {
            let address = client.address.expect("who is named has an address").0;
            assert!(!trusted.contains(address), "a proxy is no client");
        } else {
            assert_eq!(client.address, exchange.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trusted() -> TrustedProxies {
        TrustedProxies::new(
            ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.5"].map(|text| text.parse().unwrap()).to_vec(),
        )
    }

    fn client(from: &str, fields: &[(&str, &str)]) -> (String, Vec<&'static str>) {
        let mut exchange =
            Transaction { client: Some((from.parse().unwrap(), None)), ..Transaction::default() };
        for (name, value) in fields {
            exchange.request.fields.push(name.as_bytes(), value.as_bytes());
        }
        let client = trusted().client(&exchange);
        let found = client.forwarding.into_iter().flatten().map(Forwarding::name).collect();
        (client.address.unwrap().0.to_string(), found)
    }

    #[test]
    fn a_network_holds_its_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork), "{text}");
        }
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_client() {
        for (from, fields, expected, found) in [
            ("10.0.0.1", &[][..], "10.0.0.1", &[][..]),
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.9")], "203.0.113.9", &["proxied"]),
            (
                "10.0.0.1",
                &[("X-Forwarded-For", "203.0.113.9, 10.0.0.2,10.9.9.9:80")],
                "203.0.113.9",
                &["proxied"],
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "198.51.100.1, 203.0.113.9")],
                "203.0.113.9",
                &["unproven", "proxied"],
            ),
            (
                "10.0.0.1",
                &[("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")],
                "203.0.113.9",
                &["unproven", "proxied"],
            ),
            ("203.0.113.9", &[("X-Forwarded-For", "198.51.100.1")], "203.0.113.9", &["unproven"]),
            ("203.0.113.9", &[], "203.0.113.9", &[]),
            (
                "10.0.0.1",
                &[("Forwarded", "for=192.0.2.43;proto=https, For=\"[2001:db8:cafe::17]:4711\"")],
                "2001:db8:cafe::17",
                &["unproven", "proxied"],
            ),
            (
                "10.0.0.1",
                &[("Forwarded", "by=10.0.0.9;for=\"203.0.113.9:_p\", for=10.0.0.2")],
                "203.0.113.9",
                &["proxied"],
            ),
            ("10.0.0.1", &[("Forwarded", "for=unknown")], "10.0.0.1", &["hidden"]),
            (
                "10.0.0.1",
                &[("Forwarded", "for=203.0.113.9, for=_gateway")],
                "10.0.0.1",
                &["unproven", "hidden"],
            ),
            ("10.0.0.1", &[("X-Real-IP", "203.0.113.9")], "203.0.113.9", &["proxied"]),
            (
                "10.0.0.1",
                &[("X-Real-IP", "10.0.0.7"), ("X-Forwarded-For", "203.0.113.9, 10.0.0.7")],
                "203.0.113.9",
                &["proxied"],
            ),
            (
                "10.0.0.1",
                &[("X-Forwarded-For", "198.51.100.1"), ("Forwarded", "for=203.0.113.9")],
                "10.0.0.1",
                &["conflicting"],
            ),
            (
                "10.0.0.1",
                &[("X-Forwarded-For", "198.51.100.1"), ("X-Real-IP", "203.0.113.9")],
                "10.0.0.1",
                &["conflicting"],
            ),
            ("2001:db8:1::5", &[("X-Forwarded-For", "2001:db8:2::7")], "2001:db8:2::7", &["proxied"]),
        ] {
            let (address, told) = client(from, fields);
            assert_eq!((address.as_str(), &told[..]), (expected, found), "{from} {fields:?}");
        }
    }

    #[test]
    fn a_balancer_is_believed_when_it_is_trusted_and_headers_when_it_names_another_proxy() {
        for (from, behind, list, expected, found) in [
            ("10.0.0.1", "203.0.113.9:5", "", "203.0.113.9", &["proxied"][..]),
            ("10.0.0.1", "203.0.113.9:5", "198.51.100.1", "203.0.113.9", &["unproven", "proxied"]),
            ("10.0.0.1", "10.0.0.2:5", "203.0.113.9", "203.0.113.9", &["proxied"]),
            ("203.0.113.1", "198.51.100.1:5", "", "203.0.113.1", &["unproven"]),
        ] {
            let mut exchange = Transaction {
                client: Some((from.parse().unwrap(), Some(1))),
                proxied: Some(behind.parse().unwrap()),
                ..Transaction::default()
            };
            if !list.is_empty() {
                exchange.request.fields.push(b"X-Forwarded-For", list.as_bytes());
            }
            let client = trusted().client(&exchange);
            let told: Vec<_> = client.forwarding.into_iter().flatten().map(Forwarding::name).collect();
            assert_eq!(
                (client.address.unwrap().0.to_string().as_str(), &told[..]),
                (expected, found),
                "{from} {behind}"
            );
            assert_eq!(TrustedProxies::default().client(&exchange).address, exchange.client);
        }
    }

    proptest! {
        /// Arbitrary bytes never panic, and a proxy is never taken for a client.
        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            fuzz(&bytes);
        }

        /// Neither are chains of addresses.
        #[test]
        fn chains_are_survived(text in "(for=)?[0-9a-f.:,\\[\\]\" ;_=]{0,60}") {
            fuzz(text.as_bytes());
        }
    }
}
