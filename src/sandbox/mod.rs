//! What a capturing process may still do: little, and for good.
//!
//! ```text
//!  enter ─▶ privileges: another user, CAP_NET_RAW or nothing ─▶ files: Landlock ─▶ calls: seccomp ─▶ Report
//! ```
//!
//! What the sensor parses was written by strangers, so a mistake in a parser must not become a way into the host.
//! [`enter`] is called once, after the first captures are open and before any thread starts: capabilities and
//! Landlock belong to a thread, and those it starts inherit them. Nothing it takes away comes back.
//!
//! `CAP_NET_RAW` is kept while an interface may have to be opened again, and [`give_up_raw`] drops it.
//! `CAP_DAC_READ_SEARCH` is kept where logs are followed that only root and their writer may read; Landlock holds it to
//! their folders.

mod calls;
mod files;
mod owners;
mod privileges;

pub use files::landlock_abi;
pub use privileges::{check_user, give_up_raw};

use std::fs;
use std::io;
use std::path::PathBuf;

/// What the process needs from now on.
#[derive(Clone, Debug)]
pub struct SandboxPlan {
    /// Whom to become when started as root: a name or a number.
    pub user: String,
    /// Whether interfaces may have to be opened again.
    pub keep_raw: bool,
    /// The state's folder, made when missing. Below it everything that root owns becomes the user's.
    pub state: PathBuf,
    /// The lake's folder, made when missing. Its folders of tables, dates and sensors become the user's.
    pub lake: Option<PathBuf>,
    /// Files and folders that are read again on a reload. A file that is replaced is another file: name its folder.
    pub readable: Vec<PathBuf>,
    /// Folders of logs that others write, of which who was root may read all.
    pub logs: Vec<PathBuf>,
    /// The TCP ports that may be listened on. One below 1024 must be bound before.
    pub listen: Vec<u16>,
    /// The TCP ports that may be connected to.
    pub connect: Vec<u16>,
    /// How much of it there must be.
    pub strictness: Strictness,
}

/// How much of a sandbox there must be. Privileges are dropped in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// What the kernel has.
    Auto,
    /// Landlock for files, and seccomp; else [`SandboxError::Lacking`].
    Require,
    /// Neither.
    Off,
}

/// What was done, in words for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What holds from now on.
    pub done: Vec<String>,
    /// What the plan asked for and this host does not give.
    pub lacking: Vec<String>,
}

/// Why the process is not locked in. It may be half locked in, and must end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The user to become is not known here.
    #[error(
        "user `{user}` does not exist: make it (`useradd --system {user}`), or name another in privileges.user"
    )]
    NoUser {
        /// As the plan names it.
        user: String,
    },
    /// The user to become is root.
    #[error("user `{user}` is root: name another in privileges.user")]
    Root {
        /// As the plan names it.
        user: String,
    },
    /// Threads that run already would keep all that the process had.
    #[error("{count} threads run already: privileges can be dropped only before any is started")]
    Threads {
        /// How many.
        count: usize,
    },
    /// A folder cannot be made or given to the user.
    #[error("{what} {}: {source}", path.display())]
    Folder {
        /// What was being done.
        what: &'static str,
        /// With which folder or file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder that is not the sensor's alone.
    #[error("{} belongs to the system and is not given to {user}: name a folder below it", path.display())]
    SystemFolder {
        /// The folder.
        path: PathBuf,
        /// Who would own it.
        user: String,
    },
    /// The kernel refused a step.
    #[error("{what}: {why}")]
    Refused {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        why: String,
    },
    /// The plan requires what this host does not give.
    #[error("the sandbox is required, and this kernel lacks {what}")]
    Lacking {
        /// What is missing.
        what: String,
    },
}

impl SandboxError {
    fn refused<E: ToString>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Refused { what, why: error.to_string() }
    }
}

/// Drops privileges and locks the process in, for good.
pub fn enter(plan: &SandboxPlan) -> Result<Report, SandboxError> {
    // Without /proc it cannot be known; whoever starts threads first is found by the tests.
    let count = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if count > 1 {
        return Err(SandboxError::Threads { count });
    }
    let mut report = Report::default();
    privileges::drop_all(plan, &mut report)?;
    if plan.strictness == Strictness::Off {
        report.lacking.push("a sandbox: it is turned off".to_owned());
        return Ok(report);
    }
    files::restrict(plan, &mut report)?;
    calls::restrict(plan, &mut report)?;
    Ok(report)
}

impl SandboxPlan {
    /// Takes note that something is missing, which is an error when the sandbox is required.
    fn lacks(&self, what: String, report: &mut Report) -> Result<(), SandboxError> {
        if self.strictness == Strictness::Require {
            return Err(SandboxError::Lacking { what });
        }
        report.lacking.push(what);
        Ok(())
    }
}
