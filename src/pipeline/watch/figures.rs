//! What a running sensor shows of itself: published by its threads, read by the status line, metrics and watchdog.
//!
//! Each shard publishes its own numbers after each handful of packets, with plain stores: nobody else writes them.

#[cfg(feature = "metrics")]
use crate::sink::prometheus::Metric;
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
    /// Records of logs read.
    pub log_records: AtomicU64,
    /// Those that could not be read.
    pub bad_log_records: AtomicU64,
    /// Segments handed to the shard of their inner connection.
    pub handed_over: AtomicU64,
    /// Segments that found the other shard's queue full.
    pub handover_dropped: AtomicU64,
    /// TLS sessions that were read with keys.
    pub tls_read: AtomicU64,
    /// TLS sessions that were not, for want of keys.
    pub tls_closed: AtomicU64,
    /// TLS sessions that wait for keys now.
    pub tls_waiting: AtomicU64,
    /// When it last went round, in milliseconds since the start.
    pub beat: AtomicU64,
}

/// What is known of TLS secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFigures {
    /// Secrets that were told.
    pub told: u64,
    /// Connections whose secrets are kept now.
    pub kept: u64,
    /// Connections whose secrets made room for others'.
    pub evicted: u64,
    /// Lines of key logs that are no secrets.
    pub bad_lines: u64,
    /// Agents that are connected now.
    pub agents: u64,
    /// Connections of agents that were turned away.
    pub refused: u64,
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
    /// Nothing where no keys are given.
    keys: Mutex<Option<KeyFigures>>,
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
    /// Records of logs read.
    pub log_records: u64,
    /// Those that could not be read.
    pub bad_log_records: u64,
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
    /// TLS sessions that were read with keys.
    pub tls_read: u64,
    /// TLS sessions that were not, for want of keys.
    pub tls_closed: u64,
    /// TLS sessions that wait for keys now.
    pub tls_waiting: u64,
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
            keys: Mutex::default(),
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

    /// Publishes what is known of TLS secrets.
    pub fn set_keys(&self, keys: KeyFigures) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    /// What is known of TLS secrets; nothing where no keys are given.
    #[must_use]
    pub fn keys(&self) -> Option<KeyFigures> {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All in one.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { backlog: self.backlog.load(Relaxed), ..Totals::default() };
        for lane in &self.lanes {
            totals.packets += lane.packets.load(Relaxed);
            totals.bytes += lane.bytes.load(Relaxed);
            totals.exchanges += lane.exchanges.load(Relaxed);
            totals.log_records += lane.log_records.load(Relaxed);
            totals.bad_log_records += lane.bad_log_records.load(Relaxed);
            totals.handed_over += lane.handed_over.load(Relaxed);
            totals.handover += lane.handover_dropped.load(Relaxed);
            totals.tls_read += lane.tls_read.load(Relaxed);
            totals.tls_closed += lane.tls_closed.load(Relaxed);
            totals.tls_waiting += lane.tls_waiting.load(Relaxed);
        }
        for interface in self.interfaces().values() {
            totals.ring_full += interface.ring_full;
            totals.interface += interface.interface;
        }
        totals
    }

    /// All of it as metrics: the one list of their names.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let (totals, book, interfaces) = (self.totals(), self.booked(), self.interfaces());
        let of = |name: &str| vec![("interface", name.to_owned())];
        let by_interface = |read: fn(&InterfaceFigures) -> u64| -> Vec<_> {
            interfaces.iter().map(|(name, counts)| (of(name), read(counts))).collect()
        };
        let place =
            |name: &str, place: &str| vec![("interface", name.to_owned()), ("place", place.to_owned())];
        let mut dropped = Vec::new();
        for (name, counts) in &interfaces {
            dropped.push((place(name, "ring_full"), counts.ring_full));
            dropped.push((place(name, "interface"), counts.interface));
        }
        dropped.push((place("", "kernel_backlog"), totals.backlog));
        dropped.push((place("", "handover"), totals.handover));
        let severities = ["critical", "high", "medium", "low", "info"];
        let findings = severities.map(|severity| {
            (vec![("severity", severity.to_owned())], book.findings.get(severity).copied().unwrap_or(0))
        });
        let since = |at: u64| self.millis().saturating_sub(at) / 1_000;
        let mut all = vec![
            Metric {
                name: "spanlight_dropped_packets",
                help: "Packets lost before they were read, by where",
                counter: true,
                samples: dropped,
            },
            Metric {
                name: "spanlight_received_packets",
                help: "Packets that the kernel had for the sensor, dropped ones included",
                counter: true,
                samples: by_interface(|counts| counts.received),
            },
            Metric {
                name: "spanlight_interface_capturing",
                help: "Whether the interface is captured now",
                counter: false,
                samples: by_interface(|counts| counts.capturing.into()),
            },
            Metric {
                name: "spanlight_findings",
                help: "Open findings by severity, as of the last roll",
                counter: false,
                samples: findings.into(),
            },
            Metric::one("spanlight_packets", "Packets read", true, totals.packets),
            Metric::one("spanlight_bytes", "Bytes of packets read", true, totals.bytes),
            Metric::one("spanlight_exchanges", "HTTP exchanges put together", true, totals.exchanges),
            Metric::one("spanlight_log_records", "Records of access logs read", true, totals.log_records),
            Metric::one(
                "spanlight_bad_log_records",
                "Records of access logs that could not be read",
                true,
                totals.bad_log_records,
            ),
            Metric::one(
                "spanlight_handed_over_segments",
                "Segments that another shard had captured",
                true,
                totals.handed_over,
            ),
            Metric::one("spanlight_endpoints", "Endpoints of APIs", false, book.endpoints),
            Metric::one("spanlight_lake_files", "Files written to the lake", true, book.lake_files),
            Metric::one("spanlight_spooled_rolls", "Rolls that wait for the lake", false, book.spooled_rolls),
            Metric::one("spanlight_spooled_bytes", "Bytes that wait for the lake", false, book.spooled_bytes),
            Metric::one("spanlight_state_bytes", "Size of the saved state", false, book.state_bytes),
            Metric::one(
                "spanlight_state_age_seconds",
                "Time since the state was saved: a crash now would cost as much",
                false,
                since(book.saved),
            ),
            Metric::one(
                "spanlight_write_failures",
                "Times that state, spool or lake could not be written",
                true,
                book.write_failures,
            ),
            Metric::one(
                "spanlight_forgotten_exchanges",
                "Exchanges whose hour was forgotten before it could be told",
                true,
                book.forgotten,
            ),
            Metric::one("spanlight_uptime_seconds", "Time since the start", false, self.uptime().as_secs()),
        ];
        all.extend(self.tls_metrics(&totals));
        all
    }

    /// What is known of TLS and its keys, as metrics.
    #[cfg(feature = "metrics")]
    fn tls_metrics(&self, totals: &Totals) -> Vec<Metric> {
        let keys = self.keys().unwrap_or_default();
        let sessions = [("read", totals.tls_read), ("closed", totals.tls_closed)]
            .map(|(content, count)| (vec![("content", content.to_owned())], count));
        vec![
            Metric {
                name: "spanlight_tls_sessions",
                help: "TLS sessions by whether their content was read with keys, or stayed closed",
                counter: true,
                samples: sessions.into(),
            },
            Metric::one(
                "spanlight_tls_sessions_waiting",
                "TLS sessions that wait for keys now",
                false,
                totals.tls_waiting,
            ),
            Metric::one("spanlight_tls_secrets", "TLS secrets that key logs told", true, keys.told),
            Metric::one(
                "spanlight_tls_secrets_kept",
                "TLS connections whose secrets are held now",
                false,
                keys.kept,
            ),
            Metric::one(
                "spanlight_tls_secrets_evicted",
                "TLS connections whose secrets made room for others'",
                true,
                keys.evicted,
            ),
            Metric::one(
                "spanlight_bad_key_log_lines",
                "Lines of key logs that are no secrets",
                true,
                keys.bad_lines,
            ),
            Metric::one(
                "spanlight_key_agents",
                "Agents that are connected to key sockets now",
                false,
                keys.agents,
            ),
            Metric::one(
                "spanlight_key_agents_refused",
                "Connections of agents that were turned away",
                true,
                keys.refused,
            ),
        ]
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
