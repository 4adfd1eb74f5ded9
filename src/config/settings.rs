//! What a configuration comes to: the rules it is held against, and what of it may change while the sensor runs.

use super::pull;
use super::read;
pub use crate::source::interface::Interface;

use super::{
    AccessLogConfig, Config, From, InterfaceConfig, KafkaConfig, KeyLogConfig, LogFormat, LogLevel,
    MAX_SNAPLEN, NetworkId, S3Config, Sandboxing,
};
#[cfg(feature = "intake")]
use super::{ClientCertificate, TlsConfig};
use crate::access_log::{Catalogue, LogOptions};
use crate::caller::{Network, TrustedProxies};
use crate::inventory::vantage::Vantages;
use crate::limits::Limits;
use crate::problem::Problems;
use crate::source::intake::LogSource;
use crate::source::intake::files::FileSettings;
#[cfg(feature = "kafka")]
use crate::source::intake::kafka::KafkaSettings;
#[cfg(feature = "intake")]
use crate::source::intake::listen::{Connections, EnvoyAls, Http, Listen, Syslog, TlsFiles};
#[cfg(feature = "s3")]
use crate::source::intake::s3::S3Settings;
use crate::source::key_log::KeySocketSettings;
use crate::source::{log_file, log_presets};
use crate::spec::tree;
use crate::spec::wrong::Wrong;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest name that the kernel gives an interface.
const MAX_INTERFACE_NAME: usize = 15;
/// More shards than any machine has cores for.
const MAX_SHARDS: u64 = 256;
/// The largest ring of a shard, in MiB: libpcap counts its bytes in 31 bits.
const MAX_RING_MIB: u64 = 2_047;
/// The longest interval, in seconds.
const MAX_INTERVAL: u64 = 3_600;
/// The largest of the limits and sizes; what is larger is a slip.
const MAX_BOUND: u64 = 1 << 40;

/// A configuration that makes sense. Made by [`Settings::load`] and [`Settings::from_config`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file they come from, when there is one.
    file: Option<PathBuf>,
    /// The sensor's name in the lake.
    pub sensor: String,
    /// The folder of what was learnt.
    pub state: PathBuf,
    /// The key under which callers are fingerprinted; `None` is one in the state folder.
    pub key: Option<PathBuf>,
    /// How often what was learnt is saved.
    pub interval: Duration,
    /// Whether bodies are inspected.
    pub bodies: bool,
    /// Files and folders of documents.
    pub specs: Vec<PathBuf>,
    /// Files and folders of descriptors.
    pub descriptors: Vec<PathBuf>,
    /// What operators have decided on path templates.
    pub templates: Option<PathBuf>,
    /// What operators tell of services.
    pub ownership: Option<PathBuf>,
    /// What people have decided on findings.
    pub dispositions: Option<PathBuf>,
    /// Files of signatures beside the built-in ones.
    pub signatures: Vec<PathBuf>,
    /// The proxies whose word on their client is believed.
    pub trusted: TrustedProxies,
    /// The vantages, numbered as inputs.
    pub vantages: Vantages,
    /// Where packets come from; may be empty.
    pub interfaces: Vec<Interface>,
    /// Where logs come from; may be empty.
    pub access_logs: Vec<AccessLog>,
    /// Logs of TLS secrets that are followed.
    pub key_logs: Vec<PathBuf>,
    /// Sockets that agents write TLS secrets to.
    pub key_sockets: Vec<KeySocketSettings>,
    /// Worker threads.
    pub shards: NonZeroUsize,
    /// Which network ids keep flows apart.
    pub separate_by: BTreeSet<NetworkId>,
    /// Where results go, when a lake is named.
    pub lake: Option<Lake>,
    /// Bounds of each shard.
    pub limits: Limits,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// What the process may still do once it captures.
    pub privileges: Privileges,
    /// What is told on standard error.
    pub log: Log,
}

/// A source of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// What it is called and what is known of its lines.
    pub source: Arc<LogSource>,
    /// How its lines come in.
    pub way: WayIn,
    /// The files that say what its lines are.
    pub presets: Vec<PathBuf>,
}

/// How lines come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// Out of files that are followed.
    Files(FileSettings),
    /// Out of standard input.
    Stdin,
    /// From clients that push them.
    #[cfg(feature = "intake")]
    Listen(Listen),
    /// Out of topics.
    #[cfg(feature = "kafka")]
    Kafka(KafkaSettings),
    /// Out of a bucket.
    #[cfg(feature = "s3")]
    S3(S3Settings),
}

/// A lake and how its files are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lake {
    /// The folder.
    pub path: PathBuf,
    /// After which time a file is finished.
    pub roll: Duration,
    /// After how many rows a file is finished before that.
    pub roll_rows: usize,
    /// Bytes of finished files that wait for a lake that cannot be reached.
    pub spool_bytes: u64,
}

/// What the process may still do once it captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// The user that a sensor started as root becomes: a name or a number.
    pub user: String,
    /// How much of a sandbox there must be.
    pub sandbox: Sandboxing,
}

/// What is told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// From which level on lines are written.
    pub level: LogLevel,
}

/// A key that two settings differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key, as in the file: `capture.shards`.
    pub key: &'static str,
    /// Why the new value needs a restart; `None` when it can be taken over while the sensor runs.
    pub restart: Option<&'static str>,
}

impl Settings {
    /// Reads a file. Any problem, and all are told, means no settings.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let name = file.display().to_string();
        let refused = |place: String, message: String| {
            let mut problems = Problems::default();
            problems.push(&name, place, message);
            problems
        };
        let text = fs::read(file).map_err(|error| refused(String::new(), format!("not read: {error}")))?;
        let tree = tree::read(&text).map_err(|unreadable| {
            let place = unreadable.line.map(|line| format!("line {line}")).unwrap_or_default();
            refused(place, format!("not read: {}", unreadable.message))
        })?;
        let format = tree.format;
        let mut wrong = Wrong::default();
        let config = read::config(tree.into_serde(), &mut wrong);
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut settings = Self::check(&config, folder, &mut wrong);
        settings.file = Some(file.to_owned());
        wrong.located(&name, Some((&text, format))).into_result(settings)
    }

    /// Settings without a file: from [`Config::default`], with what the command line says.
    pub fn from_config(config: &Config) -> Result<Self, Problems> {
        let mut wrong = Wrong::default();
        let settings = Self::check(config, Path::new(""), &mut wrong);
        wrong.located("", None).into_result(settings)
    }

    /// The file they come from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The key's file: the one named, or the one in the state folder.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(|| self.state.join("fingerprint.key"))
    }

    /// Holds a configuration against the rules. What comes back is of use only when nothing is wrong.
    fn check(config: &Config, folder: &Path, wrong: &mut Wrong) -> Self {
        let below = |path: &PathBuf| folder.join(path);
        let seconds = |value: u64, pointer: &str, most: u64, wrong: &mut Wrong| {
            wrong.unless((1..=most).contains(&value), pointer, &format!("must be 1 to {most} seconds"));
            Duration::from_secs(value)
        };
        let capture = &config.capture;
        let most = "must be 0, for one a core, or at most 256";
        wrong.unless(capture.shards <= MAX_SHARDS, "/capture/shards", most);
        let (key_logs, key_sockets) = key_logs(config, folder, wrong);
        let settings = Self {
            file: None,
            sensor: sensor(config.sensor.as_deref(), wrong),
            state: path(&config.state, "/state", folder, wrong),
            key: config.key.as_ref().map(|key| path(key, "/key", folder, wrong)),
            interval: seconds(config.interval_secs, "/interval_secs", MAX_INTERVAL, wrong),
            bodies: config.bodies,
            specs: config.specs.iter().map(below).collect(),
            descriptors: config.descriptors.iter().map(below).collect(),
            templates: config.templates.as_ref().map(|file| path(file, "/templates", folder, wrong)),
            ownership: config.ownership.as_ref().map(|file| path(file, "/ownership", folder, wrong)),
            dispositions: config.dispositions.as_ref().map(|file| path(file, "/dispositions", folder, wrong)),
            signatures: config.signatures.iter().map(below).collect(),
            trusted: trusted(&config.trusted_proxies, wrong),
            vantages: vantages(config, wrong),
            interfaces: interfaces(config, wrong),
            access_logs: access_logs(config, folder, wrong),
            key_logs,
            key_sockets,
            shards: shards(capture.shards),
            separate_by: capture.separate_by.iter().copied().collect(),
            lake: lake(config, folder, wrong),
            limits: limits(config, wrong),
            metrics: metrics(config.metrics.listen.as_deref(), wrong),
            privileges: Privileges {
                user: config.privileges.user.clone(),
                sandbox: config.privileges.sandbox,
            },
            log: Log { format: config.log.format, level: config.log.level },
        };
        let user = settings.privileges.user.as_str();
        let rule = "must be the name or number of a user other than root";
        wrong.unless(!["", "root", "0"].contains(&user), "/privileges/user", rule);
        for (key, paths) in [
            ("specs", &config.specs),
            ("descriptors", &config.descriptors),
            ("signatures", &config.signatures),
        ] {
            for (n, path) in paths.iter().enumerate() {
                let rule = "must be a file or folder, not an empty text";
                wrong.unless(!path.as_os_str().is_empty(), &format!("/{key}/{n}"), rule);
            }
        }
        settings
    }

    /// The keys that `new` differs in, and which of them need a restart.
    #[must_use]
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        const STARTED: Option<&str> = Some("it is set up when the sensor starts");
        const LEARNT: Option<&str> = Some("what was learnt belongs to it");
        const LOCKED: Option<&str> = Some("the sandbox was made for the old value");
        let locked = if self.privileges.sandbox == Sandboxing::Off { None } else { LOCKED };
        let readable: Vec<&Path> = self.readable().collect();
        let out_of_reach = |paths: &[PathBuf]| {
            paths.iter().any(|path| !readable.iter().any(|folder| path.starts_with(folder)))
        };
        let of = |settings: &Self| -> Vec<(String, u32, bool, u64)> {
            let all = settings.interfaces.iter();
            all.map(|one| (one.name.clone(), one.snaplen, one.promiscuous, one.ring_bytes)).collect()
        };
        let filters = |settings: &Self| -> Vec<Option<String>> {
            settings.interfaces.iter().map(|one| one.filter.clone()).collect()
        };
        let (old_lake, new_lake) = (self.lake.as_ref(), new.lake.as_ref());
        let lake_path = |lake: Option<&Lake>| lake.map(|lake| lake.path.clone());
        let same_rolls = old_lake.zip(new_lake).is_none_or(|(old, new)| {
            (old.roll, old.roll_rows, old.spool_bytes) == (new.roll, new.roll_rows, new.spool_bytes)
        });
        [
            ("sensor", self.sensor == new.sensor, LEARNT),
            ("state", self.state == new.state, LEARNT),
            ("key", self.key == new.key, LEARNT),
            ("interval_secs", self.interval == new.interval, None),
            ("bodies", self.bodies == new.bodies, STARTED),
            ("specs", self.specs == new.specs, locked.filter(|_| out_of_reach(&new.specs))),
            (
                "descriptors",
                self.descriptors == new.descriptors,
                locked.filter(|_| out_of_reach(&new.descriptors)),
            ),
            (
                "templates",
                self.templates == new.templates,
                locked.filter(|_| out_of_reach(new.templates.as_slice())),
            ),
            (
                "ownership",
                self.ownership == new.ownership,
                locked.filter(|_| out_of_reach(new.ownership.as_slice())),
            ),
            (
                "dispositions",
                self.dispositions == new.dispositions,
                locked.filter(|_| out_of_reach(new.dispositions.as_slice())),
            ),
            (
                "signatures",
                self.signatures == new.signatures,
                locked.filter(|_| out_of_reach(&new.signatures)),
            ),
            ("trusted_proxies", self.trusted == new.trusted, STARTED),
            ("vantages", self.vantages == new.vantages, STARTED),
            ("interfaces", of(self) == of(new), STARTED),
            ("filter", filters(self) == filters(new), None),
            ("access_logs", self.access_logs == new.access_logs, STARTED),
            ("keylogs", self.key_logs == new.key_logs && self.key_sockets == new.key_sockets, STARTED),
            ("capture.shards", self.shards == new.shards, STARTED),
            ("capture.separate_by", self.separate_by == new.separate_by, STARTED),
            ("lake.path", lake_path(old_lake) == lake_path(new_lake), locked),
            ("lake", same_rolls, None),
            ("limits", self.limits == new.limits, STARTED),
            ("metrics.listen", self.metrics == new.metrics, locked),
            ("privileges", self.privileges == new.privileges, STARTED),
            ("log", self.log == new.log, None),
        ]
        .into_iter()
        .filter(|(_, same, _)| !same)
        .map(|(key, _, restart)| Difference { key, restart })
        .collect()
    }

    /// What the process needs once it captures. `keep_raw`: whether interfaces may have to be opened again.
    #[cfg(all(feature = "live", target_os = "linux"))]
    #[must_use]
    pub fn sandbox_plan(&self, keep_raw: bool) -> crate::sandbox::SandboxPlan {
        use crate::sandbox::{SandboxPlan, Strictness};
        SandboxPlan {
            user: self.privileges.user.clone(),
            keep_raw,
            state: self.state.clone(),
            lake: self.lake.as_ref().map(|lake| lake.path.clone()),
            readable: self.readable().map(Path::to_owned).chain(self.token_folders()).collect(),
            logs: self.log_folders(),
            listen: self.listen(),
            connect: self.connect(),
            strictness: match self.privileges.sandbox {
                Sandboxing::Auto => Strictness::Auto,
                Sandboxing::Require => Strictness::Require,
                Sandboxing::Off => Strictness::Off,
            },
        }
    }

    /// The TCP ports that the sensor listens on.
    #[must_use]
    pub fn listen(&self) -> Vec<u16> {
        let metrics = self.metrics.iter().copied();
        #[cfg(feature = "intake")]
        let metrics = metrics.chain(self.pushed().flat_map(Listen::tcp));
        // Any port is bound before.
        metrics.map(|address| address.port()).filter(|port| *port > 0).collect()
    }

    /// The ways in that listen.
    #[cfg(feature = "intake")]
    fn pushed(&self) -> impl Iterator<Item = &Listen> {
        self.access_logs.iter().filter_map(|log| match &log.way {
            WayIn::Listen(listen) => Some(listen),
            WayIn::Files(_) | WayIn::Stdin => None,
            #[cfg(feature = "kafka")]
            WayIn::Kafka(_) => None,
            #[cfg(feature = "s3")]
            WayIn::S3(_) => None,
        })
    }

    /// The folders of the logs that are followed, those of TLS secrets among them.
    #[must_use]
    pub fn log_folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for log in &self.access_logs {
            match &log.way {
                WayIn::Files(files) => folders.extend(files.folders()),
                WayIn::Stdin => {}
                #[cfg(feature = "intake")]
                WayIn::Listen(_) => {}
                #[cfg(feature = "kafka")]
                WayIn::Kafka(_) => {}
                #[cfg(feature = "s3")]
                WayIn::S3(_) => {}
            }
        }
        for log in &self.key_logs {
            let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty());
            folders.push(folder.unwrap_or(Path::new(".")).to_owned());
        }
        folders.sort();
        folders.dedup();
        folders
    }

    /// Folders of what says to a bucket who we are, where that may change.
    #[cfg(all(feature = "live", target_os = "linux"))]
    fn token_folders(&self) -> Vec<PathBuf> {
        #[cfg(feature = "s3")]
        {
            use crate::source::intake::s3::{Keys, token_files};
            let asks = |log: &AccessLog| matches!(&log.way, WayIn::S3(s3) if s3.keys == Keys::Environment);
            if self.access_logs.iter().any(asks) {
                return token_files().iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
            }
        }
        Vec::new()
    }

    /// The ports that the sensor connects to.
    #[must_use]
    pub fn connect(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = Vec::new();
        for log in &self.access_logs {
            match &log.way {
                WayIn::Files(_) | WayIn::Stdin => {}
                #[cfg(feature = "intake")]
                WayIn::Listen(_) => {}
                #[cfg(feature = "kafka")]
                WayIn::Kafka(kafka) => ports.extend(kafka.connect()),
                #[cfg(feature = "s3")]
                WayIn::S3(s3) => ports.extend(s3.connect()),
            }
        }
        if !ports.is_empty() {
            // Names that are asked for over TCP, when the answer is long.
            ports.push(53);
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// What is read again on a reload. Of a file its folder: who edits a file puts another one in its place.
    pub fn readable(&self) -> impl Iterator<Item = &Path> {
        let files = self.file.iter().chain(&self.key).map(PathBuf::as_path);
        #[cfg(feature = "intake")]
        let files = files.chain(self.pushed().flat_map(Listen::files));
        let files = files.filter_map(Path::parent);
        let specs = self
            .specs
            .iter()
            .chain(&self.descriptors)
            .chain(&self.templates)
            .chain(&self.ownership)
            .chain(&self.dispositions)
            .chain(&self.signatures)
            .chain(self.access_logs.iter().flat_map(|log| &log.presets))
            .map(|spec| if spec.is_dir() { spec.as_path() } else { spec.parent().unwrap_or(spec) });
        files.chain(specs).map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
    }
}

/// A path that must not be empty, relative to the file's folder.
fn path(written: &Path, pointer: &str, folder: &Path, wrong: &mut Wrong) -> PathBuf {
    wrong.unless(!written.as_os_str().is_empty(), pointer, "must be a path, not an empty text");
    wrong.unless(
        !written.to_string_lossy().contains("://"),
        pointer,
        "must be a path: addresses are not supported",
    );
    folder.join(written)
}

fn sensor(name: Option<&str>, wrong: &mut Wrong) -> String {
    let Some(name) = name else { return fitted(&host_name()) };
    if let Err(rule) = sensor_name(name) {
        wrong.push("/sensor", rule);
    }
    name.to_owned()
}

/// A sensor's name as it is given, or what it must be.
pub(crate) fn sensor_name(name: &str) -> Result<String, &'static str> {
    if fitted(name) == name {
        Ok(name.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits, `.`, `_` and `-`, not beginning with `.`")
    }
}

fn host_name() -> String {
    #[cfg(all(feature = "live", target_os = "linux"))]
    if let Ok(system) = nix::sys::utsname::uname() {
        return system.nodename().to_string_lossy().into_owned();
    }
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
}

/// A name as the lake takes it: see [`Config::sensor`].
fn fitted(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.trim().trim_start_matches('.').chars().map(plain).take(64).collect();
    if name.is_empty() { "sensor".to_owned() } else { name }
}

fn trusted(written: &[String], wrong: &mut Wrong) -> TrustedProxies {
    let mut networks = Vec::with_capacity(written.len());
    for (n, text) in written.iter().enumerate() {
        match text.parse::<Network>() {
            Ok(network) => networks.push(network),
            Err(rule) => wrong.push(format!("/trusted_proxies/{n}"), rule.to_string()),
        }
    }
    TrustedProxies::new(networks)
}

fn shards(written: u64) -> NonZeroUsize {
    let written = usize::try_from(written).ok().and_then(NonZeroUsize::new);
    written.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

fn interfaces(config: &Config, wrong: &mut Wrong) -> Vec<Interface> {
    let capture = &config.capture;
    filter(capture.filter.as_deref(), "/capture/filter", wrong);
    snaplen(capture.snaplen, "/capture/snaplen", wrong);
    ring(capture.ring_mib, "/capture/ring_mib", wrong);
    let mut all: Vec<Interface> = Vec::new();
    for (n, InterfaceConfig { name, filter: own, snaplen: own_snaplen, promiscuous, ring_mib, vantage }) in
        config.interfaces.iter().enumerate()
    {
        let at = |key: &str| format!("/interfaces/{n}/{key}");
        let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        let fits = (1..=MAX_INTERFACE_NAME).contains(&name.len()) && !name.contains(odd);
        wrong.unless(fits, &at("name"), "must be the name of an interface: 1 to 15 letters, no space or `/`");
        let twice = !name.is_empty() && all.iter().any(|other| other.name == *name);
        wrong.unless(!twice, &at("name"), "stands twice; each interface is captured once");
        if own.is_some() {
            filter(own.as_deref(), &at("filter"), wrong);
        }
        all.push(Interface {
            name: name.clone(),
            filter: own.clone().or_else(|| capture.filter.clone()),
            snaplen: own_snaplen.map_or_else(
                || u32::try_from(capture.snaplen).unwrap_or(u32::MAX),
                |own| snaplen(own, &at("snaplen"), wrong),
            ),
            promiscuous: promiscuous.unwrap_or(capture.promiscuous),
            ring_bytes: ring_mib
                .map_or_else(|| capture.ring_mib << 20, |own| ring(own, &at("ring_mib"), wrong)),
            vantage: vantage.as_deref().map(Arc::from),
        });
        label(vantage.as_deref(), &at("vantage"), wrong);
    }
    all
}

fn access_logs(config: &Config, folder: &Path, wrong: &mut Wrong) -> Vec<AccessLog> {
    let mut all: Vec<AccessLog> = Vec::new();
    for (n, log) in config.access_logs.iter().enumerate() {
        let at = |key: &str| format!("/access_logs/{n}/{key}");
        let word = |text: &str| (1..=128).contains(&text.len()) && !text.contains(char::is_control);
        let first = log.files.first().map(|path| path.display().to_string());
        let name =
            log.name.clone().or(first).or_else(|| pull::name(log)).unwrap_or_else(|| way_of(log).to_owned());
        wrong.unless(word(&name), &at("name"), "must be 1 to 128 letters or signs");
        let twice = all.iter().any(|other| *other.source.name == *name);
        wrong.unless(!twice, &at("name"), "stands twice; each source of logs needs a name of its own");
        label(log.vantage.as_deref(), &at("vantage"), wrong);
        let presets: Vec<PathBuf> = log.presets.iter().map(|path| folder.join(path)).collect();
        let catalogue = log_presets::load(&presets).unwrap_or_else(|problems| {
            for problem in problems.as_slice() {
                wrong.push(at("presets"), problem.to_string());
            }
            Catalogue::default()
        });
        let zone = log.zone.as_deref().map_or(Some(0), LogOptions::zone_of);
        wrong.unless(zone.is_some(), &at("zone"), "must be written like +02:00, -0530 or Z");
        let zone = zone.unwrap_or_default();
        let format =
            log.format.as_deref().and_then(|given| match log_file::format_given(given, folder, &catalogue) {
                Ok(format) => Some(format),
                Err(why) => {
                    wrong.push(
                        at("format"),
                        format!(
                            "must be the name of a format, a format string, or the path of a preset: {why:#}"
                        ),
                    );
                    None
                }
            });
        for (m, path) in log.files.iter().enumerate() {
            wrong.unless(
                !path.as_os_str().is_empty(),
                &at(&format!("files/{m}")),
                "must be a path, not an empty text",
            );
        }
        let mut ways: Vec<WayIn> = Vec::new();
        if !log.files.is_empty() {
            let paths: Vec<PathBuf> = log.files.iter().map(|path| folder.join(path)).collect();
            ways.push(FileSettings::new(&paths, log.from == From::End).map_or_else(
                |refused| {
                    wrong.push(at(&format!("files/{}", refused.number)), refused.why);
                    WayIn::Stdin
                },
                WayIn::Files,
            ));
        }
        if log.stdin {
            ways.push(WayIn::Stdin);
        }
        if log.kafka != KafkaConfig::default() {
            ways.push(pull::kafka(log, format.as_ref(), &at("kafka"), folder, wrong));
        }
        if log.s3 != S3Config::default() {
            ways.push(pull::s3(log, &at("s3"), folder, wrong));
        }
        ways.extend(pushed(log, &at, folder, wrong));
        let way = if ways.len() == 1 { ways.pop() } else { None };
        let way = way.unwrap_or_else(|| {
            let rule = "must name one way in: `files`, `stdin: true`, `syslog`, `http`, `envoy_als`, `kafka` or `s3`";
            wrong.push(format!("/access_logs/{n}"), rule);
            WayIn::Stdin
        });
        let reads_stdin = |log: &AccessLogConfig| log.stdin && log.files.is_empty();
        let before = config.access_logs.iter().take(n).any(reads_stdin);
        wrong.unless(
            !(before && reads_stdin(log)),
            &at("stdin"),
            "stands twice; standard input is read once",
        );
        let vantage = log.vantage.as_deref().map(Arc::from);
        let source = Arc::new(LogSource { name: name.into(), format, vantage, zone, catalogue });
        let mut presets = presets;
        let is_file = |given: &&String| {
            Path::new(given).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
        };
        presets.extend(log.format.iter().filter(is_file).map(|file| folder.join(file)));
        all.push(AccessLog { source, way, presets });
    }
    all
}

/// The key logs that are followed, and the sockets that agents write to.
fn key_logs(config: &Config, folder: &Path, wrong: &mut Wrong) -> (Vec<PathBuf>, Vec<KeySocketSettings>) {
    let (mut files, mut sockets) = (Vec::new(), Vec::new());
    for (n, KeyLogConfig { file, socket, users, mode }) in config.keylogs.iter().enumerate() {
        let at = |key: &str| format!("/keylogs/{n}{key}");
        let of_socket = !users.is_empty() || mode.is_some();
        match (file, socket) {
            (Some(file), None) => {
                wrong.unless(!of_socket, &at("/file"), "`users` and `mode` are a socket's");
                files.push(path(file, &at("/file"), folder, wrong));
            }
            (None, Some(socket)) => {
                let default = if users.is_empty() { "0600" } else { "0666" };
                let mode = u32::from_str_radix(mode.as_deref().unwrap_or(default), 8).unwrap_or(u32::MAX);
                wrong.unless(mode <= 0o777, &at("/mode"), "must be a mode in octal digits, such as '0660'");
                let path = path(socket, &at("/socket"), folder, wrong);
                // The kernel's bound on names of sockets.
                wrong.unless(path.as_os_str().len() < 108, &at("/socket"), "must be shorter than 108 bytes");
                sockets.push(KeySocketSettings { path, mode, users: users.clone() });
            }
            (Some(_), Some(_)) | (None, None) => {
                wrong.push(at(""), "must name a `file` or a `socket`");
            }
        }
    }
    (files, sockets)
}

/// What a source without a name is called.
fn way_of(log: &AccessLogConfig) -> &'static str {
    let none = AccessLogConfig::default();
    if log.syslog != none.syslog {
        "syslog"
    } else if log.http != none.http {
        "http"
    } else if log.envoy_als != none.envoy_als {
        "envoy_als"
    } else {
        "stdin"
    }
}

/// The ways in of a source that listen.
#[cfg(not(feature = "intake"))]
fn pushed(log: &AccessLogConfig, at: &dyn Fn(&str) -> String, _: &Path, wrong: &mut Wrong) -> Option<WayIn> {
    let way = way_of(log);
    if way != "stdin" {
        wrong.push(at(way), "is not in this build: build with the feature `intake`");
    }
    None
}

/// The ways in of a source that listen.
#[cfg(feature = "intake")]
fn pushed(
    log: &AccessLogConfig,
    at: &dyn Fn(&str) -> String,
    folder: &Path,
    wrong: &mut Wrong,
) -> Vec<WayIn> {
    let none = AccessLogConfig::default();
    let mut ways = Vec::new();
    if log.syslog != none.syslog {
        let syslog = &log.syslog;
        let mut section = Section { key: "syslog", at, folder, wrong };
        let addresses = [("udp", &syslog.udp), ("tcp", &syslog.tcp), ("tcp_tls", &syslog.tcp_tls)];
        let [udp, tcp, tcp_tls] = addresses.map(|(key, given)| section.address(key, given.as_deref()));
        let files = section.tls(&syslog.tls);
        let given = addresses.iter().any(|(_, given)| given.is_some());
        section.unless(given, "", "must say where it listens: `udp`, `tcp` or `tcp_tls`");
        let paired = syslog.tcp_tls.is_some() == (syslog.tls != none.syslog.tls);
        section.unless(paired, "tls", "goes with `tcp_tls`, and `tcp_tls` with `tls`");
        let max_message = section.kib("max_message_kib", syslog.max_message_kib, 1_024);
        let connections = section.connections(syslog.max_connections, syslog.max_client_connections);
        let tls = tcp_tls.zip(files);
        ways.push(WayIn::Listen(Listen::Syslog(Syslog { udp, tcp, tls, max_message, connections })));
    }
    if log.http != none.http {
        let http = &log.http;
        let mut section = Section { key: "http", at, folder, wrong };
        let rate =
            u32::try_from(http.max_requests_per_second).ok().filter(|rate| (1..=1_000_000).contains(rate));
        section.unless(rate.is_some(), "max_requests_per_second", "must be 1 to 1000000");
        ways.push(WayIn::Listen(Listen::Http(Http {
            listen: section.listen(http.listen.as_deref()),
            tls: section.tls(&http.tls),
            tokens: section.path("tokens", http.tokens.as_deref()),
            max_batch: section.kib("max_batch_kib", http.max_batch_kib, 65_536),
            requests_per_second: rate.unwrap_or(1),
            connections: section.connections(http.max_connections, http.max_client_connections),
        })));
    }
    if log.envoy_als != none.envoy_als {
        let envoy = &log.envoy_als;
        let mut section = Section { key: "envoy_als", at, folder, wrong };
        ways.push(WayIn::Listen(Listen::EnvoyAls(EnvoyAls {
            listen: section.listen(envoy.listen.as_deref()),
            tls: section.tls(&envoy.tls),
            tokens: section.path("tokens", envoy.tokens.as_deref()),
            max_message: section.kib("max_message_kib", envoy.max_message_kib, 65_536),
            connections: section.connections(envoy.max_connections, envoy.max_client_connections),
        })));
    }
    ways
}

/// A section of a source of logs that is being read.
#[cfg(feature = "intake")]
struct Section<'s> {
    key: &'static str,
    at: &'s dyn Fn(&str) -> String,
    folder: &'s Path,
    wrong: &'s mut Wrong,
}

#[cfg(feature = "intake")]
impl Section<'_> {
    /// A problem with the section, or with a key of it.
    fn unless(&mut self, holds: bool, key: &str, rule: &str) {
        let pointer = (self.at)(
            if key.is_empty() { self.key.to_owned() } else { format!("{}/{key}", self.key) }.as_str(),
        );
        self.wrong.unless(holds, &pointer, rule);
    }

    fn address(&mut self, key: &str, given: Option<&str>) -> Option<SocketAddr> {
        let given = given?;
        let address: Option<SocketAddr> = given.parse().ok();
        self.unless(
            address.is_some(),
            key,
            "must be an address and a port, such as 0.0.0.0:6514 or [::]:6514",
        );
        address
    }

    fn listen(&mut self, given: Option<&str>) -> SocketAddr {
        self.unless(given.is_some(), "listen", "must say where it listens, such as 0.0.0.0:8443");
        self.address("listen", given).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn path(&mut self, key: &str, given: Option<&Path>) -> Option<PathBuf> {
        let given = given?;
        self.unless(!given.as_os_str().is_empty(), key, "must be a path, not an empty text");
        Some(self.folder.join(given))
    }

    fn tls(&mut self, tls: &TlsConfig) -> Option<TlsFiles> {
        let certificate = self.path("tls/certificate", tls.certificate.as_deref());
        let key = self.path("tls/key", tls.key.as_deref());
        let client_ca = self.path("tls/client_ca", tls.client_ca.as_deref());
        let whole = certificate.is_some() == key.is_some() && (client_ca.is_none() || key.is_some());
        self.unless(whole, "tls", "must name a `certificate` and its `key`");
        let client_required = tls.client_certificate == ClientCertificate::Required;
        let certificate = certificate?;
        Some(TlsFiles { certificate, key: key?, client_ca, client_required })
    }

    fn kib(&mut self, key: &str, kib: u64, most: u64) -> usize {
        self.unless((1..=most).contains(&kib), key, &format!("must be 1 to {most} KiB"));
        usize::try_from(kib.min(most) << 10).unwrap_or(usize::MAX)
    }

    fn connections(&mut self, total: u64, of_client: u64) -> Connections {
        let mut bounded = |key: &str, count: u64| {
            self.unless((1..=100_000).contains(&count), key, "must be 1 to 100000");
            usize::try_from(count).unwrap_or(1)
        };
        Connections {
            total: bounded("max_connections", total),
            of_client: bounded("max_client_connections", of_client),
        }
    }
}

fn label(vantage: Option<&str>, pointer: &str, wrong: &mut Wrong) {
    let fits = vantage.is_none_or(|vantage| fitted(vantage) == vantage);
    wrong.unless(fits, pointer, "must be 1 to 64 letters, digits, `.`, `_` and `-`");
}

/// The labels in their order: those that `vantages` names, then the others.
fn vantages(config: &Config, wrong: &mut Wrong) -> Vantages {
    for (n, named) in config.vantages.iter().enumerate() {
        label(Some(named), &format!("/vantages/{n}"), wrong);
    }
    let of_interfaces = config.interfaces.iter().filter_map(|one| one.vantage.as_deref());
    let of_logs = config.access_logs.iter().filter_map(|one| one.vantage.as_deref());
    let labels = config.vantages.iter().map(String::as_str).chain(of_interfaces).chain(of_logs);
    let labels = labels.filter(|label| fitted(label) == *label);
    Vantages::numbered(labels).unwrap_or_else(|error| {
        wrong.push("/vantages", error.to_string());
        Vantages::default()
    })
}

fn snaplen(bytes: u64, pointer: &str, wrong: &mut Wrong) -> u32 {
    // Less than this cuts off the headers of a tunnelled packet.
    wrong.unless((128..=MAX_SNAPLEN).contains(&bytes), pointer, "must be 128 to 262144 bytes");
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn ring(mib: u64, pointer: &str, wrong: &mut Wrong) -> u64 {
    wrong.unless((1..=MAX_RING_MIB).contains(&mib), pointer, "must be 1 to 2047 MiB");
    mib.saturating_mul(1 << 20)
}

fn filter(filter: Option<&str>, pointer: &str, wrong: &mut Wrong) {
    let Some(filter) = filter else { return };
    let is_empty = filter.trim().is_empty();
    wrong.unless(!is_empty, pointer, "must be a BPF filter; leave the key out to capture everything");
    #[cfg(feature = "live")]
    if !is_empty && let Some(refusal) = bpf_refusal(filter) {
        wrong.push(pointer, format!("must be a BPF filter: {refusal}"));
    }
}

/// Why libpcap refuses a filter for every link layer that a tap may have.
#[cfg(feature = "live")]
fn bpf_refusal(filter: &str) -> Option<String> {
    use pcap::{Capture, Linktype};
    let mut refusal = None;
    for link in [Linktype::ETHERNET, Linktype::LINUX_SLL, Linktype::IEEE802_11_RADIOTAP, Linktype(12)] {
        match Capture::dead(link).and_then(|capture| capture.compile(filter, true)) {
            Ok(_) => return None,
            // What it says for Ethernet is what most can use.
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    refusal.map(|error| match error {
        pcap::Error::PcapError(said) => said,
        other => other.to_string(),
    })
}

fn lake(config: &Config, folder: &Path, wrong: &mut Wrong) -> Option<Lake> {
    let lake = &config.lake;
    wrong.unless((1..=86_400).contains(&lake.roll_secs), "/lake/roll_secs", "must be 1 to 86400 seconds");
    wrong.unless(
        (1..=100_000_000).contains(&lake.roll_rows),
        "/lake/roll_rows",
        "must be 1 to 100000000 rows",
    );
    wrong.unless(
        (1..=MAX_BOUND >> 20).contains(&lake.spool_mib),
        "/lake/spool_mib",
        "must be 1 to 1048576 MiB",
    );
    let path = path(lake.path.as_ref()?, "/lake/path", folder, wrong);
    let state = folder.join(&config.state);
    let apart = config.state.as_os_str().is_empty() || !path.starts_with(&state) && !state.starts_with(&path);
    wrong.unless(apart, "/lake/path", "must not lie in the state folder, nor the state folder in the lake");
    Some(Lake {
        path,
        roll: Duration::from_secs(lake.roll_secs),
        roll_rows: usize::try_from(lake.roll_rows).unwrap_or(usize::MAX),
        spool_bytes: lake.spool_mib.saturating_mul(1 << 20),
    })
}

fn metrics(listen: Option<&str>, wrong: &mut Wrong) -> Option<SocketAddr> {
    let parsed = listen?.parse();
    wrong.unless(
        parsed.is_ok(),
        "/metrics/listen",
        "must be ADDRESS:PORT, such as 127.0.0.1:9464 or [::]:9464",
    );
    parsed.ok()
}

fn limits(config: &Config, wrong: &mut Wrong) -> Limits {
    let file = &config.limits;
    let mut limits = Limits::default();
    let mut number = |name: &str, written: Option<u64>, limit: &mut usize| {
        let Some(written) = written else { return };
        let fits = (1..=MAX_BOUND).contains(&written);
        wrong.unless(
            fits,
            &format!("/limits/{name}"),
            "must be at least 1; leave the key out for its default",
        );
        *limit = usize::try_from(written).unwrap_or(usize::MAX);
    };
    number("max_flows", file.max_flows, &mut limits.max_flows);
    number("reorder_bytes", file.reorder_bytes, &mut limits.reorder_bytes);
    number("reorder_segments", file.reorder_segments, &mut limits.reorder_segments);
    number("reorder_bytes_total", file.reorder_bytes_total, &mut limits.reorder_bytes_total);
    number("head_bytes", file.head_bytes, &mut limits.head_bytes);
    number("head_lines", file.head_lines, &mut limits.head_lines);
    number("pipelined", file.pipelined, &mut limits.pipelined);
    number("body_bytes", file.body_bytes, &mut limits.body_bytes);
    number("tls_secrets", file.tls_secrets, &mut limits.tls_secrets);
    number("tls_waiting_bytes", file.tls_waiting_bytes, &mut limits.tls_waiting_bytes);
    number("tls_waiting_bytes_total", file.tls_waiting_bytes_total, &mut limits.tls_waiting_bytes_total);
    number("tunnel_depth", file.tunnel_depth, &mut limits.tunnel_depth);
    number("shape_nodes", file.shape_nodes, &mut limits.shape_nodes);
    number("body_depth", file.body_depth, &mut limits.body_depth);
    number("query_parameters", file.query_parameters, &mut limits.query_parameters);
    number("loose_fields", file.loose_fields, &mut limits.loose_fields);
    number("fresh_keys", file.fresh_keys, &mut limits.fresh_keys);
    number("sample_values", file.sample_values, &mut limits.sample_values);
    number("path_segments", file.path_segments, &mut limits.path_segments);
    if let Some(seconds) = file.flow_idle_secs {
        wrong.unless((1..=86_400).contains(&seconds), "/limits/flow_idle_secs", "must be 1 to 86400 seconds");
        limits.flow_idle = Duration::from_secs(seconds);
    }
    if let Some(seconds) = file.tls_waiting_secs {
        wrong.unless((1..=3_600).contains(&seconds), "/limits/tls_waiting_secs", "must be 1 to 3600 seconds");
        limits.tls_waiting = Duration::from_secs(seconds);
    }
    if let Some(milliseconds) = file.reorder_wait_ms {
        let rule = "must be 1 to 60000 milliseconds";
        wrong.unless((1..=60_000).contains(&milliseconds), "/limits/reorder_wait_ms", rule);
        limits.reorder_wait = Duration::from_millis(milliseconds);
    }
    let fits = limits.tls_waiting_bytes <= limits.tls_waiting_bytes_total;
    wrong.unless(fits, "/limits/tls_waiting_bytes", "must be at most limits.tls_waiting_bytes_total");
    let whole = limits.reorder_bytes <= limits.reorder_bytes_total;
    wrong.unless(whole, "/limits/reorder_bytes", "must be at most limits.reorder_bytes_total");
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (tempfile::TempDir, Result<Settings, Problems>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spanlight.yaml");
        fs::write(&file, text).unwrap();
        let settings = Settings::load(&file);
        (folder, settings)
    }

    fn told(text: &str) -> Vec<String> {
        let problems = load(text).1.unwrap_err();
        problems.as_slice().iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect()
    }

    #[test]
    fn key_logs_are_files_or_sockets() {
        let text = "keylogs:\n- a.keys\n- {file: /b.keys}\n- {socket: s.sock, users: [nginx, 33]}\n\
                    - {socket: /run/t.sock, mode: '0660'}\nlimits: {tls_secrets: 9, tls_waiting_secs: 5}\n";
        let (folder, settings) = load(text);
        let settings = settings.unwrap();
        assert_eq!(settings.key_logs, [folder.path().join("a.keys"), "/b.keys".into()]);
        let sockets: Vec<_> = settings.key_sockets.iter().map(|one| (one.mode, one.users.len())).collect();
        assert_eq!(sockets, [(0o666, 2), (0o660, 0)]);
        let folders = settings.log_folders();
        assert!(folders.contains(&folder.path().to_owned()) && folders.contains(&PathBuf::from("/")));
        assert_eq!((settings.limits.tls_secrets, settings.limits.tls_waiting), (9, Duration::from_secs(5)));
        assert_eq!(
            told(
                "keylogs:\n- {}\n- {file: a, socket: b}\n- {file: a, mode: '0600'}\n- {socket: c, mode: rw}\n"
            ),
            [
                "line 2, keylogs[0]: must name a `file` or a `socket`",
                "line 3, keylogs[1]: must name a `file` or a `socket`",
                "line 4, keylogs[2].file: `users` and `mode` are a socket's",
                "line 5, keylogs[3].mode: must be a mode in octal digits, such as '0660'",
            ]
        );
    }

    #[test]
    fn an_empty_file_is_a_first_run() {
        let settings = load("").1.unwrap();
        let expected =
            Settings { file: settings.file.clone(), ..Settings::from_config(&Config::default()).unwrap() };
        assert_eq!(settings, expected);
        assert_eq!(settings.interval, Duration::from_secs(10));
        assert!(settings.bodies && settings.lake.is_none() && settings.metrics.is_none());
        assert_eq!(settings.key_file(), Path::new("/var/lib/spanlight/state/fingerprint.key"));
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn an_interface_has_what_the_capture_says_unless_it_says_otherwise() {
        let (folder, settings) = load(
            "capture: {filter: tcp, ring_mib: 2, snaplen: 1000}\ninterfaces:\n- eth0\n- {name: eth1, filter: port 80, \
             ring_mib: 8, promiscuous: false}\nstate: state\nspecs: [/abs, rel]\nlimits: {max_flows: 9}\n\
             privileges: {user: 12}\nmetrics: {listen: '[::1]:9464'}\n",
        );
        let settings = settings.unwrap();
        let [first, second] = settings.interfaces.as_slice() else { panic!("two interfaces") };
        let expected = Interface {
            name: "eth0".into(),
            filter: Some("tcp".into()),
            snaplen: 1_000,
            promiscuous: true,
            ring_bytes: 2 << 20,
            vantage: None,
        };
        assert_eq!(*first, expected);
        let expected = Interface {
            name: "eth1".into(),
            filter: Some("port 80".into()),
            promiscuous: false,
            ring_bytes: 8 << 20,
            ..expected
        };
        assert_eq!(*second, expected);
        assert_eq!(settings.state, folder.path().join("state"));
        assert_eq!(settings.specs, [PathBuf::from("/abs"), folder.path().join("rel")]);
        assert_eq!(settings.limits, Limits { max_flows: 9, ..Limits::default() });
        assert_eq!(settings.privileges.user, "12");
        assert_eq!(settings.metrics.unwrap().port(), 9464);
    }

    #[test]
    fn every_broken_rule_is_told_with_its_line() {
        let text = "\
sensor: my sensor
interval_secs: 0
state: ''
typo: 1
interfaces: [eth0, a/b]
capture:
  shards: 1000
  ring_mib: 0
  snaplen: 5
lake:
  path: s3://bucket
  roll_secs: 0
limits:
  max_flows: 0
  reorder_bytes: 100000000
  reorder_wait_ms: 0
metrics:
  listen: localhost
privileges:
  user: root
trusted_proxies: [10.0.0.0/8, proxy]
";
        assert_eq!(
            told(text),
            [
                "line 1, sensor: must be 1 to 64 letters, digits, `.`, `_` and `-`, not beginning with `.`",
                "line 2, interval_secs: must be 1 to 3600 seconds",
                "line 3, state: must be a path, not an empty text",
                "line 4, typo: unknown key; known here: access_logs, bodies, capture, descriptors, dispositions, \
                 interfaces, interval_secs, key, keylogs, lake, limits, log, metrics, ownership, privileges, sensor, signatures, specs, state, \
                 templates, trusted_proxies, vantages",
                "line 5, interfaces[1].name: must be the name of an interface: 1 to 15 letters, no space or `/`",
                "line 7, capture.shards: must be 0, for one a core, or at most 256",
                "line 8, capture.ring_mib: must be 1 to 2047 MiB",
                "line 9, capture.snaplen: must be 128 to 262144 bytes",
                "line 11, lake.path: must be a path: addresses are not supported",
                "line 12, lake.roll_secs: must be 1 to 86400 seconds",
                "line 14, limits.max_flows: must be at least 1; leave the key out for its default",
                "line 15, limits.reorder_bytes: must be at most limits.reorder_bytes_total",
                "line 16, limits.reorder_wait_ms: must be 1 to 60000 milliseconds",
                "line 18, metrics.listen: must be ADDRESS:PORT, such as 127.0.0.1:9464 or [::]:9464",
                "line 20, privileges.user: must be the name or number of a user other than root",
                "line 21, trusted_proxies[1]: must be an address, or a network such as 10.0.0.0/8 or 2001:db8::/32",
            ]
        );
    }

    #[test]
    fn a_source_of_logs_names_one_way_in() {
        let text = "\
access_logs:
  - logs/a.log
  - {name: b, files: ['/b/*.log', '/c/[.log'], format: nowhere.yaml}
  - {name: logs/a.log, stdin: true}
  - {files: [x], stdin: true}
  - name: d
  - {stdin: true, vantage: 'a b', from: middle}
";
        assert_eq!(
            told(text),
            [
                "line 3, access_logs[1].format: must be the name of a format, a format string, or the path of a preset: \
                 read the log format nowhere.yaml: No such file or directory (os error 2)",
                "line 3, access_logs[1].files[1]: must be a path or a pattern: Pattern syntax error near position 3: \
                 invalid range pattern",
                "line 4, access_logs[2].name: stands twice; each source of logs needs a name of its own",
                "line 5, access_logs[3]: must name one way in: `files`, `stdin: true`, `syslog`, `http`, `envoy_als`, \
                 `kafka` or `s3`",
                "line 6, access_logs[4]: must name one way in: `files`, `stdin: true`, `syslog`, `http`, `envoy_als`, \
                 `kafka` or `s3`",
                "line 7, access_logs[5].from: must be `start` or `end`",
                "line 7, access_logs[5].vantage: must be 1 to 64 letters, digits, `.`, `_` and `-`",
                "line 7, access_logs[5].stdin: stands twice; standard input is read once",
            ]
        );
    }

    #[test]
    #[cfg(feature = "intake")]
    fn ways_in_that_listen_say_where_and_with_what() {
        let text = "\
access_logs:
  - syslog: {udp: '0.0.0.0:514', tcp_tls: '[::]:6514', tls: {certificate: a.pem, key: /b.pem, client_ca: ca.pem}}
  - {name: app, http: {listen: '10.0.0.1:8443', tokens: tokens, max_batch_kib: 16}}
  - {envoy_als: {listen: '127.0.0.1:9000'}}
";
        let settings = load(text).1.unwrap();
        let ways: Vec<&Listen> = settings.pushed().collect();
        let [Listen::Syslog(syslog), Listen::Http(http), Listen::EnvoyAls(_)] = ways.as_slice() else {
            panic!("{ways:?}")
        };
        assert_eq!(syslog.udp.unwrap().port(), 514);
        let (_, files) = syslog.tls.as_ref().unwrap();
        assert_eq!(files.key, Path::new("/b.pem"));
        assert!(files.client_required && files.client_ca.is_some());
        assert_eq!((http.max_batch, http.tls.as_ref()), (16 << 10, None));
        let names: Vec<&str> = settings.access_logs.iter().map(|log| &*log.source.name).collect();
        assert_eq!(names, ["syslog", "app", "envoy_als"]);
        assert_eq!(settings.listen(), [6514, 8443, 9000]);
        assert!(settings.readable().any(|folder| folder == Path::new("/")), "that of the key");

        let text = "\
access_logs:
  - {syslog: {max_message_kib: 1}}
  - {http: {listen: 'localhost:80', tls: {key: a}, max_connections: 0}}
  - {name: d, envoy_als: {tokens: '', lisen: 9}, http: {listen: '10.0.0.1:1'}}
  - {name: e, syslog: {tcp_tls: '10.0.0.1:x', tls: {certificate: a, key: b, client_certificate: maybe}}}
";
        assert_eq!(
            told(text),
            [
                "line 2, access_logs[0].syslog: must say where it listens: `udp`, `tcp` or `tcp_tls`",
                "line 3, access_logs[1].http.listen: must be an address and a port, such as 0.0.0.0:6514 or [::]:6514",
                "line 3, access_logs[1].http.tls: must name a `certificate` and its `key`",
                "line 3, access_logs[1].http.max_connections: must be 1 to 100000",
                "line 4, access_logs[2].envoy_als.lisen: unknown key; did you mean `listen`?",
                "line 4, access_logs[2].envoy_als.listen: must say where it listens, such as 0.0.0.0:8443",
                "line 4, access_logs[2].envoy_als.tokens: must be a path, not an empty text",
                "line 4, access_logs[2]: must name one way in: `files`, `stdin: true`, `syslog`, `http`, `envoy_als`, \
                 `kafka` or `s3`",
                "line 5, access_logs[3].syslog.tls.client_certificate: must be `required` or `optional`",
                "line 5, access_logs[3].syslog.tcp_tls: must be an address and a port, such as 0.0.0.0:6514 or [::]:6514",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_yaml_is_refused_with_its_line() {
        let [told] = told("state: x\nspecs: [a\ncapture: {\n").try_into().unwrap();
        assert!(told.starts_with("line ") && told.contains("not read: "), "{told}");
        let missing = Settings::load(Path::new("/nowhere/spanlight.yaml")).unwrap_err();
        assert!(
            missing.to_string().starts_with("/nowhere/spanlight.yaml: not read: No such file"),
            "{missing}"
        );
    }

    #[cfg(feature = "live")]
    #[test]
    fn filters_are_compiled() {
        let [told] = told("capture:\n  filter: tcp prot 80\n").try_into().unwrap();
        assert!(told.starts_with("line 2, capture.filter: must be a BPF filter: "), "{told}");
        assert!(
            load("interfaces: [{name: a, filter: wlan type mgt}, {name: b, filter: vlan 7 and tcp}]")
                .1
                .is_ok()
        );
    }

    #[cfg(all(feature = "kafka", feature = "s3"))]
    #[test]
    fn topics_and_buckets_are_held_against_rules() {
        let text = "\
access_logs:
- kafka: {brokers: [a, 'b:9092'], group: '', topics: ['x y'], password_file: p}
- kafka: {ca: ca.pem, cert: c, user: u, password_file: p, mechanism: plain}
- name: both
  s3: {bucket: a/b, endpoint: minio, poll_secs: 0, access_key_id: k}
- name: two
  s3: {bucket: a}
  stdin: true
- format: har
  kafka: {brokers: ['b:9092'], topics: [t], mechanism: md5}
";
        assert_eq!(
            told(text),
            [
                "line 2, access_logs[0].kafka.brokers[0]: must be HOST:PORT",
                "line 2, access_logs[0].kafka.topics[0]: must be the name of a topic: 1 to 249 letters, digits, `.`, `_` and `-`",
                "line 2, access_logs[0].kafka.group: must be 1 to 249 bytes",
                "line 2, access_logs[0].kafka.user: needs `password_file`, and `password_file` needs it",
                "line 3, access_logs[1].kafka.brokers: must name a broker, as HOST:PORT",
                "line 3, access_logs[1].kafka.topics: must name a topic",
                "line 3, access_logs[1].kafka.cert: needs `cert_key`, and `cert_key` needs it",
                "line 3, access_logs[1].kafka.tls: must be true for `ca`, `cert` and `cert_key`",
                "line 3, access_logs[1].kafka.mechanism: must not be `plain` without `tls`: the password would be seen",
                "line 5, access_logs[2].s3.bucket: must be the name of a bucket",
                "line 5, access_logs[2].s3.endpoint: must be a URL such as https://minio.example:9000",
                "line 5, access_logs[2].s3.poll_secs: must be 1 to 86400 seconds",
                "line 5, access_logs[2].s3.access_key_id: needs `secret_access_key_file`, which needs it, and `anonymous` excludes both",
                "line 6, access_logs[3]: must name one way in: `files`, `stdin: true`, `syslog`, `http`, `envoy_als`, \
                 `kafka` or `s3`",
                "line 9, access_logs[4].format: must be one of lines or spans: records of topics are no documents",
                "line 10, access_logs[4].kafka.mechanism: must be one of `plain`, `scram-sha-256`, `scram-sha-512`",
            ]
        );
    }

    #[cfg(all(feature = "kafka", feature = "s3"))]
    #[test]
    fn topics_and_buckets_say_what_they_connect_to() {
        let text = "\
access_logs:
- kafka: {brokers: ['[::1]:9092', 'b:9093'], topics: [t], ports: [9094]}
- s3: {bucket: logs, prefix: edge/, endpoint: 'http://minio:9000', anonymous: true}
";
        let settings = load(text).1.unwrap();
        assert_eq!(settings.connect(), [53, 9000, 9092, 9093, 9094]);
        let names: Vec<&str> = settings.access_logs.iter().map(|log| &*log.source.name).collect();
        assert_eq!(names, ["kafka:t", "s3://logs/edge/"]);
        assert_eq!(
            load("access_logs: [a.log]\n").1.unwrap().connect(),
            [0_u16; 0],
            "a sensor of files connects nowhere"
        );
    }

    #[test]
    fn lake_and_state_lie_apart() {
        for lake in ["/var/lib/spanlight/state", "/var/lib/spanlight/state/lake", "/var/lib/spanlight"] {
            let [told] = told(&format!("lake: {{path: {lake}}}")).try_into().unwrap();
            assert!(told.starts_with("line 1, lake.path: must not lie in the state folder"), "{told}");
        }
    }

    #[test]
    fn a_host_name_is_made_to_fit() {
        for (name, fits) in
            [("web-1.example\n", "web-1.example"), ("..a b", "a-b"), ("", "sensor"), ("ü", "-")]
        {
            assert_eq!(fitted(name), fits, "{name:?}");
        }
        assert_eq!(fitted(&"x".repeat(99)).len(), 64);
    }

    #[test]
    fn what_differs_is_named_and_what_needs_a_restart_says_why() {
        let (folder, old) = load("interfaces: [a]\nprivileges: {sandbox: 'off'}\n");
        let old = old.unwrap();
        let differ = |text: &str, sandbox: Sandboxing| -> Vec<(&str, bool)> {
            let mut old = old.clone();
            old.privileges.sandbox = sandbox;
            let file = folder.path().join("new.yaml");
            fs::write(&file, text).unwrap();
            let mut new = Settings::load(&file).unwrap();
            new.privileges.sandbox = sandbox;
            old.differences(&new).into_iter().map(|one| (one.key, one.restart.is_some())).collect()
        };
        assert_eq!(differ("interfaces: [a]\n", Sandboxing::Off), []);
        let free = "interfaces: [{name: a, filter: tcp}]\nspecs: [/specs]\ntemplates: /other/t.yaml\nownership: /other/o.yaml\nlake: {path: /lake}\ninterval_secs: 5\n\
                    metrics: {listen: '127.0.0.1:1'}\nlog: {level: debug}\n";
        let free_keys = [
            "interval_secs",
            "specs",
            "templates",
            "ownership",
            "filter",
            "lake.path",
            "metrics.listen",
            "log",
        ];
        assert_eq!(differ(free, Sandboxing::Off), free_keys.map(|key| (key, false)));
        let locked =
            |key| (key, ["specs", "templates", "ownership", "lake.path", "metrics.listen"].contains(&key));
        assert_eq!(differ(free, Sandboxing::Auto), free_keys.map(locked));
        assert_eq!(differ("interfaces: [a]\nspecs: [new]\n", Sandboxing::Auto), [("specs", false)]);
        let fixed = "interfaces: [{name: a, ring_mib: 1}]\nstate: s\nkey: k\nsensor: other\ncapture: {shards: 7}\n\
                     limits: {max_flows: 1}\nprivileges: {user: daemon}\ntrusted_proxies: ['::1']\n";
        let fixed_keys = [
            "sensor",
            "state",
            "key",
            "trusted_proxies",
            "interfaces",
            "capture.shards",
            "limits",
            "privileges",
        ];
        assert_eq!(differ(fixed, Sandboxing::Off), fixed_keys.map(|key| (key, true)));
    }
}
