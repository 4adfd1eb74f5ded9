//! The listeners as a client sees them, with a lane that keeps what it is given.

use super::*;
use crate::secret::FingerprintKey;
use crate::source::intake::{Content, Courier, LogSource, Positions, QUEUE, Tally, Unit};
use crossbeam_channel::{Receiver, bounded};
use hyper::body::Bytes;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Client;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const ANY: &str = "127.0.0.1:0";
/// More than fits into the buffers on the way.
const MANY: usize = 40_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A way in with a lane of `queue` units.
struct Rig {
    addresses: Vec<SocketAddr>,
    units: Receiver<Unit>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    reload: Reload,
    thread: std::thread::JoinHandle<()>,
}

impl Rig {
    fn new(way: Listen, queue: usize) -> Self {
        Self::knowing(way, queue, Positions::new())
    }

    fn knowing(way: Listen, queue: usize, known: Positions) -> Self {
        let bound = Bound::new(way).unwrap();
        let addresses = bound.addresses();
        let (lane, units) = bounded(queue);
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let source = Arc::new(LogSource { name: "test".into(), ..LogSource::default() });
        let courier = Courier::new(vec![lane], Arc::clone(&stop));
        let key = FingerprintKey::new([7; 32]);
        let hand = Hand { source, courier, tally: Arc::clone(&tally), positions: known, key };
        let reload = bound.reload();
        let thread = std::thread::spawn(move || Box::new(bound).run(hand));
        Self { addresses, units, tally, stop, reload, thread }
    }

    fn connect(&self, door: usize) -> Client {
        let client = Client::connect(self.addresses[door]).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// The next unit that is no end.
    fn unit(&self) -> Unit {
        loop {
            let unit = self.units.recv_timeout(PATIENCE).unwrap();
            if !matches!(unit.content, Content::End) {
                return unit;
            }
        }
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
        self.thread.join().unwrap();
        let mut lines = Vec::new();
        for unit in &self.units {
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
    let rig = Rig::new(Listen::Syslog(Syslog { tcp: Some(address()), ..syslog() }), QUEUE);
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
    let rig = Rig::new(Listen::Syslog(Syslog { tcp: Some(address()), ..syslog() }), QUEUE);
    let (mut bad, mut good) = (rig.connect(0), rig.connect(0));
    let long = format!("<1>{}\n1001 {}<1>last\nGET / HTTP/1.1\r\n", "x".repeat(1_000), "x".repeat(1_001));
    bad.write_all(long.as_bytes()).unwrap();
    assert_eq!(rig.lines(1), ["last"]);
    // It is closed, or reset when more of it came.
    assert_eq!(bad.read(&mut [0]).unwrap_or_default(), 0);
    good.write_all(b"<1>good\n").unwrap();
    assert_eq!(rig.lines(1), ["good"]);
    assert_eq!(rig.end().1, [("framing_lost", 1), ("too_long_dropped", 2)]);
}

#[test]
fn a_full_lane_makes_senders_over_tcp_wait_and_loses_nothing() {
    let rig = Rig::new(Listen::Syslog(Syslog { tcp: Some(address()), ..syslog() }), 1);
    let mut client = rig.connect(0);
    let sender = std::thread::spawn(move || {
        for number in 0..MANY {
            let message = format!("<190>Nov 26 23:40:00 gw nginx: {number:0500}\n");
            client.write_all(message.as_bytes()).unwrap();
        }
    });
    // 20 MB do not fit into buffers on the way: the sender waits.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!sender.is_finished());
    let lines = rig.lines(MANY);
    assert!(lines.iter().enumerate().all(|(number, line)| line.parse() == Ok(number)));
    sender.join().unwrap();
    assert_eq!(rig.end(), (vec![], vec![]));
}

#[test]
fn datagrams_are_messages_and_those_before_the_end_count() {
    let rig = Rig::new(Listen::Syslog(Syslog { udp: Some(address()), ..syslog() }), QUEUE);
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
    assert_eq!(counts, [("messages_empty", 1), ("too_long_dropped", 1)]);
}

#[test]
fn tls_asks_clients_for_certificates_and_takes_new_ones_without_a_restart() {
    let authority = Authority::new();
    let tls = Some((address(), authority.files(true)));
    let rig = Rig::new(Listen::Syslog(Syslog { tls, ..syslog() }), QUEUE);
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
    rig.reload.now();
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
    let rig = Rig::new(Listen::Syslog(Syslog { tcp: Some(address()), connections, ..syslog() }), QUEUE);
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
    let error = Bound::new(Listen::Syslog(Syslog { tcp: Some(address), ..syslog() })).unwrap_err();
    assert!(error.to_string().starts_with(&format!("listen on {address} over TCP: ")), "{error}");
    let files = TlsFiles {
        certificate: "/nowhere/cert.pem".into(),
        key: "/nowhere/key.pem".into(),
        client_ca: None,
        client_required: false,
    };
    let error = Bound::new(Listen::Syslog(Syslog { tls: Some((address, files)), ..syslog() })).unwrap_err();
    assert!(error.to_string().starts_with("read /nowhere/cert.pem: "), "{error}");
}

fn http() -> Http {
    Http {
        listen: address(),
        tls: None,
        tokens: None,
        max_batch: 10_000,
        requests_per_second: 1_000,
        connections: Connections::default(),
    }
}

/// A request on a connection of its own. Its answer comes from [`Asked::answer`].
struct Asked(Client);

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Rig {
    fn ask(&self, head: &str, body: &[u8]) -> Asked {
        let mut client = self.connect(0);
        let request =
            format!("{head}\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(&[request.as_bytes(), body].concat()).unwrap();
        Asked(client)
    }

    fn post(&self, head: &str, body: &[u8]) -> Asked {
        self.ask(&format!("POST /v1/logs HTTP/1.1\r\n{head}"), body)
    }
}

impl Asked {
    fn answer(mut self) -> Answer {
        let mut text = Vec::new();
        self.0.read_to_end(&mut text).unwrap();
        let end = memchr::memmem::find(&text, b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(text[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: text[end + 4..].to_vec() }
    }

    fn status(self) -> u16 {
        self.answer().status
    }

    /// Whether there is no answer yet. Only tells when there is one by mistake.
    fn waits(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let nothing = self.0.peek(&mut [0]).is_err();
        self.0.set_nonblocking(false).unwrap();
        nothing
    }
}

fn save(unit: Unit) {
    let receipt = unit.receipt.unwrap();
    assert_eq!(receipt.when, crate::source::intake::Settled::Saved);
    (receipt.tell)();
}

fn text(unit: &Unit) -> String {
    let Content::Lines { bytes, .. } = &unit.content else { panic!("{unit:?}") };
    String::from_utf8(bytes.clone()).unwrap()
}

const JSON: &str = "Content-Type: application/json";
const LINES: &str = "Content-Type: application/x-ndjson";

#[test]
fn a_batch_is_answered_once_it_is_saved_and_each_has_a_stream_of_its_own() {
    let rig = Rig::new(Listen::Http(http()), QUEUE);
    let asked = rig.post(JSON, b"[{\"a\":1},\n{\"a\":2}]");
    let unit = rig.unit();
    assert_eq!(text(&unit), "{\"a\":1}\n{\"a\":2}\n");
    assert!(unit.moves.is_none() && asked.waits());
    let first = unit.stream;
    save(unit);
    assert_eq!(asked.status(), 200);
    assert!(
        matches!(rig.units.recv_timeout(PATIENCE).unwrap(), Unit { content: Content::End, stream, .. } if stream == first)
    );

    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"one\ntwo").unwrap();
        encoder.finish().unwrap()
    };
    let asked = rig
        .ask("POST / HTTP/1.1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Encoding: gzip", &gzip);
    let unit = rig.unit();
    assert_eq!(text(&unit), "one\ntwo\n");
    assert_ne!(unit.stream, first);
    // The lane gives it up: nothing of it is saved.
    drop(unit);
    let answer = asked.answer();
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    // What holds no line needs no lane.
    assert_eq!(rig.post(LINES, b"\n \n").status(), 200);
    assert_eq!(rig.end(), (vec![], vec![("requests_not_saved", 1)]));
}

#[test]
fn what_cannot_be_taken_says_why_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "a-token-of-the-gateway\n").unwrap();
    let rig = Rig::new(Listen::Http(Http { tokens: Some(tokens), max_batch: 100, ..http() }), QUEUE);
    let good = "Authorization: Bearer a-token-of-the-gateway";
    let bomb = zstd::stream::encode_all(vec![b' '; 1 << 20].as_slice(), 3).unwrap();
    for (head, body, status, field) in [
        ("POST /v1/logs HTTP/1.1".to_owned(), &b"x"[..], 401, "www-authenticate: bearer"),
        (
            "POST /v1/logs HTTP/1.1\r\nAuthorization: Bearer another-token-of-it".to_owned(),
            b"x",
            401,
            "www-authenticate",
        ),
        (format!("GET /v1/logs HTTP/1.1\r\n{good}"), b"", 405, "allow: post"),
        (format!("POST /v2/logs HTTP/1.1\r\n{good}"), b"x", 404, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}"), &[b'x'; 101], 413, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\nContent-Encoding: zstd"), &bomb, 413, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\nContent-Encoding: gzip"), b"x", 400, "text/plain"),
        (
            format!("POST /v1/logs HTTP/1.1\r\n{good}\r\nContent-Encoding: lzma"),
            b"x",
            415,
            "accept-encoding: gzip",
        ),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\nContent-Type: image/png"), b"x", 415, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\n{JSON}"), b"[1]", 400, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\n{JSON}"), b"{\"resourceLogs\":[]}", 415, "text/plain"),
        (format!("POST /v1/logs HTTP/1.1\r\n{good}\r\nIdempotency-Key: "), b"x", 400, "text/plain"),
        (format!("POST /v1/traces HTTP/1.1\r\n{good}\r\n{LINES}"), b"x", 415, "application/x-protobuf"),
    ] {
        let answer = rig.ask(&head, body).answer();
        assert_eq!(answer.status, status, "{head}");
        assert!(answer.head.contains(field), "{head}: {}", answer.head);
    }
    let counts = [("requests_malformed", 9), ("requests_too_large", 2), ("requests_unauthorized", 2)];
    assert_eq!(rig.end(), (vec![], counts.to_vec()));
}

#[test]
fn a_batch_with_a_key_counts_once_however_often_it_comes() {
    let rig = Rig::new(Listen::Http(http()), QUEUE);
    let head = format!("{LINES}\r\nIdempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324");
    let first = rig.post(&head, b"one\n");
    let unit = rig.unit();
    let (name, position) = unit.moves.clone().unwrap();
    assert!(matches!(position, Some(crate::source::intake::Position::Batch(_))));
    assert!(!name.contains("8e03978e"), "the state holds a print of it");
    let second = rig.post(&head, b"one\n");
    assert!(second.waits());
    assert_eq!(rig.post(&head, b"two\n").status(), 422);
    save(unit);
    assert_eq!((first.status(), second.status()), (200, 200));
    assert_eq!(rig.post(&head, b"one\n").status(), 200);

    // One that failed may come again.
    let head = format!("{LINES}\r\nIdempotency-Key: other");
    let lost = rig.post(&head, b"one\n");
    drop(rig.unit());
    assert_eq!(lost.status(), 503);
    let again = rig.post(&head, b"one\n");
    save(rig.unit());
    assert_eq!(again.status(), 200);
    assert_eq!(rig.end().0, Vec::<String>::new());

    // The state knows it after a restart.
    let known = Positions::from([(name.to_string(), position.unwrap())]);
    let rig = Rig::knowing(Listen::Http(http()), QUEUE, known);
    let head = format!("{LINES}\r\nIdempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_eq!(rig.post(&head, b"one\n").status(), 200);
    assert_eq!(rig.end(), (vec![], vec![]));
}

#[test]
fn a_full_lane_and_too_many_requests_are_told_to_wait() {
    let rig = Rig::new(Listen::Http(Http { requests_per_second: 2, ..http() }), 1);
    let taken = rig.post(LINES, b"one\n");
    // The lane holds one unit, and nobody takes it.
    while rig.units.is_empty() {
        std::thread::yield_now();
    }
    let head = format!("{LINES}\r\nIdempotency-Key: a");
    let answer = rig.post(&head, b"two\n").answer();
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert_eq!(rig.post(LINES, b"three\n").answer().status, 429, "the third within a second");
    save(rig.unit());
    assert_eq!(taken.status(), 200);
    let counts = rig.end().1;
    let of = |name: &str| counts.iter().find(|(count, _)| *count == name).map(|(_, more)| *more);
    assert_eq!(of("requests_deferred").unwrap_or_default() + of("requests_limited").unwrap_or_default(), 2);
}

#[test]
fn spans_are_answered_in_their_own_way() {
    let rig = Rig::new(Listen::Http(http()), QUEUE);
    for (media, body, json, expected) in [
        ("application/x-protobuf", &b"\x0a\x00"[..], false, &b""[..]),
        ("application/json", b"{\"resourceSpans\":[]}", true, b"{}"),
    ] {
        let asked = rig.ask(&format!("POST /v1/traces HTTP/1.1\r\nContent-Type: {media}"), body);
        let unit = rig.unit();
        assert!(
            matches!(&unit.content, Content::Otlp { bytes, json: is_json } if bytes == body && *is_json == json)
        );
        save(unit);
        let answer = asked.answer();
        assert_eq!((answer.status, &answer.body[..]), (200, expected));
        assert!(answer.head.contains(&format!("content-type: {media}")), "{}", answer.head);
    }
    // An export without spans.
    let empty = rig.ask("POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf", b"");
    assert_eq!(empty.status(), 200);
    let wrong = rig.ask(
        "POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: gzip",
        b"x",
    );
    let answer = wrong.answer();
    assert_eq!(answer.status, 400);
    assert_eq!(usize::from(answer.body[1]) + 2, answer.body.len(), "a Status with a message");
    assert_eq!(rig.end().1, [("requests_malformed", 1)]);
}

#[test]
fn at_the_end_what_is_on_its_way_is_answered_and_nothing_more_taken() {
    let rig = Rig::new(Listen::Http(http()), QUEUE);
    let mut idle = rig.connect(0);
    let asked = rig.post(LINES, b"one\n");
    let unit = rig.unit();
    rig.stop.store(true, Ordering::Relaxed);
    // The connection that waits is closed, the one that is open is not.
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert!(asked.waits());
    save(unit);
    assert_eq!(asked.status(), 200);
    assert_eq!(rig.end(), (vec![], vec![]));
}

fn envoy() -> EnvoyAls {
    EnvoyAls {
        listen: address(),
        tls: None,
        tokens: None,
        max_message: 100_000,
        connections: Connections::default(),
    }
}

/// A call of a method with these bytes as its stream, which ends behind them or does not; returns the number that it
/// ended with.
fn call(rig: &Rig, method: &str, headers: &[(&str, &str)], chunks: Vec<Vec<u8>>, ends: bool) -> String {
    use http_body_util::{BodyExt as _, channel::Channel};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = TcpStream::connect(rig.addresses[0]).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(connection)).await.unwrap();
        drop(tokio::spawn(connection));
        let (mut feed, body) = Channel::<Bytes, Infallible>::new(1);
        let mut request = hyper::Request::post(format!("http://a{method}")).header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(body).unwrap());
        let feeding = tokio::spawn(async move {
            for chunk in chunks {
                if feed.send_data(chunk.into()).await.is_err() {
                    return;
                }
            }
            if !ends {
                std::future::pending::<()>().await;
            }
        });
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        feeding.abort();
        let head = answer.headers().get("grpc-status").cloned();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap();
        let trailer = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
        match head.or(trailer) {
            Some(number) => number.to_str().unwrap().to_owned(),
            None => format!("HTTP {}", status.as_u16()),
        }
    })
}

const METHOD: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    [&[flags][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[test]
fn messages_of_envoy_are_handed_on_in_order() {
    let rig = Rig::new(Listen::EnvoyAls(envoy()), 1);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"compressed").unwrap();
        encoder.finish().unwrap()
    };
    let mut stream = [framed(0, b"first"), framed(1, &gzip), framed(0, b"")].concat();
    // More than fits into the windows of HTTP/2.
    for number in 0..100_u8 {
        stream.extend(framed(0, &vec![number; 50_000]));
    }
    let units = rig.units.clone();
    let lane = std::thread::spawn(move || {
        let mut contents = Vec::new();
        let mut streams = std::collections::BTreeSet::new();
        loop {
            let unit = units.recv_timeout(PATIENCE).unwrap();
            streams.insert(unit.stream);
            match unit.content {
                Content::AccessLogService(message) => contents.push(message),
                Content::End => return (contents, streams.len()),
                other => panic!("{other:?}"),
            }
        }
    });
    let chunks = stream.chunks(7_777).map(<[u8]>::to_vec).collect();
    assert_eq!(call(&rig, METHOD, &[GRPC, ("grpc-encoding", "gzip")], chunks, true), "0");
    let (contents, streams) = lane.join().unwrap();
    assert_eq!(streams, 1);
    assert_eq!(contents[..3], [b"first".to_vec(), b"compressed".to_vec(), b"".to_vec()]);
    assert_eq!(contents.len(), 103);
    assert!(contents[3..].iter().zip(0..).all(|(message, number)| *message == vec![number; 50_000]));
    assert_eq!(rig.end().1, []);
}

#[test]
fn what_is_no_call_of_the_service_is_refused_as_grpc_does() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "a-token-of-the-gateway\n").unwrap();
    let rig = Rig::new(Listen::EnvoyAls(EnvoyAls { tokens: Some(tokens), ..envoy() }), QUEUE);
    let token = ("authorization", "Bearer a-token-of-the-gateway");
    let bomb = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    let ok = framed(0, b"x");
    for (method, headers, stream, expected) in [
        (METHOD, vec![GRPC, token], ok.clone(), "0"),
        (METHOD, vec![GRPC], ok.clone(), "16"),
        ("/grpc.health.v1.Health/Check", vec![GRPC, token], ok.clone(), "12"),
        (METHOD, vec![GRPC, token, ("grpc-encoding", "zstd")], ok.clone(), "12"),
        (METHOD, vec![("content-type", "application/json"), token], ok.clone(), "HTTP 415"),
        (METHOD, vec![GRPC, token], vec![0, 0, 1, 0x86, 0xa1], "8"),
        (METHOD, vec![GRPC, token, ("grpc-encoding", "gzip")], framed(1, &bomb), "8"),
        (METHOD, vec![GRPC, token, ("grpc-encoding", "gzip")], framed(1, b"plain"), "13"),
        (METHOD, vec![GRPC, token], framed(1, b"x"), "13"),
        (METHOD, vec![GRPC, token], vec![0, 0, 0, 0, 9, 1], "13"),
    ] {
        assert_eq!(call(&rig, method, &headers, vec![stream], true), expected, "{method} {headers:?}");
    }
    assert_eq!(rig.end().1, [("calls_broken", 5), ("calls_refused", 4)]);
}

#[test]
fn a_stream_of_envoy_that_stands_is_told_of_the_end() {
    let rig = Rig::new(Listen::EnvoyAls(envoy()), QUEUE);
    let stop = Arc::clone(&rig.stop);
    let units = rig.units.clone();
    let lane = std::thread::spawn(move || {
        units.recv_timeout(PATIENCE).unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(call(&rig, METHOD, &[GRPC], vec![framed(0, b"x"), vec![0, 0, 0]], false), "14");
    lane.join().unwrap();
    assert_eq!(rig.end().1, []);
}
