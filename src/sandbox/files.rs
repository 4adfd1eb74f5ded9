//! Landlock: which files can be read and written, which ports listened on, whom signals reach.
//!
//! Nothing can be executed. Writing is for state and lake alone. TCP connects to and listens on the plan's ports alone,
//! where the kernel knows of ports (6.7 and later); signals stay inside where it knows of that (6.12).

use super::{Report, SandboxError, SandboxPlan};
use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, PathBeneath, PathFd, RestrictSelf, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::path::{Path, PathBuf};

/// What is read to open an interface again (libpcap: kinds and counters of interfaces, names of protocols and
/// services in filters), to tell local time, and to look at the host.
const ALWAYS_READABLE: [&str; 11] = [
    "/sys/class/net",
    "/sys/devices",
    "/proc",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/services",
    "/etc/ethers",
    "/etc/hosts",
    "/dev/urandom",
];

/// What is read to find out where a name is, when there is something to connect to.
const TO_CONNECT: [&str; 5] =
    ["/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf", "/run/systemd/resolve", "/run/resolvconf"];

/// Devices that are opened for writing.
const ALWAYS_WRITABLE: [&str; 1] = ["/dev/null"];

/// The newest rights that are asked for; what an older kernel does not know is left out, and said.
const NEWEST: ABI = ABI::V6;

/// Locks the process in.
pub(super) fn restrict(plan: &SandboxPlan, report: &mut Report) -> Result<(), SandboxError> {
    let refused = SandboxError::refused::<landlock::RulesetError>;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let always = ALWAYS_READABLE.iter().map(Path::new);
    let named = plan.readable.iter().chain(&plan.logs).map(PathBuf::as_path);
    let to_connect = TO_CONNECT.iter().map(Path::new).filter(|_| !plan.connect.is_empty());
    let readable = always.chain(to_connect).chain(named).map(|path| (path, read));
    let devices = ALWAYS_WRITABLE.iter().map(|path| (Path::new(path), read | AccessFs::WriteFile));
    let folders: Vec<&Path> = std::iter::once(&plan.state).chain(&plan.lake).map(PathBuf::as_path).collect();
    let writable = folders.iter().map(|path| (*path, write));
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::Signal))
        .and_then(Ruleset::create)
        .map_err(refused("make a Landlock ruleset"))?;
    for (path, rights) in readable.chain(devices).chain(writable) {
        // What does not exist cannot be read either.
        let Ok(open) = PathFd::new(path) else { continue };
        let rights = if path.is_dir() { rights } else { rights & AccessFs::from_file(NEWEST) };
        rules = rules.add_rule(PathBeneath::new(open, rights)).map_err(refused("allow files"))?;
    }
    let listen = plan.listen.iter().map(|port| (*port, AccessNet::BindTcp));
    let connect = plan.connect.iter().map(|port| (*port, AccessNet::ConnectTcp));
    for (port, access) in listen.chain(connect) {
        rules = rules.add_rule(NetPort::new(port, access)).map_err(refused("allow a port"))?;
    }
    let status = rules.restrict_self().map_err(refused("enter the Landlock ruleset"))?;
    let version = match status.landlock {
        LandlockStatus::NotEnabled => {
            return plan.lacks("Landlock: it is built in, but not enabled".into(), report);
        }
        LandlockStatus::NotImplemented => {
            return plan.lacks("Landlock: Linux 5.13 and later have it".into(), report);
        }
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
    };
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            return plan.lacks("Landlock: nothing of it is enforced".into(), report);
        }
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => {}
    }
    report.done.push(told(plan, &folders, version));
    for (since, what) in [
        (ABI::V2, "moving files between folders"),
        (ABI::V3, "truncating files"),
        (ABI::V4, "TCP ports"),
        (ABI::V6, "signals"),
    ] {
        if version < since {
            report.lacking.push(format!("Landlock for {what} (ABI {since}; this kernel has {version})"));
        }
    }
    Ok(())
}

/// The version of Landlock that this kernel has; `None` without.
#[must_use]
pub fn landlock_abi() -> Option<u32> {
    // Asks, and restricts nothing.
    match RestrictSelf::default().no_new_privs(false).apply().ok()?.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi.to_string().parse().ok(),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
    }
}

fn told(plan: &SandboxPlan, folders: &[&Path], version: ABI) -> String {
    let folders: Vec<String> = folders.iter().map(|path| path.display().to_string()).collect();
    let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let ports = match (plan.listen.as_slice(), plan.connect.as_slice()) {
        _ if version < ABI::V4 => String::new(),
        ([], []) => "; uses no TCP".to_owned(),
        (listen, []) => format!("; listens on TCP {} and connects nowhere", list(listen)),
        ([], connect) => format!("; connects to TCP {} and listens nowhere", list(connect)),
        (listen, connect) => format!("; listens on TCP {}, connects to TCP {}", list(listen), list(connect)),
    };
    format!("writes below {} only, runs no program{ports} (Landlock ABI {version})", folders.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_writable_is_never_executable() {
        let rights = AccessFs::from_all(NEWEST);
        assert!(rights.contains(AccessFs::Execute), "execution is among what is taken away");
        assert!(AccessNet::from_all(NEWEST).contains(AccessNet::ConnectTcp));
    }
}
