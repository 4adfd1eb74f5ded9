//! One shard of a live sensor: reads its share of every interface, and hands over what belongs to another shard.
//!
//! ```text
//!  handle of eth1 ─┐                        ┌▶ own shard, in place
//!  handle of eth2 ─┴▶ front ─▶ lane(key) ───┤
//!                                           └▶ copied once into a batch for another lane ─▶ its queue
//! ```
//!
//! A connection belongs to the lane that its innermost addresses and ports give, whatever tunnel its packets came
//! through and whichever handle the kernel gave them to. Nothing here waits for anybody: a full queue drops and counts,
//! and what was learnt stays until the keeper of the inventory has room for it.
//!
//! The kernel gives out the packets of a ring in blocks, so what other lanes hand over may be ahead of what waits in
//! the own rings: fragments of an answer before the start of its connection. It is held until those have come as far,
//! for [`SETTLED`] at most.

use super::book::News;
use super::figures::Figures;
use crate::access_log::{Keep, Quarantine};
use crate::classify::Classifier;
use crate::inventory::collector::Collector;
use crate::inventory::delta::Delta;
use crate::merge::Merge;
use crate::pipeline::front::Front;
use crate::pipeline::read::InputStats;
use crate::pipeline::shard::{Batch, Shard, ShardCounters};
use crate::source::intake::{Position, Receipt};
use crate::source::live::{Handle, Interface, KernelCounts, wait};
use crate::source::now;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Batches that wait for a lane; more smooths out bursts of tunnelled traffic and costs a megabyte for about three.
pub(super) const QUEUE: usize = 64;
/// Frames taken from a handle before another's turn.
const TURN: usize = 256;
/// How long a lane waits for packets before it looks around; shorter while others hand it segments.
const REST: Duration = Duration::from_millis(20);
const SHORT_REST: Duration = Duration::from_millis(1);
/// What was captured so long ago has been given out by every ring that is read: twice what the kernel holds a block
/// back for.
const SETTLED: Duration = Duration::from_millis(100);
/// How often the kernel is asked for its counts.
const ASK: Duration = Duration::from_secs(1);
/// How long rings are emptied when the sensor stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What a lane is told.
pub(super) enum Command {
    /// Read this handle too: its share of an interface.
    Open(Arc<str>, Box<Handle>),
    /// Stop reading an interface.
    Close(Arc<str>),
    /// Change an interface's filter.
    Filter(Arc<str>, Box<Interface>),
    /// Go on with another collector and interval: the signatures have changed.
    Collect(Box<Collector>, Arc<Classifier>, Duration),
}

/// What a lane hands to the keeper of the inventory.
pub(super) struct Part {
    pub(super) lane: usize,
    pub(super) delta: Delta,
    /// Whose class numbers the delta has.
    pub(super) classifier: Arc<Classifier>,
    pub(super) counters: ShardCounters,
    /// By interface.
    pub(super) sources: BTreeMap<Arc<str>, SourceCounts>,
    /// Segments that found another lane's queue full.
    pub(super) handover_dropped: u64,
    /// Packets whose fragments were given up.
    pub(super) fragments_evicted: u64,
    /// What ways in for logs counted of themselves, by source.
    pub(super) tallies: BTreeMap<Arc<str>, BTreeMap<&'static str, u64>>,
    /// Where streams of logs stand with it, in the order in which they moved: source, stream, position.
    pub(super) positions: Vec<(Arc<str>, Arc<str>, Option<Position>)>,
    /// Who waits for it to be saved.
    pub(super) receipts: Vec<Receipt>,
    /// Bad lines kept aside.
    pub(super) aside: Quarantine,
    /// Whether it comes from a lane of logs.
    pub(super) logs: bool,
    /// Whether it is the lane's last.
    pub(super) last: bool,
}

impl Part {
    /// One in which nothing is.
    pub(super) fn empty(lane: usize, delta: Delta, classifier: &Arc<Classifier>) -> Self {
        Self {
            lane,
            delta,
            classifier: Arc::clone(classifier),
            counters: ShardCounters::default(),
            sources: BTreeMap::new(),
            handover_dropped: 0,
            fragments_evicted: 0,
            tallies: BTreeMap::new(),
            positions: Vec::new(),
            receipts: Vec::new(),
            aside: quarantine(),
            logs: false,
            last: false,
        }
    }
}

/// Where bad lines are kept aside: the last ones.
pub(super) fn quarantine() -> Quarantine {
    Quarantine::new(Keep::Last, 1_000, 512 << 10)
}

/// What was seen of an interface.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceCounts {
    pub(super) stats: InputStats,
    pub(super) kernel: KernelCounts,
}

impl Merge for SourceCounts {
    fn absorb(&mut self, other: Self) {
        self.stats.absorb(other.stats);
        self.kernel.received += other.kernel.received;
        self.kernel.ring_full += other.kernel.ring_full;
        self.kernel.interface += other.kernel.interface;
    }
}

struct Source {
    name: Arc<str>,
    /// At which vantage it is, as the number of an input.
    input: u32,
    handle: Box<Handle>,
    /// All that was captured before it has been read.
    read_until: Timestamp,
}

/// The way to the other lanes.
pub(super) struct Exchange {
    /// By lane; the own one is not used.
    pub(super) to: Vec<Sender<Batch>>,
    pub(super) from: Receiver<Batch>,
    /// Emptied batches on their way back to whoever fills them.
    pub(super) spare: (Sender<Batch>, Receiver<Batch>),
}

/// A lane. See the module's doc.
pub(super) struct Lane {
    pub(super) number: usize,
    pub(super) shard: Shard,
    pub(super) front: Front,
    /// At which vantage each interface is, as the number of an input.
    pub(super) inputs: BTreeMap<String, u32>,
    pub(super) classifier: Arc<Classifier>,
    pub(super) commands: Receiver<Command>,
    pub(super) exchange: Exchange,
    pub(super) news: Sender<News>,
    /// Interfaces that gave an error, for whoever opens them again.
    pub(super) lost: Sender<(Arc<str>, String)>,
    pub(super) figures: Arc<Figures>,
    pub(super) interval: Duration,
    /// All lanes meet here when the sensor stops.
    pub(super) barrier: Arc<Barrier>,
}

/// What is counted until it is handed over.
#[derive(Default)]
struct Running {
    sources: BTreeMap<Arc<str>, SourceCounts>,
    next: Vec<Batch>,
    /// What other lanes handed over and the own rings have not come as far as; at most [`QUEUE`] batches.
    held: VecDeque<Batch>,
    handover_dropped: u64,
    fragments_evicted: u64,
    /// A part that the keeper had no room for.
    waiting: Option<Part>,
}

impl Lane {
    /// Runs until `stopped` says so, then empties the rings and hands over the rest.
    #[expect(clippy::disallowed_methods, reason = "an edge: when to look at what is not a packet's time")]
    pub(super) fn run(mut self, stopped: &dyn Fn() -> bool) {
        let mut running = Running::default();
        running.next.resize_with(self.exchange.to.len(), Batch::default);
        let mut sources: Vec<Source> = Vec::new();
        let (mut next_tick, mut next_ask) = (Instant::now() + self.interval, Instant::now() + ASK);
        let mut helped = Instant::now();
        while !stopped() {
            self.obey(&mut sources, &mut running);
            let full = self.read_round(&mut sources, &mut running);
            let inbound = self.take_inbound(&sources, &mut running);
            self.hand_over(&mut running);
            let now = Instant::now();
            if inbound || !running.held.is_empty() {
                helped = now;
            }
            if now >= next_ask {
                ask(&mut sources, &mut running, &self.figures);
                next_ask = now + ASK;
            }
            if now >= next_tick {
                self.tick(&mut running, false);
                next_tick = now + self.interval;
            }
            self.publish();
            if !inbound && !full {
                let how_long = if now.duration_since(helped) < ASK { SHORT_REST } else { REST };
                rest(&sources, how_long);
            }
        }
        self.stop(sources, running);
    }

    /// Does what it was told.
    fn obey(&mut self, sources: &mut Vec<Source>, running: &mut Running) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Open(name, handle) => {
                    let input = self.inputs.get(&*name).copied().unwrap_or_default();
                    sources.push(Source { name, input, handle, read_until: Timestamp::from_nanos(i64::MIN) });
                }
                Command::Close(name) => {
                    ask(sources, running, &self.figures);
                    sources.retain(|source| source.name != name);
                }
                Command::Filter(name, interface) => {
                    for source in sources.iter_mut().filter(|source| source.name == name) {
                        if let Err(error) = source.handle.set_filter(&interface) {
                            tracing::error!(interface = %name, %error, "the filter stays as it was");
                        }
                    }
                }
                Command::Collect(collector, classifier, interval) => {
                    // What was learnt by the old numbers goes first; the keeper has room or waits for nothing else.
                    self.tick(running, false);
                    self.shard.collect_with(*collector);
                    (self.classifier, self.interval) = (classifier, interval);
                }
            }
        }
    }

    /// Takes in what other lanes handed over, as far as the own rings have been read. Returns whether there was any.
    fn take_inbound(&mut self, sources: &[Source], running: &mut Running) -> bool {
        running.held.extend(self.exchange.from.try_iter().take(QUEUE));
        let read_until = sources.iter().map(|source| source.read_until).min();
        let mut any = false;
        while let Some(mut batch) = running.held.pop_front() {
            let early = read_until.is_some_and(|until| batch.newest().is_some_and(|newest| newest > until));
            if early && running.held.len() < QUEUE {
                running.held.push_front(batch);
                break;
            }
            batch.deliver(&mut self.shard);
            drop(self.exchange.spare.0.try_send(batch));
            any = true;
        }
        any
    }

    /// Reads a turn of every handle. Returns whether one may have more.
    fn read_round(&mut self, sources: &mut Vec<Source>, running: &mut Running) -> bool {
        let (mut full, mut failed) = (false, None);
        let lanes = u32::try_from(self.exchange.to.len()).unwrap_or(u32::MAX);
        let settled = now().minus(SETTLED);
        for source in sources.iter_mut() {
            let counts = match running.sources.get_mut(&source.name) {
                Some(counts) => counts,
                None => running.sources.entry(Arc::clone(&source.name)).or_default(),
            };
            let (shard, front, own) = (&mut self.shard, &mut self.front, self.number);
            let next = &mut running.next;
            let (bytes, records) = (counts.stats.bytes, counts.stats.records);
            let (read_until, input) = (&mut source.read_until, source.input);
            let read = source.handle.read(TURN, |frame| {
                *read_until = frame.ts;
                front.frame(frame, &mut counts.stats, |segment| {
                    // The order of capture, whichever lane and interface.
                    let number = segment.ts.as_nanos().unsigned_abs();
                    let lane = segment.key.lane(lanes) as usize;
                    if lane == own {
                        shard.segment(segment, input, number);
                    } else if let Some(batch) = next.get_mut(lane) {
                        batch.push(segment, input, number);
                    }
                });
            });
            let lane = self.figures.lanes.get(self.number);
            if let Some(lane) = lane {
                lane.packets.fetch_add(counts.stats.records - records, Relaxed);
                lane.bytes.fetch_add(counts.stats.bytes - bytes, Relaxed);
            }
            match read {
                Ok(count) if count >= TURN => full = true,
                Ok(_) => source.read_until = source.read_until.max(settled),
                Err(error) => failed = Some((Arc::clone(&source.name), error.to_string())),
            }
        }
        if let Some((name, error)) = failed {
            ask(sources, running, &self.figures);
            sources.retain(|source| source.name != name);
            drop(self.lost.try_send((name, error)));
        }
        full
    }

    /// Sends off what belongs to others. A lane that does not keep up loses segments, which is counted.
    fn hand_over(&self, running: &mut Running) {
        let Some(figures) = self.figures.lanes.get(self.number) else { return };
        for (batch, to) in running.next.iter_mut().zip(&self.exchange.to) {
            if batch.is_empty() {
                continue;
            }
            let segments = batch.len() as u64;
            let fresh = self.exchange.spare.1.try_recv().unwrap_or_default();
            match to.try_send(std::mem::replace(batch, fresh)) {
                Ok(()) => {
                    figures.handed_over.fetch_add(segments, Relaxed);
                }
                Err(TrySendError::Full(mut lost) | TrySendError::Disconnected(mut lost)) => {
                    lost.clear();
                    *batch = lost;
                    running.handover_dropped += segments;
                    figures.handover_dropped.fetch_add(segments, Relaxed);
                }
            }
        }
    }

    fn publish(&self) {
        if let Some(lane) = self.figures.lanes.get(self.number) {
            lane.exchanges.store(self.shard.exchanges(), Relaxed);
            let sessions = self.shard.sessions();
            lane.tls_read.store(sessions.read, Relaxed);
            lane.tls_closed.store(sessions.closed, Relaxed);
            lane.tls_waiting.store(sessions.waiting, Relaxed);
            lane.beat.store(self.figures.millis(), Relaxed);
        }
    }

    /// Hands over what was learnt and counted since the last time.
    fn tick(&mut self, running: &mut Running, last: bool) {
        let (delta, counters) = self.shard.tick(now());
        let evicted = self.front.fragments_evicted();
        let mut part = Part {
            counters,
            sources: std::mem::take(&mut running.sources),
            handover_dropped: std::mem::take(&mut running.handover_dropped),
            fragments_evicted: evicted - std::mem::replace(&mut running.fragments_evicted, evicted),
            last,
            ..Part::empty(self.number, delta, &self.classifier)
        };
        if let Some(mut waiting) = running.waiting.take() {
            if !Arc::ptr_eq(&waiting.classifier, &part.classifier) {
                waiting.delta.reclassify(&waiting.classifier, &part.classifier);
            }
            part.absorb(waiting);
        }
        let news = News::Part(Box::new(part));
        if last {
            // The keeper waits for it.
            drop(self.news.send(news));
        } else if let Err(TrySendError::Full(News::Part(part))) = self.news.try_send(news) {
            running.waiting = Some(*part);
        }
    }

    /// Empties the rings, waits for the others to do so, and hands over all there is.
    #[expect(clippy::disallowed_methods, reason = "an edge: stopping must not take long")]
    fn stop(mut self, mut sources: Vec<Source>, mut running: Running) {
        let until = Instant::now() + DRAIN;
        // A block that is not full is given out late.
        let mut quiet = 0;
        while quiet < 4 && Instant::now() < until {
            let full = self.read_round(&mut sources, &mut running);
            let inbound = self.take_inbound(&sources, &mut running);
            self.hand_over(&mut running);
            self.publish();
            if inbound || full {
                quiet = 0;
            } else {
                quiet += 1;
                rest(&sources, REST);
            }
        }
        ask(&mut sources, &mut running, &self.figures);
        drop(sources);
        self.barrier.wait();
        while self.take_inbound(&[], &mut running) {}
        self.shard.end_flows();
        self.tick(&mut running, true);
        self.publish();
    }
}

impl Merge for Part {
    fn absorb(&mut self, other: Self) {
        self.delta.absorb(other.delta);
        self.counters.absorb(other.counters);
        self.sources.absorb(other.sources);
        self.handover_dropped.absorb(other.handover_dropped);
        self.fragments_evicted.absorb(other.fragments_evicted);
        self.tallies.absorb(other.tallies);
        self.positions.extend(other.positions);
        self.receipts.extend(other.receipts);
        let mut aside = other.aside;
        self.aside.absorb(&mut aside);
        self.last |= other.last;
    }
}

/// Waits for packets.
fn rest(sources: &[Source], at_most: Duration) {
    if sources.is_empty() {
        std::thread::sleep(at_most);
    } else if wait(sources.iter().map(|source| &*source.handle), at_most) {
        // An interface that is down tells so again and again.
        std::thread::sleep(REST);
    }
}

/// Asks the kernel for its counts.
fn ask(sources: &mut [Source], running: &mut Running, figures: &Figures) {
    for source in sources {
        let counts = source.handle.kernel_counts();
        figures.count(&source.name, counts);
        let known = &mut running.sources.entry(Arc::clone(&source.name)).or_default().kernel;
        known.received += counts.received;
        known.ring_full += counts.ring_full;
        known.interface += counts.interface;
    }
}
