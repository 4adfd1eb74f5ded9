//! A sensor that runs: interfaces in, a state to resume from and a lake out.
//!
//! ```text
//!  interfaces ─▶ lane 0 ─┐ parts, every interval            ┌▶ state (one file)
//!     (opens)    lane 1 ─┼──────────────────────▶ book ─────┤
//!                 ▲  │   │                      (keeps the  └▶ spool ─▶ carrier ─▶ lake
//!                 └──┘ tunnelled segments        inventory)
//!                        │
//!  ways in ─▶ log lanes ─┘ parts with the positions of their streams
//!
//!  key logs, key sockets ─▶ key thread ─▶ Keys, which lanes ask for the secrets of a connection
//! ```
//!
//! Lanes of packets never wait: what cannot be handed over stays or is counted as lost. Lanes of logs wait for the book,
//! and whoever reads a log waits for them, so that nothing is lost. The book folds, saves and rolls on its own
//! time, and what it cannot write it keeps, within bounds. Whoever runs a [`Sensor`] looks after it about twice a
//! second, and shows its [`figures`].

mod book;
mod carrier;
pub mod figures;
mod interfaces;
mod key_thread;
mod lane;
mod log_lane;
mod state;

pub use book::Pace;
pub use state::StateError;

use crate::classify::Classifier;
use crate::finding::Dispositions;
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::inventory::learner::ValuePaths;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::lake::rows::{CaptureRow, Origin};
use crate::lake::spool::Spool;
use crate::lake::writer::{LakeError, Writer};
use crate::merge::Merge;
use crate::packet::Options;
use crate::pipeline::front::Front;
use crate::pipeline::shard::{Batch, Shard, ShardSettings};
use crate::secret::{FingerprintKey, Purpose};
use crate::source::intake::{self, Courier, Hand, LogSource, Positions, Tally, Way};
use crate::source::key_log::FollowedKeyLog;
use crate::source::key_socket::KeySocket;
use crate::source::live::{self, Interface, LiveError};
use crate::spec::{DocumentSet, Methods};
use book::{Book, News};
use carrier::Carrier;
use crossbeam_channel::{Sender, bounded, unbounded};
use figures::Figures;
use interfaces::Interfaces;
use key_thread::KeyThread;
use lane::{Command, Exchange, Lane};
use log_lane::LogLane;
use state::{Ledger, StateFolder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a sensor is made of.
pub struct Watch {
    /// Its name in the lake.
    pub sensor: String,
    /// The folder of its state.
    pub state: PathBuf,
    /// The key of fingerprints.
    pub key: FingerprintKey,
    /// What it captures.
    pub interfaces: Vec<Interface>,
    /// The logs it reads, each with its way in.
    pub logs: Vec<(Arc<LogSource>, Box<dyn Way>)>,
    /// The key logs that are followed.
    pub key_logs: Vec<PathBuf>,
    /// The sockets that agents write secrets to.
    pub key_sockets: Vec<KeySocket>,
    /// How many shards.
    pub lanes: usize,
    /// How each shard works.
    pub shard: ShardSettings,
    /// How packets are decoded.
    pub packets: Options,
    /// The signatures of data classes.
    pub classifier: Arc<Classifier>,
    /// The documents to compare with.
    pub documents: DocumentSet,
    /// What operators have decided on templates.
    pub rulings: Rulings,
    /// What operators tell of services.
    pub ownership: Ownership,
    /// What people have decided on findings.
    pub dispositions: Dispositions,
    /// The lake's folder, if there is a lake.
    pub lake: Option<PathBuf>,
    /// How often what is done.
    pub pace: Pace,
}

/// Why a sensor does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Its state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state was written under another key.
    #[error(
        "what was learnt stands under the key {known}, and the key is {given}: give the key it was learnt with, or another state folder"
    )]
    Key {
        /// The key of the state.
        known: String,
        /// The key given.
        given: String,
    },
    /// The spool or the lake cannot be used.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The system gives no more threads.
    #[error("start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the sensor that uses this state folder has learnt, as it saved it last; it may be running. `None` when it has saved
/// nothing yet.
pub fn saved(
    folder: &Path,
    key: &FingerprintKey,
    classifier: &Classifier,
) -> Result<Option<Delta>, WatchError> {
    let Some(state) = state::peek(folder)? else { return Ok(None) };
    if state.key_id != key.id() {
        return Err(WatchError::Key { known: state.key_id, given: key.id() });
    }
    Ok(Some(Delta::restore(state.delta, key, classifier)))
}

/// A running sensor.
pub struct Sensor {
    figures: Arc<Figures>,
    stop: Arc<AtomicBool>,
    news: Sender<News>,
    lanes: Vec<Sender<Command>>,
    interfaces: Interfaces,
    threads: Vec<JoinHandle<()>>,
    /// The ways in for logs: they may end by themselves.
    ways: Vec<JoinHandle<()>>,
    shard: ShardSettings,
    key: FingerprintKey,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({})", self.sensor)
    }
}

impl std::fmt::Debug for Sensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sensor({} lanes)", self.lanes.len())
    }
}

impl Watch {
    /// Starts the sensor: from its state, when there is one.
    pub fn start(mut self) -> Result<Sensor, WatchError> {
        // Lanes for packets, then lanes for logs: either may be idle, and costs little then.
        let lanes = if self.interfaces.is_empty() { 0 } else { self.lanes.max(1) };
        let log_lanes = if self.logs.is_empty() { 0 } else { self.lanes.max(1) };
        let figures = Arc::new(Figures::new(lanes + log_lanes));
        let stop = Arc::new(AtomicBool::new(false));
        let (news, heard) = bounded(2 * (lanes + log_lanes) + 4);
        let (lost, told) = bounded(16 * lanes);
        let barrier = Arc::new(Barrier::new(lanes));
        let mut book = self.open_book(&figures)?;
        book.begin_sources(self.logs.iter().map(|(source, _)| &*source.name));
        let positions = book.ledger.positions.clone();
        let spare = bounded(lane::QUEUE * lanes);
        let queues: Vec<_> = (0..lanes).map(|_| bounded::<Batch>(lane::QUEUE)).collect();
        let mut commands = Vec::with_capacity(lanes);
        let mut threads = Vec::with_capacity(lanes + 1);
        let input = |interface: &Interface| {
            let label = interface.vantage.as_deref()?;
            Some((interface.name.clone(), self.shard.vantages.number_of(label)))
        };
        let inputs: BTreeMap<String, u32> = self.interfaces.iter().filter_map(input).collect();
        for (number, (_, from)) in queues.iter().enumerate() {
            let (command, obeyed) = unbounded();
            let collector = collector(&self.shard, &self.key, &self.classifier);
            let lane = Lane {
                number,
                shard: Shard::new(&self.shard, collector).of_live_inputs(),
                inputs: inputs.clone(),
                front: Front::new(self.packets),
                classifier: Arc::clone(&self.classifier),
                commands: obeyed,
                exchange: Exchange {
                    to: queues.iter().map(|(to, _)| to.clone()).collect(),
                    from: from.clone(),
                    spare: spare.clone(),
                },
                news: news.clone(),
                lost: lost.clone(),
                figures: Arc::clone(&figures),
                interval: self.pace.interval,
                barrier: Arc::clone(&barrier),
            };
            let stop = Arc::clone(&stop);
            let name = format!("lane-{number}");
            let thread =
                std::thread::Builder::new().name(name).spawn(move || lane.run(&|| stop.load(Relaxed)))?;
            commands.push(command);
            threads.push(thread);
        }
        let ways = self.start_logs(
            lanes,
            log_lanes,
            &positions,
            (&figures, &news, &stop),
            &mut commands,
            &mut threads,
        )?;
        threads.extend(self.start_keys(&figures, &stop)?);
        let name = "book".to_owned();
        let all = lanes + log_lanes;
        threads.push(std::thread::Builder::new().name(name).spawn(move || book.run(&heard, all))?);
        let packet_lanes = commands.iter().take(lanes).cloned().collect();
        let interfaces = Interfaces::new(self.interfaces, packet_lanes, told, Arc::clone(&figures));
        let (shard, key) = (self.shard, self.key);
        Ok(Sensor { figures, stop, news, lanes: commands, interfaces, threads, ways, shard, key })
    }

    /// Starts the lanes of logs, numbered after those of packets, and the ways in.
    fn start_logs(
        &mut self,
        lanes: usize,
        log_lanes: usize,
        positions: &BTreeMap<String, Positions>,
        (figures, news, stop): (&Arc<Figures>, &Sender<News>, &Arc<AtomicBool>),
        commands: &mut Vec<Sender<Command>>,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Vec<JoinHandle<()>>, WatchError> {
        let logs: Vec<_> = std::mem::take(&mut self.logs)
            .into_iter()
            .map(|(source, way)| (source, way, Arc::new(Tally::default())))
            .collect();
        let mut queues = Vec::with_capacity(log_lanes);
        for number in 0..log_lanes {
            let (to, units) = bounded(intake::QUEUE);
            let (command, obeyed) = unbounded();
            let (shard, key) = (self.shard.clone(), self.key.clone());
            let tallies = if number == 0 {
                logs.iter().map(|(source, _, tally)| (Arc::clone(source), Arc::clone(tally))).collect()
            } else {
                Vec::new()
            };
            let lane = LogLane {
                number: lanes + number,
                units,
                commands: obeyed,
                news: news.clone(),
                collector: collector(&self.shard, &self.key, &self.classifier),
                fresh: Box::new(move |classifier| collector(&shard, &key, classifier)),
                classifier: Arc::clone(&self.classifier),
                limits: self.shard.limits.clone(),
                vantages: Arc::clone(&self.shard.vantages),
                figures: Arc::clone(figures),
                interval: self.pace.interval,
                stop: Arc::clone(stop),
                tallies,
            };
            let name = format!("logs-{number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || lane.run())?);
            commands.push(command);
            queues.push(to);
        }
        let courier = Courier::new(queues, Arc::clone(stop));
        let mut ways = Vec::with_capacity(logs.len());
        for (number, (source, way, tally)) in logs.into_iter().enumerate() {
            let hand = Hand {
                positions: positions.get(&*source.name).cloned().unwrap_or_default(),
                source,
                courier: courier.clone(),
                tally,
                key: self.key.clone(),
            };
            let name = format!("way-{number}");
            ways.push(std::thread::Builder::new().name(name).spawn(move || way.run(hand))?);
        }
        Ok(ways)
    }

    /// Starts the thread that looks after keys, when any are given. Connections wait for them from now on.
    fn start_keys(
        &mut self,
        figures: &Arc<Figures>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Option<JoinHandle<()>>, WatchError> {
        let files: Vec<_> = std::mem::take(&mut self.key_logs).into_iter().map(FollowedKeyLog::new).collect();
        let sockets = std::mem::take(&mut self.key_sockets);
        if files.is_empty() && sockets.is_empty() {
            return Ok(None);
        }
        let keys = Arc::clone(&self.shard.keys);
        keys.expect_more();
        // A connection looks for its keys until it counts as over.
        let kept = 2 * (self.shard.limits.flow_idle + self.shard.limits.tls_waiting);
        let (figures, stop) = (Arc::clone(figures), Arc::clone(stop));
        let thread = KeyThread { files, sockets, keys, kept, figures, stop };
        Ok(Some(std::thread::Builder::new().name("keys".to_owned()).spawn(move || thread.run())?))
    }

    /// Reads what was learnt and counted before, and opens what is written to.
    fn open_book(&mut self, figures: &Arc<Figures>) -> Result<Book, WatchError> {
        let folder = StateFolder::open(&self.state)?;
        let now = crate::source::now();
        let mut run = None;
        let mut ledger = Ledger { opened: now, saved: now, ..Ledger::default() };
        let mut delta = Delta::new(&self.key);
        if let Some(state) = folder.read(&mut |complaint| tracing::error!("{complaint}"))? {
            if state.key_id != self.key.id() {
                return Err(WatchError::Key { known: state.key_id, given: self.key.id() });
            }
            delta = Delta::restore(state.delta, &self.key, &self.classifier);
            ledger = state.ledger;
            if state.sensor == self.sensor {
                run = Some(state.run);
            } else {
                // Under another name nothing has been told yet.
                ledger.endpoints.clear();
                ledger.findings.clear();
                ledger.services.clear();
            }
            let away = now.since(ledger.saved).as_secs();
            tracing::info!(saved = %ledger.saved, away_secs = away, "resuming from {}", self.state.display());
            let gap = CaptureRow {
                source: "sensor".to_owned(),
                format: "interface".to_owned(),
                damage: format!("did not run from {} to {now}", ledger.saved),
                ..CaptureRow::default()
            };
            ledger.capture.entry(gap.source.clone()).or_default().absorb(gap.clone());
            if let Some(row) = ledger.capture.get_mut(&gap.source) {
                (row.source, row.format) = (gap.source, gap.format);
            }
        }
        let run = run.unwrap_or_else(|| self.new_run());
        let lake = match &self.lake {
            Some(lake) => {
                let origin = Origin {
                    sensor: self.sensor.clone(),
                    run: run.clone(),
                    key_id: self.key.id(),
                    window_start: now,
                    window_end: now,
                    coverage: 1.0,
                };
                // Tells at once when the name or the folder will not do.
                match Writer::new(lake, origin) {
                    Ok(_) => {}
                    Err(error @ LakeError::Name { .. }) => return Err(error.into()),
                    Err(error) => tracing::error!(%error, "the lake is not reached: rows wait in the spool"),
                }
                let spool = Spool::open(self.state.join("spool"), ledger.next_roll)?;
                let carrier = Carrier::start(spool.clone(), lake.clone(), Arc::clone(figures))?;
                carrier.carry_below(ledger.next_roll);
                Some((spool, carrier))
            }
            None => None,
        };
        Ok(Book {
            sensor: self.sensor.clone(),
            run,
            key: self.key.clone(),
            classifier: Arc::clone(&self.classifier),
            documents: std::mem::take(&mut self.documents),
            rulings: std::mem::take(&mut self.rulings),
            ownership: std::mem::take(&mut self.ownership),
            dispositions: std::mem::take(&mut self.dispositions),
            unused: Vec::new(),
            delta,
            ledger,
            folder,
            lake,
            pace: self.pace,
            figures: Arc::clone(figures),
            values: ValuePaths::default(),
            fold_took: Duration::ZERO,
            uncounted: false,
            backlog: live::backlog_drops(),
            waiting: book::Waiting::default(),
            aside: (lane::quarantine(), false),
        })
    }

    /// A name that no other run of any sensor has.
    fn new_run(&self) -> String {
        let seed = format!("{} {} {}", self.sensor, crate::source::now().as_nanos(), std::process::id());
        let print = self.key.fingerprint(Purpose::Value, seed.as_bytes());
        format!("w{:08x}", print.rank() >> 32)
    }
}

fn collector(shard: &ShardSettings, key: &FingerprintKey, classifier: &Arc<Classifier>) -> Collector {
    Collector::new(&shard.limits, key, classifier, shard.inspect_bodies)
        .with_trusted(&shard.trusted)
        .with_vantages(&shard.vantages)
        .with_methods(&shard.methods)
}

impl Sensor {
    /// Its figures.
    #[must_use]
    pub const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Opens interfaces that have come, closes those that are gone. To be called about twice a second.
    pub fn look_after(&mut self) -> Result<(), LiveError> {
        self.interfaces.look()
    }

    /// Goes on with other documents, methods, decisions, ownership, signatures, rolls and filters. No packet is lost over it.
    pub fn reload(
        &mut self,
        (documents, methods): (DocumentSet, Arc<Methods>),
        decided: (Rulings, Ownership, Dispositions),
        classifier: &Arc<Classifier>,
        pace: Pace,
        interfaces: &[Interface],
    ) {
        let news = News::Reload {
            documents: Box::new(documents),
            decided: Box::new(decided),
            classifier: Arc::clone(classifier),
            pace,
        };
        // The keeper takes it in its turn.
        drop(self.news.send(news));
        self.shard.methods = methods;
        for lane in &self.lanes {
            let collector = Box::new(collector(&self.shard, &self.key, classifier));
            drop(lane.send(Command::Collect(collector, Arc::clone(classifier), pace.interval)));
        }
        self.interfaces.take_filters(interfaces);
    }

    /// Whether a thread is gone that should run: a defect of ours.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether nothing more can come: there are ways in for logs alone, and all have ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.interfaces.is_empty() && self.ways.iter().all(JoinHandle::is_finished)
    }

    /// Empties the rings, saves, rolls and carries. Returns whether all of it was done within `limit`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "an edge: stopping must not take longer than its caller waits"
    )]
    pub fn stop(self, limit: Duration) -> bool {
        self.stop.store(true, Relaxed);
        drop(self.news);
        let until = Instant::now() + limit;
        for thread in self.threads.into_iter().chain(self.ways) {
            while !thread.is_finished() {
                if Instant::now() >= until {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.join().is_err() {
                return false;
            }
        }
        true
    }
}
