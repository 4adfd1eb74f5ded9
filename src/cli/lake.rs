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
    use crate::lake::reader::{self, Rows};
    use crate::sink::jsonl;
    use std::io::{self, Write};
    use std::path::Path;

    pub(in crate::cli) fn inventory(lake: &Path, json: bool, all: bool) -> Result<Outcome> {
        show(
            reader::latest_endpoints(lake)?,
            json,
            |out, rows| jsonl::write_inventory(out, rows),
            |rows| summary::listing(rows, all, Colours::for_stdout()),
        )
    }

    pub(in crate::cli) fn services(args: &ServicesArgs) -> Result<Outcome> {
        show(
            reader::latest_services(&args.lake)?,
            args.json,
            |out, rows| jsonl::write_services(out, rows),
            |rows| {
                let mut text = String::new();
                summary::services(&mut text, rows, true, Colours::for_stdout());
                text
            },
        )
    }

    pub(in crate::cli) fn findings(args: &FindingsArgs) -> Result<Outcome> {
        show(
            reader::latest_findings(&args.lake)?,
            args.json,
            |out, rows| jsonl::write_findings(out, rows),
            |rows| {
                let mut text = String::new();
                summary::findings(&mut text, rows, true, Colours::for_stdout());
                text
            },
        )
    }

    /// Tells what is wrong with the lake, and writes the rows that could be read.
    fn show<R>(
        read: Rows<R>,
        json: bool,
        lines: impl FnOnce(&mut dyn Write, &[R]) -> io::Result<()>,
        text: impl FnOnce(&[R]) -> String,
    ) -> Result<Outcome> {
        for problem in read.problems.as_slice() {
            complain(&problem.to_string());
        }
        let rows: Vec<R> = read.rows.into_iter().map(|stored| stored.row).collect();
        to("-".as_ref(), |out| if json { lines(out, &rows) } else { out.write_all(text(&rows).as_bytes()) })?;
        Ok(Outcome::Done)
    }
}

#[cfg(feature = "lake")]
pub(super) use with::{findings, inventory, services};
