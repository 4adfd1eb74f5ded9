//! `spanlight inventory`, `findings`, `events` and `services`: tables of what a lake holds.

use super::Outcome;
use crate::finding::State;
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `findings`.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "EXAMPLES\n  spanlight findings --lake lake/\n  spanlight findings accept 0123456789abcdef --until 2027-03-31 --author anna --reason 'moves in spring' --lake lake/"
)]
pub(super) struct FindingsArgs {
    /// The lake's folder
    #[arg(long, value_name = "DIR", required = true)]
    lake: Option<PathBuf>,
    /// What you have decided on findings, as for analyze; goes before what the lake has
    #[arg(long, value_name = "FILE")]
    dispositions: Option<PathBuf>,
    /// Days after which a finding counts as resolved that was not seen while its sensor went on
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    resolve_after: u64,
    /// Show only what is in this state; as often as there are such
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<State>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Decide>,
}

/// What is decided on a finding. It is kept in the lake.
#[derive(Debug, clap::Subcommand)]
enum Decide {
    /// Live with a finding until a day
    Accept {
        #[command(flatten)]
        decision: Decision,
        /// The last day on which it is accepted, as 2027-03-31; then it is open again
        #[arg(long, value_name = "DAY")]
        until: String,
    },
    /// Know of a finding
    #[command(alias = "acknowledge")]
    Ack(Decision),
    /// Tell that a finding is none
    FalsePositive(Decision),
    /// Open a finding again
    Reopen(Decision),
}

/// A decision, whose it is, and why.
#[derive(Debug, clap::Args)]
struct Decision {
    /// The finding's id
    #[arg(value_name = "ID")]
    id: String,
    /// The lake's folder
    #[arg(long, value_name = "DIR")]
    lake: PathBuf,
    /// Who decides
    #[arg(long, value_name = "NAME")]
    author: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Decide {
    /// The decision, the state it gives, and until when.
    fn parts(&self) -> (&Decision, State, Option<&str>) {
        match self {
            Self::Accept { decision, until } => (decision, State::Accepted, Some(until)),
            Self::Ack(decision) => (decision, State::Acknowledged, None),
            Self::FalsePositive(decision) => (decision, State::FalsePositive, None),
            Self::Reopen(decision) => (decision, State::Reopened, None),
        }
    }
}

fn state(text: &str) -> Result<State, String> {
    let names = State::ALL.map(State::name).join(", ");
    State::named(text).ok_or_else(|| format!("there are {names}"))
}

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
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
    use super::{EventsArgs, FindingsArgs, Outcome, Result, ServicesArgs};
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

    pub(in crate::cli) fn events(args: &EventsArgs) -> Result<Outcome> {
        anyhow::bail!(
            "this build has no lake to read {} with: build with the feature 'lake'",
            args.lake.display()
        );
    }

    pub(in crate::cli) fn findings(args: &FindingsArgs) -> Result<Outcome> {
        let decided = args.command.as_ref().map(|decide| decide.parts());
        let lake = decided.map_or(args.lake.as_deref(), |(decision, ..)| Some(&decision.lake));
        let _ = (args.json, args.resolve_after, &args.state, &args.dispositions);
        anyhow::bail!(
            "this build has no lake to read {} with: build with the feature 'lake'",
            lake.unwrap_or(Path::new("")).display()
        );
    }
}

#[cfg(not(feature = "lake"))]
pub(super) use without::{events, findings, inventory, services};

#[cfg(feature = "lake")]
mod with {
    use super::{Decide, Decision, EventsArgs, FindingsArgs, Outcome, Result, ServicesArgs};
    use crate::cli::output::{complain, to};
    use crate::cli::style::Colours;
    use crate::cli::summary::Shown;
    use crate::cli::{documents, summary};
    use crate::finding::Disposition;
    use crate::lake::reader::{self, Rows};
    use crate::lake::rows::{FindingRow, Origin};
    use crate::lake::writer::Writer;
    use crate::sink::jsonl;
    use crate::source;
    use anyhow::{Context, anyhow, bail};
    use std::io::{self, Write};
    use std::path::Path;
    use std::time::Duration;

    pub(in crate::cli) fn inventory(lake: &Path, json: bool, all: bool) -> Result<Outcome> {
        show(
            lake,
            reader::latest_endpoints(lake)?,
            json,
            |out, rows| jsonl::write_inventory(out, rows),
            |rows| summary::listing(rows, all, Colours::for_stdout()),
        )
    }

    pub(in crate::cli) fn services(args: &ServicesArgs) -> Result<Outcome> {
        show(
            &args.lake,
            reader::latest_services(&args.lake)?,
            args.json,
            |out, rows| jsonl::write_services(out, rows),
            |rows| {
                let mut text = String::new();
                summary::services(&mut text, rows, true, Colours::for_stdout());
                if rows.is_empty() { "no service behind TLS is told\n".to_owned() } else { text }
            },
        )
    }

    pub(in crate::cli) fn findings(args: &FindingsArgs) -> Result<Outcome> {
        if let Some(decide) = &args.command {
            return self::decide(decide);
        }
        let lake = args.lake.as_deref().context("name the lake with --lake")?;
        let mut complaints = Vec::new();
        let decided = documents::dispositions(args.dispositions.as_deref(), &mut complaints)?;
        for complaint in &complaints {
            complain(complaint);
        }
        let now = source::now();
        let unseen = Duration::from_secs(args.resolve_after.saturating_mul(86_400));
        let mut rows = reader::latest_findings(lake, now, unseen)?;
        for stored in &mut rows.rows {
            if let Some(decided) = decided.of(&stored.row.id) {
                stored.row.decide(decided, now);
            }
        }
        let wanted: Vec<&str> = args.state.iter().map(|state| state.name()).collect();
        rows.rows.retain(|stored| wanted.is_empty() || wanted.contains(&stored.row.state.as_str()));
        show(
            lake,
            rows,
            args.json,
            |out, rows| jsonl::write_findings(out, rows),
            |rows| {
                let mut text = String::new();
                summary::findings(&mut text, rows, Shown::WithIds, Colours::for_stdout());
                text
            },
        )
    }

    pub(in crate::cli) fn events(args: &EventsArgs) -> Result<Outcome> {
        show(
            &args.lake,
            reader::all_events(&args.lake)?,
            args.json,
            |out, rows| jsonl::write_events(out, rows),
            |rows| summary::events(rows, Colours::for_stdout()),
        )
    }

    /// Adds a decision to the lake, for each sensor that has the finding.
    fn decide(decide: &Decide) -> Result<Outcome> {
        let (given, state, until) = decide.parts();
        let Decision { id, lake, author, reason } = given;
        let decided = Disposition::new(state, until, author, reason)
            .map_err(|lacks| anyhow!("a finding that is {} {lacks}", state.name().replace('_', " ")))?;
        let now = source::now();
        let rows = reader::latest_findings(lake, now, Duration::MAX)?;
        for problem in rows.problems.as_slice() {
            complain(&problem.to_string());
        }
        let found: Vec<_> = rows.rows.into_iter().filter(|stored| stored.row.id == *id).collect();
        if found.is_empty() {
            bail!("no finding in {} has the id '{id}'", lake.display());
        }
        for stored in found {
            let mut row = stored.row;
            row.decide(&decided, now);
            FindingRow::DECISION.clone_into(&mut row.record);
            let mut hasher = blake3::Hasher::new();
            hasher.update(format!("{now} {id} {decided:?}").as_bytes());
            let run = format!("decision-{}", hasher.finalize().to_hex().get(..16).unwrap_or_default());
            let origin = Origin { run, window_start: now, window_end: now, ..stored.origin };
            let told = format!("{} {} {}", row.state, row.kind, row.id);
            Writer::new(lake, origin)?.write(vec![row])?;
            to("-".as_ref(), |out| writeln!(out, "{told}"))?;
        }
        Ok(Outcome::Done)
    }

    /// Tells what is wrong with the lake, and writes the rows that could be read.
    fn show<R>(
        lake: &Path,
        read: Rows<R>,
        json: bool,
        lines: impl FnOnce(&mut dyn Write, &[R]) -> io::Result<()>,
        text: impl FnOnce(&[R]) -> String,
    ) -> Result<Outcome> {
        for problem in read.problems.as_slice() {
            complain(&problem.to_string());
        }
        let rows: Vec<R> = read.rows.into_iter().map(|stored| stored.row).collect();
        let is_lake = reader::is_lake(lake);
        if !is_lake {
            complain(&format!("{}: none of a lake's tables is in this folder", lake.display()));
        }
        let nothing = rows.is_empty() && (!is_lake || !read.problems.is_empty());
        to("-".as_ref(), |out| if json { lines(out, &rows) } else { out.write_all(text(&rows).as_bytes()) })?;
        Ok(if nothing { Outcome::Nothing } else { Outcome::Done })
    }
}

#[cfg(feature = "lake")]
pub(super) use with::{events, findings, inventory, services};
