//! `spanlight inventory`: the endpoints that a lake, a sensor's state, captures or logs hold, and why each is one.

use super::learn::Sources;
use super::output::to;
use super::style::Colours;
use super::{Outcome, explain, lake, summary};
use crate::pipeline::tables;
use crate::sink::jsonl;
use anyhow::Result;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES\n  spanlight inventory --lake lake/\n  spanlight inventory access.log --explain 'GET /v1/accounts/{accountId}'\n  spanlight inventory --state /var/lib/spanlight/state --explain 'api.bank.example/v1/users/me'"
)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,

    /// Tell why an endpoint is one: each segment with what stands beside it, the evidence and what settled it. A template
    /// or a path, with the method and the host before it unless all are meant; a path is led to the template it follows
    #[arg(long, value_name = "[METHOD] [HOST]/PATH", conflicts_with = "lake")]
    explain: Option<String>,

    /// Print JSON lines
    #[arg(long)]
    json: bool,

    /// Show what is no API too: static files, probes, scanners
    #[arg(long)]
    all: bool,
}

/// Shows the endpoints, or explains some.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    if let Some(folder) = &args.sources.lake {
        return lake::inventory(folder, args.json, args.all);
    }
    let Some(learnt) = args.sources.learn()? else { return Ok(Outcome::Nothing) };
    let report = learnt.report();
    if let Some(asked) = &args.explain {
        let known = (&learnt.documents, &learnt.rulings);
        return explain::run(asked, &learnt.delta, &report, known, &learnt.classifier, args.json);
    }
    let rows = tables::endpoints(&report, &learnt.classifier, &learnt.documents);
    to("-".as_ref(), |out| {
        if args.json {
            return jsonl::write_inventory(out, &rows);
        }
        out.write_all(summary::listing(&rows, args.all, Colours::for_stdout()).as_bytes())
    })?;
    Ok(Outcome::Done)
}
