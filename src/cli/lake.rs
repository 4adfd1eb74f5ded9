//! `spanlight inventory`, `spanlight findings` and `spanlight services`: tables of what a lake holds.

use super::Outcome;
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `findings`.
#[derive(Debug, clap::Args)]
pub(super) struct FindingsArgs {
    /// The lake's folder
    #[arg(long, value_name = "DIR")]
    lake: PathBuf,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Arguments of `services`.
#[derive(Debug, clap::Args)]
pub(super) struct ServicesArgs {
    /// The lake's folder
    #[arg(long, value_name = "DIR")]
    lake: PathBuf,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

#[cfg(not(feature = "lake"))]
mod without {
    use super::{FindingsArgs, Outcome, Result, ServicesArgs};
    use std::path::Path;

    pub(in crate::cli) fn services(args: &ServicesArgs) -> Result<Outcome> {
        anyhow::bail!(
            "this build has no lake to read {} with: build with the feature 'lake'",
            args.lake.display()
        );
    }

    pub(in crate::cli) fn inventory(lake: &Path, _: bool, _: bool) -> Result<Outcome> {
        anyhow::bail!(
            "this build has no lake to read {} with: build with the feature 'lake'",
            lake.display()
        );
    }

    pub(in crate::cli) fn findings(args: &FindingsArgs) -> Result<Outcome> {
        anyhow::bail!(
            "this build has no lake to read {} with: build with the feature 'lake'",
            args.lake.display()
        );
    }
}

#[cfg(not(feature = "lake"))]
pub(super) use without::{findings, inventory, services};

#[cfg(feature = "lake")]
mod with {
    use super::{FindingsArgs, Outcome, Result, ServicesArgs};
    use crate::cli::output::{complain, to};
    use crate::cli::style::Colours;
    use crate::cli::summary;
    use crate::lake::reader;
    use crate::sink::jsonl;
    use std::path::Path;

    pub(in crate::cli) fn inventory(lake: &Path, json: bool, all: bool) -> Result<Outcome> {
        let read = reader::latest_endpoints(lake)?;
        for problem in read.problems.as_slice() {
            complain(&problem.to_string());
        }
        let rows: Vec<_> = read.rows.into_iter().map(|stored| stored.row).collect();
        to("-".as_ref(), |out| {
            if json {
                return jsonl::write_inventory(out, &rows);
            }
            let mut text = String::new();
            summary::inventory(&mut text, &rows, true, Colours::for_stdout());
            summary::hosts(&mut text, &rows, Colours::for_stdout());
            summary::operation_versions(&mut text, &rows, Colours::for_stdout());
            if all {
                summary::others(&mut text, &rows, Colours::for_stdout());
            }
            out.write_all(text.as_bytes())
        })?;
        Ok(Outcome::Done)
    }

    pub(in crate::cli) fn services(args: &ServicesArgs) -> Result<Outcome> {
        let read = reader::latest_services(&args.lake)?;
        for problem in read.problems.as_slice() {
            complain(&problem.to_string());
        }
        let rows: Vec<_> = read.rows.into_iter().map(|stored| stored.row).collect();
        to("-".as_ref(), |out| {
            if args.json {
                return jsonl::write_services(out, &rows);
            }
            let mut text = String::new();
            summary::services(&mut text, &rows, true, Colours::for_stdout());
            out.write_all(text.as_bytes())
        })?;
        Ok(Outcome::Done)
    }

    pub(in crate::cli) fn findings(args: &FindingsArgs) -> Result<Outcome> {
        let read = reader::latest_findings(&args.lake)?;
        for problem in read.problems.as_slice() {
            complain(&problem.to_string());
        }
        let rows: Vec<_> = read.rows.into_iter().map(|stored| stored.row).collect();
        to("-".as_ref(), |out| {
            if args.json {
                return jsonl::write_findings(out, &rows);
            }
            let mut text = String::new();
            summary::findings(&mut text, &rows, true, Colours::for_stdout());
            out.write_all(text.as_bytes())
        })?;
        Ok(Outcome::Done)
    }
}

#[cfg(feature = "lake")]
pub(super) use with::{findings, inventory, services};
