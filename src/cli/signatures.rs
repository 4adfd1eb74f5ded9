//! `spanlight signatures`: packs of data-class signatures, and presets of log formats.

use super::Outcome;
use super::output::complain;
use crate::classify::Pack;
use crate::classify::packs::{self, Tested};
use crate::problem::Problems;
use crate::source::{log_presets, yaml_files};
use anyhow::Result;
use std::io::Write;
use std::path::PathBuf;

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Run every signature's examples against all signatures, and every log preset's against all formats
    Test {
        /// Packs and log presets of your own to test with the others: YAML files, or folders of them
        #[arg(value_name = "FILE_OR_DIR")]
        own: Vec<PathBuf>,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Test { own } => match test(own) {
            Ok((tested, presets)) => {
                let mut out = std::io::stdout().lock();
                let width = tested.iter().map(|tested| tested.pack.len()).max().unwrap_or_default();
                for tested in tested {
                    let Tested { pack, signatures, matches, rejects } = tested;
                    writeln!(
                        out,
                        "{pack:width$}  signatures {signatures:>3}   must match {matches:>3}   must not {rejects:>3}"
                    )?;
                }
                writeln!(out, "all signatures and {presets} log presets pass their examples")?;
                Ok(Outcome::Done)
            }
            Err(problems) => {
                for problem in problems.as_slice() {
                    complain(&problem.to_string());
                }
                Ok(Outcome::Nothing)
            }
        },
    }
}

/// What was tested: packs, and how many presets; or all that is wrong.
fn test(own: &[PathBuf]) -> Result<(Vec<Tested>, usize), Problems> {
    let mut problems = Problems::default();
    let files = yaml_files::read(own, &mut problems);
    let (own_packs, own_presets): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, text)| is_pack(text));
    let own_packs: Vec<Pack<'_>> = own_packs.iter().map(|(name, text)| Pack { name, text }).collect();
    let tested = packs::self_test(&own_packs).map_err(|more| problems.absorb(more)).unwrap_or_default();
    let presets = match log_presets::of_texts(&own_presets) {
        Ok(catalogue) => {
            problems.absorb(catalogue.self_test());
            catalogue.len()
        }
        Err(more) => {
            problems.absorb(more);
            0
        }
    };
    problems.into_result((tested, presets))
}

/// Whether a file is a pack of signatures; else it is taken for a preset.
fn is_pack(text: &str) -> bool {
    text.lines().any(|line| ["family:", "signatures:"].iter().any(|key| line.starts_with(key)))
}
