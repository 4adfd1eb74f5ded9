//! The folders of state and lake, made and given to the user that the process becomes.
//!
//! Only these two, and what the sensor put in them. Whoever owned them before may have put links there, so every
//! step goes by an open folder and follows none; a file with a second name is left alone. Folders that belong to
//! the system as a whole are refused.

use super::privileges::Account;
use super::{SandboxError, SandboxPlan};
use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{Uid, fchown, fchownat};
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How deep the state is followed.
const STATE_DEPTH: usize = 16;

/// What must not change hands, however a path leads there.
const SYSTEM: [&str; 26] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// Makes the folders that are missing.
pub(super) fn make(plan: &SandboxPlan) -> Result<(), SandboxError> {
    for folder in std::iter::once(&plan.state).chain(&plan.lake) {
        fs::create_dir_all(folder).map_err(refused("make the folder", folder))?;
    }
    Ok(())
}

/// Makes the folders, and gives them and what the sensor put in them to `account`.
pub(super) fn give(plan: &SandboxPlan, account: &Account) -> Result<(), SandboxError> {
    make(plan)?;
    give_folder(&plan.state, Inside::State(STATE_DEPTH), account)?;
    if let Some(lake) = &plan.lake {
        give_folder(lake, Inside::Lake(0), account)?;
    }
    Ok(())
}

/// What below a folder is the sensor's.
#[derive(Clone, Copy)]
enum Inside {
    /// Everything, this deep.
    State(usize),
    /// Folders called as the lake calls them at this depth. Its files are never changed, so their owner may stay.
    Lake(usize),
}

impl Inside {
    /// What is inside the entry `name`; `None` when the entry is not the sensor's or ends here.
    fn below(self, name: &CStr, is_folder: bool) -> Option<Self> {
        match self {
            Self::State(0) => None,
            Self::State(depth) => Some(Self::State(depth - 1)),
            Self::Lake(depth) => {
                let name = name.to_bytes();
                let ours = match depth {
                    0 => name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_'),
                    1 => name.starts_with(b"v") && name.iter().skip(1).all(u8::is_ascii_digit),
                    2 => name.starts_with(b"date="),
                    3 => name.starts_with(b"sensor="),
                    _ => false,
                };
                (ours && is_folder).then_some(Self::Lake(depth + 1))
            }
        }
    }
}

fn give_folder(path: &Path, inside: Inside, account: &Account) -> Result<(), SandboxError> {
    let real = path.canonicalize().map_err(refused("find the folder", path))?;
    if SYSTEM.iter().any(|folder| Path::new(folder) == real) {
        return Err(SandboxError::SystemFolder { path: real, user: account.name.clone() });
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let folder = Dir::open(&real, flags, Mode::empty()).map_err(refused("open the folder", path))?;
    if fstat(&folder).map_err(refused("look at the folder", path))?.st_uid != account.uid.as_raw() {
        fchown(&folder, Some(account.uid), Some(account.gid))
            .map_err(refused("give away the folder", path))?;
    }
    give_entries(folder, path, inside, account)
}

/// Gives away what root owns in `folder`; `path` is for messages.
fn give_entries(mut folder: Dir, path: &Path, inside: Inside, account: &Account) -> Result<(), SandboxError> {
    let mut names: Vec<CString> = Vec::new();
    for entry in folder.iter() {
        let entry = entry.map_err(refused("list the folder", path))?;
        let name = entry.file_name();
        let may_be = matches!(entry.file_type(), None | Some(Type::Directory | Type::File));
        if may_be && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    for name in names {
        let at = path.join(name.to_string_lossy().as_ref());
        let Ok(known) = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
        let is_folder = kind(&known) == SFlag::S_IFDIR;
        let is_plain = kind(&known) == SFlag::S_IFREG && known.st_nlink == 1;
        let Some(below) = inside.below(&name, is_folder).filter(|_| is_folder || is_plain) else { continue };
        if Uid::from_raw(known.st_uid).is_root() {
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(folder.as_fd(), name.as_c_str(), Some(account.uid), Some(account.gid), flags)
                .map_err(refused("give away", &at))?;
        }
        if is_folder {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let inner = Dir::openat(&folder, name.as_c_str(), flags, Mode::empty());
            give_entries(inner.map_err(refused("open the folder", &at))?, &at, below, account)?;
        }
    }
    Ok(())
}

fn kind(known: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(known.st_mode) & SFlag::S_IFMT
}

fn refused<E: Into<io::Error>>(what: &'static str, path: &Path) -> impl FnOnce(E) -> SandboxError {
    let path = PathBuf::from(path);
    move |source| SandboxError::Folder { what, path, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Gid, geteuid};
    use std::os::unix::fs::{MetadataExt, symlink};

    fn account() -> Account {
        Account { name: "nobody".into(), uid: Uid::from_raw(65_534), gid: Gid::from_raw(65_534) }
    }

    #[test]
    fn only_what_is_the_sensors_changes_hands() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root gives files away");
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in
            ["state/spool", "lake/endpoints/v1/date=2026-01-01/sensor=a", "lake/Other/v1", "elsewhere"]
        {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["state/spool/a", "state/b", "elsewhere/secret", "elsewhere/linked", "lake/note.txt"] {
            fs::write(at(file), "x").unwrap();
        }
        symlink(at("elsewhere"), at("state/link")).unwrap();
        fs::hard_link(at("elsewhere/linked"), at("state/linked")).unwrap();
        let plan = SandboxPlan {
            user: "nobody".into(),
            keep_raw: false,
            state: at("state"),
            lake: Some(at("lake")),
            readable: Vec::new(),
            logs: Vec::new(),
            listen: Vec::new(),
            connect: Vec::new(),
            strictness: crate::sandbox::Strictness::Off,
        };
        give(&plan, &account()).unwrap();
        let owner = |path: &str| at(path).symlink_metadata().unwrap().uid();
        for ours in [
            "state",
            "state/spool",
            "state/spool/a",
            "state/b",
            "lake",
            "lake/endpoints/v1/date=2026-01-01/sensor=a",
        ] {
            assert_eq!(owner(ours), 65_534, "{ours}");
        }
        for other in
            ["elsewhere", "elsewhere/secret", "elsewhere/linked", "state/link", "lake/Other", "lake/note.txt"]
        {
            assert_eq!(owner(other), 0, "{other}");
        }
    }

    #[test]
    fn folders_of_the_system_are_refused() {
        for folder in ["/var/lib/../lib", "/tmp", "/"] {
            let refused = give_folder(Path::new(folder), Inside::State(1), &account());
            assert!(matches!(refused, Err(SandboxError::SystemFolder { .. })), "{folder}");
        }
    }
}
