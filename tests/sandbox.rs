//! What a process can still do behind the sandbox, tried by one that is in it.
//!
//! A sandbox is entered once, before there are threads, and the usual harness has threads: so this is a program of
//! its own (`harness = false`). It starts itself again for each case, and the child tries what it must not be able to do and
//! what it needs. What is skipped says why: most needs root.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that is not as expected fails"
)]

use nix::unistd::geteuid;
use spanlight::sandbox::{self, Report, SandboxError, SandboxPlan, Strictness};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Which case a child is, and where it finds its folder.
const CASE: &str = "SPANLIGHT_SANDBOX_CASE";
const FOLDER: &str = "SPANLIGHT_SANDBOX_FOLDER";

const TESTS: [(&str, fn()); 5] = [
    ("behind_the_sandbox_only_what_is_needed_works", behind_the_sandbox_only_what_is_needed_works),
    ("threads_that_run_already_are_an_error", threads_that_run_already_are_an_error),
    ("a_user_that_does_not_exist_is_an_error", a_user_that_does_not_exist_is_an_error),
    (
        "without_a_sandbox_privileges_are_dropped_all_the_same",
        without_a_sandbox_privileges_are_dropped_all_the_same,
    ),
    ("another_user_than_root_is_locked_in_too", another_user_than_root_is_locked_in_too),
];

fn main() {
    if let Some(case) = std::env::var_os(CASE) {
        let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
        return match case.to_str().unwrap() {
            "locked_in" => locked_in(&folder),
            "with_a_thread" => with_a_thread(&folder),
            "with_no_user" => with_no_user(&folder),
            "without_a_sandbox" => without_a_sandbox(&folder),
            "as_another_user" => as_another_user(&folder),
            other => panic!("no case {other}"),
        };
    }
    // As the usual harness does: words choose tests by their names.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, test) in TESTS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

/// This program, started again as a case.
fn child(program: &Path, case: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env(CASE, case).env(FOLDER, folder);
    command
}

/// What a case said, which must end well.
fn succeeds(mut child: Command) -> String {
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

fn this_program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn needs_root() -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: only root has privileges to drop");
    }
    geteuid().is_root()
}

/// A folder that any user may enter.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["config", "outside"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("file"), "x").unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    folder
}

fn plan(folder: &Path, listen: Option<u16>) -> SandboxPlan {
    SandboxPlan {
        user: "nobody".into(),
        keep_raw: true,
        state: folder.join("state"),
        lake: Some(folder.join("lake")),
        readable: vec![folder.join("config")],
        logs: Vec::new(),
        listen: listen.into_iter().collect(),
        connect: Vec::new(),
        strictness: Strictness::Require,
    }
}

fn enter(plan: &SandboxPlan) -> Report {
    let report = sandbox::enter(plan).unwrap();
    for line in report.done.iter().map(|line| format!("done: {line}")).chain(report.lacking.iter().cloned()) {
        println!("{line}");
    }
    report
}

/// A line of `/proc/self/status`.
fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

fn behind_the_sandbox_only_what_is_needed_works() {
    if needs_root() {
        let folder = folder();
        let told = succeeds(child(&this_program(), "locked_in", folder.path()));
        assert!(told.contains("done: became user nobody (65534:65534)"), "{told}");
        for owned in ["state", "lake"] {
            assert_eq!(fs::metadata(folder.path().join(owned)).unwrap().uid(), 65_534, "{owned}");
        }
    }
}

fn locked_in(folder: &Path) {
    let (free, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = free.local_addr().unwrap().port();
    drop(free);
    let report = enter(&plan(folder, Some(port)));
    assert_eq!(report.lacking, Vec::<String>::new());

    // Who it is.
    assert_eq!(status("Uid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    assert_eq!(status("Gid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    assert_eq!(status("Groups"), "65534");
    let raw = "0000000000002000";
    let none = "0000000000000000";
    for (set, expected) in
        [("CapEff", raw), ("CapPrm", raw), ("CapInh", none), ("CapAmb", none), ("CapBnd", none)]
    {
        assert_eq!(status(set), expected, "{set}");
    }
    assert_eq!((status("NoNewPrivs").as_str(), status("Seccomp").as_str()), ("1", "2"));

    // What it cannot do.
    let denied = |result: Result<(), std::io::Error>, what: &str| {
        let kind = result.expect_err(what).kind();
        assert_eq!(kind, ErrorKind::PermissionDenied, "{what}");
    };
    denied(fs::read("/etc/shadow").map(drop), "read /etc/shadow");
    denied(fs::read("/etc/passwd").map(drop), "read what anybody may read");
    denied(fs::read(folder.join("outside/file")).map(drop), "read outside");
    denied(fs::write(folder.join("outside/new"), "x"), "write outside");
    denied(fs::write(folder.join("config/new"), "x"), "write what is only read");
    denied(fs::write("/proc/self/comm", "x"), "write to /proc");
    denied(Err(Command::new("/bin/true").exec()), "become another program");
    denied(Command::new("/bin/true").spawn().map(drop), "start another program");
    denied(TcpListener::bind("127.0.0.1:0").map(drop), "listen on another port");
    denied(TcpStream::connect(other.local_addr().unwrap()).map(drop), "connect");
    denied(std::os::unix::fs::symlink("/etc", folder.join("state/link")), "make a link");
    denied(std::os::unix::fs::chown(folder.join("state"), Some(0), None), "give a file away");

    // What it needs.
    fs::read(folder.join("config/file")).unwrap();
    fs::read("/proc/net/dev").unwrap();
    fs::read("/sys/class/net/lo/statistics/rx_dropped").unwrap();
    for kept in ["state", "lake"] {
        let kept = folder.join(kept);
        fs::create_dir_all(kept.join("a/b")).unwrap();
        let mut file = fs::File::create(kept.join("a/b/new.tmp")).unwrap();
        file.write_all(b"x").unwrap();
        file.sync_all().unwrap();
        file.set_len(0).unwrap();
        fs::hard_link(kept.join("a/b/new.tmp"), kept.join("a/linked")).unwrap();
        fs::rename(kept.join("a/b/new.tmp"), kept.join("a/new")).unwrap();
        assert_eq!(fs::read_dir(kept.join("a")).unwrap().count(), 3);
        fs::remove_file(kept.join("a/new")).unwrap();
        fs::remove_dir_all(kept.join("a")).unwrap();
        nix::sys::statvfs::statvfs(&kept).unwrap();
    }
    fs::write(folder.join("state/across"), "x").unwrap();
    fs::rename(folder.join("state/across"), folder.join("lake/across")).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    let told = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1));
        sender.send(b"READY=1").unwrap();
        status("CapEff")
    });
    assert_eq!(told.join().unwrap(), raw, "threads inherit what is left");
    let mut ready = [0; 7];
    assert_eq!(receiver.recv(&mut ready).unwrap(), 7);

    // Interfaces can be opened again, and then no longer.
    let open = || {
        let capture =
            pcap::Capture::from_device("lo").unwrap().promisc(true).snaplen(65_535).buffer_size(2 << 20);
        capture.immediate_mode(false).timeout(10).open()
    };
    let mut capture = open().unwrap();
    capture.filter("udp port 9 or tcp port http", true).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", "127.0.0.1:9").unwrap();
    assert!(capture.next_packet().is_ok(), "a packet is captured");
    assert!(capture.stats().is_ok());
    drop(capture);
    sandbox::give_up_raw().unwrap();
    assert_eq!((status("CapEff").as_str(), status("CapPrm").as_str()), (none, none));
    assert!(open().is_err(), "without CAP_NET_RAW no interface is opened");
}

fn threads_that_run_already_are_an_error() {
    succeeds(child(&this_program(), "with_a_thread", folder().path()));
}

fn with_a_thread(folder: &Path) {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receiver.recv().is_err());
    let refused = sandbox::enter(&plan(folder, None));
    assert!(matches!(refused, Err(SandboxError::Threads { count: 2 })), "{refused:?}");
    drop(sender);
    assert!(thread.join().unwrap());
}

fn a_user_that_does_not_exist_is_an_error() {
    if needs_root() {
        succeeds(child(&this_program(), "with_no_user", folder().path()));
    }
}

fn with_no_user(folder: &Path) {
    let plan = SandboxPlan { user: "no-such-user".into(), ..plan(folder, None) };
    let refused = sandbox::enter(&plan).unwrap_err();
    assert!(refused.to_string().starts_with("user `no-such-user` does not exist: make it"), "{refused}");
    assert!(!plan.state.exists(), "nothing was done");
}

fn without_a_sandbox_privileges_are_dropped_all_the_same() {
    if needs_root() {
        succeeds(child(&this_program(), "without_a_sandbox", folder().path()));
    }
}

fn without_a_sandbox(folder: &Path) {
    let plan = SandboxPlan { keep_raw: false, strictness: Strictness::Off, ..plan(folder, None) };
    let report = enter(&plan);
    assert_eq!(report.lacking, ["a sandbox: it is turned off"]);
    assert_eq!((status("CapPrm").as_str(), status("Seccomp").as_str()), ("0000000000000000", "0"));
    assert!(fs::read("/etc/shadow").is_err());
    let mut passwd = String::new();
    fs::File::open("/etc/passwd").unwrap().read_to_string(&mut passwd).unwrap();
}

fn another_user_than_root_is_locked_in_too() {
    if needs_root() {
        let folder = folder();
        for name in ["state", "lake"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            std::os::unix::fs::chown(folder.path().join(name), Some(65_534), Some(65_534)).unwrap();
        }
        // A copy that another user may start.
        let program = folder.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = child(&program, "as_another_user", folder.path());
        command.uid(65_534).gid(65_534);
        succeeds(command);
    }
}

fn as_another_user(folder: &Path) {
    let report = enter(&plan(folder, None));
    assert_eq!(status("CapPrm"), "0000000000000000");
    assert!(report.lacking.iter().any(|line| line.starts_with("CAP_NET_RAW")), "{report:?}");
    assert!(fs::read("/etc/passwd").is_err());
    fs::write(folder.join("state/file"), "x").unwrap();
}
