//! The listeners as a client sees them, with a lane that keeps what it is given.

use super::*;
use crate::source::intake::{Content, QUEUE, Unit};
use crossbeam_channel::{Receiver, bounded};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Client;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const ANY: &str = "127.0.0.1:0";
/// More than fits into the buffers on the way.
const LINES: usize = 40_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A way in with a lane of `queue` units.
struct Rig {
    addresses: Vec<SocketAddr>,
    units: Receiver<Unit>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    listeners: Listeners,
}

impl Rig {
    fn new(way: Way, queue: usize) -> Self {
        let bound = Bound::new(way).unwrap();
        let addresses = bound.addresses();
        let (lane, units) = bounded(queue);
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let source = Arc::new(LogSource { name: "test".into(), format: None, vantage: None });
        let courier = Courier::new(vec![lane], Arc::clone(&stop));
        let listeners = serve(vec![Serving { bound, source, tally: Arc::clone(&tally) }], courier).unwrap();
        Self { addresses, units, tally, stop, listeners }
    }

    fn connect(&self, door: usize) -> Client {
        let client = Client::connect(self.addresses[door]).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Lines, until there are `count` of them.
    fn lines(&self, count: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while lines.len() < count {
            if let Content::Lines { bytes, .. } = self.units.recv_timeout(PATIENCE).unwrap().content {
                assert!(bytes.ends_with(b"\n"));
                lines.extend(String::from_utf8(bytes).unwrap().lines().map(str::to_owned));
            }
        }
        lines
    }

    /// Ends the sensor, and returns the lines that were still on their way, and the counts.
    fn end(self) -> (Vec<String>, Vec<(&'static str, u64)>) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.listeners.wait(PATIENCE));
        let mut lines = Vec::new();
        for unit in self.units.try_iter() {
            if let Content::Lines { bytes, .. } = unit.content {
                lines.extend(String::from_utf8(bytes).unwrap().lines().map(str::to_owned));
            }
        }
        (lines, self.tally.take().into_iter().collect())
    }
}

fn address() -> SocketAddr {
    ANY.parse().unwrap()
}

fn syslog() -> Syslog {
    Syslog { max_message: 1_000, ..Syslog::default() }
}

/// Certificates of a little authority, as files.
struct Authority {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    root: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut of_root = rcgen::CertificateParams::default();
        of_root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = of_root.self_signed(&key).unwrap();
        let authority =
            Self { folder: tempfile::tempdir().unwrap(), issuer: rcgen::Issuer::new(of_root, key), root };
        fs::write(authority.path("ca.pem"), authority.root.pem()).unwrap();
        authority.issue("server");
        authority.issue("client");
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a new certificate of this name, and its key.
    fn issue(&self, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let of_peer = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = of_peer.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn files(&self, client_required: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: Some(self.path("ca.pem")),
            client_required,
        }
    }

    /// A client that trusts the authority, with a certificate of its own when it has that name.
    fn client(&self, name: Option<&str>) -> Arc<rustls::ClientConfig> {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let read = |path: &Path| fs::read(path).unwrap();
        Arc::new(match name {
            None => config.with_no_client_auth(),
            Some(name) => {
                let chain =
                    CertificateDer::from_pem_slice(&read(&self.path(&format!("{name}.pem")))).unwrap();
                let key = PrivateKeyDer::from_pem_slice(&read(&self.path(&format!("{name}.key")))).unwrap();
                config.with_client_auth_cert(vec![chain], key).unwrap()
            }
        })
    }
}

fn encrypted(
    client: Client,
    config: Arc<rustls::ClientConfig>,
) -> rustls::StreamOwned<rustls::ClientConnection, Client> {
    let name = "localhost".try_into().unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(config, name).unwrap(), client)
}

#[test]
fn syslog_over_tcp_gives_lines_whatever_the_framing() {
    let rig = Rig::new(Way::Syslog(Syslog { tcp: Some(address()), ..syslog() }), QUEUE);
    let mut client = rig.connect(0);
    client.write_all(b"<190>Nov 26 23:40:00 gw nginx: one\n24 <13>1 - - - - - - t\nw o").unwrap();
    assert_eq!(rig.lines(1), ["one"], "a line does not wait for those behind it");
    client.write_all(b"!<190>Nov 26 23:40:00 gw nginx: three").unwrap();
    drop(client);
    assert_eq!(rig.lines(2), ["t w o!", "three"]);
    assert_eq!(rig.end(), (vec![], vec![]));
}

#[test]
fn a_lost_frame_ends_its_connection_alone() {
    let rig = Rig::new(Way::Syslog(Syslog { tcp: Some(address()), ..syslog() }), QUEUE);
    let (mut bad, mut good) = (rig.connect(0), rig.connect(0));
    let long = format!("<1>{}\n1001 {}<1>last\nGET / HTTP/1.1\r\n", "x".repeat(1_000), "x".repeat(1_001));
    bad.write_all(long.as_bytes()).unwrap();
    assert_eq!(rig.lines(1), ["last"]);
    // It is closed, or reset when more of it came.
    assert_eq!(bad.read(&mut [0]).unwrap_or_default(), 0);
    good.write_all(b"<1>good\n").unwrap();
    assert_eq!(rig.lines(1), ["good"]);
    assert_eq!(rig.end().1, [("framing_lost", 1), ("messages_too_long", 2)]);
}

#[test]
fn a_full_lane_makes_senders_over_tcp_wait_and_loses_nothing() {
    let rig = Rig::new(Way::Syslog(Syslog { tcp: Some(address()), ..syslog() }), 1);
    let mut client = rig.connect(0);
    let sender = std::thread::spawn(move || {
        for number in 0..LINES {
            let message = format!("<190>Nov 26 23:40:00 gw nginx: {number:0500}\n");
            client.write_all(message.as_bytes()).unwrap();
        }
    });
    // 20 MB do not fit into buffers on the way: the sender waits.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!sender.is_finished());
    let lines = rig.lines(LINES);
    assert!(lines.iter().enumerate().all(|(number, line)| line.parse() == Ok(number)));
    sender.join().unwrap();
    assert_eq!(rig.end(), (vec![], vec![]));
}

#[test]
fn datagrams_are_messages_and_those_before_the_end_count() {
    let rig = Rig::new(Way::Syslog(Syslog { udp: Some(address()), ..syslog() }), QUEUE);
    let sender = UdpSocket::bind(ANY).unwrap();
    let send = |message: &str| _ = sender.send_to(message.as_bytes(), rig.addresses[0]).unwrap();
    send("<134>Nov 26 23:40:00 haproxy[17]: one\n");
    send("<134>Nov 26 23:40:00 haproxy[17]: ");
    send(&"x".repeat(1_001));
    send("<14>1 2026-11-26T23:40:00Z h a - - - two\nlines");
    assert_eq!(rig.lines(2), ["one", "two lines"]);
    send("<6>last");
    let (rest, counts) = rig.end();
    assert_eq!(rest, ["last"]);
    assert_eq!(counts, [("messages_empty", 1), ("messages_too_long", 1)]);
}

#[test]
fn tls_asks_clients_for_certificates_and_takes_new_ones_without_a_restart() {
    let authority = Authority::new();
    let tls = Some((address(), authority.files(true)));
    let rig = Rig::new(Way::Syslog(Syslog { tls, ..syslog() }), QUEUE);
    let mut client = encrypted(rig.connect(0), authority.client(Some("client")));
    client.write_all(b"9 <13>hello").unwrap();
    client.flush().unwrap();
    assert_eq!(rig.lines(1), ["hello"]);
    let served = |client: &rustls::StreamOwned<rustls::ClientConnection, Client>| {
        client.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let first = served(&client);

    // Without a certificate, and without TLS at all.
    let mut stranger = encrypted(rig.connect(0), authority.client(None));
    assert!(stranger.write_all(b"<13>no\n").and_then(|()| stranger.read_exact(&mut [0])).is_err());
    let mut plain = rig.connect(0);
    plain.write_all(b"<13>no\n").unwrap();
    assert!(plain.read_to_end(&mut Vec::new()).is_ok());

    authority.issue("server");
    rig.listeners.reload();
    let mut waited = Duration::ZERO;
    loop {
        let mut client = encrypted(rig.connect(0), authority.client(Some("client")));
        client.write_all(b"<13>again\n").unwrap();
        assert_eq!(rig.lines(1), ["again"]);
        if served(&client) != first {
            break;
        }
        assert!(waited < PATIENCE, "the new certificate is served");
        std::thread::sleep(Duration::from_millis(20));
        waited += Duration::from_millis(20);
    }
    // What stands goes on with what it began with.
    client.write_all(b"<13>still\n").unwrap();
    assert_eq!(rig.lines(1), ["still"]);
    assert_eq!(rig.end().1, [("tls_handshakes_failed", 2)]);
}

#[test]
fn connections_are_bounded_for_each_client() {
    let connections = Connections { total: 4, of_client: 2 };
    let rig = Rig::new(Way::Syslog(Syslog { tcp: Some(address()), connections, ..syslog() }), QUEUE);
    let (mut first, mut second) = (rig.connect(0), rig.connect(0));
    for client in [&mut first, &mut second] {
        client.write_all(b"<1>here\n").unwrap();
        assert_eq!(rig.lines(1), ["here"]);
    }
    let mut third = rig.connect(0);
    assert_eq!(third.read(&mut [0]).unwrap_or_default(), 0, "closed at once");
    assert_eq!(rig.end().1, [("connections_refused", 1)]);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Bound::new(Way::Syslog(Syslog { tcp: Some(address), ..syslog() })).unwrap_err();
    assert!(error.to_string().starts_with(&format!("listen on {address} over TCP: ")), "{error}");
    let files = TlsFiles {
        certificate: "/nowhere/cert.pem".into(),
        key: "/nowhere/key.pem".into(),
        client_ca: None,
        client_required: false,
    };
    let error = Bound::new(Way::Syslog(Syslog { tls: Some((address, files)), ..syslog() })).unwrap_err();
    assert!(error.to_string().starts_with("read /nowhere/cert.pem: "), "{error}");
}
