//! The main job: inputs and documents in, inventory and findings out.

use crate::access_log::{self, LogFormat, LogOptions, Quarantine, Reader};
use crate::caller::AuthScheme;
use crate::classify::Classifier;
use crate::compare::{self, compare};
use crate::finding::{self, Finding};
use crate::inventory::collector::Collector;
use crate::inventory::delta::{Delta, Snapshot};
use crate::inventory::learner::LearnerCounters;
use crate::inventory::lifecycle;
use crate::inventory::ownership::Ownership;
use crate::inventory::rulings::Rulings;
use crate::inventory::standing::Standings;
use crate::inventory::{Endpoint, EndpointId};
use crate::limits::Limits;
use crate::merge::Merge;
use crate::packet::Options;
use crate::pipeline::key_logs::KeyLogs;
use crate::pipeline::read::{InputStats, Shards};
use crate::pipeline::rows::{Row, Rows};
use crate::pipeline::shard::{Intake, Shard, ShardCounters, ShardSettings};
use crate::pipeline::tables;
use crate::secret::FingerprintKey;
use crate::source::open::open;
use crate::source::{capture_file, log_file};
use crate::spec::DocumentSet;
use crate::time::Timestamp;
use crate::transaction::pairing::Sink;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What an analysis is asked to do.
#[derive(Debug)]
pub struct Analysis {
    /// Files, FIFOs, `-` for standard input; read in this order.
    pub inputs: Vec<PathBuf>,
    /// Worker threads.
    pub shards: usize,
    /// How each shard works.
    pub shard: ShardSettings,
    /// How packets are decoded.
    pub packets: Options,
    /// How long a file that is still written may rest before it counts as whole.
    pub follow: Option<Duration>,
    /// Logs of TLS secrets. With `follow` they are read on as they grow.
    pub key_logs: Vec<PathBuf>,
    /// The format of logs that are lines; told by content when there is none.
    pub log_format: Option<LogFormat>,
    /// How logs are read, whatever their format, but for what each file tells of itself.
    pub log_options: LogOptions,
    /// Whether bad lines of logs are kept aside.
    pub keep_bad_lines: bool,
    /// The key of fingerprints.
    pub key: FingerprintKey,
    /// The signatures of data classes.
    pub classifier: Arc<Classifier>,
    /// The documents to compare with.
    pub documents: DocumentSet,
    /// What operators have decided on templates.
    pub rulings: Rulings,
    /// What operators tell of services.
    pub ownership: Ownership,
}

/// Progress of an analysis, told a few times a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Position of the input being read.
    pub input: usize,
    /// Bytes read of the files, compressed as they are.
    pub bytes: u64,
    /// Frames, lines or entries so far.
    pub records: u64,
}

/// What an analysis found.
#[derive(Debug)]
pub struct Report<'a> {
    /// The inventory, and the way from a request to its endpoint.
    pub snapshot: Snapshot<'a>,
    /// The findings, most severe first.
    pub findings: Vec<Finding>,
    /// What was said of data classes before.
    pub standings: &'a Standings,
}

/// What was read, before anything was concluded.
#[derive(Debug)]
pub struct Taken {
    /// What was learnt.
    pub delta: Delta,
    /// Each input, in order.
    pub inputs: Vec<InputStats>,
    /// Counters of all shards.
    pub counters: ShardCounters,
    /// The same by position of the input.
    pub by_input: BTreeMap<u32, ShardCounters>,
    /// Exchanges by protocol.
    pub logged: u64,
    /// Lines of `--transactions`, in order.
    pub rows: Vec<Row>,
    /// Lines that found no room.
    pub rows_dropped: u64,
    /// Packets whose fragments found no room.
    pub fragments_evicted: u64,
    /// Connections whose TLS secrets found no room.
    pub secrets_evicted: u64,
    /// What is wrong with the key logs, in words.
    pub key_log_damage: Vec<String>,
    /// Bad lines of logs, when they were asked for.
    pub quarantine: Quarantine,
}

impl Analysis {
    /// Reads all inputs. `tick` is told of progress.
    pub fn read(&self, tick: &mut dyn FnMut(Progress)) -> Result<Taken> {
        let limits = &self.shard.limits;
        let collector = || {
            let mut collector =
                Collector::new(limits, &self.key, &self.classifier, self.shard.inspect_bodies)
                    .with_trusted(&self.shard.trusted)
                    .with_vantages(&self.shard.vantages)
                    .with_methods(&self.shard.methods);
            collector.collect_tags(self.shard.tags);
            collector.gather_constants(self.shard.constants);
            collector
        };
        let keys = &self.shard.keys;
        let mut shards = Shards::start(self.shards, self.packets, Arc::clone(keys), &|| {
            Shard::new(&self.shard, collector())
        })
        .context("start the worker threads")?;
        let key_logs = KeyLogs::open(&self.key_logs, keys, self.follow.is_some())?;
        // Logs are read on this thread: their exchanges need no connection to be put together. Those with bodies stay here,
        // as they are large.
        let mut logs = Intake::new(collector(), Rows::new(self.shard.rows, limits.transaction_rows));
        let mut quarantine = Quarantine::default();
        let mut inputs = Vec::with_capacity(self.inputs.len());
        let (mut bytes_before, mut records_before) = (0, 0);
        for (position, path) in self.inputs.iter().enumerate() {
            let mut stats = InputStats { name: path.display().to_string(), ..InputStats::default() };
            let to = (&mut shards, &mut logs, &mut quarantine);
            let taken = self.read_one(position, &mut stats, to, &mut |bytes, records| {
                tick(Progress {
                    input: position,
                    bytes: bytes_before + bytes,
                    records: records_before + records,
                });
            });
            bytes_before += taken;
            records_before += stats.records;
            tick(Progress { input: position, bytes: bytes_before, records: records_before });
            inputs.push(stats);
        }
        let mut counters = ShardCounters::default();
        let mut all = logs;
        let mut delta = all.collector.take();
        let fragments_evicted = shards.fragments_evicted();
        let logged = inputs.iter().map(|stats| stats.logged).sum();
        // What still waits for keys is read with all that were told.
        let key_log_damage = key_logs.finish();
        // What still was open when all was read is told of the last capture, whichever shard had it.
        let last = inputs.iter().rposition(|stats| stats.segments > 0).unwrap_or_default();
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let mut by_input: BTreeMap<u32, ShardCounters> = BTreeMap::new();
        for (intake, (booked, rest)) in shards.finish() {
            let Intake { mut collector, rows, .. } = intake;
            delta.absorb(collector.take());
            all.rows.absorb(rows);
            by_input.absorb(booked);
            by_input.entry(last).or_default().absorb(rest);
        }
        for counted in by_input.values() {
            counters.absorb(counted.clone());
        }
        delta.take_in_services(std::mem::take(&mut counters.http.services));
        delta.settle(None);
        let rows_dropped = all.rows.dropped();
        Ok(Taken {
            delta,
            inputs,
            counters,
            by_input,
            logged,
            rows: all.rows.into_sorted(),
            rows_dropped,
            fragments_evicted,
            secrets_evicted: keys.evicted(),
            key_log_damage,
            quarantine,
        })
    }

    /// Reads one input. Returns how many bytes of its file that took.
    fn read_one(
        &self,
        position: usize,
        stats: &mut InputStats,
        (shards, logs, quarantine): (&mut Shards, &mut Intake, &mut Quarantine),
        tick: &mut dyn FnMut(u64, u64),
    ) -> u64 {
        let path = self.inputs.get(position).map_or_else(|| "-".as_ref(), PathBuf::as_path);
        let number = u32::try_from(position).unwrap_or(u32::MAX);
        let opened = match open(path, self.follow) {
            Ok(opened) => opened,
            Err(error) => {
                stats.damage.push(format!("{error:#}"));
                return 0;
            }
        };
        let taken = Arc::clone(&opened.taken);
        if opened.front.is_empty() {
            stats.damage.push("empty: nothing was captured, or the writer has not begun".to_owned());
        } else if capture_file::is_capture(&opened.front) {
            "capture".clone_into(&mut stats.format);
            shards.read_capture(number, opened.reader, stats, &mut |stats| {
                tick(taken.load(Ordering::Relaxed), stats.records);
            });
        } else if let Some((mut reader, told)) = self.reader(&opened.front, path, number) {
            let mut span: Option<(Timestamp, Timestamp)> = None;
            let has_bodies = *reader.format() == LogFormat::Har;
            let read = log_file::read_log(opened.reader, &mut reader, &mut |exchange| {
                stats.logged += 1;
                if stats.logged.is_multiple_of(1_024) {
                    tick(taken.load(Ordering::Relaxed), stats.logged);
                }
                let at = exchange.started();
                span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
                if has_bodies {
                    logs.transaction(exchange);
                } else {
                    shards.exchange(exchange);
                }
            });
            stats.span = span;
            stats.bytes = read.bytes;
            if let Some(error) = read.damage {
                stats.damage.push(format!(
                    "unreadable after {} bytes: {error}; what came before was read",
                    read.bytes
                ));
            }
            stats.log(reader.format(), told, &read.report);
            if let Some(kept) = reader.quarantine() {
                quarantine.absorb(kept);
            }
        } else {
            stats.damage.push(
                "neither a capture (pcap, pcapng) nor a log that is understood (HAR, OpenTelemetry, mitmproxy, Burp, Postman, Envoy tap, combined, JSON lines, W3C, Zeek, load balancers, Envoy, HAProxy); give its format with --log-format".to_owned(),
            );
        }
        taken.load(Ordering::Relaxed)
    }

    /// A reader of the log that begins so. Its format is the one given, but for what nothing else looks like; one told
    /// by content is open to lines of others, which is told, too.
    fn reader(&self, front: &[u8], path: &Path, number: u32) -> Option<(Reader, bool)> {
        let options = &self.log_options;
        let (format, told) = match (access_log::detect_among(front, &options.catalogue), &self.log_format) {
            (Some(found), _) if found.is_unmistakable() => (found, true),
            (_, Some(given)) => (given.clone(), false),
            (found, None) => (found?, true),
        };
        let written = Some(log_file::last_written(path));
        let mut options = LogOptions { reference: written, written, ..options.clone() };
        options.stand_in = access_log::first_time(front, &format, &options);
        let mut reader = Reader::with(format, number, &self.shard.limits, &options);
        if told {
            reader = reader.open_to_others();
        }
        if self.keep_bad_lines {
            reader = reader.with_quarantine(path.display().to_string().into(), Quarantine::default());
        }
        Some((reader, told))
    }

    /// Concludes from what was taken in.
    #[must_use]
    pub fn conclude<'a>(&'a self, taken: &'a Taken) -> Report<'a> {
        let told = Told {
            documents: &self.documents,
            rulings: &self.rulings,
            ownership: &self.ownership,
            classifier: &self.classifier,
            standings: Standings::none(),
        };
        conclude(&taken.delta, &told)
    }
}

/// What people tell, which what was learnt is held against.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The documents to compare with.
    pub documents: &'a DocumentSet,
    /// What operators have decided on templates.
    pub rulings: &'a Rulings,
    /// What operators tell of services.
    pub ownership: &'a Ownership,
    /// The signatures of data classes.
    pub classifier: &'a Classifier,
    /// What was said of data classes before.
    pub standings: &'a Standings,
}

/// Concludes from what was learnt.
#[must_use]
pub fn conclude<'a>(delta: &'a Delta, told: &Told<'a>) -> Report<'a> {
    let Told { documents, rulings, ownership, classifier, standings } = *told;
    let mut snapshot = delta.snapshot(documents, rulings);
    ownership.assign(&mut snapshot.inventory.endpoints);
    lifecycle::assign(&mut snapshot.inventory, documents, ownership.spans());
    let carried = |endpoint: &Endpoint| tables::carried(classifier, standings, endpoint);
    let options = compare::Options {
        data: &carried,
        services: Some(delta.services()),
        governed: !ownership.is_empty(),
        values: Some(delta.value_key()),
        ..compare::Options::default()
    };
    let mut findings = compare(&snapshot.inventory, documents, &options);
    let endpoints = &snapshot.inventory.endpoints;
    let kept: BTreeMap<EndpointId, EndpointId> = endpoints
        .iter()
        .map(|endpoint| (endpoint.key.id(), endpoint.id))
        .filter(|(own, id)| own != id)
        .collect();
    for finding in &mut findings {
        if let Some(id) = finding.endpoint.and_then(|own| kept.get(&own)) {
            finding.keep_endpoint(*id);
        }
    }
    weigh(&mut findings, endpoints, &carried);
    Report { snapshot, findings, standings }
}

/// Gives each finding its weight by what it is about: an endpoint, or all that were seen on a host.
fn weigh(
    findings: &mut [Finding],
    endpoints: &[Endpoint],
    carried: &dyn Fn(&Endpoint) -> Vec<compare::Carried>,
) {
    let context = |endpoint: &Endpoint| finding::Context {
        tier: carried(endpoint).iter().map(|one| one.tier).max().unwrap_or(0),
        open: compare::answered_without_credential(&endpoint.facts) > 0,
        callers: endpoint.facts.callers.estimate(),
        exposure: endpoint.claim.exposure,
    };
    let of_endpoints: BTreeSet<EndpointId> = findings.iter().filter_map(|one| one.endpoint).collect();
    let of_hosts: BTreeSet<String> =
        findings.iter().filter(|one| one.endpoint.is_none()).map(|one| one.host.clone()).collect();
    let mut by_id: BTreeMap<EndpointId, finding::Context> = BTreeMap::new();
    let mut by_host: BTreeMap<String, finding::Context> = BTreeMap::new();
    for endpoint in endpoints {
        let host = of_hosts.get(&endpoint.key.host);
        if host.is_none() && !of_endpoints.contains(&endpoint.id) {
            continue;
        }
        let known = context(endpoint);
        by_id.insert(endpoint.id, known);
        if let Some(host) = host {
            by_host.entry(host.clone()).or_default().widen(&known);
        }
    }
    for finding in findings.iter_mut() {
        let known = match &finding.endpoint {
            Some(id) => by_id.get(id),
            None => by_host.get(&finding.host),
        };
        finding.weigh(&known.copied().unwrap_or_default());
    }
    finding::sort(findings);
}

impl Taken {
    /// What the learner could not keep.
    #[must_use]
    pub fn learner_counters(&self) -> LearnerCounters {
        self.delta.learner_counters()
    }

    /// Distinct callers.
    #[must_use]
    pub fn callers(&self) -> u64 {
        self.delta.callers()
    }

    /// Requests by authentication scheme.
    #[must_use]
    pub const fn schemes(&self) -> &BTreeMap<AuthScheme, u64> {
        self.delta.schemes()
    }

    /// Requests by the host names of their tokens' issuers.
    #[must_use]
    pub fn issuers(&self) -> BTreeMap<Arc<str>, u64> {
        self.delta.issuers()
    }

    /// Exchanges in all.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.counters.http.transactions + self.logged
    }

    /// Limits that were reached, in words: results may then depend on the number of shards.
    #[must_use]
    pub fn limits_reached(&self, limits: &Limits) -> Vec<String> {
        let learner = self.learner_counters();
        let flows = &self.counters.flows;
        let (operations, in_part) = self.delta.operations_reached();
        [
            (
                flows.evicted,
                format!("connections were dropped for others (limit max_flows = {})", limits.max_flows),
            ),
            (
                self.secrets_evicted,
                format!(
                    "connections' TLS secrets were dropped for others (limit tls_secrets = {})",
                    limits.tls_secrets
                ),
            ),
            (self.fragments_evicted, "packets in fragments were given up (limit MAX_PACKETS)".to_owned()),
            (learner.nodes_overflowed, "path nodes found no room (limit nodes)".to_owned()),
            (
                learner.fields_forgotten,
                "operations forgot the fields of their bodies and queries (limit fields)".to_owned(),
            ),
            (
                learner.hosts_evicted,
                "hosts that were called least made room for others (limit hosts)".to_owned(),
            ),
            (learner.clients_overflowed, "clients were not scored (limit clients)".to_owned()),
            (
                self.delta.unwatched(),
                "exchanges were not looked for at other vantages (limit MAX_WAITING)".to_owned(),
            ),
            (
                operations,
                format!(
                    "calls were of operations that found no room under their URL (limit OPERATIONS = {})",
                    crate::limits::OPERATIONS
                ),
            ),
            (
                in_part,
                "requests asked for more operations, or in longer documents, than are read (limits operation_calls, \
                 graphql_tokens, body_depth)"
                    .to_owned(),
            ),
            (
                self.rows_dropped,
                format!(
                    "lines of --transactions were dropped (limit transaction_rows = {})",
                    limits.transaction_rows
                ),
            ),
        ]
        .into_iter()
        .filter(|(times, _)| *times > 0)
        .map(|(times, what)| format!("{times} {what}"))
        .collect()
    }
}
