//! Another user, and one capability or none.
//!
//! Started as root, the process becomes another user in one direction only: real, effective and saved ids, no
//! other groups. `CAP_NET_RAW` and `CAP_DAC_READ_SEARCH` survive that when the plan needs them; the bounding, inheritable
//! and ambient sets are emptied. Started by another user, everything but these is dropped. Afterwards the sets are read back: what the
//! report says is what the kernel says.

use super::{Report, SandboxError, SandboxPlan, owners};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, User, geteuid, getgroups, setgroups, setresgid, setresuid};

/// Whom the process becomes.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// Becomes the plan's user when root, and drops all capabilities but the one that is kept.
pub(super) fn drop_all(plan: &SandboxPlan, report: &mut Report) -> Result<(), SandboxError> {
    let was_root = geteuid().is_root();
    let set = |capset, wanted: &CapsHashSet| {
        caps::set(None, capset, wanted).map_err(SandboxError::refused("set the capabilities"))
    };
    if was_root {
        let account = account(&plan.user)?;
        owners::give(plan, &account)?;
        empty_bounding_set(report)?;
        prctl::set_keepcaps(true).map_err(SandboxError::refused("keep capabilities"))?;
        setgroups(&[account.gid]).map_err(SandboxError::refused("leave all groups"))?;
        let Account { name, uid, gid } = account;
        setresgid(gid, gid, gid).map_err(SandboxError::refused("change the group"))?;
        setresuid(uid, uid, uid).map_err(SandboxError::refused("change the user"))?;
        prctl::set_keepcaps(false).map_err(SandboxError::refused("keep capabilities no longer"))?;
        report.done.push(format!("became user {name} ({uid}:{gid}), in no other group"));
    } else {
        owners::make(plan)?;
        empty_bounding_set(report)?;
        report.done.push(format!("runs as user {}", geteuid()));
    }
    let had = caps::read(None, CapSet::Permitted).map_err(SandboxError::refused("read the capabilities"))?;
    let mut kept = CapsHashSet::new();
    for (capability, needed) in
        [(Capability::CAP_NET_RAW, plan.keep_raw), (Capability::CAP_DAC_READ_SEARCH, !plan.logs.is_empty())]
    {
        if needed && had.contains(&capability) {
            kept.insert(capability);
        }
    }
    caps::clear(None, CapSet::Ambient).map_err(SandboxError::refused("empty the ambient set"))?;
    set(CapSet::Inheritable, &CapsHashSet::new())?;
    // The effective set must stay within the permitted one at each step.
    set(CapSet::Effective, &CapsHashSet::new())?;
    set(CapSet::Permitted, &kept)?;
    set(CapSet::Effective, &kept)?;
    prctl::set_no_new_privs().map_err(SandboxError::refused("set no_new_privs"))?;
    prctl::set_dumpable(false).map_err(SandboxError::refused("become undumpable"))?;
    verify(&kept, was_root)?;
    if plan.keep_raw && !kept.contains(&Capability::CAP_NET_RAW) {
        report.lacking.push("CAP_NET_RAW: an interface that goes away cannot be opened again".to_owned());
    }
    let purposes: Vec<&str> = [
        (Capability::CAP_NET_RAW, "CAP_NET_RAW, to open interfaces again"),
        (Capability::CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH, to read logs"),
    ]
    .into_iter()
    .filter_map(|(capability, purpose)| kept.contains(&capability).then_some(purpose))
    .collect();
    report.done.push(if purposes.is_empty() {
        "keeps no capability".to_owned()
    } else {
        format!("keeps {}, and no other capability", purposes.join(", and "))
    });
    report.done.push("can gain no privilege, leaves no core dump and cannot be traced".to_owned());
    Ok(())
}

/// Drops `CAP_NET_RAW` too, for the calling thread and those it starts from now on.
pub fn give_up_raw() -> Result<(), SandboxError> {
    let none = CapsHashSet::new();
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &none).map_err(SandboxError::refused("drop CAP_NET_RAW"))?;
    }
    Ok(())
}

/// Whether there is a user to become.
pub fn check_user(user: &str) -> Result<(), SandboxError> {
    account(user).map(drop)
}

/// Whom a name or number means. A number need not be known to this host.
fn account(user: &str) -> Result<Account, SandboxError> {
    let unknown = || SandboxError::NoUser { user: user.to_owned() };
    let known = match user.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(user),
    };
    let known = known.map_err(SandboxError::refused("look up the user"))?;
    let account = match (known, user.parse()) {
        (Some(known), _) => Account { name: known.name, uid: known.uid, gid: known.gid },
        (None, Ok(number)) => {
            Account { name: user.to_owned(), uid: Uid::from_raw(number), gid: Gid::from_raw(number) }
        }
        (None, Err(_)) => return Err(unknown()),
    };
    // -1 means "leave as it is" to the kernel.
    if account.uid.as_raw() == u32::MAX || account.gid.as_raw() == u32::MAX {
        return Err(unknown());
    }
    if account.uid.is_root() || account.gid.as_raw() == 0 {
        return Err(SandboxError::Root { user: user.to_owned() });
    }
    Ok(account)
}

fn empty_bounding_set(report: &mut Report) -> Result<(), SandboxError> {
    let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
    if may.map_err(SandboxError::refused("read the capabilities"))? {
        return caps::clear(None, CapSet::Bounding).map_err(SandboxError::refused("empty the bounding set"));
    }
    let mut left =
        caps::read(None, CapSet::Bounding).map_err(SandboxError::refused("read the bounding set"))?;
    // As the unit and the manifests leave it.
    left.remove(&Capability::CAP_NET_RAW);
    left.remove(&Capability::CAP_DAC_READ_SEARCH);
    if !left.is_empty() {
        // Without effect, since no program can be started and no_new_privs is set; still not what was asked for.
        report.lacking.push("an empty bounding set: to empty it needs CAP_SETPCAP".to_owned());
    }
    Ok(())
}

/// Reads back what was set, so that a mistake here is an error and not a belief.
fn verify(kept: &CapsHashSet, was_root: bool) -> Result<(), SandboxError> {
    let refused = |why: &str| SandboxError::Refused { what: "verify what was dropped", why: why.to_owned() };
    for (set, expected) in [
        (CapSet::Effective, kept),
        (CapSet::Permitted, kept),
        (CapSet::Inheritable, &CapsHashSet::new()),
        (CapSet::Ambient, &CapsHashSet::new()),
    ] {
        let found = caps::read(None, set).map_err(SandboxError::refused("read the capabilities"))?;
        if found != *expected {
            return Err(refused("capabilities are left"));
        }
    }
    if was_root {
        let groups = getgroups().map_err(SandboxError::refused("read the groups"))?;
        let root = Uid::from_raw(0);
        if geteuid().is_root()
            || setresuid(root, root, root).is_ok()
            || groups.iter().any(|gid| gid.as_raw() == 0)
        {
            return Err(refused("the way back to root is open"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        assert_eq!(account("nobody").unwrap().uid, account("65534").unwrap().uid);
        assert_eq!(account("3999999").unwrap().gid.as_raw(), 3_999_999);
        for root in ["root", "0"] {
            assert!(matches!(account(root), Err(SandboxError::Root { .. })), "{root}");
        }
        for unknown in ["no-such-user", "4294967295", "", "-1"] {
            assert!(matches!(account(unknown), Err(SandboxError::NoUser { .. })), "{unknown:?}");
        }
    }
}
