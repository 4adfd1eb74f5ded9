//! The recording aids of `deploy/logs`, in the real servers where there are any: each line is read, and tells what it should.
//!
//! nginx and HAProxy are there when `tests/live/prerequisites.sh` could install them, which it does for root; then a missing
//! one fails. Without root the test says so and passes. Envoy's format is filled in with what its documentation says.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that cannot go on is a failed test")]

mod common;

use common::{analyze, lines, stderr, stdout};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SECRETS: [&str; 7] = ["tok3n", "qu3ry", "c0de", "k3y", "c00kie", "rawcr3dential", "192.0.2.44"];

fn aid(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/logs").join(name)
}

/// Whether a program is there. As root it must be.
fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = path.split(':').any(|folder| Path::new(folder).join(program).is_file());
    let id = Command::new("id").arg("-u").output().unwrap();
    assert!(found || id.stdout != b"0\n", "{program} is missing: tests/live/prerequisites.sh installs it");
    if !found {
        eprintln!("skipped: {program} is missing");
    }
    found
}

/// Ports that nobody listens on.
fn ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A server that is stopped when the test ends.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, port: u16) -> Self {
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let server = Self(command.env("PATH", path).spawn().unwrap());
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{command:?} does not listen on {port}");
    }

    /// Ends it in good order, so that its log is whole.
    fn stop(mut self) {
        Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let gone = self.0.try_wait().is_ok_and(|status| status.is_some());
        if !gone {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}

/// Certificates of a server and a client, made for the test.
fn certificates(folder: &Path) {
    let openssl = |args: &str| {
        let status = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "openssl {args}");
    };
    for (name, subject) in [("server", "/CN=api.bank.example"), ("client", "/C=GB/O=Budget/CN=tpp.example")] {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj {subject} -keyout {name}.key -out {name}.crt"
        ));
    }
    let both = ["server.crt", "server.key"].map(|name| fs::read(folder.join(name)).unwrap()).concat();
    fs::write(folder.join("server.pem"), both).unwrap();
}

/// Makes the same calls whatever the server: in the clear, behind TLS with a client certificate, and what is no HTTP.
fn call(folder: &Path, plain: u16, tls: u16) {
    let curl = |args: &[&str]| {
        let output = Command::new("curl")
            .args(["-sk", "-m", "10", "-o", "/dev/null"])
            .args(args)
            .current_dir(folder)
            .output();
        assert!(output.unwrap().status.success(), "curl {args:?}");
    };
    curl(&[
        &format!("http://127.0.0.1:{plain}/v1/accounts/17?access_token=qu3ry&page=2&code=c0de"),
        "-HHost: api.bank.example",
        "-HAuthorization: Bearer tok3n",
        "-Hx-api-key: k3y",
        "-HCookie: theme=dark; JSESSIONID=c00kie",
        "-HPSU-IP-Address: 192.0.2.44",
        "-Hx-fapi-interaction-id: 93bac548-d2de-4546-b106-880a5018460d",
        "-Htraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "-HX-Forwarded-For: 198.51.100.7",
        "-Aan \"agent\" of \\ours",
    ]);
    let service = format!("api.bank.example:{tls}:127.0.0.1");
    let url = format!("https://api.bank.example:{tls}/v1/payments");
    curl(&[
        "--resolve",
        &service,
        &url,
        "--cert",
        "client.crt",
        "--key",
        "client.key",
        "--json",
        "{\"a\":1}",
    ]);
    curl(&["--resolve", &service, &url, "-HAuthorization: rawcr3dential", "-XOPTIONS"]);
    let mut stream = TcpStream::connect(("127.0.0.1", plain)).unwrap();
    stream.write_all(b"NONSENSE\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).ok();
}

/// The rows of a log, all of whose lines must be read, and its endpoints.
fn read(folder: &Path, log: &Path) -> (Vec<Value>, Vec<Value>) {
    let text = fs::read_to_string(log).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let log = log.to_str().unwrap();
    let output = |option: &str| {
        let output = analyze(folder, &[log, option, "-"]);
        assert!(!stderr(&output).contains("log: line"), "a line is not read: {}\n{text}", stderr(&output));
        lines(&stdout(&output))
    };
    let rows = output("--transactions");
    assert_eq!(rows.len(), text.lines().count(), "each line is an exchange: {text}");
    (rows, output("--inventory"))
}

/// What the calls of [`call`] must look like, whatever the server.
fn assert_told(rows: &[Value], endpoints: &[Value]) {
    let told = |row: &Value| {
        json!([
            row["method"],
            row["host"],
            row["path"],
            row["status"],
            row["request_body_len"],
            row["client"]
        ])
    };
    let host = "api.bank.example";
    let wanted = [
        json!(["GET", host, "/v1/accounts/{accountId}", 200, 0, "127.0.0.1"]),
        json!(["POST", host, "/v1/payments", 200, 7, "127.0.0.1"]),
        json!(["OPTIONS", host, "/v1/payments", 200, 0, "127.0.0.1"]),
        json!([null, null, null, 400, 0, "127.0.0.1"]),
    ];
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), wanted);
    assert!(rows.iter().take(3).all(|row| row["response_content_type"] == "application/json"), "{rows:#?}");
    let schemes = |method: &str| -> Vec<String> {
        let endpoint = endpoints.iter().find(|row| row["method"] == method).unwrap();
        let auth = endpoint["auth"].as_array().unwrap();
        auth.iter().map(|scheme| scheme["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(schemes("GET"), ["bearer", "api_key", "cookie"]);
    assert_eq!(schemes("POST"), ["mutual_tls"]);
}

#[test]
fn nginx_writes_what_is_read_and_no_secret() {
    if !has("nginx") || !has("curl") || !has("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    certificates(at);
    let [plain, tls] = ports();
    // As Kong includes it: among the directives of `http`, before its servers.
    let settings = format!(
        "daemon off; pid nginx.pid; error_log error.log; worker_processes 1; {} events {{ }} http {{ include {}; \
         client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; \
         access_log json.log spanlight; access_log combined.log spanlight_combined; \
         server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl; ssl_certificate server.crt; \
         ssl_certificate_key server.key; ssl_client_certificate client.crt; ssl_verify_client optional; default_type application/json; return 200 '{{}}'; }} }}",
        if at.metadata().is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0) {
            "user root;"
        } else {
            ""
        },
        aid("nginx.conf").display(),
    );
    fs::write(at.join("nginx.conf"), settings).unwrap();
    let nginx = Server::start(
        Command::new("nginx").arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf")).stderr(Stdio::null()),
        plain,
    );
    call(at, plain, tls);
    nginx.stop();
    for log in ["json.log", "combined.log"] {
        let (rows, endpoints) = read(at, &at.join(log));
        assert_told(&rows, &endpoints);
    }
}

#[test]
fn haproxy_writes_what_is_read_and_no_secret() {
    if !has("haproxy") || !has("curl") || !has("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    certificates(at);
    let [plain, tls] = ports();
    let settings = format!(
        "global\n    log stdout len 8192 format raw local0\ndefaults\n    mode http\nfrontend api from spanlight\n    log global\n    \
         bind 127.0.0.1:{plain}\n    bind 127.0.0.1:{tls} ssl crt {} ca-file {} verify optional crt-ignore-err all ca-ignore-err all\n    \
         http-request set-var(txn.sl_answer_media) str(application/json)\n    \
         http-request return status 200 content-type application/json string \"{{}}\"\n",
        at.join("server.pem").display(),
        at.join("client.crt").display(),
    );
    fs::write(at.join("haproxy.cfg"), settings).unwrap();
    let log = at.join("haproxy.log");
    let haproxy = Server::start(
        Command::new("haproxy")
            .arg("-f")
            .arg(aid("haproxy.cfg"))
            .arg("-f")
            .arg(at.join("haproxy.cfg"))
            .stdout(fs::File::create(&log).unwrap())
            .stderr(Stdio::null()),
        plain,
    );
    call(at, plain, tls);
    haproxy.stop();
    let (rows, endpoints) = read(at, &log);
    assert_told(&rows, &endpoints);
}

/// What an operator gives, as Envoy's documentation has it: numbers bare, the rest as text.
fn given(operator: &str) -> Value {
    match operator {
        "%START_TIME%" => json!("2026-04-15T00:00:06.672Z"),
        "%REQ(:METHOD)%" => json!("POST"),
        "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%" => json!("/v1/payments?page=2"),
        "%PROTOCOL%" => json!("HTTP/2"),
        "%REQ(:AUTHORITY)%" | "%REQUESTED_SERVER_NAME%" => json!("api.bank.example"),
        "%REQ(:SCHEME)%" => json!("https"),
        "%RESPONSE_CODE%" => json!(201),
        "%BYTES_RECEIVED%" => json!(7),
        "%BYTES_SENT%" => json!(56),
        "%DURATION%" => json!(15),
        "%DOWNSTREAM_REMOTE_ADDRESS%" => json!("198.51.100.7:0"),
        "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%" => json!("10.0.0.9:41000"),
        "%DOWNSTREAM_LOCAL_ADDRESS%" => json!("10.0.0.1:8443"),
        "%REQ(X-FORWARDED-FOR)%" => json!("198.51.100.7"),
        "%DOWNSTREAM_TLS_VERSION%" => json!("TLSv1.3"),
        "%DOWNSTREAM_TLS_CIPHER%" => json!("TLS_AES_256_GCM_SHA384"),
        "%DOWNSTREAM_PEER_SUBJECT%" => json!("CN=tpp.example,O=Budget,C=GB"),
        "%DOWNSTREAM_PEER_ISSUER%" => json!("CN=ca.example"),
        "%DOWNSTREAM_PEER_SERIAL%" => json!("1f"),
        "%RESP(CONTENT-TYPE)%" | "%REQ(CONTENT-TYPE)%" => json!("application/json"),
        "%RESPONSE_FLAGS%" => json!("-"),
        header if header.starts_with("%REQ(") || header.starts_with("%RESP(") => Value::Null,
        other => panic!("an operator that is not told of here: {other}"),
    }
}

#[test]
fn what_envoys_format_makes_is_read() {
    let settings: Value = serde_norway::from_str(&fs::read_to_string(aid("envoy.yaml")).unwrap()).unwrap();
    let format = settings["access_log"][0]["typed_config"]["log_format"]["json_format"].as_object().unwrap();
    let filled: serde_json::Map<_, _> = format
        .iter()
        .map(|(name, operator)| (name.clone(), given(operator.as_str().unwrap())))
        .filter(|(_, value)| !value.is_null())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("envoy.log");
    fs::write(&log, format!("{}\n", Value::Object(filled))).unwrap();
    let (rows, endpoints) = read(folder.path(), &log);
    let row = rows.first().unwrap();
    for (name, value) in [
        ("method", json!("POST")),
        ("host", json!("api.bank.example")),
        ("path", json!("/v1/payments")),
        ("status", json!(201)),
        ("protocol", json!("HTTP/2")),
        ("request_body_len", json!(7)),
        ("response_body_len", json!(56)),
        ("latency_us", json!(15_000)),
        ("server", json!("10.0.0.1:8443")),
        ("response_content_type", json!("application/json")),
        ("started", json!("2026-04-15T00:00:06.672Z")),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    assert_eq!(endpoints.first().unwrap()["auth"], json!([{"name": "mutual_tls", "count": 1}]));
}
