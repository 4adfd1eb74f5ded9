//! What there is to learn from: captures, logs or the state of a sensor, with the documents and decisions that go before.

use super::output::complain;
use super::progress::Bar;
use super::{documents, key};
use crate::access_log::LogOptions;
use crate::classify::Classifier;
use crate::flow::OverlapPolicy;
use crate::inventory::delta::Delta;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::inventory::standing::Standings;
use crate::limits::Limits;
use crate::packet::{Options, Separate};
use crate::pipeline::analyze::{Analysis, Report, Told, conclude};
use crate::pipeline::rows::RowsWanted;
use crate::pipeline::shard::ShardSettings;
use crate::source::log_file::format_given;
use crate::source::{log_presets, signature_packs};
use crate::spec::{DocumentSet, Methods};
use crate::tls::keylog::Keys;
#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
use anyhow::Context;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where to learn from.
#[derive(Debug, clap::Args)]
pub(super) struct Sources {
    /// Captures and logs to learn from
    #[arg(value_name = "FILE", required_unless_present_any = ["lake", "state"], conflicts_with_all = ["lake", "state"])]
    files: Vec<PathBuf>,

    /// The lake's folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["state", "spec", "descriptors", "templates", "signatures", "ownership"])]
    pub(super) lake: Option<PathBuf>,

    /// The state folder of a sensor, which may be running
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,

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
    #[arg(long, value_name = "FILE_OR_DIR")]
    signatures: Vec<PathBuf>,

    /// Who owns which service, as for analyze
    #[arg(long, value_name = "FILE")]
    ownership: Option<PathBuf>,

    /// A log of TLS secrets, as for analyze
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lake", "state"])]
    keylog: Vec<PathBuf>,

    /// How the lines of logs are laid out, as for analyze
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Formats of logs of your own, as for analyze
    #[arg(long, value_name = "FILE_OR_DIR", conflicts_with_all = ["lake", "state"])]
    log_preset: Vec<PathBuf>,

    /// The key under which callers are fingerprinted; that of the state folder with --state
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Show no progress bar
    #[arg(long, short)]
    quiet: bool,
}

/// What was learnt, and what goes before it.
pub(super) struct Learnt {
    pub(super) delta: Delta,
    pub(super) documents: DocumentSet,
    pub(super) rulings: Rulings,
    ownership: Ownership,
    standings: Standings,
    pub(super) classifier: Arc<Classifier>,
}

impl Learnt {
    /// What it comes to.
    pub(super) fn report(&self) -> Report<'_> {
        let told = Told {
            documents: &self.documents,
            rulings: &self.rulings,
            ownership: &self.ownership,
            classifier: &self.classifier,
            standings: &self.standings,
        };
        conclude(&self.delta, &told)
    }
}

impl Sources {
    /// Learns; `None` when nothing could be read.
    pub(super) fn learn(&self) -> Result<Option<Learnt>> {
        self.learn_with(&[], false)
    }

    /// The same with documents beside those of `--spec`, and with the words that may be constants when they are asked
    /// for: no state has them.
    pub(super) fn learn_with(&self, more: &[PathBuf], constants: bool) -> Result<Option<Learnt>> {
        let mut complaints = Vec::new();
        let specs: Vec<PathBuf> = more.iter().chain(&self.spec).cloned().collect();
        let (documents, methods) = documents::read(&specs, &self.descriptors, &mut complaints)?;
        let rulings = documents::rulings(self.templates.as_deref(), &mut complaints)?;
        let ownership = documents::ownership(self.ownership.as_deref(), &mut complaints)?;
        for complaint in &complaints {
            complain(complaint);
        }
        let classifier = signature_packs::load(&self.signatures)?;
        let learnt = match &self.state {
            Some(folder) => Some(of_state(folder, self.key.as_deref(), &classifier)?),
            None => {
                of_files(self, methods, &classifier, constants)?.map(|delta| (delta, Standings::default()))
            }
        };
        Ok(learnt.map(|(delta, standings)| Learnt {
            delta,
            documents,
            rulings,
            ownership,
            standings,
            classifier,
        }))
    }
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
fn of_files(
    args: &Sources,
    methods: Arc<Methods>,
    classifier: &Arc<Classifier>,
    constants: bool,
) -> Result<Option<Delta>> {
    let limits = Limits::default();
    let catalogue = log_presets::load(&args.log_preset)?;
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
            constants,
            trusted: Arc::default(),
            vantages: Arc::default(),
            methods,
            keys: Arc::new(Keys::new(limits.tls_secrets)),
            limits,
        },
        follow: None,
        key_logs: args.keylog.clone(),
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
    for damage in &taken.key_log_damage {
        complain(damage);
    }
    for input in &taken.inputs {
        for damage in &input.damage {
            complain(&format!("{}: {damage}", input.name));
        }
    }
    Ok(taken.inputs.iter().any(|input| input.readable).then_some(taken.delta))
}
