//! The sensor as a user runs it: `spanlight watch` on the tap, its log, its end.

use crate::lab::{Lab, PATIENCE, Process, must};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long the sensor may take to write all that it holds once it was asked to end.
pub const DRAIN: Duration = Duration::from_secs(10);

/// The program under test; another one can be named in `SPANLIGHT`.
pub fn program() -> OsString {
    std::env::var_os("SPANLIGHT").unwrap_or_else(|| env!("CARGO_BIN_EXE_spanlight").into())
}

/// A way to start the sensor in a lab, any number of times, on one lake and state.
pub struct Sensor {
    lake: PathBuf,
    state: PathBuf,
    key: PathBuf,
    log: PathBuf,
    arguments: Vec<OsString>,
    starts: u32,
}

impl Sensor {
    /// With a key of its own, and folders that a sensor can write which gave up root.
    pub fn new(lab: &Lab) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let key = lab.path("key");
        if !key.exists() {
            must(Command::new(program()).args(["key", "new"]).arg(&key));
        }
        let [lake, state] = ["lake", "state"].map(|name| lab.path(name));
        for folder in [&lake, &state] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        }
        Self { lake, state, key, log: lab.path("watch"), arguments: Vec::new(), starts: 0 }
    }

    /// More arguments, as words.
    pub fn with(mut self, words: &str) -> Self {
        self.arguments.extend(words.split_whitespace().map(OsString::from));
        self
    }

    /// Another lake.
    pub fn into_lake(mut self, lake: PathBuf) -> Self {
        self.lake = lake;
        self
    }

    /// Where its lake is.
    pub fn lake(&self) -> &Path {
        &self.lake
    }

    /// Starts it on the tap and waits until it captures.
    pub fn start(&mut self, lab: &Lab) -> Watch {
        let command = lab.tap.command(program());
        let watch = self.start_with(command);
        watch.process.await_words("capturing on", PATIENCE);
        watch
    }

    /// Starts it through a command that ends with the program, and waits for nothing.
    pub fn start_with(&mut self, mut command: Command) -> Watch {
        self.starts += 1;
        command.arg("watch").args(&self.arguments);
        command.arg("--lake").arg(&self.lake).arg("--state").arg(&self.state).arg("--key").arg(&self.key);
        command.env("RUST_BACKTRACE", "1").env("XDG_STATE_HOME", &self.state).env("NO_COLOR", "1");
        let log = self.log.with_extension(self.starts.to_string());
        Watch { process: Process::spawn("spanlight watch", command, &log) }
    }

    /// The lake that `analyze` makes of a capture, under the same key.
    pub fn analyze(&self, lab: &Lab, captures: &[PathBuf], args: &[&str]) -> PathBuf {
        let lake = lab.path("analyzed");
        let mut analyze = Command::new(program());
        analyze.arg("analyze").args(captures).arg("--quiet").arg("--lake").arg(&lake);
        must(analyze.arg("--key").arg(&self.key).args(args));
        lake
    }
}

/// A sensor that runs.
pub struct Watch {
    pub process: Process,
}

impl Watch {
    /// Asks it to end, which it does in bounded time and content. Returns how long it took.
    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.process.signal("TERM");
        let ended = self.process.wait(DRAIN);
        assert_eq!(ended.code(), Some(0), "{}", self.process.told());
        began.elapsed()
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) -> ExitStatus {
        self.process.signal("KILL");
        self.process.wait(PATIENCE)
    }

    /// Asks it to read its files again, and waits until it has said so in these words once more than before.
    pub fn reload(&self, answer: &str) {
        let before = self.process.told().matches(answer).count();
        self.process.signal("HUP");
        self.process.await_count(answer, before + 1, PATIENCE);
    }
}
