//! Reads a lake's rows back, and tells which are the latest.
//!
//! Files are read in the order of their names. One that cannot be read is a problem with its place; the
//! others are read all the same.

use super::rows::{
    CaptureRow, EndpointRow, EventRow, FindingRow, NoiseRow, ObservationRow, ServiceRow, Stored,
};
use super::tables::{Table, from_batch, schema_id};
use super::writer::{LakeError, SCHEMA_KEY};
use crate::finding::State;
use crate::problem::Problems;
use crate::time::Timestamp;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a table holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<R> {
    /// Its rows.
    pub rows: Vec<Stored<R>>,
    /// The files that could not be read.
    pub problems: Problems,
}

/// Whether any table of a lake stands in a folder, or nothing yet, as before a sensor writes for the first time.
#[must_use]
pub fn is_lake(root: &Path) -> bool {
    [
        EndpointRow::NAME,
        ObservationRow::NAME,
        FindingRow::NAME,
        EventRow::NAME,
        ServiceRow::NAME,
        NoiseRow::NAME,
        CaptureRow::NAME,
    ]
    .iter()
    .any(|name| root.join(name).is_dir())
        || is_new(root)
}

/// Whether nothing stands in a folder but what is hidden.
fn is_new(root: &Path) -> bool {
    let hidden = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    fs::read_dir(root).is_ok_and(|entries| entries.flatten().all(|entry| hidden(&entry)))
}

/// Reads all rows of a table. A lake without the table has none.
pub fn read<R: Table>(root: &Path) -> Result<Rows<R>, LakeError> {
    fs::read_dir(root).map_err(LakeError::io("read the lake", root))?;
    let mut rows = Rows { rows: Vec::new(), problems: Problems::default() };
    let table = root.join(R::NAME).join(format!("v{}", R::VERSION));
    for date in children(&table, "date=")? {
        for sensor in children(&date, "sensor=")? {
            for file in children(&sensor, "")? {
                if file.extension().is_some_and(|extension| extension == "parquet") {
                    read_file(&file, &mut rows);
                }
            }
        }
    }
    Ok(rows)
}

/// The endpoints as of their latest snapshot each, by sensor, host and template; without those that a refined
/// template took the place of.
pub fn latest_endpoints(root: &Path) -> Result<Rows<EndpointRow>, LakeError> {
    let mut rows = read(root).map(latest)?;
    rows.rows.retain(|stored: &Stored<EndpointRow>| stored.row.lifecycle != EndpointRow::SUPERSEDED);
    Ok(rows)
}

/// The findings as of their latest state each, by sensor, kind and subject, at an instant: what was decided stays
/// until it is seen after it was resolved; what is accepted until a day is open again after it; and what is due and was
/// not seen for so long, while its sensor went on, is resolved by itself.
pub fn latest_findings(root: &Path, now: Timestamp, unseen: Duration) -> Result<Rows<FindingRow>, LakeError> {
    let all: Rows<FindingRow> = read(root)?;
    let mut newest: BTreeMap<String, Timestamp> = BTreeMap::new();
    for stored in all.rows.iter().filter(|stored| stored.row.record != FindingRow::DECISION) {
        let known = newest.entry(stored.origin.sensor.clone()).or_insert(stored.origin.window_end);
        *known = (*known).max(stored.origin.window_end);
    }
    let mut rows = latest(all);
    for stored in &mut rows.rows {
        let row = &mut stored.row;
        let state = State::named(&row.state).unwrap_or_default();
        let last = row.last_seen.unwrap_or(stored.origin.window_end);
        let silent = newest.get(&stored.origin.sensor).is_some_and(|newest| newest.since(last) > unseen);
        let over = row.until.is_some_and(|until| now > until);
        let state = match state {
            State::Accepted if over => State::Reopened,
            due if due.is_due() && silent => State::Resolved,
            other => other,
        };
        state.name().clone_into(&mut row.state);
    }
    Ok(rows)
}

/// The services behind TLS as of their latest snapshot each, by sensor, name and socket.
pub fn latest_services(root: &Path) -> Result<Rows<ServiceRow>, LakeError> {
    read(root).map(latest)
}

/// The changes of endpoints, the earliest first. One that several runs of a sensor tell stands once, by its earliest time.
pub fn all_events(root: &Path) -> Result<Rows<EventRow>, LakeError> {
    let mut all = read::<EventRow>(root)?;
    let subject = |stored: &Stored<EventRow>| (stored.origin.sensor.clone(), stored.row.id.clone());
    all.rows.sort_by_cached_key(|stored| (subject(stored), stored.row.at, stored.origin.run.clone()));
    all.rows.dedup_by_key(|stored| subject(stored));
    all.rows.sort_by(|one, other| one.row.order().cmp(&other.row.order()));
    Ok(all)
}

/// A row that says something of a subject that other rows tell of, too.
trait Snapshot: Table {
    fn subject(&self) -> &str;
    /// What an older row knows and this one should.
    fn learn(&mut self, older: &Self);
}

impl Snapshot for EndpointRow {
    fn subject(&self) -> &str {
        &self.id
    }

    fn learn(&mut self, older: &Self) {
        self.first_seen = self.first_seen.min(older.first_seen);
    }
}

impl Snapshot for FindingRow {
    fn subject(&self) -> &str {
        &self.id
    }

    fn learn(&mut self, older: &Self) {
        let seen: [Option<Timestamp>; 2] = [self.first_seen, older.first_seen];
        self.first_seen = seen.into_iter().flatten().min();
        // What a row decides counts; else what was decided before.
        if !self.author.is_empty() {
            return;
        }
        // A file of decisions tells them again with each row, so one that is told no more was taken back. A command tells
        // its decision once, and the rows after it take over its record to say whose it is.
        let is_kept = older.author.is_empty() || older.record == Self::DECISION;
        if is_kept {
            self.author.clone_from(&older.author);
            self.reason.clone_from(&older.reason);
            self.until = older.until;
            self.record.clone_from(&older.record);
        }
        if self.state == State::Open.name() {
            let is = match State::named(&older.state).unwrap_or_default() {
                State::Resolved => State::Reopened,
                was if is_kept => was,
                State::Open
                | State::Acknowledged
                | State::Accepted
                | State::FalsePositive
                | State::Reopened => State::Open,
            };
            is.name().clone_into(&mut self.state);
        }
    }
}

impl Snapshot for ServiceRow {
    fn subject(&self) -> &str {
        &self.id
    }

    fn learn(&mut self, older: &Self) {
        self.first_seen = self.first_seen.min(older.first_seen);
    }
}

/// Keeps the latest row of each subject and sensor; of the same instant, that of the greatest run.
fn latest<R: Snapshot>(mut all: Rows<R>) -> Rows<R> {
    let subject = |stored: &Stored<R>| (stored.origin.sensor.clone(), stored.row.subject().to_owned());
    all.rows
        .sort_by_cached_key(|stored| (subject(stored), stored.origin.window_end, stored.origin.run.clone()));
    let mut kept: Vec<Stored<R>> = Vec::new();
    for mut stored in all.rows {
        match kept.last_mut() {
            Some(older) if subject(older) == subject(&stored) => {
                stored.row.learn(&older.row);
                *older = stored;
            }
            _ => kept.push(stored),
        }
    }
    kept.sort_by(|a, b| {
        let by_sensor = a.origin.sensor.cmp(&b.origin.sensor);
        by_sensor.then_with(|| a.row.sort_key().cmp(&b.row.sort_key()))
    });
    Rows { rows: kept, problems: all.problems }
}

/// What stands in a folder under names that begin so, sorted; nothing when there is no folder.
fn children(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, LakeError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LakeError::io("read the folder", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(LakeError::io("read the folder", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && !name.starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn read_file<R: Table>(path: &Path, into: &mut Rows<R>) {
    let length = into.rows.len();
    if let Err(error) = read_batches(path, into) {
        into.rows.truncate(length);
        let cure = "it is not used; restore or remove it";
        into.problems.push(&path.display().to_string(), "", format!("{error}; {cure}"));
    }
}

fn read_batches<R: Table>(path: &Path, into: &mut Rows<R>) -> Result<(), Box<dyn std::error::Error>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let named = metadata.into_iter().flatten().find(|pair| pair.key == SCHEMA_KEY);
    let named = named.and_then(|pair| pair.value.as_deref()).unwrap_or("no table of ours");
    if named != schema_id::<R>() {
        return Err(format!("its metadata says `{named}`, not `{}`", schema_id::<R>()).into());
    }
    for batch in builder.build()? {
        into.rows.extend(from_batch(&batch?)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::DocumentPlace;
    use crate::lake::rows::{
        BucketRow, CallRow, CaptureRow, CertificateRow, Count, DataClassRow, EventRow, FormerRow, NoiseRow,
        ObservationRow, OperationRow, Origin, ParameterRow, VersionRow,
    };
    use crate::lake::writer::Writer;

    fn origin(run: &str, end: i64) -> Origin {
        Origin {
            sensor: "s".into(),
            run: run.into(),
            key_id: "k".into(),
            window_start: Timestamp::EPOCH,
            window_end: Timestamp::from_secs(end, 0),
            coverage: 0.5,
        }
    }

    fn endpoint(id: &str, first: i64) -> EndpointRow {
        EndpointRow { id: id.into(), first_seen: Timestamp::from_secs(first, 0), ..Default::default() }
    }

    fn calls() -> CallRow {
        CallRow {
            protocols: Count::list([("grpc", 7)]),
            outcomes: Count::list([("ok", 5), ("not_found", 2)]),
            outcomes_told: Count::list([("trailers", 7)]),
            failed: 2,
            streaming: "server".into(),
            request_messages: 7,
            request_message_bytes: 70,
            request_message_largest: 11,
            response_messages: 30,
            response_message_bytes: 300,
            response_message_largest: 12,
            request_compressions: Count::list([("gzip", 7)]),
            response_compressions: Count::list([("zstd", 7)]),
        }
    }

    #[test]
    fn an_event_that_two_runs_tell_stands_once() {
        let lake = tempfile::tempdir().unwrap();
        let event =
            |id: &str, at| EventRow { id: id.into(), at: Timestamp::from_secs(at, 0), ..EventRow::default() };
        for (run, events) in [("a", vec![event("x", 9), event("y", 3)]), ("b", vec![event("x", 5)])] {
            Writer::new(lake.path(), origin(run, 7_200)).unwrap().write(events).unwrap();
        }
        let all = all_events(lake.path()).unwrap().rows;
        let told: Vec<_> = all.iter().map(|stored| stored.row.clone()).collect();
        assert_eq!(told, [event("y", 3), event("x", 5)]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a value for every column")]
    fn every_column_is_read_as_it_was_written() {
        let lake = tempfile::tempdir().unwrap();
        let writer = Writer::new(lake.path(), origin("a", 7_200)).unwrap();
        let at = |micros| Timestamp::from_micros(micros);
        let class = DataClassRow {
            location: "response.body".into(),
            field: "$.iban".into(),
            class: "fin.iban".into(),
            tier: 3,
            state: "confirmed".into(),
            confidence: 0.75,
            present: 4,
            valid: 3,
            masked: 2,
            distinct: 1,
            reason: "checksum".into(),
            former_state: "suspected".into(),
            first_seen: Some(at(1)),
            last_seen: Some(at(2)),
            changed: None,
            sampled_one_in: 16,
        };
        let endpoints = vec![
            EndpointRow {
                id: "1".into(),
                host: "a.example".into(),
                method: "GET".into(),
                path_template: "/b/{id}".into(),
                template_confidence: 0.25,
                class: "api".into(),
                liveness: "strong".into(),
                live: 4,
                count: 5,
                first_seen: at(1),
                last_seen: at(2),
                callers: 6,
                callers_sketch: vec![1, 2, 3],
                auth: Count::list([("jwt", 1), ("none", 2)]),
                dialects: Count::list([("fapi", 1)]),
                banking_signs: Count::list([("consent", 2)]),
                calls: calls(),
                tpp_roles: Count::list([("psp_ai", 3)]),
                tpp_authorities: Count::list([("PSDDE-BAFIN", 4)]),
                tpps: 5,
                vantages: Count::list([("edge GET a.example/b", 6)]),
                vantage_differences: Count::list([("method edge service", 7)]),
                unseen_outside: Count::list([("service", 8)]),
                messages: Count::list([("client text", 9)]),
                message_bytes: Count::list([("server", 10)]),
                message_kinds: Count::list([("server type=price", 11)]),
                close_codes: Count::list([("1000", 12)]),
                statuses: vec![(0, 1), (200, 2)],
                latencies: vec![BucketRow { bucket: 9, count: 8 }],
                request_bytes: 10,
                response_bytes: 11,
                tls: 12,
                data_classes: vec![class.clone(), class],
                spec: Some("documented".into()),
                spec_document: Some("a.yaml".into()),
                parameters: vec![ParameterRow {
                    name: "id".into(),
                    segment: 2,
                    kind: "iban".into(),
                    class: "fin.iban".into(),
                }],
                former_templates: vec![FormerRow {
                    path_template: "/b/{…}".into(),
                    since: at(5),
                    replaced: at(6),
                }],
                capability: "accounts".into(),
                service: "s.example".into(),
                service_evidence: "same_operations".into(),
                aliases: Count::list([("b.example", 7)]),
                tenants: 8,
                base_path: "/prod".into(),
                servers: vec!["192.0.2.1:443".into()],
                family: "f".into(),
                versions: vec![VersionRow {
                    place: "header".into(),
                    name: "api-version".into(),
                    version: "2".into(),
                    count: 9,
                    first_seen: at(1),
                    last_seen: at(2),
                }],
                owner: Some("team".into()),
                lifecycle: "active".into(),
                deprecated_since: Some(at(3)),
                sunset: Some(at(4)),
                tier: 4,
                operation: OperationRow {
                    parent: Some("0".into()),
                    kind: Some("graphql".into()),
                    operation_type: Some("query".into()),
                    name: Some("Get".into()),
                    fields: Count::list([("account", 2)]),
                    errors: 3,
                    error_codes: Count::list([("NO", 1)]),
                },
                environment: Some("production".into()),
                exposure: Some("partner".into()),
                sla: Some("p95 300 ms".into()),
                compliance: vec!["pci-dss".into(), "psd2".into()],
                lifecycle_since: Some(at(5)),
                calls_after_sunset: 6,
                version_links: Count::list([("successor-version", 7)]),
                policies: Count::list([("answers", 9), ("hsts", 8)]),
            },
            EndpointRow { id: "2".into(), host: "b.example".into(), ..Default::default() },
        ];
        let observations = vec![ObservationRow {
            endpoint: "1".into(),
            hour: 5,
            caller_group: "all".into(),
            by_status_class: [1, 2, 3, 4, 5, 6],
            data_classes: Count::list([("fin.iban", 3)]),
            ..Default::default()
        }];
        let findings = vec![FindingRow {
            id: "f".into(),
            kind: "shadow_endpoint".into(),
            state: "acknowledged".into(),
            endpoint: Some("1".into()),
            first_seen: Some(at(5)),
            references: vec!["a".into(), "b".into()],
            document: Some(DocumentPlace { file: "a.yaml".into(), line: Some(7), pointer: "/p".into() }),
            count: u64::MAX >> 1,
            score: 46,
            reasons: vec!["+40 a".into(), "+6 b".into()],
            author: "c".into(),
            reason: "d".into(),
            until: Some(at(9)),
            record: "evidence".into(),
            ..Default::default()
        }];
        let captures = vec![CaptureRow {
            source: "a.pcap".into(),
            fates: Count::list([("tcp", 9)]),
            damage: "cut".into(),
            ..Default::default()
        }];
        writer.write(endpoints.clone()).unwrap();
        writer.write(observations.clone()).unwrap();
        writer.write(findings.clone()).unwrap();
        writer.write(captures.clone()).unwrap();
        let events = vec![EventRow {
            id: "e".into(),
            at: at(7),
            kind: "status_new".into(),
            detail: "500".into(),
            before: "b".into(),
            endpoint: "1".into(),
            host: "a.example".into(),
            method: "GET".into(),
            path_template: "/b/{id}".into(),
            service: "s.example".into(),
            owner: Some("team".into()),
        }];
        writer.write(events.clone()).unwrap();
        assert_eq!(read::<EventRow>(lake.path()).unwrap().rows[0].row, events[0]);
        let noise = vec![NoiseRow {
            kind: "scanner_source".into(),
            host: "h".into(),
            source: "192.0.2.1".into(),
            paths: 1,
            count: 2,
            refused: 3,
            hostile: 4,
            callers: 5,
            first_seen: Some(at(1)),
            last_seen: None,
        }];
        writer.write(noise.clone()).unwrap();
        assert_eq!(read::<NoiseRow>(lake.path()).unwrap().rows[0].row, noise[0]);
        let rows =
            |read: Rows<EndpointRow>| read.rows.into_iter().map(|stored| stored.row).collect::<Vec<_>>();
        assert_eq!(rows(latest_endpoints(lake.path()).unwrap()), endpoints);
        assert_eq!(latest_findings(lake.path(), at(1), Duration::MAX).unwrap().rows[0].row, findings[0]);
        assert_eq!(read::<CaptureRow>(lake.path()).unwrap().rows[0].row, captures[0]);
        let observed = read::<ObservationRow>(lake.path()).unwrap();
        assert_eq!(observed.rows[0].row, observations[0]);
        assert_eq!(observed.rows[0].origin.window_end, Timestamp::from_secs(6 * 3_600, 0));
        assert!((observed.rows[0].origin.coverage - 0.5).abs() < f64::EPSILON);
        assert!(observed.problems.is_empty());
    }

    #[test]
    fn so_is_every_column_of_services() {
        let lake = tempfile::tempdir().unwrap();
        let writer = Writer::new(lake.path(), origin("a", 7_200)).unwrap();
        let at = |micros| Timestamp::from_micros(micros);
        let services = vec![ServiceRow {
            id: "s".into(),
            host: "api.example".into(),
            sni: Some("api.example".into()),
            address: "198.18.0.1".into(),
            port: 443,
            sessions: 1,
            read: 2,
            resumed: 3,
            bytes: 4,
            packets: 5,
            first_seen: at(6),
            last_seen: at(7),
            versions: Count::list([("TLS 1.2", 8)]),
            ciphers: Count::list([("a", 9)]),
            groups: Count::list([("b", 10)]),
            alpn: Count::list([("h2", 11)]),
            ja4: Count::list([("c", 12)]),
            encrypted_hellos: 13,
            early_data: 14,
            post_quantum: 15,
            asks_certificate: 16,
            with_certificate: 17,
            client_issuers: vec!["d".into()],
            certificates: vec![CertificateRow {
                subject: "e".into(),
                issuer: "f".into(),
                not_after: at(18),
                shown: 19,
                last_shown: at(20),
            }],
            problems: Count::list([("g", 21)]),
        }];
        writer.write(services.clone()).unwrap();
        assert_eq!(latest_services(lake.path()).unwrap().rows[0].row, services[0]);
    }

    #[test]
    fn of_several_snapshots_the_latest_counts_and_the_first_sight_stays() {
        let lake = tempfile::tempdir().unwrap();
        for (run, end, rows) in [
            ("b", 7_200, vec![endpoint("1", 200), endpoint("2", 300)]),
            ("a", 3_600, vec![endpoint("1", 100), endpoint("3", 50)]),
        ] {
            Writer::new(lake.path(), origin(run, end)).unwrap().write(rows).unwrap();
        }
        let latest = latest_endpoints(lake.path()).unwrap().rows;
        let told: Vec<_> = latest
            .iter()
            .map(|stored| (stored.row.id.as_str(), stored.origin.run.as_str(), stored.row.first_seen))
            .collect();
        let at = |secs| Timestamp::from_secs(secs, 0);
        assert_eq!(told, [("1", "b", at(100)), ("2", "b", at(300)), ("3", "a", at(50))]);
    }

    #[test]
    fn what_was_decided_stays_until_the_finding_comes_back() {
        const DAY: i64 = 86_400;
        let day = |day: i64| Timestamp::from_secs(day * DAY, 0);
        let row = |id: &str, state: State, seen: i64| FindingRow {
            id: id.into(),
            state: state.name().into(),
            last_seen: Some(day(seen)),
            record: "evidence".into(),
            ..FindingRow::default()
        };
        let decided = |id: &str, state: State, until: Option<i64>| FindingRow {
            author: "anna".into(),
            reason: "known".into(),
            until: until.map(day),
            record: FindingRow::DECISION.into(),
            ..row(id, state, 1)
        };
        let lake = tempfile::tempdir().unwrap();
        let write = |run: &str, at: i64, rows: Vec<FindingRow>| {
            Writer::new(lake.path(), origin(run, at * DAY)).unwrap().write(rows).unwrap();
        };
        let open = State::Open;
        write("a", 1, ["1", "2", "3", "4", "5", "6"].map(|id| row(id, open, 1)).into());
        write(
            "b",
            2,
            vec![
                decided("1", State::Accepted, Some(9)),
                decided("2", State::FalsePositive, None),
                decided("3", State::Acknowledged, None),
            ],
        );
        write("c", 3, vec![row("4", State::Resolved, 1)]);
        write("d", 5, ["1", "2", "4", "5"].map(|id| row(id, open, 5)).into());
        let states = |now: i64, unseen: u64| {
            let unseen = Duration::from_secs(unseen * 86_400);
            let rows = latest_findings(lake.path(), day(now), unseen).unwrap().rows;
            rows.into_iter().map(|stored| stored.row.state).collect::<Vec<_>>()
        };
        let expected = ["accepted", "false_positive", "acknowledged", "reopened", "open", "open"];
        assert_eq!(states(6, 99), expected);
        assert_eq!(states(10, 99)[0], "reopened", "the acceptance is over");
        let expected = ["accepted", "false_positive", "resolved", "reopened", "open", "resolved"];
        assert_eq!(states(6, 3), expected, "not seen while the sensor went on");
        let rows = latest_findings(lake.path(), day(6), Duration::MAX).unwrap().rows;
        assert_eq!((&*rows[0].row.author, rows[0].row.last_seen), ("anna", Some(day(5))));
    }

    #[test]
    fn a_decision_of_a_file_ends_when_it_is_taken_out_and_one_of_a_command_stays() {
        let lake = tempfile::tempdir().unwrap();
        let write = |day: i64, id: &str, state: State, author: &str, record: &str| {
            let row = FindingRow {
                id: id.into(),
                state: state.name().into(),
                author: author.into(),
                last_seen: Some(Timestamp::from_secs(day * 86_400, 0)),
                record: record.into(),
                ..FindingRow::default()
            };
            Writer::new(lake.path(), origin(&format!("{day}-{id}"), day * 86_400))
                .unwrap()
                .write(vec![row])
                .unwrap();
        };
        let (evidence, decision) = ("evidence", FindingRow::DECISION);
        for id in ["by-command", "by-file", "by-file-then-command", "gone-and-back"] {
            write(1, id, State::Open, "", evidence);
        }
        write(2, "by-command", State::Acknowledged, "anna", decision);
        write(2, "by-file", State::FalsePositive, "ben", evidence);
        write(2, "by-file-then-command", State::FalsePositive, "ben", evidence);
        write(3, "by-file-then-command", State::Acknowledged, "anna", decision);
        write(2, "gone-and-back", State::Accepted, "ben", evidence);
        write(3, "gone-and-back", State::Resolved, "ben", evidence);
        // Twice, for what is kept must outlast more than the next row.
        for day in [4, 5] {
            for id in ["by-command", "by-file", "by-file-then-command", "gone-and-back"] {
                write(day, id, State::Open, "", evidence);
            }
        }
        let rows =
            latest_findings(lake.path(), Timestamp::from_secs(6 * 86_400, 0), Duration::MAX).unwrap().rows;
        let mut told: Vec<_> =
            rows.iter().map(|stored| (&*stored.row.id, &*stored.row.state, &*stored.row.author)).collect();
        told.sort_unstable();
        let expected = [
            ("by-command", "acknowledged", "anna"),
            ("by-file", "open", ""),
            ("by-file-then-command", "acknowledged", "anna"),
            ("gone-and-back", "reopened", ""),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_damaged_file_is_told_and_the_others_are_read() {
        let lake = tempfile::tempdir().unwrap();
        for (run, id) in [("a", "1"), ("b", "2")] {
            Writer::new(lake.path(), origin(run, 7_200)).unwrap().write(vec![endpoint(id, 1)]).unwrap();
        }
        let folder = lake.path().join("endpoints/v1/date=1970-01-01/sensor=s");
        fs::write(folder.join("02-a-0000.parquet"), "PAR1 not at all PAR1").unwrap();
        fs::write(folder.join(".02-c-0000.parquet.1.tmp"), "half").unwrap();
        let read = read::<EndpointRow>(lake.path()).unwrap();
        assert_eq!(read.rows.len(), 1);
        assert_eq!(read.problems.as_slice().len(), 1);
        assert!(read.problems.to_string().contains("02-a-0000.parquet"));
    }

    #[test]
    fn a_lake_that_is_not_there_is_told_with_the_cure() {
        let refused = latest_findings(Path::new("no/such/lake"), Timestamp::EPOCH, Duration::MAX)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("no/such/lake") && refused.contains("name a folder that exists"),
            "{refused}"
        );
    }
}
