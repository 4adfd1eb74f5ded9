//! `spanlight inventory`: the endpoints that a lake, a sensor's state, captures or logs hold, and why each is one.

use super::output::{complain, to};
use super::progress::Bar;
use super::style::Colours;
use super::{Outcome, documents, explain, key, lake, summary};
use crate::access_log::LogOptions;
use crate::classify::Classifier;
use crate::flow::OverlapPolicy;
use crate::inventory::delta::Delta;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::inventory::standing::Standings;
use crate::limits::Limits;
use crate::packet::{Options, Separate};
use crate::pipeline::analyze::{Analysis, Told, conclude};
use crate::pipeline::rows::RowsWanted;
use crate::pipeline::shard::ShardSettings;
use crate::pipeline::tables;
use crate::sink::jsonl;
use crate::source::log_file::format_given;
use crate::source::{log_presets, signature_packs};
use crate::spec::{DocumentSet, Methods};
use crate::tls::keylog::Keys;
#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
use anyhow::Context;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  spanlight inventory --lake lake/\n  spanlight inventory access.log --explain 'GET /v1/accounts/{accountId}'\n  spanlight inventory --state /var/lib/spanlight/state --explain 'api.bank.example/v1/users/me'"
)]
pub(super) struct Args {
    /// Captures and logs to learn from
    #[arg(value_name = "FILE", required_unless_present_any = ["lake", "state"], conflicts_with_all = ["lake", "state"])]
    files: Vec<PathBuf>,

    /// The lake's folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["state", "explain", "spec", "descriptors", "templates", "ownership"])]
    lake: Option<PathBuf>,

    /// The state folder of a sensor, which may be running
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Tell why an endpoint is one: each segment with what stands beside it, the evidence and what settled it. A template
    /// or a path, with the method and the host before it unless all are meant; a path is led to the template it follows
    #[arg(long, value_name = "[METHOD] [HOST]/PATH")]
    explain: Option<String>,

    /// OpenAPI documents, which go before what is learnt: files, or folders searched for YAML and JSON
    #[arg(long, value_name = "PATH")]
    spec: Vec<PathBuf>,

    /// Descriptors of gRPC services, as for analyze
    #[arg(long, value_name = "PATH")]
    descriptors: Vec<PathBuf>,

    /// What you have decided on path templates, as for analyze
    #[arg(long, value_name = "FILE")]
    templates: Option<PathBuf>,

    /// Signatures of data classes of your own, as for analyze
    #[arg(long, value_name = "FILE_OR_DIR", conflicts_with = "lake")]
    signatures: Vec<PathBuf>,

    /// Who owns which service, as for analyze
    #[arg(long, value_name = "FILE")]
    ownership: Option<PathBuf>,

    /// How the lines of logs are laid out, as for analyze
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// The key under which callers are fingerprinted; that of the state folder with --state
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Print JSON lines
    #[arg(long)]
    json: bool,

    /// Show what is no API too: static files, probes, scanners
    #[arg(long)]
    all: bool,

    /// Show no progress bar
    #[arg(long, short)]
    quiet: bool,
}

/// Shows the endpoints, or explains some.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    if let Some(folder) = &args.lake {
        return lake::inventory(folder, args.json, args.all);
    }
    let mut complaints = Vec::new();
    let (documents, methods) = documents::read(&args.spec, &args.descriptors, &mut complaints)?;
    let rulings = documents::rulings(args.templates.as_deref(), &mut complaints)?;
    let ownership = documents::ownership(args.ownership.as_deref(), &mut complaints)?;
    for complaint in &complaints {
        complain(complaint);
    }
    let classifier = signature_packs::load(&args.signatures)?;
    let (delta, standings) = match &args.state {
        Some(folder) => of_state(folder, args.key.as_deref(), &classifier)?,
        None => match of_files(args, methods, &classifier)? {
            Some(delta) => (delta, Standings::default()),
            None => return Ok(Outcome::Nothing),
        },
    };
    let told = Told {
        documents: &documents,
        rulings: &rulings,
        ownership: &ownership,
        classifier: &classifier,
        standings: &standings,
    };
    let report = conclude(&delta, &told);
    if let Some(asked) = &args.explain {
        return explain::run(asked, &delta, &report, (&documents, &rulings), &classifier, args.json);
    }
    let rows = tables::endpoints(&report, &classifier, &documents);
    to("-".as_ref(), |out| {
        if args.json {
            return jsonl::write_inventory(out, &rows);
        }
        out.write_all(summary::listing(&rows, args.all, Colours::for_stdout()).as_bytes())
    })?;
    Ok(Outcome::Done)
}

#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
fn of_state(folder: &Path, key_file: Option<&Path>, classifier: &Classifier) -> Result<(Delta, Standings)> {
    let key_file = key_file.map_or_else(|| folder.join("fingerprint.key"), Path::to_owned);
    let key = key::load(&key_file)?;
    let saved = crate::pipeline::watch::saved(folder, &key, classifier)?;
    saved.with_context(|| format!("no sensor has saved anything in {}", folder.display()))
}

#[cfg(not(all(feature = "lake", feature = "live", target_os = "linux")))]
fn of_state(folder: &Path, _: Option<&Path>, _: &Classifier) -> Result<(Delta, Standings)> {
    anyhow::bail!(
        "this build has no sensor whose state {} could be: build with 'lake' and 'live'",
        folder.display()
    );
}

/// What files teach; `None` when none could be read.
fn of_files(args: &Args, methods: Arc<Methods>, classifier: &Arc<Classifier>) -> Result<Option<Delta>> {
    let limits = Limits::default();
    let catalogue = log_presets::load(&[])?;
    let log_format =
        args.log_format.as_deref().map(|given| format_given(given, Path::new(""), &catalogue)).transpose()?;
    let analysis = Analysis {
        inputs: args.files.clone(),
        shards: 1,
        packets: Options {
            tunnel_depth: limits.tunnel_depth,
            separate: Separate::default(),
            verify_checksums: false,
        },
        shard: ShardSettings {
            overlap: OverlapPolicy::First,
            inspect_bodies: true,
            rows: RowsWanted::None,
            tags: false,
            trusted: Arc::default(),
            vantages: Arc::default(),
            methods,
            keys: Arc::new(Keys::new(limits.tls_secrets)),
            limits,
        },
        follow: None,
        key_logs: Vec::new(),
        log_format,
        log_options: LogOptions { catalogue, ..LogOptions::default() },
        keep_bad_lines: false,
        key: key::choose(args.key.as_deref())?,
        classifier: Arc::clone(classifier),
        // What was learnt does not depend on them.
        documents: DocumentSet::default(),
        rulings: Rulings::default(),
        ownership: Ownership::default(),
    };
    let bar = Bar::new(&analysis.inputs, !args.quiet);
    let taken = analysis.read(&mut |progress| bar.tick(progress));
    bar.clear();
    let taken = taken?;
    for input in &taken.inputs {
        for damage in &input.damage {
            complain(&format!("{}: {damage}", input.name));
        }
    }
    Ok(taken.inputs.iter().any(|input| input.readable).then_some(taken.delta))
}
