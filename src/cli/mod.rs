//! The command line: results on standard output, everything else on standard error.
//!
//! Exit codes: 0 done, 1 findings at or above `--fail-on` or a host that is bad for a sensor, 2 could not do the work.

mod analyze;
mod check;
#[cfg(all(feature = "live", target_os = "linux"))]
mod doctor;
mod documents;
mod explain;
mod export;
mod inventory;
mod key;
mod lake;
mod learn;
mod output;
mod progress;
mod signatures;
mod spec;
mod style;
mod summary;
#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
mod terminal;
#[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
mod watch;

use clap::{Parser, Subcommand};
use std::io;
use std::process::ExitCode;

/// Passive API discovery: which APIs does this traffic expose, what do they carry, and which of them does
/// no document know?
#[derive(Debug, Parser)]
#[command(name = "spanlight", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Analyse captures and logs: inventory, data classes, findings
    Analyze(Box<analyze::Args>),
    /// Run a sensor: watch interfaces, learn, and fill a lake
    #[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
    Watch(Box<watch::Args>),
    /// Check a sensor's file, with the documents and the key it names
    Check(check::Args),
    /// Look at this host as a sensor would meet it, and say what to do
    #[cfg(all(feature = "live", target_os = "linux"))]
    Doctor(doctor::Args),
    /// Show the endpoints that a lake, a sensor's state, captures or logs hold, and why each is one
    Inventory(Box<inventory::Args>),
    /// Show the findings that a lake holds
    Findings(lake::FindingsArgs),
    /// Show how endpoints changed, as a lake tells it: new ones, states of life, statuses, parameters, data
    Events(lake::EventsArgs),
    /// Show the services behind TLS that a lake holds, whether or not their keys are known
    Services(lake::ServicesArgs),
    /// Write the inventory in the formats of others: OpenAPI documents
    #[command(subcommand)]
    Export(export::Command),
    /// Hold a document against traffic, and mend it
    #[command(subcommand)]
    Spec(spec::Command),
    /// Test signature packs against their own examples
    #[command(subcommand)]
    Signatures(signatures::Command),
    /// Make the key under which values are fingerprinted
    #[command(subcommand)]
    Key(key::Command),
}

/// How the work ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Findings at or above `--fail-on`, or something that keeps a sensor from its work.
    Findings,
    /// Nothing could be read.
    Nothing,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Analyze(args) => analyze::run(&args),
        #[cfg(all(feature = "lake", feature = "live", target_os = "linux"))]
        Command::Watch(args) => watch::run(&args),
        Command::Check(args) => check::run(&args),
        #[cfg(all(feature = "live", target_os = "linux"))]
        Command::Doctor(args) => doctor::run(&args),
        Command::Inventory(args) => inventory::run(&args),
        Command::Findings(args) => lake::findings(&args),
        Command::Events(args) => lake::events(&args),
        Command::Services(args) => lake::services(&args),
        Command::Export(command) => export::run(&command),
        Command::Spec(command) => spec::run(&command),
        Command::Signatures(command) => signatures::run(&command),
        Command::Key(command) => key::run(&command),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Ok(Outcome::Nothing) => ExitCode::from(2),
        // Whoever read our output has seen enough: not an error.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&output::in_words(&error));
            ExitCode::from(2)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
