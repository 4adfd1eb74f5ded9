//! `spanlight watch`: the sensor, from its first look at the interfaces to its last file in the lake.

use super::style::{bytes, thousands};
use super::terminal::Terminal;
use super::{Outcome, documents, key};
use crate::classify::Classifier;
use crate::config::{
    AccessLog, AccessLogConfig, Config, InterfaceConfig, KeyLogConfig, LogFormat, NetworkId, Sandboxing,
    Settings, WayIn,
};
use crate::finding::Dispositions;
use crate::flow::OverlapPolicy;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::packet::{Options, Separate};
use crate::pipeline::rows::RowsWanted;
use crate::pipeline::shard::ShardSettings;
use crate::pipeline::watch::figures::{BookFigures, Figures, KeyFigures, Totals};
use crate::pipeline::watch::{Pace, Sensor, Watch};
use crate::problem::Problems;
use crate::sandbox;
use crate::secret::FingerprintKey;
use crate::source::intake::Way;
#[cfg(feature = "intake")]
use crate::source::intake::listen::Bound;
#[cfg(feature = "s3")]
use crate::source::intake::s3::Bucket;
use crate::source::intake::stdin::Stdin;
use crate::source::key_log::KeySocketSettings;
use crate::source::key_socket::KeySocket;
use crate::source::live;
use crate::source::signature_packs;
use crate::spec::{DocumentSet, Methods};
use crate::tls::keylog::Keys;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments. What is given here goes before what the file says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "SIGNALS\n  HUP        read the file, the documents, the templates, the ownership, the dispositions and the signatures again; when anything is wrong with them, go on with the old\n  TERM, INT  empty the rings, write everything, end\n\nEXIT STATUS\n  0  ended when asked to, everything written\n  2  could not start, or could not write everything in time"
)]
pub(super) struct Args {
    /// The sensor's file; /etc/spanlight/spanlight.yaml is an example of one, and none is needed with -i
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,

    /// Watch this interface; may be given several times
    #[arg(short, long = "interface", value_name = "IFACE", help_heading = "What to watch")]
    interface: Vec<String>,

    /// Read this log too: a file, which is followed through rotation, a folder, a pattern, or - for standard input; may be
    /// given several times
    #[arg(short = 'a', long = "access-log", value_name = "PATH", help_heading = "What to watch")]
    access_log: Vec<PathBuf>,

    /// Read TLS with the secrets of this key log, as SSLKEYLOGFILE writes it: it is followed as it grows and is rotated; may be
    /// given several times
    #[arg(long, value_name = "FILE", help_heading = "What to watch")]
    keylog: Vec<PathBuf>,

    /// Make this Unix socket, to which agents of this user and root write lines of key logs; in the file others can be let
    /// in, too; may be given several times
    #[arg(long, value_name = "PATH", help_heading = "What to watch")]
    keylog_socket: Vec<PathBuf>,

    /// Only packets that this BPF expression takes, see pcap-filter(7)
    #[arg(long, value_name = "BPF", help_heading = "What to watch")]
    filter: Option<String>,

    /// Worker threads: 0 for one a core
    #[arg(long, value_name = "N", help_heading = "What to watch")]
    shards: Option<u64>,

    /// The ring of each shard and interface, in MiB: what it holds is how long a burst may last
    #[arg(long, value_name = "MIB", help_heading = "What to watch")]
    ring_mib: Option<u64>,

    /// Bytes of each packet that are captured
    #[arg(long, value_name = "BYTES", help_heading = "What to watch")]
    snaplen: Option<u64>,

    /// Do not look into bodies: faster, but finds no data classes and no drift in them
    #[arg(long, help_heading = "What to watch")]
    no_bodies: bool,

    /// OpenAPI documents and catalogues of gateways (Kong, Kubernetes Gateway API, Envoy, AWS API Gateway) to compare with:
    /// files, or folders searched for YAML and JSON
    #[arg(long, value_name = "PATH", help_heading = "What to compare with")]
    spec: Vec<PathBuf>,

    /// Descriptors of gRPC services, which are documents too and name the fields of messages: descriptor sets that protoc
    /// or buf wrote with imports, .proto sources, or folders searched for both
    #[arg(long, value_name = "PATH", help_heading = "What to compare with")]
    descriptors: Vec<PathBuf>,

    /// What you have decided on path templates: a YAML file of pin, split, merge and name
    #[arg(long, value_name = "FILE", help_heading = "What to compare with")]
    templates: Option<PathBuf>,

    /// Who owns which service: a YAML file, as for analyze
    #[arg(long, value_name = "FILE", help_heading = "What to compare with")]
    ownership: Option<PathBuf>,

    /// What you have decided on findings, as for analyze
    #[arg(long, value_name = "FILE")]
    dispositions: Option<PathBuf>,

    /// Fill the lake in this folder
    #[arg(long, value_name = "DIR", help_heading = "Where results go")]
    lake: Option<PathBuf>,

    /// The folder of what was learnt, from which the sensor resumes
    #[arg(long, value_name = "DIR", help_heading = "Where results go")]
    state: Option<PathBuf>,

    /// The sensor's name in the lake
    #[arg(long, value_name = "NAME", help_heading = "Where results go")]
    sensor: Option<String>,

    /// The key under which callers are fingerprinted
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    key: Option<PathBuf>,

    /// Save what was learnt every so many seconds: a crash costs no more
    #[arg(long, value_name = "SECS", help_heading = "Where results go")]
    interval: Option<u64>,

    /// Write files to the lake every so many seconds
    #[arg(long, value_name = "SECS", help_heading = "Where results go")]
    roll: Option<u64>,

    /// Serve metrics at this address, under /metrics
    #[arg(long, value_name = "ADDR", help_heading = "How to run")]
    metrics: Option<SocketAddr>,

    /// Whom to become when started as root
    #[arg(long, value_name = "NAME", help_heading = "How to run")]
    user: Option<String>,

    /// Landlock and seccomp: as far as the kernel has them, or not without them, or not at all
    #[arg(long, value_enum, value_name = "HOW", help_heading = "How to run")]
    sandbox: Option<Guard>,

    /// How events are told on standard error
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "How to run")]
    log_format: Option<Format>,

    /// Show no status line
    #[arg(long, short, help_heading = "How to run")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Guard {
    Auto,
    Require,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How long the end of the sensor may take in all.
const STOP: Duration = Duration::from_secs(20);
/// How often signals are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often interfaces are looked after.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// How often a status is told where there is no status line.
const TELL: Duration = Duration::from_secs(60);
/// How often a loss of packets that goes on is told.
const WARN: Duration = Duration::from_secs(10);
/// How long a thread may be busy before the watchdog is no longer told that all is well.
const ALIVE: Duration = Duration::from_secs(60);
/// The key that the fixtures were made with: everybody has it.
const TEST_KEY: &str = "5a065a41";

/// Runs a sensor until it is asked to end.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    let settings = settings(args)?;
    if settings.interfaces.is_empty() && settings.access_logs.is_empty() {
        bail!(
            "nothing to watch: name an interface with -i or a log with -a, or in the file under 'interfaces' and 'access_logs'"
        );
    }
    let terminal = Terminal::start(settings.log.format, settings.log.level, args.quiet);
    for interface in &settings.interfaces {
        live::check_filter(&interface.name, interface.filter.as_deref().unwrap_or_default())?;
    }
    let read = read(&settings)?;
    for problem in &read.problems {
        tracing::warn!("{problem}");
    }
    // From here on a signal ends the sensor in order.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("listen to signals")?;
    let key = key_of(&settings)?;
    let listener = settings
        .metrics
        .map(|address| TcpListener::bind(address).with_context(|| format!("listen on {address} for metrics")))
        .transpose()?;
    let key_sockets = key_sockets(&settings)?;
    let opened: Vec<Opened> = settings.access_logs.iter().map(way_in).collect::<Result<_>>()?;
    let (ways, refreshes): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    lock_in(&settings)?;
    let watch = Watch {
        sensor: settings.sensor.clone(),
        state: settings.state.clone(),
        key,
        interfaces: settings.interfaces.clone(),
        logs: settings.access_logs.iter().map(|log| Arc::clone(&log.source)).zip(ways).collect(),
        key_logs: settings.key_logs.clone(),
        key_sockets,
        lanes: settings.shards.get(),
        shard: ShardSettings {
            limits: settings.limits.clone(),
            overlap: OverlapPolicy::First,
            inspect_bodies: settings.bodies,
            rows: RowsWanted::None,
            tags: false,
            constants: false,
            trusted: Arc::new(settings.trusted.clone()),
            vantages: Arc::new(settings.vantages.clone()),
            methods: read.methods,
            keys: Arc::new(Keys::new(settings.limits.tls_secrets)),
        },
        packets: Options {
            tunnel_depth: settings.limits.tunnel_depth,
            separate: separate(&settings),
            verify_checksums: false,
        },
        classifier: read.classifier,
        documents: read.documents,
        rulings: read.rulings,
        ownership: read.ownership,
        dispositions: read.dispositions,
        lake: settings.lake.as_ref().map(|lake| lake.path.clone()),
        pace: pace(&settings),
    };
    if watch.lake.is_none() {
        tracing::warn!("no lake is named: what is learnt stays in the state alone");
    }
    let mut sensor = watch.start()?;
    if let Some(listener) = listener {
        serve(listener, &sensor)?;
    }
    sensor.look_after()?;
    told(notify(&[NotifyState::Ready]));
    let outcome = attend(args, settings, read.problems, &refreshes, &mut sensor, &mut signals, &terminal);
    terminal.show("");
    told(notify(&[NotifyState::Stopping]));
    tracing::info!("ending: emptying the rings and writing everything");
    let figures = Arc::clone(sensor.figures());
    let whole = sensor.stop(STOP);
    let totals = figures.totals();
    tracing::info!(
        packets = totals.packets,
        dropped = totals.dropped(),
        log_records = totals.log_records,
        exchanges = totals.exchanges,
        endpoints = figures.booked().endpoints,
        "ended"
    );
    outcome?;
    if !whole {
        bail!(
            "not everything could be written in {} seconds: the state holds what it last saved",
            STOP.as_secs()
        );
    }
    Ok(Outcome::Done)
}

/// Has a way in read its files again: certificates, tokens.
type Refresh = Box<dyn Fn()>;

/// A way in that is open, and what refreshes it.
type Opened = (Box<dyn Way>, Option<Refresh>);

/// What reads a source of logs, with all open that cannot be opened any more when the sensor has locked itself in: ports
/// are bound here, for which the process may need privileges.
fn way_in(log: &AccessLog) -> Result<Opened> {
    #[cfg(any(feature = "kafka", feature = "s3", feature = "intake"))]
    let what = || format!("open the log {}", log.source.name);
    Ok(match &log.way {
        WayIn::Files(files) => (Box::new(files.clone()), None),
        WayIn::Stdin => (Box::new(Stdin), None),
        #[cfg(feature = "kafka")]
        WayIn::Kafka(kafka) => (Box::new(kafka.open().with_context(what)?), None),
        #[cfg(feature = "s3")]
        WayIn::S3(s3) => (Box::new(Bucket::open(s3).with_context(what)?), None),
        #[cfg(feature = "intake")]
        WayIn::Listen(listen) => {
            let name = &log.source.name;
            let bound = Bound::new(listen.clone()).with_context(what)?;
            let addresses: Vec<String> = bound.addresses().iter().map(ToString::to_string).collect();
            let at = addresses.join(" ");
            tracing::info!(log = %name, %at, "listening");
            if listen.is_open() && !bound.addresses().iter().all(|address| address.ip().is_loopback()) {
                tracing::warn!(log = %name, %at, "whoever reaches a port may send logs: tokens or certificates of clients are not asked for");
            }
            let reload = bound.reload();
            (Box::new(bound), Some(Box::new(move || reload.now())))
        }
    })
}

/// The sockets that agents write secrets to: made here, for the sandbox lets none be made.
fn key_sockets(settings: &Settings) -> Result<Vec<KeySocket>> {
    let has_keys = !settings.key_logs.is_empty() || !settings.key_sockets.is_empty();
    if has_keys && settings.interfaces.is_empty() {
        tracing::warn!("keys are given, and no interface to read TLS from");
    }
    let bind = |socket: &KeySocketSettings| {
        let bound = KeySocket::bind(socket)
            .with_context(|| format!("listen for keys on {}", socket.path.display()))?;
        tracing::info!(socket = bound.name(), "listening for keys");
        Ok(bound)
    };
    settings.key_sockets.iter().map(bind).collect()
}

#[cfg(feature = "metrics")]
fn serve(listener: TcpListener, sensor: &Sensor) -> Result<()> {
    use crate::sink::prometheus::{MEDIA_TYPE, text};
    let figures = Arc::clone(sensor.figures());
    // Writing to a string cannot fail.
    let render = move || (text(figures.metrics()).unwrap_or_default(), MEDIA_TYPE);
    crate::web::metrics::serve(listener, Arc::new(render)).context("serve metrics")
}

#[cfg(not(feature = "metrics"))]
fn serve(_: TcpListener, _: &Sensor) -> Result<()> {
    bail!("this build serves no metrics: build with the feature 'metrics'")
}

/// Whom nobody listens to is not told again.
fn told(outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "the service manager is not told");
    }
}

fn notify(states: &[NotifyState<'_>]) -> std::io::Result<()> {
    sd_notify::notify(states)
}

/// Looks after the sensor until a signal ends it.
#[expect(clippy::disallowed_methods, reason = "an edge: when to look is no packet's time")]
fn attend(
    args: &Args,
    mut settings: Settings,
    mut accepted: Vec<String>,
    refreshes: &[Option<Refresh>],
    sensor: &mut Sensor,
    signals: &mut Signals,
    terminal: &Terminal,
) -> Result<()> {
    let mut status = Status::new(sensor.figures());
    let (mut looked, mut shown) = (Instant::now(), Instant::now());
    loop {
        for signal in signals.pending() {
            if signal != SIGHUP {
                return Ok(());
            }
            told(NotifyState::monotonic_usec_now().and_then(|now| notify(&[NotifyState::Reloading, now])));
            for refresh in refreshes.iter().flatten() {
                refresh();
            }
            match reload(args, &settings, &accepted, sensor, terminal) {
                Ok((new, problems)) => (settings, accepted) = (new, problems),
                Err(problems) => {
                    for problem in &problems {
                        tracing::error!("{problem}");
                    }
                    tracing::error!(problems = problems.len(), "reload refused: going on with the old files");
                }
            }
            told(notify(&[NotifyState::Ready]));
        }
        if looked.elapsed() >= LOOK_AFTER {
            looked = Instant::now();
            if let Err(error) = sensor.look_after() {
                tracing::error!(%error, "an interface is not captured");
            }
            if sensor.is_done() {
                return Ok(());
            }
            if sensor.is_broken() {
                bail!(
                    "a thread of the sensor has ended: this is a defect of Spanlight; restart it and report the message above"
                );
            }
        }
        if shown.elapsed() >= Duration::from_secs(1) {
            status.tick(sensor.figures(), shown.elapsed(), terminal);
            shown = Instant::now();
            if sensor.figures().alive(ALIVE) {
                told(notify(&[NotifyState::Watchdog, NotifyState::Status(&status.line)]));
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// What the file and the command line come to.
fn settings(args: &Args) -> Result<Settings, Problems> {
    let mut config = Config::default();
    if let Some(user) = &args.user {
        config.privileges.user.clone_from(user);
    }
    if args.config.is_none() {
        // A first try, by hand: results stay where it was started.
        config.state = PathBuf::from("spanlight-state");
    }
    let mut settings = match &args.config {
        Some(file) => Settings::load(file)?,
        None => Settings::from_config(&config)?,
    };
    // What the command line says is held against the same rules.
    let mut over = Config { sensor: args.sensor.clone(), ..Config::default() };
    over.interfaces = args.interface.iter().map(InterfaceConfig::named).collect();
    over.access_logs = args.access_log.iter().map(|path| access_log(path)).collect();
    let files =
        args.keylog.iter().map(|path| KeyLogConfig { file: Some(path.clone()), ..KeyLogConfig::default() });
    let sockets = args
        .keylog_socket
        .iter()
        .map(|path| KeyLogConfig { socket: Some(path.clone()), ..KeyLogConfig::default() });
    over.keylogs = files.chain(sockets).collect();
    over.capture.filter.clone_from(&args.filter);
    over.capture.shards = args.shards.unwrap_or_default();
    over.capture.ring_mib = args.ring_mib.unwrap_or(over.capture.ring_mib);
    over.capture.snaplen = args.snaplen.unwrap_or(over.capture.snaplen);
    over.interval_secs = args.interval.unwrap_or(over.interval_secs);
    over.lake.path.clone_from(&args.lake);
    over.lake.roll_secs = args.roll.unwrap_or(over.lake.roll_secs);
    if let Some(user) = &args.user {
        over.privileges.user.clone_from(user);
    }
    let over = Settings::from_config(&over)?;
    if !over.interfaces.is_empty() {
        settings.interfaces = over.interfaces;
    }
    if !over.access_logs.is_empty() {
        settings.access_logs = over.access_logs;
    }
    if !over.key_logs.is_empty() || !over.key_sockets.is_empty() {
        (settings.key_logs, settings.key_sockets) = (over.key_logs, over.key_sockets);
    }
    for interface in &mut settings.interfaces {
        if args.filter.is_some() {
            interface.filter.clone_from(&args.filter);
        }
        if let Some(mib) = args.ring_mib {
            interface.ring_bytes = mib << 20;
        }
        if let Some(snaplen) = args.snaplen {
            interface.snaplen = u32::try_from(snaplen).unwrap_or(u32::MAX);
        }
    }
    if args.shards.is_some() {
        settings.shards = over.shards;
    }
    if args.sensor.is_some() {
        settings.sensor = over.sensor;
    }
    if args.interval.is_some() {
        settings.interval = over.interval;
    }
    match (&mut settings.lake, over.lake) {
        (Some(lake), Some(over)) => lake.path = over.path,
        (lake @ None, Some(over)) => *lake = Some(over),
        (Some(_) | None, None) => {}
    }
    if let (Some(lake), Some(roll)) = (&mut settings.lake, args.roll) {
        lake.roll = Duration::from_secs(roll);
    }
    if let Some(state) = &args.state {
        settings.state.clone_from(state);
    }
    if args.key.is_some() {
        settings.key.clone_from(&args.key);
    }
    hold_against(args, &mut settings);
    settings.bodies &= !args.no_bodies;
    settings.metrics = args.metrics.or(settings.metrics);
    if args.user.is_some() {
        settings.privileges.user = over.privileges.user;
    }
    match args.sandbox {
        Some(Guard::Auto) => settings.privileges.sandbox = Sandboxing::Auto,
        Some(Guard::Require) => settings.privileges.sandbox = Sandboxing::Require,
        Some(Guard::Off) => settings.privileges.sandbox = Sandboxing::Off,
        None => {}
    }
    match args.log_format {
        Some(Format::Text) => settings.log.format = LogFormat::Text,
        Some(Format::Json) => settings.log.format = LogFormat::Json,
        None => {}
    }
    Ok(settings)
}

/// Takes over what the command line tells to compare with.
fn hold_against(args: &Args, settings: &mut Settings) {
    settings.specs.extend(args.spec.iter().cloned());
    settings.descriptors.extend(args.descriptors.iter().cloned());
    for (given, file) in [
        (&args.templates, &mut settings.templates),
        (&args.ownership, &mut settings.ownership),
        (&args.dispositions, &mut settings.dispositions),
    ] {
        if given.is_some() {
            file.clone_from(given);
        }
    }
}

/// A log that the command line names.
fn access_log(path: &Path) -> AccessLogConfig {
    if path.as_os_str() == "-" {
        AccessLogConfig { stdin: true, ..AccessLogConfig::default() }
    } else {
        AccessLogConfig { files: vec![path.to_owned()], ..AccessLogConfig::default() }
    }
}

fn separate(settings: &Settings) -> Separate {
    let by = |id| settings.separate_by.contains(&id);
    Separate { vni: by(NetworkId::Vni), vlan: by(NetworkId::Vlan), gre_key: by(NetworkId::GreKey) }
}

fn pace(settings: &Settings) -> Pace {
    let lake = settings.lake.as_ref();
    Pace {
        interval: settings.interval,
        roll: lake.map_or(Duration::MAX, |lake| lake.roll),
        roll_rows: lake.map_or(usize::MAX, |lake| lake.roll_rows),
        spool_bytes: lake.map_or(u64::MAX, |lake| lake.spool_bytes),
    }
}

/// The key of fingerprints: the file named, or one in the state folder, made at the first start.
fn key_of(settings: &Settings) -> Result<FingerprintKey> {
    let file = settings.key_file();
    let key = if settings.key.is_some() || file.exists() {
        key::load(&file)?
    } else {
        std::fs::create_dir_all(&settings.state)
            .with_context(|| format!("make the folder {}", settings.state.display()))?;
        let key = key::make(&file)?;
        tracing::info!(id = key.id(), "made the fingerprint key {}: keep it", file.display());
        key
    };
    if key.id() == TEST_KEY {
        bail!(
            "{} is the key of Spanlight's own fixtures, which everybody has: make one with 'spanlight key new'",
            file.display()
        );
    }
    Ok(key)
}

/// Gives up what is not needed any more.
fn lock_in(settings: &Settings) -> Result<()> {
    // An interface may go and come back at any time.
    let report = sandbox::enter(&settings.sandbox_plan(!settings.interfaces.is_empty()))?;
    tracing::info!("locked in: {}", report.done.join("; "));
    if !report.lacking.is_empty() {
        tracing::warn!("not locked in by {}", report.lacking.join("; "));
    }
    Ok(())
}

/// What a sensor compares with.
struct Read {
    documents: DocumentSet,
    methods: Arc<Methods>,
    rulings: Rulings,
    ownership: Ownership,
    dispositions: Dispositions,
    classifier: Arc<Classifier>,
    /// What is wrong with the documents, the decisions and the ownership; the rest of them is used.
    problems: Vec<String>,
}

fn read(settings: &Settings) -> Result<Read> {
    let mut problems = Vec::new();
    let (documents, methods) = documents::read(&settings.specs, &settings.descriptors, &mut problems)?;
    let rulings = documents::rulings(settings.templates.as_deref(), &mut problems)?;
    let ownership = documents::ownership(settings.ownership.as_deref(), &mut problems)?;
    let dispositions = documents::dispositions(settings.dispositions.as_deref(), &mut problems)?;
    let classifier = signature_packs::load(&settings.signatures)?;
    Ok(Read { documents, methods, rulings, ownership, dispositions, classifier, problems })
}

/// Reads everything again and goes on with it, or tells all that is wrong with it. `accepted` are the problems of
/// documents that were there before.
fn reload(
    args: &Args,
    old: &Settings,
    accepted: &[String],
    sensor: &mut Sensor,
    terminal: &Terminal,
) -> Result<(Settings, Vec<String>), Vec<String>> {
    let one = |error: anyhow::Error| vec![format!("{error:#}")];
    let new = settings(args).map_err(|problems| -> Vec<String> {
        problems.as_slice().iter().map(ToString::to_string).collect()
    })?;
    let mut problems: Vec<String> = Vec::new();
    for interface in &new.interfaces {
        let filter = interface.filter.as_deref().unwrap_or_default();
        problems.extend(live::check_filter(&interface.name, filter).err().map(|error| error.to_string()));
    }
    let read = match read(&new) {
        Ok(read) => {
            problems.extend(read.problems.iter().filter(|problem| !accepted.contains(problem)).cloned());
            Some(read)
        }
        Err(error) => {
            problems.extend(one(error));
            None
        }
    };
    let (Some(read), true) = (read, problems.is_empty()) else { return Err(problems) };
    for difference in old.differences(&new) {
        if let Some(why) = difference.restart {
            tracing::warn!(key = difference.key, "takes effect at the next start: {why}");
        } else {
            tracing::info!(key = difference.key, "taken over");
        }
    }
    terminal.set_level(new.log.level);
    let count = read.documents.documents().len();
    let catalogues = read.documents.gateways().catalogues().len();
    let decisions = read.rulings.len();
    sensor.reload(
        (read.documents, read.methods),
        (read.rulings, read.ownership, read.dispositions),
        &read.classifier,
        pace(&new),
        &new.interfaces,
    );
    tracing::info!(documents = count, catalogues, decisions, "reloaded");
    Ok((new, read.problems))
}

/// What is told of a sensor that runs.
struct Status {
    before: Totals,
    told: Instant,
    /// The totals when a loss was last told, and when.
    warned: (Totals, Option<Instant>),
    line: String,
}

impl Status {
    #[expect(clippy::disallowed_methods, reason = "an edge: when to tell is no packet's time")]
    fn new(figures: &Figures) -> Self {
        let now = figures.totals();
        Self { before: now, told: Instant::now(), warned: (now, None), line: String::new() }
    }

    /// Tells how it goes, and loudly when packets are lost.
    #[expect(clippy::disallowed_methods, reason = "an edge: when to tell is no packet's time")]
    fn tick(&mut self, figures: &Figures, since: Duration, terminal: &Terminal) {
        let now = figures.totals();
        let book = figures.booked();
        let rate = |new: u64, old: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a rate that is shown")]
            let per_second = (new - old) as f64 / since.as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate that is shown"
            )]
            let rounded = per_second.round() as u64;
            rounded
        };
        self.line = line(
            &now,
            &book,
            figures.keys(),
            &Rates {
                packets: rate(now.packets, self.before.packets),
                bits: rate(now.bytes * 8, self.before.bytes * 8),
                exchanges: rate(now.exchanges, self.before.exchanges),
                log_records: rate(now.log_records, self.before.log_records),
            },
        );
        self.before = now;
        let lost = now.dropped() - self.warned.0.dropped();
        if lost > 0 && self.warned.1.is_none_or(|at| at.elapsed() >= WARN) {
            self.tell_loss(&now, figures);
            self.warned = (now, Some(Instant::now()));
        }
        terminal.show(&self.line);
        if !terminal.is_live() && self.told.elapsed() >= TELL {
            self.told = Instant::now();
            tracing::info!("{}", self.line);
        }
    }

    fn tell_loss(&self, now: &Totals, figures: &Figures) {
        let before = &self.warned.0;
        let seen = now.packets - before.packets;
        let lost = now.dropped() - before.dropped();
        #[expect(clippy::cast_precision_loss, reason = "a share that is shown")]
        let percent = 100.0 * lost as f64 / (seen + lost) as f64;
        let mut where_ = Vec::new();
        for (count, what) in [
            (
                now.ring_full - before.ring_full,
                "for want of room in the ring (raise ring_mib, or add shards)",
            ),
            (now.interface - before.interface, "by the interface or its driver (see ethtool -S and -g)"),
            (
                now.backlog - before.backlog,
                "by the kernel before the ring (raise net.core.netdev_max_backlog)",
            ),
            (
                now.handover - before.handover,
                "between shards (tunnelled traffic comes too fast for one of them)",
            ),
        ] {
            if count > 0 {
                where_.push(format!("{} {what}", thousands(count)));
            }
        }
        let names: Vec<String> = figures
            .interfaces()
            .into_iter()
            .filter(|(_, counts)| counts.ring_full + counts.interface > 0)
            .map(|(name, _)| name)
            .collect();
        tracing::error!(
            interfaces = names.join(","),
            "LOSING PACKETS: {} of {} ({percent:.2} %) were lost, {}; what is learnt is marked with its coverage",
            thousands(lost),
            thousands(seen + lost),
            where_.join(", ")
        );
    }
}

/// What happens in a second.
struct Rates {
    packets: u64,
    bits: u64,
    exchanges: u64,
    log_records: u64,
}

/// `12,345 packets/s  1.2 Gbit/s  none lost  2,000 log lines/s  3,210 exchanges/s  42 endpoints  900 TLS sessions read
/// 2 critical, 5 high`
fn line(now: &Totals, book: &BookFigures, keys: Option<KeyFigures>, rates: &Rates) -> String {
    let mut parts = Vec::new();
    if now.packets > 0 || now.log_records == 0 {
        parts.push(format!("{} packets/s  {}/s", thousands(rates.packets), bits_told(rates.bits)));
        let dropped = now.dropped();
        parts.push(if dropped == 0 {
            "none lost".to_owned()
        } else {
            format!("{} LOST", thousands(dropped))
        });
    }
    if now.log_records > 0 {
        parts.push(format!("{} log lines/s", thousands(rates.log_records)));
        if now.bad_log_records > 0 {
            parts.push(format!("{} BAD LINES", thousands(now.bad_log_records)));
        }
    }
    parts.push(format!("{} exchanges/s", thousands(rates.exchanges)));
    parts.push(format!("{} endpoints", thousands(book.endpoints)));
    if keys.is_some() {
        parts.push(format!("{} TLS sessions read", thousands(now.tls_read)));
        if now.tls_waiting > 0 {
            parts.push(format!("{} wait for keys", thousands(now.tls_waiting)));
        }
        if now.tls_closed > 0 {
            parts.push(format!("{} without keys", thousands(now.tls_closed)));
        }
    }
    let mut out = parts.join("  ");
    // Writing to a string cannot fail.
    let severe: Vec<String> = ["critical", "high"]
        .iter()
        .filter_map(|severity| Some(format!("{} {severity}", book.findings.get(severity)?)))
        .collect();
    if !severe.is_empty() {
        _ = write!(out, "  {}", severe.join(", "));
    }
    if book.spooled_rolls > 0 {
        _ = write!(out, "  {} wait for the lake", bytes(book.spooled_bytes));
    }
    out
}

/// `1.2 Gbit`
fn bits_told(bits: u64) -> String {
    for (unit, size) in [("Gbit", 1_000_000_000_u64), ("Mbit", 1_000_000), ("kbit", 1_000)] {
        if bits >= size {
            return format!("{}.{} {unit}", bits / size, bits % size * 10 / size);
        }
    }
    format!("{bits} bit")
}
