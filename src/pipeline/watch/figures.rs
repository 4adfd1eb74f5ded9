//! What a running sensor shows of itself: published by its threads, read by the status line, metrics and watchdog.
//!
//! Each shard publishes its own numbers after each handful of packets, with plain stores: nobody else writes them.

use crate::source::live::KernelCounts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What one shard publishes of itself. All but `beat` are counts since the start.
#[derive(Debug, Default)]
pub struct LaneFigures {
    /// Frames read.
    pub packets: AtomicU64,
    /// Bytes of frames read.
    pub bytes: AtomicU64,
    /// Exchanges.
    pub exchanges: AtomicU64,
    /// Segments handed to the shard of their inner connection.
    pub handed_over: AtomicU64,
    /// Segments that found the other shard's queue full.
    pub handover_dropped: AtomicU64,
    /// When it last went round, in milliseconds since the start.
    pub beat: AtomicU64,
}

/// What the kernel counted, by interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFigures {
    /// Packets that passed the filter.
    pub received: u64,
    /// Packets for which the ring had no room.
    pub ring_full: u64,
    /// Packets that the interface or its driver dropped.
    pub interface: u64,
    /// Whether it is captured now.
    pub capturing: bool,
}

/// What the keeper of the inventory publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookFigures {
    /// Endpoints of APIs, as of the last fold.
    pub endpoints: u64,
    /// Open findings by severity, as of the last roll.
    pub findings: BTreeMap<&'static str, u64>,
    /// Files written to the lake.
    pub lake_files: u64,
    /// Rolls that wait for the lake.
    pub spooled_rolls: u64,
    /// Bytes of them.
    pub spooled_bytes: u64,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// Times that state or lake could not be written.
    pub write_failures: u64,
    /// Exchanges whose hour was forgotten before it could be told.
    pub forgotten: u64,
    /// When the state was last saved, in milliseconds since the start.
    pub saved: u64,
    /// When it last went round, in milliseconds since the start.
    pub beat: u64,
}

/// The figures of a sensor.
#[derive(Debug)]
pub struct Figures {
    started: Instant,
    /// By shard.
    pub lanes: Vec<LaneFigures>,
    interfaces: Mutex<BTreeMap<String, InterfaceFigures>>,
    book: Mutex<BookFigures>,
    /// Packets that the kernel dropped before any socket saw them, since the start.
    pub backlog: AtomicU64,
}

/// A sum over all shards and interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames read.
    pub packets: u64,
    /// Bytes of frames read.
    pub bytes: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Segments handed to another shard.
    pub handed_over: u64,
    /// Packets lost for want of room in a ring.
    pub ring_full: u64,
    /// Packets lost by an interface.
    pub interface: u64,
    /// Packets lost before any socket saw them.
    pub backlog: u64,
    /// Segments lost between shards.
    pub handover: u64,
}

impl Totals {
    /// Packets lost, wherever.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.ring_full + self.interface + self.backlog + self.handover
    }
}

impl Figures {
    /// Figures of a sensor that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "an edge: how long the sensor runs is no packet's time")]
    pub fn new(lanes: usize) -> Self {
        Self {
            started: Instant::now(),
            lanes: (0..lanes).map(|_| LaneFigures::default()).collect(),
            interfaces: Mutex::default(),
            book: Mutex::default(),
            backlog: AtomicU64::new(0),
        }
    }

    /// How long the sensor runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn millis(&self) -> u64 {
        u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds what the kernel counted for a handle of an interface.
    pub fn count(&self, interface: &str, counts: KernelCounts) {
        let mut all = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(interface.to_owned()).or_default();
        known.received += counts.received;
        known.ring_full += counts.ring_full;
        known.interface += counts.interface;
    }

    /// Says whether an interface is captured.
    pub fn set_capturing(&self, interface: &str, capturing: bool) {
        let mut all = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(interface.to_owned()).or_default().capturing = capturing;
    }

    /// What the kernel counted, by interface.
    #[must_use]
    pub fn interfaces(&self) -> BTreeMap<String, InterfaceFigures> {
        self.interfaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what the keeper of the inventory publishes.
    pub fn book(&self, change: impl FnOnce(&mut BookFigures)) {
        change(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the keeper of the inventory published.
    #[must_use]
    pub fn booked(&self) -> BookFigures {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All in one.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { backlog: self.backlog.load(Relaxed), ..Totals::default() };
        for lane in &self.lanes {
            totals.packets += lane.packets.load(Relaxed);
            totals.bytes += lane.bytes.load(Relaxed);
            totals.exchanges += lane.exchanges.load(Relaxed);
            totals.handed_over += lane.handed_over.load(Relaxed);
            totals.handover += lane.handover_dropped.load(Relaxed);
        }
        for interface in self.interfaces().values() {
            totals.ring_full += interface.ring_full;
            totals.interface += interface.interface;
        }
        totals
    }

    /// Whether every thread went round within `limit`.
    #[must_use]
    pub fn alive(&self, limit: Duration) -> bool {
        let now = self.millis();
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let recent = |beat: u64| now.saturating_sub(beat) <= limit;
        recent(self.booked().beat) && self.lanes.iter().all(|lane| recent(lane.beat.load(Relaxed)))
    }
}
