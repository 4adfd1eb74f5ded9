//! `spanlight analyze`: captures and logs in, inventory and findings out.

use super::output::{complain, in_words, to};
use super::progress::Bar;
use super::style::Colours;
use super::{Outcome, documents, key, summary};
use crate::access_log::LogOptions;
use crate::caller::{Network, TrustedProxies};
use crate::classify::{Location, State};
use crate::config::sensor_name;
use crate::finding::{Dispositions, Severity};
use crate::flow::OverlapPolicy;
use crate::inventory::inspect::{data_fields, display_path, told_path};
#[cfg(feature = "lake")]
use crate::inventory::ownership::Ownership;
use crate::inventory::vantage::Vantages;
use crate::lake::rows::{EndpointRow, EventRow, FindingRow, NoiseRow, ServiceRow};
use crate::limits::Limits;
use crate::packet::{Options, Separate};
use crate::pipeline::analyze::{Analysis, Report, Taken};
use crate::pipeline::rows::{Row, RowsWanted};
use crate::pipeline::shard::ShardSettings;
use crate::pipeline::tables;
use crate::sink::jsonl;
use crate::source::log_file::format_given;
use crate::source::{log_presets, signature_packs};
use crate::tls::keylog::Keys;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Inputs are told apart by content: pcap, pcapng, HAR, OpenTelemetry spans, mitmproxy flows, \
    Burp items, Postman collections, Envoy tap, and access logs (combined, JSON lines, W3C, Zeek, and those of \
    signatures/logs), plain or compressed with gzip, bzip2 or zstd.\n\nEXIT STATUS\n  0  done\n  1  findings at or above --fail-on\n  2  nothing could be read, or results could not be written"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Args {
    /// Captures and logs, read in this order; '-' for standard input
    #[arg(required_unless_present = "vantage", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A capture or log with the place where it sees traffic, such as edge:nginx.log; the first place is the outermost. A
    /// call that is seen at several places, told by its ids (X-Request-ID, traceparent and the like) or else by time, method,
    /// path and status, is one exchange, and its endpoint one with a name at each place
    #[arg(long, value_name = "LABEL:FILE", value_parser = at_vantage, help_heading = "How to read")]
    vantage: Vec<(String, PathBuf)>,

    /// OpenAPI documents and catalogues of gateways (Kong, Kubernetes Gateway API, Envoy, AWS API Gateway) to compare with:
    /// files, or folders searched for YAML and JSON
    #[arg(long, value_name = "PATH", help_heading = "What to compare with")]
    spec: Vec<PathBuf>,

    /// Descriptors of gRPC services, which are documents too and name the fields of messages: descriptor sets that protoc
    /// or buf wrote with imports, .proto sources, or folders searched for both
    #[arg(long, value_name = "PATH", help_heading = "What to compare with")]
    descriptors: Vec<PathBuf>,

    /// What you have decided on path templates: a YAML file of pin, split, merge and name, which goes before what is learnt
    /// and behind the documents
    #[arg(long, value_name = "FILE", help_heading = "What to compare with")]
    templates: Option<PathBuf>,

    /// Who owns which service: a YAML file that gives hosts and paths an owner, environment, exposure, level of service,
    /// retirement and compliance. What has none is a finding then
    #[arg(long, value_name = "FILE", help_heading = "What to compare with")]
    ownership: Option<PathBuf>,

    /// What you have decided on findings: a YAML file of what is acknowledged, accepted until a day, or a false positive
    #[arg(long, value_name = "FILE", help_heading = "What to compare with")]
    dispositions: Option<PathBuf>,

    /// Add the results to the lake in this folder, as Parquet
    #[arg(long, value_name = "DIR", help_heading = "Where results go")]
    lake: Option<PathBuf>,

    /// The sensor's name in the lake
    #[arg(long, value_name = "NAME", value_parser = sensor_name, default_value = "analyze", help_heading = "Where results go")]
    sensor: String,

    /// Print inventory and findings as JSON lines instead of the summary
    #[arg(long, help_heading = "Where results go")]
    json: bool,

    /// Write a JSON line for each endpoint ('-' for standard output; so for the next ones)
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    inventory: Option<PathBuf>,

    /// Write a JSON line for each finding
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    findings: Option<PathBuf>,

    /// Write a JSON line for each change of an endpoint: the changelog
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    events: Option<PathBuf>,

    /// Write a JSON line for each service behind TLS: versions, ciphers, certificates, whether or not its keys are known
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    services: Option<PathBuf>,

    /// Write a JSON line for each kind of noise on each host, and for each client that scans
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    noise: Option<PathBuf>,

    /// Write a JSON line for each exchange, paths as templates
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    transactions: Option<PathBuf>,

    /// Write a JSON line for each exchange and endpoint with its data classes; protobuf without descriptors is one field, $
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    tags: Option<PathBuf>,

    /// Write a JSON line for each line of a log that could not be read: where, why, and its shape without its values
    #[arg(long, value_name = "FILE", help_heading = "Where results go")]
    quarantine: Option<PathBuf>,

    /// Show paths and queries in --transactions as they were sent; shows personal data
    #[arg(long, requires = "transactions", conflicts_with = "lake", help_heading = "Where results go")]
    unredacted: bool,

    /// Show every endpoint in the summary
    #[arg(long, help_heading = "Where results go")]
    all: bool,

    /// Exit with 1 when a finding is at least this severe, and neither accepted nor a false positive
    #[arg(long, value_name = "SEVERITY", help_heading = "Where results go")]
    fail_on: Option<FailOn>,

    /// Worker threads; results do not depend on it. More than the processors gains nothing
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "How to read")]
    shards: u16,

    /// Do not look into bodies: faster, but finds no data classes and no drift in them
    #[arg(long, help_heading = "How to read")]
    no_bodies: bool,

    /// Check only one in N values of a field, once a sample of that rate holds sixteen distinct ones: faster, and counts of
    /// data classes are those of the sample then. Does nothing with --tags
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help_heading = "How to read")]
    sample_values: u32,

    /// Signatures of data classes of your own, which replace built-in ones by id: a YAML file like those in signatures, or
    /// a folder of them
    #[arg(long, value_name = "FILE_OR_DIR", help_heading = "How to read")]
    signatures: Vec<PathBuf>,

    /// Keep reading a file that grows until nothing was added for this many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "How to read")]
    follow: Option<u64>,

    /// A log of TLS secrets, as SSLKEYLOGFILE makes browsers and servers write it: what they open is read
    #[arg(long, value_name = "FILE", help_heading = "How to read")]
    keylog: Vec<PathBuf>,

    /// How the lines of logs are laid out: a format string as it stands in the server's configuration (nginx, Apache,
    /// Envoy, HAProxy), the name of a known one, or a YAML file like those in signatures/logs; told by content when
    /// not given
    #[arg(long, value_name = "FORMAT", help_heading = "How to read")]
    log_format: Option<String>,

    /// Formats of logs of your own: a YAML file like those in signatures/logs, or a folder of them
    #[arg(long, value_name = "FILE_OR_DIR", help_heading = "How to read")]
    log_preset: Vec<PathBuf>,

    /// The zone of times in logs that name none, as +02:00; UTC when not given
    #[arg(long, value_name = "ZONE", value_parser = zone, allow_hyphen_values = true, help_heading = "How to read")]
    log_zone: Option<i32>,

    /// The year of the first time in each log that names none; by default the last one in which the log can have been
    /// written
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i64).range(1990..2100), help_heading = "How to read")]
    log_year: Option<i64>,

    /// A proxy, or a network of them, whose word on its client is believed: X-Forwarded-For, Forwarded, X-Real-IP, the
    /// PROXY protocol, certificates in headers. The client is the right-most address that is not trusted
    #[arg(long, value_name = "NETWORK", help_heading = "How to read")]
    trusted_proxy: Vec<Network>,

    /// Drop segments whose TCP checksum is wrong; taps see packets before network cards fill it in
    #[arg(long, help_heading = "How to read")]
    verify_checksums: bool,

    /// Of differing copies of the same stream bytes, which to believe
    #[arg(long, value_enum, default_value_t = Overlap::First, help_heading = "How to read")]
    overlap: Overlap,

    /// The key under which callers are fingerprinted; made in the state folder when not given
    #[arg(long, value_name = "FILE", help_heading = "How to read")]
    key: Option<PathBuf>,

    /// Show no progress bar
    #[arg(long, short, help_heading = "How to read")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Overlap {
    /// The copy captured first
    First,
    /// The copy captured last
    Last,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl FailOn {
    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

fn zone(text: &str) -> Result<i32, String> {
    LogOptions::zone_of(text).ok_or_else(|| "a zone is written like +02:00, -0530 or Z".to_owned())
}

/// `edge:nginx.log`.
fn at_vantage(given: &str) -> std::result::Result<(String, PathBuf), String> {
    let (label, file) =
        given.split_once(':').filter(|(_, file)| !file.is_empty()).ok_or("must be LABEL:FILE")?;
    Vantages::new([Some(label)].into_iter()).map_err(|error| format!("the label {error}"))?;
    Ok((label.to_owned(), PathBuf::from(file)))
}

/// Runs an analysis.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    if !cfg!(feature = "lake") && args.lake.is_some() {
        bail!("this build has no lake: build with the feature 'lake'");
    }
    let key = key::choose(args.key.as_deref())?;
    let mut complaints = Vec::new();
    let (documents, methods) = documents::read(&args.spec, &args.descriptors, &mut complaints)?;
    let spec_given = !args.spec.is_empty() || !args.descriptors.is_empty();
    let rulings = documents::rulings(args.templates.as_deref(), &mut complaints)?;
    let ownership = documents::ownership(args.ownership.as_deref(), &mut complaints)?;
    let dispositions = documents::dispositions(args.dispositions.as_deref(), &mut complaints)?;
    let catalogue = log_presets::load(&args.log_preset)?;
    let labels = args.files.iter().map(|_| None).chain(args.vantage.iter().map(|(label, _)| Some(&**label)));
    let vantages = Vantages::new(labels).context("--vantage")?;
    let inputs: Vec<PathBuf> =
        args.files.iter().chain(args.vantage.iter().map(|(_, file)| file)).cloned().collect();
    let analysis = Analysis {
        inputs,
        shards: usize::from(args.shards),
        shard: ShardSettings {
            limits: Limits {
                sample_values: usize::try_from(args.sample_values).unwrap_or(usize::MAX),
                ..Limits::default()
            },
            overlap: match args.overlap {
                Overlap::First => OverlapPolicy::First,
                Overlap::Last => OverlapPolicy::Last,
            },
            inspect_bodies: !args.no_bodies,
            rows: match (args.transactions.is_some() || args.tags.is_some(), args.unredacted) {
                (false, _) => RowsWanted::None,
                (true, false) => RowsWanted::Redacted,
                (true, true) => RowsWanted::Unredacted,
            },
            tags: args.tags.is_some(),
            constants: false,
            trusted: Arc::new(TrustedProxies::new(args.trusted_proxy.clone())),
            vantages: Arc::new(vantages),
            methods,
            keys: Arc::new(Keys::new(Limits::default().tls_secrets)),
        },
        packets: Options {
            tunnel_depth: Limits::default().tunnel_depth,
            separate: Separate::default(),
            verify_checksums: args.verify_checksums,
        },
        follow: args.follow.map(Duration::from_secs),
        key_logs: args.keylog.clone(),
        log_format: args
            .log_format
            .as_deref()
            .map(|given| format_given(given, Path::new(""), &catalogue))
            .transpose()?,
        log_options: LogOptions {
            zone: args.log_zone.unwrap_or_default(),
            year: args.log_year,
            catalogue,
            ..LogOptions::default()
        },
        keep_bad_lines: args.quarantine.is_some(),
        key,
        classifier: signature_packs::load(&args.signatures)?,
        documents,
        rulings,
        ownership,
    };
    let bar = Bar::new(&analysis.inputs, !args.quiet);
    let taken = analysis.read(&mut |progress| bar.tick(progress));
    bar.clear();
    let mut taken = taken?;
    for complaint in &complaints {
        complain(complaint);
    }
    for damage in &taken.key_log_damage {
        complain(damage);
    }
    for input in &taken.inputs {
        for damage in &input.damage {
            complain(&format!("{}: {damage}", input.name));
        }
    }
    let rows = std::mem::take(&mut taken.rows);
    let mut report = analysis.conclude(&taken);
    dispositions.apply(&mut report.findings, tables::window(&taken).1);
    write(args, &analysis, &taken, &report, &rows, (spec_given, complaints.len(), &dispositions))?;
    if taken.inputs.iter().all(|input| !input.readable) {
        return Ok(Outcome::Nothing);
    }
    // A run that is to be held against documents must not pass for want of them.
    let documents = &analysis.documents;
    if spec_given && documents.is_empty() && documents.gateways().catalogues().is_empty() {
        complain("no document could be read: nothing was compared");
        return Ok(Outcome::Nothing);
    }
    let due = report.findings.iter().filter(|finding| finding.state.is_due());
    let worst = due.map(|finding| finding.severity).max();
    let failed = args.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst >= limit.severity()));
    Ok(if failed { Outcome::Findings } else { Outcome::Done })
}

fn write(
    args: &Args,
    analysis: &Analysis,
    taken: &Taken,
    report: &Report<'_>,
    rows: &[Row],
    (spec_given, complaints, dispositions): (bool, usize, &Dispositions),
) -> Result<()> {
    let endpoints = tables::endpoints(report, &analysis.classifier, &analysis.documents);
    let findings = tables::findings(report);
    let services = tables::services(taken.delta.services());
    let events = if args.lake.is_some() || args.events.is_some() {
        tables::events(report, &analysis.classifier, &|_| None).0
    } else {
        Vec::new()
    };
    // An output that cannot be written does not cost the others.
    let mut failures = Vec::new();
    let mut lake = args.lake.as_deref();
    if let Some(folder) = lake {
        let rows = (endpoints.as_slice(), findings.as_slice(), services.as_slice(), events.as_slice());
        if let Err(failure) = write_lake(args, analysis, taken, report, (folder, dispositions), rows) {
            failures.push(failure);
            lake = None;
        }
    }
    if let Some(file) = &args.inventory {
        failures.extend(to(file, |out| jsonl::write_inventory(out, &endpoints)).err());
    }
    if let Some(file) = &args.findings {
        failures.extend(to(file, |out| jsonl::write_findings(out, &findings)).err());
    }
    if let Some(file) = &args.events {
        failures.extend(to(file, |out| jsonl::write_events(out, &events)).err());
    }
    if let Some(file) = &args.services {
        failures.extend(to(file, |out| jsonl::write_services(out, &services)).err());
    }
    if let Some(file) = &args.noise {
        let noise = NoiseRow::of(&report.snapshot.inventory);
        failures.extend(to(file, |out| jsonl::write_noise(out, &noise)).err());
    }
    if let Some(file) = &args.quarantine {
        failures.extend(to(file, |out| taken.quarantine.write(out)).err());
    }
    if let Some(file) = &args.transactions {
        let names: Vec<&str> = taken.inputs.iter().map(|input| input.name.as_str()).collect();
        let written = to(file, |out| {
            rows.iter().try_for_each(|row| transaction(out, row, report, &names, args.unredacted))
        });
        failures.extend(written.err());
    }
    if let Some(file) = &args.tags {
        failures.extend(to(file, |out| tags(out, rows, analysis, report)).err());
    }
    let view = summary::View {
        scanners: &report.snapshot.inventory.scanners,
        endpoints: &endpoints,
        findings: &findings,
        services: &services,
        taken,
        documents: spec_given.then_some(&analysis.documents),
        limits: &analysis.shard.limits,
        rulings: report.snapshot.rulings(),
        lake,
        all: args.all,
        complaints,
    };
    // Somebody else's lines are on standard output: the summary gives way.
    let lines = [
        &args.inventory,
        &args.findings,
        &args.events,
        &args.services,
        &args.noise,
        &args.transactions,
        &args.tags,
    ];
    let taken_away = lines
        .iter()
        .chain([&&args.quarantine])
        .any(|file| file.as_deref().is_some_and(|file| file.as_os_str() == "-"));
    let shown = if args.json {
        to("-".as_ref(), |out| {
            jsonl::write_inventory(out, &endpoints)?;
            jsonl::write_findings(out, &findings)
        })
    } else if taken_away {
        let text = summary::text(&view, Colours(false));
        drop(io::stderr().lock().write_all(text.as_bytes()));
        Ok(())
    } else {
        let text = summary::text(&view, Colours::for_stdout());
        to("-".as_ref(), |out| out.write_all(text.as_bytes()))
    };
    failures.extend(shown.err());
    // A reader that has seen enough must not hide a disk that is full.
    failures.sort_by_key(super::is_closed_pipe);
    let mut failures = failures.into_iter();
    let first = failures.next();
    for failure in failures.filter(|failure| !super::is_closed_pipe(failure)) {
        complain(&in_words(&failure));
    }
    first.map_or(Ok(()), Err)
}

/// Writes the line of an exchange.
fn transaction(
    out: &mut dyn Write,
    row: &Row,
    report: &Report<'_>,
    inputs: &[&str],
    unredacted: bool,
) -> io::Result<()> {
    let endpoint = report.snapshot.locate(&row.host, &row.method, row.path.expose());
    let path = if unredacted {
        let mut path = String::from_utf8_lossy(row.path.expose()).into_owned();
        if let Some(query) = &row.query {
            path.push('?');
            path.push_str(&String::from_utf8_lossy(query.expose()));
        }
        Some(path)
    } else {
        endpoint.map(|endpoint| endpoint.key.template.clone())
    };
    let socket = |client: &(std::net::IpAddr, Option<u16>)| match client.1 {
        Some(port) => std::net::SocketAddr::new(client.0, port).to_string(),
        None => client.0.to_string(),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let host = match endpoint {
        _ if unredacted => row.host.to_string(),
        // A tenant's name is a value.
        Some(endpoint) if endpoint.service.tenants > 0 => endpoint.key.host.clone(),
        Some(_) | None => crate::inventory::privacy::shown_host(&row.host),
    };
    let method = if unredacted {
        row.method.to_string()
    } else {
        crate::inventory::privacy::shown_method(&row.method)
    };
    let input = inputs.get(row.provenance.input as usize).copied().unwrap_or_default();
    jsonl::write_line(
        out,
        &json!({
            "capture": input,
            "protocol": row.protocol.name(),
            "method": text(&row.method).map(|_| method),
            "host": text(&host),
            "path": path.filter(|path| !row.method.is_empty() && !path.is_empty()),
            "status": (row.status != 0).then_some(row.status),
            "request_body_len": row.request_body_len,
            "response_body_len": row.response_body_len,
            "response_content_type": row.response_content_type.as_deref(),
            "client": row.client.as_ref().map(socket),
            "server": row.server.map(|server| server.to_string()),
            "started": row.started,
            "latency_us": row.latency_us,
            "grpc": row.call.map(|call| json!({
                "status": call.status,
                "request_messages": call.requests.count,
                "request_message_bytes": call.requests.bytes,
                "response_messages": call.responses.count,
                "response_message_bytes": call.responses.bytes,
            })),
            "dialogue": row.dialogue.as_deref().map(|said| json!({
                "kind": said.kind.name(),
                "to_server": said.to_server,
                "to_client": said.to_client,
                "close_code": said.close,
            })),
            "completeness": row.completeness.name(),
            "endpoint": endpoint.map(|endpoint| endpoint.id.to_string()),
            "caller": row.caller,
            "anomalies": row.anomalies.iter().map(crate::anomaly::Anomaly::name).collect::<Vec<_>>(),
        }),
    )
}

/// A class somewhere in an endpoint's exchanges, and how sure it is.
type Sureness<'a> = BTreeMap<(&'static str, String, u16, &'static str), f32>;

/// Classes by place, each as sure as where it is surest.
#[derive(Default)]
struct Told(BTreeMap<(Location, String, &'static str), f32>);

impl Told {
    fn tell(&mut self, location: Location, path: &str, class: &'static str, confidence: f32) {
        let surest = self.0.entry((location, path.to_owned(), class)).or_default();
        *surest = surest.max(confidence);
    }

    fn lines(&self) -> Vec<Value> {
        self.0
            .iter()
            .map(|((location, path, class), confidence)| {
                json!([location.name(), path, class, round(*confidence)])
            })
            .collect()
    }
}

/// Confidence from which on a class is told of an exchange.
const TOLD: f32 = 0.5;

fn tags(out: &mut dyn Write, rows: &[Row], analysis: &Analysis, report: &Report<'_>) -> io::Result<()> {
    let classifier = &analysis.classifier;
    let mut known: BTreeMap<String, Sureness<'_>> = BTreeMap::new();
    for endpoint in &report.snapshot.inventory.endpoints {
        let fields = data_fields(classifier, &endpoint.facts)
            .into_iter()
            .map(|field| ((field.location.name(), field.path, field.status, field.class), field.confidence))
            .collect();
        known.insert(endpoint.key.to_string(), fields);
    }
    let mut position: BTreeMap<u32, u64> = BTreeMap::new();
    for row in rows {
        let txn = position.entry(row.provenance.input).or_default();
        let endpoint = report.snapshot.locate(&row.host, &row.method, row.path.expose());
        let sure = endpoint.and_then(|endpoint| known.get(&endpoint.key.to_string()));
        let mut told = Told::default();
        for tag in &row.tags {
            let path = display_path(&tag.path);
            let at = (tag.location.name(), path, tag.status, classifier.name(tag.class));
            let confidence = sure.and_then(|sure| sure.get(&at)).copied().unwrap_or(0.0);
            if confidence >= TOLD {
                told.tell(tag.location, told_path(&at.1, tag.numbered), at.3, confidence);
            }
        }
        jsonl::write_line(out, &json!({ "txn": *txn, "tags": told.lines() }))?;
        *txn += 1;
    }
    for endpoint in &report.snapshot.inventory.endpoints {
        let mut confirmed = Told::default();
        for field in data_fields(classifier, &endpoint.facts) {
            if field.state == State::Confirmed {
                let path = told_path(&field.path, field.numbered);
                confirmed.tell(field.location, path, field.class, field.confidence);
            }
        }
        let name = format!("{} {} {}", endpoint.key.host, endpoint.key.method, endpoint.key.template);
        jsonl::write_line(out, &json!({ "endpoint": name, "tags": confirmed.lines() }))?;
    }
    Ok(())
}

fn round(confidence: f32) -> f64 {
    (f64::from(confidence) * 1_000.0).round() / 1_000.0
}

#[cfg(not(feature = "lake"))]
#[expect(clippy::unnecessary_wraps, reason = "with lakes it can fail")]
fn write_lake(
    _: &Args,
    _: &Analysis,
    _: &Taken,
    _: &Report<'_>,
    _: (&Path, &Dispositions),
    _: (&[EndpointRow], &[FindingRow], &[ServiceRow], &[EventRow]),
) -> Result<()> {
    Ok(())
}

#[cfg(feature = "lake")]
fn write_lake(
    args: &Args,
    analysis: &Analysis,
    taken: &Taken,
    report: &Report<'_>,
    (folder, dispositions): (&Path, &Dispositions),
    (endpoints, findings, services, events): (&[EndpointRow], &[FindingRow], &[ServiceRow], &[EventRow]),
) -> Result<()> {
    use crate::lake::rows::{ObservationRow, Origin};
    use crate::lake::writer::Writer;
    let (window_start, window_end) = tables::window(taken);
    let origin = Origin {
        sensor: args.sensor.clone(),
        run: run_id(args, analysis, taken, dispositions),
        key_id: analysis.key.id(),
        window_start,
        window_end,
        coverage: tables::coverage(taken),
    };
    let doing = || format!("write the lake {}", folder.display());
    let writer = Writer::new(folder, origin).with_context(doing)?;
    let observations: Vec<ObservationRow> =
        report.snapshot.inventory.endpoints.iter().flat_map(ObservationRow::of).collect();
    writer.write(observations).with_context(doing)?;
    writer.write(tables::captures(taken)).with_context(doing)?;
    writer.write(NoiseRow::of(&report.snapshot.inventory)).with_context(doing)?;
    writer.write(findings.to_vec()).with_context(doing)?;
    writer.write(events.to_vec()).with_context(doing)?;
    writer.write(services.to_vec()).with_context(doing)?;
    // The endpoints come last: whoever sees them finds the rest.
    writer.write(endpoints.to_vec()).with_context(doing)?;
    Ok(())
}

/// The digest that names a run: what was read and how it was asked to be read. The number of shards and the
/// folders that inputs lie in change nothing.
#[cfg(feature = "lake")]
fn run_id(args: &Args, analysis: &Analysis, taken: &Taken, dispositions: &Dispositions) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&analysis.key.id());
    add(&args.sensor);
    for input in &taken.inputs {
        let name = Path::new(&input.name).file_name().unwrap_or_default().to_string_lossy();
        add(&name);
        add(&format!("{:?}", (input.records, input.bytes, input.span, input.segments, input.logged)));
    }
    for document in analysis.documents.documents() {
        add(&format!("{document:?}"));
    }
    for catalogue in analysis.documents.gateways().catalogues() {
        add(&format!("{catalogue:?}"));
    }
    if !analysis.rulings.is_empty() {
        add(&format!("{:?}", analysis.rulings));
    }
    if analysis.ownership != Ownership::default() {
        add(&format!("{:?}", analysis.ownership));
    }
    add(&format!("{:?}", (args.no_bodies, args.verify_checksums, args.overlap, &args.trusted_proxy)));
    if args.sample_values > 1 {
        add(&format!("one in {}", args.sample_values));
    }
    if args.dispositions.is_some() {
        add(&format!("{dispositions:?}"));
    }
    if !args.vantage.is_empty() {
        add(&format!("{:?}", args.vantage));
    }
    let hash = hasher.finalize().to_hex();
    hash.as_str().get(..16).unwrap_or_default().to_owned()
}
