//! The network: hosts made of namespaces, a server that is called, and a mirror of what passes.
//!
//! ```text
//!   client c0 ──────────────────── s0 server          Path::Direct
//!   client c0 ──── r0 router r1 ── s0 server          Path::Routed: the router's way to the client is narrow
//!                   │     mirror of s0, or of r0
//!                   └─ m0 ──▶ t0 tap                  where tcpdump and the sensor listen
//! ```
//!
//! Names of namespaces begin with the process's id, so that runs do not meet; dropping the lab takes all away.

use crate::sensor::Sensor;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The server's addresses.
pub const SERVER: [&str; 2] = ["198.18.0.10", "2001:db8:18::10"];
/// How many tests run at a time: each of them keeps a processor busy.
const AT_A_TIME: usize = 2;
/// How long anything that comes at once may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How client and server are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// By a cable.
    Direct,
    /// Through a router that cuts what goes to the client into fragments.
    Routed,
}

/// Hosts, server and mirror of one test.
pub struct Lab {
    // Dropped in this order: processes before the namespaces they live in.
    server_process: Process,
    carriers: Vec<Process>,
    pub tap: Host,
    pub client: Host,
    pub server: Host,
    router: Option<Host>,
    folder: tempfile::TempDir,
    _turn: Turn,
}

impl Lab {
    /// A lab without mirror, once it is this test's turn; `None`, and said why, where labs cannot be made.
    pub fn new(name: &str, reach: Reach) -> Option<Self> {
        static LACKING: OnceLock<Option<String>> = OnceLock::new();
        if let Some(reason) = LACKING.get_or_init(lacking) {
            say(&format!("skipped {name}: {reason}"));
            return None;
        }
        let turn = Turn::take();
        let folder = tempfile::Builder::new().prefix(&format!("spanlight-{name}-")).tempdir().unwrap();
        readable_by_all(folder.path());
        let host = |role: &str| Host::new(&format!("{}-{name}-{role}", std::process::id()));
        let (client, server, tap) = (host("client"), host("server"), host("tap"));
        let router = (reach == Reach::Routed).then(|| host("router"));
        match &router {
            None => {
                client.cable("c0", &server, "s0");
                client.address("c0", &["198.18.0.20/24", "2001:db8:18::20/64"]);
                server.address("s0", &["198.18.0.10/24", "2001:db8:18::10/64"]);
            }
            Some(router) => narrow(&client, router, &server),
        }
        let server_process = serve(&server, folder.path());
        Some(Self { server_process, carriers: Vec::new(), tap, client, server, router, folder, _turn: turn })
    }

    /// A path in the lab's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host and interface whose traffic is mirrored.
    pub fn mirrored(&self) -> (&Host, &'static str) {
        self.router.as_ref().map_or((&self.server, "s0"), |router| (router, "r0"))
    }

    /// Joins the mirrored host to the tap, `m…` to `t…`.
    pub fn join_tap(&self, near: &str, far: &str) {
        let (host, _) = self.mirrored();
        host.cable(near, &self.tap, far);
        // Room for what a tunnel adds, and fixed addresses for those who wrap.
        host.run(&format!("ip link set {near} mtu 2000 address 02:00:5e:00:00:01"));
        self.tap.run(&format!("ip link set {far} mtu 2000 address 02:00:5e:00:00:09"));
    }

    /// Both directions on one interface: `t0`.
    pub fn mirror(&self) {
        self.join_tap("m0", "t0");
        let (host, interface) = self.mirrored();
        host.mirror(interface, "m0", "m0");
    }

    /// Runs a program for as long as the lab lives.
    pub fn keep(&mut self, process: Process) {
        self.carriers.push(process);
    }

    /// Makes so many requests over so many connections, as fast as they are answered, to the end.
    pub fn call(&self, requests: u32, connections: u32, addresses: &[&str]) {
        let mut calls = self.calling(requests, connections, 0, addresses);
        let ended = calls.wait(Duration::from_secs(120));
        assert!(ended.success(), "client.py: {ended}: {}", calls.told());
        assert_eq!(calls.told().trim(), requests.to_string(), "every request is answered");
    }

    /// Goes on making requests, this many a second.
    pub fn calling(&self, requests: u32, connections: u32, rate: u32, addresses: &[&str]) -> Process {
        let mut client = self.client.command("python3");
        client.arg("-B").arg(script("client.py"));
        client.args([requests, connections, rate].map(|number| number.to_string())).args(addresses);
        Process::spawn("client.py", client, &self.path("client"))
    }

    /// What the server's own log says, as (unix time, method and template).
    pub fn served(&self) -> Vec<(f64, String)> {
        let log = fs::read_to_string(self.path("access.log")).unwrap_or_default();
        // The last line may still be under way.
        let whole = log.rfind('\n').map_or("", |end| log.get(..end).unwrap_or_default());
        whole.lines().map(served_line).collect()
    }

    /// Requests served, by method and template.
    pub fn served_by_endpoint(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (_, endpoint) in self.served() {
            *counts.entry(endpoint).or_default() += 1;
        }
        counts
    }

    /// Starts tcpdump on an interface of the tap; `any` for all.
    pub fn record(&self, interface: &str, args: &[&str]) -> Recording {
        let file = self.path(&format!("{interface}.pcap"));
        let mut tcpdump = self.tap.command("tcpdump");
        tcpdump.args(["-Z", "root", "-B", "65536", "-s", "0", "-i", interface, "-w"]);
        tcpdump.arg(&file).args(args);
        let process = Process::spawn("tcpdump", tcpdump, &self.path(&format!("tcpdump-{interface}")));
        process.await_words("listening on", PATIENCE);
        Recording { process, file }
    }

    /// Stops the server, so that its log is whole.
    pub fn close(&mut self) {
        self.server_process.signal("QUIT");
        self.server_process.wait(PATIENCE);
    }

    /// A sensor that has not started yet.
    pub fn sensor(&self) -> Sensor {
        Sensor::new(self)
    }
}

impl Drop for Lab {
    /// Keeps the folder of a test that fails: captures, logs and lake.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("kept {}", self.folder.path().display());
        }
    }
}

/// A capture under way.
pub struct Recording {
    process: Process,
    file: PathBuf,
}

impl Recording {
    /// Ends it. The capture holds all there was, else the test can say nothing.
    pub fn stop(mut self) -> PathBuf {
        // The kernel hands over a block of packets a second after its first at the latest; what it still holds is
        // lost to an interrupted tcpdump.
        sleep(Duration::from_millis(1_200));
        self.process.signal("INT");
        self.process.wait(PATIENCE);
        let told = self.process.told();
        assert!(told.contains("\n0 packets dropped by kernel"), "tcpdump lost packets: {told}");
        self.file
    }
}

/// A host: a network namespace.
pub struct Host {
    name: String,
}

impl Host {
    fn new(name: &str) -> Self {
        let host = Self { name: format!("spanlight-{name}") };
        must(Command::new("ip").args(["netns", "add", &host.name]));
        // Silent: it sends nothing that nobody asked for.
        host.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        host.run("ip link set lo up");
        host
    }

    /// A program that will run on this host.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a command given as words; it must succeed.
    pub fn run(&self, words: &str) {
        assert!(self.try_run(words).is_ok_and(|output| output.status.success()), "{words}");
    }

    /// Runs a command given as words.
    pub fn try_run(&self, words: &str) -> std::io::Result<Output> {
        let mut words = words.split_whitespace();
        self.command(words.next().unwrap()).args(words).output()
    }

    /// Lays a cable without offloads to another host: packets as a wire carries them.
    pub fn cable(&self, here: &str, other: &Self, there: &str) {
        self.run(&format!("ip link add {here} type veth peer name {there} netns {}", other.name));
        for (host, interface) in [(self, here), (other, there)] {
            host.run(&format!("ethtool -K {interface} rx off tx off sg off tso off gso off gro off"));
            host.run(&format!("ip link set {interface} up"));
        }
    }

    /// Gives an interface its addresses.
    pub fn address(&self, interface: &str, addresses: &[&str]) {
        self.run(&format!("sysctl -qw net.ipv6.conf.{interface}.disable_ipv6=0"));
        for address in addresses {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            self.run(&format!("ip address add {address} dev {interface} {nodad}"));
        }
    }

    /// Mirrors what an interface receives to one other interface, and what it sends to another one.
    pub fn mirror(&self, interface: &str, received: &str, sent: &str) {
        self.run(&format!("tc qdisc replace dev {interface} clsact"));
        for (side, to) in [("ingress", received), ("egress", sent)] {
            self.run(&format!("tc filter del dev {interface} {side}"));
            self.run(&format!(
                "tc filter add dev {interface} {side} protocol all u32 match u32 0 0 action mirred egress mirror dev {to}"
            ));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "del", &self.name]).output());
    }
}

/// A program that runs beside the test and ends with it.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to the file `log`.
    pub fn spawn(name: &'static str, mut command: Command, log: &Path) -> Self {
        let out = File::create(log).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said.
    pub fn told(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it has said something.
    pub fn await_words(&self, words: &str, patience: Duration) {
        self.await_count(words, 1, patience);
    }

    /// Waits until it has said something so many times.
    pub fn await_count(&self, words: &str, times: usize, patience: Duration) {
        wait_until(patience, || self.told().matches(words).count() >= times).unwrap_or_else(|()| {
            panic!("{} did not say '{words}' {times} times: {}", self.name, self.told())
        });
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        must(Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()));
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let mut ended = None;
        wait_until(patience, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .unwrap_or_else(|()| panic!("{} did not end in {patience:?}: {}", self.name, self.told()));
        ended.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for something to hold.
pub fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> Result<(), ()> {
    let began = Instant::now();
    loop {
        if holds() {
            return Ok(());
        }
        if began.elapsed() > patience {
            return Err(());
        }
        sleep(Duration::from_millis(20));
    }
}

/// Tells whoever reads the report: past the capture of a test's output, which is shown only when it fails.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The time as the server's log tells it.
pub fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// Runs a command that must succeed, and gives its output.
pub fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A file of this folder.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(name)
}

/// Lets everyone read a folder, as the sensor must that gave up root.
fn readable_by_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Why no lab can be made here.
fn lacking() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root for network namespaces".into());
    }
    for tool in
        ["ip", "tc", "ethtool", "sysctl", "nginx", "openssl", "curl", "tcpdump", "python3", "wrk", "kill"]
    {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            return Some(format!("needs {tool}: see tests/live/prerequisites.sh"));
        }
    }
    let name = format!("spanlight-{}-probe", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output().ok()?;
    drop(Command::new("ip").args(["netns", "del", &name]).output());
    let complaint = String::from_utf8_lossy(&made.stderr);
    (!made.status.success()).then(|| format!("no network namespaces: {}", complaint.trim()))
}

/// Starts nginx.
fn serve(server: &Host, folder: &Path) -> Process {
    let transaction = r#"{"date":"2026-03-01","amount":"-17.20","currency":"EUR","text":"card payment"}"#;
    let transactions = [transaction; 40].join(",");
    let settings = fs::read_to_string(script("nginx.conf")).unwrap().replace("@TRANSACTIONS@", &transactions);
    fs::write(folder.join("nginx.conf"), settings).unwrap();
    // A bank's own certificate, for the tests of TLS.
    let mut certificate = Command::new("openssl");
    certificate.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj"]);
    certificate.args(["/O=Shop Example/CN=api.shop.example", "-keyout"]).arg(folder.join("tls.key"));
    must(certificate.arg("-out").arg(folder.join("tls.pem")));
    let mut nginx = server.command("nginx");
    nginx.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "error.log"]);
    let process = Process::spawn("nginx", nginx, &folder.join("nginx"));
    wait_until(PATIENCE, || folder.join("nginx.pid").exists())
        .unwrap_or_else(|()| panic!("nginx did not start: {}", process.told()));
    process
}

/// Joins client and server through a router whose way to the client takes 576 bytes, which the server never
/// learns: what it sends arrives in fragments.
fn narrow(client: &Host, router: &Host, server: &Host) {
    client.cable("c0", router, "r0");
    router.cable("r1", server, "s0");
    client.address("c0", &["198.18.1.20/24"]);
    router.address("r0", &["198.18.1.1/24"]);
    router.address("r1", &["198.18.0.1/24"]);
    server.address("s0", &["198.18.0.10/24"]);
    router.run("sysctl -qw net.ipv4.ip_forward=1");
    router.run("ip link set r0 mtu 576");
    // No "do not fragment" from the server, and no word from the client that it wants less.
    server.run("sysctl -qw net.ipv4.ip_no_pmtu_disc=1");
    server.run("ip route add 198.18.1.0/24 via 198.18.0.1");
    client.run("ip route add 198.18.0.0/24 via 198.18.1.1 mtu lock 560 advmss 1460");
}

/// A line of the access log: when, and method and template.
fn served_line(line: &str) -> (f64, String) {
    let fields: Vec<&str> = line.split(' ').collect();
    let [time, method, path, _status, _bytes] = fields[..] else { panic!("access.log: {line}") };
    (time.parse().unwrap(), format!("{method} {}", template(path)))
}

/// A path with `{}` for each id; of a template, whatever stands in its braces.
pub fn template(path: &str) -> String {
    let blank = |segment: &str| {
        let id = segment.len() > 2 && segment.bytes().all(|byte| byte.is_ascii_digit());
        if id || segment.starts_with('{') { "{}".to_owned() } else { segment.to_owned() }
    };
    path.split('/').map(blank).collect::<Vec<_>>().join("/")
}

/// Leave to run a lab.
struct Turn;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    fn take() -> Self {
        let mut running = Self::running();
        while *running >= AT_A_TIME {
            running = RUNNING.1.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Self
    }

    fn running() -> MutexGuard<'static, usize> {
        RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *Self::running() -= 1;
        RUNNING.1.notify_one();
    }
}
