use super::*;
use crate::secret::FingerprintKey;
use crate::source::intake::{Content as Records, Courier, LogSource, Positions, Tally, Unit};
use crossbeam_channel::Receiver;
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// A sensor as a follower sees it: what was counted, with positions that move together with it.
struct Sensor {
    folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
    from_end: bool,
    now: Instant,
    clock: Timestamp,
    follower: Option<(Follower, Receiver<Unit>)>,
    positions: Positions,
    /// Lines that count.
    seen: Vec<String>,
    /// Lines that stand between the begin of a document and its end.
    pieces: BTreeMap<u64, Vec<u8>>,
    preambles: usize,
    stamps: std::cell::Cell<u64>,
}

impl Sensor {
    fn new(paths: &[&str], from_end: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            paths: paths.iter().map(|path| folder.path().join(path)).collect(),
            folder,
            from_end,
            #[expect(clippy::disallowed_methods, reason = "a begin from which the test counts")]
            now: Instant::now(),
            clock: crate::source::now(),
            follower: None,
            positions: Positions::new(),
            seen: Vec::new(),
            pieces: BTreeMap::new(),
            preambles: 0,
            stamps: std::cell::Cell::new(1),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.at(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.stamp(&file);
    }

    /// Writes by a clock as fine as that of a host on which things happen less fast than here.
    fn stamp(&self, file: &File) {
        self.stamps.set(self.stamps.get() + 1);
        let at = self.clock.plus(Duration::from_millis(self.stamps.get()));
        let at = std::time::UNIX_EPOCH + Duration::from_nanos(at.as_nanos().unsigned_abs());
        file.set_modified(at).unwrap();
    }

    fn follower(&mut self) -> &mut (Follower, Receiver<Unit>) {
        self.positions.entry(SINCE.to_owned()).or_insert(Position::Since(self.clock));
        let (settings, positions, clock) =
            (FileSettings::new(&self.paths, self.from_end).unwrap(), self.positions.clone(), self.clock);
        self.follower.get_or_insert_with(|| {
            let (to, from) = crossbeam_channel::unbounded();
            let source = Arc::new(LogSource { name: "test".into(), ..LogSource::default() });
            let hand = Hand {
                source,
                courier: Courier::new(vec![to], Arc::new(AtomicBool::new(false))),
                tally: Arc::new(Tally::default()),
                positions,
                key: FingerprintKey::new([7; 32]),
            };
            (Follower::new(settings, hand, clock), from)
        })
    }

    /// A look at the files, and all that there is to read.
    fn turn(&mut self) {
        let now = self.now;
        let (follower, _) = self.follower();
        follower.scan(now);
        while follower.read(now).unwrap() {}
        self.count(usize::MAX);
        self.now += Duration::from_secs(1);
    }

    /// Long enough for whatever waits.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.turn();
            self.now += QUIET;
            self.turn();
            self.now += SETTLE;
        }
    }

    /// Counts what the first units hold, and keeps their positions.
    fn count(&mut self, most: usize) {
        let Some((_, from)) = &self.follower else { return };
        let units: Vec<Unit> = from.try_iter().take(most).collect();
        for unit in units {
            let lines = |bytes: &[u8]| -> Vec<String> {
                String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
            };
            match unit.content {
                Records::Lines { bytes, .. } => self.seen.extend(lines(&bytes)),
                Records::Piece { bytes, .. } => self.pieces.entry(unit.stream).or_default().extend(bytes),
                Records::Preamble { .. } => self.preambles += 1,
                Records::End => {
                    self.seen.extend(lines(&self.pieces.remove(&unit.stream).unwrap_or_default()));
                }
                Records::Otlp { .. } | Records::AccessLogService(_) => panic!("not out of files"),
            }
            if let Some((name, position)) = unit.moves {
                self.positions.insert(name.to_string(), position.unwrap());
            }
        }
    }

    /// Killed when so many units more were counted.
    fn kill(&mut self, counted: usize) {
        self.count(counted);
        self.follower = None;
        self.pieces.clear();
        // What the state file would hold.
        let bytes = postcard::to_stdvec(&self.positions).unwrap();
        self.positions = postcard::from_bytes(&bytes).unwrap();
    }

    fn gzip(&self, from: &str, to: &str) {
        let packed = zstd::bulk::compress(&fs::read(self.at(from)).unwrap(), 1).unwrap();
        fs::write(self.at(to), packed).unwrap();
        fs::remove_file(self.at(from)).unwrap();
    }
}

fn line(number: usize) -> String {
    format!("10.0.0.{} - - [15/Apr/2026:00:00:06 +0000] \"GET /a/{number} HTTP/1.1\" 200 5\n", number % 200)
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(line).collect()
}

fn expect(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| line(number).trim_end().to_owned()).collect()
}

#[test]
fn a_file_is_read_as_it_grows_and_its_last_line_once_it_rests() {
    let mut sensor = Sensor::new(&["access.log"], false);
    sensor.turn();
    sensor.write("access.log", &lines(0..3));
    sensor.write("access.log", "10.0.0.3 - - [15/Apr");
    sensor.turn();
    assert_eq!(sensor.seen, expect(0..3));
    sensor.write("access.log", line(3).strip_prefix("10.0.0.3 - - [15/Apr").unwrap().trim_end());
    sensor.turn();
    assert_eq!(sensor.seen, expect(0..3), "a line without its end may go on");
    sensor.settle();
    assert_eq!(sensor.seen, expect(0..4));
}

#[test]
fn from_the_end_only_what_comes_counts() {
    let mut sensor = Sensor::new(&["."], true);
    sensor.write("a.log", &lines(0..5));
    fs::write(sensor.at("old.log.zst"), zstd::bulk::compress(lines(50..60).as_bytes(), 1).unwrap()).unwrap();
    sensor.clock = sensor.clock.plus(Duration::from_secs(5));
    sensor.turn();
    sensor.kill(0);
    sensor.write("a.log", &lines(5..7));
    sensor.settle();
    assert_eq!(sensor.seen, expect(5..7), "a start after the first one goes on");
    sensor.write("b.log", &lines(7..9));
    sensor.settle();
    assert_eq!(sensor.seen, expect(5..9), "a new file is read from its begin");
}

#[test]
fn a_document_counts_whole_or_not_at_all() {
    let har = r#"{"log":{"version":"1.2","entries":[{"startedDateTime":"2026-04-15T00:00:06Z"}]}}"#;
    let mut sensor = Sensor::new(&["*.har"], false);
    sensor.write("a.har", har);
    sensor.turn();
    assert!(sensor.seen.is_empty(), "it may still grow");
    sensor.settle();
    assert_eq!(sensor.seen, [har]);
    sensor.kill(0);
    sensor.settle();
    assert_eq!(sensor.seen, [har]);
}

#[test]
fn what_the_columns_are_is_told_again_after_a_restart() {
    let mut sensor = Sensor::new(&["iis.log"], false);
    sensor.write(
        "iis.log",
        "#Version: 1.0\n#Fields: date time cs-method cs-uri-stem sc-status\n2026-04-15 00:00:06 GET /a 200\n",
    );
    sensor.turn();
    assert_eq!((sensor.seen.len(), sensor.preambles), (3, 0));
    sensor.kill(0);
    sensor.write("iis.log", "2026-04-15 00:00:07 GET /b 200\n");
    sensor.turn();
    assert_eq!((sensor.seen.len(), sensor.preambles), (4, 1));
}

#[test]
fn a_file_that_cannot_be_read_costs_itself_only() {
    let mut sensor = Sensor::new(&["*.log*"], false);
    sensor.write("a.log", &lines(0..2));
    // Damaged in its middle.
    let packed = zstd::bulk::compress(lines(10..40_000).as_bytes(), 1).unwrap();
    fs::write(sensor.at("b.log.zst"), &packed[..packed.len() / 2]).unwrap();
    sensor.settle();
    assert_eq!(sensor.seen[..2], expect(0..2));
    let (follower, _) = sensor.follower.as_ref().unwrap();
    assert_eq!(follower.hand.tally.take().get("damaged_files"), Some(&1));
    let more = sensor.seen[2..].to_vec();
    assert!(more.len() > 1_000);
    assert_eq!(more, expect(10..10 + more.len()), "what stands before the damage is read");
}

/// What a writer, logrotate and the sensor's host do.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Half,
    Rename,
    CopyTruncate { looked_at: bool, half_copied: bool },
    Compress,
    Turn,
    Read,
    Kill(usize),
    Rest,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..40).prop_map(Step::Write),
        1 => Just(Step::Half),
        1 => Just(Step::Rename),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(looked_at, half_copied)| Step::CopyTruncate { looked_at, half_copied }),
        1 => Just(Step::Compress),
        3 => Just(Step::Turn),
        1 => Just(Step::Read),
        2 => (0_usize..3).prop_map(Step::Kill),
        1 => Just(Step::Rest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However a log is rotated and the sensor killed, each line counts once.
    #[test]
    fn each_line_counts_once(steps in proptest::collection::vec(step(), 1..40), named in any::<bool>()) {
        let mut sensor = Sensor::new(&[if named { "access.log" } else { "access.log*" }], false);
        let (mut next, mut half) = (0, None::<String>);
        let mut rotated: Vec<String> = Vec::new();
        let mut stamp = 0;
        let finish = |sensor: &Sensor, half: &mut Option<String>| {
            if let Some(rest) = half.take() {
                sensor.write("access.log", &rest);
            }
        };
        sensor.turn();
        for step in steps {
            match step {
                Step::Write(count) => {
                    finish(&sensor, &mut half);
                    sensor.write("access.log", &lines(next..next + count));
                    next += count;
                }
                Step::Half if half.is_none() => {
                    let line = line(next);
                    next += 1;
                    sensor.write("access.log", &line[..line.len() / 2]);
                    half = Some(line[line.len() / 2..].to_owned());
                }
                Step::Rename if sensor.at("access.log").exists() => {
                    finish(&sensor, &mut half);
                    stamp += 1;
                    let name = format!("access.log.{stamp}");
                    fs::rename(sensor.at("access.log"), sensor.at(&name)).unwrap();
                    rotated.push(name);
                }
                Step::CopyTruncate { looked_at, half_copied } if sensor.at("access.log").exists() => {
                    finish(&sensor, &mut half);
                    stamp += 1;
                    let name = format!("access.log.{stamp}");
                    let whole = fs::read(sensor.at("access.log")).unwrap();
                    if half_copied {
                        fs::write(sensor.at(&name), &whole[..whole.len() / 2]).unwrap();
                        if looked_at { sensor.turn(); }
                    }
                    fs::write(sensor.at(&name), &whole).unwrap();
                    if looked_at { sensor.turn(); }
                    sensor.stamp(&File::create(sensor.at("access.log")).unwrap());
                    rotated.push(name);
                }
                Step::Compress => if let Some(name) = rotated.pop() {
                    sensor.gzip(&name, &format!("{name}.zst"));
                },
                Step::Turn => sensor.turn(),
                Step::Read => {
                    let now = sensor.now;
                    sensor.follower().0.read(now).unwrap();
                }
                Step::Kill(counted) => sensor.kill(counted),
                Step::Rest if half.is_none() => sensor.settle(),
                Step::Half | Step::Rename | Step::CopyTruncate { .. } | Step::Rest => {}
            }
        }
        finish(&sensor, &mut half);
        sensor.settle();
        sensor.seen.sort();
        let mut all = expect(0..next);
        all.sort();
        prop_assert_eq!(&sensor.seen, &all);
    }
}

#[test]
fn logs_of_other_names_may_begin_alike() {
    let mut sensor = Sensor::new(&["."], false);
    sensor.write("a.log", &lines(0..30));
    sensor.write("b.log", &lines(0..30));
    sensor.turn();
    sensor.write("a.log", &lines(30..40));
    sensor.settle();
    sensor.seen.sort();
    let mut all = [expect(0..40), expect(0..30)].concat();
    all.sort();
    assert_eq!(sensor.seen, all);
}
