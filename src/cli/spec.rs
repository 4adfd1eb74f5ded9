//! `spanlight spec`: a document held against traffic, and the overlay that mends it.

use super::Outcome;
use super::export::Format;
use super::learn::{Learnt, Sources};
use super::output::{complain, to};
use super::style::{Colours, columns, plural, wrapped};
use crate::compare::{self, Unseen};
use crate::finding::{Finding, Kind};
use crate::inventory::{Endpoint, EndpointClass, EndpointId, nameless};
use crate::pipeline::analyze::Report;
use crate::sink::jsonl;
use crate::sink::openapi::{self, Addition};
use crate::spec::{Document, DocumentPlace};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell what only a document has, what only traffic has, and what they have differently
    Diff(Box<DiffArgs>),
    /// Write an overlay that adds to a document what was seen and it does not name
    Patch(Box<PatchArgs>),
}

/// Arguments of `spec diff`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  spanlight spec diff openapi.yaml access.log\n  spanlight spec diff documents/ --state /var/lib/spanlight/state --json"
)]
pub(super) struct DiffArgs {
    /// The document: a file, or a folder searched for YAML and JSON
    #[arg(value_name = "DOCUMENT")]
    document: PathBuf,

    #[command(flatten)]
    sources: Sources,

    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Arguments of `spec patch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  spanlight spec patch openapi.yaml access.log > overlay.yaml\n  spanlight spec patch openapi.yaml traffic.har --endpoint 'GET /v1/accounts/{accountId}/limits' --out overlay.yaml"
)]
pub(super) struct PatchArgs {
    /// The document: a file of OpenAPI 3
    #[arg(value_name = "DOCUMENT")]
    document: PathBuf,

    #[command(flatten)]
    sources: Sources,

    /// Only this endpoint, as often as there are such: its id, that of its finding, or method and template; else all
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Vec<String>,

    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The format of the overlay
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
}

/// Does what is asked for.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Diff(args) => diff(args),
        Command::Patch(args) => patch(args),
    }
}

fn learn(sources: &Sources, document: &std::path::Path) -> Result<Option<Learnt>> {
    if sources.lake.is_some() {
        bail!("a lake has no shapes of bodies to hold a document against: give captures, logs or --state");
    }
    let learnt = sources.learn_with(&[document.to_owned()], false)?;
    if learnt.as_ref().is_some_and(|learnt| learnt.documents.is_empty()) {
        bail!("{}: no OpenAPI document", document.display());
    }
    Ok(learnt)
}

/// Where what a finding tells of is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Document,
    Traffic,
    Both,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Traffic => "traffic",
            Self::Both => "both",
        }
    }

    /// The side of a kind; `None` for what is no difference between a document and traffic.
    const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::UnusedOperation | Kind::UnusedDocument => Some(Self::Document),
            Kind::ShadowEndpoint
            | Kind::UndocumentedHost
            | Kind::UndocumentedMethod
            | Kind::UndocumentedStatus
            | Kind::UndocumentedQueryParam
            | Kind::UndocumentedResponseProperty
            | Kind::UndocumentedRequestProperty
            | Kind::UndocumentedResponseMediaType
            | Kind::UndocumentedRequestMediaType => Some(Self::Traffic),
            Kind::ResponseTypeMismatch
            | Kind::ResponseFormatMismatch
            | Kind::ResponseEnumMismatch
            | Kind::MissingRequiredProperty
            | Kind::MissingRequiredParameter
            | Kind::DeprecatedInUse
            | Kind::DeprecatedParameterInUse
            | Kind::SecurityNotEnforced
            | Kind::SecuritySchemeMismatch => Some(Self::Both),
            Kind::UnauthenticatedSensitiveData
            | Kind::SensitiveDataInUrl
            | Kind::SensitiveDataOverHttp
            | Kind::GatewayBypass
            | Kind::VantageDisagreement
            | Kind::WeakTls
            | Kind::CertificateExpired
            | Kind::CertificateExpiring
            | Kind::GraphqlIntrospection
            | Kind::GrpcReflection
            | Kind::OldVersionInUse
            | Kind::Unowned
            | Kind::Unclassified
            | Kind::CardAuthenticationData
            | Kind::SensitiveDataInError
            | Kind::UndocumentedSensitiveData
            | Kind::NewSensitiveData
            | Kind::ExcessiveDataExposure
            | Kind::CalledAfterSunset
            | Kind::Resurrected
            | Kind::ShortNotice
            | Kind::EnvironmentDrift
            | Kind::UnroutedEndpoint
            | Kind::PolicyGap
            | Kind::SensitiveDataCacheable
            | Kind::SlaMissed => None,
        }
    }

    /// Whether a finding is of an operation as a whole.
    const fn is_whole(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::UnusedOperation
                | Kind::UnusedDocument
                | Kind::ShadowEndpoint
                | Kind::UndocumentedHost
                | Kind::UndocumentedMethod
        )
    }
}

/// The differences, and the operations that have none.
struct Differences<'a> {
    findings: Vec<(Side, &'a Finding)>,
    unseen: Vec<(Unseen, &'a Endpoint)>,
    /// Called operations of the documents, and those of them without a difference.
    called: usize,
    same: usize,
    documented: usize,
}

impl<'a> Differences<'a> {
    fn of(report: &'a Report<'_>, learnt: &Learnt) -> Self {
        // What answers say of an operation that no document names is no difference from one.
        let told = |one: &&Finding| one.kind != Kind::DeprecatedInUse || one.document.is_some();
        let all = report.findings.iter().filter(told);
        let findings: Vec<(Side, &Finding)> =
            all.filter_map(|one| Some((Side::of(one.kind)?, one))).collect();
        let by_id: BTreeMap<EndpointId, &Endpoint> =
            report.snapshot.inventory.endpoints.iter().map(|one| (one.id, one)).collect();
        let unseen = compare::unseen(&report.snapshot.inventory, &learnt.documents);
        let unseen: Vec<(Unseen, &Endpoint)> = unseen
            .into_iter()
            .filter_map(|one| Some((by_id.get(&one.endpoint).copied()?, one)))
            .map(|(at, one)| (one, at))
            .collect();
        // What was not seen of an operation does not make it another.
        let differing: BTreeSet<EndpointId> = findings.iter().filter_map(|(_, one)| one.endpoint).collect();
        let undocumented: BTreeSet<EndpointId> = findings
            .iter()
            .filter(|(_, one)| matches!(one.kind, Kind::ShadowEndpoint | Kind::UndocumentedMethod))
            .filter_map(|(_, one)| one.endpoint)
            .collect();
        let called: Vec<EndpointId> = by_id
            .values()
            .filter(|one| one.class == EndpointClass::Api && !undocumented.contains(&one.id))
            .map(|one| one.id)
            .collect();
        let same = called.iter().filter(|id| !differing.contains(id)).count();
        let documented = learnt.documents.documents().iter().map(|one| one.operations).sum();
        Self { findings, unseen, called: called.len(), same, documented }
    }
}

fn diff(args: &DiffArgs) -> Result<Outcome> {
    let Some(learnt) = learn(&args.sources, &args.document)? else { return Ok(Outcome::Nothing) };
    let report = learnt.report();
    let found = Differences::of(&report, &learnt);
    to("-".as_ref(), |out| {
        if args.json {
            let lines = found.findings.iter().map(|(side, one)| line(*side, one));
            let lines = lines.chain(found.unseen.iter().map(|(one, at)| unseen_line(one, at)));
            return lines.into_iter().try_for_each(|line| jsonl::write_line(out, &line));
        }
        out.write_all(table(&found, Colours::for_stdout()).as_bytes())
    })?;
    Ok(Outcome::Done)
}

fn line(side: Side, one: &Finding) -> Value {
    json!({
        "side": side.name(),
        "kind": one.kind.name(),
        "host": one.host,
        "method": one.method,
        "path_template": one.path_template,
        "detail": one.detail,
        "explanation": one.explanation,
        "count": one.count,
        "of": one.of,
        "document": one.document,
    })
}

fn unseen_line(one: &Unseen, at: &Endpoint) -> Value {
    json!({
        "side": Side::Document.name(),
        "kind": format!("unseen_{}", one.part.name()),
        "host": at.key.host,
        "method": at.key.method,
        "path_template": at.key.template,
        "detail": one.name,
        "explanation": "the document names it; it was not seen",
        "count": 0,
        "of": at.facts.requests,
        "document": one.place,
    })
}

/// What is told of a difference, and where the document stands to it: `… [bank.yaml:12]`
fn told(explanation: &str, place: Option<&DocumentPlace>) -> String {
    let place = place.map_or_else(String::new, |place| match place.line {
        Some(line) => format!("[{}:{line}]", place.file),
        None => format!("[{}]", place.file),
    });
    format!("{explanation} {place}").trim().to_owned()
}

fn table(found: &Differences<'_>, colours: Colours) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    _ = writeln!(
        out,
        "{} documented; {} called, {} of them as documented",
        plural(found.documented as u64, "operation"),
        plural(found.called as u64, "operation"),
        found.same
    );
    for (side, heading) in [(Side::Document, "Only in the document"), (Side::Traffic, "Only in traffic")] {
        let whole: Vec<&Finding> = found
            .findings
            .iter()
            .filter(|(of, one)| *of == side && Side::is_whole(one.kind))
            .map(|(_, one)| *one)
            .collect();
        if whole.is_empty() {
            continue;
        }
        _ = writeln!(out, "\n{} {}", colours.bold(heading), colours.dim(&format!("({})", whole.len())));
        for one in whole {
            _ = writeln!(out, "  {:7} {}{}", one.method, one.host, one.path_template);
            let told = wrapped(&told(&one.explanation, one.document.as_ref()), columns(), 10);
            _ = writeln!(out, "          {}", colours.dim(&told));
        }
    }
    parts(&mut out, found, colours);
    out
}

/// A difference of an operation: where it is, what it is, what is told of it.
type Part = (&'static str, String, String);

/// The operations that both have, with what differs in each.
fn parts(out: &mut String, found: &Differences<'_>, colours: Colours) {
    let mut by_operation: BTreeMap<(&str, &str, &str), Vec<Part>> = BTreeMap::new();
    for (side, one) in found.findings.iter().filter(|(_, one)| !Side::is_whole(one.kind)) {
        let side = match side {
            Side::Traffic => "only in traffic",
            Side::Document => "only in document",
            Side::Both => "different",
        };
        let what = one.kind.name().strip_prefix("undocumented_").unwrap_or(one.kind.name());
        let what = format!("{} {}", what.replace('_', " "), one.detail);
        let told = told(&one.explanation, one.document.as_ref());
        by_operation
            .entry((&one.path_template, &one.method, &one.host))
            .or_default()
            .push((side, what, told));
    }
    for (one, at) in &found.unseen {
        let what = format!("{} {}", one.part.name().replace('_', " "), one.name);
        let line = ("only in document", what, told("", Some(&one.place)));
        by_operation.entry((&at.key.template, &at.key.method, &at.key.host)).or_default().push(line);
    }
    if by_operation.is_empty() {
        return;
    }
    let heading = colours.bold("In both, and different");
    _ = writeln!(out, "\n{heading} {}", colours.dim(&format!("({})", by_operation.len())));
    for ((template, method, host), lines) in by_operation {
        _ = writeln!(out, "  {method:7} {host}{template}");
        for (side, what, told) in lines {
            let told = colours.dim(&wrapped(&told, columns(), 22));
            _ = writeln!(out, "    {side:17} {}\n{:22}{told}", what.trim_end(), "");
        }
    }
}

fn patch(args: &PatchArgs) -> Result<Outcome> {
    let Some(learnt) = learn(&args.sources, &args.document)? else { return Ok(Outcome::Nothing) };
    let name = args.document.display().to_string();
    let document = learnt.documents.documents().iter().find(|one| one.file == name);
    let Some(document) = document else {
        bail!("{name}: an overlay is for one document: name its file");
    };
    if !document.format.starts_with("3.") {
        bail!(
            "{name}: overlays are for OpenAPI 3, and this is version {}: convert it first",
            document.format
        );
    }
    let report = learnt.report();
    let additions = additions(&args.endpoint, &report, &learnt, document)?;
    let Some(overlay) = openapi::overlay(&additions, document, &learnt.documents, &learnt.classifier) else {
        complain("the document names everything that was seen: nothing to add");
        return Ok(Outcome::Done);
    };
    let text = args.format.write(&overlay);
    to(args.out.as_deref().unwrap_or("-".as_ref()), |out| out.write_all(text.as_bytes()))?;
    Ok(Outcome::Done)
}

/// The endpoints that are to be added: all that are undocumented, or those that are wanted.
fn additions<'a>(
    wanted: &[String],
    report: &'a Report<'_>,
    learnt: &'a Learnt,
    document: &Document,
) -> Result<Vec<Addition<'a>>> {
    let by_id: BTreeMap<EndpointId, &Endpoint> =
        report.snapshot.inventory.endpoints.iter().map(|one| (one.id, one)).collect();
    let mut met = vec![false; wanted.len()];
    let mut all = Vec::new();
    for finding in &report.findings {
        if !matches!(finding.kind, Kind::ShadowEndpoint | Kind::UndocumentedMethod) {
            continue;
        }
        let Some(endpoint) = finding.endpoint.and_then(|id| by_id.get(&id)).copied() else { continue };
        let mut meant = wanted.is_empty();
        for (text, met) in wanted.iter().zip(&mut met) {
            if is_meant(text, finding, endpoint) {
                (meant, *met) = (true, true);
            }
        }
        let beside = beside(finding, endpoint, learnt, document);
        // A method beside the paths of another document is that one's.
        if meant && (finding.kind == Kind::ShadowEndpoint || beside.is_some()) {
            all.push(Addition { endpoint, beside });
        }
    }
    if let Some((text, _)) = wanted.iter().zip(met).find(|(_, met)| !met) {
        bail!("'{text}' is no endpoint that was seen and the document does not name");
    }
    Ok(all)
}

/// The operation of the document whose path gets a method more.
fn beside<'a>(
    finding: &Finding,
    endpoint: &Endpoint,
    learnt: &'a Learnt,
    document: &Document,
) -> Option<&'a crate::spec::Operation> {
    if finding.kind != Kind::UndocumentedMethod {
        return None;
    }
    let key = &endpoint.key;
    let routed = learnt.documents.route_request_path(&key.host, &key.method, &key.template)?;
    let operations = learnt.documents.operations_at(routed.route, &key.host);
    let mut operations = operations.into_iter().filter_map(|id| learnt.documents.operation(id));
    operations.find(|one| learnt.documents.document_of(one).is_some_and(|of| of.file == document.file))
}

/// Whether an id, or method and template, means an endpoint.
fn is_meant(text: &str, finding: &Finding, endpoint: &Endpoint) -> bool {
    let text = text.trim();
    if text == finding.id || text == endpoint.id.to_string() {
        return true;
    }
    let Some((method, rest)) = text.split_once(char::is_whitespace) else { return false };
    let rest = rest.trim_start();
    let (host, template) = rest.find('/').map_or(("", ""), |at| rest.split_at(at));
    method.eq_ignore_ascii_case(&endpoint.key.method)
        && (host.is_empty() || host.eq_ignore_ascii_case(&endpoint.key.host))
        && nameless(template) == nameless(&endpoint.key.template)
}
