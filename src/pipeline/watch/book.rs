//! The keeper of the inventory: adds up what lanes hand over, saves it, and rolls it into the lake.
//!
//! ```text
//!  parts of all lanes ─▶ what was learnt ──every interval──▶ the state, one file
//!                              │
//!                              └──every roll──▶ rows ─▶ spool ─▶ the state counts the roll ─▶ carrier ─▶ lake
//! ```
//!
//! Nothing is counted twice or lost but for what came in since the state was last saved: a roll is filed in the
//! spool, then the state that has forgotten its rows is saved, and only then may it be carried to the lake. A crash
//! before the state is saved leaves a roll that was never counted, which the next start removes and makes anew from
//! the state. When a roll or a state cannot be written, what was learnt stays in memory, which is bounded, and both
//! are tried again at the next interval.

use super::carrier::Carrier;
use super::figures::Figures;
use super::lane::Part;
use super::state::{Ledger, State, StateFolder, ToldEndpoint, ToldFinding};
use crate::access_log::Quarantine;
use crate::classify::Classifier;
use crate::finding::{self, Dispositions};
use crate::inventory::EndpointClass;
use crate::inventory::delta::Delta;
use crate::inventory::learner::ValuePaths;
use crate::inventory::lineage::Templates;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::{Rulings, Use};
use crate::lake::rows::{
    CaptureRow, Count, EndpointRow, FindingRow, NoiseRow, ObservationRow, Origin, ServiceRow,
};
use crate::lake::spool::Spool;
use crate::lake::writer::{LakeError, Writer};
use crate::merge::Merge;
use crate::pipeline::analyze::{Told, conclude};
use crate::pipeline::tables;
use crate::secret::FingerprintKey;
use crate::source::intake::{Position, Receipt, SINCE, Settled};
use crate::source::{self, live};
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// What the keeper is told.
pub(super) enum News {
    /// A lane hands over.
    Part(Box<Part>),
    /// Other documents, decisions, ownership, signatures or rolls from now on.
    Reload {
        documents: Box<DocumentSet>,
        decided: Box<(Rulings, Ownership, Dispositions)>,
        classifier: Arc<Classifier>,
        pace: Pace,
    },
}

/// How often what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often the state is saved.
    pub interval: Duration,
    /// How often rows are rolled into the lake.
    pub roll: Duration,
    /// Rows of observations after which they are rolled sooner.
    pub roll_rows: usize,
    /// Bytes that may wait in the spool.
    pub spool_bytes: u64,
}

/// Hours of observations that are held while no roll can be written.
const HELD_HOURS: i64 = 72;
/// How long a sighting at one vantage waits for those at others, by the clock of the vantage that is behind: shippers of
/// logs take their time.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a fold may take of an interval; when it takes more, it waits for the next roll.
const FOLD_SHARE: u32 = 10;

/// The keeper. See the module's doc.
pub(super) struct Book {
    pub(super) sensor: String,
    pub(super) run: String,
    pub(super) key: FingerprintKey,
    pub(super) classifier: Arc<Classifier>,
    pub(super) documents: DocumentSet,
    pub(super) rulings: Rulings,
    pub(super) ownership: Ownership,
    pub(super) dispositions: Dispositions,
    /// Decisions that were told to match nothing.
    pub(super) unused: Vec<Use>,
    pub(super) delta: Delta,
    pub(super) ledger: Ledger,
    pub(super) folder: StateFolder,
    /// Where rolls wait, when there is a lake.
    pub(super) lake: Option<(Spool, Carrier)>,
    pub(super) pace: Pace,
    pub(super) figures: Arc<Figures>,
    pub(super) values: ValuePaths,
    /// How long the last fold took.
    pub(super) fold_took: Duration,
    /// Whether a roll waits for the state to count it.
    pub(super) uncounted: bool,
    /// Packets that the kernel had dropped before any socket saw them, when it was last asked.
    pub(super) backlog: u64,
    /// Who waits to be told that what they brought is counted for good.
    pub(super) waiting: Waiting,
    /// Bad lines of logs, by their shape, and whether there are new ones.
    pub(super) aside: (Quarantine, bool),
}

/// Who waits to be told that what they brought is counted for good.
#[derive(Default)]
pub(super) struct Waiting {
    /// For the state to be saved.
    saved: Vec<Receipt>,
    /// For the next roll.
    rolled: Vec<Receipt>,
    /// For the lake to have the roll of this number.
    carried: Vec<(u64, Receipt)>,
}

impl Waiting {
    /// Takes receipts. Without a lake the state is all there is.
    fn take(&mut self, receipts: Vec<Receipt>, has_lake: bool) {
        for receipt in receipts {
            match receipt.when {
                Settled::InLake if has_lake => self.rolled.push(receipt),
                Settled::Saved | Settled::InLake => self.saved.push(receipt),
            }
        }
        // While nothing can be written, those that wait the longest give up; where positions are told, later ones say more.
        for waiting in [&mut self.saved, &mut self.rolled] {
            waiting.drain(..waiting.len().saturating_sub(MAX_WAITING));
        }
        self.carried.drain(..self.carried.len().saturating_sub(MAX_WAITING));
    }

    /// The roll of this number holds all that came before.
    fn rolled(&mut self, number: u64) {
        self.carried.extend(self.rolled.drain(..).map(|receipt| (number, receipt)));
    }

    /// Tells those that waited for the state.
    fn tell_saved(&mut self) {
        for receipt in self.saved.drain(..) {
            (receipt.tell)();
        }
    }

    /// Tells those whose rolls the lake has: all below this number.
    fn tell_carried(&mut self, below: u64) {
        for (number, receipt) in std::mem::take(&mut self.carried) {
            if number < below {
                (receipt.tell)();
            } else {
                self.carried.push((number, receipt));
            }
        }
    }
}

/// Receipts that wait for the same thing.
const MAX_WAITING: usize = 1 << 17;
/// How often the state is saved for those that wait for it, at most: as much of the time as this goes into saving.
const SAVE_SHARE: u32 = 4;
/// How much may be told of what is wrong with a source in one roll.
const MAX_DAMAGE: usize = 4_096;

/// A digest of a row: it tells whether the row has changed, no more.
fn digest(row: &impl std::fmt::Debug) -> u64 {
    let digest = blake3::hash(format!("{row:?}").as_bytes());
    u64::from_le_bytes(*digest.as_bytes().first_chunk().expect("32 bytes hold eight"))
}

impl Book {
    /// Runs until every lane has handed over its last part; then rolls and saves what there is.
    #[expect(clippy::disallowed_methods, reason = "an edge: when to save is no packet's time")]
    pub(super) fn run(mut self, news: &Receiver<News>, lanes: usize) {
        let mut open = lanes;
        let mut heard = vec![false; lanes];
        let (mut saved, mut rolled) = (Instant::now(), Instant::now());
        let mut save_took = Duration::ZERO;
        while open > 0 {
            let look = if self.waiting.saved.is_empty() { 200 } else { 10 };
            match news.recv_timeout(Duration::from_millis(look)) {
                Ok(News::Part(part)) => {
                    if let Some(heard) = heard.get_mut(part.lane) {
                        *heard = true;
                    }
                    open -= usize::from(part.last);
                    self.take(*part);
                }
                Ok(News::Reload { documents, decided, classifier, pace }) => {
                    self.reload(*documents, *decided, classifier, pace);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.beat();
            // When all lanes have told of an interval, it is whole; a lane that is late does not hold up the others.
            let whole = heard.iter().all(|heard| *heard) && saved.elapsed() >= self.pace.interval / 2;
            let asked = !self.waiting.saved.is_empty() && saved.elapsed() >= save_took * SAVE_SHARE;
            if open > 0 && (whole || asked || saved.elapsed() >= self.pace.interval * 2) {
                heard.fill(false);
                saved = Instant::now();
                self.delta.settle_old(PATIENCE);
                if self.is_roll_due(rolled.elapsed()) {
                    rolled = Instant::now();
                    self.roll();
                } else {
                    self.save();
                }
                save_took = saved.elapsed();
                saved = Instant::now();
            }
            self.tell_carried();
        }
        self.delta.settle(None);
        self.roll();
        // Once more, for a roll that is filed and that the state does not count yet.
        if self.uncounted {
            self.save();
        }
        if let Some((_, carrier)) = self.lake.take() {
            let carried = Arc::clone(carrier.carried());
            carrier.finish();
            self.waiting.tell_carried(carried.load(Relaxed));
        }
        self.beat();
    }

    fn tell_carried(&mut self) {
        if let Some((_, carrier)) = &self.lake {
            self.waiting.tell_carried(carrier.carried().load(Relaxed));
        }
    }

    /// Notes since when sources of logs are read that were never read before. It is saved at once: what is rotated away
    /// from now on belongs to them, whenever the sensor is killed.
    pub(super) fn begin_sources<'a>(&mut self, sources: impl Iterator<Item = &'a str>) {
        let mut any = false;
        for source in sources {
            let positions = self.ledger.positions.entry(source.to_owned()).or_default();
            any |= !positions.contains_key(SINCE);
            positions.entry(SINCE.to_owned()).or_insert(Position::Since(source::now()));
        }
        if any {
            self.save();
        }
    }

    fn beat(&self) {
        let now = self.figures.millis();
        self.figures.book(|book| book.beat = now);
    }

    /// Adds up what a lane hands over.
    fn take(&mut self, mut part: Part) {
        if !Arc::ptr_eq(&part.classifier, &self.classifier) {
            part.delta.reclassify(&part.classifier, &self.classifier);
        }
        self.delta.absorb(part.delta);
        let names: Vec<&str> = part.sources.keys().map(|name| &**name).collect();
        let together = names.join("+");
        for (name, counts) in &part.sources {
            let mut row = tables::capture(&counts.stats);
            if !part.logs {
                "interface".clone_into(&mut row.format);
            }
            let kernel = &counts.kernel;
            row.dropped = [("ring_full", kernel.ring_full), ("interface", kernel.interface)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| Count { name: name.to_owned(), count })
                .collect();
            self.note(name, row);
        }
        for (name, counted) in part.tallies {
            // What was lost lowers the coverage; the rest is told beside it.
            let (lost, other): (Vec<_>, Vec<_>) =
                counted.into_iter().partition(|(what, _)| what.contains("lost") || what.contains("dropped"));
            let (dropped, fates) = (Count::list(lost), Count::list(other));
            self.note(&name, CaptureRow { fates, dropped, ..CaptureRow::default() });
        }
        for (source, stream, position) in part.positions {
            self.ledger.move_to(&source, &stream, position);
        }
        self.waiting.take(part.receipts, self.lake.is_some());
        self.aside.1 |= !part.aside.is_empty();
        self.aside.0.absorb(&mut part.aside);
        // Connections are no interface's: both directions may come through different ones.
        if part.logs {
            return;
        }
        let mut row = CaptureRow::default();
        tables::add_counters(&mut row, &part.counters);
        if part.handover_dropped > 0 {
            row.dropped.push(Count { name: "handover".to_owned(), count: part.handover_dropped });
        }
        "interface".clone_into(&mut row.format);
        if part.fragments_evicted > 0 {
            row.fates.push(Count { name: "fragment_evicted".to_owned(), count: part.fragments_evicted });
        }
        self.note(&together, row);
    }

    fn note(&mut self, source: &str, mut row: CaptureRow) {
        source.clone_into(&mut row.source);
        match self.ledger.capture.entry(source.to_owned()) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(row);
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                if slot.get().format.is_empty() {
                    slot.get_mut().format.clone_from(&row.format);
                }
                if slot.get().damage.len() > MAX_DAMAGE {
                    row.damage.clear();
                }
                slot.get_mut().absorb(row);
            }
        }
    }

    /// Notes what the kernel dropped before any socket saw it.
    fn note_backlog(&mut self, packets: u64) {
        if packets > 0 {
            self.figures.backlog.fetch_add(packets, Relaxed);
            let dropped = vec![Count { name: "kernel_backlog".to_owned(), count: packets }];
            let format = "interface".to_owned();
            self.note("kernel", CaptureRow { format, dropped, ..CaptureRow::default() });
        }
    }

    fn reload(
        &mut self,
        documents: DocumentSet,
        decided: (Rulings, Ownership, Dispositions),
        classifier: Arc<Classifier>,
        pace: Pace,
    ) {
        self.delta.reclassify(&self.classifier, &classifier);
        self.documents = documents;
        (self.rulings, self.ownership, self.dispositions) = decided;
        (self.classifier, self.pace) = (classifier, pace);
        self.unused.clear();
        // What they say shows at once.
        self.roll();
    }

    fn is_roll_due(&self, since: Duration) -> bool {
        let crossed_hour = source::now().hour() != self.ledger.opened.hour() && since >= self.pace.interval;
        since >= self.pace.roll || crossed_hour || self.uncounted || self.rows() >= self.pace.roll_rows
    }

    fn rows(&self) -> usize {
        self.delta.held_hours()
    }

    /// Saves the state. Tells whether it is on disk now.
    fn save(&mut self) -> bool {
        if self.fold_took * FOLD_SHARE <= self.pace.interval {
            self.fold();
        }
        let forgotten = self.delta.keep_hours(HELD_HOURS);
        if forgotten > 0 {
            tracing::error!(
                exchanges = forgotten,
                "hours that could not be told to the lake for 72 hours were forgotten"
            );
            self.figures.book(|book| book.forgotten += forgotten);
        }
        let backlog = live::backlog_drops();
        let before = std::mem::replace(&mut self.backlog, backlog);
        self.note_backlog(backlog.saturating_sub(before));
        self.ledger.saved = source::now();
        let state = State {
            key_id: self.key.id(),
            sensor: self.sensor.clone(),
            run: self.run.clone(),
            delta: self.delta.save(&self.classifier, &self.values),
            ledger: self.ledger.clone(),
        };
        match self.folder.write(&state) {
            Ok(bytes) => {
                self.uncounted = false;
                self.waiting.tell_saved();
                if std::mem::take(&mut self.aside.1)
                    && let Err(error) = self.folder.write_aside(&self.aside.0)
                {
                    tracing::warn!(%error, "the shapes of bad lines are not written");
                }
                let now = self.figures.millis();
                self.figures.book(|book| (book.state_bytes, book.saved) = (bytes, now));
                if let Some((_, carrier)) = &self.lake {
                    carrier.carry_below(self.ledger.next_roll);
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "the state is not saved: a crash now would cost what came since; trying again");
                self.figures.book(|book| book.write_failures += 1);
                false
            }
        }
    }

    /// Folds what was learnt, to know which names are values.
    #[expect(clippy::disallowed_methods, reason = "an edge: what a fold costs decides how often it is done")]
    fn fold(&mut self) {
        let began = Instant::now();
        let snapshot = self.delta.snapshot(&self.documents, &self.rulings);
        self.values = snapshot.values().clone();
        let endpoints = &snapshot.inventory.endpoints;
        let apis = endpoints.iter().filter(|endpoint| endpoint.class == EndpointClass::Api).count() as u64;
        // With a lake, what counts is what that was told.
        let templates = self.lake.is_none().then(|| Templates::of(endpoints));
        if let Some(templates) = templates {
            self.delta.note(&templates, source::now());
        }
        self.figures.book(|book| book.endpoints = apis);
        self.fold_took = began.elapsed();
    }

    /// Rolls what happened since the last time into files for the lake, and saves the state.
    fn roll(&mut self) {
        if self.uncounted {
            // The last one is filed and forgotten, but not counted: it must not be filed twice.
            if !self.save() {
                return;
            }
        }
        let Some((spool, _)) = &self.lake else {
            self.save();
            return;
        };
        let waiting = spool.bytes();
        if waiting > self.pace.spool_bytes {
            tracing::error!(
                bytes = waiting,
                limit = self.pace.spool_bytes,
                "too much waits for the lake: rows are held in memory until it can be reached"
            );
            self.figures.book(|book| book.write_failures += 1);
            self.save();
            return;
        }
        let spool = spool.clone();
        match self.file(&spool) {
            Ok(()) => {
                self.uncounted = true;
                self.save();
            }
            Err(error) => {
                spool.abandon(self.ledger.next_roll);
                tracing::error!(%error, "rows are held in memory until they can be written; trying again");
                self.figures.book(|book| book.write_failures += 1);
                self.save();
            }
        }
    }

    /// Files a roll in the spool and forgets what is in it.
    fn file(&mut self, spool: &Spool) -> Result<(), LakeError> {
        let number = self.ledger.next_roll;
        let origin = Origin {
            sensor: self.sensor.clone(),
            run: format!("{}-{number:06}", self.run),
            key_id: self.key.id(),
            window_start: self.ledger.opened,
            window_end: source::now(),
            coverage: coverage(self.ledger.capture.values()),
        };
        let closed = origin.window_end;
        let told = Told {
            documents: &self.documents,
            rulings: &self.rulings,
            ownership: &self.ownership,
            classifier: &self.classifier,
        };
        let mut report = conclude(&self.delta, &told);
        self.dispositions.apply(&mut report.findings, closed);
        let mut endpoints = tables::endpoints(&report, &self.classifier, &self.documents);
        let mut findings = tables::findings(&report);
        let observations: Vec<ObservationRow> =
            report.snapshot.inventory.endpoints.iter().flat_map(ObservationRow::of).collect();
        let values = report.snapshot.values().clone();
        let templates = Templates::of(&report.snapshot.inventory.endpoints);
        let unused: Vec<Use> =
            report.snapshot.rulings().iter().filter(|used| used.paths == 0).cloned().collect();
        let noise = NoiseRow::of(&report.snapshot.inventory);
        let is_api =
            |row: &&EndpointRow| row.class == EndpointClass::Api.name() && row.operation.parent.is_none();
        let apis = endpoints.iter().filter(is_api).count() as u64;
        drop(report);
        for unused in unused.iter().filter(|unused| !self.unused.contains(unused)) {
            tracing::warn!("{}: matches nothing that was seen so far: {}", unused.place, unused.text);
        }
        self.unused = unused;
        let mut by_severity: BTreeMap<&'static str, u64> = BTreeMap::new();
        let due = |row: &&FindingRow| finding::State::named(&row.state).unwrap_or_default().is_due();
        for finding in findings.iter().filter(due) {
            let known = ["critical", "high", "medium", "low", "info"];
            if let Some(severity) = known.into_iter().find(|known| *known == finding.severity) {
                *by_severity.entry(severity).or_default() += 1;
            }
        }
        let told_endpoints = told_endpoints(&self.ledger.endpoints, &mut endpoints);
        let mut services = tables::services(self.delta.services());
        let told_services = told_services(&self.ledger.services, &mut services);
        let told_findings = told_findings(&self.ledger.findings, &mut findings, closed);
        let mut capture: Vec<CaptureRow> = self.ledger.capture.values().cloned().collect();
        for row in &mut capture {
            row.fates.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let writer = Writer::new(spool.begin(number)?, origin)?;
        writer.write(endpoints)?;
        writer.write(observations)?;
        writer.write(findings)?;
        writer.write(services)?;
        writer.write(noise)?;
        writer.write(capture)?;
        spool.finish(number)?;
        self.delta.forget_hours();
        self.delta.note(&templates, closed);
        self.values = values;
        self.ledger = Ledger {
            next_roll: number + 1,
            opened: closed,
            saved: closed,
            capture: BTreeMap::new(),
            endpoints: told_endpoints,
            findings: told_findings,
            services: told_services,
            positions: std::mem::take(&mut self.ledger.positions),
        };
        self.waiting.rolled(number);
        self.figures.book(|book| (book.endpoints, book.findings) = (apis, by_severity));
        Ok(())
    }
}

/// Leaves the rows that the lake has not been told, adds one for each endpoint that is none any more, and returns what
/// the lake then knows.
fn told_endpoints(
    known: &BTreeMap<String, ToldEndpoint>,
    rows: &mut Vec<EndpointRow>,
) -> BTreeMap<String, ToldEndpoint> {
    let mut told = BTreeMap::new();
    rows.retain(|row| {
        let digest = digest(row);
        let fresh = known.get(&row.id).is_none_or(|known| known.digest != digest);
        let endpoint = ToldEndpoint {
            digest,
            host: row.host.clone(),
            method: row.method.clone(),
            template: row.path_template.clone(),
            class: row.class.clone(),
            operation: row.operation.name_alone(),
        };
        told.insert(row.id.clone(), endpoint);
        fresh
    });
    for (id, gone) in known.iter().filter(|(id, _)| !told.contains_key(*id)) {
        rows.push(EndpointRow {
            id: id.clone(),
            host: gone.host.clone(),
            method: gone.method.clone(),
            path_template: gone.template.clone(),
            class: gone.class.clone(),
            operation: gone.operation.clone(),
            lifecycle: EndpointRow::SUPERSEDED.to_owned(),
            ..EndpointRow::default()
        });
    }
    told
}

/// Leaves the rows that the lake has not been told, and returns what it then knows.
fn told_services(known: &BTreeMap<String, u64>, rows: &mut Vec<ServiceRow>) -> BTreeMap<String, u64> {
    let mut told = BTreeMap::new();
    rows.retain(|row| {
        let digest = digest(row);
        told.insert(row.id.clone(), digest);
        known.get(&row.id) != Some(&digest)
    });
    told
}

/// Leaves the rows that the lake has not been told, adds one for each finding that no longer holds, and returns those
/// that the lake then knows as open.
fn told_findings(
    known: &BTreeMap<String, ToldFinding>,
    rows: &mut Vec<FindingRow>,
    now: Timestamp,
) -> BTreeMap<String, ToldFinding> {
    let mut told = BTreeMap::new();
    rows.retain(|row| {
        let digest = digest(row);
        let fresh = known.get(&row.id).is_none_or(|known| known.digest != digest);
        told.insert(row.id.clone(), ToldFinding { digest, row: row.clone() });
        fresh
    });
    for (_, gone) in known.iter().filter(|(id, _)| !told.contains_key(*id)) {
        let last_seen = gone.row.last_seen.or(Some(now));
        rows.push(FindingRow {
            state: finding::State::Resolved.name().to_owned(),
            last_seen,
            ..gone.row.clone()
        });
    }
    told
}

/// The share of what passed that was seen whole: packets that were not dropped, and of their streams the bytes that
/// were not missing.
fn coverage<'a>(rows: impl Iterator<Item = &'a CaptureRow>) -> f64 {
    let (mut packets, mut dropped, mut bytes, mut missing) = (0, 0, 0, 0);
    for row in rows {
        packets += row.records;
        dropped += row.dropped.iter().map(|count| count.count).sum::<u64>();
        bytes += row.bytes;
        missing += row.missing_bytes;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
    let share =
        |seen: u64, lost: u64| if seen + lost == 0 { 1.0 } else { seen as f64 / (seen + lost) as f64 };
    // What was dropped is missing in the streams as well, as far as these were followed: the worse of both counts.
    (share(packets, dropped).min(share(bytes, missing)) * 1e6).round() / 1e6
}
