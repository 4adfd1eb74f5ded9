//! `spanlight.yaml`: what a sensor is told, and what that comes to.
//!
//! ```text
//!  file ─▶ read: a tree, each key held against the known ones ─▶ Config ─▶ settings: rules ─▶ Settings
//!                    └───────────── every problem, with line, key and rule ─────┘
//! ```
//!
//! [`Config`] mirrors the file: each key with its default, right for a first run. [`Settings`] can only be made
//! from a [`Config`] that makes sense. All problems are told at once; a file with one problem gives no settings
//! at all, so that a running sensor goes on with those it has.

mod pull;
mod read;
mod settings;

pub(crate) use settings::sensor_name;
pub use settings::{AccessLog, Difference, Interface, Lake, Log, Privileges, Settings, WayIn};

use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// The file. Relative paths are relative to its folder. A key without a value has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The sensor's name in the lake: 1 to 64 letters, digits, `.`, `_` and `-`. By default the name of the
    /// host, with what does not fit replaced. Two sensors that write into one lake need two names.
    pub sensor: Option<String>,
    /// The folder of what was learnt, from which the sensor goes on after a restart. Some hundred bytes for each
    /// path, caller and field that was learnt.
    pub state: PathBuf,
    /// The key under which callers are fingerprinted, from `spanlight key new`; one for a fleet. By default one is
    /// made in the state folder.
    pub key: Option<PathBuf>,
    /// How often what was learnt is saved, in seconds: as much is lost when the sensor is killed. Less writes
    /// the state more often.
    pub interval_secs: u64,
    /// Whether bodies are inspected. Without them nothing is known of data classes and of drift, and a core does
    /// about twice the traffic.
    pub bodies: bool,
    /// OpenAPI documents to compare with: files, or folders searched for YAML and JSON.
    pub specs: Vec<PathBuf>,
    /// Descriptors of gRPC services, which are documents too: descriptor sets, `.proto` sources, or folders searched for both.
    pub descriptors: Vec<PathBuf>,
    /// A file of what operators have decided on path templates: `pin`, `split`, `merge`, `name`. It goes before what is
    /// learnt and behind the documents.
    pub templates: Option<PathBuf>,
    /// A file of who owns which service, and what is agreed on it. What it does not name is a finding then.
    pub ownership: Option<PathBuf>,
    /// A file of what people have decided on findings: what is acknowledged, accepted until a day, or a false positive.
    pub dispositions: Option<PathBuf>,
    /// Files of signatures beside the built-in ones, which they replace by id. Each costs a little of every value.
    pub signatures: Vec<PathBuf>,
    /// Proxies, or networks of them, whose word on their client is believed: an address, or `10.0.0.0/8`. Without any the
    /// client is whoever holds the socket, and whoever forwards a certificate is believed.
    pub trusted_proxies: Vec<String>,
    /// Places that traffic is seen at, the outermost first, as `interfaces` and `access_logs` name them with `vantage`: a call
    /// that is seen at several is one exchange. Those that are not named here come behind, in the order of the file.
    pub vantages: Vec<String>,
    /// Where packets come from.
    pub interfaces: Vec<InterfaceConfig>,
    /// Where logs of what terminates TLS come from.
    pub access_logs: Vec<AccessLogConfig>,
    /// Logs of TLS secrets that clients, servers and proxies write: with them TLS is read.
    pub keylogs: Vec<KeyLogConfig>,
    /// How packets are captured.
    pub capture: CaptureConfig,
    /// Where results go.
    pub lake: LakeConfig,
    /// Bounds on what traffic can make the sensor keep.
    pub limits: LimitsConfig,
    /// Figures about the sensor, for Prometheus.
    pub metrics: MetricsConfig,
    /// What the process may still do once it captures.
    pub privileges: PrivilegesConfig,
    /// What is told on standard error.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sensor: None,
            state: PathBuf::from("/var/lib/spanlight/state"),
            key: None,
            interval_secs: 10,
            bodies: true,
            specs: Vec::new(),
            descriptors: Vec::new(),
            templates: None,
            ownership: None,
            dispositions: None,
            signatures: Vec::new(),
            trusted_proxies: Vec::new(),
            vantages: Vec::new(),
            interfaces: Vec::new(),
            access_logs: Vec::new(),
            keylogs: Vec::new(),
            capture: CaptureConfig::default(),
            lake: LakeConfig::default(),
            limits: LimitsConfig::default(),
            metrics: MetricsConfig::default(),
            privileges: PrivilegesConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// An item of `interfaces:`: a map for what differs from `capture:`, or in the file a name alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InterfaceConfig {
    /// The name, as `ip link` shows it.
    pub name: String,
    /// A BPF filter in place of `capture.filter`.
    pub filter: Option<String>,
    /// In place of `capture.snaplen`.
    pub snaplen: Option<u64>,
    /// In place of `capture.promiscuous`.
    pub promiscuous: Option<bool>,
    /// In place of `capture.ring_mib`.
    pub ring_mib: Option<u64>,
    /// Where on the way of a call it sees traffic, such as `edge`, `gateway` or `service`.
    pub vantage: Option<String>,
}

impl InterfaceConfig {
    /// An interface of which all is as `capture:` says.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// An item of `access_logs:`: a map, or in the file the path of a log alone. It names one way in: `files`, `stdin`,
/// `syslog`, `http`, `envoy_als`, `kafka` or `s3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Its name in `capture`, in the state and in messages; by default that of what is read. Under another name all is
    /// read again.
    pub name: Option<String>,
    /// Where on the way of a call it is written, such as `edge`, `gateway` or `service`.
    pub vantage: Option<String>,
    /// The format of its lines, as `--log-format` takes it; by default it is told by content.
    pub format: Option<String>,
    /// Presets of your own: YAML files, and folders of them.
    pub presets: Vec<PathBuf>,
    /// The zone of times that name none, such as `+02:00`; by default UTC.
    pub zone: Option<String>,
    /// Files, folders, and patterns with `*`, `?` and `[…]`. Each is followed through rotation.
    pub files: Vec<PathBuf>,
    /// Whether standard input is read.
    pub stdin: bool,
    /// Topics of Kafka.
    pub kafka: KafkaConfig,
    /// Objects of a bucket of S3, or of what speaks like it.
    pub s3: S3Config,
    /// Where what is there at the very first start is read from.
    pub from: From,
    /// Where syslog comes in.
    pub syslog: SyslogConfig,
    /// Where batches of lines and of spans come in over HTTP.
    pub http: HttpConfig,
    /// Where Envoy's access log service comes in.
    pub envoy_als: EnvoyAlsConfig,
}

/// The `kafka:` section of a log. Each value of a record is a line or several, or an export of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to begin with, as `HOST:PORT`; they name the others.
    pub brokers: Vec<String>,
    /// Further ports that brokers have: the sandbox allows connections to these and those of `brokers`.
    pub ports: Vec<u16>,
    /// The topics.
    pub topics: Vec<String>,
    /// The consumer group, by default `spanlight`. Sensors of one group share the topics.
    pub group: Option<String>,
    /// A name of this member that stays (`group.instance.id`): a sensor that was killed goes on at once, where others wait
    /// until the group has given up the dead one.
    pub instance: Option<String>,
    /// When the group's offsets are committed.
    pub commit: Commit,
    /// Whether brokers are reached over TLS.
    pub tls: bool,
    /// A file of authorities to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// A file of the certificate to show, when brokers ask for one.
    pub cert: Option<PathBuf>,
    /// A file of its key.
    pub cert_key: Option<PathBuf>,
    /// The user's name, when brokers ask for it.
    pub user: Option<String>,
    /// A file of the password.
    pub password_file: Option<PathBuf>,
    /// How the password is shown.
    pub mechanism: Mechanism,
}

/// When the offset of what was read is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// Once the lake has it; without a lake, once the state has it.
    #[default]
    Lake,
    /// Once the state has it: when sensors share topics, less is read twice.
    State,
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// As it is: over TLS only.
    Plain,
    /// By a proof with SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// By a proof with SHA-512.
    #[default]
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// The `s3:` section of a log. Each object is a log, compressed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The bucket.
    pub bucket: Option<String>,
    /// What keys begin with; by default all objects are read.
    pub prefix: String,
    /// The region, by default that of `AWS_REGION`.
    pub region: Option<String>,
    /// The server's URL, when it is not Amazon's. One with `http:` is reached without TLS.
    pub endpoint: Option<String>,
    /// A file of authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// The id of a key. By default the environment says who we are, as for Amazon's own tools: a key, a web identity, the
    /// role of the container or the machine.
    pub access_key_id: Option<String>,
    /// A file of its secret.
    pub secret_access_key_file: Option<PathBuf>,
    /// Whether the bucket is open to all, and no key is shown.
    pub anonymous: bool,
    /// How often new objects are looked for, in seconds, by default 60. Each time all keys are listed, a thousand a request.
    pub poll_secs: Option<u64>,
}

impl AccessLogConfig {
    /// A log of which all is by default.
    #[must_use]
    pub fn of_file(path: String) -> Self {
        Self { files: vec![path.into()], ..Self::default() }
    }
}

/// An item of `keylogs:`: a map with one of `file` and `socket`, or in the file the path of a file alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLogConfig {
    /// A file in the format of `SSLKEYLOGFILE`, which is followed as it grows and through rotation. It need not be there
    /// yet; its folder must.
    pub file: Option<PathBuf>,
    /// A Unix socket that is made there, to which agents write the same lines.
    pub socket: Option<PathBuf>,
    /// The users that may write to the socket, by name or number, beside root and the sensor's own. By default
    /// all that its mode lets connect.
    #[serde(deserialize_with = "names_or_numbers")]
    pub users: Vec<String>,
    /// The mode of the socket, by default `0600`, and `0666` when `users` are named.
    pub mode: Option<String>,
}

impl KeyLogConfig {
    /// A file.
    #[must_use]
    pub fn of_file(path: String) -> Self {
        Self { file: Some(path.into()), ..Self::default() }
    }
}

/// The `syslog:` section of a source of logs. Each message is a line; addresses are `ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogConfig {
    /// Where datagrams come in. What comes faster than it can be taken is lost, and counted.
    pub udp: Option<String>,
    /// Where connections come in.
    pub tcp: Option<String>,
    /// Where connections with TLS come in.
    pub tcp_tls: Option<String>,
    /// The certificate of `tcp_tls`.
    pub tls: TlsConfig,
    /// The longest message, in KiB; a longer one is skipped and counted. Each connection may hold as much.
    pub max_message_kib: u64,
    /// Connections at a time. Each may hold about 200 KiB.
    pub max_connections: u64,
    /// Connections at a time of one client: an IPv4 address or an IPv6 /64.
    pub max_client_connections: u64,
}

impl Default for SyslogConfig {
    fn default() -> Self {
        Self {
            udp: None,
            tcp: None,
            tcp_tls: None,
            tls: TlsConfig::default(),
            max_message_kib: 64,
            max_connections: 256,
            max_client_connections: 64,
        }
    }
}

/// The `http:` section of a source of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where it listens, as `ADDRESS:PORT`.
    pub listen: Option<String>,
    /// Its certificate; without one it speaks in the clear.
    pub tls: TlsConfig,
    /// A file of tokens, one a line, of which each request must bear one. Without it whoever reaches the port may send.
    pub tokens: Option<PathBuf>,
    /// The largest batch, in KiB, compressed or not. A lane may hold sixteen.
    pub max_batch_kib: u64,
    /// Requests a second of each token, or of each client where there are no tokens.
    pub max_requests_per_second: u64,
    /// Connections at a time. Each may hold about 300 KiB.
    pub max_connections: u64,
    /// Connections at a time of one client: an IPv4 address or an IPv6 /64.
    pub max_client_connections: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls: TlsConfig::default(),
            tokens: None,
            max_batch_kib: 8_192,
            max_requests_per_second: 1_000,
            max_connections: 256,
            max_client_connections: 64,
        }
    }
}

/// The `envoy_als:` section of a source of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvoyAlsConfig {
    /// Where it listens, as `ADDRESS:PORT`.
    pub listen: Option<String>,
    /// Its certificate; without one it speaks in the clear.
    pub tls: TlsConfig,
    /// A file of tokens, one a line, of which each call must bear one (`initial_metadata` in Envoy).
    pub tokens: Option<PathBuf>,
    /// The largest message, in KiB, compressed or not.
    pub max_message_kib: u64,
    /// Connections at a time. Each may hold about 300 KiB.
    pub max_connections: u64,
    /// Connections at a time of one client: an IPv4 address or an IPv6 /64.
    pub max_client_connections: u64,
}

impl Default for EnvoyAlsConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls: TlsConfig::default(),
            tokens: None,
            max_message_kib: 4_096,
            max_connections: 256,
            max_client_connections: 64,
        }
    }
}

/// A `tls:` section: files in PEM, which are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate, with those between it and a root.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Who signs the certificates of clients; without it none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have a certificate that `client_ca` signed.
    pub client_certificate: ClientCertificate,
}

/// Whether a client must have a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// It is turned away without one.
    #[default]
    Required,
    /// It may come without one, but not with a bad one.
    Optional,
}

/// Where a log is read from that was never read before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// Its begin.
    #[default]
    Start,
    /// Its end: what comes from now on.
    End,
}

/// The `capture:` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureConfig {
    /// Worker threads, each with its own ring; 0 is one for each core. More than the cores gains nothing.
    pub shards: u64,
    /// The kernel's ring for each shard and interface, in MiB: what a burst may fill while a shard is busy. It is
    /// memory that is never swapped.
    pub ring_mib: u64,
    /// Bytes of a packet that are captured. Less saves room in the ring and costs the bytes that are missing.
    pub snaplen: u64,
    /// Whether an interface takes packets that are not addressed to it, as those of a mirror port are.
    pub promiscuous: bool,
    /// Which packets are captured, as a BPF filter; by default all. A filter for a port loses fragments and what is
    /// in tunnels.
    pub filter: Option<String>,
    /// Which network ids keep flows with the same addresses apart. An id that differs between the two
    /// directions of a connection tears it in two.
    pub separate_by: Vec<NetworkId>,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            ring_mib: 64,
            snaplen: MAX_SNAPLEN,
            promiscuous: true,
            filter: None,
            separate_by: vec![NetworkId::Vni],
        }
    }
}

/// The longest packet that libpcap captures.
pub const MAX_SNAPLEN: u64 = 262_144;

/// What can name the network that a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkId {
    /// The network identifier of VXLAN and Geneve.
    Vni,
    /// The VLAN tags, outer and inner.
    Vlan,
    /// The key of GRE. Some mirrors give each direction a key of its own.
    GreKey,
}

/// The `lake:` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LakeConfig {
    /// The lake's folder; without one no files are written.
    pub path: Option<PathBuf>,
    /// Seconds after which the files being filled are finished and show in the lake. Less makes more and smaller
    /// files, which queries read more slowly.
    pub roll_secs: u64,
    /// Rows after which a file is finished before that. More keeps more rows in memory.
    pub roll_rows: u64,
    /// MiB of finished files that wait in the state folder for a lake that cannot be reached; beyond that the
    /// oldest are given up, and counted.
    pub spool_mib: u64,
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self { path: None, roll_secs: 300, roll_rows: 100_000, spool_mib: 1_024 }
    }
}

/// The `limits:` section: bounds of [`crate::limits::Limits`] that differ from its defaults. Those of flows and
/// bytes are for each shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections tracked; the longest idle one makes room. About 700 bytes each when idle.
    pub max_flows: Option<u64>,
    /// Seconds without a packet after which a connection counts as over. More keeps more idle ones.
    pub flow_idle_secs: Option<u64>,
    /// Bytes per direction that wait for a missing segment before the hole is given up.
    pub reorder_bytes: Option<u64>,
    /// Segments per direction that wait for a missing one before the hole is given up.
    pub reorder_segments: Option<u64>,
    /// Bytes that all connections together keep waiting.
    pub reorder_bytes_total: Option<u64>,
    /// Milliseconds that later bytes wait for a missing segment which the peer has acknowledged. More delays
    /// what stands behind a hole.
    pub reorder_wait_ms: Option<u64>,
    /// Bytes of one message head; a longer one is skipped.
    pub head_bytes: Option<u64>,
    /// Header lines of one message head.
    pub head_lines: Option<u64>,
    /// Requests of one connection that await their responses.
    pub pipelined: Option<u64>,
    /// Bytes of one body that are inspected. More costs time and memory for each large body.
    pub body_bytes: Option<u64>,
    /// Connections whose TLS secrets are kept, of all shards together; about 500 bytes each.
    pub tls_secrets: Option<u64>,
    /// Bytes of one TLS connection that wait for its keys. More lets keys come later on busy connections.
    pub tls_waiting_bytes: Option<u64>,
    /// Bytes that all TLS connections of a shard together keep waiting.
    pub tls_waiting_bytes_total: Option<u64>,
    /// Seconds that TLS waits for its keys. More keeps more of those whose keys never come.
    pub tls_waiting_secs: Option<u64>,
    /// Nested tunnels of one packet.
    pub tunnel_depth: Option<u64>,
    /// Nodes of one inferred body shape, kept for each endpoint.
    pub shape_nodes: Option<u64>,
    /// Nesting depth of one body that is inspected.
    pub body_depth: Option<u64>,
    /// Query parameter names kept for each endpoint.
    pub query_parameters: Option<u64>,
    /// Path segments, query parameters, headers and cookies of each endpoint whose data classes are judged.
    pub loose_fields: Option<u64>,
    /// Keys of one exchange whose meaning may be worked out anew; about 10 µs each.
    pub fresh_keys: Option<u64>,
    /// One in how many values of a field is checked once a sample of that rate holds sixteen distinct ones; 1 checks
    /// all. More saves time and makes counts those of the sample.
    pub sample_values: Option<u64>,
    /// Segments of one path that are inspected.
    pub path_segments: Option<u64>,
}

/// The `metrics:` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `/metrics` is served, as `ADDRESS:PORT`; by default nowhere. Whoever reaches it can read it.
    pub listen: Option<String>,
}

/// The `privileges:` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivilegesConfig {
    /// The user that a sensor started as root becomes, by name or number. It comes to own the state and the lake.
    #[serde(deserialize_with = "name_or_number")]
    pub user: String,
    /// Whether the sensor locks itself in (Landlock, seccomp).
    pub sandbox: Sandboxing,
}

impl Default for PrivilegesConfig {
    fn default() -> Self {
        Self { user: "nobody".to_owned(), sandbox: Sandboxing::Auto }
    }
}

/// How much of a sandbox there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sandboxing {
    /// As much as the kernel has; what it lacks is said.
    #[default]
    Auto,
    /// Landlock for files, and seccomp; or the sensor does not start.
    Require,
    /// None.
    Off,
}

/// The `log:` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How a line is written.
    pub format: LogFormat,
    /// From which level on lines are written.
    pub level: LogLevel,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// From which level on log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Data was lost: act now.
    Error,
    /// Something works less well.
    Warn,
    /// Started, stopped, reloaded.
    #[default]
    Info,
    /// At most a line for each connection.
    Debug,
}

fn names_or_numbers<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Item(#[serde(deserialize_with = "name_or_number")] String);

    Ok(Vec::<Item>::deserialize(source)?.into_iter().map(|Item(text)| text).collect())
}

fn name_or_number<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    struct NameOrNumber;

    impl serde::de::Visitor<'_> for NameOrNumber {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a name or number")
        }

        fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<String, E> {
            Ok(name.to_owned())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    source.deserialize_any(NameOrNumber)
}
