//! `spanlight signatures`: packs of data-class signatures, and presets of log formats.

use super::Outcome;
use super::output::complain;
use crate::classify::packs;
use crate::source::log_presets;
use anyhow::Result;
use std::io::Write;
use std::path::PathBuf;

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run every signature's examples against all signatures, and every log preset's against all formats
    Test {
        /// Log presets of your own to test with the others: YAML files, or folders of them
        #[arg(value_name = "FILE_OR_DIR")]
        presets: Vec<PathBuf>,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Test { presets } => {
            let mut problems = packs::self_test();
            let mut tested = None;
            match log_presets::load(presets) {
                Ok(catalogue) => {
                    problems.absorb(catalogue.self_test());
                    tested = Some(catalogue.len());
                }
                Err(more) => problems.absorb(more),
            }
            if let Some(presets) = tested.filter(|_| problems.is_empty()) {
                let mut out = std::io::stdout().lock();
                writeln!(out, "all signatures and {presets} log presets pass their examples")?;
                return Ok(Outcome::Done);
            }
            for problem in problems.as_slice() {
                complain(&problem.to_string());
            }
            Ok(Outcome::Nothing)
        }
    }
}
