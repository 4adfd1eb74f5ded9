//! Logs that clients push to a sensor: syslog, HTTP, Envoy's access log service, as their senders send them.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests, which do not wait for ever"
)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a sensor's file, state and lake.
struct Place {
    folder: tempfile::TempDir,
}

/// A sensor that runs.
struct Sensor {
    child: Child,
    log: PathBuf,
}

impl Place {
    fn new(access_logs: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        // The sensor may give up root.
        for name in ["", "state", "lake"] {
            let folder = place.path(name);
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let made =
            common::spanlight(place.folder.path()).args(["key", "new"]).arg(place.path("key")).output();
        assert!(made.unwrap().status.success());
        let text = format!(
            "sensor: test\nstate: state\nkey: key\ninterval_secs: 1\nlake: {{path: lake, roll_secs: 1}}\naccess_logs:\n{access_logs}"
        );
        fs::write(place.path("spanlight.yaml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the sensor and waits until it runs.
    fn start(&self) -> Sensor {
        let log = self.path("log");
        let mut command = common::spanlight(self.folder.path());
        command.args(["watch", "--quiet"]).arg(self.path("spanlight.yaml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let sensor = Sensor { child: command.spawn().unwrap(), log };
        await_that("the sensor runs", || sensor.told().contains("locked in"));
        sensor
    }

    /// How often each endpoint was called, by the lake.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut command = common::spanlight(self.folder.path());
        let output =
            command.args(["inventory", "--json", "--all", "--lake"]).arg(self.path("lake")).output().unwrap();
        let endpoint = |line: &serde_json::Value| {
            let path = line["path_template"].as_str().unwrap();
            (format!("{} {path}", line["method"].as_str().unwrap()), line["count"].as_u64().unwrap())
        };
        common::lines(&common::stdout(&output)).iter().map(endpoint).collect()
    }

    /// Waits until the lake holds this.
    fn await_counts(&self, expected: &[(&str, u64)]) {
        let expected: BTreeMap<String, u64> =
            expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let began = Instant::now();
        loop {
            let counts = self.counts();
            if counts == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{counts:?} is not {expected:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Sensor {
    fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The ports of a source, in the order of its ways in.
    fn ports(&self, source: &str) -> Vec<u16> {
        let told = self.told();
        let line = told.lines().find(|line| line.contains(&format!("log={source} at="))).unwrap();
        let addresses = line.split_once(" at=").unwrap().1;
        addresses
            .split_whitespace()
            .map(|address| address.rsplit_once(':').unwrap().1.parse().unwrap())
            .collect()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.told());
        self.told()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn await_that(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lines in the combined format.
fn combined(path: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        let second = number % 60;
        writeln!(
            lines,
            "10.0.0.1 - - [26/Nov/2026:10:00:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"a\""
        )
        .unwrap();
        lines
    })
}

/// The status that a request gets.
fn post(port: u16, path: &str, head: &str, body: &str) -> u16 {
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(client, "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_was_answered_with_success_is_there_after_a_kill_and_counts_once() {
    let place = Place::new("  - {name: push, http: {listen: '127.0.0.1:0'}}\n");
    let sensor = place.start();
    let port = sensor.ports("push")[0];
    let text = "Content-Type: text/plain\r\nIdempotency-Key: 0b7e3c1e-first";
    assert_eq!(post(port, "/v1/logs", text, &combined("/accounts", 5)), 200);
    let json = r#"[
        {"time": "2026-11-26T10:00:00Z", "method": "PUT", "uri": "/cards", "status": 204},
        {"time": "2026-11-26T10:00:01Z", "method": "PUT", "uri": "/cards", "status": 204}
    ]"#;
    assert_eq!(post(port, "/v1/logs", "Content-Type: application/json", json), 200);
    let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "kind":2,"startTimeUnixNano":"1795687200000000000","endTimeUnixNano":"1795687200015000000","attributes":[
            {"key":"http.request.method","value":{"stringValue":"DELETE"}},
            {"key":"url.path","value":{"stringValue":"/loans"}},
            {"key":"http.response.status_code","value":{"intValue":"200"}}]}]}]}]}"#;
    assert_eq!(post(port, "/v1/traces", "Content-Type: application/json", spans), 200);
    sensor.kill();

    let sensor = place.start();
    let port = sensor.ports("push")[0];
    assert_eq!(post(port, "/v1/logs", text, &combined("/accounts", 5)), 200, "it is known");
    assert_eq!(post(port, "/v1/logs", text, &combined("/accounts", 6)), 422, "another one is not");
    let next = "Content-Type: text/plain\r\nIdempotency-Key: 0b7e3c1e-second";
    assert_eq!(post(port, "/", next, &combined("/accounts", 2)), 200);
    sensor.stop();
    place.await_counts(&[("DELETE /loans", 1), ("GET /accounts", 7), ("PUT /cards", 2)]);
}

/// Certificates of a little authority, as files in a folder.
struct Authority {
    folder: PathBuf,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    /// Writes `NAME-ca.pem`.
    fn new(folder: &Path, name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let root = params.self_signed(&key).unwrap();
        fs::write(folder.join(format!("{name}-ca.pem")), root.pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: rcgen::Issuer::new(params, key) }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params =
            rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(self.folder.join(format!("{name}.key")), readable).unwrap();
    }
}

/// Whether a program is here. Root can install it (`tests/live/prerequisites.sh`), so that for root it must be.
fn has(program: &str) -> bool {
    let has = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    assert!(has || !is_root, "{program} is missing: run tests/live/prerequisites.sh");
    if !has {
        eprintln!("NOT TESTED: {program} is not installed");
    }
    has
}

#[test]
fn curl_is_served_over_tls_with_tokens_and_certificates() {
    if !has("curl") {
        return;
    }
    let place = Place::new(
        "  - name: push
    http:
      listen: 127.0.0.1:0
      tokens: tokens
      max_batch_kib: 64
      tls: {certificate: server.pem, key: server.key, client_ca: one-ca.pem}
  - name: few
    http: {listen: '127.0.0.1:0', max_requests_per_second: 1}
",
    );
    let (one, other) =
        (Authority::new(place.folder.path(), "one"), Authority::new(place.folder.path(), "other"));
    one.issue("server");
    one.issue("client");
    fs::write(place.path("tokens"), "a-token-of-the-gateway\n").unwrap();
    fs::write(place.path("lines"), combined("/accounts", 3)).unwrap();
    fs::write(place.path("large"), combined("/accounts", 3_000)).unwrap();
    let sensor = place.start();
    let url = format!("https://localhost:{}/v1/logs", sensor.ports("push")[0]);
    let curl = |words: &str| {
        let mut command = Command::new("curl");
        command.current_dir(place.folder.path());
        command.args([
            "--silent",
            "--show-error",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} %{http_version}",
        ]);
        command
            .args(["--max-time", "30", "--header", "Content-Type: text/plain"])
            .args(words.split_whitespace());
        let output = command.output().unwrap();
        output.status.success().then(|| common::stdout(&output))
    };
    let known = "--cert client.pem --key client.key --cacert";
    let token = "--oauth2-bearer a-token-of-the-gateway";
    let lines = "--data-binary @lines";
    let answered = |answer: &str| Some(answer.to_owned());
    assert_eq!(curl(&format!("{url} {known} one-ca.pem {token} {lines} --http2")), answered("200 2"));
    assert_eq!(
        curl(&format!("{url} {known} one-ca.pem {token} {lines} --http1.1 --tls-max 1.2")),
        answered("200 1.1")
    );
    assert_eq!(curl(&format!("{url} {known} one-ca.pem --oauth2-bearer another {lines}")), answered("401 2"));
    assert_eq!(curl(&format!("{url} {known} one-ca.pem {token} --data-binary @large")), answered("413 2"));
    assert_eq!(curl(&format!("{url} --cacert one-ca.pem {token} {lines}")), None, "without a certificate");

    // A new certificate of another authority, while the sensor runs; a bad one changes nothing.
    fs::write(place.path("server.pem"), "no certificate\n").unwrap();
    sensor.signal("HUP");
    await_that("a bad certificate is told", || sensor.told().contains("the old one stays"));
    assert_eq!(curl(&format!("{url} {known} one-ca.pem {token} {lines}")), answered("200 2"));
    other.issue("server");
    await_that("the new certificate is read", || sensor.told().contains("certificate read again"));
    assert_eq!(curl(&format!("{url} {known} one-ca.pem {token} {lines}")), None, "the old authority");
    assert_eq!(curl(&format!("{url} {known} other-ca.pem {token} {lines}")), answered("200 2"));

    let url = format!("http://localhost:{}/v1/logs", sensor.ports("few")[0]);
    let answers: Vec<_> = (0..3).map(|_| curl(&format!("{url} {lines}")).unwrap()).collect();
    let counted = answers.iter().filter(|answer| *answer == "200 1.1").count();
    assert!((1..=2).contains(&counted) && answers.iter().any(|answer| answer == "429 1.1"), "{answers:?}");
    let told = sensor.stop();
    assert!(!told.contains("a-token-of-the-gateway") && !told.contains("/accounts"), "{told}");
    let calls = 3 * (4 + u64::try_from(counted).unwrap());
    place.await_counts(&[("GET /accounts", calls)]);
}

#[test]
fn rsyslog_over_tls_and_logger_lose_nothing() {
    if !has("rsyslogd") || !has("logger") {
        return;
    }
    let place = Place::new(
        "  - name: sys
    syslog:
      udp: 127.0.0.1:0
      tcp: 127.0.0.1:0
      tcp_tls: 127.0.0.1:0
      tls: {certificate: server.pem, key: server.key, client_ca: one-ca.pem}
",
    );
    let authority = Authority::new(place.folder.path(), "one");
    authority.issue("server");
    authority.issue("client");
    let sensor = place.start();
    let [udp, tcp, tls] = sensor.ports("sys")[..] else { panic!("three ports") };

    // Each line through rsyslog, which reads a log of nginx and sends it on with TLS and counted octets.
    fs::write(place.path("access.log"), combined("/rsyslog", 3_000)).unwrap();
    let folder = place.folder.path().display();
    let text = format!(
        "global(workDirectory=\"{folder}\" defaultNetstreamDriverCAFile=\"{folder}/one-ca.pem\"
    defaultNetstreamDriverCertFile=\"{folder}/client.pem\" defaultNetstreamDriverKeyFile=\"{folder}/client.key\")
module(load=\"imfile\")
input(type=\"imfile\" file=\"{folder}/access.log\" tag=\"nginx:\")
action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tls}\" protocol=\"tcp\" tcp_framing=\"octet-counted\"
    template=\"RSYSLOG_SyslogProtocol23Format\" streamDriver=\"gtls\" streamDriverMode=\"1\"
    streamDriverAuthMode=\"x509/name\" streamDriverPermittedPeers=\"localhost\")
action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tcp}\" protocol=\"tcp\" template=\"RSYSLOG_ForwardFormat\")
"
    );
    fs::write(place.path("rsyslog.conf"), text).unwrap();
    let mut rsyslog = Command::new("/usr/sbin/rsyslogd");
    rsyslog.arg("-n").arg("-f").arg(place.path("rsyslog.conf")).arg("-i").arg(place.path("pid"));
    let told = fs::File::create(place.path("rsyslog.log")).unwrap();
    rsyslog.stdout(told.try_clone().unwrap()).stderr(told);
    let mut rsyslog = rsyslog.spawn().unwrap();

    fs::write(place.path("lines"), combined("/logger", 20)).unwrap();
    for words in [
        format!("--port {tcp} --tcp --octet-count"),
        format!("--port {tcp} --tcp --rfc3164 --tag nginx"),
        format!("--port {udp} --udp --rfc5424 --tag nginx"),
        format!("--port {udp} --udp --rfc3164 --tag nginx"),
    ] {
        let mut logger = Command::new("logger");
        logger.args(["--server", "127.0.0.1"]).args(words.split(' ')).arg("--file").arg(place.path("lines"));
        assert!(logger.status().unwrap().success(), "{words}");
    }
    // Those through rsyslog come twice: over TLS, and over TCP with lines.
    let expected = [("GET /logger", 80), ("GET /rsyslog", 6_000)];
    place.await_counts(&expected);
    drop(rsyslog.kill());
    drop(rsyslog.wait());
    sensor.stop();
    place.await_counts(&expected);
}

/// A field of protobuf whose value is bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}

#[test]
fn what_envoy_streams_is_counted() {
    use http_body_util::{BodyExt as _, Full};
    let place = Place::new("  - {name: mesh, vantage: edge, envoy_als: {listen: '127.0.0.1:0'}}\n");
    let sensor = place.start();
    let port = sensor.ports("mesh")[0];
    // `HTTPAccessLogEntry`: start time, HTTP/1.1, GET of a path, 200.
    let entry = [
        field(1, &field(5, &[0x08, 0x80, 0xb0, 0x9f, 0xd8, 0x06])),
        vec![0x10, 2],
        field(3, &[&[0x08, 1][..], &field(3, b"shop"), &field(5, b"/orders")].concat()),
        field(4, &field(1, &[0x08, 0xc8, 0x01])),
    ]
    .concat();
    let message = |entries: usize| {
        let entries: Vec<u8> = (0..entries).flat_map(|_| field(1, &entry)).collect();
        let message = field(2, &entries);
        [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()], &message[..]].concat()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let connection = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let io = hyper_util::rt::TokioIo::new(connection);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        drop(tokio::spawn(connection));
        let method = "envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";
        let request = hyper::Request::post(format!("http://a/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(hyper::body::Bytes::from([message(1), message(2)].concat())))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        answer.trailers().unwrap()["grpc-status"].clone()
    });
    assert_eq!(status, "0");
    sensor.stop();
    place.await_counts(&[("GET /orders", 3)]);
}
