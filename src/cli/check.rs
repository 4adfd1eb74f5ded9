//! `spanlight check`: what a sensor's file comes to, or all that is wrong with it.

use super::output::complain;
use super::style::{Colours, bytes, plural, thousands};
use super::{Outcome, documents, key};
use crate::config::{Interface, Sandboxing, Settings};
use crate::spec::DocumentSet;
use anyhow::Result;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXIT STATUS\n  0  the sensor would start with it\n  2  there are problems, each told with its place"
)]
pub(super) struct Args {
    /// The sensor's file
    #[arg(value_name = "FILE", default_value = "/etc/spanlight/spanlight.yaml")]
    file: PathBuf,
}

/// Reads the file, the documents and the key it names.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    let settings = match Settings::load(&args.file) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems.as_slice() {
                complain(&problem.to_string());
            }
            complain(&format!(
                "{} in {}",
                plural(problems.as_slice().len() as u64, "problem"),
                args.file.display()
            ));
            return Ok(Outcome::Nothing);
        }
    };
    let mut wrong = Vec::new();
    let documents = documents::all_of(&settings.specs, &settings.descriptors, &mut wrong);
    let rulings = documents::rulings(settings.templates.as_deref(), &mut wrong);
    let rulings = counted(rulings.map(|rulings| rulings.len()), &mut wrong);
    let ownership = documents::ownership(settings.ownership.as_deref(), &mut wrong);
    let ownership = counted(ownership.map(|ownership| ownership.len()), &mut wrong);
    let dispositions = documents::dispositions(settings.dispositions.as_deref(), &mut wrong);
    let dispositions = counted(dispositions.map(|dispositions| dispositions.len()), &mut wrong);
    let key_file = settings.key_file();
    let key = if settings.key.is_some() || key_file.exists() {
        match key::load(&key_file) {
            Ok(key) => format!("{}  (id {})", key_file.display(), key.id()),
            Err(error) => {
                wrong.push(format!("{error:#}"));
                String::new()
            }
        }
    } else {
        format!("{}  (made at the first start)", key_file.display())
    };
    if !wrong.is_empty() {
        for message in &wrong {
            complain(message);
        }
        complain(&format!("{} in what {} names", plural(wrong.len() as u64, "problem"), args.file.display()));
        return Ok(Outcome::Nothing);
    }
    let decided = Decided { documents: &documents, rulings, ownership, dispositions };
    let text = told(&settings, &decided, &key, Colours::for_stdout());
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// How much was read; nothing of what could not be, which is told.
fn counted(read: Result<usize>, wrong: &mut Vec<String>) -> usize {
    read.unwrap_or_else(|error| {
        wrong.push(format!("{error:#}"));
        0
    })
}

/// What the files come to that people write.
struct Decided<'a> {
    documents: &'a DocumentSet,
    rulings: usize,
    ownership: usize,
    dispositions: usize,
}

/// What the settings come to, a line each.
fn told(
    settings: &Settings,
    &Decided { documents, rulings, ownership, dispositions }: &Decided<'_>,
    key: &str,
    colours: Colours,
) -> String {
    let mut out = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a string cannot fail.
        _ = writeln!(out, "{}  {what}", colours.dim(&format!("{name:12}")));
    };
    line("sensor", &settings.sensor);
    if settings.interfaces.is_empty() {
        let words = if settings.access_logs.is_empty() {
            "none: name them with -i when the sensor starts"
        } else {
            "none: it reads access logs"
        };
        line("interfaces", words);
    }
    for log in &settings.access_logs {
        line("access log", &log.source.name);
    }
    for interface in &settings.interfaces {
        line("interface", &interface_told(interface, settings.shards.get() as u64));
    }
    line("shards", &thousands(settings.shards.get() as u64));
    if settings.specs.is_empty() && settings.descriptors.is_empty() {
        line("documents", "none: nothing to compare with, every endpoint is undocumented");
    } else {
        let all = documents.documents();
        let operations: usize = all.iter().map(|document| document.operations).sum();
        let operations = plural(operations as u64, "operation");
        line("documents", &format!("{} with {operations}", thousands(all.len() as u64)));
        for one in documents.gateways().catalogues() {
            line(
                "gateway",
                &format!("{}  ({}, {})", one.file, one.gateway, plural(one.routes as u64, "route")),
            );
        }
    }
    if let Some(file) = &settings.templates {
        line("templates", &format!("{}  ({})", file.display(), plural(rulings as u64, "decision")));
    }
    if let Some(file) = &settings.ownership {
        line("ownership", &format!("{}  ({})", file.display(), plural(ownership as u64, "rule")));
    }
    if let Some(file) = &settings.dispositions {
        line("dispositions", &format!("{}  ({})", file.display(), plural(dispositions as u64, "decision")));
    }
    line("key", key);
    let interval = settings.interval.as_secs();
    line("state", &format!("{}  (saved every {})", settings.state.display(), plural(interval, "second")));
    match &settings.lake {
        Some(lake) => {
            let rolls = format!(
                "{} or {}",
                plural(lake.roll.as_secs(), "second"),
                plural(lake.roll_rows as u64, "row")
            );
            let spool = bytes(lake.spool_bytes);
            line("lake", &format!("{}  (a file every {rolls}; {spool} may wait)", lake.path.display()));
        }
        None => line("lake", "none: results are kept in the state alone"),
    }
    line("bodies", if settings.bodies { "inspected" } else { "not inspected: no data classes, no drift" });
    match settings.metrics {
        Some(listen) => line("metrics", &format!("http://{listen}/metrics")),
        None => line("metrics", "none"),
    }
    let sandbox = match settings.privileges.sandbox {
        Sandboxing::Auto => "as much of a sandbox as the kernel has",
        Sandboxing::Require => "Landlock and seccomp, or no start",
        Sandboxing::Off => "no sandbox",
    };
    line("privileges", &format!("started as root it becomes {}; {sandbox}", settings.privileges.user));
    out
}

fn interface_told(interface: &Interface, shards: u64) -> String {
    let Interface { name, filter, snaplen, promiscuous, ring_bytes, vantage } = interface;
    let filter =
        filter.as_ref().map_or_else(|| "all packets".to_owned(), |filter| format!("only `{filter}`"));
    let addressed = if *promiscuous { "promiscuous" } else { "only what is addressed to it" };
    let ring = ring_bytes >> 20;
    let place = vantage.as_ref().map_or_else(String::new, |vantage| format!(" at {vantage}"));
    format!(
        "{name}{place}  {filter}, {addressed}, up to {} of each; ring {shards} × {ring} MiB",
        plural(u64::from(*snaplen), "byte")
    )
}
