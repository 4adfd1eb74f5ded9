//! `spanlight doctor`: this host as a sensor would meet it, and what to do about what is wrong.
//!
//! Facts are gathered here, twice with a second between where figures only mean something as they grow; [`checks`] judges
//! them. Nothing is changed, and an interface is opened only to see whether it can be.

mod checks;

use super::Outcome;
use super::output::complain;
use super::style::{Colours, plural, wrapped};
use crate::config::{Config, Interface, InterfaceConfig, Settings};
use crate::sandbox::{check_user, landlock_abi};
use crate::source::ethtool;
use crate::source::host::Host;
use crate::source::live;
use anyhow::Result;
use checks::{Check, Verdict};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXIT STATUS\n  0  a sensor can work here, if perhaps not as well as it could\n  1  something is bad\n  2  the file has problems"
)]
pub(super) struct Args {
    /// The sensor's file; without one, defaults
    #[arg(value_name = "CONFIG")]
    file: Option<PathBuf>,

    /// An interface to look at, in place of those the file names; may be repeated
    #[arg(long = "interface", short, value_name = "IFACE")]
    interfaces: Vec<String>,

    /// Print a JSON object for each check
    #[arg(long)]
    json: bool,
}

/// Between two readings of what grows.
const BETWEEN: Duration = Duration::from_secs(1);
/// The ring of a trial: whether an interface opens does not depend on it.
const TRIAL_RING: u64 = 1 << 20;

/// Checks everything and prints it.
pub(super) fn run(args: &Args) -> Result<Outcome> {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems.as_slice() {
                complain(&problem.to_string());
            }
            return Ok(Outcome::Nothing);
        }
    };
    let host = Host::here();
    let checks = examine(&host, &settings);
    let text = if args.json { as_json(&checks)? } else { as_text(&checks, Colours::for_stdout()) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let is_bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if is_bad { Outcome::Findings } else { Outcome::Done })
}

fn settings(args: &Args) -> Result<Settings, crate::problem::Problems> {
    let mut settings = match &args.file {
        Some(file) => Settings::load(file)?,
        None => Settings::from_config(&Config::default())?,
    };
    if !args.interfaces.is_empty() {
        let interfaces = args.interfaces.iter().map(InterfaceConfig::named).collect();
        let mut named = Settings::from_config(&Config { interfaces, ..Config::default() })?.interfaces;
        for interface in &mut named {
            // What the file says of it holds.
            if let Some(known) = settings.interfaces.iter().find(|known| known.name == interface.name) {
                *interface = known.clone();
            }
        }
        settings.interfaces = named;
    }
    Ok(settings)
}

fn examine(host: &Host, settings: &Settings) -> Vec<Check> {
    let before: Vec<_> = settings.interfaces.iter().map(|one| host.interface(&one.name)).collect();
    let softnet = host.softnet();
    if !settings.interfaces.is_empty() {
        std::thread::sleep(BETWEEN);
    }
    let mut checks = Vec::new();
    let user = nix::unistd::geteuid().is_root().then(|| check_user(&settings.privileges.user));
    checks.push(checks::privileges(host.capabilities(), user, settings));
    checks.push(checks::processors(std::thread::available_parallelism().ok(), settings.shards));
    checks.push(checks::rings_in_memory(settings, host.memory_available()));
    checks.extend(softnet.zip(host.softnet()).map(|(before, now)| checks::softnet(before, now)));
    checks.push(checks::clock(host.clock()));
    checks.extend(checks::kernel(
        host.kernel(),
        host.has_packet_sockets(),
        landlock_abi(),
        host.has_seccomp(),
    ));
    if settings.interfaces.is_empty() {
        checks.push(checks::no_interface(&host.interfaces()));
    }
    for (interface, before) in settings.interfaces.iter().zip(before) {
        let Some(now) = host.interface(&interface.name) else {
            checks.push(checks::missing(&interface.name, &host.interfaces()));
            continue;
        };
        let offloads = ethtool::offloads(&interface.name).ok();
        let shards = u32::try_from(settings.shards.get()).unwrap_or(u32::MAX);
        let opened = trial(interface, shards);
        let lasted = before.map(|before| now.counters.since(&before.counters));
        checks.extend(checks::interface(interface, settings.shards, &now, lasted, offloads, opened));
    }
    for (name, folder) in
        [("state", Some(&settings.state)), ("lake", settings.lake.as_ref().map(|lake| &lake.path))]
    {
        let Some(folder) = folder else { continue };
        checks.extend(storage(name, folder, settings));
    }
    checks
}

/// Opens an interface as a sensor would, for a moment.
fn trial(interface: &Interface, shards: u32) -> Result<(), live::LiveError> {
    let ring_bytes = interface.ring_bytes.min(TRIAL_RING);
    live::open(&Interface { ring_bytes, ..interface.clone() }, shards).map(drop)
}

/// Whether a folder can be written to and how much fits.
fn storage(name: &'static str, folder: &Path, settings: &Settings) -> [Check; 2] {
    use nix::sys::statvfs::statvfs;
    use nix::unistd::{AccessFlags, access, geteuid};
    // A folder that is missing is made, in the nearest one that is there.
    let there = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    let may_write = there.is_dir() && access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    let space = statvfs(there).ok().map(|space| {
        let unit = space.fragment_size();
        (space.blocks_available().saturating_mul(unit), space.blocks().saturating_mul(unit))
    });
    let user = geteuid().is_root().then_some(settings.privileges.user.as_str());
    let needed = settings.lake.as_ref().map_or(0, |lake| lake.spool_bytes);
    [checks::writable(name, folder, there, may_write, user), checks::space(name, there, space, needed)]
}

fn as_json(checks: &[Check]) -> Result<String> {
    let mut out = String::new();
    for check in checks {
        out.push_str(&serde_json::to_string(check)?);
        out.push('\n');
    }
    Ok(out)
}

/// Width of what is told, and where it begins.
const WIDTH: usize = 110;
const INDENT: usize = 24;

/// By subject, within it the worst first; at the end how many there are of each.
fn as_text(checks: &[Check], colours: Colours) -> String {
    let mut out = String::new();
    let mut subjects: Vec<&str> = Vec::new();
    for check in checks {
        if !subjects.contains(&check.subject.as_str()) {
            subjects.push(&check.subject);
        }
    }
    // Writing to a string cannot fail.
    for subject in subjects {
        _ = writeln!(out, "{}", colours.bold(subject));
        let mut here: Vec<&Check> = checks.iter().filter(|check| check.subject == subject).collect();
        here.sort_by_key(|check| check.verdict);
        for Check { verdict, name, found, advice, .. } in here {
            let said = painted(*verdict, &format!("{:8}", verdict.name()), colours);
            _ = writeln!(out, "  {said}{name:14}{}", wrapped(found, WIDTH, INDENT));
            if let Some(advice) = advice {
                let advice = wrapped(&format!("→ {advice}"), WIDTH, INDENT);
                _ = writeln!(out, "{:INDENT$}{}", "", colours.bold(&advice));
            }
        }
        out.push('\n');
    }
    let counts: Vec<String> = [Verdict::Bad, Verdict::Warn, Verdict::Unknown, Verdict::Ok]
        .into_iter()
        .filter_map(|verdict| {
            let count = checks.iter().filter(|check| check.verdict == verdict).count();
            (count > 0).then(|| painted(verdict, &format!("{count} {}", verdict.name()), colours))
        })
        .collect();
    _ = writeln!(out, "{}: {}", plural(checks.len() as u64, "check"), counts.join(", "));
    out
}

fn painted(verdict: Verdict, text: &str, colours: Colours) -> String {
    match verdict {
        Verdict::Bad => colours.alarm(text),
        Verdict::Warn => colours.warn(text),
        Verdict::Unknown => colours.dim(text),
        Verdict::Ok => colours.good(text),
    }
}
