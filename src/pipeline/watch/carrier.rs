//! Carries rolls from the spool to the lake, on a thread of its own: a lake that hangs holds nobody up.

use super::figures::Figures;
use crate::lake::spool::Spool;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How soon a lake that could not be reached is tried again: at first, and at most.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);
/// How long the end of the sensor waits for the lake; what is left is carried at the next start.
const FINISH: Duration = Duration::from_secs(8);

/// The way to the carrying thread.
pub(super) struct Carrier {
    below: Arc<AtomicU64>,
    carried: Arc<AtomicU64>,
    wake: Sender<()>,
    done: Receiver<()>,
    /// It is not waited for when the lake hangs.
    _thread: JoinHandle<()>,
}

impl Carrier {
    /// Starts the thread.
    pub(super) fn start(spool: Spool, lake: PathBuf, figures: Arc<Figures>) -> std::io::Result<Self> {
        let below = Arc::new(AtomicU64::new(0));
        let (wake, woken) = bounded(1);
        let (tell, done) = bounded(1);
        let carried = Arc::new(AtomicU64::new(0));
        let shared = (Arc::clone(&below), Arc::clone(&carried));
        let thread = std::thread::Builder::new().name("carrier".to_owned()).spawn(move || {
            let (below, carried) = shared;
            carry(&spool, &lake, (&below, &carried), &woken, &figures);
            drop(tell);
        })?;
        Ok(Self { below, carried, wake, done, _thread: thread })
    }

    /// All rolls below this number are in the lake.
    pub(super) fn carried(&self) -> &Arc<AtomicU64> {
        &self.carried
    }

    /// All rolls below `number` are counted: they may be carried.
    pub(super) fn carry_below(&self, number: u64) {
        self.below.store(number, Relaxed);
        // When it is awake already, it looks once more anyway.
        self.wake.try_send(()).unwrap_or_default();
    }

    /// Carries what there is, as long as that does not take too long.
    pub(super) fn finish(self) {
        drop(self.wake);
        match self.done.recv_timeout(FINISH) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the lake does not answer: what waits for it is carried at the next start");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an edge: when to try again is no packet's time")]
fn carry(
    spool: &Spool,
    lake: &std::path::Path,
    (below, carried): (&AtomicU64, &AtomicU64),
    woken: &Receiver<()>,
    figures: &Figures,
) {
    let (mut retry, mut failing) = (RETRY, false);
    let mut next = Instant::now();
    let mut ending = false;
    loop {
        if Instant::now() >= next || ending {
            let all = below.load(Relaxed);
            match carry_all(spool, lake, all, figures) {
                Ok(()) => {
                    carried.store(all, Relaxed);
                    if failing {
                        tracing::info!("the lake is reached again: nothing waits");
                    }
                    (retry, failing) = (RETRY, false);
                }
                Err(error) => {
                    if !failing || ending {
                        tracing::error!(%error, "the lake is not reached: rows wait in the spool");
                    }
                    failing = true;
                    figures.book(|book| book.write_failures += 1);
                    next = Instant::now() + retry;
                    retry = (retry * 2).min(MAX_RETRY);
                }
            }
            let waiting = spool.rolls().map_or(0, |rolls| rolls.len() as u64);
            let bytes = if waiting == 0 { 0 } else { spool.bytes() };
            figures.book(|book| (book.spooled_rolls, book.spooled_bytes) = (waiting, bytes));
        }
        if ending {
            return;
        }
        match woken.recv_timeout(RETRY) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ending = true,
        }
    }
}

fn carry_all(
    spool: &Spool,
    lake: &std::path::Path,
    below: u64,
    figures: &Figures,
) -> Result<(), crate::lake::writer::LakeError> {
    for number in spool.rolls()?.into_iter().filter(|number| *number < below) {
        let new = spool.carry(number, lake)? as u64;
        figures.book(|book| book.lake_files += new);
    }
    Ok(())
}
