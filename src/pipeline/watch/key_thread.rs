//! The thread that has a sensor's shards know secrets: it looks after key logs and sockets, and tells [`Keys`].
//!
//! Shards touch what they share with it when a connection agrees on keys and while one waits for them, never for a packet.
//! Secrets are in memory alone, and forgotten when no connection can need them any more.

use super::figures::{Figures, KeyFigures};
use crate::source::key_log::FollowedKeyLog;
use crate::source::key_socket::KeySocket;
use crate::tls::keylog::Keys;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Between two looks: what a secret may come late for want of being looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Looks at sockets between two at files.
const FILES_EVERY: u32 = 2;
/// Parts of the time that secrets are kept for, after each of which the oldest are forgotten.
const PARTS: u32 = 16;

/// Looks after key logs. See the module's doc.
pub(super) struct KeyThread {
    pub(super) files: Vec<FollowedKeyLog>,
    pub(super) sockets: Vec<KeySocket>,
    pub(super) keys: Arc<Keys>,
    /// How long secrets are kept.
    pub(super) kept: Duration,
    pub(super) figures: Arc<Figures>,
    pub(super) stop: Arc<AtomicBool>,
}

impl KeyThread {
    /// Runs until the sensor stops, and looks once more then.
    #[expect(clippy::disallowed_methods, reason = "an edge: when to look at files is no packet's time")]
    pub(super) fn run(mut self) {
        let part = self.kept / PARTS;
        let mut aged = Instant::now();
        let mut round: u32 = 0;
        loop {
            let ending = self.stop.load(Relaxed);
            if ending || round.is_multiple_of(FILES_EVERY) {
                for file in &mut self.files {
                    if let Some(error) = file.look(&self.keys) {
                        tracing::warn!(file = %file.path().display(), %error, "key log not read, TLS stays closed; tried again until it can be");
                    }
                }
            }
            for socket in &mut self.sockets {
                socket.look(&self.keys);
            }
            if aged.elapsed() >= part {
                aged = Instant::now();
                self.keys.age(PARTS);
            }
            self.publish();
            if ending {
                return;
            }
            round = round.wrapping_add(1);
            std::thread::sleep(LOOK);
        }
    }

    fn publish(&self) {
        let mut figures = KeyFigures {
            told: self.keys.told(),
            kept: self.keys.connections() as u64,
            evicted: self.keys.evicted(),
            ..KeyFigures::default()
        };
        for file in &self.files {
            figures.bad_lines += file.counts().1;
        }
        for counts in self.sockets.iter().map(KeySocket::counts) {
            figures.bad_lines += counts.bad_lines;
            figures.agents += counts.open;
            figures.refused += counts.refused;
        }
        self.figures.set_keys(figures);
    }
}
