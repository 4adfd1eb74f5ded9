//! The key logs of a run: read before the packets, and while they come where both still grow.

use crate::source::key_log::KeyLogFile;
use crate::tls::keylog::Keys;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at key logs that may have grown.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Key logs that are read on until [`KeyLogs::finish`].
#[derive(Debug)]
pub struct KeyLogs {
    state: State,
    keys: Arc<Keys>,
}

#[derive(Debug)]
enum State {
    Read(Vec<Log>),
    Following { thread: JoinHandle<Vec<Log>>, stop: Arc<AtomicBool> },
}

#[derive(Debug)]
struct Log {
    name: String,
    file: KeyLogFile,
    error: Option<std::io::Error>,
}

impl KeyLogs {
    /// Reads key logs. With `follow` a thread reads on what is added to them, and connections wait for it.
    pub fn open(paths: &[PathBuf], keys: &Arc<Keys>, follow: bool) -> Result<Self> {
        let mut logs = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.display().to_string();
            let mut file = KeyLogFile::open(path).with_context(|| format!("open key log {name}"))?;
            // The last line of a log that grows may be half of one.
            let read = if follow { file.read_on(keys) } else { file.finish(keys) };
            read.with_context(|| format!("read key log {name}"))?;
            logs.push(Log { name, file, error: None });
        }
        let keys = Arc::clone(keys);
        if !follow || logs.is_empty() {
            return Ok(Self { state: State::Read(logs), keys });
        }
        keys.expect_more();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, shared) = (Arc::clone(&stop), Arc::clone(&keys));
        let thread = std::thread::Builder::new()
            .name("key-logs".to_owned())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    for log in &mut logs {
                        if log.error.is_none() {
                            log.error = log.file.read_on(&shared).err();
                        }
                    }
                    std::thread::sleep(LOOK_AGAIN);
                }
                logs
            })
            .context("start the thread that reads key logs")?;
        Ok(Self { state: State::Following { thread, stop }, keys })
    }

    /// Reads what is left. Returns what is wrong, in words.
    #[must_use]
    pub fn finish(self) -> Vec<String> {
        let mut logs = match self.state {
            State::Read(logs) => logs,
            State::Following { thread, stop } => {
                stop.store(true, Ordering::Relaxed);
                match thread.join() {
                    Ok(logs) => logs,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        };
        let mut damage = Vec::new();
        for Log { name, file, error } in &mut logs {
            let error = error.take().or_else(|| file.finish(&self.keys).err());
            let (secrets, bad) = file.counts();
            if let Some(error) = error {
                damage.push(format!("key log {name}: {error}"));
            } else if secrets == 0 {
                damage.push(format!("key log {name}: holds no secret of a TLS connection"));
            } else if bad > 0 {
                damage.push(format!("key log {name}: {bad} lines are no secrets"));
            }
        }
        damage
    }
}
