//! `spanlight export`: the inventory in the formats of others.

use super::Outcome;
use super::learn::Sources;
use super::output::{complain, to};
use super::style::plural;
use crate::sink::openapi::{self, Exported, Node};
use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What to write.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// An OpenAPI 3.1 document for each service, of what was seen
    Openapi(Box<OpenApiArgs>),
}

/// Arguments of `export openapi`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  spanlight export openapi capture.pcap --out documents/\n  spanlight export openapi --state /var/lib/spanlight/state --service api.bank.example > api.yaml"
)]
pub(super) struct OpenApiArgs {
    #[command(flatten)]
    sources: Sources,

    /// Write a file for each service into this folder, which is made when it is not there; else the document of one service
    /// goes to standard output
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Only this service: its host, of several the one called most
    #[arg(long, value_name = "HOST")]
    service: Option<String>,

    /// Tell enumerations of words that read like constants of a program: values that were seen. Not from --state, which
    /// holds none
    #[arg(long)]
    enums: bool,

    /// The format of the documents
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Yaml,
    Json,
}

impl Format {
    const fn ending(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    pub(super) fn write(self, node: &Node) -> String {
        match self {
            Self::Yaml => node.to_yaml(),
            Self::Json => node.to_json(),
        }
    }
}

/// Writes what is asked for.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Openapi(args) => documents(args),
    }
}

fn documents(args: &OpenApiArgs) -> Result<Outcome> {
    if args.sources.lake.is_some() {
        bail!(
            "a lake has no shapes of bodies and no names of parameters, so no document can be made of it: give captures, \
             logs or --state"
        );
    }
    if args.enums && args.sources.state.is_some() {
        bail!(
            "a state holds no values, so no enumerations can be told of it: give --enums with captures or logs"
        );
    }
    let Some(learnt) = args.sources.learn_with(&[], args.enums)? else { return Ok(Outcome::Nothing) };
    let report = learnt.report();
    let mut all = openapi::documents(&report.snapshot.inventory, &learnt.classifier);
    if let Some(wanted) = &args.service {
        let names: Vec<String> = all.iter().map(|one| one.service.clone()).collect();
        all.retain(|one| one.service == *wanted);
        if all.is_empty() {
            bail!("no service '{wanted}' was seen, but {}", listed(&names));
        }
    }
    for one in all.iter().filter(|one| one.left_out > 0) {
        complain(&format!(
            "{}: {} left out, whose methods OpenAPI 3.1 has no word for",
            one.service,
            plural(one.left_out as u64, "operation")
        ));
    }
    match (&args.out, all.as_slice()) {
        (_, []) => {
            complain("no operation of an API was seen: nothing to write");
            return Ok(Outcome::Nothing);
        }
        (None, [only]) => {
            to("-".as_ref(), |out| out.write_all(args.format.write(&only.document).as_bytes()))?;
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(|one| one.service.clone()).collect();
            bail!(
                "each service has a document of its own: name a folder with --out, or with --service one of {}",
                listed(&names)
            );
        }
        (Some(folder), all) => {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            for (name, one) in named(all) {
                let file = folder.join(format!("{name}.{}", args.format.ending()));
                to(&file, |out| out.write_all(args.format.write(&one.document).as_bytes()))?;
                let operations = plural(one.operations as u64, "operation");
                to("-".as_ref(), |out| writeln!(out, "{}  {operations}", file.display()))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// Each document with a name that no other has.
fn named(all: &[Exported]) -> Vec<(String, &Exported)> {
    let mut taken = BTreeSet::new();
    let name = |one: &Exported| {
        let stem = one.file_stem();
        let mut name = stem.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        name
    };
    all.iter().map(name).collect::<Vec<_>>().into_iter().zip(all).collect()
}

/// Some names of services, in words.
fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).map(|name| if name.is_empty() { "'' (no host)" } else { name });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text.push_str(", …");
    }
    text
}
