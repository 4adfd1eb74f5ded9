//! What a running sensor says on standard error: events as lines, and on a terminal a status line below them.

use crate::config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Standard error, shared by events and the status line.
#[derive(Clone)]
pub(super) struct Terminal {
    status: Arc<Mutex<String>>,
    /// Whether a status line is shown.
    live: bool,
    level: Arc<dyn Fn(LogLevel) + Send + Sync>,
}

/// Our own events alone: those of libraries may quote what they read.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new().with_target(env!("CARGO_CRATE_NAME"), level)
}

impl Terminal {
    /// Sends the process's events to standard error. With `quiet` there is no status line.
    pub(super) fn start(format: LogFormat, level: LogLevel, quiet: bool) -> Self {
        let tty = io::stderr().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let status = Arc::new(Mutex::new(String::new()));
        let live = tty && !quiet && matches!(format, LogFormat::Text);
        let (layer, handle) = reload::Layer::new(filter(level));
        let writer = Lines { status: Arc::clone(&status), live };
        let registry = tracing_subscriber::registry().with(layer);
        // Another subscriber can only be there when a process runs two sensors.
        let started = match format {
            LogFormat::Text => registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .with_ansi(tty && !refused)
                        .with_target(false)
                        .with_writer(writer),
                )
                .try_init(),
            LogFormat::Json => registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .json()
                        .flatten_event(true)
                        .with_target(false)
                        .with_writer(writer),
                )
                .try_init(),
        };
        drop(started);
        let level = Arc::new(move |level| drop(handle.reload(filter(level))));
        Self { status, live, level }
    }

    /// Tells more or less from now on.
    pub(super) fn set_level(&self, level: LogLevel) {
        (self.level)(level);
    }

    /// Whether a status line is shown.
    pub(super) const fn is_live(&self) -> bool {
        self.live
    }

    /// Shows another status line.
    pub(super) fn show(&self, line: &str) {
        if !self.live {
            return;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        line.clone_into(&mut status);
        let mut out = io::stderr().lock();
        // When standard error is gone, nobody is left to tell.
        drop(write!(out, "\r\u{1b}[K{line}").and_then(|()| out.flush()));
    }
}

/// Writes events above the status line.
struct Lines {
    status: Arc<Mutex<String>>,
    live: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

/// One event, written as a whole.
struct Line<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let status = self.lines.status.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stderr().lock();
        let written = if self.lines.live {
            write!(out, "\r\u{1b}[K")
                .and_then(|()| out.write_all(&self.text))
                .and_then(|()| write!(out, "{status}"))
        } else {
            out.write_all(&self.text)
        };
        drop(written.and_then(|()| out.flush()));
    }
}
