//! Connections between peers of another library, in memory: every suite, any segmentation, losses, late keys.

use super::connection::{Connection, Reading, UNKNOWN, What, Workspace, fuzz};
use super::keylog::{KeyLogReader, Keys};
use super::service::Services;
use crate::anomaly::Anomaly;
use crate::flow::{Chunk, Direction, FlowKey, Moment};
use crate::limits::Limits;
use crate::time::Timestamp;
use proptest::prelude::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring as provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENT: Direction = Direction::HighToLow;
const SERVER: Direction = Direction::LowToHigh;

#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
        writeln!(self.0.lock().unwrap(), "{label} {} {}", hex(random), hex(secret)).unwrap();
    }
}

/// Believes any certificate: what is tested is who listens.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// What went over the wire, piece by piece, what was said inside, and the key log.
#[derive(Clone, Debug)]
struct Recording {
    wire: Vec<(Direction, Vec<u8>)>,
    said: [Vec<u8>; 2],
    keys: String,
}

/// Two peers that shake hands with `suite`, then say `messages` in turn; after each that is `true` the client, or
/// else the server, changes its keys where that can be.
fn record(suite: SupportedCipherSuite, messages: &[(bool, usize, bool)]) -> Recording {
    let crypto = Arc::new(rustls::crypto::CryptoProvider {
        cipher_suites: vec![suite],
        ..provider::default_provider()
    });
    let versions: &[&SupportedProtocolVersion] =
        if suite.tls13().is_some() { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS12] };
    let log = Arc::new(Log::default());
    let certificate = include_bytes!("../../fixtures/tls/peer/certificate.der");
    let key = include_bytes!("../../fixtures/tls/peer/key.der");
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&crypto))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    client.key_log = Arc::<Log>::clone(&log);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut server = ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.as_slice())],
            PrivateKeyDer::Pkcs8(key.as_slice().into()),
        )
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("api.tls.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut recording = Recording { wire: Vec::new(), said: [Vec::new(), Vec::new()], keys: String::new() };
    let exchange =
        |client: &mut ClientConnection, server: &mut ServerConnection, recording: &mut Recording| {
            loop {
                let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
                while client.wants_write() {
                    client.write_tls(&mut to_server).unwrap();
                }
                let mut front = to_server.as_slice();
                while !front.is_empty() {
                    server.read_tls(&mut front).unwrap();
                    server.process_new_packets().unwrap();
                    drop(server.reader().read_to_end(&mut Vec::new()));
                }
                while server.wants_write() {
                    server.write_tls(&mut to_client).unwrap();
                }
                let mut front = to_client.as_slice();
                while !front.is_empty() {
                    client.read_tls(&mut front).unwrap();
                    client.process_new_packets().unwrap();
                    drop(client.reader().read_to_end(&mut Vec::new()));
                }
                if to_server.is_empty() && to_client.is_empty() {
                    break;
                }
                recording.wire.push((CLIENT, to_server));
                recording.wire.push((SERVER, to_client));
            }
        };
    exchange(&mut client, &mut server, &mut recording);
    for (number, (by_client, size, update)) in messages.iter().enumerate() {
        let byte = u8::try_from(number % 251).unwrap();
        let message: Vec<u8> = (0_u8..=255).cycle().map(|at| at ^ byte).take(*size).collect();
        let is_tls13 = suite.tls13().is_some();
        if *by_client {
            client.writer().write_all(&message).unwrap();
            recording.said[CLIENT as usize].extend(&message);
            exchange(&mut client, &mut server, &mut recording);
            if *update && is_tls13 {
                client.refresh_traffic_keys().unwrap();
            }
        } else {
            server.writer().write_all(&message).unwrap();
            recording.said[SERVER as usize].extend(&message);
            exchange(&mut client, &mut server, &mut recording);
            if *update && is_tls13 {
                server.refresh_traffic_keys().unwrap();
            }
        }
        exchange(&mut client, &mut server, &mut recording);
    }
    recording.keys.clone_from(&log.0.lock().unwrap());
    recording
}

fn suites() -> Vec<SupportedCipherSuite> {
    let ecdsa = |suite: &SupportedCipherSuite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        )
    };
    provider::ALL_CIPHER_SUITES.iter().copied().filter(ecdsa).collect()
}

fn key() -> FlowKey {
    let end = |last, port| (IpAddr::V4(Ipv4Addr::new(198, 18, 0, last)), port);
    let (key, direction) = FlowKey::new(end(2, 40_000), end(1, 443), 0);
    assert_eq!(direction, CLIENT);
    key
}

fn moment(secs: i64) -> Moment {
    Moment { ts: Timestamp::from_secs(secs, 0), input: 0, frame: 0, ack: None }
}

/// What was heard: bytes of each direction with holes as so many times `None`, and oddities.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    said: [Vec<Option<u8>>; 2],
    unknown: [bool; 2],
    odd: Vec<Anomaly>,
}

fn hear(work: &mut Workspace, heard: &mut Heard) {
    for event in std::mem::take(&mut work.events) {
        let at = event.direction as usize;
        match event.what {
            What::Data(plain) => heard.said[at].extend(plain.content().iter().copied().map(Some)),
            What::Gap(UNKNOWN) => heard.unknown[at] = true,
            What::Gap(lost) => {
                heard.said[at].resize(heard.said[at].len() + usize::try_from(lost).unwrap(), None);
            }
            What::End | What::Losing | What::Holding => {}
            What::Odd(anomaly) => heard.odd.push(anomaly),
        }
    }
}

fn whole(said: &[Vec<u8>; 2]) -> [Vec<Option<u8>>; 2] {
    said.each_ref().map(|said| said.iter().copied().map(Some).collect())
}

fn listen(recording: &Recording, size: usize) -> (Heard, Connection, Workspace) {
    let keys = Arc::new(Keys::new(8));
    KeyLogReader::default().feed(recording.keys.as_bytes(), &keys);
    let mut work = Workspace::new(&Limits::default(), keys);
    let (mut connection, mut heard) = (Connection::new(key()), Heard::default());
    for (direction, bytes) in &recording.wire {
        for piece in bytes.chunks(size) {
            connection.chunk(*direction, Chunk::Data(piece), &moment(1), &mut work);
            hear(&mut work, &mut heard);
        }
    }
    (heard, connection, work)
}

const TALK: [(bool, usize, bool); 7] = [
    (true, 300, false),
    (false, 40_000, true),
    (true, 20, true),
    (true, 5_000, false),
    (false, 1, true),
    (false, 700, false),
    (true, 3, false),
];

#[test]
fn every_suite_is_read_in_any_segments() {
    for suite in suites() {
        let recording = record(suite, &TALK);
        for size in [1, 7, 1_448, 1 << 20] {
            let (heard, mut connection, work) = listen(&recording, size);
            assert_eq!(heard.said, whole(&recording.said), "{suite:?} in pieces of {size}");
            assert!(heard.odd.is_empty() && heard.unknown == [false; 2], "{suite:?}: {:?}", heard.odd);
            let mut services = Services::default();
            connection.tell_service(&mut services, true, &work);
            let (key, service) = services.iter().next().unwrap();
            assert_eq!(key.host.as_deref(), Some("api.tls.example"));
            assert_eq!((service.connections, service.read), (1, 1));
            let (certificate, _) = service.certificates.first_key_value().unwrap();
            assert_eq!(certificate.subject.as_deref(), Some("api.tls.example"));
            assert_eq!(certificate.issuer.as_deref(), Some("Example Bank"));
        }
    }
}

#[test]
fn keys_may_come_after_the_packets() {
    for suite in suites() {
        let recording = record(suite, &TALK);
        // Line by line, some before, some while, some after the packets.
        let lines: Vec<&str> = recording.keys.split_inclusive('\n').collect();
        let keys = Arc::new(Keys::new(8));
        keys.expect_more();
        let mut work = Workspace::new(&Limits::default(), Arc::clone(&keys));
        let (mut connection, mut heard) = (Connection::new(key()), Heard::default());
        let mut reader = KeyLogReader::default();
        for (position, (direction, bytes)) in recording.wire.iter().enumerate() {
            if position % 3 == 2
                && let Some(line) = lines.get(position / 3)
            {
                reader.feed(line.as_bytes(), &keys);
            }
            connection.chunk(*direction, Chunk::Data(bytes), &moment(2), &mut work);
            hear(&mut work, &mut heard);
        }
        for line in &lines {
            reader.feed(line.as_bytes(), &keys);
        }
        connection.close(&mut work);
        hear(&mut work, &mut heard);
        assert_eq!(heard.said, whole(&recording.said), "{suite:?}");
        assert!(heard.odd.is_empty(), "{suite:?}: {:?}", heard.odd);
    }
}

#[test]
fn waiting_has_an_end() {
    let recording = record(suites()[0], &TALK);
    let told = |limits: &Limits, pause: i64| {
        let keys = Arc::new(Keys::new(8));
        keys.expect_more();
        // Of another connection: somebody writes a key log.
        let other = format!("CLIENT_RANDOM {} {}\n", "05".repeat(32), "05".repeat(48));
        KeyLogReader::default().feed(other.as_bytes(), &keys);
        let mut work = Workspace::new(limits, Arc::clone(&keys));
        let (mut connection, mut heard) = (Connection::new(key()), Heard::default());
        for (position, (direction, bytes)) in (0..).zip(&recording.wire) {
            let at = moment(position * pause);
            connection.chunk(*direction, Chunk::Data(bytes), &at, &mut work);
            hear(&mut work, &mut heard);
        }
        KeyLogReader::default().feed(recording.keys.as_bytes(), &keys);
        connection.close(&mut work);
        hear(&mut work, &mut heard);
        (heard, connection.reading())
    };
    let waiting = Limits { tls_waiting: Duration::from_secs(5), ..Limits::default() };
    assert_eq!(told(&waiting, 0).1, Reading::Open);
    assert_eq!(told(&waiting, 3), (Heard::default(), Reading::Closed), "the time is over");
    let small = Limits { tls_waiting_bytes: 10_000, ..Limits::default() };
    let (heard, reading) = told(&small, 0);
    assert_eq!((heard.odd, reading), (vec![Anomaly::TlsWaitingLimit], Reading::Closed));
}

#[test]
fn other_keys_open_nothing() {
    for suite in suites() {
        let mut recording = record(suite, &TALK);
        let other = |line: &str| format!("{}0123456789abcdef", &line[..line.len() - 16]);
        recording.keys = recording.keys.lines().map(other).collect::<Vec<_>>().join("\n") + "\n";
        let (heard, connection, _) = listen(&recording, 1_448);
        assert_eq!(heard.said, [Vec::new(), Vec::new()]);
        assert_eq!(connection.reading(), Reading::Undecided);
        assert!(heard.odd.iter().all(|odd| *odd == Anomaly::TlsUnopened));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What was lost is lost, and nothing else: every byte that is heard stands where it was said, and after a hole
    /// of known length so does what follows.
    #[test]
    fn a_hole_shifts_nothing(
        suite in 0..6_usize,
        from in 0..60_000_usize,
        lost in 1..9_000_usize,
        size in 100..3_000_usize,
    ) {
        let suites = suites();
        let messages = [(true, 400, false), (false, 30_000, false), (false, 9_000, false), (false, 9_000, false), (true, 20, false)];
        let recording = record(suites[suite % suites.len()], &messages);
        let keys = Arc::new(Keys::new(8));
        KeyLogReader::default().feed(recording.keys.as_bytes(), &keys);
        let mut work = Workspace::new(&Limits::default(), keys);
        let (mut connection, mut heard) = (Connection::new(key()), Heard::default());
        // The handshake's bytes are spared: without hellos there are no keys.
        let mut at = 0;
        let spared: usize =
            recording.wire.iter().filter(|(direction, _)| *direction == SERVER).take(3).map(|(_, bytes)| bytes.len()).sum();
        for (direction, bytes) in &recording.wire {
            for piece in bytes.chunks(size) {
                let begins = at;
                if *direction == SERVER {
                    at += piece.len();
                }
                let hit = *direction == SERVER && begins >= spared && begins < spared + from + lost && at > spared + from;
                let chunk = if hit { Chunk::Gap(piece.len() as u64) } else { Chunk::Data(piece) };
                connection.chunk(*direction, chunk, &moment(1), &mut work);
                hear(&mut work, &mut heard);
            }
        }
        let [server, client] = whole(&recording.said);
        prop_assert_eq!(&heard.said[CLIENT as usize], &client);
        let got = &heard.said[SERVER as usize];
        prop_assert!(!heard.unknown[SERVER as usize]);
        prop_assert!(got.len() <= server.len());
        for (place, (got, said)) in got.iter().zip(&server).enumerate() {
            prop_assert!(got.is_none() || got == said, "at {}", place);
        }
    }

    /// Bytes that were changed under way open nothing that was not said, and cost only their records.
    #[test]
    fn garbled_bytes_are_refused(suite in 0..6_usize, places in proptest::collection::vec((0..60_000_usize, any::<u8>()), 1..6)) {
        let suites = suites();
        let mut recording = record(suites[suite % suites.len()], &TALK);
        let total: usize = recording.wire.iter().map(|(_, bytes)| bytes.len()).sum();
        for (place, with) in places {
            let mut place = place % total;
            for (_, bytes) in &mut recording.wire {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= with;
                    break;
                }
                place -= bytes.len();
            }
        }
        let (heard, ..) = listen(&recording, 999);
        for (got, said) in heard.said.iter().zip(whole(&recording.said)) {
            // Whatever was opened was said, in this order.
            let mut said = said.into_iter();
            prop_assert!(got.iter().flatten().all(|byte| said.any(|said| said == Some(*byte))));
        }
    }

    #[test]
    fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz(&data);
    }

    /// The same, behind a hello whose secrets are known.
    #[test]
    fn any_bytes_after_a_hello_are_taken(version in 2..5_u8, suite in any::<bool>(), data in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut hello = vec![1, 0, 0, 41, 3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let mut answer = vec![2, 0, 0, 38 + 8, 3, 3];
        answer.extend([8; 32]);
        answer.extend(if suite { [0, 0x13, 1, 0] } else { [0, 0xc0, 0x2f, 0] });
        answer.extend([0, 6, 0, 43, 0, 2, 3, version]);
        let mut all = Vec::new();
        for (direction, message) in [(0, hello), (1, answer)] {
            all.push((u8::try_from(5 + message.len()).unwrap() << 2) | direction);
            all.extend([22, 3, 3, 0, u8::try_from(message.len()).unwrap()]);
            all.extend(message);
        }
        all.extend(data);
        fuzz(&all);
    }
}
