//! seccomp: the system calls that are still answered.
//!
//! An allow-list: what capturing, threads, timers, signals, files of state and lake, an HTTP listener and a
//! notification to systemd need. Everything else gives `EPERM` and kills nobody: a call that was forgotten here costs
//! a feature, which an operator can report, not the sensor. No program can be started, no process traced, nothing
//! mounted, no memory made executable.
//!
//! `clone3` hides its flags behind a pointer, so it says `ENOSYS`; the C library then uses `clone`, which is allowed
//! for threads alone.

use super::{Report, SandboxError, SandboxPlan};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// What is answered whatever its arguments are.
const ALLOWED: &[i64] = &[
    // Files that are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_getdents64,
    // Files by name: Landlock decides which.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_umask,
    libc::SYS_getcwd,
    // Memory; what makes it executable is below.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads and signals.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Capabilities can only become fewer.
    libc::SYS_capget,
    libc::SYS_capset,
    // Time.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    // Sockets; which may be made is below.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_accept,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    // The host.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
];

/// The older names of the same, which only `x86_64` has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_rename,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// Requests that say something about a device or interface; none changes one.
const IOCTLS: &[u64] = &[
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::FIONBIO,
    libc::FIONREAD,
    libc::FIOCLEX,
    libc::SIOCGIFNAME,
    libc::SIOCGIFINDEX,
    libc::SIOCGIFFLAGS,
    libc::SIOCGIFHWADDR,
    libc::SIOCGIFMTU,
    // Of its settings those that change something need CAP_NET_ADMIN.
    libc::SIOCETHTOOL,
];

/// Has the process answered no other calls from now on, all its threads.
pub(super) fn restrict(plan: &SandboxPlan, report: &mut Report) -> Result<(), SandboxError> {
    let Some(programs) = programs().map_err(SandboxError::refused("make a seccomp filter"))? else {
        return plan.lacks(format!("a list of system calls for {}", std::env::consts::ARCH), report);
    };
    for program in &programs {
        if let Err(error) = apply_filter_all_threads(program) {
            return plan.lacks(format!("seccomp filters ({error})"), report);
        }
    }
    let count = rules().map_or(0, |rules| rules.len());
    report.done.push(format!("{count} system calls are answered, all others refused (seccomp)"));
    Ok(())
}

/// Two filters, of which the stricter answer counts and, of two refusals, that of the second.
fn programs() -> Result<Option<[BpfProgram; 2]>, seccompiler::BackendError> {
    let Ok(arch) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let refuse = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let list = SeccompFilter::new(rules()?, refuse(libc::EPERM), SeccompAction::Allow, arch)?;
    let hidden = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let hidden = SeccompFilter::new(hidden, SeccompAction::Allow, refuse(libc::ENOSYS), arch)?;
    Ok(Some([hidden.try_into()?, list.try_into()?]))
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let when = |index, length, operator, value| {
        SeccompCondition::new(index, length, operator, value).and_then(|one| SeccompRule::new(vec![one]))
    };
    let flag = |number: i32| u64::from(number.unsigned_abs());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    // Threads, not processes.
    let thread = flag(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![when(0, Qword, MaskedEq(thread), thread)?]);
    // No memory that holds code.
    let code = flag(libc::PROT_EXEC);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![when(2, Qword, MaskedEq(code), 0)?]);
    }
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_PACKET, libc::AF_NETLINK];
    let sockets: Result<_, _> = families.iter().map(|family| when(0, Dword, Eq, flag(*family))).collect();
    rules.insert(libc::SYS_socket, sockets?);
    rules.insert(libc::SYS_socketpair, vec![when(0, Dword, Eq, flag(libc::AF_UNIX))?]);
    let requests: Result<_, _> = IOCTLS.iter().map(|request| when(1, Dword, Eq, *request)).collect();
    rules.insert(libc::SYS_ioctl, requests?);
    // Names of threads and of memory, and what may be asked.
    let options = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_GET_DUMPABLE,
        libc::PR_CAPBSET_READ,
    ];
    let options: Result<_, _> = options.iter().map(|option| when(0, Dword, Eq, flag(*option))).collect();
    rules.insert(libc::SYS_prctl, options?);
    // Limits can be read, of this process; the third argument would set them.
    rules.insert(libc::SYS_prlimit64, vec![when(2, Qword, Eq, 0)?]);
    // Signals to itself: how a panic aborts.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, Dword, Eq, own)?]);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_intruder_needs_is_not_on_the_list() {
        let rules = rules().unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_mount,
            libc::SYS_move_mount,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_kexec_load,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_setresuid,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_perf_event_open,
            libc::SYS_memfd_create,
            libc::SYS_kill,
            libc::SYS_mknodat,
            libc::SYS_symlinkat,
            libc::SYS_fchownat,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }

    #[test]
    fn the_filters_compile_and_fit() {
        let [hidden, list] = programs().unwrap().unwrap();
        assert!(!hidden.is_empty() && list.len() < 4_096, "the kernel takes at most 4096 instructions");
    }
}
