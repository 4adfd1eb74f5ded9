//! `spanlight signatures`: packs of data-class signatures.

use super::Outcome;
use super::output::complain;
use crate::classify::packs;
use anyhow::Result;
use std::io::Write;

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run every signature's examples against all signatures
    Test,
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Test => {
            let problems = packs::self_test();
            if problems.is_empty() {
                writeln!(std::io::stdout().lock(), "all signatures pass their examples")?;
                return Ok(Outcome::Done);
            }
            for problem in problems.as_slice() {
                complain(&problem.to_string());
            }
            Ok(Outcome::Nothing)
        }
    }
}
